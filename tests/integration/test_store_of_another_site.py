"""A store keeps the rows of one site: under another name it is refused in words, and left as it was."""

import sys
from datetime import date

import pytest

from config.ledger import LedgerRow
from config.words import LANGUAGES, say
from monitor.cli.importing import run_import
from monitor.cli.serve import run_serve
from monitor.store.database import StoreError, open_writer
from monitor.store.ledgers import import_ledger, writing
from monitor.store.reader import StoreReader
from monitor.store.writer import register_layouts
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec
from tests.servers import run_program

SITE = """
site: {{id: {site}, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
"""
ROW = LedgerRow("electricity", date(2015, 7, 1), date(2015, 7, 31), 2_100_000.0, "kWh", "bills", 2)
POWER = PointSpec("active_power_total", QUANTITIES["active_power_total"].unit,
                  QUANTITIES["active_power_total"].kind)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.db"


def with_a_ledger(path):
    with writing(path) as engine:
        import_ledger(engine, "hall", [ROW], kind="base", file_name="b.csv", sha256="", at_ms=1)


def with_a_layout(path):
    engine = open_writer(path)
    register_layouts(engine, "hall", [Layout("main", "main", "electricity", (POWER,))])
    engine.dispose()


def site_file(tmp_path, site):
    file = tmp_path / "site.yaml"
    file.write_text(SITE.format(site=site), encoding="utf-8")
    return file


@pytest.mark.parametrize("fill", [with_a_ledger, with_a_layout])
def test_the_store_of_another_site_is_refused(path, fill):
    fill(path)
    StoreReader.open(path, "hall").close()
    with pytest.raises(StoreError, match=r"store.other_site") as caught:
        StoreReader.open(path, "city-hall")
    for language in LANGUAGES:
        words = say(caught.value.code, language, **caught.value.data)
        assert [part for part in (str(path), "hall", "city-hall", "site.id") if part not in words] == []


def test_a_store_without_rows_is_anybodys(path):
    open_writer(path).dispose()
    StoreReader.open(path, "city-hall").close()


def test_an_import_under_another_name_changes_nothing(path, tmp_path, capsys):
    with_a_ledger(path)
    csv = tmp_path / "base.csv"
    csv.write_text("commodity,start,end,quantity,unit,source\nwater,2016-01-01,2016-12-31,1,m3,b\n")
    assert run_import(site_file(tmp_path, "city-hall"), "base", [csv], language="en") == 1
    assert "store of the site 'hall'" in capsys.readouterr().err
    reader = StoreReader.open(path, "hall")
    assert reader.ledger("water", date(2000, 1, 1), date(2099, 12, 31)) == []
    reader.close()


def test_serve_refuses_before_it_says_an_address(path, tmp_path):
    with_a_ledger(path)
    with pytest.raises(StoreError, match=r"store.other_site"):
        run_serve(site_file(tmp_path, "city-hall"), "127.0.0.1", 0, "en")


@pytest.mark.parametrize("words", [["run"], ["serve"], ["status"], ["report", "2015"]])
def test_every_command_tells_it_in_words(path, tmp_path, words):
    with_a_layout(path)
    command = [sys.executable, "-m", "monitor.cli.main", *words, "--site", site_file(tmp_path, "city-hall")]
    with run_program(command, name=words[0], env={"ENERGY_MONITOR_LANGUAGE": "en"}) as program:
        assert program.wait() == 1
    assert "store of the site 'hall'" in program.output
