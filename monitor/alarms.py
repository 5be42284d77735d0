"""Alarms as results: what page and ``status`` tell of goes to every sink, when it begins and when it ends."""

from typing import Any

from monitor.store.rows import ResultRow

KIND = "alarm"


def alarm_result(condition: str, at_ms: int, error: dict[str, Any] | None) -> ResultRow:
    """A condition that was told of, or taken back.

    Parameters
    ----------
    condition : its name, as ``store/size``; the subject is ``store.size``, for a slash parts topics.
    error : {code, data} while it stands, None once it is over.
    """
    data: dict[str, Any] = {"active": 0.0 if error is None else 1.0}
    if error is not None:
        data["code"] = str(error["code"])
    return ResultRow(KIND, condition.replace("/", "."), at_ms // 1000, data)
