"""Makes `astronaut-old.jpg`, the photo of the first try, `before-after.png`, what the program makes of it, and the
photo inside the package that `gpen-ui bench` measures with.

The source is `skimage.data.astronaut()`: a NASA photo in the public domain. Run it from the repository's root with
`python docs/samples/make_samples.py` after a change of the embedded model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageFilter

FOLDER = Path(__file__).resolve().parent
SAMPLE = FOLDER / "astronaut-old.jpg"
MEASURED = FOLDER.parent.parent / "gpen_ui" / "measure" / "astronaut.jpg"
MEASURED_CROP, MEASURED_QUALITY = (0, 0, 512, 384), 95
CROP = (75, 0, 375, 350)
SMALL_WH, SIZE_WH = (150, 175), (600, 700)  # what the "old print" really holds, and the size it was scanned at
BLUR_PX, GRAIN, JPEG_QUALITY = 0.7, 6.0, 40


def make_sample() -> None:
    """Reduces, blurs, enlarges and adds soft grain, as a scan of a small old print has them."""
    photo = Image.fromarray(skimage.data.astronaut()).crop(CROP).resize(SMALL_WH, Image.Resampling.LANCZOS)
    scan = photo.filter(ImageFilter.GaussianBlur(BLUR_PX)).resize(SIZE_WH, Image.Resampling.BICUBIC)
    half = np.random.default_rng(1).normal(0, GRAIN, (SIZE_WH[1] // 2, SIZE_WH[0] // 2)).astype(np.float32)
    grain = np.asarray(Image.fromarray(half).resize(SIZE_WH, Image.Resampling.BICUBIC))
    pixels = np.asarray(scan, np.float32) + grain[..., None]
    Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(SAMPLE, quality=JPEG_QUALITY)


def make_measured() -> None:
    """The upper part of the photo, four by three."""
    Image.fromarray(skimage.data.astronaut()).crop(MEASURED_CROP).save(MEASURED, quality=MEASURED_QUALITY)


def make_before_after() -> None:
    """Both halves of the head beside each other, restored with the default options."""
    from gpen_ui.engine import Restorer

    with Restorer.load() as restorer:
        result = restorer.restore(SAMPLE)
    if result.original is None or result.photo is None:
        raise SystemExit(f"{SAMPLE.name} was not restored: {result.error}")
    box = (80, 0, 520, 480)
    sides = [Image.fromarray(photo.pixels).crop(box) for photo in (result.original, result.photo)]
    sheet = Image.new("RGB", (2 * sides[0].width + 8, sides[0].height), "white")
    sheet.paste(sides[0], (0, 0))
    sheet.paste(sides[1], (sides[0].width + 8, 0))
    dithered = sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    dithered.save(FOLDER / "before-after.png", optimize=True)


if __name__ == "__main__":
    make_sample()
    make_measured()
    make_before_after()
