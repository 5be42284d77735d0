"""Sending lines until each is taken, or refused by itself: what every far side's answers come to."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.contract import Backoff
from monitor.clock import Clock
from monitor.sinks.condition import Condition
from monitor.sinks.contract import CLOCKS_DISAGREE, Answer, FarEnd, SinkState, Verdict
from monitor.sinks.pace import BatchSize, Pace, wait_s


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is refused for good, with the far side's words; ``index`` is its place in the batch."""

    index: int
    line: bytes
    words: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a batch: the first ``count`` lines were taken, or are among those refused."""

    count: int
    refused: list[Refused]


def jitter() -> float:
    """A number in [0, 1)."""
    return random.random()  # noqa: S311  spreads requests; no secret


class Sending:
    """Writes to one far side, as often as it takes."""

    def __init__(
        self, far_end: FarEnd, condition: Condition, size: BatchSize, pace: Pace, clock: Clock
    ) -> None:
        self._far_end = far_end
        self._condition = condition
        self._size = size
        self._pace = pace
        self._clock = clock
        self._sorting: dict[str, Mapping[str, Any]] = {}  # by lane: what was refused first
        self.backoff = Backoff(pace.first_s, pace.cap_s)
        self._clocks_told = False

    def _hold_clocks(self, answer: Answer, data: Mapping[str, Any]) -> None:
        """Say once that the far side's clock shows another time than this machine's, and go on."""
        if answer.clocks_disagree and not self._clocks_told:
            self._condition.mention(logging.WARNING, CLOCKS_DISAGREE, data)
        self._clocks_told = answer.clocks_disagree

    @property
    def is_sorting(self) -> bool:
        """Whether lines at fault are being found: then every lane has a share of the time."""
        return bool(self._sorting)

    async def deliver(self, lines: Sequence[bytes], lane: str, *, more: bool = False) -> Judged:
        """Send until each line is taken, or refused by itself; of a batch with many at fault, for a while.

        Parameters
        ----------
        lane : whose lines they are.
        more : whether others of the lane wait behind them.

        Returns
        -------
        How many were judged, from the first on, and those refused, in order.
        """
        refused: list[Refused] = []
        pieces = [range(len(lines))] if lines else []
        sound = False  # whether the far side has taken anything of this batch
        until_s, count = self._clock.monotonic_s() + self._pace.sort_s, 0
        while pieces:
            if count and self._sorting and self._clock.monotonic_s() >= until_s:
                return Judged(count, refused)
            piece = pieces.pop()
            sent = lines[piece.start : piece.stop]
            answer = await self._insist(sent)
            if answer.verdict is Verdict.TAKEN:
                sound, count = True, piece.stop
                continue
            if answer.too_large:
                self._size.refused(sum(map(len, sent)))
            else:
                self._sort(lane, answer)
            if len(piece) > 1:
                middle = piece.start + len(piece) // 2
                pieces += [range(middle, piece.stop), range(piece.start, middle)]
            elif sound or await self._takes_anything(answer):
                sound, count = True, piece.stop
                refused.append(Refused(piece.start, sent[0], str(answer.data.get("words", ""))))
            else:
                pieces.append(piece)
        if not (refused and more):
            self.sorted(lane)
        return Judged(count, refused)

    def _sort(self, lane: str, answer: Answer) -> None:
        """Lines are at fault: say so at the first refusal, not when the last is found."""
        self._sorting.setdefault(lane, answer.data)
        if self._condition.state is not SinkState.HOLDING:
            self._condition.worse(SinkState.SORTING, "sink.sorting", answer.data)

    def sorted(self, lane: str) -> None:
        """Nothing of a lane is at fault any more."""
        if self._sorting.pop(lane, None) is not None and not self._sorting:
            known = {"sink": self._far_end.sink, "address": self._far_end.address}
            self._condition.fine("sink.sorted", known)

    async def _takes_anything(self, answer: Answer) -> bool:
        """Whether a line is at fault and not the address: is a line taken that is surely right?

        A far side that refuses everything (no such organization, a database of another kind) must not turn a
        whole store into dead letters.
        """
        control = await self._insist([self._far_end.probe()])
        if control.verdict is Verdict.TAKEN:
            return True
        self._condition.worse(SinkState.HOLDING, "sink.refuses_everything", answer.data)
        await asyncio.sleep(self._pace.hold_s)
        return False

    async def _insist(self, lines: Sequence[bytes]) -> Answer:
        """Write, again and again, until the far side has judged the lines themselves."""
        while True:
            answer = await self._far_end.write(lines)
            if answer.verdict is Verdict.TAKEN:
                self.backoff.succeeded()
                known = {"sink": self._far_end.sink, "address": self._far_end.address}
                if not self._sorting:
                    self._condition.fine("sink.recovered", {**known, **answer.data})
                elif self._condition.state is not SinkState.SORTING:
                    self._condition.worse(
                        SinkState.SORTING, "sink.sorting", next(iter(self._sorting.values()))
                    )
                self._hold_clocks(answer, {**known, **answer.data})
                return answer
            if answer.verdict is Verdict.REFUSED:
                self.backoff.succeeded()
                return answer
            state = SinkState.HOLDING if answer.verdict is Verdict.HOLD else SinkState.BACKING_OFF
            self._condition.worse(state, answer.code, answer.data)
            await asyncio.sleep(wait_s(answer, self.backoff, self._pace, jitter()))
