"""The views of the terminal: tables, bars and prompts.

Read `output` first; the others build on it, except `prompts`.
"""
