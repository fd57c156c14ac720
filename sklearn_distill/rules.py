"""Which temperature and alpha, where the user leaves the choice to us.

Nobody should have to know that a tree gains by a teacher whatever its temperature, and that a
logistic regression on clean labels has nothing to gain. The table below was found on one half of
the data sets of ``benchmarks/recipes.py`` and is reported on the other, in the user guide.
"""

from typing import NamedTuple

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.multioutput import MultiOutputRegressor

from sklearn_distill.utils._sklearn_private import BaseSearchCV
from sklearn_distill.utils.dispatch import is_network
from sklearn_distill.utils.pipelines import last_step

#: Standard errors by which a teacher must do better than the student on labels.
CLEARLY = 1.0


class Rule(NamedTuple):
    """Temperature and alpha."""

    temperature: float
    alpha: float


class Settings(NamedTuple):
    """What temperature and alpha came to be, and why, in a sentence."""

    temperature: float
    alpha: float
    reason: str


class Rules(NamedTuple):
    """What a kind of student does, by what the teacher knows of the labelled rows.

    `unseen` are rows that it was not fitted on, `seen` those that it was. `extended` is for all
    rows, where there are further ones of which nobody but the teacher knows anything.

    A teacher of `unseen` rows is followed only if its loss on them is clearly less than that of
    the student on labels, unless the student is one whose fits are dear (not `guarded`). `clean`
    is for one that leaves so little of the values unexplained that they hold no noise to speak of.
    """

    student: str
    unseen: Rule
    seen: Rule
    extended: Rule
    guarded: bool = True
    clean: Rule = Rule(1.0, 0.0)


LABELS = Rule(1.0, 0.0)
HALF = Rule(1.0, 0.5)

RULES = {
    "tree": Rules("a tree", Rule(2.0, 1.0), Rule(2.0, 1.0), Rule(2.0, 1.0)),
    "neighbours": Rules("nearest neighbours", Rule(2.0, 0.25), Rule(2.0, 0.25), Rule(2.0, 0.5)),
    "forest": Rules("a forest", Rule(2.0, 0.25), Rule(2.0, 0.25), HALF),
    "network": Rules("a network", Rule(1.0, 0.25), Rule(1.0, 0.25), HALF, guarded=False),
    "booster": Rules("a booster", LABELS, LABELS, LABELS),
    "linear": Rules("a linear model or naive Bayes", LABELS, LABELS, LABELS),
    "other": Rules("this kind of student", HALF, Rule(1.0, 0.25), HALF),
}

#: The same of values, where there is no temperature to speak of: found on one half of the data
#: sets of ``benchmarks/regression.py``.
RULES_OF_VALUES = {
    "tree": Rules("a tree", Rule(1.0, 0.75), HALF, HALF, clean=HALF),
    "neighbours": Rules("nearest neighbours", HALF, HALF, HALF),
    "forest": Rules("a forest", HALF, HALF, HALF),
    "network": Rules("a network", HALF, HALF, HALF),
    "booster": Rules("a booster", LABELS, LABELS, LABELS),
    "linear": Rules("a linear model", LABELS, LABELS, LABELS),
    "other": Rules("this kind of student", HALF, HALF, HALF),
}

#: A teacher takes noise out of the values and puts its own error in. Where its squared error is
#: less than this share of their variance there is little noise to take out, and only trees, whose
#: own variance is large, follow it.
LEAST_NOISE = 0.2

_ROWS = {
    "unseen": "a teacher that was not fitted on these rows",
    "seen": "a teacher that was fitted on these rows and knows them by heart",
    "extended": "further rows that the teacher alone labels",
}

#: Where a class of this kind is defined, and a part of its name.
_KINDS = [
    ("sklearn.tree", "", "tree"),
    ("sklearn.neighbors", "", "neighbours"),
    ("sklearn.ensemble", "Forest", "forest"),
    ("sklearn.ensemble", "Bagging", "forest"),
    ("sklearn.ensemble", "Boosting", "booster"),
    ("xgboost", "XGBModel", "booster"),
    ("lightgbm", "LGBMModel", "booster"),
    ("catboost", "CatBoost", "booster"),
    ("sklearn.neural_network", "", "network"),
    ("sklearn.linear_model", "", "linear"),
    ("sklearn.naive_bayes", "", "linear"),
    ("sklearn.discriminant_analysis", "", "linear"),
]


def kind_of(student):
    """Return the kind of a student, a key of :data:`RULES`.

    Parameters
    ----------
    student : estimator, torch module or None
        A Pipeline is what its last step is, a search what it searches, and what fits one model
        for each output or scales the target is what is inside; None is our network.
    """
    student = last_step(student)
    while isinstance(student, BaseSearchCV | MultiOutputRegressor | TransformedTargetRegressor):
        target_scaled = isinstance(student, TransformedTargetRegressor)
        student = last_step(student.regressor if target_scaled else student.estimator)
    if student is None or is_network(student):
        return "network"
    for parent in type(student).__mro__:
        for place, name, kind in _KINDS:
            if parent.__module__.startswith(place) and name in parent.__name__:
                return kind
    return "other"


def keeps_labels(student, new_rows, table=RULES):
    """Tell whether a student learns the labels of its rows whatever its teacher would say."""
    rules = table[kind_of(student)]
    return rules.extended.alpha == 0 if new_rows else rules.unseen.alpha == rules.seen.alpha == 0


def asks_for_losses(student, rows, table=RULES):
    """Tell whether a rule for these rows holds only for a teacher that is better than labels."""
    rules = table[kind_of(student)]
    return rows == "unseen" and rules.guarded and rules.unseen.alpha > 0


def settle(student, rows, temperature, alpha, losses=None, table=RULES):
    """Return the settings for a student, where they are "auto" by the rules.

    Parameters
    ----------
    student : estimator, torch module or None
    rows : {"unseen", "seen", "extended"}
        As the attributes of :class:`Rules`.
    temperature, alpha : float or "auto"
    losses : Losses, default=None
        Of teacher and student, where the rule asks for them.
    table : dict of str to Rules
        :data:`RULES`, or those of another kind of target.

    Returns
    -------
    Settings
    """
    rules = table[kind_of(student)]
    rule, reason = getattr(rules, rows), f"{rules.student} and {_ROWS[rows]}"
    if alpha == "auto" and losses is not None:
        reason += f": its {losses.what} is {losses.teacher:.3g}, that of the student on labels is "
        reason += f"{losses.student:.3g}, which is {'' if losses.clear else 'not '}clearly more"
        rule = rule if losses.clear else LABELS
        if losses.clear and losses.teacher < losses.least:
            rule, reason = rules.clean, f"{reason}, though there is little noise to take out"
    elif rows != "extended" and alpha == 0:
        rule, reason = LABELS, "the teacher has no share"
    elif rows != "extended" and alpha == "auto" and keeps_labels(student, new_rows=False):
        reason = f"{rules.student} learns as well from the labels of its rows"
    settings = Settings(
        float(rule.temperature if temperature == "auto" else temperature),
        float(rule.alpha if alpha == "auto" else alpha),
        "as given",
    )
    if "auto" not in (temperature, alpha):
        return settings
    softness = f"temperature={settings.temperature:g} and " if table is RULES else ""
    reason = f"{softness}alpha={settings.alpha:g}: {reason}."
    return settings._replace(reason=reason)


class Losses(NamedTuple):
    """Mean loss of the teacher and of the student on labels.

    `clear` is a better teacher, `what` the name of the loss, and a teacher whose loss is less than
    `least` has nothing to take out.
    """

    teacher: float
    student: float
    clear: bool
    what: str = "log loss"
    least: float = 0.0


def compare(log_proba, log_student, labels, sample_weight=None):
    """Compare the log loss of a teacher with that of the student on labels, in the same rows.

    Parameters
    ----------
    log_proba, log_student : ndarray of shape (n_labeled, n_classes)
        What they say of rows that they were not fitted on; NaN where that is nothing.
    labels : ndarray of int, shape (n_labeled,)
    sample_weight : ndarray of shape (n_labeled,), default=None

    Returns
    -------
    Losses
    """
    own = np.arange(len(labels)), labels
    return compare_rows(-log_proba[own], -log_student[own], sample_weight, "log loss")


def compare_rows(of_teacher, of_student, sample_weight, what):
    """Compare two losses in the same rows.

    Parameters
    ----------
    of_teacher, of_student : ndarray of shape (n_labeled,)
        NaN where nothing is known.
    sample_weight : ndarray of shape (n_labeled,) or None
    what : str
        The name of the loss.

    Returns
    -------
    Losses
    """
    weight = np.ones(len(of_teacher)) if sample_weight is None else np.array(sample_weight, float)
    gained = of_student - of_teacher
    weight[np.isnan(gained)] = 0.0
    if not weight.any():
        return Losses(np.nan, np.nan, False, what)
    weight /= weight.sum()
    known = weight > 0
    weight, gained = weight[known], gained[known]
    mean = weight @ gained
    error = np.sqrt(weight**2 @ (gained - mean) ** 2)
    return Losses(
        float(weight @ of_teacher[known]),
        float(weight @ of_student[known]),
        bool(mean > CLEARLY * error),
        what,
    )
