"""What "auto" settles for: the rules, who they are for, and what becomes of them."""

import re
from pathlib import Path

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier
from torch import nn

from sklearn_distill import DistillationClassifier
from sklearn_distill.augmentation import ColumnSwap
from sklearn_distill.rules import RULES, Losses, compare, keeps_labels, kind_of, settle

X, y = load_breast_cancer(return_X_y=True)
FOREST = RandomForestClassifier(30, min_samples_leaf=2, random_state=0)
TREE = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)
LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())
SMALL_FOREST = RandomForestClassifier(3, random_state=0)


class Chance(ClassifierMixin, BaseEstimator):
    """Answers at random, whatever it is asked."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.random.RandomState(0).dirichlet(np.ones(len(self.classes_)), len(X))


class OfMyOwn(RandomForestClassifier):
    pass


# -- kinds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("student", "kind"),
    [
        (DecisionTreeClassifier(), "tree"),
        (ExtraTreeClassifier(), "tree"),
        (GridSearchCV(DecisionTreeClassifier(), {"max_depth": [2]}), "tree"),
        (make_pipeline(StandardScaler(), make_pipeline(DecisionTreeClassifier())), "tree"),
        (GridSearchCV(make_pipeline(StandardScaler(), KNeighborsClassifier()), {}), "neighbours"),
        (RandomForestClassifier(), "forest"),
        (ExtraTreesClassifier(), "forest"),
        (BaggingClassifier(), "forest"),
        (OfMyOwn(), "forest"),
        (AdaBoostClassifier(), "booster"),
        (GradientBoostingClassifier(), "booster"),
        (HistGradientBoostingClassifier(), "booster"),
        (LGBMClassifier(), "booster"),
        (LGBMRegressor(), "booster"),
        (HistGradientBoostingRegressor(), "booster"),
        (DecisionTreeRegressor(), "tree"),
        (Ridge(), "linear"),
        (KNeighborsRegressor(), "neighbours"),
        (SVR(), "other"),
        (LogisticRegression(), "linear"),
        (SGDClassifier(), "linear"),
        (LinearDiscriminantAnalysis(), "linear"),
        (GaussianNB(), "linear"),
        (BernoulliNB(), "linear"),
        (None, "network"),
        (nn.Linear(2, 2), "network"),
        (make_pipeline(StandardScaler(), nn.Linear(2, 2)), "network"),
        (MLPClassifier(), "network"),
        (SVC(), "other"),
        (VotingClassifier([("tree", TREE)]), "other"),
        (Chance(), "other"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_every_student_is_of_a_kind(student, kind):
    assert kind_of(student) == kind


@pytest.mark.parametrize("name", ["XGBClassifier", "XGBRegressor"])
def test_xgboost_is_a_booster(name):
    xgboost = pytest.importorskip("xgboost")
    assert kind_of(getattr(xgboost, name)()) == "booster"


# -- rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("student", [TREE, SMALL_FOREST, KNeighborsClassifier(1)])
@pytest.mark.filterwarnings("ignore:KNeighborsClassifier learns from labels")
def test_auto_is_what_it_says(student, seed):
    student = make_pipeline(StandardScaler(), student)
    auto = DistillationClassifier(FOREST, student, random_state=seed).fit(X, y)
    given = clone(auto).set_params(alpha=auto.alpha_, temperature=auto.temperature_).fit(X, y)
    assert auto.alpha_ > 0
    assert_array_equal(auto.predict_proba(X), given.predict_proba(X))
    assert given.reason_ == "as given"
    assert (auto.alpha, auto.temperature) == ("auto", "auto")


@pytest.mark.parametrize("student", [LOGISTIC, HistGradientBoostingClassifier(max_iter=5)])
def test_a_student_that_learns_as_well_from_labels_is_its_twin(student):
    model = DistillationClassifier(FOREST, student)
    with pytest.warns(UserWarning, match="learns as well from the labels.*Set alpha=0.5"):
        model.fit(X, y)
    assert model.alpha_ == 0
    assert model.teacher_ is None  # nobody had to ask it
    bare = clone(student).fit(X, y)
    assert_array_equal(model.predict_proba(X), bare.predict_proba(X))


def test_it_has_a_use_for_new_rows_all_the_same():
    model = DistillationClassifier(FOREST, LOGISTIC)
    model.fit(X[:200], y[:200], X_unlabeled=X[200:])
    expected = RULES["linear"].extended
    assert (model.alpha_, model.temperature_) == (expected.alpha, expected.temperature)
    assert "further rows" in model.reason_
    real = DistillationClassifier(FOREST, LOGISTIC, alpha=0, temperature=1)
    real.fit(X[:200], y[:200], X_unlabeled=X[200:])
    assert_array_equal(model.predict_proba(X), real.predict_proba(X))
    model = DistillationClassifier(FOREST, LOGISTIC, augmenter=ColumnSwap()).fit(X, y)
    assert model.alpha_ == expected.alpha
    assert len(model.student_[0].mean_) == X.shape[1]


@pytest.mark.parametrize("weight", [None, np.random.RandomState(0).rand(len(y))])
@pytest.mark.filterwarnings("ignore:The teacher Chance does not take sample_weight")
def test_a_teacher_that_knows_less_than_the_student_is_not_followed(weight):
    model = DistillationClassifier(Chance(), SMALL_FOREST, random_state=0)
    with pytest.warns(UserWarning, match="log loss.*not clearly more.*labels alone"):
        model.fit(X, y, sample_weight=weight)
    assert model.alpha_ == 0
    assert model.label_source_ == "out-of-fold"  # it was asked, and found wanting
    bare = clone(SMALL_FOREST).fit(X, y, sample_weight=weight)
    assert_array_equal(model.predict_proba(X), bare.predict_proba(X))


def test_a_teacher_is_judged_by_the_rows_that_count():
    """It knows one half of the rows only."""
    rng = np.random.RandomState(0)
    known = rng.rand(len(y)) < 0.5
    proba = np.full((len(y), 2), 0.5)
    proba[known] = 0.02 + 0.96 * np.eye(2)[y[known]]
    model = DistillationClassifier(None, SMALL_FOREST, random_state=0)
    weight = np.where(known, 1.0, 1e-9)
    assert model.fit(X, y, weight, teacher_output=proba).alpha_ > 0
    with pytest.warns(UserWarning, match="not clearly more"):
        assert model.fit(X, y, 1 - weight, teacher_output=proba).alpha_ == 0


def test_a_teacher_that_was_fitted_on_the_rows_is_recognised():
    fitted = ExtraTreesClassifier(30, min_samples_leaf=2, random_state=0).fit(X, y)
    assert "by heart" in DistillationClassifier(fitted, TREE).fit(X, y).reason_
    fitted = clone(FOREST).fit(X[:300], y[:300])
    assert "not fitted on" in DistillationClassifier(fitted, TREE).fit(X[300:], y[300:]).reason_
    in_sample = DistillationClassifier(LogisticRegression(C=1e-9), TREE, cv="in-sample")
    assert "by heart" in in_sample.fit(X, y).reason_


@pytest.mark.parametrize("classes", [2, 10])
def test_one_of_the_two_may_be_given(classes):
    X, y = load_digits(n_class=classes, return_X_y=True)
    rule = RULES["tree"].unseen
    hot = DistillationClassifier(FOREST, TREE, temperature=8).fit(X, y)
    assert (hot.temperature_, hot.alpha_) == (8, rule.alpha)
    some = DistillationClassifier(FOREST, TREE, alpha=0.125).fit(X, y)
    assert (some.temperature_, some.alpha_) == (rule.temperature, 0.125)
    with pytest.warns(UserWarning, match="learns as well"):
        none = DistillationClassifier(FOREST, GaussianNB(), temperature=8).fit(X, y)
    assert (none.temperature_, none.alpha_) == (8, 0)


def test_a_twin_has_no_temperature():
    for student in (TREE, GaussianNB(), None):
        twin = DistillationClassifier(None, student, alpha=0).fit(X, y)
        assert (twin.temperature_, twin.alpha_) == (1, 0)
        assert "no share" in twin.reason_
    assert DistillationClassifier(None, TREE, alpha=0, temperature=4).fit(X, y).temperature_ == 4


def test_a_teacher_is_missed_before_the_rules_do_without_one():
    for student in (LOGISTIC, TREE):
        with pytest.raises(ValueError, match="teacher=None and no teacher_output"):
            DistillationClassifier(None, student).fit(X, y)


def test_every_kind_has_a_rule():
    for rules in RULES.values():
        for rule in (rules.unseen, rules.seen, rules.extended):
            assert 0 <= rule.alpha <= 1
            assert rule.temperature >= 1
            assert rule.alpha > 0 or rule.temperature == 1
    for new_rows in (True, False):
        assert keeps_labels(LogisticRegression(), new_rows)
        assert not keeps_labels(TREE, new_rows)


@pytest.mark.parametrize("rows", ["unseen", "seen", "extended"])
def test_a_worse_teacher_leaves_the_labels(rows):
    settled = settle(SVC(), rows, "auto", "auto", Losses(0.5, 0.4, clear=False))
    assert (settled.alpha, settled.temperature) == (0, 1)
    settled = settle(SVC(), rows, "auto", "auto", Losses(0.3, 0.4, clear=True))
    assert settled.alpha == getattr(RULES["other"], rows).alpha


# -- the comparison of teacher and student --------------------------------------------------


@pytest.mark.parametrize("weight", [None, np.random.RandomState(1).rand(len(y))])
def test_losses_are_those_of_scikit_learn(weight):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    proba = [
        cross_val_predict(model, X, y, cv=folds, method="predict_proba")
        for model in (FOREST, make_pipeline(StandardScaler(), GaussianNB()))
    ]
    found = compare(*map(np.log, np.clip(proba, 1e-12, 1)), y, weight)
    expected = [log_loss(y, np.clip(p, 1e-12, 1), sample_weight=weight) for p in proba]
    assert_allclose([found.teacher, found.student], expected)
    assert found.clear


@pytest.mark.parametrize("repeats", [1, 3])
def test_whole_weights_are_repeated_rows_but_for_the_error(repeats):
    rng = np.random.RandomState(0)
    of_teacher, of_student = np.log(rng.dirichlet(np.ones(3), (2, 50)))
    labels = rng.randint(3, size=50)
    weight = np.full(50, float(repeats))
    weighted = compare(of_teacher, of_student, labels, weight)
    assert weighted == pytest.approx(compare(of_teacher, of_student, labels))


def test_rows_of_which_nothing_is_known_do_not_count():
    rng = np.random.RandomState(0)
    of_teacher, of_student = np.log(rng.dirichlet(np.ones(3), (2, 50)))
    labels = rng.randint(3, size=50)
    expected = compare(of_teacher[10:], of_student[10:], labels[10:])
    of_teacher[:10] = np.nan
    assert compare(of_teacher, of_student, labels) == pytest.approx(expected)
    assert not compare(np.full((3, 2), np.nan), np.zeros((3, 2)), np.zeros(3, int)).clear


def test_the_table_of_the_user_guide_is_that_of_the_code():
    names = {
        "tree": "single tree",
        "neighbours": "nearest neighbours",
        "forest": "forest, bagging",
        "network": "network",
        "booster": "booster",
        "linear": "linear model, naive Bayes",
        "other": "any other",
    }
    guide = (Path(__file__).parents[1] / "docs" / "user_guide.rst").read_text()

    def words(rule, on_labels):
        return on_labels if rule.alpha == 0 else f"T={rule.temperature:g}, alpha={rule.alpha:g}"

    for kind, rules in RULES.items():
        cells = [
            names[kind],
            words(rules.unseen, "labels alone"),
            words(rules.seen, "labels alone"),
            words(rules.extended, "real labels there"),
        ]
        assert "  ".join(cells) in re.sub(" {2,}", "  ", guide), kind
