"""X goes to teacher and student as it came; labels may be of any type and in any order."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.fixes import parse_version

from sklearn_distill import DistillationClassifier
from sklearn_distill.utils.rows import check_same_columns, own_rows, stack_rows
from tests.stubs import (
    Calls,
    CentroidClassifier,
    RecordingClassifier,
    RecordingRegressor,
    RecordingTransformer,
)

X, y = (part[::4] for part in load_iris(return_X_y=True))
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
TREE = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0)

# One student for each way of teaching.
STUDENTS = {
    "weighted-labels": TREE,
    "target-regression": DecisionTreeRegressor(max_leaf_nodes=4, random_state=0),
    "sampled-labels": KNeighborsClassifier(3),
}


def distilled(teacher, student, *, alpha=0.5, temperature=2, **params):
    return DistillationClassifier(
        teacher, student, alpha=alpha, temperature=temperature, random_state=0, **params
    )


# -- X ----------------------------------------------------------------------------

CONTAINERS = {
    "array": np.asarray,
    "list": lambda X: X.tolist(),
    "csr matrix": sparse.csr_matrix,
    "csr array": sparse.csr_array,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "lil": sparse.lil_array,
    "dia": sparse.dia_array,
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES, index=range(len(X), 0, -1)),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
}
if parse_version(sklearn.__version__) >= parse_version("1.7"):  # older ones take no rows of it
    CONTAINERS["pyarrow"] = lambda X: pa.table({name: X[:, i] for i, name in enumerate(NAMES)})


@pytest.mark.parametrize("strategy", STUDENTS)
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("fitted", [True, False], ids=["fitted teacher", "unfitted teacher"])
def test_every_container_gives_what_the_array_gives(container, strategy, fitted):
    convert = CONTAINERS[container]
    teacher = DecisionTreeClassifier(max_depth=1, random_state=0)
    # Sparse neighbours are found in another way, which breaks ties on training rows otherwise, and
    # those are what the power is fitted on.
    temperature = 1 if strategy == "sampled-labels" else 2
    model = distilled(
        teacher, STUDENTS[strategy], cv=2, strategy=strategy, temperature=temperature
    )
    new = X[:7] + 0.1
    proba = []
    for make in (np.asarray, convert):
        if fitted:
            model = clone(model).set_params(teacher=clone(teacher).fit(make(X), y))
        model.fit(make(X), y, X_unlabeled=make(new))
        assert model.predict(make(new)).shape == (7,)
        proba.append(model.predict_proba(make(new)))
    np.testing.assert_allclose(proba[1], proba[0], atol=1e-12)


@pytest.mark.parametrize(
    "container", sorted({"array", "pandas", "polars", "pyarrow", "list"} & set(CONTAINERS))
)
@pytest.mark.parametrize("strategy", ["hard labels", "target-regression"])
def test_a_student_that_needs_no_copies_gets_the_very_rows(container, strategy):
    rows, calls = CONTAINERS[container](X), Calls()
    teacher = CentroidClassifier().fit(X, y)
    if strategy == "hard labels":
        distilled(teacher, RecordingClassifier(calls), alpha=0).fit(rows, y)
    else:
        distilled(teacher, RecordingRegressor(calls)).fit(rows, y)
    assert calls[0]["X"] is rows


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_]
)
@pytest.mark.parametrize("cv", [2, "in-sample"])
def test_the_dtype_of_X_reaches_teacher_and_student(dtype, cv):
    rows = (X * 10).astype(dtype) if dtype != np.bool_ else X.mean(axis=0) < X
    calls, teacher_calls = Calls(), Calls()
    distilled(RecordingClassifier(teacher_calls), RecordingClassifier(calls), cv=cv).fit(
        rows, y, X_unlabeled=rows[:3]
    )
    assert {call["X"].dtype for call in [*calls, *teacher_calls]} == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", [np.float32, object])
def test_unlabeled_rows_of_another_dtype_do_not_change_that_of_X(dtype):
    calls = Calls()
    teacher = CentroidClassifier().fit(X, y)
    distilled(teacher, RecordingClassifier(calls)).fit(X.astype(dtype), y, X_unlabeled=X[:3])
    (call,) = calls.of("fit")
    assert call["X"].dtype == dtype


COLUMNS = {
    "pandas": (pd.DataFrame, lambda values, dtype: values.astype(dtype)),
    "polars": (
        pl.DataFrame,
        lambda values, dtype: pl.Series(values).cast(getattr(pl, dtype.capitalize())),
    ),
    "pyarrow": (pa.table, lambda values, dtype: pa.array(values).cast(_arrow(dtype))),
}


def _arrow(dtype):
    return getattr(pa, dtype)()


@pytest.mark.parametrize("library", COLUMNS)
@pytest.mark.parametrize(
    ("ours", "theirs", "together"),
    [
        ("float64", "float32", "float64"),
        ("float32", "float64", "float32"),
        ("float64", "int64", "float64"),
        ("int64", "float64", "float64"),
        ("int64", "int32", "int64"),
        ("int32", "int64", "int64"),
    ],
)
def test_columns_of_unlabeled_rows_lose_nothing_and_widen_no_floats(
    library, ours, theirs, together
):
    table, column = COLUMNS[library]
    rows, further = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0])
    stacked = stack_rows(
        table({"a": column(rows, ours), "b": column(rows, "float64")}),
        table({"a": column(further, theirs), "b": column(further, "float64")}),
    )
    expected = table(
        {
            "a": column(np.r_[rows, further], together),
            "b": column(np.r_[rows, further], "float64"),
        }
    )
    assert type(stacked) is type(expected)
    assert stacked.equals(expected)


@pytest.mark.parametrize("convert", [pl.DataFrame, pa.table])
def test_text_does_not_stand_below_numbers(convert):
    rows = convert({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    words = convert({"a": [1.0, 2.0], "b": ["one", "two"]})
    for X, other in ((rows, words), (words, rows)):
        with pytest.raises(
            ValueError, match="types of X. Column 'b' is of .* in X, and of .*Cast"
        ):
            check_same_columns(X, other, "X_unlabeled")


def test_columns_of_a_table_are_compared_by_name():
    rows = pa.table({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with pytest.raises(
        ValueError, match=r"columns of X, .*\['a', 'b'\]\. Got \['b', 'a'\] instead"
    ):
        check_same_columns(rows, rows.select(["b", "a"]), "X_unlabeled")
    with pytest.raises(ValueError, match="a pyarrow table. Got a pandas data frame instead"):
        check_same_columns(rows, rows.to_pandas(), "X_unlabeled")


@pytest.mark.parametrize(
    "make",
    [
        np.array,
        lambda v: np.asfortranarray(v),
        lambda v: v.tolist(),
        lambda v: sparse.csr_array(v + 1),
        lambda v: sparse.dok_array(v + 1),
        pd.DataFrame,
        lambda v: {"a": np.array(v)},
        torch.tensor,
    ],
)
def test_own_rows_are_equal_and_of_their_own(make):
    values = np.arange(6.0).reshape(3, 2)
    rows = make(values)
    own = own_rows(rows)
    assert type(own) is type(rows)
    inner, theirs = (t["a"] if type(t) is dict else t for t in (own, rows))
    if isinstance(inner, np.ndarray):
        assert inner.flags.f_contiguous == theirs.flags.f_contiguous
    if isinstance(inner, pd.DataFrame):
        inner.iloc[0, 0] = 9
    elif isinstance(inner, list):
        inner[0][0] = 9
    else:
        inner[0, 0] = 9
    unchanged = theirs.toarray() - 1 if sparse.issparse(theirs) else np.asarray(theirs)
    np.testing.assert_array_equal(unchanged, values)


def test_what_cannot_be_written_into_is_not_copied():
    rows = X.copy()
    rows.flags.writeable = False
    assert own_rows(rows) is rows


def test_the_student_sees_rows_of_X_and_then_of_X_unlabeled():
    calls = Calls()
    unlabeled = X[:5] + 100
    teacher = CentroidClassifier().fit(X, y)
    distilled(teacher, RecordingClassifier(calls)).fit(X, y, X_unlabeled=unlabeled)
    seen = np.unique(calls[0]["X"], axis=0)
    np.testing.assert_array_equal(seen, np.unique(np.vstack([X, unlabeled]), axis=0))


def test_no_unlabeled_rows_are_none():
    teacher = CentroidClassifier().fit(X, y)
    for student in STUDENTS.values():
        model = distilled(teacher, student, strategy=_strategy_of(student))
        empty = clone(model).fit(X, y, X_unlabeled=X[:0])
        np.testing.assert_array_equal(empty.predict_proba(X), model.fit(X, y).predict_proba(X))


# -- text -------------------------------------------------------------------------

TEXTS = ["good film", "a good story", "bad film", "a bad, bad plot", "good plot", "bad"] * 4
OPINIONS = np.array(["+", "+", "-", "-", "+", "-"] * 4)


@pytest.mark.parametrize(
    "convert",
    [list, tuple, np.array, lambda t: np.array(t, dtype=object), pd.Series],
    ids=["list", "tuple", "strings", "objects", "pandas series"],
)
@pytest.mark.parametrize("last", [LogisticRegression(C=10), Ridge()])
@pytest.mark.parametrize("cv", [2, "in-sample"])
def test_texts_pass_through_pipelines_of_their_own(convert, last, cv):
    teacher = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    student = make_pipeline(TfidfVectorizer(), last)
    model = distilled(teacher, student, cv=cv)
    model.fit(convert(TEXTS), OPINIONS, X_unlabeled=convert(["so bad", "so good", "good bad"]))
    assert model.predict(convert(["bad film", "good film"])).tolist() == ["-", "+"]
    assert model.student_[0].get_feature_names_out().tolist() == [
        "bad",
        "film",
        "good",
        "plot",
        "story",
    ]
    assert not hasattr(model, "n_features_in_")
    assert not hasattr(model, "feature_names_in_")


# -- data frames ------------------------------------------------------------------


@pytest.fixture
def mixed_frame():
    frame = pd.DataFrame(
        {
            "length": np.where(np.arange(len(X)) % 5 == 0, np.nan, X[:, 2]),
            "colour": pd.Categorical(
                np.array(["red", "blue", "green"])[y], ["red", "blue", "green"]
            ),
        },
        index=[f"row {i}" for i in range(len(X))],
    )
    frame.loc[frame.index[::7], "colour"] = np.nan
    return frame


BOOSTED = {"max_iter": 3, "categorical_features": "from_dtype", "random_state": 0}


@pytest.mark.parametrize(
    "student",
    [HistGradientBoostingClassifier(**BOOSTED), HistGradientBoostingRegressor(**BOOSTED)],
)
@pytest.mark.parametrize("cv", [2, "in-sample"])
def test_categories_and_missing_values_reach_the_student(mixed_frame, student, cv):
    student = clone(student).set_params(min_samples_leaf=2)
    teacher = HistGradientBoostingClassifier(min_samples_leaf=2, **BOOSTED)
    model = distilled(teacher, student, cv=cv).fit(mixed_frame, y, X_unlabeled=mixed_frame[:6])
    assert model.score(mixed_frame, y) > 0.8
    inner = getattr(model.student_, "estimators_", [model.student_])[0]
    assert inner.is_categorical_.tolist() == [False, True]
    if isinstance(model.student_, HistGradientBoostingClassifier):
        assert model.feature_names_in_.tolist() == ["length", "colour"]
        assert model.n_features_in_ == 2


def test_a_regressor_of_one_output_per_class_sees_categories_too(mixed_frame):
    student = HistGradientBoostingRegressor(min_samples_leaf=2, **BOOSTED)
    teacher = HistGradientBoostingClassifier(min_samples_leaf=2, **BOOSTED).fit(mixed_frame, y)
    model = distilled(teacher, student).fit(mixed_frame, y)
    assert model.predict_proba(mixed_frame).shape == (len(y), 3)


@pytest.mark.parametrize(
    "categories",
    [["red", "blue", "green"], ["green", "blue", "red"], ["blue"]],
    ids=["same", "reordered", "fewer"],
)
def test_categories_of_unlabeled_rows_take_the_dtype_of_X(mixed_frame, categories):
    unlabeled = pd.DataFrame(
        {"length": [5.0, 6, 1], "colour": pd.Categorical(["blue", None, "blue"], categories)}
    )
    teacher = HistGradientBoostingClassifier(min_samples_leaf=2, **BOOSTED).fit(mixed_frame, y)
    calls = Calls()
    student = _FrameRecorder(calls)
    distilled(teacher, student).fit(mixed_frame, y, X_unlabeled=unlabeled)
    (call,) = calls.of("fit")
    assert call["X"].dtypes.tolist() == mixed_frame.dtypes.tolist()
    assert call["X"]["colour"].isna().any()


def test_unlabeled_rows_are_not_changed(mixed_frame):
    unlabeled = mixed_frame.copy().astype(
        {"colour": pd.CategoricalDtype(["green", "blue", "red"])}
    )
    X_before, unlabeled_before = mixed_frame.copy(), unlabeled.copy()
    teacher = HistGradientBoostingClassifier(min_samples_leaf=2, **BOOSTED).fit(mixed_frame, y)
    distilled(teacher, clone(teacher)).fit(mixed_frame, y, X_unlabeled=unlabeled)
    pd.testing.assert_frame_equal(mixed_frame, X_before)
    pd.testing.assert_frame_equal(unlabeled, unlabeled_before)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("last", [LogisticRegression(), Ridge(), DecisionTreeClassifier()])
def test_columns_are_chosen_by_name(mixed_frame, library, last):
    frame = mixed_frame.assign(
        length=mixed_frame["length"].fillna(3),
        colour=mixed_frame["colour"].astype(object).fillna("?"),
    )
    frame = frame if library == "pandas" else pl.from_pandas(frame)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]), (StandardScaler(), ["length"])
    )
    model = distilled(
        make_pipeline(columns, LogisticRegression()), make_pipeline(columns, last), cv=2
    )
    model.fit(frame, y, X_unlabeled=frame[:9])
    assert model.score(frame, y) > 0.8
    assert model.feature_names_in_.tolist() == ["length", "colour"]


# -- labels -----------------------------------------------------------------------

LABELS = {
    "strings": np.array(["zebra", "ant", "mole"]),
    "objects": np.array(["zebra", "ant", "mole"], dtype=object),
    "unordered integers": np.array([7, -1, 3]),
    "floats": np.array([2.0, 0.0, 1.0]),
    "bools": np.array([True, False]),
    "strings of two": np.array(["yes", "no"]),
}


@pytest.mark.parametrize("strategy", STUDENTS)
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_labels_of_any_type_come_back(kind, strategy, alpha):
    names = LABELS[kind]
    codes = y if len(names) == 3 else (y > 0).astype(int)
    labels = names[codes]
    order = np.argsort(names)
    rank = np.argsort(order)
    student = STUDENTS[strategy]
    strategy = strategy if alpha else "auto"
    named, numbered = (
        distilled(CentroidClassifier(), student, cv=2, alpha=alpha, strategy=strategy).fit(
            X, target
        )
        for target in (labels, rank[codes])
    )
    np.testing.assert_array_equal(named.classes_, names[order])
    assert named.classes_.dtype == names.dtype
    assert named.predict(X).dtype == names.dtype
    np.testing.assert_allclose(named.predict_proba(X), numbered.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(named.predict(X), named.classes_[numbered.predict(X)])
    assert named.score(X, labels) > 0.85


@pytest.mark.parametrize(
    "convert",
    [
        list,
        pd.Series,
        lambda v: pd.Series(v, index=range(len(v), 0, -1)),
        pd.Categorical,
        pl.Series,
    ],
    ids=["list", "pandas", "reversed index", "pandas categories", "polars"],
)
def test_labels_of_any_container(convert):
    labels = np.array(["zebra", "ant", "mole"])[y]
    model = distilled(CentroidClassifier(), TREE, cv=2)
    expected = clone(model).fit(X, labels).predict_proba(X)
    np.testing.assert_array_equal(model.fit(X, convert(labels)).predict_proba(X), expected)


# -- folds that miss a class ------------------------------------------------------


@pytest.mark.parametrize("strategy", STUDENTS)
def test_a_fold_may_miss_a_class(strategy):
    """Each fold holds out all the rows of one class, and its teacher never saw that class."""
    splits = [(np.flatnonzero(y != c), np.flatnonzero(y == c)) for c in range(3)]
    labels = np.array(["zebra", "ant", "mole"])[y]
    model = distilled(CentroidClassifier(), STUDENTS[strategy], cv=splits, strategy=strategy)
    model.fit(X, labels)
    assert model.predict_proba(X).shape == (len(y), 3)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)


def test_a_fold_may_hold_a_single_class():
    splits = [
        (np.flatnonzero(y == 0), np.flatnonzero(y != 0)),
        (np.flatnonzero(y != 0), np.flatnonzero(y == 0)),
    ]
    calls = Calls()
    model = distilled(RecordingClassifier(calls), TREE, cv=splits).fit(X, y)
    assert sorted(len(np.unique(call["y"])) for call in calls.of("fit")) == [2, 3]
    assert model.predict_proba(X).shape == (len(y), 3)


def test_a_class_of_one_row_survives_the_default_folds():
    labels = np.where(np.arange(len(y)) == 20, 9, y)
    model = distilled(CentroidClassifier(), TREE)
    with pytest.warns(UserWarning, match="least populated class"):
        model.fit(X, labels)
    assert model.classes_.tolist() == [0, 1, 2, 9]
    assert model.predict_proba(X).shape == (len(y), 4)


# -- what the student has ---------------------------------------------------------


def test_features_are_counted_and_named_if_the_student_does_so():
    frame = pd.DataFrame(X, columns=NAMES)
    teacher = CentroidClassifier()
    for student in (TREE, make_pipeline(StandardScaler(), TREE)):
        model = distilled(teacher, student, cv=2)
        assert not hasattr(model, "n_features_in_")
        assert not hasattr(model, "feature_names_in_")
        model.fit(frame, y)
        assert model.n_features_in_ == 4
        assert model.feature_names_in_.tolist() == NAMES
        model.fit(X, y)
        assert model.n_features_in_ == 4
        assert not hasattr(model, "feature_names_in_")
    model = distilled(teacher, CentroidClassifier(), cv=2).fit(frame, y)
    assert not hasattr(model, "n_features_in_")
    assert not hasattr(model, "feature_names_in_")


def test_no_warning_of_feature_names_on_the_way():
    frame = pd.DataFrame(X, columns=NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = distilled(LogisticRegression(max_iter=500), TREE, cv=2)
        model.fit(frame, y, X_unlabeled=frame[:5]).predict_proba(frame)


# -- pipelines --------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STUDENTS)
@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("nested", [False, True])
def test_transformers_of_the_student_are_fitted_once_on_the_real_rows(strategy, alpha, nested):
    calls = Calls()
    unlabeled = X[:5] + 100
    last = STUDENTS[strategy]
    last = make_pipeline(RecordingTransformer(calls), last) if nested else last
    student = make_pipeline(RecordingTransformer(calls), last)
    teacher = CentroidClassifier().fit(X, y)
    model = distilled(teacher, student, alpha=alpha, strategy=strategy)
    model.fit(X, y, X_unlabeled=unlabeled)
    fits = calls.of("fit")
    assert len(fits) == (2 if nested else 1)
    for call in fits:
        np.testing.assert_array_equal(call["X"], X)
        np.testing.assert_array_equal(call["y"], y)
    transformed = sum(len(call["X"]) for call in calls.of("transform"))
    assert transformed <= len(fits) * (len(X) + len(unlabeled))


def test_a_scaler_of_the_student_is_as_if_alone():
    teacher = CentroidClassifier().fit(X, y)
    model = distilled(teacher, make_pipeline(StandardScaler(), TREE))
    model.fit(X, y, X_unlabeled=X[:5] + 100)
    alone = StandardScaler().fit(X)
    np.testing.assert_array_equal(model.student_[0].mean_, alone.mean_)
    np.testing.assert_array_equal(model.student_[0].scale_, alone.scale_)


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_a_transformer_that_crossfits_its_own_rows_may_do_so(alpha):
    """As TargetEncoder, whose ``fit_transform`` is not ``fit`` and then ``transform``."""

    class CrossFitting(RecordingTransformer):
        def fit_transform(self, X, y):
            return self.fit(X, y).transform(X) + 100

    calls = Calls()
    student = make_pipeline(CrossFitting(Calls()), RecordingClassifier(calls))
    teacher = CentroidClassifier().fit(X, y)
    distilled(teacher, student, alpha=alpha).fit(X, y)
    np.testing.assert_array_equal(
        np.unique(calls.of("fit")[0]["X"], axis=0), np.unique(X + 100, axis=0)
    )


def test_the_given_student_is_left_unfitted():
    student = make_pipeline(StandardScaler(), clone(TREE))
    scaler, tree = student[0], student[1]
    distilled(CentroidClassifier().fit(X, y), student).fit(X, y)
    assert student[0] is scaler
    assert student[1] is tree
    assert not hasattr(scaler, "mean_")
    assert not hasattr(tree, "tree_")


def test_a_fitted_pipeline_student_predicts_on_its_own():
    student = make_pipeline(StandardScaler(), LogisticRegression())
    model = distilled(CentroidClassifier().fit(X, y), student, temperature=1).fit(X, y)
    np.testing.assert_allclose(model.student_.predict_proba(X), model.predict_proba(X), rtol=1e-14)


@pytest.mark.parametrize("strategy", STUDENTS)
def test_as_the_last_step_of_a_pipeline(strategy):
    model = distilled(CentroidClassifier(), STUDENTS[strategy], cv=2, strategy=strategy)
    whole = make_pipeline(StandardScaler(), model).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    by_hand = clone(model).fit(scaled, y)
    np.testing.assert_array_equal(whole.predict_proba(X), by_hand.predict_proba(scaled))
    assert whole.classes_.tolist() == [0, 1, 2]
    assert whole.n_features_in_ == 4
    assert cross_val_score(whole, X, y, cv=2).mean() > 0.8


def test_as_a_step_before_the_last_it_needs_a_transform():
    whole = make_pipeline(distilled(CentroidClassifier(), TREE), TREE)
    with pytest.raises(TypeError, match="should be transformers"):
        whole.fit(X, y)


class _FrameRecorder(RecordingClassifier):
    """Writes down the frame and learns from its first column alone."""

    def fit(self, X, y, sample_weight=None):
        self.calls.append({"method": "fit", "X": X})
        CentroidClassifier.fit(self, X[["length"]].fillna(0), y, sample_weight)
        return self

    def predict_proba(self, X):
        return CentroidClassifier.predict_proba(self, X[["length"]].fillna(0))


def _strategy_of(student):
    return next(name for name, known in STUDENTS.items() if known is student)
