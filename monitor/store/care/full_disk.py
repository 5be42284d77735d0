"""A disk that is full: raw readings make room for what waits, and for no more than that."""

from pathlib import Path

from sqlalchemy import Engine

from monitor.store.care.ballast import Ballast
from monitor.store.care.disk import full, is_full
from monitor.store.care.told import Trouble
from monitor.store.given_up import Order, Went
from monitor.store.reader import StoreReader
from monitor.store.retention import Steps, give_up_oldest_scans, oldest_within
from monitor.store.writer import Writer

MARGIN, SPARE_BYTES = 1.5, 64 << 10
"""What waits takes somewhat more than its rows: pages that are half full, and those that point at them."""


class FullDisk:
    """Makes room for what waits, once for each time that the writer found none.

    Deleting takes room in the log before it makes any in the file. So there is a ballast beside the store,
    that goes first and is made again when there is room.
    """

    def __init__(self, path: Path, reader: StoreReader, writer: Writer, cap_bytes: int | None) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self.ballast = Ballast(path, cap_bytes)
        self._seen = -1  # the try that was answered last

    def is_met(self) -> bool:
        """Whether the writer found the disk full, and nothing was done about it yet."""
        return is_full(self._writer.last_error) and self._writer.tries != self._seen

    def trouble(self) -> Trouble | None:
        """What people should know, where the last write found no room."""
        return full(self._path) if is_full(self._writer.last_error) else None

    def prepare(self) -> None:
        """Lay the ballast by, unless the room is wanted."""
        if not is_full(self._writer.last_error):
            self.ballast.make()

    def make_room(self, order: Order | None) -> Went:
        """Release the ballast, give up what is needed, and have the writer try at once; returns what went.

        Until it has tried and failed again, nothing more is given up: it may rest for seconds. Without an
        order nothing is given up.
        """
        if not self.is_met():
            return Went()
        self.ballast.release()
        steps = Steps(self._writer)
        steps.do(_empty_the_log)
        went = Went()
        if order is not None:
            wanted = MARGIN * self._writer.waiting_bytes() + SPARE_BYTES
            rows = oldest_within(self._reader, wanted)
            went = give_up_oldest_scans(self._reader, self._writer, order, steps=steps, at_most=rows)
        self._seen = self._writer.tries
        self._writer.try_now()
        return went


def _empty_the_log(engine: Engine, _rows: int) -> int:
    """Have the log's pages in the file, so that the log begins anew in the room that it has already."""
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
    return 0
