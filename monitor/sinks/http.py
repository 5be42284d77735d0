"""What the HTTP answers of a far side mean for delivery, whatever is written there."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from monitor.sinks.contract import Answer, Verdict

WORDS_LENGTH = 300

_CODES = {
    400: (Verdict.REFUSED, "sink.refused"),
    401: (Verdict.HOLD, "sink.unauthorized"),
    403: (Verdict.HOLD, "sink.forbidden"),
    404: (Verdict.HOLD, "sink.not_found"),
    408: (Verdict.RETRY, "sink.slow"),
    413: (Verdict.REFUSED, "sink.refused"),
    422: (Verdict.REFUSED, "sink.refused"),
    429: (Verdict.RETRY, "sink.busy"),
    503: (Verdict.RETRY, "sink.busy"),
}


def judge(status: int, taken: int = HTTPStatus.NO_CONTENT) -> tuple[Verdict, str]:
    """What an HTTP status means for delivery, and the text about it.

    Parameters
    ----------
    taken : the one status that promises to keep what was written: a login page answers 200.
    """
    if status == taken:
        return Verdict.TAKEN, ""
    if status in _CODES:
        return _CODES[status]
    if 200 <= status < 300:
        return Verdict.HOLD, "sink.not_a_write"
    if 300 <= status < 400:
        return Verdict.HOLD, "sink.redirected"
    if status >= 500:
        return Verdict.RETRY, "sink.server_error"
    return Verdict.HOLD, "sink.unexpected"


def answered(
    status: int,
    facts: Mapping[str, Any],
    words: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    now_ms: int,
    taken: int = HTTPStatus.NO_CONTENT,
) -> Answer:
    """What a complete answer means: see ``judge``.

    Parameters
    ----------
    facts : ``sink`` and ``address``, and what else the words about it need.
    words : the body, cleaned of secrets by the caller.
    """
    verdict, code = judge(status, taken)
    given = headers or {}
    wait_s = retry_after_s(given.get("Retry-After"), given.get("Date"), now_ms)
    said = {"status": status, "words": one_line(words), "location": one_line(given.get("Location", ""))}
    data = {"bucket": "-", "org": "-", **facts, **said, **clocks(given.get("Date"), now_ms)}
    return Answer(verdict, code, data, wait_s, too_large=status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def clocks(server_date: str | None, now_ms: int) -> dict[str, Any]:
    """What both clocks show, and how far apart they are, seconds; nothing where the server does not say."""
    theirs = _http_date(server_date or "")
    if theirs is None:
        return {}
    ours = datetime.fromtimestamp(now_ms // 1000, UTC)
    return {"clock_off_s": round((ours - theirs).total_seconds()), "ours": ours.isoformat(),
            "theirs": theirs.isoformat()}  # fmt: skip


def retry_after_s(value: str | None, server_date: str | None, now_ms: int) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date; None when it says nothing usable.

    A date is held against the server's own Date where it is given, for the clocks may disagree.
    """
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(server_date or "") or datetime.fromtimestamp(now_ms / 1000, UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shown_address(url: str) -> str:
    """The address without user, password and query: what may be logged."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}".rstrip("/")


def one_line(words: str, secret: str = "") -> str:
    """Someone else's words: on one line, not too long, and never with our secret in them."""
    if secret:
        words = words.replace(secret, "***")
    return " ".join(words.split())[:WORDS_LENGTH]
