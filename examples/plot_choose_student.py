"""
=============================
Choosing a student for 10 kB
=============================

A tree, a booster of a few trees, a logistic regression, a small network? And should it learn from
the labels or from a teacher? :func:`~sklearn_distill.select_student` measures all of them as they
would be shipped, drops what is over the budget, and compares the rest by cross-validation.
"""

# %%
# Even or odd?
# ------------
# Handwritten digits, half of them to learn from. The teacher is a forest, and it comes unfitted:
# it is fitted 16 times, so that the labels that a student learns from in a fold come from teachers
# that have not seen what the fold holds out.

from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import select_student

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y % 2, train_size=0.5, random_state=0)
teacher = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=0)

found = select_student(teacher, X_train, y_train, max_bytes=10_000, random_state=0, n_jobs=-1)
print(found)

# %%
# The best is a small network, and it has learned as much from the labels alone: nobody needs the
# teacher for it. What else was tried:

found.results_.sort_values("score", ascending=False).head(10)

# %%
# The trade-off
# -------------
# Score against bytes. The line joins what nothing else beats in both, and the circle is around
# what was chosen.

_ = found.plot()

# %%
# If someone has to read it
# -------------------------
# A tree of at most 64 leaves, or a linear model:

readable = select_student(teacher, X_train, y_train, readable=True, random_state=0, n_jobs=-1)
print(readable)

# %%
# If it has to be a tree
# ----------------------
# Candidates may be one's own. Among trees, the teacher is worth it.

trees = [
    (f"{n} leaves", DecisionTreeClassifier(max_leaf_nodes=n, random_state=0))
    for n in (8, 16, 32, 64)
]
tree = select_student(teacher, X_train, y_train, candidates=trees, random_state=0, n_jobs=-1)
print(tree)

# %%
# On digits that none of them has seen, beside the best tree without a teacher:

alone = select_student(None, X_train, y_train, candidates=trees, random_state=0)
models = {
    "teacher": teacher.fit(X_train, y_train),
    found.best_name_: found.best_estimator_,
    readable.best_name_: readable.best_estimator_,
    tree.best_name_: tree.best_estimator_,
    alone.best_name_: alone.best_estimator_,
}
for name, model in models.items():
    print(f"{roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]):.3f}  {name}")
