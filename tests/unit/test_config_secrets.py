"""Secrets come from the environment or from files, and every failure says what to do."""

import pytest

from config.problems import ConfigurationError
from config.secrets import reveal
from drivers.settings import Secret


def code_of(secret: Secret, base) -> str:
    with pytest.raises(ConfigurationError) as caught:
        reveal(secret, base)
    (problem,) = caught.value.problems
    assert problem.render("en")
    assert problem.render("zh-TW")
    return problem.code


def test_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "s3cret\n")
    assert reveal(Secret(env="SOME_TOKEN"), tmp_path) == "s3cret\n"
    monkeypatch.setenv("SOME_TOKEN", "")
    assert code_of(Secret(env="SOME_TOKEN"), tmp_path) == "config.secret_env_empty"
    monkeypatch.delenv("SOME_TOKEN")
    assert code_of(Secret(env="SOME_TOKEN"), tmp_path) == "config.secret_env_missing"


@pytest.mark.parametrize(
    ("raw", "secret"),
    [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b"abc\n\n", "abc\n"), (b" a ", " a ")],
)
def test_from_a_file_without_the_one_newline_of_an_editor(tmp_path, raw, secret):
    (tmp_path / "token").write_bytes(raw)
    assert reveal(Secret(file="token"), tmp_path) == secret
    assert reveal(Secret(file=str(tmp_path / "token")), tmp_path / "elsewhere") == secret


def test_files_that_hold_no_secret(tmp_path):
    assert code_of(Secret(file="token"), tmp_path) == "config.secret_file_missing"
    (tmp_path / "token").write_bytes(b"\n")
    assert code_of(Secret(file="token"), tmp_path) == "config.secret_file_empty"
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert code_of(Secret(file="token"), tmp_path) == "config.secret_not_text"
    assert code_of(Secret(file="."), tmp_path) == "config.secret_unreadable"
    assert code_of(Secret(file="a\0b"), tmp_path) == "config.secret_unreadable"
