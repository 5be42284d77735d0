"""``energy-monitor deadletter|influx ...``: what can be said, handed on to the commands' own files."""

from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command, Group

deadletters = typer.Typer(cls=Group, help=say("deadletter.about", LANGUAGE), no_args_is_help=True)
influx = typer.Typer(cls=Group, help=say("backfill.about", LANGUAGE), no_args_is_help=True)

SinkOption = Annotated[
    str | None, typer.Option("--sink", metavar="ID", help=say("deadletter.opt_sink", LANGUAGE))
]


@deadletters.command("list", cls=Command, help=say("deadletter.help_list", LANGUAGE))
def list_(
    sink: SinkOption = None,
    every: Annotated[bool, typer.Option("--all", help=say("deadletter.opt_all", LANGUAGE))] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help=say("deadletter.opt_limit", LANGUAGE))
    ] = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """List letters."""
    from monitor.cli.deadletter import run_list

    raise typer.Exit(run_list(site, sink, LANGUAGE, every=every, limit=limit, as_json=as_json))


@deadletters.command("show", cls=Command, help=say("deadletter.help_show", LANGUAGE))
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help=say("deadletter.arg_number", LANGUAGE))],
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Show one letter whole."""
    from monitor.cli.deadletter import run_show

    raise typer.Exit(run_show(site, number, LANGUAGE, as_json=as_json))


@deadletters.command("retry", cls=Command, help=say("deadletter.help_retry", LANGUAGE))
def retry(
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="[NUMBER...]", help=say("deadletter.arg_numbers", LANGUAGE)),
    ] = None,
    sink: SinkOption = None,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, metavar="S", help=say("deadletter.opt_wait", LANGUAGE))
    ] = 30.0,
    site: SiteOption = SITE,
) -> None:
    """Have letters tried again."""
    from monitor.cli.deadletter import run_retry

    raise typer.Exit(run_retry(site, tuple(numbers or ()), sink, wait_s, LANGUAGE))


@influx.command("backfill", cls=Command, help=say("backfill.help", LANGUAGE))
def backfill(
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=say("backfill.opt_from", LANGUAGE))],
    to: Annotated[str, typer.Option("--to", metavar="TIME", help=say("backfill.opt_to", LANGUAGE))],
    sink: SinkOption = None,
    streams: Annotated[
        list[str] | None,
        typer.Option(
            "--stream", metavar="intervals|results|scans", help=say("backfill.opt_stream", LANGUAGE)
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help=say("backfill.opt_detach", LANGUAGE))] = False,
    site: SiteOption = SITE,
) -> None:
    """Deliver a span of the past once more."""
    from monitor.cli.influx_backfill import run_backfill

    raise typer.Exit(run_backfill(site, (from_, to), sink, tuple(streams or ()), LANGUAGE, detach=detach))
