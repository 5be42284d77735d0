"""What a sink of lines sends next: rows after a cursor, as lines, within bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.site import Commodity
from monitor.sinks.contract import STREAMS
from monitor.sinks.lines import ScanLine, UnsendableError, interval_line, result_line
from monitor.store.reader import StoreReader

MAX_LINES = 5000
MAX_BYTES = 1 << 20


@dataclass(slots=True)
class Batch:
    """Lines of one stream.

    Attributes
    ----------
    position : the stream's cursor once the batch is settled.
    empty : rows among them that held no number.
    unsendable : rows that cannot be a line, with the reason.
    more : whether rows lie behind the batch already.
    """

    stream: str
    position: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    empty: int = 0
    unsendable: list[tuple[bytes, str]] = field(default_factory=list)
    more: bool = False


class Batches:
    """Makes batches out of the store. ``read`` blocks: call it in a worker thread."""

    def __init__(self, reader: StoreReader, site: str, meters: Mapping[str, Commodity]) -> None:
        self._reader = reader
        self._site = site
        self._meters = meters
        self._scan_lines: dict[int, ScanLine] = {}
        self._limits = dict.fromkeys(STREAMS, MAX_LINES)

    def read(self, stream: str, after: int, max_bytes: int = MAX_BYTES) -> Batch | None:
        """The next batch of a stream; None when nothing came after the cursor."""
        limit = self._limits[stream]
        batch = Batch(stream, after)
        rows = 0
        for position, row in self._rows(stream, after, limit):
            if not self._add(batch, row, max_bytes):
                batch.more = True
                break
            batch.position = position
            rows += 1
        if batch.more:
            # Do not read again and again what does not fit.
            self._limits[stream] = rows + 1
        else:
            batch.more = rows == limit
            self._limits[stream] = min(MAX_LINES, limit + limit // 8 + 1)
        return batch if rows else None

    def _rows(self, stream: str, after: int, limit: int) -> Iterator[tuple[int, Any]]:
        if stream == "scans":
            for id_, layout_id, scan in self._reader.follow(after, limit):
                yield id_, (layout_id, scan)
        elif stream == "intervals":
            for interval in self._reader.changed_intervals(after, limit):
                yield interval.seq, interval
        else:
            for result in self._reader.changed_results(after, limit):
                yield result.seq, result

    def _add(self, batch: Batch, row: Any, max_bytes: int) -> bool:
        """Put a row into the batch; False when it is full."""
        try:
            line = self._line(batch.stream, row)
        except UnsendableError as error:
            batch.unsendable.append((repr(row).encode(errors="backslashreplace"), str(error)))
            return True
        if not line:
            batch.empty += 1
            return True
        if batch.lines and batch.size + len(line) + 1 > max_bytes:
            return False
        batch.lines.append(line)
        batch.size += len(line) + 1
        return True

    def _line(self, stream: str, row: Any) -> bytes:
        if stream == "intervals":
            return interval_line(self._site, self._meters.get(row.meter), row)
        if stream == "results":
            return result_line(self._site, row)
        layout_id, scan = row
        if layout_id not in self._scan_lines:
            self._scan_lines[layout_id] = ScanLine(self._site, scan.layout)
        return self._scan_lines[layout_id].render(scan)
