"""scikit-learn's callbacks, where its release has them."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, DistillationClassifierCV

pytest.importorskip("sklearn.callback")

X, Y = load_iris(return_X_y=True)
SEEN = []


class Recorder:
    """Notes which tasks begin and end; of a meta-estimator it is passed on."""

    max_propagation_depth = None

    def setup(self, estimator, context):
        SEEN.append(("setup", type(estimator).__name__))

    def teardown(self, estimator, context):
        SEEN.append(("teardown", type(estimator).__name__))

    def on_fit_task_begin(self, estimator, context, *, X, y):
        assert X is None or len(X) == len(y)
        SEEN.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context):
        SEEN.append(("end", context.task_name))


@pytest.fixture(autouse=True)
def forget():
    SEEN.clear()


def make(**settings):
    settings = {"alpha": 0.5, "temperature": 1.0} | settings
    return DistillationClassifier(GaussianNB(), DecisionTreeClassifier(random_state=0), **settings)


def test_the_stages_are_tasks():
    model = make().set_callbacks(Recorder()).fit(X, Y)
    stages = ["labels from the teacher", "weighted-labels for the student"]
    expected = [("setup", "DistillationClassifier"), ("begin", "fit")]
    for name in stages:
        expected += [("begin", name), ("end", name)]
    assert [*expected, ("end", "fit"), ("teardown", "DistillationClassifier")] == SEEN
    plain = make().fit(X, Y)
    assert (model.predict_proba(X) == plain.predict_proba(X)).all()
    assert not [name for name in vars(plain) if "callback" in name]


def test_a_search_of_ours_has_four():
    student = DecisionTreeClassifier(max_leaf_nodes=4)
    search = DistillationClassifierCV(
        GaussianNB(), student, alphas=[0, 0.5], temperatures=[1], cv=3
    )
    search.set_callbacks(Recorder()).fit(X, Y)
    begun = [name for what, name in SEEN if what == "begin"]
    assert begun == [
        "fit",
        "the student on labels, in each fold",
        "labels from the teacher",
        "the distilled students, in each fold",
        "the chosen student on all rows",
    ]


def test_a_search_of_scikit_learn_passes_them_on():
    search = GridSearchCV(make(), {"alpha": [0.0, 0.5]}, cv=2)
    search.set_callbacks(Recorder()).fit(X, Y)
    assert sum(name == "weighted-labels for the student" for _, name in SEEN) >= 2


def test_they_are_taken_down_when_a_fit_fails():
    model = make(strategy="soft-boosting").set_callbacks(Recorder())
    with pytest.raises(TypeError):
        model.fit(X, Y)
    model = make().set_callbacks(Recorder())
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), Y)
    setups, teardowns = (sum(what == w for what, _ in SEEN) for w in ("setup", "teardown"))
    assert setups == teardowns
