"""Files with the same content are one picture."""

from pathlib import Path

from mkgc.images.equal import first_equal


def test_a_file_is_as_the_first_with_the_same_content(tmp_path: Path) -> None:
    for name, content in {"a": b"one", "b": b"two", "c": b"one", "d": b"three"}.items():
        (tmp_path / name).write_bytes(content)
    paths = {name: tmp_path / name for name in "abcde"}
    assert first_equal(paths.values()) == {path: path for path in paths.values()} | {paths["c"]: paths["a"]}
    assert first_equal([paths["c"], paths["a"]])[paths["a"]] == paths["c"]
    gone = [tmp_path / "gone", tmp_path / "away"]
    assert [*first_equal(gone).values()] == gone
