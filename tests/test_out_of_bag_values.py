"""Out-of-bag values of regressors."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.ensemble import BaggingRegressor, ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_distill import DistillationRegressor, TeacherEnsemble
from sklearn_distill.teachers import ValueReader, has_out_of_bag_votes, read_out_of_bag

X, y = make_friedman1(300, 6, noise=2, random_state=0)
TREE = DecisionTreeRegressor(max_leaf_nodes=32, random_state=0)
OUTPUTS = np.arange(1)
FORESTS = {
    "forest": RandomForestRegressor(60, random_state=0, oob_score=True),
    "absolute": RandomForestRegressor(60, criterion="absolute_error", random_state=0),
    "extra trees": ExtraTreesRegressor(60, bootstrap=True, oob_score=True, random_state=0),
    "few rows": RandomForestRegressor(60, max_samples=0.3, random_state=0),
    "bagging": BaggingRegressor(n_estimators=60, max_features=0.5, random_state=0),
    "ridges": BaggingRegressor(Ridge(), n_estimators=60, oob_score=True, random_state=0),
}


def read(teacher, X, y, outputs=OUTPUTS, with_std=False):
    return read_out_of_bag(ValueReader(teacher, True, with_std), X, y, outputs)[0]


@pytest.mark.parametrize("name", FORESTS)
@pytest.mark.parametrize("far", [0.0, 1e6], ids=["near", "far from zero"])
def test_values_are_those_that_scikit_learn_stores(name, far):
    teacher = clone(FORESTS[name]).set_params(oob_score=True).fit(X, y + far)
    values = read(teacher, X, y + far)[:, 0]
    assert_allclose(values, teacher.oob_prediction_)
    without = clone(FORESTS[name]).set_params(oob_score=False).fit(X, y + far)
    if name == "ridges":
        with pytest.raises(ValueError, match="cannot prove"):
            read(without, X, y + far)
    else:
        assert_allclose(read(without, X, y + far)[:, 0], values)


def test_deviations_are_of_the_trees_that_did_not_see_the_row():
    teacher = FORESTS["forest"].fit(X, y)
    values, std = read(teacher, X, y, with_std=True).T
    row = 7
    said = [
        tree.predict(X[[row]])[0]
        for tree, seen in zip(teacher.estimators_, teacher.estimators_samples_, strict=True)
        if row not in seen
    ]
    assert_allclose([values[row], std[row]], [np.mean(said), np.std(said)])


@pytest.mark.parametrize("weighted", [False, True])
def test_several_outputs_and_weights(weighted):
    Y = np.column_stack([y, 1e-3 * X[:, 0]])
    weight = np.random.RandomState(0).randint(1, 4, len(y)) if weighted else None
    teacher = RandomForestRegressor(60, random_state=0).fit(X, Y, weight)
    values = read(teacher, X, Y, np.arange(2))
    stored = RandomForestRegressor(60, random_state=0, oob_score=True).fit(X, Y, weight)
    known = ~np.isnan(values).any(axis=1)
    assert_allclose(values[known], stored.oob_prediction_[known])


@pytest.mark.parametrize(
    "change",
    [
        lambda X, y: (X, y[::-1]),
        lambda X, y: (X[::-1], y),
        lambda X, y: (X[::-1], y[::-1]),
        lambda X, y: (X[:-1], y[:-1]),
        lambda X, y: (X + 1, y),
        lambda X, y: (X, y + 1),
    ],
)
@pytest.mark.parametrize("name", [n for n in FORESTS if n != "ridges"])
def test_other_rows_are_refused(name, change):
    teacher = clone(FORESTS[name]).set_params(oob_score=False).fit(X, y)
    with pytest.raises(ValueError, match="in the same order, and these are others"):
        read(teacher, *change(X, y))


def test_a_fitted_forest_gives_its_values_by_itself_where_it_can():
    teacher = FORESTS["forest"].fit(X, y)
    model = DistillationRegressor(teacher, TREE, alpha=0.75).fit(X, y)
    assert model.label_source_ == "out-of-bag"
    by_hand = DistillationRegressor(None, TREE, alpha=0.75).fit(
        X, y, teacher_output=teacher.oob_prediction_
    )
    assert_allclose(model.predict(X), by_hand.predict(X))
    assert DistillationRegressor(teacher, TREE).fit(X, y).alpha_ == 0.75  # its rows are unseen
    other = DistillationRegressor(teacher, TREE, alpha=0.75).fit(X[:200], y[:200])
    assert other.label_source_ == "fitted"
    with pytest.raises(ValueError, match="these are others"):
        DistillationRegressor(teacher, TREE, cv="out-of-bag").fit(X[:200], y[:200])
    assert not has_out_of_bag_votes(ExtraTreesRegressor(5).fit(X, y))
    assert not has_out_of_bag_votes(Ridge().fit(X, y))


def test_an_unfitted_forest_is_fitted_once_and_frames_pass_through_pipelines():
    frame = pd.DataFrame(X.copy(), columns=[f"x{j}" for j in range(6)])
    forest = make_pipeline(StandardScaler(), RandomForestRegressor(60, random_state=0))
    model = DistillationRegressor(forest, TREE, cv="out-of-bag", trust="std").fit(frame, y)
    assert model.label_source_ == "out-of-bag"
    pool = TeacherEnsemble([("forest", FORESTS["forest"].fit(X, y)), ("ridge", Ridge())])
    model = DistillationRegressor(pool, TREE, alpha=0.5).fit(X, y)
    assert model.label_source_ == "out-of-bag"
    assert "pool" in model.teacher_.losses_


def test_a_row_that_every_tree_has_seen_is_learned_from_its_value():
    teacher = RandomForestRegressor(2, random_state=0).fit(X, y)
    values = read(teacher, X, y)[:, 0]
    assert np.isnan(values).any()
    model = DistillationRegressor(teacher, DecisionTreeRegressor(), alpha=1).fit(X, y)
    lost = np.isnan(values)
    assert_allclose(model.predict(X[lost]), y[lost])
    assert_allclose(model.predict(X[~lost]), values[~lost])
