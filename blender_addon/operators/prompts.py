# SPDX-License-Identifier: GPL-3.0-or-later
"""Help with the sentence and the seed."""
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false, reportGeneralTypeIssues=false

import random

import bpy
from bpy.props import StringProperty

from ..engine import bundle_card
from ..ui.properties import MAX_SEED


class INTERMOE_OT_use_prompt(bpy.types.Operator):
    """Use this sentence as the prompt"""

    bl_idname = "intermoe.use_prompt"
    bl_label = "Use Prompt"
    bl_options = {"INTERNAL", "UNDO"}

    prompt: StringProperty()  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.intermoe.prompt = self.prompt
        return {"FINISHED"}


class INTERMOE_OT_roll_seed(bpy.types.Operator):
    """Roll a new seed, for another version of the same sentence"""

    bl_idname = "intermoe.roll_seed"
    bl_label = "Roll Seed"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.intermoe.seed = random_seed()
        return {"FINISHED"}


class INTERMOE_MT_examples(bpy.types.Menu):
    """Sentences that the bundle knows"""

    bl_idname = "INTERMOE_MT_examples"
    bl_label = "Example Prompts"

    def draw(self, context: bpy.types.Context) -> None:
        card = bundle_card.current(context)
        if card is None or not card.example_prompts:
            self.layout.label(text="The bundle gives no examples")
            return
        for prompt in card.example_prompts:
            self.layout.operator("intermoe.use_prompt", text=prompt, translate=False).prompt = prompt


def random_seed() -> int:
    """A seed that is easy to read aloud and note down."""
    return random.SystemRandom().randrange(min(MAX_SEED, 100_000))


CLASSES = (INTERMOE_OT_use_prompt, INTERMOE_OT_roll_seed, INTERMOE_MT_examples)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
