"""What has no program, by the converters of skl2onnx, with the decoder added behind them."""

import warnings

import numpy as np
from onnx import TensorProto, compose, helper

from sklearn_distill.decoding import LogitDecoder
from sklearn_distill.export.onnx_graph import (
    IR_VERSION,
    ML_OPSET,
    Graph,
    add_labels,
    add_link,
    add_power,
    graph_of,
)
from sklearn_distill.export.program import Link, Program
from sklearn_distill.export.readers._columns import Columns
from sklearn_distill.export.readers._model import READABLE, decoded, read_last_step
from sklearn_distill.export.session import ROWS, TEXT, VALUES
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import head_and_last, last_step


def converted(student, decoder, X, columns, *, inputs, opset, reason):
    """Yield ModelProtos of a student that has no program as a whole, likeliest first.

    Parameters
    ----------
    student : estimator
        Fitted.
    decoder : Decoder or None
    X : rows
        The sample.
    columns : list of dict or None
        Of each column the name, and ``labels`` if it holds text; None where each row is a text.
    inputs : {"float32", "float64"}
    opset : int
    reason : str
        Why there is no program, for the error.

    Raises
    ------
    TypeError
        If skl2onnx cannot convert it either.
    """
    head, last = head_and_last(student)
    said, found = [f"our own exporter does not read {reason}"], False
    for double in (False, True) if inputs == "float32" else (True,):
        types = _types(columns, double)
        narrow = double and inputs == "float32"
        if head is not None:
            try:
                model = _head_and_tail(head, last, decoder, X, types, opset)
            except Exception as error:  # converters fail in all possible ways
                said.append(f"skl2onnx for what is before {name_of(last)}: {_first_line(error)}")
            else:
                found = True
                yield _taking_float32(model) if narrow else model
        try:
            model = _whole(student, decoder, types, opset)
        except Exception as error:
            said.append(f"skl2onnx for all: {_first_line(error)}")
        else:
            found = True
            yield _taking_float32(model) if narrow else model
    if found:
        return
    said = list(dict.fromkeys(said))
    raise TypeError(
        f"{name_of(last_step(student))} cannot be exported to ONNX ({'; '.join(said)}). Exported "
        f"can be: {READABLE}; and what skl2onnx converts."
    )


def _first_line(error):
    return f"{name_of(error)}: {str(error).strip().partition(chr(10))[0][:200]}"


def _types(columns, double):
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = DoubleTensorType if double else FloatTensorType
    if columns is None:
        return [(TEXT, StringTensorType([None, 1]))]
    if not any("labels" in c for c in columns):
        return [(ROWS, number([None, len(columns)]))]
    return [
        (c["name"], StringTensorType([None, 1]) if "labels" in c else number([None, 1]))
        for c in columns
    ]


def _convert(model, types, opset, options=None):
    from skl2onnx import convert_sklearn

    # Not every machine has the locale that lower case is made with by default.
    plain = {id(step): {"locale": "C"} for step in _vectorizers(model)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that scikit-learn is about to rename
        model = convert_sklearn(
            model,
            initial_types=types,
            options={**plain, **(options or {})},
            target_opset={"": opset, "ai.onnx.ml": ML_OPSET},
        )
    model.ir_version = IR_VERSION
    # It declares the oldest sets that would do.
    del model.opset_import[:]
    domains = {"": opset, "ai.onnx.ml": ML_OPSET}
    domains |= {node.domain: 1 for node in model.graph.node if node.domain not in domains}
    model.opset_import.extend(helper.make_opsetid(*each) for each in domains.items())
    return model


def _vectorizers(model):
    """Yield the vectorizers of text in a model, however deep."""
    from sklearn.feature_extraction.text import CountVectorizer

    for step in (model, *model.get_params().values()):
        if isinstance(step, CountVectorizer):
            yield step


def _head_and_tail(head, last, decoder, X, types, opset):
    """Return the transformers as skl2onnx converts them, and the last step as we do."""
    from sklearn_distill.export.rows import some_of

    width = head.transform(some_of(X, 2)).shape[1]
    columns = Columns([f"x{i}" for i in range(width)], [None] * width)
    body, link, features = read_last_step(last, columns.raw(), columns)
    program = decoded(Program(columns.inputs(), tuple(features), body, link), decoder)
    before = _convert(head, types, opset)
    (made,) = before.graph.output
    kind = made.type.tensor_type.elem_type
    inputs = "float64" if kind == TensorProto.DOUBLE else "float32"
    # Two graphs of one model must not share names; the outputs keep theirs.
    after = graph_of(program, opset=opset, inputs=inputs)
    kept = {output.name for output in after.graph.output}
    _rename(after, lambda name: name if name in kept else f"student_{name}")
    return compose.merge_models(before, after, io_map=[(made.name, f"student_{ROWS}")])


def _rename(model, new):
    """Give every value of a graph the name that a function makes of its old one."""
    graph = model.graph
    for node in graph.node:
        node.input[:] = [new(name) if name else name for name in node.input]
        node.output[:] = map(new, node.output)
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = new(value.name)


def _taking_float32(model):
    """Return a model of double precision that widens its inputs itself."""
    casts = []
    for given in model.graph.input:
        if given.type.tensor_type.elem_type != TensorProto.DOUBLE:
            continue
        wide = f"{given.name}_double"
        for node in model.graph.node:
            node.input[:] = [wide if name == given.name else name for name in node.input]
        casts.append(helper.make_node("Cast", [given.name], [wide], to=TensorProto.DOUBLE))
        given.type.tensor_type.elem_type = TensorProto.FLOAT
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _whole(student, decoder, types, opset):
    """Return a student as skl2onnx converts it, with what its decoder does added behind."""
    bare = last_step(student)
    options = None
    if hasattr(bare, "predict_proba"):
        options = {id(bare): {"zipmap": False}}
    model = _convert(student, types, opset, options)
    taken = {output.name for output in model.graph.output}
    _rename(model, lambda name: f"student_{name}" if name in taken else name)
    given = model.graph.output[-1]
    kind = given.type.tensor_type.elem_type
    double = kind == TensorProto.DOUBLE
    graph = Graph()
    graph.nodes = list(model.graph.node)
    dtype = np.float64 if double else np.float32
    graph.constants = list(model.graph.initializer)
    outputs = _outputs(graph, given.name, decoder, student, dtype)
    del model.graph.node[:], model.graph.output[:], model.graph.initializer[:]
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)
    model.graph.output.extend(outputs)
    return model


def _outputs(graph, given, decoder, student, dtype):
    double = dtype == np.float64
    if decoder is None:
        last = graph.cast(given, np.float32) if double else given
        graph.add("Identity", last, name=VALUES)
        return [helper.make_tensor_value_info(VALUES, TensorProto.FLOAT, ["n", None])]
    if isinstance(decoder, LogitDecoder):
        one = len(decoder.classes) == 2
        link = Link("sigmoid" if one else "softmax", decoder.scale)
        proba = add_link(graph, given, link, 1 if one else len(decoder.classes), double)
        return add_labels(graph, proba, decoder.classes, double)
    proba = given
    if decoder.columns is not None:
        order = graph.constant(decoder.columns, np.int64)
        proba = graph.add("Gather", proba, order, axis=1)
    if decoder.normalize and decoder.power == 1:
        total = graph.add("ReduceSum", proba, graph.constant([1], np.int64), keepdims=1)
        proba = graph.add("Div", proba, total)
    if decoder.power != 1:
        proba = add_power(graph, proba, decoder.power, dtype)
    return add_labels(graph, proba, decoder.classes, double)
