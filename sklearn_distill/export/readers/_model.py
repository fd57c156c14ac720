"""From a fitted model to a program."""

from dataclasses import replace

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_distill._distilled import DistilledClassifier, DistilledRegressor
from sklearn_distill.decoding import LogitDecoder, ProbabilityDecoder
from sklearn_distill.export.program import Layers, Link, NotReadable, Program, Trees
from sklearn_distill.export.readers import _boosters, _layers, _trees
from sklearn_distill.export.readers._columns import Columns, Text
from sklearn_distill.export.readers._forest import trees_beside
from sklearn_distill.export.readers._layers import layers_beside
from sklearn_distill.export.readers._preprocessing import read_transformer
from sklearn_distill.utils.dispatch import is_module, is_of_kind, name_of
from sklearn_distill.utils.pipelines import head_and_last, last_step, with_last_step

#: By library and class, of which any ancestor may be it: nothing needs to be imported.
_READERS = {
    ("sklearn", "BaseDecisionTree"): _trees.read_tree,
    ("sklearn", "BaseForest"): _trees.read_forest,
    ("sklearn", "BaseBagging"): _trees.read_bagging,
    ("sklearn", "BaseGradientBoosting"): _trees.read_gradient_boosting,
    ("sklearn", "BaseHistGradientBoosting"): _trees.read_hist_gradient_boosting,
    ("sklearn", "BaseMultilayerPerceptron"): _layers.read_mlp,
    ("sklearn", "LinearClassifierMixin"): _layers.read_linear,
    ("sklearn", "LinearModel"): _layers.read_linear,
    ("sklearn", "BaseSGD"): _layers.read_linear,
    ("sklearn", "GaussianNB"): _layers.read_gaussian_bayes,
    ("sklearn", "MultinomialNB"): _layers.read_multinomial_bayes,
    ("xgboost", "XGBModel"): _boosters.read_xgboost,
    ("lightgbm", "LGBMModel"): _boosters.read_lightgbm,
    ("catboost", "CatBoostClassifier"): _boosters.read_catboost,
    ("catboost", "CatBoostRegressor"): _boosters.read_catboost,
    ("skorch", "NeuralNet"): _layers.read_module,
    ("sklearn", "MultiOutputRegressor"): lambda *args: _read_several(*args),
    ("sklearn", "TransformedTargetRegressor"): lambda *args: _read_scaled(*args),
}

#: What the table above amounts to, for messages.
READABLE = (
    "decision trees, forests, bags of trees, gradient boosting (scikit-learn, XGBoost, LightGBM, "
    "CatBoost), linear models, naive Bayes, MLPs and torch networks of dense layers, on their own "
    "or after scalers, SimpleImputer, QuantileTransformer and encoders of categories; a "
    "TransformedTargetRegressor of one of them, if its transformer is a StandardScaler"
)


def student_and_decoder(model):
    """Return the fitted student of a model, and its decoder; None for a regressor's.

    Raises
    ------
    TypeError
        If it is no model.
    NotFittedError
        If it is not fitted.
    """
    if is_module(model) or not hasattr(model, "predict"):
        raise TypeError(
            f"Cannot export a {name_of(model)}. Pass a fitted DistillationClassifier, what its "
            "standalone() returns, or a fitted classifier or regressor of scikit-learn's kind."
        )
    check_is_fitted(model)
    if is_of_kind(model, "classifier") and not hasattr(model, "predict_proba"):
        raise TypeError(
            f"Cannot export {name_of(model)}: it gives no probabilities. Use a classifier (or a "
            "student) that has predict_proba, or a regressor."
        )
    alone = standalone_of(model)
    if isinstance(alone, DistilledClassifier):
        return alone.student, alone.decoder
    if isinstance(alone, DistilledRegressor):
        return alone.student, None
    if is_of_kind(alone, "classifier"):
        return alone, ProbabilityDecoder(np.asarray(alone.classes_))
    return alone, None


def distilled_in(model):
    """Return the last step of a model, or of what a search has found."""
    return last_step(getattr(model, "best_estimator_", model))


def standalone_of(model):
    """Return a model without its teacher; one that has none is returned as it is.

    A Pipeline may end in a distilled model, and a search may have found one: the student then
    comes after the same transformers.
    """
    last = distilled_in(model)
    alone = last.standalone() if hasattr(last, "standalone") else last
    model = getattr(model, "best_estimator_", model)
    if model is last:
        return alone
    if isinstance(alone, DistilledClassifier | DistilledRegressor):
        columns = getattr(last, "student_columns_", None)
        if columns is not None:
            steps = [("student_columns", _selection(columns)), ("student", alone.student)]
            alone = type(alone)(Pipeline(steps), alone.decoder)
        return type(alone)(with_last_step(model, alone.student), alone.decoder)
    return model


def rows_of_student(model, X):
    """Return rows of the columns that an exported model takes.

    Parameters
    ----------
    model : estimator
        If its student sees a part of the columns, X may have these or all.
    X : rows or None
    """
    columns = columns_of_student(model)
    return X if columns is None else columns.take(X)


def columns_of_student(model):
    """Return the columns that the student of a model, maybe found by a search, takes of its rows.

    None if these are all; after the transformers of a Pipeline they are none of its rows.
    """
    return getattr(getattr(model, "best_estimator_", model), "student_columns_", None)


def _selection(columns):
    """Return a fitted transformer that leaves some columns, for after others in a Pipeline."""
    if columns.names is not None:
        raise TypeError(
            "Cannot export a Pipeline whose model takes some columns by name (student_columns). "
            "Name them by position, or export the model without the Pipeline."
        )
    selection = ColumnTransformer([("kept", "passthrough", list(columns.positions))])
    return selection.fit(np.zeros((1, columns.n_whole)))


def read_model(model, X):
    """Return a fitted model as a program.

    Parameters
    ----------
    model : DistillationClassifier, DistilledClassifier, or a fitted classifier or regressor
    X : rows, or None
        As they are given to the model; of a frame the columns' names and categories are read. Of
        None, columns are called x0, x1, ...

    Returns
    -------
    Program

    Raises
    ------
    NotReadable
        If the student, or what is before it in a Pipeline, is of no kind that is known here.
    """
    student, decoder = student_and_decoder(model)
    columns = Columns.of(X, _n_columns(student, X))
    features = columns.raw()
    while True:
        head, student_ = head_and_last(student)
        if head is not None:
            features = read_transformer(head, features, columns)
        if student_ is student:
            break
        student = student_
    body, link, features = read_last_step(student, features, columns)
    if is_module(getattr(student, "module_", student)) and not hasattr(model, "predict_proba"):
        link = Link("values")  # a network does not tell what its outputs are
    if any(isinstance(f, Text) for f in features):
        raise NotReadable("a column of text that nothing encodes")
    program = Program(columns.inputs(), tuple(features), body, link, None, precision=_precision(X))
    return decoded(program, decoder)


def read_last_step(student, features, columns):
    """Return body, link and features of a bare student."""
    if is_module(student):
        return _layers.read_module(student, features, columns)
    for kind in type(student).__mro__:
        reader = _READERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if reader is not None:
            return reader(student, features, columns)
    raise NotReadable(f"the student {name_of(student)}")


def _read_several(several, features, columns):
    """Return body, link and features of a MultiOutputRegressor of trees or of layers."""
    read = [read_last_step(one, features, columns) for one in several.estimators_]
    bodies = [body for body, _, _ in read]
    if all(isinstance(body, Trees) for body in bodies):
        return trees_beside(bodies), read[0][1], read[0][2]
    if all(isinstance(body, Layers) for body in bodies):
        return layers_beside(bodies), read[0][1], read[0][2]
    raise NotReadable(f"a MultiOutputRegressor of {name_of(several.estimators_[0])}")


def _read_scaled(model, features, columns):
    """Return body, link and features of a TransformedTargetRegressor that scales by a line."""
    if type(model.transformer_) is not StandardScaler:
        raise NotReadable(
            f"a TransformedTargetRegressor with {name_of(model.transformer_)}, which is no "
            "StandardScaler"
        )
    body, link, features = read_last_step(model.regressor_, features, columns)
    if link.kind != "values":
        raise NotReadable(f"a TransformedTargetRegressor of {name_of(model.regressor_)}")
    n = _n_outputs(body)
    scale, mean = (
        np.full(n, neutral) if found is None else np.asarray(found, dtype=np.float64)
        for found, neutral in ((model.transformer_.scale_, 1.0), (model.transformer_.mean_, 0.0))
    )
    if isinstance(body, Trees):
        body = replace(body, value=body.value * scale, start=body.start * scale + mean)
    else:
        *before, last = body.layers
        last = last._replace(weight=last.weight * scale, bias=last.bias * scale + mean)
        body = replace(body, layers=(*before, last))
    return body, link, features


def decoded(program, decoder):
    """Return a program of a student's own output with what its decoder does added to it."""
    if decoder is None:
        return program
    classes, link = decoder.classes, program.link
    program = replace(program, classes=classes)
    if isinstance(decoder, LogitDecoder):
        if link.kind == "values":
            one = _n_outputs(program.body) == 1
            link = Link("sigmoid" if one else "softmax")
        return replace(program, link=link.times(decoder.scale))
    if link.kind == "values":
        raise NotReadable("a regressor that is read as a classifier")
    if decoder.columns is not None:
        program = replace(program, body=_reordered(program.body, link, decoder.columns))
    if decoder.normalize and link.kind not in ("one-vs-rest", "proba"):
        raise NotReadable("a student that answers yes or no for each class")
    return replace(program, link=link.times(decoder.power))


def _n_outputs(body):
    return body.value.shape[1] if isinstance(body, Trees) else len(body.layers[-1].bias)


def _reordered(body, link, columns):
    """Return a body whose outputs are in the order of the classes."""
    order = list(columns)
    if link.kind == "sigmoid":
        sign = 1.0 if order == [0, 1] else -1.0
        if isinstance(body, Trees):
            return replace(body, value=sign * body.value, start=sign * body.start)
        *before, last = body.layers
        return replace(
            body, layers=(*before, last._replace(weight=sign * last.weight, bias=sign * last.bias))
        )
    if isinstance(body, Trees):
        return replace(body, value=body.value[:, order], start=body.start[order])
    *before, last = body.layers
    return replace(
        body, layers=(*before, last._replace(weight=last.weight[:, order], bias=last.bias[order]))
    )


def _n_columns(student, X):
    if X is not None and hasattr(X, "shape") and len(X.shape) == 2:
        return X.shape[1]
    found = getattr(student, "n_features_in_", None)
    if found is None:
        raise NotReadable(
            f"{name_of(student)}, which does not know how many columns it was fitted on"
        )
    return int(found)


def _precision(X):
    """Return the type in which the transformers of a student compute."""
    dtype = getattr(X, "dtype", None)
    if dtype is None and hasattr(X, "dtypes"):
        kinds = {str(t) for t in X.dtypes}
        dtype = np.float32 if kinds == {"float32"} else np.float64
    return np.float32 if dtype == np.float32 else np.float64
