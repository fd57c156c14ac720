"""The same teacher, two ways to distil it: AutoGluon's ``distill()`` and ours.

AutoGluon fits an ensemble and distils it into boosters and a forest. The same fitted ensemble
then teaches students of the same kinds here, with new rows of its own.

AutoGluon's requirements clash with ours. Run it in an environment of its own:

    python -m venv autogluon && . autogluon/bin/activate
    pip install "autogluon.tabular[lightgbm,catboost]" tqdm numba && pip install --no-deps -e .
    python benchmarks/autogluon_distill.py --out autogluon.csv
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from sklearn_distill import DistillationClassifier
from sklearn_distill.augmentation import Munge

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

SETS = ("spambase", "phoneme", "magic", "pima", "ring", "satimage")
MAX_TRAIN = 4000
STUDENTS = {
    "GBM": LGBMClassifier(
        n_estimators=300, learning_rate=0.05, verbose=-1, n_jobs=1, random_state=0
    ),
    "CAT": CatBoostClassifier(
        iterations=500, learning_rate=0.05, verbose=0, thread_count=1, random_seed=0
    ),
    "RF": RandomForestClassifier(300, min_samples_leaf=2, random_state=0),
}
RECIPES = {
    "labels": {"alpha": 0},
    "default, Munge(5)": {"augmenter": Munge(5)},
    "real labels, Munge(5)": {"alpha": 0, "augmenter": Munge(5)},
    "T=1, alpha=0.5, Munge(5)": {"alpha": 0.5, "temperature": 1, "augmenter": Munge(5)},
}


class Ensemble:
    """A fitted predictor of AutoGluon as a teacher."""

    def __init__(self, predictor):
        self.predictor = predictor
        self.classes_ = np.array(predictor.class_labels)

    def predict_proba(self, X):
        rows = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
        return self.predictor.predict_proba(rows)[list(self.classes_)].to_numpy()


def figures(y, proba):
    if proba.shape[1] == 2:
        auc = roc_auc_score(y, proba[:, 1])
    else:
        auc = roc_auc_score(y, proba, multi_class="ovr")
    return {"auc": auc, "log_loss": log_loss(y, np.clip(proba, 1e-6, 1))}


def run(name, time_limit):
    X, y = real_data.keel(name)
    X, y = np.asarray(X, dtype=np.float64), np.unique(y, return_inverse=True)[1]
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    if len(y) > MAX_TRAIN:
        X, _, y, _ = train_test_split(X, y, train_size=MAX_TRAIN, stratify=y, random_state=0)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).assign(label=y)
    test = pd.DataFrame(X_test, columns=frame.columns[:-1])
    lines = []

    def add(way, student, proba, seconds):
        found = {"set": name, "way": way, "student": student, "seconds": seconds}
        lines.append(found | figures(y_test, proba))
        print(lines[-1], flush=True)

    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor("label", path=folder, verbosity=0, eval_metric="log_loss")
        began = time.perf_counter()
        predictor.fit(frame, time_limit=time_limit)
        teacher = Ensemble(predictor)
        add("teacher", "ensemble", teacher.predict_proba(X_test), time.perf_counter() - began)
        began = time.perf_counter()
        predictor.distill(
            hyperparameters={kind: {} for kind in STUDENTS}, time_limit=time_limit, verbosity=0
        )
        seconds = time.perf_counter() - began
        for model in predictor.model_names():
            kinds = {"LightGBM": "GBM", "CatBoost": "CAT", "RandomForest": "RF"}
            kind = next((k for start, k in kinds.items() if model.startswith(start)), None)
            if "DSTL" in model and kind:
                proba = predictor.predict_proba(test, model=model)[list(teacher.classes_)]
                add("AutoGluon", kind, proba.to_numpy(), seconds / len(STUDENTS))
        for kind, student in STUDENTS.items():
            for recipe, settings in RECIPES.items():
                began = time.perf_counter()
                model = DistillationClassifier(teacher, student, random_state=0, **settings)
                model.fit(X, y)
                seconds = time.perf_counter() - began
                add(recipe, kind, model.predict_proba(X_test), seconds)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--time-limit", type=int, default=120, help="seconds for each stage")
    options = parser.parse_args()
    for name in options.sets:
        lines = pd.DataFrame(run(name, options.time_limit))
        exists = options.out.exists()
        lines.to_csv(options.out, mode="a", header=not exists, index=False)
    found = pd.read_csv(options.out)
    table = found.pivot_table(index=["set", "student"], columns="way", values="auc")
    print(table.round(4).to_string())
    print(found.pivot_table(index="student", columns="way", values="seconds").round(1).to_string())
    theirs = table["AutoGluon"]
    for recipe in RECIPES:
        pairs = (table[recipe] - theirs).dropna()
        print(f"{recipe}: not worse by more than .002 in {(pairs >= -0.002).sum()}/{len(pairs)}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
