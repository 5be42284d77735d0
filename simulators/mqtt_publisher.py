"""Devices that publish, each in the convention that its profile tells, to any broker, for ever."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from drivers.mqtt_profile import MqttPart, MqttPoint, MqttProfile
from drivers.payload_json import SUM, steps_of
from drivers.payload_times import TimeFormat
from drivers.profile import conversion
from drivers.settings import MqttBus, MqttDevice
from drivers.sparkplug import Address, address_of
from simulators.building import Building
from simulators.sparkplug import SparkplugNode
from simulators.telemetry import Reading, Telemetry

_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
_DIGITS = 12  # a counter of a million m3 still tells millilitres
_STOP_S = 0.5
FULL_EVERY = 10  # rounds after which a device of changes says all of its status again

Instant = Callable[[], float]


class Message(NamedTuple):
    """What is published; the broker keeps it for later subscribers when ``retain`` is set."""

    topic: str
    payload: bytes
    retain: bool = False


class Publishes(Protocol):
    """Anything with messages to publish at an instant."""

    def messages(self, at_s: float) -> list[Message]:
        """What is published now, in order."""

    @property
    def command_topics(self) -> Mapping[str, str]:
        """Where it takes commands, and the point that each is about."""

    def obey(self, topic: str, payload: bytes) -> bool:
        """Take a command; False for one that is none of its own."""


class PublishingDevice:
    """One MQTT device of a site, fed by the building; it speaks as its profile says.

    Parameters
    ----------
    zone : of times without one, where the device names none.
    nodes : the Sparkplug nodes of its broker, by group and node; one that is missing is added.
    disobeys : whether the command that comes now is taken and not done.
    """

    def __init__(
        self,
        device: MqttDevice,
        profile: MqttProfile,
        model: Building,
        zone: str = "UTC",
        nodes: dict[tuple[str, str], SparkplugNode] | None = None,
        disobeys: Callable[[], bool] = lambda: False,
    ) -> None:
        self.setpoints: dict[str, float] = {}
        self._disobeys = disobeys
        self._device = device
        self._profile = profile
        self._model = model
        self._zone = ZoneInfo(device.timezone or zone)
        self._nodes = {} if nodes is None else nodes
        for sender in self._senders():
            self._nodes.setdefault(sender[:2], SparkplugNode(sender.group, sender.node))
        self._said: dict[str, dict[str, float]] = {}
        self._count = 0
        self._greeted = False
        self.telemetry: Callable[[str], Reading] = Telemetry(model, device.id, profile.family, self.setpoints)

    @property
    def command_topics(self) -> dict[str, str]:
        """Where it takes commands, and the point that each is about."""
        points = self._profile.every_point().items()
        return {self._topic(one.writable.topic): name for name, one in points if one.writable is not None}

    def obey(self, topic: str, payload: bytes) -> bool:
        """Take a command; False for one that is none of its own."""
        name = self.command_topics.get(topic)
        if name is None:
            return False
        value = _told(name, self._profile.every_point()[name], payload.decode("utf-8", "replace"))
        if value is not None and not self._disobeys():
            self.setpoints[name] = value
        return True

    def messages(self, at_s: float) -> list[Message]:
        """What is published now; the payloads' own time is ``at_s`` to the millisecond."""
        at_ms = int(at_s * 1000)
        messages = self._greeting()
        whole: dict[str, dict[str, Any]] = {}
        for name, part in self._profile.parts.items():
            messages += self._messages(name, part, at_ms, whole)
        self._count += 1
        return [*messages, *(Message(topic, _dumped(content)) for topic, content in whole.items())]

    def _greeting(self) -> list[Message]:
        """The word that its last will takes back."""
        word, self._greeted = None if self._greeted else self._profile.availability, True
        if word is None:
            return []
        content: object = word.online[0]
        if word.path:
            content = {}
            _place(content, steps_of(word.path), word.online[0])
        payload = json.dumps(content) if word.path else str(content)
        return [Message(self._topic(word.topic), payload.encode(), retain=True)]

    def _messages(
        self, name: str, part: MqttPart, at_ms: int, whole: dict[str, dict[str, Any]]
    ) -> list[Message]:
        """Messages of one part; full ones are put into ``whole``, because parts may share a topic."""
        now = self._model.at(at_ms / 1000)
        raw = {key: _raw(key, point, self.telemetry(key)(now)) for key, point in part.points.items()}
        said = {key: _word(part.points[key], value) for key, value in raw.items()}
        if part.payload == "plain":
            value = next(iter(said.values()))
            text = value if isinstance(value, str) else repr(value)
            return [Message(self._topic(part.topic), text.encode())]
        if part.payload == "sparkplug_b":
            return self._sparkplug(part, raw, at_ms)
        last, self._said[name] = self._said.get(name), raw
        if not part.deltas or last is None or self._count % FULL_EVERY == 0:
            self._fill(whole.setdefault(self._topic(part.topic), {}), part, said, at_ms)
            return []
        changed = {key: value for key, value in raw.items() if value != last[key]}
        if not changed:
            return []
        delta = part.deltas[0]
        content: dict[str, Any] = {}
        if delta.time is not None:
            _place(content, steps_of(delta.time), self._stamp(delta.time_format, at_ms))
        for key in changed:
            _place(content, steps_of(delta.under) + steps_of(part.points[key].path), said[key])
        return [Message(self._topic(delta.topic), _dumped(content))]

    def _fill(self, content: dict[str, Any], part: MqttPart, said: Mapping[str, object], at_ms: int) -> None:
        if part.time is not None:
            _place(content, steps_of(part.time), self._stamp(part.time_format, at_ms))
        if part.duplicate_by is not None:
            _place(content, steps_of(part.duplicate_by), f"{self._device.id}-{at_ms}")
        if part.restart_by is not None:
            _place(content, steps_of(part.restart_by), self._count)
        for key, point in part.points.items():
            _place(content, steps_of(point.path), said[key])

    def _sparkplug(self, part: MqttPart, raw: Mapping[str, float], at_ms: int) -> list[Message]:
        sender = address_of(self._topic(part.topic))
        node = self._nodes[sender[:2]]
        values = {part.points[key].path: value for key, value in raw.items()}
        return [Message(*sent) for sent in node.say(sender.device, values, at_ms)]

    def _senders(self) -> list[Address]:
        parts = self._profile.parts.values()
        return [address_of(self._topic(part.topic)) for part in parts if part.payload == "sparkplug_b"]

    def _stamp(self, form: TimeFormat, at_ms: int) -> str | float:
        if form == "unix_ms":
            return at_ms
        if form == "unix_s":
            return at_ms / 1000
        instant = datetime.fromtimestamp(at_ms / 1000, UTC)
        if form == "local":
            return instant.astimezone(self._zone).replace(tzinfo=None).isoformat(timespec="milliseconds")
        return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _topic(self, topic: str) -> str:
        return topic.replace("{topic}", self._device.topic)


def _raw(name: str, point: MqttPoint, value: float) -> float:
    """What the device says for a value: the inverse of raw * scale + offset, in the profile's unit."""
    if point.rolls_over_at is not None:
        value %= point.rolls_over_at
    raw = (value / conversion(name, point.unit) - point.offset) / point.scale
    return float(f"{raw:.{_DIGITS}g}")


def _word(point: MqttPoint, raw: float) -> object:
    """What the payload says for a raw number: itself, or the word that stands for it."""
    if point.words is None:
        return raw
    word = next((word for word, number in point.words.items() if number == raw), str(raw))
    return {"true": True, "false": False}.get(word, word)


def _told(name: str, point: MqttPoint, payload: str) -> float | None:
    """The value that a command sets, in the product's unit; None where it says none."""
    assert point.writable is not None  # noqa: S101  its topic was found
    before, _, after = point.writable.payload.partition("{value}")
    if not (payload.startswith(before) and payload.endswith(after)):
        return None
    text = payload[len(before) : len(payload) - len(after)]
    words = point.writable.words or point.words
    if words is not None and text not in words:
        return None
    try:
        raw = float(text) if words is None else words[text]
    except ValueError:
        return None
    return (raw * point.scale + point.offset) * conversion(name, point.unit)


def _place(content: Any, steps: tuple[str, ...], value: object) -> None:
    """Put a value where its path says; a step of digits is a place in a list, and a sum has one part."""
    *parents, leaf = steps[:-1] if steps[-1] == SUM else steps
    node = content
    for key, following in zip(parents, [*parents, leaf][1:], strict=True):
        node = _filled(node, key, [] if following.isdecimal() else {})
    _filled(node, leaf, None)
    node[int(leaf) if isinstance(node, list) else leaf] = value


def _filled(node: Any, key: str, empty: object) -> Any:
    """What lies at a key, put there when there is nothing."""
    if not isinstance(node, list):
        return node.setdefault(key, empty)
    node.extend([None] * (int(key) + 1 - len(node)))
    if node[int(key)] is None:
        node[int(key)] = empty
    return node[int(key)]


def _dumped(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


class MqttPublisher:
    """Publishes for all devices of one broker, with QoS 1, and dials again for ever.

    While the broker is away nothing is kept: a meter without memory. The counters lose nothing.

    Parameters
    ----------
    now_s : the world's time, seconds since 1970 UTC.
    every_s : how often each device publishes, in real seconds.
    nodes : the Sparkplug nodes, which are born again when they are asked to be.
    """

    def __init__(
        self,
        bus: MqttBus,
        devices: Sequence[Publishes],
        now_s: Instant,
        every_s: float,
        password: str | None = None,
        nodes: Mapping[tuple[str, str], SparkplugNode] | None = None,
    ) -> None:
        self._bus = bus
        self._devices = devices
        self._nodes = {} if nodes is None else nodes
        self._now_s = now_s
        self._every_s = every_s
        self._connected = asyncio.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"simulators-{bus.id}-{os.getpid()}",
            protocol=_VERSIONS[bus.version],
        )
        self._client.connect_timeout = _STOP_S
        self._client.reconnect_delay_set(1, 10)
        if bus.username is not None:
            self._client.username_pw_set(bus.username, password)

    async def run(self) -> None:
        """Publish until cancelled."""
        loop = asyncio.get_running_loop()
        # A network thread may still report when the loop has closed.
        self._client.on_connect = lambda *_: _call(loop, self._begin)
        self._client.on_message = lambda _, __, message: _call(
            loop, self._obey, message.topic, bytes(message.payload)
        )
        self._client.on_disconnect = lambda *_: _call(loop, self._connected.clear)
        self._client.connect_async(self._bus.host, self._bus.port, self._bus.keepalive_s)
        self._client.loop_start()
        try:
            while True:
                await self._connected.wait()
                self._publish()
                await asyncio.sleep(self._every_s)
        finally:
            self._stop()

    def _begin(self) -> None:
        for node in self._nodes.values():
            node.begin_anew()
            self._client.subscribe(node.command_topic)
        for device in self._devices:
            for topic in device.command_topics:
                self._client.subscribe(topic, qos=1)
        self._connected.set()

    def _obey(self, topic: str, payload: bytes) -> None:
        for device in self._devices:
            if device.obey(topic, payload):  # and says at once what it goes by now
                self._publish_of(device, self._now_s())
        for node in self._nodes.values():
            if node.command_topic == topic:
                node.begin_anew()

    def _publish(self) -> None:
        now_s = self._now_s()
        for device in self._devices:
            self._publish_of(device, now_s)

    def _publish_of(self, device: Publishes, now_s: float) -> None:
        for topic, payload, retain in device.messages(now_s):
            self._client.publish(topic, payload, qos=1, retain=retain)

    def _stop(self) -> None:
        self._client.disconnect()
        # paho's thread may sleep out a reconnection delay: it is a daemon and is not waited for longer.
        stopper = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopper.start()
        stopper.join(_STOP_S)


def _call(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *arguments: object) -> None:
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what, *arguments)
