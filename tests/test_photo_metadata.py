"""What a file says about its photo: kept, corrected, or left out on request; and what is damaged or made to harm."""

from __future__ import annotations

import io
import struct
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin

from gpen_ui.errors import PhotoReadError
from gpen_ui.photo import (
    Photo,
    PhotoMetadata,
    encode_file,
    photo_from_bytes,
    photo_from_pixels,
    read_photo,
    save_photo,
)
from gpen_ui.photo.exif import without_gps
from gpen_ui.photo.png import put_together, take_apart
from gpen_ui.photo.resources import iptc_of, tidied, with_iptc
from gpen_ui.photo.xmp import NOTE_NAMESPACE, fitted_xmp, xmp_with_note, xmp_without_gps
from tests.test_photo_read import encoded, scene

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="uuid:7" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  tiff:Orientation="6" tiff:ImageWidth="4000" exif:GPSLatitude="48,12N" exif:GPSMapDatum='WGS' xmp:Rating="4">
  <exif:PixelYDimension>3000</exif:PixelYDimension><exif:GPSLongitude>16,22E</exif:GPSLongitude>
  <dc:title><rdf:Alt><rdf:li xml:lang="x-default">奶奶 &amp; I</rdf:li></rdf:Alt></dc:title>
  <xmp:Thumbnails><rdf:Alt><rdf:li>OLDFACE</rdf:li></rdf:Alt></xmp:Thumbnails>
 </rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()
FORMATS_WITH_XMP = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"]
NOTE = {"Model": "gpen-lite-512", "Options": '{"a": "<&>"}'}
IPTC = b"\x1c\x02\x5a\x00\x04Wien"


def photo_of(kind: str = "PNG", **metadata: object) -> Photo:
    return Photo(scene(), metadata=PhotoMetadata(format=kind, **metadata))


def back(photo: Photo, folder: Path, **wishes: object) -> Photo:
    return read_photo(save_photo(photo, folder, name="a", **wishes))


def well_formed(xmp: bytes | None) -> ET.Element:
    assert xmp is not None
    return ET.fromstring(xmp.decode().partition("?>")[2].rpartition("<?xpacket")[0])


# ---- XMP ----------------------------------------------------------------------------------------------------------


def test_xmp_is_made_true_and_keeps_the_rest_letter_by_letter():
    fitting = fitted_xmp(XMP, (64, 40), extended=False)
    well_formed(fitting)
    assert fitting is not None
    for part in (b'tiff:Orientation="1"', b'tiff:ImageWidth="64"', b"<exif:PixelYDimension>40<", b'xmp:Rating="4"'):
        assert part in fitting
    assert "奶奶 &amp; I".encode() in fitting and b"OLDFACE" not in fitting and b"Thumbnails" not in fitting


def test_coordinates_leave_xmp_wherever_they_stand():
    plain = xmp_without_gps(XMP)
    well_formed(plain)
    assert plain is not None and b"GPS" not in plain and b"16,22E" not in plain and b'xmp:Rating="4"' in plain


@pytest.mark.parametrize(
    "before",
    [
        None,
        XMP,
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>',
    ],
)
def test_the_note_is_added_once_and_reads_back(before: bytes | None):
    noted = xmp_with_note(xmp_with_note(before, {"Model": "other"}), NOTE)
    assert noted is not None
    text = noted.decode()
    found = ET.fromstring(text.partition("?>")[2].rpartition("<?xpacket")[0] if "xpacket" in text else text)
    values = {element.tag: element.text for element in found.iter()}
    assert (
        values[f"{{{NOTE_NAMESPACE}}}Model"] == "gpen-lite-512"
        and values[f"{{{NOTE_NAMESPACE}}}Options"] == NOTE["Options"]
    )
    assert text.count("DigitalSourceType>") == 2 and text.count("gpen:Model>") == 2
    if before == XMP:
        assert text.count('rdf:about="uuid:7"') == 2  # one photo, one subject
        assert "奶奶 &amp; I" in text


def test_xmp_that_is_no_text_is_passed_on_untouched():
    odd = b"\xff\xfe<\x00x\x00"
    assert fitted_xmp(odd, (1, 1), extended=True) == odd and xmp_with_note(odd, NOTE) == odd


def test_a_hostile_packet_costs_no_time():
    """Quadratic patterns would hang here for minutes."""
    for filler in (b" " * 10**6, b"<rdf:Description " * 20000, b"<exif:GPSx>" * 20000, b' exif:GPSx="' * 20000):
        packet = b"<rdf:RDF>" + filler + b"</rdf:RDF>"
        fitted_xmp(xmp_with_note(xmp_without_gps(packet), NOTE), (9, 9), extended=False)


@pytest.mark.parametrize("kind", FORMATS_WITH_XMP)
def test_xmp_and_note_survive_every_format_that_holds_them(kind: str, tmp_path: Path):
    again = back(photo_of(kind, xmp=XMP), tmp_path, note=NOTE)
    assert again.metadata.xmp is not None and "奶奶".encode() in again.metadata.xmp
    assert b"gpen:Model>gpen-lite-512<" in again.metadata.xmp
    silent = back(photo_of(kind), tmp_path)
    assert silent.metadata.xmp is None


def test_xmp_that_is_too_long_for_a_jpeg_loses_the_note_first_then_is_told():
    room = 65504
    padded = XMP.replace(b"<?xpacket end", b" " * (room - len(XMP) - 10) + b"<?xpacket end")
    full = XMP.replace(b"</rdf:RDF>", b"<!--" + b"x" * (room - len(XMP) - 50) + b"--></rdf:RDF>")
    beyond = XMP.replace(b"</rdf:RDF>", b"<!--" + b"x" * room + b"--></rdf:RDF>")
    for packet, noted, remarks in ((padded, True, []), (full, False, []), (beyond, False, ["photo_not_held"])):
        file = encode_file(photo_of("JPEG", xmp=packet), note=NOTE)
        kept = photo_from_bytes(file.data).metadata.xmp
        assert (kept is not None and b"gpen:Model" in kept) == noted
        assert [remark.key for remark in file.remarks] == remarks and (kept is None) == bool(remarks)


def test_the_extended_part_of_xmp_travels_with_a_jpeg():
    part = b"http://ns.adobe.com/xmp/extension/\x00" + b"A" * 32 + struct.pack(">II", 5, 0) + b"depth"
    photo = photo_of("JPEG", xmp=XMP, xmp_extension=(part,))
    assert photo_from_bytes(encode_file(photo).data).metadata.xmp_extension == (part,)
    located = replace(photo, metadata=replace(photo.metadata, xmp_extension=(part + b"GPSLatitude",)))
    assert photo_from_bytes(encode_file(located, metadata="no-gps").data).metadata.xmp_extension == ()


# ---- EXIF, IPTC, resolution, texts ---------------------------------------------------------------------------------


def located_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "Camera", "Software"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0), 29: "2024:02:03"})
    exif.get_ifd(0x8769)[0x9286] = b"hello"
    return exif.tobytes()


def test_gps_leaves_exif_without_a_trace():
    block = located_exif()
    plain = without_gps(block)
    assert plain is not None and len(plain) == len(block) and b"2024:02:03" in block and b"2024:02:03" not in plain
    exif = Image.Exif()
    exif.load(plain)
    assert dict(exif.get_ifd(0x8825)) == {} and 0x8825 not in exif
    assert exif[0x010F] == "Camera" and exif[0x0131] == "Software" and exif.get_ifd(0x8769)[0x9286] == b"hello"


@pytest.mark.parametrize("wish", ["keep", "no-gps", "none"])
@pytest.mark.parametrize("kind", FORMATS_WITH_XMP)
def test_wishes_for_metadata(kind: str, wish: str, tmp_path: Path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = photo_of(kind, exif=located_exif(), xmp=XMP, icc=icc, texts=(("Comment", "hello"),))
    kept = back(photo, tmp_path, metadata=wish).metadata
    data = (kept.exif or b"") + (kept.xmp or b"")
    assert (b"2024:02:03" in data) == (wish == "keep") and (b"16,22E" in data) == (wish == "keep")
    assert (b"Camera" in data) == (b"Rating" in data) == (wish != "none")
    assert kept.icc == icc  # colours need it


def test_exif_that_is_damaged_deep_inside_is_kept(tmp_path: Path):
    block = bytearray(located_exif())
    at = block.index(struct.pack(">HHI", 0x8769, 4, 1)) + 8
    block[at : at + 4] = b"\x7f\xff\xff\xff"
    kept = back(photo_of("JPEG", exif=bytes(block)), tmp_path).metadata.exif
    assert kept is not None and b"Camera" in kept


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_cannot_be_read_is_named():
    photo = photo_from_bytes(encoded(Image.fromarray(scene()), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f"))
    assert [(remark.key, remark.values) for remark in photo.metadata.remarks] == [
        ("photo_metadata_unreadable", {"what": "EXIF"})
    ]


def test_iptc_travels_between_jpeg_tiff_and_png_and_is_missed_elsewhere(tmp_path: Path):
    resources = with_iptc(None, IPTC)
    for kind in ("JPEG", "TIFF", "PNG"):
        kept = back(photo_of(kind, resources=resources), tmp_path).metadata.resources
        assert iptc_of(kept) == IPTC
    file = encode_file(photo_of("JPEG", resources=resources), "webp")
    assert [(remark.key, remark.values["what"]) for remark in file.remarks] == [("photo_not_held", "IPTC")]


def test_the_small_picture_among_the_resources_goes():
    small = b"8BIM\x04\x0c\x00\x00" + struct.pack(">I", 7) + b"OLDFACE\x00"
    name = b"8BIM\x03\xed\x03abc" + struct.pack(">I", 2) + b"xy"
    assert tidied(small + name) == name and tidied(small) is None
    assert tidied(b"8BIM\x04\x04\x00\x00\xff\xff\xff\xff") is None  # lies about its length


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
def test_resolution_survives(kind: str, tmp_path: Path):
    dpi = back(photo_of(kind, dpi=(300.0, 150.0)), tmp_path).metadata.dpi
    assert dpi == pytest.approx((300, 150), abs=0.1)


def test_resolution_turns_with_the_photo():
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B] = 6, 300.0, 150.0
    photo = photo_from_bytes(encoded(Image.fromarray(scene()), "JPEG", exif=exif, dpi=(300, 150)))
    assert photo.metadata.dpi == (150, 300)
    turned = Image.Exif()
    turned.load(photo.metadata.exif)
    assert (turned[0x011A], turned[0x011B]) == (150, 300)


def test_texts_survive_and_change_their_clothes_with_the_format(tmp_path: Path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Jörg", zip=True)
    info.add_itxt("Description", "奶奶", "zh", "描述")
    path = tmp_path / "a.png"
    Image.fromarray(scene()).save(path, pnginfo=info)
    photo = read_photo(path)
    with Image.open(save_photo(photo, tmp_path, name="b")) as image:
        assert image.text == {"Author": "Jörg", "Description": "奶奶"}
        assert image.text["Description"].lang == "zh"
    jpeg = photo_from_bytes(encode_file(photo, "jpeg").data)
    assert [text for _, text in jpeg.metadata.texts] == ["Author: Jörg", "Description: 奶奶"]
    png = photo_from_bytes(encode_file(jpeg, "png").data)
    assert png.metadata.texts[1] == ("Comment", "Description: 奶奶")


def test_colour_of_a_png_without_a_profile_survives(tmp_path: Path):
    plain = take_apart(encoded(Image.fromarray(scene()), "PNG")).picture
    path = tmp_path / "linear.png"
    path.write_bytes(put_together(plain, [(b"gAMA", struct.pack(">I", 100000))]))
    with Image.open(save_photo(read_photo(path), tmp_path, name="a")) as image:
        assert image.info["gamma"] == pytest.approx(1.0)


def test_a_lossless_webp_stays_exact(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 4), dtype=np.uint8)
    path = tmp_path / "a.webp"
    Image.fromarray(noise).save(path, lossless=True, exact=True)
    photo = read_photo(path)
    again = back(photo, tmp_path)
    assert photo.metadata.lossless and np.array_equal(again.pixels, noise[:, :, :3])
    assert again.alpha is not None and np.array_equal(again.alpha, noise[:, :, 3])


@pytest.mark.parametrize(("quality", "subsampling"), [(30, 2), (95, 1), (99, 0), (100, 0)])
def test_a_jpeg_is_written_no_coarser_than_it_was(quality: int, subsampling: int):
    source = encoded(Image.fromarray(scene()), "JPEG", quality=quality, subsampling=subsampling)
    result = encode_file(photo_from_bytes(source)).data
    with Image.open(io.BytesIO(source)) as before, Image.open(io.BytesIO(result)) as after:
        assert JpegImagePlugin.get_sampling(after) == 0
        for number in (0, 1):
            pairs = zip(after.quantization[number], before.quantization[number], strict=True)
            assert all(ours <= theirs for ours, theirs in pairs)


def test_a_jpeg_from_other_pixels_has_quality_95():
    reference = encoded(Image.fromarray(scene()), "JPEG", quality=95, subsampling=0)
    with Image.open(io.BytesIO(reference)) as wanted, Image.open(io.BytesIO(encode_file(photo_of("JPEG")).data)) as got:
        assert got.quantization == wanted.quantization


def test_writing_a_jpeg_again_changes_it_less_than_a_level():
    source = photo_from_bytes(encoded(Image.fromarray(scene(200, 160)), "JPEG", quality=85, subsampling=2))
    again = photo_from_bytes(encode_file(source).data)
    assert np.abs(again.pixels.astype(int) - source.pixels).mean() < 0.8


# ---- several pictures, bombs, lies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO", "HEIC"])
def test_the_first_of_several_pictures_is_taken_and_that_is_told(kind: str):
    other = Image.new("RGB", (64, 40), "green")
    if kind == "HEIC":
        import pillow_heif

        several = pillow_heif.from_pillow(Image.fromarray(scene()))
        several.add_from_pillow(other)
        buffer = io.BytesIO()
        several.save(buffer, quality=90)
        data = buffer.getvalue()
    else:
        data = encoded(Image.fromarray(scene()), kind, save_all=True, append_images=[other])
    photo = photo_from_bytes(data)
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 6
    assert [(r.key, r.values) for r in photo.metadata.remarks] == [("photo_first_of_several", {"count": 2})]


def test_a_single_picture_carries_no_remark():
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIC"):
        assert photo_from_bytes(encoded(Image.fromarray(scene()), kind)).metadata.remarks == ()


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def with_chunk(raw: bytes) -> bytes:
    data = encoded(Image.fromarray(scene()), "PNG")
    return data[:33] + raw + data[33:]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (chunk(b"iCCP", b"x\x00\x00" + zlib.compress(bytes(80 << 20))), "ICC"),
        (chunk(b"zTXt", b"x\x00\x00" + zlib.compress(bytes(80 << 20))), "text"),
        (chunk(b"zTXt", b"x\x00\x00not deflated"), "text"),
        (chunk(b"iCCP", b"no end of the name"), "ICC"),
        (chunk(b"eXIf", b"nothing"), "EXIF"),
        (chunk(b"tEXt", b"bad checksum\x00!")[:-1] + b"?", None),
        (chunk(b"pHYs", b"short"), None),
        (chunk(b"tIME", b""), None),
    ],
)
def test_a_bomb_or_damage_beside_the_pixels_costs_nothing_but_itself(raw: bytes, named: str | None):
    photo = photo_from_bytes(with_chunk(raw))
    assert np.array_equal(photo.pixels, scene())
    assert [remark.values.get("what") for remark in photo.metadata.remarks] == ([named] if named else [])
    assert np.array_equal(photo_from_bytes(encode_file(photo).data).pixels, scene())


def test_many_small_bombs_are_one():
    third = chunk(b"zTXt", b"x\x00\x00" + zlib.compress(bytes(25 << 20)))
    photo = photo_from_bytes(with_chunk(third * 40))
    assert sum(len(text) for _, text in photo.metadata.texts) <= 64 << 20
    assert [remark.key for remark in photo.metadata.remarks] == ["photo_metadata_unreadable"]


def test_a_tiff_whose_tags_all_claim_the_same_bytes_is_refused():
    data = bytearray(encode_file(photo_of("TIFF")).data)
    start = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[start : start + 2], "little")
    rows = [bytes(data[at : at + 12]) for at in range(start + 2, start + 2 + 12 * count, 12)]
    data += bytes(8 << 20)
    rows += [struct.pack("<HHII", 40000 + number, 7, 8 << 20, 100) for number in range(2000)]  # 16 GB
    data[4:8] = len(data).to_bytes(4, "little")
    data += len(rows).to_bytes(2, "little") + b"".join(rows) + bytes(4)
    with pytest.raises(PhotoReadError, match="damaged"):
        photo_from_bytes(bytes(data))


def test_a_tiff_whose_pages_go_round_in_a_circle_is_read():
    data = bytearray(encode_file(photo_of("TIFF")).data)
    start = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[start : start + 2], "little")
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    photo = photo_from_bytes(bytes(data))
    assert np.array_equal(photo.pixels, scene()) and photo.metadata.remarks == ()


def test_a_long_text_is_no_bomb(tmp_path: Path):
    text = "workflow " * 300_000
    photo = photo_from_bytes(with_chunk(chunk(b"tEXt", b"prompt\x00" + text.encode())))
    assert back(photo, tmp_path).metadata.texts == (("prompt", text),)


def test_random_damage_to_metadata_never_lets_a_foreign_error_out():
    photo = photo_of("JPEG", exif=located_exif(), xmp=XMP, resources=with_iptc(None, IPTC), texts=(("Comment", "x"),))
    random = np.random.default_rng(2)
    for kind in ("jpeg", "png", "tiff", "webp"):
        good = np.frombuffer(encode_file(photo, kind, note=NOTE).data, np.uint8)
        ends = min(len(good), 3000)
        for _ in range(60):
            bad = good.copy()
            places = random.integers(12, ends, 4)
            bad[places if kind != "tiff" else len(bad) - places % 400 - 1] = random.integers(0, 256, 4)
            try:
                again = photo_from_bytes(bad.tobytes(), max_megapixels=1)
            except Exception as error:
                assert type(error).__module__.startswith("gpen_ui"), repr(error)
                continue
            for wish in ("keep", "no-gps", "none"):
                encode_file(again, metadata=wish, note=NOTE)


def test_what_a_format_cannot_hold_is_told_and_only_that():
    rich = photo_of("PNG", exif=located_exif(), xmp=XMP, texts=(("Title", "x"),))
    assert encode_file(rich).remarks == ()
    assert [(r.key, r.values["what"]) for r in encode_file(rich, "webp").remarks] == [("photo_not_held", "text")]
    assert encode_file(rich, "webp", metadata="none").remarks == ()
    clear = replace(rich, alpha=np.full((40, 64), 9, np.uint8))
    assert [r.key for r in encode_file(clear, "jpeg").remarks] == ["photo_written_as_png"]
    gif = photo_from_bytes(encoded(Image.fromarray(scene()), "GIF"))
    assert [r.key for r in encode_file(gif).remarks] == ["photo_format_not_written"]
    assert encode_file(photo_from_pixels(scene())).remarks == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_gray_profiles_stay_with_gray_photos(kind: str, tmp_path: Path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray_icc = icc[:16] + b"GRAY" + icc[20:]
    gray = np.repeat(scene()[:, :, :1], 3, axis=2)
    photo = Photo(gray, metadata=PhotoMetadata(kind, gray=True, icc=gray_icc))
    again = back(photo, tmp_path)
    assert again.metadata.gray and again.metadata.icc == gray_icc


def test_a_wide_profile_keeps_its_numbers():
    """Display P3 and Adobe RGB: the values stay, and so does what they mean."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = icc.index(b"XYZ \x00\x00\x00\x00", 128) + 8
    wide = icc[:at] + struct.pack(">i", 38000) + icc[at + 4 :]
    for kind in ("PNG", "TIFF"):
        photo = photo_from_bytes(encode_file(photo_of(kind, icc=wide)).data)
        assert photo.metadata.icc == wide and np.array_equal(photo.pixels, scene())
