"""Torch modules and skorch nets as teacher and student."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, GradientTraining, TorchTeacher
from sklearn_distill.losses import LOGIT_LOSSES
from sklearn_distill.targets import SoftTargets
from sklearn_distill.utils.kinds import last_step

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")
from torch import nn  # noqa: E402

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X).astype(np.float32)
QUICK = GradientTraining(max_epochs=5, batch_size=32)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mlp(n_outputs=3, seed=0, last=None):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, n_outputs)]
    return nn.Sequential(*layers, *([last] if last else []))


def net(**params):
    defaults = {
        "criterion": nn.CrossEntropyLoss,
        "lr": 0.1,
        "max_epochs": 4,
        "batch_size": 32,
        "verbose": 0,
    }
    return skorch.NeuralNetClassifier(mlp(), **(defaults | params))


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def assert_same_state(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


# -- teachers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "n_outputs", "read"),
    [
        (None, 3, lambda out: torch.softmax(out, dim=1)),
        (nn.Softmax(dim=1), 3, lambda out: out),
        (nn.LogSoftmax(dim=1), 3, torch.exp),
        (None, 1, lambda out: torch.cat([1 - torch.sigmoid(out), torch.sigmoid(out)], dim=1)),
        (nn.Sigmoid(), 1, lambda out: torch.cat([1 - out, out], dim=1)),
    ],
    ids=["logits", "softmax", "log-softmax", "one logit", "sigmoid"],
)
def test_a_module_is_read_as_what_its_last_layer_gives(last, n_outputs, read):
    module = mlp(n_outputs, last=last)
    expected = read(module(torch.from_numpy(X))).detach().numpy()
    np.testing.assert_allclose(TorchTeacher(module).predict_proba(X), expected, atol=1e-6)


def test_a_bare_module_is_a_fitted_teacher_and_comes_out_as_it_went_in():
    module = mlp()
    module.append(nn.Dropout(0.5)).train()
    before = state(module)
    model = DistillationClassifier(module, DecisionTreeClassifier(max_depth=3, random_state=0))
    model.fit(X, y)
    assert model.teacher_ is module
    assert clone(model).teacher is module
    assert all(part.training for part in module.modules())
    assert_same_state(state(module), before)
    assert all(p.grad is None for p in module.parameters())
    explicit = DistillationClassifier(
        TorchTeacher(module), DecisionTreeClassifier(max_depth=3, random_state=0)
    )
    np.testing.assert_array_equal(explicit.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_a_search_keeps_the_very_module():
    module = mlp()
    search = GridSearchCV(
        DistillationClassifier(module, DecisionTreeClassifier(max_depth=3, random_state=0)),
        {"temperature": [1, 4]},
        cv=2,
    ).fit(X, y)
    assert search.best_estimator_.teacher_ is module


def test_batches_and_preprocessing_change_nothing():
    module = mlp()
    whole = TorchTeacher(module).predict_log_proba(X)
    np.testing.assert_allclose(
        TorchTeacher(module, batch_size=7).predict_log_proba(X), whole, atol=1e-6
    )
    doubled = TorchTeacher(module, preprocess=lambda rows: rows / 2).predict_log_proba(2 * X)
    np.testing.assert_allclose(doubled, whole, atol=1e-6)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 3), nn.Linear(2, 3)

    def forward(self, left, right):
        return self.left(left) + self.right(right)


def test_a_teacher_may_take_several_inputs():
    def as_dict(X):
        return {"right": X[:, 2:], "left": X[:, :2]}

    def as_tuple(X):
        return X[:, :2], X[:, 2:]

    module = TwoInputs()
    by_name, by_place = (TorchTeacher(module, preprocess=f) for f in (as_dict, as_tuple))
    np.testing.assert_array_equal(by_name.predict_proba(X), by_place.predict_proba(X))


def test_columns_follow_the_named_classes():
    labels = np.array(["c", "a", "b"])[y]
    module = mlp()
    teacher = TorchTeacher(module, classes=["c", "a", "b"])
    model = DistillationClassifier(teacher, DecisionTreeClassifier(), alpha=1, temperature=1)
    proba = model.fit(X, labels).predict_proba(X)
    np.testing.assert_allclose(
        proba, TorchTeacher(module).predict_proba(X)[:, [1, 2, 0]], atol=1e-2
    )
    assert set(teacher.predict(X)) <= {"a", "b", "c"}


class Chatty(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, X):
        return self.inner(X), X


@pytest.mark.parametrize(
    ("teacher", "match"),
    [
        (mlp(4), r"returned probabilities of shape \(150, 4\); expected \(150, 3\)"),
        (Chatty(mlp()), "Chatty returned a tuple; a tensor of shape"),
        (TorchTeacher(mlp(), classes=["a", "b", "c"]), r"does not know the classes \[0, 1, 2\]"),
    ],
    ids=["width", "tuple", "classes"],
)
def test_a_module_that_does_not_fit_is_refused(teacher, match):
    model = DistillationClassifier(teacher, DecisionTreeClassifier())
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert not hasattr(model, "student_")


# -- students ---------------------------------------------------------------------------------


def test_alpha_zero_is_bit_identical_to_the_skorch_net_alone():
    # The very same net: stock loader, stock loss, same seed.
    torch.manual_seed(0)
    alone = net().fit(X, y.astype(np.int64))
    model = DistillationClassifier(mlp(), net(), alpha=0)
    torch.manual_seed(0)
    model.fit(X, y)
    assert_same_state(state(model.student_.module_), state(alone.module_))
    np.testing.assert_allclose(model.predict_proba(X).argmax(axis=1), alone.predict(X))


class FreeLogits(nn.Module):
    """One logit per row and class: it can learn every target."""

    def __init__(self, n_rows, n_classes):
        super().__init__()
        self.table = nn.Embedding(n_rows, n_classes)
        nn.init.zeros_(self.table.weight)

    def forward(self, rows):
        return self.table(rows.reshape(-1))


@pytest.mark.parametrize("temperature", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["module", "net"])
def test_free_logits_converge_to_the_teacher_at_every_temperature(temperature, kind):
    rng = np.random.RandomState(0)
    proba = rng.dirichlet([1.0, 2.0, 3.0], size=40) * 0.94 + 0.02
    rows = np.arange(40)
    labels = np.arange(40) % 3
    module = FreeLogits(40, 3)
    student = skorch.NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.LBFGS,
        optimizer__line_search_fn="strong_wolfe",
        lr=1.0,
        max_epochs=60,
        batch_size=-1,
        train_split=None,
        verbose=0,
    )
    strategy = "auto"
    if kind == "module":
        student = module
        strategy = GradientTraining(
            max_epochs=800, lr=0.3, weight_decay=0, batch_size=40, validation_fraction=None
        )
    model = DistillationClassifier(
        None, student, alpha=1, temperature=temperature, strategy=strategy
    ).fit(rows, labels, teacher_output=proba)
    np.testing.assert_allclose(model.predict_proba(rows), proba, atol=2e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_is_hintons(weighted):
    from sklearn_distill.losses import get_logit_loss
    from sklearn_distill.losses.reference import hinton
    from sklearn_distill.nn.lesson import Lesson

    rng = np.random.RandomState(0)
    proba = rng.dirichlet(np.ones(3), size=30)
    weight = rng.uniform(0.5, 2, 20) if weighted else None
    labels = rng.randint(3, size=20)
    targets = SoftTargets(np.arange(3), labels, np.log(proba), 0.3, 4.0, weight)
    lesson = Lesson(targets, get_logit_loss("kl"), "logits", "cpu", 0)
    logits = rng.standard_normal((30, 3))
    rows = torch.arange(30)
    got = lesson.loss_of_rows(torch.from_numpy(logits), lesson.labels[rows], rows).item()
    row_weight = (
        np.ones(30) if weight is None else targets.row_weight() / targets.row_weight().mean()
    )
    log_p = np.log(proba)
    expected = sum(
        row_weight[i] * hinton(logits[[i]], log_p[[i]], labels[[i]], alpha=0.3, temperature=4.0)
        for i in range(20)
    ) + sum(
        row_weight[i] * hinton(logits[[i]], log_p[[i]], [0], alpha=1.0, temperature=4.0)
        for i in range(20, 30)
    )
    assert got == pytest.approx(expected / 30, rel=1e-5)


def test_a_module_starts_from_its_own_weights_and_stays_as_it_was():
    module = mlp()
    before = state(module)
    frozen = GradientTraining(max_epochs=1, lr=1e-12, weight_decay=0)
    model = DistillationClassifier(mlp(seed=1), module, strategy=frozen).fit(X, y)
    assert_same_state(state(module), before)
    for key, value in model.student_.module_.state_dict().items():
        torch.testing.assert_close(value, before[key], atol=1e-6, rtol=0)


def test_a_module_class_is_made_anew():
    class Small(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(4, 3))

    model = DistillationClassifier(mlp(), Small, strategy=QUICK, random_state=0)
    first, second = (clone(model).fit(X, y).student_.module_ for _ in range(2))
    assert_same_state(state(first), state(second))


@pytest.mark.parametrize(
    "student",
    [mlp(), net(), nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.LazyLinear(3)), None],
    ids=["module", "net", "lazy", "default"],
)
def test_the_seed_decides_and_global_generators_are_not_touched(student):
    def fit(seed):
        model = DistillationClassifier(
            mlp(seed=1), copy.deepcopy(student), strategy=QUICK, random_state=seed
        )
        return state(last_step(model.fit(X, y).student_).module_)

    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert_same_state(fit(0), fit(0))
    assert any(
        not torch.equal(a, b) for a, b in zip(fit(0).values(), fit(1).values(), strict=True)
    )
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_the_net_is_of_the_users_class_and_its_callbacks_see_real_labels():
    seen = []

    class Diary(skorch.callbacks.Callback):
        def on_batch_end(self, net, batch, training, **kwargs):
            seen.append((training, set(batch[1].tolist())))

    student = net(callbacks=[("diary", Diary())], train_split=skorch.dataset.ValidSplit(5))
    model = DistillationClassifier(mlp(), student).fit(X, y, X_unlabeled=X[:30])
    assert type(model.student_) is skorch.NeuralNetClassifier
    assert not hasattr(model.student_, "lesson_")
    assert len(model.student_.history) == 4
    assert {"train_loss", "valid_loss", "valid_acc"} <= set(model.student_.history[-1])
    assert {training for training, _ in seen} == {True, False}
    assert all(labels <= {0, 1, 2} for _, labels in seen)
    clone(model.student_)


def test_a_binary_student_may_have_one_logit():
    target = (y == 2).astype(int)
    teacher = LogisticRegression().fit(X, target)
    single = skorch.NeuralNetBinaryClassifier(
        mlp(1), lr=0.5, max_epochs=30, batch_size=32, verbose=0, train_split=None
    )
    for student in (single, mlp(1), mlp(1, last=nn.Sigmoid()), mlp(2)):
        model = DistillationClassifier(
            teacher, student, temperature=2, strategy=GradientTraining(40, lr=0.01), random_state=0
        ).fit(X, target)
        assert model.score(X, target) > 0.9
        proba = model.predict_proba(X)
        decision = model.decision_function(X)
        np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-decision)), atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.5, 0])
def test_a_net_that_regresses_learns_log_odds(n_classes, alpha):
    labels = np.minimum(y, n_classes - 1)
    teacher = RandomForestClassifier(30, min_samples_leaf=5, random_state=0).fit(X, labels)
    student = skorch.NeuralNetRegressor(
        mlp(1 if n_classes == 2 else 3),
        optimizer=torch.optim.Adam,
        lr=0.02,
        max_epochs=60,
        verbose=0,
    )
    model = DistillationClassifier(teacher, student, alpha=alpha, random_state=0)
    before = torch.random.get_rng_state()
    proba = model.fit(X, labels).predict_proba(X)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert isinstance(model.student_, skorch.NeuralNetRegressor)
    assert proba.shape == (150, n_classes)
    assert model.score(X, labels) > 0.9
    np.testing.assert_array_equal(clone(model).fit(X, labels).predict_proba(X), proba)


def test_a_network_is_the_last_step_of_a_pipeline_and_labels_are_strings():
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    for last in (net(max_epochs=30), mlp()):
        student = make_pipeline(StandardScaler(), last)
        model = DistillationClassifier(
            RandomForestClassifier(20, min_samples_leaf=3, random_state=0),
            student,
            cv=2,
            random_state=0,
        ).fit(X, labels)
        assert model.score(X, labels) > 0.8
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_a_net_is_searched():
    search = GridSearchCV(
        DistillationClassifier(mlp(), net(), random_state=0),
        {"student__lr": [0.01, 0.1], "temperature": [1, 4]},
        cv=2,
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4


def test_a_fitted_net_is_a_teacher():
    teacher = net(max_epochs=20).fit(X, y.astype(np.int64))
    before = state(teacher.module_)
    model = DistillationClassifier(
        teacher, DecisionTreeClassifier(max_depth=3, random_state=0)
    ).fit(X, y)
    assert model.teacher_ is teacher
    assert_same_state(state(teacher.module_), before)
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("student", "match"),
    [
        (mlp(5), "returns outputs of shape .*, but there are 3 classes"),
        (Chatty(mlp()), "returned a tuple"),
    ],
    ids=["width", "tuple"],
)
def test_a_student_that_does_not_fit_is_refused(student, match):
    with pytest.raises((ValueError, TypeError), match=match):
        DistillationClassifier(mlp(), student, strategy=QUICK).fit(X, y)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"max_epochs": 0}, "'max_epochs' parameter of GradientTraining must be an int in the"),
        ({"lr": "fast"}, r"'lr' parameter of GradientTraining must be a float.*Got 'fast'"),
        ({"batch_size": -3}, "'batch_size' parameter of GradientTraining must be an int in the"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter of GradientTraining"),
        ({"patience": 0}, "'patience' parameter of GradientTraining must be an int"),
        ({"weight_decay": -1}, "'weight_decay' parameter of GradientTraining must be a float"),
        ({"device": "abacus"}, "cannot compute on the device 'abacus'.*Use 'cpu'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, match):
    model = DistillationClassifier(mlp(), mlp(), strategy=GradientTraining(**settings))
    with pytest.raises(ValueError, match=match):
        model.fit(X, y)
    assert not hasattr(model, "student_")


def test_a_device_that_is_not_there_is_refused_by_the_teacher_too():
    module = mlp().train()
    with pytest.raises(ValueError, match="cannot compute on the device 'abacus'"):
        TorchTeacher(module, device="abacus").predict(X)
    assert module.training


def test_a_loss_that_is_not_a_number_stops_with_epoch_and_batch():
    student = net(lr=1e30, optimizer=torch.optim.SGD)
    with pytest.raises(FloatingPointError, match=r"became (nan|inf) in epoch \d+, batch \d+"):
        DistillationClassifier(mlp(), student).fit(100 * X, y)


def test_text_is_no_food_for_networks():
    with pytest.raises(TypeError, match="needs rows of numbers"):
        DistillationClassifier(None, mlp(), strategy=QUICK).fit(
            np.array([["a"] * 4] * 6), [0, 1, 2] * 2, teacher_output=np.full((6, 3), 1 / 3)
        )


def test_verbose_shows_a_bar(capsys):
    strategy = GradientTraining(max_epochs=2)
    DistillationClassifier(mlp(), mlp(), strategy=strategy, verbose=1).fit(X, y)
    assert "epochs" in capsys.readouterr().err


# -- the default student ------------------------------------------------------------------------


def test_without_a_student_a_network_learns_numbers_categories_and_gaps():
    pd = pytest.importorskip("pandas")
    rng = np.random.RandomState(0)
    table = pd.DataFrame(
        {
            "number": rng.lognormal(size=300),
            "gappy": np.where(rng.uniform(size=300) < 0.2, np.nan, rng.normal(size=300)),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], size=300)),
            "text": np.where(rng.uniform(size=300) < 0.1, None, "some"),
        }
    )
    labels = ((table["colour"] == "red") ^ (table["gappy"] > 0)).astype(int).to_numpy()
    proba = np.column_stack([0.9 - 0.8 * labels, 0.1 + 0.8 * labels])
    model = DistillationClassifier(None, random_state=0)
    model.fit(table, labels, teacher_output=proba)
    assert model.score(table, labels) > 0.9
    assert model.n_features_in_ == 4
    unseen = table.assign(colour=pd.Categorical(["violet"] * 300))
    assert np.isfinite(model.predict_proba(unseen)).all()
    assert clone(model).student is None
    twin = clone(model).set_params(alpha=0).fit(table, labels)
    assert twin.score(table, labels) > 0.9


def test_without_a_student_sparse_rows_are_learned_too():
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_matrix(np.abs(X))
    model = DistillationClassifier(LogisticRegression(), random_state=0).fit(rows, y)
    assert model.score(rows, y) > 0.8


# -- numerics -----------------------------------------------------------------------------------


class Half(nn.Module):
    """A network that computes in bfloat16 where that is allowed."""

    def __init__(self):
        super().__init__()
        self.layers = mlp()

    def forward(self, X):
        with torch.autocast(X.device.type, dtype=torch.bfloat16):
            return self.layers(X)


def test_half_precision_stays_inside_the_module():
    assert Half()(torch.from_numpy(X)).dtype == torch.bfloat16
    strategy = GradientTraining(max_epochs=20, batch_size=16)
    model = DistillationClassifier(
        Half(), Half(), strategy=strategy, temperature=4, random_state=0
    )
    proba = model.fit(X, y).predict_proba(X)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-12)
    assert all(p.dtype == torch.float32 for p in model.student_.module_.parameters())
    hard = model.set_params(alpha=0).fit(X, y)
    assert hard.score(X, y) > 0.8


@pytest.mark.parametrize("loss", sorted(LOGIT_LOSSES))
def test_logits_of_ten_thousand_are_finite(loss):
    class Loud(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = mlp()

        def forward(self, X):
            return 1e4 * self.layers(X)

    strategy = GradientTraining(max_epochs=2, lr=1e-6)
    model = DistillationClassifier(
        mlp(seed=1), Loud(), strategy=strategy, loss=loss, random_state=0
    )
    proba = model.fit(X, y).predict_proba(X)
    assert np.isfinite(proba).all()
    assert all(torch.isfinite(p).all() for p in model.student_.module_.parameters())
