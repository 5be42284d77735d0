"""The demand limiter at work: a look at the open window, one decision, and the run that carries it out.

A run is an event of the plan that begins with the first action that is shed and ends with the last that is
handed back. Which actions take part changes with each decision; all that events keep, read back and hand back
holds for it too. Events go first: what they need the limiter leaves alone, and hands back before.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.words import Spoken
from monitor.dispatch.journal import Journal, Loaded
from monitor.dispatch.limiter_desk import LimiterOrders
from monitor.dispatch.limiter_parts import Others, lost, parts_of, with_past
from monitor.dispatch.limiter_standing import Told, telling
from monitor.dispatch.run import Run
from monitor.store.events import DAY_MS, EventRow, Step
from monitor.store.limiting import LIMITER, Arming, LimiterPast
from rules.curtailment import Life, Mode, Plan, Reading, held_back, is_past
from rules.demand import DemandWindow
from rules.limiter import Decision, Standing, Why, decide

log = logging.getLogger(__name__)

TELL_EVERY_MS = 10_000
"""How it stands is written down so often, and at each change."""

USELESS_FREEZES = 10
"""What failed, or shed as much already, is not tried again for so many freezes."""

REST_MS = 10_000
"""After a run could not be put down, before it is tried again."""

Facts = Mapping[str, Any]

Move = Callable[[Run, Life, Mapping[str, object]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the limiter looks with.

    Attributes
    ----------
    window : the open window at an instant (ms); None where it is not measured whole.
    limit_kw : the contract of a window by its start (s); None where there is none. [kW]
    past : what became of a plan's actions in a mode, and of their points' writes since an instant.
    arming : whether a digest may be live.
    """

    window: Callable[[int], DemandWindow | None]
    limit_kw: Callable[[int], float | None]
    past: Callable[[Plan, Mode, int], LimiterPast]
    arming: Callable[[str], Arming]
    zone: ZoneInfo


@dataclass(slots=True)
class Seen:
    """What the dispatcher has heard.

    Attributes
    ----------
    readings : of the guards' points.
    offline : devices that do not answer.
    since_ms : since when it listens.
    """

    readings: Mapping[tuple[str, str], Reading]
    offline: Collection[str]
    since_ms: int = 0


@dataclass(slots=True)
class _Memory:
    changed_ms: int | None = None
    known_ms: int | None = None
    rest_until_ms: int = 0
    asked_ms: dict[str, int] = field(default_factory=dict)  # when each action was decided to be shed
    useless_ms: dict[str, int] = field(default_factory=dict)  # when each was found to give nothing
    told: Told | None = None
    last: dict[str, Any] | None = None


class Limiter:
    """Decides at each turn of the dispatcher, and changes who takes part in its own run."""

    def __init__(self, orders: LimiterOrders, journal: Journal, sight: Sight) -> None:
        self._orders = orders
        self._journal = journal
        self._sight = sight
        self._arming = Arming("limiter.not_armed") if orders.wanted is Mode.LIVE else Arming(None)
        self._memory = _Memory()

    @property
    def blind_s(self) -> float:
        """Who cannot look for so long hands everything back. [s]"""
        return self._orders.rules.blind_s

    @property
    def mode(self) -> Mode:
        """As it is carried out: what is not simulated and armed only watches."""
        return self._orders.wanted if self._arming.missing is None else Mode.MONITOR_ONLY

    async def learn(self) -> None:
        """Ask the store whether it may write; say what has changed."""
        if self._orders.wanted is not Mode.LIVE:
            return
        found = await asyncio.to_thread(self._sight.arming, self._orders.digest)
        is_news = found.missing != self._arming.missing or self._memory.told is None
        if found.missing is not None and is_news:
            log.warning(Spoken("limiter.log_not_live", error={"code": found.missing, "data": {}}))
        if found.missing is None and self._arming.missing is not None:
            log.warning(Spoken("limiter.log_live", who=found.who))
        self._arming = found

    # -- a turn ------------------------------------------------------------------------------------------

    async def turn(
        self, runs: Mapping[str, Run], seen: Seen, now_ms: int, move: Move, *, ends: bool
    ) -> Run | None:
        """Look once, and let the own run follow; gives the run that it began, if it did.

        Parameters
        ----------
        ends : everything is being handed back, whatever the window says.
        """
        own = next((r for r in runs.values() if r.row.source == LIMITER and r.row.life is Life.ACTIVE), None)
        if ends:
            if own is not None:
                own.chosen = frozenset()
            return None
        if own is not None and own.row.mode is not self.mode:
            await move(own, Life.ABORTED, {"why": "disarmed" if self._arming.missing else "mode"})
            return None
        others = Others.of(runs.values(), own, self._orders.plan, self.mode, now_ms)
        if own is not None:
            self._let_go(own, others, now_ms)
        begun = await self._look(own, others, seen, now_ms)
        if own is not None and not own.chosen and not own.busy and not _is_shed(own):
            await move(own, Life.ENDED, {"why": (self._memory.last or {}).get("why", Why.CALM.value)})
        return begun

    def _let_go(self, own: Run, others: Others, now_ms: int) -> None:
        """What events need, guards hold back or failed is handed back without a decision."""
        gone = lost(own, others.due | held_back(own.row.plan, own.past), now_ms)
        for id_ in gone:
            if own.track(id_).failed is not None or own.track(id_).left_ms is not None:
                self._memory.useless_ms[id_] = now_ms
        if gone:
            own.chosen -= gone
            self._memory.changed_ms = now_ms

    async def _look(self, own: Run | None, others: Others, seen: Seen, now_ms: int) -> Run | None:
        orders, memory = self._orders, self._memory
        window = self._sight.window(now_ms)
        limit_kw = orders.limit_kw
        if limit_kw is None and window is not None:
            limit_kw = self._sight.limit_kw(window.start_s)
        if window is not None and limit_kw is not None:
            memory.known_ms = now_ms
        away = others.near | self._held(own, seen, now_ms) | self._useless(now_ms)
        parts = parts_of(orders.plan, own, away, seen.offline, memory.asked_ms)
        since_ms = None if own is None else own.row.start_ms
        standing = Standing(memory.changed_ms, memory.known_ms, since_ms)
        decision = decide(parts, window, limit_kw, now_ms, standing, orders.rules)
        if decision.shed is not None and self.mode is not Mode.MONITOR_ONLY:
            past = await asyncio.to_thread(self._sight.past, orders.plan, self.mode, now_ms - DAY_MS)
            parts, standing = with_past(parts, past, standing)
            decision = decide(parts, window, limit_kw, now_ms, standing, orders.rules)
        begun = None
        if self.mode is not Mode.MONITOR_ONLY:
            begun = await self._carry_out(own, decision, _detail(decision, window, limit_kw), now_ms)
        self._tell(own or begun, decision, window, limit_kw, now_ms)
        return begun

    def _useless(self, now_ms: int) -> frozenset[str]:
        """Ids of the actions that were found to give nothing, not long ago."""
        rest_ms = round(1000 * USELESS_FREEZES * self._orders.rules.freeze_s)
        return frozenset(id_ for id_, at_ms in self._memory.useless_ms.items() if now_ms < at_ms + rest_ms)

    def _held(self, own: Run | None, seen: Seen, now_ms: int) -> frozenset[str]:
        """Ids of the actions that a guard holds back."""
        plan = self._orders.plan
        if own is not None:
            return held_back(plan, own.past)
        past = [
            place
            for place, guard in enumerate(plan.guards)
            if is_past(guard, seen.readings.get((guard.device, guard.point)), now_ms, seen.since_ms, False)
        ]
        return held_back(plan, past)

    # -- what a decision changes -------------------------------------------------------------------------

    async def _carry_out(self, own: Run | None, decision: Decision, detail: Facts, now_ms: int) -> Run | None:
        """Let a decision hold; gives the run that begins with it."""
        if decision.shed is not None and own is None:
            return await self._begin(decision.shed, detail, now_ms)
        if own is None or (decision.shed is None and not decision.back):
            return None
        # Nothing is shed that was not put down; handing back does not wait for it.
        own.chosen -= frozenset(decision.back)
        self._remember(detail, now_ms)
        await self._journal.note(Step(own.id, now_ms, "decision", "", dict(detail)))
        if decision.shed is not None:
            own.chosen |= {decision.shed}
            self._memory.asked_ms[decision.shed] = now_ms
        return None

    async def _begin(self, shed: str, detail: Facts, now_ms: int) -> Run | None:
        """A run that begins now; None where the store says that it may not, or was asked just now."""
        orders, memory = self._orders, self._memory
        if now_ms < memory.rest_until_ms:
            return None
        memory.rest_until_ms = now_ms + REST_MS  # should it not come to be
        at = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self._sight.zone)
        row = EventRow(
            id=f"{LIMITER}-{at:%Y%m%d-%H%M%S}",
            plan=replace(orders.plan, mode=self.mode),
            mode=self.mode,
            life=Life.ACTIVE,
            start_ms=now_ms,
            end_ms=now_ms + round(1000 * orders.plan.dead_man_s),
            noticed_ms=now_ms,
            source=LIMITER,
            who=self._arming.who,
            changed_ms=now_ms,
        )
        first = Step(row.id, now_ms, "decision", "", dict(detail))
        found = await self._journal.begin_run(row, orders.digest, first)
        if found is None:
            await self.learn()
            return None
        memory.rest_until_ms = 0
        self._remember(detail, now_ms)
        memory.asked_ms[shed] = now_ms
        run = Run.of(Loaded(found, {}))
        run.chosen = frozenset({shed})
        return run

    def _remember(self, detail: Facts, now_ms: int) -> None:
        self._memory.changed_ms, self._memory.last = now_ms, {**detail, "at_ms": now_ms}
        log.info(Spoken("limiter.log_shed" if "shed" in detail else "limiter.log_back", **_logged(detail)))

    # -- what people see ---------------------------------------------------------------------------------

    def _tell(
        self,
        run: Run | None,
        decision: Decision,
        window: DemandWindow | None,
        limit_kw: float | None,
        now_ms: int,
    ) -> None:
        memory = self._memory
        told = telling(
            {
                "plan": self._orders.plan.id,
                "wanted": self._orders.wanted.value,
                "mode": self.mode.value,
                "missing": self._arming.missing,
                "event": None if run is None else run.id,
                "shed": [] if run is None else sorted(run.chosen),
                "next": decision.shed if self.mode is Mode.MONITOR_ONLY else None,
                "last": memory.last,
            },
            decision,
            window,
            limit_kw,
        )
        before = memory.told
        if before is None or told.key != before.key or now_ms >= before.at_ms + TELL_EVERY_MS:
            memory.told = replace(told, at_ms=now_ms)
            self._journal.tell_limiter(now_ms, told.data)


def _is_shed(run: Run) -> bool:
    return any(track.is_shed for track in run.tracks.values())


def _detail(decision: Decision, window: DemandWindow | None, limit_kw: float | None) -> dict[str, Any]:
    """A decision as the store keeps it."""
    said: dict[str, Any] = {"why": decision.why.value}
    if decision.shed is not None:
        said["shed"] = decision.shed
    if decision.back:
        said["back"] = list(decision.back)
    if window is not None and limit_kw is not None:
        said |= {"projected_kw": round(window.projected_kw, 1), "limit_kw": round(limit_kw, 1)}
    if decision.short_kw:
        said["short_kw"] = round(decision.short_kw, 1)
    return said


def _logged(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "action": detail.get("shed") or ", ".join(detail.get("back", ())),
        "why": Spoken(f"limiter.why_{detail['why']}"),
        "projected": f"{detail['projected_kw']:,.0f}" if "projected_kw" in detail else "?",
        "limit": f"{detail['limit_kw']:,.0f}" if "limit_kw" in detail else "?",
        "short": f"{detail.get('short_kw', 0):,.0f}",
    }
