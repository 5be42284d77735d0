"""Devices that publish: JSON or plain numbers as their profiles' paths say, to any broker, for ever."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from drivers.mqtt_profile import MqttPart, MqttPoint, MqttProfile
from drivers.profile import conversion
from drivers.settings import MqttBus, MqttDevice
from simulators.building import Building
from simulators.telemetry import Reading, Telemetry

_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
_DIGITS = 12  # a counter of a million m3 still tells millilitres
_STOP_S = 0.5

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


class PublishingDevice:
    """One MQTT device of a site, fed by the building."""

    def __init__(self, device: MqttDevice, profile: MqttProfile, model: Building) -> None:
        self._topic = device.topic
        self._model = model
        self._parts = tuple(profile.parts.values())
        self.telemetry: Callable[[str], Reading] = Telemetry(model, device.id, profile.family, {})

    def messages(self, at_s: float) -> list[Message]:
        """(topic, payload) of each part; the payload's own time is ``at_s`` to the millisecond."""
        at_ms = int(at_s * 1000)
        return [
            Message(part.topic.replace("{topic}", self._topic), self._payload(part, at_ms))
            for part in self._parts
        ]

    def _payload(self, part: MqttPart, at_ms: int) -> bytes:
        now = self._model.at(at_ms / 1000)
        raw = {name: _raw(name, point, self.telemetry(name)(now)) for name, point in part.points.items()}
        if part.payload == "plain":
            return repr(next(iter(raw.values()))).encode()
        content: dict[str, Any] = {}
        if part.time is not None:
            stamp = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
            _place(content, part.time, stamp.replace("+00:00", "Z"))
        for name, point in part.points.items():
            _place(content, point.path, raw[name])
        return json.dumps(content, separators=(",", ":")).encode()


def _raw(name: str, point: MqttPoint, value: float) -> float:
    """What the device says for a value: the inverse of raw * scale + offset, in the profile's unit."""
    if point.rolls_over_at is not None:
        value %= point.rolls_over_at
    raw = (value / conversion(name, point.unit) - point.offset) / point.scale
    return float(f"{raw:.{_DIGITS}g}")


def _place(content: dict[str, Any], path: str, value: object) -> None:
    """Put a value where its dotted path says."""
    *parents, leaf = path.split(".")
    for key in parents:
        content = content.setdefault(key, {})
    content[leaf] = value


class MqttPublisher:
    """Publishes for all devices of one broker, with QoS 1, and dials again for ever.

    While the broker is away nothing is kept: a meter without memory. The counters lose nothing.

    Parameters
    ----------
    now_s : the world's time, seconds since 1970 UTC.
    every_s : how often each device publishes, in real seconds.
    """

    def __init__(
        self,
        bus: MqttBus,
        devices: Sequence[Publishes],
        now_s: Instant,
        every_s: float,
        password: str | None = None,
    ) -> None:
        self._bus = bus
        self._devices = devices
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
        self._client.on_connect = lambda *_: _call(loop, self._connected.set)
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

    def _publish(self) -> None:
        now_s = self._now_s()
        for device in self._devices:
            for topic, payload, retain in device.messages(now_s):
                self._client.publish(topic, payload, qos=1, retain=retain)

    def _stop(self) -> None:
        self._client.disconnect()
        # paho's thread may sleep out a reconnection delay: it is a daemon and is not waited for longer.
        stopper = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopper.start()
        stopper.join(_STOP_S)


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)
