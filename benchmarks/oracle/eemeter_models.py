"""Run in eemeter's own environment: its CalTRACK daily model on its sample, its hourly model on the
formula.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import eemeter
import formula_building
import pandas as pd

SAMPLE = "il-electricity-cdd-hdd-daily"
SOURCE = {
    "package": "eemeter",
    "version": importlib.metadata.version("eemeter"),
    "pandas": importlib.metadata.version("pandas"),
    "statsmodels": importlib.metadata.version("statsmodels"),
    "made_by": "make oracle",
}


def main() -> None:
    """Write both files into a folder."""
    folder = Path(sys.argv[1])
    for name, made in (("eemeter_daily.json", daily()), ("eemeter_hourly.json", hourly())):
        (folder / name).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def daily() -> dict:
    """Model of the 365 days before the sample's measure, with what went into it."""
    meter, temperature, meta = eemeter.load_sample(SAMPLE)
    end = meta["blackout_start_date"]
    baseline, _ = eemeter.get_baseline_data(meter, end=end, max_days=365)
    matrix = eemeter.create_caltrack_daily_design_matrix(baseline, temperature)
    results = eemeter.fit_caltrack_usage_per_day_model(matrix)
    used = matrix.dropna()
    best = results.model
    kinds: dict[str, dict] = {}
    for candidate in results.candidates:
        if candidate.status == "QUALIFIED":
            known = kinds.get(candidate.model_type)
            if known is None or candidate.r_squared_adj > known["adjusted_r2"]:
                kinds[candidate.model_type] = {
                    "adjusted_r2": float(candidate.r_squared_adj),
                    "parameters": {key: float(value) for key, value in candidate.model_params.items()},
                }
    return {
        "source": {**SOURCE, "function": "fit_caltrack_usage_per_day_model", "sample": SAMPLE},
        "chosen": best.model_type,
        "qualified": sum(candidate.status == "QUALIFIED" for candidate in results.candidates),
        "best_of_kind": kinds,
        "days": [day.date().isoformat() for day in used.index],
        "temperature_f": used.temperature_mean.tolist(),
        "kwh": used.meter_value.tolist(),
    }


def hourly() -> dict:
    """One model of the year (segment type "single"), its occupied hours, its bins and some predictions."""
    start, temperature, use = formula_building.hours()
    index = pd.date_range(start[0], periods=len(start), freq="H", tz="UTC")
    until = pd.date_range(start[0], periods=len(start) + 1, freq="H", tz="UTC")
    meter = pd.DataFrame({"value": [*use, float("nan")]}, index=until)
    weather = pd.Series(temperature, index=index)
    features = eemeter.create_caltrack_hourly_preliminary_design_matrix(meter, weather)
    segmentation = eemeter.segment_time_series(features.index, "single")
    occupancy = eemeter.estimate_hour_of_week_occupancy(features, segmentation=segmentation)
    bins = eemeter.fit_temperature_bins(features, segmentation=segmentation)
    matrices = eemeter.create_caltrack_hourly_segmented_design_matrices(
        features, segmentation, occupancy, bins
    )
    model = eemeter.fit_caltrack_hourly_model(matrices, occupancy, bins)
    # Its predict() of a single segment asks for months that are not there; the regression itself answers.
    (segment,), (matrix,) = model.model.segment_models, matrices.values()
    predicted = segment.model.fit().predict(matrix.iloc[: len(start)])
    return {
        "source": {**SOURCE, "function": "fit_caltrack_hourly_model, segment type single"},
        "knots_f": [float(end) for end, kept in bins.iloc[:, 0].items() if kept],
        "occupied": occupancy.iloc[:, 0].astype(int).tolist(),
        "predicted_every_37_hours": predicted.to_numpy()[::37].tolist(),
        "sum": float(predicted.sum()),
    }


if __name__ == "__main__":
    main()
