"""Where a stream's delivery stands: live rows and, after an outage, the backlog that is drained beside them.

Without a backlog a stream has one cursor. When more has gathered than is sent in a moment, the cursor stays
where it is and a second one begins at the newest row, so that live rows need not wait for hours. Once the
first comes to where the second began, there is one again. Each move is a commit's, so that a crash
between any two leaves a course that repeats and never skips.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Course:
    """One stream's cursors.

    Attributes
    ----------
    behind : every row up to here is settled.
    live_from, live : the rows in between are settled as well; both 0 without a backlog.
    """

    stream: str
    behind: int = 0
    live_from: int = 0
    live: int = 0

    @classmethod
    def of(cls, stream: str, cursors: Mapping[str, int]) -> "Course":
        """As the store has it."""
        return cls(
            stream,
            cursors.get(stream, 0),
            cursors.get(f"{stream}/live_from", 0),
            cursors.get(f"{stream}/live", 0),
        )

    @property
    def has_backlog(self) -> bool:
        """Whether rows wait between the two cursors."""
        return self.live_from > self.behind

    @property
    def newest(self) -> int:
        """After which row the live ones come."""
        return self.live if self.has_backlog else self.behind

    def split(self, newest: int) -> "Course":
        """Begin anew at the newest row. What was live before is drained again with the backlog."""
        return Course(self.stream, self.behind, newest, newest)

    def moved(self, position: int, *, live: bool) -> "Course":
        """The course once a batch is settled up to a position."""
        if not self.has_backlog:
            return Course(self.stream, position)
        if live:
            return Course(self.stream, self.behind, self.live_from, position)
        if position >= self.live_from:
            return Course(self.stream, self.live)
        return Course(self.stream, position, self.live_from, self.live)

    def cursors(self, before: "Course") -> dict[str, int]:
        """What has to be written down, coming from another course: as a rule one figure."""
        now = {self.stream: self.behind}
        if self.has_backlog or before.has_backlog:
            now |= {f"{self.stream}/live_from": self.live_from, f"{self.stream}/live": self.live}
        return now

    def unsettled(self, first: int, last: int) -> list[tuple[int, int]]:
        """The stretches of [first, last] that were not delivered, and did not become dead letters, yet."""
        behind = max(first, self.behind + 1)
        found = [(behind, last)]
        if self.has_backlog:
            found = [(behind, min(last, self.live_from)), (max(first, self.live + 1), last)]
        return [(begin, end) for begin, end in found if begin <= end]
