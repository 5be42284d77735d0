"""Writing down that a figure took the place of another one: both, whose it was, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from sqlalchemy import Connection, insert

from monitor.store.answer_tables import corrections
from monitor.store.database import StoreError
from monitor.store.deliveries import write_audit
from rules.logs import Plausible, a_day, implausible

What = Literal["quantity", "reading", "slip"]


@dataclass(frozen=True, slots=True)
class Correction:
    """One figure in the place of another; ``start_day`` and ``end_day`` are ISO, inclusive."""

    what: What
    subject: str
    start_day: str
    end_day: str
    old: float
    new: float
    unit: str
    old_source: str
    new_source: str


@dataclass(frozen=True, slots=True)
class Why:
    """Who has figures replaced, when and for what reason."""

    reason: str
    who: str
    at_ms: int


def write_corrections(connection: Connection, site: str, found: Sequence[Correction], why: Why) -> None:
    """Add them, in the transaction that replaces the figures, and tell the audit of each.

    Of a slip the audit is told by whoever corrects it, with its number.
    """
    rows = [
        {"site": site, **asdict(one), "reason": why.reason, "who": why.who, "recorded_ms": why.at_ms}
        for one in found
    ]
    if rows:
        connection.execute(insert(corrections), rows)
    for one in found:
        if one.what != "slip":
            detail = {**asdict(one), "reason": why.reason}
            write_audit(connection, site, why.at_ms, why.who, "log.correct", detail)


def implausible_row(
    subject: str, days: tuple[date, date], quantity: float, unit: str, limits: Mapping[str, Plausible]
) -> StoreError | None:
    """What speaks against a quantity of some days, both included; the file and row are the caller's."""
    mine, count = limits.get(subject), (days[1] - days[0]).days + 1
    broken = implausible(quantity, count, mine)
    if broken is None or mine is None:
        return None
    data = {"start": days[0].isoformat(), "end": days[1].isoformat(), "unit": unit, "subject": subject}
    figures = {"mean": f"{a_day(quantity, count):,.6g}", "limit": f"{broken:,.6g}"}
    code = "store.implausible_more" if broken == mine.most_a_day else "store.implausible_less"
    return StoreError(code, **data, **figures)
