"""Labelling on Ray; run by ``make scale``."""

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier

from sklearn_distill import DistillationClassifier, label_transfer_set
from tests.transfer_sets import (
    COLUMNS,
    Meeting,
    check_same,
    killer,
)

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.usefixtures("small_partitions"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def test_blocks_of_a_data_set(rows, teacher, expected, tmp_path):
    data, sink = ray.data.from_pandas(rows).repartition(4), tmp_path / "sink"
    stored = label_transfer_set(teacher, data, sink, key="id", target="late")
    check_same(stored, rows, expected)
    assert stored.n_labeled == 300
    written = {path: path.stat().st_mtime_ns for path in sink.glob("part-*")}
    label_transfer_set(teacher, data, sink, key="id", target="late")
    assert written == {path: path.stat().st_mtime_ns for path in sink.glob("part-*")}


def test_blocks_that_are_cut_elsewhere_the_second_time(rows, teacher, expected, tmp_path):
    """No row is there twice, though parts of the first run overlap those of the second."""
    sink = tmp_path / "sink"
    for n_blocks in (4, 7):
        data = ray.data.from_pandas(rows).repartition(n_blocks)
        stored = label_transfer_set(teacher, data, sink, key="id")
        check_same(stored, rows, expected)
        assert len(list(sink.glob("part-*"))) == stored.n_parts == n_blocks


def test_files_on_workers(parquet, rows, teacher, expected, tmp_path):
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", key="id", engine="ray")
    check_same(stored, rows, expected)


@pytest.mark.parametrize("kind", ["frame", "files"])
def test_two_workers_work_at_the_same_time(kind, parquet, rows, teacher, expected, tmp_path):
    source = ray.data.from_pandas(rows).repartition(4) if kind == "frame" else parquet
    meeting = Meeting(teacher, str(tmp_path))
    stored = label_transfer_set(meeting, source, tmp_path / "sink", key="id", engine="ray")
    check_same(stored, rows, expected)


def test_a_killed_worker_costs_its_partition(parquet, rows, teacher, expected, tmp_path):
    deadly = killer(teacher, rows, tmp_path)
    stored = label_transfer_set(deadly, parquet, tmp_path / "sink", key="id", engine="ray")
    assert (tmp_path / "killed").exists()
    check_same(stored, rows, expected)


def test_folds_are_the_same_as_without_ray(parquet, rows, tmp_path):
    forest = RandomForestClassifier(10, min_samples_leaf=2, random_state=0)
    settings = {"key": "id", "target": "late", "columns": COLUMNS, "cv": 3}
    here = label_transfer_set(forest, parquet, tmp_path / "here", **settings)
    data = ray.data.from_pandas(rows.sort_values("w")).repartition(4)
    there = label_transfer_set(forest, data, tmp_path / "there", **settings)
    check_same(there, rows, here.read().log_proba)
    assert there.teacher_key == here.teacher_key


def test_a_key_is_needed_and_must_not_repeat(rows, teacher, tmp_path):
    data = ray.data.from_pandas(rows).repartition(4)
    with pytest.raises(ValueError, match="Ray frame have no order"):
        label_transfer_set(teacher, data, tmp_path / "sink")
    double = rows.copy()
    double.loc[2999, "id"] = double.id[0]
    with pytest.raises(ValueError, match="repeats in 1 rows"):
        label_transfer_set(
            teacher, ray.data.from_pandas(double).repartition(4), tmp_path / "sink", key="id"
        )


def test_fits_of_a_teacher_run_on_joblibs_ray_backend(rows):
    from ray.util.joblib import register_ray

    register_ray()
    labeled = rows[:300]
    forest = RandomForestClassifier(10, min_samples_leaf=2, random_state=0)
    model = DistillationClassifier(forest, SGDClassifier(loss="log_loss", random_state=0), alpha=1)
    here = model.fit(labeled[COLUMNS], labeled.late).predict_proba(rows[COLUMNS])
    with joblib.parallel_config("ray", n_jobs=2):
        there = model.fit(labeled[COLUMNS], labeled.late).predict_proba(rows[COLUMNS])
    np.testing.assert_allclose(here, there, rtol=1e-9)
