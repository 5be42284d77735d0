"""Faults of devices that publish, heard at a real broker, and the proxy that lets a broker vanish."""

import asyncio
import json
import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from simulators.control import ask
from simulators.proxy import Mood, Proxy
from tests.servers import PATIENCE_S, Mosquitto, free_port, run_program

INSTALLED = "2026-05-01T00:00:00+08:00"


@contextmanager
def heard(broker: Mosquitto, topic: str) -> Iterator[queue.Queue]:
    """Messages on a topic from now on: (payload, whether it was retained)."""
    messages: queue.Queue[tuple[bytes, bool]] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2)

    def subscribe(*_: object) -> None:
        client.subscribe(topic, qos=1)

    client.on_connect = subscribe
    client.on_message = lambda _client, _data, message: messages.put((message.payload, message.retain))
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def publishing(folder: Path, broker: Mosquitto) -> Iterator[int]:
    """Two water meters that publish often; yields the control channel's port."""
    world = folder / "world.yaml"
    world.write_text(
        f"installed: {INSTALLED}\npublish_every_s: 0.2\nbuses:\n"
        f"  - {{kind: mqtt, id: b, host: 127.0.0.1, port: {broker.port}, devices: [\n"
        "      {id: one, profile: json_water_meter, topic: hall/one},\n"
        "      {id: two, profile: json_water_meter, topic: hall/two}]}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "simulators", "--world", world, "--control", "0"]
    with run_program(command, name="simulators") as program:
        port = int(program.wait_for_line(r"^control (\d+)$")[1])
        program.wait_for_line("^ready$")
        yield port


def volume(payload: bytes) -> float:
    return json.loads(payload)["v"]["volume_m3"]


def stamp_s(payload: bytes) -> float:
    return datetime.fromisoformat(json.loads(payload)["ts"]).timestamp()


def test_faults_of_messages(tmp_path: Path, mosquitto: Mosquitto):
    with publishing(tmp_path, mosquitto) as control, heard(mosquitto, "hall/one") as one:

        def with_fault(kind: str, **parameters: object) -> list[bytes]:
            """Four messages that came surely after the fault was set."""
            number = ask(control, {"set": {"device": "one", "kind": kind, **parameters}})["number"]
            while not ask(control, {"list": True})["faults"][0]["struck"]:
                one.get(timeout=PATIENCE_S)
            while not one.empty():
                one.get()
            found = [one.get(timeout=PATIENCE_S)[0] for _ in range(6)]
            assert ask(control, {"clear": number}) == {"cleared": 1}
            return found[2:]

        twice = with_fault("duplicate")
        assert len(set(twice)) < len(twice)
        stamps = [stamp_s(payload) for payload in with_fault("disordered", age_s=60)]
        assert any(later < earlier for earlier, later in pairwise(stamps))
        assert all(len(payload) == 40 for payload in with_fault("garbage", bytes=40))
        assert len({volume(payload) for payload in with_fault("stuck")}) == 1
        assert all(volume(payload) == 0 for payload in with_fault("zero"))
        assert all(b"NaN" in payload for payload in with_fault("invalid"))


def test_a_silent_device_and_a_talking_one(tmp_path: Path, mosquitto: Mosquitto):
    with publishing(tmp_path, mosquitto) as control, heard(mosquitto, "hall/#") as messages:
        messages.get(timeout=PATIENCE_S)
        ask(control, {"set": {"device": "one", "kind": "silent"}})
        silent_s = datetime.now(UTC).timestamp()
        with heard(mosquitto, "hall/one") as one, heard(mosquitto, "hall/two") as two:
            while stamp_s(two.get(timeout=PATIENCE_S)[0]) < silent_s + 1:
                pass
            # What had been said before may still be on its way.
            assert all(stamp_s(payload) <= silent_s + 0.001 for payload, _ in one.queue)


def test_an_old_message_is_kept_by_the_broker(tmp_path: Path, mosquitto: Mosquitto):
    with publishing(tmp_path, mosquitto) as control:
        ask(control, {"set": {"device": "one", "kind": "retained", "age_s": 3600, "times": 1}})
        with heard(mosquitto, "hall/one") as one:
            while not ask(control, {"list": True})["faults"][0]["struck"]:
                one.get(timeout=PATIENCE_S)
    with heard(mosquitto, "hall/one") as one:
        payload, retained = one.get(timeout=PATIENCE_S)
        assert retained
        assert stamp_s(payload) == pytest.approx(datetime.now(UTC).timestamp() - 3600, abs=300)


class Echo:
    """A server that says everything back."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @staticmethod
    async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        await hung_up(writer)


async def hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> bytes:
    writer.write(words)
    return await asyncio.wait_for(reader.read(100), PATIENCE_S)


def test_a_proxy_passes_stalls_cuts_refuses_and_resumes():
    async def scenario() -> None:
        async with Echo() as echo:
            proxy = Proxy("127.0.0.1", echo.port)
            port = await proxy.start()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await said(reader, writer, b"one") == b"one"
                await proxy.become(Mood.STALL)
                writer.write(b"two")
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(reader.read(100), 0.3)
                await proxy.become(Mood.THROUGH)
                assert await asyncio.wait_for(reader.read(100), PATIENCE_S) == b"two"
                await proxy.become(Mood.CUT)
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(reader.readexactly(1), PATIENCE_S)
                await hung_up(writer)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await said(reader, writer, b"three") == b"three"
                await proxy.become(Mood.REFUSE)
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(reader.readexactly(1), PATIENCE_S)
                await hung_up(writer)
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
                await proxy.become(Mood.THROUGH)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await said(reader, writer, b"four") == b"four"
                assert proxy.accepted == 3
                await hung_up(writer)
            finally:
                await proxy.close()

    asyncio.run(scenario())


def test_behind_a_proxy_nobody_may_listen():
    async def scenario() -> None:
        proxy = Proxy("127.0.0.1", free_port())
        port = await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.readexactly(1), PATIENCE_S)
        await hung_up(writer)
        await proxy.close()
        await proxy.close()

    asyncio.run(scenario())


def test_the_proxy_is_a_program_too(mosquitto: Mosquitto):
    command = [sys.executable, "-m", "simulators.proxy", "0", f"127.0.0.1:{mosquitto.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening ")
        process.stdin.write("refuse\nthrough\n")
        process.stdin.flush()
        assert [process.stdout.readline() for _ in range(2)] == ["refuse\n", "through\n"]
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0
