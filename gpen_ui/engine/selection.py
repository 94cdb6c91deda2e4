"""Which faces of a photo go through the network, how strongly, and through which network: a person's choice first, then
the options."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpen_ui.choices import SAME_FACE, Box, FaceChoice, overlap, scaled
from gpen_ui.engine.results import Note
from gpen_ui.faces import Detector, Face, blur_px, face_in_box, turned_degrees
from gpen_ui.options import ANY_BLUR_PERCENT, RestoreOptions, WhichFaces
from gpen_ui.photo import Pixels, to_eight_bits


def chosen_faces(
    found: Sequence[Face], choices: Sequence[FaceChoice], pixels: Pixels, scale: float, detector: Detector
) -> tuple[list[Face], dict[int, FaceChoice], list[Note]]:
    """Brings the faces that were found and those that a person speaks of together.

    Args:
        pixels: (H, W, 3) that the faces were found in.
        scale: their size over that of the photo as it was read, which the choices' boxes refer to.

    Returns:
        All faces left to right, drawn ones among them; the choice for each that has one, by its place; and what could
        not be done.
    """
    faces = list(found)
    of_face: dict[int, FaceChoice] = {}
    drawn: set[int] = set()
    notes = []
    for choice in choices:
        if choice.number is not None:
            if choice.number <= len(found):
                of_face[choice.number - 1] = choice
            else:
                notes.append(Note("face_number_missing", {"number": choice.number, "found": len(found)}))
            continue
        assert choice.box_xyxy is not None
        box = scaled(choice.box_xyxy, scale)
        place = best_match(box, faces)
        if place is None and choice.on and _touches(box, pixels):
            place = len(faces)
            faces.append(face_in_box(to_eight_bits(pixels), box, detector))
            drawn.add(place)
        if place is not None:
            of_face[place] = choice
    order = sorted(range(len(faces)), key=lambda place: faces[place].box_xyxy[0])
    return (
        [faces[place] for place in order],
        {order.index(place): choice for place, choice in of_face.items()},
        notes,
    )


def best_match(box: Box, faces: Sequence[Face]) -> int | None:
    """The place of the face that a box covers best, None when it covers none well enough."""
    shares = [overlap(box, face.box_xyxy) for face in faces]
    best = int(np.argmax(shares)) if shares else None
    return best if best is not None and shares[best] >= SAME_FACE else None


def why_left(
    place: int, faces: Sequence[Face], choice: FaceChoice | None, options: RestoreOptions, pixels: Pixels
) -> Note | None:
    """Why a face stays as it is; None when it is to be restored.

    Args:
        pixels: (H, W, 3) that the faces were found in.
    """
    if choice is not None:
        return None if choice.on else Note("face_off")
    face, size_wh = faces[place], (pixels.shape[1], pixels.shape[0])
    if face.side_px < options.smallest_face_px:
        return Note("face_small", {"side": round(face.side_px), "limit": options.smallest_face_px})
    if options.which_faces != "all" and place != only_one(faces, options.which_faces, size_wh):
        return Note(f"face_not_{options.which_faces}")
    return why_unfit(face, options, pixels)


def why_unfit(face: Face, options: RestoreOptions, pixels: Pixels) -> Note | None:
    """Whether a face is turned or blurred too far: what was measured, and the limit."""
    turned = round(turned_degrees(face.points_xy))
    if turned > options.most_turned_deg:
        return Note("face_turned", {"turned": turned, "limit": options.most_turned_deg})
    if options.most_blur_percent == ANY_BLUR_PERCENT:
        return None
    blur = blur_px(pixels, face)
    percent = round(100 * blur / face.side_px, 1)
    if percent > options.most_blur_percent:
        return Note("face_blurred", {"blur": f"{blur:.1f}", "percent": percent, "limit": options.most_blur_percent})
    return None


def only_one(faces: Sequence[Face], which: WhichFaces, size_wh: tuple[int, int]) -> int:
    """The place of the largest face, or of the one whose middle is nearest to that of the photo."""
    if which == "largest":
        return max(range(len(faces)), key=lambda place: faces[place].side_px)
    middle = np.array(size_wh) / 2
    away = [np.array((sum(face.box_xyxy[::2]), sum(face.box_xyxy[1::2]))) / 2 - middle for face in faces]
    return int(np.argmin([np.hypot(*each) for each in away]))


def _touches(box: Box, pixels: Pixels) -> bool:
    return overlap(box, (0, 0, pixels.shape[1], pixels.shape[0])) > 0
