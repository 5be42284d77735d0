"""The soak in short: nothing but time differs from ``make soak``."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0
"""Until everybody is online and all is delivered, on a machine that has little time for either."""


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("soak"), importlib.import_module("soak_site")


def test_healthy_meters_are_right_beside_misbehaving_ones(soak, tmp_path: Path):
    run, site = soak
    plan = site.make_plan(devices=48, points=30, interval_s=5, seed=2017)
    # What the machine's other work costs single readings, memory or seconds is for `make soak` to judge on a
    # machine of its own. These hold on any machine: energy (but for a few seconds by which an edge may be
    # stamped late), whole intervals, none absurd, no dead lines.
    found = run.soaked(
        tmp_path, plan, 40, tolerance_wh=60, recover_within_s=PATIENCE_S, deliver_within_s=PATIENCE_S
    )
    machine = ("memory", "polls that healthy devices missed", "end after SIGTERM")
    print("\n".join(found.table()))
    assert [broken for broken in found.broken if not broken.startswith(machine)] == []
