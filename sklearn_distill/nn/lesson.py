"""What a net is taught in each training step: the objective on its own logits and layers."""

import math
from contextlib import nullcontext

import torch

from sklearn_distill.losses.torch import hinton
from sklearn_distill.nn.outputs import check_width, to_logits


class Lesson:
    """Hinton's objective for the rows of a batch.

    .. math:: \\frac1N \\sum_i w_i \\left[(1 - \\alpha_i) \\, CE(y_i, z_i)
        + \\alpha_i \\, L(p_i, z_i; T)\\right] + \\sum_h \\lambda_h L_h

    where L is the loss on logits (for "kl" it is T² · KL, whose gradient has the scale of the
    cross-entropy's at every temperature), and the weights w are divided by their mean.

    Parameters
    ----------
    targets : SoftTargets
        Labels, the teacher's log-probabilities, alpha, temperature and weights.
    loss : callable
        ``loss(student_logits, teacher_log_proba, temperature=, labels=, sample_weight=)``.
    output : str
        The kind of the module's output.
    device : str or torch.device
    seed : int
        Of the order of the batches.
    hints : HintBook or None
        Losses on layers.
    """

    def __init__(self, targets, loss, output, device, seed, hints=None):
        self.n_labeled = targets.n_labeled
        self.n_classes = len(targets.classes)
        self.alpha = targets.alpha
        self.temperature = targets.temperature
        self.loss_on_logits = loss
        self.output = output
        self.hints = hints
        self.generator = torch.Generator().manual_seed(seed)
        self.labels = torch.as_tensor(targets.labels, dtype=torch.int64, device=device)
        self.log_proba = None
        if targets.log_proba is not None:
            self.log_proba = torch.as_tensor(targets.log_proba, dtype=torch.float32, device=device)
            # A row without a label shows callbacks the teacher's; its loss has no use for it.
            best = self.log_proba[self.n_labeled :].argmax(dim=1)
            self.labels = torch.cat([self.labels, best])
        self.weight = None
        weight = targets.row_weight()
        if weight is not None:
            weight = weight / weight.mean()
            self.weight = torch.as_tensor(weight, dtype=torch.float32, device=device)

    def loss(self, net, batch):
        """Return the loss of one batch and the module's output."""
        X, labels = batch
        rows = batch.rows
        if self.hints is not None and self.hints.needs_inputs:
            if not (isinstance(X, torch.Tensor) and X.is_floating_point()):
                raise TypeError(
                    "A hint on derivatives needs rows in one tensor of floating-point numbers. "
                    "Use another loss for rows like these."
                )
            X = X.detach().requires_grad_()
        with self.listening(net) as heard:
            output = net.infer(X)
        logits = to_logits(output, self.output, who=f"The student {type(net.module_).__name__}")
        check_width(logits, self.n_classes, who=f"The student {type(net.module_).__name__}")
        loss = self.loss_of_rows(logits, labels.long(), rows)
        if self.hints is not None:
            loss = loss + self.hints.loss(heard, rows, X)
        self._check_finite(net, loss)
        return loss, output

    def after_backward(self):
        """Train the projections of the hints."""
        if self.hints is not None:
            self.hints.step()

    def loss_of_rows(self, logits, labels, rows):
        """Return the objective on logits, averaged over the rows of a batch."""
        log_proba = None if self.log_proba is None else self.log_proba[rows]
        weight = None if self.weight is None else self.weight[rows]
        if self.n_labeled < len(self.labels):
            labels = torch.where(rows < self.n_labeled, labels, -1)
        loss = hinton(
            logits,
            log_proba,
            labels,
            self.alpha,
            self.temperature,
            loss=self.loss_on_logits,
            sample_weight=weight,
        )
        # A weighted mean divides by the weights of the batch. Heavy batches are to count more.
        return loss if weight is None else loss * weight.mean()

    def listening(self, net):
        """Return a context in which the layers that hints name are captured."""
        return nullcontext() if self.hints is None else self.hints.listening(net.module_)

    def _check_finite(self, net, loss):
        value = loss.item()
        if not math.isfinite(value):
            epoch = len(net.history)
            batch = len(net.history[-1].get("batches", [])) if net.history else 0
            raise FloatingPointError(
                f"The training loss became {value} in epoch {epoch}, batch {batch}. Lower the "
                "learning rate, clip the gradients, or scale the inputs."
            )
