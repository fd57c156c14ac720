"""What holds for every test."""

import sys

import pytest

from sklearn_distill import labelling
from tests import transfer_sets


def pytest_pycollect_makemodule():
    """Draw the modules that stand in parameters alike, whichever files are collected before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(sys.modules["torch"].initial_seed())


@pytest.fixture(autouse=True)
def _a_test_does_not_depend_on_the_run(monkeypatch):
    """Make modules the same ones in every run, and no teacher slow because the machine is.

    What weights are drawn of a module decides whether a teacher that nobody trained agrees with
    the labels by chance, and so what it is warned of. Without modules torch is not loaded for it.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    monkeypatch.setattr(labelling, "SLOW_STAGE_SECONDS", float("inf"))


# -- what the tests of all engines share -----------------------------------------------------


@pytest.fixture
def small_partitions(monkeypatch):
    """Make partitions of 800 rows."""
    from sklearn_distill.scale import _engines, _sources

    monkeypatch.setattr(_sources, "PARTITION_ROWS", 800)
    monkeypatch.setattr(_engines, "PARTITION_ROWS", 800)


@pytest.fixture(scope="session")
def rows():
    """Rows of which the first 300 have a label."""
    return transfer_sets.make_rows()


@pytest.fixture(scope="session")
def teacher(rows):
    """A forest that is fitted on these."""
    return transfer_sets.make_teacher(rows)


@pytest.fixture(scope="session")
def expected(rows, teacher):
    """What it says of all rows in memory."""
    return transfer_sets.labels_of(teacher, rows)


@pytest.fixture
def parquet(rows, tmp_path):
    """A file of the rows, in row groups of 400."""
    rows.to_parquet(tmp_path / "rows.parquet", row_group_size=400)
    return tmp_path / "rows.parquet"
