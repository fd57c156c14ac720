"""What differs between a report on classes and one on values."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, column_or_1d

import sklearn_distill.metrics as metrics
from sklearn_distill.report import _scores
from sklearn_distill.report._result import TOP
from sklearn_distill.teachers import as_values, read_output
from sklearn_distill.utils.dispatch import is_of_kind
from sklearn_distill.utils.rows import n_rows, take_some

#: Ranges of the real values that are looked at one by one.
RANGES = 5


def target_of(model, X_test, y_test):
    """Return what a model is judged by on the test rows."""
    return (OfValues if is_of_kind(model, "regressor") else OfClasses)(model, X_test, y_test)


class OfClasses:
    """Labels, and probabilities.

    Parameters
    ----------
    model : classifier
    X_test : rows
    y_test : array-like of shape (n_test_rows,)

    Attributes
    ----------
    truth : ndarray of int, shape (n_test_rows,)
        Columns of the true labels.
    """

    #: Rivals, and what they are called in sentences.
    called = {
        "hard": "the same student on hard labels",
        "tuned": "the same student, tuned on hard labels",
        "same-budget": "the best hard-label model of the same budget",
        "logistic": "logistic regression",
    }
    #: What is real, in sentences.
    real, on_real = "the labels", "hard labels"

    def __init__(self, model, X_test, y_test):
        self.classes = np.asarray(model.classes_)
        check_consistent_length(X_test, y_test)
        y_test = column_or_1d(y_test)
        strange = np.setdiff1d(y_test, self.classes)
        if len(strange):
            raise ValueError(
                f"y_test has classes that the model does not know: {strange.tolist()}. It knows "
                f"{self.classes.tolist()}."
            )
        self.truth = np.searchsorted(self.classes, y_test)

    def check_y_train(self, y_train):
        """Return the real labels of the training rows."""
        return column_or_1d(y_train)

    def score_of(self, scoring):
        """Return the score of a name, a scorer, or None."""
        return _scores.score_of(scoring, self.truth, self.classes)

    def given(self, teacher_output, X_test):
        """Return what a teacher said that is not here, looked at."""
        return np.exp(read_output(teacher_output, X_test, self.classes))

    def answers_of(self, model, X):
        """Return the probabilities of a model, in the order of all classes."""
        proba = np.zeros((n_rows(X), len(self.classes)))
        proba[:, np.searchsorted(self.classes, model.classes_)] = model.predict_proba(X)
        return proba

    def figures(self, said, weight):
        """Return what else is to be known of a model, by the names of the report."""
        y = self.classes[self.truth]
        labels = {"labels": self.classes, "sample_weight": weight}
        right = said.argmax(axis=1) == self.truth
        return {
            "log_loss": self._log_loss(said, slice(None), weight),
            "brier": metrics.brier_score(y, said, **labels),
            "ece": metrics.expected_calibration_error(y, said, **labels),
            "accuracy": float(right @ weight / weight.sum()),
        }

    def _log_loss(self, said, rows, weight):
        positions, weight = self.truth[rows], weight[rows]
        own = said[rows][np.arange(len(positions)), positions]
        return float(-np.log(np.clip(own, _scores.LEAST, 1)) @ weight / weight.sum())

    def fidelity(self, teacher, student, weight):
        """Return how close two models are."""
        pair = teacher, student
        found = {
            "agreement": metrics.agreement_score(*pair, sample_weight=weight),
            "js": metrics.js_divergence(*pair, sample_weight=weight),
            "kl": metrics.kl_divergence(*pair, sample_weight=weight),
            "rank_correlation": metrics.rank_correlation(*pair, sample_weight=weight),
        }
        if len(self.classes) == 2:
            found["top_overlap"] = metrics.top_overlap(*pair, top=TOP, sample_weight=weight)
        return found

    def parts(self, said, weight):
        """Return what models are worth on each class, by the name of the figure in the report."""
        return {"per_class": tuple(self._of_class(k, said, weight) for k in self._columns())}

    def _columns(self):
        return range(len(self.classes))

    def _of_class(self, k, said, weight):
        own = (self.truth == k) & (weight > 0)
        label, weight = self.classes[k], weight[own]
        row = {"class": label.item() if isinstance(label, np.generic) else label}
        row["n_rows"] = int(own.sum())
        for name, proba in said.items():
            right = proba[own].argmax(axis=1) == k
            recall = float(right @ weight / weight.sum()) if own.any() else np.nan
            row[f"recall {name}"] = recall
        return row

    def draw_fidelity(self, display, teacher, student, ax):
        """Draw one model against another."""
        display.from_predictions(teacher[:, -1], student[:, -1], name=self.classes[-1], ax=ax)

    def draw_reliability(self, display, said, weight, ax):
        """Draw models against the truth."""
        y, classes = self.classes[self.truth], self.classes
        display.from_predictions(y, said, labels=classes, sample_weight=weight, ax=ax)

    def distances(self, teacher, student):
        """Return how far two models part in each row."""
        return metrics.js_of_rows(teacher, student)

    def of_slice(self, rows, said, weight):
        """Return what models say of some rows, and what it is worth."""
        found = {f"log_loss {n}": self._log_loss(p, rows, weight) for n, p in said.items()}
        if len(self.classes) == 2:
            for name in ("teacher", "distilled"):
                found[f"mean {name}"] = float(said[name][rows, 1].mean())
        return found


class OfValues:
    """Real values, and predicted ones.

    Parameters
    ----------
    model : regressor
    X_test : rows
    y_test : array-like of shape (n_test_rows,) or (n_test_rows, n_outputs)

    Attributes
    ----------
    truth : ndarray of shape (n_test_rows, n_outputs)
        The real values.
    """

    called = {
        "hard": "the same student on the real values",
        "tuned": "the same student, tuned on the real values",
        "same-budget": "the best model of the same budget on the real values",
        "linear": "ridge regression",
    }
    real, on_real = "the real values", "the real values"

    def __init__(self, model, X_test, y_test):
        check_consistent_length(X_test, y_test)
        truth = _as_table(y_test, "y_test")
        n_outputs = metrics.answers_of(model, take_some(X_test, 1)).shape[1]
        if truth.shape[1] != n_outputs:
            raise ValueError(
                f"y_test has {truth.shape[1]} outputs, and the model gives {n_outputs}. Pass the "
                "outputs that it was fitted on."
            )
        self.truth = truth

    def check_y_train(self, y_train):
        """Return the real values of the training rows."""
        y_train = _as_table(y_train, "y_train")
        return y_train[:, 0] if y_train.shape[1] == 1 else y_train

    def score_of(self, scoring):
        """Return the score of a name, a scorer, or None."""
        return _scores.score_of_values(scoring)

    def given(self, teacher_output, X_test):
        """Return what a teacher said that is not here, looked at."""
        return as_values(teacher_output, n_rows(X_test), self.truth.shape[1], "teacher_output has")

    def answers_of(self, model, X):
        """Return the values of a model as a table."""
        return metrics.answers_of(model, X)

    def figures(self, said, weight):
        """Return what else is to be known of a model, by the names of the report."""
        missed, share = said - self.truth, weight / weight.sum()
        # Of several outputs the mean of each figure, as scikit-learn takes it.
        return {
            "r2": _scores.r2(self.truth, said)(weight),
            "mae": float((share @ np.abs(missed)).mean()),
            "rmse": float(np.sqrt(share @ missed**2).mean()),
            "bias": float((share @ missed).mean()),
        }

    def fidelity(self, teacher, student, weight):
        """Return how close two models are."""
        pair = {"sample_weight": weight}
        return {
            "value_distance": metrics.value_distance(teacher, student, **pair),
            "rank_correlation": metrics.rank_correlation_of_outputs(teacher, student, **pair),
        }

    def parts(self, said, weight):
        """Return what models are worth on each output, or range of a single one."""
        if self.truth.shape[1] > 1:
            outputs = range(self.truth.shape[1])
            return {"per_output": tuple(self._of_output(j, said, weight) for j in outputs)}
        real = self.truth[:, 0]
        different = np.unique(real[weight > 0])
        edges = np.unique(np.quantile(real[weight > 0], np.linspace(0, 1, RANGES + 1)))
        if len(different) <= RANGES:
            edges = np.append(different[:1], different)  # each is a range of its own
        which = np.searchsorted(edges[1:-1], real)
        # A value that many rows share may fill a range, and leave none for its neighbour.
        filled = [k for k in range(max(1, len(edges) - 1)) if (which == k).any()]
        return {"per_range": tuple(self._of_range(which == k, said, weight) for k in filled)}

    def _of_output(self, j, said, weight):
        row = {"output": j, "n_rows": int((weight > 0).sum())}
        truth = self.truth[:, [j]]
        for name, values in said.items():
            row[f"R² {name}"] = _scores.r2(truth, values[:, [j]])(weight)
        return row

    def _of_range(self, own, said, weight):
        own = own & (weight > 0)
        real, weight = self.truth[own], weight[own]
        low, high = f"{real.min():.4g}", f"{real.max():.4g}"
        row = {"range": low if low == high else f"{low} to {high}", "n_rows": int(own.sum())}
        for name, values in said.items():
            missed = np.abs(values[own] - real)[:, 0]
            row[f"MAE {name}"] = float(missed @ weight / weight.sum())
        return row

    def draw_fidelity(self, display, teacher, student, ax):
        """Draw one model against another, of several outputs the first."""
        display.from_predictions(
            teacher[:, 0], student[:, 0], name=self._first(), of_values=True, ax=ax
        )

    def draw_reliability(self, display, said, weight, ax):
        """Draw models against the truth, of several outputs the first."""
        first = {name: values[:, 0] for name, values in said.items()}
        display.from_values(
            self.truth[:, 0], first, sample_weight=weight, name=self._first(), ax=ax
        )

    def _first(self):
        return "the target" if self.truth.shape[1] == 1 else "output 0"

    def distances(self, teacher, student):
        """Return how far two models part in each row, in deviations of the real values."""
        scale = self.truth.std(axis=0)
        return (np.abs(teacher - student) / np.where(scale > 0, scale, 1.0)).mean(axis=1)

    def of_slice(self, rows, said, weight):
        """Return what models say of some rows, and what it is worth."""
        weight = weight[rows] / weight[rows].sum()
        found = {
            f"mae {name}": float((weight @ np.abs(values[rows] - self.truth[rows])).mean())
            for name, values in said.items()
        }
        if self.truth.shape[1] == 1:
            for name in ("teacher", "distilled"):
                found[f"mean {name}"] = float(said[name][rows].mean())
            found["mean real"] = float(self.truth[rows].mean())
        return found


def _as_table(y, name):
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
    return y.reshape(len(y), -1)
