"""One meter-year as other programs do it; run by ``benchmarks/models.py`` in the environment of one of them.

Prints a line of JSON for each way: its name and the seconds of some runs, by the clock and of processor,
after a first one that is not counted (compilers and caches warm up in it).
"""

import json
import logging
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "oracle"))

import formula_building
import pandas as pd

START, TEMPERATURE_F, USE = formula_building.hours()


def index(periods: int = len(USE), frequency: str = "h") -> pd.DatetimeIndex:
    """Hours of the year, UTC."""
    return pd.date_range(START[0], periods=periods, freq=frequency, tz="UTC")


def opendsm(frame: pd.DataFrame) -> dict:
    """OpenDSM: prepare, fit, predict."""
    from opendsm import eemeter

    def daily() -> None:
        data = eemeter.DailyBaselineData(frame.copy(), is_electricity_data=True)
        eemeter.DailyModel().fit(data).predict(data)

    def hourly() -> None:
        data = eemeter.HourlyBaselineData(frame.copy(), is_electricity_data=True)
        eemeter.HourlyModel().fit(data).predict(data)

    return {"OpenDSM daily": daily, "OpenDSM hourly": hourly}


def eemeter(frame: pd.DataFrame) -> dict:
    """eemeter 2.10: the CalTRACK daily model, without a prediction."""
    import eemeter

    day = index(366, "D")
    days = pd.DataFrame({"value": [*USE.reshape(-1, 24).sum(axis=1), float("nan")]}, index=day)

    def daily() -> None:
        matrix = eemeter.create_caltrack_daily_design_matrix(days, frame.temperature)
        eemeter.fit_caltrack_usage_per_day_model(matrix)

    return {"eemeter 2.10 CalTRACK daily": daily}


def camber(frame: pd.DataFrame) -> dict:
    """camber-toolkit: its choice of change points, its own TOWT, and CalTRACK's hourly model of the year."""
    from camber.mandv.caltrack_hourly import fit_caltrack_hourly
    from camber.mandv.models import best_model
    from camber.mandv.towt import fit_towt

    _, mean, use = formula_building.days()
    local = frame.tz_localize(None)

    def daily() -> None:
        best_model(mean, use).predict(mean)

    def towt() -> None:
        fit_towt(local.observed, local.temperature).predict(local.index, local.temperature)

    def hourly() -> None:
        model, _ = fit_caltrack_hourly(local.observed, local.temperature, segment_type="single")
        model.predict(local.index, local.temperature)

    return {
        "camber-toolkit change points": daily,
        "camber-toolkit TOWT": towt,
        "camber-toolkit CalTRACK hourly, one segment": hourly,
    }


def main() -> None:
    """Time each way."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    package, rounds = sys.argv[1], int(sys.argv[2])
    frame = pd.DataFrame({"observed": USE, "temperature": TEMPERATURE_F}, index=index())
    ways = {"opendsm": opendsm, "eemeter": eemeter, "camber": camber}[package](frame)
    for name, run in ways.items():
        run()
        taken = []
        for _ in range(rounds):
            began, used = time.perf_counter(), time.process_time()
            run()
            taken.append((time.perf_counter() - began, time.process_time() - used))
        print(json.dumps({"name": name, "seconds": taken}), flush=True)


if __name__ == "__main__":
    main()
