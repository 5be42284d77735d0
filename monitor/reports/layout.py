"""Text in columns of a terminal, where a Chinese character takes two."""

import re
from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len

WIDTH = 80
GAP = 2

Align = Literal["left", "right"]

# What must not be torn apart: words, and figures with their unit as 1,257萬2,309度.
_TOKEN = re.compile(r"[!-~]+(?:[萬億兆][0-9,.]+)*(?:度|公升|噸|年|月|日)?|減少|增加|\s+|.")
_NEVER_FIRST = "，。、；：！？）」』％%,.;:!?)"
_NEVER_LAST = "（「『("


def padded(text: str, width: int, align: Align = "left") -> str:
    """Text filled up with spaces to a width in columns."""
    space = " " * max(0, width - cell_len(text))
    return space + text if align == "right" else text + space


def table(rows: Sequence[Sequence[str]], align: Sequence[Align], width: int = WIDTH) -> list[str]:
    """Lines of a table, its first row a heading between rules.

    Columns are as wide as they need to be, and what is left of ``width`` goes between them evenly.
    """
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    gaps = len(widths) - 1
    spare = width - sum(widths)
    gap = max(GAP, min(6, spare // gaps)) if gaps else 0
    lines = [
        (" " * gap)
        .join(padded(cell, wide, side) for cell, wide, side in zip(row, widths, align, strict=True))
        .rstrip()
        for row in rows
    ]
    rule = "─" * (sum(widths) + gap * gaps)
    return [rule, lines[0], rule, *lines[1:], rule]


def wrapped(text: str, first: str = "", rest: str | None = None, width: int = WIDTH) -> list[str]:
    """Lines of at most ``width`` columns that begin with ``first`` and then ``rest``.

    Chinese breaks anywhere but before closing and after opening punctuation; words and figures stay whole.
    """
    rest = " " * cell_len(first) if rest is None else rest
    lines: list[str] = []
    line, prefix = "", first
    for token in _tokens(text):
        if line and cell_len(prefix) + cell_len(line) + cell_len(token.rstrip()) > width:
            lines.append((prefix + line).rstrip())
            line, prefix = "", rest
        line += token if line else token.lstrip()
    lines.append((prefix + line).rstrip())
    return lines


def _tokens(text: str) -> list[str]:
    """Pieces of a text between which a line may break."""
    pieces: list[str] = []
    opening = ""
    for piece in _TOKEN.findall(text):
        if piece in _NEVER_LAST:
            opening += piece
        elif piece[0] in _NEVER_FIRST and pieces and not opening and not pieces[-1].isspace():
            pieces[-1] += piece
        else:
            pieces.append(opening + piece)
            opening = ""
    return [*pieces, opening] if opening else pieces
