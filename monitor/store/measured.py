"""Wholly measured intervals in columns: how a known past is put into a store."""

from collections.abc import Mapping, Sequence
from itertools import repeat

from sqlalchemy import Connection

from monitor.store.interval_rows import INTERVAL_SQL
from rules.quality import Quality

MEASURED_COLUMNS = (
    "start_s",
    "duration_s",
    "quantity",
    "rate_avg",
    "rate_max",
    "rate_min",
    "register_start",
    "register_end",
)


def write_measured(
    connection: Connection, site: str, meter: str, columns: Mapping[str, Sequence[float]], seq: int
) -> int:
    """Upsert wholly measured intervals from columns, as an import has them; returns the last ``seq``.

    Parameters
    ----------
    columns : the ``MEASURED_COLUMNS``, equally long; no NaN.
    """
    count = len(columns["start_s"])
    good, whole = int(Quality.GOOD), 1.0
    rows = zip(
        repeat(site),
        repeat(meter),
        columns["start_s"],
        columns["duration_s"],
        columns["quantity"],
        repeat(whole),
        repeat(good),
        columns["rate_avg"],
        columns["rate_max"],
        columns["rate_min"],
        repeat(0),
        columns["register_start"],
        columns["register_end"],
        repeat(0),
        repeat(whole),
        repeat(0),
        range(seq + 1, seq + 1 + count),
        strict=False,
    )
    connection.exec_driver_sql(INTERVAL_SQL, list(rows))
    return seq + count
