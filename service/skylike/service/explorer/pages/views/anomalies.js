// The oddest objects, one after the other, to be looked at and rated by keyboard.

import { post } from "../api.js";
import { fill, h } from "../dom.js";
import { filterMessage, python, readFilters } from "../filters.js";
import { filterForm } from "../filterform.js";
import { button, counted, empty, into, number } from "../parts.js";
import { Rater } from "../rater.js";
import { Ratings } from "../ratings.js";
import { curl, pythonOf, snippetPart } from "../snippets.js";
import { downloads, objectTable } from "../tables.js";

export const title = "Anomalies";

const PAGE = 60;
const MOST_PAGES = 10; // looked through for objects that are not rated yet
const ORDERS = {
  oddest: ["Oddest", "ANOMALY_ORDER_ODDEST", "The oddest of the archive first, by the score of the fit."],
  taught: ["As taught", "ANOMALY_ORDER_TAUGHT", "The most interesting first, as ratings and scores have taught."],
  suggested: ["Suggested", "", "What to rate next: what is likely to be interesting, what is uncertain, and one in ten at random."],
  typical: ["Most typical", "ANOMALY_ORDER_TYPICAL", "The least odd first."],
};
const KINDS = { order: (text) => Object.hasOwn(ORDERS, text), controlled: (text) => text === "1", rated: (text) => text === "mixed" };
const EXTRA = {
  anomaly_score: ["double", "", "stat.value", "How far from all others; to be compared within one fit only"],
  anomaly_percentile: ["double", "", "stat.percentile", "Share of the archive that scores lower, percent"],
  interest: ["double", "", "stat.value", "Expected interest, 0 to 5"],
  rating: ["double", "", "stat.value", "Rating, 0 to 5"],
};

export async function show(root, state, go) {
  const { collection, signal } = state;
  const options = { signal };
  const order = Object.hasOwn(ORDERS, state.params.get("order")) ? state.params.get("order") : "oddest";
  const isControlled = order === "oddest" && state.params.get("controlled") === "1";
  const isUnratedFirst = state.params.get("rated") !== "mixed";
  const filters = readFilters(state.params, KINDS);
  const filter = filterMessage(filters);
  const params = (more) => ({ order, controlled: isControlled, rated: isUnratedFirst ? "" : "mixed", ...more });
  const ratings = new Ratings(collection, signal);
  const taken = [];
  const list = h("div", { id: "anomalies" });
  const more = h("div", { class: "more" });
  const rater = new Rater(ratings, collection, signal);
  const body = { collection, page_size: PAGE, ...(filter ? { filter } : {}) };
  const ask = order === "suggested"
    ? async () => {
      const told = await post("v1/suggestions/list", { collection, num: PAGE, ...(filter ? { filter } : {}) }, options);
      return { items: told.suggestions.map((one, i) => ({ ...one, rank: i + 1, score: undefined, anomaly_score: one.anomaly_score })), next: "", learned: told.num_rated };
    }
    : async (token) => {
      const told = await post("v1/anomalies/list", { ...body, order: ORDERS[order][1], controlled: isControlled, page_token: token }, options);
      return { items: told.anomalies.map((one) => ({ ...one, score: undefined, anomaly_score: one.score })), next: told.next_page_token, late: Number(told.num_unranked) };
    };
  const tools = h("div", {},
    h("div", { class: "row toolbar" },
      h("div", { class: "row tight", role: "group", "aria-label": "Order" }, Object.entries(ORDERS).map(([name, [label]]) =>
        button(label, () => go("anomalies", { order: name, ...kept(state) }), { class: "plain small", "aria-pressed": String(name === order), data: { order: name } }))),
      order === "oddest" ? check("controlled", "Among those observed alike", isControlled, (on) => go("anomalies", { ...params({ controlled: on }), ...kept(state) })) : null,
      check("unrated", "Unrated first", isUnratedFirst, (on) => go("anomalies", { ...params({ rated: on ? "" : "mixed" }), ...kept(state) })),
      button("Rank again", () => go("anomalies", { order: "taught", ...kept(state) }), { class: "small", id: "rerank", title: "Learn from the ratings, and order by that" })),
    filterForm(state, filters, (chosen) => go("anomalies", params(chosen))));
  const rating = [rater.bar,
    h("p", { class: "fine" }, "Percentiles tell the share of the archive that scores lower. p-values are not given: objects of the archive are what others are compared with. Ask about a new file for one.")];

  root.append(
    h("h1", {}, "Anomalies"),
    h("p", { class: "lead" }, ORDERS[order][2]),
    tools, ...rating,
    list, more,
    snippetPart(snippets(order, isControlled, collection, filters, body)));

  const page = async (token) => {
    const found = [];
    const before = taken.length;
    for (let pages = 0, next = token; pages < MOST_PAGES; pages += 1) {
      const told = await ask(next);
      taken.push(...told.items);
      Object.assign(found, { late: told.late, learned: told.learned });
      next = told.next;
      found.next = next;
      const isEnough = !isUnratedFirst || taken.slice(before).some((one) => !ratings.of(one.object.id));
      if (!next || isEnough) break;
    }
    return found;
  };
  const draw = (found) => {
    if (!taken.length) {
      fill(list, empty("Nothing is listed.", filter ? "No object fulfils the filters." : "The collection has no objects in a fit."));
      return null;
    }
    rater.show(ordered(taken, ratings, isUnratedFirst));
    const facts = () => ({ collection, request: location.href, request_date: new Date().toISOString() });
    const rows = () => taken.map((one) => ({ ...one, anomaly_percentile: one.percentile, rating: ratings.of(one.object.id)?.score }));
    fill(list,
      h("div", { class: "spread" }, h("p", { class: "fine", id: "count" }, `${counted(taken.length, "object")}${found.late ? `; ${number(found.late)} came after the fit` : ""}${found.learned === undefined ? "" : `; learned from ${counted(found.learned, "rated object")}`}`),
        downloads("anomalies", () => objectTable(rows(), EXTRA), facts)),
      rater.list);
    return found.next ? button("Show more", () => into(more, () => page(found.next), draw, options), { class: "plain" }) : null;
  };
  await into(more, async () => {
    await ratings.load();
    try {
      return await page("");
    } catch (error) {
      // Nothing to be rated: what it is done with would only be in the way.
      for (const one of error.reason === "NOT_FITTED" ? [tools, ...rating] : error.kind === "NOT_READY" ? rating : []) one.hidden = true;
      throw error;
    }
  }, draw, options);
}

/** Unrated ones first, each in its order, so that what is left to do is at the top. */
function ordered(items, ratings, isUnratedFirst) {
  if (!isUnratedFirst) return items;
  return [...items.filter((one) => !ratings.of(one.object.id)), ...items.filter((one) => ratings.of(one.object.id))];
}

/** The filters of the view that is shown. */
function kept({ params }) {
  return Object.fromEntries(["cone", "attr", "flag", "noflag", "label", "nolabel"].map((name) => [name, params.getAll(name)]));
}

function check(id, label, checked, changed) {
  return h("label", { class: "row tight", for: id }, h("input", { type: "checkbox", id, checked, on: { change: (event) => changed(event.target.checked) } }), label);
}

function snippets(order, isControlled, collection, filters, body) {
  if (order === "suggested") {
    return {
      python: pythonOf((where) => [`found = client.suggestions(num=${PAGE}, collection=${python(collection)}${where})`, "for one in found.items:", "    print(one.id, one.interest, one.uncertainty)"], { filters }),
      curl: curl("v1/suggestions/list", { body: { ...body, page_size: undefined, num: PAGE } }),
    };
  }
  const extra = `${order === "oddest" ? "" : `, order=${python(order)}`}${isControlled ? ", controlled=True" : ""}`;
  return {
    python: pythonOf((where) => [`found = client.anomalies(collection=${python(collection)}, limit=${PAGE}${extra}${where})`, "for one in found.items:", "    print(one.rank, one.id, one.percentile)"], { filters }),
    curl: curl("v1/anomalies/list", { body: { ...body, order: ORDERS[order][1], controlled: isControlled } }),
  };
}
