"""What is in a store: how many rows each table has, and a hash over all of them.

The hash of a table is the SHA-256 of its rows in the order of its primary key, each written as Python's
``repr`` of the row and a line feed: the same text on every machine, made again in five lines.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monitor.store.care.files import beside
from monitor.store.database import APPLICATION_ID, StoreError

FORMAT = "energy-monitor store manifest 1"
ROWS_A_STEP = 5_000

RowsDone = Callable[[int], None]
"""Told how many rows more have been hashed."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table: its rows, and their hash."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store holds: its version, whose rows, and every table by name."""

    version: int
    sites: tuple[str, ...]
    tables: dict[str, TableFacts]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup's own description. ``sha256`` and ``size`` are the backup file's."""

    made: str
    program: str
    size: int
    sha256: str
    contents: Contents


def manifest_path(backup: Path) -> Path:
    """Where a backup's manifest lies."""
    return beside(backup, ".manifest.json")


def contents_of(connection: sqlite3.Connection, done: RowsDone | None = None) -> Contents:
    """Count and hash every table; in a transaction of the caller's it is all of one instant."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = {name: _facts(connection, name, done) for name in table_names(connection)}
    return Contents(version, _sites(connection, tables), tables)


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Every table of a store, by name."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def row_count(connection: sqlite3.Connection) -> int:
    """How many rows all tables have together."""
    return sum(
        connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608  its own tables
        for name in table_names(connection)
    )


def key_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table's primary key, in order."""
    columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    return [name for _, _, name, _, _, place in sorted(columns, key=lambda one: one[5]) if place]


def _facts(connection: sqlite3.Connection, table: str, done: RowsDone | None) -> TableFacts:
    order = ", ".join(f'"{name}"' for name in key_of(connection, table)) or "rowid"
    cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}')  # noqa: S608  its own tables
    sha, count = hashlib.sha256(), 0
    for rows in _steps(cursor):
        sha.update("".join(f"{row!r}\n" for row in rows).encode())
        count += len(rows)
        if done is not None:
            done(len(rows))
    return TableFacts(count, sha.hexdigest())


def _steps(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    while rows := cursor.fetchmany(ROWS_A_STEP):
        yield rows


def _sites(connection: sqlite3.Connection, tables: dict[str, TableFacts]) -> tuple[str, ...]:
    found: set[str] = set()
    for table in ("layouts", "intervals", "ledger", "manual_readings", "reasons"):
        if table in tables:
            found |= {site for (site,) in connection.execute(f'SELECT DISTINCT site FROM "{table}"')}  # noqa: S608
    return tuple(sorted(found))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest beside its backup."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    StoreError : there is none, or it cannot be read as one.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return _manifest_of(data)
    except FileNotFoundError as error:
        raise StoreError("care.no_manifest", path=str(path)) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError("care.bad_manifest", path=str(path)) from error


def _manifest_of(data: dict[str, Any]) -> Manifest:
    if data.pop("format") != FORMAT:
        raise ValueError("format")
    contents = data.pop("contents")
    tables = {name: TableFacts(**facts) for name, facts in contents["tables"].items()}
    return Manifest(**data, contents=Contents(contents["version"], tuple(contents["sites"]), tables))


def differences(told: Contents, found: Contents) -> list[str]:
    """Tables whose rows are not what a manifest says, each with both counts; empty when all are."""
    nothing = TableFacts(0, "")
    names = sorted(told.tables.keys() | found.tables.keys())
    pairs = [(name, told.tables.get(name, nothing), found.tables.get(name, nothing)) for name in names]
    return [f"{name} ({one.rows} / {other.rows})" for name, one, other in pairs if one != other]


def is_store(connection: sqlite3.Connection) -> bool:
    """Whether a file is a store of this program."""
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)
