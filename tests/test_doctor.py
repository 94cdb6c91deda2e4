"""The diagnosis of cards: what the driver's tool says, and what follows from driver, build and card together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gpen_ui.engine.diagnosis import TorchBuild, TorchCard, find_card_problems, holds_code_for
from gpen_ui.engine.nvidia import Card, Driver, read_driver
from gpen_ui.texts import LANGUAGES

GIB = 1 << 30
CARD = Card(0, "GPU-aaaa", "RTX 3060", 12 * GIB, 0, (8, 6), True, 170.0, 170.0, None, None)
SEEN = TorchCard("cuda:0", "RTX 3060", "aaaa", (8, 6), 12 * GIB)
BUILD = TorchBuild("2.9.0+cu128", "12.8", None, ("sm_75", "sm_80", "sm_86", "sm_90", "sm_120"), True, (SEEN,))
DRIVER = Driver("580.1", (13, 0), (CARD,), ())


def change(value: object, **fields: object):
    """A copy with some fields changed."""
    return type(value)(**{**vars(value), **fields})


def keys(build: TorchBuild, driver: Driver | None) -> list[str]:
    findings = find_card_problems(build, driver)
    for finding in findings:
        for language in LANGUAGES:
            assert "{" not in finding.note.sentence(language)
    return [f"{finding.level} {finding.note.key}" for finding in findings]


def test_a_card_that_fits_needs_no_remark():
    assert keys(BUILD, DRIVER) == []


@pytest.mark.parametrize(
    ("build", "driver", "expected"),
    [
        ({"cuda": None, "architectures": (), "cuda_available": False, "cards": ()}, {}, "problem doctor_cpu_build"),
        ({"cuda": "13.0", "cuda_available": False, "cards": ()}, {"cuda": (12, 4)}, "problem doctor_old_driver"),
        ({"cuda_available": False, "cards": ()}, {}, "problem doctor_card_hidden"),
        ({"architectures": ("sm_90", "compute_90")}, {}, "problem doctor_not_built_for"),
        ({"cards": (change(SEEN, memory_bytes=5 * GIB),)}, {}, "hint doctor_less_memory"),
        ({}, {"programs": ((7, "python", GIB),)}, "hint doctor_other_program"),
        ({}, {"programs": ((7, "python", None),)}, "hint doctor_other_program"),
        ({}, {"cards": (change(CARD, memory_used_bytes=6 * GIB),)}, "hint doctor_memory_taken"),
        ({}, {"cards": (change(CARD, persistence=False),)}, "hint doctor_persistence"),
        ({}, {"cards": (change(CARD, power_limit_w=100.0),)}, "hint doctor_power"),
        ({}, {"cards": (change(CARD, clock_mhz=500.0, default_clock_mhz=1500.0),)}, "hint doctor_clock"),
    ],
)
def test_each_trap_is_named(build: dict[str, object], driver: dict[str, object], expected: str):
    assert keys(change(BUILD, **build), change(DRIVER, **driver)) == [expected]


def test_a_machine_without_a_driver_is_no_problem():
    hidden = change(BUILD, cuda_available=False, cards=())
    assert keys(hidden, None) == ["hint doctor_no_driver"]
    assert keys(change(hidden, cuda=None, architectures=()), None) == []


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (("sm_86",), (8, 6), True),
        (("sm_80",), (8, 6), True),
        (("sm_86",), (8, 0), False),
        (("sm_80",), (9, 0), False),
        (("sm_80", "compute_80"), (9, 0), True),
        (("compute_90",), (8, 6), False),
        (("sm_90a",), (9, 0), True),
        (("sm_100a",), (10, 3), False),
        (("sm_120",), (12, 0), True),
        (("sm_50", "sm_60"), (6, 1), True),
        ((), (8, 6), False),
        (("gfx906",), (9, 0), False),
    ],
)
def test_machine_code_runs_on_its_own_kind_of_card(
    architectures: tuple[str, ...], capability: tuple[int, int], runs: bool
):
    assert holds_code_for(architectures, capability) is runs


TOOL = r"""#!/bin/sh
case "$*" in
  *query-gpu=index*) echo "0, GPU-aaaa, NVIDIA GeForce RTX 3060, 580.159, 12288, 345"
                     echo "1, GPU-bbbb, Tesla P4, 580.159, 7680, 0" ;;
  *compute_cap*) printf '8.6\n6.1\n' ;;
  *persistence_mode*) printf 'Disabled\nEnabled\n' ;;
  *power.limit*) printf '120.00, 170.00\n[N/A], [N/A]\n' ;;
  *clocks*) echo "Field is not a valid field to query." >&2; exit 2 ;;
  *compute-apps*) echo "4242, /usr/bin/game, 2048"; echo "4243, [Not Found], [N/A]" ;;
  *) echo "| NVIDIA-SMI 580.159      Driver Version: 580.159      CUDA Version: 13.0     |" ;;
esac
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a stand-in of the driver's tool onto the PATH."""

    def put(script: str) -> None:
        file = tmp_path / "nvidia-smi"
        file.write_text(script, encoding="utf-8")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


def test_the_drivers_answers_are_read_with_their_gaps(tool: Callable[[str], None]):
    tool(TOOL)
    driver = read_driver()
    assert driver is not None
    assert (driver.version, driver.cuda) == ("580.159", (13, 0))
    first, second = driver.cards
    assert (first.name, first.capability, first.persistence) == ("NVIDIA GeForce RTX 3060", (8, 6), False)
    assert (first.memory_bytes, first.power_limit_w, first.clock_mhz) == (12288 << 20, 120.0, None)
    assert (second.capability, second.persistence, second.power_limit_w) == ((6, 1), True, None)
    assert driver.programs == ((4242, "/usr/bin/game", 2048 << 20), (4243, "[Not Found]", None))


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 9\n", "#!/bin/sh\necho No devices were found\n"])
def test_a_driver_that_does_not_answer_counts_as_none(tool: Callable[[str], None], script: str):
    tool(script)
    assert read_driver() is None


def test_no_tool_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_driver() is None
