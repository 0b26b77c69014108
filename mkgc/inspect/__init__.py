"""What `python -m mkgc.check` finds in a data set: from what was read to tables and findings, and their renderers."""
