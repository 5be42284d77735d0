"""What was used in each part of a month, by period: energy to a millionth of a kWh, and peaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from rules.calendar import day_start_s
from rules.intervals import IntervalSeries
from rules.local_time import DAY_S, to_local
from rules.quality import Quality
from rules.tariff.parts import ONE_DAY, CannotBillError, Note, Part
from rules.tariff.periods import SEASONS, Period
from rules.tops import can_be_peaks, mean_kw

MILLIONTHS = 1_000_000
QUARTER_S = 900
Codes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest mean of a demand window: ``kw`` to a millionth, ``start_s`` seconds since 1970 UTC."""

    kw: Decimal
    start_s: int


@dataclass(frozen=True, slots=True)
class PartUse:
    """What was used in a part.

    Attributes
    ----------
    energy : millionths of a kWh by period; whole numbers, so that sums are exact.
    peaks : highest demand by period, of complete and measured windows alone.
    doubted : by period, the highest window that is higher than the peak and cannot be one.
    known_s, length_s : of the time, what intervals answer for, and all of it. [s]
    estimated : millionths of a kWh that come from intervals that are estimated or suspect.
    estimated_windows : how many those are.
    straddling : intervals that lie in two periods; they count where they begin.
    """

    part: Part
    energy: Mapping[Period, int]
    peaks: Mapping[Period, Peak]
    doubted: Mapping[Period, Peak]
    known_s: int
    length_s: int
    estimated: int
    estimated_windows: int
    straddling: int


def kwh(millionths: int) -> Decimal:
    """Millionths of a kWh as kWh, exactly."""
    return Decimal(millionths).scaleb(-6)


@dataclass(frozen=True, slots=True)
class Classified:
    """Periods of instants: (n,) ``Period``, and (n,) place among the parts, -1 for none."""

    period: Codes
    part: NDArray[np.int64]


def classify(parts: Sequence[Part], at_s: NDArray[np.int64], zone: ZoneInfo) -> Classified:
    """Period and part of instants, seconds since 1970 UTC.

    The parts follow each other without a gap. Instants outside of them have part -1.

    Raises
    ------
    CannotBillError : the zone's offset is none that quarters of an hour fit, as +08:06.
    """
    local_s = to_local(at_s, zone)
    offset_s = local_s - at_s
    if (odd := offset_s % QUARTER_S != 0).any():
        raise CannotBillError([Note("odd_offset", {"zone": zone.key, "offset": _hours(offset_s[odd][0])})])
    day = local_s // DAY_S - (parts[0].first - date(1970, 1, 1)).days
    part_of_day = np.concatenate([np.full(part.days, n) for n, part in enumerate(parts)])
    inside = (day >= 0) & (day < len(part_of_day))
    place = np.where(inside, day, 0)
    part = part_of_day[place]
    kind = np.concatenate([np.array(one.kinds) for one in parts])[place]
    season = np.array([SEASONS.index(one.season) for one in parts])[part]
    tables = np.stack([one.clock.value.table for one in parts])
    period = tables[part, season, kind, local_s % DAY_S // 60]
    return Classified(period, np.where(inside, part, -1))


def _hours(offset_s: int) -> str:
    sign, total = ("-", -offset_s) if offset_s < 0 else ("+", offset_s)
    return f"{sign}{total // 3600:02d}:{total % 3600 // 60:02d}" + (
        f":{total % 60:02d}" if total % 60 else ""
    )


def use_of_parts(
    parts: Sequence[Part], series: IntervalSeries, zone: ZoneInfo, interval_s: int
) -> tuple[PartUse, ...]:
    """Sum up the intervals of a meter, or of a sum of meters, by part and period.

    Parameters
    ----------
    series : its intervals in the time of the parts; a longer stretch is cut to it.
    interval_s : length of a demand window: longer intervals are energy and never a peak.
    """
    told = np.isfinite(series.quantity) & (series.quality < Quality.MISSING)
    start_s = series.start.astype(np.int64)
    found = classify(parts, start_s, zone)
    last = classify(parts, start_s + series.duration_s - 60, zone)
    straddles = (found.period != last.period) & (last.part >= 0)
    millionths = np.rint(np.where(told, series.quantity, 0.0) * MILLIONTHS).astype(np.int64)
    power_kw, sure = mean_kw(series), can_be_peaks(series, interval_s)
    can_peak = told & (series.duration_s == interval_s)
    uses = []
    for n, part in enumerate(parts):
        mine = (found.part == n) & told
        doubtful = mine & (series.caught_up | (series.quality > Quality.GOOD))
        periods = part.clock.value.periods(part.season)
        peaks = {p: _highest(power_kw, start_s, mine & sure & (found.period == p)) for p in periods}
        others = {
            p: _highest(power_kw, start_s, mine & can_peak & ~sure & (found.period == p)) for p in periods
        }
        uses.append(
            PartUse(
                part=part,
                energy={p: int(millionths[mine & (found.period == p)].sum()) for p in periods},
                peaks={p: peak for p, peak in peaks.items() if peak is not None},
                doubted={p: one for p, one in others.items() if one and _is_higher(one, peaks[p])},
                known_s=int(series.duration_s[mine].sum()),
                length_s=day_start_s(part.last + ONE_DAY, zone) - day_start_s(part.first, zone),
                estimated=int(millionths[doubtful].sum()),
                estimated_windows=int(doubtful.sum()),
                straddling=int((straddles & mine).sum()),
            )
        )
    return tuple(uses)


def _highest(
    power_kw: NDArray[np.float64], start_s: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> Peak | None:
    """The first of the highest windows; None where there is none."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return None
    row = rows[np.argmax(power_kw[rows])]
    return Peak(Decimal(round(float(power_kw[row]) * MILLIONTHS)).scaleb(-6), int(start_s[row]))


def _is_higher(one: Peak, peak: Peak | None) -> bool:
    return peak is None or one.kw > peak.kw
