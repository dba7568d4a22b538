"""What whoever teaches the course needs: sets of files to hand out, and a table of who did what.

Knows notebooks, solutions and progress files as files; imports nothing of the course.
"""
