"""Putting a backup in a store's place: verified before anything is moved; what was there is kept aside."""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.store.care.copying import Stage, contents_of_file, no_stage
from monitor.store.care.files import (
    beside,
    copy_bytes,
    digest,
    put_in_place,
    require_room,
    stamp,
    sync_folder,
    unused,
)
from monitor.store.care.manifest import Contents, Manifest, differences, manifest_path, read_manifest
from monitor.store.database import VERSION, StoreError, WriterLock


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the store's place now, and where the old one is."""

    contents: Contents
    made: str
    kept: Path | None


def verify_backup(backup: Path, stage: Stage = no_stage) -> Manifest:
    """Hold a backup against its manifest: the file's bytes, then every table's rows.

    Raises
    ------
    StoreError : there is no backup or no manifest, or they do not belong together any more.
    """
    if not backup.is_file():
        raise StoreError("care.no_backup", path=str(backup))
    manifest = read_manifest(manifest_path(backup))
    if digest(backup, lambda done, total: stage("signing", done, total)) != manifest.sha256:
        raise StoreError("care.backup_changed", path=str(backup), made=manifest.made)
    found = contents_of_file(backup, stage)
    if differing := differences(manifest.contents, found):
        raise StoreError("care.copy_differs", path=str(backup), tables=", ".join(differing))
    if found.version > VERSION:
        raise StoreError("store.newer", path=str(backup), found=found.version, known=VERSION)
    return manifest


def restore(backup: Path, path: Path, site: str, at_ms: int, stage: Stage = no_stage) -> Restored:
    """Put a verified backup in the place of a store that nobody writes to.

    Parameters
    ----------
    path : the store's file.
    site : whose store it has to be.
    at_ms : now; it names what is kept aside.

    Raises
    ------
    StoreError : somebody writes to the store, or the backup is not what its manifest says, or another
        site's. Nothing was moved then.
    """
    lock = WriterLock(path)
    lock.acquire()
    try:
        manifest = verify_backup(backup, stage)
        sites = manifest.contents.sites
        if sites and site not in sites:
            raise StoreError("care.other_site", path=str(backup), found=", ".join(sites), wanted=site)
        part = _copied(backup, path, manifest, stage)
        kept = _keep_old(path, at_ms)
        put_in_place(part, path)
    except OSError as error:
        raise StoreError("care.cannot_write", path=str(path), reason=_why(error)) from error
    finally:
        beside(path, ".restoring").unlink(missing_ok=True)
        lock.release()
    return Restored(manifest.contents, manifest.made, kept)


def _copied(backup: Path, path: Path, manifest: Manifest, stage: Stage) -> Path:
    """The backup's bytes beside the store, where one rename puts them in its place."""
    require_room(path.parent, manifest.size)
    part = beside(path, ".restoring")
    copy_bytes(backup, part, lambda done, total: stage("copying", done, total))
    if digest(part) != manifest.sha256:
        raise StoreError("care.copy_differs", path=str(part), tables="*")
    return part


def _keep_old(path: Path, at_ms: int) -> Path | None:
    """Give the old store a second name: at no moment is there no store, whatever happens meanwhile."""
    if not path.exists():
        return None
    _settle(path)
    target = unused(beside(path, f".before-restore-{stamp(at_ms)}"))
    for suffix in ("-wal", "-shm"):  # of a store that could not be settled
        if beside(path, suffix).exists():
            beside(path, suffix).rename(beside(target, suffix))
    try:
        os.link(path, target)
    except OSError:  # a file system without second names
        path.rename(target)
    sync_folder(path.parent)
    return target


def _settle(path: Path) -> None:
    """Have the log written into its store, so that it is one file; a damaged one is left as it is."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _why(error: OSError) -> Any:
    return error.strerror or str(error)
