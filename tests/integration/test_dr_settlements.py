"""Settlements: made here, imported, kept, and told in the half-year summary."""

import json
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from monitor.cli.importing import run_import
from monitor.cli.report import run_report
from monitor.store.database import StoreError
from monitor.store.ledgers import writing
from monitor.store.requests import ImportRequest, RequestBox
from tests.baseline_world import EVENT, FIRST, SLOTS
from tests.dr_world import dr_json, make_site, of_its_own, run_here
from tests.import_world import SITE
from tests.import_world import make_site as bare_site
from tests.unit.test_baseline_numbers import day_ahead_kw

WINDOW = ("--from", "2025-07-15T13:00", "--to", "2025-07-15T15:00")
BIDDING = ("--programme", "taipower-demand-bidding-2016", "--bid", "10")
HEADING = "programme,start,end,curtailed_kwh,credit_twd,source\n"
COUNCIL = "taipower-demand-bidding,2017-07-01,2017-09-30,7578,77484,council report\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("dr"))


def test_day_ahead_money_of_the_reference_at_the_command_line(tmp_path, capsys):
    """Mean of 20 days 1000, evening + 30, drawn 870, 200 kW committed: 80.0 %, NT$790.40."""
    place = make_site(tmp_path, day_ahead_kw())
    asked = ("settle", *WINDOW, "--programme", "taipower-day-ahead-2025", "--committed", "200")
    told = dr_json(capsys, place, *asked)
    (event,) = told["events"]
    assert (event["baseline_kw"], event["credit"]) == (1030, "790.40")
    assert told["months"][0]["credit"] == 790
    code, said = run_here(capsys, place, *asked)
    assert code == 0
    assert "execution rate of the 200 kW promised: 80 %" in said
    assert "NT$790.40" in said


def test_guaranteed_money_of_the_reference_at_the_command_line(tmp_path, capsys):
    """Baseline 1500 by the two hours before the notice, drawn 500, 1000 kW: NT$24,000 + 84,000."""
    kw = np.full(((EVENT - FIRST).days + 1, SLOTS), 900.0)
    kw[-1, 10 * 4 : 12 * 4] = 1500.0
    kw[-1, 13 * 4 : 15 * 4] = 500.0
    events = tmp_path / "events.csv"
    events.write_text(
        "id,programme,notice,start,end,committed_kw,bid,source\n"
        "e,taipower-guaranteed-2025,2025-07-15T12:00,2025-07-15T13:00,2025-07-15T15:00,1000,,letter\n",
        encoding="utf-8",
    )
    place = make_site(tmp_path, kw)
    code, said = run_here(capsys, place, "settle", "--events", events, "--notice-min", "60")
    assert code == 0, said
    for words in ("baseline: 1500 kW", "NT$24,000", "NT$84,000", "NT$108,000"):
        assert words in said, said


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """Without measurements: only what is imported."""
    return bare_site(tmp_path_factory.mktemp("hall"))


def settlements(folder, text):
    path = folder / "settlements.csv"
    path.write_text(HEADING + text, encoding="utf-8")
    return path


class TestSettle:
    def test_a_window_line_by_line(self, site, capsys):
        code, said = run_here(capsys, site, "settle", *WINDOW, *BIDDING)
        assert code == 0
        assert "credit: 300 kWh × 10 × 1: NT$3,000.00" in said
        assert "total: NT$3,000" in said

    def test_under_the_minimum_and_above_the_cap(self, site, capsys):
        data = dr_json(capsys, site, "settle", *WINDOW, *BIDDING[:2], "--bid", "10.22", "--minimum", "200")
        (event,) = data["events"]
        assert (event["credit"], event["kwh"], event["baseline_kw"]) == ("0.00", 0, pytest.approx(1050))
        assert {finding["code"] for finding in event["findings"]} == {"bid_above_cap", "text_of_other_days"}
        assert data["months"][0]["credit"] == 0

    def test_another_baseline_than_the_programmes_own(self, site, capsys):
        data = dr_json(capsys, site, "settle", *WINDOW, *BIDDING, "--preset", "taipower-mean-of-5")
        assert (data["events"][0]["preset"], data["events"][0]["credit"]) == ("taipower-mean-of-5", "2000.00")

    def test_a_list_by_months_with_the_limits_of_the_text(self, site, capsys, tmp_path):
        events = tmp_path / "events.csv"
        events.write_text(
            "id,programme,notice,start,end,committed_kw,bid,source\n"
            "a,taipower-demand-bidding-later,2025-07-14T18:00,2025-07-15T13:00,2025-07-15T15:00,200,8,letter\n"
            "b,taipower-demand-bidding-later,2025-07-11T12:30,2025-07-11T13:00,2025-07-11T15:00,200,8,letter\n",
            encoding="utf-8",
        )
        data = dr_json(capsys, site, "settle", "--events", events)
        first, second = data["events"]
        assert [one["event"] for one in (first, second)] == ["b", "a"]
        assert "notice_too_short" in {finding["code"] for finding in first["findings"]}
        assert second["baseline_days"] == [
            "2025-07-14",
            "2025-07-10",
            "2025-07-09",
            "2025-07-08",
            "2025-07-07",
        ]
        assert second["kwh"] == pytest.approx(2 * (998 - 840))
        assert second["execution_percent"] == 79.0
        (only,) = dr_json(capsys, site, "settle", "a", "--events", events)["events"]
        assert only["event"] == "a"
        assert only["credit"] == second["credit"]

    def test_kept_once_and_then_an_event_day(self, tmp_path, capsys):
        site = make_site(tmp_path)  # of its own: what is kept is counted
        own = site.parent / "energy.db"
        code, said = run_here(capsys, site, "settle", "first", *WINDOW, *BIDDING, "--keep")
        assert (code, "first: the settlement is in the store" in said) == (0, True)
        code, said = run_here(capsys, site, "settle", "first", *WINDOW, *BIDDING, "--keep")
        assert (code, "stands in the store already" in said) == (0, True)
        other = ("settle", "first", *WINDOW, *BIDDING[:2], "--bid", "9", "--keep")
        code, said = run_here(capsys, site, *other)
        assert (code, "Nothing was written" in said) == (1, True)
        code, said = run_here(capsys, site, *other, "--replace")
        assert (code, "took the place" in said) == (0, True)
        with sqlite3.connect(own) as connection:
            rows = connection.execute("SELECT id, kwh, credit FROM settlements").fetchall()
            kept = connection.execute("SELECT preset, kw, digest, detail FROM baselines").fetchall()
            done = connection.execute("SELECT action FROM audit WHERE action LIKE 'settlement%'").fetchall()
        assert rows == [("first", 300.0, "2700.00")]
        assert kept[0][:2] == ("taipower-demand-bidding-2016", pytest.approx(1050))
        assert len(kept[0][2]) == 64
        assert json.loads(kept[0][3])["days"][0]["day"] == "2025-07-14"
        assert done == [("settlement.added",), ("settlement.replaced",)]
        later = ("--from", "2025-07-16T13:00", "--to", "2025-07-16T15:00", "--preset", "taipower-mean-of-5")
        (row,) = dr_json(capsys, site, "baseline", *later)
        assert {"day": "2025-07-15", "reason": "event", "kw": None} in row["left_out"]

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            ((), 2, "one of these"),
            ((*WINDOW, "--events", "x.csv"), 2, "one of these"),
            (WINDOW, 2, "say the programme"),
            ((*WINDOW, "--programme", "taipower-demand-bidding"), 2, "is known to hold on 2025-07-15"),
            ((*WINDOW, *BIDDING[:2], "--bid", "ten"), 2, "'ten' is not a figure"),
            ((*WINDOW, *BIDDING[:2], "--bid", "nan"), 2, "'nan' is not a figure"),
            ((*WINDOW, *BIDDING[:2], "--bid", "9.999"), 1, "more than 2 decimals"),
            ((*WINDOW, *BIDDING[:2]), 1, "Give --bid"),
            ((*WINDOW, "--programme", "taipower-day-ahead-2025"), 1, "Give --committed"),
            (("--from", "2025-07-20T13:00", "--to", "2025-07-20T15:00", *BIDDING), 1, "not wholly measured"),
            (("--from", "2025-06-04T13:00", "--to", "2025-06-04T15:00", *BIDDING), 1, "2 days of the 5"),
        ],
    )
    def test_what_cannot_be_settled_is_told(self, site, capsys, arguments, code, words):
        found, said = run_here(capsys, site, "settle", *arguments)
        assert (found, words in said) == (code, True), said


class TestBacktest:
    TIMES = ("--from", "2025-07-01T13:00", "--to", "2025-07-14T15:00")

    def test_presets_by_their_error(self, site, capsys):
        rows = dr_json(capsys, site, "backtest", *self.TIMES)
        assert len(rows) == 11
        errors = [row["rrmse_percent"] for row in rows]
        assert errors == sorted(errors)
        mean = next(row for row in rows if row["preset"] == "taipower-mean-of-5")
        assert mean["days"] == 10
        by_hand = [trial["baseline_kw"] - trial["actual_kw"] for trial in mean["trials"]]
        actual = sum(trial["actual_kw"] for trial in mean["trials"]) / 10
        assert mean["bias_percent"] == pytest.approx(100 * sum(by_hand) / 10 / actual)
        assert mean["trials"][-1] == {
            "day": "2025-07-14",
            "baseline_kw": pytest.approx((1020 + 980 + 1040 + 960 + 1010) / 5),
            "actual_kw": pytest.approx(1000),
        }

    def test_in_words(self, site, capsys):
        code, said = run_here(
            capsys, site, "backtest", *self.TIMES, "--preset", "taipower-demand-bidding-2016"
        )
        assert code == 0
        assert "taipower-demand-bidding-2016" in said
        assert "promises curtailment that is none" in said

    @pytest.mark.parametrize(
        ("first", "last", "code", "words"),
        [
            ("2025-07-01T15:00", "2025-07-14T13:00", 2, "on the same day"),
            ("2025-07-01T13:05", "2025-07-14T15:00", 2, "full steps of 15 minutes"),
            ("2023-07-01T13:00", "2025-07-14T15:00", 2, "366 days are the most"),
            ("2025-07-12T13:00", "2025-07-13T15:00", 1, "Unanswered"),
        ],
    )
    def test_what_cannot_be_tried_is_told(self, site, capsys, first, last, code, words):
        found, said = run_here(capsys, site, "backtest", "--from", first, "--to", last)
        assert (found, words in said) == (code, True), said


class TestImported:
    def test_a_price_above_the_cap_is_a_warning_and_no_refusal(self, capsys, tmp_path):
        hall = bare_site(tmp_path)  # of its own: nothing of it is there yet
        assert run_import(hall, "settlements", [settlements(tmp_path, COUNCIL)], language="en") == 0
        told = capsys.readouterr()
        assert "1 added" in told.out
        assert (
            "settlements.csv:2:1: credit_twd: warning: NT$10.2249 a kWh lies above the published cap of 10.00"
            in told.err
        )
        assert run_import(hall, "settlements", [settlements(tmp_path, COUNCIL)], language="zh-TW") == 0
        assert "高於公告上限 10.00 元" in capsys.readouterr().err

    def test_the_summary_holds_it(self, hall, capsys, tmp_path):
        assert run_import(hall, "settlements", [settlements(tmp_path, COUNCIL)], language="en") == 0
        capsys.readouterr()
        assert run_report(hall, "2017H2", "json", "en") == 0
        (found,) = json.loads(capsys.readouterr().out)["demand_response"]
        assert (found["kwh"], found["credit"], found["price"]) == (7578, 77484, 10.2249)
        assert found["name"] == "Taipower demand bidding"
        assert [one["kind"] for one in found["settlements"]] == ["imported"]
        assert run_report(hall, "2017-08", "text", "en") == 0
        said = capsys.readouterr().out
        assert "no settlement lies within the period" in said
        assert "reaches" in said
        assert run_report(hall, "2016H2", "json", "en") == 0
        assert "demand_response" not in json.loads(capsys.readouterr().out)

    @pytest.mark.parametrize(
        ("language", "words"),
        [("en", ["1. Demand response", "7,578 kWh"]), ("zh-TW", ["一、需量反應", "7,578"])],
    )
    def test_the_summary_of_a_site_without_commodities_holds_it_too(self, capsys, tmp_path, language, words):
        hall = bare_site(tmp_path)
        hall.write_text(SITE[: SITE.index("commodities:")], encoding="utf-8")
        assert run_import(hall, "settlements", [settlements(tmp_path, COUNCIL)], language="en") == 0
        capsys.readouterr()
        assert run_report(hall, "2017H2", "text", language) == 0
        said = capsys.readouterr().out
        assert all(word in said for word in words), said

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (COUNCIL.replace("77484", "77,484"), "cells where the heading has"),
            (COUNCIL.replace("7578", "-7578"), "below zero"),
            (COUNCIL.replace("2017-09-30", "2017-06-30"), "lies before the first day"),
            (COUNCIL + COUNCIL.replace("2017-07-01", "2017-09-30"), "are in row 2 already"),
            (COUNCIL.replace("council report", ""), "'source' is empty"),
            (COUNCIL.replace("taipower-demand-bidding", ""), "'programme' is empty"),
        ],
    )
    def test_mistakes_have_their_row(self, hall, capsys, tmp_path, text, words):
        assert run_import(hall, "settlements", [settlements(tmp_path, text)], language="en") == 1
        told = capsys.readouterr().err
        assert words in told
        assert "settlements.csv:" in told

    def test_other_figures_and_shared_days_are_refused(self, hall, capsys, tmp_path):
        assert run_import(hall, "settlements", [settlements(tmp_path, COUNCIL)], language="en") == 0
        changed, shared = COUNCIL.replace("77484", "77485"), COUNCIL.replace("2017-07-01", "2017-08-01")
        assert run_import(hall, "settlements", [settlements(tmp_path, changed)], language="en") == 1
        assert "stands with 7578 kWh, NT$77484" in capsys.readouterr().err
        assert run_import(hall, "settlements", [settlements(tmp_path, shared)], language="en") == 1
        assert "would count twice" in capsys.readouterr().err
        assert run_import(hall, "settlements", [settlements(tmp_path, changed)], True, "en") == 0
        assert "1 replaced" in capsys.readouterr().out
        assert run_import(hall, "settlements", [settlements(tmp_path, COUNCIL)], True, "en") == 0

    def test_an_unknown_programme_is_kept_with_a_word(self, hall, capsys, tmp_path):
        own = "our-own,2018-07-01,2018-07-31,10,90.50,bill\n"
        assert run_import(hall, "settlements", [settlements(tmp_path, own)], language="en") == 0
        assert "no text of the programme 'our-own' is known" in capsys.readouterr().err
        assert run_report(hall, "2018H2", "text", "en") == 0
        assert "our-own, 2018-07-01 to 2018-07-31: 10 kWh were curtailed" in capsys.readouterr().out

    def test_through_the_request_box(self, hall, tmp_path, capsys):
        from config.settlement_list import read_settlements

        rows = read_settlements(settlements(tmp_path, COUNCIL.replace("2017-", "2016-")))
        request = ImportRequest("settlements", "s.csv", "0", 1, False, settlements=rows)
        store = hall.parent / "energy.db"
        box = RequestBox(store)
        number = box.put(request)
        with writing(store) as engine:
            assert box.take_up(engine, "hall") == 1
        assert box.answer_to(number).added == 1
        box.close()

    def test_ones_own_through_the_request_box(self, hall):
        """What a command leaves to a running daemon."""
        request = of_its_own("e")
        store = hall.parent / "energy.db"
        box = RequestBox(store)
        numbers = [box.put(request), box.put(request), box.put(replace(request, credit="31.00"))]
        with writing(store) as engine:
            assert box.take_up(engine, "hall") == 3
        assert [box.answer_to(number).state for number in numbers[:2]] == ["added", "unchanged"]
        with pytest.raises(StoreError) as refused:
            box.answer_to(numbers[2])
        assert refused.value.code == "dr.event_settled"
        box.close()

    def test_what_a_utility_settled_goes_before_ones_own(self, capsys, tmp_path):
        site = make_site(tmp_path)
        run_here(capsys, site, "settle", "own", *WINDOW, *BIDDING, "--keep")
        stated = "taipower-demand-bidding-2016,2025-07-01,2025-07-31,280,2800,bill\n"
        assert run_import(site, "settlements", [settlements(tmp_path, stated)], language="en") == 0
        capsys.readouterr()
        assert run_report(site, "2025H2", "json", "en") == 0
        (found,) = json.loads(capsys.readouterr().out)["demand_response"]
        assert (found["kwh"], found["credit"]) == (280, 2800)
        assert any("the utility's own settlement holds these days" in note for note in found["notes"])
