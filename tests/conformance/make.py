#!/usr/bin/env python3
"""Makes the hostile streams of this folder, and index.tsv, which says of each what is wrong with it and how quern must answer.

    make.py QUERN DIR

QUERN is the program; its streams of today are the good ones that are damaged here. Others come from pyarrow. Needs pyarrow and xxhash
(python3 -m venv V && V/bin/pip install pyarrow xxhash); the tests do not.

A place in a stream is named as in Arrow's Message.fbs: at(2, "header.nodes[0].null_count") is in the third message. Damage to a
stream of ours is sealed again where the checksums are not what is tested.
"""
import os
import struct
import subprocess
import sys

import pyarrow as pa
import xxhash
from pyarrow import ipc

MARKER = b"\xff\xff\xff\xff\0\0\0\0"

# Fields of the tables in the order of their ids: a width in bytes, a table, a [vector] of tables or of structs, "text", or "-".
TABLES = {
    "Message": [("version", 2), ("type", 1), ("header", "header"), ("bodyLength", 8), ("meta", "[KeyValue]")],
    "Schema": [("endianness", 2), ("fields", "[Field]"), ("meta", "[KeyValue]"), ("features", "-")],
    "Field": [("name", "text"), ("nullable", 1), ("type", 1), ("parameters", "Type"), ("dictionary", "Dictionary"),
              ("children", "[Field]"), ("meta", "[KeyValue]")],
    "Type": [("first", 4)],
    "Dictionary": [("id", 8), ("index", "Type")],
    "KeyValue": [("key", "text"), ("value", "text")],
    "Batch": [("length", 8), ("nodes", ["length", "null_count"]), ("buffers", ["offset", "length"]), ("compression", "-"),
              ("variadic", ["count"])],
    "DictionaryBatch": [("id", 8), ("data", "Batch"), ("delta", 1)],
    "Footer": [("version", 2), ("schema", "Schema"), ("dictionaries", ["offset", "metadata", "body"]),
               ("batches", ["offset", "metadata", "body"])],
}
HEADERS = {1: "Schema", 2: "DictionaryBatch", 3: "Batch"}


class Stream:
    """The bytes of a stream, its messages and places in them."""

    def __init__(self, data):
        self.b = bytearray(data)
        self.file = self.b[:6] == b"ARROW1"
        self.parts = []                                   # (prefix, metadata, body, end)
        at = 8 if self.file else 0
        while self.get(at + 4, 4) != 0:
            metadata = self.get(at + 4, 4)
            body = at + 8 + metadata
            self.parts.append((at, at + 8, body, body + self.get(*self.find(at + 8, "Message", "bodyLength"), default=0)))
            at = self.parts[-1][3]
        self.end = at                                     # of the marker

    def get(self, at, width, default=None):
        return default if at is None else int.from_bytes(self.b[at:at + width], "little")

    def put(self, place, value):
        at, width = place
        assert at is not None
        self.b[at:at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
        return self

    def slot(self, table, index):
        """Place of a table's field, None if it is not there."""
        vtable = table - struct.unpack_from("<i", self.b, table)[0]
        if 4 + 2 * index >= self.get(vtable, 2):
            return None
        offset = self.get(vtable + 4 + 2 * index, 2)
        return table + offset if offset else None

    def follow(self, at):
        return at + self.get(at, 4)

    def find(self, root, kind, path):
        """Place and width of what path names in the buffer at root. A trailing '*' is the offset that leads there, '#' the count of
        a vector or text, '@' the table's own first word, '$' the first byte of a text."""
        return self.descend(self.follow(root), kind, path)

    def descend(self, table, kind, path):
        if path == "@":
            return table, 4
        name, _, rest = path.partition(".")
        base = name.rstrip("*#$")
        mark = name[len(base):]
        base, _, index = base.rstrip("]").partition("[")
        names = [f for f, _ in TABLES[kind]]
        at, what = self.slot(table, names.index(base)), TABLES[kind][names.index(base)][1]
        if at is None or isinstance(what, int) or mark == "*" and not index:
            return at, what if isinstance(what, int) else 4
        if what == "header":
            what = HEADERS[self.get(self.slot(table, 1), 1)]
        to = self.follow(at)
        if mark == "#":
            return to, 4
        if mark == "$":
            return to + 4, 1
        if isinstance(what, list):
            width = 8 * len(what)
            if kind == "Footer":
                return to + 4 + 24 * int(index) + 8 * what.index(rest), 8
            return to + 4 + width * int(index) + 8 * what.index(rest), 8
        if what.startswith("["):
            element = to + 4 + 4 * int(index)
            return (element, 4) if mark == "*" else self.descend(self.follow(element), what[1:-1], rest)
        return self.descend(to, what, rest)

    def at(self, message, path):
        return self.find(self.parts[message][1], "Message", path)

    def footer(self, path):
        size = struct.unpack_from("<i", self.b, len(self.b) - 10)[0]
        return self.find(len(self.b) - 10 - size, "Footer", path)

    def body(self, message, buffer, offset=0, width=4):
        """A place in the n-th buffer of a message's body."""
        path = "header.data.buffers" if self.get(*self.at(message, "type")) == 2 else "header.buffers"
        return self.parts[message][2] + self.get(*self.at(message, f"{path}[{buffer}].offset")) + offset, width

    def pair(self, message, key):
        """Place and length of the text of a message's key."""
        for i in range(self.get(*self.at(message, "meta#"))):
            k, _ = self.at(message, f"meta[{i}].key$")
            if self.b[k:k + self.get(k - 4, 4)] == key.encode():
                v, _ = self.at(message, f"meta[{i}].value$")
                return v, self.get(v - 4, 4)
        raise KeyError(key)

    def text(self, message, key, value):
        at, n = self.pair(message, key)
        assert len(value) == n
        self.b[at:at + n] = value.encode()
        return self

    def seal(self):
        """The checksums as they must be for what stands there."""
        total, last = xxhash.xxh3_64(), len(self.parts) - 1
        for i, (at, _, body, end) in enumerate(self.parts):
            if 0 < i < last:
                self.text(i, "quern.xxh3", xxhash.xxh3_64(self.b[body:end]).hexdigest())
            if i == last:
                self.text(i, "quern.xxh3", "0" * 16)
            total.update(self.b[at:body])
        total.update(self.b[self.parts[last][2]:self.parts[last][3]])
        return self.text(last, "quern.xxh3", total.hexdigest())

    def message(self, i):
        return bytes(self.b[self.parts[i][0]:self.parts[i][3]])

    def order(self, *which):
        """These messages and the marker."""
        return b"".join(self.message(i) for i in which) + MARKER


# --- good ones -----------------------------------------------------------------------------------------------------------------
def ours(quern, folder, compress):
    rows = [['{"id":"a","messages":[{"role":"user","content":"Grind this."},{"role":"assistant","content":"Ground."}],"meta":"{}"}',
             '{"id":"b","messages":[]}'], ['{"id":"c","messages":[{"role":"user","content":"h\u00e4h"}],"meta":"{}"}']]
    for i, part in enumerate(rows):
        with open(f"{folder}/{i}.jsonl", "w") as out:
            out.write("\n".join(part) + "\n")
    return subprocess.run([quern, "dedup", "--exact", "-q", "--compress", compress, "0.jsonl", "1.jsonl"], cwd=folder, check=True,
                          stdout=subprocess.PIPE).stdout


def foreign(table, make=ipc.new_stream, **options):
    sink = pa.BufferOutputStream()
    with make(sink, table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in table.to_batches():
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def deep(depth):
    kind = pa.int32()
    for _ in range(depth):
        kind = pa.list_(kind)
    sink = pa.BufferOutputStream()
    ipc.new_stream(sink, pa.schema([("f", kind)])).close()
    return sink.getvalue().to_pybytes()


def shared(depth):
    """Both children of every struct are one table: 2^depth fields in a kilobyte or two."""
    kind = pa.int32()
    for _ in range(depth):
        kind = pa.struct([("f", kind), ("g", pa.int32())])
    sink = pa.BufferOutputStream()
    ipc.new_stream(sink, pa.schema([("f", kind)])).close()
    s = Stream(sink.getvalue().to_pybytes())
    path = "header.fields[0]"
    for _ in range(depth):
        (one, _), (two, _) = s.at(0, path + ".children[0]*"), s.at(0, path + ".children[1]*")
        s.put((two, 4), s.follow(one) - two)
        path += ".children[0]"
    return s.b


# --- the damage ------------------------------------------------------------------------------------------------------------------
def streams(plain, packed):
    """Name, what is wrong, exit status, and what the message must hold."""
    def p():
        return Stream(plain)

    def z():
        return Stream(packed)

    g = p()
    assert len(g.parts) == 4                               # schema, two batches, the closing batch
    yield "good-plain", plain, "nothing: two batches of chat, three rows", 0, ""
    yield "good-compressed", packed, "nothing: the same, its bodies compressed with zstd", 0, ""

    # cuts, and what a failing writer leaves
    cut = "truncated"
    yield "cut-prefix", plain[:6], "ends inside the first prefix", 3, cut
    yield "cut-schema", plain[:g.parts[0][1] + 40], "ends inside the schema", 3, cut
    yield "cut-metadata", plain[:g.parts[1][1] + 40], "ends inside the metadata of batch 0", 3, "batch 0: truncated at byte"
    yield "cut-body", plain[:g.parts[2][3] - 1], "ends inside the body of batch 1", 3, "batch 1: truncated at byte"
    yield "cut-no-batch", plain[:g.parts[1][0]], "ends behind the schema", 3, "truncated: ends before the first batch"
    yield ("cut-between-batches", plain[:g.parts[2][0]], "stops between two batches", 3,
           "truncated: ends after batch 0 without the closing batch")
    yield ("cut-closing-batch", plain[:g.parts[3][0]], "ends behind the last batch", 3,
           "truncated: ends after batch 1 without the closing batch")
    yield "cut-marker", plain[:g.end], "ends without the marker", 3, "truncated: ends without the end-of-stream marker"
    yield ("no-closing-batch", g.order(0, 1, 2), "the marker where the closing batch must be", 3,
           "truncated: ends after batch 1 without the closing batch")
    yield ("writer-failed", plain[:g.parts[2][0]] + b"\xff\xff\xff\xff\x08\0\0\0", "a writer that failed behind batch 0", 3,
           "batch 1: truncated: the program that wrote it failed")

    # messages
    yield "batch-repeated", g.order(0, 1, 1, 2, 3), "batch 0 twice", 3, "batch 1: out of sequence: numbered 0"
    yield "batch-left-out", g.order(0, 2, 3), "no batch 0", 3, "batch 0: out of sequence: numbered 1"
    yield "batches-swapped", g.order(0, 2, 1, 3), "batch 1 before batch 0", 3, "batch 0: out of sequence: numbered 1"
    yield "last-batch-left-out", g.order(0, 1, 3), "no batch 1", 3, "checksum mismatch of the whole stream"
    yield "batch-behind-closing", g.order(0, 1, 2, 3, 2), "a batch behind the closing one", 3, "after the closing batch: another message"
    yield "schema-twice", g.order(0, 0, 1, 2, 3), "two schema messages", 3, "batch 0: "
    yield "schema-left-out", g.order(1, 2, 3), "no schema", 3, "the first message is no schema"
    yield "byte-behind-end", plain + b"\0", "a byte behind the marker", 3, "data after the end of the stream"
    yield "stream-twice", plain + plain, "two streams in one", 3, "data after the end of the stream"
    yield "magic-first", b"\xfe" + plain[1:], "the first byte", 3, "none of Arrow, Parquet and JSON"
    yield "magic-later", bytes(p().put((g.parts[1][0], 1), 0).b), "the first byte of batch 0", 3, "no Arrow message where one must begin"

    # checksums and our keys
    yield "body-bit", bytes(p().put((g.body(2, 2)[0], 1), 0x62).b), "a bit of a text in batch 1", 3, "batch 1: checksum mismatch"
    yield "checksum", bytes(p().text(1, "quern.xxh3", "0" * 16).b), "the checksum of batch 0", 3, "batch 0: checksum mismatch"
    name = p()
    at, _ = name.at(0, "header.fields[0].name$")
    yield ("schema-letter", bytes(name.put((at, 1), ord("j")).b), "a letter of a column's name", 3,
           "checksum mismatch of the whole stream")
    yield "sealed-number", bytes(p().text(2, "quern.seq", "2").seal().b), "batch 1 is numbered 2; sealed", 3, "numbered 2"
    yield ("sealed-rows", bytes(p().text(3, "quern.rows", "4").seal().b), "the closing batch counts 4 rows; sealed", 3,
           "closing batch counts 4 rows in 2 batches, not 3 in 2")
    key = p()
    at, n = key.pair(1, "quern.xxh3")
    for i in range(key.get(*key.at(1, "meta#"))):
        k, _ = key.at(1, f"meta[{i}].key$")
        if key.b[k:k + 10] == b"quern.xxh3":
            key.b[k] = ord("Q")
    yield "checksum-left-out", bytes(key.b), "batch 0 has no checksum", 3, "batch 0: no checksum"

    # sizes
    yield "metadata-negative", bytes(p().put((g.parts[1][0] + 4, 4), -8).b), "metadata of -8 bytes", 3, "impossible metadata size"
    yield "metadata-huge", bytes(p().put((g.parts[1][0] + 4, 4), 0x7FFFFFF8).b), "metadata of 2^31 - 8 bytes", 3, "impossible metadata size"
    for name, n, says in (("negative", -8, "impossible body length"), ("2-63", 2**63, "impossible body length"), ("2-63-8", 2**63 - 8, "exceeds the limit"),
                          ("2-31", 2**31, "truncated"), ("odd", 7, "impossible body length")):
        yield f"body-{name}", bytes(p().put(g.at(1, "bodyLength"), n).b), f"a body of {n} bytes", 3, says

    def lie(what, value, reason, says, message=1, base=p):
        s = base()
        return bytes(s.put(s.at(message, what), value).seal().b), reason + "; sealed", 3, says

    # lengths in the metadata of a batch; nodes: id, messages, its struct, role, content, meta
    yield "rows-negative", *lie("header.length", -1, "a batch of -1 rows", "batch 0: impossible row count")
    yield "rows-2-63-1", *lie("header.length", 2**63 - 1, "a batch of 2^63 - 1 rows", "batch 0: impossible row count")
    yield "rows-more", *lie("header.length", 3, "a batch of one row more than its columns", "another number of rows than the batch")
    yield "node-huge", *lie("header.nodes[0].length", 2**62, "a column of 2^62 rows", "batch 0: column 'id'")
    yield "nulls-more", *lie("header.nodes[5].null_count", 3, "3 nulls in 2 rows", "batch 0: column 'meta': impossible row count")
    yield "nulls-negative", *lie("header.nodes[5].null_count", -1, "-1 nulls", "batch 0: column 'meta': impossible row count")
    yield "buffer-beyond", *lie("header.buffers[2].length", 2**20, "a buffer longer than the body", "buffer 2 lies outside the body")
    yield "buffer-2-63-1", *lie("header.buffers[2].length", 2**63 - 1, "a buffer of 2^63 - 1 bytes", "buffer 2 lies outside the body")
    yield "buffer-negative", *lie("header.buffers[1].offset", -64, "a buffer before the body", "buffer 1 lies outside the body")
    yield "buffer-unaligned", *lie("header.buffers[2].offset", 65, "a buffer at byte 65", "buffer 2 is not aligned")
    yield "buffers-fewer", *lie("header.buffers#", 3, "3 buffers of 11", "batch does not fit the schema")
    yield "nodes-2-32-1", *lie("header.nodes#", 2**32 - 1, "2^32 - 1 nodes", "metadata is corrupt")

    yield "big-endian", *lie("header.endianness", 1, "big-endian bodies", "big-endian streams are not supported", 0)

    # flatbuffers
    yield "table-cycle", *lie("header*", 0, "an offset that leads to itself", "metadata is corrupt")
    yield "table-outside", *lie("header*", 2**32 - 4, "an offset that leads out", "metadata is corrupt")
    yield "vtable-outside", *lie("header.@", 2**31, "a table whose vtable lies outside", "metadata is corrupt")
    yield "vtable-cycle", *lie("header.@", 0, "a table that is its own vtable", "batch 0: ")

    # values
    def value(buffer, offset, width, v, reason, says, base=p):
        s = base()
        return bytes(s.put(s.body(1, buffer, offset, width), v).seal().b), reason + "; sealed", 3, says

    # buffers: 0-2 id, 3-4 messages, 5 struct, 6-8 role, 9-11 content, 12-14 meta
    yield "offsets-backwards", *value(1, 4, 4, 2**31 - 1, "offsets that fall", "column 'id': offsets run backwards")
    yield "offsets-beyond", *value(1, 8, 4, 2**31 - 1, "the last offset lies behind the data", "column 'id': offsets lead past the data")
    yield "offsets-negative", *value(1, 0, 4, -1, "the first offset is -1", "column 'id': negative offset")
    yield "list-beyond", *value(4, 8, 4, 1000, "a list of more elements than there are", "batch 0: column")
    yield "text-not-utf8", *value(2, 0, 1, 0xFF, "a text that is not UTF-8", "column 'id': row 0 is not UTF-8")

    # compressed buffers
    length = "a buffer that says it inflates to"
    wrong = "does not decompress"
    yield "inflated-2-62", *value(2, 0, 8, 2**62, f"{length} 2^62 bytes", wrong, z)
    yield "inflated-more", *value(2, 0, 8, 3, f"{length} one byte more", wrong, z)
    yield "inflated-negative", *value(2, 0, 8, -2, f"{length} -2 bytes", wrong, z)
    yield "frame", *value(2, 8, 4, 0xFFFFFFFF, "a compressed buffer without zstd's magic", wrong, z)

    yield from of_others()


def of_others():
    word = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), pa.array(["a", "b"]))
    d = foreign(pa.table({"word": word}))

    def of(data, place, v, reason, says):
        s = Stream(data)
        return bytes(s.put(place(s), v).b), reason, 3, says

    yield "foreign-dictionary", d, "nothing: a dictionary of pyarrow's", 0, ""
    yield "foreign-index", *of(d, lambda s: s.body(2, 1, 1, 1), 2, "an index past the dictionary", "row 1 points past the 2 values")
    yield "foreign-index-negative", *of(d, lambda s: s.body(2, 1, 1, 1), -1, "an index of -1", "row 1 points past the 2 values")
    two = foreign(pa.table({"word": word, "other": word}))
    yield "foreign-id", *of(two, lambda s: s.at(2, "header.id"), 77, "a dictionary of no column", "dictionary 77, which no column has")
    yield "foreign-no-dictionary", Stream(d).order(0, 2), "the dictionary does not come", 3, "column 'word': its dictionary has not come"
    yield "foreign-no-marker", d[:-8], "no marker", 3, "truncated: ends after batch 0 without the end-of-stream marker"

    v = foreign(pa.table({"text": pa.array(["a text of more than twelve bytes"], pa.string_view())}))
    yield "foreign-view", v, "nothing: a view of pyarrow's", 0, ""
    outside = "column 'text': a view leads outside its buffers"
    yield "foreign-view-place", *of(v, lambda s: s.body(1, 1, 12), 1000, "a view that begins behind its buffer", outside)
    yield "foreign-view-length", *of(v, lambda s: s.body(1, 1, 0), 2**31 - 1, "a view of 2^31 - 1 bytes", outside)
    yield "foreign-view-negative", *of(v, lambda s: s.body(1, 1, 0), -1, "a view of -1 bytes", outside)
    yield "foreign-view-buffer", *of(v, lambda s: s.body(1, 1, 8), 7, "a view into buffer 7 of 1", outside)
    yield "foreign-view-count", *of(v, lambda s: s.at(1, "header.variadic[0].count"), 2**63 - 1, "2^63 - 1 buffers of views", "batch 0: ")

    yield "foreign-deep", deep(65), "65 lists in one another", 3, "schema nests deeper than 64"
    yield "foreign-shared", bytes(shared(30)), "2^30 fields in 6 kB: tables shared by those above them", 3, "schema has more than 65536 fields"
    n = foreign(pa.table({"n": pa.array([1, 2], pa.int32())}))
    yield "foreign-version", *of(n, lambda s: s.at(0, "version"), 9, "metadata version 10", "metadata version 10 is not supported")
    yield "foreign-type", *of(n, lambda s: s.at(0, "header.fields[0].type"), 200, "a type that is none", "column 'n': ")
    yield "foreign-values", *of(n, lambda s: s.at(1, "header.buffers[1].length"), 4, "values for one row of two", "values are too short")

    f = foreign(pa.table({"n": pa.array([1, 2], pa.int32())}), ipc.new_file)
    yield "foreign-file", f, "nothing: a file of pyarrow's", 0, ""
    yield "foreign-file-cut", f[:-3], "ends inside the footer", 3, "truncated: ends inside the footer"
    yield "foreign-file-place", *of(f, lambda s: s.footer("batches[0].offset"), 2**63 - 1, "the footer has a batch elsewhere",
                                    "the footer has batch 0 in another place or size")
    yield "foreign-file-batches", *of(f, lambda s: s.footer("batches#"), 0, "the footer lists no batch", "the footer lists 0 batches")
    yield "foreign-file-size", *of(f, lambda s: (len(s.b) - 10, 4), -1, "a footer of 2^32 - 1 bytes", "the footer has an impossible size")


def main(quern, folder):
    import tempfile
    with tempfile.TemporaryDirectory() as tmp:
        plain, packed = (ours(os.path.abspath(quern), tmp, compress) for compress in ("never", "always"))
    with open(f"{folder}/index.tsv", "w") as index:
        for name, data, reason, status, says in streams(plain, packed):
            name += ".arrow" if data[:6] == b"ARROW1" else ".arrows"
            with open(f"{folder}/{name}", "wb") as out:
                out.write(data)
            index.write(f"{name}\t{status}\t{reason}\t{says}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
