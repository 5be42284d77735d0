"""How much of a curtailment plan is carried out, and how long anything of it may last."""

from typing import Literal

ModeName = Literal["live", "dry-run", "monitor-only"]

LONGEST_S = 7 * 86_400
