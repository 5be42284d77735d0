"""The time grid of the model and its noise: everything is a function of (seed, node), nothing of the past."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NODE_S = 300  # values are known at the nodes and linear between them
DAY_NODES = 86400 // NODE_S
BLOCK_NODES = 28 * DAY_NODES  # the unit of caching
TAIWAN_OFFSET_S = 8 * 3600  # no summer time since 1979

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _scrambled(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finisher: a counter becomes 64 independent bits."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def uniform(seed: int, stream: int, first: int, count: int) -> Floats:
    """Random numbers in [0, 1) of counters ``first`` .. ``first + count - 1``; the same for ever.

    Parameters
    ----------
    seed : which world.
    stream : which noise in it; streams do not correlate.
    """
    key = _scrambled(np.array([(seed * 0x632BE59BD9B4E019 + stream * _GOLDEN) & _MASK], dtype=np.uint64))
    counters = np.arange(first, first + count, dtype=np.int64).astype(np.uint64)
    bits = _scrambled(key + counters * np.uint64(_GOLDEN))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True)
class Nodes:
    """A run of neighbouring nodes: node ``k`` is the instant ``k * NODE_S`` seconds after 1970 UTC."""

    seed: int
    first: int
    count: int

    @cached_property
    def _index(self) -> Integers:
        return np.arange(self.first, self.first + self.count, dtype=np.int64)

    @cached_property
    def _local(self) -> Integers:
        return self._index + TAIWAN_OFFSET_S // NODE_S

    @cached_property
    def slot(self) -> Integers:
        """(n,) which five minutes of the local day, 0 to 287."""
        return self._local % DAY_NODES

    @cached_property
    def days(self) -> Integers:
        """The local days touched, in days since 1970, ascending."""
        first, last = int(self._local[0]) // DAY_NODES, int(self._local[-1]) // DAY_NODES
        return np.arange(first, last + 1, dtype=np.int64)

    @cached_property
    def day_index(self) -> Integers:
        """(n,) position of each node's day in ``days``."""
        return self._local // DAY_NODES - int(self.days[0])

    @cached_property
    def year_fraction(self) -> Floats:
        """(n,) how much of the year has passed, 0 at new year; off by less than a day."""
        return np.asarray((self._local / DAY_NODES / 365.2425) % 1.0)

    def jitter(self, stream: int) -> Floats:
        """(n,) noise in [-1, 1), new at each node."""
        return uniform(self.seed, stream, self.first, self.count) * 2.0 - 1.0

    def drift(self, stream: int, period_nodes: int) -> Floats:
        """(n,) smooth noise in [-1, 1] that wanders from knot to knot in ``period_nodes``."""
        first = self.first // period_nodes
        count = (self.first + self.count - 1) // period_nodes - first + 1
        knots = uniform(self.seed, stream, first, count + 1) * 2.0 - 1.0
        step = np.arange(period_nodes) / period_nodes
        blend = step * step * (3.0 - 2.0 * step)
        course = (knots[:-1, None] + (knots[1:] - knots[:-1])[:, None] * blend).ravel()
        offset = self.first - first * period_nodes
        return np.asarray(course[offset : offset + self.count])


def daily_shape(*corners: tuple[float, float]) -> Floats:
    """(288,) a day's course through (hour, level) corners, wrapped at midnight."""
    hours = np.arange(DAY_NODES) * (NODE_S / 3600)
    return np.asarray(
        np.interp(hours, [hour for hour, _ in corners], [level for _, level in corners], period=24.0)
    )
