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
