"""``energy-monitor fleet ...``: what can be said, handed on to the commands' own file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from config.words import say
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"fleet.{key}", LANGUAGE)


fleet = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)

DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database", metavar="URL", envvar="ENERGY_MONITOR_FLEET_DATABASE", help=_help("opt_database")
    ),
]

StoreOption = Annotated[str | None, typer.Option("--store", metavar="URL", help=_help("opt_store"))]
SiteIdOption = Annotated[str | None, typer.Option("--site-id", metavar="SITE", help=_help("opt_site_id"))]
KnownAsOption = Annotated[
    list[str] | None, typer.Option("--known-as", metavar="NAME", help=_help("opt_known_as"))
]
AllSitesOption = Annotated[bool, typer.Option("--all-sites", help=_help("opt_all_sites"))]


@fleet.command("init", cls=Command, help=_help("help_init"))
def init(database: DatabaseOption) -> None:
    """Make the tables."""
    needs_psycopg()
    from monitor.cli.fleet import run_init

    raise typer.Exit(run_init(database, LANGUAGE))


@fleet.command("add-site", cls=Command, help=_help("help_add_site"))
def add_site(
    site: Annotated[str, typer.Argument(metavar="SITE", help=_help("arg_site"))],
    database: DatabaseOption,
    password_file: Annotated[
        Path, typer.Option("--password-file", metavar="FILE", help=_help("opt_password_file"))
    ],
    renew: Annotated[bool, typer.Option("--renew", help=_help("opt_renew"))] = False,
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help=_help("opt_zone"))] = "Asia/Taipei",
) -> None:
    """Let a site in."""
    needs_psycopg()
    from monitor.cli.fleet import run_add_site

    raise typer.Exit(run_add_site(database, site, password_file, LANGUAGE, renew=renew, zone=zone))


def needs_psycopg() -> None:
    """Say which extra is missing. Raises ``typer.Exit``."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        text = say("cli.missing_extra", LANGUAGE, extra="postgres", module=error.name or "psycopg")
        sys.stderr.write(text + "\n")
        raise typer.Exit(2) from error


def of_a_city(store: str | None, site_id: str | None, all_sites: bool) -> bool:
    """Whether a city's database is asked for; who is meant has to be said exactly once."""
    if (store is not None) != ((site_id is not None) != all_sites) or (site_id is not None and all_sites):
        raise typer.BadParameter(say("fleet.which_sites", LANGUAGE))
    if store is not None:
        needs_psycopg()
    return store is not None
