"""Losses on logits: the NumPy reference against theory, and the torch twin against both."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, rel_entr, softmax

from sklearn_distill.losses import LOGIT_LOSSES, get_logit_loss, reference
from sklearn_distill.losses import torch as twin

NAMES = sorted(LOGIT_LOSSES)
TEMPERATURES = (1, 2, 4, 8)
#: Zero where the student equals the teacher, and nowhere below.
ZERO_AT_EQUALITY = sorted(set(NAMES) - {"soft-cross-entropy"})
#: Their minimum is the teacher itself, not only its order or correlations.
PROPER = ["kl", "soft-cross-entropy", "logit-mse", "jensen-shannon", "reverse-kl", "dkd", "wsld"]
#: Accept a teacher with probabilities of exactly zero.
ACCEPTS_ZEROS = ["kl", "soft-cross-entropy", "jensen-shannon", "dkd", "dist", "wsld"]
THREE_CLASSES = ["dkd", "dist", "logit-standardization"]
WITH_LABELS = ["dkd", "wsld"]
VARIANTS = {
    "dkd, other weights": ("dkd", {"target_weight": 0.5, "non_target_weight": 2.0}),
    "dist, other weights": ("dist", {"inter_weight": 2.0, "intra_weight": 0.25}),
}
N, K = 6, 5


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batch(seed=0, n=N, k=K, scale=2.0):
    """Return logits, log-probabilities, labels and weights."""
    rng = np.random.default_rng(seed)
    z = scale * rng.normal(size=(n, k))
    log_p = log_softmax(scale * rng.normal(size=(n, k)), axis=1)
    return z, log_p, rng.integers(k, size=n), rng.uniform(0.5, 2, size=n)


def losses(name):
    """Return both engines of a loss."""
    name, keywords = VARIANTS.get(name, (name, {}))
    return tuple(
        partial(get_logit_loss(name, backend), **keywords) for backend in ("numpy", "torch")
    )


def tensors(*arrays, dtype=torch.float64):
    for array in arrays:
        tensor = None if array is None else torch.as_tensor(np.array(array))
        yield tensor.to(dtype) if tensor is not None and tensor.is_floating_point() else tensor


def value_and_gradient(loss, z, log_p, labels=None, weight=None, *, dtype=torch.float64, **kwargs):
    z, log_p, labels, weight = tensors(z, log_p, labels, weight, dtype=dtype)
    z.requires_grad_()
    value = loss(z, log_p, labels=labels, sample_weight=weight, **kwargs)
    (gradient,) = torch.autograd.grad(value, z)
    return value.item(), gradient.numpy()


def finite_differences(function, z, step=1e-5):
    gradient = np.zeros_like(z)
    for index in np.ndindex(*z.shape):
        up, down = z.copy(), z.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


# Engines agree.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", [*NAMES, *VARIANTS])
def test_torch_equals_the_reference_and_its_gradient_finite_differences(
    name, temperature, weighted
):
    z, log_p, labels, weight = batch()
    labels[0] = -1
    weight = weight if weighted else None
    numpy_loss, torch_loss = losses(name)
    value, gradient = value_and_gradient(
        torch_loss, z, log_p, labels, weight, temperature=temperature
    )
    expected = numpy_loss(z, log_p, temperature=temperature, labels=labels, sample_weight=weight)
    assert isinstance(expected, float)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)

    if name == "wsld":
        # Its row weights are no part of the gradient: differentiate with them held.
        rows = wsld_weight(z, log_p, labels)
        rows = rows if weight is None else rows * weight
        factor = rows.sum() / (N if weight is None else weight.sum())

        def function(z):
            return factor * reference.kl(z, log_p, temperature=temperature, sample_weight=rows)
    else:

        def function(z):
            return numpy_loss(
                z, log_p, temperature=temperature, labels=labels, sample_weight=weight
            )

    np.testing.assert_allclose(gradient, finite_differences(function, z), atol=1e-6)


def wsld_weight(z, log_p, labels):
    rows = np.arange(len(z))
    ours, theirs = (-log_softmax(v, axis=1)[rows, labels] for v in (z, log_p))
    return np.where(labels < 0, 1, 1 - np.exp(-ours / (theirs + 1e-7)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.3, 1, np.linspace(0, 1, N)], ids=str)
@pytest.mark.parametrize("unlabeled", [[], [1, 4], list(range(N))])
@pytest.mark.parametrize("name", ["kl", "dist", "dkd"])
def test_the_whole_objective_of_torch_equals_the_reference(name, unlabeled, alpha, weighted):
    z, log_p, labels, weight = batch(1)
    labels[unlabeled] = -1
    weight = weight if weighted else None
    numpy_loss, torch_loss = losses(name)
    expected = reference.hinton(
        z, log_p, labels, alpha, 3.0, loss=numpy_loss, sample_weight=weight
    )
    value, gradient = value_and_gradient(
        lambda z, log_p, *, labels, sample_weight: twin.hinton(
            z, log_p, labels, alpha, 3.0, loss=torch_loss, sample_weight=sample_weight
        ),
        *(z, log_p, labels, weight),
    )
    assert value == pytest.approx(expected, rel=1e-9)
    numeric = finite_differences(
        lambda z: reference.hinton(
            z, log_p, labels, alpha, 3.0, loss=numpy_loss, sample_weight=weight
        ),
        z,
    )
    np.testing.assert_allclose(gradient, numeric, atol=1e-6)


# The reference is right.


def test_kl_is_summed_over_classes_and_averaged_over_rows():
    z, log_p, _, weight = batch()
    rows = rel_entr(softmax(log_p / 3, axis=1), softmax(z / 3, axis=1)).sum(axis=1)
    assert reference.kl(z, log_p, temperature=3) == pytest.approx(9 * rows.mean())
    assert reference.kl(z, log_p, temperature=3, sample_weight=weight) == pytest.approx(
        9 * np.average(rows, weights=weight)
    )
    reverse = rel_entr(softmax(z, axis=1), np.exp(log_p)).sum(axis=1)
    assert reference.reverse_kl(z, log_p) == pytest.approx(reverse.mean())


def test_a_class_that_neither_expects_changes_nothing():
    # A mean over classes would.
    z, log_p, _, _ = batch()
    more = [np.hstack([v, np.full((N, 3), -200.0)]) for v in (z, log_p)]
    for name in ("kl", "soft-cross-entropy", "jensen-shannon", "reverse-kl"):
        loss, _ = losses(name)
        assert loss(*more) == pytest.approx(loss(z, log_p), rel=1e-12)


def test_jensen_shannon_is_that_of_scipy():
    z, log_p, _, _ = batch()
    expected = jensenshannon(np.exp(log_p), softmax(z, axis=1), axis=1) ** 2
    assert reference.jensen_shannon(z, log_p) == pytest.approx(expected.mean())


def test_soft_cross_entropy_is_kl_plus_the_entropy_of_the_teacher():
    z, log_p, _, weight = batch()
    for temperature in TEMPERATURES:
        p = softmax(log_p / temperature, axis=1)
        entropy = -np.average(np.sum(p * np.log(p), axis=1), weights=weight)
        settings = {"temperature": temperature, "sample_weight": weight}
        assert reference.soft_cross_entropy(z, log_p, **settings) == pytest.approx(
            reference.kl(z, log_p, **settings) + temperature**2 * entropy
        )


def test_logit_mse_is_the_limit_of_kl_at_high_temperature():
    z, log_p, _, _ = batch()
    expected = reference.logit_mse(z, log_p)
    assert reference.kl(z, log_p, temperature=1e4) == pytest.approx(expected, rel=1e-3)
    assert reference.logit_mse(z, log_p, temperature=7) == expected


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dkd_with_the_weights_of_the_paper_is_kl_exactly(temperature):
    z, log_p, labels, _ = batch()
    p = softmax(log_p / temperature, axis=1)[np.arange(N), labels]
    for module, arrays in (
        (reference, (z, log_p, labels, 1 - p)),
        (twin, tuple(tensors(z, log_p, labels, 1 - p))),
    ):
        z_, log_p_, labels_, weight = arrays
        decoupled = module.dkd(
            z_, log_p_, temperature=temperature, labels=labels_, non_target_weight=weight
        )
        expected = module.kl(z_, log_p_, temperature=temperature)
        assert float(decoupled) == pytest.approx(float(expected), rel=1e-12)


def test_dkd_takes_the_teachers_class_for_a_row_without_label():
    z, log_p, _, _ = batch()
    unlabeled = reference.dkd(z, log_p, labels=np.full(N, -1))
    assert unlabeled == reference.dkd(z, log_p, labels=log_p.argmax(axis=1))


def test_dist_is_one_minus_pearson_between_classes_and_between_rows():
    z, log_p, _, _ = batch()
    p, q = softmax(log_p / 2, axis=1), softmax(z / 2, axis=1)
    inter = np.mean([1 - np.corrcoef(p[i], q[i])[0, 1] for i in range(N)])
    intra = np.mean([1 - np.corrcoef(p[:, k], q[:, k])[0, 1] for k in range(K)])
    assert reference.dist(z, log_p, temperature=2) == pytest.approx(4 * (inter + intra))
    assert reference.dist(z, log_p, temperature=2, inter_weight=2, intra_weight=0) == (
        pytest.approx(8 * inter)
    )


def test_wsld_weighs_rows_by_how_well_their_label_is_known():
    z, log_p, labels, _ = batch()
    labels[2] = -1
    rows = [reference.kl(z[[i]], log_p[[i]], temperature=2) for i in range(N)]
    expected = np.mean(wsld_weight(z, log_p, labels) * rows)
    assert reference.wsld(z, log_p, temperature=2, labels=labels) == pytest.approx(expected)


def test_logit_standardization_is_kl_between_z_scores():
    z, log_p, _, _ = batch()
    z_scores = [
        (v - v.mean(1, keepdims=True)) / v.std(1, ddof=1, keepdims=True) for v in (z, log_p)
    ]
    rows = rel_entr(softmax(z_scores[1] / 2, axis=1), softmax(z_scores[0] / 2, axis=1)).sum(axis=1)
    value = reference.logit_standardization(z, log_p, temperature=2)
    assert value == pytest.approx(4 * rows.mean())


def test_logit_standardization_is_free_in_scale_and_shift():
    z, log_p, _, _ = batch()
    numpy_loss, torch_loss = losses("logit-standardization")
    expected = numpy_loss(z, log_p, temperature=2)
    assert numpy_loss(7 * z - 3, log_p, temperature=2) == pytest.approx(expected)
    gradient = value_and_gradient(torch_loss, z, log_p, temperature=2)[1]
    np.testing.assert_allclose(np.sum(gradient * z, axis=1), 0, atol=1e-12)


# Theory, of both engines.


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_gradient_of_kl_is_a_difference_of_probabilities(temperature):
    z, log_p, _, _ = batch()
    expected = temperature / N * (softmax(z / temperature, 1) - softmax(log_p / temperature, 1))
    for loss in (twin.kl, twin.soft_cross_entropy):
        gradient = value_and_gradient(loss, z, log_p, temperature=temperature)[1]
        np.testing.assert_allclose(gradient, expected, atol=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", NAMES)
def test_a_student_that_is_the_teacher_has_no_gradient(name, temperature):
    _, log_p, labels, weight = batch()
    shift = np.arange(N)[:, None]
    for dtype, atol in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        value, gradient = value_and_gradient(
            losses(name)[1],
            *(log_p + shift, log_p, labels, weight),
            temperature=temperature,
            dtype=dtype,
        )
        np.testing.assert_allclose(gradient, 0, atol=atol)
        if name in ZERO_AT_EQUALITY:
            assert abs(value) < atol
    if name in ZERO_AT_EQUALITY:
        value = losses(name)[0](log_p + shift, log_p, temperature=temperature, labels=labels)
        assert abs(value) < 1e-12


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), temperature=st.floats(0.5, 20))
def test_no_loss_is_negative_and_adding_a_constant_to_a_row_changes_none(seed, temperature):
    z, log_p, labels, weight = batch(seed)
    for name in NAMES:
        loss = partial(
            losses(name)[0], temperature=temperature, labels=labels, sample_weight=weight
        )
        value = loss(z, log_p)
        assert value >= -1e-12
        shifted = loss(z + np.arange(N)[:, None], log_p - np.arange(N)[:, None])
        assert shifted == pytest.approx(value, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", PROPER)
def test_free_logits_arrive_at_the_teachers_probabilities(name, temperature):
    z, log_p, labels, _ = batch(3, n=4, scale=1.0)
    z, log_p, labels = tensors(z, log_p, labels)
    z.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [z], max_iter=300, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    loss = losses(name)[1]

    def closure():
        optimizer.zero_grad()
        value = loss(z, log_p, temperature=temperature, labels=labels)
        value.backward()
        return value

    optimizer.step(closure)
    np.testing.assert_allclose(z.detach().softmax(1), log_p.exp(), atol=1e-5)


@pytest.mark.parametrize("name", [*NAMES, "hinton"])
def test_whole_weights_are_repeated_rows(name):
    z, log_p, labels, _ = batch()
    labels[1] = -1
    weight = np.array([1, 2, 0, 3, 1, 2])
    repeated = [np.repeat(v, weight, axis=0) for v in (z, log_p, labels)]
    if name == "hinton":
        engines = [
            lambda z, p, m=m, *, labels, sample_weight=None: m.hinton(
                z, p, labels, 0.3, 2.0, sample_weight=sample_weight
            )
            for m in (reference, twin)
        ]
    else:
        engines = [partial(loss, temperature=2.0) for loss in losses(name)]
    numpy_loss, torch_loss = engines
    expected = numpy_loss(repeated[0], repeated[1], labels=repeated[2])
    assert numpy_loss(z, log_p, labels=labels, sample_weight=weight) == pytest.approx(expected)
    value, gradient = value_and_gradient(torch_loss, z, log_p, labels, weight)
    assert value == pytest.approx(expected)
    assert not gradient[2].any()
    _, of_copies = value_and_gradient(torch_loss, *repeated)
    summed = np.add.reduceat(of_copies, np.cumsum([0, 1, 2, 3, 1]), axis=0)
    np.testing.assert_allclose(np.delete(gradient, 2, axis=0), summed, atol=1e-12)


@pytest.mark.parametrize("scale", [0, 1e-40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("name", [*NAMES, "hinton", "hinton, alpha by row"])
def test_a_batch_without_weight_is_worth_nothing(name, temperature, dtype, scale):
    z, log_p, labels, weight = batch()
    alpha = 0.5 if name == "hinton" else torch.linspace(0, 1, N)
    of_hinton = partial(hinton_of_torch, alpha=alpha)
    loss = losses(name)[1] if name in NAMES else of_hinton
    value, gradient = value_and_gradient(
        loss, z, log_p, labels, scale * weight, temperature=temperature, dtype=dtype
    )
    if scale:  # weights so small that T² divided by them is not a number any more
        expected, _ = value_and_gradient(loss, z, log_p, labels, weight, temperature=temperature)
        assert value == pytest.approx(expected, rel=1e-3)
        assert np.isfinite(gradient).all()
        return
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    if name in NAMES:
        numpy_loss = partial(losses(name)[0], temperature=temperature, labels=labels)
        assert numpy_loss(z, log_p, sample_weight=np.zeros(N)) == 0


# The whole objective.


def test_with_alpha_zero_only_the_labels_count_to_the_last_bit():
    z, log_p, labels, weight = tensors(*batch(), dtype=torch.float32)

    def untouched(*args, **kwargs):
        raise AssertionError("the teacher was looked at")

    for module, arrays in ((twin, (z, log_p, labels)), (reference, batch()[:3])):
        value = module.hinton(*arrays, 0.0, 4.0, loss=untouched)
        assert value == pytest.approx(torch.nn.functional.cross_entropy(z, labels).item())
    expected = torch.nn.functional.cross_entropy(z, labels)
    assert torch.equal(twin.hinton(z, log_p, labels, 0.0, 4.0, loss=untouched), expected)
    weighted = twin.hinton(z, log_p, labels, 0.0, loss=untouched, sample_weight=weight)
    rows = torch.nn.functional.cross_entropy(z, labels, reduction="none")
    assert weighted.item() == pytest.approx(np.average(rows, weights=weight), rel=1e-6)


def test_with_alpha_one_only_the_teacher_counts():
    z, log_p, labels, weight = batch()
    expected = reference.kl(z, log_p, temperature=4, sample_weight=weight)
    assert reference.hinton(z, log_p, labels, 1, 4, sample_weight=weight) == (
        pytest.approx(expected)
    )
    z, log_p, labels = tensors(z, log_p, labels)
    expected = twin.kl(z, log_p, temperature=4)
    assert torch.equal(twin.hinton(z, log_p, labels, 1, 4), expected)


def test_alpha_is_the_weight_of_the_teacher_on_rows_with_a_label():
    z, log_p, labels, _ = batch()
    labels[:2] = -1
    hard = -log_softmax(z, axis=1)[np.arange(2, N), labels[2:]]
    soft = [reference.kl(z[[i]], log_p[[i]], temperature=3) for i in range(N)]
    expected = (sum(soft[:2]) + 0.75 * sum(hard) + 0.25 * sum(soft[2:])) / N
    assert reference.hinton(z, log_p, labels, 0.25, 3) == pytest.approx(expected)


def test_alpha_may_differ_from_row_to_row():
    z, log_p, labels, weight = batch()
    labels[1] = -1
    alpha = np.linspace(0, 1, N)
    expected = np.average(
        [
            reference.hinton(z[[i]], log_p[[i]], labels[[i]], float(alpha[i]), 3.0)
            for i in range(N)
        ],
        weights=weight,
    )
    value = reference.hinton(z, log_p, labels, alpha, 3.0, sample_weight=weight)
    assert value == pytest.approx(expected)
    z, log_p, labels, weight = tensors(z, log_p, labels, weight)
    for by_row in (alpha, torch.as_tensor(alpha), torch.as_tensor(alpha, dtype=torch.float32)):
        value = twin.hinton(z, log_p, labels, by_row, 3.0, sample_weight=weight)
        assert value.item() == pytest.approx(expected, rel=1e-6)
    one = twin.hinton(z, log_p, labels, 0.3, 3.0, sample_weight=weight)
    same = twin.hinton(z, log_p, labels, torch.full((N,), 0.3), 3.0, sample_weight=weight)
    torch.testing.assert_close(one, same, rtol=1e-6, atol=0)


def test_without_a_teacher_there_may_be_none():
    z, _, labels, _ = tensors(*batch())
    expected = torch.nn.functional.cross_entropy(z, labels)
    assert torch.equal(twin.hinton(z, None, labels, 0.0), expected)
    assert reference.hinton(z, None, labels, 0.0) == pytest.approx(expected.item())


# Numerics.


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", [*NAMES, "hinton"])
def test_large_logits_are_finite_in_single_precision(name, temperature):
    rng = np.random.default_rng(0)
    z = 1e4 * rng.choice([-1.0, 1.0], size=(8, 4))
    z[0], z[1] = 1e4, 0
    extreme = 1e4 * rng.choice([-1.0, 1.0], size=(8, 4))
    loss = losses(name)[1] if name in NAMES else partial(hinton_of_torch, alpha=0.5)
    for teacher in (extreme, batch(n=8, k=4)[1]):
        log_p = log_softmax(teacher, axis=1)
        value, gradient = value_and_gradient(
            *(loss, z, log_p, np.arange(8) % 4),
            temperature=temperature,
            dtype=torch.float32,
        )
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def hinton_of_torch(z, log_p, *, alpha, temperature, labels, sample_weight):
    return twin.hinton(z, log_p, labels, alpha, temperature, sample_weight=sample_weight)


@pytest.mark.parametrize("name", ACCEPTS_ZEROS)
def test_probabilities_of_exactly_zero_are_accepted(name):
    p = np.array([[0.5, 0.5, 0, 0], [1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 0]])
    z, _, _, _ = batch(n=4, k=4)
    labels = np.array([0, 0, 1, 2])
    with np.errstate(divide="ignore"):
        zeros = np.log(p)
    nearly = np.log((p + 1e-60) / (p + 1e-60).sum(axis=1, keepdims=True))
    numpy_loss, torch_loss = losses(name)
    expected = numpy_loss(z, nearly, labels=labels)
    if name == "dkd":
        # Without any doubt there is nothing to say about the other classes, and it says nothing.
        some = [0, 2]
        expected = numpy_loss(z[some], nearly[some], labels=labels[some]) / 2
        sure = partial(numpy_loss, non_target_weight=0.0)
        expected += sure(z[[1, 3]], nearly[[1, 3]], labels=labels[[1, 3]]) / 2
    assert numpy_loss(z, zeros, labels=labels) == pytest.approx(expected, rel=1e-6)
    value, gradient = value_and_gradient(torch_loss, z, zeros, labels)
    assert value == pytest.approx(expected, rel=1e-6)
    numeric = finite_differences(lambda z: numpy_loss(z, zeros, labels=labels), z)
    if name != "wsld":
        np.testing.assert_allclose(gradient, numeric, atol=1e-6)
    # Also where the teacher excludes the real label.
    wrong = np.array([2, 1, 0, 0])
    value, gradient = value_and_gradient(torch_loss, z, zeros, wrong)
    assert value == pytest.approx(numpy_loss(z, zeros, labels=wrong))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ACCEPTS_ZEROS)))
def test_probabilities_of_exactly_zero_are_refused_where_they_would_be_infinite(name):
    log_p = np.array([[0.0, -np.inf, -np.inf]])
    numpy_loss, torch_loss = losses(name)
    with pytest.raises(ValueError, match="small number first, or use 'kl'"):
        numpy_loss(np.zeros((1, 3)), log_p)
    with pytest.raises(ValueError, match=f"'{name}' needs finite log-probabilities"):
        torch_loss(torch.zeros(1, 3), torch.as_tensor(log_p))


@pytest.mark.parametrize("name", NAMES)
def test_a_student_without_opinion_has_a_finite_gradient(name):
    # As a last layer that starts at zero has. Correlations and z-scores have no derivative there.
    _, log_p, labels, _ = batch()
    for dtype in (torch.float32, torch.float64):
        value, gradient = value_and_gradient(
            losses(name)[1], np.zeros((N, K)), log_p, labels, dtype=dtype
        )
        expected = losses(name)[0](np.zeros((N, K)), log_p, labels=labels)
        assert value == pytest.approx(expected, rel=1e-5)
        assert np.abs(gradient).max() < 1e3


@pytest.mark.parametrize("temperature", [1, 4])
@pytest.mark.parametrize("n", [1, 2])
def test_dist_has_nothing_to_say_across_the_rows_of_a_single_one(n, temperature):
    z, log_p, _, _ = batch(n=2)
    z, log_p = np.repeat(z[:1], n, axis=0), np.repeat(log_p[:1], n, axis=0)
    value, gradient = value_and_gradient(twin.dist, z, log_p, temperature=temperature)
    expected = reference.dist(z, log_p, temperature=temperature, intra_weight=0)
    assert value == pytest.approx(expected)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [*NAMES, "hinton"])
def test_half_precision_is_computed_in_single(name, dtype):
    z, log_p, labels, weight = tensors(*batch(), dtype=dtype)
    loss = losses(name)[1] if name in NAMES else partial(hinton_of_torch, alpha=0.5)
    arguments = {"temperature": 4.0, "labels": labels}
    z.requires_grad_()
    value = loss(z, log_p, sample_weight=weight, **arguments)
    assert value.dtype == torch.float32
    expected = loss(z.float(), log_p.float(), sample_weight=weight.float(), **arguments)
    assert torch.equal(value, expected)
    value.backward()
    assert z.grad.dtype == dtype


@pytest.mark.parametrize("name", [*NAMES, "hinton"])
def test_the_teacher_receives_no_gradient_and_no_input_is_changed(name):
    arrays = list(tensors(*batch()))
    before = [v.clone() for v in arrays]
    z, log_p, labels, weight = arrays
    z.requires_grad_()
    log_p.requires_grad_()
    loss = losses(name)[1] if name in NAMES else partial(hinton_of_torch, alpha=0.5)
    loss(z, log_p, temperature=2.0, labels=labels, sample_weight=weight).backward()
    assert log_p.grad is None
    assert z.grad is not None
    assert all(torch.equal(a, b) for a, b in zip(arrays, before, strict=True))


# Refusals.


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("name", THREE_CLASSES)
def test_losses_without_information_on_two_classes_say_what_to_use(name, backend):
    z, log_p, labels, _ = batch(k=2)
    if backend == "torch":
        z, log_p, labels = tensors(z, log_p, labels)
    with pytest.raises(ValueError, match=f"'{name}' carries no information with 2 classes") as e:
        get_logit_loss(name, backend)(z, log_p, labels=labels)
    assert "Use 'kl', or 'logit-mse', instead." in str(e.value)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(THREE_CLASSES)))
def test_the_other_losses_take_two_classes(name):
    z, log_p, labels, _ = batch(k=2)
    value, _ = value_and_gradient(losses(name)[1], z, log_p, labels)
    assert value == pytest.approx(losses(name)[0](z, log_p, labels=labels))
    assert value > 0


@pytest.mark.parametrize("name", WITH_LABELS)
def test_losses_that_look_at_labels_ask_for_them(name):
    z, log_p, _, _ = batch()
    for loss, arrays in zip(losses(name), ((z, log_p), tensors(z, log_p)), strict=True):
        with pytest.raises(ValueError, match=f"'{name}' looks at the real labels. Pass labels="):
            loss(*arrays)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_temperatures_are_checked(name):
    z, log_p, labels, _ = batch()
    for loss, arrays in zip(losses(name), ((z, log_p), tensors(z, log_p)), strict=True):
        z_, log_p_ = arrays
        y = labels if isinstance(z_, np.ndarray) else torch.as_tensor(labels)
        with pytest.raises(ValueError, match=r"Got \(6, 5\) and \(6, 1\)"):
            loss(z_, log_p_[:, :1], labels=y)
        with pytest.raises(ValueError, match=r"two columns \(0, z\)"):
            loss(z_[:, 0], log_p_[:, 0], labels=y)
        with pytest.raises(ValueError, match="temperature must be .* Got 0 instead"):
            loss(z_, log_p_, temperature=0, labels=y)


# Names.


def test_every_loss_has_both_engines_and_no_engine_has_more():
    for module in (reference, twin):
        assert set(module.__all__) == {*LOGIT_LOSSES.values(), "hinton"}
    for name in NAMES:
        assert get_logit_loss(name).__module__ == twin.__name__
        assert get_logit_loss(name, "numpy").__module__.startswith(reference.__name__)
        assert get_logit_loss(name, "numpy").__doc__


def test_a_callable_is_returned_as_it_is():
    loss = partial(twin.dkd, non_target_weight=2.0)
    assert get_logit_loss(loss) is loss


def test_an_unknown_name_lists_the_accepted_ones_and_the_closest():
    with pytest.raises(ValueError, match="Did you mean 'jensen-shannon'") as error:
        get_logit_loss("jensen_shanon")
    assert all(name in str(error.value) for name in NAMES)
    with pytest.raises(ValueError, match="no loss on logits named 'xyz'. Use one of"):
        get_logit_loss("xyz")
    with pytest.raises(TypeError, match="or a callable. Got 3 instead"):
        get_logit_loss(3)
    with pytest.raises(ValueError, match="backend must be one of .* Got 'jax' instead"):
        get_logit_loss("kl", backend="jax")


def test_knowing_the_names_imports_neither_torch_nor_numba():
    code = (
        "import sys; from sklearn_distill.losses import LOGIT_LOSSES, FEATURE_LOSSES, "
        "get_logit_loss; get_logit_loss('kl', 'numpy'); print({'torch', 'numba'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
