"""A store with its writer and its keeper, as the daemon has them, and a disk that can be full."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from config.loading import load_site
from monitor.clock import SteadyClock
from monitor.store.rows import Commit
from monitor.store.writer import submit_and_wait
from monitor.storekeeping import StoreKeeper
from rules.scan import Scan
from tests.one_meter import LAYOUT
from tests.rework_world import House

T0 = 1_700_000_000
SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db%s}
sinks:
  - {kind: influxdb, id: city, url: "http://127.0.0.1:9", bucket: energy}
"""


def straight(first, last, step=30):
    return [(T0 + t, 100.0 * t / 3600, 100.0) for t in range(first, last, step)]


class Keeping:
    """A store of some days of scans, a writer, and its keeper with a cap of so many bytes."""

    def __init__(self, folder, cap_bytes):
        file = folder / "site.yaml"
        file.write_text(SITE % f", max_size_gb: {cap_bytes / 1e9:.9f}", encoding="utf-8")
        self.loaded = load_site(file)
        self.house = House(folder / "energy.db")
        self.clock = SteadyClock(self.house.clock)

    def feed(self, first, last):
        self.house.feed(straight(first, last))
        assert submit_and_wait(self.house.writer, Commit(snapshot=self.house.pipeline.snapshot()))

    def keeper(self):
        return StoreKeeper(
            self.loaded.site, self.loaded.store_path, self.house.reader, self.house.writer, self.clock
        )

    def look(self):
        """What is told of the store after a look, by its code."""
        self.keeper().look()
        self.house.settle()
        rows = {row.device: row.error for row in self.house.reader.conditions()}
        return rows.get("store/size")

    def scans(self):
        return self.house.ask("SELECT count(*) FROM scans").scalar_one()

    def accept(self, first, last, step=30):
        """Readings that wait for the disk; returns how many."""
        for t in range(first, last, step):
            self.house.clock.ms = (T0 + t) * 1000
            values = np.array([100.0 * t / 3600, 100.0])
            scan = Scan(LAYOUT, (T0 + t) * 1000, values, np.zeros(2, dtype=np.uint8))
            self.house.pipeline.accept(scan)
        return len(range(first, last, step))

    def fill_disk(self):
        """From now on the store's file cannot grow."""
        pages = self.house.ask("PRAGMA page_count").scalar_one()
        self.house.ask(f"PRAGMA max_page_count={pages}")

    def wait_until(self, what, reached):
        wait = threading.Event()
        for _ in range(18_000):
            if reached():
                return
            wait.wait(0.01)
        raise AssertionError(f"{what}: not within three minutes")

    def wait_until_refused(self):
        """Wait until the writer has met the full disk."""
        self.wait_until("the disk is full", lambda: "full" in (self.house.writer.last_error or ""))


def makes_keepings(tmp_path: Path) -> Iterator[Callable[[int | None], Keeping]]:
    """For a fixture: what makes keepings with a cap in bytes; they are left at the end."""
    made: list[Keeping] = []

    def make(cap_bytes: int | None) -> Keeping:
        made.append(Keeping(tmp_path, cap_bytes))
        return made[-1]

    yield make
    for one in made:
        one.house.leave()
