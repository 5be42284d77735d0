"""Opening the store: one writer with durable settings, readers that can only read, versions that match."""

import errno
import fcntl
import logging
import os
import pwd
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from config.words import preferred_language, say
from monitor.store import answer_tables, care_tables, event_tables, history_tables, schema
from monitor.store.schema import metadata

log = logging.getLogger(__name__)

APPLICATION_ID = 0x454E4D4F  # "ENMO": tells our files from other people's

OUR_WORDS = (b"CREATE TABLE intervals", b"register_start")
LOOK_FOR_WORDS_IN = 1 << 20
HEADER = "its header does not say whose it is"
"""What the first part of a store of ours holds, whatever became of its header."""

DAMAGE = ("disk image is malformed", "malformed database schema", "not a database")
"""How the database says that the file itself is damaged; malformed JSON is another matter."""


class StoreError(Exception):
    """The store cannot be used as asked; ``code`` names the text in the word catalogue."""

    def __init__(self, code: str, **data: Any) -> None:
        self.code = code
        self.data = data
        super().__init__(f"{code}: {data}")


class LedgerRefused(StoreError):
    """A file contradicts what stands in the store; nothing was imported.

    ``problems`` holds everything that does, in the file's order; as an error it speaks of the first.
    """

    def __init__(self, problems: Sequence[StoreError]) -> None:
        self.problems = tuple(problems)
        super().__init__(problems[0].code, **problems[0].data)


def speaks_of_damage(error: str) -> bool:
    """Whether an error of the database says that the file itself is damaged."""
    return any(words in error for words in DAMAGE)


def holds_our_words(head: bytes) -> bool:
    """Whether the first part of a file is that of a store of ours."""
    return all(words in head for words in OUR_WORDS)


def _foreign(path: Path) -> StoreError:
    """A file that does not call itself ours: somebody else's, or ours with a damaged header."""
    head = b""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(LOOK_FOR_WORDS_IN)
    if holds_our_words(head):
        return StoreError("care.damaged", path=str(path), reason=HEADER)
    return StoreError("store.foreign", path=str(path))


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)


def _add_meter_life(connection: Connection) -> None:
    """Version 2: factors, refusals with hour and figures, records, late readings, past states, counts."""
    columns = (
        (schema.intervals.c.factor, "FLOAT NOT NULL DEFAULT 1"),
        (schema.refusals.c.heard_ms, "BIGINT NOT NULL DEFAULT 0"),
        (schema.refusals.c.data, "TEXT"),
    )
    for column, type_ in columns:
        _add_column(connection, column, type_)
    metadata.create_all(connection)
    refusals = schema.refusals
    for index in refusals.indexes:
        index.create(connection, checkfirst=True)
    connection.execute(refusals.update().where(refusals.c.heard_ms == 0).values(heard_ms=refusals.c.at_ms))


def _add_deliveries(connection: Connection) -> None:
    """Version 3: what becomes of dead letters, spans to be delivered again, and who asked for it."""
    columns = (
        (schema.dead_letters.c.stream, "VARCHAR NOT NULL DEFAULT ''"),
        (schema.dead_letters.c.position, "BIGINT NOT NULL DEFAULT 0"),
        (schema.dead_letters.c.state, "VARCHAR NOT NULL DEFAULT 'open'"),
        (schema.dead_letters.c.settled_ms, "BIGINT"),
    )
    for column, type_ in columns:
        _add_column(connection, column, type_)
    metadata.create_all(connection)


def _add_history(connection: Connection) -> None:
    """Version 4: intervals and imports know where they are from; weather, events, figures replaced."""
    columns = (
        (schema.intervals.c.import_id, "INTEGER"),
        (schema.imports.c.who, "TEXT NOT NULL DEFAULT ''"),
        (schema.imports.c.declared, "TEXT NOT NULL DEFAULT ''"),
    )
    for column, type_ in columns:
        _add_column(connection, column, type_)
    history_tables.metadata.create_all(connection)


def _add_answers_and_events(connection: Connection) -> None:
    """Version 5: what answers for a saving, curtailment, and what was given up."""
    for tables in (answer_tables, event_tables, care_tables):
        tables.metadata.create_all(connection)


def _add_column(connection: Connection, column: Column[Any], type_: str) -> None:
    """Add a column to a table of an older version; a table that was made just now has it."""
    found = connection.exec_driver_sql(f"PRAGMA table_info({column.table.name})").all()
    if column.name not in {row[1] for row in found}:
        connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {type_}")


# One step a version, in order; a step never changes once it has been released.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _create_all,
    _add_meter_life,
    _add_deliveries,
    _add_history,
    _add_answers_and_events,
)
VERSION = len(MIGRATIONS)
LIKELY_VERSIONS = 1000
"""No program will ever write a higher one: it is a damaged header."""


ATTEMPTS = 10


class WriterLock:
    """The right to write to a store: one process has it, and the kernel gives it back when that dies."""

    def __init__(self, store_path: Path) -> None:
        self._path = store_path.with_name(store_path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raises ``StoreError`` when another process holds it, or nobody may write there."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # It holds a process id: who reads the store must be able to see who writes to it.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise not_writable(self._path, error) from error
        if not self._taken(descriptor):
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
            os.close(descriptor)
            raise StoreError("store.in_use", path=str(self._path), pid=holder)
        self._open_to_readers(descriptor)
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        except OSError as error:
            os.close(descriptor)
            raise not_writable(self._path, error) from error
        self._descriptor = descriptor

    def _open_to_readers(self, descriptor: int) -> None:
        """Let who may read the store read the lock of an earlier version, too."""
        store = self._path.with_name(self._path.name.removesuffix(".lock"))
        with suppress(OSError):  # there is none yet, or the lock is somebody else's
            os.fchmod(descriptor, 0o600 | store.stat().st_mode & 0o044)

    @staticmethod
    def _taken(descriptor: int) -> bool:
        """Try a few times: somebody who only asks for the holder has it for an instant."""
        for _ in range(ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                threading.Event().wait(0.02)
            else:
                return True
        return False

    def holder(self) -> int | None:
        """Process id of the one that writes now, None when nobody does, 0 where it cannot be told."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except PermissionError:  # an earlier version's, which its group alone may read
            return 0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(descriptor, 32).decode(errors="replace").strip()
            return int(text) if text.isdigit() else 0
        else:
            return None
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give it back; the file stays, for unlinking it would let two holders in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def open_writer(path: Path) -> Engine:
    """Open, create or migrate the store for its one writer.

    Raises
    ------
    StoreError : not a store of ours, a newer version, or a folder that cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(path)
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, check_same_thread=False, timeout=10.0),
        poolclass=StaticPool,
    )
    event.listen(engine, "connect", _prepare_writer)
    try:
        with engine.connect() as connection:
            version = _version(connection, path)
        if 0 < version < VERSION:
            _keep_copy(path, version)
        with engine.connect() as connection:
            # All or nothing: without it each change of a table would be a transaction of its own.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _migrate(connection, version)
            if version < VERSION:
                connection.commit()
            else:  # who may not write was refused; taken back, it needs no room on a full disk
                connection.rollback()
    except StoreError:
        engine.dispose()
        raise
    except Exception as error:
        engine.dispose()
        raise _unusable(path, error) from error
    return engine


def _prepare_writer(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    # A large import would otherwise leave a WAL file of its own size behind.
    connection.execute("PRAGMA journal_size_limit=67108864")


def _refuse_foreign(path: Path) -> None:
    """Look before anything is set on the file: whoever wrote it must find it as it was."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return  # opening it to write tells why
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    if application != APPLICATION_ID and tables:
        raise _foreign(path)


def _version(connection: Connection, path: Path) -> int:
    """The version of a store's tables; 0 before there are any. Refuses what is not ours to write to."""
    application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    if application != APPLICATION_ID and tables:
        raise _foreign(path)
    if not 0 <= version <= LIKELY_VERSIONS:
        raise StoreError("care.damaged", path=str(path), reason=HEADER)
    if version > VERSION:
        raise StoreError("store.newer", path=str(path), found=version, known=VERSION)
    return int(version) if tables else 0


def _keep_copy(path: Path, version: int) -> None:
    from monitor.store.care.copying import keep_version

    kept = keep_version(path, version)
    log.warning(say("care.migrating", preferred_language(), found=version, known=VERSION, kept=kept))


def _migrate(connection: Connection, version: int) -> None:
    for step in MIGRATIONS[version:]:
        step(connection)
    connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")


def open_reader(path: Path) -> Engine:
    """Open the store for reading only; never creates, never checkpoints.

    Raises
    ------
    StoreError : there is none yet, it is not ours, or its version differs.
    """
    if not path.exists():
        raise StoreError("store.missing", path=str(path))
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=10.0
        ),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    except Exception as error:
        raise _unusable(path, error, reading=True) from error
    if not tables:  # a writer is about to make it
        raise StoreError("store.missing", path=str(path))
    if application != APPLICATION_ID:
        raise _foreign(path)
    if not 0 <= version <= LIKELY_VERSIONS:
        raise StoreError("care.damaged", path=str(path), reason=HEADER)
    if version != VERSION:
        code = "store.older" if version < VERSION else "store.newer"
        raise StoreError(code, path=str(path), found=version, known=VERSION)
    return engine


def _unusable(path: Path, error: Exception, *, reading: bool = False) -> StoreError:
    cause = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
    if "not a database" in str(cause):
        return _foreign(path)
    if "malformed" in str(cause):
        return StoreError("care.damaged", path=str(path), reason=str(cause))
    if "readonly" in str(cause) or "unable to open" in str(cause):
        refused = PermissionError(errno.EACCES, str(cause))
        return not_readable(path, refused) if reading else not_writable(path, refused)
    return StoreError("store.unusable", path=str(path), reason=str(cause))


def in_words(path: Path, error: BaseException) -> BaseException:
    """A failure of the database as one that has words for people; any other error as it is."""
    if isinstance(error, Exception) and isinstance(error.__cause__ or error, sqlite3.Error):
        return _unusable(path, error)
    return error


def not_writable(path: Path, error: OSError) -> StoreError:
    """Tell who may not write where, and whom the place belongs to."""
    return _not_allowed("care.not_writable", path, error)


def not_readable(path: Path, error: OSError) -> StoreError:
    """Tell who may not read what, and whom it belongs to."""
    return _not_allowed("care.not_readable", path, error)


def _not_allowed(code: str, path: Path, error: OSError) -> StoreError:
    reason, path = error.strerror or str(error), path.absolute()
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError("store.unusable", path=str(path), reason=reason)
    place, owner = path, "?"
    for place in (path, *path.parents):
        try:
            owner = place.owner()
            break
        except KeyError:  # an owner whom this machine does not know
            break
        except OSError:
            continue  # not there, or not to be seen
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return StoreError(code, path=str(place), reason=reason, owner=owner, user=user)
