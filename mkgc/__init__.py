"""Multimodal knowledge graph completion: train, evaluate and apply models that read text and pictures."""
