"""What run.bat does once it has found a Python: the environment, the installation, and the start of the program.

The Windows half of run.sh, with the same promises: later starts install nothing, a changed requirement is installed,
whatever was interrupted is repaired, and nothing is called installed that cannot be imported. Only the standard library
is used, because nothing else is there yet. It runs on other systems too, where its tests try it.

Two files inside `.venv` keep the books: `gpen-ui-installed` says from which requirements all was installed, and
`gpen-ui-installing` is there, and locked, while somebody is at it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TORCH_WHEELS = "https://download.pytorch.org/whl"  # one folder per build: cpu, cu118, cu126, ...
INDEX_TIMEOUT_S = 10
REQUIREMENTS = ("requirements.txt", "requirements-likeness.txt", "pyproject.toml")  # what an installation is made from
DEVELOPMENT = ("requirements-dev.txt", "requirements-docs.txt")
CHECK = """
import importlib.metadata, sys
for name in ("torch", "torchvision", "cv2", "numpy", "PIL", "onnxruntime", "gradio", "gpen_ui.cli"):
    __import__(name)
both = [name for name in ("opencv-python", "opencv-python-headless")
        if any(found.metadata["Name"] == name for found in importlib.metadata.distributions())]
if len(both) == 2:
    sys.exit("opencv-python and opencv-python-headless are both installed; they overwrite each other's files.")
"""


class RefusedError(Exception):
    """The start ends with this sentence."""


def say(english: str, chinese: str) -> None:
    """A sentence in the user's language, on stderr so that stdout belongs to the program."""
    print(chinese if speaks_chinese() else english, file=sys.stderr, flush=True)  # noqa: T201


def speaks_chinese() -> bool:
    """By the variables that the program itself heeds, else by the language of Windows."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    if spoken:
        return spoken.lower().startswith("zh")
    if sys.platform == "win32":
        import ctypes

        return bool(ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == 0x04)  # LANG_CHINESE
    return False


class Installation:
    """The environment beside a checkout.

    Args:
        checkout: the folder with run.bat in it.
    """

    def __init__(self, checkout: Path = CHECKOUT) -> None:
        self.checkout = checkout
        self.venv = checkout / ".venv"
        self.python = self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.installed = self.venv / "gpen-ui-installed"
        self.installed_dev = self.venv / "gpen-ui-installed-dev"
        self.installing = self.venv / "gpen-ui-installing"

    # ---- what is installed ----

    def state(self, files: Sequence[str]) -> str:
        """What an installation is made for: a change of any of it makes the next start install again."""
        sums = [hashlib.sha256((self.checkout / name).read_bytes()).hexdigest() for name in files]
        return "\n".join([str(self.checkout), *(f"{name} {each}" for name, each in zip(files, sums, strict=True))])

    def is_installed(self, book: Path, files: Sequence[str]) -> bool:
        if not book.is_file() or self.installing.exists() or not self.python.is_file():
            return False
        return book.read_text(encoding="utf-8") == self.state(files)

    def write_whole(self, book: Path, text: str) -> None:
        part = book.with_name(book.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(book)

    # ---- installing ----

    def install(self) -> None:
        self.refuse_second_install()
        if not self.can_continue():
            self.make_venv()
        with self.at_work():
            self.installed.unlink(missing_ok=True)
            self.installed_dev.unlink(missing_ok=True)
            self.install_torch()
            self.pip("-r", self.checkout / "requirements.txt")
            self.pip("--no-deps", "-e", self.checkout)
            self.install_likeness()
            self.check_packages()
            self.write_whole(self.installed, self.state(REQUIREMENTS))
        say("Installed.", "安装完成。")

    def install_dev(self) -> None:
        """What the tests need besides."""
        self.refuse_second_install()
        with self.at_work():
            for name in DEVELOPMENT:
                self.pip("-r", self.checkout / name)
            self.write_whole(self.installed_dev, self.state(DEVELOPMENT))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Holds the lock; the file goes only when all went well, so that the next start sees what was interrupted."""
        with self.installing.open("a+b") as book:
            if not locked(book.fileno()):
                raise RefusedError(*ANOTHER)
            yield
        self.installing.unlink(missing_ok=True)

    def refuse_second_install(self) -> None:
        if self.installing.exists():
            with self.installing.open("a+b") as book:
                if not locked(book.fileno()):
                    raise RefusedError(*ANOTHER)

    def can_continue(self) -> bool:
        """An environment is kept when it works, lies where it was made, and no installation into it was cut off."""
        if self.installing.exists():
            say("The last installation was interrupted; it starts anew.", "上次安装被中断，重新开始。")
            return False
        if not self.python.is_file():
            return False
        tells = "import sys, pip; print(sys.prefix if sys.version_info >= (3, 11) else '')"
        asked = subprocess.run([self.python, "-c", tells], capture_output=True, text=True, check=False)
        if asked.returncode != 0 or Path(asked.stdout.strip() or ".").resolve() != self.venv.resolve():
            return False
        scripts = [each for each in self.python.parent.glob("activate*") if each.suffix in ("", ".bat")]
        texts = [each.read_text(encoding="utf-8", errors="replace") for each in scripts]
        return not texts or any(str(self.venv) in text for text in texts)

    def make_venv(self) -> None:
        version = platform.python_version()
        say(
            f"Installing into {self.venv} with Python {version} ({sys.executable}). This happens once.",
            f"正在用 Python {version}（{sys.executable}）安装到 {self.venv}，只需一次。",
        )
        if self.venv.exists():
            try:
                shutil.rmtree(self.venv)
            except OSError as error:
                raise RefusedError(
                    f"The folder {self.venv} cannot be removed: {error}. Close what uses it, then start again.",
                    f"无法删除文件夹 {self.venv}：{error}。请关闭正在使用它的程序，然后重新启动。",
                ) from error
        self.venv.mkdir()
        self.installing.touch()  # before anything that could be cut off
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)

    def pip(self, *arguments: object) -> None:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", *arguments]
        subprocess.run([str(each) for each in command], check=True, stdout=sys.stderr)

    def install_likeness(self) -> None:
        """Not needed by anything else: where it cannot be had, the program says that likeness is not measured."""
        try:
            self.pip("-r", self.checkout / "requirements-likeness.txt")
        except subprocess.CalledProcessError:
            say(
                "Note: what likeness is measured with could not be installed (see above); everything else works.",
                "注意：用于测量相似度的软件包未能安装（见上文），其他功能不受影响。",
            )

    def install_torch(self) -> None:
        """PyTorch comes in builds for different drivers; the wrong one works, but never touches the card."""
        index = os.environ.get("GPEN_UI_TORCH_INDEX") or choose_torch_index()
        say(f"PyTorch is taken from {index}", f"PyTorch 来源：{index}")
        lines = (self.checkout / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = [line.partition("#")[0].strip() for line in lines if re.match(r"torch(vision)?[^a-z]", line)]
        if not can_reach(f"{index}/torch/"):
            say(
                "That address cannot be reached, so PyTorch comes from pip's default source: the build for processors.",
                "无法访问该地址，改用 pip 的默认来源安装 PyTorch：处理器版本。",
            )
            return
        try:
            self.pip("--index-url", index, *wanted)
        except subprocess.CalledProcessError:
            say(
                "The installation from there failed (see above), so PyTorch comes from pip's default source.",
                "从该地址安装失败（见上文），改用 pip 的默认来源安装 PyTorch。",
            )

    def check_packages(self) -> None:
        say("Checking the installation ...", "正在检查安装 ……")
        if subprocess.run([self.python, "-P", "-c", CHECK], stdout=sys.stderr, check=False).returncode != 0:
            raise RefusedError(
                "The installation does not work, see above. Delete the folder .venv and start again.",
                "安装无法使用，见上文。请删除 .venv 文件夹后重新启动。",
            )

    # ---- running ----

    def run(self, *arguments: object, cwd: Path | None = None) -> int:
        """One program of the environment to its end. Ctrl-C reaches it by itself and is its own affair."""
        child = subprocess.Popen([str(self.python), *map(str, arguments)], cwd=cwd)
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue

    def run_tests(self, arguments: Sequence[str]) -> int:
        """Lint, format, types, then the tests; all of them run, any failure is the exit code."""
        if not self.is_installed(self.installed_dev, DEVELOPMENT):
            self.install_dev()
        checks = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
        failed = sum(self.run("-m", *check, cwd=self.checkout) != 0 for check in checks) > 0  # all of them run
        if failed:
            say(
                "Lint or types failed, see above; the tests run nevertheless.",
                "代码检查或类型检查失败，见上文；测试仍会运行。",
            )
        return self.run("-m", "pytest", *arguments, cwd=self.checkout) or int(failed)


ANOTHER = (
    "Another start is installing at the moment. Wait until it is done, then start again.",
    "另一个启动正在安装。请等它完成后再启动。",
)


def locked(descriptor: int) -> bool:
    """Takes a lock that the system takes back when this process dies; False when another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def can_reach(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=INDEX_TIMEOUT_S).close()
    except (OSError, ValueError):
        return False
    return True


def choose_torch_index() -> str:
    """The address of the PyTorch build for this machine's driver; says which and why."""
    cuda = driver_cuda(asked("nvidia-smi"))
    if not cuda:
        say(
            "PyTorch: the build for processors, because no NVIDIA driver answers (nvidia-smi).",
            "PyTorch：处理器版本，因为没有可用的 NVIDIA 驱动（nvidia-smi）。",
        )
        return f"{TORCH_WHEELS}/cpu"
    capability = oldest_capability(asked("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"))
    build = torch_build(cuda, capability)
    if build == "cpu":
        say(
            f"PyTorch: the build for processors, because the NVIDIA driver supports CUDA {cuda} only and 11.8 is the "
            "least. Update the driver, delete .venv and start again to use the card.",
            f"PyTorch：处理器版本，因为 NVIDIA 驱动只支持 CUDA {cuda}，最低需要 11.8。"
            "要使用显卡，请更新驱动、删除 .venv 后重新启动。",
        )
    else:
        say(
            f"PyTorch: the build {build}, because the NVIDIA driver supports CUDA {cuda} and the oldest card has "
            f"compute capability {capability or 'unknown'}.",
            f"PyTorch：{build} 构建，因为 NVIDIA 驱动支持 CUDA {cuda}，最旧的显卡计算能力为 {capability or '未知'}。",
        )
    return f"{TORCH_WHEELS}/{build}"


def asked(*command: str) -> str:
    """What a program prints; nothing when it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def driver_cuda(told: str) -> str:
    """The newest CUDA version that the driver supports, for example 12.8."""
    found = re.search(r"CUDA (?:UMD )?Version *: *(\d+\.\d+)", told)
    return found[1] if found else ""


def oldest_capability(told: str) -> str:
    """Of all cards, for example 8.6; nothing when the driver is too old to tell."""
    found = re.findall(r"^\d+\.\d+$", told, re.MULTILINE)
    return min(found, key=as_number, default="")


def torch_build(cuda: str, capability: str) -> str:
    """As in run.sh, where the reasons stand; a test holds both against each other."""
    driver, oldest = as_number(cuda), as_number(capability or "9.0")
    if driver >= 1300 and oldest >= 705:
        return "cu130"
    if driver >= 1208 and oldest >= 705:
        return "cu128"
    if driver >= 1200:
        return "cu126"
    return "cu118" if driver >= 1108 else "cpu"


def as_number(version: str) -> int:
    """12.8 -> 1208"""
    major, _, minor = version.partition(".")
    return int(major) * 100 + int(minor or 0)


def main(arguments: Sequence[str], installation: Installation) -> int:
    """Installs what is missing, then runs the program, or the tests; gives its exit code."""
    try:
        if not installation.is_installed(installation.installed, REQUIREMENTS):
            installation.install()
        if arguments[:1] == ["test"]:
            return installation.run_tests(arguments[1:])
        # -P: a file of the current folder must not be taken for a module of the program
        return installation.run("-P", "-m", "gpen_ui", *arguments)
    except RefusedError as refused:
        say(*refused.args)
    except (subprocess.CalledProcessError, OSError) as error:
        say(
            f"The installation failed, see above: {error}. Start again; if it fails again, delete .venv.",
            f"安装失败，见上文：{error}。请重新启动；仍然失败时删除 .venv。",
        )
    except KeyboardInterrupt:
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Installation()))
