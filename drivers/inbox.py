"""From a message to scans: decoding, duplicates, retained messages, and what happens to the rest.

Knows no broker library: ``drivers.mqtt`` hands it what arrived.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from drivers.contract import Delivery, Garbled, Where
from drivers.payloads import Reading
from drivers.presence import Presence
from drivers.receipts import Pending, Receipt, Receipts
from drivers.refusals import PayloadRefused
from drivers.sparkplug import NAMESPACE, Address, Message, Node, SparkplugDecoder, message_of
from drivers.sparkplug_wire import rebirth_request
from drivers.streams import Directory, Stream

LOG_EVERY_MS = 60_000
ASK_AGAIN_S, ASK_AGAIN_CAP_S = 60.0, 3600.0
"""How long a node that was asked for its births is given, doubling while it does not answer."""

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


class Publish(Protocol):
    """How to send a message of our own."""

    def __call__(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Send it as soon as there is a broker."""


@dataclass(slots=True)
class Counts:
    """What came since the start, for the daemon's own health.

    Attributes
    ----------
    gaps : times that a Sparkplug node's numbering showed a message missing.
    restarts : times that a device's own count of messages fell.
    rebirths : requests for a Sparkplug node's births.
    """

    messages: int = 0
    scans: int = 0
    refused: int = 0
    duplicates: int = 0
    retained_ignored: int = 0
    unknown_topic: int = 0
    gaps: int = 0
    restarts: int = 0
    rebirths: int = 0


@dataclass(slots=True)
class _Session:
    """A Sparkplug node, its streams, and when it may be asked again."""

    node: Node
    streams: tuple[Stream, ...]
    devices: frozenset[str]
    ask_after_s: float = float("-inf")
    unanswered: int = 0


class _Now(NamedTuple):
    wall_ms: int
    monotonic_s: float


class Inbox:
    """Takes messages, delivers scans, and sees to it that every message is acknowledged in the end.

    Parameters
    ----------
    address : the broker, for people.
    acknowledge : called with connection and message id.
    publish : to ask a Sparkplug node for its births.
    heard, refused : told of every reading that is delivered, and of every payload that is refused.
    """

    def __init__(
        self,
        address: str,
        directory: Directory,
        *,
        delivery: Delivery,
        presence: Presence,
        acknowledge: Callable[[int, int], None],
        publish: Publish,
        counts: Counts,
        heard: Callable[[Stream, Reading], None] = lambda *_: None,
        refused: Callable[[Garbled], None] = lambda _: None,
    ) -> None:
        self._address = address
        self._routes, self._words = directory.routes, directory.words
        self._delivery = delivery
        self._presence = presence
        self._receipts = Receipts(acknowledge)
        self._publish = publish
        self._counts = counts
        self._heard = heard
        self._refused = refused
        self._logged: dict[str, tuple[int, int]] = {}
        self._sessions = {
            node: _Session(Node(), streams, frozenset(s.sender.device for s in streams if s.sender))
            for node, streams in directory.nodes.items()
        }

    def take(self, arrival: Arrival, now_ms: int, now_s: float) -> None:
        """Handle one message; ``now_ms`` is its arrival, ``now_s`` the same on the monotonic clock."""
        self._counts.messages += 1
        topic = arrival.topic
        receipt = self._receipts.arrived(arrival.connection, arrival.mid) if arrival.qos else None
        routes = self._routes.get(topic, ())
        for stream, decode in routes:
            stream.tally.messages += 1
            try:
                reading = decode(arrival.payload, now_ms)
            except PayloadRefused as refused:
                self._refuse(stream, refused, arrival, _Now(now_ms, now_s))
            else:
                self._read(stream, reading, arrival.retained, receipt, now_ms, now_s)
        if topic in self._words:
            self._word(arrival, _Now(now_ms, now_s))
        elif not routes and not self._sparkplug(arrival, receipt, _Now(now_ms, now_s)):
            self._counts.unknown_topic += 1  # left over from an earlier configuration's session
        if receipt is not None:
            self._receipts.release(receipt)

    def connected(self, now_ms: int, now_s: float) -> None:
        """The broker is there: what Sparkplug nodes said while it was not is lost, and asked for."""
        for session in self._sessions.values():
            session.node.lost()
            for stream in session.streams:
                _clear(stream)
        self.tick(now_ms, now_s)

    def tick(self, now_ms: int, now_s: float) -> None:
        """Ask the Sparkplug nodes for their births that have not told them; to be called now and then."""
        for address, session in self._sessions.items():
            if session.node.wants_rebirth and now_s >= session.ask_after_s:
                wait_s = min(ASK_AGAIN_CAP_S, ASK_AGAIN_S * 2**session.unanswered)
                session.ask_after_s = now_s + wait_s
                session.unanswered = min(session.unanswered + 1, 10)
                self._counts.rebirths += 1
                group, node = address
                _log.info("%s: asking the Sparkplug node %s/%s for its births", self._address, group, node)
                topic = f"{NAMESPACE}/{group}/NCMD/{node}"
                self._publish(topic, rebirth_request(now_ms), qos=0, retain=False)

    def _read(
        self,
        stream: Stream,
        reading: Reading | None,
        retained: bool,
        receipt: Receipt | None,
        now_ms: int,
        now_s: float,
    ) -> None:
        """A reading that could be decoded: stale, only the ground for others, a duplicate, or news."""
        if reading is None:  # about something else; but the device lives
            if not retained:
                self._presence.alive(stream.device, now_s)
            return
        if retained and not stream.is_fresh(reading.at_ms, now_ms):
            self._counts.retained_ignored += 1
            stream.tally.stale += 1
            return
        whole = reading if stream.overlay is None else stream.complete(reading, now_ms)
        if whole is None:
            self._presence.alive(stream.device, now_s)
        elif self._deliver(stream, whole, receipt, now_ms):
            self._presence.heard(stream.device, now_s)

    def _deliver(self, stream: Stream, reading: Reading, receipt: Receipt | None, now_ms: int) -> bool:
        """Hand a reading over, unless it is a duplicate; True when it was news."""
        key = stream.key_of(reading)
        pending = stream.pending(key)
        is_new, is_owed = pending is None, receipt is not None
        # The first one came at QoS 0, so that nobody hears when it is safe: this one is handed over, too.
        is_promised = pending is not None and is_owed and not pending.is_owed
        if is_new and stream.began_anew(reading):
            self._counts.restarts += 1
            stream.tally.restarts += 1
            _log.info("%s: %s: its count of messages fell: it began anew", self._address, stream.device)
        if pending is None or is_promised:
            pending = Pending(self._receipts, is_owed=is_owed)
        if key is not None:
            stream.remember(key, pending, self._counts.messages)
        if receipt is not None:
            # Sent again before the first one was safe, it waits for the same commit.
            pending.wait_for(receipt)
        if is_new:
            self._counts.scans += 1
            stream.tally.readings += 1
            self._heard(stream, reading)
        else:
            self._counts.duplicates += 1
            stream.tally.duplicates += 1
        if is_new or is_promised:
            # What nobody waits for may be let go while there is no time.
            self._delivery.scan(stream.scan(reading, now_ms), pending if pending.is_owed else None)
        return is_new

    def _word(self, arrival: Arrival, now: _Now) -> None:
        """A device, or the broker in its name, says whether it is there."""
        for word in self._words[arrival.topic]:
            try:
                is_there = word.read(arrival.payload)
            except PayloadRefused:
                is_there = None
            if is_there is None:
                self._counts.refused += 1
            elif is_there:
                self._presence.returned(word.device, now.monotonic_s)
            else:
                self._presence.left(word.device)

    def _sparkplug(self, arrival: Arrival, receipt: Receipt | None, now: _Now) -> bool:
        """Follow a Sparkplug message; False where it is none of a node of ours."""
        found = message_of(arrival.topic)
        session = None if found is None else self._sessions.get(found[1][:2])
        if found is None or session is None:
            return False
        kind, sender = found
        speaking = [one for one in session.streams if one.sender == sender]
        for stream in speaking:
            stream.tally.messages += 1
        if arrival.retained:  # births and data never are: somebody else's doing, and of any age
            self._counts.retained_ignored += 1
            return True
        try:
            message = session.node.take(kind, sender.device, arrival.payload, session.devices)
        except PayloadRefused as refused:
            self._counts.refused += not speaking
            for stream in speaking:
                self._refuse(stream, refused, arrival, now)
            return True
        self._counts.gaps += message.is_gap
        for stream in session.streams if message.is_gap else speaking if message.is_birth else ():
            stream.tally.gaps += message.is_gap
            _clear(stream)
        if message.is_death:
            self._died(session, sender)
        else:
            if kind == "NBIRTH":
                session.unanswered = 0
            for stream in speaking:
                self._hear(stream, message, arrival, receipt, now)
        self.tick(now.wall_ms, now.monotonic_s)
        return True

    def _hear(
        self, stream: Stream, message: Message, arrival: Arrival, receipt: Receipt | None, now: _Now
    ) -> None:
        """Deliver what a Sparkplug message says to one part of a device."""
        assert isinstance(stream.decoder, SparkplugDecoder)  # noqa: S101  it has a sender
        try:
            readings = stream.decoder.readings(message, now.wall_ms)
        except PayloadRefused as refused:
            self._refuse(stream, refused, arrival, now)
            return
        for reading, is_past in readings:
            whole = reading if is_past else stream.complete(reading, now.wall_ms)
            if whole is not None:
                self._deliver(stream, whole, receipt, now.wall_ms)
        self._presence.heard(stream.device, now.monotonic_s)

    def _died(self, session: _Session, sender: Address) -> None:
        """A node's last will speaks for all its devices."""
        for stream in session.streams:
            if not sender.device or stream.sender == sender:
                _clear(stream)
                self._presence.left(stream.device)

    def _refuse(self, stream: Stream, refused: PayloadRefused, arrival: Arrival, now: _Now) -> None:
        """Count it, log it now and then, and have it acknowledged: it will never become good."""
        self._counts.refused += 1
        stream.tally.unreadable(refused.code)
        error = Garbled(Where(self._address, stream.device), refused.code, topic=stream.topic, **refused.data)
        self._refused(error)
        if not arrival.retained:
            self._presence.garbled(stream.device, error, now.monotonic_s)
        logged_ms, silent = self._logged.get(stream.device, (now.wall_ms - LOG_EVERY_MS, 0))
        if 0 <= now.wall_ms - logged_ms < LOG_EVERY_MS:
            self._logged[stream.device] = (logged_ms, silent + 1)
            return
        self._logged[stream.device] = (now.wall_ms, 0)
        _log.warning("payload refused: %s (%d more since the last such line)", error, silent)


def _clear(stream: Stream) -> None:
    if stream.overlay is not None:
        stream.overlay.clear()
