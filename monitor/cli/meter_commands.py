"""``energy-monitor meter ...``: what can be said, handed on to the commands' own file."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"meter.{key}", LANGUAGE)


meters = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)

MeterArgument = Annotated[str, typer.Argument(metavar="METER", help=_help("arg_meter"))]
AtOption = Annotated[str, typer.Option("--at", metavar="TIME", help=_help("opt_at"))]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help=_help("opt_reason"))]
SerialOption = Annotated[str, typer.Option("--serial", metavar="TEXT", help=_help("opt_serial"))]
ForceOption = Annotated[bool, typer.Option("--force", help=_help("opt_force"))]


@meters.command("replace", cls=Command, help=_help("help_replace"))
def replace(
    meter: MeterArgument,
    at: AtOption,
    old_final: Annotated[float, typer.Option("--old-final", metavar="N", help=_help("opt_old_final"))],
    new_start: Annotated[float, typer.Option("--new-start", metavar="N", help=_help("opt_new_start"))],
    reason: ReasonOption,
    serial: SerialOption = "",
    force: ForceOption = False,
    site: SiteOption = SITE,
) -> None:
    """Write a replacement down."""
    from monitor.cli.meter import Said, run_record

    said = Said("replaced", meter, at, reason, old_final, new_start, serial, force)
    raise typer.Exit(run_record(site, said, LANGUAGE))


@meters.command("reset", cls=Command, help=_help("help_reset"))
def reset(
    meter: MeterArgument,
    at: AtOption,
    reason: ReasonOption,
    old_final: Annotated[
        float | None, typer.Option("--old-final", metavar="N", help=_help("opt_old_final"))
    ] = None,
    force: ForceOption = False,
    site: SiteOption = SITE,
) -> None:
    """Write down that a register began again at zero."""
    from monitor.cli.meter import Said, run_record

    raise typer.Exit(
        run_record(site, Said("replaced", meter, at, reason, old_final, 0.0, "", force), LANGUAGE)
    )


@meters.command("withdraw", cls=Command, help=_help("help_withdraw"))
def withdraw(meter: MeterArgument, at: AtOption, reason: ReasonOption, site: SiteOption = SITE) -> None:
    """Take a record back; it stays to be seen."""
    from monitor.cli.meter import Said, run_record

    raise typer.Exit(run_record(site, Said("withdrawn", meter, at, reason), LANGUAGE))


@meters.command("list", cls=Command, help=_help("help_list"))
def list_(
    meter: Annotated[str | None, typer.Argument(metavar="[METER]", help=_help("arg_meter"))] = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Show each meter's register, factor and records."""
    from monitor.cli.meter_views import run_list

    raise typer.Exit(run_list(site, meter, LANGUAGE, as_json=as_json))


@meters.command("refusals", cls=Command, help=_help("help_refusals"))
def refusals(
    meter: MeterArgument,
    since: Annotated[str, typer.Option("--since", metavar="TIME|7d", help=_help("opt_since"))] = "1d",
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help=_help("opt_limit"))] = 200,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """List readings that were refused or doubted, each with its reason."""
    from monitor.cli.meter_views import run_refusals

    raise typer.Exit(run_refusals(site, meter, since, limit, LANGUAGE, as_json=as_json))
