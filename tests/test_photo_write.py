"""Writing photos: whole or not at all, never over a file, with everything that belongs to the photo."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from gpen_ui.errors import PhotoWriteError
from gpen_ui.photo import (
    Photo,
    PhotoMetadata,
    find_photos,
    photo_from_pixels,
    read_photo,
    replace_encoded,
    save_encoded,
    save_photo,
    stamp_of,
    written_format,
)
from tests.test_photo_read import scene, sentence

ORIENTATION, SOFTWARE, EXIF_DIRECTORY, WIDTH, HEIGHT = 0x0112, 0x0131, 0x8769, 0xA002, 0xA003
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]


def photo_of(kind: str, **metadata: object) -> Photo:
    return Photo(scene(), metadata=PhotoMetadata(format=kind, **metadata))


def exif_block() -> bytes:
    """With a size, a maker's note and a thumbnail, as a camera writes it."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[SOFTWARE] = 1, "Camera 1.0"
    exif.get_ifd(EXIF_DIRECTORY).update({WIDTH: 4000, HEIGHT: 3000, 0x927C: b"note"})
    block = bytearray(exif.tobytes().removeprefix(b"Exif\x00\x00"))
    assert block[:2] == b"MM"
    next_at = 10 + 12 * int.from_bytes(block[8:10], "big")
    block[next_at : next_at + 4] = len(block).to_bytes(4, "big")
    start = len(block) + 2 + 2 * 12 + 4
    block += (2).to_bytes(2, "big")
    for tag, value in ((0x0201, start), (0x0202, 9)):
        block += struct.pack(">HHII", tag, 4, 1, value)
    return b"Exif\x00\x00" + bytes(block) + bytes(4) + b"OLD PHOTO"


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("BMP", ".bmp"), ("AVIF", ".avif")],
)
def test_same_keeps_the_format_and_the_picture(kind: str, extension: str, tmp_path: Path):
    path = save_photo(photo_of(kind), tmp_path, name="p.x.jpg")
    assert path == tmp_path / f"p.x_gpen{extension}"
    back = read_photo(path)
    assert back.metadata.format == kind
    assert np.abs(back.pixels.astype(int) - scene()).mean() < (4 if kind in ("JPEG", "WEBP", "AVIF") else 0.001)


def test_a_format_that_is_not_written_becomes_png(tmp_path: Path):
    assert save_photo(photo_of("GIF"), tmp_path, name="a.gif").name == "a_gpen.png"
    assert save_photo(photo_of("SOMETHING"), tmp_path, name="b").name == "b_gpen.png"


@pytest.mark.parametrize(("asked", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_an_asked_format_wins(asked: str, kind: str, tmp_path: Path):
    assert read_photo(save_photo(photo_of("TIFF"), tmp_path, name="a", output_format=asked)).metadata.format == kind


def test_jpeg_is_written_without_chroma_subsampling(tmp_path: Path):
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = 255  # red columns of one pixel: half the chroma would blur them into one tone
    path = save_photo(Photo(stripes, metadata=PhotoMetadata("JPEG")), tmp_path, name="a")
    assert np.abs(read_photo(path).pixels.astype(int) - stripes).mean() < 12


def test_transparency_is_never_flattened(tmp_path: Path):
    alpha = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (40, 1))
    photo = replace(photo_of("PNG"), alpha=alpha)
    for asked in ("same", "png", "jpeg"):
        back = read_photo(save_photo(photo, tmp_path, name="a", output_format=asked))
        assert back.metadata.format == "PNG" and back.alpha is not None and np.array_equal(back.alpha, alpha)
    assert written_format(photo, "jpeg") == "PNG" and written_format(photo_of("PNG"), "jpeg") == "JPEG"
    assert read_photo(save_photo(photo, tmp_path, name="a", output_format="webp")).alpha is not None


def test_a_picture_that_webp_cannot_hold_becomes_png():
    wide = Photo(np.zeros((1, 20000, 3), np.uint8))
    assert written_format(wide, "webp") == "PNG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
def test_gray_stays_one_channel_only_while_it_is_gray(kind: str, tmp_path: Path):
    gray = np.repeat(scene()[:, :, :1], 3, axis=2)
    path = save_photo(Photo(gray, metadata=PhotoMetadata(kind, gray=True)), tmp_path, name="gray")
    with Image.open(path) as image:
        assert image.mode == "L"
    tinted = gray.copy()
    tinted[0, 0] = (200, 100, 50)
    path = save_photo(Photo(tinted, metadata=PhotoMetadata(kind, gray=True)), tmp_path, name="tinted")
    with Image.open(path) as image:
        assert image.mode == "RGB"


def test_a_gray_photo_with_alpha_keeps_both(tmp_path: Path):
    gray, alpha = np.repeat(scene()[:, :, :1], 3, axis=2), np.full((40, 64), 9, np.uint8)
    path = save_photo(Photo(gray, alpha, PhotoMetadata("PNG", gray=True)), tmp_path, name="a")
    with Image.open(path) as image:
        assert image.mode == "LA"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_and_profile_travel_with_the_sizes_of_the_result(kind: str, tmp_path: Path):
    photo = photo_of(kind, exif=exif_block(), icc=SRGB)
    path = save_photo(photo, tmp_path, name="a")
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif.get(ORIENTATION, 1) == 1 and exif[SOFTWARE] == "Camera 1.0"
        details = exif.get_ifd(EXIF_DIRECTORY)
        assert (details[WIDTH], details[HEIGHT], details[0x927C]) == (64, 40, b"note")
        assert image.info["icc_profile"] == SRGB
    assert b"OLD PHOTO" not in path.read_bytes()


def test_exif_of_a_tiff_travels_without_the_way_its_pixels_were_stored(tmp_path: Path):
    exif = Image.Exif()
    exif[SOFTWARE] = "Scanner 2"
    Image.fromarray(scene()).save(tmp_path / "scan.tif", exif=exif, compression="tiff_lzw")
    path = save_photo(read_photo(tmp_path / "scan.tif"), tmp_path, name="scan", output_format="jpeg")
    with Image.open(path) as image:
        assert dict(image.getexif()) == {SOFTWARE: "Scanner 2"}


def test_a_profile_goes_only_where_its_kind_of_pixels_goes(tmp_path: Path):
    gray = np.repeat(scene()[:, :, :1], 3, axis=2)
    fits = save_photo(Photo(gray, metadata=PhotoMetadata("PNG", icc=GRAY_PROFILE, gray=True)), tmp_path, name="a")
    coloured = save_photo(photo_of("PNG", icc=GRAY_PROFILE, gray=True), tmp_path, name="b")
    colour_profile = save_photo(Photo(gray, metadata=PhotoMetadata("PNG", icc=SRGB, gray=True)), tmp_path, name="c")
    for path, mode, kept in ((fits, "L", True), (coloured, "RGB", False), (colour_profile, "RGB", True)):
        with Image.open(path) as image:
            assert (image.mode, "icc_profile" in image.info) == (mode, kept)


def test_exif_that_is_too_long_for_jpeg_does_not_cost_the_photo(tmp_path: Path):
    exif = Image.Exif()
    exif[SOFTWARE] = "x" * 70000
    path = save_photo(photo_of("JPEG", exif=exif.tobytes()), tmp_path, name="a")
    assert read_photo(path).metadata.exif is None


def test_names_count_up_and_nothing_is_replaced(tmp_path: Path):
    photo = photo_of("PNG")
    (tmp_path / "a_gpen.png").write_bytes(b"mine")
    names = [save_photo(photo, tmp_path, name="a.jpg").name for _ in range(3)]
    assert names == ["a_gpen_2.png", "a_gpen_3.png", "a_gpen_4.png"]
    assert (tmp_path / "a_gpen.png").read_bytes() == b"mine"
    (tmp_path / "b_gpen.png").symlink_to(tmp_path / "nowhere.png")
    assert save_photo(photo, tmp_path, name="b").name == "b_gpen_2.png"
    assert not (tmp_path / "nowhere.png").exists()


@pytest.mark.parametrize("links", [True, False])
def test_many_writers_of_one_name_get_names_of_their_own(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    photos = [photo_from_pixels(np.full((8, 8), number, np.uint8)) for number in range(12)]
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda photo=photo: paths.append(save_photo(photo, tmp_path, name="a")))
        for photo in photos
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(read_photo(path).pixels[0, 0, 0]) for path in paths) == list(range(12))
    assert sorted(paths) == sorted(tmp_path.iterdir())


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("奶奶👵🏻.jpg", "奶奶👵🏻_gpen.png"),
        ("../../etc/photo.png", "photo_gpen.png"),
        ("C:\\photos\\a.jpg", "a_gpen.png"),
        ("v1.2", "v1.2_gpen.png"),
        (".jpg", "photo_gpen.png"),
        ("..", ".._gpen.png"),
        ("line\nbreak", "line_break_gpen.png"),
    ],
)
def test_the_name_of_a_result(name: str, result: str, tmp_path: Path):
    assert save_photo(photo_of("PNG"), tmp_path / "new" / "folder", name=name) == tmp_path / "new" / "folder" / result


def test_results_can_be_read_by_whoever_the_umask_allows(tmp_path: Path):
    before = os.umask(0o022)
    try:
        path = save_photo(photo_of("PNG"), tmp_path, name="a")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "is full"), (errno.EDQUOT, "is full"), (errno.EROFS, "is read-only"), (errno.EIO, "cannot be")],
)
def test_a_failing_disk_leaves_nothing_behind(number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(PhotoWriteError) as error:
        save_photo(photo_of("PNG"), tmp_path, name="a")
    assert words in sentence(error)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_ends_in_the_middle_of_the_file_leaves_nothing_behind(tmp_path: Path):
    script = """
import resource, sys
import numpy as np
from gpen_ui.errors import PhotoWriteError
from gpen_ui.photo import photo_from_pixels, save_photo
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
try:
    save_photo(photo_from_pixels(noise), sys.argv[1], name="a")
except PhotoWriteError as error:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_while_writing_leaves_no_result(tmp_path: Path):
    script = """
import os, sys, time
import numpy as np
from gpen_ui.photo import photo_from_pixels, save_photo
def stuck(descriptor):
    print("writing", flush=True)
    time.sleep(60)
os.fsync = stuck
save_photo(photo_from_pixels(np.zeros((50, 50, 3), np.uint8)), sys.argv[1], name="a")
"""
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert find_photos(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    assert save_photo(photo_of("PNG"), tmp_path, name="a").name == "a_gpen.png"


def test_folders_and_names_that_cannot_be(tmp_path: Path):
    (tmp_path / "file").touch()
    cases = {
        (tmp_path / "file", "a"): "is, or lies below, a file",
        (tmp_path / "file" / "below", "a"): "is, or lies below, a file",
        (tmp_path / "ok", "a" * 300): "too long",
        (tmp_path / "nul\x00", "a"): "cannot be written",
    }
    for (folder, name), words in cases.items():
        with pytest.raises(PhotoWriteError) as error:
            save_photo(photo_of("PNG"), folder, name=name)
        assert words in sentence(error)
    assert list((tmp_path / "ok").iterdir()) == []


def test_a_result_is_replaced_only_while_it_is_the_one_that_was_written(tmp_path: Path):
    path = save_encoded(b"first", tmp_path, name="a.jpg", suffix="_gpen", extension=".jpg")
    written = stamp_of(path)
    assert replace_encoded(b"second", path, written) and path.read_bytes() == b"second"
    written = stamp_of(path)
    path.write_bytes(b"edited by its owner")
    assert not replace_encoded(b"third", path, written) and path.read_bytes() == b"edited by its owner"
    path.unlink()
    assert not replace_encoded(b"third", path, written) and not path.exists()
    assert not replace_encoded(b"third", path, None) and list(tmp_path.iterdir()) == []
