"""How many requests may be in flight: fewer once S3 says that it is too many, and more again."""

LEAST_IN_FLIGHT = 4
"""With fewer, one request that gets no answer would hold all others up."""

ANSWERS_PER_STEP = 10
"""After so many good answers one more may be in flight, so the limit grows by a tenth a round
trip: at 20 ms, from the least to 240 in about a second."""

TOO_MANY_REQUESTS = 429


class AdaptiveConcurrency:
    """Additive increase, multiplicative decrease.

    In flight is what has been sent and not been answered. A response whose body flows, or waits for
    room, does not count: whatever waits for a request to be answered waits for bounded time. Used
    on one thread.
    """

    __slots__ = ("_answers", "in_flight", "limit", "most", "round")

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self.in_flight = 0
        self.round = 0
        """Grows with each decrease. A request belongs to the one in which it was sent."""
        self._answers = 0

    def answered(self, status: int, sent_in: int) -> None:
        """Take an answer into account, to a request of round ``sent_in`` that is still in flight.

        Good ones matter only while ``limit`` is less than ``most``. Requests that were in flight
        together and are all refused halve the limit once: "Reducing your request rate will decrease
        or eliminate errors of this type" (Amazon S3 User Guide, "Amazon S3 error best practices").
        """
        if status == TOO_MANY_REQUESTS or status >= 500:
            self._answers = 0
            if sent_in == self.round:
                self.round += 1
                halved = min(self.limit, self.in_flight) // 2
                self.limit = max(halved, min(LEAST_IN_FLIGHT, self.most))
            return
        self._answers += 1
        if self._answers >= ANSWERS_PER_STEP:
            self._answers = 0
            self.limit = min(self.limit + 1, self.most)
