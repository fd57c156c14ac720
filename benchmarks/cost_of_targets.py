"""What distillation costs beside the teacher's predictions and the student's own fit.

Prints the time of labelling, blending and tempering (the teacher's prediction
excluded: it is a table look-up here) as a share of fitting the weighted-label
student, and the peak of memory next to the size of X.

    python benchmarks/cost_of_targets.py
"""

import time
import tracemalloc

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.targets import SoftTargets, label_with_fitted
from sklearn_distill.strategies import select_strategy

N_ROWS, N_COLUMNS, REPEATS = 200_000, 30, 5


class LookUp(ClassifierMixin, BaseEstimator):
    """A fitted teacher whose prediction costs nothing."""

    def __init__(self, proba):
        self.proba = proba
        self.classes_ = np.arange(proba.shape[1])

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.proba

    def predict(self, X):
        return self.proba.argmax(axis=1)


def seconds(function):
    """Return the median time of a few calls, and the last result."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def main():
    X, y = make_classification(
        N_ROWS, N_COLUMNS, n_informative=10, flip_y=0.1, weights=[0.9], random_state=0
    )
    X = X.astype(np.float32)
    proba = LogisticRegression().fit(X, y).predict_proba(X)
    classes = np.arange(2)
    teacher = LookUp(proba)

    def make_targets():
        log_proba = label_with_fitted(teacher, X, None, classes)
        targets = SoftTargets(classes, y, log_proba, 0.5, 3.0)
        targets.tempered()
        return targets

    making, targets = seconds(make_targets)
    print(f"{N_ROWS} rows x {N_COLUMNS} columns, float32; medians of {REPEATS} runs")
    print(f"label + blend + temper: {making * 1e3:.1f} ms")
    students = {
        "64-leaf tree": DecisionTreeClassifier(max_leaf_nodes=64, random_state=0),
        "logistic regression": LogisticRegression(max_iter=200),
    }
    for name, student in students.items():
        trainer = select_strategy("weighted-labels", student)
        fitting, _ = seconds(lambda t=trainer, s=student: t.fit(s, X, y, None, targets, {}))
        print(
            f"{name}: weighted-label fit {fitting:.2f} s, share of targets {making / fitting:.2%}"
        )

    tracemalloc.start()
    DistillationClassifier(teacher, students["64-leaf tree"]).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    size = X.nbytes / 2**20
    print(
        f"X has {size:.0f} MiB (float64: {2 * size:.0f}); a fit allocates {peak / 2**20:.0f} MiB "
        "at its peak, two float32 copies of X's rows included"
    )


if __name__ == "__main__":
    main()
