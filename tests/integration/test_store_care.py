"""The store's cap, a disk that is full, many who read, and backups beside a real daemon that writes."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from monitor.store.care.size import used_bytes
from monitor.store.care.verify import verify_store
from monitor.store.given_up import Cause, Order
from monitor.store.retention import Steps, delete_old_scans, give_up_oldest_scans
from monitor.store.rows import Commit
from monitor.store.writer import submit_and_wait
from tests.keeping_world import SITE, T0, makes_keepings, straight
from tests.rework_world import House
from tests.servers import run_program
from tests.servers.processes import wait_until

keeping = pytest.fixture(makes_keepings)


def test_at_its_cap_raw_scans_go_first_and_nothing_else_ever(keeping):
    one = keeping(700_000)
    one.feed(0, 86_400)
    assert one.look() is None
    day = 86_400
    while used_bytes(one.loaded.store_path) < 640_000:
        one.feed(day, day + 43_200)
        day += 43_200
    intervals = one.house.ask("SELECT count(*) FROM intervals").scalar_one()
    scans = one.scans()
    near = one.look()
    assert near["code"] == "care.size_near"
    assert one.scans() == scans  # it is only told
    while used_bytes(one.loaded.store_path) < 700_000:
        one.feed(day, day + 43_200)
        day += 43_200
    scans = one.scans()
    assert one.look()["code"] == "care.size_near"
    assert 0 < one.scans() < scans
    assert used_bytes(one.loaded.store_path) <= 0.97 * 700_000 + 4096 * 8
    assert one.house.ask("SELECT count(*) FROM intervals").scalar_one() > intervals
    codes = {finding.code for finding in verify_store(one.loaded.store_path)}
    assert codes == {"care.found_undelivered", "care.found_given_up_cap"}  # the sink had none of them


def test_what_a_restart_takes_again_is_kept_even_at_the_cap(keeping):
    one = keeping(60_000)
    one.house.feed(straight(0, 86_400))
    needed = one.house.reader.last_scan_id() - one.house.reader.snapshot_position()
    assert one.look()["code"] == "care.size_held"
    assert one.scans() == needed > 0


def test_without_a_cap_nothing_is_given_up(tmp_path):
    house = House(tmp_path / "energy.db")
    house.feed(straight(0, 40_000))
    order = Order("hall", (), Cause.CAP, 0)
    assert give_up_oldest_scans(house.reader, house.writer, order, lambda: False).count == 0
    assert house.reader.given_up() == []
    house.leave()


class RecordedSteps(Steps):
    """Steps that keep how many rows each was allowed."""

    def __init__(self, writer):
        super().__init__(writer)
        self.sizes = []

    def do(self, work):
        self.sizes.append(self.rows)
        return super().do(work)


def test_deleting_goes_in_steps_that_fit_the_disk(tmp_path):
    """However many rows go, each step is a transaction of its own, as large as the last one was quick."""
    house = House(tmp_path / "energy.db")
    house.feed(straight(0, 120_000, step=10))
    assert submit_and_wait(house.writer, Commit(snapshot=house.pipeline.snapshot()))
    steps = RecordedSteps(house.writer)
    steps.rows = 100
    gone = delete_old_scans(house.reader, house.writer, (T0 + 100_000) * 1000, [], steps)
    assert gone == 10_000
    assert len(steps.sizes) > 1
    assert max(steps.sizes) <= 5_000
    assert steps.slowest_s > 0
    steps._learn(1.0)  # a slow disk: half as many
    assert steps.rows < 5_000
    house.leave()


READER = """
import sqlite3, sys
from pathlib import Path
from monitor.store.reader import StoreReader
path, stop = Path(sys.argv[1]), Path(sys.argv[2])
reader = StoreReader.open(path, "hall")
seen = looks = 0
while not stop.exists():
    rows = reader.follow(seen, limit=500)
    assert [row[0] for row in rows] == list(range(seen + 1, seen + 1 + len(rows))), "a hole"
    seen += len(rows)
    if not looks:
        print("reading", flush=True)
    series = reader.intervals("main", 0, 2**40)
    assert (series.start[1:] - series.start[:-1]).astype(int).tolist() == [900] * max(0, len(series) - 1)
    looks += 1
while rows := reader.follow(seen):
    seen += len(rows)
reader.close()
print(seen, looks)
"""


def test_many_processes_read_while_one_writes(tmp_path):
    """Eight readers follow every scan and interval without a hole, and a backup is made meanwhile."""
    path, stop = tmp_path / "energy.db", tmp_path / "stop"
    house = House(path)
    house.feed(straight(0, 1000))
    command = [sys.executable, "-c", READER, path, stop]
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for one in readers:
        assert one.stdout.readline() == "reading\n"
    try:
        from monitor.store.care.copying import copy_store

        for first in range(1000, 61_000, 1500):
            house.feed(straight(first + 20, first + 1500))
            if first == 31_000:
                copy_store(path, tmp_path / "copy.db")
    finally:
        stop.touch()
        outputs = [one.communicate(timeout=120) for one in readers]
    last = house.reader.last_scan_id()
    house.leave()
    for process, (output, errors) in zip(readers, outputs, strict=True):
        assert process.returncode == 0, errors
        seen, looks = map(int, output.split())
        assert (seen, looks >= 1) == (last, True)
    assert verify_store(path) == []
    assert verify_store(tmp_path / "copy.db") == []


def test_a_backup_and_a_restore_beside_a_daemon(tmp_path):
    site = tmp_path / "site.yaml"
    site.write_text(SITE % "", encoding="utf-8")
    house = House(tmp_path / "energy.db")
    house.feed(straight(0, 20_000))
    house.leave()
    program = [sys.executable, "-m", "monitor.cli.main"]

    def told(*command):
        with run_program([*program, *command, "--site", site], name=str(command[0])) as one:
            return one.wait(), one.output

    with run_program([*program, "run", "--site", site], name="daemon") as daemon:
        daemon.wait_for_line("reading 0 devices")
        code, words = told("backup", tmp_path / "copy.db", "--json")  # the same as `store backup`
        assert code == 0, words
        assert json.loads(words)["contents"]["tables"]["scans"]["rows"] == 667
        code, words = told("restore", tmp_path / "copy.db")
        assert (code, f"pid {daemon.pid})" in words) == (1, True), words
        code, words = told("store", "verify")
        assert (code, "holds together" in words) == (0, True), words
        daemon.kill()
    with closing(sqlite3.connect(tmp_path / "energy.db")) as connection:
        connection.execute("DELETE FROM intervals WHERE start_s % 3600 = 0")
        connection.commit()
    code, words = told("store", "verify")
    assert (code, "gaps between its intervals" in words) == (1, True), words
    assert "register at an interval's start" not in words
    code, words = told("store", "restore", tmp_path / "copy.db")
    assert (code, "before-restore" in words) == (0, True), words
    assert told("store", "verify")[0] == 0
    with run_program([*program, "run", "--site", site], name="daemon") as daemon:
        daemon.wait_for_line("reading 0 devices")
        wait_until("it lives", lambda: os.path.exists(f"/proc/{daemon.pid}"), daemon)  # noqa: PTH110
        assert daemon.terminate() == 0
