"""The one place where a teacher is asked for its opinion.

The canonical teacher output is the log-probability of each class: softmax of
``log p / T`` equals softmax of ``logits / T`` exactly, so nobody has to guess
whether a number is a probability or a logit.
"""

import sys
import warnings
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_distill.teachers._boosters import BoosterTeacher, log_proba_of_wrapper, native_library
from sklearn_distill.teachers._callable import CallableTeacher
from sklearn_distill.teachers._outputs import (
    align_columns,
    as_matrix,
    classes_of_columns,
    log_of,
    refuse_missing_classes,
)
from sklearn_distill.teachers._torch import TorchTeacher
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.cloning import clone_of, thawed
from sklearn_distill.utils.dispatch import booster_of, is_module, is_of_kind, name_of
from sklearn_distill.utils.pipelines import last_step, reach_last_step
from sklearn_distill.utils.rows import indexable_rows, n_rows

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

    #: What remembers where logarithms come from; None if each call looks anew.
    choice = None

    #: Whether what it is asked for are the log-probabilities of classes.
    of_classes = True

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

    @property
    def can_be_fitted(self):
        """Whether a clone of the teacher would learn from rows that it is given."""
        bare = last_step(thawed(self.teacher))
        frozen = TorchTeacher | BoosterTeacher | CallableTeacher | FrozenEstimator
        as_it_is = isinstance(bare, frozen)
        return hasattr(bare, "fit") and hasattr(bare, "get_params") and not as_it_is

    @cached_property
    def modules(self):
        """The torch modules inside: a teacher that has some must not be called from threads."""
        return _torch_modules(self.teacher)

    def remembering(self, choice=None):
        """Return a reader of the same teacher that looks at its answers once, for many batches.

        The best source of logarithms, if it agrees with the probabilities of some rows, is taken
        for all rows that come after them.

        Parameters
        ----------
        choice : Choice, default=None
            That of such a reader, which stays as it is; None begins without any.
        """
        twin = replace(self)
        vars(twin)["choice"] = Choice() if choice is None else copy(choice)
        return twin

    def fit(self, X, y, **fit_params):
        """Return the reader of a clone that is fitted on these rows.

        Of a fitted teacher that is frozen it is a clone of what is in it.

        Parameters
        ----------
        X : rows
        y : ndarray of shape (n_samples,)
        **fit_params : dict

        Returns
        -------
        TeacherReader
        """
        template = thawed(self.teacher) if self.fitted else self.teacher
        if self.fitted and hasattr(template, "thawed"):
            template = template.thawed()
        twin = clone_of(template)
        twin.fit(X, y, **fit_params)  # some return None, or a history
        return replace(self, teacher=twin, fitted=True)

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
        known = self._classes()
        known = classes if known is None else known
        if isinstance(known, list) and len(known) and np.ndim(known[0]) > 0:
            raise ValueError(
                f"The teacher {self.name} is a multi-output classifier with {len(known)} "
                "targets. Pass a classifier of one target."
            )
        return np.asarray(known)

    def _classes(self):
        return getattr(self.classifier, "classes_", None)

    def ask(self, X, classes, must_know=None):
        """Ask the fitted teacher for log-probabilities, in the order of ``classes``.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Passed on as it is.
        classes : ndarray of shape (n_classes,)
            The classes of the student.
        must_know : ndarray, default=None
            Those that it cannot miss: the ones that it was fitted on. None means all.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Natural logarithms, each row normalised; -inf for exact zeros, NaN for a class that
            the teacher does not know.
        remarks : Remarks

        Raises
        ------
        ValueError
            If the output is no probability of these classes for these rows.
        """
        known = self.known_classes(classes)
        must_know = classes if must_know is None else must_know
        refuse_missing_classes(known, must_know, who="The teacher")
        who = f"The teacher {self.name} returned"
        with self._alone():
            known, output, is_log, doubt = self._ask(X, known)
        refuse_missing_classes(known, must_know, who="The teacher")
        log_proba = log_of(output, is_log, n_rows(X), known, who)
        log_proba, remarks = align_columns(log_proba, known, classes, who=who)
        return log_proba, replace(remarks, doubt=doubt)

    @contextmanager
    def _alone(self):
        """Have the torch modules inside for oneself, and the generators that they draw from."""
        with ExitStack() as stack:
            if self.modules:
                from sklearn_distill.nn.capture import undisturbed
                from sklearn_distill.nn.net import seeded

                for module in self.modules:
                    stack.enter_context(undisturbed(module))
                stack.enter_context(seeded(0))  # skorch's loader draws from the global generator
            yield

    def log_proba(self, X, classes):
        """Return the log-probabilities of :meth:`ask`, and warn of what there is to be said.

        Parameters
        ----------
        X : rows
        classes : ndarray of shape (n_classes,)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
        """
        log_proba, remarks = self.ask(X, classes)
        self.warn_of(remarks)
        return log_proba

    def warn_of(self, remarks):
        """Warn of what there is to be said about the answers of this teacher."""
        remarks.warn(f"The teacher {self.name} returned")

    def _ask(self, X, known):
        """Return the class of each column, the output, whether it is logarithms, and a doubt.

        The first of these sources that there is: logits; ``predict_log_proba``;
        ``predict_proba``; ``decision_function``; ``predict``.
        """
        teacher, columns = self.classifier, known.tolist()
        if isinstance(teacher, TorchTeacher):
            log_proba, doubt = teacher.read(X)
            return columns, log_proba, True, doubt
        if isinstance(teacher, CallableTeacher):  # every row that it is asked about may cost
            return columns, *teacher.read(X), None
        if isinstance(teacher, BoosterTeacher):
            return columns, teacher.predict_log_proba(X), True, None
        if hasattr(teacher, "predict_proba"):
            source = (self.choice or Choice()).by(teacher, X)
            if source is not None:
                output = source(teacher, X)
                return self._name_columns(output, known), output, True, None
            output = teacher.predict_proba(X)
            return self._name_columns(output, known), output, False, None
        if hasattr(teacher, "decision_function"):
            _check_decides_by_class(teacher, known)
            return columns, _log_of_decision(teacher.decision_function(X)), True, None
        return columns, _count_votes(teacher, X, known), False, None

    def _name_columns(self, output, known):
        who = f"The output of the teacher {self.name}"
        return classes_of_columns(output, known, who=who, in_order=self._classes() is not None)


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
    warnings.warn(text, UserWarning, stacklevel=6)


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


@dataclass
class Choice:
    """Where a teacher's logarithms come from.

    Attributes
    ----------
    source : callable or None
        The best one that there is, once it has agreed with the probabilities.
    """

    source: object = None

    def by(self, teacher, X):
        """Return the best source that agrees with the probabilities of these rows, or None.

        It is kept if no better one was refused: that may be since these rows are certain, and
        others are not.
        """
        if self.source is not None:
            return self.source
        refused = False
        for source in _LOGARITHMS:
            agrees = _agrees_with_probabilities(source, teacher, X)
            if agrees:
                self.source = None if refused else source
                return source
            refused |= agrees is False
        return None


def _agrees_with_probabilities(source, teacher, X):
    """Tell whether a source gives the logarithms of what ``predict_proba`` gives; None without it.

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
        return None
    who = f"The teacher {name_of(teacher)} returned"
    proba, values = (as_matrix(v, who) for v in (teacher.predict_proba(rows), values))
    if proba.shape != values.shape or not np.allclose(np.exp(values), proba, rtol=1e-3, atol=1e-6):
        return False
    return source is not _logits or bool((proba.max(axis=1) < 1 - 1e-4).any())


def _log_of_decision(decision):
    decision = as_matrix(decision, "The teacher's decision_function returned")
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
