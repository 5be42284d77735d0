"""The oracle: what must be in the store after everything that happened, told without the product's code.

It follows docs/time.md and docs/durability.md, not the rules' source: which time a reading gets while clocks
are set, which readings are there after a death, and how much energy every interval holds.
"""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

INTERVAL_MS = 900_000
EARLIEST_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1000
LATEST_MS = int(datetime(2080, 1, 1, tzinfo=UTC).timestamp()) * 1000
DAY_MS, MINUTE_MS = 86_400_000, 60_000
NEWEST_OF = 500
WATT_HOUR = 0.001


class BelievedTime:
    """The time that readings get (docs/time.md), while the machine's clock is set by seconds or more."""

    def __init__(self, wall_ms: int, steady_ms: int, floor_ms: int) -> None:
        self._floor_ms = floor_ms
        self._shown_ms, self._since_ms = wall_ms - steady_ms, steady_ms
        possible = EARLIEST_MS <= wall_ms <= LATEST_MS
        self._offset_ms = self._shown_ms if possible and wall_ms >= floor_ms - 2000 else None

    @property
    def is_holding(self) -> bool:
        """Whether no time is believed."""
        return self._offset_ms is None

    @property
    def is_doubtful(self) -> bool:
        """Whether the machine's clock shows another time than readings get."""
        return self._offset_ms != self._shown_ms

    def at(self, steady_ms: int) -> int:
        """The time of a reading."""
        assert self._offset_ms is not None
        return steady_ms + self._offset_ms

    def look(self, wall_ms: int, steady_ms: int) -> int:
        """Look at the machine's clock; by how much the time was set."""
        if wall_ms - steady_ms != self._shown_ms:
            self._shown_ms, self._since_ms = wall_ms - steady_ms, steady_ms
        if self._offset_ms == self._shown_ms or not EARLIEST_MS <= wall_ms <= LATEST_MS:
            return 0
        held_ms = steady_ms - self._since_ms
        if self._offset_ms is None:
            behind_ms = max(0, self._floor_ms - wall_ms)
            if behind_ms > 2000 and held_ms < 10 * MINUTE_MS:
                return 0
            step_ms = -(behind_ms + held_ms) if behind_ms > 2000 else 0
        else:
            step_ms = self._shown_ms - self._offset_ms
            wait_ms = MINUTE_MS if abs(step_ms) <= DAY_MS else 10 * MINUTE_MS
            if held_ms < wait_ms and not 0 < step_ms <= MINUTE_MS:
                return 0
        self._offset_ms = self._shown_ms
        return step_ms


@dataclass(frozen=True, slots=True)
class Taken:
    """A reading with its time. ``total`` is what the meter truly counted, whatever its display shows."""

    number: int
    at_ms: int
    kwh: float
    kw: float
    total: float | None  # None: a spurious answer, which no energy may follow from
    doubtful: bool


@dataclass(frozen=True, slots=True)
class SetBy:
    """The time was set; ``surely`` False where it died before anybody could know that it was written."""

    by_ms: int
    now_ms: int
    surely: bool = True


@dataclass(slots=True)
class Book:
    """What intervals hold: quantity by start (ms); None where what was told of one is taken back."""

    interval_ms: int = INTERVAL_MS
    quantities: dict[int, float | None] = field(default_factory=dict)
    set_in: set[int] = field(default_factory=set)
    _points: list[tuple[int, float]] = field(default_factory=list)
    _first: float = 0.0
    _open_ms: int = 0

    def take(self, at_ms: int, total: float) -> None:
        """One more reading; intervals that end before it are closed."""
        if not self._points:
            self._first, self._open_ms = total, at_ms // self.interval_ms * self.interval_ms
        elif at_ms <= self._points[-1][0]:
            return  # it comes again, or late: the register told its energy already
        self._points.append((at_ms, total))
        while at_ms >= self._open_ms + self.interval_ms:
            end_ms = self._open_ms + self.interval_ms
            self.quantities[self._open_ms] = self._at(end_ms) - self._at(self._open_ms)
            self._open_ms = end_ms

    def _at(self, instant_ms: int) -> float:
        """What had been counted at an instant: by straight line between two readings."""
        after = bisect.bisect_left(self._points, (instant_ms, -1.0))
        if after == 0:
            return self._points[0][1]
        (a_ms, a), (b_ms, b) = self._points[after - 1], self._points[after]
        return a + (b - a) * (instant_ms - a_ms) / (b_ms - a_ms)

    def set_back(self, by_ms: int, now_ms: int) -> None:
        """Everything counted since the interval that is entered again belongs to that interval."""
        if not self._points or self._points[-1][0] <= now_ms:
            return
        last_ms, total = self._points[-1]
        again_ms = (last_ms - by_ms) // self.interval_ms * self.interval_ms
        told = [kwh or 0.0 for start_ms, kwh in self.quantities.items() if start_ms < again_ms]
        for start_ms in [one for one in self.quantities if one >= again_ms]:
            self.quantities[start_ms] = None
        self._points = [(again_ms + 1, self._first + sum(told)), (max(last_ms - by_ms, again_ms + 2), total)]
        self._open_ms = again_ms
        # One that lies ahead is told anew as it passes, like any other.
        self.set_in = {one for one in self.set_in if one < again_ms} | {again_ms}


class Oracle:
    """Follows a meter's readings through every life of the core.

    Attributes
    ----------
    kept : readings and settings of the time that are in the store, in the order of commitment.
    """

    def __init__(self) -> None:
        self.kept: list[Taken | SetBy] = []
        self._pending: list[Taken | SetBy] = []
        self._held: list[tuple[int, Taken]] = []
        self._time: BelievedTime | None = None

    def begins(self, wall_ms: int, steady_ms: int) -> None:
        """A core is started."""
        newest = [one.at_ms for one in self.readings()[-NEWEST_OF:]]
        self._time = BelievedTime(wall_ms, steady_ms, max(newest, default=0))
        self._pending, self._held = [], []

    def read(
        self, number: int, wall_ms: int, steady_ms: int, kwh: float, kw: float, total: float | None
    ) -> None:
        """A reading is handed to the core."""
        believed = self._time
        assert believed is not None
        step_ms = believed.look(wall_ms, steady_ms)
        now_ms = 0 if believed.is_holding else believed.at(steady_ms)
        if step_ms:
            self._pending.append(SetBy(step_ms, now_ms))
        if not believed.is_holding:
            for taken_ms, one in self._held:
                self._pending.append(
                    Taken(one.number, believed.at(taken_ms), one.kwh, one.kw, one.total, False)
                )
            self._held = []
        taken = Taken(number, now_ms, kwh, kw, total, believed.is_doubtful)
        if believed.is_holding:
            self._held.append((steady_ms, taken))
        else:
            self._pending.append(taken)

    def handed_in(self) -> int:
        """How many readings of this life have a time, so that they will be acknowledged."""
        return sum(isinstance(one, Taken) for one in self._pending)

    def readings(self) -> list[Taken]:
        """The readings that are kept."""
        return [one for one in self.kept if isinstance(one, Taken)]

    def dies(self, safe: Sequence[int], found: int) -> None:
        """The core is dead.

        Parameters
        ----------
        safe : numbers of the readings that it acknowledged.
        found : how many of the readings since its start are in the store: no fewer than were acknowledged,
            and those that were handed in first.
        """
        handed_in = [one.number for one in self._pending if isinstance(one, Taken)]
        assert list(safe) == handed_in[: len(safe)], f"acknowledged {safe}, handed in {handed_in}"
        assert found >= len(safe), f"{len(safe)} readings were acknowledged, {found} are there"
        assert found <= len(handed_in), f"{len(handed_in)} readings were handed in, {found} are there"
        left = found
        for one in self._pending:
            if isinstance(one, SetBy):
                self.kept.append(SetBy(one.by_ms, one.now_ms, surely=left > 0))
            elif left:
                self.kept.append(one)
                left -= 1
            else:
                break
        self._pending, self._held = [], []

    def ends(self, safe: Sequence[int]) -> None:
        """The core ended in good order: all that it took in is there."""
        pending = self._pending
        self.dies(safe, self.handed_in())
        if pending and isinstance(pending[-1], SetBy):
            self.kept[-1] = pending[-1]

    def steps(self) -> list[SetBy]:
        """Each time that the time was set."""
        return [one for one in self.kept if isinstance(one, SetBy)]

    def books(self) -> Iterator[Book]:
        """What the intervals may hold: one book, or two for each setting that nobody can be sure of."""
        unsure = [one for one in self.steps() if not one.surely]
        for answers in itertools.product((True, False), repeat=len(unsure)):
            written = dict(zip(map(id, unsure), answers, strict=True))
            yield self._book(written)

    def _book(self, written: dict[int, bool]) -> Book:
        book = Book()
        for one in self.kept:
            if isinstance(one, SetBy):
                if one.by_ms < 0 and written.get(id(one), True):
                    book.set_back(-one.by_ms, one.now_ms)
            elif one.total is not None:
                book.take(one.at_ms, one.total)
        return book
