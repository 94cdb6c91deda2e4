"""Sixteen bits per channel from the file through the engine and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gpen_ui import look
from gpen_ui.engine import Restorer
from gpen_ui.faces import FaceLayer, paste_faces
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import (
    Photo,
    PhotoMetadata,
    photo_from_pixels,
    read_photo,
    save_photo,
    small_jpeg,
    thumbnail,
    to_eight_bits,
)
from tests import pictures

DEEP_FORMATS = ("PNG", "TIFF")


def deep_astronaut() -> np.ndarray:
    """(512, 512, 3) uint16: the astronaut with sixteen real bits: a fraction of a level is added to every value."""
    fractions = np.random.default_rng(0).integers(0, 200, (512, 512, 3))
    return (pictures.astronaut().astype(np.uint16) * 256 + fractions).astype(np.uint16)


@pytest.fixture(scope="module")
def restorer() -> Iterator[Restorer]:
    with Restorer.load(device="cpu") as loaded:
        yield loaded


@pytest.mark.parametrize("kind", DEEP_FORMATS)
@pytest.mark.parametrize("layout", ["gray", "gray and alpha", "colour", "colour and alpha"])
def test_every_value_of_sixteen_bits_survives_a_file(kind: str, layout: str, tmp_path: Path):
    values = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    pixels = np.repeat(values[:, :, None], 3, axis=2)
    if "colour" in layout:
        pixels = np.dstack([values, values[::-1], values[:, ::-1]])
    alpha = np.ascontiguousarray(values.T) if "alpha" in layout else None
    photo = Photo(pixels, alpha, PhotoMetadata(kind, gray="gray" in layout))
    back = read_photo(save_photo(photo, tmp_path, name="a"))
    assert back.pixels.dtype == np.uint16 and np.array_equal(back.pixels, pixels)
    assert (back.alpha is None) == (alpha is None)
    assert back.metadata.gray == ("gray" in layout and alpha is None)
    assert alpha is None or (back.alpha is not None and np.array_equal(back.alpha, alpha))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", DEEP_FORMATS)
def test_deep_pixels_are_turned_once(kind: str, orientation: int, tmp_path: Path):
    from tests.test_photo_read import scene

    plain, deep = tmp_path / "8", tmp_path / "16"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(scene()).save(plain, kind, exif=exif)
    path = save_photo(Photo(scene().astype(np.uint16) * 257, metadata=PhotoMetadata(kind)), tmp_path, name="a")
    data = path.read_bytes()
    if kind == "PNG":
        from gpen_ui.photo.png import put_together

        deep.write_bytes(put_together(data, (), exif=exif.tobytes().removeprefix(b"Exif\x00\x00")))
    else:
        from gpen_ui.photo.tiff import encode_tiff

        samples = scene().astype(np.uint16) * 257
        parts = {"icc": None, "xmp": None, "resources": None, "iptc": None, "dpi": None}
        written = bytearray(encode_tiff(samples, alpha=False, exif=None, **parts))
        at = written.index(bytes((0x1C, 1, 3, 0)))  # PlanarConfiguration, whose value is the default anyway
        written[at : at + 12] = bytes((0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0))
        deep.write_bytes(_sorted_directory(bytes(written)))
    eight, sixteen = read_photo(plain), read_photo(deep)
    assert sixteen.pixels.dtype == np.uint16
    assert np.array_equal(sixteen.pixels, eight.pixels.astype(np.uint16) * 257)


def _sorted_directory(tiff: bytes) -> bytes:
    """The rows of a little-endian TIFF's directory by their numbers, as the specification demands."""
    start = int.from_bytes(tiff[4:8], "little")
    count = int.from_bytes(tiff[start : start + 2], "little")
    rows = sorted(
        (tiff[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)),
        key=lambda row: int.from_bytes(row[:2], "little"),
    )
    return tiff[: start + 2] + b"".join(rows) + tiff[start + 2 + 12 * count :]


@pytest.mark.parametrize("kind", DEEP_FORMATS)
def test_a_restored_photo_keeps_its_depth_and_every_value_outside_the_face(
    kind: str, restorer: Restorer, tmp_path: Path
):
    pixels = deep_astronaut()
    path = save_photo(Photo(pixels, metadata=PhotoMetadata(kind)), tmp_path, name="deep", suffix="")
    result = restorer.restore(path, RestoreOptions(strength=100))
    assert result.error is None and result.restored_count == 1 and result.photo is not None
    after = read_photo(save_photo(result.photo, tmp_path, name="deep")).pixels
    assert after.dtype == np.uint16
    assert np.array_equal(after[300:], pixels[300:]) and np.array_equal(after[:, 350:], pixels[:, 350:])
    left, top, right, bottom = (round(edge) for edge in result.faces[0].box_xyxy)
    face = after[top:bottom, left:right]
    assert not np.array_equal(face, pixels[top:bottom, left:right])
    assert (face % 257 != 0).mean() > 0.9  # real sixteen bits, not eight stretched


def test_deep_and_eight_bit_photos_are_restored_alike(restorer: Restorer):
    options = RestoreOptions(strength=100, denoise=30, sharpen=20, contrast=10, detail_enhancement=True)
    eight = pictures.astronaut()
    deep = eight.astype(np.uint16) * 257
    one, other = (restorer.restore(photo_from_pixels(pixels), options) for pixels in (eight, deep))
    assert one.photo is not None and other.photo is not None
    difference = np.abs(to_eight_bits(other.photo.pixels).astype(int) - one.photo.pixels)
    assert difference.mean() < 0.3 and np.percentile(difference, 99.9) <= 3


def test_an_aligned_crop_keeps_its_depth(restorer: Restorer):
    result = restorer.restore(photo_from_pixels(deep_astronaut()), RestoreOptions(aligned=True))
    assert result.photo is not None and result.photo.pixels.dtype == np.uint16
    assert (result.photo.pixels % 257 != 0).mean() > 0.9


@pytest.mark.parametrize(
    "adjust",
    [
        lambda pixels: look.denoise(pixels, 60),
        lambda pixels: look.sharpen(pixels, 60),
        lambda pixels: look.adjust_tone(pixels, 30, -20),
        lambda pixels: look.adjust_tone(pixels, -30, 20),
        lambda pixels: look.enlarge(pixels, 2),
        lambda pixels: look.reduce_long_edge(pixels, 300),
    ],
)
def test_adjustments_do_the_same_in_either_depth(adjust: Callable[[np.ndarray], np.ndarray]):
    eight = pictures.degraded(pictures.astronaut(), factor=1, noise=8)
    deep = eight.astype(np.uint16) * 257
    result = adjust(deep)
    assert result.dtype == np.uint16
    difference = np.abs(result / 257 - adjust(eight))
    assert difference.mean() < 0.5 and difference.max() <= 2.5


def test_neutral_adjustments_return_the_deep_photo_itself():
    pixels = deep_astronaut()
    for same in (
        look.denoise(pixels, 0),
        look.sharpen(pixels, 0),
        look.adjust_tone(pixels, 0, 0),
        look.enlarge(pixels, 1),
        look.reduce_long_edge(pixels, 0),
    ):
        assert same is pixels


def test_noise_and_light_are_measured_in_the_same_levels():
    eight = pictures.degraded(pictures.astronaut(), factor=1, noise=8)
    deep = eight.astype(np.uint16) * 257
    assert np.abs(look.luminance(deep) - look.luminance(eight)).max() <= 0.51
    assert look.estimate_noise(look.luminance(deep)) == pytest.approx(
        look.estimate_noise(look.luminance(eight)), rel=0.05
    )


def test_saturation_is_at_the_ends_of_the_depth():
    pixels = np.zeros((64, 64, 3), np.uint16)
    pixels[:, 32:] = 65535
    sharper = look.sharpen(cv2.GaussianBlur(pixels, (0, 0), 1), 100)
    assert sharper[10, 5].max() == 0 and sharper[10, 60].min() == 65535


def test_a_pasted_face_takes_the_deep_numbers():
    photo = np.full((100, 100, 3), 10000, np.uint16)
    mask = np.zeros((64, 64), np.float32)
    mask[16:48, 16:48] = 1
    picture = np.full((64, 64, 3), 100.5, np.float32)
    layer = FaceLayer(picture, mask, np.array([[1.0, 0, -20], [0, 1, -20]]), 1.0)
    pasted = paste_faces(photo, [layer])
    assert pasted[52, 52, 0] == round(100.5 * 257) and pasted[5, 5, 0] == 10000


def test_small_pictures_of_deep_photos_are_eight_bit():
    photo = photo_from_pixels(np.dstack([deep_astronaut(), np.full((512, 512), 30000, np.uint16)]))
    small = thumbnail(photo, 64)
    assert small.pixels.dtype == np.uint8 and small.alpha is not None and abs(int(small.alpha[0, 0]) - 117) <= 1
    assert small_jpeg(photo, 64)[:2] == b"\xff\xd8"


@pytest.mark.parametrize("asked", ["jpeg", "webp", "avif", "heic"])
def test_a_format_of_eight_bits_says_so(asked: str):
    from gpen_ui.photo import encode_file

    encoded = encode_file(photo_from_pixels(deep_astronaut()), asked)
    assert [remark.key for remark in encoded.remarks] == ["photo_depth_written"]


def test_samples_in_planes_are_read_right(tmp_path: Path):
    values = np.arange(40 * 64, dtype=np.uint16).reshape(40, 64) * 25
    planes = [values, values[::-1], values[:, ::-1]]
    body = b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)
    size = values.nbytes
    rows = [(256, 4, [64]), (257, 4, [40]), (258, 3, [16, 16, 16]), (259, 3, [1]), (262, 3, [2])]
    rows += [(273, 4, [8, 8 + size, 8 + 2 * size]), (277, 3, [3]), (278, 4, [40]), (279, 4, [size] * 3), (284, 3, [2])]
    data, table = bytearray(b"II*\x00" + bytes(4) + body), b""
    for tag, kind, numbers in rows:
        packed = b"".join(number.to_bytes(2 if kind == 3 else 4, "little") for number in numbers)
        place = packed.ljust(4, b"\x00")
        if len(packed) > 4:
            place = len(data).to_bytes(4, "little")
            data += packed
        table += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + len(numbers).to_bytes(4, "little") + place
    data[4:8] = len(data).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(bytes(data) + len(rows).to_bytes(2, "little") + table + bytes(4))
    photo = read_photo(tmp_path / "a.tif")
    assert photo.metadata.remarks == () and np.array_equal(photo.pixels, np.dstack(planes))
