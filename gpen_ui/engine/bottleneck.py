"""Which stage keeps a run from being quicker."""

from __future__ import annotations

from collections.abc import Mapping

from gpen_ui.engine.stream import workers_beside

ONE_AT_A_TIME = ("network", "write")  # the device is one, and whoever takes the results writes them
READING, FINISHING = ("read", "detect"), ("paste", "look", "encode")


def bottleneck(seconds: Mapping[str, float], device: str) -> str:
    """The stage that bounds the pace of a stream of many photos.

    Args:
        seconds: of all photos together, per stage as in `RestoredPhoto.seconds`, with "encode"
            and "write" where they were timed.
        device: of the network, torch's name.

    Returns:
        The longest stage of the group whose threads were busy longest; groups work at the same time.
    """
    workers = workers_beside(device)
    groups = {name: (name,) for name in seconds if name not in READING + FINISHING} | {
        "reading": READING,
        "finishing": FINISHING,
    }

    def busy(name: str) -> float:
        side_by_side = 1 if name in ONE_AT_A_TIME else workers
        return sum(seconds.get(stage, 0.0) for stage in groups[name]) / side_by_side

    slowest = max(groups, key=busy)
    return max(groups[slowest], key=lambda stage: seconds.get(stage, 0.0))
