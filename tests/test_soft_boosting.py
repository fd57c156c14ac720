"""Boosted trees as students: exact identities, then behaviour, then real data."""

import importlib
import pickle
import re
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill import (
    DistillationClassifier,
    DistilledClassifier,
    SoftBoosting,
    WeightedLabels,
)
from sklearn_distill.targets import SoftTargets, TransferSet

LIBRARIES = ("lightgbm", "xgboost", "catboost")
NAMES = {
    "lightgbm": "LGBMClassifier",
    "xgboost": "XGBClassifier",
    "catboost": "CatBoostClassifier",
}
SETTINGS = {
    "lightgbm": {"verbose": -1, "n_jobs": 1},
    "xgboost": {"n_jobs": 1},
    "catboost": {
        "verbose": False,
        "allow_writing_files": False,
        "thread_count": 1,
        "random_seed": 0,
    },
}


def booster(library, n_rounds=30, **settings):
    module = pytest.importorskip(library)
    rounds = "iterations" if library == "catboost" else "n_estimators"
    return getattr(module, NAMES[library])(**(SETTINGS[library] | {rounds: n_rounds} | settings))


def make_data(n_classes, n_rows=500, seed=0):
    return make_classification(
        n_rows, 8, n_informative=5, n_classes=n_classes, flip_y=0.15, random_state=seed
    )


def soft_teacher(X, y, floor=0.05):
    proba = GaussianNB(var_smoothing=0.1).fit(X, y).predict_proba(X) + floor
    return proba / proba.sum(axis=1, keepdims=True)


def distil(student, X, y, proba, temperature=1.0, alpha=1.0, **fit_params):
    model = DistillationClassifier(None, student, temperature=temperature, alpha=alpha)
    return model.fit(X, y, teacher_output=proba, **fit_params)


def teach(student, X, targets, X_unlabeled=None, **fit_params):
    """Teach without an estimator around it, and return student and decoder as one classifier."""
    y = targets.classes[targets.labels]
    taught = SoftBoosting().teach(
        student, TransferSet(X, y, X_unlabeled, targets, fit_params=fit_params)
    )
    return DistilledClassifier(*taught)


def learn_one_hot(student, X, y, alpha, sample_weight=None, temperature=1.0, **fit_params):
    """Teach with a teacher that is certain of the right label, without the floor."""
    classes, labels = np.unique(y, return_inverse=True)
    with np.errstate(divide="ignore"):
        log_proba = np.log(np.eye(len(classes))[labels])
    targets = SoftTargets.from_alpha(classes, labels, log_proba, alpha, temperature, sample_weight)
    return teach(student, X, targets, **fit_params)


# -- one-hot targets are the native objective -----------------------------------------------

TOLERANCE = {"lightgbm": 1e-9, "xgboost": 1e-5, "catboost": 1e-12}
# CatBoost learns several classes one by one.
NATIVE = [(library, k) for library in ("lightgbm", "xgboost") for k in (2, 3, 7)]
NATIVE += [("catboost", 2)]


@pytest.mark.parametrize("alpha", [0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("library", "n_classes"), NATIVE)
def test_one_hot_targets_give_the_native_model(library, n_classes, weighted, alpha):
    X, y = make_data(n_classes)
    X[::11, 3] = np.nan
    weight = np.random.RandomState(0).uniform(0.2, 3, len(y)) if weighted else None
    native = booster(library).fit(X, y, sample_weight=weight)
    ours = learn_one_hot(booster(library), X, y, alpha, weight)
    np.testing.assert_allclose(
        ours.predict_proba(X), native.predict_proba(X), rtol=0, atol=TOLERANCE[library]
    )


CLASS_WEIGHTS = {
    "lightgbm balanced": ("lightgbm", 3, {"class_weight": "balanced"}),
    "lightgbm dict": ("lightgbm", 3, {"class_weight": {0: 1, 1: 2.5, 2: 0.5}}),
    "lightgbm positive": ("lightgbm", 2, {"scale_pos_weight": 3}),
    "lightgbm unbalance": ("lightgbm", 2, {"is_unbalance": True}),
    "xgboost positive": ("xgboost", 2, {"scale_pos_weight": 3}),
    "catboost balanced": ("catboost", 2, {"auto_class_weights": "Balanced"}),
    "catboost half": ("catboost", 2, {"auto_class_weights": "SqrtBalanced"}),
    "catboost positive": ("catboost", 2, {"scale_pos_weight": 3}),
    "catboost list": ("catboost", 2, {"class_weights": [0.5, 3]}),
    "catboost dict": ("catboost", 2, {"class_weights": {1: 2.0, 0: 1.0}}),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CLASS_WEIGHTS)
def test_class_weights_stay_in_force(case, weighted):
    library, n_classes, settings = CLASS_WEIGHTS[case]
    X, y = make_data(n_classes)
    y[y == 1] = np.where(np.arange((y == 1).sum()) % 2, 1, 0)
    weight = np.random.RandomState(0).uniform(0.2, 3, len(y)) if weighted else None
    native = booster(library, **settings).fit(X, y, sample_weight=weight)
    ours = learn_one_hot(booster(library, **settings), X, y, 0.5, weight)
    proba = native.predict_proba(X)[:, np.argsort(native.classes_)]
    # Ratios of counts are not exact in single precision.
    atol = 100 * TOLERANCE[library]
    np.testing.assert_allclose(ours.predict_proba(X), proba, rtol=0, atol=atol)


OTHER_SETTINGS = {
    "lightgbm goss": ("lightgbm", {"data_sample_strategy": "goss", "learning_rate": 0.3}),
    "lightgbm bagging": ("lightgbm", {"subsample": 0.5, "subsample_freq": 1}),
    "lightgbm no average": ("lightgbm", {"boost_from_average": False}),
    "lightgbm linear": ("lightgbm", {"linear_tree": True}),
    "lightgbm cross-entropy": ("lightgbm", {"objective": "cross_entropy"}),
    "xgboost dart": ("xgboost", {"booster": "dart", "rate_drop": 0.3}),
    "xgboost exact": ("xgboost", {"tree_method": "exact"}),
    "xgboost base score": ("xgboost", {"base_score": 0.3}),
    "xgboost subsample": ("xgboost", {"subsample": 0.5, "colsample_bytree": 0.5}),
    "catboost depthwise": ("catboost", {"grow_policy": "Depthwise", "depth": 3}),
    "catboost eta": ("catboost", {"eta": 0.2, "l2_leaf_reg": 1}),
}


@pytest.mark.parametrize("case", OTHER_SETTINGS)
def test_other_settings_stay_in_force(case):
    library, settings = OTHER_SETTINGS[case]
    X, y = make_data(2)
    student = booster(library).set_params(**settings)
    native = booster(library).set_params(**settings).fit(X, y)
    given = student.get_params()
    ours = learn_one_hot(student, X, y, alpha=0.5)
    proba = native.predict_proba(X)
    np.testing.assert_allclose(ours.predict_proba(X), proba, rtol=0, atol=TOLERANCE[library])
    assert student.get_params() == given
    assert given.items() <= ours.student.get_params().items()


def test_catboost_chooses_what_it_would_choose_for_labels():
    for n_classes in (2, 3):
        X, y = make_data(n_classes)
        native = booster("catboost").fit(X, y).get_all_params()
        model = distil(booster("catboost"), X, y, soft_teacher(X, y), 2, 0.5)
        got = model.student_.get_all_params()
        for name in ("learning_rate", "leaf_estimation_iterations", "bootstrap_type"):
            assert got[name] == native[name], name
        loss = "CrossEntropy" if n_classes == 2 else "MultiCrossEntropy"
        assert got["loss_function"] == model.student_.get_params()["loss_function"] == loss
        # The user's estimator is as it was.
        assert model.student.get_params() == booster("catboost").get_params()


@pytest.mark.parametrize(("library", "n_classes"), [case for case in NATIVE if case[1] < 7])
def test_categories_in_a_data_frame_give_the_native_model(library, n_classes):
    X, y = make_data(n_classes)
    frame = pd.DataFrame(X).add_prefix("x")
    frame["g"] = pd.Series([f"c{v % 6}" for v in y + np.arange(len(y)) // 3]).astype("category")
    settings = {"xgboost": {"enable_categorical": True}, "catboost": {"cat_features": ("g",)}}
    student = booster(library, **settings.get(library, {}))
    native = clone(student).fit(frame, y)
    ours = learn_one_hot(student, frame, y, alpha=0.5)
    np.testing.assert_allclose(
        ours.predict_proba(frame), native.predict_proba(frame), rtol=0, atol=TOLERANCE[library]
    )


# -- soft targets are learned as they should be ---------------------------------------------


# Settings whose meaning copies of rows do not change: CatBoost's penalty scales with mean weight.
INDIFFERENT = {
    "lightgbm": {"min_child_samples": 0, "max_bin": 31, "min_data_in_bin": 1},
    "xgboost": {},
    "catboost": {
        "learning_rate": 0.2,
        "bootstrap_type": "No",
        "random_strength": 0,
        "l2_leaf_reg": 0,
        "depth": 4,
    },
}


@pytest.mark.parametrize(
    ("library", "n_classes"),
    [("lightgbm", 2), ("lightgbm", 4), ("xgboost", 2), ("xgboost", 4), ("catboost", 2)],
)
def test_soft_targets_do_what_weighted_copies_of_the_rows_do(library, n_classes):
    X, y = make_data(n_classes)
    # LightGBM's histograms are of single precision: sooner or later a tie goes the other way.
    n_rounds = 3 if library == "lightgbm" else 30
    student = booster(library, n_rounds, **INDIFFERENT[library])
    soft = distil(student, X, y, soft_teacher(X, y), alpha=0.6)
    copies = clone(soft).set_params(strategy=WeightedLabels())
    copies.fit(X, y, teacher_output=soft_teacher(X, y))
    assert soft.strategy_.name == "soft-boosting"
    assert copies.strategy_.name == "weighted-labels"
    np.testing.assert_allclose(soft.predict_proba(X), copies.predict_proba(X), rtol=0, atol=1e-5)


def test_lightgbm_is_as_good_as_on_weighted_copies_of_the_rows():
    differences = []
    for seed in range(5):
        X, y = make_data(4, 1500, seed)
        proba = soft_teacher(X, y)
        student = booster("lightgbm", **INDIFFERENT["lightgbm"])
        soft = distil(student, X[:1000], y[:1000], proba[:1000], alpha=0.6)
        copies = clone(soft).set_params(strategy=WeightedLabels())
        copies.fit(X[:1000], y[:1000], teacher_output=proba[:1000])
        p, q = soft.predict_proba(X[1000:]), copies.predict_proba(X[1000:])
        assert np.abs(p - q).mean() < 0.02
        differences.append(log_loss(y[1000:], p) - log_loss(y[1000:], q))
    # Measured over 16 seeds: .0012 with a standard error of .0006.
    assert abs(np.mean(differences)) < 0.008


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_catboost_is_as_good_as_on_weighted_copies_of_the_rows(temperature):
    differences = []
    for seed in range(3):
        X, y = make_data(4, 1500, seed)
        proba = soft_teacher(X, y)
        student = booster("catboost", 100)
        soft = distil(student, X[:1000], y[:1000], proba[:1000], temperature, 0.6)
        copies = clone(soft).set_params(strategy=WeightedLabels())
        copies.fit(X[:1000], y[:1000], teacher_output=proba[:1000])
        p, q = soft.predict_proba(X[1000:]), copies.predict_proba(X[1000:])
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
        differences.append(log_loss(y[1000:], p) - log_loss(y[1000:], q))
    assert np.mean(differences) < 0.01


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_answers_of_catboost_that_are_learned_in_part_are_sharpened(temperature):
    X, y = make_data(7)
    model = distil(booster("catboost", 5), X, y, soft_teacher(X, y), temperature, 0.5)
    assert model.decoder_.power > 1.2 * temperature
    as_learned = replace(model.decoder_, power=temperature).predict_proba(model.student_, X)
    assert log_loss(y, model.predict_proba(X)) < log_loss(y, as_learned) - 0.05


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_student_with_free_margins_learns_the_teacher_at_every_temperature(
    library, n_classes, temperature
):
    X, y = make_data(n_classes, 60)
    settings = {
        "lightgbm": {"min_child_samples": 1, "min_child_weight": 0, "min_data_in_bin": 1},
        "xgboost": {"max_depth": 0, "max_leaves": 60, "min_child_weight": 0, "reg_lambda": 0},
        "catboost": {"l2_leaf_reg": 0, "depth": 8, "bootstrap_type": "No"},
    }[library]
    if library == "xgboost":
        settings |= {"grow_policy": "lossguide"}
    student = booster(library, 150, learning_rate=0.3, **settings)
    # Of the rows of a second half only the teacher knows something.
    proba = soft_teacher(X, y)
    targets = SoftTargets.from_alpha(np.arange(n_classes), y[:40], np.log(proba), 1.0, temperature)
    model = teach(student, X[:40], targets, X[40:])
    np.testing.assert_allclose(model.predict_proba(X), proba, atol=0.02)
    power = temperature if library == "catboost" else 1
    assert model.decoder.power == pytest.approx(power, rel=0.02)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_without_label_have_the_teacher_alone(library, temperature):
    # One feature tells the rows with a label from those without.
    X = np.repeat([0.0, 1.0], 60)[:, None]
    proba = np.tile([0.3, 0.7], (120, 1))
    settings = {"lightgbm": {"reg_lambda": 0}, "xgboost": {"reg_lambda": 0}}
    student = booster(library, 80, learning_rate=0.3, **settings.get(library, {"l2_leaf_reg": 0}))
    labels = np.zeros(60, int)
    labels[0] = 1
    targets = SoftTargets.from_alpha(np.arange(2), labels, np.log(proba), 0.5, temperature)
    model = teach(student, X[:60], targets, X[60:])
    labeled, unlabeled = model.predict_proba([[0.0], [1.0]])[:, 1]
    assert unlabeled == pytest.approx(0.7, abs=0.01)
    if temperature == 1:
        assert labeled == pytest.approx(0.5 / 60 + 0.35, abs=0.01)
    else:
        assert 0.1 < labeled < 0.5


# -- at the edges ---------------------------------------------------------------------------

CLASS_WEIGHT = {
    "lightgbm": {"class_weight": {0: 1, 1: 3}},
    "xgboost": {"scale_pos_weight": 3},
    "catboost": {"class_weights": [1, 3]},
}
# One leaf for each row of X that differs, and margins that nothing holds back.
FREE = {
    "lightgbm": {"min_child_samples": 1, "min_child_weight": 0, "min_data_in_bin": 1},
    "xgboost": {"min_child_weight": 0, "reg_lambda": 0},
    "catboost": {
        "l2_leaf_reg": 0,
        "depth": 2,
        "bootstrap_type": "No",
        "random_strength": 0,
        "leaf_estimation_backtracking": "No",
    },
}


def make_groups(confident):
    """Two groups of rows that have their X in common, with both labels in each."""
    X = np.repeat([0.0, 1.0], 20)[:, None]
    y = np.r_[np.arange(20) % 4 == 0, np.arange(20) % 2 == 0].astype(int)
    p = np.where(np.arange(40) % 3 == 0, 1e-12 if confident else 0.2, 0.7)
    p[X[:, 0] == 1] = 1e-12 if confident else 0.4
    return X, y, np.column_stack([1 - p, p])


@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.05, 0.5, 1.0, "by row"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_free_margins_end_where_the_loss_by_its_definition_is_least(
    library, alpha, temperature, weighted, confident
):
    X, y, proba = make_groups(confident)
    rng = np.random.RandomState(0)
    w = rng.uniform(0.2, 3, len(y)) if weighted else np.ones(len(y))
    c = np.array([1.0, 3.0]) if weighted else np.ones(2)
    targets = SoftTargets.from_alpha(np.arange(2), y, np.log(proba), 0.0, temperature, w)
    row_alpha = rng.uniform(0, 1, len(y)) if alpha == "by row" else np.full(len(y), alpha)
    targets = replace(targets, row_alpha=row_alpha)
    settings = FREE[library] | (CLASS_WEIGHT[library] if weighted else {})
    model = teach(booster(library, 200, learning_rate=0.3, **settings), X, targets)
    if library == "catboost":
        # The weighted mean, in each group, of what the rows' labels and teachers say.
        m = c * (row_alpha[:, None] * proba + (1 - row_alpha)[:, None] * np.eye(2)[y])
        of_row, m = w * m.sum(axis=1), m / m.sum(axis=1, keepdims=True)
        m_T = softmax(np.log(m + 1e-300) / temperature, axis=1)[:, 1]
        got = model.student.predict_proba(X)[:, 1]
        for group in (0, 1):
            rows = X[:, 0] == group
            mean = np.average(m_T[rows], weights=of_row[rows])
            np.testing.assert_allclose(got[rows], mean, rtol=0, atol=1e-4)
        assert 1 <= model.decoder.power <= temperature
        return
    z = model.decision_function(X)
    total = proba @ c
    p_T = softmax(np.log(c * proba) / temperature, axis=1)[:, 1]
    of_label = (1 - row_alpha) * c[y] * (expit(z) - y)
    of_teacher = row_alpha * temperature * total * (expit(z / temperature) - p_T)
    gradient = w * (of_label + of_teacher)
    # LightGBM ends when the gain of a split is lost in single precision, on labels too.
    slack = 0.02 if library == "lightgbm" and confident else 2e-3
    for group in (0, 1):
        assert gradient[X[:, 0] == group].mean() == pytest.approx(0, abs=slack)
    assert model.decoder.power == 1


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("library", LIBRARIES)
def test_class_weights_multiply_the_probabilities_at_every_temperature(library, temperature):
    X, y = make_data(2)
    X = (X[:, :1] > 0).astype(float)  # CatBoost takes no constants
    classes = np.array(["no", "yes"])
    log_proba = np.log(np.tile([0.9, 0.1], (len(y), 1)))
    targets = SoftTargets.from_alpha(classes, y, log_proba, 1.0, temperature)
    settings = CLASS_WEIGHT[library]
    if library == "lightgbm":
        settings = {"class_weight": {"no": 1, "yes": 3}}
    student = booster(library, 200, learning_rate=0.3, **settings, **FREE[library])
    proba = teach(student, X, targets).predict_proba(X)
    np.testing.assert_allclose(proba[:, 1], 0.25, rtol=0, atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("library", ["lightgbm", "catboost"])
def test_class_weights_multiply_the_probabilities_of_several_classes(library, temperature):
    X, y = make_data(3)
    X = (X[:, :1] > 0).astype(float)
    log_proba = np.log(np.tile([0.2, 0.3, 0.5], (len(y), 1)))
    targets = SoftTargets.from_alpha(np.arange(3), y, log_proba, 1.0, temperature)
    name = "class_weight" if library == "lightgbm" else "class_weights"
    settings = {name: {0: 1, 1: 4, 2: 0.5}}
    student = booster(library, 200, learning_rate=0.3, **settings, **FREE[library])
    proba = teach(student, X, targets).predict_proba(X)
    expected = np.tile(np.array([0.2, 1.2, 0.25]) / 1.65, (len(X), 1))
    np.testing.assert_allclose(proba, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-310, 1e-46, 1e-31, 1e31, 1e300])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_of_any_magnitude_weigh(library, n_classes, scale):
    X, y = make_data(n_classes)
    weight = np.random.RandomState(0).uniform(0.5, 1.5, len(y))
    weight /= weight.mean()
    proba = soft_teacher(X, y)
    usual = distil(booster(library, 10), X, y, proba, 2, 0.5, sample_weight=weight)
    model = distil(booster(library, 10), X, y, proba, 2, 0.5, sample_weight=scale * weight)
    got, expected = model.predict_proba(X), usual.predict_proba(X)
    assert np.isfinite(got).all()
    # Rounding may decide between two splits.
    assert np.median(np.abs(got - expected)) < 1e-3


@pytest.mark.parametrize("scale", [1e-300, 1e-46, 1e-8, 1e17, 1e30, 1e300])
@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_that_are_all_alike_and_too_small_or_large_weigh_1(library, alpha, scale):
    X, y = make_data(2, 200)
    proba = soft_teacher(X, y)
    expected = distil(booster(library, 5), X, y, proba, 2, alpha).predict_proba(X)
    weight = np.full(len(y), scale)
    model = distil(booster(library, 5), X, y, proba, 2, alpha, sample_weight=weight)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    assert expected.std() > 0.05


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_class_whose_rows_weigh_nothing_keeps_its_column(library, alpha):
    X, y = make_data(3, 300)
    weight = np.where(y == 1, 0.0, 1.0)
    model = distil(booster(library, 20), X, y, soft_teacher(X, y), 1, alpha, sample_weight=weight)
    proba = model.predict_proba(X)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    others = weight > 0
    assert model.score(X[others], y[others]) > 0.6
    if alpha == 0:
        assert proba[:, 1].max() < 0.1


def test_weights_of_a_usual_magnitude_keep_it():
    X, y = make_data(2)
    for library in ("lightgbm", "xgboost"):
        penalty = {"reg_lambda": 10}
        weight = np.full(len(y), 1e-3)
        native = booster(library, **penalty).fit(X, y, sample_weight=weight)
        ours = learn_one_hot(booster(library, **penalty), X, y, 0.5, weight)
        np.testing.assert_allclose(
            ours.predict_proba(X), native.predict_proba(X), rtol=0, atol=TOLERANCE[library]
        )
        twin = distil(booster(library, **penalty), X, y, None, alpha=0, sample_weight=weight)
        np.testing.assert_array_equal(twin.predict_proba(X), native.predict_proba(X))


def test_catboost_sorts_classes_as_numbers_and_every_column_is_in_its_place():
    names = np.arange(1, 11).astype(str)
    number = np.random.RandomState(0).randint(1, 11, size=600)
    X = number[:, None].astype(float)
    labels = number.astype(str)
    classes = np.unique(labels)
    assert classes.tolist() != names.tolist()
    for temperature in (1.0, 3.0):
        one_hot = classes == labels[:, None]
        proba = 0.02 + 0.8 * one_hot
        model = distil(booster("catboost", 60), X, labels, proba, temperature, 0.5)
        np.testing.assert_array_equal(model.classes_, classes)
        assert model.score(X, labels) == 1
        np.testing.assert_allclose(model.predict_proba(X), (proba + one_hot) / 2, atol=0.02)
        # Weights in CatBoost's own order of the classes. A list could not be cloned.
        settings = {"class_weights": tuple(range(1, 11)), "learning_rate": 0.3}
        student = booster("catboost", 200, **settings, **FREE["catboost"])
        positions, log_proba = np.searchsorted(classes, labels), np.log(np.full((600, 10), 0.1))
        targets = SoftTargets.from_alpha(classes, positions, log_proba, 1.0, temperature)
        model = teach(clone(student), X, targets)
        expected = np.tile(classes.astype(float) / 55, (600, 1))
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-3)


def test_catboost_balances_the_real_labels():
    X, _ = make_data(2)
    y = (np.arange(len(X)) % 10 == 0).astype(int)
    log_proba = np.log(np.full((1000, 2), 0.5))
    log_proba[500:] = np.log([0.4, 0.6])  # as labels, these would balance the classes
    targets = SoftTargets.from_alpha(np.arange(2), y, log_proba, 1.0)
    student = booster("catboost", 200, learning_rate=0.3, auto_class_weights="Balanced")
    unlabeled = X + 100
    proba = teach(student, X, targets, unlabeled).predict_proba(np.r_[X[:9], unlabeled[:9]])
    expected = np.repeat([0.9, 0.6 * 9 / (0.6 * 9 + 0.4)], 9)
    np.testing.assert_allclose(proba[:, 1], expected, atol=5e-3)


# -- the student is the user's own estimator ------------------------------------------------


def margins_of(library, student, X):
    """Return the student's own margins."""
    raw = {
        "lightgbm": {"raw_score": True},
        "xgboost": {"output_margin": True},
        "catboost": {"prediction_type": "RawFormulaVal"},
    }
    return student.predict(X, **raw[library])


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_student_is_a_genuine_model_of_its_library(library, n_classes, temperature, tmp_path):
    X, y = make_data(n_classes)
    labels = np.array(["ant", "bee", "cat"])[y]
    model = distil(booster(library), X, labels, soft_teacher(X, y), temperature, 0.5)
    student, proba = model.student_, model.predict_proba(X)
    assert type(student) is type(booster(library))
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    own = student.predict_proba(X)
    if library == "catboost":
        # What it learned: tempered, and with several classes for each by itself.
        answers = (own / own.sum(axis=1, keepdims=True)) ** model.decoder_.power
        expected = answers / answers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(proba, expected, atol=1e-12)
    else:
        np.testing.assert_array_equal(own, proba)
        known = np.arange(n_classes) if library == "xgboost" else model.classes_
        np.testing.assert_array_equal(student.classes_, known)
        np.testing.assert_array_equal(np.ravel(student.predict(X)), known[proba.argmax(axis=1)])
    assert len(student.feature_importances_) == X.shape[1]
    assert model.n_features_in_ == X.shape[1]
    margins = model.decision_function(X)
    from_margins = (
        np.column_stack([expit(-margins), expit(margins)])
        if n_classes == 2
        else softmax(margins, 1)
    )
    np.testing.assert_allclose(from_margins, proba, atol=1e-6)
    # It travels without this package.
    text = pickle.dumps(student)
    assert b"sklearn_distill" not in text
    np.testing.assert_array_equal(pickle.loads(text).predict_proba(X), own)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), proba)
    np.testing.assert_allclose(read_file(library, student, tmp_path, X), own, atol=1e-6)
    # A refit by its own fit is a native one; CatBoost's says that it is made for soft targets.
    if library != "catboost":
        again = clone(student).fit(X, y)
        native = booster(library).fit(X, y)
        np.testing.assert_array_equal(again.predict_proba(X), native.predict_proba(X))


def read_file(library, student, folder, X):
    """Save with the library's own means, load into its plainest model, and predict."""
    module = importlib.import_module(library)
    path = str(folder / "model.json")
    if library == "lightgbm":
        student.booster_.save_model(path)
        p = module.Booster(model_file=path).predict(X)
    elif library == "xgboost":
        student.save_model(path)
        p = module.Booster(model_file=path).predict(module.DMatrix(X))
    else:
        student.save_model(path)
        loaded = module.CatBoostClassifier().load_model(path)
        np.testing.assert_array_equal(loaded.classes_, student.classes_)
        p = loaded.predict_proba(X)
    return np.column_stack([1 - p, p]) if p.ndim == 1 else p


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_contributions_of_features_add_up_to_the_margins(library, n_classes):
    X, y = make_data(n_classes)
    model = distil(booster(library), X, y, soft_teacher(X, y), 2, 0.5)
    margins = margins_of(library, model.student_, X[:20])
    if library == "lightgbm":
        shap = model.student_.predict(X[:20], pred_contrib=True)
        shap = shap.reshape(20, -1, X.shape[1] + 1)
    elif library == "xgboost":
        rows = importlib.import_module("xgboost").DMatrix(X[:20])
        shap = model.student_.get_booster().predict(rows, pred_contribs=True)
    else:
        pool = importlib.import_module("catboost").Pool(X[:20])
        shap = model.student_.get_feature_importance(pool, type="ShapValues")
    np.testing.assert_allclose(shap.sum(axis=-1).reshape(margins.shape), margins, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_shap_explains_the_student(library, n_classes):
    shap = pytest.importorskip("shap")
    X, y = make_data(n_classes)
    model = distil(booster(library), X, y, soft_teacher(X, y), 2, 0.5)
    explained = shap.TreeExplainer(model.student_)(X[:20], check_additivity=False)
    total = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(total, margins_of(library, model.student_, X[:20]), atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_onnx_runtime_predicts_what_the_student_predicts(
    library, n_classes, temperature, tmp_path
):
    onnxruntime = pytest.importorskip("onnxruntime")
    X, y = make_data(n_classes)
    X = X.astype(np.float32)
    model = distil(booster(library), X, y, soft_teacher(X, y), temperature, 0.5)
    converted = convert(library, model.student_, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    labels, proba = session.run(None, {session.get_inputs()[0].name: X})
    if isinstance(proba, list):
        proba = np.array([[row[label] for label in range(n_classes)] for row in proba])
    np.testing.assert_array_equal(labels, np.searchsorted(model.classes_, model.predict(X)))
    if library == "catboost" and n_classes > 2:
        # CatBoost writes the softmax of the margins there, whatever the loss was.
        margins = margins_of(library, model.student_, X)
        np.testing.assert_allclose(proba, softmax(margins, axis=1), atol=1e-5)
    else:
        np.testing.assert_allclose(proba, model.student_.predict_proba(X), atol=1e-5)


def convert(library, student, path):
    """Return the student in the ONNX format, by the converter made for its library."""
    if library == "catboost":
        student.save_model(str(path), format="onnx")
        return path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converters and what they import
        onnxmltools = pytest.importorskip("onnxmltools")
        types = importlib.import_module("onnxmltools.convert.common.data_types")
        rows = [("X", types.FloatTensorType([None, student.n_features_in_]))]
        if library == "lightgbm":
            model = onnxmltools.convert_lightgbm(student, initial_types=rows, zipmap=False)
        else:
            model = onnxmltools.convert_xgboost(student, initial_types=rows)
    return model.SerializeToString()


def test_lightgbm_writes_the_same_model_on_both_ways(monkeypatch):
    # In memory after the last round, or (if training stopped early) in the model's text.
    model_file = importlib.import_module("sklearn_distill.strategies.boosting._lightgbm_model")
    for n_classes in (2, 3):
        X, y = make_data(n_classes)
        proba = soft_teacher(X, y)
        in_memory = distil(booster("lightgbm"), X, y, proba)
        with monkeypatch.context() as patch:
            patch.setattr(model_file.BecomeNative, "__call__", lambda self, env: None)
            in_text = distil(booster("lightgbm"), X, y, proba)
        np.testing.assert_array_equal(in_text.predict_proba(X), in_memory.predict_proba(X))
        texts = [m.student_.booster_.model_to_string() for m in (in_memory, in_text)]
        heads = [t.partition("\nTree=0\n")[0].partition("tree_sizes")[0] for t in texts]
        assert heads[0] == heads[1]
        assert "objective: custom" not in "".join(texts)


# -- early stopping, metrics, constraints, callbacks ----------------------------------------


def early_stopping(library, X, y, rounds=5):
    """Settings and fit parameters that stop early on these rows."""
    if library == "xgboost":
        return {"early_stopping_rounds": rounds}, {"eval_set": [(X, y)], "verbose": False}
    if library == "catboost":
        return {}, {"eval_set": (X, y), "early_stopping_rounds": rounds}
    lightgbm = pytest.importorskip("lightgbm")
    fit_params = {"callbacks": [lightgbm.early_stopping(rounds, verbose=False)]}
    if "eval_X" in lightgbm.LGBMClassifier.fit.__code__.co_varnames:
        return {}, fit_params | {"eval_X": X, "eval_y": y}
    return {}, fit_params | {"eval_set": [(X, y)]}


def metric_history(library, student):
    results = student.evals_result() if library == "xgboost" else student.evals_result_
    (last,) = [results[key] for key in results if key not in ("learn", "training")]
    return next(iter(last.values()))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_early_stopping_looks_at_probabilities_and_real_labels(library, n_classes, temperature):
    X, y = make_data(n_classes, 600)
    X_val, y_val, X, y, proba = X[400:], y[400:], X[:400], y[:400], soft_teacher(X, y)[:400]
    settings, fit_params = early_stopping(library, X_val, y_val)
    student = booster(library, 300, learning_rate=0.3, **settings)
    model = distil(student, X, y, proba, temperature, 0.3, **fit_params)
    history = metric_history(library, model.student_)
    assert len(history) < 300
    # What it reports is what the native objective would report of the student by itself, ...
    q, one_hot = model.student_.predict_proba(X_val), np.eye(n_classes)[y_val]
    if library == "catboost" and n_classes > 2:
        loss = -np.log(np.where(one_hot, q, 1 - q)).mean()
    else:
        loss = log_loss(y_val, q)
    assert loss == pytest.approx(min(history), rel=1e-4)
    # ... and the model is better than chance.
    loss = log_loss(y_val, model.predict_proba(X_val))
    assert loss < log_loss(y_val, np.full((200, n_classes), 1 / n_classes))


def test_xgboost_encodes_the_labels_of_eval_set():
    X, y = make_data(3)
    labels = np.array(["ant", "bee", "cat"])[y]
    student = booster("xgboost", early_stopping_rounds=5)
    fit_params = {"eval_set": [(X, labels)], "verbose": False}
    model = distil(student, X, labels, soft_teacher(X, y), **fit_params)
    assert min(metric_history("xgboost", model.student_)) < 1
    with pytest.raises(ValueError, match="eval_set has the classes .*dog.* which y does not have"):
        distil(student, X, labels, soft_teacher(X, y), eval_set=[(X[:1], ["dog"])])


def rows_to_stop_by(library, form, X, y):
    """Fit parameters that name rows to stop early by, in one of the forms a library takes."""
    return {
        "pair": {"eval_set": (X, y)},
        "list": {"eval_set": [(X, y)]},
        "two": {"eval_set": [(X[:50], y[:50]), (X, y)]},
        "eval_X": {"eval_X": X, "eval_y": y},
        "two eval_X": {"eval_X": (X[:50], X), "eval_y": (y[:50], y)},
    }[form]


FORMS = [
    *(("xgboost", form) for form in ("list", "two")),
    *(("catboost", form) for form in ("pair", "list", "two")),
    *(("lightgbm", form) for form in ("eval_X", "two eval_X")),
]


def stopping(library, form, n_rounds=100):
    """A student that stops early, and what its fit needs for that beside the rows."""
    if library == "xgboost":
        return booster(library, n_rounds, early_stopping_rounds=3), {"verbose": False}
    if library == "catboost":
        student = booster(library, n_rounds, learning_rate=0.3)
        return student, {"early_stopping_rounds": 3}
    lightgbm = pytest.importorskip("lightgbm")
    if "eval_X" not in lightgbm.LGBMClassifier.fit.__code__.co_varnames:
        pytest.skip("this release knows eval_set only")
    return booster(library, n_rounds), {"callbacks": [lightgbm.early_stopping(3, verbose=False)]}


def best_round(library, student):
    return student.best_iteration if library == "xgboost" else student.best_iteration_


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize(("library", "form"), FORMS)
def test_a_pipeline_transforms_the_rows_to_stop_early_by(library, form, alpha):
    X, y = make_data(2, 400)
    X = 5 * X + 7
    X_train, y_train, X_val, y_val = X[:250], y[:250], X[250:], y[250:]
    proba = soft_teacher(X_train, y_train)
    scaler = StandardScaler().fit(X_train)
    student, params = stopping(library, form)
    alone = distil(
        *(student, scaler.transform(X_train), y_train, proba, 2, alpha),
        **params | rows_to_stop_by(library, form, scaler.transform(X_val), y_val),
    )
    # Through a Pipeline in a Pipeline, too.
    for inner in ([], [StandardScaler(with_mean=False, with_std=False)]):
        pipeline = make_pipeline(StandardScaler(), make_pipeline(*inner, student))
        prefix = f"pipeline__{NAMES[library].lower()}__"
        given = params | rows_to_stop_by(library, form, X_val, y_val)
        before = {key: repr(value) for key, value in given.items()}
        inside = distil(
            *(pipeline, X_train, y_train, proba, 2, alpha),
            **{prefix + key: value for key, value in given.items()},
        )
        last = inside.student_[-1][-1]
        assert best_round(library, last) == best_round(library, alone.student_) < 95
        np.testing.assert_array_equal(
            inside.predict_proba(X_val), alone.predict_proba(scaler.transform(X_val))
        )
        assert {key: repr(value) for key, value in given.items()} == before


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_a_pipeline_transforms_the_rows_that_gradient_boosting_stops_by(alpha):
    if not has_fit_parameter(HistGradientBoostingClassifier, "X_val"):
        pytest.skip("scikit-learn 1.7 and newer")
    X, y = make_data(2, 400)
    X = np.round(5 * X + 7)  # scaling keeps the bins
    proba = soft_teacher(X[:250], y[:250])
    student = HistGradientBoostingClassifier(early_stopping=True, n_iter_no_change=3)
    scaler = StandardScaler().fit(X[:250])
    X_train, X_val = scaler.transform(X[:250]), scaler.transform(X[250:])
    alone = distil(student, X_train, y[:250], proba, 1, alpha, X_val=X_val, y_val=y[250:])
    names = ("X_val", "y_val")
    params = {f"histgradientboostingclassifier__{name}": name for name in names}
    params = dict(zip(params, (X[250:], y[250:]), strict=True))
    pipeline = make_pipeline(StandardScaler(), student)
    inside = distil(pipeline, X[:250], y[:250], proba, 1, alpha, **params)
    assert inside.student_[-1].n_iter_ == alone.student_.n_iter_ < 90
    np.testing.assert_array_equal(inside.predict_proba(X[250:]), alone.predict_proba(X_val))


def test_a_pipeline_transforms_what_its_transform_input_names():
    class Seeing(ClassifierMixin, BaseEstimator):
        def fit(self, X, y, sample_weight=None, probe=None, other=None):
            self.seen_, self.classes_ = (probe, other), np.unique(y)
            return self

        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    X, y = make_data(2, 60)
    with config_context(enable_metadata_routing=True):
        student = Seeing().set_fit_request(probe=True, other=True)
        pipeline = make_pipeline(StandardScaler(), student)
        pipeline.set_params(transform_input=["probe"])
        model = distil(pipeline, X, y, soft_teacher(X, y), probe=X[:5], other=X[:5])
    probe, other = model.student_[-1].seen_
    np.testing.assert_array_equal(probe, model.student_[0].transform(X[:5]))
    np.testing.assert_array_equal(other, X[:5])


@pytest.mark.parametrize("labels", [["b", "a"], ["10", "9"], [False, True], [7.0, -1.0]])
@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize(("library", "form"), FORMS)
def test_labels_to_stop_early_by_are_of_the_users_kind(library, form, alpha, labels):
    X, y = make_data(2, 400)
    named = np.array(labels)[y]
    proba = soft_teacher(X, named)[:250]
    found = []
    # As numbers that are their own positions, and by name.
    for target in (np.searchsorted(np.unique(named), named), named):
        student, params = stopping(library, form)
        params |= rows_to_stop_by(library, form, X[250:], target[250:])
        model = distil(student, X[:250], target[:250], proba, 1, alpha, **params)
        found.append((best_round(library, model.student_), model.predict_proba(X)))
    assert found[0][0] == found[1][0] < 95
    # CatBoost sorts '10' behind '9', and takes the other class for the positive one.
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.classes_, np.unique(named))


class Untouched(GaussianNB):
    """A teacher for mistakes that are to be found before it is fitted."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("fitted before the mistake was found")


def mistakes(library):
    """Settings and fit parameters of a student that cannot work, and what is said of them."""
    module = pytest.importorskip(library)
    X, y = make_data(2, 20)
    if library == "xgboost":
        stop = module.callback.EarlyStopping(rounds=3)
        yield {"early_stopping_rounds": 3}, {}, r"stop early \(early_stopping_rounds=3\).*eval_set"
        yield {"early_stopping_rounds": 3}, {"eval_set": []}, "stop early"
        yield {"callbacks": [stop]}, {}, "stop early .EarlyStopping.*eval_set=.*leave Early"
        yield {}, {"eval_set": (X, y)}, "must be a list of tuples .*Got ndarray"
    elif library == "lightgbm":
        stop = module.early_stopping(3, verbose=False)
        yield {"early_stopping_round": 3}, {}, r"stop early \(early_stopping_round=3\).*eval_X"
        yield {"n_iter_no_change": 3}, {"eval_set": []}, "stop early .n_iter_no_change=3"
        yield {}, {"callbacks": [stop]}, "stop early .callbacks=.*eval_X=X_val"
        if "eval_X" in module.LGBMClassifier.fit.__code__.co_varnames:
            yield {}, {"eval_X": X}, "one of eval_X and eval_y without the other"
            yield {}, {"eval_X": X, "eval_y": y, "eval_set": [(X, y)]}, "both eval_set and eval_X"
    else:
        pool = module.Pool(X, y)
        yield {"use_best_model": True}, {}, "stop early .use_best_model=True.*eval_set="
        yield {}, {"eval_set": pool}, r"must be a tuple \(X_val, y_val\).*Got Pool"
        yield {}, {"eval_set": [(X, y), pool]}, "Got Pool"
        yield {}, {"baseline": np.zeros(20)}, "baseline of CatBoostClassifier.fit is no part"
    yield {}, {"nonsense": 1}, "unexpected keyword argument 'nonsense'"


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("library", LIBRARIES)
def test_mistakes_are_found_before_the_teacher_is_fitted(library, alpha, piped):
    X, y = make_data(2, 20)
    for settings, params, message in mistakes(library):
        student, prefix = booster(library, 3, **settings), ""
        if piped:
            prefix = f"{NAMES[library].lower()}__"
            student = make_pipeline(StandardScaler(), student)
        model = DistillationClassifier(Untouched(), student, alpha=alpha)
        with pytest.raises((TypeError, ValueError), match=message) as caught:
            model.fit(X, y, **{prefix + name: value for name, value in params.items()})
        assert len(str(caught.value)) < 300 or "nonsense" in params
        assert not [name for name in vars(model) if name.endswith("_")]


def test_settings_that_do_not_stop_early_need_no_rows():
    X, y = make_data(2, 100)
    for student in (
        booster("lightgbm", 3, early_stopping_round=-1),
        booster("xgboost", 3, early_stopping_rounds=0),
        booster("catboost", 3, early_stopping_rounds=2),  # all rounds, as CatBoost alone
    ):
        for alpha in (0, 0.5):
            assert distil(student, X, y, soft_teacher(X, y), 1, alpha).score(X, y) > 0.6


def test_a_pool_in_the_eval_set_of_another_last_step_cannot_be_transformed():
    class Stopping(DecisionTreeClassifier):
        def fit(self, X, y, sample_weight=None, eval_set=None):
            return super().fit(X, y, sample_weight)

    X, y = make_data(2, 60)
    pool = pytest.importorskip("catboost").Pool(X, y)
    pipeline = make_pipeline(StandardScaler(), Stopping())
    with pytest.raises(TypeError, match="cannot transform a Pool. Pass a list of tuples"):
        distil(pipeline, X, y, soft_teacher(X, y), stopping__eval_set=[(X, y), pool])
    both = ((X, y), (X, y))
    distil(pipeline, X, y, soft_teacher(X, y), stopping__eval_set=both)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_margins_to_start_from_and_weights_to_stop_by_are_honoured(library, n_classes):
    X, y = make_data(n_classes)
    start = np.random.RandomState(0).randn(len(y), n_classes)
    weight = np.random.RandomState(1).uniform(0.1, 2, len(y))
    if library == "lightgbm":
        lightgbm = pytest.importorskip("lightgbm")
        if "eval_X" not in lightgbm.LGBMClassifier.fit.__code__.co_varnames:
            pytest.skip("this release knows eval_set only")
        start = start[:, 1].copy() if n_classes == 2 else start
        rows = {"eval_X": X.copy(), "eval_y": y, "eval_sample_weight": [weight]}
        params = {"init_score": start, "eval_init_score": [start], **rows}
    else:
        start = start[:, 1] if n_classes == 2 else start
        rows = {"eval_set": [(X, y)], "sample_weight_eval_set": [weight], "verbose": False}
        params = {"base_margin": start, "base_margin_eval_set": [start], **rows}
    native = booster(library, 5).fit(X, y, **params)
    ours = learn_one_hot(booster(library, 5), X, y, 0.5, **params).student
    atol = TOLERANCE[library]
    np.testing.assert_allclose(ours.predict_proba(X), native.predict_proba(X), rtol=0, atol=atol)
    assert not np.allclose(native.predict_proba(X), booster(library, 5).fit(X, y).predict_proba(X))
    histories = [metric_history(library, student) for student in (ours, native)]
    np.testing.assert_allclose(*histories, rtol=1e-5)


def test_catboost_goes_on_from_a_model_of_the_same_loss_only():
    X, y = make_data(3)
    proba = soft_teacher(X, y)
    native = booster("catboost", 5).fit(X, y)
    with pytest.raises(ValueError, match="init_model with MultiClass. Pass the student_"):
        distil(booster("catboost", 5), X, y, proba, init_model=native)
    first = distil(booster("catboost", 5), X, y, proba).student_
    model = distil(booster("catboost", 5), X, y, proba, init_model=first)
    assert model.student_.tree_count_ == 10
    twin = distil(booster("catboost", 5), X, y, proba, alpha=0, init_model=native)
    assert twin.student_.tree_count_ == 10


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_metric_of_the_users_is_given_probabilities(library, n_classes):
    X, y = make_data(n_classes)
    seen = []

    def brier(labels, proba):
        seen.append(np.asarray(proba))
        value = float(np.mean((1 - proba) ** 2))
        return ("brier", value, False) if library == "lightgbm" else value

    settings, fit_params = early_stopping(library, X, y)
    if library == "lightgbm":
        fit_params["eval_metric"] = brier
    else:
        settings |= {"eval_metric": brier, "early_stopping_rounds": None}
    model = distil(booster(library, 3, **settings), X, y, soft_teacher(X, y), **fit_params)
    assert seen
    assert all(((p > 0) & (p < 1)).all() for p in seen)
    last = seen[-1] if n_classes > 2 else np.column_stack([1 - seen[-1], seen[-1]])
    np.testing.assert_allclose(last, model.predict_proba(X), atol=1e-5)
    assert model.student_.get_params().get("eval_metric") is settings.get("eval_metric")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_lightgbm_reports_the_metrics_it_would_report_natively(n_classes):
    X, y = make_data(n_classes)
    names = ["multi_error", "multi_logloss", "auc_mu"] if n_classes > 2 else []
    names = names or ["binary_error", "binary_logloss", "auc", "average_precision"]
    _, fit_params = early_stopping("lightgbm", X.copy(), y, 50)
    weight = np.random.RandomState(0).uniform(0.1, 2, len(y))
    fit_params |= {"eval_metric": names, "eval_sample_weight": [weight]}
    del fit_params["callbacks"]
    student = booster("lightgbm", 10)
    native = clone(student).fit(X, y, **fit_params)
    ours = learn_one_hot(student, X, y, 0.5, **fit_params)
    (theirs,), (got,) = native.evals_result_.values(), ours.student.evals_result_.values()
    assert set(got) == set(theirs)
    for name in theirs:
        np.testing.assert_allclose(got[name], theirs[name], rtol=1e-9, err_msg=name)


def test_metrics_that_cannot_be_computed_are_refused_by_name():
    X, y = make_data(2)
    _, fit_params = early_stopping("lightgbm", X, y)
    proba = soft_teacher(X, y)
    with pytest.raises(ValueError, match="cannot compute metric='l2'"):
        distil(booster("lightgbm", metric="l2"), X, y, proba, **fit_params)
    lightgbm = importlib.import_module("lightgbm")
    stop = lightgbm.early_stopping(3, first_metric_only=True, verbose=False)
    settings = {"metric": ["binary_logloss", "auc"]}
    with pytest.raises(ValueError, match="Leave .*auc.* out"):
        distil(booster("lightgbm", **settings), X, y, proba, **fit_params | {"callbacks": [stop]})
    with pytest.raises(ValueError, match="cannot compute eval_metric='PRAUC'.*'AUC'"):
        distil(booster("catboost", eval_metric="PRAUC"), X, y, proba, eval_set=(X, y))
    X_3, y_3 = make_data(3)
    proba_3, eval_set = soft_teacher(X_3, y_3), (X_3, y_3)
    for setting in ({"eval_metric": "Accuracy"}, {"custom_metric": "AUC"}):
        (name,) = setting
        with pytest.raises(ValueError, match=f"compute {name}='A.*strategy='weighted-labels'"):
            distil(booster("catboost", **setting), X_3, y_3, proba_3, eval_set=eval_set)
        # Without an eval_set there is nothing to compute.
        distil(booster("catboost", 3, **setting), X_3, y_3, proba_3)
    pool = importlib.import_module("catboost").Pool(X, y)
    with pytest.raises(ValueError, match="must be a tuple .*Got Pool instead"):
        distil(booster("catboost"), X, y, proba, eval_set=pool)


@pytest.mark.parametrize("name", ["Logloss", "AUC", "Accuracy", "F1"])
def test_catboost_reports_metrics_of_labels_at_every_temperature(name):
    X, y = make_data(2)
    student = booster("catboost", eval_metric=name, custom_metric="MCC")
    native = clone(student).fit(X, y, eval_set=(X, y)).evals_result_["validation"]
    for temperature in (1.0, 2.0):
        model = learn_one_hot(student, X, y, 0.5, temperature=temperature, eval_set=[(X, y)])
        got = model.student.evals_result_["validation"]
        np.testing.assert_allclose(got[name], native[name], rtol=1e-9)
        np.testing.assert_allclose(got["MCC"], native["MCC"], rtol=1e-9)


@pytest.mark.parametrize("library", LIBRARIES)
def test_monotone_constraints_hold(library):
    X, y = make_data(2)
    constraints = {"catboost": "(1,0,0,0,0,0,0,0)", "xgboost": (1, 0, 0, 0, 0, 0, 0, 0)}
    constraints = constraints.get(library, [1, 0, 0, 0, 0, 0, 0, 0])
    student = booster(library, monotone_constraints=constraints)
    model = distil(student, X, y, soft_teacher(X, y), temperature=3)
    assert model.strategy_.name == "soft-boosting"
    rows = np.tile(X[0], (50, 1))
    rows[:, 0] = np.linspace(-4, 4, 50)
    assert (np.diff(model.predict_proba(rows)[:, 1]) >= -1e-7).all()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_values_reach_the_library(library, n_classes, temperature):
    X, y = make_data(n_classes, 300)
    # Only by what is missing can the last class be told from the others.
    X = np.random.RandomState(0).randn(300, 2)
    X[y == n_classes - 1, 1] = np.nan
    proba = 0.1 / n_classes + 0.9 * np.eye(n_classes)[y]
    for student in (booster(library), make_pipeline(StandardScaler(), booster(library))):
        model = distil(student, X, y, proba, temperature)
        assert model.strategy_.name == "soft-boosting"
        assert np.mean((model.predict(X) == n_classes - 1) == np.isnan(X[:, 1])) > 0.98


GPU = {"xgboost": {"device": "cuda:3"}, "lightgbm": {"device_type": "gpu", "gpu_device_id": 3}}


class SeenByLibrary(Exception):
    """Raised in place of training."""


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", GPU)
def test_settings_of_a_gpu_reach_the_library(library, n_classes, temperature, monkeypatch):
    X, y = make_data(n_classes)

    def train(params, *args, **kwargs):
        raise SeenByLibrary(params)

    student = booster(library, **GPU[library])
    monkeypatch.setattr(importlib.import_module(f"{library}.sklearn"), "train", train)
    with pytest.raises(SeenByLibrary) as seen:
        distil(student, X, y, soft_teacher(X, y), temperature)
    assert GPU[library].items() <= seen.value.args[0].items()


def test_callbacks_of_the_user_are_called():
    X, y = make_data(2)
    rounds = []
    fit_params = {"callbacks": [lambda env: rounds.append(env.iteration)]}
    distil(booster("lightgbm", 4), X, y, soft_teacher(X, y), **fit_params)
    assert rounds == [0, 1, 2, 3]

    class Count:
        def after_iteration(self, info):
            rounds.append(info.iteration)
            return True

    rounds.clear()
    distil(booster("catboost", 4), X, y, soft_teacher(X, y), callbacks=[Count()])
    assert rounds == [1, 2, 3, 4]

    class CountForXGBoost(importlib.import_module("xgboost").callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            rounds.append(epoch)
            return epoch == 2  # stop

    for temperature in (1.0, 3.0):
        rounds.clear()
        student = booster("xgboost", 9, callbacks=[CountForXGBoost()])
        model = distil(student, X, y, soft_teacher(X, y), temperature)
        assert rounds == [0, 1, 2]
        assert model.student_.get_booster().num_boosted_rounds() == 3


def test_training_goes_on_from_a_model():
    X, y = make_data(3)
    proba = soft_teacher(X, y)
    first = distil(booster("lightgbm", 10), X, y, proba).student_
    both = distil(booster("lightgbm", 10), X, y, proba, init_model=first)
    whole = distil(booster("lightgbm", 20), X, y, proba)
    assert both.student_.booster_.num_trees() == 60
    np.testing.assert_allclose(both.predict_proba(X), whole.predict_proba(X), atol=1e-9)
    first = distil(booster("xgboost", 10), X, y, proba).student_
    both = distil(booster("xgboost", 10), X, y, proba, xgb_model=first)
    whole = distil(booster("xgboost", 20), X, y, proba)
    np.testing.assert_allclose(both.predict_proba(X), whole.predict_proba(X), atol=1e-5)


# -- inside scikit-learn --------------------------------------------------------------------

DEPTH = {"lightgbm": "max_depth", "xgboost": "max_depth", "catboost": "depth"}


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
def test_grid_search_over_student_temperature_and_alpha(library, routing):
    X, y = make_data(3, 300)
    grid = {"temperature": [1, 3], "alpha": [0, 0.5], f"student__{DEPTH[library]}": [2, 3]}
    with config_context(enable_metadata_routing=routing):
        model = DistillationClassifier(GaussianNB(), booster(library, 5), cv=2)
        search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss", n_jobs=2)
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(best.predict_proba(X), search.predict_proba(X))
    again = clone(best).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), best.predict_proba(X))


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("library", LIBRARIES)
def test_folds_without_a_class_and_folds_of_one_class(library, alpha):
    X, y = make_data(3, 300)
    labels = np.array(["ant", "bee", "cat"])[y]
    order = np.argsort(y, kind="stable")
    X, labels = X[order], labels[order]
    model = DistillationClassifier(GaussianNB(), booster(library, 5), alpha=alpha, cv=2)
    # Each fold holds one class out: the others are learned under their own names.
    missing = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    splits = [(np.setdiff1d(np.arange(300), rows), rows) for rows in missing]
    scores = cross_validate(model, X, labels, cv=splits, return_estimator=True)
    for estimator, (train, test) in zip(scores["estimator"], splits, strict=True):
        known = np.unique(labels[train])
        np.testing.assert_array_equal(estimator.classes_, known)
        assert estimator.predict_proba(X[test]).shape == (len(test), 2)
        assert estimator.score(X[train], labels[train]) > 0.6
    np.testing.assert_array_equal(scores["test_score"], 0)
    with pytest.raises(ValueError, match=r"one class: \['bee'\]"):
        cross_validate(model, X, labels, cv=[(missing[1], missing[0])], error_score="raise")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_pipeline_ends_in_a_booster(library):
    X, y = make_data(2)
    student = make_pipeline(StandardScaler(), booster(library))
    model = DistillationClassifier(GaussianNB(), student, cv=2).fit(X, y, X_unlabeled=X[:50])
    assert model.strategy_.name == "soft-boosting"
    assert model.student_[0].n_samples_seen_ == len(X)
    assert model.decision_function(X).shape == (len(X),)
    assert model.score(X, y) > 0.7


@pytest.mark.parametrize("library", LIBRARIES)
def test_labels_of_any_kind_and_the_twin_without_a_teacher(library):
    X, y = make_data(3)
    for labels in (np.array(["ant", "bee", "cat"])[y], 10 * y + 5):
        model = distil(booster(library), X, labels, soft_teacher(X, y), 2, 0.5)
        twin = clone(model).set_params(alpha=0).fit(X, labels)
        native = booster(library).fit(X, y)
        np.testing.assert_array_equal(twin.predict_proba(X), native.predict_proba(X))
        for one in (model, twin):
            assert one.predict(X).shape == (len(X),)
            assert one.score(X, labels) > 0.6


def test_fit_parameters_without_entries_for_unlabeled_rows_are_refused():
    X, y = make_data(2)
    with pytest.raises(ValueError, match=r"\['init_score'\] have one value for each row of X"):
        DistillationClassifier(GaussianNB().fit(X, y), booster("lightgbm")).fit(
            X, y, X_unlabeled=X[:7], init_score=np.zeros(len(X))
        )


# -- what is refused, and what is taught in another way -------------------------------------

FOREIGN = [
    ("xgboost", "rank:pairwise"),
    ("xgboost", "binary:hinge"),
    ("xgboost", "reg:squarederror"),
    ("lightgbm", "lambdarank"),
    ("lightgbm", "regression"),
    ("lightgbm", lambda y, z: (z, z)),
    ("catboost", "RMSE"),
    ("catboost", "Focal:focal_alpha=0.5;focal_gamma=2"),
]


@pytest.mark.parametrize(("library", "objective"), FOREIGN)
@pytest.mark.parametrize("strategy", ["auto", "soft-boosting"])
def test_objectives_that_are_no_loss_of_probabilities_are_refused(library, objective, strategy):
    X, y = make_data(2)
    name = "loss_function" if library == "catboost" else "objective"
    student = booster(library, **{name: objective})
    model = DistillationClassifier(
        GaussianNB(), student, strategy=strategy, alpha=0.5, temperature=2
    )
    with pytest.raises(
        TypeError, match=f"{NAMES[library]} has {name}=.*cannot learn soft targets"
    ):
        model.fit(X, y)


OTHERWISE = [
    ("xgboost", {"objective": "multi:softmax"}, "objective='multi:softmax'"),
    ("lightgbm", {"objective": "multiclassova"}, "objective='multiclassova'"),
    ("lightgbm", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}, "rf"),
    ("lightgbm", {"sigmoid": 2.0}, "sigmoid=2.0"),
    ("lightgbm", {"app": "multiclass"}, "by this name, not as 'app'"),
    ("catboost", {"loss_function": "MultiClassOneVsAll"}, "loss_function='MultiClassOneVsAll'"),
    ("catboost", {"task_type": "GPU"}, "task_type='GPU'"),
]


@pytest.mark.parametrize(("library", "settings", "reason"), OTHERWISE)
def test_what_the_loss_cannot_keep_is_taught_with_weighted_labels(library, settings, reason):
    X, y = make_data(3, 200)
    student = booster(library, 5, **settings)
    model = DistillationClassifier(
        GaussianNB(), student, strategy="soft-boosting", cv=2, alpha=0.5, temperature=2
    )
    with pytest.raises(
        TypeError, match=f"soft-boosting.*{reason}.*Use strategy='weighted-labels'"
    ):
        model.fit(X, y)
    if "task_type" in settings:
        return  # needs a GPU
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM's about its own aliases
        proba = model.set_params(strategy="auto").fit(X, y).predict_proba(X)
    assert model.strategy_.name == "weighted-labels"
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_other_students_are_told_what_to_install():
    X, y = make_data(2)
    model = DistillationClassifier(
        GaussianNB(), DecisionTreeClassifier(), strategy="soft-boosting"
    )
    with pytest.raises(TypeError, match=r"sklearn-distill\[boosters\].*'weighted-labels'"):
        model.fit(X, y)


@pytest.mark.parametrize("library", LIBRARIES)
def test_targets_outside_0_and_1_are_refused(library):
    X, y = make_data(2)
    proba = soft_teacher(X, y)
    proba[:3] = [-0.2, 1.2]
    with pytest.raises(ValueError, match="negative probabilities for 3 of 500 rows"):
        distil(booster(library), X, y, proba)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_failed_fit_leaves_the_users_settings_as_they_were(library):
    X, y = make_data(2)
    student = booster(library)
    before = student.get_params()
    targets = SoftTargets.from_alpha(np.arange(2), y, np.log(soft_teacher(X, y)), 0.5, 2.0)
    with pytest.raises(TypeError, match="no_such_parameter"):
        teach(student, X, targets, no_such_parameter=1)
    assert student.get_params() == before
    teach(student, X, targets)
    assert student.get_params() == before


# -- versions -------------------------------------------------------------------------------


def test_the_oldest_releases_that_are_tested_are_those_that_are_declared():
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = (root / "constraints-oldest.txt").read_text(encoding="utf-8")
    tested = dict(re.findall(r"^([\w-]+)==([\d.]+)$", tested, re.MULTILINE))
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *extras["boosters"]]:
        name, _, lowest = requirement.partition(">=")
        if name != "torch":  # see there
            assert f"{tested[name]}.".startswith(f"{lowest}."), requirement
            assert not tested[name].removeprefix(lowest).strip(".0"), requirement


# -- real data ------------------------------------------------------------------------------


@pytest.mark.slow
def test_fraud_soft_targets_do_for_a_small_booster_what_regularisation_does(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples")
    import real_data
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
    from sklearn.metrics import average_precision_score

    X, y = real_data.credit_card_fraud()
    X, n = X.to_numpy(np.float32), int(0.7 * len(X))
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=2, random_state=0)
    strong = LGBMClassifier(
        n_estimators=400,
        learning_rate=0.02,
        colsample_bytree=0.5,
        subsample=0.7,
        subsample_freq=1,
        reg_lambda=10,
        random_state=0,
        verbose=-1,
        n_jobs=2,
    )
    teacher = VotingClassifier([("forest", forest), ("booster", strong)], voting="soft")
    teacher.fit(X[:n], y[:n])
    student = booster("xgboost", 100, max_depth=4, learning_rate=0.1)
    precision = {}
    for alpha in (0, 0.75):
        model = DistillationClassifier(teacher, student, alpha=alpha, temperature=3)
        proba = model.fit(X[:n], y[:n]).predict_proba(X[n:])
        precision[alpha] = average_precision_score(y[n:], proba[:, 1])
    assert 0.6 < precision[0] < 0.74  # measured: .680
    assert precision[0.75] >= 0.79  # measured: .801
    # The twin whose settings suit rare classes needs no teacher.
    twin = clone(student).set_params(reg_lambda=10).fit(X[:n], y[:n])
    regularised = average_precision_score(y[n:], twin.predict_proba(X[n:])[:, 1])
    assert regularised > precision[0] + 0.08  # measured: .808
    assert abs(regularised - precision[0.75]) < 0.03
