"""The one place where a teacher is asked for its opinion.

The canonical teacher output is the log-probability of each class: softmax of
``log p / T`` equals softmax of ``logits / T`` exactly, so nobody has to guess
whether a number is a probability or a logit.
"""

import sys
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax, logsumexp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_distill.teachers._boosters import BoosterTeacher, log_proba_of_wrapper, native_library
from sklearn_distill.teachers._torch import TorchTeacher
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import booster_of, is_module, is_of_kind, name_of
from sklearn_distill.utils.pipelines import last_step, reach_last_step
from sklearn_distill.utils.rows import indexable_rows, n_rows

#: A row of probabilities may miss one by this much (float32 boosters do).
ROW_SUM_TOLERANCE = 1e-3

#: What rounding may leave below zero.
NEGATIVE_TOLERANCE = 1e-9

#: Mean probability on classes that y does not have, above which we speak up.
FOREIGN_MASS_TOLERANCE = 0.01

#: Rows on which logarithms from elsewhere are compared with the teacher's probabilities.
ROWS_TO_COMPARE = 32


@dataclass(frozen=True)
class TeacherReader:
    """A teacher of any make as a source of log-probabilities; made once, when ``fit`` begins.

    Attributes
    ----------
    teacher : object
        What the user gave, or a fitted clone of it. Never changed.
    fitted : bool
        Whether the teacher is to be used as it is.
    """

    teacher: object
    fitted: bool

    @classmethod
    def of(cls, teacher):
        """Return the reader of a teacher; a reader is returned as it is."""
        return teacher if isinstance(teacher, cls) else cls(teacher, is_fitted(teacher))

    def __reduce__(self):
        # What was worked out on the way is no part of it, for a worker as for the key of a cache.
        return type(self), (self.teacher, self.fitted)

    @property
    def name(self):
        """The class of the teacher, for messages."""
        return name_of(self.teacher)

    @cached_property
    def classifier(self):
        """The teacher itself, or a bare module or booster in the form of a classifier."""
        return as_classifier(self.teacher)

    @property
    def gives_probabilities(self):
        """Whether the teacher itself is soft, rather than read through decisions or votes."""
        return hasattr(self.classifier, "predict_proba")

    @cached_property
    def modules(self):
        """The torch modules inside: a teacher that has some must not be called from threads."""
        return _torch_modules(self.teacher)

    def fit(self, X, y, **fit_params):
        """Return the reader of a clone that is fitted on these rows.

        Parameters
        ----------
        X : rows
        y : ndarray of shape (n_samples,)
        **fit_params : dict

        Returns
        -------
        TeacherReader
        """
        return replace(self, teacher=clone(self.teacher).fit(X, y, **fit_params), fitted=True)

    def known_classes(self, classes):
        """Return the teacher's ``classes_``; without any, columns are taken in sorted order.

        Raises
        ------
        ValueError
            If the teacher is no classifier of one target.
        """
        for kind in ("regressor", "clusterer", "outlier_detector"):
            if is_of_kind(self.classifier, kind):
                raise ValueError(
                    f"The teacher {self.name} must be a classifier. Got a {kind} instead. Pass "
                    "probabilities computed from it as fit(..., teacher_output=P) with "
                    "teacher=None."
                )
        known = getattr(self.classifier, "classes_", classes)
        if isinstance(known, list) and len(known) and np.ndim(known[0]) > 0:
            raise ValueError(
                f"The teacher {self.name} is a multi-output classifier with {len(known)} "
                "targets. Pass a classifier of one target."
            )
        return np.asarray(known)

    def log_proba(self, X, classes, *, may_miss_classes=False):
        """Ask the fitted teacher for log-probabilities, in the order of ``classes``.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Passed on as it is.
        classes : ndarray of shape (n_classes,)
            The classes of the student.
        may_miss_classes : bool, default=False
            Whether the teacher need not know every class: it was fitted on a fold.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Natural logarithms, each row normalised; -inf for exact zeros, NaN for a class that
            the teacher does not know.

        Raises
        ------
        ValueError
            If the output is no probability of these classes for these rows.
        """
        known = self.known_classes(classes)
        if not may_miss_classes or not set(known.tolist()) & set(classes.tolist()):
            refuse_missing_classes(known, classes, who="The teacher")
        who = f"The teacher {self.name} returned"
        with ExitStack() as stack:
            if self.modules:
                from sklearn_distill.nn.capture import undisturbed

                for module in self.modules:
                    stack.enter_context(undisturbed(module))
            known, output, is_log = self._ask(X, known)
        log_proba = _log_of(output, is_log, n_rows(X), len(known), who)
        return align_columns(log_proba, known, classes, who=who)

    def _ask(self, X, known):
        """Return known classes, the output, and whether it is logarithms.

        The first of these sources that there is: logits; ``predict_log_proba``;
        ``predict_proba``; ``decision_function``; ``predict``.
        """
        teacher = self.classifier
        if isinstance(teacher, TorchTeacher | BoosterTeacher):
            return known, teacher.predict_log_proba(X), True
        if hasattr(teacher, "predict_proba"):
            for source in _LOGARITHMS:
                if _agrees_with_probabilities(source, teacher, X):
                    output = source(teacher, X)
                    return _named_columns(output, known), output, True
            output = teacher.predict_proba(X)
            return _named_columns(output, known), output, False
        if hasattr(teacher, "decision_function"):
            _check_decides_by_class(teacher, known)
            return known, _log_of_decision(teacher.decision_function(X)), True
        return known, _count_votes(teacher, X, known), False


def is_fitted(teacher):
    """Tell whether ``teacher`` is to be used as it is."""
    if teacher is None:
        return False
    if is_module(teacher):
        return not isinstance(teacher, type)
    if native_library(teacher):
        # Of the native boosters only CatBoost's may be untrained.
        return not hasattr(teacher, "is_fitted") or teacher.is_fitted()
    if not hasattr(teacher, "fit"):
        # A client of a service, a model loaded from a file: there is nothing that could be fitted.
        return hasattr(teacher, "predict_proba") or hasattr(teacher, "predict")
    try:
        check_is_fitted(teacher)
    except (NotFittedError, TypeError):
        return False
    except AttributeError:
        # A foreign estimator without tags: scikit-learn's own sign is a trailing underscore.
        return any(name.endswith("_") and not name.startswith("__") for name in vars(teacher))
    return True


def as_classifier(teacher):
    """Return the teacher itself, or a bare module or booster in the form of a classifier."""
    if native_library(teacher):
        return BoosterTeacher(teacher)
    return TorchTeacher(teacher) if is_module(teacher) else teacher


def warn_how_it_is_read(reader):
    """Warn, once a fit, if a teacher is read through something harder than probabilities.

    Parameters
    ----------
    reader : TeacherReader
        Fitted: some estimators have their methods only then.
    """
    if reader.gives_probabilities:
        return
    if hasattr(reader.classifier, "decision_function"):
        text = (
            f"The teacher {reader.name} has no predict_proba: its decision_function is read "
            "through a sigmoid (two classes) or softmax, which is not calibrated. Better: "
            "CalibratedClassifierCV(teacher)."
        )
    else:
        text = (
            f"The teacher {reader.name} has only predict: its labels are read as certain, "
            "so there is nothing soft to learn. Better: a teacher with predict_proba, or "
            "CalibratedClassifierCV(teacher)."
        )
    warnings.warn(text, UserWarning, stacklevel=5)


def read_output(teacher_output, X, classes):
    """Return log-probabilities from probabilities that were computed elsewhere.

    A data frame is aligned by its column names; an array must have one column
    per class, in sorted order.

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
    known = np.asarray(getattr(teacher_output, "columns", classes))
    refuse_missing_classes(known, classes, who="teacher_output")
    log_proba = _log_of(teacher_output, False, n_rows(X), len(known), who)
    return align_columns(log_proba, known, classes, who=who)


def refuse_missing_classes(known, classes, who):
    """Raise ValueError if ``classes`` has one that is not in ``known``."""
    known = set(np.asarray(known).tolist())
    missing = [c for c in classes.tolist() if c not in known]
    if missing:
        raise ValueError(
            f"{who} does not know the classes {missing} found in y. "
            "Refit it on data with these classes, or drop these rows."
        )


def align_columns(log_proba, known, classes, *, who):
    """Put columns that are named by ``known`` in the order of ``classes``.

    A class that ``known`` lacks gets a column of NaN (a fold that missed it);
    a class that ``classes`` lacks is taken out and the rest renormalised.
    """
    names = known.tolist()
    column = {c: j for j, c in enumerate(names)}
    if len(column) < len(names):
        raise ValueError(f"{who} a class more than once: {names}. Keep one column of each.")
    order = [column.get(c, -1) for c in classes.tolist()]
    if order == list(range(len(names))):
        return log_proba
    aligned = np.where(np.array(order) >= 0, log_proba[:, order], np.nan)
    wanted = set(classes.tolist())
    extra = [c for c in names if c not in wanted]
    if not extra:
        return aligned
    foreign = np.exp(log_proba[:, [column[c] for c in extra]]).sum(axis=1)
    if foreign.mean() > FOREIGN_MASS_TOLERANCE:
        warnings.warn(
            f"{who} {foreign.mean():.1%} of the probability on the classes {extra}, "
            "which y does not have. They are left out and the rest is renormalised. "
            "Train on rows with these classes if the student must know them.",
            UserWarning,
            stacklevel=2,
        )
    # What is left of a row is made a distribution before anything is lifted to a floor. A row of
    # which nothing is left says nothing about the classes of y.
    unknown = np.isnan(aligned)
    total = logsumexp(np.where(unknown, -np.inf, aligned), axis=1, keepdims=True)
    nothing = np.isneginf(total)
    uniform = -np.log(len(classes))
    return np.where(nothing, uniform, aligned - np.where(nothing, 0, total))


def _log_of(output, is_log, n_samples, n_columns, who):
    """Return an output, looked at, as log-probabilities that sum to one in every row."""
    output = _as_matrix(output, who)
    proba = np.exp(output) if is_log else output
    total = check_proba(proba, n_samples=n_samples, n_columns=n_columns, who=who)
    # Rows that sum to one but for rounding are left as they are, to the last bit.
    total[np.abs(total - 1) < 1e-12] = 1.0
    if is_log:
        return output - np.log(total)[:, None]
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(proba, 0.0) / total[:, None])


def _as_matrix(output, who):
    """Return what a foreign model gave as a float64 array; refuse what would lose something."""
    if sparse.issparse(output):
        output = output.toarray()
    if hasattr(output, "detach"):  # a tensor, maybe in a graph or on another device
        output = output.detach().cpu()
    if isinstance(output, np.ma.MaskedArray) and np.ma.is_masked(output):
        raise ValueError(f"{who} probabilities with masked entries. Fill them, or drop the rows.")
    output = np.asarray(output)
    if output.dtype.kind == "c":
        raise ValueError(f"{who} complex numbers. Pass real probabilities.")
    return output.astype(np.float64, copy=False)


def check_proba(proba, *, n_samples, n_columns, who):
    """Return the sum of each row, or raise ValueError saying why these are no probabilities.

    All at once first: reductions over short rows take longer than a forest takes to predict them.
    """
    if proba.shape != (n_samples, n_columns):
        raise ValueError(
            f"{who} probabilities of shape {proba.shape}; expected "
            f"{(n_samples, n_columns)}: one row per sample and one column per class. If a network "
            "knows more classes than y has, name all: TorchTeacher(module, classes=[...])."
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
    total = proba @ np.ones(n_columns)
    rows = np.abs(total - 1) > ROW_SUM_TOLERANCE
    if rows.any():
        raise ValueError(
            f"{who} probabilities that do not sum to one for {rows.sum()} of {n_samples} "
            "rows. Normalise each row."
        )
    return total


def _named_columns(output, known):
    """Return the names of a frame's columns if they are the classes, in whatever order."""
    names = np.asarray(getattr(output, "columns", known))
    return names if set(names.tolist()) == set(known.tolist()) else known


def _margins(teacher, X):
    """Return the log-probabilities of a booster, maybe at the end of a Pipeline; or None."""
    if booster_of(last_step(teacher)) is None:
        return None
    return log_proba_of_wrapper(*reach_last_step(teacher, X))


def _logits(teacher, X):
    if not hasattr(teacher, "decision_function"):
        return None
    return _log_of_decision(teacher.decision_function(X))


def _own_logarithms(teacher, X):
    if not hasattr(teacher, "predict_log_proba"):
        return None
    with np.errstate(divide="ignore"):
        return teacher.predict_log_proba(X)


#: Where logarithms may come from that have not been rounded to 0 or 1, the best one first.
_LOGARITHMS = (_margins, _logits, _own_logarithms)


def _agrees_with_probabilities(source, teacher, X):
    """Tell whether a source gives the logarithms of what ``predict_proba`` gives.

    Decision values are logits for logistic regression and gradient boosting, and something else
    for others; and a subclass may have mended ``predict_proba`` alone. Nobody has to keep a list:
    the two are compared on some rows, spread over all. Where the teacher is certain every
    monotone function agrees, so that other rows must say that decision values are logits.
    """
    n_samples = n_rows(X)
    some = np.unique(np.linspace(0, n_samples - 1, ROWS_TO_COMPARE).astype(int))
    rows = take_rows(indexable_rows(X), some)
    values = source(teacher, rows)
    if values is None:
        return False
    proba, values = (
        np.asarray(v, dtype=np.float64) for v in (teacher.predict_proba(rows), values)
    )
    if proba.shape != values.shape or not np.allclose(np.exp(values), proba, rtol=1e-3, atol=1e-6):
        return False
    return source is not _logits or bool((proba.max(axis=1) < 1 - 1e-4).any())


def _log_of_decision(decision):
    decision = np.asarray(decision, dtype=np.float64)
    if decision.ndim == 2 and decision.shape[1] == 1:
        decision = decision.ravel()
    if decision.ndim == 1:
        return np.column_stack([log_expit(-decision), log_expit(decision)])
    return log_softmax(decision, axis=1)


def _check_decides_by_class(teacher, known):
    if len(known) > 2 and _decides_one_against_one(teacher):
        raise ValueError(
            f"The teacher {name_of(teacher)} has one-against-one decision values. "
            "Set decision_function_shape='ovr'."
        )


def _decides_one_against_one(teacher):
    """Look for the setting of a support vector classifier, through what may be around it."""
    bare = last_step(teacher)
    if hasattr(bare, "best_estimator_"):
        return _decides_one_against_one(bare.best_estimator_)
    return getattr(bare, "decision_function_shape", "ovr") == "ovo"


def _count_votes(teacher, X, known):
    votes = np.asarray(teacher.predict(X))
    if votes.ndim == 2 and votes.shape[1] == 1:
        votes = votes.ravel()
    strange = ~np.isin(votes, known)
    if strange.any():
        raise ValueError(
            f"The teacher {name_of(teacher)} predicted labels that are not among its classes "
            f"for {strange.sum()} of {len(votes)} rows."
        )
    return (votes[:, None] == known).astype(np.float64)


def _torch_modules(thing):
    """Return the outermost torch modules inside an estimator, looked for in its attributes."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ()
    found, seen, todo = [], set(), [thing]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.nn.Module):
            found.append(thing)
        elif isinstance(thing, dict):
            todo += thing.values()
        elif isinstance(thing, list | tuple):
            todo += thing
        elif hasattr(thing, "predict") and hasattr(thing, "__dict__"):
            todo += vars(thing).values()
    return tuple(found)
