"""Learning from a fitted teacher where nobody knows a label: ``fit(X, None)``."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, DistillationClassifierCV
from sklearn_distill.augmentation import Munge
from tests.stubs import Calls, CentroidClassifier, RecordingClassifier

X, y = make_classification(400, 6, n_informative=4, n_classes=3, random_state=0)
TREE = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)
TEACHER = RandomForestClassifier(20, min_samples_leaf=4, random_state=0).fit(X[:150], y[:150])
REST = X[150:]
STUDENTS = [
    TREE,
    LogisticRegression(),
    Ridge(),
    LGBMClassifier(n_estimators=5, min_child_samples=5, verbose=-1, random_state=0),
    KNeighborsClassifier(),
    make_pipeline(StandardScaler(), TREE),
    None,
]
ids = [type(student).__name__ for student in STUDENTS]
drawn = pytest.mark.filterwarnings("ignore:KNeighborsClassifier learns from labels")


class Shy:
    """A teacher of a rare event, which it never holds more likely than not."""

    classes_ = np.array(["honest", "fraud"])

    def predict_proba(self, X):
        rare = 0.4 / (1 + np.exp(-np.asarray(X)[:, 0]))
        return np.c_[1 - rare, rare]


@drawn
@pytest.mark.parametrize("temperature", [1, 8])
@pytest.mark.parametrize("student", STUDENTS, ids=ids)
def test_it_is_learning_with_labels_that_have_no_share(student, temperature):
    settings = {"temperature": temperature, "random_state": 0}
    alone = DistillationClassifier(TEACHER, student, **settings).fit(REST, None)
    likely = TEACHER.predict(REST)
    assert len(np.unique(likely)) == 3
    told = DistillationClassifier(TEACHER, student, alpha=1, **settings).fit(REST, likely)
    assert_array_equal(alone.predict_proba(REST), told.predict_proba(REST))
    assert alone.alpha_ == 1
    assert alone.teacher_ is TEACHER
    assert alone.label_source_ == "fitted"
    assert "no labels" in alone.reason_
    assert alone.alpha == "auto"


@drawn
@pytest.mark.parametrize("student", STUDENTS, ids=ids)
def test_a_class_that_is_nobodys_first_choice_is_learned_too(student):
    model = DistillationClassifier(Shy(), student, random_state=0).fit(REST, None)
    assert model.classes_.tolist() == ["fraud", "honest"]
    proba = model.predict_proba(REST)[:, 0]
    expected = Shy().predict_proba(REST)[:, 1]
    assert np.corrcoef(proba, expected)[0, 1] > 0.5
    assert_allclose(proba.mean(), expected.mean(), rtol=0.25)


def test_further_rows_new_rows_and_weights():
    weight = np.arange(1.0, 101)
    settings = {"augmenter": Munge(), "random_state": 0}
    alone = DistillationClassifier(TEACHER, TREE, **settings)
    alone.fit(REST[:100], None, weight, X_unlabeled=REST[100:])
    told = DistillationClassifier(TEACHER, TREE, alpha=1, temperature=2, **settings)
    told.fit(REST[:100], TEACHER.predict(REST[:100]), weight, X_unlabeled=REST[100:])
    assert_array_equal(alone.predict_proba(X), told.predict_proba(X))


def test_further_rows_without_weight_are_left_out():
    model = DistillationClassifier(TEACHER, TREE, unlabeled_weight=0, random_state=0)
    without = model.fit(REST[:100], None).predict_proba(X)
    with_more = model.fit(REST[:100], None, X_unlabeled=REST[100:]).predict_proba(X)
    assert_array_equal(with_more, without)
    calls = Calls()
    teacher = RecordingClassifier(calls=calls).fit(X, y)
    calls.clear()
    model = DistillationClassifier(teacher, TREE)
    for rows, weight, match in (
        (None, None, "requires X to be passed"),
        (REST, np.ones(3), "sample_weight"),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(rows, None, weight)
    assert calls == []


def test_frames_and_searches():
    frame = pd.DataFrame(REST, columns=list("abcdef"))
    teacher = RandomForestClassifier(5, random_state=0).fit(frame, y[150:])
    model = DistillationClassifier(teacher, TREE).fit(frame, None)
    assert model.feature_names_in_.tolist() == list("abcdef")
    search = GridSearchCV(
        DistillationClassifier(teacher, TREE), {"temperature": [1, 2]}, scoring=lambda *a: 0, cv=2
    )
    assert search.fit(frame).best_estimator_.alpha_ == 1


def test_the_teacher_is_asked_once():
    calls = Calls()
    teacher = RecordingClassifier(calls=calls).fit(X, y)
    calls.clear()
    DistillationClassifier(teacher, TREE).fit(REST, None)
    assert [call["method"] for call in calls] == ["predict_proba"]


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (DistillationClassifier(CentroidClassifier(), TREE), "requires y.*a fitted classifier"),
        (DistillationClassifier(None, TREE), "requires y to be passed"),
        (DistillationClassifier(None, TREE, alpha=0), "requires y to be passed"),
        (DistillationClassifier(TEACHER, TREE, alpha=0.5), "alpha=0.5 would use real labels"),
        (
            DistillationClassifier(TEACHER, TREE, calibrate=True),
            "calibrate=True would use real",
        ),
        (DistillationClassifier(TEACHER, TREE, trust="correct"), "trust='correct' would use"),
        (
            DistillationClassifier(TEACHER, DecisionTreeClassifier(class_weight="balanced")),
            "class_weight='balanced' of the student counts labels",
        ),
        (
            DistillationClassifier(TEACHER, LGBMClassifier(is_unbalance=True)),
            "is_unbalance=True of the student counts labels",
        ),
        (DistillationClassifierCV(TEACHER, TREE), "candidates are compared by real labels"),
    ],
)
def test_what_needs_labels_says_so(model, match):
    with pytest.raises(ValueError, match=match):
        model.fit(REST, None)
    assert not [name for name in vars(model) if name.endswith("_")]
