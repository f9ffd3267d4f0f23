"""Owns choosing the language of reasons from Accept-Language."""

from services.recommend.domain.reasons import Language


def preferred(accept_language: str) -> Language:
    """Return the spoken language of highest weight that reasons exist in; English where none does."""
    weighted: list[tuple[float, int, Language]] = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, parameters = part.partition(";")
        language = _SPOKEN.get(tag.strip().partition("-")[0].lower())
        weight = _weight(parameters)
        if language is not None and weight > 0:
            weighted.append((-weight, place, language))
    return min(weighted)[2] if weighted else Language.ENGLISH


_SPOKEN = {language.value: language for language in Language}


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
