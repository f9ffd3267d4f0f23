"""Given name and birthday among contact data, as the marks by which two sayings about a person are compared."""

from collections.abc import Mapping
from typing import Any

from services.ingest.domain.marks import Marks, given_name_of_full
from services.ingest.domain.privacy import field_key
from services.ingest.drafts import Context

_GIVEN = ("givenname", "firstname", "forename")
_FULL = ("name", "fullname")
_BORN = ("birthday", "birthdate", "dateofbirth", "dob")


def marks_of(contacts: Mapping[str, Any], context: Context) -> Marks | None:
    """Return the marks of what contact data tell; None from a public source, which anybody can write to."""
    if not context.source.may_link or not contacts:
        return None
    told = {field_key(name): value for name, value in contacts.items() if isinstance(value, str) and value}
    given_name = _first(told, _GIVEN)
    if given_name is None and (full := _first(told, _FULL)) is not None:
        given_name = given_name_of_full(full)
    return Marks.of(context.secrets.marks, given_name, _first(told, _BORN))


def _first(told: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((told[name] for name in names if name in told), None)
