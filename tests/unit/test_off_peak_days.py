"""Calendars of off-peak days: the product's lists, an operator's own, and what is not guessed."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from config.off_peak_days import DEFAULT_CALENDAR, load_calendar
from config.problems import ConfigurationError, render_all
from rules.off_peak import NoListError

OWN = Path()
MINE = """
calendar: mine
extends: taipower-off-peak
years:
  2027: {grade: P, source: a letter of the utility, days: {2027-05-01: {zh-TW: 勞動節, en: Labour Day}}}
  2025: {grade: P, source: the same, days: {2025-10-10: {zh-TW: 國慶日, en: National Day}}}
"""


def complaints(tmp_path: Path, text: str, language: str = "en") -> str:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_calendar("mine.yaml", tmp_path)
    return render_all(caught.value.problems, language)


def test_the_list_of_2025_as_the_reference_names_it():
    days = load_calendar(DEFAULT_CALENDAR, OWN)
    new_year = [date(2025, 1, 27) + timedelta(days=n) for n in range(7)]  # eve - 1 to the 5th
    others = [(1, 1), (2, 28), (4, 4), (5, 1), (5, 31), (10, 6), (9, 28), (10, 10), (10, 25), (12, 25)]
    listed = sorted([*new_year, *(date(2025, month, day) for month, day in others)])
    assert list(days.between(date(2025, 1, 1), date(2025, 12, 31))) == listed
    assert days.of(2025).days[date(2025, 10, 10)] == {"zh-TW": "國慶日", "en": "National Day"}


def test_fewer_in_2017_and_unverified():
    days = load_calendar(DEFAULT_CALENDAR, OWN)
    assert len(days.of(2017).days) == len(days.of(2025).days) - 3
    assert days.unverified([2017, 2025]) == (2017,)
    assert not days.holds(date(2017, 12, 25))
    assert days.holds(date(2025, 12, 25))


def test_a_year_without_a_list_is_not_guessed():
    days = load_calendar(DEFAULT_CALENDAR, OWN)
    with pytest.raises(NoListError) as caught:
        days.holds(date(2031, 1, 1))
    assert (caught.value.calendar, caught.value.year) == (DEFAULT_CALENDAR, 2031)
    assert days.missing([2031, 2025, 2030]) == (2030, 2031)
    assert days.unverified([2031]) == ()


def test_every_list_says_where_it_was_read_and_has_both_languages():
    days = load_calendar(DEFAULT_CALENDAR, OWN)
    for year, one in days.lists.items():
        assert one.source
        assert all(day.year == year and set(names) == {"zh-TW", "en"} for day, names in one.days.items())


def test_a_file_of_ones_own_goes_before_what_it_extends(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    days = load_calendar("mine.yaml", tmp_path)
    assert days.name == "mine"
    assert days.holds(date(2027, 5, 1))
    assert not days.holds(date(2025, 5, 1))  # its own list of 2025 counts
    assert days.holds(date(2026, 5, 1))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2027-05-01", "2026-05-01", "2026-05-01 stands in the list of 2027. Move it to its own year."),
        ("2027-05-01", "2027-5-1", "'2027-5-1' is no day. Write year, month and day, as 2025-10-01."),
        ("2027-05-01", "2027-02-30", "'2027-02-30' is no day."),
        (": taipower-off-peak", ": taipower", "off-peak days 'taipower', did you mean"),
        (": taipower-off-peak", ": ./other.yaml", "off-peak days './other.yaml'"),
        ("grade: P, source: a", "grade: Z, source: a", "years.2027.grade: 'Z' is none of"),
        ("calendar: mine", "calender: mine", "did you mean 'calendar'?"),
        ("years:", "yaers:", "did you mean 'years'?"),
        ("{zh-TW: 勞動節, en: Labour Day}", "May Day", "'May Day' stands where keys and values are wanted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path, old, new, words):
    told = complaints(tmp_path, MINE.replace(old, new, 1))
    assert words in told
    assert "mine.yaml:" in told
    assert complaints(tmp_path, MINE.replace(old, new, 1), "zh-TW") != told


def test_an_unknown_name_has_a_suggestion():
    with pytest.raises(ConfigurationError) as caught:
        load_calendar("taipower-off-pek", OWN)
    assert "did you mean 'taipower-off-peak'?" in render_all(caught.value.problems, "en")
