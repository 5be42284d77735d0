"""Plans in a site file: each mistake is told with its place and its cure; what is right is understood."""

import re

import pytest

from config.loading import load_site
from config.problems import ConfigurationError
from monitor.dispatch.desk import plans_of
from monitor.dispatch.keys import dispatcher_of
from monitor.keys import new_key
from rules.curtailment import Mode
from rules.shedding import Ramp, Sheds

KEY, DIGEST = new_key()
SITE = """\
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}}
commodities:
  electricity: {base_year: 2015}
buses:
  - {kind: modbus_tcp, id: plant, host: 127.0.0.1, devices: [
      {id: ch, profile: trane_pic_rthd}, {id: daikin, profile: daikin_microtech3}]}
curtailment:
  operators: [{id: wang, role: dispatcher, key: "DIGEST"}, {id: lin, role: viewer, key: "DIGEST"}]
  plans:
    - id: summer
      mode: live
      dead_man_s: 3600
      actions:
        - {id: warmer, point: ch.chw_setpoint, by: 2}
        - {id: stop, point: daikin.enable_setpoint, to: 0, release: hand-back}
      guards:
        - {point: ch.chw_supply_temp, above: 12}
""".replace("DIGEST", DIGEST)


def loaded(folder, *changes):
    text = SITE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def test_a_plan_is_understood_with_what_its_profiles_say(tmp_path):
    plan = plans_of(
        loaded(
            tmp_path,
            ("by: 2}", "by: 2, ceiling: 10, ramp: {step: 0.5, every_s: 60}, writes_per_day: 20}"),
        )
    )["summer"]
    assert (plan.mode, plan.dead_man_s, plan.resumes, plan.all_or_nothing) == (Mode.LIVE, 3600, True, False)
    warmer, stop = plan.actions
    assert (warmer.low, warmer.high, warmer.by, warmer.release) == (5.0, 10.0, 2.0, None)
    assert (warmer.ramp, warmer.writes_per_day) == (Ramp(0.5, 60.0), 20)
    assert (stop.to, stop.release, stop.writes_per_day) == (0.0, 2.0, 24)
    assert (warmer.sheds, stop.sheds) == (Sheds.UP, Sheds.EITHER)


VALVE = """\
profile: valve
version: 1
maker: any
model: valve of the tests
family: chilled_water
source: [a test]
transport: modbus
points:
  valve_setpoint: {address: 0, type: u16, unit: "%", writable: {between: [0, 100]}}
"""


def test_a_value_of_which_nobody_says_which_way_it_sheds_is_refused_with_the_cure(tmp_path):
    (tmp_path / "valve.yaml").write_text(VALVE, encoding="utf-8")
    onto = ("profile: trane_pic_rthd", "profile: ./valve.yaml")
    point = ("ch.chw_setpoint, by: 2", "ch.valve_setpoint, to: 20")
    guard = ("      guards:\n        - {point: ch.chw_supply_temp, above: 12}\n", "")
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, onto, point, guard)
    assert re.search(r"site\.yaml:\d+:\d+: .*Nobody says which way.*sheds", str(refused.value))
    said = loaded(tmp_path, onto, (point[0], point[1] + ", sheds: down"), guard)
    assert plans_of(said)["summer"].actions[0].sheds is Sheds.DOWN
    (tmp_path / "valve.yaml").write_text(VALVE.replace("100]}", "100], sheds: up}"), encoding="utf-8")
    assert plans_of(loaded(tmp_path, onto, point, guard))["summer"].actions[0].sheds is Sheds.UP


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ch.chw_setpoint", "cx.chw_setpoint", "there is no device 'cx'"),
        ("ch.chw_setpoint", "ch.chw_setpoints", "has no point 'chw_setpoints', did you mean 'chw_setpoint'"),
        ("ch.chw_setpoint", "ch.chw_supply_temp", "'chw_supply_temp' of 'ch' may not be written"),
        ("daikin.enable_setpoint, to: 0", "daikin.enable_setpoint, to: 2", "2 lies outside"),
        ("by: 2}", "by: 2, floor: 4}", "4 lies outside what the device bears, 5 to 15"),
        ("by: 2}", "to: 14, ceiling: 12}", "14 lies outside 'floor' and 'ceiling'"),
        ("by: 2}", "by: 2, floor: 12, ceiling: 10}", "12.*10"),
        ("by: 2}", "by: 2, to: 9}", "exactly one of 'to'"),
        ("by: 2}", "priority: 2}", "exactly one of 'to'"),
        ("by: 2}", "by: -2}", "'by' goes -2 and the value sheds load going up"),
        ("by: 2}", "by: 2, sheds: down}", "the value sheds load going down"),
        ("by: 2}", "by: 2, sheds: sideways}", "sheds"),
        ("by: 2}", "by: 2, release: hand-back}", "knows no value that hands this point back"),
        ("by: 2}", "by: 2, release: 30}", "30 lies outside"),
        ("by: 2}", "by: 2, writes_per_day: 49}", "more than the device bears .48"),
        ("by: 2}", "by: 2, min_off_s: 4000}", "longer than 'dead_man_s'"),
        ("by: 2}", "by: 2, after_s: 3600}", "it would never shed"),
        ("by: 2}", "by: 2, after_s: 3000, min_off_s: 601}", "it would never shed"),
        ("by: 2}", "by: 0}", "'by: 0' changes nothing"),
        ("by: 2}", "by: 2, ramp: {step: 0.01, every_s: 60}}", "takes up to 200 writes, and 46"),
        ("id: stop", "id: warmer", "'warmer' is given twice"),
        (
            "daikin.enable_setpoint, to: 0, release: hand-back",
            "ch.chw_setpoint, to: 9",
            "has an action already",
        ),
        ("ch.chw_supply_temp", "cx.chw_supply_temp", "there is no device 'cx'"),
        ("ch.chw_supply_temp", "ch.temperature", "has no point 'temperature'"),
        (", above: 12}", "}", "exactly one of 'above'"),
        (", above: 12}", ", above: 12, below: 3}", "exactly one of 'above'"),
        (", above: 12}", ", above: 12, back_at: 13}", "past the limit itself"),
        (", above: 12}", ", below: 12, back_at: 11}", "past the limit itself"),
        (
            ", above: 12}",
            ", above: 12, actions: [warm]}",
            "no action 'warm' in this plan, did you mean 'warmer'",
        ),
        ("role: dispatcher", "role: viewer", "no operator with the role 'dispatcher'"),
        ("      dead_man_s: 3600\n", "", "dead_man_s"),
        ("mode: live", "mode: live\n      baseline: caiso", "no baseline preset 'caiso'"),
    ],
)
def test_each_mistake_has_its_place_and_its_cure(tmp_path, old, new, said):
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, (old, new))
    told = str(refused.value)
    assert re.search(said, told), told
    assert re.search(r"site\.yaml:\d+:\d+: curtailment", told), told


def test_a_switch_that_a_stop_would_switch_back_at_once_is_told(tmp_path):
    change = ("to: 0, release: hand-back", "to: 0, release: hand-back, min_off_s: 900")
    (warning,) = [one for one in loaded(tmp_path, change).warnings if one.code.startswith("dispatch.")]
    assert warning.code == "dispatch.min_off_of_switch"
    assert [one for one in loaded(tmp_path).warnings if one.code.startswith("dispatch.")] == []


def test_a_key_is_checked_against_what_the_site_file_says(tmp_path):
    operators = loaded(tmp_path).site.curtailment.operators
    assert dispatcher_of(operators, "wang", KEY) is None
    assert dispatcher_of(operators, "wang", KEY + "x") == "dispatch.wrong_key"
    assert dispatcher_of(operators, "wang", "") == "dispatch.wrong_key"
    assert dispatcher_of(operators, "lin", KEY) == "dispatch.not_dispatcher"
    assert dispatcher_of(operators, "chen", KEY) == "dispatch.unknown_operator"
    assert dispatcher_of(operators, "", KEY) == "dispatch.no_operator"
