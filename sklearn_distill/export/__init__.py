"""Students as files that run without Python, each compared with its model before it is kept."""

from sklearn_distill.export.c import export_c
from sklearn_distill.export.files import ExportedFile
from sklearn_distill.export.javascript import export_js
from sklearn_distill.export.onnx_file import export_onnx
from sklearn_distill.export.parity import ParityError
from sklearn_distill.export.persistence import load_model, save_model
from sklearn_distill.export.runtime import OnnxClassifier, OnnxRegressor
from sklearn_distill.export.text import export_sql, export_text, monotone_directions

__all__ = [
    "ExportedFile",
    "OnnxClassifier",
    "OnnxRegressor",
    "ParityError",
    "export_c",
    "export_js",
    "export_onnx",
    "export_sql",
    "export_text",
    "load_model",
    "monotone_directions",
    "save_model",
]
