"""The one file that imports private names of scikit-learn.

When a release moves one of them, this is the file to mend.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.neural_network._base import ACTIVATIONS
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._metadata_requests import _routing_enabled as routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_method_params as slice_params
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "ACTIVATIONS",
    "HasMethods",
    "Interval",
    "StrOptions",
    "fit_context",
    "num_samples",
    "routing_enabled",
    "slice_params",
    "take_rows",
]
