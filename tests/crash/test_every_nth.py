"""Each write and each commit of the store, and each request of a sink, fails once; nothing is lost by it."""

import sys
from collections.abc import Iterator

import pytest

from monitor.store.care.verify import verify_store
from tests.crash.every_nth import CountingSide, built, counting_side, each_call, each_request
from tests.crash.nursery import Nursery
from tests.servers import run_program

# Not every write in each run of the tests, as `make crash` does: but each kind of end, and every commit.
STRIDES = {"write:full": 29, "write:broken": 31, "write:kill": 23, "write:torn": 19, "sync:broken": 1,
           "sync:kill": 3}  # fmt: skip


@pytest.fixture
def nursery(tmp_path) -> Iterator[Nursery]:
    with Nursery(built(tmp_path)) as made:
        yield made


@pytest.fixture
def side() -> Iterator[CountingSide]:
    with counting_side() as made:
        yield made


@pytest.mark.scenario(1)
@pytest.mark.scenario(5)
@pytest.mark.parametrize("fault", STRIDES)
def test_01_05_the_nth_write_or_commit_fails_or_is_the_last(fault, nursery, side):
    *failed, passed = each_call(fault, nursery, side, STRIDES[fault])
    assert len(failed) >= 4
    assert passed == 1 + len(failed) * STRIDES[fault]


SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db}
commodities: {electricity: {base_year: 2015}}
"""


def test_a_start_at_which_the_disk_fails_is_told_in_words_and_the_next_one_works(tmp_path):
    library, told = built(tmp_path), []
    for number in (1, 2, 3, 5):
        site = tmp_path / str(number) / "site.yaml"  # each begins a store: a start on one writes nothing
        site.parent.mkdir()
        site.write_text(SITE, encoding="utf-8")
        command = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
        faulty = {"LD_PRELOAD": str(library), "STORE_FAULT": f"sync:broken {number}"}
        with run_program(command, name="daemon", env=faulty, covered=False) as daemon:
            found = daemon.wait_for_line(r"disk I/O error|reading 0 devices")[0]
            told.append(found)
            if found == "disk I/O error" and "cannot be written" not in daemon.output:
                assert daemon.wait(60) == 1
                assert "the store cannot be opened" in daemon.output
            else:
                assert daemon.terminate(60) == 0
        with run_program(command, name="daemon") as daemon:
            daemon.wait_for_line("reading 0 devices")
            assert daemon.terminate(60) == 0
        assert verify_store(site.with_name("energy.db")) == []
    assert "disk I/O error" in told, told


@pytest.mark.scenario(2)
@pytest.mark.parametrize("fault", ["unanswered", "dropped", "busy"])
def test_02_the_nth_request_fails(fault, side):
    with Nursery() as nursery:
        *failed, passed = each_request(fault, nursery, side)
    assert len(failed) >= 2
    assert passed == len(failed) + 1
