"""Writing ONNX files that are kept only if they answer as the model does."""

import hashlib
import platform
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral, Real

import numpy as np

from sklearn_distill.export.files import check_writable, kept_if_proved
from sklearn_distill.export.parity import ParityError
from sklearn_distill.export.program import Layers
from sklearn_distill.export.proof import NeedsFloat64, Proof
from sklearn_distill.export.readers._model import distilled_in, student_and_decoder
from sklearn_distill.export.rows import some_of
from sklearn_distill.export.runtime import OnnxClassifier, OnnxRegressor
from sklearn_distill.export.session import (
    PROBABILITIES,
    VALUES,
    feed_of,
    packed,
    session_of,
    written_about,
)
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step

#: Rows whose answers the file carries.
N_PROBES = 16

#: By how much probabilities may differ, of int8 networks in the second place.
TOLERANCE, TOLERANCE_INT8 = 1e-5, 0.05

#: The operator sets that can be asked for: of older ones Softmax means something else.
OLDEST_OPSET = 13


def export_onnx(
    model,
    path,
    X_sample,
    *,
    quantize=None,
    inputs=None,
    opset=None,
    tolerance=None,
    metadata=None,
):
    """Write a model to an ONNX file that needs neither Python nor this package.

    The file gives ``label`` and ``probabilities`` at temperature 1, the decoding included (of a
    regressor ``values``). It takes one input ``X`` of shape (n, n_features) where all columns are
    numbers, and else one input for each column, by its name and of shape (n, 1).

    *It is proved before it is kept.* It is written under a temporary name, reloaded in ONNX
    Runtime and compared with the model: on the rows of ``X_sample``, and on rows that are made for
    it, which reach every split of every tree and stand at its threshold and at the numbers before
    and after, or have a value missing or a category that nobody knows. Where probabilities differ
    by more than the tolerance, or labels differ that are no ties, nothing is kept.

    Parameters
    ----------
    model : estimator
        A fitted :class:`~sklearn_distill.DistillationClassifier`, what its ``standalone()``
        returns, or any fitted classifier or regressor; also a Pipeline. Trees, forests, boosters
        (scikit-learn, XGBoost, LightGBM, CatBoost), linear models and networks of dense layers are
        written by this package, with scalers, imputers and encoders before them. Others are left
        to skl2onnx.
    path : str or Path
        The file. One that is there already is replaced once the new one is proved.
    X_sample : array, sparse matrix or data frame of shape (n_samples, n_features), or texts
        Rows as the model will see them: a thousand or more are a good proof. Of a data frame the
        file takes the names and categories of the columns.
    quantize : {"int8"}, default=None
        Store the weights of a network in a quarter of the bytes. Answers then differ; by how much
        is in what is returned.
    inputs : {"float32", "float64"}, default=None
        The type of inputs. None takes float32 if the answers to ``X_sample`` are the same with
        it, else float64: large numbers that differ by little, such as times in seconds, or
        thresholds that are values of the rows themselves, need more than seven digits.
    opset : int, default=None
        ONNX operator set, at least 13. None takes 17.
    tolerance : float, default=None
        Largest difference of a probability, or of a value relative to the largest one. None is
        1e-5, and 0.05 with ``quantize``.
    metadata : dict of str to str, default=None
        What the file is to say of itself beside what is known anyway. ``"licence"`` should say
        under which terms the teacher and its data stand.

    Returns
    -------
    ExportedFile
        The path, its bytes, and the largest difference that was found.

    Raises
    ------
    ParityError
        If the file answers otherwise than the model; it shows the worst row.
    NotFittedError
        If the model is not fitted.
    TypeError
        If the student is of a kind that cannot be converted.
    ValueError
        If an argument is out of its range, or ``X_sample`` are not rows that the model takes.
    OSError
        If the file cannot be written. Nothing is left behind.

    See Also
    --------
    OnnxClassifier : Opens the file as a scikit-learn classifier.
    export_c : C instead of ONNX.
    export_js : JavaScript instead of ONNX.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier
    >>> from sklearn_distill.export import export_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> model = DistillationClassifier(
    ...     RandomForestClassifier(random_state=0), DecisionTreeClassifier(max_leaf_nodes=8)
    ... ).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     file = export_onnx(model, Path(folder) / "student.onnx", X)
    >>> file.max_difference < 1e-5, file.n_rows, file.n_bytes < 4000
    (True, 150, True)
    """
    path = check_writable(path)
    _need("onnx", "onnxruntime")
    _check(quantize, inputs, opset, tolerance, metadata)
    from sklearn_distill.export.onnx_graph import OPSET

    student, decoder = student_and_decoder(model)
    if tolerance is None:
        tolerance = TOLERANCE if quantize is None else TOLERANCE_INT8
    opset = OPSET if opset is None else int(opset)
    grids = ("float32", "float64") if inputs is None else (inputs,)
    with kept_if_proved(path) as temporary:
        for grid in grids:
            proof = Proof(model, X_sample, grid)
            _check_quantize(quantize, proof, student)
            about = about_of(proof, card_of(model, student, proof, metadata or {}), tolerance)
            candidates = _candidates(proof, student, decoder, opset)
            try:
                difference = _first_proved(candidates, about, proof, quantize, temporary)
                break
            except NeedsFloat64:
                if grid == grids[-1]:
                    raise
        if len(grids) > 1 and grid == "float64":
            proof.notes.append("It takes float64, for float32 would not tell all rows apart")
    return proof.exported(path, "ONNX", difference, "ONNX Runtime")


def _first_proved(candidates, about, proof, quantize, temporary):
    """Write the first candidate that answers as the model does; return its largest difference.

    Raises
    ------
    ParityError
        What was wrong with the first, if all are wrong.
    """
    failed = []
    for candidate in candidates:
        try:
            temporary.write_bytes(_with_metadata(candidate, about, proof, quantize, temporary))
            file = (OnnxClassifier if proof.is_classifier else OnnxRegressor)(temporary)
            return proof.compare(partial(_answer, file), about["tolerance"])
        except ParityError as error:
            failed.append(error)
    raise next((e for e in failed if isinstance(e, NeedsFloat64)), failed[0])


def _answer(file, X, numbers):
    if isinstance(file, OnnxRegressor):
        return file.predict(X), None
    return file.predict_proba(X), file.predict(X)


def _check_quantize(quantize, proof, student):
    if quantize is not None and not isinstance(getattr(proof.program, "body", None), Layers):
        raise ValueError(
            f"quantize={quantize!r} is for networks and linear models, whose weights it stores in "
            f"fewer bits. Leave it out for {name_of(last_step(student))}."
        )


def _check(quantize, inputs, opset, tolerance, metadata):
    if quantize not in (None, "int8"):
        raise ValueError(f"quantize must be None or 'int8'. Got {quantize!r} instead.")
    if inputs not in (None, "float32", "float64"):
        raise ValueError(f"inputs must be 'float32', 'float64' or None. Got {inputs!r} instead.")
    if tolerance is not None and not (isinstance(tolerance, Real) and tolerance > 0):
        raise ValueError(f"tolerance must be a positive number. Got {tolerance!r} instead.")
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"metadata must be a dict. Got {name_of(metadata)} instead.")
    if opset is None:
        return
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    if not isinstance(opset, Integral) or not OLDEST_OPSET <= opset <= newest:
        raise ValueError(
            f"opset must be between {OLDEST_OPSET} and {newest}, the newest that the installed "
            f"onnx knows. Got {opset!r} instead."
        )


def _need(*packages):
    for package in packages:
        try:
            __import__(package)
        except ImportError as error:
            raise ImportError(
                f"Exporting to ONNX needs {package}: pip install 'sklearn-distill[onnx]'"
            ) from error


def about_of(proof, card, tolerance):
    """Return what the file is to say, but for the probes."""
    classes = np.asarray(proof.model.classes_) if proof.is_classifier else np.empty(0)
    plain = classes.dtype.kind in "biuf"
    labels = classes.tolist() if plain else [str(c) for c in classes]
    texts = [c for column in proof.columns for c in column.get("labels", ())]
    return {
        "format": 1,
        "task": "classifier" if proof.is_classifier else "regressor",
        "columns": proof.columns,
        "named": hasattr(proof.X, "columns"),
        "texts": proof.is_text,
        "nan_allowed": proof.nan_allowed,
        "dtype": proof.inputs,
        "missing": "" if "" not in texts else "\x00missing",
        "classes": labels,
        "class_dtype": str(classes.dtype) if plain else "object",
        "tolerance": tolerance,
        "card": card,
    }


def card_of(model, student, proof, metadata):
    """Return what a file says of the model in it, as plain values."""
    packages = ["sklearn-distill", "scikit-learn", "numpy", "onnx", "onnxruntime", "skl2onnx"]
    library = type(last_step(student)).__module__.partition(".")[0]
    if library not in ("sklearn", "builtins", "__main__"):
        packages.append(library)
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    distilled = distilled_in(model)
    teacher = getattr(distilled, "teacher_", getattr(distilled, "teacher", None))
    card = {
        "student": name_of(last_step(student)),
        "teacher": None if teacher is None else name_of(teacher),
        "temperature": _plain(getattr(distilled, "temperature_", None)),
        "alpha": _plain(getattr(distilled, "alpha_", None)),
        "sample_sha256": _digest(proof.X),
        "sample_rows": proof.n_rows,
        "versions": versions,
        "licence": "not stated: a student may be bound by the terms of its teacher and its data",
    }
    return {**card, **{str(k): str(v) for k, v in metadata.items()}}


def _plain(value):
    return None if value is None else float(value)


def _digest(X):
    digest = hashlib.sha256()
    if hasattr(X, "columns"):
        for name in X.columns:
            digest.update(str(name).encode())
            column = X[name]
            values = column.tolist() if hasattr(column, "tolist") else column.to_list()
            digest.update(repr(values).encode())
    elif hasattr(X, "toarray"):
        digest.update(np.ascontiguousarray(X.toarray()).tobytes())
    else:
        X = np.asarray(X)
        digest.update(repr(X.tolist()).encode() if X.dtype.kind in "OUS" else X.tobytes())
    return digest.hexdigest()


def _candidates(proof, student, decoder, opset):
    """Yield models in ONNX, the fastest first."""
    from sklearn_distill.export.onnx_graph import graph_of

    inputs = proof.inputs
    if proof.program is not None:
        missing = about_of(proof, {}, 0)["missing"]
        yield graph_of(proof.program, opset=opset, inputs=inputs, missing=missing)
        if inputs == "float32" and isinstance(proof.program.body, Layers):
            yield graph_of(
                proof.program, opset=opset, inputs=inputs, dtype="float64", missing=missing
            )
        return
    _need("skl2onnx")
    from sklearn_distill.export.converters import converted

    columns = None if proof.is_text else proof.columns
    yield from converted(
        student, decoder, proof.X, columns, inputs=inputs, opset=opset, reason=proof.reason
    )


def _with_metadata(model, about, proof, quantize, temporary):
    """Return the bytes of a model that carries what is known of it, and its probes."""
    if quantize:
        model = _quantized(model, temporary)
    some = some_of(proof.X, N_PROBES)
    rows = feed_of(
        some, proof.columns, dtype=about["dtype"], missing=about["missing"], texts=proof.is_text
    )
    output = PROBABILITIES if proof.is_classifier else VALUES
    try:
        session = session_of(model.SerializeToString())
        answers = session.run([output], rows)[0]
    except Exception as error:
        raise ParityError(f"The file does not run: {error}. Nothing was written.") from error
    if not np.isfinite(answers).all():
        raise ParityError(f"The file answers NaN or infinity: {answers}. Nothing was written.")
    probes = {
        "rows": {k: v.tolist() if v.dtype == object else packed(v) for k, v in rows.items()},
        "answers": packed(answers),
    }
    del model.metadata_props[:]
    for key, value in written_about({**about, "probes": probes}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    card = about["card"]
    model.doc_string = f"{card['student']}, distilled from {card['teacher']}"
    if card["teacher"] is None:
        model.doc_string = card["student"]
    return model.SerializeToString()


def _quantized(model, temporary):
    """Return a model whose weights are in int8; the library wants files for it."""
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    before = temporary.with_suffix(".float.onnx")
    logger = logging.getLogger()
    level = logger.level
    try:
        onnx.save(model, before)
        logger.setLevel(logging.ERROR)  # it advises on the root logger
        quantize_dynamic(str(before), str(temporary), weight_type=QuantType.QInt8)
        return onnx.load(temporary)
    finally:
        logger.setLevel(level)
        before.unlink(missing_ok=True)
