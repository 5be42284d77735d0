"""``energy-monitor dr ...`` at the command line, on a store with the worked examples' days."""

import json

import pytest

from tests.dr_world import dr_json, make_site, run_dr, run_here

WINDOW = ("--from", "2025-07-15T13:00+08:00", "--to", "2025-07-15T15:00+08:00")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("dr"))


class TestBaseline:
    def test_the_worked_examples_out_of_the_store(self, site, capsys):
        rows = {row["preset"]: row for row in dr_json(capsys, site, "baseline", *WINDOW)}
        assert len(rows) == 11
        assert rows["taipower-demand-bidding-2016"]["kw"] == pytest.approx(1050)
        assert rows["taipower-demand-bidding-2016"]["drawn_kw"] == pytest.approx(900)
        assert round(rows["caiso-10-of-10"]["kw"], 3) == 1061.083
        assert round(rows["caiso-10-of-10"]["curtailed_kw"], 3) == 221.083
        assert rows["pjm-high-4-of-5"]["kw"] == pytest.approx(1056.75)
        assert rows["high-5-of-10-additive"]["kw"] == pytest.approx(1060.5)
        assert rows["taipower-guaranteed-2025"]["kw"] is None
        assert rows["taipower-guaranteed-2025"]["findings"][0]["code"] == "no_notice"

    def test_days_and_reasons_in_words(self, site, capsys):
        code, said = run_here(capsys, site, "baseline", *WINDOW, "--preset", "taipower-mean-of-5")
        assert code == 0
        assert "taipower-mean-of-5: 1,000 kW" in said
        assert "curtailed: 160 kW" in said
        assert "2025-07-14 Mon 1,000, 2025-07-11 Fri 1,020" in said
        assert "2025-07-13 Sun weekend" in said
        assert "unverified: the utility's own text was not seen" in said

    def test_in_chinese(self, site, capsys):
        code, said = run_dr(site, "baseline", *WINDOW, "--preset", "caiso-10-of-10", language="zh-TW")
        assert code == 0
        assert "當日 955.5 kW，各日同時段 909.5 kW：× 1.050577" in said
        assert "2025-07-13 日 週末" in said

    def test_events_of_a_list_are_no_baseline_days(self, site, capsys, tmp_path):
        events = tmp_path / "events.csv"
        events.write_text(
            "id,programme,notice,start,end,committed_kw,bid,source\n"
            "a,taipower-demand-bidding,,2025-07-11T13:00,2025-07-11T15:00,,,letter\n",
            encoding="utf-8",
        )
        (row,) = dr_json(
            capsys, site, "baseline", *WINDOW, "--preset", "taipower-mean-of-5", "--events", events
        )
        assert "2025-07-11" not in [one["day"] for one in row["days"]]
        assert {"day": "2025-07-11", "reason": "event", "kw": None} in row["left_out"]

    def test_a_notice(self, site, capsys):
        (row,) = dr_json(
            capsys,
            site,
            "baseline",
            *WINDOW,
            "--notice",
            "2025-07-15T11:30",
            "--preset",
            "taipower-guaranteed-2025",
        )
        assert row["kw"] == pytest.approx(955.5)

    def test_a_preset_of_other_days_is_told(self, site, capsys):
        text = "preset: old\nname: {zh-TW: 舊, en: Old}\ngrade: S\nsource: a letter\ndays: {wanted: 5}\n"
        path = site.parent / "old.yaml"
        for valid, is_told in (
            ("{from: 2024-01-01, through: 2024-12-31}", True),
            ("{from: 2025-07-15}", False),
        ):
            path.write_text(f"{text}valid: {valid}\n", encoding="utf-8")
            (row,) = dr_json(capsys, site, "baseline", *WINDOW, "--preset", "old.yaml")
            assert ("preset_of_other_days" in [one["code"] for one in row["findings"]]) is is_told
        path.write_text(f"{text}valid: {{through: 2025-07-14}}\n", encoding="utf-8")
        settle = ("settle", *WINDOW, "--programme", "taipower-demand-bidding-2016", "--bid", "9")
        code, said = run_here(capsys, site, *settle, "--preset", "old.yaml", "--committed", "100")
        assert code == 0, said
        assert "the baseline old holds from … to 2025-07-14, and the event is on 2025-07-15" in said

    def test_a_preset_of_ones_own(self, site, capsys):
        own = site.parent / "mine.yaml"
        own.write_text(
            "preset: mine\nname: {zh-TW: 自訂, en: Mine}\ngrade: S\nsource: a contract\ndays: {wanted: 2}\n",
            encoding="utf-8",
        )
        (row,) = dr_json(capsys, site, "baseline", *WINDOW, "--preset", "mine.yaml")
        assert row["kw"] == pytest.approx(1010)

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (("--from", "2025-07-15T13:00+08:06", "--to", "2025-07-15T15:00"), 2, "local mean time"),
            (("--from", "2025-07-15T15:00", "--to", "2025-07-15T13:00"), 2, "does not lie after the start"),
            (("--from", "2025-07-15T13:05", "--to", "2025-07-15T15:00"), 2, "full steps of 15 minutes"),
            (("--from", "2025-07-15T13:00", "--to", "2025-07-17T15:00"), 2, "24 hours at most"),
            (("--from", "noon", "--to", "2025-07-17T15:00"), 2, "'noon' is no instant"),
            ((*WINDOW, "--notice", "2025-07-15T14:00"), 2, "comes after the start"),
            ((*WINDOW, "--meter", "mian"), 2, "did you mean 'main'"),
            ((*WINDOW, "--preset", "caiso"), 2, "no baseline preset 'caiso'"),
            (("--from", "2023-07-04T13:00", "--to", "2023-07-04T15:00"), 1, "no complete, measured interval"),
            (
                (
                    "--from",
                    "2025-06-06T13:00",
                    "--to",
                    "2025-06-06T15:00",
                    "--preset",
                    "taipower-day-ahead-2025",
                ),
                1,
                "4 days of the 20",
            ),
        ],
    )
    def test_what_cannot_be_answered_is_told(self, site, capsys, arguments, code, words):
        found, said = run_here(capsys, site, "baseline", *arguments)
        assert (found, words in said) == (code, True), said


class TestLists:
    @pytest.mark.parametrize("command", ["presets", "programmes"])
    def test_both_languages_and_for_programs(self, site, capsys, command):
        for language, word in (("en", "unverified: "), ("zh-TW", "未證實：")):
            code, said = run_dr(site, command, language=language)
            assert code == 0
            assert word in said
        rows = dr_json(capsys, site, command)
        assert all(row["id"] and row["source"] and row["grade"] in "PSB" for row in rows)
        assert json.dumps(rows)


class TestWhatTheSiteSays:
    def test_the_contract_of_the_day_caps_and_the_sites_calendar_counts(self, site, capsys):
        other = site.parent / "changed.yaml"
        text = site.read_text("utf-8").replace(
            "contract: {capacity_kw: 1200}",
            "contract: {capacity_kw: 1200, changes: [{from: 2025-07-01, capacity_kw: 600}]}\n"
            "tariff: {plans: [{name: taipower-hv-three-stage}], calendar: mine.yaml}",
        )
        other.write_text(text, encoding="utf-8")
        (site.parent / "mine.yaml").write_text(
            "calendar: mine\nyears:\n  2025:\n    grade: P\n    source: letter\n"
            "    days: {2025-07-11: {zh-TW: 假, en: Off}}\n",
            encoding="utf-8",
        )
        (row,) = dr_json(capsys, other, "baseline", *WINDOW, "--preset", "taipower-day-ahead-2025")
        assert row["kw"] == 600
        assert row["unadjusted_kw"] > 600
        assert {"day": "2025-07-11", "reason": "off_peak", "kw": None} in row["left_out"]
        (before,) = dr_json(capsys, site, "baseline", *WINDOW, "--preset", "taipower-day-ahead-2025")
        assert before["kw"] == before["unadjusted_kw"]
