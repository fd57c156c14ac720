"""Boosted trees on soft targets, by their own library."""

from dataclasses import replace

from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.strategies._strategy import Strategy
from sklearn_distill.strategies.boosting import library_of
from sklearn_distill.strategies.boosting._labels import in_single_precision, with_usable_weights


class SoftBoosting(Strategy):
    """Teach an XGBoost, LightGBM or CatBoost classifier with a soft-target objective.

    The booster's own library trains it, and no row is copied. XGBoost and LightGBM minimise
    Hinton's loss [1]_ of their margins z,

    .. math:: (1 - \\alpha) \\, \\mathrm{CE}(y, \\operatorname{softmax}(z))
        + \\alpha T^2 \\, \\mathrm{KL}(p_T \\,\\|\\, \\operatorname{softmax}(z / T)).

    The temperature is inside the loss: nothing needs to be undone when predicting, and `student_`
    on its own gives the same probabilities as the whole model.

    CatBoost has losses for soft targets itself. It learns the tempered blend of labels and
    teacher, by ``CrossEntropy`` with two classes and by ``MultiCrossEntropy``, a yes-or-no
    question for each class, with more. The model divides the answers by their sum and raises them
    to a power; those of `student_` on its own, for classes 0 to K - 1, are as it learned them.
    `student_` is a new instance, with the settings that CatBoost would choose for labels.

    Class weights set on the booster count in the labels and the teacher alike. Early stopping
    looks at the labels of an ``eval_set`` and at the student's own output, which in CatBoost is
    tempered: the log loss it reports is that of softened probabilities, with several classes the
    mean over their questions. Accuracy and ROC AUC of two classes do not depend on that; of
    several classes, CatBoost computes no other metric of soft targets.

    See Also
    --------
    WeightedLabels : For other classifiers with ``sample_weight``.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.

    Examples
    --------
    >>> from lightgbm import LGBMClassifier
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_distill import DistillationClassifier, SoftBoosting
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = RandomForestClassifier(min_samples_leaf=3, random_state=0).fit(X, y)
    >>> student = LGBMClassifier(n_estimators=5, verbose=-1, random_state=0)
    >>> strategy = SoftBoosting()
    >>> model = DistillationClassifier(teacher, student, alpha=0.5, strategy=strategy).fit(X, y)
    >>> model.student_.n_estimators_
    5
    """

    name = "soft-boosting"
    decoder_class = ProbabilityDecoder

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        library = library_of(student)
        if library is None:
            return (
                "needs an XGBClassifier, LGBMClassifier or CatBoostClassifier "
                "(pip install 'sklearn-distill[boosters]')"
            )
        return super().objection(student) or library.objection(student)

    def objection_to_stream(self, student):
        """Return why a student cannot be taught batch by batch, or None."""
        library = library_of(student)
        if not hasattr(library, "teach_stream"):
            return "needs an XGBClassifier or LGBMClassifier"
        library.check_fit_params(student, {})
        return library.objection_to_stream(student)

    def teach_stream(self, student, stream):
        """Fit the student on soft targets that come batch by batch."""
        library = library_of(student)
        if stream.engine == "dask":
            return library.teach_on_dask(student, stream)
        return library.teach_stream(student, stream)

    def teach(self, student, transfer_set):
        """Fit the student on soft targets and return it with its decoder."""
        targets = in_single_precision(with_usable_weights(transfer_set.targets))
        return library_of(student).teach(student, replace(transfer_set, targets=targets))
