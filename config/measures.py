"""Efficiency measures from CSV: retrofits, as a council is told of them.

What nobody stated is an empty cell; nothing is made up for it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from config.ledger import RowReader
from config.positions import Source
from config.problems import ConfigurationError, did_you_mean
from config.site import Commodity
from config.tables import Record, Table
from rules.measures import Measure

COLUMNS = (
    "id", "commodity", "name_zh_tw", "name_en", "quantity", "old_w", "new_w", "hours_a_year", "start",
    "priced_on", "sub_meter", "source",
)  # fmt: skip
LABELS = ("old_w", "new_w", "hours_a_year")
HOURS_A_YEAR = 8784  # of a leap year


def read_measures(path: Path, meters: Mapping[str, Commodity]) -> tuple[Measure, ...]:
    """Read measures: CSV in UTF-8 with the ``COLUMNS``.

    Parameters
    ----------
    meters : the site's meters and what each meters.

    Raises
    ------
    ConfigurationError : with everything that is wrong, each with its row and column.
    """
    table = Table(Source.read(path), COLUMNS)
    reader = _Reader(table, meters)
    rows = [row for record in table.records if (row := reader.row(record)) is not None]
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return tuple(rows)


class _Reader(RowReader):
    """Makes measures of a table's records."""

    def __init__(self, table: Table, meters: Mapping[str, Commodity]) -> None:
        super().__init__(table, {})
        self._sub_meters = meters
        self._seen: dict[str, int] = {}

    def row(self, record: Record) -> Measure | None:
        """One measure; None, and problems, where something is wrong."""
        before = len(self.problems)
        subject, id_, source = self._subject_of(record), self._id(record), self.filled(record, "source")
        names = [self.filled(record, name) for name in ("name_zh_tw", "name_en")]
        quantity = self.figure(record, "quantity")
        if quantity is not None and (quantity != int(quantity) or quantity == 0):
            self.problem("measures.whole_number", record, "quantity", value=str(quantity))
        labels = [self.figure(record, name) if record.text(name) else None for name in LABELS]
        self._check_labels(record)
        start = self.day(record, "start") if record.text("start") else None
        priced_on = self.day(record, "priced_on") if record.text("priced_on") else None
        meter = self._meter(record)
        if len(self.problems) > before or subject is None or quantity is None:
            return None
        old_w, new_w, hours = (None if one is None else float(one) for one in labels)
        facts = (id_ or "", subject, names[0] or "", names[1] or "", int(quantity), old_w, new_w, hours)
        return Measure(*facts, start, priced_on, meter, source or "")

    def _subject_of(self, record: Record) -> str | None:
        found = self.subject(record)
        return None if found is None else found[0]

    def _id(self, record: Record) -> str | None:
        id_ = self.filled(record, "id")
        if id_ is None:
            return None
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", id_):
            self.problem("measures.bad_id", record, "id", value=id_)
        other = self._seen.setdefault(id_, record.row)
        if other != record.row:
            self.problem("measures.twice", record, "id", id=id_, other=other)
        return id_

    def _check_labels(self, record: Record) -> None:
        """All three or none: two of them say nothing of energy."""
        given = [name for name in LABELS if record.text(name)]
        if given and len(given) < len(LABELS):
            missing = next(name for name in LABELS if name not in given)
            self.problem("measures.labels", record, missing, column=missing)
        hours = record.text("hours_a_year")
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", hours) and float(hours) > HOURS_A_YEAR:
            self.problem("measures.hours", record, "hours_a_year", value=hours, most=HOURS_A_YEAR)

    def _meter(self, record: Record) -> str:
        meter = record.text("sub_meter")
        if meter and meter not in self._sub_meters:
            hint = did_you_mean(meter, self._sub_meters)
            self.problem("ledger.unknown_meter", record, "sub_meter", hint, name=meter)
        return meter
