"""Rows in memory: slices of tensors instead of a loader that collates single rows.

On tables a stock loader takes several times as long as the network itself.
"""

from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import torch
from scipy import sparse
from torch import nn


def inputs_for(module, X, device=None):
    """Return rows in the form in which a module takes them: tensors of its own precision.

    Whole numbers in one array become floating-point numbers, unless the module begins with an
    embedding, for which they are names. In a dict or tuple they stay: what was made for a module
    with several inputs was made on purpose.

    Parameters
    ----------
    module : nn.Module
    X : array-like, sparse matrix, data frame of numbers, tensor, or dict or tuple of these
    device : str or torch.device, default=None
        None takes that of the module.

    Returns
    -------
    Tensor, or dict or tuple of tensors
    """
    first = next(module.parameters(), None)
    if device is None:
        device = "cpu" if first is None else first.device
    floating = (p.dtype for p in module.parameters() if p.is_floating_point())
    names = _begins_with_embedding(module)
    return as_tensors(X, device, next(floating, torch.float32), keep_whole=names)


def _begins_with_embedding(module):
    # Containers have no parameters of their own; the first layer that has is what X meets first.
    for layer in module.modules():
        if any(True for _ in layer.parameters(recurse=False)):
            return isinstance(layer, nn.Embedding | nn.EmbeddingBag)
    return False


def as_tensors(X, device="cpu", dtype=torch.float32, *, keep_whole=True):
    """Return X as a tensor, or a dict or tuple of tensors, without copying where possible.

    Parameters
    ----------
    X : array-like, sparse matrix, data frame of numbers, tensor, or dict or tuple of these
    device : str or torch.device
    dtype : torch.dtype
        Of floating-point rows.
    keep_whole : bool, default=True
        Whether whole numbers stay as they are.
    """
    if isinstance(X, Mapping) and not sparse.issparse(X):  # dict, or what tokenisers return
        return {key: as_tensors(value, device, dtype) for key, value in X.items()}
    # A tuple of arrays is one row of arguments; a tuple of lists is rows of numbers.
    if isinstance(X, tuple) and all(hasattr(part, "shape") for part in X):
        return tuple(as_tensors(value, device, dtype) for value in X)
    if not isinstance(X, torch.Tensor) or X.is_complex():
        X = torch.from_numpy(_as_array(X, dtype))
    whole = not X.is_floating_point()
    return X.to(device=device, dtype=X.dtype if whole and keep_whole else dtype)


def _as_array(X, dtype):
    if sparse.issparse(X):
        X = X.toarray()
    array = np.asarray(X)
    if array.dtype == object and type(X).__module__.startswith("pandas"):
        with suppress(TypeError, ValueError):  # columns whose missing values are no NaN
            array = X.to_numpy(dtype=np.float64, na_value=np.nan)
    if array.dtype == object:  # numbers of several types, or columns that know missing values
        with suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"A network needs rows of numbers. Got values of type {array.dtype}: put a "
            "transformer before it in a Pipeline (OneHotEncoder, StandardScaler, ...)."
        )
    narrow = array.dtype == np.float64 and dtype != torch.float64
    # An array that is read-only (memory-mapped, say) cannot be shared with torch. What is too
    # large for the precision is infinite then, and found when the loss is no number.
    with np.errstate(over="ignore"):
        return np.require(array, np.float32 if narrow else None, ["C", "W"])


def slice_tensors(X, rows):
    """Copy rows (an index tensor or a slice) of a tensor, or of each of a dict or tuple.

    The tensor may be the user's own array, and a module may begin with an operation in place.
    """
    if isinstance(X, dict):
        return {key: slice_tensors(value, rows) for key, value in X.items()}
    if isinstance(X, tuple):
        return tuple(slice_tensors(value, rows) for value in X)
    return X[rows].clone() if isinstance(rows, slice) else X[rows]


def overwrite_last(X, new):
    """Write rows over the last ones of a tensor, or of each of a dict or tuple, in place."""
    if isinstance(X, torch.Tensor):
        X[len(X) - len(new) :] = new
        return
    for key in X if isinstance(X, dict) else range(len(X)):
        overwrite_last(X[key], new[key])


def count_tensors(X):
    """Return the number of rows of a tensor, or of the first of a dict or tuple."""
    first = next(iter(X.values())) if isinstance(X, dict) else X
    first = first[0] if isinstance(first, tuple) else first
    return len(first)


def call(module, X):
    """Call a module with a tensor, the entries of a dict by name, or those of a tuple by place."""
    if isinstance(X, dict):
        return module(**X)
    return module(*(X if isinstance(X, tuple) else (X,)))


def predict_in_slices(module, X, batch_size):
    """Yield the outputs of a module for consecutive slices of tensors."""
    for start in range(0, count_tensors(X), batch_size):
        yield call(module, slice_tensors(X, slice(start, start + batch_size)))


def n_batches(n_rows, batch_size, *, drop_last=False):
    """Return the number of batches; a rest of a single row is joined to the batch before it.

    Batch normalisation has nothing to normalise in one row, and refuses it.
    """
    full, rest = divmod(n_rows, batch_size)
    joined = rest == 1 and full > 0
    return full if drop_last or not rest or joined else full + 1


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
    before_epoch : callable, default=None
        Called before each pass over the rows.
    """

    def __init__(
        self,
        dataset,
        batch_size=128,
        shuffle=False,
        generator=None,
        drop_last=False,
        before_epoch=None,
    ):
        self.before_epoch = before_epoch
        self.dataset = dataset
        self.batch_size = len(dataset) if batch_size == -1 else batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.drop_last = drop_last

    def __len__(self):
        return n_batches(len(self.dataset), self.batch_size, drop_last=self.drop_last)

    def __iter__(self):
        if self.before_epoch is not None:
            self.before_epoch()
        rows = self.dataset.rows
        if self.shuffle:
            # Drawn on the CPU: the order of the batches is the same on every device.
            order = torch.randperm(len(rows), generator=self.generator)
            rows = rows[order.to(rows.device)]
        for k in range(len(self)):
            joined = k == len(self) - 1 and not self.drop_last
            end = len(rows) if joined else (k + 1) * self.batch_size
            batch = Batch(self.dataset.take(rows[k * self.batch_size : end]))
            batch.rows = rows[k * self.batch_size : end]
            yield batch


class InMemoryRows:
    """Some rows of tensors, in the form of a torch data set.

    Parameters
    ----------
    tensors : Tensor, or dict or tuple of tensors
    labels : Tensor of shape (n_rows,)
    rows : Tensor of int, default=None
        Which rows belong to it; None for all.
    """

    def __init__(self, tensors, labels, rows=None):
        self.tensors = tensors
        self.labels = labels
        self.rows = torch.arange(len(labels), device=labels.device) if rows is None else rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.take(self.rows[i])

    def take(self, rows):
        """Return the pair of X and y for positions among all rows."""
        return slice_tensors(self.tensors, rows), self.labels[rows]
