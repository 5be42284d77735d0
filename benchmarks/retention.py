"""Does letting go of old readings hold up the writer? Latency of live commits, with and without it.

``python benchmarks/retention.py [SCANS]`` fills a store with so many scans of 30 points, then commits 10 of
them a hundred times a second: alone, while the oldest half is deleted, and while a backup is made.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from monitor.store.care.copying import copy_store
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.retention import Steps, delete_old_scans
from monitor.store.rows import Commit, Snapshot
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.quantities import Kind
from rules.scan import Layout, PointSpec

POINTS, SCANS_A_COMMIT, EVERY_S, SECONDS = 30, 10, 0.01, 10.0
LAYOUT = Layout(
    "d", "main", "electricity", tuple(PointSpec(f"p{i}", "kW", Kind.GAUGE) for i in range(POINTS))
)
VALUES, QUALITY = np.random.default_rng(1).random(POINTS).tobytes(), bytes(POINTS)


class Live:
    """Commits at a steady rate, and how long each took from being handed over to being safe."""

    def __init__(self, writer: Writer, layout: int, last_id: int) -> None:
        self._writer = writer
        self._layout = layout
        self._id = last_id
        self.took_s: list[float] = []

    def during(self, work: Callable[[], object] | None) -> float:
        """Commit until ``work`` is done, or for some seconds; returns how long it took."""
        self.took_s = []
        began_s = time.perf_counter()
        thread = threading.Thread(target=work) if work else None
        if thread:
            thread.start()
        while thread.is_alive() if thread else time.perf_counter() - began_s < SECONDS:
            self._commit()
            time.sleep(EVERY_S)
        submit_and_wait(self._writer, Commit())
        return time.perf_counter() - began_s

    def _commit(self) -> None:
        rows = [(self._id + n, self._layout, self._id, VALUES, QUALITY) for n in range(1, SCANS_A_COMMIT + 1)]
        self._id += SCANS_A_COMMIT
        handed_s = time.perf_counter()
        commit = Commit(scans=rows)
        commit.done.append(lambda: self.took_s.append(time.perf_counter() - handed_s))
        self._writer.submit(commit)


def main(scans: int) -> None:
    """Measure and print."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "energy.db"
        engine = open_writer(path)
        writer = Writer(engine, "bench")
        writer.start()
        layout = register_layouts(engine, "bench", [LAYOUT])[LAYOUT.key]
        for first in track(range(1, scans, 10_000), "filling", console=Console(stderr=True), transient=True):
            rows = [(n, layout, n, VALUES, QUALITY) for n in range(first, first + 10_000)]
            submit_and_wait(writer, Commit(scans=rows))
        last = first + 9_999
        submit_and_wait(writer, Commit(snapshot=Snapshot(last, {}, {})))
        reader, live = StoreReader.open(path, "bench"), Live(writer, layout, last)
        steps = Steps(writer)
        gone: list[int] = []
        table = Table("live commits beside", "took s", "commits", "median ms", "99 % ms", "slowest ms")
        for name, work in (
            ("nothing", None),
            ("retention", lambda: gone.append(delete_old_scans(reader, writer, last // 2, [], steps))),
            ("a backup", lambda: copy_store(path, Path(folder) / "copy.db")),
            ("nothing again", None),
        ):
            took_s = live.during(work)
            ms = 1000 * np.array(live.took_s)
            figures = (np.median(ms), np.quantile(ms, 0.99), ms.max())
            table.add_row(name, f"{took_s:.1f}", str(len(ms)), *(f"{one:.1f}" for one in figures))
        console.print(table)
        size = path.stat().st_size / 1e6
        console.print(
            f"{gone[0]:,} of {scans:,} scans deleted ({size:.0f} MB); the slowest step held the writer for "
            f"{1000 * steps.slowest_s:.1f} ms, {steps.rows} rows a step at the end"
        )
        writer.close()
        reader.close()
        engine.dispose()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
