"""What the rules find while the daemon runs: demand after each window, savings after each day.

Everything is asked of the store, so that a call after a day of darkness catches up, and a call too many
changes nothing: a row is only new when a figure is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from config.site import Commodity, CommoditySettings, Site
from monitor.demand.limits import Limits
from monitor.store.known_days import known_days
from monitor.store.reader import StoreReader
from monitor.store.rows import ResultRow
from rules.calendar import ReportingPeriod, day_start_s, half_year_of, month_of
from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.savings import Direction, plain_difference, printed_figures

LOOK_AGAIN_S = 3600
"""How often a finished day is looked at again, for readings that came late."""


@dataclass(frozen=True, slots=True)
class _Windows:
    """Demand windows that every meter has closed: start (n,) seconds UTC, energy (n,) kWh, mean (n,) kW.

    The mean is NaN where any meter's share was caught up: such a window is energy and never a peak.
    """

    start_s: NDArray[np.int64]
    energy_kwh: NDArray[np.float64]
    mean_kw: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _MonthPeak:
    """The highest mean of a month's windows up to ``through_s``, worked out whole at ``looked_at_s``."""

    month_s: int
    through_s: int
    peak_kw: float
    looked_at_s: int


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures that are some, as they are kept."""
    return {name: round(float(value), 6) for name, value in figures.items() if np.isfinite(value)}


class SiteResults:
    """Makes the rows that are due.

    Parameters
    ----------
    limits : the contract of each window's period; where left out, windows are told without one.
    """

    def __init__(self, site: Site, reader: StoreReader, limits: Limits | None = None) -> None:
        self._site = site
        self._reader = reader
        self._limits = limits
        self._zone = ZoneInfo(site.site.timezone)
        self._savings_looked_at: tuple[int, int] = (0, 0)  # day, and when
        self._peak: _MonthPeak | None = None

    def due(self, now_s: int) -> list[ResultRow]:
        """Every demand window since the last one told, and the savings up to yesterday."""
        return self._demand(now_s) + self._savings(now_s)

    # -- demand ---------------------------------------------------------------------------------------

    def _demand(self, now_s: int) -> list[ResultRow]:
        settings = self._site.commodities.get(Commodity.ELECTRICITY)
        if settings is None or not settings.meters:
            return []
        ends = [span[1] for span in map(self._reader.interval_span, settings.meters) if span]
        if len(ends) < len(settings.meters):
            return []
        told = self._reader.newest_result("demand", Commodity.ELECTRICITY)
        next_s = told.at_s + self._site.interval_s if told else min(ends) - self._site.interval_s
        next_s = min(next_s, self._lived_again_s(now_s) or next_s)
        rows: list[ResultRow] = []
        last_s = min(ends)
        while next_s < last_s:  # a month at a time, for each has a peak of its own
            month_s, month_end_s = self._month_s(next_s)
            known = self._known_peak(month_s, next_s, now_s)
            from_s, to_s = known.through_s if known else month_s, min(month_end_s, last_s)
            windows = self._windows(settings.meters, from_s, to_s)
            peaks = np.fmax.accumulate(np.append(known.peak_kw if known else np.nan, windows.mean_kw))
            rows += self._demand_rows(windows, peaks[1:], next_s)
            looked_at_s = known.looked_at_s if known else now_s
            self._peak = _MonthPeak(month_s, to_s, float(peaks[-1]), looked_at_s)
            next_s = month_end_s
        return rows

    def _known_peak(self, month_s: int, next_s: int, now_s: int) -> _MonthPeak | None:
        """The month's peak so far, unless windows before the next one may have changed meanwhile."""
        peak = self._peak
        if peak is None or peak.month_s != month_s or next_s < peak.through_s:
            return None
        return peak if 0 <= now_s - peak.looked_at_s < LOOK_AGAIN_S else None

    def _lived_again_s(self, now_s: int) -> int | None:
        """The window from which on windows are told anew, while a time that was set back is lived again."""
        step = self._reader.newest_result("clock", "clock")
        if step is None or step.data["step_s"] >= 0:
            return None
        interval_s = self._site.interval_s
        until_s = step.at_s - step.data["step_s"] + 2 * interval_s
        return step.at_s // interval_s * interval_s if now_s <= until_s else None

    def _demand_rows(self, windows: _Windows, peaks: NDArray[np.float64], from_s: int) -> list[ResultRow]:
        new = windows.start_s >= from_s
        start_s, mean_kw = windows.start_s[new], windows.mean_kw[new]
        contract_kw = (
            np.full(len(start_s), np.nan) if self._limits is None else self._limits.of_windows(start_s)
        )
        columns = {
            "kwh": windows.energy_kwh[new],
            "kw": mean_kw,
            "month_max_kw": peaks[new],
            "contract_kw": contract_kw,
            "headroom_kw": contract_kw - mean_kw,
        }
        rows = [dict(zip(columns, figures, strict=True)) for figures in zip(*columns.values(), strict=True)]
        return [
            ResultRow("demand", Commodity.ELECTRICITY.value, at_s, _known(row))
            for at_s, row in zip(start_s.tolist(), rows, strict=True)
        ]

    def _windows(self, meters: tuple[str, ...], start_s: int, end_s: int) -> _Windows:
        series = [_told(self._reader.intervals(meter, start_s, end_s)) for meter in meters]
        common = series[0].start.astype(np.int64)
        for one in series[1:]:
            common = np.intersect1d(common, one.start.astype(np.int64), assume_unique=True)
        energy_kwh, mean_kw = np.zeros(len(common)), np.zeros(len(common))
        for one in series:
            place = np.searchsorted(one.start.astype(np.int64), common)
            energy_kwh += one.quantity[place]
            mean_kw += np.where(one.caught_up[place], np.nan, one.rate_avg[place])
        return _Windows(common, energy_kwh, mean_kw)

    def _month_s(self, at_s: int) -> tuple[int, int]:
        """[start, end) of the local month that holds an instant, seconds UTC."""
        day = datetime.fromtimestamp(at_s, UTC).astimezone(self._zone).date()
        return month_of(day).bounds_s(self._zone)

    # -- savings --------------------------------------------------------------------------------------

    def _savings(self, now_s: int) -> list[ResultRow]:
        today = datetime.fromtimestamp(now_s, UTC).astimezone(self._zone).date()
        yesterday = today - timedelta(days=1)
        at_s = day_start_s(yesterday, self._zone)
        looked_at_day, looked_at_s = self._savings_looked_at
        if looked_at_day == at_s and now_s - looked_at_s < LOOK_AGAIN_S:
            return []
        self._savings_looked_at = (at_s, now_s)
        period = half_year_of(yesterday).through(yesterday)
        return [
            ResultRow("savings", commodity.value, at_s, data)
            for commodity, settings in self._site.commodities.items()
            if (data := self._saving(commodity, settings, period))
        ]

    def _saving(
        self, commodity: Commodity, settings: CommoditySettings, period: ReportingPeriod
    ) -> dict[str, float | int | str]:
        """Figures over the days that both years know; without such days only how much each of them knows.

        Nothing at all where neither year knows anything.
        """
        after, before, compared = known_days(self._reader, commodity, settings, period, self._zone)
        if not after.coverage and not before.coverage:
            return {}
        data: dict[str, float | int | str] = {}
        base, actual = printed_figures(*reversed(compared.sums() or (None, None)))
        change = plain_difference(base, actual)
        if base is not None and actual is not None:
            data |= {"base": float(base), "actual": float(actual), "change": float(change.change or 0)}
        if change.percent is not None:
            data["saving_percent"] = _signed(float(change.percent), change.direction)
        return data | {
            "compared_days": len(compared.pairs),
            "days": period.days,
            "coverage": after.coverage,
            "base_coverage": before.coverage,
            "base_year": settings.base_year,
            "period": period.id,
        }


def _told(series: IntervalSeries) -> IntervalSeries:
    """Without the intervals of which nothing is known: a clock was set back to before them."""
    known = series.quality < Quality.MISSING
    if known.all():
        return series
    return IntervalSeries(*(getattr(series, field.name)[known] for field in fields(series)))


def _signed(percent: float, direction: Direction | None) -> float:
    """Positive is a saving, as the rate is defined."""
    return -percent if direction is Direction.INCREASE else percent
