"""What a text file is written in: its encoding and its delimiter, detected from its head or named by its sender."""

import codecs
import csv
from collections import Counter

DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
REPLACEMENT = "\ufffd"
_NO_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "unicode_escape", "undefined"})


class Utf8Check:
    """Watches a whole file go by in pieces and tells whether it is UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.holds = True

    def feed(self, piece: bytes, *, final: bool = False) -> None:
        if not self.holds:
            return
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self.holds = False


def encoding_of(head: bytes, *, is_utf8: bool) -> str:
    """Return the encoding of a file: by its byte order mark; else UTF-8 where all of it is, else GB18030.

    GB18030 reads every text of GBK and GB2312, the habit of spreadsheets in Chinese offices.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    return "utf-8" if is_utf8 else "gb18030"


def is_known_encoding(name: str) -> bool:
    """Whether a file can be read in it: an encoding of text, not one of Python's transforms or escapes."""
    try:
        if codecs.lookup(name).name in _NO_FILES:
            return False
        return codecs.lookup(name)._is_text_encoding  # noqa: SLF001 (how the standard library tells them apart)
    except LookupError:
        return False


def delimiter_of(header: str) -> str:
    """Return which of `DELIMITERS` separates the most columns of a header; a comma where none does."""
    counted = Counter({sign: len(next(csv.reader([header], delimiter=sign), [])) for sign in DELIMITERS})
    best, columns = counted.most_common(1)[0]
    return best if columns > 1 else ","
