#!/usr/bin/env python3
"""Makes tests/conformance: streams that lie, each in one place, and INDEX, which says what a reader has to answer.

    make_conformance.py QUERN DIR      QUERN is the program that writes the streams of ours

The lies are told to two good streams: one of ours (sequence, checksums, the required end) and one of pyarrow's, which has no
checksums, so that the reader's own checks have to find them. Needs pyarrow. A line of INDEX is

    NAME<TAB>EXIT STATUS<TAB>extended regular expression that the message matches
"""
import os
import struct
import subprocess
import sys

import pyarrow as pa
from pyarrow import ipc

QUERN, DIR = sys.argv[1:3]
index = []


def put(name, data, status, says):
    with open(os.path.join(DIR, name), "wb") as f:
        f.write(data)
    index.append((name, status, says))


def bad(name, data, says):
    put(name, data, 3, says)


# --- messages: (place, metadata bytes, body place, body bytes) of a stream
def get(fmt, b, at):
    return struct.unpack_from("<" + fmt, b, at)[0]


def patched(b, at, fmt, v):
    b = bytearray(b)
    struct.pack_into("<" + fmt, b, at, v)
    return bytes(b)


def field(b, table, slot):
    """Place of a slot's value in a flatbuffer table, None if it is absent."""
    vtable = table - get("i", b, table)
    at = 4 + 2 * slot
    if at >= get("H", b, vtable) or not get("H", b, vtable + at):
        return None
    return table + get("H", b, vtable + at)


def follow(b, at):
    return at + get("I", b, at)


def messages(b, at=0):
    out = []
    while at + 8 <= len(b) and get("I", b, at) == 0xFFFFFFFF and get("I", b, at + 4):
        n = get("I", b, at + 4)
        root = follow(b, at + 8)
        body = field(b, root, 3)
        size = get("q", b, body) if body else 0
        out.append((at, n, at + 8 + n, size))
        at += 8 + n + size
    return out


class Message:
    """Places in a record batch message of stream b."""

    def __init__(self, b, m):
        self.at, self.n, self.body, self.bytes = m
        self.root = follow(b, self.at + 8)
        self.length_of_body = field(b, self.root, 3)
        self.header = follow(b, field(b, self.root, 2))
        self.rows = field(b, self.header, 0)
        nodes, buffers = field(b, self.header, 1), field(b, self.header, 2)
        self.nodes = follow(b, nodes) + 4
        self.n_nodes = get("I", b, self.nodes - 4)
        self.buffers = follow(b, buffers) + 4
        self.compression = field(b, self.header, 3)
        self.header_type = field(b, self.root, 1)

    def node(self, i):
        return self.nodes + 16 * i

    def buffer(self, i):
        return self.buffers + 16 * i


def ours(rows, *options):
    text = "".join('{"id":"d%d","text":"row number %d of a stream"}\n' % (i, i) for i in range(rows))
    return subprocess.run([QUERN, "import", "-q", *options], input=text.encode(), capture_output=True, check=True).stdout


def foreign(**options):
    schema = pa.schema([("text", pa.large_string()), ("ids", pa.list_(pa.int32())), ("n", pa.int64()), ("flag", pa.bool_())])
    batch = pa.record_batch([["one", None, "three", "fo\u00fcr"], [[1, 2], [], None, [3]], [1, 2, 3, 4], [True, False, None, True]],
                            schema=schema)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, schema, options=ipc.IpcWriteOptions(**options)) as w:
        w.write_batch(batch)
        w.write_batch(batch)
    return sink.getvalue().to_pybytes()


def one_column(name, array):
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([array], names=[name])
    with ipc.new_stream(sink, batch.schema) as w:
        w.write_batch(batch)
    return sink.getvalue().to_pybytes()


# --- the end, and the order ---------------------------------------------------------------------------
small = ours(3, "--compress", "never")
p = messages(small)
small_piece = [small[m[0]:m[2] + m[3]] for m in p]    # the schema, one batch, the closing batch
eos = small[p[2][2] + p[2][3]:]
assert eos == b"\xff\xff\xff\xff\0\0\0\0" and len(p) == 3

put("good.arrows", small, 0, "")
put("good-zstd.arrows", ours(3, "--compress", "always"), 0, "")
bad("empty.arrows", b"", "empty|no ")
bad("cut-in-prefix.arrows", small[:p[1][0] + 5], "batch 0: truncated")
bad("cut-in-metadata.arrows", small[:p[1][0] + 100], "batch 0: truncated")
bad("cut-in-body.arrows", small[:p[1][2] + 20], "batch 0: truncated")
bad("cut-between-batches.arrows", small[:p[2][0]], "truncated: ends after batch 0")
bad("cut-before-first-batch.arrows", small[:p[1][0]], "truncated: ends before the first batch")
bad("no-closing-batch.arrows", small[:p[2][0]] + eos, "truncated: ends after batch 0 without the closing batch")
bad("no-end-marker.arrows", small[:-8], "truncated: ends without the end-of-stream marker")
bad("half-an-end-marker.arrows", small[:-4], "truncated")
bad("writer-failed.arrows", small[:p[2][0]] + b"\xff\xff\xff\xff\x08\0\0\0", "truncated: the program that wrote it failed")
bad("writer-failed-at-once.arrows", small[:p[1][0]] + b"\xff\xff\xff\xff\x08\0\0\0", "truncated: the program that wrote it failed")
tiny = lambda *i: small_piece[0] + b"".join(small_piece[k] for k in i) + eos
bad("batch-repeated.arrows", tiny(1, 1, 2), "batch 1: out of sequence: numbered 0")
bad("batch-skipped.arrows", tiny(2), "closing batch counts 3 rows in 1 batches, not 0 in 0|checksum mismatch of the whole stream")
bad("batch-after-closing.arrows", tiny(1, 2, 1), "after the closing batch")
bad("two-schemas.arrows", small_piece[0] + small, "a second schema message")
bad("two-streams.arrows", small + small, "data after the end of the stream")
bad("text-after-end.arrows", small + b"more", "data after the end of the stream")
bad("checksum-of-body.arrows", patched(small, p[1][2] + 3, "B", small[p[1][2] + 3] ^ 1), "batch 0: checksum mismatch")
bad("checksum-of-padding.arrows", patched(small, p[2][0] - 1, "B", 1), "batch 0: checksum mismatch")
at = small.index(b"quern.xxh3")
bad("checksum-missing.arrows", patched(small, at, "B", ord("Q")), "batch 0: no checksum")
bad("sequence-missing.arrows", patched(small, small.index(b"quern.seq"), "B", ord("Q")), "batch 0: no checksum")
bad("totals-missing.arrows", patched(small, small.index(b"quern.rows"), "B", ord("Q")), "closing batch lacks its totals")
bad("metadata-changed.arrows", small.replace(b'"tool":"import"', b'"tool":"impart"', 1), "checksum mismatch of the whole stream")

# --- prefixes --------------------------------------------------------------------------------------------
f = foreign()
m = messages(f)
put("foreign.arrows", f, 0, "")
put("foreign-without-end.arrows", f[:-8], 3, "truncated: ends after batch 1 without the end-of-stream marker")
for name, size in (("negative", 0x80000000), ("huge", 0x7FFFFFF8), ("odd", m[1][1] + 1), ("tiny", 16)):
    bad(f"metadata-size-{name}.arrows", patched(f, m[1][0] + 4, "I", size), "batch 0: ")
bad("metadata-size-short.arrows", patched(f, m[1][0] + 4, "I", m[1][1] - 8), "batch 0: ")
bad("metadata-size-long.arrows", patched(f, m[1][0] + 4, "I", m[1][1] + 8), "batch 0: ")
bad("continuation-missing.arrows", patched(f, m[2][0], "I", 0), "batch 1: no Arrow message where one must begin")
bad("schema-missing.arrows", f[m[1][0]:], "schema")

# --- lies about the body -------------------------------------------------------------------------------------
b0 = Message(f, m[1])
for name, v in (("minus-one", -1), ("largest", 2**63 - 1), ("smallest", -2**63), ("short", b0.bytes - 8), ("long", b0.bytes + 8),
                ("none", 0), ("terabyte", 1 << 40)):
    bad(f"body-length-{name}.arrows", patched(f, b0.length_of_body, "q", v), "batch [01]: |no Arrow message")
for name, v in (("minus-one", -1), ("one-more", 5), ("one-fewer", 3), ("none", 0), ("largest", 2**63 - 1), ("smallest", -2**63), ("2g", 2**31)):
    bad(f"rows-{name}.arrows", patched(f, b0.rows, "q", v), "batch 0: ")
for name, v in (("minus-one", -1), ("one-more", 5), ("largest", 2**63 - 1), ("smallest", -2**63)):
    bad(f"column-length-{name}.arrows", patched(f, b0.node(0), "q", v), "batch 0: column 'text'")
for name, v in (("minus-one", -1), ("more-than-rows", 5), ("largest", 2**63 - 1)):
    bad(f"nulls-{name}.arrows", patched(f, b0.node(0) + 8, "q", v), "batch 0: column 'text'")
for name, v in (("minus-one", -1), ("one-more", 4), ("largest", 2**63 - 1)):
    bad(f"list-elements-{name}.arrows", patched(f, b0.node(2), "q", v), "batch 0: column '")
for name, v in (("minus-eight", -8), ("behind-the-body", b0.bytes + 8), ("largest", 2**63 - 8), ("odd", 1)):
    bad(f"buffer-at-{name}.arrows", patched(f, b0.buffer(1), "q", v), "batch 0: buffer 1 ")
for name, v in (("minus-one", -1), ("behind-the-body", b0.bytes + 1), ("largest", 2**63 - 1), ("wraps", 2**63 - 64)):
    bad(f"buffer-length-{name}.arrows", patched(f, b0.buffer(1) + 8, "q", v), "batch 0: buffer 1 ")
bad("buffer-length-short.arrows", patched(f, b0.buffer(1) + 8, "q", 8), "batch 0: column 'text'")
bad("validity-missing.arrows", patched(f, b0.buffer(0) + 8, "q", 0), "batch 0: column 'text'")
bad("fewer-buffers.arrows", patched(f, b0.buffers - 4, "I", 3), "batch 0: ")
bad("fewer-nodes.arrows", patched(f, b0.nodes - 4, "I", 2), "batch 0: ")
bad("many-buffers.arrows", patched(f, b0.buffers - 4, "I", 0x10000000), "batch 0: ")

# --- lies in the body ------------------------------------------------------------------------------------------
offsets = b0.body + get("q", f, b0.buffer(1))
text = b0.body + get("q", f, b0.buffer(2))
lists = b0.body + get("q", f, b0.buffer(4))
bad("offsets-fall.arrows", patched(f, offsets + 8, "q", 100), "batch 0: column 'text'")
bad("offsets-negative.arrows", patched(f, offsets, "q", -1), "batch 0: column 'text'")
bad("offsets-behind-the-values.arrows", patched(f, offsets + 32, "q", 1 << 20), "batch 0: column 'text'")
bad("offsets-largest.arrows", patched(f, offsets + 32, "q", 2**63 - 1), "batch 0: column 'text'")
bad("list-offsets-fall.arrows", patched(f, lists + 4, "i", 9), "batch 0: column 'ids'")
bad("list-offsets-negative.arrows", patched(f, lists, "i", -1), "batch 0: column 'ids'")
bad("text-not-utf8.arrows", patched(f, text, "B", 0xFF), "batch 0: column 'text'.*UTF-8")
bad("character-cut-by-offsets.arrows", patched(f, offsets + 24, "q", get("q", f, offsets + 24) + 3), "batch 0: column 'text'.*UTF-8")

# --- flatbuffers -----------------------------------------------------------------------------------------------------
bad("root-behind-the-end.arrows", patched(f, b0.at + 8, "I", 1 << 20), "batch 0: ")
bad("root-at-itself.arrows", patched(f, b0.at + 8, "I", 0), "batch 0: ")
bad("vtable-at-itself.arrows", patched(f, b0.root, "i", 0), "batch 0: ")
bad("vtable-behind-the-end.arrows", patched(f, b0.root, "i", -(1 << 20)), "batch 0: ")
bad("vtable-before-the-start.arrows", patched(f, b0.root, "i", 1 << 20), "batch 0: ")
bad("vtable-large.arrows", patched(f, b0.root - get("i", f, b0.root), "H", 0xFFFC), "batch 0: ")
bad("header-points-at-itself.arrows", patched(f, field(f, b0.root, 2), "I", 0), "batch 0: ")
bad("header-of-no-type.arrows", patched(f, b0.header_type, "B", 0), "batch 0: ")
bad("header-of-another-type.arrows", patched(f, b0.header_type, "B", 77), "batch 0: unknown message type")
s0 = follow(f, m[0][0] + 8)
schema = follow(f, field(f, s0, 2))
columns = follow(f, field(f, schema, 1)) + 4
bad("schema-many-columns.arrows", patched(f, columns - 4, "I", 0x10000000), "corrupt|columns|schema")
bad("schema-column-behind-the-end.arrows", patched(f, columns, "I", 1 << 20), "corrupt|schema")
bad("schema-column-is-the-schema.arrows", patched(f, columns, "I", (schema - columns) & 0xFFFFFFFF), "corrupt|schema|column")
name = follow(f, field(f, follow(f, columns), 0))
bad("column-name-not-utf8.arrows", patched(f, name + 4, "B", 0xFF), "name")
bad("column-name-with-nul.arrows", patched(f, name + 5, "B", 0), "name")
kind = field(f, follow(f, columns), 2)
bad("column-of-no-type.arrows", patched(f, kind, "B", 0), "type")
put("column-of-unknown-type.arrows", patched(f, kind, "B", 99), 3, "type")
if field(f, s0, 0):
    bad("metadata-version-of-the-future.arrows", patched(f, field(f, s0, 0), "h", 99), "version")
deep = pa.int8()
for _ in range(200):
    deep = pa.list_(deep)
sink = pa.BufferOutputStream()
with ipc.new_stream(sink, pa.schema([("deep", deep)])):
    pass
put("nested-200-deep.arrows", sink.getvalue().to_pybytes(), 3, "deep")

# --- encodings ----------------------------------------------------------------------------------------------------------
d = one_column("color", pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), pa.array(["red", "green"])))
dm = messages(d)
b = Message(d, dm[2])
bad("dictionary-index-beyond.arrows", patched(d, b.body + get("q", d, b.buffer(1)), "b", 2), "column 'color'")
bad("dictionary-index-negative.arrows", patched(d, b.body + get("q", d, b.buffer(1)), "b", -1), "column 'color'")
bad("dictionary-missing.arrows", d[:dm[1][0]] + d[dm[2][0]:], "color|dictionary")
v = one_column("text", pa.array(["a text that is longer than twelve bytes", "short"], pa.string_view()))
b = Message(v, messages(v)[1])
views = b.body + get("q", v, b.buffer(1))
bad("view-of-no-buffer.arrows", patched(v, views + 8, "i", 7), "column 'text'")
bad("view-behind-its-buffer.arrows", patched(v, views + 12, "i", 1 << 20), "column 'text'")
bad("view-of-negative-length.arrows", patched(v, views, "i", -1), "column 'text'")
z = foreign(compression="zstd")
b = Message(z, messages(z)[1])
piece_at = b.body + get("q", z, b.buffer(1))
bad("compressed-length-largest.arrows", patched(z, piece_at, "q", 2**63 - 1), "batch 0: ")
bad("compressed-length-minus-two.arrows", patched(z, piece_at, "q", -2), "batch 0: ")
bad("compressed-length-one-more.arrows", patched(z, piece_at, "q", get("q", z, piece_at) + 1), "batch 0: ")
bad("compressed-frame-broken.arrows", patched(z, piece_at + 8, "I", 0), "batch 0: ")
codec = field(z, follow(z, b.compression), 0)
if codec:
    put("compressed-by-what.arrows", patched(z, codec, "b", 9), 3, "compression")

# --- files with a footer ----------------------------------------------------------------------------------------------------
sink = pa.BufferOutputStream()
batch = pa.record_batch([["one", "two"]], names=["text"])
with ipc.new_file(sink, batch.schema) as w:
    w.write_batch(batch)
a = sink.getvalue().to_pybytes()
put("good-file.arrow", a, 0, "")
bad("file-magic.arrow", patched(a, len(a) - 3, "B", ord("X")), "footer|truncated")
bad("file-cut-in-footer.arrow", a[:-20], "footer|truncated")
bad("file-footer-length-negative.arrow", patched(a, len(a) - 10, "i", -1), "footer")
bad("file-footer-length-zero.arrow", patched(a, len(a) - 10, "i", 0), "footer")
size = get("i", a, len(a) - 10)
foot = len(a) - 10 - size
blocks = follow(a, field(a, follow(a, foot), 3)) + 4
bad("file-footer-block-elsewhere.arrow", patched(a, blocks, "q", get("q", a, blocks) + 8), "footer")
bad("file-footer-block-larger.arrow", patched(a, blocks + 16, "q", 1 << 40), "footer")
bad("file-footer-without-blocks.arrow", patched(a, blocks - 4, "I", 0), "footer")

with open(os.path.join(DIR, "INDEX"), "w") as f:
    for name, status, says in index:
        f.write(f"{name}\t{status}\t{says}\n")
print(len(index), "streams")
