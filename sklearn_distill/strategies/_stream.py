"""A transfer set that comes batch by batch, and students that learn from one batch at a time."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_distill.scale import StoredTransferSet
from sklearn_distill.targets import SoftTargets, TransferSet
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.trust import trust_in_rows
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.pipelines import head_and_last, through_head

#: Rows on which the transformers of a student are fitted, spread over all parts.
SAMPLE_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Blending:
    """How what is known of a row becomes what is learned of it.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    temperature, alpha : float
    floor : float
    has_zeros : bool or None
        See :func:`~sklearn_distill.tempering.lift_zeros`.
    trust : str, callable or None
        See :func:`~sklearn_distill.trust.trust_in_rows`.
    unlabeled_factor : float
        By which the weights of rows without a label are multiplied.
    """

    classes: np.ndarray
    temperature: float
    alpha: float
    floor: float
    has_zeros: bool | None = None
    trust: object = None
    unlabeled_factor: float = 1.0

    def transfer_set(self, batch):
        """Return what is learned of some rows, those with a label first.

        Parameters
        ----------
        batch : TransferBatch

        Returns
        -------
        TransferSet
        """
        X, log_proba, labels, sample_weight = batch
        known = labels >= 0
        n_labeled = int(known.sum())
        weight = np.ones(len(labels)) if sample_weight is None else sample_weight
        weight = np.where(known, weight, weight * self.unlabeled_factor)
        if 0 < n_labeled < len(labels):
            order = np.argsort(~known, kind="stable")
            X, log_proba, weight = take_rows(X, order), log_proba[order], weight[order]
            labels = labels[order]
        labels = labels[:n_labeled]
        log_proba = np.asarray(log_proba, dtype=np.float64)
        log_proba = lift_zeros(log_proba, self.floor, self.has_zeros)
        alpha = np.ones(len(weight))
        alpha[:n_labeled] = self.alpha
        if self.trust is not None and self.alpha != 0 and n_labeled:
            alpha[:n_labeled] *= trust_in_rows(self.trust, log_proba[:n_labeled], labels)
        targets = SoftTargets.from_shares(
            self.classes, labels, log_proba, alpha, weight, self.temperature
        )
        if n_labeled == len(weight):
            own, further = X, None
        else:
            own = take_rows(X, np.arange(n_labeled))
            further = take_rows(X, np.arange(n_labeled, len(weight))) if n_labeled else X
        return TransferSet(own, self.classes[labels], further, targets)


@dataclass(frozen=True, eq=False)
class Stream:
    """A transfer set on disk, as what is learned of it: all that a strategy gets.

    Attributes
    ----------
    stored : StoredTransferSet
    blending : Blending
    batch_rows : int
        Rows in memory.
    max_epochs : int or None
        Passes over all rows; None leaves it to the strategy.
    seed : int
        Of the order of the rows.
    engine : {"dask"} or None
        On which the student is trained; None is this process.
    transforms : tuple of callable
        What happens to rows before the student gets them.
    """

    stored: StoredTransferSet
    blending: Blending
    batch_rows: int
    max_epochs: int | None = None
    seed: int = 0
    engine: str | None = None
    transforms: tuple = ()

    @property
    def n_rows(self):
        """Number of rows."""
        return self.stored.n_rows

    @property
    def mean_weight(self):
        """Mean of the weights of the rows."""
        stored, factor = self.stored, self.blending.unlabeled_factor
        return (stored.labeled_weight + factor * stored.unlabeled_weight) / stored.n_rows

    def batches(self, batch_rows=None, *, shuffle=False, epoch=0):
        """Give the rows batch by batch, each as a transfer set.

        Parameters
        ----------
        batch_rows : int, default=None
        shuffle : bool, default=False
        epoch : int, default=0
            Another one comes in another order.

        Yields
        ------
        TransferSet
        """
        seed = np.random.SeedSequence([self.seed, epoch])
        batches = self.stored.batches(
            batch_rows or self.batch_rows, shuffle=shuffle, random_state=seed
        )
        for batch in batches:
            yield self.taught(batch)

    def sample(self, n=SAMPLE_ROWS):
        """Return some rows that are spread over all, as a transfer set."""
        return self.taught(self.stored.sample(n, random_state=self.seed))

    def transformed(self, transform):
        """Return the stream with a transformation behind those that there are."""
        return replace(self, transforms=(*self.transforms, transform))

    def taught(self, batch):
        """Return what is learned of a batch, as a transfer set."""
        X = batch.X
        for transform in self.transforms:
            X = transform(X)
        return self.blending.transfer_set(batch._replace(X=X))


def teach_from_stream(strategy, student, stream):
    """Teach a student that may be a Pipeline; its transformers learn from rows of all parts.

    Parameters
    ----------
    strategy : Strategy
    student : estimator
        Fitted in place.
    stream : Stream

    Returns
    -------
    student : estimator
    decoder : Decoder
    """
    if not isinstance(student, Pipeline):
        return strategy.teach_stream(student, stream)
    head, last = head_and_last(student)
    if head is not None:
        sample = stream.sample()
        targets = sample.targets
        _fit_head(student, sample.all_rows(), targets.classes[targets.likely_labels()])
        stream = stream.transformed(partial(through_head, student))
    last, decoder = teach_from_stream(strategy, last, stream)
    student.steps[-1] = (student.steps[-1][0], last)
    return student, decoder


def teach_part(strategy, student, template, batch, blending, rng, first):
    """Teach a student that may be a Pipeline some rows more.

    Parameters
    ----------
    strategy : InParts
    student : estimator
    template : estimator
        The student before any fit.
    batch : TransferBatch
    blending : Blending
    rng : RandomState
    first : bool
        Whether these are the first rows: transformers are fitted on them.

    Returns
    -------
    student : estimator
    decoder : Decoder
    """
    if not isinstance(student, Pipeline):
        return strategy.teach_part(student, blending.transfer_set(batch), template, rng)
    head, last = head_and_last(student)
    if head is not None:
        if first:
            likely = np.where(batch.labels < 0, batch.log_proba.argmax(axis=1), batch.labels)
            _fit_head(student, batch.X, blending.classes[likely])
        batch = batch._replace(X=through_head(student, batch.X))
    bare, template = student.steps[-1][1], template.steps[-1][1]
    last, decoder = teach_part(strategy, bare, template, batch, blending, rng, first)
    student.steps[-1] = (student.steps[-1][0], last)
    return student, decoder


def _fit_head(student, X, y):
    """Fit the transformers of a Pipeline on some rows, in place."""
    head, _ = head_and_last(student)
    head.fit(X, y)
    student.steps[:-1] = head.steps
