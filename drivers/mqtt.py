"""The driver of a broker and the devices that publish to it.

``drivers.mqtt_link`` holds the connection, ``drivers.inbox`` makes scans of messages, ``drivers.presence``
tells who is heard; this is where they meet.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.contract import Delivery, DriverError, NoAnswer, ProbeResult, Refused, Unreachable, Where
from drivers.inbox import Arrival, Counts, Denied, Down, Event, Inbox, Stream, Up, refusal, streams_of
from drivers.mqtt_link import Link
from drivers.mqtt_profile import MqttProfile
from drivers.payloads import PayloadRefused, Reading
from drivers.presence import Presence
from drivers.settings import MqttBus
from rules.scan import Layout, Scan

SLICE = 100  # messages handled before other tasks get a turn
TICK_S = 1.0

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
    ) -> None:
        self._bus = bus
        self._client_id = client_id
        self._password = password
        self._clock_ms = clock_ms
        self._answer_timeout_s = answer_timeout_s
        self._folder = folder
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
        link = self._link(self._client_id, self._streams, lasting=True)
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
                presence.check(loop.time())
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

    def _link(self, client_id: str, streams: Sequence[Stream], *, lasting: bool) -> Link:
        filters = [stream.topic for stream in streams]
        return Link(self._bus, client_id, self._password, filters, lasting=lasting, folder=self._folder)

    def _streams_of(self, device: str) -> list[Stream]:
        if streams := [stream for stream in self._streams if stream.device == device]:
            return streams
        raise KeyError(device)

    async def _listen(self, device: str) -> list[tuple[Stream, Reading, int]]:
        """The next reading of each part, with its arrival."""
        waiting = self._streams_of(device)
        heard: list[tuple[Stream, Reading, int]] = []
        client_id = f"{self._client_id}-{secrets.token_hex(4)}"
        link = self._link(client_id, waiting, lasting=False)
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
