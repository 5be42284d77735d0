"""A Modbus device as the poller sees it: what to ask, what it refuses, and how it is doing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.contract import Backoff, DeviceCondition, DeviceNews, DriverError, Where
from drivers.modbus_link import Question, question
from drivers.modbus_profile import Limits, ModbusProfile
from drivers.planner import Block
from drivers.profile import is_counter
from drivers.registers import ScanDecoder
from drivers.settings import ModbusDevice
from drivers.tally import Tally
from rules.scan import Layout

OFFLINE_AFTER = 3
"""Failures in a row after which a device counts as offline, not merely degraded."""

FIRST_REST_S, LAST_REST_S = 60.0, 3600.0
"""A point that the device refuses by its address is asked for again after so long, doubling."""

FIRST_FRUITLESS_S, LAST_FRUITLESS_S = 5.0, 600.0
"""A device that refused every half of every block is not asked for halves for so long, doubling."""

_NAMED = 8
"""So many refused points are named in words; of more, how many more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The reads of one poll.

    Attributes
    ----------
    questions : one for each block.
    stamp : the block whose answer gives the scan its instant: the first with a counter.
    """

    blocks: tuple[Block, ...]
    questions: tuple[Question, ...]
    decoder: ScanDecoder
    stamp: int

    @classmethod
    def of(cls, where: Where, unit: int, blocks: Sequence[Block]) -> "Plan":
        """Encode and prepare everything that does not change from poll to poll."""
        with_counter = [i for i, b in enumerate(blocks) if any(is_counter(p.name) for p in b.points)]
        return cls(
            blocks=tuple(blocks),
            questions=tuple(question(where, unit, b.table, b.start, b.count) for b in blocks),
            decoder=ScanDecoder(blocks),
            stamp=with_counter[0] if with_counter else 0,
        )


class Rest(NamedTuple):
    """How long a block is left alone, monotonic seconds."""

    until_s: float
    length_s: float


@dataclass(slots=True)
class DeviceState:
    """Online, degraded or offline; since when; and the last error."""

    condition: DeviceCondition | None = None
    since_ms: int = 0
    error: DriverError | None = None

    def becomes(
        self, device: str, condition: DeviceCondition, error: DriverError | None, now_ms: int
    ) -> DeviceNews | None:
        """The news, if it is any: another condition, another kind of error, or other points refused."""
        if condition is self.condition and _kind(error) == _kind(self.error):
            return None
        if condition is not self.condition:
            self.condition, self.since_ms = condition, now_ms
        self.error = error
        return DeviceNews(device, condition, error, self.since_ms)


def _kind(error: DriverError | None) -> tuple[str, object] | None:
    return None if error is None else (error.code, error.data.get("points"))


@dataclass(slots=True)
class Device:
    """A device with everything resolved before the first poll.

    Attributes
    ----------
    whole : the plan as the profile's limits allow it.
    plan : the one in use, which is finer where the device refused a joined block.
    resting : blocks that the device refuses, and how long they are left alone.
    whole_until_s : before this, refused blocks are not halved; fruitless : how often that was in vain.
    tries : how often it was asked in vain in this slot; failures : slots in a row that failed.
    tally : what was seen of it.
    """

    settings: ModbusDevice
    profile: ModbusProfile
    limits: Limits
    layout: Layout
    where: Where
    whole: Plan
    period_ms: int
    phase_ms: int
    timeout_s: float
    retries: int
    plan: Plan = field(init=False)
    resting: dict[Question, Rest] = field(default_factory=dict)
    whole_until_s: float = 0.0
    fruitless: int = 0
    backoff: Backoff = field(default_factory=Backoff)
    tries: int = 0
    failures: int = 0
    state: DeviceState = field(default_factory=DeviceState)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.plan = self.whole

    @property
    def id(self) -> str:
        """As in the site file."""
        return self.settings.id

    @property
    def unit(self) -> int:
        """Its unit id on the line."""
        return self.settings.unit

    @property
    def suspect(self) -> bool:
        """Whether the last question to it was in vain."""
        return self.tries > 0 or self.failures > 0

    def answered(self) -> None:
        """All is well with its line."""
        self.tries = self.failures = 0
        self.backoff.succeeded()


def names(blocks: Sequence[Block]) -> str:
    """The points of some blocks, for people."""
    points = [point.name for block in blocks for point in block.points]
    more = len(points) - _NAMED
    return ", ".join(points[:_NAMED]) + (f", … +{more}" if more > 0 else "")
