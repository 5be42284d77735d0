"""Putting settlements into the store: a utility's, from a file, and those that were made here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from config.settlement_list import SettlementRow
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.deliveries import write_audit
from monitor.store.event_tables import baselines, curtailment_events, event_steps, settlements
from monitor.store.ledgers import ImportOutcome, WriterEngine, record_import
from monitor.store.took_place import why_not_settled
from rules.curtailment import NEXT, Life

CURRENCY = "TWD"


@dataclass(frozen=True, slots=True)
class SettlementRequest:
    """A settlement that was made here, with the baseline that it rests on.

    Attributes
    ----------
    id : the event's.
    programme, start_day, end_day, kwh, credit, source : as in the table.
    detail : JSON of lines, terms and findings.
    preset, digest, meters, start_s, end_s, kw, baseline : the baseline, ``meters`` and ``baseline`` as JSON.
    at_ms : when it was made.
    replace : another settlement of the same event gives way.
    who : whose command it was.
    """

    id: str
    programme: str
    start_day: str
    end_day: str
    kwh: float
    credit: str
    source: str
    detail: str
    preset: str
    digest: str
    meters: str
    start_s: int
    end_s: int
    kw: float
    baseline: str
    at_ms: int
    replace: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class SettlementOutcome:
    """What became of it: added, unchanged or replaced."""

    state: str


def import_settlements(
    engine: WriterEngine,
    site: str,
    rows: Sequence[SettlementRow],
    *,
    file_name: str,
    sha256: str,
    at_ms: int,
    replace: bool = False,
    who: str = "",
    declared: str = "",
) -> ImportOutcome:
    """Put a file's settlements into the store, whole or not at all. The engine is the writer's.

    A row that stands already is left alone. Other figures for the same days take its place only with
    ``replace``.

    Raises
    ------
    LedgerRefused : a row shares days with a standing one of its programme, or changes its figures.
    """
    added: list[SettlementRow] = []
    changed: list[SettlementRow] = []
    problems: list[StoreError] = []
    with engine.begin() as connection:
        standing = _imported(connection, site)
        for row in rows:
            where = {"file": file_name, "row": row.row, "programme": row.programme}
            days = {"start": row.start.isoformat(), "end": row.end.isoformat()}
            same = next((one for one in standing if one.id == _id(row)), None)
            shared = next((one for one in standing if one is not same and _shares(one, row)), None)
            if shared is not None:
                other = {"other_start": shared.start_day, "other_end": shared.end_day}
                problems.append(StoreError("dr.settlement_overlap", **where, **days, **other))
            elif same is None:
                added.append(row)
            elif (same.kwh, same.credit, same.source) == (row.kwh, row.credit, row.source):
                continue
            elif (same.kwh, same.credit) != (row.kwh, row.credit) and not replace:
                figures = {"old": f"{same.kwh:.15g} kWh, NT${same.credit}"}
                figures["new"] = f"{row.kwh:.15g} kWh, NT${row.credit}"
                problems.append(StoreError("dr.settlement_changed", **where, **days, **figures))
            else:
                changed.append(row)
        if problems:
            raise LedgerRefused(problems)
        if added or changed:
            told = {"site": site, "at_ms": at_ms, "kind": "settlements", "file": file_name, "sha256": sha256}
            told |= {"who": who, "declared": declared}
            import_id = record_import(connection, **told, rows=len(rows))
            _write(connection, site, added, changed, {"import_id": import_id, "at_ms": at_ms})
    return ImportOutcome(len(added), len(rows) - len(added) - len(changed), len(changed))


def _imported(connection: Connection, site: str) -> Sequence[Any]:
    query = select(settlements).where(settlements.c.site == site, settlements.c.import_id.is_not(None))
    return connection.execute(query).all()


def _id(row: SettlementRow) -> str:
    return f"{row.programme}/{row.start.isoformat()}/{row.end.isoformat()}"


def _shares(one: Any, row: SettlementRow) -> bool:
    if one.programme != row.programme:
        return False
    return bool(one.start_day <= row.end.isoformat() and row.start.isoformat() <= one.end_day)


def _write(
    connection: Connection,
    site: str,
    added: Sequence[SettlementRow],
    changed: Sequence[SettlementRow],
    fixed: dict[str, int],
) -> None:
    for row in added:
        days = {"start_day": row.start.isoformat(), "end_day": row.end.isoformat()}
        names = {"site": site, "id": _id(row), "programme": row.programme, "currency": CURRENCY, "detail": ""}
        connection.execute(insert(settlements).values(**names, **days, **_figures(row), **fixed))
    for row in changed:
        which = update(settlements).where(settlements.c.site == site, settlements.c.id == _id(row))
        connection.execute(which.values(**_figures(row), **fixed))


def _figures(row: SettlementRow) -> dict[str, Any]:
    return {"kwh": row.kwh, "credit": row.credit, "source": row.source}


def keep_settlement(engine: WriterEngine, site: str, request: SettlementRequest) -> SettlementOutcome:
    """Keep a settlement that was made here, with its baseline. The engine is the writer's.

    The same figures again change nothing.

    Raises
    ------
    StoreError : the event is settled with other figures, and ``replace`` is not said; or it is one of the
        store's that did not take place, or is not over.
    """
    mine = (settlements.c.site == site, settlements.c.id == request.id)
    with engine.begin() as connection:
        if refused := why_not_settled(connection, site, request.id):
            raise refused
        standing = connection.execute(select(settlements).where(*mine)).one_or_none()
        state = "added"
        if standing is not None:
            if (standing.kwh, standing.credit) == (request.kwh, request.credit):
                return SettlementOutcome("unchanged")
            if not request.replace:
                figures = {"old": f"{standing.kwh:.15g} kWh, NT${standing.credit}"}
                figures["new"] = f"{request.kwh:.15g} kWh, NT${request.credit}"
                raise StoreError("dr.event_settled", event=request.id, **figures)
            state = "replaced"
            connection.execute(delete(settlements).where(*mine))
            of_it = (baselines.c.site == site, baselines.c.settlement == request.id)
            connection.execute(delete(baselines).where(*of_it))
        connection.execute(insert(settlements).values(**_settled(site, request)))
        connection.execute(insert(baselines).values(**_baseline(site, request)))
        detail = {"event": request.id, "kwh": request.kwh, "credit": request.credit, "preset": request.preset}
        _settle_event(connection, site, request)
        write_audit(connection, site, request.at_ms, request.who, f"settlement.{state}", detail)
    return SettlementOutcome(state)


def _settled(site: str, request: SettlementRequest) -> dict[str, Any]:
    names = ("id", "programme", "start_day", "end_day", "kwh", "credit", "source", "detail", "at_ms")
    return {"site": site, "currency": CURRENCY, **{name: getattr(request, name) for name in names}}


def _baseline(site: str, request: SettlementRequest) -> dict[str, Any]:
    names = ("preset", "digest", "meters", "start_s", "end_s", "kw", "at_ms")
    figures = {name: getattr(request, name) for name in names}
    return {"site": site, "settlement": request.id, "detail": request.baseline, **figures}


def _settle_event(connection: Connection, site: str, request: SettlementRequest) -> None:
    """Let an event of the store be settled, where it is over."""
    table = curtailment_events
    over = [life.value for life, after in NEXT.items() if Life.SETTLED in after]
    done = connection.execute(
        update(table)
        .where(table.c.site == site, table.c.id == request.id, table.c.life.in_(over))
        .values(life=Life.SETTLED.value, changed_ms=request.at_ms)
    )
    if done.rowcount:
        detail = json.dumps({"kwh": request.kwh, "credit": request.credit})
        step = {"event": request.id, "at_ms": request.at_ms, "kind": Life.SETTLED.value, "who": request.who}
        connection.execute(insert(event_steps).values(site=site, **step, data=detail))
