"""The garbage collector does not scan the objects that exist at start."""

import subprocess
import sys

SCRIPT = """
import gc
from zipjobs.wiring.gc_tuning import NEW_OBJECTS, freeze

before = len(gc.get_objects())
freeze()
assert gc.get_freeze_count() >= before - 10, "existing objects are not scanned"
passes = []
gc.callbacks.append(lambda phase, info: passes.append(info["generation"]))
kept = [[] for _ in range(NEW_OBJECTS // 2)]
assert not passes
again = [[] for _ in range(NEW_OBJECTS)]
assert passes[0] == 0, "new garbage is still found"
"""


def test_only_new_objects_are_scanned() -> None:
    """Use a separate process, so that the objects of pytest are not frozen."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
