"""A word that a command does not know is told with the words that it knows."""

import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from config.words import LANGUAGES
from monitor.cli.main import app


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["import", "bills", "a.csv"], ["bills", "base", "actuals", "readings", "reasons"]),
        (["report", "2017H2", "--format", "pdf"], ["pdf", "text", "json"]),
        (["report", "2017H2", "--language", "fr"], ["zh-TW", "en"]),
    ],
)
def test_a_wrong_word_is_told_with_the_right_ones(words, told):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert [word for word in told if word not in result.output] == []


def energy_monitor(*words, language="en"):
    command = [sys.executable, "-m", "monitor.cli.main", *words]
    surroundings = {**os.environ, "ENERGY_MONITOR_LANGUAGE": language, "COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["statsu"], ["statsu", "status"]),
        (["read"], ["DEVICE"]),
        (["import", "base"], ["FILE"]),
        (["status", "--jsn"], ["--jsn"]),
        (["status", "--site"], ["--site"]),
        (["serve", "--port", "70000"], ["--port"]),
        (["status", "extra"], ["status --help"]),
    ],
)
def test_wrong_use_is_told_in_the_readers_language(words, told):
    for language in LANGUAGES:
        result = energy_monitor(*words, language=language)
        assert (result.returncode, result.stdout) == (2, "")
        assert [word for word in [*told, "--help"] if word not in result.stderr] == []
        english = re.findall(
            r"Usage|Error|No such|Missing|Invalid|unexpected|Try|there is|tells", result.stderr
        )
        assert language == "en" or english == []


def test_the_help_is_in_the_readers_language():
    for words in (["--help"], ["serve", "--help"], ["report", "--help"]):
        result = energy_monitor(*words, language="zh-TW")
        assert result.returncode == 0
        assert "用法：energy-monitor" in result.stdout
        assert re.findall(r"Usage|Show this|default:|env var|required", result.stdout) == []
    assert energy_monitor(language="zh-TW").returncode == 2


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom monitor.cli.main import main\n"
        "sys.argv = ['energy-monitor', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "heavy = loaded & {'numpy', 'sqlalchemy', 'pydantic', 'ruamel', 'fastapi'}\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
