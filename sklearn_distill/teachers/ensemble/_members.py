"""The members of an ensemble: what may be one, what it is asked, and with which columns."""

from typing import NamedTuple

import numpy as np

from sklearn_distill.teachers._reader import TeacherReader
from sklearn_distill.teachers._values import ValueReader, as_values
from sklearn_distill.utils.columns import Columns
from sklearn_distill.utils.dispatch import is_module, is_of_kind, name_of
from sklearn_distill.utils.rows import column_names, n_rows, own_rows, short

KINDS = ("classifier", "regressor", "clusterer", "outlier_detector")


class Member(NamedTuple):
    """One of several teachers: its name, the reader of it, and the columns that it sees, if any.

    ``reader`` may be of one that is not fitted.
    """

    name: str
    reader: TeacherReader
    columns: Columns | None

    def rows(self, X):
        """Return the columns of X that the member sees."""
        return X if self.columns is None else self.columns.take(X)

    def fitted(self, X, y, params):
        """Return the reader of the member, fitted on these rows if it did not come fitted."""
        if self.reader.fitted:
            return self.reader
        return self.reader.fit(own_rows(self.rows(X)), own_rows(y), **params)

    def check_columns(self, X):
        """Raise ValueError if a fitted member was fitted on other columns than it would get."""
        if not self.reader.fitted:
            return
        X, teacher = self.rows(X), self.reader.teacher
        cure = f"Say which it sees: columns={{{self.name!r}: [...]}}."
        theirs, ours = getattr(teacher, "feature_names_in_", None), column_names(X)
        if theirs is not None and ours is not None and list(theirs) != list(ours):
            raise ValueError(
                f"The member {self.name!r} was fitted on the columns {short(list(theirs))}, and X "
                f"has {short(list(ours))}. {cure}"
            )
        n_theirs = getattr(teacher, "n_features_in_", None)
        width = X.shape[1] if len(getattr(X, "shape", ())) == 2 else None
        if isinstance(n_theirs, int) and width is not None and width != n_theirs:
            raise ValueError(
                f"The member {self.name!r} was fitted on {n_theirs} columns, and gets {width}. "
                f"{cure}"
            )


def are_pairs(estimators):
    """Tell whether this is a list of (name, estimator)."""
    return isinstance(estimators, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in estimators
    )


def check_pairs(estimators):
    """Raise unless this is a list of (name, estimator) with at least one, all of them teachers."""
    example = "TeacherEnsemble([('forest', forest), ('net', net)])"
    if not isinstance(estimators, list | tuple) or not estimators:
        raise ValueError(
            "Invalid 'estimators' attribute: TeacherEnsemble needs a list of (name, estimator). "
            f"Got {estimators!r}. Write {example}."
        )
    for pair in estimators:
        if not are_pairs([pair]):
            raise TypeError(
                "estimators of TeacherEnsemble must be a list of (name, estimator). Got "
                f"{name_of(pair)} in it. Write {example}."
            )
        name, member = pair
        if isinstance(member, type) and not is_module(member):
            raise TypeError(
                f"The member {name!r} is a class. Pass an instance, {member.__name__}(...)."
            )
        methods = ("fit", "predict", "predict_proba", "forward")
        if not any(hasattr(member, method) for method in methods):
            raise TypeError(
                f"The member {name!r} is no teacher: a {name_of(member)} has neither fit nor "
                "predict. Pass an estimator, a booster or a torch module."
            )


def kind_of(estimators):
    """Return "classifier" or "regressor", whichever the members are.

    Raises
    ------
    ValueError
        If there are both, or something else.
    """
    found = {name: _kinds(member) for name, member in estimators}
    kinds = set().union(*found.values())
    if len(kinds) > 1 or kinds & {"clusterer", "outlier_detector"}:
        listed = {
            name: next(iter(kinds), name_of(member))
            for (name, kinds), (_, member) in zip(found.items(), estimators, strict=True)
        }
        raise ValueError(
            "The members of TeacherEnsemble must all be classifiers, or all regressors. Got "
            f"{listed}."
        )
    return kinds.pop() if kinds else "classifier"


def _kinds(member):
    return {kind for kind in KINDS if is_of_kind(member, kind)}


def ask(reader, X, columns):
    """Return what a fitted member says of rows, with the classes that it does not know as NaN.

    Parameters
    ----------
    reader : TeacherReader
    X : rows
    columns : ndarray
        Classes, or numbers of outputs.

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
    """
    if not reader.of_classes:
        return reader.ask(X, columns)[0]
    known = getattr(reader.classifier, "classes_", None)
    known = columns if known is None else np.asarray(known)
    return reader.ask(X, columns, must_know=columns[np.isin(columns, known)])[0]


def ask_values(reader, X):
    """Return the values of a fitted member, however many outputs it has; maybe with deviations."""
    bare = reader.teacher
    first = np.asarray(bare.predict(X)) if hasattr(bare, "predict") else None
    n_outputs = 1 if first is None or first.ndim == 1 else first.shape[1]
    if first is not None and not reader.with_std and not reader.modules:
        return as_values(first, n_rows(X), n_outputs, f"The teacher {reader.name} returned")
    return reader.ask(X, np.arange(n_outputs))[0]


def all_classes(readers, of_y):
    """Return the classes of all members, sorted; one that names none knows those of the others.

    Parameters
    ----------
    readers : list of TeacherReader
    of_y : ndarray or None
        Classes that were learned.

    Raises
    ------
    AttributeError
        If nobody names any.
    ValueError
        If they are names here and numbers there.
    """
    known = [getattr(reader.classifier, "classes_", None) for reader in readers]
    lists = [np.asarray(classes) for classes in (*known, of_y) if classes is not None]
    if not lists:
        raise AttributeError(
            "No member of TeacherEnsemble has classes_. Name them for one: TorchTeacher(module, "
            "classes=[...])."
        )
    if len({classes.dtype.kind in "OUS" for classes in lists}) > 1:
        raise ValueError(
            "The members have classes of different types, such as "
            f"{short([classes[0] for classes in lists])}. Fit them on labels of one type."
        )
    return np.unique(np.concatenate(lists))


def reader_of(kind):
    """Return the class of readers for members of a kind."""
    return ValueReader if kind == "regressor" else TeacherReader
