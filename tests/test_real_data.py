"""Statistics on real data: fixed seeds, bounds from measured figures (``make slow``)."""

import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.nn.default_network import HIDDEN

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

pytestmark = pytest.mark.slow
TREE = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)


def forest_and_booster(n_trees, **booster):
    from lightgbm import LGBMClassifier

    forest = ExtraTreesClassifier(n_trees, min_samples_leaf=2, n_jobs=2, random_state=0)
    boosted = LGBMClassifier(random_state=0, verbose=-1, n_jobs=2, **booster)
    return VotingClassifier([("forest", forest), ("booster", boosted)], voting="soft")


def test_a_tree_of_64_leaves_keeps_the_ranking_of_frauds():
    import real_data

    X, y = real_data.credit_card_fraud()
    X = X.to_numpy()
    train, test = slice(None, int(0.7 * len(y))), slice(int(0.7 * len(y)), None)
    teacher = forest_and_booster(
        200,
        n_estimators=400,
        learning_rate=0.02,
        colsample_bytree=0.5,
        subsample=0.7,
        subsample_freq=1,
        reg_lambda=10,
    ).fit(X[train], y[train])
    proba = teacher.predict_proba(X[test])[:, 1]
    assert average_precision_score(y[test], proba) >= 0.80  # measured: .818
    # Without a teacher the tree needs leaves of several payments, or it does worse still (.485).
    guarded = clone(TREE).set_params(min_samples_leaf=5)
    twin = DistillationClassifier(teacher, guarded, alpha=0).fit(X[train], y[train])
    hard = average_precision_score(y[test], twin.predict_proba(X[test])[:, 1])
    assert 0.55 < hard < 0.66  # measured: .606
    model = DistillationClassifier(teacher, TREE, alpha=1, temperature=4).fit(X[train], y[train])
    proba = model.predict_proba(X[test])
    # Measured: .780 with the pinned versions, and .743 with the same rows in float32. With 108
    # frauds to judge by and 64 leaves rounding alone moves it; the gain is several times larger.
    assert average_precision_score(y[test], proba[:, 1]) >= 0.76
    assert average_precision_score(y[test], proba[:, 1]) >= hard + 0.08
    assert roc_auc_score(y[test], proba[:, 1]) >= 0.97  # measured: .977
    assert log_loss(y[test], proba) < 0.003  # measured: .0025


@pytest.mark.parametrize("name", ["spambase", "phoneme", "magic"])
def test_a_small_tree_ranks_better_with_a_teacher_than_without(name):
    import real_data

    X, y = real_data.keel(name)
    X_train, X_test, y_train, y_test = train_test_split(
        np.asarray(X), y, test_size=0.3, stratify=y, random_state=0
    )
    teacher = forest_and_booster(100, n_estimators=100).fit(X_train, y_train)
    scores = []
    for alpha in (0, 0.75):
        model = DistillationClassifier(teacher, TREE, alpha=alpha, temperature=3)
        model.fit(X_train, y_train)
        scores.append(roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]))
    # Measured gains: spambase .018, phoneme .005, magic .011.
    assert scores[1] > scores[0] + 0.002


@pytest.fixture
def one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["spambase", "magic"])
def test_the_default_network_ranks_better_than_an_mlp_classifier_of_its_size(name, one_thread):
    import real_data

    X, y = real_data.keel(name)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=3000, stratify=y, random_state=0
    )
    teacher = forest_and_booster(200, n_estimators=200, num_leaves=15).fit(X_train, y_train)
    mlp = make_pipeline(StandardScaler(), MLPClassifier(HIDDEN, max_iter=1000, random_state=0))
    model = DistillationClassifier(teacher, random_state=0)
    scores = [
        roc_auc_score(y_test, m.fit(X_train, y_train).predict_proba(X_test)[:, 1])
        for m in (mlp, model)
    ]
    # Measured with 3,000 rows, means of two splits: spambase .973 and .985, magic .913 and .929.
    assert scores[1] > scores[0] + 0.004


def test_a_deep_and_narrow_network_needs_hints(one_thread):
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    import hints_by_regime as benchmark

    regime = benchmark.REGIMES["letter-deep-narrow"]
    only = {"pkt": regime.hints["pkt"]}
    with mock.patch.dict(benchmark.REGIMES, {"deep": regime._replace(hints=only)}):
        records = benchmark.run("deep", 0, [1.0], with_hints=True)
    accuracy = {record["way"]: record["accuracy"] for record in records}
    # Measured gains over soft targets alone: see the table in docs/networks.rst.
    assert accuracy["pkt"] > accuracy["soft targets"] + 0.03
    assert accuracy["pkt"] > accuracy["hard labels"] + 0.03


def test_ad_clicks_are_rare_and_their_items_are_joined_to_them():
    import real_data

    X, y = real_data.ad_clicks()
    assert X.shape == (60_000, 11)
    assert y.sum() == 287
    assert list(X.select_dtypes("number")) == ["affinity", "item_feature_0"]
    assert not X.isna().any(axis=None)
    again, labels = real_data.ad_clicks()  # from the cache
    assert again.equals(X)
    assert (labels == y).all()


def test_crash_injuries_keep_none_as_a_category_and_numbers_as_numbers():
    import real_data

    X, y = real_data.crash_injuries()
    assert X.shape == (93_004, 29)
    assert len(np.unique(y)) == 8
    assert not X.isna().any(axis=None)
    assert X.select_dtypes("category").shape[1] == 24
    assert not X.assign(y=y).duplicated().any()
