"""``energy-monitor profiles ...``: what can be said, handed on to the commands' own files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from config.words import say
from monitor.cli.options import JsonOption
from monitor.cli.usage import LANGUAGE, Command, Group


def _help(key: str) -> str:
    return say(f"profiles.{key}", LANGUAGE)


class ProfileGroup(Group):
    """Words that are no command are looked for: ``profiles siemens``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; ``list`` where none is named."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            args = ["list", *args]
        return super().resolve_command(ctx, args)


profiles = typer.Typer(cls=ProfileGroup, help=_help("about"), invoke_without_command=True)

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help=_help("arg_profile"))]
HostOption = Annotated[str | None, typer.Option("--host", metavar="HOST", help=_help("opt_host"))]
PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, metavar="PORT", help=_help("opt_port"))]
UnitOption = Annotated[int, typer.Option("--unit", min=0, max=255, metavar="N", help=_help("opt_unit"))]
LineOption = Annotated[str | None, typer.Option("--line", metavar="PORT", help=_help("opt_line"))]
BaudOption = Annotated[int, typer.Option("--baud", min=300, metavar="N", help=_help("opt_baud"))]
ParityOption = Annotated[str, typer.Option("--parity", metavar="none|even|odd", help=_help("opt_parity"))]
RtuOption = Annotated[bool, typer.Option("--rtu", help=_help("opt_rtu"))]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.05, max=60, metavar="S", help=_help("opt_timeout"))
]


@profiles.callback()
def all_profiles(ctx: typer.Context) -> None:
    """List everything where no command is named."""
    if ctx.invoked_subcommand is None:
        from monitor.cli.profiles import run_list

        raise typer.Exit(run_list([], LANGUAGE))


@profiles.command("list", cls=Command, help=_help("help_list"))
def list_(
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]...", help=_help("arg_words"))] = None,
    as_json: JsonOption = False,
) -> None:
    """List or search."""
    from monitor.cli.profiles import run_list

    raise typer.Exit(run_list(words or [], LANGUAGE, as_json=as_json))


@profiles.command("show", cls=Command, help=_help("help_show"))
def show(profile: ProfileArgument, as_json: JsonOption = False) -> None:
    """Show one."""
    from monitor.cli.profiles import run_show

    raise typer.Exit(run_show(profile, LANGUAGE, as_json=as_json))


@profiles.command("test", cls=Command, help=_help("help_test"))
def try_out(
    profile: ProfileArgument,
    host: HostOption = None,
    port: PortOption = 502,
    unit: UnitOption = 1,
    line: LineOption = None,
    baud: BaudOption = 9600,
    parity: ParityOption = "none",
    rtu: RtuOption = False,
    timeout_s: TimeoutOption = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Read a real device."""
    from monitor.cli.dialling import FarEnd
    from monitor.cli.profile_test import run_test

    _check_line(host, line, parity)
    far_end = FarEnd(host, port, unit, line, baud, parity, rtu, timeout_s)
    raise typer.Exit(run_test(profile, far_end, LANGUAGE, as_json=as_json))


@profiles.command("new", cls=Command, help=_help("help_new"))
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_help("arg_name"))],
    list_file: Annotated[
        Path | None,
        typer.Option("--from", metavar="CSV", help=_help("opt_from"), exists=True, dir_okay=False),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help=_help("opt_out"))] = None,
    maker: Annotated[str | None, typer.Option(metavar="TEXT", help=_help("opt_maker"))] = None,
    model: Annotated[str | None, typer.Option(metavar="TEXT", help=_help("opt_model"))] = None,
    family: Annotated[str | None, typer.Option(metavar="FAMILY", help=_help("opt_family"))] = None,
    table: Annotated[str, typer.Option(metavar="holding|input", help=_help("opt_table"))] = "holding",
    one_based: Annotated[bool, typer.Option("--one-based", help=_help("opt_one_based"))] = False,
    word_order: Annotated[str, typer.Option(metavar="big|little", help=_help("opt_word_order"))] = "big",
    scan: Annotated[str | None, typer.Option(metavar="FIRST-LAST", help=_help("opt_scan"))] = None,
    host: HostOption = None,
    port: PortOption = 502,
    unit: UnitOption = 1,
    line: LineOption = None,
    baud: BaudOption = 9600,
    parity: ParityOption = "none",
    rtu: RtuOption = False,
    timeout_s: TimeoutOption = 1.0,
) -> None:
    """Make one."""
    from drivers.modbus_profile import Table
    from monitor.cli.dialling import FarEnd
    from monitor.cli.profile_new import Wishes, run_new

    _one_of("--table", table, [one.value for one in Table])
    _one_of("--word-order", word_order, ["big", "little"])
    far_end = None
    if scan is not None:
        _check_line(host, line, parity)
        far_end = FarEnd(host, port, unit, line, baud, parity, rtu, timeout_s)
    wishes = Wishes(
        name, list_file, out, maker, model, family, Table(table), one_based, word_order, far_end, scan
    )
    raise typer.Exit(run_new(wishes, LANGUAGE))


def _check_line(host: str | None, line: str | None, parity: str) -> None:
    if (host is None) == (line is None):
        raise typer.BadParameter(_help("host_or_line"))
    _one_of("--parity", parity, ["none", "even", "odd"])


def _one_of(option: str, value: str, known: list[str]) -> None:
    if value not in known:
        text = say("profiles.bad_option", LANGUAGE, option=option, value=value, known=", ".join(known))
        raise typer.BadParameter(text)
