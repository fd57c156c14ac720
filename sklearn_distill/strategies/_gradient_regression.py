"""Gradient training of networks that learn values."""

from dataclasses import replace

import numpy as np

from sklearn_distill.decoding import ValueNetworkDecoder
from sklearn_distill.losses import VALUE_LOSSES
from sklearn_distill.strategies._gradient import GradientTraining
from sklearn_distill.utils._sklearn_private import StrOptions
from sklearn_distill.utils.dispatch import is_module, is_network, is_of_kind, name_of

#: Criteria of skorch nets, and the loss that they are.
_LOSS_OF = {"MSELoss": "squared-error", "L1Loss": "absolute-error", "HuberLoss": "huber"}


class GradientRegression(GradientTraining):
    """Teach a network values by gradient descent.

    As :class:`GradientTraining`, for :class:`DistillationRegressor`: a torch module, whose outputs
    are brought to mean and spread of the values by a last layer that is added and not trained, or
    a skorch ``NeuralNetRegressor``. It minimises

    .. math:: \\sum_i w_i \\left[(1 - \\alpha) \\, L(y_i, f_i) + \\alpha \\, L(t_i, f_i)\\right]

    and what hints ask for. A validation split measures the loss on real values.

    Parameters
    ----------
    max_epochs : int or None, default=None
        Passes over the rows, as in :class:`GradientTraining`. This and the next settings are for
        bare modules; a skorch net has its own.
    lr : float, default=3e-3
        Largest learning rate.
    weight_decay : float, default=1e-3
        Of AdamW.
    batch_size : int or None, default=None
        Rows per step.
    validation_fraction : float or None, default=0.1
        Share of the labelled rows on which training stops early.
    patience : int or None, default=None
        Epochs without a lower validation loss after which training stops.
    device : str, default="cpu"
        Where to train.
    loss : {"squared-error", "absolute-error", "huber", "teacher-bounded"} or None, default=None
        The L of the formula, of errors in standard deviations of the values. With
        "teacher-bounded" the teacher is no target but a bound [1]_: its term is the squared error
        of the student against the real value as long as that is larger than the teacher's own, and
        0 after that. None is squared error, or the criterion of a skorch net.
    hints : list of LayerHint, default=None
        Layers of teacher and student that are to agree.
    fresh_rows : bool, default=False
        Whether the new rows of an ``augmenter`` are drawn anew for every epoch.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, dropout, batches and the validation split. None takes that of the
        distillation estimator.
    verbose : int, default=None
        Whether to show a progress bar. None takes that of the distillation estimator.

    See Also
    --------
    DistillationRegressor : Takes it as ``strategy``.

    References
    ----------
    .. [1] G. Chen, W. Choi, X. Yu, T. Han, M. Chandraker, "Learning Efficient Object Detection
       Models with Knowledge Distillation", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from torch import nn
    >>> from sklearn_distill import DistillationRegressor, GradientRegression
    >>> X, y = make_friedman1(600, random_state=0)
    >>> teacher = ExtraTreesRegressor(random_state=0)
    >>> student = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
    >>> strategy = GradientRegression(max_epochs=30)
    >>> model = DistillationRegressor(
    ...     teacher, student, alpha=0.5, strategy=strategy, random_state=0
    ... )
    >>> bool(model.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.7)
    True
    """

    decoder_class = ValueNetworkDecoder
    _of_values = True

    _parameter_constraints: dict = {
        **GradientTraining._parameter_constraints,
        "loss": [StrOptions({*VALUE_LOSSES}), None],
    }
    del _parameter_constraints["class_weight"]

    def __init__(
        self,
        max_epochs=None,
        *,
        lr=3e-3,
        weight_decay=1e-3,
        batch_size=None,
        validation_fraction=0.1,
        patience=None,
        device="cpu",
        loss=None,
        hints=None,
        fresh_rows=False,
        random_state=None,
        verbose=None,
    ):
        self.max_epochs = max_epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.loss = loss
        self.hints = hints
        self.fresh_rows = fresh_rows
        self.random_state = random_state
        self.verbose = verbose

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_network(student):
            return "needs a torch module or a skorch net"
        if not is_module(student) and not is_of_kind(student, "regressor"):
            return "needs a skorch net that is a regressor"
        return None

    def _on_trained(self, hints, bare):
        # A bare module has become the first of two.
        prefix = "0." if bare else ""
        return [replace(hint, student_layer=f"{prefix}{hint.student_layer}") for hint in hints]

    def _finished(self, module, rows, targets):
        """Return a module whose outputs have mean and spread of the values, by a fixed layer."""
        from sklearn_distill.nn.net import in_units_of

        return in_units_of(module, rows, *_mean_and_scale(targets))

    def _check_targets(self, targets):
        pass

    def _taught(self, targets):
        return targets.taught is not None

    def _labels(self, targets):
        return targets.values.reshape(targets.n_labeled, -1).astype(np.float32)

    def _objective(self, net, targets, bare, device, seed, hints):
        from sklearn_distill.nn.value_objective import ValueObjective

        loss = self.loss
        if loss is None:
            criterion = "MSELoss" if bare else name_of(net.criterion)
            if not bare and isinstance(net.criterion, type):
                criterion = net.criterion.__name__
            loss = _LOSS_OF.get(criterion, "squared-error")
        own = targets.row_weight[: targets.n_labeled]
        scale = _mean_and_scale(targets)[1] if bare else np.ones(targets.n_outputs)
        return ValueObjective(
            targets,
            loss=loss,
            scale=scale,
            valid_weight=own if bare else None,
            device=device,
            seed=seed,
            hints=hints,
        )

    def _criteria(self):
        from torch import nn

        return [getattr(nn, name) for name in _LOSS_OF]

    def _refuse_fresh_rows(self, net, targets):
        if self.hints:
            raise ValueError(
                "fresh_rows=True draws rows during the training, and hints need them before. "
                "Leave one of them out."
            )

    def _decoder(self, targets, objective, shape, student, rows):
        n_outputs = None if targets.values.ndim == 1 else targets.n_outputs
        return ValueNetworkDecoder(n_outputs, shape)


def _mean_and_scale(targets):
    values = targets.values.reshape(targets.n_labeled, -1).astype(np.float64)
    weight = targets.row_weight[: targets.n_labeled]
    mean = np.average(values, axis=0, weights=weight)
    scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
    return mean, np.where(scale > 0, scale, 1.0)
