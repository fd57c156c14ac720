"""Does the choice of a student under a budget keep up with the best small hard-label model?

For each data set and budget: `select_student` with a teacher; the best of the same candidates on
hard labels, chosen by the same cross-validation; the teacher itself; all measured on test rows
that none of them has seen (ROC AUC, the mean over classes against the others). The rules are
chosen on the sets of `SELECTION` and reported on those of `REPORT` (benchmarks/recipes.py).

    python benchmarks/select_student.py --sets selection --out select_student.csv
    python benchmarks/select_student.py --out select_student.csv --summary
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import recipes  # next to this file
from sklearn.base import clone

from sklearn_distill._classifier_cv import ranking
from sklearn_distill.selection import select_student
from sklearn_distill.selection._options import HARD

BUDGETS = (8_000, 32_000)
#: Sets of two classes in which no model ranks nearly perfectly.
NOISY = ("ad_clicks", "adult", "phoneme", "magic", "pima", "spambase", "fraud", "banana")


def measure(name, seed):
    """Yield one line per budget."""
    split = recipes.split_of(name, "all", seed)
    teacher = recipes.make_teacher("vote", split.X, seed)

    def auc(model):
        return ranking(split.y_test, model.predict_proba(split.X_test))

    of_teacher = auc(clone(teacher).fit(split.X, split.y))
    for budget in BUDGETS:
        start = time.perf_counter()
        try:
            found = select_student(
                teacher, split.X, split.y, max_bytes=budget, random_state=seed, n_jobs=2
            )
        except ValueError as error:  # many categories take more than 8 kB by themselves
            print(f"{name}: {error}", flush=True)
            continue
        seconds = time.perf_counter() - start
        hard = select_student(
            None, split.X, split.y, max_bytes=budget, random_state=seed, n_jobs=2
        )
        table = found.results_
        last = table[table["n_rows"] > table["n_rows"].max() / 2]
        best = {w: part["score"].max() for w, part in last.groupby(last["taught"] == HARD)}
        yield {
            **{"set": name, "seed": seed, "budget": budget, "rows": len(split.y)},
            **{"classes": len(np.unique(split.y)), "teacher": of_teacher},
            **{"chosen": auc(found.best_estimator_), "hard": auc(hard.best_estimator_)},
            **{"what": found.best_name_, "best hard": hard.best_name_},
            **{"cv distilled": best.get(False), "cv hard": best.get(True)},
            **{"bytes": found.n_bytes_, "seconds": seconds},
        }


def summary(lines):
    """Print what was asked for: who is behind, who is ahead, what is kept of the teacher."""
    lines = lines.assign(
        gain=lines["chosen"] - lines["hard"], retention=lines["chosen"] / lines["teacher"]
    )
    lines["half"] = np.where(lines["set"].isin(recipes.SELECTION), "selection", "report")
    print(lines.round(4).to_string(index=False))
    for (half, budget), part in lines.groupby(["half", "budget"]):
        of_set = part.groupby("set")[["gain", "retention"]].mean()
        noisy = of_set[of_set.index.isin(NOISY)]
        print(
            f"{half}, {budget} bytes, {len(of_set)} sets: mean gain {of_set['gain'].mean():+.4f}, "
            f"worst {of_set['gain'].min():+.4f}, ahead by > .003 on "
            f"{(of_set['gain'] > 0.003).sum()}, behind by > .003 on "
            f"{(of_set['gain'] < -0.003).sum()}; median retention "
            f"{of_set['retention'].median():.4f}, of the noisy sets of two classes "
            f"{noisy['retention'].median():.4f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=["report"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("select_student.csv"))
    parser.add_argument("--summary", action="store_true")
    arguments = parser.parse_args()
    done = pd.read_csv(arguments.out) if arguments.out.exists() else pd.DataFrame()
    if not arguments.summary:
        halves = {"selection": recipes.SELECTION, "report": recipes.REPORT}
        names = [n for given in arguments.sets for n in halves.get(given, (given,))]
        for seed in range(arguments.seeds):
            for name in names:
                if len(done) and ((done["set"] == name) & (done["seed"] == seed)).any():
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    lines = pd.DataFrame(measure(name, seed))
                print(lines.round(4).to_string(index=False, header=False), flush=True)
                done = pd.concat([done, lines], ignore_index=True)
                done.to_csv(arguments.out, index=False)
    summary(done)


if __name__ == "__main__":
    main()
