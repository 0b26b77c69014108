"""Sweeps: jobs that are run once each, here or in other processes, and searches among them."""
