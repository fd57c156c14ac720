"""Folds that are the same on every engine: by a hash of what tells the rows apart."""

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from sklearn_distill.utils.rows import n_rows


class HashKFold(BaseCrossValidator):
    """Folds by a hash of the key of each row, the same wherever the row is.

    A row's fold depends on nothing but its key: neither on the order of the rows, nor on how many
    there are, nor on the machine that holds them. Rows with the same key are in the same fold.
    :func:`label_transfer_set` makes its folds so, and the same labels come out in memory with
    ``DistillationClassifier(teacher, cv=HashKFold(5)).fit(X, y, groups=keys)``.

    Parameters
    ----------
    n_splits : int, default=5
        At least 2.
    random_state : int, default=0
        Other folds for another number.

    See Also
    --------
    label_transfer_set : Labels more rows than one machine holds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill import HashKFold
    >>> folds = HashKFold(3)
    >>> folds.fold_of(["a", "b", "c", "d"])
    array([2, 2, 1, 0])
    >>> [len(test) for _, test in folds.split(np.zeros((9, 1)), groups=np.arange(9))]
    [3, 3, 3]
    """

    __metadata_request__split = {"groups": True}

    def __init__(self, n_splits=5, random_state=0):
        if not isinstance(n_splits, int | np.integer) or n_splits < 2:
            raise ValueError(f"n_splits must be an int of 2 or more. Got {n_splits!r} instead.")
        self.n_splits = int(n_splits)
        self.random_state = int(random_state)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Not used.

        Returns
        -------
        n_splits : int
        """
        return self.n_splits

    def fold_of(self, keys):
        """Return the fold of each row.

        Parameters
        ----------
        keys : array-like of shape (n_samples,)
            Whole numbers, or anything else by what it is in writing.

        Returns
        -------
        folds : ndarray of int, shape (n_samples,)
            From 0 to ``n_splits`` - 1.
        """
        seed = np.uint64(self.random_state % 2**64)
        with np.errstate(over="ignore"):
            mixed = _scramble(hash_keys(keys) + seed * np.uint64(0x9E3779B97F4A7C15))
        return (mixed % np.uint64(self.n_splits)).astype(np.int64)

    def _iter_test_masks(self, X=None, y=None, groups=None):
        if groups is None:
            raise ValueError("HashKFold needs the key of each row: pass groups=keys.")
        folds = self.fold_of(groups)
        if len(folds) != n_rows(X):
            raise ValueError(f"groups has {len(folds)} keys for {n_rows(X)} rows of X.")
        for k in range(self.n_splits):
            yield folds == k

    def split(self, X, y=None, groups=None):
        """Give the positions of the rows to learn from and of those that are held out.

        Parameters
        ----------
        X : rows
        y : object
            Not used.
        groups : array-like of shape (n_samples,)
            The key of each row.

        Yields
        ------
        train, test : ndarray of int
            Positions of rows.
        """
        yield from super().split(np.arange(n_rows(X)), y, groups)


def hash_keys(keys):
    """Return a number of 64 bits for each key: equal for equal keys, whatever holds them.

    Parameters
    ----------
    keys : array-like of shape (n_samples,)
        Whole numbers of any width count by their value, all else by its text.

    Returns
    -------
    ndarray of uint64, shape (n_samples,)
    """
    import pandas as pd

    keys = np.asarray(keys)
    if keys.dtype.kind == "f" and np.isfinite(keys).all() and (keys == np.floor(keys)).all():
        keys = keys.astype(np.int64)  # whole numbers of a column that has missing ones elsewhere
    if keys.dtype.kind in "iub":
        return _scramble(keys.astype(np.int64).view(np.uint64))
    if keys.dtype.kind == "M":
        return _scramble(keys.astype("datetime64[ns]").view(np.uint64))
    if pd.isna(keys).any():
        raise ValueError(
            f"The key is missing in {int(pd.isna(keys).sum())} rows. Drop them, or give each row "
            "a key."
        )
    as_text = np.array([str(key) for key in keys], dtype=object)
    return _scramble(pd.util.hash_array(as_text, categorize=False))


def _scramble(bits):
    """Mix bits so that each one depends on all (the finaliser of SplitMix64)."""
    bits = np.array(bits, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits ^= bits >> np.uint64(30)
        bits *= np.uint64(0xBF58476D1CE4E5B9)
        bits ^= bits >> np.uint64(27)
        bits *= np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    return bits
