"""Torch modules as frozen scikit-learn classifiers."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.frozen import FrozenMixin


class TorchTeacher(ClassifierMixin, FrozenMixin, BaseEstimator):
    """A trained torch module as a classifier that is used as it is.

    Labelling runs in evaluation mode, without gradients and in batches; mode, device and
    parameters of the module are what they were before. A plain module that is passed as
    ``teacher`` is wrapped in this class with its defaults.

    Parameters
    ----------
    module : torch.nn.Module
        Trained. Called with one batch: a tensor, or the entries of a dict as keywords, or those
        of a tuple as positions. It returns a tensor, something that has one as its attribute or
        entry ``logits``, or a tuple whose first is one.
    output : {"auto", "logits", "log-proba", "proba", "binary-logit", "binary-proba"}, \
default="auto"
        What the module returns. "auto" reads logits, unless the last layer is a ``Softmax``,
        ``LogSoftmax`` or ``Sigmoid``. A single column is the log-odds (or probability) of the
        second class.
    classes : array-like of shape (n_classes,), default=None
        The label of each column. None takes the sorted labels of the training rows.
    preprocess : callable, default=None
        Turns the rows into what the module takes: a tensor, an array, or a dict or tuple of
        these. None converts arrays and data frames of numbers to the module's precision, and
        leaves whole numbers whole if the module begins with an embedding.
    device : str or torch.device, default=None
        Where to label. None leaves the module where it is.
    batch_size : int, default=1024
        Rows per call.

    See Also
    --------
    DistillationClassifier : Takes it, or the bare module, as ``teacher``.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_distill import TorchTeacher
    >>> teacher = TorchTeacher(nn.Linear(2, 3), classes=["a", "b", "c"])
    >>> teacher.predict_proba(np.zeros((4, 2), dtype=np.float32)).shape
    (4, 3)
    """

    def __init__(
        self,
        module,
        *,
        output="auto",
        classes=None,
        preprocess=None,
        device=None,
        batch_size=1024,
    ):
        self.module = module
        self.output = output
        self.classes = classes
        self.preprocess = preprocess
        self.device = device
        self.batch_size = batch_size

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.preprocess is None
        return tags

    @property
    def classes_(self):
        """The label of each column, if it was given."""
        if self.classes is None:
            raise AttributeError("classes_ is known only if classes was given")
        return np.asarray(self.classes)

    def prepare(self, X):
        """Turn rows into what the module takes.

        Parameters
        ----------
        X : rows

        Returns
        -------
        rows : array, tensor, or dict or tuple of these
        """
        return X if self.preprocess is None else self.preprocess(X)

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : rows
            What ``preprocess`` takes.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Of ``classes``, or positions if none were given.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return best if self.classes is None else self.classes_[best]

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : rows
            What ``preprocess`` takes.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In float64.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : rows
            What ``preprocess`` takes.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In float64.
        """
        log_proba, doubt = self.read(X)
        if doubt:
            warnings.warn(doubt, UserWarning, stacklevel=2)
        return log_proba

    def read(self, X):
        """Return the log-probabilities, and why they may not be what they are read as, or None."""
        import torch

        from sklearn_distill.nn.batches import inputs_for, predict_in_slices
        from sklearn_distill.nn.capture import undisturbed
        from sklearn_distill.nn.outputs import log_proba, to_logits

        kind = self._kind_of_output()
        who = f"The teacher {name_of(self.module)}"
        rows = self.prepare(X)  # the user's code, which needs no lock on the module
        parts, doubt = [], None
        with undisturbed(self.module, self.device) as device, torch.no_grad():
            rows = inputs_for(self.module, rows, device)
            for output in predict_in_slices(self.module, rows, self.batch_size):
                logits = to_logits(output, kind, who=who)
                if not parts:  # one batch is enough to tell, and the others cost nothing then
                    doubt = self._look_at(output, kind, who, rows)
                parts.append(log_proba(logits).cpu())
        return torch.cat(parts).numpy(), doubt

    def _kind_of_output(self):
        from sklearn_distill.nn.outputs import KINDS, recognise

        if self.output == "auto":
            return recognise(self.module)
        if self.output not in KINDS:
            raise ValueError(
                f"The 'output' parameter of TorchTeacher must be one of {['auto', *KINDS]}. "
                f"Got {self.output!r} instead."
            )
        return self.output

    def _look_at(self, output, kind, who, rows):
        """Refuse outputs that are not what they are read as; say where one cannot be sure."""
        from sklearn_distill.nn.outputs import (
            LOOKS_LIKE,
            is_single,
            looks_like_one_probability,
            misread,
            tensor_of,
        )

        output = tensor_of(output, who=who)
        guessed = self.output == "auto" and kind == "logits" and is_single(output)
        found = misread(self._with_its_making(rows) if guessed else output, kind)
        if found:
            raise ValueError(
                f"{who} {LOOKS_LIKE[found]}, and is read as {kind!r}. Write "
                f"TorchTeacher(module, output={found!r})."
            )
        # Log-odds of a weak teacher may well lie there, so that this is no error.
        if guessed and looks_like_one_probability(output):
            return (
                f"{who} returned one column with values between 0 and 1 only, read as log-odds. "
                "Write TorchTeacher(module, output='binary-proba') if they are probabilities, "
                "and 'binary-logit' if they are not."
            )
        return None

    def _with_its_making(self, rows):
        """Return the output for a row or two that knows its last operation: maybe a sigmoid."""
        import torch

        from sklearn_distill.nn.batches import predict_in_slices, slice_tensors
        from sklearn_distill.nn.outputs import tensor_of

        few = slice_tensors(rows, slice(0, 2))
        with torch.enable_grad():
            if isinstance(few, torch.Tensor) and few.is_floating_point():
                # The parameters may be frozen; and what is no leaf may be changed in place.
                few = few.clone().requires_grad_().clone()
            return tensor_of(next(predict_in_slices(self.module, few, 2)))
