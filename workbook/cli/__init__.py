"""The command `workbook`: the doctor, prices, jobs and the lab without a line of Python."""

from workbook.cli.app import main

__all__ = ["main"]
