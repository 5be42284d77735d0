"""``energy-monitor profiles new``: a profile for a meter that nobody has described yet.

It asks, or takes a register list from a spreadsheet; it reads the device only where ``--scan`` says so.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from config.problems import ConfigurationError, render_all
from config.profile_writer import NewProfile, profile_text
from config.profiles import load_profile
from config.register_lists import ListedRegister, RegisterList, read_register_list
from config.words import say
from drivers.modbus_profile import Table
from drivers.profile import Family
from monitor.cli.dialling import FarEnd
from monitor.cli.profile_questions import NobodyAnswers, Questions, with_guess
from monitor.cli.scanning import scan_range, show_scan
from monitor.cli.words import colourful, tell


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line said; what is None is asked for."""

    name: str
    list_file: Path | None
    out: Path | None
    maker: str | None
    model: str | None
    family: str | None
    table: Table
    one_based: bool
    word_order: str
    far_end: FarEnd | None
    scan: str | None


def run_new(wishes: Wishes, language: str) -> int:
    """Write the file. 1 when something in it is left to do, 2 on wrong use."""
    out = wishes.out or Path("profiles") / f"{wishes.name}.yaml"
    trouble = _trouble(wishes, out, language)
    if trouble:
        tell(trouble)
        return 2
    questions = Questions(language)
    try:
        return _make(wishes, out, questions, language)
    except NobodyAnswers:
        tell("\n" + say("profiles.ended", language))
        return 2


def _make(wishes: Wishes, out: Path, questions: Questions, language: str) -> int:
    maker = wishes.maker or questions.words("maker")
    model = wishes.model or questions.words("model")
    family = wishes.family or questions.family()
    listed = RegisterList((), ()) if wishes.list_file is None else read_register_list(wishes.list_file)
    registers = listed.registers
    if wishes.scan is not None and wishes.far_end is not None:
        show_scan(wishes.far_end, wishes.table, wishes.scan, language)
    if not registers and sys.stdin.isatty():
        registers = tuple(questions.points())
    if not registers:
        tell(say("profiles.nothing_to_write", language))
        return 1
    source = str(wishes.list_file.name) if wishes.list_file else say("profiles.source_display", language)
    text = profile_text(
        NewProfile(
            name=wishes.name,
            maker=maker,
            model=model,
            family=family,
            source=source,
            table=wishes.table,
            one_based=wishes.one_based,
            word_order=wishes.word_order,
            registers=registers,
        ),
        language,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    if listed.left_aside:
        tell(say("profiles.left_aside", language, columns=", ".join(listed.left_aside)))
    return _tell_what_is_left(out, registers, language)


def _trouble(wishes: Wishes, out: Path, language: str) -> str:
    """What makes it impossible to begin; empty when nothing does."""
    return next(_troubles(wishes, out, language), "")


def _troubles(wishes: Wishes, out: Path, language: str) -> Iterator[str]:
    families = get_args(Family)
    if not re.fullmatch(r"[a-z0-9_]+", wishes.name):
        yield say("profiles.bad_name", language, name=wishes.name)
    if out.exists():
        yield say("profiles.file_exists", language, path=out)
    if out.stem != wishes.name or out.suffix not in (".yaml", ".yml"):
        yield say("profiles.named_otherwise", language, path=out, name=wishes.name)
    if wishes.family is not None and wishes.family not in families:
        yield with_guess(
            say("profiles.bad_family", language, family=wishes.family), wishes.family, families, language
        )
    if wishes.scan is not None and (wishes.far_end is None or scan_range(wishes.scan) is None):
        yield say("profiles.bad_scan", language)
    missing = [f"--{key}" for key in ("maker", "model", "family") if getattr(wishes, key) is None]
    if wishes.list_file is None and wishes.scan is None:
        missing.append("--from")
    if missing and not sys.stdin.isatty():
        yield say("profiles.nobody_to_ask", language, options=", ".join(missing))


def _tell_what_is_left(out: Path, registers: Sequence[ListedRegister], language: str) -> int:
    sys.stdout.write(say("profiles.written", language, path=out) + "\n")
    named = {register.quantity for register in registers if register.quantity}
    unnamed = len(registers) - len(named)
    if unnamed:
        sys.stdout.write(say("profiles.to_name", language, count=unnamed) + "\n")
    if not named:
        return 1
    try:
        load_profile(out)
    except ConfigurationError as error:
        tell(render_all(error.problems, language, colour=colourful()))
        return 1
    sys.stdout.write(say("profiles.next_step", language, path=out) + "\n")
    return 0
