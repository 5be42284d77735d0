"""A copy of a store while others write to it: of one instant, complete, and held against its source.

Copying reads one snapshot from beginning to end. In WAL mode that holds up no writer and is not begun again
by one; the log is only longer until the copy is done.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.store.care.files import (
    beside,
    digest,
    put_in_place,
    require_room,
    size_of,
    unused,
)
from monitor.store.care.manifest import (
    Contents,
    Manifest,
    contents_of,
    differences,
    is_store,
    manifest_path,
    row_count,
    write_manifest,
)
from monitor.store.database import StoreError

PAGES_A_STEP = 1_000

Stage = Callable[[str, int, int], None]
"""Told what is being done (``copying``, ``hashing``, ``comparing``), how much is done, and of how much."""


def no_stage(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Read a store as it is at one instant, for as long as it takes. Raises ``StoreError``."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    connection.isolation_level = None
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here it stands still
        yield connection
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    finally:
        connection.close()


def _unusable(path: Path, error: sqlite3.Error) -> StoreError:
    text = str(error)
    if "not a database" in text:
        return StoreError("store.foreign", path=str(path))
    if "malformed" in text:
        return StoreError("care.damaged", path=str(path), reason=text)
    return StoreError("store.unusable", path=str(path), reason=text)


def copy_store(source: Path, target: Path, stage: Stage = no_stage) -> Contents:
    """Copy a store to a file of its own, and hold every row of the copy against the source.

    Returns
    -------
    What the copy holds.

    Raises
    ------
    StoreError : no store, no room, or a copy that differs. ``target`` is then as it was.
    """
    if not source.exists():
        raise StoreError("store.missing", path=str(source))
    require_room(target.parent, size_of(source))
    part = beside(target, ".part")
    part.unlink(missing_ok=True)
    try:
        with snapshot(source) as store:
            if not is_store(store):
                raise StoreError("store.foreign", path=str(source))
            _copy_pages(store, part, stage)
            told = _hashed(store, stage, "hashing")
        found = contents_of_file(part, stage)
        if differing := differences(told, found):
            raise StoreError("care.copy_differs", path=str(target), tables=", ".join(differing))
        put_in_place(part, target)
    except OSError as error:
        raise StoreError(
            "care.cannot_write", path=str(target), reason=error.strerror or str(error)
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return found


def _copy_pages(store: sqlite3.Connection, part: Path, stage: Stage) -> None:
    try:
        copy = sqlite3.connect(part)
    except sqlite3.Error as error:
        raise StoreError("care.cannot_write", path=str(part), reason=str(error)) from error
    try:
        copy.execute("PRAGMA synchronous=OFF")  # the whole file is synced before it gets its name

        def progress(_status: int, left: int, total: int) -> None:
            stage("copying", total - left, total)

        store.backup(copy, pages=PAGES_A_STEP, progress=progress)
        # One file without a log, which also opens where nothing can be written.
        copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if "malformed" in str(error):  # the source
            raise
        raise StoreError("care.cannot_write", path=str(part), reason=str(error)) from error
    finally:
        copy.close()


def contents_of_file(path: Path, stage: Stage = no_stage) -> Contents:
    """What a copy holds that nobody writes to. Raises ``StoreError`` when it is damaged or not a store."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        if not is_store(connection):
            raise StoreError("store.foreign", path=str(path))
        return _hashed(connection, stage, "comparing")
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    finally:
        connection.close()


def _hashed(connection: sqlite3.Connection, stage: Stage, what: str) -> Contents:
    total, at = row_count(connection), 0

    def done(rows: int) -> None:
        nonlocal at
        at += rows
        stage(what, at, total)

    return contents_of(connection, done)


def back_up(source: Path, target: Path, made: str, program: str, stage: Stage = no_stage) -> Manifest:
    """Make a backup and its manifest; any process may, whoever writes meanwhile.

    Parameters
    ----------
    made : when, ISO 8601.
    program : this program's version.

    Raises
    ------
    StoreError : there is a file of that name already, or what ``copy_store`` raises.
    """
    if target.exists():
        raise StoreError("care.exists", path=str(target))
    if not target.parent.is_dir():
        raise StoreError("care.no_folder", path=str(target.parent))
    contents = copy_store(source, target, stage)
    sha256 = digest(target, lambda done, total: stage("signing", done, total))
    manifest = Manifest(made, program, target.stat().st_size, sha256, contents)
    write_manifest(manifest_path(target), manifest)
    return manifest


def keep_version(path: Path, version: int) -> Path:
    """Copy a store beside itself before its tables are changed; returns where the copy is.

    Raises
    ------
    StoreError : there is no room for it, or it differs. The store was not touched.
    """
    target = unused(beside(path, f".version-{version}"))
    copy_store(path, target)
    return target
