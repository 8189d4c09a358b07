#!/usr/bin/env python3
"""Holds our streams against pyarrow, polars and DuckDB, and makes the small foreign streams that the tests read.

    interop.py check FILE...     every stream opens in both, passes pyarrow's full validation,
                                 and its closing batch counts what pyarrow counted
    interop.py kinds QUERN DIR a stream of every kind, plain and compressed, is for all three the rows that went into it; they
                                 are then the golden files kind-*.arrows and kind-*.jsonl
    interop.py goldens DIR       writes foreign-*.arrows (streams) and foreign-*.arrow (files), and beside those of
                                 types that we show in a way of our own, the rows that quern view must print
    interop.py through QUERN DIR every foreign file passes through quern mix, and is for pyarrow the table that it was

DuckDB reads streams by itself with its extension nanoarrow; where that cannot be had it is given what pyarrow opened.

Needs pyarrow, polars, duckdb and arro3-io (python3 -m venv V && V/bin/pip install pyarrow polars duckdb arro3-io arro3-core); the
tests do not.
"""
import base64
import datetime
import decimal
import json
import os
import subprocess
import sys
import tempfile

import arro3.io
import duckdb
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
    return f"{rows} rows, {batches - 1} batches, {len(reader.schema)} columns"


def turns(*contents):
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": c} for i, c in enumerate(contents)]


def rows_of_kinds():
    """Of each kind rows with every column, nulls where there may be some, empty lists and texts. Numbers are exact in float32."""
    said = {"id": "a", "prompt": turns("2 + 2?"), "sample": 0, "completion": "4", "completion_ids": [7, 8], "logprob": -0.25,
            "finish": "stop", "answer": "4"}
    more = {"id": "a", "prompt": turns(), "sample": 1, "completion": "", "completion_ids": [], "logprob": 0.0, "finish": "length"}
    pair = {"id": "p", "prompt": turns("hi"), "chosen": turns("hi", "ho"), "rejected": turns("h\u00e4h")}
    return {
        "documents": [{"id": "a", "text": "gr\u00fctze", "source": "mill", "meta": "{}"}, {"id": "b", "text": ""}],
        "chat": [{"id": "a", "messages": turns("hi", "ho"), "meta": "{}"}, {"id": "b", "messages": []}],
        "problems": [{"id": "a", "prompt": turns("2 + 2?"), "answer": "4", "meta": "{}"}, {"id": "b", "prompt": [], "answer": ""}],
        "preferences": [{**pair, "score_chosen": 1.5, "score_rejected": -1.0, "margin": 2.5, "ref_chosen_logp": -8.0,
                         "ref_rejected_logp": -16.0}, pair],
        "feedback": [{"id": "a", "prompt": turns("hi"), "completion": "ho", "label": True},
                     {"id": "b", "prompt": [], "completion": "", "label": False}],
        "tokens": [{"id": "a", "input_ids": [1, 2, 3], "loss_mask": [0, 1, 1]}, {"id": "b", "input_ids": []}],
        "tokens of pairs": [{"id": "a", "prompt_ids": [1], "chosen_ids": [2, 3], "rejected_ids": []}],
        "completions": [said, more],
        "scores": [{**said, "score": 1.0, "reward_accuracy": 1.0, "verdict": "right"}, {**more, "score": 0.0, "reward_accuracy": 0.0}],
    }


def write_kinds(quern, folder):
    """(kind, path, rows) of every kind, plain and compressed."""
    def run(*command):
        subprocess.run([quern, *command], check=True, cwd=folder)

    for kind, rows in rows_of_kinds().items():
        name = f"kind-{kind}".replace(" ", "-")
        with open(f"{folder}/{name}.jsonl", "w") as out:
            out.writelines(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
        for compress, suffix in (("never", ".arrows"), ("always", ".zstd.arrows")):
            run("mix", "-q", "--compress", compress, f"{name}.jsonl", "-o", name + suffix)
            yield kind, f"{folder}/{name}{suffix}", rows
            if kind == "tokens":
                run("pack", "-q", "-L", "4", "--compress", compress, name + suffix, "-o", "kind-packed" + suffix)
                packed = [{"input_ids": [1, 2, 3, 0], "labels": [-100, 2, 3, -100], "seq_lengths": [3]}]
                expect(f"{folder}/kind-packed.jsonl", packed)
                yield "packed", f"{folder}/kind-packed{suffix}", packed


def duckdb_rows(path):
    """The rows, and by which way DuckDB came to them."""
    with duckdb.connect() as db:
        try:
            db.execute("INSTALL nanoarrow FROM community")
            db.execute("LOAD nanoarrow")
            way, found = "DuckDB", db.execute(f"SELECT * FROM read_arrow('{path}')")
        except duckdb.Error:
            stream = ipc.open_stream(path)
            way, found = "DuckDB over pyarrow", db.execute("SELECT * FROM stream")
        names = [column[0] for column in found.description]
        return [{k: list(v) if isinstance(v, tuple) else v for k, v in zip(names, row)} for row in found.fetchall()], way


def kinds(quern, folder):
    for kind, path, rows in write_kinds(os.path.abspath(quern), folder):
        counts = check(path)
        stream = ipc.open_stream(path)
        assert stream.schema.metadata[b"quern.kind"].decode() == kind.split()[0], f"{path}: another kind"
        names = stream.schema.names
        assert {name for row in rows for name in row} <= set(names), f"{path}: columns {names}"
        want = [{name: row.get(name) for name in names} for row in rows]
        found, way = duckdb_rows(path)
        for reader, got in (("pyarrow", stream.read_all().to_pylist()), ("polars", polars.read_ipc_stream(path).to_dicts()), (way, found)):
            assert got == want, f"{path}: {reader} reads {got}, not {want}"
        print(f"{path}: {kind}, {counts}: the same rows for pyarrow, polars, {way}")


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


def write(path, t, make=ipc.new_stream, rows=3, **options):
    with open(path, "wb") as out, make(out, t.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in t.to_batches(max_chunksize=rows):
            writer.write_batch(batch)


def logical():
    """Every type that is a number with a meaning, and maps."""
    D = decimal.Decimal
    day = datetime.date(2024, 2, 29)
    t = pa.table({
        "date32": pa.array([day, None, datetime.date(1969, 12, 31)], pa.date32()),
        "date64": pa.array([day, None, datetime.date(1969, 12, 31)], pa.date64()),
        "time32": pa.array([1, None, 86399], pa.time32("s")),
        "time64": pa.array([1, None, 86399999999999], pa.time64("ns")),
        "zoned": pa.array([1, None, -1], pa.timestamp("us", "Europe/Berlin")),
        "clock": pa.array([1709164800, None, -1], pa.timestamp("s")),
        "span": pa.array([1500, None, -1], pa.duration("ms")),
        "step": pa.array([(1, 2, 3), None, (-1, -2, -3)], pa.month_day_nano_interval()),
        "price": pa.array([D("1.25"), None, D("-0.05")], pa.decimal128(10, 2)),
        "wide": pa.array([D(10) ** 60, None, D("-0.000001")], pa.decimal256(76, 6)),
        "key": pa.array([b"abc", None, b"\0\1\2"], pa.binary(3)),
        "tags": pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.utf8(), pa.int64())),
        "pairs": pa.array([[(1, [day])], None, []], pa.map_(pa.int32(), pa.list_(pa.date32()))),
        "deep": pa.array([[{"at": 5, "key": b"xy"}, None], None, []],
                         pa.list_(pa.struct([("at", pa.timestamp("ms")), ("key", pa.binary(2))]))),
    })
    key = t.schema.field("key").with_metadata({"ARROW:extension:name": "test.key", b"raw": b"\xff\0z"})
    schema = t.schema.set(t.schema.get_field_index("key"), key).with_metadata({"huggingface": '{"info": {}}'})
    rows = [
        {"date32": "2024-02-29", "date64": "2024-02-29", "time32": "00:00:01", "time64": "00:00:00.000000001",
         "zoned": "1970-01-01T00:00:00.000001Z", "clock": "2024-02-29T00:00:00", "span": "PT1.500S", "step": "P1M2DT0.000000003S",
         "price": "1.25", "wide": "1" + 60 * "0" + ".000000", "key": "YWJj", "tags": {"a": 1, "b": None},
         "pairs": [[1, ["2024-02-29"]]], "deep": [{"at": "1970-01-01T00:00:00.005", "key": "eHk="}, None]},
        {},
        {"date32": "1969-12-31", "date64": "1969-12-31", "time32": "23:59:59", "time64": "23:59:59.999999999",
         "zoned": "1969-12-31T23:59:59.999999Z", "clock": "1969-12-31T23:59:59", "span": "PT-0.001S",
         "step": "P-1M-2DT-0.000000003S", "price": "-0.05", "wide": "-0.000001", "key": "AAEC", "tags": {}, "pairs": [], "deep": []},
    ]
    return t.cast(schema), rows


def views():
    """Values of 0, 12 and 13 bytes, and enough to fill more than one buffer."""
    words = ["", "x" * 12, None, "ä" + "y" * 12, "z" * 40]
    blobs = [None if w is None else w.encode() for w in words]
    lists = [[w, "end"] for w in words]
    t = pa.table({"text": pa.array(words, pa.string_view()), "blob": pa.array(blobs, pa.binary_view()),
                  "list": pa.array(lists, pa.list_(pa.string_view()))})
    t = pa.concat_tables([t.slice(1, 3), t]).combine_chunks()
    order = [1, 2, 3, 0, 1, 2, 3, 4]
    rows = [{"text": words[i], "blob": blobs[i] and base64.b64encode(blobs[i]).decode(), "list": lists[i]} for i in order]
    for row in rows:
        row["blob"] = "" if row["text"] == "" else row["blob"]
    return t, [{k: v for k, v in row.items() if v is not None} for row in rows]


def dictionary(values, indices, index=pa.int32()):
    return pa.DictionaryArray.from_arrays(pa.array(indices, index), values)


def dictionaries():
    """Dictionaries of several types and indices, below lists and structs, with nulls of both kinds."""
    word = pa.array(["a", None, "bcd"])
    pair = pa.StructArray.from_arrays([pa.array([1, 2]), dictionary(word, [2, 0], pa.int8())], ["n", "word"])
    listed = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), dictionary(word, [0, 2, 1], pa.uint8()))
    t = pa.table({
        "word": dictionary(word, [2, None, 1], pa.uint16()),
        "number": dictionary(pa.array([1.5, 2.5]), [1, 1, 0], pa.int64()),
        "day": dictionary(pa.array([0], pa.date32()), [0, None, 0], pa.uint64()),
        "flag": dictionary(pa.array([True, False]), [1, 0, None]),
        "list": dictionary(pa.array([[1, 2], [], [3]]), [2, 0, None]),
        "pair": dictionary(pair, [1, None, 0]),
        "fixed": dictionary(pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)), [1, None, 0]),
        "listed": listed,
        "none": dictionary(pa.array([], pa.utf8()), [None, None, None]),
    })
    rows = [{"word": "bcd", "number": 2.5, "day": "1970-01-01", "flag": False, "list": [3], "pair": {"n": 2, "word": "a"},
             "fixed": [3, 4], "listed": ["a", "bcd"]},
            {"number": 2.5, "flag": True, "list": [1, 2], "listed": []},
            {"number": 1.5, "day": "1970-01-01", "pair": {"n": 1, "word": "bcd"}, "fixed": [1, 2], "listed": [None]}]
    return t, rows


def changing(deltas):
    """Batches whose dictionary grows from one to the next, and (deltas off) one that replaces it."""
    sets = [["a"], ["a", "b"], ["a", "b", "c"]] if deltas else [["a"], ["b", "a"], ["c"]]
    batches = [pa.record_batch({"word": dictionary(pa.array(s), [len(s) - 1, None, 0])}) for s in sets]
    rows = [row for s in sets for row in ({"word": s[-1]}, {}, {"word": s[0]})]
    return pa.Table.from_batches(batches), rows


def expect(path, rows):
    with open(path, "w") as out:
        for row in rows:
            out.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")


def refused(folder):
    """Types that are not read, each by itself, and columns that lie."""
    one = pa.array([1], pa.int32())
    far = pa.Array.from_buffers(pa.int8(), 2, [None, pa.py_buffer(b"\0\1")])
    write(f"{folder}/foreign-bad-index.arrows",
          pa.table({"c": pa.DictionaryArray.from_arrays(far, pa.array(["a"]), safe=False)}))
    view = (13).to_bytes(4, "little") + b"abcd" + (0).to_bytes(4, "little") + (5).to_bytes(4, "little")
    write(f"{folder}/foreign-bad-view.arrows",
          pa.table({"c": pa.Array.from_buffers(pa.string_view(), 1, [None, pa.py_buffer(view), pa.py_buffer(b"x" * 17)])}))
    vast = pa.DictionaryArray.from_arrays(pa.array([0] * 4096, pa.int8()), pa.array(["x" * 2**20]))
    write(f"{folder}/foreign-bad-size.arrows", pa.table({"c": vast}), rows=4096, compression="zstd")
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [one])
    for name, array in (("union", union), ("run-end", pa.RunEndEncodedArray.from_arrays(one, pa.array(["a"]))),
                        ("list-view", pa.array([["a"]], pa.list_view(pa.utf8())))):
        write(f"{folder}/foreign-{name}.arrows", pa.table({"c": array}))


def goldens(folder):
    t = table()
    write(f"{folder}/foreign-plain.arrows", t)
    write(f"{folder}/foreign-zstd.arrows", t, compression="zstd")
    write(f"{folder}/foreign-lz4.arrows", t, compression="lz4")
    write(f"{folder}/foreign-v4.arrows", t, metadata_version=ipc.MetadataVersion.V4)
    for name, nullable, texts in (("not-null", False, ["x", "y"]), ("nullable", True, ["z", None])):
        fields = [pa.field("id", pa.string(), False), pa.field("text", pa.string(), nullable)]
        write(f"{folder}/foreign-{name}.arrows", pa.table({"id": ["1", "2"], "text": texts}, schema=pa.schema(fields)))
    write(f"{folder}/foreign-slice.arrows", t.slice(1, 3))
    write(f"{folder}/foreign-empty.arrows", t.slice(0, 0))
    write(f"{folder}/foreign-no-columns.arrows", pa.table({}))
    write(f"{folder}/foreign-file.arrow", t, make=ipc.new_file)
    for name, (made, rows), options in (
            ("logical", logical(), {}), ("views", views(), {}), ("dictionary", dictionaries(), {}),
            ("delta", changing(True), {"emit_dictionary_deltas": True}), ("replaced", changing(False), {})):
        write(f"{folder}/foreign-{name}.arrows", made, **options)
        expect(f"{folder}/foreign-{name}.jsonl", rows)
        if name != "replaced":                          # files know no replacement
            write(f"{folder}/foreign-{name}.arrow", made, make=ipc.new_file, compression="lz4", **options)
    refused(folder)
    frame = polars.DataFrame({"id": ["p", "q"], "n": [1, 2]})
    frame.write_ipc_stream(f"{folder}/foreign-polars.arrows", compat_level=polars.CompatLevel.oldest())
    frame = frame.with_columns(polars.Series("kind", ["x", "a longer value"], polars.Categorical), polars.lit("views by default").alias("text"))
    frame.write_ipc(f"{folder}/foreign-polars.arrow", compression="zstd")
    expect(f"{folder}/foreign-polars.jsonl", frame.rows(named=True))
    made, rows = dictionaries()
    arro3.io.write_ipc(made, f"{folder}/foreign-rust.arrow", compression="lz4")
    expect(f"{folder}/foreign-rust.jsonl", rows)


def plain(t):
    """t as our reader hands it on: no dictionaries, no views."""
    def of(kind):
        if pa.types.is_dictionary(kind):
            return of(kind.value_type)
        if pa.types.is_string_view(kind):
            return pa.utf8()
        if pa.types.is_binary_view(kind):
            return pa.binary()
        if pa.types.is_list(kind):
            return pa.list_(kind.value_field.with_type(of(kind.value_type)))
        if pa.types.is_struct(kind):
            return pa.struct([f.with_type(of(f.type)) for f in kind])
        return kind
    return pa.schema([f.with_type(of(f.type)) for f in t.schema], t.schema.metadata)


def through(quern, folder):
    names = [n for n in sorted(os.listdir(folder)) if n.startswith("foreign-") and n.endswith((".arrow", ".arrows"))]
    for name in names:
        if name.split("-", 1)[1].split(".")[0] in ("union", "run-end", "list-view", "bad-index", "bad-view", "bad-size"):
            continue
        path = f"{folder}/{name}"
        opened = ipc.open_file(path) if name.endswith(".arrow") else ipc.open_stream(path)
        t = opened.read_all()
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run([quern, "mix", "-q", path, "-o", f"{tmp}/out.arrows"], check=True)
            got = ipc.open_stream(f"{tmp}/out.arrows").read_all()
        got.validate(full=True)
        want = plain(t)
        assert got.schema.equals(want), f"{name}: schema {got.schema} instead of {want}"
        assert got.equals(t) or got.to_pylist() == t.to_pylist(), f"{name}: other rows"
        for field in t.schema:
            assert got.schema.field(field.name).metadata == field.metadata, f"{name}: metadata of {field.name}"
        for key, value in (t.schema.metadata or {}).items():
            assert got.schema.metadata[key] == value, f"{name}: metadata {key}"
        print(f"{name}: {got.num_rows} rows, {len(got.schema)} columns pass through")


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "check":
        for name in sys.argv[2:]:
            print(f"{name}: {check(name)}")
    elif len(sys.argv) == 4 and sys.argv[1] == "kinds":
        kinds(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "goldens":
        goldens(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "through":
        through(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
