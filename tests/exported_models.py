"""Fitted students of every kind, on numbers and on frames, for the tests of exporters."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from torch import nn
from xgboost import XGBClassifier

from sklearn_distill import DistillationClassifier

LABELS = {"string": np.array(["no", 'per"haps', "yes\n"]), "int": np.array([3, 7, -1])}
LABELS["bool"] = np.array([False, True])


@cache
def numbers(n_classes=2, labels="string"):
    """Return rows of numbers of very different size, some with ties, and their labels."""
    X, y = make_classification(
        700, 6, n_informative=5, n_redundant=1, n_classes=n_classes, random_state=1
    )
    X = X * np.array([1, 1e3, 1e-3, 1, 1, 1]) + np.array([0, 0, 0, 0, 5, 0])
    X[:, 3] = X[:, 3].round(1)
    return X, LABELS[labels][y]


@cache
def frame(n_classes=2):
    """Return a frame with text, categories, flags and holes, and its labels."""
    random = np.random.default_rng(0)
    n = 900
    X = pd.DataFrame(
        {
            "amount": random.lognormal(3, 2, n),
            "age": random.integers(18, 90, n).astype(float),
            "flag": random.random(n) > 0.5,
            "country": random.choice(["DE", "FR", "", 'a "b"\\ ,c'], n),
            "kind": pd.Categorical(random.choice(["x", "y", "z"], n, p=[0.6, 0.37, 0.03])),
            "level": pd.Categorical(random.choice([1, 2, 10], n)),
        }
    )
    z = np.log(X.amount) + 2 * (X.country == "DE") - (X.kind == "x") + 1.5 * (X.level == 10)
    X.loc[random.random(n) < 0.1, "age"] = np.nan
    X.loc[random.random(n) < 0.1, "kind"] = np.nan
    X.loc[random.random(n) < 0.05, "country"] = np.nan
    cuts = [4] if n_classes == 2 else [3, 5]
    return X, LABELS["string"][np.digitize(z + random.normal(size=n), cuts)]


def native(X):
    """Return a frame whose text is of category dtype, as boosters take it."""
    return X.assign(country=pd.Categorical(X.country))


def tree(**settings):
    return DecisionTreeClassifier(max_leaf_nodes=24, random_state=0, **settings)


def booster():
    return LGBMClassifier(n_estimators=6, num_leaves=7, verbose=-1)


ON_NUMBERS = {
    "tree": tree,
    "regression tree": lambda: DecisionTreeRegressor(max_leaf_nodes=24, random_state=0),
    "stump": lambda: DecisionTreeClassifier(max_leaf_nodes=2),
    "forest": lambda: RandomForestClassifier(4, max_depth=4, random_state=0),
    "regression forest": lambda: ExtraTreesRegressor(4, max_depth=4, random_state=0),
    "bag": lambda: BaggingClassifier(tree(), n_estimators=3, max_features=0.7, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0),
    "gradient boosting regressor": lambda: GradientBoostingRegressor(n_estimators=4),
    "hist gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=5),
    "hist gradient boosting regressor": lambda: HistGradientBoostingRegressor(max_iter=5),
    "xgboost": lambda: XGBClassifier(n_estimators=5, max_depth=3),
    "xgboost dart": lambda: XGBClassifier(n_estimators=5, booster="dart", rate_drop=0.5, seed=0),
    "lightgbm": booster,
    "lightgbm rf": lambda: LGBMClassifier(
        n_estimators=5, boosting_type="rf", subsample=0.6, subsample_freq=1, verbose=-1
    ),
    "catboost": lambda: CatBoostClassifier(
        iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1
    ),
    "catboost lossguide": lambda: CatBoostClassifier(
        iterations=4,
        max_leaves=8,
        grow_policy="Lossguide",
        verbose=0,
        allow_writing_files=False,
        thread_count=1,
    ),
    "logistic regression": lambda: make_pipeline(RobustScaler(), LogisticRegression()),
    "ridge": Ridge,
    "sgd": lambda: make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)),
    "discriminant analysis": LinearDiscriminantAnalysis,
    "naive bayes": GaussianNB,
    "counting bayes": lambda: make_pipeline(MinMaxScaler(clip=True), MultinomialNB()),
    "mlp": lambda: make_pipeline(
        StandardScaler(), MLPClassifier((8, 5), max_iter=20, activation="tanh", random_state=0)
    ),
    "mlp regressor": lambda: make_pipeline(
        MinMaxScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0)
    ),
    "scaled tree": lambda: make_pipeline(StandardScaler(), tree()),
    "quantile booster": lambda: make_pipeline(QuantileTransformer(n_quantiles=40), booster()),
    "normal quantile mlp": lambda: make_pipeline(
        QuantileTransformer(n_quantiles=40, output_distribution="normal"),
        MLPClassifier((6,), max_iter=20, random_state=0),
    ),
    "squeezed tree": lambda: make_pipeline(RobustScaler(), MinMaxScaler(), tree()),
    "selected tree": lambda: make_pipeline(SelectKBest(k=3), tree()),
}

NUMERIC, TEXT = ["amount", "age", "flag"], ["country", "kind", "level"]


def scaled_and_one_hot(**settings):
    numeric = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return make_column_transformer((numeric, NUMERIC), (OneHotEncoder(**settings), TEXT))


def ordinal():
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer(
        (MinMaxScaler(clip=True), ["amount"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), codes), TEXT),
        remainder="passthrough",
    )


def mixed():
    one_hot = OneHotEncoder(drop="first", sparse_output=False)
    fill = SimpleImputer(strategy="constant", fill_value="?")
    return make_column_transformer(
        (SimpleImputer(), NUMERIC),
        (make_pipeline(fill, one_hot), ["country"]),
        (TargetEncoder(cv=3), ["kind", "level"]),
    )


RARE = {"handle_unknown": "infrequent_if_exist", "min_frequency": 40}
ON_FRAMES = {
    "one-hot tree": lambda: make_pipeline(scaled_and_one_hot(**RARE), tree()),
    "ordinal tree": lambda: make_pipeline(ordinal(), tree()),
    "mixed tree": lambda: make_pipeline(mixed(), tree()),
    "one-hot regression": lambda: make_pipeline(scaled_and_one_hot(**RARE), LogisticRegression()),
    "mixed mlp": lambda: make_pipeline(
        mixed(), StandardScaler(), MLPClassifier((6,), max_iter=20, random_state=0)
    ),
    "ordinal lightgbm": lambda: make_pipeline(ordinal(), booster()),
    "native hist gradient boosting": lambda: HistGradientBoostingClassifier(
        max_iter=5, categorical_features="from_dtype"
    ),
    "native lightgbm": booster,
    "native xgboost": lambda: XGBClassifier(n_estimators=5, max_depth=4, enable_categorical=True),
}


def network(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Sequential(nn.Linear(8, 6), nn.SiLU()),
        nn.Linear(6, n_out),
    )


@cache
def fitted(kind, n_classes=2, temperature=4.0, labels="string"):
    """Return a distilled model of a kind, and rows that it takes."""
    if kind in ON_FRAMES:
        X, y = frame(n_classes)
        X = native(X) if kind.startswith("native") else X
        encode = make_column_transformer(
            (SimpleImputer(), NUMERIC), (OneHotEncoder(handle_unknown="ignore"), TEXT)
        )
        teacher = make_pipeline(
            encode, RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
        )
        student = ON_FRAMES[kind]()
    else:
        X, y = numbers(n_classes, labels)
        teacher = RandomForestClassifier(20, random_state=0)
        if kind == "network":
            student = make_pipeline(StandardScaler(), network(X.shape[1], n_classes))
        else:
            student = ON_NUMBERS[kind]()
    model = DistillationClassifier(
        teacher.fit(X, y), student, temperature=temperature, alpha=0.9, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", ".*drawn at random", UserWarning)
        return model.fit(X, y), X
