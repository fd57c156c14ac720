"""Torch modules and skorch nets as teacher and student."""

import copy
import pickle
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, GradientTraining, LayerHint, TorchTeacher
from sklearn_distill.losses import LOGIT_LOSSES
from sklearn_distill.utils.pipelines import last_step
from tests.stubs import Calls

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")
from torch import nn  # noqa: E402

from sklearn_distill.nn import threads  # noqa: E402
from sklearn_distill.nn.batches import InMemoryBatches, InMemoryRows, as_tensors  # noqa: E402
from sklearn_distill.nn.capture import undisturbed  # noqa: E402
from sklearn_distill.nn.net import HoldOut, seeded  # noqa: E402
from sklearn_distill.nn.objective import Objective  # noqa: E402

# Teachers here are mostly networks that nobody trained.
pytestmark = pytest.mark.filterwarnings("ignore:The teacher's first choice is the real label")

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
    return skorch.NeuralNetClassifier(**{"module": mlp()} | defaults | params)


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
    model = DistillationClassifier(
        module, DecisionTreeClassifier(max_depth=3, random_state=0), alpha=0.5, temperature=2
    )
    model.fit(X, y)
    assert model.teacher_ is module
    assert clone(model).teacher is module
    assert all(part.training for part in module.modules())
    assert_same_state(state(module), before)
    assert all(p.grad is None for p in module.parameters())
    explicit = DistillationClassifier(
        TorchTeacher(module),
        DecisionTreeClassifier(max_depth=3, random_state=0),
        alpha=0.5,
        temperature=2,
    )
    np.testing.assert_array_equal(explicit.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_a_search_keeps_the_very_module():
    module = mlp()
    search = GridSearchCV(
        DistillationClassifier(
            module, DecisionTreeClassifier(max_depth=3, random_state=0), alpha=0.5, temperature=2
        ),
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


class Says(nn.Module):
    """Returns what ``wrap`` makes of the outputs of another module."""

    def __init__(self, inner, wrap):
        super().__init__()
        self.inner, self.wrap = inner, wrap

    def forward(self, X):
        return self.wrap(self.inner(X))


def softmax(z):
    return torch.softmax(z, dim=1)


def by_hand(z):
    return z.exp() / (1 + z.exp())


def words(z):
    return "logits"


@pytest.mark.parametrize(
    ("teacher", "match"),
    [
        (mlp(4), r"returned probabilities of shape \(150, 4\); expected \(150, 3\)"),
        (Says(mlp(), words), "Says returned a str without a tensor of logits"),
        (TorchTeacher(mlp(), classes=["a", "b", "c"]), r"does not know the classes \[0, 1, 2\]"),
        (
            TorchTeacher(mlp(), output="probas"),
            r"'output' parameter of TorchTeacher must be one of \['auto', 'logits', .*'binary-",
        ),
        (mlp(last=nn.Sigmoid()), "Sequential returned 3 columns .* a multi-label network"),
        (Says(mlp(), softmax), r"returned probabilities .*TorchTeacher\(module, output='proba'\)"),
        (TorchTeacher(mlp(), output="proba"), r"are no probabilities .*output='logits'\)"),
        (mlp(last=nn.Softmax(dim=0)), r"rows that do not sum to one\), and is read as 'proba'"),
    ],
    ids=["width", "text", "classes", "typo", "labels", "softmax", "logits", "dimension"],
)
def test_a_module_that_does_not_fit_is_refused(teacher, match):
    model = DistillationClassifier(teacher, DecisionTreeClassifier())
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert not hasattr(model, "student_")


def test_one_column_of_probabilities_or_of_log_odds_is_a_question():
    module = Says(mlp(1), by_hand)
    with pytest.warns(UserWarning, match="between 0 and 1 only, read as log-odds"):
        TorchTeacher(module).predict_proba(X)
    TorchTeacher(module, output="binary-logit").predict_proba(X)
    proba = TorchTeacher(module, output="binary-proba").predict_proba(X)
    expected = TorchTeacher(module.inner).predict_proba(X)
    np.testing.assert_allclose(proba, expected, atol=1e-6)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: SimpleNamespace(logits=z, hidden_states=None),
        lambda z: {"loss": None, "logits": z},
        lambda z: (z, None),
    ],
    ids=["attribute", "dict", "tuple"],
)
def test_logits_are_found_in_what_a_module_returns(wrap):
    expected = TorchTeacher(mlp()).predict_proba(X)
    np.testing.assert_array_equal(TorchTeacher(Says(mlp(), wrap)).predict_proba(X), expected)
    plain = DistillationClassifier(mlp(seed=1), mlp(), strategy=QUICK, random_state=0)
    wrapped = clone(plain).set_params(student=Says(mlp(), wrap))
    np.testing.assert_array_equal(
        wrapped.fit(X, y).predict_proba(X), plain.fit(X, y).predict_proba(X)
    )
    one = DistillationClassifier(Says(mlp(1), wrap), Says(mlp(1), wrap), strategy=QUICK)
    assert one.fit(X, y == 1).predict_proba(X).shape == (150, 2)


def test_two_threads_never_have_a_module_at_once():
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    teacher = TorchTeacher(module.train(), batch_size=16)
    before, expected = state(module), teacher.predict_proba(X)
    wrong = []

    def label():
        for _ in range(20):
            wrong.append(not np.array_equal(teacher.predict_proba(X), expected))

    running = [threading.Thread(target=label) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(wrong) == 80
    assert not any(wrong)
    assert all(part.training for part in module.modules())
    assert_same_state(state(module), before)
    with undisturbed(module), undisturbed(module):  # the same thread may come in again
        assert not module.training
    assert module.training


# -- precision and whole numbers ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_modules_get_rows_of_their_own_precision(dtype):
    exact = TorchTeacher(mlp()).predict_proba(X)
    teacher = TorchTeacher(mlp().to(dtype))
    np.testing.assert_allclose(teacher.predict_proba(X), exact, atol=0.02)
    student = mlp().to(dtype)
    model = DistillationClassifier(teacher, student, strategy=QUICK, random_state=0).fit(X, y)
    assert next(model.student_.module_.parameters()).dtype == dtype
    assert np.isfinite(model.predict_proba(X)).all()
    plain = DistillationClassifier(mlp(), mlp(), strategy=QUICK, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=0.05)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, object])
@pytest.mark.parametrize("frame", [False, True])
def test_whole_numbers_become_floating_point_numbers(dtype, frame):
    pd = pytest.importorskip("pandas")
    rows = (X > 0).astype(dtype)
    rows = pd.DataFrame(rows) if frame else rows
    model = DistillationClassifier(mlp(), mlp(seed=1), strategy=QUICK, random_state=0)
    proba = model.fit(rows, y).predict_proba(rows)
    floats = (X > 0).astype(np.float32)
    np.testing.assert_array_equal(clone(model).fit(floats, y).predict_proba(floats), proba)


def test_whole_numbers_stay_names_for_a_module_that_begins_with_an_embedding():
    module = nn.Sequential(nn.Embedding(150, 4), nn.Flatten(), nn.Linear(4, 3))
    rows = np.arange(150)[:, None]
    model = DistillationClassifier(module, copy.deepcopy(module), strategy=QUICK)
    assert model.fit(rows, y).predict_proba(rows).shape == (150, 3)


# -- students ---------------------------------------------------------------------------------


class Diary(skorch.callbacks.Callback):
    """Writes down the weights at the start and the rows of each batch."""

    def __init__(self, pages):
        self.pages = pages

    def on_batch_begin(self, net, batch, training, **kwargs):
        if not self.pages:
            self.pages.append(state(net.module_))
        self.pages.append(batch[0].clone())


def test_the_twin_without_a_teacher_differs_in_the_teacher_alone():
    def pages(alpha):
        pages = Calls()
        student = net(callbacks=[("diary", Diary(pages))])
        model = DistillationClassifier(mlp(seed=1), student, alpha=alpha, random_state=0)
        return pages, model.fit(X, y).predict_proba(X)

    (of_twin, proba), (of_taught, taught) = pages(0), pages(0.5)
    assert_same_state(of_twin[0], of_taught[0])
    assert len(of_twin) == len(of_taught) > 10
    assert all(torch.equal(a, b) for a, b in zip(of_twin[1:], of_taught[1:], strict=True))
    assert np.abs(proba - taught).max() > 1e-3
    # And nothing jumps where the teacher comes in.
    _, nearly = pages(1e-6)
    np.testing.assert_allclose(proba, nearly, atol=1e-4)


@pytest.mark.parametrize("kind", ["net", "one logit", "module"])
def test_a_search_compares_with_hard_labels_on_the_same_rows(kind):
    pd = pytest.importorskip("pandas")
    frame, target = pd.DataFrame(X.astype(np.float64)), (y == 2).astype(int)
    student = {"net": net(), "module": mlp(2)}.get(kind)
    if kind == "net":
        target = y
    if kind == "one logit":
        student = skorch.NeuralNetBinaryClassifier(mlp(1), max_epochs=3, verbose=0)
    teacher = LogisticRegression().fit(frame, target)
    model = DistillationClassifier(teacher, student, random_state=0)
    if kind == "module":
        model.set_params(strategy=QUICK)
    search = GridSearchCV(model, {"alpha": [0, 0.5]}, cv=2, error_score="raise")
    assert np.isfinite(search.fit(frame, target).cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("alpha", [0, 0.01])
@pytest.mark.parametrize("kind", ["net", "module"])
def test_row_weights_count_with_and_without_a_teacher(kind, alpha):
    student, strategy = (net(), "auto") if kind == "net" else (mlp(), QUICK)
    model = DistillationClassifier(
        mlp(seed=1), student, alpha=alpha, strategy=strategy, random_state=0
    )
    plain = model.fit(X, y).predict_proba(X)
    heavy = clone(model).fit(X, y, sample_weight=np.where(y == 1, 100.0, 1.0))
    assert heavy.predict_proba(X)[:, 1].mean() > plain[:, 1].mean() + 0.02
    if kind == "module":  # the weights are those of the validation loss as well
        last, equal = heavy.student_.history[-1], model.student_.history[-1]
        assert last["valid_loss"] != pytest.approx(equal["valid_loss"], rel=1e-3)


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


@pytest.mark.parametrize("alpha", ["one", "by row"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_is_hintons(weighted, alpha):
    from sklearn_distill.losses.reference import hinton

    rng = np.random.RandomState(0)
    log_p = np.log(rng.dirichlet(np.ones(3), size=30))
    labels = rng.randint(3, size=20)
    row_alpha = np.r_[np.full(20, 0.3) if alpha == "one" else rng.uniform(size=20), np.ones(10)]
    row_weight = rng.uniform(0.5, 2, 30) if weighted else np.ones(30)
    objective = Objective(labels, log_p, row_alpha, row_weight, 4.0, n_classes=3)
    logits = rng.standard_normal((30, 3))
    rows = torch.arange(30)
    got = objective.loss_of_rows(torch.from_numpy(logits), objective.labels[rows], rows).item()
    expected = sum(
        row_weight[i]
        * hinton(logits[[i]], log_p[[i]], labels[[i % 20]], alpha=row_alpha[i], temperature=4.0)
        for i in range(30)
    )
    assert got == pytest.approx(expected / row_weight.sum(), rel=1e-5)


@pytest.mark.parametrize("temperature", [1, 2, 4])
@pytest.mark.parametrize("kind", ["setting", "balanced", "criterion", "one logit"])
def test_class_weights_multiply_the_odds_once_at_every_temperature(kind, temperature):
    rows, labels = np.zeros((40, 1), dtype=np.float32), np.arange(40) % 4 // 3
    proba = np.tile([0.9, 0.1], (40, 1))
    student = nn.Linear(1, 1 if kind == "one logit" else 2)
    strategy = GradientTraining(
        200, lr=0.1, weight_decay=0, batch_size=40, validation_fraction=None
    )
    settings = {"max_epochs": 100, "train_split": None, "verbose": 0, "lr": 1.0, "batch_size": -1}
    settings |= {"optimizer": torch.optim.LBFGS, "optimizer__line_search_fn": "strong_wolfe"}
    if kind == "setting":
        strategy.class_weight = {0: 1, 1: 3}
    elif kind == "balanced":  # three of four labels are 0
        strategy.class_weight = "balanced"
    elif kind == "criterion":
        student = skorch.NeuralNetClassifier(
            student,
            criterion=nn.CrossEntropyLoss,
            criterion__weight=torch.tensor([1.0, 3.0]),
            **settings,
        )
    else:
        student = skorch.NeuralNetBinaryClassifier(
            student, criterion__pos_weight=torch.tensor(3.0), **settings
        )
    model = DistillationClassifier(
        None, student, alpha=1, temperature=temperature, strategy=strategy, random_state=0
    ).fit(rows, labels, teacher_output=proba)
    np.testing.assert_allclose(model.predict_proba(rows)[0], [0.75, 0.25], atol=2e-3)


def test_class_weights_that_do_not_fit_are_refused():
    student = net(criterion__weight=torch.ones(2))
    with pytest.raises(ValueError, match="criterion__weight of the student .* 3. Got 2 instead"):
        DistillationClassifier(mlp(), student).fit(X, y)


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


def test_a_net_that_makes_its_module_is_read_by_its_last_layer():
    class Small(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(4, 3), nn.Softmax(dim=1))

    model = DistillationClassifier(mlp(), net(module=Small), random_state=0).fit(X, y)
    assert model.decoder_.output == "proba"
    rows = torch.from_numpy(X)
    with torch.no_grad():
        expected = model.student_.module_.eval()(rows).numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


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


def test_a_seed_of_the_strategy_is_its_own_zero_too():
    model = DistillationClassifier(mlp(seed=1), mlp(), random_state=5)
    by_seed = [
        clone(model).set_params(strategy=GradientTraining(2, random_state=seed)).fit(X, y)
        for seed in (0, 0, 5, None)
    ]
    first, again, fifth, inherited = (state(m.student_.module_) for m in by_seed)
    assert_same_state(first, again)
    assert not torch.equal(first["0.weight"], fifth["0.weight"])
    assert not torch.equal(first["0.weight"], inherited["0.weight"])


def test_the_net_is_of_the_users_class_and_its_callbacks_see_real_labels():
    seen = []

    class Diary(skorch.callbacks.Callback):
        def on_batch_end(self, net, batch, training, **kwargs):
            seen.append((training, set(batch[1].tolist())))

    student = net(callbacks=[("diary", Diary())], train_split=skorch.dataset.ValidSplit(5))
    model = DistillationClassifier(mlp(), student).fit(X, y, X_unlabeled=X[:30])
    assert type(model.student_) is skorch.NeuralNetClassifier
    assert not hasattr(model.student_, "objective_")
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
    model = DistillationClassifier(teacher, student, alpha=alpha, temperature=2, random_state=0)
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
        teacher, DecisionTreeClassifier(max_depth=3, random_state=0), alpha=0.5, temperature=2
    ).fit(X, y)
    assert model.teacher_ is teacher
    assert_same_state(state(teacher.module_), before)
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("student", "match"),
    [
        (mlp(5), r"outputs of shape \(\d+, 5\) for \d+ rows, but there are 3 classes"),
        (mlp(1), r"outputs of shape \(\d+,\) for \d+ rows, .* must have 3 outputs for each row"),
        (Says(mlp(), lambda z: z.mean(dim=0, keepdim=True)), r"outputs of shape \(1, 3\) for"),
        (Says(mlp(), lambda z: z.detach()), "cannot be trained: no parameter .* in its outputs"),
        (nn.Identity(), "Identity cannot be trained: it has no parameters that require"),
        (net(module=nn.Identity()), "Identity cannot be trained"),
        (Says(mlp(), words), "returned a str without a tensor of logits"),
        (Says(mlp(), torch.sigmoid), "returned one sigmoid per class .*Return logits"),
        (mlp(last=nn.Sigmoid()), "Sequential returned 3 columns .* a multi-label network"),
        (net(criterion=nn.BCEWithLogitsLoss), "3 columns .* its criterion a binary one"),
        (net(criterion=nn.NLLLoss), r"are no probabilities .*criterion=torch.nn.CrossEntropyLoss"),
        (
            net(criterion=nn.NLLLoss, module=mlp(last=nn.LogSoftmax(dim=1))),
            r"are no probabilities .*let nn.Softmax\(dim=1\) be the last",
        ),
        (Says(mlp(), softmax), r"returned probabilities .*nn.Softmax\(dim=1\)"),
        (net(module=Says(mlp(), softmax)), r"returned probabilities .*Return logits from forward"),
    ],
    ids=[
        *("width", "one column", "pooled", "detached", "no weights", "none in net", "text"),
        *("sigmoids", "labels", "binary", "nll", "log-softmax", "softmax", "softmax in net"),
    ],
)
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_a_student_that_does_not_fit_is_refused(student, match, alpha):
    with pytest.raises((ValueError, TypeError), match=match):
        DistillationClassifier(mlp(), student, alpha=alpha).fit(X, y)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_a_softmax_is_seen_in_batches_of_any_size(batch_size):
    strategy = GradientTraining(1, batch_size=batch_size)
    with pytest.raises(ValueError, match="returned probabilities"):
        DistillationClassifier(mlp(), Says(mlp(), softmax), strategy=strategy).fit(X, y)


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "HuberLoss", "KLDivLoss"])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.filterwarnings("ignore:The student .* is trained on batches in memory")
def test_a_criterion_that_cannot_validate_is_refused(name, binary):
    student = net(criterion=getattr(nn, name))
    if binary:
        student = skorch.NeuralNetBinaryClassifier(
            mlp(1), criterion=getattr(nn, name), max_epochs=1, verbose=0
        )
    with pytest.raises(ValueError, match=f"criterion {name} of the student .* does not compare"):
        DistillationClassifier(None, student, alpha=0).fit(X, y == 1 if binary else y)


@pytest.mark.parametrize(
    ("student", "name"),
    [
        (net(module=mlp(1, last=nn.Sigmoid()), criterion=nn.BCELoss), "BCELoss"),
        (net(module=mlp(1), criterion=nn.BCEWithLogitsLoss), "BCEWithLogitsLoss"),
        (
            skorch.NeuralNetBinaryClassifier(mlp(2), criterion=nn.CrossEntropyLoss, verbose=0),
            "CrossEntropyLoss",
        ),
    ],
)
def test_a_net_of_the_other_kind_is_refused(student, name):
    with pytest.raises(ValueError, match=f"criterion {name} .* Use NeuralNetClassifier with"):
        DistillationClassifier(None, student, alpha=0).fit(X, y == 1)


def test_a_margin_criterion_validates_and_is_said_not_to_train():
    student = net(criterion=nn.MultiMarginLoss)
    with pytest.warns(UserWarning, match="criterion=MultiMarginLoss") as record:
        model = DistillationClassifier(mlp(), student, random_state=0).fit(X, y)
    assert len(record) == 1
    plain = DistillationClassifier(mlp(), net(), random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


class Between(nn.Module):
    """Starts with all outputs between 0 and 1."""

    def __init__(self, n_outputs):
        super().__init__()
        self.linear = nn.Linear(4, n_outputs)
        nn.init.constant_(self.linear.weight, 0.01)
        nn.init.constant_(self.linear.bias, 0.5)

    def forward(self, X):
        return self.linear(X)


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_logits_that_begin_between_0_and_1_are_no_reason_to_complain(n_outputs):
    target = y if n_outputs == 3 else (y == 0).astype(int)
    strategy = GradientTraining(10, lr=0.1)
    model = DistillationClassifier(None, Between(n_outputs), alpha=0, strategy=strategy)
    assert model.fit(X, target).score(X, target) > 0.8


@pytest.mark.parametrize(
    "wrap", [by_hand, lambda z: 1 * torch.sigmoid(z)], ids=["quotient", "product"]
)
def test_one_column_that_stays_between_0_and_1_is_said(wrap):
    model = DistillationClassifier(None, Says(mlp(1), wrap), alpha=0, strategy=QUICK)
    with pytest.warns(UserWarning, match=r"between 0 and 1 only, .* nn.Sigmoid\(\)") as record:
        model.fit(X, y == 1)
    assert len(record) == 1


@pytest.mark.parametrize("temperature", [1e-25, 1e5, 1e300])
@pytest.mark.parametrize("student", [mlp(), net()], ids=["module", "net"])
def test_a_temperature_beyond_single_precision_is_refused(student, temperature):
    model = DistillationClassifier(mlp(), student, temperature=temperature)
    with pytest.raises(ValueError, match="temperature must be from 0.001 to 10000"):
        model.fit(X, y)
    model.set_params(alpha=0).fit(X, y)  # nothing is tempered


@pytest.mark.parametrize(
    ("student", "match"),
    [
        (Says(mlp(1), torch.sigmoid), r"a sigmoid is the last .*nn.Sigmoid\(\)"),
        (
            Says(mlp(1), lambda z: torch.sigmoid(z).squeeze(1).clamp(0.01, 0.99)),
            r"a sigmoid is the last .*nn.Sigmoid\(\)",
        ),
        (
            skorch.NeuralNetBinaryClassifier(mlp(1, last=nn.Sigmoid()), verbose=0),
            "a sigmoid is the last .*criterion=torch.nn.BCELoss",
        ),
        (
            skorch.NeuralNetBinaryClassifier(mlp(1), criterion=nn.BCELoss, verbose=0),
            "are no probabilities .*BCEWithLogitsLoss",
        ),
        (net(module=mlp(1)), "has one output, and its criterion .*NeuralNetBinaryClassifier"),
    ],
    ids=["sigmoid", "squeezed", "net", "bce", "one output"],
)
def test_a_binary_student_that_is_misread_is_refused(student, match):
    teacher = LogisticRegression().fit(X, y == 2)
    with pytest.raises(ValueError, match=match):
        DistillationClassifier(teacher, student).fit(X, y == 2)


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


class BrokenLoss(nn.CrossEntropyLoss):
    def forward(self, *args):
        return super().forward(*args) * float("nan")


def test_a_validation_loss_that_is_not_a_number_stops_too():
    student = net(criterion=BrokenLoss)
    with (
        pytest.warns(UserWarning, match="criterion=BrokenLoss"),
        pytest.raises(FloatingPointError, match="validation loss became nan in epoch 1, batch"),
    ):
        DistillationClassifier(mlp(), student).fit(X, y)


@pytest.mark.parametrize("student", [mlp(), net()], ids=["module", "net"])
def test_missing_values_are_named_before_the_learning_rate(student):
    gaps = X.copy()
    gaps[3, 2] = np.nan
    model = DistillationClassifier(None, student)
    with pytest.raises(ValueError, match="X has NaN or infinite values, in 1 rows.*SimpleImputer"):
        model.fit(gaps, y, teacher_output=np.full((150, 3), 1 / 3))


@pytest.mark.parametrize("kind", ["nan", "infinite", "large", "nullable"])
def test_rows_without_numbers_are_named(kind):
    gaps = X.astype(np.float64)
    gaps[3, 2] = {"nan": np.nan, "infinite": np.inf, "large": 1e300, "nullable": np.nan}[kind]
    if kind == "nullable":
        gaps = pytest.importorskip("pandas").DataFrame(gaps).convert_dtypes()
    with pytest.raises(ValueError, match="in 1 rows of a batch, or ones that are too large"):
        DistillationClassifier(None, mlp(), alpha=0, strategy=QUICK).fit(gaps, y)


@pytest.mark.parametrize("student", [mlp(), net()], ids=["module", "net"])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_a_network_that_gives_no_number_says_so(student, method):
    gaps = X.copy()
    gaps[[3, 5], 2] = np.nan
    model = DistillationClassifier(mlp(), student).fit(X, y)
    with pytest.raises(ValueError, match="NaN or infinity for 2 of 150 rows; does X hold NaN"):
        getattr(model, method)(gaps)


@pytest.mark.parametrize("dtype", ["U1", "complex128", "datetime64[s]", "object"])
def test_text_is_no_food_for_networks(dtype):
    rows = np.array([["1"] * 4] * 6).astype(int).astype(dtype)
    if dtype == "object":
        rows[0, 0] = "a"
    with pytest.raises(TypeError, match="needs rows of numbers"):
        DistillationClassifier(None, mlp(), strategy=QUICK).fit(
            rows, [0, 1, 2] * 2, teacher_output=np.full((6, 3), 1 / 3)
        )


def test_verbose_shows_a_bar(capsys):
    strategy = GradientTraining(max_epochs=2)
    DistillationClassifier(mlp(), mlp(), strategy=strategy, verbose=1).fit(X, y)
    assert "epochs" in capsys.readouterr().err


# -- rows, batches, splits, schedules ------------------------------------------------------------


def test_rows_of_every_container_become_the_same_tensor():
    pd = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    values = np.array([[1.0, 0.0], [2.5, -1.0]])
    read_only = values.copy()
    read_only.flags.writeable = False
    expected = torch.tensor(values, dtype=torch.float32)
    for rows in (
        *(values, values[::-1][::-1], np.asfortranarray(values), read_only, values.astype(object)),
        *(values.tolist(), tuple(values.tolist()), torch.tensor(values)),
        *(pd.DataFrame(values), pd.DataFrame(values).convert_dtypes()),
        *(sparse.csr_matrix(values), sparse.dok_matrix(values), sparse.csr_array(values)),
    ):
        tensor = as_tensors(rows)
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected)
    pair = as_tensors((values, values.astype(int)))
    assert [part.dtype for part in pair] == [torch.float32, torch.int64]
    shared = values.astype(np.float32)
    assert as_tensors(shared).data_ptr() == shared.ctypes.data  # no copy where none is needed


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"),
    [(9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2]), (1, 4, [1]), (3, 1, [1, 1, 1])],
)
def test_a_last_batch_of_one_row_is_joined_to_its_neighbour(n_rows, batch_size, expected):
    rows = InMemoryRows(torch.arange(n_rows), torch.arange(n_rows))
    batches = InMemoryBatches(rows, batch_size)
    assert [len(y) for _, y in batches] == expected
    assert len(batches) == len(expected)
    torch.testing.assert_close(torch.cat([y for _, y in batches]), torch.arange(n_rows))
    whole = InMemoryBatches(rows, batch_size, drop_last=True)
    assert [len(y) for _, y in whole] == [batch_size] * (n_rows // batch_size)


@pytest.mark.parametrize("kind", ["module", "net"])
def test_batch_normalisation_of_single_rows_is_refused_in_words(kind):
    student = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    student = net(module=student, batch_size=1) if kind == "net" else student
    strategy = GradientTraining(2, batch_size=1)
    with pytest.raises(ValueError, match="batch normalisation, .* Set batch_size to 2 or more"):
        DistillationClassifier(mlp(), student, strategy=strategy).fit(X, y)


class HoldsOut:
    """Holds out all rows, or none."""

    def __init__(self, everything):
        self.everything = everything

    def __call__(self, dataset, y=None):
        valid = np.arange(len(y)) if self.everything else []
        return dataset, torch.utils.data.Subset(dataset, valid)


def test_a_split_or_a_loader_that_leaves_no_rows():
    def fit(**params):
        return DistillationClassifier(None, net(**params), alpha=0).fit(X, y).student_

    assert "valid_loss" not in fit(train_split=HoldsOut(False)).history[-1]
    with pytest.raises(ValueError, match="train_split left no row for training"):
        fit(train_split=HoldsOut(True))
    with pytest.raises(ValueError, match="drop_last leaves no batch of 500 rows"):
        fit(batch_size=500, iterator_train__drop_last=True)


@pytest.mark.parametrize(
    ("labels", "cv", "match"),
    [
        (np.r_[np.zeros(30), np.ones(30), 2], 0.1, "only 1 member.*the split is not stratified"),
        (np.arange(6) % 2, 5, "n_splits=5 .*the split is not stratified"),
        (np.arange(3) % 2, 5, "n_splits=5 .*the whole is trained on, without validation"),
    ],
    ids=["a class of one row", "six rows", "three rows"],
)
def test_a_stratified_split_that_cannot_be_had_is_given_up(labels, cv, match):
    split = skorch.dataset.ValidSplit(cv, stratified=True)
    student = net(module=nn.LazyLinear(len(np.unique(labels))), train_split=split)
    model = DistillationClassifier(None, student, alpha=0)
    with pytest.warns(UserWarning, match=match) as record:
        model.fit(X[: len(labels)], labels)
    assert len(record) == 1
    assert split.stratified
    assert ("valid_loss" in model.student_.history[-1]) == (len(labels) > 3)


def test_batch_normalisation_survives_every_number_of_rows():
    student = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    strategy = GradientTraining(2, batch_size=16, validation_fraction=None)
    model = DistillationClassifier(mlp(), student, strategy=strategy)
    model.fit(np.r_[X, X][:193], np.r_[y, y][:193])


@pytest.mark.parametrize("validation_fraction", [0.1, None])
def test_the_schedule_ends_with_the_training(validation_fraction):
    rates = []

    class Rates(GradientTraining):
        def _net_of(self, *args):
            student, rows = super()._net_of(*args)
            optimizer = skorch.callbacks.BatchScoring(
                lambda net, X, y: rates.append(net.optimizer_.param_groups[0]["lr"]) or 0.0,
                name="rate",
                on_train=True,
            )
            student.callbacks.append(("rates", optimizer))
            return student, rows

    strategy = Rates(8, lr=0.1, validation_fraction=validation_fraction, patience=100)
    DistillationClassifier(mlp(), mlp(), strategy=strategy).fit(X, y)
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates[-1] < 1e-4


def test_every_class_keeps_rows_for_training():
    labels = np.r_[np.zeros(60), np.ones(30), np.full(9, 2), 3].astype(int)
    drawn = [HoldOut(0.2, seed).rows(labels) for seed in range(50)]
    for valid in drawn:
        counts = np.bincount(labels[valid], minlength=4)
        assert (counts[[0, 1]] == [12, 6]).all()
        assert counts[2] in (1, 2)
        assert counts[3] == 0
        assert len(set(valid)) == len(valid)
    assert len({tuple(valid) for valid in drawn}) == 50
    # As many classes as rows, or hardly any rows: nothing is held out.
    assert len(HoldOut(0.1, 0).rows(np.arange(30))) == 0
    assert len(HoldOut(0.1, 0).rows(np.zeros(9))) == 0


@pytest.mark.parametrize("n_rows", [3, 26, 60])
def test_few_rows_and_rare_classes_are_learned(n_rows):
    labels = np.arange(n_rows) // 2 if n_rows == 26 else np.r_[np.zeros(n_rows - 1, int), 1]
    proba = np.full((n_rows, labels.max() + 1), 1 / (labels.max() + 1))
    model = DistillationClassifier(None, nn.LazyLinear(len(proba[0])), strategy=QUICK)
    model.fit(X[:n_rows], labels, teacher_output=proba)
    assert ("valid_loss" in model.student_.history[-1]) == (n_rows > 3)


def test_the_validation_split_follows_the_seed():
    def first_loss(seed):
        strategy = GradientTraining(1, batch_size=150, lr=1e-9, weight_decay=0)
        model = DistillationClassifier(mlp(), mlp(), strategy=strategy, random_state=seed)
        return model.fit(X, y).student_.history[-1]["valid_loss"]

    assert first_loss(0) == first_loss(0) != first_loss(1)


# -- what else a network is handed ----------------------------------------------------------------


def test_steps_that_pass_through_may_stand_before_a_network():
    plain = DistillationClassifier(mlp(seed=1), mlp(), strategy=QUICK, random_state=0).fit(X, y)
    for first in ("passthrough", None):
        student = Pipeline([("first", first), ("network", mlp())])
        model = clone(plain).set_params(student=student).fit(X, y)
        np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = mlp()

    def forward(self, X, scale=1.0):
        return scale * self.inner(X)


def test_fit_parameters_reach_the_net_and_are_refused_by_a_module():
    def first_loss(**params):
        student = net(module=Scaled(), max_epochs=1, train_split=None, lr=0.0)
        model = DistillationClassifier(mlp(), student, random_state=0).fit(X, y, **params)
        return model.student_.history[-1]["train_loss"]

    assert first_loss() != first_loss(scale=5.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        first_loss(nonsense=3)


class Untouched(LogisticRegression):
    """A teacher that must not be fitted."""

    def fit(self, X, y):
        raise AssertionError("the teacher was fitted")


@pytest.mark.parametrize("alpha", [0, 1e-6, 0.5, 1])
@pytest.mark.parametrize("kind", ["module", "class", "net", "split", "default"])
def test_unknown_fit_parameters_are_refused_before_the_teacher_is_fitted(kind, alpha):
    student, match = {
        "module": (mlp(), r"no further arguments in fit. Got \['nonsense'\] for Sequential"),
        "class": (Scaled, r"Got \['nonsense'\] for Scaled"),
        "net": (net(), "'nonsense': skorch passes it to the forward"),
        "split": (net(module=Scaled()), "'scale': skorch passes it to its train_split"),
        "default": (None, "'nonsense'"),
    }[kind]
    params = {"scale" if kind == "split" else "nonsense": 3}
    with pytest.raises(TypeError, match=match):
        DistillationClassifier(Untouched(), student, alpha=alpha).fit(X, y, **params)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"loss": "kll"}, "'loss' parameter of GradientTraining"),
        ({"validation_fraction": 1.5}, "'validation_fraction' parameter"),
        ({"device": "abacus"}, "cannot compute on the device"),
        ({"hints": [LayerHint("1", "9")]}, "The student Sequential has no layer '9'"),
        ({"hints": [LayerHint("1", "1", loss="fitnet")]}, "Did you mean 'fitnets'"),
        ({"hints": ["1"]}, "hints must be a list of LayerHint"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_right_are_found_before_the_teacher_is_fitted(settings, match):
    model = DistillationClassifier(Untouched(), mlp(), strategy=GradientTraining(**settings))
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)


def test_a_split_by_groups_gets_its_groups():
    class ByGroup:
        def __call__(self, dataset, y=None, groups=None):
            rows = torch.utils.data.Subset
            return (rows(dataset, np.flatnonzero(groups == k)) for k in (0, 1))

    class Ignores(Scaled):
        def forward(self, X, groups=None):
            return self.inner(X)

    sizes = []
    diary = skorch.callbacks.BatchScoring(lambda net, X, y: sizes.append(len(y)) or 0.0, name="n")
    student = net(module=Ignores(), train_split=ByGroup(), batch_size=-1, callbacks=[diary])
    model = DistillationClassifier(mlp(), student)
    model.fit(X, y, groups=(np.arange(150) < 40).astype(int))
    assert set(sizes) == {40}


class OwnWays(skorch.NeuralNetClassifier):
    def get_loss(self, y_pred, y_true, *args, **kwargs):
        return 2 * super().get_loss(y_pred, y_true, *args, **kwargs)


class OwnLoader(torch.utils.data.DataLoader):
    pass


def test_what_a_net_has_of_its_own_and_is_not_used_is_said_once():
    student = OwnWays(
        mlp(),
        criterion=nn.CrossEntropyLoss,
        criterion__label_smoothing=0.1,
        iterator_train=OwnLoader,
        iterator_train__collate_fn=list,
        max_epochs=1,
        verbose=0,
    )
    with pytest.warns(UserWarning, match="Not used in training") as record:
        DistillationClassifier(mlp(), student).fit(X, y)
    assert len(record) == 1
    assert str(record[0].message).endswith(
        "get_loss(), iterator_train, iterator_train__collate_fn, criterion__label_smoothing."
    )


# -- threads, memory ------------------------------------------------------------------------------


def test_fits_in_several_threads_are_those_of_one():
    student = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.LazyLinear(3))
    model = DistillationClassifier(mlp(), student, strategy=QUICK, random_state=0)
    expected = clone(model).fit(X, y).predict_proba(X)
    found = []

    def fit():
        found.append(clone(model).fit(X, y).predict_proba(X))

    running = [threading.Thread(target=fit) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(found) == 4
    for proba in found:
        np.testing.assert_array_equal(proba, expected)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_small_networks_take_one_thread_and_it_is_put_back(monkeypatch, small, fails):
    monkeypatch.setattr(threads, "SMALL", 10**12 if small else 0)
    seen = []

    class Spy(skorch.callbacks.Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(torch.get_num_threads())
            if fails:
                raise ZeroDivisionError

    torch.set_num_threads(2)
    model = DistillationClassifier(mlp(), net(callbacks=[("spy", Spy())]))
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        model.fit(X, y)
    assert set(seen) == {1 if small else 2}
    assert torch.get_num_threads() == 2


def test_multiplications_are_counted_where_weights_are_shared_too():
    module = nn.Sequential(
        *(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5))
    )
    with threads.counting(module) as work:
        module(torch.zeros(7, 1, 5, 5))
    assert work.multiplications == 7 * (3 * 16 * 4 + 5 * 48)
    assert not any(part._forward_hooks for part in module.modules())


def test_generators_are_put_back_after_an_error_too():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(ZeroDivisionError), seeded(3):
        torch.rand(int(np.random.rand()) + 1) / (1 // 0)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.skipif(skorch.__version__ < "1.2", reason="unpickles no net with torch 2.6 and newer")
@pytest.mark.parametrize("kind", ["net", "module"])
def test_a_fitted_student_holds_neither_data_nor_teacher(kind):
    rows, labels = np.tile(X, (40, 1)), np.tile(y, 40)
    teacher = Says(mlp(), lambda z: z)  # cannot be pickled
    hints = [LayerHint("inner.1", "1")]
    strategy = GradientTraining(2, batch_size=512, hints=hints)
    student = net(max_epochs=2, batch_size=512) if kind == "net" else mlp()
    model = DistillationClassifier(teacher, student, strategy=strategy).fit(rows, labels)
    alone = pickle.loads(pickle.dumps(model.student_))
    assert len(pickle.dumps(model.student_)) < 15_000 < rows.nbytes / 5
    assert not hasattr(alone, "objective_")
    np.testing.assert_allclose(alone.predict_proba(X), model.predict_proba(X), atol=1e-6)
    if kind == "module":  # what trained it need not be importable where it is loaded
        assert b"sklearn_distill" not in pickle.dumps(model.student_)


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

    strategy = GradientTraining(max_epochs=2, lr=1e-6, loss=loss)
    model = DistillationClassifier(mlp(seed=1), Loud(), strategy=strategy, random_state=0)
    proba = model.fit(X, y).predict_proba(X)
    assert np.isfinite(proba).all()
    assert all(torch.isfinite(p).all() for p in model.student_.module_.parameters())


@pytest.mark.parametrize("wrap", [False, True], ids=["module", "net"])
def test_rows_of_another_shape_are_refused_in_words(wrap):
    rows, labels = np.random.RandomState(0).standard_normal((60, 4)), np.arange(60) % 3
    student = nn.Linear(4, 3)
    if wrap:
        student = skorch.NeuralNetClassifier(
            student, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0, train_split=None
        )
    strategy = GradientTraining() if wrap else GradientTraining(max_epochs=1)
    model = DistillationClassifier(GaussianNB(), student, strategy=strategy).fit(rows, labels)
    with pytest.raises(ValueError, match=r"got 1D array .*\(4,\). Reshape your data"):
        model.predict(rows[0])
    with pytest.raises(ValueError, match=r"rows of shape \(4,\), and cannot .*\(3,\). Pass"):
        model.predict(rows[:, :3])
    with pytest.raises(ValueError, match="0 sample"):
        model.predict(rows[:0])
    with pytest.raises(ValueError, match="2D array|numbers"):
        model.predict(None)
    assert model.predict(rows[:1]).shape == (1,)


def test_a_regressor_net_can_be_interrupted(monkeypatch):
    net = skorch.NeuralNetRegressor(nn.Linear(4, 3), max_epochs=3, verbose=0, train_split=None)
    model = DistillationClassifier(GaussianNB(), net)
    rows, labels = np.random.RandomState(0).standard_normal((60, 4)), np.arange(60) % 3

    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.SGD, "step", pressed)
    with pytest.raises(KeyboardInterrupt):
        model.fit(rows.astype(np.float32), labels)
    assert not hasattr(model, "student_")


def test_a_module_that_works_in_place_does_not_change_the_rows():
    rows = np.random.RandomState(0).standard_normal((60, 4)).astype(np.float32)
    before, labels = rows.copy(), np.arange(60) % 3
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))
    model = DistillationClassifier(GaussianNB(), module, strategy=GradientTraining(max_epochs=1))
    model.fit(rows, labels).predict_proba(rows)
    TorchTeacher(module).predict_proba(rows)
    np.testing.assert_array_equal(rows, before)


def test_a_net_that_teaches_leaves_the_generators_alone():
    rows = np.random.RandomState(0).standard_normal((60, 4)).astype(np.float32)
    labels = np.arange(60) % 3
    teacher = skorch.NeuralNetClassifier(
        nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1)), max_epochs=1, verbose=0, train_split=None
    ).fit(rows, labels)
    before = torch.get_rng_state()
    DistillationClassifier(teacher, DecisionTreeClassifier()).fit(rows, labels)
    assert (torch.get_rng_state() == before).all()
