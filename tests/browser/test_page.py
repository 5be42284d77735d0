import pytest

from monitor.clock import SystemClock
from tests.browser.devtools import Browser
from tests.browser.make_store import Faults, Feeder
from tests.browser.serving import served

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
