"""Events on the page and as data: what runs or comes, and what a person must know of it."""

import html
import re
from datetime import datetime

import pytest

from rules.curtailment import Life, Mode
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.browser.serving import StillClock, events, served
from tests.dispatch_world import wait_for
from tests.event_rows import EventRows

NOW_MS = int(datetime(2026, 11, 23, 15, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400
START_MS = int(datetime(2026, 11, 23, 14, 0, tzinfo=ZONE).timestamp() * 1000)
HOUR_MS = 3_600_000
SHED_KW = 171.0


@pytest.fixture
def feeder(tmp_path):
    faults = Faults(days=20, plan=True, shed_kw=(START_MS // 1000, SHED_KW), language="en")
    one = Feeder(tmp_path / "site", NOW_MS, faults)
    one.open()
    yield one
    one.close()


@pytest.fixture
def rows(feeder):
    return EventRows.of(feeder.engine, feeder.site_file)


def running(rows):
    rows.event("hot", START_MS, START_MS + 2 * HOUR_MS, Life.ACTIVE)
    rows.shed("hot", "warmer-1", START_MS + 1000, 7.0, 9.0)
    rows.shed("hot", "warmer-2", START_MS + 2000, 7.0, None)
    rows.failed("hot", "limit-2", START_MS + 3000)
    rows.back("hot", "limit-1", START_MS + HOUR_MS)


def text_of(fragment):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", fragment)).split())


def card(page, language="en"):
    whole = page.get(f"/?lang={language}").text
    begin = whole.index('<section class="card events"')
    return whole[begin : whole.index("</section>", begin)]


def test_a_site_without_events_shows_no_card_and_says_so_as_data(feeder):
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        assert 'data-state="none"' in card(page)
        answer = page.get("/api/v1/events")
        assert (answer.status, answer.json()) == (200, {"events": []})
        assert page.get("/api/v1/live").json()["events"] == []


def test_a_running_event_tells_what_it_delivers_and_where_each_action_stands(feeder, rows):
    running(rows)
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        (one,) = page.get("/api/v1/events").json()["events"]
        assert page.get("/api/v1/live").json()["events"] == [one]
        assert (one["event"], one["life"], one["committed_kw"]) == ("hot", "active", 210)
        # The baseline is that of the command line; what was taken off the load is what was delivered, give
        # or take how much the days before differ from this one.
        assert one["delivered_kw"] == pytest.approx(one["baseline_kw"] - one["actual_kw"])
        assert abs(one["delivered_kw"] - SHED_KW) < 40
        states = {action["action"]: action["state"] for action in one["actions"]}
        assert states == {
            "warmer-1": "shed", "warmer-2": "not_confirmed", "limit-1": "handed_back",
            "limit-2": "failed", "limit-3": "waiting",
        }  # fmt: skip

        told = text_of(card(page))
        assert f"{one['delivered_kw']:,.0f} kW delivered, 210 kW committed" in told
        assert f"Without the event {one['baseline_kw']:,.0f} kW" in told
        assert "hot active 14:00\u201316:00 · live" in told.replace(" – ", "\u2013")
        assert "Time left 51:00" in told  # to the minute: the browser counts on
        shapes = re.findall(r'data-state="(\w+)"><span class="q" data-q="(\w+)"', card(page))
        assert sorted(shapes) == sorted(
            [("shed", "good"), ("not_confirmed", "estimated"), ("handed_back", "back"),
             ("failed", "missing"), ("waiting", "stale")]
        )  # fmt: skip
        notices = text_of(page.get("/?lang=en").text)
        assert "Event hot: limit-2 failed and takes no further part." in notices
        chinese = text_of(card(page, "zh-TW"))
        assert "需量反應" in chinese
        assert "未確認" in chinese


def test_a_coming_event_counts_to_its_start_and_an_abandoned_action_is_called_out(feeder, rows):
    rows.event("tonight", NOW_MS + HOUR_MS + 5000, NOW_MS + 2 * HOUR_MS, Life.SCHEDULED, Mode.DRY_RUN)
    rows.event("past", START_MS - 2 * HOUR_MS, START_MS - HOUR_MS, Life.ACTIVE)
    rows.shed("past", "limit-1", START_MS - 2 * HOUR_MS, 100.0, 60.0)
    rows.becomes("past", Life.ABORTED, START_MS - HOUR_MS)
    rows.event("long-ago", START_MS - 30 * HOUR_MS, START_MS - 29 * HOUR_MS, Life.ACTIVE)
    rows.becomes("long-ago", Life.ENDED, START_MS - 29 * HOUR_MS)
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        told = text_of(card(page))
        assert told.index("tonight") < told.index("past")
        assert "Begins in 1:00:00" in told
        assert "dry run: nothing is written" in told
        assert "long-ago" not in told
        notices = text_of(page.get("/?lang=en").text)
        assert "Event past is over and NOT HANDED BACK: limit-1." in notices
        names = [one["event"] for one in page.get("/api/v1/events").json()["events"]]
        assert names == ["past", "tonight"]


def test_an_event_that_begins_while_somebody_looks_on_is_told_and_seconds_alone_are_not(feeder, rows):
    clock = StillClock(NOW_MS)
    with served(feeder.site_file, clock) as page, page.stream("/api/v1/stream?lang=en") as stream:
        told = events(stream)
        assert next(told)["f"]["s.events"] == "none"
        running(rows)
        changed = next(one["f"] for one in told if "s.events" in one["f"])
        assert changed["s.events"] == "active"
        assert "warmer-1" in changed["h.events"]
        for later_ms in (5_000, 60_000):
            clock.at_ms += later_ms
            wait_for("a look", lambda: page.app.state.page.hub.snapshot.now_ms == clock.at_ms)
        later = next(one for one in told if "h.events" in one["f"])
        assert later["now"] == NOW_MS + 65_000
        assert "50:00" in later["f"]["h.events"]


def test_without_a_store_there_is_an_answer_in_words_for_programs(tmp_path):
    waiting = Feeder(tmp_path / "site", NOW_MS, Faults(days=1, plan=True))
    with served(waiting.site_file, StillClock(NOW_MS)) as page:
        answer = page.get("/api/v1/events")
        assert (answer.status, answer.json()) == (503, {"events": [], "trouble": "store.missing"})
