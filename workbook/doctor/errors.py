"""What can't be done with data: to read it, to convert it, to split it, to write it."""

from workbook.errors import WorkbookError


class DatasetError(WorkbookError):
    """Data that can't be read, converted, split or written as asked."""


class UnreadableError(DatasetError):
    """A file that is not there, or that its library can't open."""


class ConversionError(DatasetError):
    """A row whose meaning the other format can't hold."""
