"""Writing down that a register was replaced or set back, held against what the store knows of the meter."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select

from monitor.store import schema
from monitor.store.base_guard import told_of_lock_over
from monitor.store.database import StoreError
from monitor.store.life import ask_rework
from monitor.store.past import RecordKind
from monitor.store.rows import ReworkRow
from monitor.timestamps import iso_utc

MS_AN_HOUR = 3_600_000

MINUTES_OF_SLACK = 1.0
"""A display is read within a minute or so of the time that is told."""


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """What a person says of a meter's register.

    Attributes
    ----------
    old_final, new_start : as the displays showed; both None in a withdrawal, ``old_final`` where nobody
        read it.
    force : keep it although it contradicts the readings or another record of the same instant.
    max_rate : the most that the register can advance an hour, in its own unit.
    """

    kind: RecordKind
    meter: str
    at_ms: int
    old_final: float | None
    new_start: float | None
    reason: str
    serial: str
    force: bool
    recorded_ms: int
    max_rate: float


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Whether it was new, and since when the meter's intervals are made again (ms); None: none of them."""

    added: bool
    again_from_ms: int | None


def write_record(engine: Engine, site: str, request: RecordRequest) -> RecordOutcome:
    """Write a record and have the meter's intervals made again from its instant. The engine is the writer's.

    The same record again changes nothing.

    Raises
    ------
    StoreError : it contradicts the readings or another record, lies before all that can be made again or in
        a locked base year, or withdraws what nobody wrote down.
    """
    with engine.begin() as connection:
        held = _Held(connection, site, request)
        standing = held.standing()
        if standing is not None and held.is_same(standing):
            return RecordOutcome(False, None)
        if request.kind == "withdrawn":
            if standing is None or standing.kind == "withdrawn":
                raise held.refused("store.record_not_there")
        elif standing is not None and standing.kind == "replaced" and not request.force:
            old = "?" if standing.old_final is None else f"{standing.old_final:.15g}"
            other = f"{old} → {standing.new_start:.15g}"
            raise held.refused("store.record_exists", other=other)
        held.check_reach()
        locked = told_of_lock_over(connection, site, request.meter, request.at_ms / 1000)
        if locked is not None:
            raise held.refused("store.base_locked_record", **locked)
        if request.kind == "replaced" and not request.force:
            held.check_old()
            held.check_new()
        connection.execute(insert(schema.meter_records).values(site=site, **_row(request)))
        ask_rework(connection, site, ReworkRow(request.meter, request.at_ms, request.at_ms))
        return RecordOutcome(True, held.again_from_ms())


def _row(request: RecordRequest) -> dict[str, Any]:
    return {
        "meter": request.meter,
        "at_ms": request.at_ms,
        "kind": request.kind,
        "old_final": request.old_final,
        "new_start": request.new_start,
        "reason": request.reason,
        "serial": request.serial,
        "forced": int(request.force),
        "recorded_ms": request.recorded_ms,
    }


class _Held:
    """A record held against the store."""

    def __init__(self, connection: Connection, site: str, request: RecordRequest) -> None:
        self._connection = connection
        self._site = site
        self._request = request
        self._slack = request.max_rate * MINUTES_OF_SLACK / 60 + 0.1

    def refused(self, code: str, **data: Any) -> StoreError:
        """The error of a code, with the meter and the instant."""
        return StoreError(code, meter=self._request.meter, at=iso_utc(self._request.at_ms), **data)

    def standing(self) -> Any:
        """The newest record of the same meter and instant, or None."""
        table, wanted = schema.meter_records, self._request
        query = select(table).where(
            table.c.site == self._site, table.c.meter == wanted.meter, table.c.at_ms == wanted.at_ms
        )
        return self._connection.execute(query.order_by(table.c.id.desc()).limit(1)).one_or_none()

    def is_same(self, row: Any) -> bool:
        """Whether a record says the same as this one."""
        wanted = self._request
        said = (row.kind, row.old_final, row.new_start, row.reason, row.serial)
        return said == (wanted.kind, wanted.old_final, wanted.new_start, wanted.reason, wanted.serial)

    def check_reach(self) -> None:
        """Refuse what lies before everything from which readings can be taken again."""
        table = schema.checkpoints
        query = select(func.min(table.c.at_ms)).where(
            table.c.site == self._site, table.c.meter == self._request.meter
        )
        oldest_ms = self._connection.scalar(query)
        if oldest_ms is not None and oldest_ms >= self._request.at_ms:
            raise self.refused("store.record_too_old", oldest=iso_utc(oldest_ms))

    def check_old(self) -> None:
        """Refuse a final reading that the old register cannot have come to."""
        row = self._interval_until(self._request.at_ms)
        if row is None or self._request.old_final is None:
            return
        end_ms = 1000 * (row.start_s + row.duration_s)
        most = self._most(row.register_end, end_ms, self._request.at_ms)
        if not row.register_end - self._slack <= self._request.old_final <= most:
            raise self.refused(
                "store.record_old_final",
                told=f"{self._request.old_final:.15g}",
                shown=f"{row.register_end:.3f}",
                shown_at=iso_utc(end_ms),
                most=f"{most:.3f}",
            )

    def check_new(self) -> None:
        """Refuse a first reading from which the register cannot have come to what it showed later."""
        next_ms = self._next_record_ms()
        row = self._interval_until(next_ms)
        if row is None or 1000 * row.start_s < self._request.at_ms or self._request.new_start is None:
            return
        end_ms = 1000 * (row.start_s + row.duration_s)
        most = self._most(self._request.new_start, self._request.at_ms, end_ms)
        if not self._request.new_start - self._slack <= row.register_end <= most:
            raise self.refused(
                "store.record_new_start",
                told=f"{self._request.new_start:.15g}",
                shown=f"{row.register_end:.3f}",
                shown_at=iso_utc(end_ms),
                most=f"{most:.3f}",
            )

    def again_from_ms(self) -> int | None:
        """Since when intervals are made again; None when the instant lies ahead of what was read."""
        row = self._interval_until(2**62)
        if row is None or 1000 * (row.start_s + row.duration_s) <= self._request.at_ms:
            return None
        length_ms = 1000 * int(row.duration_s)
        return self._request.at_ms // length_ms * length_ms

    def _most(self, register: float, from_ms: int, to_ms: int) -> float:
        # An hour more than the time: a coarse register shows what it gathered before.
        hours = (to_ms - from_ms) / MS_AN_HOUR + 1.0
        return register + self._request.max_rate * hours + self._slack

    def _interval_until(self, instant_ms: int) -> Any:
        """The newest interval with a register that ends at an instant or before it."""
        table = schema.intervals
        query = select(table.c.start_s, table.c.duration_s, table.c.register_end).where(
            table.c.site == self._site,
            table.c.meter == self._request.meter,
            table.c.start_s < instant_ms // 1000,
            table.c.start_s + table.c.duration_s <= instant_ms / 1000,
            table.c.register_end.is_not(None),
        )
        return self._connection.execute(query.order_by(table.c.start_s.desc()).limit(1)).one_or_none()

    def _next_record_ms(self) -> int:
        table, wanted = schema.meter_records, self._request
        query = select(func.min(table.c.at_ms)).where(
            table.c.site == self._site, table.c.meter == wanted.meter, table.c.at_ms > wanted.at_ms
        )
        return self._connection.scalar(query) or 2**62
