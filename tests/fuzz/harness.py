"""What every fuzzed target shares: how it is run, and how it ends."""

import atexit
import signal
import sys
from collections.abc import Callable

import atheris


def fuzz(one_input: Callable[[bytes], None]) -> None:
    """Run a target with the command line's options; never returns.

    The fuzzer looks for inputs that hang by an alarm that goes on ringing. Python takes its handler away at
    the very end, and an alarm after that would end a run without a fault as one that was killed.
    """
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
