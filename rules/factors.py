"""What a register's advance is multiplied by, which may change on a date: transformer ratio, pulse weight."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Factors:
    """A factor and its dated changes.

    Attributes
    ----------
    first : the factor before the first change.
    changes : (instant in ms since 1970 UTC, factor from then on), oldest first.
    """

    first: float = 1.0
    changes: tuple[tuple[int, float], ...] = ()

    def at(self, instant_ms: int) -> float:
        """The factor in force; a change holds from its own instant on."""
        found = bisect_right(self.changes, instant_ms, key=lambda change: change[0])
        return self.changes[found - 1][1] if found else self.first

    def spans(self, from_ms: int, to_ms: int) -> list[tuple[int, int, float]]:
        """[from, to) in pieces of one factor each: (begin, end, factor), at least one."""
        cuts = [from_ms, *self.between(from_ms, to_ms), to_ms]
        return [(a, b, self.at(a)) for a, b in pairwise(cuts)]

    def between(self, from_ms: int, to_ms: int) -> list[int]:
        """Instants of the changes strictly inside (from, to)."""
        return [at_ms for at_ms, _ in self.changes if from_ms < at_ms < to_ms]

    def most(self, max_rate: float, from_ms: int, to_ms: int) -> float:
        """The most that a register can advance when what it stands for gathers at ``max_rate`` an hour."""
        if not self.changes:
            return max_rate * (to_ms - from_ms) / HOUR_MS / self.first
        return sum(max_rate * (b - a) / HOUR_MS / factor for a, b, factor in self.spans(from_ms, to_ms))

    def split(self, max_rate: float, a: tuple[int, float], b: tuple[int, float]) -> list[tuple[int, float]]:
        """Where a register stood at the changes between two readings of it.

        By straight line in time, and never so that either side would have gathered faster than
        ``max_rate``: what the larger factor cannot explain was counted under the smaller one.

        Parameters
        ----------
        a, b : (instant in ms, register without rollovers) of two readings; b is not below a.

        Returns
        -------
        (instant of the change, register) of each, oldest first.
        """
        at_ms, shown = a
        knots = []
        for change_ms in self.between(a[0], b[0]):
            straight = shown + (b[1] - shown) * (change_ms - at_ms) / (b[0] - at_ms)
            least = b[1] - self.most(max_rate, change_ms, b[0])
            most = shown + self.most(max_rate, at_ms, change_ms)
            at_ms, shown = change_ms, min(max(straight, least, shown), max(most, shown), b[1])
            knots.append((at_ms, shown))
        return knots

    def metered(self, points: Sequence[tuple[int, float]]) -> float:
        """What a register's advance over (instant in ms, register without rollovers) stands for."""
        if not self.changes:
            return (points[-1][1] - points[0][1]) * self.first
        quantity = 0.0
        for (a_ms, a), (b_ms, b) in pairwise(points):
            for begin_ms, end_ms, factor in self.spans(a_ms, b_ms):
                quantity += (b - a) * (end_ms - begin_ms) / (b_ms - a_ms) * factor
        return quantity

    def differ_from(self, other: "Factors") -> int | None:
        """The first instant (ms) at which two histories say something else; None where they never do.

        A difference without a date is one from the beginning of time: 0.
        """
        if self.first != other.first:
            return 0
        instants = sorted({at_ms for at_ms, _ in (*self.changes, *other.changes)})
        return next((at_ms for at_ms in instants if self.at(at_ms) != other.at(at_ms)), None)
