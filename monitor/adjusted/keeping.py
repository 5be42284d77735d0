"""A fitted model as plain lists and numbers, and back: what the store keeps of it."""

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from rules.models.basis import Basis
from rules.models.fit_quality import FitQuality
from rules.models.fitted import FittedModel, Step
from rules.models.levels import LevelFit

_WHOLE = ("count", "group")


def model_to_data(model: FittedModel) -> dict[str, Any]:
    """Lists and numbers of a model."""
    levels = {
        field.name: value.tolist()
        if isinstance(value := getattr(model.levels, field.name), np.ndarray)
        else value
        for field in fields(LevelFit)
    }
    return {
        "name": str(model.name),
        "basis": asdict(model.basis),
        "levels": levels,
        "by_cell": model.by_cell,
        "quality": asdict(model.quality),
        "step": model.step,
        "coldest": model.coldest,
        "warmest": model.warmest,
        "groups": len(model.levels.slopes),
    }


def model_from_data(data: dict[str, Any]) -> FittedModel:
    """Inverse of ``model_to_data``."""
    basis = Basis(**{**data["basis"], "knots": tuple(data["basis"]["knots"])})
    groups, width = data["groups"], basis.width
    levels: dict[str, Any] = {
        name: value if name == "rank" else np.array(value, dtype=np.int64 if name in _WHOLE else np.float64)
        for name, value in data["levels"].items()
    }
    # A list of empty lists has lost its shape.
    levels["column_mean"] = levels["column_mean"].reshape(len(levels["count"]), width)
    levels["slopes"] = levels["slopes"].reshape(groups, width)
    levels["spread"] = levels["spread"].reshape(groups, width, width)
    return FittedModel(
        data["name"],
        basis,
        LevelFit(**levels),
        data["by_cell"],
        FitQuality(**data["quality"]),
        Step(data["step"]),
        data["coldest"],
        data["warmest"],
    )
