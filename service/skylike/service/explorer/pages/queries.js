// What a search is about: in an address, in the contract's words, and in people's.

import { disarmed } from "./dom.js";
import { anyText, numbersOf } from "./route.js";
import { angle, decimalText } from "./sky.js";

const MOST_CHARACTERS = 4000; // of an embedding in an address, which proxies cut somewhere

/** The query that an address means, or null: {kind, message, words, ...what it is of}. */
export function queryOf(params) {
  if (params.get("id") !== null && params.get("id") !== "") {
    const id = params.get("id");
    return { kind: "object", id, message: { object_id: id }, words: disarmed(id, 80) };
  }
  if (params.has("vector")) {
    const packed = base64(params.get("vector"));
    const [ra, dec] = placeAt(params.get("at")) ?? [];
    return {
      kind: "file",
      vector: params.get("vector"),
      name: params.get("file") ?? "",
      hdu: params.get("hdu") ?? "",
      position: ra === undefined ? null : { ra_deg: ra, dec_deg: dec },
      message: { vector: { packed, dtype: "D_TYPE_FLOAT32", model_id: params.get("model") ?? "" } },
      words: disarmed(params.get("file") || "an embedding", 80),
    };
  }
  if (params.has("ra") && params.has("dec")) {
    const found = numbersOf(`${params.get("ra")},${params.get("dec")},${params.get("radius") || 0}`, 3);
    if (!found) return null;
    const [ra_deg, dec_deg, radius] = found;
    const position = { ra_deg, dec_deg };
    return {
      kind: "place", position, radius,
      message: { sky: { position, radius_deg: radius } },
      words: `what lies within ${angle(radius || 5 / 3600)} of ${decimalText(position)}`,
    };
  }
  const like = params.getAll("like");
  if (like.length) {
    const unlike = params.getAll("unlike");
    return {
      kind: "examples", like, unlike,
      message: { examples: { like_ids: like, unlike_ids: unlike } },
      words: `${like.length} ${like.length === 1 ? "example" : "examples"}${unlike.length ? `, and unlike ${unlike.length}` : ""}`,
    };
  }
  return null;
}

/** The place that `at` means, [ra, dec] in degrees; null where it is none. */
export function placeAt(text) {
  const found = numbersOf(text, 2);
  return found && found[0] >= 0 && found[0] <= 360 && Math.abs(found[1]) <= 90 ? found : null;
}

/** The names of parameters that say what a search is about. */
export const OF_QUERY = ["id", "vector", "model", "file", "hdu", "at", "ra", "dec", "radius", "like", "unlike"];

const SEVERAL = ["like", "unlike"];

/** What those mean that stand in an address once; see `unknownOf`. */
export const KINDS_OF_QUERY = {
  ...Object.fromEntries(OF_QUERY.filter((name) => !SEVERAL.includes(name)).map((name) => [name, anyText])), at: placeAt,
};

/** The parameters of a query, as an address has them. */
export function paramsOf(params) {
  return Object.fromEntries(OF_QUERY.filter((name) => params.has(name)).map((name) => [name, params.getAll(name)]));
}

/** An embedding for an address; null where it is too long for one. */
export function vectorText(values) {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return text.length <= MOST_CHARACTERS ? text : null;
}

function base64(text) {
  return text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
}

/** The angle between two positions, degrees (Vincenty's form, good at all sizes). */
export function separation(a, b) {
  const rad = Math.PI / 180;
  const [d1, d2, l] = [a.dec_deg * rad, b.dec_deg * rad, (b.ra_deg - a.ra_deg) * rad];
  const x = Math.cos(d2) * Math.sin(l);
  const y = Math.cos(d1) * Math.sin(d2) - Math.sin(d1) * Math.cos(d2) * Math.cos(l);
  const z = Math.sin(d1) * Math.sin(d2) + Math.cos(d1) * Math.cos(d2) * Math.cos(l);
  return Math.atan2(Math.hypot(x, y), z) / rad;
}
