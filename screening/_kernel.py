"""The compiled path: one pass over UTF-8 texts, equal to fold, tokenise, find, words_and_pairs and contributions.

All of it stands in one file, as numba's cache notices changes of the file of a function only, not of
those it calls. `screening.fast` holds what calls it, `screening._arrays` makes the tables.

Code points are kept packed, `code | class bits`, from folding on. Words are known by a 64-bit hash
under secrets drawn at start, so that nobody can prepare two words that are taken for one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

# numba knows these as types; the type checker need not tell them from int
i64: Any = np.int64
u32: Any = np.uint32
u64: Any = np.uint64


def compiled(function: F) -> F:
    """Return the function compiled when first called, without the GIL."""
    return cast(F, numba.njit(nogil=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """Do the same for a small function that is called for each word: a call that hands on arrays counts references."""
    return cast(F, numba.njit(nogil=True, error_model="numpy", inline="always")(function))


def kept(function: F) -> F:
    """Do the same, and keep what was compiled on disk; only for what Python calls.

    numba writes beside this file or else in the user's cache folder, whole files at a time, and
    looks at the time and size of this file and at the processor before it reads.
    """
    try:
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # "no locator available": it may write in neither place
        return compiled(function)
    cache = dispatcher._cache
    load, save = cache.load_overload, cache.save_overload

    def load_overload(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # a broken file, in as many ways as unpickling knows: compile anew
            return None

    def save_overload(*arguments: Any) -> None:
        with contextlib.suppress(Exception):  # a full or vanished disk, a broken index: next time again
            save(*arguments)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return cast(F, dispatcher)


# Class bits of a packed code point, above its 21 bits.
CODE = 0x1FFFFF
WORD = 1 << 21  # \w
ALPHA = 1 << 22  # str.isalpha
DECIMAL = 1 << 23  # \d
LETTER = 1 << 24  # [^\W\d_]
CHUNK = 1 << 25  # [\w@$]
SYMBOL = 1 << 26  # a token by itself
STOP = 1 << 27  # [!?;\n]
SPECIAL = 1 << 28  # in the fold table only: the code is a place in `expansions`
DIGIT = 1 << 29  # str.isdigit
CLAUSE = 1 << 30  # what a negator does not reach past
EMOJI = 1 << 31  # tokens.is_emoji
DOT, COMMA, DOLLAR, AT, UNDERSCORE = 46, 44, 36, 64, 95

# Ranges of code points for `_HIDDEN`
LATIN, FOREIGN, INVISIBLE = 1, 2, 3

# What a call may end with.
DONE, NEED_FOLDS, NEED_ROOM, NOT_UTF8 = 0, 1, 2, 3

# Bits of a word's flags.
UNMATCHED = 1  # an emoji no phrase names
PICTURE = 2  # an emoji, for pairs
LETTERS = 4  # str.isalpha
OPENS = 8  # a name of several words
AFFIRMS = 16  # matching.NOT_NEGATED
LANGUAGE = 5  # shift: number of the language + 1, two bits
NEGATES = 8  # shift: one bit a lane
STOPS = 1 << 20  # a sentence boundary
NEUTRAL = 24  # shift, in `marks` only: number of the neutral form + 1

LANES = 6  # at most
LIVE = 64  # tokens that a phrase may stay open for; patterns.MAX_PATTERN is less
CLASS_FLAGS = 24  # shift
STARTS, CONTINUES, SINGLE = 1, 2, 4  # flags of a class


class Folding(NamedTuple):
    """Code points to packed folded ones; filled in by Python where a text needs more."""

    folds: Any  # uint32 (0x110000,): packed code point; 0 where not worked out yet
    hides: Any  # uint8 (0x110000,): LATIN, FOREIGN, INVISIBLE or 0
    expansions: Any  # uint32: count, then packed code points


class Names(NamedTuple):
    """Words and prefixes that the catalogue names. Hash tables have a power of two of places; key 0 is free."""

    seed: Any  # uint64 (3,): start, multiplier, and what marks a prefix
    keys: Any  # uint64
    values: Any  # int64: number of a word or prefix
    prefix_at: Any  # uint8: whether some prefix has this length
    leet: Any  # uint32 (4, 128): packed code point that an ASCII one stands for


class Words(NamedTuple):
    """What is to be known of a word by itself, and the weights of words and pairs."""

    name_class: Any  # int32 (lanes, names): number of a class | its flags << CLASS_FLAGS
    plain_class: Any  # int32 (lanes, 2): of a token without a name, and of a number
    mark_keys: Any
    mark_values: Any  # flags of a token, and its neutral form
    neutral_keys: Any
    neutral_values: Any  # names of several words -> neutral form
    form_id: Any  # uint64: of a neutral form or a shape of a number (`#0` to `#9`, the last ten)
    form_info: Any  # int32 (forms, 3): crc32, UTF-8 bytes, flags
    form_weight: Any  # float64
    crc: Any  # uint32 (256,)
    crc_shift: Any  # uint32 (lengths, 4, 256): a crc32 with that many bytes after it
    word_keys: Any
    word_first: Any  # int32: where keys with the same upper bits start
    word_weights: Any
    pairs: Any  # uint64: crc32 << 32 | bits of the float32 weight; a hash table by the upper bits
    pair_maybe: Any  # uint64: one bit for the upper bits of a key
    gram_weights: Any
    code_weight: Any  # float64 (64,)


class Phrases(NamedTuple):
    """The catalogue's phrases; gaps are taken out of the edges, which say how far on their target may stand."""

    class_info: (
        Any  # int32 (classes, 16): flags, span, first class of the lane, starts from and to, singles from and to
    )
    class_marks: Any  # a view of it as uint64: from 4 on, of its atoms, of those it may be followed by, and further on
    class_atoms: Any  # uint64 (classes, words): bits of the lane's atoms
    starts: Any  # int32: states that classes start
    singles: Any  # int32: phrases of one token
    rows: Any  # uint64 (classes, words, 2): classes that continue what a class starts, one token on, and further
    state_info: Any  # int32 (states, 8): edges from and to, atom, phrase that ends or -1, span, back from and to, mark
    edge_target: Any  # int32
    edge_distances: Any  # uint64: bit d says whether the target may stand d tokens on
    back_source: Any  # int32: the states before, gaps being states
    phrase_info: Any  # int32 (phrases, 8): states from and to, longest, number of the code, whether negatable


class Rules(NamedTuple):
    """Constants of the reference modules."""

    max_text: int
    max_word: int
    min_spaced: int
    min_repaired: int
    longest_name: int
    reach: int  # matching.NEGATION_REACH
    few_words: float
    max_combined: float
    framed: float
    combination: float  # the weight
    intercept: float  # and shift
    few: int
    min_frequent: int
    min_share: float
    risks: np.uint64
    framings: np.uint64
    evasion: np.uint64


class Tokens(NamedTuple):
    """One text, folded and tokenised."""

    folded: Any  # uint32: the folded text, then repaired words
    start: Any  # int32, one a token: its place in the folded text
    end: Any
    at: Any  # int32: where its text stands in `folded`
    length: Any
    hash: Any  # uint64: 0 for a boundary
    alpha: Any  # uint8
    cost: Any  # int32: for spaced letters
    step: Any  # int32


class Cache(NamedTuple):
    """Words met so far and the distinct ones of a text. It only saves time: no result depends on it."""

    words: Any  # int32 (places, 16): hash, id, weight (two places each), crc32, UTF-8 bytes, flags, classes by lane
    words_u64: Any  # views of it
    words_f64: Any
    word_set: Any  # uint64
    pair_set: Any
    pair_list: Any  # uint32
    weight_bits: Any  # uint32 (1,): the next is a view of it
    weight_of: Any  # float32 (1,)
    steps: Any  # int32 (places, 8): class, one that continues it and distance; in `pool` phrases and states; span
    steps_u64: Any
    pool: Any  # int32: phrases and states
    used: Any  # int64 (1,): places of `pool`


class Open(NamedTuple):
    """Phrases that are open, lane by lane, in one text."""

    flags: Any  # int32, one a token
    kept: Any  # int32: the token of each one that phrases see
    classes: Any  # int32 (lanes, tokens)
    count: Any  # int32 (lanes,): how many tokens have something open
    tokens: Any  # int32 (lanes, LIVE): these
    info: Any  # int32 (lanes, LIVE, 4): what was started there: class, span, count of states reached
    marks: Any  # uint64 (lanes, LIVE, 2): of the atoms that the class may be followed by, at once and further on
    states: Any  # int32 (lanes, LIVE, states): these
    stamp: Any  # int64 (2, states): when a state was last seen, going forward and otherwise
    clock: Any  # int64 (2,)
    run: Any  # int32 (2, states): for running a phrase backwards
    negator: Any  # int32 (lanes,): last token that negates, -1 for none


@compiled
def finish(h: Any) -> Any:
    h ^= h >> u64(32)
    h *= u64(0x9E3779B97F4A7C15)
    h ^= h >> u64(29)
    return h if h else u64(1)


@compiled
def find(keys: Any, values: Any, key: Any) -> Any:
    """Return the value of a key, -1 without one."""
    mask = len(keys) - 1
    place = i64(key) & mask
    while keys[place]:
        if keys[place] == key:
            return values[place]
        place = (place + 1) & mask
    return i64(-1)


@kept
def insert_pairs(table: Any, keys: Any, weights: Any) -> None:
    """Fill the table of pairs; weights are the bits of a float32."""
    for i in range(len(keys)):
        place = i64(keys[i] >> u32(8)) & (len(table) - 1)
        while table[place]:
            place = (place + 1) & (len(table) - 1)
        table[place] = (u64(keys[i]) << u64(32)) | u64(weights[i])


@kept
def insert(keys: Any, values: Any, new_keys: Any, new_values: Any) -> Any:
    """Fill a hash table; return False where two keys are the same."""
    mask = len(keys) - 1
    for i in range(len(new_keys)):
        place = i64(new_keys[i]) & mask
        while keys[place]:
            if keys[place] == new_keys[i]:
                return False
            place = (place + 1) & mask
        keys[place] = new_keys[i]
        values[place] = new_values[i]
    return True


@compiled
def hash_of(f: Any, at: int, n: int, seed: Any) -> Any:
    h, multiplier = seed[0], seed[1]
    for i in range(at, at + n):
        h = (h ^ u64(f[i] & u32(CODE))) * multiplier
    return finish(h)


# ---------------------------------------------------------------- folding


@compiled
def decode(data: Any, p: int, end: int) -> tuple[int, int]:
    """Return a code point of two bytes or more and its bytes, 0 where it is not UTF-8; surrogates may pass."""
    b = i64(data[p])
    if 0xC2 <= b < 0xE0:
        if p + 1 < end and data[p + 1] & 0xC0 == 0x80:
            return ((b & 0x1F) << 6) | i64(data[p + 1] & 0x3F), 2
    elif 0xE0 <= b < 0xF0:
        if p + 2 < end and data[p + 1] & 0xC0 == 0x80 and data[p + 2] & 0xC0 == 0x80:
            code = ((b & 0x0F) << 12) | (i64(data[p + 1] & 0x3F) << 6) | i64(data[p + 2] & 0x3F)
            if code >= 0x800:
                return code, 3
    elif 0xF0 <= b < 0xF5 and (
        p + 3 < end and data[p + 1] & 0xC0 == 0x80 and data[p + 2] & 0xC0 == 0x80 and data[p + 3] & 0xC0 == 0x80
    ):
        code = ((b & 0x07) << 18) | (i64(data[p + 1] & 0x3F) << 12)
        code |= (i64(data[p + 2] & 0x3F) << 6) | i64(data[p + 3] & 0x3F)
        if 0x10000 <= code < 0x110000:
            return code, 4
    return 0, 0


@compiled
def cut(data: Any, p: int, end: int, limit: int) -> int:
    """Return where a text ends for us, -1 where what is left out is not UTF-8."""
    if end - p <= limit:
        return end
    count, stop = 0, end
    while p < end:
        if count == limit:
            stop = p
        count += 1
        if data[p] < 0x80:
            p += 1
            continue
        _, width = decode(data, p, end)
        if not width:
            return -1
        p += width
    return stop


@compiled
def fold(data: Any, p: int, end: int, folds: Any, hides: Any, expansions: Any, f: Any) -> tuple[int, int, int]:
    """Fold a text into f; return (status, folded code points or what is needed, whether scripts hide)."""
    n, hidden, room, first = 0, 0, len(f) - 64, p
    after_latin = False  # inside invisible characters that follow a Latin letter
    while p < end:
        if n + 32 > room:
            return NEED_ROOM, 0, 0
        b = data[p]
        if b < 0x80:
            stop = min(end, p + room - n)
            while b < 0x80:
                f[n] = folds[b]
                n += 1
                p += 1
                if p >= stop:
                    break
                b = data[p]
            continue
        code, width = decode(data, p, end)
        if not width:
            return NOT_UTF8, 0, 0
        packed = folds[code]
        if not packed:
            return NEED_FOLDS, code, 0
        kind = hides[code]
        if kind:
            before = p > first and hides[data[p - 1]] == LATIN and data[p - 1] < 0x80
            latin_next = p + width < end and data[p + width] < 0x80 and hides[data[p + width]] == LATIN
            after_latin = kind == INVISIBLE and (before or after_latin)
            if (kind == FOREIGN and (before or latin_next)) or (after_latin and latin_next):
                hidden = 1
        else:
            after_latin = False
        # An invisible run ends at any ASCII character, which is looked at as `latin_next` and `before`.
        if p + width < end and data[p + width] < 0x80:
            after_latin = False
        if packed & u32(SPECIAL):
            place = i64(packed & u32(CODE))
            count = i64(expansions[place])
            for k in range(count):
                f[n] = expansions[place + 1 + k]
                n += 1
        else:
            f[n] = packed
            n += 1
        p += width
    f[n] = 0
    f[n + 1] = 0
    return DONE, n, hidden


# ---------------------------------------------------------------- tokens


@compiled
def known(f: Any, at: int, n: int, N: Any) -> Any:
    """Return whether the catalogue names this word or a prefix of it."""
    h, multiplier = N.seed[0], N.seed[1]
    prefixes = (f[at] & u32(ALPHA)) != 0
    for i in range(n):
        h = (h ^ u64(f[at + i] & u32(CODE))) * multiplier
        if (
            prefixes
            and i + 1 < len(N.prefix_at)
            and N.prefix_at[i + 1]
            and find(N.keys, N.values, finish(h ^ N.seed[2])) >= 0
        ):
            return True
    return find(N.keys, N.values, finish(h)) >= 0


@compiled
def unrepeat(f: Any, at: int, n: int, to: int, N: Any, R: Any) -> tuple[int, int, int]:
    """Return (where, length, end of what was written at `to`) of a word without drawn-out letters."""
    n = min(n, R.max_word)
    repeats = False
    for i in range(at + 2, at + n):
        if f[i] == f[i - 1] and f[i] == f[i - 2]:
            repeats = True
            break
    if not repeats:
        return at, n, to
    last = n - 1
    while last > 0 and f[at + last - 1] == f[at + n - 1]:
        last -= 1
    if n - last >= 3:
        n = last + 1
    double, single = 0, 0
    base = to + R.max_word
    i = 0
    while i < n:
        j = i + 1
        while j < n and f[at + j] == f[at + i]:
            j += 1
        for k in range(min(j - i, 2)):
            f[to + double + k] = f[at + i]
        double += min(j - i, 2)
        for k in range(1 if j - i >= 3 else j - i):
            f[base + single + k] = f[at + i]
        single += 1 if j - i >= 3 else j - i
        i = j
    if known(f, to, double, N):
        return to, double, to + double
    for k in range(single):
        f[to + k] = f[base + k]
    return to, single, to + single


@compiled
def emit(K: Any, k: int, start: int, end: int, at: int, n: int, h: Any, alpha: int) -> int:
    K.start[k] = start
    K.end[k] = end
    K.at[k] = at
    K.length[k] = n
    K.hash[k] = h
    K.alpha[k] = alpha
    return k + 1


@compiled
def all_alpha(f: Any, at: int, n: int) -> Any:
    bits = u32(ALPHA)
    for i in range(at, at + n):
        bits &= f[i]
    return bits != 0


@compiled
def unleet(K: Any, k: int, start: int, end: int, to: int, N: Any, R: Any) -> tuple[int, int, int]:
    """Emit the plain word of a chunk; return (tokens, end of the written, 0 none, 1 plain or 2 hidden)."""
    f = K.folded
    n = end - start
    some = u32(0)
    for i in range(start, end):
        some |= f[i]
    if n > R.max_word or not some & u32(ALPHA):
        return k, to, 0
    for table in range(4):
        for i in range(n):
            packed = f[start + i]
            code = packed & u32(CODE)
            f[to + i] = N.leet[table, code] if code < 128 else packed
        if not all_alpha(f, to, n):
            continue
        at, length, used = unrepeat(f, to, n, to + n, N, R)
        if length >= R.min_repaired and known(f, at, length, N):
            return emit(K, k, start, end, at, length, hash_of(f, at, length, N.seed), 1), used, 1 if table < 2 else 2
    return k, to, 0


@compiled
def parts(K: Any, k: int, start: int, end: int, to: int, N: Any, R: Any) -> tuple[int, int]:
    """Emit the words, numbers and dollars of a chunk; return (tokens, end of the written)."""
    f = K.folded
    i = start
    while i < end:
        j = i + 1
        at, alpha = i, 0
        if f[i] & u32(LETTER):
            while j < end and f[j] & u32(LETTER):
                j += 1
            n = j - i
            if all_alpha(f, i, n):
                at, n, to = unrepeat(f, i, n, to, N, R)
                alpha = 1
        elif f[i] & u32(DECIMAL):
            j = number_end(f, j, end)
            n = j - i
        elif f[i] & u32(CODE) == DOLLAR:
            n = 1
        else:
            i += 1
            continue
        k = emit(K, k, i, j, at, n, hash_of(f, at, n, N.seed), alpha)
        i = j
    return k, to


@compiled
def number_end(f: Any, j: int, end: int) -> int:
    """Return the end of a number of which the first digit stands before j."""
    while j < end and f[j] & u32(DECIMAL):
        j += 1
    return tail_end(f, j, end)


@compiled
def tail_end(f: Any, j: int, end: int) -> int:
    """Return the end of any `.5` or `,000` at j."""
    while j + 1 < end and f[j + 1] & u32(DECIMAL):
        code = f[j] & u32(CODE)
        if code != DOT and code != COMMA:
            break
        j += 1
        while j < end and f[j] & u32(DECIMAL):
            j += 1
    return j


@compiled
def is_letter_joiner(code: int) -> Any:
    return (
        code == 32
        or code == 46
        or code == 95
        or code == 45
        or code == 42
        or code == 47
        or code == 124
        or code == 126
        or code == 44
    )


@compiled
def is_piece_joiner(code: int) -> Any:
    return code == 46 or code == 95 or code == 42 or code == 124 or code == 126


@compiled
def tokenise(K: Any, n: int, N: Any, R: Any) -> tuple[int, int, int]:
    """Return (tokens, end of the written, whether words were repaired); tokens -1 where room is wanting."""
    f, starts, ends_, ats, lengths, hashes, alphas = K.folded, K.start, K.end, K.at, K.length, K.hash, K.alpha
    seed, multiplier, max_word = N.seed[0], N.seed[1], R.max_word
    k, to, hidden = 0, n + 2, 0
    room, space = len(starts) - max_word - 2, len(f) - 8 * max_word
    stopped, cut_up, singles = True, False, 1
    i = 0
    while i < n:
        packed = f[i]
        if not packed & u32(CHUNK | STOP | SYMBOL) and packed & u32(CODE) != DOT:
            i += 1
            continue
        if k > room or to > space:
            return -1, 0, 0
        if packed & u32(CHUNK):
            start, before, was = i, k, u32(0)
            h, every, repeats, streak = seed, packed, False, False
            while packed & u32(CHUNK):
                h = (h ^ u64(packed & u32(CODE))) * multiplier
                every &= packed
                same = packed == was
                repeats |= same & streak
                streak = same
                was = packed
                i += 1
                packed = f[i]
            code = packed & u32(CODE)
            stopped, whole = False, True
            if code in (DOT, COMMA) and f[i + 1] & u32(DECIMAL):
                i = tail_end(f, i, n)
                whole = False
            size = i - start
            if whole and every & u32(ALPHA) and not repeats and size <= max_word:
                starts[k], ends_[k], ats[k], lengths[k], hashes[k], alphas[k] = start, i, start, size, finish(h), 1
                k += 1
            elif whole and every & u32(ALPHA):
                at, length, to = unrepeat(f, start, size, to, N, R)
                k = emit(K, k, start, i, at, length, hash_of(f, at, length, N.seed), 1)
            elif size == 1 or (f[start] & u32(DECIMAL) and number_end(f, start + 1, i) == i):
                code = f[start] & u32(CODE)
                if code != AT and code != UNDERSCORE:
                    k = emit(K, k, start, i, start, size, hash_of(f, start, size, N.seed), 0)
            else:
                k, to, found = unleet(K, k, start, i, to, N, R)
                if found == 2:
                    hidden = 1
                if not found:
                    if k + size > room or to + 2 * size + 4 * max_word > len(f):
                        return -1, 0, 0
                    k, to = parts(K, k, start, i, to, N, R)
            # Whether anything may have to be put back together
            for m in range(max(before, 1), k):
                if alphas[m] and alphas[m - 1] and starts[m] - ends_[m - 1] == 1:
                    gap = f[ends_[m - 1]] & u32(CODE)
                    if ends_[m] - starts[m] == 1 and ends_[m - 1] - starts[m - 1] == 1 and is_letter_joiner(gap):
                        singles += 1
                        cut_up |= singles >= R.min_spaced
                        continue
                    cut_up |= is_piece_joiner(gap)
                singles = 1
        elif packed & u32(SYMBOL):
            k = emit(K, k, i, i + 1, i, 1, hash_of(f, i, 1, N.seed), 0)
            stopped = False
            i += 1
        else:
            if packed & u32(STOP) or not f[i + 1] & u32(WORD):
                if not stopped:
                    k = emit(K, k, i, i + 1, i, 1, u64(0), 0)
                stopped = True
            i += 1
    if cut_up:
        if to + n + 4 * max_word > len(f):  # the texts of all tokens are together no longer than the folded text
            return -1, 0, 0
        k, to, repaired = join(K, k, to, N, R)
        hidden |= repaired
    return k, to, hidden


@compiled
def join(K: Any, count: int, to: int, N: Any, R: Any) -> tuple[int, int, int]:
    """Put words cut by single characters back together, in place; return (tokens, end of the written, whether any)."""
    k, i, hidden = 0, 0, 0
    while i < count:
        j, singles = run_end(K, i, count)
        made = 0
        if j - i > 1:
            if singles:
                if j - i >= R.min_spaced:
                    made, to = segment(K, i, j, k, to, N, R)
            else:
                made, to = joined(K, i, j, k, to, N, R)
        if made:
            k += made
            hidden = 1
        else:
            for m in range(i, j):
                k = emit(K, k, K.start[m], K.end[m], K.at[m], K.length[m], K.hash[m], K.alpha[m])
        i = j
    return k, to, hidden


@compiled
def run_end(K: Any, i: int, count: int) -> tuple[int, bool]:
    f = K.folded
    j = i + 1
    if j == count or not K.alpha[i] or K.start[j] - K.end[i] != 1:
        return j, False
    gap = f[K.end[i]] & u32(CODE)
    singles = K.end[i] - K.start[i] == 1 and K.end[j] - K.start[j] == 1
    if not (is_letter_joiner(gap) if singles else is_piece_joiner(gap)):
        return j, singles
    while j < count and K.start[j] - K.end[j - 1] == 1 and f[K.end[j - 1]] & u32(CODE) == gap and K.alpha[j]:
        if singles and K.end[j] - K.start[j] != 1:
            break
        j += 1
    return j, singles


@compiled
def joined(K: Any, i: int, j: int, k: int, to: int, N: Any, R: Any) -> tuple[int, int]:
    """Emit the pieces as one word at k where that is a known one; return (tokens, end of the written)."""
    f = K.folded
    total, odd = 0, False
    for m in range(i, j):
        total += K.length[m]
        if total > R.max_word:
            return 0, to
        odd |= K.length[m] <= 2
    if total < R.min_repaired:
        return 0, to
    if not odd:
        for m in range(i, j):
            if not known(f, K.at[m], K.length[m], N):
                odd = True
                break
    if not odd:
        return 0, to
    n = 0
    for m in range(i, j):
        for c in range(K.length[m]):
            f[to + n] = f[K.at[m] + c]
            n += 1
    if not known(f, to, n, N):
        return 0, to
    emit(K, k, K.start[i], K.end[j - 1], to, n, hash_of(f, to, n, N.seed), 1)
    return 1, to + n


@compiled
def segment(K: Any, i: int, j: int, k: int, to: int, N: Any, R: Any) -> tuple[int, int]:
    """Emit spaced letters as the fewest known words at k; return (tokens, end of the written)."""
    f, cost, step = K.folded, K.cost, K.step
    n = j - i
    for m in range(n):
        f[to + m] = f[K.at[i + m]]
        cost[m + 1] = -1
    cost[0] = 0
    seed, multiplier = N.seed[0], N.seed[1]
    for start in range(n):
        if cost[start] < 0:
            continue
        h, certain = seed, False
        for end in range(start + 1, min(n, start + R.max_word) + 1):
            h = (h ^ u64(f[to + end - 1] & u32(CODE))) * multiplier
            size = end - start
            if not certain and size < len(N.prefix_at) and N.prefix_at[size]:
                certain = find(N.keys, N.values, finish(h ^ N.seed[2])) >= 0
            if certain or find(N.keys, N.values, finish(h)) >= 0:
                price = cost[start] + (1 if size > 2 else 3)
                if cost[end] < 0 or price < cost[end]:
                    cost[end] = price
                    step[end] = start
    if cost[n] < 0:
        return 0, to
    longest, words, end = 0, 0, n
    while end:
        longest = max(longest, end - step[end])
        words += 1
        cost[words] = end  # costs are no longer needed: keep the ends, last first
        end = step[end]
    if longest < R.min_repaired:
        return 0, to
    for w in range(words):
        end = cost[words - w]
        start = step[end]
        h = hash_of(f, to + start, end - start, N.seed)
        emit(K, k + w, K.start[i + start], K.end[i + end - 1], to + start, end - start, h, 1)
    return words, to + n


# ---------------------------------------------------------------- words


@compiled
def crc_of(f: Any, at: int, n: int, crc: Any) -> tuple[Any, int]:
    """Return (crc32, bytes) of folded code points as UTF-8."""
    r, size = u32(0xFFFFFFFF), 0
    for i in range(at, at + n):
        c = f[i] & u32(CODE)
        if c < 0x80:
            r = crc[(r ^ c) & u32(255)] ^ (r >> u32(8))
            size += 1
            continue
        extra = 1 if c < 0x800 else 2 if c < 0x10000 else 3
        lead = u32(0xC0 if extra == 1 else 0xE0 if extra == 2 else 0xF0)
        r = crc[(r ^ (lead | (c >> u32(6 * extra)))) & u32(255)] ^ (r >> u32(8))
        for k in range(extra - 1, -1, -1):
            byte = u32(0x80) | ((c >> u32(6 * k)) & u32(0x3F))
            r = crc[(r ^ byte) & u32(255)] ^ (r >> u32(8))
        size += extra + 1
    return u32(~r), size


@compiled
def look_up(keys: Any, first: Any, key: Any) -> int:
    """Return the index of a key in sorted keys, -1 without it; `first` is by the upper 16 bits."""
    upper = i64(key >> u32(16))
    for i in range(first[upper], first[upper + 1]):
        if keys[i] == key:
            return i
    return -1


@compiled
def grams(f: Any, at: int, n: int, to: int, crc: Any, weights: Any) -> float:
    """Return the weight of the letter n-grams of a word; writes n + 2 code points at `to`."""
    f[to] = 60
    for i in range(n):
        f[to + 1 + i] = f[at + i]
    f[to + n + 1] = 62
    total = 0.0
    for size in range(3, 6):
        for i in range(n + 2 - size + 1):
            key, _ = crc_of(f, to + i, size, crc)
            total += np.float64(weights[i64(key) & (len(weights) - 1)])
    return total


@compiled
def learn(f: Any, h: Any, at: int, n: int, to: int, C: Any, slot: int, N: Any, W: Any) -> None:
    """Work out all that is to be known of a word, into the word cache."""
    head = f[at]
    name = find(N.keys, N.values, h)
    prefix = i64(-1)
    if head & u32(ALPHA):
        g, multiplier = N.seed[0], N.seed[1]
        for i in range(min(n, len(N.prefix_at) - 1)):
            g = (g ^ u64(f[at + i] & u32(CODE))) * multiplier
            if N.prefix_at[i + 1]:
                found = find(N.keys, N.values, finish(g ^ N.seed[2]))
                if found >= 0:
                    prefix = found
    number = 1 if head & u32(DIGIT) else 0
    best = name if name >= 0 else prefix
    for lane in range(len(W.plain_class)):
        C.words[slot, 9 + lane] = W.name_class[lane, best] if best >= 0 else W.plain_class[lane, number]
    marks = max(find(W.mark_keys, W.mark_values, h), i64(0))
    flags = marks & ((1 << NEUTRAL) - 1)
    picture = n == 1 and head & u32(EMOJI)
    if picture and name < 0:
        flags |= UNMATCHED
    form = (marks >> NEUTRAL) - 1
    if form < 0 and number:
        digits = 0
        for i in range(at, at + n):
            if f[i] & u32(DECIMAL):
                digits += 1
        form = len(W.form_id) - 10 + min(digits, 9)
    C.words_u64[slot, 0] = h
    if form >= 0:
        C.words_u64[slot, 1] = W.form_id[form]
        C.words_f64[slot, 2] = W.form_weight[form]
        C.words[slot, 6] = W.form_info[form, 0]
        C.words[slot, 7] = W.form_info[form, 1]
        kept = i64(~(PICTURE | LETTERS | (3 << LANGUAGE)))
        C.words[slot, 8] = (flags & kept) | W.form_info[form, 2]
        return
    key, size = crc_of(f, at, n, W.crc)
    alpha = all_alpha(f, at, n)
    place = look_up(W.word_keys, W.word_first, key)
    weight = 0.0
    if place >= 0:
        weight = np.float64(W.word_weights[place])
    elif alpha:
        weight = grams(f, at, n, to, W.crc, W.gram_weights)
    if alpha:
        flags |= LETTERS
    if picture:
        flags |= PICTURE
    C.words_u64[slot, 1] = h
    C.words_f64[slot, 2] = weight
    C.words[slot, 6] = np.int32(key)
    C.words[slot, 7] = size
    C.words[slot, 8] = flags


@inlined
def pair_key(key: Any, next_key: Any, size: int, crc: Any, shift: Any) -> Any:
    """Return the crc32 of "a b" from those of its words; the second takes `size` bytes."""
    r = u32(~key)
    r = u32(~(crc[(r ^ u32(32)) & u32(255)] ^ (r >> u32(8))))
    if size < len(shift):
        r = u32(
            shift[size, 0, r & u32(255)]
            ^ shift[size, 1, (r >> u32(8)) & u32(255)]
            ^ shift[size, 2, (r >> u32(16)) & u32(255)]
            ^ shift[size, 3, r >> u32(24)]
        )
    else:
        for _ in range(size):
            r = u32(crc[r & u32(255)] ^ (r >> u32(8)))
    return u32(r ^ next_key)


@inlined
def add(table: Any, mask: int, key: Any) -> Any:
    """Add to a set; return whether it is new."""
    place = i64(key >> u64(20)) & mask
    while table[place] and table[place] != key:
        place = (place + 1) & mask
    new = table[place] != key
    table[place] = key
    return new


@compiled
def name_at(hashes: Any, i: int, count: int, seed: Any, keys: Any, values: Any, longest: int) -> tuple[int, int]:
    """Return (neutral form, tokens) of the longest name of several words at i; tokens 1 for none."""
    h = seed[2]
    form, width = i64(-1), 1
    for n in range(min(longest, count - i)):
        h = (h ^ hashes[i + n]) * seed[1]
        if n:
            found = find(keys, values, finish(h))
            if found >= 0:
                form, width = found, n + 1
    return form, width


# ---------------------------------------------------------------- phrases


@inlined
def has_atom(class_atoms: Any, klass: int, atom: int) -> Any:
    return (class_atoms[klass, atom >> 6] >> u64(atom & 63)) & u64(1) != 0


@compiled
def mark_of(atom: int) -> Any:
    """Return which of 64 bits stands for an atom (of all lanes): no bit in common means no atom in common."""
    return i64(atom) * 40503 >> 3 & 63


@kept
def fill_rows(P: Any, atom_first: Any, atom_classes: Any, atoms: Any) -> None:
    """Fill `rows`: for each class, those that may continue what it starts; and the marks of classes and states."""
    for state in range(len(P.state_info)):
        half = u64(0)
        for e in range(P.state_info[state, 0], P.state_info[state, 1]):
            half |= u64(1) << u64(mark_of(atoms[P.edge_target[e]]) & 31)
        P.state_info[state, 7] = np.int32(u32(half))
    continues = np.zeros(len(atom_first), np.bool_)
    for e in range(len(P.edge_target)):
        continues[atoms[P.edge_target[e]]] = True
    for atom in range(len(atom_first) - 1):
        if continues[atom]:
            for c in range(atom_first[atom], atom_first[atom + 1]):
                P.class_marks[atom_classes[c], 4] |= u64(1) << u64(mark_of(atom))
    for klass in range(len(P.class_info)):
        base = P.class_info[klass, 2]
        for s in range(P.class_info[klass, 3], P.class_info[klass, 4]):
            state = P.starts[s]
            for e in range(P.state_info[state, 0], P.state_info[state, 1]):
                atom = atoms[P.edge_target[e]]
                near, far = P.edge_distances[e] & u64(2), P.edge_distances[e] > u64(3)
                mark = u64(1) << u64(mark_of(atom))
                if near:
                    P.class_marks[klass, 5] |= mark
                if far:
                    P.class_marks[klass, 6] |= mark
                for c in range(atom_first[atom], atom_first[atom + 1]):
                    other = atom_classes[c] - base
                    bit = u64(1) << u64(other & 63)
                    if near:
                        P.rows[klass, other >> 6, 0] |= bit
                    if far:
                        P.rows[klass, other >> 6, 1] |= bit


@kept
def take_out_gaps(first: Any, atom: Any, target: Any, any_atom: int, out: Any) -> int:
    """Write (state, target, distances) for edges past gaps to `out` (uint64 rows); return how many, -1 if too many."""
    n = len(first) - 1
    seen = np.full(n, -1, np.int64)
    is_gap = np.zeros(n, np.bool_)
    for e in range(len(atom)):
        is_gap[target[e]] = atom[e] == any_atom
    place_of = np.full(n, -1, np.int64)
    frontier, following = np.empty(n, np.int32), np.empty(n, np.int32)
    count, tick = 0, 0
    for state in range(n):
        if is_gap[state]:
            continue
        begin = count
        frontier[0] = state
        size, distance = 1, 1
        while size:
            tick += 1
            wider = 0
            for i in range(size):
                for e in range(first[frontier[i]], first[frontier[i] + 1]):
                    t = target[e]
                    if atom[e] == any_atom:
                        if seen[t] != tick:
                            seen[t] = tick
                            following[wider] = t
                            wider += 1
                        continue
                    if place_of[t] < begin:
                        if count == len(out):
                            return -1
                        place_of[t] = count
                        out[count, 0] = state
                        out[count, 1] = t
                        out[count, 2] = 0
                        count += 1
                    out[place_of[t], 2] |= u64(1) << u64(distance)
            frontier, following = following, frontier
            size = wider
            distance += 1
    return count


@compiled
def leftmost(Q: Any, lane: int, phrase: int, token: int, P: Any) -> int:
    """Return the leftmost kept token at which a phrase that ends with `token` can start."""
    now, then = Q.run[0], Q.run[1]
    size = 0
    first = P.phrase_info[phrase, 0]
    for state in range(first, P.phrase_info[phrase, 1]):
        if P.state_info[state, 3] >= 0:
            now[size] = state
            size += 1
    start = token + 1
    for i in range(token, max(-1, token - P.phrase_info[phrase, 2]), -1):
        klass = Q.classes[lane, i]
        if klass < 0 or not size:
            break
        Q.clock[1] += 1
        wider = 0
        for m in range(size):
            state = now[m]
            if not has_atom(P.class_atoms, klass, P.state_info[state, 2]):
                continue
            for e in range(P.state_info[state, 5], P.state_info[state, 6]):
                source = P.back_source[e]
                if Q.stamp[1, source] != Q.clock[1]:
                    Q.stamp[1, source] = Q.clock[1]
                    then[wider] = source
                    wider += 1
        if Q.stamp[1, first] == Q.clock[1]:
            start = i
        now, then = then, now
        size = wider
    return start


@compiled
def is_negated(K: Any, Q: Any, lane: int, start: int, R: Any) -> Any:
    """Return whether a negator stands shortly before token `start` in its clause."""
    for i in range(start - 1, max(-1, start - 1 - R.reach), -1):
        flags = Q.flags[i]
        if flags & STOPS:
            return False
        for c in range(K.end[i], K.start[i + 1]):
            if K.folded[c] & u32(CLAUSE):
                return False
        if (flags >> (NEGATES + lane)) & 1:
            for m in range(i + 1, start + 1):  # noqa: SIM110 - numba knows no generators here
                if Q.flags[m] & AFFIRMS:
                    return False
            return True
    return False


@compiled
def ends(K: Any, Q: Any, lane: int, phrase: int, token: int, found: Any, P: Any, R: Any) -> Any:
    """Return the codes found, with that of a phrase that ends at kept `token` unless it is negated."""
    bit = u64(1) << u64(P.phrase_info[phrase, 3])
    if found & bit:
        return found
    if P.phrase_info[phrase, 4] and Q.negator[lane] >= 0:
        earliest = Q.kept[max(0, token + 1 - P.phrase_info[phrase, 2])] - R.reach
        if Q.negator[lane] >= earliest:
            start = leftmost(Q, lane, phrase, token, P)
            if is_negated(K, Q, lane, Q.kept[start], R):
                return found
    return found | bit


@inlined
def step_place(steps: Any, key: Any) -> Any:
    return i64((key * u64(0x9E3779B97F4A7C15)) >> u64(40)) & (len(steps) - 1)


@compiled
def work_out(C: Any, Q: Any, key: Any, begun: int, klass: int, distance: int, P: Any) -> None:
    """Keep what a class leads to, some tokens after another started something; forget all else where room is short."""
    pool, steps = C.pool, C.steps
    if C.used[0] + 2 * len(Q.states[0, 0]) > len(pool):
        steps[:] = 0
        C.used[0] = 0
    first = i64(C.used[0])
    last, span = first + 2 * len(Q.states[0, 0]), 0
    phrases, top = first, last  # phrases that end are written upwards, states that go on downwards
    Q.clock[1] += 1
    for s in range(P.class_info[begun, 3], P.class_info[begun, 4]):
        state = P.starts[s]
        for e in range(P.state_info[state, 0], P.state_info[state, 1]):
            target = P.edge_target[e]
            if (P.edge_distances[e] >> u64(distance)) & u64(1) and Q.stamp[1, target] != Q.clock[1]:
                Q.stamp[1, target] = Q.clock[1]
                if has_atom(P.class_atoms, klass, P.state_info[target, 2]):
                    if P.state_info[target, 3] >= 0:
                        pool[phrases] = P.state_info[target, 3]
                        phrases += 1
                    if P.state_info[target, 4]:
                        top -= 1
                        pool[top] = target
                        span = max(span, P.state_info[target, 4])
    for s in range(last - top):
        pool[phrases + s] = pool[top + s]
    place = step_place(steps, key)
    C.steps_u64[place, 0] = key
    steps[place, 2] = first
    steps[place, 3] = phrases
    steps[place, 4] = phrases + last - top
    steps[place, 5] = span
    C.used[0] = phrases + last - top


@compiled
def drop_closed(Q: Any, lane: int, token: int) -> int:
    """Forget tokens at which nothing is open any more; return how many are left."""
    kept = 0
    for m in range(Q.count[lane]):
        opened = Q.tokens[lane, m]
        if token - opened < Q.info[lane, opened & (LIVE - 1), 1]:
            Q.tokens[lane, kept] = opened
            kept += 1
    return kept


# ---------------------------------------------------------------- texts


@compiled
def weigh(
    count: int, to: int, found: Any, K: Any, C: Any, Q: Any, N: Any, W: Any, P: Any, R: Any
) -> tuple[float, Any, int, int]:
    """Return (logit, codes, language, distinct words) of a tokenised text.

    Something is open at a token where a state was entered by reading it. A gap is not walked
    through: each edge says how many tokens on its target may stand. So a token that continues
    nothing costs one look at each token that is open.

    Long, because a call that hands on dozens of arrays costs more than what it would do.
    """
    hashes, flags_of, kept_of, classes = K.hash, Q.flags, Q.kept, Q.classes
    cache, cache_u64, cache_f64 = C.words, C.words_u64, C.words_f64
    word_set, pair_set, steps, steps_u64, pool = C.word_set, C.pair_set, C.steps, C.steps_u64, C.pool
    crc, crc_shift, pair_maybe = W.crc, W.crc_shift, W.pair_maybe
    pairs, pair_list, weight_bits, weight_of = W.pairs, C.pair_list, C.weight_bits, C.weight_of
    class_info, class_marks, class_atoms, rows, state_info = (
        P.class_info,
        P.class_marks,
        P.class_atoms,
        P.rows,
        P.state_info,
    )
    edge_target, edge_distances, singles, phrase_info = P.edge_target, P.edge_distances, P.singles, P.phrase_info
    opens, open_tokens, open_info, open_states, open_marks = Q.count, Q.tokens, Q.info, Q.states, Q.marks
    stamp, clock, negator = Q.stamp, Q.clock, Q.negator
    lanes = len(W.plain_class)
    size = 64
    while size < 2 * count:
        size *= 2
    word_set[:size] = u64(0)
    pair_set[:size] = u64(0)
    mask, places = size - 1, len(cache) - 1
    for lane in range(lanes):
        negator[lane] = -1
        opens[lane] = 0
    words, letters = 0, 0
    spanish, portuguese, english = 0, 0, 0
    total = 0.0
    kept, resume, fresh = 0, 0, 0
    previous, previous_key = u64(0), u32(0)
    salt, multiplier = N.seed[2], N.seed[1]
    for i in range(count):  # asks for all words first, for the same reason
        h = hashes[i]
        slot = i64(h >> u64(24)) & places
        if cache_u64[slot, 0] != h and h:
            learn(K.folded, h, K.at[i], K.length[i], to, C, slot, N, W)
    for i in range(count):
        h = hashes[i]
        if not h:
            flags_of[i] = STOPS
            kept_of[kept] = i
            for lane in range(lanes):
                classes[lane, kept] = -1
                negator[lane] = -1
                opens[lane] = 0
            kept += 1
            previous = u64(0)
            continue
        slot = i64(h >> u64(24)) & places
        if cache_u64[slot, 0] != h:
            learn(K.folded, h, K.at[i], K.length[i], to, C, slot, N, W)
        flags = i64(cache[slot, 8])
        flags_of[i] = flags
        if not flags & UNMATCHED:
            kept_of[kept] = i
            for lane in range(lanes):
                klass = i64(cache[slot, 9 + lane])
                kind = klass >> CLASS_FLAGS
                klass &= (1 << CLASS_FLAGS) - 1
                classes[lane, kept] = klass
                live = i64(opens[lane])
                if not kind or (kind == CONTINUES and not live):
                    continue
                here = kept & (LIVE - 1)
                begins = i64(class_info[klass, 1])
                span, more = begins, 0
                if live and kind & CONTINUES:
                    mark = clock[0] + 1
                    clock[0] = mark
                    local = klass - i64(class_info[klass, 2])
                    word, shift = local >> 6, u64(local & 63)
                    left, own = 0, class_marks[klass, 4]
                    own_half = (own | own >> u64(32)) & u64(0xFFFFFFFF)
                    for m in range(live):
                        opened = i64(open_tokens[lane, m])
                        distance = kept - opened
                        there = opened & (LIVE - 1)
                        if distance > open_info[lane, there, 1]:
                            continue
                        open_tokens[lane, left] = opened
                        left += 1
                        begun = i64(open_info[lane, there, 0])
                        near = 0 if distance == 1 else 1
                        if open_marks[lane, there, near] & own and (rows[begun, word, near] >> shift) & u64(1):
                            key = (u64(begun) << u64(36)) | u64(klass << 6 | distance)
                            place = step_place(steps, key)
                            if steps_u64[place, 0] != key:
                                work_out(C, Q, key, begun, klass, distance, P)
                            for s in range(steps[place, 2], steps[place, 3]):
                                phrase = i64(pool[s])
                                if not (found >> u64(phrase_info[phrase, 3])) & u64(1):
                                    found = ends(K, Q, lane, phrase, kept, found, P, R)
                            for s in range(steps[place, 3], steps[place, 4]):
                                target = i64(pool[s])
                                if stamp[0, target] != mark:
                                    stamp[0, target] = mark
                                    open_states[lane, here, more] = target
                                    more += 1
                            span = max(span, i64(steps[place, 5]))
                        for s in range(open_info[lane, there, 2]):
                            source = i64(open_states[lane, there, s])
                            if not u64(u32(state_info[source, 7])) & own_half:
                                continue
                            for edge in range(state_info[source, 0], state_info[source, 1]):
                                if (edge_distances[edge] >> u64(distance)) & u64(1):
                                    target = i64(edge_target[edge])
                                    if stamp[0, target] == mark or not has_atom(
                                        class_atoms, klass, state_info[target, 2]
                                    ):
                                        continue
                                    stamp[0, target] = mark
                                    phrase = i64(state_info[target, 3])
                                    if phrase >= 0 and not ((found >> u64(phrase_info[phrase, 3])) & u64(1)):
                                        found = ends(K, Q, lane, phrase, kept, found, P, R)
                                    if state_info[target, 4]:
                                        span = max(span, i64(state_info[target, 4]))
                                        open_states[lane, here, more] = target
                                        more += 1
                    live = left
                elif live > LIVE // 2:
                    live = drop_closed(Q, lane, kept)
                if kind & SINGLE:
                    for s in range(class_info[klass, 5], class_info[klass, 6]):
                        phrase = i64(singles[s])
                        if not (found >> u64(phrase_info[phrase, 3])) & u64(1):
                            found = ends(K, Q, lane, phrase, kept, found, P, R)
                if span:
                    open_tokens[lane, live] = kept
                    open_info[lane, here, 0] = klass
                    open_marks[lane, here, 0] = class_marks[klass, 5]
                    open_marks[lane, here, 1] = class_marks[klass, 6]
                    open_info[lane, here, 1] = span
                    open_info[lane, here, 2] = more
                    live += 1
                opens[lane] = live
            kept += 1
            if flags >> NEGATES:
                for lane in range(lanes):
                    if (flags >> (NEGATES + lane)) & 1:
                        negator[lane] = i
        if i < resume:
            continue
        identity, weight = cache_u64[slot, 1], cache_f64[slot, 2]
        crc32, length = u32(cache[slot, 6]), i64(cache[slot, 7])
        if flags & OPENS:
            form, width = name_at(hashes, i, count, N.seed, W.neutral_keys, W.neutral_values, R.longest_name)
            if width > 1:
                identity, weight = W.form_id[form], W.form_weight[form]
                crc32, length = u32(W.form_info[form, 0]), i64(W.form_info[form, 1])
                flags = i64(W.form_info[form, 2])
                resume = i + width
        if add(word_set, mask, identity):
            words += 1
            total += weight
            if flags & LETTERS:
                letters += 1
                spoken = (flags >> LANGUAGE) & 3
                spanish += spoken == 1
                portuguese += spoken == 2
                english += spoken == 3
        if flags & PICTURE:
            continue
        if previous and add(pair_set, mask, finish((previous ^ salt) * multiplier + identity)):
            pair_list[fresh] = pair_key(previous_key, crc32, length, crc, crc_shift)
            fresh += 1
        previous, previous_key = identity, crc32
    # All at once, so that the processor need not wait for one to ask for the next
    for m in range(fresh):
        pair = pair_list[m]
        bit = pair >> u32(12)
        if (pair_maybe[bit >> u32(6)] >> u64(bit & u32(63))) & u64(1):
            place = i64(pair >> u32(8)) & (len(pairs) - 1)
            while pairs[place] and pairs[place] >> u64(32) != pair:
                place = (place + 1) & (len(pairs) - 1)
            weight_bits[0] = u32(pairs[place])
            total += np.float64(weight_of[0])
    logit = R.intercept + total / np.sqrt(words + R.few_words) + indicators(found, W.code_weight, R)
    most = max(spanish, portuguese, english)
    spoken = 0 if most == spanish else 1 if most == portuguese else 2
    if most < max(float(R.min_frequent if letters > R.few else 1), R.min_share * letters):
        spoken = 3
    return logit, found, spoken, words


@compiled
def indicators(found: Any, weights: Any, R: Any) -> float:
    """Return what the codes found and their combination add to the logit."""
    framed = R.framed if found & R.framings else 1.0
    total, risks = 0.0, 0.0
    code = 0
    while found:
        if found & u64(1):
            risk = (R.risks >> u64(code)) & u64(1) != 0
            risks += framed if risk else 0.0
            total += weights[code] * (framed if risk else 1.0)
        found >>= u64(1)
        code += 1
    if risks > 1:
        total += R.combination * (min(risks, R.max_combined) - 1) / (R.max_combined - 1)
    return total


@kept
def score_texts(
    data: Any, offsets: Any, first: int, last: int, D: Any, N: Any, W: Any, P: Any, R: Any, K: Any, C: Any, Q: Any,
    logit: Any, codes: Any, language: Any, words: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Score texts [first, last); return (status, the text it ended at, what is needed there)."""
    for i in range(first, last):
        begin = i64(offsets[i])
        end = cut(data, begin, i64(offsets[i + 1]), R.max_text)
        if end < 0:
            return NOT_UTF8, i, 0
        status, n, hidden = fold(data, begin, end, D.folds, D.hides, D.expansions, K.folded)
        if status:
            return status, i, n
        count, to, repaired = tokenise(K, n, N, R)
        if count < 0:
            return NEED_ROOM, i, 0
        found = R.evasion if hidden or repaired else u64(0)
        logit[i], codes[i], language[i], words[i] = weigh(count, to, found, K, C, Q, N, W, P, R)
    return DONE, last, 0
