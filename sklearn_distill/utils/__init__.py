"""Helpers without a word about distillation: rows, progress, scikit-learn internals."""
