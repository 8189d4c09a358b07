#!/usr/bin/env python3
"""Parquet to a stream: bench_parquet (a reader and a writer, one thread) against pyarrow (one thread: batches of the same size
read, written as plain Arrow IPC). Wall seconds, best of five; both in TMPDIR, in the page cache. Ours also writes checksums,
hashes the file and checks UTF-8.

    parquet.py BUILD [MEGABYTES]
"""
import os
import random
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

READ = """
import sys, pyarrow as pa, pyarrow.ipc as ipc, pyarrow.parquet as pq, time
pa.set_cpu_count(1)
def run():
    f = pq.ParquetFile(sys.argv[1], pre_buffer=False)
    with pa.OSFile(sys.argv[2], "wb") as out, ipc.new_stream(out, f.schema_arrow) as w:
        for b in f.iter_batches(batch_size=int(sys.argv[3]), use_threads=False):
            w.write_batch(b)
best = 1e9
for _ in range(5):
    t = time.time()
    run()
    best = min(best, time.time() - t)
print(best)
"""


def tables(megabytes):
    r = random.Random(3)
    words = [f"w{i}" for i in range(5000)]
    paragraphs = [" ".join(r.choices(words, k=180)) for _ in range(2000)]
    n = megabytes * 1000
    english = pa.table({"id": [f"doc-{i}" for i in range(n)], "text": [paragraphs[r.randrange(2000)][r.randrange(50):] for _ in range(n)]})
    german = pa.table({"id": english["id"], "text": [t.as_py().replace("1", "ü") for t in english["text"]]})
    n = megabytes * 20000
    some = lambda v: [x if r.random() < 0.9 else None for x in v]
    numbers = pa.table({"a": pa.array(range(n)), "b": pa.array(some(r.randrange(1000) for _ in range(n)), pa.int32()),
                        "c": pa.array([r.random() for _ in range(n)]), "d": pa.array([r.randrange(50) == 0 for _ in range(n)]),
                        "e": pa.array(some(words[r.randrange(100)] for _ in range(n)))})
    n = megabytes * 1000
    chat = pa.table({"messages": pa.array([[{"role": ("user", "assistant")[j % 2], "content": paragraphs[r.randrange(2000)][:200]}
                                            for j in range(r.randrange(2, 8))] for _ in range(n)])})
    n = megabytes * 100
    tokens = pa.table({"input_ids": pa.array([[r.randrange(50000) for _ in range(r.randrange(500))] for _ in range(n)], pa.list_(pa.int32()))})
    return {"text": english, "text, not ASCII": german, "numbers": numbers, "chat": chat, "tokens": tokens}


def main():
    build, megabytes = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    print(f"{'table':18} {'codec':7} {'file MB':>8} {'MB':>6} {'read s':>8} {'quern s':>8} {'pyarrow s':>9}")
    with tempfile.TemporaryDirectory() as tmp:
        for name, table in tables(megabytes).items():
            for codec in ("none", "snappy", "zstd"):
                pq.write_table(table, f"{tmp}/t.parquet", compression=codec, use_dictionary=name in ("numbers", "tokens"))
                read, ours, _ = subprocess.run([f"{build}/bench/bench_parquet", f"{tmp}/t.parquet", f"{tmp}/o"], check=True,
                                               capture_output=True, text=True).stdout.split()
                rows = str(max(1, (1 << 20) // max(1, table.nbytes // table.num_rows)))
                theirs = float(subprocess.run([sys.executable, "-c", READ, f"{tmp}/t.parquet", f"{tmp}/p", rows], check=True,
                                              capture_output=True, text=True).stdout)
                print(f"{name:18} {codec:7} {os.path.getsize(f'{tmp}/t.parquet') / 1e6:8.1f} {table.nbytes / 1e6:6.0f} {float(read):8.3f} "
                      f"{float(ours):8.3f} {theirs:9.3f}")


if __name__ == "__main__":
    main()
