"""Simulated devices: every profile gets plausible values, its own encoding, and a device's manners."""

import json
import math
import struct
from dataclasses import replace

import numpy as np
import pytest

from config.profiles import load_profile, profile_names
from drivers.inbox import Arrival, Counts, Inbox
from drivers.modbus_profile import Limits, ModbusProfile, RegisterPoint, RegisterType, Table
from drivers.mqtt_profile import MqttProfile
from drivers.overrides import resolve
from drivers.planner import plan_reads
from drivers.presence import Presence
from drivers.profile import is_counter
from drivers.registers import ScanDecoder
from drivers.settings import ModbusDevice, MqttDevice
from drivers.streams import directory_of
from rules.quantities import QUANTITIES
from rules.scan import Scan
from simulators.building import Building
from simulators.composing import laid_out
from simulators.devices import ExceptionCode, ModbusRefusal, SimulatedDevice
from simulators.encode import decoded, encoded
from simulators.modbus_server import ModbusServer
from simulators.mqtt_publisher import Message, PublishingDevice
from simulators.plant import WATER_KJ_PER_L_K
from simulators.telemetry import Telemetry

INSTALLED_S = 1_483_200_000  # 2017-01-01 in Taipei
MODEL = Building(installed_s=INSTALLED_S)
NOON_S = 1_499_832_000.5  # 2017-07-12 12:00
INSTANTS = [INSTALLED_S + 60.0, NOON_S, NOON_S + 12 * 3600, *(NOON_S + n * 1_234_567.0 for n in range(1, 9))]

PROFILES = {name: load_profile(name) for name in profile_names()}
MODBUS = {name: profile for name, profile in PROFILES.items() if isinstance(profile, ModbusProfile)}
MQTT = {name: profile for name, profile in PROFILES.items() if isinstance(profile, MqttProfile)}


class Desk:
    """The driver's own way from messages to scans; ``last`` of each part."""

    def __init__(self, device: MqttDevice, profile: MqttProfile) -> None:
        self.last: dict[str, Scan] = {}
        self.counts = Counts()
        self._inbox = Inbox(
            "broker",
            directory_of([device], {device.profile: profile}),
            delivery=self,
            presence=Presence("broker", {device.id: 1e9}, lambda _: None),
            acknowledge=lambda *_: None,
            publish=lambda *_, **__: None,
            counts=self.counts,
        )

    def take(self, message: Message, at_ms: int) -> None:
        self._inbox.take(Arrival(message.topic, message.payload, 0, 0, message.retain, 1), at_ms, 0.0)

    def scan(self, scan: Scan, _on_commit: object = None) -> None:
        self.last[scan.layout.part] = scan

    def news(self, _news: object) -> None:
        pass


NATURAL_IDS = {
    "electricity": ("main", "chiller-1-power", "floors-low", "meter-0042"),
    "chiller": ("chiller-1", "chiller-5", "ch-unknown"),
    "water": ("water-main", "tower-makeup", "tap-1"),
    "heat": ("tower-makeup", "heat-1"),
    "pulse": ("water-main", "pulses-1"),
    "drive": ("drive-1", "drive-2"),
    "chilled_water": ("chilled-water",),
    "weather": ("weather",),
}
# Their 16-bit registers end below the building's 13 kV, or its currents.
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


def profile(points: dict[str, dict], **changes: object) -> ModbusProfile:
    facts = {
        "profile": "bench",
        "version": 1,
        "maker": "m",
        "model": "m",
        "family": "chiller",
        "source": ("s",),
    }
    return ModbusProfile.model_validate({**facts, "points": points, **changes})


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


@pytest.mark.parametrize("name", sorted(MQTT))
def test_what_is_published_is_what_the_profile_reads(name: str):
    kind = MQTT[name]
    for device_id in NATURAL_IDS[kind.family]:
        settings = MqttDevice(
            id=device_id, profile=name, topic="city/hall", timezone="Asia/Taipei", stale_after_s=86400
        )
        device = PublishingDevice(settings, kind, MODEL)
        expected = Telemetry(MODEL, device_id, kind.family, {})
        desk = Desk(settings, kind)
        # The second round has changes only, where the convention has such messages.
        for at_s in (NOON_S, NOON_S + 60):
            for message in device.messages(at_s):
                desk.take(message, int(at_s * 1000))
            for part_name, part in kind.parts.items():
                scan = desk.last[part_name]
                wanted = [expected(point_name)(MODEL.at(at_s)) for point_name in part.points]
                assert scan.values.tolist() == pytest.approx(wanted, rel=1e-11, nan_ok=False)
                assert not scan.quality.any()
        assert desk.counts.refused == desk.counts.unknown_topic == desk.counts.gaps == 0


def test_a_plain_payload_is_the_number_in_the_profiles_unit():
    kind = MqttProfile.model_validate(
        {
            "profile": "bench",
            "version": 1,
            "maker": "m",
            "model": "m",
            "family": "water",
            "source": ("s",),
            "transport": "mqtt",
            "parts": {
                "main": {
                    "topic": "{topic}/litres",
                    "payload": "plain",
                    "points": {"volume": {"unit": "L", "scale": 10, "rolls_over_at": 1000.0}},
                }
            },
        }
    )
    device = PublishingDevice(MqttDevice(id="water-main", profile="bench", topic="w"), kind, MODEL)
    ((topic, payload, _),) = device.messages(NOON_S)
    volume_m3 = MODEL.at(NOON_S).counter(MODEL.source("water-main", "water"))
    assert topic == "w/litres"
    assert volume_m3 > 1000
    assert json.loads(payload) == pytest.approx(volume_m3 % 1000 * 1000 / 10)
