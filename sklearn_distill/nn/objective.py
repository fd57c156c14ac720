"""What a net minimises in each training step: Hinton's objective on its own logits and layers."""

import math
import warnings
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from skorch import NeuralNetBinaryClassifier

from sklearn_distill.losses.torch import cross_entropy_rows, hinton, kl
from sklearn_distill.nn.batches import inputs_for, overwrite_last
from sklearn_distill.nn.outputs import (
    KINDS,
    LOOKS_LIKE,
    check_shape,
    in_unit_range,
    is_single,
    misread,
    output_of_net,
    tensor_of,
    to_logits,
)
from sklearn_distill.nn.threads import counting, fewer_if_small

#: What to write instead, where a student's output is misread.
_REMEDIES = {
    "logits": "For logits write criterion=torch.nn.CrossEntropyLoss (with one output for two "
    "classes BCEWithLogitsLoss); for probabilities let nn.Softmax(dim=1) be the last that the "
    "module does.",
    "proba": "Return logits from forward, or apply the softmax as the module's last layer, "
    "nn.Softmax(dim=1).",
    "yes-or-no": "Return logits from forward, one per class that excludes the others; of several "
    "labels, distil one column at a time.",
    "binary-proba": "Return log-odds from forward, or apply the sigmoid as the module's last "
    "layer, nn.Sigmoid(); a skorch net then takes criterion=torch.nn.BCELoss.",
}


class Objective:
    """Hinton's objective for the rows of a batch.

    .. math:: \\frac1N \\sum_i w_i \\left[(1 - \\alpha_i) \\, CE(y_i, z_i)
        + \\alpha_i \\, L(p_i, z_i; T)\\right] + \\sum_h \\lambda_h L_h

    where L is the loss on logits (for "kl" it is T² · KL, whose gradient has the scale of the
    cross-entropy's at every temperature), and the weights w are divided by their mean.

    Parameters
    ----------
    labels : ndarray of int, shape (n_labeled,)
        Positions of the classes.
    log_proba : ndarray of shape (n_rows, n_classes) or None
        The teacher's, of the labelled rows and then of the others; None if there is no teacher.
    row_alpha, row_weight : ndarray of shape (n_rows,)
        Weight of the teacher against the label, and of the row against other rows.
    temperature : float
    n_classes : int
    loss : callable, default=kl
        ``loss(student_logits, teacher_log_proba, temperature=, labels=, sample_weight=)``.
    valid_weight : ndarray of shape (n_labeled,), default=None
        Weight of each labelled row where the loss is validated; None leaves validation to the
        criterion of the net.
    device : str or torch.device, default="cpu"
    seed : int, default=0
        Of the order of the batches.
    hints : HintLosses, default=None
        Losses on layers.

    Attributes
    ----------
    fresh : iterator or None
        Of new rows and the teacher's log-probabilities, for the place of the last rows, or None
        where they stay: one for each epoch.
    output : str or None
        The kind of the module's output. Known from the first batch on: many a skorch net makes its
        module when the training begins.
    doubtful : bool
        Whether the first batch gave one column between 0 and 1 only, which is read as log-odds.
    """

    def __init__(
        self,
        labels,
        log_proba,
        row_alpha,
        row_weight,
        temperature,
        *,
        n_classes,
        loss=kl,
        valid_weight=None,
        device="cpu",
        seed=0,
        hints=None,
    ):
        self.device = device
        self.n_classes = n_classes
        self.temperature = temperature
        self.loss_on_logits = loss
        self.hints = hints
        self.fresh = None
        self.generator = torch.Generator().manual_seed(seed)
        self.output = None
        self.doubtful = False
        self.valid_weight = None if valid_weight is None else relative(valid_weight, self._tensor)
        self.set_rows(labels, log_proba, row_alpha, row_weight)

    def _tensor(self, values, dtype=torch.float32):
        return torch.as_tensor(values, dtype=dtype, device=self.device)

    def set_rows(self, labels, log_proba, row_alpha, row_weight, mean_weight=None):
        """Set what is to be learned of the rows, whose numbers the batches have.

        Parameters
        ----------
        labels, log_proba, row_alpha, row_weight
            As those of the class.
        mean_weight : float, default=None
            Of all the rows that there are; None takes these.
        """
        tensor = self._tensor
        self.n_labeled = len(labels)
        self.labels = tensor(labels, torch.int64)
        self.log_proba = None if log_proba is None else tensor(log_proba)
        if len(row_alpha) > self.n_labeled:
            # A row without a label shows callbacks the teacher's; its loss has no use for it.
            best = self.log_proba[self.n_labeled :].argmax(dim=1)
            self.labels = torch.cat([self.labels, best])
        own_alpha = row_alpha[: self.n_labeled] if self.n_labeled else row_alpha
        # One alpha for all, or equal weights, is by far the most frequent. The loss then is the
        # plain formula: faster, and with alpha=0 torch's own cross-entropy to the last bit.
        self.alpha = float(own_alpha[0]) if np.ptp(own_alpha) == 0 else tensor(row_alpha)
        self.weight = relative(row_weight, tensor, mean_weight)

    def renew(self, net, tensors):
        """Put the rows of the next epoch, and the teacher's labels, in the place of the last."""
        drawn = next(self.fresh)
        if drawn is None:
            return
        rows, log_proba = drawn
        overwrite_last(tensors, inputs_for(net.module_, rows, net.device))
        new = slice(len(self.labels) - len(log_proba), None)
        self.log_proba[new] = torch.as_tensor(log_proba).to(self.log_proba)
        self.labels[new] = self.log_proba[new].argmax(dim=1)

    def loss(self, net, batch, fit_params):
        """Return the loss of one batch and the module's output."""
        X, labels = batch
        rows = batch.rows
        if self.hints is not None and self.hints.needs_inputs:
            if not (isinstance(X, torch.Tensor) and X.is_floating_point()):
                raise TypeError(
                    "A hint on derivatives needs rows in one tensor of floating-point numbers. "
                    "Use another loss for rows like these."
                )
            X = X.detach().requires_grad_()  # how the outputs react to it is what is compared
        who = f"The student {type(net.module_).__name__}"
        first = self.output is None
        counted = counting(net.module_) if first else nullcontext()
        with self.listening(net) as student_layers, _in_words(who, len(rows)), counted as work:
            output = net.infer(X, **fit_params)
        if first:
            fewer_if_small(work.multiplications)
        loss = self.loss_of_rows(self.read(net, output, labels, who), labels, rows)
        if self.hints is not None:
            loss = loss + self.hints.loss(student_layers, rows, X)
        self.check_finite(net, loss, X, "training")
        return loss, output

    def read(self, net, output, labels, who):
        """Return the logits of what the module gave for some rows, looked at the first time."""
        first = self.output is None
        if first:
            self.output = output_of_net(net)
        logits = to_logits(output, self.output, who=who)
        check_shape(tensor_of(output), len(labels), self.n_classes, who=who)
        if first:
            self._look_at(net, tensor_of(output), labels, who)
        return logits

    def shaped(self, output):
        """Return an output in the shape in which the net's criterion compares it with labels."""
        return output

    def after_backward(self):
        """Train the projections of the hints."""
        if self.hints is not None:
            self.hints.step()

    def loss_of_rows(self, logits, labels, rows):
        """Return the objective on logits, averaged over the rows of a batch."""
        labels = labels.long()
        alpha = self.alpha if isinstance(self.alpha, float) else self.alpha[rows]
        log_proba = None if self.log_proba is None else self.log_proba[rows]
        weight = None if self.weight is None else self.weight[rows]
        if self.n_labeled < len(self.labels):
            # The batch has the teacher's choice there, for callbacks; the loss must not learn it.
            labels = torch.where(rows < self.n_labeled, labels, -1)
        loss = hinton(
            logits,
            log_proba,
            labels,
            alpha,
            self.temperature,
            loss=self.loss_on_logits,
            sample_weight=weight,
        )
        # A weighted mean divides by the weights of the batch. Heavy batches are to count more.
        return loss if weight is None else loss * weight.mean()

    def validation_loss(self, output, batch):
        """Return the cross-entropy with the real labels, each row and class by its weight."""
        # Divided by the number of rows, not by their weight: skorch averages batches by size.
        rows = cross_entropy_rows(to_logits(output, self.output), batch[1].long())
        return (self.valid_weight[batch.rows] * rows).mean()

    def listening(self, net):
        """Return a context in which the layers that hints name are captured."""
        return nullcontext() if self.hints is None else self.hints.listening(net.module_)

    def check_finite(self, net, loss, X, stage):
        """Raise an error that names the likely cause, if a loss is not a finite number."""
        value = loss.item()
        if math.isfinite(value):
            return
        missing = _rows_not_finite(X)
        if missing:
            raise ValueError(
                f"X has NaN or infinite values, in {missing} rows of a batch, or ones that are "
                "too large for the network's precision. Put a SimpleImputer or a StandardScaler "
                "before it in a Pipeline, or drop the rows."
            )
        epoch = len(net.history)
        batch = len(net.history[-1].get("batches", [])) if net.history else 0
        raise FloatingPointError(
            f"The {stage} loss became {value} in epoch {epoch}, batch {batch}. Lower the "
            "learning rate, clip the gradients, or scale the inputs."
        )

    def _look_at(self, net, output, labels, who):
        """Raise ValueError if the first outputs are not what they are read as."""
        if not output.requires_grad:
            raise ValueError(
                f"{who} cannot be trained: no parameter that requires a gradient has a say in its "
                "outputs. Look for requires_grad_(False), detach() or no_grad() in it."
            )
        found = misread(output, self.output)
        if found:
            raise ValueError(
                f"{who} {LOOKS_LIKE[found]}, and is read as {self.output!r}. {_REMEDIES[found]}"
            )
        if is_single(output) and isinstance(net.criterion_, KINDS["logits"] | KINDS["proba"]):
            raise ValueError(
                f"{who} has one output, and its criterion {type(net.criterion_).__name__} needs "
                "one per class. Use skorch.NeuralNetBinaryClassifier, or the bare module."
            )
        _check_criterion(net, output.detach(), labels)
        self.doubtful = is_single(output) and "logit" in self.output and in_unit_range(output)


def _check_criterion(net, output, labels):
    """Raise ValueError if a net's own criterion, which validates it, cannot be computed."""
    name = type(net.criterion_).__name__
    if isinstance(net, NeuralNetBinaryClassifier) and net.predict_nonlinearity == "auto":
        fits = isinstance(net.criterion_, KINDS["binary-logit"] | KINDS["binary-proba"])
        error = None
    else:
        fits, error = _fits(net, output, labels)
    if not fits:
        raise ValueError(
            f"The criterion {name} of the student {type(net).__name__} does not compare outputs "
            f"of shape {tuple(output.shape)} with class labels. Use NeuralNetClassifier with "
            "CrossEntropyLoss and one output per class, or NeuralNetBinaryClassifier with "
            "BCEWithLogitsLoss and one output."
        ) from error


def _fits(net, output, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is called again, and speaks then
        warnings.filterwarnings("error", message="Using a target size")
        try:
            net.get_loss(output, labels, training=True)
        except (RuntimeError, ValueError, IndexError, TypeError, UserWarning) as error:
            return False, error
    return True, None


@contextmanager
def _in_words(who, n_rows):
    """Say what torch means where a layer cannot be trained on a batch of one row."""
    try:
        yield
    except ValueError as error:
        if n_rows > 1 or "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"{who} has batch normalisation, which cannot be trained on a batch of one row. Set "
            "batch_size to 2 or more, and train on several rows."
        ) from error


def relative(weight, tensor, mean=None):
    """Return weights divided by their mean, as a tensor; None if they are all equal to it."""
    if np.ptp(weight) == 0 and mean in (None, weight[0]):
        return None
    return tensor(weight / (weight.mean() if mean is None else mean))


def _rows_not_finite(X):
    """Return the number of rows with NaN or infinity in a tensor, or dict or tuple of tensors."""
    parts = X.values() if isinstance(X, dict) else X if isinstance(X, tuple) else (X,)
    return max(int((~part.isfinite().reshape(len(part), -1).all(dim=1)).sum()) for part in parts)
