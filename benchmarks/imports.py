"""Imports of 15-minute intervals from CSV into the store, whole way, beside a script that many would write.

Ours reads, checks every row (stamp, zone, unit, most rate, overlap, what stands already), keeps the source
and commits once. The script believes everything: csv, ``fromisoformat``, ``executemany`` into the same table.
The second table shows what a running daemon's writer feels of an import: the longest wait of a commit.

    python benchmarks/imports.py [YEARS]
"""

import csv
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from config.history.declared import read_declaration
from config.history.facts import MeterFacts, SiteFacts
from config.history.intervals import IntervalRows, read_intervals
from config.site import Commodity
from monitor.store.history_requests import HistoryRequest
from monitor.store.ledgers import writing
from monitor.store.provenance import Provenance
from monitor.store.requests import RequestBox, carry_out
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer

ROUNDS = 5
A_YEAR = 35_040
SITE = SiteFacts(
    ZoneInfo("Asia/Taipei"), 900, {"main": MeterFacts(Commodity.ELECTRICITY, 9000, False)}, 2**33
)
WISHES = ("time.column=time", "values.0.column=kWh", "values.0.unit=kWh", "values.0.meter=main")


def write_file(path: Path, rows: int, style: str) -> None:
    """Write a history as another system would export it."""
    instants = np.datetime64("2000-01-01T00:00") + np.arange(rows) * np.timedelta64(15, "m")
    figures = np.random.default_rng(7).random(rows) * 1000
    stamps = [str(one).replace("T", " ") for one in instants]
    if style == "slashes":
        stamps = [one.replace("-0", "-").replace("-", "/").replace(" 0", " ") for one in stamps]
    mark = '"' if style == "quoted" else ""
    lines = [
        f"{mark}{at}{mark},{mark}{kwh:.3f}{mark}" for at, kwh in zip(stamps, figures.tolist(), strict=True)
    ]
    path.write_text("\n".join([f"{mark}time{mark},{mark}kWh{mark}", *lines]) + "\n", encoding="utf-8")


def read(path: Path) -> IntervalRows:
    """Read and check a file."""
    return read_intervals(path, read_declaration("intervals", None, WISHES), SITE)


def ours(path: Path, store: Path) -> None:
    """Import a file as the command does where no daemon runs."""
    with writing(store) as engine:
        carry_out(engine, "hall", HistoryRequest(Provenance("intervals", path.name, "", 1), read(path)))


def script(path: Path, store: Path) -> None:
    """Import a file as a script does that believes everything."""
    zone = ZoneInfo("Asia/Taipei")
    with writing(store) as engine, path.open(encoding="utf-8") as file, engine.begin() as connection:
        rows = []
        for seq, row in enumerate(csv.DictReader(file)):
            text = row["time"].replace("/", "-")
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                at = datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007  its zone comes next
            start_s = int(at.replace(tzinfo=zone).astimezone(UTC).timestamp())
            kwh = float(row["kWh"])
            rows.append(("hall", "main", start_s, 900, kwh, 1.0, 0, kwh * 4, 0, 0, 1.0, 0, seq + 1))
        names = "site, meter, start_s, duration_s, quantity, coverage, quality, rate_avg, caught_up, epoch"
        marks = ", ".join("?" * 13)
        connection.exec_driver_sql(
            f"INSERT INTO intervals ({names}, factor, rev, seq) VALUES ({marks})", rows
        )


def rates(way: Callable[[Path, Path], None], path: Path, rows: int, rounds: int) -> tuple[float, float]:
    """Rows a second into a new store, the medians of some rounds: of the processor, and by the clock.

    Of the processor, because the machine may be shared; by the clock the disk is in it as well.
    """
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            way(path, Path(folder) / "energy.db")
            found.append((rows / (time.process_time() - began_cpu_s), rows / (time.perf_counter() - began_s)))
    processor, clock = zip(*found, strict=True)
    return statistics.median(processor), statistics.median(clock)


def longest_wait(path: Path, folder: Path) -> tuple[float, float]:
    """Longest wait of a commit each 10 ms before an import through the box, and while it is done. [ms]"""
    store = folder / f"{path.stem}-wait.db"
    waits: list[float] = []
    with writing(store) as engine:
        writer = Writer(engine, "hall")
        writer.start()
        box = RequestBox(store)
        box.put(HistoryRequest(Provenance("intervals", path.name, "", 1), read(path)))
        quiet = _commit_for(writer, waits, 1.0)
        over = threading.Event()

        def take_up(engine_: object) -> None:
            box.take_up(engine, "hall")
            over.set()

        waits.clear()
        writer.call(take_up)
        while not over.is_set():
            _commit_for(writer, waits, 0.05)
        busy = _commit_for(writer, waits, 0.2)
        writer.close()
        box.close()
    return quiet, busy


def _commit_for(writer: Writer, waits: list[float], seconds: float) -> float:
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        began = time.perf_counter()
        done = threading.Event()

        def safe(began: float = began, done: threading.Event = done) -> None:
            waits.append(time.perf_counter() - began)
            done.set()

        row = ConditionRow("device", "ok", int(began), None)
        writer.submit(Commit(conditions=[row], done=[safe]))
        done.wait(0.01)
    return 1000 * max(waits, default=0.0)


def main() -> int:
    """Print both tables."""
    rows = A_YEAR * int(sys.argv[1] if len(sys.argv) > 1 else 10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            f"| {rows:,} rows of CSV | ours, rows/s | by the clock | script, rows/s | by the clock | ratio |"
        )
        print("| --- | --- | --- | --- | --- | --- |")
        for style in ("plain", "quoted", "slashes"):
            path = folder / f"{style}.csv"
            write_file(path, rows, style)
            (fast, fast_clock), (slow, slow_clock) = (
                rates(ours, path, rows, ROUNDS),
                rates(script, path, rows, 3),
            )
            figures = f"{fast:,.0f} | {fast_clock:,.0f} | {slow:,.0f} | {slow_clock:,.0f} | {fast / slow:.1f}"
            print(f"| {style} | {figures} |", flush=True)
        print("\n| beside a writing daemon | longest wait of a commit before, ms | meanwhile, ms |")
        print("| --- | --- | --- |")
        for years in (1, rows // A_YEAR):
            path = folder / f"{years}.csv"
            write_file(path, years * A_YEAR, "plain")
            quiet, busy = longest_wait(path, folder)
            print(f"| {years} meter-years | {quiet:.0f} | {busy:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
