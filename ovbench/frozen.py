"""The base of every record: frozen, strict about keys, described in its JSON Schema."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Frozen(BaseModel):
    """A record: no field may change, and none may be made up.

    The text below a field describes it in the JSON Schema. Source is read only when a schema is
    asked for: pydantic's ``use_attribute_docstrings`` parses it for every class at every start. So
    are validators built when first used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def to_json(self) -> str:
        """The record as JSON text, keys in the order of the fields, with one trailing newline."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _descriptions(cls).items():
            field = cls.model_fields[name]
            properties[field.alias or name].setdefault("description", text)
        return schema


@cache
def _descriptions(cls: type[BaseModel]) -> dict[str, str]:
    """Field → the string below it, of the class and those that it comes from."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(node, ast.ClassDef)
        for field, text in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
                and field.target.id in cls.model_fields
            ):
                found[field.target.id] = inspect.cleandoc(text.value.value)
    return found
