"""What are columns worth that only the teacher sees? The ten strongest are hidden from students.

The strongest columns are those of which a forest on the training rows makes most use. A student
without them is fitted on labels, tuned on labels, taught by a teacher that sees what it sees,
taught by one that sees everything, and taught by the two together: of the last three the teacher's
columns alone are different.

    python benchmarks/privileged_columns.py run --seeds 3 > privileged_columns.csv
    python benchmarks/privileged_columns.py table privileged_columns.csv
"""

import tempfile

import joblib
import numpy as np
from lightgbm import LGBMClassifier
from runs import main
from several_teachers import rows_of
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, TeacherEnsemble

SETS = ("spambase", "satimage", "texture", "fraud")
HIDDEN = 10
COLUMNS = ("set", "seed", "student", "how", "log_loss", "auc", "ap", "alpha")


def teacher_for(seed):
    """Return an unfitted teacher of two kinds."""
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=2, random_state=seed)
    boosted = LGBMClassifier(
        n_estimators=200, learning_rate=0.08, n_jobs=2, verbose=-1, random_state=seed
    )
    return TeacherEnsemble([("forest", forest), ("boosted", boosted)])


def students(seed):
    """Return students, how they are taught, and what is tuned of each."""
    return {
        "tree, 64 leaves": (
            DecisionTreeClassifier(max_leaf_nodes=64, random_state=seed),
            {"alpha": 1.0, "temperature": 2.0},
            {"max_leaf_nodes": [16, 32, 64], "min_samples_leaf": [1, 5, 20]},
        ),
        "network of 32": (
            MLPClassifier((32,), max_iter=60, random_state=seed),
            {"alpha": 0.5, "temperature": 1.0},
            {"alpha": [1e-4, 1e-2, 1], "learning_rate_init": [1e-3, 3e-3]},
        ),
        "booster, 50 x 8 leaves": (
            LGBMClassifier(n_estimators=50, num_leaves=8, n_jobs=1, verbose=-1, random_state=seed),
            {"alpha": 0.5, "temperature": 1.0},
            {"learning_rate": [0.05, 0.1, 0.2, 0.3], "min_child_samples": [5, 20, 50]},
        ),
        "logistic regression": (
            LogisticRegression(max_iter=1000),
            {"alpha": 0.5, "temperature": 1.0},
            {"C": [0.01, 0.1, 1, 10]},
        ),
    }


def run(name, seed):
    """Yield the scores on one split of one data set."""
    X_train, X_test, y_train, y_test = rows_of(name, seed)
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=2, random_state=seed)
    strength = forest.fit(X_train, y_train).feature_importances_
    seen = np.sort(np.argsort(strength)[:-HIDDEN])
    memory = joblib.Memory(tempfile.mkdtemp(), verbose=0)

    def scores(student, how, model, columns, **more):
        proba = np.clip(model.predict_proba(X_test[:, columns]), 1e-6, None)
        proba /= proba.sum(axis=1, keepdims=True)
        said = proba[:, 1] if proba.shape[1] == 2 else proba
        return {
            "set": name,
            "seed": seed,
            "student": student,
            "how": how,
            "log_loss": log_loss(y_test, proba),
            "auc": roc_auc_score(y_test, said, multi_class="ovr"),
            "ap": average_precision_score(y_test, said),
        } | more

    few, told = X_train[:, seen], False
    for student, (estimator, settings, grid) in students(seed).items():
        yield scores(student, "labels", clone(estimator).fit(few, y_train), seen)
        tuned = GridSearchCV(clone(estimator), grid, cv=4, scoring="neg_log_loss")
        yield scores(student, "labels, tuned", tuned.fit(few, y_train), seen)
        distil = {"student": estimator, "random_state": seed, "memory": memory}
        same = DistillationClassifier(teacher_for(seed), **distil, **settings).fit(few, y_train)
        yield scores(student, "teacher of the same columns", same, seen)
        distil["student_columns"] = seen
        more = DistillationClassifier(teacher_for(seed), **distil, **settings)
        more.fit(X_train, y_train)
        yield scores(student, "privileged teacher", more, seen)
        both = TeacherEnsemble(
            [("all", teacher_for(seed)), ("few", teacher_for(seed))], columns={"few": seen}
        )
        model = DistillationClassifier(both, **distil, **settings).fit(X_train, y_train)
        yield scores(student, "both teachers", model, seen)
        auto = DistillationClassifier(teacher_for(seed), **distil).fit(X_train, y_train)
        yield scores(student, "privileged, auto", auto, seen, alpha=auto.alpha_)
        if not told:
            everything = np.arange(X_train.shape[1])
            yield scores("(teacher)", "teacher of the same columns", same.teacher_, seen)
            yield scores("(teacher)", "privileged teacher", more.teacher_, everything)
            told = True


def table(frame):
    """Print the means over seeds, and the gain over labels with its standard error."""
    for score in ("log_loss", "auc", "ap"):
        wide = frame.pivot_table(index=["set", "student"], columns="how", values=score, sort=False)
        print(f"\n{score}\n{wide.round(4).to_string()}")
    auc = frame.pivot_table(
        index=["student", "set", "seed"], columns="how", values="auc", sort=False
    ).drop("(teacher)")
    ways = [how for how in auc if not how.startswith("labels")]
    for than in ("labels", "labels, tuned"):
        gain = auc[ways].sub(auc[than], axis=0).groupby(level=["student", "set"], sort=False)
        error = gain.std() / np.sqrt(gain.count())
        text = gain.mean().map("{:+.4f}".format) + " ± " + error.map("{:.4f}".format)
        print(f"\nROC AUC over {than}\n{text.to_string()}")


if __name__ == "__main__":
    main(__doc__, {"run": (SETS, run)}, table, COLUMNS)
