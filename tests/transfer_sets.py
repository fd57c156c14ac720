"""Rows, a teacher and checks that the tests of all engines share."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier

from sklearn_distill.labelling import label

COLUMNS = ["a", "b", "c", "d"]
N_ROWS = 3000


def make_rows():
    """Return rows with a key in random order, labels for the first 300, and weights."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N_ROWS, 4)), columns=COLUMNS)
    late = frame.a + frame.b * rng.normal(size=N_ROWS) > 0
    frame["id"] = rng.permutation(N_ROWS) * 10
    frame["late"] = np.where(np.arange(N_ROWS) < 300, late.map({True: "yes", False: "no"}), None)
    frame["w"] = rng.uniform(1, 2, N_ROWS)
    return frame


def make_teacher(rows):
    """Return a forest that is fitted on the rows with a label."""
    labeled = rows[:300]
    forest = RandomForestClassifier(20, min_samples_leaf=2, random_state=0)
    return forest.fit(labeled[COLUMNS], labeled.late)


def labels_of(teacher, rows):
    """Return what it says of the rows in memory, as it is written."""
    return next(label(teacher, [rows[COLUMNS]])).astype(np.float32)


def ids_of(stored):
    return np.concatenate([frame["id"].to_numpy() for frame in stored.frames(["id"])])


def check_same(stored, rows, expected):
    """Check that every row is there once, with its label and its values."""
    ids, batch = ids_of(stored), stored.read()
    assert sorted(ids) == sorted(rows.id)
    order, theirs = np.argsort(ids), np.argsort(rows.id.to_numpy())
    np.testing.assert_array_equal(batch.log_proba[order], expected[theirs])
    np.testing.assert_array_equal(
        batch.X[COLUMNS].to_numpy()[order], rows[COLUMNS].to_numpy()[theirs]
    )


class Killer(BaseEstimator, ClassifierMixin):
    """Kills its process, once, when it is asked about a certain row."""

    def __init__(self, teacher, row, flag, main):
        self.teacher, self.row, self.flag, self.main = teacher, row, flag, main
        self.classes_ = teacher.classes_
        self.feature_names_in_ = teacher.feature_names_in_

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        here = os.getpid() != self.main and (X["a"] == self.row).any()
        if here and not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.teacher.predict_proba(X)


class Meeting(BaseEstimator, ClassifierMixin):
    """Answers when another worker is asked at the same time."""

    def __init__(self, teacher, folder):
        self.teacher, self.folder = teacher, folder
        self.classes_ = teacher.classes_
        self.feature_names_in_ = teacher.feature_names_in_

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        if len(X) > 32:  # no look at the first rows
            folder = Path(self.folder)
            (folder / f"{X['a'].iloc[0]}.here").touch()
            waiting_until = time.monotonic() + 60
            while len(list(folder.glob("*.here"))) < 2:
                if time.monotonic() > waiting_until:
                    raise RuntimeError("nobody else came")
                time.sleep(0.01)
        return self.teacher.predict_proba(X)


def killer(teacher, rows, folder):
    """Return one that dies, in a process of its own, in the third partition."""
    return Killer(teacher, rows.a[2500], str(Path(folder) / "killed"), os.getpid())
