"""The tables of the compiled path, derived at start from what the reference path reads. Holds no data of its own."""

from __future__ import annotations

import math
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening import _kernel as k
from screening import features, fold, language, matching, neutral, tokens
from screening.anchors import UNSEEN, rates_of
from screening.catalogue import LANGUAGES, Automata, Catalogue
from screening.classes import is_prefix, words_of
from screening.model import Model
from screening.patterns import ANY

Array = NDArray[Any]

CODE_POINTS = 0x110000
BLOCK = 256  # code points whose folds are worked out together
EXPANSIONS = 1 << 18  # places; all of Unicode takes under 100,000
SHIFTS = 48  # UTF-8 bytes: longer words are gone through byte by byte
CODES = 64  # bits of a mask
LINE = 64  # bytes of a cache line
OWN_PLACES = 64  # classes that share their place with no other
SHAPES = [f"#{digits}" for digits in range(10)]


class FoldTable:
    """Folds and classes of code points, worked out from `fold` and `tokens` a block at a time, when first met."""

    def __init__(self) -> None:
        self.folds = np.zeros(CODE_POINTS, np.uint32)  # pages that stay untouched take no memory
        self.roles = np.zeros(CODE_POINTS, np.uint8)
        self.expansions = np.zeros(EXPANSIONS, np.uint32)
        self.table = k.Folding(self.folds, self.roles, self.expansions)
        self._used = 2  # the first place stays free, the second says "none": dropped code points
        self._lock = threading.Lock()
        self.add(0)
        if (self.folds[:128] & k.SPECIAL).any():
            raise ValueError("an ASCII character folds to none or several; the compiled path expects one")

    def add(self, code: int) -> None:
        """Work out the block of a code point. Threads may read meanwhile: each entry is written last, at once."""
        with self._lock:
            first = code // BLOCK * BLOCK
            for c in range(first, first + BLOCK):
                if not self.folds[c]:
                    self.roles[c] = _role(chr(c))
                    self.folds[c] = self._entry(fold.fold_text(chr(c)), self.roles[c] in (k.FOREIGN, k.INVISIBLE))

    def _entry(self, folded: str, hides: bool) -> int:
        """Return the packed code point, or SPECIAL where it is none, several, or what spellings are hidden with."""
        if len(folded) == 1 and not hides:
            return packed(folded)
        place = self._used if folded else 1
        if folded:
            self.expansions[place] = len(folded)
            self.expansions[place + 1 : place + 1 + len(folded)] = [packed(char) for char in folded]
            self._used += 1 + len(folded)
        return k.SPECIAL | place


def packed(char: str) -> int:
    """Return the code of a folded character with its class bits, as the expressions of `tokens` see it."""
    bits = ord(char)
    chunk = char in "@$" or bool(re.match(r"\w", char))
    alone = not chunk and char != tokens.BOUNDARY and tokens._TOKEN.fullmatch(char) is not None
    for bit, holds in (
        (k.WORD, re.match(r"\w", char)),
        (k.ALPHA, char.isalpha()),
        (k.DECIMAL, re.match(r"\d", char)),
        (k.LETTER, re.match(r"[^\W\d_]", char)),
        (k.CHUNK, chunk),
        (k.SYMBOL, alone and char not in "!?;\n"),
        (k.STOP, alone and char in "!?;\n"),
        (k.DIGIT, char.isdigit()),
        (k.CLAUSE, matching._CLAUSE.match(char)),
        (k.EMOJI, tokens.is_emoji(char)),
    ):
        if holds:
            bits |= bit
    return bits


def _role(char: str) -> int:
    """Return the part a character plays in the expression for hidden spellings."""
    if features._HIDDEN.search(char + "\N{GREEK SMALL LETTER ALPHA}") and char.isascii():
        return k.LATIN
    if features._HIDDEN.search("A" + char):
        return k.FOREIGN
    return k.INVISIBLE if features._HIDDEN.search(f"A{char}A") else 0


class Hasher:
    """The kernel's hash of words, for whole lists; under secrets of its own."""

    def __init__(self) -> None:
        # Odd, and large enough to spread a letter over all bits
        self.seed = np.array([secrets.randbits(64) | 1 | 1 << 63 for _ in range(3)], np.uint64)

    def words(self, words: Sequence[str], *, prefix: bool = False) -> Array:
        """Return uint64 of shape (words,)."""
        codes = np.zeros((len(words), max(map(len, words), default=1)), np.uint64)
        lengths = np.array([len(word) for word in words])
        codes[np.arange(codes.shape[1]) < lengths[:, None]] = np.frombuffer(
            "".join(words).encode("utf-32-le", "surrogatepass"), np.uint32
        )
        h = np.full(len(words), self.seed[0], np.uint64)
        for column in range(codes.shape[1]):
            h = np.where(column < lengths, (h ^ codes[:, column]) * self.seed[1], h)
        return self._finish(h ^ self.seed[2]) if prefix else self._finish(h)

    def names(self, names: Sequence[tuple[str, ...]]) -> Array:
        """Return the hashes of names of several words."""
        hashes = np.empty(len(names), np.uint64)
        for i, name in enumerate(names):
            h = self.seed[2:]
            for word in self.words(name):
                h = (h ^ word) * self.seed[1]
            hashes[i] = self._finish(h)[0]
        return hashes

    @staticmethod
    def _finish(h: Array) -> Array:
        h = (h ^ (h >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
        return np.where(h == 0, np.uint64(1), h)


def aligned(shape: tuple[int, ...], kind: type) -> Array:
    """Return zeros that start with a cache line, so that a row of a line's size is one line and not parts of two."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    held = np.zeros(size + LINE, np.uint8)
    skipped = -held.ctypes.data % LINE
    return held[skipped : skipped + size].view(kind).reshape(shape)


def lined_up(array: Array) -> Array:
    """Return a copy that starts with a cache line."""
    copy = aligned(array.shape, array.dtype.type)
    copy[...] = array
    return copy


def hash_table(keys: Array, values: Sequence[int] | Array) -> tuple[Array, Array]:
    """Return a table that the kernel finds keys in."""
    size = 1 << max(4, (4 * len(keys)).bit_length())
    table, held = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    if not k.insert(table, held, keys, np.asarray(values, np.int64)):
        raise ValueError("two words have one hash: start again")  # once in 2**37 starts
    return table, held


def rows_first(rows: Array, count: int) -> Array:
    """Return int32 of shape (count + 1,): where each row starts in sorted row numbers."""
    return np.searchsorted(rows, np.arange(count + 1)).astype(np.int32)


def expand(first: Array, rows: Array) -> tuple[Array, Array]:
    """Return for each item of the rows asked for (index into `rows`, place of the item)."""
    counts = first[rows + 1] - first[rows]
    source = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    return source, first[rows][source] + within


class Phrases:
    """The catalogue's automata without gaps, and the classes of words that they tell apart."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        a = catalogue.automata
        self.languages = sorted({p.language for p in catalogue.phrases})
        if len(self.languages) > k.LANES or int(a.longest.max(initial=0)) >= k.WIDEST:
            raise ValueError(f"the compiled path takes up to {k.LANES} languages and phrases under {k.WIDEST} tokens")
        self.states = len(a.first) - 1
        self.names = list(words_of(catalogue.atoms).atoms_with)
        self.class_of, self.classes = a.name_class, len(a.class_first) - 1
        self.pair_class, self.pair_atom = np.repeat(np.arange(self.classes), np.diff(a.class_first)), a.class_atom
        self.phrase_of = np.repeat(np.arange(len(self.catalogue.phrases)), np.diff(a.start))
        self.lane_of = np.array([self.languages.index(p.language) for p in self.catalogue.phrases])  # of each phrase
        self.widest = int(np.diff(a.start).max(initial=1))  # states of a phrase
        self.any = self.catalogue.atoms.index(ANY)
        self.entered = np.full(self.states, self.any, np.int64)
        self.entered[a.target] = a.atom
        if (self.entered[a.target] != a.atom).any():
            raise ValueError("a state is entered by several atoms; the compiled path expects one")
        self._edges()
        self._anchors()
        if max(self.classes, len(self.catalogue.atoms)) >= k.NUMBERED:
            raise ValueError(f"the compiled path takes up to {k.NUMBERED} atoms and sets of them")

    def _edges(self) -> None:
        a = self.catalogue.automata
        room = 4 * len(a.atom) + 1024
        while True:
            out, work = np.empty((room, 3), np.uint64), np.full((5, self.states), -1, np.int64)
            work[1] = 0
            count = k.take_out_gaps(a.first, a.atom, a.target, self.any, out, work)
            if count >= 0:
                break
            room *= 2
        source, target, distances = out[:count, 0].astype(np.int64), out[:count, 1].astype(np.int64), out[:count, 2]
        first_state = a.start[:-1][self.phrase_of]
        self.begins = np.zeros(self.states, bool)
        self.begins[target[source == first_state[source]]] = True
        inner = source != first_state[source]
        order = np.argsort(target[inner], kind="stable")
        back_source, back_target = source[inner][order], target[inner][order]
        self.on_first, self.back_first = rows_first(source, self.states), rows_first(back_target, self.states)
        self.edges = np.stack([self._edge(target - first_state[target], target), distances], axis=1)
        self.edges_back = np.stack(
            [self._edge(back_source - first_state[back_source], back_source), distances[inner][order]], axis=1
        )

    def _edge(self, local: Array, state: Array) -> Array:
        flags = np.where(self.begins, k.BEGINS, 0) | np.where(self.catalogue.automata.accept, k.ENDS, 0)
        return (local << 32 | flags[state] << k.FLAGS | self.entered[state]).astype(np.uint64)

    def _anchors(self) -> None:
        """Lay out the anchors by the classes that may stand on them, and the classes of each set asked for."""
        a, atoms = self.catalogue.automata, len(self.catalogue.atoms)
        stands_on = self.entered[a.anchor]
        order = np.argsort(stands_on, kind="stable")
        pair, place = expand(rows_first(stands_on[order], atoms), self.pair_atom)
        self.anchor_first = rows_first(self.pair_class[pair], self.classes)
        self.anchor_at = order[place]
        by_atom = np.argsort(self.pair_atom, kind="stable")
        in_set, place = expand(rows_first(self.pair_atom[by_atom], atoms), a.set_atom)
        self.set_of = np.repeat(np.arange(len(a.set_first) - 1), np.diff(a.set_first))[in_set]
        self.class_in_set = self.pair_class[by_atom[place]]


def make_words(phrases: Phrases, model: Model, hasher: Hasher, codes: Sequence[str]) -> k.Words:
    """Return what is to be known of words."""
    marks, forms, names = _marks(phrases.languages)
    words = list(marks)
    mark_keys, mark_values = hash_table(hasher.words(words), [marks[word] for word in words])
    neutral_keys, neutral_values = hash_table(hasher.names(list(names)), list(names.values()))
    shown = [features.shape(form) for form in forms] + SHAPES
    info = [
        (features.key_of(w), len(w.encode("utf-8", "surrogatepass")), _form_flags(w), features.key_of(f"{w} "))
        for w in shown
    ]
    weights = np.zeros(CODES)
    weights[: len(codes)] = [model.indicators.get(code, 0.0) for code in codes]
    pair_maybe = np.zeros(1 << 20, bool)
    pair_maybe[model.pair_keys >> 12] = True
    form_id = hasher.words(shown)
    form_keys, form_values = hash_table(form_id, np.arange(len(shown)))
    return k.Words(
        name_class=phrases.class_of,
        mark_keys=mark_keys,
        mark_values=mark_values,
        neutral_keys=neutral_keys,
        neutral_values=neutral_values,
        form_id=form_id,
        form_keys=form_keys,
        form_values=form_values,
        form_info=np.array(info, np.int64).astype(np.uint32).view(np.int32),
        form_weight=np.array(model.word_values(shown), np.float64),
        crc=_crc_table(),
        crc_shift=_crc_shifts(),
        word_keys=np.array(model.word_keys, np.uint32),
        word_first=rows_first(model.word_keys >> 16, 1 << 16),
        word_weights=np.array(model.word_weights, np.float32),
        pairs=_pair_table(model),
        pair_maybe=np.packbits(pair_maybe, bitorder="little").view("<u8").astype(np.uint64),
        gram_weights=np.array(model.gram_weights, np.float32),
        code_weight=weights,
    )


def make_names(phrases: Phrases, hasher: Hasher) -> k.Names:
    """Return the words and prefixes of the catalogue, by hash."""
    number = {name: i for i, name in enumerate(phrases.names)}
    plain = [name for name in phrases.names if not is_prefix(name)]
    begun = [name[:-1] for name in phrases.names if is_prefix(name)]
    keys, values = hash_table(
        np.concatenate([hasher.words(plain), hasher.words(begun, prefix=True)]),
        [number[name] for name in plain] + [number[name + "*"] for name in begun],
    )
    prefix_at = np.zeros(max(map(len, begun), default=0) + 1, np.uint8)
    prefix_at[[len(name) for name in begun]] = 1
    return k.Names(hasher.seed, keys, values, prefix_at, _leet())


def make_phrases(phrases: Phrases, codes: Sequence[str]) -> k.Phrases:
    """Return the phrases as the kernel reads them."""
    a = phrases.catalogue.automata
    negatable = {i.code: i.negatable for i in phrases.catalogue.indicators}
    code_of = np.array([codes.index(p.code) for p in phrases.catalogue.phrases])
    can_be_denied = np.array([negatable[p.code] for p in phrases.catalogue.phrases], bool)
    denied_in = np.where(can_be_denied, phrases.lane_of, k.LANES)  # the lane after the last has no negators
    phrase_of_anchor = phrases.phrase_of[a.anchor]
    sign, has = _class_sets(phrases)
    states = _columns(
        np.where(phrases.begins, k.BEGINS, 0) | np.where(a.accept, k.ENDS, 0),
        phrases.on_first[:-1],
        phrases.on_first[1:],
        np.zeros(phrases.states),
        phrases.back_first[:-1],
        phrases.back_first[1:],
        np.zeros(phrases.states),
        phrases.entered,
        width=16,
    )
    signs = states.view(np.uint64)
    place = _class_places(phrases)
    asks = _asks(a)
    k.fill_states(phrases.on_first, phrases.edges, signs, states, 4, 3)
    k.fill_states(phrases.back_first, phrases.edges_back, signs, states, 6, 6)
    return k.Phrases(
        class_sign=sign,
        class_has=has,
        class_place=place,
        anchor_first=phrases.anchor_first,
        anchor_at=phrases.anchor_at.astype(np.uint64) << np.uint64(32) | asks[phrases.anchor_at, 0],
        asks=asks.reshape(-1),
        set_places=_set_places(phrases, place),
        anchors=_columns(a.anchor, phrase_of_anchor, width=2),
        states=states,
        state_signs=signs,
        edges=lined_up(phrases.edges),
        edges_back=lined_up(phrases.edges_back),
        phrase_info=_columns(a.start[:-1], a.start[1:], denied_in, code_of, width=4),
    )


def _class_sets(phrases: Phrases) -> tuple[Array, Array]:
    """Return the signs of classes and the hash sets of their atoms, as large as these need."""
    places = 2 ** np.ceil(np.log2(4 / 3 * np.bincount(phrases.pair_class, minlength=phrases.classes) + 1)).astype(int)
    while True:
        sign, sizes = aligned((phrases.classes, 4), np.uint64), places + k.ATOM_PLACES - 1
        sign[:, 2], sign[:, 3] = np.cumsum(sizes) - sizes, places - 1
        has, crowded = np.full(sizes.sum(), k.NUMBERED - 1, np.uint16), np.zeros(phrases.classes, np.bool_)
        k.fill_classes(phrases.pair_class, phrases.pair_atom, sign, has, crowded)
        if not crowded.any():
            return sign, has
        places[crowded] *= 2


def _class_places(phrases: Phrases) -> Array:
    """Return uint8 of shape (classes,): 0 for classes that nothing asks for, places of their own for the most frequent.

    The others share the rest of the places with such as are in the same large set, each place about as often met.
    """
    rates = np.bincount(phrases.class_of[:-2], rates_of(phrases.names), phrases.classes)
    by_size = np.argsort(np.bincount(phrases.set_of)[phrases.set_of], kind="stable")
    largest = np.full(phrases.classes, -1)
    largest[phrases.class_in_set[by_size]] = phrases.set_of[by_size]  # the last one written stays
    asked = np.flatnonzero(largest >= 0)
    order = asked[np.argsort(-rates[asked], kind="stable")]
    place = np.zeros(phrases.classes, np.uint8)
    place[order[:OWN_PLACES]] = np.arange(1, len(order[:OWN_PLACES]) + 1)
    shared = order[OWN_PLACES:][np.argsort(largest[order[OWN_PLACES:]], kind="stable")]
    share = np.cumsum(rates[shared]) / max(rates[shared].sum(), UNSEEN)
    place[shared] = 1 + OWN_PLACES + (share * (k.PLACES - 2 - OWN_PLACES)).astype(np.uint8)
    return place


def _set_places(phrases: Phrases, place: Array) -> Array:
    """Return uint64 of shape ((sets + 1) * HELD,); the last set has all."""
    sets = len(phrases.catalogue.automata.set_first) - 1
    marked = np.zeros((sets + 1, k.PLACES), bool)
    marked[phrases.set_of, place[phrases.class_in_set]] = True
    marked[sets] = True
    return lined_up(np.packbits(marked, axis=1, bitorder="little").view(np.uint64).reshape(-1))


def _asks(a: Automata) -> Array:
    """Return uint32 of shape (anchors, ASKED): what anchors ask for; where it is nothing, any word at their token."""
    first, bits = a.asked_at[:, :, 0], a.asked_at[:, :, 1]
    sets = len(a.set_first) - 1
    if sets >= k.NUMBERED or abs(first).max(initial=0) > k.FIRST - k.WINDOW or bits.max(initial=0) >> k.WINDOW:
        raise ValueError(f"the compiled path takes up to {k.NUMBERED} sets of words that are asked for")
    if a.asked.shape[1] != k.ASKED:
        raise ValueError(f"anchors ask for {a.asked.shape[1]} things; the compiled path expects {k.ASKED}")
    packed = np.where(a.asked < 0, sets, a.asked) << 16 | (first & 255) << 8 | np.where(a.asked < 0, 1, bits)
    return packed.astype(np.uint32)


def _columns(*columns: Array, width: int = 8) -> Array:
    """Return int32 of shape (rows, width); 16 are a cache line."""
    table = aligned((len(columns[0]), width), np.int32)
    for i, column in enumerate(columns):
        table[:, i] = column
    return table


def codes_of(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the codes in the order of their bits.

    Raises
    ------
    ValueError
        If they are more than a mask has bits.
    """
    extra = () if features.EVASION in catalogue.codes else (features.EVASION,)
    codes = (*catalogue.codes, *extra)
    if len(codes) > CODES:
        raise ValueError(f"{len(codes)} indicators; the compiled path takes up to {CODES}")
    return codes


def make_rules(catalogue: Catalogue, model: Model, shift: float, max_text: int) -> k.Rules:
    """Return the constants of the reference modules."""
    codes, role = codes_of(catalogue), {i.code: i.role for i in catalogue.indicators}
    return k.Rules(
        max_text=max_text,
        max_word=tokens.MAX_WORD,
        min_spaced=tokens.MIN_SPACED,
        min_repaired=tokens.MIN_REPAIRED,
        longest_name=neutral.LONGEST,
        reach=matching.NEGATION_REACH,
        few_words=float(features.FEW_WORDS),
        max_combined=float(features.MAX_COMBINED),
        framed=float(features.FRAMED),
        combination=float(model.indicators.get(features.COMBINATION, 0.0)),
        intercept=float(model.intercept + shift),
        few=language.FEW,
        min_frequent=language.MIN_FREQUENT,
        min_share=float(language._MIN_SHARE),
        risks=_mask(role.get(code) == "risk" for code in codes),
        framings=_mask(role.get(code) == "framing" for code in codes),
        evasion=_mask(code == features.EVASION for code in codes),
    )


Scratch = tuple[k.Tokens, k.Cache, k.Layout]


def make_scratch(phrases: Phrases, words: k.Words, *, text_room: int, cached_words: int) -> Scratch:
    """Return what one thread writes; `cached_words` is a power of two."""
    room = text_room // 2
    places = max(cached_words, 1 << (2 * room - 1).bit_length())  # all words of one text find a place
    cached, bits = aligned((places + 1, 16), np.int32), np.zeros(1, np.uint32)
    cached[-1, [5, 9]] = k.BREAK, k.STOPS  # a sentence boundary

    def ints(*shape: int) -> Array:
        return np.zeros(shape, np.int32)

    most = int(np.diff(phrases.anchor_first).max(initial=0))
    tokens_of_text = k.Tokens(
        folded=aligned((text_room + 3 * k.PADDING,), np.uint32),
        low=aligned((text_room + 3 * k.PADDING,), np.uint8),
        bounds=ints(2 * (text_room + 3 * k.PADDING)),
        marks=aligned((4 * (text_room // 64 + 8),), np.uint64),
        glued=ints(room),
        start=ints(room),
        end=ints(room),
        at=ints(room),
        length=ints(room),
        hash=np.zeros(room, np.uint64),
        alpha=np.zeros(room, np.uint8),
        cost=ints(room + 2),
        step=ints(room + 2),
    )
    cache = k.Cache(
        words=cached,
        words_u64=cached.view(np.uint64),
        words_f64=cached.view(np.float64),
        used=np.zeros(1, np.int64),
        slot=ints(room + 1),
        pair_set=np.zeros(1 << (4 * room - 1).bit_length(), np.uint64),
        pair_key=np.zeros(room, np.uint32),
        pair_ids=np.zeros(room, np.uint64),
        weight_bits=bits,
        weight_of=bits.view(np.float32),
        form_stamp=ints(1 + len(words.form_id)),
    )
    classes = ints(room + 2 * k.FIRST)
    classes[: k.FIRST] = k.BREAK
    layout = k.Layout(
        clock=np.zeros(2, np.int64),
        kept=ints(room + k.FIRST),
        classes=classes,
        places=np.zeros(room + 2 * k.FIRST, np.uint8),
        stands=np.zeros(room + 1, np.uint64),
        anchors=ints(room + 1),
        likely=np.zeros(k.LIKELY + most + k.FEW_ANCHORS, np.uint64),
        seen=np.zeros((phrases.widest, 2), np.uint64),
        stack=ints(phrases.widest * k.WIDEST, 2),
    )
    return tokens_of_text, cache, layout


def _marks(languages: Sequence[str]) -> tuple[dict[str, int], list[str], dict[tuple[str, ...], int]]:
    """Return (word -> flags, neutral forms, names of several words -> form)."""
    table, _ = neutral._table()
    forms = sorted(set(table.values()))
    number = {form: i for i, form in enumerate(forms)}
    marks: dict[str, int] = {}

    def mark(word: str, bits: int) -> None:
        marks[word] = marks.get(word, 0) | bits

    for name, form in table.items():
        if len(name) == 1:
            mark(name[0], number[form] + 1 << k.NEUTRAL)
        else:
            mark(name[0], k.OPENS)
            for word in name[1:]:
                mark(word, k.OPENS << k.FOLLOWS)
    for lane, spoken in enumerate(languages):
        for word in matching.NEGATORS[spoken]:
            mark(word, 1 << k.NEGATES + lane)
    for word in matching.NOT_NEGATED:
        mark(word, k.AFFIRMS)
    for word in language._LANGUAGES_OF:
        mark(word, _language_bits(word))
    return marks, forms, {name: number[form] for name, form in table.items() if len(name) > 1}


def _language_bits(word: str) -> int:
    spoken = language._LANGUAGES_OF.get(word)
    return LANGUAGES.index(spoken) + 1 << k.LANGUAGE if spoken else 0


def _pair_table(model: Model) -> Array:
    table = np.zeros(1 << max(4, (2 * len(model.pair_keys)).bit_length()), np.uint64)
    k.insert_pairs(
        table, np.array(model.pair_keys, np.uint32), np.array(model.pair_weights, np.float32).view(np.uint32)
    )
    return table


def _form_flags(word: str) -> int:
    picture = k.PICTURE if tokens.is_emoji(word) else 0
    return picture | (k.LETTERS if word.isalpha() else 0) | _language_bits(word)


def _leet() -> Array:
    """Return what each ASCII character stands for, by the four tables of `tokens`."""
    tables: tuple[Mapping[int, int], ...] = (*tokens._INCLUSIVE, *tokens._LEET)
    if any(code >= 128 for table in tables for code in table):
        raise ValueError("the compiled path expects ASCII in place of letters")
    return np.array([[packed(chr(table.get(code, code))) for code in range(128)] for table in tables], np.uint32)


def _crc_table() -> Array:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1)
    return table.astype(np.uint32)


def _crc_shifts() -> Array:
    """Return what each byte of a crc32 becomes when 0, 1, 2... zero bytes follow."""
    crc = _crc_table()
    shifts = [np.arange(256, dtype=np.uint32)[None, :] << np.array([[0], [8], [16], [24]], np.uint32)]
    for _ in range(SHIFTS - 1):
        shifts.append(crc[shifts[-1] & 255] ^ (shifts[-1] >> 8))
    return np.stack(shifts).astype(np.uint32).reshape(-1)


def _mask(bits: Any) -> np.uint64:
    return np.uint64(sum(1 << i for i, bit in enumerate(bits) if bit))
