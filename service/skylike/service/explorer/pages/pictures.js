// Pictures of objects: by their address, or fetched with the key where there is one.

import { ask, withQuery } from "./api.js";
import { disarmed, h } from "./dom.js";
import { key } from "./keys.js";

const MOST_AT_ONCE = 6;
let running = 0;
const waiting = [];

/** The versions of collections, by their own names: a picture of a version may be kept. */
export const versions = new Map();

/** The address of an object's thumbnail, below the page. */
export const thumbnailAddress = (collection, id) => withQuery("v1/thumbnail", { collection, id, version: versions.get(collection) });

/**
 * An object's thumbnail as an element. Where there is none, a calm placeholder.
 * `alt` is "" beside a text that names the object.
 */
export function thumbnail(collection, id, { alt = `Picture of ${disarmed(id, 80)}`, signal, loading = "lazy" } = {}) {
  const image = h("img", { class: "thumbnail", alt, loading, decoding: "async" });
  const fail = () => image.replaceWith(h("span", { class: "thumbnail none", role: "img", "aria-label": "No picture" }, "no picture"));
  image.addEventListener("error", fail);
  const address = thumbnailAddress(collection, id);
  if (!key()) {
    image.src = address;
    return image;
  }
  inLine(() => ask("GET", address, undefined, { signal })
    .then((response) => response.blob())
    .then((blob) => show(image, blob)))
    .catch(fail);
  return image;
}

/** A picture that an answer holds as base64. */
export function inlinePicture(base64, attributes = {}) {
  return h("img", { ...attributes, src: `data:image/png;base64,${base64}` });
}

function show(image, blob) {
  const address = URL.createObjectURL(blob);
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  image.loading = "eager"; // it is here already
  image.src = address;
}

async function inLine(work) {
  if (running >= MOST_AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}
