"""The GPEN network in plain torch. Pure: no file, no device, no OpenCV."""

from gpen_ui.network.config import GpenConfig
from gpen_ui.network.gpen import Gpen

__all__ = ["Gpen", "GpenConfig"]
