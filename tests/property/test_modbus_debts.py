"""Whatever a serial unit holds back, loses or refuses: an answer is booked for its own question alone."""

import asyncio
import struct
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pymodbus.transport import CommParams
from pymodbus.transport.transport import CommType

from drivers.contract import DriverError, NoAnswer, Refused, Where
from drivers.modbus_link import debts as the_debts
from drivers.modbus_link import question
from drivers.modbus_link.debts import Debts
from drivers.modbus_link.link import LineCounts
from drivers.modbus_link.rtu import RtuLink
from drivers.modbus_profile import Table
from tests.servers.rtu import answer_of, asked, exception_of

PARAMS = CommParams(comm_type=CommType.TCP, host="127.0.0.1", port=502)
TIMEOUT_S, PATIENT_S = 0.001, 20.0
FIRST_CODE = 20
"""Exceptions that carry the number of their question: none has a meaning of its own from here on."""


class Unit:
    """Answers in the order in which it was asked; each answer says which question it is for.

    Parameters
    ----------
    script : what to do with each question: answer it, keep the answer until the next one, or lose it.
    refuses : whether it refuses a function and a count.
    """

    def __init__(self, link: RtuLink, script: list[str], refuses: Callable[[int, int], bool]) -> None:
        self.link, self.script, self.refuses = link, script, refuses
        self.number = 0
        self.kept = b""

    def write(self, frame: bytes) -> None:
        self.number += 1
        _, function, _, count = asked(frame)
        if self.refuses(function, count):
            answer = exception_of(frame, FIRST_CODE + self.number)
        else:
            answer = answer_of(frame, self.number)
        act = self.script.pop(0) if self.script else "answer"
        if act == "answer":
            said, self.kept = self.kept + answer, b""
            asyncio.get_running_loop().call_soon(self.link.data_received, said)
        elif act == "keep":
            self.kept += answer

    def abort(self) -> None:
        pass

    close = abort


async def outcome(link: RtuLink, table: Table, count: int, timeout_s: float) -> bytes | DriverError:
    """What came of a question."""
    try:
        return await link.ask(question(Where("line", "a"), 1, table, 100, count), timeout_s)
    except DriverError as error:
        return error


shapes = st.lists(st.tuples(st.sampled_from(Table), st.sampled_from([1, 2, 3, 15])), min_size=2, max_size=12)
scripts = st.lists(st.sampled_from(["answer", "keep", "keep", "lose"]), max_size=15)
manners = st.sampled_from(
    [
        lambda function, count: False,
        lambda function, count: function == 4,
        lambda function, count: count not in (1, 15),
        lambda function, count: function == 4 or count != 15,
        lambda function, count: True,
    ]
)


@given(shapes, scripts, manners, st.booleans())
def test_no_answer_is_taken_for_anothers(shapes, script, refuses, hangs_up):
    async def scene():
        debts, counts = Debts(), LineCounts()
        link = RtuLink(PARAMS, counts, 0.0, debts)
        unit = Unit(link, list(script), refuses)
        link.connection_made(unit)
        for table, count in shapes:
            found = await outcome(link, table, count, TIMEOUT_S)
            if isinstance(found, bytes):
                assert struct.unpack(f">{count}H", found) == (unit.number,) * count
            elif isinstance(found, Refused):
                assert found.data["exception"] == FIRST_CODE + unit.number
            else:
                assert isinstance(found, NoAnswer)
                if hangs_up:
                    link.hang_up()
                    link = unit.link = RtuLink(PARAMS, counts, 0.0, debts)
                    link.connection_made(unit)
        link.hang_up()
        owed = debts._units[1].owed
        assert len(owed) <= 2 * (len(the_debts._LESS) + 4)

    asyncio.run(scene())


@given(shapes, manners)
def test_a_unit_that_answers_again_is_believed_again(shapes, refuses):
    """One answer is lost; then each question is answered, at the latest when nothing can come any more."""

    async def scene():
        link = RtuLink(PARAMS, LineCounts(), 0.0, Debts())
        unit = Unit(link, ["lose"], refuses)
        link.connection_made(unit)
        silent = 0
        for table, count in shapes:
            found = await outcome(link, table, count, PATIENT_S if unit.number else TIMEOUT_S)
            silent += isinstance(found, NoAnswer)
        assert silent == 1

    asyncio.run(scene())
