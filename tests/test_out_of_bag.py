"""Honest labels from a teacher that is fitted already: out-of-bag votes, and clones of it."""

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.fixes import parse_version

from sklearn_distill import DistillationClassifier, TorchTeacher
from sklearn_distill.labelling import label_training_rows
from sklearn_distill.teachers import TeacherReader, has_out_of_bag_votes, read_out_of_bag

X, y = (part[::3] for part in load_breast_cancer(return_X_y=True))
DIGITS = tuple(part[::4] for part in load_digits(return_X_y=True))
FOREST = RandomForestClassifier(30, random_state=0)
TREE = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)

WITH_VOTES = {
    "forest": FOREST,
    "small bags": RandomForestClassifier(30, max_samples=0.4, random_state=0),
    "weighted": RandomForestClassifier(30, class_weight="balanced_subsample", random_state=0),
    "extra trees": ExtraTreesClassifier(30, bootstrap=True, random_state=0),
    "bagging": BaggingClassifier(n_estimators=30, random_state=0),
    "of columns": BaggingClassifier(n_estimators=30, max_features=0.5, random_state=0),
    "of others": BaggingClassifier(GaussianNB(), n_estimators=30, oob_score=True, random_state=0),
}


def votes(teacher, X, y):
    log_proba, _ = read_out_of_bag(TeacherReader.of(teacher), X, y, np.unique(y))
    return np.exp(log_proba)


def labels_of(teacher, X=X, y=y, **settings):
    """Return the blend that a student was taught, which is what the teacher said: alpha=1."""
    seen = []

    class Looker(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append((X, y, sample_weight))
            return super().fit(X, y, sample_weight)

    student = make_pipeline(StandardScaler(), Looker(max_iter=500))
    model = DistillationClassifier(
        teacher, student, alpha=1, temperature=1, probability_floor=1e-12, **settings
    ).fit(X, y)
    return model, seen[0][2]


@pytest.mark.parametrize("data", [(X, y), DIGITS], ids=["two classes", "ten"])
@pytest.mark.parametrize("name", WITH_VOTES)
def test_votes_are_those_that_scikit_learn_stores(name, data):
    X, y = data
    teacher = clone(WITH_VOTES[name]).set_params(oob_score=True, n_estimators=60).fit(X, y)
    expected = teacher.oob_decision_function_
    judged = np.isfinite(votes(teacher, X, y)).all(axis=1)
    assert judged.mean() > 0.9
    np.testing.assert_allclose(votes(teacher, X, y)[judged], expected[judged], atol=1e-9)


def test_they_are_proved_without_what_scikit_learn_stores():
    stored = clone(FOREST).set_params(oob_score=True).fit(X, y)
    np.testing.assert_array_equal(votes(clone(FOREST).fit(X, y), X, y), votes(stored, X, y))
    assert has_out_of_bag_votes(stored)


OTHER_ROWS = {
    "reversed": lambda X, y: (X[::-1], y[::-1]),
    "two swapped": lambda X, y: (X[[1, 0, *range(2, len(X))]], y[[1, 0, *range(2, len(X))]]),
    "other labels": lambda X, y: (X, np.roll(y, 1)),
    "one label": lambda X, y: (X, np.r_[1 - y[0], y[1:]]),
    "scaled": lambda X, y: (X * 1.1, y),
    "fewer": lambda X, y: (X[:-1], y[:-1]),
    "more": lambda X, y: (np.r_[X, X[:1]], np.r_[y, y[:1]]),
}


@pytest.mark.parametrize("change", OTHER_ROWS)
@pytest.mark.parametrize("name", ["forest", "weighted", "extra trees", "bagging", "of columns"])
def test_other_rows_are_refused(name, change):
    teacher = clone(WITH_VOTES[name]).fit(X, y)
    model = DistillationClassifier(teacher, TREE, cv="out-of-bag", alpha=0.5, temperature=2)
    with pytest.raises(ValueError, match="was fitted on, in the same order, and these are others"):
        model.fit(*OTHER_ROWS[change](X, y))
    model.set_params(cv=None)
    assert model.fit(*OTHER_ROWS[change](X, y)).label_source_ == "fitted"


@pytest.mark.parametrize("change", ["reversed", "scaled", "fewer", "more"])
def test_other_rows_of_a_bagging_without_trees_are_refused(change):
    teacher = clone(WITH_VOTES["of others"]).fit(X, y)
    with pytest.raises(ValueError, match="these are others"):
        votes(teacher, *OTHER_ROWS[change](X, y))


@pytest.mark.parametrize(
    ("teacher", "match"),
    [
        (ExtraTreesClassifier(10), "bootstrap=False: every tree has seen every row"),
        (GradientBoostingClassifier(n_estimators=3), "Got a GradientBoostingClassifier"),
        (BaggingClassifier(GaussianNB()), "cannot prove.*Fit it with oob_score=True"),
        (VotingClassifier([("a", FOREST)], voting="soft"), "Got a VotingClassifier"),
    ],
    ids=str,
)
@pytest.mark.parametrize("fitted", [True, False])
def test_teachers_without_votes_are_refused(teacher, match, fitted):
    teacher = clone(teacher)
    if fitted:
        teacher.fit(X, y)
    with pytest.raises(ValueError, match=match):
        DistillationClassifier(teacher, TREE, cv="out-of-bag").fit(X, y)


def test_a_fitted_forest_gives_its_votes_by_itself_where_it_can():
    teacher = clone(FOREST).fit(X, y)
    model, taught = labels_of(teacher)
    assert model.label_source_ == "out-of-bag"
    assert model.teacher_ is teacher
    _, the_same = labels_of(teacher, cv="out-of-bag")
    np.testing.assert_array_equal(taught, the_same)
    seen, others = labels_of(teacher, cv="in-sample")
    assert seen.label_source_ == "fitted"
    assert not np.allclose(taught, others)
    elsewhere, _ = labels_of(clone(FOREST).fit(X[::-1], y[::-1]))
    assert elsewhere.label_source_ == "fitted"


WRAPPED = {
    "pipeline": make_pipeline(StandardScaler(), FOREST),
    "frozen": FOREST,
    "both": make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), FOREST)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_is_around_a_forest_is_looked_through(name):
    teacher = clone(WRAPPED[name]).fit(X, y)
    forest = teacher[-1] if name == "pipeline" else teacher[-1][-1] if name == "both" else teacher
    reached = teacher[:-1].transform(X) if name != "frozen" else X
    if name == "both":
        reached = teacher[-1][:-1].transform(reached)
    expected = votes(forest, reached, y)
    given = FrozenEstimator(teacher) if name != "pipeline" else teacher
    np.testing.assert_array_equal(votes(given, X, y), expected)
    model = DistillationClassifier(given, TREE).fit(X, y)
    assert model.label_source_ == "out-of-bag"


@pytest.mark.parametrize("convert", [pd.DataFrame, sparse.csr_matrix, sparse.coo_array, list])
@pytest.mark.parametrize("names", [np.array(["no", "yes"]), np.array([7, 3])], ids=str)
def test_rows_and_labels_of_any_make(convert, names):
    X, y = load_breast_cancer(return_X_y=True, as_frame=convert is pd.DataFrame)
    rows = X if convert is pd.DataFrame else convert(np.asarray(X).round(3))
    labels = names[np.asarray(y)]
    teacher = clone(FOREST).fit(rows, labels)
    model = DistillationClassifier(teacher, TREE).fit(rows, labels)
    assert model.label_source_ == "out-of-bag"
    assert model.classes_.tolist() == sorted(names.tolist())


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"),
    reason="its forests send missing values elsewhere when they predict",
)
def test_missing_values_and_weights_of_rows():
    holes = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)
    weight = np.random.RandomState(0).uniform(0.1, 2, len(y))
    teacher = clone(FOREST).fit(holes, y, sample_weight=weight)
    assert DistillationClassifier(teacher, TREE).fit(holes, y).label_source_ == "out-of-bag"


def test_a_row_that_every_tree_has_seen_is_learned_from_its_label():
    teacher = RandomForestClassifier(2, random_state=0).fit(X, y)
    P = votes(teacher, X, y)
    silent = np.isnan(P).all(axis=1)
    assert 0 < silent.sum() < len(y)
    settings = {"alpha": 1, "temperature": 1}
    model = DistillationClassifier(teacher, LogisticRegression(max_iter=9999), **settings)
    P[silent] = np.eye(2)[y[silent]]
    by_hand = clone(model).set_params(teacher=None).fit(X, y, teacher_output=P)
    difference = model.fit(X, y).predict_proba(X) - by_hand.predict_proba(X)
    assert np.abs(difference).max() < 0.01


def test_an_unfitted_forest_is_fitted_once_for_its_votes():
    model = DistillationClassifier(FOREST, TREE, cv="out-of-bag").fit(X, y)
    teacher = clone(FOREST).fit(X, y)
    np.testing.assert_array_equal(model.teacher_.predict_proba(X), teacher.predict_proba(X))
    fitted = DistillationClassifier(teacher, TREE, cv="out-of-bag").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), fitted.predict_proba(X))
    assert model.label_source_ == fitted.label_source_ == "out-of-bag"


def test_rows_without_labels_are_labelled_by_the_whole_forest():
    teacher = clone(FOREST).fit(X, y)
    new = X[:7] + 0.5
    reader = TeacherReader.of(teacher)
    said = label_training_rows(
        reader, X, y, new, np.unique(y), cv="out-of-bag", seed=0, split_params={}, fit_params={},
        memory=None, n_jobs=None, verbose=0,
    )  # fmt: skip
    np.testing.assert_allclose(np.exp(said.log_proba[len(y) :]), teacher.predict_proba(new))
    np.testing.assert_allclose(np.exp(said.log_proba[: len(y)]), votes(teacher, X, y))


def test_votes_in_a_search_are_those_of_the_rows_of_a_fold_if_the_forest_is_not_fitted():
    model = DistillationClassifier(FOREST, TREE, cv="out-of-bag")
    search = GridSearchCV(model, {"alpha": [0, 1]}, cv=3, n_jobs=2).fit(X, y)
    assert search.best_estimator_.label_source_ in ("out-of-bag", None)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# -- clones of a fitted teacher ------------------------------------------------------------


@pytest.mark.parametrize("frozen", [False, True])
def test_a_number_of_folds_labels_by_clones_of_a_fitted_teacher(frozen):
    teacher = GaussianNB().fit(X, y)
    before = joblib.hash(teacher)
    given = FrozenEstimator(teacher) if frozen else teacher
    model, weights = labels_of(given, cv=4, random_state=0)
    assert model.label_source_ == "out-of-fold"
    assert model.teacher_ is given
    assert joblib.hash(teacher) == before
    _, of_unfitted = labels_of(GaussianNB(), cv=4, random_state=0)
    np.testing.assert_array_equal(weights, of_unfitted)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    P = cross_val_predict(GaussianNB(), X, y, cv=folds, method="predict_proba")
    by_hand = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    given = DistillationClassifier(None, by_hand, alpha=1, temperature=1).fit(
        X, y, teacher_output=P
    )
    np.testing.assert_allclose(model.predict_proba(X), given.predict_proba(X), atol=1e-6)


def test_the_teacher_of_explicit_folds_labels_the_other_rows_itself():
    teacher = clone(FOREST).fit(X[:100], y[:100])
    model = DistillationClassifier(teacher, TREE, cv=3).fit(X, y, X_unlabeled=X[:5])
    assert model.teacher_ is teacher
    assert model.label_source_ == "out-of-fold"


def test_weights_go_to_the_clones_of_a_fitted_teacher():
    seen = []

    class Weighed(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight)

    weight = np.random.RandomState(0).uniform(1, 2, len(y))
    teacher = Weighed().fit(X, y)
    seen.clear()
    DistillationClassifier(teacher, TREE, cv=3).fit(X, y, weight)
    assert len(seen) == 3
    assert all(np.isin(part, weight).all() for part in seen)
    seen.clear()
    DistillationClassifier(teacher, TREE).fit(X, y, weight)
    assert seen == []


@pytest.mark.parametrize("cv", [3, StratifiedKFold(3)])
def test_a_teacher_that_cannot_be_cloned_is_refused_before_anything_runs(cv):
    class Client:
        classes_ = np.unique(y)
        n_calls = 0

        def predict_proba(self, X):
            Client.n_calls += 1
            return np.full((len(X), 2), 0.5)

    with pytest.raises(ValueError, match="by clones of the teacher, and Client cannot be"):
        DistillationClassifier(Client(), TREE, cv=cv).fit(X, y)
    assert Client.n_calls == 0


@pytest.mark.parametrize("frozen", [True, False])
def test_a_teacher_whose_fit_does_nothing_cannot_label_by_clones(frozen):
    nn = pytest.importorskip("torch").nn
    teacher = TorchTeacher(nn.Linear(X.shape[1], 2))
    if frozen:
        teacher = make_pipeline(StandardScaler(), FrozenEstimator(GaussianNB().fit(X, y))).fit(X)
    with pytest.raises(ValueError, match="(TorchTeacher|Pipeline) cannot be cloned and fitted"):
        DistillationClassifier(teacher, TREE, cv=3).fit(X, y)


def test_a_cache_gives_the_same_labels_and_the_very_teacher(tmp_path):
    teacher = clone(FOREST).fit(X, y)
    for cv in (None, "out-of-bag", 3):
        model = DistillationClassifier(teacher, TREE, cv=cv, memory=str(tmp_path), random_state=0)
        first, second = (clone(model).fit(X, y) for _ in range(2))
        plain = clone(model).set_params(memory=None).fit(X, y)
        assert first.teacher_ is second.teacher_ is teacher
        for other in (second, plain):
            np.testing.assert_array_equal(first.predict_proba(X), other.predict_proba(X))


def test_the_source_of_the_labels_is_kept():
    def source(teacher, cv=None, alpha=0.5, **fit):
        return DistillationClassifier(teacher, TREE, cv=cv, alpha=alpha).fit(X, y, **fit)

    assert source(GaussianNB()).label_source_ == "out-of-fold"
    assert source(GaussianNB(), "in-sample").label_source_ == "in-sample"
    assert source(LogisticRegression(max_iter=9999).fit(X, y)).label_source_ == "fitted"
    P = GaussianNB().fit(X, y).predict_proba(X)
    assert source(None, teacher_output=P).label_source_ == "given"
    assert source(GaussianNB(), alpha=0).label_source_ is None
