"""All errors that leave this program, each one sentence for the user: what, the value, what is allowed, what to do.

GpenError                     exit code 1
+-- UsageError                exit code 2: the request itself is off
|   +-- OptionError           an option outside its range
|   +-- SettingsError         a settings file, variable or flag
+-- PhotoError                one photo; the others of a run go on
|   +-- PhotoReadError        missing, empty, not an image, truncated
|   +-- PhotoTooLargeError    more bytes or pixels than allowed
|   +-- PhotoWriteError       folder missing, full or read-only
+-- ModelError                a network's file
|   +-- UnknownModelError     no such name in the catalogue
|   +-- CheckpointError       not loadable, of another kind, truncated, unsafe
|   +-- DownloadError         no source gave the right bytes
+-- DeviceError               a device that cannot be used
|   +-- OutOfMemoryError      even one face at a time does not fit
+-- FaceRestoreError          the network gave no usable picture for one face
+-- Stopped                   the user stopped; exit code 130
"""

from __future__ import annotations

from typing import ClassVar

from gpen_ui.texts import Language, say

VALUE_LONGEST = 200  # characters of a value that a sentence repeats


class GpenError(Exception):
    """An error with a sentence for the user.

    Args:
        key: the text's key without the leading `error.`.
        values: what fills the sentence's places.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, key: str, **values: object) -> None:
        self.key = f"error.{key}"
        self.values = values
        super().__init__(self.sentence("en"))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.key.removeprefix("error."), self.values)

    def sentence(self, language: Language) -> str:
        """The error in the user's language."""
        return say(self.key, language, **self.values)


def reason_of(error: BaseException) -> str:
    """The reason of a foreign error in a few words, without the path that Python repeats."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def brief(value: object) -> object:
    """A value as a sentence can show it. What comes from outside may be long, deeply nested, a number with more digits
    than Python writes, or half a character."""
    try:
        text = str(value).encode("utf-8", "replace").decode("utf-8")
    except (ValueError, RecursionError):
        return "…"
    if len(text) > VALUE_LONGEST:
        return text[:VALUE_LONGEST] + "…"
    return text if isinstance(value, str) else value


def _rebuild(kind: type[GpenError], key: str, values: dict[str, object]) -> GpenError:
    return kind(key, **values)


class UsageError(GpenError):
    exit_code = 2


class OptionError(UsageError):
    pass


class SettingsError(UsageError):
    pass


class PhotoError(GpenError):
    pass


class PhotoReadError(PhotoError):
    pass


class PhotoTooLargeError(PhotoError):
    pass


class PhotoWriteError(PhotoError):
    pass


class ModelError(GpenError):
    pass


class UnknownModelError(ModelError):
    pass


class CheckpointError(ModelError):
    pass


class DownloadError(ModelError):
    pass


class DeviceError(GpenError):
    pass


class OutOfMemoryError(DeviceError):
    pass


class FaceRestoreError(GpenError):
    pass


class Stopped(GpenError):  # noqa: N818 - not a failure, the user's own wish
    exit_code = 130
