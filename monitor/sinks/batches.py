"""What a sink sends next: rows after a cursor, as lines, within bounds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from monitor.sinks.contract import FarEnd, UnsendableError
from monitor.store.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which rows of a stream are wanted.

    Attributes
    ----------
    after, until : positions; ``until`` None for no end.
    span_ms : only rows whose own time lies in [from, to); None for all.
    """

    stream: str
    after: int
    until: int | None = None
    span_ms: tuple[int, int] | None = None


@dataclass(slots=True)
class Batch:
    """Lines of one stream.

    Attributes
    ----------
    position : the cursor once the batch is settled.
    lines, positions : as they are sent, and where the row of each stands.
    empties : positions of rows among them that had nothing to send.
    unsendable : rows that cannot be a line, with the reason and the position.
    more : whether rows lie behind the batch already.
    """

    stream: str
    position: int
    lines: list[bytes] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    size: int = 0
    empties: list[int] = field(default_factory=list)
    unsendable: list[tuple[bytes, str, int]] = field(default_factory=list)
    more: bool = False

    def cut(self, judged: int) -> None:
        """Leave only the first lines, and the rows up to the last of them: the others come again."""
        self.position = self.positions[judged - 1]
        del self.lines[judged:], self.positions[judged:]
        self.empties = [one for one in self.empties if one <= self.position]
        self.unsendable = [one for one in self.unsendable if one[2] <= self.position]
        self.more = True


class Batches:
    """Makes batches out of the store. ``read`` blocks: call it in a worker thread."""

    def __init__(self, reader: StoreReader, far_end: FarEnd) -> None:
        self._reader = reader
        self._far_end = far_end
        self._limits: dict[str, int] = {}

    def read(self, stretch: Stretch, max_bytes: int) -> Batch | None:
        """The next batch; None when nothing is wanted after the cursor."""
        most = self._far_end.max_lines
        limit = self._limits.get(stretch.stream, most)
        batch = Batch(stretch.stream, stretch.after)
        rows = 0
        for position, row in self._rows(stretch, limit):
            if not self._add(batch, position, row, max_bytes):
                batch.more = True
                break
            batch.position = position
            rows += 1
        if batch.more:
            # Do not read again and again what does not fit.
            self._limits[stretch.stream] = rows + 1
        else:
            batch.more = rows == limit
            self._limits[stretch.stream] = min(most, limit + limit // 8 + 1)
        return batch if rows else None

    def _rows(self, stretch: Stretch, limit: int) -> Iterator[tuple[int, Any]]:
        stream, after = stretch.stream, stretch.after
        if stretch.span_ms is not None and stretch.until is not None:
            yield from self._reader.span_rows(stream, (after, stretch.until), stretch.span_ms, limit)
            return
        for position, row in self._all(stream, after, limit):
            if stretch.until is not None and position > stretch.until:
                return
            yield position, row

    def _all(self, stream: str, after: int, limit: int) -> Iterator[tuple[int, Any]]:
        if stream == "scans":
            for id_, layout_id, scan in self._reader.follow(after, limit):
                yield id_, (layout_id, scan)
        elif stream == "intervals":
            for interval in self._reader.changed_intervals(after, limit):
                yield interval.seq, interval
        else:
            for result in self._reader.changed_results(after, limit):
                yield result.seq, result

    def _add(self, batch: Batch, position: int, row: Any, max_bytes: int) -> bool:
        """Put a row into the batch; False when it is full."""
        try:
            line = self._far_end.render(batch.stream, row)
        except UnsendableError as error:
            shown = repr(row).encode(errors="backslashreplace")
            batch.unsendable.append((shown, str(error), position))
            return True
        if not line:
            batch.empties.append(position)
            return True
        if batch.lines and batch.size + len(line) + 1 > max_bytes:
            return False
        batch.lines.append(line)
        batch.positions.append(position)
        batch.size += len(line) + 1
        return True
