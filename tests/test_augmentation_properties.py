"""What every augmenter keeps, whatever the table."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from sklearn_distill.augmentation import (
    ColumnSwap,
    Composition,
    Interpolation,
    LeafSwap,
    Munge,
    ScaledNoise,
)

FLOATS = st.floats(-1e6, 1e6, width=32)
HOLED = FLOATS | st.just(np.nan)
FOCUS = st.sampled_from(["uniform", "rare"])
SHARES = st.floats(0.01, 1)
TIMES = st.floats(0.2, 4)
AUGMENTERS = {
    "swap": st.builds(ColumnSwap, TIMES, share=SHARES, focus=FOCUS),
    "leaf": st.builds(LeafSwap, TIMES, share=SHARES, focus=FOCUS),
    "munge": st.builds(Munge, TIMES, swap_probability=SHARES, focus=FOCUS),
    "munge with noise": st.builds(
        Munge, TIMES, local_variance=st.floats(0.1, 10), max_candidates=st.integers(2, 9)
    ),
    "interpolation": st.builds(Interpolation, TIMES, concentration=st.floats(0.1, 5), focus=FOCUS),
    "noise": st.builds(ScaledNoise, TIMES, scale=st.floats(0, 3), focus=FOCUS),
    "composition": st.builds(
        lambda a, b: Composition([ColumnSwap(a), ScaledNoise(b)]), TIMES, TIMES
    ),
}
#: Cells of their new rows are cells of old ones.
SWAPS = ["swap", "leaf", "munge"]
each = pytest.mark.parametrize("name", AUGMENTERS)
quick = settings(max_examples=40, deadline=None)


@st.composite
def tables(draw, values=HOLED, dtype=np.float64):
    """A table of 2 to 30 rows, with two classes in it."""
    n, d = draw(st.integers(4, 30)), draw(st.integers(1, 5))
    X = draw(arrays(dtype, (n, d), elements=values))
    y = np.arange(n) % 2
    return X, y


@st.composite
def frames(draw):
    X, y = draw(tables())
    n = len(X)
    rng = np.random.RandomState(draw(st.integers(0, 99)))
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    frame["count"] = rng.randint(-3, 4, n)
    frame["small"] = rng.randint(0, 200, n).astype(np.uint8)
    frame["flag"] = rng.rand(n) < 0.5
    frame["kind"] = pd.Categorical(rng.choice(["a", "b", None], n), categories=["c", "b", "a"])
    return frame[list(rng.permutation(frame.columns))], y


def sampled(name, data, X, y):
    augmenter = data.draw(AUGMENTERS[name])
    seed = data.draw(st.integers(0, 2**32 - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return augmenter, augmenter.sample(X, y, random_state=seed)


def n_expected(augmenter, n):
    times = getattr(augmenter, "times", None)
    if times is None:
        for one in augmenter.augmenters:
            n = max(1, round(one.times * n))
        return n
    return max(1, round(times * n))


@each
@quick
@given(data=st.data(), table=tables())
def test_columns_keep_their_range_and_their_holes(name, data, table):
    X, y = table
    before = X.copy()
    _, X_new = sampled(name, data, X, y)
    assert X_new.dtype == X.dtype
    assert X_new.shape == (len(X_new), X.shape[1])
    np.testing.assert_array_equal(X, before)
    for old, new in zip(X.T, X_new.T, strict=True):
        if not np.isnan(old).any():
            assert not np.isnan(new).any()
        if np.isnan(old).all():
            assert np.isnan(new).all()
        assert not np.isinf(new).any()
        if name in [*SWAPS, "interpolation"] and not np.isnan(old).all():
            low, high = np.nanmin(old), np.nanmax(old)
            slack = 1e-9 * max(abs(low), abs(high))
            known = new[~np.isnan(new)]
            assert (known >= low - slack).all()
            assert (known <= high + slack).all()


@each
@quick
@given(data=st.data(), table=tables(st.integers(-5, 5), np.int32))
def test_whole_numbers_stay_whole_and_among_those_that_there_are(name, data, table):
    X, y = table
    _, X_new = sampled(name, data, X, y)
    assert X_new.dtype == np.int32
    for old, new in zip(X.T, X_new.T, strict=True):
        assert set(new.tolist()) <= set(old.tolist())


@pytest.mark.parametrize("name", SWAPS)
@quick
@given(data=st.data(), table=tables())
def test_swaps_make_no_value(name, data, table):
    X, y = table
    _, X_new = sampled(name, data, X, y)
    for old, new in zip(X.T, X_new.T, strict=True):
        assert set(np.nan_to_num(new, nan=7e7).tolist()) <= set(
            np.nan_to_num(old, nan=7e7).tolist()
        )


@each
@quick
@given(data=st.data(), table=tables(FLOATS))
def test_rows_are_as_many_as_asked_for(name, data, table):
    augmenter, X_new = sampled(name, data, *table)
    assert len(X_new) == n_expected(augmenter, len(table[0]))


@each
@quick
@given(data=st.data(), table=frames())
def test_frames_keep_columns_types_and_categories(name, data, table):
    frame, y = table
    before = frame.copy()
    _, new = sampled(name, data, frame, y)
    pd.testing.assert_frame_equal(frame, before)
    assert new.columns.tolist() == frame.columns.tolist()
    assert new.dtypes.tolist() == frame.dtypes.tolist()
    assert set(new["count"]) <= set(frame["count"])
    assert set(new["small"]) <= set(frame["small"])
    assert set(new["kind"].dropna()) <= set(frame["kind"].dropna())
    if frame["kind"].notna().all():
        assert new["kind"].notna().all()


@each
@quick
@given(data=st.data(), table=frames())
def test_containers_hold_the_same_rows(name, data, table):
    frame, y = table
    frame = frame.drop(columns="kind")
    augmenter = data.draw(AUGMENTERS[name])
    of_pandas = augmenter.sample(frame, y, random_state=0)
    of_polars = augmenter.sample(pl.from_pandas(frame, nan_to_null=False), y, random_state=0)
    assert isinstance(of_polars, pl.DataFrame)
    pd.testing.assert_frame_equal(
        of_polars.to_pandas(), of_pandas.reset_index(drop=True), check_exact=False
    )


@pytest.mark.parametrize("name", ["swap", "leaf", "interpolation", "noise", "composition"])
@quick
@given(data=st.data(), table=tables(st.sampled_from([0.0, 0.0, 1.0, -2.5])))
def test_sparse_rows_stay_sparse(name, data, table):
    X, y = table
    _, X_new = sampled(name, data, sparse.csr_matrix(X), y)
    assert sparse.issparse(X_new)
    assert X_new.shape[1] == X.shape[1]
    # A column without an entry gets none.
    assert not X_new.toarray()[:, (X == 0).all(axis=0)].any()


@each
@quick
@given(data=st.data(), table=tables(FLOATS))
def test_rows_that_are_all_the_same_stay_so(name, data, table):
    X, y = table
    X = np.tile(X[:1], (len(X), 1))
    _, X_new = sampled(name, data, X, y)
    if "noise" not in name and name != "composition":
        np.testing.assert_allclose(X_new, np.tile(X[:1], (len(X_new), 1)), rtol=1e-6)
    else:  # without any spread there is none to be scaled
        np.testing.assert_allclose(X_new, np.tile(X[:1], (len(X_new), 1)), rtol=1e-3, atol=1e-3)
