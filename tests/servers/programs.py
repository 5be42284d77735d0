"""Which programs are here, and what a test does when one is not."""

import os
import shutil
from pathlib import Path

import pytest

# Debian keeps servers outside a user's PATH.
SEARCH = ("/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/*/bin")


def find_program(name: str) -> str | None:
    """Path of a program on PATH or where Debian puts servers; None when it is not installed."""
    found = shutil.which(name)
    if found:
        return found
    for pattern in SEARCH:
        candidates = Path("/").glob(f"{pattern.removeprefix('/')}/{name}")
        for candidate in sorted(candidates, reverse=True):
            if os.access(candidate, os.X_OK):
                return str(candidate)
    return None


def require_program(name: str, debian_package: str) -> str:
    """Path of a program that a test needs: without it the test is skipped, and fails when CI=true."""
    found = find_program(name)
    if found:
        return found
    words = f"missing server: {name} (apt-get install {debian_package})"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(words, pytrace=False)
    pytest.skip(words)
