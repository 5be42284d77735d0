"""docs/durability.md speaks of tests that are there: every scenario has one that names its number."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (`tests/.+?`) \| (.+?) \|$", re.MULTILINE)
TABLE = {
    int(number): (re.findall(r"`(tests/[^`]+)`", tests), what, seen)
    for number, what, tests, seen in ROW.findall((ROOT / "docs" / "durability.md").read_text("utf-8"))
}


def numbers_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """The scenarios that a test says it shows."""
    marked = {
        value.value
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.scenario"
        for value in decorator.args
        if isinstance(value, ast.Constant)
    }
    return {number for number in marked if isinstance(number, int)}


def known_tests(path: Path) -> dict[str, set[int]]:
    """Every test of a file, with its scenarios."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {one.name: numbers_of(one) for one in functions if one.name.startswith("test")}


def test_every_scenario_has_its_row():
    assert list(TABLE) == list(range(1, 26))


@pytest.mark.parametrize("number", range(1, 26))
def test_each_named_test_is_there_and_names_the_number(number: int):
    tests, _, seen = TABLE[number]
    assert seen.strip()
    for one in tests:
        file, _, name = one.partition("::")
        found = known_tests(ROOT / file)
        assert name in found, f"{one} is not there"
        assert number in found[name], f"{one} does not say pytest.mark.scenario({number})"
        said = re.search(r"scenario_(\d+)_", name)
        assert said is None or int(said[1]) == number


def test_no_marked_test_is_of_an_unknown_scenario():
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name, numbers in known_tests(path).items():
            assert numbers <= set(range(1, 26)), f"{path.name}::{name}"
