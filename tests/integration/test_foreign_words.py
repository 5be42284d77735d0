"""What devices and servers say is shown as it came: square brackets are no markup, and steer nothing."""

import pytest

from monitor.cli.check import run_check
from monitor.cli.status import run_status
from monitor.store.database import WriterLock, open_writer
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer, submit_and_wait
from tests.servers import Answer, scripted_http

SITE = """
site: {{id: hall, name: {{zh-TW: "大樓[/b]", en: "Hall [/b]"}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
buses:
  - id: broker
    kind: mqtt
    host: 127.0.0.1
    devices: [{{id: water-main, profile: json_water_meter, topic: a/b}}]
sinks: [{{kind: influxdb, id: city, url: "{url}", org: o, bucket: b}}]
"""
NO_DEVICES = """
site: {{id: hall, name: {{zh-TW: 大樓, en: Hall}}, timezone: Asia/Taipei, language: en}}
sinks: [{{kind: influxdb, id: city, url: "{url}", org: o, bucket: b}}]
"""
WIRE = "offline [/b] 12 [red]x"


@pytest.fixture
def site(tmp_path):
    def written(text, url="http://127.0.0.1:1"):
        path = tmp_path / "site.yaml"
        path.write_text(text.format(url=url), encoding="utf-8")
        return path

    return written


def conditions(store, *rows):
    engine = open_writer(store)
    writer = Writer(engine, "hall")
    writer.start()
    submit_and_wait(writer, Commit(conditions=rows))
    writer.close()
    engine.dispose()


def test_status_shows_the_words_of_the_wire(site, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    where = {"address": "b:1", "device": "water-main"}
    garbled = {"code": "payload.not_json", "data": {**where, "topic": "a/b", "sample": WIRE}}
    file = site(SITE)
    refused = {
        "code": "sink.unreachable",
        "data": {"sink": "city", "address": "a:1", "reason": f"\x1b[2J{WIRE}"},
    }
    conditions(
        tmp_path / "energy.db",
        ConditionRow("water-main", "degraded", 1, garbled),
        ConditionRow("sink/city", "holding", 1, refused),
    )
    assert run_status(file, "en", as_json=False) == 1
    shown = capsys.readouterr().out
    assert shown.count(WIRE) == 2
    assert "Hall [/b]" in shown
    assert "\x1b[2J" not in shown


def test_status_says_that_the_daemon_keeps_trying_and_only_then(site, tmp_path, capsys):
    file, store = site(SITE), tmp_path / "energy.db"
    conditions(store, ConditionRow("water-main", "offline", 1, None))
    assert run_status(file, "en", as_json=False) == 1
    assert "keeps trying" not in capsys.readouterr().out
    lock = WriterLock(store)
    lock.acquire()
    try:
        assert run_status(file, "en", as_json=False) == 1
        assert "keeps trying" in capsys.readouterr().out
    finally:
        lock.release()


def test_check_shows_a_servers_words_and_counts_sinks_apart(site, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    with scripted_http() as server:
        server.script(Answer(400, body=b'{"message": "bad [/b] [red]line"}'))
        assert run_check(site(NO_DEVICES, server.url), "en", probe=True, as_json=False) == 1
    shown = capsys.readouterr().out
    assert "bad [/b] [red]line" in shown
    assert "1 of 1 sinks are not in order" in shown
    assert "of 1 devices" not in shown
