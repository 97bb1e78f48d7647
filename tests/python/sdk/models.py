"""Azure's generated models as a judge: `check` takes requests from standard input and holds each body to the model of its
operation, of which each must be there (`check_keys`: of those about keys); `fill` prints an answer of each kind in which every field has a value.
"""

import base64
import datetime
import importlib
import json
import re
import sys
import typing
from enum import Enum


def b64u(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def un64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def models(package):
    return importlib.import_module(f"azure.keyvault.{package}._generated.models")


REQUESTS = [
    ("POST /keys/[^/]+/create", "keys", "KeyCreateParameters"),
    ("PUT /keys/[^/]+", "keys", "KeyImportParameters"),
    ("PATCH /keys/[^/]+/[0-9a-f]{32}", "keys", "KeyUpdateParameters"),
    ("POST /keys/[^/]+/[0-9a-f]{32}/sign", "keys", "KeySignParameters"),
    ("POST /keys/[^/]+/[0-9a-f]{32}/(encrypt|decrypt|wrapkey|unwrapkey)", "keys", "KeyOperationsParameters"),
    ("POST /rng", "keys", "GetRandomBytesRequest"),
    ("PUT /secrets/[^/]+", "secrets", "SecretSetParameters"),
    ("PATCH /certificates/[^/]+/[0-9a-f]{32}", "certificates", "CertificateUpdateParameters"),
]

ANSWERS = {
    "keys": ["KeyBundle", "KeyItem", "DeletedKeyBundle", "KeyOperationResult", "RandomBytes", "KeyVaultError"],
    "certificates": ["CertificateBundle", "CertificateItem", "DeletedCertificateBundle"],
    "secrets": ["SecretBundle", "SecretItem", "DeletedSecretBundle"],
}


def fields(model):
    """Of each member: its name in JSON, its type, its format, and whether a client may send it."""
    model({})
    names = {"_models": sys.modules[model.__module__.rsplit(".", 1)[0]]}
    hints = typing.get_type_hints(model, vars(sys.modules[model.__module__]), names)
    for name, field in model._attr_to_rest_field.items():
        yield field._rest_name, hints[name], field._format, field._visibility != ["read"]


def bare(kind):
    """A type without what may be absent, and an enum of words for a text that is one of them."""
    while typing.get_origin(kind) is typing.Union:
        kinds = [k for k in typing.get_args(kind) if k is not type(None)]
        words = [k for k in kinds if isinstance(k, type) and issubclass(k, Enum)]
        kind = words[0] if words else kinds[0]
    return kind


def faults(model, value, where):
    """What of a body isn't as the model has it."""
    known = {name: rest for name, *rest in fields(model)}
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    for name, given in value.items():
        if name not in known:
            yield f"{where}.{name} is in no {model.__name__}"
        elif not known[name][2]:
            yield f"{where}.{name} is for answers only"
        else:
            yield from wrong(bare(known[name][0]), known[name][1], given, f"{where}.{name}")
    # And the SDK itself reads it.
    parsed = model(value)
    for name in model._attr_to_rest_field:
        getattr(parsed, name)


def wrong(kind, form, value, where):
    if typing.get_origin(kind) is list:
        for number, each in enumerate(value):
            yield from wrong(bare(typing.get_args(kind)[0]), form, each, f"{where}[{number}]")
    elif typing.get_origin(kind) is dict:
        if not all(isinstance(each, str) for each in value.values()):
            yield f"{where} isn't texts"
    elif issubclass(kind, Enum):
        if value not in {word.value for word in kind}:
            yield f"{where} is {value!r}, which is no {kind.__name__}"
    elif kind is bytes:
        assert form == "base64url", form
        if b64u(un64u(value)) != value:
            yield f"{where} isn't base64url as the SDK writes it"
    elif kind is datetime.datetime:
        if type(value) is not int:
            yield f"{where} isn't seconds"
    elif kind in (str, int, bool):
        if type(value) is not kind:
            yield f"{where} isn't a {kind.__name__}"
    else:
        yield from faults(kind, value, where)


def check(packages=("keys", "secrets", "certificates")):
    seen, wrong = set(), []
    for request in json.load(sys.stdin):
        line, body = f"{request['method']} {request['path']}", json.loads(request["body"])
        for pattern, package, name in REQUESTS:
            if re.fullmatch(pattern, line):
                seen.add(name)
                wrong += faults(getattr(models(package), name), body, f"{line}: body")
                break
        else:
            wrong.append(f"no operation has a body at {line}")
    wrong += [f"no request had {name}" for _, package, name in REQUESTS if package in packages and name not in seen]
    if wrong:
        sys.exit("\n".join(wrong))
    print(len(seen), "models")


def filled(kind, form, depth=0):
    if typing.get_origin(kind) is list:
        return [filled(bare(typing.get_args(kind)[0]), form, depth)]
    if typing.get_origin(kind) is dict:
        return {"a tag": "its value"}
    if issubclass(kind, Enum):
        return next(iter(kind)).value
    if kind is bytes:
        return b64u(b"\x01\x02\x03")
    if kind is datetime.datetime:
        return 1_900_000_000
    if kind in (str, int, bool):
        return {str: "a text", int: 7, bool: True}[kind]
    # An error may lie in an error.
    if depth == 5:
        return None
    return {name: filled(bare(member), form, depth + 1) for name, member, form, _ in fields(kind)}


def fill():
    answers = {name: filled(getattr(models(package), name), None) for package, names in ANSWERS.items() for name in names}
    print(json.dumps(answers))


if __name__ == "__main__":
    {"check": check, "check_keys": lambda: check(["keys"]), "fill": fill}[sys.argv[1]]()
