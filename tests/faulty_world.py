"""A running world of two meters, its faults, and a client that knows only bytes."""

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from simulators.control import ask
from tests.servers import PATIENCE_S, Program, free_port, run_program

INSTALLED = "2026-05-01T00:00:00+08:00"
START = "2026-06-01T09:00:00+08:00"
POWER, FREQUENCY, ENERGY = 52, 70, 72


class Served:
    """A running world: SDM630s on units 1 and 2."""

    def __init__(self, program: Program, port: int) -> None:
        self.port = port
        self.control = int(program.wait_for_line(r"^control (\d+)$")[1])
        program.wait_for_line("^ready$")

    def ask(self, wish: dict) -> dict:
        return ask(self.control, wish)

    @contextmanager
    def fault(self, kind: str, device: str = "one", **parameters: object) -> Iterator[None]:
        answer = self.ask({"set": {"device": device, "kind": kind, **parameters}})
        assert "number" in answer, answer
        try:
            yield
        finally:
            assert self.ask({"clear": answer["number"]}) == {"cleared": 1}


@contextmanager
def running(folder: Path, *options: str | Path) -> Iterator[Served]:
    port = free_port()
    world = folder / "world.yaml"
    world.write_text(
        f"seed: 7\ninstalled: {INSTALLED}\nbuses:\n"
        f"  - {{kind: modbus_tcp, id: bus, host: 127.0.0.1, port: {port}, devices: [\n"
        "      {id: one, profile: eastron_sdm630, unit: 1},\n"
        "      {id: two, profile: eastron_sdm630, unit: 2}]}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "simulators", "--world", world, "--control", "0", *options]
    with run_program(command, name="simulators") as program:
        yield Served(program, port)


class Client:
    """Raw Modbus TCP: what was sent, and every byte that came."""

    def __init__(self, served: Served) -> None:
        self._socket = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S)
        self._next = 0x1000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def question(self, address: int, count: int = 2, unit: int = 1, function: int = 4) -> int:
        """Send a question; returns its transaction id."""
        self._next = self._next + 1 & 0xFFFF
        self._socket.sendall(struct.pack(">HHHBBHH", self._next, 0, 6, unit, function, address, count))
        return self._next

    def exactly(self, count: int) -> bytes:
        """Exactly so many bytes, or fewer when the other side hung up before."""
        got = b""
        while len(got) < count:
            try:
                part = self._socket.recv(count - len(got))
            except ConnectionResetError:
                break
            if not part:
                break
            got += part
        return got

    def frame(self) -> tuple[int, int, bytes]:
        """Transaction id, unit and PDU of the next frame."""
        transaction, _, length, unit = struct.unpack(">HHHB", self.exactly(7))
        return transaction, unit, self.exactly(length - 1)

    def silent(self) -> bool:
        """Whether nothing comes for a while."""
        self._socket.settimeout(0.3)
        try:
            return self._socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(PATIENCE_S)

    def value(self, address: int, unit: int = 1) -> float:
        """The float32 there."""
        transaction = self.question(address, unit=unit)
        answered, _, pdu = self.frame()
        assert answered == transaction
        return struct.unpack(">f", pdu[2:6])[0]
