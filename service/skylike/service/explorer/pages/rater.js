// A gallery whose objects are rated by keyboard: arrows go, digits rate, U takes back.

import { disarmed, fill, h, tell } from "./dom.js";
import { card } from "./card.js";
import { button, failed, number, percentile } from "./parts.js";

const SCORES = [0, 1, 2, 3, 4, 5];

/** `list` shows what `show` is given; `bar` tells how, and who rates. */
export class Rater {
  constructor(ratings, collection, signal) {
    this.ratings = ratings;
    this.collection = collection;
    this.signal = signal;
    this.cards = new Map();
    this.here = 0;
    this.problem = h("div", {});
    this.takeBack = button("Undo", () => this.undo(), { class: "plain small", id: "undo", disabled: true });
    this.list = h("ol", { class: "gallery rateable", "aria-label": "Objects to rate", on: { keydown: (event) => this.key(event), focusin: (event) => this.entered(event) } });
    this.bar = h("div", { class: "part rating-bar" },
      h("div", { class: "row" },
        h("p", { class: "keys" }, kbd("←", "↑", "↓", "→"), " go, ", kbd("0"), " to ", kbd("5"), " rate (5: most interesting) and go on, ", kbd("A"), " is an artefact, ", kbd("U"), " takes back, ", kbd("Enter"), " looks closer"),
        this.takeBack,
        h("div", { class: "row tight" }, h("label", { for: "rater" }, "Rated by"),
          h("input", { id: "rater", value: ratings.who, maxlength: 200, size: 12, autocomplete: "nickname", on: { change: (event) => this.call(event.target.value) } }))),
      this.problem);
  }

  show(items) {
    this.items = items;
    this.here = Math.min(this.here, Math.max(0, items.length - 1));
    fill(this.list, items.map((item) => this.element(item)));
    this.mark();
  }

  element(item) {
    const { id } = item.object;
    if (!this.cards.has(id)) {
      const made = card({ ...item, rank: item.rank }, this.collection, { signal: this.signal });
      made.querySelector(".hit-line").append(h("span", { class: "separation", title: item.percentile === undefined ? "Expected interest, 0 to 5" : "Share of the archive that is less odd" }, told(item)));
      const choice = h("div", { class: "row tight rating", role: "group", "aria-label": "Rating" },
        SCORES.map((score) => h("button", { type: "button", class: "plain small", tabindex: "-1", data: { score: String(score) }, "aria-label": `Rate ${score}`, on: { click: () => this.rate(id, { score }) } }, String(score))));
      made.append(choice);
      this.cards.set(id, made);
    }
    this.draw(id, item);
    return this.cards.get(id);
  }

  draw(id, item = this.items.find((one) => one.object.id === id)) {
    const made = this.cards.get(id);
    const rating = this.ratings.of(id);
    made.classList.toggle("rated", Boolean(rating));
    made.dataset.rating = rating ? (rating.is_artefact ? "artefact" : String(rating.score)) : "";
    for (const one of made.querySelectorAll("[data-score]")) {
      one.setAttribute("aria-pressed", String(Boolean(rating) && !rating.is_artefact && Math.round(rating.score) === Number(one.dataset.score)));
    }
    const word = !rating ? "not rated" : rating.is_artefact ? "rated an artefact" : `rated ${number(rating.score, 2)}`;
    made.setAttribute("aria-label", `${item.rank}: ${disarmed(id, 80)}, ${item.percentile === undefined ? "interest" : "odder than"} ${told(item)}, ${word}`);
    this.takeBack.disabled = !this.ratings.done.length;
  }

  /** One of all can be reached by Tab: that which was there last. */
  mark() {
    [...this.list.children].forEach((one, i) => { one.tabIndex = i === this.here ? 0 : -1; });
  }

  go(to) {
    this.here = Math.max(0, Math.min(this.items.length - 1, to));
    this.mark();
    const next = this.list.children[this.here];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  entered(event) {
    const inside = event.target.closest("li");
    const at = [...this.list.children].indexOf(inside);
    if (at >= 0 && at !== this.here) {
      this.here = at;
      this.mark();
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { id } = this.items[this.here].object;
    const onCard = event.target.parentElement === this.list;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() };
    if (event.key in moves) this.go(this.here + moves[event.key]);
    else if (event.key === "Home") this.go(0);
    else if (event.key === "End") this.go(this.items.length - 1);
    else if (/^[0-5]$/.test(event.key)) this.rate(id, { score: Number(event.key) }, true);
    else if (event.key === "a" || event.key === "A") this.rate(id, { score: 0, is_artefact: true }, true);
    else if (event.key === "u" || event.key === "U") this.undo();
    else if (event.key === "Enter" && onCard) this.list.children[this.here].querySelector("a").click();
    else return;
    event.preventDefault();
  }

  /** How many stand beside each other now. */
  columns() {
    const tops = [...this.list.children].map((one) => one.offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  }

  async rate(id, rating, goesOn = false) {
    const at = this.items.findIndex((one) => one.object.id === id);
    // Who rates by keyboard is on the next before the answer is here.
    if (goesOn) this.go(at + 1);
    await this.tried(async () => {
      await this.ratings.rate(id, rating);
      this.draw(id);
      tell(`${disarmed(id, 80)} ${rating.is_artefact ? "is an artefact" : `rated ${rating.score}`}`);
    });
  }

  async undo() {
    await this.tried(async () => {
      const id = await this.ratings.undo();
      if (id === undefined) return;
      this.draw(id);
      this.go(this.items.findIndex((one) => one.object.id === id));
      tell(`The rating of ${disarmed(id, 80)} is taken back`);
    });
  }

  async call(who) {
    await this.tried(async () => {
      await this.ratings.call(who);
      for (const { object } of this.items ?? []) this.draw(object.id);
    });
  }

  /** One after the other, so that what is taken back is what was written last. */
  tried(work) {
    this.line = (this.line ?? Promise.resolve()).then(work).then(() => { this.problem.replaceChildren(); }, (error) => {
      if (error.name !== "AbortError") fill(this.problem, failed(error));
    });
    return this.line;
  }
}

function told(item) {
  if (item.interest !== undefined && item.interest !== null) {
    const spread = item.uncertainty === undefined ? "" : ` ± ${number(item.uncertainty, 2)}`;
    return `${number(item.interest, 2)}${spread}${item.is_random ? ", random" : ""}`;
  }
  return `${percentile(item.percentile)} %`;
}

const kbd = (...keys) => keys.map((one) => h("kbd", {}, one));
