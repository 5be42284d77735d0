"""Letting old scans go: in small steps, and never one that somebody still needs."""

from collections.abc import Iterable

from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, submit_and_wait

CHUNK = 2_000
"""Scans a step: a few milliseconds of the writer's time, so that live commits are not held up."""


def delete_old_scans(reader: StoreReader, writer: Writer, before_ms: int, sinks: Iterable[str]) -> int:
    """Delete scans from before an instant; blocks, so it runs in a thread of its own.

    What a sink has not delivered yet, or a restart would take again, stays whatever its age. Intervals
    and everything made from them are kept for good.

    Returns
    -------
    How many ids were let go.
    """
    span = reader.scan_ids_before(before_ms)
    if span is None:
        return 0
    oldest, last = span
    needed = [reader.snapshot_position(), *(reader.cursors(sink).get("scans", 0) for sink in sinks)]
    last = min(last, *needed)
    for upto in range(oldest + CHUNK - 1, last + CHUNK, CHUNK):
        if not submit_and_wait(writer, Commit(forget_scans_to=min(upto, last))):
            break
    return max(0, last - oldest + 1)
