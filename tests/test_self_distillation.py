"""Models that teach themselves."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_friedman1
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import (
    DistillationClassifier,
    DistillationRegressor,
    GradientTraining,
    SelfDistillationClassifier,
    SelfDistillationRegressor,
)
from sklearn_distill.export import OnnxClassifier, export_onnx
from sklearn_distill.tempering import lift_zeros
from tests.stubs import Calls, RecordingClassifier

TREE = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0)
VALUES = DecisionTreeRegressor(max_leaf_nodes=32, random_state=0)


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def friedman():
    return make_friedman1(300, noise=2, random_state=0)


@pytest.mark.parametrize(
    "estimator",
    [
        TREE,
        LogisticRegression(max_iter=5000),
        make_pipeline(StandardScaler(), GaussianNB()),
        HistGradientBoostingClassifier(max_iter=5),
    ],
)
@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 1), (1, 8), (1e-6, 2)])
def test_one_generation_is_distillation(cancer, estimator, alpha, temperature):
    X, y = cancer
    settings = {"alpha": alpha, "temperature": temperature, "random_state": 0}
    one = SelfDistillationClassifier(
        estimator, n_generations=1, early_stopping=False, **settings
    ).fit(X, y)
    other = DistillationClassifier(estimator, estimator, **settings).fit(X, y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-7)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_one_generation_of_values_is_distillation(friedman):
    X, y = friedman
    one = SelfDistillationRegressor(
        VALUES, n_generations=1, early_stopping=False, random_state=0
    ).fit(X, y)
    other = DistillationRegressor(VALUES, VALUES, alpha=0.5, random_state=0).fit(X, y)
    np.testing.assert_allclose(one.predict(X), other.predict(X))


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_those_of_a_loop_by_hand(cancer, weighted):
    """Each fold is held out from a chain that is begun anew, with folds of its own."""
    X, y = cancer
    weight = np.random.RandomState(0).randint(1, 4, len(y)).astype(float) if weighted else None
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
    model = SelfDistillationClassifier(TREE, n_generations=2, cv=folds, temperature=2)
    losses = model.fit(X, y, weight).losses_
    expected = np.zeros(3)
    for k, (train, test) in enumerate(folds):
        inner = [
            tuple(np.flatnonzero(np.isin(train, part)) for part in fold)
            for j, fold in enumerate(folds)
            if j != k
        ]
        chain = clone(model).set_params(early_stopping=False, cv=inner)
        chain.fit(X[train], y[train], None if weight is None else weight[train])
        for number, one in enumerate(chain.generations_):
            with np.errstate(divide="ignore"):
                said = lift_zeros(one.predict_log_proba(X[test]), 2e-4)
            of_rows = -said[np.arange(len(test)), y[test]]
            expected[number] += of_rows @ (np.ones(len(test)) if weight is None else weight[test])
    np.testing.assert_allclose(losses, expected / (len(y) if weight is None else weight.sum()))


def test_what_folds_of_labels_know_is_not_taken_for_a_gain():
    """A booster on clean data loses by its own labels; un-nested losses say that it gains."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]
    booster = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=0)
    settings = {"n_generations": 1, "cv": 3, "random_state": 0}
    honest = SelfDistillationClassifier(booster, **settings).fit(X, y)
    lenient = SelfDistillationClassifier(booster, nested=False, **settings).fit(X, y)
    np.testing.assert_allclose(honest.losses_[0], lenient.losses_[0])
    assert honest.losses_[1] > lenient.losses_[1]
    assert honest.best_generation_ == 0


@pytest.mark.parametrize("cv", [TimeSeriesSplit(4), RepeatedKFold(n_splits=3, random_state=0)])
def test_folds_that_go_forward_in_time_or_come_several_times(cancer, friedman, cv):
    """Of the first fold in time nobody can be taught by a fold before it."""
    model = SelfDistillationClassifier(TREE, n_generations=1, cv=cv).fit(*cancer)
    values = SelfDistillationRegressor(VALUES, n_generations=1, cv=cv).fit(*friedman)
    assert np.isfinite(model.losses_).all()
    assert np.isfinite(values.losses_).all()
    with pytest.raises(ValueError, match="Set cv to 3 or more"):
        SelfDistillationClassifier(TREE, cv=TimeSeriesSplit(2)).fit(*cancer)


def test_two_folds_cannot_be_nested(cancer):
    with pytest.raises(ValueError, match="Set cv to 3 or more, or nested=False"):
        SelfDistillationClassifier(TREE, cv=2).fit(*cancer)


def test_alpha_zero_is_the_estimator_alone(cancer, friedman):
    model = SelfDistillationClassifier(TREE, alpha=0).fit(*cancer)
    bare = clone(TREE).fit(*cancer)
    np.testing.assert_array_equal(model.predict_proba(cancer[0]), bare.predict_proba(cancer[0]))
    assert model.best_generation_ == 0
    values = SelfDistillationRegressor(VALUES, alpha=0).fit(*friedman)
    bare = clone(VALUES).fit(*friedman)
    np.testing.assert_array_equal(values.predict(friedman[0]), bare.predict(friedman[0]))


def test_it_stops_where_nothing_is_gained(cancer, friedman):
    X, y = cancer
    calls = Calls()
    model = SelfDistillationClassifier(
        RecordingClassifier(calls), cv=3, n_generations=5, nested=False
    )
    model.fit(X, y)
    assert len(calls.of("fit")) == 4 * len(model.losses_)
    assert len(model.losses_) <= model.best_generation_ + 2
    noisy = SelfDistillationRegressor(VALUES, n_generations=4, random_state=0).fit(*friedman)
    assert noisy.best_generation_ >= 1
    falls = -np.diff(noisy.losses_[: noisy.best_generation_ + 1])
    assert (falls > 0).all()
    assert len(noisy.generations_) == noisy.best_generation_ + 1


def test_all_generations_and_their_mean(cancer):
    X, y = cancer
    model = SelfDistillationClassifier(
        TREE, n_generations=3, early_stopping=False, average=True, random_state=0
    ).fit(X, y)
    assert model.best_generation_ == 3
    assert np.isnan(model.losses_[-1])
    taught = [one.predict_proba(X) for one in model.generations_[1:]]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(taught, axis=0))
    np.testing.assert_array_equal(
        model.predict(X), model.classes_[np.mean(taught, axis=0).argmax(axis=1)]
    )
    with pytest.raises(ValueError, match="is 3 students, and not one"):
        model.standalone()


def test_labels_of_a_generation_are_of_rows_that_it_has_not_seen(cancer):
    X, y = cancer
    calls = Calls()
    SelfDistillationClassifier(
        RecordingClassifier(calls), n_generations=1, cv=4, temperature=2, nested=False
    ).fit(X, y)
    sizes = [len(call["X"]) for call in calls.of("fit")]
    assert len(sizes) == 10  # of each generation four folds, and all rows


def test_weights_unlabelled_rows_and_groups(cancer):
    X, y = cancer
    weight = np.random.RandomState(0).rand(len(y))
    model = SelfDistillationClassifier(GaussianNB(), n_generations=1, early_stopping=False)
    plain = clone(model).fit(X, y)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    assert (weighted.predict_proba(X) != plain.predict_proba(X)).any()
    extended = clone(model).fit(X[:200], y[:200], X_unlabeled=X[200:])
    assert extended.score(X, y) > 0.9
    values = SelfDistillationRegressor(Ridge(), n_generations=2, early_stopping=False)
    X, y = make_friedman1(100, random_state=0)
    assert values.fit(X[:50], y[:50], X_unlabeled=X[50:]).score(X, y) > 0.5


def test_routing(cancer):
    X, y = cancer
    weight = 1 + 9 * (y == 0)
    plain = SelfDistillationClassifier(GaussianNB(), n_generations=1, early_stopping=False)
    expected = plain.fit(X, y, sample_weight=weight).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        model = clone(plain).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        calls = Calls()
        estimator = RecordingClassifier(calls).set_fit_request(colour=True)
        clone(plain).set_params(estimator=estimator).fit(X, y, colour="red")
    assert {call["colour"] for call in calls.of("fit")} == {"red"}


def test_networks(cancer):
    from torch import nn

    X, y = cancer
    X = StandardScaler().fit_transform(X).astype(np.float32)
    module = nn.Sequential(nn.Linear(30, 4), nn.ReLU(), nn.Linear(4, 2))
    strategy = GradientTraining(max_epochs=3)
    model = SelfDistillationClassifier(
        module, n_generations=2, early_stopping=False, strategy=strategy, cv=2, random_state=0
    ).fit(X, y)
    assert model.predict_proba(X).shape == (569, 2)


def test_frames_searches_strings_and_pickles(tmp_path):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["kind"] = pd.Categorical(np.where(X.iloc[:, 0] > 5.5, "large", "small"))
    X.iloc[::11, 1] = np.nan
    y = np.array(["a", "b", "c"])[y]
    boosted = HistGradientBoostingClassifier(
        max_iter=3, categorical_features="from_dtype", random_state=0
    )
    model = SelfDistillationClassifier(boosted, n_generations=1, early_stopping=False)
    grid = {"estimator__max_depth": [1, 2], "alpha": [0.5, 1]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert search.score(X, y) > 0.8
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    numbers = X.iloc[:, [0, 2, 3]].to_numpy()
    one = clone(model).set_params(estimator=TREE, estimator__max_leaf_nodes=4).fit(numbers, y)
    export_onnx(one.standalone(), tmp_path / "model.onnx", numbers)
    opened = OnnxClassifier(tmp_path / "model.onnx")
    np.testing.assert_allclose(
        opened.predict_proba(numbers), one.predict_proba(numbers), atol=1e-6
    )


def test_kinds_and_mistakes(cancer):
    assert is_classifier(SelfDistillationClassifier(TREE))
    assert is_regressor(SelfDistillationRegressor(VALUES))
    assert not hasattr(SelfDistillationRegressor(VALUES), "predict_proba")
    X, y = cancer
    with pytest.raises(ValueError, match="'n_generations' parameter"):
        SelfDistillationClassifier(TREE, n_generations=0).fit(X, y)
    with pytest.raises(ValueError, match="target y is None"):
        SelfDistillationClassifier(TREE).fit(X)
    with pytest.raises(TypeError, match="cannot learn values"):
        SelfDistillationRegressor(TREE).fit(X, y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SelfDistillationClassifier(TREE).fit(X, y + 0.5)


@pytest.mark.parametrize(
    "model", [SelfDistillationClassifier(StandardScaler()), SelfDistillationRegressor(TREE)]
)
def test_what_cannot_learn_is_refused_before_anything_is_fitted(cancer, model):
    with pytest.raises(TypeError, match=r"StandardScaler|DecisionTreeClassifier"):
        model.fit(*cancer)
    assert not hasattr(model, "generations_")
