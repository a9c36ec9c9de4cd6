# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws panels without a window: a layout that writes down what Blender would show."""

from __future__ import annotations

from types import SimpleNamespace

import bpy


class Paper:
    """A layout that keeps what is written on it, and refuses what Blender would refuse."""

    def __init__(self, lines: list[str] | None = None) -> None:
        object.__setattr__(self, "lines", [] if lines is None else lines)

    def __setattr__(self, name: str, value: object) -> None:
        assert name in bpy.types.UILayout.bl_rna.properties, f"a layout has no {name}"

    def _part(self, **_: object) -> Paper:
        return Paper(self.lines)

    row = column = box = split = _part

    def label(self, text: str, icon: str = "NONE") -> None:
        self._write(text, icon)

    def prop(
        self,
        owner: bpy.types.bpy_struct,
        name: str,
        text: str | None = None,
        icon: str = "NONE",
        placeholder: str = "",
        expand: bool = False,
    ) -> None:
        properties = owner.bl_rna.properties
        assert name in properties, f"{owner} has no {name}"
        assert properties[name].description, f"{name} has no tooltip"
        self._write(properties[name].name if text is None else text, icon)

    def operator(self, idname: str, text: str | None = None, icon: str = "NONE", **_: object):
        module, name = idname.split(".")
        kind = getattr(getattr(bpy.ops, module), name).get_rna_type()
        assert kind.description, f"{idname} has no tooltip"
        self._write(kind.name if text is None else text, icon)
        return SimpleNamespace()

    def menu(self, idname: str, text: str | None = None, icon: str = "NONE") -> None:
        assert hasattr(bpy.types, idname)
        self._write(getattr(bpy.types, idname).bl_label if text is None else text, icon)

    def prop_search(self, owner, name: str, data, collection: str, text: str, icon: str) -> None:
        assert name in owner.bl_rna.properties and hasattr(data, collection)
        self._write(getattr(owner, name), icon)

    def separator(self) -> None:
        pass

    def template_list(self, kind: str, _id: str, data, dataname: str, _active_data, active: str, rows: int):
        """All rows that the list's own filter leaves."""
        assert active in data.bl_rna.properties
        found = getattr(bpy.types, kind)
        view = _ListView()
        flags, order = [1] * len(getattr(data, dataname)), []
        if hasattr(found, "filter_items"):
            flags, order = found.filter_items(view, bpy.context, data, dataname)
        assert not order
        for index, (row, flag) in enumerate(zip(getattr(data, dataname), flags, strict=True)):
            if flag:
                found.draw_item(view, bpy.context, self, data, row, 0, data, active, index)

    def progress(self, factor: float, type: str, text: str) -> None:
        assert 0 <= factor <= 1
        self._write(text, "NONE")

    def _write(self, text: str, icon: str) -> None:
        icons = bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        assert icon in icons, f"there is no icon {icon}"
        self.lines.append(text)


class _ListView:
    """Stands for the list on the screen."""

    bitflag_filter_item = 1


def drawn(*kinds: type) -> str:
    paper = Paper()
    for kind in kinds:
        if getattr(kind, "poll", None) is None or kind.poll(bpy.context):
            stand_in = type("StandIn", (), {"layout": paper})()
            kind.draw(stand_in, bpy.context)
    return "\n".join(paper.lines)
