"""A meter's closed intervals as parallel arrays, also within a transaction of the writer's."""

import numpy as np
from sqlalchemy import Connection, select

from monitor.store import schema
from rules.intervals import IntervalSeries


def interval_series(
    connection: Connection, site: str, meter: str, start_s: int, end_s: int
) -> IntervalSeries:
    """Closed intervals of a meter that start in [start_s, end_s), seconds UTC, in order of time."""
    table = schema.intervals
    query = (
        select(
            table.c.start_s,
            table.c.duration_s,
            table.c.quantity,
            table.c.coverage,
            table.c.quality,
            table.c.rate_avg,
            table.c.rate_max,
            table.c.caught_up,
        )
        .where(table.c.site == site, table.c.meter == meter)
        .where(table.c.start_s >= start_s, table.c.start_s < end_s)
        .order_by(table.c.start_s)
    )
    rows = connection.execute(query).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    return IntervalSeries(
        start=np.array(columns[0], dtype="datetime64[s]"),
        duration_s=np.array(columns[1], dtype=np.int64),
        quantity=np.array(columns[2], dtype=np.float64),
        coverage=np.array(columns[3], dtype=np.float64),
        quality=np.array(columns[4], dtype=np.uint8),
        rate_avg=np.array(columns[5], dtype=np.float64),
        rate_max=np.array(columns[6], dtype=np.float64),
        caught_up=np.array(columns[7], dtype=bool),
    )
