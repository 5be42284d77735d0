"""Faults on demand and by script, seen on the wire by a client that knows only bytes."""

import math
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faulty_world import ENERGY, FREQUENCY, POWER, START, Client, Served, running
from tests.servers import PATIENCE_S, Program, free_port, require_program

# An event loop's timers count whole milliseconds, from the one in which it woke up: they may ring that early.
TICK_S = 0.005


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    # The world hardly moves, so that values can be compared from answer to answer.
    with running(tmp_path_factory.mktemp("world"), "--start", START, "--speed", "0.001") as served:
        yield served


def test_a_silent_device_says_nothing_and_its_neighbour_answers(world: Served):
    with Client(world) as client, world.fault("silent"):
        client.question(POWER)
        assert client.silent()
        assert client.value(POWER, unit=2) > 0
    with Client(world) as client:
        assert client.value(POWER) > 0


def test_a_slow_device_answers_late_and_right(world: Served):
    with Client(world) as client:
        right = client.value(POWER)
        with world.fault("slow", after_ms=400):
            began = time.monotonic()
            assert client.value(POWER) == pytest.approx(right, rel=1e-4)
            assert time.monotonic() - began > 0.4 - TICK_S


def test_a_dripping_device_answers_a_byte_at_a_time(world: Served):
    with Client(world) as client, world.fault("dripping", gap_ms=20):
        began = time.monotonic()
        transaction = client.question(POWER)
        assert client.frame()[0] == transaction
        # 13 bytes. Whoever stands still may find several together, but never the last one earlier.
        assert time.monotonic() - began > 12 * 0.02 - TICK_S


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11])
def test_a_refusing_device_gives_the_exception(world: Served, code: int):
    with Client(world) as client, world.fault("refusing", code=code):
        client.question(POWER)
        assert client.frame()[2] == bytes((0x84, code))


def test_a_range_of_addresses_is_refused_and_the_rest_is_not(world: Served):
    with Client(world) as client, world.fault("refusing", code=2, addresses=[70, 71]):
        client.question(POWER, count=20)
        assert client.frame()[2] == b"\x84\x02"
        client.question(FREQUENCY)
        assert client.frame()[2] == b"\x84\x02"
        client.question(POWER, count=18)
        assert client.frame()[2][:2] == b"\x04\x24"
        assert client.value(ENERGY) > 0


def test_foreign_ids(world: Served):
    with Client(world) as client:
        with world.fault("foreign_unit"):
            transaction = client.question(POWER)
            assert client.frame()[:2] == (transaction, 2)
        with world.fault("foreign_unit", unit=77):
            client.question(POWER)
            assert client.frame()[1] == 77
        with world.fault("foreign_transaction"):
            transaction = client.question(POWER)
            assert client.frame()[0] not in range(0x1000, transaction + 1)


def test_a_late_device_is_always_one_answer_behind(world: Served):
    with Client(world) as client, world.fault("late"):
        first = client.question(POWER)
        assert client.silent()
        second = client.question(FREQUENCY)
        assert client.frame()[0] == first
        assert client.silent()
        client.question(FREQUENCY)
        transaction, _, pdu = client.frame()
        assert transaction == second
        assert struct.unpack(">f", pdu[2:])[0] == pytest.approx(60, abs=1)


def test_a_late_answer_comes_just_before_the_next(world: Served):
    with Client(world) as client, world.fault("late", times=1):
        first = client.question(POWER)
        assert client.silent()
        second = client.question(FREQUENCY)
        assert [client.frame()[0], client.frame()[0]] == [first, second]


def test_cut_frames(world: Served):
    with Client(world) as client, world.fault("cutting"):
        transaction = client.question(POWER)
        assert client.exactly(6)[:2] == struct.pack(">H", transaction)
        assert client.silent()
    with Client(world) as client, world.fault("cutting", bytes=9, then="close"):
        client.question(POWER)
        assert len(client.exactly(100)) == 9


def test_a_closing_device_hangs_up(world: Served):
    with Client(world) as client, world.fault("closing"):
        client.question(POWER)
        assert client.exactly(1) == b""


def test_garbage_is_the_same_for_the_same_seed(tmp_path: Path):
    script = tmp_path / "faults.yaml"
    script.write_text("seed: 3\nfaults: [{device: one, kind: garbage, bytes: 50}]\n")
    said = []
    for _ in range(2):
        with running(tmp_path, "--faults", script) as served, Client(served) as client:
            client.question(POWER)
            said.append(client.exactly(50))
    assert said[0] == said[1]
    assert len(said[0]) == 50


def test_a_wrong_byte_count(world: Served):
    with Client(world) as client, world.fault("wrong_count", by=-2):
        client.question(POWER)
        pdu = client.frame()[2]
        assert (pdu[1], len(pdu)) == (2, 6)


def test_only_each_third_question(world: Served):
    with Client(world) as client, world.fault("refusing", code=6, every=3):
        refused = []
        for _ in range(7):
            client.question(POWER)
            refused.append(client.frame()[2] == b"\x84\x06")
    assert refused == [True, False, False, True, False, False, True]


def test_counters_that_lie(world: Served):
    with Client(world) as client:
        right = client.value(ENERGY)
        with world.fault("zero", times=1):
            assert client.value(POWER) > 0  # it is about counters
            assert client.value(ENERGY) == 0
            assert client.value(ENERGY) == pytest.approx(right, rel=1e-6)
        with world.fault("spiking", by=5000):
            assert client.value(ENERGY) == pytest.approx(right + 5000, rel=1e-6)
        with world.fault("resetting"):
            assert client.value(ENERGY) < 1
        with world.fault("rolling_over", before=0.5, modulus=1000, points=["energy_import"]):
            assert client.value(ENERGY) == pytest.approx(999.5, abs=0.2)
        assert client.value(ENERGY) == pytest.approx(right, rel=1e-6)


def test_values_that_are_none(world: Served):
    with Client(world) as client:
        with world.fault("invalid"):
            assert math.isnan(client.value(ENERGY))
            assert math.isnan(client.value(POWER))
        with world.fault("invalid", points=["frequency"]):
            assert math.isnan(client.value(FREQUENCY))
            assert client.value(POWER) > 0


def test_values_that_stand_still(tmp_path: Path):
    with running(tmp_path, "--start", START, "--speed", "1000") as served, Client(served) as client:
        with served.fault("stuck"):
            energy, power = client.value(ENERGY), client.value(POWER)
            assert client.value(ENERGY) == energy
            assert client.value(POWER) != power
        with served.fault("frozen"):
            power, energy = client.value(POWER), client.value(ENERGY)
            assert client.value(POWER) == power
            assert client.value(ENERGY) > energy


def test_a_counter_rolls_over_and_goes_on(tmp_path: Path):
    with (
        running(tmp_path, "--start", START, "--speed", "1000") as served,
        Client(served) as client,
        served.fault("rolling_over", before=20, modulus=1000),
    ):
        seen = [client.value(ENERGY)]
        assert seen[0] > 900
        deadline = time.monotonic() + PATIENCE_S
        while seen[-1] >= seen[0] and time.monotonic() < deadline:
            seen.append(client.value(ENERGY))
        assert seen[-1] < 100


def test_a_script_begins_and_ends_by_the_worlds_clock(tmp_path: Path):
    script = tmp_path / "faults.yaml"
    # A world hour passes in 7.2 s.
    script.write_text(
        "faults:\n"
        "  - {device: one, kind: refusing, code: 6, from_s: 600, for_s: 1800}\n"
        "  - {device: two, kind: refusing, code: 4, until: 2026-06-01T09:00:01+08:00}\n"
        "  - {device: '*', kind: refusing, code: 5, at: 2026-06-01T09:50:00+08:00}\n"
    )
    with (
        running(tmp_path, "--start", START, "--speed", "500", "--faults", script) as served,
        Client(served) as client,
    ):
        codes: dict[int, list[int]] = {1: [], 2: []}
        deadline = time.monotonic() + PATIENCE_S
        while 5 not in codes[2] and time.monotonic() < deadline:
            for unit, seen in codes.items():
                client.question(POWER, unit=unit)
                pdu = client.frame()[2]
                code = pdu[1] if pdu[0] & 0x80 else 0
                if code not in seen[-1:]:
                    seen.append(code)
            time.sleep(0.002)  # the question is which phase it is, not how many answers a second
        # Whoever looks late, on a slow machine, sees less before and between, and in no other order.
        assert 6 in codes[1]
        phases = iter([0, 6, 0, 5])
        assert all(code in phases for code in codes[1]), codes
        assert codes[2][-2:] == [0, 5]


def test_kept_answers_are_forgotten_when_a_fault_is_set(tmp_path: Path):
    with running(tmp_path, "--hold", "3600") as served, Client(served) as client:
        assert client.value(ENERGY) == client.value(ENERGY) != 0
        with served.fault("zero"):
            assert client.value(ENERGY) == 0
        assert client.value(ENERGY) != 0


def test_faults_are_listed_and_cleared_by_device(world: Served):
    with Client(world) as client:
        number = world.ask({"set": {"device": "two", "kind": "zero", "times": 2}})["number"]
        for _ in range(3):
            client.value(ENERGY, unit=2)
        (told,) = world.ask({"list": True})["faults"]
        assert told == {
            "number": number, "device": "two", "kind": "zero", "holds": False, "met": 2, "struck": 2,
        }  # fmt: skip
        assert world.ask({"clear": "one"}) == {"cleared": 0}
        assert world.ask({"set": {"device": "*", "kind": "silent"}})["number"] > number
        assert world.ask({"clear": "two"}) == {"cleared": 2}
        assert world.ask({"clear": "*"}) == {"cleared": 1}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"set": {"device": "three", "kind": "silent"}}, "no device 'three'"),
        ({"set": {"device": "one", "kind": "silnt"}}, "did you mean 'silent'?"),
        ({"set": {"device": "one", "kind": "slow"}}, "'after_ms' is missing"),
        ({"set": {"device": "one", "kind": "duplicate"}}, "speaks Modbus"),
        ({"set": {"device": "one", "kind": "stuck", "points": ["frequency"]}}, "'frequency' is no counter"),
        ({"set": {"device": "one", "kind": "rolling_over", "before": 1}}, "Give 'modulus'"),
        ({"set": 3}, "none of"),
        ({}, "none of"),
    ],
)
def test_what_cannot_be_set_is_told_with_the_cure(world: Served, wish: dict, words: str):
    assert words in world.ask(wish)["error"]


def test_the_command_line_sets_and_clears(world: Served):
    def said(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "simulators.control", str(world.control), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    assert said("set", "one", "slow", "after_ms=1", "for_s=60")[0] == 0
    code, text = said("list")
    assert (code, '"slow"' in text) == (0, True)
    assert said("clear", "one") == (0, '{\n "cleared": 1\n}\n')
    code, text = said("set", "one", "slw")
    assert (code, "slow" in text, "Traceback" in text) == (2, True, False)
    command = [sys.executable, "-m", "simulators.control", str(free_port()), "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, "--control" in done.stderr) == (1, True)


def test_a_wrong_script_is_told_with_its_places(tmp_path: Path):
    script = tmp_path / "faults.yaml"
    script.write_text(
        "faults:\n"
        "  - {device: one, kind: silent, from_s: 1, at: 2026-06-01T09:00:00+08:00}\n"
        "  - {device: one, kind: silent, at: 2026-06-01T09:00:00Z, until: 2026-06-01T08:00:00Z}\n"
    )
    world = tmp_path / "world.yaml"
    world.write_text(
        "buses: [{kind: modbus_tcp, id: a, host: 127.0.0.1, devices: [{id: one, profile: eastron_sdm630}]}]\n"
    )
    command = [sys.executable, "-m", "simulators", "--world", world, "--faults", script]
    program = Program(command, env={"ENERGY_MONITOR_LANGUAGE": "en"})
    try:
        assert program.wait() == 2
    finally:
        program.end()
    assert "faults.yaml:2:" in program.output
    assert "'from_s' and 'at' say the same" in program.output
    assert "ends before it begins" in program.output


@pytest.mark.parametrize("server", ["own", "pymodbus"])
def test_mbpoll_reads_the_same_from_both_servers(tmp_path: Path, server: str):
    mbpoll = require_program("mbpoll", "mbpoll")
    with running(tmp_path, "--start", START, "--speed", "0.001", "--server", server) as served:

        def polled(*words: str) -> str:
            command = [mbpoll, "-m", "tcp", "-0", "-1", "-B", "-p", str(served.port), *words, "127.0.0.1"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            return done.stdout + done.stderr

        said = polled("-a", "1", "-t", "3:float", "-r", "70")
        assert float(said.split("[70]:")[1].split()[0]) == pytest.approx(60, abs=1)
        assert "Illegal data address" in polled("-a", "1", "-t", "3:float", "-r", "9000")
        assert "Illegal data value" in polled("-a", "1", "-t", "3", "-r", "0", "-c", "3")
        with Client(served) as client:
            assert client.value(POWER, unit=2) > 0
            client.question(POWER, unit=9)
            assert client.frame()[2] == b"\x84\x0b"
