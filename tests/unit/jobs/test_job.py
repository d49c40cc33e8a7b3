"""What a record keeps of errors."""

from zipjobs.errors import SourceArchived, SourceForbidden, SourceNotFound
from zipjobs.jobs.job import MAX_RECORDED_NAME_CHARS, JobError
from zipjobs.unreadable import MAX_NAMED_OBJECTS, UnreadableTally

KINDS = (SourceNotFound, SourceArchived, SourceForbidden)


def of_each_kind(counts: tuple[int, ...], chars: int = 9) -> JobError:
    """Return the record of an error with so many objects of each of ``KINDS``."""
    errors = [
        kind("It cannot be read.", [f"s3://src/{kind.kind}/{number}".ljust(chars, "x")])
        for kind, count in zip(KINDS, counts, strict=False)
        for number in range(count)
    ]
    tally = UnreadableTally()
    for position, error in enumerate(errors):
        tally.add(position, error)
    return JobError.of(tally.error())


def test_objects_are_grouped_by_their_codes() -> None:
    error = of_each_kind((1, 2))
    assert error.code == "SOURCE_ARCHIVED"
    assert error.objects_by_code == {
        "SOURCE_ARCHIVED": ("s3://src/archived/0", "s3://src/archived/1"),
        "SOURCE_NOT_FOUND": ("s3://src/missing/0",),
    }
    assert set(error.objects) == {"s3://src/missing/0", *error.objects_by_code["SOURCE_ARCHIVED"]}


def test_objects_with_the_same_code_are_not_grouped() -> None:
    error = of_each_kind((3,))
    assert error.objects_by_code == {}
    assert len(error.objects) == 3


def test_a_rare_code_keeps_its_objects_in_a_long_list() -> None:
    error = of_each_kind((30_000, 2, 1))
    assert [len(names) for names in error.objects_by_code.values()] == [197, 2, 1]
    assert len(error.objects) == MAX_NAMED_OBJECTS


def test_grouped_objects_take_no_more_room_than_others() -> None:
    error = of_each_kind((200, 200, 200), chars=1000)
    assert sum(map(len, error.objects)) <= MAX_RECORDED_NAME_CHARS // 2
    assert {len(names) for names in error.objects_by_code.values()} <= {3, 4}
