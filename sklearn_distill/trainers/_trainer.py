"""What every way of teaching a student has in common."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.targets import untemper
from sklearn_distill.utils._sklearn_private import routing_enabled
from sklearn_distill.utils.kinds import booster_of, last_step, name_of
from sklearn_distill.utils.rows import n_rows


class Trainer(BaseEstimator, ABC):
    """A way of teaching a student, and of reading what it learned.

    A subclass says which students it cannot teach (:meth:`objection`), fits the
    last step of one (:meth:`teach`), and turns the student's output back into
    probabilities at temperature 1.
    """

    #: The name that ``strategy=`` takes.
    name = None

    #: What its parameters may be, checked before anything is fitted.
    _parameter_constraints: dict = {}

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None.

        Parameters
        ----------
        student : estimator
            The bare student: of a Pipeline, the last step.
        """
        if isinstance(student, FrozenEstimator):
            return "needs a student that can be fitted, and a FrozenEstimator cannot"
        return None

    @abstractmethod
    def teach(self, student, X, X_unlabeled, targets, fit_params):
        """Fit the bare student on the transformed rows and return it."""

    @abstractmethod
    def predict(self, student, X, classes):
        """Return the predicted labels, of shape (n_samples,)."""

    @abstractmethod
    def predict_proba(self, student, X, temperature):
        """Return probabilities at temperature 1, of shape (n_samples, n_classes)."""

    @abstractmethod
    def decision_function(self, student, X, temperature):
        """Return decision values at temperature 1."""

    @abstractmethod
    def offers(self, student, method):
        """Tell whether ``student`` gives this trainer what ``method`` needs."""

    def fit(self, student, X, y, X_unlabeled, targets, fit_params, teacher=None):
        """Teach ``student``, which may be a Pipeline; fit its transformers on real rows only.

        Parameters
        ----------
        student : estimator
            Fitted in place.
        X : rows
            The labelled rows, as the user gave them.
        y : ndarray of shape (n_samples,)
            The real labels, which supervised transformers see.
        X_unlabeled : rows or None
            Rows that only the teacher labelled.
        targets : SoftTargets
            What is to be learned.
        fit_params : dict
            Further arguments for the student's ``fit``.
        teacher : estimator or None
            Who labelled the rows, for trainers that look inside.

        Returns
        -------
        student : estimator
        """
        return self._fit_steps(student, X, y, X_unlabeled, targets, fit_params)

    def _fit_steps(self, student, X, y, X_unlabeled, targets, fit_params):
        if not isinstance(student, Pipeline):
            return self.teach(student, X, X_unlabeled, targets, _without_weights(fit_params))
        name, last = student.steps[-1]
        head_params, last_params = _split_fit_params(student, fit_params)
        if len(student.steps) > 1:
            head = student[:-1]
            X = head.fit_transform(X, y, **head_params)
            if n_rows(X_unlabeled):
                X_unlabeled = head.transform(X_unlabeled)
            student.steps[:-1] = head.steps
        last = self._fit_steps(last, X, y, X_unlabeled, targets, last_params)
        student.steps[-1] = (name, last)
        return student


class ClassifierTrainer(Trainer):
    """A trainer whose student is a classifier of the tempered labels."""

    def predict(self, student, X, classes):
        """Return the student's labels: tempering keeps the order of the classes."""
        predicted = student.predict(X)
        if booster_of(last_step(student)) == "xgboost":
            return classes[predicted]
        # CatBoost gives a column.
        return predicted.ravel() if getattr(predicted, "ndim", 1) == 2 else predicted

    def predict_proba(self, student, X, temperature):
        """Return the student's probabilities, un-tempered."""
        return untemper(student.predict_proba(X), temperature)

    def decision_function(self, student, X, temperature):
        """Return the student's decision values times the temperature."""
        return student.decision_function(X) * temperature

    def offers(self, student, method):
        """Tell whether the student has ``method`` itself."""
        return hasattr(student, {"predict_log_proba": "predict_proba"}.get(method, method))


def accepts_weights(student):
    """Tell whether the bare student's ``fit`` takes ``sample_weight``."""
    return has_fit_parameter(student, "sample_weight")


def labels_for(student, classes, positions):
    """Return labels in the form that the bare student's ``fit`` takes; XGBoost wants positions."""
    return positions if booster_of(student) == "xgboost" else classes[positions]


def weight_argument(student, sample_weight):
    """Return the keyword argument that passes these weights to the bare student's ``fit``.

    Raises
    ------
    TypeError
        If there are weights and the student takes none.
    """
    if sample_weight is None:
        return {}
    if not accepts_weights(student):
        if np.ptp(sample_weight) == 0:
            return {}
        raise TypeError(
            f"{name_of(student)} takes no sample_weight in fit, and the given weights are "
            "not all equal. Leave sample_weight out, or use a student that takes it."
        )
    return {"sample_weight": sample_weight}


def fit_bare(student, X, y, **params):
    """Call ``student.fit`` with our own metadata, whatever the user's routing configuration.

    With routing enabled a meta-estimator would demand that the user request weights that only
    we know of.
    """
    with config_context(enable_metadata_routing=False):
        return student.fit(X, y, **params)


def _without_weights(fit_params):
    """Leave out the row weights, which other steps requested: the student's are made here."""
    return {key: value for key, value in fit_params.items() if key != "sample_weight"}


def _split_fit_params(pipeline, fit_params):
    """Tell the fit parameters of the transformers from those of the last step."""
    if not fit_params:
        return {}, {}
    if routing_enabled():
        head = pipeline[:-1].get_metadata_routing().consumes("fit_transform", fit_params)
        last = get_routing_for_object(pipeline.steps[-1][1]).consumes("fit", fit_params)
        return (
            {key: fit_params[key] for key in head},
            {key: fit_params[key] for key in last},
        )
    prefix = f"{pipeline.steps[-1][0]}__"
    return (
        {key: value for key, value in fit_params.items() if not key.startswith(prefix)},
        {
            key.removeprefix(prefix): value
            for key, value in fit_params.items()
            if key.startswith(prefix)
        },
    )
