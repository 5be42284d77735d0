"""The desk: what may be asked of curtailment events, carried out whole or refused in words.

It runs in the writer's thread, and decides from what stands in the store. What follows from its rows is the
dispatcher's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.curtailment import Profiles, plan_of
from config.loading import LoadedSite
from monitor.clock import Clock
from monitor.dispatch.keys import dispatcher_of
from monitor.dispatch.limits import check_end, check_power
from monitor.dispatch.terms import Agreed, Remarks, check_terms
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.deliveries import add_audit
from monitor.store.event_changes import change_event, tell_signal
from monitor.store.event_requests import (
    LIVES_FOR_MS,
    NO_PROGRAMME,
    EventListOutcome,
    EventListRequest,
    EventOutcome,
    EventRequest,
)
from monitor.store.events import EventRow, Step, add_event, add_events, events, move_event, steps
from monitor.store.ledgers import WriterEngine
from monitor.store.limiting import LIMITER, disarm
from monitor.timestamps import iso_utc
from rules.curtailment import OPEN, WAITING, Life, Mode, Plan, Signal

STRENGTH = (Mode.MONITOR_ONLY, Mode.DRY_RUN, Mode.LIVE)

MONTH_MS = 32 * 86_400_000
"""No month is longer: limits of a month and of a day look no further."""

LATE_MS = 1_000
"""A start so little ago is now: somebody typed it, and the request took its way."""


def plans_of(loaded: LoadedSite) -> dict[str, Plan]:
    """The plans of a site that was loaded, by id."""
    profiles: Profiles = {device: one.profile for device, one in loaded.placed().items()}
    return {one.id: plan_of(one, profiles) for one in loaded.site.curtailment.plans}


class EventDesk:
    """Takes requests about events.

    Parameters
    ----------
    changed : told, in whatever thread, that something stands otherwise in the store; None where no
        dispatcher acts on it, so that nothing can be triggered.
    """

    def __init__(self, loaded: LoadedSite, clock: Clock, changed: Callable[[], None] | None = None) -> None:
        self._settings = loaded.site.curtailment
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self._clock = clock
        self._changed = changed
        self._plans = plans_of(loaded)
        self._notice_s = {one.id: one.least_notice_s for one in self._settings.plans}
        self._programmes = {one.id: one.programme for one in self._settings.plans}
        self._bids = {one.id: one.bid for one in self._settings.plans}
        self._folder = loaded.folder
        self._interval_s = loaded.site.interval_s

    def carry_out(self, engine: WriterEngine, site: str, request: EventRequest) -> EventOutcome:
        """Carry a request out. Raises ``StoreError`` for what is refused; then nothing has changed."""
        now_ms = self._clock.now_ms()
        try:
            self._check_fresh(request, now_ms)
            row, remarks = self._carried_out(engine, site, request, now_ms)
        except StoreError as error:
            self._audit(engine, site, request, now_ms, refused=error.code)
            raise
        told = ", ".join(one["code"] for one in remarks)
        self._audit(engine, site, request, now_ms, event=row.id, remarks=told)
        if self._changed is not None:
            self._changed()
        return EventOutcome(row.id, row.life.value, row.mode.value, row.start_ms, row.end_ms, remarks)

    def carry_out_list(self, engine: WriterEngine, site: str, request: EventListRequest) -> EventListOutcome:
        """Write down the events of a file that are not there yet.

        Raises ``StoreError``, or ``LedgerRefused`` with everything that is refused, by row; then nothing
        has changed.
        """
        now_ms = self._clock.now_ms()
        told: dict[str, Any] = {"file": request.file_name, "operator": request.operator}
        try:
            self._check_fresh(request, now_ms)
            new, remarks = self._new_of_list(engine, site, request, now_ms)
        except StoreError as error:
            if isinstance(error, LedgerRefused):
                told["reasons"] = [{"row": one.data["row"], "code": one.code} for one in error.problems]
            add_audit(engine, site, now_ms, request.who, "dr.schedule_list", {**told, "refused": error.code})
            raise
        add_events(engine, site, new)
        told["events"] = [row.id for row in new]
        add_audit(engine, site, now_ms, request.who, "dr.schedule_list", told)
        if self._changed is not None:
            self._changed()
        return EventListOutcome(len(new), len(request.events) - len(new), remarks)

    def _new_of_list(
        self, engine: WriterEngine, site: str, request: EventListRequest, now_ms: int
    ) -> tuple[list[EventRow], Remarks]:
        standing = {row.id: row for row in events(engine, site, ids=[one.event for one in request.events])}
        new: list[EventRow] = []
        problems: list[StoreError] = []
        remarks: list[dict[str, Any]] = []
        for number, one in zip(request.rows, request.events, strict=True):
            known = standing.get(one.event)
            if known is not None and _is_same(known, one, steps(engine, site, one.event)):
                continue
            if known is not None:
                problems.append(StoreError("dispatch.known_event", event=one.event, row=number))
                continue
            try:
                row, said = self._new_row(engine, site, one, now_ms, new)
            except StoreError as error:
                problems.append(StoreError(error.code, **error.data, row=number))
                continue
            new.append(row)
            remarks += [{"code": each["code"], "data": each["data"] | {"row": number}} for each in said]
        if problems:
            raise LedgerRefused(problems)
        if any(_is_armed(row) for row in new):
            self._check_key(request)  # once: it takes a tenth of a second
        return new, tuple(remarks)

    @staticmethod
    def _check_fresh(request: EventRequest | EventListRequest, now_ms: int) -> None:
        if now_ms > request.asked_ms + LIVES_FOR_MS:
            raise StoreError("dispatch.expired", asked=iso_utc(request.asked_ms))

    def _carried_out(
        self, engine: WriterEngine, site: str, request: EventRequest, now_ms: int
    ) -> tuple[EventRow, Remarks]:
        if request.what in ("schedule", "trigger"):
            return self._begin(engine, site, request, now_ms)
        found = events(engine, site, ids=[request.event])
        if not found:
            raise StoreError("dispatch.unknown_event", event=request.event)
        if request.what == "confirm":
            return self._confirm(engine, site, found[0], request, now_ms)
        if request.what == "signal":
            return self._signal(engine, site, found[0], request, now_ms), ()
        if request.what == "change":
            return self._change(engine, site, found[0], request, now_ms)
        return self._end(engine, site, found[0], request, now_ms), ()

    # -- a new event ------------------------------------------------------------------------------------

    def _begin(
        self, engine: WriterEngine, site: str, request: EventRequest, now_ms: int
    ) -> tuple[EventRow, Remarks]:
        row, remarks = self._new_row(engine, site, request, now_ms)
        if _is_armed(row):
            self._check_key(request)
        add_event(engine, site, row)
        return row, remarks

    def _new_row(
        self,
        engine: WriterEngine,
        site: str,
        request: EventRequest,
        now_ms: int,
        beside: Sequence[EventRow] = (),
    ) -> tuple[EventRow, Remarks]:
        """What would be written down. Raises ``StoreError``; the key was not looked at.

        Parameters
        ----------
        beside : what is to be written down together with it.
        """
        plan = self._plans.get(request.plan)
        if plan is None:
            raise StoreError("dispatch.unknown_plan", plan=request.plan, known=", ".join(self._plans) or "-")
        if request.what == "trigger" and self._changed is None:
            raise StoreError("dispatch.nobody_acts")
        start_ms = now_ms if request.what == "trigger" else request.start_ms
        end_ms = request.end_ms if request.length_s is None else start_ms + round(1000 * request.length_s)
        self._check_time(plan, start_ms, end_ms, now_ms)
        mode = self._mode(plan, request)
        wanted_kw = request.wanted_kw
        check_power(plan, wanted_kw)
        if not request.is_draft:
            self._check_free(engine, site, start_ms, end_ms)
        row = EventRow(
            id=self._id(engine, site, request, start_ms),
            plan=replace(plan, mode=mode),
            mode=mode,
            life=Life.DRAFT if request.is_draft else Life.SCHEDULED,
            start_ms=start_ms,
            end_ms=end_ms,
            noticed_ms=min(request.noticed_ms or now_ms, now_ms),
            source=request.source,
            who=_who(request),
            changed_ms=now_ms,
            wanted_kw=wanted_kw,
            programme=self._programme(request),
            bid=self._bids[request.plan] if request.bid is None else request.bid,
            note=request.note,
            signal=Signal(request.signal, now_ms, request.ttl_s),
        )
        remarks = self._terms(engine, site, row, beside)
        return row, remarks if request.what == "trigger" else (*remarks, *self._edges(row))

    def _confirm(
        self, engine: WriterEngine, site: str, event: EventRow, request: EventRequest, now_ms: int
    ) -> tuple[EventRow, Remarks]:
        """A draft becomes an event; whatever an event is held against holds now."""
        if event.life is not Life.DRAFT:
            raise StoreError("dispatch.not_draft", event=event.id, life=event.life.value)
        if event.mode is Mode.LIVE:
            self._check_key(request)
        self._check_time(event.plan, event.start_ms, event.end_ms, now_ms)
        self._check_free(engine, site, event.start_ms, event.end_ms)
        called = replace(event, life=Life.SCHEDULED, noticed_ms=now_ms)  # nobody was told of a draft
        remarks = self._terms(engine, site, called)
        step = Step(event.id, now_ms, Life.SCHEDULED.value, _who(request), {"note": request.note})
        if not move_event(engine, site, event.id, (Life.DRAFT,), called.life, step, now_ms):
            raise StoreError("dispatch.changed_meanwhile", event=event.id)
        return called, remarks

    def _programme(self, request: EventRequest) -> str:
        wanted = request.programme or self._programmes[request.plan]
        return "" if wanted == NO_PROGRAMME else wanted

    def _terms(
        self,
        engine: WriterEngine,
        site: str,
        row: EventRow,
        beside: Sequence[EventRow] = (),
    ) -> Remarks:
        """What its programme remarks. Raises ``StoreError`` for what it does not take."""
        if not row.programme:
            return ()
        whole_kw = sum(action.expected_kw for action in row.plan.actions)
        kw = whole_kw if row.wanted_kw is None else row.wanted_kw
        times_ms = row.start_ms, row.end_ms, row.noticed_ms
        agreed = Agreed(row.programme, *times_ms, kw, row.bid, binds=_is_armed(row))
        near = events(engine, site, starts_ms=(row.start_ms - MONTH_MS, row.start_ms + MONTH_MS))
        others = [other for other in (*near, *beside) if other.id != row.id]
        return check_terms(agreed, others, self._zone, self._folder)

    def _edges(self, row: EventRow) -> Remarks:
        """A remark where an event begins or ends inside an interval: so much of it is not settled."""
        step_ms = 1000 * self._interval_s
        if not (row.start_ms % step_ms or row.end_ms % step_ms):
            return ()
        return ({"code": "dispatch.off_edges", "data": {"minutes": f"{self._interval_s / 60:g}"}},)

    def _check_time(self, plan: Plan, start_ms: int, end_ms: int, now_ms: int) -> None:
        if end_ms <= start_ms:
            raise StoreError("dispatch.ends_before_start")
        if end_ms <= now_ms or start_ms < now_ms - LATE_MS:
            raise StoreError("dispatch.past", start=iso_utc(start_ms), now=iso_utc(now_ms))
        check_end(plan, start_ms, end_ms, now_ms)
        notice_s = self._notice_s.get(plan.id, 0.0)  # a draft may be older than the site file
        if start_ms - now_ms < round(1000 * notice_s):
            given = f"{max(0, start_ms - now_ms) / 60_000:.0f}"
            raise StoreError("dispatch.notice_too_short", wanted=f"{notice_s / 60:g}", given=given)

    @staticmethod
    def _mode(plan: Plan, request: EventRequest) -> Mode:
        if not request.mode:
            return plan.mode
        asked = Mode(request.mode)
        if STRENGTH.index(asked) > STRENGTH.index(plan.mode):
            raise StoreError("dispatch.mode_stronger", mode=asked.value, plan=plan.id, own=plan.mode.value)
        return asked

    def _check_key(self, request: EventRequest | EventListRequest) -> None:
        if code := dispatcher_of(self._settings.operators, request.operator, request.key):
            raise StoreError(code, operator=request.operator)

    @staticmethod
    def _check_free(engine: WriterEngine, site: str, start_ms: int, end_ms: int, besides: str = "") -> None:
        for other in events(engine, site, lives=OPEN):
            if other.source == LIMITER:
                continue  # it hands back first
            if other.id != besides and start_ms < other.end_ms and other.start_ms < end_ms:
                when = {"start": iso_utc(other.start_ms), "end": iso_utc(other.end_ms)}
                raise StoreError("dispatch.overlaps", event=other.id, **when)

    def _id(self, engine: WriterEngine, site: str, request: EventRequest, start_ms: int) -> str:
        local = datetime.fromtimestamp(start_ms / 1000, self._zone)
        wanted = request.event or f"{request.plan}-{local:%Y%m%d-%H%M}"
        tried, number = wanted, 1
        while events(engine, site, ids=[tried]):
            if request.event:
                raise StoreError("dispatch.known_event", event=wanted)
            number += 1
            tried = f"{wanted}-{number}"
        return tried

    # -- one that there is -------------------------------------------------------------------------------

    def _end(
        self, engine: WriterEngine, site: str, event: EventRow, request: EventRequest, now_ms: int
    ) -> EventRow:
        """Cancel what has not begun, abort what is active. Handing back is never refused to anybody."""
        cancels = request.what == "cancel"
        allowed = (Life.DRAFT, *WAITING) if cancels else (Life.ACTIVE,)
        if event.life not in allowed:
            code = "dispatch.not_cancellable" if cancels else "dispatch.not_active"
            raise StoreError(code, event=event.id, life=event.life.value)
        if cancels and event.mode is Mode.LIVE:
            self._check_key(request)
        to = Life.CANCELLED if cancels else Life.ABORTED
        step = Step(event.id, now_ms, to.value, _who(request), {"note": request.note})
        if not move_event(engine, site, event.id, allowed, to, step):
            raise StoreError("dispatch.changed_meanwhile", event=event.id)
        if event.source == LIMITER and event.mode is Mode.LIVE:
            disarm(engine, site, _who(request), now_ms)  # else it would begin again in a moment
        return replace(event, life=to)

    def _change(
        self, engine: WriterEngine, site: str, event: EventRow, request: EventRequest, now_ms: int
    ) -> tuple[EventRow, Remarks]:
        """Another time, or more or less of the plan. What began keeps its start."""
        if event.life not in OPEN:
            raise StoreError("dispatch.not_open", event=event.id, life=event.life.value)
        began = event.life is Life.ACTIVE
        # A start that is past is now: the request took its way.
        span_ms = event.start_ms if began else max(request.start_ms, now_ms), request.end_ms
        if began or span_ms[0] == event.start_ms:
            check_end(event.plan, *span_ms, now_ms)
        else:
            self._check_time(event.plan, *span_ms, now_ms)
        check_power(event.plan, request.wanted_kw)
        self._check_free(engine, site, *span_ms, besides=event.id)
        changed = replace(event, start_ms=span_ms[0], end_ms=span_ms[1], wanted_kw=request.wanted_kw)
        remarks = self._terms(engine, site, changed)
        if event.mode is Mode.LIVE:
            self._check_key(request)
        data = {"start": iso_utc(span_ms[0]), "end": iso_utc(span_ms[1]), "kw": request.wanted_kw}
        step, lives = (
            Step(event.id, now_ms, "changed", _who(request), data),
            (Life.ACTIVE,) if began else WAITING,
        )
        if not change_event(engine, site, event.id, lives, span_ms, request.wanted_kw, step):
            raise StoreError("dispatch.changed_meanwhile", event=event.id)
        return changed, remarks

    def _signal(
        self, engine: WriterEngine, site: str, event: EventRow, request: EventRequest, now_ms: int
    ) -> EventRow:
        if event.life not in OPEN:
            raise StoreError("dispatch.not_open", event=event.id, life=event.life.value)
        signal = Signal(request.signal, now_ms, request.ttl_s)
        data: dict[str, Any] = {"active": request.signal, "ttl_s": request.ttl_s}
        tell_signal(engine, site, event.id, signal, Step(event.id, now_ms, "signal", _who(request), data))
        return replace(event, signal=signal)

    @staticmethod
    def _audit(engine: WriterEngine, site: str, request: EventRequest, now_ms: int, **more: str) -> None:
        detail: dict[str, Any] = {"plan": request.plan, "event": request.event, "source": request.source}
        detail |= {"operator": request.operator, "note": request.note, **more}
        told = {key: value for key, value in detail.items() if value}
        add_audit(engine, site, now_ms, request.who, f"dr.{request.what}", told)


def _is_armed(row: EventRow) -> bool:
    """Whether it will write to equipment, so that a key and a programme's terms are wanted."""
    return row.mode is Mode.LIVE and row.life is not Life.DRAFT


def _is_same(row: EventRow, request: EventRequest, told: Sequence[dict[str, Any]]) -> bool:
    """Whether an event of a file stands in the store as the file has it, whatever became of it since.

    Parameters
    ----------
    told : the event's steps.
    """
    stands = row.plan.id, row.start_ms, row.end_ms, row.wanted_kw, row.programme
    wanted = request.plan, request.start_ms, request.end_ms, request.wanted_kw, request.programme
    written = told[0]
    notice_ms = min(request.noticed_ms or written["at_ms"], written["at_ms"])
    # The notice of a draft is its confirmation; a plan's bid may have changed since.
    same_notice = written["kind"] == Life.DRAFT.value or notice_ms == row.noticed_ms
    return stands == wanted and same_notice and request.bid in (None, row.bid)


def _who(request: EventRequest) -> str:
    return f"{request.operator} ({request.who})" if request.operator else request.who
