"""Events out of a list: what happened from when to when, for whoever has to explain a figure later."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.history.declared import EventsFile
from config.history.facts import SiteFacts
from config.history.findings import Findings
from config.history.grid import Grid, among, read_grid
from config.history.instants import resolved, tell_bad, zone_of
from config.history.stamps import stamps
from config.problems import ConfigurationError, Place, Problem, did_you_mean
from config.site import Commodity

KINDS = (
    "demand_response",
    "outage",
    "maintenance",
    "equipment",
    "occupancy",
    "closure",
    "other",
)
_WANTED = ("kind", "start", "text", "source")
_ALL = ("kind", "subject", "start", "end", "text", "source")


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event.

    Attributes
    ----------
    kind : one of ``KINDS``.
    subject : a meter or a commodity; empty for the whole site.
    start_s, end_s : seconds UTC; end_s is None where it goes on, as with new equipment.
    text, source : what happened, and where that is written.
    line : row in the file.
    """

    kind: str
    subject: str
    start_s: int
    end_s: int | None
    text: str
    source: str
    line: int


def read_events(path: Path, declared: EventsFile, site: SiteFacts) -> tuple[EventRow, ...]:
    """Read a list of events.

    Raises
    ------
    ConfigurationError : with what is wrong, by row and column; the first of it, and how much more.
    """
    grid = read_grid(path, declared, list({str(k): v for k, v in declared.columns.items()}.values()))
    findings = Findings(grid)
    reader = _Reader(grid, declared, site, findings)
    rows = reader.rows()
    findings.raise_any()
    first: dict[tuple[str, str, int], int] = {}
    for at, row in enumerate(rows):
        other = first.setdefault((row.kind, row.subject, row.start_s), at)
        if other != at:
            reader.tell_twice(row, rows[other])
    findings.raise_any()
    return tuple(rows)


class _Reader:
    """Makes events of a grid's rows."""

    def __init__(self, grid: Grid, declared: EventsFile, site: SiteFacts, findings: Findings) -> None:
        self._grid = grid
        self._declared = declared
        self._site = site
        self._findings = findings
        self._fixed = {str(name): text for name, text in declared.fixed.items()}
        named = {str(name): column for name, column in declared.columns.items()}
        here = {name: named.get(name, name) for name in _ALL if name not in self._fixed}
        self._columns = {name: grid.names.index(one) for name, one in here.items() if one in grid.names}
        heading = Place(grid.file, declared.heading_row, 1)
        lacking = [name for name in _WANTED if name not in self._columns and name not in self._fixed]
        if lacking:
            raise ConfigurationError(
                Problem("history.no_event_column", heading, (name,), {"column": name}) for name in lacking
            )

    def tell_twice(self, row: EventRow, other: EventRow) -> None:
        """Two rows tell the same event."""
        at = np.flatnonzero(self._grid.lines == row.line)
        self._findings.add(
            "history.event_twice", at, self._columns["start"], lambda _row: {"other": other.line}
        )

    def rows(self) -> list[EventRow]:
        """All events; those with something wrong are left out and told."""
        start_s, usable = self._instants("start")
        open_ended = np.ones(len(self._grid), dtype=bool)
        end_s = start_s
        if "end" in self._columns:
            cells = self._grid.cells(self._columns["end"])
            open_ended = among(cells, ("", *self._declared.missing))
            end_s, known = self._instants("end", open_ended)
            usable &= known | open_ended
            early = usable & ~open_ended & (end_s <= start_s)
            usable &= ~self._findings.bad("history.end_before_start", early, self._columns["end"])
        made = []
        for row in range(len(self._grid)):
            texts = {name: self._text(name, row) for name in ("kind", "subject", "text", "source")}
            if texts["kind"] and texts["text"] and texts["source"] and usable[row]:
                ends = None if open_ended[row] else int(end_s[row])
                facts = (texts["kind"], texts["subject"] or "", int(start_s[row]), ends)
                line = int(self._grid.lines[row])
                made.append(EventRow(*facts, texts["text"], texts["source"], line))
        return made

    def _text(self, name: str, row: int) -> str | None:
        """One cell, checked; None when it cannot be used."""
        column = self._columns.get(name)
        text = self._fixed.get(name, "") if column is None else self._grid.text(row, column)
        here = column if column is not None else self._columns["start"]
        if not text and name != "subject":
            self._findings.add("history.empty", np.array([row]), here, lambda _row: {"column": name})
        if name == "kind" and text:
            return self._kind(text, row, here)
        if name == "subject" and text and text not in self._subjects():
            hint = did_you_mean(text, self._subjects())
            data = {"value": text}
            self._findings.add("history.unknown_meter", np.array([row]), here, lambda _row: data, hint)
        return text

    def _kind(self, text: str, row: int, column: int) -> str | None:
        kind = self._declared.kinds.get(text, text)
        if kind in KINDS:
            return kind
        data = {"value": text}
        hint = did_you_mean(text, KINDS)
        self._findings.add("history.unknown_kind", np.array([row]), column, lambda _row: data, hint)
        return None

    def _subjects(self) -> tuple[str, ...]:
        return (*self._site.meters, *(str(one) for one in Commodity))

    def _instants(
        self, name: str, leave: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        column = self._columns[name]
        read = stamps(self._grid.cells(column), self._declared.calendar, self._declared.order)
        bad = read.bad if leave is None else read.bad & ~leave
        tell_bad(read, bad, column, self._declared.calendar, self._findings)
        zone = zone_of(self._declared.zone, self._site.zone)
        # Each row is a series of its own: that two events begin alike does not make one of them later.
        series = np.arange(len(self._grid))
        return resolved(read, column, zone, series, self._findings)
