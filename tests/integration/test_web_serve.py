import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from monitor.cli.serve import run_serve
from monitor.clock import SystemClock
from tests.browser.make_store import Faults, Feeder
from tests.browser.serving import Served, events

ROOT = Path(__file__).parents[2]


def test_serve_says_where_and_ends_on_a_signal_with_a_stream_open(tmp_path):
    feeder = Feeder(tmp_path, SystemClock().now_ms(), Faults(days=1))
    feeder.open()
    code = (
        "import sys; from pathlib import Path; from monitor.cli.serve import run_serve; "
        "sys.exit(run_serve(Path(sys.argv[1]), '127.0.0.1', 0, 'en'))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(feeder.site_file)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stderr.readline()
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", line)[0])
        with Served(port, None).stream("/api/v1/stream") as answer:
            next(events(answer))
            process.send_signal(signal.SIGTERM)
            assert process.wait(90) == 0
            assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        feeder.close()


def test_a_port_in_use_is_told_in_words(tmp_path, capsys):
    feeder = Feeder(tmp_path, SystemClock().now_ms())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_serve(feeder.site_file, "127.0.0.1", port, "en") == 2
    assert f"127.0.0.1:{port} cannot be used" in capsys.readouterr().err
