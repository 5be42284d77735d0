"""Reading a meter's past: its saved states, its readings after one of them, and what people wrote down."""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, func, select

from monitor.store import schema
from monitor.store.curtailment import CurtailmentReader
from monitor.store.rows import CheckpointRow, LateRow, ReworkRow
from rules.counters import Replacement, Verdict
from rules.intervals import Interval
from rules.quality import Quality

_FIGURES = (
    "duration_s", "quantity", "coverage", "quality", "rate_avg", "rate_max", "rate_min", "caught_up",
    "register_start", "register_end", "epoch", "factor",
)  # fmt: skip

IDS_AT_ONCE = 50_000
"""Scans in one read transaction: a long one would keep the writer's log from being taken in."""

RecordKind = Literal["replaced", "withdrawn"]


@dataclass(frozen=True, slots=True)
class MeterRecord:
    """What a person wrote down: a register was replaced at an instant, or the record of it withdrawn.

    ``old_final`` and ``new_start`` are as the displays showed; both None in a withdrawal, ``old_final`` where
    nobody read it. ``counts`` while no
    newer record speaks of the same instant and it is no withdrawal.
    """

    meter: str
    at_ms: int
    kind: RecordKind
    old_final: float | None
    new_start: float | None
    reason: str
    serial: str
    forced: bool
    recorded_ms: int
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused or doubted reading, as it was kept."""

    meter: str
    at_ms: int
    code: str
    value: float
    heard_ms: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a meter's register and rate are in the scans of one layout."""

    counter: int
    rate: int | None


@dataclass(frozen=True, slots=True)
class PastReading:
    """One reading of a register as its scan kept it."""

    scan_id: int
    at_ms: int
    raw: float
    rate: float
    quality: int


class PastReader:
    """A site's meters as they were. Every call is one short read transaction, or a row of them."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    def _of(self, table: Any, meter: str) -> tuple[ColumnElement[bool], ...]:
        return (table.c.site == self._site, table.c.meter == meter)

    @property
    def curtailment(self) -> CurtailmentReader:
        """Events of demand response, and what they earned."""
        return CurtailmentReader(self._engine, self._site)

    # -- what is to be done again -------------------------------------------------------------------

    def reworks(self) -> list[ReworkRow]:
        """Meters whose intervals have to be made again."""
        table = schema.reworks
        query = select(table.c.meter, table.c.from_ms, table.c.to_ms, table.c.asked)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(table.c.site == self._site)).all()
        return [ReworkRow(*row) for row in rows]

    def checkpoint_before(self, meter: str, instant_ms: int) -> CheckpointRow | None:
        """The newest state from before an instant; else the oldest there is. None without any."""
        table = schema.checkpoints
        query = select(table.c.meter, table.c.at_ms, table.c.slot_s, table.c.scan_id, table.c.state)
        query = query.where(*self._of(table, meter))
        newest = query.where(table.c.at_ms < instant_ms).order_by(table.c.at_ms.desc()).limit(1)
        oldest = query.order_by(table.c.at_ms).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(newest).one_or_none() or connection.execute(oldest).one_or_none()
        return None if row is None else CheckpointRow(*row)

    def checkpoints_after(self, meter: str, instant_ms: int) -> list[CheckpointRow]:
        """States of after an instant, oldest first, without the states themselves."""
        table = schema.checkpoints
        query = select(table.c.meter, table.c.at_ms, table.c.slot_s, table.c.scan_id)
        query = query.where(*self._of(table, meter), table.c.at_ms > instant_ms).order_by(table.c.at_ms)
        with self._engine.connect() as connection:
            return [CheckpointRow(*row, b"") for row in connection.execute(query)]

    def state_at(self, checkpoint: CheckpointRow) -> bytes:
        """The state of a checkpoint; empty when it is gone."""
        table = schema.checkpoints
        query = select(table.c.state).where(*self._of(table, checkpoint.meter))
        with self._engine.connect() as connection:
            return connection.scalar(query.where(table.c.at_ms == checkpoint.at_ms)) or b""

    def meters_with_checkpoints(self) -> set[str]:
        """Meters of which a state is kept."""
        table = schema.checkpoints
        query = select(table.c.meter).where(table.c.site == self._site).distinct()
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def unchanged(self, meter: str, again: Mapping[int, Interval]) -> set[int]:
        """Starts of those intervals that stand in the store already, but for the last digits of a sum."""
        if not again:
            return set()
        table = schema.intervals
        query = select(table.c.start_s, *(table.c[name] for name in _FIGURES)).where(*self._of(table, meter))
        query = query.where(table.c.start_s >= min(again), table.c.start_s <= max(again))
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return {row[0] for row in rows if row[0] in again and _same(row[1:], again[row[0]])}

    # -- readings -----------------------------------------------------------------------------------

    def layouts_of(self, device: str, part: str) -> dict[int, str]:
        """Every layout that a part of a device has had: its text by id."""
        table = schema.layouts
        query = select(table.c.id, table.c.spec).where(
            table.c.site == self._site, table.c.device == device, table.c.part == part
        )
        with self._engine.connect() as connection:
            return {row.id: row.spec for row in connection.execute(query)}

    def readings(self, places: Mapping[int, Place], after_id: int, upto_id: int) -> Iterator[PastReading]:
        """Readings of one register from the scans (after, upto], in the order of commitment.

        Parameters
        ----------
        places : where they are, by layout id.
        """
        table = schema.scans
        for first in range(after_id, upto_id, IDS_AT_ONCE):
            last = min(upto_id, first + IDS_AT_ONCE)
            query = select(table).where(table.c.id > first, table.c.id <= last)
            query = query.where(table.c.layout_id.in_(list(places))).order_by(table.c.id)
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            for id_, layout_id, at_ms, values, quality in rows:
                found = _reading(places[layout_id], id_, at_ms, values, quality)
                if math.isfinite(found.raw):
                    yield found

    def late_readings(self, meter: str, after_ms: int) -> list[LateRow]:
        """Readings that came late and are dated after an instant, by their own time."""
        table = schema.late_readings
        columns = [
            table.c[name] for name in ("meter", "at_ms", "scan_id", "raw", "rate", "quality", "judged")
        ]
        query = select(*columns).where(*self._of(table, meter), table.c.at_ms > after_ms)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.at_ms)).all()
        return [
            LateRow(name, at_ms, scan_id, raw, math.nan if rate is None else rate, quality, bool(judged))
            for name, at_ms, scan_id, raw, rate, quality, judged in rows
        ]

    # -- records and refusals -----------------------------------------------------------------------

    def records(self, meter: str | None = None) -> list[MeterRecord]:
        """Everything that people wrote down about registers, by instant and then by when they did."""
        table = schema.meter_records
        query = select(table).where(table.c.site == self._site)
        if meter is not None:
            query = query.where(table.c.meter == meter)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.meter, table.c.at_ms, table.c.id)).all()
        newest = {(row.meter, row.at_ms): row.id for row in rows}
        return [
            MeterRecord(
                row.meter,
                row.at_ms,
                row.kind,
                row.old_final,
                row.new_start,
                row.reason,
                row.serial,
                bool(row.forced),
                row.recorded_ms,
                newest[row.meter, row.at_ms] == row.id and row.kind == "replaced",
            )
            for row in rows
        ]

    def replacements(self) -> dict[str, tuple[Replacement, ...]]:
        """The replacements that count, by meter and oldest first."""
        found: dict[str, tuple[Replacement, ...]] = {}
        for one in self.records():
            if one.counts and one.new_start is not None:
                record = Replacement(one.at_ms, one.old_final, one.new_start)
                found[one.meter] = (*found.get(one.meter, ()), record)
        return found

    def newest_register(self, meter: str) -> tuple[int, float, int] | None:
        """Where a meter's register stood at the end of its newest interval: (ms, register, epoch)."""
        table = schema.intervals
        query = (
            select(table.c.start_s + table.c.duration_s, table.c.register_end, table.c.epoch)
            .where(*self._of(table, meter), table.c.register_end.is_not(None))
            .order_by(table.c.start_s.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (1000 * row[0], row[1], row[2])

    def refusals(self, meter: str, since_ms: int, limit: int) -> list[Refusal]:
        """A meter's refused readings that were heard since an instant, the newest first."""
        table = schema.refusals
        query = select(table).where(*self._of(table, meter), table.c.heard_ms >= since_ms)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.heard_ms.desc(), table.c.id.desc()).limit(limit))
            return [_refusal(row) for row in rows]

    def stands_still(self, meter: str, *, told_lately: bool) -> Refusal | None:
        """The finding that a register stands still while power flows; None without one, or once it moved on.

        Parameters
        ----------
        told_lately : whether it may have been found since the newest interval was closed.
        """
        refusals = schema.refusals
        told = (
            select(refusals)
            .where(*self._of(refusals, meter), refusals.c.code == Verdict.STUCK.value)
            .order_by(refusals.c.heard_ms.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            newest = connection.execute(self._newest_interval(meter)).one_or_none()
            if not told_lately and (newest is None or newest.quality < Quality.SUSPECT):
                return None
            row = connection.execute(told).one_or_none()
        if row is None or newest is None or row.heard_ms >= 1000 * newest.end_s:
            return None if row is None else _refusal(row)
        shown = newest.register_end
        stands = shown is not None and math.isclose(shown, row.value, rel_tol=1e-9, abs_tol=1e-9)
        return _refusal(row) if stands else None

    def _newest_interval(self, meter: str) -> Any:
        table = schema.intervals
        end_s = (table.c.start_s + table.c.duration_s).label("end_s")
        query = select(table.c.register_end, table.c.quality, end_s).where(*self._of(table, meter))
        return query.order_by(table.c.start_s.desc()).limit(1)

    def refusal_counts(self, meter: str, since_ms: int) -> dict[str, int]:
        """How many of a meter's readings got each verdict since an instant."""
        table = schema.refusals
        query = select(table.c.code, func.count()).where(
            *self._of(table, meter), table.c.heard_ms >= since_ms
        )
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(table.c.code))}


def _refusal(row: Any) -> Refusal:
    data = json.loads(row.data) if row.data else {}
    return Refusal(row.meter, row.at_ms, row.code, row.value, row.heard_ms, data)


def _same(stored: Sequence[float | None], interval: Interval) -> bool:
    for name, value in zip(_FIGURES, stored, strict=True):
        figure = float(getattr(interval, name))
        if value is None or math.isnan(figure):
            if value is not None or not math.isnan(figure):
                return False
        elif not math.isclose(value, figure, rel_tol=1e-9, abs_tol=1e-9):
            return False
    return True


def _reading(place: Place, scan_id: int, at_ms: int, values: bytes, quality: bytes) -> PastReading:
    (raw,) = struct.unpack_from("<d", values, 8 * place.counter)
    rate = math.nan
    if place.rate is not None and quality[place.rate] < 2:
        (rate,) = struct.unpack_from("<d", values, 8 * place.rate)
    return PastReading(scan_id, at_ms, raw, rate, min(quality[place.counter], 2))
