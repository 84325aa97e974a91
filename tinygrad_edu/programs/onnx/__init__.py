"""A program as a model of ONNX. Reading order: nodes.py, model.py."""
