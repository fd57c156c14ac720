"""Hints: layers that are captured, compared and left as they were."""

import copy

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_distill import (
    AttentionHint,
    DistillationClassifier,
    GradientTraining,
    LayerHint,
    TorchTeacher,
)
from sklearn_distill.losses import FEATURE_LOSSES
from sklearn_distill.teachers import innermost, read_layer

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
from skorch import NeuralNetClassifier  # noqa: E402
from torch import nn  # noqa: E402

from sklearn_distill.nn.capture import captured, find_layer  # noqa: E402
from sklearn_distill.nn.hint_losses import heads_apart  # noqa: E402

# Teachers here are mostly networks that nobody trained.
pytestmark = pytest.mark.filterwarnings("ignore:The teacher's first choice is the real label")

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X).astype(np.float32)


def quick(*hints, **settings):
    return GradientTraining(max_epochs=3, batch_size=50, hints=list(hints), **settings)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mlp(width=8, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3))


class Tokens(nn.Module):
    """Columns as tokens, attention among them: a small FT-Transformer."""

    def __init__(self, n_layers=1, width=8, n_heads=2, seed=0, dropout=0.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embed = nn.Parameter(torch.randn(4, width))
            layer = nn.TransformerEncoderLayer(width, n_heads, 16, dropout, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
            self.head = nn.Linear(width, 3)

    def forward(self, X):
        return self.head(self.encoder(X[:, :, None] * self.embed).mean(dim=1))


def n_hooks(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


# -- capture ------------------------------------------------------------------------------------


def test_captured_layers_are_what_they_return_and_hooks_are_gone_afterwards():
    module, rows = mlp(), torch.from_numpy(X)
    with captured(module, ["0", "1", ""]) as layers:
        output = module(rows)
    torch.testing.assert_close(layers["0"], module[0](rows))
    torch.testing.assert_close(layers["1"], torch.tanh(module[0](rows)))
    assert layers[""] is output
    assert n_hooks(module) == 0


def test_hooks_are_gone_after_an_error_too():
    module = mlp()
    with pytest.raises(RuntimeError), captured(module, ["0"]):
        module(torch.zeros(2, 99))
    with pytest.raises(ValueError, match="no layer 'x'"), captured(module, ["0", "x"]):
        pass
    assert n_hooks(module) == 0


@pytest.mark.parametrize("training", [True, False])
def test_attention_probabilities_are_those_of_the_layer(training):
    module, rows = Tokens().train(training), torch.from_numpy(X[:5])
    attention = module.encoder.layers[0].self_attn
    fastpath = torch.backends.mha.get_fastpath_enabled()
    path = "encoder.layers.0.self_attn"
    with torch.no_grad(), captured(module, [], attention=[path]) as layers:
        output = module(rows)
    tokens = rows[:, :, None] * module.embed
    _, expected = attention(tokens, tokens, tokens, average_attn_weights=False)
    torch.testing.assert_close(layers[path, "attention"], expected)
    assert layers[path, "attention"].shape == (5, 2, 4, 4)
    assert torch.backends.mha.get_fastpath_enabled() == fastpath
    with torch.no_grad():
        torch.testing.assert_close(output, module(rows))


class OwnAttention(nn.Module):
    """Attention that returns its probabilities after dropout, as transformers do."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens, scale=1.0):
        probabilities = torch.softmax(scale * tokens @ tokens.mT, dim=-1)[:, None]
        probabilities = self.dropout(probabilities)
        return (probabilities[:, 0] @ tokens, probabilities)


@pytest.mark.parametrize("kind", ["torch", "own"])
def test_attention_is_captured_before_dropout_and_dropout_goes_on(kind):
    tokens = torch.from_numpy(X[:5, :, None])
    if kind == "own":
        layer, call = OwnAttention(0.5), {"scale": 2.0}
        path = "0"
        module = nn.Sequential(layer)
        module.forward = lambda tokens: layer(tokens, **call)[0]
        expected = torch.softmax(2.0 * tokens @ tokens.mT, dim=-1)[:, None]
    else:
        module, path = Tokens(dropout=0.5), "encoder.layers.0.self_attn"
        tokens = torch.from_numpy(X[:5])
        with captured(module.eval(), [], attention=[path]) as layers:
            module(tokens)
        expected = layers[path, "attention"]
    module.train()
    torch.manual_seed(0)
    dropped = module(tokens)
    torch.manual_seed(0)
    with captured(module, [], attention=[path]) as layers:
        output = module(tokens)
    torch.testing.assert_close(layers[path, "attention"], expected)
    torch.testing.assert_close(output, dropped)
    assert all(part.training for part in module.modules())
    assert n_hooks(module) == 0


def test_a_layer_and_its_attention_are_told_apart():
    module, path = Tokens(), "encoder.layers.0.self_attn"
    with captured(module, [path], attention=[path]) as layers:
        module(torch.from_numpy(X[:5]))
    assert layers[path].shape == (5, 4, 8)
    assert layers[path, "attention"].shape == (5, 2, 4, 4)


def test_a_wrong_path_lists_the_closest_names():
    with pytest.raises(
        ValueError, match=r"The student Tokens has no layer 'encoder.layer.0'.*lay"
    ):
        find_layer(Tokens(), "encoder.layer.0", who="The student")


# -- hints in training ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", sorted(FEATURE_LOSSES.keys() - {"attention-probabilities"}))
def test_every_loss_on_layers_trains(loss):
    teacher, student = mlp(16, seed=1), mlp(8)
    before = copy.deepcopy(teacher.state_dict())
    path = {"jacobian": ""}.get(loss, "1")
    if loss == "attention-transfer":
        teacher, student, path = Tokens(seed=1), Tokens(), "encoder"
        before = copy.deepcopy(teacher.state_dict())
    hint = LayerHint(path, path, loss=loss)
    model = DistillationClassifier(teacher, student, strategy=quick(hint), random_state=0)
    model.fit(X, y)
    without = clone(model).set_params(strategy=quick()).fit(X, y)
    assert not np.allclose(model.predict_proba(X), without.predict_proba(X), atol=1e-6)
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert n_hooks(teacher) == n_hooks(model.student_.module_) == 0
    assert all(p.grad is None for p in teacher.parameters())
    # What was trained along is not part of the student.
    assert model.student_.module_.state_dict().keys() == student.state_dict().keys()


def test_a_hint_of_weight_zero_changes_nothing():
    model = DistillationClassifier(mlp(16, seed=1), mlp(), strategy=quick(), random_state=0)
    plain = model.fit(X, y).predict_proba(X)
    model.set_params(strategy=quick(LayerHint("1", "1", loss="cka", weight=0.0)))
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X), plain, atol=1e-6)


def test_a_heavy_hint_makes_the_layers_alike():
    def distance(model):
        rows = torch.from_numpy(X)
        with torch.no_grad():
            a, b = teacher[:2](rows), model.student_.module_[:2](rows)
        a, b = (torch.cdist(v, v) / torch.cdist(v, v).mean() for v in (a, b))
        return (a - b).abs().mean().item()

    teacher = mlp(16, seed=1)
    strategy = GradientTraining(max_epochs=80, batch_size=50, validation_fraction=None)
    model = DistillationClassifier(teacher, mlp(), strategy=strategy, random_state=0)
    plain = distance(model.fit(X, y))
    model.set_params(strategy__hints=[LayerHint("1", "1", loss="rkd-distance", weight=30.0)])
    assert distance(model.fit(X, y)) < 0.5 * plain


def test_attention_is_taught_to_a_student_with_fewer_layers_and_heads():
    teacher, student = Tokens(n_layers=2, seed=1), Tokens(n_layers=1, n_heads=1)
    hint = AttentionHint("encoder.layers.1.self_attn", "encoder.layers.0.self_attn", weight=5.0)
    model = DistillationClassifier(teacher, student, strategy=quick(hint), random_state=0)
    plain = clone(model).set_params(strategy=quick()).fit(X, y).predict_proba(X)
    assert not np.allclose(model.fit(X, y, X_unlabeled=X[:20]).predict_proba(X), plain, atol=1e-6)


class Table(nn.Module):
    """The FT-Transformer of its authors."""

    def __init__(self, n_blocks, n_heads):
        super().__init__()
        rtdl = pytest.importorskip("rtdl_revisiting_models")
        self.transformer = rtdl.FTTransformer(
            n_cont_features=4,
            cat_cardinalities=[],
            d_out=3,
            n_blocks=n_blocks,
            d_block=8,
            attention_n_heads=n_heads,
            attention_dropout=0.2,
            ffn_d_hidden_multiplier=2.0,
            ffn_dropout=0.1,
            residual_dropout=0.0,
        )

    def forward(self, X):
        return self.transformer(X, None)


def test_an_ft_transformer_teaches_one_of_a_single_block():
    last, first = (f"transformer.backbone.blocks.{k}.attention.dropout" for k in (1, 0))
    teacher, student = Table(2, n_heads=4), Table(1, n_heads=2)
    with captured(teacher, [], attention=[last]) as layers:
        teacher.train()(torch.from_numpy(X[:5]))
    apart = heads_apart(layers, 5)[last, "attention"]
    assert apart.shape == (5, 4, 1, 5)  # in its last block only the class token looks
    torch.testing.assert_close(apart.flatten(0, 1), layers[last, "attention"])
    model = DistillationClassifier(teacher, student, strategy=quick(), random_state=0)
    plain = model.fit(X, y).predict_proba(X)
    model.set_params(strategy=quick(AttentionHint(last, first, weight=5.0)))
    assert not np.allclose(model.fit(X, y).predict_proba(X), plain, atol=1e-6)


class Padded(nn.Module):
    """A transformer over rows with gaps, which it pads."""

    def __init__(self, seed=0):
        super().__init__()
        self.tokens = Tokens(seed=seed)

    def forward(self, values, attention_mask):
        return self.tokens(values * attention_mask)


def gaps_as_mask(X):
    """Return a dict of tensors, as tokenisers do: rows with gaps, and where there are none."""
    mask = ~np.isnan(X)
    return {"values": np.nan_to_num(X), "attention_mask": mask.astype(np.float32)}


def mask_of_rows(rows):
    return rows["attention_mask"]


def test_padding_is_left_out_and_students_may_take_dicts():
    path = "tokens.encoder.layers.0"
    gaps = np.where(np.random.RandomState(0).rand(*X.shape) < 0.3, np.nan, X).astype(np.float32)
    teacher = TorchTeacher(Padded(seed=1), preprocess=gaps_as_mask)
    student = make_pipeline(FunctionTransformer(gaps_as_mask), Padded())

    def proba(mask):
        hints = [
            LayerHint(path, path, weight=5.0, mask=mask),
            AttentionHint(f"{path}.self_attn", f"{path}.self_attn", weight=5.0, mask=mask),
        ]
        model = DistillationClassifier(teacher, student, strategy=quick(*hints), random_state=0)
        return model.fit(gaps, y, X_unlabeled=gaps[:30]).predict_proba(gaps)

    by_name = proba("attention_mask")
    np.testing.assert_array_equal(proba(mask_of_rows), by_name)
    assert np.abs(proba(None) - by_name).max() > 1e-4
    with pytest.raises(
        ValueError, match=r"mask 'padding' of a LayerHint.*with \['attention_mask'"
    ):
        proba("padding")


def test_the_layers_of_a_teacher_are_computed_once_and_kept(monkeypatch):
    calls = []
    teacher = mlp(16, seed=1)
    teacher.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    hints = [LayerHint("1", "1", loss="similarity-preserving"), LayerHint("0", "0", loss="cka")]
    model = DistillationClassifier(teacher, mlp(), strategy=quick(*hints), random_state=0)
    kept = model.fit(X, y).predict_proba(X)
    assert sum(calls) == 2 * len(X)  # labels, and layers
    monkeypatch.setattr("sklearn_distill.nn.hint_losses.MOST_BYTES", 0)
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X), kept, atol=1e-5)
    assert sum(calls) > 5 * len(X)


@pytest.mark.parametrize(
    ("teacher", "layer"),
    [
        (MLPClassifier((6,), max_iter=2000, random_state=0), "hidden.0"),
        (RandomForestClassifier(5, min_samples_leaf=4, random_state=0), "leaves"),
        (
            make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=5000, random_state=0)),
            "hidden.0",
        ),
    ],
    ids=["mlp", "forest", "pipeline"],
)
def test_scikit_learn_teachers_have_layers_too(teacher, layer):
    hint = LayerHint(layer, "1", loss="cka")
    model = DistillationClassifier(teacher.fit(X, y), mlp(), strategy=quick(hint))
    assert model.fit(X, y, X_unlabeled=X[:9]).score(X, y) > 0


def test_networks_inside_other_estimators_have_layers_too():
    net = NeuralNetClassifier(
        mlp(16), criterion=nn.CrossEntropyLoss, max_epochs=2, lr=0.1, verbose=0
    )
    pipeline = make_pipeline(StandardScaler(), net).fit(X, y)
    pair = DistillationClassifier(pipeline, mlp(12), strategy=quick(), random_state=0).fit(X, y)
    for teacher in (pipeline, net, FrozenEstimator(pipeline), pair, pair.standalone()):
        student = make_pipeline(StandardScaler(), mlp())
        model = DistillationClassifier(teacher, student, strategy=quick(), random_state=0)
        plain = model.fit(X, y).predict_proba(X)
        model.set_params(strategy=quick(LayerHint("1", "1", weight=10.0)))
        assert not np.allclose(model.fit(X, y).predict_proba(X), plain, atol=1e-6)


def test_a_modules_own_attributes_are_not_taken_for_a_pipelines():
    teacher = mlp(16)
    teacher.steps, teacher.decoder, teacher.student_ = 3, nn.Identity(), None
    model = DistillationClassifier(teacher, mlp(), strategy=quick(LayerHint("1", "1")))
    assert model.fit(X, y).score(X, y) > 0
    assert innermost(teacher, X)[0].module is teacher


def test_leaves_are_read_from_sparse_rows_too():
    forest = RandomForestClassifier(5, min_samples_leaf=4, random_state=0).fit(X, y)
    rows = csr_matrix(X)
    np.testing.assert_array_equal(
        read_layer(forest, rows, "leaves"), read_layer(forest, X, "leaves")
    )


def test_the_layer_of_a_pipelines_network_is_that_of_transformed_rows():
    shifted = X + 100
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=2000, random_state=0))
    pipeline.fit(shifted, y)
    model, rows = innermost(pipeline, shifted)
    np.testing.assert_allclose(
        read_layer(model, rows, "hidden.0"), read_layer(model, X, "hidden.0"), atol=1e-3
    )


def test_hidden_activations_lead_to_the_networks_own_probabilities():
    for activation in ("relu", "tanh", "logistic"):
        teacher = MLPClassifier((6, 5), activation=activation, max_iter=20, random_state=0)
        with pytest.warns(UserWarning, match="converge"):
            teacher.fit(X, y)
        logits = read_layer(teacher, X, "hidden.1") @ teacher.coefs_[2] + teacher.intercepts_[2]
        proba = torch.softmax(torch.as_tensor(logits), dim=1).numpy()
        np.testing.assert_allclose(proba, teacher.predict_proba(X), atol=1e-5)


def test_rows_in_the_same_leaves_have_the_same_coordinates():
    teacher = RandomForestClassifier(3, max_depth=2, random_state=0).fit(X, y)
    features, leaves = read_layer(teacher, X, "leaves"), teacher.apply(X)
    _, first, group = np.unique(leaves, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_allclose(features, features[first][group.ravel()], atol=1e-4)


# -- refusals -------------------------------------------------------------------------------------


FOREST = RandomForestClassifier(5, min_samples_leaf=4, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("teacher", "student", "hint", "match"),
    [
        (mlp(), mlp(), LayerHint("9", "1"), "The teacher Sequential has no layer '9'"),
        (mlp(), mlp(), LayerHint("1", "one"), "The student Sequential has no layer 'one'"),
        (mlp(), mlp(), AttentionHint("1", "1"), "returns no attention probabilities"),
        (mlp(), LogisticRegression(), LayerHint("1", "1"), "needs a torch module or a skorch net"),
        (
            FOREST,
            mlp(),
            LayerHint("hidden.0", "1"),
            r"has no layer 'hidden.0'. It has \['leaves'\]",
        ),
        (
            FOREST,
            mlp(),
            LayerHint("leaves", "", loss="jacobian"),
            "needs a torch module as teacher",
        ),
        (mlp(), mlp(), LayerHint("1", "1", loss="fitnet"), "fitnets"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_hint_that_cannot_be_followed_is_refused(teacher, student, hint, match):
    model = DistillationClassifier(
        teacher, student, strategy=quick(hint), alpha=0.5, temperature=2
    )
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    if isinstance(teacher, nn.Module):
        assert n_hooks(teacher) == 0


def test_what_is_no_hint_is_refused():
    for weight in (-1, float("nan"), "much"):
        with pytest.raises(ValueError, match=r"weight of a AttentionHint must be .*\[0, inf\)"):
            AttentionHint("1", "1", weight=weight)
    with pytest.raises(TypeError, match="student_layer of a LayerHint must be a module path"):
        LayerHint("1", 1)
    model = DistillationClassifier(mlp(), mlp(), strategy=quick(("1", "1")))
    with pytest.raises(TypeError, match=r"Got \('1', '1'\) in it. Write LayerHint\("):
        model.fit(X, y)


def test_derivatives_need_the_same_rows_on_both_sides():
    hints = [LayerHint("", "", loss="jacobian")]
    model = DistillationClassifier(mlp(16, seed=1), mlp(), strategy=quick(*hints))
    raw = 3 * X + 1
    model.fit(raw, y)
    model.set_params(student=make_pipeline(StandardScaler(), mlp()))
    with pytest.raises(ValueError, match="take different ones.*same transformers before both"):
        model.fit(raw, y)
    teacher = make_pipeline(StandardScaler(), FrozenEstimator(as_net(mlp(16, seed=1)))).fit(raw, y)
    model.set_params(teacher=teacher).fit(raw, y)  # the same transformers
    student = make_pipeline(FunctionTransformer(gaps_as_mask), Padded())
    model.set_params(teacher=TorchTeacher(Padded(), preprocess=gaps_as_mask), student=student)
    with pytest.raises(TypeError, match="rows in one tensor of floating-point numbers"):
        model.fit(X, y)


def as_net(module):
    """Return a module as a fitted net."""
    return NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0, train_split=None
    ).fit(X, y)


def test_hints_need_the_teacher_itself():
    model = DistillationClassifier(None, mlp(), strategy=quick(LayerHint("1", "1")))
    with pytest.raises(ValueError, match="hints need the teacher itself"):
        model.fit(X, y, teacher_output=np.full((150, 3), 1 / 3))


@pytest.mark.parametrize("loss", ["dkd", "dist", "logit-standardization"])
def test_losses_without_information_for_two_classes_are_refused(loss):
    teacher, student = LogisticRegression().fit(X, y == 1), nn.Sequential(nn.Linear(4, 2))
    model = DistillationClassifier(teacher, student, strategy=quick(loss=loss))
    with pytest.raises(ValueError, match="carries no information with 2 classes.*Use .kl."):
        model.fit(X, y == 1)
