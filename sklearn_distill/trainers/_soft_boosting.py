"""Boosted trees on Hinton's loss, by their own library."""

import numpy as np

from sklearn_distill.trainers._expansion import take_copies
from sklearn_distill.trainers._trainer import Trainer
from sklearn_distill.trainers.boosting import library_of
from sklearn_distill.utils.kinds import last_step


class SoftBoosting(Trainer):
    """Teach an XGBoost, LightGBM or CatBoost classifier with a soft-target objective.

    The booster's own library trains it, on Hinton's loss [1]_ of its own margins z,

    .. math:: (1 - \\alpha) \\, \\mathrm{CE}(y, \\operatorname{softmax}(z))
        + \\alpha T^2 \\, \\mathrm{KL}(p_T \\,\\|\\, \\operatorname{softmax}(z / T)).

    No row is copied, and the temperature is inside the loss: nothing needs to be undone when
    predicting, and `student_` on its own gives the same probabilities as the whole model.

    See Also
    --------
    WeightedLabels : For other classifiers with ``sample_weight``.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.

    Examples
    --------
    >>> from lightgbm import LGBMClassifier
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_distill import DistillationClassifier, SoftBoosting
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = RandomForestClassifier(min_samples_leaf=3, random_state=0).fit(X, y)
    >>> student = LGBMClassifier(n_estimators=5, verbose=-1, random_state=0)
    >>> model = DistillationClassifier(teacher, student, strategy=SoftBoosting()).fit(X, y)
    >>> model.student_.n_estimators_
    5
    """

    name = "soft-boosting"

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        library = library_of(student)
        if library is None:
            return (
                "needs an XGBClassifier, LGBMClassifier or CatBoostClassifier "
                "(pip install 'sklearn-distill[boosters]')"
            )
        return super().objection(student) or library.objection(student)

    def teach(self, student, X, X_unlabeled, targets, fit_params):
        """Fit the bare student on soft targets and return it."""
        if X_unlabeled is not None:
            # Also refuses fit parameters that lack entries for these rows.
            every_row = slice(0, len(targets.log_proba))
            X, fit_params = take_copies(X, X_unlabeled, every_row, fit_params)
        return library_of(student).fit(student, X, targets, fit_params)

    def predict(self, student, X, classes):
        """Return the most probable class."""
        return classes[student.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, student, X, temperature):
        """Return the student's probabilities, which are those at temperature 1."""
        return student.predict_proba(X)

    def decision_function(self, student, X, temperature):
        """Return the student's margins, which are those at temperature 1."""
        return np.asarray(library_of(last_step(student)).margins(student, X))

    def offers(self, student, method):
        """Tell that a booster gives everything."""
        return True
