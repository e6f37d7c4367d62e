"""Writes the parquet files that the tests read, as pyarrow 21.0.0 does:

    pip install pyarrow==21.0.0 && python parquet.py
"""
import os
import pyarrow as pa
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))
rows = 37
table = pa.table({
    "idx": pa.array(range(rows), pa.int32()),
    "sentence": [f"text number {i}, é" * (i % 3 + 1) for i in range(rows)],
    "label": pa.array([i % 2 for i in range(rows)], pa.int64()),
    "note": [None if i % 5 == 0 else f"note {i % 4}" for i in range(rows)],
    "translation": [{"en": f"house {i}", "fr": f"maison {i}"} for i in range(rows)],
    "words": [["a", "b"][: i % 3] for i in range(rows)],
    "image": [bytes([255, i]) for i in range(rows)],
    "good": [i % 3 == 0 for i in range(rows)],
    "stars": [i / 4 for i in range(rows)],
})
for name, options in {
    "snappy": dict(compression="snappy", row_group_size=10),
    "zstd": dict(compression="zstd", use_dictionary=False, data_page_version="2.0", data_page_size=64),
    "gzip": dict(compression="gzip", column_encoding={"sentence": "DELTA_BYTE_ARRAY", "label": "DELTA_BINARY_PACKED", "note": "DELTA_LENGTH_BYTE_ARRAY"}, use_dictionary=["good"]),
    "brotli": dict(compression="brotli", use_dictionary=False, version="1.0"),
}.items():
    pq.write_table(table, os.path.join(here, name + ".parquet"), **options)
