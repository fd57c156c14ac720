"""
==============================
A tree that teaches itself
==============================

No teacher at hand? A model can be its own. A tree is fitted on the labels, and a second one, of
the same size, learns what the first would have said of rows that it had not seen. Two models can
also learn from each other. Both cost nothing but training time, and the file that is shipped stays
as small as it was.

A minute, and 14 MB to download the first time.

.. image:: /_static/gallery/self_taught.png
   :alt: Log loss of a tree over generations, on rows held out and on new rows.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/self_taught.png"

# %%
# Gamma rays
# ----------
# 19,020 showers of particles in a telescope: gamma rays, or hadrons? Half of them to learn from.

import warnings

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import (
    MutualDistillationClassifier,
    SelfDistillationClassifier,
    distillation_report,
)

X, y = real_data.keel("magic")
y = (y == "g").astype(int)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=0.5, random_state=0)


def scores(model):
    p = model.predict_proba(X_test)[:, 1]
    return f"ROC AUC {roc_auc_score(y_test, p):.4f}, log loss {log_loss(y_test, p):.4f}"


# %%
# Born again
# ----------
# Generation 0 is fitted on the labels. Each next one is taught by the one before it, and it ends
# when the log loss on rows held out no longer falls clearly.

tree = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
born_again = SelfDistillationClassifier(
    tree, n_generations=6, alpha=0.5, temperature=2, random_state=0
).fit(X_train, y_train)
print("log loss on rows held out:", born_again.losses_.round(4))
print("kept: generation", born_again.best_generation_)
print("on labels ", scores(clone(tree).fit(X_train, y_train)))
print("born again", scores(born_again))

# %%
# A network too
# -------------
# Networks gain less: there is less variance to be averaged away. Where nothing is gained,
# generation 0 is kept.

network = make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=40, random_state=0))
with_network = SelfDistillationClassifier(network, n_generations=2, cv=3, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    with_network.fit(X_train, y_train)
    print("on labels ", scores(clone(network).fit(X_train, y_train)))
print("log loss on rows held out:", with_network.losses_.round(4))
print("born again", scores(with_network), "generation", with_network.best_generation_)

# %%
# Learning from each other
# ------------------------
# A tree and a network know different things. They take turns: each is taught what the other says
# of rows that it has not seen, and keeps it if its own loss on rows held out has clearly fallen.
# Here the tree learns, and the network, which knows more, has nothing to learn from it.

pair = MutualDistillationClassifier(
    [("tree", tree), ("network", network)],
    alpha=0.75,
    temperature=2,
    keep="tree",
    cv=3,
    n_rounds=2,
    random_state=0,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    pair.fit(X_train, y_train)
for name, losses in pair.losses_.items():
    print(name, losses.round(4))
print("the tree that has listened", scores(pair))

# %%
# The picture
# -----------

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
generations = np.arange(len(born_again.losses_))
ax.plot(generations, born_again.losses_, "o-", color="#0072b2", label="on rows held out")
later = [log_loss(y_test, one.predict_proba(X_test)) for one in born_again.generations_]
ax.plot(np.arange(len(later)), later, "s--", color="#e69f00", label="on new rows")
ax.axvline(born_again.best_generation_, color="#808080", ls=":", label="the generation kept")
ax.set(xlabel="Generation", ylabel="Log loss of the tree", xticks=generations)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
figure.savefig("self_taught.png", dpi=110)

# %%
# The report
# ----------
# The teacher is the generation before. What is to be looked at is the tuned twin: settings that
# prune a tree do a part of the same work.

report = distillation_report(born_again, X_train, y_train, X_test, y_test, n_jobs=-1)
print(report)
