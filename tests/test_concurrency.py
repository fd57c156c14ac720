"""Fits at the same time, fits that are interrupted, and a hundred fits in a row."""

import gc
import itertools
import signal
import threading
import time
import tracemalloc
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import wraps

import joblib
import numpy as np
import pytest
import skorch
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from tqdm import TMonitor

from sklearn_distill import (
    DistillationClassifier,
    GradientTraining,
    LayerHint,
    SampledLabels,
    TorchTeacher,
)
from sklearn_distill import labelling as labelling_module
from sklearn_distill.decoding import ProbabilityDecoder
from sklearn_distill.nn.hint_losses import HintLosses
from sklearn_distill.targets import SoftTargets
from tests.stubs import CentroidClassifier

# The modules that teach here were never trained.
pytestmark = pytest.mark.filterwarnings("ignore:The teacher's first choice is the real label")

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
TREE = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0)
SHORT = GradientTraining(max_epochs=2, batch_size=32)


def net_of(last=3, seed=0):
    """Return a module that has everything that can go wrong in training mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, last)
        )


def light():
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(
        n_estimators=5, num_leaves=4, min_child_samples=2, n_jobs=1, verbose=-1
    )


#: Students by name; they are made anew for each fit.
STUDENTS = {
    "tree": (lambda: clone(TREE), "auto"),
    "logistic": (lambda: LogisticRegression(max_iter=1000), "auto"),
    "sampled": (lambda: clone(TREE), SampledLabels(2)),
    "booster": (light, "auto"),
    "module": (net_of, SHORT),
    "default": (lambda: None, SHORT),
}


def state_of(module):
    """Return all of a module that a labelling could change."""
    parts = list(module.modules())
    hooks = [name for name in vars(nn.Module()) if "hook" in name]
    return {
        "weights": {key: value.clone() for key, value in module.state_dict().items()},
        "modes": [part.training for part in parts],
        "hooks": [len(getattr(part, name) or ()) for part in parts for name in hooks],
    }


def state_of_process():
    """Return what is shared by everything in the process."""
    return {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1:],  # noqa: NPY002 (it must not be touched)
        "torch's threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "default precision": torch.get_default_dtype(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
    }


def assert_same(after, before):
    """Compare nested dictionaries of tensors, arrays and plain values, exactly."""
    assert after.keys() == before.keys()
    for key, value in before.items():
        if isinstance(value, dict):
            assert_same(after[key], value)
        elif isinstance(value, torch.Tensor):
            assert torch.equal(after[key], value), key
        elif isinstance(value, tuple):
            for one, other in zip(after[key], value, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            assert after[key] == value, key


# -- fits in threads of the user's ---------------------------------------------------------


@pytest.fixture(params=["module", "forest"])
def teacher(request):
    if request.param == "module":
        return TorchTeacher(net_of(seed=1).train(), batch_size=16)
    return RandomForestClassifier(5, min_samples_leaf=3, random_state=0).fit(X, y)


@pytest.mark.parametrize("kinds", [*((name,) * 4 for name in STUDENTS), ("mixed",)], ids="-".join)
def test_fits_in_four_threads_are_those_of_one(teacher, kinds):
    """One fitted teacher, four students of their own; its mode and statistics stay."""
    if kinds == ("mixed",):
        kinds = ("tree", "module", "default", "logistic")

    students = [STUDENTS[kind][0]() for kind in kinds]

    def fit(seed):
        strategy = STUDENTS[kinds[seed]][1]
        model = DistillationClassifier(
            teacher, students[seed], strategy=strategy, random_state=seed, alpha=0.5, temperature=2
        )
        return model.fit(X, y).predict_proba(X)

    alone = [fit(seed) for seed in range(4)]
    module = getattr(teacher, "module", None)
    before = state_of_process(), module and state_of(module)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(4)))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)
    assert_same(state_of_process(), before[0])
    if module is not None:
        assert module.training
        assert_same(state_of(module), before[1])


# -- joblib's backends ---------------------------------------------------------------------

BACKENDS = ["sequential", "threading", "loky", "multiprocessing"]


@pytest.fixture(scope="module")
def many():
    """Return more rows than a chunk has, of which the teacher is asked in two."""
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(labelling_module.CHUNK_ROWS + 1000, 2))
    labels = (rows.sum(axis=1) + rng.normal(size=len(rows)) > 0).astype(int)
    return rows, labels


@pytest.mark.parametrize("out_of_fold", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_gives_the_same_labels(many, backend, out_of_fold):
    rows, labels = many
    teacher = GaussianNB() if out_of_fold else GaussianNB().fit(rows, labels)
    model = DistillationClassifier(
        teacher, TREE, cv=3 if out_of_fold else None, alpha=1, temperature=2
    )
    expected = clone(model).fit(rows, labels, X_unlabeled=rows[:50] + 1).predict_proba(rows)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        model.fit(rows, labels, X_unlabeled=rows[:50] + 1)
    np.testing.assert_array_equal(model.predict_proba(rows), expected)


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("kind", ["tree", "sampled", "module", "default"])
def test_cross_validation_in_parallel_is_that_in_a_row(kind, backend):
    make, strategy = STUDENTS[kind]
    teacher = TorchTeacher(net_of(seed=1).train())
    model = DistillationClassifier(
        teacher, make(), strategy=strategy, random_state=0, alpha=0.5, temperature=2
    )
    expected = cross_val_score(model, X, y, cv=4, scoring="neg_log_loss")
    before = state_of_process(), state_of(teacher.module)
    with joblib.parallel_config(backend=backend, n_jobs=4 if backend == "threading" else 2):
        scores = cross_val_score(model, X, y, cv=4, scoring="neg_log_loss")
    np.testing.assert_array_equal(scores, expected)
    assert_same(state_of_process(), before[0])
    assert_same(state_of(teacher.module), before[1])


# -- interruptions -------------------------------------------------------------------------


def out_of_fold(**params):
    params = {"alpha": 0.5, "temperature": 2} | params
    return DistillationClassifier(CentroidClassifier(), TREE, cv=3, random_state=0, **params)


def in_chunks():
    return DistillationClassifier(CentroidClassifier().fit(X, y), TREE, alpha=0.5, temperature=2)


def piped():
    student = make_pipeline(StandardScaler(), clone(TREE))
    return DistillationClassifier(
        CentroidClassifier().fit(X, y), student, alpha=0.5, temperature=2
    )


def network(student=None, hints=None):
    teacher = TorchTeacher(net_of(seed=1).train(), batch_size=16)
    strategy = clone(SHORT).set_params(hints=hints)
    student = student or net_of().train()
    return DistillationClassifier(
        teacher, student, strategy=strategy, random_state=0, alpha=0.5, temperature=2
    )


def hinted():
    return network(hints=[LayerHint("2", "2")])


def of_users_net():
    return network(
        skorch.NeuralNetClassifier(
            net_of(), criterion=nn.CrossEntropyLoss, max_epochs=2, batch_size=32, verbose=0
        )
    )


def boosted():
    return DistillationClassifier(
        CentroidClassifier().fit(X, y), light(), alpha=0.5, temperature=2
    )


def booster_class():
    return pytest.importorskip("lightgbm").Booster


#: Where fit is interrupted: what is fitted, whose function it is, and at which call.
INTERRUPTIONS = {
    "the fit of the teacher on all rows": (out_of_fold, CentroidClassifier, "fit", 0),
    "the fit of the teacher on the second fold": (out_of_fold, CentroidClassifier, "fit", 2),
    "the labels of the second fold": (out_of_fold, CentroidClassifier, "predict_proba", 2),
    "the labels of the second chunk": (in_chunks, CentroidClassifier, "predict_proba", 1),
    "the targets": (in_chunks, SoftTargets, "from_alpha", 0),
    "the fit of a transformer": (piped, StandardScaler, "fit", 0),
    "the fit of the student": (in_chunks, DecisionTreeClassifier, "fit", 0),
    "the fit of a student behind a transformer": (piped, DecisionTreeClassifier, "fit", 0),
    "the power of the decoder": (in_chunks, ProbabilityDecoder, "with_power", 0),
    "a batch of a module that teaches": (network, nn.BatchNorm1d, "forward", 3),
    "a step of a network": (network, torch.optim.AdamW, "step", 4),
    "the backward pass of a network": (network, torch.Tensor, "backward", 6),
    "an epoch of a network": (network, skorch.callbacks.EarlyStopping, "on_epoch_end", 1),
    "the validation of a network": (network, skorch.NeuralNet, "validation_step", 1),
    "a batch of the user's net": (of_users_net, skorch.NeuralNet, "on_batch_end", 3),
    "a hint": (hinted, HintLosses, "loss", 2),
    "a step of the projections of hints": (hinted, HintLosses, "step", 1),
    "a round of a booster": (boosted, booster_class, "update", 2),
    "the very end": (in_chunks, DistillationClassifier, "_fitted", 0),
}


def interrupt(monkeypatch, owner, name, at, error):
    """Let a function raise an error at a call, counted from 0."""
    original, calls = getattr(owner, name), itertools.count()

    @wraps(original)
    def interrupted(*args, **kwargs):
        if next(calls) == at:
            raise error
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)


def state_of_estimator(model):
    """Return who its attributes are, and the content of those that could be changed in place."""
    parts = [model.teacher, model.student, *(vars(model).get(f"{n}_") for n in ("student",))]
    modules = [part for part in map(module_in, parts) if part is not None]
    others = [part for part in parts if part is not None and module_in(part) is None]
    return {
        "attributes": {name: id(value) for name, value in vars(model).items()},
        "parameters": {name: id(value) for name, value in model.get_params(deep=False).items()},
        "classes": [type(part) for part in parts],
        "modules": {str(i): state_of(module) for i, module in enumerate(modules)},
        "others": [joblib.hash(part) for part in others],
    }


def module_in(part):
    """Return the module that this is or has; of a net only once it is initialised, or given."""
    if isinstance(part, nn.Module):
        return part
    module = getattr(part, "module_", getattr(part, "module", None))
    return module if isinstance(module, nn.Module) else None


# skorch has a use of its own for KeyboardInterrupt: a callback ends the training by it.
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("place", INTERRUPTIONS)
@pytest.mark.parametrize("fitted", [False, True])
def test_an_interruption_leaves_no_trace(monkeypatch, place, error, fitted):
    make, owner, name, at = INTERRUPTIONS[place]
    owner = owner() if owner is booster_class else owner
    monkeypatch.setattr(labelling_module, "CHUNK_ROWS", 60)
    model = make()
    if fitted:
        model.fit(X[::2], y[::2])
        predictions = model.predict_proba(X)
    before = state_of_process(), state_of_estimator(model)
    with monkeypatch.context() as patch:
        interrupt(patch, owner, name, at, error)
        with pytest.raises(error):
            model.fit(X, y)
    assert_same(state_of_process(), before[0])
    assert_same(state_of_estimator(model), before[1])
    if fitted:
        np.testing.assert_array_equal(model.predict_proba(X), predictions)
    np.testing.assert_array_equal(
        model.fit(X, y).predict_proba(X), make().fit(X, y).predict_proba(X)
    )


class PressingTeacher(CentroidClassifier):
    """Presses Ctrl-C while its fits run in workers."""

    pressed = threading.Event()

    def fit(self, X, y, sample_weight=None):
        if not PressingTeacher.pressed.is_set():
            PressingTeacher.pressed.set()
            time.sleep(0.3)  # the main thread has come to wait for this fit
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.3)  # and hears of it while it waits
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("verbose", [0, 1])
def test_pressing_control_c_leaves_no_job_behind(verbose, capsys):
    """With verbose=1 the folds come from a generator of joblib's, which must not stay open."""
    PressingTeacher.pressed.clear()
    model = out_of_fold(verbose=verbose).set_params(teacher=PressingTeacher())
    before = state_of_process(), state_of_estimator(model)
    threads = set(threading.enumerate())
    with (
        joblib.parallel_config(backend="threading", n_jobs=2),
        pytest.raises(KeyboardInterrupt),
    ):
        model.fit(X, y)
    gc.collect()
    for thread in set(threading.enumerate()) - threads:
        if not isinstance(thread, TMonitor):  # tqdm's own, one for the process
            thread.join(timeout=10)
            assert not thread.is_alive()
    assert_same(state_of_process(), before[0])
    assert_same(state_of_estimator(model), before[1])
    assert model.fit(X, y).score(X, y) > 0.8


# -- a hundred fits ------------------------------------------------------------------------


def population():
    """Return the number of living objects of each type.

    Weak references and their callbacks aside: Python's own caches of isinstance hold some for
    every class that was asked about, and start anew whenever anybody registers one.
    """
    gc.collect()
    passing = weakref.ref, type(len)
    return Counter(type(x).__name__ for x in gc.get_objects() if type(x) not in passing)


@pytest.mark.parametrize(
    ("kind", "refit"),
    [("tree", True), ("tree", False), ("booster", True), ("module", True), ("default", False)],
)
def test_a_hundred_fits_leave_nothing_behind(kind, refit):
    """Neither hooks nor modules nor arrays; the memory of one fit is let go by the next."""
    make, strategy = STUDENTS[kind]
    if strategy is SHORT:
        strategy = GradientTraining(max_epochs=1, validation_fraction=None, batch_size=30)
    teacher = TorchTeacher(net_of(seed=1).train())
    rows, labels = X[::5], y[::5]
    model = DistillationClassifier(
        teacher, make(), strategy=strategy, random_state=0, alpha=0.5, temperature=2
    )

    def fit():
        (model if refit else clone(model)).fit(rows, labels)

    for _ in range(3):  # caches of everybody fill
        fit()
    hooks, living = state_of(teacher.module)["hooks"], population()
    tracemalloc.start()
    try:
        for _ in range(2):  # what is imported or cached once is no leak: that grows every time
            fit()
            gc.collect()
            current, _ = tracemalloc.get_traced_memory()
            for _ in range(100):
                fit()
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - current
            if grown < 100_000:
                break
    finally:
        tracemalloc.stop()
    assert state_of(teacher.module)["hooks"] == hooks
    more = {name: n - living[name] for name, n in population().items() if n - living[name] >= 50}
    assert not more
    assert grown < 100_000  # bytes: one array of these rows a fit would be 12,000 · 100
