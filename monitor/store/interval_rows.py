"""How intervals and results get into their tables: only what changed counts as a change."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, literal_column
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema
from monitor.store.rows import IntervalRow, null_if_nan

_FIGURES = (
    "duration_s",
    "quantity",
    "coverage",
    "quality",
    "rate_avg",
    "rate_max",
    "rate_min",
    "caught_up",
    "register_start",
    "register_end",
    "epoch",
    "factor",
)
_INTERVAL_COLUMNS = ("site", "meter", "start_s", *_FIGURES, "rev", "seq")


def guarded_upsert(
    table: Table, columns: Sequence[str], figures: Sequence[str], only_where_null: str | None = None
) -> str:
    """SQL that inserts, or raises ``rev`` and takes the new ``seq`` only where a figure changed.

    Closing an interval twice is therefore no change at all, and no sink hears of it. Rows that have
    something in the column ``only_where_null`` stay as they are.
    """
    statement = upsert(table).values(dict.fromkeys(columns))
    changed = [table.c[name].is_distinct_from(statement.excluded[name]) for name in figures]
    differs = changed[0]
    for one in changed[1:]:
        differs = differs | one
    if only_where_null is not None:
        differs = differs & table.c[only_where_null].is_(None)
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={
            **{name: statement.excluded[name] for name in figures},
            "rev": table.c.rev + literal_column("1"),
            "seq": statement.excluded.seq,
        },
        where=differs,
    )
    dialect = sqlite.dialect(paramstyle="qmark")
    compiled = statement.compile(dialect=dialect, column_keys=list(columns))
    if list(compiled.positiontup or ()) != list(columns):
        raise AssertionError(f"unexpected parameter order: {compiled.positiontup}")
    return str(compiled)


# What a person imported is not made again from readings.
INTERVAL_SQL = guarded_upsert(schema.intervals, _INTERVAL_COLUMNS, _FIGURES, "import_id")


def write_intervals(connection: Connection, site: str, rows: Sequence[IntervalRow], seq: int) -> int:
    """Upsert closed intervals; returns the last ``seq`` used. Unchanged rows keep theirs."""
    values = []
    for row in rows:
        seq += 1
        one = row.interval
        values.append(
            (
                site,
                row.meter,
                one.start_s,
                one.duration_s,
                one.quantity,
                one.coverage,
                int(one.quality),
                null_if_nan(one.rate_avg),
                null_if_nan(one.rate_max),
                null_if_nan(one.rate_min),
                int(one.caught_up),
                null_if_nan(one.register_start),
                null_if_nan(one.register_end),
                one.epoch,
                one.factor,
                0,
                seq,
            )
        )
    if values:
        connection.exec_driver_sql(INTERVAL_SQL, values)
    return seq
