"""Odd inputs, made by combining axes, and a judge of what ``fit`` and ``predict`` make of them.

A case takes one option of every axis below. Each option says what it must come to: *the same* as
a plain option of its axis (a container must not change the result), *wrong* (it must be refused,
or said in a warning), or anything that keeps the contract. The judge knows the plain form of a
case, the bare student, and the arithmetic by hand, and calls a case

- right: it works, and every oracle agrees;
- refused: it raises, in words, or as the bare student or teacher does;
- unclear: it raises something else, or our message is too long, or names what is private;
- silent: something wrong came out and nothing was said;
- damaged: teacher, data, parameters or global state are not what they were.

    python -m tests.odd_inputs --n 300 --seed 0
    python -m tests.odd_inputs --case "X=csr, student=ridge"
"""

import argparse
import contextlib
import dis
import pickle
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import sklearn
import torch
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import column_or_1d, has_fit_parameter
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn
from xgboost import XGBClassifier

from sklearn_distill import DistillationClassifier, GradientTraining

SCRATCH = tempfile.TemporaryDirectory(prefix="odd_inputs_")  # gone when Python ends
VERDICTS = ("right", "refused", "unclear", "silent", "damaged")
PACKAGE = str(Path(sys.modules[DistillationClassifier.__module__].__file__).parent)


@dataclass(frozen=True)
class Option:
    """One choice on an axis.

    Attributes
    ----------
    build : what makes it; its arguments depend on the axis
    same : name of the option of the axis that must give the same result; None for itself
    wrong : whether it must be refused, or said in a warning
    says : pattern of that warning, or of what excuses damage
    tol : how much probabilities may differ from those of the plain form
    pins : what other axes must be, ``{axis: names}``
    common : whether cases about other axes use it often
    traits : what a student or teacher is good for
    """

    build: object = None
    same: str | None = None
    wrong: bool = False
    says: str = "$."
    tol: float = 1e-6
    pins: dict = field(default_factory=dict)
    common: bool = False
    traits: str = ""


def options(table, **shared):
    """Make options from ``{name: builder, or (builder, settings)}``."""
    pairs = {k: v if isinstance(v, tuple) else (v, {}) for k, v in table.items()}
    return {name: Option(build, **(shared | more)) for name, (build, more) in pairs.items()}


WRONG = {"wrong": True}

# -- rows: whole numbers from 0 to 15, exact in every dtype ----------------------------

LEVELS = np.tile([1, 4, 7, 10, 13], (4, 1))
CENTERS = np.random.default_rng(5).permuted(LEVELS, axis=1).T  # (classes, columns)


@dataclass
class Raw:
    """Numbers before they get a form: training, new and unlabelled rows, rows for the teacher."""

    X: np.ndarray
    codes: np.ndarray
    weight: np.ndarray | None
    X_new: np.ndarray
    X_more: np.ndarray
    X_teacher: np.ndarray
    codes_teacher: np.ndarray
    names: Callable


def draw(n_classes, seed, names, weights):
    rng = np.random.default_rng([n_classes, seed])
    parts = []
    for n in (48, 12, 10, 60):
        codes = np.minimum(rng.permutation(n) % (2 * n_classes - 1), n_classes - 1)
        X = np.clip(np.round(CENTERS[codes] + 1.7 * rng.standard_normal((n, 4))), 0, 15)
        parts.append((X, codes))
    (X, codes), (X_new, _), (X_more, _), (X_teacher, codes_teacher) = parts
    weight = None if weights is None else weights(codes, rng)
    return Raw(X, codes, weight, X_new, X_more, X_teacher, codes_teacher, names)


def as_words(X):
    return [" ".join(f"{'abcd'[j]}{int(v > 7)}" for j, v in enumerate(row)) for row in X]


def as_mixed(X):
    frame = pd.DataFrame({"size": X[:, 0], "length": X[:, 1].astype(np.float32)})
    colours = np.array(["red", "green", "blue"])[(X[:, 2] // 6).astype(int)]
    frame["colour"] = pd.Categorical(colours, categories=["red", "green", "blue", "black"])
    return frame.assign(big=X[:, 3] > 7)


def with_hole(X, value=np.nan, every=7):
    X = X.copy()
    X[::every, 1] = value
    return X


def in_memmap(X):
    if X.size == 0:
        return X  # there are no empty maps
    path = Path(tempfile.mkdtemp(dir=SCRATCH.name)) / "X"
    X.tofile(path)
    return np.memmap(path, X.dtype, "r", shape=X.shape)


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def frame(X, columns="abcd", **kwargs):
    return pd.DataFrame(X, columns=list(columns[: X.shape[1]]), **kwargs)


def nullable(X):
    return frame(X).astype({"a": "Float64", "b": "Int64", "c": "Float32", "d": "UInt8"})


def dtype(name):
    return lambda X: X.astype(name)


TEXT = {"student": ["text"], "teacher": ["text, fitted", "text, unfitted"]}
MIXED = {
    "student": ["columns", "hist", "columns"],
    "teacher": ["columns, fitted", "columns, unfitted"],
}
NO_NANS = {"student": ["tree", "hist", "lightgbm", "logistic", "xgboost", "module"]}

X_FORMS = options({"ndarray": (np.array, {"common": True})}) | options(
    {
        "Fortran": np.asfortranarray,
        "strided": lambda X: np.repeat(X, 2, axis=0)[::2],
        "float32": (dtype("float32"), {"tol": 2e-2}),
        "float16": dtype("float16"),
        **{d: dtype(d) for d in ("int8", "uint8", "int32", "int64", "uint64")},
        "list": np.ndarray.tolist,
        "tuple": lambda X: tuple(map(tuple, X)),
        "object": dtype(object),
        "memmap": in_memmap,
        "read-only": read_only,
        "masked, nothing": np.ma.MaskedArray,
        "tensor": torch.as_tensor,
        "pandas": (frame, {"common": True}),
        "pandas, odd index": lambda X: frame(X, index=np.arange(len(X)) % 5 - 9),
        "pandas, text index": lambda X: frame(X, index=[f"r{i}" for i in range(len(X))][::-1]),
        "pandas, whole numbers as names": lambda X: pd.DataFrame(X, columns=range(7, 11)),
        "pandas, one name twice": lambda X: frame(X, "abbd"),
        "pandas, mixed numbers": lambda X: frame(X).astype({"a": "int8", "b": "float32"}),
        "pandas, whole numbers": lambda X: frame(X).astype(int),
        "pandas, nullable": nullable,
        "pandas, sparse": lambda X: frame(X).astype(pd.SparseDtype(float, 0.0)),
        "pandas, arrow": lambda X: frame(X).convert_dtypes(dtype_backend="pyarrow"),
        "polars": lambda X: pl.DataFrame(X, schema=list("abcd")),
        "polars, whole numbers": lambda X: pl.DataFrame(X.astype(int), schema=list("abcd")),
        "pyarrow": lambda X: pa.table({"abcd"[j]: X[:, j] for j in range(4)}),
        **{
            f"{kind}_{what}": (getattr(sparse, f"{kind}_{what}"), {"tol": 5e-3})
            for kind in ("csr", "csc", "coo", "dok", "lil", "bsr")
            for what in ("matrix", "array")
        },
        "csr, float32": (lambda X: sparse.csr_array(X.astype(np.float32)), {"tol": 2e-2}),
    },
    same="ndarray",
)
X_FORMS |= options(
    {
        "0 and 1": lambda X: (X > 7).astype(float),
        "bool": (lambda X: X > 7, {"same": "0 and 1"}),
        "bool frame": (lambda X: frame(X > 7), {"same": "0 and 1"}),
        "one column": lambda X: X[:, :1],
        "words": (as_words, {"pins": TEXT}),
        "words, array": (lambda X: np.array(as_words(X)), {"pins": TEXT, "same": "words"}),
        "words, objects": (
            lambda X: np.array(as_words(X), dtype=object),
            {"pins": TEXT, "same": "words"},
        ),
        "words, series": (lambda X: pd.Series(as_words(X)), {"pins": TEXT, "same": "words"}),
        "mixed frame": (as_mixed, {"pins": MIXED}),
        "mixed frame, odd index": (
            lambda X: as_mixed(X).set_index(np.arange(len(X))[::-1] % 7),
            {"pins": MIXED, "same": "mixed frame"},
        ),
        "mixed frame for anybody": as_mixed,
        "NaN": (with_hole, {"pins": NO_NANS}),
        "NaN in a frame": (lambda X: frame(with_hole(X)), {"pins": NO_NANS, "same": "NaN"}),
        "NA": (
            lambda X: frame(with_hole(X)).astype("Float64"),
            {"pins": NO_NANS, "same": "NaN"},
        ),
        "None": (lambda X: with_hole(X.astype(object), None), {"same": "NaN"}),
        "masked": lambda X: np.ma.masked_greater(X, 14),
        "inf": lambda X: with_hole(X, np.inf),
        "huge": lambda X: X * 1e30,
        "tiny": lambda X: X * 1e-30,
        "constant": lambda X: X * 0 + 1,
        "matrix": (np.asmatrix, WRONG),
        "structured": (lambda X: frame(X).to_records(index=False), WRONG),
        "text": (lambda X: X.astype(str).astype(object) + "?", WRONG),
        "complex": (lambda X: X + 1j, WRONG),
        "1-d": (lambda X: X[:, 0], WRONG),
        "3-d": (lambda X: X[:, None], WRONG),
        "scalar": (lambda X: 3.0, WRONG),
        "missing": (lambda X: None, WRONG),
        "ragged": (lambda X: [*X.tolist()[:-1], [1.0]], WRONG),
        "dict": (lambda X: dict(zip("abcd", X.T, strict=False)), WRONG),
    }
)

# -- labels ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Labels:
    """Names of the classes, in sorted order, and the container they come in."""

    names: Callable
    form: Callable = np.array

    def __call__(self, codes):
        return self.form(self.names(codes))


def named(names):
    names = np.array(names)
    return lambda codes: names[codes]


def spoil(value, kind=object):
    def form(labels):
        labels = labels.astype(kind)
        labels[:1] = value
        return labels

    return form


def numeric(scale=1, shift=0, kind=int):
    return lambda codes: np.asarray(codes * scale + shift, dtype=kind)


ANT = named(["ant", "bee", "cat", "dog", "eel"])
TRUE = named([False, True])
BINARY = {"classes": ["2"]}
DAYS = named(
    np.array(
        ["2020-01-01", "2020-02-01", "2021-01-01", "2022-01-01", "2023-01-01"], "datetime64[s]"
    )
)
NUMBERS = numeric()

LABELS = options({"int": (Labels(NUMBERS), {"common": True})}) | options(
    {
        **{k: Labels(numeric(kind=k)) for k in ("int8", "uint64", "float64", "float16")},
        "shifted": Labels(numeric(7, 3)),
        "negative": Labels(numeric(3, -9)),
        "-1, 0, 1": Labels(numeric(1, -1)),
        "huge": Labels(numeric(1, 2**62)),
        "halves of 2": Labels(numeric(2.0, kind=float)),
        "bool": (Labels(TRUE), {"pins": BINARY}),
        "bool objects": (Labels(TRUE, dtype(object)), {"pins": BINARY}),
        "nullable bool": (Labels(TRUE, partial(pd.Series, dtype="boolean")), {"pins": BINARY}),
        "text": (Labels(ANT), {"common": True}),
        "text objects": Labels(ANT, dtype(object)),
        "bytes": Labels(named([b"ant", b"bee", b"cat", b"dog", b"eel"])),
        "unicode": Labels(named(["", "z", "ß", "ä", "é"])),
        "digits as text": Labels(named(["1", "10", "2", "20", "3"])),
        "days": Labels(DAYS),
        "list": Labels(NUMBERS, np.ndarray.tolist),
        "list of text": Labels(ANT, np.ndarray.tolist),
        "tuple": Labels(NUMBERS, tuple),
        "pandas": Labels(NUMBERS, pd.Series),
        "pandas, odd index": Labels(ANT, lambda v: pd.Series(v, index=np.arange(len(v)) % 5)),
        "pandas, categories": Labels(ANT, lambda v: pd.Series(v, dtype="category")),
        "pandas, text": Labels(ANT, partial(pd.Series, dtype="string")),
        "pandas, Int64": Labels(NUMBERS, partial(pd.Series, dtype="Int64")),
        "pandas, arrow": Labels(NUMBERS, partial(pd.Series, dtype="int64[pyarrow]")),
        "polars": Labels(NUMBERS, pl.Series),
        "polars, text": Labels(ANT, lambda v: pl.Series(v.tolist())),
        "pyarrow": Labels(NUMBERS, pa.array),
        "tensor": Labels(NUMBERS, torch.as_tensor),
        "column": Labels(NUMBERS, lambda v: v[:, None]),
        "frame": Labels(NUMBERS, lambda v: pd.DataFrame({"y": v})),
        "masked, nothing": Labels(NUMBERS, np.ma.MaskedArray),
        "read-only": Labels(NUMBERS, read_only),
    },
    same="int",
)
LABELS |= options(
    {
        "None": Labels(ANT, spoil(None)),
        "NaN": Labels(numeric(kind=float), spoil(np.nan, float)),
        "inf": Labels(numeric(kind=float), spoil(np.inf, float)),
        "NaT": Labels(DAYS, spoil(np.datetime64("NaT"), "datetime64[s]")),
        "NA": Labels(ANT, lambda v: pd.Series(spoil(None)(v), dtype="string")),
        "nullable NA": Labels(NUMBERS, lambda v: pd.Series(spoil(pd.NA)(v), dtype="Int64")),
        "uncategorised": Labels(
            ANT, lambda v: pd.Series(pd.Categorical(np.where(v == "bee", None, v)))
        ),
        "masked": Labels(NUMBERS, lambda v: np.ma.MaskedArray(v, np.arange(len(v)) == 3)),
        "numbers and text": Labels(NUMBERS, spoil("ant")),
        "continuous": Labels(NUMBERS, lambda v: v + np.linspace(0.1, 0.9, len(v))),
        "one-hot": Labels(NUMBERS, lambda v: np.eye(5)[v]),
        "two columns": Labels(NUMBERS, lambda v: np.c_[v, v]),
        "single class": Labels(NUMBERS, lambda v: v * 0),
        "too short": Labels(NUMBERS, lambda v: v[:-1]),
        "complex": Labels(NUMBERS, lambda v: v + 1j),
        "sets": Labels(NUMBERS, lambda v: [{int(c)} for c in v]),
    },
    wrong=True,
)
LABELS |= options({"missing": Labels(NUMBERS, lambda v: None)})

# -- weights ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Weights:
    values: Callable
    form: Callable = np.array


def of_class(weights):
    return lambda codes, rng: np.resize(np.array(weights, dtype=float), 5)[codes]


def random_weights(codes, rng):
    return rng.choice([0.25, 0.5, 1.0, 4.0], len(codes))


def ones(codes, rng):
    return np.ones(len(codes))


def whole(codes, rng):
    return rng.integers(1, 4, len(codes)).astype(float)


# A forest draws its bootstrap otherwise as soon as there are weights.
NO_FOREST = {"teacher": ["says ndarray, fitted", "nb, unfitted", "logistic, unfitted"]}
NO_FOREST |= {"student": ["tree", "logistic", "nb", "ridge", "hist"]}

WEIGHTS = options({"none": (None, {"common": True})}) | options(
    {
        "floats": (Weights(random_weights), {"common": True}),
        "whole": Weights(whole),
        "some zero": Weights(lambda codes, rng: whole(codes, rng) - 1),
        "heavy class": Weights(of_class([1, 8, 1])),
        "class of zeros": Weights(of_class([1, 1, 0]), dtype(float)),
        "1e-300": Weights(lambda codes, rng: 1e-300 * ones(codes, rng)),
        "1e-40": Weights(lambda codes, rng: 1e-40 * random_weights(codes, rng)),
        "1e300": Weights(lambda codes, rng: 1e300 * random_weights(codes, rng)),
        "wide": Weights(lambda codes, rng: 10.0 ** rng.integers(-12, 12, len(codes))),
        "float32": (Weights(random_weights, dtype("float32")), {"same": "floats"}),
        "ints": (Weights(whole, dtype(int)), {"same": "whole"}),
        "uint8": (Weights(whole, dtype("uint8")), {"same": "whole"}),
        "list": (Weights(random_weights, np.ndarray.tolist), {"same": "floats"}),
        "pandas": (
            Weights(random_weights, lambda w: pd.Series(w, index=np.arange(len(w))[::-1])),
            {"same": "floats"},
        ),
        "nullable": (
            Weights(random_weights, partial(pd.Series, dtype="Float64")),
            {"same": "floats"},
        ),
        "polars": (Weights(random_weights, pl.Series), {"same": "floats"}),
        "read-only": (Weights(random_weights, read_only), {"same": "floats"}),
        "ones": (Weights(ones), {"same": "none", "pins": NO_FOREST}),
        "zero": (Weights(ones, lambda w: w * 0), WRONG),
        "negative": (Weights(random_weights, spoil(-1.0, float)), WRONG),
        "NaN": (Weights(random_weights, spoil(np.nan, float)), WRONG),
        "NA": (Weights(whole, lambda w: pd.Series(spoil(pd.NA)(w), dtype="Float64")), WRONG),
        "inf": (Weights(random_weights, spoil(np.inf, float)), WRONG),
        "too short": (Weights(random_weights, lambda w: w[:-1]), WRONG),
        "one": (Weights(random_weights, lambda w: w[:1]), WRONG),
        "two columns": (Weights(random_weights, lambda w: np.c_[w, w]), WRONG),
        "text": (Weights(random_weights, lambda w: np.full(len(w), "much")), WRONG),
    }
)

# -- teachers --------------------------------------------------------------------------


STOP = "the power went out"


def numbers(X):
    """Return rows of any container as float64, and holes as zeros: stubs take everything."""
    try:
        X = X.toarray() if sparse.issparse(X) else X
        X = X.to_pandas() if hasattr(X, "to_pandas") else X
        pandas = hasattr(X, "iloc")
        X = X.to_numpy(float, na_value=np.nan) if pandas else np.asarray(X, dtype=float)
        return np.nan_to_num(X.reshape(len(X), X.shape[1]))
    except Exception as error:
        raise ValueError(STOP) from error


class Centroids(ClassifierMixin, BaseEstimator):
    """softmax(-distance² / 20) to the means of the classes: what every stub below says."""

    def fit(self, X, y):
        X, y = numbers(X), np.asarray(y)
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == c].mean(axis=0) for c in self.classes_])
        return self

    def _proba(self, X):
        distance = ((numbers(X)[:, None] - self.means_) ** 2).sum(axis=2)
        return softmax(-distance / 20, axis=1)

    def predict_proba(self, X):
        return self._proba(X)

    def predict(self, X):
        return self.classes_[self._proba(X).argmax(axis=1)]


class Speaker(Centroids):
    """Says it in another form: see OUTPUTS."""

    def __init__(self, form):
        self.form = form

    def predict_proba(self, X):
        return OUTPUTS[self.form].build(self._proba(X), self.classes_)


class Client:
    """A loaded model or a service: answers, and has no fit."""

    def __init__(self, teacher):
        self._teacher = teacher
        if hasattr(teacher, "classes_"):
            self.classes_ = teacher.classes_

    def predict_proba(self, X):
        return self._teacher.predict_proba(X)


def one_wrong(value):
    def build(P, classes):
        P = P.copy()
        P[0, 0] = value
        return P

    return build


def shuffled_frame(P, classes, names=None, make=pd.DataFrame):
    order = np.roll(np.arange(len(classes)), 1)
    names = classes if names is None else names
    return make(dict(zip(np.asarray(names)[order].tolist(), P[:, order].T, strict=True)))


def text_frame(make):
    return lambda P, classes: shuffled_frame(P, classes, classes.astype(str), make)


def of_p(function, **settings):
    return (lambda P, classes: function(P)), settings


def one_hot(P):
    return np.eye(P.shape[1])[P.argmax(axis=1)]


ROUGH = {"tol": 6e-2, "pins": {"student": ["logistic"], "rows": ["usual"]}}

#: What predict_proba, or teacher_output, may look like.
OUTPUTS = options(
    {
        "ndarray": of_p(np.array),
        "list": of_p(np.ndarray.tolist),
        "Fortran": of_p(np.asfortranarray),
        "read-only": of_p(read_only),
        "matrix": of_p(np.asmatrix),
        "object": of_p(dtype(object)),
        "float32": of_p(dtype("float32"), tol=1e-4),
        "float16": of_p(dtype("float16"), **ROUGH),
        "longdouble": of_p(dtype("longdouble")),
        "csr": of_p(sparse.csr_array),
        "coo": of_p(sparse.coo_matrix),
        "dok": of_p(sparse.dok_array),
        "tensor": of_p(torch.as_tensor),
        "tensor with grad": of_p(lambda P: torch.as_tensor(P).requires_grad_()),
        "half tensor": of_p(lambda P: torch.as_tensor(P).half(), **ROUGH),
        "masked, nothing": of_p(np.ma.MaskedArray),
        "frame": shuffled_frame,
        "frame, text": text_frame(pd.DataFrame),
        "frame, numbered": of_p(pd.DataFrame),
        "frame of other names": of_p(lambda P: pd.DataFrame(P).add_prefix("p")),
        "polars": text_frame(pl.DataFrame),
        "pyarrow": text_frame(pa.table),
    },
    same="ndarray",
)
OUTPUTS |= options(
    {
        "masked": of_p(lambda P: np.ma.masked_less(P, 0.01)),
        "bfloat16 tensor": of_p(lambda P: torch.as_tensor(P).bfloat16()),
        "one-hot": of_p(one_hot),
        "one-hot, ints": of_p(lambda P: one_hot(P).astype(int), same="one-hot"),
        "one-hot, bool": of_p(lambda P: one_hot(P).astype(bool), same="one-hot"),
        "uniform": of_p(lambda P: P * 0 + 1 / P.shape[1]),
    }
)
OUTPUTS |= options(
    {
        "columns swapped": of_p(
            # 48 rows of five classes that overlap are too few to prove it.
            lambda P: np.roll(P, 1, axis=1),
            says="first choice",
            pins={"rows": ["usual"], "classes": ["2", "3"]},
        ),
        "masked nonsense": of_p(lambda P: np.ma.MaskedArray(P, P > 0.9, fill_value=0)),
        "complex": of_p(lambda P: P + 0.1j),
        "(n,)": of_p(lambda P: P[:, -1]),
        "(n, 1)": of_p(lambda P: P[:, -1:]),
        "labels": of_p(lambda P: P.argmax(axis=1)),
        "transposed": of_p(np.transpose),
        "3-d": of_p(lambda P: P[:, :, None]),
        "one row": of_p(lambda P: P[:1]),
        "row missing": of_p(lambda P: P[:-1]),
        "column missing": of_p(lambda P: P[:, :-1]),
        "column too many": of_p(lambda P: np.c_[P, P[:, 0]]),
        "NaN": one_wrong(np.nan),
        "inf": one_wrong(np.inf),
        "negative": one_wrong(-0.5),
        "sums to 3": of_p(lambda P: P * 3),
        "percent": of_p(lambda P: P * 100),
        "logarithms": of_p(np.log),
        "zeros": of_p(lambda P: P * 0),
        "words": of_p(lambda P: np.full(P.shape, "likely")),
        "None": of_p(lambda P: None),
        "scalar": of_p(lambda P: 0.5),
        "sets": of_p(lambda P: [set(p) for p in P]),
        "frame, one class twice": of_p(
            lambda P: pd.DataFrame(P, columns=[0] * P.shape[1]), pins={"y": ["int", "list"]}
        ),
    },
    wrong=True,
)


class Deviant(Centroids):
    """Does something else in ``fit`` or ``predict_proba``: see DEEDS."""

    def __init__(self, deed):
        self.deed = deed

    def fit(self, X, y):
        super().fit(X, y)
        return DEEDS[self.deed].build(self, "fit", X, y, self)

    def predict_proba(self, X):
        return DEEDS[self.deed].build(self, "ask", X, None, self._proba(X))


def classes_become(function):
    def build(self, method, X, y, result):
        if method == "fit":
            self.classes_, self.means_ = function(self.classes_, self.means_)
        return result

    return build


def spoil_rows(where):
    def build(self, method, X, y, result):
        if method == where and isinstance(X, np.ndarray):
            X[...] = 0
        if method == where and hasattr(X, "iloc"):
            X.iloc[:, 0] = 0
        return result

    return build


def stop(when):
    def build(self, method, X, y, result):
        if when(method, X):
            raise RuntimeError(STOP)
        return result

    return build


def roll_dice(self, method, X, y, result):
    np.random.random(3)  # noqa: NPY002
    torch.rand(2)
    return result


def without_classes(self, method, X, y, result):
    vars(self).pop("classes_", None)
    return result


def return_none(self, method, X, y, result):
    return None if method == "fit" else result


def extra_class(far):
    def build(classes, means):
        new = "zoo" if classes.dtype.kind in "UO" else classes[-1:] * 0 + 99
        return np.r_[classes, np.ravel(new)], np.r_[means, means[:1] + far]

    return build


SPOILS = {"says": "chang|modif|mutat|wrote|overwr", "same": "ndarray"}
SAYS_MORE = "which y does not have"

#: What a teacher may do beside. The excuse of damage is that we say so, or that it is its own.
DEEDS = options(
    {
        "no classes_": (without_classes, {"same": "ndarray"}),
        "classes_ as list": (
            classes_become(lambda c, m: (c.tolist(), m)),
            {"same": "ndarray"},
        ),
        "unsorted": (classes_become(lambda c, m: (c[::-1], m[::-1])), {"same": "ndarray"}),
        "far class more": (classes_become(extra_class(1e3)), {"same": "ndarray"}),
        "near class more": (classes_become(extra_class(0)), WRONG | {"says": SAYS_MORE}),
        "class less": (classes_become(lambda c, m: (c[:-1], m[:-1])), WRONG),
        "classes_ as text": (
            classes_become(lambda c, m: (np.array([f"class {n}" for n in c]), m)),
            WRONG,
        ),
        "classes_ empty": (classes_become(lambda c, m: ([], m)), WRONG),
        "classes_ of two targets": (classes_become(lambda c, m: ([c, c], m)), WRONG),
        "fit returns None": (return_none, {"same": "ndarray"}),
        "spoils X when asked": (spoil_rows("ask"), SPOILS),
        "spoils X in fit": (spoil_rows("fit"), SPOILS),
        "raises when asked": (stop(lambda method, X: method == "ask"), WRONG),
        "raises in a fold": stop(lambda method, X: method == "fit" and len(X) < 48),
        "rolls dice": (roll_dice, {"says": "generator", "same": "ndarray"}),
    }
)


def module(n_in, n_out, last=(), seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(n_in, 8), nn.ReLU(), nn.Linear(8, n_out), *last)


def linear_module(centroids):
    """Return a module with the very probabilities of a stub, as logits; it comes in train mode."""
    layer = nn.Linear(4, len(centroids.means_))
    with torch.no_grad():
        layer.weight[:] = torch.as_tensor(centroids.means_ / 10)
        layer.bias[:] = torch.as_tensor(-(centroids.means_**2).sum(axis=1) / 20)
    return nn.Sequential(nn.Dropout(0.5), layer)


def net(n_in=4, n_out=3, cls=NeuralNetClassifier, last=(), **settings):
    defaults = {"max_epochs": 3, "lr": 0.05, "verbose": 0, "criterion": nn.CrossEntropyLoss}
    torch_module = module(n_in, n_out, last)
    return cls(torch_module, **(defaults | {"iterator_train__shuffle": True} | settings))


def columns(last):
    """Return a Pipeline for frames of mixed columns, and for arrays too."""
    to_numbers = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    return make_pipeline(to_numbers, StandardScaler(), last)


QUIET = {"n_estimators": 5, "random_state": 0, "n_jobs": 1}
EXACT = {"algorithm": "brute", "metric": "manhattan"}  # so that ties are ties in every dtype
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
LOGISTIC = LogisticRegression(C=0.1, tol=1e-9, max_iter=3000)
HIST = HistGradientBoostingClassifier(
    max_iter=4, min_samples_leaf=3, random_state=0, categorical_features="from_dtype"
)
BOOSTERS = {
    "xgboost": XGBClassifier(max_depth=2, **QUIET),
    "lightgbm": LGBMClassifier(min_child_samples=3, verbose=-1, num_leaves=4, **QUIET),
    "catboost": CatBoostClassifier(
        iterations=4, depth=2, verbose=0, allow_writing_files=False, thread_count=1, random_seed=0
    ),
}
MODELS = {
    "forest": RandomForestClassifier(max_depth=4, **QUIET),
    "logistic": LOGISTIC,
    "nb": GaussianNB(var_smoothing=0.1),
    "lda": LinearDiscriminantAnalysis(),
    "svc": SVC(C=0.1, random_state=0),
    "knn": KNeighborsClassifier(5, **EXACT),
    "voting": VotingClassifier([("nb", GaussianNB()), ("tree", TREE)], voting="soft"),
    "pipeline": make_pipeline(StandardScaler(), LOGISTIC),
    "columns": columns(LOGISTIC),
    "text": make_pipeline(CountVectorizer(token_pattern=r"\w+"), LOGISTIC),
    **BOOSTERS,
}


@dataclass(frozen=True)
class Teacher:
    """How a model comes: fitted on rows of its own, unfitted, without ``fit``, or as numbers."""

    model: object
    comes: str

    def __call__(self, made):
        if self.comes == "unfitted":
            return clone(self.model), {}
        fitted, forms = None, (made.form, np.array, as_words)
        for form in forms[1:] if self.comes == "as numbers" else forms:
            with contextlib.suppress(Exception):  # a teacher of other rows is one, too
                fitted = fitted or self.fitted(form(made.raw.X_teacher), made.labels_teacher)
        if self.comes == "as numbers":
            return None, {"teacher_output": fitted.predict_proba(made.raw.X)}
        return (Client(fitted) if self.comes == "without fit" else fitted), {}

    def fitted(self, X, y):
        model = clone(self.model)
        model.fit(X, y)
        return model


def of_module(made):
    return linear_module(Centroids().fit(made.raw.X_teacher, made.raw.codes_teacher)), {}


def of_net(made):
    model = net(n_out=made.n_classes)
    return model.fit(made.raw.X_teacher.astype(np.float32), made.raw.codes_teacher), {}


def spoken(table, speaker, base):
    """Make an option of each output or deed, and of each way in which a teacher comes."""
    made = {}
    for name, option in table.items():
        for comes in ("fitted", "unfitted", "without fit", "as numbers"):
            model = speaker(name)
            if isinstance(model, Deviant) and comes == "as numbers":
                continue
            same = option.same and f"says {option.same}, {comes}"
            if name == base and comes == "without fit":
                same = f"says {base}, fitted"
            pins = option.pins | ({"unlabeled": ["none"]} if comes == "as numbers" else {})
            made[f"says {name}, {comes}"] = replace(
                option, build=Teacher(model, comes), same=same, pins=pins, common=name == base
            )
    return made


SANE = {"weight": ["none", "floats", "whole"]}  # libsvm and liblinear never end with 1e300
POSITIONS = {"y": ["int", "list", "pandas"]}
TEACHERS = {
    f"{name}, {comes}": Option(
        Teacher(model, comes),
        common=name in ("forest", "logistic", "nb"),
        pins=POSITIONS if name == "xgboost" else SANE if name == "svc" else {},
        traits=("ties" if name in BOOSTERS else "")
        + (" hand" if comes == "fitted" and hasattr(model, "predict_proba") else ""),
    )
    for name, model in MODELS.items()
    for comes in ("fitted", "unfitted")
}
TEACHERS |= spoken(OUTPUTS, Speaker, "ndarray") | spoken(DEEDS, Deviant, "")
TEACHERS |= {
    "module": Option(
        of_module,
        same="says ndarray, fitted",
        tol=1e-3,
        pins=POSITIONS | {"student": ["logistic", "nb", "ridge", "module"]},
    ),
    "net, fitted": Option(of_net, pins=POSITIONS | {"X": ["float32"]}),
    "regressor": Option(Teacher(LinearRegression(), "fitted"), wrong=True, pins=POSITIONS),
    "a class": Option(lambda made: (GaussianNB, {}), wrong=True),
    "a function": Option(lambda made: (np.sin, {}), wrong=True),
    "a list": Option(lambda made: ([GaussianNB(), TREE], {}), wrong=True),
    "none": Option(lambda made: (None, {}), wrong=True),
}

# -- students: traits are what the judge may expect of them ----------------------------

NETS = {"pins": {"rows": ["usual", "rare class"]}, "traits": "net weak"}


def always(student, traits="", **settings):
    return (lambda n_classes: clone(student)), {"traits": traits} | settings


STUDENTS = options(
    {
        "tree": always(TREE, common=True),
        "logistic": always(LOGISTIC, "hand smooth", common=True),
        "nb": always(MODELS["nb"], "hand smooth", common=True),
        "ridge": always(Ridge(), "smooth", common=True),
        "linear": always(LinearRegression(), "smooth"),
        "tree regressor": always(DecisionTreeRegressor(max_depth=3, random_state=0)),
        "trees regressor": always(ExtraTreesRegressor(5, random_state=0)),
        "svr": always(SVR(), pins=SANE),
        "knn regressor": always(KNeighborsRegressor(3, **EXACT), "ties"),
        "knn": always(KNeighborsClassifier(3, **EXACT), "ties", common=True),
        "lda": always(LinearDiscriminantAnalysis()),
        "forest": always(MODELS["forest"]),
        "hist": always(HIST),
        "hist, early": always(clone(HIST).set_params(early_stopping=True), "weak"),
        "adaboost": always(AdaBoostClassifier(n_estimators=3, random_state=0), "weak"),
        "bagging": always(BaggingClassifier(TREE, 3, oob_score=True, random_state=0), "weak"),
        "sgd": always(SGDClassifier(loss="log_loss", random_state=0), "weak"),
        "mlp, early": always(
            MLPClassifier((4,), early_stopping=True, max_iter=5, random_state=0), "weak"
        ),
        "svc": always(SVC(probability=True, random_state=0), "weak loose", pins=SANE),
        "linear svc": always(LinearSVC(random_state=0), "weak", pins=SANE),
        "calibrated": always(CalibratedClassifierCV(GaussianNB(), cv=2), "weak loose"),
        "search": always(GridSearchCV(TREE, {"max_depth": [1, 2]}, cv=2), "weak"),
        "voting": always(MODELS["voting"], "weak"),
        "scaled": always(MODELS["pipeline"]),
        "columns": always(columns(TREE)),
        "text": always(MODELS["text"], "weak"),
        "tree, balanced": always(clone(TREE).set_params(class_weight="balanced"), "weak"),
        "logistic, weighted": always(
            clone(LOGISTIC).set_params(class_weight={0: 1, 1: 5}), "weak", pins=POSITIONS
        ),
        **{name: always(model) for name, model in BOOSTERS.items()},
        "module": (lambda n_classes: module(4, n_classes), NETS),
        "net": (lambda n_classes: net(n_out=n_classes), NETS),
        "net, softmax": (
            lambda n_classes: net(n_out=n_classes, last=[nn.Softmax(1)], criterion=nn.NLLLoss),
            NETS,
        ),
        "net, binary": (
            lambda n_classes: net(
                n_out=1, cls=NeuralNetBinaryClassifier, criterion=nn.BCEWithLogitsLoss
            ),
            NETS | {"pins": BINARY},
        ),
        "none": (
            lambda n_classes: None,
            NETS | {"traits": "net weak ties"},
        ),  # sparse: scaled only
        "transformer": always(StandardScaler(), wrong=True),
        "a class": ((lambda n_classes: GaussianNB), WRONG),
        "bad setting": always(DecisionTreeClassifier(max_depth=-3), wrong=True),
    }
)

# -- everything else -------------------------------------------------------------------


def few(n_per_class):
    def select(codes):
        return np.sort(np.r_[tuple(np.flatnonzero(codes == c)[:n_per_class] for c in set(codes))])

    return select


ROWS = options(
    {
        "usual": (lambda codes: np.arange(len(codes)), {"common": True}),
        "rare class": lambda codes: np.r_[
            np.flatnonzero(codes > 0), np.flatnonzero(codes == 0)[0]
        ],
        "two of each": few(2),
        "one of each": few(1),
        "sorted": lambda codes: np.argsort(codes, kind="stable"),
        "one": (lambda codes: np.arange(1), WRONG),
        "none": (lambda codes: np.arange(0), WRONG),
    }
)
FRAMES = {"X": ["pandas"]}
PLAIN_X = {"X": ["ndarray", "pandas", "csr_matrix"]}
UNLABELED = options(
    {
        "none": (lambda made: None, {"common": True}),
        "some": (lambda made: made.form(made.raw.X_more), {"common": True}),
        "as many as X": lambda made: made.form(made.raw.X[::-1]),
        "one": lambda made: made.form(made.raw.X_more[:1]),
        "no rows": (lambda made: made.form(made.raw.X_more[:0]), {"same": "none"}),
        "another container": lambda made: made.raw.X_more.tolist(),
        "ndarray": lambda made: made.raw.X_more,
        "float32": lambda made: made.raw.X_more.astype("float32"),
        "NaN": (lambda made: made.form(with_hole(made.raw.X_more)), {"pins": PLAIN_X}),
        "wider": (lambda made: np.c_[made.raw.X_more, made.raw.X_more], WRONG),
        "columns in another order": (
            lambda made: made.form(made.raw.X_more)[list("dcba")],
            WRONG | {"pins": FRAMES},
        ),
        "text": (lambda made: "all of them", WRONG),
    }
)
ASKED = options(
    {
        "usual": (lambda made: made.form(made.raw.X_new), {"common": True}),
        "one row": lambda made: made.form(made.raw.X_new[:1]),
        "no rows": lambda made: made.form(made.raw.X_new[:0]),
        "ndarray": lambda made: made.raw.X_new,
        "list": lambda made: made.raw.X_new.tolist(),
        "NaN": (lambda made: made.form(with_hole(made.raw.X_new)), {"pins": PLAIN_X}),
        "wider": (
            lambda made: np.c_[made.raw.X_new, made.raw.X_new],
            WRONG | {"pins": {"X": ["ndarray"]}},
        ),
        "columns in another order": (
            lambda made: made.form(made.raw.X_new)[list("dcba")],
            {"pins": FRAMES},
        ),
        "missing": (lambda made: None, WRONG),
    }
)
UNFITTED = {"teacher": [name for name, o in TEACHERS.items() if "unfitted" in name and o.common]}
OOF = {"pins": UNFITTED | {"alpha": ["0.5", "1"]}}


def halves(made):
    n = len(made.raw.codes)
    return [(np.arange(i, n, 2), np.arange(1 - i, n, 2)) for i in (0, 1)]


CV = options(
    {
        "none": (lambda made: None, {"common": True}),
        "3": lambda made: 3,
        "splitter": lambda made: StratifiedKFold(2),
        "unshuffled": lambda made: KFold(3),
        "list": halves,
        "iterator": (lambda made: iter(halves(made)), {"same": "list"}),
        "in-sample": lambda made: "in-sample",
        "forward": lambda made: TimeSeriesSplit(3),
        "groups": (lambda made: GroupKFold(2), WRONG | OOF),
        "too many": (lambda made: 999, OOF),
        "1": (lambda made: 1, WRONG),
        "word": (lambda made: "loo", WRONG),
        "out of range": (lambda made: [(np.arange(9), np.arange(9, 999))], WRONG | OOF),
        "empty": (lambda made: [], WRONG | OOF),
    }
)
ALPHA = options(
    {a: (float(a), {"common": a in ("0.5", "1")}) for a in ("0.5", "1", "0", "1e-6", "0.9")}
)
ALPHA |= options({"float32": np.float32(0.5)}, same="0.5")
ALPHA |= options({"auto": "auto"})
ALPHA |= options({"2": 2, "word": "half", "NaN": np.nan}, wrong=True)
TEMPERATURES = options(
    {
        t: (float(t), {"common": t in ("1", "2")})
        for t in ("2", "1", "0.5", "8", "1e-3", "1e6", "1e300")
    }
)
TEMPERATURES |= options({"auto": "auto"})
TEMPERATURES |= options({"0": 0, "negative": -1, "inf": np.inf, "NaN": np.nan}, wrong=True)
JOBS = options({"none": (None, {"common": True})}) | options(
    {"threading": 2, "memory": None, "loky": (2, {"pins": UNFITTED})}, same="none"
)
CLASSES = options({"3": (3, {"common": True}), "2": (2, {"common": True}), "5": 5})

# -- relations between two fits --------------------------------------------------------


def permute_classes(raw):
    old, order = raw.names, np.array([2, 0, 1, 4, 3])
    return replace(raw, codes=order[raw.codes], codes_teacher=order[raw.codes_teacher], names=old)


def permute_rows(raw):
    order = np.random.default_rng(1).permutation(len(raw.codes))
    weight = None if raw.weight is None else raw.weight[order]
    return replace(raw, X=raw.X[order], codes=raw.codes[order], weight=weight)


def permute_columns(raw):
    names = ("X", "X_new", "X_more", "X_teacher")
    return replace(raw, **{name: getattr(raw, name)[:, [2, 0, 3, 1]] for name in names})


def repeat_rows(raw):
    times = raw.weight.astype(int)
    return replace(
        raw, X=np.repeat(raw.X, times, axis=0), codes=np.repeat(raw.codes, times), weight=None
    )


def relabel(raw):
    return replace(raw, names=lambda codes: codes * 10 - 13)


SMOOTH = [name for name, option in STUDENTS.items() if "smooth" in option.traits]
USUAL = {
    "X": ["ndarray"],
    "y": ["int"],
    "unlabeled": ["none"],
    "asked": ["usual"],
    "classes": ["3"],
    "rows": ["usual"],
    "student": SMOOTH,
    "teacher": ["says ndarray, fitted", "nb, fitted", "logistic, fitted"],
    "cv": ["none"],
    "jobs": ["none"],
}
# naive Bayes smooths by the variance of the rows, whatever they weigh
REPEATABLE = {"weight": ["whole"], "student": ["logistic", "ridge", "linear"]}
ANY_LABELS = [name for name in list(STUDENTS)[:-3] if "weighted" not in name]
RELATIONS = options({"none": (None, {"common": True})}) | options(
    {
        "relabel": (
            relabel,
            {"pins": USUAL | {"student": ANY_LABELS}, "tol": 1e-9},
        ),
        "permuted classes": (permute_classes, {"pins": USUAL, "tol": 1e-4}),
        "permuted rows": (permute_rows, {"pins": USUAL, "tol": 1e-4}),
        "permuted columns": (permute_columns, {"pins": USUAL, "tol": 1e-4}),
        "repeats": (repeat_rows, {"pins": USUAL | REPEATABLE, "tol": 1e-4}),
        "refit": (lambda raw: raw, {"tol": 1e-12}),
    }
)
AXES = {
    "X": X_FORMS,
    "y": LABELS,
    "teacher": TEACHERS,
    "student": STUDENTS,
    "weight": WEIGHTS,
    "unlabeled": UNLABELED,
    "alpha": ALPHA,
    "temperature": TEMPERATURES,
    "cv": CV,
    "jobs": JOBS,
    "rows": ROWS,
    "asked": ASKED,
    "classes": CLASSES,
    "relation": RELATIONS,
}

# -- cases -----------------------------------------------------------------------------

PLAIN = {axis: next(iter(table)) for axis, table in AXES.items()} | {
    "teacher": "says ndarray, fitted"
}
SHARES = {"X": 5, "y": 4, "teacher": 7, "student": 4, "weight": 3}
SLOW = {"loky": 0.04}


@dataclass(frozen=True)
class Case:
    """One option of every axis, by name; ``focus`` is the axis that it is about."""

    choices: tuple
    focus: str = "given"
    seed: int = 0

    @classmethod
    def of(cls, choices, focus="given", seed=0):
        return cls(tuple((axis, choices[axis]) for axis in AXES), focus, seed)

    @classmethod
    def parse(cls, text):
        """Make the case that prints as ``text``."""
        pairs = re.findall(r"(\w+)=((?:(?!, \w+=).)*)", text)
        seed = int(dict(pairs).get("seed", 0))
        return cls.of(PLAIN | {k: v for k, v in pairs if k in AXES}, seed=seed)

    def __getitem__(self, axis):
        return dict(self.choices)[axis]

    def __str__(self):
        odd = [f"{axis}={name}" for axis, name in self.choices if name != PLAIN[axis]]
        return ", ".join([*odd, f"seed={self.seed}"])

    def option(self, axis):
        return AXES[axis][self[axis]]

    def value(self, axis):
        return self.option(axis).build

    def but(self, **choices):
        return Case.of(dict(self.choices) | choices, self.focus, self.seed)

    def plain(self):
        """Return the case that must give the same result."""
        same = {axis: self.option(axis).same or self[axis] for axis in AXES}
        return self.but(**same)

    def asks_teacher(self):
        return self["alpha"] != "0"

    def matters(self, axis):
        """Tell whether an option of this axis is looked at at all."""
        if axis in ("teacher", "cv") and not self.asks_teacher():
            return False
        return axis != "cv" or "unfitted" in self["teacher"]


def cases(n, seed=0):
    """Return n different cases: each about one axis, the others mostly as usual."""
    rng = random.Random(seed)
    foci = [axis for axis in AXES for _ in range(SHARES.get(axis, 1))]
    queues = {axis: [] for axis in AXES}
    found = {}
    while len(found) < n:
        axis = foci[len(found) % len(foci)]
        if not queues[axis]:
            queues[axis] = rng.sample(sorted(AXES[axis]), len(AXES[axis]))
        name = queues[axis].pop()
        if rng.random() > SLOW.get(name, 1) or (name in SLOW and n < 1000):
            continue
        choices = _around(axis, name, rng)
        if not _fit_together(choices):
            continue
        case = Case.of(choices, axis, seed=rng.randrange(4))
        found.setdefault(case.choices, case)
    return list(found.values())


def _fit_together(choices):
    """Tell whether every option finds the others as it pins them: two may pin the same axis."""
    pins = (AXES[axis][name].pins.items() for axis, name in choices.items())
    return all(choices[other] in allowed for own in pins for other, allowed in own)


def _around(axis, name, rng):
    """Choose the other axes: what the option pins, else mostly what is common."""
    chosen = {axis: name}
    pins = dict(AXES[axis][name].pins)
    for other in sorted(AXES, key=lambda a: rng.random()):
        if other in chosen:
            continue
        table = AXES[other]
        common = [k for k, option in table.items() if option.common] or list(table)
        odd = [k for k, option in table.items() if not option.wrong]
        pool = odd if rng.random() < 0.1 else common
        pool = [k for k in pool if k not in SLOW]
        pick = rng.choice(pins.get(other) or pool)
        if any(chosen.get(k, v[0]) not in v for k, v in table[pick].pins.items()):
            pick = rng.choice(pins.get(other) or common)
        chosen[other] = pick
        if other not in pins:
            for key, allowed in table[pick].pins.items():
                if key not in chosen:
                    pins.setdefault(key, allowed)
    return chosen


# -- running one -----------------------------------------------------------------------


class Made:
    """What a case passes to the estimator."""

    def __init__(self, case, make=DistillationClassifier, relation=None):
        self.case, self.n_classes = case, case.value("classes")
        labels, weights = case.value("y"), case.value("weight")
        raw = draw(self.n_classes, case.seed, labels.names, weights and weights.values)
        self.raw = raw = (relation or (lambda raw: raw))(raw)
        self.form = case.value("X")
        rows = case.value("rows")(raw.codes)
        self.X, self.y = self.form(raw.X[rows]), labels.form(raw.names(raw.codes[rows]))
        self.weight = None if raw.weight is None else weights.form(raw.weight[rows])
        self.raw.X, self.raw.codes = raw.X[rows], raw.codes[rows]
        self.raw.weight = None if raw.weight is None else raw.weight[rows]
        self.labels_teacher = raw.names(raw.codes_teacher)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.teacher, extra = case.value("teacher")(self)
        self.student = case.value("student")(self.n_classes)
        self.X_more, self.X_new = case.value("unlabeled")(self), case.value("asked")(self)
        self.fit = {"sample_weight": self.weight, "X_unlabeled": self.X_more} | extra
        network = self.student is None or isinstance(self.student, nn.Module)
        self.model = make(
            self.teacher,
            self.student,
            alpha=case.value("alpha"),
            temperature=case.value("temperature"),
            cv=case.value("cv")(self),
            n_jobs=case.value("jobs"),
            memory=tempfile.mkdtemp(dir=SCRATCH.name) if case["jobs"] == "memory" else None,
            strategy=GradientTraining(max_epochs=3) if network else "auto",
            random_state=0,
        )

    def watched(self):
        """Return what must not change, by name."""
        params = {k: v for k, v in self.model.get_params(deep=False).items() if k != "cv"}
        data = {"X": self.X, "y": self.y, "weights": self.weight, "X_unlabeled": self.X_more}
        output = self.fit.get("teacher_output")
        return params | data | {"X_new": self.X_new, "teacher_output": output}


@dataclass
class Outcome:
    """What came of a case."""

    made: Made
    error: Exception | None = None
    fitted: bool = False
    proba: np.ndarray | None = None
    labels: np.ndarray | None = None
    classes: np.ndarray | None = None
    said: list = field(default_factory=list)
    damage: list = field(default_factory=list)


def fingerprint(thing):
    """Return a hash of all that a model or a container holds."""
    if isinstance(thing, pd.DataFrame | pd.Series):  # their caches are no content
        table = pd.DataFrame(thing)
        content = (table.columns, table.index, table.dtypes, table.to_numpy(object))
        return repr([part.tolist() for part in content])
    if sparse.issparse(thing):  # neither are its flags
        return joblib.hash((thing.format, thing.dtype, thing.toarray()))
    modules = [thing] if isinstance(thing, nn.Module) else []
    if hasattr(thing, "module_"):
        modules = [thing.module_]
    flags = [
        (m.training, p.requires_grad)
        for M in modules
        for m in M.modules()
        for p in [next(m.parameters(), torch.zeros(1))]
    ]
    states = [{k: v.numpy() for k, v in M.state_dict().items()} for M in modules]
    for digest in (joblib.hash, pickle.dumps):
        try:
            return digest((flags, states or thing))
        except (pickle.PicklingError, TypeError, AttributeError, ValueError):
            pass  # joblib cannot hash masked arrays, and nobody pickles a lambda
    return repr(thing)


def environment():
    """Return what is global: generators, threads, settings."""
    return {
        "NumPy's generator": joblib.hash(np.random.get_state()),  # noqa: NPY002
        "Python's generator": hash(random.getstate()),
        "torch's generator": joblib.hash(torch.get_rng_state().numpy()),
        "torch's threads": torch.get_num_threads(),
        "scikit-learn's settings": repr(sklearn.get_config()),
        "NumPy's error state": repr(np.geterr()),
    }


def run(case, make=DistillationClassifier, relation=None):
    """Fit and predict; note what was said and what was changed."""
    made = Made(case, make, relation)
    outcome = Outcome(made)
    before = {name: fingerprint(thing) for name, thing in made.watched().items()}
    attributes, world = dict(vars(made.model)), environment()
    backend = {"threading": "threading", "loky": "loky"}.get(case["jobs"])
    with warnings.catch_warnings(record=True) as said, joblib.parallel_config(backend or "loky"):
        warnings.simplefilter("always")
        try:
            made.model.fit(made.X, made.y, **made.fit)
            outcome.fitted = True
            read(made.model, made.X_new, outcome)
        except Exception as error:
            outcome.error = error
    outcome.said = [str(warning.message) for warning in said]
    after = {name: fingerprint(thing) for name, thing in made.watched().items()}
    outcome.damage = [name for name in before if before[name] != after[name]]
    outcome.damage += [name for name, state in environment().items() if state != world[name]]
    kept = {k: v for k, v in vars(made.model).items() if k in attributes}
    if any(kept.get(k) is not v for k, v in attributes.items()):
        outcome.damage.append("parameters of the estimator")
    if not outcome.fitted and vars(made.model).keys() != attributes.keys():
        outcome.damage.append("attributes left by a fit that failed")
    return outcome


def read(model, X, outcome):
    outcome.labels, outcome.classes = model.predict(X), model.classes_
    outcome.proba = model.predict_proba(X) if hasattr(model, "predict_proba") else None


@lru_cache(maxsize=256)
def reference(case, make):
    return run(case, make)


# -- judging ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    kind: str
    why: str


RAISES = ("RAISE_VARARGS", "RERAISE")
PRIVATE = re.compile(r"BaseDistillation|(?<![\w.])_\w+\b|\w\._[a-z]|0x[0-9a-f]{6}")
BENIGN = {"temperature": {"0.5", "1", "2", "8", "auto"}, "alpha": {"0.5", "0.9", "1", "auto"}}
BENIGN |= {"weight": {"none", "floats", "whole", "heavy class"}, "rows": {"usual"}}
BENIGN |= {"unlabeled": {"none"}, "X": {"ndarray", "pandas"}, "asked": {"usual"}}


def judge(case, make=DistillationClassifier):
    """Return the verdict on a case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _judge(case, make)


def _judge(case, make):
    outcome = run(case, make)
    damage = excused(case, outcome)
    if damage:
        return Verdict("damaged", f"{', '.join(damage)}; error: {outcome.error!r}")
    if outcome.error is not None:
        return of_refusal(outcome)
    # By alpha=0, or by the rules.
    unasked = outcome.made.model.label_source_ is None and outcome.made.X_more is None
    wrong = [
        axis
        for axis in AXES
        if case.option(axis).wrong
        and case.matters(axis)
        and not (unasked and axis in ("teacher", "cv"))
    ]
    if wrong:
        patterns = "|".join(case.option(axis).says for axis in wrong)
        if any(re.search(patterns, text) for text in outcome.said):
            return Verdict("right", "said")
        if as_bare_accepts(outcome, wrong):
            return Verdict("right", "as bare")
        return Verdict("silent", f"accepted: {', '.join(f'{a}={case[a]}' for a in wrong)}")
    for oracle in ORACLES:
        fault = oracle(case, outcome, make)
        if fault:
            return Verdict("silent", f"{oracle.__name__}: {fault}")
    return Verdict("right", "")


def excused(case, outcome):
    """Return the damage that is not the teacher's own, was not said, and is not as bare."""
    option, damage = case.option("teacher"), outcome.damage
    texts = [*outcome.said, str(outcome.error)]
    if any(re.search(option.says, text) for text in texts):
        damage = [name for name in damage if name not in ("X", "X_unlabeled", "X_new")]
    damage = [name for name in damage if not re.search(option.says, name)]
    if "NumPy's generator" in damage:  # SVR draws from it, and has no seed
        raw, before = outcome.made.raw, environment()
        with contextlib.suppress(Exception):
            clone(outcome.made.student).fit(raw.X, raw.codes)
        after = environment()
        damage = [name for name in damage if before.get(name) == after.get(name)]
    return damage


def of_refusal(outcome):
    error, text = outcome.error, str(outcome.error)
    path, number, raised = innermost(error)
    proper = isinstance(error, ValueError | TypeError)
    note = f"{type(error).__name__}: {text[:400]} [{Path(path).name}:{number}]"
    if path.startswith(PACKAGE) and raised and proper:
        faults = []
        if len(text) > 300:
            faults.append(f"{len(text)} characters")
        if PRIVATE.search(text):
            faults.append(f"private: {PRIVATE.search(text)[0]}")
        return Verdict("unclear" if faults else "refused", "; ".join([*faults, note]))
    if proper and re.search("/sklearn/(utils/|model_selection/_split)", path):
        return Verdict("refused", note)
    if STOP in text or raises_bare(outcome.made, error):
        return Verdict("refused", f"as bare {note}")
    return Verdict("unclear", note)


def innermost(error):
    """Return file, line number, and whether it was a raise statement; in a worker too."""
    step = error.__traceback__
    while step.tb_next:
        step = step.tb_next
    code = step.tb_frame.f_code
    told = re.findall(r'File "(.+)", line (\d+), in .*\n +(.*)', str(error.__cause__))
    if "/joblib/" in code.co_filename and told:
        return told[-1][0], told[-1][1], told[-1][2].startswith("raise")
    return code.co_filename, step.tb_lineno, dis.opname[code.co_code[step.tb_lasti]] in RAISES


def raises_bare(made, error):
    """Tell whether student or teacher alone raise the same for these data."""
    return any(type(e) is type(error) and gist(e) == gist(error) for e in bare_errors(made))


def gist(error):
    return re.sub(r"\W*[\d(].*", "", str(error), flags=re.S)[:60]


def bare_errors(made):
    """Give what student and teacher raise for these rows, labels and weights, one by one."""
    for model in (made.student, made.teacher):
        if not hasattr(model, "fit"):
            attempts = [lambda X, m=model: m.predict_proba(X)] if model is not None else []
        else:
            attempts = [lambda X, m=model: fit_bare(m, made, X)]
            if made.teacher is model:
                attempts.append(lambda X, m=model: m.predict_proba(X))
        for attempt in attempts:
            for X in (made.X, made.X_more, made.X_new):
                try:
                    attempt(X)
                except Exception as error:
                    yield error
    for y in (made.y, made.raw.codes):  # boosters and regressors want numbers
        try:
            clone(made.student).fit(made.X, y).predict(made.X_new)
        except Exception as error:
            yield error


def fit_bare(model, made, X):
    """Return a bare model fitted on the case, with weights where it takes them."""
    model = clone(model)
    keyword = weight_keyword(model)
    weights = {} if keyword is None or made.weight is None else {keyword: made.weight}
    return model.fit(X, made.y, **weights)


def weight_keyword(model):
    if isinstance(model, Pipeline):
        return f"{model.steps[-1][0]}__sample_weight"
    takes = has_fit_parameter(model, "sample_weight") or isinstance(model, VotingClassifier)
    return "sample_weight" if takes else None


def as_bare_accepts(outcome, wrong):
    """Tell whether what is wrong with rows, labels or weights is taken by the bare student too."""
    made = outcome.made
    if not set(wrong) <= {"X", "y", "weight", "asked"}:
        return False
    try:
        fit_bare(made.student, made, made.X).predict(made.X_new)
    except Exception:
        return False
    return True


def contract(case, outcome, make):
    """Shapes, classes in order, probabilities that are some, labels that agree with them."""
    made, p, labels = outcome.made, outcome.proba, np.asarray(outcome.labels)
    classes = np.asarray(outcome.classes)
    meant = (
        np.unique(made.raw.names(made.raw.codes)).tolist(),
        # Without labels they are the teacher's.
        np.unique(column_or_1d(made.y) if made.y is not None else made.labels_teacher).tolist(),
    )
    if list(map(str, classes.tolist())) not in [list(map(str, names)) for names in meant]:
        return f"classes_ {classes.tolist()}, expected {meant[0]}"
    if labels.ndim != 1 or not set(labels.tolist()) <= set(classes.tolist()):
        return f"predict gives {labels[:3]!r}, of {classes!r}"
    if p is None:
        return None
    if p.shape != (len(labels), len(classes)) or not np.isfinite(p).all() or (p < 0).any():
        return f"shape {p.shape} or values"
    if off_one(p) > max(1e-6, 2 * own_error(made)):
        return "rows do not sum to one"
    own = p[np.arange(len(p)), np.searchsorted(classes, labels)]
    loose = "loose" in case.option("student").traits
    if not loose and (own < p.max(axis=1) - 1e-9).any():
        return "predict is not the most probable class"
    return None


def off_one(p):
    return np.abs(np.asarray(p, dtype=float).sum(axis=1) - 1).max(initial=0)


def own_error(made):
    """Return by how much the student itself misses one: in half precision it may."""
    try:
        return off_one(made.model.student_.predict_proba(made.X_new))
    except Exception:
        return 0.0


def apart(p, q, tol):
    """Return a text if probabilities differ by more than a tolerance."""
    if p is None or q is None:
        return "no probabilities" if (p is None) != (q is None) else None
    if p.shape != q.shape:
        return f"shapes {p.shape} and {q.shape}"
    most = np.abs(p - q).max(initial=0)
    return f"differs by {most:.2g}" if most > tol else None


def tolerance(case):
    odd = [case.option(axis).tol for axis in AXES if case.option(axis).same]
    least = 2e-3 if "net" in case.option("student").traits else 1e-4
    return max([*odd, least])


def plain_form(case, outcome, make):
    """The plain form gives the same, unless rows of this container change the bare models too."""
    plain = case.plain()
    if plain["X"] not in plain.option("asked").pins.get("X", [plain["X"]]):
        return None  # such rows to predict cannot be had in the plain form
    if plain == case or not 0.1 < outcome.made.model.temperature_ < 100:
        return None  # extreme temperatures enlarge the last bit
    other = reference(plain, make)
    if other.error is not None:
        return None
    fault = apart(outcome.proba, other.proba, tolerance(case))
    traits = case.option("student").traits + case.option("teacher").traits
    if fault and case.option("X").same and "ties" in traits:
        return None  # neighbours and boosters have an order or bins of their own in each container
    if fault and sparse.issparse(outcome.made.X):
        # Where rows are sparse trees break ties otherwise, and solvers stop elsewhere: let the
        # student have dense ones.
        inside = run(case, partial(with_dense_student, make))
        if inside.error is None and not apart(inside.proba, other.proba, tolerance(case)):
            return None
    if fault and case.option("X").same:
        # What differs in the last bit decides ties of trees and draws of labels.
        least = tolerance(case) if "smooth" in case.option("student").traits else 0
        if bare_differ(outcome.made, other.made, tolerance(case), least):
            return None
    return fault and f"{fault} from {plain}"


def with_dense_student(make, teacher, student, **settings):
    """Make a model whose student gets dense rows in place of sparse ones."""
    dense = FunctionTransformer(
        lambda X: X.toarray() if sparse.issparse(X) else X, accept_sparse=True
    )
    inside = None if student is None else make_pipeline(dense, student)
    return make(teacher, inside, **settings)


def bare_differ(made, plain, tol, tol_teacher):
    """Tell whether the bare student or teacher themselves depend on the container."""
    for name, least in (("student", tol), ("teacher", tol_teacher)):
        for part in (slice(None), slice(0, None, 2), slice(1, None, 2)):  # as folds would be
            results = []
            for one in (made, plain):
                with contextlib.suppress(Exception):
                    results.append(answer(getattr(one, name), one, part))
            if len(results) == 2 and apart(*results, least):
                return True
    return False


def answer(model, made, part):
    """Return what a bare model, fitted on a part of the rows if it is not yet, says of all."""
    raw = made.raw
    if not hasattr(model, "classes_"):
        model = clone(model).fit(made.form(raw.X[part]), raw.codes[part])
    how = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return np.asarray(getattr(model, how)(made.X), dtype=float)


def bare_student(case, outcome, make):
    """With alpha=0, given or found, it is the student alone."""
    made = outcome.made
    if made.model.alpha_ != 0:
        return None
    if not isinstance(made.student, ClassifierMixin | CatBoostClassifier):
        return None
    if "net" in case.option("student").traits or made.X_more is not None:
        return None
    try:
        bare = fit_bare(made.student, made, made.X)
        labels = np.asarray(bare.predict(made.X_new)).ravel()
        p = bare.predict_proba(made.X_new) if outcome.proba is not None else None
    except Exception:
        return None
    if p is not None:
        order = np.argsort(np.asarray(bare.classes_).astype(np.asarray(outcome.classes).dtype))
        p = p[:, order]
    if list(map(str, labels.tolist())) != list(map(str, np.asarray(outcome.labels).tolist())):
        return "labels are not those of the student alone"
    return apart(outcome.proba, p, 1e-9)


def benign(case, **less):
    """Tell whether nothing in a case keeps a student from learning."""
    return all(
        (case.option(axis).same or case[axis]) in allowed or case[axis] in allowed
        for axis, allowed in (BENIGN | less).items()
    )


def as_given(case, outcome, make):
    """What "auto" settles for gives the same when it is given."""
    if "auto" not in (case["alpha"], case["temperature"]):
        return None
    found = outcome.made.model
    settings = {"alpha": found.alpha_, "temperature": found.temperature_}
    again = run(case, lambda *args, **params: make(*args, **params | settings))
    return apart(outcome.proba, again.proba, 1e-9)


def by_hand(case, outcome, make):
    """Blend, temper, fit on one weighted copy per class, undo: in the open, for two students."""
    made, raw = outcome.made, outcome.made.raw
    teacher = case.option("teacher")
    known = "hand" in teacher.traits or (teacher.same or case["teacher"]) == PLAIN["teacher"]
    if made.model.label_source_ not in ("fitted", "given"):
        return None  # its clones, or some of its trees, have labelled the rows
    if not benign(case) or "hand" not in case.option("student").traits or not known:
        return None
    # Of half precision even the roundest numbers are to be tempered as they are.
    own = "hand" in teacher.traits or teacher.tol >= ROUGH["tol"]
    plain = made if own else Made(case.plain(), make)
    p = teacher_by_hand(plain, raw)
    alpha, T = made.model.alpha_, made.model.temperature_
    k = p.shape[1]
    m = (1 - alpha) * np.eye(k)[raw.codes] + alpha * p
    with np.errstate(divide="ignore"):
        tempered = softmax(np.log(m) / T, axis=1)
    weight = np.ones(len(m)) if raw.weight is None else raw.weight
    copies = (tempered * weight[:, None]).T.ravel()
    X, codes = np.tile(raw.X, (k, 1)), np.repeat(np.arange(k), len(m))
    student = clone(made.student).fit(X, codes, sample_weight=copies)
    log_q = np.log(np.maximum(student.predict_proba(raw.X), 1e-9))

    def loss(t):
        scaled = t * log_q
        return -(weight @ (m * (scaled - np.logaddexp.reduce(scaled, axis=1)[:, None])).sum(1))

    low, high = sorted((1.0, T))
    t = minimize_scalar(loss, bounds=(low, high), method="bounded").x if T != 1 else 1.0
    log_new = np.log(np.maximum(student.predict_proba(raw.X_new), 1e-300))
    return apart(outcome.proba, softmax(t * log_new, axis=1), 0.03)


def teacher_by_hand(made, raw):
    X = made.X if len(raw.X) == len(raw.codes) else raw.X
    p = np.asarray(made.teacher.predict_proba(X), dtype=float)
    if (p == 0).any():
        p = np.maximum(p, 2e-4 / p.shape[1])
    return p / p.sum(axis=1, keepdims=True)


def learns(case, outcome, make):
    """The classes are far apart: whoever learns at all finds most of them."""
    honest = case.option("teacher").common or case.option("teacher").same
    if (
        not benign(case, X=set(X_FORMS), weight={"none", "floats", "whole"})
        or "weak" in case.option("student").traits
        or not honest
    ):
        return None
    if case.option("X").same != "ndarray" and case["X"] != "ndarray":
        return None
    made = outcome.made
    labels = made.model.predict(made.X)
    score = np.mean(np.asarray(labels) == made.raw.names(made.raw.codes))
    return None if score > 0.7 else f"finds {score:.0%} of the training labels"


def relation(case, outcome, make):
    """A second fit on changed data, or on the same, gives what follows from the first."""
    name = case["relation"]
    if name == "none" or case["cv"] == "iterator":
        return None
    changed = run(case, make, case.value("relation"))
    if changed.error is not None:
        return f"fails with {changed.error!r}"
    p = changed.proba
    if name == "permuted classes" and p is not None:
        p = p[:, [2, 0, 1]]
    exact = 2e-3 if "net" in case.option("student").traits else case.option("relation").tol
    return apart(outcome.proba, p, exact)


def copies(case, outcome, make):
    """A pickled model, and one that is asked twice, or for a few rows, say the same."""
    made = outcome.made
    again = pickle.loads(pickle.dumps(made.model.standalone()))
    if outcome.proba is None:
        return None
    fault = apart(outcome.proba, again.predict_proba(made.X_new), 1e-12)
    if fault or case["asked"] != "usual":
        return fault and f"pickled {fault}"
    part = made.model.predict_proba(made.form(made.raw.X_new[:5]))
    odd_X = {"constant", "huge", "NaN"}
    fault = None if case["X"] in odd_X else apart(outcome.proba[:5], part, 1e-5)
    return fault and f"by the chunk {fault}"


ORACLES = (contract, plain_form, bare_student, as_given, by_hand, learns, relation, copies)


def table(verdicts):
    """Return a text: counts by axis and verdict."""
    counts = Counter((case.focus, verdict.kind) for case, verdict in verdicts)
    lines = [f"{'cases about':14}" + "".join(f"{kind:>9}" for kind in VERDICTS)]
    for axis in [*AXES, "given"]:
        row = [counts[axis, kind] for kind in VERDICTS]
        if any(row):
            lines.append(f"{axis:14}" + "".join(f"{n:9}" for n in row))
    total = Counter(verdict.kind for _, verdict in verdicts)
    lines.append(f"{f'all {len(verdicts)}':14}" + "".join(f"{total[k]:9}" for k in VERDICTS))
    return "\n".join(lines)


def offenders(verdicts, kinds=("unclear", "silent", "damaged")):
    """Return a text: every bad case, and how to run it again."""
    return "\n".join(
        f'{verdict.kind}: python -m tests.odd_inputs --case "{case}"\n    {verdict.why}'
        for case, verdict in verdicts
        if verdict.kind in kinds
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.case:
        case = Case.parse(arguments.case)
        outcome = run(case)
        print(judge(case), outcome, sep="\n")
        if outcome.error is not None:
            traceback.print_exception(outcome.error)
        return
    verdicts = []
    for case in cases(arguments.n, arguments.seed):
        begin = time.perf_counter()
        verdicts.append((case, judge(case)))
        took = time.perf_counter() - begin
        if took > 2:
            print(f"{took:.1f} s: {case}")
    print(offenders(verdicts), table(verdicts), sep="\n\n")


if __name__ == "__main__":
    main()
