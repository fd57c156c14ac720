"""
===================================
Was it worth it? A report in a call
===================================

Two students, two verdicts. A tree that reads handwritten digits gains by its teacher what no
search over its settings would have given; a tree that tells tumours apart gains as well, and
should not be used all the same. :func:`~sklearn_distill.distillation_report` says both.

Everything here is on scikit-learn's own small data sets and takes seconds.
"""

# %%
# A tree of 32 leaves, and digits
# -------------------------------
# Does the image show a 5 or more? The report compares the distilled tree with its teacher, with
# the same tree on hard labels, and with that tree after a search over its leaves.

from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, distillation_report

X, y = load_digits(return_X_y=True, as_frame=True)
y = y.ge(5).map({True: "5 or more", False: "0 to 4"})
rows = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
X_train, X_test, y_train, y_test = rows
teacher = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=0).fit(X_train, y_train)
student = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0)
model = DistillationClassifier(teacher, student, cv=5, random_state=0).fit(X_train, y_train)

report = distillation_report(model, X_train, y_train, X_test, y_test, rivals=["hard", "tuned"])
print(report)

# %%
# A teacher that was fitted on these very rows knows them by heart; ``cv=5`` has them labelled by
# clones of it that have not seen them.
#
# The same in pictures
# --------------------

_ = report.plot()

# %%
# A tree of eight leaves, and tumours
# -----------------------------------
# Here the same comparison with the same student on hard labels would be a triumph. The report
# also asks whether there is a better model for these bytes and microseconds, and there is: the
# task is nearly linear, and nobody needs a teacher for it.

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
rows = train_test_split(X, y, test_size=0.5, random_state=0)
X_train, X_test, y_train, y_test = rows
teacher = RandomForestClassifier(random_state=0).fit(X_train, y_train)
student = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
model = DistillationClassifier(teacher, student, random_state=0).fit(X_train, y_train)

size = X_test["mean area"].gt(700).map({True: "large", False: "small"})
report = distillation_report(model, X_train, y_train, X_test, y_test, groups=size)
print(report.verdict)

# %%
# In a notebook the report is a set of tables.

report
