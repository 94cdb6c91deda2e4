"""Measures model files on the faces that were held out: `python -m training.evaluate MODEL... --faces FOLDER`.

Every held-out face is degraded at three levels and restored. PSNR and SSIM compare with the clean face, sharpness is
the Laplacian energy as a share of the clean face's, identity the distance of dlib's embeddings (0 = same, above 0.6 =
another person). The first rows measure the degraded input itself.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from training.checkpoint import load_generator
from training.config import DataConfig
from training.data import MARGIN_SHARE, Face, read_faces, read_picture, split_faces
from training.recognizer import CHIP_COLUMNS, CHIP_PX, CHIP_ROWS, Recognizer, load_recognizer
from training.refusals import refusing

SIZE_PX = 512


@dataclass(frozen=True)
class Level:
    """One strength of degradation: reduction, blur at reduced size (px), noise (of 255), JPEG quality."""

    name: str
    reduction: float
    blur_px: float
    noise: float
    quality: int


LEVELS = (Level("mild", 2, 0.8, 4, 80), Level("medium", 4, 1.2, 9, 60), Level("heavy", 8, 1.2, 12, 50))


def degrade_level(clean: np.ndarray, level: Level, seed: int) -> np.ndarray:
    """A bad photo of a clean face (S, S, 3) RGB bytes; blur and noise vary from half to 1.3 times with the seed."""
    draw = np.random.RandomState(seed)
    side = round(clean.shape[0] / level.reduction)
    low = cv2.resize(clean[..., ::-1], (side, side), interpolation=cv2.INTER_AREA)
    low = cv2.GaussianBlur(low, (0, 0), level.blur_px * draw.uniform(0.5, 1.3))
    noise = draw.normal(0, level.noise * draw.uniform(0.3, 1.3), low.shape)
    low = np.clip(low + noise, 0, 255).astype(np.uint8)
    low = cv2.imdecode(cv2.imencode(".jpg", low, [cv2.IMWRITE_JPEG_QUALITY, level.quality])[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(cv2.resize(low, clean.shape[:2], interpolation=cv2.INTER_CUBIC)[..., ::-1])


def aligned(folder: Path, face: Face, size_px: int = SIZE_PX) -> np.ndarray:
    """The aligned face inside a stored one, without the margin: (size_px, size_px, 3) RGB bytes."""
    rgb = read_picture(folder / face.file)
    edge = round(rgb.shape[0] * MARGIN_SHARE / (1 + 2 * MARGIN_SHARE))
    rgb = np.ascontiguousarray(rgb[edge : rgb.shape[0] - edge, edge : rgb.shape[1] - edge])
    if rgb.shape[0] == size_px:
        return rgb
    return cv2.resize(rgb, (size_px, size_px), interpolation=cv2.INTER_AREA)


def to_tensor(faces: Sequence[np.ndarray]) -> Tensor:
    """(S, S, 3) RGB bytes -> (N, 3, S, S) in [-1, 1]."""
    return torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(batch: Tensor) -> list[np.ndarray]:
    """(N, 3, S, S) in [-1, 1] -> (S, S, 3) RGB bytes."""
    pixels = ((batch.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return list(pixels.permute(0, 2, 3, 1).cpu().numpy())


def restore(network: nn.Module, faces: Sequence[np.ndarray], device: torch.device, batch: int) -> list[np.ndarray]:
    """Restores aligned faces at full strength."""
    restored = []
    with torch.inference_mode():
        for at in range(0, len(faces), batch):
            restored += to_bytes(network(to_tensor(faces[at : at + batch]).to(device)))
    return restored


def chip(face: np.ndarray) -> np.ndarray:
    """The recogniser's 150 px chip of an aligned face: a fixed part, eyes at the same place in every one."""
    part = np.ascontiguousarray(face[CHIP_ROWS, CHIP_COLUMNS])
    return cv2.resize(part, (CHIP_PX, CHIP_PX), interpolation=cv2.INTER_AREA)


Embed = Callable[[Sequence[np.ndarray]], np.ndarray]


def torch_embedder(recognizer: Recognizer, device: torch.device) -> Embed:
    """Embeddings (N, 128) of aligned faces by the rebuilt network, which agrees with dlib to 1e-6."""
    recognizer = recognizer.to(device)

    def embed(faces: Sequence[np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            parts = [
                recognizer(to_tensor([chip(f) for f in faces[i : i + 64]]).to(device)).cpu()
                for i in range(0, len(faces), 64)
            ]
        return torch.cat(parts).numpy()

    return embed


def dlib_embedder(path: Path) -> Embed:
    """Embeddings by dlib itself (`pip install dlib-bin`)."""
    import dlib

    network = dlib.face_recognition_model_v1(str(path))
    return lambda faces: np.array([np.array(network.compute_face_descriptor(chip(face))) for face in faces])


def laplacian_energy(face: np.ndarray) -> float:
    """Mean absolute Laplacian of the brightness."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def compare(result: np.ndarray, clean: np.ndarray) -> tuple[float, float, float]:
    """PSNR in dB, SSIM of the brightness, sharpness as a share of the clean face's."""
    from skimage.metrics import structural_similarity

    error = np.mean((result.astype(np.float64) - clean) ** 2)
    similarity = structural_similarity(
        cv2.cvtColor(result, cv2.COLOR_RGB2GRAY), cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)
    )
    psnr = 10 * np.log10(255**2 / max(float(error), 1e-6))
    return psnr, float(similarity), laplacian_energy(result) / laplacian_energy(clean)


def measure(
    results: Sequence[np.ndarray], clean: Sequence[np.ndarray], clean_ids: np.ndarray, embed: Embed
) -> np.ndarray:
    """Means of PSNR, SSIM, sharpness and identity distance over faces, (4,)."""
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(compare, results, clean))
    distances = np.linalg.norm(embed(results) - clean_ids, axis=1)
    return np.append(np.mean(rows, axis=0), distances.mean())


def seed_of(face: Face, level: Level) -> int:
    """Fixed by the face and the level, so that every model gets the same inputs."""
    return zlib.crc32(f"{Path(face.file).stem}:{level.name}".encode())


def evaluate(
    networks: dict[str, nn.Module],
    folder: Path,
    faces: Sequence[Face],
    embed: Embed,
    device: torch.device,
    batch: int = 16,
    size_px: int = SIZE_PX,
) -> list[tuple[str, str, np.ndarray]]:
    """Rows (level, who, means) for the inputs and each network."""
    with ThreadPoolExecutor() as pool:
        clean = list(pool.map(lambda face: aligned(folder, face, size_px), faces))
    clean_ids = embed(clean)
    rows = []
    for level in LEVELS:
        inputs = [degrade_level(face, level, seed_of(row, level)) for face, row in zip(clean, faces, strict=True)]
        rows.append((level.name, "input", measure(inputs, clean, clean_ids, embed)))
        for name, network in networks.items():
            restored = restore(network, inputs, device, batch)
            rows.append((level.name, name, measure(restored, clean, clean_ids, embed)))
    for name, network in networks.items():
        rows.append(("clean", name, measure(restore(network, clean, device, batch), clean, clean_ids, embed)))
    return rows


def print_table(rows: Sequence[tuple[str, str, np.ndarray]], count: int, kind: str = "held-out") -> None:
    """The rows as a Markdown table; `kind` of faces."""
    print(
        f"{count} {kind} faces at every level\n\n| level | who | PSNR | SSIM | sharpness | identity |\n"
        + "| --- " * 6
        + "|"
    )
    for level, who, (psnr, similarity, sharpness, distance) in rows:
        print(f"| {level} | {who} | {psnr:.2f} | {similarity:.4f} | {sharpness:.2f} | {distance:.3f} |")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="model files (.pth)")
    parser.add_argument("--faces", type=Path, required=True, help="folder of aligned 640 px faces with faces.csv")
    parser.add_argument("--recognizer", type=Path, required=True, help="dlib_face_recognition_resnet_model_v1.dat")
    parser.add_argument("--dlib", action="store_true", help="let dlib itself compute the embeddings")
    parser.add_argument("--count", type=int, default=0, help="measure this many faces; 0 = all that are held out")
    parser.add_argument("--trained", action="store_true", help="measure faces that were trained on instead")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    device = torch.device(given.device)
    with refusing(parser):
        embed = (
            dlib_embedder(given.recognizer) if given.dlib else torch_embedder(load_recognizer(given.recognizer), device)
        )
        trained, held_out = split_faces(read_faces(given.faces), DataConfig())
        networks = {path.stem: load_generator(path).to(device) for path in given.models}
    faces = some(trained if given.trained else held_out, given.count)
    kind = "trained" if given.trained else "held-out"
    print_table(evaluate(networks, given.faces, faces, embed, device), len(faces), kind)


def some(faces: list[Face], count: int) -> list[Face]:
    """A fixed choice of `count` faces from all sources, or all of them for 0."""
    ranked = sorted(faces, key=lambda face: zlib.crc32(face.file.encode()))
    return ranked[:count] if count else ranked


if __name__ == "__main__":
    main()
