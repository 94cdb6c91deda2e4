"""The trainer at tiny size on drawn faces: no download, no photo, no dlib."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from gpen_ui.engine.fast import encoder_conv
from gpen_ui.network import Gpen, GpenConfig
from training.average import average
from training.checkpoint import load_generator, save_state
from training.config import DataConfig, DegradationConfig, TrainingConfig, build_config
from training.data import Face, drain_colour, draw_faces, load_pictures, read_faces, sampling_weights, split_faces
from training.degrade import degrade
from training.evaluate import LEVELS, compare, degrade_level, evaluate, to_tensor
from training.feature_judge import look_closer
from training.fir import use_shifted_filters
from training.jpeg import jpeg
from training.losses import squared_loss
from training.perceptual import Perceptual
from training.publish import round_weights
from training.recognizer import CHIP_PX, Recognizer, chips_of
from training.start import start_from_identity, start_from_model
from training.train import train
from training.windows import Windows, draw_windows

TINY = GpenConfig(64, 1, 1 / 16)
PERSONS = 12
MILD = DegradationConfig(groups=2, clean_share=0.0, lens_share=0.0, reduction=2.0, exact_share=0.0)  # fits 64 px


@pytest.fixture(autouse=True)
def _small_and_repeatable():
    """One thread is fastest at this size, and on a machine that is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def _drawn_face(number: int, side: int = 80) -> Image.Image:
    """An oval with eyes and a mouth; colours and places differ from number to number."""
    draw = np.random.RandomState(number)
    skin, hair = (tuple(int(v) for v in draw.randint(40, 230, 3)) for _ in range(2))
    picture = Image.new("RGB", (side, side), tuple(int(v) for v in draw.randint(0, 255, 3)))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((14, 6, 66, 76), fill=hair)
    pen.ellipse((20, 16, 60, 74), fill=skin)
    for x in (32, 48):
        pen.ellipse((x - 4, 34, x + 4, 40), fill="white")
        pen.ellipse((x - 2, 35, x + 2, 39), fill="black")
    pen.line((32, 58 + number % 4, 48, 58), fill=(150, 40, 40), width=3)
    return picture


@pytest.fixture
def faces_folder(tmp_path: Path) -> Path:
    """24 drawn faces of 12 persons, with their table."""
    folder = tmp_path / "faces"
    folder.mkdir()
    with (folder / "faces.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(("file", "person", "native_side_px"))
        for number in range(2 * PERSONS):
            _drawn_face(number).save(folder / f"{number:02}.png")
            writer.writerow((f"{number:02}.png", number // 2, 640))
    return folder


def _config(faces: Path, out: Path, **run: object) -> TrainingConfig:
    return build_config(
        {
            "network": {"size": 64, "channel_multiplier": 1, "narrow": 1 / 16},
            "data": {"faces": str(faces), "held_out": 0.3},
            "degradation": dataclasses.asdict(MILD),
            "loss": {
                "perceptual": 0.0,
                "identity": 0.0,
                "energy": 0.1,
                "adversarial": 0.01,
                "matching": 0.1,
                "judge_width": 0.125,
                "r1_every": 4,
            },
            "run": {"out": str(out), "batch": 4, "log_every": 5, "rate": 2e-3, **run},
        }
    )


def _randomise_gains(network: Gpen) -> None:
    """Lets the encoder's features count: their gains start at zero, where nothing could go wrong."""
    for name, parameter in network.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.normal_(parameter, std=0.3)


def _error(network: Gpen, clean: torch.Tensor, given: torch.Tensor) -> float:
    with torch.no_grad():
        return (network(given) - clean).abs().mean().item()


def test_models_are_averaged_by_the_share_of_the_second(tmp_path: Path):
    first, second, out = (tmp_path / f"{name}.pth" for name in ("first", "second", "out"))
    networks = [Gpen(TINY), Gpen(TINY)]
    for network, path in zip(networks, (first, second), strict=True):
        save_state(network, path, half=False)
    average(first, second, 0.8, out)
    got = load_generator(out)
    for name, value in got.named_parameters():
        a, b = (network.get_parameter(name) for network in networks)
        torch.testing.assert_close(value, 0.2 * a + 0.8 * b, atol=2e-3, rtol=2e-3)
    average(first, second, 0, out)
    assert all(
        torch.equal(value, networks[0].get_parameter(name).half().float())
        for name, value in load_generator(out).named_parameters()
    )
    average(first, second, 1.1, out)
    for name, value in load_generator(out).named_parameters():
        a, b = (network.get_parameter(name) for network in networks)
        torch.testing.assert_close(value, b + 0.1 * (b - a), atol=2e-3, rtol=2e-3)
    with pytest.raises(ValueError, match=r"share is 1\.6; it must be between 0 and 1\.5"):
        average(first, second, 1.6, out)
    save_state(Gpen(dataclasses.replace(TINY, narrow=0.25)), second, half=False)
    with pytest.raises(ValueError, match="must be alike"):
        average(first, second, 0.5, out)


def test_the_squared_loss_is_the_error_that_psnr_is_made_of(faces_folder: Path, tmp_path: Path):
    clean, other = (np.asarray(_drawn_face(number)) for number in (1, 2))
    loss = squared_loss(*to_tensor([other, clean])[:, None]).item()
    assert 10 * np.log10(4 / loss) == pytest.approx(compare(other, clean)[0], abs=1e-3)  # 4: the range is 2 wide
    config = _config(faces_folder, tmp_path / "a", steps=5)
    assert "squared" not in train(config)[-1]
    with_it = dataclasses.replace(config, loss=dataclasses.replace(config.loss, squared=3.0))
    assert 0 < train(with_it)[-1]["squared"] < 3 * 4


def test_training_lowers_the_loss_stops_and_goes_on(faces_folder: Path, tmp_path: Path):
    faces = load_pictures(faces_folder, read_faces(faces_folder), 64, torch.device("cpu"))
    clean = faces[..., 8:72, 8:72].float() / 127.5 - 1
    given = degrade(clean, MILD)
    start = Gpen(TINY)
    _randomise_gains(start)
    torch.save(start.state_dict(), tmp_path / "start.pth")
    first = _config(faces_folder, tmp_path / "a", steps=40, rate=1e-2, start=str(tmp_path / "start.pth"))
    history = train(first)
    assert history[-1]["pixel"] < 0.6 * history[0]["pixel"]
    between = _error(load_generator(tmp_path / "a" / "generator.pth"), clean, given)
    train(_config(faces_folder, tmp_path / "b", steps=30, resume=str(tmp_path / "a"), rate=1e-2))
    assert _error(load_generator(tmp_path / "b" / "generator.pth"), clean, given) < between
    assert (tmp_path / "b" / "discriminator.pth").exists()
    assert (tmp_path / "b" / "sheet-000070.jpg").exists()


def test_a_run_continues_from_the_published_average_alone(faces_folder: Path, tmp_path: Path):
    train(_config(faces_folder, tmp_path / "a", steps=2))
    (tmp_path / "a" / "generator.pth").unlink()
    (tmp_path / "a" / "discriminator.pth").unlink()
    assert train(_config(faces_folder, tmp_path / "b", steps=5, resume=str(tmp_path / "a")))


def test_a_new_network_begins_with_judges_that_have_learnt(faces_folder: Path, tmp_path: Path):
    train(_config(faces_folder, tmp_path / "a", steps=30, discriminator_rate=5e-3))
    still = {"steps": 5, "log_every": 5, "rate": 1e-6, "discriminator_rate": 1e-6}
    fresh = train(_config(faces_folder, tmp_path / "b", **still))[-1]["judge"]
    learnt = train(_config(faces_folder, tmp_path / "c", judges=str(tmp_path / "a"), **still))[-1]["judge"]
    assert learnt < fresh
    with pytest.raises(FileNotFoundError, match=r"holds none of discriminator\.pth"):
        train(_config(faces_folder, tmp_path / "d", judges=str(tmp_path / "nowhere"), **still))


def test_a_judge_of_features_learns_beside_the_other_and_goes_on(faces_folder: Path, tmp_path: Path):
    classifier = tmp_path / "classifier.pth"
    drawn = Perceptual()
    for layer in drawn.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)  # as strong a signal in the last level as in the first
    save_state(drawn, classifier, half=False)
    with_it = {"perceptual_weights": str(classifier), "features": 0.02, "features_r1": 0.02, "features_zoom": 2}

    def run(name: str, **wishes: object) -> list[dict[str, float]]:
        config = _config(faces_folder, tmp_path / name, **wishes)
        return train(dataclasses.replace(config, loss=dataclasses.replace(config.loss, **with_it)))

    history = run("a", steps=30, discriminator_rate=5e-3)
    first, last = history[0]["features_judge"], history[-1]["features_judge"]
    assert last < 0.95 * first
    assert "perceptual" not in history[-1], "its weights alone must not add the loss"
    saved = torch.load(tmp_path / "a" / "feature_judge.pth", weights_only=True)
    assert all(name.startswith("heads.") for name in saved), "the frozen classifier is not part of it"
    resumed = run("b", steps=10, log_every=10, resume=str(tmp_path / "a"), rate=1e-6, discriminator_rate=1e-6)
    assert resumed[-1]["features_judge"] < (first + last) / 2


def test_a_closer_look_shows_the_middle_at_its_own_place():
    place = Windows(torch.arange(64)[None], torch.arange(64)[None], face_px=64).place(torch.float32)
    closer = look_closer(place, zoom=2)
    assert closer.shape == place.shape
    across = closer[0, 1, 0]
    assert across[0] == pytest.approx(-across[-1].item(), abs=1e-6), "the middle stays in the middle"
    assert (across[-1] - across[0]).item() == pytest.approx(1.0, abs=0.03), "half of what was seen"
    assert look_closer(place, zoom=1) is place


def test_published_weights_pass_bfloat16_unchanged(tmp_path: Path):
    network = Gpen(TINY)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    round_weights(network)
    save_state(network, tmp_path / "published.pth", half=True)
    published = load_generator(tmp_path / "published.pth")
    for number in range(1, len(TINY.levels_px)):
        weight, _ = encoder_conv(published, number)
        error = (weight.to(torch.bfloat16).float() - weight).abs() / weight.abs().clamp(min=1e-3)
        assert error.max() < 2**-10, "an eighth and less of what bfloat16 rounds by"
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=2**-8, atol=1e-6)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    old = Gpen(TINY)
    old.load_state_dict(before)
    with torch.no_grad():
        assert (published(x) - old.eval()(x)).abs().mean() < 0.02


def test_the_saved_model_is_half_precision_and_loads_by_its_shapes(faces_folder: Path, tmp_path: Path):
    train(_config(faces_folder, tmp_path / "a", steps=1))
    state = torch.load(tmp_path / "a" / "ema.pth", weights_only=True)
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert set(state) == set(Gpen(TINY).state_dict())
    assert load_generator(tmp_path / "a" / "ema.pth").config == TINY


@pytest.mark.parametrize(
    "command",
    [
        "publish cut.pth out.pth",
        "average cut.pth cut.pth --share 0.5 --out out.pth",
        "sample cut.pth --out out.pth",
        "evaluate cut.pth --faces . --recognizer cut.pth",
        "train cut.pth",
    ],
)
def test_a_broken_file_gets_one_sentence(tmp_path: Path, command: str):
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 the rest is missing \xff")
    module, *given = command.split()
    paths = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    whole = [sys.executable, "-m", f"training.{module}", *given]
    ended = subprocess.run(whole, cwd=tmp_path, env=paths, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "cut.pth" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out.pth").exists()


def test_a_network_started_from_identity_returns_its_input():
    network = Gpen(TINY)
    _randomise_gains(network)
    start_from_identity(network)
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    assert (network(faces) - faces).abs().max() < 1e-6


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_grafting_blends_the_input_with_the_old_output(share: float):
    old = Gpen(TINY)
    _randomise_gains(old)
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    grafted, unblended = Gpen(TINY), Gpen(TINY)
    start_from_model(grafted, old.state_dict(), share)
    start_from_model(unblended, old.state_dict(), 0.0)
    assert torch.allclose(grafted(faces), share * faces + (1 - share) * unblended(faces), atol=1e-4)


def test_shifted_filters_give_the_same_numbers():
    network = Gpen(TINY)
    _randomise_gains(network)
    faces = torch.rand(1, 3, 64, 64) * 2 - 1
    before, names = network(faces), list(network.state_dict())
    use_shifted_filters(network)
    assert torch.allclose(network(faces), before, atol=1e-4)
    assert list(network.state_dict()) == names


@pytest.mark.parametrize("seed", range(5))
def test_no_person_is_on_both_sides_of_the_split(seed: int):
    faces = [Face(f"{n}.png", str(n % 100), 640) for n in range(400)]
    training, held_out = split_faces(faces, DataConfig(held_out=0.2, seed=seed))
    assert not {face.person for face in training} & {face.person for face in held_out}
    assert len(training) + len(held_out) == 400
    assert 0.08 < len(held_out) / 400 < 0.35


@pytest.mark.parametrize("quality", [30, 60, 80, 95])
@pytest.mark.parametrize("side", [64, 100])
def test_tensor_jpeg_agrees_with_opencv(quality: int, side: int):
    """Mean difference below one grey level of 255 (roundings differ), and far below what JPEG itself changes."""
    rgb = np.asarray(_drawn_face(3).resize((side, side)))
    rgb = cv2.GaussianBlur(rgb, (0, 0), 1.0)
    written = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    wanted = cv2.imdecode(written, cv2.IMREAD_COLOR)[..., ::-1]
    ours = jpeg(torch.from_numpy(rgb).permute(2, 0, 1)[None].float(), torch.tensor([float(quality)]))
    difference = np.abs(ours[0].permute(1, 2, 0).numpy() - wanted)
    assert difference.mean() < 1.0
    assert difference.mean() < 0.6 * np.abs(wanted.astype(float) - rgb).mean()


def test_drawn_batches_keep_pixels_when_they_are_only_shifted(faces_folder: Path):
    faces = read_faces(faces_folder)
    pictures = load_pictures(faces_folder, faces, 64, torch.device("cpu"))
    config = DataConfig(still_share=1.0, shift_px=0)
    batch = draw_faces(pictures, sampling_weights(faces, 64, 1.0), 6, 64, config)
    middle = pictures[..., 8:72, 8:72].float() / 127.5 - 1
    for face in batch:
        either = torch.cat((middle, middle.flip(3)))
        assert (either - face).abs().amax(dim=(1, 2, 3)).min() < 1e-3


def test_colourless_faces_are_grey_or_evenly_tinted():
    grey = drain_colour(torch.rand(64, 3, 8, 8) * 2 - 1, share=1.0)
    spread = (grey.amax(dim=1) - grey.amin(dim=1)).flatten(1).amax(dim=1)
    assert (spread < 1e-5).sum() > 20
    assert (spread > 1e-5).sum() > 5


def test_degradation_stays_in_range_and_leaves_the_clean_share_alone():
    clean = torch.rand(40, 3, 64, 64) * 2 - 1
    result = degrade(clean, DegradationConfig(clean_share=0.5))
    assert result.shape == clean.shape
    assert result.min() >= -1
    assert result.max() <= 1
    untouched = (result == clean).flatten(1).all(dim=1).sum()
    assert 8 <= untouched <= 32
    assert not torch.equal(degrade(clean, DegradationConfig(clean_share=0.0)), clean)


def test_recogniser_takes_faces_and_its_chips_are_averages():
    faces = torch.rand(2, 3, 512, 512) * 2 - 1
    chips = chips_of(faces)
    assert chips.shape == (2, 3, CHIP_PX, CHIP_PX)
    rows = faces[0].permute(1, 2, 0).numpy()[140:420, 116:396]
    wanted = cv2.resize(np.ascontiguousarray(rows), (CHIP_PX, CHIP_PX), interpolation=cv2.INTER_AREA)
    assert np.abs(chips[0].permute(1, 2, 0).numpy() - wanted).max() < 1e-4
    assert Recognizer()(chips).shape == (2, 128)


def test_evaluation_measures_inputs_and_models(faces_folder: Path):
    network = Gpen(TINY)
    start_from_identity(network)
    faces = read_faces(faces_folder)[:2]
    rows = evaluate(
        {"identity": network.eval()},
        faces_folder,
        faces,
        lambda pictures: np.array([picture.mean(axis=(0, 1)) for picture in pictures]),
        torch.device("cpu"),
        size_px=64,
    )
    assert [row[:2] for row in rows][:2] == [("mild", "input"), ("mild", "identity")]
    by_level = {level: means for level, who, means in rows if who == "input"}
    assert by_level["mild"][0] > by_level["medium"][0] > by_level["heavy"][0]
    assert np.allclose(rows[0][2], rows[1][2], atol=0.01)


def test_levels_of_the_evaluation_repeat_exactly():
    clean = np.asarray(_drawn_face(1).resize((64, 64)))
    for level in LEVELS:
        assert np.array_equal(degrade_level(clean, level, 5), degrade_level(clean, level, 5))


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"\[run\] has no setting ratee; it knows batch"):
        build_config({"run": {"ratee": 1.0}})
    assert dataclasses.asdict(build_config({}))["run"]["device"] == "cpu"


def test_windows_show_the_same_part_of_every_picture_and_where_it_lies():
    face = torch.arange(64 * 64, dtype=torch.float32).reshape(1, 1, 64, 64).expand(5, -1, -1, -1)
    windows = draw_windows(5, 64, 16, torch.device("cpu"))
    for part, place in zip(windows.cut(face), windows.place(torch.float32), strict=True):
        top, left = divmod(int(part[0, 0, 0]), 64)
        assert torch.equal(part[0], face[0, 0, top : top + 16, left : left + 16])
        assert place[:, 0, 0].tolist() == pytest.approx([top / 31.5 - 1, left / 31.5 - 1], abs=1e-6)
    whole = draw_windows(2, 64, 0, torch.device("cpu"))
    assert torch.equal(whole.cut(face[:2]), face[:2])
    assert whole.place(torch.float32)[0, :, -1, -1].tolist() == [1, 1]


def test_two_processes_train_one_network(faces_folder: Path, tmp_path: Path):
    """Each draws its own faces, so without the averaging their networks would part at the first step."""
    config = tmp_path / "run.toml"
    config.write_text(
        f"""
        [network]
        size = 64
        channel_multiplier = 1
        narrow = 0.0625
        [data]
        faces = "{faces_folder}"
        held_out = 0.3
        [degradation]
        groups = 2
        reduction = 2.0
        [loss]
        perceptual = 0.0
        identity = 0.0
        adversarial = 0.1
        judge_width = 0.125
        judge_px = 32
        r1_every = 2
        [run]
        out = "{tmp_path / "run"}"
        batch = 4
        steps = 3
        """
    )
    program = tmp_path / "both.py"
    program.write_text(
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from training import together, train\n"
        "from training.config import load_config\n"
        "torch.set_num_threads(1)\n"
        "def keep(network, path=Path(sys.argv[2])):\n"
        "    torch.save(network.state_dict(), path / f'{together.rank()}.pth')\n"
        "leave, trainers = together.leave, []\n"
        "class Watched(train.Trainer):\n"
        "    def __init__(self, *given): super().__init__(*given); trainers.append(self)\n"
        "train.Trainer = Watched\n"
        "together.leave = lambda: (keep(trainers[0].generator), leave())\n"
        "train.train(load_config(Path(sys.argv[1])))\n"
    )
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launched, program, config, tmp_path],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    one, other = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert done.stdout.count("training faces") == 1
    assert json.loads((tmp_path / "run" / "progress.json").read_text())["faces"] == 3 * 4 * 2
