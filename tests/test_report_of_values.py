"""Reports, metrics, displays and selections of values."""

import json
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, PoissonRegressor, Ridge
from sklearn.metrics import (
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_distill import (
    DistillationClassifier,
    DistillationRegressor,
    DistillationRegressorCV,
    distillation_report,
    select_student,
)
from sklearn_distill.display import FidelityDisplay, ReliabilityDisplay, SlicesDisplay
from sklearn_distill.metrics import (
    FIDELITY_OF_VALUES,
    make_fidelity_scorer,
    value_distance,
)
from sklearn_distill.report import _rivals
from sklearn_distill.report._scores import score_of_values
from sklearn_distill.rules import kind_of

X, y = make_friedman1(900, 6, noise=3, random_state=0)
TRAIN, TEST = slice(0, 450), slice(450, None)
ROWS = X[TRAIN], y[TRAIN], X[TEST], y[TEST]
TREE = DecisionTreeRegressor(max_leaf_nodes=48, random_state=0)
TEACHER = ExtraTreesRegressor(50, min_samples_leaf=2, random_state=0)
WEIGHT = np.random.RandomState(0).randint(0, 4, 450).astype(float)


@pytest.fixture(scope="module")
def model():
    return DistillationRegressor(TEACHER, TREE, random_state=0).fit(X[TRAIN], y[TRAIN])


@pytest.fixture(scope="module")
def report(model):
    with pytest.MonkeyPatch.context() as patched:
        # On a machine that does something else, no rival may be found that is fast enough.
        patched.setattr(_rivals, "SAME_SECONDS", 1.0)
        return distillation_report(model, *ROWS, stability=2, groups=X[TEST, 0] > 0.5)


# -- the report ------------------------------------------------------------------------------


def test_figures_are_scikit_learns_own(report, model):
    said = {
        "teacher": model.teacher_.predict(X[TEST]),
        "distilled": model.predict(X[TEST]),
        "hard": clone(TREE).fit(X[TRAIN], y[TRAIN]).predict(X[TEST]),
        "linear": make_pipeline(StandardScaler(), Ridge()).fit(*ROWS[:2]).predict(X[TEST]),
    }
    for name, values in said.items():
        figures = report.models[name]
        assert_allclose(report.said_["said"][name][:, 0], values)
        assert_allclose(figures["score"].value, r2_score(y[TEST], values))
        assert_allclose(figures["r2"], r2_score(y[TEST], values))
        assert_allclose(figures["mae"], mean_absolute_error(y[TEST], values))
        assert_allclose(figures["rmse"], root_mean_squared_error(y[TEST], values))
        assert_allclose(figures["bias"], np.mean(values - y[TEST]))
        if name != "distilled":
            gain = r2_score(y[TEST], said["distilled"]) - r2_score(y[TEST], values)
            assert_allclose(figures["gain"].value, gain)
            assert figures["gain"].lower < gain < figures["gain"].upper
    assert set(report.models) == {*said, "tuned", "same-budget"}
    assert report.fidelity["value_distance"] == value_distance(said["teacher"], said["distilled"])
    assert report.stability.n_students == 2
    assert np.isnan(report.stability.agreement)
    assert 0 < report.stability.divergence < 2
    assert report.break_even > 0


def test_parts_are_of_the_real_values_and_of_groups(report, model):
    assert sum(row["n_rows"] for row in report.per_range) == 450
    assert len(report.per_range) == 5
    low = y[TEST] <= np.sort(y[TEST])[89]
    own = model.predict(X[TEST])[low]
    assert_allclose(
        report.per_range[0]["MAE distilled"], mean_absolute_error(y[TEST][low], own), rtol=0.02
    )
    assert [row["group"] for row in report.per_group] == ["False", "True"]
    groups = [X[TEST, 0] <= 0.5, X[TEST, 0] > 0.5]
    for row, own in zip(report.per_group, groups, strict=True):
        expected = r2_score(y[TEST][own], model.predict(X[TEST][own]))
        assert_allclose(row["distilled"], expected)
    assert report.slices
    assert sum(row["share"] for row in report.slices) == pytest.approx(1, abs=0.01)
    assert "mae hard" in report.slices[0]
    assert not report.per_class
    assert not report.per_output


def test_it_is_shown_in_every_form(report):
    text = str(report)
    assert "R²" in text
    assert "Per range of the real values" in text
    assert "hard labels" not in text
    assert "nats" not in text
    assert text.count("R²  ") < 4  # once as the score, and not again beside it
    assert "MAE" in report.to_markdown()
    assert "<table>" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict(), default=float))["scoring"] == "R²"
    assert report.to_frame().loc["distilled", "mae"] > 0
    figure = report.plot()
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert "Teacher's value of the target" in labels
    plt.close(figure)


def test_a_loss_and_a_gain_are_called_so(model):
    few = {"rivals": ["hard"], "stability": 0, "n_bootstrap": 200}
    assert distillation_report(model, *ROWS, **few).verdict.code == "gain"
    bad = BayesianRidge().fit(X[TRAIN], 30 - y[TRAIN])
    # A student as good as linear that learns from a teacher which has it backwards.
    worse = DistillationRegressor(bad, LinearRegression(), alpha=0.9).fit(*ROWS[:2])
    verdict = distillation_report(worse, *ROWS, **few).verdict
    assert verdict.code == "weak-teacher"
    good = DistillationRegressor(
        ExtraTreesRegressor(50, random_state=0), KNeighborsRegressor(), alpha=1.0
    ).fit(*ROWS[:2])
    verdict = distillation_report(good, *ROWS, **few).verdict
    assert "labels" not in str(verdict)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "scoring",
    [
        *("r2", "neg_mean_squared_error", "neg_mean_absolute_error"),
        *("neg_root_mean_squared_error", "explained_variance"),
    ],
)
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("far", [0, 1e8], ids=["near", "far from zero"])
def test_scores_are_scikit_learns(scoring, weight, n_outputs, far):
    from sklearn.metrics import get_scorer

    rng = np.random.RandomState(1)
    truth = rng.randn(450, n_outputs) + far
    said = truth + rng.randn(450, n_outputs)
    weight = np.ones(450) if weight is None else weight
    found = score_of_values(scoring).of(truth, said)(weight)
    scorer = get_scorer(scoring)
    expected = scorer._sign * scorer._score_func(truth, said, sample_weight=weight)
    assert_allclose(found, expected, rtol=1e-6)


def test_r2_of_rows_that_are_all_alike_is_not_defined():
    assert np.isnan(score_of_values(None).of(np.full((9, 1), 0.1), np.ones((9, 1)))(np.ones(9)))
    constant = DistillationRegressor(None, Ridge(), alpha=0).fit(*ROWS[:2])
    report = distillation_report(
        constant, None, None, X[TEST], np.ones(450), teacher_output=y[TEST]
    )
    assert report.verdict.code == "unknown"


def test_a_rival_whose_score_is_not_defined_is_left_out():
    rates = np.maximum(y - 14, 0)
    poisson = DistillationRegressor(None, PoissonRegressor(), alpha=0).fit(X[TRAIN], rates[TRAIN])
    report = distillation_report(
        poisson,
        *(X[TRAIN], rates[TRAIN], X[TEST], rates[TEST]),
        teacher=PoissonRegressor(alpha=0.1).fit(X[TRAIN], rates[TRAIN]),
        rivals=["hard", "linear"],
        scoring="neg_mean_poisson_deviance",
        n_bootstrap=50,
        stability=0,
    )
    assert set(report.models) == {"teacher", "distilled", "hard"}
    assert "linear: its neg mean poisson deviance is not defined." in report.missing
    assert report.models["hard"]["gain"].lower <= 0 <= report.models["hard"]["gain"].upper


def test_several_outputs():
    Y = np.column_stack([y, 100 * X[:, 0]])
    model = DistillationRegressor(TEACHER, TREE, alpha=0.75).fit(X[TRAIN], Y[TRAIN])
    report = distillation_report(
        model, X[TRAIN], Y[TRAIN], X[TEST], Y[TEST], rivals=["hard", "linear"], stability=2
    )
    assert [row["output"] for row in report.per_output] == [0, 1]
    for j, row in enumerate(report.per_output):
        own = model.predict(X[TEST])[:, j]
        assert_allclose(row["R² distilled"], r2_score(Y[TEST, j], own))
    assert "Per output" in str(report)
    plt.close(report.plot())
    with pytest.raises(ValueError, match="y_test has 1 outputs, and the model gives 2"):
        distillation_report(model, X[TRAIN], Y[TRAIN], X[TEST], y[TEST])


def test_pipelines_searches_frames_and_few_columns():
    frame = pd.DataFrame(X.copy(), columns=[f"x{j}" for j in range(6)])
    frame.loc[::9, "x5"] = np.nan
    teacher = ExtraTreesRegressor(30, random_state=0)
    student = DistillationRegressor(teacher, TREE, student_columns=["x0", "x1", "x3", "x5"])
    grid = {"alpha": [0.5, 1]}
    for made in (student, GridSearchCV(student, grid, cv=2, n_jobs=2)):
        fitted = made.fit(frame[TRAIN], y[TRAIN])
        report = distillation_report(
            fitted,
            *(frame[TRAIN], y[TRAIN], frame[TEST], y[TEST]),
            rivals=["hard", "tuned", "linear"],
            stability=0,
        )
        assert report.models["tuned"]["what"].startswith("max_leaf_nodes")
        # The linear model sees what the student sees.
        assert report.models["linear"]["score"].value < 0.7
    searched = DistillationRegressorCV(TEACHER, TREE, cv=3, nested=False).fit(*ROWS[:2])
    piped = make_pipeline(StandardScaler(), student.set_params(student_columns=None))
    for made in (searched, searched.standalone(), piped.fit(*ROWS[:2])):
        report = distillation_report(
            made,
            *ROWS,
            teacher=clone(TEACHER).fit(*ROWS[:2]),
            rivals=["hard", "tuned"],
            stability=0,
        )
        assert report.models["hard"]["footprint"] is not None


def test_what_is_tuned_is_found_behind_scaled_targets():
    from sklearn.neural_network import MLPRegressor

    scaled = TransformedTargetRegressor(
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=300, random_state=0),
        transformer=StandardScaler(),
    )
    assert kind_of(scaled) == "network"
    prefix, student = _rivals._student_in(
        DistillationRegressor(None, make_pipeline(StandardScaler(), scaled), alpha=0)
    )
    assert prefix == "student__transformedtargetregressor__regressor__"
    assert isinstance(student, MLPRegressor)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rivals": ["logistic"]}, "rivals must be among"),
        ({"scoring": "r3"}, "r3"),
        ({"scoring": 3}, "scoring must be the name"),
        ({"groups": [1, 2]}, "groups must have one value"),
        ({"teacher_output": np.ones((450, 2))}, "teacher_output has"),
    ],
)
def test_bad_input(model, settings, message):
    with pytest.raises(ValueError, match=message):
        distillation_report(model, *ROWS, **settings)


def test_classes_and_values_are_not_mixed_up(model):
    with pytest.raises(ValueError, match="NaN"):
        distillation_report(model, *ROWS[:3], np.where(y[TEST] > 9, y[TEST], np.nan))
    labels = (y > 14).astype(int)
    of_classes = DistillationClassifier(None, alpha=0).fit(X[TRAIN], labels[TRAIN])
    with pytest.raises(ValueError, match="y_test has classes that the model does not know"):
        distillation_report(of_classes, *ROWS, teacher_output=np.ones((450, 2)) / 2)


# -- metrics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_distance_is_what_r2_leaves(n_outputs, weight):
    rng = np.random.RandomState(0)
    teacher = rng.randn(450, n_outputs) * [1, 1e3, 1e-3][:n_outputs]
    student = teacher * 0.7
    expected = np.sqrt(1 - r2_score(teacher, student, sample_weight=weight))
    assert_allclose(value_distance(teacher, student, sample_weight=weight), expected)
    assert value_distance(teacher, teacher) == 0


@pytest.mark.parametrize("metric", list(FIDELITY_OF_VALUES))
def test_whole_weights_are_copies(metric):
    metric = FIDELITY_OF_VALUES[metric][0]
    rng = np.random.RandomState(0)
    p, q = rng.randn(2, 450, 2)
    copies = np.repeat(np.arange(450), WEIGHT.astype(int))
    weighted = metric(p, q, sample_weight=WEIGHT)
    assert_allclose(weighted, metric(p[copies], q[copies]))


def test_distance_at_its_edges():
    with pytest.warns(UserWarning, match="one value for all rows"):
        assert np.isnan(value_distance([1, 1], [1, 2]))
    with pytest.raises(ValueError, match="same rows and outputs"):
        value_distance([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="NaN"):
        value_distance([1, np.nan], [1, 2])


@pytest.mark.parametrize("metric", list(FIDELITY_OF_VALUES))
def test_scorers_in_a_search(metric, tmp_path):
    fitted = clone(TEACHER).fit(*ROWS[:2])
    scorer = make_fidelity_scorer(metric, fitted, memory=str(tmp_path))
    scorer = pickle.loads(pickle.dumps(scorer))
    student = DistillationRegressor(TEACHER, TREE, cv=2)
    search = GridSearchCV(student, {"alpha": [0.0, 1.0]}, scoring=scorer, cv=2, n_jobs=2)
    assert search.fit(*ROWS[:2]).best_params_ == {"alpha": 1.0}
    assert repr(scorer) == f"make_fidelity_scorer({metric})"


def test_scorers_of_two_outputs_are_not_taken_for_two_classes():
    Y = np.column_stack([y, X[:, 0]])
    model = DistillationRegressor(TEACHER, TREE, alpha=1.0, cv=2).fit(X, Y)
    both = make_fidelity_scorer("rank-correlation")(model, X)
    from scipy.stats import spearmanr

    teacher, student = model.teacher_.predict(X), model.predict(X)
    each = [spearmanr(teacher[:, j], student[:, j]).statistic for j in range(2)]
    assert_allclose(both, np.mean(each))


def test_scorers_name_the_kind_that_they_are_for(model):
    with pytest.raises(ValueError, match="is of classes, and DistillationRegressor is a regr"):
        make_fidelity_scorer("js")(model, X)
    labels = (y > 14).astype(int)
    of_classes = DistillationClassifier(None, alpha=0).fit(X, labels)
    with pytest.raises(ValueError, match="is of values, and DistillationClassifier"):
        make_fidelity_scorer("value-distance")(of_classes, X)


# -- displays --------------------------------------------------------------------------------


def test_displays(model, report):
    display = FidelityDisplay.from_estimator(model, X[TEST])
    assert_allclose(display.teacher, model.teacher_.predict(X[TEST]))
    assert display.ax_.get_xlim()[1] > 20
    display = ReliabilityDisplay.from_estimator(model, X[TEST], y[TEST], n_bins=6)
    predicted, real, weight = display.curves["distilled"]
    assert weight.sum() == 450
    assert_allclose(weight @ real / 450, y[TEST].mean())
    assert_allclose(weight @ predicted / 450, model.predict(X[TEST]).mean())
    slices = SlicesDisplay.from_report(report)
    assert slices.score_name == "R²"
    plt.close("all")
    with pytest.raises(ValueError, match="is for probabilities"):
        FidelityDisplay.from_predictions([1, 2], [1, 2], of_values=True, scale="logit")
    plt.close("all")


# -- selection -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return select_student(TEACHER, X[TRAIN], y[TRAIN], max_bytes=8000, random_state=0)


def test_a_student_of_values_is_found(found):
    assert found.n_bytes_ <= 8000
    assert found.scoring_ == "r2"
    assert found.best_estimator_.score(X[TEST], y[TEST]) > 0.4
    results = found.results_
    assert set(results["kind"]) == {"tree", "booster", "linear", "network", "forest"}
    taught = set(results.loc[results["within_budget"], "taught"])
    assert taught == {"real values", "distilled", "distilled, new rows"}
    assert "labels" not in found.reason_
    assert found.plot().ax_.get_ylabel() == "R²"
    plt.close("all")


def test_the_same_without_a_teacher_and_by_hand(found):
    alone = select_student(None, *ROWS[:2], max_bytes=8000, readable=True, random_state=0)
    assert not alone.distilled_
    assert "all on real values" in alone.reason_
    listed = select_student(
        TEACHER,
        *ROWS[:2],
        candidates=[("few", TREE)],
        random_state=0,
        scoring="neg_mean_absolute_error",
    )
    assert listed.best_name_.startswith("few")


def test_whole_numbers_are_taken_for_what_is_said_of_them():
    counts = np.round(y[TRAIN])
    few = {"candidates": [("tree", TREE)], "random_state": 0}
    assert not hasattr(
        select_student(None, X[TRAIN], counts, target="values", **few).best_estimator_, "classes_"
    )
    of_regressor = select_student(TEACHER, X[TRAIN], counts, **few)
    assert not hasattr(of_regressor.best_estimator_, "classes_")
    with pytest.raises(ValueError, match="target must be"):
        select_student(None, X[TRAIN], counts, target="numbers")
    with pytest.raises(ValueError, match="candidates must be regressors"):
        select_student(TEACHER, *ROWS[:2], candidates=[LinearRegression, 3])


def test_several_outputs_are_selected_for():
    Y = np.column_stack([y, 100 * X[:, 0]])
    found = select_student(TEACHER, X[TRAIN], Y[TRAIN], max_bytes=30_000, random_state=0)
    assert_array_equal(found.best_estimator_.predict(X[TEST]).shape, (450, 2))
    kinds = set(found.results_.loc[found.results_["within_budget"], "kind"])
    assert "booster" in kinds


def test_counts_and_small_values_are_written_so_that_they_can_be_told_apart():
    counts = np.minimum(np.round(np.abs(y - 14) / 4), 3)
    model = DistillationRegressor(None, TREE, alpha=0).fit(X[TRAIN], counts[TRAIN] / 1e3)
    report = distillation_report(
        model,
        *(X[TRAIN], counts[TRAIN] / 1e3, X[TEST], counts[TEST] / 1e3),
        teacher=Ridge().fit(X[TRAIN], counts[TRAIN] / 1e3),
        rivals=["hard"],
        scoring="neg_mean_absolute_error",
        stability=0,
    )
    assert [row["range"] for row in report.per_range] == ["0", "0.001", "0.002", "0.003"]
    assert sum(row["n_rows"] for row in report.per_range) == 450
    score = report.models["teacher"]["score"].value
    assert f"{score:.6f}".replace("-0.", "-.") in str(report)
    assert "times of" not in str(report)
