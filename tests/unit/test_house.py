"""The house stands: the lock, the two commands, the floors."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.words import catalogue

ROOT = Path(__file__).parents[2]
PACKAGES = ("rules", "drivers", "config", "monitor", "simulators")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MOST_LINES = 400


def normal(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> set[str]:
    """All distributions that pyproject.toml names, ourselves left out."""
    project = PROJECT["project"]
    wishes = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wishes += extra
    names = {normal(re.split(r"[\[<>=!~; ]", wish, maxsplit=1)[0]) for wish in wishes}
    return names - {normal(project["name"])}


# As from a shell: what an outer make told its children is not for these.
SHELL = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}


def locked() -> dict[str, str]:
    """Each entry of the lock by name, with its hashes."""
    entries = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    return {normal(entry.partition("==")[0]) + entry.partition("\n")[0]: entry for entry in entries}


def test_the_lock_holds_all_that_the_project_asks_for():
    names = {re.split("==", entry)[0] for entry in locked().values()}
    assert required() - {normal(name) for name in names} == set(), "run: make lock"


def test_each_locked_package_has_one_version_and_hashes():
    for title, entry in locked().items():
        assert re.match(r"[A-Za-z0-9._\[\],-]+==[^ ]+ ", entry), title
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}", entry), title


def test_the_lock_names_no_index():
    for line in LOCK.splitlines():
        assert "://" not in line
        assert re.match(r"([A-Za-z0-9]|    --hash=)", line), line


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_installed(package):
    patterns = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert f"{package}*" in patterns
    assert (ROOT / package / "__init__.py").is_file()


def test_each_dependency_says_what_it_is_for_and_is_bounded():
    text = (ROOT / "pyproject.toml").read_text()
    for name in required():
        (line,) = [line for line in text.splitlines() if re.match(rf'    "{name}[\[<>=;]', normal_line(line))]
        assert ">=" in line


def normal_line(line: str) -> str:
    """Return a line of pyproject.toml with the distribution's name normalised."""
    start, quote, rest = line.partition('"')
    name = re.match(r"[A-Za-z0-9._-]*", rest)
    assert name is not None
    return start + quote + normal(name[0]) + rest[name.end() :]


@pytest.mark.parametrize("target", ["run", "test", "check", "example", "format", "bench"])
def test_make_knows_its_targets(target):
    outcome = subprocess.run(
        ["make", "-n", target], cwd=ROOT, env=SHELL, capture_output=True, text=True, timeout=30
    )
    assert outcome.returncode == 0, outcome.stderr


def test_make_alone_tells_the_two_commands_first():
    outcome = subprocess.run(["make"], cwd=ROOT, env=SHELL, capture_output=True, text=True, timeout=30)
    first, second = outcome.stdout.split("\n\n")[0].strip().splitlines()
    assert first.split()[:2] == ["make", "run"]
    assert second.split()[:2] == ["make", "test"]


def test_an_old_python_is_named_with_the_cure(tmp_path):
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\ntest "$1" = --version && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    outcome = subprocess.run(
        ["sh", ROOT / "tools" / "venv.sh", tmp_path / "venv", ROOT / "requirements.lock"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert outcome.returncode == 1
    assert "Python 3.11 or newer is needed, and here is: Python 3.9.2." in outcome.stderr
    assert "apt-get install python3" in outcome.stderr
    assert not (tmp_path / "venv").exists()


def test_continuous_integration_runs_what_people_run():
    script = (ROOT / ".ci" / "run").read_text()
    commands = re.findall(r"^make (\w+)", script, flags=re.MULTILINE)
    assert commands == ["check", "test"]
    assert "set -euo pipefail" in script


def test_the_licence_and_the_changelog_are_what_they_say():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog


def third_party_imports(path: Path) -> set[str]:
    """Top-level names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "rules").rglob("*.py")), ids=lambda path: path.name)
def test_rules_import_numpy_and_the_standard_library_alone(path):
    assert third_party_imports(path) - sys.stdlib_module_names <= {"numpy", "rules"}


def test_no_file_has_a_missing_noun():
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_chinese_is_chinese_and_english_is_not():
    han = re.compile("[\u4e00-\u9fff]")
    chinese_in_english = {key for key, text in catalogue("en").items() if han.search(text)}
    assert {key for key in chinese_in_english if "language" not in key} == set()
    english = re.compile(r"[A-Za-z]{4,} [a-z]{3,} [a-z]{3,} [a-z]{3,}")
    left = {key for key, text in catalogue("zh-TW").items() if english.search(text) and not han.search(text)}
    assert left == set()
