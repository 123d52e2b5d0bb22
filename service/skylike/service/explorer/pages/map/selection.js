// Points that were chosen on a map, as a table to take along and to search by.

import { post } from "../api.js";
import { disarmed, h, said, tell } from "../dom.js";
import { button, chips, counted, into, number, table } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { href } from "../route.js";
import { downloads, objectTable } from "../tables.js";

const LISTED = 60;
const MOST = 2000; // objects that are fetched
const PAGE = 1000;
const EXAMPLES = 8;
const EXTRA = {
  map_x: ["double", "", "", "Along x of the map"],
  map_y: ["double", "", "", "Along y of the map"],
};

/** Objects of some ids, in their order; those that are gone are left out. */
async function objectsOf(collection, ids, options) {
  const found = new Map();
  for (let start = 0; start < ids.length; start += PAGE) {
    const told = await post("v1/objects/list", { collection, page_size: PAGE, filter: { ids: { ids: ids.slice(start, start + PAGE) } } }, options);
    for (const one of told.objects) found.set(one.id, one);
  }
  return ids.map((id) => found.get(id)).filter(Boolean);
}

/** Those nearest to the middle of all that were chosen: what they look like together. */
function middle(points, { x, y }) {
  const mean = (numbers) => points.reduce((sum, one) => sum + numbers[one], 0) / points.length;
  const [cx, cy] = [mean(x), mean(y)];
  const away = (one) => (x[one] - cx) ** 2 + (y[one] - cy) ** 2;
  return [...points].sort((a, b) => away(a) - away(b)).slice(0, EXAMPLES);
}

/**
 * Fill a place with the chosen points, the first of `outOf`. `point` is told that of a row which
 * is looked at, `search` the ids of examples; `words` says what the colour `colouredBy` means.
 */
export function showSelection(place, points, map, state, { outOf, point, search, colouredBy, words, clear }) {
  const options = { signal: state.signal };
  if (!points.length) {
    place.replaceChildren(h("p", { class: "fine" }, "Nothing is chosen. Draw a box or a lasso around points, or list what is in view."));
    tell("Nothing is chosen");
    return;
  }
  const kept = points.slice(0, MOST);
  const at = new Map(kept.map((one) => [map.ids[one], one]));
  tell(`${points.length} objects are chosen`);
  into(place, () => objectsOf(state.collection, [...at.keys()], options), (objects) => {
    const rows = objects.map((object) => ({ object, map_x: map.x[at.get(object.id)], map_y: map.y[at.get(object.id)] }));
    const list = h("div", { class: "map-table" });
    const draw = (count) => {
      const isLabelled = rows.some(({ object }) => object.labels.length);
      list.replaceChildren(table("Chosen objects", [
        { label: "Picture", of: ({ object }) => h("span", { class: "mini" }, thumbnail(state.collection, object.id, { alt: "", signal: state.signal })) },
        { label: "Object", of: ({ object }) => h("a", { href: href("object", { id: object.id, collection: state.collection }), on: { focus: () => point(at.get(object.id)) } }, said(object.id, 60)) },
        colouredBy ? { label: disarmed(colouredBy, 60), of: ({ object }) => words(at.get(object.id)) } : null,
        isLabelled ? { label: "Labels", of: ({ object }) => chips(object.labels, "labels") ?? "" } : null,
      ].filter(Boolean), rows.slice(0, count)));
      list.querySelectorAll("tbody tr").forEach((row, i) => {
        row.addEventListener("pointerenter", () => point(at.get(rows[i].object.id)));
        row.addEventListener("pointerleave", () => point(-1));
      });
      if (count < rows.length) list.append(button("Show more", () => draw(count * 2), { class: "plain small" }));
    };
    draw(LISTED);
    const facts = () => ({ collection: map.context.collection, collection_version: map.context.collection_version, model_id: map.context.model_id, layout: map.layout, request: location.href, request_date: new Date().toISOString() });
    return [
      h("div", { class: "spread" },
        h("p", { id: "chosen" }, `${counted(points.length, "object")}${outOf > points.length ? `, the nearest to the middle of ${number(outOf)} in view` : ""}${points.length > MOST ? `, of which ${number(MOST)} are listed` : ""}`),
        h("div", { class: "row tight" },
          button("Search like these", () => search(middle(kept, map).map((one) => map.ids[one])), { class: "small", id: "search-chosen", title: `By the ${Math.min(EXAMPLES, kept.length)} in their middle` }),
          button("Clear", clear, { class: "plain small" }))),
      downloads("map", () => objectTable(rows, EXTRA), facts),
      list,
    ];
  }, options);
}

