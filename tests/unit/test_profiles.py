"""Every profile that ships: it loads, resolves, and says what the register list says."""

import csv
import re
import textwrap
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from drivers.modbus_profile import ModbusProfile, RegisterPoint, RegisterType, modbus_layout, register_points
from drivers.mqtt_profile import MqttProfile
from drivers.payloads import PartDecoder
from rules.quantities import CONVERSIONS, QUANTITIES, Kind

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "drivers" / "profiles"
REGISTERS = ROOT.parent / "shared" / "reference" / "registers.csv"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

TYPES = {
    "uint16": RegisterType.U16,
    "int16": RegisterType.I16,
    "uint32": RegisterType.U32,
    "int32": RegisterType.I32,
    "uint64": RegisterType.U64,
    "int64": RegisterType.I64,
    "float32": RegisterType.F32,
    "float64": RegisterType.F64,
    "bitfield16": RegisterType.BITS16,
    "mod10000x2": RegisterType.MOD10K,
}
FAMILIES = {"vfd": "drive"}
KINDS = {
    "gauge": Kind.GAUGE,
    "counter": Kind.COUNTER,
    "counter_resettable": Kind.COUNTER,  # by a name that says so, see below
    "counter_bidirectional": Kind.GAUGE,  # it runs both ways
    "status": Kind.STATUS,
    "command": Kind.STATUS,  # shown and never written
    "setpoint": Kind.SETPOINT,
}
# The product's word where the list has another for the same quantity.
WORDS = {
    "energy_total_abs": "energy_total",
    "energy_import_kwh": "energy_import_coarse",
    "energy_import_mwh": "energy_import_coarse",
    "energy_received": "energy_import",
    "active_power": "active_power_total",
    "flow_v1": "flow",
    "temp_supply_t1": "temp_supply",
    "temp_return_t2": "temp_return",
    "temp_t1_remote": "temp_t1",
    "temp_t2_embedded": "temp_t2",
    "energy_e1": "heating_energy",
    "energy_heating": "heating_energy",
    "cooling_energy_e3": "cooling_energy",
    "volume_v1": "volume",
    "volume_pos_int": "volume",
    "volume_neg_int": "volume_reverse",
    "energy_pos_int": "thermal_energy",
    "pulse_input_a": "pulses_a",
    "pulse_input_b": "pulses_b",
    **{f"counter_{channel}": f"pulses_{channel}" for channel in range(8)},
    ("danfoss_fc102", "energy"): "energy_partial",
    ("vacon10", "energy_mwh"): "energy_partial",
    ("yaskawa_a1000", "speed_reference"): "frequency_reference",
    # What the maker calls net counts up for ever here; elsewhere the word is for what runs both ways.
    **{("dent_powerscout", f"energy_net{end}"): f"energy_total{end}" for end in ("", "_l1", "_l2", "_l3")},
}
NOT_POINTS = {
    ("dent_powerscout", "frequency"): "no scale is known for it",
    ("dent_powerscout", "clear_accumulated"): "nobody may write it",
    ("dent_powerscout", "demand_window_min"): "configuration",
    ("dent_powerscout", "data_scalar"): "tells factors",
    ("sontex_supercal531", "energy_unit"): "tells a unit by codes that are not known",
}
# Graded well, but units and decimals stand where nobody here knows.
UNVERIFIED_ALL = {"kamstrup_multical_x03"}
SCALES = {("dent_powerscout", "power_factor_total"): 0.01}  # the list leaves scales to the data scalar
ONLY_DOUBTFUL = {"york_ylaa_ipu2", "carrier_23xrv"}  # every point of theirs is graded D

Row = dict[str, str]


def load(name: str) -> ModbusProfile | MqttProfile:
    raw = YAML(typ="safe").load(FOLDER / f"{name}.yaml")
    model = MqttProfile if raw.get("transport") == "mqtt" else ModbusProfile
    return model.model_validate(raw)


def modbus(name: str) -> ModbusProfile:
    profile = load(name)
    assert isinstance(profile, ModbusProfile)
    return profile


PROFILES = [profile for name in NAMES if isinstance(profile := load(name), ModbusProfile)]
MQTT = [profile for name in NAMES if isinstance(profile := load(name), MqttProfile)]
WITH_EXAMPLE = [p.profile for p in MQTT if "main" in p.parts and p.parts["main"].payload == "json"]
every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.profile)


def word(row: Row) -> str:
    """The product's word for a row of the list."""
    return WORDS.get((row["profile"], row["point"])) or WORDS.get(row["point"], row["point"])


def ships(row: Row) -> bool:
    """Whether a row is a point of a profile: graded better than D, at a known address, read, and no part."""
    key = (row["profile"], row["point"])
    return (
        row["grade"] != "D" and int(row["address"]) >= 0 and row["kind"] != "part" and key not in NOT_POINTS
    )


def in_units(row: Row, quantity: str) -> tuple[float, float]:
    """Scale and offset of a row, in the product's unit."""
    unit = row["unit"].rstrip("?").replace("l/", "L/")
    if unit == "degF":
        return 5 / 9, -160 / 9
    # Some units the list cannot say: those of a menu, or none at all.
    factor = CONVERSIONS[QUANTITIES[quantity].unit].get(unit, 1.0)
    scale = SCALES.get((row["profile"], quantity), float(row["scale"]))
    return scale * factor, float(row["offset"]) * factor


@pytest.fixture(scope="module")
def register_list() -> list[Row]:
    if not REGISTERS.exists():
        pytest.skip(f"the register list is not here: {REGISTERS}")
    with REGISTERS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_listed_device_ships_unless_all_of_it_is_in_doubt(register_list: list[Row]):
    listed = {row["profile"] for row in register_list}
    assert {profile.profile for profile in PROFILES} == listed - ONLY_DOUBTFUL
    for name in ONLY_DOUBTFUL:
        assert {row["grade"] for row in register_list if row["profile"] == name} == {"D"}


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_loads_and_is_named_as_its_file(name: str):
    profile = load(name)
    assert profile.profile == name
    assert all(source.strip() for source in profile.source)


@every_profile
def test_registers_resolve_in_the_files_order(profile: ModbusProfile):
    points = register_points(profile)
    layout = modbus_layout(profile, "m1")
    names = list(YAML(typ="safe").load(FOLDER / f"{profile.profile}.yaml")["points"])
    assert [point.name for point in points] == names == [spec.name for spec in layout.points]
    assert [spec.unit for spec in layout.points] == [QUANTITIES[name].unit for name in names]
    for point in points:
        assert 0 <= point.address < point.end <= 65536
        assert point.type.words <= profile.limits.max_regs


def values_of(profile: ModbusProfile) -> dict[tuple[str, int], RegisterPoint]:
    """Everything that lies in registers, by table and address: points, their parts, what tells factors."""
    found: dict[tuple[str, int], RegisterPoint] = {}
    for point in register_points(profile):
        told = [factor.register for factor in point.factors]
        found |= {(value.table, value.address): value for value in (point, *point.parts, *told)}
    return found


@every_profile
def test_no_two_values_overlap(profile: ModbusProfile):
    taken: dict[tuple[str, int], RegisterPoint] = {}
    for value in values_of(profile).values():
        for address in range(value.address, value.end):
            other = taken.setdefault((value.table, address), value)
            assert other is value, f"{value.name} and {other.name} share register {address}"


@every_profile
def test_the_probe_is_sure_and_within_what_is_plausible(profile: ModbusProfile):
    sure = {name for name, point in profile.points.items() if not point.unverified}
    if profile.probe is None:  # nothing verified would tell: counters, words, drives that show what they like
        gauges = {name for name in sure if QUANTITIES[name].kind is Kind.GAUGE}
        assert gauges <= {"actual_1", "actual_2"}
        return
    point = profile.points[profile.probe.point]
    assert not point.unverified
    assert point.valid is not None
    assert point.valid[0] <= profile.probe.between[0] < profile.probe.between[1] <= point.valid[1]
    assert profile.probe.point == "frequency" or "frequency" not in sure


@every_profile
def test_a_profile_of_which_nothing_is_verified_says_so(profile: ModbusProfile):
    if all(point.unverified for point in profile.points.values()):
        assert profile.note is not None
        assert "display" in profile.note


@every_profile
def test_every_point_agrees_with_the_register_list(profile: ModbusProfile, register_list: list[Row]):
    resolved = {point.name: point for point in register_points(profile)}
    rows = {word(row): row for row in register_list if row["profile"] == profile.profile and ships(row)}
    assert resolved.keys() == rows.keys()
    for name, point in resolved.items():
        row = rows[name]
        assert point.address == int(row["address"]), name
        assert point.table == row["table"], name
        assert point.type is TYPES[row["type"]], name
        assert point.type.words == int(row["words"]), name
        assert row["word_order"] in {"-", point.word_order}, name
        assert point.byte_order == "big", name
        assert QUANTITIES[name].kind is KINDS[row["kind"]], name
        assert (point.scale, point.offset) == pytest.approx(in_units(row, name)), name
        doubted = row["grade"] == "C" or profile.profile in UNVERIFIED_ALL
        assert profile.points[name].unverified == doubted, name
        if row["invalid"]:
            assert int(row["invalid"], 16) in point.invalid, name


@every_profile
def test_maker_and_family_are_those_of_the_list(profile: ModbusProfile, register_list: list[Row]):
    row = next(row for row in register_list if row["profile"] == profile.profile)
    assert profile.family == FAMILIES.get(row["class"], row["class"])
    assert row["maker"].split(" ")[0].split("/")[0] in profile.maker


def test_parts_and_registers_that_tell_factors_are_those_of_the_list(register_list: list[Row]):
    parts = {
        (row["profile"], int(row["address"]), TYPES[row["type"]])
        for row in register_list
        if row["kind"] == "part"
    }
    found = {
        (profile.profile, part.address, part.type)
        for profile in PROFILES
        for point in register_points(profile)
        for part in point.parts
    }
    # The fraction of the energy stands in the same table of the manual; the list ends before it.
    assert found - parts == {("tuf2000_flow", 18, RegisterType.F32)}
    assert parts <= found
    (dent,) = {
        factor.register for point in register_points(modbus("dent_powerscout")) for factor in point.factors
    }
    row = next(row for row in register_list if row["point"] == "data_scalar")
    assert (dent.address, dent.type) == (int(row["address"]), TYPES[row["type"]])


def test_a_counter_that_can_be_reset_is_not_named_as_a_total(register_list: list[Row]):
    for row in register_list:
        if row["kind"] == "counter_resettable":
            assert word(row).endswith("_partial")


def test_rollovers_are_those_of_the_list(register_list: list[Row]):
    said = {
        (row["profile"], word(row)): row["rollover"]
        for row in register_list
        if row["rollover"] and ships(row)
    }
    settable = {key for key, text in said.items() if "settable" in text}
    found = {
        (profile.profile, name): point.rolls_over_at
        for profile in PROFILES
        for name, point in profile.points.items()
        if point.rolls_over_at
    }
    assert said.keys() - found.keys() == settable
    for key, modulus in found.items():
        if key in said:
            number, power, unit = re.match(r"(?:(2)\^)?([\de]+) ?(Wh)?", said[key]).groups()  # type: ignore[union-attr]
            value = 2.0 ** float(power) if number else float(power)
            assert modulus == pytest.approx(value / (1000 if unit else 1)), key


def test_only_setpoints_with_a_known_effect_are_writable(register_list: list[Row]):
    """No command word and nothing unverified; what clears the DENT's counters least of all."""
    graded = {(row["profile"], word(row)): row for row in register_list if ships(row)}
    found = {
        (profile.profile, name): point.writable
        for profile in PROFILES
        for name, point in profile.points.items()
        if point.writable
    }
    for key, writable in found.items():
        row, profile = graded[key], modbus(key[0])
        assert (row["kind"], row["access"]) == ("setpoint", "rw")
        assert row["grade"] in "AB"
        assert row["table"] == "holding"
        valid = profile.points[key[1]].valid
        assert valid is not None
        assert valid[0] <= writable.between[0] < writable.between[1] <= valid[1]
        assert writable.read_back is None or writable.read_back in profile.points
    wanted = {
        key
        for key, row in graded.items()
        if row["kind"] == "setpoint" and row["grade"] in "AB" and "w" in row["access"]
    }
    assert found.keys() == wanted
    enable = found["daikin_microtech3", "enable_setpoint"]
    assert (enable.between, enable.release) == ((0, 1), 2)
    trane = modbus("trane_pic_rthd").points["demand_limit_setpoint"].writable
    assert trane is not None
    assert trane.read_back == "demand_limit_active"


@pytest.mark.parametrize(
    ("name", "point", "address", "kind"),
    [
        ("eastron_sdm630", "active_power_total", 52, RegisterType.F32),
        ("eastron_sdm630", "energy_import", 72, RegisterType.F32),
        ("eastron_sdm630", "energy_total", 342, RegisterType.F32),
        ("schneider_pm5000", "active_power_total", 3059, RegisterType.F32),
        ("schneider_pm5000", "energy_import_i64", 3203, RegisterType.I64),
        ("schneider_iem3000", "energy_import", 3203, RegisterType.I64),
        ("siemens_pac3200", "active_power_total", 65, RegisterType.F32),
        ("siemens_pac3200", "energy_import", 801, RegisterType.F64),
        ("delta_dpm_c530a", "active_power_total", 324, RegisterType.F32),
        ("delta_dpm_c530a", "energy_import", 348, RegisterType.F32),
        ("abb_b23_b24_a43", "energy_import", 20480, RegisterType.U64),
        ("carlogavazzi_em24_rs485", "energy_import", 0x3E, RegisterType.I32),
        ("janitza_umg96rm", "energy_import", 19068, RegisterType.F32),
        ("satec_basic16", "energy_import", 287, RegisterType.MOD10K),
        ("tuf2000_flow", "volume", 8, RegisterType.I32),
        ("danfoss_fc102", "speed_reference", 50009, RegisterType.I16),
        ("trane_pic_rthd", "chw_supply_temp", 4, RegisterType.U16),
        ("trane_pic_rthd", "status", 8, RegisterType.BITS16),
    ],
)
def test_the_registers_that_bills_hang_on(name: str, point: str, address: int, kind: RegisterType):
    found = next(found for found in register_points(modbus(name)) if found.name == point)
    assert (found.address, found.type) == (address, kind)


def test_what_the_devices_are_particular_about():
    for name in ("eastron_sdm630", "eastron_sdm120"):
        assert (modbus(name).limits.max_regs, modbus(name).limits.even_count) == (80, True)
    invalid = {point.name: point.invalid for point in register_points(modbus("schneider_pm5000"))}
    assert invalid["active_power_total"] == (0xFFC00000,)
    assert invalid["energy_import_i64"] == (0x8000000000000000,)
    # 1e12 Wh, in kWh
    assert modbus("siemens_pac3200").points["energy_import"].rolls_over_at == 1e9
    for name in ("siemens_pac3200", "siemens_pac2200", "siemens_pac1600"):
        assert modbus(name).limits.max_gap == 0
    delta = register_points(modbus("delta_dpm_c530a"))
    assert {point.word_order for point in delta} == {"little"}
    assert {point.table for point in delta} == {"holding"}
    assert modbus("circutor_cvm_c10").limits.max_regs == 40


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_a_publishing_device_decodes_its_own_example(name: str):
    """The comment above the parts shows a payload: it must be one."""
    profile = load(name)
    assert isinstance(profile, MqttProfile)
    example = next(
        line[2:] for line in (FOLDER / f"{name}.yaml").read_text().splitlines() if line.startswith("# {")
    )
    decoder = PartDecoder(profile.parts["main"], ZoneInfo("Asia/Taipei"))
    reading = decoder.decode(example.encode(), now_ms=1_772_418_000_000)
    assert reading.found == decoder.paths
    layout = profile.layouts("w1")["main"]
    assert [spec.name for spec in layout.points] == list(profile.parts["main"].points)
    assert layout.family == profile.family


def test_the_handbook_names_every_profile_and_its_examples_load():
    handbook = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \| .* \| (?:Modbus|MQTT) \|", handbook, re.MULTILINE)) == NAMES
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", handbook, re.MULTILINE | re.DOTALL)
    examples = [YAML(typ="safe").load(textwrap.dedent(text)) for _, text in blocks]
    profiles = [TypeAdapter(ModbusProfile | MqttProfile).validate_python(example) for example in examples]
    assert [profile.transport for profile in profiles] == ["modbus", "modbus", "mqtt"]
