"""Days as an operator writes them, 2025-10-01 or 06-01, and nothing else that could be taken for one."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and _DAY.fullmatch(value) else "")
    except ValueError:
        raise PydanticCustomError("day_wanted", "a day, as 2025-10-01") from None


Day = Annotated[date, BeforeValidator(_day, json_schema_input_type=str)]
"""2025-10-01."""

LEAP_YEAR = 2000  # has a 29th of February
_MONTH_DAY = re.compile(r"\d{2}-\d{2}", re.ASCII)


def month_day_of(value: object) -> tuple[int, int]:
    """``06-01`` as month and day. ValueError for anything else."""
    if isinstance(value, tuple):
        return value
    try:
        is_one = isinstance(value, str) and _MONTH_DAY.fullmatch(value)
        day = date.fromisoformat(f"{LEAP_YEAR}-{value}" if is_one else "")
    except ValueError:
        raise PydanticCustomError("month_day_wanted", "a day of the year, as 06-01") from None
    return day.month, day.day


DayOfYear = Annotated[tuple[int, int], BeforeValidator(month_day_of, json_schema_input_type=str)]
"""06-01."""
