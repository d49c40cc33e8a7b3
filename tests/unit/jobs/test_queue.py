from zipjobs.jobs.queue import LAST_RETRY_SECONDS, retry_delay_seconds


def test_retry_delays_double_up_to_a_limit() -> None:
    assert [retry_delay_seconds(count) for count in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert retry_delay_seconds(50) == LAST_RETRY_SECONDS
    assert retry_delay_seconds(10**6) == LAST_RETRY_SECONDS
