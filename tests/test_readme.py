"""README tells the truth about settings and rooms."""

from pathlib import Path

import pytest

from portal.settings import names

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", names())
def test_each_setting_is_in_readme(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", sorted(path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()))
def test_each_room_is_in_readme(path: str) -> None:
    assert f"`{path}/`" in (ROOT / "README.md").read_text()
