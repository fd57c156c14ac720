"""Cascades: the promise by simulation, who answers what, audits, and what is refused."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.datasets import make_classification
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.cascade import Audit, CascadeClassifier, RangeDetector, rows_for_promise
from sklearn_distill.cascade import _promise as promise

X, Y = make_classification(
    6000, 10, n_informative=6, n_classes=3, class_sep=1.5, flip_y=0.02, random_state=0
)
NAMES = np.array(["buy", "hold", "sell"])[Y]
TEACHER = RandomForestClassifier(60, random_state=0).fit(X[:1500], NAMES[:1500])
STUDENT = DistillationClassifier(
    TEACHER, DecisionTreeClassifier(max_leaf_nodes=32, random_state=0), alpha=1.0, temperature=1.0
).fit(X[:1500], NAMES[:1500])
CALIBRATION, NEW = X[1500:4500], X[4500:]


def make(**settings):
    settings = {"target": 0.95, **settings}
    return CascadeClassifier(STUDENT, TEACHER, **settings)


def pairs(rng, n, kind):
    """Draw confidences and losses of which the risk at every threshold is known."""
    sure = rng.random(n) if kind != "steps" else rng.choice([0.3, 0.6, 0.9, 0.99], n)
    risk = {
        "smooth": 0.3 * (1 - sure) ** 2,
        "steps": 0.2 * (1 - sure),
        "flat": np.full(n, 0.05),
        "upside down": 0.08 * sure,
    }[kind]
    return sure, rng.random(n) < risk


def true_risk(threshold, kind, over):
    sure, _ = pairs(np.random.default_rng(99), 400_000, kind)
    risk = {
        "smooth": 0.3 * (1 - sure) ** 2,
        "steps": 0.2 * (1 - sure),
        "flat": np.full(len(sure), 0.05),
        "upside down": 0.08 * sure,
    }[kind]
    answered = sure >= threshold
    if not answered.any():
        return 0.0
    return (risk * answered).mean() if over == "all" else risk[answered].mean()


@pytest.mark.parametrize("over", ["all", "answered"])
@pytest.mark.parametrize("kind", ["smooth", "steps", "flat", "upside down"])
def test_a_promise_is_broken_as_rarely_as_was_promised(kind, over):
    n_broken, n_made, n_trials, confidence = 0, 0, 400, 0.9
    risks = {}
    for trial in range(n_trials):
        sure, losses = pairs(np.random.default_rng(trial), 1000, kind)
        choice = promise.choose_threshold(
            sure, losses, target=0.97, confidence=confidence, over=over
        )
        if choice is None:
            continue
        n_made += np.isfinite(choice.threshold)
        if choice.threshold not in risks:
            risks[choice.threshold] = true_risk(choice.threshold, kind, over)
        n_broken += risks[choice.threshold] > 0.03
    # No more often than 1 - confidence, but for what chance does to 400 trials.
    assert n_broken <= binom.ppf(0.999, n_trials, 1 - confidence)
    if kind == "smooth":
        assert n_made > 0.8 * n_trials
        assert n_broken > 0  # it is not kept by never promising anything


def test_the_strictest_threshold_comes_first_and_grows_with_the_rows():
    generous = []
    for n in (320, 1000, 10_000):
        thresholds = []
        for seed in range(20):
            sure, losses = pairs(np.random.default_rng(seed), n, "smooth")
            for over in ("answered", "all"):
                choice = promise.choose_threshold(
                    sure, losses, target=0.99, confidence=0.95, over=over
                )
                if choice is not None:
                    assert choice.bound <= 0.01 + 1e-12
                    assert choice.n_losses == np.sum((sure >= choice.threshold) & losses)
            thresholds.append(choice.threshold)
        generous.append(np.median(thresholds))
    assert generous[0] > generous[1] > generous[2] > 1 - 0.1 ** (1 / 3)


def test_bounds_are_those_of_scipy():
    for k, n in [(0, 10), (3, 50), (10, 10), (1, 2995)]:
        exact = binomtest(k, n).proportion_ci(0.95, method="exact")
        assert promise.interval(k, n, 0.95) == pytest.approx((exact.low, exact.high))
        one_sided = binomtest(k, n, alternative="less").proportion_ci(0.95, method="exact")
        assert promise.upper_bound(k, n, 0.95) == pytest.approx(one_sided.high)


@pytest.mark.parametrize("kind", ["smooth", "steps", "flat", "upside down"])
def test_thresholds_are_those_of_mapie(kind):
    methods = pytest.importorskip("mapie.risk_control.methods")
    control = pytest.importorskip("mapie.risk_control.fwer_control").control_fwer
    for seed in range(5):
        sure, losses = pairs(np.random.default_rng(seed), 800, kind)
        counts = np.array([promise.count(sure, losses, t)[1] for t in promise.THRESHOLDS])
        p = methods.compute_hoeffding_bentkus_p_value(counts / 800, 800, np.array([0.05]), True)
        valid = control(p[:, 0], 0.1, "fixed_sequence")
        ours = promise.choose_threshold(sure, losses, target=0.95, confidence=0.9, over="all")
        assert ours.threshold == promise.THRESHOLDS[valid[-1]]


@pytest.mark.parametrize(("target", "confidence"), [(0.99, 0.95), (0.5, 0.5), (0.999, 0.9)])
@pytest.mark.parametrize("n_losses", [0, 1, 7])
def test_rows_for_promise_are_the_least(target, confidence, n_losses):
    n = rows_for_promise(target, confidence, n_losses)
    assert promise.upper_bound(n_losses, n, confidence) <= 1 - target + 1e-12
    assert promise.upper_bound(n_losses, n - 1, confidence) > 1 - target


@pytest.mark.parametrize("over", ["all", "answered"])
@pytest.mark.parametrize("risk", ["disagreement", "error"])
def test_who_answers_what(over, risk):
    target = 0.95 if risk == "disagreement" else 0.88
    cascade = make(over=over, risk=risk, target=target).fit(CALIBRATION, NAMES[1500:4500])
    deferred, reason = cascade.defer(NEW, return_reason=True)
    assert 0 < deferred.mean() < 1
    assert set(reason) <= {"", "unsure", "novel"}
    expected = np.where(deferred, TEACHER.predict(NEW), STUDENT.predict(NEW))
    labels, same = cascade.predict(NEW, return_deferred=True)
    assert (labels == expected).all()
    assert (same == deferred).all()
    proba = np.where(deferred[:, None], TEACHER.predict_proba(NEW), STUDENT.predict_proba(NEW))
    np.testing.assert_allclose(cascade.predict_proba(NEW), proba)
    assert cascade.risk_ <= cascade.risk_bound_ <= 1 - target
    low, high = cascade.deferral_interval_
    assert low < cascade.deferral_rate_ < high
    lost = ~deferred & (
        labels != (TEACHER.predict(NEW) if risk == "disagreement" else NAMES[4500:])
    )
    share = lost.mean() if over == "all" else lost.sum() / (~deferred).sum()
    assert share < 1 - target + 0.02


def test_it_says_what_it_promises():
    text = make().fit(CALIBRATION).promise_
    assert text.startswith("At most 5 % of all requests get another answer than the teacher's")
    assert "3,000 calibration rows" in text
    wrong = make(risk="error", target=0.85, over="answered").fit(CALIBRATION, NAMES[1500:4500])
    assert "of the requests that are answered here are wrong" in wrong.promise_


def test_precomputed_answers_and_no_teacher():
    said = TEACHER.predict_proba(CALIBRATION)
    alone = CascadeClassifier(STUDENT, target=0.95).fit(CALIBRATION, teacher_output=said)
    asked = make().fit(CALIBRATION)
    assert alone.threshold_ == asked.threshold_
    labels, deferred = alone.predict(NEW, return_deferred=True)
    assert (labels == STUDENT.predict(NEW)).all()
    assert (deferred == asked.defer(NEW)).all()
    local = asked.standalone()
    assert len(pickle.dumps(local)) < len(pickle.dumps(asked)) / 10
    assert (local.predict(NEW) == labels).all()
    assert (local.defer(NEW) == deferred).all()
    assert asked.teacher_ is TEACHER  # nothing happened to the original


def test_novel_rows_are_deferred():
    cascade = make().fit(CALIBRATION)
    strange = NEW[:4].copy()
    strange[0, 3], strange[1, 0] = 1e6, np.nan
    _, reason = cascade.defer(strange[:1], return_reason=True)
    assert reason.tolist() == ["novel"]
    assert make(novelty=None).fit(CALIBRATION).novelty_ is None
    forest = IsolationForest(random_state=0)
    cascade = make(novelty=forest).fit(CALIBRATION)
    assert not hasattr(forest, "estimators_")
    reason = cascade.defer(NEW, return_reason=True)[1]
    assert ((reason == "novel") == (cascade.novelty_.predict(NEW) < 0)).all()


def test_the_range_of_frames_with_categories_and_missing_values():
    frame = pd.DataFrame(
        {
            "amount": [1.0, 2.0, 11.0],
            "age": [30.0, np.nan, 50.0],
            "country": pd.Categorical(["FR", "DE", None]),
            "new": [True, False, True],
        }
    )
    detector = RangeDetector().fit(frame)
    assert (detector.predict(frame) == 1).all()
    new = pd.DataFrame(
        {
            "amount": [11.9, 13.0, np.nan, 5.0, 5.0],
            "age": [np.nan, 30.0, 30.0, 30.0, 30.0],
            "country": ["FR", "FR", "FR", "US", None],
            "new": [True] * 5,
        }
    )
    assert detector.predict(new).tolist() == [1, -1, -1, -1, 1]
    with pytest.raises(ValueError, match="4 features as input"):
        detector.predict(frame[["amount"]])
    with pytest.raises(TypeError, match="columns of a table"):
        detector.fit(["a", "b"])


def test_rare_classes_are_always_deferred():
    # The student takes hardly any row for one class in these rows.
    few = STUDENT.predict(CALIBRATION) == "sell"
    kept = np.flatnonzero(~few)
    rows = CALIBRATION[np.r_[kept, np.flatnonzero(few)[:5]]]
    cascade = make(target=0.9, novelty=None).fit(rows)
    assert cascade.rare_classes_.tolist() == ["sell"]
    _, reason = cascade.defer(NEW, return_reason=True)
    assert (reason[STUDENT.predict(NEW) == "sell"] == "rare class").sum() > 0
    assert (reason[STUDENT.predict(NEW) == "sell"] != "").all()
    assert make(target=0.9, min_class_rows=0).fit(rows).rare_classes_.size == 0


class Counting(ClassifierMixin, BaseEstimator):
    """A student that counts the rows it is asked about."""

    def __init__(self, inner):
        self.inner, self.classes_, self.n_asked_ = inner, inner.classes_, 0

    def fit(self, X, y):
        raise AssertionError("nobody asked for that")

    def predict_proba(self, X):
        self.n_asked_ += len(X)
        return self.inner.predict_proba(X)


def test_a_gate_decides_before_either_model_runs():
    student = Counting(STUDENT)
    gate = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=50, random_state=0)
    cascade = CascadeClassifier(student, TEACHER, target=0.9, gate=gate, random_state=0)
    cascade.fit(CALIBRATION)
    assert cascade.n_calibration_ == 1500
    assert not hasattr(gate, "tree_")
    student.n_asked_ = 0
    deferred = cascade.defer(NEW)
    assert deferred.sum() > 0
    _, reason = cascade.defer(NEW, return_reason=True)
    assert student.n_asked_ == 2 * np.sum(~np.isin(reason, ["unsure", "novel"]))
    assert cascade.expected_cost(1.0, 10.0) == pytest.approx(1 + 9 * cascade.deferral_rate_)
    assert (cascade.standalone().predict(NEW) == STUDENT.predict(NEW)).all()


def test_costs():
    cascade = make().fit(CALIBRATION)
    assert cascade.expected_cost(1, 100) == pytest.approx(1 + 100 * cascade.deferral_rate_)
    seconds = cascade.expected_latency(NEW)
    assert 0 < seconds["student"] < seconds["cascade"] < seconds["teacher"]


def test_an_audit_holds_as_long_as_the_promise_does():
    cascade = make().fit(CALIBRATION)
    answers = TEACHER.predict(NEW)
    audit = cascade.audit(NEW, answers)
    assert audit.holds
    assert audit.n_rows == len(NEW)
    # The audit of two halves, one after the other, is that of the whole.
    first = cascade.audit(NEW[:500], answers[:500])
    assert cascade.audit(NEW[500:], answers[500:], after=first) == audit
    # The teacher changes its mind: the promise does not hold any more.
    turned = np.roll(TEACHER.classes_, 1)[np.searchsorted(TEACHER.classes_, answers)]
    broken = cascade.audit(NEW, turned, after=audit)
    assert not broken.holds
    assert len(NEW) < broken.broken_at < 2 * len(NEW)
    assert "does not hold any more" in str(broken)
    assert not cascade.audit(NEW, answers, after=broken).holds  # once broken, it stays so
    answered = make(over="answered", target=0.9).fit(CALIBRATION)
    assert answered.audit(NEW, answers).n_rows == np.sum(~answered.defer(NEW))


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.5])
def test_an_audit_seldom_errs_at_any_time(limit):
    n_alarms, n_trials = 0, 400
    for trial in range(n_trials):
        losses = np.random.default_rng(trial).random(3000) < limit
        n_alarms += not promise.audit(losses, limit=limit, confidence=0.9).holds
    assert n_alarms <= binom.ppf(0.999, n_trials, 0.1)
    worse = np.random.default_rng(0).random(3000) < min(2 * limit, 0.8)
    assert not promise.audit(worse, limit=limit, confidence=0.9).holds
    nothing = promise.audit(np.zeros(0, bool), limit=limit, confidence=0.9)
    assert nothing == Audit(0, 0, limit, 0.9, None, pytest.approx(1.0))
    assert str(nothing) == "Nothing was audited yet."


def test_deferred_rows_are_learned_next():
    cascade = make().fit(CALIBRATION)
    hard = NEW[cascade.defer(NEW)]
    student = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
    again = DistillationClassifier(TEACHER, student, alpha=1.0, temperature=1.0)
    again.fit(X[:1500], NAMES[:1500], X_unlabeled=hard)
    better = make(novelty=None).set_params(student=again).fit(CALIBRATION)
    before = make(novelty=None).fit(CALIBRATION)
    assert better.deferral_rate_ < before.deferral_rate_


# -- scikit-learn's contract --------------------------------------------------------


def test_contract():
    cascade = make()
    assert is_classifier(cascade)
    twin = clone(cascade)
    assert twin.student is STUDENT
    assert twin.teacher is TEACHER
    with pytest.raises(NotFittedError):
        cascade.predict(NEW)
    fitted = cascade.fit(CALIBRATION)
    assert fitted is cascade
    assert cascade.n_features_in_ == 10
    again = pickle.loads(pickle.dumps(cascade))
    assert (again.predict(NEW) == cascade.predict(NEW)).all()
    assert cascade.score(NEW, NAMES[4500:]) > 0.8
    assert "target=0.95" in repr(cascade)


def test_in_a_search_and_behind_a_transformer():
    grid = {"target": [0.9, 0.95]}
    search = GridSearchCV(make(), grid, cv=2, n_jobs=2).fit(CALIBRATION, NAMES[1500:4500])
    assert search.best_estimator_.student is not None
    same = FunctionTransformer()
    pipeline = make_pipeline(same, make()).fit(CALIBRATION, NAMES[1500:4500])
    assert (pipeline.predict(NEW) == make().fit(CALIBRATION).predict(NEW)).all()
    frozen = make().set_params(student=FrozenEstimator(STUDENT)).fit(CALIBRATION)
    assert (frozen.predict(NEW) == make().fit(CALIBRATION).predict(NEW)).all()


def test_frames_and_texts():
    frame = pd.DataFrame(CALIBRATION, columns=[f"c{i}" for i in range(10)])
    teacher = RandomForestClassifier(20, random_state=0).fit(frame[:1000], NAMES[1500:2500])
    student = DecisionTreeClassifier(max_leaf_nodes=16).fit(
        frame[:1000], teacher.predict(frame[:1000])
    )
    cascade = CascadeClassifier(student, teacher, target=0.8).fit(frame[1000:])
    assert cascade.feature_names_in_.tolist() == list(frame.columns)
    words = np.array(["play", "stop", "light", "door", "music", "please"])
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, 4)) for _ in range(1200)]
    labels = np.array([text.count("play") > 0 for text in texts])
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts[:400], labels[:400])
    cascade = CascadeClassifier(model, risk="error", target=0.95).fit(texts[400:], labels[400:])
    assert cascade.novelty_ is None
    assert len(cascade.predict(texts[:3])) == 3
    with pytest.raises(TypeError, match="columns of a table"):
        CascadeClassifier(model, risk="error", novelty="range").fit(texts[400:], labels[400:])


# -- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make(target=0.99).fit(X[:100]), ValueError, "costs 299 calibration rows"),
        (lambda: make(target=0.99).fit(X[:100]), ValueError, r"promise less: target=0\.970"),
        (lambda: make(gate=DecisionTreeClassifier()).fit(X[:100]), ValueError, "the other half"),
        (lambda: make(target=1.0).fit(X), ValueError, "target"),
        (lambda: make(over="some").fit(X), ValueError, "over"),
        (lambda: make(risk="error").fit(CALIBRATION), ValueError, "pass y"),
        (
            lambda: make().set_params(student=DecisionTreeClassifier).fit(CALIBRATION),
            TypeError,
            "student=DecisionTreeClassifier is a class",
        ),
        (
            lambda: CascadeClassifier(STUDENT).fit(CALIBRATION),
            ValueError,
            "there is no teacher. Pass one",
        ),
        (
            lambda: make().set_params(student=DecisionTreeClassifier()).fit(CALIBRATION),
            NotFittedError,
            "DecisionTreeClassifier",
        ),
        (
            lambda: make().set_params(teacher=RandomForestClassifier()).fit(CALIBRATION),
            NotFittedError,
            "teacher RandomForestClassifier is not fitted",
        ),
        (
            lambda: (
                make()
                .set_params(teacher=LogisticRegression(max_iter=500).fit(X, Y))
                .fit(CALIBRATION)
            ),
            ValueError,
            "must know the same classes",
        ),
        (
            lambda: make(risk="error").fit(CALIBRATION, np.full(3000, "keep")),
            ValueError,
            "does not know",
        ),
        (
            lambda: make(risk="error").fit(CALIBRATION, np.full(3000, "buy")),
            ValueError,
            "All calibration rows are of the class",
        ),
        (lambda: make(risk="error").fit(CALIBRATION, NAMES[:7]), ValueError, "inconsistent"),
        (
            lambda: make(over="answered", target=0.998).fit(CALIBRATION),
            ValueError,
            "No threshold keeps the promise",
        ),
        (
            lambda: make(target=0.99, max_deferral=0.05).fit(CALIBRATION),
            ValueError,
            r"max_deferral is 5\.0%\. With that many a target of about 0\.[89]",
        ),
        (
            lambda: make().fit(CALIBRATION).audit(NEW, NAMES[:3]),
            ValueError,
            "inconsistent",
        ),
        (
            lambda: make().fit(CALIBRATION).audit(NEW, NAMES[4500:], after=Audit(3, 0, 0.3, 0.9)),
            ValueError,
            "earlier audit",
        ),
        (lambda: make().fit(CALIBRATION).standalone().expected_latency(X), ValueError, "not here"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_promise_changes_nothing():
    cascade = make().fit(CALIBRATION)
    threshold = cascade.threshold_
    with pytest.raises(ValueError, match="max_deferral"):
        cascade.set_params(max_deferral=0.0, target=0.99).fit(CALIBRATION)
    assert cascade.threshold_ == threshold


def test_a_student_that_is_never_sure_is_said_to_be():
    class Unsure(ClassifierMixin, BaseEstimator):
        classes_ = TEACHER.classes_

        def predict(self, X):
            return self.classes_[np.zeros(len(X), dtype=int)]

        def predict_proba(self, X):
            return np.full((len(X), 3), 1 / 3)

    with pytest.warns(UserWarning, match="defers every row: the student Unsure is never sure"):
        cascade = make().set_params(student=Unsure()).fit(CALIBRATION)
    assert cascade.deferral_rate_ == 1
    assert (cascade.predict(NEW) == TEACHER.predict(NEW)).all()

    class Broken(Unsure):
        def predict_proba(self, X):
            return np.full((len(X), 3), np.nan)

    with pytest.raises(ValueError, match="Broken must return finite probabilities"):
        make().set_params(student=Broken()).fit(CALIBRATION)


def test_nobody_is_changed():
    before = pickle.dumps(TEACHER), pickle.dumps(STUDENT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        make(gate=DecisionTreeClassifier(max_leaf_nodes=4, random_state=0), target=0.9).fit(
            CALIBRATION
        ).predict(NEW)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert (pickle.dumps(TEACHER), pickle.dumps(STUDENT)) == before
