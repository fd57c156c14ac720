"""From any teacher's output to log-probabilities in the order of the student's classes."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from scipy.special import expit, log_softmax, softmax
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, make_blobs
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_distill import DistillationClassifier, TorchTeacher
from sklearn_distill.teachers import TeacherReader, is_fitted, read_output, warn_how_it_is_read
from sklearn_distill.teachers._outputs import (
    FOREIGN_MASS_TOLERANCE,
    ROW_SUM_TOLERANCE,
    align_columns,
    check_proba,
    refuse_missing_classes,
)
from sklearn_distill.tempering import lift_zeros
from tests.stubs import (
    Calls,
    CentroidClassifier,
    DecisionTeacher,
    PredictTeacher,
    RecordingClassifier,
    ScrambledTeacher,
    StrangerTeacher,
)

X, y = (part[::5] for part in load_iris(return_X_y=True))
CLASSES = np.arange(3)
TWO = y > 0


FLOOR = 3e-4


def floored(proba):
    proba = np.maximum(proba, FLOOR / proba.shape[1])
    return np.log(proba / proba.sum(axis=1, keepdims=True))


def read(teacher, classes=CLASSES, rows=X):
    reader = TeacherReader.of(teacher)
    log_proba = reader.log_proba(rows, np.asarray(classes))
    warn_how_it_is_read(reader)
    return log_proba


# -- probabilities ----------------------------------------------------------------


def test_log_probabilities_are_exact_and_normalised():
    teacher = CentroidClassifier().fit(X, y)
    log_proba = read(teacher)
    np.testing.assert_allclose(log_proba, np.log(teacher.predict_proba(X)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1, rtol=1e-10, atol=1e-14)
    assert log_proba.dtype == np.float64


def test_exact_zeros_become_the_floor():
    proba = np.array([[1.0, 0, 0], [0.5, 0.5, 0]])
    log_proba = read_output(proba, proba, CLASSES)
    assert np.isneginf(log_proba).sum() == 3
    np.testing.assert_allclose(
        lift_zeros(log_proba, FLOOR), floored(proba), rtol=1e-10, atol=1e-14
    )
    np.testing.assert_array_equal(proba, [[1.0, 0, 0], [0.5, 0.5, 0]])  # not in place


def test_a_teacher_without_zeros_is_taken_at_its_word():
    proba = np.array([[0.9, 0.1 - 1e-12, 1e-12], [0.4, 0.3, 0.3]])
    log_proba = lift_zeros(read_output(proba, proba, CLASSES), FLOOR)
    np.testing.assert_allclose(log_proba, np.log(proba), rtol=1e-10, atol=1e-12)


def test_a_teacher_with_zeros_keeps_the_order_of_its_rows():
    # Lifting the zero alone would put a row without a vote above one that has a few.
    proba = np.array([[1.0, 0, 0], [1 - 1e-6, 1e-6, 0]])
    lifted = lift_zeros(read_output(proba, proba, CLASSES), FLOOR)
    assert lifted[0, 1] <= lifted[1, 1]


def test_a_thousand_classes_leave_a_certain_teacher_certain():
    proba = np.eye(1000)[:3]
    lifted = lift_zeros(read_output(proba, proba, np.arange(1000)), 2e-4)
    np.testing.assert_allclose(np.exp(lifted[0, 0]), 1 - 2e-4, atol=1e-6)


def test_logits_are_read_where_a_teacher_has_them():
    # The probabilities of these are rounded to 0 or 1; their logits are not.
    rows = np.array([[-60.0], [-1.0], [1.0], [60.0]])
    labels = np.array([0, 0, 1, 1])
    for teacher in (
        LogisticRegression(C=100).fit(rows, labels),
        make_pipeline(StandardScaler(), LogisticRegression(C=100)).fit(rows, labels),
        HistGradientBoostingClassifier(max_iter=5).fit(rows, labels),
    ):
        far = np.r_[rows[1:3] / 50, rows * 100]
        z = teacher.decision_function(far)
        expected = np.column_stack([-np.logaddexp(0, z), -np.logaddexp(0, -z)])
        np.testing.assert_allclose(read(teacher, [0, 1], far), expected, rtol=1e-10, atol=1e-12)
        assert np.isfinite(expected).all()


def test_decisions_are_logits_only_if_uncertain_rows_say_so():
    """Every monotone function of a large decision value is 0 or 1."""
    data, labels = make_blobs([200] * 3, centers=[[0, 40], [0, 0], [2, 0]], random_state=0)
    order = np.argsort(labels, kind="stable")
    teacher = SGDClassifier(loss="log_loss", random_state=0).fit(data, labels)
    for rows in (data[order], data[order][::-1], data[labels == 0]):
        expected = teacher.predict_proba(rows)
        np.testing.assert_allclose(np.exp(read(teacher, rows=rows)), expected, atol=1e-9)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # LightGBM 4.6
@pytest.mark.parametrize("base", ["GaussianNB", "LGBMClassifier", "LogisticRegression"])
def test_a_subclass_that_mends_its_probabilities_is_believed(base):
    parent = {
        "GaussianNB": GaussianNB,
        "LogisticRegression": LogisticRegression,
        "LGBMClassifier": pytest.importorskip("lightgbm").LGBMClassifier,
    }[base]

    class Mended(parent):
        def predict_proba(self, X, **params):
            proba = super().predict_proba(X, **params)
            if params.get("raw_score"):  # how LightGBM's own predict asks for margins
                return proba
            proba = proba + 0.5
            return proba / proba.sum(axis=1, keepdims=True)

    teacher = Mended(**({"verbose": -1} if base == "LGBMClassifier" else {})).fit(X, y)
    np.testing.assert_allclose(np.exp(read(teacher)), teacher.predict_proba(X), atol=1e-9)


class LogTeacher(CentroidClassifier):
    """Answers in logarithms, of which the probabilities would be zeros."""

    logits = np.array([[0.0, -12.0, -20.0], [0.0, -900.0, -1000.0]])

    def predict_log_proba(self, X):
        return log_softmax(self.logits[: len(X)], axis=1)

    def predict_proba(self, X):
        return np.exp(self.predict_log_proba(X))


def test_log_probabilities_are_preferred_to_probabilities():
    log_proba = lift_zeros(read(LogTeacher().fit(X, y), rows=X[:2]), FLOOR)
    np.testing.assert_allclose(
        log_proba, log_softmax(LogTeacher.logits, axis=1), rtol=1e-10, atol=1e-14
    )
    softened = softmax(log_proba / 4, axis=1)[0]
    np.testing.assert_allclose(softened, [0.9465, 0.0471, 0.0064], atol=5e-5)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_margins_of_boosters_are_read_in_full_precision(library):
    module = pytest.importorskip(library)
    name = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier"}.get(
        library, "CatBoostClassifier"
    )
    quiet = {"lightgbm": {"verbose": -1, "min_child_samples": 1}, "catboost": {"verbose": 0}}
    rows = np.repeat(np.linspace(-1, 1, 20), 20)[:, None]
    for labels in ((rows[:, 0] > 0).astype(int), np.arange(400) // 134):
        teacher = getattr(module, name)(
            n_estimators=80, learning_rate=1.0, **quiet.get(library, {})
        ).fit(rows, labels)
        for model in (teacher, make_pipeline(FunctionTransformer(), teacher)):
            log_proba = read(model, np.unique(labels), rows)
            assert np.isfinite(log_proba).all()
            proba = np.asarray(teacher.predict_proba(rows), dtype=float)
            np.testing.assert_allclose(np.exp(log_proba), proba, atol=1e-6)


def test_a_teacher_is_asked_once_and_with_the_rows_themselves():
    calls = Calls()
    teacher = RecordingClassifier(calls).fit(X, y)
    read(teacher)
    (call,) = calls.of("predict_proba")
    assert call["X"] is X


def test_scrambled_columns_are_put_in_the_order_of_the_classes():
    np.testing.assert_allclose(
        read(ScrambledTeacher().fit(X, y)),
        read(CentroidClassifier().fit(X, y)),
        rtol=1e-10,
        atol=1e-12,
    )


def test_the_order_of_string_labels_is_that_of_the_names():
    names = np.array(["zebra", "ant", "mole"])
    teacher = CentroidClassifier().fit(X, names[y])
    log_proba = read(teacher, np.unique(names))
    expected = read(CentroidClassifier().fit(X, y))[:, [1, 2, 0]]
    np.testing.assert_allclose(log_proba, expected, atol=1e-14)


def test_labels_are_compared_by_value_not_by_type():
    teacher = CentroidClassifier().fit(X, y.astype(float))
    np.testing.assert_array_equal(read(teacher), read(CentroidClassifier().fit(X, y)))
    as_bool = CentroidClassifier().fit(X, TWO)
    as_int = CentroidClassifier().fit(X, TWO.astype(int))
    np.testing.assert_array_equal(read(as_bool, [0, 1]), read(as_int, [False, True]))
    as_object = CentroidClassifier().fit(X, np.where(TWO, "b", "a").astype(object))
    as_string = CentroidClassifier().fit(X, np.where(TWO, "b", "a"))
    np.testing.assert_array_equal(read(as_object, ["a", "b"]), read(as_string, ["a", "b"]))


def test_a_data_frame_of_probabilities_is_read():
    class FrameTeacher(CentroidClassifier):
        def predict_proba(self, X):
            return pd.DataFrame(super().predict_proba(X), columns=["p", "q", "r"])

    expected = read(CentroidClassifier().fit(X, y))
    np.testing.assert_array_equal(read(FrameTeacher().fit(X, y)), expected)


def test_single_precision_probabilities_are_read_within_tolerance():
    class SingleTeacher(CentroidClassifier):
        def predict_proba(self, X):
            return super().predict_proba(X).astype(np.float32)

    log_proba = read(SingleTeacher().fit(X, y))
    assert log_proba.dtype == np.float64
    np.testing.assert_allclose(log_proba, read(CentroidClassifier().fit(X, y)), rtol=1e-5)


def test_rows_may_miss_one_by_the_tolerance_and_no_more():
    proba = np.array([[0.5, 0.5]])
    options = {"n_samples": 1, "known": [0, 1], "who": "It returned"}
    check_proba(proba * (1 + 0.9 * ROW_SUM_TOLERANCE), **options)
    for factor in (1 + 1.1 * ROW_SUM_TOLERANCE, 1 - 1.1 * ROW_SUM_TOLERANCE):
        with pytest.raises(ValueError, match=r"It returned .* not sum to one for 1 of 1"):
            check_proba(proba * factor, **options)


def test_the_readers_leave_the_given_array_alone():
    proba = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    proba.flags.writeable = False
    for known in ([0, 1, 2], [2, 1, 0]):
        lift_zeros(read_output(pd.DataFrame(proba, columns=known), proba, CLASSES), FLOOR)


@pytest.mark.parametrize("Y", [np.c_[y, y], np.c_[y, TWO]], ids=["same classes", "different"])
def test_a_multi_output_teacher_is_refused(Y):
    with pytest.raises(
        ValueError, match=r"DecisionTreeClassifier .*multi-output.*Pass a classifier"
    ):
        read(DecisionTreeClassifier(max_depth=2).fit(X, Y))


# -- classes that one side does not have -----------------------------------------


def test_a_class_the_teacher_does_not_know_is_refused():
    teacher = CentroidClassifier().fit(X[y < 2], y[y < 2])
    with pytest.raises(
        ValueError, match=r"The teacher does not know the classes \[2\] found in y"
    ):
        read(teacher)
    with pytest.raises(
        ValueError, match=r"It does not know the classes \['c'\].*Refit it.*or drop"
    ):
        refuse_missing_classes(["a", "b"], np.array(["a", "b", "c"]), who="It")


def test_a_fold_that_missed_a_class_gives_it_the_floor():
    teacher = CentroidClassifier().fit(X[y != 1], y[y != 1])
    log_proba, _ = TeacherReader.of(teacher).ask(X, CLASSES, must_know=np.array([0, 2]))
    proba = teacher.predict_proba(X)
    assert np.isnan(log_proba[:, 1]).all()
    lifted = lift_zeros(log_proba, FLOOR)
    expected = np.column_stack([proba[:, 0], np.full(len(X), FLOOR / 3), proba[:, 1]])
    expected /= expected.sum(axis=1, keepdims=True)
    # The other classes are taken at their word: what the fold did not see is no zero.
    np.testing.assert_allclose(lifted, np.log(expected), rtol=1e-10, atol=1e-12)


def test_a_class_that_y_lacks_is_taken_out_and_the_rest_renormalised():
    teacher = CentroidClassifier().fit(X, y)
    rows = X[y == 0]  # far from class 2
    proba = teacher.predict_proba(rows)
    assert proba[:, 2].mean() < FOREIGN_MASS_TOLERANCE
    expected = np.log(proba[:, :2] / proba[:, :2].sum(axis=1, keepdims=True))
    np.testing.assert_allclose(read(teacher, [0, 1], rows), expected, rtol=1e-6)


def test_much_probability_on_classes_that_y_lacks_is_warned_of():
    teacher = CentroidClassifier().fit(X, y)
    with pytest.warns(
        UserWarning, match=r"% of the probability on the classes \[2\], which y does"
    ):
        log_proba = read(teacher, [0, 1], X[y == 2])
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1, rtol=1e-10, atol=1e-14)


def test_a_row_that_is_all_of_a_foreign_class_knows_nothing():
    proba = np.array([[0.0, 0.0, 1.0], [0.2, 0.8, 0.0]])
    with np.errstate(divide="ignore"):
        aligned, remarks = align_columns(np.log(proba), CLASSES, np.arange(2), who="It returned")
    with pytest.warns(
        UserWarning, match=r"It returned 50.0% of the probability on the classes \[2\]"
    ):
        remarks.warn("It returned")
    np.testing.assert_allclose(np.exp(aligned), [[0.5, 0.5], [0.2, 0.8]], rtol=1e-10, atol=1e-12)


def test_foreign_classes_are_taken_out_before_anything_is_lifted():
    proba = np.array([[1e-6, 1e-9, 1 - 1e-6 - 1e-9]])
    log_proba, _ = align_columns(np.log(proba), CLASSES, np.arange(2), who="It returned")
    np.testing.assert_allclose(np.exp(log_proba), [[0.999, 0.001]], rtol=1e-3)


def test_columns_of_a_teacher_without_classes_are_in_sorted_order():
    class Anonymous(BaseEstimator):
        def __init__(self):
            self.fitted_ = True

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return np.tile([0.2, 0.3, 0.5], (len(X), 1))

    np.testing.assert_allclose(np.exp(read(Anonymous(), ["a", "b", "c"])[0]), [0.2, 0.3, 0.5])


# -- decision_function and predict ------------------------------------------------


def test_two_class_decisions_are_read_through_a_sigmoid():
    teacher = LinearSVC(random_state=0).fit(X, TWO)
    with pytest.warns(UserWarning, match=r"LinearSVC has no predict_proba.*sigmoid.*Calibrated"):
        log_proba = read(teacher, [False, True])
    p = expit(teacher.decision_function(X))
    np.testing.assert_allclose(log_proba, np.log(np.column_stack([1 - p, p])), rtol=1e-9)


def test_decisions_of_several_classes_are_read_through_softmax():
    teacher = DecisionTeacher().fit(X, y)
    with pytest.warns(UserWarning, match="DecisionTeacher has no predict_proba"):
        log_proba = read(teacher)
    np.testing.assert_allclose(log_proba, read(CentroidClassifier().fit(X, y)), rtol=1e-9)
    expected = log_softmax(teacher.decision_function(X), axis=1)
    np.testing.assert_allclose(log_proba, expected, rtol=1e-10, atol=1e-14)


def test_logits_of_a_logistic_regression_are_its_probabilities():
    teacher = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(
        read(teacher), log_softmax(teacher.decision_function(X), axis=1), rtol=1e-12
    )


ONE_AGAINST_ONE = SVC(decision_function_shape="ovo")


@pytest.mark.parametrize(
    "teacher",
    [
        ONE_AGAINST_ONE,
        make_pipeline(StandardScaler(), ONE_AGAINST_ONE),
        GridSearchCV(ONE_AGAINST_ONE, {"C": [1.0]}, cv=2),
        FrozenEstimator(clone(ONE_AGAINST_ONE).fit(X, y)),
    ],
    ids=lambda teacher: type(teacher).__name__,
)
@pytest.mark.filterwarnings("ignore:The teacher .* has no predict_proba")
def test_one_against_one_decisions_are_refused(teacher):
    """With three classes there are three pairs as well: the shape does not tell."""
    teacher = teacher.fit(X, y)
    assert teacher.decision_function(X).shape == (len(X), 3)
    with pytest.raises(ValueError, match=r"one-against-one.*decision_function_shape='ovr'"):
        read(teacher)


@pytest.mark.filterwarnings("ignore:The teacher .* has no predict_proba")
def test_one_against_the_rest_of_a_wrapper_is_read_whatever_is_inside():
    teacher = OneVsRestClassifier(ONE_AGAINST_ONE).fit(X, y)
    expected = floored(softmax(teacher.decision_function(X), axis=1))
    np.testing.assert_allclose(read(teacher), expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:The teacher SVC has no predict_proba")
def test_of_two_classes_one_against_one_is_the_same():
    one, rest = (SVC(decision_function_shape=s).fit(X, TWO) for s in ("ovo", "ovr"))
    np.testing.assert_array_equal(read(one, [False, True]), read(rest, [False, True]))


def test_votes_are_read_as_certain():
    teacher = PredictTeacher().fit(X, y)
    with pytest.warns(
        UserWarning, match=r"PredictTeacher has only predict.*Better: a teacher with"
    ):
        log_proba = read(teacher)
    np.testing.assert_array_equal(np.exp(log_proba), np.eye(3)[teacher.predict(X)])


@pytest.mark.filterwarnings("ignore:The teacher StrangerTeacher has only predict")
def test_a_vote_for_no_class_is_refused():
    with pytest.raises(ValueError, match=r"StrangerTeacher predicted labels .* for 1 of 30 rows"):
        read(StrangerTeacher().fit(X, y))


@pytest.mark.filterwarnings("ignore:The teacher KMeans has only predict")
def test_cluster_numbers_are_not_taken_for_labels():
    teacher = KMeans(n_clusters=3, n_init=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"KMeans.* classifier"):
        read(teacher)


def test_a_regressor_is_refused():
    with pytest.raises(ValueError, match="LinearRegression must be a classifier. Got a regressor"):
        read(LinearRegression().fit(X, y))


# -- the rows ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [X.tolist(), sparse.csr_array(X), pd.DataFrame(X), X.astype(np.float32)],
    ids=["list", "sparse", "frame", "float32"],
)
def test_rows_of_any_kind_are_counted(rows):
    teacher = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(read(teacher, rows=rows), read(teacher), rtol=1e-5)


# -- fitted or not ----------------------------------------------------------------


def test_what_is_used_as_it_is():
    tree = DecisionTreeClassifier(max_depth=1).fit(X, y)
    for fitted in (
        tree,
        FrozenEstimator(tree),
        make_pipeline(StandardScaler(), clone(tree)).fit(X, y),
        make_pipeline(FunctionTransformer(), tree),
        GridSearchCV(tree, {"max_depth": [2]}, cv=2).fit(X, y),
        DistillationClassifier(tree, tree, alpha=0.5, temperature=2).fit(X, y),
    ):
        assert is_fitted(fitted), fitted


def test_what_is_fitted_first():
    tree = DecisionTreeClassifier()
    for unfitted in (
        None,
        tree,
        DecisionTreeClassifier,
        clone(DecisionTreeClassifier().fit(X, y)),
        FrozenEstimator(tree),
        make_pipeline(StandardScaler(), tree),
        make_pipeline(StandardScaler().fit(X), tree),
        GridSearchCV(tree, {"max_depth": [2]}),
        DistillationClassifier(DecisionTreeClassifier().fit(X, y), tree),
    ):
        assert not is_fitted(unfitted), unfitted


class Untagged:
    """A fitted classifier of another library: no tags, no parameters."""

    def fit(self, X, y):
        self.inner_ = CentroidClassifier().fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        return self.inner_.predict(X)

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)


def test_a_fitted_classifier_without_tags_is_a_teacher():
    teacher = Untagged().fit(X, y)
    assert is_fitted(teacher)
    np.testing.assert_array_equal(read(teacher), read(teacher.inner_))
    model = DistillationClassifier(teacher, DecisionTreeClassifier(max_depth=2)).fit(X, y)
    assert model.teacher_ is teacher


class Client:
    """Asks a service: there is no fit, and nothing that says that it is fitted."""

    classes_ = CLASSES

    def predict_proba(self, X):
        return np.tile([0.2, 0.3, 0.5], (len(X), 1))


def test_what_answers_and_cannot_be_fitted_counts_as_fitted():
    assert is_fitted(Client())
    model = DistillationClassifier(Client(), DecisionTreeClassifier(), alpha=1).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X[:1]), [[0.2, 0.3, 0.5]], rtol=1e-9)
    assert clone(model).teacher is model.teacher


# -- what foreign models return, and what users pass --------------------------------

#: Of the classes 0, 1 and 2; the sum of the third row is one but for rounding of sixteen bits.
PROBA = np.array([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])


def frame(names, library=pd.DataFrame):
    return lambda p: library({name: p[:, int(str(name)[-1])] for name in names})


CONVERTED = {
    "csr": sparse.csr_array,
    "dok": sparse.dok_array,
    "table": frame("012", pa.table),
    "table in another order": frame("201", pa.table),
    "record batch": frame("120", pa.record_batch),
    "polars in another order": frame("201", pl.DataFrame),
    "pandas in another order": frame([2, 0, 1]),
    "pandas, names in writing": frame("201"),
    "pandas without names": pd.DataFrame,
    "nullable pandas": lambda p: pd.DataFrame(p).convert_dtypes(),
    "in a graph": lambda p: torch.tensor(p, requires_grad=True),
    "half": lambda p: torch.tensor(p).half(),
    "bfloat16": lambda p: torch.tensor(p).bfloat16(),
    "float16": lambda p: p.astype(np.float16),
    "nothing masked": lambda p: np.ma.array(p, mask=False),
    "objects": lambda p: p.astype(object),
    "lists": lambda p: p.tolist(),
    "rounded": lambda p: p * (1 + 1e-4),
}

REFUSED = {
    "masked": (lambda p: np.ma.array(p, mask=p < 0.15), "masked entries. Fill them"),
    "complex": (lambda p: p + 0j, "complex numbers. Pass real"),
    "complex tensor": (lambda p: torch.tensor(p + 0j), "complex numbers. Pass real"),
    "nan": (lambda p: np.where(p > 0.7, np.nan, p), "NaN or infinite probabilities for 1 of 3"),
    "None inside": (
        lambda p: np.where(p > 0.7, None, p.astype(object)),
        "NaN or infinite probabilities for 1 of 3",
    ),
    "inf": (lambda p: np.where(p > 0.7, np.inf, p), "NaN or infinite probabilities for 1 of 3"),
    "bfloat16 twice": (lambda p: torch.tensor(2 * p).bfloat16(), "do not sum to one for 3 of 3"),
    "ragged": (lambda p: [[0.5, 0.5], [1.0]], r"numbers \(a list\). Expected an array of shape"),
    "dict": (lambda p: {"a": p}, r"something else than numbers \(a dict\)"),
    "text": (lambda p: "certainly", r"something else than numbers \(a str\)"),
    "dates": (lambda p: np.full(p.shape, np.datetime64("2020-01-01")), "else than numbers"),
    "one of them": (
        lambda p: p[:, 1],
        r"shape \(3,\); expected \(3, 3\).*classes are \[0, 1, 2\]",
    ),
    "half of the names": (
        frame(["0", "1", "p2"]),
        r"columns named \['0', '1', 'p2'\]|not know the classes \[2\]",
    ),
    "same name": (
        lambda p: pd.DataFrame(np.c_[p, 0 * p], columns=[0, 1, 2, 0, 1, 2]),
        "columns named .* some twice. Name each column by its class",
    ),
}


def from_output(output, classes=CLASSES):
    return read_output(output, np.zeros((3, 1)), np.asarray(classes))


def from_teacher(output, classes=CLASSES):
    class Foreign:
        classes_ = np.asarray(classes)

        def predict_proba(self, X):
            return output

    return read(Foreign(), classes, np.zeros((3, 1)))


def from_anonymous_teacher(output, classes=CLASSES):
    class Anonymous:
        classes_ = None  # as bad as none

        def predict_proba(self, X):
            return output

    return read(Anonymous(), classes, np.zeros((3, 1)))


GIVERS = (from_output, from_teacher, from_anonymous_teacher)


@pytest.mark.parametrize("give", GIVERS)
@pytest.mark.parametrize("kind", CONVERTED)
def test_probabilities_of_any_make_are_read(kind, give):
    atol = {"half": 1e-3, "float16": 1e-3, "bfloat16": 5e-3}.get(kind, 1e-12)
    np.testing.assert_allclose(np.exp(give(CONVERTED[kind](PROBA))), PROBA, atol=atol)


@pytest.mark.parametrize("give", GIVERS)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_matrix_of_probabilities_is_refused(kind, give):
    make, match = REFUSED[kind]
    with pytest.raises(ValueError, match=match) as raised:
        give(make(PROBA))
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("give", GIVERS)
@pytest.mark.parametrize("take", [lambda p: p[:, 1], lambda p: p[:, 1:]], ids=["(n,)", "(n, 1)"])
def test_probabilities_of_one_class_name_the_other(take, give):
    two = PROBA[:, :2] / PROBA[:, :2].sum(axis=1, keepdims=True)
    with pytest.raises(ValueError, match=r"class 'yes', .*np.column_stack\(\[1 - p, p\]\)"):
        give(take(two), ["no", "yes"])


def test_names_that_are_no_classes_are_in_order_only_if_the_teacher_has_an_order():
    named = pd.DataFrame(PROBA, columns=["p0", "p1", "p2"])
    np.testing.assert_allclose(np.exp(from_teacher(named)), PROBA, atol=1e-12)
    for give in (from_output, from_anonymous_teacher):
        with pytest.raises(
            ValueError, match=r"named \['p0', .* Rename the columns .*to_numpy\(\)"
        ):
            give(named)


@pytest.mark.parametrize("give", GIVERS)
@pytest.mark.parametrize("classes", [["a", "b", "c"], [1, 2, 3], [-1, 0, 1], [0.5, 1.0, 2.0]])
def test_columns_that_pandas_has_numbered_are_in_order(classes, give):
    np.testing.assert_allclose(np.exp(give(pd.DataFrame(PROBA), classes)), PROBA, atol=1e-12)


@pytest.mark.parametrize("give", [from_output, from_anonymous_teacher])
def test_a_named_class_that_y_lacks_is_left_out_with_a_warning(give):
    with pytest.warns(UserWarning, match=r"46.7% of the probability on the classes \[2\]"):
        log_proba = give(pd.DataFrame(PROBA[:, ::-1], columns=[2, 1, 0]), [0, 1])
    expected = PROBA[:, :2] / PROBA[:, :2].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(log_proba), expected, atol=1e-12)


@pytest.mark.parametrize("known", [[], ["0", "1", "2"], None])
def test_a_teacher_without_any_known_class(known):
    class Nameless(Client):
        classes_ = known

    if known is None:
        np.testing.assert_allclose(np.exp(read(Nameless())[0]), [0.2, 0.3, 0.5])
    else:
        with pytest.raises(ValueError, match=r"does not know the classes \[0, 1, 2\]"):
            read(Nameless())


def test_decisions_and_votes_in_one_column_are_read():
    class Column(DecisionTeacher):
        def decision_function(self, X):
            return torch.tensor(super().decision_function(X)[:, None], requires_grad=True)

    class Votes(PredictTeacher):
        def predict(self, X):
            return super().predict(X)[:, None]

    for wide, flat in ((Column(), DecisionTeacher()), (Votes(), PredictTeacher())):
        with pytest.warns(UserWarning, match="has (no|only) predict"):
            np.testing.assert_array_equal(
                read(wide.fit(X, TWO), [False, True]), read(flat.fit(X, TWO), [False, True])
            )


# -- rows of teacher_output -----------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "order"),
    [
        (["k", "l", "m"], ["m", "k", "l"], [1, 2, 0]),
        ([7, 8, 9], [9, 8, 7], [2, 1, 0]),
        (range(3), [1, 2, 0], [2, 0, 1]),
        (["k", "l", "m"], range(3), [0, 1, 2]),
        ([7, 2, 9], range(3), [0, 1, 2]),
        (["k", "k", "m"], ["k", "k", "m"], [0, 1, 2]),
        (["k", "k", "m"], range(3), [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("as_series", [False, True])
def test_rows_of_teacher_output_are_matched_by_the_index(ours, theirs, order, as_series):
    rows = pd.Series(["one", "two", "three"], index=ours)
    output = pd.DataFrame(PROBA, index=theirs)
    log_proba = read_output(output, rows if as_series else rows.to_frame(), CLASSES)
    np.testing.assert_allclose(np.exp(log_proba), PROBA[order], atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "match"),
    [
        (["k", "l", "m"], ["k", "l", "x"], r"other labels than that of X: \['k', 'l', 'x'\]"),
        (range(3), ["k", "l", "m"], "other labels .*to_numpy"),
        (range(3), range(1, 4), "other labels .*to_numpy"),
        (["k", "k", "m"], ["m", "k", "k"], "other labels .*to_numpy"),
        # Either the numbers say which is which, or pandas gave them to rows in the order of X.
        (
            [2, 0, 1],
            range(3),
            r"numbers of X's in another order.*to_numpy\(\) if .*loc\[X.index\]",
        ),
    ],
)
def test_rows_of_teacher_output_that_may_be_others_are_refused(ours, theirs, match):
    rows = pd.DataFrame({"x": [1.0, 2, 3]}, index=ours)
    with pytest.raises(ValueError, match=match) as raised:
        read_output(pd.DataFrame(PROBA, index=theirs), rows, CLASSES)
    assert len(str(raised.value)) < 300


def test_shuffled_teacher_output_teaches_what_it_would_in_order():
    rows = pd.DataFrame(X, index=[f"row {i}" for i in range(len(X))])
    proba = CentroidClassifier().fit(X, y).predict_proba(X)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    output = pd.DataFrame(proba, index=rows.index).sample(frac=1, random_state=0)
    shuffled = DistillationClassifier(None, tree, alpha=1).fit(rows, y, teacher_output=output)
    in_order = DistillationClassifier(None, tree, alpha=1).fit(rows, y, teacher_output=proba)
    np.testing.assert_array_equal(shuffled.predict_proba(rows), in_order.predict_proba(rows))


# -- torch modules ----------------------------------------------------------------------


class Says(nn.Module):
    """Returns what ``wrap`` makes of linear logits."""

    def __init__(self, n_outputs=3, wrap=None):
        super().__init__()
        self.layer, self.wrap = nn.Linear(4, n_outputs), wrap or (lambda z: z)
        weight = torch.as_tensor(LINEAR.coef_[:n_outputs])
        self.layer.weight.data = weight.float().clone()
        self.layer.bias.data = torch.as_tensor(LINEAR.intercept_[:n_outputs]).float().clone()

    def forward(self, x):
        return self.wrap(self.layer(x))


LINEAR = LogisticRegression().fit(X, y)


@pytest.mark.parametrize("n_rows", [2, 30, 150])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("squeeze", [False, True])
def test_a_sigmoid_inside_forward_is_found_however_few_rows_there_are(n_rows, frozen, squeeze):
    module = Says(1, lambda z: torch.sigmoid(z.squeeze(1) if squeeze else z))
    module.requires_grad_(not frozen)
    rows = np.tile(X, (5, 1))[:n_rows]
    with pytest.raises(
        ValueError, match=r"a sigmoid .*TorchTeacher\(module, output='binary-proba"
    ):
        read(module, [False, True], rows)
    proba = np.exp(read(TorchTeacher(module, output="binary-proba"), [False, True], rows))
    expected = expit(rows @ LINEAR.coef_[0] + LINEAR.intercept_[0])
    np.testing.assert_allclose(proba[:, 1], expected, atol=1e-6)
    # Log-odds, and an explicit choice, are taken at their word.
    np.testing.assert_allclose(
        np.exp(read(Says(1), [False, True], rows)),
        np.column_stack([1 - expected, expected]),
        atol=1e-6,
    )
    read(TorchTeacher(module, output="binary-logit"), [False, True], rows)


def test_a_softmax_inside_forward_is_refused_with_the_cure():
    with pytest.raises(ValueError, match=r"TorchTeacher\(module, output='proba'\)"):
        read(Says(wrap=lambda z: z.softmax(dim=1)))


def test_columns_that_cannot_be_classes_name_the_cure():
    with pytest.raises(
        ValueError, match=r"\(20, 3\); expected \(20, 2\).*classes=\[...\]\) for a"
    ):
        read(Says(), [0, 1], X[y < 2])
    named = TorchTeacher(Says(), classes=[0, 1, 2])
    proba = LINEAR.predict_proba(X[y < 2])[:, :2]
    expected = proba / proba.sum(axis=1, keepdims=True)
    with pytest.warns(UserWarning, match=r"on the classes \[2\], which y does not have"):
        got = np.exp(read(named, [0, 1], X[y < 2]))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    "convert",
    [np.int64, np.int8, np.uint8, np.bool_, lambda v: pd.DataFrame(v).astype(int)],
    ids=["int64", "int8", "uint8", "bool", "frame"],
)
def test_whole_numbers_become_those_of_the_module(convert):
    whole = convert(np.floor(X)) if not isinstance(convert, type) else np.floor(X).astype(convert)
    expected = read(Says(), rows=np.asarray(whole).astype(np.float32))
    np.testing.assert_array_equal(read(Says(), rows=whole), expected)


def test_whole_numbers_stay_whole_for_an_embedding():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(20, 3), nn.Flatten(), nn.Linear(12, 3))
    assert read(module, rows=np.floor(X).astype(int)).shape == (30, 3)


@pytest.mark.parametrize("precision", ["half", "bfloat16", "double"])
def test_modules_of_any_precision_are_read(precision):
    module = getattr(Says(), precision)()
    atol = {"half": 2e-2, "bfloat16": 2e-1, "double": 1e-5}[precision]
    np.testing.assert_allclose(np.exp(read(module)), LINEAR.predict_proba(X), atol=atol)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: SimpleNamespace(logits=z, loss=None),
        lambda z: {"loss": None, "logits": z},
        lambda z: (z, z.mean()),
    ],
    ids=["attribute", "dict", "tuple"],
)
def test_logits_are_found_beside_other_outputs(wrap):
    np.testing.assert_array_equal(read(Says(wrap=wrap)), read(Says()))


def test_a_doubt_is_said_once_for_all_chunks(monkeypatch):
    monkeypatch.setattr("sklearn_distill.labelling.CHUNK_ROWS", 120)
    rows = np.tile(X, (20, 1))
    module = Says(1, lambda z: torch.sigmoid(z) * 1.0)
    model = DistillationClassifier(module, DecisionTreeClassifier(max_depth=1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows, np.tile(~TWO, 20))
    texts = [str(w.message) for w in caught]
    assert sum("between 0 and 1 only" in text for text in texts) == 1


def test_a_teacher_that_knows_no_class_is_refused_out_of_fold_too():
    class Strings(CentroidClassifier):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X, np.asarray(y).astype(str))

    with pytest.raises(ValueError, match="does not know the classes"):
        DistillationClassifier(Strings(), DecisionTreeClassifier()).fit(X, y)


def test_a_fold_must_know_the_classes_that_it_was_fitted_on():
    class Forgetful(CentroidClassifier):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X[y > 0], y[y > 0])

    with pytest.raises(ValueError, match=r"does not know the classes \[0\]"):
        DistillationClassifier(Forgetful(), DecisionTreeClassifier()).fit(X, y)


def test_an_unfitted_stack_is_a_teacher():
    """Before it is fitted, scikit-learn's stack says that it has no ``predict``."""
    stack = StackingClassifier([("centroid", CentroidClassifier())], cv=2)
    model = DistillationClassifier(
        stack, DecisionTreeClassifier(max_depth=2), cv=2, alpha=0.5, temperature=2
    ).fit(X, y)
    assert isinstance(model.teacher_, StackingClassifier)
