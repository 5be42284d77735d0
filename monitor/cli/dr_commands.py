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


@dr.command("backtest", cls=Command, help=_help("help_backtest"))
def backtest(
    first: Annotated[str, typer.Option("--from", metavar="TIME", help=_help("opt_first"))],
    last: Annotated[str, typer.Option("--to", metavar="TIME", help=_help("opt_last"))],
    preset: PresetOption = None,
    notice_min: Annotated[
        int, typer.Option("--notice-min", min=0, metavar="MINUTES", help=_help("opt_notice_before"))
    ] = 60,
    meter: MeterOption = None,
    events: EventsOption = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Ask baselines of past days without an event."""
    from monitor.cli.dr_backtest import BacktestWish, run_backtest

    wish = BacktestWish((first, last), preset or (), meter or (), events, notice_min)
    raise typer.Exit(run_backtest(site, wish, LANGUAGE, as_json=as_json))


@dr.command("settle", cls=Command, help=_help("help_settle"))
def settle(
    event: Annotated[str | None, typer.Argument(metavar="[EVENT]", help=_help("arg_event"))] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="TIME", help=_help("opt_from"))] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="TIME", help=_help("opt_to"))] = None,
    notice: NoticeOption = None,
    events: Annotated[Path | None, typer.Option("--events", metavar="FILE", help=_help("opt_list"))] = None,
    programme: Annotated[
        str | None, typer.Option("--programme", metavar="NAME|FILE", help=_help("opt_programme"))
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", metavar="NAME|FILE", help=_help("opt_other_preset"))
    ] = None,
    committed: Annotated[str | None, typer.Option(metavar="KW", help=_help("opt_committed"))] = None,
    bid: Annotated[str | None, typer.Option(metavar="NT$", help=_help("opt_bid"))] = None,
    minimum: Annotated[str | None, typer.Option(metavar="KW", help=_help("opt_minimum"))] = None,
    notice_min: Annotated[
        int | None,
        typer.Option("--notice-min", min=0, metavar="MINUTES", help=_help("opt_contracted_notice")),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help=_help("opt_keep"))] = False,
    replace: Annotated[bool, typer.Option("--replace", help=_help("opt_replace"))] = False,
    meter: MeterOption = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Settle an event, a list of them, or a window."""
    from monitor.cli.dr_settle import SettleWish, run_settle

    both, either = first is not None and events is not None, (first, events, event) != (None, None, None)
    if (first is None) != (last is None) or both or not either:
        raise typer.BadParameter(_help("window_or_list"))
    window = None if first is None or last is None else (first, last, notice)
    wish = SettleWish(
        window=window,
        events=events,
        event=event,
        programme=programme,
        preset=preset,
        meters=meter or (),
        committed=committed,
        bid=bid,
        minimum=minimum,
        notice_min=notice_min,
        keep=keep,
        replace=replace,
    )
    raise typer.Exit(run_settle(site, wish, LANGUAGE, as_json=as_json))


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
