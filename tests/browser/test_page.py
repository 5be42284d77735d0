from datetime import datetime, timedelta

import pytest

from monitor.clock import SystemClock
from monitor.store.rows import Commit, ConditionRow, ResultRow
from monitor.store.writer import submit_and_wait
from rules.curtailment import Life
from tests.browser.devtools import Browser
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.browser.serving import served
from tests.event_rows import EventRows

DRAWN = "[...document.querySelectorAll('[data-chart]')].every((one) => one.dataset.drawn)"
POWER = "document.querySelector('[data-r=power]').textContent"


@pytest.fixture
def browser(chromium, tmp_path):
    with Browser(chromium, tmp_path / "profile") as one:
        yield one


@pytest.fixture
def feeder(tmp_path):
    one = Feeder(tmp_path / "site", SystemClock().now_ms(), Faults(days=3))
    one.open()
    yield one
    one.close()


@pytest.mark.parametrize(("language", "words"), [("zh-TW", "契約容量"), ("en", "Contract")])
def test_the_page_lives_and_keeps_its_policy(browser, feeder, language, words):
    with served(feeder.site_file, SystemClock()) as page:
        browser.open(f"{page.url}?lang={language}")
        browser.wait_for(DRAWN)
        browser.wait_for("document.querySelector('#link').dataset.link === 'live'")
        assert words in browser.run("document.querySelector('#chart-power').textContent")
        assert browser.run("document.querySelectorAll('#chart-power svg path').length") > 3
        assert browser.run("document.documentElement.lang").startswith(language[:2])

        at = "Number(document.querySelector('[data-stamp=power]').dataset.at)"
        before_ms = browser.run(at)
        feeder.second(40)
        browser.wait_for(at, lambda at_ms: at_ms > before_ms)
        assert browser.run(POWER).replace(",", "").isdigit()
        # They are dated ahead of the clock, and every mark says it.
        browser.wait_for("document.querySelector('[data-mark=used] .q').dataset.q", lambda q: q != "good")

        browser.run("document.querySelector('#theme').click()")
        theme = browser.run("document.documentElement.dataset.theme")
        browser.wait_for(f"document.querySelector('#chart-power').dataset.drawn === '{theme}'")
        browser.leave()
        assert browser.complaints() == []
        assert {url for url in browser.requests() if not url.startswith((page.url, "about:"))} == set()


@pytest.mark.parametrize(("language", "words"), [("zh-TW", "契約容量"), ("en", "Contract")])
def test_the_demand_has_its_curve_and_keeps_the_policy_on_a_narrow_screen(browser, feeder, language, words):
    with served(feeder.site_file, SystemClock()) as page:
        browser.size(390, 900)
        browser.open(f"{page.url}demand?lang={language}")
        browser.wait_for(DRAWN)
        assert words in browser.run("document.querySelector('[data-chart=duration]').textContent")
        assert browser.run("document.querySelectorAll('.top-window').length") == 10
        assert browser.run("document.documentElement.scrollWidth") <= 390
        browser.leave()
        assert browser.complaints() == []
        assert {url for url in browser.requests() if not url.startswith((page.url, "about:"))} == set()


def test_the_chart_of_the_window_grows_with_what_is_committed(browser, feeder):
    with served(feeder.site_file, SystemClock()) as page:
        browser.open(page.url)
        browser.wait_for(DRAWN)
        end = "liveCharts.views.get('window').view.data('end')[0].kw"
        before = browser.run(end)
        feeder.second(60)
        browser.wait_for(end, lambda kw: kw != before)
        browser.leave()
        assert browser.complaints() == []


def test_a_page_that_waits_comes_to_life_by_itself(browser, tmp_path):
    feeder = Feeder(tmp_path / "site", SystemClock().now_ms(), Faults(days=1))
    with served(feeder.site_file, SystemClock()) as page:
        browser.open(page.url)
        assert browser.run("document.body.dataset.page") == "waiting"
        feeder.open()
        browser.wait_for("document.body.dataset.page", lambda state: state == "live")
        browser.wait_for(DRAWN)
        browser.leave()
        assert browser.complaints() == []
    feeder.close()


@pytest.mark.parametrize("width", [360, 390, 768, 1440, 1920])
def test_nothing_sticks_out_at_any_width(browser, feeder, width):
    with served(feeder.site_file, SystemClock()) as page:
        browser.size(width, 900)
        browser.open(f"{page.url}?lang=en")
        browser.wait_for(DRAWN)
        assert browser.run("document.documentElement.scrollWidth") <= width
        browser.leave()


@pytest.mark.parametrize(("language", "words"), [("zh-TW", "已抑低"), ("en", "delivered")])
def test_a_running_event_has_its_card_at_every_width(browser, tmp_path, language, words):
    now_ms = SystemClock().now_ms()
    feeder = Feeder(tmp_path / "site", now_ms, Faults(days=3, plan=True))
    feeder.open()
    card = "document.querySelector('.events')"
    with served(feeder.site_file, SystemClock()) as page:
        browser.open(f"{page.url}?lang={language}")
        browser.wait_for(DRAWN)
        assert browser.run(f"{card}.checkVisibility()") is False
        rows = EventRows.of(feeder.engine, feeder.site_file)
        rows.event("a-rather-long-name-of-an-event", now_ms, now_ms + 3_600_000 * 3, Life.ACTIVE)
        rows.shed("a-rather-long-name-of-an-event", "warmer-1", now_ms, 7.0, 9.0)
        browser.wait_for(f"{card}.dataset.state", lambda state: state == "active")
        assert words in browser.run(f"{card}.textContent")
        assert browser.run(f"{card}.querySelectorAll('.event-action').length") == 5
        left = f"{card}.querySelector('[data-until]').textContent"
        before = browser.run(left)
        browser.wait_for(left, lambda now: now != before)
        for width in (360, 768, 1440, 1920):
            browser.size(width, 900)
            # Charts that are drawn follow the width a moment later.
            browser.wait_for(
                "document.documentElement.scrollWidth", lambda found, width=width: found <= width
            )
        browser.leave()
        assert browser.complaints() == []
    feeder.close()


def hold_days(feeder, *, last_over=True):
    """What the daemon writes of a week: each day against the expected, the last one far above it."""
    now = datetime.fromtimestamp(feeder.now_ms / 1000, tz=ZONE)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    for back in range(7, 0, -1):
        expected = 30_000.0 if (midnight - timedelta(days=back)).weekday() < 5 else 18_000.0
        actual = expected * (1.09 if back == 1 and last_over else 0.985 + 0.004 * back)
        data = {
            "actual": actual, "expected": expected, "low": 0.955 * expected, "high": 1.045 * expected,
            "difference": actual - expected, "cumulative": -41_250.0, "cumulative_half_width": 18_400.0,
            "model": "TOWT", "unit": "kWh",
        }  # fmt: skip
        at_s = int((midnight - timedelta(days=back)).timestamp())
        rows.append(ResultRow("expected", "electricity", at_s, data))
    day = (midnight - timedelta(days=1)).date().isoformat()
    data = {
        "kind": "step", "commodity": "electricity", "day": day, "found": day, "percent": 8.2,
        "half_width_percent": 1.9, "per_day": 2460, "unit": "kWh",
    }  # fmt: skip
    error = {"code": "savings.change_step", "data": data}
    condition = ConditionRow("expected/electricity", "changed", feeder.now_ms, error)
    submit_and_wait(feeder.writer, Commit(results=rows, conditions=[condition]))
    return day


@pytest.mark.parametrize(("language", "words"), [("zh-TW", "用電與預期相比"), ("en", "what was expected")])
def test_days_stand_beside_what_was_expected_and_a_change_is_asked_about(browser, feeder, language, words):
    card = "document.querySelector('.week')"
    with served(feeder.site_file, SystemClock()) as page:
        browser.open(f"{page.url}?lang={language}")
        browser.wait_for(DRAWN)
        assert browser.run(f"{card}.checkVisibility()") is False
        day = hold_days(feeder)
        browser.wait_for(f"{card}.dataset.state", lambda state: state == "less")
        assert words in browser.run(f"{card}.textContent")
        assert "41,250" in browser.run(f"{card}.textContent")
        assert browser.run(f"{card}.querySelectorAll('.held').length") == 7
        assert browser.run(f"{card}.querySelector('.held').dataset.state") == "over"
        assert "+9.0 %" in browser.run(f"{card}.querySelector('.held-percent').textContent")
        assert day in browser.run("document.querySelector('#notices').textContent")
        browser.size(360, 900)
        browser.open(f"{page.url}?lang={language}")
        browser.wait_for(DRAWN)
        assert browser.run("document.documentElement.scrollWidth") <= 360
        browser.leave()
        assert browser.complaints() == []
