"""What one device does otherwise than its profile: worked in once, and refused where it cannot be."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from config.loading import load_site
from config.problems import ConfigurationError, Problem
from config.profiles import load_profile
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.overrides import overridden, resolve
from drivers.settings import ModbusDevice, MqttDevice
from tests.site_example import changed


def modbus(name: str) -> ModbusProfile:
    profile = load_profile(name)
    assert isinstance(profile, ModbusProfile)
    return profile


def mqtt(name: str) -> MqttProfile:
    profile = load_profile(name)
    assert isinstance(profile, MqttProfile)
    return profile


SDM, DIRIS, WATER = modbus("eastron_sdm630"), modbus("socomec_diris_b30"), mqtt("json_water_meter")


def device(**said) -> ModbusDevice:
    return ModbusDevice.model_validate({"id": "main", "profile": "eastron_sdm630", **said})


def test_a_device_that_says_nothing_has_the_very_same_profile():
    assert overridden(SDM, device()) is SDM
    assert overridden(WATER, MqttDevice(id="w", profile="json_water_meter", topic="w")) is WATER


def test_everything_that_a_device_says_is_resolved():
    said = device(
        points=["frequency", "energy_import"],
        word_order="little",
        byte_order="little",
        limits={"max_regs": 10, "never_read": [[0, 1]]},
        overrides={"frequency": {"address": 170, "scale": 0.01, "valid": [49, 51]}},
    )
    resolved = resolve(SDM, said)
    frequency, energy = resolved.points
    assert (frequency.address, frequency.scale) == (170, 0.01)
    assert {point.word_order for point in resolved.points} == {"little"}
    assert {point.byte_order for point in resolved.points} == {"little"}
    assert energy.address == SDM.points["energy_import"].address
    assert (resolved.limits.max_regs, resolved.limits.never_read) == (10, ((0, 1),))
    assert resolved.limits.even_count == SDM.limits.even_count
    assert [spec.name for spec in resolved.layout.points] == ["frequency", "energy_import"]
    assert (resolved.layout.points[0].low, resolved.layout.points[0].high) == (49, 51)


def test_a_unit_of_ones_own_is_converted():
    (point,) = resolve(
        SDM, device(points=["energy_import"], overrides={"energy_import": {"unit": "Wh"}})
    ).points
    assert point.scale == pytest.approx(0.001)


def test_parts_keep_their_distance_and_take_the_order():
    said = device(overrides={"energy_import": {"address": 100}}, word_order="little")
    moved = {point.name: point for point in resolve(DIRIS, said).points}["energy_import"]
    before = DIRIS.points["energy_import"]
    assert moved.address == 100
    assert moved.parts[0].address == 100 + before.plus[0].address - before.address
    assert moved.parts[0].word_order == "little"


def test_a_path_of_ones_own():
    said = MqttDevice.model_validate(
        {"id": "w", "profile": "json_water_meter", "topic": "w", "overrides": {"flow": {"path": "q"}}}
    )
    assert overridden(WATER, said).parts["main"].points["flow"].path == "q"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="eastron_sdm630 has no point flow"):
        overridden(SDM, device(overrides={"flow": {"scale": 2}}))
    with pytest.raises(ValueError, match="'kW' is not a unit"):
        overridden(SDM, device(overrides={"energy_import": {"unit": "kW"}}))
    with pytest.raises(ValueError, match="not read by registers"):
        overridden(SDM, MqttDevice(id="w", profile="eastron_sdm630", topic="w"))


def site_problems(folder: Path, old: str, new: str) -> list[Problem]:
    (folder / "site.yaml").write_text(changed(old, new), encoding="utf-8")
    try:
        load_site(folder / "site.yaml")
    except ConfigurationError as error:
        return [problem for problem in error.problems if not problem.warning]
    return []


MAIN = "unit: 1\n"
WATER_TOPIC = "id: water-in\n"
AT = "buses.0.devices.0"


def override(said: str) -> str:
    return f"unit: 1\n        overrides: {{{said}}}\n"


@pytest.mark.parametrize(
    ("said", "code", "path", "words"),
    [
        ("energy_inport: {scale: 2}", "unknown_point", "energy_inport", "did you mean 'energy_import'?"),
        ("frequency: {unit: kHz}", "unit_not_of_quantity", "frequency.unit", "There is: Hz"),
        ("frequency: {scale: 0}", "scale_zero", "frequency.scale", "every reading 0"),
        ("frequency: {rolls_over_at: 9}", "rollover_without_counter",
         "frequency.rolls_over_at", "not a counter"),
        ("frequency: {valid: [9, 8]}", "range_reversed", "frequency.valid", "(9 to 8)"),
        ("frequency: {address: 65535}", "address_beyond", "frequency.address", "beyond the last register"),
        ("frequency: {address: 70000}", "too_large_number", "frequency.address", "at most 65536"),
        ("frequency: {path: f}", "path_of_register", "frequency.path", "Give 'address'"),
        ("frequency: {adress: 7}", "unknown_key", "frequency.adress", "did you mean 'address'?"),
        ("frequency: {address: 71}", "registers_overlap", "frequency.address", "share the register 72"),
        ("energy_import: {address: 70}", "same_registers", "energy_import.address", "'frequency'"),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_is_told_at_its_place(tmp_path, said, code, path, words):
    found = site_problems(tmp_path, MAIN, override(said))
    (problem,) = found
    assert (problem.code, ".".join(map(str, problem.path))) == (f"config.{code}", f"{AT}.overrides.{path}")
    assert words in problem.render("en")
    assert problem.place.line > 1


@pytest.mark.parametrize(
    ("said", "code", "path"),
    [
        ("limits: {never_read: [[70, 72]]}", "point_beyond_limits", "limits"),
        ("limits: {max_regs: 1}", "point_beyond_limits", "limits"),
        ("limits: {never_read: [[9, 8]]}", "range_reversed", "limits.never_read.0"),
        ("limits: {never_read: [[0, 65536]]}", "no_such_register", "limits.never_read.0.1"),
    ],
)
def test_limits_that_cannot_be_are_told_at_their_place(tmp_path, said, code, path):
    found = site_problems(tmp_path, MAIN, f"unit: 1\n        {said}\n")
    assert [(problem.code, ".".join(map(str, problem.path))) for problem in found] == [
        (f"config.{code}", f"{AT}.{path}")
    ]


def test_a_message_has_no_address(tmp_path):
    found = site_problems(tmp_path, WATER_TOPIC, WATER_TOPIC + "        overrides: {flow: {address: 3}}\n")
    assert [(p.code, p.path[-1]) for p in found] == [("config.address_of_message", "address")]


def test_overrides_that_can_be_load(tmp_path):
    said = "frequency: {address: 170, valid: [59, 61]}, energy_import: {unit: Wh}"
    assert site_problems(tmp_path, MAIN, override(said)) == []


def test_a_device_names_the_version_of_its_profile(tmp_path):
    assert site_problems(tmp_path, "profile: eastron_sdm630", "profile: eastron_sdm630@1") == []
    assert set(load_site(tmp_path / "site.yaml").profiles) == {"eastron_sdm630@1", "json_water_meter"}
    (problem,) = site_problems(tmp_path, "profile: eastron_sdm630", "profile: eastron_sdm630@7")
    assert (problem.code, ".".join(map(str, problem.path))) == ("config.other_version", f"{AT}.profile")
    assert "is version 1 here, not '7'" in problem.render("en")
    (problem,) = site_problems(tmp_path, "profile: eastron_sdm630", "profile: eastron_sdm63@1")
    assert "did you mean 'eastron_sdm630'?" in problem.render("en")


def test_the_handbooks_device_is_one():
    handbook = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"^```\n(- id: .*?)^```", handbook, re.MULTILINE | re.DOTALL)
    (floor,) = YAML(typ="safe").load(said)
    resolved = resolve(SDM, ModbusDevice.model_validate(floor))
    assert resolved.limits.max_regs == 40
    assert {point.name: point.scale for point in resolved.points}["energy_import"] == pytest.approx(0.01)


SERIAL = """\
site: {id: hall, name: {zh-TW: 廳, en: Hall}, timezone: Asia/Taipei}
buses:
  - id: line
    kind: modbus_rtu
    line: /dev/ttyUSB0
    devices:
      - {id: a, profile: eastron_sdm630, unit: 1}
      - {id: b, profile: eastron_sdm630, unit: 2}
  - id: gateway
    kind: modbus_rtu_tcp
    host: 10.0.0.9
    devices: [{id: c, profile: eastron_sdm630, unit: 1}]
  - id: other-gateway
    kind: modbus_tcp
    host: 10.0.0.9
    port: 1502
    devices: [{id: d, profile: eastron_sdm630, unit: 1}]
meters:
  - {id: m, name: {zh-TW: 廳, en: Hall}, commodity: electricity, counter: a.energy_import, max_rate: 9}
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("unit: 2", "unit: 1", "same_address", "buses.0.devices.1.unit"),
        ("    host: 10.0.0.9\n    devices", "    devices", "no_host", "buses.1.devices.0.host"),
        ("    port: 1502\n", "", "same_address", "buses.2.devices.0.unit"),
        ("{id: b, profile: eastron_sdm630, unit: 2}", "{id: b, profile: json_water_meter}",
         "transport_differs", "buses.0.devices.1.profile"),
    ],
)  # fmt: skip
def test_serial_lines_and_their_gateways_are_checked_too(tmp_path, old, new, code, path):
    path_of_site = tmp_path / "site.yaml"
    path_of_site.write_text(SERIAL, encoding="utf-8")
    assert len(load_site(path_of_site).site.buses) == 3
    assert SERIAL.count(old) == 1
    path_of_site.write_text(SERIAL.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_site(path_of_site)
    told = [(p.code, ".".join(map(str, p.path))) for p in caught.value.problems if not p.warning]
    assert (f"config.{code}", path) in told
    assert "config.rule" not in [code for code, _ in told]
