"""Rights around a store: who may look at it, and what is said to those who may not."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monitor.store.care.told import troubles_of
from monitor.store.database import StoreError, WriterLock
from monitor.store.deliveries import RetryRequest
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.requests import RequestBox
from tests.integration.test_store_trouble import running, site_in, store_of

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def site():
    """A store in a folder that everybody may enter: the tests' own belongs to one user alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        site = site_in(Path(name))
        store_of(site)
        yield site


def as_nobody(code, *arguments):
    """What a user without rights is told by this program's own words; the interpreter is root's own."""
    begin = (
        "import os, sys, sqlite3, sqlalchemy.dialects.sqlite, pwd, asyncio\n"
        "from pathlib import Path\n"
        "from config.words import say\n"
        "from monitor.cli.words import explain\n"
        "from monitor.cli.status import run_status\n"
        "from monitor.clock import SystemClock\n"
        "from config.loading import load_site\n"
        "import monitor.app, monitor.cli.main, rich.console, config.data_files\n"
        "site = Path(sys.argv[1])\n"
        "loaded = load_site(site)\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "try:\n"
    )
    end = "except Exception as error: print(explain(error, 'en')[0])\n"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            begin + "".join(f"  {line}\n" for line in code.splitlines()) + end,
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_lock_may_be_read_by_whoever_reads_the_store(site):
    store = site.with_name("energy.db")
    lock = WriterLock(store)
    lock_file = store.with_name("energy.db.lock")
    lock_file.touch()
    lock_file.chmod(0o640)  # an earlier version's
    lock.acquire()
    assert mode(lock_file) == 0o644
    lock.release()
    store.chmod(0o600)
    lock.acquire()
    assert mode(lock_file) == 0o600
    lock.release()


@needs_root
def test_a_stranger_sees_that_a_daemon_writes(site):
    lock = WriterLock(site.with_name("energy.db"))
    look = "from monitor.store.database import WriterLock\nprint(WriterLock(loaded.store_path).holder())"
    assert as_nobody(look, site).strip() == "None"
    lock.acquire()
    assert as_nobody(look, site).strip() == str(os.getpid())
    site.with_name("energy.db.lock").chmod(0o600)
    assert as_nobody(look, site).strip() == "0"  # it cannot be told
    lock.release()


def test_the_request_box_is_for_its_owner_alone(site):
    store = site.with_name("energy.db")
    box = RequestBox(store)
    box.put(RetryRequest("city", (), "test", 1))
    assert mode(box.path) == 0o600
    store.chmod(0o664)
    box.path.unlink()
    box.put(RetryRequest("city", (), "test", 1))
    assert mode(box.path) == 0o660  # as the store itself, but for the others
    store.chmod(0o644)
    box.path.chmod(0o644)  # an earlier version's
    with writing(store) as engine:
        box.take_up(engine, "hall")
    assert mode(box.path) == 0o600
    box.close()


@needs_root
def test_who_may_not_open_a_store_is_told_whose_it_is(site):
    store = site.with_name("energy.db")
    store.chmod(0o600)
    site.parent.chmod(0o777)
    told = as_nobody("monitor.app.Daemon(loaded, SystemClock())", site)
    assert "it belongs to root" in told
    assert "chown" in told
    told = as_nobody("run_status(site, 'en', as_json=False)", site)
    assert "nobody may not read the store" in told
    assert "belongs to root" in told
    assert "may not write" not in told


@needs_root
def test_a_folder_that_cannot_be_made_is_told_with_its_whole_path(site):
    site.write_text(site.read_text(encoding="utf-8").replace("energy.db", "new/energy.db"), encoding="utf-8")
    told = as_nobody(
        f"os.chdir({str(site.parent)!r})\nmonitor.app.Daemon(load_site(Path('site.yaml')), SystemClock())",
        site,
    )
    assert told.startswith(f"{site.parent}: nobody may not write here"), told


def test_a_folder_that_everybody_may_write_to_is_flagged(site):
    site.parent.chmod(0o777)
    with running(site) as daemon:
        daemon.wait_for_line("write to the folder of the store")
        assert daemon.terminate() == 0
    reader = StoreReader.open(site.with_name("energy.db"), "hall")
    assert [one["code"] for one in troubles_of(reader.conditions(), reader.given_up(), 0)] == [
        "care.loose_folder"
    ]
    reader.close()


def test_nobody_is_kept_from_an_error_of_another_kind(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        WriterLock(tmp_path / "file" / "energy.db").acquire()
    assert caught.value.code == "store.unusable"
