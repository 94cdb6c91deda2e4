"""What every machine needs so that it restores as this one does: the same program, and the files of the networks."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gpen_ui import __version__
from gpen_ui.catalog import model_spec, restoration_models
from gpen_ui.choices import FaceChoice
from gpen_ui.errors import ModelError
from gpen_ui.weights import find_checkpoint
from gpen_ui.weights.files import file_stamp, sha256_of

_PACKAGE = Path(__file__).resolve().parents[2]
_HELPERS = ("retinaface-r50", "parsenet")  # used when their files are there


@lru_cache(maxsize=1)
def program() -> str:
    """Version and content of this program: photos and results travel as its own objects, and only the same program
    gives the same pixels."""
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in (".py", ".toml"):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return f"{__version__}-{digest.hexdigest()}"


@dataclass(frozen=True)
class Parcel:
    """The networks of a run, as they travel.

    Attributes:
        model: a name of the catalogue; empty for a file of the user's own, which is the first of `files` then.
        model_name, model_sha256: see `Restorer`.
        files: name in the models folder -> Ray's reference to the bytes.
        others: files of larger models that are on this machine only; a photo's advice names them.
    """

    model: str
    model_name: str
    model_sha256: str
    files: dict[str, Any]
    others: tuple[str, ...]

    @contextmanager
    def unpacked(self, ray: Any, more: Mapping[str, Any]) -> Iterator[tuple[str | Path, Path]]:
        """What `Restorer.load` takes: the model and a models folder, which is gone after the block.

        Args:
            more: files of other networks, as `OtherFiles` gives them.
        """
        with tempfile.TemporaryDirectory(prefix="gpen-models-") as temporary:
            folder = Path(temporary)
            for name in self.others:  # only their being there is asked for
                (folder / name).touch()
            for name, reference in {**more, **self.files}.items():
                (folder / name).write_bytes(ray.get(reference))
            yield self.model or folder / next(iter(self.files)), folder


def pack(ray: Any, model: str, models_folder: Path) -> Parcel:
    """Puts the networks into Ray's object store, once for all machines; the embedded one is there already.

    Raises:
        UnknownModelError, CheckpointError: as from `find_checkpoint`.
    """
    path, spec = find_checkpoint(model, models_folder)
    paths = {} if spec is not None and spec.embedded else {spec.file if spec else path.name: path}
    for helper in _HELPERS:
        name = model_spec(helper).file
        if (models_folder / name).is_file():
            paths[name] = models_folder / name
    here = (each.file for each in restoration_models() if (models_folder / each.file).is_file())
    return Parcel(
        model=spec.name if spec else "",
        model_name=spec.name if spec else path.name,
        model_sha256=(spec.sha256 if spec else None) or sha256_of(path),
        files={name: ray.put(each.read_bytes()) for name, each in paths.items()},
        others=tuple(name for name in here if name not in paths),
    )


class OtherFiles:
    """The files of networks that only single faces ask for; each goes into Ray's object store once, and again when
    another file has taken its place."""

    def __init__(self, ray: Any, models_folder: Path) -> None:
        self._ray = ray
        self._models_folder = models_folder
        self._stored: dict[str, tuple[object, Any]] = {}  # stamp and reference

    def asked_by(self, choices: Iterable[FaceChoice]) -> dict[str, Any]:
        """Name in the models folder -> Ray's reference to the bytes. One that is not here is left out: its face then
        fails with the sentence that it has in one process."""
        found: dict[str, Any] = {}
        for choice in choices:
            if not choice.on or choice.model is None or Path(choice.model).name != choice.model:
                continue
            try:
                path, spec = find_checkpoint(choice.model, self._models_folder)
            except ModelError:
                continue
            if spec is None or not spec.embedded:
                name = spec.file if spec else path.name
                stamp = file_stamp(path)
                if name not in self._stored or self._stored[name][0] != stamp:
                    self._stored[name] = stamp, self._ray.put(path.read_bytes())
                found[name] = self._stored[name][1]
        return found
