"""DistillationRegressorCV."""

from functools import partial
from typing import ClassVar

import numpy as np
from sklearn.metrics import get_scorer_names

from sklearn_distill._regressor import DistillationRegressor, InformedRegressor
from sklearn_distill._search import DistillationSearch
from sklearn_distill.doubts import repeats_values
from sklearn_distill.utils._sklearn_private import StrOptions


class DistillationRegressorCV(DistillationSearch, DistillationRegressor):
    """Distillation of values with the settings that cross-validation finds.

    As :class:`DistillationClassifierCV` does for classes: every combination of alpha, augmenter
    and settings of the student is fitted once per fold and measured on the rows that the fold
    holds out, by their real values. The student on the real values alone is always among them, and
    is kept unless the best distilled one is better by more than one standard error of the
    difference [1]_.

    The teacher is asked once, whatever the candidates, and what a student learns from in a fold
    comes from teachers that have seen neither these rows nor those that the fold holds out. An
    unfitted teacher is fitted K (K - 1) / 2 + K + 1 times for that, 16 times with 5 folds;
    ``nested=False`` has K + 1 fits, and values that know a little of the rows held out.

    Parameters
    ----------
    teacher : estimator, torch module, booster, list of (str, estimator) or None
        As in :class:`DistillationRegressor`. A fitted one is used as it is, unless ``cv`` asks
        for clones. If it was fitted on these rows, distilled students are measured on rows that
        their teacher knows, and look better than they are.
    student : estimator, torch module or None, default=None
        As in :class:`DistillationRegressor`.
    alphas : array-like of float in [0, 1], default=(0, 0.5, 1)
        Weights of the teacher to try. The real values alone are tried even if there is no 0. With
        new rows an alpha of 0 is real values on real rows and the teacher's on the new ones.
    augmenters : list of augmenters or None, default=(None,)
        Makers of new rows to try. None makes no new rows.
    student_grid : dict or list of dicts, default=None
        Settings of the student to try, as in :class:`~sklearn.model_selection.GridSearchCV`, with
        the names of the student: ``{"max_depth": [3, 5]}``. The real values alone are tried with
        all of them, too.
    scoring : str, callable or None, default=None
        What is to be large: a name of :func:`sklearn.metrics.get_scorer_names`, or a function of
        (estimator, X, y). None is the negative squared error, row by row, so that its standard
        error is that of the rows; of several outputs, each in units of its variance, their mean.
        The standard error of other scores is taken from the folds.
    cv : int, splitter, iterable of splits or None, default=None
        Folds that hold out each row once; a number is of folds that are shuffled with
        ``random_state``, None is 5 of them. Of a fitted teacher anything but None asks for clones.
    nested : bool, default=True
        Whether the teacher's values come from teachers that have not seen the rows on which they
        are judged.
    strategy : str or Strategy, default="auto"
        As in :class:`DistillationRegressor`, as are the next ones.
    unlabeled_weight : float or None, default=None
        What the rows without a real value weigh at most.
    trust : str, callable or None, default=None
        How far the teacher is believed of each row.
    student_columns : list, mask, slice, callable or None, default=None
        The columns that the student sees; None is all.
    memory : str, joblib.Memory or None, default=None
        Caches the teacher's fits and values.
    n_jobs : int or None, default=None
        Parallel fits of the teacher, and of the candidates.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and augmenters.
    verbose : int, default=0
        Whether to print the stages and progress bars.

    Attributes
    ----------
    cv_results_ : dict of str to array
        One entry per candidate: ``params``, a column ``param_...`` for each setting,
        ``mean_test_score``, ``split0_test_score`` and so on, ``std_test_score``,
        ``rank_test_score``, ``mean_fit_time`` in seconds, and ``distilled``, which is False for
        the real values alone.
    best_index_ : int
        The candidate that was chosen.
    best_params_ : dict
        Its settings: ``alpha``, ``augmenter``, and ``student__...``.
    best_score_ : float
        Its mean score in the folds. The best of many looks better than it is.
    honest_score_ : float
        What choosing like this is worth: for each fold the candidate is chosen on the others, and
        scored on it [2]_.
    distilled_ : bool
        Whether the teacher was worth it.
    reason_ : str
        Why, in a sentence.
    alpha_ : float
        Of the chosen candidate.
    n_splits_ : int
        Number of folds.
    student_, decoder_, strategy_, teacher_, label_source_, student_columns_
        As in :class:`DistillationRegressor`, of the chosen candidate, fitted on all rows.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistillationRegressor : One candidate; its "auto" alpha follows rules instead of a search.
    DistillationClassifierCV : For classes.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees",
       1984, of which the rule of one standard error is.
    .. [2] R. J. Tibshirani, R. Tibshirani, "A bias correction for the minimum error rate in
       cross-validation", Annals of Applied Statistics 3, 2009, :doi:`10.1214/08-AOAS224`.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sklearn_distill import DistillationRegressorCV
    >>> X, y = make_friedman1(600, noise=4, random_state=0)
    >>> teacher = ExtraTreesRegressor(50, random_state=0)
    >>> student = DecisionTreeRegressor(random_state=0)
    >>> grid = {"max_leaf_nodes": [16, 32]}
    >>> model = DistillationRegressorCV(teacher, student, student_grid=grid, cv=3).fit(X, y)
    >>> model.distilled_
    True
    >>> sorted(model.best_params_)
    ['alpha', 'augmenter', 'student__max_leaf_nodes']
    """

    _parameter_constraints: dict = {
        **DistillationRegressor._parameter_constraints,
        "alphas": ["array-like"],
        "augmenters": [list, tuple],
        "student_grid": [dict, list, None],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        "nested": ["boolean"],
    }

    # What a candidate sets, and is open here.
    alpha = "auto"
    augmenter = None

    _informed = InformedRegressor
    _of_labels: ClassVar = {"trust": None}

    def __init__(
        self,
        teacher,
        student=None,
        *,
        alphas=(0, 0.5, 1),
        augmenters=(None,),
        student_grid=None,
        scoring=None,
        cv=None,
        nested=True,
        strategy="auto",
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
        self.alphas = alphas
        self.augmenters = augmenters
        self.student_grid = student_grid
        self.scoring = scoring
        self.cv = cv
        self.nested = nested
        self.strategy = strategy
        self.unlabeled_weight = unlabeled_weight
        self.trust = trust
        self.student_columns = student_columns
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _check_fold(self, k, y):
        if len(y) < 2:
            raise ValueError(
                f"Fold {k} of cv leaves {len(y)} rows to learn from. Use fewer folds, or collect "
                "more rows."
            )

    def _knows_by_heart(self, answers, y):
        y = y.reshape(len(y), -1)
        return repeats_values(answers[:, : y.shape[1]], y)

    def _heard(self, said, y, classes):
        return said, classes

    def _row_scores(self, classes, y):
        y = y.reshape(len(y), -1)
        scale = np.ones(1) if y.shape[1] == 1 else y.var(axis=0)
        return partial(_squared_errors, np.where(scale > 0, scale, 1.0))


def _squared_errors(scale, model, held_out):
    """Return the negative squared error of each row, and that there is nothing to rank."""
    n = len(held_out.y)
    missed = np.reshape(model.predict(held_out.X), (n, -1)) - held_out.y.reshape(n, -1)
    return -(missed**2 / scale).mean(axis=1), np.nan
