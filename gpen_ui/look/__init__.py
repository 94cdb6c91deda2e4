"""What is done to pixels besides the network: denoise, sharpen, tone, size, skin, detail. Pure functions, no state."""

from gpen_ui.look.channels import is_gray, level_of, luminance
from gpen_ui.look.denoise import denoise
from gpen_ui.look.enlarge import enlarge, enlarge_plane, reduce_long_edge, resize
from gpen_ui.look.face import apply_mode, enhance_detail, match_gray
from gpen_ui.look.noise import estimate_noise
from gpen_ui.look.sharpen import sharpen
from gpen_ui.look.skin import protect_skin
from gpen_ui.look.tone import adjust_brightness, adjust_contrast, adjust_tone
from gpen_ui.look.toned import ToneCurve, find_tone

__all__ = [
    "ToneCurve",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_tone",
    "apply_mode",
    "denoise",
    "enhance_detail",
    "enlarge",
    "enlarge_plane",
    "estimate_noise",
    "find_tone",
    "is_gray",
    "level_of",
    "luminance",
    "match_gray",
    "protect_skin",
    "reduce_long_edge",
    "resize",
    "sharpen",
]
