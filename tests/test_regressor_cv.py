"""DistillationRegressorCV: what it compares, by which values, and what it keeps."""

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LinearRegression, PoissonRegressor, Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from torch import nn

from sklearn_distill import DistillationRegressor, DistillationRegressorCV, TeacherEnsemble
from sklearn_distill.augmentation import Munge

X, y = make_friedman1(240, 6, noise=2, random_state=0)
WEIGHT = np.random.RandomState(3).randint(1, 4, len(y)).astype(float)
TREE = DecisionTreeRegressor(max_leaf_nodes=32, random_state=0)
TEACHER = ExtraTreesRegressor(20, min_samples_leaf=2, random_state=0)


def folds_of(seed, n_splits=3):
    return list(KFold(n_splits, shuffle=True, random_state=seed).split(X))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("seed", "alpha"), [(0, 1), (1, 0.5), (2, 1e-6)])
def test_scores_are_those_of_a_loop_by_hand(seed, alpha, nested, weight):
    """The loop fits the teacher anew for every fold and every part of it, as a sceptic would."""
    folds = folds_of(seed)
    parts = [test for _, test in folds]
    expected = []
    for k, (train, test) in enumerate(folds):
        said = np.empty(len(y))
        for j in range(len(folds)):
            if j != k:
                seen = np.r_[parts[j], parts[k]] if nested else parts[j]
                outside = np.setdiff1d(np.arange(len(y)), seen)
                of_outside = {} if weight is None else {"sample_weight": weight[outside]}
                fitted = clone(TEACHER).fit(X[outside], y[outside], **of_outside)
                said[parts[j]] = fitted.predict(X[parts[j]])
        blend = y[train] + alpha * (said[train] - y[train])
        of_train, of_test = (None if weight is None else weight[p] for p in (train, test))
        student = clone(TREE).fit(X[train], blend, of_train)
        loss = mean_squared_error(y[test], student.predict(X[test]), sample_weight=of_test)
        expected.append(-loss)
    searched = DistillationRegressorCV(
        TEACHER, TREE, alphas=[0, alpha], cv=3, nested=nested, random_state=seed
    ).fit(X, y, weight)
    assert searched.cv_results_["params"][1]["alpha"] == alpha
    found = [searched.cv_results_[f"split{k}_test_score"][1] for k in range(3)]
    assert_allclose(found, expected, rtol=1e-10)
    weights = [np.sum(np.ones(len(t)) if weight is None else weight[t]) for t in parts]
    mean = np.average(expected, weights=weights)
    assert_allclose(searched.cv_results_["mean_test_score"][1], mean)


@pytest.mark.parametrize("scoring", [None, "r2", "neg_mean_absolute_error"])
@pytest.mark.parametrize("student", [TREE, Ridge(), KNeighborsRegressor()])
def test_the_values_alone_score_as_the_bare_student_does(student, scoring):
    searched = DistillationRegressorCV(TEACHER, student, scoring=scoring, cv=folds_of(0)).fit(X, y)
    name = scoring or "neg_mean_squared_error"
    by_hand = GridSearchCV(student, {}, scoring=name, cv=folds_of(0)).fit(X, y)
    for k in range(3):
        assert_allclose(
            searched.cv_results_[f"split{k}_test_score"][0],
            by_hand.cv_results_[f"split{k}_test_score"][0],
        )
    assert not searched.cv_results_["distilled"][0]


@pytest.mark.parametrize("augmenter", [None, Munge(1)])
def test_what_is_kept_is_the_candidate_fitted_on_all_rows(augmenter):
    X, noisy = make_friedman1(600, 6, noise=4, random_state=0)
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    searched = DistillationRegressorCV(
        TEACHER, TREE, alphas=(0, 1), augmenters=(augmenter,), cv=folds, random_state=0
    ).fit(X, noisy)
    assert searched.distilled_
    params = searched.best_params_
    model = DistillationRegressor(TEACHER, TREE, cv=folds, random_state=0, **params)
    model.fit(X, noisy)
    assert_array_equal(searched.predict(X), model.predict(X))
    assert_array_equal(searched.teacher_.predict(X), model.teacher_.predict(X))
    assert searched.alpha_ == params["alpha"]
    assert_array_equal(searched.standalone().predict(X), searched.predict(X))


@pytest.mark.parametrize("student", [TREE, KNeighborsRegressor(), Ridge()])
def test_values_win_over_a_useless_teacher(student):
    model = DistillationRegressorCV(DummyRegressor(), student, alphas=(0, 1), random_state=0)
    model.fit(X, y)
    assert not model.distilled_
    assert "kept" in model.reason_
    assert_array_equal(model.predict(X), clone(student).fit(X, y).predict(X))
    assert model.best_params_ == {"alpha": 0, "augmenter": None}


def test_a_tree_gains_and_its_settings_are_found():
    model = DistillationRegressorCV(TEACHER, TREE, student_grid={"max_leaf_nodes": [4, 32]}, cv=4)
    model.fit(X, y)
    assert model.distilled_
    assert model.best_params_["student__max_leaf_nodes"] == 32
    assert model.student_.get_n_leaves() == 32
    assert model.honest_score_ <= model.best_score_
    assert np.isnan(model.cv_results_.get("mean_test_roc_auc", np.nan))


def test_several_outputs_count_alike_whatever_their_units():
    Y = np.column_stack([y, 1000 * X[:, 0]])
    scores = [
        DistillationRegressorCV(TEACHER, TREE, cv=3).fit(X, Y * units).cv_results_
        for units in ([1, 1], [1e-3, 1e3])
    ]
    one, other = (s["mean_test_score"] for s in scores)
    # Trees weigh outputs by their variance, so that only the score of linear models is the same.
    assert one.shape == other.shape
    ridge = [
        DistillationRegressorCV(TEACHER, LinearRegression(), alphas=[0], cv=3).fit(X, Y * units)
        for units in ([1, 1], [1e-3, 1e3])
    ]
    assert_allclose(ridge[0].best_score_, ridge[1].best_score_)


def test_jobs_and_caches_change_nothing(tmp_path):
    memory = Memory(tmp_path, verbose=0)
    one = DistillationRegressorCV(TEACHER, TREE, cv=3, memory=memory).fit(X, y)
    for model in (
        DistillationRegressorCV(TEACHER, TREE, cv=3, memory=memory, n_jobs=2).fit(X, y),
        DistillationRegressorCV(TEACHER, TREE, cv=3, n_jobs=2).fit(X, y),
    ):
        assert_array_equal(
            model.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"]
        )


def test_a_fitted_teacher_that_repeats_the_values_leans_the_comparison():
    by_heart = ExtraTreesRegressor(10, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="knows these rows by heart"):
        DistillationRegressorCV(by_heart, TREE).fit(X, y)
    model = DistillationRegressorCV(by_heart, TREE, cv=3).fit(X, y)
    assert model.label_source_ == "out-of-fold"


def test_trust_groups_columns_and_ensembles():
    frame = pd.DataFrame(X.copy(), columns=[f"x{j}" for j in range(X.shape[1])])
    sure = GaussianProcessRegressor(RBF() + WhiteKernel(), normalize_y=True)
    model = DistillationRegressorCV(sure, TREE, trust="std", cv=3, nested=False).fit(X, y)
    assert model.n_splits_ == 3
    groups = np.arange(len(y)) // 20
    pool = TeacherEnsemble([("a", TEACHER), ("b", Ridge())])
    model = DistillationRegressorCV(
        pool, TREE, cv=GroupKFold(3), student_columns=["x0", "x1", "x3"]
    ).fit(frame, y, groups=groups)
    assert model.predict(frame[["x3", "x1", "x0"]]).shape == y.shape
    assert model.n_features_in_ == 3


def test_frames_with_categories_and_holes_in_a_search():
    frame = pd.DataFrame(X[:, :4].copy(), columns=list("abcd"))
    frame["kind"] = pd.Categorical(np.where(X[:, 4] > 0.5, "x", "y"))
    frame.loc[::7, "a"] = np.nan
    encode = make_column_transformer((OrdinalEncoder(), ["kind"]), remainder="passthrough")
    teacher = make_pipeline(encode, RandomForestRegressor(10, random_state=0))
    student = make_pipeline(encode, DecisionTreeRegressor(random_state=0))
    grid = {"decisiontreeregressor__max_leaf_nodes": [8, 16]}
    model = DistillationRegressorCV(teacher, student, student_grid=grid, cv=3, nested=False)
    search = GridSearchCV(model, {"alphas": [(0, 0.5), (0, 1)]}, cv=2, n_jobs=2).fit(frame, y)
    assert search.predict(frame).shape == y.shape
    whole = make_pipeline(StandardScaler(), DistillationRegressorCV(TEACHER, TREE, cv=3))
    assert whole.fit(X, y).predict(X).shape == y.shape


def test_networks_and_the_default_student():
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    for student in (net, None):
        model = DistillationRegressorCV(
            TEACHER, student, alphas=(0, 0.5), cv=2, nested=False, random_state=0
        )
        model.fit(X[:60], y[:60])
        assert model.predict(X).shape == y.shape


def test_given_output_and_no_labels():
    said = clone(TEACHER).fit(X, y).predict(X) + 0.1
    model = DistillationRegressorCV(None, TREE, cv=None).fit(X, y, teacher_output=said)
    assert model.label_source_ == "given"
    with pytest.raises(ValueError, match="requires y to be passed"):
        DistillationRegressorCV(TEACHER, TREE).fit(X, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alphas": [0, 2]}, "alphas must be numbers from 0 to 1"),
        ({"alphas": []}, "alphas must be numbers"),
        ({"augmenters": []}, "augmenters is empty"),
        ({"scoring": "neg_log_loss"}, "cannot be computed of the student"),
        ({"scoring": "r3"}, "The 'scoring' parameter"),
        ({"cv": ShuffleSplit(3, random_state=0)}, "leaves 173 of 240 rows"),
        ({"cv": 2}, "Set cv to 3 or more"),
        ({"cv": [([0], range(1, 240)), (range(1, 240), [0])], "nested": False}, "leaves 1 rows"),
        ({"student_grid": {"depth": [1]}}, "Invalid parameter"),
        ({"student": PoissonRegressor()}, "negative"),
    ],
)
def test_what_is_refused(settings, message):
    settings = {"student": TREE} | settings
    target = y - 20 if isinstance(settings["student"], PoissonRegressor) else y
    with pytest.raises(ValueError, match=message):
        DistillationRegressorCV(TEACHER, **settings).fit(X, target)
