"""What a student is to learn: labels and teacher, blended row by row, and softened.

Everything a strategy needs travels in two frozen records: :class:`SoftTargets`, the numbers, and
:class:`TransferSet`, the rows that go with them.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logsumexp, softmax

from sklearn_distill.utils._sklearn_private import slice_params, take_rows
from sklearn_distill.utils.rows import EVAL_PARAMS, indexable_rows, n_rows, stack_rows


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """The ingredients of the targets, one entry per row, for every strategy to mix as it needs.

    Rows are those of X, then those of X_unlabeled.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels; every column below is in this order.
    labels : ndarray of shape (n_labeled,)
        Position in ``classes`` of the real label of each row of X.
    log_proba : ndarray of shape (n_rows, n_classes) or None
        The teacher's log-probabilities; None if there is no teacher.
    row_alpha : ndarray of shape (n_rows,)
        Weight of the teacher against the real label; 1 on rows without a label.
    row_weight : ndarray of shape (n_rows,)
        Weight of each row against the others.
    temperature : float
        Softness of what the student learns.
    """

    classes: np.ndarray
    labels: np.ndarray
    log_proba: np.ndarray | None
    row_alpha: np.ndarray
    row_weight: np.ndarray
    temperature: float = 1.0

    @classmethod
    def from_alpha(
        cls,
        classes,
        labels,
        log_proba,
        alpha,
        temperature=1.0,
        sample_weight=None,
        unlabeled_weight=None,
    ):
        """Make targets of labels, and of what the teacher says of these and further rows.

        Rows of which it says nothing, NaN for every class, are learned from their labels alone.
        Rows without a label weigh as much as the mean row that has one, or less.

        Parameters
        ----------
        classes, labels, log_proba, temperature
            As the attributes.
        alpha : float or ndarray of shape (n_labeled,)
            Weight of the teacher on the labelled rows, in [0, 1].
        sample_weight : ndarray of shape (n_labeled,), default=None
            None weighs every row 1.
        unlabeled_weight : float, default=None
            What the rows without a label weigh at most, all together, as a multiple of those that
            have one. None is without a bound.

        Returns
        -------
        SoftTargets
        """
        n_rows = len(labels) if log_proba is None else len(log_proba)
        row_alpha, row_weight = _shares_of_rows(
            len(labels), n_rows, alpha, sample_weight, unlabeled_weight
        )
        return cls.from_shares(classes, labels, log_proba, row_alpha, row_weight, temperature)

    @classmethod
    def from_shares(cls, classes, labels, log_proba, row_alpha, row_weight, temperature=1.0):
        """Make targets of the share of the teacher in each row, and of the rows' weights.

        Rows of which the teacher says nothing, NaN for every class, are learned from their labels
        alone.

        Parameters
        ----------
        classes, labels, log_proba, row_alpha, row_weight, temperature
            As the attributes.

        Returns
        -------
        SoftTargets
        """
        silent = np.zeros(0) if log_proba is None else np.isnan(log_proba).all(axis=1)
        if silent.any():
            row_alpha = np.where(silent, 0.0, row_alpha)
            log_proba = np.where(silent[:, None], -np.log(len(classes)), log_proba)
        return cls(classes, labels, log_proba, row_alpha, row_weight, float(temperature))

    @property
    def n_labeled(self):
        """Number of rows with a real label."""
        return len(self.labels)

    @property
    def n_rows(self):
        """Number of rows, with those that only the teacher labelled."""
        return len(self.row_alpha)

    def log_blended(self, label_floor=0.0):
        """Return log m, with m = (1 - alpha) onehot(y) + alpha p, of shape (n_rows, n_classes).

        Computed in the log domain: m may be smaller than the smallest float and still have a
        share of the softened targets at a high temperature.

        Parameters
        ----------
        label_floor : float, default=0.0
            Least probability that a real label gives to any class, times the number of classes;
            for students that learn logarithms.
        """
        own = np.arange(self.n_labeled), self.labels
        with np.errstate(divide="ignore"):  # an alpha of 0 or 1 has the logarithm -inf
            of_label = np.log1p(-self.row_alpha[: self.n_labeled])
            if self.log_proba is None:
                log_m = np.full((self.n_rows, len(self.classes)), -np.inf)
            else:
                log_m = self.log_proba + np.log(self.row_alpha)[:, None]
            log_m[own] = np.logaddexp(log_m[own], of_label)
            if label_floor > 0:
                # The floor is of the label, and so has its share: with alpha=1 there is none.
                least = of_label + np.log(label_floor / len(self.classes))
                labeled = log_m[: self.n_labeled]
                np.maximum(labeled, least[:, None], out=labeled)
        return log_m

    def blended(self):
        """Return m = (1 - alpha) onehot(y) + alpha p, of shape (n_rows, n_classes)."""
        return np.exp(self.log_blended())

    def tempered(self):
        """Return what the student learns, m ** (1 / temperature) renormalised."""
        log_m = self.log_blended()
        if self.temperature == 1:
            return np.exp(log_m, out=log_m)
        log_m /= self.temperature
        return softmax(log_m, axis=1)

    def mass(self):
        """Return the weight of each class in the blend, summed over rows, (n_classes,)."""
        return self.row_weight @ self.blended()

    def likely_labels(self):
        """Return a position in ``classes`` for every row: its label, or the teacher's first."""
        if self.log_proba is None:
            return self.labels
        return np.r_[self.labels, self.log_proba[self.n_labeled :].argmax(axis=1)]

    def with_class_weight(self, class_weight):
        """Return the targets in which class k counts c_k times as much as it does here.

        Weights of classes turn the blend m of a row into c m, which is a distribution again after
        division by its sum; and that sum multiplies the weight of the row. This is done before
        anything is tempered: a student that was given tempered labels *and* class weights would
        learn c m^(1/T), and un-tempering would make c^T m of it. For the three ingredients of m
        it means: p becomes c p / sum(c p), and alpha and the row's weight follow.

        Parameters
        ----------
        class_weight : array-like of shape (n_classes,)
            Non-negative.

        Returns
        -------
        SoftTargets
        """
        c = np.asarray(class_weight, dtype=np.float64)
        if (c == 1).all():
            return self
        of_label = np.zeros(self.n_rows)
        of_label[: self.n_labeled] = (1 - self.row_alpha[: self.n_labeled]) * c[self.labels]
        if self.log_proba is None:
            return replace(self, row_weight=self.row_weight * of_label)
        with np.errstate(divide="ignore"):
            log_p = self.log_proba + np.log(c)
        total = logsumexp(log_p, axis=1)
        # A row that is all of classes of weight 0 keeps its teacher, and gets no weight.
        nothing = np.isneginf(total)
        log_p[nothing], total[nothing] = self.log_proba[nothing], 0.0
        of_teacher = np.where(nothing, 0.0, self.row_alpha * np.exp(total))
        whole = of_label + of_teacher
        return replace(
            self,
            log_proba=log_p - total[:, None],
            row_alpha=np.divide(of_teacher, whole, out=self.row_alpha.copy(), where=whole > 0),
            row_weight=self.row_weight * whole,
        )


@dataclass(frozen=True, eq=False)
class RegressionTargets:
    """The same of values: labels and teacher, one or several numbers for each row.

    Attributes
    ----------
    values : ndarray of shape (n_labeled,) or (n_labeled, n_outputs)
        The real values, as the user gave them.
    taught : ndarray of shape (n_rows, n_outputs) or None
        The teacher's; None if there is no teacher.
    row_alpha, row_weight : ndarray of shape (n_rows,)
        As in :class:`SoftTargets`.
    """

    values: np.ndarray
    taught: np.ndarray | None
    row_alpha: np.ndarray
    row_weight: np.ndarray

    @classmethod
    def from_alpha(cls, values, taught, alpha, sample_weight=None, unlabeled_weight=None):
        """Make targets of values, and of what the teacher says of these and further rows.

        Parameters
        ----------
        values, taught
            As the attributes.
        alpha, sample_weight, unlabeled_weight
            As in :meth:`SoftTargets.from_alpha`.

        Returns
        -------
        RegressionTargets
        """
        n_rows = len(values) if taught is None else len(taught)
        row_alpha, row_weight = _shares_of_rows(
            len(values), n_rows, alpha, sample_weight, unlabeled_weight
        )
        silent = np.zeros(0) if taught is None else np.isnan(taught).any(axis=1)
        if silent.any():
            row_alpha[silent] = 0.0
            taught = np.where(silent[:, None], 0.0, taught)
        return cls(values, taught, row_alpha, row_weight)

    @property
    def n_labeled(self):
        """Number of rows with a real value."""
        return len(self.values)

    @property
    def n_rows(self):
        """Number of rows, with those that only the teacher labelled."""
        return len(self.row_alpha)

    @property
    def n_outputs(self):
        """Number of values of a row."""
        return 1 if self.values.ndim == 1 else self.values.shape[1]

    def as_given(self, values):
        """Return values of shape (n, n_outputs) in the shape in which the user gave his."""
        return values[:, 0] if self.values.ndim == 1 else values

    def blended(self):
        """Return (1 - alpha) y + alpha t, in the shape of y.

        Without a share of the teacher in any row these are the real values themselves.
        """
        if self.taught is None or not self.row_alpha.any():
            return self.values
        own = self.values.reshape(self.n_labeled, -1).astype(np.float64)
        blend = self.taught.copy()
        share = self.row_alpha[: self.n_labeled, None]
        # Where the teacher has no share its answer is not even multiplied: it may be anything.
        blend[: self.n_labeled] = np.where(
            share > 0, own + share * (self.taught[: self.n_labeled] - own), own
        )
        return self.as_given(blend)

    def stacked(self):
        """Return each row once with its real value and once with the teacher's, where both count.

        The mean of a loss over these is (1 - alpha) L(y, f) + alpha L(t, f), whatever the loss.

        Returns
        -------
        rows : ndarray of int, shape (n_copies,)
        values : ndarray of shape (n_copies,) or (n_copies, n_outputs)
        weight : ndarray of shape (n_copies,)
        """
        of_label = self.row_weight[: self.n_labeled] * (1 - self.row_alpha[: self.n_labeled])
        of_teacher = self.row_weight * self.row_alpha
        own, told = np.flatnonzero(of_label > 0), np.flatnonzero(of_teacher > 0)
        if self.taught is None or not len(told):
            return own, self.values[own], of_label[own]
        values = np.concatenate([self.values[own], self.as_given(self.taught[told])])
        return np.r_[own, told], values, np.r_[of_label[own], of_teacher[told]]


@dataclass(frozen=True, eq=False)
class TransferSet:
    """The rows that a student learns from, and what it is to learn: all that a strategy gets.

    Attributes
    ----------
    X : rows
        The labelled rows, as the student's last step takes them.
    y : ndarray of shape (n_labeled,)
        Real labels, as the user gave them.
    X_unlabeled : rows or None
        Rows that only the teacher labelled.
    targets : SoftTargets or RegressionTargets
        Rows of X, then of X_unlabeled.
    reader : TeacherReader or None
        Who labelled the rows, for strategies that look inside; None if there is no teacher.
    fit_params : dict
        Further arguments for the student's ``fit``.
    as_given : TransferSet or None
        The same before the student's transformers: the rows that the teacher sees.
    renew : callable or None
        Draws the new rows of the augmenter anew: of a seed it makes rows, as many as the last ones
        of X_unlabeled, and what the teacher says of them, (n_new, n_classes). None without any.
    """

    X: object
    y: np.ndarray
    X_unlabeled: object
    targets: SoftTargets
    reader: object = None
    fit_params: dict = field(default_factory=dict)
    as_given: object = None
    renew: object = None

    def transformed(self, X, X_unlabeled, fit_params, transform=None):
        """Return the set with other rows in place of the same ones; new ones are transformed."""
        renew = self.renew
        if renew is not None and transform is not None:

            def renew(seed):
                X_new, log_proba = self.renew(seed)
                return transform(X_new), log_proba

        return replace(
            self,
            X=X,
            X_unlabeled=X_unlabeled,
            fit_params=fit_params,
            as_given=self.as_given or self,
            renew=renew,
        )

    def all_rows(self):
        """Return the rows of X, then those of X_unlabeled, in X's container."""
        if n_rows(self.X) == 0 and n_rows(self.X_unlabeled):
            return self.X_unlabeled
        return stack_rows(self.X, self.X_unlabeled)

    def take(self, rows):
        """Return some of all rows, maybe several times, and the fit parameters taken along.

        Parameters
        ----------
        rows : ndarray of int, shape (n_taken,), or None
            Positions; None takes every row once, without a copy.

        Returns
        -------
        X : rows
        fit_params : dict
            A value that has one entry per row of X is taken along; others stay.

        Raises
        ------
        ValueError
            If a fit parameter has an entry per row of X and there are unlabelled rows, for which
            it has none.
        """
        # There may be as many of them as rows of X, and still they are others.
        own = {k: v for k, v in self.fit_params.items() if k in EVAL_PARAMS}
        params = {k: v for k, v in self.fit_params.items() if k not in own}
        per_row = [k for k, v in params.items() if _one_per_row(v, n_rows(self.X))]
        if per_row and n_rows(self.X_unlabeled):
            raise ValueError(
                f"The fit parameters {per_row} have one value for each row of X, and none for "
                "those of X_unlabeled. Leave one of them out."
            )
        stacked = self.all_rows()
        if rows is None:
            return stacked, dict(self.fit_params)
        stacked = indexable_rows(stacked)
        return take_rows(stacked, rows), slice_params(stacked, params, indices=rows) | own


def _shares_of_rows(n_labeled, n_rows, alpha, sample_weight, unlabeled_weight):
    """Return the weight of the teacher in each row, and the weight of each row."""
    n_unlabeled = n_rows - n_labeled
    weight = np.ones(n_labeled) if sample_weight is None else sample_weight
    each = np.mean(weight)
    if unlabeled_weight is not None and n_unlabeled:
        each *= min(1.0, unlabeled_weight * n_labeled / n_unlabeled)
    row_alpha = np.r_[np.broadcast_to(alpha, n_labeled).astype(float), np.ones(n_unlabeled)]
    return row_alpha, np.r_[weight, np.full(n_unlabeled, each)]


def _one_per_row(value, n_samples):
    return hasattr(value, "__len__") and not isinstance(value, str) and len(value) == n_samples
