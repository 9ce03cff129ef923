"""Reconstruction on a device: streaming, ONNX and TorchScript."""
