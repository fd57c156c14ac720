"""
=====================================
Three teachers and one small student
=====================================

A forest, a booster and a network have each learned to catch card fraud, and each errs in its own
way. A list of them is a teacher like any other: what they say is pooled. This example shows what
the pool is worth against each of its members, for a tree that fits on a page.

Two minutes, and 76 MB to download the first time.

.. image:: /_static/gallery/several_teachers.png
   :alt: Average precision of a tree taught by each teacher, and by their pools.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/several_teachers.png"

# %%
# The payments
# ------------
# The first 70 % in time are to learn from, the last 30 % to judge by. Of the payments that are no
# fraud one in ten is kept, in both parts, so that nobody waits for the forest.

import tempfile
import warnings

import numpy as np
import pandas as pd
import real_data  # next to this file: it downloads the data and keeps them
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, TeacherEnsemble, distillation_report

X, y = real_data.credit_card_fraud()
kept = (y == 1) | (np.random.RandomState(0).random_sample(len(y)) < 0.1)
late = np.arange(len(y)) > 0.7 * len(y)
X_train, X_test = X[kept & ~late], X[kept & late].reset_index(drop=True)
y_train, y_test = y[kept & ~late], y[kept & late]
print(f"{y_train.sum()} frauds among {len(y_train):,} payments, {y_test.sum()} among later ones")

# %%
# The teachers
# ------------
# None of them is fitted. Each labels the training rows out-of-fold, and with ``memory`` it does so
# once, however many pools it is in.

members = [
    ("forest", ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=-1, random_state=0)),
    ("booster", LGBMClassifier(n_estimators=200, learning_rate=0.05, verbose=-1, random_state=0)),
    (
        "network",
        make_pipeline(
            StandardScaler(), MLPClassifier((64, 64), early_stopping=True, random_state=0)
        ),
    ),
]
teachers = dict(members)
for pooling in ("arithmetic", "geometric", "confidence", "validation"):
    teachers[f"pool, {pooling}"] = TeacherEnsemble(members, pooling=pooling)

# %%
# One student of each teacher
# ---------------------------
# The same tree, the same settings: what differs is the teacher.

student = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
distil = {"student": student, "alpha": 1.0, "temperature": 2.0, "random_state": 0}
distil["memory"] = tempfile.mkdtemp()
models, rows = {}, []
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "The member .* alone")  # the table says it
    for name, teacher in teachers.items():
        models[name] = DistillationClassifier(teacher, **distil).fit(X_train, y_train)

hard = student.fit(X_train, y_train)


def precision(model):
    return average_precision_score(y_test, model.predict_proba(X_test)[:, 1])


for name, model in models.items():
    rows.append((name, precision(model.teacher_), precision(model)))
table = pd.DataFrame(rows, columns=["teacher", "AP of the teacher", "AP of the student"])
print(table.round(3).to_string(index=False))
print(f"the same tree on hard labels: {precision(hard):.3f}")

# %%
# What the pool knows of its members
# ----------------------------------
# Since all labels are out-of-fold, the ensemble can compare: ``losses_`` is the log loss of each
# member and of the pool on rows that they have not seen, and ``better_alone_`` names a member that
# is clearly better on its own.

pool = models["pool, validation"].teacher_
print({name: round(loss, 5) for name, loss in pool.losses_.items()})
print("weights:", pool.weights_.round(2), "better alone:", pool.better_alone_)

# %%
# The picture
# -----------

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
at = np.arange(len(table))[::-1]
colours = ["#e69f00" if not name.startswith("pool") else "#0072b2" for name in table["teacher"]]
ax.barh(at, table["AP of the student"], color=colours)
ax.plot(table["AP of the teacher"], at, "*", ms=12, color="#808080", label="the teacher itself")
ax.axvline(precision(hard), color="#d55e00", ls="--", label="the tree on hard labels")
ax.set_yticks(at, table["teacher"])
ax.set(xlabel="Average precision on later payments")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize="small")
figure.savefig("several_teachers.png", dpi=110)

# %%
# The report
# ----------
# Whether it was worth it, against rivals that never saw a teacher. The tree gains by far over the
# same tree on hard labels, and over that one tuned. But where nobody has to read the model, a
# network of sixteen units on hard labels does better, in fewer bytes.

report = distillation_report(
    models["pool, confidence"], X_train, y_train, X_test, y_test, stability=0, n_jobs=-1
)
print(report)
