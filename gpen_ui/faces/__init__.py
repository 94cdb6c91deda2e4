"""Face geometry: find, align, mask, paste back."""

from gpen_ui.faces.align import align_transform, crop_face, face_rectangle, rescaled, scale_of
from gpen_ui.faces.detect import Detector, large_detector, small_detector
from gpen_ui.faces.drawn import face_in_box
from gpen_ui.faces.mask import Masker, parsed_mask, shape_mask
from gpen_ui.faces.measures import blur_px, turned_degrees
from gpen_ui.faces.paste import FaceLayer, paste_faces
from gpen_ui.faces.tiled import detect_twice
from gpen_ui.faces.types import Affine, Face, Points

__all__ = [
    "Affine",
    "Detector",
    "Face",
    "FaceLayer",
    "Masker",
    "Points",
    "align_transform",
    "blur_px",
    "crop_face",
    "detect_twice",
    "face_in_box",
    "face_rectangle",
    "large_detector",
    "parsed_mask",
    "paste_faces",
    "rescaled",
    "scale_of",
    "shape_mask",
    "small_detector",
    "turned_degrees",
]
