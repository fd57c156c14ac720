"""select_student."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from sklearn.utils.multiclass import type_of_target

from sklearn_distill._classifier_cv import DistillationClassifierCV
from sklearn_distill._regressor_cv import DistillationRegressorCV
from sklearn_distill._search import ask_teacher_for_folds
from sklearn_distill.augmentation import Munge
from sklearn_distill.candidates import Candidate, candidates_for
from sklearn_distill.footprint import artefact_of, check_artefact, measure
from sklearn_distill.labelling import make_splits
from sklearn_distill.rules import kind_of
from sklearn_distill.selection._compare import compare, preferred, reason_of
from sklearn_distill.selection._options import (
    AUGMENTED,
    DISTILLED,
    HARD,
    NEW_ROWS_OF_NETWORK,
    REAL,
    Entry,
    EntryOfValues,
    Option,
    Told,
)
from sklearn_distill.selection._result import StudentSelection, columns_of
from sklearn_distill.selection._sizes import ROWS_TO_MEASURE, measured, within_budget
from sklearn_distill.teachers import as_teacher
from sklearn_distill.utils.dispatch import is_of_kind, name_of
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import is_table, n_rows
from sklearn_distill.utils.seeds import own_rng


def select_student(
    teacher,
    X,
    y,
    *,
    max_bytes=None,
    max_latency=None,
    scoring=None,
    target="auto",
    candidates="auto",
    readable=False,
    X_unlabeled=None,
    teacher_output=None,
    artefact="auto",
    cv=None,
    memory=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Find the best small model under a budget, taught by a teacher or by the labels alone.

    Single trees, boosters of a few trees, linear models, small networks and small forests are
    measured, and those within the budget are compared by cross-validation: each of them on hard
    labels and distilled. With many rows most candidates are dropped early, by scikit-learn's
    successive halving. A distilled student is preferred to the best one on hard labels only if it
    is better by more than one standard error.

    The teacher is asked once, whatever the candidates, and honestly: as in
    :class:`~sklearn_distill.DistillationClassifierCV` the labels that a student learns from in a
    fold come from teachers that have seen neither these rows nor those that the fold holds out. An
    unfitted one is fitted 16 times for 5 folds. Students are distilled in two ways, with soft
    targets for the labelled rows alone, and with new rows made of them (MUNGE) beside them, three
    for each one and ten for networks.

    Parameters
    ----------
    teacher : estimator, torch module, booster or None
        As in :class:`~sklearn_distill.DistillationClassifier`. None, without ``teacher_output``,
        compares students on hard labels.
    X : {array-like, sparse matrix, data frame, list of texts} of n_samples rows
        Training rows, as the student will get them.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Real labels, or values.
    max_bytes : int, default=None
        Most bytes of the artefact.
    max_latency : float, default=None
        Most seconds for one row, in the median, measured here.
    scoring : str or callable, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. None is the area under the ROC curve,
        the mean over classes against the others; R² of values.
    target : {"auto", "classes", "values"}, default="auto"
        What y is. "auto" takes it for values if the teacher is a regressor, or, where there is
        none, if it has numbers that are not whole, or several columns.
    candidates : "auto" or list of estimators or of (name, estimator), default="auto"
        What to try. Others than "auto" are taken as they are.
    readable : bool, default=False
        Only trees of at most 64 leaves and linear models: what an auditor can follow.
    X_unlabeled : rows of the same kind and columns as X, default=None
        Further rows, which the teacher alone labels, for the distilled students.
    teacher_output : array-like of shape (n_samples, n_classes or n_outputs), default=None
        Probabilities, or values, from a teacher that is not here, with ``teacher=None``.
    artefact : {"auto", "onnx", "pickle"}, default="auto"
        What is measured. "auto" is an ONNX file where that is installed, else a pickle, which is
        several times as large.
    cv : int, splitter, iterable of splits or None, default=None
        Folds by which students are compared, each row held out once; None is 5 of them. Of a
        fitted teacher anything but None asks for clones.
    memory : str, joblib.Memory or None, default=None
        Caches what the teacher says.
    n_jobs : int or None, default=None
        Parallel fits.
    random_state : int, RandomState instance or None, default=None
        Seeds folds, candidates and new rows.
    verbose : int, default=0
        Whether to print the stages.

    Returns
    -------
    StudentSelection

    Raises
    ------
    ValueError
        If nothing meets the budget (the nearest is named), or an argument is out of its range.

    See Also
    --------
    DistillationClassifierCV : Searches the settings of one kind of student, honestly nested.
    distillation_report : Compares a distilled student with its rivals on other rows.

    References
    ----------
    K. Jamieson, A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016, `arXiv:1502.07943 <https://arxiv.org/abs/1502.07943>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_distill.selection import select_student
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> teacher = RandomForestClassifier(50, random_state=0)
    >>> found = select_student(teacher, X, y, max_bytes=10_000, readable=True, random_state=0)
    >>> found.n_bytes_ <= 10_000
    True
    >>> print(found.reason_)
    The ...
    """
    check_artefact(artefact)
    for name, value in (("max_bytes", max_bytes), ("max_latency", max_latency)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, Real) or value <= 0
        ):
            raise ValueError(f"{name} must be a positive number or None. Got {value!r} instead.")
    has_teacher = teacher is not None or teacher_output is not None
    of_values = _is_of_values(target, teacher, y)
    asked = (DistillationRegressorCV if of_values else DistillationClassifierCV)(
        teacher,
        cv=cv,
        memory=memory,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    asked._validate_params()
    # An int from here on: scikit-learn's estimators would draw None from the global generator.
    seed = random_state
    if not isinstance(seed, int | np.integer):
        seed = int(own_rng(seed).randint(np.iinfo(np.int32).max))
    asked.random_state = seed
    y = asked._check_labels(X, y)
    classes, _ = asked._encode(y, None)
    if X_unlabeled is not None and teacher is None:
        raise ValueError(
            "X_unlabeled needs a teacher to label it. Pass a teacher, or leave it out."
        )
    n_outputs = len(classes) if of_values else None
    tried = _tried(candidates, X, n_outputs, readable, seed)
    with stage("the size of the candidates", verbose):
        sized = measured(tried, X, y, artefact, max_bytes, verbose)
        within = within_budget(sized, max_bytes, max_latency)
    ways = _ways(teacher, teacher_output, X, REAL if of_values else HARD)
    told = {}
    with stage("labels from the teacher", verbose):
        if has_teacher:
            made = [None, Munge(NEW_ROWS_OF_NETWORK)][: len(ways) - 1]
            splits, known = ask_teacher_for_folds(asked, X, y, X_unlabeled, teacher_output, made)
            n_given = n_rows(X_unlabeled)
            told = {way: Told(k, n_given) for way, k in zip(ways[1:], known, strict=True)}
        else:
            splits = make_splits(cv, X, y, asked._fold_seed(), {}, classifier=not of_values)
    options = [Option(s.candidate, way) for s in within for way in ways]
    with stage("the candidates in each fold", verbose):
        known = None if of_values else classes
        scores, n_used = compare(options, told, splits, X, y, known, scoring, n_jobs, seed)
    order = preferred(options, scores, n_used)
    with stage("the chosen student on all rows", verbose):
        for best in order:
            entry = (EntryOfValues if of_values else Entry)(options[best], told, known)
            model = entry.fit(X, y, row=np.arange(len(y))).alone()
            made = artefact_of(model, X, artefact)
            footprint = measure({"best": made}, X, seconds=0.5)["best"]
            # The budget was kept on some of the rows; on all of them a tree may have grown. Times
            # vary from one measurement to the next, and the candidates have passed that already.
            if max_bytes is None or made.n_bytes <= max_bytes:
                break
        else:
            raise ValueError(
                f"No candidate that is within {max_bytes:,} bytes on {ROWS_TO_MEASURE:,} rows is "
                f"so on all of them. The last is {options[best]}, {made.n_bytes:,} bytes. Raise "
                "max_bytes."
            )
    usual = "r2" if of_values else "roc_auc"
    name = scoring if isinstance(scoring, str) else usual if scoring is None else name_of(scoring)
    return StudentSelection(
        best_estimator_=model,
        best_name_=str(options[best]),
        distilled_=not options[best].alone,
        reason_=reason_of(options, scores, n_used, best, name),
        n_bytes_=made.n_bytes,
        latency_=footprint.latency.p50,
        artefact_=made.kind,
        columns_=columns_of(options, sized, scores, n_used, best),
        scoring_=name,
    )


def _is_of_values(target, teacher, y):
    """Tell whether y is to be taken for values."""
    if target not in ("auto", "classes", "values"):
        raise ValueError(f"target must be 'auto', 'classes' or 'values'. Got {target!r} instead.")
    if target != "auto":
        return target == "values"
    if teacher is not None:
        return is_of_kind(as_teacher(teacher), "regressor")
    return y is not None and type_of_target(y) in ("continuous", "continuous-multioutput")


def _tried(candidates, X, n_outputs, readable, random_state):
    if isinstance(candidates, str):
        if candidates != "auto":
            raise ValueError(f"candidates must be 'auto' or a list. Got {candidates!r} instead.")
        return candidates_for(X, n_outputs=n_outputs, readable=readable, random_state=random_state)
    kind = "classifier" if n_outputs is None else "regressor"
    if not isinstance(candidates, Sequence) or not len(candidates):
        raise ValueError(
            f"candidates must be 'auto' or a list of {kind}s. Got {candidates!r} instead."
        )
    if readable:
        raise ValueError("readable=True chooses among candidates='auto'. Leave one of them out.")
    found = []
    for candidate in candidates:
        named = isinstance(candidate, tuple) and len(candidate) == 2
        name, estimator = candidate if named else (name_of(candidate), candidate)
        if not is_of_kind(estimator, kind):
            raise ValueError(f"candidates must be {kind}s. {name!r} is {estimator!r}.")
        found.append(Candidate(name, kind_of(estimator), estimator, False))
    names = [candidate.name for candidate in found]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Candidates must have different names. Got {names}: pass (name, estimator)."
        )
    return found


def _ways(teacher, teacher_output, X, alone):
    """Return by what the candidates are taught."""
    if teacher is None and teacher_output is None:
        return (alone,)
    if teacher is None or not is_table(X):
        return (alone, DISTILLED)  # nobody could label new rows, or nobody make them
    return (alone, DISTILLED, AUGMENTED)
