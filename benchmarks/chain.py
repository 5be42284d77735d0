"""``make bench``: every part after the other, each within its time, and at the end what each took.

``QUICK=1`` runs all of them small: it shows that they run, and measures nothing. ``ARGS=mqtt`` takes a part
alone. A part that fails or does
not end is named; the others are run all the same, and the exit code is 1.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
CLEAN_UP_S = 60.0


class Part(NamedTuple):
    """One program, what it is given when only its running matters, and the longest it may take. [s]"""

    name: str
    small: tuple[str, ...]
    most_s: float


PARTS = (
    Part("run.py", ("--rounds", "1"), 600),
    Part("modbus.py", ("8", "--rounds", "1"), 900),
    Part("mqtt.py", ("--rounds", "1"), 1200),
    Part("fleet.py", ("50", "--seconds", "3"), 900),
    Part("models.py", ("--ours",), 2400),
    Part("outage.py", ("--devices", "100", "--days", "0.25"), 2400),
)


def run(part: Part, *, small: bool) -> str:
    """Run one part; gives what went wrong in words, or nothing."""
    command = [sys.executable, str(HERE / part.name), *(part.small if small else ())]
    print(f"\nbenchmarks/{part.name}", flush=True)
    with subprocess.Popen(command) as process:
        try:
            code = process.wait(part.most_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that it ends what it started
            try:
                process.wait(CLEAN_UP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            return f"did not end within {part.most_s:g} s"
    return f"exit code {code}" if code else ""


def main() -> int:
    """Run all parts, or those that are named."""
    small, wanted = bool(os.environ.get("QUICK")), sys.argv[1:]
    parts = [part for part in PARTS if not wanted or part.name.removesuffix(".py") in wanted]
    if not parts:
        print("parts: " + ", ".join(part.name.removesuffix(".py") for part in PARTS), file=sys.stderr)
        return 2
    told, failed = [], False
    for part in parts:
        began_s = time.monotonic()
        trouble = run(part, small=small)
        failed |= bool(trouble)
        told.append(f"{part.name}: {time.monotonic() - began_s:.0f} s{trouble and ', ' + trouble}")
    print("\n" + "\n".join(told))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
