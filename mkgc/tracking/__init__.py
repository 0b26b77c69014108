"""What trackers (TensorBoard, Weights & Biases) are shown of a run, and the guard that lets none of them stop it."""
