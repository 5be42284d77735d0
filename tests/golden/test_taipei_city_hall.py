"""The golden case: what Taipei's City Hall reported to its council, made from its ledgers, byte for byte."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from config.loading import load_site
from config.schema import site_schema_text
from monitor.cli.importing import run_import
from monitor.cli.report import run_report

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "taipei-city-hall"
EXPECTED = Path(__file__).parent / "expected"
COUNCIL = ROOT.parent / "shared" / "reference" / "council-report-2017h2.yaml"
LEDGERS = (
    ("base", "base-year.csv"),
    ("actuals", "actuals.csv"),
    ("reasons", "reasons.csv"),
    ("settlements", "settlements.csv"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A copy of the example with its ledgers in a fresh store."""
    folder = tmp_path_factory.mktemp("hall")
    shutil.copy(EXAMPLE / "site.yaml", folder)
    for kind, name in LEDGERS:
        assert run_import(folder / "site.yaml", kind, [EXAMPLE / name], language="en") == 0
    return folder / "site.yaml"


@pytest.fixture(scope="module")
def summary(site, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "summary.json"
    assert run_report(site, "2017H2", "json", out=out) == 0
    return json.loads(out.read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "format_", "language"),
    [
        ("2017H2.zh-TW.txt", "text", "zh-TW"),
        ("2017H2.en.txt", "text", "en"),
        ("2017H2.zh-TW.json", "json", "zh-TW"),
    ],
)
@pytest.mark.parametrize("period", ["2017H2", "106H2", "106年下半年"])
def test_the_summary_is_the_same_bytes(site, capsysbinary, period, *, name, format_, language):
    assert run_report(site, period, format_, language) == 0
    assert capsysbinary.readouterr().out == (EXPECTED / name).read_bytes()


def test_the_sites_own_language_is_spoken_unless_asked_otherwise(site, capsysbinary):
    assert run_report(site, "2017H2") == 0
    assert capsysbinary.readouterr().out == (EXPECTED / "2017H2.zh-TW.txt").read_bytes()


def test_importing_twice_changes_no_byte(site, capsysbinary):
    for kind, name in LEDGERS:
        assert run_import(site, kind, [EXAMPLE / name], language="en") == 0
    assert b"nothing new" in capsysbinary.readouterr().out
    assert run_report(site, "2017H2", "json") == 0
    assert capsysbinary.readouterr().out == (EXPECTED / "2017H2.zh-TW.json").read_bytes()


def test_the_council_was_told_the_same(summary):
    """The facts as the document states them, not as this project wrote them down."""
    if not COUNCIL.exists():
        pytest.skip(f"{COUNCIL} is not there: the stated figures of the council report cannot be compared")
    facts = YAML(typ="safe").load(COUNCIL.read_text("utf-8"))
    assert summary["period"] == {
        "id": facts["period"]["id"],
        "roc": facts["period"]["roc"],
        "start": str(facts["period"]["start"]),
        "end": str(facts["period"]["end"]),
    }
    assert len(facts["savings"]) == 3
    told = {saving["commodity"]: saving for saving in summary["savings"]}
    assert list(told) == [fact["commodity"] for fact in facts["savings"]]
    for fact in facts["savings"]:
        saving, stated = told[fact["commodity"]], fact["stated"]
        for name in ("unit", "base_year", "base", "actual"):
            assert saving[name] == fact[name]
        for name in ("change", "percent", "direction"):
            assert saving[name] == stated[name]
        assert saving["reasons"] == fact.get("reasons", [])
        assert saving["coverage"] == 1


def test_what_demand_response_brought_is_what_the_document_states(summary):
    if not COUNCIL.exists():
        pytest.skip(f"{COUNCIL} is not there: the stated figures of the council report cannot be compared")
    fact = YAML(typ="safe").load(COUNCIL.read_text("utf-8"))["demand_response"]
    (told,) = summary["demand_response"]
    assert (told["programme"], told["kwh"], told["credit"]) == (
        fact["programme"],
        fact["curtailed_kwh"],
        fact["credit_twd"],
    )
    (entry,) = told["settlements"]
    assert (entry["start"][:7], entry["end"][:7]) == (fact["months"][0], fact["months"][-1])


def test_the_figures_of_the_issue(summary):
    figures = {
        saving["commodity"]: tuple(
            saving[name] for name in ("base_year", "base", "actual", "change", "percent", "direction")
        )
        for saving in summary["savings"]
    }
    assert figures == {
        "electricity": (2015, 12572309, 12531673, -40636, 0.32, "減少"),
        "vehicle_fuel": (2015, 10443, 12615, 2172, 20.8, "增加"),
        "water": (2016, 86438, 90476, 4038, 4.67, "增加"),
    }


def test_the_example_names_a_schema_that_is_current():
    first = (EXAMPLE / "site.yaml").read_text("utf-8").partition("\n")[0]
    assert first == "# yaml-language-server: $schema=site.schema.json"
    current = (EXAMPLE / "site.schema.json").read_text("utf-8") == site_schema_text()
    assert current, "run: energy-monitor schema --out examples/taipei-city-hall/site.schema.json"


def test_the_example_is_whole():
    loaded = load_site(EXAMPLE / "site.yaml")
    assert not loaded.warnings
    devices = {device.id for bus in loaded.site.buses for device in bus.devices}
    assert {f"chiller-{number}" for number in range(1, 6)} < devices
    meters = {meter.id for meter in loaded.site.meters}
    assert meters == devices - {"weather"} - {f"chiller-{number}" for number in range(1, 6)}


def test_the_script_builds_the_store_and_prints_the_summary(tmp_path):
    """What ``make example`` runs, in a folder of its own."""
    environment = {
        **os.environ,
        "ENERGY_MONITOR": f"{sys.executable} -m monitor.cli.main",
        "ENERGY_MONITOR_LANGUAGE": "en",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        ["sh", str(EXAMPLE / "build.sh"), str(tmp_path / "hall")],
        env=environment, cwd=tmp_path, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.endswith((EXPECTED / "2017H2.zh-TW.txt").read_bytes())
    assert (tmp_path / "hall" / "data" / "energy.db").exists()
