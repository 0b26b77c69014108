"""Losses, one definition a file."""
