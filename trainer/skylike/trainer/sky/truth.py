"""The truth table: every parameter of every object, one row each.

Columns of a family's own parameters are null elsewhere. Lengths in px, angles in
degrees, brightness in the file's BUNIT.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()

COLUMNS: dict[str, tuple[Any, str]] = {
    "id": (_TEXT, "name of the object and of its file"),
    "path": (_TEXT, "file, relative to the table"),
    "family": (_TEXT, "class; of a cube, that of its moment 0"),
    "is_artefact": (_BOOL, "made by detector or optics, not by the sky"),
    "is_cube": (_BOOL, "three axes: channels, rows, columns"),
    "seed": (_INT, "seed of the whole simulation"),
    "number": (_INT, "number of the object; with the seed, it fixes every pixel"),
    "instrument": (_TEXT, "optical, infrared, submillimetre or radio"),
    "bunit": (_TEXT, "unit of the pixels"),
    "ny": (_INT, "rows"),
    "nx": (_INT, "columns"),
    "snr": (_FLOAT, "flux-weighted mean signal over noise, of moment 0 for a cube"),
    "flux_scale": (_FLOAT, "peak of the object without noise"),
    "noise_sigma": (_FLOAT, "rms of the noise in a pixel"),
    "background": (_FLOAT, "level at the object"),
    "background_gradient": (_FLOAT, "rise of the background over half the short side"),
    "num_neighbours": (
        _INT,
        "other sources drawn, of which those in the middle are left out",
    ),
    "psf_fwhm_px": (_FLOAT, "FWHM of PSF or beam, geometric mean"),
    "psf_beta": (_FLOAT, "Moffat exponent; null for a Gaussian"),
    "beam_major_px": (_FLOAT, "beam FWHM, major axis"),
    "beam_minor_px": (_FLOAT, "beam FWHM, minor axis"),
    "beam_angle_deg": (_FLOAT, "beam major axis, east of north"),
    "ra_deg": (_FLOAT, "right ascension of the frame's centre, ICRS"),
    "dec_deg": (_FLOAT, "declination of the frame's centre, ICRS"),
    "pixel_scale_arcsec": (_FLOAT, "side of a pixel"),
    "rotation_deg": (_FLOAT, "north from +y, counter-clockwise"),
    "mjd": (_FLOAT, "time of observation"),
    "offset_x_px": (_FLOAT, "object's centre from the frame's"),
    "offset_y_px": (_FLOAT, "object's centre from the frame's"),
    "position_angle_deg": (_FLOAT, "major axis, east of north"),
    "array_angle_deg": (_FLOAT, "major axis, counter-clockwise from +x of the array"),
    "inclination_deg": (_FLOAT, "of a disc, from face-on"),
    "underlying": (_TEXT, "ordinary family under an artefact"),
    "axis_ratio": (_FLOAT, "minor over major axis; of a thin disc, by its inclination"),
    "half_light_radius_px": (
        _FLOAT,
        "circle about the centre with half of the frame's light, before the optics",
    ),
    "effective_radius_px": (_FLOAT, "half-light radius of the Sérsic profile"),
    "sersic_index": (_FLOAT, "Sérsic n"),
    "scale_length_px": (_FLOAT, "exponential scale length"),
    "scale_height_px": (_FLOAT, "scale height z0 of sech^2"),
    "bulge_to_disc": (_FLOAT, "flux ratio"),
    "bulge_radius_px": (_FLOAT, "effective radius of bulge or nucleus"),
    "pitch_angle_deg": (_FLOAT, "of spiral arms; the sign is their sense"),
    "arm_contrast": (_FLOAT, "arms over disc"),
    "num_arms": (_INT, "spiral arms"),
    "bar_length_px": (_FLOAT, "half length of the bar"),
    "bar_axis_ratio": (_FLOAT, "of the bar"),
    "bar_strength": (_FLOAT, "brightness of the bar over the disc's centre"),
    "dust_optical_depth": (_FLOAT, "central optical depth of the lane"),
    "dust_height_px": (_FLOAT, "standard deviation of the lane"),
    "ring_radius_px": (_FLOAT, "radius of the ring or crescent"),
    "ring_width_px": (_FLOAT, "its standard deviation"),
    "nucleus_to_ring": (_FLOAT, "flux ratio"),
    "lopsidedness": (_FLOAT, "relative amplitude around the ring"),
    "separation_px": (_FLOAT, "between the nuclei"),
    "mass_ratio": (_FLOAT, "second nucleus over first"),
    "tail_length_px": (_FLOAT, "tidal tail of the first"),
    "tail_curl_deg": (_FLOAT, "turn from root to tip"),
    "critical_radius_px": (_FLOAT, "of the tapered power law"),
    "density_slope": (_FLOAT, "of the tapered power law"),
    "num_gaps": (_INT, "gaps of the disc"),
    "gap_depth": (_FLOAT, "share missing in a gap"),
    "gap_width_px": (_FLOAT, "standard deviation of a gap"),
    "gap_spacing_px": (_FLOAT, "between gaps"),
    "cavity_radius_px": (_FLOAT, "wall of the cavity"),
    "cavity_depletion": (_FLOAT, "brightness left inside"),
    "falloff_px": (_FLOAT, "e-folding length outside the cavity"),
    "inner_disc": (_FLOAT, "brightness of an inner disc over the ring's; 0 for none"),
    "crescent_extent_deg": (_FLOAT, "standard deviation in azimuth"),
    "crescent_contrast": (_FLOAT, "crescent over ring"),
    "spectral_slope": (_FLOAT, "of the power spectrum of the log column density"),
    "log_density_spread": (_FLOAT, "standard deviation of the log column density"),
    "flat_radius_px": (_FLOAT, "of the Plummer-like profile"),
    "plummer_index": (_FLOAT, "p of the Plummer-like profile"),
    "crossing_deg": (_FLOAT, "angle of a second filament; 0 for none"),
    "jet_length_px": (_FLOAT, "from core to the longer end"),
    "jet_ratio": (
        _FLOAT,
        "fainter over brighter jet (FR I), shorter over longer (FR II)",
    ),
    "jet_fading": (_FLOAT, "e-folding length over jet length"),
    "opening_angle_deg": (_FLOAT, "full: of a jet (FR I), between the tails (bent)"),
    "bending_length": (_FLOAT, "over which tails turn, as a share of their length"),
    "lobe_width_px": (_FLOAT, "standard deviation across a lobe"),
    "lobe_to_hotspot": (_FLOAT, "brightness ratio"),
    "core_to_hotspot": (_FLOAT, "brightness ratio"),
    "num_channels": (_INT, "channels of a cube"),
    "rotation_curve": (_TEXT, "keplerian or flat"),
    "rotation_speed_km_s": (_FLOAT, "v0 of the curve"),
    "rotation_sense": (_INT, "1: the end at array_angle_deg recedes"),
    "line_width_km_s": (_FLOAT, "standard deviation of the line"),
    "channel_width_km_s": (_FLOAT, "width of a channel"),
    "systemic_velocity_km_s": (_FLOAT, "of the disc's centre"),
    "track_length_px": (_FLOAT, "of the main cosmic ray"),
    "track_is_worm": (_INT, "1 for a scattered electron"),
    "trail_half_width_px": (_FLOAT, "half width before blurring"),
    "trail_flicker": (_FLOAT, "relative amplitude; 0 for a steady trail"),
    "ghost_radius_px": (_FLOAT, "outer radius"),
    "ghost_obscuration": (_FLOAT, "inner over outer radius"),
    "num_vanes": (_INT, "shadows of the spider"),
}
"""Name: (type, meaning)."""

SCHEMA = pa.schema(
    pa.field(name, kind, metadata={"description": meaning})
    for name, (kind, meaning) in COLUMNS.items()
)


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Put rows into a table of the full schema; an unknown column is our bug."""
    for row in rows:
        assert row.keys() <= COLUMNS.keys(), row.keys() - COLUMNS.keys()
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
