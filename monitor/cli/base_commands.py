"""``energy-monitor base ...``: what can be said, handed on to the commands' own files."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"base.{key}", LANGUAGE)


base = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)

CommodityArgument = Annotated[str | None, typer.Argument(metavar="[COMMODITY]", help=_help("arg_commodity"))]
PeriodOption = Annotated[
    str | None, typer.Option("--period", metavar="2015H2|2015-07", help=_help("opt_period"))
]


@base.command("lock", cls=Command, help=_help("help_lock"))
def lock(
    commodity: CommodityArgument = None,
    period: PeriodOption = None,
    despite_gaps: Annotated[bool, typer.Option("--despite-gaps", help=_help("opt_despite_gaps"))] = False,
    site: SiteOption = SITE,
) -> None:
    """Lock base periods."""
    from monitor.cli.base import run_lock

    raise typer.Exit(run_lock(site, commodity, period, LANGUAGE, despite_gaps=despite_gaps))


@base.command("show", cls=Command, help=_help("help_show"))
def show(
    commodity: CommodityArgument = None,
    period: PeriodOption = None,
    rows: Annotated[bool, typer.Option("--rows", help=_help("opt_rows"))] = False,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Show base periods with everything that belongs to them."""
    from monitor.cli.base_views import run_show

    raise typer.Exit(run_show(site, commodity, period, LANGUAGE, rows=rows, as_json=as_json))


@base.command("verify", cls=Command, help=_help("help_verify"))
def verify(commodity: CommodityArgument = None, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """Make the hashes again."""
    from monitor.cli.base_views import run_verify

    raise typer.Exit(run_verify(site, commodity, LANGUAGE, as_json=as_json))


WantedCommodity = Annotated[str, typer.Argument(metavar="COMMODITY", help=_help("arg_commodity"))]
StartOption = Annotated[str, typer.Option("--start", metavar="DAY", help=say("adjust.opt_start", LANGUAGE))]
QuantityOption = Annotated[
    str, typer.Option("--quantity", metavar="N", help=say("adjust.opt_quantity", LANGUAGE))
]
BandOption = Annotated[
    str, typer.Option("--uncertainty", metavar="N", help=say("adjust.opt_uncertainty", LANGUAGE))
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help=say("adjust.opt_reason", LANGUAGE))
]
EvidenceOption = Annotated[
    str, typer.Option("--evidence", metavar="TEXT", help=say("adjust.opt_evidence", LANGUAGE))
]
AuthorOption = Annotated[
    str, typer.Option("--author", metavar="NAME", help=say("adjust.opt_author", LANGUAGE))
]
PerDayOption = Annotated[bool, typer.Option("--per-day", help=say("adjust.opt_per_day", LANGUAGE))]
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help=say("adjust.arg_number", LANGUAGE))]


@base.command("adjust", cls=Command, help=_help("help_adjust"))
def adjust(
    commodity: WantedCommodity,
    start: StartOption,
    end: Annotated[str, typer.Option("--end", metavar="DAY", help=say("adjust.opt_end", LANGUAGE))],
    quantity: QuantityOption,
    reason: ReasonOption,
    evidence: EvidenceOption,
    author: AuthorOption,
    uncertainty: BandOption = "0",
    per_day: PerDayOption = False,
    site: SiteOption = SITE,
) -> None:
    """Adjust a locked base year."""
    from monitor.cli.adjusting import Said, run_add
    from rules.adjustments import Book

    texts = (reason, evidence, author)
    said = Said(Book.BASE, commodity, start, end, quantity, uncertainty, *texts, per_day=per_day)
    raise typer.Exit(run_add(site, said, LANGUAGE))


@base.command("withdraw", cls=Command, help=_help("help_withdraw"))
def withdraw(number: NumberArgument, reason: ReasonOption, site: SiteOption = SITE) -> None:
    """Take an adjustment of the base year back; it stays to be seen."""
    from monitor.cli.adjusting import run_withdraw
    from rules.adjustments import Book

    raise typer.Exit(run_withdraw(site, Book.BASE, number, reason, LANGUAGE))
