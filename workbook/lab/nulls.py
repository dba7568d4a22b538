"""Nulls in requests: in an optional field null says the same as leaving the field out.

Clients send whole objects, what is not set as null (`message.model_dump()`). Knows nothing of which
fields are optional: `schema` does.
"""

from typing import Any

# Objects whose names are the client's own, so that a null in them may mean something.
_FREE = {"metadata", "item", "template_variables"}
_SCHEMAS = {"schema", "parameters", "item_schema"}
# In a JSON Schema: values that may be null, and objects that hold schemas by the client's names.
_VALUES = {"const", "default", "enum", "example", "examples"}
_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}


def without(request: Any) -> Any:
    """The request without its fields that are null; the original stays as it is."""
    if isinstance(request, list):
        return [without(element) for element in request]
    if not isinstance(request, dict):
        return request
    return {
        key: value
        if key in _FREE
        else _schema(value)
        if key in _SCHEMAS and isinstance(value, dict)
        else without(value)
        for key, value in request.items()
        if value is not None
    }


def _schema(schema: Any) -> Any:
    """A JSON Schema without its keywords that are null."""
    if isinstance(schema, list):
        return [_schema(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in _VALUES else _by_name(value) if key in _BY_NAME else _schema(value)
        for key, value in schema.items()
        if value is not None or key in ("const", "default")
    }


def _by_name(schemas: Any) -> Any:
    if not isinstance(schemas, dict):
        return _schema(schemas)
    return {name: _schema(each) for name, each in schemas.items()}
