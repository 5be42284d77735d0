"""Delivery of what is committed: whatever the far side does, nothing is skipped and nothing is lost.

One batch is in flight. Its cursor moves once the far side has promised to keep it and the move is on disk;
until then the rows are simply still in the store, so that memory is the same through any outage.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from monitor.clock import Clock
from monitor.sinks.batches import Batch, Batches, Stretch
from monitor.sinks.condition import Condition
from monitor.sinks.contract import (
    CLOCKS_DISAGREE,
    STREAMS,
    FarEnd,
    SinkCheck,
    SinkHealth,
    SinkState,
    Trouble,
    UnsendableError,
    Verdict,
)
from monitor.sinks.lanes import SPLIT_ROWS, pending
from monitor.sinks.pace import BatchSize, Pace
from monitor.sinks.sending import Sending, jitter
from monitor.store.courses import Course
from monitor.store.deliveries import Backfill, Letter, LetterState
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import Commit, DeadLetterRow, SettledLetter
from monitor.store.writer import Writer

T = TypeVar("T")

LETTERS_AT_ONCE = 500

MakeFarEnd = Callable[[], FarEnd]
Settle = Callable[[Commit], Awaitable[None]]
"""Writes a commit down together with the cursor that moves."""


async def check_far_end(make: MakeFarEnd) -> SinkCheck:
    """Write one harmless line: only a write proves address, certificate, token and rights at once."""
    far_end = make()
    try:
        await far_end.open()
        answer = await far_end.write([far_end.probe()])
    finally:
        await far_end.close()
    if answer.verdict is Verdict.TAKEN:
        data = {"sink": far_end.sink, "address": far_end.address, **answer.data}
        if answer.clocks_disagree:
            return SinkCheck(far_end.sink, False, CLOCKS_DISAGREE, data)
        return SinkCheck(far_end.sink, True, far_end.takes, data)
    return SinkCheck(far_end.sink, False, answer.code, answer.data)


class Delivery:
    """The sink of one entry of the site file.

    Parameters
    ----------
    make : makes its far end; the running one and that of ``check`` are two.
    committed : set by the application when something was committed; without it the store is polled.
    """

    def __init__(
        self,
        make: MakeFarEnd,
        reader: StoreReader,
        writer: Writer,
        clock: Clock,
        *,
        committed: asyncio.Event | None = None,
        pace: Pace | None = None,
        split_rows: int = SPLIT_ROWS,
    ) -> None:
        self._make = make
        self._far_end = make()
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._committed = committed
        self._pace = pace or Pace()
        self._split_rows = split_rows
        self._batches = Batches(reader, self._far_end)
        self._condition = Condition(clock)
        self._size = BatchSize(self._far_end.max_bytes, self._pace.drain_s)
        self._sending = Sending(self._far_end, self._condition, self._size, self._pace, clock)
        self._courses: dict[str, Course] = {}
        self._turn = 0
        self._delivered = dict.fromkeys(STREAMS, 0)
        self._empty = dict.fromkeys(STREAMS, 0)

    # -- the contract -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            await self._far_end.open()
            cursors = await self._from_store(lambda: self._reader.cursors(self.id))
            self._courses = {stream: Course.of(stream, cursors) for stream in self._far_end.streams}
            while True:
                more = await self._live()
                again = await self._asked_letters()
                if not (await self._backlog() or again or more):
                    await self._idle()
        finally:
            await self._far_end.close()

    @property
    def id(self) -> str:
        """Its id in the site file."""
        return self._far_end.sink

    def standing(self) -> tuple[SinkState, int, Trouble | None]:
        """How it is doing, since when, and the last trouble."""
        condition = self._condition
        return condition.state, condition.since_ms, condition.trouble

    async def health(self) -> SinkHealth:
        """How it is doing, counted in the store now."""
        pending, dead_letters = await asyncio.to_thread(self._count)
        condition = self._condition
        return SinkHealth(
            sink=self.id,
            state=condition.state,
            since_ms=condition.since_ms,
            trouble=condition.trouble,
            pending=pending,
            delivered=dict(self._delivered),
            empty=dict(self._empty),
            dead_letters=dead_letters,
        )

    async def check(self) -> SinkCheck:
        """Try the far side once; see ``check_far_end``."""
        return await check_far_end(self._make)

    # -- whose turn it is ---------------------------------------------------------------------------

    async def _live(self) -> bool:
        """Deliver what is new, each stream in turn, until none has more than a moment's rows.

        While lines at fault are being found, once: others than the live rows have their turn as well.
        Returns whether more is to be done at once.
        """
        while True:
            more = False
            for stream in self._far_end.streams:
                more |= await self._advance(stream)
            if not more or self._sending.is_sorting:
                return more

    async def _advance(self, stream: str) -> bool:
        """Deliver the next live batch of a stream. Returns whether more of it waits already."""
        course = self._courses[stream]
        batch = await self._read(Stretch(stream, course.newest), backlog=False)
        if batch is None:
            self._sending.sorted(stream)
            return False
        if batch.more:
            newest = await self._from_store(lambda: self._reader.newest_position(stream))
            if newest - course.newest > self._split_rows:
                await self._move(stream, course.split(newest), Commit())
                return False
        moved = partial(self._moved, batch, live=True)
        took_s = await self._deliver(batch, stream, moved)
        if batch.more:
            # A backlog may take half of the server's time and of ours.
            await asyncio.sleep(min(self._pace.rest_s, took_s))
        return batch.more

    async def _backlog(self) -> bool:
        """Deliver one batch of what waits behind, each lane in turn. Returns whether there was any."""
        lanes: list[Course | Backfill] = [one for one in self._courses.values() if one.has_backlog]
        lanes += [one for one in await self._backfills() if not one.is_done]
        if not lanes:
            return False
        self._turn += 1
        lane = lanes[self._turn % len(lanes)]
        if isinstance(lane, Course):
            took_s = await self._drain(lane)
        else:
            took_s = await self._refill(lane)
        self._size.drained(took_s)
        await asyncio.sleep(min(self._pace.rest_s, took_s))
        return True

    async def _drain(self, course: Course) -> float:
        batch = await self._read(Stretch(course.stream, course.behind, course.live_from), backlog=True)
        if batch is None or not batch.more:
            batch = batch or Batch(course.stream, course.behind)
            batch.position = course.live_from
        return await self._deliver(batch, f"{course.stream} behind", partial(self._moved, batch, live=False))

    async def _backfills(self) -> list[Backfill]:
        return await self._from_store(lambda: self._reader.deliveries.backfills(self.id))

    async def _refill(self, backfill: Backfill) -> float:
        span_ms = (backfill.from_ms, backfill.to_ms)
        stretch = Stretch(backfill.stream, backfill.position, backfill.until, span_ms)
        batch = await self._read(stretch, backlog=True)
        if batch is None or not batch.more:
            batch = batch or Batch(backfill.stream, backfill.position)
            batch.position = backfill.until
        ready = batch

        async def settle(commit: Commit) -> None:
            commit.cursors[self.id, backfill.lane] = ready.position
            await self._commit(commit)

        return await self._deliver(batch, backfill.lane, settle)

    async def _idle(self) -> None:
        await asyncio.sleep(self._pace.gather_s)
        if self._committed is None:
            await asyncio.sleep(self._pace.poll_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll_s):
                await self._committed.wait()
        self._committed.clear()

    # -- one batch ----------------------------------------------------------------------------------

    async def _read(self, stretch: Stretch, *, backlog: bool) -> Batch | None:
        size = self._size.of(backlog=backlog)
        return await self._from_store(lambda: self._batches.read(stretch, size))

    async def _from_store(self, read: Callable[[], T]) -> T:
        """What the store says, in a worker thread; waits while its disk is in trouble."""
        failed = False
        while True:
            try:
                answer = await asyncio.to_thread(read)
            except UNREADABLE as error:
                failed = True
                data = {"sink": self.id, "reason": str(error.__cause__ or error)}
                self._condition.worse(SinkState.BACKING_OFF, "sink.store_unreadable", data)
                await asyncio.sleep(self._sending.backoff.failed(jitter()))
            else:
                if failed:
                    self._sending.backoff.succeeded()
                    self._condition.fine("sink.store_readable", {"sink": self.id})
                return answer

    async def _deliver(self, batch: Batch, lane: str, settle: Settle) -> float:
        """Send a batch, bury what is refused for good and settle it. Returns how long sending took.

        Of a batch with many lines at fault, what was judged so far is settled: the batch is cut there.
        """
        started_s = self._clock.monotonic_s()
        judged = await self._sending.deliver(batch.lines, lane, more=batch.more)
        refused = judged.refused
        if judged.count < len(batch.lines):
            batch.cut(judged.count)
        took_s = self._clock.monotonic_s() - started_s
        at_ms = self._clock.now_ms()
        letters = [
            DeadLetterRow(self.id, at_ms, line, reason, batch.stream, position)
            for line, reason, position in batch.unsendable
        ]
        letters += [
            DeadLetterRow(self.id, at_ms, one.line, one.words, batch.stream, batch.positions[one.index])
            for one in refused
        ]
        await settle(Commit(dead_letters=letters))
        self._delivered[batch.stream] += len(batch.lines) - len(refused)
        self._empty[batch.stream] += len(batch.empties)
        if letters:
            self._mention(letters)
        return took_s

    def _mention(self, letters: list[DeadLetterRow]) -> None:
        first = letters[0]
        line = first.line[:200].decode(errors="replace")
        shown = {"sink": self.id, "address": self._far_end.address, "count": len(letters)}
        self._condition.mention(
            logging.ERROR, "sink.dead_letters", {**shown, "words": first.reason, "line": line}
        )

    # -- dead letters that a person wants tried again -----------------------------------------------

    async def _asked_letters(self) -> bool:
        """Send letters once more, as their rows are now. Returns whether there were any."""
        asked = [LetterState.ASKED]
        letters = await self._from_store(
            lambda: self._reader.deliveries.letters(self.id, asked, LETTERS_AT_ONCE)
        )
        if not letters:
            return False
        pairs = await self._from_store(lambda: [(one, self._line_of(one)) for one in letters])
        sent = [(letter, line) for letter, line in pairs if isinstance(line, bytes) and line]
        lines, more = [line for _, line in sent], len(letters) == LETTERS_AT_ONCE
        judged = await self._sending.deliver(lines, "letters", more=more)
        refused = {one.index: one.words for one in judged.refused}
        at_ms = self._clock.now_ms()
        settled = [
            SettledLetter(letter.id, LetterState.OPEN, at_ms, refused[index])
            if index in refused
            else SettledLetter(letter.id, LetterState.DELIVERED, at_ms)
            for index, (letter, _) in enumerate(sent[: judged.count])
        ]
        settled += [
            SettledLetter(letter.id, LetterState.SUPERSEDED, at_ms)
            if line is None or line == b""
            else SettledLetter(letter.id, LetterState.OPEN, at_ms, str(line))
            for letter, line in pairs
            if not (isinstance(line, bytes) and line)
        ]
        await self._commit(Commit(settled_letters=settled))
        return True

    def _line_of(self, letter: Letter) -> bytes | str | None:
        """The line as it would be now; None when the row has changed since; a reason when it has none."""
        if not letter.position:
            return letter.line
        row = self._reader.row_at(letter.stream, letter.position)
        if row is None:
            return letter.line if letter.stream == "scans" else None
        try:
            return self._far_end.render(letter.stream, row)
        except UnsendableError as error:
            return str(error)

    # -- the cursor ---------------------------------------------------------------------------------

    async def _moved(self, batch: Batch, commit: Commit, *, live: bool) -> None:
        await self._move(batch.stream, self._courses[batch.stream].moved(batch.position, live=live), commit)

    async def _move(self, stream: str, course: Course, commit: Commit) -> None:
        """Put the cursors where a course is, and wait until that is on disk."""
        for name, position in course.cursors(self._courses[stream]).items():
            commit.cursors[self.id, name] = position
        await self._commit(commit)
        self._courses[stream] = course

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
        return pending(self._reader, self.id, self._far_end.streams), self._reader.dead_letter_count(self.id)
