// What kind something is and how odd, in numbers that say what they mean.

import { h, said } from "./dom.js";
import { isPoor } from "./flags.js";
import { chips, counted, facts, number, percent, percentile, table } from "./parts.js";
import { href } from "./route.js";

/** The cluster of a query, with the next likely ones. */
export function clusterPart(cluster, collection) {
  if (!cluster) return h("p", { class: "fine" }, "No clusters are fitted.");
  const shares = [...cluster.shares.slice(0, 4).map((one) => [one.name, one.probability, one.label]),
    ...(cluster.no_cluster_probability >= 0.01 ? [["in no cluster", cluster.no_cluster_probability, null]] : [])];
  return [
    h("p", {}, cluster.in_no_cluster ? "In no cluster; nearest is " : "Most likely ",
      h("a", { href: href("clusters", { collection, cluster: cluster.best.label }) }, said(cluster.best.name, 60)),
      `, which had ${counted(cluster.size, "object")} when it was fitted.`),
    h("ul", { class: "shares" }, shares.map(([name, probability]) => h("li", {},
      h("span", { class: "share-name" }, said(name, 40)),
      h("span", { class: "share-bar", "aria-hidden": "true" }, h("span", { style: { width: `${100 * probability}%` } })),
      h("span", { class: "share-value" }, percent(probability))))),
  ];
}

/** How odd a query is, in a sentence; the rest where it is known. */
export function anomalyPart(anomaly) {
  if (!anomaly) return h("p", { class: "fine" }, "No anomaly scores are fitted.");
  const sentence = `Odder than ${percentile(anomaly.percentile)} % of the archive.`;
  return [
    h("p", {}, sentence),
    h("div", { class: "scale", role: "img", "aria-label": `${percentile(anomaly.percentile)} on a scale from 0, most typical, to 100, oddest` },
      h("span", { style: { left: `${anomaly.percentile}%` } })),
    facts([
      ["Score", number(anomaly.score, 3)],
      ["Among those observed alike", anomaly.controlled_percentile === undefined ? "" : `${percentile(anomaly.controlled_percentile)} % score lower`],
      ["p-value", anomaly.calibrated ? `${number(anomaly.p_value, 2)}, on ${number(anomaly.num_calibration)} ordinary objects` : ""],
    ]),
    anomaly.calibrated ? null : h("p", { class: "fine" }, anomaly.num_calibration
      ? "No p-value: this object is one of the archive that others are compared with."
      : "No p-value: the fit has no calibration objects."),
  ];
}

const PARTS = {
  mean_distance: "Mean distance to the nearest", kth_distance: "Distance to the last of the nearest",
  density_ratio: "Density, against that around neighbours", isolation_forest: "How easily it is told apart (isolation forest)",
  mixture: "How unlikely for the mixture",
};

/** Why: the same told in other ways, what stands out, what is poor. */
export function reasonsPart(told) {
  const { parts } = told.anomaly;
  const poor = told.flags.filter(isPoor);
  return [
    parts.length ? table("The same told in other ways", [
      { label: "Told by", of: (one) => PARTS[one.name] ?? one.name },
      { label: "Score", isNumber: true, of: (one) => number(one.score, 3) },
      { label: "Percentile", isNumber: true, of: (one) => percentile(one.percentile) },
    ], parts, { isCompact: true }) : null,
    told.nearest_cluster ? h("p", { class: "fine" }, "Cosine to the centre of ", said(told.nearest_cluster.cluster.name, 60), `: ${number(told.nearest_cluster.similarity, 3)}.`) : null,
    told.outstanding.length ? h("h3", {}, "What stands out") : null,
    told.outstanding.length ? table("Attributes that stand out", [
      { label: "Attribute", of: (one) => one.name },
      { label: "Value", isNumber: true, of: (one) => number(one.value, 3) },
      { label: "Neighbours' median", isNumber: true, of: (one) => number(one.neighbors_median, 3) },
      { label: "Archive's median", isNumber: true, of: (one) => number(one.archive_median, 3) },
    ], told.outstanding, { isCompact: true }) : null,
    poor.length ? h("p", {}, "Poor about it: ", chips(poor, "flags"), " — an odd observation of an ordinary object, perhaps.") : null,
  ];
}
