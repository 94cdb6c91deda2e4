"""The house keeps its order: who may import whom, read from the source, and what an import costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "gpen_ui"

# A room may import only rooms of a lower number; rooms of the same number do not know each other.
FLOORS = {
    "paths": 0,
    "texts": 0,
    "errors": 1,
    "reasons": 1,
    "options": 2,
    "choices": 2,
    "settings": 2,
    "catalog": 2,
    "access": 3,
    "presets": 3,
    "network": 3,
    "weights": 4,
    "photo": 5,
    "faces": 5,
    "look": 5,
    "engine": 6,
    "jobs": 7,
    "measure": 7,
    "api": 8,
    "ui": 8,
    "cli": 8,
}
# The page is started from the command line, and its server mounts REST; nothing else crosses between doors.
ALLOWED_BESIDES = {("cli", "ui"), ("ui", "api")}

# Foreign libraries -> the only places that may import them at all.
HOMES = {
    "torch": ("network", "weights", "engine", "faces/parse.py", "faces/retinaface.py", "faces/recognizer.py"),
    "gradio": ("ui",),
    "fastapi": ("api", "ui"),
    "typer": ("cli",),
    "rich": ("cli",),
    "safetensors": ("weights",),
    "basicsr": ("look", "network"),
    "facexlib": ("faces",),
    "onnxruntime": ("faces",),
    "onnx": ("faces/retinaface.py", "faces/recognizer.py"),
    "triton": ("engine/kernels.py",),
    "ray": ("jobs/cluster",),
    "retinaface": ("faces",),
    "matplotlib": ("measure",),
    "PIL": ("photo", "ui"),
    "cv2": ("photo", "faces", "look"),
}
NEVER = ("training", "tests", "benchmarks", "skimage")


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports anywhere, and whether it does so only for the type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "gpen_ui":
                yield from ((f"gpen_ui.{alias.name}", id(node) in for_types) for alias in node.names)
            else:
                yield module, id(node) in for_types


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for module, _ in imported_modules(path):
        if not module.startswith("gpen_ui."):
            continue
        other = module.split(".")[1]
        if other == room or other.startswith("__") or (room, other) in ALLOWED_BESIDES:
            continue
        assert FLOORS[other] < FLOORS[room], f"{path.relative_to(CHECKOUT)} imports {module}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_foreign_libraries_stay_in_their_rooms(path: Path):
    here = str(path.relative_to(PACKAGE))
    for module, only_for_types in imported_modules(path):
        library = module.split(".")[0]
        assert library not in NEVER, f"{here} imports {module}"
        if library in HOMES and not only_for_types:
            homes = HOMES[library]
            assert here.startswith(tuple(f"{home}/" for home in homes)) or here in homes, f"{here} imports {module}"


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in sources()} - {"__init__", "__main__"}
    assert rooms == set(FLOORS)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("gpen_ui.cli", "torch gradio cv2 numpy PIL fastapi onnxruntime"),
        ("gpen_ui.cli.program", "torch gradio cv2 numpy PIL fastapi onnxruntime"),
        ("gpen_ui.settings", "torch gradio cv2 numpy typer"),
        ("gpen_ui.options", "torch gradio cv2 numpy typer"),
        ("gpen_ui.catalog", "torch gradio cv2 numpy typer"),
        ("gpen_ui.engine", "torch gradio typer"),
        ("gpen_ui.photo", "torch gradio typer"),
        ("gpen_ui.jobs", "torch gradio typer ray"),
        ("gpen_ui.jobs.cluster", "torch gradio typer ray"),
        ("gpen_ui.faces", "gradio typer basicsr facexlib"),
        ("gpen_ui.ui", "torch typer"),
    ],
)
def test_importing_a_room_does_not_load(module: str, unwanted: str):
    """`--help` answers at once, and whoever uses one room does not pay for the others."""
    code = f"import sys, {module}; print(*(name for name in {unwanted.split()!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert ran.stdout.split() == []


def test_help_loads_no_heavy_library():
    """The help of every command is built without the engine."""
    code = (
        "import sys\n"
        "from gpen_ui.cli import main\n"
        "try: main(['enhance', '--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', *(n for n in ('torch', 'gradio', 'cv2', 'numpy', 'PIL') if n in sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert ran.stdout.splitlines()[-1] == "LOADED"


def test_the_library_does_not_print_and_does_not_exit():
    """Only the command line writes to the terminal and ends the process."""
    for path in sources():
        if room_of(path) in ("cli", "__main__"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("print", "exit", "quit", "sys.exit", "os._exit"), f"{path}:{node.lineno} {name}"
