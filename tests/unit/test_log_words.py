"""The log speaks the reader's language, with the code of what went wrong beside its words."""

import logging

import pytest

from config.words import Spoken, say_error
from drivers.contract import NoAnswer, Where
from monitor.cli.log import Formatter
from monitor.store.database import StoreError

ERROR = {
    "code": "driver.no_answer",
    "data": {"address": "10.0.0.7:502", "device": "main", "timeout_s": "1.0"},
}


def line(language, message, *args):
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, message, args, None)
    return Formatter(language).format(record)


def news(error=None):
    condition = Spoken("cli.condition_online" if error is None else "cli.condition_offline")
    key = "log.news" if error is None else "log.news_error"
    return Spoken(key, error=error, device="main", condition=condition)


def test_a_devices_news_is_told_with_its_cure_and_its_code():
    assert line("en", news()).endswith("WARNING main is online")
    told = line("en", news(ERROR))
    assert "main is offline: 10.0.0.7:502: main: connected, but no answer within 1.0 s." in told
    assert told.endswith("[driver.no_answer]")
    chinese = line("zh-TW", news(ERROR))
    assert "離線" in chinese
    assert "無回應" in chinese
    assert chinese.endswith("[driver.no_answer]")


@pytest.mark.parametrize(
    "error", [NoAnswer(Where("b:1", "m"), timeout_s=2), StoreError("store.missing", path="x")]
)
def test_an_error_that_is_filled_into_a_line_is_told_in_words(error):
    told = line("zh-TW", "payload refused: %s (%d more)", error, 3)
    assert told.endswith(f"[{error.code}] (3 more)")
    assert say_error({"code": error.code, "data": error.data}, "zh-TW") in told


def test_an_error_without_words_keeps_its_code():
    assert say_error({"code": "driver.of_tomorrow", "data": None}, "en") == "driver.of_tomorrow"
    assert say_error({"code": "driver.no_answer", "data": {}}, "en") == "driver.no_answer"


def test_other_lines_are_left_as_they_are():
    assert line("en", "a share of 5 %").endswith("a share of 5 %")
    assert line("en", "%s: %d", "m", 5).endswith("m: 5")
    assert str(news()) == "main is online"
