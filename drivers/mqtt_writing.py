"""Writing a point of a device that listens on a topic, and waiting until its messages show the value."""

import asyncio
import math
from collections.abc import Callable, Mapping

from drivers.contract import (
    Delivery,
    DeviceNews,
    Garbled,
    NoAnswer,
    NotObeyed,
    NotWritable,
    Unreachable,
    Where,
    Written,
)
from drivers.mqtt_profile import MqttPoint, MqttProfile
from drivers.profile import conversion
from drivers.writable import EVERYTHING, checked
from rules.scan import Scan

Publish = Callable[..., bool]
"""Sends a message; False while there is no broker."""

_SHARE = 1e-6


class Shown:
    """What devices showed last of their points, and who waits for it. Stands before the real delivery."""

    def __init__(self, delivery: Delivery, devices: frozenset[str]) -> None:
        self._delivery = delivery
        self._devices = devices
        self._last: dict[tuple[str, str], tuple[float, float]] = {}
        self._news = asyncio.Event()

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        """Note what is shown, and hand it on."""
        if scan.layout.device in self._devices:
            now_s = asyncio.get_running_loop().time()
            for place, point in enumerate(scan.layout.points):
                if math.isfinite(scan.values[place]):
                    self._last[scan.layout.device, point.name] = (now_s, float(scan.values[place]))
            self._news.set()
            self._news = asyncio.Event()
        self._delivery.scan(scan, on_commit)

    def obeyed(self, device: str, point: str, value: float) -> None:
        """A command was obeyed by what is read back: what the point itself showed before is no longer so."""
        self._last[device, point] = (asyncio.get_running_loop().time(), value)

    def news(self, news: DeviceNews) -> None:
        """Hand it on."""
        self._delivery.news(news)

    async def value(
        self, device: str, point: str, since_s: float, within_s: float, wanted: float | None = None
    ) -> float | None:
        """What was shown since an instant of the loop; the wanted value as soon as it is.

        Returns
        -------
        The last value when the time is over, or None where nothing came.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while True:
            at_s, value = self._last.get((device, point), (-math.inf, math.nan))
            came = at_s >= since_s
            if came and (wanted is None or is_same(value, wanted)):
                return value
            try:
                async with asyncio.timeout_at(until_s):
                    await self._news.wait()
            except TimeoutError:
                return value if came else None


class Commands:
    """The commands that one broker's devices take.

    Parameters
    ----------
    profiles : of each device, as it has it. topics : what ``{topic}`` stands for, by device.
    publish : sends a message.
    """

    def __init__(
        self, address: str, profiles: Mapping[str, MqttProfile], topics: Mapping[str, str], publish: Publish
    ) -> None:
        self._address = address
        self._profiles = profiles
        self._topics = topics
        self._publish = publish
        self.shown: Shown | None = None

    @property
    def devices(self) -> frozenset[str]:
        """Those that take any."""
        return frozenset(
            device
            for device, profile in self._profiles.items()
            if any(point.writable for point in profile.every_point().values())
        )

    def _point(self, device: str, name: str) -> MqttPoint:
        point = self._profiles[device].every_point().get(name)
        if point is None or point.writable is None:
            raise NotWritable(Where(self._address, device), point=name)
        return point

    def _seen(self, name: str, point: MqttPoint, *, own: bool) -> str:
        assert point.writable is not None  # noqa: S101  _point has looked
        return name if own or point.writable.read_back is None else point.writable.read_back

    def _watch(self, device: str) -> Shown:
        if self.shown is None:
            raise Unreachable(Where(self._address, device), "mqtt.broker_lost", reason="")
        return self.shown

    async def show(self, device: str, name: str, *, own: bool, within_s: float) -> float:
        """What the device showed last; waits for its next message where it never showed any."""
        point = self._point(device, name)
        value = await self._watch(device).value(device, self._seen(name, point, own=own), -1.0, within_s)
        if value is None:
            raise NoAnswer(Where(self._address, device), "mqtt.silent", timeout_s=within_s)
        return value

    def text_for(self, device: str, name: str, value: float, *, own: bool) -> str:
        """What a command says. Raises ``NotWritable``, ``OutOfRange`` or ``Garbled``: nothing is sent."""
        point, where = self._point(device, name), Where(self._address, device)
        checked(point.writable, where, name, value, (point.valid or EVERYTHING) if own else None)
        text = said(name, point, value)
        if text is None:
            raise Garbled(where, "write.no_word", point=name, value=f"{value:g}")
        return text

    async def write(
        self, device: str, name: str, value: float, clock_ms: Callable[[], int], *, own: bool
    ) -> Written:
        """Send a command and wait until the device shows the value."""
        point, where = self._point(device, name), Where(self._address, device)
        writable, text = point.writable, self.text_for(device, name, value, own=own)
        assert writable is not None  # noqa: S101  _point has looked
        shown = self._watch(device)
        topic = writable.topic.replace("{topic}", self._topics[device])
        payload = writable.payload.replace("{value}", text)
        since_s, sent_ms = asyncio.get_running_loop().time(), clock_ms()
        if not self._publish(topic, payload.encode(), qos=writable.qos, retain=writable.retain):
            raise Unreachable(where, "mqtt.broker_lost", reason="")
        seen = self._seen(name, point, own=own)
        found = await shown.value(device, seen, since_s, writable.settle_s, value)
        if found is None:
            raise NoAnswer(where, "mqtt.silent", timeout_s=writable.settle_s)
        if not is_same(found, value):
            raise NotObeyed(where, point=name, asked=f"{value:g}", shown=f"{found:g}")
        shown.obeyed(device, name, value)
        return Written(value, found, sent_ms, clock_ms())


def is_same(one: float, other: float) -> bool:
    """Whether two values are the same but for how text tells numbers."""
    return math.isclose(one, other, rel_tol=_SHARE, abs_tol=_SHARE)


def said(name: str, point: MqttPoint, value: float) -> str | None:
    """A value as the device's payload says it; None where it has no word for it."""
    raw = (value / conversion(name, point.unit) - point.offset) / point.scale
    if point.words is None:
        return f"{raw:.12g}"
    words = point.writable.words if point.writable is not None and point.writable.words else point.words
    return next((word for word, number in words.items() if is_same(number, raw)), None)
