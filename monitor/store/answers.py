"""Reading what answers for a saving: the locked base year, its adjustments, and those of a period's use."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from sqlalchemy import Engine, func, select

from monitor.store.agreed import (
    Disagreed,
    disagreements_of_adjustments,
    disagreements_of_locks,
    weather_at_lock,
)
from monitor.store.answer_tables import adjustments, late_intervals
from monitor.store.base_rows import Base, BaseLock, base_of, locked_rows, locks_of
from monitor.store.locked_weather import weather_digest
from monitor.store.measures import read_measures
from rules.adjustments import AdjustmentShare, Book, NonRoutineAdjustment, Per, shares_within
from rules.base_year import BaseRow, BaseScope
from rules.measures import Measure


class DaysOf(Protocol):
    """A period: a ``ReportingPeriod`` or a ``BaselinePeriod``."""

    @property
    def start(self) -> date:
        """First day."""

    @property
    def end(self) -> date:
        """Last day, inclusive."""


@dataclass(frozen=True, slots=True)
class LateIntervals:
    """How many intervals of a meter came for a locked base period and are kept apart; first and last."""

    meter: str
    count: int
    first_s: int
    last_s: int


@dataclass(frozen=True, slots=True)
class KeptAdjustment:
    """An adjustment as it stands in the store.

    ``withdrawn`` is the reason for which it no longer counts; None while it does.
    """

    adjustment: NonRoutineAdjustment
    recorded_ms: int
    who: str
    withdrawn: str | None


class Answers:
    """A site's ledgers of adjustments. Every call is one short read transaction."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    def adjustments(
        self, commodity: str, period: DaysOf, book: Book = Book.NON_ROUTINE
    ) -> tuple[AdjustmentShare, ...]:
        """Those that count on days of a period, by their first day.

        A quantity of a whole event that lies only partly in the period is apportioned by the number of days,
        and marked; one per day counts for each of its days in the period.
        """
        counting = [one.adjustment for one in self.kept(book, commodity) if one.withdrawn is None]
        return shares_within(counting, period.start, period.end)

    def kept(self, book: Book, commodity: str | None = None) -> tuple[KeptAdjustment, ...]:
        """All of a ledger, the withdrawn ones too, by their first day."""
        table = adjustments
        query = select(table).where(table.c.site == self._site, table.c.book == book.value)
        if commodity is not None:
            query = query.where(table.c.commodity == commodity)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.start_day, table.c.id)).all()
        withdrawn = {row.withdraws: row.reason for row in rows if row.withdraws is not None}
        return tuple(
            KeptAdjustment(_adjustment(row), row.recorded_ms, row.who, withdrawn.get(row.id))
            for row in rows
            if row.withdraws is None
        )

    def disagreements(self, book: Book, commodity: str) -> list[Disagreed]:
        """Where a ledger of adjustments, or for the base year's also the locks, is not what the audit has."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # both as of one instant, whatever is written meanwhile
            found = disagreements_of_adjustments(connection, self._site, book, commodity)
            if book is Book.BASE:
                found = [*disagreements_of_locks(connection, self._site, commodity), *found]
        return found

    def has_locked_weather(self, lock: BaseLock, source: str) -> bool:
        """Whether a source says of a locked base period what it said then; True where none said anything."""
        with self._engine.connect() as connection:
            then, span_s = weather_at_lock(connection, self._site, lock), (lock.from_s, lock.to_s)
            return not then or then.get(source) == weather_digest(connection, self._site, source, span_s)

    def measures(self) -> list[Measure]:
        """Efficiency measures, by the day on which they were done; those without one last."""
        return read_measures(self._engine, self._site)

    # -- the locked base year -----------------------------------------------------------------------

    def locks(self, commodity: str | None = None) -> list[BaseLock]:
        """The locked base periods, by commodity and first day."""
        with self._engine.connect() as connection:
            return locks_of(connection, self._site, commodity)

    def locked_rows(self, lock: BaseLock) -> tuple[BaseRow, ...]:
        """The rows of a locked base period as they were."""
        with self._engine.connect() as connection:
            return locked_rows(connection, lock)

    def base_now(self, scope: BaseScope) -> Base:
        """What a base period stands on now, locked or not."""
        with self._engine.connect() as connection:
            return base_of(connection, self._site, scope)

    def late_intervals(self, lock: BaseLock) -> list[LateIntervals]:
        """What was kept apart from a locked base period, by meter."""
        table = late_intervals
        query = (
            select(table.c.meter, func.count(), func.min(table.c.start_s), func.max(table.c.start_s))
            .where(table.c.site == self._site, table.c.meter.in_(lock.counted))
            .where(table.c.start_s >= lock.from_s, table.c.start_s < lock.to_s)
            .group_by(table.c.meter)
            .order_by(table.c.meter)
        )
        with self._engine.connect() as connection:
            return [LateIntervals(*row) for row in connection.execute(query)]


def _adjustment(row: Any) -> NonRoutineAdjustment:
    return NonRoutineAdjustment(
        id=row.id,
        book=Book(row.book),
        commodity=row.commodity,
        start=date.fromisoformat(row.start_day),
        end=None if row.end_day is None else date.fromisoformat(row.end_day),
        quantity=row.quantity,
        unit=row.unit,
        uncertainty=row.uncertainty,
        per=Per(row.per),
        reason=row.reason,
        evidence=row.evidence,
        author=row.author,
        text_zh_tw=row.text_zh_tw,
        text_en=row.text_en,
    )
