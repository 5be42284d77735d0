"""Faults set and cleared while the world runs: a line of JSON each way, on loopback alone.

``{"set": {"device": "main", "kind": "slow", "after_ms": 300}}`` gives ``{"number": 1}``; ``{"clear": 1}``,
``{"clear": "main"}`` and ``{"clear": "*"}`` give ``{"cleared": 1}``; ``{"list": true}`` gives every fault
with how often it has struck. What cannot be done gives ``{"error": "why, and the cure"}``.

``python -m simulators.control PORT set main slow after_ms=300`` is the same from a command line.
"""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from config.positions import Source
from config.problems import ConfigurationError, render_all
from config.words import preferred_language, say
from simulators.fault_script import Profiles, read_faults
from simulators.faults import EVERY_DEVICE
from simulators.standing import FaultBook

HOST = "127.0.0.1"
_LONGEST_LINE = 65_536
_TIMEOUT_S = 30.0

Answer = dict[str, Any]


class ControlChannel:
    """The far end of the channel, in the simulators.

    Parameters
    ----------
    devices : profile of each device, by its id.
    now_s : the world's time.
    changed : called after every change, before it is answered.
    language : of what cannot be done.
    """

    def __init__(
        self,
        book: FaultBook,
        devices: Profiles,
        now_s: Callable[[], float],
        changed: Callable[[], None],
        language: str,
    ) -> None:
        self._book = book
        self._devices = devices
        self._now_s = now_s
        self._changed = changed
        self._language = language
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, port: int) -> int:
        """Listen, on a free port when ``port`` is 0; returns the port. OSError when it is taken."""
        self._server = await asyncio.start_server(self._serve, HOST, port, limit=_LONGEST_LINE)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                answer = self.carried_out(line.decode("utf-8", "replace"))
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # hung up, or an endless line
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    def carried_out(self, line: str) -> Answer:
        """What one line asks for, and its answer."""
        try:
            wish = json.loads(line)
        except ValueError:
            wish = None
        match wish:
            case {"set": dict() as fault}:
                return self._set(fault)
            case {"clear": int() as number}:
                return self._cleared(number=number)
            case {"clear": str() as device}:
                return self._cleared(device=None if device == EVERY_DEVICE else device)
            case {"list": _}:
                now_s = self._now_s()
                return {"now_s": now_s, "faults": self._book.told(now_s), "asked": self._book.asked()}
        return {"error": say("simulators.control_line", self._language)}

    def _set(self, fault: Answer) -> Answer:
        source = Source("control", json.dumps({"faults": [fault]}, ensure_ascii=False))
        try:
            (found,) = read_faults(source, self._devices).faults
        except ConfigurationError as error:
            return {"error": render_all(error.problems, self._language)}
        number = self._book.add(found, begin_s=self._now_s())
        self._changed()
        return {"number": number}

    def _cleared(self, number: int | None = None, device: str | None = None) -> Answer:
        cleared = self._book.clear(number, device)
        self._changed()
        return {"cleared": cleared}


def ask(port: int, wish: Answer) -> Answer:
    """Ask a running world one thing. OSError when there is none."""
    with socket.create_connection((HOST, port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(json.dumps(wish).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer: Answer = json.loads(lines.readline() or b"{}")
            return answer


def main() -> int:
    """Ask a running world; exit 0 when it was done, 1 when nobody listens, 2 when it could not be done."""
    language = preferred_language()
    wishes = _parser(language).parse_args()
    try:
        answer = ask(wishes.port, _wish(wishes))
    except OSError as error:
        reason = error.strerror or str(error)
        sys.stderr.write(say("simulators.no_control", language, port=wishes.port, reason=reason) + "\n")
        return 1
    if "error" in answer:
        sys.stderr.write(f"{answer['error']}\n")
        return 2
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
    return 0


def _wish(wishes: argparse.Namespace) -> Answer:
    if wishes.what == "set":
        return {"set": {"device": wishes.device, "kind": wishes.kind, **dict(wishes.parameters)}}
    if wishes.what == "clear":
        return {"clear": int(wishes.which) if wishes.which.isdigit() else wishes.which}
    return {"list": True}


def _parameter(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _parser(language: str) -> argparse.ArgumentParser:
    def help_of(key: str) -> str:
        return say(f"simulators.{key}", language)

    parser = argparse.ArgumentParser(
        prog="python -m simulators.control", description=help_of("control_about")
    )
    parser.add_argument("port", type=int, metavar="PORT", help=help_of("control_port"))
    actions = parser.add_subparsers(dest="what", required=True)
    setting = actions.add_parser("set", help=help_of("control_set"))
    setting.add_argument("device")
    setting.add_argument("kind")
    setting.add_argument("parameters", nargs="*", type=_parameter, metavar="KEY=VALUE")
    clearing = actions.add_parser("clear", help=help_of("control_clear"))
    clearing.add_argument("which", nargs="?", default=EVERY_DEVICE)
    actions.add_parser("list", help=help_of("control_list"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
