"""Plans in files of their own: taken as if they stood in the site file, mistakes told where they are."""

import re

import pytest

from config.loading import load_site
from config.problems import ConfigurationError
from monitor.dispatch.desk import plans_of
from rules.curtailment import Mode
from tests.unit.test_config_curtailment import SITE

NIGHT = """\
id: night
mode: live
dead_man_s: 1800
baseline: caiso-10-of-10
actions:
  - {id: limit, point: ch.demand_limit_setpoint, to: 60, expected_kw: 80}
guards:
  - {point: ch.chw_supply_temp, above: 12}
"""


def load(folder, plan=NIGHT, files="[plans/night.yaml]", *changes):
    text = SITE.replace("curtailment:\n", f"curtailment:\n  plan_files: {files}\n")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "plans").mkdir(exist_ok=True)
    if plan is not None:
        (folder / "plans" / "night.yaml").write_text(plan, encoding="utf-8")
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def wrong(refused):
    return [problem.code for problem in refused.value.problems if not problem.warning]


def test_a_plan_of_a_file_stands_behind_those_of_the_site_file(tmp_path):
    loaded = load(tmp_path)
    assert [plan.id for plan in loaded.site.curtailment.plans] == ["summer", "night"]
    night = plans_of(loaded)["night"]
    assert (night.mode, night.dead_man_s, night.actions[0].to) == (Mode.LIVE, 1800, 60.0)
    assert night.guards[0].above == 12


def test_a_limiter_may_take_a_plan_of_a_file(tmp_path):
    meters = "limiter: {plan: night, limit_kw: 500}\ncurtailment:"
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, NIGHT, "[plans/night.yaml]", ("curtailment:", meters))
    assert wrong(refused) == ["limiter.no_meters"]
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, NIGHT, "[]", ("curtailment:", meters))
    assert wrong(refused) == ["limiter.no_meters", "limiter.unknown_plan"]


@pytest.mark.parametrize(
    ("plan", "files", "said"),
    [
        (NIGHT.replace("to: 60", "to: 30"), None, r"night\.yaml:6:\d+: .*30 lies outside"),
        (NIGHT.replace("ch.demand", "cx.demand"), None, r"night\.yaml:6:\d+: .*no device 'cx'"),
        (NIGHT.replace("caiso-10-of-10", "caiso"), None, r"night\.yaml:4:\d+: .*no baseline preset"),
        (NIGHT.replace("dead_man_s: 1800\n", ""), None, r"night\.yaml:1:1: .*dead_man_s"),
        (NIGHT.replace("mode:", "mood:"), None, r"night\.yaml:2:1: mood: .*did you mean 'mode'"),
        (NIGHT.replace("above", "above: 12, below"), None, r"night\.yaml:8:\d+: .*exactly one of 'above'"),
        (NIGHT.replace("id: night", "id: summer"), None, r"site\.yaml:\d+:\d+: .*'summer' is given twice"),
        (NIGHT, "[plans/night.yaml, plans/night.yaml]", r"site\.yaml:\d+:\d+: .*'night' is given twice"),
        (None, None, r"site\.yaml:\d+:\d+: curtailment\.plan_files\.0: .*no such file"),
        (NIGHT, "plans/night.yaml", r"site\.yaml:\d+:\d+: curtailment\.plan_files: "),
        (NIGHT, "[7]", r"site\.yaml:\d+:\d+: curtailment\.plan_files\.0: "),
        ("actions: [", None, r"night\.yaml:\d+:\d+"),
        ("", None, r"night\.yaml:1:1"),
    ],
)
def test_each_mistake_is_told_where_it_stands(tmp_path, plan, files, said):
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, plan, files or "[plans/night.yaml]")
    assert re.search(said, str(refused.value)), str(refused.value)


def test_a_live_plan_of_a_file_wants_a_dispatcher_too(tmp_path):
    viewer = ("role: dispatcher", "role: viewer")
    dry = ("mode: live", "mode: dry-run")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, NIGHT, "[plans/night.yaml]", viewer, dry)
    assert wrong(refused) == ["dispatch.nobody_may_arm"]
    (problem,) = (one for one in refused.value.problems if not one.warning)
    assert problem.place.line == 2
    assert problem.place.file.endswith("night.yaml")
