"""What the page knows of the present: the newest scan of everything, and a short trace of the meters."""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from monitor.findings import PointDoubt, is_doubted, point_doubts
from monitor.store.reader import StoreReader
from monitor.web.plan import AnyMeter, MeterPlan, PointAt, SitePlan, registers_of, shares_of
from monitor.web.reading import Lack, Reading, doubted, missing, summed
from rules.counters import MS_AN_HOUR, CounterState, Verdict, advance, first_reading
from rules.quality import Quality
from rules.scan import Scan

POWER_STEP_MS = 5_000
SLOPE_OVER_MS = 60_000

AHEAD_MS = 10_000
"""A reading dated further ahead than this of the page's clock tells a wrong time."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a register came between two instants inside a period, and the worst quality in it.

    ``whole`` when the period's beginning is bracketed.
    """

    quantity: float
    from_ms: int
    to_ms: int
    whole: bool
    quality: Quality = Quality.GOOD


class MeterTrace:
    """The register of one meter over the last windows, without rollovers and resets."""

    def __init__(self, plan: MeterPlan, keep_ms: int) -> None:
        self.plan = plan
        self._keep_ms = keep_ms
        self._state: CounterState | None = None
        self._at: deque[int] = deque()
        self._totals: deque[float] = deque()
        self._quality: deque[Quality] = deque()

    def begin(self, state: CounterState, readings: list[tuple[int, float]]) -> None:
        """Begin where the daemon's own account of the open interval stands."""
        self._state = state
        self._at = deque(at_ms for at_ms, _ in readings)
        self._totals = deque(total for _, total in readings)
        self._quality = deque(Quality.GOOD for _ in readings)

    def take(self, at_ms: int, raw: float, quality: Quality = Quality.GOOD) -> None:
        """Take one more reading of the register, with the same belief and doubt as the daemon."""
        before, verdict = self._state, Verdict.COUNTED
        if before is None:
            self._state = first_reading(at_ms, raw)
        else:
            self._state, verdict = advance(before, at_ms, raw, self.plan.limits)
            if not verdict.believed:
                return
            if verdict is Verdict.CAUGHT_UP:
                self._stood_still_from(before.moved_at_ms)
        # What happened between the old and the new register is not known.
        doubtful = Quality.SUSPECT if verdict is Verdict.NEW_EPOCH else Quality.GOOD
        self._at.append(at_ms)
        self._totals.append(self._state.total)
        self._quality.append(max(min(quality, Quality.SUSPECT), doubtful))
        # One reading before the kept period stays: it brackets the period's edge.
        while len(self._at) > 2 and self._at[1] < at_ms - self._keep_ms:
            self._at.popleft()
            self._totals.popleft()
            self._quality.popleft()

    def _stood_still_from(self, instant_ms: int) -> None:
        """Forget what the register showed while only its answers stood still."""
        while len(self._at) > 1 and self._at[-1] > instant_ms:
            for column in (self._at, self._totals, self._quality):
                column.pop()

    def advance_since(self, start_ms: int) -> Advance | None:
        """Advance of the register from an instant to the newest reading; None without one after it."""
        if len(self._at) < 1 or self._at[-1] <= start_ms:
            return None
        at, totals = list(self._at), list(self._totals)
        after = bisect_left(at, start_ms)
        worst = max(list(self._quality)[max(0, after - 1) :])
        points = list(zip(at[after:], totals[after:], strict=True))
        if after > 0 and at[after] > start_ms:
            share = (start_ms - at[after - 1]) / (at[after] - at[after - 1])
            edge = totals[after - 1] + share * (totals[after] - totals[after - 1])
            points.insert(0, (start_ms, edge))
        quantity = self.plan.limits.factors.metered(points)
        return Advance(quantity, points[0][0], at[-1], points[0][0] == start_ms, worst)

    def slope(self) -> tuple[float, int, Quality] | None:
        """Rate an hour over the last minute of readings, the instant of the newest, and their quality."""
        if len(self._at) < 2:
            return None
        found = self.advance_since(self._at[-1] - SLOPE_OVER_MS)
        if found is None or found.to_ms == found.from_ms:
            return None
        rate = found.quantity / (found.to_ms - found.from_ms) * MS_AN_HOUR
        return rate, found.to_ms, max(found.quality, Quality.ESTIMATED)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A scan and when it counts as heard: as it is dated, but never after the page's own clock.

    Clocks are set back, and devices are wrong about the time: what was committed last is the newest,
    whatever its date, and a date ahead of the clock makes its values suspect.
    """

    scan: Scan
    at_ms: int

    @classmethod
    def at(cls, scan: Scan, now_ms: int) -> "_Heard":
        """A scan as it is looked at now."""
        return cls(scan, now_ms if scan.at_ms - now_ms > AHEAD_MS else scan.at_ms)

    @property
    def ahead(self) -> bool:
        """Whether it is dated in the future."""
        return self.scan.at_ms > self.at_ms


class Board:
    """The newest of everything, fed with scans in the order of their commitment.

    Attributes
    ----------
    troubled : since when each device is in trouble that is, ms.
    """

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self._latest: dict[str, dict[str, _Heard]] = {}
        self.traces = {meter.id: MeterTrace(meter, 3 * plan.interval_ms) for meter in plan.traced()}
        self._counters: dict[str, list[MeterTrace]] = {}
        for trace in self.traces.values():
            self._counters.setdefault(trace.plan.counter.device, []).append(trace)
        registers = registers_of(self._electricity()).values()
        self._power_devices = {meter.rate.device for meter in registers if meter.rate is not None}
        self.power: dict[int, float] = {}
        self.troubled: Mapping[str, int] = {}
        self._known_ms: dict[str, int] = {}
        self._doubted: dict[str, dict[str, int]] = {}

    @property
    def newest_ms(self) -> int | None:
        """When anything was heard last."""
        return max((one.at_ms for parts in self._latest.values() for one in parts.values()), default=None)

    def _electricity(self) -> tuple[AnyMeter, ...]:
        return next((group for key, group in self._plan.building.items() if key == "electricity"), ())

    def fill(self, scan: Scan, now_ms: int) -> None:
        """Take a scan that says only how things were: it is shown until a newer one comes."""
        parts = self._latest.setdefault(scan.layout.device, {})
        if scan.layout.part not in parts:
            heard = parts[scan.layout.part] = _Heard.at(scan, now_ms)
            self._note_doubts(heard)

    def _note_doubts(self, heard: _Heard) -> None:
        """Remember since when values are suspect without a break."""
        key = heard.scan.layout.key
        if not is_doubted(heard.scan):
            self._doubted.pop(key, None)
            return
        known = self._doubted.get(key, {})
        names = [one.point.name for one in point_doubts(heard.scan)]
        self._doubted[key] = {name: known.get(name, heard.at_ms) for name in names}

    def doubts(self, device: str) -> tuple[PointDoubt, ...]:
        """The values of a device that are suspect now, and since when."""
        scans = [heard.scan for heard in self._latest.get(device, {}).values()]
        found = [point_doubts(scan, self._doubted[scan.layout.key]) for scan in scans if is_doubted(scan)]
        return tuple(doubt for some in found for doubt in some)

    def take(self, scan: Scan, now_ms: int) -> None:
        """Take the scan that was committed next."""
        layout, heard = scan.layout, _Heard.at(scan, now_ms)
        self._latest.setdefault(layout.device, {})[layout.part] = heard
        self._note_doubts(heard)
        for one in self._counters.get(layout.device, ()):
            found = _value_in(scan, one.plan.counter.point)
            if found is not None and math.isfinite(found[0]):
                one.take(scan.at_ms, *found)
                self._known_ms[one.plan.id] = heard.at_ms
        if layout.device in self._power_devices:
            self._take_power(heard.at_ms, now_ms)

    def _take_power(self, at_ms: int, now_ms: int) -> None:
        total = self.rates(self._electricity(), "kW", now_ms)
        if not total.whole:
            return
        step_ms = at_ms // POWER_STEP_MS * POWER_STEP_MS
        if step_ms not in self.power:
            # A clock that was set back leaves nothing ahead of itself.
            kept = sorted(
                at for at in self.power if at_ms - 2 * self._plan.interval_ms <= at <= now_ms + AHEAD_MS
            )
            self.power = {at: self.power[at] for at in kept}
        self.power[step_ms] = total.value

    def point(self, at: PointAt, unit: str) -> Reading:
        """The newest reading of a point."""
        for heard in self._latest.get(at.device, {}).values():
            found = _value_in(heard.scan, at.point)
            if found is not None:
                stale_ms = self._plan.stale_after_ms(at.device)
                reading = Reading(found[0], unit, found[1], heard.at_ms, stale_ms)
                return doubted(reading, "page.note_future") if heard.ahead else reading
        return missing(unit)

    def advance_since(self, meter: MeterPlan, start_ms: int, now_ms: int) -> Advance | None:
        """Advance of a register from an instant on; None without readings, or where they lie ahead of now."""
        found = self.traces[meter.id].advance_since(start_ms)
        return None if found is None or found.to_ms - now_ms > AHEAD_MS else found

    def rate(self, meter: AnyMeter, unit: str, now_ms: int) -> Reading:
        """Power or flow of a meter: its rate point, else the slope of its register; or the formula's sum."""
        return self.rates((meter,), unit, now_ms)

    def rates(self, meters: Iterable[AnyMeter], unit: str, now_ms: int) -> Reading:
        """Power or flow of several meters together."""
        return self.total(meters, unit, lambda part: self._rate(part, unit, now_ms), now_ms)

    def total(
        self, meters: Iterable[AnyMeter], unit: str, told: Callable[[MeterPlan], Reading], now_ms: int
    ) -> Reading:
        """Sum over meters of what each register tells; where some say nothing, of the rest.

        Parameters
        ----------
        told : what one meter tells. What it lacks already stays counted as far as it is known.
        """
        shares, plans = shares_of(meters)
        parts = [told(plan) for plan in plans]
        someone_speaks = any(part.known and not part.is_gone(now_ms) for part in parts)
        found = []
        for plan, part in zip(plans, parts, strict=True):
            if not part.known or (someone_speaks and not part.lacks and part.is_gone(now_ms)):
                found.append(missing(unit, part.note, [self.lack(plan, part)]))
            else:
                # Where all are silent, all that there was is shown, out of date.
                found.append(part if someone_speaks else replace(part, lacks=()))
        # The worst quality wins, and says whose it is.
        doubted = [plan.name for plan, part in zip(plans, found, strict=True) if _is_suspect(part)]
        return replace(summed(shares, found, unit), doubted=tuple(doubted))

    def lack(self, meter: MeterPlan, part: Reading) -> Lack:
        """A meter that says nothing, and since when it does not."""
        since_ms = part.at_ms or self._known_ms.get(meter.id) or self.troubled.get(meter.counter.device)
        return Lack(meter.id, meter.name, since_ms)

    def _rate(self, meter: MeterPlan, unit: str, now_ms: int) -> Reading:
        told = missing(unit) if meter.rate is None else self.point(meter.rate, unit)
        if told.known:
            return told
        found = self.traces[meter.id].slope()
        if found is None or found[1] - now_ms > AHEAD_MS:
            return missing(unit)
        value, at_ms, quality = found
        stale_ms = self._plan.stale_after_ms(meter.counter.device)
        return Reading(value, unit, quality, at_ms, stale_ms, note="page.note_slope")

    def device_at_ms(self, device: str) -> int | None:
        """When a device was last heard."""
        return max((heard.at_ms for heard in self._latest.get(device, {}).values()), default=None)


def _is_suspect(part: Reading) -> bool:
    return part.known and part.quality >= Quality.SUSPECT


def _value_in(scan: Scan, point: str) -> tuple[float, Quality] | None:
    for position, spec in enumerate(scan.layout.points):
        if spec.name == point:
            value = float(scan.values[position])
            return value, Quality(int(scan.quality[position])) if math.isfinite(value) else Quality.MISSING
    return None


def first_scan_since(reader: StoreReader, at_ms: int) -> int:
    """Id before the first scan that is not older than an instant; ids are in the order of commitment."""
    low, high = 0, reader.last_scan_id()
    while low < high:
        middle = (low + high) // 2
        found = reader.follow(middle, limit=1)
        if found and found[0][2].at_ms < at_ms:
            low = found[0][0]
        else:
            high = middle
    return low
