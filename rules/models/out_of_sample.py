"""How well a model tells weeks that it was not fitted on."""

from math import nan, sqrt

import numpy as np

from rules.models.fitted import FittedModel
from rules.models.levels import fit_levels
from rules.models.observations import BaselineSeries, Floats, Ints

FOLDS = 5
TINY = 1e-300
APART = 1e-10
"""Columns of length 1 whose determinant is below this cannot be told apart."""
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
    n = len(series)
    if n - np.bincount(fold).max() <= model.basis.width + 1:
        return None
    columns = model.basis.columns(series.conditions)
    columns -= columns.mean(axis=0)
    size = np.sqrt(np.einsum("nq,nq->q", columns, columns) / n)
    columns /= np.where(size > 0, size, 1.0)
    use = series.use - model.quality.mean
    both = np.concatenate([np.ones((n, 1)), columns, use[:, None]], axis=1)
    products = (both[:, :, None] * both[:, None, :]).reshape(n, -1)
    of_fold = (fold[None, :] == np.arange(FOLDS)[:, None]).astype(np.float64) @ products
    rest = (of_fold.sum(axis=0) - of_fold).reshape(FOLDS, both.shape[1], both.shape[1])
    normal, with_use = rest[:, :-1, :-1], rest[:, :-1, -1:]
    scale = np.sqrt(np.maximum(np.einsum("fqq->fq", normal), TINY))
    if np.linalg.det(normal / (scale[:, :, None] * scale[:, None, :])).min() < APART:
        return None
    coefficients = np.linalg.solve(normal, with_use)[:, :, 0]
    told: Floats = np.einsum("nq,nq->n", both[:, :-1], coefficients[fold]) + model.quality.mean
    return told
