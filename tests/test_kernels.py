"""The compiled kernels against the reference in NumPy, finite differences and exact identities."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from sklearn_distill.losses import kernels
from sklearn_distill.losses.reference import hinton
from sklearn_distill.targets import SoftTargets
from sklearn_distill.trainers.boosting._loss import HintonLoss

N_ROWS, N_UNLABELED = 300, 70


def make_targets(n_classes, alpha=0.6, temperature=3.0, weighted=True, seed=0):
    rng = np.random.RandomState(seed)
    labels = rng.randint(n_classes, size=N_ROWS - N_UNLABELED)
    labels[:n_classes] = np.arange(n_classes)
    log_proba = log_softmax(2 * rng.randn(N_ROWS, n_classes), axis=1)
    # Numbers that float32 holds exactly, as boosters hold weights.
    weight = rng.randint(1, 16, size=len(labels)) / 8 if weighted else None
    return SoftTargets(np.arange(n_classes), labels, log_proba, alpha, temperature, weight)


def make_margins(n_classes, seed=1):
    shape = (N_ROWS,) if n_classes == 2 else (N_ROWS, n_classes)
    return 2 * np.random.RandomState(seed).randn(*shape)


def reference(margins, targets):
    """Sum of the loss over rows, by the definition in losses/reference.py."""
    z = np.column_stack([0 * margins, margins]) if margins.ndim == 1 else margins
    labels = np.r_[targets.labels, np.full(N_UNLABELED, -1)]
    weight = np.ones(N_ROWS)
    if targets.sample_weight is not None:
        mean = targets.sample_weight.mean()
        weight = np.r_[targets.sample_weight, np.full(N_UNLABELED, np.float32(mean))]
    mean = hinton(
        z, targets.log_proba, labels, targets.alpha, targets.temperature, sample_weight=weight
    )
    return mean * weight.sum()


def derivatives(margins, targets, start=None, **settings):
    if start is None:
        start = 0.0 if margins.ndim == 1 else np.zeros(margins.shape[1])
    with HintonLoss(targets, **settings) as loss:
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
    rows = (0, 5, N_ROWS - 1)  # the last one has no label
    for where in rows if n_classes == 2 else [(i, k) for i in rows for k in range(n_classes)]:
        step = np.zeros_like(margins)
        step[where] = 1e-5
        slope = (reference(margins + step, targets) - reference(margins - step, targets)) / 2e-5
        assert gradient[where] == pytest.approx(slope, rel=1e-4, abs=1e-5)


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
        targets = SoftTargets(targets.classes, targets.labels, np.log(one_hot), 0.4, 1.0)
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
    gradient, _ = derivatives(margins, targets, class_weight=class_weight)
    mean = np.float32(targets.sample_weight.mean())
    weight = np.r_[targets.sample_weight, np.full(N_UNLABELED, mean)]
    copies = weight[:, None] * targets.blended() * class_weight
    if n_classes == 2:
        expected = copies.sum(axis=1) * expit(margins) - copies[:, 1]
    else:
        expected = copies.sum(axis=1, keepdims=True) * softmax(margins, axis=1) - copies
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=2e-6)


def test_mass_is_the_weighted_blend_summed_over_rows():
    targets = make_targets(4, temperature=2.0)
    with HintonLoss(targets, class_weight=[1, 2, 3, 4]) as loss:
        mean = np.float32(targets.sample_weight.mean())
        weight = np.r_[targets.sample_weight, np.full(N_UNLABELED, mean)]
        np.testing.assert_allclose(loss.mass, weight @ targets.blended(), rtol=1e-12)
        np.testing.assert_allclose(loss.mixed.sum(axis=1), 1, rtol=1e-6)
        assert (loss.label_share[-N_UNLABELED:] == 0).all()


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
    monkeypatch.setattr("sklearn_distill.trainers.boosting._loss.ENTRIES_PER_THREAD", 50)
    with HintonLoss(targets, n_jobs=3) as loss:
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


# -- row by row, with the whole Hessian -----------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("code", [0, 1])
def test_derivatives_of_a_row_are_minus_those_of_all(temperature, code):
    k, shares = 4, np.array([0.3, 0.8])
    rng = np.random.RandomState(0)
    margins, u = rng.randn(k), rng.dirichlet(np.ones(k)).astype(np.float32)
    bits = u[1:2].view(np.uint32)
    bits[:] = (bits & ~np.uint32(1)) | np.uint32(code)
    gradient, hessian = np.empty(k), np.empty(k * (k + 1) // 2)

    def row(z):
        kernels.row_derivatives(z, u, 2.0, shares, temperature, gradient, hessian)
        return gradient.copy(), hessian.copy()

    share = shares[code]
    scale = 2 * temperature / (1 + share * (temperature - 1))
    g, h = np.empty((1, k)), np.empty((1, k))
    kernels.softmax_derivatives(
        *(margins[None], np.zeros(k), u[None], np.array([share]), np.array([scale])),
        *(temperature, 1.0, g, h, 0, 1),
    )
    got, packed = row(margins)
    np.testing.assert_allclose(got, -g[0], atol=1e-6)
    full = np.zeros((k, k))
    full[np.triu_indices(k)] = packed
    np.testing.assert_allclose(np.diag(full), -h[0], atol=1e-6)
    for j in range(k):
        step = 1e-5 * np.eye(k)[j]
        slope = (row(margins + step)[0] - row(margins - step)[0]) / 2e-5
        np.testing.assert_allclose(slope, (full + np.triu(full, 1).T)[j], atol=1e-6)


# -- at the ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_extreme_margins_and_certain_teachers_give_finite_numbers(n_classes, temperature):
    labels = np.r_[np.arange(n_classes), np.zeros(N_ROWS - N_UNLABELED - n_classes, int)]
    certain = np.full((N_ROWS, n_classes), -np.inf)
    certain[:, 0] = 0
    targets = SoftTargets(np.arange(n_classes), labels, certain, 0.5, temperature)
    for size in (30, 800, 1e6, 1e30):
        margins = size * np.sign(make_margins(n_classes))
        for array in derivatives(margins, targets, class_weight=np.ones(n_classes)):
            assert np.isfinite(array).all()
            assert np.abs(array).max() <= max(1, temperature) * 2


def test_a_class_of_weight_zero_draws_nothing():
    targets, margins = make_targets(3, temperature=1.0), make_margins(3)
    gradient, hessian = derivatives(margins, targets, class_weight=[1, 1, 0])
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
    code = "import sys, sklearn_distill.trainers.boosting; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_derivatives_of_pairs_are_minus_those_of_all_and_of_their_loss(temperature, weighted):
    n, shares = 50, np.array([0.3, 0.8])
    rng = np.random.RandomState(0)
    margins, u = 3 * rng.randn(n), rng.uniform(size=n).astype(np.float32)
    code = rng.randint(2, size=n).astype(np.uint32)
    bits = u.view(np.uint32)
    bits[:] = (bits & ~np.uint32(1)) | code
    weights = rng.uniform(0.5, 2, n if weighted else 0).astype(np.float32)
    settings = (u, weights, shares, temperature)
    out, share = np.empty((n, 2)), shares[code]
    kernels.pair_derivatives(margins, *settings, out)
    scale = temperature / (1 + share * (temperature - 1)) * (weights if weighted else 1)
    g, h = np.empty(n), np.empty(n)
    kernels.logistic_derivatives(margins, 0.0, u, share, scale, temperature, g, h, 0, n)
    np.testing.assert_allclose(out, -np.column_stack([g, h]), atol=1e-6)
    for i in (0, 7, 31):
        step = 1e-4 * np.eye(n)[i]
        up, _ = kernels.pair_loss(margins + step, *settings)
        down, weight = kernels.pair_loss(margins - step, *settings)
        assert out[i, 0] == pytest.approx((down - up) / 2e-4, abs=1e-5)
    assert weight == pytest.approx(weights.sum() if weighted else n)
