"""New rows that are drawn and labelled anew for every epoch of a network."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import skorch
import torch
from numpy.testing import assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from sklearn_distill import DistillationClassifier, GradientTraining, LayerHint, TorchTeacher
from sklearn_distill.augmentation import Augmenter, Munge, ScaledNoise
from sklearn_distill.nn import capture
from tests.stubs import Calls, CentroidClassifier, RecordingClassifier

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def module(n_inputs=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.ReLU(), nn.Linear(8, 3))


class Counting(Augmenter):
    """Rows that tell which call made them; ``calls`` is shared by clones."""

    def __init__(self, calls, less_each_time=0):
        self.calls = calls
        self.less_each_time = less_each_time

    def _sample(self, X, y, rng, proba):
        self.calls.append({"method": "sample", "seed": rng.randint(1000)})
        n = 30 - self.less_each_time * len(self.calls)
        return np.full((n, X.shape[1]), len(self.calls), X.dtype), None


class Seen(nn.Module):
    """Writes down the rows of every training batch."""

    def __init__(self, batches):
        super().__init__()
        self.inside, self.batches = module(), batches

    def forward(self, X):
        if self.training:
            self.batches.append(X.detach().clone())
        return self.inside(X)


def training(epochs=4, **settings):
    settings = {"validation_fraction": None, "batch_size": 1000} | settings
    return GradientTraining(epochs, fresh_rows=True, **settings)


@pytest.mark.parametrize("seed", [0, 3])
def test_every_epoch_has_rows_of_its_own(seed):
    calls, batches = Calls(), Calls()
    teacher = RecordingClassifier(calls=Calls()).fit(X, y)
    model = DistillationClassifier(
        teacher, Seen(batches), strategy=training(), augmenter=Counting(calls), random_state=seed
    ).fit(X, y)
    full = [batch for batch in batches if len(batch) == 180]
    assert len(calls) == 4
    assert len({call["seed"] for call in calls}) == 4
    own = {tuple(row) for row in X.tolist()}
    for epoch, batch in enumerate(full[-4:], start=1):
        new = [row for row in batch.tolist() if tuple(row) not in own]
        assert new == [[epoch] * 4] * 30
    asked = teacher.calls.of("predict_proba")
    assert [len(call["X"]) for call in asked] == [150, 30, 30, 30, 30]
    assert model.predict_proba(X).shape == (150, 3)


def test_labels_are_those_of_the_new_rows():
    """With rows that are the same each time, drawing them anew changes nothing."""

    class Same(Augmenter):
        def _sample(self, X, y, rng, proba):
            return X[::3] + np.float32(0.05), None

    models = [
        DistillationClassifier(
            CentroidClassifier(),
            module(),
            strategy=GradientTraining(6, fresh_rows=fresh),
            augmenter=Same(),
            calibrate=True,
            random_state=0,
        ).fit(X, y)
        for fresh in (False, True)
    ]
    assert_array_equal(*[model.predict_proba(X) for model in models])


@pytest.mark.parametrize("fresh", [True, False])
def test_it_is_reproducible_and_without_an_augmenter_nothing_is_drawn(fresh):
    settings = {"strategy": GradientTraining(3, fresh_rows=fresh), "random_state": 0}
    for augmenter in (ScaledNoise(), None):
        models = [
            DistillationClassifier(
                CentroidClassifier(), module(), augmenter=augmenter, **settings
            ).fit(X, y)
            for _ in range(2)
        ]
        assert_array_equal(*[model.predict_proba(X) for model in models])
    plain = DistillationClassifier(
        CentroidClassifier(), module(), strategy=GradientTraining(3), random_state=0
    )
    assert_array_equal(models[0].predict_proba(X), plain.fit(X, y).predict_proba(X))


def test_new_rows_pass_through_the_transformers_of_the_student():
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["kind"] = pd.Categorical(np.array(["x", "y", "z"])[(y + np.arange(150) % 2) % 3])
    prepare = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), remainder=StandardScaler()
    )
    student = make_pipeline(prepare, module(7))
    teacher = make_pipeline(prepare, CentroidClassifier())
    model = DistillationClassifier(
        teacher, student, strategy=training(), augmenter=Munge(2), random_state=0
    )
    before = frame.copy()
    assert model.fit(frame, y).predict_proba(frame).shape == (150, 3)
    pd.testing.assert_frame_equal(frame, before)


def test_nets_of_skorch_and_the_default_network_draw_too():
    calls = Calls()
    net = skorch.NeuralNetClassifier(
        module(), criterion=nn.CrossEntropyLoss, max_epochs=3, train_split=None, verbose=0
    )
    for student in (net, None):
        calls.clear()
        before = X.copy()
        DistillationClassifier(
            CentroidClassifier(),
            student,
            strategy=training(3),
            augmenter=Counting(calls),
            random_state=0,
        ).fit(X, y)
        assert len(calls) == 3
        assert_array_equal(X, before)


def test_the_cache_does_not_grow_by_every_epoch(tmp_path):
    sizes = []
    for fresh in (False, True):
        folder = tmp_path / str(fresh)
        DistillationClassifier(
            CentroidClassifier(),
            module(),
            strategy=GradientTraining(6, fresh_rows=fresh),
            augmenter=ScaledNoise(),
            memory=str(folder),
            random_state=0,
        ).fit(X, y)
        sizes.append(len(list(folder.rglob("output.pkl"))))
    assert sizes[0] == sizes[1] > 0


def test_a_module_that_teaches_is_held_before_the_generators():
    """As where it labels, or else two threads could wait for each other for ever."""
    teacher = module()
    held = []

    class Looking(Augmenter):
        def _sample(self, X, y, rng, proba):
            def is_free(lock):
                free = lock.acquire(blocking=False)
                if free:
                    lock.release()
                return free

            lock = capture._LOCKS[teacher]
            with ThreadPoolExecutor(1) as other:
                held.append(not other.submit(is_free, lock).result())
            return X[:30], None

    DistillationClassifier(
        TorchTeacher(teacher, output="logits", classes=[0, 1, 2]),
        module(),
        strategy=training(3),
        augmenter=Looking(),
        random_state=0,
    ).fit(X, y)
    assert held == [False, True, True]  # the first rows are drawn before the training


def test_what_cannot_be_drawn_anew_is_refused():
    model = DistillationClassifier(
        CentroidClassifier(), module(), augmenter=ScaledNoise(), random_state=0
    )
    weighted = training(class_weight={0: 1, 1: 2, 2: 1})
    with pytest.raises(ValueError, match="fresh_rows=True .* class weights"):
        model.set_params(strategy=weighted).fit(X, y)
    teacher = DistillationClassifier(None, module(), alpha=0).fit(X, y).standalone().student
    model = DistillationClassifier(
        teacher, module(), augmenter=ScaledNoise(), strategy=training(hints=[LayerHint("0", "0")])
    )
    with pytest.raises(ValueError, match="fresh_rows=True .* hints"):
        model.fit(X, y)
    model = DistillationClassifier(
        CentroidClassifier(), module(), augmenter=Counting(Calls(), 1), strategy=training()
    )
    with pytest.raises(ValueError, match="made 29 rows for one epoch and 28 for another"):
        model.fit(X, y)
    assert not hasattr(model, "student_")
