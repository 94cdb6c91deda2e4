"""Restores a run's photos on the actors of a Ray cluster; the only place of Ray.

Ray starts the actors, places them, restarts them when they die, and carries the bytes. What is left to us: which photo
goes to which actor, and what to do with the photos of one that is gone. Importing this loads no Ray.
"""

from gpen_ui.jobs.cluster.connection import require_ray
from gpen_ui.jobs.cluster.engine import ray_engine

__all__ = ["ray_engine", "require_ray"]
