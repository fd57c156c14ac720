"""Estimators that are what they are."""


class FrozenMixin:
    """Makes ``fit`` change nothing and ``clone`` return the object itself.

    As with :class:`~sklearn.frozen.FrozenEstimator`, but for objects that are estimators without
    another one inside.
    """

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        return self

    def fit(self, X, y=None):
        """Do nothing: it is fitted.

        Parameters
        ----------
        X : object
            Ignored.
        y : object
            Ignored.

        Returns
        -------
        self : object
        """
        return self
