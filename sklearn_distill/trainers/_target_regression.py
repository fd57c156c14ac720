"""Regression on tempered log-odds: logit matching for any regressor."""

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.multioutput import MultiOutputRegressor

from sklearn_distill.trainers._expansion import take_copies
from sklearn_distill.trainers._trainer import Trainer, fit_bare, weight_argument
from sklearn_distill.utils.kinds import is_network, is_of_kind, last_step, tags_of
from sklearn_distill.utils.seeds import own_rng


class TargetRegression(Trainer):
    """Teach a regressor the tempered log-odds of the classes.

    With two classes the student regresses on the log-odds of the second one;
    with more, on the logits centred on zero, one output per class (a regressor
    of one output is wrapped in :class:`~sklearn.multioutput.MultiOutputRegressor`).
    Its predictions times the temperature, through a softmax, are probabilities.
    This is the logit matching of Ba & Caruana [1]_. No row is copied.

    Temperature divides the regression targets and multiplies the predictions: it
    changes nothing for a student that is indifferent to the scale of its targets
    (trees, least squares) and acts as regularisation for others.

    A skorch ``NeuralNetRegressor`` needs a module with one output per class (one with two
    classes). Its own loss compares the log-odds.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seeds a skorch net; other regressors have a ``random_state`` of their own. ``None`` takes
        that of the distillation estimator.

    See Also
    --------
    WeightedLabels : For classifiers.

    References
    ----------
    .. [1] J. Ba, R. Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014,
       `arXiv:1312.6184 <https://arxiv.org/abs/1312.6184>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sklearn_distill import DistillationClassifier, TargetRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
    >>> student = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0)
    >>> model = DistillationClassifier(teacher, student, strategy=TargetRegression()).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    name = "target-regression"

    _parameter_constraints: dict = {"random_state": ["random_state"]}

    def __init__(self, random_state=None):
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        return (
            super().objection(student) if is_of_kind(student, "regressor") else "needs a regressor"
        )

    def teach(self, student, X, X_unlabeled, targets, fit_params):
        """Fit the bare student on log-odds and return it, wrapped if there are several outputs."""
        logits = targets.tempered_logits()
        Z = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
        weight = targets.row_weight()
        return fit_regressor(student, X, X_unlabeled, Z, weight, fit_params, self.random_state)

    def predict(self, student, X, classes):
        """Return the class with the largest logit."""
        logits = self.decision_function(student, X, 1)
        best = (logits > 0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)
        return classes[best]

    def predict_proba(self, student, X, temperature):
        """Return the softmax of the student's logits times the temperature."""
        logits = self.decision_function(student, X, temperature)
        if logits.ndim == 1:
            return np.exp(np.column_stack([log_expit(-logits), log_expit(logits)]))
        return np.exp(log_softmax(logits, axis=1))

    def decision_function(self, student, X, temperature):
        """Return the student's logits (log-odds with two classes) times the temperature."""
        logits = np.asarray(predict_regressor(student, X), dtype=np.float64)
        return (
            logits.ravel() if logits.ndim == 2 and logits.shape[1] == 1 else logits
        ) * temperature

    def offers(self, student, method):
        """Tell that a regressor gives everything."""
        return True


def fit_regressor(student, X, X_unlabeled, Z, row_weight, fit_params, random_state):
    """Fit a regressor of one or several outputs on the rows of X and X_unlabeled."""
    if Z.ndim == 2 and not is_network(student) and not tags_of(student).target_tags.multi_output:
        student = MultiOutputRegressor(student)
    if X_unlabeled is not None:
        X, fit_params = take_copies(X, X_unlabeled, np.arange(len(Z)), fit_params)
    fit_params = weight_argument(student, row_weight) | fit_params
    if not is_network(student):
        return fit_bare(student, X, Z, **fit_params)
    from sklearn_distill.nn.net import seeded

    # It has the outputs of its module, computes in single precision and draws from global states.
    with seeded(own_rng(random_state).randint(np.iinfo(np.int32).max)):
        return student.fit(X, Z.reshape(len(Z), -1).astype(np.float32), **fit_params)


def predict_regressor(student, X):
    """Return the predictions of a regressor, maybe a Pipeline."""
    if not is_network(last_step(student)):
        return student.predict(X)
    from sklearn_distill.nn.net import seeded

    with seeded(0):  # torch's loader draws a seed from its global generator
        return student.predict(X)
