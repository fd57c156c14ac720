"""
========================
Few labels and many rows
========================

Labels cost money, rows do not. A teacher that has learned from a few hundred labels can say what
it believes of thousands of rows that have none, and a small student learns that. This is where
distillation pays for almost everyone: for a tree that a person can read, and for a booster that
would need no teacher if every row had a label.

.. image:: /_static/gallery/few_labels.png
   :alt: ROC AUC against the number of labels.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/few_labels.png"

# %%
# Gamma rays and their labels
# ---------------------------
# Pictures of a telescope, in ten numbers each: gamma rays are to be told from other particles.
# Of 12,000 rows between 50 and 3,200 have a label.

from pathlib import Path

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them

X, y = real_data.keel("magic")
names, X, y = list(X.columns), X.to_numpy(np.float32), (y == "g").astype(int)
BUDGETS = (50, 100, 200, 400, 800, 1600, 3200)
SPLITS = 2


def rows_of(seed):
    """Return the rows to learn from and those to judge by, in an order of their own."""
    order = np.random.default_rng(seed).permutation(len(y))
    return order[:12_000], order[12_000:]


# %%
# The teacher is a forest and a booster that vote. The students are a tree of sixteen leaves and a
# booster of fifty small trees.

from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.tree import DecisionTreeClassifier

teacher = VotingClassifier(
    [
        ("forest", RandomForestClassifier(100, min_samples_leaf=2, random_state=0)),
        ("booster", LGBMClassifier(learning_rate=0.05, verbose=-1, random_state=0)),
    ],
    voting="soft",
)
students = {
    "tree of 16 leaves": DecisionTreeClassifier(max_leaf_nodes=16, random_state=0),
    "booster of 50 trees": LGBMClassifier(
        n_estimators=50, num_leaves=8, min_child_samples=5, verbose=-1, random_state=0
    ),
}

# %%
# The rivals need no teacher: the same students with settings that were tuned on the labels, and
# for the tree a booster that has as many leaves in all.

from sklearn.model_selection import GridSearchCV

settings_of_tree = {"max_leaf_nodes": [4, 8, 16], "min_samples_leaf": [1, 5, 20]}
settings_of_booster = {"learning_rate": [0.05, 0.1, 0.2], "min_child_samples": [5, 20]}
rivals = {
    "tree of 16 leaves, tuned": GridSearchCV(
        students["tree of 16 leaves"], settings_of_tree, scoring="neg_log_loss", cv=3
    ),
    "4 boosted trees of 4 leaves": LGBMClassifier(
        n_estimators=4, num_leaves=4, learning_rate=0.5, min_child_samples=5, verbose=-1
    ),
    "booster of 50 trees, tuned": GridSearchCV(
        students["booster of 50 trees"], settings_of_booster, scoring="neg_log_loss", cv=3
    ),
}

# %%
# Three ways to learn
# -------------------
# From the labels alone; with new rows that are made of the labelled ones and labelled by the
# teacher; and with the rows that are there without a label. The settings are the defaults.

from tempfile import TemporaryDirectory

from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from sklearn_distill import DistillationClassifier
from sklearn_distill.augmentation import Munge

WAYS = {
    "labels alone": {"alpha": 0},
    "and five new rows for each": {"augmenter": Munge(5)},
    "and the rows without a label": {},
}


def scores(n_labels, seed, memory):
    """Return the AUC of the teacher, of the rivals, and of every student in every way."""
    train, test = rows_of(seed)
    few, rest = train[:n_labels], train[n_labels:]
    fitted = clone(teacher).fit(X[few], y[few])
    found = {"teacher": roc_auc_score(y[test], fitted.predict_proba(X[test])[:, 1])}
    for name, rival in rivals.items():
        fitted = clone(rival).fit(X[few], y[few])
        found[name, "labels alone"] = roc_auc_score(y[test], fitted.predict_proba(X[test])[:, 1])
    for kind, student in students.items():
        for way, settings in WAYS.items():
            model = DistillationClassifier(
                teacher, student, memory=memory, random_state=seed, **settings
            )
            more = X[rest] if way == "and the rows without a label" else None
            model.fit(X[few], y[few], X_unlabeled=more)
            found[kind, way] = roc_auc_score(y[test], model.predict_proba(X[test])[:, 1])
    return found


with TemporaryDirectory() as memory:
    found = {n: [scores(n, seed, memory) for seed in range(SPLITS)] for n in BUDGETS}
mean = {n: {key: np.mean([s[key] for s in found[n]]) for key in found[n][0]} for n in BUDGETS}

header = "".join(f"{n:>8}" for n in BUDGETS)
print(f"{'labels':50}{header}")
for key in mean[BUDGETS[0]]:
    name = key if key == "teacher" else ", ".join(key)
    print(f"{name:50}" + "".join(f"{mean[n][key]:8.3f}" for n in BUDGETS))

# %%
# The tree gains everywhere, and most where labels are few: fifty of them and the unlabelled rows
# are worth as much as two hundred and more alone. The booster gains up to some four hundred
# labels. From eight hundred on it does better by itself.
#
# Tuning its settings brings the tree less than half of that. Four boosted trees of four leaves
# have as many leaves, need no teacher, and from a hundred labels on they rank as well as the
# distilled tree: a single tree is for those who must read it.

import matplotlib.pyplot as plt

drawn = {
    "tree of 16 leaves": ["tree of 16 leaves, tuned", "4 boosted trees of 4 leaves"],
    "booster of 50 trees": ["booster of 50 trees, tuned"],
}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
colors = {"labels alone": "0.45", "and five new rows for each": "C0"}
for axis, kind in zip(axes, students, strict=True):
    axis.plot(BUDGETS, [mean[n]["teacher"] for n in BUDGETS], "k:", label="teacher")
    for way in WAYS:
        values = np.array([[s[kind, way] for s in found[n]] for n in BUDGETS])
        color = colors.get(way, "C3")
        axis.plot(BUDGETS, values.mean(axis=1), "o-", ms=4, color=color, label=way)
        axis.fill_between(
            BUDGETS, values.min(axis=1), values.max(axis=1), color=color, alpha=0.15, lw=0
        )
    for name, style in zip(drawn[kind], ("--", "-."), strict=False):
        values = [mean[n][name, "labels alone"] for n in BUDGETS]
        axis.plot(BUDGETS, values, style, color="0.45", lw=1, label=f"{name}, labels alone")
    axis.set(title=kind, xlabel="labels", xscale="log")
    axis.set_xticks(BUDGETS, BUDGETS)
    axis.minorticks_off()
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("ROC AUC on other rows")
for axis in axes:
    axis.legend(frameon=False, loc="lower right", fontsize=8)
if "__file__" in globals():
    picture = Path(__file__).with_suffix(".png").name
    figure.savefig(picture, dpi=120)
    print(f"picture: {picture}")

# %%
# A tree to read
# --------------
# With 400 labels, eight leaves and 11,600 rows that have none: the whole model on one page.

from sklearn.tree import export_text

train, test = rows_of(0)
few, rest = train[:400], train[400:]
small = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
for way, more in (("labels alone", None), ("with the teacher", X[rest])):
    alpha = 0 if more is None else "auto"
    model = DistillationClassifier(teacher, small, alpha=alpha, random_state=0)
    model.fit(X[few], y[few], X_unlabeled=more)
    auc = roc_auc_score(y[test], model.predict_proba(X[test])[:, 1])
    print(f"eight leaves, {way}: AUC {auc:.3f}")
print(export_text(model.student_, feature_names=names))
