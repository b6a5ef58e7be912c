"""Shows the `>>>` lines of docstrings as Python on the documentation's site, and shapes in annotations as they are."""

import ast
import re
from typing import Any

import griffe

EXAMPLES = re.compile(r"(?:^>>> .*(?:\n|\Z))+", re.MULTILINE)


class ReadableReference(griffe.Extension):
    """Puts fences around such lines, without the prompts, and keeps shapes from being read as expressions."""

    def on_function_node(self, *, node: ast.AST | griffe.ObjectNode, **others: Any) -> None:
        """Changes "B *answer" to " B *answer", which is the same shape and no product."""
        for part in ast.walk(node) if isinstance(node, ast.FunctionDef) else ():
            if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Tuple):
                for shape in part.slice.elts:
                    if isinstance(shape, ast.Constant) and isinstance(shape.value, str) and "*" in shape.value:
                        shape.value = " " + shape.value.strip()

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        """Changes the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLES.sub(_fenced, obj.docstring.value)


def _fenced(found: re.Match[str]) -> str:
    return "```python\n" + re.sub("^>>> ", "", found[0], flags=re.MULTILINE).rstrip() + "\n```\n"
