"""What may be wrong with a store, a secret, a certificate or a clock: refused or flagged, with the cure.

Each as a person meets it, by the command, in both languages; nothing is lost and no traceback is shown.
"""

import os
import pwd
import re
import sqlite3
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from monitor.store.database import VERSION, open_writer
from tests.rework_world import House
from tests.servers import Answer, Authority, run_program
from tests.sink_world import picky_server

LANGUAGES = ("en", "zh-TW")
SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: data/energy.db}}
{more}"""
SINK = "sinks:\n  - {{kind: influxdb, id: city, url: '{url}', bucket: energy{more}}}\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    file = tmp_path / "site.yaml"
    file.write_text(SITE.format(more=""), encoding="utf-8")
    return file


@pytest.fixture
def open_site() -> Iterator[Path]:
    """The same in a folder that everybody may enter: the tests' own belongs to one user alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "data").mkdir()
        file = Path(name) / "site.yaml"
        file.write_text(SITE.format(more=""), encoding="utf-8")
        yield file


def told(language: str, *command: str | Path) -> tuple[int, str]:
    """Exit code and words of a command."""
    run = [sys.executable, "-m", "monitor.cli.main", *command]
    with run_program(run, name=str(command[0]), env={"ENERGY_MONITOR_LANGUAGE": language}) as program:
        return program.wait(90), program.output


def store_of(site: Path) -> Path:
    return site.parent / "data" / "energy.db"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_store_of_a_newer_version_is_refused_and_left_alone(site: Path, language: str):
    open_writer(store_of(site)).dispose()
    with closing(sqlite3.connect(store_of(site))) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 3}")
    before = store_of(site).read_bytes()
    for command in ("run", "status"):
        code, words = told(language, command, "--site", site)
        assert code == 1
        assert str(VERSION + 3) in words
        assert str(VERSION) in words
        assert ("Install" if language == "en" else "請安裝") in words
    assert store_of(site).read_bytes() == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_foreign_sqlite_file_is_refused_and_left_alone(site: Path, language: str):
    with closing(sqlite3.connect(store_of(site))) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
        connection.commit()
    before = store_of(site).read_bytes()
    for command in ("run", "status"):
        code, words = told(language, command, "--site", site)
        assert (code, str(store_of(site)) in words) == (1, True), words
        assert ("another path" if language == "en" else "其他路徑") in words
    assert store_of(site).read_bytes() == before


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("wrong", ["the folder is read-only", "the file is another user's"])
def test_who_may_not_write_hears_whose_it_is_and_what_to_do(open_site: Path, wrong: str, language: str):
    site = open_site
    open_writer(store_of(site)).dispose()
    before = store_of(site).read_bytes()
    folder_mode, file_mode = (0o555, 0o644) if "folder" in wrong else (0o777, 0o444)
    store_of(site).chmod(file_mode)
    store_of(site).parent.chmod(folder_mode)
    try:
        code, words = as_nobody(site, language)
    finally:
        store_of(site).parent.chmod(0o755)
    assert code == 1, words
    assert "chown" in words
    assert pwd.getpwuid(os.stat(store_of(site)).st_uid).pw_name in words  # noqa: PTH116
    assert store_of(site).read_bytes() == before


AS_NOBODY = """
import os, pwd, sys
from pathlib import Path
import sqlalchemy.dialects.sqlite
from config.loading import load_site
from config.words import catalogue
from monitor.cli.run import run_site
from monitor.cli.words import explain
# The interpreter may lie where only root looks: what is needed is loaded before the rights are given up.
load_site(Path(sys.argv[1])), catalogue("en"), catalogue("zh-TW")
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    sys.exit(run_site(Path(sys.argv[1]), sys.argv[2]))
except Exception as error:
    text, code = explain(error, sys.argv[2])
    print(text)
    sys.exit(code)
"""


def as_nobody(site: Path, language: str) -> tuple[int, str]:
    """``run`` by a user who owns nothing here."""
    command = [sys.executable, "-c", AS_NOBODY, str(site), language]
    # Whoever may write nowhere keeps no measure of what was tested, either.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=unmeasured)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_token_file_that_everybody_can_read_is_flagged(site: Path, language: str):
    token = site.with_name("token")
    token.write_text("s3cret-of-this-test")
    token.chmod(0o644)
    sink = SINK.format(url="http://127.0.0.1:1", more=", token: {file: token}")
    site.write_text(SITE.format(more=sink), encoding="utf-8")
    code, words = told(language, "check", "--site", site)
    assert (code, "chmod 600" in words, "site.yaml:" in words) == (0, True, True), words
    assert "s3cret" not in words
    token.chmod(0o600)
    assert "chmod 600" not in told(language, "check", "--site", site)[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_certificate_that_does_not_verify_is_refused_and_nothing_is_sent(site: Path, language: str):
    authority = Authority(site.parent / "tls")
    own = authority.sign("server", alternatives="IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key)
    with picky_server() as server:
        server.secure(context)
        url = server.url.replace("http:", "https:")
        site.write_text(SITE.format(more=SINK.format(url=url, more="")), encoding="utf-8")
        code, words = told(language, "check", "--site", site, "--probe")
        flat = "".join(words.split())
        assert (code, "tls.ca" in flat or "'ca'" in flat) == (1, True), words
        assert server.batches == []
        trusting = SINK.format(url=url, more=f", tls: {{ca: '{authority.own.file}'}}")
        site.write_text(SITE.format(more=trusting), encoding="utf-8")
        code, words = told(language, "check", "--site", site, "--probe")
        assert code == 0, words
        assert len(server.batches) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("off", [timedelta(hours=8), -timedelta(hours=3)], ids=str)
def test_a_clock_that_disagrees_with_the_servers_is_flagged(site: Path, scripted_http, language: str, off):
    there = datetime.now(UTC) - off
    scripted_http.otherwise = Answer(headers={"Date": format_datetime(there, usegmt=True)})
    site.write_text(SITE.format(more=SINK.format(url=scripted_http.url, more="")), encoding="utf-8")
    code, words = told(language, "check", "--site", site, "--probe")
    flat = "".join(words.split())
    assert code == 1
    assert "set-ntp" in flat
    said = re.search(r"(-?\d+)(?:s:thismachine|秒：本機)", flat)
    assert said is not None
    assert abs(int(said[1]) - off.total_seconds()) < 600  # the machine may stand still meanwhile
    scripted_http.otherwise = Answer()  # a server that says no time
    code, words = told(language, "check", "--site", site, "--probe")
    assert (code, "set-ntp" in "".join(words.split())) == (0, False), words


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_store_of_tomorrow_holds_readings_back_and_says_why(site: Path, language: str):
    """The machine's clock disagrees with the store: no reading is stamped before its time."""
    house = House(store_of(site))
    ahead_s = datetime.now(UTC).timestamp() + 86_400
    house.feed([(ahead_s + t, 100.0 + t / 3600, 1.0) for t in range(0, 600, 60)])
    house.leave()
    run = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    with run_program(run, name="daemon", env={"ENERGY_MONITOR_LANGUAGE": language}) as daemon:
        daemon.wait_for_line("City Hall|市政大樓", timeout_s=90)
        held = "kept back" if language == "en" else "先保留"
        words = ""
        for _ in range(60):
            words = " ".join(told(language, "status", "--site", site)[1].split())
            if held in words:
                break
        assert held in words
        assert daemon.terminate(timeout_s=60) == 0
