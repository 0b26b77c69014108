"""Encoders joined into what a task stands on."""
