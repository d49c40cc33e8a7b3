import io

from bench.large_jobs.planning import ENTRIES, cells, plan


def test_planning_reads_a_list_and_writes_segments() -> None:
    planned = plan(25_000, io.BytesIO())

    assert planned.entries == 25_000 < ENTRIES
    assert planned.segments == 3  # of at most 1 GiB
    assert planned.puts == planned.segments + 1  # with the plan
    assert planned.wall_s > 0
    assert planned.read_cpu_s > 0
    assert cells(planned)[0] == "25,000"
