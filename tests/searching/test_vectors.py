"""Approximate indexes of vectors find most of what exact search finds, of few vectors as of many."""

import numpy as np
import pytest

from mkgc.searching.vectors import FOUND, Kind, index_rows, shared


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_an_approximate_index_of_a_few_thousand_vectors_misses_little(kind: Kind) -> None:
    """More groups than lists: what is near lies in several of them, of which a sixteenth would hold half."""
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((1000, 64))
    rows = centres[draw.integers(1000, size=8200)] + 1.5 * draw.standard_normal((8200, 64))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    rows, queries = rows[:8000], rows[8000:]
    exact, near = (index_rows(rows, one).search(queries, FOUND)[1] for one in ("flat", kind))
    assert shared(near, exact) > 0.9
