"""``energy-monitor log ...``: what can be said, handed on to the commands' own file."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"logbook.{key}", LANGUAGE)


logs = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)

SubjectArgument = Annotated[str, typer.Argument(metavar="COMMODITY|METER", help=_help("arg_subject"))]
DayOption = Annotated[str, typer.Option("--day", metavar="DAY", help=_help("opt_day"))]
QuantityOption = Annotated[str | None, typer.Option("--quantity", metavar="N", help=_help("opt_quantity"))]
ReadingOption = Annotated[str | None, typer.Option("--reading", metavar="N", help=_help("opt_reading"))]
UnitOption = Annotated[str, typer.Option("--unit", metavar="UNIT", help=_help("opt_unit"))]


@logs.command("add", cls=Command, help=_help("help_add"))
def add(
    subject: SubjectArgument,
    day: DayOption,
    source: Annotated[str, typer.Option("--source", metavar="TEXT", help=_help("opt_source"))],
    quantity: QuantityOption = None,
    reading: ReadingOption = None,
    through: Annotated[str, typer.Option("--through", metavar="DAY", help=_help("opt_through"))] = "",
    unit: UnitOption = "",
    again: Annotated[bool, typer.Option("--again", help=_help("opt_again"))] = False,
    site: SiteOption = SITE,
) -> None:
    """Write a slip or a reading down."""
    from monitor.cli.logbook import Figures, run_add

    figures = Figures(day, quantity, reading, through, unit)
    raise typer.Exit(run_add(site, subject, figures, source, LANGUAGE, again=again))


@logs.command("correct", cls=Command, help=_help("help_correct"))
def correct(
    subject: SubjectArgument,
    day: DayOption,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help=_help("opt_reason"))],
    quantity: QuantityOption = None,
    reading: ReadingOption = None,
    entry: Annotated[int, typer.Option("--entry", min=0, metavar="NUMBER", help=_help("opt_entry"))] = 0,
    unit: UnitOption = "",
    site: SiteOption = SITE,
) -> None:
    """Put the right figure in the place of a wrong one."""
    from monitor.cli.logbook import Figures, run_correct

    figures = Figures(day, quantity, reading, "", unit)
    raise typer.Exit(run_correct(site, subject, figures, entry, reason, LANGUAGE))


@logs.command("list", cls=Command, help=_help("help_list"))
def list_(
    subject: Annotated[
        str | None, typer.Argument(metavar="[COMMODITY|METER]", help=_help("arg_subject"))
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help=_help("opt_limit"))] = 40,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """List what was written down and corrected."""
    from monitor.cli.logbook import run_list

    raise typer.Exit(run_list(site, subject, limit, LANGUAGE, as_json=as_json))


@logs.command("key", cls=Command, help=_help("help_key"))
def key(name: Annotated[str, typer.Argument(metavar="NAME", help=_help("arg_name"))]) -> None:
    """Make a key for the page's logbook."""
    from monitor.cli.logbook import run_key

    raise typer.Exit(run_key(name, LANGUAGE))
