"""Checks of the settings about buckets and places. A place is ``bucket`` or ``bucket/prefix``."""

import re
from collections.abc import Sequence

from infra.config.settings import REQUESTS_PREFIX, WORK_PREFIX, InvalidSetting, Settings

MAX_PREFIX_BYTES = 900
"""In UTF-8. A key has at most 1,024 bytes; the rest is for the names of archives and manifests."""

RESERVED = r"(?!xn--|sthree-|amzn-s3-demo-)"
"""A pattern for the prefixes that AWS reserves: no bucket name starts with them."""

_BUCKET = re.compile(
    RESERVED + r"(?!.*\.\.)(?![0-9]+(\.[0-9]+){3}\Z)"
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)(?<!\.mrap)"
)
""""General purpose bucket naming rules" in the S3 User Guide."""

_PREFIX_RULE = (
    "a prefix must not contain *, ?, ${, control characters, or . or .. as a folder, must not "
    f"start with a slash, and must have at most {MAX_PREFIX_BYTES} bytes in UTF-8"
)

_OWNER = re.compile(r"([^=]+)=([0-9]{12})")
"""A bucket and the ID of its account."""

_FORBIDDEN = re.compile(r"[*?\x00-\x1f\x7f-\x9f\u2028\u2029]|\$\{|(^|/)\.{1,2}(/|$)")
"""Characters with a meaning in IAM policies ("IAM JSON policy elements: Resource" in the IAM User
Guide), control characters, and the segments ``.`` and ``..``, which some clients resolve.
"""


def check_places(settings: Settings) -> None:
    """Raise InvalidSetting for the first invalid bucket, place or prefix."""
    for name, bucket in (
        ("sourceBucket", settings.source_bucket),
        ("targetBucket", settings.target_bucket),
        ("manifestBucket", settings.manifest_bucket),
    ):
        if bucket and not _BUCKET.fullmatch(bucket):
            raise InvalidSetting(
                name,
                bucket,
                "it must be a valid bucket name (not a URL or an ARN), or empty",
            )
    for name, places in (
        ("allowedSources", settings.allowed_sources),
        ("allowedTargets", settings.allowed_targets),
    ):
        if not all(_is_place(place) for place in places):
            raise InvalidSetting(
                name,
                places,
                "it must be a list of places (bucket or bucket/prefix), such as "
                f"their-documents/2026/, and {_PREFIX_RULE}",
            )
    for name, prefix in (
        ("targetPrefix", settings.target_prefix),
        ("manifestPrefix", settings.manifest_prefix),
    ):
        _check_prefix(name, prefix)
    _check_owners(settings)
    for own in (REQUESTS_PREFIX, WORK_PREFIX):
        if _overlap(settings.manifest_prefix, own):
            raise InvalidSetting(
                "manifestPrefix",
                settings.manifest_prefix,
                f"it must not overlap {own}, where the service stores its own objects",
            )
    sources, targets = list(settings.allowed_sources), list(settings.allowed_targets)
    if settings.source_bucket:
        sources.append(f"{settings.source_bucket}/")
    if settings.target_bucket:
        targets.append(f"{settings.target_bucket}/{settings.target_prefix}")
    check_overlaps(settings, settings.manifest_bucket, sources, targets)


def check_overlaps(
    settings: Settings, manifest_bucket: str, sources: Sequence[str], targets: Sequence[str]
) -> None:
    """Raise InvalidSetting for places that must not overlap.

    Targets must not overlap manifests or the service's own objects. Sources must not overlap the
    service's own objects, and without ``allowSourceOverlap`` no targets or manifests. Before the
    stack creates the manifest bucket, ``manifest_bucket`` is empty.
    """
    _check_targets(settings, manifest_bucket, targets)
    for source in sources:
        for own in (REQUESTS_PREFIX, WORK_PREFIX):
            if _places_overlap(source, f"{manifest_bucket}/{own}"):
                raise _source_error(
                    settings,
                    source,
                    f"{manifest_bucket}/{own}, where the service stores the requests of all "
                    "callers. Use another manifestBucket, or leave it empty",
                )
        if settings.allow_source_overlap:
            continue
        for target in targets:
            if _places_overlap(source, target):
                raise _source_error(
                    settings,
                    source,
                    f"the target {target}: callers could read the archives of other callers. Use "
                    "another bucket or prefix, or set allowSourceOverlap if that is intended",
                )
        manifests = f"{manifest_bucket}/{settings.manifest_prefix}"
        if _places_overlap(source, manifests):
            raise _source_error(
                settings,
                source,
                f"{manifests}: callers could read all manifests. Use another bucket or prefix, "
                "or set allowSourceOverlap if that is intended",
            )


def _source_error(settings: Settings, source: str, what: str) -> InvalidSetting:
    if source == f"{settings.source_bucket}/":
        return InvalidSetting("sourceBucket", settings.source_bucket, f"it overlaps {what}")
    return InvalidSetting("allowedSources", settings.allowed_sources, f"{source} overlaps {what}")


def _check_targets(settings: Settings, manifest_bucket: str, targets: Sequence[str]) -> None:
    for target in targets:
        bucket, _, prefix = target.partition("/")
        if bucket != manifest_bucket:
            continue
        if _overlap(prefix, settings.manifest_prefix):
            raise InvalidSetting(
                "manifestPrefix",
                settings.manifest_prefix,
                f"it must not overlap the target {target} in the same bucket: "
                "archives must not start jobs. Use another prefix",
            )
        for own in (REQUESTS_PREFIX, WORK_PREFIX):
            if _overlap(prefix, own):
                raise InvalidSetting(
                    "manifestBucket",
                    manifest_bucket,
                    f"the target {target} in it must not overlap {own}, where the service stores "
                    "objects that expire. Use another bucket or prefix for the target",
                )


def _is_place(place: str) -> bool:
    bucket, _, prefix = place.partition("/")
    return _BUCKET.fullmatch(bucket) is not None and _is_prefix(prefix)


def _check_prefix(name: str, prefix: str) -> None:
    if not prefix.endswith("/") or not _is_prefix(prefix):
        raise InvalidSetting(name, prefix, f"it must end with a slash, and {_PREFIX_RULE}")


def _is_prefix(prefix: str) -> bool:
    is_short = len(prefix.encode()) <= MAX_PREFIX_BYTES
    return is_short and not prefix.startswith("/") and not _FORBIDDEN.search(prefix)


def _check_owners(settings: Settings) -> None:
    found = [_OWNER.fullmatch(owner) for owner in settings.bucket_owners]
    named = {one[1] for one in found if one}
    if len(named) < len(found):
        raise InvalidSetting(
            "bucketOwners",
            settings.bucket_owners,
            "it must be a list of buckets with their account IDs, each bucket once, such as "
            "their-documents=111122223333",
        )
    configured = (settings.source_bucket, settings.target_bucket, settings.manifest_bucket)
    places = (*configured, *settings.allowed_sources, *settings.allowed_targets)
    for bucket in sorted(named - {place.partition("/")[0] for place in places}):
        raise InvalidSetting(
            "bucketOwners",
            settings.bucket_owners,
            f"no setting names the bucket {bucket}. Add it to allowedSources or allowedTargets, or "
            "remove its owner",
        )


def _places_overlap(one: str, other: str) -> bool:
    """Return whether a key can be in both places."""
    (bucket, _, prefix), (other_bucket, _, other_prefix) = one.partition("/"), other.partition("/")
    return bucket == other_bucket and _overlap(prefix, other_prefix)


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
