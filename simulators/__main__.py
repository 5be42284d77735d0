"""``python -m simulators``: serve the devices that a site file names, from the model of the building."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import get_args

from config.problems import ConfigurationError, render_all
from config.words import preferred_language, say
from simulators.clock import WorldClock, machine_s
from simulators.lines import ServerKind, Service, ServingError
from simulators.serving import serve
from simulators.world import World, world_of_file, world_of_site

_OK, _PROBLEM, _WRONG_USE = 0, 1, 2


def main() -> int:
    """Serve until SIGTERM or SIGINT; exit 0 then, 1 when an address is taken, 2 on a wrong file or option."""
    language = preferred_language()
    wishes = _parser(language).parse_args()
    installed_s = wishes.installed.timestamp() if wishes.installed else None
    try:
        if wishes.site:
            world = world_of_site(wishes.site, wishes.seed, installed_s)
        else:
            world = world_of_file(wishes.world, wishes.seed, installed_s)
        start_s = wishes.start.timestamp() if wishes.start else None
        clock = WorldClock(machine_s(), start_s, wishes.speed)
        if wishes.publish_every:
            world = replace(world, publish_every_s=wishes.publish_every)
        if wishes.hold:
            world = replace(world, hold_s=wishes.hold)
        if wishes.faults:
            world = replace(world, faults=world.faults_of_file(wishes.faults))
        lines = dict(wishes.line)
        _run(world, clock, Service(wishes.control, wishes.server, wishes.certificate, wishes.key, lines))
    except ConfigurationError as error:
        return _complain(render_all(error.problems, language), _WRONG_USE)
    except ServingError as error:
        return _complain(say(error.code, language, **error.data), _PROBLEM)
    return _OK


def _run(world: World, clock: WorldClock, service: Service) -> None:
    async def until_signalled() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(world, clock, _say_ready, stop, service)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(until_signalled())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    with suppress(ImportError):
        import uvloop

        return uvloop.Loop
    return None


def _say_ready(control_port: int | None, lines: Mapping[str, str]) -> None:
    if control_port is not None:
        sys.stdout.write(f"control {control_port}\n")
    for bus, path in lines.items():
        sys.stdout.write(f"line {bus} {path}\n")
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _complain(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


def _parser(language: str) -> argparse.ArgumentParser:
    def help_of(key: str) -> str:
        return say(f"simulators.{key}", language)

    parser = argparse.ArgumentParser(prog="python -m simulators", description=help_of("about"))
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--site", type=Path, metavar="FILE", help=help_of("site"))
    which.add_argument("--world", type=Path, metavar="FILE", help=help_of("world"))
    parser.add_argument("--seed", type=int, help=help_of("seed"))
    parser.add_argument("--speed", type=_positive, default=1.0, metavar="X", help=help_of("speed"))
    parser.add_argument("--start", type=_instant, metavar="ISO", help=help_of("start"))
    parser.add_argument("--installed", type=_instant, metavar="ISO", help=help_of("installed"))
    parser.add_argument("--publish-every", type=_positive, metavar="S", help=help_of("publish_every"))
    parser.add_argument("--hold", type=_positive, metavar="S", help=help_of("hold"))
    parser.add_argument("--faults", type=Path, metavar="FILE", help=help_of("faults"))
    parser.add_argument("--control", type=int, metavar="PORT", help=help_of("control"))
    kinds = get_args(ServerKind)
    parser.add_argument("--server", choices=kinds, default=kinds[0], help=help_of("server"))
    parser.add_argument("--certificate", type=Path, metavar="FILE", help=help_of("certificate"))
    parser.add_argument("--key", type=Path, metavar="FILE", help=help_of("key"))
    parser.add_argument(
        "--line", type=_line, action="append", default=[], metavar="BUS=PATH", help=help_of("line")
    )
    return parser


def _line(text: str) -> tuple[str, Path]:
    bus, equals, path = text.partition("=")
    if not (bus and equals and path):
        raise argparse.ArgumentTypeError(say("simulators.not_a_line", preferred_language(), text=text))
    return bus, Path(path)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(say("simulators.no_offset", preferred_language(), text=text))
    return instant


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(say("simulators.not_positive", preferred_language(), text=text))
    return number


if __name__ == "__main__":
    sys.exit(main())
