"""Several teachers as one: the mathematics of pooling, and the ensemble as an estimator."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Memory
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_distill import (
    DistillationClassifier,
    DistillationClassifierCV,
    GradientTraining,
    LayerHint,
    TeacherEnsemble,
    TorchTeacher,
)
from sklearn_distill.pooling import (
    DisjointClassesError,
    pool,
    simplex_weights,
    weights_by_log_loss,
    weights_by_squared_error,
    weights_of_losses,
)
from tests.stubs import Calls, CentroidClassifier, RecordingClassifier, WeightlessClassifier

POOLINGS = ["arithmetic", "geometric", "confidence", "validation"]
TREE = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(y))
    return X[order], y[order]


def opinions(n_members=3, n_rows=40, n_classes=4, scale=3.0, seed=0):
    rng = np.random.RandomState(seed)
    return log_softmax(scale * rng.randn(n_members, n_rows, n_classes), axis=2)


def logistic(**params):
    return LogisticRegression(max_iter=500, **params)


# -- pooling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 30, 600])  # down to p = 1e-300 and less
def test_arithmetic_pool_is_the_weighted_mean(scale):
    log_p = opinions(scale=scale)
    w = np.array([0.2, 0.5, 0.3])
    expected = logsumexp(log_p + np.log(w)[:, None, None], axis=0)
    np.testing.assert_allclose(pool(log_p, w), expected, rtol=1e-13)
    np.testing.assert_allclose(np.exp(pool(log_p, w)).sum(axis=1), 1, rtol=1e-12)


def test_geometric_pool_is_the_mean_of_logits():
    z = np.random.RandomState(0).randn(3, 20, 5) * 10
    w = np.array([1.0, 2.0, 1.0])
    expected = log_softmax(np.average(z, axis=0, weights=w), axis=1)
    pooled = pool(log_softmax(z, axis=2), w, geometric=True)
    np.testing.assert_allclose(pooled, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("geometric", [False, True])
def test_equal_members_pool_to_themselves_and_order_does_not_matter(geometric):
    log_p = opinions(1)
    same = pool(np.repeat(log_p, 3, axis=0), np.array([0.2, 0.3, 0.5]), geometric=geometric)
    np.testing.assert_allclose(same, log_p[0], rtol=1e-12, atol=1e-13)
    log_p, w = opinions(), np.array([0.2, 0.3, 0.5])
    log_p[1, :, 0] = np.nan
    order = [2, 0, 1]
    one, other = (
        pool(a, b, geometric=geometric) for a, b in ((log_p, w), (log_p[order], w[order]))
    )
    np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_a_member_of_weight_zero_has_no_say_even_where_it_is_certain():
    log_p = opinions(2)
    log_p[1, :, 1:], log_p[1, :, 0] = -np.inf, 0.0
    np.testing.assert_allclose(pool(log_p, np.array([1.0, 0.0])), log_p[0], rtol=1e-12)


def test_where_only_a_member_without_weight_speaks_nothing_is_known():
    log_p = opinions(2)
    log_p[0, :5] = np.nan
    for geometric in (False, True):
        pooled = pool(log_p, np.array([1.0, 0.0]), geometric=geometric)
        assert np.isnan(pooled[:5]).all()
        np.testing.assert_allclose(pooled[5:], log_p[0, 5:], rtol=1e-12)


def conditional(log_p, classes):
    some = log_p[:, classes]
    return some - logsumexp(some, axis=1, keepdims=True)


@pytest.mark.parametrize("geometric", [False, True])
def test_a_specialist_that_agrees_with_the_generalist_changes_nothing(geometric):
    generalist = opinions(1)[0]
    specialist = np.full_like(generalist, np.nan)
    specialist[:, [1, 2]] = conditional(generalist, [1, 2])
    pooled = pool(np.array([generalist, specialist]), np.array([0.5, 0.5]), geometric=geometric)
    np.testing.assert_allclose(np.exp(pooled), np.exp(generalist), atol=1e-7)


def test_a_specialist_moves_mass_between_its_classes_only():
    generalist = opinions(1, scale=1)[0]
    specialist = np.full_like(generalist, np.nan)
    specialist[:, [1, 2]] = np.log([0.99, 0.01])
    pooled = pool(np.array([generalist, specialist]), np.array([0.5, 0.5]))
    p, q = np.exp(generalist), np.exp(pooled)
    np.testing.assert_allclose(q[:, [0, 3]], p[:, [0, 3]], atol=1e-7)
    share = q[:, 1] / q[:, [1, 2]].sum(axis=1)
    before = p[:, 1] / p[:, [1, 2]].sum(axis=1)
    assert (share > before).all()
    assert (share < 0.99).all()


def test_the_pool_of_members_with_different_classes_is_the_closest_distribution():
    log_p = opinions(3, n_rows=6)
    known = np.array([[1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 0, 1]], dtype=bool)
    log_p = np.where(known[:, None], log_p, np.nan)
    log_p -= logsumexp(np.where(known[:, None], log_p, -np.inf), axis=2)[..., None]
    w = np.array([0.5, 0.3, 0.2])

    def divergence(log_q):
        total = 0
        for log_pm, k, wm in zip(log_p, known, w, strict=True):
            inside = logsumexp(log_q[:, k], axis=1, keepdims=True)
            own = log_pm[:, k]
            total = total + wm * (np.exp(own) * (own - log_q[:, k] + inside)).sum(axis=1)
        return total

    best = pool(log_p, w)
    rng = np.random.RandomState(0)
    for _ in range(50):
        other = log_softmax(best + 0.05 * rng.randn(*best.shape), axis=1)
        assert (divergence(other) >= divergence(best) - 1e-9).all()


def test_members_without_common_classes_are_refused():
    log_p = np.full((2, 3, 4), np.nan)
    log_p[0, :, :2] = log_p[1, :, 2:] = np.log(0.5)
    with pytest.raises(DisjointClassesError):
        pool(log_p, np.ones(2))


def test_rows_of_which_a_member_says_nothing_are_those_of_the_others():
    log_p = opinions(2)
    log_p[0, :5] = np.nan
    pooled = pool(log_p, np.ones(2))
    np.testing.assert_allclose(pooled[:5], log_p[1, :5])
    log_p[1, 0] = np.nan
    assert np.isnan(pool(log_p, np.ones(2))[0]).all()


def test_weights_of_losses_are_those_of_the_paper():
    losses = np.array([[0.1, 2.0], [1.0, 2.0], [3.0, np.nan]])
    w = weights_of_losses(losses, np.ones(3))
    e = np.exp(losses[:, 0])
    np.testing.assert_allclose(w[:, 0] / w[:, 0].sum(), (1 - e / e.sum()) / 2)
    assert w[2, 1] == 0
    assert w[0, 1] == w[1, 1]
    np.testing.assert_array_equal(weights_of_losses(losses[:1], np.ones(1)), np.ones((1, 2)))


def test_a_member_that_is_wrong_for_certain_does_not_overflow():
    losses = np.array([[np.inf], [0.5], [1e6]])
    w = weights_of_losses(losses, np.ones(3))
    assert np.isfinite(w).all()
    assert w[1] > w[0]


@pytest.mark.parametrize("seed", range(3))
def test_validation_weights_are_the_best_of_the_simplex(seed):
    log_p, labels = opinions(seed=seed), np.random.RandomState(seed).randint(4, size=40)
    found = weights_by_log_loss(log_p, labels)
    assert found.sum() == pytest.approx(1)

    def loss(w):
        return -pool(log_p, w)[np.arange(40), labels].mean()

    for other in np.random.RandomState(1).dirichlet(np.ones(3), size=300):
        assert loss(other) >= loss(found) - 1e-6


def test_validation_weights_of_specialists_are_no_worse_than_equal_ones():
    rng = np.random.RandomState(0)
    log_p, labels = opinions(), rng.randint(4, size=40)
    log_p[1, :, 0] = np.nan
    log_p[1, :, 1:] -= logsumexp(log_p[1, :, 1:], axis=1, keepdims=True)
    found = weights_by_log_loss(log_p, labels)

    def loss(w):
        return -pool(log_p, w)[np.arange(40), labels].mean()

    assert loss(found) <= loss(np.ones(3) / 3) + 1e-9


def test_weights_by_squared_error_are_those_of_least_squares_on_the_simplex():
    rng = np.random.RandomState(0)
    values = rng.randn(3, 200, 2)
    y = 0.7 * values[0] + 0.3 * values[1]
    np.testing.assert_allclose(weights_by_squared_error(values, y), [0.7, 0.3, 0], atol=1e-4)


def test_equal_members_get_equal_weights():
    log_p = np.repeat(opinions(1), 3, axis=0)
    labels = np.random.RandomState(0).randint(4, size=40)
    np.testing.assert_allclose(weights_by_log_loss(log_p, labels), 1 / 3)
    assert simplex_weights(None, 1) == 1


# -- the ensemble -------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS)
def test_equal_members_are_one(iris, pooling):
    X, y = iris
    ensemble = TeacherEnsemble([("a", GaussianNB()), ("b", GaussianNB())], pooling=pooling)
    alone = GaussianNB().fit(X, y)
    np.testing.assert_allclose(
        ensemble.fit(X, y).predict_log_proba(X).clip(-15),
        alone.predict_log_proba(X).clip(-15),
        atol=1e-4 if pooling == "geometric" else 1e-9,
    )
    assert ensemble.score(X, y) == alone.score(X, y)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_order_of_members_does_not_matter(iris, pooling):
    X, y = iris
    members = [("a", GaussianNB()), ("b", logistic()), ("c", TREE)]
    one = TeacherEnsemble(members, pooling=pooling).fit(X, y)
    other = TeacherEnsemble(members[::-1], pooling=pooling).fit(X, y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-5)


def test_it_is_what_its_members_are():
    classes = TeacherEnsemble([("a", GaussianNB())])
    values = TeacherEnsemble([("a", Ridge())])
    assert is_classifier(classes)
    assert is_regressor(values)
    assert not hasattr(values, "predict_proba")
    assert not hasattr(values, "classes_")
    with pytest.raises(NotFittedError):
        classes.predict([[0.0]])


def test_a_fitted_member_is_used_as_it_is_and_survives_clone(iris):
    X, y = iris
    calls = Calls()
    ready = RecordingClassifier(calls).fit(X, y)
    n_fits = len(calls.of("fit"))
    ensemble = TeacherEnsemble([("ready", ready), ("new", GaussianNB())])
    assert clone(ensemble).estimators[0][1] is ready
    fitted = clone(ensemble).fit(X, y)
    assert fitted.estimators_[0] is ready
    assert fitted.named_estimators_.new is not ensemble.estimators[1][1]
    assert len(calls.of("fit")) == n_fits
    assert not hasattr(ensemble.estimators[1][1], "theta_")


def test_an_ensemble_of_fitted_members_is_fitted(iris):
    X, y = iris
    ensemble = TeacherEnsemble([("a", GaussianNB().fit(X, y)), ("b", logistic().fit(X, y))])
    assert ensemble.predict_proba(X).shape == (150, 3)
    np.testing.assert_array_equal(ensemble.classes_, [0, 1, 2])
    student = DistillationClassifier(ensemble, TREE, alpha=1, temperature=1).fit(X, y)
    assert student.teacher_ is ensemble
    assert student.label_source_ == "fitted"


def test_members_of_other_makes(iris):
    X, _ = iris
    module = nn.Linear(4, 3)

    class Client:
        classes_ = np.array([2, 0, 1])

        def predict_proba(self, X):
            return np.tile([0.5, 0.3, 0.2], (len(X), 1))

    members = [("net", TorchTeacher(module, classes=[0, 1, 2])), ("client", Client())]
    proba = TeacherEnsemble(members).predict_proba(X.astype(np.float32))
    with torch.no_grad():
        of_net = softmax(module(torch.as_tensor(X, dtype=torch.float32)).double().numpy(), axis=1)
    np.testing.assert_allclose(proba, (of_net + np.array([0.3, 0.2, 0.5])) / 2, rtol=1e-6)


def test_a_specialist_of_strings_and_members_that_know_more(iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    some = y > 0
    everything = GaussianNB().fit(X, names)
    specialist = logistic().fit(X[some], names[some])
    ensemble = TeacherEnsemble([("all", everything), ("some", specialist)])
    assert list(ensemble.classes_) == ["setosa", "versicolor", "virginica"]
    q, p = ensemble.predict_proba(X), everything.predict_proba(X)
    np.testing.assert_allclose(q[:, 0], p[:, 0], atol=1e-6)
    model = DistillationClassifier(ensemble, TREE, alpha=1, temperature=1).fit(X, names)
    assert model.score(X, names) > 0.9


def test_columns_of_members(iris):
    X, y = iris
    frame = pd.DataFrame(X, columns=list("abcd"))
    members = [("first", GaussianNB()), ("last", GaussianNB().fit(frame[["c", "d"]], y))]
    columns = {"first": lambda X: ["a", "b"], "last": ["c", "d"]}
    ensemble = TeacherEnsemble(members, columns=columns).fit(frame, y)
    one = GaussianNB().fit(frame[["a", "b"]], y).predict_proba(frame[["a", "b"]])
    other = members[1][1].predict_proba(frame[["c", "d"]])
    np.testing.assert_allclose(ensemble.predict_proba(frame), (one + other) / 2)
    model = DistillationClassifier(TeacherEnsemble(members, columns=columns), TREE, alpha=0.5)
    assert model.fit(frame, y).score(frame, y) > 0.9


@pytest.mark.parametrize("pooling", POOLINGS)
def test_members_label_in_their_own_way_and_the_pool_teaches(iris, pooling):
    X, y = iris
    calls = Calls()
    members = [("a", RecordingClassifier(calls)), ("ready", GaussianNB().fit(X, y))]
    teacher = TeacherEnsemble(members, pooling=pooling)
    model = DistillationClassifier(teacher, TREE, alpha=0.5, temperature=2, cv=None)
    model.fit(X, y)
    assert len(calls.of("fit")) == 6  # five folds and all rows
    assert model.teacher_.named_estimators_.ready is members[1][1]
    assert model.label_source_ == "fitted"
    assert model.score(X, y) > 0.9


def test_a_list_is_an_ensemble(iris):
    X, y = iris
    members = [("a", GaussianNB()), ("b", logistic())]
    settings = {"student": TREE, "alpha": 0.5, "temperature": 2}
    one = DistillationClassifier(members, **settings).fit(X, y)
    other = DistillationClassifier(TeacherEnsemble(members), **settings).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert isinstance(one.teacher_, TeacherEnsemble)
    ready = GaussianNB().fit(X, y)
    twin = clone(DistillationClassifier([("a", ready), ("b", logistic())], TREE))
    assert twin.teacher[0][1] is ready


def test_the_cache_is_of_each_member(iris, tmp_path):
    X, y = iris
    calls = Calls()
    members = [("a", RecordingClassifier(calls)), ("b", GaussianNB())]
    model = DistillationClassifier(
        TeacherEnsemble(members), TREE, alpha=0.5, memory=Memory(tmp_path, verbose=0)
    )
    for pooling in POOLINGS:
        model.set_params(teacher__pooling=pooling).fit(X, y)
    assert len(calls.of("fit")) == 6


def test_labels_have_a_say_in_confidence_but_nobody_is_judged_by_them(iris):
    X, y = iris
    rng = np.random.RandomState(0)
    wrong = LogisticRegression(max_iter=500).fit(X, rng.permutation(y))
    members = [("good", GaussianNB().fit(X, y)), ("wrong", wrong)]
    teacher = TeacherEnsemble(members, pooling="confidence")
    from sklearn_distill._classifier import ask_teacher

    _, said = ask_teacher(DistillationClassifier(teacher, TREE, alpha=0.5), X, y)
    np.testing.assert_allclose(said.log_proba, teacher.predict_log_proba(X), atol=1e-9)
    own = np.arange(len(y)), y
    assert said.informed[own].mean() > said.log_proba[own].mean()


def test_it_says_so_if_a_member_is_better_alone(iris):
    X, y = iris
    members = [("good", logistic()), ("useless", DummyClassifier())]
    model = DistillationClassifier(members, TREE, alpha=0.5, temperature=1)
    with pytest.warns(UserWarning, match="The member 'good' alone has less log loss"):
        model.fit(X, y)
    assert model.teacher_.better_alone_ == "good"
    losses = model.teacher_.losses_
    assert losses["good"] < losses["pool"] < losses["useless"]
    best = DistillationClassifier(TeacherEnsemble(members, pooling="validation"), TREE, alpha=0.5)
    best.fit(X, y)
    assert best.teacher_.better_alone_ is None
    assert best.teacher_.weights_[0] > 0.99


def test_validation_warns_of_members_that_know_the_rows(iris):
    X, y = iris
    noisy = np.where(np.random.RandomState(0).rand(len(y)) < 0.3, 2 - y, y)
    forest = RandomForestClassifier(50, min_samples_leaf=1, random_state=0, bootstrap=False)
    members = [("forest", forest.fit(X, noisy)), ("new", GaussianNB())]
    with pytest.warns(UserWarning, match="know them by heart"):
        TeacherEnsemble(members, pooling="validation").fit(X, noisy)


def test_weights_multiply(iris):
    X, y = iris
    a, b = GaussianNB().fit(X, y), logistic().fit(X, y)
    ensemble = TeacherEnsemble([("a", a), ("b", b)], weights=[3, 1])
    expected = 0.75 * a.predict_proba(X) + 0.25 * b.predict_proba(X)
    np.testing.assert_allclose(ensemble.predict_proba(X), expected)


def test_sample_weights_reach_the_members_that_take_them(iris):
    X, y = iris
    weight = np.random.RandomState(0).rand(len(y))
    calls = Calls()
    members = [("a", RecordingClassifier(calls)), ("b", WeightlessClassifier(calls))]
    TeacherEnsemble(members).fit(X, y, sample_weight=weight)
    got = [call["sample_weight"] for call in calls.of("fit")]
    assert got[0] is not None
    assert got[1] is None
    heavy = TeacherEnsemble([("a", GaussianNB())]).fit(X, y, sample_weight=1 + (y == 0) * 99)
    np.testing.assert_allclose(
        heavy.predict_proba(X),
        GaussianNB().fit(X, y, sample_weight=1 + (y == 0) * 99).predict_proba(X),
    )


def test_in_a_search_and_a_pipeline(iris):
    X, y = iris
    teacher = TeacherEnsemble([("a", GaussianNB()), ("b", make_pipeline(StandardScaler(), TREE))])
    model = DistillationClassifier(teacher, TREE, alpha=0.5, temperature=1)
    grid = {
        "teacher__pooling": POOLINGS,
        "teacher__b__decisiontreeclassifier__max_leaf_nodes": [3, 8],
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The member")
        search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
        assert search.best_score_ > 0.85
        cv = DistillationClassifierCV(teacher, TREE, alphas=(0, 1), temperatures=(1,), cv=3)
        assert cv.fit(X, y).score(X, y) > 0.85
    assert cross_val_score(make_pipeline(StandardScaler(), teacher), X, y, cv=3).mean() > 0.9


def test_parameters_of_a_fitted_member_cannot_be_set(iris):
    ensemble = TeacherEnsemble([("a", GaussianNB().fit(*iris)), ("b", GaussianNB())])
    with pytest.raises(ValueError, match="member 'a' is already fitted"):
        ensemble.set_params(a__var_smoothing=1e-3)
    assert ensemble.set_params(b__var_smoothing=1e-3).estimators[1][1].var_smoothing == 1e-3
    ensemble.set_params(a=logistic(), a__C=3)
    assert ensemble.get_params()["a__C"] == 3


def test_a_cv_of_ones_own_has_fitted_members_cloned(iris):
    X, y = iris
    calls = Calls()
    members = [("a", RecordingClassifier(calls).fit(X, y)), ("b", GaussianNB().fit(X, y))]
    before = len(calls.of("fit"))
    model = DistillationClassifier(TeacherEnsemble(members), TREE, alpha=0.5, cv=3).fit(X, y)
    assert len(calls.of("fit")) == before + 3
    assert model.label_source_ == "out-of-fold"
    assert model.teacher_.estimators[0][1] is members[0][1]


def test_a_hint_names_a_member(iris):
    X, y = iris
    X = X.astype(np.float32)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    student = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    teacher = TeacherEnsemble(
        [("nb", GaussianNB().fit(X, y)), ("net", TorchTeacher(net, classes=[0, 1, 2]))]
    )

    def taught(layer):
        strategy = GradientTraining(max_epochs=2, hints=[LayerHint(layer, "1")])
        return DistillationClassifier(
            teacher, student, alpha=0.5, temperature=2, strategy=strategy, random_state=0
        ).fit(X, y)

    taught("net.1")
    with pytest.raises(ValueError, match="no member '1'.*Begin the layer with one of"):
        taught("1")
    with pytest.raises(ValueError, match="has no layer '9'"):
        taught("net.9")


def test_it_pickles(iris):
    X, y = iris
    ensemble = TeacherEnsemble([("a", GaussianNB()), ("b", TREE)], pooling="validation").fit(X, y)
    again = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(again.predict_proba(X), ensemble.predict_proba(X))


# -- regressors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_targets", [1, 2])
def test_regressors_pool_their_values(n_targets):
    X, y = make_regression(80, 4, n_targets=n_targets, noise=5, random_state=0)
    members = [("a", LinearRegression()), ("b", RandomForestRegressor(5, random_state=0))]
    ensemble = TeacherEnsemble(members).fit(X, y)
    expected = np.mean([m.fit(X, y).predict(X) for _, m in members], axis=0)
    np.testing.assert_allclose(ensemble.predict(X), expected)
    assert ensemble.predict(X).shape == y.shape
    validated = TeacherEnsemble(members, pooling="validation").fit(X, y)
    assert validated.weights_[0] > 0.7
    assert validated.losses_["pool"] <= validated.losses_["b"]


def test_confidence_of_regressors_is_the_inverse_of_their_variance():
    X, y = make_regression(60, 2, noise=5, random_state=0)
    members = [("gp", GaussianProcessRegressor(alpha=1.0)), ("ridge", BayesianRidge())]
    ensemble = TeacherEnsemble(members, pooling="confidence").fit(X, y)
    both = [m.predict(X[:5] + 3, return_std=True) for m in ensemble.estimators_]
    w = np.array([1 / std**2 for _, std in both])
    expected = (w * [mean for mean, _ in both]).sum(axis=0) / w.sum(axis=0)
    np.testing.assert_allclose(ensemble.predict(X[:5] + 3), expected, rtol=1e-6)
    _, std = ensemble.predict(X[:5], return_std=True)
    assert (std > 0).all()
    with pytest.raises(TypeError, match="gives no standard deviation"):
        TeacherEnsemble([("a", Ridge())], pooling="confidence").fit(X, y).predict(X)


def test_geometric_pool_of_values_must_be_positive():
    X, y = np.arange(8.0)[:, None], np.exp(np.arange(8.0))
    members = [("a", DummyRegressor()), ("b", DummyRegressor(strategy="median"))]
    ensemble = TeacherEnsemble(members, pooling="geometric").fit(X, y)
    np.testing.assert_allclose(ensemble.predict(X), np.sqrt(y.mean() * np.median(y)))
    with pytest.raises(ValueError, match="needs values that are positive"):
        ensemble.fit(X, -y).predict(X)


# -- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ([], "needs a list of"),
        ([("a", GaussianNB()), ("a", TREE)], "not unique"),
        ([("a__b", GaussianNB())], "must not contain __"),
        ([("pooling", GaussianNB())], "conflict with constructor"),
        ([("a", GaussianNB()), ("b", Ridge())], "all be classifiers, or all regressors"),
        ([("a", GaussianNB)], "is a class. Pass an instance"),
        ([("a", 3)], "is no teacher"),
        ([GaussianNB(), TREE], r"must be a list of \(name, estimator\)"),
    ],
)
def test_mistakes_in_the_list_are_found_before_anything_is_fitted(iris, estimators, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TeacherEnsemble(estimators).fit(*iris)
    for alpha in (0, 0.5):
        with pytest.raises((ValueError, TypeError), match=r"list of \(name|" + message):
            DistillationClassifier(estimators, TREE, alpha=alpha).fit(*iris)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, np.nan], ["a", "b"]])
def test_weights_must_be_one_for_each_member(iris, weights):
    ensemble = TeacherEnsemble([("a", GaussianNB()), ("b", TREE)], weights=weights)
    with pytest.raises(ValueError, match=r"must be 2 numbers|could not convert"):
        ensemble.fit(*iris)


def test_columns_that_are_not_there(iris):
    X, y = iris
    frame = pd.DataFrame(X, columns=["length", "width", "c", "d"])
    members = [("a", GaussianNB()), ("b", TREE)]
    with pytest.raises(ValueError, match="'lenght'.*Did you mean.*'length'"):
        TeacherEnsemble(members, columns={"a": ["lenght"]}).fit(frame, y)
    with pytest.raises(ValueError, match=r"names \['c'\], and the members are"):
        TeacherEnsemble(members, columns={"c": ["length"]}).fit(frame, y)
    ready = GaussianNB().fit(frame[["c", "d"]], y)
    with pytest.raises(ValueError, match="was fitted on the columns"):
        TeacherEnsemble([("a", ready), ("b", TREE)]).fit(frame, y)
    with pytest.raises(ValueError, match="was fitted on 2 columns, and gets 4"):
        TeacherEnsemble([("a", GaussianNB().fit(X[:, :2], y)), ("b", TREE)]).fit(X, y)


def test_classes_that_have_nothing_in_common():
    X, y = make_classification(120, n_informative=4, n_classes=4, random_state=0)
    low, high = y < 2, y >= 2
    members = [("low", logistic().fit(X[low], y[low])), ("high", logistic().fit(X[high], y[high]))]
    with pytest.raises(ValueError, match="nothing in common"):
        TeacherEnsemble(members).predict(X)
    members = [("low", logistic().fit(X[low], y[low])), ("text", logistic().fit(X, y.astype(str)))]
    with pytest.raises(ValueError, match="classes of different types"):
        TeacherEnsemble(members).predict(X)
    with pytest.raises(ValueError, match="knows none of the classes"):
        DistillationClassifier(
            [("low", members[0][1]), ("new", CentroidClassifier())], TREE, alpha=0.5
        ).fit(X[high], y[high])
