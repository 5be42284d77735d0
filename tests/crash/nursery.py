"""Where cores come from: a process that has loaded everything, and becomes a core as often as is asked.

A core that is forked starts in milliseconds; one that is started anew takes a second.
"""

import faulthandler
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Self

from tests.crash.core import Reading, Wanted, main

PATIENCE_S = 120.0


class Life:
    """One core, from its start to its death, as its parent sees it.

    Attributes
    ----------
    safe : numbers of the readings of which it said that they are on disk, in the order in which it said so.
    was_ready : whether it had taken up where the store stands.
    met_fault : whether the call came that was to fail; known at its end.
    """

    def __init__(self, pipe: Connection, pid: int) -> None:
        self.pid = pid
        self.safe: list[int] = []
        self.met_fault = False
        self.was_ready = False
        self._pipe = pipe
        self._said: list[tuple[Any, ...]] = []
        self._gone = False
        self._descriptor = os.pidfd_open(pid)

    def tell(self, *words: Any) -> None:
        """Tell it something. It may be dead already: what it did not hear it does not do."""
        self.listen()
        with suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send(words)

    def read(self, reading: Reading) -> None:
        """Have it read this."""
        self.tell("read", reading)

    def listen(self, seconds: float = 0.0) -> None:
        """Hear what it has said."""
        try:
            while not self._gone and self._pipe.poll(seconds):
                words = self._pipe.recv()
                seconds = 0.0
                if words[0] == "safe":
                    self.safe.append(words[1])
                else:
                    self.was_ready |= words[0] == "ready"
                    self._said.append(words)
        except (EOFError, ConnectionResetError):
            self._gone = True

    def listen_for(self, seconds: float) -> None:
        """Hear what it says within a time."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0 and not self._gone:
            self.listen(left_s)

    def wait_until_safe(self, count: int) -> None:
        """Wait until it has acknowledged so many readings."""
        deadline_s = time.monotonic() + PATIENCE_S
        while len(self.safe) < count:
            if self._gone:
                raise DeadError("the core died by itself")
            if time.monotonic() > deadline_s:
                self._ask_where_it_stands()
                raise AssertionError(
                    f"only {len(self.safe)} of {count} readings are safe after {PATIENCE_S:g} s"
                )
            self.listen(0.1)

    def answer(self, word: str) -> tuple[Any, ...]:
        """Wait for an answer that begins with a word; AssertionError when it dies before, or is silent."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            for words in self._said:
                if words[0] == word:
                    self._said.remove(words)
                    return words
            if self._gone:
                raise DeadError(f"the core died by itself and never said {word!r}")
            if time.monotonic() > deadline_s:
                self._ask_where_it_stands()
                raise AssertionError(f"the core did not say {word!r} within {PATIENCE_S:g} s")
            self.listen(0.1)

    def ready(self) -> Self:
        """Wait until it has taken up where the store stands."""
        self.answer("ready")
        return self

    def settle(self) -> None:
        """Wait until the writer and every sink have nothing left."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self.tell("settled")
            waiting = self.answer("settled")[1]
            if not any(waiting.values()):
                return
            if time.monotonic() > deadline_s:
                self._ask_where_it_stands()
                raise AssertionError(f"after {PATIENCE_S:g} s there still waits: {waiting}")
            time.sleep(0.02)

    def _ask_where_it_stands(self) -> None:
        """Have it write the stacks of its threads and tasks to its standard error."""
        for number in (signal.SIGUSR2, signal.SIGUSR1):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)
            time.sleep(0.5)

    def kill(self) -> None:
        """Kill -9; returns once it is gone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        self.wait()

    def end(self) -> None:
        """End it in good order."""
        self.tell("end")
        _, whole, self.met_fault = self.answer("ended")
        assert whole, "not everything got to disk"
        self.wait()

    def wait(self) -> None:
        """Wait for its death, and hear its last words."""
        if not select.select([self._descriptor], [], [], PATIENCE_S)[0]:
            raise AssertionError(f"process {self.pid} did not end")
        while not self._gone:
            self.listen(1.0)

    def close(self) -> None:
        """Kill it if it lives, and let go of it. Safe to call twice."""
        if self._descriptor >= 0:
            self.kill()
            self._pipe.close()
            os.close(self._descriptor)
            self._descriptor = -1


class DeadError(AssertionError):
    """A core that should live is dead."""


class Nursery:
    """Starts cores.

    Parameters
    ----------
    preload : a library between the cores and the system.
    """

    def __init__(self, preload: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="crash-")
        place = Path(self._folder.name)
        self.log = place / "log"
        self._listener = Listener(str(place / "socket"), "AF_UNIX")
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        surroundings |= {"OPENBLAS_NUM_THREADS": "1"}
        if preload is not None:
            surroundings["LD_PRELOAD"] = str(preload)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery", str(place / "socket")],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=surroundings,
                cwd=Path(__file__).parents[2], start_new_session=True,
            )  # fmt: skip

    def start(self, wanted: Wanted) -> Life:
        """Start a core; it may not be ready yet, and it may die before it is."""
        assert self._process.stdin is not None
        packed = pickle.dumps(wanted)
        self._process.stdin.write(len(packed).to_bytes(4, "big") + packed)
        self._process.stdin.flush()
        pipe = self._listener.accept()
        life = Life(pipe, pipe.recv())
        pipe.send("begin")  # only now: before it is known by its descriptor it may not die
        return life

    def complaints(self) -> str:
        """Return what cores wrote to their standard error."""
        return self.log.read_text(errors="replace")

    def close(self) -> None:
        """End it; cores that live end with it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._listener.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nurse(socket: str) -> None:
    """Fork a core for each order that comes in."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever dies is gone at once
    source = sys.stdin.buffer
    while head := source.read(4):
        wanted = pickle.loads(source.read(int.from_bytes(head, "big")))
        if os.fork() == 0:
            faulthandler.enable()
            faulthandler.register(signal.SIGUSR2)
            code = 1
            try:
                with Client(socket, "AF_UNIX") as pipe:
                    pipe.send(os.getpid())
                    pipe.recv()
                    main(pipe, wanted)
                code = 0
            except BaseException:  # noqa: BLE001  whatever it is, it ends here and is told
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)


if __name__ == "__main__":
    import uvloop  # noqa: F401  loaded before the first fork

    _nurse(sys.argv[1])
