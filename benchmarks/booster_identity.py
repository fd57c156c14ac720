"""How close boosters on soft targets come to the native objective, and to weighted copies of rows.

First, one-hot targets at T = 1 against the library's own fit on the same labels, 30 rounds: the
largest difference between two probabilities. Second, soft targets at T = 1 against the library's
own fit on K copies of each row, one for each class, weighted by the target: differences on
held-out rows over several random splits, as mean ± standard error.

    python benchmarks/booster_identity.py --seeds 8
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from real_data import keel

from sklearn_distill import DistilledClassifier, SoftBoosting
from sklearn_distill.targets import SoftTargets, TransferSet

LIBRARIES = ("lightgbm", "xgboost", "catboost")
DATA = {"magic": 10_000, "letter": 6_000}
FIXED = {
    "lightgbm": {"verbose": -1, "n_jobs": 1},
    "xgboost": {"n_jobs": 1},
    "catboost": {"thread_count": 1, "random_seed": 0, "verbose": 0, "allow_writing_files": False},
}
# Settings that mean the same for a row and for K copies of it. LightGBM's defaults count rows in
# leaves and in bins. CatBoost's penalty scales with the mean weight of the rows, its bootstrap
# draws copies one by one, and it adapts the learning rate to their number.
INDIFFERENT = {
    "lightgbm": {"min_child_samples": 0, "min_data_in_bin": 1, "max_bin": 63},
    "xgboost": {},
    "catboost": {
        "learning_rate": 0.2,
        "l2_leaf_reg": 0,
        "bootstrap_type": "No",
        "random_strength": 0,
        "depth": 4,
    },
}
WHY_CATBOOST = """\
CatBoost takes soft targets of two classes as they are (CrossEntropy). Several classes it learns as
a matrix of targets (MultiCrossEntropy), a yes-or-no question for each, which is another model than
its MultiClass: neither better nor worse by rule, and many times faster than copies of the rows."""


def student_of(library, rounds, **settings):
    settings = FIXED[library] | settings
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=rounds, **settings)
    if library == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=rounds, enable_categorical=True, **settings)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(iterations=rounds, **settings)


def load(name, seed):
    """Return rows to learn from and their classes, and as many to judge by."""
    X, y = keel(name)
    rows = np.random.RandomState(seed).permutation(len(y))[: DATA[name]]
    X, y = X.to_numpy()[rows], np.unique(y[rows], return_inverse=True)[1]
    half = len(rows) // 2
    return X[:half], y[:half], X[half:], y[half:]


def soft_fit(student, X, y, proba, alpha):
    with np.errstate(divide="ignore"):
        targets = SoftTargets.from_alpha(np.arange(proba.shape[1]), y, np.log(proba), alpha)
    taught = SoftBoosting().teach(clone(student), TransferSet(X, y, None, targets))
    return DistilledClassifier(*taught)


def fit_on_copies(student, X, y, proba, alpha):
    n_rows, n_classes = proba.shape
    weight = alpha * proba
    weight[np.arange(n_rows), y] += 1 - alpha
    labels = np.tile(np.arange(n_classes), n_rows)
    copies = np.repeat(X, n_classes, axis=0)
    return clone(student).fit(copies, labels, sample_weight=weight.ravel())


def compare_with_native(library, name, rounds, *, as_categories=False):
    """Return the largest |Δp|, and the log loss on held-out rows of either model."""
    X, y, X_test, y_test = load(name, seed=0)
    settings = {}
    if as_categories:  # the letter data are sixteen numbers from 0 to 15
        X, X_test = (pd.DataFrame(part.astype(int)).add_prefix("x") for part in (X, X_test))
        X, X_test = (part.astype(pd.CategoricalDtype(range(16))) for part in (X, X_test))
        settings = {"cat_features": tuple(X)} if library == "catboost" else {}
    student = student_of(library, rounds, **settings)
    native = clone(student).fit(X, y)
    ours = soft_fit(student, X, y, np.eye(y.max() + 1)[y], 1.0)
    gap = np.abs(ours.predict_proba(X) - native.predict_proba(X)).max()
    p, q = ours.predict_proba(X_test), native.predict_proba(X_test)
    return max(gap, np.abs(p - q).max()), scores(y_test, p)[0], scores(y_test, q)[0]


def compare_with_copies(library, name, rounds, seed, alpha=0.75):
    """Return mean |Δp|, and what soft targets have more of: log loss, and AUC or accuracy."""
    X, y, X_test, y_test = load(name, seed)
    teacher = ExtraTreesClassifier(100, min_samples_leaf=3, n_jobs=1, random_state=seed)
    proba = teacher.fit(X, y).predict_proba(X)
    student = student_of(library, rounds, **INDIFFERENT[library])
    p = soft_fit(student, X, y, proba, alpha).predict_proba(X_test)
    q = fit_on_copies(student, X, y, proba, alpha).predict_proba(X_test)
    return np.abs(p - q).mean(), *(np.subtract(scores(y_test, p), scores(y_test, q)))


def scores(y, proba):
    proba = proba / proba.sum(axis=1, keepdims=True, dtype=np.float64)
    if proba.shape[1] == 2:
        return log_loss(y, proba), roc_auc_score(y, proba[:, 1])
    return log_loss(y, proba), accuracy_score(y, proba.argmax(axis=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=LIBRARIES)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)

    print(f"One-hot targets, T = 1, {options.rounds} rounds: largest |Δp| to the native objective")
    for library in options.libraries:
        for name, as_categories in [("magic", False), ("letter", False), ("letter", True)]:
            gap, loss, native_loss = compare_with_native(
                library, name, options.rounds, as_categories=as_categories
            )
            what = f"{name}, {'categories' if as_categories else 'numbers'}"
            print(
                f"  {library:9} {what:18} {DATA[name] // 2:,} rows  {gap:.1e}  "
                f"held-out log loss {loss:.4f}, native {native_loss:.4f}",
                flush=True,
            )
    if "catboost" in options.libraries:
        print(WHY_CATBOOST)

    print(f"\nSoft targets against K weighted copies of each row, {options.seeds} splits")
    for library in options.libraries:
        for name in DATA:
            found = [
                compare_with_copies(library, name, options.rounds, seed)
                for seed in range(options.seeds)
            ]
            (gap, loss, score), error = (
                np.mean(found, axis=0),
                np.std(found, axis=0, ddof=1) / np.sqrt(options.seeds),
            )
            what = "AUC" if name == "magic" else "accuracy"
            print(
                f"  {library:9} {name:7} mean |Δp| {gap:.1e}  "
                f"log loss {loss:+.1e} ± {error[1]:.1e}  {what} {score:+.1e} ± {error[2]:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
