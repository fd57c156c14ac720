"""Each row once per class, with its target as weight."""

import numpy as np

from sklearn_distill.trainers._expansion import (
    expand,
    held_out_rows,
    objection_to_copies,
    resolve_class_weight,
    row_count_settings,
    scale_row_counts,
    take_copies,
)
from sklearn_distill.trainers._trainer import (
    ClassifierTrainer,
    accepts_weights,
    fit_bare,
    labels_for,
)
from sklearn_distill.utils.kinds import is_of_kind


class WeightedLabels(ClassifierTrainer):
    """Teach a classifier by weighting the labels of each row with its soft target.

    Each row enters once for every class that matters, with the tempered target
    as ``sample_weight``. For a student that minimises a weighted log loss this
    *is* the soft cross-entropy

    .. math:: -\\sum_i w_i \\sum_k m_{T,ik} \\log q_k(x_i),

    and for a tree it is impurity computed on the soft labels. It works with any
    classifier whose ``fit`` takes ``sample_weight``, also as the last step of a
    :class:`~sklearn.pipeline.Pipeline`.

    Labels with less than a thousandth of their row's weight are left out.
    Because a row may stand several times in the student's training set,

    - settings that count rows (``min_samples_leaf``, ``min_samples_split``, ``batch_size``, ...)
      are multiplied by the number of copies, then the same for every row;
    - ``class_weight="balanced"`` is computed from the real labels;
    - a :class:`~sklearn.ensemble.HistGradientBoostingClassifier` that stops early
      does so on held-out rows, never on copies of rows it trains on;
    - students that split the rows inside ``fit`` in any other way are refused.

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

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_of_kind(student, "classifier") or not accepts_weights(student):
            return "needs a classifier with `sample_weight` in fit"
        return super().objection(student) or objection_to_copies(student)

    def teach(self, student, X, X_unlabeled, targets, fit_params):
        """Fit the bare student on weighted copies and return it."""
        weights = targets.tempered()
        row_weight = targets.row_weight()
        if row_weight is not None:
            weights = weights * row_weight[:, None]
        held_out = np.empty(0, dtype=int)
        if "X_val" not in fit_params:
            held_out = held_out_rows(student, targets)
        training = np.delete(np.arange(len(weights)), held_out)
        equal_copies = bool(row_count_settings(student))
        rows, labels, sample_weight = expand(weights[training], equal_copies=equal_copies)
        if equal_copies:
            scale_row_counts(student, np.bincount(rows).max())
        resolve_class_weight(student, targets)
        X_copies, params = take_copies(X, X_unlabeled, training[rows], fit_params)
        if len(held_out):
            rows, val_labels, val_weight = expand(weights[held_out], equal_copies=False)
            params |= {
                "X_val": take_copies(X, None, held_out[rows], {})[0],
                "y_val": targets.classes[val_labels],
                "sample_weight_val": val_weight,
            }
        y = labels_for(student, targets.classes, labels)
        return fit_bare(student, X_copies, y, sample_weight=sample_weight, **params)
