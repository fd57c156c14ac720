"""From a fitted student's output to labels and probabilities, and the student on its own."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, DistilledClassifier, GradientTraining
from sklearn_distill.decoding import MOST_ROWS, ProbabilityDecoder
from tests.stubs import CentroidClassifier

X, y = load_iris(return_X_y=True)
NAMES = np.array(["10", "2", "1"])[y]
TEACHER = RandomForestClassifier(100, min_samples_leaf=2, random_state=0).fit(X, y)

BOOSTERS = {
    "xgboost": ("XGBClassifier", {"n_estimators": 10, "n_jobs": 1}),
    "lightgbm": ("LGBMClassifier", {"n_estimators": 10, "n_jobs": 1, "verbose": -1}),
    "catboost": (
        "CatBoostClassifier",
        {"n_estimators": 10, "thread_count": 1, "verbose": 0, "allow_writing_files": False},
    ),
}


def booster(library):
    name, settings = BOOSTERS[library]
    return getattr(pytest.importorskip(library), name)(**settings)


# -- columns ----------------------------------------------------------------------------------


class Backwards(CentroidClassifier):
    """Keeps its classes, and its columns, in reverse order."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.classes_, self.means_ = self.classes_[::-1], self.means_[::-1]
        return self

    def decision_function(self, X):
        log_proba = np.log(self.predict_proba(X))
        return log_proba[:, 1] - log_proba[:, 0] if len(self.classes_) == 2 else log_proba


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
@pytest.mark.parametrize("labels", [y, y > 0, NAMES], ids=["numbers", "two", "strings"])
def test_columns_are_in_the_order_of_classes(labels, alpha):
    teacher = GaussianNB(var_smoothing=0.1).fit(X, labels)
    there, here = (
        DistillationClassifier(teacher, student, alpha=alpha).fit(X, labels)
        for student in (CentroidClassifier(), Backwards())
    )
    np.testing.assert_allclose(here.predict_proba(X), there.predict_proba(X))
    best = here.classes_[here.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(best, here.predict(X))
    decision = here.decision_function(X)
    if decision.ndim == 1:
        np.testing.assert_array_equal(here.classes_[(decision > 0).astype(int)], best)
    else:
        np.testing.assert_array_equal(here.classes_[decision.argmax(axis=1)], best)


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("strategy", ["auto", "weighted-labels"])
@pytest.mark.parametrize("library", BOOSTERS)
def test_boosters_that_sort_classes_in_another_way(library, strategy, alpha):
    """CatBoost sorts '1', '2', '10' as numbers, and everybody else as text."""
    model = DistillationClassifier(
        LogisticRegression(max_iter=1000), booster(library), alpha=alpha, strategy=strategy
    ).fit(X, NAMES)
    assert model.classes_.tolist() == ["1", "10", "2"]
    assert model.score(X, NAMES) > 0.9
    assert log_loss(NAMES, model.predict_proba(X)) < 0.7
    np.testing.assert_array_equal(
        model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X)
    )
    assert model.decision_function(X).shape == (len(X), 3)


def test_booleans_of_catboost_are_found_again():
    model = DistillationClassifier(GaussianNB(), booster("catboost"), alpha=0).fit(X, y > 0)
    assert model.predict(X).dtype == bool
    assert model.score(X, y > 0) > 0.95


# -- students that are refused -----------------------------------------------------------------


class Forgetful(CentroidClassifier):
    """Loses the last class."""

    def fit(self, X, y, sample_weight=None):
        known = y != np.unique(y)[-1]
        return super().fit(X[known], y[known])


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_a_student_that_lost_a_class_is_refused(alpha):
    model = DistillationClassifier(TEACHER, Forgetful(), alpha=alpha)
    with pytest.raises(ValueError, match=r"Forgetful does not know the classes \[2\] after fit"):
        model.fit(X, y)
    assert not hasattr(model, "student_")


class Broken(CentroidClassifier):
    def __init__(self, how="nan"):
        self.how = how

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        if self.how == "nan":
            proba[0] = np.nan
        elif self.how == "negative":
            proba[0] = [-0.5, 1, 0.5]
        else:
            proba = proba[:, :2]
        return proba


@pytest.mark.parametrize("temperature", [1, 2])
@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("nan", "Broken returned NaN or negative probabilities for 1 of"),
        ("negative", "Broken returned NaN or negative probabilities for 1 of"),
        ("narrow", r"Broken returned probabilities of shape \(.*, 2\) for 3 classes"),
    ],
)
def test_a_student_whose_probabilities_are_none_is_refused(how, match, temperature):
    with pytest.raises(ValueError, match=match):
        DistillationClassifier(TEACHER, Broken(how), temperature=temperature).fit(X, y)


@pytest.mark.parametrize("wrap", [list, pd.DataFrame, np.asarray])
def test_probabilities_may_come_in_other_containers(wrap):
    class Wrapped(CentroidClassifier):
        def predict_proba(self, X):
            proba = CentroidClassifier.predict_proba(self, X)
            return proba.tolist() if wrap is list else wrap(proba)

        def predict(self, X):
            return self.classes_[CentroidClassifier.predict_proba(self, X).argmax(axis=1)]

    got, expected = (
        DistillationClassifier(TEACHER, student, temperature=3, alpha=0.5)
        .fit(X, y)
        .predict_proba(X)
        for student in (Wrapped(), CentroidClassifier())
    )
    np.testing.assert_allclose(got, expected)


# -- the power ---------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 2, 8])
def test_the_power_lies_between_one_and_the_temperature(temperature):
    for student in (GaussianNB(), DecisionTreeClassifier(max_depth=2), KNeighborsClassifier(9)):
        model = DistillationClassifier(
            TEACHER,
            student,
            temperature=temperature,
            strategy="sampled-labels" if isinstance(student, KNeighborsClassifier) else "auto",
            alpha=0.5,
        ).fit(X, y)
        low, high = sorted((1, temperature))
        assert low <= model.decoder_.power <= high


def test_at_temperature_one_there_is_nothing_to_undo():
    model = DistillationClassifier(TEACHER, GaussianNB(), temperature=1, alpha=0.5).fit(X, y)
    assert model.decoder_.power == 1


def test_the_power_is_fitted_on_a_part_of_many_rows_with_every_class_in_it():
    data, labels = make_classification(3 * MOST_ROWS, 5, weights=[0.995], flip_y=0, random_state=0)
    calls = []

    class Counting(DecisionTreeClassifier):
        def predict_proba(self, X):
            calls.append(X)
            return super().predict_proba(X)

    DistillationClassifier(
        GaussianNB(), Counting(max_depth=3), cv=2, alpha=0.5, temperature=2
    ).fit(data, labels)
    (rows,) = calls
    assert len(rows) == MOST_ROWS


def test_a_student_without_probabilities_predicts_labels():
    model = DistillationClassifier(
        TEACHER, LinearSVC(random_state=0), alpha=0.5, temperature=2
    ).fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert model.score(X, y) > 0.9
    assert model.decision_function(X).shape == (150, 3)
    assert not hasattr(model.standalone(), "predict_proba")


# -- the student on its own --------------------------------------------------------------------


def students():
    yield "tree", DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
    yield "pipeline", make_pipeline(StandardScaler(), LogisticRegression())
    yield "regressor", Ridge()
    for library in BOOSTERS:
        yield library, library
    yield "network", "network"
    yield "network in a pipeline", "network in a pipeline"
    yield "default", None


def make_student(student):
    if student in BOOSTERS:
        return booster(student)
    if isinstance(student, str):
        from torch import nn

        net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        return net if student == "network" else make_pipeline(StandardScaler(), net)
    return student


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize(
    ("name", "student"), list(students()), ids=[name for name, _ in students()]
)
def test_standalone_predicts_the_same_without_teacher_and_rows(name, student, alpha):
    student = make_student(student)
    strategy = "auto"
    if student is None or "network" in name:
        strategy = GradientTraining(max_epochs=3)
    # A teacher and rows that would be noticed in a pickle.
    model = DistillationClassifier(
        TEACHER, student, alpha=alpha, strategy=strategy, random_state=0
    ).fit(np.repeat(X, 8, axis=0).astype(np.float32), np.repeat(y, 8))
    small = model.standalone()
    assert isinstance(small, DistilledClassifier)
    rows = X.astype(np.float32)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(model, method):
            np.testing.assert_array_equal(
                getattr(small, method)(rows), getattr(model, method)(rows)
            )
        else:
            assert not hasattr(small, method)
    np.testing.assert_array_equal(small.classes_, model.classes_)
    text = pickle.dumps(small)
    assert b"RandomForest" not in text
    assert len(text) < len(pickle.dumps(model.student_)) + 1_000
    again = pickle.loads(text)
    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))


def test_standalone_is_an_ordinary_fitted_classifier():
    frame = pd.DataFrame(X, columns=list("abcd"))
    teacher = RandomForestClassifier(20, random_state=0)
    model = DistillationClassifier(
        teacher, DecisionTreeClassifier(max_depth=3), alpha=0.5, temperature=2
    ).fit(frame, NAMES)
    small = model.standalone()
    assert clone(small) is small
    assert small.fit(frame, NAMES) is small
    assert small.n_features_in_ == 4
    assert small.feature_names_in_.tolist() == list("abcd")
    assert small.score(frame, NAMES) == model.score(frame, NAMES)
    assert cross_val_score(small, frame, NAMES, cv=2).shape == (2,)
    assert "DistilledClassifier" in repr(small)
    # It teaches, too.
    grandchild = DistillationClassifier(
        small, DecisionTreeClassifier(max_depth=2), alpha=0.5, temperature=2
    ).fit(frame, NAMES)
    assert grandchild.teacher_ is small


def test_standalone_of_a_search():
    search = GridSearchCV(
        DistillationClassifier(TEACHER, DecisionTreeClassifier(random_state=0)),
        {"temperature": [1, 4], "student__max_depth": [2, 3]},
        cv=2,
    ).fit(X, y)
    small = search.best_estimator_.standalone()
    np.testing.assert_array_equal(small.predict_proba(X), search.predict_proba(X))


def test_standalone_needs_a_fit():
    with pytest.raises(Exception, match="not fitted"):
        DistillationClassifier(TEACHER, DecisionTreeClassifier()).standalone()


def test_methods_before_fit_are_those_after_it():
    for student in (DecisionTreeClassifier(), LinearSVC(), SVC(), Ridge(), GaussianNB()):
        model = DistillationClassifier(TEACHER, student, alpha=0.5, temperature=2)
        before = [hasattr(model, m) for m in ("predict_proba", "decision_function")]
        model.fit(X, y)
        assert before == [hasattr(model, m) for m in ("predict_proba", "decision_function")]


def test_a_foreign_student_without_classes_is_read_in_sorted_order():
    class Anonymous(ClassifierMixin, BaseEstimator):
        def fit(self, X, y, sample_weight=None):
            self.p_ = np.bincount(y, sample_weight) / np.sum(sample_weight)
            return self

        def predict_proba(self, X):
            return np.tile(self.p_, (len(X), 1))

        def predict(self, X):
            return np.full(len(X), self.p_.argmax())

    model = DistillationClassifier(TEACHER, Anonymous(), temperature=1, alpha=0.5).fit(X, y)
    assert model.predict_proba(X).shape == (150, 3)


def test_sparse_rows_are_enough_for_a_decoder():
    rows = sparse.csr_array(X)
    model = DistillationClassifier(
        TEACHER, LogisticRegression(max_iter=500), alpha=0.5, temperature=2
    ).fit(rows, y)
    assert 1 < model.decoder_.power <= 2
    assert ProbabilityDecoder.of(model.student_, model.classes_).columns is None
