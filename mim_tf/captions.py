"""Check a caption before it is used for an edit: what the model will not read as it was meant.

Pure Python without dependencies, so that every way in can give the same messages. The page in the
browser has the same function in JavaScript (``web/src/captions.js``), an exported SavedModel in
TensorFlow's operations (``export/caption_check.py``); ``tests/captions.json`` holds captions with
the messages that each must give.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
_APOSTROPHES = ("'", "\u2019")
NEGATIONS = frozenset(
    {
        "not", "no", "without", "never", "neither", "nor", "none", "nothing", "cannot", "except",
        "instead",
    }
)  # fmt: skip
FILLERS = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "from", "had", "has",
        "have", "he", "her", "him", "his", "i", "in", "is", "it", "its", "me", "my", "of",
        "on", "our", "please", "she", "that", "the", "their", "them", "these", "they",
        "this", "those", "to", "was", "we", "were", "with", "you", "your",
    }
)  # fmt: skip
"""Words that name nothing: where one is unknown, nothing is said about it."""
NEAREST = 3  # known words that a message suggests
SHORTEST = 3  # letters of a word that is suggested, or that gets suggestions
_LISTED = 24  # known words that a message lists as examples

EMPTY = "The caption has no words; say what to change."
NO_KNOWN_WORD = "The model knows no word of this caption. Words that it knows: {}."
UNDECIDED = "No word that the model knows says what to change to. Such words are: {}."
NEGATION = "The model does not understand {}; say what the picture should show instead."
NEAR = "The model does not know {}; did you mean {}?"
UNLIKE = "The model does not know {}; such a word may change nothing."
CUT = "The model reads the first {} words of a caption; it leaves out '{}'."
HARDLY_CHANGED = (
    "Hardly anything was changed: the model found no place for this caption, or it is true already."
)
ANYWAY = "With 'anyway' the picture is edited all the same."


@dataclass(frozen=True)
class Word:
    """One word of a caption.

    Attributes:
        text: the word in lower case, as the vocabulary has it.
        suffix: whether an apostrophe stands right before it: the ``s`` of ``bird's``.
    """

    text: str
    suffix: bool


@dataclass(frozen=True)
class Message:
    """One thing that the user should know about a caption.

    Attributes:
        kind: ``empty``, ``no known word``, ``undecided``, ``negation``, ``unknown`` or ``cut``.
        text: one sentence for the user.
        words: the words of the caption that it is about, in lower case.
        nearest: known words that may have been meant, the nearest first.
        refuses: whether an edit by this caption would show nothing that was asked for.
    """

    kind: str
    text: str
    words: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    refuses: bool = False

    @property
    def forcible(self) -> bool:
        """Whether it refuses, but not an edit that is asked for anyway: a word was understood."""
        return self.refuses and self.kind == "undecided"


def split_words(caption: str) -> list[Word]:
    """The words of a caption: the same as :func:`mim_tf.text.tokenize` finds."""
    text = caption.replace("\ufffd", " ").lower()
    return [
        Word(match.group(), text[: match.start()].endswith(_APOSTROPHES))
        for match in _WORD.finditer(text)
    ]


def check_caption(
    caption: str,
    vocabulary: Sequence[str],
    max_words: int,
    deciding_words: Collection[str] = (),
) -> list[Message]:
    """What the user should know about a caption before it is used; nothing if all is well.

    Args:
        caption: what somebody typed.
        vocabulary: the words that training knew, the most frequent first.
        max_words: how many words of a caption the model reads.
        deciding_words: the words of the vocabulary that say *what* to change to, such as colours
            (``data.swap_words`` of the configuration). Empty: the model has no such class.

    Returns:
        The refusal, if any, first; then the warnings: negations, unknown words, words cut.
    """
    words = split_words(caption)
    if not words:
        return [Message("empty", EMPTY, refuses=True)]
    read, cut = words[:max_words], words[max_words:]
    known = set(vocabulary)
    negations = _negations(read)
    unknown = _unknown(read, known, negations)
    messages = []
    misread = bool(unknown or negations)
    refusal = _refusal(read, vocabulary, deciding_words, misread=misread)
    if refusal is not None:
        messages.append(refusal)
    if negations:
        messages.append(_negation_message(negations))
    messages += _unknown_messages(unknown, vocabulary, deciding_words)
    if cut:
        rest = " ".join(word.text for word in cut)
        messages.append(
            Message("cut", CUT.format(max_words, rest), tuple(word.text for word in cut))
        )
    return messages


def refusal(messages: Sequence[Message], *, anyway: bool = False) -> str | None:
    """What a refused caption is told, in one line with how to mend it; None if it is taken.

    Args:
        messages: what :func:`check_caption` says about it.
        anyway: take a caption that names a part and nothing known to change it to.
    """
    refusing = next((message for message in messages if message.refuses), None)
    if refusing is None or (anyway and refusing.forcible):
        return None
    texts = [message.text for message in messages]
    return " ".join([*texts, ANYWAY] if refusing.forcible else texts)


def nearest_words(
    word: str, vocabulary: Sequence[str], deciding_words: Collection[str] = ()
) -> list[str]:
    """Known words that may have been meant by an unknown one, the nearest first, at most three.

    A word is near if at most one letter was typed wrong, left out, added or swapped with its
    neighbour (two in words of more than five letters with the same first one), or if one of the two
    begins with the other ("gold", "golden"), which must have four letters or be a deciding word
    ("reddish", "red").
    """
    if len(word) < SHORTEST:
        return []
    ranked = []
    for position, candidate in enumerate(vocabulary):
        if len(candidate) < SHORTEST:
            continue
        # Hands seldom slip on the first letter: "orange" is not meant to be "change".
        allowed = 2 if len(word) > 5 and word[0] == candidate[0] else 1
        shorter, longer = sorted((word, candidate), key=len)
        distance = len(longer) - len(shorter)  # at least
        begins = longer.startswith(shorter) and (
            len(shorter) >= 4 or candidate in deciding_words and shorter == candidate
        )
        if not begins and distance <= allowed:
            distance = edit_distance(word, candidate)
        if begins or distance <= allowed:
            ranked.append((distance, position, candidate))
    return [candidate for _, _, candidate in sorted(ranked)[:NEAREST]]


def edit_distance(first: str, second: str) -> int:
    """Fewest letters to insert, delete, replace, or swap with their neighbour (optimal string
    alignment) that turn one word into the other."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, start=1):
        row = [i]
        for j, other in enumerate(second, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def listed_words(vocabulary: Sequence[str], deciding_words: Collection[str]) -> str:
    """The words that a refusal gives as examples, in the vocabulary's order."""
    examples = [word for word in vocabulary if word in deciding_words] or list(vocabulary)
    return ", ".join(examples[:_LISTED]) + (", ..." if len(examples) > _LISTED else "")


def _negations(words: Sequence[Word]) -> dict[int, str]:
    """Position -> negation as it was typed; both positions of "don't" have the whole of it."""
    found = {}
    for index, word in enumerate(words):
        if word.text in NEGATIONS:
            found[index] = word.text
        elif word.suffix and word.text == "t" and index and words[index - 1].text.endswith("n"):
            found[index - 1] = found[index] = f"{words[index - 1].text}'t"
    return found


def _unknown(words: Sequence[Word], known: set[str], negations: dict[int, str]) -> list[str]:
    """The unknown words, each once, without negations, fillers, and the "s" of "bird's"."""
    return list(
        dict.fromkeys(
            word.text
            for index, word in enumerate(words)
            if word.text not in known
            and word.text not in FILLERS
            and index not in negations
            and not (word.suffix and word.text == "s")
        )
    )


def _refusal(
    words: Sequence[Word],
    vocabulary: Sequence[str],
    deciding_words: Collection[str],
    *,
    misread: bool,
) -> Message | None:
    texts = list(dict.fromkeys(word.text for word in words))
    listed = listed_words(vocabulary, deciding_words)
    if set(texts).isdisjoint(vocabulary):
        return Message("no known word", NO_KNOWN_WORD.format(listed), tuple(texts), refuses=True)
    if deciding_words and set(texts).isdisjoint(deciding_words):
        # Where every word was understood, the user may want just that.
        return Message("undecided", UNDECIDED.format(listed), tuple(texts), refuses=misread)
    return None


def _negation_message(negations: dict[int, str]) -> Message:
    words = tuple(dict.fromkeys(negations.values()))
    return Message("negation", NEGATION.format(_quoted(words, "and")), words)


def _unknown_messages(
    unknown: Sequence[str], vocabulary: Sequence[str], deciding_words: Collection[str]
) -> list[Message]:
    """One message for each word that resembles known ones, and one for all others."""
    messages, unlike = [], []
    for word in unknown:
        nearest = tuple(nearest_words(word, vocabulary, deciding_words))
        if nearest:
            text = NEAR.format(_quoted([word], "or"), _quoted(nearest, "or"))
            messages.append(Message("unknown", text, (word,), nearest))
        else:
            unlike.append(word)
    if unlike:
        text = UNLIKE.format(_quoted(unlike, "and"))
        messages.append(Message("unknown", text, tuple(unlike)))
    return messages


def _quoted(words: Sequence[str], joint: str) -> str:
    """ "'a'", "'a' and 'b'", "'a', 'b' and 'c'"."""
    quoted = [f"'{word}'" for word in words]
    if len(quoted) == 1:
        return quoted[0]
    return f"{', '.join(quoted[:-1])} {joint} {quoted[-1]}"
