"""Privileged columns: the teacher sees all, and the student those that it will have."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import (
    CascadeClassifier,
    DistillationClassifier,
    DistillationClassifierCV,
    GradientTraining,
    LayerHint,
    distillation_report,
)
from sklearn_distill.augmentation import Munge
from sklearn_distill.export import OnnxClassifier, export_c, export_onnx, export_text
from sklearn_distill.utils.columns import Columns
from tests.stubs import Calls, RecordingClassifier

TREE = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)


@pytest.fixture(scope="module")
def frame():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X.iloc[:300, :8], y.to_numpy()[:300]


def distilled(student=TREE, teacher=None, **params):
    teacher = GaussianNB() if teacher is None else teacher
    settings = {"alpha": 0.5, "temperature": 2, "random_state": 0}
    return DistillationClassifier(teacher, student, **settings | params)


# -- finding columns ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        ["b", "d"],
        ("b", "d"),
        [1, 3],
        np.array([1, -1]),
        [False, True, False, True],
        slice(1, None, 2),
        pd.Index(["b", "d"]),
        lambda X: ["b", "d"],
        make_column_selector(pattern="[bd]"),
    ],
)
def test_columns_of_a_frame(columns):
    X = pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=list("abcd"))
    found = Columns.of(X, columns, "student_columns")
    assert (found.positions, found.names, found.n_whole) == ((1, 3), ("b", "d"), 4)
    for rows in (X, X[["b", "d"]], X[["d", "a", "b"]]):
        assert list(found.take(rows).columns) == ["b", "d"]
    np.testing.assert_array_equal(found.take(X.to_numpy()), X[["b", "d"]])
    np.testing.assert_array_equal(found.take(X[["b", "d"]].to_numpy()), X[["b", "d"]])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_of_other_tables(library):
    X = pd.DataFrame(np.arange(12.0).reshape(3, 4), columns=list("abcd"))
    if library == "polars":
        polars = pytest.importorskip("polars")
        rows = polars.from_pandas(X)
    else:
        pyarrow = pytest.importorskip("pyarrow")
        rows = pyarrow.Table.from_pandas(X)
    found = Columns.of(rows, ["d", "b"], "student_columns")
    assert found.positions == (3, 1)
    assert np.asarray(found.take(rows)).tolist() == X[["d", "b"]].to_numpy().tolist()


def test_columns_of_arrays_and_sparse_matrices():
    from scipy import sparse

    X = np.arange(12.0).reshape(3, 4)
    found = Columns.of(X.tolist(), [3, 0], "student_columns")
    np.testing.assert_array_equal(found.take(X.tolist()), X[:, [3, 0]])
    np.testing.assert_array_equal(found.take(sparse.csr_array(X)).toarray(), X[:, [3, 0]])


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (["mean radious"], ValueError, "Did you mean.*'mean radius'"),
        ([8], ValueError, r"has \['8'\], and X has 8 columns, 0 to 7"),
        ([], ValueError, "leaves no column"),
        ([0, 0], ValueError, "has a column twice"),
        ([True, False], ValueError, "a mask of 2 entries"),
        ([0.5], TypeError, "must be names of columns"),
        (lambda X: None, TypeError, "must be names of columns"),
        (7.5, ValueError, "The 'student_columns' parameter"),
    ],
)
def test_columns_that_are_none(frame, columns, error, message):
    calls = Calls()
    model = distilled(teacher=RecordingClassifier(calls), student_columns=columns)
    with pytest.raises(error, match=message):
        model.fit(*frame)
    assert not calls


def test_rows_without_columns():
    texts = ["good", "bad", "good", "bad"] * 5
    model = distilled(student_columns=["a"])
    with pytest.raises(TypeError, match="needs rows with columns"):
        model.fit(texts, [0, 1, 0, 1] * 5)


def test_names_for_an_array(frame):
    with pytest.raises(ValueError, match="columns without names. Pass positions"):
        distilled(student_columns=["mean radius"]).fit(frame[0].to_numpy(), frame[1])


# -- identities ----------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
@pytest.mark.parametrize("temperature", [1, 8])
def test_all_columns_change_nothing(frame, alpha, temperature):
    X, y = frame
    settings = {"alpha": alpha, "temperature": temperature}
    everything = distilled(student_columns=list(X.columns), **settings).fit(X, y)
    plain = distilled(**settings).fit(X, y)
    np.testing.assert_array_equal(everything.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(
    "student",
    [
        TREE,
        LogisticRegression(max_iter=5000),
        make_pipeline(StandardScaler(), GaussianNB()),
        HistGradientBoostingClassifier(max_iter=5),
    ],
)
def test_it_is_the_student_on_its_columns_with_the_teachers_answers(frame, student):
    X, y = frame
    some = list(X.columns[[5, 1]])
    teacher = GaussianNB().fit(X, y)
    model = distilled(student, teacher, student_columns=some).fit(X, y)
    by_hand = distilled(student, None).set_params(teacher=None)
    by_hand.fit(X[some], y, teacher_output=teacher.predict_proba(X))
    np.testing.assert_allclose(
        model.predict_proba(X[some]), by_hand.predict_proba(X[some]), atol=1e-6
    )
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X[some]))
    np.testing.assert_array_equal(model.predict(X), model.predict(X[some]))


def test_the_teacher_sees_all_and_the_student_its_own(frame):
    X, y = frame
    of_teacher, of_student = Calls(), Calls()
    model = distilled(
        RecordingClassifier(of_student), RecordingClassifier(of_teacher), student_columns=[2, 4]
    ).fit(X, y, X_unlabeled=X[:20])
    assert {call["X"].shape[1] for call in of_teacher} == {8}
    assert {call["X"].shape[1] for call in of_student} == {2}
    assert model.student_columns_.names == tuple(X.columns[[2, 4]])


def test_the_twin_without_a_teacher_sees_the_same(frame):
    X, y = frame
    twin = distilled(alpha=0, student_columns=[0]).fit(X, y)
    bare = clone(TREE).fit(X.iloc[:, [0]], y)
    np.testing.assert_array_equal(twin.predict_proba(X), bare.predict_proba(X.iloc[:, [0]]))


# -- with everything else --------------------------------------------------------------------


def test_new_rows_are_labelled_with_all_columns(frame):
    X, y = frame
    augmenter = Munge(2)
    model = distilled(student_columns=[0, 1], augmenter=augmenter).fit(X, y)
    assert model.n_features_in_ == 2
    assert model.score(X.iloc[:, :2], y) > 0.8


def test_networks_hints_and_fresh_rows(frame):
    from torch import nn

    X, y = frame
    X = X.to_numpy(np.float32) / 100
    net = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    student = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    strategy = GradientTraining(max_epochs=2, hints=[LayerHint("1", "1")])
    model = distilled(student, net, student_columns=[0, 1, 2], strategy=strategy).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X[:, :3]))
    fresh = GradientTraining(max_epochs=2, fresh_rows=True)
    model = distilled(
        student, net, student_columns=[0, 1, 2], strategy=fresh, augmenter=Munge(1)
    ).fit(X, y)
    assert model.predict_proba(X[:, :3]).shape == (300, 2)
    default = distilled(
        None, net, student_columns=[0, 1], strategy=GradientTraining(max_epochs=2)
    ).fit(X, y)
    assert default.predict_proba(X[:, :2]).shape == (300, 2)


def test_a_student_with_privileged_columns_teaches_another(frame):
    X, y = frame
    first = distilled(student_columns=list(X.columns[:4])).fit(X, y)
    second = distilled(teacher=first, student_columns=list(X.columns[:2])).fit(X, y)
    assert second.predict_proba(X.iloc[:, :2]).shape == (300, 2)


def test_rows_to_stop_early_by(frame):
    lightgbm = pytest.importorskip("lightgbm")
    X, y = frame
    student = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, early_stopping_round=2)
    for eval_rows in (X[:50], X.iloc[:50, [0, 3]]):
        model = distilled(student, student_columns=[0, 3]).fit(
            X, y, eval_X=eval_rows, eval_y=y[:50]
        )
        assert model.n_features_in_ == 2


def test_categories_and_missing_values(frame):
    X, y = frame
    X = X.copy()
    X["kind"] = pd.Categorical(np.where(X["mean radius"] > 14, "large", "small"))
    X.iloc[::7, 2] = np.nan
    student = HistGradientBoostingClassifier(
        max_iter=5, categorical_features="from_dtype", random_state=0
    )
    teacher = HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype")
    some = ["kind", X.columns[2]]
    model = distilled(student, teacher, student_columns=some).fit(X, y)
    assert model.predict(X[some]).shape == (300,)
    with pytest.raises(ValueError, match=r"misses the columns \['kind'\]"):
        model.predict(X.drop(columns="kind"))
    with pytest.raises(
        ValueError, match="X has 3 features, but DistillationClassifier is expecting 9 .*or the 2"
    ):
        model.predict(X.iloc[:, :3].to_numpy())


def test_searches_clone_and_pickle(frame):
    X, y = frame
    model = distilled(student_columns=[0, 1])
    grid = {"student_columns": [[0], [0, 1], slice(4)], "temperature": [1, 2]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert search.predict(X).shape == (300,)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    cv = DistillationClassifierCV(
        GaussianNB(), TREE, student_columns=[0, 1], alphas=(0, 1), temperatures=(1,), cv=3
    ).fit(X, y)
    assert cv.n_features_in_ == 2
    np.testing.assert_array_equal(cv.predict(X), cv.predict(X.iloc[:, :2]))


def test_without_labels(frame):
    X, y = frame
    teacher = GaussianNB().fit(X, y)
    model = DistillationClassifier(teacher, TREE, student_columns=[0, 3]).fit(X)
    assert model.student_columns_.positions == (0, 3)
    assert model.predict(X.iloc[:, [0, 3]]).shape == (300,)


def test_exported_inputs_are_those_of_the_student(frame, tmp_path):
    X, y = frame
    model = distilled(student_columns=list(X.columns[[6, 2]])).fit(X, y)
    rows = X[list(X.columns[[6, 2]])]
    alone = model.standalone()
    assert alone.n_features_in_ == 2
    np.testing.assert_array_equal(alone.predict_proba(rows), model.predict_proba(X))
    for given in (X, rows):
        export_onnx(model, tmp_path / "model.onnx", given)
        opened = OnnxClassifier(tmp_path / "model.onnx")
        np.testing.assert_allclose(opened.predict_proba(rows), model.predict_proba(X), atol=1e-6)
        assert "mean smoothness" not in export_text(model, given)
        export_c(model, tmp_path / "model.h", given)


def test_exported_behind_transformers(frame, tmp_path):
    X, y = frame
    X = X.to_numpy()
    pipeline = make_pipeline(StandardScaler(), distilled(student_columns=[6, 2])).fit(X, y)
    export_onnx(pipeline, tmp_path / "model.onnx", X)
    opened = OnnxClassifier(tmp_path / "model.onnx")
    np.testing.assert_allclose(opened.predict_proba(X), pipeline.predict_proba(X), atol=1e-6)


def test_rivals_of_the_report_see_the_same_columns(frame):
    X, y = frame
    forest = RandomForestClassifier(10, random_state=0)
    model = distilled(teacher=forest, student_columns=[0, 1]).fit(X[:200], y[:200])
    report = distillation_report(
        model,
        *(X[:200], y[:200], X[200:], y[200:]),
        rivals=["hard", "logistic"],
        n_bootstrap=20,
    )
    hard = clone(TREE).fit(X.iloc[:200, :2], y[:200])
    logistic = LogisticRegression(max_iter=5000).fit(X.iloc[:200, :2], y[:200])
    for name, rival, tolerance in (("hard", hard, 1e-9), ("logistic", logistic, 0.03)):
        expected = rival.score(X.iloc[200:, :2], y[200:])
        assert report.models[name]["accuracy"] == pytest.approx(expected, abs=tolerance)


def test_a_cascade_asks_the_teacher_about_all_columns(frame):
    X, y = frame
    teacher = GaussianNB().fit(X, y)
    model = distilled(teacher=teacher, student_columns=[0, 1]).fit(X[:150], y[:150])
    cascade = CascadeClassifier(model, teacher, target=0.7).fit(X[150:], y[150:])
    assert cascade.predict(X).shape == (300,)
