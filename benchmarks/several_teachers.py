"""Do three teachers together teach better than one? Their pool against each of them alone.

A forest, a booster and a network label the training rows out-of-fold, each once. Students are then
taught by each of them, and by their pool under every rule, with settings that are the same for all
teachers: what differs between two lines is the teacher. On hard labels stands the same student,
as given and tuned.

    python benchmarks/several_teachers.py run --seeds 3 > several_teachers.csv
    python benchmarks/several_teachers.py table several_teachers.csv
"""

import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from runs import main
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

from sklearn_distill import DistillationClassifier, TeacherEnsemble

SETS = ("letter", "satimage", "crash_injuries", "fraud")
POOLINGS = ("arithmetic", "geometric", "confidence", "validation")
COLUMNS = ("set", "seed", "student", "teacher", "log_loss", "auc", "ap")
MOST_ROWS = 6000


def rows_of(name, seed):
    """Return rows and labels to learn from, and others, as numbers in one scale.

    Of the frauds the first 70 % in time are learned from, and of the payments that are none one in
    ten; what comes later is complete.
    """
    if name == "fraud":
        X, y = real_data.credit_card_fraud()
        early, rng = int(0.7 * len(y)), np.random.RandomState(seed)
        kept = np.flatnonzero((y[:early] == 1) | (rng.random_sample(early) < 0.1))
        split = X.iloc[kept], X.iloc[early:], y[kept], y[early:]
    else:
        X, y = real_data.crash_injuries() if name == "crash_injuries" else real_data.keel(name)
        frequent = np.isin(
            y, [k for k, n in zip(*np.unique(y, return_counts=True), strict=True) if n > 100]
        )
        X, y = X[frequent], y[frequent]
        split = train_test_split(
            *(X, y), train_size=min(MOST_ROWS, len(y) // 2), random_state=seed, stratify=y
        )
    X_train, X_test, y_train, y_test = split
    texts = list(X_train.select_dtypes("category"))
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False, min_frequency=20, handle_unknown="ignore"), texts),
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    ).fit(X_train)
    _, labels = np.unique(np.concatenate([y_train, y_test]), return_inverse=True)
    n = len(y_train)
    return encode.transform(X_train), encode.transform(X_test), labels[:n], labels[n:]


def teachers(seed):
    """Return three strong models of different kinds, not fitted."""
    return [
        ("forest", ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=2, random_state=seed)),
        (
            "booster",
            LGBMClassifier(
                n_estimators=200, learning_rate=0.08, n_jobs=2, verbose=-1, random_state=seed
            ),
        ),
        (
            "network",
            MLPClassifier((128, 128), early_stopping=True, alpha=1e-3, random_state=seed),
        ),
    ]


def students(seed):
    """Return students, how they are taught, and what is tuned of each."""
    return {
        "tree, 64 leaves": (
            DecisionTreeClassifier(max_leaf_nodes=64, random_state=seed),
            {"alpha": 1.0, "temperature": 2.0},
            {"max_leaf_nodes": [16, 32, 64], "min_samples_leaf": [1, 5, 20]},
        ),
        "network of 32": (
            MLPClassifier((32,), max_iter=60, random_state=seed),
            {"alpha": 0.5, "temperature": 1.0},
            {"alpha": [1e-4, 1e-2, 1], "learning_rate_init": [1e-3, 3e-3]},
        ),
    }


def run(name, seed):
    """Yield the scores of all teachers and students on one split of one data set."""
    X_train, X_test, y_train, y_test = rows_of(name, seed)
    memory = joblib.Memory(tempfile.mkdtemp(), verbose=0)

    def scores(student, teacher, model):
        proba = np.clip(model.predict_proba(X_test), 1e-6, None)
        proba /= proba.sum(axis=1, keepdims=True)
        two = proba.shape[1] == 2
        said = proba[:, 1] if two else proba
        return {
            "set": name,
            "seed": seed,
            "student": student,
            "teacher": teacher,
            "log_loss": log_loss(y_test, proba),
            "auc": roc_auc_score(y_test, said, multi_class="ovr"),
            "ap": average_precision_score(y_test, said),
        }

    members = teachers(seed)
    taught_by = dict(members) | {
        f"pool, {pooling}": TeacherEnsemble(members, pooling=pooling) for pooling in POOLINGS
    }
    for student, (estimator, settings, grid) in students(seed).items():
        yield scores(student, "labels", clone(estimator).fit(X_train, y_train))
        tuned = GridSearchCV(clone(estimator), grid, cv=4, scoring="neg_log_loss")
        yield scores(student, "labels, tuned", tuned.fit(X_train, y_train))
        for teacher, model in taught_by.items():
            taught = DistillationClassifier(
                model, estimator, random_state=seed, memory=memory, **settings
            ).fit(X_train, y_train)
            yield scores(student, teacher, taught)
            if student.startswith("tree"):
                yield scores("(teacher)", teacher, taught.teacher_)


def table(frame):
    """Print the means over seeds, and each pool against the single teachers."""
    for score in ("log_loss", "auc", "ap"):
        wide = frame.pivot_table(
            index=["set", "student"], columns="teacher", values=score, sort=False
        )
        print(f"\n{score}\n{wide.round(4).to_string()}")
        single = wide[["forest", "booster", "network"]]
        sign = -1 if score == "log_loss" else 1
        best = (sign * single).max(axis=1)
        gains = pd.DataFrame(
            {
                f"{pool}{over}": sign * wide[pool] - than
                for pool in wide.filter(like="pool").columns
                for over, than in (
                    (" - mean single", (sign * single).mean(axis=1)),
                    (" - best single", best),
                )
            }
        )
        taught = gains.index.get_level_values("student") != "(teacher)"
        print("\ngain of students, more is better; and of how many pairs it is not below zero")
        summary = {"mean": gains[taught].mean(), "not below": (gains[taught] >= 0).sum()}
        print(pd.DataFrame(summary).round(4).to_string(), f"of {taught.sum()}")


if __name__ == "__main__":
    main(__doc__, {"run": (SETS, run)}, table, COLUMNS)
