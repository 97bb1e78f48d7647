"""Holds the server's OpenAPI document, which comes from standard input, against Azure's SDKs as they are installed: every
operation's path, method and status, and of its body the members, those that are required, and the words of enums.
"""

import importlib
import inspect
import json
import re
import sys
import typing
from enum import Enum


def shape(path):
    return re.sub(r"{[^}]*}", "{}", path)


def requests(operations):
    """(name, method, path) of each request that the SDK builds."""
    for name, build in inspect.getmembers(operations, inspect.isfunction):
        if match := re.fullmatch(r"build_(?:key_vault_)?(\w+)_request", name):
            positional = [
                p.name
                for p in inspect.signature(build).parameters.values()
                if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty
            ]
            request = build(*(["NAME"] * len(positional)))
            yield match[1], request.method, request.url.split("?")[0].replace("NAME", "{}")


def method_of(operations, name):
    for group, owner in [("role_definitions_", "RoleDefinitionsOperations"), ("role_assignments_", "RoleAssignmentsOperations")]:
        if name.startswith(group):
            return getattr(getattr(operations, owner), name.removeprefix(group))
    # What takes a while is begun by a method of its own.
    for name in (name, f"_{name}_initial"):
        for _, owner in inspect.getmembers(operations, inspect.isclass):
            if hasattr(owner, name):
                return getattr(owner, name)
    raise LookupError(name)


def status(method):
    return {s for found in re.findall(r"status_code not in \[([\d, ]+)\]", inspect.getsource(method)) for s in found.split(", ")}


def model_of(method, models):
    for parameter in inspect.signature(method).parameters.values():
        for kind in typing.get_args(parameter.annotation):
            name = getattr(kind, "__name__", None) or getattr(kind, "__forward_arg__", "").split(".")[-1]
            model = getattr(models, name, None) if name else None
            if isinstance(model, type) and not issubclass(model, Enum):
                return model
    return None


def members(model):
    """The members that a client sends, and those that it must."""
    model({})
    fields = model._attr_to_rest_field
    sent = {f._rest_name for f in fields.values() if f._visibility != ["read"]}
    overload = typing.get_overloads(model.__init__)[0]
    must = [p.name for p in inspect.signature(overload).parameters.values() if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    return sent, {fields[name]._rest_name for name in must}


def enums(models):
    return {n: {m.value for m in e} for n, e in inspect.getmembers(models, inspect.isclass) if issubclass(e, Enum)}


def resolve(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
    return schema


def main():
    document = json.load(sys.stdin)
    ours = {
        (method.upper(), shape(path)): described
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    }
    wrong, seen, words, bodies = [], set(), {}, 0

    def same(what, sdk, own):
        if sdk != own:
            wrong.append(f"{what}: the SDK has {sdk}, the document {own}")

    packages = {"keys": "_operations", "secrets": "_operations", "certificates": "_operations", "administration": "operations"}
    for package, place in packages.items():
        package = "azure.keyvault." + package
        operations = importlib.import_module(f"{package}._generated.{place}._operations")
        models = importlib.import_module(package + "._generated.models")
        words |= enums(models)
        for name, verb, path in requests(operations):
            key = (verb, path)
            seen.add(key)
            if key not in ours:
                wrong.append(f"{name}: {verb} {path} is in the SDK and not in the document")
                continue
            method = method_of(operations, name)
            # Pages are fetched by a function inside, of the same source.
            same(f"{name}: status", status(method), set(ours[key]["responses"]) - {"default"})
            model = model_of(method, models)
            body = ours[key].get("requestBody")
            same(f"{name}: has a body", model is not None, body is not None)
            if model is None or body is None:
                continue
            bodies += 1
            schema = resolve(document, body["content"]["application/json"]["schema"])
            sent, must = members(model)
            same(f"{name}: members", sent, set(schema["properties"]))
            same(f"{name}: required", must, set(schema.get("required", [])))
    for key in ours.keys() - seen:
        wrong.append(f"{key} is in the document and in no SDK")
    compared = 0
    for name, schema in document["components"]["schemas"].items():
        if "enum" in schema:
            compared += 1
            same(name, words.get(name), set(schema["enum"]))
    if wrong:
        sys.exit("\n".join(sorted(wrong)))
    print(f"{len(seen)} operations, {bodies} bodies, {compared} enums")


main()
