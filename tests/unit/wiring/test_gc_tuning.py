"""What the service is made of is not looked through over and over."""

import subprocess
import sys

SCRIPT = """
import gc
from zipjobs.wiring.gc_tuning import NEW_OBJECTS, freeze

before = len(gc.get_objects())
freeze()
assert gc.get_freeze_count() >= before - 10, "what there was stays, and is passed over"
passes = []
gc.callbacks.append(lambda phase, info: passes.append(info["generation"]))
kept = [[] for _ in range(NEW_OBJECTS // 2)]
assert not passes
again = [[] for _ in range(NEW_OBJECTS)]
assert passes[0] == 0, "garbage in cycles is still found"
"""


def test_what_there_was_is_passed_over_and_what_comes_is_not() -> None:
    """In a process of its own: pytest's is not to be settled."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
