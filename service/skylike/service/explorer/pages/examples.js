// Objects chosen as examples: what is looked for looks like these, and unlike those.

import { disarmed, fill, h, said, tell } from "./dom.js";
import { button } from "./parts.js";
import { thumbnail } from "./pictures.js";

/** The choice that an address holds, with a bar that shows it and asks by it. */
export class Examples {
  /** `changed` is told the parameters of the choice; `asked` is called with the query's. */
  constructor(params, collection, changed, asked) {
    this.plus = params.getAll("plus");
    this.minus = params.getAll("minus");
    this.collection = collection;
    this.changed = changed;
    this.asked = asked;
    this.bar = h("section", { class: "examples-bar", "aria-label": "Examples", hidden: true });
    this.draw();
  }

  isLike(id) { return this.plus.includes(id); }

  isUnlike(id) { return this.minus.includes(id); }

  get params() { return { plus: this.plus, minus: this.minus }; }

  toggle(id, word) {
    const was = word === "like" ? this.isLike(id) : this.isUnlike(id);
    this.plus = this.plus.filter((one) => one !== id);
    this.minus = this.minus.filter((one) => one !== id);
    if (!was) (word === "like" ? this.plus : this.minus).push(id);
    this.update();
    tell(`${this.plus.length} to be like, ${this.minus.length} to be unlike`);
  }

  update() {
    for (const element of document.querySelectorAll("li.hit[data-id]")) {
      const { id } = element.dataset;
      element.querySelector("[data-sign=like]")?.setAttribute("aria-pressed", String(this.isLike(id)));
      element.querySelector("[data-sign=unlike]")?.setAttribute("aria-pressed", String(this.isUnlike(id)));
    }
    this.draw();
    this.changed(this.params);
  }

  draw() {
    this.bar.hidden = !this.plus.length && !this.minus.length;
    const group = (ids, label) => (ids.length ? h("div", { class: "row tight" }, h("span", { class: "fine" }, label),
      ids.map((id) => h("span", { class: "mini", title: disarmed(id, 80) }, thumbnail(this.collection, id, { alt: disarmed(id, 80) })))) : null);
    fill(this.bar, group(this.plus, "like"), group(this.minus, "unlike"),
      h("div", { class: "row" },
        button("Find more like these", () => this.asked({ like: this.plus, unlike: this.minus }), { id: "by-examples", disabled: !this.plus.length, class: "small" }),
        button("Clear", () => { this.plus = []; this.minus = []; this.update(); }, { class: "plain small" }),
        this.plus.length ? null : h("span", { class: "fine" }, said("At least one has to be alike."))));
  }
}
