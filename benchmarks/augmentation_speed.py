"""What new rows cost: time beside that of labelling them, memory beside that of the rows.

Every augmenter makes five times as many rows as there are. A forest of 200 trees labels as many.
Peak memory is what NumPy allocates while it samples, divided by the size of the new rows.

    python benchmarks/augmentation_speed.py
"""

import argparse
import time
import tracemalloc

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from sklearn_distill.augmentation import (
    ColumnSwap,
    Composition,
    Interpolation,
    LeafSwap,
    Munge,
    ScaledNoise,
)

AUGMENTERS = {
    "ColumnSwap": ColumnSwap(5),
    "LeafSwap": LeafSwap(5),
    "Munge": Munge(5),
    "Interpolation": Interpolation(5),
    "ScaledNoise": ScaledNoise(5),
    "Composition": Composition([ColumnSwap(5), ScaledNoise(1)]),
}


def mixed_frame(X):
    """Return the columns as a frame in which a third are whole numbers or categories."""
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    for i in range(0, X.shape[1], 6):
        frame[f"x{i}"] = pd.Series(X[:, i]).rank(pct=True).mul(9).astype(int)
        frame[f"x{i + 1}"] = pd.Categorical(np.where(X[:, i + 1] > 0, "high", "low"))
    return frame


def size(rows):
    if isinstance(rows, pd.DataFrame):
        return rows.memory_usage(index=False).sum()
    return rows.nbytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=30)
    options = parser.parse_args()
    X, y = make_classification(
        options.rows, options.columns, n_informative=options.columns // 3, random_state=0
    )
    # Fitted on a part: how long a forest takes to label depends on its trees, not on their rows.
    few = slice(0, min(20_000, len(X)))
    forest = RandomForestClassifier(200, min_samples_leaf=2, random_state=0).fit(X[few], y[few])
    X_new = ColumnSwap(5).sample(X, y, random_state=0)
    began = time.perf_counter()
    forest.predict_proba(X_new)
    of_labels = time.perf_counter() - began
    print(f"{len(X_new)} rows of {X.shape[1]} columns; 200 trees label them in {of_labels:.1f} s")
    print(f"{'':14}{'array':>20}{'mixed frame':>22}")
    print(f"{'':14}" + f"{'time':>12}{'memory':>9}" * 2)
    for name, augmenter in AUGMENTERS.items():
        line = f"{name:14}"
        for rows in (X, mixed_frame(X)):
            began = time.perf_counter()
            augmenter.sample(rows, y, random_state=0)
            seconds = time.perf_counter() - began
            tracemalloc.start()
            produced = size(augmenter.sample(rows, y, random_state=0))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            line += f"{seconds / of_labels:11.2f}x{peak / produced:8.1f}x"
        print(line, flush=True)


if __name__ == "__main__":
    main()
