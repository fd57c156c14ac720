"""Programs as ONNX graphs, with few and plain operators.

Trees become one operator. What can be done to the numbers in it beforehand, in double precision,
is: scales are multiplied into leaves and weights, so that little is left to do for each row.
"""

from dataclasses import replace

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sklearn_distill.export import normal
from sklearn_distill.export.folding import fold
from sklearn_distill.export.program import (
    LEAF,
    LEAST_SCORE,
    MOST_SCORE,
    Layer,
    Layers,
    Link,
    Trees,
)
from sklearn_distill.export.session import LABEL, PROBABILITIES, ROWS, VALUES

#: Operator sets that are written if none is asked for: old enough for every runtime in use.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
_KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.float64): DOUBLE, np.dtype(np.int64): INT64}


class Graph:
    """An ONNX graph under construction.

    Parameters
    ----------
    inputs : {"float32", "float64"}
        The type of inputs that are numbers.
    dtype : {"float32", "float64"}
        What layers compute in.
    """

    def __init__(self, inputs="float32", dtype="float32"):
        self.grid = np.dtype(inputs)
        self.dtype = np.dtype(dtype)
        self.nodes, self.constants, self.inputs = [], [], []

    def add(self, operator, *inputs, domain="", name=None, **attributes):
        """Add a node with one output and return the name of that."""
        output = name or f"{operator}_{len(self.nodes)}"
        node = helper.make_node(operator, list(inputs), [output], domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def constant(self, value, dtype=None):
        """Add a constant and return its name."""
        value = np.asarray(value)
        if value.dtype.kind in "OUS":
            value = value.astype(object)
        else:
            value = value.astype(dtype or self.dtype)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def take(self, name, kind, width):
        """Add an input of shape (n_samples, width)."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["n", width]))
        return name

    def cast(self, what, dtype):
        """Add a conversion to another type of numbers."""
        return self.add("Cast", what, to=_KINDS[np.dtype(dtype)])

    def finish(self, outputs, *, opset):
        """Return the ModelProto."""
        graph = helper.make_graph(
            self.nodes, "student", self.inputs, outputs, initializer=self.constants
        )
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=imports, producer_name="sklearn_distill")
        model.ir_version = IR_VERSION
        return model


def graph_of(program, *, opset=OPSET, inputs="float32", dtype=None, missing=""):
    """Return a program as a ModelProto.

    Parameters
    ----------
    program : Program
    opset : int
    inputs : {"float32", "float64"}
        The type of inputs that are numbers. Outputs are float32.
    dtype : {"float32", "float64"}, default=None
        What layers, and what makes features for them, compute in. None takes that of the inputs.
    missing : str
        What stands for a missing value in a column of text.

    Returns
    -------
    ModelProto
    """
    graph = Graph(inputs, dtype or inputs)
    columns = take_inputs(graph, program.inputs, missing)
    program = both_sides(fold(program, graph.grid))
    if isinstance(program.body, Trees):
        sums = add_trees(graph, _matrix(graph, columns), program.body)
    else:
        sums = add_layers(graph, _features(graph, columns, program), program.body)
    return graph.finish(add_outputs(graph, sums, program), opset=opset)


def both_sides(program):
    """Return a program whose last layer gives the log-odds of both of two classes."""
    body, link = program.body, program.link
    if link != Link("sigmoid") or not isinstance(body, Layers):
        return program
    *before, (weight, bias, activation) = body.layers
    if activation != "identity":
        return program
    last = Layer(np.hstack([-weight, weight]), np.concatenate([-bias, bias]))
    return replace(program, body=Layers((*before, last)))


# -- inputs --------------------------------------------------------------------------------------


def take_inputs(graph, inputs, missing):
    """Add the inputs; return for each column what has its numbers, or all of them at once."""
    if all(i.labels is None for i in inputs):
        return graph.take(ROWS, _KINDS[graph.grid], len(inputs))
    columns = []
    for column in inputs:
        if column.labels is None:
            columns.append(graph.take(column.name, _KINDS[graph.grid], 1))
            continue
        text = graph.take(column.name, TensorProto.STRING, 1)
        codes = graph.add(
            "LabelEncoder",
            text,
            domain="ai.onnx.ml",
            keys_strings=[*column.labels, missing],
            values_floats=[*map(float, range(len(column.labels))), float("nan")],
            default_float=float(len(column.labels)),
        )
        columns.append(codes if graph.grid == np.float32 else graph.cast(codes, np.float64))
    return columns


def _matrix(graph, columns):
    return columns if isinstance(columns, str) else graph.add("Concat", *columns, axis=1)


def _features(graph, columns, program):
    """Add what makes the features; the layers' first weights may have to be put in their order."""
    X = _matrix(graph, columns)
    if graph.dtype != graph.grid:
        X = graph.cast(X, graph.dtype)
    if program.is_plain:
        return X
    groups = {}
    for j, f in enumerate(program.features):
        by_table = f.table is not None
        key = f.source if by_table else tuple(step.name for step in f.steps)
        groups.setdefault((by_table, key), []).append(j)
    parts, order = [], []
    for (by_table, _), members in groups.items():
        some = [program.features[j] for j in members]
        if by_table:
            part = _looked_up(graph, X, program.inputs[some[0].source], some)
        else:
            sources = [f.source for f in some]
            part = X
            if sources != list(range(len(program.inputs))):
                part = graph.add("Gather", X, graph.constant(sources, np.int64), axis=1)
            for steps in zip(*(f.steps for f in some), strict=True):
                values = zip(*(step.values for step in steps), strict=True)
                part = _STEPS[steps[0].name](graph, part, *map(list, values))
        parts.append(part)
        order += members
    matrix = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
    if order != list(range(len(order))):
        back = np.argsort(order)
        matrix = graph.add("Gather", matrix, graph.constant(back, np.int64), axis=1)
    return matrix


def _looked_up(graph, X, column, features):
    """Add a table of the numbers that belong to the categories of a column."""
    categories, n = column.categories, len(column.categories)
    table = np.column_stack([f.table for f in features])
    x = graph.add("Gather", X, graph.constant([features[0].source], np.int64), axis=1)
    same = graph.add("Equal", x, graph.constant(categories.astype(np.float32)[None]))
    # The position of the category that is the same, or n for none, or n + 1 for missing.
    hit = graph.cast(same, graph.dtype)
    lower = graph.add("MatMul", hit, graph.constant(np.arange(n)[:, None] - n))
    nan = graph.cast(graph.add("IsNaN", x), graph.dtype)
    place = graph.add("Add", graph.add("Add", lower, nan), graph.constant([n]))
    place = graph.add("Squeeze", graph.cast(place, np.int64), graph.constant([1], np.int64))
    return graph.add("Gather", graph.constant(table), place, axis=0)


def _binary(operator):
    return lambda graph, x, value: graph.add(operator, x, graph.constant([value]))


def _fill(graph, x, value):
    return graph.add("Where", graph.add("IsNaN", x), graph.constant([value]), x)


def _flag(graph, x):
    return graph.cast(graph.add("IsNaN", x), graph.dtype)


def _clip(graph, x, low, high):
    x = graph.add("Max", x, graph.constant([low]))
    return graph.add("Min", x, graph.constant([high]))


def _quantile(graph, x, knots, references, to_normal):
    """Interpolate as scikit-learn does: from both sides, which differ where knots coincide."""
    knots, y = np.array(knots), np.asarray(references[0])
    n_columns, n = knots.shape
    each = graph.add("Unsqueeze", x, graph.constant([2], np.int64))
    fixed = graph.constant(knots[None])

    def place(operator, shift):  # of the knot below, or above
        below = graph.cast(graph.add(operator, each, fixed), graph.dtype)
        count = graph.add("ReduceSum", below, graph.constant([2], np.int64), keepdims=0)
        count = graph.add("Add", count, graph.constant([shift]))
        count = graph.add(
            "Max", graph.constant([0]), graph.add("Min", count, graph.constant([n - 1]))
        )
        return graph.cast(count, np.int64)

    first = graph.constant(np.arange(n_columns)[None] * n, np.int64)
    flat_x, flat_y = graph.constant(knots.ravel()), graph.constant(y)

    def at(position):
        flat = graph.add("Add", position, first)
        return graph.add("Gather", flat_x, flat), graph.add("Gather", flat_y, position)

    low_x, low_y = at(place("GreaterOrEqual", -1))
    high_x, high_y = at(place("Greater", 0))
    width = graph.add("Sub", high_x, low_x)
    open_ = graph.add("Greater", width, graph.constant([0]))
    safe = graph.add("Where", open_, width, graph.constant([1]))
    part = graph.add("Div", graph.add("Sub", x, low_x), safe)
    part = graph.add("Where", open_, part, graph.constant([0.5]))
    share = graph.add("Mul", part, graph.add("Sub", high_y, low_y))
    share = graph.add("Add", low_y, share)
    # Of a column that is constant both ends are one: it is the lower.
    end = graph.add("GreaterOrEqual", x, graph.constant(knots[None, :, -1]))
    share = graph.add("Where", end, graph.constant([1]), share)
    end = graph.add("LessOrEqual", x, graph.constant(knots[None, :, 0]))
    share = graph.add("Where", end, graph.constant([0]), share)
    return _normal_score(graph, share) if to_normal[0] else share


def _normal_score(graph, share):
    def polynomial(x, coefficients):
        *others, total = coefficients
        total = graph.constant([total])
        for c in reversed(others):
            total = graph.add("Add", graph.add("Mul", total, x), graph.constant([c]))
        return total

    def quotient(x, coefficients):
        return graph.add("Div", *(polynomial(x, part) for part in coefficients))

    centred = graph.add("Sub", share, graph.constant([0.5]))
    square = graph.add("Mul", centred, centred)
    square = graph.add("Sub", graph.constant([normal.CENTRE_AT]), square)
    centre = graph.add("Mul", quotient(square, normal.CENTRE), centred)
    upper = graph.add("Greater", centred, graph.constant([0]))
    tail = graph.add("Where", upper, graph.add("Sub", graph.constant([1]), share), share)
    tail = graph.add("Max", tail, graph.constant([1e-9]))
    root = graph.add("Sqrt", graph.add("Neg", graph.add("Log", tail)))
    root = graph.add("Sub", root, graph.constant([normal.TAIL_AT]))
    score = quotient(root, normal.TAIL)
    score = graph.add("Where", upper, score, graph.add("Neg", score))
    far = graph.add("Abs", centred)
    far = graph.add("Greater", far, graph.constant([normal.CENTRE_WITHIN]))
    score = graph.add("Where", far, score, centre)
    return _clip(graph, score, LEAST_SCORE, MOST_SCORE)


_STEPS = {
    "fill": _fill,
    "missing": _flag,
    "subtract": _binary("Sub"),
    "add": _binary("Add"),
    "multiply": _binary("Mul"),
    "divide": _binary("Div"),
    "clip": _clip,
    "quantile": _quantile,
}

# -- bodies --------------------------------------------------------------------------------------


def add_trees(graph, X, trees):
    """Add trees that look at inputs; return the name of their sums."""
    nodes, leaves = [], []
    for number, (first, end) in enumerate(zip(trees.roots, _ends(trees), strict=True)):
        extra = end - first  # numbers of nodes that a set of categories needs more than one of
        for at in range(first, end):
            here = at - first
            if trees.feature[at] == LEAF:
                nodes.append((number, here, "LEAF", 0, 0.0, 0, 0, 0))
                for k in np.flatnonzero(trees.value[at]):
                    leaves.append((number, here, int(k), trees.value[at, k]))
                if not trees.value[at].any():
                    leaves.append((number, here, 0, 0.0))
                continue
            left, right = int(trees.left[at] - first), int(trees.right[at] - first)
            source, missing_left = int(trees.feature[at]), bool(trees.missing_left[at])
            if at not in trees.codes:
                threshold = trees.threshold[at]
                nodes.append(
                    (number, here, "BRANCH_LEQ", source, threshold, left, right, missing_left)
                )
                continue
            codes, known = trees.codes[at]
            if trees.unknown_left[at]:  # what nobody knows takes the last way out
                codes, left, right = np.setdiff1d(known, codes), right, left
                missing_left = not missing_left
            # One question for each category; even none needs a node.
            chain = list(codes) if len(codes) else [np.finfo(np.float32).min]
            for i, code in enumerate(chain):
                last = i == len(chain) - 1
                this = here if i == 0 else extra + i - 1
                after = right if last else extra + i
                nodes.append((number, this, "BRANCH_EQ", source, code, left, after, missing_left))
            extra += len(chain) - 1
    nodes.sort(key=lambda node: node[:2])
    tree, node, mode, feature, value, yes, no, missing = map(list, zip(*nodes, strict=True))
    at_tree, at_node, target, weight = map(list, zip(*leaves, strict=True))
    attributes = {
        "nodes_treeids": tree,
        "nodes_nodeids": node,
        "nodes_modes": mode,
        "nodes_featureids": feature,
        # float32 exactly: folding has seen to that
        "nodes_values": [float(np.float32(v)) for v in value],
        "nodes_truenodeids": yes,
        "nodes_falsenodeids": no,
        "target_treeids": at_tree,
        "target_nodeids": at_node,
        "target_ids": target,
        "target_weights": [float(np.float32(w)) for w in weight],
        "n_targets": trees.value.shape[1],
    }
    if any(missing):
        attributes["nodes_missing_value_tracks_true"] = [int(m) for m in missing]
    if trees.start.any():
        attributes["base_values"] = [float(np.float32(s)) for s in trees.start]
    if graph.grid == np.float64:
        numbers = {"nodes_values": value, "target_weights": weight}
        if trees.start.any():
            numbers["base_values"] = trees.start
        for name, values in numbers.items():
            del attributes[name]
            tensor = numpy_helper.from_array(np.array(values, dtype=np.float64), name)
            attributes[f"{name}_as_tensor"] = tensor
    return graph.add("TreeEnsembleRegressor", X, domain="ai.onnx.ml", **attributes)


def _ends(trees):
    return [*trees.roots[1:], len(trees.feature)]


def add_layers(graph, X, body):
    """Add dense layers; return the name of their outputs."""
    for weight, bias, activation in body.layers:
        X = graph.add("Gemm", X, graph.constant(weight), graph.constant(bias))
        X = _ACTIVATIONS[activation](graph, X)
    return X


_ACTIVATIONS = {
    "identity": lambda graph, x: x,
    "relu": lambda graph, x: graph.add("Relu", x),
    "square": lambda graph, x: graph.add("Mul", x, x),
    "tanh": lambda graph, x: graph.add("Tanh", x),
    "logistic": lambda graph, x: graph.add("Sigmoid", x),
    "silu": lambda graph, x: graph.add("Mul", x, graph.add("Sigmoid", x)),
    "leaky-relu": lambda graph, x: graph.add("LeakyRelu", x, alpha=0.01),
    "elu": lambda graph, x: graph.add("Elu", x, alpha=1.0),
}

# -- outputs -------------------------------------------------------------------------------------


def add_outputs(graph, sums, program):
    """Add the link and the labels; return the outputs of the graph."""
    doubled = graph.dtype == np.float64 and isinstance(program.body, Layers)
    if program.classes is None:
        last = graph.cast(sums, np.float32) if doubled else sums
        graph.add("Identity", last, name=VALUES)
        width = program.link.of(np.zeros((1, _width(program.body)))).shape[1]
        return [helper.make_tensor_value_info(VALUES, FLOAT, ["n", width])]
    proba = add_link(graph, sums, program.link, _width(program.body), doubled)
    return add_labels(graph, proba, program.classes, doubled)


def _width(body):
    return body.value.shape[1] if isinstance(body, Trees) else len(body.layers[-1].bias)


def add_link(graph, sums, link, n_sums, doubled=False):
    """Add what makes probabilities of sums."""
    dtype = np.float64 if doubled else np.float32

    def times(x, value):
        return graph.add("Mul", x, graph.constant(value, dtype))

    if link.kind == "sigmoid":
        if n_sums == 1:
            sums = times(sums, [[-link.scale, link.scale]])
        return graph.add("Sigmoid", sums)
    if link.kind == "one-vs-rest":
        if doubled:  # of Softplus ONNX Runtime has none
            log = graph.add("Log", graph.add("Sigmoid", sums))
        else:
            log = times(graph.add("Softplus", times(sums, [-1.0])), [-1.0])
        return graph.add("Softmax", times(log, [link.scale]), axis=1)
    if link.kind == "proba":
        return sums if link.scale == 1 else add_power(graph, sums, link.scale, dtype)
    sums = sums if link.scale == 1 else times(sums, [link.scale])
    return graph.add("Softmax", sums, axis=1)


def add_power(graph, proba, power, dtype=np.float32):
    """Add what raises probabilities to a power and normalises them."""
    log = graph.add("Log", proba)
    return graph.add("Softmax", graph.add("Mul", log, graph.constant([power], dtype)), axis=1)


def add_labels(graph, proba, classes, doubled=False):
    """Add the outputs of a classifier: the label of the largest probability, and all of them."""
    if doubled:
        proba = graph.cast(proba, np.float32)
    if graph.nodes[-1].output[0] == proba:
        graph.nodes[-1].output[0] = PROBABILITIES
    else:
        graph.add("Identity", proba, name=PROBABILITIES)
    kind, classes = label_type(classes)
    best = graph.add("ArgMax", PROBABILITIES, axis=1, keepdims=0)
    if kind == INT64 and (classes == np.arange(len(classes))).all():
        graph.nodes[-1].output[0] = LABEL
    else:
        table = graph.constant(classes, classes.dtype)
        graph.add("Gather", table, best, axis=0, name=LABEL)
    return [
        helper.make_tensor_value_info(LABEL, kind, ["n"]),
        helper.make_tensor_value_info(PROBABILITIES, FLOAT, ["n", len(classes)]),
    ]


def label_type(classes):
    """Return the ONNX type of labels, and the labels in a form that it takes."""
    classes = np.asarray(classes)
    if classes.dtype.kind == "b":
        return TensorProto.BOOL, classes
    if classes.dtype.kind in "iu":
        return INT64, classes.astype(np.int64)
    if classes.dtype.kind == "f":
        return DOUBLE, classes.astype(np.float64)
    return TensorProto.STRING, np.array([str(c) for c in classes], dtype=object)
