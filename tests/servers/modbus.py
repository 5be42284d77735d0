"""The far end of a Modbus line: scripted answers, libmodbus's own server, serial lines and gateways."""

import asyncio
import gzip
import os
import shlex
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.servers.processes import PATIENCE_S, free_port, run_program, wait_until
from tests.servers.programs import require_program

LIBMODBUS_EXAMPLES = Path("/usr/share/doc/libmodbus-dev/examples")
LIBMODBUS_UNIT = 17

Script = Callable[[bytes], bytes | None]


class Inbox:
    """Keeps what a driver delivers, and lets a test wait for it."""

    def __init__(self) -> None:
        self.scans: list[Any] = []
        self.told: list[Any] = []
        self._news = asyncio.Event()

    def scan(self, scan: Any, on_commit: Callable[[], None] | None = None) -> None:
        """Keep a scan."""
        self.scans.append(scan)
        self._news.set()

    def news(self, news: Any) -> None:
        """Keep the news."""
        self.told.append(news)
        self._news.set()

    def of(self, device: str) -> list[Any]:
        """The scans of one device."""
        return [scan for scan in self.scans if scan.layout.device == device]

    def last_news(self, device: str) -> Any:
        """The latest of one device; None before the first."""
        return next((news for news in reversed(self.told) if news.device == device), None)

    async def until(self, condition: Callable[["Inbox"], object], seconds: float = PATIENCE_S) -> None:
        """Wait for a condition. TimeoutError when it does not come."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(driver: Any) -> AsyncIterator[Inbox]:
    """A driver that runs, and what it delivers."""
    inbox = Inbox()
    task = asyncio.create_task(driver.run(inbox))
    try:
        yield inbox
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await driver.close()


class Stalls:
    """How long this process stood still while it was watched: the machine's doing, nobody's fault."""

    def __init__(self) -> None:
        self.total_s = 0.0

    async def watch(self) -> None:
        """Add up by how much each short sleep was too long."""
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0.01)
            self.total_s += time.monotonic() - began_s - 0.01


@asynccontextmanager
async def watched() -> AsyncIterator[Stalls]:
    """The stalls of the loop that far end, driver and test share."""
    stalls = Stalls()
    task = asyncio.create_task(stalls.watch())
    try:
        yield stalls
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def good_answer(frame: bytes) -> bytes:
    """Zeros, as many as were asked for."""
    return answer_of(frame, bytes(2 * int.from_bytes(frame[10:12], "big")))


def answer_of(frame: bytes, registers: bytes) -> bytes:
    """These registers, in answer to a request frame."""
    body = frame[6:8] + bytes([len(registers)]) + registers
    return frame[:4] + len(body).to_bytes(2, "big") + body


def exception_of(frame: bytes, code: int) -> bytes:
    """An exception, in answer to a request frame."""
    return frame[:4] + b"\0\x03" + frame[6:7] + bytes([frame[7] | 0x80, code])


@asynccontextmanager
async def scripted(port: int, answer: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[list[int]]:
    """A far end that answers each request frame with what ``answer(frame)`` gives; None is silence.

    Gives a list that holds a number for each connection that was made.
    """
    serving: set[asyncio.Task[Any]] = set()
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        connections.append(len(connections))
        try:
            while True:
                head = await reader.readexactly(6)
                frame = head + await reader.readexactly(int.from_bytes(head[4:6], "big"))
                reply = answer(frame)
                if reply is not None:
                    writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    try:
        yield connections
    finally:
        server.close()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


@contextmanager
def serial_line(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A serial line made by socat: the two ends of a cable."""
    socat = require_program("socat", "socat")
    ends = (folder / "ours", folder / "theirs")
    held: list[int] = []
    addresses = [f"pty,raw,echo=0,link={end}" for end in ends]
    with run_program([socat, *addresses], name="socat line", traceback_is_fine=True) as program:
        try:
            wait_until("the serial line", lambda: all(end.exists() for end in ends), program)
            # Held open, so that the line does not end when one side hangs up.
            held = [os.open(end, os.O_RDWR | os.O_NOCTTY) for end in ends]
            yield ends
        finally:
            for end in held:
                os.close(end)


@contextmanager
def rtu_gateway(line: Path) -> Iterator[int]:
    """A serial gateway that passes bytes on as they are, made by socat; gives its port."""
    socat, port = require_program("socat", "socat"), free_port()
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr"
    # One client at a time, as serial gateways do; two would take each other's bytes.
    once = shlex.join([socat, "-d", "-d", "-t", "0", listen, f"OPEN:{line},raw,echo=0"])
    loop = f"while :; do {once}; done"
    with run_program(["/bin/sh", "-c", loop], name="socat gateway") as program:
        program.wait_for_line("listening on")
        yield port


@contextmanager
def libmodbus_server(folder: Path, line: Path | None = None) -> Iterator[int]:
    """Libmodbus's own test server, in a loop, because it ends when its client leaves.

    Built from Debian's copy of its source, with a free port (which this gives) or a serial line in it.
    """
    compiler = require_program("gcc", "gcc")
    source = LIBMODBUS_EXAMPLES / "unit-test-server.c"
    packed = source.with_suffix(".c.gz")
    if not source.exists() and not packed.exists():
        require_program("libmodbus unit-test-server.c", "libmodbus-dev")
    text = source.read_text() if source.exists() else gzip.decompress(packed.read_bytes()).decode()
    port = free_port()
    text = text.replace("1502", str(port)).replace("/dev/ttyUSB0", str(line))
    (folder / "server.c").write_text(text, encoding="utf-8")
    program = folder / "libmodbus-server"
    includes = ["-I", str(LIBMODBUS_EXAMPLES), "-I/usr/include/modbus"]
    build = [compiler, *includes, str(folder / "server.c"), "-o", str(program), "-lmodbus"]
    with run_program(build, name="gcc") as building:
        assert building.wait() == 0, building.output
    way = "tcp" if line is None else "rtu"
    loop = f"while :; do stdbuf -oL {shlex.quote(str(program))} {way}; sleep 0.02; done"
    with run_program(["/bin/sh", "-c", loop], name="libmodbus") as server:
        if line is not None:
            server.wait_for_line("Opening")
        yield port
