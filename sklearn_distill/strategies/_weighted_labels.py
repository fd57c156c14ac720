"""Each row once per class, with its target as weight."""

from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.base import clone

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._class_weight import take_class_weight
from sklearn_distill.strategies._copies import expand
from sklearn_distill.strategies._own_splits import fit_on_copies, settle_before_copies
from sklearn_distill.strategies._parts import InParts, class_params, takes_weights
from sklearn_distill.strategies._row_counts import (
    held_out_rows,
    objection_to_copies,
    row_count_settings,
    scale_row_counts,
)
from sklearn_distill.strategies._strategy import (
    accepts_weights,
    labels_for,
    learns_positions,
)
from sklearn_distill.strategies.boosting import as_booster_takes
from sklearn_distill.utils._sklearn_private import Interval, take_rows
from sklearn_distill.utils.dispatch import is_of_kind
from sklearn_distill.utils.rows import indexable_rows
from sklearn_distill.utils.seeds import own_rng


class WeightedLabels(InParts):
    """Teach a classifier by weighting the labels of each row with its soft target.

    Each row enters once for every class that matters, with the tempered target
    as ``sample_weight``. For a student that minimises a weighted log loss this
    *is* the soft cross-entropy

    .. math:: -\\sum_i w_i \\sum_k m_{T,ik} \\log q_k(x_i),

    and for a tree it is impurity computed on the soft labels. It works with any
    classifier whose ``fit`` takes ``sample_weight``, also as the last step of a
    :class:`~sklearn.pipeline.Pipeline`.

    Labels with next to no weight, of which a row may have many, are drawn: a few of them stand
    for all, with the weight of all, so that the weight of each class is kept to the last bit and
    that of each label in the mean. For a rare event this is what makes the difference.

    Because a row may stand several times in the student's training set,

    - settings that count rows (``min_samples_leaf``, ``min_samples_split``, ``batch_size``, ...)
      are multiplied by the number of copies, then the same for every row;
    - ``class_weight`` ("balanced": by the real labels) goes into the targets before they are
      tempered, and the fitted student has none;
    - a :class:`~sklearn.ensemble.HistGradientBoostingClassifier` that stops early
      does so on held-out rows, never on copies of rows it trains on;
    - so does any other student that splits the rows itself, as far as it lets us: a ``cv``
      (``CalibratedClassifierCV``, ``GridSearchCV``, ``StackingClassifier``, ...) is given splits
      of whole rows; how many rounds to take before stopping early (multilayer perceptrons,
      stochastic gradient descent, gradient boosting) is found out on the labels alone;
      ``oob_score`` is left out. What is left is for :class:`SampledLabels`.

    Parameters
    ----------
    max_copies : int, default=32
        Copies of a row, on average, at most. Matters with many classes or high temperatures only.
    random_state : int, RandomState instance or None, default=None
        Seeds the drawn labels. None takes that of the distillation estimator, and the same draws
        at every call if that is None too.

    See Also
    --------
    TargetRegression : For regressors.
    SampledLabels : For classifiers that take no weights.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier, WeightedLabels
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
    >>> student = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0)
    >>> model = DistillationClassifier(teacher, student, strategy=WeightedLabels()).fit(X, y)
    >>> int(model.student_.get_n_leaves())
    4
    """

    name = "weighted-labels"
    decoder_class = ProbabilityDecoder

    _parameter_constraints: dict = {
        "max_copies": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, max_copies=32, *, random_state=None):
        self.max_copies = max_copies
        self.random_state = random_state

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_of_kind(student, "classifier") or not accepts_weights(student):
            return "needs a classifier with `sample_weight` in fit"
        return super().objection(student) or objection_to_copies(student)

    def teach(self, student, transfer_set):
        """Fit the bare student on weighted copies; see :meth:`Strategy.teach`."""
        targets = take_class_weight(student, transfer_set.targets)
        targets, fit_params = as_booster_takes(student, targets, transfer_set.fit_params)
        transfer_set = replace(transfer_set, targets=targets, fit_params=fit_params)
        settle_before_copies(student, transfer_set)
        weights = targets.tempered() * targets.row_weight[:, None]
        held_out = np.empty(0, dtype=int)
        if "X_val" not in transfer_set.fit_params:
            held_out = held_out_rows(student, targets)
        training = np.delete(np.arange(len(weights)), held_out)
        equal_copies = bool(row_count_settings(student))
        how = {
            "max_copies": self.max_copies,
            "rng": own_rng(0 if self.random_state is None else self.random_state),
        }
        rows, labels, weight = expand(weights[training], equal_copies=equal_copies, **how)
        if equal_copies:
            scale_row_counts(student, np.bincount(rows).max())
        rows = training[rows]
        X_copies, params = transfer_set.take(rows)
        if len(held_out):
            val_rows, val_labels, val_weight = expand(weights[held_out], equal_copies=False, **how)
            params |= {
                "X_val": take_rows(indexable_rows(transfer_set.X), held_out[val_rows]),
                "y_val": targets.classes[val_labels],
                "sample_weight_val": val_weight,
            }
        y = labels_for(student, targets.classes, labels)
        params["sample_weight"] = weight
        student = fit_on_copies(student, X_copies, y, params, transfer_set, (rows, labels, weight))
        by_position = learns_positions(student)
        decoder = ProbabilityDecoder.of(student, targets.classes, by_position=by_position)
        return student, decoder.with_power(student, transfer_set)

    def objection_to_stream(self, student):
        """Return why a student cannot be taught batch by batch, or None."""
        objection = super().objection_to_stream(student)
        if objection is None and not takes_weights(student):
            return "needs a student whose partial_fit takes sample_weight"
        return objection

    def teach_part(self, student, transfer_set, template, rng):
        """Teach the bare student weighted copies of some rows; see :class:`InParts`."""
        targets = take_class_weight(clone(template), transfer_set.targets)
        take_class_weight(student, targets)
        weights = targets.tempered() * targets.row_weight[:, None]
        rows, labels, weight = expand(
            weights, equal_copies=False, max_copies=self.max_copies, rng=rng
        )
        heavy = weight > 0  # the student is told of all classes, and needs no row of each
        X, _ = transfer_set.take(rows[heavy])
        params = class_params(student, transfer_set) | {"sample_weight": weight[heavy]}
        student.partial_fit(X, targets.classes[labels[heavy]], **params)
        decoder = ProbabilityDecoder.of(student, targets.classes)
        return student, decoder.with_power(student, replace(transfer_set, targets=targets))
