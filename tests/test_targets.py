"""The mathematics of targets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import log_softmax, softmax

from sklearn_distill.targets import SoftTargets, temper, untemper
from sklearn_distill.teachers import PROBABILITY_FLOOR, log_of_proba

LOGITS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.floats(-8, 8),
)
TEMPERATURES = st.floats(0.25, 20)


def targets(proba, labels, *, alpha=0.5, temperature=1.0, sample_weight=None):
    return SoftTargets(
        np.arange(proba.shape[1]), labels, np.log(proba), alpha, temperature, sample_weight
    )


@given(LOGITS, TEMPERATURES)
def test_tempering_probabilities_is_dividing_logits(logits, temperature):
    np.testing.assert_allclose(
        temper(softmax(logits, axis=1), temperature),
        softmax(logits / temperature, axis=1),
        atol=1e-12,
    )


@given(LOGITS, TEMPERATURES)
def test_untempering_undoes_tempering(logits, temperature):
    proba = softmax(logits, axis=1)
    np.testing.assert_allclose(untemper(temper(proba, temperature), temperature), proba, atol=1e-9)


@given(LOGITS, TEMPERATURES)
def test_tempering_keeps_the_order_of_the_classes(logits, temperature):
    # Rounded, so that no two logits are closer than rounding errors.
    proba = softmax(np.round(logits, 1), axis=1)
    tempered = temper(proba, temperature)
    assert (np.sign(np.diff(np.round(logits, 1))) * np.diff(tempered) >= 0).all()


def test_temperature_one_returns_the_very_array():
    proba = np.array([[0.2, 0.8]])
    assert temper(proba, 1) is proba


def test_tempering_survives_extremes():
    tiny = np.array([[1e-300, 1 - 1e-300], [0.0, 1.0]])
    np.testing.assert_allclose(temper(tiny, 0.01), [[0, 1], [0, 1]])
    assert np.isfinite(temper(tiny, 100)).all()


@given(LOGITS, st.floats(0, 1))
def test_the_blend_is_linear_and_sums_to_one(logits, alpha):
    proba = softmax(logits, axis=1)
    labels = proba.argmin(axis=1)
    one_hot = np.eye(proba.shape[1])[labels]
    blended = targets(proba, labels, alpha=alpha).blended()
    np.testing.assert_allclose(blended, (1 - alpha) * one_hot + alpha * proba, atol=1e-12)
    np.testing.assert_allclose(blended.sum(axis=1), 1)


def test_rows_without_labels_are_the_teachers_alone():
    proba = np.array([[0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    blended = targets(proba, np.array([0]), alpha=0.25).blended()
    np.testing.assert_allclose(blended, [[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])


@given(LOGITS, TEMPERATURES, st.floats(0.1, 1))
def test_tempered_logits_are_the_logits_of_the_tempered_targets(logits, temperature, alpha):
    proba = softmax(logits, axis=1)
    record = targets(proba, proba.argmax(axis=1), alpha=alpha, temperature=temperature)
    np.testing.assert_allclose(
        log_softmax(record.tempered_logits(), axis=1), np.log(record.tempered()), atol=1e-9
    )
    np.testing.assert_allclose(record.tempered_logits().mean(axis=1), 0, atol=1e-9)


def test_the_record_does_not_change_its_ingredients():
    proba = np.array([[0.2, 0.8], [0.6, 0.4]])
    record = targets(proba, np.array([0, 1]), temperature=3.0)
    before = record.log_proba.copy()
    record.blended(), record.tempered(), record.tempered_logits()
    np.testing.assert_array_equal(record.log_proba, before)


def test_rows_without_labels_weigh_as_much_as_the_mean_row():
    proba = np.full((4, 2), 0.5)
    record = targets(proba, np.array([0, 1]), sample_weight=np.array([1.0, 3.0]))
    np.testing.assert_array_equal(record.row_weight(), [1, 3, 2, 2])
    equal = targets(proba, np.array([0, 1]), sample_weight=np.array([2.0, 2.0]))
    assert equal.row_weight() is None


def test_the_floor_makes_zeros_finite_and_keeps_the_rest():
    log_proba = log_of_proba(np.array([[0.0, 1.0], [0.3, 0.7]]))
    np.testing.assert_allclose(np.exp(log_proba).sum(axis=1), 1)
    assert np.exp(log_proba[0, 0]) == pytest.approx(PROBABILITY_FLOOR, rel=1e-3)
    np.testing.assert_allclose(np.exp(log_proba[1]), [0.3, 0.7])


def test_a_floored_zero_does_not_jump_into_the_blend():
    # The floor belongs to the teacher: its share of the blend vanishes with alpha.
    log_proba = log_of_proba(np.array([[0.0, 1.0]]))
    for alpha in (1e-3, 1e-6):
        record = SoftTargets(np.arange(2), np.array([1]), log_proba, alpha, 1.0)
        assert record.blended()[0, 0] == pytest.approx(alpha * PROBABILITY_FLOOR, rel=1e-3)
