"""A name that several entities have is that of one: by priors, else by triples, else by order."""

from pathlib import Path

import pytest

from mkgc.data.names import choose_owners, degrees_of, read_priors
from mkgc.errors import DataError

CALLED = [("Paris", "City of Light"), ("Paris", "Paris, Texas"), ("Paris",)]


def owner(name: str, degrees: list[int], priors: dict[tuple[str, int], float] | None = None) -> int:
    known = choose_owners(CALLED, degrees, priors)
    return int(known.owners[known.names.index(name)])


def test_the_prior_counts_first_then_triples_then_order() -> None:
    assert owner("Paris", [5, 5, 5]) == 0
    assert owner("Paris", [1, 9, 3]) == 1
    assert owner("Paris", [1, 9, 3], {("Paris", 2): 0.2, ("Paris", 0): 0.1}) == 2
    assert owner("Paris", [1, 9, 3], {("Paris, Texas", 0): 7.0}) == 1, "a prior is of one name alone"


def test_names_are_listed_once_and_those_of_several_entities_are_told() -> None:
    known = choose_owners([*CALLED, ("Rome", "Rome", " ", "New  York ", "\ud800")], [0, 0, 0, 0])
    assert known.names == ("Paris", "City of Light", "Paris, Texas", "Rome", "New York")
    assert known.ambiguous == ("Paris",)


def test_short_names_are_left_out() -> None:
    known = choose_owners([("A", "京", "AB")], [0], least=2)
    assert known.names == ("AB",)


def test_degrees_count_both_ends() -> None:
    import numpy as np

    assert degrees_of(4, np.array([[0, 0, 1], [1, 0, 2], [0, 1, 0]])) == [3, 2, 1, 0]
    assert degrees_of(2, np.empty((0, 3), np.int64)) == [0, 0]


def test_priors_lie_in_a_file_of_the_graph(tmp_path: Path) -> None:
    assert read_priors(tmp_path, ["fr"]) == {}
    (tmp_path / "priors.tsv").write_text("Paris\ttx\t3\n\nNew  York\tfr\t0.5\n")
    assert read_priors(tmp_path, ["fr", "tx"]) == {("Paris", 1): 3.0, ("New York", 0): 0.5}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Paris\ttx", "a name, an entity's id and a number"),
        ("Paris\ttx\tmany", "a number of at least 0"),
        ("Paris\ttx\t-1", "a number of at least 0"),
        ("Paris\tnan\tnan", "a number of at least 0"),
        ("Paris\ttxx\t1", "no entity 'txx'; did you mean 'tx'"),
    ],
)
def test_what_is_no_prior_is_a_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "priors.tsv").write_text(f"Paris\ttx\t3\n{line}\n")
    with pytest.raises(DataError, match=f"priors.tsv:2: .*{said}"):
        read_priors(tmp_path, ["fr", "tx"])
