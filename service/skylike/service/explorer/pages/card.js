// An object in a gallery.

import { disarmed, h, said } from "./dom.js";
import { isPoor } from "./flags.js";
import { chips } from "./parts.js";
import { thumbnail } from "./pictures.js";
import { href } from "./route.js";
import { angle } from "./sky.js";

/**
 * A card of a hit. `examples` has `isLike(id)`, `isUnlike(id)` and `toggle(id, sign)`;
 * without it nothing can be chosen.
 */
export function card(hit, collection, { signal, examples = null } = {}) {
  const { object } = hit;
  const name = disarmed(object.id, 80);
  const poor = object.flags.filter(isPoor);
  const score = hit.score === undefined ? null : hit.score.toFixed(3);
  return h("li", { class: "card hit", data: { id: object.id } },
    h("a", { href: href("object", { id: object.id, collection }), class: "picture", "aria-label": `${hit.rank ? `${hit.rank}: ` : ""}${name}` },
      thumbnail(collection, object.id, { alt: "", signal })),
    h("div", { class: "hit-line" },
      hit.rank ? h("span", { class: "rank", title: "Rank" }, String(hit.rank)) : null,
      score ? h("span", { class: "score", title: "Cosine similarity" }, score.replace("-", "−")) : null,
      hit.separation_deg !== undefined && hit.separation_deg !== null
        ? h("span", { class: "separation", title: "Separation on the sky" }, angle(hit.separation_deg)) : null),
    h("p", { class: "hit-id", title: name }, said(object.id, 60)),
    object.labels.length || poor.length
      ? h("div", { class: "row tight" }, chips(poor, "flags"), chips(object.labels, "labels")) : null,
    h("div", { class: "hit-actions" },
      h("a", { class: "button plain small", href: href("similar", { id: object.id, collection }), "aria-label": `Search from ${name}` }, "Search from this")),
    examples ? h("div", { class: "signs" }, choice(object.id, "+", "like", examples), choice(object.id, "−", "unlike", examples)) : null);
}

function choice(id, sign, word, examples) {
  const isChosen = word === "like" ? examples.isLike(id) : examples.isUnlike(id);
  return h("button", {
    type: "button", class: "plain small sign", "aria-pressed": String(isChosen), title: `An example of what is ${word} it`,
    "aria-label": `${word === "like" ? "More" : "Less"} like ${disarmed(id, 80)}`, data: { sign: word },
    on: { click: () => examples.toggle(id, word) },
  }, sign);
}
