"""What the dispatcher keeps, from the event loop: each call is on disk when it returns."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from config.words import Spoken
from monitor.store import events as store
from monitor.store import limiting, writes
from monitor.store.doing import Call, Doing
from monitor.store.ledgers import WriterEngine
from monitor.store.reader import UNREADABLE
from rules.curtailment import OPEN, Life, Track

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S, SILENT_S = 15.0, 1.0
"""A disk that says nothing for so long holds up no guard and no release, or so long while it is silent."""

SAY_AGAIN_S = 60.0
"""What goes on failing in the same way is told once a minute: a turn comes twice a second."""


class Journal:
    """The rows of one site's events, written by the store's writer.

    Parameters
    ----------
    call : the writer's ``call``.
    monotonic_s : the daemon's steady clock.
    """

    def __init__(self, call: Call, site: str, monotonic_s: Callable[[], float]) -> None:
        self._call = call
        self._doing = Doing(call)
        self._site = site
        self._monotonic_s = monotonic_s
        self._owed: deque[_Owed] = deque()
        self._is_paying = False
        self._is_silent = False
        self._complained: dict[str, tuple[str, float]] = {}
        self._is_telling = False

    async def _done(self, work: Callable[[WriterEngine], T]) -> T:
        """Have it done; raises TimeoutError where nobody knows whether it was, or will be."""

        def done(engine: WriterEngine) -> T:
            result = work(engine)
            self._is_silent = False
            return result

        patience_s = SILENT_S if self._is_silent else ANSWER_S
        try:
            async with asyncio.timeout(patience_s):
                return await self._doing(done)
        except TimeoutError:
            self._is_silent = True
            raise TimeoutError(f"no answer within {patience_s:g} s") from None

    async def _stands(self, event: str, action: str, work: Callable[[WriterEngine], T]) -> T:
        """Have it done that an action stands otherwise: what was owed of it tells of an earlier one."""
        earlier = [one for one in self._owed if (one.event, one.action) == (event, action)]

        def done(engine: WriterEngine) -> T:
            result = work(engine)
            for one in earlier:
                one.track = None
            return result

        return await self._done(done)

    async def load(self, now_ms: int | None = None) -> "list[Loaded]":
        """Every event that is open or not handed back, with what became of its actions.

        Parameters
        ----------
        now_ms : at the start of the daemon: writes without an outcome are marked so.
        """
        self.pay()  # first, or what was handed back would stand there as if it were not
        site = self._site

        def work(engine: WriterEngine) -> list[Loaded]:
            if now_ms is not None:
                with suppress(*UNREADABLE):  # what is shed is handed back all the same
                    writes.orphaned_writes(engine, site, now_ms)
            rows = {row.id: row for row in store.events(engine, site, lives=OPEN)}
            shed = store.shed_events(engine, site)
            rows |= {row.id: row for row in store.events(engine, site, ids=shed)}
            return [
                Loaded(
                    row,
                    store.tracks(engine, site, row.id),
                    store.last_shed_ms(engine, site, row.plan.id, row.start_ms),
                    _past_guards(store.steps(engine, site, row.id)),
                )
                for row in rows.values()
            ]

        return await self._doing(work)

    async def move(self, event: str, expected: tuple[Life, ...], to: Life, step: store.Step) -> bool:
        """Let an event go on in its life; False when somebody changed it meanwhile."""
        return await self._done(lambda e: store.move_event(e, self._site, event, expected, to, step))

    async def last_shed_ms(self, plan: str, before_ms: int) -> dict[str, int]:
        """When each action of a plan was shed last before an instant."""
        return await self._done(lambda e: store.last_shed_ms(e, self._site, plan, before_ms))

    async def note(self, step: store.Step) -> None:
        """Keep that something happened."""
        await self._done(lambda engine: store.note_step(engine, self._site, step))

    async def used(self, device: str, point: str, since_ms: int) -> int:
        """How often a point was written since an instant."""
        return await self._done(lambda e: writes.writes_since(e, self._site, device, point, since_ms))

    async def intend(
        self, event: str, action: str, track: Track, write: writes.WriteRow | None
    ) -> int | None:
        """Keep what stood before, and that a write goes out."""
        site = self._site
        return await self._stands(
            event, action, lambda e: writes.intend(e, site, event, action, track, write)
        )

    async def settle(
        self,
        event: str,
        action: str,
        track: Track,
        outcome: writes.Outcome,
        number: int | None,
        write: writes.WriteRow | None,
    ) -> None:
        """Keep what became of a write; where it cannot be kept now it is owed. Raises all the same."""
        owed = _Owed(event, action, track, outcome, number, write)
        try:
            await self._stands(event, action, lambda engine: owed.settle(engine, self._site))
        except Exception:
            self._owed.append(owed)
            raise

    async def unsent(self, event: str, track: Track, write: writes.WriteRow, outcome: writes.Outcome) -> None:
        """Keep a decision for which nothing went over the wire."""
        owed = _Owed(event, write.action, track, outcome, None, write)
        await self._stands(event, write.action, lambda engine: owed.settle(engine, self._site))

    @property
    def owes(self) -> bool:
        """Whether something became of a write that the store does not know yet."""
        return bool(self._owed)

    def pay(self) -> None:
        """Have what is owed put down; nobody waits for it. What the disk does not take is owed on."""
        if not self._owed or self._is_paying:
            return

        def work(engine: WriterEngine) -> None:
            try:
                while self._owed:
                    self._owed[0].settle(engine, self._site)
                    self._owed.popleft()
            except UNREADABLE:
                return  # it was told, and is tried again in a moment
            except Exception:
                self._owed.popleft()  # it stays so, and must not stand in the way of the others
                raise
            finally:
                self._is_paying = False

        self._is_paying = True
        self._call(work)

    def complain(self, event: str, error: Exception) -> None:
        """Tell that something could not be kept, in words where it is the disk; a defect with all it says."""
        text, now_s = str(error.__cause__ or error), self._monotonic_s()
        before, at_s = self._complained.get(event, ("", now_s))
        if text == before and now_s < at_s + SAY_AGAIN_S:
            return
        self._complained[event] = text, now_s
        if isinstance(error, UNREADABLE):
            log.error(Spoken("dispatch.log_unkept", event=event, reason=error.__cause__ or error))
        else:
            log.error("curtailment %s: %s", event, error, exc_info=error)

    async def begin_run(self, row: store.EventRow, digest: str, first: store.Step) -> store.EventRow | None:
        """Write a run of the limiter down; None where the store says that it may not be live."""
        return await self._done(lambda e: limiting.begin_run(e, self._site, row, digest, first))

    def tell_limiter(self, now_ms: int, data: dict[str, Any]) -> None:
        """Keep how the limiter stands; nobody waits for it, and it waits in nobody's way."""
        if self._is_telling:
            return  # the disk is slow: the next one tells more

        def work(engine: WriterEngine) -> None:
            try:
                with suppress(*UNREADABLE):  # it is told again in a moment
                    limiting.put_standing(engine, self._site, now_ms, data)
            finally:
                self._is_telling = False

        self._is_telling = True
        self._call(work)


@dataclass(slots=True)
class _Owed:
    """What became of a write, and where the action stood then; None once a newer standing is kept."""

    event: str
    action: str
    track: Track | None
    outcome: writes.Outcome
    number: int | None
    write: writes.WriteRow | None

    def settle(self, engine: WriterEngine, site: str) -> None:
        """Put it down."""
        writes.settle(
            engine, site, self.event, self.action, self.track, self.outcome,
            number=self.number, write=self.write,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loaded:
    """An event as it stands in the store."""

    row: store.EventRow
    tracks: dict[str, Track]
    last_shed_ms: dict[str, int] = field(default_factory=dict)
    past: frozenset[int] = frozenset()


def _past_guards(steps: list[dict[str, Any]]) -> frozenset[int]:
    """Places of the guards that held actions back when they were told of last."""
    told = [step["data"] for step in steps if step["kind"] == "guard"]
    last = {data["place"]: data["holds_back"] for data in told}
    return frozenset(place for place, holds in last.items() if holds)


def trouble_of(error: Any) -> dict[str, Any]:
    """An error with code and data as the store keeps it."""
    return {"code": error.code, "data": {key: str(value) for key, value in error.data.items()}}
