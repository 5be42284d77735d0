"""Profiles as files: an operator's own mistakes are told as those of site.yaml are."""

from pathlib import Path

import pytest

from config.problems import ConfigurationError, Problem
from config.profiles import load_profile, profile_names, profile_path

GOOD = """\
profile: mine
version: 1
maker: M
model: M1
family: electricity
source: [manual]
transport: modbus
defaults: {table: input, addressing: one_based}
limits: {never_read: [[100, 120]]}
probe: {point: frequency, between: [45, 65]}
points:
  frequency: {address: 71, type: f32, unit: Hz, valid: [45, 65]}
  energy_import: {address: 73, type: u32, unit: Wh, scale: 100, rolls_over_at: 429496729.6}
"""
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
