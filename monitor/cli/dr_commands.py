"""``energy-monitor dr ...``: what can be said, handed on to the commands' own files."""

from pathlib import Path
from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"dr.{key}", LANGUAGE)


dr = typer.Typer(cls=Group, help=_help("about"), no_args_is_help=True)

FromOption = Annotated[str, typer.Option("--from", metavar="TIME", help=_help("opt_from"))]
ToOption = Annotated[str, typer.Option("--to", metavar="TIME", help=_help("opt_to"))]
NoticeOption = Annotated[str | None, typer.Option("--notice", metavar="TIME", help=_help("opt_notice"))]
MeterOption = Annotated[list[str] | None, typer.Option("--meter", metavar="METER", help=_help("opt_meter"))]
PresetOption = Annotated[
    list[str] | None, typer.Option("--preset", metavar="NAME|FILE", help=_help("opt_preset"))
]
EventsOption = Annotated[Path | None, typer.Option("--events", metavar="FILE", help=_help("opt_events"))]


@dr.command("baseline", cls=Command, help=_help("help_baseline"))
def baseline(
    first: FromOption,
    last: ToOption,
    preset: PresetOption = None,
    notice: NoticeOption = None,
    meter: MeterOption = None,
    events: EventsOption = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Work out what would have been drawn in a window."""
    from monitor.cli.dr_baseline import run_baseline

    said = (first, last, notice)
    raise typer.Exit(run_baseline(site, said, preset or (), meter or (), events, LANGUAGE, as_json=as_json))


@dr.command("presets", cls=Command, help=_help("help_presets"))
def presets(as_json: JsonOption = False) -> None:
    """List the baseline presets."""
    from monitor.cli.dr_lists import run_presets

    raise typer.Exit(run_presets(LANGUAGE, as_json=as_json))


@dr.command("programmes", cls=Command, help=_help("help_programmes"))
def programmes(as_json: JsonOption = False) -> None:
    """List the programmes' texts."""
    from monitor.cli.dr_lists import run_programmes

    raise typer.Exit(run_programmes(LANGUAGE, as_json=as_json))
