"""The reference of REST, from the server's own OpenAPI document in the reader's language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docs.site.words import Language, table, word
from gpen_ui.api import PREFIX, build_api
from gpen_ui.api.app import METHODS, openapi_document
from gpen_ui.settings import Settings
from gpen_ui.ui.service import Service


def reference(language: Language) -> str:
    """One section a route: its sentence, its parameters and fields, what comes back; then the shapes of answers."""
    settings = Settings()
    document = openapi_document(build_api(Service(settings, Path()), settings), language)
    parts = [
        _route(method.upper(), path, operation, language)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    schemas = document["components"]["schemas"]
    parts.append(f"## {word('schemas', language)}")
    parts += [_schema(name, schema, language) for name, schema in sorted(schemas.items()) if "properties" in schema]
    return "\n\n".join(parts)


def _route(method: str, path: str, operation: dict[str, Any], language: Language) -> str:
    parts = [f"## {method} {path} {{ #{operation['operationId']} }}", operation["summary"]]
    rows = [
        (f"`{each['name']}`", word(each["in"], language), *_about(each["schema"], each["required"], language))
        for each in operation.get("parameters", [])
        if each["in"] in ("path", "query")
    ]
    for schema in _bodies(operation):
        demanded = schema.get("required", [])
        rows += [
            (f"`{name}`", word("body", language), *_about(field, name in demanded, language))
            for name, field in schema["properties"].items()
        ]
    if rows:
        head = [word(key, language) for key in ("field", "where_it_stands", "values", "meaning")]
        parts.append(table(head, rows))
    good = next((each for code, each in operation["responses"].items() if code.startswith("2")), {})
    kinds = [_answer(kind, about) for kind, about in good.get("content", {}).items()]
    if kinds:
        parts.append(f"{word('answer', language)}{word('colon', language)}{word('comma', language).join(kinds)}")
    if bodies := list(operation.get("requestBody", {}).get("content", {})):
        parts.append(f"{word('sends', language)}{word('colon', language)}`{PREFIX}{path}`, `{bodies[0]}`")
    return "\n\n".join(parts)


def _bodies(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["schema"] for each in operation.get("requestBody", {}).get("content", {}).values()]


def _answer(kind: str, about: dict[str, Any]) -> str:
    name = about.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f"`{kind}` ([{name}](#{name.lower()}))" if name else f"`{kind}`"


def _schema(name: str, schema: dict[str, Any], language: Language) -> str:
    demanded = schema.get("required", [])
    fields = schema["properties"].items()
    rows = [(f"`{field}`", *_about(about, field in demanded, language)) for field, about in fields]
    head = [word(key, language) for key in ("field", "values", "meaning")]
    return "\n\n".join([f"### {name}", table(head, rows)])


def _about(schema: dict[str, Any], demanded: bool, language: Language) -> tuple[str, str]:
    """Kind and range; meaning."""
    meaning = schema.get("description", "")
    if demanded:
        meaning = f"{meaning} ({word('required', language)})".strip()
    return _kind(schema, language), meaning


def _kind(schema: dict[str, Any], language: Language) -> str:
    if "anyOf" in schema:
        return word("comma", language).join(_kind(each, language) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return word("comma", language).join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"{word('list', language)} {_kind(schema.get('items', {}), language)}"
    if schema.get("format") == "binary":
        return word("binary", language)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{low:g} {word('to', language)} {high:g}"
    return f"`{schema.get('type', 'any')}`"
