"""The tables that hold the lab's records, version by version of the schema.

Knows SQL and the records' columns; knows nothing of connections or of what happens to records.
"""

from workbook.lab.state.records import (
    Batch,
    Checkpoint,
    Deployment,
    Eval,
    EvalItem,
    EvalRun,
    Event,
    File,
    Job,
    Model,
    Part,
    TuningJob,
    Upload,
)

DATABASE = "lab.sqlite3"  # in the state folder

TABLES: dict[type, str] = {
    File: "files",
    Job: "jobs",
    Event: "events",
    Checkpoint: "checkpoints",
    Model: "models",
    Batch: "batches",
    Upload: "uploads",
    Part: "parts",
    Eval: "evals",
    EvalRun: "eval_runs",
    EvalItem: "eval_items",
    Deployment: "deployments",
    TuningJob: "tuning_jobs",
}
JSON_COLUMNS = {"hyperparameters", "metadata", "error", "data", "metrics"}
JSON_COLUMNS |= {"errors", "counts", "usage", "times"}
JSON_COLUMNS |= {"settings", "config", "criteria", "data_source", "item", "results", "sample"}

# Whose a record is: its own column says it, or that of what it is a part of.
OWN_COLUMN = "owner = ?"
_OF_JOB = "EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job_id AND jobs.owner = ?)"
OWNED: dict[type, str] = dict.fromkeys((File, Job, Batch, Upload, Eval, Deployment), OWN_COLUMN)
OWNED |= dict.fromkeys((Event, Checkpoint, Model, TuningJob), _OF_JOB)
OWNED |= {
    Part: "EXISTS (SELECT 1 FROM uploads WHERE uploads.id = upload_id AND uploads.owner = ?)",
    EvalRun: "EXISTS (SELECT 1 FROM evals WHERE evals.id = eval_id AND evals.owner = ?)",
    EvalItem: "EXISTS (SELECT 1 FROM evals JOIN eval_runs ON evals.id = eval_runs.eval_id "
    "WHERE eval_runs.id = run_id AND evals.owner = ?)",
}

# One entry a version of the schema; a newer lab brings an older state up by running the rest.
MIGRATIONS = (
    """
    CREATE TABLE files (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, filename TEXT NOT NULL,
        purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
        expires_at INTEGER);
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        model TEXT NOT NULL, training_file TEXT NOT NULL, validation_file TEXT,
        suffix TEXT NOT NULL, seed INTEGER NOT NULL, hyperparameters TEXT NOT NULL, metadata TEXT,
        created_at INTEGER NOT NULL, finished_at INTEGER, estimated_finish INTEGER,
        trained_tokens INTEGER, fine_tuned_model TEXT, result_file TEXT, error TEXT);
    CREATE INDEX jobs_by_status ON jobs (status, number);
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
        type TEXT NOT NULL, data TEXT NOT NULL, step INTEGER, UNIQUE (job_id, step));
    CREATE TABLE checkpoints (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, step INTEGER NOT NULL, model TEXT NOT NULL,
        metrics TEXT NOT NULL, UNIQUE (job_id, step));
    CREATE TABLE models (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, folder TEXT NOT NULL);
    """,
    """
    ALTER TABLE jobs ADD COLUMN method TEXT NOT NULL DEFAULT 'supervised';
    """,
    """
    CREATE TABLE batches (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        endpoint TEXT NOT NULL, input_file TEXT NOT NULL, completion_window TEXT NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, model TEXT, metadata TEXT,
        lifetime INTEGER, output_file TEXT, error_file TEXT, errors TEXT, counts TEXT, usage TEXT,
        times TEXT);
    CREATE INDEX batches_by_status ON batches (status, number);
    """,
    """
    CREATE TABLE uploads (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        filename TEXT NOT NULL, purpose TEXT NOT NULL, bytes INTEGER NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, lifetime INTEGER, file TEXT);
    CREATE TABLE parts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, upload_id TEXT NOT NULL,
        bytes INTEGER NOT NULL, created_at INTEGER NOT NULL);
    CREATE INDEX parts_by_upload ON parts (upload_id, number);
    """,
    """
    CREATE TABLE evals (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, name TEXT NOT NULL,
        config TEXT NOT NULL, criteria TEXT NOT NULL, metadata TEXT, created_at INTEGER NOT NULL);
    CREATE TABLE eval_runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, eval_id TEXT NOT NULL,
        status TEXT NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL, data_source TEXT NOT NULL,
        metadata TEXT, created_at INTEGER NOT NULL, error TEXT);
    CREATE INDEX eval_runs_by_status ON eval_runs (status, number);
    CREATE TABLE eval_items (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, run_id TEXT NOT NULL,
        place INTEGER NOT NULL, item TEXT NOT NULL, created_at INTEGER NOT NULL,
        done INTEGER NOT NULL, status TEXT, results TEXT, sample TEXT);
    CREATE INDEX eval_items_by_run ON eval_items (run_id, done, number);
    """,
    """
    ALTER TABLE jobs ADD COLUMN settings TEXT;
    """,
    """
    CREATE TABLE deployments (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, model TEXT NOT NULL,
        sku TEXT NOT NULL, capacity INTEGER NOT NULL, created_at INTEGER NOT NULL);
    CREATE TABLE tuning_jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, project TEXT NOT NULL,
        location TEXT NOT NULL, job_id TEXT NOT NULL, data TEXT NOT NULL,
        created_at INTEGER NOT NULL);
    """,
    """
    ALTER TABLE files ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE batches ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE uploads ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE evals ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE deployments ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    """,
)
