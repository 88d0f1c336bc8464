"""Readers of the files that data sets come in; none of them trusts what it reads."""
