"""What kind of estimator this is, asked defensively: foreign ones may have no tags."""

import sys

from sklearn.base import BaseEstimator
from sklearn.utils import get_tags


def tags_of(estimator):
    """Return the tags of an estimator; one without any gets those of a bare BaseEstimator."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return get_tags(BaseEstimator())


def is_of_kind(estimator, kind):
    """Tell whether ``estimator`` is a "classifier", "regressor" or "clusterer"."""
    declared = tags_of(estimator).estimator_type or getattr(estimator, "_estimator_type", None)
    return declared == kind


def name_of(estimator):
    """Return the estimator's class name, for messages."""
    return type(estimator).__name__


def is_module(thing):
    """Tell a torch module or a class of one, without importing torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    kind = thing if isinstance(thing, type) else type(thing)
    return issubclass(kind, torch.nn.Module)


def is_network(student):
    """Tell a torch module (or class) or a skorch net, without importing torch or skorch."""
    # While another thread imports skorch, the module is there and its classes are not.
    net_class = getattr(sys.modules.get("skorch"), "NeuralNet", ())
    return is_module(student) or isinstance(student, net_class)


def booster_of(estimator):
    """Return the library of a boosted classifier, or None, without importing any.

    It is "xgboost", "lightgbm" or "catboost", also for classes derived from theirs.
    """
    classifiers = {
        ("xgboost", "XGBClassifier"),
        ("lightgbm", "LGBMClassifier"),
        ("catboost", "CatBoostClassifier"),
    }
    for parent in type(estimator).__mro__:
        library = parent.__module__.partition(".")[0]
        if (library, parent.__name__) in classifiers:
            return library
    return None
