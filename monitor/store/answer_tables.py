"""Tables of what answers for a saving: the locked base year, its adjustments, measures, targets, findings."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, SmallInteger, String, Table, Text

from monitor.store.schema import RowId, metadata

__all__ = ["adjustments", "base_models", "metadata", "station_hours", "station_position"]

# What a locked base year, or a period's use, is adjusted for. Rows are only added: a withdrawal is a row.
adjustments = Table(
    "adjustments",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("book", String, nullable=False),  # base, non_routine
    Column("commodity", String, nullable=False),
    Column("start_day", String, nullable=False),  # first day, ISO, local to the site
    Column("end_day", String),  # last day, inclusive; NULL while it goes on
    Column("quantity", Double, nullable=False),  # signed: positive where more is used because of it
    Column("unit", String, nullable=False),
    Column("uncertainty", Double, nullable=False),  # half of the width of its 90 % band
    Column("per", String, nullable=False),  # event: of all the days together; day: of each
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("author", Text, nullable=False),  # who answers for it
    Column("text_zh_tw", Text, nullable=False),  # the sentence for the report; empty: the reason
    Column("text_en", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),  # whose command or form it was
    Column("withdraws", Integer),  # the id of the one that no longer counts because of this row
    Column("import_id", Integer),  # the file that it came from
    Index("adjustments_of", "site", "book", "commodity", "start_day"),
)

# Hourly means of the site's own weather station, made of its scans and kept when those are gone.
station_hours = Table(
    "station_hours",
    metadata,
    Column("site", String, primary_key=True),
    Column("point", String, primary_key=True),  # device.point
    Column("start_s", BigInteger, primary_key=True),
    Column("mean", Double, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("quarters", SmallInteger, nullable=False),  # one bit for each quarter of the hour with a reading
)

# Up to which scan a point's hours are made.
station_position = Table(
    "station_position",
    metadata,
    Column("site", String, primary_key=True),
    Column("point", String, primary_key=True),
    Column("scan_id", BigInteger, nullable=False),
)

# The model of each base year, fitted once and kept with the hash of all that went into it.
base_models = Table(
    "base_models",
    metadata,
    Column("site", String, primary_key=True),
    Column("commodity", String, primary_key=True),
    Column("inputs", String, nullable=False),  # SHA-256, hexadecimal
    Column("made_ms", BigInteger, nullable=False),
    Column("model", Text, nullable=False),  # JSON
)
