"""A store that was here and is not: a new one begins, for meters do not wait, and it is said.

Whoever opens the store of a site leaves a small file beside it; where that is and the store is not, or is
empty, something took it away: a disk that was cleaned up, a copy that failed. It is said until somebody has
looked. A new site has no such file, and stays silent.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from config.words import Spoken
from monitor.store.care.ballast import with_room
from monitor.store.care.files import beside, set_aside, sync_folder
from monitor.store.database import open_writer

log = logging.getLogger(__name__)

KNOWN, LOST = ".known", ".lost"
_TEXT = "A store was begun beside this file. Where it is missing or empty while this is here, that is told.\n"


def open_known(path: Path) -> Engine:
    """Open the store of a site to write, and tell where the one that was there has gone; see ``open_writer``.

    For whoever holds the writer's lock. Raises ``StoreError``.
    """
    if is_lost(path):
        kept = _keep_what_is_left(path)
        log.error(Spoken("care.log_lost", path=path, kept=kept))
    engine = with_room(path, lambda: open_writer(path))
    mark = beside(path, KNOWN)
    if not mark.exists():
        with suppress(OSError):  # the next start makes it: a full disk keeps nobody from reading meters
            mark.write_text(_TEXT, encoding="utf-8")
            sync_folder(path.parent)
    return engine


def is_lost(path: Path) -> bool:
    """Whether a store was here, and is missing or empty now."""
    return beside(path, KNOWN).exists() and (not path.exists() or path.stat().st_size == 0)


def forget(path: Path) -> None:
    """The store was moved away by ourselves: that it is missing is no news."""
    beside(path, KNOWN).unlink(missing_ok=True)


def lost_beside(path: Path) -> Iterator[Path]:
    """What lies beside a store since one was lost, until a person takes it away."""
    found = path.parent.glob(f"{path.name}{LOST}*")
    return (one for one in sorted(found) if not one.name.endswith(("-wal", "-shm", "-journal")))


def _keep_what_is_left(path: Path) -> Path:
    """Move the empty file and the log aside: a new store would throw away what only the log still holds."""
    path.touch()
    return set_aside(path, beside(path, LOST))
