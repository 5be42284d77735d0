"""A disk that is full: raw readings make room for what waits, and for no more than that."""

from monitor.store.given_up import Order, Went
from monitor.store.reader import StoreReader
from monitor.store.retention import give_up_oldest_scans
from monitor.store.rows import Commit, pack_scan
from monitor.store.waiting import room_for
from monitor.store.writer import Writer

MARGIN, SPARE_BYTES = 1.5, 64 << 10
"""What waits takes somewhat more than its rows: pages that are half full, and those that point at them."""

LOOKED_AT = 50
"""So many of the oldest scans tell how large one is."""


def is_full(reason: str | None) -> bool:
    """Whether what the database said means that there is no room."""
    return reason is not None and "full" in reason


class FullDisk:
    """Gives up the oldest raw readings for what waits, once for each time that the writer found no room."""

    def __init__(self, reader: StoreReader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._seen = -1  # the try that was answered last

    def is_met(self) -> bool:
        """Whether the writer found the disk full, and nothing was done about it yet."""
        return is_full(self._writer.last_error) and self._writer.tries != self._seen

    def make_room(self, order: Order) -> Went:
        """Give up what is needed, and have the writer try at once; returns what went.

        Until it has tried and failed again, nothing more is given up: it may rest for seconds.
        """
        if not self.is_met():
            return Went()
        went = give_up_oldest_scans(self._reader, self._writer, order, at_most=self._rows())
        self._seen = self._writer.tries
        self._writer.try_now()
        return went

    def _rows(self) -> int:
        """How many of the oldest scans take as much room as what waits will."""
        oldest = self._reader.follow(0, LOOKED_AT)
        size = room_for(Commit(scans=[(id_, layout, 0, *pack_scan(scan))]) for id_, layout, scan in oldest)
        wanted = MARGIN * self._writer.waiting_bytes() + SPARE_BYTES
        return 1 + int(wanted * len(oldest) / size) if size else 0
