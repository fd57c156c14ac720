"""What temperature, alpha and the probability floor do on real data, for small students.

Every student is taught with every combination and compared with its twin on hard labels (alpha=0):
the same student, rows and seed. Teachers (soft vote of a forest and a booster) are fitted once per
data set and seed; their labels are in-sample (a teacher that came fitted) or out-of-fold (one that
did not). Rows are split 70/30 by chance, the fraud data in time. Printed are mean gains with
standard errors over the data sets, and the number of data sets won; nothing is left out.

The floor matters for teachers that give exact zeros only: vary it with ``--teacher forest``.

    python benchmarks/real_data_temperature_alpha.py --quick  # a few minutes
    python benchmarks/real_data_temperature_alpha.py --seeds 3 --csv all.csv
    python benchmarks/real_data_temperature_alpha.py --from-csv all.csv
    python benchmarks/real_data_temperature_alpha.py --teacher forest --floors 2e-5 2e-4 2e-3
"""

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

SETS = (
    *("fraud", "adult", "spambase", "phoneme", "magic"),
    *("satimage", "segment", "optdigits", "letter"),
)
QUICK_SETS = ("spambase", "phoneme", "satimage", "segment", "adult")
#: Average precision is for two classes only, and of the one that sorts last: frauds, high incomes.
METRICS = ("auc", "log_loss", "accuracy", "average_precision")
#: The share of the honest payments that is kept of the fraud data.
FRAUD_KEPT = 0.2
#: Predictions are clipped here for the log loss: a tree's pure leaves would decide it alone.
LOG_LOSS_CLIP = 1e-6


class Student(NamedTuple):
    estimator: object
    # Trees regress equally well on targets of any scale, so that temperature changes nothing.
    feels_temperature: bool = True


STUDENTS = {
    "tree": Student(DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=5)),
    "logistic": Student(make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))),
    "regressor": Student(
        HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=8, early_stopping=False),
        feels_temperature=False,
    ),
}


def main():
    options = parse_options()
    if options.from_csv:
        return print_report(pd.read_csv(options.from_csv))
    began = time.perf_counter()
    results = []
    # One task holds one data set at a time; the results come as they are ready.
    tasks = [(name, seed) for seed in range(options.seeds) for name in options.sets]
    runs = Parallel(n_jobs=options.jobs, return_as="generator_unordered")(
        delayed(run)(name, seed, options) for name, seed in tasks
    )
    for rows in runs:
        results += rows
        if options.csv:
            pd.DataFrame(results).to_csv(options.csv, index=False)
        at = f"{time.perf_counter() - began:5.0f} s"
        print(f"{at}  {rows[0]['set']}, seed {rows[0]['seed']}", file=sys.stderr, flush=True)
    return print_report(pd.DataFrame(results))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=1, help="number of splits of each data set")
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--temperatures", nargs="+", type=float, default=[1, 2, 3, 4, 8])
    parser.add_argument("--alphas", nargs="+", type=float, default=[0.5, 0.75, 1])
    parser.add_argument("--floors", nargs="+", type=float, default=[2e-4])
    parser.add_argument("--teacher", choices=("vote", "forest"), default="vote")
    parser.add_argument("--max-train", type=int, help="rows to train on, at most (not of fraud)")
    parser.add_argument("--quick", action="store_true", help="fewer data sets and 3,000 rows each")
    parser.add_argument("--jobs", type=int, default=1, help="data sets at a time")
    parser.add_argument("--csv", help="write one line for each model to this file")
    parser.add_argument("--from-csv", help="only print the tables of such a file")
    options = parser.parse_args()
    options.sets = options.sets or (QUICK_SETS if options.quick else SETS)
    options.max_train = options.max_train or (3000 if options.quick else None)
    return options


# -- one data set, one seed -----------------------------------------------------------------


def run(name, seed, options):
    """Return one record for each combination, the hard twins and the teacher."""
    warnings.filterwarnings("ignore", category=UserWarning, module="sklearn.utils.validation")
    X_train, X_test, y_train, y_test = load_split(name, seed, options.max_train)
    records = []

    def record(student, labels, temperature, alpha, floor, proba):
        about = {"set": name, "seed": seed, "student": student, "labels": labels}
        about |= {"temperature": temperature, "alpha": alpha, "floor": floor}
        records.append(about | measure(y_test, proba))

    teacher = make_teacher(options.teacher, seed).fit(X_train, y_train)
    record("teacher", "", np.nan, np.nan, np.nan, teacher.predict_proba(X_test))
    soft = {kind: LABELS[kind](teacher, X_train, y_train, seed) for kind in options.labels}
    for key in options.students:
        student, feels_temperature = STUDENTS[key]
        student = seeded(student, seed)
        twin = DistillationClassifier(None, student, alpha=0).fit(X_train, y_train)
        record(key, "", np.nan, 0, np.nan, twin.predict_proba(X_test))
        for kind, proba in soft.items():
            for temperature in options.temperatures if feels_temperature else [1]:
                for alpha in options.alphas:
                    for floor in options.floors:
                        model = DistillationClassifier(
                            None,
                            student,
                            temperature=temperature,
                            alpha=alpha,
                            probability_floor=floor,
                        ).fit(X_train, y_train, teacher_output=proba)
                        proba_test = model.predict_proba(X_test)
                        record(key, kind, temperature, alpha, floor, proba_test)
    return records


def load_split(name, seed, max_train):
    if name == "fraud":
        return load_fraud(seed)
    X, y = real_data.adult() if name == "adult" else real_data.keel(name)
    if name == "adult":
        # Categories become numbers, a missing one -1.
        X = X.apply(lambda column: column.cat.codes if column.dtype == "category" else column)
    X = X.to_numpy(dtype=float)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    return X_train[:max_train], X_test, y_train[:max_train], y_test


def load_fraud(seed):
    """All frauds and a fifth of the rest, in time order."""
    X, y = real_data.credit_card_fraud()
    split = 0.7 * len(y)
    kept = np.flatnonzero((y == 1) | (np.random.default_rng(seed).random(len(y)) < FRAUD_KEPT))
    X, y = X.to_numpy()[kept], y[kept]
    n_train = np.searchsorted(kept, split)
    return X[:n_train], X[n_train:], y[:n_train], y[n_train:]


def make_teacher(kind, seed):
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=seed)
    if kind == "forest":
        return forest
    booster = LGBMClassifier(
        n_estimators=300,
        learning_rate=0.05,
        colsample_bytree=0.5,
        reg_lambda=10,
        random_state=seed,
        n_jobs=1,
        verbose=-1,
    )
    return VotingClassifier([("forest", forest), ("booster", booster)], voting="soft")


def in_sample(teacher, X, y, seed):
    return teacher.predict_proba(X)


def out_of_fold(teacher, X, y, seed):
    cv = StratifiedKFold(5, shuffle=True, random_state=seed)
    return cross_val_predict(clone(teacher), X, y, cv=cv, method="predict_proba")


LABELS = {"in-sample": in_sample, "out-of-fold": out_of_fold}


def seeded(estimator, seed):
    seeds = [key for key in estimator.get_params() if key.endswith("random_state")]
    return clone(estimator).set_params(**dict.fromkeys(seeds, seed))


def measure(y, proba):
    classes = np.unique(y)
    binary = len(classes) == 2
    clipped = np.clip(proba, LOG_LOSS_CLIP, 1)
    clipped /= clipped.sum(axis=1, keepdims=True)
    last = proba[:, 1] if binary else None
    return {
        "auc": roc_auc_score(y, last if binary else proba, multi_class="ovr"),
        "log_loss": log_loss(y, clipped, labels=classes),
        "accuracy": accuracy_score(y, classes[proba.argmax(axis=1)]),
        "average_precision": average_precision_score(y == classes[1], last) if binary else np.nan,
    }


# -- tables ---------------------------------------------------------------------------------


def print_report(results):
    gains = gains_over_twins(results)
    sets, seeds = results["set"].nunique(), results["seed"].nunique()
    unit = "data sets" if sets > 1 else "splits"
    print(f"{sets} data sets, {seeds} splits of each.")
    print(f"Gain over the twin on hard labels: mean ± standard error ({unit} won).")
    print("A gain of log loss is what it fell by, in nats.")
    for (student, labels), part in gains.groupby(["student", "labels"], sort=False):
        print(f"\n## {student}, {labels} labels\n{summary(part)}")
    print("\n## Mean rank of each combination (1 is best), over data sets")
    for student, part in gains.groupby("student", sort=False):
        print(f"\n{student}\n{mean_ranks(part)}")
    print("\n## Every data set: hard labels, teacher, and the gain of each combination in AUC")
    for (student, labels), part in gains.groupby(["student", "labels"], sort=False):
        print(f"\n{student}, {labels} labels\n{by_set(results, part, student)}")


def gains_over_twins(results):
    """Return one row per taught model with its gains, each oriented so that more is better."""
    key = ["set", "seed", "student"]
    twins = results[results["alpha"] == 0].set_index(key)[list(METRICS)]
    taught = results[results["alpha"] > 0]
    of_twin = twins.loc[pd.MultiIndex.from_frame(taught[key])].to_numpy()
    sign = np.array([1 if metric != "log_loss" else -1 for metric in METRICS])
    gains = taught.drop(columns=list(METRICS))
    gains[list(METRICS)] = sign * (taught[list(METRICS)].to_numpy() - of_twin)
    return gains


def setting_columns(gains):
    """The floor is a column only where it was varied."""
    return ["temperature", "alpha"] + ["floor"] * (gains["floor"].nunique() > 1)


def summary(gains):
    setting = setting_columns(gains)
    unit = "set" if gains["set"].nunique() > 1 else "seed"
    of_unit = gains.groupby([*setting, unit])[list(METRICS)].mean()
    by_setting = of_unit.groupby(level=setting)
    mean, error = by_setting.mean(), by_setting.sem()
    won, count = (of_unit > 0).groupby(level=setting).sum(), by_setting.count()
    lines = {
        metric: [
            f"{m:+.4f} ±{e:.4f} ({w}/{n})"
            for m, e, w, n in zip(
                mean[metric], error[metric], won[metric], count[metric], strict=True
            )
        ]
        for metric in METRICS
    }
    return pd.DataFrame(lines, index=mean.index).reset_index().to_string(index=False)


def mean_ranks(gains):
    setting = setting_columns(gains)
    cell = ["set", "labels"]
    of_unit = gains.groupby([*cell, *setting])[list(METRICS)].mean()
    ranks = of_unit.groupby(level=cell).rank(ascending=False)
    by_labels = ranks.groupby(level=[*setting, "labels"]).mean().unstack("labels")
    return by_labels.round(1).to_string()


def by_set(results, gains, student):
    setting = setting_columns(gains)
    table = gains.groupby(["set", *setting])["auc"].mean().unstack(setting)
    levels = [table.columns.get_level_values(name) for name in setting]
    table.columns = [
        " ".join(f"{name[0]}={value:g}" for name, value in zip(setting, values, strict=True))
        for values in zip(*levels, strict=True)
    ]
    table = table.map(lambda gain: f"{gain:+.4f}")
    auc = results.groupby(["set", "student", results["alpha"].fillna(-1)])["auc"].mean()
    table.insert(0, "hard", auc.xs(student, level="student").xs(0, level="alpha").round(4))
    table.insert(1, "teacher", auc.xs("teacher", level="student").droplevel("alpha").round(4))
    return table.to_string(line_width=200)


if __name__ == "__main__":
    main()
