"""The default student (student=None) against scikit-learn's MLPClassifier of the same size.

Four ways on each data set, on the same rows: an `MLPClassifier` with the hidden layers of the
default student, on hard labels (standardised and one-hot columns; its own defaults, and once more
with early stopping); the default student on hard labels (alpha=0); and the default student taught
by a forest and a booster that were fitted on the same rows. Printed are ROC AUC (one against the
rest), log loss and accuracy on held-out rows, means over random splits, and on how many data sets
the default student beats each `MLPClassifier`.

    python benchmarks/default_network.py --sets phoneme --seeds 1
    python benchmarks/default_network.py --csv network.csv
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_distill import DistillationClassifier
from sklearn_distill.nn.default_network import HIDDEN

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

SETS = ("fraud", "adult", *real_data.KEEL_NAMES)
MLP, STOPPED, HARD, TAUGHT = (
    *("MLPClassifier", "MLPClassifier, stopped early"),
    *("default, hard labels", "default, taught"),
)


def load(name):
    if name == "adult":
        return real_data.adult()
    if name == "fraud":
        X, y = real_data.credit_card_fraud()
        keep = (y == 1) | (np.random.RandomState(0).uniform(size=len(y)) < 0.1)
        return X[keep].reset_index(drop=True), y[keep]
    return real_data.keel(name)


def prepared(numbers, categories, last):
    """Return a pipeline of the usual preprocessing and a last step."""
    chosen = make_column_selector(dtype_include="number")
    rest = make_column_selector(dtype_exclude="number")
    return make_pipeline(make_column_transformer((numbers, chosen), (categories, rest)), last)


def mlp_classifier(seed, **params):
    return prepared(
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        MLPClassifier(HIDDEN, random_state=seed, **params),
    )


def teacher(seed):
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=1, random_state=seed)
    booster = LGBMClassifier(n_estimators=200, num_leaves=15, n_jobs=1, verbose=-1)
    votes = VotingClassifier([("forest", forest), ("booster", booster)], voting="soft")
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return prepared(SimpleImputer(strategy="median"), ordinal, votes)


def run(name, seed, options):
    X, y = load(name)
    y = np.unique(y, return_inverse=True)[1]
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    if len(y_train) > options.max_train:
        X_train, _, y_train, _ = train_test_split(
            X_train, y_train, train_size=options.max_train, stratify=y_train, random_state=seed
        )
    taught = teacher(seed).fit(X_train, y_train)
    models = {
        "teacher": taught,
        MLP: mlp_classifier(seed),
        STOPPED: mlp_classifier(seed, early_stopping=True),
        HARD: DistillationClassifier(None, alpha=0, random_state=seed),
        TAUGHT: DistillationClassifier(taught, temperature=2, alpha=0.5, random_state=seed),
    }
    records = []
    for way, model in models.items():
        began = time.perf_counter()
        if model is not taught:
            model.fit(X_train, y_train)
        proba = model.predict_proba(X_test)
        auc = roc_auc_score(
            y_test, proba[:, 1] if proba.shape[1] == 2 else proba, multi_class="ovr"
        )
        clipped = proba.clip(1e-7)
        records.append(
            {
                "set": name,
                "seed": seed,
                "way": way,
                "auc": auc,
                "log_loss": log_loss(y_test, clipped / clipped.sum(axis=1, keepdims=True)),
                "accuracy": (proba.argmax(axis=1) == y_test).mean(),
                "seconds": time.perf_counter() - began,
            }
        )
    return records


def print_report(results):
    for metric, sign in {"auc": 1, "log_loss": -1, "accuracy": 1}.items():
        means = results.pivot_table(index="set", columns="way", values=metric, sort=False)
        means = means[["teacher", MLP, STOPPED, HARD, TAUGHT]]
        print(f"\n{metric}, mean of {results['seed'].nunique()} splits")
        print(means.to_string(float_format="{:.4f}".format))
        for way in (HARD, TAUGHT):
            for rival in (MLP, STOPPED):
                gain = sign * (means[way] - means[rival])
                error = gain.std(ddof=1) / len(gain) ** 0.5
                print(
                    f"{way}: better than {rival} on {(gain > 0).sum()} of {len(gain)} sets, "
                    f"mean gain {gain.mean():+.4f} ± {error:.4f}"
                )
    seconds = results.pivot_table(index="way", values="seconds", aggfunc="median")
    print("\nmedian seconds of a fit\n" + seconds.to_string(float_format="{:.1f}".format))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, metavar="SET")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-train", type=int, default=4000)
    parser.add_argument("--csv", help="write one line for each model to this file")
    parser.add_argument("--from-csv", help="only print the tables of such a file")
    options = parser.parse_args()
    if options.from_csv:
        return print_report(pd.read_csv(options.from_csv))
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    results = []
    for seed in range(options.seeds):
        for name in options.sets:
            results += run(name, seed, options)
            if options.csv:
                pd.DataFrame(results).to_csv(options.csv, index=False)
            print(name, seed, file=sys.stderr, flush=True)
    return print_report(pd.DataFrame(results))


if __name__ == "__main__":
    main()
