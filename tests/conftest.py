"""What holds for every test."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _weights_of_modules_are_drawn_alike():
    """Make the modules of a test the same ones in every run.

    What weights are drawn of decides whether a teacher that nobody trained agrees with the labels
    by chance, and so what it is warned of. A test without modules does not load torch for this.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
