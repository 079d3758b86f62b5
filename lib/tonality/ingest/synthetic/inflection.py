"""Russian inflection, limited to the sample's needs: noun cases, and agreement of adjectives and past tenses."""

from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["CASES", "NOMINATIVE", "Adjective", "Noun", "Phrase", "Verb", "Word"]

CASES: Final = ("nom", "gen", "dat", "acc", "ins", "pre")
NOMINATIVE: Final = 0
_ACCUSATIVE: Final = 3

_VELAR: Final = "гкх"
_HUSHING: Final = "жшщч"
_VOWELS: Final = "аеёиоуыэюя"


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun in one number, singular or plural: six case forms, gender (m, f, n; p for a plural) and animacy."""

    forms: tuple[str, ...]
    gender: str
    animate: bool

    def form(self, case: int, subject: "Noun", feminine: bool) -> str:  # noqa: ARG002 (the signature of Word)
        return self.forms[case]

    @classmethod
    def parse(cls, entry: str) -> "Noun":
        """Parse a noun of the lexicon: word[/other][:flags]."""
        spelling, _, flags = entry.partition(":")
        word, _, other = spelling.partition("/")
        gender = next((flag for flag in flags if flag in "mfnp"), _usual_gender(word))
        animate = "a" in flags
        if "0" in flags:
            return cls((word,) * 6, gender, animate)
        if gender == "p":
            return cls(_decline_plural(word, other, animate), gender, animate)
        return cls(_decline(word, other, gender, animate), gender, animate)


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective: six forms for each gender and the plural."""

    forms: dict[str, tuple[str, ...]]

    def form(self, case: int, subject: Noun, feminine: bool) -> str:  # noqa: ARG002
        if case == _ACCUSATIVE and subject.animate and subject.gender in "mp":
            case = 1
        return self.forms[subject.gender][case]

    @classmethod
    def parse(cls, entry: str) -> "Adjective":
        """Parse an adjective, given as its masculine nominative."""
        stem, ending = entry[:-2], entry[-2:]
        soft = ending == "ий" and stem[-1] == "н"
        i = "и" if soft or stem[-1] in _VELAR + _HUSHING else "ы"
        o = "е" if soft or (stem[-1] in _HUSHING and ending != "ой") else "о"
        a, u = ("я", "ю") if soft else ("а", "у")
        genitive, dative = f"{stem}{o}го", f"{stem}{o}му"
        feminine = f"{stem}{o}й"
        instrumental, plural = f"{stem}{i}м", f"{stem}{i}х"
        return cls(
            {
                "m": (entry, genitive, dative, entry, instrumental, f"{stem}{o}м"),
                "n": (f"{stem}{o}е", genitive, dative, f"{stem}{o}е", instrumental, f"{stem}{o}м"),
                "f": (f"{stem}{a}{'я'}", feminine, feminine, f"{stem}{u}ю", feminine, feminine),
                "p": (f"{stem}{i}е", plural, instrumental, f"{stem}{i}е", f"{stem}{i}ми", plural),
            }
        )


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb in the past tense: a form for each gender and the plural."""

    forms: dict[str, str]

    def form(self, case: int, subject: Noun, feminine: bool) -> str:  # noqa: ARG002
        return self.forms[subject.gender]

    @classmethod
    def parse(cls, entry: str) -> "Verb":
        """Parse a verb: masculine past[/other], `other` being the stem of the other forms if it differs."""
        masculine, _, other = entry.partition("/")
        reflexive = masculine.endswith("ся")
        stem = other or masculine.removesuffix("ся")
        particle = "сь" if reflexive else ""
        return cls({"m": masculine, **{g: f"{stem}{v}{particle}" for g, v in zip("fnp", "аои", strict=True)}})


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that vary only with the author's gender."""

    masculine: str
    feminine: str

    def form(self, case: int, subject: Noun, feminine: bool) -> str:  # noqa: ARG002
        return self.feminine if feminine else self.masculine

    @classmethod
    def parse(cls, entry: str) -> "Phrase":
        """Parse a phrase of the lexicon: masculine[|feminine]."""
        masculine, _, feminine = entry.strip().partition("|")
        return cls(masculine, feminine or masculine)


class Word(Protocol):
    """A word that can fill a slot of a sentence."""

    def form(self, case: int, subject: Noun, feminine: bool) -> str:
        """The form in a case, agreeing with the sentence's subject and the author's gender."""
        ...


def _usual_gender(word: str) -> str:
    if word[-1] in "ая":
        return "f"
    return "n" if word[-1] in "ое" else "m"


def _decline(word: str, other: str, gender: str, animate: bool) -> tuple[str, ...]:
    last = word[-1]
    stem = other or (word[:-1] if last in _VOWELS + "йь" else word)
    if last in "ая":
        return _decline_feminine(word, stem, soft=last == "я")
    if gender == "f":  # after ь
        return (word, stem + "и", stem + "и", word, word + "ю", stem + "и")
    if gender == "n":
        soft = last == "е" and stem[-1] not in _HUSHING + "ц"
        a, u, o = ("я", "ю", "е") if soft else ("а", "у", last)
        return (word, stem + a, stem + u, word, f"{stem}{o}м", stem + ("и" if stem[-1] == "и" else "е"))
    soft = last in "йь"
    a, u = ("я", "ю") if soft else ("а", "у")
    o = "е" if soft or stem[-1] in _HUSHING + "ц" else "о"
    prepositional = stem + ("и" if stem[-1] == "и" else "е")
    return (word, stem + a, stem + u, stem + a if animate else word, f"{stem}{o}м", prepositional)


def _decline_feminine(word: str, stem: str, soft: bool) -> tuple[str, ...]:
    i = "и" if soft or stem[-1] in _VELAR + _HUSHING else "ы"
    u = "ю" if soft else "у"
    o = "е" if soft or stem[-1] in _HUSHING + "ц" else "о"
    e = "и" if stem[-1] == "и" else "е"
    return (word, stem + i, stem + e, stem + u, f"{stem}{o}й", stem + e)


def _decline_plural(word: str, genitive: str, animate: bool) -> tuple[str, ...]:
    stem = word[:-1]
    hard = word[-1] in "аы" or stem[-1] in _VELAR + _HUSHING
    a = "а" if hard else "я"
    return (word, genitive, f"{stem}{a}м", genitive if animate else word, f"{stem}{a}ми", f"{stem}{a}х")
