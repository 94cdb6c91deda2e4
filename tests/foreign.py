"""Files as other programs make them: ImageMagick, heif-enc and exiftool write the astronaut in many kinds of files."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests import pictures

TOOLS = {"convert": "imagemagick", "exiftool": "libimage-exiftool-perl", "heif-enc": "libheif-examples"}
MISSING = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
SIDE = 512
ON_ITS_SIDE = ("-EXIF:Orientation#=6", "-XMP-tiff:Orientation#=6")
TAGS = (
    "-EXIF:Make=Kamera & Söhne", "-EXIF:UserComment=hello", "-EXIF:DateTimeOriginal=1999:12:31 23:59:59",
    "-EXIF:XResolution=300", "-EXIF:YResolution=300",
    "-EXIF:ResolutionUnit=inches", "-EXIF:GPSLatitude=48.2", "-EXIF:GPSLatitudeRef=N", "-EXIF:GPSLongitude=16.37",
    "-EXIF:GPSLongitudeRef=E", "-XMP-exif:GPSLatitude=48.2", "-XMP-dc:Title=Großmutter 奶奶", "-XMP-xmp:Rating=5",
    "-XMP-photoshop:City=Wien", "-IPTC:City=Wien", "-IPTC:Keywords=family", "-charset", "iptc=UTF8",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """How a file is made and what it can hold.

    Attributes:
        options: of ImageMagick, or "heif-enc" and its own.
        bits: per channel.
        exact: the format keeps every value.
        iptc, tagged: exiftool can write IPTC, or anything at all, into it.
    """

    options: tuple[str, ...]
    bits: int = 8
    exact: bool = True
    iptc: bool = True
    tagged: bool = True
    changed: tuple[str, ...] = ()  # keys of the notes that its result carries


KINDS = {
    "8.png": Kind(()),
    "16.png": Kind((), bits=16),
    "8-lzw.tif": Kind(("-compress", "LZW")),
    "8-raw-bigendian.tif": Kind(("-compress", "None", "-endian", "MSB")),
    "16-lzw.tif": Kind(("-compress", "LZW"), bits=16),
    "16-zip-bigendian.tif": Kind(("-compress", "Zip", "-endian", "MSB"), bits=16),
    "16-planes.tif": Kind(("-interlace", "plane", "-compress", "LZW"), bits=16),
    "88-420.jpg": Kind(("-quality", "88"), exact=False),
    "98-progressive.jpg": Kind(("-quality", "98", "-interlace", "JPEG"), exact=False),
    "60-gray.jpg": Kind(("-colorspace", "Gray", "-quality", "60"), exact=False),
    "90-cmyk.jpg": Kind(("-colorspace", "CMYK", "-quality", "90"), exact=False, changed=("photo_converted",)),
    "lossless.webp": Kind(("-define", "webp:lossless=true"), iptc=False),
    "90.webp": Kind(("-quality", "90"), exact=False, iptc=False),
    "90.heic": Kind(("heif-enc", "-q", "90"), exact=False, iptc=False),
    "90.avif": Kind(("heif-enc", "-A", "-q", "90"), exact=False, iptc=False),
    "plain.bmp": Kind((), iptc=False, tagged=False),
    "plain.gif": Kind((), iptc=False, tagged=False, exact=False, changed=("photo_format_not_written",)),
}


def upright(bits: int) -> np.ndarray:
    """(512, 512, 3) what the files show, in their own depth."""
    eight = pictures.astronaut()
    if bits == 8:
        return np.asarray(eight)
    fractions = np.random.default_rng(0).integers(0, 200, eight.shape)
    return (eight.astype(np.uint16) * 256 + fractions).astype(np.uint16)


def make(folder: Path) -> dict[str, Path]:
    """Every kind of file, by its name; a kind that this machine's tools cannot write is left out."""
    profile = folder / "srgb.icc"
    profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    thumbnail = folder / "thumbnail.jpeg"
    Image.new("RGB", (32, 32), "red").save(thumbnail)
    made = {}
    for name, kind in KINDS.items():
        path = folder / name
        stored = np.rot90(upright(kind.bits)) if _lies(path, kind) else upright(kind.bits)
        if _write(path, np.ascontiguousarray(stored), kind):
            made[name] = path
    for name, path in made.items():
        kind = KINDS[name]
        if kind.tagged:
            icc = (
                []
                if path.suffix in (".heic", ".avif") or "gray" in name or "cmyk" in name
                else [f"-ICC_Profile<={profile}"]
            )
            small = [f"-ThumbnailImage<={thumbnail}"] if path.suffix == ".jpg" else []
            turned = ON_ITS_SIDE if _lies(path, kind) else ()
            command = ["exiftool", "-q", "-m", "-overwrite_original", *TAGS, *turned, *icc, *small, path]
            subprocess.run(command, check=True, capture_output=True)
    return made


def _lies(path: Path, kind: Kind) -> bool:
    """On its side, as a phone stores it, except where the orientation in EXIF does not count."""
    return kind.tagged and path.suffix not in (".heic", ".avif")


def _write(path: Path, stored: np.ndarray, kind: Kind) -> bool:
    bits = 8 * stored.itemsize
    raw = ["convert", "-size", f"{SIDE}x{SIDE}", "-depth", str(bits), "rgb:-", "-strip"]
    if kind.options[:1] != ("heif-enc",):
        subprocess.run([*raw, *kind.options, path], input=stored.tobytes(), check=True)
        return True
    plain = path.with_name("plain.png")
    subprocess.run([*raw, plain], input=stored.tobytes(), check=True)
    done = subprocess.run([*kind.options, plain, "-o", path], capture_output=True, check=False)
    plain.unlink()
    return done.returncode == 0


_TAGS: dict[tuple[Path, int, int], dict[str, Any]] = {}


def tags(path: Path) -> dict[str, Any]:
    """Everything that exiftool finds in a file, as `Group:Tag`, numbers as numbers.

    It takes a third of a second to start, so the first question about a folder is asked about all files in it.
    """
    if _state(path) not in _TAGS:
        files = [each for each in path.parent.iterdir() if each.is_file() and _state(each) not in _TAGS]
        command = ["exiftool", "-j", "-n", "-G1", "-a", "-struct", *files]
        found = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
        _TAGS.update({_state(Path(each["SourceFile"])): each for each in found})
    return dict(_TAGS[_state(path)])


def _state(path: Path) -> tuple[Path, int, int]:
    """The file, and what shows that it is still the same."""
    facts = path.stat()
    return path, facts.st_size, facts.st_mtime_ns


def pixels(path: Path) -> np.ndarray:
    """(512, 512, 3) uint16: what ImageMagick decodes, which shares no code with us for PNG, TIFF and WebP."""
    command = ["convert", path, "-alpha", "off", "-depth", "16", "rgb:-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint16).reshape(SIDE, SIDE, 3)
