"""Why trees and boosters are not left to the converters of others.

Each test shows a fault of today's releases. One that fails says that upstream has mended it; what
is then unnecessary here is named in the message.
"""

import numpy as np
import onnxruntime
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill.export import OnnxClassifier, export_onnx
from tests.exported_models import booster, numbers

skl2onnx = pytest.importorskip("skl2onnx")
onnxmltools = pytest.importorskip("onnxmltools")


def test_lightgbm_thresholds_are_rounded_upwards(tmp_path):
    from onnxmltools.convert.common.data_types import FloatTensorType

    X, y = numbers()
    y = (y == y[0]).astype(int)
    model = booster().fit(X, y)
    theirs = onnxmltools.convert_lightgbm(
        model, initial_types=[("X", FloatTensorType([None, 6]))], zipmap=False, target_opset=15
    )
    session = onnxruntime.InferenceSession(theirs.SerializeToString())
    trees = model.booster_.trees_to_dataframe().dropna(subset="threshold")
    rows = np.repeat(X[:1], len(trees), axis=0)
    columns = [int(name.split("_")[1]) for name in trees.split_feature]
    rows[np.arange(len(rows)), columns] = trees.threshold.to_numpy()
    rows = rows.astype(np.float32)
    wanted = model.predict_proba(rows.astype(float))
    wrong = np.abs(session.run(None, {"X": rows})[1] - wanted).max()
    assert wrong > 1e-3, "onnxmltools rounds thresholds downwards: folding could leave it to them"
    ours = OnnxClassifier(export_onnx(model, tmp_path / "a.onnx", X).path)
    assert np.abs(ours.predict_proba(rows) - wanted).max() < 1e-6


def test_lightgbm_with_the_objective_of_soft_labels_is_refused():
    from onnxmltools.convert.common.data_types import FloatTensorType

    X, y = numbers()
    model = booster().set_params(objective="cross_entropy").fit(X, (y == y[0]).astype(int))
    with pytest.raises(Exception, match="cross_entropy"):
        onnxmltools.convert_lightgbm(model, initial_types=[("X", FloatTensorType([None, 6]))])


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_hist_gradient_boosting_is_not_converted():
    X, y = numbers()
    model = HistGradientBoostingClassifier(max_iter=3).fit(X, y)
    with pytest.raises(Exception):  # noqa: B017, PT011 - a bool among integers, somewhere inside
        skl2onnx.to_onnx(model, X[:1].astype(np.float32))


def test_frozen_estimators_are_not_converted():
    X, y = numbers()
    model = FrozenEstimator(DecisionTreeClassifier(max_depth=2).fit(X, y))
    with pytest.raises(Exception, match="FrozenEstimator"):
        skl2onnx.to_onnx(model, X[:1].astype(np.float32))
