"""The report: its figures are scikit-learn's own, and its verdict is the right one."""

import json
import sys
import types

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.report import DistillationReport, _rivals, distillation_report
from sklearn_distill.report._scores import Interval, bootstrap, score_of
from sklearn_distill.report._targets import OfClasses
from sklearn_distill.report._verdict import judge

QUICK = {"n_bootstrap": 60, "stability": 0, "artefact": "pickle"}


def draw(n=2400, seed=0, **settings):
    settings = {"n_informative": 6, "n_redundant": 0, "flip_y": 0.1, "class_sep": 0.8} | settings
    X, y = make_classification(n, 10, random_state=seed, **settings)
    half = n // 2
    return X[:half], y[:half], X[half:], y[half:]


X, Y, X_TEST, Y_TEST = draw()
TEACHER = RandomForestClassifier(60, min_samples_leaf=3, random_state=0).fit(X, Y)


def distil(student, teacher=TEACHER, rows=(X, Y), **settings):
    settings = {"alpha": 1.0, "temperature": 2.0, "cv": 3} | settings
    return DistillationClassifier(teacher, student, **settings).fit(*rows)


TREE = distil(DecisionTreeClassifier(max_leaf_nodes=32, random_state=0))


# -- scores -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("roc_auc", lambda y, p, w: sk.roc_auc_score(y, p[:, 1], sample_weight=w)),
        (
            "average_precision",
            lambda y, p, w: sk.average_precision_score(y, p[:, 1], sample_weight=w),
        ),
        ("neg_log_loss", lambda y, p, w: -sk.log_loss(y, p, sample_weight=w)),
        ("neg_brier_score", lambda y, p, w: -sk.brier_score_loss(y, p[:, 1], sample_weight=w)),
        ("accuracy", lambda y, p, w: sk.accuracy_score(y, p.argmax(axis=1), sample_weight=w)),
        (
            "balanced_accuracy",
            lambda y, p, w: sk.balanced_accuracy_score(y, p.argmax(axis=1), sample_weight=w),
        ),
        ("f1", lambda y, p, w: sk.f1_score(y, p.argmax(axis=1), sample_weight=w)),
        (
            "matthews_corrcoef",
            lambda y, p, w: sk.matthews_corrcoef(y, p.argmax(axis=1), sample_weight=w),
        ),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_scikit_learn(name, metric, weighted):
    rng = np.random.default_rng(0)
    p = np.round(rng.random(300), 1)  # many ties
    y = (rng.random(300) < p).astype(int)
    proba = np.column_stack([1 - p, p])
    weight = rng.integers(0, 4, 300).astype(float) if weighted else np.ones(300)
    score = score_of(name, y, np.array([0, 1]))
    assert score.of(y, proba)(weight) == pytest.approx(metric(y, proba, weight))


def test_scores_of_more_classes_and_a_scorer_of_ones_own():
    rng = np.random.default_rng(1)
    proba, y = rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200)
    classes = np.array(list("abcd"))
    weight = rng.integers(0, 3, 200).astype(float)
    area = score_of("roc_auc_ovr", y, classes).of(y, proba)
    assert area(np.ones(200)) == pytest.approx(sk.roc_auc_score(y, proba, multi_class="ovr"))
    scorer = sk.make_scorer(sk.cohen_kappa_score, weights="linear")
    ours = score_of(scorer, y, classes).of(y, proba)
    said = proba.argmax(axis=1)
    theirs = sk.cohen_kappa_score(y, said, weights="linear", sample_weight=weight)
    assert ours(weight) == pytest.approx(theirs)
    assert score_of(None, y, classes).name == "accuracy"
    assert score_of(None, y % 2, classes[:2]).name == "roc_auc"
    assert (
        score_of(None, (np.arange(200) < 3).astype(int), classes[:2]).name == "average_precision"
    )
    with pytest.raises(ValueError, match="scoring must be"):
        score_of(3, y, classes)


def test_the_bootstrap_is_paired_and_covers():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    p = np.clip(y * 0.3 + rng.random(400) * 0.7, 0, 1)
    proba = np.column_stack([1 - p, p])
    score = score_of("roc_auc", y, np.array([0, 1])).of(y, proba)
    drawn = bootstrap({"a": score, "b": score}, np.ones(400), 300, seed=0)
    assert (drawn["a"] == drawn["b"]).all()
    # The error of an area, by Hanley and McNeil's rule of thumb, is of that size.
    assert 0.5 < drawn["a"].std() / np.sqrt(score(np.ones(400)) * 0.2 / 200) < 2


# -- figures ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    return distillation_report(
        TREE,
        X,
        Y,
        X_TEST,
        Y_TEST,
        groups=np.where(X_TEST[:, 0] > 0, "right", "left"),
        n_bootstrap=200,
        artefact="pickle",
        stability=3,
    )


def test_figures_are_scikit_learns_own(report):
    for name, p in report.said_["said"].items():
        model = report.models[name]
        assert model["score"].value == pytest.approx(sk.roc_auc_score(Y_TEST, p[:, 1]))
        assert model["score"].lower < model["score"].value < model["score"].upper
        assert model["log_loss"] == pytest.approx(sk.log_loss(Y_TEST, p))
        assert model["brier"] == pytest.approx(sk.brier_score_loss(Y_TEST, p[:, 1]))
        assert model["accuracy"] == sk.accuracy_score(Y_TEST, p.argmax(axis=1))
    said = report.said_["said"]
    np.testing.assert_allclose(said["teacher"], TEACHER.predict_proba(X_TEST), atol=1e-12)
    assert (said["distilled"] == TREE.predict_proba(X_TEST)).all()
    twin = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0).fit(X, Y)
    assert (said["hard"] == twin.predict_proba(X_TEST)).all()
    values = {name: model["score"].value for name, model in report.models.items()}
    assert report.retention == pytest.approx(values["distilled"] / values["teacher"])
    gap = (values["distilled"] - values["hard"]) / (values["teacher"] - values["hard"])
    assert report.recovered_gap == pytest.approx(gap)
    for name, model in report.models.items():
        if name != "distilled":
            assert model["gain"].value == pytest.approx(values["distilled"] - values[name])


def test_parts_of_the_rows(report):
    left = X_TEST[:, 0] <= 0
    row = next(row for row in report.per_group if row["group"] == "left")
    assert row["n_rows"] == left.sum()
    own = TREE.predict_proba(X_TEST[left])[:, 1]
    assert row["distilled"] == pytest.approx(sk.roc_auc_score(Y_TEST[left], own))
    recall = sk.recall_score(Y_TEST, TREE.predict(X_TEST), average=None)
    assert [r["recall distilled"] for r in report.per_class] == pytest.approx(recall)
    assert sum(part["n_rows"] for part in report.slices) == len(Y_TEST) // 2
    divergences = [part["divergence"] for part in report.slices]
    assert divergences == sorted(divergences, reverse=True)


def test_costs_and_stability(report):
    teacher, student = (report.models[n]["footprint"] for n in ("teacher", "distilled"))
    assert teacher.latency.p50 > student.latency.p50 > 0
    assert student.latency.p50 <= student.latency.p95 <= student.latency.p99
    assert teacher.n_bytes > 10 * student.n_bytes
    assert report.stability.n_students == 3
    assert 0.5 < report.stability.agreement <= 1
    spent = report.stability.label_seconds + report.stability.fit_seconds
    saved = teacher.latency.p50 - student.latency.p50
    assert report.break_even == pytest.approx(spent / saved)


def test_all_forms_say_the_same(report):
    for written in (str(report), report._repr_html_(), report.to_markdown()):
        assert "Where student and teacher differ" in written
        assert "same-budget" in written
    assert report.verdict.headline in str(report).replace("\n", " ")
    figures = json.loads(json.dumps(report.to_dict()))
    assert (
        figures["models"]["teacher"]["score"]["value"] == report.models["teacher"]["score"].value
    )
    frame = report.to_frame()
    assert list(frame.index) == list(report.models)
    assert frame.loc["hard", "score"] == report.models["hard"]["score"].value
    assert max(len(line) for line in str(report).splitlines()) < 200
    with pytest.raises(AttributeError):
        report.scoring = "other"


def test_weights_are_copies():
    weight = np.random.default_rng(0).integers(0, 3, len(Y_TEST))
    copies = np.repeat(np.arange(len(Y_TEST)), weight)
    settings = {"rivals": ["hard"], **QUICK}
    weighted = distillation_report(TREE, X, Y, X_TEST, Y_TEST, sample_weight=weight, **settings)
    repeated = distillation_report(TREE, X, Y, X_TEST[copies], Y_TEST[copies], **settings)
    for name in ("teacher", "distilled", "hard"):
        for key in ("log_loss", "brier", "accuracy"):
            assert weighted.models[name][key] == pytest.approx(repeated.models[name][key])
        one, other = (r.models[name]["score"].value for r in (weighted, repeated))
        assert one == pytest.approx(other)


# -- the verdict ------------------------------------------------------------------------


def test_gain():
    rows = draw(flip_y=0.2, n_informative=8)
    teacher = RandomForestClassifier(100, min_samples_leaf=3, random_state=0).fit(*rows[:2])
    student = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0)
    model = distil(student, teacher, rows[:2])
    report = distillation_report(model, *rows, rivals=["hard", "tuned"], **QUICK)
    assert report.verdict.code == "gain"
    assert report.verdict.headline.startswith("Distillation gains .")
    assert "It keeps 9" in report.verdict.remarks[0]
    assert "of its latency" in report.verdict.remarks[0]


def test_no_gain():
    model = distil(LogisticRegression(), alpha=0.3, temperature=1.0)
    report = distillation_report(model, X, Y, X_TEST, Y_TEST, rivals=["hard"], **QUICK)
    assert report.verdict.code == "no-gain"
    assert "inside ±" in report.verdict.headline


def test_loss():
    # The student was told nonsense of the rows that it learned from.
    nonsense = TEACHER.predict_proba(X)[np.random.default_rng(0).permutation(len(X))]
    student = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0)
    model = DistillationClassifier(None, student, alpha=1.0, temperature=1.0)
    model.fit(X, Y, teacher_output=nonsense)
    report = distillation_report(
        model, X, Y, X_TEST, Y_TEST, teacher=TEACHER, rivals=["hard"], **QUICK
    )
    assert report.verdict.code == "loss"
    assert "keep the labels" in report.verdict.headline


def test_weak_teacher():
    stump = DecisionTreeClassifier(max_depth=1).fit(X, Y)
    model = distil(DecisionTreeClassifier(max_leaf_nodes=8), stump)
    report = distillation_report(model, X, Y, X_TEST, Y_TEST, rivals=["logistic"], **QUICK)
    assert report.verdict.code == "weak-teacher"
    assert "weaker than logistic regression" in report.verdict.headline


def test_better_rival():
    rows = draw(n_clusters_per_class=1, flip_y=0.02, class_sep=1.0, seed=3)
    teacher = RandomForestClassifier(60, random_state=0).fit(*rows[:2])
    model = distil(DecisionTreeClassifier(max_leaf_nodes=4), teacher, rows[:2])
    report = distillation_report(model, *rows, rivals=["hard", "logistic", "tuned"], **QUICK)
    assert report.verdict.code == "better-rival"
    assert report.verdict.headline.endswith("use it.")


def gains(**given):
    return {name.replace("_", "-"): Interval(*interval) for name, interval in given.items()}


UP, DOWN, EVEN = (0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), (0.002, -0.004, 0.008)


@pytest.mark.parametrize(
    ("of_student", "of_teacher", "code"),
    [
        ({}, {}, "unknown"),
        ({"hard": UP}, {"hard": UP}, "gain"),
        ({"hard": UP, "tuned": UP}, {"hard": UP, "tuned": UP}, "gain"),
        ({"hard": UP, "tuned": EVEN}, {"hard": UP, "tuned": UP}, "no-gain"),
        ({"hard": EVEN}, {"hard": UP}, "no-gain"),
        ({"hard": DOWN}, {"hard": UP}, "loss"),
        ({"hard": DOWN, "logistic": DOWN}, {"hard": UP, "logistic": UP}, "loss"),
        ({"hard": UP, "same_budget": DOWN}, {"hard": UP, "same_budget": UP}, "better-rival"),
        ({"hard": UP, "same_budget": EVEN}, {"hard": UP, "same_budget": UP}, "gain"),
        ({"hard": UP, "logistic": DOWN}, {"hard": UP, "logistic": DOWN}, "weak-teacher"),
        ({"hard": UP, "logistic": UP}, {"hard": UP, "logistic": DOWN}, "gain"),
        ({"same_budget": EVEN}, {"same_budget": UP}, "no-gain"),
        ({"tuned": UP}, {"tuned": UP}, "no-gain"),
    ],
)
def test_rules(of_student, of_teacher, code):
    values = {"teacher": 0.9, "distilled": 0.85}
    values |= {name.replace("_", "-"): 0.85 - v[0] for name, v in of_student.items()}
    verdict = judge(
        "ROC AUC", values, gains(**of_student), gains(**of_teacher), {}, "It keeps.", OfClasses
    )
    assert verdict.code == code
    assert verdict.headline in str(verdict)
    assert "It keeps." in verdict.remarks


# -- models of all makes ----------------------------------------------------------------


def test_pipelines_searches_frames_strings_and_missing_values(monkeypatch):
    # On a machine that does something else, no rival may be found that is fast enough.
    monkeypatch.setattr(_rivals, "SAME_SECONDS", 1.0)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": rng.normal(size=1200), "age": rng.normal(size=1200)})
    frame["country"] = pd.Categorical(rng.choice(["FR", "DE", "US"], 1200))
    frame.loc[::50, "age"] = np.nan
    odd = (frame["country"] == "US") & (frame["amount"] > 0.5)
    y = np.where(odd | (frame["age"] > 1.2), "fraud", "fine")
    from sklearn_distill.candidates import prepared

    head, _ = prepared(DecisionTreeClassifier(), frame, by_splits=True).steps
    teacher = RandomForestClassifier(40, min_samples_leaf=2, random_state=0)
    inner = DistillationClassifier(
        teacher, DecisionTreeClassifier(random_state=0), alpha=1.0, temperature=1.0, cv=3
    )
    pipeline = make_pipeline(head[1], inner)
    grid = {"distillationclassifier__student__max_leaf_nodes": [4, 8]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(frame[:700], y[:700])
    report = distillation_report(
        search, frame[:700], y[:700], frame[700:], y[700:], groups="country", **QUICK
    )
    assert set(report.models) == {
        *("teacher", "distilled", "hard", "tuned", "same-budget", "logistic")
    }
    assert [row["group"] for row in report.per_group] == ["DE", "FR", "US"]
    assert any("country is" in part["rule"] or "age" in part["rule"] for part in report.slices)
    assert "Stability" not in str(report)


def test_an_unfitted_teacher_is_not_fitted_again_unless_asked():
    model = distil(DecisionTreeClassifier(max_leaf_nodes=8), GaussianNB())
    settings = QUICK | {"stability": "auto", "rivals": []}
    report = distillation_report(model, X, Y, X_TEST, Y_TEST, **settings)
    assert report.stability is None
    assert any("Pass stability=5" in line for line in report.missing)
    assert report.verdict.code == "unknown"
    report = distillation_report(model, X, Y, X_TEST, Y_TEST, **settings | {"stability": 2})
    assert report.stability.n_students == 2


def test_without_training_rows_or_a_teacher_it_says_what_is_missing():
    alone = TREE.standalone()
    said = TEACHER.predict_proba(X_TEST)
    report = distillation_report(alone, None, None, X_TEST, Y_TEST, teacher_output=said, **QUICK)
    assert report.verdict.code == "unknown"
    text = str(report)
    assert "Rivals, stability and break-even" in text
    assert "The price of the teacher: only its answers are here." in text
    assert "teacher" not in {n for n, m in report.models.items() if m["footprint"]}
    with pytest.raises(ValueError, match="has no teacher"):
        distillation_report(alone, None, None, X_TEST, Y_TEST, **QUICK)
    with_rivals = distillation_report(
        alone, X, Y, X_TEST, Y_TEST, teacher=TEACHER, rivals=["hard"], **QUICK | {"stability": 3}
    )
    assert any("no DistillationClassifier" in line for line in with_rivals.missing)
    twin = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0).fit(X, Y)
    assert (with_rivals.said_["said"]["hard"] == twin.predict_proba(X_TEST)).all()


def test_three_classes_and_any_classifier():
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    teacher = RandomForestClassifier(30, random_state=0).fit(X[::2], names[::2])
    student = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[::2], names[::2])
    report = distillation_report(
        student,
        X[::2],
        names[::2],
        X[1::2],
        names[1::2],
        teacher=teacher,
        rivals=["hard"],
        **QUICK,
    )
    assert report.scoring == "accuracy"
    assert report.verdict.code == "no-gain"
    assert "top_overlap" not in report.fidelity
    assert len(report.per_class) == 3


def test_scores_that_are_not_defined_are_said_to_be():
    one_class = np.flatnonzero(Y_TEST == 1)
    groups = np.where(np.isin(np.arange(len(Y_TEST)), one_class[:40]), "only ones", "others")
    report = distillation_report(
        TREE, X, Y, X_TEST, Y_TEST, rivals=["hard"], groups=groups, **QUICK
    )
    row = next(row for row in report.per_group if row["group"] == "only ones")
    assert np.isnan(row["distilled"])
    assert row["note"] == "the score is not defined here"
    report = distillation_report(
        *(TREE, X, Y, X_TEST[one_class], Y_TEST[one_class]),
        rivals=["hard"],
        scoring="roc_auc",
        **QUICK,
    )
    assert any("it is not defined on these test rows" in line for line in report.missing)
    assert report.verdict.code == "unknown"
    assert "nan" not in str(report.verdict)
    report = distillation_report(
        TREE, X, Y, X_TEST, Y_TEST, rivals=["hard"], scoring="neg_log_loss", **QUICK
    )
    assert np.isnan(report.retention)
    assert any("Retention" in line for line in report.missing)
    assert "Its neg log loss is" in report.verdict.remarks[0]


def test_texts_have_no_columns_to_speak_of():
    rng = np.random.default_rng(0)
    words = np.array(["play", "stop", "light", "door", "please"])
    texts = [" ".join(rng.choice(words, 5)) for _ in range(400)]
    y = np.array(["play" in text for text in texts]).astype(int)
    teacher = make_pipeline(CountVectorizer(), RandomForestClassifier(20, random_state=0))
    teacher.fit(texts[:200], y[:200])
    student = make_pipeline(CountVectorizer(), LogisticRegression())
    model = distil(student, teacher, (texts[:200], y[:200]), alpha=0.5, cv=None, temperature=1.0)
    settings = QUICK | {"rivals": ["hard", "same-budget", "logistic"]}
    report = distillation_report(model, texts[:200], y[:200], texts[200:], y[200:], **settings)
    assert any(
        "Where student and teacher differ: the rows are no table" in m for m in report.missing
    )


def test_energy(monkeypatch):
    class Tracker:
        """A meter that reads as many joules as time has passed."""

        def __init__(self, **settings):
            assert settings["save_to_file"] is False

        def start(self):
            pass

        def stop(self):
            self.final_emissions_data = types.SimpleNamespace(energy_consumed=1.0)

    fake = types.SimpleNamespace(OfflineEmissionsTracker=Tracker)
    monkeypatch.setitem(sys.modules, "codecarbon", fake)
    monkeypatch.setattr("sklearn_distill.report._costs.SECONDS_OF_ENERGY", 0.2)
    settings = QUICK | {"rivals": [], "energy": True}
    report = distillation_report(TREE, X, Y, X_TEST, Y_TEST, **settings)
    assert report.energy_ratio > 2
    assert "times the energy (codecarbon" in str(report)
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    report = distillation_report(TREE, X, Y, X_TEST, Y_TEST, **settings)
    assert np.isnan(report.energy_ratio)
    assert any("codecarbon is not installed" in line for line in report.missing)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rivals": "hard"}, ValueError, "rivals must be 'all', or a list"),
        ({"rivals": ["best"]}, ValueError, r"Got \['best'\]"),
        ({"n_bootstrap": 1}, ValueError, "n_bootstrap"),
        ({"n_bootstrap": True}, ValueError, "n_bootstrap"),
        ({"stability": 1}, ValueError, "stability"),
        ({"stability": "yes"}, ValueError, "stability"),
        ({"groups": ["a"]}, ValueError, "one value for each of the 1200 test rows. Got 1"),
        ({"groups": "country"}, ValueError, "no column of X_test"),
        ({"artefact": "jar"}, ValueError, "artefact must be"),
        ({"scoring": "nice"}, ValueError, "nice"),
        ({"sample_weight": [1, 2]}, ValueError, "sample_weight must have shape"),
        ({"y_test": Y_TEST[:5]}, ValueError, "inconsistent"),
        ({"y_test": Y_TEST + 1}, ValueError, r"does not know: \[2\]"),
        ({"y_train": None}, ValueError, "both X_train and y_train"),
        ({"model": DecisionTreeClassifier()}, NotFittedError, "not fitted"),
        ({"teacher_output": np.ones((3, 2)) / 2}, ValueError, "3"),
    ],
)
def test_bad_input(settings, error, message):
    given = {"model": TREE, "X_train": X, "y_train": Y, "X_test": X_TEST, "y_test": Y_TEST}
    given |= {"rivals": []} | QUICK | settings
    with pytest.raises(error, match=message):
        distillation_report(**given)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("settings", [{"temperature": 8.0}, {"alpha": 1e-6}])
def test_a_class_of_three_rows_and_a_class_weight(settings, dtype):
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(300, 4)) * 10).astype(dtype)
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)].astype(object)
    y[:6] = "rare"  # three of them to learn from, three to judge by
    X[:6, 1] = 99
    student = DecisionTreeClassifier(
        max_leaf_nodes=8, class_weight={"no": 1, "yes": 1, "rare": 20}, random_state=0
    )
    teacher = RandomForestClassifier(20, random_state=0).fit(X[::2], y[::2])
    model = distil(student, teacher, (X[::2], y[::2]), cv="in-sample", **settings)
    with_stability = QUICK | {"stability": 2}
    report = distillation_report(
        *(model, X[::2], y[::2], X[1::2], y[1::2]), rivals=["hard", "tuned"], **with_stability
    )
    assert [row["n_rows"] for row in report.per_class][1] == 3
    assert report.models["hard"]["accuracy"] > 0.9
    twin = clone(student).fit(X[::2], y[::2])
    assert (report.said_["said"]["hard"] == twin.predict_proba(X[1::2])).all()
    if "alpha" in settings:  # next to nothing of the teacher: next to the twin
        near = report.said_["said"]["distilled"] - report.said_["said"]["hard"]
        assert np.abs(near).max() < 1e-3


def test_two_processes_find_the_same():
    settings = {"rivals": ["hard", "tuned"], **QUICK}
    one, two = (
        distillation_report(TREE, X, Y, X_TEST, Y_TEST, n_jobs=n, **settings) for n in (1, 2)
    )
    for name, model in one.models.items():
        assert model["score"] == two.models[name]["score"]
    assert one.verdict.code == two.verdict.code


def test_nobody_is_changed():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    teacher = RandomForestClassifier(20, random_state=0).fit(X, y)
    model = distil(DecisionTreeClassifier(max_leaf_nodes=4), teacher, (X, y), cv=None)
    before = str(vars(model)), X.copy()
    report = distillation_report(model, X, y, X, y, rivals=["hard"], **QUICK)
    assert isinstance(report, DistillationReport)
    assert str(vars(model)) == before[0]
    pd.testing.assert_frame_equal(X, before[1])
