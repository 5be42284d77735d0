"""What each device's topics are, and what one message gives to the part of a device that it is for."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from drivers.mqtt_profile import Availability, MqttPart, MqttProfile
from drivers.payload_json import parse, steps_of, walk
from drivers.payloads import PartDecoder, Reading
from drivers.receipts import Pending
from drivers.refusals import PayloadRefused
from drivers.settings import MqttDevice
from drivers.sparkplug import Address, SparkplugDecoder, address_of, filters_of
from drivers.tally import Tally
from rules.quality import Quality
from rules.scan import Layout, Scan

REMEMBERED, RECENT = 128, 4096
"""A duplicate is known among so many messages of its stream, and among so many of its bus: a broker sends its
whole window again, which one stream may have filled.
"""
FULL = -1
"""Which message of a part: the full one, or the position of a delta."""

DuplicateKey = int | str

Decode = Callable[[bytes, int], Reading | None]
"""What a payload says; None where it is about something else. Raises ``PayloadRefused``."""


class Overlay:
    """The picture that a part's messages of changes are laid over.

    Parameters
    ----------
    points : how many.
    carry_ms : how old a value may be that is carried on; None where the protocol promises that a value
        holds until another one comes.
    """

    def __init__(self, points: int, carry_ms: float | None) -> None:
        self._carry_ms = carry_ms
        self._values = np.full(points, np.nan)
        self._quality = np.full(points, int(Quality.MISSING), dtype=np.uint8)
        self._at_ms = np.zeros(points)

    def clear(self) -> None:
        """Nothing of it holds any more."""
        self._quality[:] = int(Quality.MISSING)

    def lay(self, reading: Reading, at_ms: int) -> Reading:
        """The whole picture once this is laid over it. What is not known stays missing."""
        given = np.ones(len(self._values), dtype=bool) if reading.given is None else reading.given
        fresh = given & (self._at_ms <= at_ms)
        self._values[fresh], self._quality[fresh] = reading.values[fresh], reading.quality[fresh]
        self._at_ms[fresh] = at_ms
        # What is newer than this message has no place in the past.
        holds = given | ((self._at_ms <= at_ms) & (self._quality != Quality.MISSING))
        if self._carry_ms is not None:
            holds &= given | (at_ms - self._at_ms <= self._carry_ms)
        values = np.where(given, reading.values, self._values)
        quality = np.where(given, reading.quality, self._quality)
        return Reading(
            np.where(holds, values, np.nan),
            np.where(holds, quality, np.uint8(Quality.MISSING)),
            reading.at_ms,
            reading.found,
            key=reading.key,
            count=reading.count,
        )


@dataclass(slots=True, eq=False)
class Stream:
    """One part of one device: the scans that its topics give.

    Attributes
    ----------
    topic : for people, and that of the full message.
    filters : all to subscribe to.
    sender : who speaks, with Sparkplug B.
    tally : what was seen of the device. Its parts share it: what is for two of them counts twice.
    """

    device: str
    topic: str
    layout: Layout
    decoder: PartDecoder | SparkplugDecoder
    stale_after_ms: float
    filters: tuple[str, ...]
    tally: Tally
    sender: Address | None = None
    overlay: Overlay | None = None
    has_timed_deltas: bool = False
    _timed_ms: int | None = None
    _last: Reading | None = None
    _count: float | None = None
    _seen: OrderedDict[DuplicateKey, Pending] = field(default_factory=OrderedDict)

    def decode_by(self, which: int) -> Decode:
        """How the messages of one of its topics are decoded."""
        assert isinstance(self.decoder, PartDecoder)  # noqa: S101  Sparkplug has its own way
        return self.decoder.decode if which == FULL else partial(self.decoder.decode_delta, which)

    def scan(self, reading: Reading, now_ms: int) -> Scan:
        """The reading as a scan, stamped with its own instant or its arrival's."""
        at_ms = now_ms if reading.at_ms is None else reading.at_ms
        return Scan(self.layout, at_ms, reading.values, reading.quality)

    def complete(self, reading: Reading, now_ms: int) -> Reading | None:
        """The whole picture, once a reading is known to count.

        None where it only prepares the ground: a full message without a time of its own, of a device
        whose changes have one. Two clocks in one series would make it run backwards.
        """
        if self.overlay is None:
            return reading
        at_ms = now_ms if reading.at_ms is None else reading.at_ms
        whole = self.overlay.lay(reading, at_ms)
        if reading.at_ms is not None:
            self._timed_ms = now_ms
        elif self.has_timed_deltas and now_ms - (self._timed_ms or 0) <= self.stale_after_ms:
            return None
        last, self._last = self._last, whole
        if last is None or reading.at_ms is None or last.at_ms != reading.at_ms or _alike(last, whole):
            return whole
        # More was said of the same instant: a millisecond apart, because a scan is known by its time.
        return replace(whole, at_ms=reading.at_ms + 1)

    def is_fresh(self, at_ms: int | None, now_ms: int) -> bool:
        """Whether a retained reading still tells about the present."""
        return at_ms is not None and now_ms - at_ms <= self.stale_after_ms

    def key_of(self, reading: Reading) -> DuplicateKey | None:
        """What tells a duplicate: what the profile names, else the reading's own instant."""
        if reading.key is not None:
            return reading.key
        if reading.at_ms is None or self.overlay is None:
            return reading.at_ms
        # Changes of one instant may come in several messages; only the same again is a duplicate.
        return f"{reading.at_ms}/{hash((reading.values.tobytes(), reading.quality.tobytes()))}"

    def pending(self, key: DuplicateKey | None) -> Pending | None:
        """The same message's scan on its way to the disk, when it was here before."""
        return None if key is None else self._seen.get(key)

    def remember(self, key: DuplicateKey, pending: Pending, number: int) -> None:
        """Keep the key of the bus's message of this number, come again or not, and let go of the oldest."""
        self._seen[key] = pending
        self._seen.move_to_end(key)
        pending.number = number
        while len(self._seen) > REMEMBERED:
            if next(iter(self._seen.values())).number > number - RECENT:
                break
            self._seen.popitem(last=False)

    def began_anew(self, reading: Reading) -> bool:
        """Follow the device's own count of messages; True when it fell."""
        if reading.count is None or not np.isfinite(reading.count):
            return False
        fell = self._count is not None and reading.count < self._count
        self._count = reading.count
        if fell:
            self._seen.clear()
        return fell


def _alike(one: Reading, other: Reading) -> bool:
    return np.array_equal(one.values, other.values, equal_nan=True)


class Route(NamedTuple):
    """Where a topic leads: a part's full message or one of its deltas."""

    stream: Stream
    decode: Decode


class Word(NamedTuple):
    """Where a topic tells whether a device is there."""

    device: str
    path: tuple[str, ...]
    online: frozenset[str]
    offline: frozenset[str]

    def read(self, payload: bytes) -> bool | None:
        """True for there, False for gone, None for any other word. Raises ``PayloadRefused``."""
        text = parse(payload, is_json=False)
        word = text
        if self.path:
            try:
                word = walk(parse(payload, is_json=True), self.path)
            except PayloadRefused:  # zigbee2mqtt's old way says the word alone
                word = text
        said = str(word)
        return True if said in self.online else False if said in self.offline else None


@dataclass(frozen=True, slots=True)
class Directory:
    """All streams of a bus, and which topic leads where."""

    streams: tuple[Stream, ...]
    routes: Mapping[str, tuple[Route, ...]]
    words: Mapping[str, tuple[Word, ...]]
    nodes: Mapping[tuple[str, str], tuple[Stream, ...]]

    @property
    def filters(self) -> tuple[str, ...]:
        """All to subscribe to, each once."""
        own = [one for stream in self.streams for one in stream.filters]
        return tuple(dict.fromkeys((*own, *self.words)))


def directory_of(
    devices: Iterable[MqttDevice],
    profiles: Mapping[str, MqttProfile],
    zone: str = "UTC",
    tallies: Mapping[str, Tally] | None = None,
) -> Directory:
    """All streams of a bus.

    Parameters
    ----------
    zone : the site's, of payload times that say none and of devices that name none.
    tallies : by device, where counting goes on from an earlier connection.

    Raises
    ------
    KeyError, ValueError
        For an unknown profile; for overrides or a Sparkplug topic that do not fit.
    """
    streams: list[Stream] = []
    words: dict[str, list[Word]] = {}
    for device in devices:
        profile = profiles[device.profile].overridden(device.overrides)
        home = ZoneInfo(device.timezone or zone)
        layouts = profile.layouts(device.id)
        tally = Tally() if tallies is None else tallies[device.id]
        streams += [_stream(device, part, layouts[name], home, tally) for name, part in profile.parts.items()]
        if profile.availability is not None:
            topic = profile.availability.topic.replace("{topic}", device.topic)
            words.setdefault(topic, []).append(_word(device.id, profile.availability))
    return _directory(tuple(streams), {topic: tuple(found) for topic, found in words.items()})


def _directory(streams: tuple[Stream, ...], words: Mapping[str, tuple[Word, ...]]) -> Directory:
    routes: dict[str, list[Route]] = {}
    nodes: dict[tuple[str, str], list[Stream]] = {}
    for stream in streams:
        if stream.sender is not None:
            nodes.setdefault(stream.sender[:2], []).append(stream)
            continue
        for which, topic in enumerate(stream.filters, FULL):
            routes.setdefault(topic, []).append(Route(stream, stream.decode_by(which)))
    return Directory(
        streams,
        {topic: tuple(found) for topic, found in routes.items()},
        words,
        {node: tuple(found) for node, found in nodes.items()},
    )


def _stream(device: MqttDevice, part: MqttPart, layout: Layout, zone: tzinfo, tally: Tally) -> Stream:
    topic = part.topic.replace("{topic}", device.topic)
    stale_after_ms = device.stale_after_s * 1000
    if part.payload == "sparkplug_b":
        sender = address_of(topic)
        return Stream(
            device.id,
            topic,
            layout,
            SparkplugDecoder(part),
            stale_after_ms,
            filters_of(sender),
            tally,
            sender,
            Overlay(len(layout.points), None),
        )
    return Stream(
        device.id,
        topic,
        layout,
        PartDecoder(part, zone),
        stale_after_ms,
        (topic, *(delta.topic.replace("{topic}", device.topic) for delta in part.deltas)),
        tally,
        overlay=Overlay(len(layout.points), stale_after_ms) if part.deltas else None,
        has_timed_deltas=any(delta.time is not None for delta in part.deltas),
    )


def _word(device: str, said: Availability) -> Word:
    return Word(device, steps_of(said.path), frozenset(said.online), frozenset(said.offline))
