"""DistillationClassifierCV: what it compares, by which labels, and what it keeps."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Memory
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_distill import (
    DistillationClassifier,
    DistillationClassifierCV,
    GradientTraining,
    _classifier_cv,
    _comparison,
    _search,
)
from sklearn_distill.augmentation import ColumnSwap, Munge
from tests.stubs import Calls, CentroidClassifier, RecordingClassifier

X, y = make_classification(
    240, 6, n_informative=4, n_classes=3, flip_y=0.2, class_sep=0.7, random_state=0
)
WEIGHT = np.random.RandomState(3).randint(1, 4, len(y)).astype(float)
TREE = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0)
TEACHER = RandomForestClassifier(10, min_samples_leaf=3, random_state=0)


class Chance(ClassifierMixin, BaseEstimator):
    """Answers at random, whatever it is asked."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.random.RandomState(0).dirichlet(np.ones(len(self.classes_)), len(X))


def folds_of(seed, n_splits=3):
    return list(StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(X, y))


# -- what is compared -----------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("seed", "temperature", "alpha"), [(0, 8, 1), (1, 1, 0.5), (2, 2, 1e-6)])
def test_scores_are_those_of_a_loop_by_hand(seed, temperature, alpha, nested, weight):
    """The loop fits the teacher anew for every fold and every part of it, as a sceptic would."""
    folds = folds_of(seed)
    parts = [test for _, test in folds]
    expected = []
    for k, (train, test) in enumerate(folds):
        said = np.empty((len(y), 3))
        for j in range(len(folds)):
            if j != k:
                outside = np.setdiff1d(
                    np.arange(len(y)), np.r_[parts[j], parts[k]] if nested else parts[j]
                )
                of_outside = {} if weight is None else {"sample_weight": weight[outside]}
                fitted = clone(TEACHER).fit(X[outside], y[outside], **of_outside)
                said[parts[j]] = fitted.predict_proba(X[parts[j]])
        model = DistillationClassifier(
            None, TREE, alpha=alpha, temperature=temperature, random_state=seed
        )
        of_train = None if weight is None else weight[train]
        model.fit(X[train], y[train], of_train, teacher_output=said[train])
        loss = log_loss(
            y[test],
            model.predict_proba(X[test]),
            sample_weight=None if weight is None else weight[test],
        )
        expected.append(-loss)
    searched = DistillationClassifierCV(
        TEACHER,
        TREE,
        alphas=[0, alpha],
        temperatures=[temperature],
        cv=3,
        nested=nested,
        random_state=seed,
    ).fit(X, y, weight)
    assert searched.cv_results_["params"][1]["alpha"] == alpha
    found = [searched.cv_results_[f"split{k}_test_score"][1] for k in range(3)]
    assert_allclose(found, expected, rtol=1e-12)
    mean = np.average(
        expected, weights=[np.sum(WEIGHT[t] if weight is not None else 1 + 0 * t) for t in parts]
    )
    assert_allclose(searched.cv_results_["mean_test_score"][1], mean)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "roc_auc_ovr"])
@pytest.mark.parametrize("student", [TREE, GaussianNB(), LogisticRegression()])
def test_the_labels_alone_score_as_the_bare_student_does(student, scoring):
    model = DistillationClassifierCV(
        CentroidClassifier(), student, scoring=scoring, cv=KFold(4, shuffle=True, random_state=5)
    ).fit(X, y)
    results = model.cv_results_
    expected = cross_val_score(
        student, X, y, scoring=scoring, cv=KFold(4, shuffle=True, random_state=5)
    )
    assert not results["distilled"][0]
    assert results["params"][0] == {"alpha": 0, "temperature": 1, "augmenter": None}
    assert_allclose([results[f"split{k}_test_score"][0] for k in range(4)], expected)
    assert_allclose(results["mean_test_score"][0], expected.mean())
    assert_allclose(results["std_test_score"][0], expected.std())


def test_no_scoring_is_the_log_loss_of_the_rows():
    by_rows = DistillationClassifierCV(CentroidClassifier(), TREE, cv=4, random_state=0)
    by_folds = clone(by_rows).set_params(scoring="neg_log_loss")
    by_rows.fit(X, y), by_folds.fit(X, y)
    for name in ("split0_test_score", "mean_test_score", "rank_test_score"):
        assert_allclose(by_rows.cv_results_[name], by_folds.cv_results_[name])
    assert "over rows" in by_rows.reason_
    assert "over folds" in by_folds.reason_


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("augmenter", [None, Munge(2)])
def test_what_is_kept_is_the_candidate_fitted_on_all_rows(augmenter, seed):
    folds = folds_of(seed, 4)
    searched = DistillationClassifierCV(
        TEACHER, TREE, alphas=(1,), augmenters=(augmenter,), cv=folds, random_state=seed
    )
    with pytest.warns(UserWarning, match="alphas has no 0") as said:
        searched.fit(X, y)
    assert said[0].filename == __file__
    assert searched.distilled_
    params = searched.best_params_
    model = DistillationClassifier(TEACHER, TREE, cv=folds, random_state=seed, **params).fit(X, y)
    assert_array_equal(searched.predict_proba(X), model.predict_proba(X))
    assert_array_equal(searched.teacher_.predict_proba(X), model.teacher_.predict_proba(X))
    assert (searched.alpha_, searched.temperature_) == (params["alpha"], params["temperature"])
    assert searched.label_source_ == "out-of-fold"
    assert_array_equal(searched.standalone().predict(X), searched.predict(X))


@pytest.mark.parametrize("student", [TREE, KNeighborsClassifier(), GaussianNB()])
@pytest.mark.filterwarnings("ignore:KNeighborsClassifier learns from labels")
def test_labels_win_over_a_useless_teacher(student):
    # By accuracy: soft labels, and be they those of a die, spare a tree a log loss of its own.
    model = DistillationClassifierCV(Chance(), student, scoring="accuracy", random_state=0)
    model.fit(X, y)
    assert not model.distilled_
    assert "kept" in model.reason_
    assert_array_equal(model.predict_proba(X), clone(student).fit(X, y).predict_proba(X))
    assert model.best_params_ == {"alpha": 0, "temperature": 1, "augmenter": None}


@pytest.mark.parametrize(
    ("auc", "chosen"),
    [
        ([0.90, 0.91, 0.92, 0.93], 1),  # as good an order: the better log loss wins
        ([0.89, 0.93, 0.90, 0.92], 1),  # worse now, better then
        ([0.80, 0.81, 0.82, 0.83], 2),  # worse in every fold: the next best
        ([np.nan, 0.81, np.nan, np.nan], 1),  # nobody knows
    ],
)
def test_a_better_log_loss_does_not_make_up_for_a_worse_order(auc, chosen):
    splits = [(None, np.arange(10 * k, 10 * k + 10)) for k in range(4)]
    rng = np.random.RandomState(0)
    own = rng.uniform(-1, -0.9, size=(4, 10))
    candidates = [_comparison.Candidate(d, {"alpha": 0}, 0, {}) for d in (False, True, True)]
    results = [
        [_comparison.Result(own[k] + gain, 1.0, area) for k, area in enumerate(areas)]
        for gain, areas in ((0, [0.9, 0.91, 0.92, 0.93]), (0.5, auc), (0.3, [0.95] * 4))
    ]
    compared = _comparison.Comparison(candidates, results, splits, np.ones(40))
    assert compared.best == chosen
    assert compared.attributes()["distilled_"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_ranking_is_the_area_of_scikit_learn(n_classes):
    rng = np.random.RandomState(0)
    proba = rng.dirichlet(np.ones(n_classes), 60)
    labels = rng.randint(n_classes, size=60)
    score = proba[:, 1] if n_classes == 2 else proba
    expected = roc_auc_score(labels, score, multi_class="ovr")
    assert_allclose(_classifier_cv.ranking(labels, proba), expected)
    assert np.isnan(_classifier_cv.ranking(np.zeros(60, int), proba))
    weight = rng.randint(3, size=60)
    weighted = _classifier_cv.ranking(labels, proba, weight.astype(float))
    repeated = _classifier_cv.ranking(np.repeat(labels, weight), np.repeat(proba, weight, axis=0))
    assert_allclose(weighted, repeated)
    some = np.minimum(labels, 1)
    wider = np.c_[proba, np.zeros(60)]
    assert_allclose(_classifier_cv.ranking(some, wider), _classifier_cv.ranking(some, proba))


def test_a_useful_teacher_wins_over_the_labels():
    model = DistillationClassifierCV(TEACHER, TREE, random_state=0).fit(X, y)
    assert model.distilled_
    assert "better by more than one standard error" in model.reason_
    results = model.cv_results_
    assert model.best_index_ == results["mean_test_score"].argmax()
    assert results["rank_test_score"][model.best_index_] == 1
    assert model.best_score_ == results["mean_test_score"].max()


def test_one_standard_error_is_that_of_the_difference():
    model = DistillationClassifierCV(CentroidClassifier(), TREE, alphas=(0, 1), temperatures=(1,))
    model.set_params(scoring="accuracy", cv=folds_of(0, 5)).fit(X, y)
    scores = np.array([model.cv_results_[f"split{k}_test_score"] for k in range(5)])
    gained = scores[:, 1] - scores[:, 0]
    error = gained.std(ddof=1) / np.sqrt(5)
    assert f"({error:.2g}, over folds)" in model.reason_
    assert model.distilled_ == (gained.mean() > error)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_the_honest_score_chooses_without_the_fold_it_is_measured_on(scoring):
    folds = folds_of(0, 4)
    model = DistillationClassifierCV(
        CentroidClassifier(), TREE, scoring="accuracy", cv=folds, alphas=(0, 0.3, 1)
    ).fit(X, y)
    scores = np.array([model.cv_results_[f"split{k}_test_score"] for k in range(4)])
    distilled, chosen = model.cv_results_["distilled"], []
    for k in range(4):
        others = np.delete(scores, k, axis=0)
        means = np.where(distilled, others.mean(axis=0), -np.inf)
        gained = others[:, means.argmax()] - others[:, 0]
        better = gained.mean() > gained.std(ddof=1) / np.sqrt(3)
        chosen.append(scores[k, means.argmax() if better else 0])
    assert_allclose(model.honest_score_, np.mean(chosen))


def test_the_best_settings_of_the_student_are_found_for_both():
    grid = [{"max_leaf_nodes": [2, 12]}, {"min_samples_leaf": [30]}]
    model = DistillationClassifierCV(TEACHER, TREE, student_grid=grid, random_state=0).fit(X, y)
    results = pd.DataFrame(model.cv_results_)
    assert (~results.distilled).sum() == 3
    assert results.param_student__max_leaf_nodes.notna().sum() == 2 * (1 + 4)
    labels = results[~results.distilled]
    for _, row in labels.iterrows():
        settings = {k.removeprefix("student__"): v for k, v in row.params.items() if "__" in k}
        proba = cross_val_predict(
            clone(TREE).set_params(**settings),
            X,
            y,
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
            method="predict_proba",
        )
        assert_allclose(row.mean_test_score, -log_loss(y, proba))
    chosen = {k.removeprefix("student__"): v for k, v in model.best_params_.items() if "__" in k}
    assert all(getattr(model.student_, name) == value for name, value in chosen.items())


# -- who is asked, and how often ------------------------------------------------------------


@pytest.mark.parametrize(("nested", "n_fits"), [(True, 6 + 4 + 1), (False, 4 + 1)])
def test_the_teacher_is_fitted_once_per_fold_whatever_the_candidates(nested, n_fits):
    calls = Calls()
    teacher = RecordingClassifier(calls=calls)
    for alphas in ((0, 1), (0, 0.2, 0.4, 0.6, 0.8, 1)):
        calls.clear()
        DistillationClassifierCV(teacher, TREE, alphas=alphas, cv=4, nested=nested).fit(X, y)
        assert len(calls.of("fit")) == n_fits


def test_a_fitted_teacher_is_used_as_it_is():
    teacher = CentroidClassifier().fit(X[:100], y[:100])
    model = DistillationClassifierCV(teacher, TREE, cv=None).fit(X[100:], y[100:])
    assert model.teacher_ is teacher
    assert model.label_source_ == "fitted"
    again = clone(model)
    assert again.teacher is teacher


def test_a_fitted_teacher_lends_its_clones_to_a_cv():
    teacher = clone(TEACHER).fit(X, y)
    model = DistillationClassifierCV(teacher, TREE, cv=3, random_state=0).fit(X, y)
    unfitted = DistillationClassifierCV(TEACHER, TREE, cv=3, random_state=0).fit(X, y)
    assert model.teacher_ is teacher
    assert_array_equal(model.predict_proba(X), unfitted.predict_proba(X))


def test_a_teacher_that_knows_the_rows_by_heart_is_doubted():
    teacher = RandomForestClassifier(20, bootstrap=False, max_features=1, min_samples_leaf=2)
    teacher.set_params(random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="leans to the teacher"):
        DistillationClassifierCV(teacher, TREE).fit(X, y)


def test_probabilities_may_be_given():
    proba = cross_val_predict(TEACHER, X, y, cv=folds_of(0), method="predict_proba")
    given = DistillationClassifierCV(None, TREE, cv=folds_of(0)).fit(X, y, teacher_output=proba)
    fitted = DistillationClassifierCV(TEACHER, TREE, cv=folds_of(0), nested=False).fit(X, y)
    for name in ("mean_test_score", "rank_test_score"):
        assert_allclose(given.cv_results_[name], fitted.cv_results_[name])
    assert given.teacher_ is None


def test_out_of_bag_votes_are_taken_by_themselves():
    teacher = RandomForestClassifier(60, oob_score=True, random_state=0).fit(X, y)
    model = DistillationClassifierCV(teacher, TREE).fit(X, y)
    assert model.label_source_ == "out-of-bag"


@pytest.mark.parametrize("n_jobs", [2])
def test_jobs_change_nothing(n_jobs):
    settings = {"augmenters": (None, ColumnSwap()), "random_state": 0, "cv": 3}
    alone = DistillationClassifierCV(TEACHER, TREE, **settings).fit(X, y, WEIGHT)
    many = DistillationClassifierCV(TEACHER, TREE, n_jobs=n_jobs, **settings).fit(X, y, WEIGHT)
    for name in ("mean_test_score", "std_test_score"):
        assert_array_equal(alone.cv_results_[name], many.cv_results_[name])
    assert_array_equal(alone.predict_proba(X), many.predict_proba(X))


def test_a_cache_holds_the_teacher_stage(tmp_path):
    calls = Calls()
    teacher = RecordingClassifier(calls=calls)
    model = DistillationClassifierCV(teacher, TREE, memory=Memory(tmp_path, verbose=0), cv=3)
    first = clone(model).fit(X, y)
    n_fits = len(calls.of("fit"))
    second = clone(model).set_params(temperatures=(3,)).fit(X, y)
    assert n_fits == 7
    assert len(calls.of("fit")) == n_fits
    assert_allclose(
        first.cv_results_["mean_test_score"][0], second.cv_results_["mean_test_score"][0]
    )


# -- rows -----------------------------------------------------------------------------------


def test_rows_without_labels_help_all_but_the_labels_alone():
    few = slice(0, 60)
    calls = Calls()
    student = RecordingClassifier(calls=calls)
    model = DistillationClassifierCV(
        TEACHER, student, alphas=(0, 1), temperatures=(1,), cv=3, random_state=0
    ).fit(X[few], y[few], X_unlabeled=X[60:])
    results = model.cv_results_
    assert results["distilled"].tolist() == [False, True, True]
    assert [p["alpha"] for p in results["params"]] == [0, 0, 1]
    n_rows_seen = {len(np.unique(call["X"], axis=0)) for call in calls.of("fit")}
    assert n_rows_seen <= {40, 60, 40 + 180, 60 + 180}
    assert {40, 40 + 180} <= n_rows_seen


def test_a_class_of_one_row_is_missed_by_a_fold():
    rare = np.where(np.arange(len(y)) == 7, 3, y)
    folds = KFold(4, shuffle=True, random_state=0)
    for augmenters in ((None,), (Munge(),)):
        model = DistillationClassifierCV(TEACHER, TREE, cv=folds, augmenters=augmenters)
        model.fit(X, rare, X_unlabeled=X[:50] + 0.1)
        assert model.classes_.tolist() == [0, 1, 2, 3]
        assert np.isfinite(model.cv_results_["mean_test_score"]).all()
        assert model.predict_proba(X).shape == (len(y), 4)


def test_one_row_at_a_time_has_its_weight():
    few, weight = np.r_[:12, 120:132], np.arange(1.0, 25)
    model = DistillationClassifierCV(
        CentroidClassifier(), TREE, cv=LeaveOneOut(), alphas=(0, 1), temperatures=(1,)
    ).fit(X[few], y[few], weight)
    assert "over rows" in model.reason_
    scores = np.array([model.cv_results_[f"split{k}_test_score"] for k in range(24)])
    expected = np.average(scores, axis=0, weights=weight)
    assert_allclose(model.cv_results_["mean_test_score"], expected)


def test_groups_stay_together():
    groups = np.arange(len(y)) // 4
    model = DistillationClassifierCV(TEACHER, TREE, cv=GroupKFold(4)).fit(X, y, groups=groups)
    assert model.n_splits_ == 4
    with pytest.raises(ValueError, match="needs groups"):
        DistillationClassifierCV(TEACHER, TREE, cv=GroupKFold(4)).fit(X, y)


def test_frames_with_categories_and_holes():
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(6)])
    frame["kind"] = pd.Categorical(np.array(["a", "b", "c"])[(y + rng.randint(2, size=240)) % 3])
    frame.loc[::7, "c1"] = np.nan
    names = np.array(["low", "middle", "high"])[y]
    prepare = make_column_transformer((OrdinalEncoder(), ["kind"]), remainder="passthrough")
    student, teacher = make_pipeline(prepare, TREE), make_pipeline(prepare, TEACHER)
    model = DistillationClassifierCV(teacher, student, augmenters=(None, Munge()), cv=3)
    model.set_params(student_grid={"decisiontreeclassifier__max_leaf_nodes": [4, 12]})
    model.fit(frame, names)
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


def test_it_is_a_step_and_a_candidate_itself():
    model = make_pipeline(
        StandardScaler(), DistillationClassifierCV(TEACHER, TREE, cv=3, temperatures=(1,))
    )
    search = GridSearchCV(
        model, {"distillationclassifiercv__student__max_leaf_nodes": [4, 8]}, cv=2, n_jobs=2
    ).fit(X, y)
    assert hasattr(search.best_estimator_[-1], "reason_")


def test_networks_and_the_default_student():
    X, y = load_iris(return_X_y=True)
    training = GradientTraining(max_epochs=3)
    for student in (None, nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))):
        model = DistillationClassifierCV(
            CentroidClassifier(),
            student,
            strategy=training,
            cv=3,
            temperatures=(2,),
            random_state=0,
        ).fit(X, y)
        twin = DistillationClassifier(
            CentroidClassifier() if model.distilled_ else None,
            student,
            alpha=model.alpha_,
            temperature=model.temperature_,
            cv=3,
            strategy=training,
            random_state=0,
        ).fit(X, y)
        assert_array_equal(model.predict_proba(X), twin.predict_proba(X))


# -- bad input ------------------------------------------------------------------------------


def refused(error, match, *args, X=X, y=y, **params):
    """Nothing is fitted, the teacher is not asked, and it says why."""
    calls = Calls()
    settings = {"teacher": RecordingClassifier(calls=calls), "student": TREE} | params
    model = DistillationClassifierCV(**settings)
    with pytest.raises(error, match=match):
        model.fit(X, y, *args)
    assert calls == []
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize("alphas", [(), (0, 1.5), (-0.1,), ("1",), (True,), (np.nan,), ("auto",)])
def test_alphas_are_shares(alphas):
    refused(ValueError, r"alphas must be numbers from 0 to 1", alphas=alphas)


@pytest.mark.parametrize("temperatures", [(), (0,), (np.inf,), (-1, 2), ("2",)])
def test_temperatures_are_positive(temperatures):
    refused(ValueError, "temperatures must be numbers above 0", temperatures=temperatures)


def test_augmenters_make_rows():
    refused(ValueError, "augmenters is empty", augmenters=())
    refused((TypeError, ValueError), "augmenter", augmenters=(None, 3))


def test_settings_of_the_student_must_be_its_own():
    refused(ValueError, "Invalid parameter 'depth'", student_grid={"depth": [1]})
    refused(
        ValueError, "student_grid has settings", student_grid={"a": [1]}, student=nn.Linear(6, 3)
    )


def test_a_score_must_be_one_that_the_student_can_serve():
    refused(ValueError, "gives no probabilities.*scoring='accuracy'", student=LinearSVC())
    refused(
        ValueError,
        "scoring='neg_log_loss' cannot be computed of the student LinearSVC",
        student=LinearSVC(),
        scoring="neg_log_loss",
    )
    refused(ValueError, "'scoring' parameter", scoring="worth")
    broken = make_scorer(lambda y, pred: 1 / 0)
    refused(ZeroDivisionError, "division by zero", scoring=broken)


def test_folds_must_hold_out_every_row_once():
    often = RepeatedStratifiedKFold(n_splits=3, n_repeats=2)
    refused(ValueError, "0 rows never and 240 several times", cv=often)
    refused(ValueError, "60 rows never and 0 several times", cv=TimeSeriesSplit(3))
    refused(ValueError, "without an out-of-fold label", cv=ShuffleSplit(1))
    refused(ValueError, "leave out two folds", cv=2)
    order = np.argsort(y)
    two = order[y[order] < 2]
    refused(
        ValueError, "rows of one class to learn", X=X[two], y=y[two], cv=KFold(2), nested=False
    )


def test_two_folds_are_enough_for_labels_that_are_not_nested():
    assert DistillationClassifierCV(TEACHER, TREE, cv=2, nested=False).fit(X, y).n_splits_ == 2


@pytest.mark.parametrize("augmenters", [(None,), (None, Munge())])
def test_no_teacher_travels_to_the_workers(augmenters, monkeypatch):
    sent, original = [], _search._score
    monkeypatch.setattr(_search, "_score", lambda *a: sent.append(a) or original(*a))
    DistillationClassifierCV(CentroidClassifier(), TREE, cv=3, augmenters=augmenters).fit(X, y)
    assert sent
    for candidate, _, _, known, _ in sent:
        assert candidate.teacher is None
        assert known.said.reader is None


def test_augmenters_need_a_teacher():
    model = DistillationClassifierCV(None, TREE, cv=3, augmenters=(None, Munge()))
    with pytest.raises(ValueError, match="augmenters need a teacher"):
        model.fit(X, y, teacher_output=np.full((len(y), 3), 1 / 3))


def test_weights_with_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        model = DistillationClassifierCV(
            CentroidClassifier().set_fit_request(sample_weight=True), TREE, cv=3, random_state=0
        ).set_fit_request(sample_weight=True)
        routed = model.fit(X, y, sample_weight=WEIGHT).predict_proba(X)
    plain = DistillationClassifierCV(CentroidClassifier(), TREE, cv=3, random_state=0)
    assert_array_equal(routed, plain.fit(X, y, sample_weight=WEIGHT).predict_proba(X))


def test_rows_that_a_fold_leaves_out_on_purpose_teach_nobody_for_it():
    """Folds with a gap around what they hold out, as for rows that follow each other."""
    rows = np.arange(len(y))
    folds = [
        (rows[(rows < start - 10) | (rows >= start + 70)], rows[start : start + 60])
        for start in range(0, 240, 60)
    ]
    calls = Calls()
    teacher = RecordingClassifier(calls=calls)
    DistillationClassifierCV(teacher, TREE, cv=folds, alphas=(0, 1), temperatures=(1,)).fit(X, y)
    position = {tuple(row): i for i, row in enumerate(X.tolist())}
    fitted = [{position[tuple(row)] for row in call["X"].tolist()} for call in calls.of("fit")]
    trains = [set(train.tolist()) for train, _ in folds]
    pairs = [trains[i] & trains[j] for i in range(4) for j in range(i)]
    assert sorted(map(sorted, fitted)) == sorted(
        map(sorted, [set(rows.tolist()), *trains, *pairs])
    )
