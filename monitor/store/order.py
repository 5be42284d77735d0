"""The order of change: each interval and result that comes or changes takes the next number."""

from sqlalchemy import Connection, func, or_, select

from monitor.store import schema


def newest_seq(connection: Connection) -> int:
    """The last number that an interval or a result has taken; 0 before the first.

    Also one that a sink has and the store has no more, after a salvage: given again, it would be skipped.
    """
    newest = [
        connection.scalar(select(func.max(table.c.seq))) for table in (schema.intervals, schema.results)
    ]
    return max(*(one or 0 for one in newest), furthest_cursor(connection, "intervals", "results"))


def furthest_cursor(connection: Connection, *streams: str) -> int:
    """The furthest position that a sink has of some streams, beside a backlog as well; 0 without any."""
    table = schema.cursors
    which = (or_(table.c.stream == one, table.c.stream.startswith(f"{one}/")) for one in streams)
    return connection.scalar(select(func.max(table.c.position)).where(or_(*which))) or 0
