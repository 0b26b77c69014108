"""Two towers as ONNX files: their export, and what runs them without torch."""
