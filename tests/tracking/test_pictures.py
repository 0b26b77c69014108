"""Pictures of results for trackers."""

import numpy as np

from mkgc.tracking.pictures import of_one_size


def test_pictures_of_one_size_are_the_pictures_with_white_beside_them() -> None:
    wide, high = np.zeros((2, 5, 3), np.uint8), np.full((4, 3, 3), 7, np.uint8)
    one, other = of_one_size([wide, high])
    assert one.shape == other.shape == (4, 5, 3)
    assert (one[:2] == wide).all()
    assert (one[2:] == 255).all()
    assert (other[:, :3] == high).all()
    assert (other[:, 3:] == 255).all()
    assert of_one_size([]) == []
