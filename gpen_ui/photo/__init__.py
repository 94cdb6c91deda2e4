"""A photo on disk <-> pixels and metadata in memory."""

from gpen_ui.photo.colour import thumbnail
from gpen_ui.photo.names import PHOTO_SUFFIXES, find_photos, result_names
from gpen_ui.photo.read import photo_from_bytes, photo_from_pixels, read_photo
from gpen_ui.photo.small import small_jpeg
from gpen_ui.photo.types import Photo, PhotoMetadata, Pixels
from gpen_ui.photo.write import WriteFormat, encode_photo, save_photo, write_named, written_format

__all__ = [
    "PHOTO_SUFFIXES",
    "Photo",
    "PhotoMetadata",
    "Pixels",
    "WriteFormat",
    "encode_photo",
    "find_photos",
    "photo_from_bytes",
    "photo_from_pixels",
    "read_photo",
    "result_names",
    "save_photo",
    "small_jpeg",
    "thumbnail",
    "write_named",
    "written_format",
]
