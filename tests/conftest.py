"""Settings of the whole suite: hypothesis profiles, and an environment that tests do not change.

``HYPOTHESIS_PROFILE=fuzz`` (``make fuzz``) looks for new examples. Without it, each run uses the
same ones.
"""

import os

import _pytest.runner
from hypothesis import HealthCheck, settings

from tests.support.examples import DEFAULT_EXAMPLES, FUZZ_EXAMPLES

# No limit and no health check depends on the speed of the machine.
_COMMON = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("ci", _COMMON, derandomize=True, max_examples=DEFAULT_EXAMPLES)
settings.register_profile("fuzz", _COMMON, max_examples=FUZZ_EXAMPLES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Pytest deletes PYTEST_CURRENT_TEST after each test, and has no option to keep it. Threads that
# outlive a test, such as those of the embedded AWS, read os.environ at any time: boto3 and urllib
# look for proxies there. Iterating over os.environ raises KeyError if a variable disappears.
_pytest.runner._update_current_test_var = lambda item, when: None
