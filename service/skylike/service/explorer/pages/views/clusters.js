// The kinds that a fit has found: what they look like, what is known of them, what people
// call them; and the members of one.

import { get, post, put } from "../api.js";
import { card } from "../card.js";
import { disarmed, fill, h, said, tell } from "../dom.js";
import { countFilters, filterMessage, python, readFilters } from "../filters.js";
import { filterForm } from "../filterform.js";
import { button, chips, counted, empty, failed, into, number, percent, section, table, unfitted, unknownNote } from "../parts.js";
import { inlinePicture, thumbnail } from "../pictures.js";
import { anyText, href, unknownOf } from "../route.js";
import { curl, pythonOf, snippetPart } from "../snippets.js";
import { downloads, objectTable } from "../tables.js";

export const title = "Clusters";

const PAGE = 48;
const NOWHERE = "none";
const MOST_EXEMPLARS = 6;
const KINDS = { fit: anyText, cluster: anyText };

export async function show(root, state, go) {
  const { collection, signal } = state;
  const options = { signal };
  const asked = { collection, fit_version: state.params.get("fit"), portraits: "true" };
  const fit = Number.parseInt(state.params.get("fit"), 10) || 0; // a number, as it becomes code
  const label = state.params.get("cluster");
  if (label !== null) return members(root, state, go, label);
  const place = h("div", { id: "clusters" });
  root.append(
    h("h1", {}, "Clusters"),
    h("p", { class: "lead" }, "Kinds of objects, as the fit has found them without labels. Open one for its members; name those that you know."),
    h("div", {}, unknownNote(unknownOf(state.params, KINDS))),
    place,
    snippetPart({
      python: pythonOf(() => [`found = client.clusters(${python(collection)}${fit ? `, fit_version=${fit}` : ""}, portraits=True)`, "for one in found.clusters:", "    print(one.label, one.name, one.size, one.exemplar_ids[:3])"]),
      curl: curl(`v1/clusters?collection=${encodeURIComponent(collection)}${fit ? `&fit_version=${fit}` : ""}&portraits=true`),
    }));
  await into(place, () => get("v1/clusters", asked, options), (told) => all(told, state, go), options);
  return null;
}

function all(told, state, go) {
  if (!Number(told.fit_version)) {
    return unfitted();
  }
  const outside = Number(told.num_outside);
  const versions = told.fit_versions.map(String);
  const isNewest = newest(told);
  const inNone = `${counted(outside, "object")} ${outside === 1 ? "is" : "are"} in none`;
  return [
    h("div", { class: "spread toolbar" },
      h("p", { class: "fine" }, `${counted(told.clusters.length, "cluster")} by ${told.method || "an older fit"}, ${told.num_clusters ? "their number given" : "their number chosen"}${told.stability === undefined ? "" : `, stability ${number(told.stability, 2)}`}. `,
        !outside ? "Every object is in one" : isNewest ? h("a", { href: href("clusters", { collection: state.collection, cluster: NOWHERE }) }, inNone) : inNone, ".",
        isNewest ? null : " This is an older fit: members are listed of the newest."),
      versions.length > 1 ? h("div", { class: "row tight" }, h("label", { for: "fit" }, "Fit"),
        h("select", { id: "fit", on: { change: (event) => go("clusters", { fit: event.target.value }) } },
          versions.map((one) => h("option", { value: one, selected: one === told.fit_version }, one)))) : null),
    h("ul", { class: "cluster-list", "aria-label": "Clusters, the largest first" },
      told.clusters.map((one) => clusterCard(one, told, state))),
  ];
}

/** Whether what is told is of the newest fit, of which alone members are listed. */
const newest = (told) => told.fit_versions.every((version) => Number(version) <= Number(told.fit_version));

function clusterCard(one, told, state) {
  const { collection, signal } = state;
  const isNewest = newest(told);
  const name = said(one.name, 80);
  const heading = h("h2", {}, isNewest ? h("a", { href: href("clusters", { collection, cluster: one.label }) }, name) : name);
  return h("li", { class: "card cluster", data: { label: String(one.label) } },
    h("div", { class: "cluster-pictures" },
      one.portrait?.mean_thumbnail_png
        ? h("figure", { class: "mean" }, inlinePicture(one.portrait.mean_thumbnail_png, { class: "thumbnail", alt: `Mean of ${disarmed(one.name, 60)}` }), h("figcaption", { class: "fine" }, "mean"))
        : null,
      h("ul", { class: "exemplars", "aria-label": `Typical of ${disarmed(one.name, 60)}` }, one.exemplar_ids.slice(0, MOST_EXEMPLARS).map((id) => h("li", {},
        h("a", { href: href("object", { id, collection }), title: disarmed(id, 80) }, thumbnail(collection, id, { alt: disarmed(id, 80), signal })))))),
    heading,
    h("p", { class: "fine" }, `${counted(one.size, "object")}, ${percent(Number(one.size) / Number(told.num_objects))} of all`),
    isNewest ? renaming(one, heading, state) : null,
    one.portrait ? portrait(one) : null);
}

/** What members have in common: the narrowest first are what tells a cluster. */
function portrait(one) {
  const { numbers, flags, labels } = one.portrait;
  const shares = (list, kind) => (list.length ? h("div", { class: "row tight" }, chips(list.slice(0, 6).map((one) => one.name), kind, list.map((one) => percent(one.share)))) : null);
  if (!numbers.length && !flags.length && !labels.length) return null;
  return h("details", {}, h("summary", {}, "What its members have in common"),
    numbers.length ? table(`Numbers of ${disarmed(one.name, 60)}`, [
      { label: "Attribute", of: (row) => [said(row.name, 80), Number(row.count) < Number(one.size) ? h("span", { class: "fine" }, ` known of ${number(row.count)}`) : null] },
      { label: "Median", isNumber: true, of: (row) => number(row.median, 3) },
      { label: "Half lies within", isNumber: true, of: (row) => `${number(row.low, 3)} to ${number(row.high, 3)}` },
    ], numbers, { isCompact: true }) : null,
    shares(labels, "labels"), shares(flags, "flags"));
}

function renaming(one, heading, { collection, signal }) {
  const id = `name-${one.label}`;
  const problem = h("div", {});
  const input = h("input", { id, value: one.name, maxlength: 200, autocomplete: "off" });
  const form = h("form", {
    class: "row grow naming",
    on: {
      submit: async (event) => {
        event.preventDefault();
        const name = input.value.trim();
        if (!name || name === one.name) return;
        try {
          await put("v1/clusters/name", { collection, label: one.label, name }, { signal });
          one.name = name;
          fill(heading.firstElementChild, said(name, 80));
          problem.replaceChildren();
          tell(`Cluster ${one.label} is called ${name}`);
        } catch (error) {
          if (error.name !== "AbortError") fill(problem, failed(error));
        }
      },
    },
  }, h("label", { for: id, class: "unseen" }, `Name of cluster ${one.label}`), input, h("button", { type: "submit", class: "plain small" }, "Name it"));
  return [form, problem];
}

async function members(root, state, go, label) {
  const { collection, signal } = state;
  const options = { signal };
  const isNowhere = label === NOWHERE;
  if (!isNowhere && !/^\d{1,9}$/.test(label)) {
    root.append(h("h1", {}, "Clusters"), empty("There is no such cluster.", h("p", {}, "The address asks for ", said(label, 60), "; clusters have numbers. ", h("a", { href: href("clusters", { collection }) }, "All clusters"))));
    return;
  }
  const filters = readFilters(state.params, KINDS);
  const filter = filterMessage(filters);
  const heading = h("h1", {}, isNowhere ? "In no cluster" : `Cluster ${label}`);
  const list = h("ol", { class: "gallery", "aria-label": "Members, the most typical first" });
  const count = h("p", { class: "fine" });
  const more = h("div", { class: "more" });
  const taken = [];
  const body = {
    collection, thumbnails: false, page_size: PAGE, ...(filter ? { filter } : {}),
    ...(isNowhere ? { in_no_cluster: true } : { label: Number(label) }),
  };
  root.append(
    h("p", {}, h("a", { href: href("clusters", { collection }) }, "All clusters")),
    heading,
    h("p", { class: "lead" }, isNowhere ? "Those that are in none, the nearest to any first." : "Its members, the most typical first: by the cosine to its centre."),
    filterForm(state, filters, (chosen) => go("clusters", { cluster: label, ...chosen })),
    section("Members", h("div", { class: "spread" }, count,
      downloads(`cluster-${label}`, () => objectTable(taken, { probability: ["double", "", "stat.probability", "Probability that it belongs to the cluster"], similarity: ["double", "", "stat.correlation", "Cosine to the cluster's centre, -1 to 1"] }), () => ({ collection, request: location.href }))),
    list, more),
    snippetPart({
      python: pythonOf((where) => [`found = client.members(${isNowhere ? "None" : Number(label)}, collection=${python(collection)}${where})`, "for one in found.items:", "    print(one.rank, one.id, one.similarity)"], { filters }),
      curl: curl("v1/clusters/members", { body }),
    }));
  if (!isNowhere) named(heading, label, collection, options);
  const page = (token) => into(more, () => post("v1/clusters/members", { ...body, page_token: token }, options), (told) => {
    taken.push(...told.members);
    list.append(...told.members.map((one) => {
      const made = card({ ...one, score: undefined }, collection, { signal });
      made.querySelector(".hit-line").append(h("span", { class: "separation", title: "Cosine to the centre" }, one.similarity.toFixed(3).replace("-", "−")));
      return made;
    }));
    count.textContent = `${counted(taken.length, "object")}${told.next_page_token ? " so far" : ""}${Number(told.num_unranked) ? `; ${number(told.num_unranked)} came after the fit` : ""}`;
    if (!taken.length) return empty("Nobody is here.", countFilters(filters) ? "No member fulfils the filters." : "Every object is in a cluster.");
    return told.next_page_token ? button("Show more", () => page(told.next_page_token), { class: "plain" }) : null;
  }, options);
  await page("");
}

async function named(heading, label, collection, options) {
  try {
    const told = await get("v1/clusters", { collection }, options);
    const one = told.clusters.find((cluster) => String(cluster.label) === label);
    if (one) fill(heading, said(one.name, 80));
  } catch {
    // The list of members tells what is wrong.
  }
}
