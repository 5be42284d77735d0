"""Whether a store holds together: its pages, and what its rows say of each other.

Everything is looked at in one snapshot, while the daemon writes, and nothing is changed.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.store.care.copying import snapshot
from monitor.store.care.gaps import gaps_in_intervals
from monitor.store.care.manifest import is_store, table_names
from monitor.store.care.totals import totals_of_registers
from monitor.store.courses import Course
from monitor.store.database import VERSION, StoreError
from monitor.store.given_up import STORE, Cause
from monitor.store.rows import layout_from_json
from monitor.timestamps import iso_utc

DAMAGES_AT_MOST = 20
PLACES_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold together; ``code`` names the text in the word catalogue.

    A ``note`` is worth knowing and nothing is wrong with it.
    """

    code: str
    data: dict[str, Any]
    note: bool = False


Rows = sqlite3.Connection
Check = Callable[[Rows], Iterator[Finding]]


def verify_store(path: Path, began: Callable[[str, int, int], None] = lambda *_: None) -> list[Finding]:
    """Look at everything; returns what was found, in the order of the checks.

    Parameters
    ----------
    began : told which check begins, which it is, and of how many.

    Raises
    ------
    StoreError : there is no store, it is not ours, or of another version.
    """
    if not path.exists():
        raise StoreError("store.missing", path=str(path))
    found: list[Finding] = []
    try:
        with snapshot(path) as rows:
            _refuse_others(rows, path)
            for at, (name, check) in enumerate(CHECKS):
                began(name, at, len(CHECKS))
                found += check(rows)
                if name == "integrity" and found:
                    break  # what damaged pages say of each other is no finding
    except StoreError as error:
        if error.code != "care.damaged":
            raise
        found.append(Finding("care.found_damage", {"detail": error.data["reason"]}))
    return found


def _refuse_others(rows: Rows, path: Path) -> None:
    if not is_store(rows):
        raise StoreError("store.foreign" if table_names(rows) else "store.missing", path=str(path))
    version = rows.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        code = "store.older" if version < VERSION else "store.newer"
        raise StoreError(code, path=str(path), found=version, known=VERSION)


def _integrity(rows: Rows) -> Iterator[Finding]:
    for (text,) in rows.execute(f"PRAGMA integrity_check({DAMAGES_AT_MOST})"):
        if text != "ok":
            yield Finding("care.found_damage", {"detail": text})


_ORPHANS = (
    # what, and the rows that point at nothing
    ("scans", "layouts", "SELECT count(*) FROM scans WHERE layout_id NOT IN (SELECT id FROM layouts)"),
    ("latest", "layouts", "SELECT count(*) FROM latest WHERE layout_id NOT IN (SELECT id FROM layouts)"),
    *(
        (table, "imports", f"SELECT count(*) FROM {table} WHERE import_id NOT IN (SELECT id FROM imports)")  # noqa: S608
        for table in ("ledger", "manual_readings", "reasons")
    ),
)


def _orphans(rows: Rows) -> Iterator[Finding]:
    for table, other, query in _ORPHANS:
        (count,) = rows.execute(query).fetchone()
        if count:
            yield Finding("care.found_orphans", {"table": table, "other": other, "count": count})


def _shapes(rows: Rows) -> Iterator[Finding]:
    """Scans whose values are not as many as their layout has points."""
    for id_, device, part, spec in rows.execute("SELECT id, device, part, spec FROM layouts").fetchall():
        points = len(layout_from_json(device, part, spec).points)
        (count,) = rows.execute(
            "SELECT count(*) FROM scans WHERE layout_id = ? AND (length(vals) <> ? OR length(quality) <> ?)",
            (id_, 8 * points, points),
        ).fetchone()
        if count:
            yield Finding("care.found_shape", {"device": device, "part": part, "count": count})


_IMPOSSIBLE = {
    "intervals": "duration_s <= 0 OR coverage NOT BETWEEN 0 AND 1.000001 OR quality NOT BETWEEN 0 AND 3"
    " OR rev < 0 OR abs(quantity) > 1e300",
    "results": "NOT json_valid(data) OR rev < 0",
    "ledger": "end_day < start_day OR abs(quantity) > 1e300",
}


def _impossible(rows: Rows) -> Iterator[Finding]:
    for table, condition in _IMPOSSIBLE.items():
        (count,) = rows.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()  # noqa: S608
        if count:
            yield Finding("care.found_impossible", {"table": table, "count": count})


_UNWRITTEN = """SELECT coalesce(sum(count), 0) FROM given_up
WHERE cause = 'waiting' AND first_id > ? AND last_id < ?"""


def _scan_ids(rows: Rows) -> Iterator[Finding]:
    """Ids are given one after the other and go from the oldest on: a hole is a row that was lost."""
    count, first, last = rows.execute("SELECT count(*), min(id), max(id) FROM scans").fetchone()
    (unwritten,) = rows.execute(_UNWRITTEN, (first or 0, last or 0)).fetchone()
    if count and last - first + 1 - unwritten != count:
        data = {"count": last - first + 1 - unwritten - count, "first": first, "last": last}
        yield Finding("care.found_scan_holes", data)


_ENDS = {
    "scans": "SELECT coalesce(max(id), 0) FROM scans",
    "intervals": "SELECT coalesce(max(seq), 0) FROM intervals",
    "results": "SELECT coalesce(max(seq), 0) FROM results",
}


def _positions(rows: Rows) -> Iterator[Finding]:
    """Cursors and snapshots that claim more than there is."""
    ends = {stream: rows.execute(query).fetchone()[0] for stream, query in _ENDS.items()}
    for sink, stream, position in rows.execute("SELECT sink, stream, position FROM cursors").fetchall():
        data = {"sink": sink, "stream": stream, "position": position, "last": ends.get(stream, 0)}
        if stream in ends and position > ends[stream] and (stream != "scans" or ends["scans"]):
            yield Finding("care.found_cursor_ahead", data)
    for table in ("snapshots", "checkpoints"):
        query = f"SELECT count(*) FROM {table} WHERE scan_id > ?"  # noqa: S608
        (count,) = rows.execute(query, (ends["scans"],)).fetchone()
        if count and ends["scans"]:
            yield Finding("care.found_state_ahead", {"table": table, "count": count})


_BOOKS = """SELECT sink, cause, sum(count), min(first_ms), max(last_ms) FROM given_up
GROUP BY sink, cause ORDER BY sink, cause"""
_BOOKED = """SELECT coalesce(sum(count), 0) FROM given_up
WHERE (sink = ? OR cause = 'waiting') AND last_id > ? AND first_id <= ?"""


def _given_up(rows: Rows) -> Iterator[Finding]:
    """What the books say went early; and readings that went before a sink had them and stand in no book."""
    for sink, cause, count, first_ms, last_ms in rows.execute(_BOOKS).fetchall():
        data = {"count": count, "first": iso_utc(first_ms), "last": iso_utc(last_ms)}
        if sink == STORE:
            yield Finding(f"care.found_given_up_{cause}", data, note=cause != Cause.WAITING)
        else:
            yield Finding("care.found_undelivered", {**data, "sink": sink})
    (first,) = rows.execute("SELECT coalesce(min(id), 1) FROM scans").fetchone()
    cursors: dict[str, dict[str, int]] = {}
    for sink, stream, position in rows.execute("SELECT sink, stream, position FROM cursors"):
        cursors.setdefault(sink, {})[stream] = position
    for sink, known in cursors.items():
        if "scans" not in known:
            continue
        lost = 0
        for begin, end in Course.of("scans", known).unsettled(1, first - 1):
            (booked,) = rows.execute(_BOOKED, (sink, begin - 1, end)).fetchone()
            lost += max(0, end - begin + 1 - booked)
        if lost:
            yield Finding("care.found_unaccounted", {"sink": sink, "count": lost})


def _gaps(rows: Rows) -> Iterator[Finding]:
    for one in gaps_in_intervals(rows):
        yield Finding(f"care.found_{one.kind}", one.told(PLACES_AT_MOST), note=one.kind == "stretch")


def _totals(rows: Rows) -> Iterator[Finding]:
    for one in totals_of_registers(rows):
        yield Finding(f"care.found_{one.kind}", one.told())


CHECKS: Sequence[tuple[str, Check]] = (
    ("integrity", _integrity),
    ("orphans", _orphans),
    ("shapes", _shapes),
    ("values", _impossible),
    ("scans", _scan_ids),
    ("cursors", _positions),
    ("books", _given_up),
    ("gaps", _gaps),
    ("totals", _totals),
)
