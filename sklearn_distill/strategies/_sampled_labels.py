"""Labels drawn from the soft targets."""

from dataclasses import replace
from numbers import Integral

import numpy as np

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._class_weight import take_class_weight
from sklearn_distill.strategies._row_counts import objection_to_copies, scale_row_counts
from sklearn_distill.strategies._strategy import Strategy, fit_bare
from sklearn_distill.utils._sklearn_private import Interval
from sklearn_distill.utils.dispatch import is_of_kind
from sklearn_distill.utils.seeds import own_rng


class SampledLabels(Strategy):
    """Teach a classifier with labels that are drawn from the soft targets.

    For classifiers that take neither weights nor regression targets, such as
    nearest neighbours and discriminant analysis. Each row enters ``n_draws``
    times; a class whose tempered target is m gets n_draws · m of these copies,
    rounded at random so that the mean is exact (systematic sampling). Rows with
    a larger ``sample_weight`` get more copies. Settings that count rows, such as
    ``n_neighbors``, are multiplied by ``n_draws``: twenty-five copies of the five
    nearest rows are still the five nearest rows.

    Parameters
    ----------
    n_draws : int, default=5
        Copies of each row. More follow the targets more closely, and cost as
        much as that many more rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the rounding. ``None`` takes that of the distillation estimator.

    See Also
    --------
    WeightedLabels : Exact, for classifiers that take ``sample_weight``.

    References
    ----------
    .. [1] J. Carpenter, P. Clifford, P. Fearnhead, "Improved particle filter for
       nonlinear problems", IEE Proc. Radar, Sonar and Navigation 146 (1999),
       :doi:`10.1049/ip-rsn:19990255` (systematic sampling).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_distill import DistillationClassifier, SampledLabels
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = LogisticRegression(max_iter=1000).fit(X, y)
    >>> model = DistillationClassifier(
    ...     teacher, KNeighborsClassifier(), strategy=SampledLabels(n_draws=10), random_state=0
    ... ).fit(X, y)
    >>> model.student_.n_neighbors
    50
    """

    name = "sampled-labels"
    decoder_class = ProbabilityDecoder

    _parameter_constraints: dict = {
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, n_draws=5, *, random_state=None):
        self.n_draws = n_draws
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_of_kind(student, "classifier"):
            return "needs a classifier"
        return super().objection(student) or objection_to_copies(student)

    def teach(self, student, transfer_set):
        """Fit the bare student on rows with drawn labels; see :meth:`Strategy.teach`."""
        targets = take_class_weight(student, transfer_set.targets)
        transfer_set = replace(transfer_set, targets=targets)
        weight = targets.row_weight / targets.row_weight.mean()
        expected = self.n_draws * targets.tempered() * weight[:, None]
        counts = systematic_counts(expected, own_rng(self.random_state))
        scale_row_counts(student, self.n_draws)
        rows, labels = np.nonzero(counts)
        repeats = counts[rows, labels]
        rows, labels = np.repeat(rows, repeats), np.repeat(labels, repeats)
        X_copies, params = transfer_set.take(rows)
        student = fit_bare(student, X_copies, targets.classes[labels], **params)
        decoder = ProbabilityDecoder.of(student, targets.classes)
        return student, decoder.with_power(student, transfer_set)


def systematic_counts(expected, rng):
    """Round expected counts to whole ones, at random and without bias.

    Parameters
    ----------
    expected : ndarray of shape (n_rows, n_classes)
        Non-negative.
    rng : RandomState

    Returns
    -------
    counts : ndarray of int, shape (n_rows, n_classes)
        Each differs from the expected one by less than 1, as does the row's sum; their mean over
        draws is ``expected``. A class that no row drew goes once to the row that expects it most.
    """
    # A tick falls at every whole number of (offset + cumulated expectation).
    offset = rng.uniform(size=(len(expected), 1))
    ticks = np.floor(np.cumsum(expected, axis=1) + offset + 1e-9)
    counts = np.diff(ticks, prepend=0.0, axis=1).astype(int)
    lost = ~counts.any(axis=0)
    counts[expected[:, lost].argmax(axis=0), np.flatnonzero(lost)] = 1
    return counts
