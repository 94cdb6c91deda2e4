"""GPEN UI: restores degraded faces in photos. Web page, command line, Python API and REST over one engine."""

__version__ = "0.1.0"
