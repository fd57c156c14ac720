"""Hinton's loss on a booster's own margins, with buffers that all rounds share."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from joblib import cpu_count

#: Entries (rows times classes) below which another thread costs more than it saves.
ENTRIES_PER_THREAD = 1 << 16


class HintonLoss:
    """Gradient and Hessian of the loss at any margins.

    With weight alpha of the teacher, the loss of a row is
    (1 - alpha) CE(y, softmax(z)) + alpha T² KL(p_T || softmax(z / T)), times the row's weight.
    A context manager, whose threads end with it.

    Parameters
    ----------
    temperature : float
    n_rows, n_classes : int
        Of the rows, whose targets :meth:`fill` has to be told.
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
    """

    def __init__(
        self, temperature, n_rows, n_classes, *, order="C", hessian_factor=1.0, n_jobs=None
    ):
        self.temperature = float(temperature)
        self._is_binary = n_classes == 2
        self._hessian_factor = () if self._is_binary else (float(hessian_factor),)
        threads = cpu_count() if n_jobs is None or n_jobs < 1 else int(n_jobs)
        n_parts = max(1, min(threads, n_rows * n_classes // ENTRIES_PER_THREAD))
        bounds = np.linspace(0, n_rows, n_parts + 1).astype(int)
        self._parts = list(pairwise(bounds.tolist()))
        self._pool = ThreadPoolExecutor(n_parts) if n_parts > 1 else None
        shape = n_rows if self._is_binary else (n_rows, n_classes)
        self.mixed = np.empty(shape, np.float32, order=order)
        self.label_share, self.scale = np.empty((2, n_rows), np.float32)
        self._gradient = np.empty_like(self.mixed)
        self._hessian = np.empty_like(self.mixed)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._pool is not None:
            self._pool.shutdown()

    @classmethod
    def of(cls, targets, **settings):
        """Return the loss of targets that are here, all of them.

        Parameters
        ----------
        targets : SoftTargets
            With the weights of classes in them.
        **settings : dict
            As those of the class.
        """
        loss = cls(targets.temperature, *targets.log_proba.shape, **settings)
        loss.fill(targets)
        return loss

    def fill(self, targets, first=0):
        """Take the targets of some rows.

        Parameters
        ----------
        targets : SoftTargets
        first : int
            The number of the first of these rows.
        """
        from sklearn_distill.losses.kernels import mix_targets  # numba loads when it is needed

        n_rows, n_classes = targets.log_proba.shape
        rows = slice(first, first + n_rows)
        mixed = self.mixed[rows]
        if self._is_binary:
            mixed = np.empty((n_rows, n_classes), np.float32)
        given = targets.log_proba, targets.labels, targets.row_alpha, targets.row_weight
        found = mixed, self.label_share[rows], self.scale[rows]
        parts = self._parts if n_rows == len(self.label_share) else [(0, n_rows)]
        self._in_parts(lambda *part: mix_targets(*given, self.temperature, *found, *part), parts)
        if self._is_binary:
            self.mixed[rows] = mixed[:, 1]

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
        of_rows = self.mixed, self.label_share, self.scale, self.temperature
        found = *self._hessian_factor, self._gradient, self._hessian
        self._in_parts(lambda *part: kernel(margins, start, *of_rows, *found, *part), self._parts)
        return self._gradient, self._hessian

    def _in_parts(self, work, parts):
        if self._pool is None or len(parts) == 1:
            work(*parts[0])
        else:
            list(self._pool.map(lambda part: work(*part), parts))
