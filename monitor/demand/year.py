"""A year of a site's load for the limiter's simulation: its own closed intervals, or what a model says."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from config.loading import LoadedSite
from monitor.demand.limits import Limits
from monitor.demand.windows import site_meters, windows_of
from monitor.store.reader import StoreReader
from rules.limiter_year import Load
from rules.local_time import DAY_S, to_local
from rules.tops import can_be_peaks, mean_kw

ENOUGH = 0.95
"""So much of a year has to be measured whole for the site's own past to answer."""

STEPS_A_WINDOW = 15
"""Of the site's own windows: the load inside one is taken as even."""


@dataclass(frozen=True, slots=True)
class YearLoad:
    """A year's load and where it is from.

    Attributes
    ----------
    known : share of the windows that are measured whole, 0 to 1.
    """

    load: Load
    source: str
    known: float


def year_span(year: int, zone: ZoneInfo) -> tuple[int, int]:
    """[start, end) of a local year, seconds since 1970 UTC."""
    first, last = (int(datetime(one, 1, 1, tzinfo=zone).timestamp()) for one in (year, year + 1))
    return first, last


def own_year(loaded: LoadedSite, reader: StoreReader, year: int) -> YearLoad | None:
    """What the site itself measured; None where that is not enough of the year."""
    meters = site_meters(loaded.site)
    if not meters:
        return None
    window_s, zone = _window_s(loaded), ZoneInfo(loaded.site.site.timezone)
    first_s, last_s = year_span(year, zone)
    series = windows_of(reader, meters, first_s, last_s)
    kw = np.full((last_s - first_s) // window_s, np.nan)
    place = (series.start.astype(np.int64) - first_s) // window_s
    good = can_be_peaks(series, window_s)
    kw[place[good]] = mean_kw(series)[good]
    known = float(np.isfinite(kw).mean())
    if known < ENOUGH:
        return None
    return YearLoad(_load(loaded, first_s, np.repeat(kw[:, None], STEPS_A_WINDOW, axis=1)), "own", known)


def model_year(loaded: LoadedSite, file: Path) -> YearLoad:
    """What a model wrote into a file of arrays: ``start_s``, ``step_s`` and mean ``kw`` of each step."""
    with np.load(file) as arrays:
        start_s, step_s, kw = int(arrays["start_s"]), int(arrays["step_s"]), arrays["kw"]
    window_s = _window_s(loaded)
    steps = window_s // step_s
    kw = kw[: len(kw) // steps * steps].reshape(-1, steps)
    return YearLoad(_load(loaded, start_s, kw), "model", 1.0)


def _window_s(loaded: LoadedSite) -> int:
    """Length of the year's windows: the site's, and a quarter of an hour where its are below a minute."""
    return loaded.site.interval_s if loaded.site.interval_s % 60 == 0 else 900


def _load(loaded: LoadedSite, first_s: int, kw: NDArray[np.float64]) -> Load:
    window_s = _window_s(loaded)
    start_s = first_s + np.arange(len(kw), dtype=np.int64) * window_s
    settings = loaded.site.limiter
    if settings is not None and settings.limit_kw is not None:
        limit_kw = np.full(len(kw), settings.limit_kw)
    else:
        limit_kw = Limits(loaded).of_windows(start_s)
    day = to_local(start_s, ZoneInfo(loaded.site.site.timezone)) // DAY_S
    return Load(first_s, kw, limit_kw, day, window_s)
