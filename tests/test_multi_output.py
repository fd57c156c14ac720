"""A student for each output of one teacher."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import (
    DistillationClassifier,
    MultiOutputDistillationClassifier,
    OutputTeacher,
)

TREE = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)


@pytest.fixture(scope="module")
def data():
    return make_multilabel_classification(200, n_classes=3, random_state=0)


def distilled(teacher, **params):
    settings = {"alpha": 0.5, "temperature": 2, "random_state": 0}
    return DistillationClassifier(teacher, TREE, **settings | params)


@pytest.mark.parametrize(
    "teacher",
    [
        RandomForestClassifier(10, random_state=0),
        MultiOutputClassifier(GaussianNB()),
        KNeighborsClassifier(),
        OneVsRestClassifier(GaussianNB()),
        MLPClassifier((8,), learning_rate_init=0.02, max_iter=150, random_state=0),
        ClassifierChain(LogisticRegression(max_iter=500)),
    ],
    ids=lambda teacher: type(teacher).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_each_student_learns_its_column(data, teacher):
    X, Y = data
    teacher = clone(teacher).fit(X, Y)
    model = MultiOutputDistillationClassifier(distilled(teacher)).fit(X, Y)
    said = teacher.predict_proba(X)
    for k in range(3):
        p = said[k] if isinstance(said, list) else np.column_stack([1 - said[:, k], said[:, k]])
        by_hand = distilled(None).fit(X, Y[:, k], teacher_output=p)
        np.testing.assert_allclose(
            model.estimators_[k].predict_proba(X), by_hand.predict_proba(X), atol=1e-6
        )
        np.testing.assert_allclose(model.predict_proba(X)[k], by_hand.predict_proba(X), atol=1e-6)
    assert model.predict(X).shape == Y.shape
    assert 0 < model.score(X, Y) <= 1


@pytest.mark.filterwarnings("ignore:The teacher's first choice")  # it is not trained
@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_module_with_one_log_odds_for_each_label(data, sigmoid):
    import torch
    from torch import nn

    X, Y = data
    X = X.astype(np.float32)
    module = nn.Sequential(nn.Linear(20, 3), *([nn.Sigmoid()] if sigmoid else []))
    model = MultiOutputDistillationClassifier(distilled(module)).fit(X, Y)
    with torch.no_grad():
        out = module(torch.as_tensor(X)).double()
    p = (out if sigmoid else out.sigmoid()).numpy()
    np.testing.assert_allclose(OutputTeacher(module, 1).predict_proba(X)[:, 1], p[:, 1])
    assert model.predict(X).shape == Y.shape


def test_classes_of_words_and_an_unfitted_teacher(data):
    X, Y = data
    words = np.where(Y == 1, "yes", "no")
    teacher = RandomForestClassifier(10, random_state=0).fit(X, words)
    model = MultiOutputDistillationClassifier(distilled(teacher), n_jobs=2).fit(X, words)
    assert set(model.predict(X).ravel()) == {"yes", "no"}
    ours = MultiOutputDistillationClassifier(distilled(GaussianNB())).fit(X, Y)
    theirs = MultiOutputClassifier(distilled(GaussianNB())).fit(X, Y)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_searches_weights_and_unlabelled_rows(data):
    X, Y = data
    model = MultiOutputDistillationClassifier(distilled(GaussianNB()))
    grid = {"estimator__student__max_leaf_nodes": [3, 6]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, Y)
    assert search.predict(X).shape == Y.shape
    weight = np.random.RandomState(0).rand(200)
    weighted = clone(model).fit(X, Y, sample_weight=weight, X_unlabeled=X[:50])
    assert weighted.predict(X).shape == Y.shape


def test_mistakes(data):
    X, Y = data
    one = GaussianNB().fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="GaussianNB has 1 outputs, and y has 3"):
        MultiOutputDistillationClassifier(distilled(one)).fit(X, Y)
    forest = RandomForestClassifier(3).fit(X, Y)
    with pytest.raises(ValueError, match="has 3 outputs, and y has 2"):
        MultiOutputDistillationClassifier(distilled(forest)).fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="at least two dimensions"):
        MultiOutputDistillationClassifier(distilled(forest)).fit(X, Y[:, 0])
    with pytest.raises(TypeError, match="must be a DistillationClassifier"):
        MultiOutputDistillationClassifier(GaussianNB()).fit(X, Y)
    with pytest.raises(ValueError, match="Take one from 0 to 2"):
        OutputTeacher(forest, 5).predict_proba(X)
