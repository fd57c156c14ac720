"""Moving what is done to a column into the thresholds of trees.

After this a tree asks about the columns of the user as they are given: no scaler, no encoder and
no rounding is left to be done, or to be done slightly differently, where the tree runs. It is no
approximation: every step that is moved is increasing, so that the numbers which went left are
those up to some largest one, and that is found by bisection among all numbers of the type in which
inputs are handed over. It also cures thresholds that a converter would round upwards: of two
neighbouring numbers around a threshold the lower one is taken.
"""

from dataclasses import replace

import numpy as np

from sklearn_distill.export.program import LEAF, Feature, Layers, Link, Trees, raised

#: Signed integers of the same width, whose order is that of the numbers.
_BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def fold(program, grid):
    """Return a program of trees that look at the inputs themselves.

    Parameters
    ----------
    program : Program
        Of one of layers only the scale of the link is moved.
    grid : dtype
        float32 or float64: the type in which inputs are handed over.

    Returns
    -------
    Program
    """
    if not isinstance(program.body, Trees):
        return _scaled(program)
    trees = program.body
    threshold, codes = trees.threshold.copy(), {}
    missing_left = trees.missing_left.copy()
    unknown_left = np.zeros(len(threshold), dtype=bool)
    source = np.full(len(threshold), LEAF)
    for j, feature in enumerate(program.features):
        nodes = np.flatnonzero(trees.feature == j)
        if not len(nodes):
            continue
        source[nodes] = feature.source
        categories = program.inputs[feature.source].categories
        if categories is not None:
            table = feature.table
            table = categories_alone(categories) if table is None else table
            for node in nodes:
                left = _goes_left(trees, node, table.astype(program.precision))
                codes[int(node)] = (categories[left[:-2]], categories)
                unknown_left[node], missing_left[node] = left[-2:]
            threshold[nodes] = 0
            continue
        nan = np.full(1, np.nan, dtype=program.precision)
        of_nan = feature.of(nan).astype(trees.rounding)
        if not np.isnan(of_nan[0]):
            missing_left[nodes] = of_nan[0] <= threshold[nodes]
        threshold[nodes] = _largest(feature, threshold[nodes], grid, program.precision, trees)
    body = replace(
        trees,
        feature=source,
        threshold=threshold,
        missing_left=missing_left,
        codes=codes,
        unknown_left=unknown_left,
        rounding=np.float64,
    )
    features = tuple(Feature(i) for i in range(len(program.inputs)))
    program = replace(program, body=body, features=features)
    return _scaled(_without_power(program))


def categories_alone(categories):
    """Return the table of a column of categories that a tree looks at as it is."""
    return np.concatenate([categories, [categories.max(initial=0) + 1, np.nan]])


def _goes_left(trees, node, values):
    """Tell for each value of a feature whether a node sends it to the left."""
    values = values.astype(trees.rounding)
    if node in trees.codes:
        return trees._by_category(node, values)
    go = values <= trees.threshold[node]
    return np.where(np.isnan(values), trees.missing_left[node], go)


def _largest(feature, threshold, grid, precision, trees):
    """Return the largest numbers of type ``grid`` whose features are at most ``threshold``."""
    top = int(np.array(np.inf, dtype=grid).view(_BITS[np.dtype(grid)]))

    def left(order):
        with np.errstate(over="ignore", invalid="ignore"):
            x = _number(order, grid).astype(precision)
            return feature.of(x).astype(trees.rounding) <= threshold

    # The answer has the place `low`, or -top - 1 if no number at all goes left.
    zero = np.zeros(len(threshold), dtype=np.int64)
    low, high = np.where(left(zero), (zero, zero + top), (zero - top - 1, zero - 1))
    while (low < high).any():
        middle = low + (high - low + 1) // 2
        low, high = np.where(left(middle), (middle, high), (low, middle - 1))
    return _number(np.maximum(low, -top), grid).astype(np.float64)


def _number(order, grid):
    """Return the numbers with given places in the order of all numbers of a type, 0 being 0."""
    bits = _BITS[np.dtype(grid)]
    size = np.abs(order).astype(bits).view(grid)
    return np.where(order < 0, -size, size).astype(grid)


def _without_power(program):
    """Raise the probabilities in the leaves instead of the result, where there is one tree."""
    trees, link = program.body, program.link
    if link.kind != "proba" or link.scale == 1 or len(trees.roots) > 1 or trees.start.any():
        return program
    leaves = trees.feature == LEAF
    value = trees.value.copy()
    value[leaves] = raised(value[leaves], link.scale)
    return replace(program, body=replace(trees, value=value), link=Link("proba"))


def _scaled(program):
    """Return a program whose body gives what the link needs without a scale of its own."""
    body, link = program.body, program.link
    if link.kind not in ("sigmoid", "softmax") or link.scale == 1:
        return program
    if isinstance(body, Trees):
        body = replace(body, value=body.value * link.scale, start=body.start * link.scale)
    elif body.layers[-1].activation == "identity":
        *before, last = body.layers
        last = last._replace(weight=last.weight * link.scale, bias=last.bias * link.scale)
        body = Layers((*before, last))
    else:
        return program
    return replace(program, body=body, link=replace(link, scale=1.0))
