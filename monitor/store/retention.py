"""Letting old scans go: in small steps, and never one that somebody still needs."""

from collections.abc import Iterable

from sqlalchemy import Engine, and_, delete, func, or_, select

from monitor.store import schema
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, submit_and_wait

CHUNK = 2_000
"""Scans a step: a few milliseconds of the writer's time, so that live commits are not held up."""


DAY_MS = 86_400_000
EACH_HOUR_MS, EACH_QUARTER_DAY_MS, EACH_DAY_MS = 26 * 3_600_000, 8 * DAY_MS, 62 * DAY_MS
"""How long a meter's states are kept of each hour, of each sixth hour and of each day."""


def thin_out_states(engine: Engine, site: str, now_ms: int) -> None:
    """Let go of meters' past states that are closer together than anybody needs, or older than their scans.

    For the writer's thread. Late readings go with the states from which they were taken again.
    """
    states, late = schema.checkpoints, schema.late_readings
    of_site = states.c.site == site
    with engine.begin() as connection:
        oldest_scan = connection.scalar(select(func.min(schema.scans.c.id))) or 0
        too_many = or_(
            and_(states.c.at_ms < now_ms - EACH_HOUR_MS, states.c.slot_s % 21_600 >= 3600),
            and_(states.c.at_ms < now_ms - EACH_QUARTER_DAY_MS, states.c.slot_s % 86_400 >= 3600),
            states.c.at_ms < now_ms - EACH_DAY_MS,
        )
        # The state of before the first reading is of use for as long as all of its scans are there.
        connection.execute(delete(states).where(of_site, too_many, states.c.at_ms >= 0))
        connection.execute(delete(states).where(of_site, states.c.scan_id < oldest_scan - 1))
        oldest_ms = connection.scalar(select(func.min(states.c.at_ms)).where(of_site))
        if oldest_ms is not None:
            connection.execute(delete(late).where(late.c.site == site, late.c.at_ms < oldest_ms))


def delete_old_scans(reader: StoreReader, writer: Writer, before_ms: int, sinks: Iterable[str]) -> int:
    """Delete scans from before an instant; blocks, so it runs in a thread of its own.

    What a sink has not delivered yet, or a restart would take again, stays whatever its age. Intervals
    and everything made from them are kept for good.

    Returns
    -------
    How many ids were let go.
    """
    span = reader.scan_ids_before(before_ms)
    if span is None:
        return 0
    oldest, last = span
    needed = [reader.snapshot_position(), *(reader.cursors(sink).get("scans", 0) for sink in sinks)]
    last = min(last, *needed)
    for upto in range(oldest + CHUNK - 1, last + CHUNK, CHUNK):
        if not submit_and_wait(writer, Commit(forget_scans_to=min(upto, last))):
            break
    return max(0, last - oldest + 1)
