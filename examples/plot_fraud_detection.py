"""
=====================================================
Catching card fraud with a tree that fits on one page
=====================================================

A payment must be cleared in a moment, and someone in the audit department must be able to read the
model that stops it. The model that catches most frauds is nothing of the kind: it is an ensemble
of several hundred trees. This example trains such an ensemble, the *teacher*, on real card
payments, then small *students* that learn from it, and shows what is kept, what is lost, and what
the same students are worth without a teacher.

.. image:: /_static/gallery/fraud_detection.png
   :alt: Precision and recall on later payments, and what it costs.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/fraud_detection.png"

# %%
# The data, split as time splits it
# ---------------------------------
# 284,807 payments of European card holders on two days, one in six hundred a fraud. A model that
# is deployed today is judged by the payments of tomorrow, so the first 70 % in time are to learn
# from and the last 30 % to judge by. The latter are used once, for the figures at the end.

import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them

began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


X, y = real_data.credit_card_fraud()
X = X.to_numpy()
n_train = int(0.7 * len(y))
X_train, X_test, y_train, y_test = X[:n_train], X[n_train:], y[:n_train], y[n_train:]
say(f"{n_train:,} payments to learn from, {y_train.sum()} of them frauds")
say(f"{len(y_test):,} later ones to judge by, {y_test.sum()} of them frauds")

# %%
# The teacher
# -----------
# Two hundred randomised trees and four hundred boosted ones, averaged. The two kinds err in
# different ways, so together they are better than either alone. The price is paid at every
# payment, which has to go through six hundred trees.

from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier

forest = ExtraTreesClassifier(n_estimators=200, min_samples_leaf=2, n_jobs=-1, random_state=0)
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
teacher = VotingClassifier([("forest", forest), ("booster", booster)], voting="soft")
teacher.fit(X_train, y_train)
say("teacher fitted: 200 randomised trees and 400 boosted ones")

# %%
# Why learn from a teacher, and not from the labels?
# --------------------------------------------------
# A label says *fraud* or *no fraud*. There are a few hundred frauds to learn from, and once a tree
# has put them into leaves of their own it has nothing left to learn. The teacher says *how
# suspicious* each payment is, also of the two hundred thousand that are in order. These
# probabilities are called **soft targets**: they carry what the teacher has found out everywhere.
#
# Most of them are tiny, and to a student .01 and .001 are both nearly zero. That is what the
# **temperature** T is for. The student learns the probabilities raised to the power 1/T, which
# pulls them apart (for T = 4 into about .24 and .15), and when it predicts, its own are raised to
# a power again, so that they mean what they say. The higher T, the more of its few leaves a tree
# spends on telling the unlikely from the very unlikely. **alpha** is how far the teacher is
# believed: 1 means entirely; 0 not at all, and the student learns the real labels only.
#
# Three students
# --------------
# A tree with 64 leaves can be printed on a page. A logistic regression is a weighted sum. The
# third one is a *regressor*: it knows nothing of classes and learns the teacher's log-odds, or
# those of the labels, which are taken to be nearly certain, so that their log-odds are finite.

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

small_trees = {"max_iter": 20, "max_leaf_nodes": 8, "learning_rate": 0.3, "early_stopping": False}
soft_targets = {"temperature": [1, 2, 4, 8], "alpha": [0.5, 1]}
# Of each student: the estimator, what is searched over without a teacher, and what with one.
students = {
    "decision tree, 64 leaves": (
        DecisionTreeClassifier(max_leaf_nodes=64, random_state=0),
        {"student__min_samples_leaf": [1, 5, 20]},
        soft_targets,
    ),
    "logistic regression": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        {},
        soft_targets,
    ),
    # Trees do not care how large the numbers are that they regress on: temperature is no matter.
    "20 small regression trees": (
        HistGradientBoostingRegressor(**small_trees, random_state=0),
        {},
        {"alpha": [0.25, 0.5, 0.75, 1]},
    ),
}

# %%
# Finding temperature and alpha
# -----------------------------
# Nobody knows the best values beforehand, but they are ordinary parameters, so that an ordinary
# ``GridSearchCV`` finds them, on the training period alone. It judges by the log loss, to which
# every payment contributes; the average precision of a fold hangs on about a hundred frauds, and
# varies more with them than with the candidates. A tree on hard labels overfits with leaves of a
# single payment, so that tree gets a search over their size, or the comparison would not be fair;
# with a teacher it does without. The teacher is already fitted, so it
# is used as it is; ``memory`` keeps what it said, so that it is asked once for each fold and not
# once for each candidate.
#
# (One thing is not strict here. The teacher has seen the whole training period, so the scores
# *within* the search are a little too good, for all candidates alike. The figures at the end are
# strict.)

from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sklearn_distill import DistillationClassifier


def search(student, grid, memory, **params):
    return GridSearchCV(
        DistillationClassifier(teacher, student, memory=memory, **params),
        grid,
        scoring="neg_log_loss",
        cv=StratifiedKFold(n_splits=3, shuffle=True, random_state=0),
        n_jobs=-1,
        verbose=2,
    ).fit(X_train, y_train)


# ``standalone()`` is what is deployed: the student and the number that undoes the temperature. The
# teacher has done its work.
models = {("teacher", ""): teacher}
with tempfile.TemporaryDirectory() as memory:
    for name, (student, hard_grid, soft_grid) in students.items():
        twin = search(student, hard_grid, memory, alpha=0)
        models[name, "hard labels"] = twin.best_estimator_.standalone()
        found = search(student, soft_grid, memory)
        models[name, "distilled"] = found.best_estimator_.standalone()
        chosen = ", ".join(f"{key} {value}" for key, value in found.best_params_.items())
        say(f"{name}: {chosen} is the best of {len(found.cv_results_['params'])} candidates")

# %%
# What was kept, what was lost
# ----------------------------
# *Average precision* is the area under the precision-recall curve. *Recall at 0.1 %* is the share
# of the frauds that are stopped if one honest payment in a thousand may be stopped too. *Log loss*
# (in nats, less is better) tells whether the probabilities can be taken at their word. *Latency*
# is the median time for a single payment; *size* is that of the pickled model.

from sklearn.metrics import average_precision_score, log_loss, roc_curve
from threadpoolctl import threadpool_limits


def recall_at(false_positive_rate, score):
    rates, recalls, _ = roc_curve(y_test, score, drop_intermediate=False)
    return recalls[rates <= false_positive_rate].max()


def latency(model, n_calls=300, n_warm_up=30):
    """Median microseconds for a single row, on one core: for one row more cost time."""
    nanoseconds = []
    with threadpool_limits(1):
        for i in range(n_warm_up + n_calls):
            row = X_test[i : i + 1]
            start = time.perf_counter_ns()
            model.predict_proba(row)
            nanoseconds.append(time.perf_counter_ns() - start)
    return np.median(nanoseconds[n_warm_up:]) / 1000


teacher.named_estimators_["forest"].set_params(n_jobs=1)
figures, scores = {}, {}
for key, model in models.items():
    scores[key] = model.predict_proba(X_test)[:, 1]
    figures[key] = {
        "AP": average_precision_score(y_test, scores[key]),
        "recall": recall_at(0.001, scores[key]),
        "log loss": log_loss(y_test, scores[key]),
        "latency": latency(model),
        "size": len(pickle.dumps(model)),
    }
say("all models judged by the later payments\n")

print(f"{'':40}   average  recall at      log   latency         size")
print(f"{'':40} precision      0.1 %     loss      (µs)      (bytes)")
for key, row in figures.items():
    print(
        f"{', '.join(filter(None, key)):40} {row['AP']:9.3f} {row['recall']:10.3f} "
        f"{row['log loss']:8.4f} {row['latency']:9,.0f} {row['size']:12,}"
    )

# %%
# Is a difference more than chance? There are few frauds to judge by, so we draw the test payments
# again and again, with replacement, and look how much the gain varies.


def standard_error_of_gain(score, baseline, n_draws=100):
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(n_draws):
        times_drawn = rng.multinomial(len(y_test), np.full(len(y_test), 1 / len(y_test)))
        of_score, of_baseline = (
            average_precision_score(y_test, s, sample_weight=times_drawn)
            for s in (score, baseline)
        )
        gains.append(of_score - of_baseline)
    return np.std(gains)


best = figures["teacher", ""]
print()
for name in students:
    hard, soft = figures[name, "hard labels"], figures[name, "distilled"]
    gain = soft["AP"] - hard["AP"]
    error = standard_error_of_gain(scores[name, "distilled"], scores[name, "hard labels"])
    word = "gained" if gain > 0 else "lost"
    doubt = "" if abs(gain) > 2 * error else ", which may be chance"
    print(
        f"The {name}: {word} {abs(gain):.3f} ± {error:.3f} of average precision through the\n"
        f"    teacher{doubt}; log loss went from {hard['log loss']:.4f} to "
        f"{soft['log loss']:.4f}. It keeps {soft['AP'] / best['AP']:.0%} of the teacher's\n"
        f"    average precision, {best['latency'] / soft['latency']:,.0f} times as fast and "
        f"{best['size'] / soft['size']:,.0f} times as small."
    )

# %%
# In pictures
# -----------
# On the left, the precision for every share of the frauds that one wants to stop. On the right,
# what quality costs in time: an arrow leads from each student on hard labels to the same student
# with a teacher.

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from sklearn.metrics import precision_recall_curve

colours = dict(zip(students, ["#0072b2", "#d55e00", "#009e73"], strict=True))
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 11})
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.6), layout="constrained")

for (name, kind), score in scores.items():
    precision, recall, _ = precision_recall_curve(y_test, score)
    dotted = kind == "hard labels"
    # The first few payments, at the far left, are all chance.
    line = {"linestyle": ":" if dotted else "-", "alpha": 0.8 if dotted else 1, "linewidth": 1.8}
    left.step(recall[:-3], precision[:-3], where="post", color=colours.get(name, "black"), **line)
left.set(xlabel="Recall: share of the frauds that are stopped", xlim=(0, 1), ylim=(0, 1.02))
left.set(ylabel="Precision: share of the stopped payments that are frauds")
left.set_title("Precision and recall on later payments", loc="left", fontweight="bold")
entries = [Line2D([], [], color="black", lw=2, label="teacher")]
entries += [Line2D([], [], color=colour, lw=2, label=name) for name, colour in colours.items()]
entries += [
    Line2D([], [], color="grey", lw=2, label="solid: with the teacher"),
    Line2D([], [], color="grey", lw=2, ls=":", label="dotted: on hard labels"),
]
left.legend(handles=entries, loc="lower left", frameon=False)

right.axhline(best["AP"], color="black", lw=1, ls="--", alpha=0.4)
right.plot(best["latency"], best["AP"], "*", color="black", ms=18)
right.annotate(
    f"teacher\n{best['latency']:,.0f} µs",
    (best["latency"], best["AP"]),
    xytext=(0, -14),
    textcoords="offset points",
    ha="center",
    va="top",
)
for name, colour in colours.items():
    hard, soft = figures[name, "hard labels"], figures[name, "distilled"]
    # A prediction costs the same with and without a teacher, so both are drawn at one latency.
    at, ends = soft["latency"], (hard["AP"], soft["AP"])
    right.plot(at, hard["AP"], "o", color=colour, mfc="white", mew=2, ms=9, zorder=3)
    right.plot(at, soft["AP"], "o", color=colour, ms=9, zorder=3)
    arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 5, "shrinkB": 4}
    right.annotate("", (at, soft["AP"]), (at, hard["AP"]), arrowprops=arrow)
    right.annotate(
        f"{name}\n{at:,.0f} µs, {ends[1] - ends[0]:+.3f}",
        (at, min(ends)),
        xytext=(12, 0),
        textcoords="offset points",
        va="center",
        color=colour,
    )
right.set(xscale="log", xlabel="Latency of a single payment (µs, logarithmic)")
right.set(ylabel="Average precision")
right.set_title("What it costs:  ○ hard labels  →  ● distilled", loc="left", fontweight="bold")
right.margins(x=0.12, y=0.1)

picture = Path(real_data.__file__).with_name("fraud_detection.png")
figure.savefig(picture, dpi=110)
say(f"picture saved to {picture}")
plt.show()

# %%
# The tree as a file
# ------------------
# What is deployed need not be Python. The file is reloaded and compared with the model before it
# is kept: on the later payments, and at each threshold of the tree, where a converter that rounds
# the wrong way would send a payment to the other side.

from sklearn_distill.export import OnnxClassifier, export_onnx

tree = models["decision tree, 64 leaves", "distilled"]
file = export_onnx(tree, Path(real_data.__file__).with_name("fraud_tree.onnx"), X_test)
in_file = latency(OnnxClassifier(file.path))
times = best["latency"] / in_file
print(
    f"\nThe tree as ONNX: {file.n_bytes:,} bytes, {in_file:.1f} µs for a payment (p50), "
    f"{times:,.0f} times\n    as fast as the teacher. Its probabilities differ by "
    f"{file.max_difference:.0e} at most, on {file.n_rows:,}\n    payments and {file.n_edges:,} "
    "rows made at thresholds."
)
say(f"saved to {file.path}")
