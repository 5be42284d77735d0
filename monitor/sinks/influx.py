"""Delivery to InfluxDB's v2 write: whatever the far side does, nothing is skipped and nothing is lost.

One batch is in flight. Its stream's cursor moves once the server has answered 204 and the move is on
disk; until then the rows are simply still in the store, so that memory is the same through any outage.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from config.site import Commodity, InfluxSink
from drivers.contract import Backoff
from monitor.clock import Clock
from monitor.sinks.batches import MAX_BYTES, Batch, Batches
from monitor.sinks.condition import Condition
from monitor.sinks.contract import STREAMS, SinkCheck, SinkHealth, SinkState, Trouble
from monitor.sinks.influx_http import Answer, InfluxHttp, Verdict
from monitor.sinks.lines import line
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer

T = TypeVar("T")

MIN_BYTES = 4096  # no server's limit is believed to be smaller


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a delivery is; other figures than these are for tests.

    Attributes
    ----------
    gather_s : what comes within it goes into one request.
    poll_s : how long after that the store is asked again when nobody says that something came.
    hold_s : between tries while a person is needed.
    first_s, cap_s : the backoff's first and longest wait.
    retry_after_cap_s : the longest wait that a server may ask for.
    rest_s : the longest pause between batches of a backlog; it lasts as long as the batch took.
    """

    gather_s: float = 0.2
    poll_s: float = 0.7
    hold_s: float = 30.0
    first_s: float = 0.5
    cap_s: float = 60.0
    retry_after_cap_s: float = 300.0
    rest_s: float = 1.0


def wait_s(answer: Answer, backoff: Backoff, pace: Pace, jitter: float) -> float:
    """How long to leave the server alone after an answer that took nothing.

    What the server itself asks for counts, up to the cap; ``jitter`` in [0, 1) keeps many daemons from
    coming back at once.
    """
    if answer.verdict is Verdict.HOLD:
        return pace.hold_s
    own_s = backoff.failed(jitter)
    if not answer.retry_after_s:
        return own_s
    return min(pace.retry_after_cap_s, answer.retry_after_s * (1.0 + 0.1 * jitter))


def _jitter() -> float:
    return random.random()  # noqa: S311  spreads requests; no secret


def _control_line(site: str, clock: Clock) -> bytes:
    return line("daemon", {"site": site, "building": site}, [("probe", 1.0)], clock.now_ms())


async def check_influx(settings: InfluxSink, site: str, token: str | None, clock: Clock) -> SinkCheck:
    """Write one point (measurement ``daemon``, field ``probe``).

    Only a write proves address, certificate, token, organization and bucket at once on InfluxDB 2 and 3
    and on VictoriaMetrics: their pings want no token or differ, and an empty write is an error in some
    and fine in others.
    """
    async with InfluxHttp(settings, token, clock) as far_end:
        answer = await far_end.write([_control_line(site, clock)])
    taken = answer.verdict is Verdict.TAKEN
    return SinkCheck(settings.id, taken, "sink.takes" if taken else answer.code, answer.data)


class InfluxDelivery:
    """The sink of one ``influxdb`` entry of the site file.

    Parameters
    ----------
    token : the secret itself, or None; it is never logged.
    meters : commodity of each meter, for the measurement of its intervals.
    committed : set by the application when something was committed; without it the store is polled.
    """

    def __init__(
        self,
        settings: InfluxSink,
        site: str,
        reader: StoreReader,
        writer: Writer,
        token: str | None,
        clock: Clock,
        meters: Mapping[str, Commodity],
        *,
        committed: asyncio.Event | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._site = site
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._committed = committed
        self._pace = pace or Pace()
        self._token = token
        self._far_end = InfluxHttp(settings, token, clock)
        self._batches = Batches(reader, site, meters)
        self._condition = Condition(clock)
        self._backoff = Backoff(self._pace.first_s, self._pace.cap_s)
        self._max_bytes = MAX_BYTES
        self._positions: dict[str, int] = {}
        self._delivered = dict.fromkeys(STREAMS, 0)
        self._empty = dict.fromkeys(STREAMS, 0)

    # -- the contract -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with self._far_end:
            self._positions = await self._from_store(lambda: self._reader.cursors(self._settings.id))
            while True:
                behind = False
                for stream in STREAMS:
                    behind |= await self._advance(stream)
                if not behind:
                    await self._idle()

    @property
    def id(self) -> str:
        """Its id in the site file."""
        return self._settings.id

    def standing(self) -> tuple[SinkState, int, Trouble | None]:
        """How it is doing, since when, and the last trouble."""
        condition = self._condition
        return condition.state, condition.since_ms, condition.trouble

    async def health(self) -> SinkHealth:
        """How it is doing, counted in the store now."""
        pending, dead_letters = await asyncio.to_thread(self._count)
        condition = self._condition
        return SinkHealth(
            sink=self._settings.id,
            state=condition.state,
            since_ms=condition.since_ms,
            trouble=condition.trouble,
            pending=pending,
            delivered=dict(self._delivered),
            empty=dict(self._empty),
            dead_letters=dead_letters,
        )

    async def check(self) -> SinkCheck:
        """Try the server once; see ``check_influx``."""
        return await check_influx(self._settings, self._site, self._token, self._clock)

    # -- one batch ----------------------------------------------------------------------------------

    async def _advance(self, stream: str) -> bool:
        """Deliver the next batch of a stream. Returns whether more of it waits already."""
        batch = await self._read(stream)
        if batch is None:
            return False
        started_s = self._clock.monotonic_s()
        refused = await self._deliver(batch.lines)
        await self._settle(batch, refused)
        if batch.more:
            # A backlog may take half of the server's time and of ours.
            await asyncio.sleep(min(self._pace.rest_s, self._clock.monotonic_s() - started_s))
        return batch.more

    async def _read(self, stream: str) -> Batch | None:
        after = self._positions.get(stream, 0)
        return await self._from_store(lambda: self._batches.read(stream, after, self._max_bytes))

    async def _from_store(self, read: Callable[[], T]) -> T:
        """What the store says, in a worker thread; waits while its disk is in trouble."""
        sink = self._settings.id
        failed = False
        while True:
            try:
                answer = await asyncio.to_thread(read)
            except UNREADABLE as error:
                failed = True
                data = {"sink": sink, "reason": str(error.__cause__ or error)}
                self._condition.worse(SinkState.BACKING_OFF, "sink.store_unreadable", data)
                await asyncio.sleep(self._backoff.failed(_jitter()))
            else:
                if failed:
                    self._backoff.succeeded()
                    self._condition.fine("sink.store_readable", {"sink": sink})
                return answer

    async def _deliver(self, lines: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """Send until each line is taken, or refused by itself. Returns those, with the server's words."""
        refused: list[tuple[bytes, str]] = []
        pieces = [lines] if lines else []
        sound = False  # whether the server has taken anything of this batch
        while pieces:
            piece = pieces.pop()
            answer = await self._insist(piece)
            if answer.verdict is Verdict.TAKEN:
                sound = True
            elif len(piece) > 1:
                self._learn_limit(answer, piece)
                middle = len(piece) // 2
                pieces += [piece[middle:], piece[:middle]]
            elif sound or await self._takes_anything(answer):
                sound = True
                refused.append((piece[0], answer.data["words"]))
            else:
                pieces.append(piece)
        return refused

    def _learn_limit(self, answer: Answer, piece: Sequence[bytes]) -> None:
        if answer.status == 413:
            self._max_bytes = max(MIN_BYTES, sum(map(len, piece)) // 2)

    async def _takes_anything(self, answer: Answer) -> bool:
        """Whether a line is at fault and not the address: does the server take a line that is surely right?

        A server that refuses everything (no such organization, a database of another kind) must not turn a
        whole store into dead letters.
        """
        control = await self._insist([_control_line(self._site, self._clock)])
        if control.verdict is Verdict.TAKEN:
            return True
        self._condition.worse(SinkState.HOLDING, "sink.refuses_everything", answer.data)
        await asyncio.sleep(self._pace.hold_s)
        return False

    async def _insist(self, lines: Sequence[bytes]) -> Answer:
        """Write, again and again, until the server has judged the lines themselves."""
        while True:
            answer = await self._far_end.write(lines)
            if answer.verdict is Verdict.TAKEN:
                self._backoff.succeeded()
                self._condition.fine("sink.recovered", answer.data)
                return answer
            if answer.verdict is Verdict.REFUSED:
                self._backoff.succeeded()
                return answer
            state = SinkState.HOLDING if answer.verdict is Verdict.HOLD else SinkState.BACKING_OFF
            self._condition.worse(state, answer.code, answer.data)
            await asyncio.sleep(wait_s(answer, self._backoff, self._pace, _jitter()))

    # -- the cursor ---------------------------------------------------------------------------------

    async def _settle(self, batch: Batch, refused: list[tuple[bytes, str]]) -> None:
        """Put the cursor behind the batch, and wait until that is on disk."""
        sink = self._settings.id
        now_ms = self._clock.now_ms()
        buried = [*batch.unsendable, *refused]
        commit = Commit(
            cursors={(sink, batch.stream): batch.position},
            dead_letters=[(sink, now_ms, text, reason) for text, reason in buried],
        )
        await self._commit(commit)
        self._positions[batch.stream] = batch.position
        self._delivered[batch.stream] += len(batch.lines) - len(refused)
        self._empty[batch.stream] += batch.empty
        if buried:
            first, words = buried[0]
            shown = {"sink": sink, "address": self._far_end.address, "count": len(buried), "words": words}
            shown["line"] = first[:200].decode(errors="replace")
            self._condition.mention(logging.ERROR, "sink.dead_letters", shown)

    async def _commit(self, commit: Commit) -> None:
        loop = asyncio.get_running_loop()
        safe = asyncio.Event()

        def done() -> None:
            # In the writer's thread; a loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(safe.set)

        commit.done.append(done)
        self._writer.submit(commit)
        await safe.wait()

    def _count(self) -> tuple[dict[str, int], int]:
        cursors = self._reader.cursors(self._settings.id)
        pending = {name: self._reader.count_after(name, cursors.get(name, 0)) for name in STREAMS}
        return pending, self._reader.dead_letter_count(self._settings.id)

    async def _idle(self) -> None:
        await asyncio.sleep(self._pace.gather_s)
        if self._committed is None:
            await asyncio.sleep(self._pace.poll_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll_s):
                await self._committed.wait()
        self._committed.clear()
