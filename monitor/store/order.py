"""The order of change: each interval and result that comes or changes takes the next number."""

from sqlalchemy import Connection, func, select

from monitor.store import schema


def newest_seq(connection: Connection) -> int:
    """The last number that an interval or a result has taken; 0 before the first."""
    newest = (
        connection.scalar(select(func.max(table.c.seq))) for table in (schema.intervals, schema.results)
    )
    return max(one or 0 for one in newest)
