"""The errors that the losses share, whatever computes them."""

from difflib import get_close_matches

#: Losses that say nothing with two classes: why, and what to use in their place.
NEEDS_THREE_CLASSES = {
    "dkd": "the target class leaves a single other class, so the non-target term is always 0",
    "dist": "the two probabilities of a row always correlate by 1 or -1",
    "logit-standardization": "the two z-scores of a row are always 0.707 and -0.707",
}


def check_logits(student_shape, teacher_shape, temperature):
    """Raise unless both are (n_samples, n_classes) and the temperature is positive.

    Raises
    ------
    ValueError
        With what was got, what is accepted and what to do.
    """
    if len(student_shape) != 2 or tuple(student_shape) != tuple(teacher_shape):
        raise ValueError(
            "The student's logits and the teacher's log-probabilities must both have the shape "
            f"(n_samples, n_classes). Got {tuple(student_shape)} and {tuple(teacher_shape)}. A "
            "single logit z for two classes is the two columns (0, z)."
        )
    if not temperature > 0:
        raise ValueError(
            f"The temperature must be a number in the range (0.0, inf). Got {temperature!r} "
            "instead."
        )


def check_three_classes(name, n_classes):
    """Raise if a loss carries no information for so few classes.

    Raises
    ------
    ValueError
        With the reason, and what to use instead.
    """
    if n_classes < 3:
        raise ValueError(
            f"The loss {name!r} carries no information with {n_classes} classes: "
            f"{NEEDS_THREE_CLASSES[name]}. Use 'kl', or 'logit-mse', instead."
        )


def check_labels(name, labels):
    """Raise if a loss that looks at the real labels was given none.

    Raises
    ------
    ValueError
        With what to do.
    """
    if labels is None:
        raise ValueError(
            f"The loss {name!r} looks at the real labels. Pass labels= with the position of each "
            "row's class, and -1 for a row without one; or use 'kl', which needs none."
        )


def refuse_zeros(name):
    """Raise because the teacher has probabilities of exactly zero.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(
        f"The loss {name!r} needs finite log-probabilities of the teacher. Got infinite or NaN "
        "ones. Replace probabilities of zero by a small number first, or use 'kl', which accepts "
        "them."
    )


def unknown_name(name, accepted, what):
    """Return the error for a name that is not among the accepted ones.

    Parameters
    ----------
    name : str
        What was got.
    accepted : iterable of str
        What is accepted.
    what : str
        What the names are for.

    Returns
    -------
    ValueError
    """
    close = get_close_matches(name.lower().replace("_", "-"), accepted, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return ValueError(
        f"There is no {what} named {name!r}.{hint} Use one of {sorted(accepted)}, or a callable."
    )
