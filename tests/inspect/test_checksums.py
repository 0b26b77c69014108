import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from mkgc.inspect.checksums import name_files
from mkgc.inspect.published import PUBLISHED, find_published


def test_a_file_that_no_release_has_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(b"a\tb\tc\n")
    (tmp_path / "image.jpg").write_bytes(b"")
    section = name_files(tmp_path, None)
    checksum = hashlib.sha256(b"a\tb\tc\n").hexdigest()
    assert section.tables[0].rows == (("train.tsv", 6, checksum, "not known here"),)
    assert section.findings == ()


def test_another_label_version_of_twitter_2015_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("IMGID:1\na\tO\n")
    (finding,) = name_files(tmp_path, PUBLISHED["twitter2015"]).findings
    assert finding.severity == "warning"
    assert finding.text == (
        "test.txt is another version than that of Twitter-2015, UMT's labels (sha256 differs): two label versions of "
        "Twitter-2015 circulate, TMR's has 393 other labels in 239 test sentences; scores on the two cannot be compared"
    )


def test_relations_of_mnre_are_found_one_folder_above(tmp_path: Path) -> None:
    (tmp_path / "ours_rel2id.json").write_text("{}")
    (tmp_path / "mnre" / "txt").mkdir(parents=True)
    (tmp_path / "mnre" / "txt" / "ours_train.txt").write_text("")
    names = [row[0] for row in name_files(tmp_path / "mnre", None).tables[0].rows]
    assert names == ["txt/ours_train.txt", "../ours_rel2id.json"]


def test_names_of_data_sets_are_known_in_any_case() -> None:
    assert find_published("WN18RR") is PUBLISHED["wn18rr"]
    assert find_published("MKG-W") is PUBLISHED["mkg_w"]
    assert find_published("mine") is None
    assert find_published(None) is None


@pytest.mark.parametrize(("folder", "name"), [("mnre", "mnre"), ("twitter2015", "twitter2015"), ("wn18rr", "wn18rr")])
def test_the_released_files_are_recognised(real: Any, folder: Any, name: Any) -> None:
    section = name_files(real(folder), PUBLISHED[name])
    assert {row[-1] for row in section.tables[0].rows} == {PUBLISHED[name].title}
    assert section.findings == ()


def test_a_release_that_lies_under_another_name_is_recognised_all_the_same(real: Any, tmp_path: Path) -> None:
    shutil.copy(real("twitter2017") / "test.txt", tmp_path / "dev.txt")
    assert name_files(tmp_path, None).tables[0].rows[0][-1] == "Twitter-2017, UMT's labels"
