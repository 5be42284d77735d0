"""The page's live state: starts from the store's snapshot and follows what is committed, once a second."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from config.loading import LoadedSite
from config.site import Commodity
from monitor.demand.limits import Limits
from monitor.demand.standing import alarm_of
from monitor.event_watch import EventWatch
from monitor.limiter_watch import limiter_facts
from monitor.store.care.told import store_troubles
from monitor.store.database import StoreError
from monitor.store.openadr import CONDITION as OPENADR
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import ConditionRow
from monitor.virtual import store_key
from monitor.web.day import day_curve, same_weekday
from monitor.web.energy import Energies
from monitor.web.expected_view import ExpectedWatch
from monitor.web.halfyear import HalfYear, compare
from monitor.web.plan import AnyMeter, SitePlan, plan_site, registers_of
from monitor.web.plant import air, plant_state
from monitor.web.readings import Board, first_scan_since
from monitor.web.snapshot import DayCurve, DeviceState, Snapshot
from monitor.web.watch import MeterWatch
from rules.calendar import day_start_s
from rules.demand import window_start_s
from rules.intervals import IntervalSeries
from rules.metering import MeterRules, MeterTrack

REPLAY_MARGIN_MS = 120_000
"""Read before a window's edge, so that the register is bracketed there."""

FOLLOW_AT_ONCE = 2_000

STOPPED_AFTER_MS = 30_000
"""Nothing new from any device for this long, and longer than the quickest of them should take."""

HALF_YEAR_EVERY_MS = 900_000
HALF_YEAR_EMPTY_EVERY_MS = 10_000


@dataclass(slots=True)
class _Closed:
    """What is closed since local midnight, by meter, and what was known of it last."""

    seq: int = -1
    day: date | None = None
    series: dict[str, IntervalSeries] | None = None
    curve: DayCurve | None = None
    base_curve: DayCurve | None = None


class LiveState:
    """Follows one store for one page. ``step`` blocks: it belongs in a worker thread.

    Parameters
    ----------
    loaded : the site.
    reader : its store; None to look for it, each second, until it is there.
    """

    def __init__(self, loaded: LoadedSite, reader: StoreReader | None = None) -> None:
        self.plan: SitePlan = plan_site(loaded)
        self._path = loaded.store_path
        self._reader = reader
        self._board = Board(self.plan)
        self._position: int | None = None
        self._closed = _Closed()
        self._watch = MeterWatch(self.plan, loaded)
        self._expected = ExpectedWatch(self.plan)
        self._half_years: dict[Commodity, HalfYear] = {}
        self._half_years_at: tuple[date, int] | None = None
        self._results_seq: int | None = None
        self._clock_error: dict[str, Any] | None = None
        self._demand_error: dict[str, Any] | None = None
        self._openadr_error: dict[str, Any] | None = None
        self._has_openadr = loaded.site.curtailment.openadr is not None
        self._limits = Limits(loaded)
        self._store_troubles: tuple[dict[str, Any], ...] = ()
        self._event_watch = EventWatch(loaded)
        self._events: tuple[dict[str, Any], ...] = ()
        self._loaded = loaded
        self._limiter: dict[str, Any] | None = None

    def step(self, now_ms: int) -> Snapshot:
        """Take up what was committed since the last step, and tell how things are."""
        try:
            reader = self._open()
            self._begin_anew_where_time_went_back(reader)
            self._follow(reader, now_ms)
            self._look_at_closed(reader, now_ms)
            self._look_at_half_years(reader, now_ms)
            self._watch.look(reader, now_ms, self._board.device_at_ms)
            devices = self._devices(reader, now_ms)
            self._events = tuple(self._event_watch.standings(reader.events, reader, now_ms))
            self._limiter = limiter_facts(self._loaded, reader.events, now_ms)
        except StoreError as error:
            return self._snapshot(now_ms, (), {"code": error.code, "data": error.data})
        except UNREADABLE as error:
            reason = str(error.__cause__ or error)
            data = {"path": str(self._path), "reason": reason}
            return self._snapshot(now_ms, (), {"code": "store.unusable", "data": data})
        return self._snapshot(now_ms, devices, None)

    def power_trace(self) -> dict[int, float]:
        """Power of the building over the last minutes, kW by instant in steps of a few seconds."""
        return dict(self._board.power)

    def day_curves(self) -> tuple[DayCurve | None, DayCurve | None]:
        """Today, and the same weekday of the base year."""
        return self._closed.curve, self._closed.base_curve

    def close(self) -> None:
        """Let go of the store."""
        if self._reader is not None:
            self._reader.close()

    # -- taking up ----------------------------------------------------------------------------------

    def _open(self) -> StoreReader:
        if self._reader is not None and self._reader.last_scan_id() < (self._position or 0):
            # Another store has taken this one's place: what is known of the old one no longer counts.
            self._reader.close()
            self._reader, self._position, self._board = None, None, Board(self.plan)
            self._closed, self._half_years_at = _Closed(), None
        if self._reader is None:
            self._reader = StoreReader.open(self._path, self.plan.site.site.id)
        return self._reader

    def _begin_anew_where_time_went_back(self, reader: StoreReader) -> None:
        """Where the daemon's clock was set back, what was traced lies ahead: begin with its own account."""
        seq = reader.newest_seqs()["results"]
        if self._results_seq is not None and seq != self._results_seq:
            rows = reader.changed_results(self._results_seq, FOLLOW_AT_ONCE)
            if any(row.kind == "clock" and row.data.get("step_s", 0) < 0 for row in rows):
                self._position, self._board = None, Board(self.plan)
        self._results_seq = seq

    def _follow(self, reader: StoreReader, now_ms: int) -> None:
        begins = self._position is None
        if begins:
            self._begin_traces(reader)
        position = self._replay_from(reader, now_ms) if self._position is None else self._position
        while True:
            rows = reader.follow(position, FOLLOW_AT_ONCE)
            for id_, _, scan in rows:
                position = id_
                if scan.layout.device in self.plan.devices:
                    self._board.take(scan, now_ms)
            if len(rows) < FOLLOW_AT_ONCE:
                break
        if begins:
            for scan in reader.snapshot_latest().values():
                if scan.layout.device in self.plan.devices:
                    self._board.fill(scan, now_ms)
        self._position = position

    def _begin_traces(self, reader: StoreReader) -> None:
        """Take over what the daemon remembers of the open interval: its scans may be gone."""
        states = reader.snapshot_states()
        for trace in self._board.traces.values():
            state = states.get(trace.plan.id)
            if state is None:
                continue
            rules = MeterRules(trace.plan.limits, self.plan.site.interval_s, self.plan.interval_ms)
            track = MeterTrack.restore(rules, state)
            if track.counter is not None:
                readings = track.open_readings()
                # A clock that was set back has put the energy of hours between these two.
                if len(readings) > 1 and readings[0][0] == track.open_start_s * 1000 + 1:
                    readings = readings[1:]
                trace.begin(track.counter, readings)

    def _replay_from(self, reader: StoreReader, now_ms: int) -> int:
        """The scan after which the last window begins, seen from the newest one."""
        newest = reader.follow(reader.last_scan_id() - 1, limit=1)
        until_ms = min(now_ms, newest[-1][2].at_ms) if newest else now_ms
        found = first_scan_since(reader, until_ms - self.plan.interval_ms - REPLAY_MARGIN_MS)
        snapshot = reader.snapshot_position()
        return min(found, snapshot) if snapshot else found

    def _look_at_closed(self, reader: StoreReader, now_ms: int) -> None:
        day, closed = self._day(now_ms), self._closed
        seq = reader.newest_seqs()["intervals"]
        if seq == closed.seq and day == closed.day:
            return
        building = self._building(Commodity.ELECTRICITY) + self._building(Commodity.WATER)
        meters = dict.fromkeys([*(meter.id for meter in building), *registers_of(building)])
        start_s, end_s = self._edges(day)
        series = {meter: reader.intervals(meter, start_s, end_s) for meter in meters}
        curve = self._curve(series, day)
        base_curve = closed.base_curve
        if day != closed.day or base_curve is None:
            electricity = self.plan.site.commodities.get(Commodity.ELECTRICITY)
            base_day = same_weekday(day, electricity.base_year) if electricity else None
            base_curve = self._base_curve(reader, base_day)
        self._closed = _Closed(seq, day, series, curve, base_curve)

    def _look_at_half_years(self, reader: StoreReader, now_ms: int) -> None:
        day = self._day(now_ms)
        at = self._half_years_at
        empty = not any(half.compared for half in self._half_years.values())
        every_ms = HALF_YEAR_EMPTY_EVERY_MS if empty else HALF_YEAR_EVERY_MS
        if at is not None and at[0] == day and now_ms - at[1] < every_ms:
            return
        self._half_years = {
            commodity: compare(reader, commodity, settings, today=day, zone=self.plan.zone)
            for commodity, settings in self.plan.site.commodities.items()
            if commodity in (Commodity.ELECTRICITY, Commodity.WATER)
        }
        self._half_years_at = (day, now_ms)

    def _devices(self, reader: StoreReader, now_ms: int) -> tuple[DeviceState, ...]:
        conditions = {row.device: row for row in reader.conditions()}
        clock = conditions.get("clock")
        self._clock_error = clock.error if clock else None
        self._expected.look(reader, self._results_seq, conditions, now_ms)
        demand = alarm_of(conditions, now_ms)
        self._demand_error = demand.error if demand else None
        openadr = conditions.get(OPENADR) if self._has_openadr else None
        self._openadr_error = openadr.error if openadr else None
        self._store_troubles = tuple(store_troubles(reader, conditions.values(), self._path, now_ms))
        self._board.troubled = {
            row.device: row.since_ms for row in conditions.values() if row.condition != "online"
        }
        states = []
        for device in self.plan.devices.values():
            row = conditions.get(device.id)
            states.append(
                DeviceState(
                    id=device.id,
                    model=device.model,
                    meters=device.meters,
                    condition=row.condition if row else "waiting",
                    since_ms=row.since_ms if row else None,
                    error=row.error if row else None,
                    heard_ms=self._board.device_at_ms(device.id),
                    refused=self._watch.refused(device.id),
                    findings=self._watch.findings(device.id),
                    doubts=self._board.doubts(device.id),
                    counts=self._watch.counts.get(device.id),
                )
            )
        return (*states, *self._waiting_sums(conditions))

    def _waiting_sums(self, conditions: dict[str, ConditionRow]) -> list[DeviceState]:
        """Virtual meters whose next interval is open because a part is late; the others say nothing."""
        waiting = []
        for meter in self.plan.virtual:
            row = conditions.get(store_key(meter.id))
            if row is not None and row.error is not None:
                waiting.append(
                    DeviceState(
                        id=meter.id,
                        model="",
                        meters=(meter.name,),
                        condition=row.condition,
                        since_ms=row.since_ms,
                        error=row.error,
                        heard_ms=None,
                        formula=meter.formula,
                    )
                )
        return waiting

    # -- telling ------------------------------------------------------------------------------------

    def _snapshot(
        self, now_ms: int, devices: tuple[DeviceState, ...], trouble: dict[str, Any] | None
    ) -> Snapshot:
        temperature, humidity, wet_bulb = air(self._board, self.plan)
        energy = Energies(self._board, self.plan, self._closed.day, self._closed.series or {})
        power = energy.power(Commodity.ELECTRICITY, "kW", now_ms)
        window, used = energy.window(now_ms, power)
        recent = self._board.power
        newest_power = next(reversed(recent.items())) if recent else None
        return Snapshot(
            now_ms=now_ms,
            interval_s=self.plan.site.interval_s,
            contract_kw=self._limits.kw(window_start_s(now_ms / 1000, self.plan.site.interval_s)),
            trouble=trouble,
            newest_ms=self._board.newest_ms,
            stopped_ms=self._stopped_ms(now_ms),
            window=window,
            window_lacks=used.lacks,
            power=power,
            power_point=newest_power,
            today=energy.today(Commodity.ELECTRICITY, "kWh", now_ms),
            today_curve=self._closed.curve,
            half_years=self._half_years,
            plant=plant_state(self._board, self.plan, now_ms),
            flow=energy.power(Commodity.WATER, "m3/h", now_ms),
            water_today=energy.today(Commodity.WATER, "m3", now_ms),
            temperature=temperature,
            humidity=humidity,
            wet_bulb=wet_bulb,
            devices=devices,
            clock_error=self._clock_error,
            demand_error=self._demand_error,
            openadr_error=self._openadr_error,
            store_troubles=self._store_troubles,
            expected=self._expected.told,
            events=self._events,
            limiter=self._limiter,
            charts_version=f"{self._closed.seq} {self._half_years_at}",
        )

    def _stopped_ms(self, now_ms: int) -> int | None:
        newest = self._board.newest_ms
        quickest_ms = min((device.stale_after_ms for device in self.plan.devices.values()), default=0)
        if newest is None or now_ms - newest <= max(STOPPED_AFTER_MS, quickest_ms):
            return None
        return newest

    # -- days ---------------------------------------------------------------------------------------

    def _building(self, commodity: Commodity) -> tuple[AnyMeter, ...]:
        return self.plan.building.get(commodity, ())

    def _day(self, now_ms: int) -> date:
        return datetime.fromtimestamp(now_ms / 1000, tz=self.plan.zone).date()

    def _edges(self, day: date) -> tuple[int, int]:
        return day_start_s(day, self.plan.zone), day_start_s(day + timedelta(days=1), self.plan.zone)

    def _curve(self, series: dict[str, IntervalSeries], day: date) -> DayCurve | None:
        meters = [series[meter.id] for meter in self._building(Commodity.ELECTRICITY)]
        return day_curve(meters, day, self.plan.zone, self.plan.site.interval_s)

    def _base_curve(self, reader: StoreReader, day: date | None) -> DayCurve | None:
        if day is None:
            return None
        read = partial(reader.intervals, start_s=self._edges(day)[0], end_s=self._edges(day)[1])
        return self._curve({m.id: read(m.id) for m in self._building(Commodity.ELECTRICITY)}, day)
