"""``energy-monitor audit``: what can be said, handed on to the command's own file."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE


def _help(key: str) -> str:
    return say(f"trigger.{key}", LANGUAGE)


def audit(
    first: Annotated[str, typer.Option("--from", metavar="TIME", help=_help("audit_opt_from"))] = "",
    last: Annotated[str, typer.Option("--to", metavar="TIME", help=_help("audit_opt_to"))] = "",
    who: Annotated[str, typer.Option("--who", metavar="NAME", help=_help("audit_opt_who"))] = "",
    what: Annotated[str, typer.Option("--what", metavar="ACTION", help=_help("audit_opt_what"))] = "",
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Who had what done."""
    from monitor.cli.audit import AuditWish, run_audit

    raise typer.Exit(run_audit(site, AuditWish(first, last, who, what), LANGUAGE, as_json=as_json))
