"""What a model weighs and how long it takes, measured on what would be shipped."""

import pickle
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from sklearn_distill.export import OnnxClassifier, OnnxRegressor, ParityError, export_onnx
from sklearn_distill.export.readers._model import rows_of_student, standalone_of
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import is_of_kind
from sklearn_distill.utils.rows import indexable_rows, n_rows, take_some

ARTEFACTS = ("auto", "onnx", "pickle")

#: Rows on which an exported file is compared, single rows that are timed, and rows of a batch.
SAMPLE_ROWS, TIMED_ROWS, BATCH_ROWS = 1000, 64, 1000

#: Calls whose times are not counted, after the first one.
WARM_UP = 5


class Latency(NamedTuple):
    """Seconds for a single row: median, high quantiles, and the very first call."""

    p50: float
    p95: float
    p99: float
    first: float


class Artefact(NamedTuple):
    """A model as it would be shipped.

    Attributes
    ----------
    kind : {"onnx", "pickle", "as it is"}
    n_bytes : int or None
    answer : callable
        Gives probabilities, or values, of what ``prepare`` has made of rows.
    note : str
        Why it is no ONNX file, if that was wanted; else empty.
    prepare : callable
        Brings rows into the form in which they reach the model where it runs. Its time is not
        counted: there are no data frames on a phone.
    """

    kind: str
    n_bytes: int | None
    answer: Callable
    note: str = ""
    prepare: Callable = lambda X: X


@dataclass(frozen=True)
class Footprint:
    """What a model needs.

    Parameters
    ----------
    artefact : {"onnx", "pickle", "as it is"}
        What was measured: an ONNX file in ONNX Runtime, the pickle of the model without its
        teacher, or the object in memory.
    n_bytes : int or None
        Of the file; None if the model cannot be pickled.
    latency : Latency
        Seconds for a single row, on one thread of NumPy and BLAS.
    throughput : float
        Rows per second in a batch.
    peak_memory : int
        Bytes that Python and NumPy allocate for a batch, at most; a runtime's own are not seen.
    note : str
        Why it is no ONNX file.
    """

    artefact: str
    n_bytes: int | None
    latency: Latency
    throughput: float
    peak_memory: int
    note: str = ""


def artefact_of(model, X, kind="auto"):
    """Return a fitted model in the form in which it would be shipped.

    Parameters
    ----------
    model : estimator
        A distilled one is taken without its teacher.
    X : rows
        With which an exported file is compared.
    kind : {"auto", "onnx", "pickle"}
        "auto" is an ONNX file where the extra is installed and the model can be written to one,
        and else a pickle.

    Returns
    -------
    Artefact

    Raises
    ------
    ImportError, TypeError, ParityError
        With ``kind="onnx"``, if there can be no such file.
    """
    check_artefact(kind)
    why, prepare = "", partial(rows_of_student, model)
    model, X = standalone_of(model), prepare(X)
    if kind != "pickle":
        try:
            exported = _exported(model, take_some(X, SAMPLE_ROWS))
            return exported._replace(prepare=lambda X: exported.prepare(prepare(X)))
        except (ImportError, TypeError, ValueError, ParityError) as error:
            if kind == "onnx":
                raise
            why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    written = pickle.dumps(model)
    return Artefact("pickle", len(written), _answering(pickle.loads(written)), why, prepare)


def _exported(model, X):
    with tempfile.TemporaryDirectory() as folder:
        file = export_onnx(model, Path(folder) / "model.onnx", X)
        opened = (OnnxClassifier if gives_probabilities(model) else OnnxRegressor)(file.path)
    if isinstance(X, np.ndarray):
        return Artefact("onnx", file.n_bytes, _answering(opened))
    return Artefact("onnx", file.n_bytes, opened.run, prepare=opened.feed)


def as_it_is(model):
    """Return a model as an artefact that is not shipped: the teacher as it is used today."""
    try:
        n_bytes = len(pickle.dumps(model))
    except Exception:  # whatever a foreign object raises: the size is then not known
        n_bytes = None
    return Artefact("as it is", n_bytes, _answering(model))


def gives_probabilities(model):
    """Tell whether what a model has to say is probabilities, and not values."""
    return not is_of_kind(model, "regressor")


def _answering(model):
    return model.predict_proba if gives_probabilities(model) else model.predict


def check_artefact(kind):
    """Raise ValueError if there is no such kind of artefact."""
    if kind not in ARTEFACTS:
        raise ValueError(f"artefact must be one of {list(ARTEFACTS)}. Got {kind!r} instead.")


def measure(artefacts, X, *, seconds=1.0, max_calls=500):
    """Measure artefacts side by side: a call of each in turn, so that noise meets all of them.

    Parameters
    ----------
    artefacts : dict of str to Artefact
    X : rows
    seconds : float
        For the single rows of an artefact, after which no more are timed.
    max_calls : int
        Single rows that are timed at most.

    Returns
    -------
    footprints : dict of str to Footprint
    """
    X = indexable_rows(X)
    positions = np.linspace(0, n_rows(X) - 1, min(TIMED_ROWS, n_rows(X))).astype(int)
    singles = [take_rows(X, positions[i : i + 1]) for i in range(len(positions))]
    batch = take_some(X, BATCH_ROWS)
    with threadpool_limits(1):
        latencies = _latencies(artefacts, singles, seconds, max_calls)
        found = {}
        for name, artefact in artefacts.items():
            rows = artefact.prepare(batch)
            found[name] = Footprint(
                artefact.kind,
                artefact.n_bytes,
                latencies[name],
                n_rows(batch) / _seconds(artefact.answer, rows),
                _peak_memory(artefact.answer, rows),
                artefact.note,
            )
    return found


def _latencies(artefacts, singles, seconds, max_calls):
    ready = {name: [a.prepare(row) for row in singles] for name, a in artefacts.items()}
    taken = {name: [] for name in artefacts}
    spent = dict.fromkeys(artefacts, 0.0)
    for turn in range(max_calls + WARM_UP + 1):
        waiting = [name for name in artefacts if spent[name] < seconds]
        for name in waiting:
            took = _seconds(artefacts[name].answer, ready[name][turn % len(singles)])
            taken[name].append(took)
            spent[name] += took
        if not waiting:
            break
    return {name: _latency(times) for name, times in taken.items()}


def _seconds(answer, rows):
    start = time.perf_counter()
    answer(rows)
    return time.perf_counter() - start


def _latency(times):
    # Of a model so slow that there was time for a few calls only, all of them count.
    warm = times[WARM_UP + 1 :] or times
    return Latency(*map(float, np.percentile(warm, [50, 95, 99])), first=float(times[0]))


def _peak_memory(answer, rows):
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        answer(rows)
        return max(tracemalloc.get_traced_memory()[1] - before, 0)
    finally:
        if not was_tracing:
            tracemalloc.stop()
