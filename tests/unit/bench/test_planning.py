import io

from bench.large_jobs.planning import ENTRIES, cells, plan


def test_a_list_is_read_planned_and_written_down() -> None:
    planned = plan(25_000, io.BytesIO())

    assert planned.entries == 25_000 < ENTRIES
    assert planned.segments == 3  # of 1 GiB at the most
    assert planned.puts == planned.segments + 1  # and the plan
    assert planned.wall_s > 0
    assert planned.read_cpu_s > 0
    assert cells(planned)[0] == "25,000"
