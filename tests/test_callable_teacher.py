"""Functions as teachers: batches, failures, and answers that are paid once."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import (
    CallableTeacher,
    DistillationClassifier,
    DistillationRegressor,
    TeacherEnsemble,
)

TREE = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


class Service:
    """Answers as naive Bayes, counts rows, and fails where it is told to."""

    def __init__(self, X, y, failures=()):
        self.model = GaussianNB().fit(X, y)
        self.failures = set(failures)
        self.calls, self.n_rows = 0, 0

    def __call__(self, rows):
        self.calls += 1
        if self.calls in self.failures:
            raise ConnectionError("the line is busy")
        self.n_rows += len(rows)
        return self.model.predict_proba(np.asarray(rows))


def test_it_teaches_what_the_function_says(iris):
    X, y = iris
    service = Service(X, y)
    model = DistillationClassifier(CallableTeacher(service, batch_size=64), TREE, alpha=0.5)
    one = model.fit(X, y).predict_proba(X)
    other = DistillationClassifier(service.model, TREE, alpha=0.5).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(one, other, atol=1e-9)
    assert service.calls == 3
    assert service.n_rows == 150
    assert clone(model).teacher is model.teacher


def test_a_batch_that_fails_is_sent_again_after_a_while(iris, waits):
    X, y = iris
    service = Service(X, y, failures=[2, 3])
    teacher = CallableTeacher(service, batch_size=50, wait=0.5)
    np.testing.assert_allclose(teacher.predict_proba(X), service.model.predict_proba(X))
    assert waits == [0.5, 1.0]
    assert service.n_rows == 150


def test_after_the_last_failure_it_goes_on_without_paying_twice(iris, tmp_path, waits):
    X, y = iris
    service = Service(X, y, failures=range(3, 6))
    teacher = CallableTeacher(service, batch_size=50, n_retries=2, cache=tmp_path / "answers")
    model = DistillationClassifier(teacher, TREE, alpha=0.5)
    with pytest.raises(
        RuntimeError, match=r"failed 3 times on a batch of 49 rows.*101 of 150 rows.*go on"
    ):
        model.fit(X, y)
    assert service.n_rows == 100
    again = CallableTeacher(service, batch_size=50, cache=str(tmp_path / "answers"))
    np.testing.assert_allclose(again.predict_proba(X), service.model.predict_proba(X))
    assert service.n_rows == 149  # two rows are equal
    again.predict_proba(X[::-1])
    again.predict_proba(np.repeat(X[:3], 4, axis=0))
    assert service.n_rows == 149
    assert not list((tmp_path / "answers").glob("*.tmp"))


def test_without_a_cache_the_error_says_what_is_lost(iris):
    X, y = iris
    teacher = CallableTeacher(Service(X, y, failures=range(2, 9)), batch_size=50, n_retries=1)
    with pytest.raises(
        RuntimeError, match="the line is busy. 50 of 150 rows were answered. No cache"
    ):
        teacher.predict_proba(X)


def test_other_errors_are_raised_at_once(iris, waits):
    X, y = iris
    teacher = CallableTeacher(Service(X, y, failures=[1]), retry_on=(TimeoutError,))
    with pytest.raises(ConnectionError):
        teacher.predict_proba(X)
    assert not waits


def test_a_search_pays_for_each_row_once(iris, tmp_path):
    X, y = iris
    service = Service(X, y)
    teacher = CallableTeacher(service, cache=tmp_path)
    model = DistillationClassifier(teacher, TREE, alpha=0.5)
    GridSearchCV(model, {"temperature": [1, 2]}, cv=3).fit(X, y)
    n_different = len(np.unique(X, axis=0))
    assert service.n_rows == n_different


@pytest.mark.parametrize("kind", ["frame", "list", "polars", "float32", "words"])
def test_rows_of_every_kind_are_known_again(iris, tmp_path, kind):
    X, _ = iris
    rows = {
        "frame": lambda: pd.DataFrame(X, columns=list("abcd")).assign(
            kind=pd.Categorical(np.where(X[:, 0] > 5, "a", "b")), none=np.nan
        ),
        "list": lambda: X.tolist(),
        "polars": lambda: pytest.importorskip("polars").DataFrame(X),
        "float32": lambda: X.astype(np.float32),
        "words": lambda: [f"row {i}" for i in range(150)],
    }[kind]()
    asked = []

    def function(rows):
        asked.append(len(rows))
        return np.tile([0.25, 0.75], (len(rows), 1))

    teacher = CallableTeacher(function, cache=tmp_path, batch_size=1000)
    for _ in range(2):
        assert teacher.predict_proba(rows).shape == (150, 2)
    assert len(asked) == 1


def test_an_automl_predictor(iris):
    """A stand-in with the interface of AutoGluon's TabularPredictor."""
    X, y = iris
    frame = pd.DataFrame(X, columns=list("abcd"))
    names = np.array(["x", "y", "z"])[y]

    class Predictor:
        def __init__(self):
            self.model = GaussianNB().fit(frame, names)

        def fit(self, train_data):
            raise AssertionError("it is fitted")

        def predict_proba(self, data):
            proba = pd.DataFrame(self.model.predict_proba(data), columns=self.model.classes_)
            return proba[["z", "x", "y"]].set_index(data.index)

        def predict_proba_oof(self):
            return self.predict_proba(frame)

    predictor = Predictor()
    teacher = CallableTeacher(predictor.predict_proba, classes=["x", "y", "z"])
    one = DistillationClassifier(teacher, TREE, alpha=0.5).fit(frame, names)
    other = DistillationClassifier(None, TREE, alpha=0.5, temperature=one.temperature_)
    other.fit(frame, names, teacher_output=predictor.predict_proba_oof())
    np.testing.assert_allclose(one.predict_proba(frame), other.predict_proba(frame), atol=1e-6)


def test_logits_and_values(iris):
    X, y = iris
    model = GaussianNB().fit(X, y)
    logits = CallableTeacher(lambda rows: model.predict_joint_log_proba(rows), output="logits")
    np.testing.assert_allclose(logits.predict_log_proba(X), model.predict_log_proba(X), atol=1e-12)
    line = LinearRegression().fit(X, y)
    values = CallableTeacher(line.predict, output="values", batch_size=40)
    assert is_regressor(values)
    assert is_classifier(logits)
    np.testing.assert_array_equal(values.predict(X), line.predict(X))
    student = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0)
    taught = DistillationRegressor(values, student, alpha=1).fit(X, y.astype(float))
    np.testing.assert_allclose(
        taught.predict(X), clone(student).fit(X, line.predict(X)).predict(X)
    )
    with pytest.raises(ValueError, match="must be a regressor"):
        DistillationRegressor(logits, student).fit(X, y)
    pooled = TeacherEnsemble([("service", logits), ("model", model)])
    np.testing.assert_array_equal(pooled.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rows: np.zeros((3, 2)), "shape .3, 2. for 150 rows"),
        (lambda rows: ["a"] * len(rows), "something else than numbers"),
        (lambda rows: np.full((len(rows), 3), 0.5), "do not sum to one"),
        (lambda rows: np.full((len(rows), 3), np.nan), "NaN"),
    ],
)
def test_functions_that_answer_something_else(iris, function, message):
    with pytest.raises(ValueError, match=message):
        DistillationClassifier(CallableTeacher(function), TREE, alpha=0.5).fit(*iris)


@pytest.mark.parametrize(
    "params", [{"batch_size": 0}, {"n_retries": -1}, {"wait": -1}, {"output": "odds"}]
)
def test_parameters_are_looked_at(iris, params):
    name = next(iter(params))
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        CallableTeacher(lambda rows: rows, **params).predict_proba(iris[0])


def test_a_folder_of_two_teachers_is_refused(tmp_path):
    X = np.arange(6.0).reshape(3, 2)
    CallableTeacher(lambda rows: np.full((len(rows), 2), 0.5), cache=tmp_path).predict_proba(X)
    other = CallableTeacher(lambda rows: np.full((len(rows), 4), 0.25), cache=tmp_path)
    other.predict_proba(X + 9)
    with pytest.raises(ValueError, match="of more than one teacher"):
        other.predict_proba(X + 20)


def test_a_spoiled_file_is_asked_again(tmp_path):
    X = np.arange(6.0).reshape(3, 2)
    teacher = CallableTeacher(lambda rows: np.full((len(rows), 2), 0.5), cache=tmp_path)
    teacher.predict_proba(X)
    next(tmp_path.glob("*.npz")).write_bytes(b"spoiled")
    with pytest.warns(UserWarning, match="cannot be read"):
        assert teacher.predict_proba(X).shape == (3, 2)
