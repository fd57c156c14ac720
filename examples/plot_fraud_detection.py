"""
=====================================================
Catching card fraud with a tree of a few kilobytes
=====================================================

A payment must be cleared within milliseconds, so the fraud model has a few microseconds of it, and
someone in the audit department must be able to read it. The model that catches most fraud is none
of this: it is an ensemble of several hundred trees. This example trains such an ensemble, the
*teacher*, and then small *students* that learn from it, on two days of real card payments, and
shows what is kept, what is lost, and what the same students do without a teacher.
"""

# %%
# The data, split as time splits it
# ---------------------------------
# 284,807 payments of European card holders, of which one in six hundred is a fraud. A model that
# is deployed today is judged on the payments of tomorrow, so the first 70 % in time are for
# training and the last 30 % for testing. The test payments are used once, for the table below.

import copy
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import real_data
from joblib import parallel_config
from lightgbm import LGBMClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, roc_curve
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier

began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


X, y = real_data.credit_card_fraud()
X = X.to_numpy()
n_train = int(0.7 * len(y))
X_train, X_test, y_train, y_test = X[:n_train], X[n_train:], y[:n_train], y[n_train:]
say(
    f"{n_train:,} payments to learn from, {y_train.sum()} of them frauds; "
    f"{len(y_test):,} later ones to judge by, {y_test.sum()} of them frauds"
)

# %%
# The teacher
# -----------
# Two hundred randomised trees and four hundred boosted ones, averaged. The two kinds err in
# different ways, so the average is better than either. Its price is paid at every payment: six
# hundred trees are walked for a single row.

booster = LGBMClassifier(
    n_estimators=400,
    learning_rate=0.02,
    colsample_bytree=0.5,
    subsample=0.7,
    subsample_freq=1,
    reg_lambda=10,
    random_state=0,
    verbose=-1,
)
forest = ExtraTreesClassifier(n_estimators=200, min_samples_leaf=2, random_state=0)
teacher = VotingClassifier([("forest", forest), ("booster", booster)], voting="soft")
with parallel_config("threading", n_jobs=-1):
    teacher.fit(X_train, y_train)
say("teacher fitted")

# %%
# Three students
# --------------
# A tree with 64 leaves can be printed on one page. A logistic regression is a weighted sum. The
# third is a *regressor*: it knows nothing of classes and learns the teacher's log-odds instead,
# here with twenty small boosted trees.
#
# Why should they learn from a teacher and not from the labels? A label says *fraud* or *not*. With
# 384 frauds a tree soon has nothing left to split: nearly all of its leaves are pure. The teacher
# says how suspicious each payment is, also of the two hundred thousand that are fine, and every
# leaf can learn from that. These probabilities are called **soft targets**.
#
# Most of them are tiny, and to a student .001 and .0001 look the same: both are nearly zero. The
# **temperature** T lifts them up. The student learns the probabilities raised to the power 1/T; its
# own are raised to the power T again when it predicts, so that they still mean what they say. The
# higher T, the more of the student's few leaves are spent on telling the unlikely from the very
# unlikely. And **alpha** says how far the teacher is believed: 1 means entirely, and 0 that the
# student learns the real labels only and has no teacher at all.
#
# Nobody knows the best values beforehand. They are ordinary parameters, so an ordinary
# ``GridSearchCV`` finds them, on the training period, each time on payments later than those
# learned from. ``memory`` keeps the labels that the teacher gave, so that it is asked once per
# fold and not once per candidate. One thing is not perfect here: the teacher has seen the
# whole training period, so that the scores *within* the search come out a little too high. The
# test payments are later than anything that it has seen.

students = {
    "decision tree, 64 leaves": (
        DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=5, random_state=0),
        {"temperature": [1, 2, 4, 8], "alpha": [0.5, 1]},
    ),
    "logistic regression": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"temperature": [1, 2, 4, 8], "alpha": [0.5, 1]},
    ),
    # Trees do not mind the scale of what they regress on, so temperature would change nothing.
    "20 boosted regression trees": (
        HistGradientBoostingRegressor(
            max_iter=20, max_leaf_nodes=8, learning_rate=0.3, random_state=0
        ),
        {"alpha": [0.25, 0.5, 0.75, 1]},
    ),
}


def distil(student, grid, memory):
    search = GridSearchCV(
        DistillationClassifier(teacher, student, memory=memory),
        grid,
        scoring="average_precision",
        cv=TimeSeriesSplit(n_splits=3),
    )
    with parallel_config("threading", n_jobs=-1):
        return search.fit(X_train, y_train)


def without_teacher(model):
    """What is deployed: the student and its temperature. The teacher has done its work."""
    model = copy.copy(model)
    model.teacher = model.teacher_ = None
    return model


models = {("teacher", ""): teacher}
with tempfile.TemporaryDirectory() as memory:
    for name, (student, grid) in students.items():
        plain = DistillationClassifier(teacher, student, alpha=0).fit(X_train, y_train)
        models[name, "hard labels"] = without_teacher(plain)
        search = distil(student, grid, memory)
        models[name, "distilled"] = without_teacher(search.best_estimator_)
        chosen = ", ".join(f"{key} {value}" for key, value in search.best_params_.items())
        say(f"{name}: the search chose {chosen} out of {len(search.cv_results_['params'])}")

# %%
# What was kept, what was lost
# ----------------------------
# *Average precision* is the area under the precision-recall curve. *Recall at 0.1 %* is the share
# of frauds caught when one honest payment in a thousand may be stopped. *Log loss* (in nats) says
# whether the probabilities can be taken at their word. *Latency* is the median time for a single
# payment.


def recall_at(false_positive_rate, score):
    rates, recalls, _ = roc_curve(y_test, score, drop_intermediate=False)
    return recalls[rates <= false_positive_rate].max()


def latency(model, n_calls=300):
    """Median microseconds for one row, after a few calls to warm up."""
    taken = []
    for row in X_test[: n_calls + 20]:
        start = time.perf_counter_ns()
        model.predict_proba(row[np.newaxis])
        taken.append((time.perf_counter_ns() - start) / 1000)
    return np.median(taken[20:])


figures, scores = {}, {}
for key, model in models.items():
    scores[key] = model.predict_proba(X_test)[:, 1]
    figures[key] = {
        "AP": average_precision_score(y_test, scores[key]),
        "recall": recall_at(0.001, scores[key]),
        "log loss": log_loss(y_test, scores[key]),
        "latency": latency(model),
        "bytes": len(pickle.dumps(model)),
    }
say("all models judged on the later payments")

header = f"{'':42} {'average':>9} {'recall at':>9} {'log':>8} {'latency':>10} {'size':>12}"
units = f"{'model':42} {'precision':>9} {'0.1 % FP':>9} {'loss':>8} {'µs':>10} {'bytes':>12}"
print(f"\n{header}\n{units}\n{'-' * len(header)}")
for key, row in figures.items():
    print(
        f"{', '.join(filter(None, key)):42} {row['AP']:9.3f} {row['recall']:9.3f} "
        f"{row['log loss']:8.4f} {row['latency']:10,.0f} {row['bytes']:12,}"
    )
print()

# %%
# In pictures
# -----------
# Left, how many of the stopped payments are frauds, for every share of the frauds that is caught.
# Right, what an average precision costs in time: each arrow leads from a student on hard labels
# to the same student with a teacher.

import matplotlib.pyplot as plt  # noqa: E402

colours = dict(zip(students, ["tab:blue", "tab:orange", "tab:green"], strict=True))
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.4), layout="constrained")
for (name, kind), score in scores.items():
    precision, recall, _ = precision_recall_curve(y_test, score)
    style = {"linestyle": ":" if kind == "hard labels" else "-", "linewidth": 2}
    left.plot(recall, precision, color=colours.get(name, "black"), **style)
plt.show()
