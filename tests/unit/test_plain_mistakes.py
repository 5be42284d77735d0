"""What an engineer gets wrong in site files and profiles, told with place and cure in two languages."""

import re
from pathlib import Path

import pytest

from config.loading import load_site
from config.problems import ConfigurationError, Problem
from config.profiles import read_profile
from tests.profile_texts import MODBUS
from tests.site_example import changed

MQTT = """\
profile: mine
version: 1
maker: M
model: M1
family: water
source: [manual]
transport: mqtt
availability: {topic: "{topic}/LWT", online: [Online], offline: [Offline]}
parts:
  flow: {topic: "{topic}/flow", payload: plain, points: {flow: {unit: L/s}}}
  total: {topic: "{topic}/total", payload: json, time: ts, points: {volume: {path: v.total, unit: m3}}}
"""
CT = "    max_rate: 800\n"
"""Below which the site's first meter gets a change of its transformers."""


def ct_at(at: str) -> str:
    return CT + f"    changes: [{{at: {at}, factor: 200, reason: new transformers}}]\n"


def in_words(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    """Code and path of every error, each of which is told in both languages with its place."""
    for problem in problems:
        english, chinese = problem.message("en"), problem.message("zh-TW")
        assert problem.place.line >= 1, problem
        assert problem.place.text is not None
        assert re.search("[\u4e00-\u9fff]", chinese), chinese
        assert not re.search("[\u4e00-\u9fff]", re.sub("'[^']*'", "", english)), english
        assert not re.search("pydantic|Input should|ValueError|Traceback", english + chinese)
    errors = [problem for problem in problems if not problem.warning]
    return [(problem.code.removeprefix("config."), ".".join(map(str, problem.path))) for problem in errors]


def site_problems(folder: Path, text: str) -> tuple[Problem, ...]:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_site(path)
    return caught.value.problems


def profile_problems(folder: Path, text: str) -> tuple[Problem, ...]:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_profile(path)
    return caught.value.problems


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("timezone: Asia/Taipei", "timezone: Taipei", "unknown_zone", "site.timezone"),
        ("capacity_kw: 500", "capacity_kw: 500kW", "number_wanted", "contract.capacity_kw"),
        ("capacity_kw: 500", "capacity: 500", "unknown_key", "contract.capacity"),
        ("host: 10.0.0.7", "host: 10.0.0.7:502", "host_has_port", "buses.0.host"),
        ("    host: 10.0.0.7\n", "    host:\n", "no_host", "buses.0.devices.0.host"),
        ("        unit: 1\n", "        slave: 1\n", "unknown_key", "buses.0.devices.0.slave"),
        ("        unit: 1\n", "        unit: one\n", "integer_wanted", "buses.0.devices.0.unit"),
        ("profile: eastron_sdm630", "profile: sdm630", "unknown_profile", "buses.0.devices.0.profile"),
        ("language: zh-TW", "language: zh_TW", "not_one_of", "site.language"),
        ("base_year: 2016", "base_year: 民國105年", "integer_wanted", "commodities.water.base_year"),
        ("buses:", "bus:", "unknown_key", "bus"),
        ("timezone: Asia/Taipei", "timezone： Asia/Taipei", "wide_colon", ""),
        (CT, ct_at("2026-07-01T00:00:00"), "zone_missing", "meters.0.changes.0.at"),
        (CT, ct_at("2026-07-01"), "zone_missing", "meters.0.changes.0.at"),
        (CT, ct_at("2026/07/01 00:00"), "instant_wanted", "meters.0.changes.0.at"),
        (CT, ct_at("20260701"), "instant_wanted", "meters.0.changes.0.at"),
        (CT, ct_at("[2026-07-01]"), "instant_wanted", "meters.0.changes.0.at"),
        (CT, ct_at("2026-13-01T00:00:00+08:00"), "instant_wanted", "meters.0.changes.0.at"),
        (CT, ct_at("~"), "empty", "meters.0.changes.0.at"),
        (CT, CT + "    formula: building +\n", "counter_or_formula", "meters.0.formula"),
    ],
)
def test_mistakes_of_a_site_file(tmp_path, old, new, code, path):
    assert (code, path) in in_words(site_problems(tmp_path, changed(old, new)))


@pytest.mark.parametrize(
    ("zone", "written", "cure"),
    [
        ("Asia/Taipei", "2026-07-01", "Write 2026-07-01T00:00:00+08:00."),
        ("Asia/Taipei", "2026-07-01 08:30", "Write 2026-07-01T08:30:00+08:00."),
        ("Europe/Berlin", "2026-07-01", "Write 2026-07-01T00:00:00+02:00."),
        ("Mars", "2026-07-01", "Write 2026-07-01T00:00:00+08:00."),
    ],
)
def test_an_instant_without_a_zone_gets_the_sites(tmp_path, zone, written, cure):
    text = changed(CT, ct_at(written)).replace("timezone: Asia/Taipei", f"timezone: {zone}")
    found = [p for p in site_problems(tmp_path, text) if p.code == "config.zone_missing"]
    assert cure in found[0].message("en")
    assert "沒有時區" in found[0].message("zh-TW")


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "path"),
    [
        (MODBUS, "address: 71", "adress: 71", "unknown_key", "points.frequency.adress"),
        (MODBUS, "address: 71", "address: 400071", "too_large_number", "points.frequency.address"),
        (MODBUS, "type: f32", "type: float32", "not_one_of", "points.frequency.type"),
        (MODBUS, "unit: Hz", "unit: hz", "unit_not_of_quantity", "points.frequency.unit"),
        (MODBUS, "scale: 100", "scale: 1/10", "number_wanted", "points.energy_import.scale"),
        (MODBUS, "table: input", "table: 4", "not_one_of", "defaults.table"),
        (MODBUS, "version: 1", "version: v1", "integer_wanted", "version"),
        (MODBUS, "source: [manual]", "source: manual", "list_wanted", "source"),
        (MODBUS, "valid: [45, 65]", "valid: 45-65", "list_wanted", "points.frequency.valid"),
        (MODBUS, "points:\n", "point:\n", "unknown_key", "point"),
        (MQTT, "payload: plain", "payload: plain, time: ts", "key_not_of_payload", "parts.flow.time"),
        (
            MQTT,
            "payload: plain",
            "payload: plain, deltas: [{topic: a}]",
            "key_not_of_payload",
            "parts.flow.deltas",
        ),
        (
            MQTT,
            "{unit: L/s}",
            "{unit: L/s}, velocity: {unit: m/s}",
            "plain_is_one_number",
            "parts.flow.points.velocity",
        ),
        (
            MQTT,
            "payload: plain",
            "payload: sparkplug_b",
            "metric_name_missing",
            "parts.flow.points.flow.path",
        ),
        (MQTT, "path: v.total", "path: v.*.total", "sum_not_last", "parts.total.points.volume.path"),
        (MQTT, '"{topic}/flow"', '"{device}/flow"', "topic_placeholder", "parts.flow.topic"),
        (MQTT, '"{topic}/flow"', "+/flow", "topic_wildcard", "parts.flow.topic"),
        (MQTT, '"{topic}/LWT"', "tele/#", "topic_wildcard", "availability.topic"),
        (
            MQTT,
            "time: ts",
            "deltas: [{topic: '{id}/events'}]",
            "topic_placeholder",
            "parts.total.deltas.0.topic",
        ),
        (MQTT, "offline: [Offline]", "offline: [Online]", "word_says_both", "availability.offline.0"),
        (MQTT, '"{topic}/flow"', "{topic}", "single_wanted", "parts.flow.topic"),
        (MQTT, "path: v.total", "address: 5", "unknown_key", "parts.total.points.volume.address"),
        (MQTT, "transport: mqtt\n", "", "missing_key", "transport"),
    ],
)
def test_mistakes_of_a_profile(tmp_path, text, old, new, code, path):
    assert text.count(old) >= 1
    found = in_words(profile_problems(tmp_path, text.replace(old, new, 1)))
    assert (code, path) in found
    assert not {"rule", "other"} & {code for code, _ in found}


def test_one_mistake_is_one_complaint(tmp_path):
    for text, old, new in (
        (MQTT, "transport: mqtt\n", ""),
        (MODBUS, "points:\n", "point:\n"),
        (MQTT, "payload: plain", "payload: plain, time: ts"),
    ):
        assert len(profile_problems(tmp_path, text.replace(old, new, 1))) == 1


@pytest.mark.parametrize(
    ("old", "new", "guess"),
    [
        ("energy_import:", "總有效電能:", "energy_total"),
        ("unit: Wh", "unit: 度", "kWh"),
        ("unit: Wh", "unit: kwh", "kWh"),
        ("unit: Hz", "unit: 赫茲", "Hz"),
    ],
)
def test_what_is_meant_is_told_in_the_products_words(tmp_path, old, new, guess):
    found = profile_problems(tmp_path, MODBUS.replace(old, new))
    assert f"did you mean '{guess}'?" in found[0].message("en")


def test_addresses_as_makers_print_them_are_a_warning(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MODBUS.replace("address: ", "address: 300"), encoding="utf-8")
    (warning,) = read_profile(path).warnings
    assert warning.path == ("points", "frequency", "address")
    assert "write 71 and 'addressing: one_based'" in warning.message("en")
    in_words((warning,))
    path.write_text(MODBUS, encoding="utf-8")
    assert read_profile(path).warnings == ()
