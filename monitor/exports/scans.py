"""Scans as a sheet: one row a scan, one column a quantity of any device, and what is in doubt by name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from monitor.exports.sheets import Block, Column, Kind, Sheet
from monitor.store.streams import RowStreams, Span
from rules.quality import Quality
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec

_QUALITIES = [quality.name.lower() for quality in sorted(Quality)]
_SIGNS = {"%": "pct", "": ""}


def scan_sheet(
    streams: RowStreams, site: str, span: Span, devices: Sequence[str], fields: Sequence[str] | None = None
) -> Sheet:
    """Every reading taken in a span, in the order in which they came.

    Parameters
    ----------
    devices : of which; all that the store knows when none is named.
    fields : the columns of values, where several sheets must have the same; see ``fields_of``.
    """
    layouts = streams.layouts(devices)
    fields = fields_of(layouts.values()) if fields is None else fields
    columns = (
        *(Column(name, Kind.TEXT) for name in ("site", "device", "part")),
        Column("at", Kind.INSTANT),
        *(Column(name, Kind.NUMBER) for name in fields),
        Column("quality", Kind.TEXT),
        Column("doubts", Kind.TEXT),
    )
    ids = streams.scan_ids(span)
    return Sheet(columns, _blocks(streams, site, span, layouts, fields, ids), max(0, ids[1] - ids[0] + 1))


def fields_of(layouts: Iterable[Layout]) -> list[str]:
    """The columns that some layouts need, each once."""
    return list(dict.fromkeys(field_of(point) for layout in layouts for point in layout.points))


def field_of(point: PointSpec) -> str:
    """A point's column: the catalogue's name with its unit, or the point's own with the unit behind it."""
    known = QUANTITIES.get(point.name)
    if known is not None:
        return known.field
    unit = "".join(letter if letter.isalnum() else "_" for letter in _SIGNS.get(point.unit, point.unit))
    return f"{point.name}_{unit.lower()}".rstrip("_")


def _blocks(
    streams: RowStreams,
    site: str,
    span: Span,
    layouts: Mapping[int, Layout],
    fields: Sequence[str],
    ids: tuple[int, int],
) -> Iterator[tuple[Block, int]]:
    at = ids[0] - 1
    for rows in streams.scans(span, list(layouts), ids):
        reached = rows[-1][0] if rows else at
        if rows:
            yield _block(site, layouts, fields, rows), reached - at
        at = reached


def _block(
    site: str, layouts: Mapping[int, Layout], fields: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Block:
    count = len(rows)
    numbers = {name: np.full(count, np.nan) for name in fields}
    quality, doubts = [""] * count, [""] * count
    of_layout: dict[int, list[int]] = {}
    for at, row in enumerate(rows):
        of_layout.setdefault(row[1], []).append(at)
    for layout_id, places in of_layout.items():
        names = [field_of(point) for point in layouts[layout_id].points]
        shape = (len(places), len(names))
        values = np.frombuffer(b"".join(rows[at][3] for at in places), dtype="<f8").reshape(shape)
        marks = np.frombuffer(b"".join(rows[at][4] for at in places), dtype=np.uint8).reshape(shape)
        for name, column in zip(names, values.T, strict=True):
            numbers[name][places] = column
        for at, worst, own in zip(places, marks.max(axis=1).tolist(), marks, strict=True):
            quality[at] = _QUALITIES[worst]
            if worst:
                doubts[at] = _doubts(names, own)
    return {
        "site": [site] * count,
        "device": [layouts[row[1]].device for row in rows],
        "part": [layouts[row[1]].part for row in rows],
        "at": np.array([row[2] for row in rows], dtype=np.int64),
        **numbers,
        "quality": quality,
        "doubts": doubts,
    }


def _doubts(names: Sequence[str], marks: Any) -> str:
    """What is not good, as ``active_power_kw:suspect;import_kwh:missing``."""
    told = zip(names, marks.tolist(), strict=True)
    return ";".join(f"{name}:{_QUALITIES[mark]}" for name, mark in told if mark)
