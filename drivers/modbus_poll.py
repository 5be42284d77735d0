"""One poll of one device: every block asked, what is refused told apart, the answers made a scan."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.contract import Busy, NoAnswer, Refused
from drivers.modbus_device import (
    FIRST_FRUITLESS_S,
    FIRST_REST_S,
    LAST_FRUITLESS_S,
    LAST_REST_S,
    Device,
    Plan,
    Rest,
    names,
)
from drivers.modbus_link import Question, question
from drivers.planner import Block, split_block
from rules.scan import Scan

Part = tuple[Block, bytes | None, Refused | None]
"""A block, what came for it, and why nothing did."""

Ask = Callable[[Device, Question], Awaitable[bytes]]

_NO_SUCH_FUNCTION, _NO_SUCH_ADDRESS, _NO_SUCH_VALUE = 1, 2, 3
_FOR_GOOD = (_NO_SUCH_FUNCTION, _NO_SUCH_ADDRESS, _NO_SUCH_VALUE)
_SPLITS = (_NO_SUCH_ADDRESS, _NO_SUCH_VALUE)
"""What a device says that has a hole inside a joined block, or bears fewer registers at once."""


@dataclass(slots=True)  # one a poll: frozen costs three times as much to make
class Reading:
    """A scan, and why some of its points are missing."""

    scan: Scan
    refused: Refused | None = None
    nothing_came: bool = False


class Poller:
    """Polls the devices of a line.

    Parameters
    ----------
    ask : puts one question to the line; raises ``DriverError``.
    clock_ms : wall clock, which stamps the scan. now_s : monotonic clock.
    """

    def __init__(self, ask: Ask, clock_ms: Callable[[], int], now_s: Callable[[], float]) -> None:
        self._ask = ask
        self._clock_ms = clock_ms
        self._now_s = now_s

    async def poll(self, device: Device) -> Reading:
        """Read every block, within ``unwarned``. A refused block's points are MISSING, the others go on.

        Raises ``Unreachable`` or ``Garbled``: then nothing is booked.
        """
        plan = device.plan
        payloads: list[bytes | None] = []
        refusals: dict[int, Refused] = {}
        at_ms = 0
        for i, one in enumerate(plan.questions):
            if device.resting and self._rests(device, one):
                payloads.append(None)
            else:
                try:
                    payloads.append(await self._ask(device, one))
                except Refused as refused:
                    payloads.append(None)
                    refusals[i] = refused
                except NoAnswer as silent:
                    if silent.code != NoAnswer.code or not any(payloads):
                        raise
                    raise _block_silent(device, plan.blocks[i], silent) from silent
            if i <= plan.stamp:
                at_ms = self._clock_ms()
        if not refusals and not device.resting:
            return Reading(Scan(device.layout, at_ms, *plan.decoder.decode_unwarned(payloads)))
        return await self._explained(device, payloads, refusals, at_ms)

    def _rests(self, device: Device, one: Question) -> bool:
        rest = device.resting.get(one)
        return rest is not None and rest.until_s > self._now_s()

    async def _explained(
        self, device: Device, payloads: list[bytes | None], refusals: dict[int, Refused], at_ms: int
    ) -> Reading:
        """Find the culprits of refused blocks, remember them, and say which points are missing."""
        last = next(iter(refusals.values()), None)
        parts: list[Part] = []
        halved = False
        for i, (block, payload) in enumerate(zip(device.plan.blocks, payloads, strict=True)):
            refused = refusals.get(i)
            if refused is not None and self._may_split(device, refused):
                parts += await self._halved(device, block, refused)
                halved = True
            else:
                parts.append((block, payload, refused))
        if all(payload is None for _, payload, _ in parts):
            # The wrong profile, or a device that is starting: what was learnt of it stays as it was.
            if halved:
                self._rest_from_halving(device)
            values = device.plan.decoder.decode([None] * len(device.plan.blocks))
            return Reading(Scan(device.layout, at_ms, *values), last, nothing_came=True)
        device.fruitless = 0
        plan = self._remember(device, parts)
        scan = Scan(device.layout, at_ms, *plan.decoder.decode([payload for _, payload, _ in parts]))
        missing = [block for block, payload, _ in parts if payload is None]
        return Reading(scan, _in_words(device, missing, last) if missing else None)

    def _may_split(self, device: Device, refused: Refused) -> bool:
        return refused.data["exception"] in _SPLITS and self._now_s() >= device.whole_until_s

    def _rest_from_halving(self, device: Device) -> None:
        """Halving found nothing: try again soon, then seldom, for a device that starts answers by and by."""
        device.fruitless = min(device.fruitless + 1, 10)
        rest_s = min(FIRST_FRUITLESS_S * 2.0 ** (device.fruitless - 1), LAST_FRUITLESS_S)
        device.whole_until_s = self._now_s() + rest_s

    async def _halved(self, device: Device, block: Block, refused: Refused) -> list[Part]:
        """Ask for the halves of a refused block, until what is refused is alone."""
        halves = split_block(block, device.limits)
        if len(halves) == 1:
            return [(block, None, refused)]
        parts: list[Part] = []
        for half in halves:
            one = question(device.where, device.unit, half.table, half.start, half.count)
            try:
                parts.append((half, await self._ask(device, one), None))
            except Refused as again:
                if again.data["exception"] in _SPLITS:
                    parts += await self._halved(device, half, again)
                else:
                    parts.append((half, None, again))
        return parts

    def _remember(self, device: Device, parts: list[Part]) -> Plan:
        """The plan that works, kept for the next polls; the culprits are left alone for a good while."""
        blocks = tuple(block for block, _, _ in parts)
        if blocks != device.plan.blocks:
            device.plan = Plan.of(device.where, device.unit, blocks)
        now_s, healed = self._now_s(), False
        for one, (block, payload, refused) in zip(device.plan.questions, parts, strict=True):
            if payload is not None:
                healed = device.resting.pop(one, None) is not None or healed
            elif refused is not None and _is_for_good(device, block, refused):
                known = device.resting.get(one)
                length_s = min(2 * known.length_s, LAST_REST_S) if known else FIRST_REST_S
                device.resting[one] = Rest(now_s + length_s, length_s)
        plan = device.plan
        if healed and not device.resting:
            device.plan = device.whole  # joined again from the next poll on
        return plan


def _is_for_good(device: Device, block: Block, refused: Refused) -> bool:
    """Whether a refusal speaks of this block alone: one that was not halved yet may have a single culprit."""
    exception = refused.data["exception"]
    return exception == _NO_SUCH_FUNCTION or (
        exception in _FOR_GOOD and len(split_block(block, device.limits)) == 1
    )


def _block_silent(device: Device, block: Block, silent: NoAnswer) -> NoAnswer:
    """A silence told of its block alone: the device has just answered for others."""
    data = {"points": names([block]), "timeout_s": silent.data["timeout_s"]}
    return NoAnswer(device.where, "driver.block_silent", **data)


def _in_words(device: Device, missing: list[Block], last: Refused | None) -> Refused:
    if isinstance(last, Busy):
        return last
    data = {} if last is None else {"exception": last.data["exception"]}
    return Refused(device.where, "driver.points_refused", points=names(missing), **data)
