"""Networks on a device: one argument changes, nothing else. CUDA is skipped where it is not."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_distill import (
    AttentionHint,
    DistillationClassifier,
    GradientTraining,
    LayerHint,
    TorchTeacher,
)

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")
from torch import nn  # noqa: E402

# Teachers here are mostly networks that nobody trained.
pytestmark = pytest.mark.filterwarnings("ignore:The teacher's first choice is the real label")

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]
on_devices = pytest.mark.parametrize("device", DEVICES)
homes = pytest.mark.parametrize("home", DEVICES)

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)


def mlp(width=32, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


class Rows(nn.Module):
    """A transformer over the eight rows of a digit."""

    def __init__(self, n_layers=1, n_heads=2):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, n_heads, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.head = nn.Linear(8, 10)

    def forward(self, X):
        return self.head(self.encoder(X.reshape(-1, 8, 8)).mean(dim=1))


class Half(nn.Module):
    """A network in bfloat16 where that is allowed."""

    def __init__(self):
        super().__init__()
        self.layers = mlp()

    def forward(self, X):
        with torch.autocast(X.device.type, dtype=torch.bfloat16):
            return self.layers(X)


def distilled(teacher, student, device, *, max_epochs=15, **settings):
    strategy = GradientTraining(max_epochs, device=device, **settings)
    model = DistillationClassifier(teacher, student, strategy=strategy, random_state=0)
    return model.fit(X, y)


@needs_cuda
def test_one_argument_moves_the_training():
    teacher = RandomForestClassifier(50, min_samples_leaf=2, random_state=0).fit(X, y)
    on = {device: distilled(teacher, mlp(), device) for device in ("cpu", "cuda")}
    module = on["cuda"].student_.module_
    assert next(module.parameters()).device.type == "cuda"
    # The same batches, and sums in another order.
    np.testing.assert_allclose(*(model.predict_proba(X) for model in on.values()), atol=0.02)
    proba = on["cuda"].predict_proba(X)
    assert isinstance(proba, np.ndarray)
    with torch.no_grad():
        alone = torch.softmax(copy.deepcopy(module).cpu()(torch.from_numpy(X)), dim=1)
    np.testing.assert_allclose(proba, alone, atol=1e-4)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(on["cuda"])).predict_proba(X), proba)


@homes
@on_devices
@pytest.mark.parametrize("loss", ["kl", "dkd", "dist", "logit-standardization", "wsld"])
def test_a_teacher_labels_anywhere_and_goes_home(home, device, loss):
    module = mlp(64, seed=1).to(home)
    before = copy.deepcopy(module.state_dict())
    teacher = TorchTeacher(module, device=device)
    on_device = teacher.predict_proba(X)
    assert next(module.parameters()).device.type == home
    np.testing.assert_allclose(
        TorchTeacher(module, device="cpu").predict_proba(X), on_device, atol=1e-5
    )
    assert distilled(teacher, mlp(), device, loss=loss, max_epochs=2).score(X, y) > 0.05
    assert next(module.parameters()).device.type == home
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@homes
@on_devices
@pytest.mark.parametrize(
    "hint",
    [
        *(LayerHint("1", "1", loss=name) for name in ("fitnets", "vid", "cka", "pkt")),
        LayerHint("1", "1", loss="rkd-distance"),
        LayerHint("1", "1", loss="rkd-angle"),
        LayerHint("1", "1", loss="similarity-preserving"),
        LayerHint("", "", loss="jacobian"),
    ],
    ids=lambda hint: hint.loss,
)
def test_hints_work_wherever_the_teacher_lives(home, device, hint):
    teacher = mlp(64, seed=1).to(home)
    model = distilled(teacher, mlp(), device, hints=[hint], max_epochs=2)
    plain = distilled(teacher, mlp(), device, max_epochs=2)
    assert not np.allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    assert next(teacher.parameters()).device.type == home


@on_devices
def test_attention_and_leaves_are_hints_too(device):
    path = "encoder.layers.0.self_attn"
    hints = [AttentionHint(path, path)]
    model = distilled(Rows(n_layers=2), Rows(), device, hints=hints, max_epochs=2)
    assert np.isfinite(model.predict_proba(X)).all()
    forest = RandomForestClassifier(20, min_samples_leaf=2, random_state=0).fit(X, y)
    model = distilled(forest, mlp(), device, hints=[LayerHint("leaves", "1", loss="cka")])
    assert model.score(X, y) > 0.8


@on_devices
def test_half_precision_and_the_default_student(device):
    teacher = RandomForestClassifier(50, min_samples_leaf=2, random_state=0).fit(X, y)
    assert distilled(teacher, make_pipeline(StandardScaler(), Half()), device).score(X, y) > 0.9
    assert distilled(teacher, None, device).score(X, y) > 0.9


@on_devices
def test_a_users_net_decides_on_its_device(device):
    net = skorch.NeuralNetClassifier(
        mlp(), criterion=nn.CrossEntropyLoss, device=device, lr=0.1, max_epochs=5, verbose=0
    )
    teacher = RandomForestClassifier(50, min_samples_leaf=2, random_state=0).fit(X, y)
    model = DistillationClassifier(teacher, net, random_state=0).fit(X, y)
    assert next(model.student_.module_.parameters()).device.type == device
    assert model.score(X, y) > 0.5


@needs_cuda
def test_the_generators_of_the_device_are_not_touched():
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    distilled(mlp(64, seed=1), None, "cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
