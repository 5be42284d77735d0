"""From a message to scans: decoding, duplicates, retained messages, and what happens to the rest.

Knows no broker library: ``drivers.mqtt`` hands it what arrived.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.contract import Delivery, Garbled, Where
from drivers.mqtt_profile import MqttProfile
from drivers.payloads import PartDecoder, PayloadRefused, Reading
from drivers.presence import Presence
from drivers.receipts import Pending, Receipt, Receipts
from drivers.settings import MqttDevice
from rules.scan import Layout, Scan

REMEMBERED = 128  # instants a stream keeps to know a duplicate by; a broker's window is shared by many
LOG_EVERY_MS = 60_000

_log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """One message from the broker. ``connection`` is the one whose ``mid`` must be acknowledged."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    retained: bool
    connection: int


class Up(NamedTuple):
    """The broker took us in."""


class Down(NamedTuple):
    """No connection: lost, or not to be had. ``code`` names the text."""

    code: str
    reason: str


class Denied(NamedTuple):
    """The broker does not let us subscribe to these."""

    topics: tuple[str, ...]


Event = Arrival | Up | Down | Denied


@dataclass(slots=True)
class Counts:
    """What came since the start, for the daemon's own health."""

    messages: int = 0
    scans: int = 0
    refused: int = 0
    duplicates: int = 0
    retained_ignored: int = 0
    unknown_topic: int = 0
    dropped: int = 0


@dataclass(slots=True, eq=False)
class Stream:
    """One part of one device: the scans that its topic gives."""

    device: str
    topic: str
    layout: Layout
    decoder: PartDecoder
    stale_after_ms: float
    seen: OrderedDict[int, Pending] = field(default_factory=OrderedDict)

    def scan(self, reading: Reading, now_ms: int) -> Scan:
        """The reading as a scan, stamped with its own instant or its arrival's."""
        at_ms = now_ms if reading.at_ms is None else reading.at_ms
        return Scan(self.layout, at_ms, reading.values, reading.quality)

    def is_fresh(self, at_ms: int | None, now_ms: int) -> bool:
        """Whether a retained reading still tells about the present."""
        return at_ms is not None and now_ms - at_ms <= self.stale_after_ms

    def remember(self, at_ms: int, pending: Pending) -> None:
        """Keep an instant, and let go of the oldest."""
        self.seen[at_ms] = pending
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)


def streams_of(devices: Iterable[MqttDevice], profiles: Mapping[str, MqttProfile]) -> list[Stream]:
    """All streams of a bus. KeyError for an unknown profile."""
    return [
        Stream(
            device=device.id,
            topic=part.topic.replace("{topic}", device.topic),
            layout=layout,
            decoder=PartDecoder(part),
            stale_after_ms=device.stale_after_s * 1000,
        )
        for device in devices
        for part, layout in zip(
            profiles[device.profile].parts.values(),
            profiles[device.profile].layouts(device.id).values(),
            strict=True,
        )
    ]


def refusal(address: str, stream: Stream, refused: PayloadRefused) -> Garbled:
    """A refused payload as a driver's error, with where it came from."""
    return Garbled(Where(address, stream.device), refused.code, topic=stream.topic, **refused.data)


class Inbox:
    """Takes messages, delivers scans, and sees to it that every message is acknowledged in the end.

    Parameters
    ----------
    address : the broker, for people.
    acknowledge : called with connection and message id.
    """

    def __init__(
        self,
        address: str,
        streams: Iterable[Stream],
        *,
        delivery: Delivery,
        presence: Presence,
        acknowledge: Callable[[int, int], None],
        counts: Counts,
    ) -> None:
        self._address = address
        self._delivery = delivery
        self._presence = presence
        self._receipts = Receipts(acknowledge)
        self._counts = counts
        self._by_topic: dict[str, list[Stream]] = {}
        self._logged: dict[str, tuple[int, int]] = {}
        for stream in streams:
            self._by_topic.setdefault(stream.topic, []).append(stream)

    def take(self, arrival: Arrival, now_ms: int, now_s: float) -> None:
        """Handle one message; ``now_ms`` is its arrival, ``now_s`` the same on the monotonic clock."""
        self._counts.messages += 1
        receipt = self._receipts.arrived(arrival.connection, arrival.mid) if arrival.qos else None
        streams = self._by_topic.get(arrival.topic, ())
        self._counts.unknown_topic += not streams  # left over from an earlier configuration's session
        for stream in streams:
            try:
                reading = stream.decoder.decode(arrival.payload, now_ms)
            except PayloadRefused as refused:
                self._refuse(stream, refused, arrival, now_ms, now_s)
            else:
                if self._deliver(stream, reading, arrival, receipt, now_ms):
                    self._presence.heard(stream.device, now_s)
        if receipt is not None:
            self._receipts.release(receipt)

    def _deliver(
        self, stream: Stream, reading: Reading, arrival: Arrival, receipt: Receipt | None, now_ms: int
    ) -> bool:
        """Hand a reading over, unless it is a duplicate or a stale retained one; True when it was news."""
        if arrival.retained and not stream.is_fresh(reading.at_ms, now_ms):
            self._counts.retained_ignored += 1
            return False
        pending = None if reading.at_ms is None else stream.seen.get(reading.at_ms)
        is_new = pending is None
        if pending is None:
            pending = Pending(self._receipts)
            if reading.at_ms is not None:
                stream.remember(reading.at_ms, pending)
        if receipt is not None:
            # Sent again before the first one was safe, it waits for the same commit.
            pending.wait_for(receipt)
        if is_new:
            self._counts.scans += 1
            self._delivery.scan(stream.scan(reading, now_ms), pending)
        else:
            self._counts.duplicates += 1
        return is_new

    def _refuse(
        self, stream: Stream, refused: PayloadRefused, arrival: Arrival, now_ms: int, now_s: float
    ) -> None:
        """Count it, log it now and then, and have it acknowledged: it will never become good."""
        self._counts.refused += 1
        error = refusal(self._address, stream, refused)
        if not arrival.retained:
            self._presence.garbled(stream.device, error, now_s)
        logged_ms, silent = self._logged.get(stream.device, (now_ms - LOG_EVERY_MS, 0))
        if 0 <= now_ms - logged_ms < LOG_EVERY_MS:
            self._logged[stream.device] = (logged_ms, silent + 1)
            return
        self._logged[stream.device] = (now_ms, 0)
        _log.warning("payload refused: %s (%d more since the last such line)", error, silent)
