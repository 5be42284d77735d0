"""The logbook's page over a real socket: shown without a script, written with a key, and guarded."""

import contextlib
import http.client
import re
import threading
import time
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from monitor.keys import new_key
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.requests import RequestBox
from monitor.web import logbook
from tests.browser.serving import PATIENCE_S, Answer, StillClock, served

ZONE = ZoneInfo("Asia/Taipei")
NOW_MS = 1000 * int(datetime(2018, 3, 2, 9, 0, tzinfo=ZONE).timestamp())
KEY, KNOWN_BY = new_key()
SITE = f"""
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
commodities:
  vehicle_fuel: {{base_year: 2015, plausible: {{most_a_day: 400}}}}
  water: {{base_year: 2016}}
page: {{loggers: [{{id: wang, key: '{KNOWN_BY}'}}]}}
"""
SLIP = {
    "kind": "quantity", "subject": "vehicle_fuel", "day": "2018-03-01", "figure": "45.2", "source": "slip 12",
    "name": "wang", "key": KEY,
}  # fmt: skip


class Browser:
    """A browser without scripts: it keeps cookies and sends forms."""

    def __init__(self, page):
        self.page = page
        self.cookies = {}

    def ask(self, method, path, body=None, **headers):
        """One request; cookies are kept."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.page.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())

    def get(self, path="/log"):
        return self.ask("GET", path)

    def outcome(self, sent, more=""):
        """The page after a form was sent, loaded again as it asks for until the daemon has answered."""
        deadline_s = time.monotonic() + PATIENCE_S
        while "It is in the request box" in (text := self.get(sent.headers["location"] + more).text):
            assert time.monotonic() < deadline_s, text
            time.sleep(0.05)
        return text

    def send(self, fields, **headers):
        """Load the page, fill its form in and send it."""
        (token,) = re.findall(r'name="token" value="([^"]*)"', self.get().text)
        body = urlencode({"token": token, **fields})
        kind = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        return self.ask("POST", "/log", body, **kind)


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, "utf-8")
    return path


@pytest.fixture
def page(site):
    with served(site, StillClock(NOW_MS)) as running:
        yield running


@pytest.fixture
def browser(page):
    return Browser(page)


@pytest.fixture
def daemon(site):
    """What the daemon does with the request box."""
    ended = threading.Event()

    def run():
        with writing(site.parent / "energy.db") as engine:
            box = RequestBox(site.parent / "energy.db")
            while not ended.wait(0.05):
                box.take_up(engine, "hall")
            box.close()

    with writing(site.parent / "energy.db"):
        pass
    thread = threading.Thread(target=run)
    thread.start()
    yield
    ended.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def rows(site):
    reader = StoreReader.open(site.parent / "energy.db", "hall")
    try:
        return [(one.kind, one.subject, one.figure, one.who) for one in reader.logbook.rows()]
    finally:
        reader.close()


def test_a_slip_is_written_by_the_daemon_and_signed(site, browser, daemon):
    answer = browser.send(SLIP)
    assert answer.status == 303
    assert re.fullmatch(r"/log\?done=\d+", answer.headers["location"])
    shown = browser.outcome(answer)
    assert "Written down: slip no. 1; the day has 45.2." in shown
    assert "slip 12" in shown
    assert rows(site) == [("slip", "vehicle_fuel", 45.2, "wang"), ("quantity", "vehicle_fuel", 45.2, "wang")]
    chinese = browser.get(answer.headers["location"] + "&lang=zh-TW").text
    assert "已寫入：單據編號 1" in chinese
    assert 'lang="zh-Hant-TW"' in chinese


def test_a_slip_that_is_sent_twice_counts_once_until_a_box_is_ticked(site, daemon):
    clock = StillClock(NOW_MS)
    with served(site, clock) as running:
        browser = Browser(running)
        assert 'name="again"' not in browser.outcome(browser.send(SLIP))
        clock.at_ms += 60_000
        sent = browser.send(SLIP)
        refused, told = sent.headers["location"], browser.outcome(sent)
        assert "a slip of 45.2 L from slip 12 stands already, no. 1, written down by wang" in told
        assert "tick the box" in told
        assert "--again" not in told
        assert '<input type="checkbox" name="again" value="yes">' in told
        assert 'name="figure" required inputmode="decimal" maxlength="40" value="45.2"' in told
        assert "勾選" in browser.get(refused + "&lang=zh-TW").text
        assert [figure for kind, _, figure, _ in rows(site) if kind == "quantity"] == [45.2]
        clock.at_ms += 60_000
        done = browser.send({**SLIP, "again": "yes"})
        assert "the day has 90.4" in browser.outcome(done, "&lang=en")


def test_a_register_that_would_go_back_is_told_in_words(site, browser, daemon):
    reading = {**SLIP, "kind": "reading", "subject": "water", "figure": "100", "source": "Wang"}
    assert "the register stands at 100" in browser.outcome(browser.send(reading))
    back = browser.send({**reading, "day": "2018-03-02", "figure": "90"})
    told = browser.outcome(back)
    assert "the register of water would go back, from 100 m3 on 2018-03-01 to 90 m3" in told
    assert 'data-level="bad"' in told
    assert rows(site) == [("reading", "water", 100.0, "wang")]


def test_without_a_daemon_it_waits_in_the_box(monkeypatch, site, browser):
    monkeypatch.setattr(logbook, "ANSWER_WITHIN_S", 0.2)
    assert "There is no store yet" in browser.get().text
    answer = browser.send(SLIP)
    assert "It is in the request box" in browser.get(answer.headers["location"]).text
    with writing(site.parent / "energy.db") as engine:
        box = RequestBox(site.parent / "energy.db")
        assert box.take_up(engine, "hall") == 1
        box.close()
    assert "slip no. 1" in browser.get(answer.headers["location"]).text


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"key": "guessed"}, 403, "Name and key do not belong together."),
        ({"name": "lin"}, 403, "Name and key do not belong together."),
        ({"figure": "45,2"}, 422, "Figure: &#39;45,2&#39; is not a number."),
        ({"figure": "401"}, 303, ""),
        ({"day": "2018-03-03"}, 422, "is not there yet (today is 2018-03-02)"),
        ({"subject": "gas"}, 422, "no commodity and no meter"),
        ({"source": ""}, 422, "is empty"),
        ({"kind": "guess"}, 422, "Give one figure"),
        ({"token": "another"}, 403, "did not come from this page"),
        ({"source": "x" * 9000}, 413, "too much for a form"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(site, browser, daemon, wrong, status, words):
    answer = browser.send({**SLIP, **wrong})
    assert answer.status == status
    assert words in answer.text
    assert KEY not in answer.text
    assert rows(site) == []
    if status == 422:
        assert 'value="wang"' in answer.text  # what was typed is there again, but the key
    if status == 303:
        told = browser.outcome(answer)
        assert "401 L a day from 2018-03-01 to 2018-03-01 is more than can be (400)" in told


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain"},
        {"Host": "evil.example"},
    ],
)
def test_a_form_of_another_page_is_not_taken(site, browser, daemon, headers):
    assert browser.send(SLIP, **headers).status in (403, 421)
    assert rows(site) == []


def test_a_form_without_the_cookie_is_not_taken(site, page, daemon):
    browser = Browser(page)
    body = urlencode({**SLIP, "token": ""})
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert browser.ask("POST", "/log", body, **kind).status == 403
    assert browser.ask("POST", "/log", b"\xff\xfe", **kind).status == 403
    assert rows(site) == []


def test_whoever_guesses_is_turned_away_for_a_while(site, browser, daemon):
    for _ in range(logbook.MOST_WRONG):
        assert browser.send({**SLIP, "key": "guessed"}).status == 403
    assert browser.send(SLIP).status == 429
    assert rows(site) == []


def test_the_page_is_guarded_as_the_live_page_is(browser):
    answer = browser.get()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|<style", answer.text)
    assert "does not know number 99" in browser.get("/log?done=99").text


def test_nobody_writes_where_nobody_may(site):
    site.write_text(SITE.partition("page:")[0], "utf-8")
    with served(site, StillClock(NOW_MS)) as running:
        browser = Browser(running)
        text = browser.get().text
        assert "Nobody may write here yet." in text
        assert "<form" not in text
        token = browser.cookies[logbook.TOKEN]
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        body = urlencode({**SLIP, "token": token})
        assert browser.ask("POST", "/log", body, **kind).status == 403
