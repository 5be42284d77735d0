"""Importing while the daemon writes: it goes through the request box, and says the same as without one."""

import sys
from datetime import date

import pytest

from monitor.store.reader import StoreReader
from tests.servers import run_program

SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db}
commodities:
  electricity: {base_year: 2015}
"""
HEAD = "commodity,start,end,quantity,unit,source\n"


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


def imported(site, text, *options, kind="base", head=HEAD):
    """Exit code and words of an import of a file with these rows."""
    file = site.with_name(f"{kind}.csv")
    file.write_text(head + text, encoding="utf-8")
    command = [sys.executable, "-m", "monitor.cli.main", "import", kind, file, "--site", site, *options]
    with run_program(command, name="import") as program:
        return program.wait(), program.output


def test_an_import_beside_the_daemon_is_whole_or_not_at_all(site):
    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    with run_program(daemon, name="daemon") as running:
        running.wait_for_line("reading 0 devices")
        row = "electricity,2015-07-01,2015-12-31,12572309,kWh,bills\n"
        code, words = imported(site, row)
        assert (code, "1 added" in words) == (0, True), words
        code, words = imported(site, row)
        assert (code, "nothing new" in words) == (0, True), words
        overlapping = "electricity,2015-01-01,2015-06-30,1,kWh,b\nelectricity,2015-12-01,2016-01-31,2,kWh,b\n"
        code, words = imported(site, overlapping)
        assert code == 1
        assert "row 3" in words
        assert "Nothing was imported" in words
        assert running.terminate() == 0
    reader = StoreReader.open(site.with_name("energy.db"), "hall")
    (entry,) = reader.ledger("electricity", date(2014, 1, 1), date(2017, 1, 1))
    assert entry.quantity == 12572309
    reader.close()


def test_readings_go_in_beside_the_daemon_and_never_back(site):
    def read_by_hand(text, *options):
        return imported(site, text, *options, kind="readings", head="commodity,day,reading,unit,source\n")

    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    with run_program(daemon, name="daemon") as running:
        running.wait_for_line("reading 0 devices")
        code, words = read_by_hand("water,2017-07-01,12345600,L,slip 7\nwater,2017-08-01,12400.1,m3,slip 7\n")
        assert (code, "2 added" in words) == (0, True), words
        code, words = read_by_hand("water,2017-09-01,12399,m3,slip 8\n")
        assert code == 1
        assert all(part in words for part in ("row 2", "12400.1 m3 on 2017-08-01", "12399 m3 on 2017-09-01"))
        code, words = read_by_hand("water,2017-08-01,12390.1,m3,slip 7\n", "--replace")
        assert (code, "1 replaced" in words) == (0, True), words
        assert running.terminate() == 0
    reader = StoreReader.open(site.with_name("energy.db"), "hall")
    (entry,) = reader.ledger("water", date(2017, 7, 15), date(2017, 7, 15))
    assert (entry.start, entry.end, entry.quantity) == (date(2017, 7, 1), date(2017, 7, 31), 44.5)
    assert entry.source == "12345.6 (2017-07-01) → 12390.1 (2017-08-01), slip 7"
    reader.close()


def test_a_second_daemon_is_refused(site):
    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    with run_program(daemon, name="daemon") as running:
        running.wait_for_line("reading 0 devices")
        with run_program(daemon, name="second") as second:
            assert second.wait() == 1
        assert "another process" in second.output
        assert running.terminate() == 0
