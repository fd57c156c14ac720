"""What is a model worth that teaches itself? Alpha, temperature and generations, on real data.

Each model is fitted on labels, tuned on labels, and born again. The default settings of
``SelfDistillationClassifier`` are chosen among several on one half of the data sets ("choose",
with ``nested=False``, which takes a fifth of the time), and reported on the other ("report", as
they are and with ``nested=False``).

    python benchmarks/self_distillation.py choose --seeds 2 > self_choose.csv
    python benchmarks/self_distillation.py report --seeds 2 > self_report.csv
    python benchmarks/self_distillation.py table self_report.csv
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from recipes import load, prepared
from runs import main
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from sklearn_distill import SelfDistillationClassifier

SETS = {
    "choose": ("spambase", "satimage", "phoneme", "adult", "twonorm", "vowel"),
    "report": ("magic", "segment", "ring", "texture", "optdigits", "pima"),
}
COLUMNS = ("set", "seed", "model", "how", "log_loss", "auc", "generation")
MOST_ROWS = 2500
TRIED = {
    "choose": {
        f"alpha={alpha:g}, T={temperature:g}": {
            "alpha": alpha,
            "temperature": temperature,
            "nested": False,
        }
        for temperature in (1.0, 2.0)
        for alpha in (0.25, 0.5, 0.75, 1.0)
    },
    "report": {"default": {}, "nested=False": {"nested": False}},
}


def models(seed):
    """Return models, and what is tuned of each."""
    return {
        "tree, 64 leaves": (
            DecisionTreeClassifier(max_leaf_nodes=64, random_state=seed),
            {"max_leaf_nodes": [16, 32, 64], "min_samples_leaf": [1, 5, 20, 50]},
        ),
        "LightGBM, 50 x 8 leaves": (
            LGBMClassifier(n_estimators=50, num_leaves=8, n_jobs=1, verbose=-1, random_state=seed),
            {"learning_rate": [0.05, 0.1, 0.2, 0.4], "min_child_samples": [5, 20]},
        ),
        "network of 32": (
            MLPClassifier((32,), max_iter=40, random_state=seed),
            {"alpha": [1e-4, 1e-2, 1]},
        ),
    }


def run(name, seed, tried):
    """Yield the scores on one split of one data set."""
    X, y = load(name)
    y = np.unique(y, return_inverse=True)[1]
    n_train = min(MOST_ROWS, len(y) // 2)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=n_train, random_state=seed, stratify=y
    )
    prepare = prepared(X_train, True).fit(X_train)
    X_train, X_test = prepare.transform(X_train), prepare.transform(X_test)

    def scores(kind, how, model):
        proba = np.clip(model.predict_proba(X_test), 1e-6, None)
        proba /= proba.sum(axis=1, keepdims=True)
        said = proba[:, 1] if proba.shape[1] == 2 else proba
        return {
            "set": name,
            "seed": seed,
            "model": kind,
            "how": how,
            "log_loss": log_loss(y_test, proba),
            "auc": roc_auc_score(y_test, said, multi_class="ovr"),
            "generation": getattr(model, "best_generation_", ""),
        }

    for kind, (model, grid) in models(seed).items():
        yield scores(kind, "labels", clone(model).fit(X_train, y_train))
        tuned = GridSearchCV(clone(model), grid, cv=4, scoring="neg_log_loss")
        yield scores(kind, "tuned", tuned.fit(X_train, y_train))
        for how, settings in tried.items():
            taught = SelfDistillationClassifier(model, random_state=seed, **settings)
            yield scores(kind, how, taught.fit(X_train, y_train))


def table(frame):
    """Print mean differences against the model on labels, and against the tuned one."""
    index = ["model", "set", "seed"]
    auc, loss, generation = (
        frame.pivot_table(index=index, columns="how", values=value, sort=False)
        for value in ("auc", "log_loss", "generation")
    )
    rows = []
    for kind in auc.index.unique("model"):
        for how in auc:
            of = {"model": kind, "how": how}
            for than in ("labels", "tuned"):
                gain = (auc[how] - auc[than])[kind].groupby("set").mean()
                fall = (loss[than] - loss[how])[kind].groupby("set").mean()
                of[f"AUC over {than}"], of[f"sets, {than}"] = gain.mean(), int((gain >= 0).sum())
                of[f"log loss under {than}"] = fall.mean()
            if how in generation:
                of["generation"] = generation[how][kind].mean()
            rows.append(of)
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    parts = {part: (sets, partial(run, tried=TRIED[part])) for part, sets in SETS.items()}
    main(__doc__, parts, table, COLUMNS, seeds=2)
