"""Events in a store as the dispatcher leaves them, for those who only look on."""

from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from config.loading import load_site
from monitor.dispatch.desk import plans_of
from monitor.store.events import EventRow, Step, add_event, move_event
from monitor.store.writes import Outcome, WriteRow, intend, settle
from rules.curtailment import OPEN, Life, Mode, Plan, Track


@dataclass(frozen=True, slots=True)
class EventRows:
    """Writes events of one plan into a store."""

    engine: Engine
    site: str
    plan: Plan

    @classmethod
    def of(cls, engine: Engine, site_file: Path, plan: str = "summer") -> "EventRows":
        """For a plan of a site file."""
        loaded = load_site(site_file)
        return cls(engine, loaded.site.site.id, plans_of(loaded)[plan])

    def event(
        self,
        name: str,
        start_ms: int,
        end_ms: int,
        life: Life = Life.SCHEDULED,
        mode: Mode = Mode.LIVE,
        before_ms: int = 7_200_000,
        kw: float | None = None,
    ) -> EventRow:
        """An event of which nothing was written yet, noticed so long before; ``kw`` of it is wanted."""
        noticed_ms = start_ms - before_ms
        plan = replace(self.plan, mode=mode)
        row = EventRow(
            name, plan, mode, life, start_ms, end_ms, noticed_ms, "command", "wang", noticed_ms, None, kw
        )
        add_event(self.engine, self.site, row)
        return row

    def shed(self, event: str, action: str, at_ms: int, stood: float, standing: float | None) -> None:
        """An action that was shed; not confirmed where nothing stands."""
        track = Track(previous=stood, stood=stood, is_shed=True, shed_ms=at_ms)
        one = self.plan.action(action)
        write = WriteRow(event, action, one.device, one.point, "shed", standing, stood, at_ms)
        number = intend(self.engine, self.site, event, action, track, write)
        if standing is not None:
            track = replace(track, standing=standing)
            settle(
                self.engine,
                self.site,
                event,
                action,
                track,
                Outcome("obeyed", standing, at_ms),
                number=number,
            )

    def failed(self, event: str, action: str, at_ms: int) -> None:
        """An action that the device did not obey."""
        data = {"device": "ch-2", "point": "demand_limit_setpoint", "asked": "60", "shown": "100"}
        error = {"code": "write.not_obeyed", "data": data}
        track = Track(shed_ms=at_ms, back_ms=at_ms + 2000, failed="write.not_obeyed")
        settle(self.engine, self.site, event, action, track, Outcome("", error=error))

    def back(self, event: str, action: str, at_ms: int) -> None:
        """An action that was handed back."""
        track = Track(shed_ms=at_ms - 600_000, back_ms=at_ms)
        settle(self.engine, self.site, event, action, track, Outcome("obeyed"))

    def becomes(self, event: str, life: Life, at_ms: int) -> None:
        """The event goes on."""
        assert move_event(self.engine, self.site, event, OPEN, life, Step(event, at_ms, life.value))
