"""A single tree or a linear model in a form that people and databases read."""

import numpy as np

from sklearn_distill.export.files import check_writable, kept_if_proved
from sklearn_distill.export.folding import fold
from sklearn_distill.export.program import LEAF, Layers, Link, NotReadable, Trees
from sklearn_distill.export.readers import read_model
from sklearn_distill.export.readers._model import rows_of_student, student_and_decoder
from sklearn_distill.export.rows import RowFormat, some_of
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step


def export_text(model, X_sample=None, *, decimals=3):
    """Return a single tree, or a linear model, as text.

    A tree asks about the columns as they are given: scalers, imputers and encoders before it are
    in its thresholds and categories. Its leaves have the probabilities that the model gives, at
    temperature 1. Of a linear model the text is a table of weights, largest first.

    Parameters
    ----------
    model : estimator
        Fitted, with a tree, or a linear model of numbers, as student.
    X_sample : data frame or array, default=None
        Rows as the model takes them; of a frame the names and categories are used. Where missing
        values go is said of columns that have some here.
    decimals : int, default=3
        Of probabilities and weights; thresholds get three more.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If the student is neither a single tree nor linear.

    See Also
    --------
    export_sql : The same as an expression of SQL.
    sklearn.tree.plot_tree : A picture of the tree, without what its Pipeline and decoder do.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill.export import export_text
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=3, random_state=0).fit(X, y)
    >>> print(export_text(tree, X))
    petal width (cm) <= 0.8: 0: 1.000, 1: 0.000, 2: 0.000
    else
    |  petal width (cm) <= 1.75: 0: 0.000, 1: 0.907, 2: 0.093
    |  else: 0: 0.000, 1: 0.022, 2: 0.978
    """
    X_sample = rows_of_student(model, X_sample)
    program = _read(model, X_sample)
    if isinstance(program.body, Layers):
        return _scorecard(program, decimals)
    holes = [True] * len(program.inputs)
    if X_sample is not None:
        holes = np.isnan(RowFormat(X_sample, program.inputs).encode(X_sample)).any(axis=0)
    lines = []
    _tree_lines(program, int(program.body.roots[0]), "", lines, decimals, holes)
    return "\n".join(lines)


def export_sql(model, X_sample=None, *, positive=None, path=None):
    """Return a single tree, or a linear model, as an expression of standard SQL.

    It gives a probability: of the class ``positive``. A tree becomes nested ``CASE`` expressions,
    a linear model a sum in ``1 / (1 + EXP(-...))``. Missing values are ``NULL``. The numbers are
    written with all their digits, so that a database that computes in double precision gives what
    the model gives.

    Parameters
    ----------
    model : estimator
        Fitted, with a tree, or a linear model of numbers, as student.
    X_sample : data frame or array, default=None
        Rows as the model takes them; of a frame the names and categories are used.
    positive : label, default=None
        The class whose probability is wanted. None takes the last one. Not for regressors.
    path : str or Path, default=None
        Also write it to this file.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If the student is neither a single tree nor linear.
    ValueError
        If ``positive`` is no class, or a linear model has more than two.

    See Also
    --------
    export_text : The same to be read.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill.export import export_sql
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=2, random_state=0).fit(X, y == 0)
    >>> print(export_sql(tree, X))
    CASE WHEN "petal width (cm)" <= 0.8000000417232512 THEN 1.0 ELSE 0.0 END
    """
    X_sample = rows_of_student(model, X_sample)
    program = _read(model, X_sample)
    column = _column_of(program, positive)
    if isinstance(program.body, Layers):
        text = _linear_sql(program, column)
    else:
        text = _tree_sql(program, int(program.body.roots[0]), column, "")
    if path is not None:
        with kept_if_proved(check_writable(path)) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    return text


def monotone_directions(model, X_sample=None, *, most_rows=200):
    """Tell in which direction the answers of an exported tree or ensemble go with each column.

    What is looked at is what an exporter writes, not the settings of the student: rows that differ
    in one column only, which takes every value at which any tree changes its mind. So it shows
    whether a constraint that the student was fitted with holds in the file, and, of a teacher that
    can be read too, whether it goes the same way.

    Parameters
    ----------
    model : estimator
        Fitted: trees, forests, boosters.
    X_sample : data frame or array
        Rows to start from.
    most_rows : int, default=200
        How many of them, at most.

    Returns
    -------
    dict of str to str
        For each column of numbers ``"increasing"``, ``"decreasing"``, ``"constant"`` or
        ``"neither"``: of the probability of the last class, or of the value.

    Raises
    ------
    TypeError
        If the model cannot be read, or is none of trees.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn_distill.export import monotone_directions
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X[["mean radius", "mean texture"]]
    >>> booster = HistGradientBoostingClassifier(max_iter=5, monotonic_cst=[-1, 0]).fit(X, y)
    >>> monotone_directions(booster, X)["mean radius"]
    'decreasing'
    """
    from sklearn_distill.export.proof import sample_for

    X_sample = sample_for(model) if X_sample is None else rows_of_student(model, X_sample)
    program = _program(model, X_sample)
    if not isinstance(program.body, Trees):
        raise TypeError("Only trees and ensembles of them have thresholds to be looked at.")
    program = fold(program, np.float64)
    rows = RowFormat(X_sample, program.inputs).encode(some_of(X_sample, most_rows))
    found = {}
    for j, column in enumerate(program.inputs):
        if column.categories is not None:
            continue
        at = program.body.threshold[program.body.feature == j]
        at = np.unique(at[np.isfinite(at)])
        if not len(at):
            found[column.name] = "constant"
            continue
        # One value in every stretch between two thresholds: each threshold and what is above all.
        values = np.append(at, np.nextafter(at[-1], np.inf))
        changes = set()
        for row in rows:
            some = np.tile(row, (len(values), 1))
            some[:, j] = values
            steps = np.diff(program.run(some)[:, -1])
            changes |= set(np.sign(steps[np.abs(steps) > 1e-12]).tolist())
        names = {(): "constant", (1.0,): "increasing", (-1.0,): "decreasing"}
        found[column.name] = names.get(tuple(sorted(changes)), "neither")
    return found


def _program(model, X_sample):
    student, _ = student_and_decoder(model)
    try:
        return read_model(model, X_sample)
    except NotReadable as error:
        raise TypeError(
            f"{name_of(last_step(student))} cannot be written down ({error} is not read)."
        ) from error


def _read(model, X_sample):
    program = fold(_program(model, X_sample), np.float64)
    body = program.body
    if isinstance(body, Trees):
        if len(body.roots) == 1:
            return program
        what = f"{len(body.roots)} trees"
    elif len(body.layers) == 1 and all(f.table is None for f in program.features):
        if not any(s.name == "quantile" for f in program.features for s in f.steps):
            return program
        what = "a linear model of quantiles"
    else:
        what = "a network" if len(body.layers) > 1 else "a linear model of categories"
    raise TypeError(
        f"Readable are single trees and linear models of numbers. Got {what}. Distil a smaller "
        "student, or use export_c or export_js, which are for machines."
    )


def _answers(program, node):
    """Return what a leaf gives: probabilities, or values."""
    body = program.body
    return program.link.of((body.value[node] + body.start)[None])[0]


def _test(program, node):
    """Return column, threshold or categories, and whether a missing value goes left."""
    body = program.body
    column = program.inputs[int(body.feature[node])]
    if node not in body.codes:
        return column, body.threshold[node], None
    left, known = body.codes[node]
    listed, negated = left, bool(body.unknown_left[node])
    if negated:  # all but these, unknown ones among them
        listed = np.setdiff1d(known, left)
    names = [column.labels[int(c)] if column.labels else c for c in listed]
    return column, None, (names, negated)


# -- text ----------------------------------------------------------------------------------------


def _tree_lines(program, node, indent, lines, decimals, holes):
    body = program.body
    for child, head in (
        (int(body.left[node]), _question(program, node, decimals, holes)),
        (int(body.right[node]), "else"),
    ):
        if body.feature[node] == LEAF:
            lines.append(indent + _leaf(program, node, decimals))
            return
        if body.feature[child] == LEAF:
            lines.append(f"{indent}{head}: {_leaf(program, child, decimals)}")
        else:
            lines.append(f"{indent}{head}")
            _tree_lines(program, child, indent + "|  ", lines, decimals, holes)


def _leaf(program, node, decimals):
    answers = _answers(program, node)
    if program.classes is None:
        return ", ".join(f"{a:.{decimals + 3}g}" for a in answers)
    return ", ".join(
        f"{c}: {a:.{decimals}f}" for c, a in zip(program.classes, answers, strict=True)
    )


def _question(program, node, decimals, holes):
    body = program.body
    if body.feature[node] == LEAF:
        return ""
    column, threshold, categories = _test(program, node)
    missing = bool(body.missing_left[node]) and holes[int(body.feature[node])]
    if categories is None:
        if threshold == np.inf:
            return f"{column.name} is there"
        said = f"{column.name} <= {threshold:.{decimals + 3}g}"
    else:
        names, negated = categories
        said = f"{column.name} {'not ' if negated else ''}in {{{', '.join(map(str, names))}}}"
    return f"{said} or missing" if missing else said


def _scorecard(program, decimals):
    layer = program.body.layers[0]  # folding has put the scale into its weights
    names = [program.inputs[f.source].name for f in program.features]
    steps = [", ".join(_said(s) for s in f.steps) for f in program.features]
    lines = []
    classes = program.classes
    # Of several classes the scores are logarithms of probabilities, up to the same constant.
    heads = ["value"] if classes is None else [f"score of {c}" for c in classes]
    if layer.bias.size == 1 and classes is not None:
        heads = [f"log-odds of {classes[-1]}"]
    for k, head in enumerate(heads):
        weight, bias = layer.weight[:, k], layer.bias[k]
        lines.append(f"{head} = {bias:+.{decimals}f}")
        for j in np.argsort(-np.abs(weight), kind="stable"):
            what = names[j] if not steps[j] else f"{names[j]} ({steps[j]})"
            lines.append(f"  {weight[j]:+.{decimals}f} * {what}")
    return "\n".join(lines)


def _said(step):
    values = [f"{v:.6g}" for v in step.values]
    return {
        "fill": "missing: {}",
        "missing": "1 if missing",
        "subtract": "minus {}",
        "add": "plus {}",
        "multiply": "times {}",
        "divide": "over {}",
        "clip": "between {} and {}",
    }[step.name].format(*values)


# -- SQL -----------------------------------------------------------------------------------------


def _column_of(program, positive):
    if program.classes is None:
        if positive is not None:
            raise ValueError("positive is for classifiers. Leave it out.")
        return 0
    classes = list(program.classes)
    if positive is None:
        return len(classes) - 1
    if positive not in classes:
        raise ValueError(f"positive must be one of {classes}. Got {positive!r} instead.")
    return classes.index(positive)


def _name(column):
    return '"' + column.name.replace('"', '""') + '"'


def _literal(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(float(value))


def _tree_sql(program, node, k, indent):
    body = program.body
    if body.feature[node] == LEAF:
        return _literal(_answers(program, node)[k])
    column, threshold, categories = _test(program, node)
    name, missing = _name(column), bool(body.missing_left[node])
    if categories is None:
        everything = {np.inf: f"{name} IS NOT NULL", -np.inf: "1 = 0"}
        test = everything.get(threshold, f"{name} <= {_literal(threshold)}")
    else:
        names, negated = categories
        listed = ", ".join(map(_literal, names))
        test = f"{name} {'NOT ' if negated else ''}IN ({listed})" if names else "1 = 0"
        if negated and not names:
            test = f"{name} IS NOT NULL"
    if missing:  # of NULL no comparison is true
        test = f"{test} OR {name} IS NULL"
    left = _tree_sql(program, int(body.left[node]), k, indent + "  ")
    right = _tree_sql(program, int(body.right[node]), k, indent + "  ")
    if not left.startswith("CASE") and not right.startswith("CASE"):
        return f"CASE WHEN {test} THEN {left} ELSE {right} END"
    return f"CASE WHEN {test}\n{indent}  THEN {left}\n{indent}  ELSE {right}\n{indent}END"


_SQL_STEPS = {
    "fill": "COALESCE({x}, {0})",
    "missing": "CASE WHEN {x} IS NULL THEN 1.0 ELSE 0.0 END",
    "subtract": "({x} - ({0}))",
    "add": "({x} + ({0}))",
    "multiply": "({x} * ({0}))",
    "divide": "({x} / {0})",
    "clip": "CASE WHEN {x} < {0} THEN {0} WHEN {x} > {1} THEN {1} ELSE {x} END",
}


def _linear_sql(program, k):
    layer, link = program.body.layers[0], program.link
    if program.classes is not None and (link.kind != "sigmoid" or len(program.classes) > 2):
        raise ValueError("A linear model of more than two classes is no single expression of SQL.")
    terms = [_literal(layer.bias[0])]
    for f, weight in zip(program.features, layer.weight[:, 0], strict=True):
        x = _name(program.inputs[f.source])
        for step in f.steps:
            x = _SQL_STEPS[step.name].format(*map(_literal, step.values), x=x)
        terms.append(f"{_literal(weight)} * {x}")
    total = "\n  + ".join(terms)
    if program.classes is None or link == Link("values"):
        return total
    sign = "-" if k == 1 else ""
    return f"1.0 / (1.0 + EXP({sign}({total}\n)))"
