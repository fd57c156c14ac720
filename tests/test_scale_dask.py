"""Labelling and boosters on a Dask cluster of two workers."""

import os
import signal

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier

from sklearn_distill import DistillationClassifier, label_transfer_set
from sklearn_distill.scale import _sources
from tests.transfer_sets import (
    COLUMNS,
    N_ROWS,
    Meeting,
    check_same,
    killer,
)

dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.usefixtures("small_partitions"),
    pytest.mark.xdist_group("dask"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Said by the libraries themselves: of workers that are gone, and of open ports.
    pytest.mark.filterwarnings("ignore::UserWarning:distributed", "ignore::UserWarning:lightgbm"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def client():
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.parametrize("key", ["id", None])
def test_partitions_of_a_frame(key, client, rows, teacher, expected, tmp_path):
    frame, sink = dd.from_pandas(rows, npartitions=4), tmp_path / "sink"
    stored = label_transfer_set(teacher, frame, sink, key=key, batch_rows=300)
    assert stored.n_parts == 4
    if key is None:
        np.testing.assert_array_equal(stored.read().log_proba, expected)
        positions = pd.concat(stored.frames(["position"]))["position"]
        np.testing.assert_array_equal(positions, np.arange(N_ROWS))
    else:
        check_same(stored, rows, expected)
    written = {path: path.stat().st_mtime_ns for path in sink.glob("part-*")}
    label_transfer_set(teacher, frame, sink, key=key, batch_rows=300)
    assert written == {path: path.stat().st_mtime_ns for path in sink.glob("part-*")}


def test_files_on_workers(client, parquet, rows, teacher, expected, tmp_path):
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", key="id", engine="dask")
    check_same(stored, rows, expected)
    assert stored.n_parts == 4


def test_without_a_client_it_runs_in_threads(parquet, rows, teacher, expected, tmp_path):
    # A client that another test has made is the current one in this process.
    frame = dd.from_pandas(rows, npartitions=4)
    for i, source in enumerate((frame, parquet)):
        stored = label_transfer_set(
            teacher, source, tmp_path / f"sink{i}", key="id", engine="dask"
        )
        check_same(stored, rows, expected)


def test_folds_are_the_same_as_without_dask(client, parquet, rows, tmp_path):
    forest = RandomForestClassifier(10, min_samples_leaf=2, random_state=0)
    settings = {"key": "id", "target": "late", "columns": COLUMNS, "cv": 3}
    here = label_transfer_set(forest, parquet, tmp_path / "here", **settings)
    frame = dd.from_pandas(rows.sort_values("w"), npartitions=4)
    there = label_transfer_set(forest, frame, tmp_path / "there", **settings)
    check_same(there, rows, here.read().log_proba)
    assert there.teacher_key == here.teacher_key


@pytest.mark.parametrize("kind", ["frame", "files"])
def test_two_workers_work_at_the_same_time(
    kind, client, parquet, rows, teacher, expected, tmp_path
):
    source = dd.from_pandas(rows, npartitions=4) if kind == "frame" else parquet
    meeting = Meeting(teacher, str(tmp_path))
    stored = label_transfer_set(meeting, source, tmp_path / "sink", key="id", engine="dask")
    check_same(stored, rows, expected)


def test_a_killed_worker_costs_its_partition(client, parquet, rows, teacher, expected, tmp_path):
    deadly = killer(teacher, rows, tmp_path)
    stored = label_transfer_set(deadly, parquet, tmp_path / "sink", key="id", engine="dask")
    assert (tmp_path / "killed").exists()
    check_same(stored, rows, expected)
    client.wait_for_workers(2)


def test_a_worker_that_is_killed_from_outside(client, rows, teacher, expected, tmp_path):
    pids = client.run(os.getpid)
    frame = dd.from_pandas(rows, npartitions=8)
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    stored = label_transfer_set(teacher, frame, tmp_path / "sink", key="id")
    check_same(stored, rows, expected)
    client.wait_for_workers(2)


def test_a_frame_whose_partitions_differ(client, rows, teacher, expected, tmp_path):
    def spoilt(frame, partition_info=None):
        if partition_info is not None and partition_info["number"] == 2:
            return frame.drop(columns="b")
        return frame

    frame = dd.from_pandas(rows, npartitions=4)
    bad = frame.map_partitions(spoilt, meta=frame._meta, enforce_metadata=False)
    with pytest.raises(RuntimeError, match=r"1 of 4 partitions.*Of partition 2: KeyError.*'b'"):
        label_transfer_set(teacher, bad, tmp_path / "sink", key="id")
    check_same(label_transfer_set(teacher, frame, tmp_path / "sink", key="id"), rows, expected)


def test_keys_that_repeat_are_found_among_all_partitions(client, rows, teacher, tmp_path):
    double = rows.copy()
    double.loc[2999, "id"] = double.id[0]
    frame = dd.from_pandas(double, npartitions=4)
    with pytest.raises(ValueError, match="key 'id' repeats in 1 rows"):
        label_transfer_set(teacher, frame, tmp_path / "sink", key="id")


def test_the_engine_is_that_of_the_frame(rows, teacher, tmp_path):
    frame = dd.from_pandas(rows, npartitions=4)
    with pytest.raises(ValueError, match="lies on dask"):
        label_transfer_set(teacher, frame, tmp_path / "sink", key="id", engine="joblib")
    with pytest.raises(ValueError, match="n_jobs=2 is for engine='joblib'"):
        label_transfer_set(teacher, frame, tmp_path / "sink", key="id", n_jobs=2)


def test_fits_of_a_teacher_run_on_joblibs_dask_backend(client, rows):
    labeled = rows[:300]
    forest = RandomForestClassifier(10, min_samples_leaf=2, random_state=0)
    model = DistillationClassifier(forest, SGDClassifier(loss="log_loss", random_state=0), alpha=1)
    here = model.fit(labeled[COLUMNS], labeled.late).predict_proba(rows[COLUMNS])
    with joblib.parallel_config("dask"):
        there = model.fit(labeled[COLUMNS], labeled.late).predict_proba(rows[COLUMNS])
    np.testing.assert_allclose(here, there, rtol=1e-9)


@pytest.fixture(scope="module")
def few_values(rows, tmp_path_factory):
    """A transfer set of columns with so few values that bins are the same wherever they lie."""
    frame = rows.assign(**{name: (2 * rows[name]).round().clip(-3, 3) for name in COLUMNS})
    folder = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sources, "PARTITION_ROWS", 800)
        return _label_few(frame, folder), frame


def _label_few(frame, folder):
    frame.to_parquet(folder / "rows.parquet", row_group_size=300)
    stored = {}
    for n_classes in (2, 3):
        y = frame.late if n_classes == 2 else frame.late.mask(frame.a > 1, "much")
        y = y.where(frame.late.notna(), None)
        told = RandomForestClassifier(20, min_samples_leaf=2, random_state=0)
        told.fit(frame[:300][COLUMNS], y[:300])
        frame.assign(late=y).to_parquet(folder / f"{n_classes}.parquet", row_group_size=300)
        stored[n_classes] = label_transfer_set(
            told, folder / f"{n_classes}.parquet", folder / f"sink{n_classes}", target="late",
            columns=COLUMNS, batch_rows=300,
        )  # fmt: skip
    return stored


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("temperature", [1, 3])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_are_those_that_learn_here(library, temperature, n_classes, client, few_values):
    xgboost = pytest.importorskip("xgboost")
    stored, frame = few_values
    # A worker of LightGBM's finds bins by the rows that it has, and merges those with few.
    student = LGBMClassifier(n_estimators=5, min_data_in_bin=1, verbose=-1, random_state=0)
    if library == "xgboost":
        student = xgboost.XGBClassifier(n_estimators=5, max_depth=3)
    settings = {"alpha": 0.5, "temperature": temperature, "random_state": 0}
    model = DistillationClassifier(None, student, **settings)
    here = model.fit_transfer_set(stored[n_classes]).predict_proba(frame[COLUMNS])
    model.fit_transfer_set(stored[n_classes], engine="dask")
    there = model.predict_proba(frame[COLUMNS])
    # Sums over rows are taken in another order, by which LightGBM chooses another of two splits
    # that are as good; so it does with its own objectives.
    np.testing.assert_allclose(there, here, atol=2e-4 if library == "xgboost" else 0.05)
    assert np.abs(there - here).mean() < 0.003
    assert type(model.student_) is type(student)


def test_only_boosters_are_trained_on_an_engine(few_values):
    stored, _ = few_values
    model = DistillationClassifier(None, SGDClassifier(loss="log_loss"), alpha=1)
    with pytest.raises(ValueError, match="trains boosters only"):
        model.fit_transfer_set(stored[2], engine="dask")
    with pytest.raises(ValueError, match="engine must be None or 'dask'"):
        model.fit_transfer_set(stored[2], engine="ray")
