"""Reading fitted models: one file per make of model, all of them into the same form.

Everything that is known of the insides of other libraries is here. What is read is never believed:
whoever writes a file compares it with the model.
"""

from sklearn_distill.export.readers._model import read_model

__all__ = ["read_model"]
