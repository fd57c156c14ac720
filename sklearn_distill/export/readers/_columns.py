"""The columns of the user, while a model is being read."""

from dataclasses import dataclass

import numpy as np

from sklearn_distill.export.program import Feature, Input, NotReadable


@dataclass(frozen=True)
class Text:
    """A column of categories that nothing has turned into numbers yet.

    Attributes
    ----------
    source : int
    missing_as : object, default=None
        The category that an imputer puts in the place of missing values.
    """

    source: int
    missing_as: object = None


class Columns:
    """What is known of each column: its name, and its categories once something has named them.

    Parameters
    ----------
    names : list of str
    categories : list
        For each column None if it holds numbers, else its categories as far as they are known from
        the rows.
    """

    def __init__(self, names, categories):
        self.names = names
        self.is_text = [c is not None for c in categories]
        self.categories = [None if c is None else list(c) for c in categories]
        self.unknown = [True] * len(names)
        self._named = [False] * len(names)
        self._numbers = [False] * len(names)

    @classmethod
    def of(cls, X, n_columns):
        """Return the columns of rows ``X``, a data frame or an array."""
        if not hasattr(X, "columns"):
            return cls([f"x{i}" for i in range(n_columns)], [None] * n_columns)
        categories = [categories_of(X[name]) for name in X.columns]
        return cls([str(name) for name in X.columns], categories)

    def raw(self):
        """Return the columns as they are: a Text or a Feature for each."""
        return [Text(i) if text else Feature(i) for i, text in enumerate(self.is_text)]

    def name_categories(self, source, categories, *, unknown=True):
        """Note what an encoder or a booster calls the categories of a column."""
        categories = [c for c in categories if not is_missing(c)]
        if self._named[source] and categories != self.categories[source]:
            raise NotReadable(
                f"column {self.names[source]!r} is encoded in two ways that know different "
                "categories"
            )
        self._named[source] = True
        self.categories[source] = categories
        self.unknown[source] &= unknown

    def use_as_numbers(self, features, who):
        """Return Features for a step that computes with numbers.

        Raises
        ------
        NotReadable
            If one of them is text.
        """
        for f in features:
            if isinstance(f, Text):
                raise NotReadable(f"{who} was given the text column {self.names[f.source]!r}")
            if f.table is None:
                self._numbers[f.source] = True
        return list(features)

    def inputs(self):
        """Return the inputs of a program.

        Raises
        ------
        NotReadable
            If a column is used as a number in one place and for its categories in another.
        """
        found = []
        for i, name in enumerate(self.names):
            categories = self.categories[i]
            if categories is not None and self._numbers[i]:
                raise NotReadable(
                    f"column {name!r} is used as a number in one place and for its categories in "
                    "another"
                )
            if self.is_text[i]:
                labels = tuple(map(str, categories))
                found.append(Input(name, labels=labels, unknown=self.unknown[i]))
            elif categories is not None:
                codes = tuple(map(float, categories))
                found.append(Input(name, codes=codes, unknown=self.unknown[i]))
            else:
                found.append(Input(name))
        return tuple(found)


def categories_of(column):
    """Return the categories of a column of a data frame, or None if it holds numbers."""
    dtype = column.dtype
    if hasattr(dtype, "categories") and dtype.categories is not None:
        return list(dtype.categories)
    kind = getattr(dtype, "kind", None)
    if kind is None:  # polars
        if dtype.is_numeric() or str(dtype) == "Boolean":
            return None
        return sorted({c for c in column.to_list() if c is not None})
    if kind in "biuf":
        return None
    return sorted({c for c in column.tolist() if not is_missing(c)}, key=str)


def is_missing(value):
    """Tell NaN, None and pandas' NA."""
    return value is None or str(value) == "<NA>" or bool(np.all(value != value))
