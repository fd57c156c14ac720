"""Asking the teacher: chunks, threads, backends, folds and the cache."""

import copy
import pickle
import re
import subprocess
import sys
import textwrap
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from torch import nn

from sklearn_distill import DistillationClassifier, TorchTeacher, labelling
from sklearn_distill.labelling import CHUNK_ROWS, label
from sklearn_distill.targets import SoftTargets
from sklearn_distill.teachers import TeacherReader
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils.content import content_key
from tests.stubs import (
    Calls,
    CentroidClassifier,
    DecisionTeacher,
    RecordingClassifier,
    WritingTeacher,
)

# Some teachers here are networks that nobody trained.
pytestmark = pytest.mark.filterwarnings("ignore:The teacher's first choice is the real label")

X, y = load_iris(return_X_y=True)
MANY, MANY_LABELS = make_classification(2 * CHUNK_ROWS + 100, 20, random_state=0)
MANY = MANY.astype(np.float32)


def tree():
    return DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)


# -- chunk after chunk ----------------------------------------------


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3])
def test_labels_of_chunks_are_those_of_all_rows(n_jobs):
    teacher = RandomForestClassifier(10, random_state=0).fit(X, y)
    chunks = (X[start : start + 20] for start in range(0, 150, 20))
    parts = list(label(teacher, chunks, n_jobs=n_jobs))
    assert [len(part) for part in parts] == [20] * 7 + [10]
    with np.errstate(divide="ignore"):
        expected = np.log(teacher.predict_proba(X))
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-12)


def test_chunks_are_asked_for_as_they_are_needed():
    asked = []

    def chunks():
        for i in range(10):
            asked.append(i)
            yield X[:5]

    labels = label(GaussianNB().fit(X, y), chunks(), n_jobs=2)
    assert asked == []
    next(labels)
    assert asked == [0, 1]


def test_columns_follow_the_classes_that_are_asked_for():
    teacher = GaussianNB().fit(X, y)
    (forth,), (back,) = (list(label(teacher, [X], order)) for order in (None, [2, 1, 0]))
    np.testing.assert_array_equal(forth[:, ::-1], back)


def test_what_cannot_label_says_so():
    with pytest.raises(NotFittedError, match="GaussianNB is not fitted yet"):
        list(label(GaussianNB(), [X]))
    with pytest.raises(ValueError, match="has no classes_. Pass classes"):
        list(label(nn.Linear(4, 3), [X]))


def test_labels_of_chunks_teach_as_the_teacher_does():
    teacher = GaussianNB().fit(X, y)
    P = np.concatenate([np.exp(part) for part in label(teacher, [X[:70], X[70:]])])
    from_output = DistillationClassifier(None, tree()).fit(X, y, teacher_output=P)
    from_teacher = DistillationClassifier(teacher, tree()).fit(X, y)
    np.testing.assert_allclose(
        from_output.predict_proba(X), from_teacher.predict_proba(X), atol=1e-9
    )


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_the_size_of_chunks_does_not_depend_on_the_number_of_jobs(n_jobs):
    calls = Calls()
    teacher = RecordingClassifier(calls).fit(MANY, MANY_LABELS)
    DistillationClassifier(teacher, tree(), n_jobs=n_jobs, alpha=0.5, temperature=2).fit(
        MANY, MANY_LABELS
    )
    sizes = sorted(len(call["X"]) for call in calls.of("predict_proba"))
    assert sizes == [100, CHUNK_ROWS, CHUNK_ROWS]


def test_the_kind_of_teacher_is_asked_once(monkeypatch):
    times = []
    monkeypatch.setattr(
        "sklearn_distill.teachers._reader.is_fitted", lambda t: times.append(t) or True
    )
    DistillationClassifier(GaussianNB().fit(X, y), tree()).fit(X, y)
    assert len(times) == 1


# -- torch modules and threads ----------------------------------------------


def module_in_training():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)
    )
    return module.train()


def state_of(module):
    return {k: v.clone() for k, v in module.state_dict().items()}, module.training


def assert_untouched(module, state):
    values, training = state
    assert module.training is training
    for key, value in module.state_dict().items():
        torch.testing.assert_close(value, values[key], rtol=0, atol=0)


class Scores(CentroidClassifier):
    """A foreign classifier with a module inside, which it calls in the mode that it is in."""

    def __init__(self, module=None):
        self.module = module

    def predict_proba(self, X):
        with torch.no_grad():
            return self.module(torch.as_tensor(X)).softmax(dim=1).numpy()


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
@pytest.mark.parametrize("kind", ["module", "teacher", "foreign"])
def test_a_module_in_training_is_read_in_evaluation_whatever_the_jobs(kind, n_jobs):
    module = module_in_training()
    state, generator = state_of(module), torch.get_rng_state()
    teacher = {
        "module": module,
        "teacher": TorchTeacher(module, batch_size=64),
        "foreign": Scores(module).fit(MANY, MANY_LABELS),
    }[kind]
    reader = TeacherReader.of(teacher)
    got = labelling.label_rows(reader, MANY, None, np.arange(2), n_jobs=n_jobs)
    assert_untouched(module, state)
    assert torch.equal(torch.get_rng_state(), generator)
    with torch.no_grad():
        still = copy.deepcopy(module).eval()
        expected = still(torch.as_tensor(MANY)).double().log_softmax(dim=1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_four_threads_of_the_user_share_a_teacher():
    module = module_in_training()
    state = state_of(module)

    def fit(_):
        model = DistillationClassifier(
            TorchTeacher(module, batch_size=32), tree(), alpha=0.5, temperature=2
        )
        return model.fit(MANY[:2000], MANY_LABELS[:2000]).predict_proba(MANY[:100])

    alone = fit(None)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(8)))
    for proba in together:
        np.testing.assert_array_equal(proba, alone)
    assert_untouched(module, state)


def test_modules_inside_other_estimators_are_found():
    module = module_in_training()
    for teacher in (
        module,
        TorchTeacher(module),
        Scores(module),
        make_pipeline(StandardScaler(), Scores(module)),
        DistillationClassifier(module, tree()),
    ):
        assert TeacherReader(teacher, True).modules == (module,)
    assert TeacherReader(RandomForestClassifier(3).fit(X, y), True).modules == ()


# -- backends ----------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing", "sequential", "dask"])
@pytest.mark.parametrize("verbose", [0, 1])
def test_every_backend_gives_the_same(backend, verbose, capsys):
    model = DistillationClassifier(
        GaussianNB(), tree(), n_jobs=2, random_state=0, verbose=verbose, alpha=0.5, temperature=2
    )
    data, labels = MANY[:600], MANY_LABELS[:600]
    alone = copy.copy(model).set_params(n_jobs=None).fit(data, labels).predict_proba(data)
    if backend == "dask":
        distributed = pytest.importorskip("distributed")
        client = distributed.Client(processes=False, n_workers=1, dashboard_address=None)
    try:
        with parallel_config(backend):
            proba = model.fit(data, labels).predict_proba(data)
    finally:
        if backend == "dask":
            client.close()
    np.testing.assert_array_equal(proba, alone)


def test_the_fit_on_all_rows_runs_beside_those_of_the_folds(monkeypatch):
    batches = []
    parallel = labelling.Parallel

    class Counting(parallel):
        def __call__(self, calls):
            batches.append(list(calls))
            return super().__call__(batches[-1])

    monkeypatch.setattr(labelling, "Parallel", Counting)
    DistillationClassifier(GaussianNB(), tree(), cv=4, alpha=0.5, temperature=2).fit(X, y)
    assert [len(batch) for batch in batches] == [5]


# -- folds ----------------------------------------------


def test_repeated_folds_are_averaged_in_probability():
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    splits = list(cv.split(X, y))
    _, log_proba = labelling.fit_and_label(
        TeacherReader.of(GaussianNB()), X, y, None, np.arange(3), splits=splits, fit_params={}
    )
    total = np.zeros((150, 3))
    for train, test in splits:
        total[test] += GaussianNB().fit(X[train], y[train]).predict_proba(X[test]) / 2
    np.testing.assert_allclose(np.exp(log_proba), total, rtol=1e-9)


def test_a_class_that_a_fold_missed_is_unknown_and_no_vote_of_zero():
    # Unshuffled folds: each misses a class, and the teacher is certain to 1e-200 of the others.
    splits = list(KFold(3).split(X))
    _, log_proba = labelling.fit_and_label(
        TeacherReader.of(GaussianNB()), X, y, None, np.arange(3), splits=splits, fit_params={}
    )
    assert np.isnan(log_proba[np.arange(150), y]).all()
    assert not np.isneginf(log_proba).any()
    model = DistillationClassifier(GaussianNB(), tree(), cv=KFold(3), alpha=0.5).fit(X, y)
    assert model.score(X, y) > 0.9


def test_classes_of_few_rows_have_few_folds():
    labels = np.arange(60) % 20
    model = DistillationClassifier(GaussianNB(), tree(), alpha=0.5, temperature=2).fit(
        MANY[:60], labels
    )
    assert len(model.classes_) == 20


def test_splits_are_checked_before_anything_is_fitted():
    calls = Calls()
    cv = [(np.arange(100, 150), np.arange(100))]
    with pytest.raises(ValueError, match="cv leaves 50 of 150 rows"):
        DistillationClassifier(RecordingClassifier(calls), tree(), cv=cv).fit(X, y)
    assert calls == []


def test_an_iterator_of_splits_that_is_used_up_says_so():
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    model = DistillationClassifier(GaussianNB(), tree(), cv=iter(splits)).fit(X, y)
    with pytest.raises(ValueError, match=r"used up by the first fit: pass .* cv=list\(splits\)"):
        model.fit(X, y)


@pytest.mark.parametrize("cv", [GroupKFold(2), LeaveOneGroupOut()])
def test_a_splitter_by_group_asks_for_the_groups(cv):
    with pytest.raises(ValueError, match=r"needs groups: .*fit\(..., groups=groups\)\.$"):
        labelling.make_splits(cv, X, y, 0, {})
    splits = labelling.make_splits(cv, X, y, 0, {"groups": np.arange(150) % 3})
    assert all(not set(train % 3) & set(test % 3) for train, test in splits)


# -- time series ----------------------------------------------

MIXED = np.random.RandomState(0).permutation(150)


@pytest.mark.parametrize(
    "cv", [TimeSeriesSplit(4), TimeSeriesSplit(3, gap=2, test_size=20, max_train_size=50)]
)
@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_rows_that_no_fold_of_a_time_series_held_out_are_learned_from_y(cv, alpha, temperature):
    rows, labels = X[MIXED], y[MIXED]
    splits = labelling.make_splits(cv, rows, labels, 0, {})
    _, log_proba = labelling.fit_and_label(
        TeacherReader.of(GaussianNB()),
        rows,
        labels,
        X[:5],
        np.arange(3),
        splits=splits,
        fit_params={},
    )
    never = np.setdiff1d(np.arange(150), np.concatenate([test for _, test in splits]))
    assert len(never) > 0
    assert np.flatnonzero(np.isnan(log_proba).all(axis=1)).tolist() == never.tolist()
    for train, test in splits:
        teacher = GaussianNB().fit(rows[train], labels[train])
        np.testing.assert_allclose(
            np.exp(log_proba[test]), teacher.predict_proba(rows[test]), atol=1e-9
        )
    log_proba = lift_zeros(log_proba, 2e-4)
    got = SoftTargets.from_alpha(np.arange(3), labels, log_proba, alpha, temperature)
    of_labels = SoftTargets.from_alpha(np.arange(3), labels, None, 0.0, temperature)
    np.testing.assert_array_equal(got.blended()[never], of_labels.blended()[never])
    np.testing.assert_array_equal(got.tempered()[never], np.eye(3)[labels[never]])
    np.testing.assert_array_equal(got.log_blended(1e-3)[never], of_labels.log_blended(1e-3)[never])
    assert got.row_alpha[never].tolist() == [0] * len(never)
    # The others are what they were without these rows.
    judged = np.setdiff1d(np.arange(150), never)
    both = np.r_[judged, np.arange(150, 155)]
    alone = SoftTargets.from_alpha(
        np.arange(3), labels[judged], log_proba[both], alpha, temperature
    )
    np.testing.assert_array_equal(got.tempered()[both], alone.tempered())
    assert np.isfinite(got.log_proba).all()


@pytest.mark.parametrize("student", [tree(), DecisionTreeRegressor(max_leaf_nodes=8)])
def test_a_time_series_teaches_any_student(student):
    model = DistillationClassifier(GaussianNB(), student, cv=TimeSeriesSplit(4), alpha=1)
    assert model.fit(X[MIXED], y[MIXED], X_unlabeled=X[:5]).score(X, y) > 0.9


@pytest.mark.parametrize(
    "cv",
    [
        [(np.arange(100, 150), np.arange(100))],
        [(np.arange(50), np.arange(50, 100)), (np.arange(100, 150), np.arange(50))],
        ShuffleSplit(2, test_size=0.2, random_state=0),
    ],
)
def test_other_splits_that_leave_rows_out_are_refused(cv):
    with pytest.raises(ValueError, match="rows without an out-of-fold label. Use a splitter"):
        labelling.make_splits(cv, X, y, 0, {})


# -- teachers that write into their rows ----------------------------------------------


@pytest.mark.parametrize(
    ("rows", "unlabeled"),
    [
        (X, X[:7]),
        (X.astype(np.float32), X[:7].astype(np.float32)),
        (np.asfortranarray(X), X[:7]),
        (sparse.csr_array(X), sparse.csr_array(X[:7])),
        (pd.DataFrame(X), pd.DataFrame(X[:7])),
    ],
    ids=["array", "float32", "fortran", "sparse", "frame"],
)
@pytest.mark.parametrize("how", ["fitted", "out-of-fold", "in-sample"])
def test_a_teacher_that_writes_into_its_rows_harms_nobody(rows, unlabeled, how):
    class Honest(WritingTeacher):
        """Says the same of its rows, and leaves them alone."""

        def fit(self, X, y, sample_weight=None):
            super().fit(X.copy(), y.copy(), sample_weight.copy())

        def predict_proba(self, X):
            return super().predict_proba(X.copy())

    weight = np.linspace(1, 2, 150)
    given = [rows, unlabeled, y, weight]
    before = [copy.deepcopy(thing) for thing in given]
    proba = []
    for kind in (Honest, WritingTeacher):
        teacher = kind()
        if how == "fitted":
            teacher.fit(rows.copy(), y.copy(), weight.copy())
        cv = "in-sample" if how == "in-sample" else 3
        model = DistillationClassifier(teacher, tree(), cv=cv)
        model.fit(rows, y, sample_weight=weight, X_unlabeled=unlabeled)
        proba.append(model.predict_proba(rows))
        for now, then in zip(given, before, strict=True):
            assert (now != then).sum().sum() == 0
    np.testing.assert_array_equal(*proba)


def test_a_pipeline_and_a_module_that_work_in_place_harm_nobody():
    scaled = make_pipeline(StandardScaler(copy=False), LogisticRegression())
    inplace = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))
    rows = X.copy() - 3
    for teacher in (scaled, clone(scaled).fit(rows.copy(), y), inplace):
        for dtype in (np.float32, np.float64):
            mine = rows.astype(dtype)
            DistillationClassifier(teacher, tree(), alpha=0.5, temperature=2).fit(mine, y)
            np.testing.assert_array_equal(mine, rows.astype(dtype))


# -- said once ----------------------------------------------


@pytest.mark.parametrize("how", ["chunks", "folds", "label"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_classes_that_y_lacks_are_said_once(how, n_jobs, monkeypatch):
    class Knows(CentroidClassifier):
        """Knows a class that it has never seen."""

        def fit(self, X, y, sample_weight=None):
            super().fit(X, y, sample_weight)
            self.classes_ = np.r_[self.classes_, 9]
            self.means_ = np.vstack([self.means_, self.means_.mean(axis=0)])
            return self

    monkeypatch.setattr(labelling, "CHUNK_ROWS", 40)
    teacher = Knows() if how == "folds" else Knows().fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if how == "label":
            chunks = (X[start : start + 40] for start in range(0, 150, 40))
            list(label(teacher, chunks, np.arange(3), n_jobs=n_jobs))
        else:
            DistillationClassifier(teacher, tree(), n_jobs=n_jobs).fit(X, y)
    texts = [str(w.message) for w in caught]
    assert len(texts) == 1
    assert re.match(r"The teacher Knows returned .*classes \[9\], which y does not have", texts[0])
    if how != "folds":
        share = teacher.predict_proba(X)[:, 3].mean()
        assert f"returned {share:.1%} of" in texts[0]


def test_how_a_teacher_is_read_is_said_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        DistillationClassifier(DecisionTeacher(), tree(), cv=5).fit(X, y)
    assert [str(w.message)[:40] for w in caught] == ["The teacher DecisionTeacher has no predi"]


@pytest.fixture
def slow_stages(monkeypatch):
    stages = set()
    monkeypatch.setattr(labelling, "_SLOW_STAGES", stages)
    monkeypatch.setattr(labelling, "SLOW_STAGE_SECONDS", -1)
    return stages


def caught_suggestions(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [str(w.message) for w in caught if "Set memory=" in str(w.message)]


def test_memory_is_suggested_once_to_who_fits_a_slow_teacher_again(slow_stages):
    search = GridSearchCV(
        DistillationClassifier(GaussianNB(), tree()), {"temperature": [1, 2, 3]}, cv=3
    )
    (text,) = caught_suggestions(lambda: search.fit(X, y))
    assert re.match(r"The teacher GaussianNB was fitted again on the same rows \(\d+ s each", text)
    assert caught_suggestions(lambda: search.fit(X, y)) == []


def test_memory_is_not_suggested_without_a_reason(slow_stages, tmp_path, monkeypatch):
    def fit(rows=X, labels=y, memory=None, teacher=None):
        model = DistillationClassifier(
            teacher or GaussianNB(), tree(), memory=memory, alpha=0.5, temperature=2
        )
        return caught_suggestions(lambda: model.fit(rows, labels))

    assert fit() == []
    assert fit(teacher=GaussianNB(var_smoothing=0.1)) == []
    assert fit(rows=X + 1) == []
    assert fit(rows=X[1:], labels=y[1:]) == []
    assert fit(labels=y[::-1].copy()) == []
    assert fit(memory=str(tmp_path)) == []
    assert fit(teacher=GaussianNB().fit(X, y)) == []
    monkeypatch.setattr(labelling, "SLOW_STAGE_SECONDS", 60)
    assert fit() == []
    monkeypatch.setattr(labelling, "SLOW_STAGE_SECONDS", -1)
    assert len(fit()) == 1


# -- cache ----------------------------------------------


def entries(folder):
    return len(list(folder.rglob("output.pkl")))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", ["module", "lambda", "forest"])
def test_a_search_asks_a_teacher_once_per_fold(tmp_path, kind, n_jobs):
    teacher = {
        "module": nn.Linear(4, 3),
        "lambda": TorchTeacher(nn.Linear(4, 3), preprocess=lambda X: X * 2),
        "forest": RandomForestClassifier(5, min_samples_leaf=3, random_state=0).fit(X, y),
    }[kind]
    model = DistillationClassifier(teacher, tree(), memory=str(tmp_path), alpha=0.5, temperature=2)
    search = GridSearchCV(model, {"temperature": [1, 2, 3, 4]}, cv=3, n_jobs=n_jobs, refit=False)
    search.fit(X.astype(np.float32), y)
    assert entries(tmp_path) == 3


def test_an_unfitted_teacher_is_fitted_once_per_fold(tmp_path):
    calls = Calls()
    model = DistillationClassifier(RecordingClassifier(calls), tree(), memory=str(tmp_path), cv=2)
    GridSearchCV(model, {"alpha": [0.3, 0.6], "temperature": [1, 4]}, cv=3, refit=False).fit(X, y)
    assert len(calls.of("fit")) == 3 * 3


def test_other_content_is_asked_anew(tmp_path):
    module = nn.Linear(4, 3)
    rows = X.astype(np.float32)

    def fit():
        DistillationClassifier(module, tree(), memory=str(tmp_path), alpha=0.5, temperature=2).fit(
            rows, y
        )

    fit()
    fit()
    assert entries(tmp_path) == 1
    with torch.no_grad():
        module.bias[0] += 1
    fit()
    assert entries(tmp_path) == 2


def test_keys_are_equal_for_copies_and_differ_for_others():
    scale = 2.0
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    assert content_key(module) == content_key(pickle.loads(pickle.dumps(module)))
    assert content_key(module) == content_key(copy.deepcopy(module))
    assert content_key(module) != content_key(module.half())
    keys = {
        content_key(thing)
        for thing in (
            lambda X: X * 2,
            lambda X: X * 3,
            lambda X: X * scale,
            lambda X, by=3: X * by,
            np.sqrt,
            np.exp,
            partial(np.add, 1),
            torch.zeros(3),
            torch.zeros(3, dtype=torch.bfloat16),
            torch.zeros(1, 3),
            X,
            TeacherReader(LogisticRegression(), False),
            TeacherReader(LogisticRegression(C=2), False),
        )
    }
    assert len(keys) == 13

    def classes_of_the_main_script():
        for flip in (False, True):
            for at in (0, 1):
                own = staticmethod(lambda at=at: at)
                members = {"flip": flip, "at": own, "__module__": "__main__"}
                yield type("Teacher", (), members)

    assert len({content_key(cls()) for cls in classes_of_the_main_script()}) == 4
    reader = TeacherReader.of(module)
    assert reader.classifier is not None
    assert content_key(reader) == content_key(TeacherReader.of(module))


def test_what_has_no_content_is_refused_in_words(tmp_path):
    class Locked(CentroidClassifier):
        def fit(self, X, y, sample_weight=None):
            self.generator_ = (i for i in range(3))
            return super().fit(X, y)

    model = DistillationClassifier(Locked().fit(X, y), tree(), memory=str(tmp_path))
    with pytest.raises(TypeError, match="memory cannot tell by content.*Leave memory out"):
        model.fit(X, y)


def test_a_module_class_of_the_main_script_is_cached_in_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import numpy as np
            from sklearn.datasets import load_iris
            from sklearn.model_selection import GridSearchCV
            from sklearn.tree import DecisionTreeClassifier
            from torch import nn
            from sklearn_distill import DistillationClassifier

            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(4, 3)

                def forward(self, x):
                    return self.layer(x)

            if __name__ == "__main__":
                X, y = load_iris(return_X_y=True)
                model = DistillationClassifier(
                    Net(), DecisionTreeClassifier(max_depth=2), memory={str(tmp_path / "m")!r}
                )
                GridSearchCV(
                    model, {{"temperature": [1, 2, 3]}}, cv=3, n_jobs=2, refit=False,
                    error_score="raise",
                ).fit(X.astype(np.float32), y)
            """
        )
    )
    subprocess.run([sys.executable, str(script)], check=True, cwd=str(tmp_path), timeout=120)
    assert entries(tmp_path / "m") == 3


def test_nothing_is_hashed_without_memory(monkeypatch):
    def explode(*things):
        raise AssertionError("hashed")

    monkeypatch.setattr(labelling, "content_key", explode)
    DistillationClassifier(GaussianNB(), tree()).fit(X, y)
    with pytest.raises(AssertionError, match="hashed"):
        DistillationClassifier(GaussianNB(), tree(), memory=joblib.Memory("/nowhere")).fit(X, y)


# -- teachers that contradict the labels --------------------------------------------------------


@pytest.mark.parametrize("kind", ["output", "classes", "fitted"])
def test_a_teacher_that_contradicts_the_labels_is_noticed(kind):
    labels = (y == 0).astype(int)
    proba = LogisticRegression().fit(X, labels).predict_proba(X)[:, ::-1]
    teacher, params = None, {}
    if kind == "output":
        params = {"teacher_output": proba}
    elif kind == "classes":
        teacher = TorchTeacher(nn.Linear(4, 2), classes=[0, 1])
        with torch.no_grad():
            teacher.module.weight[:] = torch.tensor([[0.0, 0, 0, 0], [0, 0, 9, 0]])
            teacher.module.bias[:] = torch.tensor([22.0, 0])
    else:
        teacher = LogisticRegression().fit(X, 1 - labels)
    model = DistillationClassifier(teacher, tree(), alpha=0.5, temperature=2)
    with pytest.warns(UserWarning, match=r"real label of \d% of the rows.* 67%. Check the order"):
        model.fit(X.astype(np.float32), labels, **params)


def test_a_balanced_teacher_does_not_contradict():
    data, labels = make_classification(
        2000, 10, n_informative=4, weights=[0.95], flip_y=0.02, random_state=0
    )
    teacher = LogisticRegression(class_weight="balanced").fit(data, labels)
    assert teacher.score(data, labels) < np.mean(labels == 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DistillationClassifier(teacher, tree(), alpha=0.5, temperature=2).fit(data, labels)


def test_memory_mapped_rows_are_read_a_chunk_at_a_time(tmp_path):
    rng = np.random.RandomState(0)
    n_rows, n_columns = 40 * CHUNK_ROWS, 8
    mapped = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(n_rows, n_columns))
    mapped[:] = rng.uniform(size=(n_rows, n_columns))
    mapped = np.memmap(tmp_path / "rows", np.float32, "r", shape=(n_rows, n_columns))
    X, y = np.array(mapped[:200]), rng.randint(2, size=200)
    reader = TeacherReader.of(CentroidClassifier().fit(X, y))
    tracemalloc.start()
    log_proba = labelling.label_rows(reader, X, mapped, np.array([0, 1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert log_proba.shape == (200 + n_rows, 2)
    # The answers twice, in parts and as one, and what the teacher makes of a few chunks.
    of_chunk = CHUNK_ROWS * n_columns * 8
    assert peak < 2.5 * log_proba.nbytes + 8 * of_chunk
    few = slice(100, 300)
    model = DistillationClassifier(CentroidClassifier(), DecisionTreeClassifier(max_depth=2))
    in_memory = clone(model).fit(X, y, X_unlabeled=np.array(mapped[few]))
    model.fit(X, y, X_unlabeled=mapped[few])
    np.testing.assert_allclose(model.predict_proba(X), in_memory.predict_proba(X))


class InContext(CentroidClassifier):
    """Conditions on its training rows, as tabular foundation models do: it knows them again."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_ = np.asarray(X), np.asarray(y)
        return super().fit(X, y)

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        for i, row in enumerate(np.asarray(X)):
            same = (row == self.X_).all(axis=1)
            if same.any():
                proba[i] = 0.02 / len(self.classes_)
                proba[i, np.searchsorted(self.classes_, self.y_[same][0])] += 0.98
        return proba


def test_out_of_fold_labels_keep_a_teacher_from_repeating_what_is_in_its_context():
    rng = np.random.RandomState(0)
    X = rng.randn(300, 2)
    clean = (X[:, 0] > 0).astype(int)
    noisy = np.where(rng.rand(300) < 0.3, 1 - clean, clean)
    student = DecisionTreeClassifier(max_leaf_nodes=40, random_state=0)
    settings = {"alpha": 1, "temperature": 1, "random_state": 0}
    honest = DistillationClassifier(InContext(), student, **settings).fit(X, noisy)
    repeating = DistillationClassifier(InContext(), student, cv="in-sample", **settings)
    repeating.fit(X, noisy)
    X_new = rng.randn(1000, 2)
    scores = [model.score(X_new, X_new[:, 0] > 0) for model in (honest, repeating)]
    assert scores[0] > 0.95
    assert scores[1] < 0.9
