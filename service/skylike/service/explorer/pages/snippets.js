// The question of the view that is shown, for a notebook or a shell.

import { h, tell } from "./dom.js";
import { filterMessage, filterPython, python } from "./filters.js";
import { key } from "./keys.js";
import { base } from "./route.js";

const here = () => location.origin + base();

/** Where programs ask: the host of this page, if the service listens on all. */
function grpcAddress() {
  const told = document.querySelector("meta[name=skylike-grpc]").content;
  const port = told.slice(told.lastIndexOf(":") + 1);
  const host = told.slice(0, told.lastIndexOf(":"));
  return ["0.0.0.0", "[::]"].includes(host) ? `${location.hostname}:${port}` : told;
}

function client(lines, imports = []) {
  const isTls = location.protocol === "https:";
  const names = ["Client", ...(isTls ? ["Tls"] : []), ...imports].sort();
  const options = [python(grpcAddress()), ...(isTls ? ["tls=Tls()"] : [])].join(", ");
  const note = key() ? "# The key is read from the environment: SKYLIKE_API_KEY.\n" : "";
  return `from skylike.client import ${names.join(", ")}\n\n${note}with Client(${options}) as client:\n${lines.map((line) => `    ${line}`).join("\n")}\n`;
}

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

/** A curl command: of a path, with a message or parts of a form. */
export function curl(path, { body, form } = {}) {
  const lines = [`curl --fail-with-body ${quoted(here() + path)}`];
  if (key()) lines.push('-H "Authorization: Bearer $SKYLIKE_API_KEY"');
  if (body !== undefined) {
    lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  }
  for (const [name, value] of form ?? []) lines.push(`--form-string ${quoted(`${name}=${value}`)}`);
  return `${lines.join(" \\\n  ")}\n`;
}

/** Python that calls methods of the client; the last expression is printed. */
export function pythonOf(lines, { imports = [], filters = null } = {}) {
  const filter = filters && filterPython(filters);
  const text = client(lines(filter ? ", where=where" : ""), imports);
  if (!filter) return text;
  const [first, ...rest] = text.split("\n");
  return [first, `from skylike.client.filters import ${filter.names.join(", ")}`, "", `where = ${filter.text}`, ...rest].join("\n");
}

/** The same search as in the view of similar objects. */
export function searchSnippets(query, collection, { k, least, filters }) {
  const options = (where) => `collection=${python(collection)}, k=${k}${least ? ", least=True" : ""}${where}`;
  const asked = {
    object: () => [`object_id=${python(query.id)}`, []],
    place: () => [`Place(${query.position.ra_deg}, ${query.position.dec_deg}${query.radius ? `, ${query.radius}` : ""})`, ["Place"]],
    examples: () => [`Examples(${python(query.like)}${query.unlike.length ? `, ${python(query.unlike)}` : ""})`, ["Examples"]],
    file: () => (query.hdu
      ? [`Cutout(${python(query.name)}, hdu=${python(query.hdu)})`, ["Cutout"]]
      : [python(query.name || "FILE.fits"), []]),
  }[query.kind];
  const [source, imports] = asked();
  const lines = (where) => [
    `answer = client.analyze(${source}, ${options(where)})`,
    "for hit in answer.hits:",
    "    print(hit.rank, hit.id, hit.score)",
  ];
  const filter = filterMessage(filters);
  const search = { ...(filter ? { filter } : {}), ...(least ? { least: true } : {}) };
  const body = { collection, query: query.message, k, ...(Object.keys(search).length ? { options: search } : {}) };
  const form = Object.entries({ collection, k, hdu: query.hdu, options: Object.keys(search).length ? JSON.stringify(search) : "" })
    .filter(([, value]) => value !== "" && value !== undefined);
  const shell = query.kind === "file"
    ? curl("v1/analyze", { form }).replace(/\n$/, ` \\\n  -F ${quoted(`file=@"${(query.name || "FILE.fits").replaceAll(/["\\]/g, "\\$&")}"`)}\n`)
    : curl("v1/analyze", { body });
  return { python: pythonOf(lines, { imports, filters }), curl: shell };
}

/** Both, in a part of the page that opens, each with a button that copies it. */
export function snippetPart(snippets) {
  return h("details", { class: "part code" }, h("summary", {}, "The same in Python and curl"),
    ["python", "curl"].map((name) => h("div", { class: "snippet" },
      h("div", { class: "spread" },
        h("h3", {}, name === "python" ? "Python" : "curl"),
        h("button", { type: "button", class: "plain small", "aria-label": `Copy the ${name} code`, on: { click: (event) => copy(snippets[name], event.target) } }, "Copy")),
      h("pre", { tabindex: "0", data: { code: name } }, h("code", {}, snippets[name])))));
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    tell("Copied");
  } catch {
    button.textContent = "Select it instead";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
