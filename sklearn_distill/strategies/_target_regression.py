"""Regression on tempered log-odds: logit matching for any regressor."""

from numbers import Real

from sklearn.multioutput import MultiOutputRegressor

from sklearn_distill.decoding import RegressionDecoder
from sklearn_distill.strategies._blended_values import fit_net
from sklearn_distill.strategies._parts import InParts
from sklearn_distill.strategies._strategy import fit_bare, weight_argument
from sklearn_distill.utils._sklearn_private import Interval
from sklearn_distill.utils.dispatch import is_network, is_of_kind, name_of, tags_of
from sklearn_distill.utils.rows import EVAL_PARAMS


class TargetRegression(InParts):
    """Teach a regressor the tempered log-odds of the classes.

    With two classes the student regresses on the log-odds of the second one;
    with more, on the logits centred on zero, one output per class (a regressor
    of one output is wrapped in :class:`~sklearn.multioutput.MultiOutputRegressor`).
    Its predictions times a number, through a softmax, are probabilities.
    This is the logit matching of Ba & Caruana [1]_. No row is copied.

    A hard label has no finite log-odds: it is taken to give every class `label_floor` / n_classes
    at least.
    What undoes temperature and floor is one number, fitted on the training rows. With ``alpha=0``
    the same regressor learns the labels alone.

    Temperature divides the regression targets and multiplies the predictions: it
    changes nothing for a student that is indifferent to the scale of its targets
    (trees, least squares) and acts as regularisation for others.

    A skorch ``NeuralNetRegressor`` needs a module with one output per class (one with two
    classes). Its own loss compares the log-odds.

    Parameters
    ----------
    label_floor : float, default=2e-4
        Divided by the number of classes, the least probability that a real label gives to any.
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
    decoder_class = RegressionDecoder

    _parameter_constraints: dict = {
        "label_floor": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(self, label_floor=2e-4, *, random_state=None):
        self.label_floor = label_floor
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        return (
            super().objection(student) if is_of_kind(student, "regressor") else "needs a regressor"
        )

    def check_fit_params(self, student, fit_params):
        """Refuse further arguments of ``fit`` that the student will not take, or misunderstand."""
        super().check_fit_params(student, fit_params)
        of_labels = sorted(EVAL_PARAMS & {k for k, v in fit_params.items() if v is not None})
        if of_labels:
            raise TypeError(
                f"{name_of(student)} regresses on log-odds, and {of_labels[0]} has labels, which "
                "it would compare with them. Leave it out, or use the classifier of this library."
            )

    def teach(self, student, transfer_set):
        """Fit the bare student on log-odds, one regressor per class if it has one output."""
        targets = transfer_set.targets
        Z = self._log_odds(targets)
        weight = weight_argument(student, targets.row_weight)
        several = Z.ndim == 2 and not is_network(student)
        if several and not _learns_several(student):
            student = MultiOutputRegressor(student)
        X, params = transfer_set.take(None)
        params = weight | params
        if is_network(student):
            student = fit_net(student, X, Z, params, self.random_state)
        else:
            student = fit_bare(student, X, Z, **params)
        return student, RegressionDecoder(targets.classes).with_scale(student, transfer_set)

    def teach_part(self, student, transfer_set, template, rng):
        """Teach the bare student the log-odds of some rows; see :class:`InParts`."""
        targets = transfer_set.targets
        Z = self._log_odds(targets)
        if Z.ndim == 2 and not _learns_several(student):
            student = MultiOutputRegressor(student)
        X, _ = transfer_set.take(None)
        weight = targets.row_weight
        student.partial_fit(X, Z, **({} if (weight == 1).all() else {"sample_weight": weight}))
        return student, RegressionDecoder(targets.classes).with_scale(student, transfer_set)

    def objection_to_stream(self, student):
        """Return why a student cannot be taught batch by batch, or None."""
        if is_network(student):
            return "needs all rows at once for a network"
        return super().objection_to_stream(student)

    def _log_odds(self, targets):
        """Return what is regressed on: a column for each class, or the one of two classes."""
        logits = targets.log_blended(self.label_floor) / targets.temperature
        logits -= logits.mean(axis=1, keepdims=True)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


def _learns_several(student):
    return tags_of(student).target_tags.multi_output
