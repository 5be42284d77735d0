"""``energy-monitor dr schedule PLAN --file``: the events of a file, all of them or none."""

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from config.event_list import CalledEvent, read_event_list
from config.loading import LoadedSite, load_site
from config.words import say, say_error
from monitor.cli.dr_dispatch import (
    ANSWER_WITHIN_S,
    FINE,
    PROBLEM,
    WRONG_USE,
    Said,
    WrongUseError,
    key_of,
)
from monitor.cli.handing_over import carried_out
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.dispatch.desk import EventDesk
from monitor.event_words import counted, refusal_text
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.deliveries import who
from monitor.store.event_requests import EventListOutcome, EventListRequest, EventRequest
from rules.curtailment import Mode


def run_event_list(path: Path, said: Said, file: Path | None, language: str) -> int:
    """Schedule the events of a file.

    Returns
    -------
    0 fine; 1 something of it is refused, and nothing was written; 2 wrong use.
    """
    if file is None or any(
        (said.start, said.end, said.length, said.event, said.kw is not None, said.programme)
    ):
        tell(say("trigger.start_or_file", language))
        return WRONG_USE
    if said.mode and said.mode not in list(Mode):
        tell(say("dispatch.bad_mode", language, mode=said.mode))
        return WRONG_USE
    loaded = load_site(path)
    zone = ZoneInfo(loaded.site.site.timezone)
    called = read_event_list(file, zone, loaded.site.interval_s)
    try:
        key = key_of(said.key_file) if said.operator else ""
        outcome = _asked(loaded, _request(said, file, called, key))
    except WrongUseError as error:
        tell(say(error.code, language, **error.data))
        return WRONG_USE
    except LedgerRefused as refused:
        for one in refused.problems:
            text = refusal_text(one, zone, language)
            tell(say("trigger.row", language, file=file.name, row=one.data.get("row", "?"), text=text))
        tell(say("trigger.none_taken", language, file=file.name))
        return PROBLEM
    except StoreError as error:
        tell(refusal_text(error, zone, language))
        return PROBLEM
    counts = {"added": outcome.added, "unchanged": outcome.unchanged}
    key = counted("trigger.taken", outcome.added, language)
    sys.stdout.write(say(key, language, file=file.name, **counts) + "\n")
    for text, rows in _remarks(outcome, language).items():
        told = say("dispatch.remark", language, text=text)
        sys.stdout.write(say("trigger.row", language, file=file.name, row=", ".join(rows), text=told) + "\n")
    return FINE


def _remarks(outcome: EventListOutcome, language: str) -> dict[str, list[str]]:
    """Rows by what is remarked of them: a season of the same says it once."""
    found: dict[str, list[str]] = {}
    for remark in outcome.remarks:
        found.setdefault(say_error(remark, language), []).append(str(remark["data"]["row"]))
    return found


def _request(said: Said, file: Path, called: tuple[CalledEvent, ...], key: str) -> EventListRequest:
    now_ms, by = SystemClock().now_ms(), who()

    def request(one: CalledEvent) -> EventRequest:
        return EventRequest(
            what="schedule",
            asked_ms=now_ms,
            who=by,
            source="file",
            plan=said.plan,
            event=one.id,
            start_ms=round(one.start.timestamp() * 1000),
            end_ms=round(one.end.timestamp() * 1000),
            mode=said.mode,
            wanted_kw=None if one.committed_kw is None else float(one.committed_kw),
            programme=one.programme,
            operator=said.operator,
            note=said.note.strip() or one.source,
            is_draft=said.is_draft,
            bid=None if one.bid is None else float(one.bid),
            noticed_ms=0 if one.notice is None else round(one.notice.timestamp() * 1000),
        )

    rows = tuple(one.row for one in called)
    return EventListRequest(now_ms, by, file.name, tuple(map(request, called)), rows, said.operator, key)


def _asked(loaded: LoadedSite, request: EventListRequest) -> EventListOutcome:
    """Have it done by the daemon; where none runs, write it down here. Raises ``StoreError``."""
    desk = EventDesk(loaded, SystemClock())
    return carried_out(
        loaded, request, lambda engine, site: desk.carry_out_list(engine, site, request), ANSWER_WITHIN_S
    )
