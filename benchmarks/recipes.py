"""Which recipe of distillation pays, for which student: the evidence behind the defaults.

Every student is taught on every data set by every recipe, and compared with three rivals: its twin
on hard labels, that twin with settings tuned by cross-validation, and the best of a catalogue of
small hard-label models whose pickle is no larger. Defaults are chosen on the sets of `SELECTION`
and reported on those of `REPORT`. Nothing is left out: the recipes that lose stay in the tables.

The teacher is asked once per data set, seed and number of labels. Its answers (out-of-fold, in
sample, for new rows) are then fed to all students; ``--check`` shows that this gives the same
predictions as a teacher inside the estimator.

One line per model goes to a CSV file. Lines that it already has are not computed again.

    python benchmarks/recipes.py --out recipes.csv
    python benchmarks/recipes.py --out recipes.csv --budgets 100 400 2000 --seeds 3
    python benchmarks/recipes.py --out recipes.csv --summary --plot recipes.png
"""

import argparse
import pickle
import sys
import time
import warnings
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from scipy.special import log_softmax, softmax
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import DistillationClassifier, GradientTraining
from sklearn_distill._classifier import InformedClassifier
from sklearn_distill.augmentation import Munge
from sklearn_distill.calibration import calibrating_factor
from sklearn_distill.labelling import Labels
from sklearn_distill.tempering import lift_zeros

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

#: Both halves have sets of two classes, of many, with rare positives, and with categories.
SELECTION = (
    *("spambase", "ad_clicks", "satimage", "phoneme", "adult"),
    *("vowel", "banana", "letter", "twonorm", "penbased"),
)
REPORT = (
    *("magic", "fraud", "segment", "pima", "crash_injuries"),
    *("vehicle", "ring", "texture", "breast_cancer", "optdigits"),
)
MAX_TRAIN, MAX_TEST, MAX_POOL = 4000, 10000, 6000
#: Predictions are clipped here for the log loss: a tree's pure leaves would decide it alone.
CLIP = 1e-6
FLOOR = 2e-4


class Recipe(NamedTuple):
    """How a student is taught.

    `labels` are those of the teacher on real rows: out-of-fold ("oof"), in sample ("in"),
    out-of-fold and calibrated ("cal"), or None. `new` are the rows that the teacher alone labels:
    "munge1" and "munge5" are so many times the real ones, "pool" are real rows without a label.
    New rows weigh 1 each, or all together as much as the real ones (`bounded`).
    """

    labels: str | None
    alpha: float | str = 0.0
    temperature: float | str = 1.0
    new: str | None = None
    bounded: bool = False

    @property
    def name(self):
        if self.labels is None and self.new is None:
            return "hard"
        if self.alpha == "auto":
            taught = f"default {self.labels}"
        else:
            settings = f"T{self.temperature:g} a{self.alpha:g}"
            taught = f"{self.labels} {settings}" if self.labels else "real"
        if self.new:
            taught += f" +{self.new}" + " bounded" * self.bounded
        return taught


HARD = Recipe(None)
PLAIN = [
    *[Recipe(labels, "auto", "auto") for labels in ("oof", "in")],
    *[Recipe("oof", a, t) for t in (1, 2, 4) for a in (0.25, 0.5, 0.75, 1)],
    *[Recipe("in", a, t) for t in (1, 2) for a in (0.25, 0.5, 1)],
    *[Recipe("cal", a, t) for t in (1, 2) for a in (0.5, 1)],
]
AUGMENTED = [
    Recipe(None, new="munge1"),
    Recipe(None, new="munge5"),
    Recipe(None, new="munge5", bounded=True),
    Recipe("oof", 0.5, new="munge1"),
    Recipe("oof", 0.5, new="munge5"),
    Recipe("oof", 0.5, new="munge5", bounded=True),
    Recipe("cal", 0.5, new="munge1"),
    Recipe("oof", 1, 2, new="munge1"),
    Recipe("in", 1, 1, new="munge5"),
]
WITH_POOL = [
    *[Recipe("oof", "auto", "auto", new=new) for new in (None, "pool", "munge5")],
    Recipe("oof", 0.5),
    Recipe("oof", 1, 2),
    Recipe("cal", 0.5),
    *[
        Recipe(labels, alpha, t, new=new, bounded=bounded)
        for labels, alpha, t in ((None, 0, 1), ("oof", 0.5, 1), ("oof", 1, 2))
        for new, bounded in (("pool", False), ("pool", True), ("munge5", False))
    ],
]
OF_NETWORK = (
    *("default oof", "default in", "default oof +pool", "default oof +munge5"),
    *("oof T1 a0.5", "oof T1 a1", "oof T2 a0.5", "oof T2 a1", "in T1 a0.5", "in T2 a0.5"),
    *("cal T1 a0.5", "cal T2 a1", "real +munge1", "real +munge5 bounded", "real +pool"),
    *("oof T1 a0.5 +munge1", "oof T1 a0.5 +munge5", "oof T1 a0.5 +pool", "oof T2 a1 +pool"),
)


# -- students -------------------------------------------------------------------------------


class Student(NamedTuple):
    last: object
    #: Whether it wants centred numbers instead of categories and missing values.
    numeric: bool
    grid: dict


LGBM = partial(LGBMClassifier, n_jobs=1, verbose=-1, min_child_samples=5)
_C = {"C": [0.01, 0.1, 1, 10]}
_RATES = {"learning_rate": [0.05, 0.1, 0.2, 0.4], "min_child_samples": [5, 20]}
_FOREST = {"min_samples_leaf": [1, 3, 10], "max_features": ["sqrt", 0.5]}

STUDENTS = {
    "tree64": Student(
        DecisionTreeClassifier(max_leaf_nodes=64),
        False,
        {"max_leaf_nodes": [8, 16, 32, 64], "min_samples_leaf": [1, 5, 20, 50]},
    ),
    "deep-tree": Student(
        DecisionTreeClassifier(), False, {"min_samples_leaf": [1, 2, 5, 10, 20, 50]}
    ),
    "logistic": Student(LogisticRegression(max_iter=300), True, _C),
    "naive-bayes": Student(GaussianNB(), True, {"var_smoothing": [1e-9, 1e-4, 1e-2, 1e-1, 1]}),
    "knn": Student(KNeighborsClassifier(15), True, {"n_neighbors": [5, 15, 30, 60]}),
    "forest10": Student(RandomForestClassifier(10), False, _FOREST),
    "booster8": Student(LGBM(n_estimators=8, num_leaves=8), False, _RATES),
    "booster50": Student(LGBM(n_estimators=50, num_leaves=8), False, _RATES),
    "mlp": Student(None, True, {}),
}
#: Of regressors the twin is their own training on the log-odds of labels, with alpha=0.
REGRESSORS = {
    "tree-regressor": Student(
        DecisionTreeRegressor(max_leaf_nodes=64), False, {"min_samples_leaf": [1, 5, 20, 50]}
    ),
    "ridge": Student(Ridge(), True, {"alpha": [0.1, 1, 10, 100]}),
    "boosted-regressor": Student(
        LGBMRegressor(n_estimators=30, num_leaves=8, n_jobs=1, verbose=-1),
        False,
        {"learning_rate": [0.05, 0.1, 0.2, 0.4]},
    ),
}
NINE = list(STUDENTS)
STUDENTS |= REGRESSORS


def make_student(key, X, n_classes, seed, **settings):
    """Return an unfitted student with its preprocessing."""
    student = STUDENTS[key]
    last = _network(n_classes, seed) if key == "mlp" else clone(student.last)
    if settings:
        last.set_params(**settings)
    if "random_state" in getattr(last, "get_params", dict)():
        last.set_params(random_state=seed)
    preparation = prepared(X, student.numeric)
    return last if preparation is None else make_pipeline(preparation, last)


def _network(n_classes, seed):
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # Lazy: how many columns the categories of a fold come to is known when it is fitted.
        layers = [torch.nn.LazyLinear(32), torch.nn.ReLU(), torch.nn.Linear(32, 32)]
        return torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(32, n_classes))


def prepared(X, numeric):
    """Return the preprocessing of rows like X; None for trees on numbers."""
    categories = make_column_selector(dtype_include="category")
    if not categories(X):
        return StandardScaler() if numeric else None
    if numeric:
        of_numbers = make_pipeline(SimpleImputer(), StandardScaler())
        encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False)
    else:
        of_numbers = "passthrough"
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer((encoder, categories), remainder=of_numbers)


def make_teacher(kind, X, seed):
    forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=seed)
    booster = LGBMClassifier(
        n_estimators=200, learning_rate=0.05, random_state=seed, n_jobs=1, verbose=-1
    )
    vote = VotingClassifier([("forest", forest), ("booster", booster)], voting="soft")
    teacher = {"vote": vote, "forest": forest}[kind]
    preparation = prepared(X, False)
    return teacher if preparation is None else make_pipeline(preparation, teacher)


def network_training(seed):
    return GradientTraining(max_epochs=30, random_state=seed)


def teach(recipe, student, stage, key, seed):
    """Return the student, taught by the recipe on the rows of the stage."""
    strategy = network_training(seed) if key == "mlp" else "auto"
    if recipe == HARD:
        model = DistillationClassifier(None, student, alpha=0, strategy=strategy)
        return model.fit(stage.X, stage.y)
    X_new, log_new = stage.new_rows(recipe)
    log_proba = stage.log_labels(recipe.labels or "oof")
    model = InformedClassifier(
        None,
        student,
        alpha=recipe.alpha,
        temperature=recipe.temperature,
        strategy=strategy,
        unlabeled_weight=1.0 if recipe.bounded else None,
        random_state=seed,
    )
    source = "in-sample" if recipe.labels == "in" else "out-of-fold"
    model.said = Labels(None, np.r_[log_proba, log_new], source)
    return model.fit(stage.X, stage.y, X_unlabeled=X_new)


# -- data -----------------------------------------------------------------------------------


def load(name):
    if name == "fraud":
        return with_fewer_negatives(*real_data.credit_card_fraud(), 0.04)
    if name == "ad_clicks":
        return with_fewer_negatives(*real_data.ad_clicks(), 0.1)
    if name == "adult":
        return real_data.adult()
    if name == "crash_injuries":
        X, y = real_data.crash_injuries()
        kept = y != "Died_Prior_to_Accident"  # 9 rows
        return X[kept].reset_index(drop=True), y[kept]
    if name == "breast_cancer":
        return load_breast_cancer(as_frame=True, return_X_y=True)
    X, y = real_data.keel(name)
    first = ~X.duplicated().to_numpy()
    return X[first].reset_index(drop=True), y[first]


def with_fewer_negatives(X, y, share):
    """Keep every positive row: a sub-sample must have enough of them to measure with."""
    kept = (y == 1) | (np.random.default_rng(0).random(len(y)) < share)
    return X[kept].reset_index(drop=True), y[kept]


class Split(NamedTuple):
    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    X_pool: pd.DataFrame | None


def split_of(name, budget, seed):
    """Return labelled, unlabelled and test rows; classes are numbers from 0."""
    X, y = load(name)
    y = np.unique(y, return_inverse=True)[1]
    rest, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
    n_labels = min(MAX_TRAIN if budget == "all" else int(budget), len(rest))
    if budget != "all" and n_labels == len(rest):
        raise ValueError(f"{name}: {budget} labels are all that there are.")
    train, pool = rest, None
    if n_labels < len(rest):
        train, pool = train_test_split(
            rest, train_size=n_labels, stratify=y[rest], random_state=seed
        )
    if len(test) > MAX_TEST:
        test, _ = train_test_split(test, train_size=MAX_TEST, stratify=y[test], random_state=seed)
    known = np.isin(y[test], y[train])  # with 100 labels a rare class may be missing
    if len(np.unique(y[train])) < len(np.unique(y)):
        raise ValueError(f"{name}: {n_labels} rows do not hold every class.")
    pool = None if budget == "all" or pool is None else pool[:MAX_POOL]
    take = X.iloc
    return Split(
        take[train].reset_index(drop=True),
        y[train],
        take[test[known]].reset_index(drop=True),
        y[test[known]],
        None if pool is None else take[pool].reset_index(drop=True),
    )


class Stage:
    """What the teacher says of labelled, new and test rows, each computed once, when needed."""

    def __init__(self, split, kind, seed):
        self.X, self.y, self.X_test, self.y_test, self.X_pool = split
        self.n_classes = len(np.unique(self.y))
        self.unfitted, self.seed = make_teacher(kind, self.X, seed), seed
        began = time.perf_counter()
        self.teacher = clone(self.unfitted).fit(self.X, self.y)
        self.seconds = time.perf_counter() - began
        self._new = {}

    @cached_property
    def folds(self):
        return list(StratifiedKFold(5, shuffle=True, random_state=0).split(self.X, self.y))

    @cached_property
    def out_of_fold(self):
        began = time.perf_counter()
        proba = cross_val_predict(
            self.unfitted, self.X, self.y, cv=self.folds, method="predict_proba"
        )
        self.seconds += time.perf_counter() - began
        return log_of(proba)

    @cached_property
    def in_sample(self):
        return self.ask(self.X)

    @cached_property
    def power(self):
        """The 1/t of the temperature t that calibrates the out-of-fold labels."""
        return calibrating_factor(lift_zeros(self.out_of_fold, FLOOR), self.y)

    def ask(self, X):
        return log_of(self.teacher.predict_proba(X))

    def log_labels(self, labels):
        if labels == "cal":
            return self._calibrated(self.out_of_fold)
        return {"oof": self.out_of_fold, "in": self.in_sample}[labels] if labels else None

    def _calibrated(self, log_proba):
        return log_softmax(self.power * lift_zeros(log_proba, FLOOR), axis=1)

    def new_rows(self, recipe):
        """Return the new rows of a recipe and their log-probabilities; None and none."""
        if recipe.new is None:
            return None, np.empty((0, self.n_classes))
        if recipe.new not in self._new:
            X_new = self.X_pool if recipe.new == "pool" else self._munged(int(recipe.new[-1]))
            self._new[recipe.new] = X_new, self.ask(X_new)
        X_new, log_new = self._new[recipe.new]
        return X_new, self._calibrated(log_new) if recipe.labels == "cal" else log_new

    def _munged(self, times):
        return Munge(times).sample(self.X, self.y, self.seed)


def log_of(proba):
    with np.errstate(divide="ignore"):
        return np.log(proba)


# -- measures -------------------------------------------------------------------------------


class Measured(NamedTuple):
    """Figures on the test rows, and what each row adds to them."""

    auc: float
    auc_of_row: np.ndarray
    average_precision: float
    losses: np.ndarray


def measure(y, proba):
    """Return the macro one-vs-rest AUC, with DeLong's share of each row, and the losses."""
    clipped = np.clip(proba, CLIP, 1)
    losses = -np.log(clipped[np.arange(len(y)), y] / clipped.sum(axis=1))
    n_classes = proba.shape[1]
    # Of two classes one is enough: their curves are the same.
    columns = range(n_classes) if n_classes > 2 else [1]
    parts = [auc_with_shares(y == k, proba[:, k]) for k in columns]
    precision = average_precision_score(y, proba[:, 1]) if n_classes == 2 else np.nan
    auc = np.mean([part[0] for part in parts])
    return Measured(auc, np.mean([part[1] for part in parts], axis=0), precision, losses)


def auc_with_shares(positive, score):
    n, m = positive.sum(), (~positive).sum()
    ranks = rankdata(score)
    shares = np.empty(len(score))
    # Share of the negatives below a positive, and of the positives above a negative.
    shares[positive] = (ranks[positive] - rankdata(score[positive])) / m
    shares[~positive] = 1 - (ranks[~positive] - rankdata(score[~positive])) / n
    auc = shares[positive].mean()
    shares = (shares - auc) / np.where(positive, n, m) * len(score)
    return auc, shares


def compared(measured, twin):
    """Return figures, and standard errors of the paired differences to the twin."""
    root = np.sqrt(len(twin.losses))
    return {
        "auc": measured.auc,
        "average_precision": measured.average_precision,
        "log_loss": measured.losses.mean(),
        "se_auc": np.std(measured.auc_of_row - twin.auc_of_row) / root,
        "se_log_loss": np.std(measured.losses - twin.losses) / root,
    }


# -- rivals on hard labels ------------------------------------------------------------------


def tuned(key, stage, seed):
    """Return the student with the settings of least log loss in three folds."""
    grid = STUDENTS[key].grid
    student = make_student(key, stage.X, len(np.unique(stage.y)), seed)
    last = student.steps[-1][0] + "__" if hasattr(student, "steps") else ""
    grid = {last + name: values for name, values in grid.items()}
    model = student
    if key == "mlp":
        model = DistillationClassifier(None, student, alpha=0, strategy=network_training(seed))
        grid = {"strategy__lr": [1e-3, 3e-3, 1e-2]}
    elif key in REGRESSORS:
        model = DistillationClassifier(None, student, alpha=0)
        grid = {f"student__{name}": values for name, values in grid.items()}
    cv = StratifiedKFold(3, shuffle=True, random_state=seed)
    return GridSearchCV(model, grid, scoring="neg_log_loss", cv=cv).fit(stage.X, stage.y)


class Candidate(NamedTuple):
    n_bytes: int
    loss: float
    measured: Measured
    seconds: float


def small_models(seed):
    tree = partial(DecisionTreeClassifier, min_samples_leaf=5, random_state=seed)
    yield from (("tree", tree(max_leaf_nodes=n)) for n in (8, 16, 32, 64))
    yield "logistic", LogisticRegression(max_iter=300)
    for n, leaves in ((2, 8), (4, 8), (8, 8), (16, 8), (50, 8), (100, 8)):
        yield "booster", LGBM(n_estimators=n, num_leaves=leaves, random_state=seed, n_jobs=1)


def catalogue(stage, seed):
    """Return the small hard-label models with bytes, cross-validated loss and test figures."""
    found = []
    cv = StratifiedKFold(3, shuffle=True, random_state=seed)
    for kind, last in small_models(seed):
        began = time.perf_counter()
        preparation = prepared(stage.X, kind == "logistic")
        model = last if preparation is None else make_pipeline(preparation, last)
        proba = cross_val_predict(model, stage.X, stage.y, cv=cv, method="predict_proba")
        model.fit(stage.X, stage.y)
        size = len(pickle.dumps(model))
        test = measure(stage.y_test, model.predict_proba(stage.X_test))
        loss = measure(stage.y, proba).losses.mean()
        found.append(Candidate(size, loss, test, time.perf_counter() - began))
    return found


def size_of(model):
    return len(pickle.dumps(model.standalone()))


# -- the experiment -------------------------------------------------------------------------


def main():
    options = parse_options()
    if options.check:
        return check()
    if options.summary or options.plot:
        results = pd.read_csv(options.out)
        if options.summary:
            print_summary(results)
        return draw(results, options.plot) if options.plot else None
    began = time.perf_counter()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for budget in options.budgets:
            for name in options.sets:
                run(name, budget, seed, options, began)
    return None


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = real_data.cache_folder() / "recipes.csv"
    every = [name for pair in zip(SELECTION, REPORT, strict=False) for name in pair]
    every += REPORT[len(SELECTION) :]
    parser.add_argument("--out", default=default, type=Path, help="CSV file that is added to")
    parser.add_argument("--sets", nargs="+", choices=every, default=every, metavar="SET")
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=NINE, metavar="NAME")
    parser.add_argument("--recipes", nargs="+", help="names of recipes, such as 'oof T2 a0.5'")
    parser.add_argument("--seeds", type=int, default=1, help="number of splits of each data set")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budgets", nargs="+", default=["all"], help="numbers of labels, or all")
    parser.add_argument("--teacher", choices=("vote", "forest"), default="vote")
    parser.add_argument("--summary", action="store_true", help="print tables of the file")
    parser.add_argument("--plot", help="draw the gains to this file")
    parser.add_argument("--check", action="store_true", help="compare with a teacher inside")
    return parser.parse_args()


KEY = ["set", "budget", "student", "teacher", "recipe", "seed"]


def recipes_for(budget, student, names=None):
    recipes = [*PLAIN, *AUGMENTED] if budget == "all" else WITH_POOL
    if names:
        return [recipe for recipe in recipes if recipe.name in names]
    if student == "mlp":  # a fit of it takes seconds where the others take a tenth of one
        recipes = [r for r in recipes if r.name in OF_NETWORK]
    return recipes


def done_already(path):
    if not path.exists():
        return set()
    return set(pd.read_csv(path, usecols=KEY, dtype=str)[KEY].itertuples(index=False, name=None))


def run(name, budget, seed, options, began):
    """Add the lines of one data set, number of labels and seed that the file lacks."""
    done = done_already(options.out)

    def key(student, recipe):
        return name, str(budget), student, options.teacher, recipe, str(seed)

    def wanted(student):
        names = [recipe.name for recipe in recipes_for(budget, student, options.recipes)]
        return {key(student, recipe) for recipe in ["hard", "tuned-hard", *names]}

    missing = [student for student in options.students if not wanted(student) <= done]
    if not missing:
        return
    try:
        stage = Stage(split_of(name, budget, seed), options.teacher, seed)
    except ValueError as error:
        print(f"skipped: {error}", file=sys.stderr, flush=True)
        return
    of_teacher = measure(stage.y_test, softmax(stage.ask(stage.X_test), axis=1))
    common = {"set": name, "half": "selection" if name in SELECTION else "report"}
    common |= {"n_train": len(stage.y), "n_classes": stage.n_classes, "budget": budget}
    common |= {"teacher": options.teacher, "seed": seed, "teacher_power": stage.power}
    common |= {"teacher_auc": of_teacher.auc, "teacher_log_loss": of_teacher.losses.mean()}
    common |= {"teacher_seconds": stage.seconds}
    small = None
    for student in missing:
        lines = []

        def add(recipe, measured, twin, seconds, n_bytes, edge, student=student, lines=lines):
            if key(student, recipe) not in done:
                figures = compared(measured, twin) | {"fit_seconds": seconds, "bytes": n_bytes}
                lines.append(common | {"student": student, "recipe": recipe} | figures | edge)

        small = small or catalogue(stage, seed)
        twin = None
        edge = edge_of_teacher(stage, student, seed)
        for recipe in [HARD, *recipes_for(budget, student, options.recipes)]:
            if twin is not None and key(student, recipe.name) in done:
                continue
            start = time.perf_counter()
            prototype = make_student(student, stage.X, stage.n_classes, seed)
            model = teach(recipe, prototype, stage, student, seed)
            seconds = time.perf_counter() - start
            measured = measure(stage.y_test, model.predict_proba(stage.X_test))
            if twin is None:
                twin, twin_bytes = measured, size_of(model)
            add(recipe.name, measured, twin, seconds, twin_bytes, edge)
        fitting = [c for c in small if c.n_bytes <= twin_bytes]
        if fitting:
            best = min(fitting, key=lambda c: c.loss)
            add("same-bytes", best.measured, twin, best.seconds, best.n_bytes, edge)
        start = time.perf_counter()
        if key(student, "tuned-hard") not in done:
            model = tuned(student, stage, seed)
            measured = measure(stage.y_test, model.predict_proba(stage.X_test))
            add("tuned-hard", measured, twin, time.perf_counter() - start, np.nan, edge)
        append(lines, options.out)
        passed = time.perf_counter() - began
        taken = sum(line["fit_seconds"] for line in lines)
        print(f"{passed:6.0f} s  {name} {budget} seed {seed} {student}: {taken:.0f} s", flush=True)


def edge_of_teacher(stage, key, seed):
    """Return how much less the teacher loses than the student on labels, in the same folds."""
    proba = np.zeros((len(stage.y), stage.n_classes))  # a fold may miss a class of few rows
    for train, held_out in stage.folds:
        X, y = stage.X.iloc[train], stage.y[train]
        student = make_student(key, X, stage.n_classes, seed)
        strategy = network_training(seed) if key == "mlp" else "auto"
        model = DistillationClassifier(None, student, alpha=0, strategy=strategy).fit(X, y)
        proba[np.ix_(held_out, model.classes_)] = model.predict_proba(stage.X.iloc[held_out])
    root = np.sqrt(len(stage.y))
    of_teacher = softmax(lift_zeros(stage.out_of_fold, FLOOR), axis=1)
    own_losses, losses = (measure(stage.y, p).losses for p in (proba, of_teacher))
    of_calibrated = measure(stage.y, np.exp(stage.log_labels("cal"))).losses
    own_brier, brier = (
        ((p - np.eye(stage.n_classes)[stage.y]) ** 2).sum(axis=1) for p in (proba, of_teacher)
    )
    return {
        "student_cv_log_loss": own_losses.mean(),
        "teacher_cv_log_loss": losses.mean(),
        "calibrated_cv_log_loss": of_calibrated.mean(),
        "se_edge": np.std(own_losses - losses) / root,
        "student_cv_brier": own_brier.mean(),
        "teacher_cv_brier": brier.mean(),
        "se_edge_brier": np.std(own_brier - brier) / root,
    }


def append(lines, path):
    if lines:
        pd.DataFrame(lines).to_csv(path, mode="a", header=not path.exists(), index=False)


def check():
    """Compare answers fed in with a teacher inside the estimator, to the last bit."""
    stage = Stage(split_of("vehicle", "400", 0), "vote", 0)
    for key in STUDENTS:
        strategy = network_training(0) if key == "mlp" else "auto"
        for teacher, labels in ((stage.unfitted, "oof"), (stage.teacher, "in")):
            student = make_student(key, stage.X, stage.n_classes, 0)
            direct = DistillationClassifier(
                teacher, student, temperature=2, alpha=0.5, strategy=strategy, random_state=0
            ).fit(stage.X, stage.y, X_unlabeled=stage.X_pool)
            student = make_student(key, stage.X, stage.n_classes, 0)
            fed = teach(Recipe(labels, 0.5, 2, new="pool"), student, stage, key, 0)
            a, b = (model.predict_proba(stage.X_test) for model in (direct, fed))
            print(f"{key:12} {labels:4} largest difference {np.abs(a - b).max():.1e}")


# -- tables ---------------------------------------------------------------------------------


def with_rivals(results):
    """Put the figures of the hard and the tuned twin beside those of each recipe."""
    pair = ["set", "budget", "teacher", "student", "seed"]
    figures = ["auc", "average_precision", "log_loss"]
    for rival in ("hard", "tuned-hard"):
        own = results[results.recipe == rival].set_index(pair)[figures]
        beside = results[pair].join(own, on=pair)[figures]
        short = rival.split("-")[0]
        for figure, name in zip(figures, ("auc", "ap", "loss"), strict=True):
            results[f"{name} - {short}"] = results[figure] - beside[figure]
        results[f"loss of {short}"] = beside["log_loss"]
    lost_auc, lost = results["auc - hard"], results["loss - hard"]
    results["strict"] = (lost_auc >= -0.003) & (lost <= 0.02 * results["loss of hard"])
    results["not worse"] = (lost_auc >= -2 * results.se_auc) & (lost <= 2 * results.se_log_loss)
    return results


def print_summary(results):
    results = with_rivals(results)
    shown = [f"{name} - {rival}" for rival in ("hard", "tuned") for name in ("auc", "ap", "loss")]
    shown += ["strict", "not worse"]
    for at, part in results.groupby(["half", "budget", "teacher"], sort=False):
        print(f"\n== {' / '.join(map(str, at))}: {part.set.nunique()} sets")
        for student in [key for key in STUDENTS if key in set(part.student)]:
            groups = part[part.student == student].groupby("recipe", sort=False)
            table = groups[shown].mean().assign(pairs=groups.size())
            print(f"\n-- {student}")
            print(table.sort_values("loss - hard").round(3).to_string())


def draw(results, path):
    """Draw for each student the gain in AUC of every recipe, a dot for each data set."""
    import matplotlib.pyplot as plt

    results = with_rivals(results[results.budget.astype(str) == "all"])
    students = [key for key in STUDENTS if key in set(results.student)]
    recipes = list(results.recipe.unique()[1:])
    figure, axes = plt.subplots(1, len(students), figsize=(2.2 * len(students), 9), sharey=True)
    for axis, student in zip(np.atleast_1d(axes), students, strict=True):
        part = results[results.student == student].groupby(["recipe", "set"])["auc - hard"]
        gains = part.mean().unstack().reindex(recipes)
        for gain in gains.to_numpy().T:
            axis.plot(gain, range(len(recipes)), ".", color="0.6", markersize=4)
        axis.plot(gains.mean(axis=1), range(len(recipes)), "|", color="C3", markersize=9)
        axis.axvline(0, color="0.2", linewidth=0.8)
        axis.set(title=student, xlabel="gain in AUC")
        axis.set_xscale("symlog", linthresh=0.01)
    np.atleast_1d(axes)[0].set_yticks(range(len(recipes)), recipes)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    main()
