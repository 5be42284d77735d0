"""An event's life as results, so that every sink hears of each turn that it takes."""

from typing import Any

from sqlalchemy import Connection, select

from monitor.store import event_tables
from monitor.store.order import newest_seq
from monitor.store.rows import ResultRow
from monitor.store.writer import write_results
from rules.curtailment import OPEN, Life, Mode

KIND = "dr_event"


def write_event_result(connection: Connection, site: str, event: str, at_ms: int) -> None:
    """Write down what has become of an event, in the transaction in which it became so."""
    table = event_tables.curtailment_events
    row = connection.execute(select(table).where(table.c.site == site, table.c.id == event)).mappings().one()
    life = Life(row["life"])
    data: dict[str, Any] = {
        "active": float(life is Life.ACTIVE),
        "open": float(life in OPEN),
        "live": float(row["mode"] == Mode.LIVE.value),
        "start_s": row["start_ms"] / 1000,
        "end_s": row["end_ms"] / 1000,
        "life": life.value,
        "mode": row["mode"],
        "plan": row["plan"],
    }
    if row["wanted_kw"] is not None:
        data["wanted_kw"] = row["wanted_kw"]
    write_results(connection, site, [ResultRow(KIND, event, at_ms // 1000, data)], newest_seq(connection))
