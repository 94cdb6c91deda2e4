"""Which library brings which file through unharmed: each reads a file and writes it again, everything it has kept.

Needs Pillow, pillow-heif, OpenCV, pyvips[binary] and tifffile in one environment, and Debian's imagemagick,
libimage-exiftool-perl and libheif-examples to make the files. Prints the table of docs/files.md:

    python benchmarks/file_libraries.py FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 4000, 3000  # 12 megapixels
TAGS = [
    "-EXIF:Make=Camera",
    "-EXIF:GPSLatitude=47.5",
    "-EXIF:GPSLatitudeRef=N",
    "-XMP-dc:Title=Title",
    "-IPTC:City=City",
    "-XResolution=300",
    "-YResolution=300",
]
KEPT = {"EXIF": "Make", "GPS": "GPSLatitude", "XMP": "Title", "IPTC": "City", "ICC": "ProfileDescription"}


def picture(depth: int, channels: int) -> np.ndarray:
    """(HEIGHT, WIDTH, channels): smooth colour with grain, in `depth` bits."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    planes = [x / WIDTH, y / HEIGHT, (x + y) / (WIDTH + HEIGHT), 0.2 + 0.8 * x / WIDTH][:channels]
    grain = np.random.default_rng(0).normal(0, 0.01, (HEIGHT, WIDTH, 1)).astype(np.float32)
    values = np.clip(np.stack(planes, axis=-1) + grain, 0, 1) * (2**depth - 1)
    return values.astype(np.uint16 if depth > 8 else np.uint8)


def make_files(folder: Path) -> dict[str, Path]:
    """The files, named by what they are. Values are exact in the lossless ones."""
    import cv2
    import tifffile
    from PIL import Image, ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files = {}
    for name, depth, channels in (
        ("PNG 8 RGB", 8, 3),
        ("PNG 16 RGB", 16, 3),
        ("PNG 16 RGBA", 16, 4),
        ("PNG 16 grey", 16, 1),
    ):
        path = folder / f"{name.replace(' ', '-')}.png"
        array = picture(depth, channels)
        order = array if channels == 1 else array[:, :, [2, 1, 0, 3][:channels]]
        cv2.imwrite(str(path), np.ascontiguousarray(order))
        files[name] = path
    for name, depth, channels, packed in (
        ("TIFF 8 RGB LZW", 8, 3, "LZW"),
        ("TIFF 16 RGB LZW", 16, 3, "LZW"),
        ("TIFF 16 RGBA Zip", 16, 4, "Zip"),
    ):
        path = folder / f"{name.replace(' ', '-')}.tif"
        extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        tifffile.imwrite(folder / "plain.tif", picture(depth, channels), photometric="rgb", **extra)
        subprocess.run(["convert", folder / "plain.tif", "-compress", packed, path], check=True)
        files[name] = path
    for name, suffix, options in (
        ("JPEG", ".jpg", {"quality": 92, "subsampling": 0}),
        ("WebP lossless", ".webp", {"lossless": True}),
        ("AVIF", ".avif", {"quality": 90, "speed": 8}),
    ):
        path = folder / f"{name.replace(' ', '-')}{suffix}"
        Image.fromarray(picture(8, 3)).save(path, **options)
        files[name] = path
    heic = folder / "HEIC.heic"
    subprocess.run(["heif-enc", "-q", "90", files["JPEG"], "-o", heic], check=True, capture_output=True)
    files["HEIC"] = heic
    (folder / "srgb.icc").write_bytes(icc)
    for path in files.values():
        profile = [] if path.suffix == ".heic" else [f"-ICC_Profile<={folder / 'srgb.icc'}"]
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-m", *TAGS, *profile, path], check=True)
    return files


def by_pillow(source: Path, target: Path) -> None:
    from PIL import Image

    if source.suffix == ".heic":
        raise ValueError("no HEIC")
    with Image.open(source) as image:
        names = ("exif", "icc_profile", "xmp", "dpi")
        kept = {name: image.info[name] for name in names if name in image.info}
        if source.suffix == ".jpg":
            kept |= {"quality": 95, "subsampling": 0}
        if source.suffix == ".webp":
            kept["lossless"] = True
        if source.suffix == ".tif":
            kept["compression"] = "tiff_adobe_deflate"
        image.save(target, **kept)


def by_opencv(source: Path, target: Path) -> None:
    import cv2

    if not cv2.imwrite(str(target), cv2.imread(str(source), cv2.IMREAD_UNCHANGED)):
        raise ValueError("not written")


def by_pyvips(source: Path, target: Path) -> None:
    import pyvips

    options: dict[str, Any] = {".jpg": {"Q": 95, "subsample_mode": "off"}, ".webp": {"lossless": True}}.get(
        source.suffix, {}
    )
    options |= {".tif": {"compression": "deflate"}, ".avif": {"Q": 90}, ".png": {"compression": 4}}.get(
        source.suffix, {}
    )
    pyvips.Image.new_from_file(str(source)).write_to_file(str(target), **options)


def by_tifffile(source: Path, target: Path) -> None:
    import tifffile

    if source.suffix != ".tif":
        raise ValueError("TIFF only")
    with tifffile.TiffFile(source) as tiff:
        page = tiff.pages[0]
        tags = page.tags
        extra = [(code, 7, len(tags[code].value), tags[code].value, True) for code in (700,) if code in tags]
        channels = {"extrasamples": ["unassalpha"]} if page.shape[-1] == 4 else {}
        tifffile.imwrite(
            target,
            page.asarray(),
            photometric="rgb",
            compression="adobe_deflate",
            iccprofile=tags[34675].value if 34675 in tags else None,
            extratags=extra,
            **channels,
        )


def by_pillow_heif(source: Path, target: Path) -> None:
    import pillow_heif
    from PIL import Image

    if source.suffix != ".heic":
        raise ValueError("HEIC only")
    pillow_heif.register_heif_opener()
    with Image.open(source) as image:
        kept = {name: image.info[name] for name in ("exif", "icc_profile", "xmp") if image.info.get(name)}
        image.save(target, quality=90, chroma=444, **kept)


LIBRARIES: dict[str, Callable[[Path, Path], None]] = {
    "Pillow": by_pillow,
    "OpenCV": by_opencv,
    "pyvips": by_pyvips,
    "tifffile": by_tifffile,
    "pillow-heif": by_pillow_heif,
}


def tags_of(path: Path) -> dict[str, Any]:
    text = subprocess.run(["exiftool", "-j", "-n", path], capture_output=True, text=True, check=True).stdout
    return dict(json.loads(text)[0])


def pixels_of(path: Path) -> np.ndarray:
    """As ImageMagick decodes it, 16 bits a channel: an opinion of its own about both files."""
    text = subprocess.run(["convert", path, "-depth", "16", "rgba:-"], capture_output=True, check=True).stdout
    return np.frombuffer(text, np.uint16).reshape(-1, 4).astype(np.int64)


def judge(source: Path, target: Path) -> str:
    before, after = tags_of(source), tags_of(target)
    worst = int(np.abs(pixels_of(source) - pixels_of(target)).max()) if source.suffix != ".avif" else None
    values = "values ?" if worst is None else "exact" if worst == 0 else f"off by {round(worst / 257, 1)}"
    lost = [name for name, tag in KEPT.items() if tag in before and tag not in after]
    if before.get("XResolution") == 300 and after.get("XResolution") != 300:
        lost.append("DPI")
    return f"{values}; " + (f"loses {', '.join(lost)}" if lost else "keeps all")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    files = make_files(folder)
    print("| file | " + " | ".join(LIBRARIES) + " |\n| --- |" + " --- |" * len(LIBRARIES))
    for name, source in files.items():
        cells = []
        for library, through in LIBRARIES.items():
            target = folder / f"out-{library}{source.suffix}"
            target.unlink(missing_ok=True)
            started = time.perf_counter()
            try:
                through(source, target)
                seconds = time.perf_counter() - started
                cells.append(f"{judge(source, target)}; {seconds:.1f} s")
            except Exception as error:  # a library's refusal is a finding
                cells.append(f"no ({str(error).splitlines()[0][:40]})" if "only" not in str(error) else "-")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
