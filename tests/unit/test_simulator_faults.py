"""What faults may be said, when they hold, and what the rare ones put on the wire."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from config.positions import Source
from config.problems import ConfigurationError
from config.profiles import load_profile
from simulators.fault_script import read_faults
from simulators.faults import Fault, FaultScript
from simulators.standing import FaultBook
from simulators.wire_faults import Question, faulty_steps, frame

BEGIN_S = 1_780_275_600.0
FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)
RIGHT = bytes((4, 4, 1, 2, 3, 4))
ASKED = Question(7, 1, bytes((4, 0, 52, 0, 2)))


def fault(**said: object) -> Fault:
    return FAULT.validate_python({"device": "one", **said})


def book_with(**said: object) -> FaultBook:
    book = FaultBook(["one", "two"], BEGIN_S)
    book.add(fault(**said))
    return book


def steps(**said: object) -> list[tuple[float, bytes | None]]:
    book = book_with(**said)
    (standing,) = book.of("one").wire
    standing.strikes(BEGIN_S)
    return faulty_steps(standing, "0/one", ASKED, RIGHT)


@pytest.mark.parametrize(
    ("said", "first_s", "last_s"),
    [
        ({}, 0, 1e9),
        ({"from_s": 10, "for_s": 5}, 10, 14.9),
        ({"at": datetime.fromtimestamp(BEGIN_S + 20, UTC), "for_s": 5}, 20, 24.9),
        ({"from_s": 3, "until": datetime.fromtimestamp(BEGIN_S + 20, UTC)}, 3, 19.9),
    ],
)
def test_when_a_fault_holds(said: dict, first_s: float, last_s: float):
    (standing,) = book_with(kind="silent", **said).of("one").wire
    assert standing.holds(BEGIN_S + first_s)
    assert standing.holds(BEGIN_S + last_s)
    assert not standing.holds(BEGIN_S + first_s - 0.1)
    if last_s < 1e9:
        assert not standing.holds(BEGIN_S + last_s + 0.1)


def test_every_and_times_count_what_is_met():
    (standing,) = book_with(kind="silent", every=3, times=2).of("one").wire
    assert [standing.strikes(BEGIN_S) for _ in range(8)] == [
        True, False, False, True, False, False, False, False,
    ]  # fmt: skip


def test_the_fault_that_was_set_last_strikes():
    book = book_with(kind="silent")
    number = book.add(fault(kind="closing", times=1))
    faults = book.of("one")
    struck = [faults.wire_fault(BEGIN_S, lambda _: True) for _ in range(2)]
    assert [found.fault.kind for found in struck if found] == ["closing", "silent"]
    assert book.clear(number) == 1
    assert book.clear(device="two") == 0
    assert book.clear() == 1
    assert faults.wire_fault(BEGIN_S, lambda _: True) is None


def test_a_fault_of_every_device_is_each_devices_own():
    book = FaultBook(["one", "two"], BEGIN_S)
    book.take(FaultScript.model_validate({"faults": [{"device": "*", "kind": "silent", "times": 1}]}))
    assert book.of("one").wire[0].strikes(BEGIN_S)
    assert book.of("two").wire[0].strikes(BEGIN_S)


def test_what_is_put_on_the_wire():
    right = frame(7, 1, RIGHT)
    assert steps(kind="silent") == []
    assert steps(kind="slow", after_ms=250) == [(0.25, right)]
    dripped = steps(kind="dripping", gap_ms=10)
    assert b"".join(part or b"" for _, part in dripped) == right
    assert [round(at_s, 3) for at_s, _ in dripped] == [round(0.01 * n, 3) for n in range(len(right))]
    assert steps(kind="refusing", code=6) == [(0.0, frame(7, 1, b"\x84\x06"))]
    assert steps(kind="foreign_unit") == [(0.0, frame(7, 2, RIGHT))]
    assert steps(kind="foreign_transaction") == [(0.0, frame(7 ^ 0x5555, 1, RIGHT))]
    assert steps(kind="cutting") == [(0.0, right[:6])]
    assert steps(kind="cutting", bytes=3, then="close") == [(0.0, right[:3]), (0.0, None)]
    assert steps(kind="closing") == [(0.0, None)]
    assert steps(kind="wrong_count", by=-6) == [(0.0, frame(7, 1, bytes((4, 254)) + RIGHT[2:]))]
    assert steps(kind="garbage", bytes=9) == steps(kind="garbage", bytes=9)


def test_an_exception_has_no_count_to_be_wrong():
    book = book_with(kind="wrong_count")
    (standing,) = book.of("one").wire
    assert faulty_steps(standing, "0/one", ASKED, b"\x84\x02") == [(0.0, frame(7, 1, b"\x84\x02"))]


@pytest.mark.parametrize(
    ("pdu", "touched"),
    [
        (bytes((4, 0, 40, 0, 10)), False),
        (bytes((4, 0, 40, 0, 11)), True),
        (bytes((3, 0, 59, 0, 1)), True),
        (bytes((3, 0, 60, 0, 1)), False),
        (bytes((6, 0, 55, 9, 9)), True),
        (bytes((6, 0, 60, 9, 9)), False),
        (b"\x07", False),
    ],
)
def test_which_requests_touch_a_range(pdu: bytes, touched: bool):
    assert Question(1, 1, pdu).touches(50, 59) is touched


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "slow"},
        {"kind": "slow", "after_ms": -1},
        {"kind": "refusing", "code": 7},
        {"kind": "silent", "every": 0},
        {"kind": "silent", "points": ["energy_import"]},
        {"kind": "unheard"},
    ],
)
def test_what_may_not_be_said(said: dict):
    with pytest.raises(ValidationError):
        fault(**said)


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_every_mistake_of_a_script_is_told_in_both_languages(language: str):
    text = (
        "faults:\n"
        "  - {device: water, kind: cutting}\n"
        "  - {device: water, kind: resetting, points: [flow]}\n"
        "  - {device: water, kind: rolling_over, before: 1, points: [volume]}\n"
        "  - {device: watr, kind: silent}\n"
        "  - {device: water, kind: silent, at: soon}\n"
        "  - {device: water, kind: spiking, by: true}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_faults(Source("faults.yaml", text), {"water": load_profile("json_water_meter")})
    said = [(problem.place.line, problem.code) for problem in caught.value.problems]
    assert sorted(said) == [
        (2, "simulators.fault_of_other_wire"),
        (3, "simulators.not_a_counter"),
        (4, "simulators.no_modulus"),
        (5, "simulators.unknown_device"),
        (6, "config.instant_wanted"),
        (7, "config.number_wanted"),
    ]
    assert all(problem.render(language) for problem in caught.value.problems)
