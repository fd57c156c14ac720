"""skorch's training loop with our objective and batches that are in memory.

The loop, the optimiser, the callbacks, the history and the device are the user's net's. Replaced
are the loader, which takes several times as long as a small network, and the loss of a training
step. When training is over the net is of its own class again.
"""

from contextlib import contextmanager

import numpy as np
import torch
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.dataset import Dataset, ValidSplit

from sklearn_distill.nn.batches import (
    InMemoryBatches,
    InMemoryRows,
    as_tensors,
    predict_in_slices,
    slice_tensors,
)
from sklearn_distill.nn.capture import check_device
from sklearn_distill.nn.outputs import recognise
from sklearn_distill.utils.kinds import is_module

#: Steps that a bare module takes unless told otherwise, within these numbers of epochs.
STEPS = 5000
EPOCHS = (30, 200)

#: What validates a bare module, by the kind of its output. Training has its own objective.
_CRITERIA = {
    "logits": (NeuralNetClassifier, torch.nn.CrossEntropyLoss),
    "log-proba": (NeuralNetClassifier, torch.nn.CrossEntropyLoss),
    "proba": (NeuralNetClassifier, torch.nn.NLLLoss),
    "binary-logits": (NeuralNetBinaryClassifier, torch.nn.BCEWithLogitsLoss),
    "binary-proba": (NeuralNetBinaryClassifier, torch.nn.BCELoss),
}


class InMemoryMixin:
    """Training and validation on slices of tensors."""

    def get_split_datasets(self, X, y=None, **fit_params):
        """Split as the user's ``train_split`` does; rows without a label are for training."""
        labels = self.lesson_.labels
        if isinstance(self, NeuralNetBinaryClassifier):
            labels = labels.float()  # what its criteria compare with
        n_labeled = self.lesson_.n_labeled
        rows = torch.arange(len(labels))
        valid = self._validation_rows(labels[:n_labeled].cpu().numpy())
        if valid is None:
            return InMemoryRows(X, labels), None
        keep = torch.ones(len(labels), dtype=torch.bool)
        keep[valid] = False
        device = labels.device
        return (
            InMemoryRows(X, labels, rows[keep].to(device)),
            InMemoryRows(X, labels, torch.as_tensor(valid).to(device)),
        )

    def _validation_rows(self, labels):
        if not self.train_split:
            return None
        stand_in = Dataset(np.zeros((len(labels), 1), dtype=np.float32), labels)
        _, valid = self.train_split(stand_in, labels)
        if not hasattr(valid, "indices"):
            raise TypeError(
                "train_split must return subsets of the rows that it was given, such as "
                "skorch.dataset.ValidSplit does. Rows of your own cannot be told apart from them."
            )
        return np.sort(np.asarray(valid.indices))

    def get_iterator(self, dataset, training=False):
        """Iterate over slices, where the rows are ours."""
        if not isinstance(dataset, InMemoryRows):
            return super().get_iterator(dataset, training=training)
        name = "iterator_train" if training else "iterator_valid"
        params = {"batch_size": self.batch_size, "shuffle": training} | self.get_params_for(name)
        known = {"batch_size", "shuffle", "drop_last"}
        params = {key: value for key, value in params.items() if key in known}
        return InMemoryBatches(dataset, generator=self.lesson_.generator, **params)

    def check_data(self, X, y=None):
        """Trust the data: they were checked, and the classes are known."""
        self.classes_inferred_ = np.arange(self.lesson_.n_classes)

    def infer(self, x, **fit_params):
        """Return single precision of a module that computes in half: NumPy has no bfloat16."""
        output = super().infer(x, **fit_params)
        half = isinstance(output, torch.Tensor) and output.dtype in (torch.float16, torch.bfloat16)
        return output.float() if half else output

    def train_step_single(self, batch, **fit_params):
        """Let the lesson say what the loss is."""
        self._set_training(True)
        loss, output = self.lesson_.loss(self, batch)
        loss.backward()
        self.lesson_.after_backward()
        return {"loss": loss, "y_pred": output}


def train_in_memory(net, X, lesson):
    """Train a skorch net on a lesson, in place, and return it.

    Parameters
    ----------
    net : skorch.NeuralNet
        Not yet initialised, or to be initialised anew.
    X : rows
        Converted to tensors on the net's device.
    lesson : Lesson
        What is to be learned.
    """
    own_class = type(net)
    X = as_tensors(X, device=net.device)
    net.__class__ = type(own_class.__name__, (InMemoryMixin, own_class), {})
    # Set without skorch's bookkeeping, which would take it for a parameter or a module.
    vars(net)["lesson_"] = lesson
    try:
        net.fit(X, lesson.labels)
    finally:
        del vars(net)["lesson_"]
        net.__class__ = own_class
    return net


@contextmanager
def seeded(seed):
    """Seed torch and NumPy for a block and put both generators back afterwards."""
    numpy_state = np.random.get_state()  # noqa: NPY002 (skorch and modules draw from it)
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


def as_net(student, X, n_samples, settings):
    """Return a skorch net: the student itself, or a bare module with sensible settings.

    Parameters
    ----------
    student : module, class of one, or skorch.NeuralNet
    X : rows
        A first one is passed through a module to see its outputs.
    n_samples : int
        Rows that it will be trained on.
    settings : GradientTraining
    """
    if not is_module(student):
        return student
    check_device(settings.device)
    module = student() if isinstance(student, type) else student
    module = module.to(settings.device)
    kind = recognise(module)
    single = _n_outputs(module, X, settings.device) == 1
    batch_size = settings.batch_size or 2 ** int(np.clip(np.log2(n_samples / 32), 4, 8))
    per_epoch = -(-n_samples // batch_size)
    max_epochs = settings.max_epochs or int(np.clip(STEPS / per_epoch, *EPOCHS))
    # One more than needed: the schedule steps after every batch, and complains after its last.
    n_steps = max_epochs * per_epoch + 1
    callbacks = [
        (
            "schedule",
            LRScheduler(
                policy=torch.optim.lr_scheduler.OneCycleLR,
                max_lr=settings.lr,
                total_steps=n_steps,
                step_every="batch",
            ),
        )
    ]
    train_split = None
    if settings.validation_fraction:
        train_split = ValidSplit(settings.validation_fraction, stratified=True, random_state=0)
        stopping = EarlyStopping(
            monitor="valid_loss",
            patience=settings.patience or -(-max_epochs // 3),
            load_best=True,
            sink=_nowhere,
        )
        callbacks.append(("early_stopping", stopping))
    if settings.verbose:
        callbacks.append(("progress", EpochBar()))
    net_class, criterion = _CRITERIA["binary-" + kind if single and kind == "logits" else kind]
    return net_class(
        module,
        criterion=criterion,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=settings.weight_decay,
        lr=settings.lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=train_split,
        callbacks=callbacks,
        device=settings.device,
        verbose=0,
    )


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


def _n_outputs(module, X, device):
    """Return the number of output columns, from one row in evaluation mode."""
    few = slice_tensors(as_tensors(X, device=device), slice(0, 1))
    training = module.training
    module.eval()
    with torch.no_grad():
        output = next(predict_in_slices(module, few, 1))
    module.train(training)
    if not isinstance(output, torch.Tensor):
        return None  # refused, in words, when the first loss is due
    return output.shape[-1] if output.ndim > 1 else 1
