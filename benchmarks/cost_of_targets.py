"""What distillation costs beside the teacher's predictions and the student's own fit.

Prints the time of labelling (the teacher's prediction excluded: it is a table
look-up here) and of blending and tempering as a share of fitting the
weighted-label student, and the peak of memory next to the size of X.

    python benchmarks/cost_of_targets.py
"""

import time
import tracemalloc

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.labelling import label_rows
from sklearn_distill.strategies import select_strategy, teach
from sklearn_distill.targets import SoftTargets, TransferSet
from sklearn_distill.teachers import TeacherReader
from sklearn_distill.tempering import lift_zeros

N_ROWS, N_COLUMNS, REPEATS = 200_000, 30, 3


class LookUp:
    """A teacher whose prediction costs nothing: it is asked for its rows in order."""

    def __init__(self, proba):
        self.proba = proba
        self.classes_ = np.arange(proba.shape[1])
        self.at = 0

    def predict_proba(self, X):
        start = self.at
        self.at = (start + len(X)) % len(self.proba)
        return self.proba[start : start + len(X)]


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
        targets = SoftTargets.from_alpha(classes, y, lift_zeros(log_proba, 2e-4), 0.5, 3.0)
        targets.tempered()
        return targets

    reader = TeacherReader.of(teacher)
    labelling, log_proba = seconds(lambda: label_rows(reader, X, None, classes))
    making, targets = seconds(make_targets)
    print(f"{N_ROWS} rows x {N_COLUMNS} columns, float32; medians of {REPEATS} runs")
    print(f"label: {labelling * 1e3:.1f} ms; blend and temper: {making * 1e3:.1f} ms")
    transfer_set = TransferSet(X, y, None, targets)
    students = {
        "64-leaf tree": DecisionTreeClassifier(max_leaf_nodes=64, random_state=0),
        "logistic regression": LogisticRegression(max_iter=200),
    }
    for name, student in students.items():
        strategy = select_strategy("weighted-labels", student)
        fitting, _ = seconds(lambda w=strategy, s=student: teach(w, clone(s), transfer_set))
        print(
            f"{name}: weighted-label fit {fitting:.2f} s, labelling is {labelling / fitting:.2%} "
            f"of it, blending and tempering {making / fitting:.2%}"
        )

    tracemalloc.start()
    DistillationClassifier(teacher, students["64-leaf tree"], alpha=0.5, temperature=2).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    size = X.nbytes / 2**20
    print(
        f"X has {size:.0f} MiB (float64: {2 * size:.0f}); a fit allocates {peak / 2**20:.0f} MiB "
        "at its peak, float32 copies of X's rows included"
    )


if __name__ == "__main__":
    main()
