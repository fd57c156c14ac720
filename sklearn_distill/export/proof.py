"""The rows on which a model and its file are compared, and what the model answers to them."""

from typing import NamedTuple

import numpy as np

from sklearn_distill.export.files import ExportedFile
from sklearn_distill.export.folding import fold
from sklearn_distill.export.parity import ParityError, compare, edge_rows
from sklearn_distill.export.program import NotReadable
from sklearn_distill.export.readers import read_model
from sklearn_distill.export.readers._columns import Columns
from sklearn_distill.export.readers._model import (
    READABLE,
    rows_of_student,
    student_and_decoder,
)
from sklearn_distill.export.rows import RowFormat, some_of
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step

#: Rows of the sample that are compared, at most.
MOST_ROWS = 20_000


class NeedsFloat64(ParityError):
    """Raised where a file is right for rows in float32, and the rows of the user are not."""


class Part(NamedTuple):
    """Some of the rows: as the model takes them, as numbers, and what the model answers."""

    name: str
    X: object
    numbers: np.ndarray | None
    wanted: np.ndarray
    labels: np.ndarray | None


class Proof:
    """Rows, and what the model answers to them: asked once, compared with every candidate.

    Parameters
    ----------
    model : estimator
        Fitted.
    X_sample : rows
    inputs : {"float32", "float64"}
        The type in which the file is handed its inputs.

    Attributes
    ----------
    program : Program or None
        The model as arithmetic, if it can be read.
    reason : str
        Why it cannot.
    columns : list of dict
        Of each column its name, and of text its ``labels`` and whether ``unknown`` ones may come.
    nan_allowed : list of bool
        Of each column whether the model takes missing values there.
    student : str
        The name of the student's class.
    n_rows, n_edges : int
        Rows of the sample, and rows made at edges.
    notes : list of str
        What the model refused.
    """

    def __init__(self, model, X_sample, inputs):
        self.model, self.inputs = model, inputs
        self.X = _checked_sample(rows_of_student(model, some_of(X_sample, MOST_ROWS)))
        self.student = name_of(last_step(student_and_decoder(model)[0]))
        self.notes = []
        self.is_text = _is_text(self.X)
        self.program, self.reason = None, "text"
        if not self.is_text:
            try:
                self.program = read_model(model, self.X)
            except NotReadable as error:
                self.reason = str(error)
        self.is_classifier = hasattr(model, "predict_proba")
        self.n_rows, self.n_edges = _n(self.X), 0
        self.parts = []
        self._ask()

    def _ask(self):
        """Make the rows, and ask the model for its answers."""
        if self.is_text:
            self.columns = [{"name": "text", "labels": [], "unknown": True}]
            self.nan_allowed = [False]
            self._add("X_sample", self.X, None)
            return
        known = self._inputs()
        rows = RowFormat(self.X, known, getattr(self.program, "precision", np.float64))
        try:
            numbers = rows.encode(self.X)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"X_sample has a column that is neither numbers nor text: {error}"
            ) from error
        grid = np.dtype(self.inputs)
        with np.errstate(over="ignore"):
            rounded = numbers.astype(grid).astype(np.float64)
        same = np.array_equal(rounded, numbers, equal_nan=True)
        self._add("X_sample", rows.decode(rounded), rounded)
        if not same:
            self._add("X_sample", self.X, numbers)
        if self.program is not None:
            edges, missing, unknown = edge_rows(fold(self.program, grid), rounded, grid)
            if len(edges):
                self._add("rows made at thresholds", rows.decode(edges), edges)
                self.n_edges += len(edges)
        else:
            every = range(rounded.shape[1])
            missing, unknown = _missing_in(rounded, every), np.empty((0, rounded.shape[1]))
        self.nan_allowed = [True] * len(known)
        self.unknown = [i.unknown for i in known]
        self._try(missing, np.isnan, rows, self.nan_allowed, "missing values")
        codes = [i.categories for i in known]
        new = np.array([np.inf if c is None else c.max(initial=0) + 1 for c in codes])
        self._try(unknown, lambda X: new == X, rows, self.unknown, "unknown categories")
        self.columns = self._described(known)

    def _inputs(self):
        if self.program is not None:
            return self.program.inputs
        columns = Columns.of(self.X, np.shape(self.X)[1])
        return columns.inputs()

    def _described(self, known):
        made = []
        for i, unknown in zip(known, self.unknown, strict=True):
            column = {"name": i.name}
            if i.labels is not None:
                # What skl2onnx converts looks up its categories itself.
                column["labels"] = list(i.labels) if self.program is not None else []
                column["unknown"] = bool(unknown) or self.program is None
            made.append(column)
        return made

    def _try(self, numbers, is_such, rows, allowed, what):
        """Ask the model for rows that it may refuse, column by column."""
        refused = []
        for j in range(len(allowed)):
            some = numbers[is_such(numbers)[:, j]]
            if not len(some):
                continue
            try:
                self._add(f"rows with {what}", rows.decode(some), some)
                self.n_edges += len(some)
            except Exception:  # whatever it refuses them with
                if is_such(rows.encode(self.X))[:, j].any():
                    continue  # it took those of the sample
                allowed[j] = False
                refused.append(rows.inputs[j].name)
        if refused and len(refused) < len(allowed):
            named = ", ".join(refused[:5]) + (", ..." if len(refused) > 5 else "")
            self.notes.append(f"The model refuses {what} in {named}")
        elif refused:
            self.notes.append(f"The model refuses {what}")

    def _add(self, name, X, numbers):
        """Ask the model for its answers to some rows."""
        if self.is_classifier:
            wanted, labels = self.model.predict_proba(X), np.asarray(self.model.predict(X))
        else:
            wanted, labels = self.model.predict(X), None
        wanted = np.asarray(wanted, dtype=np.float64)
        self.parts.append(Part(name, X, numbers, wanted.reshape(len(wanted), -1), labels))

    def compare(self, answer, tolerance):
        """Return the largest difference between the model and what answers for a file.

        Parameters
        ----------
        answer : callable
            Given rows of the kind of the sample, and the same as numbers, returns probabilities
            (or values) and labels (or None).
        tolerance : float

        Raises
        ------
        ParityError
        """
        worst = 0.0
        for i, part in enumerate(self.parts):
            given, given_labels = answer(part.X, part.numbers)
            given = np.reshape(given, (len(given), -1))
            labels = None if given_labels is None else part.labels
            where = _describe(part.name, part.X)
            try:
                found = compare(part.wanted, given, labels, given_labels, tolerance, where)
            except ParityError as error:
                if i == 1 and part.name == "X_sample":  # the same rows were right when rounded
                    raise NeedsFloat64(
                        f"{error} With the rows rounded to float32 the answers are equal: they "
                        "lie so close to a threshold that float32 cannot tell the sides. Export "
                        "with numbers in double precision, or round the columns before training."
                    ) from None
                raise
            worst = max(worst, found)
        return worst

    def exported(self, path, language, difference, checked_by, **sizes):
        """Return what is known of a file that was proved."""
        return ExportedFile(
            path=path,
            n_bytes=path.stat().st_size,
            kind=f"{self.student} as {language}",
            n_rows=self.n_rows,
            n_edges=self.n_edges,
            max_difference=difference,
            checked_by=checked_by,
            notes=tuple(self.notes),
            **sizes,
        )


def program_of(proof):
    """Return the program of a model that was read.

    Raises
    ------
    TypeError
        If it could not be.
    """
    if proof.program is None:
        raise TypeError(
            f"{proof.student} cannot be written down as arithmetic ({proof.reason} is not read). "
            f"These can be: {READABLE}."
        )
    return proof.program


def answering(run, program):
    """Return a function of rows and their numbers that gives answers and labels.

    Parameters
    ----------
    run : callable
        From numbers to probabilities or values.
    program : Program
    """

    def answer(X, numbers):
        values = run(numbers)
        if program.classes is None:
            return values, None
        return values, np.asarray(program.classes)[values.argmax(axis=1)]

    return answer


def sample_for(model):
    """Return rows of no meaning for a model of numbers, to compare it on."""
    student, _ = student_and_decoder(model)
    n = getattr(student, "n_features_in_", None)
    if n is None:
        raise ValueError(
            f"{name_of(last_step(student))} does not know how many columns it was fitted on. Pass "
            "X_sample."
        )
    X = np.random.default_rng(0).normal(size=(256, n))
    names = getattr(student, "feature_names_in_", None)
    if names is None:
        return X
    import pandas as pd

    return pd.DataFrame(X, columns=names)


def _checked_sample(X):
    if X is None or isinstance(X, str):
        raise ValueError("X_sample must be rows as the model takes them, some hundred or more.")
    if _n(X) == 0:
        raise ValueError("X_sample has no rows. Pass some hundred or more.")
    if _is_text(X) or hasattr(X, "columns") or hasattr(X, "toarray"):
        return X
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"X_sample must have two dimensions. Got {X.ndim}.")
    if X.dtype.kind not in "biuf":
        raise ValueError(
            f"X_sample is an array of {X.dtype}. Pass numbers, or a data frame whose columns are "
            "numbers or text."
        )
    return X


def _n(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _is_text(X):
    if hasattr(X, "columns"):
        return False
    if hasattr(X, "ndim"):
        return X.ndim == 1 and X.dtype.kind not in "biuf" and isinstance(next(iter(X[:1])), str)
    return isinstance(X, list | tuple) and len(X) > 0 and isinstance(X[0], str)


def _missing_in(numbers, columns):
    made = []
    for j in columns:
        rows = numbers[: min(4, len(numbers))].copy()
        rows[:, j] = np.nan
        made.append(rows)
    return np.concatenate(made)


def _describe(name, X):
    def where(i):
        if hasattr(X, "columns"):
            row = X.iloc[i].tolist() if hasattr(X, "iloc") else list(X.row(i))
            row = [v.item() if isinstance(v, np.generic) else v for v in row[:8]]
            shown = dict(zip(map(str, X.columns), row, strict=False))
        elif hasattr(X, "toarray"):
            shown = X[[i]].toarray()[0][:8].tolist()
        else:
            shown = np.asarray(X[i]).tolist()
            shown = shown[:8] if isinstance(shown, list) else shown
        return f"number {i} of {name}, {shown}"

    return where
