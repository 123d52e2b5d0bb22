// Where a search begins: a file, a name, a place, or chance.

import { get, post } from "../api.js";
import { disarmed, h, tell } from "../dom.js";
import { button, empty, failed, into, number, section } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { OF_QUERY } from "../queries.js";
import { href } from "../route.js";
import { decimalText, parsePosition, parseRadius } from "../sky.js";
import { uploadPart } from "../upload.js";

export const title = "Search";
const MOST_SHOWN = 24;

export function show(root, state, go) {
  if (!state.collections.length) {
    root.append(h("h1", {}, "Search"), empty("There is nothing to search yet.", "skylike-service index DIR makes a collection of a folder of FITS files."));
    return;
  }
  // An address that says what to look for belongs to the next view.
  if (OF_QUERY.some((name) => state.params.has(name))) {
    go("similar", state.params, { replace: true });
    return;
  }
  const count = Number(state.info?.num_objects ?? 0);
  const begin = count ? `, or begin from ${count === 1 ? "the one object" : `one of ${number(count)} objects`} of the archive` : "";
  root.append(
    h("div", { class: "hero" },
      h("h1", {}, "What in the archive looks like this?"),
      h("p", { class: "lead" }, `Give a piece of sky${begin}. Answers are what looks alike, what kind it is, and how odd.`)),
    h("div", { class: "columns search-ways" },
      h("div", {}, uploadPart(state, go), glimpse(state)),
      h("div", {}, byName(state, go), byPlace(state, go), byChance(state, go))),
  );
}

function form(name, submitted, ...children) {
  return h("form", { id: name, novalidate: true, on: { submit: (event) => { event.preventDefault(); submitted(event.currentTarget); } } }, children);
}

function wrong(input, message) {
  const id = `${input.id}-wrong`;
  document.getElementById(id)?.remove();
  input.toggleAttribute("aria-describedby", false);
  input.setAttribute("aria-invalid", String(Boolean(message)));
  if (!message) return false;
  input.setAttribute("aria-describedby", id);
  input.closest(".field").append(h("p", { class: "wrong", id }, message));
  tell(message);
  input.focus();
  return true;
}

function byName(state, go) {
  const input = h("input", { id: "by-id", autocomplete: "off", spellcheck: "false", placeholder: "its id in the collection" });
  return section("An object of the archive", form("id-form", async () => {
    const id = input.value.trim();
    if (wrong(input, id ? "" : "Give the id of an object.")) return;
    try {
      await get("v1/object", { collection: state.collection, id }, { signal: state.signal });
      go("similar", { id });
    } catch (error) {
      if (error.name !== "AbortError") wrong(input, error.message);
    }
  }, h("div", { class: "field" }, h("label", { for: "by-id" }, "Id"), h("div", { class: "row grow" }, input, h("button", { type: "submit" }, "Find similar")))));
}

function byPlace(state, go) {
  const input = h("input", { id: "by-place", autocomplete: "off", spellcheck: "false", placeholder: "150.1 2.2  or  10:00:24 +02:12:00" });
  const radius = h("input", { id: "by-radius", autocomplete: "off", value: "5 arcsec", size: 8 });
  const search = async (place) => {
    const degrees = parseRadius(radius.value);
    if (wrong(input, place.error) || wrong(radius, degrees ? "" : "Give an angle: 5 arcsec, 2 arcmin, 0.1 deg.")) return;
    const sky = { position: place, radius_deg: degrees };
    try {
      await post("v1/neighbors", { collection: state.collection, query: { sky }, k: 1 }, { signal: state.signal });
      go("similar", { ra: place.ra_deg, dec: place.dec_deg, radius: degrees });
    } catch (error) {
      if (error.name !== "AbortError") wrong(input, error.message);
    }
  };
  const resolved = (place) => {
    input.value = decimalText(place);
    return search(place);
  };
  return section("A place on the sky", bySkyName(state, resolved), form("place-form", () => search(parsePosition(input.value)),
  h("div", { class: "field" }, h("label", { for: "by-place" }, "Right ascension and declination, ICRS"), input),
  h("div", { class: "field" }, h("label", { for: "by-radius" }, "The nearest object within"),
    h("div", { class: "row" }, radius, h("button", { type: "submit" }, "Find similar")))));
}

/** A name that is looked up where the service was told to; nothing where it was not. */
function bySkyName({ signal }, resolved) {
  const host = document.querySelector("meta[name=skylike-resolver]").content;
  if (!host) return null;
  const input = h("input", { id: "by-name", autocomplete: "off", spellcheck: "false", maxlength: 100, placeholder: "M 51" });
  const submit = h("button", { type: "submit" }, "Find similar");
  return form("name-form", async () => {
    const name = input.value.trim();
    if (wrong(input, name ? "" : "Give a name, such as M 51.")) return;
    submit.disabled = true;
    try {
      const { position } = await get("v1/resolve", { name }, { signal });
      await resolved(position);
    } catch (error) {
      if (error.name !== "AbortError") wrong(input, error.message);
    } finally {
      submit.disabled = false;
    }
  }, h("div", { class: "field" }, h("label", { for: "by-name" }, `Name, looked up at ${host}`), h("div", { class: "row grow" }, input, submit)));
}

function byChance(state, go) {
  const told = h("div", {});
  const take = button("Take one at random", async () => {
    take.disabled = true;
    try {
      const [object] = await drawn(1, state.collection, state.signal);
      if (!object) throw new Error("The collection is empty.");
      go("similar", { id: object.id });
    } catch (error) {
      if (error.name !== "AbortError") told.replaceChildren(failed(error));
      take.disabled = false;
    }
  }, { class: "plain", id: "random" });
  return section("No idea yet?", h("p", { class: "fine" }, "Chance is a good guide to what an archive holds."), take, told);
}

/** A few objects, to begin from. */
function glimpse({ collection, signal }) {
  const place = h("div", {});
  into(place, () => drawn(MOST_SHOWN, collection, signal), (objects) => {
    if (!objects.length) return empty("The collection is empty.", "skylike-service index, or an index job, adds objects.");
    return h("ul", { class: "glimpse" }, objects.map(({ id }) => h("li", {},
      h("a", { href: href("similar", { collection, id }), title: disarmed(id, 80) }, thumbnail(collection, id, { signal, alt: disarmed(id, 80) })))));
  }, { signal });
  return section("Some of the archive", place);
}

/** So many objects, drawn by lot from all. */
async function drawn(count, collection, signal) {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const { objects } = await post("v1/objects/list", { collection, page_size: count, sample_size: count, sample_seed: seed }, { signal });
  return objects;
}
