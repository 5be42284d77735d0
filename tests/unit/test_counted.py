"""Texts that tell a count, of one thing and of many, and figures that no event can have."""

import pytest

from config.words import LANGUAGES, say
from monitor.cli.dr_dispatch import Said, WrongUseError, _request
from monitor.cli.dr_words import finding_text
from monitor.event_words import counted
from rules.models.findings import refusal
from tests.tariff_world import TAIPEI


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_is_not_many(language):
    one, two = (
        say(counted("dr.settle_events", count, language), language, count=count, kwh="5")
        for count in ("1", "2")
    )
    assert "1 events" not in one
    assert "2" in two


def test_findings_count_too():
    assert (
        finding_text(refusal("event_unsettled", count=1), "en") == "1 event could not be settled: no total."
    )
    assert finding_text(refusal("too_few_days", found=1, wanted=5), "en").startswith("1 day of the 5")
    assert finding_text(refusal("too_few_days", found=3, wanted=5), "en").startswith("3 days of the 5")


@pytest.mark.parametrize("kw", [-1.0, 0.0, float("nan"), float("inf")])
def test_a_power_that_nobody_can_want_is_told(kw):
    with pytest.raises(WrongUseError) as refused:
        _request(Said("trigger", "summer", length="1h", kw=kw), TAIPEI, 0)
    assert refused.value.code == "dispatch.bad_kw"
    assert "more than 0" in say(refused.value.code, "en")
