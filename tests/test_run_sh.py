"""run.sh with stand-ins for Python, pip and the driver's tool: what it chooses, installs, repairs and passes on.

The stand-in of Python writes down what it was asked to do, so that an installation takes milliseconds.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements-docs.txt", "requirements-likeness.txt")
TOOLS = (
    "bash",
    "sh",
    "env",
    "dirname",
    "cat",
    "cksum",
    "mkdir",
    "rm",
    "mv",
    "cp",
    "chmod",
    "grep",
    "sed",
    "sort",
    "head",
    "uname",
    "tr",
    "ps",
    "sleep",
    "touch",
)

PYTHON = r"""#!/usr/bin/env bash
# a Python that only writes down what it is asked
printf '%s\n' "${0##*/} $*" >>"$STANDIN_LOG"
here="$(cd -- "$(dirname -- "$0")" && pwd -P)"
case "$*" in
  --version) echo "Python 3.12.7" ;;
  *sys.prefix*) dirname -- "$here" ;;
  *"version_info < (3, 13)"*) exit 1 ;;
  "-m venv "*)
    mkdir -p "$3/bin" && cp -- "$0" "$3/bin/python" && chmod +x "$3/bin/python"
    printf '#!%s\n' "$3/bin/python" >"$3/bin/pip"
    for tool in ruff mypy; do
      printf '#!/usr/bin/env bash\necho "%s $*"; exit "${STANDIN_LINT:-0}"\n' "$tool" >"$3/bin/$tool"
      chmod +x "$3/bin/$tool"
    done ;;
  *" install "*)
    if [ -n "${STANDIN_KILL:-}" ] && [[ "$*" == *"$STANDIN_KILL"* ]]; then kill -9 "$PPID"; fi
    if [ -n "${STANDIN_FAIL:-}" ] && [[ "$*" == *"$STANDIN_FAIL"* ]]; then exit 1; fi
    if [ -n "${STANDIN_WAIT:-}" ]; then touch "$STANDIN_WAIT"; sleep 30; fi ;;
  "- http"*) exit "${STANDIN_UNREACHABLE:-0}" ;;
  -) exit 1 ;; # no Chromium
  "-P -m gpen_ui"*) printf 'RAN in %s:' "$PWD"; shift 3; printf ' <%s>' "$@"; echo; exit "${STANDIN_EXIT:-0}" ;;
  "-m pytest"*) echo "pytest was here: $*"; exit "${STANDIN_PYTEST:-0}" ;;
esac
"""
SHIM = "#!/usr/bin/env bash\necho 'pyenv: command not found' >&2\nexit 127\n"


class Machine:
    """A checkout and a PATH with nothing on it but a few tools and the stand-ins that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "GPEN 修复 checkout"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir()
        self.checkout.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        for name in ("run.sh", *REQUIREMENTS, "pyproject.toml"):
            shutil.copy(CHECKOUT / name, self.checkout / name)

    def put(self, name: str, content: str) -> None:
        path = self.bin / name
        path.write_text(content, encoding="utf-8")
        path.chmod(0o755)

    def environment(self, **variables: str) -> dict[str, str]:
        return {"PATH": str(self.bin), "STANDIN_LOG": str(self.log), "LANG": "C.UTF-8", **variables}

    def run(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("", encoding="utf-8")
        return subprocess.run(
            [self.checkout / "run.sh", *arguments],
            cwd=cwd or self.checkout,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def call(self, function: str, **variables: str) -> str:
        """What one function of run.sh prints."""
        self.log.write_text("", encoding="utf-8")
        script = f'source "$1"; {function}'
        ran = subprocess.run(
            ["bash", "-c", script, "bash", str(self.checkout / "run.sh")],
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return ran.stdout.strip()

    def installs(self) -> list[str]:
        """What was installed, in order."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line.partition(" install ")[2] for line in lines if " install " in line]

    def asked(self, wanted: str) -> bool:
        return wanted in self.log.read_text(encoding="utf-8")


@pytest.fixture
def machine(tmp_path: Path):
    made = Machine(tmp_path)
    made.put("python3.12", PYTHON)
    return made


def nvidia_smi(cuda: str, capability: str) -> str:
    return (
        "#!/usr/bin/env bash\n"
        f'case "$*" in *compute_cap*) printf "{capability}" ;;\n'
        f'*) echo "| NVIDIA-SMI 580.1   Driver Version: 580.1   CUDA Version: {cuda}     |" ;; esac\n'
    )


# ---- which Python ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["python3.11", "python3.12", "python3.13"], "python3.12"),
        (["python3.11", "python3.13", "python3"], "python3.11"),
        (["python3.13", "python3.14"], "python3.13"),
        (["python3"], "python3"),
        ([], ""),
    ],
)
def test_python_3_12_comes_first_then_3_11_then_newer(machine: Machine, there: list[str], taken: str):
    (machine.bin / "python3.12").unlink()
    for name in there:
        machine.put(name, PYTHON)
    assert Path(machine.call("find_python")).name == taken


def test_a_stand_in_of_a_version_manager_that_fails_is_passed_over(machine: Machine):
    machine.put("python3.12", SHIM)
    machine.put("python3.11", PYTHON)
    assert Path(machine.call("find_python")).name == "python3.11"


@pytest.mark.parametrize(("language", "word"), [("C.UTF-8", "No usable Python"), ("zh_CN.UTF-8", "没有可用的 Python")])
def test_no_python_is_one_clear_sentence(machine: Machine, language: str, word: str):
    (machine.bin / "python3.12").unlink()
    ran = machine.run("doctor", LANG=language)
    assert ran.returncode == 1
    assert word in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (machine.checkout / ".venv").exists()


# ---- which PyTorch ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="the builds are chosen on Linux only")
@pytest.mark.parametrize(
    ("cuda", "capability", "build"),
    [
        ("13.1", "9.0\\n", "cu130"),
        ("13.0", "12.0\\n", "cu130"),
        ("13.0", "6.1\\n", "cu126"),
        ("13.0", "9.0\\n6.1\\n", "cu126"),
        ("12.9", "8.6\\n", "cu128"),
        ("12.8", "5.2\\n", "cu126"),
        ("12.4", "8.6\\n", "cu126"),
        ("12.0", "7.0\\n", "cu126"),
        ("11.8", "7.5\\n", "cu118"),
        ("11.4", "7.5\\n", "cpu"),
        ("12.8", "", "cu128"),
    ],
)
def test_the_build_fits_driver_and_oldest_card(machine: Machine, cuda: str, capability: str, build: str):
    machine.put("nvidia-smi", nvidia_smi(cuda, capability))
    assert machine.call("choose_torch_index").endswith(f"/{build}")


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="the builds are chosen on Linux only")
def test_without_a_driver_the_build_for_processors_is_taken_and_said(machine: Machine):
    ran = machine.run()
    assert "/whl/cpu" in machine.installs()[0]
    assert "no NVIDIA driver" in ran.stderr


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="the builds are chosen on Linux only")
def test_a_driver_that_fails_counts_as_none(machine: Machine):
    machine.put("nvidia-smi", "#!/usr/bin/env bash\necho 'Failed to initialize NVML: CUDA Version mismatch'\nexit 18\n")
    assert machine.call("choose_torch_index").endswith("/cpu")


def test_a_mac_takes_the_default_build(machine: Machine):
    (machine.bin / "uname").unlink()
    machine.put("uname", "#!/usr/bin/env bash\necho Darwin\n")
    assert machine.call("choose_torch_index") == ""


def test_the_source_of_pytorch_can_be_given(machine: Machine):
    machine.run(GPEN_UI_TORCH_INDEX="https://mirror.example/rocm")
    assert "--index-url https://mirror.example/rocm torch>=" in machine.installs()[0]


def test_an_unreachable_source_is_said_and_the_default_one_taken(machine: Machine):
    ran = machine.run(GPEN_UI_TORCH_INDEX="https://mirror.example/cpu", STANDIN_UNREACHABLE="1")
    assert ran.returncode == 0
    assert "cannot be reached" in ran.stderr
    assert not any("--index-url" in line for line in machine.installs())


def test_a_failing_source_is_said_and_the_default_one_taken(machine: Machine):
    ran = machine.run(GPEN_UI_TORCH_INDEX="https://mirror.example/cpu", STANDIN_FAIL="--index-url")
    assert ran.returncode == 0
    assert "failed" in ran.stderr
    assert machine.installs()[1].endswith("requirements.txt")


# ---- installing once, and repairing ----------------------------------------------------------------------------------


def test_pytorch_comes_first_then_the_requirements_the_program_and_what_is_optional(machine: Machine):
    ran = machine.run(GPEN_UI_TORCH_INDEX="https://mirror.example/cpu")
    first, second, third, fourth = machine.installs()
    assert re.search(r"torch>=\S+ torchvision>=\S+$", first)
    assert second.endswith("requirements.txt")
    assert third == "--no-deps -e ."
    assert fourth.endswith("requirements-likeness.txt")
    assert ran.stdout.startswith("RAN")


def test_a_second_start_installs_nothing(machine: Machine):
    machine.run()
    ran = machine.run("--port", "7861")
    assert machine.installs() == []
    assert not machine.asked("venv")
    assert ran.stderr == ""
    assert "<--port> <7861>" in ran.stdout


@pytest.mark.parametrize("moment", ["torch>=", "-r ", "-e .", "likeness"])
def test_an_installation_killed_at_any_moment_is_repaired_by_the_next_start(machine: Machine, moment: str):
    killed = machine.run(GPEN_UI_TORCH_INDEX="https://mirror.example/cpu", STANDIN_KILL=moment)
    assert killed.returncode in (-9, 137)  # run.sh itself, or the part of it that was installing
    assert "RAN" not in killed.stdout
    leftover = machine.checkout / ".venv" / "half a package"
    leftover.touch()
    ran = machine.run(GPEN_UI_TORCH_INDEX="https://mirror.example/cpu")
    assert ran.returncode == 0
    assert "interrupted" in ran.stderr
    assert len(machine.installs()) == 4
    assert not leftover.exists()
    machine.run()
    assert machine.installs() == []


def test_an_installation_of_the_test_tools_that_was_killed_is_repaired(machine: Machine):
    machine.run()
    assert machine.run("test", STANDIN_KILL="requirements-dev.txt").returncode in (-9, 137)
    ran = machine.run()
    assert ran.returncode == 0
    assert "interrupted" in ran.stderr


@pytest.mark.parametrize("leftovers", [[], ["bin/"], ["bin/", "bin/python"], ["pyvenv.cfg"]])
def test_a_half_made_environment_is_made_anew(machine: Machine, leftovers: list[str]):
    venv = machine.checkout / ".venv"
    venv.mkdir()
    for name in leftovers:
        path = venv / name
        if name.endswith("/"):
            path.mkdir()
        else:
            path.touch()
    ran = machine.run()
    assert ran.returncode == 0
    assert "RAN" in ran.stdout
    assert machine.asked("-m venv")


def test_changed_requirements_are_added_to_the_environment_that_is_there(machine: Machine):
    machine.run()
    kept = machine.checkout / ".venv" / "kept"
    kept.touch()
    with (machine.checkout / "requirements.txt").open("a") as requirements:
        requirements.write("another-package>=1\n")
    machine.run()
    assert len(machine.installs()) >= 2
    assert kept.exists()


def test_a_moved_checkout_gets_an_environment_of_its_own(machine: Machine, tmp_path: Path):
    machine.run()
    moved = tmp_path / "elsewhere"
    machine.checkout.rename(moved)
    machine.checkout = moved
    ran = machine.run()
    assert ran.returncode == 0
    assert machine.asked("-m venv")


def test_a_failed_installation_is_not_taken_for_a_good_one(machine: Machine):
    ran = machine.run(STANDIN_FAIL="requirements.txt")
    assert ran.returncode != 0
    assert "RAN" not in ran.stdout
    assert "RAN" in machine.run().stdout


def test_without_what_likeness_needs_the_program_starts_and_says_so_once(machine: Machine):
    ran = machine.run(STANDIN_FAIL="requirements-likeness.txt")
    assert ran.returncode == 0
    assert "RAN" in ran.stdout
    assert "likeness" in ran.stderr
    ran = machine.run()
    assert machine.installs() == []
    assert ran.stderr == ""


def test_a_second_start_during_the_installation_waits_for_no_one_and_breaks_nothing(machine: Machine, tmp_path: Path):
    busy = tmp_path / "busy"
    first = subprocess.Popen(
        [machine.checkout / "run.sh"],
        env=machine.environment(STANDIN_WAIT=str(busy)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not busy.exists():
            assert first.poll() is None
            time.sleep(0.02)
        second = machine.run()
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stderr
        assert (machine.checkout / ".venv" / "bin" / "python").exists()
    finally:
        os.killpg(first.pid, 9)
        first.wait()


def test_a_pip_that_outlived_its_killed_start_is_waited_for(machine: Machine, tmp_path: Path):
    """Made anew under its hands, the environment would be a mixture of two installations."""
    busy = tmp_path / "busy"
    first = subprocess.Popen(
        [machine.checkout / "run.sh"],
        env=machine.environment(STANDIN_WAIT=str(busy)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not busy.exists():
            assert first.poll() is None
            time.sleep(0.02)
        first.kill()
        first.wait()
        second = machine.run()
        assert second.returncode == 1
        assert "is installing at the moment" in second.stderr
    finally:
        os.killpg(first.pid, 9)
    assert machine.run().returncode == 0


# ---- passing on ------------------------------------------------------------------------------------------------------


def test_arguments_folder_and_exit_code_are_the_users(machine: Machine, tmp_path: Path):
    machine.run()
    elsewhere = tmp_path / "my photos"
    elsewhere.mkdir()
    ran = machine.run("enhance", "a b.jpg", "照片.png", "-o", "out dir", cwd=elsewhere, STANDIN_EXIT="130")
    assert ran.returncode == 130
    assert f"RAN in {elsewhere}:" in ran.stdout
    assert "<enhance> <a b.jpg> <照片.png> <-o> <out dir>" in ran.stdout


def test_installing_writes_nothing_to_stdout(machine: Machine):
    """`./run.sh doctor --json` gives JSON also on the first start."""
    assert machine.run("doctor", "--json").stdout.splitlines() == [f"RAN in {machine.checkout}: <doctor> <--json>"]


# ---- testing ---------------------------------------------------------------------------------------------------------


def test_the_tests_are_lint_format_types_and_pytest_in_that_order(machine: Machine):
    ran = machine.run("test", "-k", "one thing")
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == [
        "ruff check .",
        "ruff format --check .",
        "mypy ",
        "pytest was here: -m pytest -k one thing",
    ]
    assert machine.installs()[-1].endswith("requirements-docs.txt") and "requirements-dev.txt" in machine.installs()[-1]
    assert "Chromium is missing" in ran.stderr
    machine.run("test")
    assert machine.installs() == []


@pytest.mark.parametrize(
    ("lint", "pytest_exit", "expected"), [("0", "0", 0), ("1", "0", 1), ("0", "1", 1), ("1", "2", 2)]
)
def test_any_failure_fails_the_tests_and_pytest_has_the_last_word(
    machine: Machine, lint: str, pytest_exit: str, expected: int
):
    ran = machine.run("test", STANDIN_LINT=lint, STANDIN_PYTEST=pytest_exit)
    assert ran.returncode == expected
    assert ran.stdout.splitlines()[-1].startswith("pytest was here")
