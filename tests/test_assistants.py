"""Chains of students, and distilled models as teachers."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_friedman1
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import (
    DistillationClassifier,
    DistillationClassifierCV,
    DistillationRegressor,
    make_assistant_chain,
)

SETTINGS = {"alpha": 0.5, "temperature": 2, "cv": 2, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def test_a_chain_is_a_distillation_by_a_distillation(iris):
    X, y = iris
    teacher, assistant, student = GaussianNB(), LogisticRegression(max_iter=500), GaussianNB()
    chain = make_assistant_chain(teacher, assistant, student, **SETTINGS)
    inner = DistillationClassifier(teacher, assistant, **SETTINGS)
    by_hand = DistillationClassifier(inner, student, **SETTINGS)
    one, other = (model.fit(X, y).predict_proba(X) for model in (chain, by_hand))
    np.testing.assert_array_equal(one, other)
    assert make_assistant_chain(teacher, student, **SETTINGS).teacher is teacher


def test_a_fitted_assistant_is_used_as_it_is(iris):
    X, y = iris
    assistant = DistillationClassifier(GaussianNB(), LogisticRegression(max_iter=500), **SETTINGS)
    assistant.fit(X, y)
    model = DistillationClassifier(
        assistant, DecisionTreeClassifier(max_depth=2), alpha=1, temperature=1
    )
    assert clone(model).teacher is assistant
    model.fit(X, y)
    by_hand = DistillationClassifier(None, DecisionTreeClassifier(max_depth=2), alpha=1)
    by_hand.set_params(temperature=1)
    by_hand.fit(X, y, teacher_output=assistant.predict_proba(X))
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)
    alone = DistillationClassifier(assistant.standalone(), DecisionTreeClassifier(max_depth=2))
    alone.set_params(alpha=1, temperature=1)
    np.testing.assert_allclose(alone.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_parameters_of_every_link_in_a_search(iris):
    X, y = iris
    chain = make_assistant_chain(
        RandomForestClassifier(5, random_state=0),
        DecisionTreeClassifier(random_state=0),
        DecisionTreeClassifier(max_leaf_nodes=3, random_state=0),
        **SETTINGS,
    )
    grid = {
        "teacher__teacher__max_depth": [2],
        "teacher__student__max_leaf_nodes": [4, 6],
        "teacher__alpha": [0, 1],
    }
    search = GridSearchCV(chain, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.8
    model = DistillationClassifierCV(chain.teacher, chain.student, alphas=(0, 1), cv=3)
    assert model.fit(X, y).score(X, y) > 0.8


def test_chains_of_values():
    X, y = make_friedman1(200, random_state=0)
    chain = make_assistant_chain(
        RandomForestRegressor(10, random_state=0), Ridge(), DecisionTreeRegressor(), alpha=0.5
    )
    assert isinstance(chain, DistillationRegressor)
    assert chain.fit(X, y).score(X, y) > 0.5


def test_a_chain_without_students():
    with pytest.raises(TypeError, match="at least one student"):
        make_assistant_chain(GaussianNB())
