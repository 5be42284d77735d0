"""Tables of the history that people import: weather, events, and figures that others took the place of."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, SmallInteger, String, Table, Text

from monitor.store.schema import RowId, metadata

__all__ = ["metadata", "past_events", "replaced_intervals", "weather"]

# What a weather office measured; a measure that it did not have is NULL.
weather = Table(
    "weather",
    metadata,
    Column("site", String, primary_key=True),
    Column("station", String, primary_key=True),
    Column("start_s", BigInteger, primary_key=True),
    Column("duration_s", Integer, nullable=False),
    Column("temperature_c", Double),
    Column("dew_point_c", Double),
    Column("humidity_pct", Double),
    Column("pressure_hpa", Double),
    Column("wind_m_s", Double),
    Column("rain_mm", Double),
    Column("sunshine_h", Double),
    Column("radiation_mj_m2", Double),
    Column("rev", Integer, nullable=False),
    Column("import_id", Integer, nullable=False),
)

# What happened before the monitor was there, or beside it.
past_events = Table(
    "past_events",
    metadata,
    Column("site", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("subject", String, primary_key=True),  # a meter or a commodity; empty for the whole site
    Column("start_s", BigInteger, primary_key=True),
    Column("end_s", BigInteger),  # NULL: it goes on
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("import_id", Integer, nullable=False),
)

# Intervals as they were before an import put another figure in their place: rows are only added.
replaced_intervals = Table(
    "replaced_intervals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("site", String, nullable=False),
    Column("meter", String, nullable=False),
    Column("start_s", BigInteger, nullable=False),
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
    Column("factor", Double, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("import_id", Integer),  # where this figure was from; NULL where it was measured here
    Column("replaced_by", Integer, nullable=False),  # the import that took its place
    Index("replaced_intervals_of", "site", "meter", "start_s"),
)
