"""Labelling on Spark; run by ``make scale``, where there is a Java."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_distill import label_transfer_set
from tests.transfer_sets import (
    COLUMNS,
    Meeting,
    check_same,
    killer,
)

sql = pytest.importorskip("pyspark.sql")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java 17 or newer, and there is none", allow_module_level=True)

pytestmark = [
    pytest.mark.usefixtures("small_partitions"),
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def spark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = sql.SparkSession.builder.master("local[2, 4]")
        for key, value in {
            "spark.ui.enabled": "false",
            "spark.sql.execution.arrow.maxRecordsPerBatch": "500",
            "spark.sql.files.maxPartitionBytes": "60000",
            "spark.sql.files.openCostInBytes": "1",
            "spark.sql.shuffle.partitions": "3",
        }.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        yield session
        session.stop()


def test_partitions_of_a_frame(spark, parquet, rows, teacher, expected, tmp_path):
    frame, sink = spark.read.parquet(str(parquet)), tmp_path / "sink"
    stored = label_transfer_set(teacher, frame, sink, key="id", target="late")
    check_same(stored, rows, expected)
    assert stored.n_labeled == 300
    assert stored.n_parts > 1
    written = {path: path.stat().st_mtime_ns for path in sink.glob("part-*")}
    label_transfer_set(teacher, frame, sink, key="id", target="late")
    assert written == {path: path.stat().st_mtime_ns for path in sink.glob("part-*")}


def test_partitions_that_are_cut_elsewhere_the_second_time(
    spark, parquet, rows, teacher, expected, tmp_path
):
    sink = tmp_path / "sink"
    for n_partitions in (3, 5):
        frame = spark.read.parquet(str(parquet)).repartition(n_partitions, "id")
        stored = label_transfer_set(teacher, frame, sink, key="id")
        check_same(stored, rows, expected)
        assert len(list(sink.glob("part-*"))) == stored.n_parts


def test_files_on_executors(spark, parquet, rows, teacher, expected, tmp_path):
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", key="id", engine="spark")
    check_same(stored, rows, expected)


@pytest.mark.parametrize("kind", ["frame", "files"])
def test_two_workers_work_at_the_same_time(
    kind, spark, parquet, rows, teacher, expected, tmp_path
):
    source = spark.read.parquet(str(parquet)) if kind == "frame" else parquet
    meeting = Meeting(teacher, str(tmp_path))
    stored = label_transfer_set(meeting, source, tmp_path / "sink", key="id", engine="spark")
    check_same(stored, rows, expected)


def test_a_killed_worker_costs_its_partition(spark, parquet, rows, teacher, expected, tmp_path):
    deadly = killer(teacher, rows, tmp_path)
    stored = label_transfer_set(deadly, parquet, tmp_path / "sink", key="id", engine="spark")
    assert (tmp_path / "killed").exists()
    check_same(stored, rows, expected)


def test_folds_are_the_same_as_without_spark(spark, parquet, rows, tmp_path):
    forest = RandomForestClassifier(10, min_samples_leaf=2, random_state=0)
    settings = {"key": "id", "target": "late", "columns": COLUMNS, "cv": 3}
    here = label_transfer_set(forest, parquet, tmp_path / "here", **settings)
    frame = spark.read.parquet(str(parquet)).repartition(3, "w")
    there = label_transfer_set(forest, frame, tmp_path / "there", **settings)
    check_same(there, rows, here.read().log_proba)
    assert there.teacher_key == here.teacher_key


def test_a_key_is_needed(spark, parquet, teacher, tmp_path):
    with pytest.raises(ValueError, match="Spark frame have no order"):
        label_transfer_set(teacher, spark.read.parquet(str(parquet)), tmp_path / "sink")


def test_xgboost_on_spark_learns_probabilities(spark, parquet, rows, tmp_path):
    """The recipe of the docs: no objective from outside is needed for two classes at T=1."""
    xgboost_spark = pytest.importorskip("xgboost.spark")
    teacher = LogisticRegression().fit(rows[:300][COLUMNS], rows.late[:300])
    stored = label_transfer_set(
        teacher, spark.read.parquet(str(parquet)), tmp_path / "sink", key="id"
    )
    frame = spark.read.parquet(str(tmp_path / "sink"))
    frame = frame.selectExpr("*", "exp(log_proba_yes) AS target")
    booster = (
        xgboost_spark.SparkXGBRegressor(
            features_col=COLUMNS, label_col="target", objective="binary:logistic", num_workers=2,
            n_estimators=30, max_depth=3,
        )
        .fit(frame)
        .get_booster()
    )  # fmt: skip
    batch = stored.read()
    found = booster.inplace_predict(batch.X[COLUMNS].to_numpy())
    assert np.abs(found - np.exp(batch.log_proba[:, 1])).mean() < 0.05


SCRIPT = """
import sys
import pandas as pd
from pyspark.sql import SparkSession
from sklearn_distill import label_transfer_set
from sklearn_distill.scale import _engines, _sources
from tests.transfer_sets import check_same, labels_of, make_rows, make_teacher, Meeting

_sources.PARTITION_ROWS = _engines.PARTITION_ROWS = 800
rows, folder = make_rows(), sys.argv[1]
rows.to_parquet(f"{folder}/rows.parquet", row_group_size=400)
teacher = make_teacher(rows)
session = SparkSession.builder.remote("local[2]").getOrCreate()
assert not hasattr(session, "sparkContext")
frame = session.read.parquet(f"{folder}/rows.parquet").repartition(3, "id")
for i, source in enumerate([frame, f"{folder}/rows.parquet"]):
    stored = label_transfer_set(
        Meeting(teacher, folder), source, f"{folder}/sink{i}", key="id", engine="spark"
    )
    assert stored.n_parts > 1
    check_same(stored, rows, labels_of(teacher, rows))
session.stop()
print("all was well")
"""


def test_spark_connect(tmp_path):
    """In a process of its own: there is one kind of session in each."""
    pytest.importorskip("grpc")
    settings = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)],
        env=settings, capture_output=True, text=True,
    )  # fmt: skip
    assert "all was well" in done.stdout, done.stderr[-2000:]
