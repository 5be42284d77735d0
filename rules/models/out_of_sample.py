"""How well a model tells weeks that it was not fitted on."""

from math import nan, sqrt

import numpy as np

from rules.models.fitted import FittedModel
from rules.models.levels import fit_levels
from rules.models.observations import BaselineSeries, Floats, Ints

FOLDS = 5
WORST_CONDITION = 1e10
WEEK_S = 7 * 86400


def out_of_sample_cv_rmse(model: FittedModel, series: BaselineSeries) -> float:
    """CV(RMSE) of each week as told by the weeks of the other four folds.

    Whole weeks are left out, every fifth one together: single days would be told by their neighbours, and
    a season left out would ask for extrapolation. Change points, knots and what is occupied stay as they are.

    Parameters
    ----------
    series : what the model was fitted on, without masked rows.
    """
    mean = float(series.use.mean())
    if mean == 0:
        return nan
    at_s = series.start.astype("datetime64[s]").astype(np.int64)
    fold = (at_s - at_s[0]) // WEEK_S % FOLDS
    told = None if model.by_cell else _one_level(model, series, fold)
    left = series.use - (_refitted(model, series, fold) if told is None else told)
    left = left[np.isfinite(left)]
    return sqrt(float(left @ left) / len(left)) / mean if len(left) else nan


def _refitted(model: FittedModel, series: BaselineSeries, fold: Ints) -> Floats:
    """(n,) each row as told by the other folds; NaN where they never had its kind of time."""
    cell, columns = model.cells(series.conditions), model.basis.columns(series.conditions)
    group = model.levels.group
    told = np.full(len(series), nan)
    for number in range(FOLDS):
        out = fold == number
        rest = ~out
        if out.any() and rest.any():
            levels = fit_levels(series.use[rest], cell[rest], columns[rest], group)
            told[out] = levels.predicted(cell[out], columns[out])
    return told


def _one_level(model: FittedModel, series: BaselineSeries, fold: Ints) -> Floats | None:
    """The same for models of one level, all folds at once from sums of products; None where a fold leaves
    no fit.
    """
    columns = model.basis.columns(series.conditions)
    spread = columns.std(axis=0)
    scaled = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    design = np.concatenate([np.ones((len(series), 1)), scaled], axis=1)
    width = design.shape[1]
    both = np.concatenate([design, (series.use - model.quality.mean)[:, None]], axis=1)
    if len(series) - np.bincount(fold).max() <= width:
        return None
    of_fold = np.stack([both[rows].T @ both[rows] for rows in (fold == number for number in range(FOLDS))])
    rest = of_fold.sum(axis=0) - of_fold
    normal, with_use = rest[:, :width, :width], rest[:, :width, width:]
    if np.linalg.cond(normal).max() > WORST_CONDITION:
        return None
    coefficients = np.linalg.solve(normal, with_use)[:, :, 0]
    told: Floats = np.einsum("nq,nq->n", design, coefficients[fold]) + model.quality.mean
    return told
