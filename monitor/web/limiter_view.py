"""The demand limiter on the page: its mode, what it has shed, why, and how far it is from its limit."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from config.words import say
from monitor.event_words import mode_text
from monitor.limiter_watch import limiter_wants_somebody
from monitor.web.event_view import action_row, kw
from monitor.web.snapshot import Snapshot
from monitor.web.wording import Words

Fields = dict[str, Any]


def limiter_fields(snapshot: Snapshot, words: Words) -> Fields:
    """The card of the limiter, in one language; a site without one has none."""
    facts = snapshot.limiter
    if facts is None:
        return {"s.limiter": "none", "h.limiter": []}
    state = "shed" if facts["shed"] else "over" if limiter_wants_somebody(facts) else "calm"
    return {"s.limiter": state if facts["is_on"] else "off", "h.limiter": [_row(facts, snapshot, words)]}


def limiter_notices(snapshot: Snapshot, words: Words) -> Iterator[dict[str, str]]:
    """What a person has to do something about."""
    facts = snapshot.limiter
    if facts is None or not facts["is_on"]:
        return
    if facts["missing"] is not None:
        text = say("limiter.check_only_watches", words.language, reason=say(facts["missing"], words.language))
        yield {"level": "warn", "text": text}
    if facts["why"] == "nothing_left":
        figures = {"limit": kw(facts["limit_kw"]), "short": kw(facts["short_kw"])}
        yield {"level": "bad", "text": say("limiter.page_nothing_left", words.language, **figures)}


def _row(facts: Fields, snapshot: Snapshot, words: Words) -> Fields:
    language = words.language
    mode = facts["mode"] or facts["wanted"]
    last = facts["last"]
    return {
        "plan": facts["plan"],
        "mode_word": mode_text(mode, language),
        "why": say(f"limiter.why_{facts['why']}" if facts["is_on"] else "limiter.page_off", language),
        "short": kw(facts["short_kw"]),
        "projected": kw(facts["projected_kw"]),
        "limit": kw(facts["limit_kw"]),
        "next": facts["next"],
        "last": "" if last is None else _last(last, snapshot, words),
        "actions": [action_row(one, words) for one in facts["actions"]],
    }


def _last(last: Fields, snapshot: Snapshot, words: Words) -> str:
    at_ms = round(datetime.fromisoformat(last["at"]).timestamp() * 1000)
    changed = [say("limiter.did_shed", words.language, action=last["shed"])] if last.get("shed") else []
    if last.get("back"):
        changed.append(say("limiter.did_back", words.language, actions=words.listed(last["back"])))
    why = say(f"limiter.why_{last['why']}", words.language)
    what = words.listed(changed)
    at = words.moment(at_ms, snapshot.now_ms)
    return say("limiter.page_last", words.language, at=at, what=what, why=why)
