"""What holds for every test."""

import sys

import pytest

from sklearn_distill import labelling


@pytest.fixture(autouse=True)
def _a_test_does_not_depend_on_the_run(monkeypatch):
    """Make modules the same ones in every run, and no teacher slow because the machine is.

    What weights are drawn of a module decides whether a teacher that nobody trained agrees with
    the labels by chance, and so what it is warned of. Without modules torch is not loaded for it.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    monkeypatch.setattr(labelling, "SLOW_STAGE_SECONDS", float("inf"))
