"""The request box as a file: whom it is for, and what is said when it cannot be used."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError, OperationalError

from monitor.store.database import StoreError, not_writable, speaks_of_damage

SUFFIX = ".requests"
BOX_DAMAGED, BOX_HELD = "box.damaged", "box.held"


def in_words(box: Path, error: DBAPIError) -> StoreError:
    """A failure of the box's database as one that has words for people."""
    reason = str(error.orig)
    if speaks_of_damage(reason):
        return StoreError(BOX_DAMAGED, path=str(box), reason=reason)
    if "readonly" in reason or "unable to open" in reason:
        return not_writable(box, PermissionError(errno.EACCES, reason))
    if "locked" in reason:
        return StoreError(BOX_HELD, path=str(box))
    return StoreError("box.unusable", path=str(box), reason=reason)


def may_pass(error: Exception) -> bool:
    """Whether the disk or the store is in trouble, and not what was asked: it may be done later."""
    if isinstance(error, DBAPIError) and speaks_of_damage(str(error.orig)):
        return True
    return isinstance(error, OperationalError | OSError)


def keep_to_ourselves(box: Path) -> None:
    """Make the box before SQLite does: an operator's key may wait in it, for its owner's eyes alone.

    Where the store's group may write to the store, it may write here; root makes it for the store's owner.
    """
    store = box.with_name(box.name.removesuffix(SUFFIX))
    with suppress(OSError):  # what opens it says what is wrong
        owner = store.stat() if store.exists() else store.absolute().parent.stat()
        mode = 0o660 if store.exists() and owner.st_mode & 0o020 else 0o600
        if box.exists():
            if stat.S_IMODE(box.stat().st_mode) != mode:
                box.chmod(mode)  # an earlier version's
            return
        descriptor = os.open(box, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
