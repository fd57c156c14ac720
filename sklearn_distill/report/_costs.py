"""Whether a student differs by chance, and what it costs to have it."""

import time
import warnings
from typing import NamedTuple

import numpy as np

from sklearn_distill._classifier import DistillationClassifier, InformedClassifier, ask_teacher
from sklearn_distill._regressor import DistillationRegressor, InformedRegressor
from sklearn_distill.export.readers._model import distilled_in
from sklearn_distill.metrics import (
    agreement_score,
    answers_of,
    js_divergence,
    reach_distilled,
    value_distance,
)
from sklearn_distill.teachers import TeacherReader
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.cloning import clone_of
from sklearn_distill.utils.rows import indexable_rows

#: Seconds of predictions of which the energy is measured.
SECONDS_OF_ENERGY = 3.0


class Stability(NamedTuple):
    """How much students differ that were distilled from other samples of the training rows.

    Attributes
    ----------
    n_students : int
    agreement : float
        The mean share of test rows on which two of them choose the same class; NaN of values.
    divergence : float
        The mean Jensen-Shannon divergence of two of them, in nats; of values the mean
        :func:`~sklearn_distill.metrics.value_distance`.
    label_seconds, fit_seconds : float
        What the teacher took for its labels (NaN if they came out of a cache), and a student for
        its fit.
    """

    n_students: int
    agreement: float
    divergence: float
    label_seconds: float
    fit_seconds: float


def why_not_distilled_again(model, asked_for):
    """Return why a model is not distilled again from samples; nothing if it is.

    Parameters
    ----------
    model : estimator
    asked_for : bool
        Whether the user wants it though a teacher has to be fitted for it.
    """
    last = distilled_in(model)
    if not isinstance(last, DistillationClassifier | DistillationRegressor):
        return (
            "the model is no DistillationClassifier or DistillationRegressor, so nobody knows how "
            "it was distilled"
        )
    if last.alpha_ == 0:
        return "the student learned from labels alone (alpha=0)"
    if last.teacher is None:
        return "the teacher is not here to label the training rows again"
    if not asked_for and not TeacherReader.of(last.teacher).fitted and last.memory is None:
        return (
            "the teacher came unfitted, and would have to be fitted again to label the training "
            "rows. Pass stability=5 to have it so, or distil with memory=..."
        )
    return ""


def distil_again(model, X, y, X_test, n_students, seed):
    """Distil students from samples of the training rows, with the labels that were asked once.

    Parameters
    ----------
    model : fitted distillation
    X, y : training rows and labels
    X_test : rows
    n_students : int
    seed : int

    Returns
    -------
    Stability
    """
    last, rows = reach_distilled(model, X)
    _, test = reach_distilled(model, X_test)
    # A fitted teacher is asked anew, which takes the time that is looked for. The fits of an
    # unfitted one are taken from the cache, and how long they took nobody knows.
    memory = None if TeacherReader.of(last.teacher).fitted else last.memory
    start = time.perf_counter()
    of_values = isinstance(last, DistillationRegressor)
    # What the teacher is asked for depends on the trust in it, if that is by deviation.
    asking = (DistillationRegressor if of_values else DistillationClassifier)._like(
        last, alpha=1.0, memory=memory, augmenter=None, verbose=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever there was to be said was said in fit
        classes, said = ask_teacher(asking, rows, y)
        label_seconds = time.perf_counter() - start if memory is None else np.nan
        said = said._replace(reader=None)
        rng, y, rows = np.random.default_rng(seed), np.asarray(y), indexable_rows(rows)
        answers, fit_seconds = [], []
        for _ in range(n_students):
            again = (InformedRegressor if of_values else InformedClassifier)._like(
                last,
                teacher=None,
                student=clone_of(last.student),
                alpha=last.alpha_,
                augmenter=None,
                cv=None,
                memory=None,
                verbose=0,
            )
            if of_values:
                drawn = rng.integers(0, len(y), len(y))
            else:
                again.temperature = last.temperature_
                drawn = _draw_with_every_class(rng, np.searchsorted(classes, y))
            again.said = said._replace(log_proba=said.log_proba[drawn])
            start = time.perf_counter()
            again.fit(take_rows(rows, drawn), y[drawn])
            fit_seconds.append(time.perf_counter() - start)
            answers.append(answers_of(again, test))
    pairs = [(a, b) for i, a in enumerate(answers) for b in answers[:i]]
    distance = value_distance if of_values else js_divergence
    return Stability(
        n_students,
        np.nan if of_values else float(np.mean([agreement_score(*pair) for pair in pairs])),
        float(np.mean([distance(*pair) for pair in pairs])),
        label_seconds,
        float(np.median(fit_seconds)),
    )


def _draw_with_every_class(rng, labels):
    """Return positions drawn with replacement, with a row of every class at least."""
    drawn = rng.integers(0, len(labels), len(labels))
    missing = np.setdiff1d(labels, labels[drawn])
    for i, k in enumerate(missing):
        drawn[i] = rng.choice(np.flatnonzero(labels == k))
    return drawn


def break_even(stability, teacher, student):
    """Return after how many predictions labelling and training have paid for themselves.

    Parameters
    ----------
    stability : Stability
    teacher, student : Footprint

    Returns
    -------
    float
        Infinite if the student is no faster; NaN if nobody knows what the labels took.
    """
    saved = teacher.latency.p50 - student.latency.p50
    return (stability.label_seconds + stability.fit_seconds) / saved if saved > 0 else np.inf


def energy_ratio(teacher, student, X):
    """Return how many times the energy of a student a teacher needs for the same rows.

    codecarbon measures it, whose readings err by up to 40 % (arXiv:2509.22092); of a ratio of two
    readings on one machine a part of the error cancels.

    Parameters
    ----------
    teacher, student : Artefact
    X : rows

    Returns
    -------
    float

    Raises
    ------
    ImportError
        If codecarbon is not installed.
    """
    from codecarbon import OfflineEmissionsTracker

    def energy_of_row(artefact):
        rows, n = artefact.prepare(X), 0
        tracker = OfflineEmissionsTracker(
            country_iso_code="USA", save_to_file=False, log_level="critical", measure_power_secs=1
        )
        tracker.start()
        end = time.perf_counter() + SECONDS_OF_ENERGY
        while time.perf_counter() < end:
            artefact.answer(rows)
            n += 1
        tracker.stop()
        return tracker.final_emissions_data.energy_consumed / n

    return energy_of_row(teacher) / energy_of_row(student)
