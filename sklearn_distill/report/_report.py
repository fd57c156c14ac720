"""distillation_report: what is given, and the steps of a comparison."""

from collections.abc import Sequence

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_distill.footprint import check_artefact
from sklearn_distill.report._study import Study
from sklearn_distill.report._targets import target_of
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import check_weights, column_names


def distillation_report(
    model,
    X_train,
    y_train,
    X_test,
    y_test,
    *,
    teacher=None,
    teacher_output=None,
    rivals="all",
    scoring=None,
    groups=None,
    sample_weight=None,
    n_bootstrap=1000,
    stability="auto",
    tuned_grid=None,
    artefact="auto",
    energy=False,
    n_jobs=None,
    random_state=0,
    verbose=0,
):
    """Compare a distilled student with its teacher and with rivals that never saw one.

    Parameters
    ----------
    model : estimator
        A fitted :class:`~sklearn_distill.DistillationClassifier`, maybe at the end of a Pipeline
        or found by a search; what its ``standalone()`` returns; or any fitted classifier. Or the
        same of values, from :class:`~sklearn_distill.DistillationRegressor`.
    X_train, y_train : training rows and labels, or None
        On which the rivals are fitted. Without them the report says what is missing.
    X_test, y_test : rows that neither teacher nor student has seen, and their labels
        Every class must be known to the model. Of a regressor real values.
    teacher : estimator, torch module, booster or None, default=None
        Fitted. None is the model's own.
    teacher_output : array-like of shape (n_test_rows, n_classes or n_outputs), default=None
        The teacher's probabilities, or values, of the test rows, if it is not here.
    rivals : "all" or sequence of {"hard", "tuned", "same-budget", "logistic", "linear"}
        The same student on hard labels; the same one tuned; the best hard-label model of no more
        bytes and no more latency (:func:`~sklearn_distill.selection.select_student`); a plain
        logistic regression ("logistic"), or of values a ridge regression ("linear").
    scoring : str, callable or None, default=None
        By what models are compared: a name of :func:`sklearn.metrics.get_scorer_names` or a scorer
        of predictions that takes ``sample_weight``. None is the average precision of two classes
        if the second has less than 5 % of the test rows, else their ROC AUC, and the accuracy of
        more; R² of values.
    groups : array-like of shape (n_test_rows,), str or None, default=None
        A group for each test row, or the name of a column, to see who lost by the compression.
    sample_weight : array-like of shape (n_test_rows,), default=None
        Weight of each test row in all scores.
    n_bootstrap : int, default=1000
        Samples for the intervals.
    stability : int or "auto", default="auto"
        Students that are distilled again from samples of the training rows; 0 leaves it out.
        "auto" is 5, unless an unfitted teacher would have to be fitted again for them.
    tuned_grid : dict or None, default=None
        What is tried for the tuned one, by the student's names. None tries what matters for its
        kind and does not make it larger.
    artefact : {"auto", "onnx", "pickle"}, default="auto"
        What is measured of student and rivals, as in
        :func:`~sklearn_distill.selection.select_student`. The teacher is measured as it is.
    energy : bool, default=False
        Whether to have codecarbon measure the energy of teacher and student, 3 seconds each.
    n_jobs : int or None, default=None
        Parallel fits of rivals, and chunks of rows for the teacher.
    random_state : int, default=0
        Seeds bootstrap and rivals.
    verbose : int, default=0
        Whether to print the stages.

    Returns
    -------
    DistillationReport

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        If there is no teacher, rows do not fit together, or an argument is out of its range.

    See Also
    --------
    Verdict : The rules by which it is judged.
    sklearn_distill.selection.select_student : Finds a student.

    Notes
    -----
    Weights of the training rows, groups and other parameters that were passed to the model's
    ``fit`` are not kept by it: rivals, and students from other samples, are fitted without them. A
    ``class_weight`` of the student is kept.

    References
    ----------
    S. Stanton et al., "Does Knowledge Distillation Really Work?", NeurIPS 2021,
    `arXiv:2106.05945 <https://arxiv.org/abs/2106.05945>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier
    >>> from sklearn_distill.report import distillation_report
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> rows = train_test_split(X, y, test_size=0.5, random_state=0)
    >>> X_train, X_test, y_train, y_test = rows
    >>> teacher = RandomForestClassifier(random_state=0).fit(X_train, y_train)
    >>> student = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
    >>> model = DistillationClassifier(teacher, student).fit(X_train, y_train)
    >>> report = distillation_report(model, X_train, y_train, X_test, y_test, rivals=["hard"])
    >>> report.verdict.code
    'gain'
    >>> print(report.verdict.headline)
    Distillation gains ... of ROC AUC over the same student on hard labels.
    """
    check_artefact(artefact)
    check_is_fitted(model)
    _check_numbers(n_bootstrap, stability)
    target = target_of(model, X_test, y_test)
    rivals = _checked_rivals(rivals, target)
    weight = check_weights(sample_weight, len(target.truth))
    groups = _groups(groups, X_test, len(target.truth))
    if (X_train is None) != (y_train is None):
        raise ValueError("Pass both X_train and y_train, or neither.")
    if X_train is not None:
        check_consistent_length(X_train, y_train)
        y_train = target.check_y_train(y_train)
    study = Study(
        model=model,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        target=target,
        weight=np.ones(len(target.truth)) if weight is None else weight,
        score=target.score_of(scoring),
        teacher=teacher,
        teacher_output=teacher_output,
        artefact=artefact,
        n_jobs=n_jobs,
        random_state=random_state,
    )
    with stage("what student and teacher say", verbose):
        study.ask()
    with stage("rivals", verbose):
        study.fit_rivals(rivals, tuned_grid)
    with stage("scores", verbose):
        study.compare(n_bootstrap)
    with stage("latency and memory", verbose):
        study.measure(energy)
    with stage("students from other samples", verbose):
        study.distil_again(stability)
    with stage("parts of the rows", verbose):
        study.look_at_parts(groups, n_bootstrap)
    return study.report()


def _checked_rivals(rivals, target):
    """Return the names of the rivals that are wanted."""
    known = list(target.called)
    if isinstance(rivals, str) and rivals == "all":
        return known
    if isinstance(rivals, str) or not isinstance(rivals, Sequence):
        raise ValueError(f"rivals must be 'all', or a list of {known}. Got {rivals!r}.")
    strange = [rival for rival in rivals if rival not in known]
    if strange:
        raise ValueError(f"rivals must be among {known}. Got {strange}.")
    return rivals


def _check_numbers(n_bootstrap, stability):
    for name, value, least in (("n_bootstrap", n_bootstrap, 2), ("stability", stability, 0)):
        if name == "stability" and value == "auto":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number from {least} on. Got {value!r}.")
    if stability == 1:
        raise ValueError("stability compares students: it must be 0, or 2 and more. Got 1.")


def _groups(groups, X_test, n):
    if groups is None:
        return None
    if isinstance(groups, str):
        if groups not in (column_names(X_test) or ()):
            raise ValueError(
                f"groups={groups!r} is no column of X_test. Pass a value for each row."
            )
        groups = X_test[groups]
    groups = np.asarray([str(g) for g in groups], dtype=object)
    if len(groups) != n:
        raise ValueError(
            f"groups must have one value for each of the {n} test rows. Got {len(groups)} values."
        )
    return groups
