"""What is wrong with a student, or what its ``fit`` is given, found before anything is fitted."""

from sklearn.pipeline import Pipeline

from sklearn_distill.strategies.boosting import check_fit_params
from sklearn_distill.utils._sklearn_private import check_settings, routing_enabled
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import split_fit_params


def check_before_teaching(strategy, student, fit_params):
    """Find what is wrong with a student, or what its ``fit`` is given, before anything is fitted.

    Parameters
    ----------
    strategy : Strategy
    student : estimator
        May be a Pipeline.
    fit_params : dict
        The user's, for ``student.fit``.

    Raises
    ------
    TypeError, ValueError
    """
    while isinstance(student, Pipeline):
        for _, step in student.steps:
            check_step(step)
        head_params, fit_params = split_fit_params(student, fit_params)
        check_names_of_steps(student, head_params)
        student = student.steps[-1][1]
    check_settings(student)
    # The weights that other steps requested are not the student's: those are made from its
    # targets.
    params = {key: value for key, value in fit_params.items() if key != "sample_weight"}
    strategy.check_fit_params(student, params)
    check_fit_params(student, params)


def check_step(step):
    """Refuse a step with invalid settings, and one that adds or drops rows."""
    if hasattr(step, "fit_resample"):
        raise TypeError(
            f"{name_of(step)} resamples rows, and the soft targets would be left behind. Take it "
            "out of the student and put it before the model: imblearn.pipeline.make_pipeline("
            f"{name_of(step)}(), DistillationClassifier(...)); or set class_weight."
        )
    check_settings(step)


def check_names_of_steps(pipeline, params):
    """Raise TypeError if fit parameters, ``step__name``, name no step of a Pipeline."""
    if routing_enabled():
        return
    steps = [name for name, _ in pipeline.steps]
    unknown = [key for key in params if key.partition("__")[0] not in steps]
    if unknown:
        raise TypeError(
            f"No step of the student takes the fit parameter {unknown[0]!r}. Write "
            f"{steps[-1]}__{unknown[0]} if it is for its last step."
        )
