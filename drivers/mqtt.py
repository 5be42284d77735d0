"""The driver of a broker and the devices that publish to it.

``drivers.mqtt_link`` holds the connection, ``drivers.inbox`` makes scans of messages, ``drivers.presence``
tells who is heard; this is where they meet.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from drivers.contract import Counts as DeviceCounts
from drivers.contract import (
    Delivery,
    DeviceNews,
    DriverError,
    NoAnswer,
    ProbeResult,
    Refused,
    Unreachable,
    Where,
    Written,
)
from drivers.inbox import Arrival, Counts, Denied, Down, Event, Inbox, Up
from drivers.mqtt_link import Link
from drivers.mqtt_profile import MqttProfile
from drivers.mqtt_writing import Commands, Shown
from drivers.overrides import overridden
from drivers.payloads import Reading
from drivers.presence import Presence
from drivers.settings import MqttBus, MqttDevice
from drivers.streams import Directory, Stream, directory_of
from drivers.tally import Tally
from rules.scan import Layout, Scan

SLICE = 100  # messages handled before other tasks get a turn
TICK_S = 1.0
_PASSING = ("payload.no_birth",)
"""A node that was asked for its births will make up for it."""

_log = logging.getLogger(__name__)


class MqttDriver:
    """One broker and the devices that publish to it.

    Parameters
    ----------
    profiles : by name, at least those that the bus's devices name.
    client_id : stable over restarts: the broker keeps our session under it.
    password : where ``bus.username`` is given.
    clock_ms : wall time, milliseconds since 1970-01-01 UTC.
    answer_timeout_s : how long ``read`` and ``probe`` wait for a device's next message. [s]
    folder : where relative paths of certificates count from.
    zone : the site's, of payload times that say none.

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
        folder: Path = Path(),
        zone: str = "UTC",
    ) -> None:
        self._bus = bus
        self._client_id = client_id
        self._password = password
        self._clock_ms = clock_ms
        self._answer_timeout_s = answer_timeout_s
        self._folder = folder
        self._address = f"{bus.host}:{bus.port}"
        self._profiles = profiles
        self._zone = zone
        self._tallies = {device.id: Tally() for device in bus.devices}
        self._streams = self._directory(bus.devices).streams
        self._link: Link | None = None
        self._is_up = False
        self._running: asyncio.Task[Any] | None = None
        self._dials = 0
        own = {device.id: overridden(profiles[device.profile], device) for device in bus.devices}
        topics = {device.id: device.topic for device in bus.devices}
        self._commands = Commands(self._address, own, topics, self.publish)
        self.counts = Counts()

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What this bus's scans look like, a layout for each part of each device."""
        return tuple(stream.layout for stream in self._streams)

    def device_counts(self) -> dict[str, DeviceCounts]:
        """What was seen of each device, over all connections."""
        return {device: tally.counts(self._dials) for device, tally in self._tallies.items()}

    async def run(self, delivery: Delivery) -> None:
        """Deliver scans and news until cancelled. ``on_commit`` is to be called on the event loop."""
        self._running = asyncio.current_task()
        loop = asyncio.get_running_loop()
        directory = self._directory(self._bus.devices, self._tallies)
        link = self._link = self._make_link(self._client_id, directory, lasting=True)
        stale_after_s = {device.id: device.stale_after_s for device in self._bus.devices}
        presence = Presence(self._address, stale_after_s, delivery.news)
        if devices := self._commands.devices:
            delivery = self._commands.shown = Shown(delivery, devices)
        inbox = Inbox(
            self._address,
            directory,
            delivery=delivery,
            presence=presence,
            acknowledge=link.acknowledge,
            publish=link.publish,
            counts=self.counts,
        )
        tick_s = min(TICK_S, min(stale_after_s.values()) / 4)
        link.start()
        try:
            while True:
                await link.wait(tick_s)
                events = link.take()
                for start in range(0, len(events), SLICE):
                    now_ms, now_s = self._clock_ms(), loop.time()
                    for event in events[start : start + SLICE]:
                        if isinstance(event, Arrival):
                            inbox.take(event, now_ms, now_s)
                        else:
                            self._notice(event, presence, inbox, now_s)
                    await asyncio.sleep(0)
                presence.check(loop.time())
                inbox.tick(self._clock_ms(), loop.time())
        finally:
            self._link, self._is_up, self._commands.shown = None, False, None
            await link.stop()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Send a message of our own over the daemon's session; False while there is no broker."""
        if self._link is None or not self._is_up:
            return False
        self._link.publish(topic, payload, qos=qos, retain=retain)
        return True

    def _notice(self, event: Up | Down | Denied, presence: Presence, inbox: Inbox, now_s: float) -> None:
        match event:
            case Up():
                _log.info("%s: connected", self._address)
                self._is_up = True
                self._dials += 1
                presence.connected(now_s)
                inbox.connected(self._clock_ms(), now_s)
            case Down():
                _log.info("%s: no connection: %s", self._address, event.reason)
                self._is_up = False
                presence.lost(lambda device: self._unreachable(device, event))
            case Denied():
                for stream in self._streams:
                    if denied := _first_of(stream, event):
                        presence.deaf(stream.device, self._denied(stream.device, denied))

    async def read(self, device: str) -> list[Scan]:
        """Wait for the next message of each part of a device, over a session of its own.

        Returns what came: parts that stayed silent are left out. Raises ``DriverError``; KeyError for a
        device that is not on this bus.
        """
        desk = await self._listen(device)
        return list(desk.scans.values())

    async def probe(self, device: str) -> ProbeResult:
        """Whether the device's next messages hold a value at every path of the profile.

        Raises ``DriverError``; KeyError for a device that is not on this bus.
        """
        desk = await self._listen(device)
        wanted = [path for stream in desk.streams for path in stream.decoder.paths]
        fits = sorted(desk.found) == sorted(wanted)
        return ProbeResult(device, fits, expected=", ".join(wanted), found=", ".join(desk.found))

    async def show(self, device: str, point: str, *, own: bool = False) -> float:
        """What a device showed last of a writable point."""
        return await self._commands.show(device, point, own=own, within_s=self._answer_timeout_s)

    def check_back(self, device: str, point: str, value: float) -> None:
        """Whether a value could be handed back."""
        self._commands.text_for(device, point, value, own=True)

    async def write(self, device: str, point: str, value: float, *, own: bool = False) -> Written:
        """Send a command and wait until the device shows the value."""
        return await self._commands.write(device, point, value, self._clock_ms, own=own)

    async def close(self) -> None:
        """Hang up: ends ``run`` where it still runs."""
        running, self._running = self._running, None
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            await asyncio.wait([running])

    def _directory(
        self, devices: Iterable[MqttDevice], tallies: Mapping[str, Tally] | None = None
    ) -> Directory:
        return directory_of(devices, self._profiles, self._zone, tallies)

    def _make_link(self, client_id: str, directory: Directory, *, lasting: bool) -> Link:
        return Link(
            self._bus,
            client_id,
            self._password,
            directory.filters,
            lasting=lasting,
            is_5=self._bus.version == "5",
            folder=self._folder,
        )

    async def _listen(self, device: str) -> "_Desk":
        """The next reading of each part."""
        directory = self._directory(one for one in self._bus.devices if one.id == device)
        if not directory.streams:
            raise KeyError(device)
        client_id = f"{self._client_id}-{secrets.token_hex(4)}"
        link = self._make_link(client_id, directory, lasting=False)
        desk = _Desk(directory.streams)
        inbox = Inbox(
            self._address,
            directory,
            delivery=desk,
            presence=Presence(self._address, {device: self._answer_timeout_s}, desk.news),
            acknowledge=lambda *_: None,  # such a session acknowledges by itself
            publish=link.publish,
            counts=Counts(),
            heard=desk.heard,
            refused=desk.refuse,
        )
        link.start()
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                while not desk.is_done:
                    await link.wait(TICK_S)
                    for event in link.take():
                        self._look(device, event, inbox, desk)
        except TimeoutError:
            if desk.refused is not None:
                raise desk.refused from None
            if not desk.scans:
                limit_s = self._answer_timeout_s
                raise NoAnswer(Where(self._address, device), "mqtt.silent", timeout_s=limit_s) from None
        finally:
            await link.stop()
        return desk

    def _look(self, device: str, event: Event, inbox: Inbox, desk: "_Desk") -> None:
        """Take one event up. Raises ``DriverError`` where there is no use in waiting."""
        now_s = asyncio.get_running_loop().time()
        match event:
            case Arrival():
                inbox.take(event, self._clock_ms(), now_s)
                if desk.refused is not None and desk.refused.code not in _PASSING:
                    raise desk.refused
            case Up():
                inbox.connected(self._clock_ms(), now_s)
            case Down():
                raise self._unreachable(device, event)
            case Denied():
                for stream in desk.streams:
                    if denied := _first_of(stream, event):
                        raise self._denied(device, denied)

    def _unreachable(self, device: str, down: Down) -> DriverError:
        return Unreachable(Where(self._address, device), down.code, reason=down.reason)

    def _denied(self, device: str, topic: str) -> DriverError:
        return Refused(Where(self._address, device), "mqtt.subscription_refused", topic=topic)


class _Desk:
    """Where a single look collects what it finds.

    Attributes
    ----------
    scans : the first of each part, by the layout's key.
    found : the paths that gave a value.
    refused : why something could not be read, where that was so.
    """

    def __init__(self, streams: tuple[Stream, ...]) -> None:
        self.streams = streams
        self.scans: dict[str, Scan] = {}
        self.found: list[str] = []
        self.refused: DriverError | None = None

    @property
    def is_done(self) -> bool:
        """Whether every part was heard."""
        return len(self.scans) == len(self.streams)

    def heard(self, stream: Stream, reading: Reading) -> None:
        """Note which paths gave a value."""
        if stream.layout.key not in self.scans:
            self.found += reading.found

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        """Keep the first of each part."""
        self.scans.setdefault(scan.layout.key, scan)
        if on_commit is not None:
            on_commit()

    def refuse(self, error: DriverError) -> None:
        """Keep why something could not be read."""
        self.refused = error

    def news(self, news: DeviceNews) -> None:
        """A single look tells nobody how a device is doing."""


def _first_of(stream: Stream, denied: Denied) -> str | None:
    """The first of a stream's topics that the broker does not let us have."""
    return next((topic for topic in stream.filters if topic in denied.topics), None)
