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
from llvmlite import ir
from numba.core import types
from numba.core.cpu import CPUTargetOptions
from numba.core.pythonapi import PythonAPI
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

# numba knows these as types; the type checker need not tell them from int
i64: Any = np.int64
u32: Any = np.uint32
u64: Any = np.uint64


# Nothing here allocates, and counting references to the arrays took a third of the time. numba's own code
# uses this option, but its manual does not promise it: so only where it is there.
OPTIONS = {"nogil": True, "error_model": "numpy"} | ({"_nrt": False} if hasattr(CPUTargetOptions, "_nrt") else {})
INLINED = {"forceinline": True} if hasattr(CPUTargetOptions, "forceinline") else {}
# Where strings are is asked of what numba itself asks, which its manual does not promise either
IN_PLACE = hasattr(PythonAPI, "string_as_string_size_and_kind") and hasattr(PythonAPI, "get_type")
njit: Any = numba.njit
tuple_of: Any = types.UniTuple


def compiled(function: F) -> F:
    """Return the function compiled when first called, without the GIL."""
    return cast(F, njit(**OPTIONS)(function))


def inlined(function: F) -> F:
    """Do the same for a small function that is called for each word or phrase."""
    return cast(F, njit(**OPTIONS, inline="always")(function))


def stage(function: F) -> F:
    """Do the same for what is done once a text: as a call, it would hand over all tables, some kilobytes."""
    return cast(F, njit(**OPTIONS, **INLINED)(function))


def kept(function: F, nogil: bool = True) -> F:
    """Do the same, and keep what was compiled on disk; only for what Python calls.

    numba writes beside this file or else in the user's cache folder, whole files at a time, and
    looks whether this file and the processor are the same before it reads.
    """
    try:
        dispatcher: Any = njit(**OPTIONS | {"nogil": nogil}, cache=True)(function)
    except RuntimeError:  # "no locator available": it may write in neither place
        return cast(F, njit(**OPTIONS | {"nogil": nogil})(function))
    cache = dispatcher._cache
    load, save = getattr(cache, "_load_overload", cache.load_overload), cache.save_overload

    def load_overload(signature: Any, context: Any) -> Any:
        # The public method first has the context know all that numba can compile (and imports SciPy where there
        # is one), a third of a second. What was compiled needs no more than the runtime.
        try:
            rtsys.initialize(context)
            return load(signature, context)
        except Exception:  # a broken file, in as many ways as unpickling knows: compile anew
            return None

    def save_overload(*arguments: Any) -> None:
        with contextlib.suppress(Exception):  # a full or vanished disk, a broken index: next time again
            save(*arguments)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return cast(F, dispatcher)


def with_gil(function: F) -> F:
    """Do the same with the GIL held, as what looks into Python's objects must."""
    return kept(function, nogil=False)


def instruction(function: Callable[..., Any]) -> Any:
    """Return what stands for machine instructions that numba has no word for; its first argument is not passed."""
    return intrinsic(function)


def signs_of(text: str) -> tuple[Any, Any]:
    """Return ASCII characters as two numbers of 64 bits."""
    bits = sum(1 << ord(sign) for sign in text)
    return np.uint64(bits & 0xFFFFFFFFFFFFFFFF), np.uint64(bits >> 64)


U64, U128, BYTE = ir.IntType(64), ir.IntType(128), ir.IntType(8).as_pointer()


@instruction
def trailing_zeros(typing: Any, bits: Any) -> Any:
    """Return how many bits below the lowest set one; 64 where none is set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(0))

    return types.int64(types.uint64), generate


@instruction
def ones(typing: Any, bits: Any) -> Any:
    """Return how many bits are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@instruction
def mixed(typing: Any, a: Any, b: Any) -> Any:
    """Return the upper and the lower half of a product of 64-bit numbers, put together by exclusive or."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = builder.mul(*(builder.zext(argument, U128) for argument in arguments))
        return builder.xor(builder.trunc(product, U64), builder.trunc(builder.lshr(product, U128(64)), U64))

    return types.uint64(types.uint64, types.uint64), generate


@instruction
def type_at(typing: Any, address: Any) -> Any:
    """Return the address of the type of what Python holds at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        api = context.get_python_api(builder)
        return builder.ptrtoint(api.get_type(builder.inttoptr(arguments[0], api.pyobj)), U64)

    return types.int64(types.int64), generate


@instruction
def string_at(typing: Any, address: Any) -> Any:
    """Return (address of the code points, their number, bytes of each) of a string that Python holds at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        api = context.get_python_api(builder)
        held = builder.inttoptr(arguments[0], api.pyobj)
        _, points, size, width, *_ = api.string_as_string_size_and_kind(held)
        found = (builder.ptrtoint(points, U64), size, builder.zext(width, U64))
        return context.make_tuple(builder, signature.return_type, found)

    return tuple_of(types.int64, 3)(types.int64), generate


def reader(bits: int) -> Any:
    """Return what reads a number of so many bits, the `place`-th from an address on."""

    @instruction
    def read(typing: Any, address: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            start = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
            read = builder.load(builder.gep(start, [arguments[1]]))
            return builder.zext(read, U64) if bits < 64 else read

        return types.uint64(types.int64, types.int64), generate

    return read


byte_at, two_bytes_at, four_bytes_at, pointer_at = reader(8), reader(16), reader(32), reader(64)


def call_prefetch(builder: Any, place: Any, nearness: int) -> None:
    i32 = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [BYTE, i32, i32, i32])
    fetch = builder.module.declare_intrinsic("llvm.prefetch", [BYTE], kind)
    builder.call(fetch, [place, i32(0), i32(nearness), i32(1)])  # to read, data


@instruction
def prefetch_line(typing: Any, address: Any) -> Any:
    """Have the cache line at an address fetched from memory, if it can be, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        call_prefetch(builder, builder.inttoptr(arguments[0], BYTE), 2)  # to the second cache
        return context.get_dummy_value()

    return types.void(types.int64), generate


@instruction
def eight_bytes(typing: Any, data: Any, place: Any) -> Any:
    """Return the eight bytes at a place of an array of bytes as one number, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        at = builder.bitcast(builder.gep(array.data, [arguments[1]]), U64.as_pointer())
        loaded = builder.load(at)
        loaded.align = 1
        return loaded

    return types.uint64(data, types.int64), generate


@instruction
def is_among_eight(typing: Any, table: Any, place: Any, value: Any) -> Any:
    """Return whether one of eight numbers of 16 bits from a place on is this one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, i16, i32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
        eight = ir.VectorType(i16, 8)
        loaded = builder.load(builder.bitcast(builder.gep(array.data, [arguments[1]]), eight.as_pointer()))
        loaded.align = 2
        one = builder.insert_element(ir.Constant(eight, ir.Undefined), builder.trunc(arguments[2], i16), i32(0))
        wanted = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(i32, 8), [0] * 8))
        equal = builder.bitcast(builder.icmp_unsigned("==", loaded, wanted), byte)
        return builder.icmp_unsigned("!=", equal, byte(0))

    return types.boolean(table, types.uint64, types.uint64), generate


def at_once(builder: Any, array: Any, place: Any) -> Any:
    """Return 64 numbers of 32 bits from a place of an array on, as a vector."""
    loaded = builder.load(
        builder.bitcast(builder.gep(array.data, [place]), ir.VectorType(ir.IntType(32), 64).as_pointer())
    )
    loaded.align = 4
    return loaded


@instruction
def alike(typing: Any, table: Any, place: Any, bits: Any, value: Any) -> Any:
    """Return a bit for each of 64 numbers from a place on, that of the first lowest: whether these bits are so."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        numbers = at_once(builder, array, arguments[1])
        equal = builder.icmp_unsigned(
            "==", builder.and_(numbers, spread_out(builder, arguments[2])), spread_out(builder, arguments[3])
        )
        return builder.bitcast(equal, U64)

    return types.uint64(table, types.uint64, types.uint32, types.uint32), generate


@instruction
def same(typing: Any, table: Any, place: Any) -> Any:
    """Return a bit for each of 64 numbers from a place on: whether the next one is the same."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        numbers = at_once(builder, array, arguments[1])
        following = at_once(builder, array, builder.add(arguments[1], U64(1)))
        return builder.bitcast(builder.icmp_unsigned("==", numbers, following), U64)

    return types.uint64(table, types.uint64), generate


def spread_out(builder: Any, number: Any) -> Any:
    """Return a vector of 64 times the same number."""
    many, i32 = ir.VectorType(number.type, 64), ir.IntType(32)
    one = builder.insert_element(ir.Constant(many, ir.Undefined), number, i32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(i32, 64), [0] * 64))


@instruction
def prefetch(typing: Any, table: Any, row: Any) -> Any:
    """Have a row of an array fetched from memory, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        if signature.args[0].ndim == 1:
            place = builder.bitcast(builder.gep(array.data, [arguments[1]]), BYTE)
        else:
            stride = builder.extract_value(array.strides, 0)
            place = builder.gep(builder.bitcast(array.data, BYTE), [builder.mul(stride, arguments[1])])
        call_prefetch(builder, place, 3)  # to the nearest cache
        return context.get_dummy_value()

    return types.void(table, types.int64), generate


# Class bits of a packed code point, above its 21 bits.
CODE = 0x1FFFFF
WORD = 1 << 21  # \w
ALPHA = 1 << 22  # str.isalpha
DECIMAL = 1 << 23  # \d
LETTER = 1 << 24  # [^\W\d_]
CHUNK = 1 << 25  # [\w@$]
SYMBOL = 1 << 26  # a token by itself
STOP = 1 << 27  # [!?;\n]
SPECIAL = 1 << 28  # in the fold table only: the code is a place in `expansions`, never 0
DIGIT = 1 << 29  # str.isdigit
CLAUSE = 1 << 30  # what a negator does not reach past
EMOJI = 1 << 31  # tokens.is_emoji
DOT, COMMA, DOLLAR, AT, UNDERSCORE = 46, 44, 36, 64, 95

# Columns of `Tokens.marks`
CHUNKS, PLAIN, STANDING = 0, 1, 2

# Ranges of code points for `_HIDDEN`
LATIN, FOREIGN, INVISIBLE = 1, 2, 3

# Signs that may cut up a word: between single letters, and (some of them) between longer pieces
LETTER_JOINERS = signs_of(" ._-*/|~,")
PIECE_JOINERS = signs_of("._*|~")
# All bits of the first 0 to 7 bytes of a number, of all eight, and so on; from 24 on, what is left of them for a second
FIRST_BYTES = np.array([(1 << 8 * min(max(size, 0), 8)) - 1 for size in (*range(24), *range(-8, 16))], np.uint64)

NOT_ASCII: Any = np.uint64(0x8080808080808080)

# What a call may end with.
DONE, NEED_FOLDS, NEED_ROOM, NOT_UTF8 = 0, 1, 2, 3

# Bits of a word's flags.
UNMATCHED = 1  # an emoji no phrase names
PICTURE = 2  # an emoji, for pairs
LETTERS = 4  # str.isalpha
OPENS = 8  # a name of several words
AFFIRMS = 16  # matching.NOT_NEGATED
LANGUAGE = 5  # shift: number of the language + 1, two bits
FOLLOWS = 4  # shift down to OPENS: a name of several words goes on with it
NEGATES = 8  # shift: one bit a lane
STOPS = 1 << 20  # a sentence boundary
NEUTRAL = 24  # shift, in `marks` only: number of the neutral form + 1

LANES = 6  # at most
MAX_STAMP = (1 << 31) - 2
WIDEST = 64  # tokens that a phrase may take: patterns.MAX_PATTERN is less
FIRST = 64  # place of the first token that phrases see: tokens are looked at so far around one, and not further
WINDOW, PLACES = 8, 256  # tokens that an ask looks at, and bits that classes have a place among
ASKED, HELD = 4, PLACES // 64  # asks of an anchor, and numbers that hold these bits
PADDING = 128  # zeros after a folded text, which no loop over blocks of 64 reads beyond
BLOCK = 16  # code points of a string that are folded together
USUAL = 12  # words, of 64 code points
TALLY = 21  # bits that count the words of a language: a text has no more than MAX_TEXT, which is less than 2**21
LIKELY = 1024  # anchors that are gathered before they are looked at closer
FEW_ANCHORS = 8  # that nearly all words with any have no more than
BREAK = -1  # class of a sentence boundary
ATOM_PLACES = 8  # of a hash set, at one of which an atom stands
NUMBERED = 1 << 16  # atoms, and classes
BEGINS, ENDS = 1, 2  # flags of a state: a phrase may begin or end with it
FLAGS = 24  # shift, in an edge


class Texts(NamedTuple):
    """The texts of a batch: UTF-8 in a buffer, or where Python holds its strings."""

    data: Any  # uint8: the buffer
    begins: Any  # int64, one a text: its place in the buffer; the address of a string's code points
    sizes: Any  # int64: bytes of UTF-8; code points of a string
    widths: Any  # uint8: bytes of each code point of a string; 0 for UTF-8


class Folding(NamedTuple):
    """Code points to packed folded ones; filled in by Python where a text needs more."""

    folds: Any  # uint32 (0x110000,): packed code point, or SPECIAL; 0 where not worked out yet
    roles: Any  # uint8 (0x110000,), in hidden spellings: LATIN, FOREIGN, INVISIBLE or 0
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

    name_class: Any  # int32 (names + 2,): number of a class; the last two of a token without a name, and of a number
    mark_keys: Any
    mark_values: Any  # flags of a token, and its neutral form
    neutral_keys: Any
    neutral_values: Any  # names of several words -> neutral form
    form_id: Any  # uint64: of a neutral form or a shape of a number (`#0` to `#9`, the last ten)
    form_keys: Any  # the same as a hash table
    form_values: Any
    form_info: Any  # int32 (forms, 4): crc32, UTF-8 bytes, flags, crc32 with a space after it
    form_weight: Any  # float64
    crc: Any  # uint32 (256,)
    crc_shift: Any  # uint32 (lengths * 4 * 256,): a crc32 with that many bytes after it, by its four bytes
    word_keys: Any
    word_first: Any  # int32: where keys with the same upper bits start
    word_weights: Any
    pairs: Any  # uint64: crc32 << 32 | bits of the float32 weight; a hash table by the upper bits
    pair_maybe: Any  # uint64: one bit for the upper bits of a key
    gram_weights: Any
    code_weight: Any  # float64 (64,)


class Phrases(NamedTuple):
    """The catalogue's phrases; gaps are taken out of the edges, which say how far on their target may stand.

    A class is a set of atoms that some word satisfies; the class 0 has none.
    """

    class_sign: Any  # uint64 (classes, 4): one of 128 bits for each atom (`mark_of`), where its atoms start, their mask
    class_has: Any  # uint16: a hash set of the atoms of each class, one after the other; NUMBERED - 1 where free
    class_place: Any  # uint8 (classes,): which of PLACES bits stands for a class; 0 for that without atoms only
    anchor_first: Any  # int32 (classes + 1,): where the anchors start that words of a class may stand on
    anchor_at: Any  # uint64 (places,): number of an anchor << 32 | what it asks for first
    asks: Any  # uint32 (anchors * ASKED,): number of a set << 16 | first offset << 8 | bits; see `anchors.Ask`
    set_places: Any  # uint64 ((sets + 1) * HELD,): places of the classes that have an atom of the set; the last all
    anchors: Any  # int32 (anchors, 2): state, phrase
    states: Any  # int32 (states, 16): flags, edges on from and to, their reach, edges back from and to, their reach
    state_signs: Any  # uint64, the same bytes: from 4 on, marks (two places each) of the atoms on and of those back
    edges: Any  # uint64 (edges, 2): target in its phrase << 32 | its flags << 24 | mark << 16 | its atom; bit d: it may
    # stand d tokens on
    edges_back: Any  # the same by target: what stands before
    phrase_info: Any  # int32 (phrases, 4): first state, end, lane (LANES if it cannot be negated), number of the code


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
    low: Any  # uint8: the lower bytes of the folded text
    marks: Any  # uint64 (blocks * 4,), a bit a code point: in a chunk; a plain letter; by itself; nothing
    bounds: Any  # int32 (2 * code points,): begin and end of each chunk and of what stands by itself
    glued: Any  # int32: tokens that one character may hold together with the one before
    start: Any  # int32, one a token: its place in the folded text
    end: Any
    at: Any  # int32: where its text stands in `folded`
    length: Any
    hash: Any  # uint64: 0 for a boundary
    alpha: Any  # uint8
    cost: Any  # int32: for spaced letters
    step: Any  # int32


class Cache(NamedTuple):
    """Words met so far, and the distinct pairs of a text. It only saves time: no result depends on it."""

    words: Any  # int32 (places, 16): hash, weight (two places each), stamp, class, form + 1, crc32, UTF-8 bytes, flags,
    # the place of its class, the first anchor of the class, their number, crc32 with a space, the hash that tables hold
    words_u64: Any  # views of it
    words_f64: Any
    used: Any  # int64 (1,): places taken
    slot: Any  # int32, one a token: the place of its word; then that of a boundary
    pair_set: Any  # uint64
    pair_key: Any  # uint32, one a pair
    pair_ids: Any  # uint64
    weight_bits: Any  # uint32 (1,): the next is a view of it
    weight_of: Any  # float32 (1,)
    form_stamp: Any  # int32 (1 + forms,): of none, then of each


class Layout(NamedTuple):
    """Where words stand in one text, to look for phrases."""

    clock: Any  # int64 (2,): number of the text; of a walk
    kept: Any  # int32: the token of each one that phrases see
    classes: Any  # int32: of these, from FIRST on, BREAK before the first and after the last
    places: Any  # uint8: of these classes
    stands: Any  # uint64 (tokens,): a token whose class has anchors << 32 | the place of the first of these
    anchors: Any  # int32 (tokens,): their number
    likely: Any  # uint64 (LIKELY and more,): a token << 32 | an anchor of which a phrase may be there
    seen: Any  # uint64 (states of a phrase, 2): walk, and offsets at which the state was seen
    stack: Any  # int32 (places, 2): state, token


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


@inlined
def short_hash(first: Any, second: Any, seed: Any) -> Any:
    """Return the hash of a word of up to 16 code points below U+0100: its bytes, zeros after them."""
    h = mixed(first ^ seed[0], second ^ seed[1])
    return h if h else u64(1)


@compiled
def hash_of(f: Any, at: int, n: int, seed: Any) -> Any:
    """Return by what a word is known in the word cache; never 0."""
    h, above = seed[0], u64(0)
    first, second, size = u64(0), u64(0), 0
    for i in range(n):
        code = u64(f[at + i] & u32(CODE))
        above = (above ^ (code >> u64(8))) * seed[1]  # stays 0 where all are below U+0100
        if size == 16:
            h = mixed(first ^ h, second ^ seed[1])
            first, second, size = u64(0), u64(0), 0
        if size < 8:
            first |= (code & u64(255)) << u64(8 * size)
        else:
            second |= (code & u64(255)) << u64(8 * (size - 8))
        size += 1
    h = mixed(first ^ h, second ^ seed[1])
    if above:
        h = mixed(h ^ above, seed[2])
    return h if h else u64(1)


@compiled
def name_hash_of(f: Any, at: int, n: int, seed: Any) -> Any:
    """Return the hash of a word as the tables hold it, which those of its beginnings lead to."""
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


@inlined
def is_latin(code: Any, roles: Any) -> Any:
    return code < u64(0x80) and roles[code] == LATIN


@inlined
def hides(role: int, before: Any, latin_next: Any, after_latin: Any) -> tuple[Any, int]:
    """Return (whether this is among invisible characters after a Latin letter, 1 where a spelling is hidden here)."""
    inside = role == INVISIBLE and (before or after_latin)
    return inside, i64((role == FOREIGN and (before or latin_next)) or (inside and latin_next))


@inlined
def expand(f: Any, n: int, expansions: Any, place: int) -> Any:
    """Write to f what a code point is folded to that is not folded to one; return the new end."""
    count = i64(expansions[place])
    for k in range(count):
        f[n + k] = expansions[place + 1 + k]
    return n + count


@stage
def fold(data: Any, p: int, end: int, folds: Any, roles: Any, expansions: Any, f: Any) -> tuple[int, int, int]:
    """Fold a text into f; return (status, folded code points or what is needed, whether scripts hide)."""
    n, hidden, room, first = 0, 0, len(f) - PADDING - 64, p
    after_latin = False  # inside invisible characters that follow a Latin letter
    while p < end:
        if n + 32 > room:
            return NEED_ROOM, 0, 0
        eight = eight_bytes(data, p) if p + 8 <= end else NOT_ASCII
        while not eight & NOT_ASCII and n + 8 <= room:
            for i in range(8):
                f[u64(n + i)] = folds[(eight >> u64(8 * i)) & u64(0x7F)]
            n += 8
            p += 8
            eight = eight_bytes(data, p) if p + 8 <= end else NOT_ASCII
        if p >= end:
            break
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
        role = roles[code]
        if role:
            before = p > first and is_latin(u64(data[p - 1]), roles)
            latin_next = p + width < end and is_latin(u64(data[p + width]), roles)
            after_latin, found = hides(role, before, latin_next, after_latin)
            hidden |= found
        else:
            after_latin = False
        # An invisible run ends at any ASCII character, which is looked at as `latin_next` and `before`.
        if p + width < end and data[p + width] < 0x80:
            after_latin = False
        if packed & u32(SPECIAL):
            n = expand(f, n, expansions, i64(packed & u32(CODE)))
        else:
            f[n] = packed
            n += 1
        p += width
    f[n : n + PADDING] = u32(0)
    return DONE, n, hidden


@inlined
def point_at(address: int, i: int, width: int) -> Any:
    """Return a code point of a string of which each takes `width` bytes."""
    if width == 1:
        return byte_at(address, i)
    return two_bytes_at(address, i) if width == 2 else four_bytes_at(address, i)


@inlined
def fold_block(address: int, i: int, width: int, folds: Any, f: Any, n: int) -> Any:
    """Fold BLOCK code points of a string to as many; return 0 unless some needs a closer look, and nothing counts."""
    odd = u32(0)
    if width == 1:
        for j in range(BLOCK):
            packed = folds[byte_at(address, i + j)]
            f[u64(n + j)] = packed
            odd |= packed - u32(1)
    elif width == 2:
        for j in range(BLOCK):
            packed = folds[two_bytes_at(address, i + j)]
            f[u64(n + j)] = packed
            odd |= packed - u32(1)
    else:
        for j in range(BLOCK):
            packed = folds[four_bytes_at(address, i + j)]
            f[u64(n + j)] = packed
            odd |= packed - u32(1)
    return odd & u32(SPECIAL)  # less one, 0 has it too: a code point met for the first time


@inlined
def fold_point(
    address: int, i: int, count: int, width: int, folds: Any, roles: Any, expansions: Any, f: Any, n: int, inside: Any
) -> tuple[int, Any, int]:
    """Fold the i-th code point of a string; return (new end, and as `hides`, which is given where one is `inside`)."""
    code = point_at(address, i, width)
    packed, role, found = folds[code], roles[code] if code >= u64(0x80) else 0, 0
    if role:
        before = i > 0 and is_latin(point_at(address, i - 1, width), roles)
        latin_next = i + 1 < count and is_latin(point_at(address, i + 1, width), roles)
        inside, found = hides(role, before, latin_next, inside)
    else:
        inside = False
    if packed & u32(SPECIAL):
        return expand(f, n, expansions, i64(packed & u32(CODE))), inside, found
    f[n] = packed
    return n + 1, inside, found


@stage
def fold_string(
    address: int, count: int, width: int, folds: Any, roles: Any, expansions: Any, f: Any
) -> tuple[int, int, int]:
    """Do for a string what `fold` does for UTF-8, with the same result: by blocks, and closely where one is odd."""
    i, n, hidden, room = 0, 0, 0, len(f) - PADDING - 64
    after_latin = False
    while i < count:
        while i + BLOCK <= count and n + BLOCK <= room and not fold_block(address, i, width, folds, f, n):
            i, n, after_latin = i + BLOCK, n + BLOCK, False
        stop = min(i + BLOCK, count)
        while i < stop:
            if n + 32 > room:
                return NEED_ROOM, 0, 0
            if not folds[point_at(address, i, width)]:
                return NEED_FOLDS, i64(point_at(address, i, width)), 0
            n, after_latin, found = fold_point(address, i, count, width, folds, roles, expansions, f, n, after_latin)
            hidden |= found
            i += 1
    f[n : n + PADDING] = u32(0)
    return DONE, n, hidden


@stage
def fold_text(data: Any, begin: int, size: int, width: int, D: Any, f: Any, R: Any) -> tuple[int, int, int]:
    """Fold what is read of a text; return as `fold`."""
    if width:
        return fold_string(begin, min(size, R.max_text), width, D.folds, D.roles, D.expansions, f)
    end = cut(data, begin, begin + size, R.max_text)
    if end < 0:
        return NOT_UTF8, 0, 0
    return fold(data, begin, end, D.folds, D.roles, D.expansions, f)


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


@inlined
def is_one_of(code: Any, signs: Any) -> Any:
    """Return 1 if a code point is among ASCII signs, given as two numbers of 64 bits; else 0."""
    half = signs[1] if code & u32(64) else signs[0]
    return i64((half >> u64(code & u32(63))) & u64(code < u32(128)))


@inlined
def glues(f: Any, last: int, start: int, single: Any) -> Any:
    """Return 1 if one character may hold together what ends at `last` and starts at `start`, else 0.

    `single` says whether both are single characters, which more signs stand between.
    """
    code = f[u64(last)] & u32(CODE)
    lower, upper = (
        LETTER_JOINERS[0] if single else PIECE_JOINERS[0],
        LETTER_JOINERS[1] if single else PIECE_JOINERS[1],
    )
    return i64(start - last == 1) & is_one_of(code, (lower, upper))


@stage
def mark(K: Any, n: int) -> None:
    """Fill `low` and `marks` for the n code points of a folded text, 64 at a time.

    A plain letter is below U+0100, begins no three alike, and stands before no point or comma that a digit follows: a
    word of such letters is a token as it stands.
    """
    f, low, marks = K.folded, K.low, K.marks
    for block in range((n + 127) // 64):
        base = 64 * block
        for i in range(64):
            low[u64(base + i)] = f[u64(base + i)] & u32(255)
        here, second, third = u64(base), u64(base + 1), u64(base + 2)
        plain = alike(f, here, u32(ALPHA | (CODE ^ 255)), u32(ALPHA))
        drawn_out = same(f, here) & same(f, second)
        point = alike(f, second, u32(CODE), u32(DOT)) | alike(f, second, u32(CODE), u32(COMMA))
        before_number = point & alike(f, third, u32(DECIMAL), u32(DECIMAL))
        at = u64(4 * block)
        marks[at + u64(CHUNKS)] = alike(f, here, u32(CHUNK), u32(CHUNK))
        marks[at + u64(PLAIN)] = plain & ~drawn_out & ~before_number
        marks[at + u64(STANDING)] = ~alike(f, here, u32(STOP | SYMBOL), u32(0)) | alike(f, here, u32(CODE), u32(DOT))


@inlined
def marks_at(marks: Any, which: int, i: int) -> Any:
    """Return the marks of 64 code points from i on, that of i lowest."""
    at, shift = (u64(i) >> u64(6)) * u64(4) + u64(which), u64(i) & u64(63)
    return (marks[at] >> shift) | ((marks[at + u64(4)] << u64(1)) << (u64(63) - shift))


@inlined
def note(bounds: Any, column: int, count: int, bits: Any, base: int) -> Any:
    """Write the places of bits to a column from row `count` on; return the new count.

    Some are always written, as nobody could foretell how many there are; what is too much is overwritten.
    """
    total = ones(bits)
    for i in range(USUAL):
        bounds[u64(2 * (count + i) + column)] = base + trailing_zeros(bits)
        bits &= bits - u64(1)
    for i in range(USUAL, total):
        bounds[u64(2 * (count + i) + column)] = base + trailing_zeros(bits)
        bits &= bits - u64(1)
    return count + total


@stage
def outline(K: Any, n: int) -> int:
    """Fill `bounds` with the chunks and the characters that stand by themselves; return how many."""
    marks, bounds = K.marks, K.bounds
    begun, ended, carried = 0, 0, u64(0)
    for block in range((n + 63) // 64):
        at, base = u64(4 * block), 64 * block
        chunks, standing, following = marks[at + u64(CHUNKS)], marks[at + u64(STANDING)], marks[at + u64(4 + CHUNKS)]
        first = (chunks & ~((chunks << u64(1)) | carried)) | standing
        last = (chunks & ~((chunks >> u64(1)) | (following << u64(63)))) | standing
        carried = chunks >> u64(63)
        begun = note(bounds, 0, begun, first, base)
        ended = note(bounds, 1, ended, last, base + 1)
    return begun


@inlined
def is_plain(marks: Any, i: int, size: int) -> Any:
    """Return whether a chunk is a word of plain letters alone, and no longer than its hash takes at once."""
    within = (u64(2) << u64((size - 1) & 63)) - u64(1)  # of a longer one no matter what
    return (size <= 16) & (~marks_at(marks, PLAIN, i) & within == u64(0))


@inlined
def plain_hash(low: Any, i: int, size: int, seed: Any) -> Any:
    """Return the hash of a plain word, the same as `hash_of` gives."""
    first = eight_bytes(low, i) & FIRST_BYTES[u64(size)]
    second = eight_bytes(low, i + 8) & FIRST_BYTES[u64(size + 24)]
    return short_hash(first, second, seed)


@inlined
def glue(K: Any, first: int, last: int, glued: int, end: int, single: Any) -> tuple[int, int, Any]:
    """Note which of the tokens [first, last) may be held together with what ends at `end`, or the one before.

    Return (how many are noted, where the last one ends, whether that is a single character).
    """
    for m in range(first, last):
        alone = K.end[m] - K.start[m] == 1
        K.glued[u64(glued)] = m
        glued += glues(K.folded, end, i64(K.start[m]), alone & single)
        end, single = i64(K.end[m]), alone
    return glued, end, single


@stage
def tokenise(K: Any, n: int, C: Any, N: Any, R: Any) -> tuple[int, int, int]:
    """Return (tokens, end of the written, whether words were repaired); tokens -1 where room is wanting."""
    f, starts, ends_, ats, lengths, hashes, alphas = K.folded, K.start, K.end, K.at, K.length, K.hash, K.alpha
    low, marks, bounds, gluing, seed, words = K.low, K.marks, K.bounds, K.glued, N.seed, C.words
    mark(K, n)
    k, to, hidden = 0, n + 2, 0
    room, space = len(starts) - R.max_word - 2, len(f) - 8 * R.max_word
    stopped, glued = True, 0
    last_end, last_single, done = 0, False, 0
    for b in range(outline(K, n)):
        i, end = i64(bounds[u64(2 * b)]), i64(bounds[u64(2 * b + 1)])
        if i < done:  # taken with what stands before it, as a number's decimals
            if end <= done:
                continue
            i = done
        if k > room or to > space:
            return -1, 0, 0
        size = end - i
        if is_plain(marks, i, size):  # as nearly all are
            row = u64(k)
            starts[row], ends_[row], ats[row], lengths[row], alphas[row] = i, end, i, size, 1
            h = plain_hash(low, i, size, seed)
            prefetch(words, i64(h >> u64(24)) & (len(words) - 2))
            hashes[row] = h
            single, stopped = size == 1, False
            gluing[u64(glued)] = k
            glued += glues(f, last_end, i, single & last_single)
            last_end, last_single = end, single
            k += 1
        elif f[i] & u32(CHUNK):
            before = k
            stopped = False
            k, to, done, found_here = chunk(K, k, i, n, to, N, R)
            if k < 0:
                return -1, 0, 0
            hidden |= found_here
            glued, last_end, last_single = glue(K, before, k, glued, last_end, last_single)
        elif f[i] & u32(SYMBOL):
            k = emit(K, k, i, end, i, 1, hash_of(f, i, 1, seed), 0)
            stopped, last_single = False, False
            last_end = end
        elif f[i] & u32(STOP) or not f[end] & u32(WORD):
            if not stopped:
                k = emit(K, k, i, end, i, 1, u64(0), 0)
            stopped, last_single = True, False
            last_end = end
    if glued:
        if to + n + 4 * R.max_word > len(f):  # the texts of all tokens are together no longer than the folded text
            return -1, 0, 0
        k, to, repaired = join(K, k, glued, to, N, R)
        hidden |= repaired
    return k, to, hidden


@compiled
def chunk(K: Any, k: int, start: int, n: int, to: int, N: Any, R: Any) -> tuple[int, int, int, int]:
    """Emit the tokens of a chunk that is no plain word.

    Return (tokens, end of the written, end of the chunk, 1 if it hid a word); tokens -1 where room is wanting.
    """
    f, i, every, hidden = K.folded, start, u32(0xFFFFFFFF), 0
    while f[i] & u32(CHUNK):
        every &= f[i]
        i += 1
    code = f[i] & u32(CODE)
    whole = True
    if code in (DOT, COMMA) and f[i + 1] & u32(DECIMAL):
        i = tail_end(f, i, n)
        whole = False
    size = i - start
    if whole and every & u32(ALPHA):
        at, length, to = unrepeat(f, start, size, to, N, R)
        k = emit(K, k, start, i, at, length, hash_of(f, at, length, N.seed), 1)
    elif size == 1 or (f[start] & u32(DECIMAL) and number_end(f, start + 1, i) == i):
        code = f[start] & u32(CODE)
        if code != AT and code != UNDERSCORE:
            k = emit(K, k, start, i, start, size, hash_of(f, start, size, N.seed), 0)
    else:
        k, to, found = unleet(K, k, start, i, to, N, R)
        hidden = i64(found == 2)
        if not found:
            if k + size > len(K.start) - R.max_word - 2 or to + 2 * size + 4 * R.max_word > len(f):
                return -1, 0, 0, 0
            k, to = parts(K, k, start, i, to, N, R)
    return k, to, i, hidden


@compiled
def join(K: Any, count: int, glued: int, to: int, N: Any, R: Any) -> tuple[int, int, int]:
    """Put words cut by single characters back together, in place; return (tokens, end of the written, whether any)."""
    k, done, hidden = 0, 0, 0
    for g in range(glued):
        i = i64(K.glued[g]) - 1
        if i < done:
            continue
        j, singles = run_end(K, i, count)
        made = 0
        k = move(K, done, i, k)
        if j - i > 1:
            if singles:
                if j - i >= R.min_spaced:
                    made, to = segment(K, i, j, k, to, N, R)
            else:
                made, to = joined(K, i, j, k, to, N, R)
        if made:
            k, hidden = k + made, 1
        else:
            k = move(K, i, j, k)
        done = j
    return move(K, done, count, k), to, hidden


@compiled
def move(K: Any, first: int, last: int, k: int) -> int:
    """Move the tokens [first, last) to k, which is no later; return their new end."""
    if k < first:
        for m in range(first, last):
            emit(K, k + m - first, K.start[m], K.end[m], K.at[m], K.length[m], K.hash[m], K.alpha[m])
    return k + last - first


@compiled
def run_end(K: Any, i: int, count: int) -> tuple[int, bool]:
    f = K.folded
    j = i + 1
    if j == count or not K.alpha[i] or K.start[j] - K.end[i] != 1:
        return j, False
    gap = f[K.end[i]] & u32(CODE)
    singles = K.end[i] - K.start[i] == 1 and K.end[j] - K.start[j] == 1
    if not (is_one_of(gap, LETTER_JOINERS) if singles else is_one_of(gap, PIECE_JOINERS)):
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
def learn(f: Any, h: Any, at: int, n: int, to: int, C: Any, slot: int, N: Any, W: Any, P: Any) -> None:
    """Work out all that is to be known of a word, into a place of the word cache."""
    head, table_hash = f[at], name_hash_of(f, at, n, N.seed)
    name = find(N.keys, N.values, table_hash)
    best = name
    if name < 0 and head & u32(ALPHA):
        g, multiplier = N.seed[0], N.seed[1]
        for i in range(min(n, len(N.prefix_at) - 1)):
            g = (g ^ u64(f[at + i] & u32(CODE))) * multiplier
            if N.prefix_at[i + 1]:
                found = find(N.keys, N.values, finish(g ^ N.seed[2]))
                if found >= 0:
                    best = found
    number = 1 if head & u32(DIGIT) else 0
    word = C.words[slot]
    C.words_u64[slot, 0], C.words_u64[slot, 7] = h, table_hash
    word[4] = 0
    klass = W.name_class[best if best >= 0 else len(W.name_class) - 2 + number]
    word[5], word[10] = klass, P.class_place[klass]
    word[11], word[12] = P.anchor_first[klass], P.anchor_first[klass + 1] - P.anchor_first[klass]
    marks = max(find(W.mark_keys, W.mark_values, table_hash), i64(0))
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
    if form < 0:  # written just as a neutral form is
        form = find(W.form_keys, W.form_values, table_hash)
    word[6] = form + 1
    if form >= 0:
        C.words_f64[slot, 1] = W.form_weight[form]
        word[7] = W.form_info[form, 0]
        word[8], word[13] = W.form_info[form, 1], W.form_info[form, 3]
        word[9] = (flags & i64(~(PICTURE | LETTERS | (3 << LANGUAGE)))) | W.form_info[form, 2]
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
    C.words_f64[slot, 1] = weight
    word[7], word[13] = np.int32(key), np.int32(spaced(key, W.crc))
    word[8] = size
    word[9] = flags


@stage
def find_words(K: Any, count: int, to: int, C: Any, N: Any, W: Any, P: Any) -> None:
    """Write the place of each token's word in the cache, the last for a boundary; learn the new words."""
    hashes, slots, cache = K.hash, C.slot, C.words_u64
    places = len(cache) - 2
    if C.used[0] + count > places // 2 + places // 4:
        cache[: places + 1] = u64(0)
        C.used[0] = 0
    for i in range(count):
        h = hashes[u64(i)]
        slot = i64(h >> u64(24)) & places if h else places + 1  # where a boundary stands, known by 0
        while cache[u64(slot), 0] != h:
            if not cache[u64(slot), 0]:
                learn(K.folded, h, K.at[i], K.length[i], to, C, slot, N, W, P)
                C.used[0] += 1
                break
            slot = (slot + 1) & places
        slots[u64(i)] = slot


@inlined
def spaced(key: Any, crc: Any) -> Any:
    """Return the crc32 of a word with a space after it from that of the word."""
    r = u32(~key)
    return u32(~(crc[(r ^ u32(32)) & u32(255)] ^ (r >> u32(8))))


@inlined
def pair_key(before: Any, key: Any, size: int, crc: Any, shift: Any) -> Any:
    """Return the crc32 of "a b" from those of "a " and "b"; the second takes `size` bytes."""
    r = before
    start = u64(size) << u64(10)
    if start < u64(len(shift)):
        r = u32(
            shift[start | u64(r & u32(255))]
            ^ shift[start | u64(((r >> u32(8)) & u32(255)) | u32(256))]
            ^ shift[start | u64(((r >> u32(16)) & u32(255)) | u32(512))]
            ^ shift[start | u64((r >> u32(24)) | u32(768))]
        )
    else:
        for _ in range(size):
            r = u32(crc[r & u32(255)] ^ (r >> u32(8)))
    return u32(r ^ key)


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
def name_at(C: Any, i: int, count: int, seed: Any, keys: Any, values: Any, longest: int) -> tuple[int, int]:
    """Return (neutral form, tokens) of the longest name of several words at i; tokens 1 for none."""
    h = seed[2]
    form, width = i64(-1), 1
    for n in range(min(longest, count - i)):
        h = (h ^ C.words_u64[C.slot[i + n], 7]) * seed[1]
        if n:
            found = find(keys, values, finish(h))
            if found >= 0:
                form, width = found, n + 1
    return form, width


# ---------------------------------------------------------------- phrases


@inlined
def mark_of(atom: int) -> Any:
    """Return which of 128 bits stands for an atom: no bit in common means no atom in common."""
    return u32((u64(atom) * u64(2654435761)) & u64(0xFFFFFFFF)) >> u32(25)


@inlined
def atom_place(atom: Any) -> Any:
    """Return from where on an atom stands in a hash set of atoms, before its mask."""
    return ((u64(atom) * u64(2654435761)) & u64(0xFFFFFFFF)) >> u64(9)


@inlined
def has_atom(table: Any, first: Any, mask: Any, atom: Any) -> Any:
    """Return whether words of a class satisfy an atom; `first` and `mask` are those of the class."""
    return is_among_eight(table, first + (atom_place(atom) & mask), atom)


@kept
def fill_classes(classes: Any, atoms: Any, sign: Any, table: Any, crowded: Any) -> None:
    """Fill the signs of classes and the hash sets of their atoms, each given once; mark those that want more room.

    An atom stands at one of eight places, so that it is found, or not, without a branch.
    """
    for i in range(len(classes)):
        mark = mark_of(atoms[i])
        row = sign[classes[i]]
        row[mark >> u32(6)] |= u64(1) << u64(mark & u32(63))
        place = row[2] + (atom_place(atoms[i]) & row[3])
        last = place + u64(ATOM_PLACES - 1)
        while place < last and table[place] != NUMBERED - 1:
            place += u64(1)
        crowded[classes[i]] |= table[place] != NUMBERED - 1
        table[place] = atoms[i]


@kept
def fill_states(first: Any, edges: Any, signs: Any, states: Any, sign: int, reach: int) -> None:
    """Fill the signs and the reach of states from their edges on or back."""
    for state in range(len(states)):
        for e in range(first[state], first[state + 1]):
            mark = mark_of(u32(edges[e, 0]) & u32(0xFFFF))
            edges[e, 0] |= u64(mark) << u64(16)
            signs[state, sign + i64(mark >> u32(6))] |= u64(1) << u64(mark & u32(63))
            distance = 0
            while edges[e, 1] >> u64(distance + 1):
                distance += 1
            states[state, reach] = max(states[state, reach], distance)


@kept
def take_out_gaps(first: Any, atom: Any, target: Any, any_atom: int, out: Any, work: Any) -> int:
    """Write (state, target, distances) for edges past gaps to `out` (uint64 rows); return how many, -1 if too many."""
    n = len(first) - 1
    seen, is_gap, place_of, frontier, following = work[0], work[1], work[2], work[3], work[4]
    for e in range(len(atom)):
        is_gap[target[e]] = atom[e] == any_atom
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


@inlined
def step(
    stack: Any, seen: Any, classes: Any, sign: Any, has: Any, edges: Any, low: Any, high: Any,
    walk: Any, size: int, first: int, token: int, at: int, reach: int, begin: int, end: int, way: int, enough: Any,
) -> int:  # fmt: skip
    """Put what edges [begin, end) lead to from `at` on the stack (1: on, -1: back); return its new size.

    It is -1 once an edge leads to a state with one of the flags `enough` (at FLAGS): that says all, and the state
    itself need not be fetched from memory.

    `low` and `high` are the marks of what they lead to. Each state is seen once at each token, so a
    walk takes no longer than the phrase is long and wide.
    """
    for distance in range(1, reach + 1):
        other = at + way * distance
        klass = i64(classes[other])
        if klass == BREAK:
            break
        some, more = sign[klass, 0], sign[klass, 1]
        if (some & low) | (more & high):
            for e in range(begin, end):
                edge = edges[e, 0]
                half = more if edge & u64(1 << 22) else some
                if ((edges[e, 1] >> u64(distance)) & (half >> ((edge >> u64(16)) & u64(63))) & u64(1)) and has_atom(
                    has, sign[klass, 2], sign[klass, 3], edge & u64(0xFFFF)
                ):
                    if edge & enough:
                        return -1
                    near = i64(edge >> u64(32))
                    if seen[near, 0] != walk:
                        seen[near, 0] = walk
                        seen[near, 1] = u64(0)
                    bit = u64(1) << u64(way * (other - token))
                    if not seen[near, 1] & bit:
                        seen[near, 1] |= bit
                        stack[size, 0] = first + near
                        stack[size, 1] = other
                        size += 1
    return size


@inlined
def walk_back(
    stack: Any, seen: Any, classes: Any, sign: Any, has: Any, states: Any, signs: Any, edges: Any,
    walk: Any, size: int, first: int, token: int, whole: bool,
) -> Any:  # fmt: skip
    """Return where the leftmost way from the start to what is on the stack begins, -1 if none; any if not `whole`."""
    best, enough = i64(-1), u64(0 if whole else BEGINS << FLAGS)
    while size:
        size -= 1
        state, at = i64(stack[size, 0]), i64(stack[size, 1])
        if states[state, 0] & BEGINS:
            best = at if best < 0 else min(best, at)
            if not whole:
                break
        size = step(
            stack, seen, classes, sign, has, edges, signs[state, 6], signs[state, 7],
            walk, size, first, token, at, i64(states[state, 6]), i64(states[state, 4]), i64(states[state, 5]), -1,
            enough,
        )  # fmt: skip
        if size < 0:
            return token
    return best


@inlined
def walk_on(
    stack: Any, seen: Any, classes: Any, sign: Any, has: Any, states: Any, signs: Any, edges: Any,
    walk: Any, state: int, first: int, token: int, one: bool,
) -> Any:  # fmt: skip
    """Return the offsets (bits) at which the phrase of a state that stands at `token` ends.

    Where just `one` is asked for, return anything but 0 where there is some.
    """
    ends, enough = u64(0), u64(ENDS << FLAGS if one else 0)
    stack[0, 0] = state
    stack[0, 1] = token
    size = 1
    while size:
        size -= 1
        state, at = i64(stack[size, 0]), i64(stack[size, 1])
        if states[state, 0] & ENDS:
            ends |= u64(1) << u64(at - token)
            if one:
                break
        size = step(
            stack, seen, classes, sign, has, edges, signs[state, 4], signs[state, 5],
            walk, size, first, token, at, i64(states[state, 3]), i64(states[state, 1]), i64(states[state, 2]), 1,
            enough,
        )  # fmt: skip
        if size < 0:
            return u64(1)
    return ends


@compiled
def leftmost(Q: Any, P: Any, phrase: int, token: int) -> Any:
    """Return the leftmost kept token at which a phrase that ends with `token` can start."""
    size, first = 0, i64(P.phrase_info[phrase, 0])
    start, mask = P.class_sign[Q.classes[token], 2], P.class_sign[Q.classes[token], 3]
    for state in range(first, P.phrase_info[phrase, 1]):
        if P.states[state, 0] & ENDS and has_atom(P.class_has, start, mask, u64(P.states[state, 7])):
            Q.stack[size, 0] = state
            Q.stack[size, 1] = token
            size += 1
    Q.clock[1] += 1
    return walk_back(
        Q.stack, Q.seen, Q.classes, P.class_sign, P.class_has, P.states, P.state_signs,
        P.edges_back, u64(Q.clock[1]), size, first, token, True,
    )  # fmt: skip


@compiled
def is_negated(K: Any, C: Any, lane: int, start: int, R: Any) -> Any:
    """Return whether a negator stands shortly before token `start` in its clause."""
    for i in range(start - 1, max(-1, start - 1 - R.reach), -1):
        flags = i64(C.words[C.slot[i], 9])
        if flags & STOPS:
            return False
        for c in range(K.end[i], K.start[i + 1]):
            if K.folded[c] & u32(CLAUSE):
                return False
        if (flags >> (NEGATES + lane)) & 1:
            for m in range(i + 1, start + 1):  # noqa: SIM110 - numba knows no generators here
                if C.words[C.slot[m], 9] & AFFIRMS:
                    return False
            return True
    return False


@compiled
def stands(K: Any, C: Any, Q: Any, phrase: int, token: int, ends: Any, P: Any, R: Any) -> Any:
    """Return whether a phrase that ends at some offsets from `token` is not negated at one of them."""
    while ends:
        if ends & u64(1):
            start = leftmost(Q, P, phrase, token)
            if not is_negated(K, C, P.phrase_info[phrase, 2], Q.kept[start], R):
                return True
        token += 1
        ends >>= u64(1)
    return False


@inlined
def set_at(ask: Any) -> Any:
    """Return where the places of the set that is asked for start."""
    return (u64(ask) >> u64(16) & u64(0xFFFF)) * u64(HELD)


@inlined
def asked_at(ask: Any, token: Any) -> Any:
    """Return the first token that an ask looks at from a token."""
    return u64(i64(token) + i64(np.int8(u64(ask) >> u64(8))))


@inlined
def holds(sets: Any, start: Any, place: Any) -> Any:
    """Return in the lowest bit whether the set that starts there holds a place."""
    return sets[start + u64(place >> 6)] >> u64(place & 63)


@inlined
def is_met(ask: Any, token: Any, places: Any, sets: Any) -> Any:
    """Return 1 where a word that is asked for may stand where it must, 0 where none does; near a text's ends, either.

    Without branches, which nobody could foretell, but for the places further off: nine asks in ten look at none.
    """
    start, at, bits = set_at(ask), asked_at(ask, token), u64(ask)
    met = u64(0)
    for i in range(WINDOW // 2):
        met |= (bits >> u64(i)) & holds(sets, start, places[at + u64(i)])
    if bits & u64((1 << WINDOW) - (1 << WINDOW // 2)):
        for i in range(WINDOW // 2, WINDOW):
            met |= (bits >> u64(i)) & holds(sets, start, places[at + u64(i)])
    return i64(met & u64(1))


@stage
def gather(stand: int, stands: int, Q: Any, P: Any) -> tuple[int, int]:
    """Note the anchors of all tokens from `stand` on (their places, for anchors), as far as there is room.

    Return (how many, where to go on). What memory holds of them is looked up later, for all at once: waiting
    for it is what takes time, and the processor waits for one only where nothing depends on it.
    """
    stood, counts, likely, anchor_at = Q.stands, Q.anchors, Q.likely, P.anchor_at
    count = 0
    while stand < stands and count < LIKELY:
        first, anchors = stood[stand], i64(counts[stand])
        for a in range(FEW_ANCHORS):  # nearly all have no more: without a branch
            likely[u64(count + a)] = first + u64(a)
        for a in range(FEW_ANCHORS, anchors):
            likely[u64(count + a)] = first + u64(a)
        prefetch(anchor_at, i64(first & u64(0xFFFFFFFF)))
        count += anchors
        stand += 1
    return count, stand


@stage
def likely_anchors(count: int, Q: Any, P: Any) -> int:
    """Keep the anchors noted that meet the first thing they ask for; return how many.

    The first loop is for what the second reads: that is so long that the processor looks only a few turns ahead.
    Most ask for a word at one place: the second loop looks at that, and leaves all others to the third.
    """
    likely, anchor_at, places, sets = Q.likely, P.anchor_at, Q.places, P.set_places
    lower = u64(0xFFFFFFFF)
    for c in range(count):
        prefetch(sets, i64(set_at(anchor_at[likely[u64(c)] & lower])))
    kept = 0
    for c in range(count):
        noted = likely[u64(c)]
        ask = anchor_at[noted & lower]
        likely[u64(kept)] = noted
        met = holds(sets, set_at(ask), places[asked_at(ask, noted >> u64(32))])
        kept += i64((met & u64(1)) | u64(ask & u64((1 << WINDOW) - 2) != u64(0)))
    count, kept = kept, 0
    for c in range(count):
        noted = likely[u64(c)]
        ask = anchor_at[noted & lower]
        likely[u64(kept)] = (noted & ~lower) | (ask >> u64(32))
        kept += is_met(ask, noted >> u64(32), places, sets)
    return kept


@stage
def still_likely(count: int, ask: int, Q: Any, P: Any) -> int:
    """Keep the anchors noted that meet one more of the things they ask for; return how many."""
    likely, asks, places, sets = Q.likely, P.asks, Q.places, P.set_places
    lower = u64(0xFFFFFFFF)
    for c in range(count):
        prefetch(sets, i64(set_at(asks[(likely[u64(c)] & lower) * u64(ASKED) + u64(ask)])))
    kept = 0
    for c in range(count):
        noted = likely[u64(c)]
        likely[u64(kept)] = noted
        kept += is_met(asks[(noted & lower) * u64(ASKED) + u64(ask)], noted >> u64(32), places, sets)
    return kept


@stage
def find_phrases(stands: int, negates: int, found: Any, K: Any, C: Any, Q: Any, P: Any, R: Any) -> Any:
    """Return the codes found, with those of all phrases in a text that are not negated.

    A phrase is looked for from its anchors alone, where what they ask for is near.
    """
    stand = 0
    while stand < stands:
        count, stand = gather(stand, stands, Q, P)
        count = likely_anchors(count, Q, P)
        for ask in range(1, ASKED):
            count = still_likely(count, ask, Q, P)
        found = walk_from(count, negates, found, K, C, Q, P, R)
    return found


@stage
def walk_from(count: int, negates: int, found: Any, K: Any, C: Any, Q: Any, P: Any, R: Any) -> Any:
    """Return the codes found, with those of the phrases that stand on the anchors noted."""
    clock, likely, anchors, phrase_info = Q.clock, Q.likely, P.anchors, P.phrase_info
    stack, seen, classes, sign = Q.stack, Q.seen, Q.classes, P.class_sign
    states, signs, back, on, has = P.states, P.state_signs, P.edges_back, P.edges, P.class_has
    walk = u64(clock[1])
    lower = u64(0xFFFFFFFF)
    for c in range(count):
        prefetch(states, i64(anchors[likely[c] & lower, 0]))
    for c in range(count):
        state = i64(anchors[likely[c] & lower, 0])
        prefetch(on, i64(states[state, 1]))
        prefetch(back, i64(states[state, 4]))
        token = likely[c] >> u64(32)
        prefetch(sign, i64(classes[token - u64(1)]))
        prefetch(sign, i64(classes[token + u64(1)]))
    for c in range(count):
        token, anchor = i64(likely[c] >> u64(32)), likely[c] & lower
        phrase = i64(anchors[anchor, 1])
        bit = u64(1) << u64(phrase_info[phrase, 3])
        if found & bit:  # a phrase is looked for only as long as its code is not found
            continue
        state, first = i64(anchors[anchor, 0]), i64(phrase_info[phrase, 0])
        deniable = (negates >> i64(phrase_info[phrase, 2])) & 1 != 0
        stack[0, 0] = state
        stack[0, 1] = token
        walk += u64(1)
        start = walk_back(stack, seen, classes, sign, has, states, signs, back, walk, 1, first, token, False)
        if start < 0:
            continue
        walk += u64(1)
        ends = walk_on(stack, seen, classes, sign, has, states, signs, on, walk, state, first, token, not deniable)
        if ends and deniable:
            clock[1] = i64(walk)
            if not stands(K, C, Q, phrase, token, ends, P, R):
                ends = u64(0)
            walk = u64(clock[1])
        if ends:
            found |= bit
    clock[1] = i64(walk)
    return found


# ---------------------------------------------------------------- texts


@stage
def weigh(
    count: int, to: int, found: Any, K: Any, C: Any, Q: Any, N: Any, W: Any, P: Any, R: Any
) -> tuple[float, Any, int, int]:
    """Return (logit, codes, language, distinct words) of a tokenised text."""
    stamp = next_text(C, Q)
    find_words(K, count, to, C, N, W, P)
    stands, negates = spread(count, C, Q)
    found = find_phrases(stands, negates, found, K, C, Q, P, R)
    total, words, spoken = add_up(count, stamp, K, C, N, W, R)
    logit = R.intercept + total / np.sqrt(words + R.few_words) + indicators(found, W.code_weight, R)
    return logit, found, spoken, words


@compiled
def next_text(C: Any, Q: Any) -> int:
    """Return the stamp of a new text; no older one stands anywhere when they start again."""
    Q.clock[0] += 1
    if Q.clock[0] > MAX_STAMP:
        Q.clock[0] = 1
        C.form_stamp[:] = 0
        C.words[:-1, 4] = 0
    return int(Q.clock[0])


@stage
def spread(count: int, C: Any, Q: Any) -> tuple[int, int]:
    """Lay out the tokens that phrases see; return (how many have anchors, bits of the lanes that negate)."""
    kept, negates, standing = FIRST, 0, 0
    cache, slots = C.words, C.slot
    kept_of, classes, places, stands, counts = Q.kept, Q.classes, Q.places, Q.stands, Q.anchors
    for i in range(count):
        word = cache[u64(slots[i])]
        flags, anchors = i64(word[9]), word[12]
        negates |= flags >> NEGATES
        kept_of[u64(kept)], classes[u64(kept)], places[u64(kept)] = i, word[5], word[10]
        stands[u64(standing)], counts[u64(standing)] = (u64(kept) << u64(32)) | u64(word[11]), anchors
        standing += i64(anchors > 0)
        kept += 1 - (flags & UNMATCHED)
    classes[kept] = BREAK
    return standing, negates & ((1 << LANES) - 1)


@stage
def add_up(count: int, stamp: int, K: Any, C: Any, N: Any, W: Any, R: Any) -> tuple[float, int, int]:
    """Return (sum of the weights of distinct words and pairs, distinct words, language)."""
    slots, cache, weights, form_stamp, keys, ids = C.slot, C.words, C.words_f64, C.form_stamp, C.pair_key, C.pair_ids
    boundary = len(cache) - 1
    forms, crc, crc_shift = len(W.form_id), W.crc, W.crc_shift
    words, letters, pairs, languages = 0, 0, 0, u64(0)
    total = 0.0
    previous, before = i64(-1), u32(0)
    slots[u64(count)] = boundary
    i = -1
    while i + 1 < count:
        i += 1
        slot = i64(slots[u64(i)])
        word = cache[u64(slot)]
        flags, form = i64(word[9]), i64(word[6])
        crc32, with_space, length, weight = u32(word[7]), u32(word[13]), i64(word[8]), weights[u64(slot), 1]
        new = i64(word[4] != stamp)
        word[4] = stamp
        if flags & OPENS & (i64(cache[u64(slots[u64(i + 1)]), 9]) >> FOLLOWS):
            named, width = name_at(C, i, count, N.seed, W.neutral_keys, W.neutral_values, R.longest_name)
            if width > 1:
                word[4] = stamp - new  # the word by itself is still to come
                form, weight, new = named + 1, W.form_weight[named], 1
                crc32, length = u32(W.form_info[named, 0]), i64(W.form_info[named, 1])
                flags, with_space = i64(W.form_info[named, 2]), u32(W.form_info[named, 3])
                i += width - 1
        # What follows is without branches, which nobody could foretell: words, boundaries and forms stand as they come
        is_word = i64(slot != boundary)
        counts = new & is_word & i64((form == 0) | (form_stamp[u64(form)] != stamp))
        form_stamp[u64(form)] = stamp
        identity = form - 1 if form else forms + slot
        words += counts
        total += weight * np.float64(counts)
        counts &= i64(flags & LETTERS != 0)
        letters += counts
        languages += (u64(counts) << (u64((flags >> LANGUAGE) & 3) * u64(TALLY))) >> u64(TALLY)
        if flags & PICTURE:
            continue
        keys[u64(pairs)] = pair_key(before, crc32, length, crc, crc_shift)
        ids[u64(pairs)] = (u64(previous + 1) << u64(32)) | u64(identity)
        pairs += i64(previous >= 0) & is_word
        previous, before = identity if is_word else i64(-1), with_space
    total += weigh_pairs(pairs, C, W)
    tally = u64((1 << TALLY) - 1)
    spanish, portuguese = i64(languages & tally), i64((languages >> u64(TALLY)) & tally)
    english = i64(languages >> u64(2 * TALLY))
    most = max(spanish, portuguese, english)
    spoken = 0 if most == spanish else 1 if most == portuguese else 2
    if most < max(float(R.min_frequent if letters > R.few else 1), R.min_share * letters):
        spoken = 3
    return total, words, spoken


@stage
def weigh_pairs(count: int, C: Any, W: Any) -> float:
    """Return the sum of the weights of the distinct pairs."""
    keys, ids, maybe, table, held = C.pair_key, C.pair_ids, W.pair_maybe, W.pairs, C.pair_set
    likely = 0
    for m in range(count):
        key = keys[u64(m)]
        keys[u64(likely)], ids[u64(likely)] = key, ids[u64(m)]
        bit = key >> u32(12)
        likely += i64((maybe[u64(bit >> u32(6))] >> u64(bit & u32(63))) & u64(1))
    for m in range(likely):
        prefetch(table, i64(keys[u64(m)] >> u32(8)) & (len(table) - 1))
    size = 64
    while size < 4 * likely:
        size *= 2
    held[:size] = u64(0)
    total = 0.0
    for m in range(likely):
        if add(held, size - 1, finish(ids[m])):
            pair = keys[m]
            place = i64(pair >> u32(8)) & (len(table) - 1)
            while table[place] and table[place] >> u64(32) != pair:
                place = (place + 1) & (len(table) - 1)
            C.weight_bits[0] = u32(table[place])
            total += np.float64(C.weight_of[0])
    return total


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


@with_gil
def find_strings(objects: int, count: int, kind: int, begins: Any, sizes: Any, widths: Any) -> int:
    """Fill in where strings are, given where an array of objects is; return how many of these are there.

    It ends before the first that is not just of the type at `kind`, unless that is 0.
    """
    for i in range(count):
        held = i64(pointer_at(objects, i))
        if kind and type_at(held) != kind:
            return i
        begins[i], sizes[i], widths[i] = string_at(held)
    return count


@inlined
def announce(address: int, size: int) -> None:
    """Have the string that is read next fetched from memory, as far as caches have room for it."""
    for place in range(0, min(size, 1 << 14), 64):
        prefetch_line(address + place)


@kept
def score_texts(
    T: Any, first: int, last: int, D: Any, N: Any, W: Any, P: Any, R: Any, K: Any, C: Any, Q: Any,
    logit: Any, codes: Any, language: Any, words: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Score texts [first, last); return (status, the text it ended at, what is needed there)."""
    for i in range(first, last):
        status, n, hidden = fold_text(T.data, i64(T.begins[i]), i64(T.sizes[i]), i64(T.widths[i]), D, K.folded, R)
        if status:
            return status, i, n
        if i + 1 < last:
            announce(i64(T.begins[i + 1]), i64(T.sizes[i + 1]) * i64(T.widths[i + 1]))
        count, to, repaired = tokenise(K, n, C, N, R)
        if count < 0:
            return NEED_ROOM, i, 0
        found = R.evasion if hidden or repaired else u64(0)
        logit[i], codes[i], language[i], words[i] = weigh(count, to, found, K, C, Q, N, W, P, R)
    return DONE, last, 0
