"""What several commands can be told, said once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from config.words import LANGUAGES, say
from monitor.cli.usage import LANGUAGE

SITE = Path("site.yaml")
SiteOption = Annotated[
    Path,
    typer.Option(
        "--site", "-s", envvar="ENERGY_MONITOR_SITE", metavar="FILE", help=say("cli.opt_site", LANGUAGE)
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help=say("cli.opt_json", LANGUAGE))]


def _language(help_key: str) -> Any:
    return typer.Option("--language", "-l", metavar="|".join(LANGUAGES), help=say(help_key, LANGUAGE))


LanguageOption = Annotated[str | None, _language("cli.opt_language")]
SiteLanguageOption = Annotated[str | None, _language("cli.opt_site_language")]
