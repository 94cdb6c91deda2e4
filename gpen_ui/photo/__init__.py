"""A photo on disk <-> pixels and metadata in memory."""

from gpen_ui.photo.colour import thumbnail
from gpen_ui.photo.deep import to_eight_bits
from gpen_ui.photo.encode import Encoded, MetadataWish, WriteFormat, encode_file, encode_photo, written_format
from gpen_ui.photo.header import stored_size
from gpen_ui.photo.names import PHOTO_SUFFIXES, find_photos, result_names
from gpen_ui.photo.read import load_file, photo_from_bytes, photo_from_pixels, read_photo
from gpen_ui.photo.small import small_jpeg
from gpen_ui.photo.types import Photo, PhotoFile, PhotoMetadata, Pixels, Remark
from gpen_ui.photo.write import Stamp, replace_encoded, save_encoded, save_photo, stamp_of, write_named

__all__ = [
    "PHOTO_SUFFIXES",
    "Encoded",
    "MetadataWish",
    "Photo",
    "PhotoFile",
    "PhotoMetadata",
    "Pixels",
    "Remark",
    "Stamp",
    "WriteFormat",
    "encode_file",
    "encode_photo",
    "find_photos",
    "load_file",
    "photo_from_bytes",
    "photo_from_pixels",
    "read_photo",
    "replace_encoded",
    "result_names",
    "save_encoded",
    "save_photo",
    "small_jpeg",
    "stamp_of",
    "stored_size",
    "thumbnail",
    "to_eight_bits",
    "write_named",
    "written_format",
]
