"""Modbus framing, RTU and TCP, under any bytes in any pieces: registers, or a counted refusal."""

import asyncio
import struct
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.transport import CommParams
from pymodbus.transport.transport import CommType

from config.words import say
from drivers.contract import DriverError, Where
from drivers.modbus_link import question
from drivers.modbus_link.debts import Debts
from drivers.modbus_link.link import LineCounts
from drivers.modbus_link.rtu import RtuLink
from drivers.modbus_link.tcp import TcpLink, Transactions
from drivers.modbus_profile import Table
from tests.servers.rtu import check_sum

UNIT, MOST_KEPT = 3, 512
NEVER_S, SOON_S = 20.0, 0.001
PARAMS = CommParams(comm_type=CommType.TCP, host="127.0.0.1", port=502)
COUNTED = ("silent", "late", "foreign", "bad", "refused")

counts_of_registers = st.integers(1, 125)
cuts = st.lists(st.integers(0, 600), max_size=6)
functions = st.sampled_from([3, 4, 0x83, 0x84, 6, 8])
units = st.sampled_from([UNIT, UNIT, 0, 7, 255])
bodies = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 125).flatmap(lambda n: st.binary(min_size=2 * n, max_size=2 * n)).map(
        lambda data: bytes([len(data)]) + data
    ),
)  # fmt: skip


class Wire:
    """The far end of a link's transport: after each question it says the next bytes of its script."""

    def __init__(self, link: RtuLink | TcpLink, script: list[list[bytes]]) -> None:
        self.link, self.script = link, script
        self.asked: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.asked.append(frame)
        if self.script:
            asyncio.get_running_loop().call_soon(self._say, self.script.pop(0))

    def _say(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self.link.data_received(chunk)
            assert len(self.link._rest) <= MOST_KEPT

    def abort(self) -> None:
        pass

    close = abort


def in_pieces(data: bytes, where: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(at, len(data)) for at in where), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def rtu_frame(unit: int, function: int, body: bytes) -> bytes:
    data = bytes([unit, function]) + body
    return data + check_sum(data)


def tcp_frame(transaction: int, unit: int, function: int, body: bytes, *, length=None, protocol=0) -> bytes:
    length = len(body) + 2 if length is None else length
    return struct.pack(">HHHBB", transaction, protocol, length, unit, function) + body


def registers(count: int) -> bytes:
    return bytes([2 * count]) + bytes(range(2, 2 + 2 * count)) if count < 125 else bytes([250]) + bytes(250)


def exchange(make, script, count: int, timeout_s: float, times: int = 1):
    """What came of asking for so many registers, so many times; and the counts."""

    async def scene():
        counts = LineCounts()
        link = make(counts)
        link.connection_made(Wire(link, script))
        one = question(Where("line", "a"), UNIT, Table.HOLDING, 0, count)
        found: list[bytes | DriverError] = []
        for _ in range(times):
            before = asdict(counts.of(one))
            try:
                found.append(await link.ask(one, timeout_s))
                assert len(found[-1]) == 2 * count
            except DriverError as error:
                found.append(error)
            else:
                continue
            assert any(asdict(counts.of(one))[name] > before[name] for name in COUNTED), found[-1]
        link.hang_up()
        return found, counts

    return asyncio.run(scene())


def rtu(counts: LineCounts) -> RtuLink:
    return RtuLink(PARAMS, counts, 0.0, Debts())


def tcp(counts: LineCounts) -> TcpLink:
    return TcpLink(PARAMS, counts, Transactions())


@given(st.lists(st.lists(st.binary(max_size=700), max_size=4), max_size=3), counts_of_registers)
def test_any_bytes_on_a_serial_line_do_no_harm(script, count):
    exchange(rtu, script, count, SOON_S, times=2)


@given(st.lists(st.lists(st.binary(max_size=700), max_size=4), max_size=3), counts_of_registers)
def test_any_bytes_on_a_socket_do_no_harm(script, count):
    exchange(tcp, script, count, SOON_S, times=2)


@given(
    st.lists(st.tuples(units, functions, bodies, st.booleans()), max_size=5), counts_of_registers, cuts, cuts
)
def test_frames_of_every_kind_on_a_serial_line_do_no_harm(frames, count, where, again):
    said = b"".join(
        rtu_frame(unit, function, body) if right else rtu_frame(unit, function, body)[:-1] + b"\x5a"
        for unit, function, body, right in frames
    )
    exchange(rtu, [in_pieces(said, where), in_pieces(said, again)], count, SOON_S, times=2)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), units, functions, bodies, st.one_of(st.none(), st.integers(0, 65535)),
            st.sampled_from([0, 0, 0, 1]),
        ),
        max_size=5,
    ),
    counts_of_registers,
    cuts,
)  # fmt: skip
def test_frames_of_every_kind_and_length_on_a_socket_do_no_harm(frames, count, where):
    said = b"".join(
        tcp_frame(transaction, unit, function, body, length=length, protocol=protocol)
        for transaction, unit, function, body, length, protocol in frames
    )
    exchange(tcp, [in_pieces(said, where)], count, SOON_S, times=2)


# What is surely no frame: no unit asks or answers with these functions.
noise = st.binary(max_size=200).map(lambda data: bytes(byte | 0x40 for byte in data))
strangers = st.lists(
    st.tuples(st.sampled_from([1, 2, 4, 9]), st.sampled_from([3, 4]), st.integers(1, 20)), max_size=3
)


@given(noise, strangers, counts_of_registers, cuts)
def test_the_answer_is_found_behind_noise_and_foreign_units_however_it_is_cut(before, others, count, where):
    foreign = b"".join(rtu_frame(unit, function, registers(n)) for unit, function, n in others)
    wrong = rtu_frame(UNIT, 3, registers(count))[:-1] + b"\x00"
    good = rtu_frame(UNIT, 3, registers(count))
    for said in (before + good, foreign + good):
        found, counts = exchange(rtu, [in_pieces(said, where)], count, NEVER_S)
        assert found == [registers(count)[1:]]
        assert counts.foreign in (0, len(others))
    if wrong != good:
        (error,), _ = exchange(rtu, [in_pieces(wrong, where)], count, SOON_S)
        assert error.code == "driver.bad_sum"


REQUEST = question(Where("line", "a"), UNIT, Table.HOLDING, 0, 4).rtu
ANSWER = rtu_frame(UNIT, 3, registers(4))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([b"\xf8" * 25], "no_frame"),  # what another baud rate makes of an answer
        ([REQUEST, b"\xf8" * 25], "no_frame"),
        ([ANSWER[:-1]], "no_frame"),
        ([ANSWER[:-1] + b"\x5a"], "bad_sum"),
        ([b"\0"], "no_answer"),  # the line's turning round
        ([REQUEST[:3], REQUEST[3:]], "no_answer"),  # an adapter that hears itself
        ([rtu_frame(7, 3, registers(4))], "foreign_answer"),
        ([], "no_answer"),
    ],
    ids=["noise", "behind an echo", "cut", "wrong byte", "stray byte", "echo", "other unit", "silence"],
)
def test_noise_on_a_serial_line_is_told_from_silence(said, code):
    """A wrong baud rate is the commonest fault of a new line: its cure is another than silence's."""
    (error,), _ = exchange(rtu, [said], 4, SOON_S)
    assert error.code == f"driver.{code}"
    for language, parity in (("zh-TW", "同位"), ("en", "parity")):
        assert (parity in say(error.code, language, **error.data)) == (code != "foreign_answer")


@given(
    st.lists(st.tuples(st.integers(2, 65535), units, st.sampled_from([3, 4, 0x83]), bodies), max_size=4),
    counts_of_registers,
    cuts,
)
def test_the_answer_is_found_behind_foreign_transactions_however_it_is_cut(others, count, where):
    foreign = b"".join(tcp_frame(t, unit, f, body) for t, unit, f, body in others if body)
    said = foreign + tcp_frame(1, UNIT, 3, registers(count))
    found, counts = exchange(tcp, [in_pieces(said, where)], count, NEVER_S)
    assert found == [registers(count)[1:]]
    assert counts.foreign == sum(1 for *_, body in others if body)


@given(st.integers(1, 65535), counts_of_registers)
def test_another_protocol_on_a_socket_is_told_at_once_and_never_trusted_again(protocol, count):
    said = tcp_frame(1, UNIT, 3, registers(count), protocol=protocol)
    (error,), _ = exchange(tcp, [[said]], count, NEVER_S)
    assert error.code == "driver.not_modbus"


@given(st.sampled_from([0x83]), st.integers(0, 255), counts_of_registers, cuts)
def test_every_exception_is_a_refusal_at_once(function, code, count, where):
    for make, said in (
        (rtu, rtu_frame(UNIT, function, bytes([code]))),
        (tcp, tcp_frame(1, UNIT, function, bytes([code]))),
    ):
        (error,), counts = exchange(make, [in_pieces(said, where)], count, NEVER_S)
        assert error.data["exception"] == code
        assert counts.tallies["a"].refused == 1
