"""The store's tables, described once for SQLite and PostgreSQL.

Keys begin with the site and hold the time, so that a city's database can shard them. Raw scans are
append-only and local; intervals, results, ledgers and imports are kept for good.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite makes only INTEGER PRIMARY KEY the row's own id.
RowId = BigInteger().with_variant(Integer(), "sqlite")

layouts = Table(
    "layouts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("device", String, nullable=False),
    Column("part", String, nullable=False),
    Column("spec", Text, nullable=False),  # JSON of rules.scan.Layout: what the blobs of its scans mean
    UniqueConstraint("site", "device", "part", "spec"),
)

# One row a scan: values as little-endian float64, qualities as bytes, in the layout's order.
scans = Table(
    "scans",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("layout_id", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("vals", LargeBinary, nullable=False),
    Column("quality", LargeBinary, nullable=False),
)

# The newest scan of each layout at the last snapshot: a reader starts here and follows scans.id.
latest = Table(
    "latest",
    metadata,
    Column("layout_id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("vals", LargeBinary, nullable=False),
    Column("quality", LargeBinary, nullable=False),
)

intervals = Table(
    "intervals",
    metadata,
    Column("site", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("start_s", BigInteger, primary_key=True),
    Column("duration_s", Integer, nullable=False),
    Column("quantity", Double, nullable=False),
    Column("coverage", Double, nullable=False),
    Column("quality", SmallInteger, nullable=False),
    Column("rate_avg", Double),
    Column("rate_max", Double),
    Column("rate_min", Double),
    Column("caught_up", SmallInteger, nullable=False),
    Column("register_start", Double),
    Column("register_end", Double),
    Column("epoch", Integer, nullable=False),
    # The quantity is the difference of both registers times this.
    Column("factor", Double, nullable=False, server_default="1"),
    Column("rev", Integer, nullable=False),  # 0 at first, +1 whenever the row's figures changed
    Column("seq", BigInteger, nullable=False),  # order of change: sinks follow it
    # The file that it came from; NULL where it was measured here. What was imported is not made again.
    Column("import_id", Integer),
    Index("intervals_seq", "seq", unique=True),
)

# What the rules found, one row a subject and instant: demand, savings.
results = Table(
    "results",
    metadata,
    Column("site", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("at_s", BigInteger, primary_key=True),
    Column("data", Text, nullable=False),  # JSON object of numbers and texts
    Column("rev", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index("results_seq", "seq", unique=True),
)

# The pipeline's state at its last snapshot; together with the scans after scan_id it is the state now.
snapshots = Table(
    "snapshots",
    metadata,
    Column("site", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("scan_id", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

device_conditions = Table(
    "device_conditions",
    metadata,
    Column("site", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("condition", String, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("error", Text),  # JSON {code, data}; the words are made where a person looks
)

# What the drivers saw of each device since the daemon was started: its newest counts, renewed now and then.
device_counts = Table(
    "device_counts",
    metadata,
    Column("site", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),  # JSON object of whole numbers; what is 0 is left out
)

# Readings that were not believed: kept, counted, visible.
refusals = Table(
    "refusals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("meter", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("value", Double, nullable=False),
    # When it was heard: a reading that comes late is dated long before.
    Column("heard_ms", BigInteger, nullable=False, server_default="0"),
    Column("data", Text),  # JSON object of numbers that the words are filled with
    Index("refusals_heard", "site", "meter", "heard_ms"),
)

# Replacements and resets that people wrote down. Rows are only added: for one meter and instant the newest
# counts, and a withdrawal is a row as well.
meter_records = Table(
    "meter_records",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("meter", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String, nullable=False),  # replaced, withdrawn
    Column("old_final", Double),
    Column("new_start", Double),
    Column("reason", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("forced", SmallInteger, nullable=False),  # it contradicts the readings, and was kept all the same
    Column("recorded_ms", BigInteger, nullable=False),
)

# A meter's state at some instants of its past: from there its readings can be taken again in their order.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("site", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),  # its newest reading
    Column("slot_s", BigInteger, nullable=False),  # the interval in which it was saved: for thinning out
    Column(
        "scan_id", BigInteger, nullable=False
    ),  # every reading up to this scan is in it, if it came in time
    Column("state", LargeBinary, nullable=False),
)

# Readings that came after newer ones and carry a time of their own.
late_readings = Table(
    "late_readings",
    metadata,
    Column("site", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("scan_id", BigInteger, nullable=False),
    Column("raw", Double, nullable=False),
    Column("rate", Double),
    Column("quality", SmallInteger, nullable=False),
    Column("judged", SmallInteger, nullable=False, server_default="0"),
)

# Meters whose intervals since an instant have to be made again. A restart finds them here.
reworks = Table(
    "reworks",
    metadata,
    Column("site", String, primary_key=True),
    Column("meter", String, primary_key=True),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),  # after it the readings and the rules are what they were
    Column("asked", Integer, nullable=False),  # how often: what came while it was being done is seen by it
)

cursors = Table(
    "cursors",
    metadata,
    Column("site", String, primary_key=True),
    Column("sink", String, primary_key=True),
    Column("stream", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

# Lines that a server will never take, with its words. They stay when they are settled, to be looked at.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("sink", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stream", String, nullable=False, server_default=""),  # where its row stands: intervals, scans
    Column("position", BigInteger, nullable=False, server_default="0"),  # the row's id or seq there
    # open, asked (a person wants it tried again), delivered, superseded (its row changed, and went so)
    Column("state", String, nullable=False, server_default="open"),
    Column("settled_ms", BigInteger),
)

# Spans of the past that a person wants delivered once more. Where one stands is told by its cursors.
backfills = Table(
    "backfills",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("sink", String, nullable=False),
    Column("stream", String, nullable=False),
    Column("from_ms", BigInteger, nullable=False),  # of the rows' own time
    Column("to_ms", BigInteger, nullable=False),
    Column("after", BigInteger, nullable=False),  # the cursor's first and last position
    Column("until", BigInteger, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
)

# What people had done to the store's contents or deliveries. Rows are only added.
audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String, nullable=False),  # who was logged in at the command line
    Column("action", String, nullable=False),
    Column("detail", Text, nullable=False),  # JSON object
)

# What bills, totals and logs say: base year, periods without meters, vehicle fuel.
ledger = Table(
    "ledger",
    metadata,
    Column("site", String, primary_key=True),
    Column("subject", String, primary_key=True),  # commodity, or a meter's id
    Column("start_day", String, primary_key=True),  # first day, ISO, local to the site
    Column("end_day", String, nullable=False),  # last day, inclusive, as bills print it
    Column("quantity", Double, nullable=False),
    Column("unit", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("import_id", Integer, nullable=False),
)

# What a person read off a register's display: how it stood at the beginning of the day.
manual_readings = Table(
    "manual_readings",
    metadata,
    Column("site", String, primary_key=True),
    Column("subject", String, primary_key=True),  # commodity, or a meter's id
    Column("day", String, primary_key=True),  # ISO, local to the site
    Column("reading", Double, nullable=False),
    Column("unit", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("import_id", Integer, nullable=False),
)

# Why a figure is what it is, in the operator's words.
reasons = Table(
    "reasons",
    metadata,
    Column("site", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("start_day", String, primary_key=True),
    Column("end_day", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("import_id", Integer, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("file", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("who", Text, nullable=False, server_default=""),  # whose command it was, on that machine
    Column("declared", Text, nullable=False, server_default=""),  # JSON: how the file was read
)
