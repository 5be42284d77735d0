"""What the soak makes of what it saw: who is back, and whose fault a missed poll was."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("soak_judge")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("soak_site")


def plan_of(site, devices: int):
    return site.Plan(devices, 30, 60, 2017, tuple(range(devices)))


def test_a_second_without_a_processor_is_the_machines(judge):
    waits = [(100.0 + second, 0.0, 0.0) for second in range(20)]
    waits[5] = (105.0, 0.3, 0.0)
    waits[12] = (112.0, 0.0, 0.06)
    waits[13] = (113.0, 0.0, 0.06)  # together more than a tenth of a second
    window = judge.Window(100.0, 120.0, waits=waits)
    assert judge._starved({104, 111, 117}, window) == "2 of 3"
    assert judge._starved(set(), window) == "0 of 0"
    assert judge._starved({104}, judge.Window(100.0, 120.0)) == "0 of 1"


def test_everybody_but_the_incurable_is_online_in_the_end(judge, site):
    plan = plan_of(site, 300)
    assert plan.incurable < plan.bad
    healthy = next(device for device in plan.ids if device not in plan.bad)
    cured = min(plan.bad - plan.incurable)

    def broken(*gone: str) -> list[str]:
        found = judge.Judgement()
        window = judge.Window(0.0, 60.0, not_online=dict.fromkeys(gone, "offline"))
        judge._conditions(plan, window, found)
        return [promise.partition(":")[0] for promise in found.broken]

    assert broken() == broken(*plan.incurable) == []
    assert broken(healthy) == ["healthy devices not online at the end"]
    assert broken(cured) == ["devices not online though their script has ended"]


def test_scripts_have_ended_when_the_time_is_over(site):
    plan = plan_of(site, 48)
    assert plan.incurable == frozenset()
    for seconds in (40.0, 600.0):
        script = list(site._faults(plan, seconds))[1:]
        last = max(int(line.split("from_s: ")[1].split(",")[0]) for line in script)
        assert last + 20 <= seconds < last + 20 + 60
        assert {line.split("device: ")[1].split(",")[0] for line in script} == plan.bad
