"""Sources of entries: keys, prefixes, lists and inventories."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.conftest import Put
from tests.support.s3_clients import client_error
from zipjobs.errors import (
    InvalidManifest,
    InvalidRequest,
    NotAllowed,
    ServiceUnavailable,
    SourceForbidden,
    SourceNotFound,
)
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.schema import JobRequest, RequestedEntry
from zipjobs.requests.sources import SourceObject, SourceReader

POLICY = AllowList(
    *("src", "dst", "zips/"),
    allowed_sources=(Location("src"), Location("shared", "public/")),
    allowed_targets=(Location("dst", "zips/"),),
)

GZIPPED = gzip.compress(b'{"key": "a"}\n', mtime=0)
"""Part of test names, so it has no time."""


class ListReader:
    """Stores lists in S3 and reads them."""

    def __init__(self, s3: Any, put: Put) -> None:
        self.put = put
        self.sources = SourceReader(s3, POLICY)

    def read(self, **request: Any) -> list[SourceObject]:
        return list(self.sources.read(JobRequest(**request), "src"))

    def read_list(self, body: bytes | str) -> list[SourceObject]:
        self.put("list", body if isinstance(body, bytes) else body.encode())
        return self.read(entries_from="s3://src/list")

    def keys_below(self, prefix: str, **filters: Any) -> list[str]:
        return [listed.key for listed in self.read(prefix=prefix, **filters)]

    def read_inventory(self, schema: str, *files: str, **manifest: Any) -> list[SourceObject]:
        for number, rows in enumerate(files):
            self.put(f"inv/data/{number}.csv.gz", gzip.compress(rows.encode()))
        content = {
            "sourceBucket": "src",
            "destinationBucket": "arn:aws:s3:::src",
            "version": "2016-11-30",
            "creationTimestamp": "1514944800000",
            "fileFormat": "CSV",
            "fileSchema": schema,
            "files": [
                {"key": f"inv/data/{number}.csv.gz", "size": 1, "MD5checksum": "f1"}
                for number in range(len(files))
            ],
            **manifest,
        }
        self.put("inv/2026-11-06T21-32Z/manifest.json", json.dumps(content).encode())
        return self.read(entries_from="s3://src/inv/2026-11-06T21-32Z/manifest.json")


@pytest.fixture
def lists(s3: Any, put: Put) -> ListReader:
    return ListReader(s3, put)


def test_keys_and_entries_keep_their_order(lists: ListReader) -> None:
    assert lists.read(keys=("b", "a")) == [SourceObject("src", "b"), SourceObject("src", "a")]
    assert lists.read(
        entries=(RequestedEntry("a"), RequestedEntry("b", "shared", "c/d.pdf", "v1"))
    ) == [SourceObject("src", "a"), SourceObject("shared", "b", "v1", "c/d.pdf")]


class TestPrefix:
    def test_objects_have_size_and_etag(self, lists: ListReader) -> None:
        etag = lists.put("q3/ä b+c%41.pdf", b"12345")
        lists.put("q4/a.pdf", b"1")
        assert lists.read(prefix="q3/") == [
            SourceObject("src", "q3/ä b+c%41.pdf", size=5, etag=etag)
        ]
        assert etag.startswith('"')

    def test_globs_match_the_key_after_the_prefix(self, lists: ListReader) -> None:
        for key in ("q3/a.pdf", "q3/a.txt", "q3/x/b.pdf", "q3/x/draft.pdf", "q3/x/y/c.pdf"):
            lists.put(key, b"1")
        assert lists.keys_below("q3/", include=("*.pdf",)) == ["q3/a.pdf"]
        assert lists.keys_below("q3/", include=("*/*.pdf", "*.txt"), exclude=("**/draft*",)) == [
            "q3/a.txt",
            "q3/x/b.pdf",
        ]
        assert lists.keys_below("q3/x", exclude=("/[!y]*",)) == ["q3/x/y/c.pdf"]

    def test_times_and_sizes_choose_objects(self, lists: ListReader, s3: Any) -> None:
        for key, size in {"q3/0": 0, "q3/1": 1, "q3/22": 2}.items():
            lists.put(key, b"1" * size)
        written = s3.head_object(Bucket="src", Key="q3/22")["LastModified"]
        now, later = written.isoformat(), (written + timedelta(seconds=5)).isoformat()
        before = (written - timedelta(days=1)).isoformat()
        assert lists.keys_below("q3/", min_bytes=1) == ["q3/1", "q3/22"]
        assert lists.keys_below("q3/", max_bytes=1) == ["q3/0", "q3/1"]
        assert lists.keys_below("q3/", min_bytes=1, max_bytes=1) == ["q3/1"]
        assert "q3/22" in lists.keys_below("q3/", modified_after=now, modified_before=later)
        everything = ["q3/0", "q3/1", "q3/22"]
        assert lists.keys_below("q3/", modified_after=before) == everything
        assert lists.keys_below("q3/", modified_before=later, include=("?",)) == ["q3/0", "q3/1"]
        with pytest.raises(InvalidRequest, match="matches modifiedAfter and maxBytes"):
            lists.keys_below("q3/", modified_after=later, max_bytes=9)

    def test_folder_markers_are_objects_of_no_bytes(self, lists: ListReader) -> None:
        lists.put("q3/", b"")
        lists.put("q3/a", b"a")
        assert [(one.key, one.size) for one in lists.read(prefix="q3/")] == [
            ("q3/", 0),
            ("q3/a", 1),
        ]

    def test_every_page_is_read(self, lists: ListReader, s3: Any) -> None:
        s3.meta.events.register(
            "before-parameter-build.s3.ListObjectsV2",
            lambda params, **_: params.update(MaxKeys=2),
        )
        for number in range(5):
            lists.put(f"many/{number}", b"")
        assert lists.keys_below("many/") == [f"many/{number}" for number in range(5)]

    def test_archived_objects_have_no_size(self, lists: ListReader, s3: Any) -> None:
        s3.put_object(Bucket="src", Key="old/a.pdf", Body=b"1", StorageClass="GLACIER")
        assert lists.read(prefix="old/") == [SourceObject("src", "old/a.pdf")]

    def test_a_prefix_without_matches_is_refused(self, lists: ListReader) -> None:
        with pytest.raises(InvalidRequest, match="nothing matched: .*s3://src/none/"):
            lists.read(prefix="none/")
        lists.put("q3/a.pdf", b"1")
        with pytest.raises(InvalidRequest, match="nothing matched: .*matches include"):
            lists.read(prefix="q3/", include=("*.txt",))

    def test_a_missing_bucket_is_named(self, lists: ListReader) -> None:
        with pytest.raises(SourceNotFound, match="s3://nowhere/a"):
            list(lists.sources.read(JobRequest(prefix="a"), "nowhere"))


class TestList:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_json_lines(self, lists: ListReader, pack: Callable[[bytes], bytes]) -> None:
        rows = (
            '\ufeff{"key": "a"}\r\n\n  \n'
            '{"bucket": "shared", "key": "public/b", "name": "c/d", "versionId": "v"}\n'
            '{"key": "ä", "size": 5, "etag": "abc"}\n{"key": "e", "etag": "\\"abc\\""}'
        )
        assert lists.read_list(pack(rows.encode())) == [
            SourceObject("src", "a"),
            SourceObject("shared", "public/b", "v", "c/d"),
            SourceObject("src", "ä", size=5, etag='"abc"'),
            SourceObject("src", "e", etag='"abc"'),
        ]

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_csv(self, lists: ListReader, pack: Callable[[bytes], bytes]) -> None:
        rows = '\ufeff\nsrc,a+b%20c,5\r\n \r\nshared,"public/x,""y""\nz",6,"""abc"""\nsrc,d,,\n'
        assert lists.read_list(pack(rows.encode())) == [
            SourceObject("src", "a+b%20c", size=5),
            SourceObject("shared", 'public/x,"y"\nz', size=6, etag='"abc"'),
            SourceObject("src", "d"),
        ]

    @pytest.mark.parametrize(
        ("header", "row"),
        [
            ("Bucket,Key,Size,ETag,VersionId", "src,a b,5,abc,v1"),
            ("versionid,ETAG,size,key,bucket", "v1,abc,5,a b,src"),
            ("bucket,key,version_id,is_latest,e_tag,size,storage_class", "src,a b,v1,true,abc,5,X"),
            ('"Key","Size","E-Tag","Version Id"', '"a b","5","abc","v1"'),
        ],
    )
    def test_a_header_row_names_the_columns(self, lists: ListReader, header: str, row: str) -> None:
        found = lists.read_list(f"{header}\n{row}\n")
        assert found == [SourceObject("src", "a b", "v1", size=5, etag='"abc"')]

    def test_a_header_row_can_name_the_files_of_the_archive(self, lists: ListReader) -> None:
        assert lists.read_list("Name,Key\nx.pdf,a\n,b\n") == [
            SourceObject("src", "a", name="x.pdf"),
            SourceObject("src", "b"),
        ]

    def test_lists_of_batch_operations(self, lists: ListReader) -> None:
        assert lists.read_list("src,a\nsrc,b\n") == [
            SourceObject("src", "a"),
            SourceObject("src", "b"),
        ]
        assert lists.read_list("src,a,PZ9ibn9D5lP6p298B7S9_ceqx1n5EJ0p\nsrc,b,null\n") == [
            SourceObject("src", "a", "PZ9ibn9D5lP6p298B7S9_ceqx1n5EJ0p"),
            SourceObject("src", "b"),
        ]

    @pytest.mark.parametrize(
        "body", ["src,a+b%2Fc%C3%A4\n", "Key\na+b%2Fc%C3%A4\n", '{"key": "a+b%2Fc%C3%A4"}\n']
    )
    def test_keys_are_decoded_on_request(self, lists: ListReader, body: str) -> None:
        lists.put("list", body.encode())
        read = lists.read(entries_from="s3://src/list", keys_url_encoded=True)
        assert read == [SourceObject("src", "a b/cä")]
        assert lists.read_list(body) == [SourceObject("src", "a+b%2Fc%C3%A4")]

    def test_a_key_that_is_not_encoded_is_an_error(self, lists: ListReader) -> None:
        lists.put("list", b"src,a\nsrc,%ff")
        with pytest.raises(InvalidManifest, match="line 2: key: not URL-encoded UTF-8"):
            lists.read(entries_from="s3://src/list", keys_url_encoded=True)

    @pytest.mark.parametrize("key", ["photos-manifest.json", "manifest.json", "csvmanifest.json"])
    def test_the_content_decides_the_format(self, lists: ListReader, key: str) -> None:
        for body in (b'{"key": "a"}\n{"key": "b"}\n', b"src,a\nsrc,b\n"):
            lists.put(key, body)
            assert [one.key for one in lists.read(entries_from=f"s3://src/{key}")] == ["a", "b"]

    def test_gzip_can_have_several_members(self, lists: ListReader) -> None:
        packed = gzip.compress(b'{"key": "a"}\n{"k') + gzip.compress(b'ey": "b"}\n')
        assert [listed.key for listed in lists.read_list(packed)] == ["a", "b"]

    def test_a_list_of_several_ranges_keeps_its_order(
        self, lists: ListReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zipjobs.s3.ranged_file.RANGE_BYTES", 1000)
        rows = "".join(f'{{"key": "{number}"}}\n' for number in range(1000))
        assert [listed.key for listed in lists.read_list(rows)] == [str(n) for n in range(1000)]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"key": "a"}\n\n{"key": ""}', "line 3: key: "),
            (b'{"key": "a"}\n{"name": "a"}', "line 2: key: Field required"),
            (b'{"key": "a"}\nsrc,b,1', "line 2: Invalid JSON: .* column 1. .* as JSON Lines$"),
            (b'{"key": "a"', "line 1: Invalid JSON"),
            (b'{"keys": ["a"]}', "line 1: key: Field required; keys: Extra inputs"),
            (b'["a"]', "line 1: Input should be"),
            (b'{"key": "a", "key": "b"}', "line 1: key: appears twice"),
            (b'{"key": "a", "size": "5"}', "line 1: size: "),
            (b'{"key": "a", "size": -1}', "line 1: size: "),
            (b'{"key": "\xff"}', "line 1: Invalid JSON"),
            (b'{"key": "a"}\n' + b" " * 70_000, "line 2: the line has more than 65,536 bytes"),
            (
                b"src,a,5\nsrc,b",
                "line 2: expected 4 fields, found 2.*as CSV with bucket,key,size,etag$",
            ),
            (b"src,a,5\nsrc,b,five", "line 2: column 3: size: .*as CSV with bucket,key,size,etag$"),
            (b"src,a,5\n,b,5", "line 2: column 1: bucket: "),
            (b"src,,5", "line 1: column 2: key: "),
            (b"a.pdf\nb.pdf", "line 1: expected bucket,key.* header row .*Found 1 field$"),
            (b"src,a,5,e,x", "line 1: expected bucket,key.* Found 5 fields$"),
            (b"Bucket,Size", "line 1: this looks like a header row, but it has no column Key"),
            (b"Bucket,Key,Versoin", r"line 1: .* column 3 \(Versoin\) is unknown. Use Bucket, Key"),
            (b"Key,key", r"line 1: column 2 \(key\) appears twice"),
            (b"Key,Size\na,5\nb,x", "line 3: column 2: size: .* with the header row Key,Size$"),
            (
                b"PAR1\x15\x04",
                "line 1: the list is a Parquet file. Convert it to CSV or JSON Lines",
            ),
            (b"ORC\x08", "line 1: the list is an ORC file"),
            (b'src,"a,5', "line 1: not CSV"),
            (b'src,"a"b,5', "line 1: not CSV"),
            (b'src,"' + b"a\n" * 100_000, r"line 32766: the record has more than 65,536"),
            (b"src,a,5\nsrc,\xff,5", "line 2: not UTF-8"),
            (GZIPPED[:-4], "line 2: the gzip data is damaged"),
            (GZIPPED + b"more", "line 2: the gzip data is damaged"),
            (GZIPPED[:10] + b"\xff" * 9, "line 1: the gzip data is dam"),
        ],
    )
    def test_an_invalid_line_is_named(self, lists: ListReader, body: bytes, message: str) -> None:
        with pytest.raises(InvalidManifest, match=f"^s3://src/list, {message}"):
            lists.read_list(body)

    @pytest.mark.parametrize("body", [b"", b"\n \n", gzip.compress(b"", mtime=0)])
    def test_an_empty_list_is_refused(self, lists: ListReader, body: bytes) -> None:
        with pytest.raises(InvalidManifest, match="s3://src/list: nothing matched"):
            lists.read_list(body)

    def test_each_row_must_be_allowed(self, lists: ListReader) -> None:
        rows = lists.sources.read(JobRequest(entries_from="s3://src/list"), "src")
        lists.put("list", b'{"key": "a"}\n{"bucket": "shared", "key": "private/b"}\n')
        assert next(rows) == SourceObject("src", "a")
        with pytest.raises(NotAllowed, match="^s3://src/list, line 2: shared/private/b is not"):
            next(rows)

    def test_a_missing_list_is_named(self, lists: ListReader) -> None:
        with pytest.raises(SourceNotFound, match="s3://src/none does not exist"):
            lists.read(entries_from="s3://src/none")


class TestInventory:
    SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"

    def test_the_rows_of_all_files(self, lists: ListReader) -> None:
        assert lists.read_inventory(
            "Bucket, Key, Size",
            '"src","a+b/c%C3%A4%2B.pdf","5"\n"src","folder/","0"\n',
            "",
            '"shared","public/d","6"\n',
        ) == [
            SourceObject("src", "a b/cä+.pdf", size=5),
            SourceObject("src", "folder/", size=0),
            SourceObject("shared", "public/d", size=6),
        ]

    def test_deleted_and_replaced_versions_are_left_out(self, lists: ListReader) -> None:
        rows = (
            '"src","a","v2","true","false","5","2026-11-06T21:32:00.000Z","abc"\n'
            '"src","a","v1","false","false","4","2026-11-05T21:32:00.000Z","abd"\n'
            '"src","b","v3","true","true","","2026-11-05T21:32:00.000Z",""\n'
            '"src","c","null","true","false","6","2026-11-05T21:32:00.000Z","abe-2"\n'
        )
        assert lists.read_inventory(self.SCHEMA, rows) == [
            SourceObject("src", "a", "v2", size=5, etag='"abc"'),
            SourceObject("src", "c", size=6, etag='"abe-2"'),
        ]

    @pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
    def test_formats_other_than_csv_are_refused(self, lists: ListReader, file_format: str) -> None:
        with pytest.raises(InvalidManifest, match=f"is {file_format}. Configure"):
            lists.read_inventory("Bucket, Key", fileFormat=file_format)

    def test_a_file_that_is_not_a_manifest_is_refused(self, lists: ListReader) -> None:
        lists.put("manifest.json", b'{\n  "keys": ["a"]\n}')
        with pytest.raises(InvalidManifest, match="read as the manifest.json of an S3 Inv.*files:"):
            lists.read(entries_from="s3://src/manifest.json")

    @pytest.mark.parametrize("indent", [None, 2])
    def test_the_manifest_can_have_any_name(self, lists: ListReader, indent: int | None) -> None:
        lists.put("data.csv", b"src,a\n")
        manifest = {
            "destinationBucket": "arn:aws:s3:::src",
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key",
            "files": [{"key": "data.csv"}],
        }
        lists.put("inventory-of-today", json.dumps(manifest, indent=indent).encode())
        read = lists.read(entries_from="s3://src/inventory-of-today")
        assert read == [SourceObject("src", "a")]

    def test_a_repeated_field_is_refused(self, lists: ListReader) -> None:
        lists.put("manifest.json", b'{"files": [], "files": []}')
        with pytest.raises(InvalidManifest, match=r"s3://src/manifest.json: files: appears twice"):
            lists.read(entries_from="s3://src/manifest.json")

    def test_a_schema_without_keys_is_refused(self, lists: ListReader) -> None:
        with pytest.raises(InvalidManifest, match="must contain Bucket and Key"):
            lists.read_inventory("Bucket, Size", "src,1\n")

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ('"src"', "line 2: expected 2 fields, found 1. .* with the fileSchema Bucket,Key$"),
            ('"src",""', "line 2: column 2: key: "),
            ('"src","%ff"', "line 2: key: not URL-encoded UTF-8"),
        ],
    )
    def test_an_invalid_line_is_named_with_its_file(
        self, lists: ListReader, row: str, message: str
    ) -> None:
        with pytest.raises(InvalidManifest, match=f"^s3://src/inv/data/0.csv.gz, {message}"):
            lists.read_inventory("Bucket, Key", f'"src","a"\n{row}\n')

    def test_an_empty_inventory_is_refused(self, lists: ListReader) -> None:
        with pytest.raises(InvalidManifest, match="manifest.json: nothing matched"):
            lists.read_inventory("Bucket, Key", "")

    def test_data_files_and_rows_must_be_allowed(self, lists: ListReader) -> None:
        with pytest.raises(NotAllowed, match=r"manifest.json: other/inv/data/0.csv.gz is not"):
            lists.read_inventory("Bucket, Key", "src,a\n", destinationBucket="arn:aws:s3:::other")
        with pytest.raises(NotAllowed, match=r"0.csv.gz, line 2: shared/b is not allowed"):
            lists.read_inventory("Bucket, Key", "src,a\nshared,b\n")

    def test_a_missing_data_file_is_named(self, lists: ListReader) -> None:
        with pytest.raises(SourceNotFound, match="s3://src/gone.csv.gz"):
            lists.read_inventory("Bucket, Key", files=[{"key": "gone.csv.gz"}])


class Refusing:
    """An S3 client whose calls raise an error."""

    def __init__(self, code: str, status: int) -> None:
        self._error = client_error(code, status)

    def get_object(self, **_: Any) -> Any:
        raise self._error

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        raise self._error
        yield


@pytest.mark.parametrize("request_", [{"prefix": "a/"}, {"entries_from": "s3://src/a/list"}])
@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("AccessDenied", 403, SourceForbidden), ("SlowDown", 503, ServiceUnavailable)],
)
def test_the_code_of_s3_decides_the_error(
    request_: dict[str, Any], code: str, status: int, error: type[Exception]
) -> None:
    sources = SourceReader(Refusing(code, status), POLICY)  # type: ignore[arg-type]
    with pytest.raises(error, match="s3://src/a/"):
        list(sources.read(JobRequest(**request_), "src"))
