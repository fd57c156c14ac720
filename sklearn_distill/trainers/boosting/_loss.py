"""Hinton's loss on a booster's own margins, with buffers that all rounds share."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from joblib import cpu_count

from sklearn_distill.trainers.boosting._labels import row_weight

#: Entries (rows times classes) below which another thread costs more than it saves.
ENTRIES_PER_THREAD = 1 << 16


class HintonLoss:
    """Gradient and Hessian of the loss at any margins, and where to start.

    With weight alpha of the teacher, the loss of a row is
    (1 - alpha) CE(y, softmax(z)) + alpha T² KL(p_T || softmax(z / T)), times the row's weight.
    Rows without a label have alpha = 1 and the weight of the mean row that has one. A context
    manager, whose threads end with it.

    Parameters
    ----------
    targets : SoftTargets
    class_weight : ndarray of shape (n_classes,) or None
        Weights of the classes. They shift the teacher as they shift the labels: at T = 1 the loss
        is that of copies of each row, one for each class, weighted by probability and class.
    order : {"C", "F"}, default="C"
        Memory layout of what is returned for several classes: by rows or by classes.
    hessian_factor : float, default=1
        By which the library multiplies the Hessian's diagonal if there are several classes.
    n_jobs : int or None
        Threads; None or a negative number means every core.

    Attributes
    ----------
    mixed : ndarray of float32, shape (n_rows,) or (n_rows, n_classes)
        The mixed targets u of :mod:`sklearn_distill.losses.kernels`; with two classes, of the
        second one.
    label_share, scale : ndarray of float32, shape (n_rows,)
        a and s there.
    mass : ndarray of shape (n_classes,)
        Weight of each class in the blend of labels and teacher, summed over rows.
    """

    def __init__(self, targets, *, class_weight=None, order="C", hessian_factor=1.0, n_jobs=None):
        self.temperature = targets.temperature
        self.hessian_factor = hessian_factor
        n_rows, n_classes = targets.log_proba.shape
        self._n_rows = n_rows
        self._is_binary = n_classes == 2
        threads = cpu_count() if n_jobs is None or n_jobs < 1 else int(n_jobs)
        n_parts = max(1, min(threads, n_rows * n_classes // ENTRIES_PER_THREAD))
        bounds = np.linspace(0, n_rows, n_parts + 1).astype(int)
        self._parts = list(pairwise(bounds.tolist()))
        self._pool = ThreadPoolExecutor(n_parts) if n_parts > 1 else None
        self._mix(targets, np.ones(n_classes) if class_weight is None else class_weight, order)
        self._gradient = self._hessian = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._pool is not None:
            self._pool.shutdown()

    def _mix(self, targets, class_weight, order):
        from sklearn_distill.losses.kernels import mix_targets  # numba loads when it is needed

        n_rows, n_classes = targets.log_proba.shape
        labels = np.full(n_rows, -1)
        labels[: targets.n_labeled] = targets.labels
        mixed = np.empty((n_rows, n_classes), np.float32, order=order)
        self.label_share = np.empty(n_rows, np.float32)
        self.scale = np.empty(n_rows, np.float32)
        masses = np.zeros((len(self._parts), n_classes))
        with np.errstate(divide="ignore"):
            class_log_weight = np.log(np.asarray(class_weight, dtype=np.float64))
        weight = row_weight(targets)

        def mix(part):
            mix_targets(
                targets.log_proba,
                labels,
                float(targets.alpha),
                float(self.temperature),
                class_log_weight,
                weight,
                mixed,
                self.label_share,
                self.scale,
                masses[part],
                *self._parts[part],
            )

        self._in_parts(mix)
        self.mass = masses.sum(axis=0)
        self.mixed = mixed[:, 1].copy() if self._is_binary else mixed

    def derivatives(self, margins, start):
        """Return gradient and Hessian diagonal, in buffers that the next call overwrites.

        Parameters
        ----------
        margins : ndarray of shape (n_rows,) or (n_rows, n_classes)
            Log-odds of the second class, or one margin per class.
        start : float or ndarray of shape (n_classes,)
            Added to every row of margins.

        Returns
        -------
        gradient, hessian : ndarray of float32, shaped as ``margins``
        """
        from sklearn_distill.losses.kernels import logistic_derivatives, softmax_derivatives

        kernel = logistic_derivatives if self._is_binary else softmax_derivatives
        factor = () if self._is_binary else (float(self.hessian_factor),)
        if self._gradient is None:
            self._gradient = np.empty_like(self.mixed)
            self._hessian = np.empty_like(self.mixed)

        def derive(part):
            kernel(
                margins,
                start,
                self.mixed,
                self.label_share,
                self.scale,
                float(self.temperature),
                *factor,
                self._gradient,
                self._hessian,
                *self._parts[part],
            )

        self._in_parts(derive)
        return self._gradient, self._hessian

    def _in_parts(self, work):
        if self._pool is None:
            work(0)
        else:
            list(self._pool.map(work, range(len(self._parts))))
