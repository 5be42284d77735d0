"""Calendars of worked days: Taiwan's make-up workdays, and every mistake in a file with its place."""

from datetime import date
from pathlib import Path

import pytest

from config.loading import load_site
from config.office_days import load_workdays
from config.problems import ConfigurationError
from config.words import LANGUAGES
from rules.models.day_types import DayType
from tests.savings_world import SavingsWorld

OWN = """
calendar: mine
years:
  2016: {source: a letter, holidays: [2016-10-10], makeup_workdays: [2016-10-15]}
  2017: {source: a letter, holidays: []}
"""


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2017-02-18", DayType.WORKDAY),  # a Saturday, worked for the 27th
        ("2017-02-27", DayType.HOLIDAY),
        ("2017-06-03", DayType.WORKDAY),
        ("2017-09-30", DayType.WORKDAY),
        ("2017-10-10", DayType.HOLIDAY),
        ("2017-10-14", DayType.SATURDAY),
        ("2017-10-15", DayType.SUNDAY),
        ("2015-10-09", DayType.HOLIDAY),  # instead of Saturday the 10th
        ("2014-12-31", None),
        ("2027-01-04", None),
    ],
)
def test_taiwan_as_it_was_announced(day, kind):
    assert load_workdays("taiwan", Path()).day_type(date.fromisoformat(day)) == kind


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN, encoding="utf-8")
    calendar = load_workdays("mine.yaml", tmp_path)
    assert calendar.day_type(date(2016, 10, 15)) is DayType.WORKDAY
    assert calendar.last == date(2017, 12, 31)


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        ("[2016-10-10]", "[2017-10-10]", "savings.day_of_other_year", 4),
        ("[2016-10-15]", "[2016-10-10]", "savings.day_twice", 4),
        ("  2017:", "  2018:", "savings.year_left_out", 3),
        ("[2016-10-10]", "[10-10]", "config.day_wanted", 4),
        ("source: a letter, holidays: []", "holidays: []", "config.missing_key", 5),
    ],
)
def test_mistakes_have_a_place_and_a_cure(tmp_path, before, after, code, line):
    world = SavingsWorld(tmp_path, extra="calendar: mine.yaml")
    (tmp_path / "mine.yaml").write_text(OWN.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_site(world.site_file)
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.line) == (code, line)
    assert problem.place.file.endswith("mine.yaml")
    assert all(problem.message(language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("calendar: taiwna", "savings.unknown_calendar"),
        ("calendar: mine.yaml", "config.no_file"),
        ("weather: {humidity: roof.humidity}", "savings.humidity_alone"),
        ("weather: {temperature: roof.humidity}", "config.unit_differs"),
        ("weather: {temperature: attic.temperature}", "config.unknown_device"),
        ("weather: {temperature: roof.temprature}", "config.unknown_point"),
    ],
)
def test_mistakes_of_the_site_are_told_there(tmp_path, extra, code):
    world = SavingsWorld(tmp_path, extra=extra)
    with pytest.raises(ConfigurationError) as caught:
        load_site(world.site_file)
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.line) == (code, 4)
    assert problem.place.file.endswith("site.yaml")
    assert all(problem.message(language) for language in LANGUAGES)
