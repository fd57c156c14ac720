"""Teacher assistants: a chain of students, each of which teaches the next smaller one."""

from sklearn_distill._classifier import DistillationClassifier
from sklearn_distill._regressor import DistillationRegressor
from sklearn_distill.teachers import as_teacher
from sklearn_distill.utils.dispatch import is_of_kind


def make_assistant_chain(teacher, *students, **settings):
    """Return a distillation in which each student is the teacher of the next.

    Between a large teacher and a very small student the step may be too wide; an assistant of a
    size in between is taught first, and teaches then [1]_. The chain is a model of distillation
    whose teacher is one, too, as deep as there are students; its parameters are reached through
    ``teacher__``, such as ``teacher__student__max_depth`` for the assistant.

    Parameters
    ----------
    teacher : estimator, torch module, booster or list of (str, estimator)
        Of the first student: a classifier, or a regressor; fitted or not.
    *students : estimators
        From the largest to the smallest, which is the one that the chain predicts with.
    **settings : dict
        Of every step, as for :class:`DistillationClassifier` or :class:`DistillationRegressor`.

    Returns
    -------
    DistillationClassifier or DistillationRegressor
        Not fitted.

    Raises
    ------
    TypeError
        If there is no student.

    See Also
    --------
    DistillationClassifier : One step; takes a distilled model as teacher.

    Notes
    -----
    An assistant that is not fitted labels its rows out-of-fold, by chains that are fitted for each
    fold: with k folds the first teacher of n students is fitted up to (k + 1)ⁿ times. A fitted
    teacher, ``memory``, or ``cv="in-sample"`` keep that small.

    References
    ----------
    .. [1] S. Mirzadeh, M. Farajtabar, A. Li, N. Levine, A. Matsukawa, H. Ghasemzadeh, "Improved
       Knowledge Distillation via Teacher Assistant", AAAI 2020,
       `arXiv:1902.03393 <https://arxiv.org/abs/1902.03393>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import make_assistant_chain
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = ExtraTreesClassifier(min_samples_leaf=2, random_state=0).fit(X[:1000], y[:1000])
    >>> assistant = RandomForestClassifier(5, random_state=0)
    >>> student = DecisionTreeClassifier(max_leaf_nodes=32, random_state=0)
    >>> chain = make_assistant_chain(teacher, assistant, student, alpha=0.5, temperature=2, cv=3)
    >>> bool(chain.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.6)
    True
    """
    if not students:
        raise TypeError(
            "make_assistant_chain needs at least one student: make_assistant_chain(teacher, "
            "assistant, student)."
        )
    values = is_of_kind(as_teacher(teacher), "regressor")
    step = DistillationRegressor if values else DistillationClassifier
    for student in students:
        teacher = step(teacher, student, **settings)
    return teacher
