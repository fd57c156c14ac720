"""skorch's training loop with our objective and batches that are in memory.

The loop, the optimiser, the callbacks, the history and the device are the user's net's. Replaced
are the loader, which takes several times as long as a small network, and the loss of a training
step. When training is over the net is of its own class again.
"""

import copy
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from threading import RLock

import numpy as np
import torch
from skorch import (
    NeuralNet,
    NeuralNetBinaryClassifier,
    NeuralNetClassifier,
    NeuralNetRegressor,
)
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.dataset import Dataset, ValidSplit
from torch.utils.data import DataLoader, Subset

from sklearn_distill.nn.batches import (
    InMemoryBatches,
    InMemoryRows,
    call,
    inputs_for,
    n_batches,
    slice_tensors,
)
from sklearn_distill.nn.capture import undisturbed
from sklearn_distill.nn.outputs import KINDS, criterion_of, is_single, recognise, tensor_of
from sklearn_distill.nn.threads import same_threads

#: Steps that a bare module takes unless told otherwise, within these numbers of epochs.
STEPS = 5000
EPOCHS = (30, 200)

#: AdamW divides by a gradient's size plus this. Its default, 1e-8, is 0 in half precision.
HALF_EPS = 1e-4

#: Parts of a skorch net that have no say in training here.
_REPLACED = ("get_dataset", "get_split_datasets", "get_iterator", "get_loss", "train_step_single")

#: Where skorch defines the parts that may be replaced.
_SKORCH = ("skorch.net", "skorch.classifier", "skorch.regressor")

_RANDOM = RLock()


class _Interrupted(BaseException):
    """A KeyboardInterrupt on its way through skorch, which would take it for an early end."""


class Interruptible:
    """Training that Ctrl-C breaks off, as it does every other ``fit``.

    skorch keeps what has been learned until then, so that a search would go on with half a model.
    """

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train; let nobody catch an interruption."""
        try:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt as error:
            if _is_callbacks_own(error):
                raise
            raise _Interrupted from error


class InMemoryMixin(Interruptible):
    """Training and validation on slices of tensors."""

    def get_split_datasets(self, X, y=None, **fit_params):
        """Split as the user's ``train_split`` does; rows without a label are for training."""
        # Only now is there a module, and only it knows its precision.
        X = inputs_for(self.module_, X, self.device)
        labels, n_labeled = self.objective_.labels, self.objective_.n_labeled
        if isinstance(self, NeuralNetBinaryClassifier):
            labels = labels.float()  # what its criteria compare with
        rows = torch.arange(len(labels))
        valid = self._validation_rows(labels[:n_labeled].cpu().numpy(), fit_params)
        if valid is None:
            return InMemoryRows(X, labels), None
        keep = torch.ones(len(labels), dtype=torch.bool)
        keep[valid] = False
        return (
            InMemoryRows(X, labels, rows[keep].to(labels.device)),
            InMemoryRows(X, labels, torch.as_tensor(valid).to(labels.device)),
        )

    def _validation_rows(self, labels, fit_params):
        if not self.train_split:
            return None
        stand_in = Dataset(np.zeros((len(labels), 1), dtype=np.float32), labels)
        valid = _split(self.train_split, stand_in, labels, fit_params)
        if valid is None:
            return None
        if not hasattr(valid, "indices"):
            raise TypeError(
                "train_split must return subsets of the rows that it was given, such as "
                "skorch.dataset.ValidSplit does. Rows of your own cannot be told apart from them."
            )
        if len(valid) == len(labels):
            raise ValueError("train_split left no row for training. Let it hold out fewer.")
        return np.sort(np.asarray(valid.indices)) if len(valid) else None

    def get_iterator(self, dataset, training=False):
        """Iterate over slices, where the rows are ours."""
        if not isinstance(dataset, InMemoryRows):
            return super().get_iterator(dataset, training=training)
        name = "iterator_train" if training else "iterator_valid"
        params = {"batch_size": self.batch_size, "shuffle": training} | self.get_params_for(name)
        known = {"batch_size", "shuffle", "drop_last"}
        params = {key: value for key, value in params.items() if key in known}
        objective = self.objective_
        if training and objective.fresh is not None:
            params["before_epoch"] = partial(objective.renew, self, dataset.tensors)
        batches = InMemoryBatches(dataset, generator=objective.generator, **params)
        if not len(batches):
            raise ValueError(
                f"drop_last leaves no batch of {batches.batch_size} rows: there are "
                f"{len(dataset)}. Take a smaller batch_size."
            )
        return batches

    def check_data(self, X, y=None):
        """Trust the data: they were checked, and the classes are known."""
        self.classes_inferred_ = np.arange(self.objective_.n_classes)

    def infer(self, x, **fit_params):
        """Return logits alone, and in single precision: NumPy has no bfloat16."""
        if super().infer.__func__ is NeuralNetBinaryClassifier.infer:
            # It asks for the shape of whatever the module returns, before we can find the logits.
            output = tensor_of(NeuralNet.infer(self, x, **fit_params))
            output = output.reshape(-1) if is_single(output) else output
        else:
            output = tensor_of(super().infer(x, **fit_params))
        half = output.dtype in (torch.float16, torch.bfloat16)
        return self.objective_.shaped(output.float() if half else output)

    def train_step_single(self, batch, **fit_params):
        """Let the objective say what the loss is."""
        self._set_training(True)
        loss, output = self.objective_.loss(self, batch, fit_params)
        loss.backward()
        self.objective_.after_backward()
        return {"loss": loss, "y_pred": output}

    def validation_step(self, batch, **fit_params):
        """Stop if the loss is no number; count weights that no criterion knows."""
        step = super().validation_step(batch, **fit_params)
        if self.objective_.valid_weight is not None:
            step["loss"] = self.objective_.validation_loss(step["y_pred"], batch)
        self.objective_.check_finite(self, step["loss"], batch[0], "validation")
        return step


def _is_callbacks_own(error):
    """Tell whether a callback raised this interruption, as EarlyStopping does to end training."""
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return isinstance(traceback.tb_frame.f_locals.get("self"), Callback)


class StreamMixin(InMemoryMixin):
    """Training on rows that come part by part, each of them in memory for its turn alone."""

    def get_split_datasets(self, X, y=None, **fit_params):
        """Train on all that comes: there is nothing to hold out that would stand for the rest."""
        return X, None

    def get_iterator(self, dataset, training=False):
        """Iterate over slices of one part after the other."""
        return _BatchesOfParts(self, dataset)


class _BatchesOfParts:
    """The batches of an epoch, as skorch asks for them."""

    def __init__(self, net, parts):
        self.net, self.parts, self.epoch = net, parts, -1

    def __iter__(self):
        net, self.epoch = self.net, self.epoch + 1
        for X, targets in self.parts(self.epoch):
            objective = net.objective_
            objective.set_rows(*targets)
            X = inputs_for(net.module_, X, net.device)
            yield from InMemoryMixin.get_iterator(net, InMemoryRows(X, objective.labels), True)
            _join_batches(net.history)


def _join_batches(history):
    """Put one record in the place of those of the batches so far: they would fill the memory.

    What skorch makes of them at the end of the epoch is the mean, weighted by size.
    """
    batches = history[-1]["batches"]
    if all(batch.keys() == {"train_loss", "train_batch_size"} for batch in batches):
        sizes = [batch["train_batch_size"] for batch in batches]
        loss = np.average([batch["train_loss"] for batch in batches], weights=sizes)
        batches[:] = [{"train_loss": float(loss), "train_batch_size": sum(sizes)}]


def train_on_stream(net, parts, objective):
    """Train a skorch net on rows that come part by part, in place, and return it.

    Parameters
    ----------
    net : skorch.NeuralNet
    parts : callable
        Yields, for the number of an epoch, rows and the arguments of
        :meth:`~sklearn_distill.nn.objective.Objective.set_rows` for them.
    objective : Objective
    """
    return _train(net, StreamMixin, objective, parts, None)


def train_in_memory(net, X, objective, fit_params=None):
    """Train a skorch net on an objective, in place, and return it.

    Parameters
    ----------
    net : skorch.NeuralNet
        Not yet initialised, or to be initialised anew.
    X : rows
        Converted to tensors on the net's device.
    objective : Objective
        What is to be learned.
    fit_params : dict, default=None
        For the module's ``forward`` and the net's ``train_split``.
    """
    return _train(net, InMemoryMixin, objective, X, objective.labels, fit_params)


def _train(net, mixin, objective, X, y, fit_params=None):
    # The objective is set without skorch's bookkeeping, which would take it for a parameter or a
    # module.
    vars(net)["objective_"] = objective
    try:
        with behaving(net, mixin), same_threads():  # the objective may take fewer
            net.fit(X, y, **(fit_params or {}))
    finally:
        del vars(net)["objective_"]
    return net


@contextmanager
def behaving(net, mixin):
    """Put a class in front of a net's own for the time of its training.

    The steps of the user's net stay overridable, so that the net must stay what it is.
    """
    own_class = type(net)
    net.__class__ = type(own_class.__name__, (mixin, own_class), {})
    try:
        yield
    except _Interrupted as interrupted:
        raise interrupted.__cause__ from None
    finally:
        net.__class__ = own_class


def _split(train_split, rows, labels, fit_params):
    """Return the validation part of a split; a stratified one that cannot be had is given up."""
    try:
        _, valid = train_split(rows, labels, **fit_params)
        return valid
    except ValueError as error:
        if not isinstance(train_split, ValidSplit):
            raise
        said = error
    instead = "the whole is trained on, without validation"
    valid = None
    with suppress(ValueError):
        plain = copy.copy(train_split)
        plain.stratified = False
        _, valid = plain(rows, labels, **fit_params)
        instead = "the split is not stratified"
    warnings.warn(
        f"The train_split of the student cannot be had with these labels ({said}), so {instead}. "
        "Pass train_split=None, or another one.",
        UserWarning,
        stacklevel=2,
    )
    return valid


@contextmanager
def seeded(seed):
    """Seed torch and NumPy for a block and put both generators back afterwards.

    Modules and skorch draw from generators that belong to the process. Threads take turns: two
    networks trained at once would draw from each other's numbers, and neither be reproducible.
    """
    with _RANDOM, torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        numpy_state = np.random.get_state()  # noqa: NPY002 (skorch and modules draw from it)
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


def as_net(
    module,
    X,
    labels,
    n_rows,
    *,
    device="cpu",
    seed=0,
    max_epochs=None,
    lr=3e-3,
    weight_decay=1e-3,
    batch_size=None,
    validation_fraction=0.1,
    patience=None,
    verbose=0,
    values=False,
    steps_per_epoch=None,
):
    """Return a skorch net of a bare module, with sensible settings.

    Parameters
    ----------
    module : nn.Module
        On its device.
    X : Tensor, or dict or tuple of tensors
        The first two are passed through the module to see its outputs.
    labels : ndarray of int, shape (n_labeled,)
        Of these some are for validation.
    n_rows : int
        Number of rows to train and validate on.
    device : str or torch.device, default="cpu"
    seed : int, default=0
        Of the validation split.
    values : bool, default=False
        Whether it learns values instead of classes.
    steps_per_epoch : int, default=None
        None counts the batches of these rows.
    max_epochs, lr, weight_decay, batch_size, validation_fraction, patience, verbose : see \
:class:`~sklearn_distill.GradientTraining`
    """
    batch_size = batch_size or batch_size_for(n_rows)
    train_split = HoldOut(validation_fraction, seed) if validation_fraction else None
    n_valid = len(train_split.rows(labels)) if train_split else 0
    per_epoch = steps_per_epoch or n_batches(n_rows - n_valid, batch_size)
    max_epochs = max_epochs or int(np.clip(STEPS / per_epoch, *EPOCHS))
    schedule = LRScheduler(
        policy=torch.optim.lr_scheduler.OneCycleLR,
        max_lr=lr,
        # One more than needed: it steps after every batch, and complains after its last.
        total_steps=max_epochs * per_epoch + 1,
        step_every="batch",
    )
    callbacks = [("schedule", schedule)]
    if n_valid:
        stopping = EarlyStopping(
            monitor="valid_loss",
            patience=patience or -(-max_epochs // 3),
            load_best=True,
            sink=_nowhere,
        )
        callbacks.append(("early_stopping", stopping))
    if verbose:
        callbacks.append(("progress", EpochBar()))
    kind = "logits" if values else recognise(module)
    if not values and kind == "logits" and is_single(_outputs(module, X)):
        kind = "binary-logit"
    half = any(p.dtype == torch.float16 for p in module.parameters())
    net = NeuralNetBinaryClassifier if kind.startswith("binary") else NeuralNetClassifier
    return (NeuralNetRegressor if values else net)(
        module,
        criterion=torch.nn.MSELoss if values else KINDS[kind],
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=weight_decay,
        optimizer__eps=HALF_EPS if half else 1e-8,
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=train_split if n_valid else None,
        callbacks=callbacks,
        device=device,
        verbose=0,
    )


def forget_training(net):
    """Drop what a net of :func:`as_net` needs for training only, in place.

    The optimiser's moments take twice the bytes of the weights, and the callbacks would have to be
    imported wherever the net is loaded.
    """
    net.optimizer_.state.clear()
    net.callbacks, net.callbacks_, net.train_split = None, [], None


def warn_of_unused_parts(net, criteria):
    """Warn once, naming all that the user made different in a skorch net and that is not used.

    Parameters
    ----------
    net : skorch.NeuralNet
    criteria : collection of classes
        Whose loss the strategy's is.
    """
    unused = [
        f"{name}()" for name in _REPLACED if getattr(type(net), name).__module__ not in _SKORCH
    ]
    for name in ("iterator_train", "iterator_valid"):
        if getattr(net, name) is not DataLoader:
            unused.append(name)
        settings = net.get_params_for(name)
        odd = ("sampler", "batch_sampler", "collate_fn")
        unused += [f"{name}__{key}" for key in odd if settings.get(key) is not None]
    if criterion_of(net) not in criteria:
        unused.append(f"criterion={criterion_of(net).__name__}")
    known = {"weight", "pos_weight"}  # they count: as weights of the targets
    unused += [f"criterion__{key}" for key in net.get_params_for("criterion") if key not in known]
    if unused:
        warnings.warn(
            f"The student {type(net).__name__} is trained on batches in memory and on the loss of "
            f"its strategy. Not used in training are its {', '.join(unused)}.",
            UserWarning,
            stacklevel=2,
        )


def batch_size_for(n_rows):
    """Return the power of two below a thirty-second of the rows, from 16 to 256."""
    return 2 ** int(np.clip(np.log2(n_rows / 32), 4, 8))


class HoldOut:
    """A validation split that leaves rows of every class in training.

    Parameters
    ----------
    fraction : float
        Of the rows, at most.
    seed : int
    """

    def __init__(self, fraction, seed):
        self.fraction = fraction
        self.seed = seed

    def rows(self, labels):
        """Return the positions that are held out, (n_valid,); maybe none."""
        rng = np.random.RandomState(self.seed)
        labels = np.asarray(labels)
        # Values, which are a matrix, are drawn at random, as if they were of one class.
        labels = np.zeros(len(labels)) if labels.ndim == 2 else labels
        labels = labels.astype(np.int64)
        rows = rng.permutation(len(labels))
        rows = rows[np.argsort(labels[rows], kind="stable")]
        # Sorted by class, every tenth row from a random start on (for a fraction of .1): that is a
        # stratified draw which works with any number of rows and classes.
        n_valid = int(self.fraction * len(labels))
        valid = rows[((rng.uniform() + np.arange(n_valid)) / self.fraction).astype(int)]
        gone = np.bincount(labels[valid], minlength=labels.max() + 1) == np.bincount(labels)
        return valid[~gone[labels[valid]]]

    def __call__(self, dataset, y=None):
        """Return the two subsets, as skorch wants them."""
        valid = self.rows(y)
        return Subset(dataset, np.setdiff1d(np.arange(len(y)), valid)), Subset(dataset, valid)


class EpochBar(Callback):
    """A tqdm bar over epochs with the latest losses."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=net.max_epochs, desc="[sklearn_distill] epochs")

    def on_epoch_end(self, net, **kwargs):
        """Advance the bar."""
        last = net.history[-1]
        losses = {key: f"{last[key]:.4f}" for key in ("train_loss", "valid_loss") if key in last}
        self.bar_.set_postfix(losses)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self.bar_.close()
        del self.bar_


def _nowhere(text):
    """Print nothing."""


def in_units_of(module, X, mean, scale):
    """Return a module that goes on with a fixed layer: times the scale, plus the mean.

    Parameters
    ----------
    module : nn.Module
    X : Tensor, or dict or tuple of tensors
        The first two rows are passed through it.
    mean, scale : ndarray of shape (n_outputs,)

    Returns
    -------
    nn.Sequential

    Raises
    ------
    ValueError
        If the module does not give so many outputs.
    """
    output, n_outputs = _outputs(module, X), len(mean)
    if output.ndim != 2 or output.shape[1] != n_outputs:
        raise ValueError(
            f"The student {type(module).__name__} returns outputs of shape {tuple(output.shape)} "
            f"for {len(output)} rows, but there are {n_outputs} values. Its last layer must have "
            f"{n_outputs} outputs for each row."
        )
    units = torch.nn.Linear(n_outputs, n_outputs).to(output)
    with torch.no_grad():
        units.weight.copy_(torch.diag(torch.as_tensor(scale)))
        units.bias.copy_(torch.as_tensor(mean))
    return torch.nn.Sequential(module, units.requires_grad_(False))


def _outputs(module, X):
    """Return the outputs for two rows in evaluation mode; lazy layers then have their weights."""
    with undisturbed(module), torch.no_grad():
        output = call(module, slice_tensors(X, slice(0, 2)))
    return tensor_of(output, who=f"The student {type(module).__name__}")
