"""What is written to simulated devices: what acts, what is refused, and how the server says it."""

import pytest

from drivers.modbus_profile import Table
from simulators.devices import ExceptionCode, ModbusRefusal, SimulatedDevice
from simulators.encode import encoded
from simulators.modbus_server import ModbusServer
from tests.simulated_world import INSTALLED_S, MODEL, NOON_S, profile


def setpoint_bench() -> SimulatedDevice:
    scaled = {"scale": 0.1, "offset": -45, "type": "u16", "unit": "degC"}
    return SimulatedDevice(
        "chiller-1",
        profile(
            {
                "chw_setpoint": {"address": 1, "writable": {"between": [5, 12]}, **scaled},
                "demand_limit_setpoint": {
                    "address": 2,
                    "type": "u16",
                    "unit": "%",
                    "writable": {"between": [40, 100]},
                },
                "chw_setpoint_active": {"address": 3, **scaled},
                "chw_supply_temp": {"address": 4, **scaled},
            }
        ),
        MODEL,
    )


def test_what_is_written_is_read_back_and_acts():
    device = setpoint_bench()
    before_c = device.value("chw_supply_temp", NOON_S)
    device.write(1, bytes.fromhex("021c 0050"))  # 54.0 - 45 = 9 degC, 80 %
    assert device.read(Table.HOLDING, 1, 3, NOON_S).hex() == "021c0050021c"
    assert device.value("chw_supply_temp", NOON_S) == pytest.approx(before_c + 2.0)


@pytest.mark.parametrize(
    ("address", "data", "code"),
    [
        (4, "021c", ExceptionCode.ILLEGAL_ADDRESS),  # not writable
        (0, "021c", ExceptionCode.ILLEGAL_ADDRESS),
        (2, "0050 021c", ExceptionCode.ILLEGAL_ADDRESS),  # the second is not writable
        (1, "0258", ExceptionCode.ILLEGAL_VALUE),  # 15 degC
    ],
)
def test_a_bad_write_changes_nothing(address: int, data: str, code: ExceptionCode):
    device = setpoint_bench()
    with pytest.raises(ModbusRefusal) as refusal:
        device.write(address, bytes.fromhex(data))
    assert refusal.value.code is code
    assert device.setpoints == {}


def test_the_value_that_hands_back_and_both_ends_of_the_range_may_be_written():
    scaled = {"scale": 0.1, "offset": -45, "type": "u16", "unit": "degC"}
    writable = {"between": [4.4, 12.3], "release": 99}
    device = SimulatedDevice(
        "chiller-1", profile({"chw_setpoint": {"address": 1, "writable": writable, **scaled}}), MODEL
    )
    for value in (4.4, 12.3, 99.0):
        device.write(1, encoded(device.points[0], value))
        assert device.setpoints["chw_setpoint"] == pytest.approx(value)
    with pytest.raises(ModbusRefusal):
        device.write(1, encoded(device.points[0], 12.4))


@pytest.mark.parametrize(
    ("unit", "request_pdu", "answer"),
    [
        (1, "03 0001 0001", "03 02 0208"),  # 7.0 degC
        (1, "06 0001 021c", "06 0001 021c"),
        (1, "10 0001 0002 04 021c 0050", "10 0001 0002"),
        (1, "01 0000 0001", "81 01"),
        (1, "04 0001 0001", "84 02"),
        (1, "03 0000 0001", "83 02"),
        (1, "03 0001 0000", "83 03"),
        (1, "03 0001", "83 03"),
        (1, "06 0001", "86 03"),
        (1, "06 0002 0001", "86 03"),
        (1, "10 0001 0002 04 021c", "90 03"),
        (1, "10 0001", "90 03"),
        (9, "03 0001 0001", "83 0b"),
    ],
)
def test_the_server_answers_as_the_specification_says(unit: int, request_pdu: str, answer: str):
    server = ModbusServer({1: setpoint_bench()}, lambda: NOON_S)
    assert server.answer(unit, bytes.fromhex(request_pdu)) == bytes.fromhex(answer)


def test_a_device_asked_before_its_installation_has_failed():
    server = ModbusServer({1: setpoint_bench()}, lambda: INSTALLED_S - 1.0)
    assert server.answer(1, bytes.fromhex("03 0001 0001")).hex() == "8304"
