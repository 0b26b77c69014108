"""Inputs drawn with fixed seeds: of each comes an answer or one line, in time, and never a traceback."""
