"""Python programs of others that cannot live beside our own dependencies: an environment of their own."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / ".venv-peers"
HOME = FOLDER / "venv"
REQUIREMENTS = ("pysparkplug==0.6.1",)  # wants paho-mqtt below 2
PATIENCE_S = 300


def peers_python() -> Path:
    """Python of that environment, made once a checkout; without a package index the test is skipped.

    With CI=true it fails instead.
    """
    stamp, python = FOLDER / "installed", HOME / "bin" / "python"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = f"{FOLDER} {sys.version} {REQUIREMENTS}"
        if not stamp.is_file() or stamp.read_text() != wanted:
            _make(python)
            stamp.write_text(wanted)
    return python


def _make(python: Path) -> None:
    quietly = ["--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", HOME],
        [python, "-m", "pip", "install", *quietly, *REQUIREMENTS],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode:
            reason = f"missing server: {', '.join(REQUIREMENTS)} (pip install): {done.stderr[-500:]}"
            if os.environ.get("CI", "").lower() in {"1", "true"}:
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
