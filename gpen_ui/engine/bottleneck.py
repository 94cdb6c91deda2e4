"""Which stage keeps a run from being quicker."""

from __future__ import annotations

from collections.abc import Mapping

from gpen_ui.engine.stream import workers_beside

READING, FINISHING = ("read", "detect"), ("paste", "look", "encode")


def bottleneck(seconds: Mapping[str, float], device: str) -> str:
    """The stage that bounds the pace of a stream of many photos.

    Args:
        seconds: of all photos together, per stage as in `RestoredPhoto.seconds`, with "encode" where it was timed.
        device: of the network, torch's name.

    Returns:
        The longest stage of the group whose threads were busy longest; groups work at the same time.
    """
    workers = workers_beside(device)
    groups = {name: (name,) for name in seconds if name not in READING + FINISHING} | {
        "reading": READING,
        "finishing": FINISHING,
    }
    side_by_side = {"network": 1}  # the device is one

    def busy(name: str) -> float:
        return sum(seconds.get(stage, 0.0) for stage in groups[name]) / side_by_side.get(name, workers)

    slowest = max(groups, key=busy)
    return max(groups[slowest], key=lambda stage: seconds.get(stage, 0.0))
