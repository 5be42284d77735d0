"""A store that is damaged: found at the start, moved aside whole, and never deleted.

What is beyond doubt is done by itself, for a daemon that does not start measures nothing. A file that is not
ours, or of a newer version, is never moved.
"""

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitor.store.care.files import beside, set_aside, stamp, sync_folder
from monitor.store.care.lost import forget
from monitor.store.database import (
    APPLICATION_ID,
    HEADER,
    LIKELY_VERSIONS,
    LOOK_FOR_WORDS_IN,
    VERSION,
    StoreError,
    holds_our_words,
    speaks_of_damage,
)
from monitor.store.reader import UNREADABLE

LOOK_AT_MOST_S = 3.0
"""How long a start looks for damage; ``store verify`` looks at everything."""

MAGIC = b"SQLite format 3\0"
USER_VERSION_AT, APPLICATION_ID_AT = 60, 68
DAMAGE_SHOWS_IN: tuple[type[Exception], ...] = (StoreError, *UNREADABLE)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged store: where it is now, and what was wrong with it."""

    kept: Path
    reason: str


def damage_in(error: BaseException) -> str | None:
    """What a failure says of the file: the database's words where it is damaged, else None."""
    if isinstance(error, StoreError):
        return str(error.data["reason"]) if error.code.startswith("care.damaged") else None
    text = str(error.__cause__ or error)
    return text if isinstance(error, UNREADABLE) and speaks_of_damage(text) else None


def mark_damaged(path: Path, reason: str) -> None:
    """Remember that a store proved damaged at work: the next start sets it aside."""
    beside(path, ".damage").write_text(reason + "\n", encoding="utf-8")
    sync_folder(path.parent)


def quarantine_if_damaged(
    path: Path, at_ms: int, look_at_most_s: float = LOOK_AT_MOST_S
) -> Quarantined | None:
    """Move a damaged store aside, its log with it, so that a new one can begin in its place.

    For whoever holds the writer's lock.

    Returns
    -------
    Where it is now; None when nothing is wrong, or it is not ours to move.
    """
    mark = beside(path, ".damage")
    reason = damage(path, look_at_most_s)
    if reason is None and mark.exists() and path.exists():
        reason = mark.read_text(encoding="utf-8").strip()
    if reason is None:
        return None
    kept = set_aside(path, beside(path, f".damaged-{stamp(at_ms)}"))
    mark.unlink(missing_ok=True)
    forget(path)
    return Quarantined(kept, reason)


def quarantined_beside(path: Path) -> Iterator[Path]:
    """Damaged stores that lie beside a store and wait for a person."""
    ends = ("-wal", "-shm", "-journal", ".json")
    found = path.parent.glob(f"{path.name}.damaged-*")
    return (one for one in sorted(found) if not one.name.endswith(ends))


def damage(path: Path, look_at_most_s: float) -> str | None:
    """What is wrong with a store, in the database's words; None when nothing was found."""
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        with path.open("rb") as file:
            head = file.read(LOOK_FOR_WORDS_IN)
    except OSError:
        return None  # whoever opens it to write says why
    if not head.startswith(MAGIC):
        return "file is not a database" if holds_our_words(head) else None
    is_named, version = _number(head, APPLICATION_ID_AT) == APPLICATION_ID, _number(head, USER_VERSION_AT)
    if not is_named or version > LIKELY_VERSIONS:
        return HEADER if holds_our_words(head) else None
    if version > VERSION:
        return None
    return _check(path, look_at_most_s)


def _number(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 4], "big")


def _check(path: Path, look_at_most_s: float) -> str | None:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return None  # whoever opens it to write says why
    # The check itself looks nowhere but at this flag, however large the file is.
    timer = threading.Timer(look_at_most_s, connection.interrupt)
    try:
        timer.start()
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        return str(error) if speaks_of_damage(str(error)) else None
    finally:
        timer.cancel()
        timer.join()
        connection.close()
    return None if found in (["ok"], []) else found[0]
