"""DistillationRegressor."""

import warnings

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from sklearn_distill._base import BaseDistillation, Informed
from sklearn_distill._distilled import DecodedRegressor, DistilledRegressor
from sklearn_distill.labelling import out_of_fold
from sklearn_distill.rules import (
    LEAST_NOISE,
    RULES_OF_VALUES,
    asks_for_losses,
    compare_rows,
    settle,
)
from sklearn_distill.strategies import (
    STRATEGIES_OF_VALUES,
    loss_of,
    select_strategy_of_values,
)
from sklearn_distill.targets import RegressionTargets
from sklearn_distill.teachers import (
    ValueReader,
    as_teacher,
    as_values,
    check_gives_values,
    check_real_values,
)
from sklearn_distill.trust import precision
from sklearn_distill.utils._sklearn_private import HasMethods, StrOptions
from sklearn_distill.utils.dispatch import is_of_kind, name_of, tags_of
from sklearn_distill.utils.pipelines import last_step
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import n_rows

#: Losses of values that are not negative, and of such that are positive.
_OF_COUNTS = {"poisson", "count:poisson", "Poisson", "tweedie", "reg:tweedie", "Tweedie"}
_OF_POSITIVE = {"gamma", "reg:gamma"}


class DistillationRegressor(DecodedRegressor, BaseDistillation):
    """Teach a small student regressor with the values of a strong teacher.

    What is to be learned of a row is a loss of two values, the real one y and the teacher's t:

    .. math:: \\sum_i w_i \\left[(1 - \\alpha) \\, L(y_i, f(x_i))
        + \\alpha \\, L(t_i, f(x_i))\\right]

    with whatever loss L the student has. For squared error this is exactly the loss of the blend
    (1 - alpha) y + alpha t, and so it is for Poisson, gamma and Tweedie deviance. For absolute
    error, quantiles and Huber's loss it is not: there each row is given to the student twice, with
    weights 1 - alpha and alpha. A temperature has no place here.

    What a teacher can do for a regressor is to take the noise out of its targets [1]_: it gains
    where the student's own variance costs more than the teacher's bias. Its values of the training
    rows should therefore come out-of-fold; one that was fitted on them repeats the noise.

    Parameters
    ----------
    teacher : estimator, torch module, booster, list of (str, estimator) or None
        A regressor; fitted or not, as in :class:`DistillationClassifier`. A list is a
        :class:`TeacherEnsemble`. None: pass its values as ``fit(..., teacher_output=t)``.
    student : estimator, torch module or None, default=None
        Cloned and fitted inside ``fit``: a regressor, also of XGBoost, LightGBM or CatBoost, a
        torch module with one output per value, skorch's ``NeuralNetRegressor``, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one. None takes a compact network with
        preprocessing of its own.
    alpha : float in [0, 1] or "auto", default="auto"
        Weight of the teacher on the labelled rows. 1 ignores the real values. 0 ignores the
        teacher there, and without further rows it is not even called: the student is fitted as
        without us, the twin to compare with. "auto" follows rules by the kind of student, and
        keeps the real values unless an out-of-fold teacher is clearly closer to them than the
        student alone and, but for trees, still leaves a fifth of their variance unexplained,
        since noise is what it takes out; ``alpha_`` is what it came to, ``reason_`` says why.
    strategy : {"auto", "gradient", "blended-values", "stacked-values"} or Strategy, \
default="auto"
        How the student is taught: :class:`GradientRegression`, :class:`BlendedValues` or
        :class:`StackedValues`. "auto" looks at the student and its loss.
    cv : int, splitter, iterable of splits, "out-of-bag", "in-sample" or None, default=None
        How the training rows are labelled by a teacher that has not seen them, as in
        :class:`DistillationClassifier`; a number is of shuffled folds. A forest or bagging that is
        fitted on these very rows gives its out-of-bag values.
    augmenter : Augmenter, callable or None, default=None
        Makes new rows, which the teacher labels.
    unlabeled_weight : float or None, default=None
        What the rows without a label weigh at most, all together, as a multiple of the labelled
        ones. None lets each of them weigh as much as the mean labelled row.
    trust : {"std"}, callable or None, default=None
        How far the teacher is believed of each row, as a factor of ``alpha``. "std" asks it for
        the standard deviation s of its values and weighs it by the noise of the real values
        against that, σ² / (σ² + s²): of Gaussian processes and Bayesian linear models it is their
        own, of forests the spread of their trees. A callable is a function of (teacher's values,
        real values), both of shape (n_samples, n_outputs), that returns one weight from 0 to 1 for
        each row.
    student_columns : list of str or int, mask, slice, callable or None, default=None
        The columns that the student sees; teacher and ``fit`` see all. None is all.
    memory : str, joblib.Memory or None, default=None
        Caches the teacher's fits and values.
    n_jobs : int or None, default=None
        Parallel fits of the teacher, and parallel labelling of chunks of rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds. None gives the same folds at every call.
    verbose : int, default=0
        Whether to print the stages and a progress bar.

    Attributes
    ----------
    student_ : estimator
        The fitted student.
    decoder_ : Decoder
        How the output of ``student_`` is read.
    teacher_ : estimator or None
        The teacher itself if it came fitted; else a clone fitted on all rows. None if there was
        none, or if ``alpha=0`` left it unfitted.
    label_source_ : {"out-of-fold", "out-of-bag", "in-sample", "fitted", "given"} or None
        How the teacher came to know the training rows. None if nobody asked it.
    strategy_ : Strategy
        What taught the student.
    alpha_ : float
        What was settled for, where "auto" left it open.
    reason_ : str
        Why, in a sentence.
    student_columns_ : Columns or None
        The columns that ``student_`` takes. None if it is all.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistillationClassifier : For classes.
    TeacherEnsemble : Several teachers.

    Notes
    -----
    Counts over an exposure are taught as rates: y is the count divided by the exposure, and the
    exposure is ``sample_weight``, for a student such as
    :class:`~sklearn.linear_model.PoissonRegressor`. What the teacher says below the least value
    that such a student can learn is lifted to it, with a warning.

    References
    ----------
    .. [1] G. Chen, W. Choi, X. Yu, T. Han, M. Chandraker, "Learning Efficient Object Detection
       Models with Knowledge Distillation", NeurIPS 2017, of regression with a teacher.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sklearn_distill import DistillationRegressor
    >>> X, y = make_friedman1(2000, noise=2, random_state=0)
    >>> teacher = ExtraTreesRegressor(random_state=0)
    >>> student = DecisionTreeRegressor(max_leaf_nodes=64, random_state=0)
    >>> model = DistillationRegressor(teacher, student).fit(X[:1000], y[:1000])
    >>> twin = DistillationRegressor(teacher, student, alpha=0).fit(X[:1000], y[:1000])
    >>> for m in (model, twin):
    ...     print(f"{m.score(X[1000:], y[1000:]):.2f}")
    0.60
    0.54
    """

    _kind, _answers, _rules = "regressor", "values", RULES_OF_VALUES

    _parameter_constraints: dict = {
        **BaseDistillation._parameter_constraints,
        "strategy": [
            StrOptions({"auto", *STRATEGIES_OF_VALUES}),
            HasMethods(["objection", "teach"]),
        ],
        "trust": [StrOptions({"std"}), callable, None],
    }

    def __init__(
        self,
        teacher,
        student=None,
        *,
        alpha="auto",
        strategy="auto",
        cv=None,
        augmenter=None,
        unlabeled_weight=None,
        trust=None,
        student_columns=None,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.alpha = alpha
        self.strategy = strategy
        self.cv = cv
        self.augmenter = augmenter
        self.unlabeled_weight = unlabeled_weight
        self.trust = trust
        self.student_columns = student_columns
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _check_y(self, y):
        y = check_real_values(y)
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _encode(self, y, sample_weight):
        loss = loss_of(self.student)
        least = _least_value(self.student, loss)
        if least is not None:
            strict, _ = least
            if (y <= 0 if strict else y < 0).any():
                raise ValueError(
                    f"{name_of(last_step(self.student))} learns values that are "
                    f"{'positive' if strict else 'not negative'} (its loss is {loss or 'of them'})"
                    f", and y has {np.sum(y <= 0 if strict else y < 0)} others. Drop these rows, "
                    "or use a student with squared error."
                )
        return np.arange(1 if y.ndim == 1 else y.shape[1]), y

    def _reader(self):
        teacher = as_teacher(self.teacher)
        check_gives_values(teacher)
        reader = ValueReader.of(teacher)
        return ValueReader(teacher, reader.fitted, with_std=self.trust == "std")

    def _select_strategy(self, student, asks_teacher):
        return select_strategy_of_values(self.strategy, student)

    def _read_output(self, teacher_output, X, classes):
        if self.trust == "std":
            raise ValueError(
                "trust='std' needs the teacher itself, and there is its output only. Pass a "
                "function of (teacher's values, real values) as trust, or leave it out."
            )
        return as_values(teacher_output, n_rows(X), len(classes), "teacher_output has")

    def _probabilities(self, answers):
        return None

    def _settle(self, X, y, labels, said, X_unlabeled, fit_params):
        alpha, losses = self._known_alpha(X_unlabeled), None
        if X_unlabeled is not None:
            rows = "extended"
        else:
            rows = "seen" if said.source in ("in-sample", "fitted", "given") else "unseen"
        if alpha == "auto" and asks_for_losses(self.student, rows, RULES_OF_VALUES):
            losses = self._losses(X, y, said, fit_params)
        settings = settle(self.student, rows, 1.0, self.alpha, losses, RULES_OF_VALUES)
        self._warn_of_labels_alone(settings, X_unlabeled)
        return settings

    def _losses(self, X, y, said, fit_params):
        """Compare teacher and student alone, by squared error as a share of the variance."""
        values, _ = self._values_and_std(said, y)
        twin = type(self)(
            **self.get_params(deep=False)
            | {"teacher": None, "alpha": 0.0, "augmenter": None, "trust": None, "verbose": 0}
        )
        with stage("what the student knows without a teacher", self.verbose):
            reader, columns = ValueReader(twin, fitted=True), np.arange(values.shape[1])
            own = out_of_fold(reader, X, y, columns, self._fold_seed(), fit_params)
        y = y.reshape(len(y), -1)
        scale = np.maximum(y.var(axis=0), np.finfo(float).tiny)
        of_teacher, of_student = (
            ((answers[: len(y)] - y) ** 2 / scale).mean(axis=1) for answers in (values, own)
        )
        weight = fit_params["sample_weight"]
        losses = compare_rows(of_teacher, of_student, weight, "squared error (variance 1)")
        return losses._replace(least=LEAST_NOISE)

    def _values_and_std(self, said, y):
        """Return what the teacher said of all rows, and its deviations or None."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        answers = said.log_proba
        return answers[:, :n_outputs], answers[:, n_outputs:] if self.trust == "std" else None

    def _as_taught(self, log_proba, labels, said, sample_weight):
        n_outputs = 1 if labels.ndim == 1 else labels.shape[1]
        return self._lifted(log_proba[:, :n_outputs], labels)

    def _lifted(self, values, y):
        """Return the teacher's values, none below the least that the student can learn."""
        least = _least_value(self.student, loss_of(self.student))
        if least is None:
            return values
        strict, low = least
        low = y.min() if strict else low
        below = (values < low).any(axis=1)
        if below.any():
            warnings.warn(
                f"The teacher gave {below.sum()} of {len(values)} rows values below {low:g}, the "
                f"least that {name_of(last_step(self.student))} can learn. They are lifted to "
                "it. Better: a teacher of such values, with a Poisson or gamma loss.",
                UserWarning,
                stacklevel=5,
            )
        return np.maximum(values, low)

    def _make_targets(self, X, y, classes, labels, said, settings, sample_weight):
        alpha, taught = settings.alpha, None
        if said.log_proba is not None:
            values, std = self._values_and_std(said, y)
            if self.trust is not None and alpha != 0:
                real = y.reshape(len(y), -1).astype(np.float64)
                own = slice(len(y))
                if std is not None:
                    alpha = alpha * precision(values[own], std[own], real, sample_weight)
                else:
                    alpha = alpha * self._trusted(values[own], real)
            taught = self._lifted(values, y)
        return RegressionTargets.from_alpha(
            labels, taught, alpha, sample_weight, self.unlabeled_weight
        )

    def _trusted(self, values, y):
        known = ~np.isnan(values).any(axis=1)
        weights = np.zeros(len(y))
        got = np.asarray(self.trust(values[known], y[known]), dtype=np.float64)
        if got.shape != (known.sum(),) or not ((got >= 0) & (got <= 1)).all():
            raise ValueError(
                f"trust must return one weight from 0 to 1 for each of {known.sum()} rows. Got "
                f"an array of shape {got.shape}."
            )
        weights[known] = got
        return weights

    def _fitted(self, classes, settings):
        return {"alpha_": settings.alpha, "reason_": settings.reason}

    def standalone(self):
        """Return the student as a regressor of its own: to be saved, shipped and exported.

        Returns
        -------
        regressor : DistilledRegressor
            Fitted. It gives the same predictions, and holds neither the teacher nor any training
            rows (unless the student itself keeps them, as nearest neighbours do).
        """
        check_is_fitted(self)
        return DistilledRegressor(self.decoder_.lean(self.student_), self.decoder_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        parts = [tags_of(part) for part in self._parts()]
        tags.target_tags.multi_output = all(part.target_tags.multi_output for part in parts)
        tags.target_tags.positive_only = parts[0].target_tags.positive_only
        known = [part.regressor_tags for part in parts if part.regressor_tags is not None]
        tags.regressor_tags.poor_score = any(part.poor_score for part in known)
        return tags


class InformedRegressor(Informed, DistillationRegressor):
    """A distillation of values whose teacher has spoken."""


def _least_value(student, loss):
    """Return whether values must be positive, and the least one; None if they may be anything."""
    bare = last_step(student)
    if loss in _OF_POSITIVE:
        return True, 0.0
    if loss in _OF_COUNTS:
        return False, 0.0
    if is_of_kind(bare, "regressor") and tags_of(bare).target_tags.positive_only:
        return type(bare).__name__ == "GammaRegressor", 0.0
    return None
