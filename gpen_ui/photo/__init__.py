"""A photo on disk <-> pixels and metadata in memory."""

from gpen_ui.photo.types import Photo, PhotoMetadata, Pixels

__all__ = ["Photo", "PhotoMetadata", "Pixels"]
