// What looks like a query: the query pinned, its neighbours, and ways on from there.

import { get, post } from "../api.js";
import { card } from "../card.js";
import { fill, h, said, tell } from "../dom.js";
import { Examples } from "../examples.js";
import { anomalyPart, clusterPart } from "../explain.js";
import { filterForm } from "../filterform.js";
import { filterMessage, filterParams, readFilters } from "../filters.js";
import { readingFacts } from "../inspect.js";
import { button, chips, empty, facts, failed, loading, note, number, section } from "../parts.js";
import { inlinePicture, thumbnail } from "../pictures.js";
import { KINDS_OF_QUERY, paramsOf, queryOf, separation } from "../queries.js";
import { href } from "../route.js";
import { decimalText } from "../sky.js";
import { searchSnippets, snippetPart } from "../snippets.js";
import { downloads, objectTable } from "../tables.js";
import { remembered } from "../uploads.js";

export const title = "Similar objects";
const FIRST = 24;
const MOST = 1000;
const KINDS = { ...KINDS_OF_QUERY, k: (text) => Boolean(text?.trim()) && !Number.isNaN(Number(text)), least: (text) => text === "1" };

export async function show(root, state, go) {
  const { params, collection, signal } = state;
  const query = queryOf(params);
  if (!query) {
    root.append(h("h1", {}, "Similar objects"), empty("The address names nothing to search for.", h("p", {}, h("a", { href: "./" }, "Begin with a file, a name or a place."))));
    return;
  }
  const filters = readFilters(params, KINDS);
  const how = { k: KINDS.k(params.get("k")) ? Math.min(MOST, Math.max(1, Math.round(Number(params.get("k"))))) : FIRST, least: KINDS.least(params.get("least")), filters };
  const all = (more = {}) => ({ ...paramsOf(params), k: how.k === FIRST ? null : how.k, least: how.least, ...filterParams(filters), ...examples.params, ...more });
  const examples = new Examples(params, collection, () => state.keep(all()), (asked) => go("similar", { ...asked, ...filterParams(filters) }));
  const pinned = h("div", { class: "pinned" });
  const found = h("div", { class: "found", "aria-busy": "true" }, loading("Searching"));
  root.append(
    h("h1", {}, how.least ? "Least like " : "Like ", said(query.words, 100)),
    h("div", { class: "aside" }, pinned, h("div", {},
      toolbar(all, how, go),
      filterForm(state, filters, (changed) => go("similar", all(changed))),
      examples.bar, found)),
  );
  fill(pinned, pinnedPart(query, state, null));
  let answer;
  try {
    const filter = filterMessage(filters);
    answer = await post("v1/analyze", {
      collection, query: query.message, k: how.k, options: { ...(filter ? { filter } : {}), least: how.least },
    }, { signal });
  } catch (error) {
    if (error.name !== "AbortError") fill(found, failed(error, () => go("similar", params, { replace: true })));
    found.removeAttribute("aria-busy");
    return;
  }
  const hits = placed(answer.hits, query.position);
  fill(pinned, pinnedPart(query, state, answer));
  found.removeAttribute("aria-busy");
  fill(found, gallery(hits, { query, how, state, examples, all, go, context: answer.context }));
  tell(`${hits.length} objects found`);
}

/** The separation of what an embedding from an address finds is ours to tell. */
function placed(hits, position) {
  if (!position) return hits;
  return hits.map((hit) => ({ ...hit, separation_deg: hit.separation_deg ?? (hit.object.position ? separation(position, hit.object.position) : undefined) }));
}

function toolbar(all, how, go) {
  const counts = [...new Set([12, 24, 48, 100, 300, 1000, how.k])].sort((a, b) => a - b);
  return h("div", { class: "row toolbar", role: "group", "aria-label": "How to search" },
    h("div", { class: "row tight" }, h("label", { for: "k" }, "Show"),
      h("select", { id: "k", on: { change: (event) => go("similar", all({ k: event.target.value })) } },
        counts.map((one) => h("option", { value: String(one), selected: one === how.k }, String(one))))),
    h("div", { class: "row tight", role: "group", "aria-label": "Order" },
      [[false, "Most similar"], [true, "Least similar"]].map(([least, label]) => button(label, () => go("similar", all({ least })), { class: "plain small", "aria-pressed": String(how.least === least) }))));
}

function gallery(hits, { query, how, state, examples, all, go, context }) {
  if (!hits.length) {
    return empty("Nothing was found.", "No object fulfils the filters, or the collection holds nothing else.",
      h("p", {}, button("Search without filters", () => go("similar", paramsOf(state.params)), { class: "plain" })));
  }
  const facts = () => ({
    collection: context.collection, collection_version: context.collection_version, model_id: context.model_id,
    server_software: `skylike-service ${context.service_version}`, request: location.href, request_date: new Date().toISOString(),
  });
  return [
    h("div", { class: "spread" },
      h("p", { class: "fine", id: "count" }, `${number(hits.length)} of ${number(state.info?.num_objects ?? hits.length)} objects, ${how.least ? "least" : "most"} similar first`),
      downloads("similar", () => objectTable(hits), facts)),
    h("ol", { class: "gallery", "aria-label": "Objects found" }, hits.map((hit) => card(hit, state.collection, { signal: state.signal, examples }))),
    hits.length >= how.k && how.k < MOST ? h("p", { class: "more" }, button("Show more", () => go("similar", all({ k: Math.min(MOST, how.k * 2) })), { class: "plain" })) : null,
    snippetPart(searchSnippets(query, state.collection, how)),
  ];
}

function pinnedPart(query, { params, collection, signal }, answer) {
  const known = answer ? [
    section("Kind", clusterPart(answer.cluster, collection)),
    section("Oddness", anomalyPart(answer.anomaly)),
  ] : [];
  const ways = h("div", { class: "row" },
    query.kind === "object" ? h("a", { class: "button plain small", href: href("object", { id: query.id, collection }) }, "Look at it") : null,
    h("a", { class: "button plain small", href: href("map", { ...paramsOf(params), collection }) }, "On the map"));
  return [section("Query", ...PINNED[query.kind](query, collection, signal), ways), ...known];
}

const PINNED = {
  object: (query, collection, signal) => [
    h("a", { href: href("object", { id: query.id, collection }), class: "picture" }, thumbnail(collection, query.id, { signal, loading: "eager" })),
    objectFacts(query.id, collection, signal),
  ],
  place: (query) => [facts([["Position", decimalText(query.position)]]), h("p", { class: "fine" }, "The nearest object to this place was compared with all others.")],
  examples: (query, collection, signal) => [["like", query.like], ["unlike", query.unlike]].filter(([, ids]) => ids.length)
    .map(([word, ids]) => [h("h3", {}, word === "like" ? "Like" : "Unlike"), h("ul", { class: "minis" }, ids.map((id) => h("li", { class: "mini" },
      h("a", { href: href("object", { id, collection }) }, thumbnail(collection, id, { signal, loading: "eager" })))))]),
  file: (query) => {
    const look = remembered(query.vector);
    return [
      look?.picture ? inlinePicture(look.picture, { class: "thumbnail", alt: `Picture of ${query.words}` })
        : note("A file's picture is not kept when its page is loaded anew; its embedding stands in the address, so what is found is the same."),
      look ? readingFacts(look.reading) : facts([["File", query.name], ["HDU", query.hdu], ["Position", query.position ? decimalText(query.position) : ""]]),
    ];
  },
};

/** What is known of an object, when it has come. */
function objectFacts(id, collection, signal) {
  const place = h("div", {});
  get("v1/object", { collection, id }, { signal }).then(({ object }) => fill(place, facts([
    ["Position", object.position ? decimalText(object.position) : ""],
    ["Flags", object.flags.length ? chips(object.flags, "flags") : ""],
    ["Labels", object.labels.length ? chips(object.labels, "labels") : ""],
  ]))).catch(() => {}); // the search itself tells what is wrong
  return place;
}
