"""What explains an anomaly, from the engine's types to the protos."""

from skylike.service import engine
from skylike.v1 import catalog_pb2, search_pb2


def fill(made: search_pb2.AnomalyResponse, answer: engine.Anomaly) -> None:
    """Write which cluster it nearly is, what stands out, and what is poor about it."""
    if answer.cluster is not None:
        share, near = answer.cluster.share, made.nearest_cluster
        near.similarity = answer.cluster.similarity
        near.cluster.label, near.cluster.name = share.label, share.name
        near.cluster.probability = share.probability
    for one in answer.outstanding:
        made.outstanding.add(
            name=one.name,
            value=one.value,
            neighbors_median=one.median_of_neighbors,
            neighbors_z=one.z_of_neighbors,
            archive_median=one.median_of_archive,
            archive_z=one.z_of_archive,
        )
    made.flags.extend(answer.flags.names)


def nuisances_to(info: engine.CollectionInfo) -> list[catalog_pb2.Nuisance]:
    """How the score of a collection goes with how its objects were observed."""
    return [
        catalog_pb2.Nuisance(
            name=one.name,
            score_correlation=one.score,
            controlled_correlation=one.controlled,
            num_objects=one.num_objects,
        )
        for one in info.nuisances
    ]
