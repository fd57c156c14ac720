"""DistillationClassifierCV."""

from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import get_scorer_names, roc_auc_score

from sklearn_distill._classifier import DistillationClassifier, InformedClassifier
from sklearn_distill._search import DistillationSearch, numbers
from sklearn_distill.doubts import knows_by_heart
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils._sklearn_private import StrOptions
from sklearn_distill.utils.dispatch import name_of

#: Probabilities are clipped here for the log loss, as scikit-learn's metric does.
LEAST = np.finfo(np.float64).eps


class DistillationClassifierCV(DistillationSearch, DistillationClassifier):
    """Distillation with the settings that cross-validation finds, or the labels if none helps.

    Every candidate, a combination of alpha, temperature, augmenter and settings of the student, is
    fitted once per fold and measured on the rows that the fold holds out, by their real labels.
    The student on the labels alone is always among them. It is kept unless the best distilled one
    is better by more than one standard error of the difference [1]_.

    The teacher is asked once, whatever the candidates. For a comparison that does not lean to the
    teacher, the labels of the rows that a fold learns from come from teachers that have seen
    neither these rows nor those that the fold holds out: of K folds, every two are left out
    together once. An unfitted teacher is fitted K (K - 1) / 2 + K + 1 times, 16 times with 5
    folds. ``nested=False`` has K + 1 fits, with labels that know a little of the rows held out.

    Parameters
    ----------
    teacher : estimator, torch module, booster or None
        As in :class:`DistillationClassifier`. A fitted one is used as it is, unless ``cv`` asks
        for clones. If it was fitted on these rows, distilled students are measured on rows that
        their teacher knows, and look better than they are.
    student : estimator, torch module or None, default=None
        As in :class:`DistillationClassifier`.
    alphas : array-like of float in [0, 1], default=(0, 0.5, 1)
        Weights of the teacher to try. The labels alone are tried even if there is no 0. With new
        rows an alpha of 0 is real labels on real rows and the teacher's on the new ones.
    temperatures : array-like of float in (0, inf), default=(1, 2)
        Temperatures to try.
    augmenters : list of augmenters or None, default=(None,)
        Makers of new rows to try, as ``augmenter`` of :class:`DistillationClassifier`. None makes
        no new rows.
    student_grid : dict or list of dicts, default=None
        Settings of the student to try, as in :class:`~sklearn.model_selection.GridSearchCV`, with
        the names of the student: ``{"max_depth": [3, 5]}``. The labels alone are tried with all
        of them, too.
    scoring : str, callable or None, default=None
        What is to be large: a name of :func:`sklearn.metrics.get_scorer_names`, or a function of
        (estimator, X, y). None is the negative log loss, row by row, so that its standard error is
        that of the rows, among candidates whose ROC AUC is not less than that of the labels by
        more than one standard error. Other scores are looked at alone, and their standard error is
        taken from the folds.
    cv : int, splitter, iterable of splits or None, default=None
        Folds that hold out each row once; a number is of stratified folds that are shuffled with
        ``random_state``, None is 5 of them. Of a fitted teacher anything but None asks for clones.
    nested : bool, default=True
        Whether labels come from teachers that have not seen the rows on which they are judged.
    strategy : str or Strategy, default="auto"
        As in :class:`DistillationClassifier`, as are the next ones.
    unlabeled_weight : float or None, default=None
        What the rows without a label weigh at most.
    trust : str, callable or None, default=None
        How far the teacher is believed of each row.
    calibrate : bool, default=False
        Whether the teacher is calibrated first.
    probability_floor : float in (0, 1), default=2e-4
        The smallest probability that votes are believed to mean.
    student_columns : list, mask, slice, callable or None, default=None
        The columns that the student sees; None is all.
    memory : str, joblib.Memory or None, default=None
        Caches the teacher's fits and labels.
    n_jobs : int or None, default=None
        Parallel fits of the teacher, and of the candidates.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds, augmenters and drawn labels.
    verbose : int, default=0
        Whether to print the stages and progress bars.

    Attributes
    ----------
    cv_results_ : dict of str to array
        One entry per candidate: ``params``, a column ``param_...`` for each setting,
        ``mean_test_score``, ``split0_test_score`` and so on, ``std_test_score``,
        ``rank_test_score``, ``mean_fit_time`` in seconds, and ``distilled``, which is False for
        the labels alone. With ``scoring=None`` there is ``mean_test_roc_auc`` too, the mean over
        classes against the others.
    best_index_ : int
        The candidate that was chosen.
    best_params_ : dict
        Its settings: ``alpha``, ``temperature``, ``augmenter``, and ``student__...``.
    best_score_ : float
        Its mean score in the folds. The best of many looks better than it is.
    honest_score_ : float
        What choosing like this is worth: for each fold the candidate is chosen on the others, and
        scored on it [2]_.
    distilled_ : bool
        Whether the teacher was worth it.
    reason_ : str
        Why, in a sentence.
    alpha_, temperature_ : float
        Of the chosen candidate.
    n_splits_ : int
        Number of folds.
    student_, decoder_, strategy_, classes_, teacher_, label_source_, student_columns_
        As in :class:`DistillationClassifier`, of the chosen candidate, fitted on all rows.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistillationClassifier : One candidate; its "auto" settings follow rules instead of a search.
    sklearn.linear_model.RidgeCV : A search in the same manner.

    Notes
    -----
    What is left out of the nesting: settings of the teacher itself, and transformers before this
    estimator, which have seen all rows. A
    :class:`~sklearn.model_selection.GridSearchCV` around :class:`DistillationClassifier` nests
    everything and fits the teacher anew for every candidate that changes it.

    The standard error is of the rows (or folds) for students as they were fitted: it does not
    know how much a student would differ on other training rows.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees",
       1984, of which the rule of one standard error is.
    .. [2] R. J. Tibshirani, R. Tibshirani, "A bias correction for the minimum error rate in
       cross-validation", Annals of Applied Statistics 3, 2009, :doi:`10.1214/08-AOAS224`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> teacher = RandomForestClassifier(50, random_state=0)
    >>> student = DecisionTreeClassifier(random_state=0)
    >>> grid = {"max_leaf_nodes": [8, 16]}
    >>> model = DistillationClassifierCV(teacher, student, student_grid=grid, cv=3).fit(X, y)
    >>> model.distilled_
    True
    >>> sorted(model.best_params_)
    ['alpha', 'augmenter', 'student__max_leaf_nodes', 'temperature']
    """

    _parameter_constraints: dict = {
        **DistillationClassifier._parameter_constraints,
        "alphas": ["array-like"],
        "temperatures": ["array-like"],
        "augmenters": [list, tuple],
        "student_grid": [dict, list, None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        "nested": ["boolean"],
    }

    # What a candidate sets, and is open here.
    temperature = alpha = "auto"
    augmenter = None

    def __init__(
        self,
        teacher,
        student=None,
        *,
        alphas=(0, 0.5, 1),
        temperatures=(1, 2),
        augmenters=(None,),
        student_grid=None,
        scoring=None,
        cv=None,
        nested=True,
        strategy="auto",
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
        self.alphas = alphas
        self.temperatures = temperatures
        self.augmenters = augmenters
        self.student_grid = student_grid
        self.scoring = scoring
        self.cv = cv
        self.nested = nested
        self.strategy = strategy
        self.unlabeled_weight = unlabeled_weight
        self.trust = trust
        self.calibrate = calibrate
        self.probability_floor = probability_floor
        self.student_columns = student_columns
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    _informed = InformedClassifier
    _of_labels: ClassVar = {"trust": None, "calibrate": False}

    def _tried_settings(self):
        temperatures = numbers(
            self.temperatures, "temperatures", "above 0", lambda t: 0 < t < np.inf
        )
        return [
            settings | {"temperature": temperature}
            for settings in super()._tried_settings()
            for temperature in temperatures
        ]

    def _check_candidates(self, candidates, X):
        if self.scoring is None and not self._offers("predict_proba"):
            raise ValueError(
                f"scoring=None is the log loss, and the student {name_of(self.student)} gives no "
                "probabilities. Pass scoring='accuracy'."
            )
        super()._check_candidates(candidates, X)

    def _check_fold(self, k, y):
        if len(np.unique(y)) < 2:
            raise ValueError(
                f"Fold {k} of cv leaves rows of one class to learn from. Use StratifiedKFold, or "
                "shuffle the rows."
            )

    def _knows_by_heart(self, answers, y):
        return knows_by_heart(
            lift_zeros(answers, self.probability_floor), np.unique(y, return_inverse=True)[1]
        )

    def _heard(self, said, y, classes):
        present = np.unique(y)
        return of_classes(said, np.isin(classes, present)), present

    def _row_scores(self, classes, y):
        return partial(_log_likelihoods, classes)


def _log_likelihoods(classes, model, held_out):
    """Return the negative log loss of each row, and the area under the ROC curve."""
    proba = _columns_of(model, model.predict_proba(held_out.X), classes)
    positions = np.searchsorted(classes, held_out.y)
    own = proba[np.arange(len(positions)), positions]
    return np.log(np.clip(own, LEAST, 1.0)), ranking(positions, proba, held_out.weight)


def of_classes(said, kept):
    """Return what was said of some classes only, each row normalised."""
    if said.log_proba is None or kept.all():
        return said
    log_proba = said.log_proba[:, kept]
    total = logsumexp(np.where(np.isnan(log_proba), -np.inf, log_proba), axis=1, keepdims=True)
    return said._replace(log_proba=log_proba - np.where(np.isneginf(total), 0.0, total))


def _columns_of(model, proba, classes):
    """Return probabilities of all classes; a class that the model cannot know has none."""
    aligned = np.zeros((len(proba), len(classes)))
    aligned[:, np.searchsorted(classes, model.classes_)] = proba
    return aligned


def ranking(labels, proba, sample_weight=None):
    """Return the area under the ROC curve, the mean over classes that have rows and others.

    Parameters
    ----------
    labels : ndarray of int, shape (n_samples,)
        Columns.
    proba : ndarray of shape (n_samples, n_classes)
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    float
        NaN if there is one class only.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    labels, proba, weight = (part[weight > 0] for part in (labels, proba, weight))
    counts = np.bincount(labels, minlength=proba.shape[1])
    both = np.flatnonzero((counts > 0) & (counts < len(labels)))
    if not len(both):
        return np.nan
    areas = [roc_auc_score(labels == k, proba[:, k], sample_weight=weight) for k in both]
    return float(np.mean(areas))
