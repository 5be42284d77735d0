"""Profiles as files: an operator's own mistakes are told as those of site.yaml are."""

from pathlib import Path

import pytest

from config.problems import ConfigurationError, Problem
from config.profiles import load_profile, profile_names, profile_path, read_profile, split_version
from tests.profile_texts import MODBUS as GOOD

MQTT = """\
profile: mine
version: 1
maker: M
model: M1
family: water
source: [manual]
transport: mqtt
parts:
  flow: {topic: "{topic}/flow", payload: plain, points: {flow: {unit: L/s}}}
  total: {topic: "{topic}/total", payload: plain, points: {volume: {unit: m3}}}
"""


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_profile("mine.yaml", folder)
    return caught.value.problems


def test_every_profile_of_the_product_loads():
    assert "eastron_sdm630" in profile_names()
    assert [load_profile(name).profile for name in profile_names()] == list(profile_names())


def test_names_and_paths(tmp_path):
    assert profile_path("eastron_sdm630", tmp_path) is not None
    assert profile_path("../eastron_sdm630", tmp_path) is None
    assert profile_path("own/mine.yaml", tmp_path) == tmp_path / "own/mine.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load_profile("eastron_sdm")
    assert "did you mean 'eastron_sdm630'?" in caught.value.problems[0].render("en")


@pytest.mark.parametrize("text", [GOOD, MQTT, GOOD.replace("transport: modbus\n", "")])
def test_a_profile_of_ones_own_loads(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_profile("mine.yaml", tmp_path).profile == "mine"
    assert load_profile(tmp_path / "mine.yaml").profile == "mine"


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "path"),
    [
        (GOOD, "profile: mine", "profile: other", "profile_named_otherwise", "profile"),
        (GOOD, "profile: mine", "profile: My Meter", "bad_profile_name", "profile"),
        (GOOD, "transport: modbus", "transport: modbuss", "not_one_of", "transport"),
        (GOOD, "[[100, 120]]", "[[70, 70]]", "point_beyond_limits", "points.frequency.address"),
        (GOOD, "never_read", "max_regs: 1, never_read", "point_beyond_limits", "points.frequency.address"),
        (GOOD, "  energy_import:", "  energy_inport:", "unknown_quantity", "points.energy_inport"),
        (GOOD, "unit: Wh", "unit: kW", "unit_not_of_quantity", "points.energy_import.unit"),
        (GOOD, "unit: Hz, ", "", "unit_missing", "points.frequency.unit"),
        (GOOD, "scale: 100", "scale: 0", "scale_zero", "points.energy_import.scale"),
        (GOOD, "type: u32", "type: u33", "not_one_of", "points.energy_import.type"),
        (GOOD, "address: 73", "adress: 73", "unknown_key", "points.energy_import.adress"),
        (GOOD, "address: 73", "address: 0", "address_zero", "points.energy_import.address"),
        (GOOD, "address: 73", "address: 65536", "address_beyond", "points.energy_import.address"),
        (GOOD, "valid: [45, 65]", "valid: [65, 45]", "range_reversed", "points.frequency.valid"),
        (GOOD, "valid: [45, 65]", "valid: [45]", "missing_key", "points.frequency.valid.1"),
        (
            GOOD,
            "valid: [45, 65]",
            "rolls_over_at: 5",
            "rollover_without_counter",
            "points.frequency.rolls_over_at",
        ),
        (GOOD, "[[100, 120]]", "[[120, 100]]", "range_reversed", "limits.never_read.0"),
        (GOOD, "{point: frequency,", "{point: frequenzy,", "unknown_point", "probe.point"),
        (GOOD, "source: [manual]", "source: []", "list_too_short", "source"),
        (
            MQTT,
            "{volume: {unit: m3}}",
            "{flow: {unit: m3/h}}",
            "point_in_two_parts",
            "parts.total.points.flow",
        ),
        (MQTT, "unit: m3}", "unit: kWh}", "unit_not_of_quantity", "parts.total.points.volume.unit"),
        (
            MQTT,
            "payload: plain, points: {flow",
            "payload: xml, points: {flow",
            "not_one_of",
            "parts.flow.payload",
        ),
    ],
)
def test_each_mistake_is_told_once_at_its_place(tmp_path, text, old, new, code, path):
    assert old in text
    found = problems_of(tmp_path, text.replace(old, new))
    assert (f"config.{code}", path) in [(p.code, ".".join(map(str, p.path))) for p in found]
    assert "config.rule" not in [problem.code for problem in found]


def test_all_mistakes_of_a_profile_at_once(tmp_path):
    text = GOOD.replace("unit: Wh", "unit: kW").replace("scale: 100", "scale: 0").replace("maker: M\n", "")
    found = problems_of(tmp_path, text)
    assert {problem.code for problem in found} == {
        "config.unit_not_of_quantity", "config.scale_zero", "config.missing_key",
    }  # fmt: skip


COMPOSED = """\
profile: mine
version: 3
maker: M
model: M1
family: water
source: [manual]
defaults: {table: holding, addressing: zero_based, invalid: {i32: [0x7FFFFFFF]}}
limits: {max_regs: 20, max_gap: 8, never_read: [[90, 95]]}
probe: {point: flow, between: [-10, 10]}
registers:
  multiplier: {address: 40, type: u16}
  unit: {address: 42, type: i16}
points:
  flow: {address: 1, type: f32, unit: m3/h, valid: [-100, 100]}
  volume:
    address: 10
    type: u32
    unit: m3
    rolls_over_at: 5000
    plus:
      - {address: 12, type: u16, scale: 0.0001}
    factors:
      - {told_by: multiplier, values: {0: 0.001, 1: 0.000001}}
  volume_reverse:
    address: 20
    type: u32
    unit: m3
    factors:
      - {told_by: unit, power_of_ten: true, shift: -3}
  valve_setpoint:
    address: 60
    type: u16
    unit: "%"
    scale: 0.1
    writable: {between: [0, 100], read_back: valve_position, release: 200}
  valve_position: {address: 61, type: u16, unit: "%", scale: 0.1}
"""


WRITABLE = "points.valve_setpoint.writable"


def test_a_profile_of_parts_and_factors_loads(tmp_path):
    (tmp_path / "mine.yaml").write_text(COMPOSED, encoding="utf-8")
    read = read_profile("mine.yaml@3", tmp_path)
    assert read.profile.version == 3
    assert read.warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        # Bits that the type has not got, and counts that it never reaches.
        ("[0x7FFFFFFF]", "[1, 0x1FFFFFFFF]", "pattern_too_wide", "defaults.invalid.i32.1"),
        ("address: 10", "invalid: [-1]\n    address: 10", "pattern_too_wide", "points.volume.invalid.0"),
        ("type: f32", "type: f32, invalid: [0x1FFFFFFFF]", "pattern_too_wide", "points.flow.invalid.0"),
        ("rolls_over_at: 5000", "rolls_over_at: 5e+6", "rollover_beyond_type", "points.volume.rolls_over_at"),
        # Values that lie over each other.
        ("{address: 61", "{address: 60", "same_registers", "points.valve_position.address"),
        ("{address: 12", "{address: 11", "registers_overlap", "points.volume.plus.0.address"),
        ("address: 20", "address: 9", "registers_overlap", "points.volume.address"),
        ("{address: 40", "{address: 21", "registers_overlap", "registers.multiplier.address"),
        # Parts that no request reads together.
        ("{address: 12", "{address: 30", "parts_beyond_limits", "points.volume.plus"),
        ("{address: 12", "{table: input, address: 12", "parts_beyond_limits", "points.volume.plus"),
        ("address: 10", "address: 92", "point_beyond_limits", "points.volume.address"),
        ("{address: 42", "{address: 93", "point_beyond_limits", "registers.unit.address"),
        ("{address: 42, type: i16", "{address: 65535, type: i32", "address_beyond", "registers.unit.address"),
        ("{address: 12", "{address: 65536", "address_beyond", "points.volume.plus.0.address"),
        ("scale: 0.0001", "scale: 0", "scale_zero", "points.volume.plus.0.scale"),
        ("[[90, 95]]", "[[90, 70000]]", "no_such_register", "limits.never_read.0.1"),
        ("[[90, 95]]", "[[-1, 0]]", "no_such_register", "limits.never_read.0.0"),
        # Factors.
        ("told_by: unit", "told_by: units", "unknown_register", "points.volume_reverse.factors.0.told_by"),
        ("power_of_ten: true, ", "", "factor_one_of", "points.volume_reverse.factors.0"),
        ("power_of_ten: true", "power_of_ten: false", "factor_one_of", "points.volume_reverse.factors.0"),
        ("shift: -3", "values: {1: 1}", "factor_one_of", "points.volume_reverse.factors.0"),
        ("{0: 0.001", "{70000: 0.001", "raw_beyond_type", "points.volume.factors.0.values.70000"),
        ("{0: 0.001", "{-1: 0.001", "raw_beyond_type", "points.volume.factors.0.values.-1"),
        ("{0: 0.001", "{0: 0", "scale_zero", "points.volume.factors.0.values.0"),
        # What may be written.
        ("back: valve_position", "back: valve_positon", "unknown_point", WRITABLE + ".read_back"),
        ("back: valve_position", "back: flow", "read_back_unit", WRITABLE + ".read_back"),
        ("release: 200", "release: 7000", "writable_beyond_type", WRITABLE + ".release"),
        ("release: 200", "release: 100.03", "writable_beyond_type", WRITABLE + ".release"),
        ("release: 200", "release: -1", "writable_beyond_type", WRITABLE + ".release"),
        ("between: [0, 100]", "between: [0, 9000]", "writable_beyond_type", WRITABLE + ".between.1"),
        ("between: [0, 100]", "between: [100, 0]", "range_reversed", WRITABLE + ".between"),
        ("    address: 60", "    table: input\n    address: 60", "writable_input", WRITABLE),
        ("address: 20", "writable: {between: [0, 9]}\n    address: 20", "writable_counter",
         "points.volume_reverse.writable"),
        ("    address: 60", "    plus: [{address: 62, type: u16}]\n    address: 60",
         "writable_composed", WRITABLE),
        # The probe.
        ("between: [-10, 10]", "between: [200, 300]", "probe_outside", "probe.between"),
    ],
)  # fmt: skip
def test_a_profile_that_lies_is_refused_at_its_place(tmp_path, old, new, code, path):
    assert COMPOSED.count(old) == 1
    found = problems_of(tmp_path, COMPOSED.replace(old, new))
    assert (f"config.{code}", path) in [(p.code, ".".join(map(str, p.path))) for p in found]
    assert "config.rule" not in [problem.code for problem in found]
    (said,) = [p for p in found if p.code == f"config.{code}" and ".".join(map(str, p.path)) == path]
    assert said.place.line > 1
    assert said.render("en") != said.render("zh-TW")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # A word of bits and one of its meanings; the note says why it is read twice.
        ("{address: 61,", "{address: 60, note: The same register shows it.,"),
        # A register that tells a factor is shown as a point too.
        ("{address: 40", "{address: 61"),
        ("{address: 42", "{table: input, address: 10"),
        ("rolls_over_at: 5000", "rolls_over_at: 4294967.296"),
        (
            "{told_by: multiplier, values: {0: 0.001, 1: 0.000001}}",
            "{told_by: multiplier, power_of_ten: true}",
        ),
        (
            "type: u32\n    unit: m3\n    rolls_over_at: 5000",
            "type: f64\n    unit: m3\n    rolls_over_at: 1e+12",
        ),
    ],
)
def test_what_looks_odd_and_is_true_is_left_alone(tmp_path, old, new):
    text = COMPOSED
    if "f64" in new:
        text = text.replace("{address: 12", "{address: 14")
    assert text.count(old) == 1
    (tmp_path / "mine.yaml").write_text(text.replace(old, new), encoding="utf-8")
    assert load_profile("mine.yaml", tmp_path).version == 3


def test_an_unverified_probe_is_a_warning(tmp_path):
    text = COMPOSED.replace("unit: m3/h,", "unit: m3/h, unverified: true,")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    (warning,) = read_profile("mine.yaml", tmp_path).warnings
    assert (warning.code, warning.path, warning.warning) == (
        "config.probe_unverified", ("probe", "point"), True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "name", "version"),
    [
        ("eastron_sdm630@1", "eastron_sdm630", "1"),
        ("eastron_sdm630", "eastron_sdm630", None),
        ("own/mine.yaml@2", "own/mine.yaml", "2"),
        ("me@home/mine.yaml", "me@home/mine.yaml", None),
        ("me@home/mine", "me@home/mine", None),
        ("@2", "@2", None),
    ],
)
def test_a_name_may_carry_its_version(wish, name, version):
    assert split_version(wish) == (name, version)


def test_another_version_than_the_files_is_refused_with_the_one_there_is(tmp_path):
    assert load_profile("eastron_sdm630@1") is load_profile("eastron_sdm630")
    for wish in ("eastron_sdm630@2", "eastron_sdm630@one"):
        with pytest.raises(ConfigurationError) as caught:
            load_profile(wish)
        (problem,) = caught.value.problems
        assert problem.code == "config.other_version"
        assert "write 'eastron_sdm630@1'" in problem.render("en")
