"""New rows, and what the model makes of them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.augmentation import (
    ColumnSwap,
    Composition,
    Interpolation,
    LeafSwap,
    Munge,
    ScaledNoise,
)
from sklearn_distill.augmentation._adapters import as_augmenter, draw_rows
from sklearn_distill.calibration import calibrating_factor
from sklearn_distill.trust import orthogonal, trust_in_rows

X, y = load_iris(return_X_y=True)
AUGMENTERS = [
    ColumnSwap(),
    ColumnSwap(2.5, share=0.6),
    LeafSwap(),
    LeafSwap(tree=RandomForestClassifier(5, random_state=0).fit(X, y)),
    Munge(times=3),
    Munge(local_variance=1.0),
    Interpolation(concentration=0.5),
    ScaledNoise(),
    Composition([Munge(2), ScaledNoise()]),
]
SWAPS = [one for one in AUGMENTERS[:5]]
each = pytest.mark.parametrize("augmenter", AUGMENTERS, ids=str)


def mixed(n=60):
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "number": np.where(rng.uniform(size=n) < 0.2, np.nan, rng.normal(size=n)),
            "single": rng.normal(size=n).astype(np.float32),
            "count": rng.randint(9, size=n),
            "flag": rng.uniform(size=n) < 0.3,
            "kind": pd.Categorical(rng.choice(list("abc"), n), categories=list("abcd")),
            "text": rng.choice(["x", "yy"], n).astype(object),
            "nullable": pd.array(np.where(np.arange(n) % 5, 3, None), dtype="Int64"),
            "day": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.randint(99, size=n), "D"),
        }
    )


@each
def test_rows_are_as_many_as_asked_for_and_the_same_for_the_same_seed(augmenter):
    before, state = X.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (augmenter.sample(X, y, random_state=3) for _ in range(2))
    other = augmenter.sample(X, y, random_state=4)
    times = augmenter.augmenters[0].times if hasattr(augmenter, "augmenters") else augmenter.times
    assert first.shape == (round(times * len(X)), X.shape[1])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert str(clone(augmenter)) == str(augmenter)


@pytest.mark.filterwarnings("ignore:X has feature names")
@each
def test_arrays_and_frames_of_the_same_numbers_give_the_same_rows(augmenter):
    names = [f"x{j}" for j in range(X.shape[1])]
    expected = augmenter.sample(X, y, random_state=0)
    frame = augmenter.sample(pd.DataFrame(X, columns=names), y, random_state=0)
    assert list(frame.columns) == names
    np.testing.assert_allclose(frame.to_numpy(), expected)
    frame = augmenter.sample(pl.DataFrame(X, schema=names), y, random_state=0)
    assert frame.columns == names
    np.testing.assert_allclose(frame.to_numpy(), expected)


@pytest.mark.parametrize(
    "augmenter", [one for one in AUGMENTERS if getattr(one, "tree", None) is None], ids=str
)
def test_columns_keep_their_types_and_what_is_missing_stays_in_its_column(augmenter):
    frame = mixed()
    labels = np.arange(len(frame)) % 2
    new = augmenter.sample(frame, labels, random_state=0)
    assert (new.dtypes == frame.dtypes).all()
    assert list(new.columns) == list(frame.columns)
    assert new["kind"].cat.categories.tolist() == list("abcd")
    holes = set(frame.columns[frame.isna().any()])
    assert set(new.columns[new.isna().any()]) <= holes
    for name in ("count", "flag", "kind", "text", "day"):
        assert set(new[name]) <= set(frame[name])
    draw_rows(augmenter, frame, labels, 0)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, bool, object])
@each
def test_arrays_keep_their_type(augmenter, dtype):
    rows = X.round().astype(dtype)
    new = augmenter.sample(rows, y, random_state=0)
    assert new.dtype == rows.dtype
    assert set(new[:, 0].tolist()) <= set(rows[:, 0].tolist())  # whole numbers are not mixed


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array, sparse.coo_array])
@pytest.mark.parametrize(
    "augmenter", [one for one in AUGMENTERS if getattr(one, "tree", None) is None], ids=str
)
def test_sparse_rows_stay_sparse(augmenter, kind):
    rows = kind(np.where(X > 2, X, 0))
    new = augmenter.sample(rows, y, random_state=0)
    assert new.format == "csr"
    assert isinstance(new, sparse.sparray) == isinstance(rows, sparse.sparray)
    assert new.dtype == rows.dtype
    draw_rows(augmenter, rows, y, 0)


@pytest.mark.parametrize("augmenter", SWAPS, ids=str)
def test_swapped_cells_are_cells_of_their_column(augmenter):
    new = augmenter.sample(X, y, random_state=0)
    for j in range(X.shape[1]):
        assert np.isin(new[:, j], X[:, j]).all()
    dense = np.where(X > 2, X, 0)
    new = augmenter.sample(sparse.csr_array(dense), y, random_state=0).toarray()
    for j in range(X.shape[1]):
        assert np.isin(new[:, j], dense[:, j]).all()


@pytest.mark.parametrize(("share", "n"), [(0.01, 1), (0.3, 3), (1.0, 9)])
def test_so_many_columns_are_swapped_and_at_least_one(share, n):
    rows = np.arange(500).reshape(50, 10)  # every cell says which row it is of
    new = ColumnSwap(4, share=share).sample(rows, random_state=0)
    base = np.tile(np.arange(50), 4)
    np.testing.assert_array_equal((new // 10 != base[:, None]).sum(axis=1), n)
    counts = (new // 10 != base[:, None]).sum(axis=0)
    assert counts.min() > 0.5 * counts.mean()


def test_donors_share_the_leaf():
    tree = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0).fit(X, y)
    numbered = np.arange(len(X))[:, None] + np.zeros(4)
    leaves = tree.apply(X)

    class Leaves:
        def apply(self, rows):
            return leaves

        def predict(self, rows):
            raise NotImplementedError

    new = LeafSwap(3, share=0.5, tree=Leaves()).sample(numbered.astype(int), random_state=0)
    base = np.tile(np.arange(len(X)), 3)
    assert (leaves[new] == leaves[base][:, None]).all()
    assert (new != base[:, None]).any(axis=1).mean() > 0.9


def test_munge_swaps_with_the_nearest_neighbour():
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(80, 3))
    new = Munge(swap_probability=1).sample(rows, random_state=0)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    nearest = NearestNeighbors(n_neighbors=2).fit(scaled).kneighbors(scaled)[1][:, 1]
    np.testing.assert_array_equal(new, rows[nearest])
    np.testing.assert_array_equal(Munge(swap_probability=0).sample(rows), rows)


def test_interpolated_rows_lie_between_two():
    new = Interpolation(5).sample(X[:2] + 0.05, random_state=0)
    low, high = (X[:2] + 0.05).min(axis=0), (X[:2] + 0.05).max(axis=0)
    assert ((new >= low - 1e-12) & (new <= high + 1e-12)).all()


def test_focus():
    labels = np.r_[np.zeros(140, int), np.ones(10, int)]
    numbered = np.arange(150)[:, None] * np.ones(2, int)
    copies = ScaledNoise(2, focus="rare").sample(numbered, labels, random_state=0)
    assert (copies[:, 0] >= 140).mean() == pytest.approx(0.5, abs=0.01)
    proba = np.tile([1.0, 0.0], (150, 1))
    proba[:7] = 0.5
    copies = ScaledNoise(focus="uncertain").sample(numbered, random_state=0, proba=proba)
    assert set(copies[:, 0]) == set(range(7))
    with pytest.raises(ValueError, match="focus='uncertain' looks at what the teacher says"):
        ScaledNoise(focus="uncertain").sample(X)
    with pytest.raises(ValueError, match="focus='rare' looks at the classes"):
        Munge(focus="rare").sample(X)


@each
def test_one_row_and_one_column(augmenter):
    if getattr(augmenter, "tree", None) is None:
        assert augmenter.sample(X[:1], y[:1], random_state=0).shape[1] == 4
        assert augmenter.sample(X[:, :1], y, random_state=0).shape[1] == 1
    with pytest.raises(ValueError, match="needs rows to begin with|0 sample"):
        augmenter.sample(X[:0], y[:0])
    with pytest.raises(TypeError, match="new rows of a table|must be rows"):
        augmenter.sample(["a", "b"], [0, 1])


# -- what others make ------------------------------------------------------------------------


class OverSampler:
    """In the manner of imbalanced-learn."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def get_params(self, deep=True):
        return {"random_state": self.random_state}

    def set_params(self, random_state):
        self.random_state = random_state
        return self

    def fit_resample(self, X, y):
        some = np.random.RandomState(self.random_state).randint(len(X), size=20)
        return np.r_[X, X[some] + 0.1], np.r_[y, y[some]]


class UnderSampler(OverSampler):
    def fit_resample(self, X, y):
        return X[::2], y[::2]


def test_functions_and_over_samplers_are_augmenters():
    assert as_augmenter(OverSampler()).sample(X, y, random_state=0).shape == (20, 4)
    assert draw_rows(lambda X, y, rng: X[:3], X, y, 0).shape == (3, 4)
    with pytest.raises(ValueError, match="UnderSampler does not keep the rows"):
        draw_rows(UnderSampler(), X, y, 0)
    with pytest.raises(TypeError, match="augmenter must have a method sample"):
        as_augmenter(3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda X, y, rng: X[:, :2], "as many columns as X"),
        (lambda X, y, rng: X[:0], "has no rows"),
        (lambda X, y, rng: np.where(X > 5, np.nan, X), "missing values in [1-4] columns"),
        (lambda X, y, rng: np.where(X > 5, np.inf, X), "infinite values in"),
        (lambda X, y, rng: pd.DataFrame(X), "same kind as X"),
        (lambda X, y, rng: None, "must be rows. Got a NoneType"),
    ],
)
def test_what_a_function_makes_is_looked_at(make, match):
    model = DistillationClassifier(
        LogisticRegression(max_iter=500), DecisionTreeClassifier(), augmenter=make
    )
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert not [name for name in vars(model) if name.endswith("_")]


# -- in the model ----------------------------------------------------------------------------

TEACHER = LogisticRegression(max_iter=500).fit(X, y)
STUDENT = LogisticRegression(max_iter=2000, tol=1e-8)


def test_new_rows_are_as_rows_without_labels():
    augmenter = Munge(2)
    model = DistillationClassifier(TEACHER, STUDENT, augmenter=augmenter, random_state=7)
    new = augmenter.sample(X, y, random_state=7)
    by_hand = clone(model).set_params(augmenter=None).fit(X, y, X_unlabeled=new)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), by_hand.predict_proba(X))


def test_alpha_0_keeps_real_labels_and_takes_the_teachers_for_new_rows():
    new = X[::3] + 0.3
    teacher = LogisticRegression(C=0.01).fit(X, y)
    model = DistillationClassifier(teacher, STUDENT, alpha=0, temperature=1)
    got = model.fit(X, y, X_unlabeled=new).predict_proba(X)
    P = teacher.predict_proba(new)
    rows = np.r_[X, np.repeat(new, 3, axis=0)]
    labels = np.r_[y, np.tile(np.arange(3), len(new))]
    weight = np.r_[np.ones(len(y)), P.ravel()]
    by_hand = clone(STUDENT).fit(rows, labels, weight).predict_proba(X)
    np.testing.assert_allclose(got, by_hand, atol=1e-3)
    alone = clone(STUDENT).fit(X, y).predict_proba(X)
    assert np.abs(got - alone).max() > 0.01
    for settings in ({"unlabeled_weight": 0}, {}):
        twin = clone(model).set_params(**settings)
        twin.fit(X, y, **({"X_unlabeled": new} if settings else {}))
        np.testing.assert_array_equal(twin.predict_proba(X), alone)


def test_the_weight_of_new_rows_is_bounded():
    new = np.tile(X[::3] + 0.3, (20, 1))
    light = DistillationClassifier(TEACHER, STUDENT, temperature=1, unlabeled_weight=1 / 3)
    once = DistillationClassifier(TEACHER, STUDENT, temperature=1)
    light.fit(X, y, X_unlabeled=new)
    once.fit(X, y, X_unlabeled=new[: len(new) // 20])
    np.testing.assert_allclose(light.predict_proba(X), once.predict_proba(X), atol=1e-3)


def test_an_unfitted_teacher_is_fitted_once_where_it_labels_new_rows_only():
    fits = []

    class Counting(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            fits.append(len(y))
            return super().fit(X, y, sample_weight)

    model = DistillationClassifier(Counting(max_iter=500), STUDENT, alpha=0, augmenter=Munge())
    assert model.fit(X, y).label_source_ is None
    assert fits == [len(y)]


def test_augmenters_in_a_search():
    model = DistillationClassifier(TEACHER, DecisionTreeClassifier(random_state=0))
    grid = {"augmenter": [None, Munge(2), ColumnSwap(2)], "alpha": [0, 0.5]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_new_rows_need_a_teacher():
    model = DistillationClassifier(None, STUDENT, augmenter=Munge())
    with pytest.raises(ValueError, match="augmenter needs a teacher|teacher=None and no"):
        model.fit(X, y, teacher_output=TEACHER.predict_proba(X))


def test_a_fitted_tree_survives_clones_and_searches():
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    swap = LeafSwap(2, tree=forest)
    assert clone(swap).tree is forest
    model = DistillationClassifier(TEACHER, STUDENT, augmenter=Composition([swap, ScaledNoise()]))
    search = GridSearchCV(model, {"alpha": [0, 0.5]}, cv=2, n_jobs=2, error_score="raise")
    assert search.fit(X, y).score(X, y) > 0.9


def test_rows_without_weight_are_not_even_made():
    def never(X, y, random_state):
        raise AssertionError

    model = DistillationClassifier(
        TEACHER, STUDENT, augmenter=never, unlabeled_weight=0, alpha=0.5, temperature=2
    )
    plain = clone(model).set_params(augmenter=None).fit(X, y)
    model.fit(X, y, X_unlabeled=X[:5])
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


class Counter(LogisticRegression):
    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counter.n_fits += 1
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("augmenter", "match"),
    [
        (Munge(times=-1), "'times' parameter of Munge"),
        (Composition([]), "list of augmenters of this package. Got none"),
        (Composition([print]), "Got .'builtin_function_or_method'"),
        (ColumnSwap(share=2), "'share' parameter of ColumnSwap"),
    ],
    ids=str,
)
def test_bad_settings_are_found_before_the_teacher_is_fitted(augmenter, match):
    Counter.n_fits = 0
    model = DistillationClassifier(Counter(), STUDENT, augmenter=augmenter)
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert Counter.n_fits == 0


def test_texts_are_no_table_to_augment_and_this_is_said_at_once():
    Counter.n_fits = 0
    student = make_pipeline(CountVectorizer(), LogisticRegression())
    teacher = make_pipeline(CountVectorizer(), Counter())
    model = DistillationClassifier(teacher, student, augmenter=Munge())
    with pytest.raises(TypeError, match="Munge makes new rows of a table"):
        model.fit(["a word", "two words"] * 9, [0, 1] * 9)
    assert Counter.n_fits == 0


def test_with_alpha_0_too_uncertain_rows_are_where_new_ones_begin():
    """It needs what the teacher says of real rows, though nobody learns it."""
    taught = []

    class Looker(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            taught.append(X)
            return super().fit(X, y, sample_weight)

    augmenter = ScaledNoise(focus="uncertain", scale=0)
    DistillationClassifier(TEACHER, Looker(max_iter=500), alpha=0, augmenter=augmenter).fit(X, y)
    new = np.unique(taught[0][150:], axis=0)
    assert len(new) < 120 < len(np.unique(X, axis=0))  # not every row once


def test_an_unfitted_xgboost_teacher_of_new_rows_takes_positions_only():
    teacher = pytest.importorskip("xgboost").XGBClassifier(n_estimators=2)
    model = DistillationClassifier(teacher, STUDENT, alpha=0, augmenter=Munge())
    with pytest.raises(ValueError, match="takes no labels but 0 to 2. Encode y"):
        model.fit(X, y.astype(str))


# -- trust and calibration -------------------------------------------------------------------


def test_trust_is_a_weight_of_each_row():
    P = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]])
    log_proba, labels = np.log(P), np.array([0, 0, 1])
    assert trust_in_rows("correct", log_proba, labels).tolist() == [1, 0, 0]
    np.testing.assert_allclose(trust_in_rows("confidence", log_proba, labels), [0.9, 0.6, 0.5])
    log_proba[1] = np.nan
    assert trust_in_rows("confidence", log_proba, labels)[1] == 0
    for bad, match in (
        (np.ones(9), "shape"),
        (-np.ones(2), "not from 0 to 1"),
        ([np.nan] * 2, "0"),
    ):
        with pytest.raises(ValueError, match=match):
            trust_in_rows(lambda P, labels, bad=bad: bad, log_proba, labels)


def test_trust_nowhere_is_learning_from_labels():
    model = DistillationClassifier(
        TEACHER, STUDENT, temperature=1, trust=lambda P, y: 0 * y, alpha=0.5
    )
    alone = clone(STUDENT).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X), alone, atol=2e-3)
    everywhere = DistillationClassifier(
        TEACHER, STUDENT, trust=lambda P, y: 0 * y + 1, alpha=0.5, temperature=2
    )
    plain = clone(everywhere).set_params(trust=None).fit(X, y)
    np.testing.assert_array_equal(everywhere.fit(X, y).predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("temperature", [1, 2, 8])
def test_orthogonal_targets_are_those_of_the_paper(temperature):
    P = np.random.RandomState(0).dirichlet(np.ones(3) * 3, size=50)
    labels = P.argmax(axis=1)
    w = P ** (1 / temperature) / (P ** (1 / temperature)).sum(axis=1, keepdims=True)
    r = np.eye(3)[labels] / P - 1
    expected = w + w * (r - (w * r).sum(axis=1, keepdims=True)) / temperature
    expected = np.maximum(expected, 0) / np.maximum(expected, 0).sum(axis=1, keepdims=True)
    log_m = orthogonal(np.log(P), labels, temperature) / temperature
    got = np.exp(log_m) / np.exp(log_m).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("temperature", [1, 2, 8])
@pytest.mark.parametrize("log_p", [-27.0, -800.0, -1e5])  # 1e-12, and less than any float
def test_orthogonal_targets_of_a_label_that_the_teacher_rules_out(log_p, temperature):
    log_proba = np.array([[-1e-12, log_p, log_p - 1]])
    m = np.exp(orthogonal(log_proba, np.array([1]), temperature))
    np.testing.assert_allclose(m, [[0, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("temperature", [1, 8])
@pytest.mark.parametrize("student", [STUDENT, DecisionTreeClassifier(random_state=0)], ids=str)
def test_full_trust_changes_nothing_with_weights_and_class_weights(student, temperature):
    student = clone(student).set_params(class_weight={0: 1, 1: 5, 2: 0.5})
    model = DistillationClassifier(
        GaussianNB(), student, alpha=1e-6, temperature=temperature, random_state=0
    )
    weight = np.random.RandomState(0).uniform(0.1, 3, len(y))
    plain = clone(model).fit(X, y, weight).predict_proba(X)
    full = clone(model).set_params(trust=lambda P, y: np.ones(len(y))).fit(X, y, weight)
    np.testing.assert_array_equal(full.predict_proba(X), plain)


def test_a_calibrated_teacher_is_the_one_of_its_calibrated_probabilities():
    rare = np.r_[np.arange(100), [101, 120, 140]]  # a class of three rows
    rows, labels = X[rare], y[rare]
    model = DistillationClassifier(GaussianNB(), STUDENT, alpha=1, calibrate=True, cv=3)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    P = cross_val_predict(GaussianNB(), rows, labels, cv=folds, method="predict_log_proba")
    P *= calibrating_factor(P, labels)
    P = np.exp(P - np.logaddexp.reduce(P, axis=1)[:, None])
    by_hand = clone(model).set_params(teacher=None, calibrate=False)
    by_hand.fit(rows, labels, teacher_output=P)
    got = model.fit(rows, labels).predict_proba(X)
    np.testing.assert_allclose(got, by_hand.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_new_rows_are_calibrated_too(alpha):
    settings = {"alpha": alpha, "temperature": 1, "cv": 3, "random_state": 0}
    model = DistillationClassifier(GaussianNB(), STUDENT, augmenter=Munge(3), **settings)
    plain = model.fit(X, y).predict_proba(X)
    calibrated = clone(model).set_params(calibrate=True).fit(X, y).predict_proba(X)
    assert np.abs(plain - calibrated).max() > 1e-3


@pytest.mark.filterwarnings("ignore:The teacher Pipeline is certain of every training row")
@pytest.mark.parametrize("teacher", [RandomForestClassifier, ExtraTreesClassifier])
def test_a_teacher_that_knows_the_rows_by_heart_is_not_calibrated_on_them(teacher):
    rows, labels = load_breast_cancer(return_X_y=True)
    fitted = make_pipeline(StandardScaler(), teacher(50, random_state=0)).fit(rows, labels)
    model = DistillationClassifier(fitted, STUDENT, calibrate=True, cv="in-sample")
    with pytest.raises(ValueError, match="has not seen.*Set cv=5"):
        model.fit(rows, labels, X_unlabeled=rows[:9])


@pytest.mark.parametrize("trust", ["correct", "confidence", "weighted-soft-labels", "orthogonal"])
def test_every_trust_teaches(trust):
    model = DistillationClassifier(
        LogisticRegression(max_iter=500), STUDENT, trust=trust, alpha=0.5, temperature=2
    )
    assert model.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_calibration_finds_the_factor_that_was_lost(factor):
    rng = np.random.RandomState(0)
    logits = rng.normal(size=(20_000, 3)) * 2
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (P.cumsum(axis=1) < rng.uniform(size=(len(P), 1))).sum(axis=1)
    assert calibrating_factor(np.log(P) / factor, labels) == pytest.approx(factor, rel=0.05)


def test_calibration_needs_rows_that_the_teacher_has_not_seen():
    rows, labels = load_breast_cancer(return_X_y=True)
    forest = RandomForestClassifier(20, random_state=0)
    model = DistillationClassifier(
        forest, STUDENT, calibrate=True, cv="in-sample", alpha=0.5, temperature=2
    )
    with pytest.raises(ValueError, match="has not seen.*Set cv=5"):
        model.fit(rows, labels)
    model = DistillationClassifier(
        forest, DecisionTreeClassifier(), calibrate=True, alpha=0.5, temperature=2
    ).fit(rows, labels)
    assert model.label_source_ == "out-of-fold"
