import gzip
import re
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from config.words import catalogue
from monitor.web import charts
from monitor.web.guard import allowed_hosts, is_allowed
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.browser.serving import StillClock, events, served

ROOT = Path(__file__).parents[2]
NOW_MS = int(datetime(2026, 11, 23, 13, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    feeder = Feeder(tmp_path_factory.mktemp("page"), NOW_MS, Faults(days=1))
    feeder.open()
    with served(feeder.site_file, StillClock(NOW_MS)) as running:
        yield running
    feeder.close()


def test_the_page_has_its_values_without_any_script(page):
    answer = page.get("/")
    power = page.get("/api/v1/live").json()["power"]["value"]
    assert answer.status == 200
    assert f'data-r="power" data-none="no">{power:,.0f}<' in answer.text
    assert "臺北市政大樓" in answer.text
    assert "1,250" in answer.text


def test_every_answer_carries_the_strict_policy(page):
    for path in ("/", "/api/v1/live", "/healthz", "/nowhere"):
        headers = page.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"


def test_nothing_in_the_page_is_inline_or_foreign(page):
    text = page.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", text)
    for address in re.findall(r"(?:src|href)=\"([^\"]*)\"", text):
        assert address.startswith(("/", "#"))
        assert not address.startswith("//")


def test_the_wished_language_is_remembered(page):
    first = page.get("/?lang=en")
    assert "Taipei City Hall" in first.text
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie == "language=en"
    assert "Taipei City Hall" in page.get("/", cookie=cookie).text
    assert "set-cookie" not in page.get("/?lang=xx").headers
    assert "臺北市政大樓" in page.get("/?lang=zh-TW", cookie=cookie).text


def test_a_foreign_host_is_refused(page):
    for host in ("evil.example", "evil.example:8090", "localhost.evil.example", ""):
        answer = page.get("/", host=host)
        assert answer.status == 421
        assert "content-security-policy" in answer.headers
    for host in ("localhost", f"LOCALHOST:{page.port}", "127.0.0.1", "[::1]:8090", "192.0.2.7:8090"):
        assert page.get("/healthz", host=host).status == 200


def test_configured_names_are_allowed():
    hosts = allowed_hosts("energy.city.example", ("Wall.City.example",))
    assert is_allowed("energy.city.example:8090", hosts)
    assert is_allowed("wall.city.example", hosts)
    assert not is_allowed("city.example", hosts)


def test_static_files_are_kept_for_ever_under_their_content(page):
    found = re.findall(r"/static/page\.[0-9a-f]{12}\.css", page.get("/").text)
    plain, packed = page.get(found[0]), page.get(found[0], accept_encoding="gzip, br")
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"] == "text/css; charset=utf-8"
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert page.get("/static/page.css").status == 404
    assert page.get("/static/..%2f..%2fapp.py").status == 404


def test_the_snapshot_has_everything_as_numbers(page):
    live = page.get("/api/v1/live").json()
    assert live["site"] == "city-hall"
    assert live["contract_kw"] == 1250.0
    assert live["power"]["unit"] == "kW"
    assert live["power"]["quality"] == "good"
    assert live["power"]["at"].endswith("+00:00")
    window = live["window"]
    assert window["headroom_kw"] == pytest.approx(1250 - window["projected_kw"])
    assert live["plant"]["efficiency"] == {
        "value": None, "unit": "kW/RT", "quality": "missing", "at": None, "stale": False
    }  # fmt: skip
    assert [one["device"] for one in live["plant"]["chillers"]] == ["ch-1", "ch-2", "ch-3"]
    assert {one["condition"] for one in live["devices"]} == {"online"}


@pytest.mark.parametrize("name", charts.CHARTS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_read_only_rows_that_are_sent(page, name, theme):
    answer = page.get(f"/api/v1/chart/{name}?theme={theme}&lang=zh-TW").json()
    named = {layer["data"]["name"] for layer in answer["spec"]["layer"]}
    assert named == set(answer["rows"])
    assert "url" not in str(answer["spec"]["layer"])


def test_the_days_chart_holds_the_contract_and_the_highest_mean(page):
    rows = page.get("/api/v1/chart/power?lang=zh-TW").json()["rows"]
    assert rows["contract"] == [{"kw": 1250.0, "label": "契約容量 1,250\u00a0kW"}]
    assert rows["highest"][0]["kw"] == max(row["kw"] for row in rows["today"])
    assert rows["today"][-1]["h"] == 13.0
    assert rows["base"][0]["h"] == pytest.approx(0.125)


def test_an_unknown_chart_names_the_known_ones(page):
    answer = page.get("/api/v1/chart/pie?lang=en")
    assert answer.status == 404
    assert page.get("/api/v1/chart/power?theme=pink").status == 422


def test_the_stream_begins_with_everything(page):
    with page.stream("/api/v1/stream?lang=en") as answer:
        assert answer.getheader("content-type").startswith("text/event-stream")
        assert answer.readline() == b"retry: 2000\n"
        first = next(events(answer))
    assert first["now"] == NOW_MS
    assert first["f"]["t.window_title"] == "15-minute demand"
    assert first["f"]["h.devices"].count("<li") == 10
    assert set(first["f"]) == set(page.app.state.page.hub.page("en").fields)


def test_the_stream_then_sends_only_what_changed(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1))
    feeder.open()
    clock = StillClock(NOW_MS)
    with served(feeder.site_file, clock) as running, running.stream("/api/v1/stream?lang=en") as answer:
        stream = events(answer)
        first = next(stream)
        feeder.second()
        clock.at_ms += 1000
        second = next(stream)
    feeder.close()
    assert second["now"] == NOW_MS + 1000
    assert second["f"]["r.power"] != first["f"]["r.power"]
    assert "t.window_title" not in second["f"]
    assert "h.devices" not in second["f"]


def test_before_there_is_a_store_the_page_waits_in_words(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS)
    with served(feeder.site_file, StillClock(NOW_MS)) as running:
        text = running.get("/?lang=en").text
        assert 'data-page="waiting"' in text
        assert "Waiting for the monitor" in text
        assert "there is no store yet" in text
        assert running.get("/healthz").json()["store"] == "store.missing"


def test_text_of_others_is_never_markup(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1))
    text = feeder.site_file.read_text("utf-8").replace("Main board 1", "<b onclick=x>&")
    feeder.site_file.write_text(text, "utf-8")
    feeder.open()
    with served(feeder.site_file, StillClock(NOW_MS)) as running:
        page = running.get("/?lang=en").text
        shown = running.app.state.page.hub.page("en").fields["h.devices"]
    feeder.close()
    assert "<b onclick" not in page + shown
    assert "&lt;b onclick=x&gt;&amp;" in page


def test_every_text_of_the_page_is_used_and_there():
    known = {key.removeprefix("page.") for key in catalogue("en") if key.startswith("page.")}
    folder = ROOT / "monitor" / "web"
    sources = "".join(
        path.read_text("utf-8")
        for path in [*folder.glob("*.py"), *(folder / "templates").iterdir(), ROOT / "monitor/cli/serve.py"]
    )
    made = {f"quality_{name}" for name in ("good", "estimated", "suspect", "missing", "partial", "stale")}
    made |= {f"condition_{name}" for name in ("online", "degraded", "doubtful", "offline", "waiting")}
    made |= {"half_less", "half_more", "half_same", "half_title_1", "half_title_2"}
    made |= {f"weekday_{number}" for number in range(1, 8)}
    asked = set(re.findall(r"(?:say|words|self)\(\s*['\"](?:page\.)?([a-z0-9_]+)['\"]", sources))
    asked |= set(re.findall(r"\"page\.([a-z0-9_]+)\"", sources)) | made
    asked |= set(re.findall(r"[\"']((?:age|half|window|chiller|plant)_[a-z0-9_]+)[\"']", sources)) & known
    assert known - asked == set()


def eventually(found, wanted):
    """Ask again until it is so; the page looks once a second."""
    for _ in range(900):
        if found() == wanted:
            return
        time.sleep(0.1)
    assert found() == wanted


def test_a_step_that_fails_is_told_and_the_next_one_goes_on(tmp_path, caplog):
    """A scan of a layout that nobody knows: no error of the disk, so nothing foresees it."""
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1))
    feeder.open()
    clock = StillClock(NOW_MS)
    with served(feeder.site_file, clock) as running:
        assert running.get("/healthz").json()["status"] == "ok"
        with closing(sqlite3.connect(tmp_path / "energy.db")) as store, store:
            store.execute("INSERT INTO scans VALUES (?, 999, ?, x'', x'')", (feeder.next_id, NOW_MS))
        eventually(lambda: len(caplog.records), 1)
        clock.at_ms += 11_000
        eventually(
            lambda: (running.get("/healthz").status, running.get("/healthz").json()["status"]), (503, "stuck")
        )
        eventually(lambda: "The page cannot follow the store" in running.get("/?lang=en").text, True)
        with closing(sqlite3.connect(tmp_path / "energy.db")) as store, store:
            store.execute("DELETE FROM scans WHERE layout_id = 999")
        eventually(lambda: running.get("/healthz").status, 200)
        eventually(lambda: "The page cannot follow the store" in running.get("/?lang=en").text, False)
    feeder.close()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the page could not follow the store and tries again each second"
    ]


def test_each_value_of_a_chiller_carries_its_age_and_quality(page):
    text = page.get("/?lang=en").text
    marks = re.findall(r'data-mark="([^"]+)"[^>]* title="([^"]+)"', text)
    wanted = {f"chiller-ch-{n}-{name}" for n in (1, 2, 3) for name in ("load", "power", "temps")}
    told = dict(marks)
    assert set(told) == wanted | {"used", "mean", "projected", "highest"}
    assert told["chiller-ch-1-power"] == "Power: good, 0 s ago"
    assert told["used"] == "Used so far: good, 0 s ago"
    assert told["highest"].startswith("Highest demand today: good, ")
