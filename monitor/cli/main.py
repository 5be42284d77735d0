"""The command line. Commands are thin: each imports what it needs when it is called, so --help is quick.

Exit codes: 0 fine, 1 a problem was found, 2 wrong use or configuration.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from config.words import LANGUAGES, say
from monitor.cli.adjust_commands import adjustments
from monitor.cli.audit_commands import audit
from monitor.cli.base_commands import base
from monitor.cli.delivery_commands import deadletters, influx
from monitor.cli.dr_commands import dr
from monitor.cli.dr_event_commands import add_event_commands
from monitor.cli.dr_limiter_commands import add_limiter_commands
from monitor.cli.fleet_commands import (
    AllSitesOption,
    KnownAsOption,
    SiteIdOption,
    StoreOption,
    fleet,
    of_a_city,
)
from monitor.cli.kpi_commands import kpi, measures, targets
from monitor.cli.log_commands import logs
from monitor.cli.meter_commands import meters
from monitor.cli.options import SITE, JsonOption, LanguageOption, SiteLanguageOption, SiteOption
from monitor.cli.profile_commands import profiles
from monitor.cli.store_commands import backup, export, restore, stores
from monitor.cli.tariff_commands import demand, tariffs
from monitor.cli.usage import LANGUAGE, USAGE_ERROR, Command, Group, translate_help, usage_words

if TYPE_CHECKING:
    from config.site import Language

FINE, PROBLEM, WRONG_USE = 0, 1, 2


def _help(key: str, **data: str) -> str:
    return say(f"cli.{key}", LANGUAGE, **data)


app = typer.Typer(
    name="energy-monitor",
    cls=Group,
    help=_help("app"),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _language(wish: str | None) -> str | None:
    if wish is not None and wish not in LANGUAGES:
        raise typer.BadParameter(_help("bad_language", choices=", ".join(LANGUAGES)))
    return wish


@app.command(cls=Command, help=_help("run"))
def run(
    site: SiteOption = SITE,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=_help("opt_quiet"))] = False,
) -> None:
    from monitor.cli.run import run_site

    raise typer.Exit(run_site(site, LANGUAGE, quiet=quiet))


@app.command(cls=Command, help=_help("serve"))
def serve(
    site: SiteOption = SITE,
    host: Annotated[str | None, typer.Option(metavar="HOST", help=_help("opt_host"))] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help=_help("opt_port"))
    ] = None,
    language: LanguageOption = None,
    store: StoreOption = None,
    site_id: SiteIdOption = None,
    all_sites: AllSitesOption = False,
    known_as: KnownAsOption = None,
) -> None:
    city, words = of_a_city(store, site_id, all_sites), _language(language) or LANGUAGE
    try:
        from monitor.cli.serve import run_city_serve, run_serve
    except ImportError as error:
        raise _missing_extra("page", error) from error
    if city:
        code = run_city_serve(str(store), site_id, host, port, known_as or (), cast("Language", words))
        raise typer.Exit(code)
    raise typer.Exit(run_serve(site, host, port, words))


@app.command(cls=Command, help=_help("demo"))
def demo(
    seconds: Annotated[str | None, typer.Option("--for", metavar="30s", help=_help("opt_for"))] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help=_help("opt_port"))
    ] = None,
    folder: Annotated[Path | None, typer.Option("--dir", metavar="DIR", help=_help("opt_dir"))] = None,
) -> None:
    from monitor.cli.demo import run_demo

    raise typer.Exit(run_demo(seconds, port, folder, LANGUAGE))


@app.command(cls=Command, help=_help("check"))
def check(
    site: SiteOption = SITE,
    probe: Annotated[bool, typer.Option("--probe", help=_help("opt_probe"))] = False,
    as_json: JsonOption = False,
) -> None:
    from monitor.cli.check import run_check

    raise typer.Exit(run_check(site, LANGUAGE, probe=probe, as_json=as_json))


@app.command(cls=Command, help=_help("read"))
def read(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help=_help("arg_device"))],
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    from monitor.cli.read import run_read

    raise typer.Exit(run_read(site, device, LANGUAGE, as_json=as_json))


@app.command(cls=Command, help=_help("status"))
def status(
    site: SiteOption = SITE,
    as_json: JsonOption = False,
    store: StoreOption = None,
    site_id: SiteIdOption = None,
    all_sites: AllSitesOption = False,
) -> None:
    if of_a_city(store, site_id, all_sites):
        from monitor.cli.fleet_reading import run_city_status

        raise typer.Exit(run_city_status(str(store), site_id, LANGUAGE, as_json=as_json))
    from monitor.cli.status import run_status

    raise typer.Exit(run_status(site, LANGUAGE, as_json=as_json))


@app.command("import", cls=Command, help=_help("import"))
def import_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="base|actuals|readings|reasons|settlements|intervals|weather|events|adjustments|measures",
            help=_help("arg_kind"),
        ),
    ],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=_help("arg_files"))],
    site: SiteOption = SITE,
    replace: Annotated[bool, typer.Option("--replace", help=_help("opt_replace"))] = False,
    declaration: Annotated[Path | None, typer.Option("--as", metavar="FILE", help=_help("opt_as"))] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=_help("opt_set"))
    ] = None,
) -> None:
    from monitor.cli.importing import KINDS, Declared, run_import

    if kind not in KINDS:
        raise typer.BadParameter(_help("bad_kind", kind=kind))
    declared = Declared(declaration, tuple(settings or ()))
    raise typer.Exit(run_import(site, kind, files, replace, LANGUAGE, declared=declared))


@app.command(cls=Command, help=_help("report"))
def report(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=_help("arg_period"))],
    site: SiteOption = SITE,
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="text|json", help=_help("opt_format"))
    ] = "text",
    language: SiteLanguageOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help=_help("opt_out"))] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    site_id: SiteIdOption = None,
    all_sites: AllSitesOption = False,
) -> None:
    from monitor.cli.report import FORMATS, run_report

    if format_ not in FORMATS:
        raise typer.BadParameter(_help("bad_format", format=format_))
    wanted = "json" if as_json else format_
    if of_a_city(store, site_id, all_sites):
        from monitor.cli.fleet_reading import run_city_report

        words, machine = _language(language) or LANGUAGE, wanted == "json"
        raise typer.Exit(run_city_report(str(store), site_id, period, words, as_json=machine, out=out))
    raise typer.Exit(run_report(site, period, wanted, _language(language), out))


@app.command(cls=Command, help=say("savings.help", LANGUAGE))
def savings(
    commodity: Annotated[
        str, typer.Argument(metavar="COMMODITY", help=say("savings.arg_commodity", LANGUAGE))
    ],
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=_help("arg_period"))],
    site: SiteOption = SITE,
    language: SiteLanguageOption = None,
    as_json: JsonOption = False,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help=say("savings.opt_chart", LANGUAGE))
    ] = None,
    hourly: Annotated[bool, typer.Option("--hourly", help=say("savings.opt_hourly", LANGUAGE))] = False,
    variant: Annotated[
        str, typer.Option("--variant", metavar="NAME", help=say("savings.opt_variant", LANGUAGE))
    ] = "projection",
) -> None:
    from monitor.cli.savings import run_savings

    wanted = _language(language)
    raise typer.Exit(
        run_savings(
            site, commodity, period, wanted, as_json=as_json, chart=chart, hourly=hourly, variant=variant
        )
    )


app.add_typer(profiles, name="profiles")
app.add_typer(meters, name="meter")
app.add_typer(base, name="base")
app.add_typer(adjustments, name="adjust")
app.add_typer(logs, name="log")
app.add_typer(measures, name="measures")
app.command("kpi", cls=Command, help=say("kpi.help_kpi", LANGUAGE))(kpi)
app.command("targets", cls=Command, help=say("kpi.help_targets", LANGUAGE))(targets)
app.add_typer(deadletters, name="deadletter")
app.command("audit", cls=Command, help=say("trigger.help_audit", LANGUAGE))(audit)
app.add_typer(influx, name="influx")
app.add_typer(fleet, name="fleet")
app.add_typer(dr, name="dr")
app.add_typer(stores, name="store")
add_event_commands(dr)
add_limiter_commands(dr)
app.add_typer(tariffs, name="tariff")
app.command("backup", cls=Command, help=say("care.help_backup", LANGUAGE))(backup)
app.command("restore", cls=Command, help=say("care.help_restore", LANGUAGE))(restore)
app.command("demand", cls=Command, help=say("tariff.help_demand", LANGUAGE))(demand)
app.command("export", cls=Command, help=say("export.help", LANGUAGE))(export)


@app.command(cls=Command, help=_help("schema"))
def schema(
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help=_help("opt_out"))] = None,
) -> None:
    from config.schema import site_schema_text

    if out is None:
        sys.stdout.write(site_schema_text())
    else:
        out.write_text(site_schema_text(), encoding="utf-8")


def _missing_extra(extra: str, error: ImportError) -> typer.Exit:
    text = say("cli.missing_extra", LANGUAGE, extra=extra, module=error.name or "?")
    sys.stderr.write(text + "\n")
    return typer.Exit(WRONG_USE)


def main() -> None:
    """Entry point: every error becomes words; a traceback only where a developer asks for one."""
    translate_help()
    try:
        sys.exit(app(prog_name="energy-monitor", standalone_mode=False))
    except USAGE_ERROR as error:
        sys.stderr.write(usage_words(error).rstrip("\n") + "\n")
        sys.exit(WRONG_USE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PROBLEM)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the last line of defence: words, not a traceback
        if os.environ.get("ENERGY_MONITOR_DEBUG"):
            raise
        from monitor.cli.words import explain

        text, code = explain(error, LANGUAGE)
        sys.stderr.write(text + "\n")
        sys.exit(code)


if __name__ == "__main__":
    main()
