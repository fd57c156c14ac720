"""What a teacher is worth to students of values: R² and mean absolute error, on real data.

Each student is fitted on the real values, tuned on them by cross-validation, and distilled with
several weights of the teacher, whose values of the training rows come out-of-fold. The rules of
``DistillationRegressor(alpha="auto")`` were chosen on one half of the data sets ("choose") and are
reported on the other ("report").

    python benchmarks/regression.py choose --seeds 3 > choose.csv
    python benchmarks/regression.py report --seeds 3 > report.csv
    python benchmarks/regression.py table report.csv
"""

import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from runs import main
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

from sklearn_distill import DistillationRegressor, TeacherEnsemble
from sklearn_distill.labelling import label_training_rows
from sklearn_distill.teachers import ValueReader

SETS = {
    "choose": ["puma32h", "grid_stability", "airfoil", "wine_white", "mortgage", "laser"],
    "report": ["casp", "compactiv", "communities", "insurance", "skillcraft", "wizmir"],
}
MOST_ROWS = 8000
COLUMNS = ("set", "seed", "student", "how", "r2", "mae", "alpha")
ALPHAS = (0, 0.25, 0.5, 0.75, 1)


def students(seed):
    """Return students, and what is tuned of each."""
    network = MLPRegressor(
        hidden_layer_sizes=(64, 64), early_stopping=False, max_iter=60, random_state=seed
    )
    scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
    return {
        "tree, 64 leaves": (
            DecisionTreeRegressor(max_leaf_nodes=64, random_state=seed),
            {"max_leaf_nodes": [16, 32, 64], "min_samples_leaf": [1, 5, 20]},
        ),
        "LightGBM, 50 x 8 leaves": (
            LGBMRegressor(n_estimators=50, num_leaves=8, n_jobs=1, verbose=-1, random_state=seed),
            {"learning_rate": [0.05, 0.1, 0.2, 0.3], "min_child_samples": [5, 20, 50]},
        ),
        "LightGBM, 8 x 8 leaves": (
            LGBMRegressor(
                n_estimators=8,
                num_leaves=8,
                learning_rate=0.4,
                n_jobs=1,
                verbose=-1,
                random_state=seed,
            ),
            {"learning_rate": [0.2, 0.3, 0.4, 0.5, 0.7], "min_child_samples": [5, 20, 50]},
        ),
        "network, 64 x 64": (
            scaled,
            {"regressor__alpha": [1e-4, 1e-2, 1], "regressor__learning_rate_init": [1e-3, 3e-3]},
        ),
        "linear": (LinearRegression(), {}),
        "neighbours": (KNeighborsRegressor(5), {"n_neighbors": [3, 5, 10, 20]}),
        "forest of 10": (
            RandomForestRegressor(10, random_state=seed),
            {"min_samples_leaf": [1, 3, 5, 10], "max_features": [0.3, 0.6, 1.0]},
        ),
    }


def teacher_for(seed):
    """Return an unfitted teacher of two kinds."""
    trees = ExtraTreesRegressor(200, n_jobs=2, random_state=seed)
    boosted = LGBMRegressor(
        n_estimators=400,
        num_leaves=31,
        learning_rate=0.05,
        subsample=0.8,
        subsample_freq=1,
        n_jobs=2,
        verbose=-1,
        random_state=seed,
    )
    return TeacherEnsemble([("trees", trees), ("boosted", boosted)])


def numbers(X):
    """Return rows as numbers in one scale."""
    texts = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False, min_frequency=10, handle_unknown="ignore"), texts),
        remainder="passthrough",
    )
    return make_pipeline(encode, StandardScaler())


def run(name, seed):
    """Yield the scores on one split of one data set."""
    X, y = real_data.values(name)
    if len(y) > MOST_ROWS * 2:
        some = np.random.RandomState(seed).permutation(len(y))[: MOST_ROWS * 2]
        X, y = X.iloc[some], y[some]
    split = train_test_split(X, y, test_size=0.5, random_state=seed)
    X_train, X_test, y_train, y_test = split
    prepare = numbers(X_train).fit(X_train)
    X_train, X_test = prepare.transform(X_train), prepare.transform(X_test)
    X_train = np.nan_to_num(X_train)
    X_test = np.nan_to_num(X_test)

    def scores(student, how, model):
        predicted = model.predict(X_test)
        return {
            "set": name,
            "seed": seed,
            "student": student,
            "how": how,
            "r2": r2_score(y_test, predicted),
            "mae": mean_absolute_error(y_test, predicted) / np.std(y_test),
        }

    memory = joblib.Memory(tempfile.mkdtemp(), verbose=0)
    asking = {"split_params": {}, "fit_params": {}, "memory": memory, "n_jobs": None}
    told = label_training_rows(
        ValueReader.of(teacher_for(seed)),
        *(X_train, y_train, None, np.arange(1)),
        cv=None,
        seed=seed,
        verbose=0,
        **asking,
    )
    yield scores("teacher", "teacher", told.teacher)
    for student, (estimator, grid) in students(seed).items():
        for alpha in ALPHAS:
            model = DistillationRegressor(None, estimator, alpha=alpha, random_state=seed)
            given = {} if alpha == 0 else {"teacher_output": told.log_proba}
            yield scores(student, f"alpha={alpha:g}", model.fit(X_train, y_train, **given))
        if grid:
            tuned = GridSearchCV(clone(estimator), grid, cv=4).fit(X_train, y_train)
            yield scores(student, "tuned", tuned)
        auto = DistillationRegressor(
            teacher_for(seed), estimator, random_state=seed, memory=memory
        ).fit(X_train, y_train)
        yield scores(student, "auto", auto) | {"alpha": auto.alpha_}


def table(frame):
    """Print mean differences against the student on real values, and against the tuned one."""
    wide = frame.pivot_table(index=["student", "set", "seed"], columns="how", values="r2")
    mae = frame.pivot_table(index=["student", "set", "seed"], columns="how", values="mae")
    how = [c for c in wide.columns if c not in ("teacher",)]
    rows = []
    for student, part in wide.drop("teacher", errors="ignore").groupby(level=0):
        for one in how:
            gain = (part[one] - part["alpha=0"]).groupby(level="set")
            row = {"student": student, "how": one, "R2 gain": gain.mean().mean()}
            row["sets better"] = int((gain.mean() > 0).sum())
            if "tuned" in part and part["tuned"].notna().any():
                over = (part[one] - part["tuned"]).groupby(level="set").mean()
                row["over tuned"], row["sets over tuned"] = over.mean(), int((over > 0).sum())
            error = gain.std() / np.sqrt(gain.count())
            row["sets worse, clearly"] = int((gain.mean() < -error).sum())
            row["MAE fall"] = (mae.loc[part.index, "alpha=0"] - mae.loc[part.index, one]).mean()
            rows.append(row)
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main(__doc__, {part: (sets, run) for part, sets in SETS.items()}, table, COLUMNS)
