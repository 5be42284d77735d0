"""Measure the hot path beside what people use otherwise, in one run: medians of five, and ratios.

The speed of a machine drifts; trust the ratio inside a row. ``make bench ARGS=run`` runs this;
``python benchmarks/run.py decode`` takes the rows with that word.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import measures

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One comparison: operations a second of ours and of a peer's way, in the same unit."""

    name: str
    unit: str
    ours: Callable[[], float]
    peer_name: str
    peer: Callable[[], float]


ROWS = (
    Row(
        "decode: 30 float32 of one block",
        "blocks/s",
        measures.decode_ours,
        "pymodbus convert_from_registers",
        measures.decode_pymodbus,
    ),
    Row(
        "validate, count, close, store: 30-value scans",
        "scans/s",
        measures.pipeline_ours,
        "a commit a scan, a row a value",
        measures.pipeline_usual,
    ),
    Row(
        "line protocol: 30-value scans",
        "lines/s",
        measures.lines_ours,
        "influxdb-client Point",
        measures.lines_point,
    ),
)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows with one of these words")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wishes = parser.parse_args()
    print("| what | unit | ours | peer | ratio | peer's way |\n| --- | --- | --- | --- | --- | --- |")
    for row in ROWS:
        if wishes.words and not any(word in row.name for word in wishes.words):
            continue
        pairs = [(row.ours(), row.peer()) for _ in range(wishes.rounds)]  # in turn: drift hits both alike
        ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"| {row.name} | {row.unit} | {ours:,.0f} | {peer:,.0f} | {ratio:.1f} | {row.peer_name} |")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
