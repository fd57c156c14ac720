"""The same student without a teacher: what ``alpha=0`` trains."""

import numpy as np

from sklearn_distill.trainers._target_regression import fit_regressor, predict_regressor
from sklearn_distill.trainers._trainer import (
    ClassifierTrainer,
    fit_bare,
    labels_for,
    weight_argument,
)
from sklearn_distill.utils.kinds import is_of_kind


class HardLabels(ClassifierTrainer):
    """Fit the student on the real labels alone: the twin to compare with.

    A classifier is fitted exactly as it would be without us. A regressor learns
    the 0/1 indicators of the classes; its predictions, clipped to [0, 1] and
    normalised, are the probabilities.
    """

    name = "hard-labels"

    def __init__(self, random_state=None):
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_of_kind(student, "classifier") and not is_of_kind(student, "regressor"):
            return "needs a classifier or a regressor"
        return super().objection(student)

    def teach(self, student, X, X_unlabeled, targets, fit_params):
        """Fit the bare student on the labelled rows and return it."""
        if is_of_kind(student, "regressor"):
            indicators = targets.one_hot()
            Z = indicators[:, 1] if indicators.shape[1] == 2 else indicators
            weight = targets.sample_weight
            return fit_regressor(student, X, None, Z, weight, fit_params, self.random_state)
        weights = weight_argument(student, targets.sample_weight)
        y = labels_for(student, targets.classes, targets.labels)
        return fit_bare(student, X, y, **weights, **fit_params)

    def predict(self, student, X, classes):
        """Return the predicted labels."""
        if is_of_kind(student, "regressor"):
            return classes[self.predict_proba(student, X, 1).argmax(axis=1)]
        return super().predict(student, X, classes)

    def predict_proba(self, student, X, temperature):
        """Return the student's probabilities."""
        if not is_of_kind(student, "regressor"):
            return super().predict_proba(student, X, temperature)
        share = np.clip(predict_regressor(student, X), 0, 1)
        if share.ndim == 1 or share.shape[1] == 1:
            share = share.ravel()
            return np.column_stack([1 - share, share])
        total = share.sum(axis=1, keepdims=True)
        return np.where(total > 0, share / np.where(total > 0, total, 1), 1 / share.shape[1])

    def decision_function(self, student, X, temperature):
        """Return the student's decision values; a regressor's are centred on the boundary."""
        if not is_of_kind(student, "regressor"):
            return super().decision_function(student, X, temperature)
        indicators = np.asarray(predict_regressor(student, X), dtype=np.float64)
        if indicators.ndim == 1 or indicators.shape[1] == 1:
            return indicators.ravel() - 0.5
        return indicators

    def offers(self, student, method):
        """Tell whether the student has ``method``; a regressor gives everything."""
        return is_of_kind(student, "regressor") or super().offers(student, method)
