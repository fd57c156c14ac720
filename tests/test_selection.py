"""The choice of a student: budgets, honesty, and what is refused."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier, DistilledClassifier
from sklearn_distill.augmentation import Munge
from sklearn_distill.candidates import Candidate, candidates_for
from sklearn_distill.footprint import artefact_of, as_it_is, measure
from sklearn_distill.selection import StudentSelection, select_student
from sklearn_distill.selection._options import AUGMENTED, DISTILLED, HARD, Entry, Option

X, Y = make_classification(
    900, 8, n_informative=5, n_redundant=0, flip_y=0.15, class_sep=0.8, random_state=0
)
TEACHER = RandomForestClassifier(25, min_samples_leaf=3, random_state=0)
FEW = [
    ("tree", DecisionTreeClassifier(max_leaf_nodes=16, random_state=0)),
    ("stump", DecisionTreeClassifier(max_leaf_nodes=2, random_state=0)),
]


@pytest.fixture(scope="module")
def found():
    return select_student(TEACHER, X, Y, candidates=FEW, cv=3, random_state=0)


def test_it_chooses_and_says_why(found):
    assert isinstance(found, StudentSelection)
    assert found.distilled_
    assert isinstance(found.best_estimator_, DistilledClassifier)
    assert found.best_name_.startswith("tree, distilled")
    assert "better than the best on hard labels" in found.reason_
    assert found.best_name_ in str(found)
    table = found.results_
    assert len(table) == 6
    assert table["chosen"].sum() == 1
    assert set(table["taught"]) == {HARD, DISTILLED, AUGMENTED}
    chosen = table[table["chosen"]].iloc[0]
    assert f"{chosen['name']}, {chosen['taught']}" == found.best_name_
    assert found.n_bytes_ == artefact_of(found.best_estimator_, X).n_bytes
    front = found.pareto_
    assert (np.diff(front["score"]) > 0).all()
    assert (np.diff(front["n_bytes"]) >= 0).all()


def test_hard_labels_are_preferred_unless_distillation_is_clearly_better():
    separable = X[:, :1] > 0
    found = select_student(
        TEACHER, X, separable.ravel().astype(int), candidates=FEW[:1], cv=3, random_state=0
    )
    assert not found.distilled_
    assert isinstance(found.best_estimator_, DecisionTreeClassifier)
    assert "not better" in found.reason_


def test_without_a_teacher_students_learn_from_labels():
    found = select_student(None, X, Y, candidates=FEW, cv=3)
    assert not found.distilled_
    assert len(found.results_) == 2
    twin = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0).fit(X, Y)
    assert (found.best_estimator_.predict_proba(X) == twin.predict_proba(X)).all()
    assert "all on hard labels" in found.reason_


def test_the_teacher_is_asked_once_whatever_the_candidates():
    for candidates in (FEW[:1], FEW):
        Recorder.seen.clear()
        select_student(Recorder(), X, Y, candidates=candidates, cv=3)
        assert len(Recorder.seen) == 3 + 3 + 1
    said = LogisticRegression().fit(X[:300], Y[:300]).predict_proba(X)
    found = select_student(None, X, Y, teacher_output=said, candidates=FEW, cv=3, random_state=0)
    assert set(found.results_["taught"]) == {HARD, DISTILLED}  # nobody could label new rows


@pytest.mark.parametrize("fitted", [False, True])
def test_the_chosen_student_is_what_distillation_gives(fitted, monkeypatch):
    monkeypatch.setattr("sklearn_distill.selection._compare.CLEARLY", -99)  # whatever it is worth
    teacher = TEACHER
    if fitted:
        teacher = RandomForestClassifier(25, min_samples_leaf=3, random_state=0).fit(X, Y)

    def third(X, y, random_state):
        """Return three of the ten new rows for each one, spread over them."""
        made = Munge(10.0).sample(X, y, random_state)
        return made[np.linspace(0, len(made) - 1, round(0.3 * len(made))).astype(int)]

    tree = FEW[0][1]
    said = None
    if fitted:
        said, teacher = teacher.predict_proba(X), None
    found = select_student(
        teacher, X, Y, teacher_output=said, candidates=[("tree", tree)], cv=3, random_state=0
    )
    again = DistillationClassifier(teacher, tree, temperature=2.0, alpha=1.0, cv=3, random_state=0)
    again.fit(X, Y, teacher_output=said)
    if found.best_name_ == "tree, distilled":
        assert (found.best_estimator_.predict_proba(X) == again.predict_proba(X)).all()
    else:
        assert found.best_name_ == "tree, distilled, new rows"
        assert not fitted
        new = DistillationClassifier(
            *(teacher, tree), temperature=2.0, alpha=1.0, cv=3, random_state=0, augmenter=third
        ).fit(X, Y)
        same = found.best_estimator_.predict_proba(X) == new.predict_proba(X)
        assert same.all()


class Recorder(LogisticRegression):
    """A teacher that notes which rows it was fitted on."""

    seen = []

    def fit(self, X, y):
        super().fit(X, y)
        self.rows_ = frozenset(X[:, 0].tolist())
        Recorder.seen.append(self.rows_)
        return self


def test_labels_of_a_fold_come_from_teachers_that_have_not_seen_what_it_holds_out():
    Recorder.seen.clear()
    select_student(Recorder(), X, Y, candidates=FEW[:1], cv=4, random_state=0)
    # Of four folds every two are left out together once, each on its own once, and there is the
    # one of all rows.
    assert sorted(len(rows) for rows in Recorder.seen) == [450] * 6 + [675] * 4 + [900]


@pytest.mark.parametrize("max_bytes", [4_000, 8_000, 32_000])
def test_budgets_are_kept_on_the_artefact(max_bytes):
    found = select_student(
        TEACHER, X[:400], Y[:400], max_bytes=max_bytes, readable=max_bytes == 4_000, cv=3
    )
    made = artefact_of(found.best_estimator_, X)
    assert made.kind == "onnx"
    assert made.n_bytes <= max_bytes
    table = found.results_
    assert (table.loc[table["within_budget"], "n_bytes"] <= max_bytes).all()
    if max_bytes == 4_000:
        assert table["readable"].all()


class Sleeper(DecisionTreeClassifier):
    """A tree that is slow on any machine."""

    def predict_proba(self, X, check_input=True):
        time.sleep(0.1)
        return super().predict_proba(X, check_input)


def test_a_budget_of_time():
    slow = ("sleeper", Sleeper())
    found = select_student(
        None, X, Y, candidates=[*FEW, slow], max_latency=0.05, artefact="pickle", cv=2
    )
    table = found.results_.set_index("name")
    assert not table.loc["sleeper", "within_budget"]
    assert found.latency_ < 0.05 < table.loc["sleeper", "latency"]


def test_a_budget_that_nothing_meets_names_the_nearest():
    with pytest.raises(ValueError, match=r"within 100 bytes\. The nearest is stump: [\d,]+ bytes"):
        select_student(TEACHER, X, Y, candidates=FEW, max_bytes=100)
    with pytest.raises(ValueError, match="Install the onnx extra"):
        select_student(TEACHER, X, Y, candidates=FEW, max_bytes=100, artefact="pickle")
    with pytest.raises(ValueError, match="1 µs a row"):
        select_student(TEACHER, X, Y, candidates=FEW, max_latency=1e-6, artefact="pickle")


def test_halving_drops_candidates_early_and_ends_with_all_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    y = (X[:, 0] + X[:, 1] > rng.normal(size=3000)).astype(int)
    trees = [(f"{k} leaves", DecisionTreeClassifier(max_leaf_nodes=k)) for k in range(2, 11)]
    found = select_student(None, X, y, candidates=trees, cv=2, random_state=0)
    used = found.results_["n_rows"]
    assert sorted(set(used)) == [1000, 3000]
    assert (used == 3000).sum() == 3


def test_what_a_fold_hears_is_of_its_own_rows():
    y = Y[:60]
    labels = np.log(np.column_stack([np.full(60, 0.5), np.full(60, 0.5)]))

    class Known:
        X_unlabeled = X[:30]

        class said:
            log_proba = np.concatenate([labels[:40] + np.arange(40)[:, None], labels[:30]])

    train = np.random.default_rng(0).permutation(60)[:40]
    option = Option(Candidate("tree", "tree", DecisionTreeClassifier(), True), AUGMENTED)
    # Ten rows of the user's, of which every one counts, and twenty that were made.
    told = {AUGMENTED: type("T", (), {"known": [Known, None], "n_given": 10})()}
    entry = Entry(option, told, np.array([0, 1]), [(train, None)])
    some = train[[3, 30]]
    said, extra = entry._hear(some)
    assert said.log_proba[:2, 0] - labels[0, 0] == pytest.approx([3, 30])
    assert len(extra) == 1 + 1
    everything, extra = entry._hear(train)
    assert len(extra) == 10 + 6
    assert len(everything.log_proba) == 40 + 16
    assert len(y) == 60


def test_frames_with_categories_missing_values_and_rows_without_labels():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": rng.normal(size=500), "age": rng.normal(size=500)})
    frame["country"] = pd.Categorical(rng.choice(["FR", "DE", "US"], 500))
    frame.loc[::25, "age"] = np.nan
    y = np.where((frame["country"] == "US") ^ (frame["amount"] > 0), "yes", "no")
    from sklearn_distill.candidates import prepared

    teacher = prepared(RandomForestClassifier(15, random_state=0), frame, by_splits=True)
    found = select_student(
        *(teacher, frame[:300], y[:300]),
        X_unlabeled=frame[300:].reset_index(drop=True),
        readable=True,
        cv=3,
        random_state=0,
    )
    assert found.best_estimator_.predict(frame[:3]).shape == (3,)
    assert found.artefact_ == "onnx"
    names = {c.name for c in candidates_for(frame)}
    assert {"tree, 64 leaves", "booster, 8 × 8 leaves", "network, 16 units"} <= names


def test_polars_and_sparse_rows():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({f"c{j}": X[:300, j] for j in range(4)})
    found = select_student(None, frame, Y[:300], readable=True, cv=3)
    assert found.best_estimator_.predict(frame[:5]).shape == (5,)
    negative = sparse.csr_matrix(X[:300])
    assert not any("Bayes" in candidate.name for candidate in candidates_for(negative))
    assert any("Bayes" in candidate.name for candidate in candidates_for(abs(negative)))
    assert select_student(None, negative, Y[:300], cv=3).best_name_.startswith("logistic")


def test_three_classes_texts_and_other_scores():
    X3, y3 = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y3]
    found = select_student(
        GaussianTeacher, X3, names, readable=True, scoring="neg_log_loss", cv=3, random_state=0
    )
    assert found.scoring_ == "neg_log_loss"
    assert found.best_estimator_.classes_.tolist() == ["a", "b", "c"]
    words = np.array(["play", "stop", "light", "door"])
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, 3)) for _ in range(120)]
    labels = np.array(["play" in text for text in texts]).astype(int)
    found = select_student(None, texts, labels, cv=2)
    assert found.best_estimator_.predict(["play play stop"]).shape == (1,)


GaussianTeacher = RandomForestClassifier(20, random_state=0)


def test_same_seed_same_choice_in_one_process_and_in_two(found):
    again = select_student(TEACHER, X, Y, candidates=FEW, cv=3, random_state=0, n_jobs=2)
    assert again.best_name_ == found.best_name_
    both = (f.best_estimator_.predict_proba(X) for f in (found, again))
    assert (next(both) == next(both)).all()
    pd.testing.assert_frame_equal(
        *(f.results_.drop(columns=["latency", "n_bytes"]) for f in (found, again))
    )


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_the_global_generator_is_left_alone(random_state):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    teacher = LogisticRegression()
    select_student(teacher, X[:300], Y[:300], readable=True, cv=3, random_state=random_state)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_plot(found):
    pytest.importorskip("matplotlib").use("Agg")
    display = found.plot()
    assert display.score_name == "ROC AUC"
    assert display.chosen.sum() == 1


def test_footprints_are_of_what_is_shipped():
    tree = DecisionTreeClassifier(max_leaf_nodes=8).fit(X, Y)
    slow = RandomForestClassifier(50).fit(X, Y)
    made = {"tree": artefact_of(tree, X), "forest": as_it_is(slow)}
    np.testing.assert_allclose(made["tree"].answer(X), tree.predict_proba(X), atol=1e-6)
    found = measure(made, X, seconds=0.2)
    assert found["tree"].artefact == "onnx"
    assert found["forest"].latency.p50 > 5 * found["tree"].latency.p50
    assert found["forest"].n_bytes > found["tree"].n_bytes
    pickled = artefact_of(tree, X, "pickle")
    assert pickled.kind == "pickle"
    assert (pickled.answer(X) == tree.predict_proba(X)).all()
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    of_frame = artefact_of(DecisionTreeClassifier(max_leaf_nodes=8).fit(frame, Y), frame)
    assert of_frame.answer(of_frame.prepare(frame)).shape == (900, 2)
    with pytest.raises(ValueError, match="artefact must be one of"):
        artefact_of(tree, X, "jar")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_bytes": True}, "max_bytes"),
        ({"max_latency": "fast"}, "max_latency"),
        ({"candidates": "all"}, "candidates must be 'auto'"),
        ({"candidates": []}, "candidates must be 'auto' or a list"),
        ({"candidates": [Ridge()]}, "must be classifiers"),
        ({"candidates": [DecisionTreeClassifier(), DecisionTreeClassifier()]}, "different names"),
        ({"candidates": FEW, "readable": True}, "readable=True chooses"),
        ({"artefact": "jar"}, "artefact must be one of"),
        ({"teacher": None, "X_unlabeled": X}, "X_unlabeled needs a teacher"),
        ({"y": np.zeros(900)}, "two classes"),
        ({"cv": 2}, "there are two in all"),
        ({"teacher_output": np.full((900, 2), 0.5)}, "both a teacher and teacher_output"),
    ],
)
def test_bad_input(settings, message):
    given = {"teacher": TEACHER, "X": X, "y": Y, "candidates": FEW} | settings
    with pytest.raises(ValueError, match=message):
        select_student(**given)
