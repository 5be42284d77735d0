"""What a programme's text says of an event before it is written down: what it refuses, what it remarks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.problems import ConfigurationError
from config.programme_texts import programme_on
from monitor.store.database import StoreError
from monitor.store.events import EventRow
from rules.curtailment import Life, Mode
from rules.settlement.programme import Notice, NoticeKind, Programme
from rules.settlement.terms import Called, Terms, bid_findings, event_findings

REFUSED = ("notice_too_short", "too_many_hours", "too_many_a_day", "under_programme_minimum")
"""What the programme would not count; the rest is remarked."""

UNASKED = ("no_bid",)
"""Nobody has to bid before an event is written down."""

Remarks = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What is known of an event before it is written down.

    Attributes
    ----------
    programme : a family or a text.
    committed_kw : what is promised. [kW]
    bid : price that was bid. [NT$/kWh]
    binds : what the text does not take is refused; otherwise it is remarked, as of a draft or a dry run.
    """

    programme: str
    start_ms: int
    end_ms: int
    noticed_ms: int
    committed_kw: float
    bid: float | None
    binds: bool


def check_terms(agreed: Agreed, others: Iterable[EventRow], zone: ZoneInfo, folder: Path) -> Remarks:
    """Hold an event against its programme's text.

    Parameters
    ----------
    others : the site's events; those that count are picked here.

    Returns
    -------
    ``{code, data}`` of each remark.

    Raises
    ------
    StoreError : the text does not take the event, and it binds.
    """
    called = _called(agreed.start_ms, agreed.end_ms, zone, agreed.noticed_ms)
    try:
        text = _text(agreed.programme, called, folder)
    except StoreError as error:  # it may be a name of the utility's own: only the settlement needs a text
        return ({"code": error.code, "data": error.data},)
    bid = None if agreed.bid is None else Decimal(str(agreed.bid))
    terms = Terms(committed_kw=Decimal(str(agreed.committed_kw)), bid=bid)
    same = []
    for row in others:
        other = _called(row.start_ms, row.end_ms, zone)
        if _counts(row) and _is_of(row, text, other, folder):
            same.append(other)
    remarks = []
    for finding in (*event_findings(text, called, same), *bid_findings(text, terms)):
        if finding.code in REFUSED:
            told = dict(finding.facts) | {"programme": text.id, "rules": _rules(text.notices)}
            code = f"dispatch.terms_{finding.code}"
            if agreed.binds:
                raise StoreError(code, **told)
            remarks.append({"code": code, "data": told})
        elif finding.code not in UNASKED:
            remarks.append({"code": f"dr.finding_{finding.code}", "data": dict(finding.facts)})
    return tuple(remarks)


def _called(start_ms: int, end_ms: int, zone: ZoneInfo, noticed_ms: int | None = None) -> Called:
    start, end = (datetime.fromtimestamp(at_ms / 1000, zone) for at_ms in (start_ms, end_ms))
    return Called(start, end, None if noticed_ms is None else datetime.fromtimestamp(noticed_ms / 1000, zone))


def _text(wish: str, called: Called, folder: Path) -> Programme:
    try:
        return programme_on(wish, called.start.date(), folder)
    except ConfigurationError as error:
        problem = error.problems[0]
        if problem.code == "dr.no_text_on_day":
            data = {**problem.data, "known": ", ".join(problem.data["known"])}
            raise StoreError(problem.code, **data) from error
        raise StoreError("dispatch.unknown_programme", programme=wish) from error


def _counts(row: EventRow) -> bool:
    """A dry run sheds nothing, and what was cancelled or never confirmed was none."""
    return bool(row.programme) and row.mode is Mode.LIVE and row.life not in (Life.DRAFT, Life.CANCELLED)


def _is_of(row: EventRow, text: Programme, called: Called, folder: Path) -> bool:
    try:
        return _text(row.programme, called, folder).family == text.family
    except StoreError:  # its programme's file is gone: no limit can be held against it
        return False


def _rules(notices: Iterable[Notice]) -> str:
    """The ways of giving notice, the same in every language."""
    return " / ".join(
        f"D-1 {one.by:%H:%M}"
        if one.kind is NoticeKind.DAY_BEFORE and one.by is not None
        else "D-1"
        if one.kind is NoticeKind.DAY_BEFORE
        else f"{one.minutes} min"
        for one in notices
    )
