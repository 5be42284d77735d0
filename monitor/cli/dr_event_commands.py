"""``energy-monitor dr ...`` of plans and events: what can be said, handed on to the commands' own files."""

from pathlib import Path
from typing import Annotated

import typer

from config.words import say
from monitor.cli.options import SITE, JsonOption, SiteOption
from monitor.cli.usage import LANGUAGE, Command


def _help(key: str) -> str:
    return say(f"dispatch.{key}", LANGUAGE)


def _limiter_help(key: str, **data: object) -> str:
    return say(f"limiter.{key}", LANGUAGE, **data)


def _trigger_help(key: str) -> str:
    return say(f"trigger.{key}", LANGUAGE)


FIRST_YEAR, LAST_YEAR = 2015, 2040
"""What the model of the building knows holidays of."""

PlanArgument = Annotated[str, typer.Argument(metavar="PLAN", help=_help("arg_plan"))]
EventArgument = Annotated[str, typer.Argument(metavar="EVENT", help=_help("arg_event"))]
StartOption = Annotated[str, typer.Option("--start", metavar="TIME", help=_help("opt_start"))]
EndOption = Annotated[str, typer.Option("--end", metavar="TIME", help=_help("opt_end"))]
ForOption = Annotated[str, typer.Option("--for", metavar="2h", help=_help("opt_for"))]
ModeOption = Annotated[
    str, typer.Option("--mode", metavar="live|dry-run|monitor-only", help=_help("opt_mode"))
]
KwOption = Annotated[float | None, typer.Option("--kw", metavar="KW", help=_help("opt_kw"))]
OperatorOption = Annotated[str, typer.Option("--operator", metavar="NAME", help=_help("opt_operator"))]
KeyFileOption = Annotated[Path | None, typer.Option("--key-file", metavar="FILE", help=_help("opt_key_file"))]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help=say("trigger.opt_file", LANGUAGE))
]
ProgrammeOption = Annotated[str, typer.Option("--programme", metavar="NAME", help=_help("opt_programme"))]
NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help=_help("opt_note"))]


def schedule(
    plan: PlanArgument,
    start: StartOption = "",
    end: EndOption = "",
    length: ForOption = "",
    mode: ModeOption = "",
    kw: KwOption = None,
    operator: OperatorOption = "",
    key_file: KeyFileOption = None,
    note: NoteOption = "",
    event: Annotated[str, typer.Option("--id", metavar="ID", help=_help("opt_id"))] = "",
    file: FileOption = None,
    programme: ProgrammeOption = "",
    draft: Annotated[bool, typer.Option("--draft", help=_help("opt_draft"))] = False,
    site: SiteOption = SITE,
) -> None:
    """Write an event down that begins later, or those of a file."""
    from monitor.cli.dr_dispatch import Said, run_asked

    said = Said(
        "schedule", plan, event, start, end, length, mode, kw, operator, key_file, note, programme, draft
    )
    if file is not None or not start:
        from monitor.cli.dr_event_list import run_event_list

        raise typer.Exit(run_event_list(site, said, file, LANGUAGE))
    raise typer.Exit(run_asked(site, said, LANGUAGE))


def confirm(
    event: EventArgument,
    operator: OperatorOption = "",
    key_file: KeyFileOption = None,
    note: NoteOption = "",
    site: SiteOption = SITE,
) -> None:
    """Make an event of a draft."""
    from monitor.cli.dr_dispatch import Said, run_asked

    said = Said("confirm", event=event, operator=operator, key_file=key_file, note=note)
    raise typer.Exit(run_asked(site, said, LANGUAGE))


def trigger(
    plan: PlanArgument,
    end: EndOption = "",
    length: ForOption = "",
    mode: ModeOption = "",
    kw: KwOption = None,
    operator: OperatorOption = "",
    key_file: KeyFileOption = None,
    note: NoteOption = "",
    event: Annotated[str, typer.Option("--id", metavar="ID", help=_help("opt_id"))] = "",
    programme: ProgrammeOption = "",
    site: SiteOption = SITE,
) -> None:
    """Begin an event now."""
    from monitor.cli.dr_dispatch import Said, run_asked

    said = Said("trigger", plan, event, "", end, length, mode, kw, operator, key_file, note, programme)
    raise typer.Exit(run_asked(site, said, LANGUAGE))


def abort(event: EventArgument, note: NoteOption = "", site: SiteOption = SITE) -> None:
    """Hand everything back now."""
    from monitor.cli.dr_dispatch import Said, run_asked

    raise typer.Exit(run_asked(site, Said("abort", event=event, note=note), LANGUAGE))


def signal(
    event: EventArgument,
    state: Annotated[str, typer.Argument(metavar="active|inactive", help=_trigger_help("arg_signal"))],
    ttl: Annotated[str, typer.Option("--ttl", metavar="10m", help=_trigger_help("opt_ttl"))] = "",
    note: NoteOption = "",
    site: SiteOption = SITE,
) -> None:
    """Tell an open event whether it is to hold."""
    from monitor.cli.dr_dispatch import Said, run_asked

    raise typer.Exit(run_asked(site, Said("signal", event=event, note=note, signal=state, ttl=ttl), LANGUAGE))


def cancel(
    event: EventArgument,
    operator: OperatorOption = "",
    key_file: KeyFileOption = None,
    note: NoteOption = "",
    site: SiteOption = SITE,
) -> None:
    """Take back an event that has not begun."""
    from monitor.cli.dr_dispatch import Said, run_asked

    said = Said("cancel", event=event, operator=operator, key_file=key_file, note=note)
    raise typer.Exit(run_asked(site, said, LANGUAGE))


def plan(
    name: Annotated[str | None, typer.Argument(metavar="[PLAN]", help=_help("arg_plan"))] = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Show the plans, or one with all that it does."""
    from monitor.cli.dr_views import run_plan

    raise typer.Exit(run_plan(site, name, LANGUAGE, as_json=as_json))


def list_(site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """List events."""
    from monitor.cli.dr_views import run_list

    raise typer.Exit(run_list(site, LANGUAGE, as_json=as_json))


def show(event: EventArgument, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """Show an event: each action's state, every write, what happened."""
    from monitor.cli.dr_views import run_show

    raise typer.Exit(run_show(site, event, LANGUAGE, as_json=as_json))


def simulate(
    plan: Annotated[str, typer.Option("--plan", metavar="PLAN", help=_limiter_help("opt_plan"))] = "",
    limit: Annotated[
        float | None, typer.Option("--limit", metavar="KW", help=_limiter_help("opt_limit"))
    ] = None,
    year: Annotated[
        int | None, typer.Option("--year", metavar="YEAR", help=_limiter_help("opt_year"))
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="own|model", help=_limiter_help("opt_source"))
    ] = "",
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Go through a year of the demand limiter."""
    from monitor.cli.dr_simulate import SimulateWish, run_simulate

    if source not in ("", "own", "model"):
        raise typer.BadParameter(_limiter_help("bad_source", source=source))
    if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
        raise typer.BadParameter(_limiter_help("bad_year", year=year))
    if limit is not None and not 0 < limit < float("inf"):
        raise typer.BadParameter(_limiter_help("bad_limit"))
    wish = SimulateWish(plan, limit, year, source)
    raise typer.Exit(run_simulate(site, wish, LANGUAGE, as_json=as_json))


def export(
    event: EventArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help=_help("opt_out"))],
    site: SiteOption = SITE,
) -> None:
    """Write an event's record into a file."""
    from monitor.cli.dr_record import run_export

    raise typer.Exit(run_export(site, event, out, LANGUAGE))


def check(file: Annotated[Path, typer.Argument(metavar="FILE", help=_help("arg_record"))]) -> None:
    """Say whether an event's record holds together."""
    from monitor.cli.dr_record import run_check_record

    raise typer.Exit(run_check_record(file, LANGUAGE))


def key(operator: Annotated[str, typer.Argument(metavar="OPERATOR", help=_help("arg_operator"))]) -> None:
    """Make a key for an operator."""
    from monitor.cli.dr_dispatch import run_key

    raise typer.Exit(run_key(LANGUAGE, operator))


def add_event_commands(group: typer.Typer) -> None:
    """Put the commands of plans and events into the group ``dr``."""
    for name, command in (
        ("plan", plan),
        ("schedule", schedule),
        ("confirm", confirm),
        ("trigger", trigger),
        ("abort", abort),
        ("cancel", cancel),
        ("list", list_),
        ("show", show),
        ("export", export),
        ("check", check),
        ("key", key),
    ):
        group.command(name, cls=Command, help=_help(f"help_{name}"))(command)
    group.command("signal", cls=Command, help=_trigger_help("help_signal"))(signal)
    group.command("simulate", cls=Command, help=_limiter_help("help_simulate"))(simulate)
