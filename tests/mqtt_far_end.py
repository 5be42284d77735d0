"""A real broker as a far side, behind a door that can lose, refuse and remember what goes through."""

import asyncio
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from config.sinks import MqttSink
from config.site import Site
from monitor.sinks.contract import Sink
from monitor.sinks.mqtt import MqttFarEnd
from monitor.sinks.secrets import Token
from tests import servers
from tests.sink_world import SITE, World

PAYLOAD_FORMAT_INVALID = 0x99
SITE_FILE = Site.model_validate(
    {
        "site": {"id": SITE, "name": {"zh-TW": "市政大樓", "en": "City Hall"}},
        "meters": [
            {"id": "main", "name": {"zh-TW": "總電表", "en": "Main"}, "commodity": "electricity",
             "counter": "main.energy_import", "max_rate": 1000}
        ],
    }
)  # fmt: skip


def settings_of(port: int, **more: Any) -> MqttSink:
    given = {"kind": "mqtt", "id": "city", "host": "127.0.0.1", "port": port, "timeout_s": 10}
    return MqttSink.model_validate({**given, **more})


def sink_of(world: World, port: int, site: Site = SITE_FILE, **more: Any) -> Sink:
    settings, folder = settings_of(port, **more), world.path.parent
    password = Token(settings.password, folder)
    return world.delivery(lambda: MqttFarEnd(settings, site, password, folder, world.reader))


class Door:
    """Passes MQTT 5 on frame by frame, on a loop and a thread of its own.

    Attributes
    ----------
    taken : payloads that the broker acknowledged and the client was told so, by topic and payload.
    passed : messages that the broker was given.
    answer : the reason code that a message gets instead of going through; None to let it go through.
    loses : whether the broker's answer for this message is lost, and the connection with it.
    """

    host = "127.0.0.1"

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self.taken: Counter[tuple[str, bytes]] = Counter()
        self.passed: list[tuple[str, bytes]] = []
        self.answer: Callable[[str, bytes], int | None] = lambda topic, payload: None
        self.loses: Callable[[str, bytes], bool] = lambda topic, payload: False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door")
        self._thread.start()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self.open()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)

    def open(self) -> None:
        """Let everybody in; on the same port as before."""
        if self._server is None:
            self._server = self._do(asyncio.start_server(self._meet, self.host, self.port))
            self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Let nobody in, and hang up on who is there. Safe to call twice."""
        self._do(self._shut())

    async def _shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def close(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        waiting: dict[int, tuple[str, bytes]] = {}
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
            writers.append(far_writer)
            sides = [
                asyncio.ensure_future(self._there(reader, far_writer, writer, waiting)),
                asyncio.ensure_future(self._back(far_reader, writer, waiting)),
            ]
            try:
                await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for side in sides:
                    side.cancel()
                await asyncio.gather(*sides, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the broker is away, or the door is shut: hang up
        finally:
            self._tasks.discard(task)
            for one in writers:
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    async def _there(
        self,
        reader: asyncio.StreamReader,
        far: asyncio.StreamWriter,
        near: asyncio.StreamWriter,
        waiting: dict[int, tuple[str, bytes]],
    ) -> None:
        while True:
            frame, body = await _frame(reader)
            if frame[0] >> 4 == 3:
                mid, message = _message(body)
                code = self.answer(*message)
                if code is not None:
                    near.write(bytes([0x40, 3, *mid.to_bytes(2, "big"), code]))
                    continue
                waiting[mid] = message
                self.passed.append(message)
            far.write(frame + body)

    async def _back(
        self,
        reader: asyncio.StreamReader,
        near: asyncio.StreamWriter,
        waiting: dict[int, tuple[str, bytes]],
    ) -> None:
        while True:
            frame, body = await _frame(reader)
            if frame[0] >> 4 == 4:
                message = waiting.pop(int.from_bytes(body[:2], "big"))
                if len(body) < 3 or body[2] < 0x80:
                    if self.loses(*message):
                        return
                    self.taken[message] += 1
            near.write(frame + body)


async def _frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(1)
    length, shift = 0, 0
    while True:
        byte = await reader.readexactly(1)
        head += byte
        length |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return head, await reader.readexactly(length)


def _message(body: bytes) -> tuple[int, tuple[str, bytes]]:
    """Number, topic and payload of a PUBLISH without properties."""
    end = 2 + int.from_bytes(body[:2], "big")
    assert body[end + 2] == 0
    return int.from_bytes(body[end : end + 2], "big"), (body[2:end].decode(), body[end + 3 :])


@contextmanager
def door(broker_port: int) -> Iterator[Door]:
    made = Door(broker_port)
    try:
        yield made
    finally:
        made.close()


def row_of(topic: str, payload: bytes) -> tuple[str, str]:
    """Stream and number of a row; empty for what is none."""
    if topic.endswith("/interval"):
        return "intervals", repr(float(json.loads(payload)["kwh"]))
    if "/results/" in topic:
        return "results", repr(float(json.loads(payload)["demand_kw"]))
    return "", ""


class BrokerFarEnd:
    """Mosquitto behind the door."""

    streams = ("intervals", "results")

    def __init__(self, door: Door) -> None:
        self.id = "city"
        self._door = door
        self._never: set[str] = set()
        self._locked = False
        door.answer = self._answer

    def _answer(self, topic: str, payload: bytes) -> int | None:
        if self._locked:
            return 0x87
        stream, number = row_of(topic, payload)
        return PAYLOAD_FORMAT_INVALID if stream and number in self._never else None

    def sink(self, world: World) -> Sink:
        return sink_of(world, self._door.port, discovery_prefix="homeassistant")

    def got(self) -> dict[tuple[str, str], int]:
        found: Counter[tuple[str, str]] = Counter()
        for message, times in list(self._door.taken.items()):
            found[row_of(*message)] += times
        return {row: times for row, times in found.items() if row[0]}

    def go_away(self) -> None:
        self._door.shut()

    def come_back(self) -> None:
        self._door.open()

    def lock_out(self, locked: bool) -> None:
        self._locked = locked

    def never_take(self, number: str) -> None:
        self._never.add(number)

    def take_all(self) -> None:
        self._never.clear()

    def lose(self) -> None:
        self._door.taken.clear()


@contextmanager
def broker() -> Iterator[BrokerFarEnd]:
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.mosquitto(Path(folder)) as mosquitto,
        door(mosquitto.port) as before,
    ):
        yield BrokerFarEnd(before)
