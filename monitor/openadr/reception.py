"""From a VTN's event to an event of ours: begun, changed, ended, or opted out of with a reason.

Our events are asked for at the desk, as the command line, HTTP and files do. What a VTN said twice is
answered twice and done once: what was answered stands in the store, by the event's id and the number of its
change.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from config.loading import LoadedSite
from config.openadr import OpenAdrSettings, rules_of
from config.words import Spoken
from monitor.clock import Clock
from monitor.openadr.agreement import Held, Opt, check_free, check_near, note_of, trouble, unforeseen
from monitor.store.database import StoreError
from monitor.store.deliveries import add_audit
from monitor.store.doing import Doing
from monitor.store.event_requests import EventOutcome, EventRequest, Wanted
from monitor.store.events import EventRow, Step, events, note_step
from monitor.store.ledgers import WriterEngine
from monitor.store.openadr import (
    ENDED_HERE,
    VtnEventRow,
    ended_here,
    keep_vtn_event,
    renew_signals,
    vtn_event,
)
from monitor.store.reader import UNREADABLE
from monitor.timestamps import iso_utc
from rules.curtailment import OPEN, Life, Mode
from rules.openadr import CLOSED, Rule, VtnEvent, VtnSignal, Want, begin_ms, fitting, most_kw, want_at

log = logging.getLogger(__name__)

SOURCE = "openadr"

MOMENT_MS = 60_000
"""Clocks differ: what ends by itself within a moment is not ended."""

Ask = Callable[[EventRequest], Awaitable[EventOutcome]]
"""Asks the desk. Raises ``StoreError`` for what is refused."""

Key = Callable[[], str]
"""The operator's key, read when it is needed. Raises ``StoreError`` where it cannot be."""

_STRENGTH = (Mode.MONITOR_ONLY, Mode.DRY_RUN, Mode.LIVE)


class Reception:
    """Takes what a VTN says of events.

    Parameters
    ----------
    done : has work done in the writer's thread.
    changed : told that something stands otherwise in the store.
    """

    def __init__(
        self, loaded: LoadedSite, settings: OpenAdrSettings, clock: Clock, done: Doing, ask: Ask, key: Key,
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._site = loaded.site.site.id
        self._rules = rules_of(settings)
        self._plans = {plan.id: plan for plan in loaded.site.curtailment.plans}
        self._clock = clock
        self._done = done
        self._ask = ask
        self._key = key
        self._changed = changed
        self._held: dict[str, Held] = {}
        self._alone = asyncio.Lock()

    # -- what the VTN says ----------------------------------------------------------------------------------

    async def take(self, event: VtnEvent) -> Opt:
        """Do what an event wants, and say whether we are in."""
        async with self._alone:
            known = await self._done(lambda engine: vtn_event(engine, self._site, event.id))
            takes_back = known is not None and await self._takes_back(event, known.event)
            if known is not None and event.modification <= known.modification and not takes_back:
                await self._follow(event, known)
                return Opt(event.id, event.modification, known.is_in)
            if event.status in CLOSED:
                return await self._closed(event, known)
            return await self._new(event, known)

    async def _new(self, event: VtnEvent, known: VtnEventRow | None) -> Opt:
        ours, reason = await self._unanswered(event) if known is None else known.event, None
        try:
            check_free(known)
            ours = await self._begin(event, ours)
        except UNREADABLE:
            raise  # it passes, and the VTN is asked again
        except StoreError as error:
            reason = trouble(error)
        except Exception as error:
            # The other events of its message are not to wait for this one, nor is it to fail for ever.
            log.exception("openadr: an event of the VTN; it is opted out of")
            reason = unforeseen(error)
        if reason is not None:
            await self._end(ours, event)  # what was agreed before no longer holds
            self._held.pop(event.id, None)
            ours = ""
        await self._keep(event, ours, reason)
        return Opt(event.id, event.modification, reason is None)

    async def _closed(self, event: VtnEvent, known: VtnEventRow | None) -> Opt:
        """Cancelled, or over: what runs of it ends, unless it is about to by itself."""
        ours = "" if known is None else known.event
        if event.status == "cancelled" or await self._takes_back(event, ours):
            await self._end(ours, event)
            ours = ""
        if await self._standing(ours) is None:
            self._held.pop(event.id, None)
        reason = None if known is None or known.is_in else known.reason
        await self._keep(event, ours, reason)
        return Opt(event.id, event.modification, reason is None)

    async def _takes_back(self, event: VtnEvent, ours: str) -> bool:
        """Whether it is cancelled, or over while ours would go on for longer than the VTN itself said."""
        if event.status not in CLOSED or not ours:
            return False
        if event.status == "cancelled":
            return True
        standing = await self._standing(ours)
        if standing is None or event.end_ms is None:
            return standing is not None
        delay_ms = begin_ms(event, self._settings.ven_name) - event.start_ms
        is_early = self._clock.now_ms() < event.end_ms - MOMENT_MS
        return is_early or standing.end_ms > event.end_ms + delay_ms + MOMENT_MS

    async def _keep(self, event: VtnEvent, ours: str, reason: dict[str, Any] | None) -> None:
        now_ms, is_in = self._clock.now_ms(), reason is None
        row = VtnEventRow(event.id, event.modification, ours, is_in, reason, now_ms)
        detail: dict[str, Any] = {
            "vtn_event": event.id,
            "modification": event.modification,
            "status": event.status,
            "event": ours,
            "opt": "in" if is_in else "out",
        }
        if reason is not None:
            detail["reason"] = reason

        def work(engine: WriterEngine) -> None:
            keep_vtn_event(engine, self._site, row)
            add_audit(engine, self._site, now_ms, self._who, "openadr.event", detail)

        await self._done(work)
        if reason is None:
            log.info(Spoken("openadr.log_in", event=event.id, number=event.modification, status=event.status))
        else:
            log.warning(Spoken("openadr.log_out", event=event.id, number=event.modification, error=reason))

    # -- beginning, changing, ending ------------------------------------------------------------------------

    async def _begin(self, event: VtnEvent, ours: str) -> str:
        """Have the desk begin or change an event; returns its id, empty where nothing is wanted of us.

        Raises
        ------
        StoreError : why it is opted out of.
        """
        if self._settings.opt_in == "never":
            raise StoreError("openadr.opts_never")
        check_near(event, self._clock.now_ms())
        found = fitting(event, self._rules)
        if found is None:
            signals = ", ".join(f"{one.name} ({one.kind})" for one in event.signals) or "-"
            raise StoreError("openadr.no_rule", context=event.market_context or "-", signals=signals)
        rule, signal = found
        self._check_power(rule, signal)
        if most_kw(rule, signal) == 0.0:
            await self._end(ours, event)
            return ""
        now_ms, start_ms = self._clock.now_ms(), begin_ms(event, self._settings.ven_name)
        delay_ms = start_ms - event.start_ms
        end_ms = start_ms + round(1000 * self._plans[rule.plan].dead_man_s)
        if event.end_ms is not None:
            end_ms = event.end_ms + delay_ms
        if end_ms <= now_ms:
            raise StoreError("dispatch.past", start=iso_utc(start_ms), now=iso_utc(now_ms))
        wanted = want_at(rule, signal, max(start_ms, now_ms) - delay_ms)
        wish = EventRequest(
            what="schedule" if start_ms > now_ms else "trigger",
            asked_ms=now_ms,
            who=self._who,
            source=SOURCE,
            plan=rule.plan,
            start_ms=start_ms,
            end_ms=end_ms,
            mode=self._mode(rule, event),
            wanted_kw=wanted.kw,
            programme=rule.programme,
            note=note_of(event),
            signal=wanted.is_active,
            ttl_s=self._settings.unknown_after_s,
        )
        event_id = await self._asked(event, wish, await self._standing(ours), wanted)
        self._held[event.id] = Held(event_id, rule, signal, delay_ms, wanted)
        return event_id

    async def _asked(
        self, event: VtnEvent, wish: EventRequest, standing: EventRow | None, wanted: Want
    ) -> str:
        """Change the event that stands, or begin one; returns the id."""
        if standing is None or (standing.plan.id, standing.mode.value) != (wish.plan, wish.mode):
            if standing is not None:
                await self._end(standing.id, event)
            return await self._begun(replace(wish, event=await self._free_id(event)))
        await self._armed(replace(wish, what="change", event=standing.id))
        await self._tell(standing.id, "signal", wanted)
        return standing.id

    async def _begun(self, wish: EventRequest) -> str:
        try:
            return (await self._armed(wish)).event
        except StoreError as error:
            if error.code != "dispatch.past" or wish.what != "schedule":
                raise
        # Its start passed while it was on its way.
        return (await self._armed(replace(wish, what="trigger"))).event

    def _check_power(self, rule: Rule, signal: VtnSignal) -> None:
        most, plan = most_kw(rule, signal), self._plans[rule.plan]
        whole_kw = sum(action.expected_kw for action in plan.actions)
        if most is not None and most > whole_kw:
            raise StoreError("dispatch.not_enough", wanted=f"{most:g}", expected=f"{whole_kw:g}")

    def _mode(self, rule: Rule, event: VtnEvent) -> str:
        """No stronger than the plan, than what the site file says, and than a test."""
        modes = [Mode(self._plans[rule.plan].mode), Mode(self._settings.mode)]
        if event.is_test:
            modes.append(Mode.DRY_RUN)
        return min(modes, key=_STRENGTH.index).value

    async def _free_id(self, event: VtnEvent) -> str:
        """The VTN's id, as far as it is one on a command line; of a second event of ours with its number."""
        wanted = re.sub(r"[^A-Za-z0-9._-]+", "-", event.id).strip("-")[:60] or SOURCE
        known = await self._done(lambda engine: vtn_event(engine, self._site, event.id))
        return wanted if known is None else f"{wanted}-m{event.modification}"

    async def _unanswered(self, event: VtnEvent) -> str:
        """An event that was begun just before a power cut, so that nobody kept what was answered; its id."""
        standing = await self._standing(await self._free_id(event))
        begun = standing is not None and (standing.source, standing.note) == (SOURCE, note_of(event))
        return standing.id if standing is not None and begun else ""

    async def _standing(self, ours: str) -> EventRow | None:
        """An event of ours, where it is open."""
        if not ours:
            return None
        found = await self._done(lambda engine: events(engine, self._site, ids=[ours]))
        return next((row for row in found if row.life in OPEN), None)

    async def _end(self, ours: str, event: VtnEvent) -> None:
        """Cancel what has not begun, abort what is active; nothing where neither stands."""
        standing = await self._standing(ours)
        if standing is None:
            return
        note = f"OpenADR {event.id}: {event.status}"
        what: Wanted = "abort" if standing.life is Life.ACTIVE else "cancel"
        try:
            await self._armed(self._wish(what, ours, mode=standing.mode.value, note=note))
        except StoreError as error:
            # Who lost the key may still say that nothing is wanted, for good.
            log.warning(Spoken("openadr.log_not_ended", event=ours, error=trouble(error)))
            with suppress(StoreError):
                await self._ask(self._wish("signal", ours, signal=False))

    async def _armed(self, wish: EventRequest) -> EventOutcome:
        """Ask the desk, with the operator's name and key where there is one."""
        if self._settings.operator is not None and wish.what != "abort":
            try:
                wish = replace(wish, operator=self._settings.operator, key=self._key())
            except StoreError:
                if wish.mode == Mode.LIVE.value:
                    raise  # else no key is wanted
        return await self._ask(wish)

    def _wish(self, what: Wanted, event: str, **more: Any) -> EventRequest:
        return EventRequest(
            what=what, asked_ms=self._clock.now_ms(), who=self._who, source=SOURCE, event=event, **more
        )

    # -- while it goes on -----------------------------------------------------------------------------------

    async def _follow(self, event: VtnEvent, known: VtnEventRow) -> None:
        """Take up again what a signal wants, after a restart of ours."""
        found = fitting(event, self._rules)
        if event.status in CLOSED and await self._standing(known.event) is None:
            self._held.pop(event.id, None)
        if event.id in self._held or not known.is_in or found is None or event.status in CLOSED:
            return
        standing = await self._standing(known.event)
        if standing is not None:
            delay_ms = begin_ms(event, self._settings.ven_name) - event.start_ms
            told = Want(standing.signal.is_active, standing.wanted_kw)
            self._held[event.id] = Held(standing.id, *found, delay_ms, told)

    async def look(self) -> None:
        """Tell the desk where a signal wants something else by now."""
        async with self._alone:
            for id_, held in tuple(self._held.items()):
                now_ms = self._clock.now_ms()
                first_ms = held.signal.parts[0].start_ms
                wanted = want_at(held.rule, held.signal, max(first_ms, now_ms - held.delay_ms))
                is_over = now_ms - held.delay_ms >= held.signal.parts[-1].end_ms
                if wanted == held.told or is_over:
                    continue
                standing = await self._standing(held.event)
                if standing is None:
                    del self._held[id_]  # somebody here ended it
                    continue
                try:
                    await self._turn(held, standing, wanted)
                except StoreError as error:
                    log.warning(Spoken("openadr.log_left", event=id_, error=trouble(error)))
                held.told = wanted  # also where it is refused; not where the store failed: it is told again

    async def _turn(self, held: Held, standing: EventRow, wanted: Want) -> None:
        if wanted.is_active and wanted.kw != standing.wanted_kw:
            span = {"start_ms": standing.start_ms, "end_ms": standing.end_ms}
            mode = standing.mode.value
            await self._armed(self._wish("change", held.event, mode=mode, wanted_kw=wanted.kw, **span))
        if wanted.is_active != standing.signal.is_active:
            await self._tell(held.event, "signal", wanted)

    async def _tell(self, event: str, what: Wanted, wanted: Want) -> None:
        ttl_s = self._settings.unknown_after_s
        await self._ask(self._wish(what, event, signal=wanted.is_active, ttl_s=ttl_s))

    async def heard(self) -> None:
        """The VTN answered: what it said of its events goes on to hold."""
        ids = [held.event for held in self._held.values()]
        if not ids:
            return
        now_ms = self._clock.now_ms()
        if await self._done(lambda engine: renew_signals(engine, self._site, ids, now_ms)):
            self._changed()
        for held in tuple(self._held.values()):
            if held.is_lost:
                held.is_lost = False
                await self._note(held.event, "signal", {"active": held.told.is_active})

    async def silent(self) -> None:
        """The VTN is silent for so long that what it said is unknown; the dispatcher acts on it by itself."""
        for held in tuple(self._held.values()):
            if not held.is_lost and await self._standing(held.event) is not None:
                held.is_lost = True
                await self._note(held.event, "signal_lost", {})
                after_s = f"{self._settings.unknown_after_s:g}"
                log.warning(Spoken("openadr.log_lost", event=held.event, seconds=after_s))

    async def _note(self, event: str, kind: str, data: dict[str, Any]) -> None:
        step = Step(event, self._clock.now_ms(), kind, self._who, data)
        await self._done(lambda engine: note_step(engine, self._site, step))

    async def opted_out_here(self) -> list[Opt]:
        """Events that somebody here ended before their time: the VTN is to know."""
        async with self._alone:
            found = await self._done(lambda engine: ended_here(engine, self._site))
            opts = []
            for row in found:
                reason = {"code": ENDED_HERE, "data": {"event": row.event}}
                now_ms = self._clock.now_ms()
                kept = replace(row, is_in=False, reason=reason, at_ms=now_ms)
                await self._done(lambda engine, kept=kept: keep_vtn_event(engine, self._site, kept))  # type: ignore[misc]
                self._held.pop(row.id, None)
                opts.append(Opt(row.id, row.modification, is_in=False))
                log.warning(Spoken("openadr.log_out", event=row.id, number=row.modification, error=reason))
            return opts

    @property
    def _who(self) -> str:
        return self._settings.ven_name
