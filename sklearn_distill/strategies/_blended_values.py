"""One target for each row, between its real value and the teacher's."""

import numpy as np

from sklearn_distill.decoding import ValueDecoder
from sklearn_distill.strategies._strategy import Strategy, fit_bare, weight_argument
from sklearn_distill.utils.dispatch import is_network, is_of_kind
from sklearn_distill.utils.seeds import own_rng


class BlendedValues(Strategy):
    """Teach a regressor the blend of real values and the teacher's.

    For squared error this is exact: the loss (1 - alpha) (y - f)² + alpha (t - f)² differs from
    (b - f)², with the blend b = (1 - alpha) y + alpha t, by something that does not depend on f.
    So it is for every loss that is linear in the real value where the prediction is held fast:
    Poisson, gamma and Tweedie deviance. Absolute and quantile losses are not: see
    :class:`StackedValues`. No row is copied, and boosters are trained by their own library on
    their own objective.

    A student that takes no weights learns rows of equal weight only.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seeds a skorch net; other regressors have a ``random_state`` of their own. None takes that
        of the distillation estimator.

    See Also
    --------
    StackedValues : For other losses.
    DistillationRegressor : Takes it as ``strategy``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sklearn_distill import BlendedValues, DistillationRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> teacher = RandomForestRegressor(random_state=0).fit(X, y)
    >>> student = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0)
    >>> strategy = BlendedValues()
    >>> model = DistillationRegressor(teacher, student, alpha=0.5, strategy=strategy).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    name = "blended-values"
    decoder_class = ValueDecoder

    _parameter_constraints: dict = {"random_state": ["random_state"]}

    def __init__(self, *, random_state=None):
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        return (
            super().objection(student) if is_of_kind(student, "regressor") else "needs a regressor"
        )

    def teach(self, student, transfer_set):
        """Fit the bare student on the blend; see :meth:`Strategy.teach`."""
        targets = transfer_set.targets
        X, params = transfer_set.take(None)
        y = targets.blended()
        params = weight_argument(student, targets.row_weight) | params
        if is_network(student):
            student = fit_net(student, X, y, params, self.random_state)
        else:
            student = fit_bare(student, X, y, **params)
        n_outputs = None if targets.values.ndim == 1 else targets.n_outputs
        return student, ValueDecoder(n_outputs)


def fit_net(net, X, Z, params, random_state):
    """Fit a skorch net that regresses: in single precision, and with global generators seeded."""
    from sklearn_distill.nn.net import Interruptible, behaving, seeded

    seed = own_rng(random_state).randint(np.iinfo(np.int32).max)
    with seeded(seed), behaving(net, Interruptible):
        return net.fit(X, Z.reshape(len(Z), -1).astype(np.float32), **params)
