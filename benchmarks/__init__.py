"""Runs that measure and show; each file is a command of its own."""
