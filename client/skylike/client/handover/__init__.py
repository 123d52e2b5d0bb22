"""What a collection holds, in the forms that other tools read.

>>> from skylike.client import Client, handover
>>> with Client() as client:  # doctest: +SKIP
...     handover.embedding_atlas(client, "atlas.parquet")
...     handover.tensorboard(client, "projector")
...     handover.everything(client).write("all.vot")
"""

from skylike.client.handover.atlas import embedding_atlas
from skylike.client.handover.everything import Everything, everything
from skylike.client.handover.projector import tensorboard

__all__ = ["Everything", "embedding_atlas", "everything", "tensorboard"]
