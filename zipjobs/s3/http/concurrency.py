"""How many requests may be in flight: fewer once S3 throttles, and more again afterwards."""

MIN_IN_FLIGHT = 4
"""With fewer, one request without a response would hold all others up."""

RESPONSES_PER_STEP = 10
"""After so many good responses, one more request may be in flight. So the limit grows by a tenth
per round trip: at 20 ms, from the minimum to 240 in about a second."""

THROTTLED = frozenset({429, 503})
"""Too Many Requests, and S3's SlowDown. Other 5xx errors say nothing about the request rate."""


class AdaptiveConcurrency:
    """Additive increase, multiplicative decrease. Used on one thread.

    A request is in flight until its response begins. A response whose body flows, or waits for
    memory, does not count: whatever waits for a response waits for a limited time.
    """

    __slots__ = ("_good_responses", "_round", "in_flight", "limit", "maximum")

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.limit = maximum
        self.in_flight = 0
        self._round = 0  # grows with each decrease
        self._good_responses = 0

    @property
    def may_send(self) -> bool:
        """Return whether one more request may be in flight."""
        return self.in_flight < self.limit

    def sent(self) -> int:
        """Count a request, and return the round that it belongs to."""
        self.in_flight += 1
        return self._round

    def lost(self) -> None:
        """Count a request that ended without a response."""
        self.in_flight -= 1

    def answered(self, status: int, round_: int) -> None:
        """Count the response to a request of ``round_``.

        Requests that were in flight together and are all throttled halve the limit once: "Reducing
        your request rate will decrease or eliminate errors of this type" (Amazon S3 User Guide,
        "Amazon S3 error best practices").
        """
        if status in THROTTLED:
            self._good_responses = 0
            if round_ == self._round:
                self._round += 1
                halved = min(self.limit, self.in_flight) // 2
                self.limit = max(halved, min(MIN_IN_FLIGHT, self.maximum))
        elif self.limit < self.maximum:
            self._good_responses += 1
            if self._good_responses >= RESPONSES_PER_STEP:
                self._good_responses = 0
                self.limit += 1
        self.in_flight -= 1
