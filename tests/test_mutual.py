"""Models that learn from each other."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.base import clone, is_classifier
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn
from torch.nn import functional as F

from sklearn_distill import (
    DistillationClassifier,
    GradientTraining,
    MutualDistillationClassifier,
)
from sklearn_distill.export import OnnxClassifier, export_onnx
from sklearn_distill.nn.objective import Objective
from sklearn_distill.nn.peers import MutualObjective, Peers
from sklearn_distill.tempering import lift_zeros

TREE = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0)
LINEAR = make_pipeline(StandardScaler(), LogisticRegression())
PAIR = [("tree", TREE), ("linear", LINEAR)]
SHORT = GradientTraining(max_epochs=4, batch_size=32, validation_fraction=None)


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def scaled():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), np.array(["a", "b", "c"])[y]


def nets(n=2, n_outputs=3):
    return [
        (f"net{k}", nn.Sequential(nn.Linear(4, 6 + k), nn.ReLU(), nn.Linear(6 + k, n_outputs)))
        for k in range(n)
    ]


# -- in turns --------------------------------------------------------------------------------


def test_alpha_zero_is_each_estimator_alone(cancer):
    X, y = cancer
    model = MutualDistillationClassifier(PAIR, alpha=0, cv=3).fit(X, y)
    for (name, estimator), fitted in zip(PAIR, model.estimators_, strict=True):
        assert_array_equal(
            fitted.predict_proba(X), clone(estimator).fit(X, y).predict_proba(X), err_msg=name
        )
    for losses in model.losses_.values():
        assert_allclose(losses, losses[0])  # three rounds in vain


def test_losses_on_labels_are_cross_validations(cancer):
    X, y = cancer
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y))
    model = MutualDistillationClassifier(PAIR, cv=folds).fit(X, y)
    for name, estimator in PAIR:
        said = np.empty((len(y), 2))
        for train, test in folds:
            said[test] = clone(estimator).fit(X[train], y[train]).predict_proba(X[test])
        with np.errstate(divide="ignore"):
            lifted = np.exp(lift_zeros(np.log(said), 2e-4))
        assert_allclose(model.losses_[name][0], log_loss(y, lifted), rtol=1e-10)


@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 1), (1, 8), (1e-6, 2)])
def test_a_round_is_a_distillation_from_the_mean_of_the_others(cancer, alpha, temperature):
    X, y = cancer
    three = [*PAIR, ("bayes", GaussianNB())]
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    model = MutualDistillationClassifier(
        three, alpha=alpha, temperature=temperature, cv=folds, n_rounds=1, keep="tree"
    ).fit(X, y)
    said = []
    for _, estimator in three[1:]:
        answers = np.empty((len(y), 2))
        for train, test in folds:
            fitted = clone(estimator).fit(X[train], y[train])
            answers[test] = fitted.predict_log_proba(X[test])
        said.append(answers)
    heard = np.exp(logsumexp(said, axis=0) - np.log(2))
    by_hand = DistillationClassifier(None, TREE, alpha=alpha, temperature=temperature).fit(
        X, y, teacher_output=heard
    )
    alone, after = model.losses_["tree"]
    assert after < 0.9 * alone  # a round that gains nothing clearly is not kept
    assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), atol=1e-12)


def test_a_tree_gains_by_what_others_know_and_no_one_loses(cancer):
    X, y = cancer
    model = MutualDistillationClassifier(PAIR).fit(X, y)
    assert model.losses_["tree"].min() < model.losses_["tree"][0]
    assert model.kept_ == "linear"
    assert_array_equal(model.predict(X), model.named_estimators_["linear"].predict(X))
    # What did not gain is what it was.
    if model.losses_["linear"].min() >= model.losses_["linear"][0]:
        alone = clone(LINEAR).fit(X, y)
        assert_allclose(model.predict_proba(X), alone.predict_proba(X))


def test_weights_reach_everyone(cancer):
    X, y = cancer
    weight = np.where(np.arange(len(y)) < 300, 1.0, 0.0)
    model = MutualDistillationClassifier(PAIR, cv=3, n_rounds=1, keep="average")
    some = model.fit(X, y, weight).predict_proba(X)
    assert not np.allclose(some, clone(model).fit(X, y).predict_proba(X))


def test_a_class_of_three_rows_and_one_that_a_fold_misses(cancer):
    X, y = cancer
    y = y.copy()
    y[:3] = 2
    model = MutualDistillationClassifier(PAIR, cv=3, n_rounds=1).fit(X, y)
    assert model.predict_proba(X).shape == (569, 3)
    y[1:3] = 0
    with pytest.warns(UserWarning, match="least populated class"):
        model = MutualDistillationClassifier(PAIR, cv=3, n_rounds=1).fit(X, y)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


# -- together --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 3])
def test_networks_that_do_not_listen_are_trained_as_alone(scaled, seed):
    X, y = scaled
    members = nets(3)
    model = MutualDistillationClassifier(
        members, alpha=0, strategy=SHORT, keep="average", random_state=seed
    ).fit(X, y)
    for (_, module), fitted in zip(members, model.estimators_, strict=True):
        alone = DistillationClassifier(
            None, module, alpha=0, strategy=SHORT, random_state=seed
        ).fit(X, y)
        assert_allclose(fitted.predict_proba(X), alone.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 8.0])
@pytest.mark.parametrize("alpha", [1e-6, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_is_that_of_the_paper(alpha, temperature, weighted):
    rng = torch.Generator().manual_seed(0)
    X, labels = torch.randn(20, 4, generator=rng), torch.arange(20) % 3
    peers = Peers([module for _, module in nets(3)], alpha, temperature)
    weight = np.linspace(0.2, 2, 20) if weighted else np.ones(20)
    objective = MutualObjective(labels, None, np.zeros(20), weight, 1.0, n_classes=3)
    peers(X)
    objective.peers = peers
    loss = objective.loss_of_rows(None, labels, torch.arange(20))
    expected = torch.zeros(())
    shares = torch.as_tensor(weight / weight.mean(), dtype=torch.float32)
    for k, module in enumerate(peers.peers):
        own = F.cross_entropy(module(X), labels, reduction="none")
        apart = torch.zeros(20)
        for j, other in enumerate(peers.peers):
            if j != k:
                p = F.softmax(other(X).detach() / temperature, dim=1)
                log_q = F.log_softmax(module(X) / temperature, dim=1)
                apart += (p * (p.log() - log_q)).sum(dim=1) / 2
        rows = (1 - alpha) * own + alpha * temperature**2 * apart
        expected = expected + (shares * rows).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    found = torch.autograd.grad(loss, list(peers.parameters()), retain_graph=True)
    wanted = torch.autograd.grad(expected, list(peers.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_the_output_of_peers_is_the_mean_of_their_probabilities():
    sigmoid = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    softmax = nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1))
    peers = Peers([sigmoid, softmax, nn.Linear(4, 2)], 0.5, 1.0)
    X = torch.randn(9, 4)
    said = peers(X).exp()
    by_hand = torch.stack(
        [
            torch.cat([1 - sigmoid(X), sigmoid(X)], dim=1),
            softmax(X),
            F.softmax(peers.peers[2](X), dim=1),
        ]
    ).mean(dim=0)
    torch.testing.assert_close(said, by_hand)
    with pytest.raises(ValueError, match="must know the same classes"):
        Peers([nn.Linear(4, 3), nn.Linear(4, 2)], 0.5, 1.0)(X)
    assert issubclass(MutualObjective, Objective)


def test_who_listens_comes_closer(scaled):
    X, y = scaled
    members = nets()

    def apart(alpha):
        model = MutualDistillationClassifier(
            members,
            alpha=alpha,
            strategy=GradientTraining(max_epochs=30, validation_fraction=None),
            keep="average",
            random_state=0,
        ).fit(X, y)
        one, other = (fitted.predict_proba(X) for fitted in model.estimators_)
        return np.abs(one - other).mean()

    assert apart(0.9) < 0.5 * apart(0)


def test_the_best_network_is_kept_by_folds(scaled, tmp_path):
    X, y = scaled
    model = MutualDistillationClassifier(nets(), strategy=SHORT, cv=3, random_state=0).fit(X, y)
    assert model.kept_ == min(model.losses_, key=lambda name: model.losses_[name][0])
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    alone = model.standalone()
    assert_allclose(alone.predict_proba(X), model.predict_proba(X))
    file = export_onnx(model, tmp_path / "net.onnx", X)
    assert_allclose(OnnxClassifier(file.path).predict_proba(X), model.predict_proba(X), atol=1e-5)
    before = {k: v.clone() for k, v in model.estimators[0][1].state_dict().items()}
    model.fit(X, y)
    for key, value in model.estimators[0][1].state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_networks_may_take_turns_with_others(scaled):
    X, y = scaled
    mixed = [*nets(1), ("tree", TREE)]
    model = MutualDistillationClassifier(mixed, strategy="auto", cv=3, n_rounds=1, random_state=0)
    model.set_params(strategy="auto", estimators=[("net", None), ("tree", TREE)])
    model.set_params(net=mixed[0][1])
    assert model.fit(X, y).predict_proba(X).shape == (150, 3)
    assert not model._are_together()


def test_same_weights_are_refused(scaled):
    torch.manual_seed(0)
    one = nn.Linear(4, 3)
    torch.manual_seed(0)
    other = nn.Linear(4, 3)
    with pytest.raises(ValueError, match="begin with the same weights"):
        MutualDistillationClassifier([("a", one), ("b", other)]).fit(*scaled)


# -- scikit-learn's contract -------------------------------------------------------------------


def test_average_of_all(cancer):
    X, y = cancer
    model = MutualDistillationClassifier(PAIR, cv=3, keep="average").fit(X, y)
    mean = np.mean([one.predict_proba(X) for one in model.estimators_], axis=0)
    assert_allclose(model.predict_proba(X), mean)
    assert_allclose(np.exp(model.predict_log_proba(X)), mean)
    assert_allclose(model.decision_function(X), np.log(mean[:, 1]) - np.log(mean[:, 0]))
    with pytest.raises(ValueError, match="and not one"):
        model.standalone()


def test_nested_searches_frames_and_pipelines(cancer):
    X, y = cancer
    frame = pd.DataFrame(X[:, :4].copy(), columns=list("abcd"))
    frame["kind"] = pd.Categorical(np.where(X[:, 4] > 0.1, "x", "y"))
    frame.loc[::9, "a"] = np.nan
    encode = make_column_transformer(
        (OneHotEncoder(), ["kind"]), ("passthrough", ["a", "b"]), remainder="drop"
    )
    pair = [
        ("tree", make_pipeline(encode, TREE)),
        ("deep", make_pipeline(encode, DecisionTreeClassifier(max_depth=6, random_state=0))),
    ]
    model = MutualDistillationClassifier(pair, cv=3, n_rounds=1)
    grid = {"alpha": [0.5, 1], "deep__decisiontreeclassifier__max_depth": [3, 6]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(frame, y)
    assert search.predict_proba(frame).shape == (569, 2)
    assert list(search.best_estimator_.feature_names_in_) == list(frame.columns)
    assert is_classifier(model)
    twin = clone(model).set_params(deep__decisiontreeclassifier__max_depth=3)
    assert model.estimators[1][1][-1].max_depth == 6
    assert twin.estimators[1][1][-1].max_depth == 3


@pytest.mark.filterwarnings("ignore:.* has no predict_proba:UserWarning")
def test_students_without_probabilities_learn_and_are_heard(cancer):
    X, y = cancer
    pair = [("tree", TREE), ("svc", make_pipeline(StandardScaler(), LinearSVC(max_iter=5000)))]
    model = MutualDistillationClassifier(pair, cv=3, n_rounds=1, keep="svc").fit(X, y)
    assert not hasattr(model, "predict_proba")
    assert model.decision_function(X).shape == (569,)


@pytest.mark.parametrize(
    ("estimators", "settings", "error", "message"),
    [
        ([("a", TREE)], {}, ValueError, "needs two estimators at least"),
        ([], {}, ValueError, "needs two estimators at least"),
        ([("a", TREE), ("a", TREE)], {}, ValueError, "not unique"),
        ([("a__b", TREE), ("c", TREE)], {}, ValueError, "must not contain __"),
        ([("a", TREE), ("b", StandardScaler())], {}, TypeError, "StandardScaler"),
        ([("best", TREE), ("b", TREE)], {}, ValueError, "cannot be named"),
        ([TREE, TREE], {}, TypeError, "list of \\(name, estimator\\)"),
        ([("a", TREE), ("b", 3)], {}, TypeError, "has no fit"),
        (PAIR, {"keep": "forest"}, ValueError, "keep must be"),
        (PAIR, {"together": True}, ValueError, "trains torch modules"),
        (PAIR, {"alpha": 2}, ValueError, "The 'alpha' parameter"),
        (PAIR, {"n_rounds": 0}, ValueError, "The 'n_rounds' parameter"),
        (PAIR, {"cv": 1}, ValueError, "n_splits"),
    ],
)
def test_what_is_refused(cancer, estimators, settings, error, message):
    model = MutualDistillationClassifier(estimators, **settings)
    with pytest.raises(error, match=message):
        model.fit(*cancer)
    assert not hasattr(model, "estimators_")


def test_labels_are_needed(cancer):
    with pytest.raises(ValueError, match="requires y to be passed"):
        MutualDistillationClassifier(PAIR).fit(cancer[0])
    modules = nets(n_outputs=2)
    tree_strategy = MutualDistillationClassifier(modules, strategy="weighted-labels")
    with pytest.raises(TypeError, match="need a GradientTraining as strategy"):
        tree_strategy.fit(cancer[0][:, :4].astype(np.float32), cancer[1])
