"""
=============================================
Proteins and ad clicks at the size of a phone
=============================================

Values, not classes: how far is the model of a protein's structure from the real one? And what is
an ad worth, if one in two hundred is clicked? In both a heavy teacher is brought down to some
kilobytes, and the report says whether the teacher was needed for it.

Some minutes, and 90 MB to download the first time.

.. image:: /_static/gallery/values.png
   :alt: R² against bytes of all candidates for the protein data.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/values.png"

# %%
# Protein structures
# ------------------
# 46,000 decoys, nine properties of each, and its distance from the native structure in Å. 5,000
# are to learn from, 15,000 others to judge by.

import matplotlib.pyplot as plt
import numpy as np
import real_data  # next to this file: it downloads the data and keeps them
from lightgbm import LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

from sklearn_distill import (
    DistillationRegressor,
    TeacherEnsemble,
    distillation_report,
    select_student,
)

X, y = real_data.values("casp")
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=5_000, random_state=0)
X_test, y_test = X_test[:15_000].reset_index(drop=True), y_test[:15_000]
trees = ExtraTreesRegressor(100, min_samples_leaf=2, n_jobs=-1, random_state=0)
boosted = LGBMRegressor(n_estimators=200, learning_rate=0.05, verbose=-1, random_state=0)
teacher = TeacherEnsemble([("trees", trees), ("boosted", boosted)])


def alone(student):
    return clone(student).fit(X_train, y_train).score(X_test, y_test)


# %%
# A tree to read
# --------------
# ``alpha="auto"`` follows a teacher that is clearly closer to the real values than the tree alone
# is, on rows that neither has seen. It gains little here: 64 leaves are too few for proteins.

tree = DecisionTreeRegressor(max_leaf_nodes=64, random_state=0)
model = DistillationRegressor(teacher, tree, random_state=0).fit(X_train, y_train)
print(model.reason_)
print(f"R² {model.score(X_test, y_test):.3f}, on the real values {alone(tree):.3f}")

# %%
# The best under 32 kB
# --------------------
# Boosters, networks and trees, each on the real values and distilled, in two ways: with the
# teacher's values, and with new rows beside them, ten for each real one, that the teacher labels.

found = select_student(teacher, X_train, y_train, max_bytes=32_000, random_state=0, n_jobs=-1)
print(found)
display = found.plot()
display.figure_.set_size_inches(7, 4.2)
display.figure_.savefig("values.png", dpi=110)

# %%
# Was the teacher needed for it?
# ------------------------------
# The report fits the same network on the real values, tunes it, and looks for the best model on
# the real values of the same bytes and microseconds.

report = distillation_report(
    found.best_estimator_,
    *(X_train, y_train, X_test, y_test),
    teacher=model.teacher_,
    n_jobs=-1,
)
print(report)

# %%
# Clicks
# ------
# 60,000 ads that were shown, of which one in two hundred was clicked: weak signal. What is wanted
# is the click rate, so a student of Poisson loss learns the teacher's rate.

from sklearn.compose import make_column_transformer
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

clicks, clicked = real_data.ad_clicks()
categories = clicks.select_dtypes("category").columns.tolist()
encode = make_column_transformer(
    (OneHotEncoder(min_frequency=100, handle_unknown="ignore", sparse_output=False), categories),
    remainder="passthrough",
)
A_train, A_test, c_train, c_test = train_test_split(
    clicks, clicked.astype(float), test_size=0.5, random_state=0
)
rates = LGBMRegressor(
    objective="poisson",
    n_estimators=30,
    num_leaves=4,
    min_child_samples=500,
    learning_rate=0.05,
    cat_smooth=100,
    verbose=-1,
)
small = make_pipeline(encode, PoissonRegressor(alpha=1e-3, max_iter=1000))
ads = DistillationRegressor(rates, small, alpha=0.5, random_state=0).fit(A_train, c_train)

# %%
# The report is by the Poisson deviance. It finds no gain, and there was none to be had: on other
# splits even the teacher is no better than one rate for all ads.

print(
    distillation_report(
        ads,
        *(A_train, c_train, A_test, c_test),
        rivals=["hard", "linear"],
        scoring="neg_mean_poisson_deviance",
        n_bootstrap=300,
        stability=0,
        artefact="pickle",
    )
)
rate = np.full(len(c_test), c_train.mean())
print(f"one rate for all: {-mean_poisson_deviance(c_test, rate):.4f}")
plt.close("all")
