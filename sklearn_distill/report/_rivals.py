"""What a distilled student is compared with: models that learned from labels alone."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

from sklearn_distill._classifier import DistillationClassifier
from sklearn_distill._distilled import DistilledClassifier, DistilledRegressor
from sklearn_distill._mutual import MutualDistillationClassifier
from sklearn_distill._regressor import DistillationRegressor
from sklearn_distill._self_distillation import BaseSelfDistillation
from sklearn_distill.candidates import prepared
from sklearn_distill.export.readers._model import columns_of_student, distilled_in
from sklearn_distill.rules import kind_of
from sklearn_distill.selection import select_student
from sklearn_distill.utils.cloning import clone_of
from sklearn_distill.utils.dispatch import is_of_kind, name_of
from sklearn_distill.utils.pipelines import last_step, with_last_step

#: A rival may be slower by so much: times of one model differ by as much between measurements, and
#: nobody notices a few microseconds.
SAME_LATENCY, SAME_SECONDS = 1.25, 5e-6

#: What is tuned for each kind of student, as far as it has such settings. Nothing that would make
#: it larger.
TUNED = {
    "tree": {"min_samples_leaf": [1, 5, 20, 50], "max_leaf_nodes": [0.25, 0.5, 1.0]},
    "forest": {"min_samples_leaf": [1, 3, 10], "max_features": ["sqrt", 0.5, 1.0]},
    "booster": {"learning_rate": [0.05, 0.1, 0.2, 0.4], "min_child_samples": [5, 20]},
    "linear": {
        "C": [0.01, 0.1, 1, 10],
        "alpha": [0.1, 1, 10],
        "var_smoothing": [1e-9, 1e-4, 1e-1],
    },
    "neighbours": {"n_neighbors": [5, 15, 30, 60]},
    "network": {"alpha": [1e-4, 1e-2, 1.0], "learning_rate_init": [1e-3, 1e-2]},
}


class NoSuchRival(Exception):
    """A rival that cannot be had, and why."""


def hard_twin(model):
    """Return the same model, unfitted, with a student that learns from labels alone.

    Parameters
    ----------
    model : estimator
        A fitted distillation, maybe at the end of a Pipeline or found by a search; what its
        ``standalone()`` returns; or any classifier, which is its own twin.

    Returns
    -------
    estimator
    """
    last = distilled_in(model)
    around = getattr(model, "best_estimator_", model)
    of_values = isinstance(last, DistillationRegressor)
    if of_values or isinstance(last, DistillationClassifier):
        student = clone_of(last.student)
        chosen = getattr(last, "best_params_", {})
        settings = {k.removeprefix("student__"): v for k, v in chosen.items() if "student__" in k}
        if settings:
            student.set_params(**settings)
        of_classes = {} if of_values else {"temperature": 1.0, "calibrate": False}
        twin = _distillation_of(last)._like(
            last,
            teacher=None,
            student=student,
            alpha=0.0,
            augmenter=None,
            trust=None,
            cv=None,
            memory=None,
            verbose=0,
            **of_classes,
        )
    elif (student := _student_alone(last)) is not None:
        twin = _distillation_of(last)(None, clone_of(student), alpha=0.0)
    else:
        return clone_of(around)
    if around is last:
        return twin
    return with_last_step(clone(around), twin)


def _student_alone(model):
    """Return the student of a model that knows no other teacher; None if it has none."""
    if isinstance(model, DistilledClassifier | DistilledRegressor):
        return model.student
    if isinstance(model, BaseSelfDistillation):
        return model.estimator
    if isinstance(model, MutualDistillationClassifier):
        return dict(model.estimators).get(model.kept_)
    return None


def _distillation_of(model):
    """Return the class of the distillation that makes such models."""
    return DistillationRegressor if is_of_kind(model, "regressor") else DistillationClassifier


def fitted(twin, X, y):
    """Return a fitted copy of a twin, and what it is."""
    rival = clone_of(twin).fit(X, y)
    return rival, student_name(rival)


def tuned_twin(twin, X, y, scoring, grid, n_jobs):
    """Return a twin tuned by cross-validation, fitted, and what was found.

    Raises
    ------
    NoSuchRival
        If nobody knows what to tune.
    """
    prefix, student = _student_in(twin)
    found = _grid_of(student) if grid is None else grid
    if not found:
        raise NoSuchRival(
            f"The tuned student: nobody knows what to tune of a {name_of(student)}. Pass "
            "tuned_grid={...} with its settings."
        )
    folds = KFold if is_of_kind(twin, "regressor") else StratifiedKFold
    search = GridSearchCV(
        twin,
        {f"{prefix}{name}": values for name, values in found.items()},
        scoring=scoring,
        cv=folds(3, shuffle=True, random_state=0),
        n_jobs=n_jobs,
    ).fit(X, y)
    said = {name.removeprefix(prefix): value for name, value in search.best_params_.items()}
    return search.best_estimator_, ", ".join(f"{name}={value}" for name, value in said.items())


def _student_in(twin):
    """Return the student of a twin, and the prefix of its settings."""
    prefix = ""
    while True:
        if hasattr(twin, "steps"):
            name, inside = twin.steps[-1]
        elif isinstance(twin, DistillationClassifier | DistillationRegressor):
            name, inside = "student", twin.student
        elif isinstance(twin, TransformedTargetRegressor):
            name, inside = "regressor", twin.regressor
        else:
            return prefix, twin
        prefix, twin = f"{prefix}{name}__", inside


def _grid_of(student):
    if student is None or not hasattr(student, "get_params"):
        return {}
    has = student.get_params(deep=False)
    grid = {k: v for k, v in TUNED.get(kind_of(student), {}).items() if k in has}
    leaves = grid.pop("max_leaf_nodes", None)
    if leaves is not None and has["max_leaf_nodes"] is not None:
        grid["max_leaf_nodes"] = sorted({max(2, round(has["max_leaf_nodes"] * s)) for s in leaves})
    return grid


def rival_of_budget(X, y, of_values, footprint, scoring, n_jobs, random_state, artefact):
    """Return the best model on labels alone of no more bytes and no more latency, and its name."""
    try:
        found = select_student(
            None,
            X,
            y,
            target="values" if of_values else "classes",
            max_bytes=footprint.n_bytes,
            max_latency=footprint.latency.p50 * SAME_LATENCY + SAME_SECONDS,
            scoring=scoring,
            artefact=artefact if footprint.artefact != "pickle" else "pickle",
            n_jobs=n_jobs,
            random_state=random_state,
        )
    except ValueError as error:
        raise NoSuchRival(f"The best of the same budget: {error}") from error
    return found.best_estimator_, found.best_name_.rpartition(", ")[0]


def on_columns_of(model, X, y, rival, what):
    """Return a rival that takes the rows of a model, of which its student sees some columns.

    Parameters
    ----------
    model : estimator
    X, y : rows and labels
        Of training, with all columns.
    rival : estimator
        Fitted on the student's columns; returned as it is if these are all.
    what : str
        What it is, which is returned beside it.
    """
    columns = columns_of_student(model)
    if columns is None:
        return rival, what
    names = list(columns.positions if columns.names is None else columns.names)
    twin = _distillation_of(rival)(None, clone_of(rival), alpha=0.0, student_columns=names)
    return twin.fit(X, y), what


def logistic(X, y):
    """Return a plain logistic regression behind what the columns need, and its setting."""
    model = prepared(LogisticRegression(max_iter=1000), X, by_splits=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s)lbfgs failed to converge")
        return model.fit(X, y), "C=1"


def ridge(X, y):
    """Return a plain ridge regression behind what the columns need, and its setting."""
    return prepared(Ridge(), X, by_splits=False).fit(X, y), "alpha=1"


def student_name(model):
    """Return what a student is, in a few words."""
    last = distilled_in(model)
    student = getattr(last, "student_", getattr(last, "student", last))
    student = last_step(student)
    if isinstance(student, TransformedTargetRegressor):
        student = last_step(getattr(student, "regressor_", student.regressor))
    said = name_of(student)
    leaves = getattr(student, "max_leaf_nodes", None)
    if isinstance(leaves, int | np.integer):
        said += f", {leaves} leaves"
    return said
