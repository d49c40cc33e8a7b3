"""Errors of several objects that cannot be read."""

from collections.abc import Iterable

import pytest

from zipjobs.errors import (
    PermanentError,
    SourceArchived,
    SourceEncrypted,
    SourceForbidden,
    SourceNotFound,
    UnreadableObject,
    UnreadableObjects,
)
from zipjobs.jobs.job import MAX_MESSAGE_CHARS
from zipjobs.unreadable import MAX_NAMED_OBJECTS, UnreadableTally, none_left

KINDS = (SourceNotFound, SourceForbidden, SourceArchived, SourceEncrypted)


def unreadable(kind: type[UnreadableObject], name: str) -> UnreadableObject:
    return kind(f"{name} is {kind.kind}.", [name])


def error_of(errors: Iterable[UnreadableObject]) -> PermanentError:
    tally = UnreadableTally()
    for position, error in enumerate(errors):
        tally.add(position, error)
    return tally.error()


def test_the_message_counts_each_kind_and_names_the_options() -> None:
    error = error_of(
        [
            unreadable(SourceArchived, "s3://b/1"),
            unreadable(SourceNotFound, "s3://b/2"),
            unreadable(SourceNotFound, "s3://b/3"),
        ]
    )
    assert str(error) == (
        "3 objects cannot be read: 2 missing, 1 archived. Set onMissing and onUnreadable to skip "
        "to leave such objects out. For example: s3://b/2 is missing. s3://b/1 is archived."
    )
    assert isinstance(error, UnreadableObjects)
    assert error.code == "SOURCE_NOT_FOUND"
    assert error.objects == ("s3://b/2", "s3://b/3", "s3://b/1")
    assert error.by_code == {
        "SOURCE_NOT_FOUND": ["s3://b/2", "s3://b/3"],
        "SOURCE_ARCHIVED": ["s3://b/1"],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_names_the_option_of_the_kind(kind: type[UnreadableObject]) -> None:
    error = error_of([unreadable(kind, "s3://b/1"), unreadable(kind, "s3://b/2")])
    assert f"Set {kind.option} to skip" in str(error)


def test_one_error_is_returned_as_it_is() -> None:
    error = unreadable(SourceForbidden, "s3://b/1")
    assert error_of([error]) is error


def test_long_keys_leave_every_kind_in_the_message() -> None:
    error = error_of([unreadable(kind, f"s3://b/{'k' * 1024}") for kind in KINDS * 9])
    assert all(f"9 {kind.kind}" in str(error) for kind in KINDS)
    assert len(str(error)) <= MAX_MESSAGE_CHARS


def test_objects_that_are_all_skipped_are_grouped_too() -> None:
    skipped = [("SOURCE_NOT_FOUND", "s3://b/1"), *[("SOURCE_ARCHIVED", "s3://b/2")] * 2]
    error = none_left(skipped)
    assert error.code == "SOURCE_ARCHIVED"
    assert error.objects == ("s3://b/2", "s3://b/2", "s3://b/1")
    assert "2 archived, 1 missing" in str(error)


def test_a_frequent_kind_leaves_room_for_the_others() -> None:
    names = [f"s3://b/{number}" for number in range(1000)]
    errors = [unreadable(SourceNotFound, name) for name in names]
    errors += [unreadable(SourceArchived, name) for name in names[:10]]
    error = error_of(errors)
    assert isinstance(error, UnreadableObjects)
    assert "1,000 missing, 10 archived" in str(error)
    assert error.by_code == {
        "SOURCE_NOT_FOUND": names[: MAX_NAMED_OBJECTS - 10],
        "SOURCE_ARCHIVED": names[:10],
    }


def test_an_incomplete_check_says_so() -> None:
    tally = UnreadableTally()
    tally.add(0, unreadable(SourceArchived, "s3://b/1"))
    error = tally.error(is_complete=False)
    assert "1 object cannot be read: 1 archived. Other objects were not checked." in str(error)
    assert (error.code, error.objects) == ("SOURCE_ARCHIVED", ("s3://b/1",))
