"""The dispatcher: a turn looks at what stands and does what is due; who wakes it only says "look".

It is asked anew each time. A turn that was missed, a restart, a schedule that fired late: they change nothing
but the instant at which the same thing is done.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from config.words import Spoken
from drivers.contract import DeviceCondition, DeviceNews, Driver
from monitor.clock import SteadyClock
from monitor.dispatch.carrying import Carrier
from monitor.dispatch.journal import Journal
from monitor.dispatch.limiter import Limiter, Seen, Sight
from monitor.dispatch.limiter_desk import LimiterOrders
from monitor.dispatch.run import Run
from monitor.store.doing import Call
from monitor.store.events import Step
from monitor.store.limiting import LIMITER
from rules.curtailment import OPEN, Life, Mode, Plan, Reading, Wish, life_at
from rules.scan import Scan
from rules.shedding import Action

log = logging.getLogger(__name__)

TURN_S = 0.5
"""While something is open it is looked at so often, whoever else wakes it."""

STOP_S = 10.0
"""How long the end of the daemon may take to hand everything back."""

WakeAt = Callable[[str, int], None]
"""Has ``look`` called at an instant (ms); the same name again takes the place of the first."""


class Dispatcher:
    """Carries out the events that stand in the store.

    Parameters
    ----------
    drivers : of every bus.
    call : the writer's.
    plans : whose guards' points are followed, event or not.
    wake_at : where instants to look at are left; nobody where left out.
    """

    def __init__(
        self,
        drivers: Iterable[Driver],
        call: Call,
        site: str,
        clock: SteadyClock,
        plans: Iterable[Plan] = (),
        wake_at: WakeAt = lambda _name, _at_ms: None,
    ) -> None:
        by_device = {layout.device: driver for driver in drivers for layout in driver.layouts}
        self._journal = Journal(call, site, clock.monotonic_s)
        self._carrier = Carrier(by_device, self._journal, clock)
        self._clock = clock
        self._wake_at = wake_at
        self._guarded: dict[str, set[str]] = {}
        self._follow(plans)
        self._readings: dict[tuple[str, str], Reading] = {}
        self._limiter: Limiter | None = None
        self._offline: set[str] = set()
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._settled = asyncio.Event()
        self._is_stale = True
        self._ends = False
        self._is_handed_on = False
        self._blind_since_ms: int | None = None  # since when the limiter cannot look
        self._nobody_follows = False
        self._began_ms = 0

    def _follow(self, plans: Iterable[Plan]) -> None:
        for plan in plans:
            for guard in plan.guards:
                self._guarded.setdefault(guard.device, set()).add(guard.point)

    def limit(self, orders: LimiterOrders, sight: Sight) -> None:
        """Have the demand limited, too. Before it runs."""
        self._limiter = Limiter(orders, self._journal, sight)

    # -- who wakes it ---------------------------------------------------------------------------------------

    def look(self) -> None:
        """Take a turn soon. On the loop."""
        self._woken.set()

    def changed(self) -> None:
        """Events stand otherwise in the store. From any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._read_again)

    def _read_again(self) -> None:
        self._is_stale = True
        self._woken.set()

    def saw(self, scan: Scan) -> None:
        """Take note of a scan; where a guard looks at it, look at once. On the hot path."""
        wanted = self._guarded.get(scan.layout.device)
        if wanted is None:
            return
        for place, point in enumerate(scan.layout.points):
            if point.name in wanted:
                reading = Reading(scan.at_ms, float(scan.values[place]), int(scan.quality[place]))
                self._readings[scan.layout.device, point.name] = reading
        if self._runs:
            self._woken.set()

    def heard(self, news: DeviceNews) -> None:
        """Take note of whether a device answers."""
        if news.condition is DeviceCondition.OFFLINE:
            self._offline.add(news.device)
        elif news.device in self._offline:
            self._offline.remove(news.device)
            for run in self._runs.values():
                run.hurry()
            self._woken.set()

    # -- turns ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take turns until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._began_ms = self._clock.now_ms()
        is_first = True
        while True:
            self._woken.clear()
            if self._is_stale and not self._is_handed_on:
                self._is_stale = False
                try:
                    await self._load(is_first=is_first)
                    is_first = False
                except Exception as error:  # noqa: BLE001  what is known goes on being handed back
                    self._is_stale = True
                    self._journal.complain("*", error)
            await self._turn()
            looks = self._runs or self._is_stale or self._limiter is not None or self._journal.owes
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes together with the waking.
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_S if looks else None):
                    await self._woken.wait()

    async def _load(self, *, is_first: bool) -> None:
        """Take over what stands in the store; what is known of running writes stays."""
        loaded = await self._journal.load(self._clock.now_ms() if is_first else None)
        for one in loaded:
            known = self._runs.get(one.row.id)
            if known is None:
                self._runs[one.row.id] = run = Run.of(one)
                self._follow([run.row.plan])
                self._leave_instants(run)
            elif known.take(one):
                self._leave_instants(known)
        found = {one.row.id for one in loaded}
        for gone in [event for event, run in self._runs.items() if event not in found and not run.busy]:
            if not any(track.is_shed for track in self._runs[gone].tracks.values()):
                del self._runs[gone]
        if is_first:
            for run in tuple(self._runs.values()):
                try:
                    await self._after_restart(run)
                except Exception as error:  # noqa: BLE001  the next one is looked at all the same
                    self._journal.complain(run.id, error)
        if self._limiter is not None:
            await self._limiter.learn()

    def _leave_instants(self, run: Run) -> None:
        row = run.row
        notify_ms = row.start_ms - round(1000 * row.plan.notify_s)
        for name, at_ms in (("notify", notify_ms), ("start", row.start_ms), ("end", row.end_ms)):
            if at_ms > self._clock.now_ms():
                self._wake_at(f"{name} {row.id}", at_ms)

    async def _after_restart(self, run: Run) -> None:
        if run.row.life is not Life.ACTIVE:
            return
        resumes = run.row.plan.resumes
        data = {"resumes": resumes}
        step = Step(run.id, self._clock.now_ms(), "restart", "", data)
        key = "dispatch.log_resumed" if resumes else "dispatch.log_restart_ends"
        log.warning(Spoken(key, event=run.id))
        if resumes:
            await self._journal.note(step)
        else:
            await self._move(run, Life.ABORTED, {"why": "restart"})

    async def _turn(self) -> None:
        self._journal.pay()
        now_ms = self._clock.now_ms()
        ends = self._ends or self._clock.is_holding
        if self._limiter is not None:
            await self._limit(self._limiter, now_ms, ends=ends)
        for run in tuple(self._runs.values()):
            try:
                if not ends:
                    await self._live(run, now_ms)
                for place, holds in run.look_at_guards(self._readings, now_ms, self._began_ms):
                    await self._tell_guard(run, place, holds, now_ms)
            except Exception as error:  # noqa: BLE001  what is shed is handed back all the same
                self._journal.complain(run.id, error)
            self._act(run, now_ms, ends=ends)

    async def _limit(self, limiter: Limiter, now_ms: int, *, ends: bool) -> None:
        """Let the limiter look; a run that it begins is one like the others."""
        seen = Seen(self._readings, self._offline, self._began_ms)
        try:
            begun = await limiter.turn(self._runs, seen, now_ms, self._move, ends=ends)
            if begun is not None:
                self._runs[begun.id] = begun
            self._blind_since_ms = None
        except Exception as error:  # noqa: BLE001  what is shed is handed back all the same
            self._is_stale = True  # what it put down is found there
            self._journal.complain(LIMITER, error)
            self._blind_since_ms = since_ms = now_ms if self._blind_since_ms is None else self._blind_since_ms
            if now_ms - since_ms >= 1000 * limiter.blind_s:
                for run in self._runs.values():
                    if run.row.source == LIMITER:
                        run.chosen = frozenset()

    def _act(self, run: Run, now_ms: int, *, ends: bool) -> None:
        if run.row.mode is not Mode.MONITOR_ONLY:
            now_s = self._clock.monotonic_s()
            for action, wish in run.wishes(now_ms, now_s, ends=ends, at_once=self._nobody_follows):
                if wish.is_release or not self._is_held_elsewhere(run, action):
                    self._begin(run, action, wish)
        if run.is_over:
            del self._runs[run.id]

    async def _live(self, run: Run, now_ms: int) -> None:
        """Let an event go on in its life."""
        failed = [a for a, track in run.tracks.items() if track.failed is not None]
        if run.row.life is Life.ACTIVE and failed and run.row.plan.all_or_nothing:
            await self._move(run, Life.ABORTED, {"why": "failed", "actions": failed})
            return
        life = life_at(run.event, now_ms)
        if life is run.row.life:
            return
        was_active = run.row.life is Life.ACTIVE
        if life is Life.ACTIVE:  # others may have shed since it was written down
            run.take_turns(await self._journal.last_shed_ms(run.row.plan.id, run.row.start_ms))
        data = {"why": "missed"} if life is Life.ENDED and not was_active else {}
        await self._move(run, life, data)

    async def _move(self, run: Run, life: Life, data: Mapping[str, object]) -> None:
        now_ms = self._clock.now_ms()
        step = Step(run.id, now_ms, life.value, "", dict(data))
        try:
            moved = await self._journal.move(run.id, (run.row.life,), life, step)
        except Exception:
            if life in OPEN:
                raise  # nothing begins that is not put down
            run.becomes(life, now_ms)  # but everything ends, and is put down later
            self._is_stale = True
            raise
        if not moved:
            self._is_stale = True  # somebody decided otherwise meanwhile: the store tells
            return
        run.becomes(life, now_ms)
        log.info(Spoken("dispatch.log_life", event=run.id, life=Spoken(f"dispatch.life_{life.value}")))

    async def _tell_guard(self, run: Run, place: int, holds: bool, now_ms: int) -> None:
        if run.row.life not in OPEN:
            return
        guard = run.row.plan.guards[place]
        reading = self._readings.get((guard.device, guard.point))
        value = None if reading is None else reading.value
        # The place: a restart takes up from here what holds back.
        point = f"{guard.device}.{guard.point}"
        data = {"place": place, "point": point, "holds_back": holds, "value": value}
        log.warning(
            Spoken(
                "dispatch.log_guard" if holds else "dispatch.log_guard_over",
                event=run.id,
                point=point,
                value="?" if value is None else f"{value:g}",
            )
        )
        await self._journal.note(Step(run.id, now_ms, "guard", "", data))

    def _is_held_elsewhere(self, run: Run, action: Action) -> bool:
        """Whether another event has not handed the point back yet: what stands there is not its own."""
        for other in self._runs.values():
            if other is run or (other.row.mode is Mode.DRY_RUN and run.row.mode is Mode.LIVE):
                continue  # a rehearsal stands in nobody's way
            for theirs in other.row.plan.actions:
                same = (theirs.device, theirs.point) == (action.device, action.point)
                if same and (other.track(theirs.id).is_shed or theirs.id in other.busy):
                    return True
        return False

    def _begin(self, run: Run, action: Action, wish: Wish) -> None:
        run.busy[action.id] = wish.is_release
        task = asyncio.create_task(self._carry(run, action, wish), name=f"curtailment {run.id} {action.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, run: Run, action: Action, wish: Wish) -> None:
        try:
            await self._carrier.carry_out(run, action, wish)
        finally:
            run.busy.pop(action.id, None)
            self._woken.set()
            self._settled.set()

    # -- the end --------------------------------------------------------------------------------------------

    async def hand_back(self, within_s: float = STOP_S, *, goes_on: bool = False) -> None:
        """Hand everything back because the daemon ends; what that does not reach, the next start does.

        Where nobody follows, minimum off times give way: a machine that is let go early has protection of its
        own, one that is left shed has nobody.

        Parameters
        ----------
        goes_on : another daemon takes over at once: events that resume are left to it as they are, and so is
            what has to stay shed a little longer.
        """
        self._ends, self._is_handed_on = True, goes_on
        for run in self._runs.values():
            run.hurry()
        if not goes_on:
            await self._tell_stop()
        self._nobody_follows = not goes_on
        if goes_on:
            self._runs = {event: run for event, run in self._runs.items() if not run.row.plan.resumes}
        self._woken.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._left():
                    self._settled.clear()
                    await self._settled.wait()
        for event, action in self._left():
            log.error(Spoken("dispatch.log_left", event=event, action=action))
        await self._end_limiter()
        self._journal.pay()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell_stop(self) -> None:
        """Keep why what is shed goes back early: the record has it beside the writes."""
        for run in self._runs.values():
            if any(track.is_shed for track in run.tracks.values()):
                with suppress(Exception):  # it is handed back all the same
                    async with asyncio.timeout(STOP_S / 10):
                        await self._journal.note(Step(run.id, self._clock.now_ms(), "stop", "", {}))

    async def _end_limiter(self) -> None:
        """A run of the limiter that is handed back ends with the daemon."""
        left = {event for event, _ in self._left()}
        for run in tuple(self._runs.values()):
            if run.row.source == LIMITER and run.row.life is Life.ACTIVE and run.id not in left:
                with suppress(Exception):  # the next start ends it
                    await self._move(run, Life.ENDED, {"why": "stop"})

    def _left(self) -> list[tuple[str, str]]:
        """What is shed or being written."""
        found = []
        for run in self._runs.values():
            if run.row.mode is Mode.MONITOR_ONLY:
                continue
            shed = {action for action, track in run.tracks.items() if track.is_shed}
            found += [(run.id, action) for action in sorted(shed | run.busy.keys())]
        return found
