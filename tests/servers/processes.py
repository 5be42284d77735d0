"""Programs run by tests: each in a process group of its own, read line by line, ended for certain."""

import fcntl
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

# What a test started, oldest first, so that a failure can show the logs.
started: list["Program"] = []

# How long a test waits for what must come: a machine that others use, too, may stand still for many seconds.
PATIENCE_S = 90.0

TRACEBACK = "Traceback (most recent call last)"
# Below those that the system takes for outgoing connections: none of these can take a port found free.
_PORTS = range(10_000, 32_000)
_drawn = random.SystemRandom()
_reserved: set[int] = set()


def free_port() -> int:
    """Return a loopback port that nobody listens on; no test run of this user gets it until this one ends.

    Whoever asks binds it a moment later, or again after a restart: until then only the reservation keeps
    it from the other workers.
    """
    while True:
        # Drawn, not counted: several test runs share a machine.
        port = _drawn.choice(_PORTS)
        if not _reserve(port):
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _reserve(port: int) -> bool:
    """Whether nobody else has this port: one byte of a file that all runs share, locked until we end."""
    if port in _reserved:
        return False
    _reserved.add(port)
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    return True


@cache
def _reservations() -> int:
    """Opened once and never closed: closing any descriptor of the file would give back all its locks."""
    path = Path(tempfile.gettempdir()) / f"facility-energy-monitor-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def accepts(host: str, port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


class Program:
    """A running program and its children.

    Attributes
    ----------
    name : for messages.
    lines : what it printed so far, output and errors together, without line ends.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        name: str = "",
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        covered: bool = True,
    ) -> None:
        self.name = name or Path(arguments[0]).name
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        surroundings = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        if not covered:
            surroundings = {k: v for k, v in surroundings.items() if not k.startswith("COVERAGE_")}
        self._process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=cwd,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._read, name=f"output of {self.name}")
        self._pump.start()
        started.append(self)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            with self._news:
                self.lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """Of the program itself; also the id of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative = ended by that signal."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """All that it printed so far."""
        with self._news:
            return "\n".join(self.lines)

    def wait_for_line(self, pattern: str, timeout_s: float = PATIENCE_S, *, after: int = 0) -> re.Match[str]:
        """Wait until it prints a line that matches; looks at all lines since the ``after``-th.

        Raises AssertionError with the output when it ends, or the time passes, without one.
        """
        wanted = re.compile(pattern)
        deadline_s = time.monotonic() + timeout_s
        seen = after
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if match := wanted.search(line):
                        return match
                seen = max(seen, len(self.lines))
                left_s = deadline_s - time.monotonic()
                if self._ended or left_s <= 0:
                    why = "ended" if self._ended else f"was silent for {timeout_s:g} s"
                    raise AssertionError(f"{self.name} {why} without a line like {pattern!r}\n{self.tail()}")
                self._news.wait(left_s)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Exit code, once it has ended and ``output`` holds all that it said.

        What children that live on print is not waited for. AssertionError when it does not end.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end in {timeout_s:g} s\n{self.tail()}") from None
        while self._pump.is_alive() and not self.children_left() and time.monotonic() < deadline_s:
            self._pump.join(0.02)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the program alone."""
        self._process.send_signal(number)

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the program and all its children, as a terminal does."""
        self._signal_group(signal.SIGINT)

    def terminate(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM to the program alone, as a service manager does first; exit code once it has ended."""
        self._process.terminate()
        return self.wait(timeout_s)

    def kill(self) -> int:
        """Kill -9 the program alone: its children live on until the test ends."""
        self._process.kill()
        return self._process.wait()

    def children_left(self) -> bool:
        """Whether any process of its group still runs once the program itself has ended."""
        assert self.exit_code is not None, "ask this after the program has ended"
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_for_children(self, timeout_s: float = PATIENCE_S) -> bool:
        """Whether its whole group has ended within the time."""
        deadline_s = time.monotonic() + timeout_s
        while self.children_left():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.02)
        return True

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def end(self, patience_s: float = 30.0) -> None:
        """End it and its children whatever state they are in; safe to call twice."""
        if self.exit_code is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._pump.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def tail(self, lines: int = 60) -> str:
        """Return the last lines that it printed."""
        shown = self.lines[-lines:]
        left_out = len(self.lines) - len(shown)
        return "\n".join([f"... {left_out} lines before", *shown] if left_out else shown)


@contextmanager
def run_program(
    arguments: Sequence[str | Path], *, traceback_is_fine: bool = False, **options: Any
) -> Iterator[Program]:
    """Run a program of ours and end it with its children; a traceback in its output fails the test.

    Parameters
    ----------
    arguments : program and its arguments.
    traceback_is_fine : for a program that is not ours.
    options : ``name``, ``cwd``, ``env`` (added to the test's own), ``covered`` (False = without coverage).
    """
    program = Program(arguments, **options)
    try:
        yield program
    finally:
        program.end()
    if not traceback_is_fine and TRACEBACK in program.output:
        raise AssertionError(f"{program.name} printed a traceback\n{program.tail(200)}")


def wait_until(what: str, ready: Any, program: Program, timeout_s: float = PATIENCE_S) -> None:
    """Wait until ``ready()`` is true; fails when the program ends before, or the time passes."""
    deadline_s = time.monotonic() + timeout_s
    while not ready():
        if program.exit_code is not None:
            raise AssertionError(f"{program.name} ended with {program.exit_code}\n{program.tail()}")
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what} took longer than {timeout_s:g} s\n{program.tail()}")
        time.sleep(0.01)
