#!/usr/bin/env python3
"""Makes the small Parquet files that the tests read, and beside each what pyarrow reads in it, as an Arrow stream.

    make_parquet.py goldens DIR          writes DIR/NAME.parquet and DIR/NAME.arrows
    make_parquet.py check QUERN FILE...  quern mix of each Parquet file is for pyarrow what pyarrow itself reads in it

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


def check(quern, path):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([quern, "mix", "-q", path, "-o", folder + "/out.arrows"], check=True)
        ours = ipc.open_stream(folder + "/out.arrows").read_all().replace_schema_metadata(None)
    ours.validate(full=True)
    theirs = read(path)
    assert ours.num_rows == theirs.num_rows, path
    for name in theirs.column_names:
        a, b = ours.column(name), theirs.column(name)
        if a.type != b.type:
            b = b.cast(a.type)
        assert a.combine_chunks().equals(b.combine_chunks()), f"{path}: column {name} differs"
    print(f"{path}: {ours.num_rows} rows, {len(ours.schema)} columns")


if __name__ == "__main__":
    if sys.argv[1] == "goldens":
        goldens(sys.argv[2])
    else:
        for file in sys.argv[3:]:
            check(sys.argv[2], file)
