"""Gradient training of networks, through their own logits and layers."""

import copy
from numbers import Integral, Real

import numpy as np

from sklearn_distill.losses import LOGIT_LOSSES, get_logit_loss
from sklearn_distill.nn.hints import LayerHint
from sklearn_distill.teachers import TorchTeacher, innermost, read_layer
from sklearn_distill.trainers._trainer import Trainer
from sklearn_distill.utils._sklearn_private import Interval, StrOptions
from sklearn_distill.utils.kinds import is_module, is_network, is_of_kind
from sklearn_distill.utils.rows import stack_rows
from sklearn_distill.utils.seeds import own_rng

#: Rows per call when a trained network predicts.
PREDICTION_BATCH = 1024


class GradientTraining(Trainer):
    """Teach a network by gradient descent on Hinton's objective.

    The student is a torch module (an instance, which starts from its own weights, or a class) or
    a skorch net with the optimiser, callbacks, early stopping, device and batch size of the user.
    It minimises, on its own logits z,

    .. math:: (1 - \\alpha) \\, CE(y, z) + \\alpha \\, T^2 \\, KL(p_T \\| softmax(z / T))

    so that nothing needs undoing when it predicts. The loop is skorch's; the batches are slices of
    tensors in memory. A validation split measures the loss on real labels.

    Parameters
    ----------
    max_epochs : int or None, default=None
        Passes over the rows. None takes as many as make about 5,000 steps, from 30 to 200. This
        and the next settings are for bare modules; a skorch net has its own.
    lr : float, default=3e-3
        Largest learning rate of the one-cycle schedule of AdamW.
    weight_decay : float, default=1e-3
        Of AdamW.
    batch_size : int or None, default=None
        Rows per step. None takes the power of two below a thirty-second of the rows, from 16 to
        256.
    validation_fraction : float or None, default=0.1
        Share of the labelled rows on which training stops early. None trains to the end.
    patience : int or None, default=None
        Epochs without a lower validation loss after which training stops; the best weights are
        kept. None takes a third of ``max_epochs``, since the schedule does its best work last.
    device : str, default="cpu"
        Where to train.
    loss : str or callable, default=None
        The teacher's term. None takes ``loss`` of the distillation estimator.
    hints : list of LayerHint, default=None
        Layers that are to agree. None takes ``hints`` of the distillation estimator.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, dropout and batches. ``None`` takes that of the distillation estimator.
    verbose : int, default=0
        Whether to show a progress bar over epochs.

    See Also
    --------
    DistillationClassifier : Takes it as ``strategy``.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from torch import nn
    >>> from sklearn_distill import DistillationClassifier, GradientTraining
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = RandomForestClassifier(min_samples_leaf=2, random_state=0).fit(
    ...     X[:1000], y[:1000]
    ... )
    >>> student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    >>> model = DistillationClassifier(
    ...     teacher, student, strategy=GradientTraining(max_epochs=20), random_state=0
    ... )
    >>> model = model.fit(X[:1000], y[:1000])
    >>> bool(model.score(X[1000:], y[1000:]) > 0.8)
    True
    """

    name = "gradient"

    _parameter_constraints: dict = {
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "loss": [StrOptions({*LOGIT_LOSSES}), callable, None],
        "hints": [list, tuple, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

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
        random_state=None,
        verbose=0,
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
        self.random_state = random_state
        self.verbose = verbose

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_network(student):
            return "needs a torch module or a skorch net"
        if not is_module(student) and is_of_kind(student, "regressor"):
            return "needs a net that is no regressor"
        return None

    def fit(self, student, X, y, X_unlabeled, targets, fit_params, teacher=None):
        """Teach ``student``, maybe a Pipeline; the teacher's layers see the rows as given."""
        source = None
        if self.hints and targets.log_proba is not None:
            source = _layer_source(self.hints, teacher, X, X_unlabeled)
        twin = copy.copy(self)
        twin._source = source
        return twin._fit_steps(student, X, y, X_unlabeled, targets, fit_params)

    def teach(self, student, X, X_unlabeled, targets, fit_params):
        """Train the bare network and return it as a skorch net."""
        from sklearn_distill.nn import net as nets
        from sklearn_distill.nn.hint_book import HintBook
        from sklearn_distill.nn.lesson import Lesson
        from sklearn_distill.nn.outputs import output_of_net

        seed = own_rng(self.random_state).randint(np.iinfo(np.int32).max)
        if targets.log_proba is None and not is_module(student):
            # alpha = 0 is the net alone: nothing of ours touches it.
            return student.fit(X, targets.labels.astype(np.int64), **fit_params)
        loss = get_logit_loss(self.loss or "kl")
        with nets.seeded(seed):
            net = nets.as_net(student, X, targets.n_rows, self)
            rows = X if targets.log_proba is None else stack_rows(X, X_unlabeled)
            hints = None
            if self._source is not None:
                hints = HintBook(self.hints, self._source(net.device)).to(net.device)
            lesson = Lesson(targets, loss, output_of_net(net), net.device, seed, hints)
            return nets.train_in_memory(net, rows, lesson)

    def predict(self, student, X, classes):
        """Return the class with the largest logit."""
        return classes[self._logits(student, X).argmax(axis=1)]

    def predict_proba(self, student, X, temperature):
        """Return the softmax of the student's logits: its temperature was in the objective."""
        logits = self._logits(student, X)
        logits -= logits.max(axis=1, keepdims=True)
        proba = np.exp(logits, out=logits)
        return proba / proba.sum(axis=1, keepdims=True)

    def decision_function(self, student, X, temperature):
        """Return the student's logits; with two classes the log-odds of the second."""
        logits = self._logits(student, X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def offers(self, student, method):
        """Tell that a network gives everything."""
        return True

    def _logits(self, student, X):
        import torch

        from sklearn_distill.nn.batches import as_tensors, predict_in_slices
        from sklearn_distill.nn.outputs import output_of_net, to_logits

        *head, net = _steps(student)
        for transformer in head:
            X = transformer.transform(X)
        module = net.module_.eval()
        with torch.no_grad():
            rows = as_tensors(X, device=net.device)
            parts = [
                to_logits(part, output_of_net(net)).double().cpu()
                for part in predict_in_slices(module, rows, PREDICTION_BATCH)
            ]
        return torch.cat(parts).numpy()


def _layer_source(hints, teacher, X, X_unlabeled):
    """Return a function of the device that gives the source of the teacher's layers."""
    if teacher is None:
        raise ValueError("hints need the teacher itself, and teacher is None. Pass the teacher.")
    for hint in hints:
        if not isinstance(hint, LayerHint):
            raise TypeError(
                "hints must be a list of LayerHint and AttentionHint. Got "
                f"{hint!r} in it. Write LayerHint(teacher_layer, student_layer)."
            )
    teacher, rows = innermost(teacher, stack_rows(X, X_unlabeled))

    def source(device):
        import torch

        from sklearn_distill.nn.batches import as_tensors
        from sklearn_distill.nn.hint_book import ArraySource, ModuleSource

        if isinstance(teacher, TorchTeacher):
            inputs = as_tensors(teacher.prepare(rows), device=device)
            return ModuleSource(teacher.module, inputs, hints, device)
        paths = {hint.teacher_layer for hint in hints}
        return ArraySource(
            {p: torch.as_tensor(read_layer(teacher, rows, p), device=device) for p in paths}
        )

    return source


def _steps(student):
    """Return the transformers of a (nested) Pipeline and its last step."""
    if not hasattr(student, "steps"):
        return [student]
    return [step for _, step in student.steps[:-1]] + _steps(student.steps[-1][1])
