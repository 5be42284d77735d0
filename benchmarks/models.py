"""Models of a meter-year beside OpenDSM, eemeter and camber-toolkit, each in its own environment, in one run.

Ours is the whole way each time: checks, every model, the choice, the prediction and the band. Medians of five
(three of the slow peers), by the clock and of processor. Then a thousand meters in a row, and what they
cost in memory. ``--ours`` leaves the peers out.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "oracle")]

import formula_building  # noqa: E402
import numpy as np  # noqa: E402

from rules.models.avoided import avoided_energy  # noqa: E402
from rules.models.observations import BaselineSeries, Conditions, ReportingSeries  # noqa: E402
from rules.models.selection import select_daily, select_hourly  # noqa: E402

ROUNDS = 5
PEER_ROUNDS = 3
METERS = 1000
YEAR = np.timedelta64(364, "D")


Times = list[tuple[float, float]]


def pair(rows: tuple, cells: int) -> tuple[BaselineSeries, ReportingSeries]:
    """The formula's year [degC] as base, and again as reporting period with a twentieth saved."""
    start, temperature_f, use = rows
    conditions = Conditions((temperature_f - 32) / 1.8, np.arange(len(use)) % cells)
    start = start.astype("datetime64[s]")
    return BaselineSeries(start, use, conditions), ReportingSeries(start + YEAR, use * 0.95, conditions)


def daily(base: BaselineSeries, after: ReportingSeries) -> None:
    """Choose among nine models, predict, and make the band."""
    avoided_energy(select_daily(base).best, after)


def hourly(base: BaselineSeries, after: ReportingSeries) -> None:
    """Choose among the hourly models, predict, and make the band."""
    avoided_energy(select_hourly(base).best, after)


def seconds(run: Callable[[], None], rounds: int) -> Times:
    """Times of some runs after a first one."""
    run()
    taken = []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        run()
        taken.append((time.perf_counter() - began, time.process_time() - used))
    return taken


def peers() -> list[tuple[str, Times]]:
    """What the others take; one that cannot be had here is told in words."""
    found = []
    for package in ("camber", "eemeter", "opendsm"):
        here = f".venv-oracle-{package}/bin/python"
        made = subprocess.run(
            ["sh", "benchmarks/oracle/environments.sh", package], cwd=ROOT, capture_output=True, check=False
        )
        run = [here, "-W", "ignore", "benchmarks/model_peers.py", package, str(PEER_ROUNDS)]
        done = (
            subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
            if not made.returncode
            else None
        )
        if done is None or done.returncode:
            print(f"{package} could not be run here", file=sys.stderr)
            continue
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found += [(line["name"], line["seconds"]) for line in lines]
    return found


def memory_mb() -> float:
    """Largest size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def thousand(base: BaselineSeries, after: ReportingSeries) -> None:
    """Print what a thousand meters take on one core, and how memory moves."""
    rng = np.random.default_rng(1)
    marks, began, used = [], time.perf_counter(), time.process_time()
    for number in range(METERS):
        noise = 1 + 0.05 * rng.standard_normal(len(base))
        daily(BaselineSeries(base.start, base.use * noise, base.conditions), after)
        if number in {99, METERS - 1}:
            marks.append(memory_mb())
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    print(
        f"\n{METERS} meters, daily: {wall:.1f} s ({cpu:.1f} s of processor), memory "
        f"{marks[0]:.0f} MB after 100 and {marks[1]:.0f} MB after all"
    )


def main() -> int:
    """Print the table."""
    days, hours = pair(formula_building.days(), 7), pair(formula_building.hours(), 168)
    rows = [
        ("ours, daily: nine models, choice, prediction, band", seconds(lambda: daily(*days), ROUNDS)),
        ("ours, hourly: TOWT and levels, choice, prediction, band", seconds(lambda: hourly(*hours), ROUNDS)),
    ]
    print("| one meter-year | ms | ms of processor |\n| --- | --- | --- |")
    for name, taken in [*rows, *([] if "--ours" in sys.argv else peers())]:
        wall, cpu = (statistics.median(column) * 1e3 for column in zip(*taken, strict=True))
        print(f"| {name} | {wall:,.1f} | {cpu:,.1f} |", flush=True)
    thousand(*days)
    return 0


if __name__ == "__main__":
    sys.exit(main())
