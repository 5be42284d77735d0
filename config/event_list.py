"""Events of demand response out of a CSV: a utility's notices, or a season that has passed.

A file is taken whole or not at all; everything that is wrong with it is told at once.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from config.event_times import TimeRefusedError, event_instant
from config.ledger import RowReader
from config.positions import Source
from config.problems import ConfigurationError, Hint
from config.tables import Record, Table

COLUMNS = ("id", "programme", "notice", "start", "end", "committed_kw", "bid", "source")


@dataclass(frozen=True, slots=True)
class CalledEvent:
    """One event as it was called.

    Attributes
    ----------
    id : names it.
    programme : a family or a text, as ``taipower-demand-bidding``.
    notice : when it was announced; None where that is not known.
    start, end : [start, end) in the site's zone.
    committed_kw, bid : what was promised and bid; None where the programme does without. [kW, NT$/kWh]
    source : where that is written.
    row : line in the file; the heading is row 1.
    whole : [start, end) of the whole event where only its full intervals are meant.
    """

    id: str
    programme: str
    notice: datetime | None
    start: datetime
    end: datetime
    committed_kw: Decimal | None
    bid: Decimal | None
    source: str
    row: int
    whole: tuple[datetime, datetime] | None = None


def read_event_list(path: Path, zone: ZoneInfo, interval_s: int) -> tuple[CalledEvent, ...]:
    """Read a list of events, by start.

    Parameters
    ----------
    path : CSV in UTF-8 with the columns ``COLUMNS``; ``notice``, ``committed_kw`` and ``bid`` may be empty.
    zone : the site's, of times without an offset.
    interval_s : an event begins and ends at the edge of an interval. [s]

    Raises
    ------
    ConfigurationError : with everything that is wrong, each with its row and column.
    """
    table = Table(Source.read(path), COLUMNS)
    reader = _EventReader(table, zone, interval_s)
    events = [event for record in table.records if (event := reader.event(record)) is not None]
    reader.tell_overlaps(events)
    if table.problems:
        raise ConfigurationError(table.problems)
    return tuple(sorted(events, key=lambda event: event.start))


class _EventReader(RowReader):
    """Makes events of a table's records."""

    def __init__(self, table: Table, zone: ZoneInfo, interval_s: int) -> None:
        super().__init__(table, {})
        self._zone = zone
        self._interval_s = interval_s

    def event(self, record: Record) -> CalledEvent | None:
        texts = [self.filled(record, column) for column in ("id", "programme", "source")]
        start, end = self._instant(record, "start"), self._instant(record, "end")
        known = len(self.problems)
        notice = self._instant(record, "notice") if record.text("notice") else None
        committed = self.figure(record, "committed_kw") if record.text("committed_kw") else None
        bid = self.figure(record, "bid") if record.text("bid") else None
        id_, programme, source = texts
        if id_ is None or programme is None or source is None or start is None or end is None:
            return None
        if end <= start:
            self.problem("dr.end_before_start", record, "end", start=_text(start), end=_text(end))
        for name, at in (("start", start), ("end", end)):
            if at.timestamp() % self._interval_s:
                self.problem("dr.not_on_edge", record, name, time=_text(at), minutes=self._interval_s // 60)
        if notice is not None and notice > start:
            self.problem("dr.notice_after_start", record, "notice", notice=_text(notice), start=_text(start))
        if len(self.problems) > known:
            return None
        return CalledEvent(id_, programme, notice, start, end, committed, bid, source, record.row)

    def _instant(self, record: Record, column: str) -> datetime | None:
        text = self.filled(record, column)
        if text is None:
            return None
        try:
            return event_instant(text, self._zone)
        except TimeRefusedError as error:
            guess = error.data.pop("guess", None)
            hint = None if guess is None else Hint("config.did_you_mean", {"guess": guess})
            self.problem(error.code, record, column, hint, **error.data)
            return None

    def tell_overlaps(self, events: list[CalledEvent]) -> None:
        """Events that share time, or a name: each names the other."""
        records = {record.row: record for record in self.table.records}
        named: dict[str, CalledEvent] = {}
        reaches: CalledEvent | None = None
        for event in sorted(events, key=lambda one: (one.start, one.row)):
            other = named.setdefault(event.id, event)
            if other is not event:
                later, first = max(event.row, other.row), min(event.row, other.row)
                self.problem("dr.id_twice", records[later], "id", id=event.id, other=first)
            if reaches is not None and event.start < reaches.end:
                data = {"other": reaches.row, "start": _text(reaches.start), "end": _text(reaches.end)}
                self.problem("dr.overlap", records[event.row], "start", None, **data)
            if reaches is None or event.end > reaches.end:
                reaches = event


def _text(at: datetime) -> str:
    return at.isoformat(timespec="minutes")
