#!/usr/bin/env python3
"""Makes the small Parquet files that the tests read, and beside each what pyarrow reads in it, as an Arrow stream.

    make_parquet.py goldens DIR          writes DIR/NAME.parquet and DIR/NAME.arrows
    make_parquet.py check MIX FILE...    quern mix (the program MIX) of each Parquet file is for pyarrow what pyarrow itself reads in it
    make_parquet.py random MIX N SEED    the same of N random tables, written in random ways

Needs pyarrow (python3 -m venv V && V/bin/pip install pyarrow); the tests do not.
"""
import datetime
import decimal
import os
import random
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc


def flat(n, nulls=True):
    r = random.Random(1)
    some = lambda make: [None if nulls and r.random() < 0.3 else make(i) for i in range(n)]
    day = datetime.date(2024, 2, 29)
    return pa.table({
        "flag": pa.array(some(lambda i: r.random() < 0.5), pa.bool_()),
        "i8": pa.array(some(lambda i: i % 256 - 128), pa.int8()),
        "u16": pa.array(some(lambda i: i * 40503 % 65536), pa.uint16()),
        "i32": pa.array(some(lambda i: (i * 2654435761) % 2**32 - 2**31), pa.int32()),
        "u32": pa.array(some(lambda i: (i * 2654435761) % 2**32), pa.uint32()),
        "i64": pa.array(some(lambda i: r.randrange(-2**63, 2**63)), pa.int64()),
        "u64": pa.array(some(lambda i: r.randrange(2**64)), pa.uint64()),
        "f32": pa.array(some(lambda i: i / 4), pa.float32()),
        "f64": pa.array(some(lambda i: i / 3), pa.float64()),
        "text": pa.array(some(lambda i: "wört %d" % (i // 3)), pa.utf8()),
        "blob": pa.array(some(lambda i: bytes([i % 256]) * (i % 5)), pa.binary()),
        "key": pa.array(some(lambda i: b"%03d" % i), pa.binary(3)),
        "day": pa.array(some(lambda i: day + datetime.timedelta(i)), pa.date32()),
        "at": pa.array(some(lambda i: i * 1000003), pa.timestamp("us", "UTC")),
        "clock": pa.array(some(lambda i: i * 7919 % 86400000), pa.time32("ms")),
        "price": pa.array(some(lambda i: decimal.Decimal(i - 50).scaleb(-2)), pa.decimal128(9, 2)),
        "nothing": pa.nulls(n),
    })


def nested(n):
    r = random.Random(2)
    maybe = lambda x: None if r.random() < 0.2 else x
    message = pa.struct([("role", pa.utf8()), ("content", pa.utf8())])
    turn = lambda: maybe({"role": r.choice(["user", "assistant"]), "content": maybe("said %d" % r.randrange(100))})
    return pa.table({
        "id": pa.array(["row %d" % i for i in range(n)]),
        "messages": pa.array([maybe([turn() for _ in range(r.randrange(4))]) for _ in range(n)], pa.list_(message)),
        "ids": pa.array([maybe([maybe(k) for k in range(r.randrange(5))]) for _ in range(n)], pa.list_(pa.int32())),
        "deep": pa.array([maybe([maybe([[k] * r.randrange(3) for k in range(r.randrange(3))]) for _ in range(r.randrange(3))])
                          for _ in range(n)], pa.list_(pa.list_(pa.list_(pa.int64())))),
        "meta": pa.array([maybe({"a": {"b": maybe(1), "c": maybe(["x"])}, "d": maybe(2.5)}) for _ in range(n)],
                         pa.struct([("a", pa.struct([("b", pa.int32()), ("c", pa.list_(pa.utf8()))])), ("d", pa.float64())])),
        "tags": pa.array([maybe([("k%d" % k, maybe(k)) for k in range(r.randrange(3))]) for _ in range(n)],
                         pa.map_(pa.utf8(), pa.int64())),
    })


WORDS = ["", "a", "mill", "quern", "ä", "Mühle", "石臼", "a longer text that is no short string at all, by far", "🜄 water"]


def encodings():
    n = 150
    r = random.Random(1)
    ints = [r.randrange(-1000, 1000) for _ in range(n)]
    big = [r.randrange(-(1 << 62), 1 << 62) for _ in range(n)]
    texts = [f"{WORDS[r.randrange(len(WORDS))]}-{i // 7}" for i in range(n)]
    none = [None if r.random() < 0.2 else 1 for _ in range(n)]
    null = lambda v: [x if k else None for x, k in zip(v, none)]
    table = pa.table({
        "plain32": pa.array(ints, pa.int32()), "plain64": pa.array(null(big), pa.int64()),
        "delta32": pa.array(null(ints), pa.int32()), "delta64": pa.array(big, pa.int64()),
        "run": pa.array([i // 50 for i in range(n)], pa.int64()),
        "dict": pa.array(null([WORDS[i % len(WORDS)] for i in ints])), "lengths": pa.array(texts),
        "prefix": pa.array(null(sorted(texts))), "split32": pa.array([i / 8 for i in ints], pa.float32()),
        "split64": pa.array(null([i / 16 for i in ints]), pa.float64()),
        "plain": pa.array(null(texts)), "flag": pa.array(null([i % 3 == 0 for i in ints])),
        "fixed": pa.array([f"{i % 1000:04}".encode() for i in ints], pa.binary(4)),
        "fixed_prefix": pa.array([f"{i:04}".encode() for i in range(n)], pa.binary(4)),
    })
    how = {"plain32": "PLAIN", "plain64": "PLAIN", "delta32": "DELTA_BINARY_PACKED", "delta64": "DELTA_BINARY_PACKED",
           "run": "DELTA_BINARY_PACKED", "lengths": "DELTA_LENGTH_BYTE_ARRAY", "prefix": "DELTA_BYTE_ARRAY",
           "split32": "BYTE_STREAM_SPLIT", "split64": "BYTE_STREAM_SPLIT", "plain": "PLAIN", "flag": "RLE",
           "fixed": "BYTE_STREAM_SPLIT", "fixed_prefix": "DELTA_BYTE_ARRAY"}
    return table, how


def extremes():
    d = decimal.Decimal
    when = datetime.datetime(2026, 11, 20, 12, 30, 1, 5000)
    return pa.table({
        "i8": pa.array([-128, 127, None], pa.int8()), "i16": pa.array([-32768, 32767, None], pa.int16()),
        "u8": pa.array([0, 255, None], pa.uint8()), "u16": pa.array([0, 65535, None], pa.uint16()),
        "u32": pa.array([0, 2**32 - 1, None], pa.uint32()), "u64": pa.array([0, 2**64 - 1, None], pa.uint64()),
        "i32": pa.array([-(2**31), 2**31 - 1, None], pa.int32()), "i64": pa.array([-(2**63), 2**63 - 1, None], pa.int64()),
        "f16": pa.array([1.5, -0.25, None], pa.float16()), "f32": pa.array([1.5, 1e30, None], pa.float32()),
        "f64": pa.array([0.1, -1e300, None], pa.float64()), "b": pa.array([True, False, None]),
        "s": pa.array(["a", "Mühle", None]), "bin": pa.array([b"\x00\xff", b"", None]),
        "fix": pa.array([b"abc", b"\x00\x01\x02", None], pa.binary(3)), "none": pa.array([None] * 3, pa.null()),
        "day": pa.array([datetime.date(2026, 11, 20), datetime.date(1969, 12, 31), None], pa.date32()),
        "t_ms": pa.array([datetime.time(1, 2, 3, 4000), datetime.time(0), None], pa.time32("ms")),
        "t_us": pa.array([datetime.time(1, 2, 3, 4), datetime.time(0), None], pa.time64("us")),
        "at_ms": pa.array([when, when, None], pa.timestamp("ms")), "at_us": pa.array([when, when, None], pa.timestamp("us", "UTC")),
        "at_ns": pa.array([when, when, None], pa.timestamp("ns")),
        "d9": pa.array([d("1234567.89"), d("-0.01"), None], pa.decimal128(9, 2)),
        "d18": pa.array([d("1234567890123456.78"), d("-0.01"), None], pa.decimal128(18, 2)),
        "d38": pa.array([d("12345678901234567890123456789012345.678"), d("-0.001"), None], pa.decimal128(38, 3)),
        "d76": pa.array([d("9" * 70 + ".25"), d("-1.00"), None], pa.decimal256(76, 2)),
    })


def absences():
    return pa.table({
        "tags": pa.array([["a", None, "b"], [], None, ["c"], ["d", "e"]]),
        "grid": pa.array([[[1, 2], [], None, [None]], [], None, [[3]], [[], [4, 5, 6]]], pa.list_(pa.list_(pa.int32()))),
        "point": pa.array([{"x": 1, "y": {"z": "q"}}, None, {"x": None, "y": None}, {"x": 2, "y": {"z": None}}, {"x": 3, "y": {"z": "r"}}],
                          pa.struct([("x", pa.int64()), ("y", pa.struct([("z", pa.utf8())]))])),
        "messages": pa.array([[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}], [], None,
                              [{"role": None, "content": "x"}, None], [{"role": "user", "content": None}]],
                             pa.list_(pa.struct([("role", pa.utf8()), ("content", pa.utf8())]))),
        "deep": pa.array([[{"k": [[{"v": True}], None]}], None, [{"k": None}, None], [{"k": [[], [{"v": None}, None]]}], []],
                         pa.list_(pa.struct([("k", pa.list_(pa.list_(pa.struct([("v", pa.bool_())]))))]))),
        "counts": pa.array([[("a", 1), ("b", None)], [], None, [("c", 3)], [("d", 4)]], pa.map_(pa.utf8(), pa.int32())),
        "fixed": pa.array([[1, 2], None, [3, 4], [5, None], [7, 8]], pa.list_(pa.int32(), 2)),
    })


def required():
    item = pa.struct([pa.field("role", pa.utf8(), False), pa.field("content", pa.utf8(), False)])
    schema = pa.schema([pa.field("id", pa.utf8(), False), pa.field("messages", pa.list_(pa.field("element", item, False)), False),
                        pa.field("n", pa.int64(), False), pa.field("maybe", pa.struct([pa.field("x", pa.int32(), False),
                        pa.field("l", pa.list_(pa.field("element", pa.int8(), False)), False)]), True)])
    rows = [{"id": f"r{i}", "messages": [{"role": "user", "content": f"t{j}"} for j in range(i % 4)], "n": i,
             "maybe": None if i % 3 == 0 else {"x": i, "l": list(range(i % 5))}} for i in range(20)]
    return pa.Table.from_pylist(rows, schema)


def documents(n=200):
    r = random.Random(2)
    text = lambda: " ".join(WORDS[r.randrange(len(WORDS))] for _ in range(r.randrange(40)))
    return pa.table({"id": pa.array([f"doc-{i}" for i in range(n)]), "text": pa.array([text() for _ in range(n)], pa.large_utf8()),
                     "source": pa.array([None if i % 5 == 0 else f"s{i % 3}" for i in range(n)])})


def made():
    """Name, table, options of the writer."""
    plain = {"use_dictionary": False, "compression": "none"}
    ints = flat(200).select(["i32", "u32", "i64", "u64", "day", "at"])
    texts = pa.table({"text": pa.array([None if i % 7 == 0 else "prefix %d of some text" % i for i in range(300)])})
    numbers = flat(200, nulls=False).select(["f32", "f64", "i32", "key"])
    one = lambda t, encoding: {**plain, "column_encoding": {c: encoding for c in t.column_names}}
    yield "plain", flat(120), plain
    yield "dictionary", flat(300), {"compression": "snappy"}
    yield "v2", flat(120), {"compression": "zstd", "data_page_version": "2.0", "version": "2.6"}
    yield "gzip", flat(60), {"compression": "gzip"}
    yield "lz4", flat(60), {"compression": "lz4"}
    yield "checksum", flat(60), {"compression": "snappy", "write_page_checksum": True}
    yield "nested", nested(200), {"compression": "snappy"}
    yield "nested-v2", nested(200), {"compression": "zstd", "data_page_version": "2.0"}
    yield "old-lists", nested(50), {"compression": "none", "use_compliant_nested_type": False}
    yield "groups", nested(100), {"compression": "snappy", "row_group_size": 30, "data_page_size": 64, "write_batch_size": 7}
    yield "delta", ints, one(ints, "DELTA_BINARY_PACKED")
    yield "delta-length", texts, one(texts, "DELTA_LENGTH_BYTE_ARRAY")
    yield "delta-bytes", texts, one(texts, "DELTA_BYTE_ARRAY")
    yield "split", numbers, one(numbers, "BYTE_STREAM_SPLIT")
    yield "fallback", texts, {"compression": "none", "dictionary_pagesize_limit": 200, "data_page_size": 100, "write_batch_size": 10}
    yield "booleans", flat(500).select(["flag"]), {"data_page_version": "2.0", "compression": "none",
                                                  "use_dictionary": False, "column_encoding": {"flag": "RLE"}}
    yield "int96", flat(50).select(["at"]), {"use_deprecated_int96_timestamps": True}
    yield "empty", flat(0), {}
    table, how = encodings()
    for version in ("1.0", "2.0"):
        yield f"encodings-v{version[0]}", table, {"use_dictionary": ["dict"], "column_encoding": how, "data_page_version": version,
                                                  "data_page_size": 600, "compression": "zstd" if version == "2.0" else "none"}
    yield "extremes", extremes(), {}
    yield "decimal-integers", extremes().select(["d9", "d18"]), {"store_decimal_as_integer": True}
    yield "absences", absences(), {"use_dictionary": False, "compression": "none"}
    yield "absences-v2", absences(), {"data_page_version": "2.0", "compression": "snappy"}
    yield "absences-old-lists", absences().select(["tags", "grid", "messages"]), {"use_compliant_nested_type": False}
    yield "absences-groups", pa.concat_tables([absences()] * 5), {"row_group_size": 4, "data_page_size": 16, "write_batch_size": 2}
    yield "required", required(), {"row_group_size": 7, "write_page_checksum": True}
    yield "documents", documents(60), {"compression": "gzip", "data_page_version": "2.0"}
    large = pa.table({"id": ["x", "y", "z"], "text": ["ab" * 20000, "", "müh" * 9000]})
    yield "large", large, {"compression": "zstd", "use_dictionary": False}
    yield "nulls", pa.table({"a": pa.array([None] * 50, pa.int32()), "b": pa.array([None] * 50, pa.utf8()),
                             "c": pa.array([[]] * 50, pa.list_(pa.int8()))}), {"data_page_version": "2.0", "compression": "zstd"}
    turns = [[("user", "hi"), ("assistant", "hello")], [("user", "2+2?"), ("assistant", "4")]]
    yield "chat", pa.table({"id": ["a", "b"], "messages": [[{"role": r, "content": c} for r, c in t] for t in turns]}), {}


def read(path):
    """What pyarrow reads, with types that do not depend on how the file was made."""
    return pq.read_table(path, use_threads=False).replace_schema_metadata(None)


def goldens(folder):
    os.makedirs(folder, exist_ok=True)
    for name, table, options in made():
        path = f"{folder}/{name}"
        pq.write_table(table, path + ".parquet", store_schema=False, **options)
        t = read(path + ".parquet")
        with open(path + ".arrows", "wb") as out, ipc.new_stream(out, t.schema) as writer:
            writer.write_table(t)


def more(folder):
    """Files that are not compared: one that is refused, one of 4096 rows that share a long text, one of many small row groups."""
    os.makedirs(folder, exist_ok=True)
    pq.write_table(documents(3), folder + "/brotli.parquet", compression="brotli")
    long = pa.table({"id": [str(i) for i in range(4096)], "text": pa.array(["石" * 200000] * 4096, pa.large_utf8())})
    pq.write_table(long, folder + "/repeated.parquet", compression="zstd", store_schema=False)
    pq.write_table(documents(100), folder + "/small-groups.parquet", row_group_size=9, compression="zstd", write_statistics=False)


def check(quern, path, quiet=False):
    try:
        theirs = read(path)
    except pa.ArrowInvalid as e:
        print(f"{path}: pyarrow does not read it: {e}")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([quern, "-q", path, "-o", folder + "/out.arrows"], check=True)
        ours = ipc.open_stream(folder + "/out.arrows").read_all().replace_schema_metadata(None)
    ours.validate(full=True)
    assert ours.num_rows == theirs.num_rows, path
    assert ours.column_names == theirs.column_names, path
    for name in theirs.column_names:
        a, b = ours.column(name).to_pylist(), theirs.column(name).to_pylist()
        at = next((i for i in range(len(b)) if a[i] != b[i]), None)
        assert at is None, f"{path}: column {name}: row {at}: {a[at]!r} instead of {b[at]!r}"
    if not quiet:
        print(f"{path}: {ours.num_rows} rows, {len(ours.schema)} columns")


def random_type(r, depth):
    kind = r.randrange(12 if depth else 8)
    if kind == 8:
        return pa.list_(random_type(r, depth - 1))
    if kind == 9:
        return pa.struct([pa.field(f"f{i}", random_type(r, depth - 1), r.random() < 0.7) for i in range(r.randrange(1, 4))])
    if kind == 10:
        return pa.list_(pa.field("element", random_type(r, depth - 1), False))
    if kind == 11:
        return pa.map_(pa.utf8(), random_type(r, depth - 1))
    return [pa.int32(), pa.int64(), pa.utf8(), pa.bool_(), pa.float64(), pa.binary(), pa.int8(), pa.decimal128(25, 3)][kind]


def random_value(r, kind, nullable, p):
    if nullable and r.random() < p:
        return None
    if pa.types.is_map(kind):
        return [(f"k{i}", random_value(r, kind.item_type, True, p)) for i in range(r.randrange(4))]
    if pa.types.is_list(kind):
        return [random_value(r, kind.value_type, kind.value_field.nullable, p) for _ in range(r.choice([0, 1, 2, 3, 9]))]
    if pa.types.is_struct(kind):
        return {f.name: random_value(r, f.type, f.nullable, p) for f in kind}
    if pa.types.is_string(kind):
        return r.choice(WORDS) + str(r.randrange(50))
    if pa.types.is_binary(kind):
        return bytes(r.randrange(256) for _ in range(r.randrange(5)))
    if pa.types.is_boolean(kind):
        return r.random() < 0.5
    if pa.types.is_floating(kind):
        return r.randrange(1000) / 8
    if pa.types.is_decimal(kind):
        return decimal.Decimal(r.randrange(-10**20, 10**20)).scaleb(-3)
    return r.randrange(-100, 100)


def random_tables(quern, count, seed):
    for i in range(count):
        r = random.Random(seed * 1000003 + i)
        rows = r.choice([0, 1, 7, 100, 1500, 9000])
        columns = {}
        for c in range(r.randrange(1, 5)):
            kind, p, nullable = random_type(r, 3), r.choice([0, 0.05, 0.5, 1]), r.random() < 0.8
            columns[f"c{c}"] = (pa.field(f"c{c}", kind, nullable), [random_value(r, kind, nullable, p) for _ in range(rows)])
        table = pa.table([pa.array(v, f.type) for f, v in columns.values()], pa.schema([f for f, _ in columns.values()]))
        with tempfile.TemporaryDirectory() as tmp:
            options = dict(compression=r.choice(["none", "snappy", "zstd", "gzip", "lz4"]), data_page_version=r.choice(["1.0", "2.0"]),
                           use_dictionary=r.random() < 0.5, data_page_size=r.choice([64, 1000, 100000]),
                           row_group_size=r.choice([3, 1000, 100000]) if rows < 1000 else 2500, write_page_checksum=r.random() < 0.5,
                           use_compliant_nested_type=r.random() < 0.8, write_batch_size=r.choice([1, 16, 1024]))
            pq.write_table(table, f"{tmp}/t.parquet", **options)
            try:
                check(quern, f"{tmp}/t.parquet", True)
            except Exception:
                os.rename(f"{tmp}/t.parquet", "failed.parquet")
                print(f"table {i}: {options}, kept as failed.parquet")
                raise
    print(f"{count} random tables are what pyarrow reads")


if __name__ == "__main__":
    if sys.argv[1] == "goldens":
        goldens(sys.argv[2])
        more(sys.argv[2] + "/more")
    elif sys.argv[1] == "random":
        random_tables(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        for file in sys.argv[3:]:
            check(sys.argv[2], file)
