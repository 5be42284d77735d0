"""``energy-monitor base show|verify``: base periods with rows, hash, adjustments and findings."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, load_site
from config.site import Commodity
from config.words import say
from monitor.adjusted.replaced import registers_of
from monitor.cli.adjusting import adjustment_facts, adjustment_table
from monitor.cli.base import WrongScope, scopes
from monitor.cli.words import plain, tell
from monitor.reports.base_state import AGREED, BaseFinding, BaseState, base_state, state_of
from monitor.reports.numbers import rows_text
from monitor.store.reader import StoreReader
from monitor.timestamps import iso_utc, local_text
from rules.base_year import BaseRow, BaseScope, RowDifference, RowKind

FINE, PROBLEM, WRONG_USE = 0, 1, 2


def run_show(
    path: Path, wanted: str | None, period: str | None, language: str, *, rows: bool, as_json: bool
) -> int:
    """Show base periods, locked or not."""
    loaded = load_site(path)
    try:
        asked = scopes(loaded, wanted, period, language)
    except WrongScope as error:
        tell(error.words)
        return WRONG_USE
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        states: list[BaseState] = []
        for scope in asked:
            settings = loaded.site.commodities[Commodity(scope.commodity)]
            locks = [
                lock for lock in reader.answers.locks(scope.commodity) if lock.holds(scope.start, scope.end)
            ]
            site = loaded.site.site.id
            registers = registers_of(loaded.site, scope.meters)
            states += [state_of(reader, site, settings, lock.scope, lock, registers) for lock in locks]
            if not locks:
                states.append(base_state(reader, site, settings, scope, registers))
    finally:
        reader.close()
    if as_json:
        facts = [_facts(state, language) for state in states]
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return FINE
    for number, state in enumerate(states):
        sys.stdout.write("\n" if number else "")
        _show(loaded, state, language, rows=rows)
    return FINE


def run_verify(path: Path, wanted: str | None, language: str, *, as_json: bool) -> int:
    """Make every lock's hash again, and tell by row what differs. 1 when something does."""
    loaded = load_site(path)
    try:
        asked = scopes(loaded, wanted, None, language)
        commodities = {scope.commodity for scope in asked}
    except WrongScope as error:
        tell(error.words)
        return WRONG_USE
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        locks = [
            one for one in reader.answers.locks() if wanted is None or one.scope.commodity in commodities
        ]
        known = {one.value: settings for one, settings in loaded.site.commodities.items()}
        site = loaded.site.site.id
        states = [
            state_of(
                reader,
                site,
                known.get(lock.scope.commodity),
                lock.scope,
                lock,
                registers_of(loaded.site, lock.scope.meters),
            )
            for lock in locks
        ]
        states += list(_of_audit_alone(reader, loaded, asked, states))
    finally:
        reader.close()
    if as_json:
        told = [_facts(state, language) for state in states]
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write("".join(line + "\n" for line in _verdicts(states, language)))
    return FINE if all(state.holds for state in states) else PROBLEM


def _of_audit_alone(
    reader: StoreReader, loaded: LoadedSite, asked: Sequence[BaseScope], states: Sequence[BaseState]
) -> Iterator[BaseState]:
    """Base years of which the audit has a lock or an adjustment that no lock's days tell of."""
    told = {one for state in states for one in _told_by_audit(state)}
    for scope in asked:
        settings = loaded.site.commodities[Commodity(scope.commodity)]
        registers = registers_of(loaded.site, scope.meters)
        whole = state_of(reader, loaded.site.site.id, settings, scope, None, registers)
        if set(_told_by_audit(whole)) - told:
            yield whole


def _told_by_audit(state: BaseState) -> Iterator[str]:
    return (f"{one.code} {one.data}" for one in state.findings if one.code in AGREED)


def _verdicts(states: Sequence[BaseState], language: str) -> list[str]:
    if not states:
        return [say("base.nothing_locked", language)]
    lines = []
    for state in states:
        scope = state.scope
        data = {
            "commodity": scope.commodity,
            "rows": rows_text(len(state.rows), language),
            "sha256": state.sha256,
        }
        data |= {"start": scope.start.isoformat(), "end": scope.end.isoformat()}
        lines.append(say("base.holds" if state.holds else "base.differs", language, **data))
        lines += [f"  {difference_text(one, language)}" for one in state.differences]
        lines += [
            f"  {_finding_text(one, language)}"
            for one in state.findings
            if one.code in ("tampered", "late", "year", "meters", "no_commodity") or one.code in AGREED
        ]
    return lines


def difference_text(difference: RowDifference, language: str) -> str:
    """How a row differs from the locked one."""
    row = difference.locked or difference.found
    assert row is not None  # noqa: S101  one of them is there
    data = {"row": _row_text(row, language)}
    if difference.found is None:
        return say("base.row_gone", language, **data, was=_amount(row))
    if difference.locked is None:
        return say("base.row_new", language, **data, now=_amount(row))
    was, now = _amount(difference.locked), _amount(difference.found)
    if was == now:
        return say(
            "base.row_same_sum", language, **data, was=difference.locked.source, now=difference.found.source
        )
    return say("base.row_changed", language, **data, was=was, now=now)


def _amount(row: BaseRow) -> str:
    return f"{row.quantity:,.15g} {row.unit}"


def _row_text(row: BaseRow, language: str) -> str:
    days = (
        row.start.isoformat() if row.start == row.end else f"{row.start.isoformat()} – {row.end.isoformat()}"
    )
    key = "base.row_intervals" if row.kind is RowKind.INTERVALS else "base.row_booked"
    return say(key, language, subject=row.subject, days=days, source=row.source)


def _facts(state: BaseState, language: str) -> dict[str, Any]:
    scope, lock = state.scope, state.lock
    return {
        "commodity": scope.commodity,
        "base_year": scope.base_year,
        "start": scope.start.isoformat(),
        "end": scope.end.isoformat(),
        "unit": scope.unit,
        "meters": list(scope.meters),
        "locked": None
        if lock is None
        else {"at": iso_utc(lock.locked_ms), "by": lock.who, "sha256": lock.sha256, "rows": lock.rows,
              "unknown_days": lock.unknown_days},
        "sha256": state.sha256,
        "holds": state.holds,
        "quantity": float(state.quantity),
        "adjusted": float(state.adjusted),
        "rows": [_row_facts(row) for row in state.rows],
        "adjustments": [adjustment_facts(one, None, language) for one in state.adjustments],
        "differences": [
            {"locked": one.locked and _row_facts(one.locked), "found": one.found and _row_facts(one.found)}
            for one in state.differences
        ],
        "findings": [
            {"code": one.code, **one.data, "text": _finding_text(one, language)}
            for one in state.findings
        ],
    }  # fmt: skip


def _finding_text(found: BaseFinding, language: str) -> str:
    """What a finding says; of what the audit has otherwise, the same words as everywhere."""
    key = f"savings.f_{found.code}" if found.code in AGREED else f"base.finding_{found.code}"
    return say(key, language, **found.data)


def _row_facts(row: BaseRow) -> dict[str, Any]:
    return {
        "kind": row.kind.value,
        "subject": row.subject,
        "start": row.start.isoformat(),
        "end": row.end.isoformat(),
        "quantity": row.quantity,
        "unit": row.unit,
        "source": row.source,
        "digest": row.digest,
    }


def _show(loaded: LoadedSite, state: BaseState, language: str, *, rows: bool) -> None:
    scope, lock = state.scope, state.lock
    days = {"start": scope.start.isoformat(), "end": scope.end.isoformat(), "base_year": scope.base_year}
    lines = [say("base.title", language, name=say(f"report.commodity_{scope.commodity}", language), **days)]
    if lock is None:
        told = rows_text(len(state.rows), language)
        lines.append(say("base.would_be", language, sha256=state.sha256, rows=told))
    else:
        at = local_text(lock.locked_ms, ZoneInfo(loaded.site.site.timezone))
        told = rows_text(lock.rows, language)
        lines.append(say("base.locked_by", language, at=at, who=lock.who, sha256=lock.sha256, rows=told))
    figures = {"quantity": f"{float(state.quantity):,.10g}", "adjusted": f"{float(state.adjusted):,.10g}"}
    key = "base.sum_adjusted" if state.adjusted != state.quantity else "base.sum"
    lines.append(say(key, language, **figures, unit=scope.unit))
    sys.stdout.write("".join(line + "\n" for line in lines))
    console = Console()
    console.print(_row_table(state.rows if rows else _by_month(state.rows), language))
    if state.adjustments:
        facts = [adjustment_facts(one, None, language) for one in state.adjustments]
        console.print(adjustment_table(facts, language, with_band=False))
    for one in state.findings:
        sys.stdout.write(f"▲ {_finding_text(one, language)}\n")


def _row_table(rows: Sequence[BaseRow], language: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for key in ("subject", "days", "quantity", "source"):
        side: Literal["left", "right"] = "right" if key == "quantity" else "left"
        table.add_column(say(f"base.col_{key}", language), justify=side, overflow="fold")
    for row in rows:
        days = f"{row.start.isoformat()} – {row.end.isoformat()}"
        source = row.source
        if row.kind is RowKind.INTERVALS:
            source = say("base.intervals", language, count=row.source)
        table.add_row(plain(row.subject), days, _amount(row), plain(source))
    return table


def _by_month(rows: Sequence[BaseRow]) -> list[BaseRow]:
    """Days of one meter and month as one line; ``--rows`` shows each."""
    found: dict[tuple[str, int], BaseRow] = {}
    lines: list[BaseRow] = []
    for row in rows:
        if row.kind is RowKind.BOOKED:
            lines.append(row)
            continue
        key = (row.subject, row.start.month)
        sofar = found.get(key)
        if sofar is None:
            found[key] = row
            continue
        count = str(int(sofar.source) + int(row.source))
        total = sofar.quantity + row.quantity
        found[key] = BaseRow(row.kind, row.subject, sofar.start, row.end, total, row.unit, count)
    return [*lines, *found.values()]
