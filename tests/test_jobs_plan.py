"""What a run takes and what it leaves alone, and how results are called."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from gpen_ui.errors import PhotoReadError, UsageError
from gpen_ui.jobs import Plan, RunSettings, plan_run
from gpen_ui.jobs.location import is_network_kind, is_on_network, store_location
from gpen_ui.jobs.names import candidates, check_template

PHOTO = b"not looked into by a plan"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PHOTO)


def taken(plan: Plan, root: Path) -> list[str]:
    return [str(photo.path.relative_to(root)) for photo in plan.photos]


def left_out(plan: Plan, root: Path) -> dict[str, str]:
    return {str(each.path.relative_to(root)): each.why.key.rpartition(".")[2] for each in plan.ignored}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    touch(folder / "a10.jpg", folder / "a2.JPG", folder / "a2.png", folder / "sub" / "deep" / "b.webp")
    return folder


def test_photos_come_in_natural_order_and_only_the_folder_itself_unless_asked(photos: Path, tmp_path: Path):
    plan = plan_run([photos], tmp_path / "out")
    assert taken(plan, photos) == ["a2.JPG", "a2.png", "a10.jpg"]
    assert left_out(plan, photos) == {"sub": "subfolder"}
    deep = plan_run([photos], tmp_path / "out", settings=RunSettings(recursive=True))
    assert taken(deep, photos)[-1] == str(Path("sub", "deep", "b.webp"))
    assert deep.photos[-1].subfolder == Path("sub/deep")


def test_what_is_no_photo_is_named_with_its_reason_and_never_ends_the_plan(photos: Path, tmp_path: Path):
    touch(
        photos / "desktop.ini", photos / ".DS_Store", photos / "Thumbs.db", photos / ".hidden.jpg", photos / "notes.txt"
    )
    touch(photos / ".hidden" / "x.jpg", photos / "failed.png", photos / "Error 1.jpg")
    (photos / "folder.jpg").mkdir()
    (photos / "lost.jpg").symlink_to(photos / "nowhere.jpg")
    plan = plan_run([photos], tmp_path / "out", settings=RunSettings(recursive=True))
    assert {"failed.png", "Error 1.jpg"} <= set(taken(plan, photos))
    assert left_out(plan, photos) == {
        "desktop.ini": "no_photo",
        ".DS_Store": "hidden",
        "Thumbs.db": "no_photo",
        ".hidden.jpg": "hidden",
        "notes.txt": "no_photo",
        ".hidden": "hidden",
        "lost.jpg": "link",
    }
    assert all(each.why.sentence("en") and each.why.sentence("zh") for each in plan.ignored)


def test_links_do_not_lead_out_and_do_not_double_a_photo(photos: Path, tmp_path: Path):
    touch(tmp_path / "private" / "secret.jpg")
    (photos / "out.jpg").symlink_to(tmp_path / "private" / "secret.jpg")
    (photos / "away").symlink_to(tmp_path / "private")
    (photos / "again.jpg").symlink_to(photos / "a10.jpg")
    (photos / "up.png").symlink_to(photos / "sub" / "deep" / "b.webp")
    plan = plan_run([photos], tmp_path / "out")
    assert taken(plan, photos) == ["a2.JPG", "a2.png", "a10.jpg", "up.png"]
    assert left_out(plan, photos) == {"sub": "subfolder", "out.jpg": "link", "away": "link", "again.jpg": "link_twice"}


def test_a_link_that_was_named_itself_is_followed(photos: Path, tmp_path: Path):
    (tmp_path / "wish.jpg").symlink_to(photos / "a10.jpg")
    assert len(plan_run([tmp_path / "wish.jpg"], tmp_path / "out").photos) == 1


def test_the_output_folder_inside_the_input_is_not_searched(photos: Path, tmp_path: Path):
    touch(photos / "out" / "a2_gpen.jpg")
    plan = plan_run([photos], photos / "out", settings=RunSettings(recursive=True))
    assert not any("gpen" in name for name in taken(plan, photos))
    assert left_out(plan, photos) == {"out": "output"}


def test_results_of_earlier_runs_are_known_by_their_place_not_by_their_name(photos: Path, tmp_path: Path):
    plan = plan_run([photos], tmp_path / "out", is_result=lambda path: path.name == "a2.png")
    assert taken(plan, photos) == ["a2.JPG", "a10.jpg"] and left_out(plan, photos)["a2.png"] == "result"
    touch(photos / "portrait_gpen.jpg")
    assert "portrait_gpen.jpg" in taken(plan_run([photos], tmp_path / "out"), photos)


def test_the_same_folder_for_input_and_output_is_refused(photos: Path, tmp_path: Path):
    (tmp_path / "same").symlink_to(photos)
    for output in (photos, tmp_path / "same", photos / "sub" / ".."):
        with pytest.raises(UsageError, match="is an input folder"):
            plan_run([photos], output)


def test_a_photo_named_twice_is_done_once(photos: Path, tmp_path: Path):
    plan = plan_run([photos, photos / "a2.png", photos / "sub" / ".." / "a10.jpg"], tmp_path / "out")
    assert len(plan.photos) == 3 and [each.why.key for each in plan.ignored][-2:] == ["runs.ignored.twice"] * 2


def test_a_file_that_is_named_is_taken_whatever_it_is_called(tmp_path: Path):
    touch(tmp_path / "scan.dat")
    plan = plan_run([tmp_path / "scan.dat", tmp_path / "missing.jpg"], tmp_path / "out")
    assert [photo.size_bytes for photo in plan.photos] == [len(PHOTO), -1]


def test_identical_photos_under_different_names_are_different_photos(photos: Path, tmp_path: Path):
    assert len({photo.path.read_bytes() for photo in plan_run([photos], tmp_path / "out").photos}) == 1
    assert len(plan_run([photos], tmp_path / "out").photos) == 3


def test_a_plan_touches_nothing(photos: Path, tmp_path: Path):
    before = sorted((str(path), path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    plan_run([photos], tmp_path / "out", settings=RunSettings(recursive=True))
    assert sorted((str(path), path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_inputs_that_cannot_be_planned_are_refused_in_words(tmp_path: Path):
    with pytest.raises(UsageError, match="nothing to restore"):
        plan_run([], tmp_path / "out")
    touch(tmp_path / "file")
    with pytest.raises(UsageError, match="is a file"):
        plan_run([tmp_path], tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(PhotoReadError):
        plan_run([tmp_path / "closed"], tmp_path / "out")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{name}{suffix}{ext}", ["a b_gpen.jpg", "a b_gpen_2.jpg"]),
        ("{name}", ["a b.jpg", "a b_2.jpg"]),
        ("{n:04}-{name}{ext}", ["0007-a b.jpg", "0007-a b_2.jpg"]),
        ("photo {n}", ["photo 7.jpg", "photo 7_2.jpg"]),
        ("{name}. ", ["a b.jpg", "a b_2.jpg"]),
    ],
)
def test_names_follow_the_template(template: str, expected: list[str]):
    check_template(template)
    names = candidates(template, name="a b.jpeg", suffix="_gpen", extension=".jpg", number=7)
    assert list(itertools.islice(names, 2)) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{name", "cannot be read"),
        ("{title}{ext}", "title"),
        ("{name!r}", "holds 'name'"),
        ("{name:>999}", "holds 'name'"),
        ("{name.__class__}", "holds"),
        ("../{name}", "character"),
        ("a\\{name}", "character"),
        ("{name}\x00", "character"),
        (".{name}", "character"),
        ("{name}" + "x" * 200, "too long"),
        ("{suffix}{ext}", "same name"),
        ("result", "same name"),
        ("{ext}{name}", "at the end"),
    ],
)
def test_a_template_that_cannot_work_is_refused_before_anything_is_done(template: str, reason: str, tmp_path: Path):
    with pytest.raises(UsageError) as refused:
        plan_run([tmp_path], tmp_path / "out", settings=RunSettings(template=template))
    assert reason in str(refused.value) and template[:8] in refused.value.sentence("zh")


def test_the_store_goes_to_the_users_data_when_the_outputs_are_on_a_network_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert store_location(tmp_path / "out").folder == tmp_path / "out" / ".gpen-ui"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("gpen_ui.jobs.location.is_on_network", lambda folder: True)
    monkeypatch.setattr("sys.platform", "linux")
    place = store_location(tmp_path / "nas")
    assert place.folder.is_relative_to(tmp_path / "data") and not (tmp_path / "nas").exists()
    assert place.why is not None and "network drive" in place.why.sentence("en")


def test_network_drives_are_told_from_disks(tmp_path: Path):
    assert not is_on_network(tmp_path)
    assert [is_network_kind(kind) for kind in ("nfs4", "cifs", "fuse.sshfs", "ext4", "fuse.ntfs-3g")] == [1, 1, 1, 0, 0]
