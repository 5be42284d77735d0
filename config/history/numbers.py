"""Columns of figures: whole columns at once, and each cell's fault where one has any."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.history.grid import Cells, among, letters

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
_LETTERS = np.zeros(128, dtype=bool)
_LETTERS[[0, *b"0123456789.+-eE"]] = True


@dataclass(frozen=True, slots=True)
class Figures:
    """A column read as numbers.

    Attributes
    ----------
    values : (n,) float64; NaN where missing or bad.
    missing : (n,) bool, cells that are declared to mean nothing.
    bad : (n,) bool, cells that are no number.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]


def figures(cells: Cells, missing: Sequence[str] = (), thousands: bool = False) -> Figures:
    """Read a column of figures.

    Parameters
    ----------
    missing : cells that mean that nothing is known.
    thousands : whether groups of three digits may be parted by commas.
    """
    nothing = among(cells, missing)
    if not nothing.any() and not thousands:
        values = _quick(cells)
        if values is not None:
            return Figures(values, nothing, np.zeros(len(cells), dtype=bool))
    values = np.full(len(cells), np.nan)
    bad = np.zeros(len(cells), dtype=bool)
    wanted = np.flatnonzero(~nothing)
    quick = None if thousands else _quick(cells[wanted])
    if quick is not None:
        values[wanted] = quick
    else:
        texts = cells[wanted].astype(np.str_).tolist()
        read = [number(text, thousands) for text in texts]
        values[wanted] = [np.nan if one is None else one for one in read]
        bad[wanted] = [one is None for one in read]
    return Figures(values, nothing, bad)


def number(text: str, thousands: bool = False) -> float | None:
    """One figure; None where it is none."""
    if thousands and _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) != float("inf") else None


def _quick(cells: Cells) -> NDArray[np.float64] | None:
    """All cells as numbers, or None where one may be none."""
    if not len(cells):
        return np.empty(0)
    codes = letters(cells)
    if (codes >= 128).any() or not _LETTERS[codes].all():
        return None
    try:
        values = cells.astype(np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None
