"""distillation_report: who is compared, and by what."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

import sklearn_distill.metrics as metrics
from sklearn_distill.footprint import artefact_of, as_it_is, check_artefact, measure, take_some
from sklearn_distill.report import _costs, _rivals, _where
from sklearn_distill.report._result import TOP, DistillationReport
from sklearn_distill.report._scores import Interval, bootstrap, interval_of, score_of
from sklearn_distill.report._verdict import judge, kept_of
from sklearn_distill.teachers import TeacherReader, read_output
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import check_weights, column_names, n_rows

#: Students that are distilled again from samples of the rows.
STUDENTS_AGAIN = 5


def distillation_report(
    model,
    X_train,
    y_train,
    X_test,
    y_test,
    *,
    teacher=None,
    teacher_output=None,
    rivals=("hard", "tuned", "same-budget", "logistic"),
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
        or found by a search; what its ``standalone()`` returns; or any fitted classifier.
    X_train, y_train : training rows and labels, or None
        On which the rivals are fitted. Without them the report says what is missing.
    X_test, y_test : rows that neither teacher nor student has seen, and their labels
        Every class must be known to the model.
    teacher : estimator, torch module, booster or None, default=None
        Fitted. None is the model's own.
    teacher_output : array-like of shape (n_test_rows, n_classes), default=None
        The teacher's probabilities of the test rows, if it is not here.
    rivals : sequence of {"hard", "tuned", "same-budget", "logistic"}
        The same student on hard labels; the same one tuned; the best hard-label model of no more
        bytes and no more latency (:func:`~sklearn_distill.selection.select_student`); a plain
        logistic regression.
    scoring : str, callable or None, default=None
        By what models are compared: a name of :func:`sklearn.metrics.get_scorer_names` or a scorer
        of predictions that takes ``sample_weight``. None is the average precision of two classes
        if the second has less than 5 % of the test rows, else their ROC AUC, and the accuracy of
        more.
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
    _check_arguments(rivals, n_bootstrap, stability)
    classes = np.asarray(model.classes_)
    positions = _positions(X_test, y_test, classes)
    weight = check_weights(sample_weight, len(positions))
    weight = np.ones(len(positions)) if weight is None else weight
    groups = _groups(groups, X_test, len(positions))
    if (X_train is None) != (y_train is None):
        raise ValueError("Pass both X_train and y_train, or neither.")
    score = score_of(scoring, positions, classes)
    missing = []
    if X_train is not None:
        check_consistent_length(X_train, y_train)
        y_train = column_or_1d(y_train)
    with stage("what student and teacher say", verbose):
        proba = {
            "teacher": None,
            "distilled": np.asarray(model.predict_proba(X_test), dtype=float),
        }
        if teacher_output is not None:
            proba["teacher"] = np.exp(read_output(teacher_output, X_test, classes))
        else:
            proba["teacher"] = metrics.proba_of_teacher(model, X_test, teacher, n_jobs=n_jobs)
    if X_train is None:
        missing.append(
            "Rivals, stability and break-even: they are fitted on training rows, and there are "
            "none. Pass X_train and y_train."
        )
    what = {"teacher": _name_of_teacher(model, teacher, teacher_output)}
    what["distilled"] = _rivals.student_name(model)
    artefacts = {"distilled": artefact_of(model, X_test, artefact)}
    asked = _teacher_to_measure(model, teacher, teacher_output)
    if asked is None:
        missing.append("The price of the teacher: only its answers are here.")
    sample = take_some(X_test, 1000)
    with stage("rivals", verbose):
        found = {}
        if X_train is not None:
            budget = measure({"distilled": artefacts["distilled"]}, sample)["distilled"]
            found = _fit_rivals(
                *(model, X_train, y_train, rivals, score.scoring, tuned_grid, budget),
                *(artefact, n_jobs, random_state, what, missing),
            )
        for name, rival in found.items():
            proba[name] = _columns_of(rival, X_test, classes)
            artefacts[name] = artefact_of(rival, sample, artefact)
    with stage("scores", verbose):
        scores = {name: score.of(positions, p) for name, p in proba.items()}
        values = {name: _defined(s, weight) for name, s in scores.items()}
        drawn = bootstrap(scores, weight, n_bootstrap, random_state)
        gains = {n: _difference("distilled", n, values, drawn) for n in proba if n != "distilled"}
    if np.isnan(values["distilled"]):
        missing.append(f"{score.label}: it is not defined on these test rows.")
    with stage("latency and memory", verbose):
        everything = artefacts if asked is None else {"teacher": asked, **artefacts}
        footprints = _prepared_measure(everything, model, X_test, sample, teacher)
    models = {}
    for name in proba:
        models[name] = {
            "what": what.get(name, ""),
            "score": interval_of(values[name], drawn[name]),
            "gain": gains.get(name),
            **_probabilities(positions, proba[name], weight, classes),
            "footprint": footprints.get(name),
        }
    stable, pays, energy_times = None, np.nan, np.nan
    n_again = STUDENTS_AGAIN if stability == "auto" else stability
    if X_train is not None and n_again:
        why = _costs.why_not_distilled_again(model)
        if stability != "auto" and why.startswith("the teacher came unfitted"):
            why = ""
        if why:
            missing.append(f"Stability and break-even: {why}.")
        else:
            with stage("students from other samples", verbose):
                stable = _costs.distil_again(
                    model, X_train, y_train, X_test, n_again, random_state
                )
            if "teacher" in footprints:
                pays = _costs.break_even(stable, footprints["teacher"], footprints["distilled"])
    if energy:
        energy_times = _energy(asked, artefacts["distilled"], sample, missing)
    slices = _slices(X_test, positions, proba, weight, score, missing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        kept = metrics.retention(values["teacher"], values["distilled"])
        gap = metrics.recovered_gap(
            values["teacher"], values["distilled"], values.get("hard", np.nan)
        )
        close = _fidelity(proba, weight)
    if np.isnan(kept):
        missing.append(f"Retention: {score.label} has no parts, or is not positive.")
    if np.isnan(gap) and "hard" in values:
        missing.append(
            "Recovered gap: the teacher is no better than the same student on hard labels."
        )
    over_teacher = {n: _difference("teacher", n, values, drawn) for n in found}
    verdict = judge(
        score.label,
        values,
        {name: gains[name] for name in found},
        over_teacher,
        what,
        kept_of(score.label, values["teacher"], values["distilled"], *_ratios(footprints)),
    )
    return DistillationReport(
        verdict=verdict,
        scoring=score.label,
        n_rows=len(positions),
        models=models,
        fidelity=close,
        retention=kept,
        recovered_gap=gap,
        per_class=_per_class(positions, proba, weight, classes),
        per_group=_per_group(groups, positions, proba, weight, score, n_bootstrap, random_state),
        slices=slices,
        stability=stable,
        break_even=pays,
        energy_ratio=energy_times,
        missing=tuple(missing),
        said_={"positions": positions, "proba": proba, "classes": classes, "weight": weight},
    )


# -- what is given ----------------------------------------------------------------------


def _check_arguments(rivals, n_bootstrap, stability):
    if isinstance(rivals, str) or not isinstance(rivals, Sequence):
        raise ValueError(f"rivals must be a list of {list(_rivals.RIVALS)}. Got {rivals!r}.")
    strange = [rival for rival in rivals if rival not in _rivals.RIVALS]
    if strange:
        raise ValueError(f"rivals must be among {list(_rivals.RIVALS)}. Got {strange}.")
    for name, value, least in (("n_bootstrap", n_bootstrap, 2), ("stability", stability, 0)):
        if name == "stability" and value == "auto":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number from {least} on. Got {value!r}.")
    if stability == 1:
        raise ValueError("stability compares students: it must be 0, or 2 and more. Got 1.")


def _positions(X_test, y_test, classes):
    check_consistent_length(X_test, y_test)
    y_test = column_or_1d(y_test)
    strange = np.setdiff1d(y_test, classes)
    if len(strange):
        raise ValueError(
            f"y_test has classes that the model does not know: {strange.tolist()}. It knows "
            f"{classes.tolist()}."
        )
    return np.searchsorted(classes, y_test)


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


def _name_of_teacher(model, teacher, teacher_output):
    if teacher_output is not None:
        return "given"
    if teacher is None:
        teacher = getattr(_rivals.distilled_in(model), "teacher_", None)
    return name_of(teacher)


def _teacher_to_measure(model, teacher, teacher_output):
    if teacher_output is not None:
        return None
    if teacher is None:
        teacher = getattr(_rivals.distilled_in(model), "teacher_", None)
    classifier = TeacherReader.of(teacher).classifier
    return as_it_is(classifier) if hasattr(classifier, "predict_proba") else None


def _prepared_measure(artefacts, model, X_test, sample, teacher):
    """Measure artefacts; the model's own teacher may take rows that transformers have made."""
    if "teacher" in artefacts and teacher is None:
        head_of = artefacts["teacher"]
        artefacts = artefacts | {
            "teacher": head_of._replace(prepare=lambda X: metrics.reach_distilled(model, X)[1])
        }
    return measure(artefacts, sample)


# -- rivals -----------------------------------------------------------------------------


def _fit_rivals(
    model,
    X,
    y,
    rivals,
    scoring,
    tuned_grid,
    budget,
    artefact,
    n_jobs,
    random_state,
    what,
    missing,
):
    """Return the fitted rivals by name; note what they are, and which could not be had."""
    found, twin = {}, _rivals.hard_twin(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*failed to converge|.*hasn't converged")
        if "hard" in rivals:
            found["hard"] = _rivals.clone_of(twin).fit(X, y)
            what["hard"] = _rivals.student_name(found["hard"])
        if "tuned" in rivals:
            try:
                found["tuned"], what["tuned"] = _rivals.tuned_twin(
                    twin, X, y, scoring, tuned_grid, n_jobs
                )
            except TypeError as error:
                missing.append(f"The tuned student: {error}.")
        if "same-budget" in rivals:
            try:
                found["same-budget"], what["same-budget"] = _rivals.rival_of_budget(
                    X, y, budget, scoring, n_jobs, random_state, artefact
                )
            except ValueError as error:
                missing.append(f"The best of the same budget: {error}")
        if "logistic" in rivals:
            found["logistic"] = _rivals.logistic(X, y)
            what["logistic"] = "C=1"
    return found


def _columns_of(rival, X, classes):
    """Return a rival's probabilities, in the order of the model's classes."""
    proba = np.zeros((n_rows(X), len(classes)))
    proba[:, np.searchsorted(classes, rival.classes_)] = rival.predict_proba(X)
    return proba


# -- figures ----------------------------------------------------------------------------


def _defined(score, weight):
    """Return a score, and NaN where scikit-learn has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        try:
            return score(weight)
        except ValueError:
            return np.nan


def _difference(one, other, values, drawn):
    return interval_of(values[one] - values[other], drawn[one] - drawn[other])


def _probabilities(positions, proba, weight, classes):
    """Return what the probabilities of a model are worth."""
    y, labels = classes[positions], {"labels": classes, "sample_weight": weight}
    own = np.clip(proba[np.arange(len(y)), positions], np.finfo(float).eps, 1)
    return {
        "log_loss": float(-np.log(own) @ weight / weight.sum()),
        "brier": metrics.brier_score(y, proba, **labels),
        "ece": metrics.expected_calibration_error(y, proba, **labels),
        "accuracy": float((proba.argmax(axis=1) == positions) @ weight / weight.sum()),
    }


def _fidelity(proba, weight):
    pair = proba["teacher"], proba["distilled"]
    found = {
        "agreement": metrics.agreement_score(*pair, sample_weight=weight),
        "js": metrics.js_divergence(*pair, sample_weight=weight),
        "kl": metrics.kl_divergence(*pair, sample_weight=weight),
        "rank_correlation": metrics.rank_correlation(*pair, sample_weight=weight),
    }
    if pair[0].shape[1] == 2:
        found["top_overlap"] = metrics.top_overlap(*pair, top=TOP, sample_weight=weight)
    return found


def _ratios(footprints):
    """Return latency and bytes of the student as parts of the teacher's; None if unknown."""
    teacher, student = footprints.get("teacher"), footprints["distilled"]
    if teacher is None:
        return None, None
    of_bytes = student.n_bytes / teacher.n_bytes if teacher.n_bytes else None
    return student.latency.p50 / teacher.latency.p50, of_bytes


def _energy(teacher, student, sample, missing):
    if teacher is None:
        missing.append("Energy: the teacher is not here to be measured.")
        return np.nan
    try:
        return _costs.energy_ratio(teacher, student, sample)
    except ImportError:
        missing.append("Energy: codecarbon is not installed (pip install codecarbon).")
        return np.nan


#: The models that parts of the rows are looked at of.
IN_PARTS = ("teacher", "distilled", "hard")


def _per_class(positions, proba, weight, classes):
    rows = []
    for k, label in enumerate(classes):
        own = (positions == k) & (weight > 0)
        row = {"class": _item(label), "n_rows": int(own.sum())}
        for name in IN_PARTS:
            if name in proba:
                right = proba[name].argmax(axis=1) == k
                total = weight[own].sum()
                row[f"recall {name}"] = (
                    float(right[own] @ weight[own] / total) if total else np.nan
                )
        rows.append(row)
    return tuple(rows)


def _item(label):
    return label.item() if isinstance(label, np.generic) else label


def _per_group(groups, positions, proba, weight, score, n_bootstrap, seed):
    if groups is None:
        return ()
    rows = []
    for group in sorted(set(groups)):
        own = (groups == group) & (weight > 0)
        row = {"group": group, "n_rows": int(own.sum())}
        of = {n: score.of(positions[own], proba[n][own]) for n in IN_PARTS if n in proba}
        values = {name: _defined(s, weight[own]) for name, s in of.items()}
        row |= values
        pair = {name: of[name] for name in ("teacher", "distilled")}
        if np.isnan(values["distilled"]):
            row["lost"], row["note"] = Interval(np.nan), "the score is not defined here"
        else:
            drawn = bootstrap(pair, weight[own], min(n_bootstrap, 200), seed)
            lost = _difference("teacher", "distilled", values, drawn)
            row["lost"] = lost
            row["note"] = "clearly worse than the teacher" if lost.above else ""
        rows.append(row)
    return tuple(rows)


def _slices(X_test, positions, proba, weight, score, missing):
    try:
        found, overall = _where.slices_of(X_test, proba["teacher"], proba["distilled"])
    except (TypeError, ValueError) as error:
        missing.append(f"Where student and teacher differ: {error}.")
        return ()
    rows = []
    for part in found:
        own = part.rows
        row = {"rule": part.rule, "n_rows": len(own), "share": 2 * len(own) / len(positions)}
        row["divergence"], row["times_overall"] = (
            part.divergence,
            part.divergence / max(overall, 1e-300),
        )
        for name in IN_PARTS:
            if name in proba:
                p = np.clip(proba[name][own, positions[own]], np.finfo(float).eps, 1)
                row[f"log_loss {name}"] = float(-np.log(p) @ weight[own] / weight[own].sum())
        for name in ("teacher", "distilled"):
            if proba[name].shape[1] == 2:
                row[f"mean {name}"] = float(proba[name][own, 1].mean())
        rows.append(row)
    return tuple(rows)
