"""What is said of an event that stands: another time or power, and whether it is to hold."""

from collections.abc import Collection

from sqlalchemy import Engine, update

from monitor.store.event_results import write_event_result
from monitor.store.event_tables import curtailment_events
from monitor.store.events import Step, write_step
from rules.curtailment import Life, Signal


def change_event(
    engine: Engine,
    site: str,
    event: str,
    expected: Collection[Life],
    span_ms: tuple[int, int],
    wanted_kw: float | None,
    step: Step,
) -> bool:
    """Give an event another time or another power; False when somebody else has changed it meanwhile."""
    table = curtailment_events
    start_ms, end_ms = span_ms
    values = {"start_ms": start_ms, "end_ms": end_ms, "wanted_kw": wanted_kw, "changed_ms": step.at_ms}
    lives = [one.value for one in expected]
    with engine.begin() as connection:
        done = connection.execute(
            update(table)
            .where(table.c.site == site, table.c.id == event, table.c.life.in_(lives))
            .values(values)
        )
        if not done.rowcount:
            return False
        write_step(connection, site, step)
        write_event_result(connection, site, event, step.at_ms)
    return True


def tell_signal(engine: Engine, site: str, event: str, signal: Signal, step: Step) -> None:
    """Keep what was said last of whether an event holds."""
    table = curtailment_events
    values = {
        "signal": int(signal.is_active),
        "signal_ms": signal.at_ms,
        "signal_ttl_s": signal.ttl_s,
        "changed_ms": step.at_ms,
    }
    with engine.begin() as connection:
        connection.execute(update(table).where(table.c.site == site, table.c.id == event).values(values))
        write_step(connection, site, step)
