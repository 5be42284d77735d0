"""Run in camber-toolkit's own environment: its change points and its CalTRACK hourly model on the formula."""

import importlib.metadata
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import formula_building
import numpy as np
import pandas as pd
from camber.mandv.caltrack_hourly import fit_caltrack_hourly
from camber.mandv.models import fit_model

SOURCE = {
    "package": "camber-toolkit",
    "version": importlib.metadata.version("camber-toolkit"),
    "pandas": importlib.metadata.version("pandas"),
    "made_by": "make oracle",
}
KINDS = ("2P", "3PC", "3PH", "4P", "5P")


def main() -> None:
    """Write the file into a folder."""
    made = {"source": SOURCE, "change_points": change_points(), "hourly": hourly()}
    text = json.dumps(made, indent=1) + "\n"
    (Path(sys.argv[1]) / "camber.json").write_text(text, encoding="utf-8")


def change_points() -> dict:
    """Squared error and change points of each shape, on the formula's days."""
    _, temperature, use = formula_building.days()
    fits = {kind: fit_model(temperature, use, kind) for kind in KINDS}
    return {
        kind: {"sse": float(fit.sse), "change_points_f": [float(point) for point in fit.change_points]}
        for kind, fit in fits.items()
    }


def hourly() -> dict:
    """One CalTRACK model of the year."""
    start, temperature, use = formula_building.hours()
    index = pd.DatetimeIndex(start.astype("datetime64[ns]"))
    energy, weather = pd.Series(use, index=index), pd.Series(temperature, index=index)
    model, _ = fit_caltrack_hourly(energy, weather, segment_type="single")
    predicted = np.asarray(model.predict(index, weather), dtype=float)
    return {"predicted_every_37_hours": predicted[::37].tolist(), "sum": float(predicted.sum())}


if __name__ == "__main__":
    main()
