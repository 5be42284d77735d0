"""``energy-monitor dr schedule|confirm|trigger|abort|signal|cancel``: which command takes which options."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.words import say
from monitor.cli.options import SITE, SiteOption
from monitor.cli.usage import LANGUAGE

if TYPE_CHECKING:  # the store takes its time to import
    from monitor.store.event_requests import Wanted


def _option(name: str, metavar: str | None, help_key: str) -> Any:
    return typer.Option(name, metavar=metavar, help=say(help_key, LANGUAGE))


def _argument(metavar: str, help_key: str) -> Any:
    return typer.Argument(metavar=metavar, help=say(help_key, LANGUAGE))


EventArgument = Annotated[str, _argument("EVENT", "dispatch.arg_event")]

_OPTIONS: Mapping[str, tuple[Any, Any]] = {
    "plan": (Annotated[str, _argument("PLAN", "dispatch.arg_plan")], Parameter.empty),
    "event": (EventArgument, Parameter.empty),
    "start": (Annotated[str, _option("--start", "TIME", "dispatch.opt_start")], ""),
    "end": (Annotated[str, _option("--end", "TIME", "dispatch.opt_end")], ""),
    "length": (Annotated[str, _option("--for", "2h", "dispatch.opt_for")], ""),
    "mode": (Annotated[str, _option("--mode", "live|dry-run|monitor-only", "dispatch.opt_mode")], ""),
    "kw": (Annotated[float | None, _option("--kw", "KW", "dispatch.opt_kw")], None),
    "operator": (Annotated[str, _option("--operator", "NAME", "dispatch.opt_operator")], ""),
    "key_file": (Annotated[Path | None, _option("--key-file", "FILE", "dispatch.opt_key_file")], None),
    "note": (Annotated[str, _option("--note", "TEXT", "dispatch.opt_note")], ""),
    "id": (Annotated[str, _option("--id", "ID", "dispatch.opt_id")], ""),
    "file": (Annotated[Path | None, _option("--file", "FILE", "trigger.opt_file")], None),
    "programme": (Annotated[str, _option("--programme", "NAME", "dispatch.opt_programme")], ""),
    "is_draft": (Annotated[bool, _option("--draft", None, "dispatch.opt_draft")], False),
    "signal": (Annotated[str, _argument("active|inactive", "trigger.arg_signal")], Parameter.empty),
    "ttl": (Annotated[str, _option("--ttl", "10m", "trigger.opt_ttl")], ""),
    "site": (SiteOption, SITE),
}
"""Type and default of each, by the name of what ``Said`` keeps."""

TAKES: "Mapping[Wanted, str]" = {
    "schedule": "plan start end length mode kw operator key_file note id file programme is_draft site",
    "confirm": "event operator key_file note site",
    "trigger": "plan end length mode kw operator key_file note id programme site",
    "abort": "event note site",
    "signal": "event signal ttl note site",
    "cancel": "event operator key_file note site",
}


def help_of(command: str) -> str:
    """What a command is for."""
    return say("trigger.help_signal" if command == "signal" else f"dispatch.help_{command}", LANGUAGE)


def asking(what: "Wanted") -> Callable[..., None]:
    """The command that asks for something of an event, with the options that it takes."""

    def command(**given: Any) -> None:
        from monitor.cli.dr_dispatch import Said, run_asked

        site, file = given.pop("site"), given.pop("file", None)
        if "id" in given:
            given["event"] = given.pop("id")
        said = Said(what, **given)
        if what == "schedule" and (file is not None or not said.start):
            from monitor.cli.dr_event_list import run_event_list

            raise typer.Exit(run_event_list(site, said, file, LANGUAGE))
        raise typer.Exit(run_asked(site, said, LANGUAGE))

    taken = {name: _OPTIONS[name] for name in TAKES[what].split()}
    command.__annotations__ = {name: kind for name, (kind, _) in taken.items()}
    # typer reads the options off the signature, and takes what is said to be one.
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in taken.items()
        ]
    )
    return command
