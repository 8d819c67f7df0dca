"""The OpenAPI 3.1 document, made from the models that requests and answers are made of."""

from typing import Any

from flask import Response, jsonify
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from portal.api.gate import PREFIX, blueprint
from portal.api.shapes import DeliveryPage, DeliveryPatch, DeliveryWhole, ImportOut, Problem, RoutePage, RouteWhole
from portal.services import services
from tracking.import_payloads import RoutesIn

VERSION = "1"
REFUSALS = {
    "400": "The body is not JSON.",
    "401": "No live API key.",
    "404": "Nothing has this id.",
    "409": "The state does not allow it, or the same request is still under way.",
    "413": "The body is over 2 MB.",
    "415": "The body is not application/json.",
    "422": "Something is missing or wrong; every problem is named. Nothing was changed.",
    "429": "Too many requests.",
    "503": "The record is away; send it again.",
}
_READS = ("401", "404", "422", "429", "503")
_WRITES = tuple(REFUSALS)
_REF = "#/components/schemas/"


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Return the document; it needs no key."""
    return jsonify(document(services().settings.public_url, services().settings.company_name))


def document(public_url: str, company: str) -> dict[str, Any]:
    """Return the OpenAPI document of this API."""
    models: list[type[BaseModel]] = [RoutesIn, DeliveryPatch]
    answers: list[type[BaseModel]] = [DeliveryPage, DeliveryWhole, ImportOut, Problem, RoutePage, RouteWhole]
    _, schemas = models_json_schema(
        [*((model, "validation") for model in models), *((model, "serialization") for model in answers)],
        ref_template=f"{_REF}{{model}}",
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Deliveries of {company}", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


_ABOUT = (
    "Load routes in, change them, read the state. Send an Idempotency-Key with every POST and PATCH: the same request "
    "again then gets the first one's answer. Refusals are application/problem+json (RFC 9457)."
)


def _paths() -> dict[str, Any]:
    limit = _query("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "How many at most.")
    after = _query("after", {"type": "string"}, "The `next` of the page before.")
    day = _query("date", {"type": "string", "format": "date"}, "The service day.")
    reference = _query("reference", {"type": "string"}, "Your reference.")
    status = _query("status", {"type": "string"}, "The delivery's status.")
    dry_run = _query("dry_run", {"type": "boolean"}, "Only say what would change.")
    retry = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "maxLength": 120},
        "description": "Kept for 7 days. The same key with another request is refused.",
    }
    return {
        f"{PREFIX}/routes": {
            "post": _operation("load_routes", ImportOut, [dry_run, retry], takes=RoutesIn, created=True),
            "get": _operation("list_routes", RoutePage, [{**day, "required": True}, limit, after]),
        },
        f"{PREFIX}/routes/{{route_id}}": {"get": _operation("show_route", RouteWhole, [_id("route_id")])},
        f"{PREFIX}/deliveries": {
            "get": _operation("list_deliveries", DeliveryPage, [reference, day, status, limit, after])
        },
        f"{PREFIX}/deliveries/{{delivery_id}}": {
            "get": _operation("show_delivery", DeliveryWhole, [_id("delivery_id")]),
            "patch": _operation("change_delivery", DeliveryWhole, [_id("delivery_id"), retry], takes=DeliveryPatch),
        },
        f"{PREFIX}/openapi.json": {
            "get": {
                "operationId": "openapi",
                "security": [],
                "responses": {"200": {"description": "This document."}},
            }
        },
    }


def _operation(
    name: str,
    gives: type[BaseModel],
    parameters: list[dict[str, Any]],
    *,
    takes: type[BaseModel] | None = None,
    created: bool = False,
) -> dict[str, Any]:
    good = {"description": (gives.__doc__ or "").strip(), "content": _content(gives)}
    refusals = {
        code: {"description": REFUSALS[code], "content": {"application/problem+json": {"schema": _schema(Problem)}}}
        for code in (_READS if takes is None else _WRITES)
    }
    operation: dict[str, Any] = {
        "operationId": name,
        "parameters": parameters,
        "responses": {"200": good, **({"201": good} if created else {}), **refusals},
    }
    if takes is not None:
        operation["requestBody"] = {"required": True, "content": _content(takes)}
    return operation


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _schema(model)}}


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"{_REF}{model.__name__}"}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _id(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
