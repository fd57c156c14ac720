"""Does the guard keep its promise: DistillationClassifierCV against the labels it may keep.

For every data set, student and split: the student on labels, the tuned student on labels, and the
search, with its own estimates beside what the chosen student does on test rows. ``right`` is
whether the choice between labels and teacher was the better one of the two there.

    python benchmarks/guard.py --out guard.csv
    python benchmarks/guard.py --out guard.csv --grids      # settings of the student searched, too
    python benchmarks/guard.py --out guard.csv --summary
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from recipes import (
    NINE,
    REPORT,
    SELECTION,
    STUDENTS,
    compared,
    make_student,
    make_teacher,
    measure,
    network_training,
    split_of,
    tuned,
)
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from sklearn_distill import DistillationClassifier, DistillationClassifierCV
from sklearn_distill.augmentation import Munge

#: What is searched: with and without new rows, and with labels that are not nested.
SEARCHES = {
    "nested": {},
    "unnested": {"nested": False},
    "nested, Munge": {"augmenters": (None, Munge())},
}


def main():
    options = parse_options()
    if options.summary:
        return print_summary(pd.read_csv(options.out))
    began = time.perf_counter()
    for seed in range(options.seeds):
        for name in options.sets:
            with tempfile.TemporaryDirectory() as memory:
                for student in options.students:
                    run(name, student, seed, memory, options)
                    passed = time.perf_counter() - began
                    print(f"{passed:6.0f} s  {name} seed {seed} {student}", flush=True)
    return None


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="CSV file that is added to")
    parser.add_argument("--sets", nargs="+", default=[*REPORT, *SELECTION])
    parser.add_argument("--students", nargs="+", default=NINE, choices=STUDENTS, metavar="NAME")
    parser.add_argument("--searches", nargs="+", default=["nested"], choices=SEARCHES)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", default="all", help="number of labels, or all")
    parser.add_argument("--grids", action="store_true", help="search settings of the student, too")
    parser.add_argument("--summary", action="store_true", help="print tables of the file")
    return parser.parse_args()


def run(name, key, seed, memory, options):
    """Add the lines of one data set, student and split that the file lacks."""
    columns = ["set", "budget", "student", "seed", "search", "grids"]
    done = set()
    if options.out.exists():
        found = pd.read_csv(options.out, usecols=columns, dtype=str)[columns]
        done = set(found.itertuples(index=False, name=None))
    wanted = {
        search: (name, options.budget, key, str(seed), search, str(options.grids))
        for search in options.searches
    }
    if set(wanted.values()) <= done:
        return
    try:
        split = split_of(name, options.budget, seed)
    except ValueError:  # all of its rows would be labelled: then they are
        split = split_of(name, "all", seed)
    n_classes = len(np.unique(split.y))
    strategy = network_training(seed) if key == "mlp" else "auto"
    student = make_student(key, split.X, n_classes, seed)
    twin = DistillationClassifier(None, student, alpha=0, strategy=strategy)
    began = time.perf_counter()
    twin = twin.fit(split.X, split.y)
    of_twin = measure(split.y_test, twin.predict_proba(split.X_test))
    seconds = time.perf_counter() - began
    of_tuned = measure(split.y_test, tuned(key, split, seed).predict_proba(split.X_test))
    lines = []
    for search, line in wanted.items():
        if line in done:
            continue
        model = DistillationClassifierCV(
            make_teacher("vote", split.X, seed),
            student,
            strategy=strategy,
            memory=memory,
            random_state=seed,
            student_grid=grid_of(key, student) if options.grids and key != "mlp" else None,
            **SEARCHES[search],
        )
        began = time.perf_counter()
        model.fit(split.X, split.y)
        found = measure(split.y_test, model.predict_proba(split.X_test))
        other = the_other(model, student, strategy, split, seed)
        lines.append(
            dict(zip(columns, line, strict=True))
            | compared(found, of_twin)
            | {
                "half": "selection" if name in SELECTION else "report",
                "auc of hard": of_twin.auc,
                "loss of hard": of_twin.losses.mean(),
                "auc of tuned": of_tuned.auc,
                "loss of tuned": of_tuned.losses.mean(),
                "distilled": model.distilled_,
                "right": found.losses.mean() <= other.losses.mean(),
                "best_score": model.best_score_,
                "honest_score": model.honest_score_,
                "seconds": time.perf_counter() - began,
                "seconds_of_hard": seconds,
            }
        )
    exists = options.out.exists()
    pd.DataFrame(lines).to_csv(options.out, mode="a", header=not exists, index=False)


def grid_of(key, student):
    """Return the grid of the tuned rival, with the names of the whole student."""
    last = student.steps[-1][0] + "__" if hasattr(student, "steps") else ""
    return {last + name: values for name, values in STUDENTS[key].grid.items()}


def the_other(model, student, strategy, split, seed):
    """Return the test figures of what was not chosen: the best of the labels, or of the rest."""
    results = model.cv_results_
    candidates = np.flatnonzero(results["distilled"] != model.distilled_)
    params = results["params"][candidates[results["mean_test_score"][candidates].argmax()]]
    ours = {k: v for k, v in params.items() if not k.startswith("student__")}
    settings = {k.removeprefix("student__"): v for k, v in params.items() if k not in ours}
    rival = DistillationClassifier(
        clone(model.teacher),
        clone(student).set_params(**settings) if settings else student,
        strategy=strategy,
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        memory=model.memory,
        random_state=seed,
        **ours,
    ).fit(split.X, split.y)
    return measure(split.y_test, rival.predict_proba(split.X_test))


def print_summary(results):
    auc, loss = results.auc - results["auc of hard"], results.log_loss - results["loss of hard"]
    results["dAUC"], results["dLoss"] = auc, loss
    results["dAUC tuned"] = results.auc - results["auc of tuned"]
    results["dLoss tuned"] = results.log_loss - results["loss of tuned"]
    results["strict"] = (auc >= -0.003) & (loss <= 0.02 * results["loss of hard"])
    results["not worse"] = (auc >= -2 * results.se_auc) & (loss <= 2 * results.se_log_loss)
    results["optimism"] = results.best_score + results.log_loss
    results["honest"] = results.honest_score + results.log_loss
    shown = ["dAUC", "dLoss", "dAUC tuned", "dLoss tuned", "strict", "not worse"]
    shown += ["distilled", "right", "optimism", "honest"]
    by = ["grids", "search", "half"]
    print(results.groupby(by)[shown].mean().assign(n=results.groupby(by).size()).round(3))
    by = ["grids", "search", "student"]
    print(results.groupby(by)[shown].mean().assign(n=results.groupby(by).size()).round(3))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    pd.set_option("display.width", 200)
    pd.set_option("display.max_columns", 20)
    main()
