"""What a base period stands on, read from the store: bills, totals, readings by hand, intervals by day."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from monitor.store.answer_tables import base_locks, base_rows
from monitor.store.booked import LedgerEntry, booked_days
from monitor.store.series import interval_series
from rules.base_year import BaseRow, BaseScope, RowKind, interval_rows
from rules.calendar import day_start_s
from rules.daily import DailyUse, MeterDays, metered_by_day, use_by_day
from rules.savings import ONE_DAY, Days, days_without

LONGEST_INTERVAL_S = 3600  # one may begin before local midnight and end after it


@dataclass(frozen=True, slots=True)
class BaseLock:
    """A locked base period.

    Attributes
    ----------
    counted : meters whose intervals answer for the days that nothing is booked on.
    from_s, to_s : [from, to) of its days, seconds UTC.
    unknown_days : days that nobody answered for when it was locked.
    """

    id: int
    scope: BaseScope
    counted: tuple[str, ...]
    from_s: int
    to_s: int
    sha256: str
    rows: int
    unknown_days: int
    locked_ms: int
    who: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """Commodity and meters: what is booked on them is a row of this base period."""
        return (self.scope.commodity, *self.scope.meters)

    def holds(self, start: date, end: date) -> bool:
        """Whether some days share one with the base period."""
        return start <= self.scope.end and end >= self.scope.start


@dataclass(frozen=True, slots=True)
class BookedBase:
    """What is booked on a base period, the runs of days of each meter that are left, and what gave way."""

    rows: tuple[BaseRow, ...]
    ledger: list[LedgerEntry]
    of_meters: dict[str, list[LedgerEntry]]
    free: dict[str, tuple[Days, ...]]
    left_out: tuple[LedgerEntry, ...]


@dataclass(frozen=True, slots=True)
class Base:
    """A base period as it stands now: its rows, and what each of its days used."""

    rows: tuple[BaseRow, ...]
    use: DailyUse
    left_out: tuple[LedgerEntry, ...]

    @property
    def unknown(self) -> list[date]:
        """Days that nobody answers for."""
        return [day for day, known in zip(self.use.days, self.use.known.tolist(), strict=True) if not known]


def booked_base(connection: Connection, site: str, scope: BaseScope) -> BookedBase:
    """The booked rows that count: the commodity's own, then each meter's on the days that are left."""
    own = booked_days(connection, site, scope.commodity, scope.start, scope.end)
    rows, left_out = [_booked(entry) for entry in own.counting], [*own.left_out]
    left = days_without([(one.start, one.end) for one in own.counting], scope.start, scope.end)
    of_meters: dict[str, list[LedgerEntry]] = {}
    free: dict[str, tuple[Days, ...]] = {}
    for meter in scope.meters:
        found = booked_days(connection, site, meter, scope.start, scope.end)
        of_meters[meter] = found.counting
        left_out += found.left_out
        rows += [_booked(entry) for entry in found.counting if _touches(entry, left)]
        days = [(entry.start, entry.end) for entry in found.counting]
        free[meter] = tuple(run for first, last in left for run in days_without(days, first, last))
    return BookedBase(tuple(rows), own.counting, of_meters, free, tuple(left_out))


def base_of(connection: Connection, site: str, scope: BaseScope) -> Base:
    """Everything that a base period stands on now."""
    booked, zone = booked_base(connection, site, scope), ZoneInfo(scope.zone)
    rows, days = list(booked.rows), []
    from_s, to_s = bounds_s(scope)
    for meter in scope.meters:
        # An interval more before the days, so that the first one is known to follow another.
        series = interval_series(connection, site, meter, from_s - 2 * LONGEST_INTERVAL_S, to_s)
        rows += interval_rows(meter, series, booked.free[meter], zone, scope.unit)
        days.append(MeterDays(booked.of_meters[meter], metered_by_day(series, scope.start, scope.end, zone)))
    use = use_by_day(scope.start, scope.end, zone, booked.ledger, days)
    return Base(tuple(sorted(rows, key=lambda row: row.key)), use, booked.left_out)


def bounds_s(scope: BaseScope) -> tuple[int, int]:
    """[from, to) of a base period's days, seconds UTC."""
    zone = ZoneInfo(scope.zone)
    return day_start_s(scope.start, zone), day_start_s(scope.end + ONE_DAY, zone)


def locks_of(connection: Connection, site: str, commodity: str | None = None) -> list[BaseLock]:
    """The locked base periods of a site, by commodity and first day."""
    table = base_locks
    query = select(table).where(table.c.site == site)
    if commodity is not None:
        query = query.where(table.c.commodity == commodity)
    return [_lock(row) for row in connection.execute(query.order_by(table.c.commodity, table.c.start_day))]


def locked_rows(connection: Connection, lock: BaseLock) -> tuple[BaseRow, ...]:
    """The rows of a locked base period as they were."""
    table = base_rows
    query = select(table).where(table.c.lock_id == lock.id).order_by(table.c.position)
    return tuple(
        BaseRow(
            RowKind(row.kind),
            row.subject,
            date.fromisoformat(row.start_day),
            date.fromisoformat(row.end_day),
            row.quantity,
            row.unit,
            row.source,
            row.digest,
        )
        for row in connection.execute(query)
    )


def _booked(entry: LedgerEntry) -> BaseRow:
    facts = (entry.subject, entry.start, entry.end, entry.quantity, entry.unit, entry.source)
    return BaseRow(RowKind.BOOKED, *facts)


def _touches(entry: LedgerEntry, runs: tuple[Days, ...]) -> bool:
    return any(entry.start <= last and entry.end >= first for first, last in runs)


def _lock(row: Any) -> BaseLock:
    days = date.fromisoformat(row.start_day), date.fromisoformat(row.end_day)
    meters = tuple(json.loads(row.meters))
    return BaseLock(
        id=row.id,
        scope=BaseScope(row.commodity, row.base_year, *days, row.unit, meters, row.zone),
        counted=tuple(json.loads(row.counted)),
        from_s=row.from_s,
        to_s=row.to_s,
        sha256=row.sha256,
        rows=row.rows,
        unknown_days=row.unknown_days,
        locked_ms=row.locked_ms,
        who=row.who,
    )
