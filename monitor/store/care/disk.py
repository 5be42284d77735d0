"""The disk under a store: how much is free, as anybody can see who asks it."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from monitor.store.care.files import in_mb

FULL_BYTES, LOW_BYTES = 8 << 20, 256 << 20
FULL_SHARE, LOW_SHARE = 100, 20
"""Full and nearly full: fewer bytes free than that, or than this part of a small disk."""

NO_SPACE = os.strerror(errno.ENOSPC)


def is_full(reason: str | None) -> bool:
    """Whether what the database or the system said means that there is no room."""
    return reason is not None and ("full" in reason or NO_SPACE in reason)


def full(path: Path) -> dict[str, Any]:
    """{code, data}: the store's disk is full."""
    return {"code": "care.disk_full", "data": {"path": str(path.parent), "free": free_of(path)}}


def free_of(path: Path) -> str:
    """What is free on the store's disk, in words."""
    return in_mb(shutil.disk_usage(path.parent).free)


def disk_trouble(path: Path) -> dict[str, Any] | None:
    """{code, data} where the store's disk is full or nearly so; asked of the disk itself.

    Raises
    ------
    OSError : the disk cannot be asked.
    """
    disk = shutil.disk_usage(path.parent)
    if disk.free < min(FULL_BYTES, disk.total // FULL_SHARE):
        return full(path)
    if disk.free < min(LOW_BYTES, disk.total // LOW_SHARE):
        return {"code": "care.disk_low", "data": {"path": str(path.parent), "free": in_mb(disk.free)}}
    return None
