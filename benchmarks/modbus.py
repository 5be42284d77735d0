"""Block reads over many connections, beside who else could do them, in one run.

60 holding registers are 30 float32. The server is C (``c/modbus_server.c``), so that it is nobody's limit.
Each candidate is a process of its own; they take turns, so that the machine's drift hits all alike.
``python benchmarks/modbus.py`` prints all of them; ``... modbus.py 1000`` with so many connections.
"""

import argparse
import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.servers import free_port, require_program, run_program  # noqa: E402

CONNECTIONS, REGISTERS, SECONDS, ROUNDS = 64, 60, 1.5, 5
C_PROGRAMS = {"C, epoll": "modbus_client", "libmodbus, in turn": "modbus_libmodbus"}
LIMIT = "C, epoll"


def build(folder: Path, name: str) -> Path:
    """Compile one of the C programs."""
    program = folder / name
    source = HERE / "c" / f"{name}.c"
    libraries = ["-lmodbus"] if "libmodbus" in name else []
    command = [require_program("gcc", "gcc"), "-O2", "-I/usr/include/modbus", source, "-o", program]
    subprocess.run([*command, *libraries], check=True)
    return program


@contextmanager
def c_server(folder: Path) -> Iterator[int]:
    """The server in C; gives its port, on every loopback address."""
    port = free_port()
    with run_program([build(folder, "modbus_server"), str(port)], name="C server") as server:
        server.wait_for_line("ready")
        yield port


# -- candidates in Python: each gives a coroutine function that polls one connection once -------------------


def _profile() -> dict[str, object]:
    from rules.quantities import QUANTITIES, Kind

    gauges = [q for q in QUANTITIES.values() if q.kind is Kind.GAUGE][: REGISTERS // 2]
    points = {q.name: {"address": 2 * at, "type": "f32", "unit": q.unit} for at, q in enumerate(gauges)}
    facts = {"profile": "b", "version": 1, "maker": "m", "model": "m", "family": "electricity"}
    return {**facts, "source": ["b"], "points": points}


async def _ours(port: int, connections: int) -> list[Callable[[], Awaitable[object]]]:
    from drivers.modbus import ModbusDriver
    from drivers.modbus_profile import ModbusProfile
    from drivers.registers import unwarned
    from drivers.settings import ModbusTcpBus

    unwarned().__enter__()  # once for all polls, as a line does, and for as long as this process lives

    devices = [{"id": f"meter-{n}", "profile": "b", "host": f"127.1.{n >> 8}.{n & 255}"}
               for n in range(connections)]  # fmt: skip
    bus = ModbusTcpBus.model_validate({"kind": "modbus_tcp", "id": "b", "port": port, "devices": devices})
    driver = ModbusDriver(bus, {"b": ModbusProfile.model_validate(_profile())}, time.time_ns)
    polls: list[Callable[[], Awaitable[object]]] = []
    for line in driver.lines:
        await line.connect(line.devices[0])
        polls.append(lambda line=line: line.poll(line.devices[0]))  # type: ignore[misc]
    return polls


async def _clients(port: int, connections: int) -> list[object]:
    from pymodbus.client import AsyncModbusTcpClient

    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for _ in range(connections)]
    for client in clients:
        assert await client.connect()
    return clients  # type: ignore[return-value]


async def _pymodbus_blocks(port: int, connections: int) -> list[Callable[[], Awaitable[object]]]:
    """The library's block read and its own conversion of the whole block."""
    from pymodbus.client.mixin import ModbusClientMixin

    kind = ModbusClientMixin.DATATYPE.FLOAT32

    async def poll(client: object) -> None:
        answer = await client.read_holding_registers(0, count=REGISTERS)  # type: ignore[attr-defined]
        client.convert_from_registers(answer.registers, kind)  # type: ignore[attr-defined]

    return [lambda client=client: poll(client) for client in await _clients(port, connections)]  # type: ignore[misc]


async def _pymodbus_reads(port: int, connections: int) -> list[Callable[[], Awaitable[object]]]:
    """The block read alone, nothing decoded."""

    async def poll(client: object) -> None:
        await client.read_holding_registers(0, count=REGISTERS)  # type: ignore[attr-defined]

    return [lambda client=client: poll(client) for client in await _clients(port, connections)]  # type: ignore[misc]


async def _pymodbus_calls(port: int, connections: int) -> list[Callable[[], Awaitable[object]]]:
    """The usual loop: a call a value."""
    from pymodbus.client.mixin import ModbusClientMixin

    kind = ModbusClientMixin.DATATYPE.FLOAT32

    async def poll(client: object) -> None:
        for address in range(0, REGISTERS, 2):
            answer = await client.read_holding_registers(address, count=2)  # type: ignore[attr-defined]
            client.convert_from_registers(answer.registers, kind)  # type: ignore[attr-defined]

    return [lambda client=client: poll(client) for client in await _clients(port, connections)]  # type: ignore[misc]


CANDIDATES = {
    "ours, decoded": _ours,
    "pymodbus block read, not decoded": _pymodbus_reads,
    "pymodbus block read, its conversion": _pymodbus_blocks,
    "pymodbus, a call a value": _pymodbus_calls,
}
STDLIB = ", asyncio's own loop"


async def _measured(name: str, port: int, connections: int) -> tuple[float, float]:
    """Polls a second and CPU microseconds each, every connection as often as it can."""
    polls = await CANDIDATES[name](port, connections)
    count, deadline_s = 0, 0.0

    async def again_and_again(poll: Callable[[], Awaitable[object]]) -> None:
        nonlocal count
        while time.perf_counter() < deadline_s:
            await poll()
            count += 1

    for _ in range(2):  # the first is for warmth
        count, began_s, cpu_s = 0, time.perf_counter(), time.process_time()
        deadline_s = began_s + SECONDS
        await asyncio.gather(*(again_and_again(poll) for poll in polls))
        elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return count / elapsed_s, 1e6 * cpu_s / count


def _candidate(name: str, port: int, connections: int) -> None:
    """In a process of its own: measure and print."""
    import uvloop

    if name.endswith(STDLIB):
        rate, cpu_us = asyncio.run(_measured(name.removesuffix(STDLIB), port, connections))
    else:
        rate, cpu_us = uvloop.run(_measured(name, port, connections))
    sys.stdout.write(f"{rate} {cpu_us} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")


def _take(command: list[object]) -> tuple[float, ...]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return tuple(float(word) for word in done.stdout.split())


def main() -> int:
    """Print the table."""
    if sys.argv[1:2] == ["candidate"]:
        _candidate(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connections", type=int, nargs="?", default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wishes = parser.parse_args()
    connections = wishes.connections
    with tempfile.TemporaryDirectory() as folder, c_server(Path(folder)) as port:
        commands: dict[str, list[object]] = {
            name: [build(Path(folder), program), port, connections, REGISTERS, SECONDS]
            for name, program in C_PROGRAMS.items()
        }
        python = [sys.executable, __file__, "candidate"]
        names = [*CANDIDATES, f"ours, decoded{STDLIB}"]
        commands |= {name: [*python, name, port, connections] for name in names}
        rounds = [{name: _take(command) for name, command in commands.items()} for _ in range(wishes.rounds)]
    _print(connections, rounds)
    return 0


def _print(connections: int, rounds: list[dict[str, tuple[float, ...]]]) -> None:
    print(f"{connections} connections, {REGISTERS} registers a poll, medians of {len(rounds)}")
    print("| client | polls/s | of the limit | CPU us a poll | CPU us a point | MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in rounds[0]:
        rate, cpu_us, memory_kb = (
            statistics.median(column) for column in zip(*(one[name] for one in rounds), strict=True)
        )
        share = statistics.median(one[name][0] / one[LIMIT][0] for one in rounds)
        point_us = cpu_us / (REGISTERS / 2)
        print(
            f"| {name} | {rate:,.0f} | {share:.3f} | {cpu_us:.1f} | {point_us:.2f} | {memory_kb / 1024:.0f} |"
        )
    ours = next(iter(CANDIDATES))
    for name in rounds[0]:
        if name != ours:
            ratio = statistics.median(one[ours][0] / one[name][0] for one in rounds)
            print(f"{ours} : {name} = {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
