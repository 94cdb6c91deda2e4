"""Detectors find faces in pictures of every size, and refuse wrong weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen_ui.errors import CheckpointError
from gpen_ui.faces import Detector, Face, large_detector, small_detector
from gpen_ui.faces.anchors import anchors, merge
from gpen_ui.faces.confirm import LARGE_PX, SURE, merge_confirmed
from gpen_ui.faces.detect import MEAN_BGR_SMALL, RetinaFaceDetector
from gpen_ui.faces.parse import FaceParser
from gpen_ui.faces.retinaface import TorchRun, network_of_onnx, with_reserve
from gpen_ui.measure.samples import clean_photo, degraded
from gpen_ui.photo import to_eight_bits
from tests import pictures

EYES_ASTRONAUT = ((203.5, 101.0), (247.5, 103.5))  # pupils, read off the picture by eye


@pytest.fixture(scope="module")
def detector() -> Detector:
    return small_detector()


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0, 6.0])
def test_the_astronaut_is_found_at_every_size(detector: Detector, factor: float) -> None:
    photo = cv2.resize(pictures.astronaut(), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    faces = detector.detect(photo, 0.7)
    assert len(faces) == 1
    eyes = faces[0].points_xy[:2] / factor
    assert np.abs(eyes - EYES_ASTRONAUT).max() < max(4, 1.5 / factor)


def test_a_face_that_fills_the_whole_picture_is_found(detector: Detector) -> None:
    close_up = cv2.resize(pictures.astronaut()[50:190, 150:290], (1600, 1600), interpolation=cv2.INTER_CUBIC)
    assert len(detector.detect(close_up, 0.7)) == 1


def test_every_face_of_a_crowd_is_found_once_left_to_right(detector: Detector) -> None:
    faces = detector.detect(pictures.crowd(6, 3, face_px=40), 0.7)
    assert len(faces) == 18
    lefts = [face.box_xyxy[0] for face in faces]
    assert lefts == sorted(lefts)


def test_no_face_in_a_landscape_and_in_one_pixel(detector: Detector) -> None:
    assert detector.detect(pictures.landscape(), 0.7) == []
    assert detector.detect(np.zeros((1, 1, 3), np.uint8), 0.7) == []


def test_shapes_out_of_focus_are_taken_for_no_face(detector: Detector) -> None:
    """A collar and a model of a space shuttle, which the detector takes for faces with 0.75 and 0.91."""
    photo = degraded(clean_photo()).pixels
    faces = detector.detect(to_eight_bits(photo), 0.7)
    assert len(faces) == 1
    assert faces[0].score > 0.99


def test_a_large_face_that_is_hard_to_see_stays(detector: Detector) -> None:
    close_up = cv2.resize(pictures.astronaut()[:300, 75:375], (900, 900), interpolation=cv2.INTER_CUBIC)
    dark = (cv2.GaussianBlur(close_up, (0, 0), 30) * 0.4).astype(np.uint8)
    (face,) = detector.detect(dark, 0.5)
    assert face.score < SURE
    assert face.side_px >= LARGE_PX


def test_what_a_refused_find_covered_is_found_in_its_place() -> None:
    def face(left: float, top: float, side: float, score: float) -> Face:
        return Face((left, top, left + side, top + side), np.zeros((5, 2), np.float32), score)

    body, beside, inside = face(100, 100, 400, 0.9), face(110, 100, 400, 0.8), face(220, 180, 60, 0.75)
    picture = np.zeros((600, 600, 3), np.uint8)
    assert merge([body, beside, inside]) == [body]
    assert merge_confirmed([body, beside, inside], picture, 1.0, lambda seen, least: []) == [inside]
    everywhere = [face(0, 0, side, 0.2) for side in range(40, 640, 20)]
    sure = face(100, 100, 400, SURE)
    assert merge_confirmed([sure, inside], picture, 1.0, lambda seen, least: []) == [sure]
    assert merge_confirmed([face(0, 0, 600, 0.8)], picture, 1.0, lambda seen, least: everywhere)


def test_a_higher_threshold_never_finds_more(detector: Detector) -> None:
    photo = pictures.degraded(pictures.crowd(3, 2, face_px=30), factor=0.6, noise=20)
    counts = [len(detector.detect(photo, threshold)) for threshold in (0.1, 0.5, 0.9, 1.0)]
    assert counts == sorted(counts, reverse=True)


def test_anchors_cover_the_image_in_the_order_of_the_golden_data() -> None:
    table = anchors(160, 160)
    assert table.shape == (1050, 3)
    golden = np.load(Path(__file__).parent / "golden" / "aux-golden-RetinaFace-R50.npz")
    np.testing.assert_allclose(table[::7, :2] / 160, golden["priors"][:, :2], atol=1e-6)
    np.testing.assert_allclose(table[::7, 2] / 160, golden["priors"][:, 2], atol=1e-6)


def test_double_finds_are_merged_and_neighbours_are_kept() -> None:
    points = np.zeros((5, 2), np.float32)
    faces = [
        Face((10, 10, 110, 110), points, 0.8),
        Face((14, 8, 112, 108), points, 0.9),  # the same face, found at another size
        Face((40, 40, 80, 80), points, 0.6),  # inside it
        Face((105, 10, 205, 110), points, 0.7),  # its neighbour
    ]
    assert [face.score for face in merge(faces)] == [0.9, 0.7]


@pytest.mark.parametrize("size_wh", [(640, 480), (333, 501), (96, 1300)])
def test_torch_finds_with_the_small_network_what_onnxruntime_finds(size_wh: tuple[int, int]) -> None:
    from retinaface.weights import WEIGHTS

    chance = np.random.default_rng(7)
    photo = cv2.resize(pictures.crowd(4, 3, face_px=60), size_wh, interpolation=cv2.INTER_AREA)
    photo = np.clip(photo + chance.normal(0, 6, photo.shape), 0, 255).astype(np.uint8)
    torch_run = TorchRun(network_of_onnx(WEIGHTS), "cpu", MEAN_BGR_SMALL)
    on_torch = RetinaFaceDetector("torch", torch_run).detect(photo, 0.3)
    expected = small_detector().detect(photo, 0.3)
    assert len(on_torch) == len(expected)
    for one, other in zip(on_torch, expected, strict=True):
        np.testing.assert_allclose(one.points_xy, other.points_xy, atol=0.01)
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_an_onnx_file_of_another_network_is_refused() -> None:
    import onnx
    from retinaface.weights import WEIGHTS

    file = onnx.load_from_string(WEIGHTS)
    convolutions = [node for node in file.graph.node if node.op_type == "Conv"]
    file.graph.node.remove(convolutions[-1])
    with pytest.raises(ValueError, match=r"without parameters: LandmarkHead\.2"):
        network_of_onnx(file.SerializeToString())
    convolutions[0].input[1] = convolutions[1].input[1]
    with pytest.raises(ValueError, match=r"does not fit body\.stage1\.0\.0"):
        network_of_onnx(file.SerializeToString())
    convolutions[0].name = "/backbone/stem/Conv"
    with pytest.raises(ValueError, match=r"does not fit backbone\.stem"):
        network_of_onnx(file.SerializeToString())


def test_a_card_that_is_full_leaves_the_search_to_the_processor() -> None:
    calls: list[int] = []
    processor = small_detector()
    assert isinstance(processor, RetinaFaceDetector)

    def full(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        calls.append(len(pixels))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    either = RetinaFaceDetector("card", with_reserve(full, processor._run))
    found, expected = (each.detect(pictures.astronaut(), 0.7) for each in (either, processor))
    assert [face.box_xyxy for face in found] == [face.box_xyxy for face in expected]
    assert len(calls) == 2  # it is asked anew for each picture: memory may be free again


def golden_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Random values of a sane size for helper networks."""
    torch.manual_seed(0)
    return {
        key: torch.randn_like(value) / value[0].numel() ** 0.5 if value.dim() == 4 else value.clone()
        for key, value in network.state_dict().items()
    }


def test_the_large_detector_loads_its_checkpoint_and_runs() -> None:
    from facexlib.detection.retinaface import RetinaFace

    state = golden_state(RetinaFace(network_name="resnet50", device="cpu"))
    loaded = large_detector(Path("RetinaFace-R50.pth"), {f"module.{key}": value for key, value in state.items()})
    assert isinstance(loaded.detect(pictures.landscape(96, 96), 1.0), list)
    del state["body.conv1.weight"]
    with pytest.raises(CheckpointError, match="not a RetinaFace-R50 checkpoint"):
        large_detector(Path("x.pth"), state)


def test_the_parser_gives_a_class_for_each_pixel_and_refuses_other_networks() -> None:
    from facexlib.parsing.parsenet import ParseNet

    state = golden_state(ParseNet(in_size=512, out_size=512, parsing_ch=19))
    classes = FaceParser(Path("ParseNet-latest.pth"), state).parse(np.zeros((256, 256, 3), np.float32))
    assert classes.shape == (512, 512) and classes.min() >= 0 and classes.max() < 19
    with pytest.raises(CheckpointError, match="not a ParseNet checkpoint"):
        FaceParser(Path("x.pth"), {})
