"""The journal of a run: one outcome a line, in a file that a later run resumes from.

Read `lines` first (one line), then `facts` (the values in one), `account` (which lines count), `file` (the file and its
lock) and `journal` (reading and writing one).
"""
