"""The soak: a thousand meters at 1 Hz for ten minutes, a tenth of them misbehaving, every layer on.

The simulators and the daemon run as processes of their own; a series server takes what is delivered. At
the end the store is held against what was promised, and the exit code is 1 when a promise is broken.
``make soak ARGS="--minutes 2 --devices 200"`` is shorter.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from soak_judge import Judgement, Window, backlog, is_delivered, judge  # noqa: E402
from soak_site import Plan, make_plan, write_site  # noqa: E402

from tests.servers import Program, find_program, run_program, scripted_http, victoria_metrics  # noqa: E402

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 1.0
STEP_S = 0.01
SETTLE_S = 5.0
RECOVER_WITHIN_S = 120.0
"""A device that was offline is asked ever more rarely, once a minute at last."""
_ENGLISH = {"ENERGY_MONITOR_LANGUAGE": "en"}
YOUNG_S = 600
"""The counters' age at the start: a float32 still tells a hundredth of a watt-hour."""


def main() -> int:
    """Soak, print the table, exit 1 when a promise is broken."""
    wishes = _parser().parse_args()
    plan = make_plan(wishes.devices, wishes.points, wishes.interval, wishes.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = soaked(Path(folder), plan, wishes.minutes * 60, wishes.tolerance_wh)
    print("\n".join(found.table()))
    for broken in found.broken:
        print(f"BROKEN: {broken}")
    return 1 if found.broken else 0


def soaked(
    folder: Path,
    plan: Plan,
    seconds: float,
    tolerance_wh: float,
    *,
    recover_within_s: float = RECOVER_WITHIN_S,
    deliver_within_s: float = 0.0,
) -> Judgement:
    """Run everything for so long and judge what is in the store.

    Parameters
    ----------
    tolerance_wh : by which a healthy meter's whole energy may be off.
    recover_within_s, deliver_within_s : afterwards, so long is waited for who is not online, and for what is
        not delivered; what has not come then is a broken promise.

    Raises
    ------
    AssertionError : a program did not start or did not end well.
    """
    installed_s = time.time() - YOUNG_S
    with _series(folder) as url:
        site = write_site(folder, plan, url, seconds)
        since = datetime.fromtimestamp(installed_s, UTC).isoformat()
        world = [sys.executable, "-m", "simulators", "--site", site, "--installed", since]
        with run_program([*world, "--faults", folder / "faults.yaml"], name="simulators", cwd=ROOT) as served:
            served.wait_for_line("^ready$", timeout_s=300)
            command = [sys.executable, "-m", "monitor.cli.main", "run", "--quiet", "--site", site]
            with run_program(command, name="daemon", cwd=ROOT, env=_ENGLISH) as daemon:
                daemon.wait_for_line(f"{plan.devices} devices", timeout_s=300)
                window = _watched(daemon, served, seconds)
                _recovered(folder / "energy.db", plan, window, recover_within_s)
                _delivered(folder / "energy.db", plan, window, deliver_within_s)
                began = time.monotonic()
                if daemon.terminate(timeout_s=180):
                    raise AssertionError(f"the daemon ended with {daemon.exit_code}\n{daemon.tail()}")
                window.ended_in_s = time.monotonic() - began
    window.tolerance_wh = tolerance_wh
    return judge(folder / "energy.db", plan, window, installed_s)


def _watched(daemon: Program, served: Program, seconds: float) -> Window:
    """Let it run; what processor and memory it took meanwhile."""
    time.sleep(SETTLE_S)
    window = Window(start_s=time.time(), end_s=0.0)
    at_start = _processor_s(daemon.pid), _processor_s(served.pid)
    began = time.monotonic()
    memory: list[tuple[float, float]] = []
    with _stalls(window.stalls_ms):
        _sample(daemon, served, seconds, memory, window.waits)
    elapsed = time.monotonic() - began
    window.end_s = time.time()
    window.cpu_share = (_processor_s(daemon.pid) - at_start[0]) / elapsed
    window.far_end_share = (_processor_s(served.pid) - at_start[1]) / elapsed
    window.memory = np.array(memory)
    return window


def _recovered(store: Path, plan: Plan, window: Window, within_s: float) -> None:
    """Wait until everybody who can be online is, and keep who is not."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            told = dict(connection.execute("SELECT device, condition FROM device_conditions").fetchall())
        connection.close()
        window.not_online = {
            device: told.get(device, "unknown") for device in plan.ids if told.get(device) != "online"
        }
        window.recovered_in_s = time.monotonic() - began
        if not window.not_online.keys() - plan.incurable:
            return
        time.sleep(0.5)


def _delivered(store: Path, plan: Plan, window: Window, within_s: float) -> None:
    """Wait until nothing is left to deliver but what is on its way, and keep what that was."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            found = backlog(connection)
        if is_delivered(plan, *found):
            window.backlog = found
            return
        time.sleep(0.5)


def _sample(
    daemon: Program,
    served: Program,
    seconds: float,
    memory: list[tuple[float, float]],
    waits: list[tuple[float, float, float]],
) -> None:
    """Look once a second that both run, what memory the daemon takes, how long both wanted a processor."""
    began = time.monotonic()
    before = _wanted_s(daemon.pid), _wanted_s(served.pid)
    while (elapsed := time.monotonic() - began) < seconds:
        for program in (daemon, served):
            if program.exit_code is not None:
                raise AssertionError(f"{program.name} ended by itself\n{program.tail()}")
        memory.append((elapsed, _resident_mb(daemon.pid)))
        now = _wanted_s(daemon.pid), _wanted_s(served.pid)
        waits.append((time.time(), now[0] - before[0], now[1] - before[1]))
        before = now
        time.sleep(min(SAMPLE_S, seconds - elapsed))


@contextmanager
def _stalls(found_ms: list[float]) -> Iterator[None]:
    """How much longer than it wished a thread slept that does nothing else: the machine's own unevenness."""
    over = threading.Event()

    def sleep() -> None:
        while not over.is_set():
            began = time.monotonic()
            over.wait(STEP_S)
            found_ms.append(1000 * (time.monotonic() - began - STEP_S))

    sleeper = threading.Thread(target=sleep, name="sleeper")
    sleeper.start()
    try:
        yield
    finally:
        over.set()
        sleeper.join()


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _wanted_s(pid: int) -> float:
    """For how long so far the loop's thread was ready to run, and other threads had the processors."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def _series(folder: Path) -> Iterator[str]:
    """A server that takes what is delivered: VictoriaMetrics where it is installed."""
    if find_program("victoria-metrics"):
        with victoria_metrics(folder / "series") as server:
            yield server.url
    else:
        with scripted_http() as script:
            yield script.url


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--points", type=int, default=30, help="values a device, 2 to 30")
    parser.add_argument("--interval", type=int, default=60, help="seconds of a billing interval")
    parser.add_argument("--seed", type=int, default=2017, help="which devices misbehave")
    parser.add_argument("--tolerance-wh", type=float, default=1.0, help="of a healthy meter's whole energy")
    return parser


if __name__ == "__main__":
    sys.exit(main())
