"""The demo as a newcomer meets it: one command, one address, one Ctrl-C, and nothing left behind."""

import json
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from monitor.store.database import WriterLock
from tests.servers import PATIENCE_S, free_port, run_program

pytest.importorskip("amqtt", reason="the demo's broker comes with the extra [demo]")


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that work on this demo."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def demo(folder: Path, port: int, *options: str):
    command = [sys.executable, "-m", "monitor.cli.main", "demo", "--dir", folder, "--port", str(port)]
    return run_program([*command, *options], name="demo")


def live(port: int) -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/live", timeout=PATIENCE_S) as response:
        return json.load(response)


def wait_for_power(port: int) -> dict:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        shown = live(port)
        power = shown["power"]
        if power["value"] is not None and not power["stale"]:
            return shown
        time.sleep(0.3)
    raise AssertionError(f"no live power: {live(port)}")


def test_the_demo_shows_a_living_building_and_ends_whole(tmp_path):
    folder, port = tmp_path / "demo", free_port()
    with demo(folder, port) as running:
        running.wait_for_line(rf"http://127\.0\.0\.1:{port}/", timeout_s=300)
        shown = wait_for_power(port)
        assert 500 < shown["power"]["value"] < 6000
        half = shown["half_years"]["electricity"]
        assert half["base_year"] == 2015
        assert half["days"] == half["compared"]  # the past of both years is there
        command = [sys.executable, "-m", "monitor.cli.main", "report", str(half["year"])]
        site = ["--site", folder / "site.yaml", "--json"]
        with run_program([*command, *site], name="report") as report:
            assert report.wait() == 0
        assert "electricity" in report.output
        assert len(left_behind(folder)) >= 5
        with demo(folder, free_port()) as second:
            assert second.wait() == 2
        assert "runs in" in second.output
        assert live(port)["power"]["value"] > 500  # and the first lives on
        running.interrupt()
        assert running.wait() == 0
    assert left_behind(folder) == []

    # A store that somebody else may want is never thrown away.
    (folder / "demo-store").unlink()
    with demo(folder, port) as refused:
        assert refused.wait() == 2
    assert "--dir" in refused.output

    # By itself after a while.
    (folder / "demo-store").touch()
    with demo(folder, port, "--for", "2s") as short:
        assert short.wait(300) == 0
    assert left_behind(folder) == []


def test_the_demo_says_what_is_wrong(tmp_path):
    with demo(tmp_path / "demo", free_port(), "--for", "soon") as wrong:
        assert wrong.wait() == 2
    assert "30s" in wrong.output


def test_the_fill_ends_with_the_demo(tmp_path):
    folder = tmp_path / "demo"
    with demo(folder, free_port()) as running:
        deadline = time.monotonic() + PATIENCE_S
        while not any("monitor.cli.past" in words for words in left_behind(folder)):
            assert time.monotonic() < deadline, running.output
            time.sleep(0.01)
        running.interrupt()
        assert running.wait() == 0
        running.wait_for_children()
    assert left_behind(folder) == []
    assert "is ready" not in running.output


def test_a_store_that_a_daemon_writes_to_is_left_to_it(tmp_path):
    (tmp_path / "demo-store").touch()
    store = tmp_path / "energy.db"
    store.touch()
    lock = WriterLock(store)
    lock.acquire()
    try:
        with demo(tmp_path, free_port()) as refused:
            assert refused.wait() == 2
        assert "--dir" in refused.output
        assert store.exists()
    finally:
        lock.release()
