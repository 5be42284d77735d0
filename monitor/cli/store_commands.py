"""``energy-monitor store ...`` and ``export``: what can be said, handed on to the commands' own files."""

from pathlib import Path
from typing import Annotated

import typer

from config.words import say
from monitor.cli.fleet_commands import AllSitesOption, SiteIdOption, StoreOption, of_a_city
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"care.{key}", LANGUAGE)


stores = typer.Typer(cls=Group, help=_help("help_store"), no_args_is_help=True)


@stores.command("backup", cls=Command, help=_help("help_backup"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_help("arg_backup"))],
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Copy the store."""
    from monitor.cli.store_copies import run_backup

    raise typer.Exit(run_backup(site, file, LANGUAGE, as_json=as_json))


@stores.command("restore", cls=Command, help=_help("help_restore"))
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_help("arg_restore"))],
    site: SiteOption = SITE,
) -> None:
    """Put a backup in the store's place."""
    from monitor.cli.store_copies import run_restore

    raise typer.Exit(run_restore(site, file, LANGUAGE))


@stores.command("salvage", cls=Command, help=_help("help_salvage"))
def salvage(
    damaged: Annotated[Path, typer.Argument(metavar="DAMAGED", help=_help("arg_damaged"))],
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_help("arg_salvaged"))],
) -> None:
    """Take out what can be read."""
    from monitor.cli.store_copies import run_salvage

    raise typer.Exit(run_salvage(damaged, file, LANGUAGE))


def export(
    what: Annotated[str, typer.Argument(metavar="intervals|scans", help=say("export.arg_what", LANGUAGE))],
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=say("cli.arg_period", LANGUAGE))],
    site: SiteOption = SITE,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help=say("export.opt_only", LANGUAGE))
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="csv|parquet", help=say("export.opt_format", LANGUAGE)),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help=say("export.opt_out", LANGUAGE))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=say("export.opt_force", LANGUAGE))] = False,
    store: StoreOption = None,
    site_id: SiteIdOption = None,
    all_sites: AllSitesOption = False,
) -> None:
    """Write rows of a period to a file."""
    from monitor.cli.export import FORMATS, WHAT, Wanted, chosen, run_export

    if what not in WHAT:
        raise typer.BadParameter(say("export.bad_what", LANGUAGE, what=what))
    if format_ is not None and format_ not in FORMATS:
        raise typer.BadParameter(say("export.bad_format", LANGUAGE, format=format_))
    wanted = Wanted(what, period, chosen(only), format_, out, force)
    try:
        if of_a_city(store, site_id, all_sites):
            from monitor.cli.fleet_export import run_city_export

            code = run_city_export(str(store), site_id, wanted, LANGUAGE)
        else:
            code = run_export(site, wanted, LANGUAGE)
    except ImportError as error:
        from monitor.cli.words import tell

        tell(say("cli.missing_extra", LANGUAGE, extra="parquet", module=error.name or "?"))
        code = 2
    raise typer.Exit(code)


@stores.command("verify", cls=Command, help=_help("help_verify"))
def verify(
    site: SiteOption = SITE,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help=_help("opt_file"))] = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether the store holds together."""
    from monitor.cli.store_verify import run_verify

    raise typer.Exit(run_verify(site, file, LANGUAGE, as_json=as_json))
