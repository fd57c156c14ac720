"""Write errors.rst: each message on that page is made by running the mistake.

``python docs/make_errors.py`` writes the page anew. A test compares it with what the package says.
"""

import textwrap
import warnings
from pathlib import Path

PAGE = Path(__file__).with_name("errors.rst")

#: What every mistake below may use.
SETUP = """
import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier, GroupKFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from lightgbm import LGBMClassifier
from sklearn_distill import DistillationClassifier

X, y = load_breast_cancer(return_X_y=True)
X, y, X_new = X[:200], y[:200], X[200:]
teacher = GaussianNB().fit(X, y)
P = teacher.predict_proba(X)
tree = DecisionTreeClassifier(max_depth=3)

class SMOTE(BaseEstimator):  # stands for any sampler of imbalanced-learn
    def fit_resample(self, X, y):
        return X, y
"""

#: By chapter: the mistake, and what it means.
MISTAKES = {
    "The teacher": [
        (
            "DistillationClassifier(RandomForestClassifier, tree).fit(X, y)",
            "The class was passed; its instance is wanted. The same is said of a student, a "
            "strategy or a splitter.",
        ),
        (
            "DistillationClassifier([teacher, teacher], tree).fit(X, y)",
            "One estimator teaches. Several are combined into one first.",
        ),
        (
            "DistillationClassifier(teacher.predict_proba, tree).fit(X, y)",
            "A function has no classes that could be compared with those of y. What it returns "
            "can be passed.",
        ),
        (
            "DistillationClassifier(LinearRegression(), tree).fit(X, y)",
            "A teacher of classes must know classes.",
        ),
        (
            "DistillationClassifier(None, tree).fit(X, y)",
            "Nobody there to learn from.",
        ),
        (
            "DistillationClassifier(teacher, tree).fit(X, np.where(X[:, 0] > 20, 2, y))",
            "y holds classes that the fitted teacher never saw. Had they been left out in "
            "silence, the student would never predict them.",
        ),
        (
            "DistillationClassifier(teacher, tree).set_params(teacher__var_smoothing=1e-3)",
            "A fitted teacher is used as it is. In a search, pass it unfitted to search over its "
            "settings.",
        ),
        (
            "forest = DecisionTreeClassifier(random_state=0).fit(X, y)\n"
            "DistillationClassifier(forest, tree).fit(X, y)",
            "A warning. Labels of a teacher for the rows it was fitted on can be worthless: it "
            "remembers them.",
        ),
    ],
    "Its output": [
        (
            "DistillationClassifier(teacher, tree).fit(X, y, teacher_output=P)",
            "Which of the two is meant?",
        ),
        (
            "DistillationClassifier(None, tree).fit(X, y, teacher_output=np.log(P + 1e-9))",
            "Logits or logarithms were passed.",
        ),
        (
            "DistillationClassifier(None, tree).fit(X, y, teacher_output=P[:, 1])",
            "The probabilities of one class were passed.",
        ),
        (
            "DistillationClassifier(None, tree, alpha=0.5).fit(X, y, teacher_output=P[:, ::-1])",
            "A warning: the columns are in another order than the sorted classes, most likely; or "
            "the rows in another order than those of X.",
        ),
    ],
    "Rows and labels": [
        (
            "DistillationClassifier(teacher, tree).fit(X, X[:, 0])",
            "y holds measurements, and this is a classifier.",
        ),
        (
            "DistillationClassifier(GaussianNB(), tree).fit(X, None)",
            "Without any label a student learns from its teacher alone. This teacher has yet to "
            "learn itself.",
        ),
        (
            "DistillationClassifier(teacher, tree, alpha=0).fit(X, np.where(X[:, 0] > 20, -1, y))",
            "A warning: scikit-learn's semi-supervised estimators mark rows without a label by "
            "-1. Here they are passed on their own.",
        ),
        (
            "DistillationClassifier(teacher, tree).fit(X, np.ones(200))",
            "There is nothing to tell apart.",
        ),
        (
            "DistillationClassifier(teacher, tree).fit(X, y, X_unlabeled=X_new[:, :5])",
            "The teacher is to label these rows, so they must be like those of X.",
        ),
        (
            "cv = ShuffleSplit(3, random_state=0)\n"
            "DistillationClassifier(GaussianNB(), tree, cv=cv).fit(X, y)",
            "A row that is never held out would get a label from a teacher that saw it. Splits "
            "that go forward in time (``TimeSeriesSplit``) are the exception: their first rows "
            "are learned from y alone.",
        ),
        (
            "DistillationClassifier(GaussianNB(), tree, cv=GroupKFold(2)).fit(X, y)",
            "The splitter needs to know the groups.",
        ),
    ],
    "The student": [
        (
            "DistillationClassifier(teacher, KMeans()).fit(X, y)",
            "It learns neither labels nor numbers.",
        ),
        (
            "DistillationClassifier(teacher, FrozenEstimator(tree.fit(X, y))).fit(X, y)",
            "A student is fitted anew; the one that is passed is left as it is in any case.",
        ),
        (
            "student = FixedThresholdClassifier(LogisticRegression(), threshold=0.1)\n"
            "DistillationClassifier(teacher, student).fit(X, y)",
            "Its threshold is for probabilities at temperature 1: "
            "``FixedThresholdClassifier(DistillationClassifier(...), threshold=0.1)``.",
        ),
        (
            "DistillationClassifier(teacher, tree, strategy='target-regression').fit(X, y)",
            "Each strategy teaches some kinds of students; ``strategy='auto'`` finds one.",
        ),
        (
            "DistillationClassifier(teacher, KNeighborsClassifier(), alpha=0.5).fit(X, y)",
            "A warning: this student takes no weights, so each row enters several times, with "
            "labels drawn from its soft target.",
        ),
        (
            "student = BaggingClassifier(SGDClassifier(early_stopping=True), 5)\n"
            "DistillationClassifier(teacher, student, alpha=0.5).fit(X, y)",
            "A warning: weighted copies of a row would be on both sides of a split deep inside "
            "the student, so each row gets one label, drawn from its soft target.",
        ),
        (
            "DistillationClassifier(teacher, KNeighborsClassifier(), alpha=0).fit(\n"
            "    X, y, sample_weight=y + 1)",
            "Weights that a student cannot use are not dropped in silence.",
        ),
        (
            "DistillationClassifier(teacher, tree).fit(X, y, categorical_feature=[0])",
            "What ``fit`` does not know goes to the student, and this one does not take it. It "
            "is found before the teacher is fitted, as are invalid settings of the student.",
        ),
        (
            "student = make_pipeline(StandardScaler(), tree)\n"
            "DistillationClassifier(teacher, student).fit(X, y, check_input=False)",
            "As in any Pipeline, a parameter is for the step that it names.",
        ),
        (
            "student = make_pipeline(StandardScaler(), SMOTE(), tree)\n"
            "DistillationClassifier(teacher, student).fit(X, y)",
            "New rows of a sampler would have no soft target. Before the model, the teacher "
            "labels them.",
        ),
        (
            "DistillationClassifier(teacher, SVC()).fit(X, y).predict_proba(X)",
            "The student decides which methods there are, as in scikit-learn's meta-estimators. "
            "(The cause is in the chained exception.)",
        ),
    ],
    "Networks and boosters": [
        (
            "X[0, 0] = np.nan\n"
            "DistillationClassifier(teacher, torch.nn.Linear(30, 2), alpha=0).fit(X, y)",
            "A network has no way with missing values. ``student=None`` has, and so does a "
            "Pipeline with a ``SimpleImputer``.",
        ),
        (
            "module = torch.nn.Linear(30, 3)\n"
            "DistillationClassifier(module, tree).fit(X.astype('float32'), y)",
            "Which of the outputs is which class?",
        ),
        (
            "student = LGBMClassifier(n_estimators=5, early_stopping_round=2, verbose=-1)\n"
            "DistillationClassifier(teacher, student).fit(X, y)",
            "Early stopping looks at rows that the booster does not train on.",
        ),
    ],
}

HEAD = """\
.. This page is written by docs/make_errors.py.

What the errors mean
====================

The mistakes that are made most often, what the package says, and what is meant. A message leads
with the one fact, and then says what to do. Mistakes are found before anything expensive runs
where that can be, and a ``fit`` that fails leaves everything as it was.

In all of them ``X, y`` are labelled rows, ``teacher`` is a fitted ``GaussianNB``, ``P`` its
probabilities, and ``tree`` a ``DecisionTreeClassifier``.
"""

TABLE = """\
.. list-table::
   :header-rows: 1
   :widths: 45 55

   * - The mistake
     - What it says, and what is meant
"""


def message_of(mistake):
    """Run a mistake and return what it says: its exception, or else its one warning."""
    names = {}
    exec(SETUP, names)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            exec(mistake, names)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, AttributeError) else None
            return f"{type(error).__name__}: {cause or error}"
    assert len(said) == 1, [str(warning.message) for warning in said]
    (warning,) = said
    return f"{warning.category.__name__}: {warning.message}"


def render():
    """Return the page."""
    parts = [HEAD]
    for chapter, mistakes in MISTAKES.items():
        parts.append(f"\n{chapter}\n{'-' * len(chapter)}\n\n{TABLE}")
        for mistake, meaning in mistakes:
            code = textwrap.indent(mistake, " " * 10)
            said = textwrap.indent(textwrap.fill(f"``{message_of(mistake)}``", 90), " " * 7)
            means = textwrap.indent(textwrap.fill(meaning, 90), " " * 7)
            parts.append(f"   * - .. code-block:: python\n\n{code}\n\n")
            parts.append(f"     - {said.lstrip()}\n\n{means}\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
