"""Odd inputs for values: right, or refused in words; and the same in other ways of asking."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
for library in ("xgboost", "lightgbm", "catboost", "polars", "pyarrow"):
    pytest.importorskip(library)

import polars as pl  # noqa: E402
from sklearn.base import BaseEstimator, RegressorMixin, clone  # noqa: E402
from sklearn.ensemble import ExtraTreesRegressor  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.neighbors import KNeighborsRegressor  # noqa: E402
from sklearn.tree import DecisionTreeRegressor  # noqa: E402

from sklearn_distill import (  # noqa: E402
    DistillationClassifier,
    DistillationRegressor,
    DistillationRegressorCV,
    SelfDistillationRegressor,
    TeacherEnsemble,
)
from tests.odd_inputs import (  # noqa: E402
    PACKAGE,
    PRIVATE,
    WEIGHTS,
    X_FORMS,
    cases,
    draw,
    environment,
    fingerprint,
    innermost,
    judge,
    offenders,
)

RAW = draw(3, 0, np.array, None)
X, X_NEW = RAW.X, RAW.X_new
Y = X @ [1.0, -2.0, 0.5, 3.0] + np.random.RandomState(0).randn(len(X))
STUDENTS = {
    "tree": DecisionTreeRegressor(max_leaf_nodes=6, random_state=0),
    "ridge": Ridge(),
    "neighbours": KNeighborsRegressor(3),
}
FITTED = ExtraTreesRegressor(10, random_state=0).fit(RAW.X_teacher, RAW.codes_teacher)


class Speaker(RegressorMixin, BaseEstimator):
    """Gives values in some container, whatever container its rows are in."""

    def __init__(self, say=np.array):
        self.say = say

    def fit(self, X, y, sample_weight=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        rows = X.toarray() if hasattr(X, "toarray") else X
        rows = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
        if hasattr(rows, "iloc"):
            rows = rows.to_numpy(float, na_value=np.nan)
        rows = np.nan_to_num(np.asarray(rows, dtype=float))
        return self.say(rows.reshape(len(rows), -1).sum(axis=1))


def outcome(model, X, y, X_new, **fit_params):
    """Return predictions, or the error; raise AssertionError if anything was damaged."""
    watched = {"X": X, "y": y, "X_new": X_new, **fit_params, **model.get_params(deep=False)}
    before = {name: fingerprint(thing) for name, thing in watched.items()}
    world, found, error = environment(), None, None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = np.asarray(model.fit(X, y, **fit_params).predict(X_new), dtype=float)
        except Exception as caught:
            error = caught
    changed = [name for name, thing in watched.items() if fingerprint(thing) != before[name]]
    changed += [name for name, state in environment().items() if state != world[name]]
    assert not changed, (changed, error)
    if error is not None:
        left = [n for n in vars(model) if n.endswith("_") and not n.startswith("_")]
        assert not left or found is not None, left
    return found, error, [str(warning.message) for warning in said]


def assert_in_words(error, bare=None):
    """Raise AssertionError unless it is a sentence of ours, or what bare parts would raise."""
    path, _, raised = innermost(error)
    proper = isinstance(error, ValueError | TypeError)
    text = str(error)
    if path == __file__:
        return  # it is the teacher's own
    if path.startswith(PACKAGE) and raised and proper:
        assert len(text) <= 400, text
        assert not PRIVATE.search(text), text
        return
    of_scikit_learn = proper and "/sklearn/" in path
    assert of_scikit_learn or _raises_the_same(bare, error), (repr(error)[:300], path)


def _raises_the_same(bare, error):
    if bare is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bare()
    except Exception as other:
        return type(other) is type(error)
    return False


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("form", X_FORMS)
def test_rows(form, student):
    option = X_FORMS[form]
    if "text" in option.pins.get("student", ()) or "columns" in option.pins.get("student", ()):
        pytest.skip("for students that take words")
    teacher = Speaker().fit(X, Y)
    model = DistillationRegressor(teacher, STUDENTS[student], alpha=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        rows, new = option.build(X.copy()), option.build(X_NEW.copy())
    found, error, _ = outcome(model, rows, Y, new)
    if error is not None:
        assert_in_words(error, lambda: clone(STUDENTS[student]).fit(rows, Y).predict(new))
        return
    assert not option.wrong or _bare_accepts(student, rows, new), form
    assert np.isfinite(found).all()
    if option.same == "ndarray" and student != "neighbours":  # which of equally near ones differs
        plain = clone(model).fit(X, Y).predict(X_NEW)
        np.testing.assert_allclose(found, plain, rtol=max(option.tol, 1e-5), atol=1e-6)


def _bare_accepts(student, rows, new):
    try:
        clone(STUDENTS[student]).fit(rows, Y).predict(new)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("student", ["tree", "ridge"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name, student):
    option = WEIGHTS[name]
    weight = option.build
    if weight is not None:
        rng = np.random.default_rng(0)
        weight = weight.form(weight.values(RAW.codes, rng))
    model = DistillationRegressor(Speaker().fit(X, Y), STUDENTS[student], alpha=0.5)
    found, error, said = outcome(model, X, Y, X_NEW, sample_weight=weight)
    if error is not None:
        numbers = None if weight is None else np.asarray(weight)
        assert_in_words(error, lambda: clone(STUDENTS[student]).fit(X, Y, numbers))
        return
    assert not option.wrong or said, name
    if option.same:
        same = WEIGHTS[option.same].build
        values = same and same.values(RAW.codes, np.random.default_rng(0))
        plain = clone(model).fit(X, Y, sample_weight=values).predict(X_NEW)
        np.testing.assert_allclose(found, plain, rtol=1e-6)


RIGHT_VALUES = {
    "list": list,
    "tuple": tuple,
    "float32": lambda y: y.astype("float32"),
    "whole": lambda y: np.round(y).astype(int),
    "small": lambda y: np.round(y).astype("int16"),
    "objects": lambda y: y.astype(object),
    "series": lambda y: pd.Series(y, index=np.arange(len(y))[::-1]),
    "nullable": lambda y: pd.Series(y, dtype="Float64"),
    "polars": pl.Series,
    "column": lambda y: y[:, None],
    "frame": lambda y: pd.DataFrame({"y": y}),
    "masked, nothing": np.ma.MaskedArray,
    "strided": lambda y: np.repeat(y, 2)[::2],
    "read-only": lambda y: _frozen(y),
    "bool": lambda y: y > 0,
    "huge": lambda y: y * 1e200,
    "tiny": lambda y: y * 1e-200,
    "constant": lambda y: y * 0 + 3,
}
WRONG_VALUES = {
    "NaN": lambda y: np.where(np.arange(len(y)) == 3, np.nan, y),
    "infinite": lambda y: np.where(np.arange(len(y)) == 3, np.inf, y),
    "masked": lambda y: np.ma.masked_greater(y, 5),
    "None": lambda y: [None, *y[1:]],
    "NA": lambda y: pd.Series([pd.NA, *y[1:]], dtype="Float64"),
    "text": lambda y: np.array(["much"] * len(y)),
    "dates": lambda y: np.array(["2020-01-01"] * len(y), dtype="datetime64[D]"),
    "complex": lambda y: y + 1j,
    "too short": lambda y: y[:-1],
    "3-d": lambda y: y[:, None, None],
    "scalar": lambda y: 3.0,
    "none": lambda y: None,
    "no rows": lambda y: y[:0],
    "dict": lambda y: {"y": y},
    "ragged": lambda y: [*y[:-1], [1.0, 2.0]],
}


def _frozen(y):
    y = y.copy()
    y.setflags(write=False)
    return y


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("name", RIGHT_VALUES)
def test_values(name, student):
    y = RIGHT_VALUES[name](Y.copy())
    teacher = Speaker().fit(X, Y)
    model = DistillationRegressor(teacher, STUDENTS[student], alpha=0.5)
    found, error, _ = outcome(model, X, y, X_NEW)
    plain = np.asarray(y, dtype=float).reshape(-1)
    if error is not None:
        assert_in_words(error, lambda: clone(STUDENTS[student]).fit(X, plain))
        return
    blend = plain + 0.5 * (teacher.predict(X) - plain)
    by_hand = clone(STUDENTS[student]).fit(X, blend).predict(X_NEW)
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DistillationRegressor(FITTED, STUDENTS["tree"], alpha=0.5),
        lambda: DistillationRegressor(None, STUDENTS["tree"], alpha=0),
        lambda: DistillationRegressorCV(clone(FITTED), STUDENTS["tree"], cv=3, nested=False),
        lambda: SelfDistillationRegressor(STUDENTS["tree"], cv=3),
        lambda: TeacherEnsemble([("a", Ridge()), ("b", STUDENTS["tree"])]),
        lambda: DistillationRegressor(
            [("a", Ridge()), ("b", FITTED)], STUDENTS["tree"], alpha=0.5
        ),
    ],
    ids=["fitted", "alone", "searched", "self", "ensemble", "list"],
)
@pytest.mark.parametrize("name", WRONG_VALUES)
def test_wrong_values_are_refused(name, make):
    _, error, _ = outcome(make(), X, WRONG_VALUES[name](Y.copy()), X_NEW)
    assert error is not None, name
    assert_in_words(error)


RIGHT_ANSWERS = {
    "list": np.ndarray.tolist,
    "float32": lambda v: v.astype("float32"),
    "whole": lambda v: np.round(v).astype(int),
    "column": lambda v: v[:, None],
    "series": lambda v: pd.Series(v, index=np.arange(len(v))[::-1]),
    "frame": lambda v: pd.DataFrame({"v": v}),
    "tensor": torch.as_tensor,
    "tensor with gradient": lambda v: torch.as_tensor(v).requires_grad_(),
    "read-only": lambda v: _frozen(v),
}
WRONG_ANSWERS = {
    "NaN": lambda v: np.where(np.arange(len(v)) == 0, np.nan, v),
    "infinite": lambda v: v * np.inf,
    "text": lambda v: v.astype(str).astype(object) + "?",
    "dates": lambda v: v.astype("datetime64[D]"),
    "complex": lambda v: v + 1j,
    "too short": lambda v: v[:-1],
    "two columns": lambda v: np.c_[v, v],
    "3-d": lambda v: v[:, None, None],
    "scalar": lambda v: 3.0,
    "nothing": lambda v: None,
    "dict": lambda v: {"v": v},
    "a tuple of two": lambda v: (v, v),
}


@pytest.mark.parametrize("given", [False, True], ids=["asked", "given"])
@pytest.mark.parametrize("name", [*RIGHT_ANSWERS, *WRONG_ANSWERS])
def test_answers_of_teachers(name, given):
    say = (RIGHT_ANSWERS | WRONG_ANSWERS)[name]
    teacher = Speaker(say).fit(X, Y)
    model = DistillationRegressor(None if given else teacher, STUDENTS["ridge"], alpha=0.5)
    output = {"teacher_output": say(X.sum(axis=1))} if given else {}
    if given and output["teacher_output"] is None:
        pytest.skip("that is no output at all")
    if name == "series" and given:
        output = {"teacher_output": pd.Series(X.sum(axis=1))}  # an index of X's own order
    found, error, _ = outcome(model, X, Y, X_NEW, **output)
    if name in WRONG_ANSWERS:
        assert error is not None, name
        assert_in_words(error)
        return
    assert error is None, error
    plain = np.asarray(Speaker(say).predict(X), dtype=float) if name == "whole" else X.sum(axis=1)
    expected = Ridge().fit(X, Y + 0.5 * (plain.reshape(-1) - Y)).predict(X_NEW)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# -- classes, asked for in another way -------------------------------------------------------


def in_a_list(teacher, student, **settings):
    """A pool of one teacher is that teacher."""
    teacher = None if teacher is None else [("only", teacher)]
    return DistillationClassifier(teacher, student, **settings)


def all_columns(teacher, student, **settings):
    """A student of all columns is a student."""
    return DistillationClassifier(teacher, student, student_columns=slice(None), **settings)


SAMPLE = cases(120, seed=0)


@pytest.mark.parametrize("make", [in_a_list, all_columns])
@pytest.mark.parametrize("start", range(0, len(SAMPLE), 20))
def test_the_same_is_right_or_refused_in_words(make, start):
    judged = []
    for case in SAMPLE[start : start + 20]:
        if make is all_columns and (
            case["asked"] == "columns in another order"  # taken by name, and so allowed
            or case["student"] == "knn"  # whose bare predict_proba takes no words in old releases
        ):
            continue
        judged.append((case, judge(case, make)))
    assert not offenders(judged), offenders(judged)


def test_the_checks_notice_what_is_broken():
    class Spoils(DistillationRegressor):
        def fit(self, X, y):
            X[0] = 0
            return super().fit(X, y)

    with pytest.raises(AssertionError, match="X"):
        outcome(Spoils(None, Ridge(), alpha=0), X.copy(), Y, X_NEW)
    with pytest.raises(AssertionError, match="KeyError"):
        assert_in_words(_error_of(lambda: pd.DataFrame({"a": [1]})["b"]))
    assert re.search(PRIVATE, "a BaseDistillation")


def _error_of(function):
    try:
        function()
    except Exception as error:
        return error.with_traceback(error.__traceback__.tb_next.tb_next)
