"""XGBoost, LightGBM and CatBoost, by what they write down themselves."""

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.special import logit

from sklearn_distill.export.program import LEAF, Layer, Layers, Link, NotReadable, Step
from sklearn_distill.export.readers._columns import Text
from sklearn_distill.export.readers._forest import Grove
from sklearn_distill.export.readers._trees import native_categories

#: Objectives of each library by the link of their margins.
_LINKS = {
    "binary:logistic": "sigmoid",
    "binary:logitraw": "sigmoid",
    "reg:logistic": "sigmoid",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
    "reg:squarederror": "values",
    "reg:absoluteerror": "values",
    "reg:pseudohubererror": "values",
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "multiclass": "softmax",
    "multiclassova": "one-vs-rest",
    "regression": "values",
    "regression_l1": "values",
    "huber": "values",
    "quantile": "values",
    "Logloss": "sigmoid",
    "CrossEntropy": "sigmoid",
    "MultiClass": "softmax",
    "MultiClassOneVsAll": "one-vs-rest",
    "MultiCrossEntropy": "one-vs-rest",
    "RMSE": "values",
    "MAE": "values",
}


def _link_of(objective, library):
    if objective not in _LINKS:
        raise NotReadable(f"{library} with the objective {objective!r}")
    return Link(_LINKS[objective])


# -- XGBoost -------------------------------------------------------------------------------------


def read_xgboost(booster, features, columns):
    """Return body, link and features of an XGBClassifier or XGBRegressor."""
    model = json.loads(bytes(booster.get_booster().save_raw("json")))["learner"]
    objective = model["objective"]["name"]
    link = _link_of(objective, "XGBoost")
    parameters, boosting = model["learner_model_param"], model["gradient_booster"]
    start = np.atleast_1d(np.array(json.loads(str(parameters["base_score"])), dtype=np.float64))
    if objective in ("binary:logistic", "reg:logistic"):
        start = logit(start)
    n_outputs = max(1, int(parameters["num_class"]))
    if boosting["name"] == "gblinear":
        features = columns.use_as_numbers(features, "XGBoost")
        weight = np.reshape(boosting["model"]["weights"], (-1, n_outputs))
        return Layers((Layer(weight[:-1], weight[-1] + start),)), link, features
    dropped = boosting.get("weight_drop")
    forest = boosting["gbtree"]["model"] if boosting["name"] == "dart" else boosting["model"]
    types = model.get("feature_types") or []
    features = native_categories(
        features, columns, _xgboost_categories(forest, types, features, columns)
    )
    best = model["attributes"].get("best_iteration")
    end = None if best is None else forest["iteration_indptr"][int(best) + 1]
    grove = Grove(n_outputs)
    for i, tree in enumerate(forest["trees"][:end]):
        conditions = np.array(tree["split_conditions"], dtype=np.float32)
        leaf = np.array(tree["left_children"]) == -1
        times = 1.0 if dropped is None else float(dropped[i])
        if int(tree["tree_param"].get("size_leaf_vector", "1") or 1) > 1:
            raise NotReadable("XGBoost whose trees have several outputs (multi_strategy)")
        value = np.zeros((len(leaf), n_outputs))
        value[:, forest["tree_info"][i]] = times * conditions
        source = np.array(tree["split_indices"])
        codes = {}
        for node, first, size in zip(
            tree["categories_nodes"],
            tree["categories_segments"],
            tree["categories_sizes"],
            strict=True,
        ):
            known = _codes_of(features[source[node]], columns)
            right = tree["categories"][first : first + size]
            codes[node] = (np.setdiff1d(known, right), known, True)
        grove.add(
            feature=np.where(leaf, LEAF, source),
            # Left is what is less than the condition: at most the number before it.
            threshold=np.nextafter(conditions, np.float32(-np.inf)),
            left=tree["left_children"],
            right=tree["right_children"],
            value=value,
            missing_left=np.array(tree["default_left"], dtype=bool),
            codes=codes,
        )
    return grove.grown(start=start, rounding=np.float32), link, features


def _codes_of(feature, columns):
    return feature.table[: len(columns.categories[feature.source])]


def _xgboost_categories(forest, types, features, columns):
    """Return the categories of each categorical feature, in the order of their codes."""
    encodings = (forest.get("cats") or {}).get("enc") or []
    found = {}
    for i, kind in enumerate(types):
        if kind != "c":
            continue
        f = features[i]
        encoding = encodings[i] if i < len(encodings) else {"values": []}
        values = encoding["values"]
        if encoding.get("offsets"):
            cuts = encoding["offsets"]
            values = [bytes(values[a:b]).decode() for a, b in pairwise(cuts)]
        if not values and isinstance(f, Text):  # before 3.1: the codes of the frame itself
            values = columns.categories[f.source]
        if not values:
            values = _codes_in_trees(forest, i)
        found[i] = values
    return found


def _codes_in_trees(forest, feature):
    largest = 0
    for tree in forest["trees"]:
        for node, first, size in zip(
            tree["categories_nodes"],
            tree["categories_segments"],
            tree["categories_sizes"],
            strict=True,
        ):
            if tree["split_indices"][node] == feature:
                largest = max(largest, *tree["categories"][first : first + size])
    return list(range(largest + 1))


# -- LightGBM ------------------------------------------------------------------------------------


def read_lightgbm(booster, features, columns):
    """Return body, link and features of an LGBMClassifier or LGBMRegressor."""
    native = booster.booster_
    model = native.dump_model()
    objective, *options = str(model.get("objective", "none")).split(" ")
    link = _link_of(objective, "LightGBM")
    if "sqrt" in options:
        raise NotReadable("LightGBM with reg_sqrt=True")
    steepness = next(
        (float(o.partition(":")[2]) for o in options if o.startswith("sigmoid:")), 1.0
    )
    n_outputs = model["num_tree_per_iteration"]
    trees = model["tree_info"]
    times = steepness / (len(trees) / n_outputs if model["average_output"] else 1)
    features = native_categories(features, columns, _lightgbm_categories(native, model, features))
    features = [f.then(Step("zero")) if f.table is None else f for f in features]
    grove = Grove(n_outputs)
    for i, tree in enumerate(trees):
        grove.add(
            **_lightgbm_tree(
                tree["tree_structure"], i % n_outputs, n_outputs, times, features, columns
            )
        )
    return grove.grown(), link, features


def _lightgbm_categories(native, model, features):
    names, found = model["feature_names"], {}
    of_frame = iter(native.pandas_categorical or [])
    for i, f in enumerate(features):
        values = model["feature_infos"].get(names[i], {}).get("values") or []
        if isinstance(f, Text):
            found[i] = next(of_frame, None)
            if found[i] is None:
                raise NotReadable("LightGBM, which keeps no categories for a column of text")
        elif values:
            found[i] = sorted(float(v) for v in values if v >= 0)
    return found


def _lightgbm_tree(root, k, n_outputs, times, features, columns):
    rows, codes = [], {}

    def add(node):
        at = len(rows)
        value = np.zeros(n_outputs)
        rows.append(None)
        if "leaf_value" in node:
            if node.get("leaf_features"):
                raise NotReadable("LightGBM with linear_tree=True")
            value[k] = times * node["leaf_value"]
            rows[at] = (LEAF, 0.0, 0, 0, value, False)
            return at
        left, right = add(node["left_child"]), add(node["right_child"])
        source, missing = node["split_feature"], node["missing_type"]
        threshold, missing_left = 0.0, False
        if node["decision_type"] == "==":
            known = _codes_of(features[source], columns)
            goes_left = np.array([int(c) for c in str(node["threshold"]).split("||")])
            codes[at] = (goes_left, np.union1d(known, goes_left), False)
        else:
            threshold = node["threshold"]
            if missing == "Zero":
                raise NotReadable("LightGBM with zero_as_missing=True")
            # Where training saw no missing values they are taken for zero.
            missing_left = node["default_left"] if missing == "NaN" else threshold >= 0
        rows[at] = (source, threshold, left, right, value, missing_left)
        return at

    add(root)
    names = ("feature", "threshold", "left", "right", "value", "missing_left")
    return {
        **dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True)),
        "codes": codes,
    }


# -- CatBoost ------------------------------------------------------------------------------------


def read_catboost(booster, features, columns):
    """Return body, link and features of a CatBoostClassifier or CatBoostRegressor."""
    objective = str(booster.get_all_params()["loss_function"]).partition(":")[0]
    link = _link_of(objective, "CatBoost")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        model = json.loads(path.read_text())
    info = model["features_info"]
    if info.get("categorical_features") or info.get("text_features"):
        raise NotReadable(
            "CatBoost with categorical or text features, whose statistics stay in it"
        )
    features = columns.use_as_numbers(features, "CatBoost")
    scale, start = model["scale_and_bias"]
    numbers = info["float_features"]
    place = np.array([f["flat_feature_index"] for f in numbers])
    # Of each feature: NaN is less than all numbers, or more.
    missing_left = np.array([f["nan_value_treatment"] != "AsTrue" for f in numbers])
    start = np.atleast_1d(start).astype(np.float64)
    grove = Grove(len(start))
    for tree in model.get("oblivious_trees") or []:
        grove.add(**_oblivious(tree, place, missing_left, scale, len(start)))
    for tree in model.get("trees") or []:
        grove.add(**_binary(tree, place, missing_left, scale, len(start)))
    return grove.grown(start=start, rounding=np.float32), link, features


def _oblivious(tree, place, missing_left, scale, n_outputs):
    """Return a tree that asks the same question at all nodes of a level."""
    splits = tree["splits"] or []
    depth = len(splits)
    n_inner = 2**depth - 1
    feature, threshold = np.full(2 * n_inner + 1, LEAF), np.zeros(2 * n_inner + 1)
    missing = np.zeros(2 * n_inner + 1, dtype=bool)
    value = np.zeros((2 * n_inner + 1, n_outputs))
    answers = np.reshape(tree["leaf_values"], (2**depth, n_outputs))
    for at in range(n_inner):
        # The bit of a leaf's number that a split decides has the split's own position.
        split = splits[(at + 1).bit_length() - 1]
        _look(split)
        feature[at] = place[split["float_feature_index"]]
        threshold[at] = split["border"]
        missing[at] = missing_left[split["float_feature_index"]]
    for leaf in range(2**depth):
        turns = format(leaf, f"0{depth}b") if depth else ""  # from the root down
        number = sum(1 << i for i, turn in enumerate(turns) if turn == "1")
        value[n_inner + leaf] = scale * answers[number]
    at = np.arange(2 * n_inner + 1)
    return {
        "feature": feature,
        "threshold": threshold,
        "left": 2 * at + 1,
        "right": 2 * at + 2,
        "value": value,
        "missing_left": missing,
    }


def _binary(tree, place, missing_left, scale, n_outputs):
    rows = []

    def add(node):
        at = len(rows)
        rows.append(None)
        value = np.zeros(n_outputs)
        if "split" not in node:
            value += scale * np.atleast_1d(node["value"])
            rows[at] = (LEAF, 0.0, 0, 0, value, False)
            return at
        left, right = add(node["left"]), add(node["right"])
        split = _look(node["split"])
        j = split["float_feature_index"]
        rows[at] = (place[j], split["border"], left, right, value, missing_left[j])
        return at

    add(tree)
    names = ("feature", "threshold", "left", "right", "value", "missing_left")
    return dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))


def _look(split):
    if split.get("split_type", "FloatFeature") != "FloatFeature":
        raise NotReadable(f"CatBoost with splits of type {split['split_type']}")
    return split


__all__ = ["read_catboost", "read_lightgbm", "read_xgboost"]
