"""MQTT 3.1.1 and 5; the only file that knows paho.

Nothing is lost between broker and disk: the client id is stable, the session outlives the connection, and
the broker hears that a message arrived only after the commit of what it carried. paho's own thread reads
the socket and hands over in batches; all else happens on the event loop.
"""

import asyncio
import logging
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.contract import Delivery, DriverError, NoAnswer, ProbeResult, Refused, Unreachable, Where
from drivers.inbox import Arrival, Counts, Denied, Down, Event, Inbox, Stream, Up, refusal, streams_of
from drivers.mqtt_profile import MqttProfile
from drivers.payloads import PayloadRefused, Reading
from drivers.presence import Presence
from drivers.settings import MqttBus
from rules.scan import Layout, Scan

CONNECT_TIMEOUT_S = 3.0
FIRST_RETRY_S, LAST_RETRY_S = 1, 60  # seconds, doubling in between
# How long a broker keeps what comes while we are away: longer than a long weekend with its repair.
SESSION_EXPIRY_S = 7 * 86400
# Messages that may be on their way to the disk. A broker's own default of 20 would let a commit wait.
RECEIVE_MAXIMUM = 1000
# The broker keeps anything larger to itself; between this and payloads.MAX_BYTES it is counted here.
MAXIMUM_PACKET_BYTES = 1024 * 1024
WAITING_MAX = 20_000  # unread messages of QoS 0 beyond this are dropped and counted
TOPICS_A_REQUEST = 100
SLICE = 100  # messages handled before other tasks get a turn
TICK_S = 1.0

_LOGIN_REFUSED = ("Bad user name or password", "Not authorized")

_log = logging.getLogger(__name__)


class _Link:
    """paho's client with its thread, and the hand-over to the event loop.

    ``_on_...`` run on paho's thread, everything else on the loop.

    Parameters
    ----------
    lasting : the daemon's own session, acknowledged by hand; otherwise one for a single look.
    """

    def __init__(
        self, bus: MqttBus, client_id: str, password: str | None, streams: Sequence[Stream], *, lasting: bool
    ) -> None:
        self._bus = bus
        self._topics = tuple(dict.fromkeys(stream.topic for stream in streams))
        self._is_5 = bus.version == "5"
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._connection = 0
        self._refused: Down | None = None
        self._asked: dict[int | None, tuple[str, ...]] = {}
        self._safe: list[tuple[int, int]] = []
        self.dropped = 0
        self._client = self._make_client(client_id, password, lasting)

    def _make_client(self, client_id: str, password: str | None, lasting: bool) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._is_5 else not lasting,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=lasting,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.reconnect_delay_set(FIRST_RETRY_S, LAST_RETRY_S)
        if self._bus.username is not None:
            client.username_pw_set(self._bus.username, password)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.connect_async(
            self._bus.host,
            self._bus.port,
            self._bus.keepalive_s,
            clean_start=not lasting,
            properties=_connect_properties(lasting) if self._is_5 else None,
        )
        return client

    def start(self) -> None:
        """Dial, and keep dialling."""
        self._client.loop_start()

    def revive(self) -> bool:
        """Start the network thread again if it had died."""
        return self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def stop(self) -> None:
        """Say good-bye and end the thread. The daemon's session stays with the broker."""
        self._flush()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        # The callbacks tie the client and this object into a ring; open, paho closes its sockets at once.
        client = self._client
        client.on_connect = client.on_connect_fail = client.on_disconnect = None
        client.on_subscribe = client.on_message = None

    async def wait(self, timeout_s: float) -> None:
        """Sleep until something came, or for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()

    def take(self) -> list[Event]:
        """All that came since the last call, in order."""
        self._woken.clear()
        with self._lock:
            events, self._events = self._events, []
        return events

    def acknowledge(self, connection: int, mid: int) -> None:
        """Tell the broker that a message is safe; void when its connection is gone."""
        if not self._safe:
            self._loop.call_soon(self._flush)
        self._safe.append((connection, mid))

    def _flush(self) -> None:
        """All at once: each hand-over between two threads costs more than the acknowledgement itself."""
        safe, self._safe = self._safe, []
        with self._lock:
            for connection, mid in safe:
                if connection == self._connection:
                    self._client.ack(mid, 1)

    def _put(self, event: Event) -> None:
        with self._lock:
            if len(self._events) >= WAITING_MAX and isinstance(event, Arrival) and event.qos == 0:
                self.dropped += 1
                return
            self._events.append(event)
            is_first = len(self._events) == 1
        if is_first:
            self._loop.call_soon_threadsafe(self._woken.set)

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        if reason.is_failure:
            name = reason.getName()
            code = "mqtt.login_refused" if name in _LOGIN_REFUSED else "mqtt.broker_lost"
            self._refused = Down(code, name)
            return
        self._refused = None
        self._asked.clear()
        with self._lock:
            self._connection += 1
        self._put(Up())
        # Always, even into a kept session: the site file may name other topics than it did.
        for start in range(0, len(self._topics), TOPICS_A_REQUEST):
            topics = self._topics[start : start + TOPICS_A_REQUEST]
            wish: list[Any] = [(topic, SubscribeOptions(qos=1) if self._is_5 else 1) for topic in topics]
            _, mid = client.subscribe(wish)
            self._asked[mid] = topics

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _more: Properties | None
    ) -> None:
        answers = zip(self._asked.pop(mid, ()), reasons, strict=False)
        denied = tuple(topic for topic, reason in answers if reason.is_failure)
        if denied:
            self._put(Denied(denied))

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        # paho calls this while it handles the OSError, and hands over no reason itself.
        error = sys.exc_info()[1]
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        self._put(Down("mqtt.broker_lost", reason))

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _more: Properties | None,
    ) -> None:
        with self._lock:
            self._connection += 1
        down, self._refused = self._refused, None
        self._put(down or Down("mqtt.broker_lost", reason.getName()))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker may pass this on, but paho's thread must live
            topic = ""
        self._put(
            Arrival(topic, bytes(message.payload), message.qos, message.mid, message.retain, self._connection)
        )


def _connect_properties(lasting: bool) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.MaximumPacketSize = MAXIMUM_PACKET_BYTES
    if lasting:
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return properties


class MqttDriver:
    """One broker and the devices that publish to it.

    Parameters
    ----------
    profiles : by name, at least those that the bus's devices name.
    client_id : stable over restarts: the broker keeps our session under it.
    password : where ``bus.username`` is given.
    clock_ms : wall time, milliseconds since 1970-01-01 UTC.
    answer_timeout_s : how long ``read`` and ``probe`` wait for a device's next message. [s]

    Attributes
    ----------
    counts : what came since the start.
    """

    def __init__(
        self,
        bus: MqttBus,
        profiles: Mapping[str, MqttProfile],
        *,
        client_id: str,
        password: str | None,
        clock_ms: Callable[[], int],
        answer_timeout_s: float = 30.0,
    ) -> None:
        self._bus = bus
        self._client_id = client_id
        self._password = password
        self._clock_ms = clock_ms
        self._answer_timeout_s = answer_timeout_s
        self._address = f"{bus.host}:{bus.port}"
        self._streams = streams_of(bus.devices, profiles)
        self._running: asyncio.Task[Any] | None = None
        self.counts = Counts()

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What this bus's scans look like, a layout for each part of each device."""
        return tuple(stream.layout for stream in self._streams)

    async def run(self, delivery: Delivery) -> None:
        """Deliver scans and news until cancelled. ``on_commit`` is to be called on the event loop."""
        self._running = asyncio.current_task()
        loop = asyncio.get_running_loop()
        link = _Link(self._bus, self._client_id, self._password, self._streams, lasting=True)
        stale_after_s = {device.id: device.stale_after_s for device in self._bus.devices}
        presence = Presence(self._address, stale_after_s, delivery.news)
        inbox = Inbox(
            self._address,
            self._streams,
            delivery=delivery,
            presence=presence,
            acknowledge=link.acknowledge,
            counts=self.counts,
        )
        tick_s = min(TICK_S, min(stale_after_s.values()) / 4)
        link.start()
        try:
            while True:
                await link.wait(tick_s)
                events = link.take()
                for start in range(0, len(events), SLICE):
                    for event in events[start : start + SLICE]:
                        if isinstance(event, Arrival):
                            inbox.take(event, self._clock_ms(), loop.time())
                        else:
                            self._notice(event, presence, loop.time())
                    await asyncio.sleep(0)
                self.counts.dropped = link.dropped
                presence.check(loop.time())
                if link.revive():
                    _log.error("%s: the network thread had ended and was started again", self._address)
        finally:
            await link.stop()

    def _notice(self, event: Up | Down | Denied, presence: Presence, now_s: float) -> None:
        match event:
            case Up():
                _log.info("%s: connected", self._address)
                presence.connected(now_s)
            case Down():
                _log.info("%s: no connection: %s", self._address, event.reason)
                presence.lost(lambda device: self._unreachable(device, event))
            case Denied():
                for stream in self._streams:
                    if stream.topic in event.topics:
                        presence.deaf(stream.device, self._denied(stream))

    async def read(self, device: str) -> list[Scan]:
        """Wait for the next message of each part of a device, over a session of its own.

        Returns what came: parts that stayed silent are left out. Raises ``DriverError``; KeyError for a
        device that is not on this bus.
        """
        heard = await self._listen(device)
        return [stream.scan(reading, arrived_ms) for stream, reading, arrived_ms in heard]

    async def probe(self, device: str) -> ProbeResult:
        """Whether the device's next messages hold a value at every path of the profile.

        Raises ``DriverError``; KeyError for a device that is not on this bus.
        """
        heard = await self._listen(device)
        wanted = [path for stream in self._streams_of(device) for path in stream.decoder.paths]
        found = [path for _, reading, _ in heard for path in reading.found]
        fits = sorted(found) == sorted(wanted)
        return ProbeResult(device, fits, expected=", ".join(wanted), found=", ".join(found))

    async def close(self) -> None:
        """Hang up: ends ``run`` where it still runs."""
        running, self._running = self._running, None
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            await asyncio.wait([running])

    def _streams_of(self, device: str) -> list[Stream]:
        if streams := [stream for stream in self._streams if stream.device == device]:
            return streams
        raise KeyError(device)

    async def _listen(self, device: str) -> list[tuple[Stream, Reading, int]]:
        """The next reading of each part, with its arrival."""
        waiting = self._streams_of(device)
        heard: list[tuple[Stream, Reading, int]] = []
        client_id = f"{self._client_id}-{secrets.token_hex(4)}"
        link = _Link(self._bus, client_id, self._password, waiting, lasting=False)
        link.start()
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                while waiting:
                    await link.wait(TICK_S)
                    for event in link.take():
                        heard += self._readings(event, waiting)
                        waiting = [s for s in waiting if all(s is not stream for stream, _, _ in heard)]
        except TimeoutError:
            if not heard:
                limit_s = self._answer_timeout_s
                raise NoAnswer(Where(self._address, device), "mqtt.silent", timeout_s=limit_s) from None
        finally:
            await link.stop()
        return heard

    def _readings(self, event: Event, waiting: list[Stream]) -> list[tuple[Stream, Reading, int]]:
        """What an event gives to those who wait. Raises ``DriverError`` where there is no use in waiting."""
        readings = []
        for stream in waiting:
            match event:
                case Arrival(topic=stream.topic):
                    now_ms = self._clock_ms()
                    try:
                        reading = stream.decoder.decode(event.payload, now_ms)
                    except PayloadRefused as refused:
                        raise refusal(self._address, stream, refused) from None
                    if not event.retained or stream.is_fresh(reading.at_ms, now_ms):
                        readings.append((stream, reading, now_ms))
                case Down():
                    raise self._unreachable(stream.device, event)
                case Denied() if stream.topic in event.topics:
                    raise self._denied(stream)
        return readings

    def _unreachable(self, device: str, down: Down) -> DriverError:
        return Unreachable(Where(self._address, device), down.code, reason=down.reason)

    def _denied(self, stream: Stream) -> DriverError:
        return Refused(Where(self._address, stream.device), "mqtt.subscription_refused", topic=stream.topic)
