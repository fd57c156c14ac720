"""How close a student is to its teacher, and what its probabilities or values are worth.

The first argument is always the teacher (or the truth), as ``y_true`` is in scikit-learn.
"""

import warnings

import numpy as np
from scipy.special import rel_entr
from scipy.stats import rankdata
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_memory,
    column_or_1d,
)

from sklearn_distill.labelling import label_rows
from sklearn_distill.teachers import TeacherReader, ValueReader
from sklearn_distill.utils._sklearn_private import BaseSearchCV
from sklearn_distill.utils.dispatch import is_of_kind, name_of
from sklearn_distill.utils.pipelines import reach_last_step
from sklearn_distill.utils.rows import check_weights, take_some

__all__ = [
    "agreement_score",
    "brier_score",
    "expected_calibration_error",
    "js_divergence",
    "kl_divergence",
    "make_fidelity_scorer",
    "rank_correlation",
    "recovered_gap",
    "retention",
    "top_overlap",
    "value_distance",
]

#: By how much the probabilities of a row may miss 1 together.
ROW_SUM_TOLERANCE = 1e-3


def agreement_score(teacher, student, *, sample_weight=None):
    """Return the share of rows on which student and teacher choose the same class.

    Parameters
    ----------
    teacher, student : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, or probabilities whose columns are the same classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and 1. Of labels it is what :func:`sklearn.metrics.accuracy_score` says.

    Raises
    ------
    ValueError
        If the two are not of one shape, or a row is no probability.

    References
    ----------
    S. Stanton et al., "Does Knowledge Distillation Really Work?", NeurIPS 2021,
    `arXiv:2106.05945 <https://arxiv.org/abs/2106.05945>`_.

    Examples
    --------
    >>> from sklearn_distill.metrics import agreement_score
    >>> agreement_score([[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.7, 0.3]])
    0.5
    """
    if np.ndim(teacher) == np.ndim(student) == 1:
        check_consistent_length(teacher, student)
        same = np.asarray(teacher) == np.asarray(student)
    else:
        teacher, student = _pair(teacher, student)
        same = teacher.argmax(axis=1) == student.argmax(axis=1)
    return _mean(same, sample_weight)


def kl_divergence(teacher, student, *, sample_weight=None):
    """Return the mean Kullback-Leibler divergence KL(teacher ‖ student), in nats.

    Parameters
    ----------
    teacher, student : array-like of shape (n_samples, n_classes)
        Probabilities; the columns of both are the same classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Infinite if the student excludes what the teacher does not. Row by row it is
        :func:`scipy.stats.entropy` of the two.

    Raises
    ------
    ValueError
        If the two are not of one shape, or a row is no probability.

    See Also
    --------
    js_divergence : Never infinite, and the same both ways.

    Examples
    --------
    >>> from sklearn_distill.metrics import kl_divergence
    >>> f"{kl_divergence([[0.5, 0.5]], [[0.9, 0.1]]):.4f}"
    '0.5108'
    """
    teacher, student = _pair(teacher, student)
    return _mean(rel_entr(teacher, student).sum(axis=1), sample_weight)


def js_divergence(teacher, student, *, sample_weight=None):
    """Return the mean Jensen-Shannon divergence of student and teacher, in nats.

    Parameters
    ----------
    teacher, student : array-like of shape (n_samples, n_classes)
        Probabilities; the columns of both are the same classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and ln 2. Row by row it is the square of
        :func:`scipy.spatial.distance.jensenshannon`.

    Raises
    ------
    ValueError
        If the two are not of one shape, or a row is no probability.

    Examples
    --------
    >>> from sklearn_distill.metrics import js_divergence
    >>> f"{js_divergence([[1, 0]], [[0, 1]]):.4f}"
    '0.6931'
    """
    return _mean(js_of_rows(*_pair(teacher, student)), sample_weight)


def js_of_rows(teacher, student):
    """Return the Jensen-Shannon divergence of each row, in nats; nothing is checked."""
    middle = (teacher + student) / 2
    both = rel_entr(teacher, middle) + rel_entr(student, middle)
    return np.maximum(both.sum(axis=1) / 2, 0.0)


def rank_correlation(teacher, student, *, sample_weight=None):
    """Return Spearman's rank correlation of the probabilities of student and teacher.

    Parameters
    ----------
    teacher, student : array-like of shape (n_samples,) or (n_samples, n_classes)
        Scores, or probabilities. Of two classes the second is looked at, of more the mean over
        classes is taken.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row; whole numbers are as good as so many copies of it.

    Returns
    -------
    float
        Between -1 and 1. NaN, with a warning, if one of the two has the same value in all rows of
        a class. Without weights it is that of :func:`scipy.stats.spearmanr`.

    Raises
    ------
    ValueError
        If the two are not of one shape.

    Examples
    --------
    >>> from sklearn_distill.metrics import rank_correlation
    >>> rank_correlation([0.1, 0.2, 0.3], [0.2, 0.7, 0.9])
    1.0
    """
    teacher, student = _columns_to_rank(teacher, student)
    weight = _weights(sample_weight, len(teacher))
    found = [_spearman(t, s, weight) for t, s in zip(teacher.T, student.T, strict=True)]
    if np.isnan(found).any():
        _undefined("The rank correlation is not defined: all rows have one value.")
    return float(np.mean(found))


def top_overlap(teacher, student, *, top=0.01, sample_weight=None):
    """Return how much of the teacher's most suspicious rows is among the student's.

    Whoever can look at one payment in a hundred gets a queue of these from either model: this is
    the share of the queue that is the same.

    Parameters
    ----------
    teacher, student : array-like of shape (n_samples,) or (n_samples, 2)
        Scores, or probabilities of two classes, of which the second is looked at.
    top : float in (0, 1], default=0.01
        The share of rows that is in the queue.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and 1. Where the queue has room for some of the rows of one score only, it is
        what is expected if these are drawn by lot: a model with many ties is less than 1 even to
        itself, since its queue is not its own choice.

    Raises
    ------
    ValueError
        If there are more than two classes, or ``top`` is out of its range.

    Examples
    --------
    >>> from sklearn_distill.metrics import top_overlap
    >>> top_overlap([0.1, 0.2, 0.8, 0.9], [0.1, 0.7, 0.3, 0.9], top=0.5)
    0.5
    """
    if isinstance(top, bool) or not 0 < top <= 1:
        raise ValueError(f"top must be the share of the rows in (0, 1]. Got {top!r} instead.")
    teacher, student = _columns_to_rank(teacher, student)
    if teacher.shape[1] != 1:
        raise ValueError(
            f"top_overlap needs one score for each row. Got {teacher.shape[1]} classes: pass the "
            "column of the class that is looked for."
        )
    weight = _weights(sample_weight, len(teacher))
    room = top * weight.sum()
    inside = [_share_inside(column[:, 0], weight, room) for column in (teacher, student)]
    return float(weight @ np.multiply(*inside) / room)


def retention(teacher_score, student_score):
    """Return the part of the teacher's score that the student keeps.

    Parameters
    ----------
    teacher_score, student_score : float
        Scores that are better the larger they are, and zero for nothing.

    Returns
    -------
    float
        ``student_score / teacher_score``. NaN, with a warning, unless the teacher's score is
        positive: a negative log loss has no parts.

    Examples
    --------
    >>> from sklearn_distill.metrics import retention
    >>> f"{retention(0.80, 0.78):.3f}"
    '0.975'
    """
    if not teacher_score > 0:
        _undefined(f"Retention needs a positive score of the teacher. Got {teacher_score:.4g}.")
        return np.nan
    return float(student_score / teacher_score)


def recovered_gap(teacher_score, student_score, hard_score):
    """Return the part of the way from hard labels to the teacher that distillation has gone.

    Parameters
    ----------
    teacher_score, student_score, hard_score : float
        Scores that are better the larger they are: of the teacher, of the distilled student, and
        of the same student on hard labels.

    Returns
    -------
    float
        ``(student_score - hard_score) / (teacher_score - hard_score)``; negative where the
        teacher did harm. NaN, with a warning, where the teacher is no better than the student on
        hard labels.

    Examples
    --------
    >>> from sklearn_distill.metrics import recovered_gap
    >>> f"{recovered_gap(0.80, 0.78, 0.70):.2f}"
    '0.80'
    """
    gap = teacher_score - hard_score
    if not gap > 0:
        _undefined(
            f"There is no gap to recover: the teacher scores {teacher_score:.4g} and the student "
            f"on hard labels {hard_score:.4g}."
        )
        return np.nan
    return float((student_score - hard_score) / gap)


def expected_calibration_error(y_true, proba, *, n_bins=15, labels=None, sample_weight=None):
    r"""Return the expected calibration error, over bins that hold the same number of rows.

    .. math:: \sum_b \frac{w_b}{\sum_{b'} w_{b'}} \, |\text{frequency}_b - \text{confidence}_b|

    Of two classes the probability of the second is compared with how often it occurs, of more that
    of the likeliest class with how often it is right.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    proba : array-like of shape (n_samples, n_classes), or (n_samples,) of the second of two
        Probabilities, columns in the order of the sorted labels.
    n_bins : int, default=15
        Bins; equal probabilities are in one, so that there may be fewer.
    labels : array-like of shape (n_classes,), default=None
        The labels of the columns; None takes those in ``y_true``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the columns are not the labels, a row is no probability, or there is no bin.

    See Also
    --------
    sklearn.calibration.calibration_curve : The bins, with ``strategy="quantile"``.

    Notes
    -----
    It is biased: even perfect probabilities have an error in bins of few rows. Compare models on
    the same rows.

    References
    ----------
    M. Naeini, G. Cooper, M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning", AAAI 2015. Of equal mass: K. Nguyen, B. O'Connor, EMNLP 2015,
    :doi:`10.18653/v1/D15-1182`.

    Examples
    --------
    >>> from sklearn_distill.metrics import expected_calibration_error
    >>> f"{expected_calibration_error([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9]):.2f}"
    '0.10'
    """
    if isinstance(n_bins, bool) or not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise ValueError(f"n_bins must be a whole number above 0. Got {n_bins!r} instead.")
    positions, proba = labelled(y_true, proba, labels)
    weight = _weights(sample_weight, len(proba))
    confidence, happened = confidence_of(positions, proba)
    bins = equal_mass_bins(confidence, weight, n_bins)
    gap = np.bincount(bins, weight * (happened - confidence))
    return float(np.abs(gap).sum() / weight.sum())


def confidence_of(positions, proba):
    """Return the probability that is checked in each row, and whether what it is of happened.

    Parameters
    ----------
    positions : ndarray of int, shape (n_samples,)
        The column of the true label.
    proba : ndarray of shape (n_samples, n_classes)
    """
    if proba.shape[1] == 2:
        return proba[:, 1], positions == 1
    return proba.max(axis=1), proba.argmax(axis=1) == positions


def equal_mass_bins(confidence, weight, n_bins):
    """Return the bin of each row: about the same weight in each, equal values in one."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    if (weight == weight[0]).all():
        edges = np.percentile(confidence, inner * 100)  # as calibration_curve does
    else:
        order = np.argsort(confidence, kind="stable")
        below = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
        edges = np.interp(inner, below, confidence[order])
    return np.searchsorted(edges, confidence)


def brier_score(y_true, proba, *, labels=None, sample_weight=None):
    """Return the mean squared error of the probabilities, of any number of classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    proba : array-like of shape (n_samples, n_classes), or (n_samples,) of the second of two
        Probabilities, columns in the order of the sorted labels.
    labels : array-like of shape (n_classes,), default=None
        The labels of the columns; None takes those in ``y_true``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Of two classes that of the second, between 0 and 1; of more the sum over classes, between 0
        and 2: :func:`sklearn.metrics.brier_score_loss`, whose older releases take two classes.

    Raises
    ------
    ValueError
        If the columns are not the labels, or a row is no probability.

    Examples
    --------
    >>> from sklearn_distill.metrics import brier_score
    >>> f"{brier_score(['a', 'b'], [[0.9, 0.1], [0.2, 0.8]]):.3f}"
    '0.025'
    """
    positions, proba = labelled(y_true, proba, labels)
    error = ((proba - (positions[:, None] == np.arange(proba.shape[1]))) ** 2).sum(axis=1)
    return _mean(error / 2 if proba.shape[1] == 2 else error, sample_weight)


def value_distance(teacher, student, *, sample_weight=None):
    """Return the root mean squared difference of two models' values, in deviations of the teacher.

    Parameters
    ----------
    teacher, student : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Values. Of several outputs each counts in units of its own deviation.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        0 for equal values, 1 for a student that gives the teacher's mean everywhere. Of one output
        it is :math:`\\sqrt{1 - R^2}`, with the teacher's values for the truth. NaN, with a
        warning, if the teacher has one value for all rows.

    Raises
    ------
    ValueError
        If the two are not of one shape, or a value is not finite.

    Examples
    --------
    >>> from sklearn_distill.metrics import value_distance
    >>> f"{value_distance([1, 2, 3], [1, 2, 4]):.3f}"
    '0.707'
    """
    teacher, student = _two_of_values(teacher, student)
    weight = _weights(sample_weight, len(teacher))
    scale = _variances(teacher, weight)
    if not (scale > 0).all():
        _undefined("The distance is not defined: the teacher has one value for all rows.")
        return np.nan
    return float(np.sqrt(_mean(((teacher - student) ** 2 / scale).mean(axis=1), weight)))


def rank_correlation_of_outputs(teacher, student, *, sample_weight=None):
    """Return the mean rank correlation over outputs, of which two are not two classes."""
    pairs = zip(*(values.T for values in _two_of_values(teacher, student)), strict=True)
    found = [rank_correlation(t, s, sample_weight=sample_weight) for t, s in pairs]
    return float(np.mean(found))


#: Metrics of two tables of probabilities, and whether more of it is better.
FIDELITY = {
    "agreement": (agreement_score, True),
    "kl": (kl_divergence, False),
    "js": (js_divergence, False),
    "rank-correlation": (rank_correlation, True),
    "top-overlap": (top_overlap, True),
}

#: The same of values.
FIDELITY_OF_VALUES = {
    "value-distance": (value_distance, False),
    "rank-correlation": (rank_correlation_of_outputs, True),
}


def make_fidelity_scorer(
    metric="js", teacher=None, *, greater_is_better=True, memory=None, **params
):
    """Make a scorer that measures how close an estimator is to a teacher, for searches.

    Parameters
    ----------
    metric : {"agreement", "kl", "js", "rank-correlation", "top-overlap", "value-distance"} or \
callable
        Of regressors "value-distance" or "rank-correlation". A callable is given the probabilities
        (values) of the teacher and those of the estimator, of the same shape, and maybe
        ``sample_weight``.
    teacher : estimator, torch module, booster or None, default=None
        Fitted. None takes the ``teacher_`` of the distilled estimator that is scored. It should
        not have been fitted on the rows that it is asked about, or is surer than it should be.
    greater_is_better : bool, default=True
        Of a callable. If False the scorer gives its negative.
    memory : str, joblib.Memory or None, default=None
        Keeps what the teacher says, so that it is asked once per fold and not once per candidate.
    **params : dict
        For the metric, such as ``top=0.001``.

    Returns
    -------
    scorer : callable
        Takes (estimator, X, y=None, sample_weight=None); what it returns is better the larger it
        is, so that divergences are negative.

    Raises
    ------
    ValueError
        If there is no such metric.

    See Also
    --------
    sklearn.metrics.make_scorer : For metrics of labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier
    >>> from sklearn_distill.metrics import make_fidelity_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
    >>> model = DistillationClassifier(teacher, DecisionTreeClassifier(max_leaf_nodes=6))
    >>> grid = {"alpha": [0, 1]}
    >>> search = GridSearchCV(model, grid, scoring=make_fidelity_scorer("js", teacher))
    >>> search.fit(X, y).best_params_
    {'alpha': 1}
    """
    if callable(metric):
        return _FidelityScorer(metric, 1 if greater_is_better else -1, teacher, memory, params)
    known = FIDELITY | FIDELITY_OF_VALUES
    if not isinstance(metric, str) or metric not in known:
        raise ValueError(f"metric must be one of {sorted(known)}, or callable. Got {metric!r}.")
    return _FidelityScorer(metric, 1 if known[metric][1] else -1, teacher, memory, params)


class _FidelityScorer:
    """An object and not a function, so that it can be pickled for other processes."""

    def __init__(self, metric, sign, teacher, memory, params):
        self.metric = metric
        self.sign = sign
        self.teacher = teacher
        self.memory = memory
        self.params = params

    def __repr__(self):
        name = self.metric if isinstance(self.metric, str) else self.metric.__name__
        return f"make_fidelity_scorer({name})"

    def __call__(self, estimator, X, y=None, sample_weight=None):
        metric = self._metric_for(estimator)
        student = answers_of(estimator, X)
        teacher = answers_of_teacher(estimator, X, self.teacher, memory=self.memory)
        params = dict(self.params)
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        return self.sign * metric(teacher, student, **params)

    def _metric_for(self, estimator):
        if callable(self.metric):
            return self.metric
        of_values = is_of_kind(estimator, "regressor")
        table = FIDELITY_OF_VALUES if of_values else FIDELITY
        if self.metric not in table:
            raise ValueError(
                f"{self!r} is of {'classes' if of_values else 'values'}, and "
                f"{name_of(estimator)} is a {'regressor' if of_values else 'classifier'}. Use one "
                f"of {sorted(table)}."
            )
        return table[self.metric][0]


def answers_of(model, X):
    """Return the probabilities of a classifier, or the values of a regressor, as a table.

    Parameters
    ----------
    model : estimator
    X : rows

    Returns
    -------
    ndarray of shape (n_samples, n_classes or n_outputs)
    """
    if not is_of_kind(model, "regressor"):
        return np.asarray(model.predict_proba(X), dtype=np.float64)
    values = np.asarray(model.predict(X), dtype=np.float64)
    return values.reshape(len(values), -1)


def answers_of_teacher(model, X, teacher=None, *, n_jobs=None, memory=None):
    """Return what a teacher says of rows, in the order of a model's classes or outputs.

    Parameters
    ----------
    model : estimator
        Fitted; a distilled one, maybe at the end of a Pipeline or found by a search, unless the
        teacher is given.
    X : rows
        As they are given to the model.
    teacher : estimator, torch module, booster or None, default=None
        Takes the rows of X. None is the model's own, which takes what reaches the last step.
    n_jobs : int, default=None
    memory : str, joblib.Memory or None, default=None

    Returns
    -------
    ndarray of shape (n_samples, n_classes or n_outputs)
        Probabilities, or values.

    Raises
    ------
    ValueError
        If there is no teacher.
    """
    rows = X
    if teacher is None:
        found, X = reach_distilled(model, X)
        teacher = getattr(found, "teacher_", None)
        if teacher is None:
            raise ValueError(
                f"{name_of(model)} has no teacher to be compared with. Pass one, or a fitted "
                "distillation."
            )
    asking = {"n_jobs": n_jobs, "memory": None if memory is None else check_memory(memory)}
    if is_of_kind(model, "regressor"):
        outputs = np.arange(answers_of(model, take_some(rows, 1)).shape[1])
        return label_rows(ValueReader.of(teacher), X, None, outputs, quiet=True, **asking)
    reader, classes = TeacherReader.of(teacher), np.asarray(model.classes_)
    return np.exp(label_rows(reader, X, None, classes, quiet=True, **asking))


def reach_distilled(model, X):
    """Return the distilled model in a Pipeline or search, and the rows of X as they reach it."""
    while isinstance(model, BaseSearchCV):
        model = model.best_estimator_
    last, X = reach_last_step(model, X)
    return reach_distilled(last, X) if isinstance(last, BaseSearchCV) else (last, X)


def _pair(teacher, student):
    """Return two tables of probabilities of the same shape."""
    teacher, student = (
        _probabilities(p, who) for p, who in ((teacher, "the teacher"), (student, "the student"))
    )
    if teacher.shape != student.shape:
        raise ValueError(
            f"Teacher and student must have the same rows and classes. Got shapes {teacher.shape} "
            f"and {student.shape}: take the columns of the classes that both know."
        )
    return teacher, student


def _probabilities(proba, who):
    proba = check_array(proba, dtype=np.float64, input_name=f"probabilities of {who}")
    wrong = (proba < 0).any(axis=1) | (np.abs(proba.sum(axis=1) - 1) > ROW_SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Probabilities of {who} must be non-negative and each row must sum to 1. Row {row} "
            f"is {proba[row].tolist()}."
        )
    return proba


def _two_of_values(teacher, student):
    """Return two tables of values of the same shape."""
    teacher, student = (
        check_array(values, dtype=np.float64, ensure_2d=False, input_name=f"values of {who}")
        for values, who in ((teacher, "the teacher"), (student, "the student"))
    )
    if teacher.shape != student.shape:
        raise ValueError(
            f"Teacher and student must have the same rows and outputs. Got shapes {teacher.shape} "
            f"and {student.shape}."
        )
    return (values.reshape(len(values), -1) for values in (teacher, student))


def _variances(values, weight):
    mean = weight @ values / weight.sum()
    return weight @ (values - mean) ** 2 / weight.sum()


def _columns_to_rank(teacher, student):
    teacher, student = (np.asarray(p, dtype=np.float64) for p in (teacher, student))
    if teacher.ndim == student.ndim == 1:
        teacher, student = teacher[:, None], student[:, None]
    teacher, student = (check_array(p, dtype=np.float64) for p in (teacher, student))
    if teacher.shape != student.shape:
        raise ValueError(
            f"Teacher and student must have the same rows and classes. Got shapes {teacher.shape} "
            f"and {student.shape}."
        )
    return (p[:, 1:] if p.shape[1] == 2 else p for p in (teacher, student))


def labelled(y_true, proba, labels):
    """Return the column of each true label, and the probabilities as a table."""
    y_true = column_or_1d(y_true)
    proba = np.asarray(proba, dtype=np.float64)
    if proba.ndim == 1:
        proba = np.column_stack([1 - proba, proba])
    check_consistent_length(y_true, proba)
    proba = _probabilities(proba, "the model")
    labels = np.unique(y_true if labels is None else labels)
    if len(labels) != proba.shape[1]:
        raise ValueError(
            f"proba has {proba.shape[1]} columns, and there are {len(labels)} labels: pass "
            "labels=model.classes_."
        )
    positions = np.searchsorted(labels, y_true).clip(0, len(labels) - 1)
    if (labels[positions] != y_true).any():
        strange = np.setdiff1d(y_true, labels).tolist()
        raise ValueError(f"y_true has labels that proba has no column of: {strange}.")
    return positions, proba


def _weights(sample_weight, n_samples):
    weight = check_weights(sample_weight, n_samples)
    return np.ones(n_samples) if weight is None else weight


def _mean(values, sample_weight):
    weight = _weights(sample_weight, len(values))
    counted = weight > 0  # an infinite value of no weight is none
    return float(np.average(values[counted], weights=weight[counted]))


def _spearman(teacher, student, weight):
    ranks = np.array([_weighted_ranks(column, weight) for column in (teacher, student)])
    ranks -= (ranks @ weight / weight.sum())[:, None]
    covariance = (ranks * weight) @ ranks.T
    spread = np.sqrt(covariance[0, 0] * covariance[1, 1])
    if spread <= 1e-12 * len(teacher) * weight.sum():
        return np.nan
    return float(np.clip(covariance[0, 1] / spread, -1, 1))


def _weighted_ranks(values, weight):
    """Return the weight of what is below each value, and half of what is equal to it."""
    dense = rankdata(values, method="dense") - 1
    of_value = np.bincount(dense, weight)
    return (np.cumsum(of_value) - of_value / 2)[dense]


def _share_inside(score, weight, room):
    """Return which part of each row is in a queue that has room for so much weight."""
    dense = rankdata(-score, method="dense") - 1
    of_value = np.bincount(dense, weight)
    left = room - (np.cumsum(of_value) - of_value)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.where(of_value > 0, left / of_value, 0.0), 0, 1)[dense]


def _undefined(text):
    warnings.warn(text, UndefinedMetricWarning, stacklevel=3)
