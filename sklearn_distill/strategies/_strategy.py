"""What every way of teaching a student has in common."""

from abc import ABC, abstractmethod
from difflib import get_close_matches
from inspect import signature

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill.utils._sklearn_private import BaseSearchCV
from sklearn_distill.utils.dispatch import booster_of, name_of
from sklearn_distill.utils.pipelines import head_and_last, split_fit_params, transform_eval_rows
from sklearn_distill.utils.rows import n_rows


class Strategy(BaseEstimator, ABC):
    """A way of teaching a student: the base class for strategies of one's own.

    A subclass says which students it cannot teach (:meth:`objection`), and teaches one
    (:meth:`teach`). Of a Pipeline it gets the last step, and rows as they reach it.

    A parameter ``random_state`` or ``verbose`` that is None takes the value of the distillation
    estimator, so let None be their default.

    See Also
    --------
    WeightedLabels : The strategy of most classifiers.
    DistillationClassifier : Takes an instance as ``strategy``.

    Examples
    --------
    Teach a classifier nothing but the teacher's first choice:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_distill import DistillationClassifier, Strategy
    >>> from sklearn_distill.decoding import ProbabilityDecoder
    >>> class FirstChoice(Strategy):
    ...     name = "first-choice"
    ...
    ...     def teach(self, student, transfer_set):
    ...         X, fit_params = transfer_set.take(None)
    ...         classes = transfer_set.targets.classes
    ...         choice = transfer_set.targets.blended().argmax(axis=1)
    ...         student = student.fit(X, classes[choice], **fit_params)
    ...         return student, ProbabilityDecoder.of(student, classes)
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = LogisticRegression(max_iter=1000).fit(X, y)
    >>> strategy = FirstChoice()
    >>> model = DistillationClassifier(teacher, GaussianNB(), alpha=0.5, strategy=strategy)
    >>> model = model.fit(X, y)
    >>> model.predict(X[:2])
    array([0, 0])
    """

    #: The name that ``strategy=`` takes.
    name = None

    #: The class of the decoders that :meth:`teach` returns, which knows before anything is fitted
    #: whether there will be a ``predict_proba``. None if a student's own methods tell.
    decoder_class = None

    #: What its parameters may be, checked before anything is fitted.
    _parameter_constraints: dict = {}

    def objection(self, student):
        """Return why a student cannot be taught in this way, or None.

        Parameters
        ----------
        student : estimator
            Not fitted; of a Pipeline, the last step.

        Returns
        -------
        reason : str or None
            To be read after the strategy's name: "needs a regressor".
        """
        if isinstance(student, FrozenEstimator):
            return "needs a student that can be fitted, and a FrozenEstimator cannot"
        return None

    def check_fit_params(self, student, fit_params):
        """Refuse further arguments of ``fit`` that the student will not take.

        Asked before the teacher is fitted, which may take hours.

        Parameters
        ----------
        student : estimator
            Not fitted; of a Pipeline, the last step.
        fit_params : dict
            As they will be in the transfer set.

        Raises
        ------
        TypeError
            If the student's ``fit`` has no such argument.
        ValueError
            If an argument is missing, or of no use.
        """
        check_arguments(student, fit_params)

    def objection_to_stream(self, student):
        """Return why a student cannot be taught batch by batch, or None.

        Asked only about students to which there is no :meth:`objection`. A strategy that can do it
        has a method ``teach_stream(student, stream)``, which returns what :meth:`teach` does.

        Parameters
        ----------
        student : estimator
            Not fitted; of a Pipeline, the last step.

        Returns
        -------
        reason : str or None
        """
        return "needs all rows at once"

    @abstractmethod
    def teach(self, student, transfer_set):
        """Fit a student and say how to read it.

        Parameters
        ----------
        student : estimator
            Not fitted, to be fitted in place; of a Pipeline, the last step.
        transfer_set : TransferSet
            The rows as they reach it, what it is to learn, further arguments for its ``fit``.

        Returns
        -------
        student : estimator
            Fitted.
        decoder : Decoder
            How its output becomes labels and probabilities.
        """


def teach(strategy, student, transfer_set):
    """Teach a student that may be a Pipeline, whose transformers are fitted on the real rows.

    Parameters
    ----------
    strategy : Strategy
    student : estimator
        Fitted in place.
    transfer_set : TransferSet
        The rows as the user gave them.

    Returns
    -------
    student : estimator
    decoder : Decoder
    """
    if not isinstance(student, Pipeline):
        # The weights that other steps requested are not the student's: those are made from its
        # targets.
        params = {k: v for k, v in transfer_set.fit_params.items() if k != "sample_weight"}
        rows = transfer_set.X, transfer_set.X_unlabeled
        return strategy.teach(student, transfer_set.transformed(*rows, params))
    head, last = head_and_last(student)
    head_params, last_params = split_fit_params(student, transfer_set.fit_params)
    X, X_unlabeled = transfer_set.X, transfer_set.X_unlabeled
    if head is not None:
        X = head.fit_transform(X, transfer_set.y, **head_params)
        if n_rows(X) != len(transfer_set.y):
            raise ValueError(
                f"The transformers of the student made {n_rows(X)} rows of "
                f"{len(transfer_set.y)}. They must keep the number of rows."
            )
        if n_rows(X_unlabeled):
            X_unlabeled = head.transform(X_unlabeled)
        student.steps[:-1] = head.steps
        last_params = transform_eval_rows(student, last_params)
    inside = transfer_set.transformed(
        X, X_unlabeled, last_params, None if head is None else head.transform
    )
    last, decoder = teach(strategy, last, inside)
    student.steps[-1] = (student.steps[-1][0], last)
    return student, decoder


def check_arguments(student, fit_params):
    """Raise TypeError if ``student.fit`` has no argument of one of these names."""
    try:
        arguments = signature(student.fit).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return
    if any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values()):
        return
    unknown = sorted(set(fit_params) - set(arguments))
    if unknown:
        more = sorted(set(arguments) - {"X", "y", "sample_weight"})
        close = get_close_matches(unknown[0], more) or more[:5]
        takes = f"takes {', '.join(close)}" if more else "takes no further arguments"
        raise TypeError(
            f"{name_of(student)}.fit got an unexpected keyword argument {unknown[0]!r}: beside "
            f"X, y and weights it {takes}{', ...' if len(more) > len(close) else ''}."
        )


def accepts_weights(student):
    """Tell whether the bare student's ``fit`` takes ``sample_weight``."""
    if isinstance(student, BaseSearchCV):  # it hands on what its fit is given
        return accepts_weights(student.estimator)
    if isinstance(student, StackingClassifier | VotingClassifier):  # and these, to all
        inside = [step for _, step in student.estimators if step != "drop"]
        final = getattr(student, "final_estimator", None)
        return all(map(accepts_weights, inside)) and (final is None or accepts_weights(final))
    return has_fit_parameter(student, "sample_weight")


def learns_positions(student):
    """Tell whether the bare student must be given positions 0 to K - 1 instead of labels."""
    return booster_of(student) == "xgboost"


def labels_for(student, classes, positions):
    """Return labels in the form that the bare student's ``fit`` takes."""
    return positions if learns_positions(student) else classes[positions]


def weight_argument(student, row_weight):
    """Return the keyword argument that passes these weights to the bare student's ``fit``.

    Raises
    ------
    TypeError
        If the weights differ and the student takes none.
    """
    if (row_weight == 1).all():
        return {}
    if not accepts_weights(student):
        if np.ptp(row_weight) == 0:
            return {}
        raise TypeError(
            f"{name_of(student)} takes no sample_weight in fit, and the given weights are "
            "not all equal. Leave sample_weight out, or use a student that takes it."
        )
    return {"sample_weight": row_weight}


def fit_bare(student, X, y, **params):
    """Call ``student.fit`` with our own metadata, whatever the user's routing configuration.

    With routing enabled a meta-estimator would demand that the user request weights that only
    we know of.
    """
    with config_context(enable_metadata_routing=False):
        return student.fit(X, y, **params)
