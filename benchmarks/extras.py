"""What trust, calibration, focus and each augmenter are worth: gained, lost, or nothing.

Each is compared with the same distillation without it: a forest teaches out-of-fold, at T=2 and
alpha=1 a tree of 64 leaves, and at T=2 and alpha=.25 a forest of ten trees. A gain or loss is a
difference in log loss (or ROC AUC) of more than two standard errors of the paired rows.

    python benchmarks/extras.py --seeds 1
"""

import argparse
import tempfile
import warnings

import numpy as np
import pandas as pd
from recipes import REPORT, SELECTION, compared, make_student, make_teacher, measure, split_of

from sklearn_distill import DistillationClassifier
from sklearn_distill.augmentation import (
    ColumnSwap,
    Composition,
    Interpolation,
    LeafSwap,
    Munge,
    ScaledNoise,
)

EXTRAS = {
    "trust='correct'": {"trust": "correct"},
    "trust='confidence'": {"trust": "confidence"},
    "trust='weighted-soft-labels'": {"trust": "weighted-soft-labels"},
    "trust='orthogonal'": {"trust": "orthogonal"},
    "calibrate=True": {"calibrate": True},
    "Munge(3)": {"augmenter": Munge(3)},
    "Munge(3), bounded": {"augmenter": Munge(3), "unlabeled_weight": 1.0},
    "Munge(3, focus='uncertain')": {"augmenter": Munge(3, focus="uncertain")},
    "Munge(3, focus='rare')": {"augmenter": Munge(3, focus="rare")},
    "ColumnSwap(3)": {"augmenter": ColumnSwap(3)},
    "LeafSwap(3)": {"augmenter": LeafSwap(3)},
    "Interpolation(3)": {"augmenter": Interpolation(3)},
    "ScaledNoise(3)": {"augmenter": ScaledNoise(3)},
    "Composition": {"augmenter": Composition([ColumnSwap(3), ScaledNoise(1)])},
}
STUDENTS = {
    "tree64": {"alpha": 1, "temperature": 2},
    "forest10": {"alpha": 0.25, "temperature": 2},
}
MAX_ROWS = 2000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=[*SELECTION, *REPORT])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    lines = []
    for name in options.sets:
        for seed in range(options.seeds):
            lines += run(name, seed)
            print(f"{name} seed {seed}", flush=True)
    print_table(pd.DataFrame(lines))


def run(name, seed):
    try:
        split = split_of(name, MAX_ROWS, seed)
    except ValueError:  # it has fewer rows: all of them
        split = split_of(name, "all", seed)
    lines = []
    with tempfile.TemporaryDirectory() as memory:
        for key, settings in STUDENTS.items():
            student = make_student(key, split.X, len(np.unique(split.y)), seed)
            plain = None
            for extra, more in ({"none": {}} | EXTRAS).items():
                model = DistillationClassifier(
                    make_teacher("forest", split.X, seed),
                    student,
                    memory=memory,
                    random_state=seed,
                    **settings,
                    **more,
                ).fit(split.X, split.y)
                found = measure(split.y_test, model.predict_proba(split.X_test))
                plain = plain or found
                lines.append(
                    {"set": name, "student": key, "extra": extra}
                    | compared(found, plain)
                    | {"auc0": plain.auc, "loss0": plain.losses.mean()}
                )
    return lines


def print_table(results):
    results = results[results.extra != "none"].copy()
    results["dAUC"] = results.auc - results.auc0
    results["dLoss"] = (results.log_loss - results.loss0) / results.loss0
    sure = results["dAUC"].abs() > 2 * results.se_auc
    results["AUC gained"], results["AUC lost"] = (
        sure & (results.dAUC > 0),
        sure & (results.dAUC < 0),
    )
    sure = (results.log_loss - results.loss0).abs() > 2 * results.se_log_loss
    results["loss gained"] = sure & (results.dLoss < 0)
    results["loss lost"] = sure & (results.dLoss > 0)
    counted = ["AUC gained", "AUC lost", "loss gained", "loss lost"]
    for student, part in results.groupby("student"):
        table = part.groupby("extra", sort=False)[counted].sum()
        table = table.join(part.groupby("extra")[["dAUC", "dLoss"]].mean().round(3))
        print(f"\n{student}: {part.set.nunique()} sets\n{table.to_string()}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    pd.set_option("display.width", 200)
    main()
