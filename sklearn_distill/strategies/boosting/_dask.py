"""Boosters that their own library trains on the workers of a Dask cluster.

XGBoost and LightGBM hand an objective from outside nothing but labels, weights and margins of the
rows that a worker has. Labels are numbers that say which rows these are, and the worker reads
their targets itself, from the folder of the transfer set.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_distill.strategies.boosting._labels import in_single_precision
from sklearn_distill.strategies.boosting._loss import HintonLoss
from sklearn_distill.utils.rows import column_names

#: What the columns are called that say which row it is.
ROW, PART = "__row__", "__part__"

#: Rows of a part, at most: their numbers are in single precision.
MOST_ROWS = 1 << 24


def current_client():
    """Return the Dask client in use.

    Raises
    ------
    ImportError, RuntimeError
        If Dask is not installed, or there is no client.
    """
    try:
        from distributed import get_client
    except ImportError as error:
        raise ImportError(
            "engine='dask' needs distributed, which is not installed: pip install "
            "'sklearn-distill[scale]'."
        ) from error
    try:
        return get_client()
    except ValueError as error:
        raise RuntimeError(
            "There is no Dask client. Make one: client = distributed.Client(...)."
        ) from error


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a stream, each to be read as a whole by a worker.

    Attributes
    ----------
    stream : Stream
    by_class : ndarray of shape (n_classes,)
        Weights of classes.
    """

    stream: object
    by_class: np.ndarray

    def part(self, i):
        """Return the transfer set of a part."""
        return self.stream.taught(self.stream.stored.part(i).read())

    def targets(self, i):
        """Return the targets of a part, with the weights of classes in them."""
        targets = in_single_precision(self.part(i).targets)
        return targets.with_class_weight(self.by_class)

    def frame(self, i):
        """Return the rows of a part as a frame, with the numbers that say which they are."""
        import pandas as pd

        X = self.part(i).all_rows()
        frame = X.copy(deep=False) if column_names(X) is not None else pd.DataFrame(_dense(X))
        frame.columns = [str(name) for name in frame.columns]
        frame[ROW] = np.arange(len(frame), dtype=np.float32)
        frame[PART] = np.float32(i)
        return frame

    def mass(self, i):
        """Return the weight of each class in a part."""
        return self.targets(i).mass()


def _dense(X):
    return X.toarray() if hasattr(X, "toarray") else X


def distributed_frame(parts, client):
    """Return the rows as a Dask data frame, and the weight of each class.

    Parameters
    ----------
    parts : Parts
    client : distributed.Client
    """
    import dask.dataframe as dd

    stored = parts.stream.stored
    longest = max(stored.part(i).n_rows for i in range(stored.n_parts))
    if longest >= MOST_ROWS:
        raise ValueError(
            f"A part has {longest} rows, and at most {MOST_ROWS} can be told apart on a worker. "
            "Write the source in smaller row groups."
        )
    numbers = range(stored.n_parts)
    frame = dd.from_map(parts.frame, numbers, meta=parts.frame(0).iloc[:0])
    mass = sum(client.gather(client.map(parts.mass, numbers, pure=False)))
    return frame, mass


class LossOnWorker:
    """Gradient and Hessian for the rows that a worker has, whatever these are.

    Parameters
    ----------
    parts : Parts
    n_classes : int
    temperature : float
    start : float or ndarray of shape (n_classes,)
        Added to the margins.
    settings : dict
        Of :class:`HintonLoss`.
    """

    def __init__(self, parts, n_classes, temperature, start, settings):
        self.parts, self.n_classes, self.temperature = parts, n_classes, temperature
        self.start, self.settings = start, settings
        self._losses = {}

    def __getstate__(self):
        return vars(self) | {"_losses": {}}

    def derivatives(self, rows, of_part, margins):
        """Return gradient and Hessian diagonal.

        Parameters
        ----------
        rows, of_part : ndarray of shape (n_rows,)
            Which rows these are.
        margins : ndarray
        """
        key = (len(rows), *of_part[:1].tolist(), *of_part[-1:].tolist())
        if key not in self._losses:
            self._losses[key] = self._loss_of(rows.astype(int), of_part.astype(int))
        return self._losses[key].derivatives(margins, self.start)

    def _loss_of(self, rows, of_part):
        loss = HintonLoss(self.temperature, len(rows), self.n_classes, **self.settings)
        first = 0
        while first < len(rows):
            targets = self.parts.targets(of_part[first])
            here = slice(first, first + targets.n_rows)
            whole = np.array_equal(rows[here], np.arange(targets.n_rows))
            if not whole or (of_part[here] != of_part[first]).any():
                raise RuntimeError("A worker got a part of the rows in another order.")
            loss.fill(targets, first)
            first += targets.n_rows
        return loss
