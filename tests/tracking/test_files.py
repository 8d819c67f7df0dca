"""Files are named by their content and are there whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from tracking.files import FileStore


def test_a_stored_file_is_found_by_the_hash_of_its_content(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    sha256 = store.put(b"a photo")
    assert sha256 == hashlib.sha256(b"a photo").hexdigest()
    assert store.path(sha256).read_bytes() == b"a photo"


def test_the_same_content_is_one_file_and_nothing_half_written_stays(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(b"twice")
    store.put(b"twice")
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == [hashlib.sha256(b"twice").hexdigest()]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "/x"])
def test_a_name_that_is_no_hash_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        FileStore(tmp_path).path(name)
