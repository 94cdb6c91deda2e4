"""Reading photos: every kind of file a user has becomes upright RGB or one clear sentence."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from gpen_ui.errors import GpenError, PhotoError, PhotoReadError, PhotoTooLargeError
from gpen_ui.photo import find_photos, load_file, photo_from_bytes, photo_from_pixels, read_photo, thumbnail

ORIENTATION, MAKE, USER_COMMENT, MAKER_NOTE = 0x0112, 0x010F, 0x9286, 0x927C
ALL_FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIC"]


def scene(width: int = 64, height: int = 40) -> np.ndarray:
    """(height, width, 3): a smooth colour field with a white corner at the top left."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pixels = np.stack([x * 200 / width, y * 200 / height, 90 + 0 * x], axis=-1).astype(np.uint8)
    pixels[: height // 4, : width // 4] = 255
    return pixels


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image.convert("RGB")).save(buffer, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def sentence(error: pytest.ExceptionInfo[GpenError]) -> str:
    """The English sentence, after a look that both languages are whole sentences."""
    english, chinese = error.value.sentence("en"), error.value.sentence("zh")
    assert english.endswith(".") and chinese.endswith("。") and "{" not in english + chinese
    return english


@pytest.mark.parametrize("kind", ALL_FORMATS)
def test_every_format_gives_its_picture(kind: str, tmp_path: Path):
    path = tmp_path / "photo.bin"  # the name says nothing: the content decides
    path.write_bytes(encoded(Image.fromarray(scene()), kind))
    photo = read_photo(path)
    assert photo.pixels.shape == (40, 64, 3) and photo.pixels.dtype == np.uint8 and photo.alpha is None
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 6
    assert (photo.metadata.format, photo.path, photo.name) == (kind, path, "photo.bin")
    assert photo.pixels.flags.writeable


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(kind: str, orientation: int):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(scene())
    stored = image.transpose(undo[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Camera"
    photo = photo_from_bytes(encoded(stored, kind, exif=exif))
    assert photo.size_wh == (64, 40)
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 6
    kept = Image.Exif()
    kept.load(photo.metadata.exif)
    assert kept.get(ORIENTATION, 1) == 1 and kept[MAKE] == "Camera"


def test_exif_is_kept_byte_by_byte_except_for_the_orientation():
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = 6, "Camera"
    exif.get_ifd(0x8769).update({MAKER_NOTE: b"secret\x00offsets\x01", USER_COMMENT: b"ASCII\x00\x00\x00hello"})
    block = exif.tobytes()
    photo = photo_from_bytes(encoded(Image.fromarray(scene()), "JPEG", exif=block))
    kept = photo.metadata.exif
    assert kept is not None and len(kept) == len(block)
    assert sum(a != b for a, b in zip(kept, block, strict=True)) == 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_photo():
    photo = photo_from_bytes(encoded(Image.fromarray(scene()), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f"))
    assert photo.size_wh == (64, 40) and photo.metadata.exif is None


def test_colour_profile_is_kept_and_nonsense_is_not():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert photo_from_bytes(encoded(Image.fromarray(scene()), kind, icc_profile=profile)).metadata.icc == profile
    assert photo_from_bytes(encoded(Image.fromarray(scene()), "JPEG", icc_profile=b"no")).metadata.icc is None


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16", "P"])
def test_one_channel_files_repeat_it_and_say_so(mode: str):
    values = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (40, 1))
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    elif mode == "LA":
        image = Image.merge("LA", [Image.fromarray(values), Image.fromarray(255 - values)])
    elif mode == "1":
        values = np.where(values < 128, 0, 255).astype(np.uint8)
        image = Image.fromarray(values).convert("1", dither=Image.Dither.NONE)
    else:
        image = Image.fromarray(values).convert(mode)
    photo = photo_from_bytes(encoded(image, "PNG"))
    assert photo.metadata.gray and photo.pixels.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    stored = np.asarray(image) if mode == "I;16" else values
    assert np.array_equal(photo.pixels, np.repeat(stored[:, :, None], 3, axis=2))
    if mode == "LA":
        assert photo.alpha is not None and np.array_equal(photo.alpha, 255 - values)
    else:
        assert photo.alpha is None


def test_colour_files_are_not_called_gray():
    assert not photo_from_bytes(encoded(Image.fromarray(scene()), "PNG")).metadata.gray
    assert not photo_from_bytes(encoded(Image.fromarray(scene()).convert("P"), "GIF")).metadata.gray


@pytest.mark.parametrize("mode", ["I", "F", "I;16B"])
def test_deep_gray_tiffs_become_sixteen_bits(mode: str):
    ramp = np.tile(np.linspace(0, 1, 64), (40, 1))
    arrays = {
        "I": (ramp * 65535).astype(np.int32),
        "F": ramp.astype(np.float32),
        "I;16B": (ramp * 65535).astype(">u2"),
    }
    photo = photo_from_bytes(encoded(Image.fromarray(arrays[mode]), "TIFF"))
    assert photo.metadata.gray and np.abs(photo.pixels[:, :, 0] - ramp * 65535).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_alpha_is_kept(kind: str):
    alpha = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (40, 1))
    image = Image.fromarray(np.dstack([scene(), alpha]))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "AVIF" else {}
    photo = photo_from_bytes(encoded(image, kind, **options))
    assert photo.alpha is not None and np.abs(photo.alpha.astype(int) - alpha).max() <= 2
    assert photo.pixels.shape == (40, 64, 3)


def test_transparency_of_palettes_and_single_colours_becomes_alpha():
    image = Image.fromarray(scene()).convert("P")
    spot = image.getpixel((0, 0))
    for kind in ("PNG", "GIF"):
        photo = photo_from_bytes(encoded(image, kind, transparency=spot))
        assert photo.alpha is not None and photo.alpha[0, 0] == 0 and photo.alpha[-1, -1] == 255
    keyed = photo_from_bytes(encoded(Image.fromarray(scene()), "PNG", transparency=(255, 255, 255)))
    assert keyed.alpha is not None and keyed.alpha[0, 0] == 0 and keyed.alpha[-1, -1] == 255
    keyed = photo_from_bytes(encoded(Image.fromarray(scene()).convert("L"), "PNG", transparency=255))
    assert keyed.alpha is not None and keyed.alpha[0, 0] == 0 and keyed.metadata.gray


def test_an_opaque_alpha_channel_counts_as_none():
    opaque = np.dstack([scene(), np.full((40, 64), 255, np.uint8)])
    assert photo_from_bytes(encoded(Image.fromarray(opaque), "PNG")).alpha is None


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_srgb_without_its_profile(kind: str):
    ink = Image.new("CMYK", (32, 32), (0, 255, 255, 0))  # magenta and yellow: red
    photo = photo_from_bytes(encoded(ink, kind, icc_profile=b"broken profile"))
    red, green, blue = photo.pixels[16, 16].astype(int)
    assert red > 200 and green < 60 and blue < 60
    assert photo.metadata.icc is None and not photo.metadata.gray


def ink_profile() -> bytes:
    """A CMYK profile in which every pure or mixed ink looks neutral: the more inks, the darker (ICC.1, lut8Type)."""
    ramp = bytes(range(256))
    grid = b"".join(bytes([255 - 60 * bin(inks).count("1"), 128, 128]) for inks in range(16))
    identity = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + grid + ramp * 3
    description = b"desc" + bytes(4) + struct.pack(">I", 4) + b"ink\0" + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    body, table, start = b"", b"", 128 + 4 + 12 * 3
    for name, tag in ((b"A2B0", lut), (b"desc", description), (b"wtpt", white)):
        table += name + struct.pack(">II", start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp")
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)  # the illuminant D50
    return header + bytes(128 - len(header)) + struct.pack(">I", 3) + table + body


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_own_profile(kind: str):
    image = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    cyan = photo_from_bytes(encoded(image, kind, icc_profile=ink_profile()))
    red, green, blue = cyan.pixels[16, 16].astype(int)
    assert abs(red - green) < 6 and abs(green - blue) < 6 and 150 < green < 215  # L* 76, and no cyan
    assert cyan.metadata.icc is None


def test_lab_tiffs_become_srgb():
    lab = ImageCms.profileToProfile(
        Image.fromarray(scene()), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    photo = photo_from_bytes(encoded(lab, "TIFF"))
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames_is_taken(kind: str):
    others = [Image.new("RGB", (64, 40), "green")]
    data = encoded(Image.fromarray(scene()), kind, save_all=True, append_images=others)
    assert np.abs(photo_from_bytes(data).pixels.astype(int) - scene()).mean() < 6


def test_phone_photos_with_a_second_picture_inside_are_jpeg():
    data = encoded(Image.fromarray(scene()), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 40))])
    photo = photo_from_bytes(data)
    assert photo.metadata.format == "JPEG" and np.abs(photo.pixels.astype(int) - scene()).mean() < 6


@pytest.mark.parametrize("kind", ALL_FORMATS)
def test_a_photo_of_one_pixel(kind: str):
    assert photo_from_bytes(encoded(Image.new("RGB", (1, 1), "white"), kind)).pixels.min() > 240


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", ALL_FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_refused_and_named(kind: str, share: float, progressive: bool, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind, **({"progressive": True} if kind == "JPEG" and progressive else {}))
    path = tmp_path / "halb.jpg"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PhotoReadError) as error:
        read_photo(path)
    assert "halb.jpg is cut off or damaged" in sentence(error)


def test_a_jpeg_that_lacks_only_its_end_marker_is_whole():
    data = encoded(Image.fromarray(scene(200, 160)), "JPEG", quality=90)
    whole = photo_from_bytes(data).pixels
    for end in (2, 1):
        assert np.array_equal(photo_from_bytes(data[:-end]).pixels, whole)
    for end in (4, 6, 10, 40):
        with pytest.raises(PhotoReadError):
            photo_from_bytes(data[:-end])


def test_missing_folder_empty_and_text(tmp_path: Path):
    (tmp_path / "leer.png").touch()
    (tmp_path / "brief.jpg").write_text("Dear photo,\n" * 20)
    cases = {
        tmp_path / "nirgends.jpg": "does not exist",
        tmp_path / "leer.png" / "below-a-file.jpg": "does not exist",
        tmp_path: "is a folder",
        tmp_path / "leer.png": "leer.png is empty",
        tmp_path / "brief.jpg": "brief.jpg is not a picture",
        tmp_path / "nul\x00.jpg": "cannot be read",
    }
    for path, words in cases.items():
        with pytest.raises(PhotoReadError) as error:
            read_photo(path)
        assert words in sentence(error)


def test_a_pipe_does_not_block(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoReadError, match="not a picture"):
        read_photo(tmp_path / "pipe.jpg")


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"8BPS\x00\x01", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "RAW"),
        (b"\x00\x00\x00\x18ftypisom", "video"),
        (b"<svg xmlns=", "SVG"),
    ],
)
def test_known_types_that_are_not_read_are_named_with_those_that_are(head: bytes, found: str):
    with pytest.raises(PhotoReadError) as error:
        photo_from_bytes(head + bytes(64), "photo.jpg")
    assert f"type {found}" in sentence(error) and "JPEG, PNG, WebP" in sentence(error)


def test_the_preview_inside_a_raw_file_is_not_taken_for_the_photo():
    with pytest.raises(PhotoReadError, match="RAW"):
        photo_from_bytes(encoded(Image.fromarray(scene()), "TIFF", tiffinfo={50706: b"\x01\x04\x00\x00"}))


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "private.png"
    path.write_bytes(encoded(Image.fromarray(scene()), "PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read anything, so the system's answer is put in its place
        monkeypatch.setattr(Path, "open", _denied)
    with pytest.raises(PhotoReadError) as error:
        read_photo(path)
    assert "permission denied" in sentence(error)


def _denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises many pixels and holds hardly any."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def test_a_header_bomb_is_refused_before_decoding_and_without_a_warning():
    with warnings.catch_warnings(), pytest.raises(PhotoTooLargeError) as error:
        warnings.simplefilter("error")
        photo_from_bytes(png_header(20000, 20000), "bomb.png")
    assert "bomb.png has 20000 x 20000 pixels (400 megapixels); at most 150" in sentence(error)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_pillows_own_limit_neither_warns_nor_raises(kind: str, monkeypatch: pytest.MonkeyPatch):
    data = encoded(Image.new("RGB", (4000, 3000)), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert photo_from_bytes(data).size_wh == (4000, 3000)


def test_the_limit_of_megapixels_is_the_callers():
    data = encoded(Image.new("L", (1001, 1000)), "PNG")
    assert photo_from_bytes(data, max_megapixels=2).size_wh == (1001, 1000)
    with pytest.raises(PhotoTooLargeError):
        photo_from_bytes(data, max_megapixels=1)


@pytest.mark.parametrize("name", ["奶奶的照片.jpg", "👵🏻 1927 (1).jpeg", "a b&c'd.JPG"])
def test_names_in_any_script(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(encoded(Image.fromarray(scene()), "JPEG"))
    assert read_photo(tmp_path / name).name == name
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(PhotoReadError) as error:
        read_photo(tmp_path / name)
    assert name in error.value.sentence("zh")


def test_a_name_that_is_no_text_can_still_be_printed(tmp_path: Path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/broken\xff.jpg"))
    path.write_bytes(b"x")
    with pytest.raises(PhotoReadError) as error:
        read_photo(path)
    sentence(error).encode("utf-8")


def test_random_damage_never_lets_a_foreign_error_out():
    random = np.random.default_rng(1)
    for kind in ALL_FORMATS:
        good = np.frombuffer(encoded(Image.fromarray(scene()), kind), np.uint8)
        for _ in range(40):
            bad = good.copy()
            places = random.integers(0, len(bad), 6)
            bad[places] = random.integers(0, 256, 6)
            try:
                photo = photo_from_bytes(bad.tobytes(), max_megapixels=1)
            except GpenError:
                continue
            assert photo.pixels.dtype == np.uint8 and photo.pixels.shape[2] == 3


def test_pixels_from_memory():
    rgba = np.dstack([scene(), np.full((40, 64), 7, np.uint8)])
    assert photo_from_pixels(scene()[:, :, 0]).metadata.gray
    assert photo_from_pixels(rgba).alpha is not None and np.array_equal(photo_from_pixels(rgba).pixels, scene())
    for wrong in (scene().astype(np.float32), scene()[:, :, :2], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(PhotoReadError) as error:
            photo_from_pixels(wrong)
        assert "must be uint8" in sentence(error)


def test_thumbnail_keeps_the_shape_and_never_enlarges():
    photo = photo_from_pixels(np.dstack([scene(), np.full((40, 64), 7, np.uint8)]))
    small = thumbnail(photo, 32)
    assert small.size_wh == (32, 20) and small.alpha is not None and small.alpha.shape == (20, 32)
    assert thumbnail(photo, 500).size_wh == (64, 40)
    assert thumbnail(photo_from_pixels(np.zeros((1, 3000, 3), np.uint8)), 100).size_wh == (100, 1)


def test_thumbnail_shows_the_colours_that_the_profile_means():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    photo = photo_from_bytes(encoded(Image.new("RGB", (8, 8), "red"), "PNG", icc_profile=swapped))
    assert tuple(photo.pixels[0, 0]) == (255, 0, 0) and photo.metadata.icc == swapped
    small = thumbnail(photo, 4)
    assert small.pixels[0, 0, 1] > 200 > 50 > small.pixels[0, 0, 0] and small.metadata.icc is None


def test_find_photos_in_natural_order_without_hidden_ones(tmp_path: Path):
    for name in (
        "p10.JPG",
        "p2.png",
        "P1.webp",
        ".hidden.jpg",
        ".gpen-1.part",
        "notes.txt",
        "sub/a.tiff",
        ".git/b.png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    names = [path.relative_to(tmp_path).as_posix() for path in find_photos(tmp_path)]
    assert names == ["P1.webp", "p2.png", "p10.JPG"]
    assert [path.name for path in find_photos(tmp_path, recursive=True)] == ["P1.webp", "p2.png", "p10.JPG", "a.tiff"]


def test_find_photos_says_what_is_wrong_with_the_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    for folder, words in ((tmp_path / "no", "does not exist"), (tmp_path / "file", "is, or lies below, a file")):
        with pytest.raises(PhotoReadError) as error:
            find_photos(folder)
        assert words in sentence(error)


def test_a_file_in_memory_gives_the_same_photo_as_the_file(tmp_path: Path):
    path = tmp_path / "奶奶.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(path, exif=exif)
    os.utime(path, (1e9, 1e9))
    from_disk, file = read_photo(path), load_file(path, most_bytes=1 << 20)
    path.unlink()
    in_memory = read_photo(file)
    assert np.array_equal(from_disk.pixels, in_memory.pixels)
    assert (in_memory.path, in_memory.metadata) == (from_disk.path, from_disk.metadata)


def test_a_file_that_cannot_be_loaded_says_why(tmp_path: Path):
    (tmp_path / "large.jpg").write_bytes(bytes(3 << 20))
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (("large.jpg", "has 3 MB"), ("gone.jpg", "does not exist"), ("pipe.jpg", "not a picture")):
        with pytest.raises(PhotoError, match=reason):
            load_file(tmp_path / name, most_bytes=2 << 20)
