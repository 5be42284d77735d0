"""Simulated devices: every profile gets plausible values, its own encoding, and a device's manners."""

import math

import numpy as np
import pytest

from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table
from drivers.planner import plan_reads
from drivers.profile import is_counter
from drivers.registers import ScanDecoder
from rules.quantities import QUANTITIES
from simulators.devices import ExceptionCode, ModbusRefusal, SimulatedDevice
from simulators.encode import decoded, encoded
from simulators.plant import WATER_KJ_PER_L_K
from simulators.telemetry import Telemetry
from tests.simulated_world import INSTANTS, MODBUS, MODEL, NATURAL_IDS, NOON_S, profile

SMALL_METERS = ("acrel_adw300", "dent_powerscout")


def range_of(where: RegisterPoint) -> float:
    """After how much a counter starts again because its register is full; infinity for floats."""
    if where.type in (RegisterType.F32, RegisterType.F64):
        return math.inf
    if where.type is RegisterType.MOD10K:
        return 1e8 * where.scale
    return 2.0 ** (16 * where.type.words - (where.type[0] == "i")) * where.scale


def point(kind: str, **changes: object) -> RegisterPoint:
    settings = {
        "name": "active_power_total",
        "table": Table.HOLDING,
        "address": 0,
        "type": RegisterType(kind),
        "word_order": "big",
        "byte_order": "big",
        "scale": 1.0,
        "offset": 0.0,
    }
    return RegisterPoint(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "value", "words"),
    [
        (point("f32"), 220.5, "435c8000"),
        (point("f32", word_order="little"), 220.5, "8000435c"),
        (point("f32", byte_order="little"), 220.5, "5c430080"),
        (point("f32", word_order="little", byte_order="little"), 220.5, "0080 5c43"),
        (point("f64"), 1.5, "3ff8000000000000"),
        (point("i64", scale=0.001), 12_531_673.0, "00000002eaf227a8"),
        (point("u32", word_order="little", scale=0.1), 123_456.7, "d68700 12"),
        (point("i16"), -2.0, "fffe"),
        (point("u16", scale=0.1, offset=-45.0), 7.1, "0209"),  # 521 = (7.1 + 45) * 10
        (point("u16"), 70_000.0, "ffff"),  # a gauge stops at the end
        (point("u16"), -3.0, "0000"),
        (point("bits16"), 1.0, "0001"),
    ],
)
def test_registers_hold_what_a_maker_would_write(what: RegisterPoint, value: float, words: str):
    assert encoded(what, value).hex() == words.replace(" ", "")


def test_an_integer_counter_wraps():
    assert encoded(point("u16"), 65_537.9, wraps=True).hex() == "0001"
    assert encoded(point("u32", scale=0.01), 42_949_672.97, wraps=True).hex() == "00000001"


@pytest.mark.parametrize("kind", list(RegisterType))
@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_the_drivers_decoder_reads_what_the_simulator_wrote(kind: str, word_order: str, byte_order: str):
    scale = 0.1 if kind[0] in "ui" else 1.0
    what = point(
        kind, word_order=word_order, byte_order=byte_order, scale=scale, offset=-45.0 * (scale != 1.0)
    )
    data = encoded(what, 19.0)
    values, quality = ScanDecoder(plan_reads([what], Limits())).decode([data])
    assert values[0] == pytest.approx(19.0)
    assert quality[0] == 0
    assert decoded(what, data) == pytest.approx(19.0)


@pytest.mark.parametrize("name", sorted(MODBUS))
def test_every_point_of_every_profile_is_plausible_and_reads_back(name: str):
    kind = MODBUS[name]
    for device_id in ("meter-0042",) if name in SMALL_METERS else NATURAL_IDS[kind.family]:
        device = SimulatedDevice(device_id, kind, MODEL)
        for at_s in INSTANTS:
            for where in device.points:
                low, high = kind.points[where.name].valid or (-math.inf, math.inf)
                assert low <= device.value(where.name, at_s) <= high, (device_id, where.name, at_s)
            blocks = plan_reads(device.points, kind.limits)
            answers = [device.read(block.table, block.start, block.count, at_s) for block in blocks]
            read, quality = ScanDecoder(blocks).decode(answers)
            wanted = np.array([device.value(where.name, at_s) for where in device.points])
            resolution = [1.01 * where.scale * (where.type[0] != "f") for where in device.points]
            rounds = np.array(
                [range_of(where) if is_counter(where.name) else np.inf for where in device.points]
            )
            apart = np.abs(read - wanted) % rounds
            assert (np.minimum(apart, rounds - apart) <= resolution + 2e-7 * np.abs(wanted)).all()
            assert not quality.any()


def test_every_quantity_has_a_reading():
    now = MODEL.at(NOON_S)
    device = Telemetry(MODEL, "chiller-1", "chiller", {})
    header = Telemetry(MODEL, "chilled-water", "chilled_water", {})
    readings = [(header if name == "cooling_power" else device)(name) for name in QUANTITIES]
    assert all(math.isfinite(reading(now)) for reading in readings)


def test_the_header_carries_what_all_chillers_deliver():
    now = MODEL.at(NOON_S)
    header = Telemetry(MODEL, "chilled-water", "chilled_water", {})
    cooling, flow = header("cooling_power")(now), header("chw_flow")(now)
    warming = header("chw_return_temp")(now) - header("chw_supply_temp")(now)
    assert cooling > 1000.0
    assert cooling == pytest.approx(WATER_KJ_PER_L_K * flow * warming)
    parts = [Telemetry(MODEL, f"chiller-{n}", "chiller", {})("chw_flow")(now) for n in range(1, 6)]
    assert flow == pytest.approx(sum(parts))


def test_the_points_of_a_meter_agree_with_each_other():
    device = Telemetry(MODEL, "floors-mid", "electricity", {})
    now = MODEL.at(NOON_S)
    power_kw = device("active_power_total")(now)
    assert power_kw == float(MODEL.rate(MODEL.source("floors-mid"), NOON_S))
    assert sum(device(f"active_power_l{n}")(now) for n in (1, 2, 3)) == pytest.approx(power_kw)
    assert device("apparent_power_total")(now) * device("power_factor_total")(now) == pytest.approx(power_kw)
    assert math.hypot(power_kw, device("reactive_power_total")(now)) == pytest.approx(
        device("apparent_power_total")(now)
    )
    by_ohm_kw = 3 * device("voltage_ln_avg")(now) * device("current_avg")(now) / 1000
    assert by_ohm_kw == pytest.approx(device("apparent_power_total")(now))


def test_demands_are_those_of_the_quarter_hour():
    device = Telemetry(MODEL, "main", "electricity", {})
    quarter_s = NOON_S // 900 * 900
    now = MODEL.at(quarter_s)
    assert device("demand_total")(now) == pytest.approx(4 * MODEL.energy("main", quarter_s - 900, quarter_s))
    month_s = 1_498_838_400  # 2017-07-01 in Taipei
    quarters = MODEL.counter(MODEL.source("main"), np.arange(month_s, quarter_s + 1, 900))
    assert device("demand_total_max")(now) == pytest.approx(4 * np.diff(quarters).max())
    later = MODEL.at(quarter_s + 777)
    assert device("demand_import_max_period")(later) == pytest.approx(
        MODEL.rate(MODEL.source("main"), np.linspace(quarter_s, quarter_s + 777, 778)).max()
    )


def test_a_chillers_water_carries_its_cooling():
    nodes = np.arange(NOON_S, NOON_S + 5 * 86400, 1234.5)
    device = Telemetry(MODEL, "chiller-2", "chiller", {})
    ran = 0
    for at_s in nodes:
        now = MODEL.at(float(at_s))
        flow_ls = device("chw_flow")(now)
        kelvin = device("chw_return_temp")(now) - device("chw_supply_temp")(now)
        cooling_kw = now.gauge("cooling_kw_2")
        assert (device("status")(now) == 1) == (cooling_kw > 0)
        if cooling_kw > 0:
            ran += 1
            assert 4.186 * flow_ls * kelvin == pytest.approx(cooling_kw)
            assert device("cw_leaving_temp")(now) > device("cw_entering_temp")(now)
        else:
            assert flow_ls == 0
            assert device("capacity_rla")(now) < 1
    assert ran > 10


def test_gaps_read_zero_and_values_may_be_read_in_part():
    bench = profile(
        {
            "chw_supply_temp": {"address": 10, "type": "f32", "unit": "degC"},
            "chw_return_temp": {"address": 14, "type": "f32", "unit": "degC"},
        }
    )
    device = SimulatedDevice("chiller-1", bench, MODEL)
    whole = device.read(Table.HOLDING, 10, 6, NOON_S)
    assert whole[4:8] == bytes(4)
    assert whole[:4] == encoded(device.points[0], device.value("chw_supply_temp", NOON_S))
    assert device.read(Table.HOLDING, 11, 4, NOON_S) == whole[2:10]
    assert device.read(Table.HOLDING, 15, 1, NOON_S) == whole[10:]


@pytest.mark.parametrize(
    ("table", "address", "count", "code"),
    [
        (Table.INPUT, 10, 1, ExceptionCode.ILLEGAL_ADDRESS),
        (Table.HOLDING, 9, 2, ExceptionCode.ILLEGAL_ADDRESS),
        (Table.HOLDING, 39, 2, ExceptionCode.ILLEGAL_ADDRESS),
        (Table.HOLDING, 18, 4, ExceptionCode.ILLEGAL_ADDRESS),  # touches what must never be read
        (Table.HOLDING, 10, 0, ExceptionCode.ILLEGAL_VALUE),
        (Table.HOLDING, 10, 9, ExceptionCode.ILLEGAL_VALUE),
    ],
)
def test_a_device_refuses_what_its_profile_says_it_does_not_bear(
    table: Table, address: int, count: int, code: ExceptionCode
):
    bench = profile(
        {
            "chw_supply_temp": {"address": 10, "type": "f32", "unit": "degC"},
            "chw_return_temp": {"address": 38, "type": "f32", "unit": "degC"},
        },
        limits={"max_regs": 8, "never_read": [[20, 22]]},
    )
    with pytest.raises(ModbusRefusal) as refusal:
        SimulatedDevice("chiller-1", bench, MODEL).read(table, address, count, NOON_S)
    assert refusal.value.code is code


def test_a_device_that_wants_even_counts_refuses_odd_ones():
    device = SimulatedDevice("main", MODBUS["eastron_sdm630"], MODEL)
    assert len(device.read(Table.INPUT, 0, 2, NOON_S)) == 4
    with pytest.raises(ModbusRefusal):
        device.read(Table.INPUT, 0, 3, NOON_S)


def test_a_counter_rolls_over_where_the_profile_says():
    bench = profile(
        {"energy_import": {"address": 0, "type": "f64", "unit": "kWh", "rolls_over_at": 1000.0}},
        family="electricity",
    )
    device = SimulatedDevice("main", bench, MODEL)
    whole = device.value("energy_import", NOON_S)
    assert whole > 1000
    assert decoded(device.points[0], device.read(Table.HOLDING, 0, 4, NOON_S)) == pytest.approx(whole % 1000)


def test_a_held_answer_is_given_again_until_its_time_is_over():
    device = SimulatedDevice("main", MODBUS["siemens_pac3200"], MODEL, hold_s=1.0)
    first = device.read(Table.HOLDING, 801, 4, NOON_S)
    assert device.read(Table.HOLDING, 801, 4, NOON_S + 0.9) == first
    assert device.read(Table.HOLDING, 801, 4, NOON_S + 1.1) != first
