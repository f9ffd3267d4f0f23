"""What the first refusals say about a whole file: what its sender may have to tell about it."""

from collections import Counter
from collections.abc import Iterable, Mapping

from services.ingest.domain.faults import Fault

_HINTS: Mapping[str, str] = {
    "ambiguous_date": "dates may be day or month first: say date_format=dmy or date_format=mdy",
    "spreadsheet_number": "a spreadsheet spoiled numbers: format these columns as text there and export again",
    "encoding": "some characters are not of the file's encoding: say encoding=, such as gb18030 or windows-1252",
    "column_count": "some lines have another number of columns: look at the delimiter and at quotes",
    "basket_mixed": "lines of several receipts share a basket_id: join store, till, day and number",
    "card_number": "payment cards' numbers are kept nowhere: export the payment provider's token instead",
}
_COMMA = "decimal="


def hints(faults: Iterable[Fault]) -> list[str]:
    """Return one sentence per kind of fault that the whole file probably has, the most frequent first."""
    counted = Counter(hint for fault in faults if (hint := _hint(fault)) is not None)
    return [hint for hint, _ in counted.most_common()]


def _hint(fault: Fault) -> str | None:
    if _COMMA in fault.message:
        sign = fault.message.rpartition(_COMMA)[2][:1]
        return f"numbers are written with '{sign}' before their fraction: say decimal={sign}"
    return _HINTS.get(fault.code)
