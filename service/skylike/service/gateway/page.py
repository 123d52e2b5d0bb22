"""Pages without scripts, from nowhere else: about all that can be asked, and for who is lost."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
code { background: #8882; padding: 0 .3em } dt { margin-top: .5em } dd { margin-left: 2em }
"""


def page(openapi: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    title = escape(openapi["info"]["title"])
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>",
        f"<p>{escape(openapi['info'].get('description', ''))}</p>",
        "<p>For programs: <a href=openapi.json>openapi.json</a>.</p>",
        *_operations(openapi),
        "<h2>What is sent and received</h2>",
        *_messages(openapi),
    ]
    return "\n".join(parts)


def lost(title: str, told: str, back: str) -> str:
    """For people, where there is no page: what is told, and a way ``back`` to one."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>{escape(told)}</p><p><a href='{escape(back)}'>To the explorer</a></p>"
    )


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    for path, verbs in openapi["paths"].items():
        for verb, told in verbs.items():
            yield f"<h2><code>{verb.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(told.get('description') or told.get('summary', ''))}</p>"
            content = told.get("requestBody", {}).get("content", {})
            yield "<dl>"
            for media_type, body in content.items():
                yield f"<dt>body <code>{media_type}</code><dd>{_kind(body['schema'])}"
            for one in told.get("parameters", ()):
                yield f"<dt><code>{escape(one['name'])}</code>"
                yield f"<dd>{escape(one.get('description', ''))}"
            for status, answer in told["responses"].items():
                for body in answer.get("content", {}).values():
                    yield f"<dt>{status}<dd>{_kind(body.get('schema', {}))}"
            yield "</dl>"


def _messages(openapi: Mapping[str, Any]) -> Iterator[str]:
    for name, told in openapi["components"]["schemas"].items():
        yield f"<h3 id={escape(name)}>{escape(name)}</h3>"
        yield f"<p>{escape(told.get('description', ''))}</p><dl>"
        for field, schema in told.get("properties", {}).items():
            yield f"<dt><code>{escape(field)}</code> {_kind(schema)}"
            yield f"<dd>{escape(schema.get('description', ''))}"
        yield "</dl>"


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href=#{name}>{name}</a>"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if schema.get("additionalProperties"):
        return f"by name, {_kind(schema['additionalProperties'])}"
    return escape(schema.get("format") or schema.get("type", ""))
