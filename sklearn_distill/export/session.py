"""ONNX Runtime, and the form in which rows are handed to it."""

import base64
import json
import zlib

import numpy as np
from scipy import sparse

from sklearn_distill.export.readers._columns import is_missing

#: What a file takes: all columns at once where they are numbers, or texts.
ROWS, TEXT = "X", "text"

#: What a file gives.
LABEL, PROBABILITIES, VALUES = "label", "probabilities", "values"


#: Where a file keeps what is known of it: what people look for in plain words, the rest, which
#: may be half of a small file, compressed.
CARD, METADATA = "card", "sklearn_distill"


def written_about(about):
    """Return what is known of a file as the texts that are kept in it, by name.

    Parameters
    ----------
    about : dict
        Its ``card`` stays legible.

    Returns
    -------
    dict of str to str
    """
    rest = {key: value for key, value in about.items() if key != CARD}
    coded = zlib.compress(json.dumps(rest, separators=(",", ":")).encode(), 9)
    return {CARD: json.dumps(about[CARD]), METADATA: base64.b64encode(coded).decode()}


def read_about(texts):
    """Return what :func:`written_about` has written; None if these are the texts of others."""
    if METADATA not in texts or CARD not in texts:
        return None
    rest = json.loads(zlib.decompress(base64.b64decode(texts[METADATA])))
    return {**rest, CARD: json.loads(texts[CARD])}


def packed(array):
    """Return an array as text."""
    array = np.ascontiguousarray(array)
    coded = base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": coded}


def unpacked(coded):
    """Return an array that :func:`packed` has written."""
    data = zlib.decompress(base64.b64decode(coded["data"]))
    return np.frombuffer(data, dtype=coded["dtype"]).reshape(coded["shape"])


def feed_of(X, columns, *, dtype=np.float32, missing="", texts=False):
    """Return rows as an ONNX session takes them.

    Parameters
    ----------
    X : array, sparse matrix or data frame
    columns : list of dict
        The name of each column, and its ``labels`` if it holds text.
    dtype : dtype
        Of the numbers.
    missing : str
        What stands for a missing value in a column of text.
    texts : bool, default=False
        Whether each row is a text.

    Returns
    -------
    dict of str to ndarray
    """
    if texts:
        return {TEXT: np.array([str(x) for x in X], dtype=object)[:, None]}
    text = any("labels" in column for column in columns)
    if not text:
        return {ROWS: np.ascontiguousarray(_numbers(X, columns), dtype=dtype)}
    feed = {}
    for j, column in enumerate(columns):
        values = X[column["name"]] if hasattr(X, "columns") else np.asarray(X, object)[:, j]
        if "labels" in column:
            values = values.tolist() if hasattr(values, "tolist") else values.to_list()
            values = [missing if is_missing(v) else str(v) for v in values]
            feed[column["name"]] = np.array(values, dtype=object)[:, None]
        else:
            feed[column["name"]] = np.asarray(values, dtype=dtype)[:, None]
    return feed


def _numbers(X, columns):
    if sparse.issparse(X):
        return X.toarray()
    if not hasattr(X, "columns"):
        return X
    return np.column_stack([np.asarray(X[c["name"]], dtype=np.float64) for c in columns])


def session_of(model, n_jobs=None):
    """Return an ONNX Runtime session for the bytes of a model.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    ValueError
        If the bytes are no model, a damaged one, or one that this release cannot run.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "ONNX files run in onnxruntime, which is not installed: "
            "pip install 'sklearn-distill[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    # One row is done before another thread would have begun.
    options.intra_op_num_threads = 1 if n_jobs is None else max(0, n_jobs)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each kind of failure
        raise ValueError(
            f"onnxruntime {onnxruntime.__version__} cannot load this model: {error}. The file is "
            "no ONNX model, is damaged, or was written for a newer release."
        ) from error
