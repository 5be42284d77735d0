"""The connection to a broker, MQTT 3.1.1 and 5; the only file that knows paho.

Nothing is lost between broker and disk: the client id is stable, the session outlives the connection, and
the broker hears that a message arrived only when ``acknowledge`` says so. The event loop dials, reads and
writes; paho turns bytes into messages and back, and has no thread of its own.
"""

import asyncio
import errno
import logging
import os
import random
import struct
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.contract import Backoff
from drivers.inbox import Arrival, Denied, Down, Event, Up
from drivers.mqtt_frames import Frames
from drivers.mqtt_loss import down_of, said_down
from drivers.mqtt_wire import Wire
from drivers.promises import TOO_LARGE, Ack, LinkLostError, Promises
from drivers.settings import Broker
from drivers.tls import client_context

CONNECT_TIMEOUT_S = 10.0  # names, connection, TLS; and as long again for the broker's welcome
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
STEADY_S = 30.0  # a connection that held so long was a good one
# How long a broker keeps what comes while we are away: longer than a long weekend with its repair.
SESSION_EXPIRY_S = 7 * 86400
# Messages that may be on their way to the disk. A broker's own default of 20 would let a commit wait.
RECEIVE_MAXIMUM = 1000
# The broker keeps anything larger to itself; between this and payloads.MAX_BYTES it is counted here.
MAXIMUM_PACKET_BYTES = 1024 * 1024
WAITING_MAX = 5_000  # unread messages: beyond this the broker has to wait
OUTGOING_MAX = 1_000  # messages of ours that wait for a broker: beyond this the oldest goes
TOPICS_A_REQUEST = 100
MISC_S = 1.0

# A connection shorter than this, so many times one after the other, is somebody else at work.
SHORT_S, OFTEN = 10.0, 3

_HUNG_UP = (ConnectionResetError, ConnectionAbortedError)
_PUBACK = struct.Struct(">BBH")

_log = logging.getLogger(__name__)


class _Client(Client):
    """paho over a connection that is there already."""

    wire: Wire

    def _create_socket(self) -> Any:  # what paho's own transports override, too
        return self.wire


class Link:
    """One client of a broker: dials for ever, hands over what happens, acknowledges when told. On the loop.

    Parameters
    ----------
    filters : what to subscribe to; wildcards are fine.
    lasting : the daemon's own session, acknowledged by hand; otherwise one that ends with the connection.
    is_5 : MQTT 5; else 3.1.1, whose brokers do not say whether they refused a message.
    folder : where relative paths of certificates count from.

    Attributes
    ----------
    promises : the messages of ours that are to be answered for.
    """

    def __init__(
        self,
        bus: Broker,
        client_id: str,
        password: str | None,
        filters: Sequence[str],
        *,
        lasting: bool,
        is_5: bool = True,
        folder: Path = Path(),
    ) -> None:
        self._bus = bus
        self._folder = folder
        self._filters = tuple(dict.fromkeys(filters))
        self._is_5 = is_5
        self._loop = asyncio.get_running_loop()
        self._dialling: asyncio.Task[None] | None = None
        self._lasting = lasting
        self._woken = asyncio.Event()
        self._events: list[Event] = []
        self._connection = 0
        self._welcomed_s: float | None = None
        self._short_lived = 0
        self._is_told = False
        self._down: Down | None = None
        self._asked: dict[int | None, tuple[str, ...]] = {}
        self.promises = Promises()
        self._outgoing: deque[tuple[str, bytes, int, bool]] = deque(maxlen=OUTGOING_MAX)
        self._write_is_due = False
        self._client = self._make_client(client_id, password, lasting)
        self._new_wire()

    def _make_client(self, client_id: str, password: str | None, lasting: bool) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._is_5 else not lasting,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_queued_messages_set(OUTGOING_MAX)
        if self._bus.username is not None:
            client.username_pw_set(self._bus.username, password)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_register_write = self._on_write_wanted
        client.connect_async(
            self._bus.host,
            self._bus.port,
            self._bus.keepalive_s,
            clean_start=not lasting,
            properties=_connect_properties(lasting) if self._is_5 else None,
        )
        return client

    # -- for the driver -----------------------------------------------------------------------------

    def start(self) -> None:
        """Dial, and keep dialling."""
        self._dialling = self._loop.create_task(self._stay_connected(), name=f"link to {self._bus.host}")

    async def stop(self) -> None:
        """Say good-bye. The daemon's session stays with the broker."""
        if self._client.is_connected():
            self._client.disconnect()
            self._write()
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait([self._dialling])
        await self._wire.finish()
        # The callbacks tie the client and this object into a ring; open, both go at once.
        client = self._client
        client.on_connect = client.on_disconnect = client.on_subscribe = client.on_message = None
        client.on_publish = client.on_socket_register_write = None
        self.promises.broken(Down("mqtt.broker_lost", "hung up"))

    async def wait(self, timeout_s: float) -> None:
        """Sleep until something came, or for a while."""
        alarm = self._loop.call_later(timeout_s, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            alarm.cancel()

    def take(self) -> list[Event]:
        """All that came since the last call, in order."""
        if self._dialling is not None and self._dialling.done():
            self._dialling.result()  # a defect: let it be seen, and the driver be started again
        self._woken.clear()
        events, self._events = self._events, []
        self._wire.resume()
        return events

    def acknowledge(self, connection: int, mid: int) -> None:
        """Tell the broker that a message is safe; void when its connection is gone."""
        if connection == self._connection and self._welcomed_s is not None:
            self._wire.send(_PUBACK.pack(0x40, 2, mid))
            if not self._write_is_due:
                self._want_write()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has taken us in."""
        return self._welcomed_s is not None

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Send a message of our own, as soon as there is a broker.

        Without one the last ``OUTGOING_MAX`` are kept. Raises ValueError for a topic with wildcards.
        """
        if "+" in topic or "#" in topic:
            raise ValueError(f"{topic}: wildcards are for subscriptions")
        if self._welcomed_s is None:
            if len(self._outgoing) == OUTGOING_MAX:
                _log.warning(
                    "%s: too many messages wait for the broker, the oldest is dropped", self._bus.host
                )
            self._outgoing.append((topic, payload, qos, retain))
        else:
            self._client.publish(topic, payload, qos, retain)

    async def deliver(self, topic: str, payload: bytes, *, retain: bool = False) -> Ack:
        """Send a message at QoS 1; what the broker answers. Raises ``LinkLostError`` without an answer."""
        if self._welcomed_s is None:
            raise LinkLostError(Down("mqtt.broker_lost", "no connection"))
        if not self.promises.fits(topic, payload):
            return Ack(TOO_LARGE, "Packet too large")
        return await self.promises.of(self._client.publish(topic, payload, 1, retain).mid)

    # -- the connection -----------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)
        while True:
            began_s = self._loop.time()
            try:
                await self._dial()
            except (OSError, UnicodeError) as error:  # a name may be no name at all
                down = down_of(error)
                if self._bus.tls is not None and isinstance(error, _HUNG_UP):
                    down = Down("mqtt.tls_not_spoken", down.reason)
                self._put(down)
            else:
                await self._hold()
            if self._loop.time() - began_s > STEADY_S + CONNECT_TIMEOUT_S:
                backoff.succeeded()
            await asyncio.sleep(backoff.failed(random.random()))  # noqa: S311  jitter, not a secret

    async def _dial(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            options: dict[str, Any] = {}
            if self._bus.tls is not None:
                context = await asyncio.to_thread(client_context, self._bus.tls, self._folder)
                name = self._bus.tls.server_name or self._bus.host
                options = {"ssl": context, "server_hostname": name}
            await self._loop.create_connection(self._new_wire, self._bus.host, self._bus.port, **options)

    async def _hold(self) -> None:
        """Greet, and see to it that a connection that is dead does not look alive."""
        wire = self._wire
        self._is_told = False
        self._client.reconnect()
        if wire.is_over:  # already: paho was not there to see it
            self._on_end()
        deadline_s = self._loop.time() + CONNECT_TIMEOUT_S
        try:
            while self._client.socket() is not None and not await wire.ended(MISC_S):
                self._client.loop_misc()
                if self._welcomed_s is None and self._loop.time() > deadline_s:
                    self._down = Down("mqtt.not_spoken", os.strerror(errno.ETIMEDOUT))
                    break
        finally:
            await wire.finish()

    def _new_wire(self) -> Wire:
        self._connection += 1
        self._frames = Frames(self._connection, is_5=self._is_5, max_bytes=MAXIMUM_PACKET_BYTES)
        self._wire = self._client.wire = Wire(self._on_bytes, self._on_end)
        return self._wire

    def _on_bytes(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                if isinstance(frame, bytes):
                    self._wire.offer(frame)
                    self._client.loop_read()
                elif self._welcomed_s is not None:
                    self._events.append(frame)
                    if frame.qos and not self._lasting:
                        self.acknowledge(frame.connection, frame.mid)
        except Exception as error:  # noqa: BLE001  whatever the far end sends, we live and dial again
            _log.debug("%s: unreadable", self._bus.host, exc_info=True)
            self._down = Down("mqtt.not_spoken", str(error) or type(error).__name__)
            self._wire.close()
        finally:
            self._wake()

    def _on_end(self) -> None:
        self._client.loop_read()

    def _on_write_wanted(self, _client: Client, _data: Any, _socket: Any) -> None:
        self._want_write()

    def _want_write(self) -> None:
        """Once a turn of the loop: what was acknowledged in it goes out in one piece."""
        if not self._write_is_due:
            self._write_is_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._write_is_due = False
        self._client.loop_write()
        self._wire.flush()

    def _put(self, event: Event) -> None:
        self._events.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._events:
            self._woken.set()
        if len(self._events) >= WAITING_MAX:
            self._wire.pause()

    # -- what paho tells ----------------------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, more: Properties | None
    ) -> None:
        if reason.is_failure:
            self._down = said_down(reason.getName())
            return
        self._down = None
        self._asked.clear()
        self._welcomed_s = self._loop.time()
        self.promises.welcomed(more)
        self._put(Up())
        # Always, even into a kept session: the site file may name other topics than it did.
        for start in range(0, len(self._filters), TOPICS_A_REQUEST):
            filters = self._filters[start : start + TOPICS_A_REQUEST]
            wish: list[Any] = [(one, SubscribeOptions(qos=1) if self._is_5 else 1) for one in filters]
            _, mid = client.subscribe(wish)
            self._asked[mid] = filters
        outgoing = list(self._outgoing)
        self._outgoing.clear()
        for message in outgoing:
            client.publish(*message)

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _more: Properties | None
    ) -> None:
        answers = zip(self._asked.pop(mid, ()), reasons, strict=False)
        denied = tuple(topic for topic, reason in answers if reason.is_failure)
        if denied:
            self._put(Denied(denied))

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _more: Properties | None,
    ) -> None:
        if self._is_told:  # paho tells the end of a silent connection twice
            return
        self._is_told = True
        said = reason.getName() if flags.is_disconnect_packet_from_server else None
        down, self._down = self._down or self._reason_of_loss(said, reason.getName()), None
        self._welcomed_s = None
        self.promises.broken(down)
        self._put(down)

    def _reason_of_loss(self, said: str | None, otherwise: str) -> Down:
        """Why a connection ended. ``said`` is the broker's own word, which MQTT 5 alone has."""
        if said is not None:
            return said_down(said)
        if self._wire.error is not None:
            down = down_of(self._wire.error)
        else:
            down = Down("mqtt.broker_lost", "connection closed" if self._wire.is_over else otherwise)
        if down.code != "mqtt.broker_lost":
            return down
        if self._welcomed_s is None:
            return Down("mqtt.not_spoken", down.reason)
        # MQTT 3.1.1 has no word for it, but it looks like this: welcome, gone, welcome, gone.
        is_short = self._loop.time() - self._welcomed_s < SHORT_S
        self._short_lived = self._short_lived + 1 if is_short else 0
        return Down("mqtt.thrown_out", down.reason) if self._short_lived >= OFTEN else down

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _more: Properties | None
    ) -> None:
        self.promises.kept(mid, Ack(reason.value, reason.getName()))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker may pass this on
            topic = ""
        # Only what a session of the same name once asked for at QoS 2 comes this way.
        self._put(Arrival(topic, bytes(message.payload), 0, message.mid, message.retain, self._connection))
        self._client.ack(message.mid, message.qos)


def _connect_properties(lasting: bool) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.MaximumPacketSize = MAXIMUM_PACKET_BYTES
    if lasting:
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return properties
