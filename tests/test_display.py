"""Pictures: what they store, that they are drawn from real models, and what they refuse."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.display import (
    LOOKS,
    FidelityDisplay,
    LabelBudgetDisplay,
    ReliabilityDisplay,
    SlicesDisplay,
    TradeOffDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

X, Y = make_classification(600, 6, flip_y=0.1, random_state=0)
TEACHER = RandomForestClassifier(30, random_state=0).fit(X[:300], Y[:300])
MODEL = DistillationClassifier(
    TEACHER, DecisionTreeClassifier(max_leaf_nodes=8, random_state=0), alpha=1.0, temperature=1.0
).fit(X[:300], Y[:300])


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_fidelity():
    display = FidelityDisplay.from_estimator(MODEL, X[300:])
    np.testing.assert_allclose(display.teacher, TEACHER.predict_proba(X[300:])[:, 1])
    assert (display.student == MODEL.predict_proba(X[300:])[:, 1]).all()
    assert display.ax_.get_xlabel() == "Teacher's probability of 1"
    given = FidelityDisplay.from_estimator(MODEL.standalone(), X, teacher=TEACHER, label=0)
    assert given.name == "0"
    _, ax = plt.subplots()
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


@pytest.mark.parametrize("n", [100, 5000])
@pytest.mark.parametrize("scale", ["auto", "linear", "logit"])
def test_fidelity_of_rare_events(n, scale):
    rng = np.random.default_rng(0)
    p = rng.beta(0.1, 10, n)
    p[0] = 0.0
    display = FidelityDisplay.from_predictions(
        p, np.clip(p * 1.1, 0, 1), scale=scale, name="fraud"
    )
    display.figure_.canvas.draw()
    assert display.ax_.get_xscale() == ("linear" if scale == "linear" else "logit")


def test_the_front_is_what_nothing_beats():
    scores, costs = [0.8, 0.9, 0.85, 0.7, np.nan], [1e3, 1e6, 1e5, 2e3, 10]
    display = TradeOffDisplay(scores, costs, names=list("abcde"), chosen=[1, 0, 0, 0, 0])
    assert display.front_.tolist() == [0, 2, 1]
    display.plot()
    assert display.ax_.get_xscale() == "log"
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == list("abcde")


def test_reliability_is_scikit_learns_curve():
    display = ReliabilityDisplay.from_estimator(MODEL, X[300:], Y[300:], n_bins=5)
    said = TEACHER.predict_proba(X[300:])[:, 1]
    frequency, confidence = calibration_curve(Y[300:], said, n_bins=5, strategy="quantile")
    np.testing.assert_allclose(display.curves["teacher"][0], confidence)
    np.testing.assert_allclose(display.curves["teacher"][1], frequency)
    assert sum(display.curves["distilled"][2]) == 300
    rare = np.random.default_rng(0).beta(0.1, 10, 500)
    y = (rare > 0.2).astype(int)
    display = ReliabilityDisplay.from_predictions(y, {"student": rare}, name="fraud")
    display.figure_.canvas.draw()
    assert display.ax_.get_xscale() == "log"
    X3, y3 = load_iris(return_X_y=True)
    of_three = DecisionTreeClassifier(max_depth=2).fit(X3, y3).predict_proba(X3)
    display = ReliabilityDisplay.from_predictions(y3, {"student": of_three})
    assert display.name == "the likeliest class"


def test_slices():
    labels = {"teacher": [0, 0, 1, 1], "distilled": [0, 1, 1, 1]}
    display = SlicesDisplay.from_predictions([0, 0, 1, 1], labels, ["b", "b", "a", "a"])
    assert display.names == ["a", "b"]
    assert display.scores["distilled"].tolist() == [1.0, 0.5]
    undefined = SlicesDisplay(["a", "b"], {"teacher": [0.5, np.nan]}, [10, 1]).plot()
    assert any(text.get_text() == "not defined" for text in undefined.ax_.texts)
    assert [t.get_text() for t in undefined.ax_.get_yticklabels()] == ["a  (10)", "b  (1)"]


def test_label_budget():
    scores = {"distilled": [[0.8, 0.84], [0.88, 0.9]], "hard": [0.7, 0.86]}
    display = LabelBudgetDisplay([100, 1000], scores, score_name="ROC AUC").plot()
    assert [line.get_label() for line in display.ax_.lines] == ["distilled", "hard"]
    assert display.ax_.lines[0].get_ydata().tolist() == pytest.approx([0.82, 0.89])


def test_models_differ_in_more_than_colour():
    never_beside = ("hard labels", "real values", "linear")  # hard, hard, logistic
    colours, markers, _ = zip(*(LOOKS[n] for n in LOOKS if n not in never_beside), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(colours)


def test_nothing_imports_matplotlib_before_something_is_drawn():
    code = "import sys, sklearn_distill.display; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FidelityDisplay.from_estimator(MODEL, X, label=7), "no class of the model"),
        (lambda: FidelityDisplay.from_predictions([[0.5, 0.5]], [[0.5, 0.5]]), "one class"),
        (lambda: FidelityDisplay.from_predictions([0.5], [0.5, 0.1]), "inconsistent"),
        (lambda: FidelityDisplay([0.5], [0.5]).plot(scale="log"), "scale"),
        (lambda: ReliabilityDisplay({}).plot(scale="logit"), "scale"),
        (lambda: TradeOffDisplay([1], [1, 2], names=["a"]), "inconsistent"),
        (lambda: SlicesDisplay(["a"], {"teacher": [1, 2]}, [3]), "inconsistent"),
        (lambda: LabelBudgetDisplay([1], {"teacher": [1, 2]}), "inconsistent"),
        (lambda: FidelityDisplay.from_estimator(MODEL.standalone(), X), "has no teacher"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
