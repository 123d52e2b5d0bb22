// What is known of the model of a collection: what it wants to see, and how it was trained.

import { disarmed, h } from "./dom.js";
import { facts, note, number } from "./parts.js";

const WANTS = {
  version: "Version of the description", size: "Side of a stamp, pixels", axes: "Channels are", channels: "Channels",
  collapse: "Spectral cubes become", scale: "A pixel of the stamp means", fit: "How any size becomes a stamp",
  arcsec_per_pixel: "Arcseconds in a pixel", half_light_radii: "Half side, half-light radii",
  background: "Background is measured in", softening_sigma: "Stretch softens at, sigma",
};
const RECIPE = "skylike.training";
const STAMPS = "skylike.data_hash";
const MOST = 200; // facts of a recipe

export function modelCard(collection) {
  if (collection.damage) return note(disarmed(collection.damage));
  const wants = Object.entries(read(collection.stamp_spec_json)).map(([name, value]) => [WANTS[name] ?? name, words(value)]);
  return [
    facts([
      ["Model", h("code", {}, collection.context.model_id)],
      ["Embedding", `${collection.dimension} numbers, unit norm`],
      ["Service", collection.context.service_version],
    ]),
    h("h3", {}, "What it wants to see"),
    facts(wants),
    h("h3", {}, "How it was trained"),
    training(collection.model_metadata ?? {}),
    h("p", { class: "fine" }, "The model's name is the sha256 of its file. Embeddings of different models are never compared."),
  ];
}

function training(metadata) {
  const { stamp: _, ...recipe } = read(metadata[RECIPE]);
  const all = flat(recipe);
  if (!all.length) return h("p", {}, "Its file does not tell.");
  const { network = {} } = recipe;
  return [
    facts([
      ["Network", [network.kind, network.layers && `${network.layers} layers`, network.width && `width ${network.width}`].filter(Boolean).join(", ")],
      ["Steps", recipe.steps && recipe.batch ? `${number(recipe.steps)} of ${number(recipe.batch)} stamps` : ""],
      ["Seed", words(recipe.seed)],
      ["Learned from", metadata[STAMPS] ? h("span", {}, "stamps with the sha256 ", h("code", {}, disarmed(metadata[STAMPS], 64))) : ""],
    ]),
    h("details", {}, h("summary", {}, "The whole recipe"), facts(all.slice(0, MOST))),
    h("p", { class: "fine" }, "What it learned from has no valid p-value: an archive should hold it, and calibration should not."),
  ];
}

/** Facts of a recipe, those of its parts by both names. */
function flat(recipe) {
  return Object.entries(recipe).flatMap(([name, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.entries(value).map(([inner, one]) => [spoken(`${name}: ${inner}`), words(one)])
      : [[spoken(name), words(value)]]);
}

function spoken(name) {
  return name.replaceAll("_", " ");
}

function words(value) {
  if (Array.isArray(value)) return value.map(words).join(", ");
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What a text of JSON holds; nothing where it is none, as of a service of another age. */
function read(text) {
  try {
    const found = JSON.parse(text);
    return found !== null && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}
