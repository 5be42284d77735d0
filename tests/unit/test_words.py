"""Both languages hold the same texts with the same names to fill in, and the code asks for no other."""

import re
import string
from pathlib import Path

import pytest

from config.words import FOLDER, LANGUAGES, catalogue, preferred_language, say

ROOT = Path(__file__).parents[2]
PRODUCT = ("rules", "drivers", "config", "monitor", "simulators")
TOPICS = sorted(path.stem for path in (FOLDER / "en").glob("*.toml"))


def sources() -> dict[Path, str]:
    return {
        path: path.read_text("utf-8") for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))
    }


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_topics():
    folders = {language: {path.name for path in (FOLDER / language).glob("*.toml")} for language in LANGUAGES}
    assert folders["en"] == folders["zh-TW"]
    assert sorted(path.name for path in FOLDER.iterdir() if path.is_dir()) == sorted(LANGUAGES)


@pytest.mark.parametrize("topic", TOPICS)
def test_both_languages_have_the_same_keys_and_names(topic):
    english, chinese = (
        {key: placeholders(text) for key, text in catalogue(language).items() if key.startswith(f"{topic}.")}
        for language in ("en", "zh-TW")
    )
    assert english == chinese


def test_every_text_that_the_code_asks_for_is_there():
    known = catalogue("en")
    asked = re.compile(r"\bsay\(\s*\"([\w.-]+)\"")
    missing = {
        (path.name, key)
        for path, text in sources().items()
        for key in asked.findall(text)
        if key not in known
    }
    assert not missing


@pytest.mark.parametrize("topic", ["config", "ledger", "driver"])
def test_every_code_of_a_topic_is_there_and_every_text_is_used(topic):
    """Codes are named in the source as ``"topic.text"``, or made of a slip's or a group's name."""
    named = {key for text in sources().values() for key in re.findall(rf"\"({topic}\.[a-z0-9_]+)\"", text)}
    known = {key for key in catalogue("en") if key.startswith(f"{topic}.")}
    assert named <= known
    groups = {f"config.{name}" for name in ("tab", "wide_space", "wide_colon")} | {
        key
        for key in known
        if key.startswith("driver.tls_")  # drivers.tls says which
    }
    assert known - named <= groups


def test_texts_are_filled_in():
    assert (
        say("config.duplicate_key", "en", key="id", line=3)
        == "'id' stands in line 3 already. Keep one of them."
    )
    with pytest.raises(KeyError):
        say("config.no_such_text", "en")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_TW.UTF-8"}, "zh-TW"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "en_GB.UTF-8", "LANG": "zh_TW.UTF-8"}, "en"),
        ({"ENERGY_MONITOR_LANGUAGE": "zh-TW", "LANG": "en_GB"}, "zh-TW"),
        ({"ENERGY_MONITOR_LANGUAGE": "fr", "LANG": "zh_TW"}, "zh-TW"),
    ],
)
def test_the_language_of_a_terminal(monkeypatch, environment, language):
    for name in ("ENERGY_MONITOR_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert preferred_language() == language
