"""Every profile that ships: it loads, resolves, and says what the register list says."""

import csv
import re
import textwrap
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from drivers.modbus_profile import ModbusProfile, RegisterType, modbus_layout, register_points
from drivers.mqtt_profile import MqttProfile
from drivers.payloads import PartDecoder
from rules.quantities import QUANTITIES

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
}


def load(name: str) -> ModbusProfile | MqttProfile:
    raw = YAML(typ="safe").load(FOLDER / f"{name}.yaml")
    model = MqttProfile if raw.get("transport") == "mqtt" else ModbusProfile
    return model.model_validate(raw)


def modbus_profiles() -> list[ModbusProfile]:
    return [profile for name in NAMES if isinstance(profile := load(name), ModbusProfile)]


@pytest.fixture(scope="module")
def register_list() -> dict[tuple[str, str], dict[str, str]]:
    if not REGISTERS.exists():
        pytest.skip(f"the register list is not here: {REGISTERS}")
    with REGISTERS.open(newline="", encoding="utf-8") as file:
        return {(row["profile"], row["point"]): row for row in csv.DictReader(file)}


def test_the_models_that_ship():
    assert NAMES == [
        "delta_dpm_c530a",
        "eastron_sdm630",
        "json_btu_meter",
        "json_water_meter",
        "json_weather_station",
        "schneider_pm5000",
        "siemens_pac3200",
        "trane_pic_rthd",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_loads_and_is_named_as_its_file(name: str):
    profile = load(name)
    assert profile.profile == name
    assert all(source.strip() for source in profile.source)


@pytest.mark.parametrize("profile", modbus_profiles(), ids=lambda profile: profile.profile)
def test_registers_resolve_in_the_files_order(profile: ModbusProfile):
    points = register_points(profile)
    layout = modbus_layout(profile, "m1")
    names = list(YAML(typ="safe").load(FOLDER / f"{profile.profile}.yaml")["points"])
    assert [point.name for point in points] == names == [spec.name for spec in layout.points]
    assert [spec.unit for spec in layout.points] == [QUANTITIES[name].unit for name in names]
    for point in points:
        assert 0 <= point.address < point.end <= 65536
        assert point.type.words <= profile.limits.max_regs


@pytest.mark.parametrize("profile", modbus_profiles(), ids=lambda profile: profile.profile)
def test_no_two_values_overlap(profile: ModbusProfile):
    taken: dict[tuple[str, int], str] = {}
    for point in register_points(profile):
        for address in range(point.address, point.end):
            other = taken.setdefault((point.table, address), point.name)
            assert other == point.name, f"{point.name} and {other} share register {address}"


@pytest.mark.parametrize("profile", modbus_profiles(), ids=lambda profile: profile.profile)
def test_the_probe_is_sure_and_within_what_is_plausible(profile: ModbusProfile):
    assert profile.probe is not None
    point = profile.points[profile.probe.point]
    assert not point.unverified
    assert point.valid is not None
    assert point.valid[0] <= profile.probe.between[0] < profile.probe.between[1] <= point.valid[1]


@pytest.mark.parametrize("profile", modbus_profiles(), ids=lambda profile: profile.profile)
def test_every_point_agrees_with_the_register_list(
    profile: ModbusProfile, register_list: dict[tuple[str, str], dict[str, str]]
):
    resolved = {point.name: point for point in register_points(profile)}
    listed = {point for name, point in register_list if name == profile.profile}
    assert resolved.keys() == listed
    for name, point in resolved.items():
        row = register_list[profile.profile, name]
        unit, kind = profile.points[name].unit, QUANTITIES[name].kind
        assert point.address == int(row["address"]), name
        assert point.table == row["table"], name
        assert point.type is TYPES[row["type"]], name
        assert point.type.words == int(row["words"]), name
        assert row["word_order"] in {"-", point.word_order}, name
        assert kind == row["kind"], name
        # The list gives scale and unit its own way (0.001 to kWh, or 1 in W): the product must be the same.
        in_list = {"W": 1e-3, "var": 1e-3, "VA": 1e-3}.get(row["unit"], 1.0)
        assert point.scale == pytest.approx(float(row["scale"]) * in_list), (name, unit)
        assert point.offset == pytest.approx(float(row["offset"]) * in_list), name
        assert profile.points[name].unverified == (row["grade"] == "C"), name
        assert row["grade"] != "D", name
        if row["invalid"]:
            assert int(row["invalid"], 16) in point.invalid, name


@pytest.mark.parametrize(
    ("name", "point", "address", "kind"),
    [
        ("eastron_sdm630", "active_power_total", 52, RegisterType.F32),
        ("eastron_sdm630", "energy_import", 72, RegisterType.F32),
        ("eastron_sdm630", "energy_total", 342, RegisterType.F32),
        ("schneider_pm5000", "active_power_total", 3059, RegisterType.F32),
        ("schneider_pm5000", "energy_import_i64", 3203, RegisterType.I64),
        ("siemens_pac3200", "active_power_total", 65, RegisterType.F32),
        ("siemens_pac3200", "energy_import", 801, RegisterType.F64),
        ("delta_dpm_c530a", "active_power_total", 324, RegisterType.F32),
        ("delta_dpm_c530a", "energy_import", 348, RegisterType.F32),
        ("trane_pic_rthd", "chw_supply_temp", 4, RegisterType.U16),
        ("trane_pic_rthd", "status", 8, RegisterType.BITS16),
    ],
)
def test_the_registers_that_bills_hang_on(name: str, point: str, address: int, kind: RegisterType):
    profile = load(name)
    assert isinstance(profile, ModbusProfile)
    found = next(found for found in register_points(profile) if found.name == point)
    assert (found.address, found.type) == (address, kind)


def test_what_the_devices_are_particular_about():
    delta, eastron, schneider, siemens, trane = modbus_profiles()
    assert (eastron.limits.max_regs, eastron.limits.even_count) == (80, True)
    invalid = {point.name: point.invalid for point in register_points(schneider)}
    assert invalid["active_power_total"] == (0xFFC00000,)
    assert invalid["energy_import_i64"] == (0x8000000000000000,)
    # 1e12 Wh, in kWh
    assert siemens.points["energy_import"].rolls_over_at == 1e9
    assert {point.word_order for point in register_points(delta)} == {"little"}
    assert {point.table for point in register_points(delta)} == {"holding"}
    raw = {point.name: point for point in register_points(trane)}
    # 7.0 degC travels as (7 + 45) * 10
    supply = raw["chw_supply_temp"]
    assert 520 * supply.scale + supply.offset == pytest.approx(7.0)


@pytest.mark.parametrize("name", ["json_water_meter", "json_weather_station"])
def test_a_publishing_device_decodes_its_own_example(name: str):
    """The comment above the parts shows a payload: it must be one."""
    profile = load(name)
    assert isinstance(profile, MqttProfile)
    example = next(
        line[2:] for line in (FOLDER / f"{name}.yaml").read_text().splitlines() if line.startswith("# {")
    )
    decoder = PartDecoder(profile.parts["main"])
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
    assert [profile.transport for profile in profiles] == ["modbus", "mqtt"]
