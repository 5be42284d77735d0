"""The files of a store: which belong together, moved and written so that a power cut harms none."""

import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from monitor.store.database import StoreError

BLOCK = 1 << 20
SPARE_BYTES = 16 << 20
"""What a copy leaves free at least: a disk that is full to the last byte stops the daemon beside it."""

BytesDone = Callable[[int, int], None]
"""Told how many of how many bytes are dealt with."""


def beside(path: Path, suffix: str) -> Path:
    """The file of the same name with something behind it."""
    return path.with_name(path.name + suffix)


def unused(path: Path) -> Path:
    """The path itself, or with the first number behind it that nothing has yet."""
    found, number = path, 1
    while os.path.lexists(found) or os.path.lexists(beside(found, "-wal")):
        number += 1
        found = beside(path, f".{number}")
    return found


def stamp(at_ms: int) -> str:
    """An instant as file names carry it: ``20170701T000000Z``."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def size_of(path: Path) -> int:
    """Bytes of a store and of its write-ahead log."""
    log = beside(path, "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def require_room(folder: Path, wanted: int) -> None:
    """Refuse a copy that the disk has no room for.

    Raises
    ------
    StoreError : ``care.no_room``, with how much there is and how much is missing.
    """
    free = shutil.disk_usage(folder).free
    wanted += SPARE_BYTES
    if free < wanted:
        raise StoreError("care.no_room", path=str(folder), free=in_mb(free), wanted=in_mb(wanted))


def in_mb(count: float) -> str:
    """Bytes as people read them."""
    return f"{count / 1e6:,.1f} MB"


def set_aside(path: Path, name: Path) -> Path:
    """Move a store with its log to another name beside it; returns the name that it got.

    The log goes first: a new store must never find the log of an old one. Nobody may write to it meanwhile.
    """
    target = unused(name)
    for suffix in ("-journal", "-wal", "-shm", ""):
        part = beside(path, suffix)
        if part.exists():
            part.rename(beside(target, suffix))
    sync_folder(path.parent)
    return target


def put_in_place(part: Path, target: Path) -> None:
    """Give a file that was written its name, safe against a power cut before and after."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path, done: BytesDone | None = None) -> str:
    """SHA-256 of a file."""
    total, at, sha = path.stat().st_size, 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha.update(block)
            at += len(block)
            if done is not None:
                done(at, total)
    return sha.hexdigest()


def copy_bytes(source: Path, target: Path, done: BytesDone | None = None) -> str:
    """Copy a file that nobody writes to; returns the SHA-256 of what was read."""
    total, at, sha = source.stat().st_size, 0, hashlib.sha256()
    with source.open("rb") as old, target.open("wb") as new:
        while block := old.read(BLOCK):
            new.write(block)
            sha.update(block)
            at += len(block)
            if done is not None:
                done(at, total)
        new.flush()
        os.fsync(new.fileno())
    return sha.hexdigest()
