"""Losses on layers: equality with their formulas, what theory says changes nothing, bad input."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.special import rel_entr

from sklearn_distill.losses import FEATURE_LOSSES, features, get_feature_loss
from sklearn_distill.losses.features import (
    CKA,
    PKT,
    VID,
    AttentionProbabilities,
    AttentionTransfer,
    FeatureLoss,
    FitNets,
    Jacobian,
    RKDAngle,
    RKDDistance,
    SimilarityPreserving,
    scaled,
)

RELATIONAL = [RKDDistance, RKDAngle, SimilarityPreserving, CKA, PKT]
N = 7


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=shape), dtype=dtype)


def attention(*shape, seed=0):
    return normal(*shape, seed=seed).softmax(dim=-1)


def pairs():
    """Return, by name, a loss and features that it accepts, of different widths where it may."""
    cases = {
        "fitnets": (FitNets(), normal(N, 3), normal(N, 4, seed=1)),
        "fitnets, tokens": (FitNets(), normal(N, 5, 3), normal(N, 5, 4, seed=1)),
        "fitnets, maps": (FitNets(), normal(N, 3, 4, 4), normal(N, 2, 2, 3, seed=1)),
        "fitnets, no projection": (FitNets(projection=False), normal(N, 3), normal(N, 3, seed=1)),
        "vid": (VID(hidden_width=16), normal(N, 3), normal(N, 4, seed=1)),
        "vid, tokens": (VID(hidden_width=16), normal(N, 5, 3), normal(N, 5, 4, seed=1)),
        "vid, maps": (VID(hidden_width=16), normal(N, 3, 4, 4), normal(N, 2, 4, 4, seed=1)),
        "attention-transfer": (
            AttentionTransfer(),
            normal(N, 3, 4, 4),
            normal(N, 5, 2, 2, seed=1),
        ),
        "attention-transfer, tokens": (
            AttentionTransfer(p=3),
            normal(N, 6, 3),
            normal(N, 6, 4, seed=1),
        ),
        "attention-probabilities": (
            AttentionProbabilities(),
            attention(N, 2, 4, 4),
            attention(N, 3, 4, 4, seed=1),
        ),
        "attention-probabilities, mse": (
            AttentionProbabilities(heads="match", kind="mse"),
            attention(N, 2, 4, 4),
            attention(N, 2, 4, 4, seed=1),
        ),
    }
    for loss in RELATIONAL:
        name = {v: k for k, v in FEATURE_LOSSES.items()}[loss.__name__]
        cases[name] = (loss(), normal(N, 3), normal(N, 4, seed=1))
        cases[f"{name}, maps"] = (loss(), normal(N, 2, 2, 2), normal(N, 3, 3, 3, seed=1))
    return cases


CASES = sorted(pairs())


# Equality with the formulas.


def huber(error):
    return np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5)


def rkd_distance(student, teacher):
    s, t = (pdist(v) / pdist(v)[pdist(v) > 0].mean() for v in (student, teacher))
    return huber(s - t).mean()


def rkd_angle(student, teacher):
    def cosine(v, i, j, k):
        a, b = v[i] - v[j], v[k] - v[j]
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    triples = itertools.permutations(range(len(student)), 3)
    return np.mean([huber(cosine(student, *t) - cosine(teacher, *t)) for t in triples])


def similarity_preserving(student, teacher):
    def gram(v):
        rows = v @ v.T
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return np.sum((gram(student) - gram(teacher)) ** 2) / len(student) ** 2


def cka(student, teacher):
    def hsic(a, b):
        centring = np.eye(len(a)) - 1 / len(a)
        return np.trace(a @ a.T @ centring @ b @ b.T @ centring)

    return 1 - hsic(student, teacher) / np.sqrt(hsic(student, student) * hsic(teacher, teacher))


def pkt(student, teacher):
    def neighbours(v):
        v = v / np.linalg.norm(v, axis=1, keepdims=True)
        kernel = (1 + v @ v.T) / 2
        np.fill_diagonal(kernel, 0)
        return kernel / kernel.sum(axis=1, keepdims=True)

    p, q = neighbours(teacher), neighbours(student)
    return rel_entr(p, q).sum() / len(p)


@pytest.mark.parametrize(
    "shapes", [((N, 3), (N, 4)), ((N, 20), (N, 2)), ((N, 2, 3), (N, 3, 2, 2))]
)
@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (RKDDistance(), rkd_distance),
        (RKDAngle(), rkd_angle),
        (SimilarityPreserving(), similarity_preserving),
        (CKA(), cka),
        (PKT(), pkt),
    ],
)
def test_relations_equal_their_formulas(loss, formula, shapes):
    student, teacher = normal(*shapes[0]), normal(*shapes[1], seed=1)
    expected = formula(student.flatten(1).numpy(), teacher.flatten(1).numpy())
    assert expected > 1e-3
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-9)
    single = loss(student.float(), teacher.float()).item()
    assert single == pytest.approx(expected, rel=1e-4)


def test_pairs_of_identical_rows_do_not_count_in_the_mean_distance():
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    student[1:4] = student[0]
    expected = rkd_distance(student.numpy(), teacher.numpy())
    assert RKDDistance()(student, teacher).item() == pytest.approx(expected, rel=1e-9)


def test_opposite_rows_are_no_neighbours():
    student = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [3.0, -1.0], [-3.0, 1.0]])
    assert PKT()(student, student).item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(PKT()(student, normal(4, 3, dtype=torch.float32)))


def test_the_angle_looks_at_the_first_rows_only():
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    expected = rkd_angle(student[:4].numpy(), teacher[:4].numpy())
    assert RKDAngle(max_rows=4)(student, teacher).item() == pytest.approx(expected)


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_attention_transfer_equals_its_formula(p):
    student, teacher = normal(N, 3, 4, 5), normal(N, 2, 4, 5, seed=1)
    maps = [(np.abs(v.numpy()) ** p).sum(axis=1).reshape(N, -1) for v in (student, teacher)]
    s, t = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in maps)
    expected = np.sum((s - t) ** 2) / N
    assert AttentionTransfer(p)(student, teacher).item() == pytest.approx(expected, rel=1e-9)
    tokens = [v.flatten(2).transpose(1, 2) for v in (student, teacher)]
    assert AttentionTransfer(p)(*tokens).item() == pytest.approx(expected, rel=1e-9)


def test_attention_probabilities_equal_their_formulas():
    student, teacher = attention(N, 3, 4, 4), attention(N, 3, 4, 4, seed=1)
    for heads in ("match", "mean"):
        s, t = student.numpy(), teacher.numpy()
        if heads == "mean":
            s, t = s.mean(axis=1, keepdims=True), t.mean(axis=1, keepdims=True)
        kl = AttentionProbabilities(heads)(student, teacher).item()
        assert kl == pytest.approx(rel_entr(t, s).sum(axis=-1).mean(), rel=1e-9)
        mse = AttentionProbabilities(heads, "mse")(student, teacher).item()
        assert mse == pytest.approx(((s - t) ** 2).sum(axis=-1).mean(), rel=1e-9)
    averaged = AttentionProbabilities()(student.mean(1), teacher.mean(1))
    assert averaged.item() == pytest.approx(AttentionProbabilities()(student, teacher).item())


def test_fitnets_is_the_mean_squared_error_of_a_linear_map():
    loss, student, teacher = pairs()["fitnets"]
    value = loss(student, teacher)
    weight, bias = (v.detach().numpy() for v in loss.parameters())
    expected = np.mean((student.numpy() @ weight.T + bias - teacher.numpy()) ** 2)
    assert value.item() == pytest.approx(expected, rel=1e-9)


def test_vid_is_half_the_negative_log_likelihood_of_a_normal_distribution():
    loss, student, teacher = pairs()["vid"]
    value = loss(student, teacher)
    with torch.no_grad():
        loss.raw_variance += normal(4)
        normals = torch.distributions.Normal(loss.projector(student), loss.variance.sqrt())
        expected = -normals.log_prob(teacher).mean() - np.log(2 * np.pi) / 2
        assert loss(student, teacher).item() == pytest.approx(expected.item(), rel=1e-9)
        assert loss(student, teacher) != value


@pytest.mark.parametrize("start", [0.01, 5.0, 1e4])
def test_the_variance_of_vid_starts_where_it_is_told(start):
    loss = VID(initial_variance=start).build(normal(N, 3), normal(N, 4))
    np.testing.assert_allclose(loss.variance.detach(), start, rtol=1e-6)


@pytest.mark.parametrize("name", ["fitnets, maps", "vid, maps"])
def test_a_map_of_places_is_mapped_place_by_place(name):
    loss, student, _ = pairs()[name]
    teacher = normal(N, 2, 4, 4, seed=1)
    on_maps = loss(student, teacher)
    tokens = [v.flatten(2).transpose(1, 2) for v in (student, teacher)]
    on_tokens = pairs()[name][0].build(*tokens)
    state = {k: v.flatten(1) if v.ndim == 4 else v for k, v in loss.state_dict().items()}
    on_tokens.load_state_dict(state)
    assert on_tokens(*tokens).item() == pytest.approx(on_maps.item(), rel=1e-9)


# What changes nothing.


def rotation(width, seed=5):
    return torch.linalg.qr(normal(width, width, seed=seed))[0]


INVARIANCES = {
    "rotation": lambda v: v @ rotation(v.shape[1]),
    "scale": lambda v: 3.7 * v,
    "shift": lambda v: v + normal(v.shape[1], seed=6),
    "scale of each row": lambda v: v * torch.arange(1.0, len(v) + 1)[:, None],
    "more features at zero": lambda v: torch.cat([v, torch.zeros_like(v)], dim=1),
}
HAS = {
    RKDDistance: {"rotation", "scale", "shift", "more features at zero"},
    RKDAngle: {"rotation", "scale", "shift", "more features at zero"},
    SimilarityPreserving: {"rotation", "scale", "more features at zero"},
    CKA: {"rotation", "scale", "shift", "more features at zero"},
    PKT: {"rotation", "scale", "scale of each row", "more features at zero"},
}


@pytest.mark.parametrize("change", sorted(INVARIANCES))
@pytest.mark.parametrize("loss", RELATIONAL)
def test_relations_are_blind_to_what_theory_says_and_to_nothing_else(loss, change):
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    before = loss()(student, teacher).item()
    for changed in (
        loss()(INVARIANCES[change](student), teacher).item(),
        loss()(student, INVARIANCES[change](teacher)).item(),
    ):
        assert (changed == pytest.approx(before, rel=1e-9)) == (change in HAS[loss])


@pytest.mark.parametrize("loss", RELATIONAL)
def test_relations_do_not_depend_on_the_order_of_the_rows(loss):
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    order = torch.randperm(N)
    expected = loss()(student, teacher).item()
    assert loss()(student[order], teacher[order]).item() == pytest.approx(expected, rel=1e-9)


def test_attention_transfer_is_blind_to_the_order_and_the_scale_of_channels():
    student, teacher = normal(N, 3, 4, 4), normal(N, 5, 4, 4, seed=1)
    expected = pytest.approx(AttentionTransfer()(student, teacher).item(), rel=1e-9)
    scale = torch.rand(N, 1, 1, 1) + 0.1
    assert AttentionTransfer()(scale * student[:, [2, 0, 1]], teacher).item() == expected
    assert AttentionTransfer()(-student, 5 * teacher.flip(1)).item() == expected
    assert AttentionTransfer()(student.flip(2), teacher.flip(2)).item() == expected
    assert AttentionTransfer()(student.flip(2), teacher).item() != expected


def test_the_order_of_heads_matters_only_if_they_are_matched():
    student, teacher = attention(N, 3, 4, 4), attention(N, 3, 4, 4, seed=1)
    for heads, same in (("mean", True), ("match", False)):
        loss = AttentionProbabilities(heads)
        changed = loss(student.flip(1), teacher).item()
        assert (changed == pytest.approx(loss(student, teacher).item(), rel=1e-9)) == same


def test_the_smaller_map_decides_the_size():
    student, teacher = normal(N, 3, 4, 2), normal(N, 5, 2, 4, seed=1)
    pooled = torch.nn.functional.adaptive_avg_pool2d(student.square().mean(1, keepdim=True), 2)
    loss = AttentionTransfer()
    assert loss(student, teacher) == loss(pooled.sqrt(), loss_map(teacher))


def loss_map(activations):
    maps = activations.square().mean(1, keepdim=True)
    return torch.nn.functional.adaptive_avg_pool2d(maps, 2).sqrt()


# Zero at equality, and gradients.


@pytest.mark.parametrize("name", [n for n in CASES if "fitnets" not in n and "vid" not in n])
def test_a_student_that_is_the_teacher_has_neither_loss_nor_gradient(name):
    loss, student, _ = pairs()[name]
    student.requires_grad_()
    # Probabilities are free in their logits only.
    layer = student.log().softmax(dim=-1) if "probabilities" in name else student
    value = loss(layer, layer.detach())
    (gradient,) = torch.autograd.grad(value, student)
    assert abs(value.item()) < 1e-12
    np.testing.assert_allclose(gradient, 0, atol=1e-8)


def test_fitnets_is_zero_where_the_map_is_the_right_one():
    student = normal(N, 3)
    assert FitNets(projection=False)(student, student).item() == 0
    loss = FitNets().build(student, student)
    with torch.no_grad():
        loss.projector.weight.copy_(rotation(3).T)
        loss.projector.bias.zero_()
    assert loss(student, student @ rotation(3)).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_right_and_the_teacher_has_none(name):
    loss, student, teacher = pairs()[name]
    loss.build(student, teacher)
    student.requires_grad_()
    teacher.requires_grad_()
    parameters = tuple(loss.parameters())
    assert torch.autograd.gradcheck(
        lambda student, *_: loss(student, teacher), (student, *parameters)
    )
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    assert all(p.grad is not None for p in parameters)


@pytest.mark.parametrize("name", CASES)
def test_inputs_are_not_changed_and_half_precision_is_computed_in_single(name):
    loss, student, teacher = pairs()[name]
    student, teacher = student.bfloat16(), teacher.bfloat16()
    before = student.clone(), teacher.clone()
    value = loss(student.requires_grad_(), teacher)
    value.backward()
    assert value.dtype == torch.float32
    assert value.ndim == 0
    assert torch.equal(student, before[0])
    assert torch.equal(teacher, before[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(student, teacher), value)


# Degenerate batches.


DEGENERATE = {
    "identical rows": lambda v: v[:1].expand_as(v).clone(),
    "all but one identical": lambda v: torch.cat([v[:1], v[1:2].expand_as(v[1:])]),
    "zeros": torch.zeros_like,
    "huge": lambda v: 1e8 * v,
    "tiny": lambda v: 1e-8 * v,
}


def assert_finite(loss, student, teacher):
    student = student.clone().requires_grad_()
    value = loss(student, teacher)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("change", sorted(DEGENERATE))
@pytest.mark.parametrize("name", CASES)
def test_degenerate_features_are_finite(name, change, dtype):
    loss, student, teacher = pairs()[name]
    student, teacher = student.to(dtype), teacher.to(dtype)
    change = DEGENERATE[change]
    assert_finite(loss, change(student), change(teacher))
    assert_finite(loss, change(student), teacher)
    assert_finite(loss, student, change(teacher))


@pytest.mark.parametrize("n_rows", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_small_batches_are_finite(name, n_rows):
    loss, student, teacher = pairs()[name]
    assert_finite(loss, student[:n_rows], teacher[:n_rows])


@pytest.mark.parametrize("loss", RELATIONAL)
def test_a_single_row_has_no_relations(loss):
    student = normal(1, 3).requires_grad_()
    value = loss()(student, normal(1, 4))
    assert value.item() == 0
    value.backward()
    assert not student.grad.any()


def test_a_constant_teacher_teaches_cka_nothing_and_a_constant_student_learns_nothing():
    varied, constant = normal(N, 3), torch.full((N, 3), 0.1, dtype=torch.float64)
    assert CKA()(varied, constant).item() == 0
    assert CKA()(constant, varied).item() == 1


def test_attention_of_exactly_zero_is_finite():
    student = torch.eye(4).expand(N, 2, 4, 4).clone().requires_grad_()
    value = AttentionProbabilities()(student, torch.full((N, 3, 4, 4), 0.25))
    value.backward()
    assert 10 < value.item() < 100
    assert torch.isfinite(student.grad).all()


# Padding.


@pytest.mark.parametrize("loss", [FitNets, VID, AttentionTransfer, *RELATIONAL])
def test_what_stands_in_the_padding_does_not_matter(loss):
    loss = loss()
    student, teacher = normal(N, 5, 3), normal(N, 5, 4, seed=1)
    mask = torch.arange(5) < torch.tensor([[5], [4], [3], [2], [1], [5], [2]])
    expected = loss(student, teacher, mask=mask)
    noisy = [torch.where(mask[..., None], v, 100 * v) for v in (student, teacher)]
    assert loss(*noisy, mask=mask).item() == pytest.approx(expected.item(), rel=1e-9)
    assert loss(*noisy).item() != pytest.approx(expected.item(), rel=1e-3)
    everything = loss(student, teacher, mask=torch.ones(N, 5))
    assert everything.item() == pytest.approx(loss(student, teacher).item(), rel=1e-9)


@pytest.mark.parametrize("loss", [FitNets(), AttentionProbabilities()])
def test_padding_added_to_every_row_changes_nothing(loss):
    if isinstance(loss, FitNets):
        student, teacher = normal(N, 4, 3), normal(N, 4, 5, seed=1)
        padded = [torch.nn.functional.pad(v, (0, 0, 0, 2)) for v in (student, teacher)]
    else:
        student, teacher = attention(N, 2, 4, 4), attention(N, 2, 4, 4, seed=1)
        padded = [torch.nn.functional.pad(v, (0, 2, 0, 2)) for v in (student, teacher)]
    mask = (torch.arange(6) < 4).expand(N, 6)
    expected = loss(student, teacher).item()
    assert loss(*padded, mask=mask).item() == pytest.approx(expected, rel=1e-9)


# Derivatives.


def networks(n_outputs=3):
    torch.manual_seed(0)
    return [
        torch.nn.Sequential(
            torch.nn.Linear(4, width), torch.nn.Tanh(), torch.nn.Linear(width, n_outputs)
        ).double()
        for width in (5, 8)
    ]


def jacobian_of(network, x):
    def log_proba(x):
        return network(x).log_softmax(dim=-1)

    return torch.stack([torch.autograd.functional.jacobian(log_proba, row) for row in x])


@pytest.mark.parametrize("normalize", [True, False])
def test_the_jacobian_of_the_top_class_equals_its_formula(normalize):
    student, teacher = networks()
    x = normal(N, 4).requires_grad_()
    value = Jacobian(normalize=normalize)(student(x), teacher(x), x)
    top = teacher(x).argmax(dim=1)
    gradients = [jacobian_of(f, x.detach())[torch.arange(N), top] for f in (student, teacher)]
    if normalize:
        gradients = [torch.nn.functional.normalize(g, dim=1) for g in gradients]
    expected = (gradients[0] - gradients[1]).square().sum(dim=1).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)


def test_random_directions_see_the_whole_jacobian_on_average():
    student, teacher = networks()
    x = normal(N, 4).requires_grad_()
    loss = Jacobian(direction="random", normalize=False)
    values = [loss(student(x), teacher(x), x).item() for _ in range(300)]
    difference = jacobian_of(student, x.detach()) - jacobian_of(teacher, x.detach())
    expected = difference.square().sum(dim=(1, 2)).mean().item() / 3
    assert np.mean(values) == pytest.approx(expected, rel=0.1)
    again = Jacobian(direction="random", normalize=False)
    assert again(student(x), teacher(x), x).item() == values[0]


@pytest.mark.parametrize("direction", ["top", "random"])
@pytest.mark.parametrize("log_proba", [True, False])
def test_the_jacobian_is_zero_at_equality_and_blind_to_constants(direction, log_proba):
    student, teacher = networks()
    x = normal(N, 4).requires_grad_()
    loss = Jacobian(direction, log_proba=log_proba, normalize=False)
    assert loss(teacher(x), teacher(x), x).item() == pytest.approx(0, abs=1e-12)
    same_class = Jacobian(log_proba=log_proba)
    before = same_class(student(x), teacher(x), x).item()
    # A constant that depends on the row is one of the logits, but not of other outputs.
    shifted = student(x) + x.sum(dim=1, keepdim=True)
    assert (same_class(shifted, teacher(x), x).item() == pytest.approx(before)) == log_proba


@pytest.mark.parametrize("normalize", [True, False])
def test_the_gradient_of_the_jacobian_reaches_the_student_only(normalize):
    student, teacher = networks()
    names, parameters = zip(*student.named_parameters(), strict=True)
    loss = Jacobian(normalize=normalize)

    def value(*parameters):
        x = normal(N, 4).requires_grad_()
        outputs = torch.func.functional_call(student, dict(zip(names, parameters, strict=True)), x)
        return loss(outputs, teacher(x), x)

    assert torch.autograd.gradcheck(value, parameters)
    value(*parameters).backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert student[0].weight.grad.abs().sum() > 0


def test_the_jacobian_says_what_it_needs():
    student, teacher = networks()
    x = normal(N, 4)
    with pytest.raises(ValueError, match="Call inputs.requires_grad_"):
        Jacobian()(student(x), teacher(x), x)
    x.requires_grad_()
    with torch.no_grad():
        outputs = teacher(x)
    with pytest.raises(ValueError, match="outputs of the teacher that do not depend"):
        Jacobian()(student(x), outputs, x)
    with pytest.raises(ValueError, match="outputs of the student that do not depend"):
        Jacobian()(student(x.detach()), teacher(x), x)
    with pytest.raises(ValueError, match="layers of the same width"):
        Jacobian()(student(x)[:, :2], teacher(x), x)
    with pytest.raises(ValueError, match=r"Use Jacobian\(log_proba=False\) for regression"):
        Jacobian()(student(x)[:, :1], teacher(x)[:, :1], x)
    with pytest.raises(ValueError, match=r"must be one of \('top', 'random'\). Got 'all'"):
        Jacobian(direction="all")
    assert Jacobian.needs_inputs
    assert not FitNets.needs_inputs


# Scale.


@pytest.mark.parametrize("name", CASES)
def test_a_scaled_loss_starts_at_one_and_keeps_its_shape(name):
    loss, student, teacher = pairs()[name]
    other = normal(*student.shape, seed=9).abs()
    wrapped = scaled(copy.deepcopy(loss.build(student, teacher)))
    first = loss(student, teacher).item()
    assert wrapped(student, teacher).item() == pytest.approx(1)
    assert wrapped.initial_ == pytest.approx(first)
    assert wrapped(other, teacher).item() == pytest.approx(loss(other, teacher).item() / first)
    student.requires_grad_()
    gradients = [torch.autograd.grad(f(student, teacher), student)[0] for f in (wrapped, loss)]
    np.testing.assert_allclose(first * gradients[0], gradients[1])


def test_a_first_value_of_zero_is_no_scale():
    wrapped = scaled(RKDDistance())
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    assert wrapped(student[:1], teacher[:1]).item() == 0
    assert wrapped(teacher, teacher).item() == 0
    assert wrapped.initial_ is None
    assert wrapped(student, teacher).item() == 1


def test_scaling_keeps_parameters_and_what_the_loss_needs():
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    assert len(list(scaled(FitNets()).build(student, teacher).parameters())) == 2
    assert scaled(Jacobian()).needs_inputs
    assert not scaled(CKA()).needs_inputs
    wrapped = scaled(lambda s, t: (s - t).square().sum())
    assert wrapped.build(student, student) is wrapped
    assert wrapped(student, student + 1).item() == 1


# Trainable parts.


@pytest.mark.parametrize("loss", [FitNets, VID])
def test_trainable_parts_are_made_once_and_belong_to_the_loss(loss):
    student, teacher = normal(N, 3), normal(N, 4, seed=1)
    loss = loss()
    assert list(loss.parameters()) == []
    assert loss.build(student, teacher) is loss
    before = [p.clone() for p in loss.parameters()]
    assert before
    loss(student, teacher)
    assert all(torch.equal(a, b) for a, b in zip(before, loss.parameters(), strict=True))
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss(student, teacher).backward()
        optimizer.step()
    fresh = type(loss)()
    assert loss(student, teacher) < fresh(student, teacher)
    with pytest.raises(ValueError, match="was built for 3 features of the student and 4"):
        loss(normal(N, 2), teacher)


@pytest.mark.parametrize("name", [*CASES, "jacobian"])
def test_losses_can_be_copied_and_pickled(name):
    if name == "jacobian":
        x = normal(N, 4).requires_grad_()
        loss, arguments = Jacobian("random"), (*(f(x) for f in networks()), x)
    else:
        loss, *arguments = pairs()[name]
        loss.build(*arguments)
    wrapped = scaled(loss)
    copies = copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))
    expected = wrapped.loss(*arguments)
    for other in copies:
        assert torch.equal(other.loss(*arguments), expected)
        assert repr(other) == repr(wrapped)


# Bad input.


def test_messages_say_what_was_got_what_is_accepted_and_what_to_do():
    rows, tokens, maps = normal(N, 3), normal(N, 5, 3), normal(N, 3, 4, 4)
    cases = [
        (RKDDistance(), rows, rows[:3], "Got 7 rows from the student and 3 .* same batch"),
        (
            RKDDistance(),
            rows[:, 0],
            rows,
            r"accepts features of shape .* Got \(7,\) from the stud",
        ),
        (
            AttentionTransfer(),
            maps,
            rows,
            r"n_tokens, n_features\) or .* Got \(7, 3\) from the te",
        ),
        (AttentionTransfer(), maps, tokens, "maps with maps, or tokens with tokens"),
        (AttentionTransfer(), tokens, tokens[:, :2], "Got 5 tokens from the student and 2"),
        (FitNets(), rows, tokens, "rows, tokens, or maps .* Name other layers"),
        (FitNets(), tokens, tokens[:, :2], "token with token. Got 5 tokens .* RKDDistance"),
        (FitNets(projection=False), rows, rows[:, :2], r"Got 3 features .* Use FitNets\(\)"),
        (
            AttentionProbabilities("match"),
            attention(N, 2, 4, 4),
            attention(N, 3, 4, 4),
            "Got 2 of the student and 3 of the teacher. Use heads='mean'",
        ),
        (
            AttentionProbabilities(),
            attention(N, 2, 4, 4),
            attention(N, 2, 5, 5),
            "Got 4×4 from the student and 5×5 .* same tokenisation",
        ),
        (AttentionProbabilities(), rows, rows, r"shape \(n_samples, n_tokens, n_tokens\) or"),
    ]
    for loss, student, teacher, message in cases:
        with pytest.raises(ValueError, match=message):
            loss(student, teacher)
    with pytest.raises(
        TypeError, match="Got tuple from the teacher. If its layer returns several"
    ):
        CKA()(rows, (rows, rows))
    with pytest.raises(TypeError, match="CKA compares tensors. Got ndarray from the student"):
        CKA()(rows.numpy(), rows)


def test_masks_must_fit():
    rows, tokens = normal(N, 3), normal(N, 5, 3)
    for features_, mask in ((rows, torch.ones(N, 3)), (tokens, torch.ones(N, 4))):
        with pytest.raises(ValueError, match="accepts a mask of shape .* one number per token"):
            CKA()(features_, features_, mask=mask)
    with pytest.raises(ValueError, match=r"here \(7, 4\). Got \(7, 5\)"):
        AttentionProbabilities()(
            attention(N, 2, 4, 4), attention(N, 2, 4, 4), mask=torch.ones(N, 5)
        )


@pytest.mark.parametrize(
    ("loss", "settings", "message"),
    [
        (AttentionTransfer, {"p": 0}, "'p' parameter .* at least 1. Got 0"),
        (AttentionProbabilities, {"heads": "all"}, "'heads' parameter .* Got 'all'"),
        (AttentionProbabilities, {"kind": "l1"}, "'kind' parameter .* Got 'l1'"),
        (RKDAngle, {"max_rows": 2}, r"'max_rows' parameter .* \[3, inf\). Got 2"),
        (VID, {"initial_variance": 0}, "'initial_variance' parameter .* Got 0"),
    ],
)
def test_settings_are_checked(loss, settings, message):
    with pytest.raises(ValueError, match=message):
        loss(**settings)


# Names.


def test_every_name_is_a_loss_with_default_settings():
    for name, cls in FEATURE_LOSSES.items():
        loss = get_feature_loss(name)
        assert type(loss) is getattr(features, cls)
        assert isinstance(loss, FeatureLoss)
        assert "arXiv" in type(loss).__doc__
    assert set(FEATURE_LOSSES.values()) == set(features.__all__) - {
        "FeatureLoss",
        "Scaled",
        "scaled",
    }


def test_classes_are_made_and_callables_returned():
    assert isinstance(get_feature_loss(CKA), CKA)
    loss = RKDAngle(max_rows=8)
    assert get_feature_loss(loss) is loss
    with pytest.raises(ValueError, match="Did you mean 'attention-transfer'"):
        get_feature_loss("AttentionTransfer")
    with pytest.raises(TypeError, match="or a callable. Got None"):
        get_feature_loss(None)
