"""How students are taught: copies of rows, drawn labels, and the choice among strategies."""

import warnings
from inspect import signature

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedKFold,
    check_cv,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill import (
    DistillationClassifier,
    SampledLabels,
    TargetRegression,
    WeightedLabels,
)
from sklearn_distill.strategies import select_strategy
from sklearn_distill.strategies._class_weight import take_class_weight
from sklearn_distill.strategies._copies import FEW_COPIES, NEGLIGIBLE_SHARE
from sklearn_distill.strategies._copies import expand as expand_with
from sklearn_distill.strategies._own_splits import own_split
from sklearn_distill.strategies._row_counts import row_count_settings
from sklearn_distill.strategies._sampled_labels import one_label_per_row, systematic_counts
from sklearn_distill.targets import SoftTargets
from sklearn_distill.utils.pipelines import last_step
from tests.stubs import Calls, CentroidClassifier, RecordingClassifier

X, y = load_iris(return_X_y=True)


def random_targets(n_rows, n_classes, seed=0, sharpness=8.0):
    rng = np.random.RandomState(seed)
    logits = sharpness * rng.standard_normal((n_rows, n_classes))
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    return proba / proba.sum(axis=1, keepdims=True)


def expand(weights, *, equal_copies=False, max_copies=32, seed=0):
    rng = np.random.RandomState(seed)
    return expand_with(weights, equal_copies=equal_copies, max_copies=max_copies, rng=rng)


# -- which strategy ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        (DecisionTreeClassifier(), WeightedLabels),
        (make_pipeline(StandardScaler(), LogisticRegression()), WeightedLabels),
        (Ridge(), TargetRegression),
        (
            make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Ridge())),
            TargetRegression,
        ),
    ],
    ids=str,
)
def test_auto_takes_the_first_strategy_that_fits(student, expected):
    assert type(select_strategy("auto", student)) is expected


def test_auto_falls_back_to_drawn_labels_with_one_warning():
    model = DistillationClassifier(GaussianNB(), KNeighborsClassifier(), alpha=0.5, temperature=2)
    with pytest.warns(UserWarning, match="drawn at random .* takes no sample_weight") as said:
        model.fit(X, y)
    assert len(said) == 1
    assert type(model.strategy_) is SampledLabels
    model.set_params(strategy="sampled-labels").fit(X, y)


def test_a_wrong_strategy_names_the_right_one():
    with pytest.raises(TypeError, match=r"Ridge cannot be .* Use strategy='target-regression'"):
        select_strategy("weighted-labels", Ridge())


def test_an_object_keeps_its_settings():
    model = DistillationClassifier(
        GaussianNB(),
        KNeighborsClassifier(),
        strategy=SampledLabels(n_draws=2),
        random_state=7,
        alpha=0.5,
        temperature=2,
    ).fit(X, y)
    assert model.strategy_.n_draws == 2
    assert model.strategy_.random_state == 7
    assert model.strategy.random_state is None
    assert model.get_params()["strategy__n_draws"] == 2


# -- copies of rows ------------------------------------------------------------------------


@pytest.mark.parametrize("equal_copies", [False, True])
@pytest.mark.parametrize("n_classes", [2, 26])
def test_few_rows_have_a_copy_of_every_label(equal_copies, n_classes):
    row_weight = np.random.RandomState(0).uniform(0, 2, 300)
    row_weight[:5] = 0
    target = random_targets(300, n_classes)
    rows, labels, weights = expand(target * row_weight[:, None], equal_copies=equal_copies)
    np.testing.assert_allclose(np.bincount(rows, weights, minlength=300), row_weight)
    assert not set(rows) & set(range(5))
    learned = np.zeros_like(target)
    learned[rows, labels] = weights / row_weight[rows]
    if equal_copies and n_classes > 2:
        assert np.abs(learned - target)[5:].max() < n_classes * NEGLIGIBLE_SHARE
    else:
        np.testing.assert_allclose(learned[5:], target[5:], atol=1e-12)


def many_light_labels(n_classes):
    """Targets of which most are too light for a copy, and together matter."""
    target = random_targets(30_000, n_classes, sharpness=4)
    if n_classes == 2:
        target[:, 1] *= 1e-3
    elif n_classes == 1100:
        target = np.full((3_300, 1100), 1 / 1100)
    target /= target.sum(axis=1, keepdims=True)
    assert np.count_nonzero(target) > FEW_COPIES
    return target


@pytest.mark.parametrize("n_classes", [2, 26, 1100])
def test_the_mass_of_every_class_is_kept(n_classes):
    target = many_light_labels(n_classes)
    weight = np.random.RandomState(1).uniform(0.5, 2, len(target))
    rows, labels, weights = expand(target * weight[:, None])
    mass = np.bincount(labels, weights, minlength=n_classes)
    np.testing.assert_allclose(mass, weight @ target, rtol=1e-9)
    assert (weights > 0).all()
    assert (np.diff(rows) >= 0).all()


@pytest.mark.parametrize("n_classes", [2, 26, 1100])
def test_no_row_vanishes_and_its_weight_is_nearly_kept(n_classes):
    target = many_light_labels(n_classes)
    rows, _, weights = expand(target)
    of_row = np.bincount(rows, weights, minlength=len(target))
    assert of_row.min() > 0.5
    assert of_row.mean() == pytest.approx(1)


@pytest.mark.parametrize("n_classes", [2, 26])
def test_drawn_labels_cost_no_copies(n_classes):
    target = many_light_labels(n_classes)
    rows, _, _ = expand(target)
    assert len(rows) <= 1.02 * max((target > NEGLIGIBLE_SHARE).sum(), len(target)) + n_classes


def test_there_are_no_more_copies_than_asked_for():
    target = many_light_labels(1100)
    assert len(expand(target)[0]) <= 33 * len(target)
    assert len(expand(target, max_copies=4)[0]) <= 5 * len(target)


def test_light_labels_are_drawn_without_bias():
    rng = np.random.RandomState(0)
    share = np.exp(rng.uniform(np.log(1e-6), np.log(1e-3), 30_000))
    target = np.column_stack([1 - share, share])
    third = np.arange(len(share)) % 3
    mean = np.zeros(3)
    for seed in range(40):
        rows, labels, weights = expand(target, seed=seed)
        of_event = labels == 1
        mean += np.bincount(third[rows[of_event]], weights[of_event]) / 40
    np.testing.assert_allclose(mean, np.bincount(third, share), rtol=0.05)


def test_draws_are_seeded():
    target = many_light_labels(2)
    for one, other in zip(expand(target), expand(target), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(expand(target)[0], expand(target, seed=1)[0])


def test_equal_copies_are_equal():
    target = random_targets(500, 26)
    rows, labels, weights = expand(target, equal_copies=True)
    counts = np.bincount(rows)
    assert counts.min() == counts.max()
    assert len(set(zip(rows, labels, strict=True))) == len(rows)
    np.testing.assert_allclose(np.bincount(rows, weights), 1)


def test_equal_copies_are_unbiased():
    target = random_targets(50, 26, sharpness=1)
    mean = np.zeros_like(target)
    for seed in range(400):
        rows, labels, weights = expand(target, equal_copies=True, max_copies=3, seed=seed)
        np.add.at(mean, (rows, labels), weights / 400)
    np.testing.assert_allclose(mean, target, atol=0.08)
    np.testing.assert_allclose(mean.sum(axis=0), target.sum(axis=0), rtol=0.1)


def test_no_class_vanishes_among_equal_copies_whatever_the_targets():
    for seed in range(100):
        rng = np.random.RandomState(seed)
        target = np.full((60, 8), 1e-12)
        target[:, :2] = rng.dirichlet([9, 0.01], 60)
        target[0, 2:] = 1e-6
        _, labels, _ = expand(target, equal_copies=True, seed=seed)
        assert set(labels) == set(range(8))


@pytest.mark.parametrize("equal_copies", [False, True])
def test_no_class_vanishes_among_the_copies(equal_copies):
    target = np.full((FEW_COPIES, 3), 1e-12)
    target[:, 0] = 1 - 2e-12
    target[7, 2] = 3e-12
    rows, labels, _ = expand(target, equal_copies=equal_copies)
    assert set(labels) == {0, 1, 2}
    assert 7 in rows[labels == 2]


# -- a rare event ------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1, 2])
def test_logistic_coefficients_are_right_at_a_base_rate_of_a_thousandth(temperature):
    rng = np.random.RandomState(0)
    data = rng.standard_normal((60_000, 2))
    p = 1 / (1 + np.exp(9.2 - data @ [1.5, 1.0]))
    assert p.mean() < 1e-3
    labels = (rng.uniform(size=len(p)) < p).astype(int)
    model = DistillationClassifier(
        None, LogisticRegression(C=1e9, tol=1e-8, max_iter=1000), alpha=1, temperature=temperature
    ).fit(data, labels, teacher_output=np.column_stack([1 - p, p]))
    coef = model.student_.coef_[0] * model.decoder_.power
    np.testing.assert_allclose(coef, [1.5, 1.0], rtol=0.02)
    intercept = model.student_.intercept_[0] * model.decoder_.power
    assert intercept == pytest.approx(-9.2, rel=0.02)


def test_an_event_that_is_rare_everywhere_keeps_its_probability():
    data, labels = np.zeros((30_000, 1)), (np.arange(30_000) % 1000 == 0).astype(int)
    model = DistillationClassifier(None, DecisionTreeClassifier(), alpha=1, temperature=1)
    model.fit(data, labels, teacher_output=np.tile([1 - 9e-4, 9e-4], (len(data), 1)))
    assert model.predict_proba(data[:1])[0, 1] == pytest.approx(9e-4, rel=1e-9)


def test_a_thousand_classes_and_a_teacher_that_knows_nothing():
    n_classes = 1100
    labels = np.arange(3 * n_classes) % n_classes
    data = np.zeros((len(labels), 1))
    P = np.full((len(labels), n_classes), 1 / n_classes)
    for temperature in (1, 8):
        model = DistillationClassifier(
            None, DecisionTreeClassifier(), alpha=1, temperature=temperature
        ).fit(data, labels, teacher_output=P)
        proba = model.predict_proba(data[:1])
        np.testing.assert_allclose(proba, 1 / n_classes, rtol=1e-6)
        total = model.student_.tree_.weighted_n_node_samples[0]
        assert total == pytest.approx(len(labels), rel=1e-6)


# -- settings that count rows --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("student", "counted"),
    [
        (DecisionTreeClassifier(), []),
        (DecisionTreeClassifier(min_samples_leaf=0.1, max_depth=5), []),
        (
            DecisionTreeClassifier(min_samples_leaf=5, min_samples_split=9),
            ["min_samples_leaf", "min_samples_split"],
        ),
        (HistGradientBoostingClassifier(), ["min_samples_leaf"]),
        (
            BaggingClassifier(DecisionTreeClassifier(min_samples_leaf=3), max_samples=50),
            ["estimator__min_samples_leaf", "max_samples"],
        ),
        (KNeighborsClassifier(), ["n_neighbors"]),
        (LogisticRegression(), []),
    ],
    ids=str,
)
def test_settings_that_count_rows_are_known(student, counted):
    assert sorted(row_count_settings(student)) == counted


def test_the_students_own_settings_stay_and_the_fitted_ones_are_scaled():
    student = DecisionTreeClassifier(min_samples_leaf=5)
    model = DistillationClassifier(
        GaussianNB(var_smoothing=1), student, temperature=1, alpha=0.5
    ).fit(X, y)
    n_copies = model.student_.tree_.n_node_samples[0] / len(y)
    assert n_copies in (2, 3)
    assert model.student_.min_samples_leaf == 5 * n_copies
    assert student.min_samples_leaf == model.student.min_samples_leaf == 5


# -- class weights -----------------------------------------------------------------------------

WEIGHTED = {
    "logistic": LogisticRegression(C=1e9, tol=1e-8),
    "tree": DecisionTreeClassifier(),
    "histogram booster": HistGradientBoostingClassifier(
        max_iter=150, min_samples_leaf=1, early_stopping=False
    ),
}


@pytest.mark.parametrize("temperature", [1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [1e-6, 0.5, 1])
@pytest.mark.parametrize("student", WEIGHTED.values(), ids=WEIGHTED)
def test_class_weights_multiply_the_odds_at_every_temperature(student, alpha, temperature):
    data, labels = np.zeros((200, 1)), (np.arange(200) % 10 == 0).astype(int)
    student = clone(student).set_params(class_weight={0: 1, 1: 3})
    model = DistillationClassifier(None, student, alpha=alpha, temperature=temperature)
    model.fit(data, labels, teacher_output=np.tile([0.9, 0.1], (200, 1)))
    # Mean of c m, and with alpha = 1 it is c m of every row: .1 * 3 / (.9 + .1 * 3) = .25.
    got = model.predict_proba(data[:1])[0, 1]
    if alpha == 0.5 and temperature > 1:
        # A power mean of two kinds of rows is no mean; the fitted power brings it near.
        assert got == pytest.approx(0.25, abs=0.03)
    else:
        assert got == pytest.approx(0.25, abs=0.012 if alpha < 1 else 2e-3)
    assert model.student_.class_weight is None
    assert model.student.class_weight == {0: 1, 1: 3}


@pytest.mark.parametrize("temperature", [1, 2, 4])
def test_a_balanced_tree_finds_as_many_positives_at_every_temperature(temperature):
    data, labels = make_classification(
        6000, 10, n_informative=5, weights=[0.97], flip_y=0.01, random_state=0
    )
    student = DecisionTreeClassifier(max_leaf_nodes=16, class_weight="balanced", random_state=0)
    teacher = ExtraTreesClassifier(50, min_samples_leaf=3, random_state=0)
    share = [
        DistillationClassifier(teacher, student, alpha=a, temperature=temperature)
        .fit(data, labels).predict(data).mean()
        for a in (0, 0.5, 1)
    ]  # fmt: skip
    assert max(share) < 2 * share[0] + 0.05


def test_balanced_class_weights_come_from_the_real_labels():
    data, labels = make_classification(600, weights=[0.9], random_state=0)
    student = LogisticRegression(class_weight="balanced")
    by_hand = LogisticRegression(
        class_weight=dict(enumerate(len(labels) / (2 * np.bincount(labels))))
    )
    balanced, explicit = (
        DistillationClassifier(GaussianNB(), s, alpha=0.5, temperature=2)
        .fit(data, labels)
        .predict_proba(data)
        for s in (student, by_hand)
    )
    np.testing.assert_allclose(balanced, explicit, rtol=1e-9)
    # A certain teacher is the hard-label student, balanced weights included.
    certain = DistillationClassifier(None, student, alpha=1, temperature=1)
    certain.fit(data, labels, teacher_output=np.eye(2)[labels])
    plain = clone(student).fit(data, labels)
    np.testing.assert_allclose(certain.predict_proba(data), plain.predict_proba(data), atol=1e-2)


@pytest.mark.parametrize(
    "student",
    [
        LogisticRegression(max_iter=5000, tol=1e-9),
        DecisionTreeClassifier(max_leaf_nodes=6, random_state=0),
    ],
)
def test_balanced_weights_count_sample_weight_where_the_student_alone_does(student):
    rng = np.random.RandomState(0)
    weight = np.where(y == 0, 5.0, 1.0) * rng.randint(1, 3, len(y))
    student = clone(student).set_params(class_weight="balanced")
    twin, almost = (
        DistillationClassifier(GaussianNB(var_smoothing=0.5), student, alpha=a, temperature=1)
        .fit(X, y, sample_weight=weight).predict_proba(X)
        for a in (0, 1e-9)
    )  # fmt: skip
    np.testing.assert_allclose(twin, almost, atol=1e-4)


@pytest.mark.parametrize("forest", [RandomForestClassifier, ExtraTreesClassifier])
def test_balanced_weights_of_forests_count_as_theirs_do(forest):
    data, labels = make_classification(800, 5, weights=[0.6], flip_y=0.1, random_state=0)
    weight = np.where(labels == 0, 5.0, 1.0)
    student = forest(30, max_depth=4, class_weight="balanced", random_state=0, bootstrap=False)
    twin, almost = (
        DistillationClassifier(GaussianNB(), student, alpha=a, temperature=1)
        .fit(data, labels, sample_weight=weight).predict_proba(data)[:, 1].mean()
        for a in (0, 1e-9)
    )  # fmt: skip
    assert twin == pytest.approx(almost, abs=0.02)


def test_a_class_of_weight_zero_is_not_forgotten():
    student = DecisionTreeClassifier(class_weight={0: 0, 1: 1, 2: 1}, random_state=0)
    for alpha in (0, 0.5, 1):
        model = DistillationClassifier(GaussianNB(), student, alpha=alpha).fit(X, y)
        assert model.predict_proba(X)[:, 0].max() < 1e-6


@pytest.mark.parametrize("settings", [{"is_unbalance": True}, {"auto_class_weights": "Balanced"}])
def test_class_weights_that_are_counted_by_a_library_are_refused(settings):
    library = pytest.importorskip("lightgbm" if "is_unbalance" in settings else "catboost")
    name = "LGBMClassifier" if "is_unbalance" in settings else "CatBoostClassifier"
    student = getattr(library, name)(n_estimators=3, **settings)
    with pytest.raises(TypeError, match="would weigh the copies .* Use strategy='soft-boosting'"):
        DistillationClassifier(
            GaussianNB(), student, strategy="weighted-labels", alpha=0.5, temperature=2
        ).fit(X, y == 1)


def test_a_threshold_inside_the_student_is_refused():
    student = FixedThresholdClassifier(LogisticRegression(max_iter=1000), threshold=0.2)
    with pytest.raises(TypeError, match=r"threshold to tempered .*put it around the model"):
        DistillationClassifier(GaussianNB(), student).fit(X, y == 1)


def test_different_class_weights_inside_a_student_are_refused():
    with pytest.raises(TypeError, match="has different class weights inside"):
        take_class_weight(
            BaggingClassifier(
                VotingClassifier(
                    [
                        ("a", LogisticRegression(class_weight={0: 2})),
                        ("b", DecisionTreeClassifier(class_weight="balanced")),
                    ]
                )
            ),
            SoftTargets.from_alpha(np.arange(3), y, None, 0.0),
        )


# -- students that stop early ---------------------------------------------------------------


takes_validation_rows = pytest.mark.skipif(
    "X_val" not in signature(HistGradientBoostingClassifier.fit).parameters,
    reason="needs scikit-learn 1.7; with older ones such students are refused",
)


class EarlyStopper(HistGradientBoostingClassifier):
    """Remembers the rows it was given."""

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        self.seen_ = {"train": X, "val": X_val, "val_weight": sample_weight_val}
        return super().fit(
            X, y, sample_weight, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val
        )


@takes_validation_rows
def test_a_booster_stops_early_on_rows_it_does_not_train_on():
    data = np.random.RandomState(0).standard_normal((400, 3))
    labels = (data[:, 0] > 0).astype(int)
    student = EarlyStopper(
        early_stopping=True, max_iter=30, random_state=0, validation_fraction=0.2
    )
    model = DistillationClassifier(GaussianNB(), student, temperature=2, alpha=0.5).fit(
        data, labels
    )
    train, val = (set(map(tuple, model.student_.seen_[part])) for part in ("train", "val"))
    assert len(val) == 80
    assert not train & val
    assert len(train | val) == 400
    assert model.student_.seen_["val_weight"].sum() == pytest.approx(80)
    assert model.student_.n_iter_ <= 30


@takes_validation_rows
def test_a_booster_that_would_not_stop_early_on_the_real_rows_does_not_on_the_copies():
    data = np.random.RandomState(0).standard_normal((6000, 2))
    labels = (data[:, 0] > 0).astype(int)
    student = EarlyStopper(max_iter=3, random_state=0)
    model = DistillationClassifier(GaussianNB(), student, alpha=0.5, temperature=2).fit(
        data, labels
    )
    assert len(model.student_.seen_["train"]) > 10_000
    assert model.student_.do_early_stopping_ is False


# -- drawn labels ------------------------------------------------------------------------------


def test_drawn_counts_are_unbiased_and_as_close_as_whole_numbers_can_be():
    expected = 5 * random_targets(40, 4, sharpness=2)
    draws = [systematic_counts(expected, np.random.RandomState(seed)) for seed in range(4000)]
    assert all((np.abs(counts - expected) < 1 + 1e-6).all() for counts in draws[:50])
    assert all((counts.sum(axis=1) == 5).all() for counts in draws[:50])
    # Standard error of a mean of 4000 counts that vary by less than one: 0.008 at most.
    np.testing.assert_allclose(np.mean(draws, axis=0), expected, atol=0.04)


def test_whole_expected_counts_are_drawn_as_they_are():
    expected = np.array([[2.0, 3.0, 0.0], [1.0, 1.0, 3.0]])
    for seed in range(20):
        counts = systematic_counts(expected, np.random.RandomState(seed))
        np.testing.assert_array_equal(counts, expected)


def test_no_class_vanishes_among_the_draws():
    expected = np.array([[4.999, 0.0005, 0.0005], [4.998, 0.0005, 0.0015]])
    counts = systematic_counts(expected, np.random.RandomState(0))
    assert counts.any(axis=0).all()
    assert counts[1, 2] == 1


def test_nearest_neighbours_average_the_targets_of_the_real_neighbours():
    target = np.array([[0.8, 0.2], [0.4, 0.6]])[(X[:, 0] > 5.8).astype(int)]
    labels = (X[:, 0] > 5.8).astype(int)
    data = X + 1e-3 * np.arange(len(X))[:, None]
    model = DistillationClassifier(
        None, KNeighborsClassifier(n_neighbors=7), alpha=1, temperature=1,
        strategy=SampledLabels(n_draws=5),
    ).fit(data, labels, teacher_output=target)  # fmt: skip
    neighbours = KNeighborsClassifier(n_neighbors=7).fit(data, labels).kneighbors(data)[1]
    np.testing.assert_allclose(
        model.predict_proba(data), target[neighbours].mean(axis=1), atol=1e-12
    )


def test_drawn_labels_are_seeded():
    def fit(seed):
        return DistillationClassifier(
            GaussianNB(var_smoothing=0.5).fit(X, y),
            KNeighborsClassifier(),
            strategy="sampled-labels",
            random_state=seed, alpha=0.5, temperature=2,
        ).fit(X, y).predict_proba(X)  # fmt: skip

    np.testing.assert_array_equal(fit(0), fit(0))
    assert not np.array_equal(fit(0), fit(1))


def test_heavy_rows_get_more_drawn_copies():
    weight = np.where(y == 0, 3.0, 1.0)
    model = DistillationClassifier(
        GaussianNB(),
        KNeighborsClassifier(),
        strategy=SampledLabels(4),
        random_state=0,
        alpha=0.5,
        temperature=2,
    ).fit(X, y, sample_weight=weight)
    n_copies = model.student_.n_samples_fit_
    assert n_copies == pytest.approx(4 * len(y), rel=0.02)
    share = np.mean(model.student_._y == 0)
    assert share == pytest.approx(3 / 5, abs=0.05)


@pytest.mark.parametrize(("n_classes", "ratio"), [(2, 0.5), (4, 0.9)])
def test_one_label_per_row_is_drawn_without_bias_and_keeps_the_share_of_each_class(
    n_classes, ratio
):
    proba = random_targets(300, n_classes, sharpness=2)
    draws = [one_label_per_row(proba, np.random.RandomState(seed)) for seed in range(4000)]
    shares = np.mean([np.eye(n_classes)[labels] for labels in draws], axis=0)
    # Standard error of a mean of 4000 draws: 0.008 at most.
    np.testing.assert_allclose(shares, proba, atol=0.04)
    counts = np.array([np.bincount(labels, minlength=n_classes) for labels in draws])
    independent = np.sqrt((proba * (1 - proba)).sum(axis=0))
    assert (counts.std(axis=0) < ratio * independent).all()


def test_every_class_is_drawn_once_by_a_row_of_a_class_that_has_more():
    proba = np.array([[0.999, 0.0005, 0.0005], [0.998, 0.0005, 0.0015], [0.999, 0.001, 0]])
    for seed in range(20):
        labels = one_label_per_row(proba, np.random.RandomState(seed))
        assert sorted(labels) == [0, 1, 2]
    assert one_label_per_row(proba[:2], np.random.RandomState(0)).shape == (2,)  # too few for all


class SplittingClassifier(RecordingClassifier):
    """Says that it splits its rows."""

    def __init__(self, calls=None, oob_score=True):
        super().__init__(calls)
        self.oob_score = oob_score


@pytest.mark.parametrize("n_draws", [None, 1])
def test_a_student_that_splits_the_rows_itself_sees_every_row_once_with_its_weight(n_draws):
    calls = Calls()
    weight = np.linspace(1, 2, len(y))
    strategy = SampledLabels(n_draws)
    model = DistillationClassifier(
        GaussianNB(var_smoothing=0.5).fit(X, y), SplittingClassifier(calls), strategy=strategy
    )
    model.fit(X, y, sample_weight=weight, X_unlabeled=X[:5])
    (call,) = calls.of("fit")
    np.testing.assert_array_equal(call["X"], np.r_[X, X[:5]])
    np.testing.assert_allclose(call["sample_weight"], np.r_[weight, np.full(5, weight.mean())])
    assert set(call["y"]) == {0, 1, 2}
    assert (call["y"][: len(y)] != y).any()


def test_a_split_deep_inside_leaves_one_label_per_row():
    student = BaggingClassifier(SGDClassifier(early_stopping=True, loss="log_loss"))
    model = DistillationClassifier(GaussianNB().fit(X, y), student, random_state=0)
    match = r"BaggingClassifier learns from one label per row.*estimator__early_stopping=True\)"
    with pytest.warns(UserWarning, match=match) as said:
        model.fit(X, y)
    assert len(said) == 1
    assert len(str(said[0].message)) < 300
    assert model.decoder_.power == 1  # nothing was tempered


# -- students that split the rows themselves ----------------------------------------------------


class RowSplits(CentroidClassifier):
    """Writes down by which of the rows given to its ``cv`` it would train and judge."""

    def __init__(self, cv=None):
        self.cv = cv

    def fit(self, X, y, sample_weight=None):
        self.seen_ = X, y, sample_weight, list(self.cv)
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    "cv", [3, None, StratifiedKFold(4, shuffle=True, random_state=0)], ids=str
)
@pytest.mark.parametrize("n_unlabeled", [0, 7])
def test_a_cv_of_the_students_own_splits_whole_rows(cv, n_unlabeled):
    data = X + 1e-3 * np.arange(len(X))[:, None]  # every row is unlike all others
    model = DistillationClassifier(
        GaussianNB(var_smoothing=0.5).fit(data, y), RowSplits(cv), alpha=0.5, temperature=2
    )
    model.fit(data, y, X_unlabeled=data[:n_unlabeled] + 9 if n_unlabeled else None)
    copies, _, weight, splits = model.student_.seen_
    assert len(copies) > len(X)
    assert weight.sum() == pytest.approx(len(X) + n_unlabeled)
    of_row = dict(zip(map(tuple, data), range(len(X)), strict=True))
    expected = list(check_cv(cv, y, classifier=True).split(data, y))
    assert len(splits) == len(expected)
    held_out = np.concatenate([test for _, test in splits])
    assert sorted(held_out) == list(range(len(copies)))
    for (train, test), (rows_of_train, rows_of_test) in zip(splits, expected, strict=True):
        train_rows, test_rows = ({of_row.get(tuple(r)) for r in copies[p]} for p in (train, test))
        assert train_rows - {None} == set(rows_of_train)
        assert test_rows - {None} == set(rows_of_test)
        assert not set(map(tuple, copies[train])) & set(map(tuple, copies[test]))
    assert model.student_.cv is cv or model.student_.cv == cv or str(model.student_.cv) == str(cv)


@pytest.mark.parametrize("alpha", [0.5, 1])
def test_a_search_inside_judges_each_labelled_row_once(alpha):
    judged = []

    def score(estimator, X, y):
        judged.append((X, y))
        return estimator.score(X, y)

    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [2]}, cv=3, scoring=score)
    teacher = GaussianNB(var_smoothing=0.5).fit(X, y)
    data = X + 1e-3 * np.arange(len(X))[:, None]
    model = DistillationClassifier(teacher, search, alpha=alpha)
    model.fit(data, y, X_unlabeled=data[:6] + 9)
    rows, labels = (np.concatenate(part) for part in zip(*judged, strict=True))
    assert len(rows) == len(X)
    # With alpha=1 a real label that the teacher gives next to no probability has no copy.
    allowed = zip(y, y if alpha < 1 else teacher.predict(data), strict=True)
    allowed = dict(zip(map(tuple, data), map(set, allowed), strict=True))
    assert all(label in allowed[tuple(row)] for row, label in zip(rows, labels, strict=True))


STOPPERS = [
    (GradientBoostingClassifier(n_iter_no_change=2, random_state=0), "n_estimators"),
    (SGDClassifier(early_stopping=True, loss="log_loss", random_state=0), "max_iter"),
    (MLPClassifier(early_stopping=True, random_state=0, max_iter=60), "max_iter"),
]


@pytest.mark.parametrize(("student", "rounds"), STOPPERS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_student_that_stops_early_takes_as_many_rounds_as_on_the_labels(
    student, rounds, in_pipeline
):
    if not has_fit_parameter(student, "sample_weight"):
        pytest.skip("takes weights from scikit-learn 1.7 on")
    bare = make_pipeline(StandardScaler(), student) if in_pipeline else student
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone = last_step(clone(bare).fit(X, y))
    model = DistillationClassifier(GaussianNB().fit(X, y), bare, alpha=0.5, temperature=2).fit(
        X, y
    )
    taught = last_step(model.student_)
    found = alone.n_estimators_ if rounds == "n_estimators" else alone.n_iter_
    assert getattr(taught, rounds) == found
    assert getattr(taught, "n_estimators_" if rounds == "n_estimators" else "n_iter_") == found
    assert own_split(taught) is None
    assert model.score(X, y) > 0.6


def test_scores_out_of_bag_are_left_out_with_a_warning():
    student = RandomForestClassifier(10, oob_score=True, random_state=0)
    model = DistillationClassifier(GaussianNB().fit(X, y), student, alpha=0.5, temperature=2)
    with pytest.warns(UserWarning, match="RandomForestClassifier is fitted without oob_score"):
        model.fit(X, y)
    plain = clone(model).set_params(student__oob_score=False).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


#: scikit-learn 1.8 and newer warn of what will be their default.
OF_ITS_VERSION = (
    {"l1_ratios": (0,), "use_legacy_attributes": False}
    if "use_legacy_attributes" in LogisticRegressionCV().get_params()
    else {}
)


@pytest.mark.parametrize(
    "student",
    [
        CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3)),
        StackingClassifier([("tree", DecisionTreeClassifier(max_depth=3))]),
        RidgeClassifierCV(),
        LogisticRegressionCV(max_iter=5000, cv=3, scoring="neg_log_loss", **OF_ITS_VERSION),
        GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 3]}, cv=3),
    ],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_students_with_a_cv_of_their_own_learn_in_silence(student, in_pipeline):
    bare = make_pipeline(StandardScaler(), student) if in_pipeline else student
    model = DistillationClassifier(GaussianNB(), bare).fit(X, y, X_unlabeled=X[:9] + 0.1)
    assert type(model.strategy_) is WeightedLabels
    assert model.score(X, y) > 0.75
    assert last_step(model.student_).cv == student.cv


def test_weights_of_classes_inside_a_search_reach_its_estimator():
    search = GridSearchCV(LogisticRegression(class_weight={0: 1, 1: 3}), {"C": [1e6]}, cv=2)
    model = DistillationClassifier(None, search, alpha=1, temperature=8)
    P = np.tile([0.8, 0.2], (200, 1))
    data, labels = np.zeros((200, 1)), np.arange(200) % 2
    model.fit(data, labels, teacher_output=P)
    assert model.predict_proba(data[:1])[0, 1] == pytest.approx(3 / 7, abs=1e-4)  # odds 1:4 x 3


# -- regression -----------------------------------------------------------------------------------


def test_a_regressor_of_one_output_is_wrapped_for_many_classes():
    student = GradientBoostingRegressor(n_estimators=20, random_state=0)
    model = DistillationClassifier(GaussianNB(), student, alpha=0.5, temperature=2).fit(X, y)
    assert len(model.student_.estimators_) == 3
    assert model.score(X, y) > 0.9
    binary = DistillationClassifier(GaussianNB(), student, alpha=0.5, temperature=2).fit(X, y == 1)
    assert isinstance(binary.student_, GradientBoostingRegressor)


def test_temperature_changes_nothing_for_least_squares():
    teacher = GaussianNB(var_smoothing=0.1).fit(X, y)
    fits = [
        DistillationClassifier(
            teacher, DecisionTreeRegressor(max_leaf_nodes=5, random_state=0), temperature=t
        ).fit(X, y).predict_proba(X)
        for t in (1, 2, 8)
    ]  # fmt: skip
    np.testing.assert_allclose(fits[0], fits[1], atol=1e-9)
    np.testing.assert_allclose(fits[0], fits[2], atol=1e-9)


class WeightlessRegressor(Ridge):
    def fit(self, X, y):
        return super().fit(X, y)


def test_unequal_weights_need_a_student_that_takes_them():
    model = DistillationClassifier(GaussianNB(), WeightlessRegressor(), alpha=0.5, temperature=2)
    model.fit(X, y, sample_weight=np.full(len(y), 2.0))
    with pytest.raises(TypeError, match="WeightlessRegressor takes no sample_weight"):
        model.fit(X, y, sample_weight=np.arange(1, len(y) + 1))


def test_the_twin_of_a_regressor_learns_the_labels_in_the_same_way():
    model = DistillationClassifier(None, Ridge(), alpha=0).fit(X, y)
    assert isinstance(model.strategy_, TargetRegression)
    proba = model.predict_proba(10 * X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    almost = DistillationClassifier(GaussianNB(), Ridge(), alpha=1e-9).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), almost.predict_proba(X), atol=1e-4)


# -- no copy of X in another type ---------------------------------------------------------------


class DtypeStudent(ClassifierMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.dtype_ = X.dtype
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_the_student_sees_the_type_of_x(dtype):
    data = X.astype(dtype)
    teacher = ExtraTreesClassifier(5, random_state=0, min_samples_leaf=3)
    model = DistillationClassifier(teacher, DtypeStudent()).fit(data, y, X_unlabeled=data[:9])
    assert model.student_.dtype_ == dtype
