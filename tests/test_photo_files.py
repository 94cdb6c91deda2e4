"""Files made by other programs go through every door and come out as the same files but for the face."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpen_ui.engine import Output, Restorer, save_restored
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import read_photo, save_photo
from tests import foreign
from tests.commands import CPU, json_lines, run
from tests.jobs_lab import save_tiny_network

pytestmark = pytest.mark.skipif(
    bool(foreign.MISSING), reason=f"needs the Debian packages {', '.join(foreign.MISSING)} (see .ci/apt-packages.txt)"
)

DOORS = ("command line", "Python API", "save_photo")
OUTSIDE = np.s_[310:]  # rows below the astronaut's face and its mask
FORMAT_OF = {".jpg": ".jpg", ".png": ".png", ".tif": ".tif", ".gif": ".png"}
SEVEN_DAYS_NS = 7 * 86400 * 10**9


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return foreign.make(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies around the face is looked at here, which a small network leaves alone as well as a large one."""
    return save_tiny_network(tmp_path_factory.mktemp("model") / "tiny.pth")


@pytest.fixture(scope="module")
def restorer(model: Path) -> Iterator[Restorer]:
    with Restorer.load(model, device="cpu") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def results(
    sources: dict[str, Path], restorer: Restorer, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, tuple[Path, list[str]]]]:
    """Door -> name of the source -> result and the keys or sentences of its notes."""
    folder = tmp_path_factory.mktemp("results")
    found: dict[str, dict[str, tuple[Path, list[str]]]] = {door: {} for door in DOORS}
    done = run("enhance", *sources.values(), "-o", folder / "cli", "--strength", 100, "--json", "--model", model, *CPU)
    assert done.exit_code == 0, done.stderr
    for line in json_lines(done.stdout):
        if "source" in line:
            found["command line"][Path(line["source"]).name] = (Path(line["result"]), line["notes"])
    for result in restorer.restore_many(sources.values(), RestoreOptions(strength=100)):
        saved = save_restored(result, folder / "api", name=result.name, output=Output())
        found["Python API"][result.name] = (saved.path, [note.key for note in (*result.notes, *saved.notes)])
    for name, path in sources.items():
        photo = read_photo(path)
        keys = [remark.key for remark in photo.metadata.remarks]
        found["save_photo"][name] = (save_photo(photo, folder / "save", name=name), keys)
    return found


Results = dict[str, dict[str, tuple[Path, list[str]]]]
every_door = pytest.mark.parametrize("door", DOORS)
every_kind = pytest.mark.parametrize("name", foreign.KINDS)


def result_of(results: Results, door: str, name: str) -> Path:
    if name not in results[door]:
        pytest.skip(f"this machine's heif-enc cannot write {name}")
    return results[door][name][0]


@every_door
@every_kind
def test_nothing_outside_the_face_changes(name: str, door: str, results: Results):
    kind, path = foreign.KINDS[name], result_of(results, door, name)
    if kind.exact:
        expected = foreign.upright(kind.bits).astype(np.uint16) * (257 if kind.bits == 8 else 1)
        assert np.array_equal(foreign.pixels(path)[OUTSIDE], expected[OUTSIDE])
    elif path.suffix != ".png":  # of a GIF: its palette differs from the picture
        photo = read_photo(path)
        shown = foreign.upright(8) if not photo.metadata.gray else foreign.upright(8) @ np.array((0.299, 0.587, 0.114))
        shown = shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
        assert np.abs(photo.pixels[OUTSIDE] - shown[OUTSIDE].astype(float)).mean() < 8


@pytest.mark.parametrize("door", DOORS[:2])
@every_kind
def test_the_face_is_restored_in_the_depth_of_the_file(
    name: str, door: str, results: Results, sources: dict[str, Path]
):
    after = read_photo(result_of(results, door, name)).pixels
    before = read_photo(sources[name]).pixels
    face = np.s_[90:200, 170:280]
    assert after.dtype == before.dtype == (np.uint16 if foreign.KINDS[name].bits == 16 else np.uint8)
    level = 257 if after.dtype == np.uint16 else 1
    assert np.abs(after[face].astype(int) - before[face]).mean() > 2 * level
    assert after.dtype == np.uint8 or (after[face] % 257 != 0).mean() > 0.9


@every_door
@every_kind
def test_a_file_keeps_its_format_and_everything_it_says(
    name: str, door: str, results: Results, sources: dict[str, Path]
):
    kind, path = foreign.KINDS[name], result_of(results, door, name)
    assert path.suffix == FORMAT_OF.get(sources[name].suffix, sources[name].suffix)
    if not kind.tagged:
        return
    before, after = foreign.tags(sources[name]), foreign.tags(path)
    expected = {
        key: value for key, value in before.items() if key.split(":")[0] in _KEPT_GROUPS and key not in _CHANGED
    }
    if kind.changed == ("photo_converted",):
        expected = {key: value for key, value in expected.items() if not key.startswith("ICC")}
    lost = {key: value for key, value in expected.items() if after.get(key) != value}
    assert lost == {}
    assert after.get("IFD0:Orientation", 1) == 1 and after.get("XMP-tiff:Orientation", 1) == 1
    assert after.get("ExifIFD:ExifImageWidth", foreign.SIDE) == foreign.SIDE
    assert not any("Thumbnail" in key for key in after)
    assert "ExifTool:Warning" not in after
    assert ("IPTC:City" in before) == kind.iptc


_KEPT_GROUPS = ("IFD0", "ExifIFD", "GPS", "IPTC", "XMP-dc", "XMP-xmp", "XMP-photoshop", "XMP-exif", "XMP-tiff",
                "ICC-header", "ICC_Profile", "Photoshop", "JFIF")  # fmt: skip
# How the file stores its pixels, where it stands in the file, or what is meant to change.
_CHANGED = {
    "IFD0:Orientation", "XMP-tiff:Orientation", "IFD0:Compression", "IFD0:StripOffsets", "IFD0:StripByteCounts",
    "IFD0:RowsPerStrip", "IFD0:PlanarConfiguration", "IFD0:Predictor", "IFD0:FillOrder", "IFD0:ImageWidth",
    "IFD0:ImageHeight", "IFD0:PageNumber", "IFD0:SamplesPerPixel", "IFD0:BitsPerSample",
    "IFD0:PhotometricInterpretation", "IFD0:PhotoshopThumbnail", "IFD0:WhitePoint", "IFD0:PrimaryChromaticities",
    "IFD0:TransferFunction", "IFD0:YCbCrPositioning", "IFD0:SubfileType", "JFIF:ResolutionUnit", "JFIF:XResolution",
    "JFIF:YResolution", "IFD0:ExtraSamples", "IFD0:SampleFormat",
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS[:2])
@every_kind
def test_a_restored_file_says_that_it_is_and_how(name: str, door: str, results: Results, restorer: Restorer):
    path = result_of(results, door, name)
    if path.suffix == ".bmp":
        pytest.skip("BMP has no place for a note")
    after = foreign.tags(path)
    assert after["XMP-iptcExt:DigitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    note = {key.partition(":")[2]: value for key, value in after.items() if key.startswith("XMP-gpen:")}
    assert note["Model"] == restorer.model_name and note["ModelSHA256"] == restorer.model_sha256
    assert RestoreOptions(**json.loads(note["Options"])).strength == 100 and note["Faces"] == 1


@every_kind
def test_what_changes_is_told_at_every_door(name: str, results: Results):
    expected = foreign.KINDS[name].changed
    if name not in results["Python API"]:
        pytest.skip(f"this machine's heif-enc cannot write {name}")
    keys = results["Python API"][name][1]
    assert [key for key in keys if key.startswith("photo_")] == list(expected)
    sentences = " ".join(results["command line"][name][1])
    assert ("sRGB" in sentences) == ("photo_converted" in expected)
    assert ("Written as PNG" in sentences) == ("photo_format_not_written" in expected)


def test_jpeg_quality_and_colour_resolution_are_not_worse_than_the_sources(results: Results, sources: dict[str, Path]):
    from PIL import Image, JpegImagePlugin

    for name in ("88-420.jpg", "98-progressive.jpg"):
        with Image.open(sources[name]) as before, Image.open(results["Python API"][name][0]) as after:
            assert JpegImagePlugin.get_sampling(after) == 0  # 4:4:4
            for number, table in after.quantization.items():
                assert all(ours <= theirs for ours, theirs in zip(table, before.quantization[number], strict=True))


def test_a_run_on_disk_writes_the_same_files(sources: dict[str, Path], results: Results, tmp_path: Path):
    (tmp_path / "in").mkdir()
    for name in ("16-lzw.tif", "88-420.jpg", "plain.gif"):
        shutil.copy2(sources[name], tmp_path / "in" / name)
    done = run("batch", tmp_path / "in", "-o", tmp_path / "out", "--strength", 100, "--metadata", "no-gps", *CPU)
    assert done.exit_code == 0, done.stderr
    deep = read_photo(tmp_path / "out" / "16-lzw_gpen.tif")
    assert np.array_equal(deep.pixels[OUTSIDE], foreign.upright(16)[OUTSIDE])
    assert (tmp_path / "out" / "plain_gpen.png").is_file()
    after = foreign.tags(tmp_path / "out" / "88-420_gpen.jpg")
    assert after["XMP-gpen:Strength"] == 100 and after["IPTC:City"] == "Wien"
    assert not any("GPS" in key for key in after)
    assert (tmp_path / "out" / "16-lzw_gpen.tif").stat().st_mtime_ns == sources["16-lzw.tif"].stat().st_mtime_ns


@pytest.mark.parametrize("wish", ["no-gps", "none"])
def test_coordinates_and_the_rest_can_be_left_out(wish: str, sources: dict[str, Path], tmp_path: Path):
    names = [name for name in sources if foreign.KINDS[name].tagged]
    model, out = save_tiny_network(tmp_path / "tiny.pth"), tmp_path / "out"
    flags = ("-o", out, "--metadata", wish, "--no-ai-note", "--model", model, *CPU)
    done = run("enhance", *(sources[name] for name in names), *flags)
    assert done.exit_code == 0, done.stderr
    for path in out.iterdir():
        after = foreign.tags(path)
        assert not any("GPS" in key for key in after), path.name
        assert not any(key.startswith("XMP-gpen") for key in after)
        described = [key for key in after if key.split(":")[-1] in ("Make", "Title", "City", "Keywords", "UserComment")]
        assert bool(described) == (wish == "no-gps"), path.name


def test_the_time_of_the_file_is_kept_unless_the_user_says_otherwise(sources: dict[str, Path], tmp_path: Path):
    import os

    source = shutil.copy(sources["8.png"], tmp_path / "old.png")
    then_ns = Path(source).stat().st_mtime_ns - SEVEN_DAYS_NS
    os.utime(source, ns=(then_ns, then_ns))
    for flags, kept in (((), True), (("--no-keep-time",), False)):
        done = run("enhance", source, "-o", tmp_path / "out", "--json", *flags, *CPU)
        result = Path(json_lines(done.stdout)[0]["result"])
        assert (result.stat().st_mtime_ns == then_ns) == kept


def test_a_result_can_be_made_again_from_its_note(sources: dict[str, Path], tmp_path: Path):
    options = RestoreOptions(strength=63, mode="detail", sharpen=20, detail_enhancement=True)
    with Restorer.load(device="cpu") as embedded:  # a model that the note can name
        first = embedded.restore(sources["16.png"], options)
    note = foreign.tags(save_restored(first, tmp_path, name="a", output=Output()).path)
    with Restorer.load(note["XMP-gpen:Model"], device="cpu") as again:
        assert again.model_sha256 == note["XMP-gpen:ModelSHA256"]
        second = again.restore(sources["16.png"], RestoreOptions(**json.loads(note["XMP-gpen:Options"])))
    assert first.photo is not None and second.photo is not None
    assert np.array_equal(first.photo.pixels, second.photo.pixels)
