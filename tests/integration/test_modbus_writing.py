"""Writing points over the wire, on each kind of line, against simulated devices that obey and that do not."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from drivers.contract import Garbled, NoAnswer, NotObeyed, NotWritable, OutOfRange, Refused
from simulators.devices import SimulatedDevice
from simulators.faults import Disobeying
from simulators.modbus_server import ModbusServer
from simulators.rtu_server import RtuGateway
from simulators.standing import FaultBook
from tests.modbus_world import driver, profile, until, wait_for_an_answer
from tests.servers.modbus import running
from tests.simulated_world import MODEL, NOON_S

TEMPERATURE = {"scale": 0.1, "offset": -45, "type": "u16", "unit": "degC"}
CHILLER = profile(
    {
        "chw_setpoint_active": {"address": 1, "table": "input", **TEMPERATURE},
        "chw_setpoint": {
            "address": 1,
            **TEMPERATURE,
            "valid": [0, 20],
            "writable": {"between": [5, 15], "read_back": "chw_setpoint_active", "settle_s": 0.3},
        },
        "demand_limit_setpoint": {
            "address": 2,
            "type": "f32",
            "unit": "%",
            "word_order": "little",
            "writable": {"between": [40, 100], "release": 0, "settle_s": 0.3},
        },
        "valve_setpoint": {"address": 4, "type": "u16", "unit": "%",
                           "writable": {"between": [0, 100], "function": "multiple"}},
    },
    family="chiller",
)  # fmt: skip


WIDE = CHILLER.model_copy(
    update={"points": {**CHILLER.points, "chw_setpoint": CHILLER.points["chw_setpoint"].model_copy(
        update={"writable": CHILLER.points["chw_setpoint"].writable.model_copy(update={"between": (0, 20)})}
    )}}
)  # fmt: skip
"""The device itself takes more than its profile lets us write."""


@asynccontextmanager
async def world(kind="modbus_tcp"):
    """A simulated chiller, a driver that polls it, and the book of its faults."""
    device = SimulatedDevice("chiller-1", CHILLER, MODEL)
    book = FaultBook(["chiller-1"], NOON_S)
    of_kind = {"modbus_tcp": ModbusServer, "modbus_rtu_tcp": RtuGateway}[kind]
    server = of_kind({1: device}, lambda: NOON_S, book)
    port = await server.start("127.0.0.1", 0)
    one = driver([{"id": "chiller-1"}], CHILLER, kind=kind, port=port)
    try:
        async with running(one):
            yield one, device, book
    finally:
        await server.close()


def disobey(book, how, **more):
    return book.add(Disobeying(device="chiller-1", kind="disobeying", how=how, **more))


@pytest.mark.parametrize("kind", ["modbus_tcp", "modbus_rtu_tcp"])
def test_a_write_is_carried_out_and_read_back(kind):
    async def scenario():
        async with world(kind) as (one, device, _):
            written = await one.write("chiller-1", "chw_setpoint", 9.04)
            assert (written.asked, round(written.shown, 6)) == (9.04, 9.0)
            assert written.sent_ms <= written.shown_ms
            await one.write("chiller-1", "demand_limit_setpoint", 61.7)
            await one.write("chiller-1", "valve_setpoint", 30)
            assert device.setpoints["chw_setpoint"] == pytest.approx(9.0)
            assert device.setpoints["demand_limit_setpoint"] == pytest.approx(61.7, abs=1e-5)
            assert device.setpoints["valve_setpoint"] == 30
            assert await one.show("chiller-1", "demand_limit_setpoint") == pytest.approx(61.7, abs=1e-5)

    asyncio.run(scenario())


def test_what_may_not_be_written_is_not_sent():
    async def scenario():
        async with world() as (one, device, _):
            with pytest.raises(NotWritable):
                await one.write("chiller-1", "chw_setpoint_active", 9.0)
            with pytest.raises(NotWritable):
                await one.write("chiller-1", "no_such_point", 9.0)
            for value in (4.9, 15.2, float("nan"), float("inf")):
                with pytest.raises(OutOfRange, match="'low': '5'"):
                    await one.write("chiller-1", "chw_setpoint", value)
            await one.write("chiller-1", "demand_limit_setpoint", 0)  # the value that hands back
            assert device.setpoints == {"demand_limit_setpoint": 0.0}

    asyncio.run(scenario())


def test_what_a_point_may_show_is_handed_back_although_it_may_not_be_asked_for():
    async def scenario():
        async with world() as (one, device, _):
            device.profile = WIDE
            with pytest.raises(OutOfRange):
                await one.write("chiller-1", "chw_setpoint", 18.0)
            one.check_back("chiller-1", "chw_setpoint", 18.0)
            written = await one.write("chiller-1", "chw_setpoint", 18.0, own=True)
            assert (written.shown, device.setpoints["chw_setpoint"]) == (pytest.approx(18), pytest.approx(18))
            for value in (20.1, -0.1, float("nan"), float("inf")):
                with pytest.raises(OutOfRange, match="'low': '0', 'high': '20'"):
                    one.check_back("chiller-1", "chw_setpoint", value)
                with pytest.raises(OutOfRange):
                    await one.write("chiller-1", "chw_setpoint", value, own=True)
            one.check_back("chiller-1", "demand_limit_setpoint", 1e6)  # it may show anything
            with pytest.raises(OutOfRange):  # what its register cannot hold
                one.check_back("chiller-1", "valve_setpoint", 70_000)
            with pytest.raises(NotWritable):
                one.check_back("chiller-1", "chw_setpoint_active", 9)

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["modbus_tcp", "modbus_rtu_tcp"])
@pytest.mark.parametrize(
    ("how", "error", "done"),
    [("ignore", NotObeyed, False), ("refuse", Refused, False), ("silent", NoAnswer, False),
     ("mute", NoAnswer, True)],
)  # fmt: skip
def test_a_device_that_does_not_do_as_it_is_told_is_found_out(kind, how, error, done):
    async def scenario():
        async with world(kind) as (one, device, book):
            number = disobey(book, how)
            if error is NoAnswer:
                wait_for_an_answer(one, 3.0)
            with pytest.raises(error):
                await one.write("chiller-1", "chw_setpoint", 9.0)
            if done:  # it may be carried out later than its sender waited
                await until(lambda: "chw_setpoint" in device.setpoints)
            assert ("chw_setpoint" in device.setpoints) is done
            assert book.clear(number) == 1
            wait_for_an_answer(one, 20.0)
            await one.write("chiller-1", "chw_setpoint", 10.0)  # the line is whole
            assert await one.show("chiller-1", "chw_setpoint") == pytest.approx(10.0)

    asyncio.run(scenario())


def test_a_fault_may_spare_the_first_writes():
    async def scenario():
        async with world() as (one, device, book):
            disobey(book, "ignore", spared=1, times=1)
            await one.write("chiller-1", "chw_setpoint", 9.0)
            with pytest.raises(NotObeyed) as refused:
                await one.write("chiller-1", "chw_setpoint", 10.0)
            assert (refused.value.data["asked"], refused.value.data["shown"]) == ("10", "9")
            await one.write("chiller-1", "chw_setpoint", 10.0)
            assert device.setpoints["chw_setpoint"] == pytest.approx(10.0)

    asyncio.run(scenario())


def test_a_point_without_a_value_says_so():
    async def scenario():
        async with world() as (one, device, _):
            device.telemetry = lambda name: lambda now: float("nan")
            with pytest.raises(Garbled) as error:
                await one.show("chiller-1", "demand_limit_setpoint")
            assert error.value.code == "write.no_value"

    asyncio.run(scenario())
