"""Labelling more rows than one machine holds: the same labels as in memory, each row once."""

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import (
    DistillationClassifier,
    HashKFold,
    StoredTransferSet,
    label_transfer_set,
)
from sklearn_distill.labelling import label
from sklearn_distill.scale import _engines, _label, _stored
from sklearn_distill.scale._folds import hash_keys
from sklearn_distill.scale._sources import count_doubles
from sklearn_distill.teachers import TeacherReader, _reader
from tests.transfer_sets import (
    COLUMNS,
    N_ROWS,
    Meeting,
    check_same,
    killer,
    labels_of,
)

pytestmark = pytest.mark.usefixtures("small_partitions")


# -- the same labels -----------------------------------------------------------------------------


def as_arrow(frame):
    return pa.Table.from_pandas(frame)


def as_polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def as_lazy(frame):
    return as_polars(frame).lazy()


@pytest.mark.parametrize("form", [lambda frame: frame, as_arrow, as_polars, as_lazy])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_frames_are_labelled_as_in_memory(form, n_jobs, rows, teacher, expected, tmp_path):
    stored = label_transfer_set(
        teacher, form(rows), tmp_path / "sink", key="id", batch_rows=300, n_jobs=n_jobs
    )
    check_same(stored, rows, expected)
    assert stored.n_parts == 4
    assert list(stored.classes) == ["no", "yes"]


@pytest.mark.parametrize("keep_rows", [None, True])
@pytest.mark.parametrize("batch_rows", [64, 300, 65_536])
def test_files_are_labelled_as_in_memory(
    keep_rows, batch_rows, parquet, rows, teacher, expected, tmp_path
):
    settings = {"key": "id", "target": "late", "sample_weight": "w", "keep_rows": keep_rows}
    stored = label_transfer_set(
        teacher, parquet, tmp_path / "sink", batch_rows=batch_rows, **settings
    )
    check_same(stored, rows, expected)
    batch = StoredTransferSet(str(tmp_path / "sink")).read()
    known = rows.late.notna().to_numpy()
    np.testing.assert_array_equal(batch.labels >= 0, known)
    np.testing.assert_array_equal(stored.classes[batch.labels[known]], rows.late[known])
    np.testing.assert_array_equal(batch.sample_weight, rows.w)
    assert stored.n_labeled == 300
    assert stored.labeled_weight == pytest.approx(rows.w[known].sum())
    assert stored.unlabeled_weight == pytest.approx(rows.w[~known].sum())


def test_several_files_folders_and_data_sets_are_the_same(rows, teacher, expected, tmp_path):
    folder = tmp_path / "rows"
    (folder / "deeper").mkdir(parents=True)
    rows[:1000].to_parquet(folder / "a.parquet", row_group_size=300)
    rows[1000:].to_parquet(folder / "deeper" / "b.parquet", row_group_size=900)
    (folder / "_SUCCESS").touch()
    files = [folder / "a.parquet", folder / "deeper" / "b.parquet"]
    sources = [folder, files, f"file://{folder}", pyarrow.dataset.dataset(list(map(str, files)))]
    for i, source in enumerate(sources):
        stored = label_transfer_set(teacher, source, tmp_path / f"sink{i}", key="id")
        check_same(stored, rows, expected)
        check_same(StoredTransferSet(tmp_path / f"sink{i}"), rows, expected)


def test_without_a_key_rows_have_their_position(parquet, rows, teacher, expected, tmp_path):
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", batch_rows=64)
    frame = pd.concat(stored.frames())
    np.testing.assert_array_equal(frame["position"], np.arange(N_ROWS))
    np.testing.assert_array_equal(frame[["log_proba_no", "log_proba_yes"]], expected)
    assert list(frame.dtypes[1:].astype(str)) == ["float32", "float32"]


def test_arrays_are_handed_over_to_those_who_learned_from_arrays(parquet, rows, tmp_path):
    labeled = rows[:300]
    teacher = LogisticRegression().fit(labeled[COLUMNS].to_numpy(), labeled.late)
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", columns=COLUMNS)
    assert isinstance(next(stored.batches()).X, np.ndarray)
    narrow = label_transfer_set(
        teacher, parquet, tmp_path / "narrow", columns=COLUMNS,
        like=labeled[COLUMNS].to_numpy(np.float32),
    )  # fmt: skip
    assert next(narrow.batches()).X.dtype == np.float32


def test_classes_are_sorted_and_metadata_say_who_it_was(parquet, teacher, expected, tmp_path):
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", classes=["yes", "no"])
    np.testing.assert_array_equal(stored.read().log_proba, expected)
    part = next((tmp_path / "sink").glob("part-*.parquet"))
    said = json.loads(pq.read_metadata(part).metadata[b"sklearn_distill"])
    assert said["teacher"] == "RandomForestClassifier"
    assert said["teacher_key"] == stored.teacher_key
    assert said["classes"] == ["no", "yes"]
    assert stored.versions["numpy"] == np.__version__
    assert pyarrow.dataset.dataset(tmp_path / "sink").count_rows() == N_ROWS


def test_categories_are_those_of_the_teacher(rows, tmp_path):
    """Each partition has other categories, and a file says nothing of those that it lacks."""
    city = np.array(["ATL", "BOS", "CHI", "DEN"])[np.arange(N_ROWS) * 4 // N_ROWS]
    frame = rows[COLUMNS].assign(city=pd.Categorical(city))
    frame.loc[::7, "city"] = np.nan
    y = (frame.a + (frame.city == "DEN") > 0).astype(int)
    teacher = HistGradientBoostingClassifier(
        max_iter=5, categorical_features="from_dtype", random_state=0
    ).fit(frame, y)
    pq.write_table(as_arrow(frame), tmp_path / "rows.parquet", row_group_size=750)
    stored = label_transfer_set(
        teacher, tmp_path / "rows.parquet", tmp_path / "sink", like=frame[:1]
    )
    np.testing.assert_array_equal(
        stored.read().log_proba, next(label(teacher, [frame])).astype(np.float32)
    )
    opened = StoredTransferSet(tmp_path / "sink")
    assert list(next(opened.batches()).X.city.cat.categories) == ["ATL", "BOS", "CHI", "DEN"]
    few = frame[["city"]].iloc[:1].astype(pd.CategoricalDtype(["ATL", "BOS"]))
    with pytest.raises(ValueError, match=r"does not know: \['CHI'"):
        label_transfer_set(
            teacher, tmp_path / "rows.parquet", tmp_path / "other",
            like=frame[:1].assign(city=few.city),
        )  # fmt: skip


@pytest.mark.parametrize("pool_bytes", [1, 1 << 28])
def test_batches_in_random_order_have_every_row_once(
    pool_bytes, parquet, rows, teacher, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(_stored, "POOL_BYTES", pool_bytes)
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink")
    batches = list(stored.batches(512, shuffle=True, random_state=0))
    assert [len(batch.labels) for batch in batches] == [512] * 5 + [440]
    X = np.concatenate([batch.X[COLUMNS] for batch in batches])
    log_proba = np.concatenate([batch.log_proba for batch in batches])
    order, theirs = np.lexsort(X.T), np.lexsort(rows[COLUMNS].to_numpy().T)
    np.testing.assert_array_equal(X[order], rows[COLUMNS].to_numpy()[theirs])
    np.testing.assert_array_equal(log_proba[order], expected[theirs])
    first = {tuple(row) for row in batches[0].X[COLUMNS].to_numpy()}
    places = [i for i, row in enumerate(rows[COLUMNS].to_numpy()) if tuple(row) in first]
    assert np.bincount(np.array(places) // 400, minlength=8).min() > (10 if pool_bytes > 1 else 0)
    again = next(stored.batches(512, shuffle=True, random_state=0))
    np.testing.assert_array_equal(again.log_proba, batches[0].log_proba)


# -- folds ---------------------------------------------------------------------------------------


def test_the_fold_of_a_key_depends_on_nothing_else():
    folds, keys = HashKFold(5), np.arange(1000)
    found = folds.fold_of(keys)
    for others in (keys.astype(np.int32), keys.astype(float), pd.Series(keys), keys.tolist()):
        np.testing.assert_array_equal(folds.fold_of(others), found)
    np.testing.assert_array_equal(folds.fold_of(keys[::-1]), found[::-1])
    names = [f"row {i}" for i in keys]
    np.testing.assert_array_equal(folds.fold_of(names), folds.fold_of(pd.Series(names)))
    np.testing.assert_array_equal(folds.fold_of(names), folds.fold_of(np.array(names)))
    assert np.bincount(found).min() > 150
    assert (HashKFold(5, random_state=1).fold_of(keys) != found).mean() > 0.5
    assert len(np.unique(hash_keys(np.arange(100_000)))) == 100_000


def test_folds_of_scikit_learn(rows):
    labeled = rows[:300]
    scores = cross_val_score(
        GaussianNB(), labeled[COLUMNS], labeled.late, groups=labeled.id, cv=HashKFold(4)
    )
    assert len(scores) == 4
    held_out = [test for _, test in HashKFold(4).split(labeled, groups=labeled.id)]
    assert sorted(np.concatenate(held_out)) == list(range(300))
    with pytest.raises(ValueError, match="needs the key"):
        next(HashKFold(4).split(labeled))
    with pytest.raises(ValueError, match="n_splits must be an int"):
        HashKFold(1)
    assert HashKFold(4).get_metadata_routing().split.requests["groups"] is True


@pytest.mark.parametrize("weight", [None, "w"])
def test_labels_out_of_fold_are_those_of_fit(weight, parquet, rows, tmp_path):
    """The same teacher, folds and rows in memory give the same labels, to the last bit."""
    teacher = RandomForestClassifier(10, min_samples_leaf=2, random_state=0)
    stored = label_transfer_set(
        teacher, parquet, tmp_path / "sink", columns=COLUMNS, key="id", target="late",
        sample_weight=weight, cv=3,
    )  # fmt: skip
    labeled = rows[:300].sort_values("id")
    told = {}

    class Listening(DistillationClassifier):
        def _make_targets(self, X, y, classes, labels, said, *args):
            told["log_proba"] = said.log_proba
            return super()._make_targets(X, y, classes, labels, said, *args)

    Listening(teacher, DecisionTreeClassifier(), alpha=0.5, cv=HashKFold(3)).fit(
        labeled[COLUMNS], labeled.late, labeled.w if weight else None, groups=labeled.id,
        X_unlabeled=rows[300:][COLUMNS],
    )  # fmt: skip
    expected = np.empty((N_ROWS, 2), np.float32)
    in_order = np.argsort(rows.id[:300].to_numpy())
    expected[in_order] = told["log_proba"][:300]
    expected[300:] = told["log_proba"][300:]
    check_same(stored, rows, expected)
    # All parts are there, and nothing needs a fit.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RandomForestClassifier, "fit", None)
        again = label_transfer_set(
            teacher, parquet, tmp_path / "sink", columns=COLUMNS, key="id", target="late",
            sample_weight=weight, cv=3,
        )  # fmt: skip
    check_same(again, rows, expected)


def test_a_class_of_one_row_is_unknown_to_the_fold_that_holds_it(rows, tmp_path):
    frame = rows.copy()
    frame.loc[7, "late"] = "much"
    stored = label_transfer_set(
        GaussianNB(), frame, tmp_path / "sink", columns=COLUMNS, key="id", target="late", cv=3
    )
    assert list(stored.classes) == ["much", "no", "yes"]
    unknown = np.isnan(stored.read().log_proba)
    folds = HashKFold(3).fold_of(frame.id)
    in_its_fold = (folds == folds[7]) & frame.late.notna()
    np.testing.assert_array_equal(unknown[:, 0], in_its_fold)
    assert not unknown[:, 1:].any()
    model = DistillationClassifier(None, GaussianNB(), alpha=0.5, temperature=1)
    assert np.isfinite(model.fit_transfer_set(stored).predict_proba(frame[COLUMNS])).all()


def test_probabilities_below_the_smallest_float_are_kept(rows, tmp_path):
    """A logistic regression that is sure has them, and no temperature may lose them."""
    labeled = rows[:300]
    teacher = LogisticRegression().fit(labeled[COLUMNS], labeled.a > 0)
    far = rows.assign(a=np.where(np.arange(N_ROWS) % 2, rows.a, rows.a * 1e3))
    stored = label_transfer_set(teacher, far, tmp_path / "sink", columns=COLUMNS)
    log_proba = stored.read().log_proba
    assert log_proba.min() < -800
    assert np.isfinite(log_proba).all()
    assert not stored.has_zeros


def test_where_logarithms_come_from_is_looked_up_once(
    parquet, rows, teacher, expected, tmp_path, monkeypatch
):
    """By the first rows; a forest of many trees takes as long for a few rows as for thousands."""
    looked, agrees = [], _reader._agrees_with_probabilities
    monkeypatch.setattr(
        _reader,
        "_agrees_with_probabilities",
        lambda source, teacher, X: looked.append(len(X)) or agrees(source, teacher, X),
    )
    stored = label_transfer_set(teacher, parquet, tmp_path / "sink", key="id")
    assert stored.n_parts > 1
    assert set(looked) == {_label.ROWS_TO_TRY}
    check_same(stored, rows, expected)


def test_first_rows_that_are_certain_do_not_speak_for_others(rows, tmp_path):
    """Their decision values might be anything; those of later rows are seen to be logits."""
    teacher = LogisticRegression().fit(rows[:300][COLUMNS].to_numpy(), rows.late[:300])
    frame = rows.copy()
    first_batch = np.arange(N_ROWS) % 800 < 100
    frame.loc[first_batch, COLUMNS] = np.sign(teacher.coef_) * 100.0
    frame.loc[700:710, COLUMNS] = np.sign(teacher.coef_) * -1000.0
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=400)
    stored = label_transfer_set(
        teacher, tmp_path / "rows.parquet", tmp_path / "sink", columns=COLUMNS, batch_rows=100
    )
    margin = teacher.decision_function(frame[COLUMNS].to_numpy())
    found = stored.read().log_proba
    assert found.min() < -800
    np.testing.assert_allclose(found[:, 1], log_expit(margin), rtol=1e-6, atol=1e-38)


def test_folds_are_made_anew_for_a_fitted_teacher_if_asked(parquet, rows, teacher, tmp_path):
    stored = label_transfer_set(
        teacher, parquet, tmp_path / "sink", key="id", target="late", cv=HashKFold(3)
    )
    told = labels_of(teacher, rows)
    differ = (stored.read().log_proba != told).any(axis=1)
    assert differ[:300].mean() > 0.5
    assert not differ[300:].any()


def test_two_threads_work_at_the_same_time(parquet, rows, teacher, expected, tmp_path):
    meeting = Meeting(teacher, str(tmp_path))
    stored = label_transfer_set(meeting, parquet, tmp_path / "sink", key="id", n_jobs=2)
    check_same(stored, rows, expected)


# -- what stops the work -------------------------------------------------------------------------


class Counting(ClassifierMixin, BaseEstimator):
    """Writes down how many rows it is asked about, and fails on those that have a value."""

    def __init__(self, teacher, log, fails_on=None):
        self.teacher, self.log, self.fails_on = teacher, log, fails_on
        self.classes_ = teacher.classes_
        self.feature_names_in_ = teacher.feature_names_in_

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        if self.fails_on is not None and (X["a"] == self.fails_on).any():
            raise ValueError("it does not like this row")
        if len(X) > _label.ROWS_TO_TRY:  # those before anything begins, or a look at logarithms
            with open(self.log, "a") as file:
                file.write(f"{len(X)}\n")
        return self.teacher.predict_proba(X)

    def __getstate__(self):  # the same teacher, mended or not
        return {key: value for key, value in vars(self).items() if key not in ("fails_on",)}

    def __setstate__(self, state):
        vars(self).update(state, fails_on=None)

    def asked(self):
        return sum(map(int, Path(self.log).read_text().split())) if Path(self.log).exists() else 0


@pytest.fixture
def counting(teacher, tmp_path):
    return Counting(teacher, str(tmp_path / "log"))


def test_what_is_finished_is_not_done_again(counting, parquet, rows, expected, tmp_path):
    sink = tmp_path / "sink"
    label_transfer_set(counting, parquet, sink, key="id")
    assert counting.asked() == N_ROWS
    check_same(label_transfer_set(counting, parquet, sink, key="id"), rows, expected)
    assert counting.asked() == N_ROWS
    lost = sorted(sink.glob("part-*"))[1]
    lost.unlink()
    check_same(label_transfer_set(counting, parquet, sink, key="id"), rows, expected)
    assert counting.asked() == N_ROWS + 800


def test_a_partition_that_the_teacher_refuses_is_named_and_the_others_are_kept(
    counting, parquet, rows, expected, tmp_path
):
    sink = tmp_path / "sink"
    counting.fails_on = rows.a[1000]
    with pytest.raises(ValueError, match=r"1 of 4 partitions.*row groups 2 to 3.*this row"):
        label_transfer_set(counting, parquet, sink, key="id")
    with pytest.raises(ValueError, match=r"not finished: 3 parts are written"):
        StoredTransferSet(sink)
    assert counting.asked() == N_ROWS - 800
    counting.fails_on = None
    check_same(label_transfer_set(counting, parquet, sink, key="id"), rows, expected)
    assert counting.asked() == N_ROWS


def test_a_source_that_has_grown_is_labelled_where_it_is_new(counting, rows, expected, tmp_path):
    folder, sink = tmp_path / "rows", tmp_path / "sink"
    folder.mkdir()
    rows[:1600].to_parquet(folder / "a.parquet", row_group_size=400)
    label_transfer_set(counting, folder, sink, key="id")
    rows[1600:].to_parquet(folder / "b.parquet", row_group_size=400)
    assert StoredTransferSet(sink).n_rows == 1600
    check_same(label_transfer_set(counting, folder, sink, key="id"), rows, expected)
    assert counting.asked() == N_ROWS
    rows[:1600].assign(a=0.0).to_parquet(folder / "a.parquet", row_group_size=400)
    with pytest.raises(ValueError, match="have changed since they were labelled"):
        StoredTransferSet(sink)
    label_transfer_set(counting, folder, sink, key="id")
    assert counting.asked() == N_ROWS + 1600


def test_a_killed_process_costs_its_partitions_alone(parquet, rows, teacher, expected, tmp_path):
    sink, deadly = tmp_path / "sink", killer(teacher, rows, tmp_path)
    with joblib.parallel_config("loky", n_jobs=2):
        with pytest.raises(RuntimeError, match="worker was lost"):
            label_transfer_set(deadly, parquet, sink, key="id")
        left = len(list(sink.glob("part-*")))
        assert left >= 1
        check_same(label_transfer_set(deadly, parquet, sink, key="id"), rows, expected)
    assert not list(sink.glob(".*.tmp"))


def test_a_full_disk_leaves_no_part_of_a_part(
    parquet, rows, teacher, expected, tmp_path, monkeypatch
):
    write, calls = pq.ParquetWriter.write_table, []

    def full(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    sink = tmp_path / "sink"
    with pytest.raises(RuntimeError, match=r"1 of 4 partitions.*No space left"):
        label_transfer_set(teacher, parquet, sink, key="id", batch_rows=300)
    assert len(list(sink.glob("part-*"))) == 3
    assert not list(sink.glob(".*"))
    stored = label_transfer_set(teacher, parquet, sink, key="id", batch_rows=300)
    check_same(stored, rows, expected)


def test_an_unfinished_part_is_not_taken_for_a_whole_one(
    parquet, rows, teacher, expected, tmp_path
):
    sink = tmp_path / "sink"
    label_transfer_set(teacher, parquet, sink, key="id")
    part = sorted(sink.glob("part-*"))[0]
    part.write_bytes(part.read_bytes()[:-100])
    (sink / ".part-000000-abc.tmp").write_bytes(b"half")
    check_same(label_transfer_set(teacher, parquet, sink, key="id"), rows, expected)
    assert not list(sink.glob(".*.tmp"))


# -- bad input -----------------------------------------------------------------------------------


def test_another_teacher_or_other_settings_are_refused(parquet, rows, teacher, tmp_path):
    sink = tmp_path / "sink"
    label_transfer_set(teacher, parquet, sink, key="id")
    other = GaussianNB().fit(rows[:300][COLUMNS], rows.late[:300])
    before = sorted((p.name, p.stat().st_mtime_ns) for p in sink.iterdir())
    with pytest.raises(ValueError, match="labelled by another teacher, a RandomForest"):
        label_transfer_set(other, parquet, sink, key="id")
    with pytest.raises(ValueError, match=r"written with folds=None, and not \[3, 0\]"):
        label_transfer_set(teacher, parquet, sink, key="id", target="late", cv=3)
    with pytest.raises(ValueError, match="written with key='id', and not None"):
        label_transfer_set(teacher, parquet, sink)
    with pytest.raises(ValueError, match="written with classes"):
        label_transfer_set(teacher, parquet, sink, key="id", classes=["maybe", "no", "yes"])
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in sink.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    with pytest.raises(ValueError, match=r"is not empty.*letter.txt"):
        label_transfer_set(teacher, parquet, tmp_path / "full")


def test_partitions_with_other_columns_or_types(rows, teacher, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    rows[:1000].to_parquet(folder / "a.parquet")
    rows[1000:].drop(columns="b").to_parquet(folder / "b.parquet")
    with pytest.raises(ValueError, match=r"b.parquet lacks the columns \['b'\]"):
        label_transfer_set(teacher, folder, tmp_path / "sink")
    rows[1000:].assign(b="much").to_parquet(folder / "b.parquet")
    with pytest.raises(ValueError, match=r"Column 'b' is a text in .*b.parquet, and a number"):
        label_transfer_set(teacher, folder, tmp_path / "sink")
    (folder / "b.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="no whole Parquet file"):
        label_transfer_set(teacher, folder, tmp_path / "sink")
    assert not (tmp_path / "sink").exists()


def test_a_partition_with_missing_values(rows, tmp_path):
    labeled = rows[:300]
    teacher = LogisticRegression().fit(labeled[COLUMNS], labeled.late)
    holes = rows.copy()
    holes.loc[900, "c"] = np.nan
    holes.to_parquet(tmp_path / "rows.parquet", row_group_size=400)
    with pytest.raises(ValueError, match=r"1 of 4 .*row groups 2 to 3.*contains NaN"):
        label_transfer_set(teacher, tmp_path / "rows.parquet", tmp_path / "sink", key="id")
    rows.to_parquet(tmp_path / "rows.parquet", row_group_size=400)
    stored = label_transfer_set(teacher, tmp_path / "rows.parquet", tmp_path / "sink", key="id")
    check_same(stored, rows, labels_of(teacher, rows))


def test_a_category_that_the_encoder_does_not_know(rows, tmp_path):
    frame = rows[["a"]].assign(city=np.where(np.arange(N_ROWS) < 2900, "ATL", "XXX"))
    frame.loc[:100, "city"] = "BOS"
    y = frame.a[:300] > 0
    encoder = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    teacher = make_pipeline(encoder, LogisticRegression()).fit(frame[:300], y)
    with pytest.raises(ValueError, match=r"1 of 4 partitions.*rows 2400 to 2999.*XXX"):
        label_transfer_set(teacher, frame, tmp_path / "sink")


def test_keys_that_repeat(rows, teacher, tmp_path):
    double = rows.copy()
    double.loc[2999, "id"] = double.id[0]
    with pytest.raises(ValueError, match="key 'id' repeats in 1 rows"):
        label_transfer_set(teacher, double, tmp_path / "sink", key="id")
    double["id"] = double["id"].astype(float)
    double.loc[5, "id"] = np.nan
    with pytest.raises(ValueError, match="key is missing in 1 rows"):
        label_transfer_set(teacher, double, tmp_path / "sink", key="id")
    assert not (tmp_path / "sink").exists()
    assert count_doubles(lambda: [rows, rows[:7]], "id") == 7
    in_order = rows.sort_values("id")
    assert count_doubles(lambda: [in_order[:7], in_order[7:]], "id") == 0
    assert count_doubles(lambda: [in_order[:7], in_order[6:]], "id") == 1


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"engine": "hadoop"}, ValueError, "engine must be one of"),
        ({"key": "number"}, ValueError, r"no columns \['number'\]"),
        ({"key": "id", "target": "id"}, ValueError, "three columns"),
        ({"columns": ["a", "z"]}, ValueError, r"no columns \['z'\]"),
        ({"batch_rows": 0}, ValueError, "batch_rows must be an int"),
        ({"cv": 3}, ValueError, "Name the column"),
        ({"cv": 3, "target": "late"}, ValueError, "hash of the key"),
        ({"cv": "in-sample", "target": "late"}, ValueError, "an int or a HashKFold"),
        ({"like": [1, 2]}, TypeError, "like must be a data frame or an array"),
        ({"target": "w"}, ValueError, "labels that the teacher does not know"),
    ],
)
def test_settings_that_cannot_be(settings, error, match, parquet, teacher, tmp_path):
    with pytest.raises(error, match=match):
        label_transfer_set(teacher, parquet, tmp_path / "sink", **settings)


def test_sources_and_teachers_that_cannot_be(rows, teacher, tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="source must be Parquet files or a data frame"):
        label_transfer_set(teacher, 7, tmp_path / "sink")
    with pytest.raises(FileNotFoundError, match="no Parquet file or folder"):
        label_transfer_set(teacher, tmp_path / "nowhere", tmp_path / "sink")
    with pytest.raises(ValueError, match="files of several file systems"):
        label_transfer_set(teacher, [tmp_path, f"file://{tmp_path}"], tmp_path / "sink")
    with pytest.raises(ValueError, match="no Parquet files"):
        label_transfer_set(teacher, tmp_path, tmp_path / "sink")
    regressor = LinearRegression().fit(rows[COLUMNS], rows.w)
    with pytest.raises(ValueError, match="must be a classifier. Got a regressor"):
        label_transfer_set(regressor, rows, tmp_path / "sink")
    with pytest.raises(ValueError, match="is not fitted, and nobody knows on which labels"):
        label_transfer_set(GaussianNB(), rows, tmp_path / "sink")
    with pytest.raises(FileNotFoundError, match="no transfer set"):
        StoredTransferSet(tmp_path / "nowhere")
    monkeypatch.setattr(_label.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs pandas.*sklearn-distill\[scale\]"):
        label_transfer_set(teacher, rows, tmp_path / "sink")


@pytest.mark.parametrize(("engine", "extra"), [("ray", "ray"), ("spark", "spark")])
def test_engines_that_are_not_installed(engine, extra, parquet, teacher, tmp_path, monkeypatch):
    found = _label.importlib.util.find_spec
    monkeypatch.setattr(
        _label.importlib.util, "find_spec",
        lambda name: None if name in ("ray", "pyspark") else found(name),
    )  # fmt: skip
    with pytest.raises(ImportError, match=rf"sklearn-distill\[{extra}\]"):
        label_transfer_set(teacher, parquet, tmp_path / "sink", engine=engine)


def test_positions_are_those_of_the_source_as_it_is(rows, teacher, expected, tmp_path):
    """Rows before them that were not there the first time give them others."""
    folder, sink = tmp_path / "rows", tmp_path / "sink"
    folder.mkdir()
    rows[:500].to_parquet(folder / "a.parquet")
    rows[1000:].to_parquet(folder / "b.parquet", row_group_size=400)
    label_transfer_set(teacher, folder, sink, columns=COLUMNS)
    rows[:1000].to_parquet(folder / "a.parquet")
    stored = label_transfer_set(teacher, folder, sink, columns=COLUMNS)
    frame = pd.concat(stored.frames())
    np.testing.assert_array_equal(frame["position"], np.arange(N_ROWS))
    np.testing.assert_array_equal(frame[["log_proba_no", "log_proba_yes"]], expected)


class Moved(torch.nn.Linear):
    """Writes down where it is sent."""

    places = []

    def to(self, *args, **kwargs):
        self.places.append(args)
        return self


def test_torch_teachers_travel_on_the_cpu_and_go_to_their_workers_device(rows, tmp_path):
    X = rows[COLUMNS].to_numpy(np.float32)
    module = Moved(4, 2)
    stored = label_transfer_set(
        module, rows, tmp_path / "sink", classes=["no", "yes"], columns=COLUMNS, batch_rows=100
    )
    with torch.no_grad():
        expected = torch.log_softmax(module(torch.as_tensor(X.copy())), 1).numpy()
    np.testing.assert_allclose(stored.read().log_proba, expected, atol=1e-6)
    assert stored.teacher == "Moved"
    reader = TeacherReader.of(module)
    Moved.places.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        (twin,) = _engines.Shipment.of([reader]).unpacked()
    assert Moved.places == [("cuda",)]
    assert twin.teacher is not module


def test_nothing_is_printed_unless_verbose(parquet, teacher, tmp_path, capfd):
    label_transfer_set(teacher, parquet, tmp_path / "a")
    assert capfd.readouterr() == ("", "")
    label_transfer_set(teacher, parquet, tmp_path / "b", verbose=1)
    assert "rows/s" in capfd.readouterr().err
