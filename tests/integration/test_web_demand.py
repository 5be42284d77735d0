"""The demand's page and data: duration curve, highest windows, what ran in them; and what cannot be shown."""

import html
import json
import re
from datetime import datetime

import pytest

from config.loading import load_site
from monitor.cli.demand import run_demand
from monitor.demand.machines import chiller_layouts, chillers_in
from monitor.store.rows import Commit, IntervalRow
from monitor.store.streams import RowStreams, Span
from monitor.store.writer import submit_and_wait
from rules.intervals import Interval
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.browser.serving import StillClock, served

NOW_S = int(datetime(2026, 11, 23, 15, 8, 30, tzinfo=ZONE).timestamp())
HIGHEST_S = NOW_S // 900 * 900 - 900
"""A quarter of an hour of which the chillers' readings are still there: 500 kW more than usual."""


@pytest.fixture(scope="module")
def feeder(tmp_path_factory):
    faults = Faults(days=8, shed_kw=(HIGHEST_S, -500.0), language="en")
    one = Feeder(tmp_path_factory.mktemp("demand") / "site", NOW_S * 1000, faults)
    one.open()
    for meter, kwh, caught_up in (("ch-1-power", 45.0, False), ("ch-2-power", 40.0, True)):
        then = Interval(HIGHEST_S, 900, kwh, 1.0, 0, 0.0, 0.0, 0.0, caught_up, 0.0, kwh, 0)
        submit_and_wait(one.writer, Commit(intervals=[IntervalRow(meter, then)]))
    yield one
    one.close()


@pytest.fixture(scope="module")
def page(feeder):
    with served(feeder.site_file, StillClock(NOW_S * 1000)) as one:
        yield one


def text_of(page):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_for_programs_it_is_what_the_command_line_says(feeder, page, capsys):
    answer = page.get("/api/v1/demand?period=2026-11")
    assert answer.status == 200
    told = answer.json()
    assert run_demand(feeder.site_file, "2026-11", None, 10, "en", as_json=True) == 0
    assert told == json.loads(capsys.readouterr().out)
    assert page.get("/api/v1/demand").json() == told  # this month
    top = told["tops"][0]
    assert datetime.fromisoformat(top["start"]).timestamp() == HIGHEST_S
    assert [(one["meter"], one["kw"], one["measured"]) for one in top["others"]] == [
        ("ch-1-power", 180.0, True), ("ch-2-power", 160.0, False),
    ]  # fmt: skip
    # Two chillers ran at about 76 %, the third stood still; of earlier windows no reading is left.
    assert [one["device"] for one in top["chillers"]] == ["ch-1", "ch-2"]
    assert all(abs(one["percent"] - 76) < 2.1 for one in top["chillers"])
    assert told["tops"][1]["chillers"] == []
    assert load_site(feeder.site_file).site.site.id == told["site"]


def test_of_all_scans_only_those_of_the_window_are_looked_through(feeder):
    """Some 6,000 were taken in its 15 minutes and the one after, and 9,000 until now."""
    streams = RowStreams.open(feeder.folder / "energy.db", "city-hall")
    layouts, span = chiller_layouts(streams), Span(HIGHEST_S, HIGHEST_S + 900)
    assert [one.device for one in chillers_in(streams, layouts, span, 7000)] == ["ch-1", "ch-2"]
    assert chillers_in(streams, layouts, span, 4000) == ()
    assert chillers_in(streams, {}, span) == ()
    streams.close()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Duration curve, 2026-11", "The 10 highest windows", "Chiller 1 180 kW", "Chiller 2 160 kW ?",
                "ch-1 76 %", "Nothing is known of what ran then.", "windows are complete and measured"]),
        ("zh-TW", ["需量持續曲線，115年11月", "最高的 10 個時段", "一號冰水主機 180 kW", "ch-1 76 %"]),
    ],
)  # fmt: skip
def test_the_page_shows_the_highest_windows_and_what_ran_then(page, language, words):
    answer = page.get(f"/demand?lang={language}")
    said = text_of(answer.text)
    assert answer.status == 200
    assert [one for one in words if one not in said] == [], said
    assert said.count("2026-11-") >= 10


def test_the_curve_falls_from_the_highest_window_under_the_contracts_line(page):
    made = page.get("/api/v1/demand/chart?period=2026-11&theme=dark&lang=en").json()
    kw = [one["kw"] for one in made["rows"]["curve"]]
    assert len(kw) == 201
    assert kw == sorted(kw, reverse=True)
    highest = page.get("/api/v1/demand?period=2026-11").json()["tops"][0]["kw"]
    assert kw[0] == pytest.approx(highest, abs=0.06)
    assert made["rows"]["contract"] == [{"kw": 1250.0, "label": "Contract 1,250\u00a0kW"}]
    assert "kW were passed in 50.0% of the time" in made["rows"]["curve"][100]["tip"]
    assert made["spec"]["layer"]


@pytest.mark.parametrize(
    ("period", "status", "words"),
    [("soon", 422, "soon"), ("2031-01", 200, "No window of 2031-01 is complete"), ("2026H2", 200, "2026H2")],
)
def test_another_period_and_what_is_none(page, period, status, words):
    answer = page.get(f"/demand?period={period}&lang=en")
    assert (answer.status, words in text_of(answer.text)) == (status, True), text_of(answer.text)
    assert page.get(f"/api/v1/demand?period={period}").status == status


def test_without_meters_or_a_store_it_says_so(tmp_path):
    waiting = Feeder(tmp_path / "site", NOW_S * 1000, Faults(days=1))
    with served(waiting.site_file, StillClock(NOW_S * 1000)) as page:
        answer = page.get("/api/v1/demand")
        assert answer.status == 503
        assert answer.json()["error"]["words"]
        assert page.get("/api/v1/demand/chart").status == 503
        assert page.get("/demand?lang=en").status == 503
    text = waiting.site_file.read_text("utf-8").replace("meters: [main-1, main-2]}", "meters: []}")
    waiting.site_file.write_text(text, encoding="utf-8")
    with served(waiting.site_file, StillClock(NOW_S * 1000)) as page:
        answer = page.get("/demand?lang=en")
        assert (answer.status, "which meters make up the electricity" in answer.text) == (404, True)
