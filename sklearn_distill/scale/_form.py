"""In which form rows reach a teacher or a student, wherever they are read from.

A file, a partition of a cluster's frame and a block of a data set hold the same columns in types
of their own. Whoever learned from a frame must be asked with the same columns, in the same order
and types, and with the same categories; whoever learned from an array, with an array.
"""

import base64
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from sklearn_distill.utils.rows import column_names, short


@dataclass(frozen=True, eq=False)
class RowForm:
    """The columns of rows, and what they are handed over as.

    Attributes
    ----------
    columns : tuple of str
        In the order in which teacher and student take them.
    kinds : tuple of {"number", "text", "date", "other"} or None
        Of each column; None while all its values are missing.
    array_dtype : str or None
        Type of the array that they are handed over in; None hands over a pandas data frame.
    like : pandas.DataFrame or None
        Without rows: types and categories that columns are cast to; None leaves them as read.
    """

    columns: tuple
    kinds: tuple
    array_dtype: str | None = None
    like: object = None

    @classmethod
    def of(cls, kinds, *, columns=None, like=None, expected=None):
        """Return the form for whoever learned from rows like these.

        Parameters
        ----------
        kinds : dict of str to str
            Kind of each column that there is to choose from.
        columns : sequence of str, default=None
            Those to hand over. None takes those of ``like``, else the expected ones, else all.
        like : data frame or ndarray, default=None
            Rows as it learned from.
        expected : sequence of str, default=None
            Names that it remembers.

        Raises
        ------
        ValueError
            If there is no such column, or a category whose values are left open.
        """
        names, array_dtype, frame = None, None, None
        if like is not None:
            names, array_dtype, frame = _from_example(like)
        for candidate in (columns, names, expected):
            if candidate is not None:
                names = list(candidate)
                break
        else:
            names = list(kinds)
        missing = [name for name in names if name not in kinds]
        if missing:
            raise ValueError(
                f"The source has no columns {short(missing)}; it has {short(list(kinds))}. Name "
                "the teacher's columns in columns=[...], or rename those of the source."
            )
        of_names = tuple(kinds[name] for name in names)
        if like is None and expected is None and all(k in ("number", None) for k in of_names):
            array_dtype = "auto"
        if array_dtype is not None:
            text = [n for n, kind in zip(names, of_names, strict=True) if kind not in _IN_ARRAYS]
            if text:
                raise ValueError(
                    f"like is an array of numbers, and the columns {short(text)} of the source "
                    "are none. Name the teacher's columns in columns=[...]."
                )
        if frame is not None:
            frame = frame[names]
        return cls(tuple(names), of_names, array_dtype, frame)

    def check(self, kinds, what):
        """Raise ValueError unless columns and kinds are those of this form.

        Parameters
        ----------
        kinds : dict of str to str
        what : str
            Where they were found, for the message.
        """
        missing = [name for name in self.columns if name not in kinds]
        if missing:
            raise ValueError(
                f"{what} lacks the columns {short(missing)}: it has {short(list(kinds))}. All "
                "partitions must have the columns of the first one."
            )
        for name, kind in zip(self.columns, self.kinds, strict=True):
            if None not in (kind, kinds[name]) and kind != kinds[name]:
                raise ValueError(
                    f"Column {name!r} of {what} is a {kinds[name]}, and a {kind} in the first "
                    "partition. Cast it, or leave the partition out."
                )

    def take(self, frame, what):
        """Return the rows of a frame as they are handed over.

        Parameters
        ----------
        frame : pandas.DataFrame
        what : str
            Where it is from, for messages.

        Returns
        -------
        rows : pandas.DataFrame or ndarray
        """
        self.check(kinds_of_frame(frame), what)
        frame = frame[list(self.columns)]
        if self.array_dtype is not None:
            rows = frame.to_numpy(None if self.array_dtype == "auto" else self.array_dtype)
            return rows.astype(np.float64) if rows.dtype == object else rows
        if self.like is not None:
            frame = frame.copy(deep=False)
            for name, dtype in self.like.dtypes.items():
                if frame[name].dtype != dtype:
                    frame[name] = _cast(frame[name], dtype, what)
        return frame.reset_index(drop=True)

    def to_json(self):
        """Return what JSON can hold of it."""
        return {
            "columns": list(self.columns),
            "array_dtype": self.array_dtype,
            "like": None if self.like is None else _write_types(self.like),
        }

    @classmethod
    def from_json(cls, found):
        """Return the form that :meth:`to_json` wrote, of any kinds: these were looked at."""
        like = found["like"]
        return cls(
            tuple(found["columns"]),
            (None,) * len(found["columns"]),
            found["array_dtype"],
            None if like is None else _read_types(like),
        )


_IN_ARRAYS = ("number", None)


def _from_example(like):
    """Return names, dtype of an array, and an empty frame, as the example has them."""
    import pandas as pd

    if isinstance(like, pd.DataFrame):
        return list(like.columns), None, like.iloc[:0]
    names = column_names(like)
    if names is not None and hasattr(like, "to_pandas"):  # polars, pyarrow
        return names, None, like.to_pandas().iloc[:0]
    if getattr(like, "ndim", None) == 2 and isinstance(like, np.ndarray):
        return None, str(like.dtype), None
    raise TypeError(
        f"like must be a data frame or an array, as the teacher was fitted on. Got a "
        f"{type(like).__name__}. Pass X_train[:1]."
    )


def kinds_of_frame(frame):
    """Return the kind of each column of a pandas data frame, by name."""
    return {str(name): _kind_of_series(frame[name]) for name in frame.columns}


def _kind_of_series(values):
    kind = getattr(values.dtype, "kind", "O")
    if str(values.dtype) == "category":
        return "text" if _kind_of_series(values.cat.categories) == "text" else "number"
    if kind in "biuf":
        return "number"
    if kind == "M":
        return "date"
    found = values.dropna()
    if not len(found):
        return None
    first = found.iloc[0] if hasattr(found, "iloc") else found[0]
    for kind, types in _KINDS:
        if isinstance(first, types):
            return kind
    return "other"


_KINDS = (
    ("text", (str, bytes)),
    ("number", (bool, int, float, Decimal, np.generic)),
    ("date", date),
)


def kinds_of_schema(schema):
    """Return the kind of each column of an Arrow schema, by name."""
    import pyarrow.types as types

    def kind(of):
        if types.is_dictionary(of):
            return kind(of.value_type)
        if types.is_null(of):
            return None
        if any(
            test(of)
            for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        ):
            return "number"
        if types.is_timestamp(of) or types.is_date(of):
            return "date"
        text = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary")
        if any(getattr(types, test)(of) for test in text if hasattr(types, test)):
            return "text"
        return "other"

    return {field.name: kind(field.type) for field in schema}


def _cast(values, dtype, what):
    """Cast a column; a category that the type does not have is refused."""
    if str(dtype) == "category":
        strange = values.dropna()
        strange = strange[~strange.isin(dtype.categories)]
        if len(strange):
            raise ValueError(
                f"Column {values.name!r} of {what} has categories that the teacher does not know: "
                f"{short(sorted(map(str, strange.unique())))}. Drop these rows, or have the "
                "teacher take the column as text, with an encoder that knows what to do."
            )
    try:
        return values.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {values.name!r} of {what} cannot be cast to {dtype}, as in like: {error}. "
            "Mend the values, or pass a like in which the column has a type for them."
        ) from error


def _write_types(frame):
    """Write an empty frame as text: types, and categories with the values they may have."""
    import pyarrow as pa

    # As a batch, since a table without rows is written without its dictionaries.
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode()


def _read_types(text):
    import pyarrow as pa

    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return pa.Table.from_batches([reader.read_next_batch()]).to_pandas()
