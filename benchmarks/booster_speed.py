"""Time and memory of boosters on soft targets, as ratios to their native fit on hard labels.

The runs of one data set are interleaved and the fastest of each is taken; peaks of memory are
those of fresh processes (Linux only).

    python benchmarks/booster_speed.py --libraries lightgbm xgboost catboost
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from real_data import keel

from sklearn_distill import SoftBoosting, WeightedLabels
from sklearn_distill.targets import SoftTargets, TransferSet

WAYS = ("hard labels", "soft, T=1", "soft, T=3")


def student_of(library, rounds, jobs):
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=rounds, n_jobs=jobs, verbose=-1)
    if library == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=rounds, n_jobs=jobs)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=rounds, thread_count=jobs, verbose=False, allow_writing_files=False
    )


def load(name, n_rows):
    X, y = keel(name)
    rows = np.random.RandomState(0).permutation(len(y))[:n_rows]
    X, (classes, y) = X.to_numpy()[rows], np.unique(y[rows], return_inverse=True)
    teacher = ExtraTreesClassifier(100, min_samples_leaf=2, n_jobs=2, random_state=0).fit(X, y)
    proba = np.maximum(teacher.predict_proba(X), 0.01 / len(classes))
    return X, y, classes, np.log(proba / proba.sum(axis=1, keepdims=True))


def fit(way, student, X, y, classes, log_proba):
    student = clone(student)
    if way == "hard labels":
        return student.fit(X, y)
    temperature = 1.0 if way.endswith("T=1") else 3.0
    strategy = WeightedLabels() if way.startswith("copies") else SoftBoosting()
    targets = SoftTargets.from_alpha(np.arange(len(classes)), y, log_proba, 0.75, temperature)
    return strategy.teach(student, TransferSet(X, y, None, targets))


def compare_times(library, data, options):
    student = student_of(library, options.rounds, options.jobs)
    ways = [*WAYS, *(["copies, T=1"] if options.copies else [])]
    times = {way: [] for way in ways}
    for way in ways:  # compile, load, warm up
        fit(way, student_of(library, 2, options.jobs), *data)
    for _ in range(options.repeats):
        for way in ways:
            start = time.perf_counter()
            fit(way, student, *data)
            times[way].append(time.perf_counter() - start)
    fastest = {way: min(values) for way, values in times.items()}
    return {way: (value, value / fastest["hard labels"]) for way, value in fastest.items()}


def high_water_mark():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("there is no high-water mark of memory here")


def measure_peak(library, name, way, options):
    """Print the peak of this process in megabytes, and how much of it the fit has added."""
    data = load(name, options.rows)
    for warm_up in WAYS:  # every process loads the same libraries
        fit(warm_up, student_of(library, 2, options.jobs), *data)
    Path("/proc/self/clear_refs").write_text("5")  # the mark starts anew
    before = high_water_mark()
    fit(way, student_of(library, options.rounds, options.jobs), *data)
    print(high_water_mark(), high_water_mark() - before)


def compare_peaks(library, name, options):
    peaks = {}
    for way in ("hard labels", "soft, T=3"):
        command = [sys.executable, __file__, "--peak", library, name, way]
        command += ["--rounds", str(options.rounds), "--rows", str(options.rows)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        peaks[way] = tuple(map(float, out.split()))
    return peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="+", default=["lightgbm", "xgboost", "catboost"])
    parser.add_argument("--data", nargs="+", default=["letter", "magic"])
    parser.add_argument("--rows", type=int, default=14_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--copies", action="store_true", help="time weighted copies of rows too")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return measure_peak(*options.peak, options)
    for name in options.data:
        data = load(name, options.rows)
        print(f"{name}: {len(data[0])} rows, {len(data[2])} classes, {options.rounds} rounds")
        for library in options.libraries:
            for way, (seconds, ratio) in compare_times(library, data, options).items():
                print(f"  {library:9} {way:12} {seconds:7.2f} s  ratio {ratio:.2f}", flush=True)
            peaks = compare_peaks(library, name, options)
            (hard, hard_added), (soft, soft_added) = peaks.values()
            print(
                f"  {library:9} peak of memory {soft:.0f} MB, ratio {soft / hard:.2f}; "
                f"added by the fit {soft_added:.0f} MB (hard labels {hard_added:.0f} MB)",
                flush=True,
            )


if __name__ == "__main__":
    main()
