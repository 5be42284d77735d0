"""What people log: slips of a fuel log that add up by day, readings of a register; corrections of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, Engine, delete, insert, select, update

from config.ledger import LedgerRow, ReadingRow
from monitor.store import schema
from monitor.store.answer_tables import log_entries
from monitor.store.base_guard import BookedGuard, GivenRow
from monitor.store.correcting import Correction, Why, implausible_row, write_corrections
from monitor.store.database import StoreError
from monitor.store.deliveries import write_audit
from monitor.store.ledgers import import_ledger, record_import
from monitor.store.readings import import_readings
from rules.logs import Plausible

Via = Literal["command", "page"]
MOST_SOURCES = 6
"""So many slips' numbers stand in the ledger's row; the others are counted."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """A slip or a reading that somebody writes down.

    Attributes
    ----------
    kind : ``quantity`` of the days from ``start`` to ``end``; ``reading`` of a register at the beginning of
        ``start``.
    limits : what can be; None where nobody said.
    again : whoever writes it says that it is another slip, although one that is just the same stands.
    """

    kind: Literal["quantity", "reading"]
    subject: str
    start: date
    end: date
    figure: float
    unit: str
    source: str
    who: str
    via: Via
    at_ms: int
    limits: Plausible | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class CorrectRequest:
    """A figure that takes the place of one that was wrong.

    Attributes
    ----------
    start : first day of the row, or the reading's day.
    entry : number of the slip, where several make up the row; 0 where the row is meant.
    """

    kind: Literal["quantity", "reading"]
    subject: str
    start: date
    entry: int
    figure: float
    reason: str
    who: str
    via: Via
    at_ms: int
    limits: Plausible | None = None


@dataclass(frozen=True, slots=True)
class LogOutcome:
    """Whether it was new; the slip's number, 0 of a reading; what the days' row or the register says now."""

    added: bool
    entry: int
    figure: float
    old: float | None = None


def log_figure(engine: Engine, site: str, request: LogRequest) -> LogOutcome:
    """Write a slip or a reading down. The engine is the writer's. The same request once more changes nothing.

    Raises
    ------
    StoreError : a slip that is just the same stands and it is not said to be another; it shares days with a
        bill, a register would go back, it cannot be, or it would change a locked base year.
    """
    if request.kind == "reading":
        row = ReadingRow(request.subject, request.start, request.figure, request.unit, request.source, 1)
        facts = _provenance(request)
        outcome = import_readings(engine, site, [row], **facts, limits=_limits(request))
        _audit(engine, site, request, {"kind": "reading"}) if outcome.added else None
        return LogOutcome(bool(outcome.added), 0, request.figure)
    with engine.begin() as connection:
        same = _same_request(connection, site, request)
        if same is not None:
            return LogOutcome(False, same.id, same.quantity)
        _check_twin(connection, site, request)
        _check_days(connection, site, request)
        values = {
            "site": site, "subject": request.subject, "start_day": request.start.isoformat(),
            "end_day": request.end.isoformat(), "quantity": request.figure, "unit": request.unit,
            "source": request.source, "who": request.who, "via": request.via, "recorded_ms": request.at_ms,
        }  # fmt: skip
        key = connection.execute(insert(log_entries).values(**values)).inserted_primary_key
        assert key is not None  # noqa: S101  an insert gives its key
        total = _book(connection, site, request, (request.start, request.end))
        detail = {"subject": request.subject, "day": request.start.isoformat(), "quantity": request.figure}
        write_audit(connection, site, request.at_ms, request.who, "log.add", {**detail, "entry": key[0]})
        return LogOutcome(True, int(key[0]), total)


def correct_figure(engine: Engine, site: str, request: CorrectRequest) -> LogOutcome:
    """Put a figure in the place of a wrong one; both are kept. The engine is the writer's.

    Raises
    ------
    StoreError : there is no such row, reading or slip; several slips make up the row and none was named;
        or what ``log_figure`` refuses.
    """
    if request.kind == "reading":
        return _correct_reading(engine, site, request)
    with engine.connect() as connection:
        slips = _slips(connection, site, request.subject, request.start)
        standing = _ledger_row(connection, site, request.subject, request.start)
    if slips:
        return _correct_slip(engine, site, request, slips)
    if standing is None or request.entry:
        raise _unknown(request)
    end = date.fromisoformat(standing.end_day)
    row = LedgerRow(request.subject, request.start, end, request.figure, standing.unit, standing.source, 1)
    facts = _provenance(request)
    limits, why = _limits(request), request.reason
    outcome = import_ledger(
        engine, site, [row], kind="actuals", **facts, replace=True, limits=limits, why=why
    )
    return LogOutcome(bool(outcome.replaced), 0, request.figure, standing.quantity)


def _correct_reading(engine: Engine, site: str, request: CorrectRequest) -> LogOutcome:
    table = schema.manual_readings
    query = select(table).where(
        table.c.site == site, table.c.subject == request.subject, table.c.day == request.start.isoformat()
    )
    with engine.connect() as connection:
        standing = connection.execute(query).one_or_none()
    if standing is None:
        raise _unknown(request)
    row = ReadingRow(request.subject, request.start, request.figure, standing.unit, standing.source, 1)
    facts = _provenance(request)
    outcome = import_readings(
        engine, site, [row], **facts, replace=True, limits=_limits(request), why=request.reason
    )
    return LogOutcome(bool(outcome.replaced), 0, request.figure, standing.reading)


def _correct_slip(engine: Engine, site: str, request: CorrectRequest, slips: Sequence[Any]) -> LogOutcome:
    if request.entry == 0 and len(slips) > 1:
        numbers = ", ".join(f"{one.id} ({one.quantity:.15g}, {one.source})" for one in slips)
        day = request.start.isoformat()
        raise StoreError("store.log_several", subject=request.subject, day=day, numbers=numbers)
    slip = next((one for one in slips if request.entry in (0, one.id)), None)
    if slip is None:
        raise _unknown(request)
    if slip.quantity == request.figure:
        return LogOutcome(False, slip.id, request.figure, slip.quantity)
    with engine.begin() as connection:
        connection.execute(
            update(log_entries).where(log_entries.c.id == slip.id).values(quantity=request.figure)
        )
        correction = Correction(
            "slip", request.subject, slip.start_day, slip.end_day, slip.quantity, request.figure, slip.unit,
            slip.source, slip.source,
        )  # fmt: skip
        why = Why(request.reason, request.who, request.at_ms)
        write_corrections(connection, site, [correction], why)
        asked = LogRequest(
            "quantity", request.subject, request.start, date.fromisoformat(slip.end_day), request.figure,
            slip.unit, slip.source, request.who, request.via, request.at_ms, request.limits,
        )  # fmt: skip
        total = _book(connection, site, asked, (asked.start, asked.end))
        detail = {"subject": request.subject, "day": slip.start_day, "entry": slip.id, "old": slip.quantity}
        write_audit(
            connection, site, request.at_ms, request.who, "log.correct", {**detail, "new": request.figure}
        )
    return LogOutcome(True, slip.id, total, slip.quantity)


def _book(connection: Connection, site: str, request: LogRequest, days: tuple[date, date]) -> float:
    """Put the sum of all slips of some days into the ledger; returns it."""
    slips = _slips(connection, site, request.subject, days[0])
    # Figures that people wrote are decimal: ten slips of 0.1 L are 1 L.
    total = float(sum((Decimal(repr(one.quantity)) for one in slips), Decimal(0)))
    found = implausible_row(request.subject, days, total, request.unit, _limits(request))
    if found is not None:
        raise StoreError(found.code, file=_file(request), row=1, **found.data)
    facts = {k: v for k, v in _provenance(request).items() if k in ("at_ms", "sha256", "who")}
    guard = BookedGuard(connection, site, {request.subject})
    table = schema.ledger
    key = (table.c.site == site, table.c.subject == request.subject, table.c.start_day == days[0].isoformat())
    connection.execute(delete(table).where(*key))
    import_id = record_import(connection, site=site, kind="log", file=_file(request), rows=1, **facts)
    connection.execute(
        insert(table).values(
            site=site, subject=request.subject, start_day=days[0].isoformat(), end_day=days[1].isoformat(),
            quantity=total, unit=request.unit, source=_sources(slips), import_id=import_id,
        )
    )  # fmt: skip
    guard.raise_any(_file(request), [GivenRow(1, request.subject, *days)])
    return total


def _sources(slips: Sequence[Any]) -> str:
    names = list(dict.fromkeys(one.source for one in slips))
    more = f" +{len(names) - MOST_SOURCES}" if len(names) > MOST_SOURCES else ""
    return "; ".join(names[:MOST_SOURCES]) + more


def _check_days(connection: Connection, site: str, request: LogRequest) -> None:
    """A slip adds to slips of the same days, and shares no day with anything else."""
    table = schema.ledger
    first, last = request.start.isoformat(), request.end.isoformat()
    query = select(table).where(
        table.c.site == site, table.c.subject == request.subject,
        table.c.start_day <= last, table.c.end_day >= first,
    )  # fmt: skip
    for row in connection.execute(query):
        same = (row.start_day, row.end_day) == (first, last)
        if not same or not _slips(connection, site, request.subject, request.start):
            data = {"other_start": row.start_day, "other_end": row.end_day, "source": row.source}
            days = {"start": first, "end": last}
            raise StoreError("store.log_booked", subject=request.subject, **days, **data)


def _same_request(connection: Connection, site: str, request: LogRequest) -> Any:
    """The slip that this very request left before the power went."""
    table = log_entries
    query = select(table).where(
        table.c.site == site, table.c.subject == request.subject, table.c.recorded_ms == request.at_ms,
        table.c.start_day == request.start.isoformat(), table.c.source == request.source,
        table.c.who == request.who,
    )  # fmt: skip
    return connection.execute(query).first()


def _check_twin(connection: Connection, site: str, request: LogRequest) -> None:
    """A slip that is typed twice would count twice: only its words tell it from another one."""
    if request.again:
        return
    for one in _slips(connection, site, request.subject, request.start):
        told = (one.end_day, one.quantity, one.unit, one.source)
        if told == (request.end.isoformat(), request.figure, request.unit, request.source):
            days = {"start": one.start_day, "end": one.end_day}
            facts = {"figure": f"{one.quantity:.15g}", "unit": one.unit, "source": one.source}
            raise StoreError(
                "store.log_twice", subject=request.subject, **days, **facts, entry=one.id, who=one.who or "?"
            )


def _slips(connection: Connection, site: str, subject: str, start: date) -> Sequence[Any]:
    table = log_entries
    query = select(table).where(
        table.c.site == site, table.c.subject == subject, table.c.start_day == start.isoformat()
    )
    return connection.execute(query.order_by(table.c.id)).all()


def _ledger_row(connection: Connection, site: str, subject: str, start: date) -> Any:
    table = schema.ledger
    query = select(table).where(
        table.c.site == site, table.c.subject == subject, table.c.start_day == start.isoformat()
    )
    return connection.execute(query).one_or_none()


def _unknown(request: CorrectRequest) -> StoreError:
    code = "store.log_no_reading" if request.kind == "reading" else "store.log_no_row"
    return StoreError(code, subject=request.subject, day=request.start.isoformat())


def _limits(request: LogRequest | CorrectRequest) -> Mapping[str, Plausible]:
    return {} if request.limits is None else {request.subject: request.limits}


def _file(request: LogRequest | CorrectRequest) -> str:
    return f"log ({request.via})"


def _provenance(request: LogRequest | CorrectRequest) -> dict[str, Any]:
    return {"file_name": _file(request), "sha256": "", "at_ms": request.at_ms, "who": request.who}


def _audit(engine: Engine, site: str, request: LogRequest, more: Mapping[str, Any]) -> None:
    detail = {"subject": request.subject, "day": request.start.isoformat(), "figure": request.figure, **more}
    with engine.begin() as connection:
        write_audit(connection, site, request.at_ms, request.who, "log.add", detail)
