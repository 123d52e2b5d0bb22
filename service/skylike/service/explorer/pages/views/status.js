// How the service is, what it holds, and what its models want to see.

import { get } from "../api.js";
import { disarmed, h, said } from "../dom.js";
import { modelCard } from "../model.js";
import { empty, facts, into, number, section, table, unfitted } from "../parts.js";

export const title = "Status";

const WORDS = { SERVING: "serving", NOT_SERVING: "not serving", SERVICE_UNKNOWN: "unknown" };

export async function show(root, state) {
  const health = h("div", {});
  const model = h("div", {});
  const clusters = h("div", {});
  root.append(
    h("h1", {}, "Status"),
    h("p", { class: "lead" }, "How the service is now, and what it holds."),
    h("div", { class: "columns" }, section("Health", health), section("Model", model), section("Fits", clusters)),
    h("br"),
    section("Collections", collectionTable(state.collections)),
  );
  const options = { signal: state.signal };
  await Promise.all([
    into(health, () => get("v1/health/list", {}, options), healthOf, options),
    into(model, () => get(`v1/collections/${encodeURIComponent(state.collection)}`, {}, options), (told) => modelCard(told.collection), options),
    into(clusters, () => get("v1/clusters", { collection: state.collection }, options), (told) => fits(state.info, told), options),
  ]);
}

function healthOf(told) {
  const rows = Object.entries(told.statuses ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name.replace(/^skylike\.v1\./, "").replace(/^collection\./, "collection ") || "the whole service", one.status]);
  if (!rows.length) return empty("Nothing is told.");
  return h("dl", { class: "facts health" }, rows.map(([name, status]) => [
    h("dt", {}, said(name, 80)),
    h("dd", { class: status === "SERVING" ? "good" : "bad" }, WORDS[status] ?? status),
  ]));
}

function collectionTable(collections) {
  if (!collections.length) return empty("There are no collections.", "skylike-service index DIR makes one of a folder of FITS files.");
  return table("Collections", [
    { label: "Name", of: (one) => h("a", { href: `./?collection=${encodeURIComponent(one.context.collection)}` }, said(one.context.collection, 80)) },
    { label: "Objects", isNumber: true, of: (one) => number(one.num_objects) },
    { label: "Dimension", isNumber: true, of: (one) => number(one.dimension) },
    { label: "Version", isNumber: true, of: (one) => number(one.context.collection_version) },
    { label: "Model", of: (one) => h("code", { title: one.context.model_id }, one.context.model_id.slice(0, 12)) },
    { label: "State", of: (one) => (one.damage ? h("span", { class: "bad" }, disarmed(one.damage)) : one.aliasOf ? h("span", {}, "alias of ", said(one.aliasOf)) : "sound") },
  ], collections);
}

function fits(info, told) {
  if (!told.clusters.length && !Number(info?.anomaly_fit_version)) {
    return unfitted();
  }
  const nuisances = info?.nuisances ?? [];
  return [
    facts([
      ["Clusters", `${told.clusters.length} by ${told.method || "an older fit"}${told.num_clusters ? ", number given" : ", number chosen"}`],
      ["Fit", number(told.fit_version)],
      ["Objects fitted", number(told.num_objects)],
      ["In no cluster", Number(told.num_outside) ? number(told.num_outside) : ""],
      ["Agreement of halves", told.stability === undefined ? "" : `${number(told.stability, 2)} (adjusted Rand index)`],
      ["Seed", number(told.seed)],
      ["Anomaly fit", number(info?.anomaly_fit_version)],
    ]),
    nuisances.length ? h("h3", {}, "How oddness goes with how objects were observed") : null,
    nuisances.length ? table("Nuisances", [
      { label: "Of the observation", of: (one) => one.name },
      { label: "Score", isNumber: true, of: (one) => number(one.score_correlation, 2) },
      { label: "Controlled", isNumber: true, of: (one) => number(one.controlled_correlation, 2) },
    ], nuisances) : null,
    nuisances.length ? h("p", { class: "fine" }, "Rank correlations, −1 to 1: near 0 is better.") : null,
  ];
}
