"""The mathematics of targets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import log_softmax, softmax

from sklearn_distill.decoding import fit_power
from sklearn_distill.targets import SoftTargets
from sklearn_distill.tempering import lift_zeros, temper, untemper

LOGITS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.floats(-8, 8),
)
TEMPERATURES = st.floats(0.25, 20)


def targets(proba, labels, *, alpha=0.5, temperature=1.0, sample_weight=None):
    return SoftTargets.from_alpha(
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


def test_the_record_does_not_change_its_ingredients():
    proba = np.array([[0.2, 0.8], [0.6, 0.4]])
    record = targets(proba, np.array([0, 1]), temperature=3.0)
    before = record.log_proba.copy()
    record.blended(), record.tempered(), record.log_blended(1e-3), record.mass()
    record.with_class_weight([1, 3])
    np.testing.assert_array_equal(record.log_proba, before)


def test_the_blend_is_exact_where_probabilities_underflow():
    log_proba = np.array([[0.0, -2000.0, -2400.0]])
    record = SoftTargets.from_alpha(np.arange(3), np.array([0]), log_proba, 1.0, 1000.0)
    expected = softmax([[0.0, -2.0, -2.4]], axis=1)
    np.testing.assert_allclose(record.tempered(), expected, rtol=1e-12)


def test_without_a_teacher_the_blend_is_the_labels():
    record = SoftTargets.from_alpha(np.arange(3), np.array([2, 0]), None, 0.0, 4.0)
    np.testing.assert_array_equal(record.blended(), np.eye(3)[[2, 0]])
    np.testing.assert_array_equal(record.tempered(), np.eye(3)[[2, 0]])


def test_rows_without_labels_weigh_as_much_as_the_mean_row():
    proba = np.full((4, 2), 0.5)
    record = targets(proba, np.array([0, 1]), sample_weight=np.array([1.0, 3.0]))
    np.testing.assert_array_equal(record.row_weight, [1, 3, 2, 2])
    np.testing.assert_array_equal(record.row_alpha, [0.5, 0.5, 1, 1])
    assert (targets(proba, np.array([0, 1])).row_weight == 1).all()


@given(LOGITS, st.floats(0, 1), st.integers(0, 3))
def test_class_weights_are_a_blend_with_other_ingredients(logits, alpha, n_unlabeled):
    proba = softmax(logits, axis=1)
    n_labeled = max(len(proba) - n_unlabeled, 1)
    labels = proba.argmin(axis=1)[:n_labeled]
    c = 0.25 + np.arange(proba.shape[1])
    weight = 1.0 + np.arange(n_labeled)
    record = targets(proba, labels, alpha=alpha, sample_weight=weight)
    weighted = record.with_class_weight(c)
    expected = c * record.blended()
    total = expected.sum(axis=1)
    np.testing.assert_allclose(weighted.blended(), expected / total[:, None], atol=1e-12)
    np.testing.assert_allclose(weighted.row_weight, record.row_weight * total, rtol=1e-12)
    np.testing.assert_allclose(np.exp(weighted.log_proba).sum(axis=1), 1, rtol=1e-12)
    # Hinton's loss in particular is the weighted one: labels c_y, teacher sum(c p).
    of_label = weighted.row_weight[:n_labeled] * (1 - weighted.row_alpha[:n_labeled])
    np.testing.assert_allclose(of_label, weight * (1 - alpha) * c[labels], atol=1e-9)
    np.testing.assert_allclose(
        (weighted.row_weight * weighted.row_alpha)[:n_labeled],
        weight * alpha * (proba @ c)[:n_labeled],
        atol=1e-9,
    )


def test_class_weights_may_be_zero():
    proba = np.array([[1.0 - 1e-12, 1e-12], [0.5, 0.5]])
    record = targets(proba, np.array([0, 1]), alpha=0.5).with_class_weight([0, 2])
    np.testing.assert_allclose(record.blended()[1], [0, 1], atol=1e-12)
    assert np.isfinite(record.row_weight).all()
    hard = SoftTargets.from_alpha(np.arange(2), np.array([0, 1]), None, 0.0)
    np.testing.assert_array_equal(hard.with_class_weight([0, 2]).row_weight, [0, 2])


@given(LOGITS, st.floats(0.05, 0.95), st.floats(1e-6, 0.1))
def test_the_floor_of_labels_has_their_share(logits, alpha, floor):
    proba = softmax(logits, axis=1)
    record = targets(proba, proba.argmax(axis=1), alpha=alpha)
    log_m, least = record.log_blended(floor), (1 - alpha) * floor / proba.shape[1]
    np.testing.assert_allclose(np.exp(log_m), np.maximum(record.blended(), least), rtol=1e-9)
    alone = targets(proba, proba.argmax(axis=1), alpha=1)
    np.testing.assert_array_equal(alone.log_blended(floor), alone.log_blended())


# -- rows of which the teacher says nothing ----------------------------------------------------

NOTHING = np.full(3, np.nan)


@pytest.mark.parametrize("others", ["soft", "zeros", "unknown"])
def test_lifting_keeps_rows_of_nothing_and_does_not_look_at_them(others):
    rows = {
        "soft": [[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]],
        "zeros": [[0.0, 0.3, 0.7], [1.0, 0.0, 0.0]],
        "unknown": [[np.nan, 0.3, 0.7], [1.0, np.nan, 0.0]],
    }
    with np.errstate(divide="ignore"):
        log_proba = np.log(rows[others])
    alone = lift_zeros(log_proba, 2e-4)
    together = lift_zeros(np.vstack([NOTHING, log_proba, NOTHING]), 2e-4)
    np.testing.assert_array_equal(together, np.vstack([NOTHING, alone, NOTHING]))


@given(LOGITS, st.floats(0, 1), TEMPERATURES)
def test_rows_of_nothing_are_learned_from_their_labels(logits, alpha, temperature):
    log_proba = log_softmax(logits, axis=1)
    n_classes = log_proba.shape[1]
    labels = log_proba.argmin(axis=1)
    said = np.arange(len(labels)) % 2 == 0
    half = np.where(said[:, None], log_proba, np.nan)
    record, whole, none = (
        SoftTargets.from_alpha(np.arange(n_classes), labels, what, weight, temperature)
        for what, weight in ((half, alpha), (log_proba, alpha), (None, 0.0))
    )
    c = 0.5 + np.arange(n_classes)
    for a, b, d in (
        (record, whole, none),
        (record.with_class_weight(c), whole.with_class_weight(c), none.with_class_weight(c)),
    ):
        np.testing.assert_array_equal(a.tempered()[said], b.tempered()[said])
        np.testing.assert_array_equal(a.tempered()[~said], d.tempered()[~said])
        np.testing.assert_array_equal(a.row_weight[~said], d.row_weight[~said])
    assert (record.row_alpha[~said] == 0).all()
    np.testing.assert_array_equal(np.isnan(half).all(axis=1), ~said)  # not in place


# -- the power that undoes tempering -------------------------------------------------------------


@given(LOGITS, st.floats(1, 16))
def test_the_power_of_a_student_that_follows_is_the_temperature(logits, temperature):
    m = softmax(logits, axis=1)
    log_q = log_softmax(logits / temperature, axis=1)
    power = fit_power(
        log_q, m, np.ones(len(m)), bounds=(1.0, temperature), prefer=float(temperature)
    )
    got = softmax(power * log_q, axis=1)
    np.testing.assert_allclose(got, m, atol=1e-6)


def test_the_power_of_a_student_of_hard_labels_is_one():
    y = np.random.RandomState(0).uniform(size=(4000, 1)) < 0.8
    m = np.column_stack([~y, y]).astype(float)
    log_q = np.log(np.tile(m.mean(axis=0), (len(m), 1)))
    assert fit_power(log_q, m, np.ones(len(m)), bounds=(1.0, 4.0), prefer=4.0) == pytest.approx(1)


def test_the_power_is_where_the_loss_is_least():
    rng = np.random.RandomState(0)
    m = softmax(3 * rng.standard_normal((300, 3)), axis=1)
    log_q = log_softmax(rng.standard_normal((300, 3)) + np.log(m) / 3, axis=1)
    weight = rng.uniform(size=300)

    def loss(t):
        return -weight @ (m * log_softmax(t * log_q, axis=1)).sum(axis=1)

    grid = np.linspace(1, 8, 7001)
    best = grid[np.argmin([loss(t) for t in grid])]
    assert fit_power(log_q, m, weight, bounds=(1.0, 8.0), prefer=8.0) == pytest.approx(
        best, abs=2e-3
    )
