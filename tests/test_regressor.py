"""Distillation of values: the blend, stacked rows, trust, and the estimator as such."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_diabetes, make_friedman1, make_regression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import (
    BayesianRidge,
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill import (
    BlendedValues,
    DistillationRegressor,
    DistilledRegressor,
    GradientRegression,
    StackedValues,
    TeacherEnsemble,
)
from sklearn_distill.augmentation import Munge
from sklearn_distill.export import OnnxRegressor, export_onnx
from sklearn_distill.strategies._stacked_values import blend_says_all, loss_of
from sklearn_distill.targets import RegressionTargets
from sklearn_distill.trust import precision
from tests.stubs import Calls, RecordingRegressor

TREE = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0)
TEACHER = Ridge()


@pytest.fixture(scope="module")
def data():
    return make_friedman1(300, noise=1, random_state=0)


def distilled(student=TREE, teacher=TEACHER, **params):
    return DistillationRegressor(teacher, student, **{"alpha": 0.5} | params)


def weights(n, seed=0):
    return np.random.RandomState(seed).randint(1, 5, size=n).astype(float)


# -- targets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_the_blend(dtype, n_outputs):
    rng = np.random.RandomState(0)
    shape = (10,) if n_outputs is None else (10, n_outputs)
    y = (10 * rng.rand(*shape)).astype(dtype)
    t = rng.rand(14, n_outputs or 1)
    targets = RegressionTargets.from_alpha(y, t, 0.3)
    expected = 0.7 * y.reshape(10, -1) + 0.3 * t[:10]
    blend = targets.blended().reshape(14, -1)
    np.testing.assert_allclose(blend[:10], expected)
    np.testing.assert_array_equal(blend[10:], t[10:])
    assert targets.blended().shape[1:] == shape[1:]
    assert RegressionTargets.from_alpha(y, t[:10], 0).blended() is y


def test_rows_of_which_the_teacher_says_nothing_keep_their_values():
    y, t = np.arange(4.0), np.array([[9.0], [np.nan], [9.0], [np.nan]])
    targets = RegressionTargets.from_alpha(y, t, 1)
    np.testing.assert_array_equal(targets.blended(), [9, 1, 9, 3])
    rows, values, weight = targets.stacked()
    np.testing.assert_array_equal(values[np.argsort(rows)], [9, 1, 9, 3])
    assert (weight == 1).all()


@pytest.mark.parametrize("alpha", [0, 1e-6, 0.3, 1])
def test_stacked_rows_have_the_mean_loss_of_both(alpha):
    rng = np.random.RandomState(0)
    y, t, w = rng.randn(20), rng.randn(25, 1), rng.rand(20)
    targets = RegressionTargets.from_alpha(y, t, alpha, w, unlabeled_weight=0.5)
    rows, values, weight = targets.stacked()
    f = rng.randn(25)
    of_new = targets.row_weight[20:] @ np.abs(t[20:, 0] - f[20:])
    expected = of_new + w @ ((1 - alpha) * np.abs(y - f[:20]) + alpha * np.abs(t[:20, 0] - f[:20]))
    np.testing.assert_allclose(weight @ np.abs(values - f[rows]), expected)


# -- identities ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "student",
    [
        TREE,
        Ridge(),
        KNeighborsRegressor(3),
        HistGradientBoostingRegressor(max_iter=5),
        GradientBoostingRegressor(n_estimators=5, loss="quantile", random_state=0),
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0),
        make_pipeline(StandardScaler(), SVR()),
        HuberRegressor(),
    ],
    ids=lambda student: type(student).__name__,
)
@pytest.mark.parametrize("kind", ["float64", "float32", "int", "frame"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_alpha_zero_is_the_student_alone(data, student, kind):
    X, y = data
    if kind == "frame":
        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    else:
        y = y.astype(kind)
    model = distilled(student, alpha=0, strategy="blended-values").fit(X, y)
    bare = clone(student).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), bare.predict(X))
    assert model.predict(X).dtype == bare.predict(X).dtype
    automatic = distilled(student, alpha=0)
    if blend_says_all(student):
        np.testing.assert_array_equal(automatic.fit(X, y).predict(X), bare.predict(X))


@pytest.mark.parametrize("alpha", [1e-6, 0.5, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "student", [TREE, LinearRegression(), HistGradientBoostingRegressor(max_iter=5)]
)
def test_squared_error_is_fitting_the_blend(data, alpha, weighted, student):
    X, y = data
    w = weights(len(y)) if weighted else None
    teacher = Ridge().fit(X, y)
    model = distilled(student, teacher, alpha=alpha).fit(X, y, sample_weight=w)
    blend = y + alpha * (teacher.predict(X) - y)
    bare = clone(student).fit(X, blend, sample_weight=w)
    np.testing.assert_allclose(model.predict(X), bare.predict(X), rtol=1e-12)


@pytest.mark.parametrize("student", [LinearRegression(), Ridge(), PoissonRegressor(tol=1e-8)])
def test_blend_and_stacked_rows_are_one_for_losses_that_are_linear(data, student):
    X, y = data
    y = np.abs(y)
    kwargs = {"teacher": PoissonRegressor().fit(X, y)}
    one = distilled(student, strategy="blended-values", **kwargs).fit(X, y)
    other = distilled(student, strategy="stacked-values", **kwargs).fit(X, y)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-4)


def test_blend_and_stacked_trees_are_one(data):
    X, y = data
    teacher = Ridge().fit(X, y)
    student = DecisionTreeRegressor(max_leaf_nodes=10, min_samples_leaf=7, random_state=0)
    one = distilled(student, teacher, strategy="blended-values").fit(X, y)
    other = distilled(student, teacher, strategy="stacked-values").fit(X, y)
    np.testing.assert_allclose(one.predict(X), other.predict(X))


def test_absolute_error_is_that_of_both_values(data):
    X, y = data
    student = DecisionTreeRegressor(criterion="absolute_error", max_leaf_nodes=5, random_state=0)
    teacher = Ridge().fit(X, y)
    model = distilled(student, teacher, alpha=0.3).fit(X, y)
    assert isinstance(model.strategy_, StackedValues)
    leaves, tree = model.student_.apply(X), model.student_
    t = teacher.predict(X)

    def loss(f, rows):
        return 0.7 * np.abs(y[rows] - f).sum() + 0.3 * np.abs(t[rows] - f).sum()

    for leaf in np.unique(leaves):
        rows = leaves == leaf
        best = tree.tree_.value[leaf].item()
        others = np.r_[y[rows], t[rows]]
        assert loss(best, rows) <= min(loss(f, rows) for f in others) + 1e-9


class Watched(HistGradientBoostingRegressor):
    """Writes down on what it is trained, and by what it stops."""

    def fit(self, X, y, sample_weight=None, *, X_val=None, **params):
        self.seen_, self.val_ = X, X_val
        return super().fit(X, y, sample_weight, X_val=X_val, **params)


@pytest.mark.skipif(
    not has_fit_parameter(HistGradientBoostingRegressor(), "X_val"), reason="of scikit-learn 1.7"
)
@pytest.mark.parametrize("early_stopping", [True, "auto", False])
def test_no_row_is_on_both_sides_of_early_stopping(data, early_stopping):
    X, y = data
    student = Watched(
        loss="absolute_error", max_iter=10, early_stopping=early_stopping, random_state=0
    )
    model = distilled(student, Ridge().fit(X, y)).fit(X, y)
    fitted = model.student_
    if early_stopping is not True:  # "auto" counts real rows, not their copies
        assert fitted.val_ is None
        assert not fitted.do_early_stopping_
        return
    seen = {row.tobytes() for row in fitted.seen_}
    assert len(seen) == 270
    assert not seen & {row.tobytes() for row in fitted.val_}


def test_quantile_regression_learns_the_quantile_of_both(data):
    X, y = data
    teacher = Ridge().fit(X, y)
    model = distilled(QuantileRegressor(quantile=0.8, alpha=0), teacher, alpha=0.5).fit(X, y)
    f, t = model.predict(X), teacher.predict(X)
    assert np.r_[y <= f + 1e-6, t <= f + 1e-6].mean() == pytest.approx(0.8, abs=0.02)


def test_further_rows_are_the_teachers(data):
    X, y = data
    teacher = Ridge().fit(X, y)
    new = X[:40] + 1
    model = distilled(LinearRegression(), teacher, alpha=0).fit(X, y, X_unlabeled=new)
    by_hand = LinearRegression().fit(np.r_[X, new], np.r_[y, teacher.predict(new)])
    np.testing.assert_allclose(model.predict(X), by_hand.predict(X))
    light = distilled(LinearRegression(), teacher, alpha=0, unlabeled_weight=0.01)
    light.fit(X, y, X_unlabeled=new)
    alone = LinearRegression().fit(X, y).predict(X)
    near, far = (np.abs(m.predict(X) - alone).mean() for m in (light, model))
    assert near < far
    munged = distilled(TREE, teacher, augmenter=Munge(1)).fit(X, y)
    assert munged.score(X, y) > 0.3


def test_values_of_the_rows_are_out_of_fold(data):
    X, y = data
    calls = Calls()
    model = distilled(TREE, RecordingRegressor(calls), cv=3).fit(X, y)
    assert sorted(len(call["y"]) for call in calls.of("fit")) == [200, 200, 200, 300]
    assert model.label_source_ == "out-of-fold"
    ahead = distilled(TREE, Ridge(), cv=TimeSeriesSplit(3), alpha=1).fit(X, y)
    assert np.isfinite(ahead.predict(X)).all()


def test_a_fitted_teacher_is_used_as_it_is(data):
    X, y = data
    teacher = Ridge().fit(X, y)
    before = pickle.dumps(teacher)
    model = clone(distilled(TREE, teacher)).fit(X, y)
    assert model.teacher_ is teacher
    assert pickle.dumps(teacher) == before
    with pytest.raises(ValueError, match="already fitted"):
        model.set_params(teacher__alpha=3)


def test_given_output(data):
    X, y = data
    teacher = Ridge().fit(X, y)
    one = distilled(TREE, teacher).fit(X, y)
    other = distilled(TREE, None).fit(X, y, teacher_output=teacher.predict(X))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert other.label_source_ == "given"


@pytest.mark.parametrize(
    "student", [TREE, Ridge(), KNeighborsRegressor(), MultiOutputRegressor(TREE)]
)
def test_several_outputs(student):
    X, Y = make_regression(120, 5, n_targets=3, random_state=0)
    model = distilled(student, Ridge(), alpha=0.7).fit(X, Y)
    assert model.predict(X).shape == (120, 3)
    teacher = Ridge().fit(X, Y)
    fitted = distilled(student, teacher, alpha=0.7).fit(X, Y)
    by_hand = clone(student).fit(X, Y + 0.7 * (teacher.predict(X) - Y))
    np.testing.assert_allclose(fitted.predict(X), by_hand.predict(X))


# -- settings ------------------------------------------------------------------------------------


def test_the_rule_for_trees_follows_a_better_teacher_and_no_other(data):
    X, y = data
    good = DistillationRegressor(ExtraTreesRegressor(50, random_state=0), TREE).fit(X, y)
    assert good.alpha_ == 0.75
    assert "clearly more" in good.reason_
    clean = X[:, 0] + X[:, 1]
    model = DistillationRegressor(Ridge(), TREE).fit(X, clean)
    assert model.alpha_ == 0.5
    assert "little noise to take out" in model.reason_
    with pytest.warns(UserWarning, match="little noise to take out"):
        model = DistillationRegressor(Ridge(), KNeighborsRegressor()).fit(X, clean)
    assert model.alpha_ == 0
    with pytest.warns(UserWarning, match="taught by its labels alone"):
        useless = DistillationRegressor(DummyRegressor(), TREE).fit(X, y)
    assert useless.alpha_ == 0
    np.testing.assert_array_equal(useless.predict(X), clone(TREE).fit(X, y).predict(X))


def test_trust_by_deviation():
    rng = np.random.RandomState(0)
    s = rng.uniform(0.1, 2, size=(5000, 1))
    truth = rng.randn(5000, 1)
    t, y = truth + s * rng.randn(5000, 1), truth + rng.randn(5000, 1)
    np.testing.assert_allclose(precision(t, s, y), 1 / (1 + s[:, 0] ** 2), atol=0.1)
    # What a teacher calls a deviation may be off by a factor.
    np.testing.assert_allclose(precision(t, 7 * s, y), precision(t, s, y))
    t[:10] = np.nan
    assert (precision(t, s, y)[:10] == 0).all()


@pytest.mark.parametrize(
    "teacher",
    [
        GaussianProcessRegressor(alpha=1.0),
        make_pipeline(StandardScaler(), BayesianRidge()),
        RandomForestRegressor(5, random_state=0),
        TeacherEnsemble([("a", BayesianRidge()), ("b", RandomForestRegressor(5, random_state=0))]),
    ],
    ids=lambda t: type(t).__name__,
)
@pytest.mark.filterwarnings("ignore:The member")
def test_trust_asks_teachers_for_deviations(data, teacher):
    X, y = data
    model = distilled(TREE, teacher, trust="std", alpha=1).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_deviations_of_new_rows_alone(data):
    X, y = data
    model = distilled(TREE, BayesianRidge(), trust="std", alpha=0)
    new = model.fit(X, y, X_unlabeled=X[:40] + 1)
    assert np.isfinite(new.predict(X)).all()


def test_trust_of_ones_own(data):
    X, y = data
    teacher = Ridge().fit(X, y)

    def near(values, real):
        assert values.shape == real.shape == (300, 1)
        return (np.abs(values - real) < 1).ravel()

    model = distilled(LinearRegression(), teacher, trust=near, alpha=1).fit(X, y)
    t = teacher.predict(X)
    by_hand = LinearRegression().fit(X, np.where(np.abs(t - y) < 1, t, y))
    np.testing.assert_allclose(model.predict(X), by_hand.predict(X))
    with pytest.raises(ValueError, match="one weight from 0 to 1"):
        distilled(TREE, teacher, trust=lambda t, y: t[:, 0] * 0 + 2).fit(X, y)
    with pytest.raises(TypeError, match="gives no standard deviation"):
        distilled(TREE, teacher, trust="std").fit(X, y)


def test_counts_over_an_exposure():
    rng = np.random.RandomState(0)
    X = rng.rand(400, 2)
    exposure = rng.uniform(0.1, 5, size=400)
    counts = rng.poisson(exposure * np.exp(X @ [1, -1]))
    rate = counts / exposure
    student = PoissonRegressor(alpha=0)
    teacher = HistGradientBoostingRegressor(loss="poisson", max_iter=10)
    model = distilled(student, teacher).fit(X, rate, sample_weight=exposure)
    np.testing.assert_allclose(model.student_.coef_, [1, -1], atol=0.3)
    with pytest.raises(ValueError, match=r"learns values that are not negative.*1 others"):
        distilled(student, teacher).fit(X, np.r_[-1, rate[1:]])
    with pytest.raises(ValueError, match="learns values that are positive"):
        distilled(GammaRegressor(), teacher).fit(X, rate)
    with pytest.warns(UserWarning, match="They are lifted"):
        distilled(student, None).fit(X, rate, teacher_output=rate - 0.5)


@pytest.mark.parametrize(
    ("student", "loss", "linear"),
    [
        (TREE, "squared_error", True),
        (DecisionTreeRegressor(criterion="absolute_error"), "absolute_error", False),
        (HistGradientBoostingRegressor(loss="gamma"), "gamma", True),
        (HistGradientBoostingRegressor(loss="quantile", quantile=0.5), "quantile", False),
        (make_pipeline(StandardScaler(), SVR()), "SVR", False),
        (QuantileRegressor(), "QuantileRegressor", False),
        (MultiOutputRegressor(QuantileRegressor()), "QuantileRegressor", False),
        (GridSearchCV(HuberRegressor(), {}), "HuberRegressor", False),
        (LinearRegression(), None, True),
        (TweedieRegressor(), None, True),
    ],
)
def test_losses_of_students(student, loss, linear):
    assert loss_of(student) == loss
    assert blend_says_all(student) is linear


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_boosters_by_their_own_losses(data, library):
    module = pytest.importorskip(library)
    X, y = data
    students = {
        "xgboost": lambda: [
            module.XGBRegressor(n_estimators=5),
            module.XGBRegressor(n_estimators=5, objective="reg:absoluteerror"),
        ],
        "lightgbm": lambda: [
            module.LGBMRegressor(n_estimators=5, verbose=-1),
            module.LGBMRegressor(n_estimators=5, objective="quantile", verbose=-1),
        ],
        "catboost": lambda: [
            module.CatBoostRegressor(n_estimators=5, verbose=0, allow_writing_files=False),
            module.CatBoostRegressor(
                n_estimators=5, loss_function="MAE", verbose=0, allow_writing_files=False
            ),
        ],
    }[library]()
    teacher = Ridge().fit(X, y)
    for student, strategy in zip(students, (BlendedValues, StackedValues), strict=True):
        model = distilled(student, teacher).fit(X, y)
        assert isinstance(model.strategy_, strategy)
        assert np.isfinite(model.predict(X)).all()
        as_teacher = distilled(TREE, model.student_).fit(X, y)
        assert as_teacher.score(X, y) > 0
    native = students[0].fit(X, y + 0.5 * (teacher.predict(X) - y))
    np.testing.assert_allclose(
        distilled(clone(students[0]), teacher).fit(X, y).predict(X), native.predict(X), rtol=1e-5
    )


def test_a_booster_of_its_own_library_teaches(data):
    lightgbm = pytest.importorskip("lightgbm")
    X, y = data
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, y), 5)
    model = distilled(TREE, booster, alpha=1).fit(X, y)
    bare = clone(TREE).fit(X, booster.predict(X))
    np.testing.assert_allclose(model.predict(X), bare.predict(X))


def test_networks_as_teachers_and_skorch_nets_as_students(data):
    import skorch
    from torch import nn

    X, y = data
    X, y = X.astype(np.float32), y.astype(np.float32)
    module = nn.Sequential(nn.Linear(10, 1))
    model = distilled(TREE, module, alpha=1).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    net = skorch.NeuralNetRegressor(
        nn.Linear(10, 1), max_epochs=3, lr=0.01, train_split=None, verbose=0
    )
    model = distilled(net, Ridge(), random_state=0).fit(X, y)
    assert model.predict(X).shape == y.shape
    again = distilled(net, Ridge(), random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


# -- as an estimator ----------------------------------------------------------------------


def test_it_is_a_regressor_in_searches_and_pipelines(data):
    X, y = data
    model = distilled(teacher=ExtraTreesRegressor(10, random_state=0))
    assert is_regressor(model)
    grid = {"alpha": [0, 0.5, 1], "student__max_leaf_nodes": [4, 8], "teacher__max_depth": [3]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.2
    assert cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=3).mean() > 0.2


def test_a_frame_with_categories_and_missing_values():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X.assign(sex=pd.Categorical(np.where(X["sex"] > 0, "a", "b")))
    X.iloc[::9, 2] = np.nan
    boosted = HistGradientBoostingRegressor(max_iter=5, categorical_features="from_dtype")
    model = distilled(boosted, clone(boosted), student_columns=["sex", "bmi"]).fit(X, y)
    assert model.predict(X[["sex", "bmi"]]).shape == (442,)
    assert list(model.feature_names_in_) == ["sex", "bmi"]


def test_the_student_alone(data, tmp_path):
    X, y = data
    model = distilled().fit(X, y)
    alone = model.standalone()
    assert isinstance(alone, DistilledRegressor)
    assert clone(alone) is alone
    again = pickle.loads(pickle.dumps(alone))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert alone.score(X, y) == model.score(X, y)
    for thing in (model, alone, make_pipeline(StandardScaler(), distilled()).fit(X, y)):
        export_onnx(thing, tmp_path / "model.onnx", X)
        opened = OnnxRegressor(tmp_path / "model.onnx")
        np.testing.assert_allclose(opened.predict(X), thing.predict(X), rtol=1e-4)


# -- mistakes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"teacher": LogisticRegression()}, ValueError, "must be a regressor. Got a classifier"),
        ({"student": LogisticRegression()}, TypeError, "cannot learn values: it is no regressor"),
        ({"student": TREE.fit([[0], [1]], [0, 1])}, None, None),
        ({"teacher": None}, ValueError, "its values as fit"),
        ({"strategy": "weighted-labels"}, ValueError, "'strategy' parameter"),
        ({"strategy": "gradient"}, TypeError, "needs a torch module or a skorch net"),
        ({"cv": "out-of-bag"}, ValueError, "reads the votes of a fitted forest"),
        (
            {"student": KNeighborsRegressor(), "strategy": "stacked-values"},
            TypeError,
            "cannot be taught by 'stacked-values', which needs a regressor with `sample_weight`",
        ),
        (
            {
                "student": GradientBoostingRegressor(loss="absolute_error", n_iter_no_change=3),
            },
            TypeError,
            r"copies of one row.*n_iter_no_change=3.*strategy='blended-values'",
        ),
        ({"student_columns": [99]}, ValueError, r"has \['99'\], and X has 10 columns, 0 to 9"),
    ],
)
def test_mistakes_are_found_before_the_teacher_is_fitted(data, params, error, message):
    if error is None:
        distilled(**params).fit(*data)
        return
    calls = Calls()
    given = {"teacher": RecordingRegressor(calls)} | params
    with pytest.raises(error, match=message):
        distilled(**given).fit(*data)
    assert not calls.of("fit")


class OneOutput:
    def predict(self, X):
        return np.zeros(len(X))


class Holes(OneOutput):
    def predict(self, X):
        return np.where(np.arange(len(X)) < 3, np.nan, 1.0)


class Words(OneOutput):
    def predict(self, X):
        return np.full(len(X), "a lot")


def test_teachers_that_answer_something_else(data):
    X, y = data
    with pytest.raises(ValueError, match=r"shape \(300, 1\); expected \(300, 2\).*MultiOutput"):
        distilled(Ridge(), OneOutput()).fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="NaN or infinite values for 3 of 300 rows"):
        distilled(Ridge(), Holes()).fit(X, y)
    with pytest.raises(ValueError, match="something else than real numbers"):
        distilled(Ridge(), Words()).fit(X, y)
    with pytest.raises(ValueError, match="teacher_output has values of shape"):
        distilled(Ridge(), None).fit(X, y, teacher_output=y[:-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_none(data, bad):
    X, y = data
    with pytest.raises(ValueError, match="Input y contains"):
        distilled().fit(X, np.r_[bad, y[1:]])
    with pytest.raises(ValueError, match="masked"):
        distilled().fit(X, np.ma.masked_less(y, np.median(y)))
    with pytest.raises(ValueError, match="target y is None"):
        distilled().fit(X)


def test_a_failing_fit_leaves_everything_as_it_was(data):
    X, y = data
    model = distilled(Ridge(), Holes())
    before = dict(vars(model))
    with warnings.catch_warnings(), pytest.raises(ValueError, match="NaN"):
        model.fit(X, y)
    assert vars(model) == before


# -- networks ----------------------------------------------------------------------


def network(n_outputs=1):
    from torch import nn

    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, n_outputs))


def trained(student=None, teacher=TEACHER, strategy=None, **params):
    import torch

    torch.manual_seed(0)
    student = network() if student is None else student
    strategy = GradientRegression(max_epochs=10) if strategy is None else strategy
    return distilled(student, teacher, strategy=strategy, random_state=0, **params)


@pytest.mark.parametrize("scale", [1, 1e4])
def test_networks_learn_values_of_every_size(data, scale):
    X, y = data
    y = scale * (y + 10)
    model = trained(alpha=0, strategy=GradientRegression(max_epochs=60)).fit(X, y)
    assert model.score(X, y) > 0.6
    assert model.predict(X).shape == (300,)


def test_squared_error_of_networks_is_that_of_the_blend(data):
    X, y = data
    teacher = Ridge().fit(X, y)
    strategy = GradientRegression(max_epochs=5, validation_fraction=None)
    one = trained(teacher=teacher, strategy=strategy, alpha=0.3).fit(X, y)
    t = teacher.predict(X)
    # The same network on the blend alone, in the units of the real values.
    blend = RegressionTargets.from_alpha(y, (y + 0.3 * (t - y))[:, None], 1)
    assert one.predict(X).std() > 0
    other = trained(teacher=None, strategy=strategy, alpha=1)
    other.fit(X, y, teacher_output=blend.blended())
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=2e-3)


@pytest.mark.parametrize("loss", ["squared-error", "absolute-error", "huber", "teacher-bounded"])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_of_networks(data, loss, weighted):
    X, y = data
    w = weights(len(y)) if weighted else None
    strategy = GradientRegression(max_epochs=30, loss=loss)
    model = trained(strategy=strategy).fit(X, y, sample_weight=w, X_unlabeled=X[:30] + 1)
    assert model.score(X, y) > 0.6


def test_a_teacher_is_a_bound_and_no_target():
    import torch

    from sklearn_distill.losses.values import squared_error, teacher_bounded

    f = torch.tensor([[0.0], [1.0], [2.0]], requires_grad=True)
    y, t = torch.zeros(3, 1), torch.full((3, 1), 1.5)
    loss = teacher_bounded(f, y, t)
    np.testing.assert_array_equal(loss.detach(), [0, 0, 4])
    assert (teacher_bounded(f, y, t, margin=2.0)[1] == 1).all()
    loss.sum().backward()
    np.testing.assert_array_equal(f.grad.ravel(), [0, 0, 4])
    np.testing.assert_array_equal(squared_error(f, y).detach(), [0, 1, 4])


def test_several_outputs_hints_and_fresh_rows(data):
    from sklearn_distill import LayerHint

    X, y = data
    Y = np.column_stack([y, -3 * y])
    model = trained(network(2), alpha=0.5).fit(X, Y)
    assert model.predict(X).shape == (300, 2)
    teacher = network(1)
    strategy = GradientRegression(max_epochs=3, hints=[LayerHint("1", "1")])
    hinted = trained(network(), teacher, strategy=strategy).fit(X.astype(np.float32), y)
    assert np.isfinite(hinted.predict(X.astype(np.float32))).all()
    fresh = GradientRegression(max_epochs=3, fresh_rows=True)
    model = trained(strategy=fresh, teacher=Ridge().fit(X, y), augmenter=Munge(1)).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_skorch_nets_and_the_default_network(data):
    import skorch
    import torch
    from torch import nn

    X, y = data
    X = X.astype(np.float32)
    settings = {"max_epochs": 60, "lr": 0.05, "verbose": 0, "train_split": None}
    settings["optimizer"] = torch.optim.Adam
    net = skorch.NeuralNetRegressor(network(), criterion=nn.L1Loss, **settings)
    model = distilled(net, Ridge(), random_state=0).fit(X, y)
    assert model.score(X, y) > 0.3
    assert type(model.strategy_) is GradientRegression
    again = distilled(net, Ridge(), random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    default = distilled(None, Ridge(), strategy=GradientRegression(max_epochs=20), random_state=0)
    frame = pd.DataFrame(X).rename(columns=str).assign(kind="a")
    assert default.fit(X, y).score(X, y) > 0.5
    with_text = distilled(None, None, alpha=0, strategy=GradientRegression(max_epochs=2))
    assert with_text.fit(frame, y).predict(frame).shape == (300,)


def test_networks_alone_and_as_files(data, tmp_path):
    X, y = data
    X = X.astype(np.float32)
    model = trained().fit(X, y)
    alone = model.standalone()
    np.testing.assert_array_equal(alone.predict(X), model.predict(X))
    again = pickle.loads(pickle.dumps(alone))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    export_onnx(model, tmp_path / "model.onnx", X)
    opened = OnnxRegressor(tmp_path / "model.onnx")
    np.testing.assert_allclose(opened.predict(X), model.predict(X), rtol=1e-4)


def test_mistakes_with_networks(data):
    import skorch

    X, y = data
    with pytest.raises(ValueError, match="there are 1 values"):
        trained(network(3)).fit(X, y)
    with pytest.raises(ValueError, match="'loss' parameter of GradientRegression"):
        trained(strategy=GradientRegression(loss="kl")).fit(X, y)
    with pytest.raises(TypeError, match="needs a skorch net that is a regressor"):
        distilled(skorch.NeuralNetClassifier(network())).fit(X, y)
    holes = X.copy()
    holes[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        trained(teacher=HistGradientBoostingRegressor(max_iter=3)).fit(holes, y)
