"""Heads over an encoder's states: classifiers of pairs, words and tokens, and projections into a shared space."""
