"""The answers of several members as one, their weights, and who does better alone."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from sklearn_distill.doubts import knows_by_heart
from sklearn_distill.pooling import (
    DisjointClassesError,
    cross_entropies,
    entropies,
    pool,
    weights_by_log_loss,
    weights_by_squared_error,
    weights_of_losses,
)
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils.rows import short

#: Standard errors by which a member must be better than the pool; the best of several looks
#: better than it is.
CLEARLY = 2.0


@dataclass(frozen=True, eq=False)
class Pooling(ABC):
    """How the answers of members become one.

    Answers are arrays of shape (n_members, n_rows, n_columns), NaN where a member says nothing.

    Attributes
    ----------
    names : list of str
        Of the members.
    method : str
        The ``pooling`` of a :class:`TeacherEnsemble`.
    given : ndarray of shape (n_members,)
        The weights that the user gave, of sum 1.
    floor : float
        The smallest probability that votes are believed to mean, times the number of classes.
    """

    names: list
    method: str
    given: np.ndarray
    floor: float

    #: The name of the loss, for messages.
    loss_name = None

    @property
    def needs_std(self):
        """Whether members are asked for the standard deviation of their values."""
        return False

    def find_weights(self, answers, y, sample_weight=None):
        """Return the weights of the members.

        Parameters
        ----------
        answers : ndarray of shape (n_members, n_rows, n_columns)
            On rows that the members have not seen, the labelled ones first.
        y : ndarray
            Positions of the labels, (n_labeled,), or values, (n_labeled, n_outputs).
        sample_weight : ndarray of shape (n_labeled,), default=None

        Returns
        -------
        ndarray of shape (n_members,)
        """
        if self.method != "validation":
            return self.given
        weights = self.given * self._validated(answers[:, : len(y)], y, sample_weight)
        if not weights.any():
            raise ValueError(
                "The weights of the members are 0 for every one that is of use. Give these "
                "members a weight."
            )
        return weights

    def losses(self, answers, weights, y, sample_weight=None, std=None):
        """Return the mean loss of each member and of the pool, and who does better alone.

        Parameters
        ----------
        answers, y, sample_weight
            As in :meth:`find_weights`.
        weights : ndarray of shape (n_members,)
        std : ndarray like ``answers``, default=None
            Standard deviations of values.

        Returns
        -------
        losses : dict of str to float
        better_alone : str or None
        """
        own = slice(len(y))
        answers = answers[:, own]
        pooled = self.pool(answers, weights, std=None if std is None else std[:, own])
        rows = self._losses_of_rows(np.array([*answers, pooled]), y)
        told = ~np.isnan(rows).any(axis=0)
        of_rows = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
        rows, of_rows = rows[:, told], of_rows[told]
        if not of_rows.any():
            return {}, None
        of_rows = of_rows / of_rows.sum()
        means = rows @ of_rows
        best = int(np.argmin(means[:-1]))
        gained = rows[-1] - rows[best]
        error = np.sqrt(of_rows**2 @ (gained - of_rows @ gained) ** 2)
        alone = self.names[best] if of_rows @ gained > CLEARLY * error else None
        return dict(zip([*self.names, "pool"], means.tolist(), strict=True)), alone

    def warn_of_better_member(self, losses):
        """Warn of a member that does better alone, if :meth:`losses` found one."""
        means, alone = losses
        if alone is not None:
            warnings.warn(
                f"The member {alone!r} alone has less {self.loss_name} than the pool on rows that "
                f"it has not seen, {means[alone]:.4g} against {means['pool']:.4g}. Take it alone "
                'as teacher, or pooling="validation".',
                UserWarning,
                stacklevel=6,
            )

    def warn_of_memory(self, answers, y):
        """Warn where weights are found on rows that members which came fitted know by heart.

        Parameters
        ----------
        answers : dict of str to ndarray of shape (n_rows, n_columns)
            Of members that came fitted.
        y : ndarray
            As in :meth:`find_weights`.
        """
        seen = [name for name, answer in answers.items() if self._knows_by_heart(answer, y)]
        if self.method == "validation" and seen:
            warnings.warn(
                f'pooling="validation" compares members on these rows, and {short(seen)} came '
                "fitted and seem to know them by heart: they will get too much weight. Pass them "
                "unfitted, or rows that they have not seen.",
                UserWarning,
                stacklevel=5,
            )

    @abstractmethod
    def pool(self, answers, weights, *, labels=None, std=None):
        """Return what the members say as one, of shape (n_rows, n_columns).

        Parameters
        ----------
        answers : ndarray of shape (n_members, n_rows, n_columns)
        weights : ndarray of shape (n_members,)
        labels : ndarray of int, shape (n_labeled,), default=None
            Of the first rows: "confidence" looks at them.
        std : ndarray like ``answers``, default=None
            Standard deviations of values.
        """

    @abstractmethod
    def _validated(self, answers, y, sample_weight):
        """Return the weights with the least loss."""

    @abstractmethod
    def _losses_of_rows(self, answers, y):
        """Return the loss of each answer in each row."""

    @abstractmethod
    def _knows_by_heart(self, answer, y):
        """Tell whether a member knows the rows by heart."""


class ClassPooling(Pooling):
    """Of log-probabilities, NaN for classes that a member does not know."""

    loss_name = "log loss"

    def pool(self, answers, weights, *, labels=None, std=None):
        """Return log-probabilities; see :meth:`Pooling.pool`."""
        weights = np.asarray(weights, dtype=np.float64)
        if self.method == "confidence":
            losses = entropies(answers)
            if labels is not None:
                own = cross_entropies(answers[:, : len(labels)], labels)
                told = ~np.isnan(own).all(axis=0)
                losses[:, : len(labels)][:, told] = own[:, told]
            weights = weights_of_losses(losses, weights)
        geometric = self.method == "geometric"
        if geometric:
            answers = self._lifted(answers)
        try:
            return pool(answers, weights, geometric=geometric)
        except DisjointClassesError as error:
            known = np.flatnonzero(~np.isnan(answers).all(axis=(0, 1)))
            raise ValueError(
                "The members know classes that have nothing in common: no member compares those "
                f"at the positions {known[error.args[0]].tolist()} with the others. Add a member "
                "that knows all classes."
            ) from error

    def _lifted(self, answers):
        """Return what members say without zeros; a class that one does not know stays unknown."""
        lifted = np.array([lift_zeros(answer, self.floor) for answer in answers])
        return np.where(np.isnan(answers), np.nan, lifted)

    def _validated(self, answers, y, sample_weight):
        return weights_by_log_loss(self._lifted(answers), y, sample_weight)

    def _losses_of_rows(self, answers, y):
        return cross_entropies(self._lifted(answers), y)

    def _knows_by_heart(self, answer, y):
        return knows_by_heart(lift_zeros(answer, self.floor), y)


class ValuePooling(Pooling):
    """Of values."""

    loss_name = "squared error"

    @property
    def needs_std(self):
        """Whether members are asked for the standard deviation of their values."""
        return self.method == "confidence"

    def pool(self, answers, weights, *, labels=None, std=None):
        """Return values; see :meth:`Pooling.pool`."""
        w = np.asarray(weights, dtype=np.float64)[:, None, None]
        silent = np.isnan(answers)
        if self.method == "geometric":
            if not (answers[~silent] > 0).all():
                raise ValueError(
                    'pooling="geometric" needs values that are positive. Use "arithmetic".'
                )
            answers = np.log(answers)
        if self.method == "confidence":
            # Relative to the largest, so that a deviation of zero decides and divides by nothing.
            w = w / np.maximum(std**2, 1e-12 * np.nanmax(std**2, axis=0) + 1e-300)
        w = np.where(silent, 0.0, w)
        with np.errstate(invalid="ignore"):
            mean = (w * np.where(silent, 0.0, answers)).sum(axis=0) / w.sum(axis=0)
        return np.exp(mean) if self.method == "geometric" else mean

    def spread(self, values, std, pooled, weights):
        """Return the standard deviation of the mixture of the members.

        Parameters
        ----------
        values, std : ndarray of shape (n_members, n_rows, n_outputs)
        pooled : ndarray of shape (n_rows, n_outputs)
        weights : ndarray of shape (n_members,)

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
        """
        w = np.asarray(weights)[:, None, None]
        return np.sqrt((w * (std**2 + (values - pooled) ** 2)).sum(axis=0) / w.sum())

    def _validated(self, answers, y, sample_weight):
        return weights_by_squared_error(answers, y, sample_weight)

    def _losses_of_rows(self, answers, y):
        return ((answers - y) ** 2).mean(axis=2)

    def _knows_by_heart(self, answer, y):
        return False  # of values nobody can tell: they may be without noise
