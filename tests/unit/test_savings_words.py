"""Every finding of the models and of the way to them has words in both languages."""

import re
from pathlib import Path

import pytest

from config.words import LANGUAGES, catalogue
from monitor.store.agreed import Disagreement

ROOT = Path(__file__).parents[2]
MAKES = re.compile(r'(?:refusal|remark|make)\(\s*"(\w+)"')
CODES = sorted(
    {
        code
        for folder in ("rules/models", "monitor/adjusted")
        for path in (ROOT / folder).glob("*.py")
        for code in MAKES.findall(path.read_text(encoding="utf-8"))
    }
    | {f"agreed_{kind}" for kind in Disagreement}
    | {"temperature_unit_doubtful", "temperature_implausible", "reporting_masked", "reporting_mostly_part"}
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CODES)
def test_a_finding_has_words(code, language):
    assert f"savings.f_{code}" in catalogue(language)


def test_no_words_are_left_over():
    known = {key.removeprefix("savings.f_") for key in catalogue("en") if key.startswith("savings.f_")}
    assert known == set(CODES)
