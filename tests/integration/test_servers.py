"""Each of the real servers does what tests rely on."""

import asyncio
import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests import servers
from tests.servers import PATIENCE_S, Answer

LINE = b"energy_interval,site=hall,meter=main kwh=12.5,quality=0 "


def post(url: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    """Status and body of a POST, whatever the status."""
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def write(server: servers.InfluxDB1 | servers.VictoriaMetrics, body: bytes, precision: Any = "s") -> None:
    """Write as the product does: with the real client."""

    async def once() -> None:
        async with InfluxDBClientAsync(url=server.url, token="t", org="o", enable_gzip=True) as client:
            assert await client.write_api().write("energy", "o", body, write_precision=precision) is True

    asyncio.run(once())


def subscriber(broker: servers.Mosquitto, got: list[str], news: threading.Event) -> mqtt.Client:
    """Connect a client whose session outlives it."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, "keeps", clean_session=False, protocol=MQTTProtocolVersion.MQTTv311
    )
    client.on_connect = lambda c, *_: c.subscribe("meter/#", qos=1)
    client.on_subscribe = lambda *_: news.set()

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        got.append(message.payload.decode())
        news.set()

    client.on_message = on_message
    client.connect(broker.host, broker.port)
    client.loop_start()
    return client


def publish(broker: servers.Mosquitto, text: str) -> None:
    """Publish at QoS 1 and wait for the acknowledgement."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    client.publish("meter/main", text, qos=1).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def test_mosquitto_keeps_sessions_and_port_over_a_restart(mosquitto):
    got: list[str] = []
    news = threading.Event()
    client = subscriber(mosquitto, got, news)
    assert news.wait(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
    publish(mosquitto, "while away")
    port = mosquitto.port
    mosquitto.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((mosquitto.host, port), timeout=1)
    mosquitto.start()
    assert mosquitto.port == port
    news.clear()
    client = subscriber(mosquitto, got, news)
    until_s = time.monotonic() + PATIENCE_S
    while not got and time.monotonic() < until_s:
        news.wait(0.1)
    client.disconnect()
    client.loop_stop()
    assert got == ["while away"]


def test_mosquitto_comes_back_after_kill_9(mosquitto):
    mosquitto.kill()
    mosquitto.start()
    publish(mosquitto, "again")


def test_victoria_metrics_gives_back_what_was_written(victoria_metrics):
    write(victoria_metrics, LINE + b"1500000900\n" + LINE + b"1500000000\n")
    (series,) = victoria_metrics.export('energy_interval_kwh{meter="main"}')
    assert series["metric"]["site"] == "hall"
    assert series["timestamps"] == [1_500_000_000_000, 1_500_000_900_000]
    assert series["values"] == [12.5, 12.5]
    assert victoria_metrics.export("energy_interval_kwh", start_s=1_500_001_000) == []


def test_victoria_metrics_keeps_its_data_over_a_restart(victoria_metrics):
    write(victoria_metrics, LINE + b"1500000000\n")
    victoria_metrics.stop()
    victoria_metrics.start()
    assert victoria_metrics.export("energy_interval_kwh")[0]["values"] == [12.5]


@pytest.mark.parametrize(("precision", "second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_influxdb_takes_every_precision_of_version_2(influxdb1, precision, second):
    write(influxdb1, LINE + str(1_500_000_000 * second).encode(), precision)
    assert influxdb1.query("SELECT kwh, meter FROM energy_interval") == [
        {"time": 1_500_000_000 * 10**9, "kwh": 12.5, "meter": "main"}
    ]


def test_influxdb_overwrites_a_replay_and_survives_kill_9(influxdb1):
    write(influxdb1, LINE + b"1500000000")
    write(influxdb1, LINE.replace(b"12.5", b"13") + b"1500000000")
    influxdb1.kill()
    with pytest.raises(urllib.error.URLError):
        post(influxdb1.url, b"")
    influxdb1.start()
    assert [row["kwh"] for row in influxdb1.query("SELECT kwh FROM energy_interval")] == [13]


def test_influxdb_refuses_as_version_2_does(tmp_path):
    with servers.influxdb1(tmp_path, token="secret", max_body_bytes=2000) as server:
        url = f"{server.url}/api/v2/write?org=o&precision=s&bucket="
        pass_on = {"Authorization": "Token secret"}
        line = LINE + b"1500000000\n"
        assert post(url + "energy", line)[0] == 401
        assert post(url + "energy", line, **pass_on) == (204, b"")
        assert post(url + "nowhere", line, **pass_on)[0] == 404
        assert post(url + "energy", line * 100, **pass_on)[0] == 413
        status, words = post(url + "energy", b"not a line\n" + line, **pass_on)
        assert (status, b'"invalid"' in words, b"not a line" in words) == (400, True, True)
        status, words = post(url + "energy", LINE.replace(b"12.5", b'"text"') + b"1500000001", **pass_on)
        assert (status, b"unprocessable entity" in words, b"dropped=1" in words) == (422, True, True)
        assert post(f"{server.url}/api/v2/write?bucket=energy&precision=m", line, **pass_on)[0] == 400
        assert len(server.query("SELECT kwh FROM energy_interval")) == 1


def test_the_client_sees_the_front_as_version_2(influxdb1):
    async def wrong_type() -> None:
        seconds: Any = WritePrecision.S
        async with InfluxDBClientAsync(url=influxdb1.url, token="t", org="o") as client:
            text = LINE.replace(b"12.5", b'"text"') + b"1500000001"
            await client.write_api().write("energy", "o", text, write_precision=seconds)

    write(influxdb1, LINE + b"1500000000")
    with pytest.raises(ApiException) as caught:
        asyncio.run(wrong_type())
    assert caught.value.status == 422


def test_scripted_answers_come_in_order_and_requests_are_kept(scripted_http):
    scripted_http.script(Answer(429, {"Retry-After": "7"}, b"slow down"), servers.CAPTIVE_PORTAL)
    url = f"{scripted_http.url}/api/v2/write?bucket=b&precision=s"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, data=b"one", timeout=PATIENCE_S)
    with caught.value as error:
        assert (error.code, error.headers["Retry-After"], error.read()) == (429, "7", b"slow down")
    status, page = post(url, gzip.compress(b"two\nthree"), **{"Content-Encoding": "gzip"})
    assert (status, b"WiFi" in page) == (200, True)
    assert post(url, b"four") == (204, b"")
    first, second, third = scripted_http.wait_for_requests(3)
    assert (first.method, first.path, first.query["bucket"]) == ("POST", "/api/v2/write", "b")
    assert (first.body, second.lines, third.body) == (b"one", ["two", "three"], b"four")


def raw_post(server: servers.ScriptedHttp) -> socket.socket:
    """Send a small request; the caller reads what comes, if anything."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    connection.sendall(b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
    return connection


def test_scripted_faults(scripted_http):
    scripted_http.script(Answer(fault="reset"))
    with raw_post(scripted_http) as connection, pytest.raises(ConnectionResetError):
        connection.recv(100)
    scripted_http.script(Answer(fault="hang_up"))
    with raw_post(scripted_http) as connection:
        assert connection.recv(100) == b""
    scripted_http.script(Answer(200, body=b"0123456789", fault="half"))
    with raw_post(scripted_http) as connection:
        answer = b"".join(iter(lambda: connection.recv(100), b""))
        assert answer.endswith(b"\r\n\r\n01234")
    scripted_http.script(Answer(drip_s=1.0))
    with raw_post(scripted_http) as connection:
        # Never the whole at once; how much of it has come says only how long this test stood still.
        assert b"HTTP/1.1 204 No Content\r\n".startswith(connection.recv(100))
    for fault in ("hang", "deaf"):
        scripted_http.script(Answer(fault=fault))
        with raw_post(scripted_http) as connection:
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(100)
            if fault == "hang":
                scripted_http.wait_for_requests(5)  # in the order of the questions, however late
    # The deaf answer read no request; all others did.
    assert [request.answer.fault for request in scripted_http.requests] == [
        "reset",
        "hang_up",
        "half",
        None,
        "hang",
    ]


def test_a_stopped_scripted_server_refuses_and_comes_back_on_its_port(scripted_http):
    scripted_http.otherwise = Answer(fault="hang")
    with raw_post(scripted_http) as connection:
        scripted_http.wait_for_requests(1)
        scripted_http.stop()
        assert connection.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        raw_post(scripted_http)
    scripted_http.otherwise = Answer()
    scripted_http.start()
    assert post(scripted_http.url, b"") == (204, b"")


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended; its parent may not have looked yet."""
    for _ in range(9000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_program_is_ended_with_its_children_even_when_the_test_fails():
    pids: list[int] = []

    def failing_test() -> None:
        with servers.run_program([sys.executable, "-c", PARENT], covered=False) as program:
            pids.extend([program.pid, int(program.wait_for_line(r"^child (\d+)$")[1])])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_children_that_outlive_their_parent_are_seen():
    with servers.run_program([sys.executable, "-c", PARENT], covered=False) as program:
        child = int(program.wait_for_line(r"^child (\d+)$")[1])
        program.kill()
        assert program.children_left()
        os.kill(child, signal.SIGKILL)
        assert program.wait_for_children()
        assert program.exit_code == -signal.SIGKILL


def test_ctrl_c_reaches_the_whole_group():
    with servers.run_program(
        [sys.executable, "-c", PARENT], covered=False, traceback_is_fine=True
    ) as program:
        program.wait_for_line("^child")
        program.interrupt()
        assert program.wait() != 0
        assert program.wait_for_children()


def test_a_traceback_fails_the_test():
    with (
        pytest.raises(AssertionError, match="printed a traceback"),
        servers.run_program([sys.executable, "-c", "1 / 0"], name="divider") as program,
    ):
        program.wait()


def test_a_missing_line_says_what_came_instead():
    with (
        servers.run_program([sys.executable, "-c", "print('something else')"]) as program,
        pytest.raises(AssertionError, match="something else"),
    ):
        program.wait_for_line("never")


def test_a_missing_server_skips_on_a_laptop_and_fails_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install nothing-such"):
        servers.require_program("no-such-server", "nothing-such")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install nothing-such"):
        servers.require_program("no-such-server", "nothing-such")


def test_the_last_lines_of_a_run_name_the_missing_servers(tmp_path):
    root = Path(__file__).parents[2]
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_it.py").write_text(
        "from tests import servers as s\ndef test_it(): s.require_program('no-such', 'nothing-such')\n"
    )
    arguments = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        str(folder),
    ]
    outcome = subprocess.run(
        [*arguments, f"--rootdir={tmp_path}", "-c", os.devnull],
        env={key: value for key, value in os.environ.items() if key != "CI"} | {"PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "SERVERS MISSING" in outcome.stdout, outcome.stdout + outcome.stderr
    assert "no-such (apt-get install nothing-such): 1 test skipped" in outcome.stdout


def test_the_browser_shows_a_page(chromium, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><p>契約容量</p><script>document.title = 2 * 21</script>")
    outcome = subprocess.run(
        [
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "<title>42</title>" in outcome.stdout
    assert "契約容量" in outcome.stdout


@pytest.mark.parametrize(
    ("program", "package"),
    [("postgres", "postgresql"), ("socat", "socat"), ("mbpoll", "mbpoll"), ("gcc", "gcc")],
)
def test_the_other_programs_are_found(program, package):
    path = servers.require_program(program, package)
    assert os.access(path, os.X_OK)
