"""What several commands can be told, said once."""

from pathlib import Path
from typing import Annotated

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
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", "-l", metavar="|".join(LANGUAGES), help=say("cli.opt_language", LANGUAGE)),
]
