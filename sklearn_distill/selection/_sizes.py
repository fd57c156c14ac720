"""What candidates weigh, measured before any is compared."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from sklearn_distill.candidates import Candidate
from sklearn_distill.footprint import artefact_of, measure
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.progress import track
from sklearn_distill.utils.rows import indexable_rows, take_some

#: Rows on which the size of a candidate is measured, before any is compared.
ROWS_TO_MEASURE = 4000


class Sized(NamedTuple):
    """A candidate and its artefact; without any if a smaller one of its kind was too large."""

    candidate: Candidate
    n_bytes: float
    latency: float
    kind: str


def measured(candidates, X, y, artefact, max_bytes, verbose):
    """Return the candidates with their sizes, on a fit to some of the rows."""
    X = indexable_rows(X)
    some = _some_rows(y, ROWS_TO_MEASURE)
    X_some, y_some = take_rows(X, some), y[some]
    made, too_large = {}, {}
    for candidate in track(candidates, total=len(candidates), text="sizes", verbose=verbose):
        if candidate.size and candidate.size >= too_large.get(candidate.kind, np.inf):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence: it is fitted for its size
            model = clone(candidate.estimator).fit(X_some, y_some)
        made[candidate.name] = artefact_of(model, X_some, artefact)
        if max_bytes is not None and made[candidate.name].n_bytes > max_bytes and candidate.size:
            least = min(candidate.size, too_large.get(candidate.kind, np.inf))
            too_large[candidate.kind] = least
    footprints = measure(made, take_some(X_some, 64), seconds=0.1, max_calls=200)
    sized = []
    for candidate in candidates:
        of = footprints.get(candidate.name)
        known = (np.nan, np.nan, "") if of is None else (of.n_bytes, of.latency.p50, of.artefact)
        sized.append(Sized(candidate, *known))
    return sized


def _some_rows(y, most):
    """Return positions of so many rows, each class in its share and at least ten of it.

    Of values that are no labels, or that are many, the rows are drawn.
    """
    if len(y) <= most:
        return np.arange(len(y))
    rng = np.random.default_rng(0)
    if y.ndim > 1 or len(np.unique(y)) > most / 10:
        return np.sort(rng.choice(len(y), most, replace=False))
    kept = []
    for label in np.unique(y):
        own = np.flatnonzero(y == label)
        n = min(len(own), max(10, round(len(own) * most / len(y))))
        kept.append(rng.choice(own, n, replace=False))
    return np.sort(np.concatenate(kept))


def within_budget(sized, max_bytes, max_latency):
    """Return the candidates that meet the budget, or say which one comes nearest."""
    known = [s for s in sized if np.isfinite(s.n_bytes)]
    kept = [
        s
        for s in known
        if (max_bytes is None or s.n_bytes <= max_bytes)
        and (max_latency is None or s.latency <= max_latency)
    ]
    if kept:
        return kept

    def excess(s):
        of_bytes = s.n_bytes / max_bytes if max_bytes is not None else 0.0
        return max(of_bytes, s.latency / max_latency if max_latency is not None else 0.0)

    nearest = min(known, key=excess)
    limits = []
    if max_bytes is not None:
        limits.append(f"{max_bytes:,} bytes")
    if max_latency is not None:
        limits.append(f"{max_latency * 1e6:.3g} µs a row")
    hint = "" if nearest.kind == "onnx" else " Install the onnx extra: its files are far smaller."
    raise ValueError(
        f"No candidate is within {' and '.join(limits)}. The nearest is {nearest.candidate.name}: "
        f"{nearest.n_bytes:,} bytes ({nearest.kind}) and {nearest.latency * 1e6:.3g} µs a row. "
        f"Raise the budget, or pass smaller candidates.{hint}"
    )
