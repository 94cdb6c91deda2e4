"""The command line as a user meets it: real photos through the real engine, and bad input of every kind."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from typer.testing import CliRunner, Result

from gpen_ui import __version__
from gpen_ui.cli.flags import flag_name, options_from_flags, spelled
from gpen_ui.cli.program import build_program
from gpen_ui.errors import OptionError
from gpen_ui.options import OptionSpec, load_preset, option_specs, preset_names
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES, Language

CHECKOUT = Path(__file__).resolve().parent.parent
COMMANDS = ("enhance", "serve", "models", "doctor", "bench")
MODEL_COMMANDS = ("list", "download", "import", "verify")
CPU = ("--device", "cpu")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch):
    """No setting of the machine that runs the tests may reach them."""
    for name in list(os.environ):
        if name.startswith("GPEN_UI_") or name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.fixture(scope="session")
def face() -> Image.Image:
    """A public-domain portrait of 256 x 256 pixels with one face."""
    return Image.fromarray(astronaut()).resize((256, 256), Image.Resampling.LANCZOS)


@pytest.fixture
def photo(tmp_path: Path, face: Image.Image) -> Path:
    path = tmp_path / "photo.jpg"
    face.save(path, quality=90)
    return path


def run(*arguments: object, language: Language = "en") -> Result:
    """One command in this process."""
    return CliRunner().invoke(build_program(language), [str(argument) for argument in arguments])


def start(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """One command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "gpen_ui", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def fingerprints(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# ---- restoring -------------------------------------------------------------------------------------------------------


def test_a_photo_is_restored_and_told_in_one_line(photo: Path, tmp_path: Path):
    result = run("enhance", photo, "-o", tmp_path / "out", *CPU)
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{photo} -> {tmp_path / 'out' / 'photo_gpen.jpg'}: 1 of 1 faces restored; ")
    restored = np.asarray(Image.open(tmp_path / "out" / "photo_gpen.jpg"), dtype=float)
    before = np.asarray(Image.open(photo), dtype=float)
    assert restored.shape == before.shape
    assert np.abs(restored - before).max() > 8


BAD = {
    "empty.jpg": "0 bytes",
    "text.jpg": "not a picture",
    "cut.jpg": "cut off or damaged",
    "bomb.png": "20000 x 20000",
    "missing.jpg": "does not exist",
    "no photos": "no photos",
}


def write_inputs(folder: Path, face: Image.Image) -> list[Path]:
    """Bad input of every kind and good photos of every kind between them."""
    face.save(folder / "first.jpg", quality=90)
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("this is no photo", encoding="utf-8")
    whole = (folder / "first.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    header = bytearray()
    tiny = folder / "tiny.png"
    Image.new("RGB", (1, 1), (10, 200, 30)).save(tiny)
    header += tiny.read_bytes()
    header[16:24] = (20000).to_bytes(4, "big") * 2  # width and height of PNG's first chunk
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(header)
    face.convert("CMYK").save(folder / "cmyk.jpg")
    face.convert("L").save(folder / "grey.png")
    face.convert("P").save(folder / "palette.gif")
    rgba = face.convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L"))
    rgba.save(folder / "transparent.png")
    face.save(folder / "修复 我.jpg")
    face.save(folder / "🙂 smile.webp")
    (folder / "no photos").mkdir()
    (folder / "no photos" / "note.txt").write_text("nothing here", encoding="utf-8")
    names = "first.jpg empty.jpg text.jpg cut.jpg tiny.png bomb.png cmyk.jpg grey.png palette.gif transparent.png"
    return [folder / name for name in [*names.split(), "missing.jpg", "no photos", "修复 我.jpg", "🙂 smile.webp"]]


def test_bad_input_is_one_sentence_each_and_the_good_files_are_done(tmp_path: Path, face: Image.Image):
    inputs = write_inputs(tmp_path, face)
    before = fingerprints(tmp_path)
    process = start("enhance", *[path.name for path in inputs], "-o", "out", *CPU, cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 1, stderr
    assert "Traceback" not in stderr
    good = [path.name for path in inputs if path.name not in BAD]
    assert [line.partition(" -> ")[0] for line in stdout.splitlines()] == good
    for line in stdout.splitlines():
        written = tmp_path / line.partition(" -> ")[2].partition(": ")[0]
        with Image.open(written) as picture:
            picture.load()
    for name, reason in BAD.items():
        (told,) = [line for line in stderr.splitlines() if name in line]
        assert reason in told
        assert told.rstrip().endswith(".")
    after = fingerprints(tmp_path)
    assert {name: after[name] for name in before} == before, "an original was changed"


def test_json_is_all_that_stdout_holds(tmp_path: Path, face: Image.Image):
    face.save(tmp_path / "照片.png")
    Image.new("RGB", (60, 40), "green").save(tmp_path / "b meadow.png")
    (tmp_path / "c.jpg").touch()
    result = run("enhance", tmp_path, "-o", tmp_path / "out", "--json", *CPU)
    assert result.exit_code == 1
    *photos, summary = json_lines(result.stdout)
    assert [Path(record["source"]).name for record in photos] == ["b meadow.png", "c.jpg", "照片.png"]
    meadow, empty, portrait = photos
    assert (meadow["faces_found"], meadow["error"], len(meadow["notes"])) == (0, None, 1)
    assert (empty["result"], empty["error_key"]) == (None, "photo_empty")
    assert (portrait["faces_found"], portrait["faces_restored"]) == (1, 1)
    assert portrait["faces"][0]["state"] == "restored"
    assert Path(portrait["result"]).is_file()
    assert portrait["seconds_total"] >= portrait["seconds"]["network"] > 0
    assert summary["summary"]["done"] == 2
    assert summary["summary"]["failed"] == 1
    assert summary["summary"]["stopped"] is False


def test_quiet_tells_only_failures(photo: Path, tmp_path: Path):
    result = run("enhance", photo, tmp_path / "missing.png", "-o", tmp_path / "out", "--quiet", *CPU)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def test_a_second_run_overwrites_nothing(photo: Path, tmp_path: Path):
    out = tmp_path / "out"
    run("enhance", photo, "-o", out, *CPU)
    first = fingerprints(out)
    run("enhance", photo, "-o", out, "--strength", "10", *CPU)
    assert sorted(fingerprints(out)) == ["photo_gpen.jpg", "photo_gpen_2.jpg"]
    assert fingerprints(out)["photo_gpen.jpg"] == first["photo_gpen.jpg"]


def test_recursion_keeps_the_tree_and_leaves_earlier_results_out(tmp_path: Path):
    grey = Image.new("RGB", (32, 24), "grey")
    for name in ("a.png", "old/a.png", "old/older/a.png", ".hidden/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        grey.save(tmp_path / name)
    for expected_suffix in ("_gpen.png", "_gpen_2.png"):
        result = run("enhance", tmp_path, "-r", "-o", tmp_path / "out", *CPU)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 3
        for folder in ("", "old", "old/older"):
            assert (tmp_path / "out" / folder / f"a{expected_suffix}").is_file()


def test_without_recursion_only_the_folder_itself_is_taken(tmp_path: Path):
    (tmp_path / "below").mkdir()
    for name in ("a10.png", "a9.png", "below/b.png"):
        Image.new("RGB", (32, 24), "grey").save(tmp_path / name)
    result = run("enhance", tmp_path, tmp_path / "a9.png", "-o", tmp_path / "out", *CPU)
    assert [Path(line.split(" -> ")[0]).name for line in result.stdout.splitlines()] == ["a9.png", "a10.png"]


def test_format_suffix_and_scale(photo: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = run("enhance", photo, "-o", out, "--format", "webp", "--suffix", "-new", "--scale", "2", *CPU)
    assert result.exit_code == 0
    with Image.open(out / "photo-new.webp") as picture:
        assert picture.size == (512, 512)


def test_aligned_writes_the_networks_picture_at_its_own_size(photo: Path, tmp_path: Path):
    result = run("enhance", photo, "-o", tmp_path / "out", "--aligned", "--format", "png", *CPU)
    assert result.exit_code == 0
    with Image.open(tmp_path / "out" / "photo_gpen.png") as picture:
        assert picture.size == (512, 512)


def test_results_go_to_the_folder_of_the_settings(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPEN_UI_OUTPUTS_FOLDER", str(tmp_path / "mine"))
    assert run("enhance", photo, *CPU).exit_code == 0
    assert (tmp_path / "mine" / "photo_gpen.jpg").is_file()


def test_an_output_folder_that_cannot_be_made_fails_each_photo_with_a_sentence(photo: Path, tmp_path: Path):
    result = run("enhance", photo, "-o", photo / "below a file", *CPU)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "below a file" in result.stderr
    assert "Traceback" not in result.stderr


# ---- stopping --------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(tmp_path: Path, face: Image.Image) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(24):
        face.save(folder / f"{number:02}.png")
    return folder


def test_ctrl_c_ends_in_order_and_keeps_what_is_done(many: Path, tmp_path: Path):
    out = tmp_path / "out"
    process = start("enhance", many, "-o", out, "--json", "--batch-size", 1, *CPU)
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    # read on where readline stopped: communicate() would skip what readline took into its buffer
    rest, stderr = process.stdout.read(), process.stderr.read()
    assert process.wait(timeout=120) == 130, stderr
    *photos, summary = json_lines(first + rest)
    assert summary["summary"]["stopped"] is True
    assert 0 < summary["summary"]["done"] < 24
    assert "Ctrl-C again" in stderr
    written = sorted(out.iterdir())
    assert written == sorted(Path(record["result"]) for record in photos)
    for path in written:
        with Image.open(path) as picture:
            picture.load()


def test_a_second_ctrl_c_ends_at_once(many: Path, tmp_path: Path):
    process = start("enhance", many, "-o", tmp_path / "out", "--batch-size", 1, *CPU)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130)  # the shell shows the first as the second


# ---- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        (["--strength", "130"], ["--strength", "0", "100", "130"]),
        (["--strength", "much"], ["--strength"]),
        (["--contrast", "-101"], ["--contrast", "-100", "-101"]),
        (["--mode", "gentle"], ["--mode", "natural, strong, detail", "gentle"]),
        (["--long-edge", "900"], ["--long-edge", "off, 2560, 1920, 1280", "900"]),
        (["--scale", "3"], ["--scale", "1, 2, 4", "3"]),
        (["--smallest-face", "2"], ["--smallest-face", "8", "512"]),
        (["--detector-threshold", "1.5"], ["--detector-threshold", "1.5"]),
        (["--preset", "monthly"], ["monthly", "everyday, high-quality, low-end"]),
        (["--batch-size", "0"], ["batch_size", "0"]),
        (["--device", "gpu"], ["device", "gpu"]),
        (["--format", "bmp"], ["bmp"]),
        (["--no-such-flag"], ["--no-such-flag"]),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(photo: Path, arguments: list[str], mentioned: list[str]):
    result = run("enhance", photo, *arguments)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in mentioned), result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["enhance"], ["paint"], ["models", "burn"]])
def test_a_missing_argument_or_unknown_command_is_exit_code_2(arguments: list[str]):
    assert run(*arguments).exit_code == 2


def test_sentences_come_in_the_users_language(photo: Path):
    result = run("enhance", photo, "--strength", "130", language="zh")
    assert "必须在 0 到 100 之间" in result.stderr


def test_the_language_follows_the_system(tmp_path: Path):
    process = start("enhance", "a.jpg", "--preset", "x", cwd=tmp_path, LANG="zh_CN.UTF-8")
    assert "预设" in process.communicate(timeout=60)[1]
    process = start("enhance", "a.jpg", "--preset", "x", cwd=tmp_path, LANG="zh_CN.UTF-8", GPEN_UI_LANGUAGE="en")
    assert "presets" in process.communicate(timeout=60)[1]


def test_a_traceback_is_shown_when_asked_for(photo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPEN_UI_DEBUG", "1")
    result = run("enhance", photo, "--strength", "130")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_a_broken_settings_file_stops_commands_but_not_the_help(tmp_path: Path):
    broken = tmp_path / "broken.toml"
    broken.write_text("device = ", encoding="utf-8")
    helped = start("--help", GPEN_UI_CONFIG=str(broken))
    assert "enhance" in helped.communicate(timeout=60)[0]
    assert helped.returncode == 0
    refused = start("enhance", "a.jpg", GPEN_UI_CONFIG=str(broken))
    stderr = refused.communicate(timeout=60)[1]
    assert refused.returncode == 2
    assert str(broken) in stderr
    assert "Traceback" not in stderr


def test_an_explicit_flag_wins_over_the_preset_and_that_over_the_default():
    given = {spec.name: None for spec in option_specs()}
    options = options_from_flags({**given, "strength": 90, "long_edge": "off"}, load_preset("everyday"))
    assert (options.strength, options.long_edge, options.denoise, options.contrast) == (90, 0, 30, 0)


@pytest.mark.parametrize("spec", option_specs(), ids=lambda spec: spec.name)
def test_every_choice_can_be_typed(spec: OptionSpec):
    for choice in spec.choices:
        assert getattr(options_from_flags({spec.name: spelled(choice)}, None), spec.name) == choice
    if spec.choices:
        with pytest.raises(OptionError, match=flag_name(spec)):
            options_from_flags({spec.name: "nonsense"}, None)


# ---- models and devices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "mentioned"), [("gpen-9000", "gpen-bfr-512"), ("nowhere/my.pth", "my.pth"), ("gpen-bfr-2048", "download")]
)
def test_a_model_that_is_not_there_is_one_sentence(photo: Path, tmp_path: Path, model: str, mentioned: str):
    result = run("enhance", photo, "-o", tmp_path / "out", "--model", model, *CPU)
    assert result.exit_code == 1
    assert mentioned in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_model_file_that_is_none_is_one_sentence(photo: Path, tmp_path: Path):
    fake = tmp_path / "fake.pth"
    fake.write_text("no network", encoding="utf-8")
    result = run("enhance", photo, "--model", fake, *CPU)
    assert result.exit_code == 1
    assert "fake.pth" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_device_that_is_not_there_is_one_sentence(photo: Path):
    result = run("enhance", photo, "--device", "xpu:7")
    assert result.exit_code == 1
    assert "xpu:7" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("GPEN_UI_MODELS_FOLDER", str(folder))
    return folder


def test_the_list_of_models_shows_state_and_licence(models_folder: Path):
    records = {record["name"]: record for record in json_lines(run("models", "list", "--json").stdout)}
    assert records["gpen-lite-512"]["state"] == "present"
    assert records["gpen-bfr-512"]["state"] == "missing"
    assert all(record["licence"] for record in records.values())
    shown = run("models", "list").stdout
    for record in records.values():
        assert record["name"] in shown
        assert record["licence"] in shown


def test_a_model_of_ones_own_is_imported_and_used(models_folder: Path, photo: Path, tmp_path: Path):
    own = tmp_path / "my own.pth"
    state = torch.load(CHECKOUT / "models" / "gpen-lite-512.pth", weights_only=True)
    torch.save({name: tensor * 1.001 for name, tensor in state.items()}, own)
    result = run("models", "import", own)
    assert result.exit_code == 0, result.stderr
    assert (models_folder / "my own.pth").is_file()
    assert run("enhance", photo, "-o", tmp_path / "out", "--model", models_folder / "my own.pth", *CPU).exit_code == 0


def test_a_file_that_is_no_model_is_not_imported(models_folder: Path, tmp_path: Path):
    fake = tmp_path / "GPEN-BFR-512.pth"
    fake.write_bytes(b"no network")
    result = run("models", "import", fake)
    assert result.exit_code == 1
    assert "GPEN-BFR-512.pth" in result.stderr
    assert not list(models_folder.glob("*.pth"))


def test_verify_names_a_wrong_file(models_folder: Path):
    models_folder.mkdir()
    (models_folder / "GPEN-BFR-512.pth").write_bytes(b"half a network")
    result = run("models", "verify", "--json")
    assert result.exit_code == 1
    states = {record["name"]: record["state"] for record in json_lines(result.stdout)}
    assert states == {"gpen-lite-512": "present", "gpen-bfr-512": "wrong"}
    assert "GPEN-BFR-512.pth" in result.stderr
    assert run("models", "verify", "gpen-lite-512").exit_code == 0
    assert run("models", "verify", "gpen-bfr-1024").exit_code == 1


def test_an_unknown_model_is_not_downloaded(models_folder: Path):
    result = run("models", "download", "gpen-9000")
    assert result.exit_code == 1
    assert "gpen-bfr-256" in result.stderr


def test_doctor_times_a_face_on_the_processor():
    result = run("doctor", "--json")
    (record,) = json_lines(result.stdout)
    processor = record["devices"][-1]
    assert processor["device"] == "cpu"
    assert processor["seconds_per_face"] > 0
    assert record["torch"]["version"]
    assert result.exit_code == int(any(finding["level"] == "problem" for finding in record["findings"]))


def test_doctor_speaks_to_people():
    result = run("doctor", language="zh")
    assert "处理一张人脸" in result.stdout
    assert __version__ in result.stdout


def test_bench_gives_milliseconds_per_face():
    result = run("bench", "--batch-size", "1", "--json", *CPU)
    assert result.exit_code == 0
    (record,) = json_lines(result.stdout)
    assert record["batch_size"] == 1
    assert record["ms_per_face"] > 0


# ---- one program, one table ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [["-m", "gpen_ui"], ["app.py"], ["-c", "from gpen_ui.cli import main; main()"]])
def test_all_entries_are_the_same_program(program: list[str]):
    ran = subprocess.run([sys.executable, *program, "--version"], cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.stdout.strip() == f"gpen-ui {__version__}"
    assert ran.returncode == 0


def test_flags_alone_start_the_page_and_ctrl_c_ends_it():
    process = start("--port", "0", *CPU)
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found, process.communicate(timeout=60)
    try:
        with urllib.request.urlopen(found.group(), timeout=60) as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_the_page_is_not_opened_to_the_network_without_a_password():
    result = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 2
    assert "--auth" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_help_of_enhance_is_the_table_of_options(language: Language):
    shown = " ".join(run("enhance", "--help", language=language).stdout.split())
    squeezed = shown.replace(" ", "")
    for spec in option_specs():
        assert flag_name(spec) in shown
        assert spec.help(language).replace(" ", "") in squeezed
        if spec.kind == "choice":
            assert "|".join(spelled(choice) for choice in spec.choices) in squeezed
        elif spec.kind != "bool":
            assert f"{spec.low:g}..{spec.high:g}" in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_has_help(language: Language):
    overview = run("--help", language=language).stdout
    for command in COMMANDS:
        assert command in overview
        assert run(command, "--help", language=language).exit_code == 0
    for command in MODEL_COMMANDS:
        assert run("models", command, "--help", language=language).exit_code == 0


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_every_option_command_preset_and_setting(name: str):
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    for spec in option_specs():
        assert f"`{flag_name(spec)}`" in text
        if spec.kind == "choice":
            row = next(line for line in text.splitlines() if line.startswith(f"| `{flag_name(spec)}`"))
            assert all(spelled(choice) in row for choice in spec.choices)
        elif spec.kind != "bool":
            row = next(line for line in text.splitlines() if line.startswith(f"| `{flag_name(spec)}`"))
            assert all(f"{value:g}" in row for value in (spec.low, spec.high, spec.default))
    for words in (*COMMANDS[:2], *COMMANDS[3:], *(f"models {command}" for command in MODEL_COMMANDS)):
        assert f"`{words}" in text
    for preset in preset_names():
        assert f"`{preset}`" in text
    for setting in Settings.model_fields:
        assert f"`{setting}`" in text


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_opens_with_the_two_commands_and_its_pictures_are_there(name: str):
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line.startswith("./run.sh")]
    assert commands[:2] == ["./run.sh", "./run.sh test"]
    for target in re.findall(r"\]\(((?!https?://)[^)#]+)\)", text):
        assert (CHECKOUT / target).is_file(), target


def test_version_and_changelog_agree():
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(__version__)}\]", changelog, re.MULTILINE)
