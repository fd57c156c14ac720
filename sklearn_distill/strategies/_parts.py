"""Students that learn from one part of the rows after the other, by ``partial_fit``."""

from abc import abstractmethod
from inspect import signature

import numpy as np
from sklearn.base import clone

from sklearn_distill.strategies._strategy import Strategy
from sklearn_distill.utils.seeds import own_rng

#: Rows that stochastic gradient descent should see in all, by scikit-learn's own rule of thumb,
#: and passes over them at most.
ROWS_TO_SEE, MOST_PASSES = 1_000_000, 50

#: Students that count, and would count the rows of a second pass again.
_COUNTERS = "sklearn.naive_bayes"


class InParts(Strategy):
    """A strategy that can also teach by ``partial_fit``, a part of the rows at a time."""

    def objection_to_stream(self, student):
        """Return why a student cannot be taught batch by batch, or None."""
        if not hasattr(student, "partial_fit"):
            return "needs a student with partial_fit"
        return None

    def teach_stream(self, student, stream):
        """Teach the bare student batch by batch; see :meth:`Strategy.objection_to_stream`."""
        template, decoder = clone(student), None
        rng = own_rng(0 if self.random_state is None else self.random_state)
        n_epochs = stream.max_epochs or _passes(student, stream.n_rows)
        for epoch in range(n_epochs):
            for transfer_set in stream.batches(shuffle=not _counts(student), epoch=epoch):
                student, decoder = self.teach_part(student, transfer_set, template, rng)
        return student, decoder

    @abstractmethod
    def teach_part(self, student, transfer_set, template, rng):
        """Teach a student some rows more.

        Parameters
        ----------
        student : estimator
            Fitted or not; of a Pipeline, the last step.
        transfer_set : TransferSet
        template : estimator
            The student before any fit, with the settings that the user gave it. Not changed.
        rng : RandomState
            For what is drawn.

        Returns
        -------
        student : estimator
        decoder : Decoder
        """


def takes_weights(student):
    """Tell whether the student's ``partial_fit`` takes ``sample_weight``."""
    return "sample_weight" in signature(student.partial_fit).parameters


def class_params(student, transfer_set):
    """Return the argument that tells ``partial_fit`` of all classes, which it wants at first."""
    if "classes" not in signature(student.partial_fit).parameters:
        return {}
    return {"classes": transfer_set.targets.classes}


def _counts(student):
    return any(parent.__module__.startswith(_COUNTERS) for parent in type(student).__mro__)


def _passes(student, n_rows):
    if _counts(student):
        return 1
    return int(np.clip(np.ceil(ROWS_TO_SEE / n_rows), 1, MOST_PASSES))
