"""Carrying out one wish: what stood is kept first, then it is written, read back, and told.

Nothing is written that was not put down before, but for handing back: that is done even where the disk is
full.
"""

import logging
import math
import random
from collections.abc import Mapping
from dataclasses import replace

from config.words import Spoken
from drivers.contract import Driver, DriverError, Garbled, NotObeyed, Refused, Unreachable, Where, Written
from monitor.clock import Clock
from monitor.dispatch.journal import Journal, trouble_of
from monitor.dispatch.run import TRIES, Run
from monitor.store.events import DAY_MS, Step
from monitor.store.writes import Outcome, WriteRow
from rules.curtailment import Mode, Track, Wish, release_rest_s, within_budget
from rules.shedding import Action

log = logging.getLogger(__name__)

_MAY_PASS = (Unreachable, Garbled)
"""Worth trying again: nobody answered, or not in words."""


class BudgetSpent(DriverError):
    """The point bears no more writes within this day: nothing was sent."""

    code = "write.budget_spent"


class NoWayBack(DriverError):
    """What would be written at the end may not be written: nothing was sent."""

    code = "write.no_way_back"


class Carrier:
    """Carries out wishes over the drivers.

    Parameters
    ----------
    drivers : by device.
    """

    def __init__(self, drivers: Mapping[str, Driver], journal: Journal, clock: Clock) -> None:
        self._drivers = drivers
        self._journal = journal
        self._clock = clock

    async def carry_out(self, run: Run, action: Action, wish: Wish) -> None:
        """Do it, and keep what became of it; whatever happens, ``run`` knows where the action stands."""
        do = self._release if wish.is_release else self._shed
        try:
            await do(run, action, wish)
        except DriverError as error:
            await self._went_wrong(run, action, error, is_release=wish.is_release)
        except Exception as error:  # noqa: BLE001  told, and tried again or done without
            self._journal.complain(run.id, error)
            run.failed_again(action.id, self._clock.monotonic_s(), random.random())  # noqa: S311  jitter
        else:
            run.went_well(action.id)

    # -- shedding -----------------------------------------------------------------------------------------

    async def _shed(self, run: Run, action: Action, _wish: Wish) -> None:
        track, driver = run.track(action.id), self._driver(action)
        if not track.is_shed or track.previous is None or track.stood is None:
            previous = await driver.show(action.device, action.point, own=True)
            stood = await driver.show(action.device, action.point)
            is_new, track = not track.is_shed, replace(track, previous=previous, stood=stood)
            if is_new and action.sheds_already(stood):
                await self._leave(run, action, track, stood)
                return
            self._check_way_back(action, previous)
        now_ms = self._clock.now_ms()
        since_ms = track.shed_ms if track.is_shed and track.shed_ms is not None else now_ms
        assert track.stood is not None  # noqa: S101  it was read above
        value = action.value_at(track.stood, (now_ms - since_ms) / 1000)
        track = replace(track, is_shed=True, shed_ms=since_ms)
        write = self._row(run, action, "shed", value, track)
        if run.row.mode is Mode.DRY_RUN:
            track = replace(track, standing=value)
            await self._journal.unsent(run.id, track, write, Outcome("dry_run", done_ms=now_ms))
            run.tracks[action.id] = track
            return
        self._check_budget(action, await self._used(action), is_release=False)
        track = replace(track, standing=None)
        number = await self._journal.intend(run.id, action.id, track, write)
        run.tracks[action.id] = track
        await self._written(run, action, write, number, own=False)

    def _check_way_back(self, action: Action, previous: float) -> None:
        """Raise ``NoWayBack`` where the end could not write what it is to write."""
        value = previous if action.release is None else action.release
        try:
            self._driver(action).check_back(action.device, action.point, value)
        except DriverError as error:
            where = Where(error.where.address, action.device)
            raise NoWayBack(where, point=action.point, value=f"{value:g}") from error

    async def _leave(self, run: Run, action: Action, track: Track, stood: float) -> None:
        """Leave what sheds as much already as it is, and keep that: nothing is written, now or at the end."""
        now_ms = self._clock.now_ms()
        track = replace(track, left_ms=now_ms)
        write = self._row(run, action, "shed", None, track)
        await self._journal.unsent(run.id, track, write, Outcome("sheds_already", stood, done_ms=now_ms))
        run.tracks[action.id] = track
        log.info(Spoken("dispatch.log_left_alone", event=run.id, action=action.id, value=f"{stood:g}"))

    async def _written(
        self, run: Run, action: Action, write: WriteRow, number: int | None, *, own: bool
    ) -> Written:
        """Write, and keep what became of it. Raises ``DriverError`` once that is kept."""
        value = write.asked
        assert value is not None  # noqa: S101  whoever is left alone is not written
        try:
            written = await self._driver(action).write(action.device, action.point, value, own=own)
        except DriverError as error:
            track = run.track(action.id)
            if isinstance(error, (*_MAY_PASS, NotObeyed)):
                run.unanswered.add(action.id)  # it may be carried out later than anybody waited
            outcome = Outcome(error.code, _shown(error), None, self._clock.now_ms(), trouble_of(error))
            await self._kept(run, action, track, outcome, number, write)
            raise
        run.unanswered.discard(action.id)
        now_ms = self._clock.now_ms()
        track = run.track(action.id)
        if own:
            track = Track(shed_ms=track.shed_ms, back_ms=now_ms, failed=track.failed)
        else:
            track = replace(track, standing=value)
        run.tracks[action.id] = track
        outcome = Outcome("obeyed", written.shown, written.sent_ms, written.shown_ms)
        await self._kept(run, action, track, outcome, number, write)
        return written

    # -- handing back ---------------------------------------------------------------------------------------

    async def _release(self, run: Run, action: Action, wish: Wish) -> None:
        track, value = run.track(action.id), wish.value
        if value is None:
            raise Garbled(Where("", action.device), "dispatch.nothing_to_hand_back", point=action.point)
        write = self._row(run, action, "release", value, track)
        if run.row.mode is Mode.DRY_RUN:
            await self._back(run, action, write, Outcome("dry_run"))
            return
        shown = await self._driver(action).show(action.device, action.point, own=True)
        if action.id not in run.unanswered and math.isclose(shown, value, rel_tol=1e-6, abs_tol=1e-6):
            await self._back(run, action, write, Outcome("already", shown))
            return
        rest_s = await self._rest_after_release(run, action)
        number = None
        try:
            number = await self._journal.intend(run.id, action.id, track, write)
        except Exception as error:  # noqa: BLE001  told, and tried again or done without
            self._journal.complain(run.id, error)
        try:
            await self._written(run, action, write, number, own=True)
        except DriverError:
            run.rests(action.id, self._clock.monotonic_s() + rest_s)
            raise
        log.info(Spoken("dispatch.log_back", event=run.id, action=action.id, value=f"{value:g}"))

    async def _back(self, run: Run, action: Action, write: WriteRow, outcome: Outcome) -> None:
        now_ms = self._clock.now_ms()
        track = run.track(action.id)
        track = Track(shed_ms=track.shed_ms, back_ms=now_ms, failed=track.failed)
        run.tracks[action.id] = track
        await self._kept(run, action, track, replace(outcome, done_ms=now_ms), None, write)

    # -- what both need -------------------------------------------------------------------------------------

    def _driver(self, action: Action) -> Driver:
        driver = self._drivers.get(action.device)
        if driver is None:
            raise Refused(Where("", action.device), "dispatch.device_gone", device=action.device)
        return driver

    def _row(self, run: Run, action: Action, purpose: str, value: float | None, track: Track) -> WriteRow:
        return WriteRow(
            event=run.id,
            action=action.id,
            device=action.device,
            point=action.point,
            purpose=purpose,
            asked=value,
            previous=track.previous,
            at_ms=self._clock.now_ms(),
        )

    async def _rest_after_release(self, run: Run, action: Action) -> float:
        """How long it rests if the write that comes now goes wrong. Raises ``BudgetSpent``."""
        try:
            used = await self._used(action)
        except Exception as error:  # noqa: BLE001  a store that says nothing keeps nothing shed
            self._journal.complain(run.id, error)
            used = run.tries.get(action.id, 0)
        self._check_budget(action, used, is_release=True)
        return release_rest_s(action, used + 1)

    async def _used(self, action: Action) -> int:
        return await self._journal.used(action.device, action.point, self._clock.now_ms() - DAY_MS)

    @staticmethod
    def _check_budget(action: Action, used: int, *, is_release: bool) -> None:
        if not within_budget(action, used, is_release=is_release):
            budget = action.writes_per_day
            raise BudgetSpent(Where("", action.device), point=action.point, used=used, budget=budget)

    async def _kept(
        self,
        run: Run,
        action: Action,
        track: Track,
        outcome: Outcome,
        number: int | None = None,
        write: WriteRow | None = None,
    ) -> None:
        """Keep an outcome; a disk that cannot take it now changes nothing of what the device does."""
        try:
            await self._journal.settle(run.id, action.id, track, outcome, number, write)
        except Exception as error:  # noqa: BLE001  told, and tried again or done without
            self._journal.complain(run.id, error)

    async def _went_wrong(self, run: Run, action: Action, error: DriverError, *, is_release: bool) -> None:
        now_s = self._clock.monotonic_s()
        failures = run.failed_again(action.id, now_s, random.random())  # noqa: S311  jitter, not a secret
        told = {"event": run.id, "action": action.id}
        if is_release:
            if run.told.get(action.id) != error.code:
                run.told[action.id] = error.code
                log.error(Spoken("dispatch.log_not_back", error=trouble_of(error), **told))
                await self._noted(run, "release_failed", action, error)
            return
        if isinstance(error, _MAY_PASS) and failures < TRIES:
            log.warning(Spoken("dispatch.log_again", error=trouble_of(error), **told))
            return
        run.went_well(action.id)
        track = replace(run.track(action.id), failed=error.code)
        run.tracks[action.id] = track
        log.error(Spoken("dispatch.log_failed", error=trouble_of(error), **told))
        outcome = Outcome("", error=trouble_of(error))
        await self._kept(run, action, track, outcome)
        await self._noted(run, "failed", action, error)

    async def _noted(self, run: Run, kind: str, action: Action, error: DriverError) -> None:
        data = {"action": action.id, "error": trouble_of(error)}
        try:
            await self._journal.note(Step(run.id, self._clock.now_ms(), kind, "", data))
        except Exception as caught:  # noqa: BLE001  told, and tried again or done without
            self._journal.complain(run.id, caught)


def _shown(error: DriverError) -> float | None:
    """What a device that does not obey goes by."""
    return float(error.data["shown"]) if isinstance(error, NotObeyed) else None
