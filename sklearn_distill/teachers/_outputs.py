"""From what a model returned to log-probabilities in the order of the student's classes.

Matrices of any library are converted or refused in words, and columns are matched by their names
where they have names.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.special import logsumexp

from sklearn_distill.utils.rows import column_names, n_rows, short

#: A row of probabilities may miss one by this much (float32 boosters do).
ROW_SUM_TOLERANCE = 1e-3

#: What rounding may leave below zero.
NEGATIVE_TOLERANCE = 1e-9

#: Mean probability on classes that y does not have, above which we speak up.
FOREIGN_MASS_TOLERANCE = 0.01


@dataclass(frozen=True)
class Remarks:
    """What there is to be said about a teacher's answers: once a fit, not for every chunk.

    Attributes
    ----------
    n_rows : int
        Rows that were answered.
    foreign : dict of float
        Probability on each class that y lacks, summed over the rows.
    doubt : str or None
        Why the answers may mean something else than they are read as.
    """

    n_rows: int = 0
    foreign: dict = field(default_factory=dict)
    doubt: str | None = None

    def __add__(self, other):
        mass = {
            label: self.foreign.get(label, 0.0) + other.foreign.get(label, 0.0)
            for label in self.foreign | other.foreign
        }
        return Remarks(self.n_rows + other.n_rows, mass, self.doubt or other.doubt)

    def warn(self, who):
        """Warn of all that is remarkable; ``who`` is as in "The teacher GaussianNB returned"."""
        if self.doubt:
            warnings.warn(self.doubt, UserWarning, stacklevel=6)
        share = sum(self.foreign.values()) / max(self.n_rows, 1)
        if share > FOREIGN_MASS_TOLERANCE:
            warnings.warn(
                f"{who} {share:.1%} of the probability on the classes "
                f"{short(list(self.foreign))}, which y does not have. They are left out and the "
                "rest is renormalised. Train on rows with these classes if the student must know "
                "them.",
                UserWarning,
                stacklevel=6,
            )


def read_output(teacher_output, X, classes):
    """Return log-probabilities from probabilities that were computed elsewhere.

    A data frame is aligned by its column names, and by its index if X has one with the same
    labels; an array must have one column per class, in sorted order.

    Parameters
    ----------
    teacher_output : array-like of shape (n_samples, n_classes)
    X : rows
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    log_proba : ndarray of shape (n_samples, n_classes)
        -inf for exact zeros.
    """
    who = "teacher_output has"
    teacher_output = _align_index(teacher_output, X)
    known = classes_of_columns(teacher_output, classes, who="teacher_output")
    refuse_missing_classes(known, classes, who="teacher_output")
    log_proba = log_of(teacher_output, False, n_rows(X), known, who)
    log_proba, remarks = align_columns(log_proba, known, classes, who=who)
    remarks.warn(who)
    return log_proba


def _align_index(output, X):
    """Put the rows of a pandas frame in the order of those of X, if both name them.

    A frame whose index merely counts its rows is taken by position, as an array is.
    """
    ours, theirs = (getattr(thing, "index", None) for thing in (X, output))
    if not (hasattr(ours, "get_indexer") and hasattr(theirs, "get_indexer")):
        return output
    if len(ours) != len(theirs) or ours.equals(theirs):
        return output  # another number of rows has an error of its own
    named_alike = ours.is_unique and theirs.is_unique and ours.isin(theirs).all()
    counts = _counts(theirs)
    if counts and not named_alike:
        return output
    if named_alike and not counts:
        return output.iloc[theirs.get_indexer(ours)]
    found = "the numbers of X's in another order" if counts else "other labels than that of X"
    raise ValueError(
        f"The index of teacher_output has {found}: {short(theirs.tolist(), 3)} and "
        f"{short(ours.tolist(), 3)}. Pass teacher_output.to_numpy() if its rows are in the order "
        "of X, teacher_output.loc[X.index] if its index says which is which."
    )


def classes_of_columns(output, classes, *, who, in_order=False):
    """Return the class of each column of an output; those of an array are in order.

    Names count as the classes themselves, or as the classes in writing.

    Parameters
    ----------
    output : object
        What a model returned, or a user passed.
    classes : array-like of shape (n_classes,)
    who : str
        Who gave the output, for messages.
    in_order : bool, default=False
        Whether columns without a single known name are in the order of the classes: they are of
        a model that has ``classes_``. Columns that pandas has numbered are in any case.

    Returns
    -------
    list
        Maybe with names that are no classes.
    """
    classes = np.asarray(classes).tolist()
    names = column_names(output)
    if names is None:
        return classes
    if len(set(names)) < len(names):
        raise ValueError(
            f"{who} has columns named {short(names)}, some twice. Name each column by its class, "
            f"one of {short(classes)}, once."
        )
    own = {label: label for label in classes} | {str(label): label for label in classes}
    found = [own.get(name, own.get(str(name), name)) for name in names]
    known = set(found) & set(classes)
    if len(known) < len(classes) == len(names) and (
        _counts(getattr(output, "columns", None)) or (in_order and not known)
    ):
        return classes
    if not known or (in_order and len(known) < len(classes)):
        raise ValueError(
            f"{who} has columns named {short(names)}, and the classes are {short(classes)}. "
            "Rename the columns to the classes, or pass .to_numpy() with the columns in the order "
            "of the classes."
        )
    return found


def _counts(index):
    """Tell whether an index of pandas is the one that nobody gave: 0, 1, 2, ..."""
    return type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)


def refuse_missing_classes(known, classes, who):
    """Raise ValueError if ``classes`` has one that is not in ``known``."""
    known = set(_plain(known))
    missing = [c for c in classes.tolist() if c not in known]
    if missing:
        raise ValueError(
            f"{who} does not know the classes {missing} found in y. "
            "Refit it on data with these classes, or drop these rows."
        )


def _plain(labels):
    """Return labels as a list of Python's own types, as messages and dicts have them."""
    return labels.tolist() if isinstance(labels, np.ndarray) else list(labels)


def align_columns(log_proba, known, classes, *, who):
    """Put columns that are named by ``known`` in the order of ``classes``.

    A class that ``known`` lacks gets a column of NaN (a fold that missed it);
    a class that ``classes`` lacks is taken out and the rest renormalised.

    Returns
    -------
    log_proba : ndarray of shape (n_samples, n_classes)
    remarks : Remarks
    """
    names = _plain(known)
    column = {c: j for j, c in enumerate(names)}
    if len(column) < len(names):
        raise ValueError(f"{who} a class more than once: {names}. Keep one column of each.")
    order = [column.get(c, -1) for c in classes.tolist()]
    if order == list(range(len(names))):
        return log_proba, Remarks(len(log_proba))
    aligned = np.where(np.array(order) >= 0, log_proba[:, order], np.nan)
    wanted = set(classes.tolist())
    extra = [c for c in names if c not in wanted]
    if not extra:
        return aligned, Remarks(len(aligned))
    foreign = np.exp(log_proba[:, [column[c] for c in extra]]).sum(axis=0)
    # What is left of a row is made a distribution before anything is lifted to a floor. A row of
    # which nothing is left says nothing about the classes of y.
    unknown = np.isnan(aligned)
    total = logsumexp(np.where(unknown, -np.inf, aligned), axis=1, keepdims=True)
    nothing = np.isneginf(total)
    aligned = np.where(nothing, -np.log(len(classes)), aligned - np.where(nothing, 0, total))
    return aligned, Remarks(len(aligned), dict(zip(extra, foreign.tolist(), strict=True)))


def log_of(output, is_log, n_samples, known, who):
    """Return an output, looked at, as log-probabilities that sum to one in every row."""
    tolerance = _row_sum_tolerance(output)
    output = as_matrix(output, who)
    proba = np.exp(output) if is_log else output
    total = check_proba(proba, n_samples=n_samples, known=known, who=who, tolerance=tolerance)
    # Rows that sum to one but for rounding are left as they are, to the last bit.
    total[np.abs(total - 1) < 1e-12] = 1.0
    if is_log:
        return output - np.log(total)[:, None]
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(proba, 0.0) / total[:, None])


def _row_sum_tolerance(output):
    # Sixteen bits of a tensor may be eight of precision.
    brain = str(getattr(output, "dtype", "")).endswith("bfloat16")
    return 2**-7 if brain else ROW_SUM_TOLERANCE


def as_matrix(output, who):
    """Return what a foreign model gave as a float64 array; refuse what would lose something."""
    kind = type(output).__name__
    if sparse.issparse(output):
        output = output.toarray()
    if hasattr(output, "detach"):  # a tensor, maybe in a graph or on another device
        output = output.detach().cpu()
        output = output.double() if output.is_floating_point() else output
    if isinstance(output, np.ma.MaskedArray) and np.ma.is_masked(output):
        raise ValueError(f"{who} probabilities with masked entries. Fill them, or drop the rows.")
    try:
        output = np.asarray(output)
        if output.dtype.kind in "mMV":
            raise TypeError
        if output.dtype.kind != "c":
            return output.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who} something else than numbers (a {kind}). Expected an array of shape "
            "(n_samples, n_classes), one row per sample and one column per class."
        ) from error
    raise ValueError(f"{who} complex numbers. Pass real probabilities.")


def check_proba(proba, *, n_samples, known, who, tolerance=ROW_SUM_TOLERANCE):
    """Return the sum of each row, or raise ValueError saying why these are no probabilities.

    All at once first: reductions over short rows take longer than a forest takes to predict them.
    """
    expected = (n_samples, len(known))
    if proba.shape != expected:
        raise ValueError(
            f"{who} probabilities of shape {proba.shape}; expected {expected}: one row per sample "
            f"and one column per class. {_cure_of_shape(proba.shape, n_samples, known)}"
        )
    if not np.isfinite(proba).all():
        rows = ~np.isfinite(proba).all(axis=1)
        raise ValueError(
            f"{who} NaN or infinite probabilities for {rows.sum()} of {n_samples} rows. "
            "Check it on these rows, or drop them."
        )
    if proba.size and proba.min() < -NEGATIVE_TOLERANCE:
        rows = (proba < -NEGATIVE_TOLERANCE).any(axis=1)
        raise ValueError(
            f"{who} negative probabilities for {rows.sum()} of {n_samples} rows. "
            "Logits are not probabilities: pass them through scipy.special.softmax(z, axis=1)."
        )
    total = proba @ np.ones(len(known))
    rows = np.abs(total - 1) > tolerance
    if rows.any():
        raise ValueError(
            f"{who} probabilities that do not sum to one for {rows.sum()} of {n_samples} "
            "rows. Normalise each row."
        )
    return total


def _cure_of_shape(shape, n_samples, known):
    if len(known) == 2 and (len(shape) == 1 or shape[1:] == (1,)):
        return (
            f"If p is the probability of the class {known[1]!r}, make both of it: "
            "np.column_stack([1 - p, p])."
        )
    if len(shape) == 2 and shape[0] == n_samples and shape[1] > len(known):
        return (
            "If it knows more classes than y has, name all: TorchTeacher(module, classes=[...]) "
            "for a module, columns of a data frame for teacher_output."
        )
    return f"The classes are {short(list(known))}."
