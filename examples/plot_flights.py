"""
===============================================
Ten thousand labels, and three million flights
===============================================

Was a flight late by more than an hour? We pretend to know it of ten thousand flights out of three
million. A booster of three hundred trees learns from these, labels all the others, and small
students learn from the labels, batch by batch: the flights never lie in memory as a whole. Is that
better than a student that learns from the ten thousand?

Two minutes, and 18 MB to download the first time (with ``npm``).

.. image:: /_static/gallery/flights.png
   :alt: Average precision of three students, taught by ten thousand labels and by a booster on
         all flights.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/flights.png"

# %%
# The flights
# -----------
# They lie in a Parquet file. One in ten is for the test, of the others ten thousand keep their
# label. In a file of your own all that is needed is a column that tells the rows apart, and one
# with labels where they are known.

import tempfile
import time

import matplotlib.pyplot as plt
import pandas as pd
import real_data  # next to this file: it downloads the data and keeps them
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from sklearn_distill import DistillationClassifier, label_transfer_set

columns = ["day", "weekday", "minute", "distance", "origin", "destination"]
flights = pd.read_parquet(real_data.flights_file())
test = flights.sample(frac=0.1, random_state=0)
rest = flights.drop(test.index)
few = rest.sample(10_000, random_state=0)
rest["late"] = rest["late"].where(rest.index.isin(few.index)).astype("Int8")
folder = tempfile.mkdtemp()
rest.to_parquet(f"{folder}/flights.parquet", row_group_size=65_536)
print(f"{len(rest):,} flights, {len(few):,} with a label, of which {few['late'].sum()} were late")
del flights, rest

# %%
# The labels
# ----------
# The booster is not fitted: it is fitted on the flights with a label, and these are labelled by
# boosters that have not seen them. On a cluster the same call takes ``engine="dask"``, ``"ray"``
# or ``"spark"``. Whatever stops it, calling it again goes on where it was.

teacher = LGBMClassifier(
    n_estimators=300,
    learning_rate=0.03,
    num_leaves=15,
    colsample_bytree=0.7,
    subsample=0.7,
    subsample_freq=1,
    random_state=0,
    verbose=-1,
)
start = time.perf_counter()
transfer_set = label_transfer_set(
    teacher,
    f"{folder}/flights.parquet",
    f"{folder}/labels",
    columns=columns,
    key="id",
    target="late",
    n_jobs=2,
)
print(transfer_set)
print(f"{transfer_set.n_rows / (time.perf_counter() - start):,.0f} flights per second")

# %%
# Three students
# --------------
# A linear model with a weight for each airport, fifty trees of eight leaves, a network.

airports = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["origin", "destination", "weekday"]),
    remainder=StandardScaler(),
)
network = nn.Sequential(
    nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
)
students = {
    "linear model": make_pipeline(airports, SGDClassifier(loss="log_loss", random_state=0)),
    "50 trees of 8 leaves": LGBMClassifier(n_estimators=50, num_leaves=8, verbose=-1),
    "network": make_pipeline(StandardScaler(), network),
}


def score(model):
    return average_precision_score(test["late"], model.predict_proba(test[columns])[:, 1])


found = {}
for name, student in students.items():
    hard = DistillationClassifier(None, student, alpha=0, random_state=0)
    by_labels = score(hard.fit(few[columns], few["late"]))
    start = time.perf_counter()
    model = DistillationClassifier(None, student, random_state=0).fit_transfer_set(transfer_set)
    seconds = time.perf_counter() - start
    found[name] = by_labels, score(model)
    print(f"{name:22} labels {by_labels:.3f}, transfer set {found[name][1]:.3f} ({seconds:.0f} s)")
of_teacher = score(teacher.fit(few[columns], few["late"]))
print(f"{'the teacher':22} {of_teacher:.3f}; by chance {test['late'].mean():.3f}")

# %%
# The picture
# -----------
# Each student is compared with itself on labels alone. Other models are stronger rivals: a booster
# of the same bytes, on the ten thousand labels, does as well as these students or better. The page
# :ref:`scale` has it in its table.

figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for i, (by_labels, by_teacher) in enumerate(found.values()):
    axes.plot([by_labels, by_teacher], [i, i], color="0.8", zorder=1)
    axes.scatter(by_labels, i, color="C1", label="10,000 labels" if i == 0 else None)
    axes.scatter(
        by_teacher, i, color="C0", label="the teacher, on all flights" if i == 0 else None
    )
axes.axvline(of_teacher, color="0.5", linestyle=":", label="the teacher itself")
axes.set(
    yticks=range(len(found)),
    yticklabels=list(found),
    xlabel="average precision (flights late by more than an hour)",
    ylim=(len(found) - 0.5, -0.5),
)
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize="small")
figure.savefig("flights.png", dpi=150)
plt.show()
