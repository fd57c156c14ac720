"""Random numbers that never touch NumPy's global generator."""

import numpy as np


def own_rng(random_state):
    """Return a RandomState; ``None`` gives a freshly seeded one.

    scikit-learn's ``check_random_state(None)`` would return NumPy's global
    generator and advance it.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    return np.random.RandomState(random_state)
