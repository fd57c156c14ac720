"""CascadeClassifier."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_distill.cascade._novelty import RangeDetector
from sklearn_distill.cascade._promise import (
    THRESHOLDS,
    audit,
    choose_threshold,
    count,
    interval,
    level_of_each,
    rows_to_begin,
    upper_bound,
)
from sklearn_distill.export.readers._model import standalone_of
from sklearn_distill.footprint import as_it_is, measure
from sklearn_distill.labelling import label_rows
from sklearn_distill.teachers import TeacherReader, is_fitted, read_output
from sklearn_distill.utils._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    take_rows,
)
from sklearn_distill.utils.cloning import clone_with
from sklearn_distill.utils.dispatch import name_of, tags_of
from sklearn_distill.utils.rows import indexable_rows, is_table, n_rows
from sklearn_distill.utils.seeds import own_rng

#: Why a row is not answered by the student.
UNSURE, NOVEL, RARE = "unsure", "novel", "rare class"


class CascadeClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    r"""A student that answers, and defers to its teacher when it is unsure, with a promise.

    ``fit`` calibrates two fitted models: it finds the threshold of the student's confidence (its
    largest probability) above which it may answer, such that with the given ``confidence`` the
    promise holds on rows like those of the calibration,

    .. math:: P(\text{answered by the student} \wedge \text{loss}) \le 1 - \text{target}

    over all requests, or :math:`P(\text{loss} \mid \text{answered}) \le 1 - \text{target}` over
    the answered ones. It is found by testing thresholds in a fixed order, the strictest first,
    with exact binomial bounds [1]_; a threshold at which the loss *in the calibration rows* is
    just small enough would break the promise about every other time.

    Parameters
    ----------
    student : estimator
        Fitted, with ``predict_proba``. Used as it is, and carried over by ``clone``.
    teacher : estimator, torch module, booster or None, default=None
        Fitted, of the same classes. None if its output is given to ``fit``, or for
        ``risk="error"``.
    target : float in (0, 1), default=0.99
        One minus the largest risk that is allowed.
    confidence : float in (0, 1), default=0.95
        The probability, over calibration sets, that the promise holds.
    risk : {"disagreement", "error"}, default="disagreement"
        What a loss is: an answer that is not the teacher's, or one that is not the real label.
    over : {"all", "answered"}, default="all"
        Of which requests the risk is the share.
    max_deferral : float in [0, 1] or None, default=None
        ``fit`` raises if a larger share of the calibration rows would be deferred.
    novelty : "auto", "range", outlier detector or None, default="auto"
        Rows that it calls outliers are deferred: nothing is known of them. "range" is
        :class:`RangeDetector`; "auto" is that for tables, and None for texts and sparse rows. A
        detector, such as :class:`~sklearn.ensemble.IsolationForest`, is cloned and fitted on the
        calibration rows.
    min_class_rows : int, default=20
        Rows that the student takes for a class which it chose for fewer calibration rows are
        always deferred.
    gate : classifier or None, default=None
        Decides from the row itself, before either model runs, whether the student may answer:
        cloned and fitted on a half of the calibration rows to tell the student's losses. The other
        half calibrates the threshold of its probability.
    n_jobs : int or None, default=None
        Parallel chunks of rows for the teacher.
    random_state : int, RandomState instance or None, default=None
        Splits the calibration rows for a gate.

    Attributes
    ----------
    threshold_ : float
        The student answers if its confidence (the gate's) is at least this; infinite if it never
        does.
    deferral_rate_ : float
        The share of the calibration rows that is deferred.
    deferral_interval_ : tuple of float
        Its Clopper-Pearson interval at ``confidence``.
    risk_ : float
        The risk in the calibration rows.
    risk_bound_ : float
        Its upper bound, which is at most ``1 - target``.
    n_calibration_ : int
        Rows by which the threshold was found.
    n_losses_ : int
        The losses among those that are answered.
    rare_classes_ : ndarray
        Those that are always deferred.
    novelty_ : estimator or None
        The fitted detector.
    gate_ : classifier or None
        The fitted gate.
    classes_ : ndarray of shape (n_classes,)
        The student's.
    n_features_in_ : int
        Number of features. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    rows_for_promise : How many calibration rows a promise costs.
    sklearn.frozen.FrozenEstimator : What the models of a grid should be wrapped in.

    Notes
    -----
    The calibration rows must be a random sample of what will be asked, unseen by the student; a
    promise is about rows like these. ``audit`` tells when it no longer holds. Rare classes and
    novel rows are deferred on top of the threshold. Over all requests the promise is tested
    without them, and they only lower the risk; over answered ones the rare classes are left out of
    the test.

    References
    ----------
    .. [1] A. Angelopoulos et al., "Learn then Test: Calibrating Predictive Algorithms to Achieve
       Risk Control", 2021, `arXiv:2110.01052 <https://arxiv.org/abs/2110.01052>`_.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_distill.cascade import CascadeClassifier
    >>> X, y = make_classification(6000, n_informative=8, flip_y=0.1, random_state=0)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X[:2000], y[:2000])
    >>> student = LogisticRegression().fit(X[:2000], teacher.predict(X[:2000]))
    >>> cascade = CascadeClassifier(student, teacher, target=0.98).fit(X[2000:4000])
    >>> print(cascade.promise_)
    At most 2 % of all requests get another answer than the teacher's, with ...
    >>> cascade.predict(X[4000:]).shape
    (2000,)
    >>> bool(cascade.defer(X[4000:]).mean() < 0.5)
    True
    """

    _parameter_constraints: dict = {
        "student": [HasMethods("predict_proba")],
        "teacher": [
            HasMethods("predict"),
            HasMethods("predict_proba"),
            HasMethods("forward"),
            None,
        ],
        "target": [Interval(Real, 0, 1, closed="neither")],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "risk": [StrOptions({"disagreement", "error"})],
        "over": [StrOptions({"all", "answered"})],
        "max_deferral": [Interval(Real, 0, 1, closed="both"), None],
        "novelty": [StrOptions({"auto", "range"}), HasMethods(["fit", "predict"]), None],
        "min_class_rows": [Interval(Integral, 0, None, closed="left")],
        "gate": [HasMethods(["fit", "predict_proba"]), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        student,
        teacher=None,
        *,
        target=0.99,
        confidence=0.95,
        risk="disagreement",
        over="all",
        max_deferral=None,
        novelty="auto",
        min_class_rows=20,
        gate=None,
        n_jobs=None,
        random_state=None,
    ):
        self.student = student
        self.teacher = teacher
        self.target = target
        self.confidence = confidence
        self.risk = risk
        self.over = over
        self.max_deferral = max_deferral
        self.novelty = novelty
        self.min_class_rows = min_class_rows
        self.gate = gate
        self.n_jobs = n_jobs
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, teacher_output=None):
        """Calibrate the two models.

        Parameters
        ----------
        X : rows of the kind that student and teacher take
            A random sample of what will be asked, that the student was not fitted on.
        y : array-like of shape (n_samples,), default=None
            Real labels; for ``risk="error"`` only.
        teacher_output : array-like of shape (n_samples, n_classes), default=None
            The teacher's probabilities of these rows, if it is not here.

        Returns
        -------
        self : object

        Raises
        ------
        NotFittedError
            If student or teacher are not fitted.
        ValueError
            If the rows are too few for the promise, or of one class; if no threshold keeps it, or
            only with more deferrals than allowed; if the two models know other classes.
        """
        self._check_student()
        classes = np.asarray(self.student.classes_)
        reader = self._read_teacher(classes)
        self._check_reference(y, teacher_output, reader)
        n = n_rows(X)
        self._check_enough(n // 2 if self.gate is not None else n)
        own = self._labels_to_keep(X, y, teacher_output, reader, classes)
        if (own == own[0]).all():
            raise ValueError(
                f"All calibration rows are of the class {classes[own[0]]!r}, which says nothing "
                "of the others. Take a random sample of all requests."
            )
        proba = _proba_of(self.student, X)
        chosen = proba.argmax(axis=1)
        losses = chosen != own
        novelty, gate = self._fit_novelty(X), None
        sure, kept = proba.max(axis=1), np.arange(n)
        if self.gate is not None:
            gate, kept = self._fit_gate(X, losses)
            sure = _probability_of_no_loss(gate, X)
        rare = np.bincount(chosen, minlength=len(classes)) < self.min_class_rows
        # See the notes: over all requests the rules beside the threshold only lower the risk.
        tested = kept if self.over == "all" else kept[~rare[chosen[kept]]]
        choice = choose_threshold(
            sure[tested],
            losses[tested],
            target=self.target,
            confidence=self.confidence,
            over=self.over,
        )
        if choice is None:
            raise ValueError(self._cannot_be_kept(sure[tested], losses[tested]))
        fitted = {
            "classes_": classes,
            "threshold_": choice.threshold,
            "risk_bound_": choice.bound,
            "n_calibration_": len(kept),
            "rare_classes_": classes[rare],
            "novelty_": novelty,
            "gate_": gate,
            "student_": self.student,
            "teacher_": None if reader is None else reader.teacher,
            "_rare": rare,
        }
        answered = (sure[kept] >= choice.threshold) & ~rare[chosen[kept]]
        n_answered, n_losses = int(answered.sum()), int((answered & losses[kept]).sum())
        counted_over = len(kept) if self.over == "all" else max(n_answered, 1)
        fitted |= {
            "n_losses_": n_losses,
            "risk_": n_losses / counted_over,
            "deferral_rate_": 1 - n_answered / len(kept),
            "deferral_interval_": interval(len(kept) - n_answered, len(kept), self.confidence),
        }
        if self.max_deferral is not None and fitted["deferral_rate_"] > self.max_deferral:
            raise ValueError(self._too_many_deferred(fitted, sure[tested], losses[tested]))
        if n_answered == 0:
            warnings.warn(
                f"{name_of(self)} defers every row: the student {name_of(self.student)} is never "
                f"sure enough for a target of {self.target:g}. Promise less, or teach it better.",
                UserWarning,
                stacklevel=3,
            )
        vars(self).update(fitted)
        return self

    @property
    def promise_(self):
        """What is promised, by what, and what it costs, in a sentence."""
        check_is_fitted(self)
        requests = "all requests" if self.over == "all" else "the requests that are answered here"
        what = "get another answer than the teacher's"
        if self.risk == "error":
            what = "are answered here and wrongly" if self.over == "all" else "are wrong"
        return (
            f"At most {100 * (1 - self.target):.3g} % of {requests} {what}, with "
            f"{self.confidence:.3g} confidence, by {self.n_calibration_:,} calibration rows with "
            f"{self.n_losses_:,} of them; {self.deferral_rate_:.1%} are deferred."
        )

    def predict(self, X, return_deferred=False):
        """Predict the class of each row: the student's choice, or the teacher's where it defers.

        Parameters
        ----------
        X : rows
        return_deferred : bool, default=False
            Whether to tell which rows were deferred, or would have been.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Without a teacher all answers are the student's.
        deferred : ndarray of bool, shape (n_samples,)
            Only with ``return_deferred=True``.
        """
        proba, deferred = self._answer(X)
        labels = self.classes_[proba.argmax(axis=1)]
        return (labels, deferred) if return_deferred else labels

    def predict_proba(self, X):
        """Return the probabilities of whoever answers.

        Parameters
        ----------
        X : rows

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        return self._answer(X)[0]

    def defer(self, X, return_reason=False):
        """Tell which rows the teacher has to answer.

        They, and what it answers, are what a student can learn most from: hand them to the next
        :meth:`DistillationClassifier.fit` as ``X_unlabeled=X[cascade.defer(X)]``.

        Parameters
        ----------
        X : rows
        return_reason : bool, default=False
            Whether to say why.

        Returns
        -------
        deferred : ndarray of bool, shape (n_samples,)
        reason : ndarray of str, shape (n_samples,)
            "unsure", "novel", "rare class", or nothing. Only with ``return_reason=True``.
        """
        check_is_fitted(self)
        reason, _ = self._decide(X)
        deferred = reason != ""
        return (deferred, reason) if return_reason else deferred

    def audit(self, X, y, after=None):
        """Test whether the promise still holds, by requests of which the right answer is known.

        Parameters
        ----------
        X : rows
            A random sample of the requests since, deferred or not, in the order in which they
            came.
        y : array-like of shape (n_samples,)
            The teacher's answers; for ``risk="error"`` the real labels.
        after : Audit, default=None
            An earlier audit, which this one continues.

        Returns
        -------
        Audit
            ``holds`` is False once the promise is broken.
        """
        check_is_fitted(self)
        check_consistent_length(X, y)
        if after is not None and after.limit != 1 - self.target:
            raise ValueError(
                f"The earlier audit is of a promise of {1 - after.limit:g}, and this is one of "
                f"{self.target:g}. Start anew: after=None."
            )
        y = column_or_1d(y)
        reason, proba = self._decide(X)
        answered = reason == ""
        losses = np.zeros(len(y), dtype=bool)
        losses[answered] = self.classes_[proba[answered].argmax(axis=1)] != y[answered]
        if self.over == "answered":
            losses = losses[answered]
        return audit(losses, limit=1 - self.target, confidence=self.confidence, after=after)

    def expected_cost(self, student, teacher):
        """Return what an answer costs on average.

        Parameters
        ----------
        student, teacher : float
            What one of theirs costs, in any unit: seconds, cents, joules.

        Returns
        -------
        float
            Without a gate the student is asked every time.
        """
        check_is_fitted(self)
        asked = 1.0 if self.gate_ is None else 1 - self.deferral_rate_
        return asked * student + self.deferral_rate_ * teacher

    def expected_latency(self, X):
        """Measure the models on single rows, and return the mean time of an answer, in seconds.

        Parameters
        ----------
        X : rows

        Returns
        -------
        dict of str to float
            "student" and "teacher", each the median for one row, and "cascade".
        """
        check_is_fitted(self)
        if self.teacher_ is None:
            raise ValueError("The teacher is not here to be measured. Use expected_cost.")
        teacher = TeacherReader.of(self.teacher_)
        asked = as_it_is(self.student_), as_it_is(teacher.classifier)
        found = measure(dict(zip(("student", "teacher"), asked, strict=True)), X, seconds=0.5)
        seconds = {name: footprint.latency.p50 for name, footprint in found.items()}
        return seconds | {"cascade": self.expected_cost(**seconds)}

    def standalone(self):
        """Return the cascade without its teacher, for where there is no connection.

        It answers everything by the student, without its own teacher too, and tells what it would
        have deferred.

        Returns
        -------
        CascadeClassifier
        """
        check_is_fitted(self)
        alone = copy.copy(self)
        alone.student = alone.student_ = standalone_of(self.student_)
        alone.teacher = alone.teacher_ = None
        return alone

    # -- how ------------------------------------------------------------------------

    def _check_student(self):
        for name in ("student", "teacher"):
            if isinstance(getattr(self, name), type):
                given = getattr(self, name).__name__
                raise TypeError(f"{name}={given} is a class. Pass a fitted {given}(...).")
        if not is_fitted(self.student):
            raise NotFittedError(
                f"The student {name_of(self.student)} is not fitted. {name_of(self)} calibrates "
                "fitted models: fit both first."
            )

    def _check_enough(self, n):
        """Raise ValueError if so many rows cannot carry the promise, whatever they are."""
        needed = rows_to_begin(self.target, self.confidence, self.over)
        if n < needed:
            halves = " (a gate takes the other half)" if self.gate is not None else ""
            level = level_of_each(self.confidence, self.over)
            affordable = np.floor(1000 * (1 - upper_bound(0, n, level))) / 1000
            raise ValueError(
                f"A promise of {self.target:g} at confidence {self.confidence:g} costs {needed:,} "
                f"calibration rows even if none is a loss, and there are {n:,}{halves}. Collect "
                f"more, or promise less: target={affordable:.3f}."
            )

    def _read_teacher(self, classes):
        if self.teacher is None:
            return None
        reader = TeacherReader.of(self.teacher)
        if not reader.fitted:
            raise NotFittedError(
                f"The teacher {reader.name} is not fitted. {name_of(self)} calibrates fitted "
                "models: fit both first."
            )
        known = reader.known_classes(classes)
        if set(known.tolist()) != set(classes.tolist()):
            raise ValueError(
                f"Student and teacher must know the same classes. The student knows "
                f"{classes.tolist()}, the teacher {known.tolist()}."
            )
        return reader

    def _check_reference(self, y, teacher_output, reader):
        if self.risk == "error" and y is None:
            raise ValueError(
                "risk='error' is a promise about real labels: pass y, or risk='disagreement'."
            )
        if self.risk == "disagreement" and reader is None and teacher_output is None:
            raise ValueError(
                "risk='disagreement' is a promise about the teacher's answers, and there is no "
                "teacher. Pass one, or fit(X, teacher_output=P), or risk='error'."
            )

    def _labels_to_keep(self, X, y, teacher_output, reader, classes):
        """Return the position of the class that would be no loss, in each row."""
        if self.risk == "error":
            check_consistent_length(X, y)
            y = column_or_1d(y)
            strange = np.setdiff1d(y, classes)
            if len(strange):
                raise ValueError(
                    f"y has classes that the student does not know: {strange.tolist()}. It knows "
                    f"{classes.tolist()}."
                )
            return np.searchsorted(classes, y)
        if teacher_output is not None:
            return read_output(teacher_output, X, classes).argmax(axis=1)
        return self._ask(reader, X, classes).argmax(axis=1)

    def _ask(self, reader, X, classes):
        return label_rows(reader, X, None, classes, n_jobs=self.n_jobs, quiet=True)

    def _fit_novelty(self, X):
        novelty = self.novelty
        if novelty == "auto":
            novelty = "range" if is_table(X) else None
        if novelty is None:
            return None
        return (RangeDetector() if novelty == "range" else clone(novelty)).fit(X)

    def _fit_gate(self, X, losses):
        """Return the gate, fitted on a half of the rows, and the positions of the other half."""
        if losses.sum() < 4:
            raise ValueError(
                f"A gate learns to tell the student's losses, and there are {losses.sum()} among "
                "the calibration rows. Leave it out."
            )
        one, other = train_test_split(
            np.arange(len(losses)),
            test_size=0.5,
            stratify=losses,
            random_state=own_rng(self.random_state),
        )
        gate = clone(self.gate).fit(take_rows(indexable_rows(X), one), losses[one])
        return gate, np.sort(other)

    def _decide(self, X):
        """Return why each row is deferred, and the student's probabilities where it was asked."""
        reason = np.full(n_rows(X), "", dtype="<U10")
        proba = np.full((len(reason), len(self.classes_)), np.nan)
        if self.gate_ is not None:
            reason[_probability_of_no_loss(self.gate_, X) < self.threshold_] = UNSURE
        if self.novelty_ is not None:
            reason[self.novelty_.predict(X) < 0] = NOVEL
        # After a gate the student is not asked in vain, unless there is nobody else to answer.
        asked = np.flatnonzero(reason == "")
        if self.gate_ is None or self.teacher_ is None:
            asked = np.arange(len(reason))
        if len(asked):
            rows = X if len(asked) == len(reason) else take_rows(indexable_rows(X), asked)
            proba[asked] = _proba_of(self.student_, rows)
        open_ = np.flatnonzero((reason == "") & ~np.isnan(proba[:, 0]))
        reason[open_[self._rare[proba[open_].argmax(axis=1)]]] = RARE
        if self.gate_ is None:
            reason[open_[proba[open_].max(axis=1) < self.threshold_]] = UNSURE
        return reason, proba

    def _answer(self, X):
        check_is_fitted(self)
        reason, proba = self._decide(X)
        deferred = reason != ""
        if deferred.any() and self.teacher_ is not None:
            rows = take_rows(indexable_rows(X), np.flatnonzero(deferred))
            reader = TeacherReader.of(self.teacher_)
            proba[deferred] = np.exp(self._ask(reader, rows, self.classes_))
        return proba, deferred

    def _cannot_be_kept(self, sure, losses):
        best = min(
            (upper_bound(k, m, level_of_each(self.confidence, self.over)), m)
            for m, k in (count(sure, losses, threshold) for threshold in THRESHOLDS)
        )
        return (
            f"No threshold keeps the promise: of the requests that are answered, at most "
            f"{1 - self.target:.3g} may be losses. The best bound is {best[0]:.3g}, of "
            f"{best[1]:,} answered rows. Promise less, over='all', or teach the student better."
        )

    def _too_many_deferred(self, fitted, sure, losses):
        allowed = [
            (m, k)
            for m, k in (count(sure, losses, threshold) for threshold in THRESHOLDS)
            if 1 - m / len(sure) <= self.max_deferral
        ]
        hint = ""
        if allowed:
            m, k = allowed[0]
            level = level_of_each(self.confidence, self.over)
            bound = upper_bound(k, len(sure) if self.over == "all" else m, level)
            hint = f" With that many a target of about {1 - bound:.3f} could be kept."
        return (
            f"The promise of {self.target:g} needs {fitted['deferral_rate_']:.1%} of the rows to "
            f"be deferred, and max_deferral is {self.max_deferral:.1%}.{hint}"
        )

    # -- scikit-learn's contract ----------------------------------------------------

    @property
    def n_features_in_(self):
        """Number of features, if the student counts them."""
        return self.student.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features, if the student keeps them."""
        return self.student.feature_names_in_

    def __sklearn_is_fitted__(self):
        return "threshold_" in vars(self)

    def __sklearn_clone__(self):
        """Clone everything but the two models, which are fitted and carried over."""
        return clone_with(self, student=self.student, teacher=self.teacher)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = tags_of(self.student).input_tags
        return tags


def _proba_of(student, X):
    """Return the student's probabilities, looked at."""
    proba = np.asarray(student.predict_proba(X), dtype=np.float64)
    expected = (n_rows(X), len(student.classes_))
    if proba.shape != expected or not np.isfinite(proba).all():
        raise ValueError(
            f"The student {name_of(student)} must return finite probabilities of shape "
            f"{expected}. Got shape {proba.shape}, with {np.sum(~np.isfinite(proba))} values that "
            "are not finite."
        )
    return proba


def _probability_of_no_loss(gate, X):
    proba = np.asarray(gate.predict_proba(X))
    return proba[:, list(gate.classes_).index(False)]
