"""The command line as a user meets it: real photos through the real engine, and bad input of every kind."""

import signal
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import CPU, fingerprints, json_lines, run, start


def test_a_photo_is_restored_and_told_in_one_line(photo: Path, tmp_path: Path):
    result = run("enhance", photo, "-o", tmp_path / "out", *CPU)
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{photo} -> {tmp_path / 'out' / 'photo_gpen.jpg'}: 1 of 1 face restored; ")
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
    Image.new("RGB", (1, 1), (10, 200, 30)).save(folder / "tiny.png")
    header = bytearray((folder / "tiny.png").read_bytes())
    header[16:24] = (20000).to_bytes(4, "big") * 2  # width and height in PNG's first chunk, whose checksum follows
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


# ---- stopping -------------------------------------------------------------------------------------------------------


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
