// What people call an object: shown, added, taken away.

import { post } from "./api.js";
import { disarmed, fill, h, said, tell } from "./dom.js";
import { failed, section } from "./parts.js";

/** The labels of an object, for those who may write. */
export function labelPart(object, state) {
  let labels = [...object.labels];
  const list = h("ul", { class: "chips labels editable", "aria-label": "Labels" });
  const problem = h("div", {});
  const input = h("input", { id: "new-label", autocomplete: "off", maxlength: 200, placeholder: "another label" });
  const write = async (change) => {
    try {
      await post("v1/labels", { collection: state.collection, ids: [object.id], ...change }, { signal: state.signal });
      labels = [...labels.filter((one) => !change.remove?.includes(one)), ...(change.add ?? []).filter((one) => !labels.includes(one))].sort();
      problem.replaceChildren();
      draw();
      tell(change.add ? `Label ${change.add[0]} added` : `Label ${change.remove[0]} taken away`);
      return true;
    } catch (error) {
      if (error.name !== "AbortError") fill(problem, failed(error));
      return false;
    }
  };
  const draw = () => fill(list, labels.length ? labels.map((one) => h("li", {}, said(one, 60), h("button", {
    type: "button", class: "bare", "aria-label": `Take the label ${disarmed(one, 60)} away`,
    on: { click: async () => { if (await write({ remove: [one] })) input.focus(); } },
  }, "×"))) : h("li", { class: "none" }, "no labels"));
  draw();
  return section("Labels", list,
    h("form", {
      id: "label-form",
      on: {
        submit: async (event) => {
          event.preventDefault();
          const text = input.value.trim();
          if (text && await write({ add: [text] })) input.value = "";
        },
      },
    }, h("label", { for: "new-label", class: "unseen" }, "New label"), h("div", { class: "row grow" }, input, h("button", { type: "submit", class: "plain" }, "Add"))), problem);
}
