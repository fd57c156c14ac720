"""Which rows give something to a new one."""

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from sklearn_distill.augmentation._cells import as_numbers, assemble, n_columns, swap_stored
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.rows import n_rows

#: Neighbours that are looked at for one that is not the row itself or a copy of it.
NEIGHBOURS = 4


class AnyOther:
    """Donors: any other row, each as likely."""

    def __init__(self, n_samples):
        self.n_samples = n_samples

    def of(self, base, rng):
        steps = 1 + rng.randint(max(1, self.n_samples - 1), size=len(base))
        return (base + steps) % self.n_samples


class SameGroup:
    """Donors: any other row of the same group; the row itself if it is alone there."""

    def __init__(self, groups):
        groups = np.unique(groups, return_inverse=True)[1]
        counts = np.bincount(groups)
        self.order = np.argsort(groups, kind="stable")
        self.start = (np.cumsum(counts) - counts)[groups]
        self.count = counts[groups]
        self.place = np.empty(len(groups), dtype=int)
        self.place[self.order] = np.arange(len(groups))

    def of(self, base, rng):
        start, count = self.start[base], self.count[base]
        steps = 1 + np.floor(rng.uniform(size=len(base)) * (count - 1)).astype(int)
        return self.order[start + (self.place[base] - start + steps) % count]


def swap_columns(X, base, share, donors, rng):
    """Swap a share of the columns of each row, every column with a donor of its own."""
    if sparse.issparse(X):
        return swap_stored(X, base, donors.of(base, rng), share, rng)
    n_features = n_columns(X)
    to_swap = min(max(1, round(share * n_features)), max(1, n_features - 1))
    left = np.full(len(base), to_swap)

    def cells(j, values):
        # Of the columns that are still to come so many must be swapped: each is, by its chance.
        swapped = rng.uniform(size=len(base)) * (n_features - j) < left
        left[swapped] -= 1
        return np.where(swapped, donors.of(base, rng), base)

    return assemble(X, len(base), cells)


def nearest_rows(X, max_candidates, rng):
    """Return the position of the nearest other row of each row, among some candidates."""
    n_samples = n_rows(X)
    if n_samples == 1:
        return np.zeros(1, dtype=int)
    numbers = as_numbers(X, for_distances=True)
    candidates = np.arange(n_samples)
    if n_samples > max_candidates:
        candidates = np.sort(rng.permutation(n_samples)[:max_candidates])
    k = min(NEIGHBOURS, len(candidates))
    search = NearestNeighbors(n_neighbors=k).fit(take_rows(numbers, candidates))
    distances, found = search.kneighbors(numbers)
    found = candidates[found]
    # A row that is its own candidate comes first; so may copies of it, which are no use.
    own = found == np.arange(n_samples)[:, None]
    worth = np.where(own, -1, (distances > 0).astype(int))
    return found[np.arange(n_samples), worth.argmax(axis=1)]
