"""The readings of one meter that no interval has closed over yet, packed: 25 bytes each.

A thousand meters at 1 Hz keep a million of them within a quarter of an hour. As lists of numbers they took
four times as much, and the garbage collector's time besides.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from rules.intervals import Readings


class KeptReadings:
    """Believed readings as parallel columns, ordered by time.

    Attributes
    ----------
    at_ms : instants, milliseconds since 1970 UTC, rising.
    total : the counter's total; rate : what the rate point showed, NaN without one; quality : ``Quality``.
    """

    __slots__ = ("at_ms", "quality", "rate", "total")

    def __init__(
        self,
        at_ms: Sequence[int] = (),
        total: Sequence[float] = (),
        rate: Sequence[float] = (),
        quality: Sequence[int] = (),
    ) -> None:
        self.at_ms = array("q", at_ms)
        self.total = array("d", total)
        self.rate = array("d", rate)
        self.quality = array("B", quality)

    def __len__(self) -> int:
        return len(self.at_ms)

    def append(self, at_ms: int, total: float, rate: float, quality: int) -> None:
        """Keep one more, newer than all."""
        self.at_ms.append(at_ms)
        self.total.append(total)
        self.rate.append(rate)
        self.quality.append(quality)

    def until(self, instant_ms: int) -> int:
        """How many stand at or before an instant."""
        return bisect_right(self.at_ms, instant_ms)

    def holds(self, instant_ms: int) -> bool:
        """Whether there is one of this very instant."""
        place = self.until(instant_ms) - 1
        return place >= 0 and self.at_ms[place] == instant_ms

    def cut(self, first: int, last: int | None = None) -> None:
        """Keep those from ``first`` to before ``last``."""
        self.at_ms, self.total = self.at_ms[first:last], self.total[first:last]
        self.rate, self.quality = self.rate[first:last], self.quality[first:last]

    def as_readings(self) -> Readings:
        """A copy, as intervals are made of it."""
        return Readings(
            np.array(self.at_ms, dtype=np.int64),
            np.array(self.total, dtype=np.float64),
            np.array(self.rate, dtype=np.float64),
            np.array(self.quality, dtype=np.uint8),
        )

    def is_like(self, other: "KeptReadings", shift: float) -> bool:
        """Whether both are the same, but for totals that stand higher by ``shift`` here."""
        return (
            self.at_ms == other.at_ms
            and self.quality == other.quality
            and np.array_equal(self.rate, other.rate, equal_nan=True)
            and np.allclose(np.subtract(self.total, shift), other.total, rtol=1e-12, atol=1e-9)
        )

    def as_bytes(self) -> bytes:
        """The columns one after the other; ``of_bytes`` is its inverse."""
        columns = (self.at_ms, self.total, self.rate, self.quality)
        return b"".join(column.tobytes() for column in columns)

    @classmethod
    def of_bytes(cls, packed: bytes, count: int) -> "KeptReadings":
        """Make the readings of which ``as_bytes`` told, ``count`` of them."""
        kept, at = cls(), 0
        for column in (kept.at_ms, kept.total, kept.rate, kept.quality):
            end = at + column.itemsize * count
            column.frombytes(packed[at:end])
            at = end
        return kept
