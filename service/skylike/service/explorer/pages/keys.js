// The visitor's API key, where the service asks for one: kept until the tab is closed.

import { h } from "./dom.js";

const NAME = "skylike-key";
let asking = null;
let inMemory = null;

/** The key, or null while none is known. */
export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? inMemory;
  } catch {
    return inMemory;
  }
}

function keep(text) {
  inMemory = text;
  try {
    if (text === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, text);
  } catch {
    // Kept in memory, until the page is left.
  }
}

/** Ask the visitor for a key; resolves when there is one, with all who wait. */
export function askForKey(why) {
  asking ??= ask(why).finally(() => { asking = null; });
  return asking;
}

function ask(why) {
  return new Promise((resolve, reject) => {
    const field = h("input", {
      id: "key", type: "password", required: true, autocomplete: "off", spellcheck: "false",
    });
    const dialog = h("dialog", { class: "key", "aria-labelledby": "key-title" },
      h("form", {
        method: "dialog",
        on: {
          submit: (event) => {
            event.preventDefault();
            keep(field.value.trim());
            dialog.close("kept");
          },
        },
      },
      h("h2", { id: "key-title" }, "An API key, please"),
      h("p", {}, why),
      h("label", { for: "key" }, "Key"), field,
      h("p", { class: "hint" }, "It stays in this tab, and is forgotten when the tab is closed."),
      h("div", { class: "row" },
        h("button", { type: "submit" }, "Use this key"),
        h("button", { type: "button", class: "plain", on: { click: () => dialog.close("") } }, "Not now"))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue === "kept") resolve();
      else reject(new DOMException("no key was given", "NotAllowedError"));
    });
    document.body.append(dialog);
    dialog.showModal();
    field.focus();
  });
}

/** Forget the key. */
export const forgetKey = () => keep(null);
