"""Reading curtailment events, from any process, while the daemon writes."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from monitor.store import schema
from monitor.store.database import open_reader
from monitor.store.events import (
    EventRow,
    events,
    last_shed_ms,
    shed_events,
    steps,
    tracks,
    troubles,
    watched_events,
    writes,
)
from monitor.store.limiting import (
    Arming,
    LimiterPast,
    LimiterRecord,
    arming_of,
    past_of,
    records,
    standing,
)
from monitor.store.sites import check_site
from rules.curtailment import Life, Mode, Plan, Track


class EventReader:
    """Read-only view of one site's events, for page, command line and reports."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    @classmethod
    def open(cls, path: Path, site: str) -> "EventReader":
        """Open for reading only. Raises ``StoreError``, also for the store of another site."""
        engine = open_reader(path)
        check_site(engine, path, site)
        return cls(engine, site)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def events(
        self, lives: Collection[Life] | None = None, ids: Sequence[str] | None = None
    ) -> list[EventRow]:
        """Events in the order of their starts."""
        return events(self._engine, self._site, lives, ids)

    def watched(self, since_ms: int) -> list[EventRow]:
        """Events that are open, ended since then, or not handed back, in the order of their starts."""
        return watched_events(self._engine, self._site, since_ms)

    def tracks(self, event: str) -> dict[str, Track]:
        """What became of each action so far."""
        return tracks(self._engine, self._site, event)

    def last_shed_ms(self, plan: str, before_ms: int) -> dict[str, int]:
        """When each action of a plan was shed last before an instant."""
        return last_shed_ms(self._engine, self._site, plan, before_ms)

    def troubles(self, event: str) -> dict[str, dict[str, Any]]:
        """The last trouble of each action that has one."""
        return troubles(self._engine, self._site, event)

    def writes(self, event: str) -> list[dict[str, Any]]:
        """Every write, oldest first."""
        return writes(self._engine, self._site, event)

    def steps(self, event: str) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        return steps(self._engine, self._site, event)

    def audit(self, event: str) -> list[dict[str, Any]]:
        """Who asked what of an event, refused or not, oldest first."""
        table = schema.audit
        query = select(table).where(
            table.c.site == self._site, table.c.detail.contains(event, autoescape=True)
        )
        with self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query.order_by(table.c.id)).mappings()]
        found = []
        for row in rows:
            detail = json.loads(row["detail"])
            if detail.get("event") == event or event in detail.get("events", ()):
                told = {key: row[key] for key in ("at_ms", "actor", "action")}
                found.append({**told, "detail": detail})
        return found

    def shed(self) -> list[str]:
        """Ids of the events of which something is not handed back."""
        return shed_events(self._engine, self._site)

    # -- the limiter ----------------------------------------------------------------------------------------

    def limiter_arming(self, digest: str) -> Arming:
        """Whether the limiter may write with the plan and settings of a digest."""
        return arming_of(records(self._engine, self._site), digest)

    def limiter_records(self) -> list[LimiterRecord]:
        """What was simulated, armed and disarmed, oldest first."""
        return records(self._engine, self._site)

    def limiter_past(self, plan: Plan, mode: Mode, since_ms: int) -> LimiterPast:
        """What became of a plan's actions before, and how often their points were written."""
        return past_of(self._engine, self._site, plan, mode, since_ms)

    def limiter_standing(self) -> dict[str, Any] | None:
        """How the limiter of the daemon stood last, with ``at_ms``; None before there was one."""
        return standing(self._engine, self._site)
