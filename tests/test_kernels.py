"""The compiled kernels against the reference in NumPy, finite differences and exact identities."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from sklearn_distill.losses import kernels
from sklearn_distill.losses.reference import hinton
from sklearn_distill.strategies.boosting._loss import HintonLoss
from sklearn_distill.targets import SoftTargets

N_ROWS, N_UNLABELED = 300, 70


def make_targets(n_classes, alpha=0.6, temperature=3.0, weighted=True, seed=0):
    rng = np.random.RandomState(seed)
    labels = rng.randint(n_classes, size=N_ROWS - N_UNLABELED)
    labels[:n_classes] = np.arange(n_classes)
    log_proba = log_softmax(2 * rng.randn(N_ROWS, n_classes), axis=1)
    # Numbers that float32 holds exactly, as boosters hold weights.
    weight = rng.randint(1, 16, size=len(labels)) / 8 if weighted else None
    return SoftTargets.from_alpha(
        np.arange(n_classes), labels, log_proba, alpha, temperature, weight
    )


def make_margins(n_classes, seed=1):
    shape = (N_ROWS,) if n_classes == 2 else (N_ROWS, n_classes)
    return 2 * np.random.RandomState(seed).randn(*shape)


def reference(margins, targets, row):
    """Loss of one row, by the definition in losses/reference."""
    z = margins[[row]]
    z = np.column_stack([0 * z, z]) if margins.ndim == 1 else z
    label = np.r_[targets.labels, np.full(N_UNLABELED, -1)][[row]]
    loss = hinton(z, targets.log_proba[[row]], label, targets.row_alpha[row], targets.temperature)
    return targets.row_weight[row] * loss


def derivatives(margins, targets, start=None, **settings):
    if start is None:
        start = 0.0 if margins.ndim == 1 else np.zeros(margins.shape[1])
    with HintonLoss.of(targets, **settings) as loss:
        gradient, hessian = loss.derivatives(margins, start)
    return gradient.copy(order="K"), hessian.copy(order="K")


# -- the right derivatives ------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_gradient_is_that_of_the_reference(n_classes, weighted, alpha, temperature):
    targets = make_targets(n_classes, alpha, temperature, weighted)
    margins = make_margins(n_classes)
    gradient, _ = derivatives(margins, targets)
    for row in (0, 5, N_ROWS - 1):  # the last one has no label
        for where in [(row,)] if n_classes == 2 else [(row, k) for k in range(n_classes)]:
            step = np.zeros_like(margins)
            step[where] = 1e-5
            up, down = (reference(margins + s, targets, row) for s in (step, -step))
            assert gradient[where] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_hessian_is_the_slope_of_the_gradient(n_classes, temperature):
    targets, margins = make_targets(n_classes, 0.6, temperature), make_margins(n_classes)
    _, hessian = derivatives(margins, targets)
    for k in range(n_classes if n_classes > 2 else 1):
        step = np.zeros_like(margins)
        step[(slice(None), k) if n_classes > 2 else ...] = 1e-3
        up, _ = derivatives(margins + step, targets)
        down, _ = derivatives(margins - step, targets)
        slope = ((up - down) / 2e-3).reshape(N_ROWS, -1)[:, k]
        np.testing.assert_allclose(hessian.reshape(N_ROWS, -1)[:, k], slope, rtol=2e-3, atol=2e-3)
    scaled = derivatives(margins, targets, hessian_factor=2.0)[1]
    np.testing.assert_allclose(scaled, hessian * (2 if n_classes > 2 else 1), rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_one_hot_targets_at_temperature_one_give_the_native_derivatives(n_classes):
    targets = make_targets(n_classes, alpha=0.4, temperature=1.0, weighted=False)
    one_hot = np.eye(n_classes)[np.r_[targets.labels, np.zeros(N_UNLABELED, int)]]
    with np.errstate(divide="ignore"):
        log_proba = np.log(one_hot)
    targets = SoftTargets.from_alpha(targets.classes, targets.labels, log_proba, 0.4)
    margins = make_margins(n_classes)
    gradient, hessian = derivatives(margins, targets)
    p, t = (expit(margins), one_hot[:, 1]) if n_classes == 2 else (softmax(margins, 1), one_hot)
    np.testing.assert_allclose(gradient, p - t, rtol=0, atol=1e-7)
    np.testing.assert_allclose(hessian, p * (1 - p), rtol=0, atol=1e-7)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_gradient_vanishes_at_the_teacher_if_labels_have_no_weight(n_classes, temperature):
    targets = make_targets(n_classes, alpha=1.0, temperature=temperature)
    z = targets.log_proba
    gradient, _ = derivatives(z[:, 1] - z[:, 0] if n_classes == 2 else z.copy(), targets)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_class_weights_at_temperature_one_are_those_of_weighted_copies(n_classes):
    targets, margins = make_targets(n_classes, 0.6, 1.0), make_margins(n_classes)
    class_weight = np.linspace(0.5, 3, n_classes)
    gradient, _ = derivatives(margins, targets.with_class_weight(class_weight))
    copies = targets.row_weight[:, None] * targets.blended() * class_weight
    if n_classes == 2:
        expected = copies.sum(axis=1) * expit(margins) - copies[:, 1]
    else:
        expected = copies.sum(axis=1, keepdims=True) * softmax(margins, axis=1) - copies
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_class_weights_shift_the_teacher_before_it_is_tempered(temperature):
    # By the definition: c_y in front of the label's term, sum(c p) in front of the teacher's, in
    # which p becomes c p / sum(c p).
    targets, z = make_targets(3, 0.6, temperature), make_margins(3)
    c = np.array([0.5, 1.0, 3.0])
    p = np.exp(targets.log_proba) * c
    total = p.sum(axis=1, keepdims=True)
    p_T, q_T = softmax(np.log(p) / temperature, axis=1), softmax(z / temperature, axis=1)
    expected = targets.row_alpha[:, None] * temperature * total * (q_T - p_T)
    one_hot = np.eye(3)[targets.labels]
    of_label = (1 - targets.row_alpha[:-N_UNLABELED, None]) * (one_hot @ c)[:, None]
    expected[:-N_UNLABELED] += of_label * (softmax(z[:-N_UNLABELED], axis=1) - one_hot)
    expected *= targets.row_weight[:, None]
    gradient, _ = derivatives(z, targets.with_class_weight(c))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_every_row_has_its_own_alpha(n_classes, temperature):
    same = make_targets(n_classes, 0.6, temperature)
    row_alpha = same.row_alpha.copy()
    row_alpha[:-N_UNLABELED] = np.random.RandomState(5).choice(
        [0.0, 1e-6, 0.05, 0.5, 1.0], N_ROWS - N_UNLABELED
    )
    targets, margins = replace(same, row_alpha=row_alpha), make_margins(n_classes)
    gradient, hessian = derivatives(margins, targets)
    # Those of a set in which all rows have the alpha of this one.
    for alpha in np.unique(row_alpha):
        rows = np.flatnonzero(row_alpha == alpha)
        of_one = derivatives(margins, make_targets(n_classes, alpha, temperature))
        np.testing.assert_array_equal(gradient[rows], of_one[0][rows])
        np.testing.assert_array_equal(hessian[rows], of_one[1][rows])


ALPHAS = [0.0, 1e-6, 0.05, 0.5, 1.0]


@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_gradient_at_the_edges_is_the_slope_of_the_definition(
    n_classes, alpha, temperature, weighted, confident
):
    # A row for each choice of label and of the class that the teacher believes in, with
    # probabilities down to 1e-12, and rows whose alpha differs.
    rng = np.random.RandomState(0)
    labels, believed = np.divmod(np.arange(n_classes**2), n_classes)
    p = np.full((len(labels), n_classes), 1e-12 if confident else 0.2)
    p[np.arange(len(p)), believed] = 1
    p /= p.sum(axis=1, keepdims=True)
    weight = rng.uniform(0.1, 5, len(labels)) if weighted else None
    given = np.arange(n_classes), labels, np.log(p), alpha, temperature, weight
    targets = SoftTargets.from_alpha(*given)
    if weighted:
        targets = targets.with_class_weight(np.linspace(0.3, 4, n_classes))
    z = 3 * rng.randn(len(labels), n_classes)
    if n_classes == 2:
        z[:, 0] = 0

    def loss(z):
        p_T = softmax(targets.log_proba / temperature, axis=1)
        of_label = -log_softmax(z, axis=1)[np.arange(len(z)), labels]
        of_teacher = -(p_T * log_softmax(z / temperature, axis=1)).sum(axis=1)
        share = targets.row_alpha
        return targets.row_weight * ((1 - share) * of_label + share * temperature**2 * of_teacher)

    gradient, hessian = derivatives(z[:, 1] if n_classes == 2 else z, targets)
    gradient, hessian = (part.reshape(len(z), -1) for part in (gradient, hessian))
    for column, k in enumerate(range(n_classes) if n_classes > 2 else [1]):
        step = 1e-4 * np.eye(n_classes)[k]
        slope = (loss(z + step) - loss(z - step)) / 2e-4
        bend = (loss(z + step) - 2 * loss(z) + loss(z - step)) / 1e-8
        size = targets.row_weight.max() * temperature
        np.testing.assert_allclose(gradient[:, column], slope, rtol=1e-5, atol=1e-6 * size)
        np.testing.assert_allclose(hessian[:, column], bend, rtol=1e-4, atol=1e-5 * size)


# -- whatever the layout, the precision and the number of threads ---------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_and_precision_change_nothing_but_rounding(order, temperature, dtype):
    targets, margins = make_targets(5, temperature=temperature), make_margins(5)
    expected = derivatives(margins, targets)
    got = derivatives(np.asarray(margins, dtype=dtype, order=order), targets, order=order)
    for array, wanted in zip(got, expected, strict=True):
        assert array.flags[f"{order}_CONTIGUOUS"]
        np.testing.assert_allclose(array, wanted, rtol=0, atol=1e-5 if dtype == np.float32 else 0)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_start_is_added_to_the_margins(n_classes):
    targets, margins = make_targets(n_classes), make_margins(n_classes)
    start = 0.7 if n_classes == 2 else np.linspace(-1, 1, n_classes)
    for got, wanted in zip(
        derivatives(margins, targets, start), derivatives(margins + start, targets), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_threads_change_nothing(monkeypatch, n_classes):
    targets, margins = make_targets(n_classes), make_margins(n_classes)
    expected = derivatives(margins, targets, n_jobs=1)
    monkeypatch.setattr("sklearn_distill.strategies.boosting._loss.ENTRIES_PER_THREAD", 50)
    with HintonLoss.of(targets, n_jobs=3) as loss:
        assert len(loss._parts) == 3
    for got, wanted in zip(derivatives(margins, targets, n_jobs=3), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_range_of_rows_leaves_the_others_alone():
    n, k = 400, 3
    rng = np.random.RandomState(0)
    fixed = (np.zeros(k), rng.dirichlet(np.ones(k), n), np.full(n, 0.4), np.ones(n), 2.0, 1.0)
    margins, whole, part = rng.randn(n, k), np.zeros((2, n, k)), np.full((2, n, k), -9.0)
    kernels.softmax_derivatives(margins, *fixed, *whole, 0, n)
    kernels.softmax_derivatives(margins, *fixed, *part, 130, 390)
    np.testing.assert_array_equal(part[:, 130:390], whole[:, 130:390])
    assert (part[:, :130] == -9).all()
    assert (part[:, 390:] == -9).all()


def test_kernels_may_be_called_from_several_threads():
    targets, margins = make_targets(5), make_margins(5)
    expected = derivatives(margins, targets)[0]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: derivatives(margins, targets)[0], range(20)))
    for result in results:
        np.testing.assert_array_equal(result, expected)


# -- at the ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_extreme_margins_and_certain_teachers_give_finite_numbers(n_classes, temperature):
    labels = np.r_[np.arange(n_classes), np.zeros(N_ROWS - N_UNLABELED - n_classes, int)]
    certain = np.full((N_ROWS, n_classes), -np.inf)
    certain[:, 0] = 0
    targets = SoftTargets.from_alpha(np.arange(n_classes), labels, certain, 0.5, temperature)
    for size in (30, 800, 1e6, 1e30):
        margins = size * np.sign(make_margins(n_classes))
        for array in derivatives(margins, targets):
            assert np.isfinite(array).all()
            assert np.abs(array).max() <= max(1, temperature) * 2


def test_a_class_of_weight_zero_draws_nothing():
    targets, margins = make_targets(3, temperature=1.0), make_margins(3)
    gradient, hessian = derivatives(margins, targets.with_class_weight([1, 1, 0]))
    assert np.isfinite(gradient).all()
    assert (gradient[:, 2] >= 0).all()
    assert (hessian > 0).all()


def test_exponential_is_right_to_the_last_bit_or_the_one_before():
    @numba.njit
    def exponentials(x, out):
        for i in range(len(x)):
            out[i] = kernels._exp(x[i])

    x = np.r_[-np.logspace(-300, np.log10(700), 20_000), -np.linspace(0, 700, 20_001)]
    got = np.empty_like(x)
    exponentials(x, got)
    np.testing.assert_allclose(got, np.exp(x), rtol=4.5e-16, atol=0)
    assert kernels._exp(-1e9) < 1e-300


def test_a_folder_that_cannot_be_written_does_no_harm(monkeypatch):
    real = numba.njit

    def njit(*args, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", njit)
    doubled = kernels._compiled(lambda x: 2 * x)
    assert doubled(2.0) == 4.0


def test_what_is_pickled_needs_no_compiler():
    targets = make_targets(3)
    assert b"numba" not in pickle.dumps(targets)
    code = "import sys, sklearn_distill.strategies.boosting; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
