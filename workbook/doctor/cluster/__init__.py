"""The dataset doctor on a Dask cluster: many machines look at the rows, this one puts together.

Each worker reads a range of bytes of a JSONL file (other formats: the whole file) through fsspec
(`ranges`), looks at its rows, and sends back what it found: a `PartialResult` for a check
(`checks`), a `Scan` for the fast pass (`scans`). A worker that dies is replaced by Dask, and its
ranges are read again. Workers need this package.
"""
