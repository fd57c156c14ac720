"""A candidate, and how it is taught; as an estimator, so that different ones can be compared."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from sklearn_distill._classifier import InformedClassifier
from sklearn_distill._classifier_cv import of_classes
from sklearn_distill._regressor import InformedRegressor
from sklearn_distill.candidates import Candidate
from sklearn_distill.labelling import Labels
from sklearn_distill.rules import kind_of
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import tags_of
from sklearn_distill.utils.rows import indexable_rows, n_rows

#: How a student of each kind is taught: temperature, and alpha. Trees as in rules.py. Where the
#: rules there keep the labels, or most of them, a half is the teacher's: the labels alone are a
#: candidate of their own here. Only new rows were measured (benchmarks/select_student.py).
TAUGHT = {
    "tree": (2.0, 1.0),
    "forest": (2.0, 0.5),
    "booster": (1.0, 0.5),
    "linear": (1.0, 0.5),
    "network": (1.0, 0.5),
}
OTHERS_TAUGHT = (1.0, 0.5)

#: The same of values, where there is only alpha.
TAUGHT_VALUES, OTHERS_TAUGHT_VALUES = {"tree": 0.75}, 0.5

#: By what a student is taught: the labels, or real values, alone; soft targets; soft targets and
#: new rows made of the labelled ones.
HARD, REAL, DISTILLED, AUGMENTED = (
    *("hard labels", "real values", "distilled", "distilled, new rows"),
)

#: New rows for each labelled one. Networks can use many; others are blunted by them.
NEW_ROWS, NEW_ROWS_OF_NETWORK = 3.0, 10.0


class Option(NamedTuple):
    """A candidate, and by what it is taught."""

    candidate: Candidate
    taught: str

    @property
    def alone(self):
        """Whether no teacher takes part."""
        return self.taught in (HARD, REAL)

    def __str__(self):
        return f"{self.candidate.name}, {self.taught}"

    def __sklearn_clone__(self):
        return self


class Splits(tuple):
    """Folds, passed on by reference."""

    def __sklearn_clone__(self):
        return self


class Told:
    """What the teacher has said, fold by fold, and of all rows; passed on by reference.

    Parameters
    ----------
    known : list of Known
        Of each fold, and of all rows at the end.
    n_given : int
        The rows without labels that the user has given, which come before those that were made.
    """

    def __init__(self, known, n_given):
        self.known = [k._replace(said=k.said._replace(reader=None)) for k in known]
        self.n_given = n_given

    def __sklearn_clone__(self):
        return self


class _Entry(BaseEstimator):
    """A candidate as an estimator, so that scikit-learn's search compares different ones."""

    def __init__(self, option=None, told=None, classes=None, splits=()):
        self.option = option
        self.told = told
        self.classes = classes
        self.splits = splits

    def fit(self, X, y, row=None):
        """Teach the candidate; ``row`` are the positions of these rows among all."""
        with warnings.catch_warnings():
            # Whoever has not converged is compared as it is.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "The teacher's first choice is the real label")
            # MLPClassifier takes no weights before scikit-learn 1.7, and is compared all the same.
            warnings.filterwarnings("ignore", ".* learns from labels, drawn at random")
            self.model_ = self._taught(X, y, row)
        return self

    def _taught(self, X, y, row):
        estimator = clone(self.option.candidate.estimator)
        if self.option.alone:
            return estimator.fit(X, y)
        said, X_unlabeled = self._hear(row)
        model = self._distillation(estimator, said, y)
        return model.fit(X, y, X_unlabeled=X_unlabeled)

    def _hear(self, row):
        """Return what the teacher says of some rows in the fold to which they belong."""
        told = self.told[self.option.taught]
        fold, own = -1, np.arange(len(row))  # of all rows, unless a fold is found
        for k, (train, _) in enumerate(self.splits):
            if np.isin(row, train).all():
                fold, own = k, np.searchsorted(np.sort(train), row)
                own = np.argsort(train)[own]
                break
        known = told.known[fold]
        n_labelled = len(known.said.log_proba) - n_rows(known.X_unlabeled)
        log_proba, X_unlabeled = known.said.log_proba[own], known.X_unlabeled
        if X_unlabeled is not None:
            # A round of halving has a part of the labelled rows, and so of the others.
            part, n = len(row) / n_labelled, n_rows(X_unlabeled)
            is_network = kind_of(self.option.candidate.estimator) == "network"
            part_of_new = part if is_network else part * NEW_ROWS / NEW_ROWS_OF_NETWORK
            some = np.concatenate(
                [_spread(0, told.n_given, part), _spread(told.n_given, n, part_of_new)]
            )
            X_unlabeled = take_rows(indexable_rows(X_unlabeled), some)
            log_proba = np.concatenate([log_proba, known.said.log_proba[n_labelled + some]])
        return Labels(None, log_proba, "given"), X_unlabeled

    def alone(self):
        """Return the fitted model without what it learned from."""
        return self.model_ if self.option.alone else self.model_.standalone()

    def predict(self, X):
        return self.model_.predict(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.option is not None:
            tags.input_tags = tags_of(self.option.candidate.estimator).input_tags
        return tags


class Entry(ClassifierMixin, _Entry):
    """A classifier."""

    @property
    def classes_(self):
        return self.model_.classes_

    def _distillation(self, estimator, said, y):
        temperature, alpha = TAUGHT.get(kind_of(estimator), OTHERS_TAUGHT)
        model = InformedClassifier(
            None, estimator, temperature=temperature, alpha=alpha, random_state=0
        )
        model.said = of_classes(said, np.isin(self.classes, y))
        return model

    def _gives(name):
        return available_if(lambda self: hasattr(self.model_, name))

    @_gives("predict_proba")
    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    @_gives("decision_function")
    def decision_function(self, X):
        return self.model_.decision_function(X)


class EntryOfValues(RegressorMixin, _Entry):
    """A regressor."""

    def _distillation(self, estimator, said, y):
        alpha = TAUGHT_VALUES.get(kind_of(estimator), OTHERS_TAUGHT_VALUES)
        model = InformedRegressor(None, estimator, alpha=alpha, random_state=0)
        model.said = said
        return model


def _spread(start, end, part):
    """Return positions from ``start`` to ``end`` that are a part of all, spread over them."""
    if end <= start:
        return np.zeros(0, dtype=int)
    return np.linspace(start, end - 1, max(1, round(part * (end - start)))).astype(int)
