# SPDX-License-Identifier: GPL-3.0-or-later
"""Help with the sentence and the seed."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import random
from functools import lru_cache

import bpy
from bpy.props import EnumProperty

from ..engine import bundle_card
from ..ui.properties import MAX_SEED


@lru_cache(maxsize=2)
def example_items(examples: tuple[bundle_card.Example, ...]) -> tuple[tuple[str, str, str], ...]:
    """Items of a search popup: number, what is listed and searched, tooltip. The cache keeps them alive, as
    Blender does not."""
    items = []
    for number, example in enumerate(examples):
        length = f"Usually takes {example.seconds:.1f} s" if example.seconds else "Keeps the duration"
        listed = f"{example.title}: {example.prompt}" if example.title else example.prompt
        items.append((str(number), listed, f"“{example.prompt}”. {length}"))
    return tuple(items)


def _items(_self: bpy.types.Operator, context: bpy.types.Context | None) -> tuple[tuple[str, str, str], ...]:
    card = bundle_card.current(context or bpy.context)
    return example_items(card.examples if card is not None else ())


class INTERMOE_OT_choose_example(bpy.types.Operator):
    """Search what the bundle knows, and take over a sentence and its usual duration"""

    bl_idname = "intermoe.choose_example"
    bl_label = "Examples"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    bl_property = "example"

    example: EnumProperty(name="Example", items=_items)  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        card = bundle_card.current(context)
        if card is None or not card.examples:
            cls.poll_message_set("The bundle gives no examples")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        card = bundle_card.current(context)
        if card is None or not self.example.isdecimal() or int(self.example) >= len(card.examples):
            self.report({"ERROR"}, "The bundle has changed: choose again")
            return {"CANCELLED"}
        example = card.examples[int(self.example)]
        settings = context.scene.intermoe
        settings.prompt = example.prompt
        if example.seconds is not None:
            settings.duration = min(example.seconds, card.max_duration)
        return {"FINISHED"}


class INTERMOE_OT_roll_seed(bpy.types.Operator):
    """Roll a new seed, for another version of the same sentence"""

    bl_idname = "intermoe.roll_seed"
    bl_label = "Roll Seed"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.intermoe.seed = random_seed()
        return {"FINISHED"}


def random_seed() -> int:
    """A seed that is easy to read aloud and note down."""
    return random.SystemRandom().randrange(min(MAX_SEED, 100_000))


CLASSES = (INTERMOE_OT_choose_example, INTERMOE_OT_roll_seed)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
