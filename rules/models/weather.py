"""Weather as models want it: implausible values masked, short gaps bridged, days that have half of their
hours.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from rules.models.findings import ModelFinding, refusal, remark
from rules.models.observations import Flags, Floats, Instants

LONGEST_GAP_S = 6 * 3600
"""CalTRACK 2.2.1.3: temperature gaps up to six hours are interpolated."""

PLAUSIBLE_C = (-60.0, 60.0)
"""Nothing colder or warmer was ever measured in the shade where people live."""

PLAUSIBLE_DAY_C = (-60.0, 50.0)
"""And no whole day had such a mean; a day of 12 degC has, in Fahrenheit, which an hour may well reach."""

WRONG_UNIT_SHARE = 0.01
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Screened:
    """Values with the implausible ones taken out.

    Attributes
    ----------
    values : (n,) NaN = missing or implausible.
    implausible : how many were.
    findings : what there is to say.
    """

    values: Floats
    implausible: int
    findings: tuple[ModelFinding, ...]


def screened_temperatures_c(values: Floats, plausible_c: tuple[float, float] = PLAUSIBLE_C) -> Screened:
    """Take implausible temperatures out; where they are many, the unit is in doubt and no model may be made.

    Parameters
    ----------
    values : (n,) NaN or infinite = missing. [degC]
    plausible_c : lowest and highest; a site may narrow it.
    """
    low, high = plausible_c
    finite = np.isfinite(values)
    bad = finite & ~((values >= low) & (values <= high))
    count = int(bad.sum())
    kept = np.where(finite & ~bad, values, np.nan)
    if not count:
        return Screened(kept, 0, ())
    worst = float(values[bad][np.argmax(np.abs(values[bad]))])
    make = refusal if count > WRONG_UNIT_SHARE * finite.sum() else remark
    code = "temperature_unit_doubtful" if make is refusal else "temperature_implausible"
    return Screened(kept, count, (make(code, values=count, worst=worst, lowest=low, highest=high),))


@dataclass(frozen=True, slots=True)
class Bridged:
    """Values with short gaps filled in a straight line, and how many were."""

    values: Floats
    filled: int


def bridged(start: Instants, values: Floats, longest_s: int = LONGEST_GAP_S) -> Bridged:
    """Interpolate what is missing between two known values that lie no further apart than a gap may be.

    Parameters
    ----------
    start : (n,) datetime64[s], rising.
    values : (n,) NaN = missing.
    longest_s : of the missing stretch. [s]
    """
    known = np.flatnonzero(np.isfinite(values))
    gaps = np.flatnonzero(np.isnan(values))
    if len(known) < 2 or not len(gaps):
        return Bridged(values.copy(), 0)
    at_s = start.astype("datetime64[s]").astype(np.int64)
    after = np.searchsorted(known, gaps)
    inside = (after > 0) & (after < len(known))
    gaps, after = gaps[inside], after[inside]
    left, right = known[after - 1], known[after]
    missing_s = at_s[right] - at_s[left + 1]
    short = missing_s <= longest_s
    gaps, left, right = gaps[short], left[short], right[short]
    share = (at_s[gaps] - at_s[left]) / (at_s[right] - at_s[left])
    filled = values.copy()
    filled[gaps] = values[left] + share * (values[right] - values[left])
    return Bridged(filled, len(gaps))


def daily_means(
    dates: list[date], values: Floats, first: date, last: date, readings_a_day: float = 24.0
) -> Floats:
    """(days,) mean of each day from ``first`` to ``last``; NaN where a day has less than half of its
    readings.

    Parameters
    ----------
    dates : the local day of each reading.
    values : (n,) NaN = missing.

    References
    ----------
    .. [1] CalTRACK 2.2.1.2 and 2.2.3.1: more than half of a day's values must be there.
    """
    length = (last - first).days + 1
    day = np.array([(each - first).days for each in dates], dtype=np.int64)
    taken = np.isfinite(values) & (day >= 0) & (day < length)
    count = np.bincount(day[taken], minlength=length)
    total = np.bincount(day[taken], values[taken], length)
    return np.where(count >= HALF * readings_a_day, total / np.maximum(count, 1), np.nan)


def days_between(first: date, last: date) -> list[date]:
    """Return the days from one to another, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def zero_is_missing(use: Floats, *, electricity: bool) -> tuple[Floats, Flags]:
    """Take zeros for missing values, of electricity alone, and say which they were.

    A building's electricity is never nothing; its water and its chilled water are.

    References
    ----------
    .. [1] CalTRACK 2.3.5.
    """
    zero = (use == 0) if electricity else np.zeros(len(use), dtype=bool)
    return np.where(zero, np.nan, use), zero
