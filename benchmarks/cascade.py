"""Is the promise of a cascade kept, how often would a point estimate break it, and what it costs.

A student and a teacher are fitted once per data set; the rows that neither has seen are the
requests. From these, 200 times, calibration rows are drawn with replacement, so that the risk of a
threshold is known exactly: it is that over all requests. A promise is broken if that risk is
above ``1 - target``. It may be in no more than ``1 - confidence`` of the draws; the last column is
the largest number that chance leaves plausible (99.9 %). The point estimate is the most generous
threshold whose risk *in the calibration rows* is small enough. Splits without replacement, judged
by the other half of the rows, are beside it: that half has an error of its own.

    python benchmarks/cascade.py
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import recipes  # next to this file
from scipy.stats import binom
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.cascade._promise import THRESHOLDS, choose_threshold, count

SETS = {"fraud": 0.998, "magic": 0.97, "letter": 0.95, "adult": 0.97, "satimage": 0.97}
N_DRAWS, N_TRAIN, CONFIDENCE = 200, 3000, 0.95


def requests_of(name):
    """Return confidence and both kinds of losses of a student on rows that it has not seen."""
    X, y = recipes.load(name)
    y = np.unique(y, return_inverse=True)[1]
    train, rest = train_test_split(
        np.arange(len(y)), train_size=N_TRAIN, stratify=y, random_state=0
    )
    X_train, X_rest = X.iloc[train].reset_index(drop=True), X.iloc[rest].reset_index(drop=True)
    teacher = recipes.make_teacher("vote", X, 0)
    student = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
    preparation = recipes.prepared(X, False)
    if preparation is not None:
        student = recipes.make_pipeline(preparation, student)
    model = DistillationClassifier(clone(teacher), student, alpha=1, temperature=2)
    model.fit(X_train, y[train])
    said, proba = model.teacher_.predict(X_rest), model.predict_proba(X_rest)
    chosen = proba.argmax(axis=1)
    return proba.max(axis=1), {"disagreement": chosen != said, "error": chosen != y[rest]}


def point_estimate(sure, losses, target, over):
    for threshold in THRESHOLDS[::-1]:
        n_answered, n_losses = count(sure, losses, threshold)
        if n_losses <= (1 - target) * (len(losses) if over == "all" else n_answered):
            return threshold
    return np.inf


def risk_of(threshold, sure, losses, over):
    n_answered, n_losses = count(sure, losses, threshold)
    return n_losses / (len(losses) if over == "all" else max(n_answered, 1))


def measure(name, n_calibration):
    """Yield one line per risk."""
    sure, kinds = requests_of(name)
    for risk, losses in kinds.items():
        for over in ("all", "answered"):
            target = SETS[name]
            if risk == "error" and name != "fraud":
                target = 0.95  # labels are noisier than teachers
            rng = np.random.default_rng(0)
            broken = {"ours": 0, "point": 0, "ours, split": 0, "point, split": 0}
            deferred, refused = [], 0
            for _ in range(N_DRAWS):
                drawn = rng.integers(0, len(sure), n_calibration)
                order = rng.permutation(len(sure))
                half, other = order[:n_calibration], order[n_calibration:]
                for rows, judged, word in (
                    (drawn, np.arange(len(sure)), ""),
                    (half, other, ", split"),
                ):
                    choice = choose_threshold(
                        *(sure[rows], losses[rows]),
                        target=target,
                        confidence=CONFIDENCE,
                        over=over,
                    )
                    threshold = np.inf if choice is None else choice.threshold
                    risks = risk_of(threshold, sure[judged], losses[judged], over)
                    broken[f"ours{word}"] += risks > 1 - target
                    if not word:
                        refused += choice is None
                        deferred.append(np.mean(sure < threshold))
                    threshold = point_estimate(sure[rows], losses[rows], target, over)
                    risks = risk_of(threshold, sure[judged], losses[judged], over)
                    broken[f"point{word}"] += risks > 1 - target
            yield {
                **{"set": name, "requests": len(sure), "risk": risk, "over": over},
                **{"target": target, "calibration": n_calibration},
                **{f"broken, {key}": f"{n / N_DRAWS:.1%}" for key, n in broken.items()},
                **{"refused": refused, "deferred": f"{np.mean(deferred):.1%}"},
                "plausible": f"{binom.ppf(0.999, N_DRAWS, 1 - CONFIDENCE) / N_DRAWS:.1%}",
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--rows", type=int, default=None, help="calibration rows")
    arguments = parser.parse_args()
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in arguments.sets:
            n = arguments.rows or (4000 if name == "fraud" else 1000)
            lines += measure(name, n)
            print(
                pd.DataFrame(lines[-4:]).to_string(index=False, header=len(lines) == 4), flush=True
            )


if __name__ == "__main__":
    main()
