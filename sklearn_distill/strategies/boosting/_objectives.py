"""Which objectives of the user a booster may have."""

from sklearn_distill.utils.dispatch import name_of


def objective_objection(student, parameter, objective, *, kept, otherwise=()):
    """Return why the user's objective cannot be kept, or None.

    Parameters
    ----------
    student : estimator
    parameter : str
        The library's name for it, such as "objective".
    objective : object
        What the user set.
    kept : set of str or None
        Objectives that Hinton's loss takes the place of.
    otherwise : collection of str
        Objectives of classifiers that have to be taught in another way.

    Raises
    ------
    TypeError
        If no way of teaching soft targets could keep the objective.
    """
    try:
        if objective in kept:
            return None
        if objective in otherwise:
            return f"cannot keep {parameter}={objective!r}"
    except TypeError:  # an object of the user's that cannot be hashed
        pass
    accepted = ", ".join(sorted(map(repr, kept - {None})))
    raise TypeError(
        f"{name_of(student)} has {parameter}={objective!r}, which is no loss of class "
        f"probabilities and cannot learn soft targets. Leave it at its default, or use one of "
        f"{accepted}."
    )
