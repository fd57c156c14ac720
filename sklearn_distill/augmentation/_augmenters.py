"""Augmenters: new rows out of real ones, for the teacher to label."""

from abc import ABC, abstractmethod
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state

from sklearn_distill.augmentation._cells import (
    as_numbers,
    assemble,
    is_continuous,
    is_table,
    swap_stored,
)
from sklearn_distill.augmentation._donors import AnyOther, SameGroup, nearest_rows, swap_columns
from sklearn_distill.utils._sklearn_private import HasMethods, Interval, StrOptions
from sklearn_distill.utils.cloning import clone_with
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import reach_last_step
from sklearn_distill.utils.rows import n_rows

#: Rows of a leaf of the small tree of :class:`LeafSwap`, at least.
ROWS_OF_A_LEAF = 10


class Augmenter(BaseEstimator, ABC):
    """Makes new rows out of real ones: what all augmenters have in common.

    See Also
    --------
    Munge, ColumnSwap, LeafSwap, Interpolation, ScaledNoise : Augmenters for tables.
    Composition : Several of them, one after another.

    Notes
    -----
    An augmenter of your own need not be a subclass: any object with a method
    ``sample(X, y, random_state)`` is one, and any function of these arguments.
    """

    _parameter_constraints: dict = {}

    def sample(self, X, y=None, random_state=None, *, proba=None):
        """Make new rows.

        Parameters
        ----------
        X : {ndarray, data frame, sparse matrix} of shape (n_samples, n_features)
            Never changed.
        y : array-like of shape (n_samples,), default=None
            Labels, for what looks at the classes.
        random_state : int, RandomState instance or None, default=None
            Same seed, same rows.
        proba : ndarray of shape (n_samples, n_classes), default=None
            The teacher's probabilities, for ``focus="uncertain"``.

        Returns
        -------
        X_new : rows of the same kind
            With the columns of X, in the same order and of the same types. Sparse rows are CSR.

        Raises
        ------
        ValueError
            If there are no rows, or ``focus`` or the method needs ``y`` or ``proba``.
        TypeError
            If X is no table.
        """
        self.check(X)
        y = None if y is None else np.asarray(y)
        return self._sample(X, y, check_random_state(random_state), proba)[0]

    def check(self, X):
        """Raise what ``sample`` would raise of the settings and the kind of rows.

        Parameters
        ----------
        X : rows
        """
        self._validate_params()

    @abstractmethod
    def _sample(self, X, y, rng, proba):
        """Return new rows, and the positions of those that they began as; None if unknown."""


class RowAugmenter(Augmenter):
    """New rows that begin as real ones, the *bases*, and take something of others, the *donors*.

    Parameters
    ----------
    times : float, default=1.0
        New rows for each row of X; at least one in all.
    focus : {"uniform", "uncertain", "rare"}, default="uniform"
        Which rows new ones begin as: every row equally often; rows of which the teacher is less
        certain more often, by the entropy of its probabilities; or every class equally often.
    """

    _parameter_constraints: dict = {
        "times": [Interval(Real, 0, None, closed="neither")],
        "focus": [StrOptions({"uniform", "uncertain", "rare"})],
    }

    def __init__(self, times=1.0, *, focus="uniform"):
        self.times = times
        self.focus = focus

    def check(self, X):
        """Raise what ``sample`` would raise of the settings and the kind of rows.

        Parameters
        ----------
        X : rows
        """
        super().check(X)
        if not is_table(X):
            raise TypeError(
                f"{name_of(self)} makes new rows of a table: an array of two dimensions, a data "
                f"frame or a sparse matrix. Got a {name_of(X)}."
            )
        if n_rows(X) == 0:
            raise ValueError(f"{name_of(self)} needs rows to begin with. Got none.")

    def _sample(self, X, y, rng, proba):
        base = self._bases(n_rows(X), y, proba, rng)
        return self._make(X, y, base, rng), base

    @abstractmethod
    def _make(self, X, y, base, rng):
        """Return new rows that began as the rows ``base`` of X."""

    def _bases(self, n_samples, y, proba, rng):
        n_new = max(1, round(self.times * n_samples))
        weight = None
        if self.focus == "rare":
            if y is None:
                raise ValueError("focus='rare' looks at the classes: pass y to sample.")
            codes = np.unique(y, return_inverse=True)[1]
            weight = 1 / np.bincount(codes)[codes]
        elif self.focus == "uncertain":
            weight = _entropy(proba)
        if weight is None or not weight.any():
            whole, rest = divmod(n_new, n_samples)
            some = rng.permutation(n_samples)[:rest]
            return np.r_[np.tile(np.arange(n_samples), whole), some]
        # Systematic draws: every row as often as expected, up to one.
        ends = np.cumsum(weight) / weight.sum() * n_new
        ticks = np.arange(n_new) + rng.uniform()
        return np.minimum(np.searchsorted(ends, ticks, side="right"), n_samples - 1)


def _entropy(proba):
    if proba is None:
        raise ValueError(
            "focus='uncertain' looks at what the teacher says: pass its probabilities, "
            "sample(X, y, proba=teacher.predict_proba(X))."
        )
    p = np.nan_to_num(np.asarray(proba, dtype=np.float64))
    return -(p * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis=1)


class ColumnSwap(RowAugmenter):
    """New rows some of whose columns come from other rows, drawn at random.

    Parameters
    ----------
    times : float, default=1.0
        New rows for each row of X.
    share : float in (0, 1], default=0.25
        Share of the columns that are swapped in each row: at least one of them, and no more than
        leaves one of the row's own.
    focus : {"uniform", "uncertain", "rare"}, default="uniform"
        Which rows new ones begin as: every row equally often; rows of which the teacher is less
        certain more often, by the entropy of its probabilities; or every class equally often.

    See Also
    --------
    LeafSwap : Swaps with rows that a tree cannot tell from this one.
    Munge : Swaps with the nearest neighbour.

    Notes
    -----
    Each column has a donor of its own, so that what is swapped in follows the column's
    distribution alone (in a sparse matrix one row is the donor of all, and ``share`` is the
    probability of each column).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.augmentation import ColumnSwap
    >>> X = np.arange(8).reshape(2, 4)
    >>> ColumnSwap().sample(X, random_state=0)
    array([[0, 1, 2, 7],
           [4, 5, 2, 7]])
    """

    _parameter_constraints: dict = {
        **RowAugmenter._parameter_constraints,
        "share": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(self, times=1.0, *, share=0.25, focus="uniform"):
        super().__init__(times, focus=focus)
        self.share = share

    def _make(self, X, y, base, rng):
        return swap_columns(X, base, self.share, AnyOther(n_rows(X)), rng)


class LeafSwap(RowAugmenter):
    """New rows some of whose columns come from rows in the same leaf of a tree.

    What a tree cannot tell apart may be exchanged without leaving the region where such rows
    live: swaps are conditional on what matters to the tree.

    Parameters
    ----------
    times : float, default=1.0
        New rows for each row of X.
    share : float in (0, 1], default=0.25
        Share of the columns that are swapped, as in :class:`ColumnSwap`.
    tree : estimator with ``apply`` or None, default=None
        Fitted: a tree, a forest (one of its trees is drawn), or a Pipeline that ends in one; the
        teacher, say. None grows a small tree on X and y.
    focus : {"uniform", "uncertain", "rare"}, default="uniform"
        Which rows new ones begin as: every row equally often; rows of which the teacher is less
        certain more often, by the entropy of its probabilities; or every class equally often.

    See Also
    --------
    ColumnSwap : Swaps with any row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_distill.augmentation import LeafSwap
    >>> X, y = load_iris(return_X_y=True)
    >>> LeafSwap(times=2).sample(X, y, random_state=0).shape
    (300, 4)
    """

    _parameter_constraints: dict = {
        **ColumnSwap._parameter_constraints,
        "tree": [HasMethods("apply"), HasMethods("predict"), None],
    }

    def __init__(self, times=1.0, *, share=0.25, tree=None, focus="uniform"):
        super().__init__(times, focus=focus)
        self.share = share
        self.tree = tree

    def _make(self, X, y, base, rng):
        return swap_columns(X, base, self.share, SameGroup(self._leaves(X, y, rng)), rng)

    def __sklearn_clone__(self):
        """Clone the settings; the tree is fitted, and stays so."""
        return clone_with(self, tree=self.tree)

    def _leaves(self, X, y, rng):
        if self.tree is not None:
            tree, X = reach_last_step(self.tree, X)
            if not hasattr(tree, "apply"):
                raise TypeError(
                    f"tree must have a method apply, that gives the leaf of each row. Got a "
                    f"{name_of(tree)}. Pass a tree or forest of scikit-learn, or leave it out."
                )
        elif y is None:
            raise ValueError("LeafSwap grows a tree on the labels: pass y to sample, or a tree.")
        else:
            X = as_numbers(X, for_distances=False)
            tree = DecisionTreeClassifier(min_samples_leaf=ROWS_OF_A_LEAF, random_state=rng)
            tree.fit(X, np.unique(y, return_inverse=True)[1])
        leaves = np.asarray(tree.apply(X)).reshape(n_rows(X), -1)
        return leaves[:, rng.randint(leaves.shape[1])]


class Munge(RowAugmenter):
    """New rows between a row and its nearest neighbour: MUNGE.

    Each column takes the neighbour's value with a probability. With ``local_variance`` s a number
    is then drawn from a normal distribution around it, of standard deviation
    ``abs(own - neighbour's) / s`` [1]_.

    Parameters
    ----------
    times : float, default=1.0
        New rows for each row of X.
    swap_probability : float in [0, 1], default=0.5
        Of each column.
    local_variance : float or None, default=None
        The s above, for columns with numbers that are not all whole. None takes the neighbour's
        value itself. Not for sparse rows.
    max_candidates : int, default=10_000
        Neighbours are looked for among so many rows, drawn at random: the time for n rows is then
        proportional to n.
    focus : {"uniform", "uncertain", "rare"}, default="uniform"
        Which rows new ones begin as: every row equally often; rows of which the teacher is less
        certain more often, by the entropy of its probabilities; or every class equally often.

    See Also
    --------
    Interpolation : Between a row and any other.

    Notes
    -----
    Numbers are standardised before distances are taken, and a mismatch of categories counts as
    much as two numbers typically differ; the paper scales numbers to [0, 1]. The neighbour is the
    nearest one that differs, where one of the nearest four does. A row keeps its neighbour for
    all ``times``, and is not changed for the neighbour of the next row, as the paper's loop does
    in place.

    References
    ----------
    .. [1] C. Bucilă, R. Caruana, A. Niculescu-Mizil, "Model Compression", KDD 2006,
       :doi:`10.1145/1150402.1150464`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_distill.augmentation import Munge
    >>> X, y = load_iris(return_X_y=True)
    >>> Munge(times=5).sample(X, random_state=0).shape
    (750, 4)
    """

    _parameter_constraints: dict = {
        **RowAugmenter._parameter_constraints,
        "swap_probability": [Interval(Real, 0, 1, closed="both")],
        "local_variance": [Interval(Real, 0, None, closed="neither"), None],
        "max_candidates": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        times=1.0,
        *,
        swap_probability=0.5,
        local_variance=None,
        max_candidates=10_000,
        focus="uniform",
    ):
        super().__init__(times, focus=focus)
        self.swap_probability = swap_probability
        self.local_variance = local_variance
        self.max_candidates = max_candidates

    def _make(self, X, y, base, rng):
        donor = nearest_rows(X, self.max_candidates, rng)[base]
        if sparse.issparse(X):
            return swap_stored(X, base, donor, self.swap_probability, rng)

        def cells(j, values):
            swapped = rng.uniform(size=len(base)) < self.swap_probability
            source = np.where(swapped, donor, base)
            if self.local_variance is None or not is_continuous(values):
                return source
            own, other = values[base], values[donor]
            noise = rng.standard_normal(len(base)) * np.abs(own - other) / self.local_variance
            return values[source] + np.where(swapped, np.nan_to_num(noise), 0)

        return assemble(X, len(base), cells)


class Interpolation(RowAugmenter):
    """New rows on the line between two rows, as mixup has them [1]_, without labels.

    Numbers that are not all whole are interpolated; whole numbers, categories and texts are those
    of one of the two rows, the nearer one more often.

    Parameters
    ----------
    times : float, default=1.0
        New rows for each row of X.
    concentration : float, default=1.0
        The place on the line is drawn from a Beta distribution with this for both parameters: 1
        is uniform, less is nearer to the ends.
    focus : {"uniform", "uncertain", "rare"}, default="uniform"
        Which rows new ones begin as: every row equally often; rows of which the teacher is less
        certain more often, by the entropy of its probabilities; or every class equally often.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk
       Minimization", ICLR 2018, `arXiv:1710.09412 <https://arxiv.org/abs/1710.09412>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.augmentation import Interpolation
    >>> X = np.array([[0.5, 1], [1.5, 2]])
    >>> Interpolation().sample(X, random_state=0).round(1)
    array([[1.3, 2. ],
           [1.1, 2. ]])
    """

    _parameter_constraints: dict = {
        **RowAugmenter._parameter_constraints,
        "concentration": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, times=1.0, *, concentration=1.0, focus="uniform"):
        super().__init__(times, focus=focus)
        self.concentration = concentration

    def _make(self, X, y, base, rng):
        donor = AnyOther(n_rows(X)).of(base, rng)
        u = rng.beta(self.concentration, self.concentration, size=len(base))
        if sparse.issparse(X):
            return _between_sparse(X, base, donor, u, rng)

        def cells(j, values):
            if not is_continuous(values):
                return np.where(rng.uniform(size=len(base)) < u, donor, base)
            own, other = values[base], values[donor]
            mixed = own + u.astype(values.dtype) * (other - own)
            return np.where(np.isnan(own), other, np.where(np.isnan(other), own, mixed))

        return assemble(X, len(base), cells)


class ScaledNoise(RowAugmenter):
    """New rows whose numbers have noise, in proportion to the spread of their column.

    Only numbers that are not all whole are changed, of sparse rows those that are stored.

    Parameters
    ----------
    times : float, default=1.0
        New rows for each row of X.
    scale : float, default=0.1
        Standard deviation of the noise, in standard deviations of the column.
    focus : {"uniform", "uncertain", "rare"}, default="uniform"
        Which rows new ones begin as: every row equally often; rows of which the teacher is less
        certain more often, by the entropy of its probabilities; or every class equally often.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.augmentation import ScaledNoise
    >>> X = np.array([[0.5, 1], [1.5, 2]])
    >>> ScaledNoise().sample(X, random_state=0).round(2)
    array([[0.56, 1.  ],
           [1.52, 2.  ]])
    """

    _parameter_constraints: dict = {
        **RowAugmenter._parameter_constraints,
        "scale": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, times=1.0, *, scale=0.1, focus="uniform"):
        super().__init__(times, focus=focus)
        self.scale = scale

    def _make(self, X, y, base, rng):
        if sparse.issparse(X):
            X_new = X.tocsr()[base]
            if is_continuous(X_new.data):
                noise = self.scale * X.data.std() * rng.standard_normal(len(X_new.data))
                X_new.data += noise.astype(X.dtype)
            return X_new

        def cells(j, values):
            if not is_continuous(values):
                return base
            spread = values[np.isfinite(values)].std()
            noise = self.scale * spread * rng.standard_normal(len(base))
            return values[base] + noise.astype(values.dtype)

        return assemble(X, len(base), cells)


class Composition(Augmenter):
    """Augmenters one after another: each changes the rows that the one before has made.

    Parameters
    ----------
    augmenters : list of Augmenter
        The first one makes ``times`` as many rows as there are, the next as many as it is told to
        of these, and so on. Later ones take the labels of the rows that theirs began as.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_distill.augmentation import Composition, Munge, ScaledNoise
    >>> X, y = load_iris(return_X_y=True)
    >>> Composition([Munge(times=3), ScaledNoise()]).sample(X, random_state=0).shape
    (450, 4)
    """

    _parameter_constraints: dict = {"augmenters": [list, tuple]}

    def __init__(self, augmenters):
        self.augmenters = augmenters

    def check(self, X):
        """Raise what ``sample`` would raise of the settings and the kind of rows.

        Parameters
        ----------
        X : rows
        """
        super().check(X)
        strange = [name_of(one) for one in self.augmenters if not isinstance(one, Augmenter)]
        if strange or not self.augmenters:
            raise TypeError(
                f"Composition takes a list of augmenters of this package. Got {strange or 'none'}."
            )
        for augmenter in self.augmenters:
            augmenter.check(X)

    def _sample(self, X, y, rng, proba):
        base = np.arange(n_rows(X))
        for augmenter in self.augmenters:
            of_proba = None if proba is None else np.asarray(proba)[base]
            X, chosen = augmenter._sample(X, None if y is None else y[base], rng, of_proba)
            base = base[chosen]
        return X, base


def _between_sparse(X, base, donor, u, rng):
    X = X.tocsr()
    if not is_continuous(X.data):
        return swap_stored(X, base, donor, u, rng)
    diagonal = sparse.diags_array if isinstance(X, sparse.sparray) else sparse.diags
    u = u.astype(X.dtype)
    return (diagonal(1 - u) @ X[base] + diagonal(u) @ X[donor]).tocsr()
