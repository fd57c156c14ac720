"""The metrics, against scikit-learn's and scipy's where they have them, and at their edges."""

import pickle

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, spearmanr
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_iris
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.metrics import (
    FIDELITY,
    agreement_score,
    brier_score,
    expected_calibration_error,
    js_divergence,
    kl_divergence,
    make_fidelity_scorer,
    rank_correlation,
    recovered_gap,
    retention,
    top_overlap,
)

RNG = np.random.default_rng(0)


def draw(n_rows=200, n_classes=3, sharpness=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_classes, 1 / sharpness), n_rows)


@pytest.mark.parametrize("n_classes", [2, 3, 50])
@pytest.mark.parametrize("sharpness", [1, 100])
def test_equal_to_scipy(n_classes, sharpness):
    p, q = draw(300, n_classes, sharpness), draw(300, n_classes, seed=1) + 1e-12
    q /= q.sum(axis=1, keepdims=True)
    assert kl_divergence(p, q) == pytest.approx(entropy(p, q, axis=1).mean(), rel=1e-10)
    of_rows = np.nan_to_num(jensenshannon(p, q, axis=1)) ** 2
    assert js_divergence(p, q) == pytest.approx(of_rows.mean(), rel=1e-9)
    columns = [1] if n_classes == 2 else range(n_classes)
    expected = np.mean([spearmanr(p[:, k], q[:, k]).statistic for k in columns])
    assert rank_correlation(p, q) == pytest.approx(expected, abs=1e-12)
    labels = p.argmax(axis=1), q.argmax(axis=1)
    assert agreement_score(p, q) == agreement_score(*labels) == accuracy_score(*labels)


def test_a_model_is_its_own_equal():
    p = np.round(draw(500, 2, 3.0), 12)  # some zeros
    p[:, 1] = 1 - p[:, 0]
    assert agreement_score(p, p) == 1
    assert kl_divergence(p, p) == js_divergence(p, p) == 0
    assert rank_correlation(p, p) == pytest.approx(1)
    assert len(np.unique(p[:, 1])) > 490
    for top in (0.01, 0.37, 1):
        assert top_overlap(p, p, top=top) == pytest.approx(1)


@pytest.mark.parametrize("metric", [name for name in FIDELITY])
def test_whole_weights_are_copies(metric):
    metric = FIDELITY[metric][0]
    p, q = np.round(draw(90, 2), 1), np.round(draw(90, 2, seed=2), 1) * 0.9 + 0.05
    for table in (p, q):
        table[:, 1] = 1 - table[:, 0]
    weight = RNG.integers(0, 4, 90)
    copies = np.repeat(np.arange(90), weight)
    weighted = metric(p, q, sample_weight=weight)
    assert weighted == pytest.approx(metric(p[copies], q[copies]), abs=1e-12)


def test_divergences_at_their_edges():
    assert kl_divergence([[0.5, 0.5]], [[1.0, 0.0]]) == np.inf
    assert kl_divergence([[1.0, 0.0]], [[0.5, 0.5]]) == pytest.approx(np.log(2))
    assert js_divergence([[1, 0]], [[0, 1]]) == pytest.approx(np.log(2))
    tiny = [[1 - 1e-12, 1e-12]]
    assert 0 < kl_divergence(tiny, [[1 - 1e-6, 1e-6]]) < 1e-6
    # An impossible row that counts for nothing does not make the mean infinite.
    p, q = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]]
    assert kl_divergence(p, q, sample_weight=[0, 1]) == 0


def test_ties_are_in_the_queue_by_lot():
    teacher = np.array([0.9, 0.5, 0.5, 0.1])
    # There is room for two: .9 and a half of each .5. The student takes .9 and the first .5.
    assert top_overlap(teacher, [0.9, 0.8, 0.2, 0.1], top=0.5) == pytest.approx(0.75)
    constant = np.full(4, 0.3)
    assert top_overlap(teacher, constant, top=0.5) == pytest.approx(0.5)


def test_what_is_not_defined_is_nan_and_says_why():
    with pytest.warns(UndefinedMetricWarning, match="one value"):
        assert np.isnan(rank_correlation([0.1, 0.2], [0.5, 0.5]))
    with pytest.warns(UndefinedMetricWarning, match=r"teacher scores 0\.7"):
        assert np.isnan(recovered_gap(0.7, 0.8, 0.7))
    with pytest.warns(UndefinedMetricWarning, match="positive"):
        assert np.isnan(retention(-0.3, -0.4))
    assert recovered_gap(0.9, 0.7, 0.8) == pytest.approx(-1)
    assert retention(0.8, 0.84) == pytest.approx(1.05)


@pytest.mark.parametrize("n_bins", [5, 15])
def test_calibration_error_has_the_bins_of_scikit_learn(n_bins):
    proba = RNG.beta(0.3, 3, 2000)
    y = (RNG.random(2000) < proba**1.3).astype(int)
    frequency, confidence = calibration_curve(y, proba, n_bins=n_bins, strategy="quantile")
    # All of these bins hold as many rows.
    expected = np.abs(frequency - confidence).mean()
    found = expected_calibration_error(y, proba, n_bins=n_bins)
    assert found == pytest.approx(expected, rel=1e-2)
    weighted = expected_calibration_error(y, proba, n_bins=n_bins, sample_weight=np.full(2000, 7))
    assert weighted == pytest.approx(found)


def test_calibration_error_of_classes_is_that_of_the_likeliest():
    proba = np.tile([0.7, 0.2, 0.1], (10, 1))
    y = np.array(["a"] * 5 + ["b"] * 3 + ["c"] * 2)
    assert expected_calibration_error(y, proba) == pytest.approx(0.2)
    assert expected_calibration_error(["a"] * 10, proba, labels=["a", "b", "c"]) == pytest.approx(
        0.3
    )


def test_calibration_error_with_weights_has_bins_of_equal_weight():
    proba = RNG.random(400)
    y = (RNG.random(400) < proba).astype(int)
    weight = RNG.integers(1, 5, 400)
    copies = np.repeat(np.arange(400), weight)
    weighted = expected_calibration_error(y, proba, n_bins=4, sample_weight=weight)
    assert weighted == pytest.approx(
        expected_calibration_error(y[copies], proba[copies], n_bins=4), abs=5e-3
    )


def test_brier_is_that_of_scikit_learn():
    p, y = draw(100, 2), RNG.integers(0, 2, 100)
    weight = RNG.random(100)
    ours = brier_score(y, p, sample_weight=weight)
    assert ours == pytest.approx(brier_score_loss(y, p[:, 1], sample_weight=weight))
    assert brier_score(y, p[:, 1]) == pytest.approx(brier_score_loss(y, p[:, 1]))
    of_three = brier_score(["a", "b", "c"], np.eye(3)[[1, 1, 2]])
    assert of_three == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: agreement_score(draw(5, 2), draw(5, 3)), "same rows and classes"),
        (lambda: kl_divergence(draw(5, 2), draw(6, 2)), "same rows and classes"),
        (lambda: kl_divergence([[0.5, 0.6]], [[0.5, 0.5]]), "of the teacher .* sum to 1. Row 0"),
        (lambda: js_divergence([[0.5, 0.5]], [[-0.1, 1.1]]), "of the student .* non-negative"),
        (lambda: js_divergence([[np.nan, 1]], [[0.5, 0.5]]), "NaN"),
        (lambda: top_overlap(draw(5, 3), draw(5, 3)), "3 classes"),
        (lambda: top_overlap([1, 2], [1, 2], top=0), "share"),
        (lambda: top_overlap([1, 2], [1, 2], top=2), "share"),
        (lambda: brier_score([0, 1, 2], draw(3, 2)), "2 columns, and there are 3 labels"),
        (lambda: brier_score([0, 5], draw(2, 2), labels=[0, 1]), r"no column of: \[5\]"),
        (lambda: expected_calibration_error([0, 1], [0.1, 0.2], n_bins=0), "n_bins"),
        (lambda: agreement_score([0, 1], [0, 1], sample_weight=[1, -1]), "non-negative"),
        (lambda: make_fidelity_scorer("accuracy"), "agreement"),
        (lambda: make_fidelity_scorer(["kl"]), "agreement"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
TEACHER = LogisticRegression(max_iter=2000).fit(X, NAMES)
MODEL = DistillationClassifier(
    TEACHER, DecisionTreeClassifier(max_leaf_nodes=5), alpha=1.0, temperature=1.0
)


@pytest.mark.parametrize("metric", ["agreement", "kl", "js", "rank-correlation"])
def test_scorers_are_better_the_larger_they_are(metric):
    model = MODEL.fit(X, NAMES)
    student, teacher = model.predict_proba(X), TEACHER.predict_proba(X)
    function, is_better = FIDELITY[metric]
    expected = function(teacher, student) * (1 if is_better else -1)
    for scorer in (make_fidelity_scorer(metric), make_fidelity_scorer(metric, TEACHER)):
        assert pickle.loads(pickle.dumps(scorer))(model, X, NAMES) == pytest.approx(expected)
    weight = np.arange(len(X)) % 3
    weighted = make_fidelity_scorer(metric)(model, X, sample_weight=weight)
    assert abs(weighted) == pytest.approx(function(teacher, student, sample_weight=weight))


def test_scorer_of_ones_own():
    def worst(teacher, student):
        return np.abs(teacher - student).max()

    scorer = make_fidelity_scorer(worst, greater_is_better=False)
    assert -1 < scorer(MODEL.fit(X, NAMES), X) < 0


def test_scorers_in_a_search_over_a_pipeline_in_two_processes(tmp_path):
    # The teacher of a Pipeline takes what reaches the last step.
    scaled = StandardScaler().fit_transform(X)
    teacher = LogisticRegression(max_iter=2000).fit(scaled, NAMES)
    pipeline = make_pipeline(StandardScaler(), MODEL.set_params(teacher=teacher))
    grid = {"distillationclassifier__alpha": [0.0, 1.0]}
    search = GridSearchCV(pipeline, grid, scoring=make_fidelity_scorer("js"), cv=2).fit(X, NAMES)
    assert search.best_params_ == {"distillationclassifier__alpha": 1.0}
    asked = make_fidelity_scorer(
        "js", make_pipeline(StandardScaler().fit(X), teacher), memory=str(tmp_path)
    )
    search = GridSearchCV(pipeline, grid, scoring=asked, cv=3, n_jobs=2).fit(X, NAMES)
    assert search.best_params_ == {"distillationclassifier__alpha": 1.0}
    MODEL.set_params(teacher=TEACHER)


def test_a_scorer_needs_a_teacher_of_the_same_classes():
    student = GaussianNB().fit(X, NAMES)
    with pytest.raises(ValueError, match="GaussianNB has no teacher"):
        make_fidelity_scorer("js")(student, X)
    other = LogisticRegression(max_iter=2000).fit(X, Y)
    with pytest.raises(ValueError, match="does not know the classes"):
        make_fidelity_scorer("js", other)(student, X)
