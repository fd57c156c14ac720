"""Rows in memory: slices of tensors instead of a loader that collates single rows.

On tables a stock loader takes several times as long as the network itself.
"""

from collections.abc import Mapping

import numpy as np
import torch
from scipy import sparse


def as_tensors(X, device="cpu", dtype=torch.float32):
    """Return X as a tensor, or a dict or tuple of tensors, without copying where possible.

    Parameters
    ----------
    X : array-like, sparse matrix, data frame of numbers, tensor, or dict or tuple of these
    device : str or torch.device
    dtype : torch.dtype
        Of floating-point rows; whole numbers stay as they are.
    """
    if isinstance(X, Mapping):  # dict, or what tokenisers return
        return {key: as_tensors(value, device, dtype) for key, value in X.items()}
    if isinstance(X, tuple):
        return tuple(as_tensors(value, device, dtype) for value in X)
    if not isinstance(X, torch.Tensor):
        X = torch.from_numpy(_as_array(X))
    return X.to(device=device, dtype=dtype if X.is_floating_point() else X.dtype)


def _as_array(X):
    if sparse.issparse(X):
        X = X.toarray()
    array = np.asarray(X)
    if array.dtype == object or array.dtype.kind in "US":
        raise TypeError(
            "A network needs rows of numbers. Got values that are not: put a transformer before "
            "it in a Pipeline (OneHotEncoder, StandardScaler, ...)."
        )
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    # A read-only array (memory-mapped, say) cannot be shared with torch.
    return array if array.flags.writeable and array.flags.c_contiguous else array.copy()


def slice_tensors(X, rows):
    """Take rows (an index tensor or a slice) of a tensor, or of each of a dict or tuple."""
    if isinstance(X, dict):
        return {key: value[rows] for key, value in X.items()}
    if isinstance(X, tuple):
        return tuple(value[rows] for value in X)
    return X[rows]


def count_tensors(X):
    """Return the number of rows of a tensor, or of the first of a dict or tuple."""
    first = next(iter(X.values())) if isinstance(X, dict) else X
    first = first[0] if isinstance(first, tuple) else first
    return len(first)


class Batch(tuple):
    """A pair (X, y), as every callback expects it, that also knows its ``rows``."""


class InMemoryBatches:
    """Batches of tensors that are in memory, in the form of a skorch iterator.

    Parameters
    ----------
    dataset : InMemoryRows
    batch_size : int, default=128
        -1 takes all rows at once.
    shuffle : bool, default=False
    generator : torch.Generator, default=None
        Of the shuffling.
    drop_last : bool, default=False
        Whether to leave out a last, smaller batch.
    """

    def __init__(self, dataset, batch_size=128, shuffle=False, generator=None, drop_last=False):
        self.dataset = dataset
        self.batch_size = len(dataset) if batch_size == -1 else batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.drop_last = drop_last

    def __len__(self):
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self):
        rows = self.dataset.rows
        if self.shuffle:
            order = torch.randperm(len(rows), generator=self.generator)
            rows = rows[order.to(rows.device)]
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            part = rows[start : start + self.batch_size]
            batch = Batch((slice_tensors(self.dataset.X, part), self.dataset.y[part]))
            batch.rows = part
            yield batch


class InMemoryRows:
    """Some rows of tensors, in the form of a torch data set.

    Parameters
    ----------
    X : Tensor, or dict or tuple of tensors
    y : Tensor of shape (n_rows,)
    rows : Tensor of int, default=None
        Which rows belong to it; None for all.
    """

    def __init__(self, X, y, rows=None):
        self.X = X
        self.y = y
        self.rows = torch.arange(len(y), device=y.device) if rows is None else rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        row = self.rows[i]
        return slice_tensors(self.X, row), self.y[row]


def predict_in_slices(module, X, batch_size):
    """Yield the outputs of a module for consecutive slices of tensors."""
    n_samples = count_tensors(X)
    for start in range(0, n_samples, batch_size):
        part = slice_tensors(X, slice(start, start + batch_size))
        yield (
            module(**part)
            if isinstance(part, dict)
            else module(*(part if isinstance(part, tuple) else (part,)))
        )
