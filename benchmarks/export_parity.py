"""The largest difference between a model and its files, for every kind of student, on 10,000 rows.

Kinds × 2 and 3 classes × T = 1 and 4, on arrays of numbers and on frames with text, categories and
holes; ONNX, C and JavaScript. The rows are drawn column by column, so that combinations come up
that training has not seen; the rows at thresholds come on top.
"""

import argparse
import itertools
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from sklearn_distill.export import export_c, export_js, export_onnx

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.exported_models import ON_FRAMES, ON_NUMBERS, fitted

N_ROWS = 10_000


def more(X):
    """Return many rows whose columns are those of X, each drawn by itself."""
    random = np.random.default_rng(0)
    if isinstance(X, pd.DataFrame):
        parts = {c: X[c].iloc[random.integers(len(X), size=N_ROWS)].array for c in X}
        return pd.DataFrame(parts)
    return np.column_stack([random.choice(column, N_ROWS) for column in X.T])


def main(kinds, folder):
    print("| student | classes | T | ONNX | C | JavaScript | rows at edges |")
    print("|--|--|--|--|--|--|--|")
    worst = {"onnx": 0.0, "c": 0.0, "js": 0.0}
    for kind, n_classes, T in itertools.product(kinds, (2, 3), (1.0, 4.0)):
        model, X = fitted(kind, n_classes, T)
        rows = more(X)
        files = {
            "onnx": export_onnx(model, folder / "a.onnx", rows),
            "c": export_c(model, folder / "a.h", rows),
            "js": export_js(model, folder / "a.mjs", rows),
        }
        found = {name: file.max_difference for name, file in files.items()}
        worst = {name: max(worst[name], found[name]) for name in worst}
        shown = " | ".join(f"{d:.0e}" for d in found.values())
        print(f"| {kind} | {n_classes} | {T:g} | {shown} | {files['c'].n_edges:,} |", flush=True)
    print("| worst | | | " + " | ".join(f"{d:.1e}" for d in worst.values()) + " | |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=[*ON_NUMBERS, "network", *ON_FRAMES])
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as temporary:
        main(parser.parse_args().kinds, Path(temporary))
