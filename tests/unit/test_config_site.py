"""site.yaml: what is right loads; all that is wrong is told at once, in plain words, in its place."""

import hashlib
from pathlib import Path

import pytest

from config.loading import LoadedSite, load_site
from config.problems import ConfigurationError, Problem, render_all
from config.site import Commodity
from tests.site_example import changed, example_text


def load(folder: Path, text: str) -> LoadedSite:
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return load_site(folder / "site.yaml")


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return caught.value.problems


def errors_of(folder: Path, text: str) -> list[str]:
    """Errors as ``line:column: path: message``."""
    file = str(folder / "site.yaml")
    return [
        f"{problem.location().removeprefix(file + ':')}: {problem.message('en')}"
        for problem in problems_of(folder, text)
        if not problem.warning
    ]


def test_the_example_loads(tmp_path):
    loaded = load(tmp_path, example_text())
    assert loaded.site.site.id == "district-office"
    assert loaded.site.commodities[Commodity.WATER].base_year == 2016
    assert sorted(loaded.profiles) == ["eastron_sdm630", "json_water_meter"]
    assert loaded.store_path == tmp_path / "data/energy.db"
    assert loaded.digest == hashlib.sha256((tmp_path / "site.yaml").read_bytes()).hexdigest()


def test_an_absolute_store_path_stays(tmp_path):
    text = example_text() + "store: {path: /var/lib/monitor/energy.db}\n"
    assert load(tmp_path, text).store_path == Path("/var/lib/monitor/energy.db")


def test_secrets_that_are_not_there_are_warnings(tmp_path, monkeypatch):
    monkeypatch.delenv("BROKER_PASSWORD", raising=False)
    warned = load(tmp_path, example_text()).warnings
    assert [(problem.code, problem.path) for problem in warned] == [
        ("config.secret_env_missing", ("buses", 1, "password", "env")),
        ("config.secret_file_missing", ("sinks", 0, "token", "file")),
    ]
    monkeypatch.setenv("BROKER_PASSWORD", "x")
    token = tmp_path / "influx.token"
    token.write_text("x\n", encoding="utf-8")
    token.chmod(0o644)
    assert [one.code for one in load(tmp_path, example_text()).warnings] == ["config.secret_open_to_all"]
    token.chmod(0o600)
    assert load(tmp_path, example_text()).warnings == ()


def test_a_problem_shows_place_words_line_and_caret(tmp_path):
    text = changed("    host: 10.0.0.7\n", "    hots: 10.0.0.7\n")
    found = next(p for p in problems_of(tmp_path, text) if p.code == "config.unknown_key")
    file = tmp_path / "site.yaml"
    line = 1 + text[: text.index("hots")].count("\n")
    assert found.render("en") == (
        f"{file}:{line}:5: buses.0.hots: unknown key 'hots', did you mean 'host'?\n"
        "        hots: 10.0.0.7\n"
        "        ^^^^"
    )
    assert "是否為「host」？" in found.render("zh-TW")


def test_the_caret_stands_under_the_spot_after_chinese(tmp_path):
    found = problems_of(tmp_path, changed("en: District office}", "em: District office}"))
    excerpt = next(p for p in found if p.code == "config.unknown_key").render("en").splitlines()
    assert excerpt[1].startswith("      name: {zh-TW: 區公所, em")
    before = excerpt[1].index("em:") + len("區公所")  # each takes two columns
    assert excerpt[2] == " " * before + "^^"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "capacity_kw: 500",
            "capacity_kw: -5",
            "contract.capacity_kw: -5 is too small: it must be more than 0.",
        ),
        ("capacity_kw: 500", "capacity_kw: .inf", "contract.capacity_kw: '.inf' is no usable number."),
        ("capacity_kw: 500", "capacity_kw: .nan", "contract.capacity_kw: '.nan' is no usable number."),
        ("capacity_kw: 500", "capacity_kw: true", "contract.capacity_kw: 'true' is not a number."),
        ("capacity_kw: 500", "capacity_kw: 500 kW", "contract.capacity_kw: '500 kW' is not a number."),
        ("capacity_kw: 500", "capacity_kw: '5,000'", "contract.capacity_kw: '5,000' is not a number."),
        ("capacity_kw: 500", "capacity_kw: [1]", "contract.capacity_kw: '[…]' is not a number."),
        ("capacity_kw: 500", "capacity_kw: ", "contract.capacity_kw: there is no value."),
        ("{capacity_kw: 500}", "{}", "contract.capacity_kw: the key 'capacity_kw' is missing."),
        ("{capacity_kw: 500}", "5000", "contract: '5000' stands where keys and values are wanted."),
        ("id: district-office", "id: District Office", "site.id: 'District Office' cannot be an id"),
        ("id: district-office", "id: District Office", "did you mean 'district-office'?"),
        ("id: district-office", "id: ''", "site.id: there is no value."),
        (
            "id: district-office",
            "id: 101",
            "site.id: '101' is read as a number or a yes/no, and a text is wanted.",
        ),
        (
            "language: zh-TW",
            "language: zh-CN",
            "site.language: 'zh-CN' is none of the words that may stand here",
        ),
        (
            "language: zh-TW",
            "language: [en]",
            "site.language: one word is wanted here, not '[…]'. There is: zh-TW, en.",
        ),
        ("en: District office", "en: {a: b}", "site.name.en: one text is wanted here, not '{…}'."),
        ("timezone: Asia/Taipei", "timezone: Taipei", "time zone 'Taipei', did you mean 'Asia/Taipei'?"),
        ("timezone: Asia/Taipei", "timezone: Asia/Tapei", "did you mean 'Asia/Taipei'?"),
        ("timezone: Asia/Taipei", "timezone: ../etc", "there is no time zone '../etc'"),
        ("timezone: Asia/Taipei", "timezone: ''", "there is no time zone ''"),
        ("  electricity:", "  electricty:", "unknown key 'electricty', did you mean 'electricity'?"),
        (
            "base_year: 2016",
            "base_year: 105",
            "commodities.water.base_year: 105 is too small: it must be at least 1990.",
        ),
        (
            "base_year: 2016",
            "base_year: 2015.5",
            "commodities.water.base_year: '2015.5' is not a whole number.",
        ),
        (
            "kind: modbus_tcp",
            "kind: modbus",
            "buses.0.kind: 'modbus' is none of the words that may stand here",
        ),
        (
            "  - kind: modbus_tcp\n    id",
            "  - id",
            "buses.0.kind: the key 'kind' is missing. Add it here. There is: modbus_tcp, modbus_rtu_tcp,",
        ),
        ("    username:", '    port: "502x"\n    username:', "buses.1.port: '502x' is not a whole number."),
        (
            "    username:",
            "    port: 99999\n    username:",
            "buses.1.port: 99999 is too large: it must be at most 65535.",
        ),
        ("    username:", "    version: 5\n    username:", "buses.1.version: '5' is read as a number"),
        (
            "host: 10.0.0.7",
            "host: http://10.0.0.7/",
            "buses.0.host: 'http://10.0.0.7/' is not a bare name or address.",
        ),
        ("host: 10.0.0.7", "host: 10.0.0.7:502", "buses.0.host: '10.0.0.7:502' carries a port."),
        ("host: 10.0.0.7", "host: 10.0.0.700", "buses.0.host: '10.0.0.700' is not an IP address"),
        ("host: 10.0.0.7", "host: 10.0.0", "buses.0.host: '10.0.0' is not an IP address"),
        ("host: 10.0.0.7", "host: my gateway", "buses.0.host: 'my gateway' has a space in it."),
        (
            "    host: 10.0.0.7\n",
            "",
            "buses.0.devices.0.host: neither this device nor its bus says where it is.",
        ),
        (
            "        unit: 1\n",
            "        unit: 256\n",
            "buses.0.devices.0.unit: 256 is too large: it must be at most 255.",
        ),
        ("url: http://127", "url: 127", "sinks.0.url: '127.0.0.1:8086' is no address of a server."),
        ("bucket: energy", "bucket: ''", "sinks.0.bucket: there is no value."),
        ("kind: influxdb", "kind: influx", "sinks.0.kind: 'influx' is none of the words that may stand here"),
        (
            "meters: [building]",
            "meters: building",
            "electricity.meters: 'building' stands where a list is wanted.",
        ),
    ],
)
def test_each_wrong_value_is_told_in_plain_words(tmp_path, old, new, expected):
    found = errors_of(tmp_path, changed(old, new))
    assert any(expected in error for error in found), found
    assert not any(word in error for error in found for word in ("pydantic", "Input", "ctx", "validat")), (
        found
    )


def test_everything_is_told_at_once_from_the_top_down(tmp_path):
    text = changed("timezone: Asia/Taipei", "timezone: Mars").replace("capacity_kw: 500", "capacity: 500")
    text = text.replace("profile: eastron_sdm630", "profile: eastron").replace("max_rate: 40", "max_rate: 0")
    text = text.replace("  - id: water-main", "  - id: building")
    found = problems_of(tmp_path, text)
    assert {problem.code for problem in found if not problem.warning} == {
        "config.unknown_zone", "config.unknown_key", "config.unknown_profile", "config.not_above",
        "config.duplicate_id", "config.unknown_meter",
    }  # fmt: skip
    lines = [problem.place.line for problem in found]
    assert lines == sorted(lines)


def test_a_misspelt_key_is_told_once_and_not_as_missing_too(tmp_path):
    found = errors_of(tmp_path, changed("topic: site", "topics: site"))
    assert len(found) == 1
    assert "unknown key 'topics', did you mean 'topic'?" in found[0]


def test_a_missing_key_points_at_its_parent(tmp_path):
    found = problems_of(tmp_path, changed("  id: district-office\n", ""))
    problem = next(p for p in found if p.code == "config.missing_key")
    assert (problem.place.line, problem.place.column, problem.path) == (2, 1, ("site", "id"))


def test_entries_with_errors_do_not_make_a_list_too_short(tmp_path):
    found = errors_of(tmp_path, changed("        unit: 1\n", "        unit: x\n"))
    assert [error.split(": ")[1] for error in found] == ["buses.0.devices.0.unit"]


@pytest.mark.parametrize(
    ("old", "new", "secret"),
    [
        ("{env: BROKER_PASSWORD}", "hunter2", "hunter2"),
        ("{env: BROKER_PASSWORD}", "{valeu: hunter2}", "hunter2"),
        ("password: {env: BROKER_PASSWORD}", "pasword: hunter2", "hunter2"),
        ("password: {env: BROKER_PASSWORD}", "password: hunter2\n    password: hunter2", "hunter2"),
        ("token: {file: influx.token}", "token: 'hunter2", "hunter2"),
        ("http://127.0.0.1:8086", "http://me:hunter2@127.0.0.1:8086", "hunter2"),
        ("http://127.0.0.1:8086", "htp://me:hunter2@127.0.0.1:8086", "hunter2"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(tmp_path, old, new, secret):
    found = problems_of(tmp_path, changed(old, new))
    assert any(not problem.warning for problem in found)
    for language in ("en", "zh-TW"):
        assert secret not in render_all(found, language)


def test_a_secret_wants_one_place(tmp_path):
    both = errors_of(tmp_path, changed("{env: BROKER_PASSWORD}", "{env: A, file: b}"))
    neither = errors_of(tmp_path, changed("{env: BROKER_PASSWORD}", "{}"))
    for found in (both, neither):
        assert len(found) == 1
        assert "buses.1.password: give exactly one of 'env'" in found[0]


def test_colour_and_count(tmp_path):
    found = problems_of(tmp_path, changed("capacity_kw: 500", "capacity_kw: x"))
    plain, coloured = render_all(found, "en"), render_all(found, "en", colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31m" in coloured
    assert plain.endswith("1 to mend, 2 to look at.")
    assert render_all((), "en") == ""
