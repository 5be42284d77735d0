"""The driver contract: what a driver promises to the collector, and how it says what went wrong.

A driver serves one bus (a gateway, a broker). It is started once and runs until it is cancelled; while
it runs it hands over scans and news of its devices, and it never gives up: a dead far end means
backing off, for ever. To add a driver, write one file that satisfies ``Driver``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from rules.scan import Layout, Scan


class DeviceCondition(StrEnum):
    """How a device is doing."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class DeviceNews:
    """A change in a device's condition.

    Attributes
    ----------
    error : None when the device is online.
    since_ms : when the condition began, milliseconds UTC; None = now. A condition may last while the
        error behind it changes.
    """

    device: str
    condition: DeviceCondition
    error: "DriverError | None" = None
    since_ms: int | None = None


class Delivery(Protocol):
    """Where a driver puts what it got. Called on the event loop; neither call blocks."""

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        """Hand over a reading; ``on_commit`` is called once it is safe on disk (MQTT acknowledges then)."""

    def news(self, news: DeviceNews) -> None:
        """Tell that a device's condition changed."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a driver saw of one device since the driver was made. What a transport knows not stays 0.

    Attributes
    ----------
    polls : times that it was asked for its points; retries : times that it was asked again in one slot.
    missed : polls whose slot passed before they could be asked.
    messages : that came from it, unasked.
    readings : scans that were handed over.
    silent : questions without an answer in time; late : answers that came after that, thrown away.
    foreign : answers of another, in the place of its own, thrown away.
    bad : frames and payloads that could not be read: wrong check sum, wrong size, broken off, no such value.
    refused : exceptions that it answered with.
    duplicates : messages that came again; stale : messages that told of the past, as retained ones do.
    gaps : times that its own numbering showed a message missing.
    restarts : times that it began anew, by its own count of messages.
    dials : connections that were made on its line, or to its broker; of all that are on it.
    reasons : why payloads could not be read, of ``bad``: how many by the code of the reason.
    """

    polls: int = 0
    retries: int = 0
    missed: int = 0
    messages: int = 0
    readings: int = 0
    silent: int = 0
    late: int = 0
    foreign: int = 0
    bad: int = 0
    refused: int = 0
    duplicates: int = 0
    stale: int = 0
    gaps: int = 0
    restarts: int = 0
    dials: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Answer of a device to its profile's probe: does the profile fit?

    ``raw`` holds the words that came, for people who look for off-by-one and word-order errors.
    """

    device: str
    fits: bool
    expected: str
    found: str
    raw: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A value that was written, read back and found to hold.

    Attributes
    ----------
    asked, shown : what was written and what the device shows since, both in the product's unit.
    sent_ms, shown_ms : when the write went out, and when the device had shown the value; UTC.
    """

    asked: float
    shown: float
    sent_ms: int
    shown_ms: int


class Driver(Protocol):
    """One bus and its devices."""

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What its scans look like: one layout for each part of each device."""

    def device_counts(self) -> Mapping[str, Counts]:
        """What it saw of each of its devices, by id. Cheap enough for once a second."""

    async def run(self, delivery: Delivery) -> None:
        """Deliver scans and news until cancelled. Raises only on a programming error."""

    async def read(self, device: str) -> list[Scan]:
        """Read one device now, once. Raises ``DriverError``."""

    async def probe(self, device: str) -> ProbeResult:
        """Ask one device whether its profile fits. Raises ``DriverError``."""

    async def show(self, device: str, point: str, *, own: bool = False) -> float:
        """What the device goes by for a writable point, now. Raises ``DriverError``; never gives NaN.

        Parameters
        ----------
        own : what stands in the point itself, which may be another thing than what the device goes by.
        """

    def check_back(self, device: str, point: str, value: float) -> None:
        """Raise ``DriverError`` where ``write(..., own=True)`` would refuse this value unsent."""

    async def write(self, device: str, point: str, value: float, *, own: bool = False) -> Written:
        """Write one point, once, and read it back; ``value`` in the product's unit.

        Parameters
        ----------
        own : hand back: the point itself is read back, because such a value may be none that the device
            goes by; and the value may be any that the point may show, not only what sheds.

        Raises
        ------
        NotWritable, OutOfRange : nothing was sent.
        NotObeyed : the device took it and goes by something else.
        DriverError : any other; whether it was carried out is not known.
        """

    async def close(self) -> None:
        """Hang up. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a failure, for people: ``10.0.0.7:502 unit 3``."""

    address: str
    device: str = ""


class DriverError(Exception):
    """Something between us and a device went wrong.

    ``code`` names the text in the word catalogue; ``data`` fills it. Which subclass it is says what to do.
    """

    code = "driver.failed"

    def __init__(self, where: Where, /, code: str | None = None, **data: Any) -> None:
        self.where = where
        self.code = code or type(self).code
        self.data = {"address": where.address, "device": where.device, **data}
        super().__init__(f"{self.code}: {self.data}")


class Unreachable(DriverError):
    """Nobody answers: back off and dial again."""

    code = "driver.unreachable"


class NoAnswer(Unreachable):
    """Connected, but this device stays silent: back off this device alone."""

    code = "driver.no_answer"


class Refused(DriverError):
    """The device answered with an exception: the points are bad, the others go on."""

    code = "driver.refused"


class Busy(Refused):
    """The device answered that it is at work on something else: ask again later; nothing is wrong."""

    code = "driver.busy"


class NotWritable(DriverError):
    """The profile does not let this point be written: nothing was sent."""

    code = "write.not_writable"


class OutOfRange(DriverError):
    """The device does not bear this value: nothing was sent."""

    code = "write.out_of_range"


class NotObeyed(DriverError):
    """The device took a write and goes by another value: somebody must look at it."""

    code = "write.not_obeyed"


class Garbled(DriverError):
    """An answer that cannot be what was asked for: discard it, never book it."""

    code = "driver.wrong_size"


@dataclass(slots=True)
class Backoff:
    """Capped exponential backoff with jitter, for ever.

    ``delay_s`` doubles from ``first_s`` to ``cap_s``; the caller gives the random number in [0, 1).
    """

    first_s: float = 0.5
    cap_s: float = 60.0
    _failures: int = field(default=0, init=False)

    def failed(self, random: float) -> float:
        """Seconds to wait after one more failure: 50 to 100 % of the step."""
        step = min(self.cap_s, self.first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return step * (0.5 + 0.5 * random)

    def succeeded(self) -> None:
        """Start again from ``first_s``."""
        self._failures = 0
