"""Odd inputs are right, or refused in words; and the judge of that notices what is broken."""

import re
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for library in ("xgboost", "lightgbm", "catboost", "polars", "pyarrow"):
    pytest.importorskip(library)

from sklearn_distill import DistillationClassifier  # noqa: E402
from sklearn_distill.labelling import Labels  # noqa: E402
from tests.odd_inputs import AXES, Case, cases, judge, offenders, table  # noqa: E402

SAMPLE = cases(300, seed=0)
BLOCKS = [SAMPLE[start : start + 10] for start in range(0, len(SAMPLE), 10)]

#: What is not clear and stays so, by a pattern of its verdict, with the reason.
KNOWN = {}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def verdicts(request):
    """Collect the verdicts of this process, and show their table in the end."""
    judged = []
    yield judged
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{table(judged)}", file=sys.__stderr__)


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_a_sample_is_right_or_refused_in_words(block, verdicts):
    judged = [(case, judge(case)) for case in BLOCKS[block]]
    verdicts += judged
    bad = [(c, v) for c, v in judged if not any(re.search(k, v.why) for k in KNOWN)]
    assert not offenders(bad), offenders(bad)


@pytest.mark.slow
def test_three_thousand_are_right_or_refused_in_words(capsys):
    judged = [(case, judge(case)) for case in cases(3000, seed=1)]
    with capsys.disabled():
        print(f"\n{offenders(judged)}\n\n{table(judged)}")
    worse = offenders(judged, ("silent", "damaged"))
    assert not worse, worse
    unclear = [case for case, verdict in judged if verdict.kind == "unclear"]
    assert len(unclear) <= 0.01 * len(judged), offenders(judged, ("unclear",))


def test_cases_are_different_and_can_be_run_again():
    assert len({case.choices for case in SAMPLE}) == 300
    assert cases(300, seed=0) == SAMPLE
    for case in SAMPLE:
        again = Case.parse(str(case))
        assert (again.choices, again.seed) == (case.choices, case.seed)


def test_every_option_is_reached_in_the_long_run():
    reached = {pair for case in cases(3000, seed=1) for pair in case.choices}
    missed = {(axis, name) for axis in AXES for name in AXES[axis]} - reached
    assert not missed


# -- the judge is judged: models that are broken in one way each -------------------------


class Swapped(DistillationClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


class SwappedThroughout(Swapped):
    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Unnormalised(DistillationClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X) * 1.01


class NoWeights(DistillationClassifier):
    def fit(self, X, y, sample_weight=None, **kwargs):
        return super().fit(X, y, **kwargs)


class NoTeacher(DistillationClassifier):
    def _label(self, reader, X, y, X_unlabeled, teacher_output, classes, *args, **kwargs):
        nothing_new = np.eye(len(classes))[np.searchsorted(classes, y)]
        return Labels(reader, np.log(nothing_new + 1e-9), "given")


class Hotter(DistillationClassifier):
    def predict_proba(self, X):
        p = super().predict_proba(X) ** 0.5
        return p / p.sum(axis=1, keepdims=True)


class SomeTeacherAtZero(DistillationClassifier):
    def predict_proba(self, X):
        p = super().predict_proba(X)
        return 0.999 * p + 0.001 / p.shape[1]


class DislikesLists(DistillationClassifier):
    def fit(self, X, y, *args, **kwargs):
        if isinstance(X, list):
            X = [[0, *row[1:]] for row in X]
        return super().fit(X, y, *args, **kwargs)


class NeverTheSame(DistillationClassifier):
    fits = 0

    def predict_proba(self, X):
        self.fits_ = vars(self).setdefault("fits_", type(self).fits)
        type(self).fits += 1
        p = super().predict_proba(X)
        return (p + 1e-4 * self.fits_) / (1 + 1e-4 * self.fits_ * p.shape[1])


class DependsOnTheChunk(DistillationClassifier):
    def predict_proba(self, X):
        p = super().predict_proba(X)
        return 0.99 * p + 0.01 * p.mean(axis=0)


class SpoilsX(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        super().fit(X, y, **kwargs)
        X[0, 0] += 1
        return self


class LeavesEval(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        self.teacher.eval()
        return super().fit(X, y, **kwargs)


class RefitsTheTeacher(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        self.teacher.fit(X, y)
        return super().fit(X, y, **kwargs)


class DrawsGlobally(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        torch.rand(1)
        return super().fit(X, y, **kwargs)


class ChangesItself(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        self.alpha = float(self.alpha) / 2
        return super().fit(X, y, **kwargs)


class LeavesTraces(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        self.classes_ = np.unique(y)
        return super().fit(X, y, **kwargs)


class Stumbles(DistillationClassifier):
    def fit(self, X, y, **kwargs):
        return super().fit(X, y, **kwargs) if isinstance(X, np.ndarray) else X[10**6]


class Talks(DistillationClassifier):
    def _check_rows(self, *args):
        raise ValueError("word " * 100)


LOGISTIC = "student=logistic, weight=floats, temperature=1"
BROKEN = [
    (Swapped, LOGISTIC, "silent", "predict is not"),
    (SwappedThroughout, LOGISTIC, "silent", "by_hand"),
    (SwappedThroughout, "classes=2", "silent", "learns"),
    (Unnormalised, LOGISTIC, "silent", "sum to one"),
    (NoWeights, LOGISTIC, "silent", "by_hand"),
    (NoWeights, "student=nb, weight=heavy class, alpha=1", "silent", "by_hand"),
    (NoWeights, "weight=too short", "silent", "accepted"),
    (NoTeacher, "student=logistic, alpha=1, temperature=1", "silent", "by_hand"),
    (NoTeacher, "teacher=says NaN, fitted", "silent", "accepted"),
    (Hotter, "student=logistic, temperature=2", "silent", "by_hand"),
    (SomeTeacherAtZero, "alpha=0, student=tree", "silent", "bare_student"),
    (DislikesLists, "X=list, student=ridge", "silent", "plain_form"),
    (NeverTheSame, "relation=refit, student=ridge", "silent", "relation"),
    (DependsOnTheChunk, "student=ridge", "silent", "copies|predict is not"),
    (NoWeights, "relation=repeats, student=ridge, weight=whole", "silent", "relation"),
    (SpoilsX, "student=tree", "damaged", "X"),
    (LeavesEval, "teacher=module, student=ridge", "damaged", "teacher"),
    (RefitsTheTeacher, "student=tree", "damaged", "teacher"),
    (DrawsGlobally, "student=tree", "damaged", "torch's generator"),
    (ChangesItself, "student=tree", "damaged", "parameters"),
    (LeavesTraces, "weight=negative", "damaged", "attributes"),
    (Stumbles, "X=list", "unclear", "IndexError"),
    (Talks, "X=list", "unclear", "word word"),
]


@pytest.mark.parametrize(
    ("model", "case", "kind", "why"), BROKEN, ids=[f"{m.__name__}: {c}" for m, c, *_ in BROKEN]
)
def test_the_judge_notices(model, case, kind, why):
    case = Case.parse(case)
    verdict = judge(case, model)
    assert verdict.kind == kind, verdict
    assert re.search(why, verdict.why), verdict
    healthy = judge(case)
    assert healthy.kind in ("right", "refused"), healthy
