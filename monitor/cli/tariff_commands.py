"""``energy-monitor tariff ...`` and ``demand``: what can be said, handed on to the commands' own files."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, LanguageOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"tariff.{key}", LANGUAGE)


tariffs = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)

MonthArgument = Annotated[str, typer.Argument(metavar="MONTH", help=_help("arg_month"))]
MeterOption = Annotated[str | None, typer.Option("--meter", "-m", metavar="METER", help=_help("opt_meter"))]
FactorOption = Annotated[
    str | None, typer.Option("--power-factor", metavar="PERCENT", help=_help("opt_power_factor"))
]


@tariffs.command("bill", cls=Command, help=_help("help_bill"))
def bill(
    month: MonthArgument,
    site: SiteOption = SITE,
    meter: MeterOption = None,
    power_factor: FactorOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a month's bill."""
    from monitor.cli.tariff_bill import run_bill

    raise typer.Exit(run_bill(site, month, meter, power_factor, language, as_json=as_json))


@tariffs.command("what-if", cls=Command, help=_help("help_what_if"))
def what_if(
    contract: Annotated[
        str | None, typer.Option("--contract", metavar="KW", help=_help("opt_contract"))
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="MONTH", help=_help("opt_from"))] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="MONTH", help=_help("opt_to"))] = None,
    site: SiteOption = SITE,
    meter: MeterOption = None,
    power_factor: FactorOption = None,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a contract would have cost."""
    from monitor.cli.tariff_what_if import run_what_if

    span = (first, last)
    raise typer.Exit(run_what_if(site, contract, span, meter, power_factor, language, as_json=as_json))


@tariffs.command("list", cls=Command, help=_help("help_list"))
def list_(language: LanguageOption = None, as_json: JsonOption = False) -> None:
    """List the tariffs that there are."""
    from monitor.cli.tariff_views import run_list

    raise typer.Exit(run_list(language or LANGUAGE, as_json=as_json))


@tariffs.command("show", cls=Command, help=_help("help_show"))
def show(
    name: Annotated[str, typer.Argument(metavar="TARIFF", help=_help("arg_tariff"))],
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show hours, prices and sources of a tariff."""
    from monitor.cli.tariff_views import run_show

    raise typer.Exit(run_show(name, language or LANGUAGE, as_json=as_json))


def demand(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=_help("arg_demand_period"))],
    site: SiteOption = SITE,
    meter: MeterOption = None,
    count: Annotated[int, typer.Option("--top", min=1, max=100, metavar="N", help=_help("opt_top"))] = 10,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the highest demand of a period."""
    from monitor.cli.demand import run_demand

    raise typer.Exit(run_demand(site, period, meter, count, language, as_json=as_json))
