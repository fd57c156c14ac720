"""DistillationClassifier."""

import warnings
from numbers import Real

import numpy as np
from scipy.special import log_softmax
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, check_memory

from sklearn_distill._base import BaseDistillation, Informed
from sklearn_distill._distilled import DecodedClassifier, DistilledClassifier
from sklearn_distill._streaming import LearnsFromBatches
from sklearn_distill.calibration import calibrating_factor
from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.doubts import knows_by_heart, warn_if_contradicting
from sklearn_distill.labelling import Labels, label_rows, out_of_fold
from sklearn_distill.rules import RULES, asks_for_losses, compare, kind_of, settle
from sklearn_distill.strategies import (
    HardLabels,
    check_before_teaching,
    counted_class_weight,
    select_strategy,
)
from sklearn_distill.targets import SoftTargets
from sklearn_distill.teachers import TeacherReader, read_output
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.trust import TRUST, orthogonal, trust_in_rows, weighted_soft_labels
from sklearn_distill.utils._sklearn_private import Interval, StrOptions
from sklearn_distill.utils.dispatch import is_network, is_of_kind, name_of, tags_of
from sklearn_distill.utils.pipelines import last_step
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import n_rows


class DistillationClassifier(LearnsFromBatches, DecodedClassifier, BaseDistillation):
    """Teach a small student classifier with the soft labels of a strong teacher.

    What is to be learned of a row is the *blend* of its real label and the teacher's opinion,

    .. math:: m_i = (1 - \\alpha) \\, \\mathrm{onehot}(y_i) + \\alpha \\, p_i^{teacher}.

    A temperature T above 1 draws the attention of a small student to the order among the unlikely
    classes [1]_. There are two ways, and the kind of student decides:

    - A student that is trained through its own logits z, a network or a booster of XGBoost or
      LightGBM, minimises Hinton's loss, with the temperature inside,

      .. math:: (1 - \\alpha) \\, \\mathrm{CE}(y, \\operatorname{softmax}(z))
          + \\alpha \\, T^2 \\, \\mathrm{KL}(p_T \\,\\|\\, \\operatorname{softmax}(z / T)).

    - Every other student learns the *tempered* blend, :math:`m_{T,i} \\propto m_i^{1/T}`, as
      weights of labels, as log-odds or as drawn labels, and ``predict_proba`` undoes the
      tempering: it raises the student's probabilities to a power and renormalises. The power is T
      for a student that follows its targets. It is fitted on the training rows, between 1 and T,
      since hard labels have nothing that tempering could soften, and nothing to undo.

    Parameters
    ----------
    teacher : estimator, torch module, booster or None
        - *Fitted*: used as it is. It is never refitted, copied or changed, and
          ``clone`` carries it over by reference. Anything without ``fit`` that answers
          ``predict_proba`` counts as fitted.
        - *Not fitted*: cloned and fitted inside ``fit``; its labels for the
          training rows come out-of-fold, see ``cv``.
        - None: pass its probabilities as ``fit(..., teacher_output=P)``.

        It is read through its logits where it has them (``decision_function``, margins of a
        booster, outputs of a module), else ``predict_log_proba``, else ``predict_proba``. Without
        any of these, decision values that are no logits, or predictions, are read with a warning.
    student : estimator, torch module or None, default=None
        Cloned and fitted inside ``fit``. A classifier, a regressor, a torch module or a skorch
        net, or a :class:`~sklearn.pipeline.Pipeline` that ends in one; its transformers are
        fitted on the real rows. None takes a compact network with preprocessing of its own for
        numeric, categorical and missing values.
    temperature : float in (0, inf) or "auto", default="auto"
        Softness of the targets. 1 leaves them as they are. "auto" follows the rules below.
    alpha : float in [0, 1] or "auto", default="auto"
        Weight of the teacher on the labelled rows. 1 ignores the real labels. 0 ignores the
        teacher there: without further rows (``X_unlabeled``, ``augmenter``) it is not even called,
        and the same student is trained on the labels, the twin to compare with; with them, real
        rows have their real labels and the others the teacher's. "auto" follows the rules below;
        ``alpha_`` is what it came to, and ``reason_`` says why.
    strategy : {"auto", "gradient", "soft-boosting", "weighted-labels", "target-regression", \
"sampled-labels"} or Strategy, default="auto"
        How the student is taught: :class:`GradientTraining`, :class:`SoftBoosting`,
        :class:`WeightedLabels`, :class:`TargetRegression`, :class:`SampledLabels`, by name or as
        an instance with settings; losses and hints for networks are settings of
        :class:`GradientTraining`. "auto" takes the first that can teach the student.
    cv : int, splitter, iterable of splits, "out-of-bag", "in-sample" or None, default=None
        How the training rows are labelled by a teacher that has not seen them.

        - None: a teacher that is not fitted labels them out-of-fold, in 5 stratified folds that
          are shuffled with ``random_state``. A fitted one is taken as it is; if it is a forest or
          bagging and these are provably its own training rows, its out-of-bag votes are.
        - An int is so many such folds. A splitter by groups takes ``fit(..., groups=groups)``. Of
          splits that go forward in time (:class:`~sklearn.model_selection.TimeSeriesSplit`), rows
          that no split holds out are learned from y alone. A fitted teacher stays as it is: clones
          of it are fitted for the folds.
        - "out-of-bag": each row is labelled by the members of a forest or bagging that did not
          see it: one fit, or none, instead of one for each fold.
        - "in-sample": the teacher labels the rows that it was fitted on.
    augmenter : Augmenter, over-sampler, callable or None, default=None
        Makes new rows, which the teacher labels: one of :mod:`sklearn_distill.augmentation`, an
        over-sampler of imbalanced-learn, or a function of (X, y, random_state).
    unlabeled_weight : float or None, default=None
        What the rows without a label weigh at most, all together, as a multiple of the labelled
        ones. None lets each of them weigh as much as the mean labelled row.
    trust : {"correct", "confidence", "weighted-soft-labels", "orthogonal"}, callable or None, \
default=None
        How far the teacher is believed of each row, as a factor of ``alpha``: where its first
        choice is the real label; by the probability of that choice; where a student on labels
        has more to learn than the teacher (which costs five fits of the student); or a function
        of (probabilities, positions of the labels) that returns one weight from 0 to 1 for each
        row. "orthogonal" corrects the teacher by the real labels instead.
    calibrate : bool, default=False
        Whether the teacher's probabilities are first sharpened or softened by one factor of their
        logarithms, found on the real labels of rows that it has not seen.
    probability_floor : float in (0, 1), default=2e-4
        Divided by the number of classes, the smallest probability that a teacher which counts
        votes is believed to mean. Forests, trees and neighbours give exact zeros, whose logarithm
        no temperature can soften. Teachers that give no zero are taken at their word.
    student_columns : list of str or int, mask, slice, callable or None, default=None
        The columns that the student sees. Teacher and ``fit`` see all of them, the *privileged*
        ones that will not be there when the student predicts included [3]_: the server knows the
        account's history, and the phone does not. ``predict`` takes rows with these columns alone,
        or with all. A callable is a function of X, as
        :class:`~sklearn.compose.make_column_selector`. None is all.
    memory : str, joblib.Memory or None, default=None
        Caches the teacher's fits and labels, so that a search over ``temperature``, ``alpha`` or
        ``student__...`` calls the teacher once per fold. The key is what teacher and rows hold.
    n_jobs : int or None, default=None
        Parallel fits of the teacher, and parallel labelling of chunks of rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and drawn labels. None gives the same folds at every call. Teacher and
        student have seeds of their own.
    verbose : int, default=0
        Whether to print the stages and a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes found in y, sorted.
    student_ : estimator
        The fitted student, without class weights of its own. It may predict *tempered*
        probabilities: to use it without the rest, take :meth:`standalone`.
    decoder_ : Decoder
        How the output of ``student_`` becomes labels and probabilities at temperature 1.
    teacher_ : estimator or None
        The teacher itself if it came fitted; else a clone fitted on all rows. None if there was
        none, or if ``alpha=0`` left it unfitted.
    label_source_ : {"out-of-fold", "out-of-bag", "in-sample", "fitted", "given", "stored"} or None
        How the teacher came to know the training rows: "fitted" is one that was fitted elsewhere,
        maybe on these very rows, "given" is ``teacher_output``, "stored" a transfer set on disk.
        None if nobody asked it.
    strategy_ : Strategy
        What taught the student (for a classifier with ``alpha=0``, one that only fits it).
    student_columns_ : Columns or None
        The columns that ``student_`` takes: their ``names`` and ``positions``. None if it is all.
    temperature_, alpha_ : float
        What was settled for, where "auto" left it open.
    reason_ : str
        Why these, in a sentence.
    n_batches_ : int
        Calls of ``partial_fit``. Only after these.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistilledClassifier : What :meth:`standalone` returns.
    GradientTraining : Teaches networks.
    SoftBoosting : Teaches boosters.
    WeightedLabels : Teaches classifiers that take ``sample_weight``.
    TargetRegression : Teaches regressors.
    SampledLabels : Teaches other classifiers.

    Notes
    -----
    Class weights of the student (``class_weight``, ``scale_pos_weight``) turn the blend m into
    c m, before it is tempered, and are then taken off the student: they mean the same at every
    temperature.

    For a student that cannot tell apart rows with different targets the un-tempered probability
    is a power mean of the targets, not their arithmetic mean; at T=1, or where the student fits
    its targets closely, it is calibrated as the blend is.

    The power is fitted on the rows that the student was taught: one that reproduces them to the
    last bit is taken to follow its targets, whatever it does elsewhere. With a small ``alpha``, a
    high temperature and a student that memorises, predictions come out too sharp; take an alpha
    of a half or more, or T=1.

    In a parameter grid over ``teacher`` wrap fitted teachers in
    :class:`~sklearn.frozen.FrozenEstimator`: scikit-learn clones the values of a grid.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.
    .. [2] C. Bucilă, R. Caruana, A. Niculescu-Mizil, "Model Compression", KDD 2006,
       :doi:`10.1145/1150402.1150464`.
    .. [3] D. Lopez-Paz, L. Bottou, B. Schölkopf, V. Vapnik, "Unifying Distillation and Privileged
       Information", ICLR 2016, `arXiv:1511.03643 <https://arxiv.org/abs/1511.03643>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> from sklearn.metrics import log_loss
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> teacher = ExtraTreesClassifier(random_state=0)
    >>> student = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
    >>> model = DistillationClassifier(teacher, student).fit(X_train, y_train)
    >>> twin = DistillationClassifier(teacher, student, alpha=0).fit(X_train, y_train)
    >>> for m in (model, twin):
    ...     print(f"{log_loss(y_test, m.predict_proba(X_test)):.1f}")
    0.8
    3.8
    """

    _kind, _answers, _rules = "classifier", "probabilities", RULES

    _parameter_constraints: dict = {
        **BaseDistillation._parameter_constraints,
        "temperature": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "trust": [StrOptions({*TRUST, "weighted-soft-labels", "orthogonal"}), callable, None],
        "calibrate": ["boolean"],
        "probability_floor": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        teacher,
        student=None,
        *,
        temperature="auto",
        alpha="auto",
        strategy="auto",
        cv=None,
        augmenter=None,
        unlabeled_weight=None,
        trust=None,
        calibrate=False,
        probability_floor=2e-4,
        student_columns=None,
        memory=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.student = student
        self.temperature = temperature
        self.alpha = alpha
        self.strategy = strategy
        self.cv = cv
        self.augmenter = augmenter
        self.unlabeled_weight = unlabeled_weight
        self.trust = trust
        self.calibrate = calibrate
        self.probability_floor = probability_floor
        self.student_columns = student_columns
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _check_y(self, y):
        if np.ma.getmask(y).any():
            raise ValueError("Input y contains masked labels. Drop these rows, or label them.")
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "O" and any(map(_is_missing, y)):
            raise ValueError("Input y contains NaN. Drop these rows, or label them.")
        assert_all_finite(y, input_name="y")
        if y.dtype.kind == "O" and all(isinstance(label, bool | np.bool_) for label in y):
            y = y.astype(bool)  # a column of a data frame that once had missing values
        if y.dtype.kind == "O":
            _check_sortable(y)
        if type_of_target(y, input_name="y") == "continuous":
            raise ValueError(
                f"Unknown label type: continuous. y has numbers that are not whole, and "
                f"{name_of(self)} needs classes: round them if they are labels, else bin them "
                "(numpy.digitize)."
            )
        check_classification_targets(y)
        return y

    def _encode(self, y, sample_weight):
        classes, labels = np.unique(y, return_inverse=True)
        present = classes if sample_weight is None else np.unique(y[sample_weight > 0])
        if len(present) < 2:
            raise ValueError(
                f"{name_of(self)} needs rows of at least two classes with positive weight. "
                f"Got one class: {present.tolist()}. Collect rows of another class."
            )
        if classes.dtype.kind in "if" and {-1, 0} <= set(classes.tolist()):
            warnings.warn(
                "y has the class -1 beside 0, and it is learned as any other. If it marks rows "
                "without a label, as in sklearn.semi_supervised, pass these rows as X_unlabeled "
                "instead.",
                UserWarning,
                stacklevel=4,
            )
        return classes, labels

    def _fit_without_labels(self, X, sample_weight, X_unlabeled, teacher_output, fit_params):
        """Learn what a fitted teacher says of rows of which nobody knows more."""
        reader = None if self.teacher is None else self._reader()
        known = getattr(reader.classifier, "classes_", None) if reader is not None else None
        if known is None or not reader.fitted:
            super()._fit_without_labels(X, sample_weight, X_unlabeled, teacher_output, fit_params)
        needy = [f"{n}={v!r}" for n in ("trust", "calibrate") if (v := getattr(self, n))]
        if self.alpha not in ("auto", 1):
            needy.append(f"alpha={self.alpha}")
        if needy:
            raise ValueError(
                f"{name_of(self)} requires y to be passed, but the target y is None: "
                f"{' and '.join(needy)} would use real labels. Leave them out, or pass y."
            )
        sample_weight = self._check_rows(X, sample_weight, X_unlabeled)
        X_unlabeled = self._weighed(X_unlabeled)
        classes = np.unique(known)
        columns = self._columns_of_student(X)
        of_student = X if columns is None else columns.take(X)
        student = self._new_student(of_student, classes)
        strategy = self._choose_strategy(student, asks_teacher=True)
        fits = self._route(reader, None, fit_params)["student"]["fit"]
        check_before_teaching(strategy, student, fits)
        if counted := counted_class_weight(student):
            raise ValueError(
                f"{name_of(self)} requires y to be passed, but the target y is None: {counted} of "
                "the student counts labels. Pass weights, such as class_weight={0: 1, 1: 20}."
            )
        with stage("labels from the teacher", self.verbose):
            asking = {"n_jobs": self.n_jobs, "memory": check_memory(self.memory)}
            log_proba = label_rows(reader, X, X_unlabeled, classes, **asking)
        temperature = self.temperature
        if temperature == "auto":
            temperature = RULES[kind_of(self.student)].extended.temperature
        model = InformedClassifier._like(self, temperature=temperature, alpha=1.0)
        model.said, model.classes = Labels(reader, log_proba, "fitted"), classes
        stand_ins = classes[_likely_labels(log_proba[: n_rows(X)])]
        model.fit(X, stand_ins, sample_weight, X_unlabeled=X_unlabeled, **fit_params)
        vars(self).update({k: v for k, v in vars(model).items() if k.endswith("_")})
        self.reason_ = "There are no labels: the teacher alone is learned from."
        return self

    def _select_strategy(self, student, asks_teacher):
        bare = last_step(student)
        twin = not asks_teacher and is_of_kind(bare, "classifier") and not is_network(bare)
        return select_strategy(HardLabels() if twin else self.strategy, student)

    def _offers(self, method):
        """Tell whether the student, fitted or taught as it would be, can give ``method``."""
        if "decoder_" in vars(self):
            return self.decoder_.offers(self.student_, method)
        if self.student is None:
            return True  # the default network gives everything
        try:
            strategy = self._choose_strategy(self.student, self._asks_teacher())
        except TypeError:
            return False
        return (strategy.decoder_class or ProbabilityDecoder).offers(self.student, method)

    def _read_output(self, teacher_output, X, classes):
        return read_output(teacher_output, X, classes)

    def _probabilities(self, answers):
        return np.exp(answers)

    def _asks_about_new_rows_only(self, X_unlabeled):
        return super()._asks_about_new_rows_only(X_unlabeled) and not self.calibrate

    def _settle(self, X, y, labels, said, X_unlabeled, fit_params):
        alpha, losses = self._known_alpha(X_unlabeled), None
        if said.log_proba is not None:
            warn_if_contradicting(said.log_proba[: len(labels)], labels)
        if X_unlabeled is not None:
            rows = "extended"
        else:
            rows = "seen" if self._has_seen(said, labels) else "unseen"
        if alpha == "auto" and asks_for_losses(self.student, rows):
            losses = self._losses(X, y, labels, said, fit_params)
        settings = settle(self.student, rows, self.temperature, self.alpha, losses)
        self._warn_of_labels_alone(settings, X_unlabeled)
        return settings

    def _has_seen(self, said, labels):
        """Tell whether the teacher knows the labelled rows by heart."""
        if said.log_proba is None or said.source not in ("in-sample", "fitted", "given"):
            return False
        own = lift_zeros(said.log_proba[: len(labels)], self.probability_floor)
        return said.source == "in-sample" or knows_by_heart(own, labels)

    def _losses(self, X, y, labels, said, fit_params):
        log_teacher = lift_zeros(said.log_proba[: len(labels)], self.probability_floor)
        log_student = self._own_log_proba(X, y, fit_params)
        return compare(log_teacher, log_student, labels, fit_params["sample_weight"])

    def _own_log_proba(self, X, y, fit_params):
        """Return what the student without a teacher says of rows that it was not fitted on."""
        twin = InformedClassifier._like(
            self, teacher=None, alpha=0.0, augmenter=None, trust=None, calibrate=False, verbose=0
        )
        with stage("what the student knows without a teacher", self.verbose):
            reader, classes = TeacherReader(twin, fitted=True), np.unique(y)
            log_student = out_of_fold(reader, X, y, classes, self._fold_seed(), fit_params)
        return lift_zeros(log_student, self.probability_floor)

    def _as_taught(self, log_proba, labels, said, sample_weight):
        """Return log-probabilities without zeros, calibrated if it is wanted."""
        lifted = np.array(lift_zeros(log_proba, self.probability_floor))
        if not self.calibrate:
            return lifted
        own = lift_zeros(said.log_proba[: len(labels)], self.probability_floor)
        _check_unseen(said, own, labels)
        return log_softmax(lifted * calibrating_factor(own, labels, sample_weight), axis=1)

    def _make_targets(self, X, y, classes, labels, said, settings, sample_weight):
        log_proba, alpha = said.log_proba, settings.alpha
        if log_proba is not None:
            own = slice(len(labels))
            if said.informed is not None:
                log_proba = np.concatenate([said.informed, log_proba[len(labels) :]])
            log_proba = self._as_taught(log_proba, labels, said, sample_weight)
            if self.trust == "orthogonal":
                log_proba[own] = orthogonal(log_proba[own], labels, settings.temperature)
            elif self.trust is not None and alpha != 0:
                alpha = alpha * self._trust_in_rows(X, y, labels, log_proba[own], sample_weight)
        return SoftTargets.from_alpha(
            classes,
            labels,
            log_proba,
            alpha,
            settings.temperature,
            sample_weight,
            self.unlabeled_weight,
        )

    def _trust_in_rows(self, X, y, labels, log_proba, sample_weight):
        if self.trust != "weighted-soft-labels":
            return trust_in_rows(self.trust, log_proba, labels)
        log_student = self._own_log_proba(X, y, {"sample_weight": sample_weight})
        return weighted_soft_labels(log_proba, log_student, labels)

    def _fitted(self, classes, settings):
        return {
            "classes_": classes,
            "temperature_": settings.temperature,
            "alpha_": settings.alpha,
            "reason_": settings.reason,
        }

    def standalone(self):
        """Return the student as a classifier of its own: to be saved, shipped and exported.

        Returns
        -------
        classifier : DistilledClassifier
            Fitted. It gives the same predictions, and holds neither the teacher nor any training
            rows (unless the student itself keeps them, as nearest neighbours do).
        """
        check_is_fitted(self)
        return DistilledClassifier(self.decoder_.lean(self.student_), self.decoder_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        parts = [tags_of(part).classifier_tags for part in self._parts()]
        known = [part for part in parts if part is not None]
        tags.classifier_tags.multi_class = all(part.multi_class for part in known)
        tags.classifier_tags.poor_score = any(part.poor_score for part in known)
        return tags


class InformedClassifier(Informed, DistillationClassifier):
    """A distillation whose teacher has spoken, of labels that were looked at before."""

    def _encode(self, y, sample_weight):
        classes = np.unique(y) if self.classes is None else self.classes
        return classes, np.searchsorted(classes, y)


def ask_teacher(model, X, y):
    """Return the classes, and what ``fit`` of an unfitted distillation would hear of its teacher.

    With :class:`InformedClassifier` it can then be told to any number of students.

    Parameters
    ----------
    model : DistillationClassifier
    X : rows
    y : array-like of shape (n_samples,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    said : Labels
    """
    y = model._check_labels(X, y)
    classes, _ = model._encode(y, None)
    reader = model._read_teacher(None, None)
    routed = model._route(reader, None, {})
    return classes, model._label(reader, X, y, None, None, classes, routed)


def _likely_labels(log_proba):
    """Return the teacher's first choice of each row, and one row of every other class.

    They stand where a label is asked for and have no share in what is learned, but some students
    refuse a class without a row, and rare events may never be a first choice.
    """
    labels = log_proba.argmax(axis=1)
    for k in np.setdiff1d(np.arange(log_proba.shape[1]), labels):
        labels[log_proba[:, k].argmax()] = k
    return labels


def _check_unseen(said, log_proba, labels):
    """Raise ValueError if the teacher has learned the rows by heart that are to calibrate it."""
    seen = said.source == "in-sample"
    if seen or (said.source == "fitted" and knows_by_heart(log_proba, labels)):
        raise ValueError(
            f"calibrate=True needs rows that the teacher {said.reader.name} has not seen, and it "
            "was fitted on these. Set cv=5, or pass probabilities of new rows as teacher_output."
        )


def _check_sortable(y):
    try:
        np.unique(y)
    except TypeError as error:
        kinds = sorted({name_of(label) for label in y})
        raise TypeError(
            f"y has labels of several types, {kinds}, which have no order. Make them of one: "
            "y = y.astype(str)."
        ) from error


def _is_missing(label):
    return label is None or type(label).__name__ == "NAType" or label != label
