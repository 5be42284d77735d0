"""``energy-monitor adjust ...``: what can be said, handed on to the commands' own file."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.base_commands import (
    AuthorOption,
    BandOption,
    EvidenceOption,
    NumberArgument,
    PerDayOption,
    QuantityOption,
    ReasonOption,
    StartOption,
    WantedCommodity,
)
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"adjust.{key}", LANGUAGE)


adjustments = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)


@adjustments.command("add", cls=Command, help=_help("help_add"))
def add(
    commodity: WantedCommodity,
    start: StartOption,
    quantity: QuantityOption,
    uncertainty: BandOption,
    reason: ReasonOption,
    evidence: EvidenceOption,
    author: AuthorOption,
    end: Annotated[str | None, typer.Option("--end", metavar="DAY", help=_help("opt_end"))] = None,
    per_day: PerDayOption = False,
    text_zh_tw: Annotated[
        str, typer.Option("--text-zh-tw", metavar="TEXT", help=_help("opt_text_zh_tw"))
    ] = "",
    text_en: Annotated[str, typer.Option("--text-en", metavar="TEXT", help=_help("opt_text_en"))] = "",
    site: SiteOption = SITE,
) -> None:
    """Write an event down."""
    from monitor.cli.adjusting import Said, run_add
    from rules.adjustments import Book

    texts = (reason, evidence, author, text_zh_tw, text_en)
    said = Said(Book.NON_ROUTINE, commodity, start, end, quantity, uncertainty, *texts, per_day=per_day)
    raise typer.Exit(run_add(site, said, LANGUAGE))


@adjustments.command("list", cls=Command, help=_help("help_list"))
def list_(
    commodity: Annotated[str | None, typer.Argument(metavar="[COMMODITY]", help=_help("arg_some"))] = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="PERIOD", help=_help("opt_period"))
    ] = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """List what was written down, with its share of a period."""
    from monitor.cli.adjusting import run_list

    raise typer.Exit(run_list(site, commodity, period, LANGUAGE, as_json=as_json))


@adjustments.command("withdraw", cls=Command, help=_help("help_withdraw"))
def withdraw(number: NumberArgument, reason: ReasonOption, site: SiteOption = SITE) -> None:
    """Take an event back; it stays to be seen."""
    from monitor.cli.adjusting import run_withdraw
    from rules.adjustments import Book

    raise typer.Exit(run_withdraw(site, Book.NON_ROUTINE, number, reason, LANGUAGE))
