"""Pictures, as scikit-learn's displays: arrays are stored, ``plot`` draws them.

The colours are those of Okabe and Ito, which colour-blind readers tell apart; markers and lines
differ too. Nothing here imports matplotlib before something is drawn.
"""

import numpy as np
from sklearn.utils.validation import check_consistent_length

import sklearn_distill.metrics as metrics
from sklearn_distill.utils.dispatch import is_of_kind
from sklearn_distill.utils.rows import check_weights

__all__ = [
    "FidelityDisplay",
    "LabelBudgetDisplay",
    "ReliabilityDisplay",
    "SlicesDisplay",
    "TradeOffDisplay",
]

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442"),
)
GREY = "#808080"

#: What each model looks like, in every picture: colour, marker, line. What is unknown follows.
LOOKS = {
    "teacher": (GREY, "*", "-"),
    "distilled": (BLUE, "o", "-"),
    "distilled, new rows": (GREEN, "D", "-."),
    "hard": (ORANGE, "s", "--"),
    "hard labels": (ORANGE, "s", "--"),
    "real values": (ORANGE, "s", "--"),
    "tuned": (RED, "^", ":"),
    "same-budget": (PURPLE, "v", "-."),
    "logistic": (SKY, "P", (0, (5, 1))),
    "linear": (SKY, "P", (0, (5, 1))),
}
OTHERS = [
    (GREEN, "D", "-"),
    (PURPLE, "v", "--"),
    (SKY, "P", ":"),
    (RED, "^", "-."),
    (BLUE, "o", "-"),
]

#: Rows above which single points would hide each other.
MANY = 2000

#: Where most probabilities are below this, events are rare, and scales logarithmic.
RARE = 0.05

#: Bins of a reliability curve of rare events: two for each power of ten, of so many rows at least.
DECADES, FEWEST_ROWS = np.logspace(-5, 0, 11), 10


def look_of(name, i=0):
    """Return colour, marker and line style of a model."""
    return LOOKS.get(name, OTHERS[i % len(OTHERS)])


def _axes(ax):
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install matplotlib, or the extra 'plot'."
        ) from error
    return plt.subplots(layout="constrained")[1]


class _Display:
    """What is drawn on one pair of axes."""

    def _on(self, ax):
        self.ax_ = _axes(ax)
        self.figure_ = self.ax_.figure
        self.ax_.spines[["top", "right"]].set_visible(False)
        return self.ax_


class FidelityDisplay(_Display):
    """The student's probability, or value, against the teacher's, row by row.

    Parameters
    ----------
    teacher, student : ndarray of shape (n_samples,)
        Probabilities of one class, or values of one output.
    name : str
        Of that class or output.
    of_values : bool, default=False
        Whether they are values.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Once drawn.

    See Also
    --------
    ReliabilityDisplay : Against the truth.

    Examples
    --------
    >>> from sklearn_distill.display import FidelityDisplay
    >>> display = FidelityDisplay.from_predictions([0.1, 0.6, 0.9], [0.2, 0.5, 0.9])
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, teacher, student, *, name="the class", of_values=False):
        self.teacher = teacher
        self.student = student
        self.name = name
        self.of_values = of_values

    @classmethod
    def from_estimator(cls, model, X, *, teacher=None, label=None, ax=None, **plot):
        """Draw a fitted model against its teacher.

        Parameters
        ----------
        model : estimator
            Distilled, or any classifier or regressor if the teacher is given.
        X : rows
        teacher : estimator, default=None
            None is the model's own.
        label : object, default=None
            The class that is looked at; None is the last one. Of several outputs the position of
            one.
        ax : matplotlib Axes, default=None
        **plot : dict
            For :meth:`plot`.

        Returns
        -------
        FidelityDisplay
        """
        of_values = is_of_kind(model, "regressor")
        said, own = metrics.answers_of_teacher(model, X, teacher), metrics.answers_of(model, X)
        known = np.arange(own.shape[1]) if of_values else np.asarray(model.classes_)
        k = _position(known, label)
        name = known[k]
        if of_values:
            name = "the target" if len(known) == 1 else f"output {k}"
        return cls.from_predictions(
            said[:, k], own[:, k], name=name, of_values=of_values, ax=ax, **plot
        )

    @classmethod
    def from_predictions(
        cls, teacher, student, *, name="the class", of_values=False, ax=None, **plot
    ):
        """Draw probabilities, or values.

        Parameters
        ----------
        teacher, student : array-like of shape (n_samples,)
            Probabilities of one class, or values of one output.
        name : str
            Of that class or output.
        of_values : bool, default=False
            Whether they are values.
        ax : matplotlib Axes, default=None
        **plot : dict
            For :meth:`plot`.

        Returns
        -------
        FidelityDisplay
        """
        teacher, student = np.asarray(teacher, float), np.asarray(student, float)
        check_consistent_length(teacher, student)
        if teacher.ndim != 1 or student.ndim != 1:
            raise ValueError("Pass the probabilities of one class: proba[:, k].")
        made = cls(teacher, student, name=str(name), of_values=of_values)
        return made.plot(ax=ax, **plot)

    def plot(self, ax=None, *, scale="auto"):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        scale : {"auto", "linear", "logit"}, default="auto"
            "auto" spreads small probabilities out if most of them are below .05.

        Returns
        -------
        self : object
        """
        if scale not in ("auto", "linear", "logit"):
            raise ValueError(f"scale must be 'auto', 'linear' or 'logit'. Got {scale!r} instead.")
        ax = self._on(ax)
        x, y = self.teacher, self.student
        if scale == "logit" and self.of_values:
            raise ValueError("scale='logit' is for probabilities. Use 'linear' for values.")
        if scale == "auto":
            scale = "logit" if not self.of_values and np.median(x) < RARE else "linear"
        if scale == "logit":
            low = max(1e-5, min(x[x > 0].min(initial=0.1), y[y > 0].min(initial=0.1)))
            x, y = (np.clip(p, low, 1 - low) for p in (x, y))
            ax.set(xscale="logit", yscale="logit")
            limits = low, 1 - low
        else:
            limits = _limits(x, y) if self.of_values else (0.0, 1.0)
        if len(x) > MANY:
            self._cells(ax, x, y, scale)
        else:
            ax.plot(x, y, "o", ms=4, mew=0, color=BLUE, alpha=0.4)
        ax.plot(limits, limits, color=GREY, lw=1, ls="--", zorder=3)
        what = "value" if self.of_values else "probability"
        ax.set(
            xlabel=f"Teacher's {what} of {self.name}",
            ylabel=f"Student's {what} of {self.name}",
            xlim=limits,
            ylim=limits,
        )
        ax.set_aspect("equal" if scale == "linear" else "auto")
        _few_ticks(ax, scale)
        return self

    def _cells(self, ax, x, y, scale):
        """Count rows in cells, whose number is drawn as a colour on a logarithmic scale."""
        from matplotlib.colors import LogNorm

        to = (lambda p: np.log(p / (1 - p))) if scale == "logit" else (lambda p: p)
        back = (lambda z: 1 / (1 + np.exp(-z))) if scale == "logit" else (lambda z: z)
        both = np.concatenate([to(x), to(y)])
        edges = np.linspace(both.min(), both.max(), 61)
        counts, _, _ = np.histogram2d(to(x), to(y), bins=(edges, edges))
        counts[counts == 0] = np.nan
        mesh = ax.pcolormesh(
            back(edges), back(edges), counts.T, norm=LogNorm(), cmap="cividis_r", rasterized=True
        )
        ax.figure.colorbar(mesh, ax=ax, label="rows", shrink=0.8)


def _limits(*values):
    """Return the least and the most of all values, and a little room."""
    everything = np.concatenate(values)
    low, high = everything.min(), everything.max()
    room = 0.03 * (high - low) or 0.5
    return low - room, high + room


def _few_ticks(ax, scale):
    if scale != "logit":
        return
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    ticks = [1e-4, 1e-2, 0.5, 0.99, 0.9999]
    for axis in (ax.xaxis, ax.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda p, _: f"{p:.6g}"))
        axis.set_minor_formatter(NullFormatter())


class TradeOffDisplay(_Display):
    """Score against bytes or latency, with the models that no other beats in both.

    Parameters
    ----------
    scores : ndarray of shape (n_models,)
        The larger, the better.
    costs : ndarray of shape (n_models,)
        Bytes, or seconds.
    names : list of str
        Of the models; written at those on the front, as far as there is room.
    groups : list of str, default=None
        Models of one group look the same. None puts each in its own.
    chosen : ndarray of bool, default=None
        Those that are pointed out.
    score_name : str
    cost_name : str

    Attributes
    ----------
    front_ : ndarray of int
        Positions of the models on the Pareto front, by cost.
    ax_, figure_ : matplotlib Axes and Figure
        Once drawn.

    Examples
    --------
    >>> from sklearn_distill.display import TradeOffDisplay
    >>> display = TradeOffDisplay([0.8, 0.9, 0.85], [1e3, 1e6, 1e5], names=["tree", "all", "some"])
    >>> display.front_.tolist()
    [0, 2, 1]
    """

    def __init__(
        self,
        scores,
        costs,
        *,
        names,
        groups=None,
        chosen=None,
        score_name="score",
        cost_name="Bytes",
    ):
        self.scores = np.asarray(scores, float)
        self.costs = np.asarray(costs, float)
        check_consistent_length(self.scores, self.costs, names)
        self.names = list(names)
        self.groups = self.names if groups is None else list(groups)
        self.chosen = np.asarray(np.zeros(len(self.names)) if chosen is None else chosen, bool)
        self.score_name = score_name
        self.cost_name = cost_name
        self.front_ = _pareto(self.scores, self.costs)

    @classmethod
    def from_report(cls, report, *, cost="latency", ax=None):
        """Draw the models of a report.

        Parameters
        ----------
        report : DistillationReport
        cost : {"latency", "bytes"}, default="latency"
        ax : matplotlib Axes, default=None

        Returns
        -------
        TradeOffDisplay
        """
        measured = {n: m for n, m in report.models.items() if m["footprint"] is not None}
        if cost == "latency":
            costs = [m["footprint"].latency.p50 * 1e6 for m in measured.values()]
        else:
            costs = [m["footprint"].n_bytes or np.nan for m in measured.values()]
        return cls(
            [m["score"].value for m in measured.values()],
            costs,
            names=list(measured),
            chosen=[name == "distilled" for name in measured],
            score_name=report.scoring,
            cost_name="One row (µs)" if cost == "latency" else "Bytes",
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        self : object
        """
        ax = self._on(ax)
        known = np.isfinite(self.scores) & np.isfinite(self.costs)
        for i, group in enumerate(dict.fromkeys(self.groups)):
            own = known & np.array([g == group for g in self.groups])
            colour, marker, _ = look_of(group, i)
            ax.plot(
                self.costs[own],
                self.scores[own],
                marker,
                color=colour,
                ms=13 if marker == "*" else 8,
                mec="white",
                mew=0.8,
                label=group,
                zorder=3,
            )
        at = self.front_
        ax.plot(
            self.costs[at], self.scores[at], color=GREY, lw=1, drawstyle="steps-post", zorder=1
        )
        if self.chosen.any():
            ax.plot(
                self.costs[self.chosen],
                self.scores[self.chosen],
                "o",
                ms=17,
                mfc="none",
                mec=BLUE,
                mew=1.5,
            )
        ax.set(xscale="log", xlabel=self.cost_name, ylabel=self.score_name)
        ax.margins(0.12)
        _plain_numbers(ax.xaxis)
        ax.legend(frameon=False, fontsize="small")
        return self


def _plain_numbers(axis):
    """Write 2,000 and not 2 × 10³ on a logarithmic axis, and more of them if it is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    steps = (1,) if decades > 2 else (1, 2, 5) if decades > 1 else (1, 2, 3, 5, 7)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())


def _pareto(scores, costs):
    """Return the positions of what nothing beats in both, from the cheapest on."""
    order = np.lexsort((-scores, costs))
    best, front = -np.inf, []
    for i in order:
        if np.isfinite(costs[i]) and scores[i] > best:
            best = scores[i]
            front.append(i)
    return np.array(front, dtype=int)


class ReliabilityDisplay(_Display):
    """How often what a model expects happens, of several models in one picture.

    Parameters
    ----------
    curves : dict of str to (confidence, frequency, weight)
        Of each model: the mean probability in each bin, how often it came true, and the weight of
        the bin. Of values the mean of what was predicted and of what was real.
    name : str
        What happens.
    of_values : bool, default=False
        Whether they are values, and not probabilities.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Once drawn.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : One model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill.display import ReliabilityDisplay
    >>> y, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.6, 0.9])
    >>> display = ReliabilityDisplay.from_predictions(y, {"student": p})
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, curves, *, name="the class", of_values=False):
        self.curves = curves
        self.name = name
        self.of_values = of_values

    @classmethod
    def from_estimator(cls, model, X, y, *, teacher=None, n_bins=10, sample_weight=None, ax=None):
        """Draw a distilled model and its teacher.

        Parameters
        ----------
        model : estimator
        X : rows
        y : array-like of shape (n_samples,)
        teacher : estimator, default=None
            None is the model's own.
        n_bins : int, default=10
        sample_weight : array-like of shape (n_samples,), default=None
        ax : matplotlib Axes, default=None

        Returns
        -------
        ReliabilityDisplay
        """
        said = {
            "teacher": metrics.answers_of_teacher(model, X, teacher),
            "distilled": metrics.answers_of(model, X),
        }
        if is_of_kind(model, "regressor"):
            if said["teacher"].shape[1] > 1:
                raise ValueError(
                    "One output at a time: pass its values to ReliabilityDisplay.from_values."
                )
            said = {name: values[:, 0] for name, values in said.items()}
            return cls.from_values(y, said, n_bins=n_bins, sample_weight=sample_weight, ax=ax)
        return cls.from_predictions(
            y, said, labels=model.classes_, n_bins=n_bins, sample_weight=sample_weight, ax=ax
        )

    @classmethod
    def from_predictions(
        cls, y_true, proba, *, labels=None, n_bins=10, sample_weight=None, name=None, ax=None
    ):
        """Draw probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
        proba : dict of str to array-like of shape (n_samples, n_classes) or (n_samples,)
            Of each model.
        labels : array-like of shape (n_classes,), default=None
            The labels of the columns; None takes those in ``y_true``.
        n_bins : int, default=10
            Bins of the same number of rows; for rare events there are two for each power of ten.
        sample_weight : array-like of shape (n_samples,), default=None
        name : str, default=None
            What happens.
        ax : matplotlib Axes, default=None

        Returns
        -------
        ReliabilityDisplay
        """
        curves = {}
        known = np.unique(y_true if labels is None else labels)
        for model, p in proba.items():
            positions, p = metrics.labelled(y_true, p, labels)
            weight = check_weights(sample_weight, len(p))
            weight = np.ones(len(p)) if weight is None else weight
            confidence, happened = metrics.confidence_of(positions, p)
            if np.median(confidence) < RARE:
                # Bins of as many rows would have all that is likely in the last of them.
                bins, fewest = np.searchsorted(DECADES, confidence), FEWEST_ROWS
            else:
                bins, fewest = metrics.equal_mass_bins(confidence, weight, n_bins), 1
            curves[model] = _means_of_bins(bins, weight, confidence, happened, fewest)
        if name is None:
            name = str(known[1]) if len(known) == 2 else "the likeliest class"
        return cls(curves, name=name).plot(ax=ax)

    @classmethod
    def from_values(
        cls, y_true, values, *, n_bins=10, sample_weight=None, name="the target", ax=None
    ):
        """Draw values: the mean of what was real, in bins of what was predicted.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
        values : dict of str to array-like of shape (n_samples,)
            Of each model.
        n_bins : int, default=10
            Bins of the same number of rows.
        sample_weight : array-like of shape (n_samples,), default=None
        name : str
            What is predicted.
        ax : matplotlib Axes, default=None

        Returns
        -------
        ReliabilityDisplay
        """
        curves, y_true = {}, np.asarray(y_true, float)
        for model, predicted in values.items():
            predicted = np.asarray(predicted, float)
            check_consistent_length(y_true, predicted)
            weight = check_weights(sample_weight, len(predicted))
            weight = np.ones(len(predicted)) if weight is None else weight
            bins = metrics.equal_mass_bins(predicted, weight, n_bins)
            curves[model] = _means_of_bins(bins, weight, predicted, y_true)
        return cls(curves, name=name, of_values=True).plot(ax=ax)

    def plot(self, ax=None, *, scale="auto"):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        scale : {"auto", "linear", "log"}, default="auto"
            "auto" is logarithmic if most bins are below .05.

        Returns
        -------
        self : object
        """
        if scale not in ("auto", "linear", "log"):
            raise ValueError(f"scale must be 'auto', 'linear' or 'log'. Got {scale!r} instead.")
        ax = self._on(ax)
        everything = np.concatenate([curve[0] for curve in self.curves.values()])
        if scale == "log" and self.of_values:
            raise ValueError("scale='log' is for probabilities. Use 'linear' for values.")
        if scale == "auto":
            rare = not self.of_values and np.median(everything) < RARE
            scale = "log" if rare else "linear"
        low, high = 0.0, 1.0
        if self.of_values:
            low, high = _limits(*(part for curve in self.curves.values() for part in curve[:2]))
        if scale == "log":
            positive = np.concatenate([p[p > 0] for c in self.curves.values() for p in c[:2]])
            low = positive.min() / 2
            ax.set(xscale="log", yscale="log")
        ax.plot([low, high], [low, high], color=GREY, lw=1, ls="--", label="perfect")
        for i, (model, (confidence, frequency, _)) in enumerate(self.curves.items()):
            colour, marker, line = look_of(model, i)
            shown = frequency if scale == "linear" else np.maximum(frequency, low)
            shown_at = confidence if scale == "linear" else np.maximum(confidence, low)
            ax.plot(
                shown_at, shown, marker=marker, color=colour, ls=line, lw=1.6, ms=6, label=model
            )
        what = "Predicted value" if self.of_values else "Probability"
        ax.set(
            xlabel=f"{what} of {self.name}, mean of a bin",
            ylabel="Mean real value" if self.of_values else "How often it happened",
            xlim=(low, high),
            ylim=(low, high),
        )
        ax.legend(frameon=False, fontsize="small")
        return self


def _means_of_bins(bins, weight, said, real, fewest=1):
    """Return what was said and what was real in each bin that has enough rows, and its weight."""
    total = np.bincount(bins, weight)
    filled = (total > 0) & (np.bincount(bins) >= fewest)
    of_bins = (np.bincount(bins, weight * part)[filled] / total[filled] for part in (said, real))
    return *of_bins, total[filled]


class SlicesDisplay(_Display):
    """A score of teacher and students on parts of the rows, which tells who lost.

    Parameters
    ----------
    names : list of str
        Of the parts.
    scores : dict of str to ndarray of shape (n_parts,)
        Of each model; NaN where a score is not defined.
    counts : ndarray of shape (n_parts,)
        Rows of each part.
    score_name : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Once drawn.

    Examples
    --------
    >>> from sklearn_distill.display import SlicesDisplay
    >>> scores = {"teacher": [0.9, 0.8], "distilled": [0.9, 0.6]}
    >>> display = SlicesDisplay(["young", "old"], scores, [900, 100], score_name="recall")
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, names, scores, counts, *, score_name="score"):
        check_consistent_length(names, counts, *scores.values())
        self.names = list(names)
        self.scores = {name: np.asarray(values, float) for name, values in scores.items()}
        self.counts = np.asarray(counts)
        self.score_name = score_name

    @classmethod
    def from_predictions(
        cls, y_true, labels, groups, *, score=None, score_name="accuracy", ax=None
    ):
        """Score the labels of several models in groups of rows.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
        labels : dict of str to array-like of shape (n_samples,)
            What each model predicts, in the form that the score takes.
        groups : array-like of shape (n_samples,)
        score : callable, default=None
            ``score(y_true, predicted)``; None is the accuracy.
        score_name : str
        ax : matplotlib Axes, default=None

        Returns
        -------
        SlicesDisplay
        """
        from sklearn.metrics import accuracy_score

        check_consistent_length(y_true, groups, *labels.values())
        score = accuracy_score if score is None else score
        groups, y_true = np.asarray([str(g) for g in groups]), np.asarray(y_true)
        names, counts = np.unique(groups, return_counts=True)
        scores = {
            model: [score(y_true[groups == g], np.asarray(said)[groups == g]) for g in names]
            for model, said in labels.items()
        }
        return cls(names.tolist(), scores, counts, score_name=score_name).plot(ax=ax)

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw the groups of a report, or its classes, ranges or outputs if there are none.

        Parameters
        ----------
        report : DistillationReport
        ax : matplotlib Axes, default=None

        Returns
        -------
        SlicesDisplay
        """
        rows = report.per_group or report.per_class or report.per_range or report.per_output
        name, before = report.scoring, ""
        if not report.per_group:
            name = next(key for key in rows[0] if key.endswith(" distilled"))
            name = name.removesuffix(" distilled")
            before = f"{name} "
        models = [m for m in ("teacher", "distilled", "hard") if f"{before}{m}" in rows[0]]
        return cls(
            [str(next(iter(row.values()))) for row in rows],
            {m: [row[f"{before}{m}"] for row in rows] for m in models},
            [row["n_rows"] for row in rows],
            score_name=name,
        ).plot(ax=ax)

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        self : object
        """
        ax = self._on(ax)
        at = np.arange(len(self.names))[::-1]
        everything = np.array(list(self.scores.values()))
        defined = ~np.isnan(everything).all(axis=0)
        for i in np.flatnonzero(defined):
            known = everything[:, i][~np.isnan(everything[:, i])]
            ax.plot([known.min(), known.max()], [at[i]] * 2, color=GREY, lw=1.2, zorder=1)
        for i, (model, values) in enumerate(self.scores.items()):
            colour, marker, _ = look_of(model, i)
            size = 12 if marker == "*" else 8
            ax.plot(values, at, marker, color=colour, ms=size, mec="white", mew=0.8, label=model)
        for i in np.flatnonzero(~defined):
            ax.annotate(
                "not defined", (0.02, at[i]), xycoords=("axes fraction", "data"), va="center"
            )
        ax.set_yticks(at, [f"{n}  ({c:,})" for n, c in zip(self.names, self.counts, strict=True)])
        ax.set(xlabel=self.score_name, ylim=(-0.6, len(at) - 0.4))
        ax.margins(x=0.08)
        ax.grid(axis="x", color=GREY, alpha=0.25)
        ax.legend(frameon=False, fontsize="small", loc="best")
        return self


class LabelBudgetDisplay(_Display):
    """A score against the number of labels: what a label is worth, with a teacher and without.

    Parameters
    ----------
    budgets : array-like of shape (n_budgets,)
        Numbers of labels.
    scores : dict of str to array-like of shape (n_budgets,) or (n_budgets, n_repetitions)
        Of each model. Of several repetitions the mean is drawn, and the range of all.
    score_name : str

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Once drawn.

    Examples
    --------
    >>> from sklearn_distill.display import LabelBudgetDisplay
    >>> scores = {"distilled": [[0.80, 0.84], [0.88, 0.90]], "hard": [[0.7, 0.75], [0.86, 0.9]]}
    >>> display = LabelBudgetDisplay([100, 1000], scores, score_name="ROC AUC")
    >>> display.plot()  # doctest: +SKIP
    """

    def __init__(self, budgets, scores, *, score_name="score"):
        self.budgets = np.asarray(budgets)
        self.scores = {name: np.asarray(values, float) for name, values in scores.items()}
        check_consistent_length(self.budgets, *self.scores.values())
        self.score_name = score_name

    def plot(self, ax=None):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        self : object
        """
        ax = self._on(ax)
        for i, (model, values) in enumerate(self.scores.items()):
            colour, marker, line = look_of(model, i)
            values = values[:, None] if values.ndim == 1 else values
            ax.plot(
                self.budgets,
                values.mean(axis=1),
                color=colour,
                marker=marker,
                ls=line,
                lw=1.8,
                ms=6,
                label=model,
            )
            if values.shape[1] > 1:
                low, high = values.min(axis=1), values.max(axis=1)
                ax.fill_between(self.budgets, low, high, color=colour, alpha=0.15, lw=0)
        ax.set(xscale="log", xlabel="Labels", ylabel=self.score_name)
        ax.set_xticks(self.budgets, [f"{b:,}" for b in self.budgets])
        ax.minorticks_off()
        ax.legend(frameon=False, fontsize="small")
        return self


def _position(classes, label):
    if label is None:
        return len(classes) - 1
    found = np.flatnonzero(classes == label)
    if not len(found):
        raise ValueError(f"label={label!r} is no class of the model: {classes.tolist()}.")
    return int(found[0])
