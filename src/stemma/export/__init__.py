"""From encoder and network to one ONNX graph: `onnx` joins them, `parity` proves that the result is the same."""
