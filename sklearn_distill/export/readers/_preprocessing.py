"""Transformers whose outputs are each made of one column."""

import numpy as np
from scipy import sparse

from sklearn_distill.export.program import Feature, NotReadable, Step
from sklearn_distill.export.readers._columns import Text, is_missing
from sklearn_distill.utils.dispatch import name_of

#: A category that no encoder has seen.
UNSEEN = "\x00unseen"


def read_transformer(transformer, features, columns):
    """Return the features that a fitted transformer makes of others.

    Parameters
    ----------
    transformer : estimator or "passthrough" or "drop" or None
    features : list of Feature or Text
    columns : Columns
        Told the categories that encoders know.

    Returns
    -------
    list of Feature or Text

    Raises
    ------
    NotReadable
        If it is of a kind that makes a number of several columns, or not known here.
    """
    if transformer is None or transformer == "passthrough":
        return list(features)
    if transformer == "drop":
        return []
    for kind in type(transformer).__mro__:
        if kind.__module__.partition(".")[0] == "sklearn" and kind.__name__ in _READERS:
            return _READERS[kind.__name__](transformer, features, columns)
    raise NotReadable(f"the transformer {name_of(transformer)}")


def _pipeline(pipeline, features, columns):
    for _, step in pipeline.steps:
        features = read_transformer(step, features, columns)
    return features


def _column_transformer(transformer, features, columns):
    places = transformer._transformer_to_input_indices
    made = []
    for name, step, _ in transformer.transformers_:
        made += read_transformer(step, [features[i] for i in places[name]], columns)
    return made


def _union(union, features, columns):
    made = []
    for name, step in union.transformer_list:
        made += read_transformer(step, features, columns)
        if (union.transformer_weights or {}).get(name, 1) != 1:
            raise NotReadable("a FeatureUnion with weights")
    return made


def _selector(selector, features, columns):
    return [features[i] for i in selector.get_support(indices=True)]


def _each(name):
    """Return a reader of scalers: a function of the transformer gives the steps per column."""

    def decorate(steps_of):
        def read(transformer, features, columns):
            features = columns.use_as_numbers(features, name)
            steps = _as_rounded(transformer, steps_of(transformer, len(features)))
            return [f.then(*s) for f, s in zip(features, steps, strict=True)]

        return read

    return decorate


_ARITHMETIC = ("subtract", "add", "multiply", "divide")


def _as_rounded(transformer, steps):
    """Return the steps of each column with constants rounded as the transformer rounds them.

    Rows in float32 show how. Of a scaler it decides on which side of a threshold a row stands.
    """
    if not any(steps):
        return steps
    rows = np.random.default_rng(0).normal(size=(32, len(steps))).astype(np.float32)
    wanted = np.asarray(transformer.transform(_named(transformer, rows)))
    narrow = [[s._replace(narrow=s.name in _ARITHMETIC) for s in column] for column in steps]
    differ = [
        (_applied(candidate, rows) != wanted).sum() if wanted.dtype == np.float32 else 0
        for candidate in (steps, narrow)
    ]
    return narrow if differ[1] < differ[0] else steps


def _applied(steps, rows):
    columns = list(rows.T)
    for j, column in enumerate(steps):
        for step in column:
            columns[j] = step.of(columns[j])
    return np.column_stack(columns)


def _named(transformer, rows):
    """Return rows as a frame if the transformer was fitted on one."""
    if not hasattr(transformer, "feature_names_in_"):
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=transformer.feature_names_in_)


def _per_column(n, *named):
    """Return for each column the steps whose constants are not None."""
    named = [(name, values) for name, values in named if values is not None]
    return [[Step(name, (float(values[i]),)) for name, values in named] for i in range(n)]


@_each("StandardScaler")
def _standard(scaler, n):
    mean = scaler.mean_ if scaler.with_mean else None
    return _per_column(n, ("subtract", mean), ("divide", scaler.scale_))


@_each("RobustScaler")
def _robust(scaler, n):
    return _per_column(n, ("subtract", scaler.center_), ("divide", scaler.scale_))


@_each("MaxAbsScaler")
def _max_abs(scaler, n):
    return _per_column(n, ("divide", scaler.scale_))


@_each("MinMaxScaler")
def _min_max(scaler, n):
    steps = _per_column(n, ("multiply", scaler.scale_), ("add", scaler.min_))
    clip = [Step("clip", tuple(map(float, scaler.feature_range)))] if scaler.clip else []
    return [s + clip for s in steps]


@_each("QuantileTransformer")
def _quantile(transformer, n):
    references = tuple(transformer.references_.tolist())
    normal = transformer.output_distribution == "normal"
    knots = transformer.quantiles_
    return [
        [Step("quantile", (tuple(knots[:, i].tolist()), references, normal))] for i in range(n)
    ]


@_each("FunctionTransformer")
def _function(transformer, n):
    function, arguments = transformer.func, dict(transformer.kw_args or {})
    if function is None:
        return [[] for _ in range(n)]
    if function is np.clip and set(arguments) <= {"a_min", "a_max", "min", "max"}:
        low = arguments.get("a_min", arguments.get("min"))
        high = arguments.get("a_max", arguments.get("max"))
        low, high = (-np.inf if low is None else low), (np.inf if high is None else high)
        return [[Step("clip", (float(low), float(high)))] for _ in range(n)]
    raise NotReadable(f"a FunctionTransformer of {getattr(function, '__name__', function)}")


def _imputer(imputer, features, columns):
    if not is_missing(imputer.missing_values):
        raise NotReadable(f"a SimpleImputer of missing_values={imputer.missing_values!r}")
    filled, flags = [], []
    indicated = () if imputer.indicator_ is None else imputer.indicator_.features_
    for i, (f, value) in enumerate(zip(features, imputer.statistics_, strict=True)):
        if isinstance(f, Text):
            if i in indicated:
                raise NotReadable("a SimpleImputer that flags missing categories")
            missing_as = value if f.missing_as is None else f.missing_as
            filled.append(Text(f.source, missing_as))
            continue
        columns.use_as_numbers([f], "SimpleImputer")
        if i in indicated:
            flags.append(f.then(Step("missing")))
        if not is_missing(value):  # a column without any value is dropped
            filled.append(f.then(Step("fill", (float(value),))))
        elif imputer.keep_empty_features:
            filled.append(f.then(Step("fill", (0.0,))))
    return filled + flags


def read_encoder(encoder, features, columns):
    """Return the features of an encoder of categories, one table for each output.

    The tables are made by asking the encoder for every category of every column, so that what it
    does with rare, dropped and unknown ones need not be known here.
    """
    for f, categories in zip(features, encoder.categories_, strict=True):
        if not isinstance(f, Text) and (f.steps or f.table is not None):
            raise NotReadable(f"{name_of(encoder)} after a transformer of the same column")
        columns.name_categories(f.source, list(categories))
    base = [next(c for c in known if not is_missing(c)) for known in encoder.categories_]
    at_base = _ask(encoder, [base])[0]
    tables = []
    for i, f in enumerate(features):
        known = columns.categories[f.source]
        unseen = UNSEEN if isinstance(known[0], str) else max(known) + 1
        # Encoders tell None from NaN, and know the one that was there in training.
        missing = next((c for c in encoder.categories_[i] if is_missing(c)), np.nan)
        values = [*known, unseen, missing]
        if isinstance(f, Text) and f.missing_as is not None:
            values[-1] = f.missing_as
        rows = [[*base[:i], value, *base[i + 1 :]] for value in values]
        try:
            tables.append(_ask(encoder, rows))
        except ValueError:  # of an unknown category, or of a missing one
            columns.name_categories(f.source, list(encoder.categories_[i]), unknown=False)
            answers = list(_ask(encoder, rows[:-2]))
            for row in rows[-2:]:
                try:
                    answers.append(_ask(encoder, [row])[0])
                except ValueError:
                    answers.append(np.zeros_like(at_base))
            tables.append(np.array(answers))
    made = []
    for j in range(len(at_base)):
        varying = [i for i, table in enumerate(tables) if not _constant(table[:, j])]
        if len(varying) > 1:
            raise NotReadable(f"{name_of(encoder)}, whose outputs depend on several columns")
        i = varying[0] if varying else 0
        made.append(Feature(features[i].source, table=tables[i][:, j].astype(np.float64)))
    return made


def _constant(values):
    return bool((values == values[0]).all() or np.isnan(values).all())


def _ask(encoder, rows):
    answers = encoder.transform(_named(encoder, np.array(rows, dtype=object)))
    if sparse.issparse(answers):
        answers = answers.toarray()
    return np.asarray(answers, dtype=np.float64)


_READERS = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "SelectorMixin": _selector,
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
    "QuantileTransformer": _quantile,
    "FunctionTransformer": _function,
    "SimpleImputer": _imputer,
    "OneHotEncoder": read_encoder,
    "OrdinalEncoder": read_encoder,
    "TargetEncoder": read_encoder,
}
