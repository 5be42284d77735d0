"""What page and ``status`` tell of events out of a store: baselines as they become known, each by itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.loading import load_site
from monitor.cli.dr_views import run_list, run_plan, run_show
from monitor.cli.status import run_status
from monitor.clock import SystemClock
from monitor.event_watch import EventWatch, standings_of
from monitor.store.event_reader import EventReader
from monitor.store.events import Step, note_step
from monitor.store.reader import StoreReader
from rules.curtailment import Life
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.browser.serving import StillClock, served
from tests.event_rows import EventRows

HOUR_MS = 3_600_000
MIN_MS = 60_000
PRESET = "baseline: taipower-mean-of-5"


def at_ms(hour: int, minute: int, second: int = 0) -> int:
    return int(datetime(2026, 11, 23, hour, minute, second, tzinfo=ZONE).timestamp() * 1000)


CAPPED = """\
preset: capped
name: {zh-TW: 上限, en: Capped}
grade: S
source: a contract
days: {wanted: 5}
contract_cap: true
"""


def world(
    folder: Path, now_ms: int, preset: str = PRESET, zone: str = "Asia/Taipei", **faults
) -> tuple[Feeder, EventRows]:
    one = Feeder(folder / "site", now_ms, Faults(days=9, plan=True, language="en", **faults))
    text = one.site_file.read_text("utf-8").replace(PRESET, preset)
    text = text.replace("  language: en\n", f"  language: en\n  timezone: {zone}\n", 1)
    one.site_file.write_text(text, encoding="utf-8")
    (one.folder / "capped.yaml").write_text(CAPPED, encoding="utf-8")
    one.open()
    return one, EventRows.of(one.engine, one.site_file)


class Looking:
    """A page that looks on: one watch, asked again and again."""

    def __init__(self, feeder: Feeder) -> None:
        self.watch = EventWatch(load_site(feeder.site_file))
        store = feeder.site_file.with_name("energy.db")
        self.events, self.reader = EventReader.open(store, "city-hall"), StoreReader.open(store, "city-hall")

    def __call__(self, now_ms: int) -> dict:
        (one,) = self.watch.standings(self.events, self.reader, now_ms)
        return one

    def close(self) -> None:
        self.events.close()
        self.reader.close()


def test_an_event_that_was_triggered_inside_of_an_interval_has_a_baseline(tmp_path, capsys):
    now_ms = SystemClock().now_ms()
    start_ms = now_ms - MIN_MS - (1000 if (now_ms - MIN_MS) // 1000 % 900 == 0 else 0)
    feeder, rows = world(tmp_path, now_ms)
    rows.event("now", start_ms, start_ms + HOUR_MS, Life.ACTIVE, before_ms=0)
    assert run_status(feeder.site_file, "en", as_json=True) == 1  # without a daemon
    (told,) = json.loads(capsys.readouterr().out)["events"]
    assert told["baseline_kw"] > 100
    with served(feeder.site_file, StillClock(now_ms)) as page:
        (shown,) = page.get("/api/v1/events").json()["events"]
    assert shown["baseline_kw"] == told["baseline_kw"]
    feeder.close()


def test_one_event_whose_baseline_cannot_be_worked_out_takes_nobody_else_away(tmp_path, capsys):
    """By the clock on the wall an event through the hour that comes twice ends when it begins."""
    start_ms = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp() * 1000)
    feeder, rows = world(tmp_path, start_ms + 50 * MIN_MS, PRESET, zone="Europe/Berlin")
    rows.event("before", start_ms - 3 * HOUR_MS, start_ms - 2 * HOUR_MS, Life.ACTIVE)
    rows.becomes("before", Life.ENDED, start_ms - 2 * HOUR_MS)
    rows.event("twice", start_ms, start_ms + HOUR_MS, Life.ACTIVE)
    loaded = load_site(feeder.site_file)
    before, twice = standings_of(loaded, loaded.store_path, start_ms + 50 * MIN_MS)
    assert before["baseline_kw"] > 100
    assert twice["why_no_baseline"]["code"] == "event.not_worked_out"
    with served(feeder.site_file, StillClock(start_ms + 50 * MIN_MS)) as page:
        assert "Let the event begin and end with full intervals" in page.get("/?lang=en").text
    feeder.close()


def test_what_is_not_known_yet_is_asked_again_until_it_is(tmp_path):
    now_ms = at_ms(15, 0, 20)
    feeder, rows = world(tmp_path, now_ms, "baseline: taipower-guaranteed-2025", silent_s=60)
    rows.event("now", at_ms(15, 0, 10), at_ms(17, 0), Life.ACTIVE, before_ms=0)
    look = Looking(feeder)
    assert look(now_ms)["why_no_baseline"]["code"] == "dr.finding_event_day_incomplete"
    feeder.at_s = now_ms // 1000
    feeder.closes()
    assert look(now_ms + 1000)["baseline_kw"] is None  # it is not asked every second
    known = look(now_ms + 11_000)
    assert known["baseline_kw"] > 100
    assert known["why_no_baseline"] is None
    assert look(now_ms + 12_000)["baseline_kw"] == known["baseline_kw"]
    look.close()
    feeder.close()


def test_a_method_that_looks_at_hours_after_the_event_says_when_it_can_answer(tmp_path):
    now_ms = at_ms(15, 8, 30)
    feeder, rows = world(tmp_path, now_ms, "baseline: pjm-same-day-3-2")
    rows.event("hot", at_ms(14, 0), at_ms(16, 0), Life.ACTIVE)
    with served(feeder.site_file, StillClock(now_ms)) as page:
        (one,) = page.get("/api/v1/events").json()["events"]
        assert one["why_no_baseline"]["code"] == "event.hours_to_come"
        english, chinese = (page.get(f"/?lang={language}").text for language in ("en", "zh-TW"))
    assert "pjm-same-day-3-2 gives no number: it looks at hours until 2026-11-23 19:00:00" in english
    assert "採計至 2026-11-23 19:00:00 的時段" in chinese
    feeder.close()


@pytest.mark.parametrize(("contract_kw", "kw"), [(300.0, 300.0), (None, None)])
def test_the_contract_caps_a_running_events_baseline_too(tmp_path, contract_kw, kw):
    now_ms = at_ms(15, 8, 30)
    feeder, rows = world(tmp_path, now_ms, "baseline: capped.yaml", contract_kw=contract_kw)
    rows.event("hot", at_ms(14, 0), at_ms(16, 0), Life.ACTIVE)
    loaded = load_site(feeder.site_file)
    (one,) = standings_of(loaded, loaded.store_path, now_ms)
    assert one["baseline_kw"] == kw
    assert one["why_no_baseline"] == (None if kw else {"code": "dr.finding_no_contract", "data": {}})
    feeder.close()


def test_what_is_committed_and_expected_is_of_the_actions_whose_turn_it_is(tmp_path):
    """Two limits of 60 and 10 kW rotate; the larger one was shed in the event before."""
    now_ms = at_ms(15, 8, 30)
    feeder, rows = world(tmp_path, now_ms)
    plan = rows.plan
    actions = tuple(replace(one, rotates=True) for one in plan.actions if one.id in ("limit-2", "limit-3"))
    turning = EventRows(rows.engine, rows.site, replace(plan, actions=actions))
    turning.event("first", at_ms(12, 0), at_ms(13, 0), Life.ACTIVE, kw=5)
    turning.shed("first", "limit-2", at_ms(12, 0, 1), 100.0, 60.0)
    turning.back("first", "limit-2", at_ms(12, 30))
    turning.becomes("first", Life.ENDED, at_ms(13, 0))
    turning.event("second", at_ms(14, 0), at_ms(16, 0), Life.ACTIVE, kw=5)
    turning.shed("second", "limit-3", at_ms(14, 0, 1), 100.0, 40.0)
    turning.event("third", at_ms(17, 0), at_ms(18, 0), kw=5)
    loaded = load_site(feeder.site_file)
    found = standings_of(loaded, loaded.store_path, now_ms)
    taken = {one["event"]: [a["action"] for a in one["actions"] if a["takes_part"]] for one in found}
    assert taken == {"first": ["limit-2"], "second": ["limit-3"], "third": ["limit-2"]}
    assert [one["expected_kw"] for one in found] == [60, 10, 60]
    states = {one["event"]: [a["state"] for a in one["actions"]] for one in found}
    assert states["second"] == ["not_in_turn", "shed"]
    feeder.close()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ["hot: active, live,", "comfort limit roof.temperature holds back: yes shows 27.5",
             "settled root 12.5 kWh", "ended (an action failed) limit-1, limit-2"],
        ),
        (
            "zh-TW",
            ["實際執行", "復歸中：是 讀值 27.5", "已結算 root 12.5 度 扣減 118 元", "（有動作失敗） limit-1"],
        ),
    ],
)  # fmt: skip
def test_what_happened_is_shown_in_words(tmp_path, capsys, language, words):
    feeder, rows = world(tmp_path, at_ms(15, 8, 30))
    rows.event("hot", at_ms(14, 0), at_ms(16, 0), Life.ACTIVE)
    guard = {"point": "roof.temperature", "holds_back": True, "value": 27.5}
    for kind, who, data in (
        ("guard", "", guard),
        ("ended", "", {"why": "failed", "actions": ["limit-1", "limit-2"]}),
        ("settled", "root", {"kwh": 12.5, "credit": "118"}),
        ("signal", "wang", {"active": False, "ttl_s": 60.0, "new": "x"}),
    ):
        note_step(rows.engine, rows.site, Step("hot", at_ms(14, 30), kind, who, data))
    assert run_show(feeder.site_file, "hot", language, as_json=False) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert [one for one in words if " ".join(one.split()) not in said] == [], said
    assert "holds_back" not in said
    feeder.close()


def test_a_plan_by_its_name_shows_all_that_it_does(tmp_path, capsys):
    feeder, _ = world(tmp_path, at_ms(15, 8, 30))
    text = feeder.site_file.read_text("utf-8").replace(
        "to: 40, expected_kw: 10}",
        "to: 40, expected_kw: 10, priority: 2, rotates: true, after_s: 60, min_off_s: 300, min_on_s: 120,\n"
        "            ramp: {step: 10, every_s: 30}, writes_per_day: 20}\n"
        "      guards:\n        - {point: roof.temperature, above: 40, back_at: 38, actions: [limit-3]}",
    )
    more = "      dead_man_s: 14400\n      least_notice_s: 5400\n      stage_s: 120\n"
    text = text.replace("      dead_man_s: 14400\n", more)
    feeder.site_file.write_text(text, encoding="utf-8")
    assert run_plan(feeder.site_file, "summer", "en", as_json=False) == 0
    said = capsys.readouterr().out
    for line in (
        "a restart in the middle of an event resumes it",
        "a lost signal hands everything back",
        "an event needs a notice of 90 min",
        "at the end 120 s between one release and the next",
        "baseline: taipower-mean-of-5",
        "limit-3: priority 2, in turn, 60 s after the start, by 10 every 30 s, at least 300 s shed, ",
        "at least 120 s handed back, 20 writes a day",
        "guard roof.temperature above 40: hands back limit-3; shed again from 38 on; ",
        "hands back when it shows nothing for 600 s",
    ):
        assert line in said, said
    run_plan(feeder.site_file, None, "en", as_json=False)
    assert "writes a day" not in capsys.readouterr().out
    run_plan(feeder.site_file, "summer", "zh-TW", as_json=False)
    assert "輪流" in capsys.readouterr().out
    feeder.close()


def test_an_event_that_runs_is_not_called_one_that_is_not_handed_back(tmp_path, capsys):
    now_ms = at_ms(15, 8, 30)
    feeder, rows = world(tmp_path, now_ms)
    rows.event("hot", at_ms(14, 0), at_ms(16, 0), Life.ACTIVE)
    rows.shed("hot", "limit-1", at_ms(14, 0, 1), 100.0, 60.0)
    run_list(feeder.site_file, "en", as_json=False)
    assert "NOT HANDED" not in capsys.readouterr().out
    rows.becomes("hot", Life.ABORTED, at_ms(15, 0))
    run_list(feeder.site_file, "en", as_json=False)
    assert "NOT HANDED" in capsys.readouterr().out
    feeder.close()


def test_what_failed_is_told_after_the_end_too(tmp_path, capsys):
    now_ms = SystemClock().now_ms()
    feeder, rows = world(tmp_path, now_ms)
    rows.event("hot", now_ms - 2 * HOUR_MS, now_ms - HOUR_MS, Life.ACTIVE)
    rows.failed("hot", "limit-2", now_ms - 2 * HOUR_MS + 3000)
    rows.becomes("hot", Life.ENDED, now_ms - HOUR_MS)
    run_status(feeder.site_file, "en", as_json=False)
    assert "■ Event hot: ended" in capsys.readouterr().out
    with served(feeder.site_file, StillClock(now_ms)) as page:
        assert "Event hot: limit-2 failed. See why before the next event" in page.get("/?lang=en").text
        assert "事件 hot：limit-2 曾失敗" in page.get("/?lang=zh-TW").text
    feeder.close()
