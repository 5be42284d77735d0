"""How far the sinks are behind what is committed."""

from collections.abc import Iterable

from monitor.sinks.contract import STREAMS
from monitor.store.courses import Course
from monitor.store.reader import StoreReader

SPLIT_ROWS = 20_000
"""So many rows behind the newest are a backlog."""


def pending(reader: StoreReader, sink: str, streams: Iterable[str]) -> dict[str, int]:
    """Rows of each stream that a sink has not delivered; none of a stream that it does not want."""
    cursors, wanted = reader.cursors(sink), set(streams)
    return {
        stream: _pending(reader, Course.of(stream, cursors)) if stream in wanted else 0 for stream in STREAMS
    }


def _pending(reader: StoreReader, course: Course) -> int:
    rows = reader.count_after(course.stream, course.behind)
    if course.has_backlog:
        rows -= reader.count_after(course.stream, course.live_from)
        rows += reader.count_after(course.stream, course.live)
    return max(0, rows)
