"""The same classifier without a teacher: what ``alpha=0`` trains."""

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._strategy import (
    Strategy,
    fit_bare,
    labels_for,
    learns_positions,
    weight_argument,
)
from sklearn_distill.strategies.boosting import as_booster_takes
from sklearn_distill.utils.dispatch import is_of_kind


class HardLabels(Strategy):
    """Fit a classifier on the real labels alone, exactly as without us: the twin to compare with.

    Regressors and networks have no twin outside: theirs is their own strategy with ``alpha=0``.
    """

    name = "hard-labels"
    decoder_class = ProbabilityDecoder

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        return (
            super().objection(student)
            if is_of_kind(student, "classifier")
            else "needs a classifier"
        )

    def teach(self, student, transfer_set):
        """Fit the bare student on the labelled rows; see :meth:`Strategy.teach`."""
        targets, params = as_booster_takes(student, transfer_set.targets, transfer_set.fit_params)
        weight = weight_argument(student, targets.row_weight[: targets.n_labeled])
        y = labels_for(student, targets.classes, targets.labels)
        student = fit_bare(student, transfer_set.X, y, **weight, **params)
        by_position = learns_positions(student)
        return student, ProbabilityDecoder.of(student, targets.classes, by_position=by_position)
