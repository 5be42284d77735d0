"""Meters of a site file: a register or a formula, and formulas that hold together."""

from pathlib import Path

import pytest

from config.loading import load_site
from config.meter_checks import formulas_of
from config.problems import ConfigurationError, Problem
from tests.site_example import changed, example_text

METER = "  - {{id: {id}, name: {{zh-TW: 表, en: M}}, commodity: {commodity}, {rest}}}\n"


def site(*meters: tuple[str, str], commodity: str = "electricity", listed: str = "building") -> str:
    """The example with more meters (id, rest of the entry) at the end of its list."""
    more = "".join(METER.format(id=id_, commodity=commodity, rest=rest) for id_, rest in meters)
    text = changed("    max_rate: 40\n", f"    max_rate: 40\n{more}")
    return text.replace("meters: [building]", f"meters: [{listed}]")


def load(folder: Path, text: str):
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return load_site(folder / "site.yaml")


def problems_of(folder: Path, text: str) -> list[Problem]:
    try:
        return list(load(folder, text).warnings)
    except ConfigurationError as error:
        return [found for found in error.problems if not found.code.startswith("config.secret_")]


def marked(problem: Problem) -> str:
    place = problem.place
    return (place.text or "")[place.column - 1 :][: place.length]


def test_a_formula_is_ready_to_use(tmp_path):
    text = site(("half", "formula: 0.5 * building"), ("rest", "formula: 'building - half'"), listed="rest")
    loaded = load(tmp_path, text)
    found = formulas_of(loaded.site)
    assert found["half"].parts == ("building",)
    assert [(term.meter, term.coefficient) for term in found["rest"].terms] == [
        ("building", 1.0),
        ("half", -1.0),
    ]


@pytest.mark.parametrize(
    ("formula", "code", "caret", "words"),
    [
        ("building + biulding", "unknown_meter", "biulding", "did you mean 'building'?"),
        ("2 * (building - second * second)", "formula_product", "*", "numbers only"),
        ("building-second", "unknown_meter", "building-second", "did you mean 'building - second'?"),
        ("building + building-", "unknown_meter", "building-", "did you mean 'building -'?"),
        ("building + sum", "formula_itself", "sum", "part of itself"),
        ("building + water-main", "formula_unit_differs", "water-main", "counts in m3"),
        ("building + 5", "formula_constant", "5", "cannot be added"),
        ("main.energy_import + building", "formula_word", "main.energy_import", "without device and point"),
        ("building ＋ second", "formula_wide_sign", "＋", "Write '+'"),
        ("building +", "formula_no_operand", "", "missing here"),
    ],
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_caret_is_under_the_culprit(tmp_path, formula, code, caret, words, quote):
    text = site(("second", "formula: 1 * building"), ("sum", f"formula: {quote}{formula}{quote}"))
    (found,) = problems_of(tmp_path, text)
    assert found.code == f"config.{code}"
    assert words in found.message("en")
    assert ".." not in found.message("en")
    assert found.message("zh-TW").endswith(("。", "？"))
    if caret:
        assert marked(found) == caret
    assert found.location().endswith("meters.3.formula")


def test_a_formula_over_several_lines_is_marked_where_it_begins(tmp_path):
    text = changed(
        "    max_rate: 40\n",
        "    max_rate: 40\n  - id: sum\n    name: {zh-TW: 和, en: Sum}\n    commodity: electricity\n"
        "    formula: building\n      + biulding\n",
    )
    (found,) = problems_of(tmp_path, text)
    assert found.code == "config.unknown_meter"
    assert found.place.text == "    formula: building"


def test_circles_are_told_once_each(tmp_path):
    text = site(
        ("a", "formula: b + building"),
        ("b", "formula: 2 * c"),
        ("c", "formula: a / 2"),
        ("d", "formula: e + building"),
        ("e", "formula: building - d"),
        listed="a",
    )
    found = problems_of(tmp_path, text)
    assert [problem.code for problem in found] == ["config.formula_circle"] * 2
    assert "a → b → c → a" in found[0].message("en")
    assert "d → e → d" in found[1].message("zh-TW")
    assert marked(found[0]) == "b"


@pytest.mark.parametrize(
    ("listed", "twice"),
    [
        ("both, building", "building"),
        ("building, both", "both"),
        ("both, rest", "rest"),
        ("rest, second", None),  # building - second, and second again: the building
        ("both", None),
        ("double", None),
    ],
)
def test_a_commodity_does_not_count_a_register_twice(tmp_path, listed, twice):
    text = site(
        ("second", "counter: main.energy_import, max_rate: 5"),
        ("both", "formula: building + second"),
        ("rest", "formula: building - second"),
        ("double", "formula: 2 * building"),
        listed=listed,
    )
    found = [problem for problem in problems_of(tmp_path, text) if not problem.warning]
    if twice is None:
        assert found == []
    else:
        assert [problem.code for problem in found] == ["config.counted_twice"]
        assert marked(found[0]) == twice
        assert found[0].location().endswith("commodities.electricity.meters.1")


@pytest.mark.parametrize(
    ("rest", "code", "path"),
    [
        ("formula: building, counter: main.energy_import", "counter_or_formula", "meters.2.formula"),
        ("stuck_after_s: 60", "neither_counter_nor_formula", "meters.2"),
        ("counter: main.energy_import", "max_rate_missing", "meters.2.max_rate"),
        ("formula: building, max_rate: 5", "not_with_formula", "meters.2.max_rate"),
        ("formula: building, factor: 5", "not_with_formula", "meters.2.factor"),
    ],
)
def test_a_register_or_a_formula(tmp_path, rest, code, path):
    found = [problem for problem in problems_of(tmp_path, site(("extra", rest))) if not problem.warning]
    assert [problem.code for problem in found] == [f"config.{code}"]
    assert found[0].location().endswith(f": {path}")
    assert found[0].message("zh-TW") != found[0].message("en")


def test_meters_of_one_unit_and_two_commodities_are_a_warning(tmp_path):
    text = site(("cold", "formula: building"), commodity="chilled_water")
    found = [problem for problem in problems_of(tmp_path, text) if "secret" not in problem.code]
    assert [(problem.code, problem.warning) for problem in found] == [
        ("config.formula_other_commodity", True)
    ]


def test_an_unknown_commodity_says_no_more_than_that(tmp_path):
    found = problems_of(tmp_path, site(("odd", "formula: building"), commodity="steam"))
    assert [problem.code for problem in found] == ["config.not_one_of"]


def changes(*instants: str) -> str:
    entries = ", ".join(f"{{at: '{at}', factor: 2, reason: new transformers}}" for at in instants)
    return changed("    max_rate: 40\n", f"    max_rate: 40\n    changes: [{entries}]\n")


def test_changes_stand_in_order(tmp_path):
    first, second = "2026-03-01T09:00:00+08:00", "2026-04-01T09:00:00+08:00"
    assert load(tmp_path, changes(first, second))
    (found,) = problems_of(tmp_path, changes(second, first))
    assert found.code == "config.changes_out_of_order"
    assert found.location().endswith("meters.1.changes.1.at")
    (found,) = problems_of(tmp_path, changes(first, "2026-03-01T01:00:00Z"))
    assert found.code == "config.changes_same_instant"


@pytest.mark.parametrize("at", ["soon", "2026-03-01T09:00:00"])
def test_an_instant_without_a_zone_is_refused_by_the_model_alone(tmp_path, at):
    found = problems_of(tmp_path, changes(at, "2026-03-01T09:00:00+08:00"))
    assert len(found) == 1
    assert not found[0].code.startswith("config.changes")


def test_the_example_has_nothing_to_mend(tmp_path):
    assert load(tmp_path, example_text())
