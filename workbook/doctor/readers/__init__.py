"""Every kind of file that training data comes in, as numbered rows.

JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet and WhatsApp exports, each also as gzip or zstd, in UTF-8
(with or without BOM), UTF-16, Latin-1 or Windows-1252. `source` opens a file and says what it is;
each format has a module of its own. What rows must look like is not known here.
"""
