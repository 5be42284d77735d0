"""Which events took place: what may be settled, and whose days are event days.

An event took place where it was live and became active. A dry run writes nothing. A monitor-only one neither:
were its days event days, anybody could take days with little load out of a baseline without a key. Load that
people shed by hand is told by an import of events, or settled by its window.
"""

from sqlalchemy import ColumnElement, Connection, and_, exists, select

from monitor.store.database import StoreError
from monitor.store.event_tables import curtailment_events, event_steps
from monitor.store.limiting import LIMITER
from rules.curtailment import Life, Mode

BEGAN = tuple(life.value for life in (Life.ACTIVE, Life.ENDED, Life.ABORTED, Life.SETTLED))
OVER = tuple(life.value for life in (Life.ENDED, Life.ABORTED, Life.SETTLED))


def was_active() -> ColumnElement[bool]:
    """Of a row of events: it was active once; one that was missed as a whole ended without."""
    own, step = curtailment_events.c, event_steps.c
    return exists().where(step.site == own.site, step.event == own.id, step.kind == Life.ACTIVE.value)


def took_place(site: str) -> ColumnElement[bool]:
    """Of a row of events: it is of this site, was live, and was active."""
    own = curtailment_events.c
    # Nobody called for a run of the limiter: its days are days like others.
    called = and_(own.site == site, own.source != LIMITER)
    return and_(called, own.mode == Mode.LIVE.value, own.life.in_(BEGAN), was_active())


def why_not_settled(connection: Connection, site: str, event: str) -> StoreError | None:
    """Why an event of the store may not be settled; None where it may, and where there is none."""
    own = curtailment_events.c
    query = select(own.mode, own.life, own.source, was_active().label("active"))
    query = query.where(own.site == site, own.id == event)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.source == LIMITER:
        return StoreError("limiter.not_settled", event=event)
    if row.mode != Mode.LIVE.value:
        return StoreError("dr.event_not_live", event=event, mode=row.mode)
    if row.life not in OVER:
        return StoreError("dr.event_not_over", event=event, life=row.life)
    return None if row.active else StoreError("dr.event_missed", event=event)
