"""Backups, restored stores, copies before a new version: complete, verified, and nothing is lost by them."""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.store.care.copying import back_up, contents_of_file, copy_store
from monitor.store.care.files import beside
from monitor.store.care.manifest import manifest_path
from monitor.store.care.restoring import restore, verify_backup
from monitor.store.care.verify import verify_store
from monitor.store.database import VERSION, StoreError, WriterLock, open_writer
from tests.rework_world import House

T0 = 1_800_000_000
NOW_MS = 1_900_000_000_000


@pytest.fixture
def path(tmp_path):
    """A store with an afternoon of readings, and a daemon that has ended."""
    path = tmp_path / "energy.db"
    house = House(path)
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(0, 8000, 30)])
    house.leave()
    return path


def made(path, target):
    return back_up(path, target, "2026-07-01T00:00:00Z", "0.1.0")


def rows_of(path, query="SELECT * FROM intervals ORDER BY start_s"):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_backup_is_one_file_with_every_row_and_says_so(path, tmp_path):
    manifest = made(path, tmp_path / "copy.db")
    assert rows_of(tmp_path / "copy.db") == rows_of(path)
    assert manifest.contents.tables["intervals"].rows == len(rows_of(path)) > 5
    assert manifest.contents.tables["scans"].rows == 267
    assert manifest.contents.sites == ("hall",)
    assert not list(tmp_path.glob("copy.db-*")) + list(tmp_path.glob("*.part"))
    assert verify_backup(tmp_path / "copy.db").contents == manifest.contents
    assert verify_store(tmp_path / "copy.db") == []


def test_a_backup_of_a_store_that_is_written_to_is_of_one_instant(tmp_path):
    path = tmp_path / "energy.db"
    house = House(path)
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(0, 3000, 30)])
    seen = []

    def stage(what, done, total):
        if what == "copying" and not seen:
            seen.append(what)
            house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(3000, 6000, 30)])

    copy_store(path, tmp_path / "copy.db", stage)
    assert rows_of(tmp_path / "copy.db", "SELECT count(*) FROM scans") == [(100,)]
    assert seen
    assert rows_of(path, "SELECT count(*) FROM scans") == [(200,)]
    house.leave()


def test_a_backup_never_replaces_a_file(path, tmp_path):
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(StoreError, match=r"care\.exists"):
        made(path, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


@pytest.mark.parametrize(
    ("target", "code"), [("none/copy.db", "care.no_folder"), ("energy.db", "care.exists")]
)
def test_a_backup_that_has_no_place_is_told(path, tmp_path, target, code):
    with pytest.raises(StoreError) as caught:
        made(path, tmp_path / target)
    assert caught.value.code == code


def test_a_copy_that_the_disk_has_no_room_for_is_refused(path, tmp_path):
    os.truncate(path, 1 << 52 if shutil.disk_usage(tmp_path).total > 1 << 43 else 1 << 43)  # it is sparse
    with pytest.raises(StoreError) as caught:
        made(path, tmp_path / "copy.db")
    assert caught.value.code == "care.no_room"
    assert not list(tmp_path.glob("copy*"))


def test_a_restored_store_is_the_store_of_then_and_the_old_one_is_kept(path, tmp_path):
    manifest = made(path, tmp_path / "copy.db")
    house = House(path, now_s=T0 + 8000)
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(8000, 12000, 30)])
    house.leave()
    later = rows_of(path)
    done = restore(tmp_path / "copy.db", path, "hall", NOW_MS)
    assert contents_of_file(path) == manifest.contents == done.contents
    assert done.kept == tmp_path / "energy.db.before-restore-20300317T174640Z"
    assert rows_of(done.kept) == later
    again = House(path, now_s=T0 + 8000)  # and it goes on from there
    again.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(8000, 12000, 30)])
    assert len(again.rows()) == len(later)
    again.leave()


def test_what_only_the_log_holds_is_kept_aside_too(path, tmp_path):
    made(path, tmp_path / "copy.db")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE intervals SET rev = 7")
    writer.commit()
    for suffix in ("", "-wal"):  # as a kill leaves it
        shutil.copy(beside(path, suffix), beside(tmp_path / "killed.db", suffix))
    writer.close()
    done = restore(tmp_path / "copy.db", tmp_path / "killed.db", "hall", NOW_MS)
    assert {row for (row,) in rows_of(done.kept, "SELECT rev FROM intervals")} == {7}
    assert {row for (row,) in rows_of(tmp_path / "killed.db", "SELECT rev FROM intervals")} == {0}


def test_a_new_machine_has_nothing_to_keep(path, tmp_path):
    made(path, tmp_path / "copy.db")
    assert restore(tmp_path / "copy.db", tmp_path / "new" / "energy.db", "hall", NOW_MS).kept is None
    assert rows_of(tmp_path / "new" / "energy.db") == rows_of(path)


def test_a_store_that_is_written_to_is_not_replaced(path, tmp_path):
    made(path, tmp_path / "copy.db")
    lock = WriterLock(path)
    lock.acquire()
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        restore(tmp_path / "copy.db", path, "hall", NOW_MS)
    assert (caught.value.code, caught.value.data["pid"]) == ("store.in_use", str(os.getpid()))
    assert path.read_bytes() == before
    lock.release()


def test_another_sites_backup_is_refused(path, tmp_path):
    made(path, tmp_path / "copy.db")
    with pytest.raises(StoreError, match=r"care\.other_site"):
        restore(tmp_path / "copy.db", path, "library", NOW_MS)


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    """A backup, its manifest, and the store that a restore must leave alone."""
    folder = tmp_path_factory.mktemp("backup")
    house = House(folder / "energy.db")
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(0, 4000, 30)])
    house.leave()
    made(folder / "energy.db", folder / "copy.db")
    return folder


@given(data=st.data())
def test_no_byte_of_a_backup_changes_unseen(backup, data):
    """One byte anywhere, or an end that is missing: refused, and the store is as it was."""
    whole = (backup / "copy.db").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    else:
        broken = whole[:at]
    (backup / "broken.db").write_bytes(broken)
    shutil.copy(manifest_path(backup / "copy.db"), manifest_path(backup / "broken.db"))
    before = (backup / "energy.db").read_bytes()
    with pytest.raises(StoreError) as caught:
        restore(backup / "broken.db", backup / "energy.db", "hall", NOW_MS)
    assert caught.value.code == "care.backup_changed"
    assert (backup / "energy.db").read_bytes() == before
    assert not list(backup.glob("energy.db.*restor*"))


def test_a_row_that_was_changed_with_its_hash_is_found_by_its_table(backup):
    """Whoever makes the file's hash anew has still the tables' against him."""
    forged = backup / "forged.db"
    shutil.copy(backup / "copy.db", forged)
    with closing(sqlite3.connect(forged)) as connection:
        connection.execute("UPDATE intervals SET quantity = quantity + 1 WHERE start_s % 1800 = 0")
        connection.commit()
    manifest = json.loads(manifest_path(backup / "copy.db").read_text())
    from monitor.store.care.files import digest

    manifest["sha256"] = digest(forged)
    manifest_path(forged).write_text(json.dumps(manifest))
    with pytest.raises(StoreError) as caught:
        verify_backup(forged)
    assert caught.value.code == "care.copy_differs"
    assert "intervals" in caught.value.data["tables"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "care.no_manifest"),
        ("", "care.bad_manifest"),
        ("[]", "care.bad_manifest"),
        ('{"format": "another"}', "care.bad_manifest"),
        ('{"format": "energy-monitor store manifest 1", "contents": 5}', "care.bad_manifest"),
    ],
)
def test_a_backup_without_a_manifest_is_not_trusted(backup, text, code):
    alone = backup / "alone.db"
    shutil.copy(backup / "copy.db", alone)
    manifest_path(alone).unlink(missing_ok=True)
    if text is not None:
        manifest_path(alone).write_text(text)
    with pytest.raises(StoreError) as caught:
        verify_backup(alone)
    assert caught.value.code == code


def test_a_backup_of_a_newer_program_is_refused(backup):
    newer = backup / "newer.db"
    with closing(sqlite3.connect(backup / "energy.db")) as store, closing(sqlite3.connect(newer)) as copy:
        store.backup(copy)
        copy.execute(f"PRAGMA user_version={VERSION + 1}")
    made(newer, backup / "newer-copy.db")
    with pytest.raises(StoreError, match=r"store\.newer"):
        restore(backup / "newer-copy.db", backup / "energy.db", "hall", NOW_MS)


def older(path):
    """Make a store say that it is of the version before; the steps since then change nothing twice."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={VERSION - 1}")
        connection.commit()
    return VERSION - 1


def test_before_a_new_version_a_verified_copy_is_kept_and_told(path, caplog):
    version = older(path)
    before = contents_of_file(path)
    open_writer(path).dispose()
    kept = beside(path, f".version-{version}")
    assert contents_of_file(kept) == before
    assert str(kept) in caplog.text
    assert contents_of_file(path).version == VERSION
    caplog.clear()
    open_writer(path).dispose()  # once is enough
    assert "version" not in caplog.text
    older(path)
    open_writer(path).dispose()  # and an earlier copy is not written over
    assert contents_of_file(kept) == before
    assert beside(kept, ".2").exists()


def test_a_copy_before_a_new_version_needs_room(path):
    version = older(path)
    size = path.stat().st_size
    os.truncate(path, 1 << 52 if shutil.disk_usage(path.parent).total > 1 << 43 else 1 << 43)
    with pytest.raises(StoreError, match=r"care\.no_room"):
        open_writer(path)
    os.truncate(path, size)
    assert contents_of_file(path).version == version
