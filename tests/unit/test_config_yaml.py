"""Files that are not YAML, or not quite: one clear sentence at the right place."""

from pathlib import Path

import pytest

from config.loading import load_site
from config.problems import ConfigurationError, Problem
from tests.site_example import changed, example_text


def problems_of(folder: Path, raw: bytes) -> tuple[Problem, ...]:
    (folder / "site.yaml").write_bytes(raw)
    with pytest.raises(ConfigurationError) as caught:
        load_site(folder / "site.yaml")
    return tuple(problem for problem in caught.value.problems if not problem.warning)


def spots(problems: tuple[Problem, ...]) -> list[tuple[str, int, int]]:
    return [(p.code.removeprefix("config."), p.place.line, p.place.column) for p in problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("empty_file", 1, 1)]),
        ("\n# nothing yet\n", [("empty_file", 1, 1)]),
        ("- a\n- b\n", [("top_not_mapping", 1, 1)]),
        ("hello\n", [("top_not_mapping", 1, 1)]),
        ("site:\n\tid: a\n\tname: b\n", [("tab", 2, 1), ("tab", 3, 1)]),
        ("site:\n  id: a\n \tname: b\n", [("tab", 3, 2)]),
        ("site:\n\u3000id: a\n", [("wide_space", 2, 1)]),
        ("site：\n  id：a\n", [("wide_colon", 1, 5), ("wide_colon", 2, 5)]),
        ("site: a: b\n", [("colon_in_value", 1, 8)]),
        ("site:\n  id: @x\n", [("bad_start", 2, 7)]),
        ("site: {id: a\npage: {}\n", [("unclosed", 1, 7)]),
        ("site: {id: 'a\n", [("unclosed_quote", 1, 12)]),
        ('site: {id: "\\q"}\n', [("bad_escape", 1, 14)]),
        ("site:\n  id: a\n name: b\n", [("bad_indent", 3, 2)]),
        ("site: *other\n", [("no_anchor", 1, 7)]),
        ("site: {}\n---\nsite: {}\n", [("two_documents", 2, 1)]),
        ("site: " + "[" * 40 + "]" * 40 + "\n", [("too_deep", 1, 38)]),
        ("site: a\x07b\n", [("control_character", 1, 8)]),
        ("%YAML 9.9\n---\nsite: {}\n", [("not_yaml", 1, 1)]),
    ],
)
def test_what_is_not_yaml(tmp_path, text, expected):
    found = problems_of(tmp_path, text.encode())
    assert spots(found) == expected
    assert not any("\x07" in problem.render("en") for problem in found)


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("  id: district-office\n", "  id: district-office\n  id: other\n", "duplicate_key", ("site", "id")),
        ("id: district-office", "id: !secret x", "tag", ("site", "id")),
        ("id: district-office", "id: !!python/object:os.system x", "tag", ("site", "id")),
        ("id: district-office", "id: !!int x", "bad_scalar", ("site", "id")),
        ("  id: district-office\n", "  id: district-office\n  [a, b]: c\n", "complex_key", ("site",)),
        ("id: district-office", "id: &loop [*loop]", "endless_alias", ("site", "id", 0)),
        ("  id: district-office\n", "  id: district-office\n  <<: 5\n", "merge", ("site",)),
        ("id: district-office", f"id: {'9' * 5000}", "bad_scalar", ("site", "id")),
    ],
)
def test_what_is_yaml_but_means_nothing_here(tmp_path, old, new, code, path):
    found = problems_of(tmp_path, changed(old, new).encode())
    assert (f"config.{code}", path) in [(problem.code, problem.path) for problem in found]


def test_every_double_key_is_told(tmp_path):
    text = changed("  language: zh-TW\n", "  language: zh-TW\n  language: en\n")
    text = text.replace("    bucket: energy\n", "    bucket: energy\n    bucket: power\n")
    found = problems_of(tmp_path, text.encode())
    assert [problem.path for problem in found] == [("site", "language"), ("sinks", 0, "bucket")]
    assert "stands in line 6 already" in found[0].message("en")


def test_aliases_that_multiply_without_end_are_stopped(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = problems_of(tmp_path, "\n".join(lines).encode())
    assert [problem.code for problem in found] == ["config.endless_alias"]


def test_anchors_and_merges_of_honest_size_work(tmp_path):
    text = changed(
        "      - id: main\n        profile: eastron_sdm630\n        unit: 1\n",
        "      - &meter\n        id: main\n        profile: eastron_sdm630\n        unit: 1\n"
        "      - {<<: *meter, id: second, unit: 2}\n",
    )
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    first, second = load_site(tmp_path / "site.yaml").site.buses[0].devices
    assert (second.id, second.profile) == ("second", first.profile)


def test_line_ends_of_windows_and_a_mark_at_the_start(tmp_path):
    text = example_text().replace("\n", "\r\n")
    (tmp_path / "site.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_site(tmp_path / "site.yaml").site.site.id == "district-office"
    found = problems_of(tmp_path, b"\xef\xbb\xbf" + text.replace("language: zh-TW", "language: x").encode())
    assert spots(found) == [("not_one_of", 6, 13)]


def test_not_utf8_points_at_the_byte(tmp_path):
    raw = example_text().encode().replace("區公所".encode(), "區公所".encode("big5"))
    found = problems_of(tmp_path, raw)
    assert spots(found) == [("not_utf8", 4, 17)]
    assert "UTF-8" in found[0].render("zh-TW")


def test_a_file_that_is_not_there_or_no_file(tmp_path):
    for path, code in ((tmp_path / "nothing.yaml", "no_site_file"), (tmp_path, "site_is_folder")):
        with pytest.raises(ConfigurationError) as caught:
            load_site(path)
        (problem,) = caught.value.problems
        assert problem.code == f"config.{code}"
        assert problem.render("en").startswith(f"{path}: ")


def test_a_path_through_a_file_cannot_be_read(tmp_path):
    (tmp_path / "a").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_site(tmp_path / "a" / "site.yaml")
    assert caught.value.problems[0].code == "config.unreadable"


def test_a_key_cannot_steer_the_terminal(tmp_path):
    (problem,) = problems_of(tmp_path, ('"\\e[2Jkey": 1\n' + example_text()).encode())
    assert problem.code == "config.unknown_key"
    assert "\x1b" not in problem.render("en")
