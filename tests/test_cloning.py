"""Clones of estimators whose constructor copies settings, which ``sklearn.base.clone`` refuses."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.utils.cloning import clone_of, clone_with

X, y = make_classification(120, 4, random_state=0)
X[:, 3] = np.arange(120) % 3


class Copying(ClassifierMixin, BaseEstimator):
    """Its constructor stores copies, and a tuple as a list."""

    def __init__(self, layers=(), inner=None):
        self.layers = list(layers)
        self.inner = inner

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return self


def catboost(**settings):
    module = pytest.importorskip("catboost")
    quiet = {"verbose": False, "allow_writing_files": False, "thread_count": 1}
    return module.CatBoostClassifier(iterations=3, **quiet, **settings)


SETTINGS = [
    {"class_weights": [1, 5]},
    {"class_weights": {0: 1, 1: 5}},
    {"class_weights": np.array([1.0, 5.0])},
    {"monotone_constraints": [1, 0, 0, 0]},
    {"monotone_constraints": {0: 1}},
    {"ignored_features": [1]},
    {"custom_metric": ["AUC"]},
    {"custom_metric": ("AUC",)},
    {"text_features": []},
    {"feature_weights": [1.0, 2.0, 1.0, 1.0]},
    {"per_float_feature_quantization": ["0:border_count=1024"]},
]
IDS = [f"{key}={value!r}" for setting in SETTINGS for key, value in setting.items()]
settings_of_catboost = pytest.mark.parametrize("settings", SETTINGS, ids=IDS)


def same(ours, theirs):
    """Tell whether settings are equal, without asking arrays for one truth value."""

    # Steps of a Pipeline are compared by their own settings, which are listed beside them.
    def own(params):
        return {k: v for k, v in params.items() if k != "steps" and not hasattr(v, "fit")}

    return repr(own(ours)) == repr(own(theirs))


@settings_of_catboost
def test_catboost_with_lists_and_dicts_is_cloned(settings):
    student = catboost(**settings)
    if not hasattr(student, "__sklearn_tags__"):  # of CatBoost 1.2.8 or newer
        clone(student)
    else:
        with pytest.raises(RuntimeError, match="Cannot clone"):
            clone(student)
    twin = clone_of(student.fit(X, y))
    assert twin is not student
    assert not twin.is_fitted()
    assert same(twin.get_params(), student.get_params())
    np.testing.assert_array_equal(twin.fit(X, y).predict_proba(X), student.predict_proba(X))


@settings_of_catboost
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_catboost_with_lists_and_dicts_is_a_student_and_an_unfitted_teacher(settings, alpha):
    both = catboost(**settings), make_pipeline(StandardScaler(), catboost(**settings))
    for student in both:
        model = DistillationClassifier(catboost(**settings), student, alpha=alpha, cv=2)
        model = clone(model).fit(X, y)
        assert same(model.student.get_params(), student.get_params())
        if alpha == 0:
            bare = clone_of(student).fit(X, y)
            np.testing.assert_array_equal(model.predict_proba(X), bare.predict_proba(X))


def test_a_search_around_the_model_clones_catboost_with_categories():
    frame = pytest.importorskip("pandas").DataFrame(X).add_prefix("x").astype({"x3": int})
    student = make_pipeline("passthrough", catboost(cat_features=["x3"]))
    model = DistillationClassifier(catboost(cat_features=["x3"]), student, cv=2)
    grid = {"alpha": [0, 0.5], "student__catboostclassifier__depth": [2, 3]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(frame, y)
    fitted = search.best_estimator_.student_[-1]
    assert fitted.get_cat_feature_indices() == [3]
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(frame), search.predict_proba(frame))


def test_a_clone_shares_nothing_that_could_change():
    inner = LogisticRegression()
    original = Copying([[1], {"a": [2]}], inner)
    twin = clone_of(original)
    assert twin.layers == [[1], {"a": [2]}]
    twin.layers[0].append(3)
    twin.layers[1]["a"].append(3)
    assert original.layers == [[1], {"a": [2]}]
    assert twin.inner is not inner
    assert twin.inner.get_params() == inner.get_params()


def test_what_scikit_learn_can_clone_is_cloned_by_it():
    forest = VotingClassifier([("tree", DecisionTreeClassifier(max_depth=2))])
    assert repr(clone_of(forest)) == repr(clone(forest))
    assert clone_of(None) is None
    assert clone_of([1, {"a": forest}, "text"])[2] == "text"


def test_containers_and_meta_estimators_around_are_rebuilt():
    inside = Copying([4])
    voting = VotingClassifier([("a", inside), ("b", GaussianNB())], weights=[1, 2])
    twin = clone_of({"key": (make_pipeline(StandardScaler(), voting), 5)})
    (pipeline, five), voting_twin = twin["key"], twin["key"][0][-1]
    assert five == 5
    assert type(pipeline[0]) is StandardScaler
    assert voting_twin.weights == [1, 2]
    assert voting_twin.estimators[0][1].layers == [4]
    assert voting_twin.estimators[0][1] is not inside
    assert [name for name, _ in pipeline.steps] == ["standardscaler", "votingclassifier"]


def test_requests_and_output_containers_are_cloned_too():
    pytest.importorskip("pandas")
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), Copying([4]).set_fit_request(sample_weight=True)
        )
    twin = clone_of(pipeline.set_output(transform="pandas"))
    assert twin[-1]._metadata_request.fit.requests["sample_weight"] is True
    assert twin[-1]._metadata_request is not pipeline[-1]._metadata_request
    twin[0].fit(X)
    assert list(twin[0].transform(X).columns) == ["x0", "x1", "x2", "x3"]


def test_a_constructor_that_changes_a_setting_is_named():
    class Rounding(Copying):
        def __init__(self, share=0.5):
            self.share = round(share)

    changed = Rounding()
    changed.share = 0.7
    with pytest.raises(RuntimeError, match=r"Rounding cannot be cloned: of share=0.7 .* makes 1"):
        clone_of(make_pipeline(StandardScaler(), changed))


def test_an_error_of_an_estimator_that_clones_itself_is_its_own():
    class Single(BaseEstimator):
        def __sklearn_clone__(self):
            raise RuntimeError("there is but one of me")

    with pytest.raises(RuntimeError, match="but one of me"):
        clone_of(make_pipeline(StandardScaler(), Single()))


def test_a_clone_with_other_parameters_takes_them_as_they_are():
    tree, final = DecisionTreeClassifier(), LogisticRegression()
    voting = VotingClassifier([("tree", tree)], weights=[2])
    parts = [("final", final)]
    twin = clone_with(voting, estimators=parts)
    assert twin.estimators is parts
    assert twin.weights == [2]
    assert voting.estimators == [("tree", tree)]
