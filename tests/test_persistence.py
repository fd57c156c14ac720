import json
import os
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistilledClassifier
from sklearn_distill.export import ParityError, load_model, persistence, save_model
from tests.exported_models import fitted, numbers


@pytest.mark.parametrize(
    "kind",
    [
        "tree",
        "forest",
        "hist gradient boosting",
        "gradient boosting",
        "logistic regression",
        "mlp",
        "one-hot tree",
        "native hist gradient boosting",
    ],
)
def test_students_are_saved_and_loaded_without_trust(kind, tmp_path):
    model, X = fitted(kind)
    path = save_model(model, tmp_path / "student.skops", X)
    loaded = load_model(path)
    assert isinstance(loaded, DistilledClassifier)
    assert (loaded.predict_proba(X) == model.predict_proba(X)).all()
    assert (loaded.predict(X) == model.predict(X)).all()
    assert os.listdir(tmp_path) == ["student.skops"]


def test_types_of_others_need_trust(tmp_path):
    model, X = fitted("lightgbm")
    path = save_model(model, tmp_path / "student.skops", X)
    with pytest.raises(TypeError, match=r"lightgbm\.basic\.Booster.*trusted="):
        load_model(path)
    trusted = ["lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"]
    loaded = load_model(path, trusted=trusted)
    assert (loaded.predict_proba(X) == model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("array", "value", "match"),
    [
        ("left_child", 10**6, "lead outside"),
        ("left_child", 0, "in a circle"),
        ("right_child", -5, "lead outside"),
        ("feature", 99, "columns that there are not"),
    ],
)
def test_trees_that_would_crash_are_not_handed_out(array, value, match, tmp_path, monkeypatch):
    X, y = numbers()
    tree = DecisionTreeClassifier(max_leaf_nodes=4).fit(X, y)
    state = tree.tree_.__getstate__()
    state["nodes"][array][1 if array != "feature" else 0] = value
    if array == "left_child" and value == 0:
        state["nodes"]["left_child"][0] = 0
    bad = type(tree.tree_)(6, np.array([2]), 1)
    bad.__setstate__(state)
    tree.tree_ = bad
    path = tmp_path / "bad.skops"
    monkeypatch.setattr(persistence, "_check_trees", lambda model, path: None)
    save_model(tree, path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=match):
        load_model(path)


def test_other_releases_are_named(tmp_path):
    model, X = fitted("tree")
    path = save_model(model, tmp_path / "student.skops", X)
    old = tmp_path / "old.skops"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == persistence.VERSIONS:
                content = json.dumps({**json.loads(content), "scikit-learn": "0.24.0"})
            target.writestr(name, content)
    with pytest.warns(UserWarning, match=r"saved with scikit-learn 0\.24\.0, here 1"):
        load_model(old)


def test_foreign_and_damaged_files(tmp_path):
    model, X = fitted("tree")
    path = save_model(model, tmp_path / "student.skops", X)
    cut = tmp_path / "cut.skops"
    cut.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="or damaged"):
        load_model(cut)
    foreign = tmp_path / "foreign.skops"
    skops.io.dump({"a": 1}, foreign)
    with pytest.raises(ValueError, match="not written by"):
        load_model(foreign)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.skops")
    with pytest.raises(TypeError, match="skops cannot save .*Export it to ONNX"):
        save_model(fitted("network")[0], tmp_path / "net.skops", X)
    with pytest.raises(FileNotFoundError, match="no folder"):
        save_model(model, tmp_path / "no" / "a.skops")
    assert sorted(os.listdir(tmp_path)) == ["cut.skops", "foreign.skops", "student.skops"]


def test_a_model_that_comes_back_changed_is_not_kept(tmp_path, monkeypatch):
    X, y = numbers()
    tree = DecisionTreeClassifier(max_leaf_nodes=4).fit(X, y)
    other = DecisionTreeClassifier(max_leaf_nodes=2).fit(X, y)
    monkeypatch.setattr(persistence, "load_model", lambda path, trusted: other)
    with pytest.raises(ParityError, match="does not predict_proba the same"):
        save_model(tree, tmp_path / "a.skops", X)
    assert os.listdir(tmp_path) == []
