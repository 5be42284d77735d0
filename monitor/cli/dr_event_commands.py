"""``energy-monitor dr ...`` of plans and events: what can be said, handed on to the commands' own files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from config.words import say
from monitor.cli.dr_event_asking import TAKES, EventArgument, asking, help_of
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command


def _help(key: str) -> str:
    return say(f"dispatch.{key}", LANGUAGE)


def _limiter_help(key: str, **data: object) -> str:
    return say(f"limiter.{key}", LANGUAGE, **data)


FIRST_YEAR, LAST_YEAR = 2015, 2040
"""What the model of the building knows holidays of."""


def plan(
    name: Annotated[str | None, typer.Argument(metavar="[PLAN]", help=_help("arg_plan"))] = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Show the plans, or one with all that it does."""
    from monitor.cli.dr_views import run_plan

    raise typer.Exit(run_plan(site, name, LANGUAGE, as_json=as_json))


def list_(site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """List events."""
    from monitor.cli.dr_views import run_list

    raise typer.Exit(run_list(site, LANGUAGE, as_json=as_json))


def show(event: EventArgument, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """Show an event: each action's state, every write, what happened."""
    from monitor.cli.dr_views import run_show

    raise typer.Exit(run_show(site, event, LANGUAGE, as_json=as_json))


def simulate(
    plan: Annotated[str, typer.Option("--plan", metavar="PLAN", help=_limiter_help("opt_plan"))] = "",
    limit: Annotated[
        float | None, typer.Option("--limit", metavar="KW", help=_limiter_help("opt_limit"))
    ] = None,
    year: Annotated[
        int | None, typer.Option("--year", metavar="YEAR", help=_limiter_help("opt_year"))
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="own|model", help=_limiter_help("opt_source"))
    ] = "",
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Go through a year of the demand limiter."""
    from monitor.cli.dr_simulate import SimulateWish, run_simulate

    if source not in ("", "own", "model"):
        raise typer.BadParameter(_limiter_help("bad_source", source=source))
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        raise typer.BadParameter(_limiter_help("bad_year", year=year))
    if limit is not None and not 0 < limit < float("inf"):
        raise typer.BadParameter(_limiter_help("bad_limit"))
    wish = SimulateWish(plan, limit, year, source)
    raise typer.Exit(run_simulate(site, wish, LANGUAGE, as_json=as_json))


def export(
    event: EventArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help=_help("opt_out"))],
    site: SiteOption = SITE,
) -> None:
    """Write an event's record into a file."""
    from monitor.cli.dr_record import run_export

    raise typer.Exit(run_export(site, event, out, LANGUAGE))


def check(file: Annotated[Path, typer.Argument(metavar="FILE", help=_help("arg_record"))]) -> None:
    """Say whether an event's record holds together."""
    from monitor.cli.dr_record import run_check_record

    raise typer.Exit(run_check_record(file, LANGUAGE))


def key(operator: Annotated[str, typer.Argument(metavar="OPERATOR", help=_help("arg_operator"))]) -> None:
    """Make a key for an operator."""
    from monitor.cli.dr_dispatch import run_key

    raise typer.Exit(run_key(LANGUAGE, operator))


def add_event_commands(group: typer.Typer) -> None:
    """Put the commands of plans and events into the group ``dr``."""
    commands: tuple[tuple[str, Callable[..., None]], ...] = (
        ("plan", plan),
        *((what, asking(what)) for what in TAKES),
        ("list", list_),
        ("show", show),
        ("export", export),
        ("check", check),
        ("key", key),
    )
    for name, command in commands:
        group.command(name, cls=Command, help=help_of(name))(command)
    group.command("simulate", cls=Command, help=_limiter_help("help_simulate"))(simulate)
