"""Clone, pickle, search, cache: the teacher survives, and is asked no more than needed."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags

from sklearn_distill import DistillationClassifier, SampledLabels

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0)
GRID = {"temperature": [1, 2, 4], "alpha": [0.25, 0.5, 1]}


class DiaryTeacher(ClassifierMixin, BaseEstimator):
    """Writes a line to a file for each fit and each prediction, in whatever process."""

    def __init__(self, diary=None):
        self.diary = diary

    def _write(self, word, X):
        with open(self.diary, "a") as file:
            file.write(f"{word} {len(X)}\n")

    def fit(self, X, y):
        self._write("fit", X)
        self.model_ = GaussianNB(var_smoothing=0.1).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        self._write("predict", X)
        return self.model_.predict_proba(X)


def lines(diary, word):
    text = diary.read_text() if diary.exists() else ""
    return [line for line in text.splitlines() if line.startswith(word)]


@pytest.fixture
def diary(tmp_path):
    return tmp_path / "diary.txt"


def fitted_line():
    return LogisticRegression(max_iter=1000, fit_intercept=False).fit(X, y)


@pytest.fixture
def fitted():
    return GaussianNB(var_smoothing=0.1).fit(X, y)


# -- a fitted teacher is carried over by reference ----------------------------------------


def test_clone_keeps_a_fitted_teacher_and_clones_the_rest(fitted):
    model = DistillationClassifier(
        fitted, TREE, temperature=2, strategy=SampledLabels(3), alpha=0.5
    )
    twin = clone(model)
    assert twin.teacher is fitted
    assert twin.student is not TREE
    assert twin.strategy is not model.strategy
    assert twin.strategy.n_draws == 3
    assert not hasattr(clone(model.fit(X, y)), "student_")


def test_clone_clones_an_unfitted_teacher():
    teacher = GaussianNB()
    assert clone(DistillationClassifier(teacher, TREE)).teacher is not teacher


def test_clone_keeps_metadata_requests(fitted):
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        for teacher in (fitted, GaussianNB()):
            model = DistillationClassifier(teacher, TREE).set_fit_request(sample_weight=True)
            assert clone(model)._metadata_request.fit.requests["sample_weight"] is True


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_leaves_a_fitted_teacher_as_it_is(fitted, n_jobs):
    before = joblib.hash(fitted)
    model = DistillationClassifier(fitted, TREE)
    search = GridSearchCV(model, {**GRID, "student__max_leaf_nodes": [3, 5]}, cv=2, n_jobs=n_jobs)
    search.fit(X, y)
    assert search.best_estimator_.teacher is fitted
    assert search.best_estimator_.teacher_ is fitted
    assert joblib.hash(fitted) == before


def test_frozen_teachers_can_be_searched_over(fitted):
    other = GaussianNB().fit(X, y)
    grid = {"teacher": [FrozenEstimator(fitted), FrozenEstimator(other)]}
    search = GridSearchCV(
        DistillationClassifier(None, TREE, alpha=0.5, temperature=2), grid, cv=2
    ).fit(X, y)
    assert search.best_estimator_.teacher_.estimator in (fitted, other)


def test_a_distilled_model_is_a_teacher_in_turn(fitted):
    assistant = DistillationClassifier(
        fitted, LogisticRegression(max_iter=1000), alpha=0.5, temperature=2
    ).fit(X, y)
    model = DistillationClassifier(assistant, TREE, alpha=0.5, temperature=2).fit(X, y)
    assert model.teacher_ is assistant
    assert model.score(X, y) > 0.9


def test_a_pickled_model_predicts_the_same(fitted):
    model = DistillationClassifier(fitted, TREE, alpha=0.5, temperature=2).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_setting_the_temperature_of_a_fitted_model_does_not_change_its_predictions(fitted):
    model = DistillationClassifier(fitted, TREE, temperature=4, alpha=0.5).fit(X, y)
    before = model.predict_proba(X)
    model.set_params(temperature=1)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_it_is_searched_inside_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), DistillationClassifier(GaussianNB(), TREE, cv=2))
    grid = {
        "distillationclassifier__temperature": [1, 4],
        "distillationclassifier__teacher__var_smoothing": [1e-9, 0.1],
        "distillationclassifier__student__max_leaf_nodes": [3, 6],
    }
    search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss").fit(X, y)
    assert search.best_score_ > -0.5


def test_refitting_forgets_the_names_of_the_former_columns(fitted):
    pd = pytest.importorskip("pandas")
    names = ["a", "b", "c", "d"]
    model = DistillationClassifier(GaussianNB(), TREE).fit(pd.DataFrame(X, columns=names), y)
    assert list(model.feature_names_in_) == names
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


def test_its_picture_shows_teacher_and_student():
    html = DistillationClassifier(GaussianNB(), TREE)._repr_html_()
    assert "teacher: GaussianNB" in html
    assert "student: DecisionTreeClassifier" in html


# -- how often the teacher is asked ---------------------------------------------------------


def test_memory_fits_an_unfitted_teacher_once_per_fold_whatever_the_candidates(diary, tmp_path):
    model = DistillationClassifier(
        DiaryTeacher(str(diary)), TREE, memory=str(tmp_path / "cache"), cv=3
    )
    search = GridSearchCV(model, GRID, cv=5).fit(X, y)
    assert len(search.cv_results_["params"]) == 9
    # (3 out-of-fold + 1 on all rows) for each of 5 folds and the refit.
    assert len(lines(diary, "fit")) == (5 + 1) * (3 + 1)
    assert len(lines(diary, "predict")) == (5 + 1) * 3


def test_without_memory_every_candidate_fits_the_teacher(diary):
    model = DistillationClassifier(DiaryTeacher(str(diary)), TREE, cv=2)
    GridSearchCV(model, {"temperature": [1, 2]}, cv=2, refit=False).fit(X, y)
    assert len(lines(diary, "fit")) == 2 * 2 * (2 + 1)


def test_memory_asks_a_fitted_teacher_once_per_fold(diary, tmp_path):
    teacher = DiaryTeacher(str(diary)).fit(X, y)
    model = DistillationClassifier(teacher, TREE, memory=joblib.Memory(tmp_path, verbose=0))
    search = GridSearchCV(model, GRID, cv=5).fit(X, y)
    assert len(lines(diary, "predict")) == 5 + 1
    assert len(lines(diary, "fit")) == 1
    assert search.best_estimator_.teacher_ is teacher


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_memory_asks_a_torch_teacher_once_per_fold_whatever_the_jobs(tmp_path, n_jobs):
    """Every copy of a module in a worker is another object with the same content."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(4, 3).requires_grad_(False)
    for part, values in zip(module.parameters(), (fitted_line().coef_, 0), strict=True):
        part.copy_(torch.as_tensor(values))
    model = DistillationClassifier(module, TREE, memory=str(tmp_path))
    GridSearchCV(model, {"temperature": [1, 2, 4]}, cv=3, n_jobs=n_jobs, refit=False).fit(X, y)
    assert len(list(tmp_path.rglob("output.pkl"))) == 3


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_without_a_student_the_tags_say_what_the_default_network_takes(alpha):
    """Sparse rows, gaps and categories, as far as the teacher, if it is asked, takes them."""
    for teacher in (HistGradientBoostingClassifier(), GaussianNB()):
        tags = get_tags(DistillationClassifier(teacher, alpha=alpha)).input_tags
        for name in ("sparse", "allow_nan", "categorical"):
            asked = alpha == 0 or getattr(get_tags(teacher).input_tags, name)
            assert getattr(tags, name) == asked


def test_what_is_predicted_with_gaps_is_up_to_the_student(fitted):
    """The teacher, which refuses them, is not there when predicting."""
    gaps = np.where(np.arange(4) == 1, np.nan, X[:5])
    tree = DistillationClassifier(fitted, TREE, alpha=0.5, temperature=2).fit(X, y)
    assert np.isfinite(tree.predict_proba(gaps)).all()
    line = DistillationClassifier(
        fitted, LogisticRegression(max_iter=1000), alpha=0.5, temperature=2
    ).fit(X, y)
    with pytest.raises(ValueError, match="contains NaN"):
        line.predict(gaps)


def test_memory_gives_the_same_result(fitted, tmp_path):
    for teacher in (fitted, GaussianNB()):
        model = DistillationClassifier(teacher, TREE, cv=2, alpha=0.5, temperature=2)
        plain = clone(model).fit(X, y)
        for _ in range(2):
            cached = clone(model).set_params(memory=str(tmp_path)).fit(X, y)
            np.testing.assert_array_equal(cached.predict_proba(X), plain.predict_proba(X))


def test_alpha_zero_never_asks_the_teacher(diary):
    DistillationClassifier(DiaryTeacher(str(diary)), TREE, alpha=0).fit(X, y)
    assert not diary.exists()


# -- probabilities from elsewhere ------------------------------------------------------------


def test_teacher_output_follows_the_rows_through_a_search(fitted):
    proba = fitted.predict_proba(X)
    shuffled = np.random.RandomState(0).permutation(len(y))
    given = GridSearchCV(DistillationClassifier(None, TREE), GRID, cv=3)
    given.fit(X[shuffled], y[shuffled], teacher_output=proba[shuffled])
    asked = GridSearchCV(DistillationClassifier(fitted, TREE), GRID, cv=3)
    asked.fit(X[shuffled], y[shuffled])
    np.testing.assert_allclose(
        given.cv_results_["mean_test_score"], asked.cv_results_["mean_test_score"], atol=1e-12
    )


def test_named_columns_of_teacher_output_survive_a_fold_without_a_class(fitted):
    pd = pytest.importorskip("pandas")
    proba = pd.DataFrame(fitted.predict_proba(X)[:, [2, 0, 1]], columns=[2, 0, 1])
    model = DistillationClassifier(None, TREE, alpha=0.5, temperature=2)
    aligned = clone(model).fit(X, y, teacher_output=proba)
    plain = clone(model).fit(X, y, teacher_output=fitted.predict_proba(X))
    np.testing.assert_array_equal(aligned.predict_proba(X), plain.predict_proba(X))
    two = np.flatnonzero(y != 1)
    with pytest.warns(UserWarning, match=r"classes \[1\], which y does not have"):
        model.fit(X, np.where(y == 1, 2, y), teacher_output=proba)
    proba.loc[two, 1] = 0
    proba = proba.div(proba.sum(axis=1), axis=0)
    assert model.fit(X[two], y[two], teacher_output=proba.iloc[two]).classes_.tolist() == [0, 2]


# -- random_state ---------------------------------------------------------------------------


def test_the_folds_are_seeded():
    model = DistillationClassifier(GaussianNB(var_smoothing=0.1), TREE, alpha=1)
    fits = {
        seed: clone(model).set_params(random_state=seed).fit(X, y).predict_proba(X)
        for seed in (None, 0, 1, 2)
    }
    np.testing.assert_array_equal(fits[None], clone(model).fit(X, y).predict_proba(X))
    np.testing.assert_array_equal(fits[None], fits[0])
    assert not np.array_equal(fits[1], fits[2])
    generator = clone(model).set_params(random_state=np.random.RandomState(0)).fit(X, y)
    assert generator.score(X, y) > 0.9


def test_repeated_folds_are_averaged():
    from sklearn.model_selection import RepeatedStratifiedKFold

    teacher = GaussianNB(var_smoothing=0.1)
    folds = [StratifiedKFold(3, shuffle=True, random_state=seed) for seed in (0, 1)]
    mean = np.mean(
        [cross_val_predict(teacher, X, y, cv=f, method="predict_proba") for f in folds], axis=0
    )
    splits = [split for f in folds for split in f.split(X, y)]
    inside = DistillationClassifier(teacher, TREE, cv=splits, alpha=0.5, temperature=2).fit(X, y)
    outside = DistillationClassifier(None, TREE, alpha=0.5, temperature=2).fit(
        X, y, teacher_output=mean
    )
    np.testing.assert_allclose(inside.predict_proba(X), outside.predict_proba(X), atol=1e-3)
    repeats = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    assert (
        DistillationClassifier(teacher, TREE, cv=repeats, alpha=0.5, temperature=2)
        .fit(X, y)
        .score(X, y)
        > 0.9
    )
