"""The time to import the package, relative to what it needs of scikit-learn.

python benchmarks/import_time.py
"""

import subprocess
import sys
import time

import numpy as np

RUNS = 15


def seconds(code):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main():
    pairs = [
        (
            seconds("import sklearn_distill"),
            seconds("import sklearn.ensemble, sklearn.model_selection"),
        )
        for _ in range(RUNS + 1)
    ][1:]
    ours, theirs = np.median(pairs, axis=0)
    ratio = np.median([a / b for a, b in pairs])
    print(f"import sklearn_distill: {ours:.2f} s")
    print(f"import sklearn.ensemble, sklearn.model_selection: {theirs:.2f} s")
    print(f"ratio (median of {RUNS} pairs): {ratio:.3f}")


if __name__ == "__main__":
    main()
