"""What only authors run: the notebooks' frame, the page of all checks."""
