"""Values that simulated devices put together from several registers, and what one device does otherwise."""

import math
import struct
from dataclasses import replace

import pytest

from drivers.modbus_profile import Table
from drivers.overrides import resolve
from drivers.planner import plan_reads
from drivers.registers import ScanDecoder
from drivers.settings import ModbusDevice
from simulators.composing import laid_out
from simulators.devices import SimulatedDevice
from tests.simulated_world import MODBUS, MODEL, NOON_S, profile


def flow_bench() -> SimulatedDevice:
    """Whole units and a fraction, in a unit and with a multiplier that registers of the other table tell."""
    return SimulatedDevice(
        "water-main",
        profile(
            {
                "volume": {
                    "address": 10,
                    "type": "u32",
                    "unit": "m3",
                    "plus": [{"address": 8, "type": "u16", "scale": 0.001}],
                    "factors": [
                        {"told_by": "multiplier", "power_of_ten": True, "shift": -3},
                        {"told_by": "unit", "values": {0: 1, 1: 0.001, 7: 3785.4}},
                    ],
                },
                "flow": {"address": 12, "type": "f32", "unit": "m3/h"},
            },
            family="water",
            registers={
                "multiplier": {"address": 4, "type": "u16"},
                "unit": {"address": 4, "type": "i16", "table": "input"},
            },
        ),
        MODEL,
    )


def all_of(device: SimulatedDevice) -> tuple[dict[str, float], list[int]]:
    blocks = plan_reads(device.points, device.profile.limits)
    answers = [device.read(block.table, block.start, block.count, NOON_S) for block in blocks]
    values, quality = ScanDecoder(blocks).decode(answers)
    return dict(zip((point.name for point in device.points), values, strict=True)), quality.tolist()


def test_registers_that_tell_factors_are_served_and_parts_are_filled():
    device = flow_bench()
    wanted = device.value("volume", NOON_S)
    # What is nearest to 1 is what the menu says at first.
    assert device.raws == {"multiplier": 3, "unit": 0}
    assert device.read(Table.HOLDING, 4, 1, NOON_S).hex() == "0003"
    assert device.read(Table.INPUT, 4, 1, NOON_S).hex() == "0000"
    whole = int.from_bytes(device.read(Table.HOLDING, 10, 2, NOON_S), "big")
    rest = int.from_bytes(device.read(Table.HOLDING, 8, 1, NOON_S), "big")
    assert whole == math.floor(wanted)
    assert rest == math.floor((wanted - whole) * 1000)
    # A request that begins in the middle of a value gives its second half.
    assert int.from_bytes(device.read(Table.HOLDING, 11, 1, NOON_S), "big") == whole % 65536
    values, quality = all_of(device)
    assert values["volume"] == pytest.approx(wanted, abs=0.001)
    assert quality == [0, 0]


@pytest.mark.parametrize(("multiplier", "unit", "step"), [(2, 0, 1e-4), (5, 1, 1e-4), (3, 7, 3.8)])
def test_another_unit_in_the_menu_is_followed(multiplier: int, unit: int, step: float):
    device = flow_bench()
    device.raws |= {"multiplier": multiplier, "unit": unit}
    values, _ = all_of(device)
    assert values["volume"] == pytest.approx(device.value("volume", NOON_S), abs=1.01 * step)


def test_a_unit_that_the_profile_does_not_know_makes_the_point_missing():
    device = flow_bench()
    device.raws["unit"] = 5
    values, quality = all_of(device)
    assert math.isnan(values["volume"])
    assert values["flow"] > 0
    assert quality == [3, 0]


def test_no_value_is_no_value_in_all_of_its_places():
    (volume, _) = flow_bench().points
    marked = replace(volume, invalid=(0xFFFFFFFF,))
    assert [data.hex() for data in laid_out(marked, math.nan, {"multiplier": 3, "unit": 0})] == [
        "ffffffff",
        "ffff",
    ]


def test_a_device_serves_what_it_does_otherwise_than_its_profile():
    settings = ModbusDevice.model_validate(
        {
            "id": "main",
            "profile": "eastron_sdm630",
            "word_order": "little",
            "overrides": {"frequency": {"address": 80, "scale": 0.5}},
        }
    )
    resolved = resolve(MODBUS["eastron_sdm630"], settings)
    device = SimulatedDevice("main", resolved.profile, MODEL)
    blocks = plan_reads(resolved.points, resolved.limits)
    answers = [device.read(block.table, block.start, block.count, NOON_S) for block in blocks]
    values, quality = ScanDecoder(blocks).decode(answers)
    assert values[resolved.layout.index("frequency")] == pytest.approx(device.value("frequency", NOON_S))
    assert not quality.any()
    raw = struct.unpack(">HH", device.read(Table.INPUT, 80, 2, NOON_S))
    assert struct.unpack(">f", struct.pack(">HH", *reversed(raw)))[0] == pytest.approx(120, abs=2)
