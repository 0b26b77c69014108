"""Findings of `python -m mkgc.check` in a data set: from what was read to tables and findings, and their renderers."""
