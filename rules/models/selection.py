"""Which model to use: all are fitted, the best is taken, and the others stand beside it."""

from dataclasses import dataclass, replace
from math import inf, isfinite, nan

from rules.models.basis import Basis
from rules.models.change_points import Shape, change_point_basis
from rules.models.degree_days import CALTRACK_C, DegreeDayRules, degree_day_choice
from rules.models.findings import ModelFinding, refusal, refused, remark
from rules.models.fit_quality import cv_rmse_limit
from rules.models.fitted import FittedModel, Step, fit_on
from rules.models.hinge_sums import TemperatureOrder
from rules.models.observations import BaselineSeries
from rules.models.out_of_sample import out_of_sample_cv_rmse
from rules.models.sufficiency import CALTRACK_2, SufficiencyRules, baseline_findings
from rules.models.towt import CALTRACK_HOURLY_C, EQUAL_COUNTS_C, TowtRules, fit_towt

AS_GOOD = 1.01
"""Out-of-sample errors within a hundredth of the least are as good as the least."""

FEWEST_ROWS_A_PARAMETER = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model, and what speaks for and against it.

    Attributes
    ----------
    name : of the model.
    model : None where it could not be fitted.
    out_of_sample : CV(RMSE) over weeks that were left out; NaN where there is none.
    findings : those that refuse say why it may not be chosen.
    """

    name: str
    model: FittedModel | None
    out_of_sample: float
    findings: tuple[ModelFinding, ...] = ()

    @property
    def qualifies(self) -> bool:
        """Whether it may be chosen."""
        return self.model is not None and not refused(self.findings)

    @property
    def error(self) -> float:
        """The out-of-sample error, for ranking: infinite where there is none."""
        return self.out_of_sample if isfinite(self.out_of_sample) else inf

    @property
    def adjusted_r2(self) -> float:
        """For ranking: the lowest of all where use never varies."""
        value = nan if self.model is None else self.model.quality.adjusted_r2
        return value if isfinite(value) else -inf

    @property
    def cv_rmse(self) -> float:
        """On the base period; NaN without a model."""
        return nan if self.model is None else self.model.quality.cv_rmse


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen model, the losers beside it, and what is to be said.

    Attributes
    ----------
    best : None where a finding refuses.
    candidates : all of them, best first.
    findings : of the base period and of the choice.
    """

    best: FittedModel | None
    candidates: tuple[Candidate, ...]
    findings: tuple[ModelFinding, ...]


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What the models are told; temperatures in degC unless a caller brings others.

    Attributes
    ----------
    reporting_months : length of what will be answered for, which the limit of CV(RMSE) depends on.
    """

    degree_days: DegreeDayRules = CALTRACK_C
    daily_towt: TowtRules = EQUAL_COUNTS_C
    hourly_towt: TowtRules = CALTRACK_HOURLY_C
    sufficiency: SufficiencyRules = CALTRACK_2
    reporting_months: float = 6.0


DEFAULT_RULES = ModelRules()


def select_daily(series: BaselineSeries, rules: ModelRules = DEFAULT_RULES) -> Selection:
    """Fit every daily model and choose.

    The least out-of-sample error wins; among those within a hundredth of it, the best adjusted R2.

    Parameters
    ----------
    series : a row a local day, NaN for what is missing; cells are day types or days of the week.
    """
    findings = baseline_findings(series, Step.DAY, rules.sufficiency)
    if refused(findings):
        return Selection(None, (), findings)
    known = known_rows(series)
    conditions = known.conditions
    order = TemperatureOrder(conditions.temperature, known.use, conditions.moisture)
    candidates = [
        _candidate(fit_on(known, "mean", Basis(), Step.DAY), known),
        _candidate(fit_on(known, "day types", Basis(), Step.DAY, by_cell=True), known),
        *(_shaped(shape, order, known) for shape in Shape),
        _degree_days(order, known, rules.degree_days),
        _candidate(fit_towt(known, rules.daily_towt, Step.DAY), known),
    ]
    return _chosen(candidates, findings, rules)


def select_hourly(series: BaselineSeries, rules: ModelRules = DEFAULT_RULES) -> Selection:
    """Fit the hourly models and choose: levels of the hours alone, and TOWT.

    Parameters
    ----------
    series : a row an hour, NaN for what is missing; cells are hours of the week or of day types.
    """
    findings = baseline_findings(series, Step.HOUR, rules.sufficiency)
    if refused(findings):
        return Selection(None, (), findings)
    known = known_rows(series)
    candidates = [
        _candidate(fit_on(known, "day types", Basis(), Step.HOUR, by_cell=True), known),
        _candidate(fit_towt(known, rules.hourly_towt, Step.HOUR), known),
    ]
    return _chosen(candidates, findings, rules)


def known_rows(series: BaselineSeries) -> BaselineSeries:
    """Return the rows that a model can be fitted on."""
    known = series.known
    if known.all():
        return series
    return BaselineSeries(series.start[known], series.use[known], series.conditions.taken(known))


def _shaped(shape: Shape, order: TemperatureOrder, known: BaselineSeries) -> Candidate:
    basis = change_point_basis(shape, order)
    if basis is None:
        return Candidate(shape, None, inf, (refusal("too_few_days_beyond", model=str(shape)),))
    model = fit_on(known, shape, basis, Step.DAY)
    wrong = () if shape in {Shape.LINE, Shape.BOTH} else _wrong_way(model)
    return _candidate(model, known, wrong)


def _wrong_way(model: FittedModel) -> tuple[ModelFinding, ...]:
    """Less heating when it is colder, or less cooling when it is warmer, is another shape by chance."""
    hinges = (model.basis.heating_below is not None) + (model.basis.cooling_above is not None)
    least = float(model.levels.slopes[0, :hinges].min())
    return (refusal("slope_negative", model=model.name, slope=least),) if least < 0 else ()


def _degree_days(order: TemperatureOrder, known: BaselineSeries, rules: DegreeDayRules) -> Candidate:
    if not order.plain:  # degree days are of the temperature alone
        order = TemperatureOrder(known.conditions.temperature, known.use)
    choice = degree_day_choice(order, float(known.use.mean()), rules)
    if not choice.basis.width:
        found = refusal("no_degree_days_qualify", tried=choice.tried)
        return Candidate("degree days", None, inf, (found,))
    return _candidate(fit_on(known, "degree days", choice.basis, Step.DAY), known)


def _candidate(
    model: FittedModel, known: BaselineSeries, findings: tuple[ModelFinding, ...] = ()
) -> Candidate:
    quality = model.quality
    if quality.n < FEWEST_ROWS_A_PARAMETER * quality.parameters:
        few = refusal("too_few_rows", model=model.name, rows=quality.n, parameters=quality.parameters)
        return Candidate(model.name, model, inf, (*findings, few))
    return Candidate(model.name, model, out_of_sample_cv_rmse(model, known), findings)


def _chosen(candidates: list[Candidate], findings: tuple[ModelFinding, ...], rules: ModelRules) -> Selection:
    ranked = sorted(candidates, key=lambda each: (not each.qualifies, each.error))
    fit = [each for each in ranked if each.qualifies]
    if not fit:
        return Selection(None, tuple(ranked), (*findings, refusal("no_model_qualifies", tried=len(ranked))))
    as_good = [each for each in fit if each is fit[0] or each.error <= fit[0].error * AS_GOOD]
    best = max(as_good, key=lambda each: each.adjusted_r2)
    ranked.remove(best)
    chosen = Selection(best.model, (best, *ranked), findings)
    limit = cv_rmse_limit(rules.reporting_months)
    if best.cv_rmse <= limit:
        return chosen
    loose = remark("cv_rmse_above_limit", cv_rmse=best.cv_rmse, limit=limit, model=best.name)
    return replace(chosen, findings=(*findings, loose))
