"""``energy-monitor dr simulate|limiter|arm|disarm``: what can be said, handed on to files of their own."""

from pathlib import Path
from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command

OperatorOption = Annotated[
    str, typer.Option("--operator", metavar="NAME", help=say("dispatch.opt_operator", LANGUAGE))
]
KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", metavar="FILE", help=say("dispatch.opt_key_file", LANGUAGE))
]
NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help=say("dispatch.opt_note", LANGUAGE))]

FIRST_YEAR, LAST_YEAR = 2015, 2040
"""What the model of the building knows holidays of."""


def _help(key: str, **data: object) -> str:
    return say(f"limiter.{key}", LANGUAGE, **data)


def simulate(
    plan: Annotated[str, typer.Option("--plan", metavar="PLAN", help=_help("opt_plan"))] = "",
    limit: Annotated[float | None, typer.Option("--limit", metavar="KW", help=_help("opt_limit"))] = None,
    year: Annotated[int | None, typer.Option("--year", metavar="YEAR", help=_help("opt_year"))] = None,
    source: Annotated[str, typer.Option("--source", metavar="own|model", help=_help("opt_source"))] = "",
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Go through a year of the demand limiter."""
    from monitor.cli.dr_simulate import SimulateWish, run_simulate

    if source not in ("", "own", "model"):
        raise typer.BadParameter(_help("bad_source", source=source))
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        raise typer.BadParameter(_help("bad_year", year=year))
    if limit is not None and not 0 < limit < float("inf"):
        raise typer.BadParameter(_help("bad_limit"))
    wish = SimulateWish(plan, limit, year, source)
    raise typer.Exit(run_simulate(site, wish, LANGUAGE, as_json=as_json))


def limiter(site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """Show how the limiter stands, and what it was simulated and armed with."""
    from monitor.cli.dr_limiter import run_limiter

    raise typer.Exit(run_limiter(site, LANGUAGE, as_json=as_json))


def arm(
    operator: OperatorOption = "",
    key_file: KeyFileOption = None,
    note: NoteOption = "",
    site: SiteOption = SITE,
) -> None:
    """Let the limiter of the site file write."""
    from monitor.cli.dr_limiter import ArmWish, run_arm

    raise typer.Exit(run_arm(site, ArmWish("arm", operator, key_file, note), LANGUAGE))


def disarm(note: NoteOption = "", site: SiteOption = SITE) -> None:
    """Let the limiter write nothing more, and hand back what it has shed."""
    from monitor.cli.dr_limiter import ArmWish, run_arm

    raise typer.Exit(run_arm(site, ArmWish("disarm", note=note), LANGUAGE))


def add_limiter_commands(group: typer.Typer) -> None:
    """Put the commands of the limiter into the group ``dr``."""
    for command in (simulate, limiter, arm, disarm):
        group.command(command.__name__, cls=Command, help=_help(f"help_{command.__name__}"))(command)
