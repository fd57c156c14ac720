"""
=========================================
Proteins and ad clicks at the size of a phone
=========================================

Values, not classes: how far is the model of a protein's structure from the real one? And what is
an ad worth, if one in two hundred is clicked? In both a heavy teacher is brought down to some
kilobytes, and the report says whether the teacher was needed for it.

Two minutes, and 90 MB to download the first time.

.. image:: /_static/gallery/values.png
   :alt: R² against bytes of all candidates for the protein data.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/values.png"

# %%
# Protein structures
# ------------------
# 46,000 decoys, nine properties of each, and its distance from the native structure in Å. 10,000
# are to learn from, the others to judge by.

import matplotlib.pyplot as plt
import numpy as np
import real_data  # next to this file: it downloads the data and keeps them
from lightgbm import LGBMRegressor
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
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=10_000, random_state=0)
X_test, y_test = X_test[:15_000].reset_index(drop=True), y_test[:15_000]
trees = ExtraTreesRegressor(200, min_samples_leaf=2, n_jobs=-1, random_state=0)
boosted = LGBMRegressor(n_estimators=400, learning_rate=0.05, verbose=-1, random_state=0)
teacher = TeacherEnsemble([("trees", trees), ("boosted", boosted)])

# %%
# A tree to read
# --------------
# ``alpha="auto"`` follows a teacher that is clearly closer to the real values than the tree alone
# is, on rows that neither has seen.

tree = DecisionTreeRegressor(max_leaf_nodes=64, random_state=0)
model = DistillationRegressor(teacher, tree, random_state=0).fit(X_train, y_train)
print(model.reason_)
report = distillation_report(model, X_train, y_train, X_test, y_test, stability=3, n_jobs=-1)
print(report)

# %%
# The best under 32 kB
# --------------------
# Trees, boosters, linear models, networks and forests, each on the real values and distilled, in
# two ways: with the teacher's values, and with new rows that the teacher labels.

found = select_student(
    teacher, X_train, y_train, max_bytes=32_000, random_state=0, n_jobs=-1, verbose=1
)
print(found)
print(f"R² on new rows: {found.best_estimator_.score(X_test, y_test):.3f}")
print(f"the tree:       {model.score(X_test, y_test):.3f}")
print(f"the teacher:    {model.teacher_.score(X_test, y_test):.3f}")
display = found.plot()
display.figure_.set_size_inches(7, 4.2)
display.figure_.savefig("values.png", dpi=110)

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
    objective="poisson", n_estimators=60, num_leaves=15, learning_rate=0.05, verbose=-1
)
small = make_pipeline(encode, PoissonRegressor(alpha=1e-4, max_iter=1000))
ads = DistillationRegressor(rates, small, alpha=0.5, random_state=0).fit(A_train, c_train)
alone = DistillationRegressor(None, small, alpha=0).fit(A_train, c_train)
constant = np.full(len(c_test), c_train.mean())
for name, said in {
    "teacher": ads.teacher_.predict(A_test),
    "distilled": ads.predict(A_test),
    "on the clicks": alone.predict(A_test),
    "one rate for all": constant,
}.items():
    print(f"{name:17} {mean_poisson_deviance(c_test, np.maximum(said, 1e-6)):.5f}")

# %%
# With so few clicks nobody knows much, and the report says so in its own way: by the score that is
# asked for, here the Poisson deviance, all are within each other's error.

print(
    distillation_report(
        ads,
        *(A_train, c_train, A_test, c_test),
        rivals=["hard", "linear"],
        scoring="neg_mean_squared_error",
        stability=0,
        artefact="pickle",
    )
)
plt.close("all")
