"""Tables of what answers for a saving: the locked base year, its adjustments, measures, targets, findings."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, SmallInteger, String, Table, Text

from monitor.store.schema import RowId, metadata

__all__ = [
    "adjustments",
    "base_locks",
    "base_models",
    "base_rows",
    "corrections",
    "late_intervals",
    "log_entries",
    "measures",
    "metadata",
    "station_hours",
    "station_position",
]

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

# A base period that was agreed on. There is no way back: rows are only added.
base_locks = Table(
    "base_locks",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("commodity", String, nullable=False),
    Column("base_year", Integer, nullable=False),
    Column("start_day", String, nullable=False),
    Column("end_day", String, nullable=False),
    Column("from_s", BigInteger, nullable=False),  # [from, to) of its days, seconds UTC
    Column("to_s", BigInteger, nullable=False),
    Column("unit", String, nullable=False),
    Column("zone", String, nullable=False),
    Column("meters", Text, nullable=False),  # JSON list: those whose sum is the commodity
    Column(
        "counted", Text, nullable=False
    ),  # JSON list: those whose intervals are asked for days without bills
    Column("sha256", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column(
        "unknown_days", Integer, nullable=False
    ),  # nobody answers for them, and it was locked all the same
    Column("locked_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
)

# The rows of a locked base period as they were, so that what differs can be told by row.
base_rows = Table(
    "base_rows",
    metadata,
    Column("lock_id", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("kind", String, nullable=False),  # booked, intervals
    Column("subject", String, nullable=False),
    Column("start_day", String, nullable=False),
    Column("end_day", String, nullable=False),
    Column("quantity", Double, nullable=False),
    Column("unit", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", String, nullable=False),
)

# Intervals that were made again, or closed, inside a locked base period: kept apart from those that count.
late_intervals = Table(
    "late_intervals",
    metadata,
    Column("site", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("start_s", BigInteger, primary_key=True),
    Column("duration_s", Integer, nullable=False),
    Column("quantity", Double, nullable=False),
    Column("coverage", Double, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("standing", Double),  # what counts; NULL where nothing does
)

# What people logged: slips of one subject and the same days add up to one row of the ledger.
log_entries = Table(
    "log_entries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("subject", String, nullable=False),  # commodity, or a meter's id
    Column("start_day", String, nullable=False),
    Column("end_day", String, nullable=False),
    Column("quantity", Double, nullable=False),  # as it was corrected last; corrections hold what it was
    Column("unit", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("via", String, nullable=False),  # command, page
    Column("recorded_ms", BigInteger, nullable=False),
    Index("log_entries_of", "site", "subject", "start_day"),
)

# A figure that another one took the place of: bills, readings by hand, logged slips. Rows are only added.
corrections = Table(
    "corrections",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("what", String, nullable=False),  # quantity, reading, slip
    Column("subject", String, nullable=False),
    Column("start_day", String, nullable=False),
    Column("end_day", String, nullable=False),
    Column("old", Double, nullable=False),
    Column("new", Double, nullable=False),
    Column("unit", String, nullable=False),
    Column("old_source", Text, nullable=False),
    Column("new_source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    Index("corrections_of", "site", "subject", "start_day"),
)

# Retrofits: how many pieces, what each drew and draws. What nobody stated is NULL, and is never made up.
measures = Table(
    "measures",
    metadata,
    Column("site", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("commodity", String, nullable=False),
    Column("name_zh_tw", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("old_w", Double),
    Column("new_w", Double),
    Column("hours_a_year", Double),
    Column("start", String),  # the day on which it was done, ISO
    Column("priced_on", String),
    Column("meter", String, nullable=False),  # a sub-meter that sees it; empty without one
    Column("source", Text, nullable=False),
    Column("import_id", Integer, nullable=False),
)
