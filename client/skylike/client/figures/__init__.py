"""Figures for papers: `Paper`, a figure of matplotlib that knows its caption.

>>> from skylike.client import Client, figures  # doctest: +SKIP
>>> with Client("127.0.0.1:50051") as client:  # doctest: +SKIP
...     sample = figures.gather(client)
>>> figures.thumbnail_map(sample).write("map.pdf")  # doctest: +SKIP

Needs ``pip install 'skylike[figures]'``; a program that can do without asks `door.load`.
"""

from skylike.client.figures.anomalies import anomalies
from skylike.client.figures.clusters import clusters
from skylike.client.figures.components import components
from skylike.client.figures.paper import COLUMN_MM, PAGE_MM, Paper, format_of
from skylike.client.figures.sample import Sample, gather
from skylike.client.figures.similar import similar
from skylike.client.figures.thumbnail_map import thumbnail_map
from skylike.client.figures.training import training

__all__ = [
    "COLUMN_MM",
    "PAGE_MM",
    "Paper",
    "Sample",
    "anomalies",
    "clusters",
    "components",
    "format_of",
    "gather",
    "similar",
    "thumbnail_map",
    "training",
]
