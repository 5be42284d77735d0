"""A store in trouble, and a real daemon on it: damaged, torn, foreign, newer, not to be written, in use."""

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from config.loading import load_site
from monitor.clock import SteadyClock, SystemClock
from monitor.dispatch.journal import Journal
from monitor.store.care.lost import is_lost
from monitor.store.care.quarantine import quarantine_if_damaged
from monitor.store.care.verify import verify_store
from monitor.store.database import APPLICATION_ID, VERSION, StoreError, open_reader, open_writer
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, submit_and_wait
from monitor.storekeeping import StoreKeeper
from tests.rework_world import House
from tests.servers import run_program
from tests.servers.processes import wait_until

T0 = 1_700_000_000
SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db, keep_scans_days: 20000}  # what is fed is of 2023, and no night takes it away
commodities:
  electricity: {base_year: 2015}
"""
PROGRAM = [sys.executable, "-m", "monitor.cli.main"]
PAGE = 4096


def site_in(folder):
    path = folder / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


@pytest.fixture
def site(tmp_path):
    return site_in(tmp_path)


@pytest.fixture
def open_site():
    """The same in a folder that everybody may enter: the tests' own belongs to one user alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield site_in(Path(name))


@pytest.fixture
def store(site):
    return store_of(site)


def store_of(site):
    """A store with some hours of readings, as a daemon left it."""
    path = site.with_name("energy.db")
    house = House(path)
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(0, 60_000, 30)])
    house.leave()
    return path


def running(site, *options, **more):
    return run_program([*PROGRAM, "run", "--site", site, *options], name="daemon", **more)


def told(site, *command, **more):
    """Exit code and words of a command."""
    with run_program([*PROGRAM, *command, "--site", site], name=command[0], **more) as program:
        return program.wait(), program.output


def count(path, table="intervals"):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def spoil(path, first, pages=1):
    """Write nonsense over pages of a file."""
    with path.open("r+b") as file:
        file.seek(first * PAGE)
        file.write(os.urandom(pages * PAGE))


@pytest.mark.parametrize("first", [0, 3], ids=["the first page", "a page in the middle"])
@pytest.mark.scenario(6)
def test_scenario_6_a_damaged_store_is_set_aside_and_a_new_one_begun(site, store, first):
    spoil(store, first)
    damaged = store.read_bytes()
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        assert "nothing of the old one was deleted" in daemon.output
        named = re.search(r"set aside as (\S+),", daemon.output)
        assert named is not None
        kept = Path(named[1])
        assert re.fullmatch(r"energy\.db\.damaged-\d{8}T\d{6}Z", kept.name)
        assert kept.read_bytes() == damaged
        assert verify_store(store) == []

        def noticed():
            facts = json.loads(told(site, "status", "--json")[1])
            return facts["attention"] and [one["code"] for one in facts["store"]] == ["care.quarantined"]

        wait_until("status tells it", noticed, daemon)
        assert f"store salvage {kept}" in told(site, "status")[1]
        assert daemon.terminate() == 0
    with running(site) as daemon:  # it happened once
        daemon.wait_for_line("reading 0 devices")
        assert "set aside" not in "\n".join(line for line in daemon.lines if "quarantined" not in line)
        assert daemon.terminate() == 0


@pytest.mark.parametrize(("first", "last"), [(18, 98), (60, 72), (60, 64), (68, 72)])
@pytest.mark.scenario(6)
def test_scenario_6_a_damaged_header_does_not_make_it_somebody_elses(tmp_path, first, last):
    store = store_of(site_in(tmp_path))
    with store.open("r+b") as file:
        file.seek(first)
        file.write(b"\xa5" * (last - first))
    damaged = store.read_bytes()
    with pytest.raises(StoreError) as caught:
        open_reader(store)
    assert caught.value.code == "care.damaged"
    with pytest.raises(StoreError) as caught:
        open_writer(store)
    assert caught.value.code == "care.damaged"
    found = quarantine_if_damaged(store, 1_700_000_000_000)
    assert found is not None
    assert found.kept.read_bytes() == damaged
    assert not is_lost(store)  # it was set aside, which is told in its own words


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_store_that_is_gone_is_said_until_somebody_has_looked(site, store, how):
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        assert "a store was here" not in daemon.output  # a new site, or one of an earlier version
        assert daemon.terminate() == 0
    store.unlink()
    if how == "empty":
        store.touch()
    store.with_name("energy.db-wal").write_bytes(b"what the log still held")
    with running(site) as daemon:
        daemon.wait_for_line("ERROR .*a store was here, and it is missing or empty now")
        kept = store.with_name("energy.db.lost")
        assert store.with_name("energy.db.lost-wal").read_bytes() == b"what the log still held"

        def noticed():
            facts = json.loads(told(site, "status", "--json")[1])
            return [one["code"] for one in facts["store"]] == ["care.lost"]

        wait_until("status tells it", noticed, daemon)
        assert daemon.terminate() == 0
    kept.unlink()
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        assert "a store was here" not in daemon.output
        assert daemon.terminate() == 0


def test_what_can_be_read_is_salvaged(site, store, tmp_path):
    before = count(store), count(store, "scans")
    with closing(sqlite3.connect(store)) as connection:
        pages = [
            page
            for (page,) in connection.execute(
                "SELECT pageno FROM dbstat WHERE name = 'scans' AND pagetype = 'leaf' ORDER BY pageno LIMIT 3"
            )
        ]
    for page in pages:
        spoil(store, page - 1)
    code, words = told(site, "store", "verify")
    assert (code, "Damaged pages" in words) == (1, True), words
    command = [*PROGRAM, "store", "salvage", store, tmp_path / "saved.db"]
    with run_program(command, name="salvage") as salvage:
        assert salvage.wait() == 1
    assert re.search(r"scans: [\d,]+ rows, \d+ places could not be read", salvage.output)
    assert count(tmp_path / "saved.db") == before[0]
    assert before[1] - 3 * 130 <= count(tmp_path / "saved.db", "scans") < before[1]
    codes = {one.code for one in verify_store(tmp_path / "saved.db")}
    assert codes <= {"care.found_scan_holes"}


@pytest.mark.scenario(6)
def test_scenario_6_a_store_that_proves_damaged_at_work_is_set_aside_as_well(site, store):
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        size = store.stat().st_size // PAGE
        spoil(store, 1, size - 1)
        # The pages that the daemon knows are in its memory: something new makes it look again.
        rows = "".join(
            f"electricity,2015-{month:02d}-01,2015-{month:02d}-28,{month},kWh,bills {'x' * 3000}\n"
            for month in range(1, 13)
        )
        site.with_name("base.csv").write_text("commodity,start,end,quantity,unit,source\n" + rows)
        command = [*PROGRAM, "import", "base", site.with_name("base.csv"), "--site", site]
        with run_program(command, name="import", traceback_is_fine=True) as program:
            daemon.wait_for_line("nothing of the old one was deleted|proved damaged", 90)
            program.end()
        assert daemon.terminate() == 0


@pytest.mark.scenario(6)
def test_scenario_6_a_damage_that_only_the_dispatcher_meets_is_noticed_and_told_once(site, store, caplog):
    engine = open_writer(store)
    with closing(engine.raw_connection()) as connection:
        pages = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'curtailment_events'"
        ).fetchall()
    engine.dispose()
    for (page,) in pages:
        spoil(store, page - 1)
    engine, reader = open_writer(store), StoreReader.open(store, "hall")
    writer = Writer(engine, "hall")
    writer.start()
    try:
        clock = SteadyClock(SystemClock())
        keeper = StoreKeeper(load_site(site).site, store, reader, writer, clock)
        assert submit_and_wait(writer, Commit())
        keeper.look_for_damage()  # nobody has met it yet
        journal = Journal(writer.call, "hall", clock.monotonic_s)
        for _ in range(3):
            with pytest.raises(UNREADABLE) as met:
                asyncio.run(journal.load())
            journal.complain("*", met.value)
        assert len(caplog.records) == 1
        assert submit_and_wait(writer, Commit())  # the rest of the file still takes what comes
        with pytest.raises(StoreError) as refused:
            keeper.look_for_damage()
        assert (refused.value.code, "malformed" in refused.value.data["reason"]) == (
            "care.damaged_at_work",
            True,
        )
    finally:
        writer.close()
        reader.close()
        engine.dispose()


@pytest.mark.scenario(1)
def test_scenario_1_a_kill_and_a_torn_log_leave_what_was_written_before(site, store, tmp_path):
    """The log's tail is cut or overwritten wherever it may be; the daemon starts, all is in order."""
    whole = count(store, "scans")
    writer = sqlite3.connect(store)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    for number in range(1, 9):
        writer.execute("INSERT INTO scans VALUES (?, 1, ?, zeroblob(16), zeroblob(2))", (whole + number, T0))
        writer.commit()
    log = (tmp_path / "energy.db-wal").read_bytes()
    place = tmp_path / "torn"
    place.mkdir()
    for at in range(len(log) // 9, len(log), len(log) // 9):
        shutil.copy(store, place / "energy.db")
        (place / "energy.db-shm").unlink(missing_ok=True)
        (place / "energy.db-wal").write_bytes(log[:at] + bytes(len(log) - at if at % 2 else 0))
        found = verify_store(place / "energy.db")
        assert found == []
        assert whole <= count(place / "energy.db", "scans") <= whole + 8
    writer.close()
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        daemon.kill()
    with (tmp_path / "energy.db-wal").open("ab") as file:
        file.write(os.urandom(5000))
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        assert "set aside" not in daemon.output
        assert daemon.terminate() == 0
    assert count(store, "scans") == whole + 8


def test_files_that_are_not_ours_are_left_untouched(site, store):
    with closing(sqlite3.connect(site.with_name("foreign.db"))) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
        connection.commit()
    site.with_name("letter.txt").write_text("Dear Sir or Madam, " * 500)
    shutil.copy(store, site.with_name("newer.db"))
    with closing(sqlite3.connect(site.with_name("newer.db"))) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
        connection.commit()
    for name, words in (
        ("foreign.db", "not a store of the energy monitor"),
        ("letter.txt", "not a store of the energy monitor"),
        ("newer.db", f"has version {VERSION + 1}, this program knows {VERSION}"),
    ):
        path = site.with_name(name)
        before = path.read_bytes()
        site.write_text(SITE.replace("energy.db", name), encoding="utf-8")
        with running(site) as daemon:
            assert daemon.wait() == 1
        assert words in daemon.output
        assert words in told(site, "store", "verify")[1]
        assert path.read_bytes() == before
    assert APPLICATION_ID > 0


def test_who_may_not_write_is_told_whose_it_is(open_site):
    site, store = open_site, store_of(open_site)
    for path, mode in ((site.parent, 0o555), (store, 0o444)):
        path.chmod(mode)
    before = store.read_bytes()
    try:
        if os.geteuid() != 0:
            with running(site) as daemon:
                assert daemon.wait() == 1
            output = daemon.output
        else:
            output = as_nobody(site)
    finally:
        site.parent.chmod(0o755)
        store.chmod(0o644)
    assert "may not write here" in output
    assert "chown" in output
    assert store.read_bytes() == before


def as_nobody(site):
    """What opening the store to write says to a user without rights, in this program's own words."""
    import subprocess

    code = (
        "import os, sys; from pathlib import Path;"
        "from config.words import say; from monitor.store.ledgers import writing;"
        "from monitor.store.database import StoreError;"
        "import sqlite3, sqlalchemy.dialects.sqlite;"
        "import pwd; os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "  writing(Path(sys.argv[1])).__enter__()\n"
        "except StoreError as error: print(say(error.code, 'en', **error.data))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(site.with_name("energy.db"))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_store_that_everybody_may_write_to_is_flagged(site, store):
    store.chmod(0o666)
    with running(site) as daemon:
        daemon.wait_for_line("chmod o-w")
        assert daemon.terminate() == 0


@pytest.mark.scenario(14)
def test_scenario_14_the_second_daemon_hears_the_first_ones_number(site):
    with running(site) as first:
        first.wait_for_line("reading 0 devices")
        with running(site) as second:
            assert second.wait() == 1
        assert f"pid {first.pid})" in second.output
        first.signal(signal.SIGSTOP)  # asleep, it still has the store
        with running(site) as third:
            assert third.wait() == 1
        first.signal(signal.SIGCONT)
        first.kill()
        with running(site) as fourth:  # and dead it does not
            fourth.wait_for_line("reading 0 devices")
            assert fourth.terminate() == 0
