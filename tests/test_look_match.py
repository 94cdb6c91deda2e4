"""A restored face fits its photo: grain, sharpness, tone, and no seam. Drawn photos, and no network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpen_ui import look
from gpen_ui.engine.matching import fitted_layers
from gpen_ui.faces import FaceLayer, paste_faces, shape_mask
from gpen_ui.look.regrain import draw_grain, measure_grain
from gpen_ui.look.sharpness import edge_blur
from gpen_ui.options import RestoreOptions
from tests import pictures

CROP_PX = 128
ON, OFF = RestoreOptions(), RestoreOptions(match_look=False)


def noise(shape: tuple[int, ...], deviation: float, sigma_px: float = 0.0, seed: int = 0) -> np.ndarray:
    """Grain of a size and a deviation; one plane for a shape that ends in 1."""
    drawn = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    if sigma_px:
        drawn = cv2.GaussianBlur(drawn, (0, 0), sigma_px).reshape(shape)
    return drawn * np.float32(deviation / drawn.std())


def neighbours(plane: np.ndarray) -> list[float]:
    """Correlation with the pixel one, two and three to the right: the size of grain."""
    plane = plane - plane.mean()
    return [float((plane[:, :-step] * plane[:, step:]).mean() / plane.var()) for step in (1, 2, 3)]


def flat(side_px: int, value: float = 140.0) -> np.ndarray:
    return np.full((side_px, side_px, 3), value, np.float32)


def layer_for(square_px: float, at: float, grain: float = 0.0) -> FaceLayer:
    """A restored face of one colour, whose aligned square has this side in the photo and begins there."""
    scale = CROP_PX / square_px
    picture = np.full((CROP_PX, CROP_PX, 3), 140, np.float32)
    to_crop = np.array([[scale, 0, -at * scale], [0, scale, -at * scale]])
    return FaceLayer(picture, shape_mask(CROP_PX), to_crop, 1.0, grain)


def pasted(photo: np.ndarray, layer: FaceLayer, options: RestoreOptions) -> np.ndarray:
    return paste_faces(photo, fitted_layers(photo, [layer], options))


def eight_bits(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma_px", [0.0, 0.8, 1.5])
@pytest.mark.parametrize("planes", [1, 3])
def test_drawn_grain_has_the_strength_size_and_colour_of_the_photos(sigma_px: float, planes: int) -> None:
    grain = noise((256, 256, planes), 5, sigma_px)
    measured = measure_grain(flat(256) + grain)
    assert measured is not None
    drawn = draw_grain(measured, (256, 256), (1,)) * np.sqrt(measured.energy_at(140))
    assert 0.7 * 5 < drawn.std() < 1.1 * 5  # the widest part of it passes for light
    assert np.allclose(neighbours(drawn[..., 0]), neighbours(grain[..., 0]), atol=0.3)
    if planes == 3:
        assert np.abs(np.corrcoef(drawn.reshape(-1, 3).T) - np.eye(3)).max() < 0.15
    else:
        assert np.abs(np.ptp(drawn, axis=2)).max() < 0.5


@pytest.mark.parametrize("square_px", [80, 200])
def test_a_face_gets_the_grain_of_its_photo_and_always_the_same(square_px: int) -> None:
    photo = eight_bits(flat(400) + noise((400, 400, 1), 4, 0.8))
    layer = layer_for(square_px, 100, grain=4)
    result = pasted(photo, layer, ON)
    middle = slice(100 + square_px // 3, 100 + 2 * square_px // 3)
    inside, around = result[middle, middle, 0].astype(float), photo[:, :80, 0].astype(float)
    assert 0.65 < inside.std() / around.std() < 1.15
    assert np.allclose(neighbours(inside), neighbours(around), atol=0.25)
    assert np.ptp(result, axis=2).max() == 0  # a gray photo's grain is gray
    assert np.array_equal(result, pasted(photo, layer, ON))
    assert pasted(photo, layer, OFF)[middle, middle].std() < 1


def test_grain_does_not_thin_out_where_the_face_fades() -> None:
    photo = eight_bits(flat(400) + noise((400, 400, 1), 5))
    result = pasted(photo, layer_for(300, 50, grain=5), ON)[..., 0].astype(float)
    energy = cv2.blur((result - 140) ** 2, (31, 31))[40:-40, 40:-40]
    assert energy.min() > 0.6 * 25 and energy.max() < 1.5 * 25


def test_a_clean_photo_gets_no_grain() -> None:
    photo = eight_bits(flat(300))
    assert np.array_equal(pasted(photo, layer_for(150, 60), ON), pasted(photo, layer_for(150, 60), OFF))


def test_texture_of_the_photo_is_not_taken_for_grain() -> None:
    clean = cv2.resize(pictures.astronaut(), None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    layer = layer_for(300, 190)  # the face and what is around it, behind a smooth restoration
    crop = cv2.warpAffine(clean.astype(np.float32), layer.to_crop, (CROP_PX, CROP_PX))
    layer = FaceLayer(cv2.GaussianBlur(crop, (0, 0), 2), layer.mask, layer.to_crop, 1.0)
    change = pasted(clean, layer, ON).astype(float) - pasted(clean, layer, OFF)
    assert change.std() < 1.0


def test_heavy_noise_comes_back_only_in_part() -> None:
    photo = eight_bits(flat(400) + noise((400, 400, 3), 20))
    result = pasted(photo, layer_for(200, 100, grain=20), ON)[180:220, 180:220].astype(float)
    assert 4 < result.std() < 0.75 * 20


@pytest.mark.parametrize(("sigma_px", "grain"), [(0.5, 0), (1, 6), (2, 0), (2, 6), (4, 0)])
def test_the_blur_of_a_photo_is_told_in_pixels(sigma_px: float, grain: float) -> None:
    blurred = cv2.GaussianBlur(pictures.astronaut().astype(np.float32), (0, 0), sigma_px)
    light = look.luminance(eight_bits(blurred + noise((512, 512, 1), grain) if grain else blurred))
    measured = edge_blur(light, grain)
    assert measured is not None and abs(measured - sigma_px) < 0.15 + 0.05 * sigma_px


def test_a_flat_picture_has_no_sharpness_to_tell() -> None:
    assert edge_blur(np.full((90, 90), 100, np.float32), 0.0) is None


def test_in_a_blurred_photo_a_face_is_at_most_three_times_as_sharp() -> None:
    sharp = cv2.resize(pictures.astronaut(), (768, 768), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    photo = eight_bits(cv2.GaussianBlur(sharp, (0, 0), 6))
    to_crop = np.array([[1.0, 0, -130], [0, 1.0, 0]])
    layer = FaceLayer(cv2.warpAffine(sharp, to_crop, (512, 512)), shape_mask(512), to_crop, 1.0)
    face = np.s_[100:400, 240:520]
    blurs = [edge_blur(look.luminance(pasted(photo, layer, each)[face]), 0.0) for each in (OFF, ON)]
    assert blurs[0] is not None and blurs[1] is not None
    assert blurs[0] < 1.2 and 1.6 < blurs[1] < 2.4


@pytest.mark.parametrize(
    ("square_px", "scale", "depth"),
    [(side, scale, depth) for side in (40, 110, 270) for scale in (1, 2, 4) for depth in (np.uint8, np.uint16)]
    + [(700, 1, np.uint8), (700, 1, np.uint16), (2600, 1, np.uint8)],
)
def test_no_seam_on_a_flat_background_at_any_size(square_px: int, scale: int, depth: type) -> None:
    """Squares of 40 to 2600 px are faces of about 24 to 1500 px. The face is 12 levels too light: more than a network's
    light is off after mode "natural"."""
    level = np.iinfo(depth).max // 255
    side_px = int(square_px * scale * 1.25)
    photo = np.full((side_px, side_px, 3), (150, 120, 100), np.float32) * level
    photo = photo.astype(depth)
    layer = layer_for(square_px * scale, 0.125 * square_px * scale)
    layer = FaceLayer(layer.picture * 0 + (162, 132, 112), layer.mask, layer.to_crop, 1.0)
    result = pasted(photo, layer, RestoreOptions(output_scale=scale))  # type: ignore[arg-type]
    change = (result.astype(np.float32) - photo) / level
    edge = int(0.125 * square_px * scale)
    assert not change[:edge].any() and not change[:, :edge].any()
    assert change.max() >= 11.9
    step = max(np.abs(np.diff(change, axis=axis)).max() for axis in (0, 1))
    slope = 12 * 1.5 / (0.38 * 0.43 * square_px * scale)  # a pixel, of the mask's own smooth fall at its steepest
    rounding = 1.0 if depth == np.uint8 else 0.02
    assert step <= 2 * slope + rounding  # OpenCV enlarges in steps of a 32nd of a pixel
    changed = (change[..., 0] != 0).astype(np.uint8)
    rim = (changed == 1) & (cv2.erode(changed, np.ones((3, 3))) == 0)
    assert np.abs(change[rim]).max() <= (3 if square_px < 50 else 2)


def test_hat_mask_and_hair_across_a_face_stay_the_photos_and_are_restored_when_wished() -> None:
    from gpen_ui.faces import parsed_mask

    classes = np.zeros((512, 512), np.int64)
    cv2.ellipse(classes_as_picture := classes.astype(np.uint8), (256, 280), (140, 190), 0, 0, 360, 13, 70)
    cv2.ellipse(classes_as_picture, (256, 280), (120, 170), 0, 0, 360, 1, -1)
    cv2.rectangle(classes_as_picture, (170, 210), (340, 250), 3, -1)  # glasses
    cv2.rectangle(classes_as_picture, (190, 330), (330, 400), 18, -1)  # a mask, which ParseNet calls clothes
    cv2.line(classes_as_picture, (180, 170), (220, 330), 13, 24)  # a strand of hair
    cv2.circle(classes_as_picture, (330, 300), 30, 0, -1)  # a hand
    classes = classes_as_picture.astype(np.int64)
    kept, all_restored = (parsed_mask(classes, 256, keep_occluded=each) for each in (True, False))
    for x, y in ((260, 365), (198, 250), (330, 300)):
        assert kept[y // 2, x // 2] < 0.1 and all_restored[y // 2, x // 2] > 0.9
    for x, y in ((300, 230), (256, 300), (108, 300)):  # glasses, skin, hair beside the face
        assert kept[y // 2, x // 2] > 0.8
    assert kept.max() < 1.001 and kept.min() >= 0


def sepia(strength: float = 0.35) -> np.ndarray:
    """(256, 3) the colours of a drawn tone, from dark brown to cream."""
    level = 0.04 + 0.92 * np.arange(256) / 255
    return np.rint(255 * np.stack([level ** (1 - strength), level, level ** (1 + strength)], axis=1)).astype(np.uint8)


def cyanotype() -> np.ndarray:
    return np.ascontiguousarray(sepia(0.6)[:, ::-1])


def toned_photo(tone: np.ndarray, quality: int | None = None) -> np.ndarray:
    photo = tone[cv2.cvtColor(pictures.astronaut(), cv2.COLOR_RGB2GRAY)]
    if quality is None:
        return photo
    data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def coloured_face(photo: np.ndarray, opacity: float = 0.8) -> FaceLayer:
    """What a network makes of a toned face when it takes it for one in colour: red cheeks, another light."""
    to_crop = np.array([[1.0, 0, -110], [0, 1.0, 0]])
    crop = cv2.warpAffine(pictures.astronaut().astype(np.float32), to_crop, (230, 230))
    return FaceLayer(np.clip(crop * (1.1, 0.95, 0.9), 0, 255), shape_mask(230), to_crop, opacity)


@pytest.mark.parametrize("options", [ON, OFF])
@pytest.mark.parametrize("tone", [sepia(), cyanotype()])
def test_a_drawn_tone_keeps_exactly_its_own_colours(tone: np.ndarray, options: RestoreOptions) -> None:
    photo = toned_photo(tone)
    result = pasted(photo, coloured_face(photo), options)
    assert np.abs(result.astype(int) - photo).max() > 20

    def colours(pixels: np.ndarray) -> np.ndarray:
        return np.unique(pixels.astype(np.int64) @ (65536, 256, 1))

    assert len(np.setdiff1d(colours(result), colours(photo))) == 0


@pytest.mark.parametrize("quality", [95, 75, 40])
@pytest.mark.parametrize("tone", [sepia(), cyanotype()])
def test_a_toned_jpeg_keeps_the_spread_of_its_own_hue(tone: np.ndarray, quality: int) -> None:
    photo = toned_photo(tone, quality)
    result = pasted(photo, coloured_face(photo), ON)
    face = np.s_[60:190, 170:290]

    def hues(pixels: np.ndarray, around: float = 0.0) -> np.ndarray:
        """Angles in degrees, from `around`, of the pixels that have colour enough to tell."""
        red, green, blue = (pixels[..., each].astype(float) for each in range(3))
        turned = (red - green + 1j * (blue - green)) * np.exp(-1j * np.radians(around))
        return np.degrees(np.angle(turned[np.abs(turned) > 20]))

    middle = float(np.median(hues(photo)))
    own, restored = hues(photo, middle), hues(result[face], middle)
    low, high = np.quantile(own, (0.005, 0.995))
    assert np.mean((restored >= low) & (restored <= high)) > 0.95
    assert restored.std() <= hues(photo[face], middle).std() + 1


def test_a_deep_toned_photo_stays_on_its_curve() -> None:
    light = cv2.GaussianBlur(cv2.cvtColor(pictures.astronaut(), cv2.COLOR_RGB2GRAY).astype(np.float64), (0, 0), 0.7)
    level = 0.04 + 0.92 * light / 255
    photo = np.rint(65535 * np.stack([level**0.7, level, level**1.3], axis=2)).astype(np.uint16)
    result = pasted(photo, coloured_face(photo), ON)
    drawn = (result / 65535.0)[..., 1]
    expected = np.stack([drawn**0.7, drawn, drawn**1.3], axis=2) * 255
    assert np.abs(result / 257.0 - expected)[drawn > 0.06].max() < 1.0


@pytest.mark.parametrize("saturation", [1.0, 0.3, 0.12])
def test_a_colour_photo_however_pale_is_not_taken_for_toned(saturation: float) -> None:
    colour = pictures.astronaut().astype(np.float32)
    gray = look.luminance(colour)[..., None]
    assert look.find_tone(eight_bits(gray + saturation * (colour - gray))) is None


def test_a_face_that_was_tinted_by_hand_keeps_its_colour() -> None:
    photo = toned_photo(sepia())
    large = np.tile(photo, (3, 3, 1))  # the tinted cheek is a small part of the photo
    yy, xx = np.mgrid[:512, :512]
    cheek = np.exp(-(((xx - 205) / 22) ** 2 + ((yy - 145) / 22) ** 2))[..., None]
    large[:512, :512] = eight_bits(large[:512, :512] + cheek * (40, -25, -15))
    assert look.find_tone(large) is not None
    layer = coloured_face(photo)
    (fitted,) = fitted_layers(large, [layer], ON)
    assert fitted.settle is None
