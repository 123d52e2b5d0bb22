"""Answers as tables: quantities, data frames and files, all from one list of columns."""
