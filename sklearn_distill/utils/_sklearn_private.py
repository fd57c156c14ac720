"""The one file that imports private names of scikit-learn.

When a release moves one of them, this is the file to mend.
"""

from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.neural_network._base import ACTIVATIONS
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._metadata_requests import _routing_enabled as routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_method_params as slice_params
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "ACTIVATIONS",
    "BaseComposition",
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_settings",
    "fit_context",
    "n_samples_of_bagging",
    "num_samples",
    "routing_enabled",
    "slice_params",
    "take_rows",
]


def check_settings(estimator):
    """Raise what ``fit`` of a scikit-learn estimator would raise of its settings."""
    checked = isinstance(estimator, BaseEstimator) and hasattr(estimator, "_parameter_constraints")
    if checked and not get_config()["skip_parameter_validation"]:
        estimator._validate_params()


def n_samples_of_bagging(ensemble):
    """Return the number of rows that a forest or bagging was fitted on."""
    return ensemble._n_samples
