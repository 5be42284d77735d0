"""Power of the building now, and its energy since the window and the day began."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np

from config.site import Commodity
from monitor.web.plan import AnyMeter, MeterPlan, SitePlan
from monitor.web.reading import Reading, estimated, lacks_of, missing
from monitor.web.readings import Board
from monitor.web.snapshot import OpenWindow
from rules.calendar import day_start_s
from rules.counters import MS_AN_HOUR
from rules.demand import SECONDS_AN_HOUR, DemandWindow, window_start_s
from rules.intervals import IntervalSeries
from rules.quality import Quality

SHORTEST_MEAN_MS = 10_000
"""A mean over less than this says less than the power of now."""


class Energies:
    """What the building's meters tell together.

    Parameters
    ----------
    day, series : today at the site, and what is closed of it by meter; None before the store was looked at.
    """

    def __init__(
        self, board: Board, plan: SitePlan, day: date | None, series: Mapping[str, IntervalSeries]
    ) -> None:
        self._board = board
        self._plan = plan
        self._day = day
        self._series = series

    def power(self, commodity: Commodity, unit: str, now_ms: int) -> Reading:
        """Power or flow now."""
        meters = self._meters(commodity)
        if not meters:
            return missing(unit, "page.note_no_meters")
        return self._board.rates(meters, unit, now_ms)

    def window(self, now_ms: int, power: Reading) -> tuple[OpenWindow | None, Reading]:
        """The open demand window, None where it is not known, and the energy that was used in it."""
        duration_s = self._plan.site.interval_s
        start_s = window_start_s(now_ms / 1000, duration_s)
        part = partial(self._window_part, start_ms=start_s * 1000, now_ms=now_ms)
        total = self._board.total(self._meters(Commodity.ELECTRICITY), "kWh", part, now_ms)
        doubted = tuple(dict.fromkeys((*total.doubted, *power.doubted)))
        total = replace(total, lacks=lacks_of([total, power]), doubted=doubted)
        if not total.known or not power.known:
            return None, total
        elapsed_s = min(now_ms / 1000 - start_s, duration_s)
        mean_kw = total.value * SECONDS_AN_HOUR / elapsed_s if elapsed_s > 0 else power.value
        if elapsed_s * 1000 < SHORTEST_MEAN_MS:
            mean_kw = power.value
        return OpenWindow(DemandWindow(start_s, duration_s, elapsed_s, mean_kw, power.value), total), total

    def _window_part(self, meter: MeterPlan, start_ms: int, now_ms: int) -> Reading:
        """Energy of one register since the window began, then its rate up to now; missing without both."""
        found = self._board.advance_since(meter, start_ms, now_ms)
        rate = self._board.rate(meter, "kW", now_ms)
        if found is None:
            # The window is younger than a poll: nothing is measured in it, but the power is known.
            if not rate.known or rate.is_stale(now_ms):
                return missing("kWh")
            guess = rate.value * max(0, now_ms - start_ms) / MS_AN_HOUR
            return estimated(Reading(guess, "kWh", rate.quality, rate.at_ms, rate.stale_after_ms), "")
        measured_ms = found.to_ms - found.from_ms
        stale_ms = self._plan.stale_after_ms(meter.counter.device)
        reading = Reading(found.quantity, "kWh", found.quality, found.to_ms, stale_ms)
        rate_kw = rate.value if rate.known else found.quantity / max(1, measured_ms) * MS_AN_HOUR
        unmeasured_ms = found.from_ms - start_ms
        if reading.is_gone(now_ms):
            reading = replace(reading, lacks=(self._board.lack(meter, reading),))
        else:
            unmeasured_ms += max(0, now_ms - found.to_ms)
        reading = replace(reading, value=found.quantity + rate_kw * unmeasured_ms / MS_AN_HOUR)
        return reading if found.whole else estimated(reading, "page.note_window_part")

    def today(self, commodity: Commodity, unit: str, now_ms: int) -> Reading:
        """Energy or water since local midnight."""
        meters = self._meters(commodity)
        if not meters:
            return missing(unit, "page.note_no_meters")
        told = partial(self._today_of, unit=unit, now_ms=now_ms)
        return self._board.total(meters, unit, told, now_ms)

    def _today_of(self, meter: MeterPlan, unit: str, now_ms: int) -> Reading:
        """Closed intervals since midnight, and what the register did after them."""
        series = self._series.get(meter.id)
        if self._day is None or series is None:
            return missing(unit)
        midnight = day_start_s(self._day, self._plan.zone)
        last_s = int(series.start[-1].astype(np.int64) + series.duration_s[-1]) if len(series) else midnight
        found = self._board.advance_since(meter, last_s * 1000, now_ms)
        if not len(series) and found is None:
            return missing(unit)
        total = float(np.nansum(series.quantity)) + (found.quantity if found else 0.0)
        at_ms = found.to_ms if found else last_s * 1000
        stale_ms = self._plan.stale_after_ms(meter.counter.device)
        quality = found.quality if found else Quality.GOOD
        quality = max(quality, Quality(int(series.quality.max()))) if len(series) else quality
        reading = Reading(total, unit, quality, at_ms, stale_ms)
        if reading.is_gone(now_ms):
            reading = replace(reading, lacks=(self._board.lack(meter, reading),))
        known_s = float((series.coverage * series.duration_s).sum())
        gap = last_s - midnight - known_s > self._plan.site.interval_s
        late = found is not None and not found.whole
        return estimated(reading, "page.note_day_part") if gap or late else reading

    def _meters(self, commodity: Commodity) -> tuple[AnyMeter, ...]:
        return self._plan.building.get(commodity, ())
