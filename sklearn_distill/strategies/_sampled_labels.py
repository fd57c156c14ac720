"""Labels drawn from the soft targets."""

from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.base import clone

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._class_weight import take_class_weight
from sklearn_distill.strategies._own_splits import own_split
from sklearn_distill.strategies._parts import InParts, class_params, takes_weights
from sklearn_distill.strategies._row_counts import (
    objection_to_copies,
    objection_to_soft_labels,
    scale_row_counts,
)
from sklearn_distill.strategies._strategy import (
    fit_bare,
    labels_for,
    learns_positions,
    weight_argument,
)
from sklearn_distill.strategies.boosting import as_booster_takes
from sklearn_distill.utils._sklearn_private import Interval
from sklearn_distill.utils.dispatch import is_of_kind, name_of
from sklearn_distill.utils.seeds import own_rng

#: Labels drawn for each row, where rows may be copied.
DRAWS = 5

#: Its multiples, without their whole parts, are spread over [0, 1) as evenly as can be.
GOLDEN_RATIO = (5**0.5 - 1) / 2


class SampledLabels(InParts):
    """Teach a classifier with labels that are drawn from the soft targets.

    For classifiers that take neither weights nor regression targets, such as
    nearest neighbours and discriminant analysis. Each row enters ``n_draws``
    times; a class whose tempered target is m gets n_draws · m of these copies,
    rounded at random so that the mean is exact (systematic sampling [1]_). Rows with
    a larger ``sample_weight`` get more copies. Settings that count rows, such as
    ``n_neighbors``, are multiplied by ``n_draws``: twenty-five copies of the five
    nearest rows are still the five nearest rows.

    With ``n_draws=1`` no row is copied: each has one label, drawn from the blend, and keeps its
    ``sample_weight``. Nothing is tempered, since of a single label softness makes noise. This is
    for students that split the rows themselves and would put copies of one row on both sides,
    such as ``SVC(probability=True)``. Much of what the teacher knows is lost, and the student may
    be worse than on the real labels: where the split can be left out, leave it out.

    Parameters
    ----------
    n_draws : int or None, default=None
        Labels drawn for each row. More follow the targets more closely, and cost as
        much as that many more rows. None is 1 for students that split the rows
        themselves, and 5 for others.
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
        "n_draws": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(self, n_draws=None, *, random_state=None):
        self.n_draws = n_draws
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_of_kind(student, "classifier"):
            return "needs a classifier"
        if self.n_draws in (None, 1):
            return super().objection(student) or objection_to_soft_labels(student)
        objection = super().objection(student) or objection_to_copies(student)
        return objection and objection + (", unless n_draws=1" if own_split(student) else "")

    def teach(self, student, transfer_set):
        """Fit the bare student on rows with drawn labels; see :meth:`Strategy.teach`."""
        n_draws = self.n_draws or (DRAWS if own_split(student) is None else 1)
        targets = take_class_weight(student, transfer_set.targets)
        targets, fit_params = as_booster_takes(student, targets, transfer_set.fit_params)
        transfer_set = replace(transfer_set, targets=targets, fit_params=fit_params)
        rng = own_rng(self.random_state)
        if n_draws == 1:
            targets = replace(targets, temperature=1.0)
            transfer_set = replace(transfer_set, targets=targets)
            labels = one_label_per_row(targets.blended(), rng)
            X, params = transfer_set.take(None)
            params |= weight_argument(student, targets.row_weight)
        else:
            weight = targets.row_weight / targets.row_weight.mean()
            counts = systematic_counts(n_draws * targets.tempered() * weight[:, None], rng)
            scale_row_counts(student, n_draws)
            rows, labels = np.nonzero(counts)
            repeats = counts[rows, labels]
            rows, labels = np.repeat(rows, repeats), np.repeat(labels, repeats)
            X, params = transfer_set.take(rows)
        y = labels_for(student, targets.classes, labels)
        student = fit_bare(student, X, y, **params)
        by_position = learns_positions(student)
        decoder = ProbabilityDecoder.of(student, targets.classes, by_position=by_position)
        return student, decoder.with_power(student, transfer_set)

    def teach_part(self, student, transfer_set, template, rng):
        """Teach the bare student some rows with one drawn label each; see :class:`InParts`."""
        targets = replace(take_class_weight(clone(template), transfer_set.targets), temperature=1)
        take_class_weight(student, targets)
        weight = targets.row_weight
        weighted = {}
        if takes_weights(student):
            weighted["sample_weight"] = weight
        elif np.ptp(weight) > 0:
            raise TypeError(
                f"{name_of(student)} takes no sample_weight in partial_fit, and the weights of "
                "the rows are not all equal. Leave them out, or use a student that takes them."
            )
        labels = one_label_per_row(targets.blended(), rng)
        X, _ = transfer_set.take(None)
        params = class_params(student, transfer_set) | weighted
        student.partial_fit(X, targets.classes[labels], **params)
        decoder = ProbabilityDecoder.of(student, targets.classes)
        return student, decoder.with_power(student, replace(transfer_set, targets=targets))


def one_label_per_row(proba, rng):
    """Draw a label for each row, without bias, and with the share of each class kept.

    Rows of like targets are neighbours in a sequence of numbers that is spread evenly over any
    stretch of it (steps of the golden ratio), so that as many of them as expected draw each label,
    where independent draws would miss by the root of their number.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_classes)
        Rows add up to 1.
    rng : RandomState

    Returns
    -------
    labels : ndarray of int, shape (n_rows,)
        Every class is there if there are as many rows: one that no row drew goes to the row that
        expects it most, of those whose own label others have too.
    """
    n_rows, n_classes = proba.shape
    order = np.argsort(proba @ np.arange(n_classes), kind="stable")
    ticks = np.empty(n_rows)
    ticks[order] = (rng.uniform() + GOLDEN_RATIO * np.arange(n_rows)) % 1
    labels = (np.cumsum(proba, axis=1)[:, :-1] <= ticks[:, None]).sum(axis=1)
    for lost in np.flatnonzero(np.bincount(labels, minlength=n_classes) == 0):
        spare = np.bincount(labels, minlength=n_classes)[labels] > 1
        if spare.any():
            labels[np.where(spare, proba[:, lost], -1).argmax()] = lost
    return labels


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
