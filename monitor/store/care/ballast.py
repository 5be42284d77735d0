"""Room that is kept for a full disk: a file that goes when nothing else can be written any more."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from config.words import Spoken
from monitor.store.care.disk import disk_trouble, is_full
from monitor.store.care.files import beside
from monitor.store.database import StoreError

log = logging.getLogger(__name__)

Done = TypeVar("Done")

MOST_BYTES, LEAST_BYTES = 16 << 20, 256 << 10
"""Its size, where there is room; below the second it helps nobody."""

SHARE = 8
"""At most this part of the disk, and of the cap."""

LEFT_BYTES = 1 << 20
"""What it leaves to others of a disk that is nearly full."""


class Ballast:
    """The file beside a store. Deleting rows wants room as well: on a disk that is full to the last byte
    nothing could be given up without it.
    """

    def __init__(self, path: Path, cap_bytes: int | None) -> None:
        self.path = beside(path, ".ballast")
        self._most = MOST_BYTES if cap_bytes is None else min(MOST_BYTES, cap_bytes // SHARE)

    def is_there(self) -> bool:
        """Whether there is room in reserve."""
        return self.path.exists()

    def make(self) -> bool:
        """Lay the room by, where there is any; returns whether it is there."""
        if self.is_there():
            return True
        disk = shutil.disk_usage(self.path.parent)
        size = min(self._most, disk.total // SHARE, disk.free - LEFT_BYTES)
        if size < LEAST_BYTES:
            return False
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError:  # somebody was quicker with the room, or may not write here: told elsewhere
            self.release()
        return self.is_there()

    def release(self) -> bool:
        """Give the room back; returns whether there was any."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


def with_room(path: Path, begin: Callable[[], Done]) -> Done:
    """Do what a start has to write; on a full disk give the ballast back and do it once more.

    For whoever is about to hold the store. Raises what ``begin`` raises.
    """
    try:
        return begin()
    except StoreError as error:
        if not _is_for_room(path, error.data) or not Ballast(path, None).release():
            raise
        log.warning(Spoken("care.log_ballast", path=path))
        return begin()


def _is_for_room(path: Path, data: dict[str, Any]) -> bool:
    """Whether it was room that was wanting: the log's index only tells of an error of the disk."""
    if is_full(str(data.get("reason", ""))):
        return True
    try:
        trouble = disk_trouble(path)
    except OSError:
        return False
    return trouble is not None and trouble["code"] == "care.disk_full"
