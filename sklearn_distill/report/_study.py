"""A comparison while it is made."""

import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

import sklearn_distill.metrics as metrics
from sklearn_distill.export.readers._model import rows_of_student
from sklearn_distill.footprint import artefact_of, as_it_is, measure
from sklearn_distill.report import _costs, _rivals, _where
from sklearn_distill.report._result import DistillationReport
from sklearn_distill.report._scores import Interval, Score, bootstrap, defined, interval_of
from sklearn_distill.report._targets import OfClasses, OfValues
from sklearn_distill.report._verdict import judge, kept_of
from sklearn_distill.teachers import TeacherReader
from sklearn_distill.utils.dispatch import is_of_kind, name_of
from sklearn_distill.utils.rows import take_some

#: Students that are distilled again from samples of the rows.
STUDENTS_AGAIN = 5

#: Samples for the intervals of a group, and rows on which models are measured.
GROUP_BOOTSTRAP, SAMPLE_ROWS = 200, 1000

#: What rivals may say while they are fitted.
NOT_CONVERGED = "(?s).*failed to converge|.*hasn't converged"

#: What pictures are drawn of.
DRAWN = ("target", "said", "weight")

#: The models that parts of the rows are looked at of.
IN_PARTS = ("teacher", "distilled", "hard")


@dataclass
class Study:
    """The models, what they say, and what is found, step by step.

    The steps are called in the order in which they stand here; the last returns the report.
    """

    model: object
    X_train: object
    y_train: np.ndarray | None
    X_test: object
    target: OfClasses | OfValues
    weight: np.ndarray
    score: Score
    teacher: object
    teacher_output: object
    artefact: str
    n_jobs: int | None
    random_state: int
    # What the steps find, by the name of the model.
    said: dict = field(default_factory=dict)
    what: dict = field(default_factory=dict)
    artefacts: dict = field(default_factory=dict)
    missing: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)

    @property
    def own_teacher(self):
        """The teacher itself; None if only its answers are here."""
        if self.teacher_output is not None:
            return None
        last = _rivals.distilled_in(self.model)
        return getattr(last, "teacher_", None) if self.teacher is None else self.teacher

    # -- the steps ----------------------------------------------------------------------

    def ask(self):
        """Ask teacher and student about the test rows."""
        if self.teacher_output is not None:
            said = self.target.given(self.teacher_output, self.X_test)
            self.what["teacher"] = "given"
            self.missing.append("The price of the teacher: only its answers are here.")
        else:
            said = metrics.answers_of_teacher(
                self.model, self.X_test, self.teacher, n_jobs=self.n_jobs
            )
            self.what["teacher"] = name_of(self.own_teacher)
        self.said["teacher"] = said
        self.said["distilled"] = metrics.answers_of(self.model, self.X_test)
        self.what["distilled"] = _rivals.student_name(self.model)
        self.artefacts["distilled"] = artefact_of(self.model, self.X_test, self.artefact)

    def fit_rivals(self, wanted, tuned_grid):
        """Fit the rivals on what is real."""
        if self.X_train is None:
            self.missing.append(
                "Rivals, stability and break-even: they are fitted on training rows, and there "
                "are none. Pass X_train and y_train."
            )
            return
        rows = self.X_train, self.y_train
        twin = _rivals.hard_twin(self.model)
        seen = partial(_rivals.on_columns_of, self.model, *rows)
        own_rows = rows_of_student(self.model, self.X_train), self.y_train
        makers = {
            "hard": lambda: _rivals.fitted(twin, *rows),
            "tuned": lambda: _rivals.tuned_twin(
                twin, *rows, self.score.scoring, tuned_grid, self.n_jobs
            ),
            "same-budget": lambda: seen(
                *_rivals.rival_of_budget(
                    *(*own_rows, isinstance(self.target, OfValues)),
                    *(self._budget(), self.score.scoring),
                    *(self.n_jobs, self.random_state, self.artefact),
                )
            ),
            "logistic": lambda: seen(*_rivals.logistic(*own_rows)),
            "linear": lambda: seen(*_rivals.ridge(*own_rows)),
        }
        for name in wanted:
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", NOT_CONVERGED)
                    rival, self.what[name] = makers[name]()
            except _rivals.NoSuchRival as error:
                self.missing.append(str(error))
                continue
            self.said[name] = self.target.answers_of(rival, self.X_test)
            self.artefacts[name] = artefact_of(rival, self._sample(), self.artefact)

    def compare(self, n_bootstrap):
        """Score all models, on the test rows and on samples of them."""
        scores = {name: self.score.of(self.target.truth, p) for name, p in self.said.items()}
        self.values = {name: defined(s, self.weight) for name, s in scores.items()}
        if np.isnan(self.values["distilled"]):
            self.missing.append(f"{self.score.label}: it is not defined on these test rows.")
        else:
            for name in [n for n, value in self.values.items() if np.isnan(value)]:
                self._leave_out(name, scores)
        self.drawn = bootstrap(scores, self.weight, n_bootstrap, self.random_state)

    def _leave_out(self, name, scores):
        """Leave out a rival whose predictions have no such score: rates below zero, for one."""
        self.missing.append(f"{name}: its {self.score.label} is not defined.")
        if name != "teacher":
            for found in (scores, self.values, self.said, self.artefacts):
                del found[name]

    def measure(self, energy):
        """Measure all models in turn, and the energy of student and teacher if it is wanted."""
        artefacts, teacher = dict(self.artefacts), self._teacher_to_measure()
        if teacher is not None:
            artefacts = {"teacher": teacher, **artefacts}
        self.footprints = measure(artefacts, self._sample())
        if not energy:
            return
        if teacher is None:
            self.missing.append("Energy: the teacher is not here to be measured.")
            return
        try:
            self.figures["energy_ratio"] = _costs.energy_ratio(
                teacher, artefacts["distilled"], self._sample()
            )
        except ImportError:
            self.missing.append("Energy: codecarbon is not installed (pip install codecarbon).")

    def distil_again(self, n_students):
        """Distil students from other samples of the training rows."""
        if self.X_train is None or n_students == 0:
            return
        why = _costs.why_not_distilled_again(self.model, asked_for=n_students != "auto")
        if why:
            self.missing.append(f"Stability and break-even: {why}.")
            return
        n_students = STUDENTS_AGAIN if n_students == "auto" else n_students
        found = _costs.distil_again(
            *(self.model, self.X_train, self.y_train, self.X_test),
            *(n_students, self.random_state),
        )
        self.figures["stability"] = found
        if "teacher" in self.footprints:
            of = self.footprints
            self.figures["break_even"] = _costs.break_even(found, of["teacher"], of["distilled"])

    def look_at_parts(self, groups, n_bootstrap):
        """Score classes or ranges, groups, and where student and teacher differ."""
        self.figures |= self.target.parts(self._in_parts(), self.weight)
        if groups is not None:
            n = min(n_bootstrap, GROUP_BOOTSTRAP)
            names = sorted(set(groups))
            self.figures["per_group"] = tuple(self._of_group(g, groups == g, n) for g in names)
        try:
            parted = self.target.distances(self.said["teacher"], self.said["distilled"])
            found, overall = _where.slices_of(self.X_test, parted)
        except (TypeError, ValueError) as error:
            self.missing.append(f"Where student and teacher differ: {error}.")
        else:
            self.figures["slices"] = tuple(self._of_slice(part, overall) for part in found)

    def report(self):
        """Return what was found, with a verdict."""
        teacher, student = self.values["teacher"], self.values["distilled"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            kept = metrics.retention(teacher, student)
            gap = metrics.recovered_gap(teacher, student, self.values.get("hard", np.nan))
            fidelity = self.target.fidelity(
                self.said["teacher"], self.said["distilled"], self.weight
            )
        if np.isnan(kept):
            self.missing.append(f"Retention: {self.score.label} has no parts, or is not positive.")
        if np.isnan(gap) and "hard" in self.values:
            self.missing.append(
                f"Recovered gap: the teacher is no better than {self.target.called['hard']}."
            )
        rivals = [name for name in self.said if name not in ("teacher", "distilled")]
        gains = {name: self._gain("distilled", name) for name in rivals}
        verdict = judge(
            self.score.label,
            self.values,
            gains,
            {name: self._gain("teacher", name) for name in rivals},
            self.what,
            kept_of(self.score.label, teacher, student, *self._ratios()),
            self.target,
        )
        return DistillationReport(
            verdict=verdict,
            scoring=self.score.label,
            n_rows=len(self.weight),
            models={name: self._figures_of(name) for name in self.said},
            fidelity=fidelity,
            retention=kept,
            recovered_gap=gap,
            missing=tuple(self.missing),
            said_={name: getattr(self, name) for name in DRAWN},
            **self.figures,
        )

    # -- how ----------------------------------------------------------------------------

    def _sample(self):
        return take_some(self.X_test, SAMPLE_ROWS)

    def _budget(self):
        return measure({"student": self.artefacts["distilled"]}, self._sample())["student"]

    def _teacher_to_measure(self):
        if self.own_teacher is None:
            return None
        if isinstance(self.target, OfValues):
            teacher = self.own_teacher
            if not hasattr(teacher, "predict") or not is_of_kind(teacher, "regressor"):
                return None
        else:
            teacher = TeacherReader.of(self.own_teacher).classifier
            if not hasattr(teacher, "predict_proba"):
                return None
        made = as_it_is(teacher)
        if self.teacher is not None:
            return made
        # The model's own teacher takes what reaches the last step of a Pipeline.
        return made._replace(prepare=lambda X: metrics.reach_distilled(self.model, X)[1])

    def _gain(self, one, other):
        value = self.values[one] - self.values[other]
        return interval_of(value, self.drawn[one] - self.drawn[other])

    def _figures_of(self, name):
        """Return the scores of a model, and what its answers are worth."""
        return {
            "what": self.what.get(name, ""),
            "score": interval_of(self.values[name], self.drawn[name]),
            "gain": None if name == "distilled" else self._gain("distilled", name),
            **self.target.figures(self.said[name], self.weight),
            "footprint": self.footprints.get(name),
        }

    def _ratios(self):
        """Return latency and bytes of the student as parts of the teacher's; None if unknown."""
        teacher, student = self.footprints.get("teacher"), self.footprints["distilled"]
        if teacher is None:
            return None, None
        of_bytes = student.n_bytes / teacher.n_bytes if teacher.n_bytes else None
        return student.latency.p50 / teacher.latency.p50, of_bytes

    def _in_parts(self):
        return {name: self.said[name] for name in IN_PARTS if name in self.said}

    def _of_group(self, group, own, n_bootstrap):
        own = own & (self.weight > 0)
        weight = self.weight[own]
        of = {
            name: self.score.of(self.target.truth[own], said[own])
            for name, said in self._in_parts().items()
        }
        values = {name: defined(score, weight) for name, score in of.items()}
        row = {"group": group, "n_rows": int(own.sum()), **values}
        if np.isnan(values["distilled"]):
            return row | {"lost": Interval(np.nan), "note": "the score is not defined here"}
        pair = {name: of[name] for name in ("teacher", "distilled")}
        drawn = bootstrap(pair, weight, n_bootstrap, self.random_state)
        lost = interval_of(
            values["teacher"] - values["distilled"], drawn["teacher"] - drawn["distilled"]
        )
        return row | {"lost": lost, "note": "clearly worse than the teacher" if lost.above else ""}

    def _of_slice(self, part, overall):
        row = {
            "rule": part.rule,
            "n_rows": len(part.rows),
            "share": 2 * len(part.rows) / len(self.weight),
            "divergence": part.divergence,
            "times_overall": part.divergence / max(overall, np.finfo(float).tiny),
        }
        return row | self.target.of_slice(part.rows, self._in_parts(), self.weight)
