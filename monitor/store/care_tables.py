"""Tables of the store's care for itself: what it gave up, and why."""

from sqlalchemy import BigInteger, Column, String, Table

from monitor.store.schema import metadata

__all__ = ["given_up", "metadata"]

# Raw readings that went before their time: spans of ids, each for one sink that did not have them yet, and
# under the empty name for the store itself, whoever had them. A span that goes on is one row.
given_up = Table(
    "given_up",
    metadata,
    Column("site", String, primary_key=True),
    Column("sink", String, primary_key=True),
    Column("cause", String, primary_key=True),  # cap, disk
    Column("first_id", BigInteger, primary_key=True),
    Column("last_id", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),  # the readings' own instants
    Column("last_ms", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False),  # when they went: the first of them, and the last
    Column("at_ms", BigInteger, nullable=False),
)
