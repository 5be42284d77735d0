"""``energy-monitor kpi|targets|measures``: what can be said, handed on to the commands' own files."""

from typing import Annotated

import typer

from config.words import LANGUAGES, say
from monitor.cli.options import SITE, JsonOption, LanguageOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group

measures = typer.Typer(cls=Group, help=say("measures.about", LANGUAGE), no_args_is_help=True)


def _language(wish: str | None) -> str:
    if wish is not None and wish not in LANGUAGES:
        raise typer.BadParameter(say("cli.bad_language", LANGUAGE, choices=", ".join(LANGUAGES)))
    return wish or LANGUAGE


def kpi(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=say("kpi.arg_period", LANGUAGE))],
    site: SiteOption = SITE,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Key figures of a period."""
    from monitor.cli.kpi import run_kpi

    raise typer.Exit(run_kpi(site, period, _language(language), as_json=as_json))


def targets(
    period: Annotated[
        str | None, typer.Argument(metavar="[PERIOD]", help=say("kpi.arg_period", LANGUAGE))
    ] = None,
    site: SiteOption = SITE,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Targets, how far they are, and where they are going."""
    from monitor.cli.kpi import run_targets

    raise typer.Exit(run_targets(site, period, _language(language), as_json=as_json))


@measures.command("list", cls=Command, help=say("measures.help_list", LANGUAGE))
def list_(site: SiteOption = SITE, language: LanguageOption = None, as_json: JsonOption = False) -> None:
    """List measures with what they save."""
    from monitor.cli.kpi import run_measures

    raise typer.Exit(run_measures(site, _language(language), as_json=as_json))
