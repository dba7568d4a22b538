"""What only the course needs, and the notebooks import. The tools themselves are in `workbook`."""
