"""OpenADR in a site file: each mistake is told with its place and its cure; what is right is understood."""

import re

import pytest

from config.loading import load_site
from config.openadr import rules_of
from config.problems import ConfigurationError
from monitor.keys import new_key
from rules.openadr import Rule

KEY, DIGEST = new_key()
SITE = """\
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}}
commodities:
  electricity: {base_year: 2015, meters: [main]}
  water: {base_year: 2015, meters: [tap]}
buses:
  - {kind: modbus_tcp, id: plant, host: 127.0.0.1, devices: [
      {id: ch, profile: trane_pic_rthd}, {id: m, profile: siemens_pac3200, unit: 2},
      {id: w, profile: ./water.yaml, unit: 3}]}
meters:
  - {id: main, name: {zh-TW: 總表, en: Main}, commodity: electricity, counter: m.energy_import,
     max_rate: 9000}
  - {id: tap, name: {zh-TW: 水表, en: Water}, commodity: water, counter: w.volume, max_rate: 9000}
curtailment:
  operators: [{id: wang, role: dispatcher, key: "DIGEST"}, {id: lin, role: viewer, key: "DIGEST"}]
  plans:
    - id: summer
      mode: live
      dead_man_s: 3600
      actions:
        - {id: limit, point: ch.demand_limit_setpoint, to: 60, expected_kw: 80}
  openadr:
    vtn_url: https://vtn.example/OpenADR2/Simple/2.0b
    ven_name: city-hall
    operator: wang
    operator_key: {file: wang.key}
    poll_s: 10
    rules:
      - {plan: summer, programme: taipower-demand-bidding, market_context: "http://tp/dr",
         levels: {1: 40, 2: all}}
      - {plan: summer, signal: LOAD_DISPATCH}
    reports:
      - {meter: main, resource: hall}
""".replace("DIGEST", DIGEST)
WATER = """\
profile: water
version: 1
maker: any
model: water meter of the tests
family: water
source: [a test]
transport: modbus
points:
  volume: {address: 0, type: u32, unit: m3}
"""


def loaded(folder, *changes):
    text = SITE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / "water.yaml").write_text(WATER, encoding="utf-8")
    (folder / "wang.key").write_text("secret\n", encoding="utf-8")
    (folder / "wang.key").chmod(0o600)
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def test_what_is_right_is_understood(tmp_path):
    site = loaded(tmp_path)
    assert not site.warnings
    openadr = site.site.curtailment.openadr
    assert (openadr.ven_name, openadr.unknown_after_s, openadr.opt_in) == ("city-hall", 900.0, "possible")
    context = {"programme": "taipower-demand-bidding", "market_context": "http://tp/dr"}
    assert rules_of(openadr) == (
        Rule("summer", **context, levels={1: 40.0, 2: None}),
        Rule("summer", signal="LOAD_DISPATCH"),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{plan: summer, prog", "{plan: sommer, prog", "no plan 'sommer'.*did you mean 'summer'"),
        ("{1: 40, 2: all}", "{1: 81}", "81 kW lie outside.*up to 80 kW"),
        ("{1: 40, 2: all}", "{4: 40}", "4"),
        ("signal: LOAD_DISPATCH", "signal: LOAD_DISPATCH, levels: {1: all}", "has no levels"),
        ("signal: LOAD_DISPATCH", "signal: ELECTRICITY_PRICE", "SIMPLE"),
        ("demand-bidding,", "demand-biding,", "no programme 'taipower-demand-biding'"),
        ("operator: wang", "operator: wong", "no operator 'wong'.*did you mean 'wang'"),
        ("operator: wang", "operator: lin", "'lin' may look on but not dispatch"),
        ("    operator: wang\n", "", "belong together"),
        ("    operator_key: {file: wang.key}\n", "", "belong together"),
        ("    operator: wang\n    operator_key: {file: wang.key}\n", "", "live, and nobody arms it"),
        ("vtn_url: https", "tls: {ca: wang.key}\n    vtn_url: http", "begins with https://"),
        ("poll_s: 10", "sign: true", "give 'certificate' and 'key'"),
        ("poll_s: 10", "vtn_fingerprint: '00'", "vtn_fingerprint"),
        ("poll_s: 10", "poll_s: 600", "at least twice 'poll_s'"),
        ("{meter: main,", "{meter: mian,", "no meter 'mian', did you mean 'main'"),
        ("{meter: main,", "{meter: tap,", "'tap' is no meter of electricity"),
        ("resource: hall}", "resource: hall}\n      - {meter: main}", "'main' is reported already"),
        ("vtn_url: https", "vtn_url: ftp", "vtn_url"),
        ("ven_name: city-hall", "vn_name: city-hall", "did you mean 'ven_name'"),
    ],
)
def test_each_mistake_has_its_place_and_its_cure(tmp_path, old, new, said):
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, (old, new))
    told = str(refused.value)
    assert re.search(said, told), told
    assert re.search(r"site\.yaml:\d+:\d+: curtailment\.openadr", told), told


def test_a_dry_run_needs_nobody_who_arms(tmp_path):
    nobody = ("    operator: wang\n    operator_key: {file: wang.key}\n", "    mode: dry-run\n")
    assert loaded(tmp_path, nobody).site.curtailment.openadr.operator is None


def test_files_that_are_not_there_are_warned_of(tmp_path):
    wants = ("poll_s: 10", "tls: {ca: missing.pem}")
    warnings = [one.code for one in loaded(tmp_path, ("wang.key", "wong.key"), wants).warnings]
    assert sorted(warnings) == ["config.secret_file_missing", "config.tls_file_missing"]
