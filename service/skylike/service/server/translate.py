"""Between the engine's types and the protos, field for field."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Literal, TypeAlias, assert_never

import numpy as np
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from numpy.typing import NDArray

from skylike.service import engine
from skylike.service.collection import SkyObject
from skylike.service.errors import BadRequest
from skylike.service.server import explained
from skylike.service.server.options import position_from, value_from
from skylike.v1 import catalog_pb2, search_pb2, types_pb2

_Hits: TypeAlias = "RepeatedCompositeFieldContainer[types_pb2.Hit]"

_VERSION = version("skylike")

_AXIS_KINDS: dict[int, Literal["bands", "spectral"] | None] = {
    types_pb2.AXIS_KIND_UNSPECIFIED: None,
    types_pb2.AXIS_KIND_BANDS: "bands",
    types_pb2.AXIS_KIND_SPECTRAL: "spectral",
}

_DTYPES: dict[int, np.dtype[np.floating]] = {
    types_pb2.D_TYPE_UNSPECIFIED: np.dtype("<f4"),
    types_pb2.D_TYPE_FLOAT32: np.dtype("<f4"),
    types_pb2.D_TYPE_FLOAT16: np.dtype("<f2"),
    types_pb2.D_TYPE_FLOAT64: np.dtype("<f8"),
}


def query_from(message: types_pb2.Query) -> engine.Query:
    """The query of a request."""
    match message.WhichOneof("input"):
        case "cutout":
            return cutout_from(message.cutout)
        case "object_id":
            return engine.IdQuery(message.object_id)
        case "vector":
            return vector_from(message.vector)
        case "examples":
            examples = message.examples
            return engine.ExamplesQuery(
                tuple(examples.like_ids), tuple(examples.unlike_ids)
            )
        case "sky":
            return _sky_from(message.sky)
        case None:
            raise BadRequest(
                "the query is empty: give a cutout, an object id, a vector, examples or "
                "a place",
                reason="empty_query",
            )
        case never:
            assert_never(never)


def _sky_from(message: types_pb2.SkyQuery) -> engine.SkyQuery:
    if not message.HasField("position"):
        raise BadRequest("the place has no position", reason="empty_query")
    radius = message.radius_deg or engine.NEAR_DEG
    return engine.SkyQuery(position_from(message.position), radius)


def cutout_from(message: types_pb2.Cutout) -> engine.CutoutQuery:
    """A cutout; empty texts mean none."""
    if message.axis_kind not in _AXIS_KINDS:
        raise BadRequest(
            f"axis_kind {message.axis_kind} is not known to this service",
            reason="bad_axis_kind",
        )
    return engine.CutoutQuery(
        message.fits,
        message.hdu.strip() or None,
        message.name or None,
        _AXIS_KINDS[message.axis_kind],
        message.stokes.strip() or None,
    )


def vector_from(message: types_pb2.Vector) -> engine.VectorQuery:
    """A vector, packed or number by number."""
    if message.packed and message.values:
        raise BadRequest(
            "the vector has both packed and single values: set one of them",
            reason="bad_vector",
        )
    vector = (
        np.array(message.values, np.float32) if message.values else _unpacked(message)
    )
    if message.dimension and message.dimension != len(vector):
        raise BadRequest(
            f"the vector says dimension {message.dimension} and has {len(vector)} values",
            reason="bad_vector",
        )
    return engine.VectorQuery(vector, message.model_id or None)


def _unpacked(message: types_pb2.Vector) -> NDArray[np.float32]:
    dtype = _DTYPES.get(message.dtype)
    if dtype is None:
        raise BadRequest(
            f"dtype {message.dtype} is not known to this service", reason="bad_vector"
        )
    if len(message.packed) % dtype.itemsize:
        raise BadRequest(
            f"a packed vector has {dtype.itemsize} bytes per number; "
            f"{len(message.packed)} were sent",
            reason="bad_vector",
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        return np.frombuffer(message.packed, dtype).astype(np.float32)


def new_object_from(message: catalog_pb2.NewObject) -> engine.NewObject:
    """An object to add."""
    content: engine.CutoutQuery | engine.VectorQuery
    match message.WhichOneof("input"):
        case "cutout":
            content = cutout_from(message.cutout)
        case "vector":
            content = vector_from(message.vector)
        case None:
            raise BadRequest(
                f"object {message.id!r} is empty: give a cutout or a vector",
                reason="empty_object",
            )
        case never:
            assert_never(never)
    return engine.NewObject(
        id=message.id,
        input=content,
        position=(
            position_from(message.position) if message.HasField("position") else None
        ),
        epoch_mjd=message.epoch_mjd if message.HasField("epoch_mjd") else None,
        uri=message.source.uri or None,
        hdu=message.source.hdu or None,
        box=_box_from(message.source),
        attributes={
            name: value_from(name, value) for name, value in message.attributes.items()
        },
        labels=frozenset(message.labels),
    )


def context_to(context: engine.Context) -> types_pb2.Context:
    """Which archive answered."""
    return types_pb2.Context(
        collection=context.collection,
        collection_version=context.collection_version,
        model_id=context.model_id,
        service_version=_VERSION,
    )


def reading_to(reading: engine.Reading | None) -> types_pb2.Reading | None:
    """How a cutout was read."""
    if reading is None:
        return None
    made = types_pb2.Reading()
    _fill_reading(made, reading)
    return made


def _fill_context(made: types_pb2.Context, context: engine.Context) -> None:
    made.collection = context.collection
    made.collection_version = context.collection_version
    made.model_id = context.model_id
    made.service_version = _VERSION


def _fill_reading(made: types_pb2.Reading, reading: engine.Reading) -> None:
    made.hdu = reading.hdu
    made.axes = reading.axes.value
    made.shape.extend(reading.shape)
    if reading.position is not None:
        made.position.ra_deg = reading.position.ra_deg
        made.position.dec_deg = reading.position.dec_deg
    if reading.pixel_scale_arcsec is not None:
        made.pixel_scale_arcsec = reading.pixel_scale_arcsec
    if reading.unit is not None:
        made.unit = reading.unit
    made.flags.extend(reading.flags.names)
    made.valid_fraction = reading.valid_fraction
    made.warnings.extend(reading.warnings)


def vector_to(vector: NDArray[np.float32], model_id: str) -> types_pb2.Vector:
    """An embedding, packed."""
    return types_pb2.Vector(
        packed=vector.astype("<f4").tobytes(), dimension=len(vector), model_id=model_id
    )


def object_to(one: SkyObject) -> types_pb2.Object:
    """An object of a collection."""
    made = types_pb2.Object()
    fill_object(made, one)
    return made


def fill_object(made: types_pb2.Object, one: SkyObject) -> None:
    """Write an object where it is told: made apart and copied it takes far longer."""
    made.id = one.id
    if one.position is not None:
        made.position.ra_deg = one.position.ra_deg
        made.position.dec_deg = one.position.dec_deg
    if one.epoch_mjd is not None:
        made.epoch_mjd = one.epoch_mjd
    if one.flags:
        made.flags.extend(one.flags.names)
    made.valid_fraction = one.valid_fraction
    made.thumbnail_png = one.thumbnail
    if one.labels:
        made.labels.extend(sorted(one.labels))
    if one.uri is not None:
        made.source.uri = one.uri
    if one.hdu is not None:
        made.source.hdu = one.hdu
    if one.box is not None:
        made.source.box.extend(one.box)
    for name, value in one.attributes.items():
        _fill_value(made.attributes[name], value)


def fill_hits(made: "_Hits", hits: Iterable[engine.Hit]) -> None:
    """Write the rows of an answer."""
    for hit in hits:
        row = made.add(
            rank=hit.rank, score=hit.score, separation_deg=hit.separation_deg
        )
        fill_object(row.object, hit.object)


def fill_analysis(made: search_pb2.AnalyzeResponse, answer: engine.Analysis) -> None:
    """Write all three answers."""
    _fill_context(made.context, answer.context)
    if answer.reading is not None:
        _fill_reading(made.reading, answer.reading)
    fill_hits(made.hits, answer.hits)
    if answer.cluster is not None:
        fill_cluster(made.cluster, answer.cluster)
    if answer.anomaly is not None:
        fill_anomaly(made.anomaly, answer.anomaly)
        add = made.anomaly.neighbors.add
        for rank, (id, score) in enumerate(answer.anomaly.neighbors, start=1):
            row = add()  # by keywords it takes twice as long
            row.rank, row.score, row.object.id = rank, score, id


def fill_cluster(made: search_pb2.ClusterAnswer, answer: engine.ClusterAnswer) -> None:
    """Write the kind of object."""
    made.fit_version = answer.fit_version
    for share in answer.shares:
        made.shares.add(
            label=share.label, name=share.name, probability=share.probability
        )
    made.best.CopyFrom(made.shares[0])
    made.exemplar_ids.extend(answer.exemplar_ids)
    made.size = answer.size
    made.no_cluster_probability = answer.outside
    made.in_no_cluster = answer.outside > 0.5


def fill_anomaly(made: search_pb2.AnomalyAnswer, answer: engine.AnomalyAnswer) -> None:
    """Write how odd it is; not its neighbours."""
    made.fit_version = answer.fit_version
    made.score = answer.score
    made.percentile = answer.percentile
    if answer.p_value is not None:
        made.p_value = answer.p_value
        made.calibrated = True
    made.num_calibration = answer.num_calibration
    if answer.controlled_percentile is not None:
        made.controlled_percentile = answer.controlled_percentile
    for name, score, percentile in answer.parts:
        made.parts.add(name=name, score=score, percentile=percentile)


def collection_to(info: engine.CollectionInfo) -> catalog_pb2.Collection:
    """A collection's state."""
    return catalog_pb2.Collection(
        context=context_to(info.context),
        num_objects=info.num_objects,
        dimension=info.dimension,
        stamp_spec_json=info.stamp_spec_json,
        cluster_fit_version=info.cluster_fit_version,
        anomaly_fit_version=info.anomaly_fit_version,
        damage=info.damage,
        nuisances=explained.nuisances_to(info),
        model_metadata=info.model_metadata,
    )


def _box_from(source: types_pb2.Source) -> tuple[int, int, int, int] | None:
    if not source.box:
        return None
    if len(source.box) != 4:
        raise BadRequest(
            f"a box is x0, y0, x1, y1; {len(source.box)} numbers were sent",
            reason="bad_box",
        )
    x0, y0, x1, y1 = source.box
    return x0, y0, x1, y1


def _fill_value(made: types_pb2.Value, value: str | int | float | bool) -> None:
    match value:
        case bool():  # before int, of which it is one
            made.truth = value
        case int():
            made.integer = value
        case float():
            made.number = value
        case str():
            made.text = value
