"""The limiter in a site file: each mistake is told with its place; what is right is understood."""

import pytest

from config.limiter import limiter_rules
from config.loading import load_site
from config.problems import ConfigurationError
from monitor.dispatch.desk import plans_of

SITE = """\
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}}
contract: {capacity_kw: 1000}
commodities:
  electricity: {base_year: 2015, meters: [main]}
buses:
  - {kind: modbus_tcp, id: plant, host: 127.0.0.1, devices: [
      {id: ch, profile: trane_pic_rthd}, {id: m, profile: siemens_pac3200, unit: 2}]}
meters:
  - {id: main, name: {zh-TW: 總表, en: Main}, commodity: electricity, counter: m.energy_import,
     max_rate: 9000}
curtailment:
  plans:
    - id: summer
      dead_man_s: 7200
      actions:
        - {id: limit, point: ch.demand_limit_setpoint, to: 60, expected_kw: 80}
limiter: {plan: summer, limit_kw: 950, shed_at_percent: 97, freeze_s: 90}
"""


def problems(tmp_path, text):
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_site(tmp_path / "site.yaml")
    return [(one.code, one.place.line) for one in error.value.problems]


def test_what_is_right_is_understood(tmp_path):
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    loaded = load_site(tmp_path / "site.yaml")
    rules = limiter_rules(loaded.site.limiter, plans_of(loaded)["summer"])
    assert (rules.dead_man_s, rules.shed_share, rules.back_share) == (7200, 0.97, 0.93)
    assert (rules.freeze_s, rules.settle_s, rules.blind_s) == (90, 60, 900)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("plan: summer,", "plan: sommer,", [("limiter.unknown_plan", 17)]),
        ("shed_at_percent: 97", "shed_at_percent: 90", [("limiter.no_room", 17)]),
        ("shed_at_percent: 97", "back_at_percent: 98", [("limiter.no_room", 17)]),
        (", meters: [main]", "", [("limiter.no_meters", 17)]),
        ("limit_kw: 950", "limit_kw: 0", [("config.not_above", 17)]),
    ],
)
def test_each_mistake_is_told_with_its_place(tmp_path, old, new, expected):
    assert old in SITE
    assert problems(tmp_path, SITE.replace(old, new)) == expected


def test_a_limit_comes_from_somewhere(tmp_path):
    text = SITE.replace("contract: {capacity_kw: 1000}\n", "").replace("limit_kw: 950, ", "")
    assert problems(tmp_path, text) == [("limiter.no_limit", 16)]


@pytest.mark.parametrize(
    ("mode", "own", "found"),
    [
        ("live", "", [("limiter.mode_stronger", 17)]),
        ("dry-run", "", []),
        ("dry-run", "mode: monitor-only", [("limiter.mode_stronger", 18)]),
        ("monitor-only", "", []),
    ],
)
def test_the_limiter_is_no_stronger_than_its_plan(tmp_path, mode, own, found):
    text = SITE.replace("limiter: {plan: summer,", f"limiter: {{plan: summer, mode: {mode},")
    if own:
        text = text.replace("dead_man_s: 7200", f"dead_man_s: 7200\n      {own}")
    if found:
        assert problems(tmp_path, text) == found
    else:
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        assert load_site(tmp_path / "site.yaml").site.limiter.mode == mode
