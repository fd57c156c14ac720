"""
=====================================
A report that a risk officer may read
=====================================

Three small students learn from the same heavy teacher to catch card fraud: a tree of 64 leaves, a
logistic regression, twenty small boosted trees. For each of them,
:func:`~sklearn_distill.distillation_report` says whether the teacher was worth it, at what price,
and who pays for the compression.

Some minutes: 284,807 payments are downloaded the first time (76 MB), the teacher is fitted, and
so are the rivals, each of which deserves its own search.

.. image:: /_static/gallery/fraud_report.png
   :alt: Fidelity, calibration, cost and groups of the distilled tree.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/fraud_report.png"

# %%
# The payments, and the teacher
# -----------------------------
# The first 70 % in time are to learn from, the last 30 % to judge by.

import time
import warnings
from pathlib import Path

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier

began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


X, y = real_data.credit_card_fraud()
n_train = int(0.7 * len(y))
X_train, X_test = X.iloc[:n_train], X.iloc[n_train:].reset_index(drop=True)
y_train, y_test = y[:n_train], y[n_train:]

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
teacher.named_estimators_["forest"].set_params(n_jobs=1)  # for one row more cores cost time
say(f"teacher fitted; {y_test.sum()} frauds among {len(y_test):,} later payments")

# %%
# Three students
# --------------
# With settings that were found before (the example *Catching card fraud with a tree that fits on
# one page* shows how). The amount of a payment is what an auditor would ask about first.

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, distillation_report

students = {
    "tree": (DecisionTreeClassifier(max_leaf_nodes=64, random_state=0), 4, 1),
    "logistic regression": (make_pipeline(StandardScaler(), LogisticRegression()), 1, 0.5),
    # Regressors learn log-odds, of the teacher or of the labels.
    "booster": (
        HistGradientBoostingRegressor(
            max_iter=20,
            max_leaf_nodes=8,
            learning_rate=0.3,
            early_stopping=False,
            random_state=0,
        ),
        1,
        0.5,
    ),
}
amount = np.select(
    [X_test["Amount"] < 10, X_test["Amount"] < 100], ["0 to 10", "10 to 100"], "100 or more"
)
reports = {}
for name, (student, temperature, alpha) in students.items():
    model = DistillationClassifier(
        teacher, student, temperature=temperature, alpha=alpha, random_state=0
    ).fit(X_train, y_train)
    say(f"{name} distilled")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rivals that do not converge
        reports[name] = distillation_report(
            model,
            X_train,
            y_train,
            X_test,
            y_test,
            rivals=["hard", "tuned", "same-budget"] if name == "tree" else ["hard", "tuned"],
            groups=amount,
            n_jobs=-1,
        )
    say(f"{name}: {reports[name].verdict}\n")

# %%
# The report of the tree
# ----------------------
# The teacher is worth a lot to a tree, and still a tree is the wrong choice, unless someone must
# read it: a network of sixteen units, of the same bytes and as fast, catches more frauds after
# learning from labels alone. Nobody would have looked for it in a comparison of trees.

print(reports["tree"])

# %%
# In pictures
# -----------

figure = reports["tree"].plot()
picture = Path(real_data.__file__).with_name("fraud_report.png")
figure.savefig(picture, dpi=110)
say(f"picture saved to {picture}")
