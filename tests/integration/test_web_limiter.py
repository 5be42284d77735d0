"""The demand limiter on the page and as data: its mode, what it has shed, why, and what people must know."""

import html
import re
from datetime import datetime

import pytest

from monitor.store.limiting import put_standing
from rules.curtailment import Life
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.browser.serving import StillClock, served
from tests.event_rows import EventRows

NOW_MS = int(datetime(2026, 11, 23, 15, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400
LIMITER = "limiter: {plan: summer, mode: dry-run, limit_kw: 4000}\n"


@pytest.fixture
def feeder(tmp_path):
    one = Feeder(tmp_path / "site", NOW_MS, Faults(days=2, plan=True, language="en"))
    one.open()
    yield one
    one.close()


def tell(feeder, at_ms=NOW_MS - 4_000, **more):
    said = {"plan": "summer", "wanted": "dry-run", "mode": "dry-run", "missing": None, "event": None,
            "shed": [], "next": None, "last": None, "why": "calm", "limit_kw": 4000.0, "projected_kw": 3712.4,
            "power_kw": 3700.0, "left_s": 300, "short_kw": 0.0}  # fmt: skip
    put_standing(feeder.engine, site_of(feeder), at_ms, {**said, **more})


def site_of(feeder):
    return EventRows.of(feeder.engine, feeder.site_file).site


def limit(feeder):
    text = feeder.site_file.read_text(encoding="utf-8")
    feeder.site_file.write_text(text + LIMITER, encoding="utf-8")


def card(page, language="en"):
    whole = page.get(f"/?lang={language}").text
    begin = whole.index('<section class="card events limiter"')
    return whole[begin : whole.index("</section>", begin)]


def text_of(fragment):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", fragment)).split())


def test_a_site_without_a_limiter_shows_none(feeder):
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        assert 'data-state="none"' in card(page)
        assert page.get("/api/v1/live").json()["limiter"] is None


def test_a_run_tells_what_is_shed_why_and_how_much_is_lacking(feeder):
    limit(feeder)
    rows = EventRows.of(feeder.engine, feeder.site_file)
    rows.event("limiter-1", NOW_MS - 600_000, NOW_MS + 600_000, Life.ACTIVE)
    rows.shed("limiter-1", "warmer-1", NOW_MS - 500_000, 7.0, 9.0)
    last = {"why": "over", "shed": "warmer-1", "at_ms": NOW_MS - 500_000}
    tell(feeder, event="limiter-1", shed=["warmer-1"], why="nothing_left", short_kw=215.0, last=last)
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        facts = page.get("/api/v1/live").json()["limiter"]
        assert (facts["is_on"], facts["mode"], facts["shed"], facts["short_kw"]) == (
            True, "dry-run", ["warmer-1"], 215.0,
        )  # fmt: skip
        told = text_of(card(page))
        assert (
            "summer on its way over the limit, and nothing is left to shed dry run: nothing is written"
            in told
        )
        assert "215 kW short" in told
        assert "shed warmer-1" in told
        whole = text_of(page.get("/?lang=en").text)
        assert "215 kW too much, and nothing is left to shed" in whole
        assert "已無可卸載" in text_of(card(page, "zh-TW"))


def test_a_limiter_that_only_watches_says_what_is_missing(feeder):
    limit(feeder)
    tell(feeder, mode="monitor-only", missing="limiter.not_simulated", why="over", next="warmer-1")
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        assert "only watched" in text_of(card(page))
        assert "Would shed warmer-1 now" in text_of(card(page))
        assert "would only watch: No year was simulated" in text_of(page.get("/?lang=en").text)


def test_what_was_told_long_ago_says_nothing_of_now(feeder):
    limit(feeder)
    tell(feeder, at_ms=NOW_MS - 90_000, why="over", short_kw=100.0)
    with served(feeder.site_file, StillClock(NOW_MS)) as page:
        facts = page.get("/api/v1/live").json()["limiter"]
        assert (facts["is_on"], facts["why"], facts["short_kw"]) == (False, None, None)
        assert 'data-state="off"' in card(page)
        assert "No daemon has told" in text_of(card(page))
