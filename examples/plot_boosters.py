"""
==========================
An ensemble in fifty trees
==========================

A stack of forests and boosters is good and heavy: megabytes, and tens of milliseconds for a single
row. Can fifty small trees learn what it knows? An ``XGBClassifier`` takes soft targets here like
any other student, through an objective of its own and without copies of the rows. Whether that is
better than the labels alone is another question. This example asks it on four real tasks. In one
of them the teacher helps.

.. image:: /_static/gallery/boosters.png
   :alt: Boosters with and without a teacher.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/boosters.png"

# %%
# Four tasks
# ----------
# *Card payments*: one in six hundred is a fraud, split in time. *Spam mails* and *letters* (26
# classes) have a label on every row. *Gamma rays* are to be told from other particles in the
# pictures of a telescope, and labels are scarce: 500 rows have one, and 6,000 more do not.
# Everything but the payments is split at random four times.

import pickle
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them

began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


class Task(NamedTuple):
    data: str
    n_train: int
    n_unlabeled: int
    score: str
    splits: int


TASKS = {
    "card payments": Task("credit_card_fraud", 199_364, 0, "average precision", 1),
    "spam mails": Task("spambase", 3_000, 0, "ROC AUC", 4),
    "letters": Task("letter", 3_000, 0, "accuracy", 4),
    "gamma rays, 500 labels": Task("magic", 500, 6_000, "ROC AUC", 4),
}


def load(task, seed):
    """Rows to learn from, their classes, rows without a label, and rows to judge by."""
    if task.data == "credit_card_fraud":
        X, y = real_data.credit_card_fraud()
        order = np.arange(len(y))
    else:
        X, y = real_data.keel(task.data)
        order = np.random.default_rng(seed).permutation(len(y))[:12_500]
    X, y = X.to_numpy(np.float32)[order], np.unique(y[order], return_inverse=True)[1]
    n, m = task.n_train, task.n_train + task.n_unlabeled
    return X[:n], y[:n], X[n:m] if m > n else None, X[m:], y[m:]


# %%
# The teachers
# ------------
# Two forests and a booster, stacked by a logistic regression. On two hundred thousand payments
# the stack would take its time; there the mean of one forest and a booster has to do.

from lightgbm import LGBMClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)


def teacher_of(task, seed):
    large = task.n_train > 100_000
    forest = {"min_samples_leaf": 2, "n_jobs": -1, "random_state": seed}
    extra = ExtraTreesClassifier(100 if large else 200, **forest)
    booster = {"n_estimators": 200, "learning_rate": 0.04, "colsample_bytree": 0.5}
    booster = {**booster, "reg_lambda": 10} if large else {"n_estimators": 100}
    booster = LGBMClassifier(**booster, random_state=seed, verbose=-1)
    members = [("extra trees", extra), ("booster", booster)]
    if large:
        return VotingClassifier(members, voting="soft")
    members.append(("random forest", RandomForestClassifier(200, **forest)))
    return StackingClassifier(members, LogisticRegression(max_iter=1000), cv=folds)


# %%
# The student, with and without a teacher
# ---------------------------------------
# Fifty trees of depth 4. With ``alpha=0`` they learn the labels alone, exactly as if there were
# no teacher; with ``alpha=0.5``, half labels and half soft targets, at three temperatures. A
# comparison with a booster that was left at the first settings that came to mind would flatter
# the teacher, so labels alone get a search over learning rate and regularisation as well. The
# soft targets do without.

from sklearn.base import clone
from xgboost import XGBClassifier

from sklearn_distill import DistillationClassifier

student = XGBClassifier(n_estimators=50, max_depth=4, learning_rate=0.2, random_state=0)
settings = {"student__learning_rate": [0.05, 0.2], "student__reg_lambda": [1, 10]}
SEARCHED = "labels, settings searched"


def train(task, seed):
    """Fit the teacher and every student; return them with the rows to judge by."""
    X, y, X_unlabeled, X_test, y_test = load(task, seed)
    teacher = teacher_of(task, seed).fit(X, y)
    twin = DistillationClassifier(teacher, student, alpha=0)
    search = GridSearchCV(twin, settings, scoring="neg_log_loss", cv=folds).fit(X, y)
    models = {
        "teacher": teacher,
        "labels": clone(twin).fit(X, y),
        SEARCHED: search.best_estimator_,
    }
    chosen = ", ".join(f"{key[9:]} {value}" for key, value in search.best_params_.items())
    say(f"{task.data}, split {seed + 1} of {task.splits}: the search found {chosen}")
    for temperature in (1, 2, 4):
        model = DistillationClassifier(teacher, student, alpha=0.5, temperature=temperature)
        models[f"soft targets, T={temperature}"] = model.fit(X, y, X_unlabeled=X_unlabeled)
    return models, X_test, y_test


# %%
# What is measured
# ----------------
# The score of the task and the log loss (in nats, less is better). *Size* is that of the saved
# model, *latency* the median time for one row on one core. Every difference comes with its
# standard error: over the four splits, and for the payments over draws from the test rows with
# replacement. Four splits of the same rows resemble each other, so we ask for two standard errors
# before we speak of a gain.

from sklearn.metrics import accuracy_score, average_precision_score, log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

N_DRAWS = 50


def score_of(task, y, proba, weight=None):
    if task.score == "accuracy":
        return accuracy_score(y, proba.argmax(axis=1), sample_weight=weight)
    score = average_precision_score if task.score == "average precision" else roc_auc_score
    return score(y, proba[:, 1], sample_weight=weight)


def size(model):
    if isinstance(model, DistillationClassifier):
        return len(model.student_.get_booster().save_raw())
    return len(pickle.dumps(model))


def latency(model, X, n_calls=60, n_warm_up=10):
    """Median microseconds for a single row, on one core."""
    if hasattr(model, "estimators_"):
        for member in model.estimators_:
            member.set_params(n_jobs=1)
    else:
        model = model.student_.set_params(n_jobs=1)  # what is deployed
    nanoseconds = []
    with threadpool_limits(1):
        for i in range(n_warm_up + n_calls):
            start = time.perf_counter_ns()
            model.predict_proba(X[i : i + 1])
            nanoseconds.append(time.perf_counter_ns() - start)
    return np.median(nanoseconds[n_warm_up:]) / 1000


def measure(task):
    """Score, log loss, size and latency of each model, and scores that say how they vary."""
    found, varied = {}, {}
    for seed in range(task.splits):
        models, X_test, y_test = train(task, seed)
        rng = np.random.default_rng(0)
        share = np.full(len(y_test), 1 / len(y_test))
        drawn = [rng.multinomial(len(y_test), share) for _ in range(N_DRAWS)]
        for name, model in models.items():
            proba = np.asarray(model.predict_proba(X_test), dtype=np.float64)
            proba /= proba.sum(axis=1, keepdims=True)
            score = score_of(task, y_test, proba)
            found.setdefault(name, []).append(
                (score, log_loss(y_test, proba), size(model), latency(model, X_test))
            )
            again = [score]
            if task.splits == 1:
                again = [score_of(task, y_test, proba, times) for times in drawn]
            varied.setdefault(name, []).extend(again)
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}, varied


results = {name: measure(task) for name, task in TASKS.items()}
say("all models judged")

print(f"\n{'':27}{'score':>9}{'log loss':>10}{'size (bytes)':>14}{'one row (µs)':>14}")
for name, (figures, _) in results.items():
    print(f"{name} ({TASKS[name].score})")
    for model, (score, loss, n_bytes, microseconds) in figures.items():
        print(f"  {model:25}{score:9.4f}{loss:10.4f}{n_bytes:14,.0f}{microseconds:14,.0f}")

# %%
# Does the teacher help?
# ----------------------
# Against the labels with settings searched, which is what you would ship without a teacher:


def gain(name, model, baseline=SEARCHED):
    """By how much a model is better, and the standard error of that."""
    figures, varied = results[name]
    differences = np.subtract(varied[model], varied[baseline])
    if TASKS[name].splits == 1:
        return figures[model][0] - figures[baseline][0], differences.std(ddof=1)
    return differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))


def in_words(difference, error):
    if abs(difference) <= 2 * error:
        return "no gain"
    return "gained" if difference > 0 else "lost"


print()
soft = [f"soft targets, T={temperature}" for temperature in (1, 2, 4)]
for name in TASKS:
    for model in soft:
        difference, error = gain(name, model)
        print(
            f"{name + ', ' + model:41} {in_words(difference, error):8}"
            f"({difference:+.4f} ± {error:.4f} {TASKS[name].score})"
        )

difference, error = gain("card payments", soft[2], "labels")
print(
    f"\nOn the payments, and without the search: {in_words(difference, error)} "
    f"({difference:+.3f} ± {error:.3f})"
)

# %%
# Where every row has its label, fifty trees learn the task from the labels. The letters show it
# best: their teacher is much better than the student, and yet soft targets gain nothing at T = 1
# and lose more and more at higher temperatures.
#
# The payments look like a triumph if the student on labels keeps its first settings: it then
# trusts leaves of a few frauds too much, and soft targets at T = 4 cure that. So does a stronger
# regularisation. What is left is that soft targets did not need the search.
#
# Where labels are scarce, the teacher has something to give that no setting can replace: it labels
# the rows that nobody has labelled. That is what ``X_unlabeled`` is for.
#
# In the picture, zero is the student on labels with its settings searched; bars are two standard
# errors.

import matplotlib.pyplot as plt

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 11})
colours = {"gained": "#0072b2", "no gain": "0.5", "lost": "#d55e00"}
figure, axes = plt.subplots(1, len(TASKS), figsize=(14, 3.6), sharey=True, layout="constrained")
rows = ["labels", *soft]
for axis, name in zip(axes, TASKS, strict=True):
    axis.axvline(0, color="black", lw=1)
    for at, model in enumerate(rows):
        difference, error = gain(name, model)
        colour = colours[in_words(difference, error)]
        marker = "s" if model == "labels" else "o"
        axis.errorbar(difference, at, xerr=2 * error, fmt=marker, color=colour, ms=8, capsize=3)
    axis.set(xlabel=f"difference in {TASKS[name].score}", ylim=(len(rows) - 0.5, -0.5))
    axis.set_title(name, loc="left", fontweight="bold")
    axis.locator_params(axis="x", nbins=4)
    axis.margins(x=0.15)
axes[0].set_yticks(range(len(rows)), ["labels, settings not searched", *soft])
handles = [plt.Line2D([], [], color=c, marker="o", ls="", label=w) for w, c in colours.items()]
handles.insert(0, plt.Line2D([], [], color="black", lw=1, label=SEARCHED))
figure.legend(handles=handles, loc="outside lower right", ncols=4, frameon=False)

picture = Path(real_data.__file__).with_name("boosters.png")
figure.savefig(picture, dpi=110)
say(f"picture saved to {picture}")
plt.show()
