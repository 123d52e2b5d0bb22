// One object: its pixels, what is known of it, what kind it is, how odd, and who is like it.

import { get, post } from "../api.js";
import { card } from "../card.js";
import { fill, h, said, tell } from "../dom.js";
import { anomalyPart, clusterPart, reasonsPart } from "../explain.js";
import { python } from "../filters.js";
import { STRETCHES, headerFacts, inspectObject, pictureOf, planeChoice, stretchChoice, warningsOf } from "../inspect.js";
import { labelPart } from "../labels.js";
import { linksOut } from "../links.js";
import { chips, empty, facts, failed, into, loading, number, percent, section, unknownNote, valueText } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { anyText, href, unknownOf } from "../route.js";
import { decimalText, sexagesimalText } from "../sky.js";
import { curl, pythonOf, snippetPart } from "../snippets.js";

export const title = "Object";
const NEIGHBOURS = 12;

export async function show(root, state) {
  const { params, collection, signal } = state;
  const id = params.get("id");
  if (!id) {
    root.append(h("h1", {}, "Object"), empty("No object is named.", h("p", {}, h("a", { href: "./" }, "Search for one."))));
    return;
  }
  const body = h("div", {}, loading());
  root.append(
    h("div", { class: "spread" }, h("h1", {}, said(id, 120)),
      h("div", { class: "row" },
        h("a", { class: "button small", href: href("similar", { collection, id }) }, "Find similar"),
        h("a", { class: "button plain small", href: href("map", { collection, id }) }, "On the map"))),
    body);
  const { object } = await get("v1/object", { collection, id }, { signal });
  const kind = h("div", {});
  const odd = h("div", {});
  const kin = h("div", {});
  fill(body,
    h("div", { class: "object-columns" },
      pixels(object, state),
      h("div", {}, section("Known of it", known(object)), labelPart(object, state), object.position ? linksOut(object.position) : null),
      h("div", {}, section("Kind", kind), section("Oddness", odd))),
    h("br"),
    section("Most like it", kin),
    snippetPart(snippets(id, collection)));
  const query = { object_id: id };
  const ask = (method) => () => post(`v1/${method}`, { collection, query }, { signal });
  await Promise.all([
    notFitted(kind, ask("cluster"), (told) => clusterPart(told.cluster, collection), signal, "No clusters are fitted yet."),
    notFitted(odd, ask("anomaly"), (told) => [anomalyPart(told.anomaly), h("details", {}, h("summary", {}, "Why"), reasonsPart(told))], signal, "No anomaly scores are fitted yet."),
    into(kin, () => post("v1/neighbors", { collection, query, k: NEIGHBOURS }, { signal }), (told) => (told.hits.length
      ? h("ol", { class: "gallery", "aria-label": "Most similar objects" }, told.hits.map((hit) => card(hit, collection, { signal })))
      : empty("There is nothing else in the collection.")), { signal, what: "Searching" }),
  ]);
}

/** That nothing is fitted is a state, and no error. */
function notFitted(place, ask, made, signal, words) {
  return into(place, () => ask().catch((error) => {
    if (error.reason === "NOT_FITTED") return null;
    throw error;
  }), (told) => (told ? made(told) : h("p", { class: "fine" }, words)), { signal });
}

function pixels(object, state) {
  const { collection, signal, params } = state;
  const known = STRETCHES.map(([name]) => name);
  const kinds = { id: anyText, stretch: (text) => known.includes(text), plane: (text) => /^\d{1,9}$/.test(text ?? "") };
  const look = {
    stretch: kinds.stretch(params.get("stretch")) ? params.get("stretch") : known[0],
    ...(kinds.plane(params.get("plane")) ? { plane: Number(params.get("plane")) } : {}),
  };
  const picture = h("div", { class: "stamp-place" }, thumbnail(collection, object.id, { signal, loading: "eager" }));
  const more = h("div", {});
  const header = h("div", {});
  let turn = 0;
  const draw = async () => {
    turn += 1;
    const mine = turn;
    picture.setAttribute("aria-busy", "true");
    try {
      const told = await inspectObject(collection, object.id, look, signal);
      if (mine !== turn) return;
      fill(picture, pictureOf(told, object.id));
      fill(more, planeChoice(told.planes, look.plane?.toString(), (value) => {
        delete look.plane;
        if (value !== "") look.plane = Number(value);
        keep();
      }), warningsOf(told));
      fill(header, told.facts.length ? h("details", { open: true }, h("summary", {}, "Header"), headerFacts(told)) : null);
    } catch (error) {
      if (error.name === "AbortError" || mine !== turn) return;
      if (error.reason === "BAD_PLANE") delete look.plane; // the next try shows all
      fill(more, failed(error, keep));
    } finally {
      picture.removeAttribute("aria-busy");
    }
  };
  const keep = () => {
    state.keep({ collection: params.get("collection"), id: object.id, stretch: look.stretch === known[0] ? null : look.stretch, plane: look.plane });
    draw();
  };
  draw();
  return section("Pixels", unknownNote(unknownOf(params, kinds)), picture, stretchChoice(look.stretch, (name) => {
    look.stretch = name;
    keep();
    tell(`stretch ${name.slice(8).toLowerCase().replace("_", " ")}`);
  }), more, header);
}

function known(object) {
  const attributes = Object.entries(object.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  const { position, source } = object;
  return facts([
    ["Position", position ? decimalText(position) : "unknown"],
    ["", position ? sexagesimalText(position) : ""],
    ["Epoch", object.epoch_mjd === undefined ? "" : `MJD ${number(object.epoch_mjd, 9)}`],
    ["Pixels with data", percent(object.valid_fraction)],
    ["Flags", object.flags.length ? chips(object.flags, "flags") : "none"],
    ["File", source?.uri ? h("span", { class: "mono" }, said(source.uri, 200)) : ""],
    ["HDU", source?.hdu ?? ""],
    ["Box", source?.box?.length ? source.box.join(", ") : ""],
    ...attributes.map(([name, value]) => [name, valueText(value)]),
  ]);
}

function snippets(id, collection) {
  const named = `collection=${python(collection)}`;
  return {
    python: pythonOf(() => [
      `stored = client.get(${python(id)}, ${named}).object`,
      "print(stored.id, stored.ra_deg, stored.dec_deg, stored.attributes)",
      `answer = client.analyze(object_id=${python(id)}, ${named}, k=${NEIGHBOURS})`,
      "print(answer.cluster, answer.anomaly)",
    ]),
    curl: curl(`v1/object?${new URLSearchParams({ collection, id })}`),
  };
}
