"""Native boosters as teachers: what they say is what their scikit-learn wrappers would say."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import BoosterTeacher, DistillationClassifier
from sklearn_distill.teachers import TeacherReader, is_fitted
from sklearn_distill.tempering import lift_zeros

LIBRARIES = ("lightgbm", "xgboost", "catboost")
TREE = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)


def make_data(n_classes):
    return make_classification(
        300, 6, n_informative=4, n_redundant=0, n_classes=n_classes, flip_y=0.2, random_state=0
    )


def read_log_proba(teacher, X, classes):
    return TeacherReader.of(teacher).log_proba(X, classes)


def train(library, n_classes, objective=None, n_rounds=20, **params):
    """Return rows, a native booster trained on them, and its wrapper's twin."""
    module = pytest.importorskip(library)
    X, y = make_data(n_classes)
    if library == "lightgbm":
        objective = objective or ("binary" if n_classes == 2 else "multiclass")
        params |= {"objective": objective, "verbose": -1, "num_threads": 1}
        wrapper = module.LGBMClassifier(n_estimators=n_rounds, **params)
        if n_classes > 2:
            params["num_class"] = n_classes
        native = module.train(params, module.Dataset(X, y), n_rounds)
    elif library == "xgboost":
        objective = objective or ("binary:logistic" if n_classes == 2 else "multi:softprob")
        params |= {"objective": objective, "nthread": 1}
        wrapper = module.XGBClassifier(n_estimators=n_rounds, **params)
        if n_classes > 2:
            params["num_class"] = n_classes
        native = module.train(params, module.DMatrix(X, y), n_rounds)
    else:
        objective = objective or ("Logloss" if n_classes == 2 else "MultiClass")
        params |= {"loss_function": objective, "iterations": n_rounds, "verbose": False}
        params |= {"allow_writing_files": False, "thread_count": 1, "random_seed": 0}
        native = module.CatBoost(params).fit(X, y)
        wrapper = module.CatBoostClassifier(**params)
    return X, y, native, wrapper.fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_native_booster_says_what_its_wrapper_says(library, n_classes):
    X, y, native, wrapper = train(library, n_classes)
    classes = np.unique(y)
    assert is_fitted(native)
    np.testing.assert_allclose(
        read_log_proba(native, X, classes), read_log_proba(wrapper, X, classes), atol=1e-5
    )
    teacher = BoosterTeacher(native, classes=["a", "b", "c"][:n_classes])
    np.testing.assert_allclose(teacher.predict_proba(X), wrapper.predict_proba(X), atol=1e-6)
    expected = np.array(["a", "b", "c"])[wrapper.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(teacher.predict(X), expected)
    model = DistillationClassifier(native, TREE).fit(X, y)
    assert model.teacher_ is native
    twin = DistillationClassifier(wrapper, TREE).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), twin.predict_proba(X), atol=1e-3)


OBJECTIVES = [
    ("xgboost", 3, "multi:softmax"),
    ("xgboost", 2, "binary:logitraw"),
    ("xgboost", 2, "reg:logistic"),
    ("lightgbm", 2, "cross_entropy"),
    ("catboost", 2, "CrossEntropy"),
]


@pytest.mark.parametrize(("library", "n_classes", "objective"), OBJECTIVES)
def test_margins_are_read_by_the_recorded_objective(library, n_classes, objective):
    same = {"base_score": 0.5} if library == "xgboost" else {"learning_rate": 0.1}
    if objective == "binary:logitraw":
        same["base_score"] = 0.0
    X, _, native, _ = train(library, n_classes, objective, **same)
    proba = BoosterTeacher(native).predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-12)
    # Those with the usual objective are boosted on the same loss from the same start.
    same = {"base_score": 0.5} if library == "xgboost" else {"learning_rate": 0.1}
    expected = train(library, n_classes, **same)[3].predict_proba(X)
    np.testing.assert_allclose(proba, expected, atol=1e-5)


def test_lightgbm_steepness_of_the_sigmoid_and_one_versus_all():
    X, _, native, wrapper = train("lightgbm", 2, sigmoid=2.5)
    np.testing.assert_allclose(
        BoosterTeacher(native).predict_proba(X), wrapper.predict_proba(X), atol=1e-9
    )
    X, _, native, wrapper = train("lightgbm", 3, "multiclassova")
    proba = wrapper.predict_proba(X)
    proba = proba / proba.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(BoosterTeacher(native).predict_proba(X), proba, atol=1e-9)
    X, _, native, wrapper = train("catboost", 3, "MultiClassOneVsAll")
    proba = wrapper.predict_proba(X)
    proba = proba / proba.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(BoosterTeacher(native).predict_proba(X), proba, atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_model_from_a_file_is_read_as_the_one_in_memory(library, tmp_path):
    X, _, native, _ = train(library, 3)
    path = str(tmp_path / "model.json")
    module = pytest.importorskip(library)
    native.save_model(path)
    if library == "lightgbm" or library == "xgboost":
        loaded = module.Booster(model_file=path)
    else:
        loaded = module.CatBoost().load_model(path)
    np.testing.assert_allclose(
        BoosterTeacher(loaded).predict_proba(X), BoosterTeacher(native).predict_proba(X), atol=1e-6
    )
    again = pickle.loads(pickle.dumps(BoosterTeacher(native)))
    np.testing.assert_allclose(
        again.predict_proba(X), BoosterTeacher(native).predict_proba(X), atol=1e-6
    )


# -- which rounds ---------------------------------------------------------------------------


def train_with_early_stopping(library):
    module = pytest.importorskip(library)
    X, y = make_data(2)
    X_val, noise = X[200:], np.random.RandomState(0).randint(2, size=100)
    if library == "lightgbm":
        params = {
            "objective": "binary",
            "verbose": -1,
            "num_threads": 1,
            "metric": "binary_logloss",
        }
        data = module.Dataset(X[:200], y[:200])
        stop = [module.early_stopping(5, verbose=False)]
        valid = module.Dataset(X_val, noise, reference=data)
        native = module.train(params, data, 60, valid_sets=[valid], callbacks=stop)
        return X, native, native.best_iteration
    if library == "xgboost":
        params = {"objective": "binary:logistic", "nthread": 1}
        evals = [(module.DMatrix(X_val, noise), "noise")]
        data = module.DMatrix(X[:200], y[:200])
        native = module.train(
            params, data, 60, evals=evals, early_stopping_rounds=5, verbose_eval=False
        )
        return X, native, native.best_iteration + 1
    params = {"loss_function": "Logloss", "iterations": 60, "verbose": False}
    params |= {"allow_writing_files": False, "thread_count": 1, "learning_rate": 0.3}
    native = module.CatBoost(params)
    native.fit(X[:200], y[:200], eval_set=(X_val, noise), early_stopping_rounds=5)
    return X, native, native.tree_count_


@pytest.mark.parametrize("library", LIBRARIES)
def test_rounds_after_the_best_one_are_not_used(library):
    X, native, best = train_with_early_stopping(library)
    assert 0 < best < 60
    by_default = BoosterTeacher(native).predict_proba(X)
    explicit = BoosterTeacher(native, iteration_range=(0, best)).predict_proba(X)
    np.testing.assert_array_equal(by_default, explicit)
    if library == "xgboost":  # the others have dropped the later ones
        every = BoosterTeacher(native, iteration_range=(0, 0)).predict_proba(X)
        assert np.abs(every - by_default).max() > 0


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_range_of_rounds_can_be_chosen(library):
    X, _, native, _ = train(library, 3)
    few = train(library, 3, n_rounds=7)[2]
    if library == "catboost":  # its learning rate depends on the number of rounds
        few = native.copy()
        few.shrink(7)
    np.testing.assert_allclose(
        BoosterTeacher(native, iteration_range=(0, 7)).predict_proba(X),
        BoosterTeacher(few).predict_proba(X),
        atol=1e-6,
    )
    tail = BoosterTeacher(native, iteration_range=(7, 20)).predict_proba(X)
    assert np.abs(tail - BoosterTeacher(native).predict_proba(X)).max() > 0.01


# -- as an estimator ------------------------------------------------------------------------


def test_frames_with_names_and_categories():
    X, y = make_data(2)
    frame = pd.DataFrame(X).add_prefix("x")
    frame["g"] = pd.Categorical(np.where(y, "one", "two"))
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    native = lightgbm.train(params, lightgbm.Dataset(frame, y), 5)
    assert BoosterTeacher(native).predict(frame).tolist() == y.tolist()
    data = xgboost.DMatrix(frame, y, enable_categorical=True)
    native = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5)
    assert BoosterTeacher(native).predict(frame).tolist() == y.tolist()
    data = xgboost.DMatrix(frame.drop(columns="g"), y)
    native = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5)
    by_name = BoosterTeacher(native).predict_proba(frame.drop(columns="g"))
    np.testing.assert_array_equal(BoosterTeacher(native).predict_proba(X), by_name)
    np.testing.assert_array_equal(BoosterTeacher(native).predict_proba(X.tolist()), by_name)


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_is_used_as_it_is_through_clones_and_searches(library):
    X, y, native, _ = train(library, 2)
    for teacher in (native, BoosterTeacher(native)):
        model = DistillationClassifier(teacher, TREE)
        assert clone(model).teacher is teacher
        search = GridSearchCV(model, {"temperature": [1, 3]}, cv=2).fit(X, y)
        assert search.best_estimator_.teacher_ is teacher
    assert BoosterTeacher(native).fit(X, y).booster is native
    assert clone(BoosterTeacher(native)).booster is native


def test_catboost_knows_its_classes():
    catboost = pytest.importorskip("catboost")
    X, y = make_data(3)
    labels = np.array(["cat", "ant", "bee"])[y]
    params = {"loss_function": "MultiClass", "iterations": 5, "verbose": False}
    native = catboost.CatBoost(params | {"allow_writing_files": False}).fit(X, labels)
    teacher = BoosterTeacher(native)
    np.testing.assert_array_equal(teacher.classes_, ["ant", "bee", "cat"])
    assert np.mean(teacher.predict(X) == labels) > 0.6
    assert not is_fitted(catboost.CatBoost(params))
    with pytest.raises(ValueError, match=r"does not know the classes \['dog'\]"):
        DistillationClassifier(native, TREE).fit(X, np.where(labels == "ant", "dog", labels))


def test_classes_are_unknown_unless_given():
    X, _, native, _ = train("lightgbm", 3)
    teacher = BoosterTeacher(native)
    assert not hasattr(teacher, "classes_")
    assert set(teacher.predict(X)) == {0, 1, 2}


# -- refused --------------------------------------------------------------------------------


def custom(margins, data):
    p = 1 / (1 + np.exp(-margins))
    labels = data.get_label()
    return p - labels, p * (1 - p)


def test_an_objective_from_outside_is_not_guessed():
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    X, y = make_data(2)
    params = {"objective": custom, "verbose": -1, "num_threads": 1}
    native = lightgbm.train(params, lightgbm.Dataset(X, y), 10)
    with pytest.raises(ValueError, match="Booster was trained on an objective from outside"):
        DistillationClassifier(native, TREE).fit(X, y)
    proba = BoosterTeacher(native, output="logits").predict_proba(X)
    np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-native.predict(X))), atol=1e-12)
    native = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, y), 10, obj=custom)
    with pytest.raises(ValueError, match="objective 'reg:squarederror'.*output='logits'"):
        DistillationClassifier(native, TREE).fit(X, y)
    proba = BoosterTeacher(native, output="logits").predict_proba(X)
    margins = native.predict(xgboost.DMatrix(X), output_margin=True)
    np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-margins)), atol=1e-6)


def test_predictions_of_a_booster_may_be_declared_probabilities():
    X, _, native, wrapper = train("lightgbm", 3)
    proba = BoosterTeacher(native, output="proba").predict_proba(X)
    np.testing.assert_allclose(proba, wrapper.predict_proba(X), atol=1e-12)
    X, _, native, wrapper = train("xgboost", 2)
    proba = BoosterTeacher(native, output="proba").predict_proba(X)
    np.testing.assert_allclose(proba, wrapper.predict_proba(X), atol=1e-6)


FOREIGN = [("xgboost", "rank:pairwise"), ("lightgbm", "regression"), ("catboost", "RMSE")]


@pytest.mark.parametrize(("library", "objective"), FOREIGN)
def test_other_objectives_are_refused_by_name(library, objective):
    module = pytest.importorskip(library)
    X, y = make_data(2)
    if library == "xgboost":
        data = module.DMatrix(X, y, qid=np.arange(len(y)) // 10)
        native = module.train({"objective": objective, "nthread": 1}, data, 3)
    elif library == "lightgbm":
        params = {"objective": objective, "verbose": -1, "num_threads": 1}
        native = module.train(params, module.Dataset(X, y), 3)
    else:
        params = {"loss_function": objective, "iterations": 3, "verbose": False}
        native = module.CatBoost(params | {"allow_writing_files": False}).fit(X, y)
    with pytest.raises(ValueError, match=f"trained on objective '{objective}'"):
        DistillationClassifier(native, TREE).fit(X, y)


def test_what_is_no_booster_is_refused():
    with pytest.raises(TypeError, match="Got DecisionTreeClassifier instead"):
        BoosterTeacher(TREE).predict_proba(np.zeros((2, 2)))
    _, _, native, _ = train("lightgbm", 2)
    with pytest.raises(ValueError, match="'output' parameter .* Got 'logit' instead"):
        BoosterTeacher(native, output="logit").predict_proba(np.zeros((2, 6)))


def test_certain_boosters_are_taken_at_their_word():
    X, y, native, _ = train("lightgbm", 2, n_rounds=300, min_data_in_leaf=1)
    log_proba = read_log_proba(native, X, np.unique(y))
    assert log_proba.min() < np.log(1e-5)
    np.testing.assert_allclose(log_proba, BoosterTeacher(native).predict_log_proba(X), rtol=1e-12)
    assert lift_zeros(log_proba, 1e-2) is log_proba
