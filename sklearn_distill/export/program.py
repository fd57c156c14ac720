"""A fitted student as plain arithmetic: the form that all exporters write down.

A program has *inputs* (columns of the user), *features* (numbers that are made of one input each,
as scalers, imputers and encoders make them), a *body* (trees, or layers) that adds up values, and
a *link* that makes probabilities at temperature 1 of them. It holds arrays and plain values only.
:meth:`Program.run` is the definition of what it means; every emitter is compared with that.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit, log_softmax, ndtri, softmax

#: Where a leaf is marked among the features of nodes.
LEAF = -1

#: QuantileTransformer cuts its normal scores off here, by the same rounding.
LEAST_SCORE = float(ndtri(1e-7 - np.spacing(1)))
MOST_SCORE = float(ndtri(1 - (1e-7 - np.spacing(1))))


class NotReadable(Exception):
    """Raised where a model has no such form; the message says which part of it and why."""


@dataclass(frozen=True, eq=False)
class Input:
    """A column of the user.

    Attributes
    ----------
    name : str
    labels : tuple of str or None
        The categories of a column of text. They are handed over as their position, missing values
        as NaN, and a category that is not among them as any other number.
    codes : tuple of float or None
        The categories of a column of numbers.
    unknown : bool, default=True
        Whether other categories are allowed.
    """

    name: str
    labels: tuple | None = None
    codes: tuple | None = None
    unknown: bool = True

    @property
    def categories(self):
        """The number that stands for each category, or None."""
        if self.labels is not None:
            return np.arange(len(self.labels), dtype=np.float64)
        return None if self.codes is None else np.asarray(self.codes, dtype=np.float64)


class Step(NamedTuple):
    """One operation on a number: a name among ``OPERATIONS`` and its constants.

    Attributes
    ----------
    name : str
    values : tuple
    narrow : bool, default=False
        Whether constants are rounded to the type of the rows before they are used. It depends on
        the transformer and on the release of scikit-learn.
    """

    name: str
    values: tuple = ()
    narrow: bool = False

    def of(self, x):
        """Return the result for an array, in the array's own type."""
        values = self.values
        if self.narrow:
            values = [float(x.dtype.type(value)) for value in values]
        # One operation in double precision, rounded once, is what NumPy does in place.
        return OPERATIONS[self.name](x.astype(np.float64), *values).astype(x.dtype)


def _quantile(x, knots, references, normal):
    forward = np.interp(x, knots, references)
    backward = -np.interp(-x, -np.asarray(knots)[::-1], -np.asarray(references)[::-1])
    share = np.where(np.isnan(x), np.nan, (forward + backward) / 2)
    share = np.where(x <= knots[0], 0.0, np.where(x >= knots[-1], 1.0, share))
    if not normal:
        return share
    with np.errstate(invalid="ignore"):
        return np.clip(ndtri(share), LEAST_SCORE, MOST_SCORE)


#: What LightGBM takes for zero when it reads a row.
TINY = float(np.float32(1e-35))

#: What each step does to an array of float64. All are increasing, `missing` aside, which is 1
#: where a value is NaN. Only trees come after `zero`.
OPERATIONS = {
    "fill": lambda x, value: np.where(np.isnan(x), value, x),
    "missing": lambda x: np.isnan(x),
    "zero": lambda x: np.where(np.abs(x) <= TINY, 0.0, x),
    "subtract": lambda x, value: x - value,
    "add": lambda x, value: x + value,
    "multiply": lambda x, value: x * value,
    "divide": lambda x, value: x / value,
    "clip": lambda x, low, high: np.clip(x, low, high),
    "quantile": _quantile,
}


@dataclass(frozen=True, eq=False)
class Feature:
    """A number that is made of one input.

    Attributes
    ----------
    source : int
        Position of the input.
    steps : tuple of Step
        What is done to a number.
    table : ndarray of shape (n_categories + 2,) or None
        For categories instead of steps: the number for each, for unknown ones, and for missing
        values.
    """

    source: int
    steps: tuple = ()
    table: np.ndarray | None = None

    def then(self, *steps):
        """Return this feature with further steps."""
        if self.table is None:
            return replace(self, steps=(*self.steps, *steps))
        table = self.table
        for step in steps:
            table = step.of(table)
        return replace(self, table=table)

    def of(self, x, categories=None):
        """Return the values that belong to values ``x`` of the input."""
        if self.table is None:
            for step in self.steps:
                x = step.of(x)
            return x
        order = np.argsort(categories, kind="stable")
        at = np.searchsorted(categories[order], x).clip(max=len(order) - 1)
        known = categories[order][at] == x
        place = np.where(known, order[at], len(order) + np.isnan(x))
        return self.table[place].astype(x.dtype)


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees whose leaves are added up.

    A row goes left where its feature is at most the threshold, or where its category is among
    the codes of the node. Nodes of a tree follow each other, parents before their children.

    Attributes
    ----------
    feature : ndarray of shape (n_nodes,), int
        ``LEAF`` for leaves.
    threshold : ndarray of shape (n_nodes,)
    left, right : ndarray of shape (n_nodes,), int
        Positions of the children.
    missing_left : ndarray of shape (n_nodes,), bool
        Whether NaN goes left.
    value : ndarray of shape (n_nodes, n_outputs)
        What a leaf adds; zero for other nodes.
    roots : ndarray of shape (n_trees,), int
    start : ndarray of shape (n_outputs,)
        What is added to all.
    codes : dict of int to ndarray
        For nodes that look at a category: the ones that go left.
    unknown_left : ndarray of shape (n_nodes,), bool
        For the same nodes: whether categories that nobody knows go left.
    rounding : dtype
        What features are rounded to before they are compared.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    start: np.ndarray
    codes: dict = field(default_factory=dict)
    unknown_left: np.ndarray | None = None
    rounding: type = np.float64

    @property
    def splits(self):
        """The nodes that are not leaves."""
        return np.flatnonzero(self.feature != LEAF)

    def run(self, features):
        """Return the sums, of shape (n_samples, n_outputs)."""
        total = np.tile(self.start, (len(features), 1)).astype(np.float64)
        rows = np.arange(len(features))
        for root in self.roots:
            at = np.full(len(features), root)
            while True:
                inner = self.feature[at] != LEAF
                if not inner.any():
                    break
                some = at[inner]
                x = features[rows[inner], self.feature[some]].astype(self.rounding)
                go = np.where(np.isnan(x), self.missing_left[some], x <= self.threshold[some])
                for node in np.unique(some).tolist() if self.codes else ():
                    if node in self.codes:
                        here = some == node
                        go[here] = self._by_category(node, x[here])
                at[inner] = np.where(go, self.left[some], self.right[some])
            total += self.value[at]
        return total

    def _by_category(self, node, x):
        left, known = self.codes[node]
        found = np.where(np.isin(x, known), np.isin(x, left), self.unknown_left[node])
        return np.where(np.isnan(x), self.missing_left[node], found)


ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "square": np.square,
    "tanh": np.tanh,
    "logistic": expit,
    "silu": lambda z: z * expit(z),
    "leaky-relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
}


class Layer(NamedTuple):
    """``activation(x @ weight + bias)``; weight of shape (n_inputs, n_outputs)."""

    weight: np.ndarray
    bias: np.ndarray
    activation: str = "identity"


@dataclass(frozen=True, eq=False)
class Layers:
    """Dense layers, one after another; a linear model is one."""

    layers: tuple

    def run(self, features):
        """Return the outputs of the last layer."""
        x = features.astype(np.float64)
        for weight, bias, activation in self.layers:
            x = ACTIVATIONS[activation](x @ weight + bias)
        return x


@dataclass(frozen=True)
class Link:
    """How sums become probabilities.

    Attributes
    ----------
    kind : {"values", "proba", "softmax", "sigmoid", "one-vs-rest"}
        ``"values"`` are a regressor's, and stay. ``"proba"`` are probabilities already; of
        ``"softmax"`` they are the logits; of ``"sigmoid"``, one column, the log-odds of the second
        class; of ``"one-vs-rest"`` log-odds of each class against the others, whose probabilities
        are divided by their sum.
    scale : float
        What undoes the tempering: logits and log-odds are multiplied by it, probabilities raised
        to it as a power.
    """

    kind: str
    scale: float = 1.0

    def of(self, sums):
        """Return values or probabilities, of shape (n_samples, n_outputs or n_classes)."""
        if self.kind == "values":
            return sums
        if self.kind == "sigmoid":
            z = self.scale * sums
            return np.column_stack([expit(-z), expit(z)])
        if self.kind == "softmax":
            return softmax(self.scale * sums, axis=1)
        if self.kind == "one-vs-rest":
            return softmax(self.scale * log_expit(sums), axis=1)
        return sums if self.scale == 1 else raised(sums, self.scale)

    def times(self, scale):
        """Return this link with probabilities raised to one more power."""
        return replace(self, scale=self.scale * scale)


def raised(proba, power):
    """Return probabilities to a power, normalised."""
    with np.errstate(divide="ignore"):
        return np.exp(log_softmax(power * np.log(proba), axis=1))


@dataclass(frozen=True, eq=False)
class Program:
    """A student as arithmetic on the columns of the user.

    Attributes
    ----------
    inputs : tuple of Input
    features : tuple of Feature
    body : Trees or Layers
    link : Link
    classes : ndarray of shape (n_classes,) or None
        None for a regressor.
    precision : dtype
        What the student's own transformers compute in: the type of the rows that it was given.
    """

    inputs: tuple
    features: tuple
    body: Trees | Layers
    link: Link
    classes: np.ndarray | None = None
    precision: type = np.float64

    def featurize(self, X):
        """Return the features of rows given as numbers, (n_samples, n_features)."""
        X = np.asarray(X).astype(self.precision)
        made = [f.of(X[:, f.source], self.inputs[f.source].categories) for f in self.features]
        return np.column_stack(made) if made else np.empty((len(X), 0))

    def run(self, X):
        """Return probabilities at temperature 1 (or values) of rows given as numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Numbers, and the codes of categories.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_outputs)
        """
        return self.link.of(self.body.run(self.featurize(X)))

    @property
    def is_plain(self):
        """Whether each feature is an input as it is."""
        return len(self.features) == len(self.inputs) and all(
            f.source == i and not f.steps and f.table is None for i, f in enumerate(self.features)
        )
