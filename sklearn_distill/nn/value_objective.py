"""What a net minimises in each training step, where it learns values."""

import numpy as np
import torch

from sklearn_distill.losses import get_value_loss
from sklearn_distill.losses.values import squared_error, teacher_bounded
from sklearn_distill.nn.batches import inputs_for, overwrite_last
from sklearn_distill.nn.objective import Objective, relative
from sklearn_distill.nn.outputs import tensor_of


class ValueObjective(Objective):
    """The objective for the rows of a batch.

    .. math:: \\frac1N \\sum_i w_i \\left[(1 - \\alpha_i) \\, L(y_i, f_i)
        + \\alpha_i \\, L(t_i, f_i)\\right] + \\sum_h \\lambda_h L_h

    With the loss "teacher-bounded" the teacher's term is another one, and L is squared error.

    Parameters
    ----------
    targets : RegressionTargets
    loss : str
        A key of :data:`sklearn_distill.losses.VALUE_LOSSES`.
    scale : ndarray of shape (n_outputs,)
        By which errors are divided.
    valid_weight : ndarray of shape (n_labeled,) or None
        Weight of each labelled row where the loss is validated; None leaves validation to the
        criterion of the net.
    device : str or torch.device
    seed : int
        Of the order of the batches.
    hints : HintLosses, default=None
    """

    def __init__(self, targets, *, loss, scale, valid_weight, device, seed, hints=None):
        def tensor(values):
            return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=device)

        self.n_labeled, self.n_classes = targets.n_labeled, 0
        self.bounded = loss == "teacher-bounded"
        self.own_loss = get_value_loss("squared-error" if self.bounded else loss)
        self.hints, self.fresh = hints, None
        self.generator = torch.Generator().manual_seed(seed)
        self.output, self.doubtful = None, False
        self.scale = tensor(scale)
        real = targets.values.reshape(targets.n_labeled, -1)
        self.taught = None if targets.taught is None else tensor(targets.taught)
        # A row without a value shows callbacks the teacher's.
        further = real[:0] if targets.taught is None else targets.taught[targets.n_labeled :]
        self.labels = tensor(np.concatenate([real, further]))
        self.alpha = tensor(targets.row_alpha)
        self.weight = relative(targets.row_weight, tensor)
        self.valid_weight = None if valid_weight is None else relative(valid_weight, tensor)
        if valid_weight is not None and self.valid_weight is None:
            self.valid_weight = torch.ones(self.n_labeled, device=device)

    def renew(self, net, tensors):
        """Put the rows of the next epoch, and the teacher's values, in the place of the last."""
        drawn = next(self.fresh)
        if drawn is None:
            return
        rows, values = drawn
        overwrite_last(tensors, inputs_for(net.module_, rows, net.device))
        new = slice(len(self.labels) - len(values), None)
        self.taught[new] = self.labels[new] = torch.as_tensor(values).to(self.taught)

    def read(self, net, output, labels, who):
        """Return what the module gave for some rows, of shape (n_rows, n_outputs)."""
        first = self.output is None
        self.output = "values"
        output = tensor_of(output, who=who)
        n_outputs = self.labels.shape[1]
        if output.shape[:1] != labels.shape[:1] or output.numel() != labels.numel():
            raise ValueError(
                f"{who} returns outputs of shape {tuple(output.shape)} for {len(labels)} rows, "
                f"but there are {n_outputs} values. Its last layer must have {n_outputs} outputs "
                "for each row."
            )
        if first and not output.requires_grad:
            raise ValueError(
                f"{who} cannot be trained: no parameter that requires a gradient has a say in its "
                "outputs. Look for requires_grad_(False), detach() or no_grad() in it."
            )
        return output.reshape(len(labels), n_outputs)

    def shaped(self, output):
        """Return an output as a matrix, which a criterion compares with the values."""
        return output.reshape(len(output), -1)

    def loss_of_rows(self, values, labels, rows):
        """Return the objective on values, averaged over the rows of a batch."""
        f, y = values / self.scale, labels.to(values) / self.scale
        loss = self.own_loss(f, y)
        if self.taught is not None:
            t, alpha = self.taught[rows].to(values) / self.scale, self.alpha[rows]
            told = self.own_loss(f, t)
            if self.bounded:
                real = rows < self.n_labeled
                told = torch.where(real, teacher_bounded(f, y, t), squared_error(f, t))
            loss = (1 - alpha) * loss + alpha * told
        if self.weight is not None:
            loss = loss * self.weight[rows]
        return loss.mean()

    def validation_loss(self, output, batch):
        """Return the loss of the real values, each row by its weight."""
        labels = batch[1]
        f = tensor_of(output).reshape(labels.shape)
        rows = self.own_loss(f / self.scale, labels.to(f) / self.scale)
        return (self.valid_weight[batch.rows] * rows).mean()
