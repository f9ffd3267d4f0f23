"""How an identifier is shown to those who may not see it."""


def mask(namespace: str, value: str) -> str:
    """Return a normalised identifier as it may be shown: `139****5678`, `a***@example.com`, `****4567`.

    Enough for its owner to recognise it, never the whole value.
    """
    if namespace == "phone":
        return _mask_phone(value)
    if namespace == "email" and "@" in value:
        mailbox, _, domain = value.rpartition("@")
        return f"{mailbox[:1]}***@{domain}"
    return "****" + _tail(value)


def _mask_phone(value: str) -> str:
    national = value.removeprefix("+86")
    if len(national) < len("13912345678"):
        return "****" + _tail(national)
    return f"{national[:3]}****{national[-4:]}"


def _tail(value: str) -> str:
    """Return the last four characters of a long value, one of a middling one, none of a short one."""
    if len(value) >= 8:
        return value[-4:]
    return value[-1:] if len(value) >= 4 else ""
