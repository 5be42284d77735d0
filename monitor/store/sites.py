"""Whose rows a store holds: scans carry no site, so one store answers for the site that wrote it."""

from pathlib import Path

from sqlalchemy import Engine, select

from monitor.store import event_tables, history_tables, schema
from monitor.store.database import StoreError

_OWNED = (
    schema.layouts,
    schema.intervals,
    schema.ledger,
    schema.manual_readings,
    schema.reasons,
    history_tables.weather,
    history_tables.past_events,
    event_tables.settlements,
)


def check_site(engine: Engine, path: Path, site: str) -> None:
    """Refuse a store that holds rows of another site and none of this one.

    Raises
    ------
    StoreError : ``store.other_site``, with the site whose store it is.
    """
    found: str | None = None
    with engine.connect() as connection:
        for table in _OWNED:
            ours = select(table.c.site).where(table.c.site == site).limit(1)
            if connection.scalar(ours) is not None:
                return
            found = found or connection.scalar(select(table.c.site).limit(1))
    if found is not None:
        raise StoreError("store.other_site", path=str(path), found=found, wanted=site)
