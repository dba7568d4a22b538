"""What models there are, what they cost, and how many tokens a text has."""
