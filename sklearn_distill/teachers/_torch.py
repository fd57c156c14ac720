"""Torch modules as frozen scikit-learn classifiers."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_distill.utils.kinds import name_of


class TorchTeacher(ClassifierMixin, BaseEstimator):
    """A trained torch module as a classifier that is used as it is.

    Labelling runs in evaluation mode, without gradients and in batches; mode, device and
    parameters of the module are what they were before. A plain module that is passed as
    ``teacher`` is wrapped in this class with its defaults.

    Parameters
    ----------
    module : torch.nn.Module
        Trained. Called with one batch: a tensor, or the entries of a dict as keywords, or those
        of a tuple as positions.
    output : {"auto", "logits", "log-proba", "proba", "binary-logit", "binary-proba"}, \
default="auto"
        What the module returns. "auto" reads logits, unless the last layer is a ``Softmax``,
        ``LogSoftmax`` or ``Sigmoid``. A single column is the log-odds (or probability) of the
        second class.
    classes : array-like of shape (n_classes,), default=None
        The label of each column. None takes the sorted labels of the training rows.
    preprocess : callable, default=None
        Turns the rows into what the module takes: a tensor, an array, or a dict or tuple of
        these. None converts arrays and data frames of numbers to float32.
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

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        return self

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

    def fit(self, X, y=None):
        """Do nothing: the module is trained.

        Parameters
        ----------
        X : object
            Ignored.
        y : object
            Ignored.

        Returns
        -------
        self : object
        """
        return self

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
        import torch

        from sklearn_distill.nn.batches import as_tensors, predict_in_slices
        from sklearn_distill.nn.capture import undisturbed
        from sklearn_distill.nn.outputs import log_proba, recognise, to_logits

        kind = recognise(self.module) if self.output == "auto" else self.output
        rows = self.prepare(X)
        with undisturbed(self.module, self.device) as device, torch.no_grad():
            rows = as_tensors(rows, device=device)
            parts = [
                log_proba(to_logits(part, kind, who=f"The teacher {name_of(self.module)}")).cpu()
                for part in predict_in_slices(self.module, rows, self.batch_size)
            ]
        return torch.cat(parts).numpy()
