"""The builtins that take no predicate, by name.

The checker has counted the arguments before any of these runs.
"""

from __future__ import annotations

from collections.abc import Callable

from freightway.expr import builtins_list as lists
from freightway.expr import builtins_number as numbers
from freightway.expr import builtins_text as texts
from freightway.expr import builtins_time as times

LIBRARY: dict[str, Callable[..., object]] = {
    "len": lists.length,
    "type": lists.type_of,
    "abs": numbers.absolute,
    "ceil": numbers.ceil,
    "floor": numbers.floor,
    "round": numbers.round_,
    "int": numbers.integer,
    "float": numbers.floating,
    "string": texts.string,
    "trim": texts.trim,
    "trimPrefix": texts.trim_prefix,
    "trimSuffix": texts.trim_suffix,
    "upper": texts.upper,
    "lower": texts.lower,
    "split": texts.split,
    "splitAfter": texts.split_after,
    "replace": texts.replace,
    "repeat": texts.repeat,
    "join": texts.join,
    "indexOf": texts.index_of,
    "lastIndexOf": texts.last_index_of,
    "hasPrefix": texts.has_prefix,
    "hasSuffix": texts.has_suffix,
    "max": numbers.maximum,
    "min": numbers.minimum,
    "mean": numbers.mean,
    "median": numbers.median,
    "toJSON": texts.to_json,
    "fromJSON": texts.from_json,
    "toBase64": texts.to_base64,
    "fromBase64": texts.from_base64,
    "now": times.now,
    "duration": times.duration,
    "date": times.date,
    "timezone": times.timezone,
    "first": lists.first,
    "last": lists.last,
    "get": lists.get,
    "take": lists.take,
    "keys": lists.keys,
    "values": lists.values,
    "toPairs": lists.to_pairs,
    "fromPairs": lists.from_pairs,
    "reverse": lists.reverse,
    "uniq": lists.uniq,
    "concat": lists.concat,
    "flatten": lists.flatten,
    "sort": lists.sort,
    "bitand": numbers.bitand,
    "bitor": numbers.bitor,
    "bitxor": numbers.bitxor,
    "bitnand": numbers.bitnand,
    "bitshl": numbers.bitshl,
    "bitshr": numbers.bitshr,
    "bitushr": numbers.bitushr,
    "bitnot": numbers.bitnot,
}
