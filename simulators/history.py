"""The past of a meter, fast: closed intervals whose registers the live devices continue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulators.building import Building, epoch_s
from simulators.grid import NODE_S, TAIWAN_OFFSET_S, Floats
from simulators.sources import Source


@dataclass(frozen=True, slots=True)
class History:
    """Intervals of one meter as parallel arrays, in the words of ``rules.intervals.Interval``.

    start_s : (n,) int64, seconds since 1970 UTC; quantity, register_start, register_end : (n,) float64,
    kWh, m3 or mm; rate_avg, rate_max, rate_min : (n,) float64, the same an hour.
    """

    duration_s: int
    start_s: NDArray[np.int64]
    quantity: Floats
    register_start: Floats
    register_end: Floats
    rate_avg: Floats
    rate_max: Floats
    rate_min: Floats

    def __len__(self) -> int:
        """Return the number of intervals."""
        return len(self.start_s)


def meter_intervals(
    model: Building,
    source_id: str,
    start: ArrayLike,
    end: ArrayLike,
    interval_s: int = 900,
    *,
    family: str = "electricity",
) -> History:
    """Closed intervals of what an id measures.

    Parameters
    ----------
    source_id : id of the device that the meter's counter is in.
    start, end : datetime64 UTC or seconds since 1970; whole intervals between them are given.
    family : of the device's profile.

    Raises
    ------
    ValueError : ``start`` lies before the installation.
    """
    return _intervals(model, model.source(source_id, family), start, end, interval_s)


def month_peak(model: Building, source: Source, at_s: float, window_s: int) -> float:
    """The highest mean rate of a closed window in the local month of ``at_s``; 0 before one has closed."""
    local = np.datetime64(int(at_s) + TAIWAN_OFFSET_S, "s")
    month_s = local.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64) - TAIWAN_OFFSET_S
    closed = _intervals(model, source, max(float(month_s), model.installed_s), at_s, window_s)
    return float(closed.rate_avg.max(initial=0.0))


def _intervals(model: Building, source: Source, start: ArrayLike, end: ArrayLike, interval_s: int) -> History:
    first, last = int(np.ceil(epoch_s(start) / interval_s)), int(epoch_s(end) // interval_s)
    edges_s = np.arange(first, max(first, last) + 1, dtype=np.int64) * interval_s
    register = model.counter(source, edges_s)
    quantity = np.diff(register)
    highest, lowest = _extremes(model, source, edges_s)
    return History(
        duration_s=interval_s,
        start_s=edges_s[:-1],
        quantity=quantity,
        register_start=register[:-1],
        register_end=register[1:],
        rate_avg=quantity * (3600.0 / interval_s),
        rate_max=highest,
        rate_min=lowest,
    )


def _extremes(model: Building, source: Source, edges_s: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Highest and lowest rate of each interval; linear between nodes, so they lie on nodes or edges."""
    if len(edges_s) < 2:
        return np.empty(0), np.empty(0)
    nodes_s = np.arange(-(-edges_s[0] // NODE_S), edges_s[-1] // NODE_S + 1, dtype=np.int64) * NODE_S
    at_s = np.union1d(edges_s, nodes_s)
    rate = model.rate(source, at_s)
    edge = np.searchsorted(at_s, edges_s)
    highest = np.maximum(np.maximum.reduceat(rate, edge[:-1]), rate[edge[1:]])
    lowest = np.minimum(np.minimum.reduceat(rate, edge[:-1]), rate[edge[1:]])
    return highest, lowest
