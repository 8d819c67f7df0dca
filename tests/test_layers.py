"""The arrow of the house: portal -> messaging -> tracking, `worker` on top, and nobody imports the sandbox."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "tracking": {"tracking"},
    "messaging": {"messaging", "tracking"},
    "portal": {"portal", "messaging", "tracking", "worker"},
    "worker": {"worker", "portal", "messaging", "tracking"},
}
OURS = {"tracking", "messaging", "portal", "worker", "sandbox", "migrations", "tests", "bench"}
FORBIDDEN = {"tracking": {"flask", "twilio", "rq"}, "messaging": {"flask"}}
MODULES = sorted(
    path for room in MAY_IMPORT for path in ([ROOT / "worker.py"] if room == "worker" else (ROOT / room).rglob("*.py"))
)


def imported(path: Path) -> set[str]:
    """Return the first names of everything a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_nothing_above_it(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    names = imported(path)
    assert names & OURS <= MAY_IMPORT[room]
    assert not names & FORBIDDEN.get(room, set())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_imports_the_worker(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    assert relative in {"portal/commands.py", "worker.py"} or "worker" not in imported(path)
