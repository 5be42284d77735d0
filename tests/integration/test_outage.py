"""Seven days of outage in short: nothing but how often is read differs from ``benchmarks/outage.py``."""

import importlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S = 1_790_000_100  # 2026-09-21, the beginning of an interval


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # its memory is measured, and nobody else's
    return importlib.import_module("outage")


@pytest.mark.scenario(13)
def test_scenario_13_seven_days_of_outage_cost_no_memory_and_no_row(bench, tmp_path: Path):
    """200 devices: memory is bounded, live rows go between the backlog, everything arrives exactly once."""
    plan = bench.Plan(devices=200, days=7, every_s=3600, start_s=START_S, try_every_s=3600)
    found = bench.measured(tmp_path, plan)
    print("\n".join(bench.shown(found, plan)))
    assert found["outage"]["state"] == "backing_off"
    assert found["outage"]["tries"] >= 7 * 24 - 1
    assert found["outage"]["pending"] == {"scans": 7 * 24 * 200, "intervals": 133_600, "results": 0}
    # How fast the drain is, and how soon a live reading arrives, is for the benchmark to say.
    assert bench.broken(found) == []
