import json
import os
import pickle
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import AdaBoostClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import DistillationClassifier
from sklearn_distill.export import (
    OnnxClassifier,
    OnnxRegressor,
    ParityError,
    export_c,
    export_js,
    export_onnx,
    load_model,
    onnx_graph,
    save_model,
)
from sklearn_distill.export.session import read_about
from tests.exported_models import LABELS, ON_FRAMES, ON_NUMBERS, fitted, frame, numbers

KINDS = [*ON_NUMBERS, "network", *ON_FRAMES]


@pytest.fixture
def tree():
    X, y = numbers()
    return DecisionTreeClassifier(max_leaf_nodes=8, random_state=0).fit(X, y), X


# -- parity --------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written_and_equal(kind, n_classes, temperature, tmp_path):
    model, X = fitted(kind, n_classes, temperature)
    file = export_onnx(model, tmp_path / "student.onnx", X)
    assert file.max_difference <= 1e-5
    loaded = OnnxClassifier(file.path)
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X), atol=1e-5)
    assert loaded.classes_.tolist() == model.classes_.tolist()
    assert np.mean(loaded.predict(X) == model.predict(X)) > 0.99  # ties aside
    assert os.listdir(tmp_path) == ["student.onnx"]


@pytest.mark.parametrize("labels", ["int", "bool"])
@pytest.mark.parametrize("kind", ["tree", "lightgbm", "logistic regression", "xgboost"])
def test_labels_keep_their_type(kind, labels, tmp_path):
    model, X = fitted(kind, 2, 4.0, labels)
    file = export_onnx(model, tmp_path / "student.onnx", X)
    predicted = OnnxClassifier(file.path).predict(X)
    assert predicted.dtype.kind == LABELS[labels].dtype.kind
    assert (predicted == model.predict(X)).all()
    session = onnxruntime.InferenceSession(file.path)
    label, proba = session.run(None, {"X": X.astype(np.float32)})
    assert label.dtype.kind == LABELS[labels].dtype.kind
    assert label.tolist() == predicted.tolist()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_thresholds_of_a_booster_are_not_rounded_upwards(tmp_path):
    # Half of the double thresholds have no equal in float32: rounded up, the row that stands at
    # the next float32 number would take the other side.
    model, X = fitted("lightgbm")
    file = export_onnx(model, tmp_path / "student.onnx", X)
    loaded = OnnxClassifier(file.path)
    trees = model.student_.booster_.trees_to_dataframe().dropna(subset="threshold")
    above = np.array([np.float32(t) for t in trees.threshold])
    assert (above > trees.threshold.to_numpy()).any()
    rows = np.repeat(X[:1], len(trees), axis=0)
    columns = [int(name.split("_")[1]) for name in trees.split_feature]
    rows[np.arange(len(rows)), columns] = above
    rows = rows.astype(np.float32).astype(float)
    np.testing.assert_allclose(loaded.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    assert file.n_edges > 3 * len(trees) / 2


def test_rows_that_float32_cannot_tell_apart_get_a_file_that_takes_float64(tmp_path):
    # Seconds since 1970: float32 knows every 128th of them.
    random = np.random.default_rng(0)
    X = 1.7e9 + random.integers(0, 500, (400, 1)).astype(float)
    y = (X[:, 0] % 7 > 3).astype(int)
    tree = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(X, y)
    file = export_onnx(tree, tmp_path / "seconds.onnx", X)
    assert "float64" in str(file)
    loaded = OnnxClassifier(file.path)
    assert (loaded.predict(X) == tree.predict(X)).all()
    with pytest.raises(ParityError, match="float32 cannot tell the sides"):
        export_onnx(tree, tmp_path / "other.onnx", X, inputs="float32")
    assert os.listdir(tmp_path) == ["seconds.onnx"]


def test_plain_models_and_standalone_students_are_written_too(tree, tmp_path):
    model, X = tree
    file = export_onnx(model, tmp_path / "a.onnx", X)
    assert file.max_difference < 1e-6
    distilled, X = fitted("tree")
    one = export_onnx(distilled, tmp_path / "b.onnx", X)
    two = export_onnx(distilled.standalone(), tmp_path / "c.onnx", X)
    first, second = OnnxClassifier(one.path), OnnxClassifier(two.path)
    assert (first.predict_proba(X) == second.predict_proba(X)).all()
    assert first.card_["teacher"] == "RandomForestClassifier"
    assert first.card_["temperature"] == 4.0
    assert first.card_["alpha"] == 0.9
    assert second.card_["teacher"] is None


def test_models_in_pipelines_and_searches_are_written_without_what_is_around_them(tmp_path):
    X, y = numbers()
    teacher = DecisionTreeClassifier(min_samples_leaf=10, random_state=0).fit(X, y)
    inner = DistillationClassifier(
        teacher, DecisionTreeClassifier(max_leaf_nodes=8, random_state=0), alpha=0.5, temperature=2
    )
    scaled = make_pipeline(StandardScaler(), inner)
    grid = {"distillationclassifier__temperature": [2, 4]}
    search = GridSearchCV(scaled, grid, cv=2, n_jobs=2)
    for model in (scaled, search, GridSearchCV(inner, {"alpha": [0.5, 1]}, cv=2)):
        model.fit(X, y)
        for export, name in ((export_onnx, "a.onnx"), (export_c, "a.h"), (export_js, "a.mjs")):
            assert export(model, tmp_path / name, X).max_difference < 1e-6
        card = OnnxClassifier(tmp_path / "a.onnx").card_
        assert (card["student"], card["teacher"]) == ("DecisionTreeClassifier",) * 2
        loaded = load_model(save_model(model, tmp_path / "a.skops", X))
        assert (loaded.predict_proba(X) == model.predict_proba(X)).all()


def test_a_student_that_gives_no_probabilities_is_refused(tmp_path):
    X, y = numbers()
    teacher = DecisionTreeClassifier(min_samples_leaf=10, random_state=0).fit(X, y)
    model = DistillationClassifier(teacher, RidgeClassifier(), alpha=0.5, temperature=1)
    with pytest.raises(TypeError, match="gives no probabilities"):
        export_onnx(model.fit(X, y), tmp_path / "a.onnx", X)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("temperature", [1, 8])
def test_rare_classes_weights_and_constant_columns_at_high_temperature(temperature, tmp_path):
    X, y = load_digits(return_X_y=True)  # some pixels are always dark
    some = np.r_[np.flatnonzero(y != 3)[:600], np.flatnonzero(y == 3)[:3]]
    X, y = X[some], y[some]
    weight = np.random.default_rng(0).exponential(size=len(y))
    teacher = DecisionTreeClassifier(min_samples_leaf=3, random_state=0).fit(X, y)
    students = [
        DecisionTreeClassifier(max_leaf_nodes=40, class_weight="balanced", random_state=0),
        DecisionTreeRegressor(max_leaf_nodes=40, random_state=0),
        make_pipeline(
            QuantileTransformer(n_quantiles=50, output_distribution="normal"),
            LogisticRegression(C=0.1, max_iter=2000),
        ),
    ]
    for student in students:
        model = DistillationClassifier(teacher, student, temperature=temperature, alpha=0.9)
        model.fit(X, y, sample_weight=weight)
        assert export_onnx(model, tmp_path / "a.onnx", X).max_difference < 1e-5
        assert export_c(model, tmp_path / "a.h", X).max_difference < 1e-10


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "regressor",
    [
        LinearRegression(),
        DecisionTreeRegressor(max_depth=4),
        RandomForestRegressor(4, max_depth=4),
        MultiOutputRegressor(LinearRegression()),
        TransformedTargetRegressor(
            DecisionTreeRegressor(max_depth=4), transformer=StandardScaler()
        ),
        TransformedTargetRegressor(
            MLPRegressor(hidden_layer_sizes=(4,), max_iter=5), transformer=StandardScaler()
        ),
    ],
    ids=lambda r: f"{type(r).__name__}-{type(getattr(r, 'regressor', r)).__name__}",
)
def test_regressors(regressor, tmp_path):
    X, _ = numbers()
    y = 1000 * X[:, :1] + X[:, 1:2] if "Multi" in type(regressor).__name__ else X[:, 0] * 1000
    regressor.fit(X, y)
    file = export_onnx(regressor, tmp_path / "values.onnx", X)
    loaded = OnnxRegressor(file.path)
    wanted = np.squeeze(regressor.predict(X))
    assert loaded.predict(X).shape == wanted.shape
    np.testing.assert_allclose(loaded.predict(X), wanted, rtol=1e-5, atol=1e-4 * abs(wanted).max())
    with pytest.raises(ValueError, match="holds a regressor. Open it with OnnxRegressor"):
        OnnxClassifier(file.path)


@pytest.mark.filterwarnings(
    "ignore:.*drawn at random", "ignore::sklearn.exceptions.ConvergenceWarning"
)
@pytest.mark.parametrize(
    "student",
    [
        KNeighborsClassifier(5),
        AdaBoostClassifier(n_estimators=4, random_state=0),
        make_pipeline(PCA(4), MLPClassifier((5,), max_iter=20, random_state=0)),
        make_pipeline(PCA(4), DecisionTreeClassifier(max_depth=4, random_state=0)),
    ],
    ids=["neighbours", "adaboost", "pca mlp", "pca tree"],
)
def test_what_has_no_program_is_left_to_skl2onnx_and_decoded(student, tmp_path):
    X, y = numbers(3)
    X = X / X.std(axis=0)
    teacher = DecisionTreeClassifier(min_samples_leaf=10).fit(X, y)
    model = DistillationClassifier(teacher, student, temperature=4, alpha=0.5, random_state=0)
    file = export_onnx(model.fit(X, y), tmp_path / "student.onnx", X[:200])
    wanted = model.predict_proba(X[:200])
    np.testing.assert_allclose(OnnxClassifier(file.path).predict_proba(X[:200]), wanted, atol=1e-5)


def test_texts(tmp_path):
    texts = ["turn on the light", "what time is it", "switch off the lamp", "play a song"] * 10
    y = np.array(["light", "time", "light", "music"] * 10)
    student = make_pipeline(TfidfVectorizer(token_pattern=r"[a-z]+"), LogisticRegression())
    model = DistillationClassifier(
        clone(student).fit(texts, y), student, temperature=2, alpha=0.5
    ).fit(texts, y)
    file = export_onnx(model, tmp_path / "commands.onnx", texts)
    loaded = OnnxClassifier(file.path)
    new = ["light on please", "sing a song"]
    np.testing.assert_allclose(loaded.predict_proba(new), model.predict_proba(new), atol=1e-5)
    with pytest.raises(ValueError, match="list of texts"):
        loaded.predict("turn on the light")


def test_sparse_rows(tmp_path):
    X, y = numbers()
    X = sparse.csr_matrix(np.where(X > 0, X, 0))
    model = LogisticRegression().fit(X, y)
    file = export_onnx(model, tmp_path / "student.onnx", X)
    loaded = OnnxClassifier(file.path)
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_int8_networks(tmp_path):
    X, y = numbers()
    X = X / X.std(axis=0)
    model = MLPClassifier((256, 128), max_iter=10, random_state=0).fit(X, y)
    whole = export_onnx(model, tmp_path / "whole.onnx", X)
    small = export_onnx(model, tmp_path / "small.onnx", X, quantize="int8")
    assert small.n_bytes < 0.35 * whole.n_bytes
    assert 1e-5 < small.max_difference < 0.05
    assert sorted(os.listdir(tmp_path)) == ["small.onnx", "whole.onnx"]
    with pytest.raises(ValueError, match="quantize='int8' is for networks"):
        export_onnx(fitted("tree")[0], tmp_path / "x.onnx", X, quantize="int8")


@pytest.mark.parametrize("opset", [13, 15, 18])
def test_operator_sets(opset, tmp_path, tree):
    model, X = fitted("normal quantile mlp")
    file = export_onnx(model, tmp_path / "student.onnx", X, opset=opset)
    assert onnx.load(file.path).opset_import[0].version == opset
    with pytest.raises(ValueError, match="opset must be between 13 and"):
        export_onnx(model, tmp_path / "b.onnx", X, opset=opset - 10)


def test_the_file_says_what_it_is(tmp_path):
    model, X = fitted("one-hot tree")
    licence = {"licence": "CC-BY 4.0", "author": "someone"}
    file = export_onnx(model, tmp_path / "student.onnx", X, metadata=licence)
    card = OnnxClassifier(file.path).card_
    assert card["licence"] == "CC-BY 4.0"
    assert card["author"] == "someone"
    assert card["student"] == "DecisionTreeClassifier"
    assert card["versions"]["onnxruntime"] == onnxruntime.__version__
    assert len(card["sample_sha256"]) == 64
    content = onnx.load(file.path)
    about = read_about({p.key: p.value for p in content.metadata_props})
    assert json.loads(content.metadata_props[0].value) == card  # anyone can read it
    assert len(about["probes"]["rows"]["country"]) == 16
    assert [i.name for i in content.graph.input] == list(X.columns)


# -- nothing but what is proved ------------------------------------------------------------------


def test_a_broken_converter_is_caught(tree, tmp_path, monkeypatch):
    model, X = tree
    right = onnx_graph.add_trees

    def broken(graph, rows, trees):
        threshold = trees.threshold.copy()
        at = trees.splits[-1]
        threshold[at] = np.nextafter(np.float32(threshold[at]), np.float32(np.inf))
        return right(graph, rows, SimpleNamespace(**{**vars(trees), "threshold": threshold}))

    monkeypatch.setattr(onnx_graph, "add_trees", broken)
    with pytest.raises(ParityError, match="rows made at thresholds.*the model gives .*the file"):
        export_onnx(model, tmp_path / "student.onnx", X)
    assert os.listdir(tmp_path) == []


def test_what_was_there_stays_if_the_new_file_is_wrong(tree, tmp_path, monkeypatch):
    model, X = tree
    file = export_onnx(model, tmp_path / "student.onnx", X)
    before = file.path.read_bytes()
    monkeypatch.setattr(onnx_graph, "add_power", None)
    monkeypatch.setattr(onnx_graph, "add_labels", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_onnx(model, tmp_path / "student.onnx", X)
    assert file.path.read_bytes() == before
    assert os.listdir(tmp_path) == ["student.onnx"]


def test_a_full_disk_leaves_nothing(tree, tmp_path, monkeypatch):
    from pathlib import Path

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        export_onnx(*tree[:1], tmp_path / "student.onnx", tree[1])
    assert os.listdir(tmp_path) == []


def test_truncated_foreign_and_changed_files_are_caught(tree, tmp_path):
    model, X = tree
    file = export_onnx(model, tmp_path / "student.onnx", X)
    content = file.path.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cannot load this model"):
        OnnxClassifier(tmp_path / "cut.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ValueError, match="no ONNX model, is damaged"):
        OnnxClassifier(tmp_path / "text.onnx")
    foreign = onnx.load_from_string(content)
    del foreign.metadata_props[:]
    with pytest.raises(ValueError, match="not written by sklearn_distill"):
        OnnxClassifier(foreign.SerializeToString())
    # A runtime that answers otherwise looks, from here, as a file of other leaves.
    other = onnx.load_from_string(content)
    weights = next(a for a in other.graph.node[0].attribute if a.name == "target_weights")
    weights.floats[:] = [min(1.0, w + 1e-3) for w in weights.floats]
    with pytest.raises(RuntimeError, match="other answers to its own test rows"):
        OnnxClassifier(other.SerializeToString())
    with pytest.raises(FileNotFoundError, match="There is no file"):
        OnnxClassifier(tmp_path / "nowhere.onnx")
    with pytest.raises(TypeError, match="path must be a str"):
        OnnxClassifier(3)


def test_a_model_whose_labels_are_not_its_likeliest_classes_is_refused(tmp_path):
    X, y = numbers()
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)

    class Contrary(DecisionTreeClassifier):
        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    model = Contrary(max_depth=3, random_state=0).fit(X, y)
    with pytest.raises(ParityError, match="another label than the model"):
        export_onnx(model, tmp_path / "student.onnx", X)
    assert export_onnx(tree, tmp_path / "student.onnx", X).n_bytes


# -- bad input -----------------------------------------------------------------------------------


def test_bad_arguments_are_named_before_anything_is_done(tree, tmp_path):
    model, X = tree
    path = tmp_path / "student.onnx"
    with pytest.raises(NotFittedError):
        export_onnx(DecisionTreeClassifier(), path, X)
    with pytest.raises(TypeError, match="Cannot export a str"):
        export_onnx("tree", path, X)
    with pytest.raises(TypeError, match="gives no probabilities"):
        export_onnx(LinearSVC().fit(X, numbers()[1]), path, X)
    with pytest.raises(ValueError, match="X_sample must be rows"):
        export_onnx(model, path, None)
    with pytest.raises(ValueError, match="has no rows"):
        export_onnx(model, path, X[:0])
    with pytest.raises(ValueError, match="two dimensions"):
        export_onnx(model, path, X[0])
    with pytest.raises(ValueError, match="6 features|5 features"):
        export_onnx(model, path, X[:, :5])
    with pytest.raises(ValueError, match="array of <U"):
        export_onnx(model, path, X.astype(str))
    with pytest.raises(ValueError, match="quantize must be None or 'int8'"):
        export_onnx(model, path, X, quantize=8)
    with pytest.raises(ValueError, match="inputs must be"):
        export_onnx(model, path, X, inputs="float16")
    with pytest.raises(ValueError, match="tolerance must be a positive"):
        export_onnx(model, path, X, tolerance=0)
    with pytest.raises(TypeError, match="metadata must be a dict"):
        export_onnx(model, path, X, metadata="mine")
    with pytest.raises(FileNotFoundError, match="no folder"):
        export_onnx(model, tmp_path / "nowhere" / "student.onnx", X)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        export_onnx(model, tmp_path, X)
    assert os.listdir(tmp_path) == []


def test_a_student_without_converter_is_told_which_kinds_have_one(tmp_path):
    X, y = numbers()
    from sklearn.gaussian_process import GaussianProcessClassifier

    model = FrozenEstimator(GaussianProcessClassifier().fit(X[:30], y[:30]))
    with pytest.raises(TypeError, match=r"FrozenEstimator cannot be exported.*decision trees"):
        export_onnx(model, tmp_path / "student.onnx", X[:30])
    assert os.listdir(tmp_path) == []


def test_no_write_access(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(PermissionError, match="No files may be written"):
        export_onnx(tree[0], tmp_path / "student.onnx", tree[1])


# -- the loaded classifier -----------------------------------------------------------------------


def test_the_loaded_classifier_names_bad_rows(tmp_path):
    model, X = fitted("lightgbm")
    loaded = OnnxClassifier(export_onnx(model, tmp_path / "a.onnx", X).path)
    with pytest.raises(ValueError, match="X has 5 features, but OnnxClassifier is expecting 6"):
        loaded.predict(X[:, :5])
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        loaded.predict_proba(X[0])
    with pytest.raises(ValueError, match="0 sample"):
        loaded.predict_proba(X[:0])
    with pytest.raises(ValueError, match="could not convert string to float"):
        loaded.predict_proba([["a"] * 6])
    assert loaded.predict_proba(X.tolist()).shape == (len(X), 2)
    assert loaded.predict_proba(X.astype(int)).shape == (len(X), 2)
    assert not hasattr(loaded, "feature_names_in_")


def test_missing_values_are_refused_where_the_model_refuses_them(tmp_path):
    model, X = fitted("logistic regression")
    loaded = OnnxClassifier(export_onnx(model, tmp_path / "a.onnx", X).path)
    rows = X[:3].copy()
    rows[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN in \['x2'\]"):
        loaded.predict_proba(rows)
    rows[1, 2], rows[0, 1], rows[0, 3] = 0, np.inf, -np.inf  # whose sum is NaN too
    loaded.predict_proba(rows)
    model, X = fitted("hist gradient boosting")
    loaded = OnnxClassifier(export_onnx(model, tmp_path / "b.onnx", X).path)
    rows = X[:50].copy()
    rows[::2, 1] = np.nan
    np.testing.assert_allclose(loaded.predict_proba(rows), model.predict_proba(rows), atol=1e-6)


def test_frames_by_name_and_unknown_categories(tmp_path):
    model, X = fitted("one-hot tree")
    loaded = OnnxClassifier(export_onnx(model, tmp_path / "a.onnx", X).path)
    wanted = model.predict_proba(X)
    mixed = X[X.columns[::-1]].assign(more=1)
    np.testing.assert_allclose(loaded.predict_proba(mixed), wanted, atol=1e-6)
    assert loaded.feature_names_in_.tolist() == list(X.columns)
    with pytest.raises(ValueError, match=r"X lacks the columns \['kind'\]"):
        loaded.predict(X.drop(columns="kind"))
    new = X.head(5).assign(country="Atlantis", kind=None)
    np.testing.assert_allclose(loaded.predict_proba(new), model.predict_proba(new), atol=1e-6)
    model, X = fitted("mixed tree")  # whose encoder refuses unknown countries
    loaded = OnnxClassifier(export_onnx(model, tmp_path / "b.onnx", X).path)
    with pytest.raises(ValueError, match=r"unknown categories \['Atlantis'\] in column 'country'"):
        loaded.predict_proba(X.assign(country="Atlantis"))


def test_it_is_frozen_and_travels_with_its_bytes(tree, tmp_path):
    model, X = tree
    path = export_onnx(model, tmp_path / "a.onnx", X).path
    loaded = OnnxClassifier(path, n_jobs=2)
    assert clone(loaded) is loaded
    assert loaded.fit(X) is loaded
    copy = pickle.dumps(loaded)
    path.unlink()
    copy = pickle.loads(copy)
    assert (copy.predict_proba(X) == loaded.predict_proba(X)).all()
    assert copy.get_params() == {"path": path, "n_jobs": 2}
    copy.set_params(n_jobs=None)
    assert (copy.predict(X) == model.predict(X)).all()
    assert loaded.score(X, model.predict(X)) == 1
    with np.errstate(divide="ignore"):
        wanted = np.log(loaded.predict_proba(X))
    assert (loaded.predict_log_proba(X) == wanted).all()


def test_it_can_be_a_teacher_in_a_parallel_search(tmp_path):
    model, X = fitted("forest")
    y = model.predict(X)
    loaded = OnnxClassifier(export_onnx(model, tmp_path / "a.onnx", X).path)
    search = GridSearchCV(
        DistillationClassifier(loaded, DecisionTreeClassifier(max_leaf_nodes=8), alpha=0.5),
        {"temperature": [1, 2]},
        n_jobs=2,
        cv=2,
    )
    assert search.fit(X, y).best_score_ > 0.8


def test_a_frame_of_numbers_is_one_input(tmp_path):
    X, y = frame()
    X = X[["amount", "flag"]].astype({"flag": int})
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    file = export_onnx(model, tmp_path / "a.onnx", X)
    assert [i.name for i in onnx.load(file.path).graph.input] == ["X"]
    loaded = OnnxClassifier(file.path)
    assert (loaded.predict(X[["flag", "amount"]]) == model.predict(X)).all()
    assert (loaded.predict(X.to_numpy()) == model.predict(X)).all()


def test_polars_frames(tmp_path):
    import polars as pl

    X, y = frame()
    X = pl.DataFrame({"amount": X.amount.to_numpy(), "age": X.age.fillna(0).to_numpy()})
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    file = export_onnx(model, tmp_path / "a.onnx", X)
    assert (OnnxClassifier(file.path).predict(X) == model.predict(X)).all()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_svc_is_refused_because_its_labels_are_not_its_likeliest_classes(tmp_path):
    X, y = numbers()
    model = SVC(probability=True, random_state=0).fit(X, y)
    assert (model.predict(X) != model.classes_[model.predict_proba(X).argmax(axis=1)]).any()
    with pytest.raises(ParityError, match="not the class of its largest probability"):
        export_onnx(model, tmp_path / "a.onnx", X)


def test_an_index_of_a_frame_does_not_matter(tmp_path):
    model, X = fitted("ordinal tree")
    shuffled = X.sample(frac=1, random_state=0)
    assert isinstance(shuffled, pd.DataFrame)
    assert export_onnx(model, tmp_path / "a.onnx", shuffled).max_difference < 1e-5
