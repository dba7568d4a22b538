"""A job's progress log: written by the trainer, read by the server meanwhile."""

from workbook.lab.jobs.progress_reader import ProgressReader
from workbook.lab.training.progress import Progress


def test_a_log_that_was_rewound_and_grew_again_is_read_from_its_beginning(tmp_path) -> None:
    """A quick training writes more after its rewind than stood there when it was last read."""
    progress = Progress(tmp_path)
    for step in range(1, 6):
        progress.add("step", step=step)
    reader = ProgressReader(tmp_path / "progress.jsonl")
    assert [entry["step"] for entry in reader.new_entries()] == [1, 2, 3, 4, 5]
    progress.rewind(3)
    for step in range(4, 10):
        progress.add("step", step=step, train_loss=0.5)
    assert {entry["step"] for entry in reader.new_entries()} >= set(range(4, 10))
    progress.add("step", step=10)
    assert [entry["step"] for entry in reader.new_entries()] == [10]
