"""Trees, forests and boosted trees of scikit-learn."""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor

from sklearn_distill.export.program import LEAF, Feature, Link, NotReadable
from sklearn_distill.export.readers._columns import Text
from sklearn_distill.export.readers._forest import Grove
from sklearn_distill.export.readers._preprocessing import read_encoder
from sklearn_distill.utils.dispatch import is_of_kind, name_of


def _link_of(estimator):
    return Link("proba" if is_of_kind(estimator, "classifier") else "values")


def _n_outputs(model):
    if not is_of_kind(model, "classifier"):
        return model.n_outputs_
    if model.n_outputs_ > 1:
        raise NotReadable(f"{name_of(model)} of several labels")
    return model.n_classes_


def _add(grove, tree, *, times=1.0, normalize=False, places=None, features=None):
    """Add the ``tree_`` of scikit-learn: the one place that knows its arrays."""
    value = tree.value
    # Several outputs, of a regressor, have an axis of their own.
    value = value[:, 0, :] if value.shape[1] == 1 else value[:, :, 0]
    if normalize:  # counts in releases before 1.3
        value = value / value.sum(axis=1, keepdims=True)
    if places is not None:
        placed = np.zeros((len(value), grove.n_outputs))
        placed[:, places] = value
        value = placed
    leaf = tree.children_left == -1
    feature = tree.feature if features is None else np.asarray(features)[tree.feature]
    grove.add(
        feature=np.where(leaf, LEAF, feature),
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        value=times * value,
        missing_left=tree.missing_go_to_left.astype(bool),
    )


def read_tree(tree, features, columns):
    """Return body, link and features of a single tree."""
    features = columns.use_as_numbers(features, name_of(tree))
    classifier = is_of_kind(tree, "classifier")
    grove = Grove(_n_outputs(tree))
    _add(grove, tree.tree_, normalize=classifier)
    return grove.grown(rounding=np.float32), _link_of(tree), features


def read_forest(forest, features, columns):
    """Return body, link and features of a forest: the mean of its trees."""
    features = columns.use_as_numbers(features, name_of(forest))
    classifier = is_of_kind(forest, "classifier")
    grove = Grove(_n_outputs(forest))
    for tree in forest.estimators_:
        _add(grove, tree.tree_, normalize=classifier, times=1 / len(forest.estimators_))
    return grove.grown(rounding=np.float32), _link_of(forest), features


def read_bagging(bagging, features, columns):
    """Return body, link and features of a bag of trees, each on some of the features."""
    features = columns.use_as_numbers(features, name_of(bagging))
    classifier = is_of_kind(bagging, "classifier")
    grove = Grove(bagging.n_classes_ if classifier else 1)
    for tree, used in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        if not hasattr(tree, "tree_"):
            raise NotReadable(f"a bag of {name_of(tree)}")
        places = tree.classes_.astype(int) if classifier else None
        times = 1 / len(bagging.estimators_)
        _add(grove, tree.tree_, normalize=classifier, times=times, places=places, features=used)
    return grove.grown(rounding=np.float32), _link_of(bagging), features


def read_gradient_boosting(booster, features, columns):
    """Return body, link and features of a GradientBoostingClassifier or -Regressor."""
    features = columns.use_as_numbers(features, name_of(booster))
    n_outputs = booster.estimators_.shape[1]
    start = np.zeros(n_outputs)
    if isinstance(booster.init_, DummyClassifier | DummyRegressor):
        some = np.zeros((1, booster.n_features_in_), dtype=np.float32)
        start = np.asarray(booster._raw_predict_init(some), dtype=np.float64)[0]
    elif booster.init_ != "zero":
        raise NotReadable(f"{name_of(booster)} that starts from a {name_of(booster.init_)}")
    grove = Grove(n_outputs)
    for trees in booster.estimators_:
        for k, tree in enumerate(trees):
            _add(grove, tree.tree_, times=booster.learning_rate, places=[k])
    link = Link("values")
    if is_of_kind(booster, "classifier"):
        link = Link("sigmoid" if n_outputs == 1 else "softmax")
        if booster.loss == "exponential":
            link = link.times(2.0)
    return grove.grown(start=start, rounding=np.float32), link, features


def read_hist_gradient_boosting(booster, features, columns):
    """Return body, link and features of a HistGradientBoostingClassifier or -Regressor."""
    preprocessor = getattr(booster, "_preprocessor", None)
    if preprocessor is None:
        features = columns.use_as_numbers(features, name_of(booster))
    else:
        categorical = np.asarray(booster.is_categorical_)
        some = [features[i] for i in np.flatnonzero(categorical)]
        rest = [features[i] for i in np.flatnonzero(~categorical)]
        encoder = preprocessor.named_transformers_["encoder"]
        features = read_encoder(encoder, some, columns)
        features += columns.use_as_numbers(rest, name_of(booster))
    classifier = is_of_kind(booster, "classifier")
    if not classifier and booster.loss not in ("squared_error", "absolute_error", "quantile"):
        raise NotReadable(f"{name_of(booster)} of the loss {booster.loss!r}")
    start = np.ravel(booster._baseline_prediction)
    grove = Grove(len(start))
    for trees in booster._predictors:
        for k, tree in enumerate(trees):
            nodes = tree.nodes
            leaf = nodes["is_leaf"].astype(bool)
            codes = {}
            for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
                words = tree.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
                bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
                # Unknown categories are missing to it.
                unknown = bool(nodes["missing_go_to_left"][node])
                codes[int(node)] = (np.flatnonzero(bits), np.arange(256), unknown)
            value = np.zeros((len(nodes), len(start)))
            value[:, k] = nodes["value"]
            grove.add(
                feature=np.where(leaf, LEAF, nodes["feature_idx"].astype(np.int64)),
                threshold=nodes["num_threshold"],
                left=nodes["left"].astype(np.int64),
                right=nodes["right"].astype(np.int64),
                value=value,
                missing_left=nodes["missing_go_to_left"].astype(bool),
                codes=codes,
            )
    link = Link("values")
    if classifier:
        link = Link("sigmoid" if len(start) == 1 else "softmax")
    return grove.grown(start=start), link, features


def native_categories(features, columns, categories):
    """Return the features of a booster that takes columns of categories as they are.

    Parameters
    ----------
    features : list of Feature or Text
    columns : Columns
    categories : dict of int to list
        For each categorical feature its categories in the order of the codes that the booster has
        for them.
    """
    made = []
    for i, f in enumerate(features):
        if i not in categories:
            made += columns.use_as_numbers([f], "a booster that takes it for a number")
            continue
        known = categories[i]
        if not isinstance(f, Text) and (f.steps or f.table is not None):
            raise NotReadable("a booster of categories after a transformer of the same column")
        columns.name_categories(f.source, known)
        codes = np.arange(len(known)) if isinstance(f, Text) else np.asarray(known)
        made.append(Feature(f.source, table=np.array([*codes, codes.max(initial=0) + 1, np.nan])))
    return made
