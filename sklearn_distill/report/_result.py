"""DistillationReport: the figures, and how they are shown."""

from dataclasses import asdict, dataclass, field, is_dataclass
from functools import partial

import numpy as np

from sklearn_distill.report._format import (
    Section,
    amount,
    as_html,
    as_markdown,
    as_text,
    number,
    seconds,
    significant,
    spread,
)
from sklearn_distill.report._verdict import Verdict

#: The share of rows in a queue of suspects.
TOP = 0.01

#: Figures of a model beside its score, as they are called and written.
FIGURES = {
    "log_loss": ("log loss", partial(number, digits=4)),
    "brier": ("Brier", partial(number, digits=4)),
    "ece": ("ECE", partial(number, digits=4)),
    "accuracy": ("accuracy", number),
    "r2": ("R²", number),
    "mae": ("MAE", significant),
    "rmse": ("RMSE", significant),
    "bias": ("bias", significant),
}

#: Parts of the rows, or of the target, that are looked at one by one.
PARTS = {
    "per_class": "Per class",
    "per_range": "Per range of the real values",
    "per_output": "Per output",
}


@dataclass(frozen=True)
class DistillationReport:
    """What :func:`distillation_report` has found.

    It can be printed, is drawn as tables in a notebook, and gives its figures as a dict
    (``to_dict``), a data frame (``to_frame``) or Markdown (``to_markdown``).

    Parameters
    ----------
    verdict : Verdict
        What it comes to.
    scoring : str
        The score by which models are compared.
    n_rows : int
        Test rows.
    models : dict of str to dict
        Of "teacher", "distilled" and the rivals: what it is, its ``score`` and ``gain`` (by how
        much the distilled student is better; both an Interval), ``log_loss``, ``brier``, ``ece``,
        ``accuracy`` (of values ``r2``, ``mae``, ``rmse``, ``bias``), and ``footprint``, if it was
        measured.
    fidelity : dict of str to float
        How close the student is to the teacher: ``agreement``, ``kl``, ``js``,
        ``rank_correlation``, and ``top_overlap`` of two classes; of values ``value_distance`` and
        ``rank_correlation``.
    retention, recovered_gap : float
        Of :mod:`sklearn_distill.metrics`; NaN where they are not defined.
    per_class, per_range, per_output, per_group, slices : tuple of dict
        Scores of teacher, student and its twin on parts of the rows: classes, fifths of the real
        values, or several outputs; groups; and where student and teacher differ.
    stability : Stability or None
        Of students from other samples.
    break_even : float
        Predictions after which labelling and training have paid for themselves.
    energy_ratio : float
        How many times the energy of the student the teacher needs.
    missing : tuple of str
        What could not be said, and why.
    said_ : dict
        What all models say, for pictures.
    """

    verdict: Verdict
    scoring: str
    n_rows: int
    models: dict
    fidelity: dict
    retention: float
    recovered_gap: float
    per_class: tuple = ()
    per_range: tuple = ()
    per_output: tuple = ()
    per_group: tuple = ()
    slices: tuple = ()
    stability: object = None
    break_even: float = np.nan
    energy_ratio: float = np.nan
    missing: tuple = ()
    said_: object = field(default=None, repr=False, compare=False)

    def __str__(self):
        """Return it as text."""
        return as_text(self._sections())

    def _repr_html_(self):
        return as_html(self._sections())

    def to_markdown(self):
        """Return it as Markdown.

        Returns
        -------
        str
        """
        return as_markdown(self._sections())

    def to_dict(self):
        """Return its figures as dicts, lists, numbers and texts.

        Returns
        -------
        dict
        """
        return {
            "verdict": asdict(self.verdict),
            **{name: getattr(self, name) for name in ("scoring", "n_rows", "fidelity")},
            "models": {name: _plain(model) for name, model in self.models.items()},
            "retention": self.retention,
            "recovered_gap": self.recovered_gap,
            **{name: [dict(row) for row in getattr(self, name)] for name in PARTS},
            "per_group": [_plain(row) for row in self.per_group],
            "slices": [dict(row) for row in self.slices],
            "stability": None if self.stability is None else self.stability._asdict(),
            "break_even": self.break_even,
            "energy_ratio": self.energy_ratio,
            "missing": list(self.missing),
        }

    def to_frame(self):
        """Return the models as a pandas data frame, one per row.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        rows = {name: _flat(_plain(model)) for name, model in self.models.items()}
        return pd.DataFrame.from_dict(rows, orient="index")

    def plot(self):
        """Draw fidelity, calibration, the trade-off and where the two differ.

        Returns
        -------
        matplotlib Figure
        """
        from sklearn_distill.report._pictures import draw

        return draw(self)

    def _sections(self):
        yield Section("Verdict", text="\n".join([self.verdict.headline, *self.verdict.remarks]))
        yield self._models()
        yield self._price()
        yield self._fidelity()
        for name, title in PARTS.items():
            if getattr(self, name):
                yield _parts(title, getattr(self, name))
        if self.per_group:
            yield _groups(self.per_group, self.scoring)
        if self.slices:
            yield _where_they_differ(self.slices)
        if self.stability is not None:
            yield self._stability()
        if self.missing:
            yield Section("What is missing", text="\n".join(self.missing))

    def _models(self):
        header = ("model", self.scoring, "95 %", "distilled is better by", "95 %")
        figures = [name for name in FIGURES if name in self.models["distilled"]]
        figures = [name for name in figures if FIGURES[name][0] != self.scoring]
        header += tuple(FIGURES[name][0] for name in figures)
        digits = _digits([m["score"].value for m in self.models.values()])
        rows = [
            (
                f"{name}: {m['what']}" if m["what"] else name,
                number(m["score"].value, digits),
                spread(m["score"], digits),
                "" if m["gain"] is None else number(m["gain"].value, digits, signed=True),
                "" if m["gain"] is None else spread(m["gain"], digits, signed=True),
                *(FIGURES[k][1](m[k]) for k in figures),
            )
            for name, m in self.models.items()
        ]
        text = f"On {self.n_rows:,} test rows; intervals by the paired bootstrap over these rows."
        return Section("Scores", header, tuple(rows), text)

    def _price(self):
        measured = {n: m["footprint"] for n, m in self.models.items() if m["footprint"]}
        header = ("model", "as", "one row, p50", "p95", "p99", "first", "rows/s")
        header += ("bytes", "peak memory")
        rows = [
            (
                *(name, f.artefact),
                *(seconds(getattr(f.latency, k)) for k in ("p50", "p95", "p99", "first")),
                *(amount(f.throughput), amount(f.n_bytes), amount(f.peak_memory)),
            )
            for name, f in measured.items()
        ]
        said = ["One thread; peak memory is what Python and NumPy allocate for 1,000 rows."]
        if np.isfinite(self.break_even):
            said.append(
                f"Labelling and training have paid for themselves after "
                f"{amount(self.break_even)} predictions."
            )
        if np.isfinite(self.energy_ratio):
            said.append(
                f"The teacher needs {self.energy_ratio:,.0f} times the energy (codecarbon, whose "
                "readings err by up to 40 %)."
            )
        said += [f"{name}: no ONNX file: {f.note}" for name, f in measured.items() if f.note]
        return Section("Price", header, tuple(rows), "\n".join(said))

    def _fidelity(self):
        called = {
            "agreement": "agreement of the chosen class",
            "js": "Jensen-Shannon divergence (nats)",
            "kl": "KL(teacher ‖ student) (nats)",
            "rank_correlation": "rank correlation",
            "top_overlap": f"overlap of the {TOP:.0%} with the highest probability",
            "value_distance": "distance, in standard deviations of the teacher's values",
        }
        rows = [(called[name], number(value, 4)) for name, value in self.fidelity.items()]
        rows += [("retention", number(self.retention, 4))]
        rows += [("recovered gap to the student without a teacher", number(self.recovered_gap))]
        return Section("Student and teacher", ("", ""), tuple(rows))

    def _stability(self):
        s = self.stability
        agree = f"agree on {s.agreement:.1%} of the test rows (divergence "
        agree += f"{number(s.divergence, 4)} nats)"
        if np.isnan(s.agreement):
            agree = f"are {number(s.divergence)} standard deviations of their values apart"
        return Section(
            "Stability",
            text=f"{s.n_students} students from other samples of the training rows {agree}. "
            f"The teacher's labels took {seconds(s.label_seconds)}, a fit of the student "
            f"{seconds(s.fit_seconds)}.",
        )


def _digits(scores):
    """Return how many decimals tell scores of this size apart: three for most, more for small."""
    largest = np.nanmax(np.abs([*scores, 0.0]))
    return int(np.clip(2 - np.floor(np.log10(largest)), 1, 8)) if 0 < largest < 0.1 else 3


def _parts(title, rows):
    """Return a table of classes, ranges or outputs: what it is, how many rows, and scores."""
    what, count, *scores = rows[0]
    header = (what, "rows", *(name.replace(" ", ", ", 1) for name in scores))
    write = significant if scores[0].startswith("MAE") else number
    cells = [(r[what], f"{r[count]:,}", *(write(r[name]) for name in scores)) for r in rows]
    return Section(title, header, tuple(cells))


def _groups(rows, scoring):
    models = [k for k in ("teacher", "distilled", "hard") if k in rows[0]]
    header = ("group", "rows", *models, "lost to the teacher", "95 %", "")
    cells = [
        (
            *(r["group"], f"{r['n_rows']:,}", *(number(r[m]) for m in models)),
            *(number(r["lost"].value, signed=True), spread(r["lost"], signed=True), r["note"]),
        )
        for r in rows
    ]
    return Section("Per group", header, tuple(cells), f"Scores are {scoring}.")


def _where_they_differ(slices):
    of_values = "mae distilled" in slices[0]
    loss, called = ("mae", "MAE") if of_values else ("log_loss", "log loss")
    models = [k for k in ("teacher", "distilled", "hard") if f"{loss} {k}" in slices[0]]
    means = [k for k in ("real", "teacher", "distilled") if f"mean {k}" in slices[0]]
    header = ("rows where", "share", "difference" if of_values else "divergence", "times the mean")
    header += tuple(f"mean{'' if of_values else ' p'}, {m}" for m in means)
    header += tuple(f"{called}, {m}" for m in models)
    write = significant if of_values else partial(number, digits=4)
    cells = [
        (
            *(r["rule"], f"{r['share']:.1%}", number(r["divergence"], 4)),
            f"{r['times_overall']:.2g}",
            *(write(r[f"mean {m}"]) for m in means),
            *(write(r[f"{loss} {m}"]) for m in models),
        )
        for r in slices
    ]
    text = (
        "The leaves of a tree of depth 3, grown on one half of the test rows and counted on the "
    )
    text += "other."
    if of_values:
        text += " Differences are in standard deviations of the real values."
    return Section("Where student and teacher differ", header, tuple(cells), text)


def _plain(thing):
    """Return named tuples and records as dicts, so that it can be written as JSON."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return _plain({f: getattr(thing, f) for f in thing.__dataclass_fields__})
    if hasattr(thing, "_asdict"):
        return _plain(thing._asdict())
    if isinstance(thing, dict):
        return {key: _plain(value) for key, value in thing.items()}
    return thing


def _flat(nested, before=""):
    flat = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{key}_")
        else:
            flat[f"{before}{key}".removesuffix("_value").removeprefix("footprint_")] = value
    return flat
