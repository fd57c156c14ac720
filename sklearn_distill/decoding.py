"""How the output of a fitted student becomes labels, probabilities and decision values.

A strategy returns the decoder of its student along with it. It is all that has to be known of the
training to use the student afterwards: nothing here needs a teacher or training rows, except to
fit the one number that undoes the tempering.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_expit, log_softmax, softmax

from sklearn_distill.tempering import untemper
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.dispatch import booster_of, is_network, name_of
from sklearn_distill.utils.pipelines import last_step, reach_last_step, with_last_step
from sklearn_distill.utils.rows import indexable_rows, n_rows

#: Rows on which the power is fitted, at most: one number needs no more, and some students (nearest
#: neighbours, kernels) take as long to predict a row as to learn it.
MOST_ROWS = 20_000

#: The student's probabilities are at least this where the power is fitted. A leaf or a neighbour
#: that never saw a class says zero, which no power could mend.
LEAST_PROBA = 1e-9

#: By how much more than the temperature asks for normalised answers may be sharpened.
MOST_SHARPENING = 10.0

#: Rows per call when a trained network predicts.
NETWORK_BATCH = 1024


class Decoder(ABC):
    """Reads a fitted student, bare or as the last step of a Pipeline."""

    @staticmethod
    def offers(student, method):
        """Tell whether a student gives what a method needs; it need not be fitted."""
        return True

    def lean(self, student):
        """Return a fitted student without what only its training needed."""
        return student

    @abstractmethod
    def predict(self, student, X):
        """Return the predicted labels or values, of shape (n_samples,) or with outputs."""


@dataclass(frozen=True, eq=False)
class ClassDecoder(Decoder):
    """Reads a fitted student of classes.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels, sorted; all columns are in this order.
    """

    classes: np.ndarray

    @abstractmethod
    def predict_proba(self, student, X):
        """Return probabilities at temperature 1, of shape (n_samples, n_classes)."""

    def predict_log_proba(self, student, X):
        """Return their logarithms; -inf for a probability of exactly zero."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(student, X))

    @abstractmethod
    def decision_function(self, student, X):
        """Return decision values, of shape (n_samples,) or (n_samples, n_classes)."""


@dataclass(frozen=True, eq=False)
class ProbabilityDecoder(ClassDecoder):
    """For classifiers: p ∝ q^power, with q the probabilities of the student.

    Attributes
    ----------
    power : float, default=1.0
        What undoes the tempering of the labels that the student learned.
    columns : tuple of int or None, default=None
        Which of the student's columns belongs to each class; None if they are in order.
    by_position : bool, default=False
        Whether the student learned positions in ``classes`` instead of labels.
    normalize : bool, default=False
        Whether the student answers yes or no for each class, in probabilities that need not add
        up to 1 and are divided by their sum.
    """

    power: float = 1.0
    columns: tuple | None = None
    by_position: bool = False
    normalize: bool = False

    @classmethod
    def of(cls, student, classes, *, by_position=False, known=None, normalize=False):
        """Return the decoder of a fitted bare student, with power 1.

        Parameters
        ----------
        student : estimator
        classes : ndarray of shape (n_classes,)
        by_position : bool, default=False
        known : array-like, default=None
            The label of each of the student's columns; None takes its ``classes_``.
        normalize : bool, default=False

        Raises
        ------
        ValueError
            If the student does not know a class.
        """
        if known is None:
            known = getattr(student, "classes_", None)
        if known is None:  # a foreign classifier: the order is sorted by convention
            return cls(classes, by_position=by_position, normalize=normalize)
        known = np.asarray(known).tolist()
        wanted = list(range(len(classes))) if by_position else classes.tolist()
        missing = [c for c in wanted if c not in set(known)]
        if missing and set(map(str, wanted)) == set(map(str, known)):
            # CatBoost gives booleans back as text.
            wanted, known, missing = list(map(str, wanted)), list(map(str, known)), []
        if missing:
            raise ValueError(
                f"The student {name_of(student)} does not know the classes {missing} after fit, "
                f"only {known}. Use a student that keeps every class of y."
            )
        columns = tuple(known.index(c) for c in wanted)
        in_order = columns == tuple(range(len(known)))
        columns = None if in_order else columns
        return cls(classes, columns=columns, by_position=by_position, normalize=normalize)

    def with_power(self, student, transfer_set):
        """Return this decoder with the power that fits the blend on the training rows best.

        One number t, between 1 and the temperature T:

        .. math:: \\arg\\min_t -\\sum_i w_i \\sum_k m_{ik} \\log \\mathrm{softmax}(t \\log q_i)_k

        It is T where the student follows the tempered targets and 1 where it learned hard labels,
        which tempering leaves as they are; un-tempering those by T would sharpen them. Of answers
        that are normalised it may be larger.

        Parameters
        ----------
        student : estimator
            Fitted on the rows of ``transfer_set``.
        transfer_set : TransferSet
        """
        temperature = transfer_set.targets.temperature
        if not hasattr(student, "predict_proba"):
            return self
        rows, m, weight = _some_rows(transfer_set)
        nothing_to_undo = temperature == 1 and not self.normalize
        # Also then: a student that gives no probabilities is refused at once.
        q = self._proba(student, _first(rows) if nothing_to_undo else rows)
        if nothing_to_undo:
            return self
        log_q = np.log(np.maximum(q, LEAST_PROBA))
        bounds = sorted((1.0, temperature))
        if self.normalize:
            # Each answer starts at 1/2. As long as they are learned in part only, what is left of
            # that makes their quotients too even, and the power is larger by as much.
            bounds[1] *= MOST_SHARPENING
        power = fit_power(log_q, m, weight, bounds=bounds, prefer=temperature)
        return replace(self, power=power)

    @staticmethod
    def offers(student, method):
        """Tell whether the student has ``method`` itself; boosters have margins."""
        if method == "decision_function" and booster_of(last_step(student)):
            return True
        return hasattr(student, {"predict_log_proba": "predict_proba"}.get(method, method))

    def predict(self, student, X):
        """Return the student's own labels: a power keeps the order of the classes."""
        if booster_of(last_step(student)):
            # They may have been trained on anything; their columns are known.
            return self.classes[self._proba(student, X).argmax(axis=1)]
        labels = np.asarray(student.predict(X))
        return labels.ravel() if labels.ndim == 2 else labels

    def predict_proba(self, student, X):
        """Return the student's probabilities to the power, normalised."""
        return untemper(self._proba(student, X), self.power)

    def predict_log_proba(self, student, X):
        """Return the student's own logarithms times the power, which no rounding has cut off."""
        own = hasattr(student, "predict_log_proba") and not booster_of(last_step(student))
        if not own or self.normalize:
            return super().predict_log_proba(student, X)
        with np.errstate(divide="ignore"):
            logs = np.asarray(student.predict_log_proba(X))
        if logs.ndim != 2 or np.isnan(logs).any():  # has an error of its own there
            return super().predict_log_proba(student, X)
        logs = logs if self.columns is None else logs[:, self.columns]
        return logs if self.power == 1 else log_softmax(self.power * logs, axis=1)

    def decision_function(self, student, X):
        """Return the student's decision values, or a booster's margins, times the power."""
        bare, rows = last_step(student), X
        library = booster_of(bare)
        if library:
            bare, rows = reach_last_step(student, X)
            values = np.asarray(_MARGINS[library](bare, rows))
        else:
            values = np.asarray(student.decision_function(X))
        if self.columns is not None and values.ndim == 1:
            values = -values  # two classes, the other way round
        elif self.columns is not None and values.shape[1] == len(self.columns):
            values = values[:, self.columns]
        if self.normalize:
            values = log_expit(values)  # whose softmax is the normalised answers
        return values if self.power == 1 else values * self.power

    def _proba(self, student, X):
        """Return the student's probabilities in the order of ``classes``, looked at."""
        proba = np.asarray(student.predict_proba(X))
        if proba.dtype == np.float16:
            proba = proba.astype(np.float64)  # sums over rows would overflow
        width = len(self.classes) if self.columns is None else max(self.columns) + 1
        if (
            proba.ndim != 2
            or proba.shape[1] < width
            or (self.columns is None and proba.shape[1] != width)
        ):
            raise ValueError(
                f"The student {name_of(last_step(student))} returned probabilities of shape "
                f"{proba.shape} for {len(self.classes)} classes. Its predict_proba must give one "
                "column per class."
            )
        proba = proba if self.columns is None else proba[:, self.columns]
        if self.normalize:
            proba = proba / proba.sum(axis=1, keepdims=True)
        if not (proba >= 0).all():
            rows = ~(proba >= 0).all(axis=1)
            raise ValueError(
                f"The student {name_of(last_step(student))} returned NaN or negative "
                f"probabilities for {rows.sum()} of {len(rows)} rows. Check its settings and the "
                "scale of its inputs."
            )
        return proba


@dataclass(frozen=True, eq=False)
class LogitDecoder(ClassDecoder):
    """For students that give logits z: p = softmax(scale z).

    Attributes
    ----------
    scale : float, default=1.0
        What undoes the tempering of the logits that the student learned.
    """

    scale: float = 1.0

    @abstractmethod
    def logits(self, student, X):
        """Return the student's logits, of shape (n_samples, n_classes), in float64."""

    def predict(self, student, X):
        """Return the class with the largest logit."""
        return self.classes[self.logits(student, X).argmax(axis=1)]

    def predict_proba(self, student, X):
        """Return the softmax of the logits times the scale."""
        return softmax(self.scale * self.logits(student, X), axis=1)

    def predict_log_proba(self, student, X):
        """Return the logarithms of these, which no rounding has cut off."""
        return log_softmax(self.scale * self.logits(student, X), axis=1)

    def decision_function(self, student, X):
        """Return the logits times the scale; with two classes the log-odds of the second."""
        z = self.scale * self.logits(student, X)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z


@dataclass(frozen=True, eq=False)
class RegressionDecoder(LogitDecoder):
    """For regressors of tempered logits, or of the log-odds of the second of two classes."""

    def logits(self, student, X):
        """Return the regressor's predictions; with two classes beside a column of zeros."""
        if is_network(last_step(student)):
            from sklearn_distill.nn.net import seeded

            with seeded(0):  # torch's loader draws a seed from its global generator
                z = student.predict(X)
        else:
            z = student.predict(X)
        z = _answered(np.asarray(z, dtype=np.float64), name_of(last_step(student)))
        if z.ndim == 1 or z.shape[1] == 1:
            z = np.column_stack([np.zeros(len(z)), z.ravel()])
        return z

    def with_scale(self, student, transfer_set):
        """Return this decoder with the scale that fits the blend on the training rows best.

        The same one number as :meth:`ProbabilityDecoder.with_power`, at most the temperature. It
        may be less than 1: the mean of the log-odds of hard labels, which are large by their
        floor, is no log-odds of a mean.
        """
        temperature = transfer_set.targets.temperature
        rows, m, weight = _some_rows(transfer_set)
        bounds = (1e-3 * temperature, temperature)
        z = self.logits(student, rows)
        scale = fit_power(z, m, weight, bounds=bounds, prefer=temperature)
        return replace(self, scale=scale)


@dataclass(frozen=True, eq=False)
class NetworkDecoder(LogitDecoder):
    """For torch modules and skorch nets, whose logits were trained at temperature 1.

    Attributes
    ----------
    output : str, default="logits"
        What the module returns, one of those in :mod:`sklearn_distill.nn.outputs`.
    row_shape : tuple of int or None, default=None
        Shape of a row in training; None for rows in several parts.
    """

    output: str = "logits"
    row_shape: tuple | None = None

    def lean(self, student):
        """Return the bare module in place of the skorch net, which keeps its optimiser."""
        return _without_optimiser(student)

    def logits(self, student, X):
        """Return the logits that belong to the module's outputs."""
        from sklearn_distill.nn.outputs import to_logits

        return _run_network(student, X, self.row_shape, lambda out: to_logits(out, self.output))


@dataclass(frozen=True, eq=False)
class ValueDecoder(Decoder):
    """For regressors, whose predictions are what they are.

    Attributes
    ----------
    n_outputs : int or None
        Number of values of a row; None if they are predicted as a vector.
    """

    n_outputs: int | None = None

    @staticmethod
    def offers(student, method):
        """Values are all that there is."""
        return method == "predict"

    def predict(self, student, X):
        """Return the student's values."""
        if is_network(last_step(student)):
            from sklearn_distill.nn.net import seeded

            with seeded(0):  # torch's loader draws a seed from its global generator
                values = student.predict(X)
        else:
            values = student.predict(X)
        values = _answered(np.asarray(values), name_of(last_step(student)))
        shape = (len(values),) if self.n_outputs is None else (len(values), self.n_outputs)
        return values.reshape(shape)


@dataclass(frozen=True, eq=False)
class ValueNetworkDecoder(ValueDecoder):
    """For torch modules and skorch nets that were trained on values.

    Attributes
    ----------
    row_shape : tuple of int or None, default=None
        Shape of a row in training; None for rows in several parts.
    """

    row_shape: tuple | None = None

    def lean(self, student):
        """Return the bare module in place of the skorch net, which keeps its optimiser."""
        return _without_optimiser(student)

    def predict(self, student, X):
        """Return the module's outputs, in float64."""
        from sklearn_distill.nn.outputs import tensor_of

        values = _run_network(student, X, self.row_shape, tensor_of)
        return values.reshape(len(values), *(() if self.n_outputs is None else (self.n_outputs,)))


def _without_optimiser(student):
    net = last_step(student)
    return with_last_step(student, getattr(net, "module_", net))


def _run_network(student, X, row_shape, convert):
    """Return what a network at the end of a student gives, each batch converted, in float64."""
    import torch

    from sklearn_distill.nn.batches import inputs_for, predict_in_slices

    net, X = reach_last_step(student, X)
    if X is None:
        raise ValueError("Expected 2D array, got None instead. Pass the rows.")
    module = getattr(net, "module_", net).eval()
    rows = inputs_for(module, X)
    if n_rows(X) == 0:
        raise ValueError(
            "Found array with 0 sample(s), while a minimum of 1 is required by the network."
        )
    got = None if row_shape is None else tuple(rows.shape[1:])
    if got == () != row_shape:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: rows have the shape {row_shape}. "
            "Reshape your data, of a single row, with X.reshape(1, -1)."
        )
    try:
        with torch.no_grad():
            parts = [
                convert(part).double().cpu()
                for part in predict_in_slices(module, rows, NETWORK_BATCH)
            ]
    except RuntimeError as error:
        if got == row_shape:
            raise
        raise ValueError(
            f"The student {name_of(module)} was trained on rows of shape {row_shape}, "
            f"and cannot take rows of shape {got}. Pass the columns of fit."
        ) from error
    return _answered(torch.cat(parts).numpy(), name_of(module))


def _answered(z, name):
    """Return logits, unless a row has none: NaN or infinity, of which no class can be told."""
    lost = ~np.isfinite(z if z.ndim == 1 else z.max(axis=1))
    if lost.any():
        raise ValueError(
            f"The student {name} gave NaN or infinity for {lost.sum()} of {len(z)} rows; does X "
            "hold NaN? Put a SimpleImputer before the student in a Pipeline, or drop the rows."
        )
    return z


def fit_power(log_q, m, weight, *, bounds, prefer):
    """Return the t in ``bounds`` for which softmax(t log q) has the least cross-entropy with m.

    Parameters
    ----------
    log_q : ndarray of shape (n_samples, n_classes)
        Log-probabilities or logits of a student.
    m : ndarray of shape (n_samples, n_classes)
        What its predictions are to be.
    weight : ndarray of shape (n_samples,)
    bounds : pair of float
    prefer : float
        One of the bounds: the answer where it is no worse than any other.

    Returns
    -------
    float
    """
    wanted = weight @ (m * log_q).sum(axis=1)
    size = weight @ np.abs(log_q).max(axis=1)

    def slope(t):  # of the cross-entropy, which is convex in t
        return weight @ (softmax(t * log_q, axis=1) * log_q).sum(axis=1) - wanted

    low, high = bounds
    at_low, at_high = slope(low), slope(high)
    rounding = 1e-9 * size
    if prefer == high and at_high <= rounding:
        return float(high)
    if prefer == low and at_low >= -rounding:
        return float(low)
    if at_low >= 0:
        return float(low)
    if at_high <= 0:
        return float(high)
    return float(brentq(slope, low, high, xtol=1e-12 * high))


def _some_rows(transfer_set):
    """Return at most MOST_ROWS of the rows, their blend and their weight.

    They are spread evenly over the classes, so that a rare one keeps its share.
    """
    targets = transfer_set.targets
    m, weight = targets.blended(), targets.row_weight
    if targets.n_rows <= MOST_ROWS:
        return transfer_set.all_rows(), m, weight
    order = np.argsort(targets.likely_labels(), kind="stable")
    some = np.sort(order[np.linspace(0, targets.n_rows - 1, MOST_ROWS).astype(int)])
    return take_rows(indexable_rows(transfer_set.all_rows()), some), m[some], weight[some]


def _first(rows):
    return take_rows(indexable_rows(rows), np.arange(1))


#: What a booster's margins are called.
_MARGINS = {
    "catboost": lambda booster, X: booster.predict(X, prediction_type="RawFormulaVal"),
    "lightgbm": lambda booster, X: booster.predict(X, raw_score=True),
    "xgboost": lambda booster, X: booster.predict(X, output_margin=True),
}
