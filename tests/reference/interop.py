#!/usr/bin/env python3
"""Holds our streams against pyarrow and polars, and makes the small foreign streams that the tests read.

    interop.py check FILE...     every stream opens in both, passes pyarrow's full validation,
                                 and its closing batch counts what pyarrow counted
    interop.py goldens DIR       writes foreign-*.arrows (streams) and foreign-file.arrow (a file)

Needs pyarrow and polars (python3 -m venv V && V/bin/pip install pyarrow polars); the tests do not.
"""
import sys

import polars
import pyarrow as pa
from pyarrow import ipc


def check(path):
    rows, batches, last = 0, 0, {}
    with open(path, "rb") as stream:
        reader = ipc.open_stream(stream)
        while True:
            try:
                batch, meta = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                break
            batch.validate(full=True)
            last = dict(meta.items()) if meta else {}
            batches += 1
            rows += batch.num_rows
    assert last.get(b"quern.end") == b"1", "no closing batch"
    assert int(last[b"quern.rows"]) == rows, "closing batch counts other rows"
    assert int(last[b"quern.batches"]) == batches - 1, "closing batch counts other batches"
    assert polars.read_ipc_stream(path).height == rows, "polars reads other rows"
    print(f"{path}: {rows} rows, {batches - 1} batches, {len(reader.schema)} columns")


def table():
    message = pa.struct([("role", pa.utf8()), ("content", pa.utf8())])
    return pa.table({
        "id": pa.array(["a", "b", None, "d"]),
        "text": pa.array(["häh", "", "x" * 40, "end"], pa.large_utf8()),
        "flag": pa.array([True, None, False, True]),
        "small": pa.array([1, -2, None, 4], pa.int8()),
        "big": pa.array([1, 2, 3, 2**64 - 1], pa.uint64()),
        "half": pa.array([0.5, 1.0, None, -2.0], pa.float16()),
        "score": pa.array([0.1, None, 3.0, 1e30], pa.float32()),
        "ids": pa.array([[1, 2], [], None, [3]], pa.list_(pa.int32())),
        "pair": pa.array([[1, 2], [3, 4], None, [5, 6]], pa.list_(pa.int32(), 2)),
        "messages": pa.array([[{"role": "user", "content": "hi"}], [], None, [{"role": "user", "content": None}]],
                             pa.list_(message)),
        "blob": pa.array([b"\x00\xff", None, b"", b"z"], pa.binary()),
        "nothing": pa.nulls(4),
    })


def write(path, t, make=ipc.new_stream, **options):
    with open(path, "wb") as out, make(out, t.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in t.to_batches(max_chunksize=3):
            writer.write_batch(batch)


def goldens(folder):
    t = table()
    write(f"{folder}/foreign-plain.arrows", t)
    write(f"{folder}/foreign-zstd.arrows", t, compression="zstd")
    write(f"{folder}/foreign-v4.arrows", t, metadata_version=ipc.MetadataVersion.V4)
    for name, nullable, texts in (("not-null", False, ["x", "y"]), ("nullable", True, ["z", None])):
        fields = [pa.field("id", pa.string(), False), pa.field("text", pa.string(), nullable)]
        write(f"{folder}/foreign-{name}.arrows", pa.table({"id": ["1", "2"], "text": texts}, schema=pa.schema(fields)))
    write(f"{folder}/foreign-lz4.arrows", t, compression="lz4")
    write(f"{folder}/foreign-slice.arrows", t.slice(1, 3))
    write(f"{folder}/foreign-empty.arrows", t.slice(0, 0))
    write(f"{folder}/foreign-no-columns.arrows", pa.table({}))
    write(f"{folder}/foreign-file.arrow", t, make=ipc.new_file)
    write(f"{folder}/foreign-dictionary.arrows", pa.table({"word": pa.array(["a", "b", "a"]).dictionary_encode()}))
    write(f"{folder}/foreign-timestamp.arrows", pa.table({"when": pa.array([1, 2], pa.timestamp("us"))}))
    write(f"{folder}/foreign-view.arrows", pa.table({"view": pa.array(["a"], pa.string_view())}))
    polars.DataFrame({"id": ["p", "q"], "n": [1, 2]}).write_ipc_stream(f"{folder}/foreign-polars.arrows", compat_level=polars.CompatLevel.oldest())


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "check":
        for name in sys.argv[2:]:
            check(name)
    elif len(sys.argv) == 3 and sys.argv[1] == "goldens":
        goldens(sys.argv[2])
    else:
        sys.exit(__doc__)
