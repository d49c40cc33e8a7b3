"""Keys of S3 objects that programs often change on their way."""

ODD_KEYS = {
    "empty folders": "a//b",
    "dots": "./x",
    "parent folders": "../x/../y",
    "a dot at the end": "a/.",
    "a slash at the start": "/lead",
    "a slash at the end": "trail/",
    "spaces and percent": " sp ace+%.pdf ",
    "an encoded slash": "a%2Fb%2fc%25",
    "a query": "a?b&c=d#e",
    "sub-delimiters": "~*'()",
    "all printable ASCII": bytes(range(0x20, 0x7F)).decode(),
    "umlauts": "ü and u\N{COMBINING DIAERESIS}",
    "beyond the BMP": "\N{GRINNING FACE}\N{LINE SEPARATOR}",
    "1,024 bytes": "é" * 512,
}

ODD_SOURCE_KEYS = {
    **ODD_KEYS,
    "control characters": bytes(range(0x01, 0x0A)).decode() + "\x0b\x0c\x0e\x1f\x7f",
    "no character of XML": "\ufffe\uffff",
}
"""Archives cannot have these keys: targets have no control characters, and each response of S3 to
CreateMultipartUpload contains the key as XML."""
