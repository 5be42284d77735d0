"""Ids, profiles, points and units of a site that do not fit each other."""

import re
from pathlib import Path

import pytest

from config.crosschecks import is_zone
from config.hosts import host_fault
from config.loading import load_site
from config.problems import ConfigurationError, Problem
from tests.site_example import changed, example_text

SECOND = "      - {id: second, profile: eastron_sdm630, unit: 1}\n"


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_site(folder / "site.yaml")
    return tuple(problem for problem in caught.value.problems if not problem.warning)


@pytest.mark.parametrize(
    ("old", "new", "code", "path", "words"),
    [
        ("id: broker", "id: switch-room", "duplicate_id", "buses.1.id", "stands in line 17 already"),
        ("id: water-in\n", "id: main\n", "duplicate_id", "buses.1.devices.0.id", "'main'"),
        ("id: water-main", "id: building", "duplicate_id", "meters.1.id", "'building'"),
        (
            "profile: eastron_sdm630",
            "profile: eastron_sdm63",
            "unknown_profile",
            "buses.0.devices.0.profile",
            "did you mean 'eastron_sdm630'?",
        ),
        (
            "profile: eastron_sdm630",
            "profile: zzz",
            "unknown_profile",
            "buses.0.devices.0.profile",
            "'energy-monitor profiles' lists those that ship.",
        ),
        (
            "profile: eastron_sdm630",
            "profile: ./mine.yaml",
            "no_profile_file",
            "buses.0.devices.0.profile",
            "./mine.yaml",
        ),
        (
            "profile: eastron_sdm630",
            "profile: json_water_meter",
            "transport_differs",
            "buses.0.devices.0.profile",
            "read over mqtt, and this bus is modbus_tcp",
        ),
        (
            "profile: json_water_meter",
            "profile: eastron_sdm630",
            "transport_differs",
            "buses.1.devices.0.profile",
            "read over modbus, and this bus is mqtt",
        ),
        (
            "unit: 1\n",
            "unit: 1\n        points: [energy_inport]\n",
            "unknown_point",
            "buses.0.devices.0.points.0",
            "did you mean 'energy_import'?",
        ),
        (
            "unit: 1\n",
            "unit: 1\n        points: []\n",
            "no_points",
            "buses.0.devices.0.points",
            "reads nothing",
        ),
        (
            "unit: 1\n",
            "unit: 1\n        points: [energy_import, active_power_total, energy_import]\n",
            "point_twice",
            "buses.0.devices.0.points.2",
            "'energy_import'",
        ),
        (
            "unit: 1\n",
            "unit: 1\n        points: [active_power_total]\n",
            "point_not_read",
            "meters.0.counter",
            "the device 'main' does not read 'energy_import'",
        ),
        (
            "unit: 1\n",
            f"unit: 1\n{SECOND}",
            "same_address",
            "buses.0.devices.1.unit",
            "10.0.0.7:502 unit 1 is the device 'main' already",
        ),
        (
            "counter: main.energy_import",
            "counter: mian.energy_import",
            "unknown_device",
            "meters.0.counter",
            "did you mean 'main'?",
        ),
        (
            "counter: main.energy_import",
            "counter: main.energy_inport",
            "unknown_point",
            "meters.0.counter",
            "did you mean 'energy_import'?",
        ),
        (
            "counter: main.energy_import",
            "counter: main",
            "not_a_reference",
            "meters.0.counter",
            "device and point",
        ),
        (
            "counter: main.energy_import",
            "counter: main.frequency",
            "not_a_counter",
            "meters.0.counter",
            "There is: energy_import, ",
        ),
        (
            "rate: main.active_power_total",
            "rate: main.frequency",
            "unit_differs",
            "meters.0.rate",
            "'frequency' is in Hz, and electricity needs kW.",
        ),
        (
            "rate: main.active_power_total",
            "rate: main.energy_import",
            "not_a_rate",
            "meters.0.rate",
            "not a measured rate",
        ),
        (
            "rate: main.active_power_total",
            "rate: water-in.flow",
            "rate_elsewhere",
            "meters.0.rate",
            "Name a point of 'main'",
        ),
        ("host: 10.0.0.7", "host: gateway..local", "host_empty_label", "buses.0.host", "between two dots"),
        (
            "host: 10.0.0.7",
            f"host: {'g' * 64}.local",
            "host_too_long",
            "buses.0.host",
            "longer than 63 characters",
        ),
        (
            "counter: water-in.volume",
            "counter: main.energy_import",
            "unit_differs",
            "meters.1.counter",
            "'energy_import' is in kWh, and water needs m3.",
        ),
        (
            "meters: [building]",
            "meters: [bulding]",
            "unknown_meter",
            "commodities.electricity.meters.0",
            "did you mean 'building'?",
        ),
        (
            "meters: [building]",
            "meters: [building, building]",
            "meter_twice",
            "commodities.electricity.meters.1",
            "count twice",
        ),
        (
            "meters: [building]",
            "meters: [water-main]",
            "meter_of_other_commodity",
            "commodities.electricity.meters.0",
            "is of water, not of electricity",
        ),
        (
            "  - id: water-main",
            "  - id: water",
            "meter_named_as_commodity",
            "meters.1.id",
            "name of a commodity",
        ),
        (
            "contract:",
            "interval_s: 700\ncontract:",
            "interval_not_in_hour",
            "interval_s",
            "nearest that fits is 720",
        ),
        (
            "topic: site/water-in",
            "topic: site/water-in\n        timezone: Asia/Tapei",
            "unknown_zone",
            "buses.1.devices.0.timezone",
            "Asia/Taipei",
        ),
        (
            "profile: json_water_meter\n        topic: site/water-in",
            "profile: sparkplug_power_meter\n        topic: water-in",
            "topic_not_sparkplug",
            "buses.1.devices.0.topic",
            "group/node/device",
        ),
        ("topic: site/water-in", "topic: site/#", "topic_wildcard", "buses.1.devices.0.topic", "wildcard"),
        ("    username: monitor\n", "", "password_without_user", "buses.1.password", "'username'"),
        ("url: http://127.0.0.1:8086", "url: http://", "bad_url", "sinks.0.url", "no address of a server"),
    ],
)
def test_each_misfit_is_told_with_its_place(tmp_path, old, new, code, path, words):
    found = problems_of(tmp_path, changed(old, new))
    fitting = [p for p in found if p.code == f"config.{code}" and ".".join(map(str, p.path)) == path]
    assert len(fitting) == 1, [(p.code, p.path) for p in found]
    assert words in fitting[0].message("en")
    place = fitting[0].place
    assert place.text is not None
    assert place.text[place.column - 1 :].strip()


def test_a_rate_in_another_message_than_its_counter(tmp_path):
    head = "profile: split\nversion: 1\nmaker: M\nmodel: M1\nfamily: water\nsource: [m]\ntransport: mqtt\n"
    parts = (
        '  now: {topic: "{topic}/now", points: {flow: {path: f, unit: m3/h}}}\n'
        '  sum: {topic: "{topic}/sum", points: {volume: {path: v, unit: m3}}}\n'
    )
    (tmp_path / "split.yaml").write_text(f"{head}parts:\n{parts}", encoding="utf-8")
    text = changed("profile: json_water_meter", "profile: split.yaml")
    (problem,) = problems_of(tmp_path, text)
    assert problem.code == "config.rate_in_other_part"
    assert "same part" in problem.message("en")


def test_the_same_topic_twice(tmp_path):
    again = "topic: site/water-in\n      - {id: w2, profile: json_water_meter, topic: site/water-in}\n"
    found = problems_of(tmp_path, changed("topic: site/water-in\n", again))
    assert [problem.code for problem in found] == ["config.same_topic"]


def test_two_buses_with_one_client_id(tmp_path):
    device = "{id: w2, profile: json_water_meter, topic: t}"
    bus = f"  - {{kind: mqtt, id: b2, host: 10.0.0.9, client_id: fem, devices: [{device}]}}\n"
    text = changed("    username: monitor\n", "    username: monitor\n    client_id: fem\n")
    found = problems_of(tmp_path, text.replace("\nmeters:\n", f"{bus}\nmeters:\n"))
    assert [problem.code for problem in found] == ["config.same_client_id"]


def test_one_unit_with_two_profiles_is_a_warning(tmp_path):
    text = changed("unit: 1\n", "unit: 1\n      - {id: second, profile: schneider_pm5000, unit: 1}\n")
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    codes = [problem.code for problem in load_site(tmp_path / "site.yaml").warnings]
    assert "config.same_address_other_profile" in codes


def test_a_store_that_is_a_folder(tmp_path):
    (tmp_path / "data").mkdir()
    found = problems_of(tmp_path, example_text() + "store: {path: data}\n")
    assert [problem.code for problem in found] == ["config.store_is_folder"]


def test_a_profile_of_ones_own_counts_from_the_site_file(tmp_path):
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    point = "{address: 0, type: f32, unit: kWh}"
    power = "{address: 2, type: f32, unit: W}"
    (profiles / "mine.yaml").write_text(
        "profile: mine\nversion: 1\nmaker: M\nmodel: M1\nfamily: electricity\nsource: [manual]\n"
        f"points:\n  energy_import: {point}\n  active_power_total: {power}\n",
        encoding="utf-8",
    )
    text = changed("profile: eastron_sdm630", "profile: profiles/mine.yaml")
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    loaded = load_site(tmp_path / "site.yaml")
    assert loaded.profiles["profiles/mine.yaml"].profile == "mine"


def test_a_bad_profile_is_told_with_the_sites_own_problems(tmp_path):
    (tmp_path / "mine.yaml").write_text("profile: mine\n", encoding="utf-8")
    text = changed("profile: eastron_sdm630", "profile: mine.yaml").replace("capacity_kw", "capacity")
    files = [Path(problem.place.file).name for problem in problems_of(tmp_path, text)]
    assert set(files) == {"site.yaml", "mine.yaml"}
    assert files == sorted(files, reverse=True)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("10.0.0.7", None),
        ("gateway.local", None),
        ("fe80::1", None),
        ("fe80::1%eth0", None),
        ("::1", None),
        ("meter_7", None),
        ("", "config.empty"),
        (" 10.0.0.7", "config.host_has_space"),
        ("https://gw", "config.host_is_url"),
        ("gw/1", "config.host_is_url"),
        ("gw:502", "config.host_has_port"),
        ("10.0.0.256", "config.bad_address"),
        ("fe80:::1", "config.bad_address"),
        ("gateway.local.", None),
        (f"{'a' * 63}.local", None),
        ("電表.local", None),
        ("gateway..local", "config.host_empty_label"),
        (".local", "config.host_empty_label"),
        ("gateway..", "config.host_empty_label"),
        (f"{'a' * 64}.local", "config.host_too_long"),
        (f"{'電' * 63}.local", "config.host_too_long"),
        (".".join(["a" * 60] * 5), "config.host_too_long"),
        ("gate\u200eway", "config.host_bad_letter"),
    ],
)
def test_hosts(host, code):
    assert host_fault(host) == code


def test_zones():
    assert is_zone("Asia/Taipei")
    assert is_zone("UTC")
    assert not any(
        is_zone(name) for name in ("", "Asia", "/etc/passwd", "../UTC", "Asia/Taipei\0", "x" * 300)
    )


def test_pulses_are_metered_once_somebody_says_what_one_is_worth(tmp_path):
    text = example_text().replace("eastron_sdm630", "icpdas_m7084").replace("energy_import", "pulses_0")
    text = re.sub(r" *rate: main.active_power_total.*\n", "", text)
    (problem,) = problems_of(tmp_path, text)
    assert (problem.code, problem.path) == ("config.pulses_without_factor", ("meters", 0, "counter"))
    assert "'pulses_0' counts pulses" in problem.message("en")
    (tmp_path / "site.yaml").write_text(
        text.replace("counter: main.pulses_0", "counter: main.pulses_0\n    factor: 0.1"), encoding="utf-8"
    )
    assert load_site(tmp_path / "site.yaml").site.meters[0].factor == 0.1
