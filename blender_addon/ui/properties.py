# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets for a take, and what is known about the last one. Both are saved with the scene."""

# Blender reads properties from annotations, so they must stay objects: no postponed annotations here.
# Properties and operators of an extension exist at run time only; the stubs of bpy cannot know them.
# pyright: reportInvalidTypeForm=false, reportAttributeAccessIssue=false

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..takes import stand_rows, touch_rows
from . import bone_rows

MAX_SEED = 2**31 - 1
LONGEST_SECONDS = 60.0


def _is_armature(_settings: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type == "ARMATURE"


def _limbs_of(role: str) -> object:
    return EnumProperty(
        name="Limbs",
        description=f"What is keyed of {role}'s arms and legs, where they have IK controls",
        items=(
            ("fk", "FK", "Upper and lower arms and legs are keyed; IK is switched off during the take"),
            ("ik", "IK", "The IK controls of hands and feet are keyed, with the poles of elbows and knees"),
            ("both", "Both", "FK and IK hold the same motion. The take plays on FK; switch when you like"),
        ),
    )


class InterMoESettings(bpy.types.PropertyGroup):
    """The request of the next take."""

    prompt: StringProperty(
        name="Prompt",
        description="What the two characters do together, in one English sentence",
        default="Two people shake hands",
        maxlen=500,
    )
    actor_a: PointerProperty(
        name="Character A",
        description="Armature of the first character. Its rest pose, transforms and actions are kept",
        type=bpy.types.Object,
        poll=_is_armature,
        update=lambda settings, _context: bone_rows.refresh(settings, "A"),
    )
    actor_b: PointerProperty(
        name="Character B",
        description="Armature of the second character. Its rest pose, transforms and actions are kept",
        type=bpy.types.Object,
        poll=_is_armature,
        update=lambda settings, _context: bone_rows.refresh(settings, "B"),
    )
    limbs_a: _limbs_of("A")
    limbs_b: _limbs_of("B")
    bones_of: EnumProperty(
        name="Bones of",
        description="Whose bones are shown",
        items=(("A", "A", "Bones of character A"), ("B", "B", "Bones of character B")),
    )
    bones_part: EnumProperty(
        name="Part",
        description="Which rows are shown",
        items=(
            ("body", "Body", "Trunk, head, arms and legs"),
            ("fingers", "Fingers", "Fingers, from the knuckle to the tip"),
            ("twist", "Twist", "Twist bones of arms and legs"),
        ),
    )
    bones_search: StringProperty(
        name="Search",
        description="Show the rows whose part of the body or bone holds this text, in all parts",
        options={"TEXTEDIT_UPDATE"},
    )
    bones_doubtful: BoolProperty(
        name="Doubtful Only",
        description="Show only rows that are missing or not sure, in all parts",
        default=False,
    )
    bones_a: PointerProperty(type=bone_rows.InterMoEBoneTable)
    bones_b: PointerProperty(type=bone_rows.InterMoEBoneTable)
    duration: FloatProperty(
        name="Duration",
        description="Length of the take. It is resampled to the frame rate of the scene",
        default=4.0,
        min=0.5,
        max=LONGEST_SECONDS,
        soft_max=10.0,
        step=50,
        precision=1,
        unit="TIME_ABSOLUTE",
    )
    seed: IntProperty(
        name="Seed",
        description="One seed means one motion, on every machine. Change it for another version",
        default=1,
        min=0,
        max=MAX_SEED,
    )
    keep_seed: BoolProperty(
        name="Keep Seed",
        description="On: Generate repeats this seed. Off: every Generate rolls a new one",
        default=True,
    )
    place: EnumProperty(
        name="Place",
        description="Where the pair stands",
        items=(
            ("ORIGIN", "World Origin", "The pair starts at the origin of the world", "WORLD", 0),
            ("CURSOR", "3D Cursor", "The pair starts at the 3D cursor and faces along its turn", "CURSOR", 1),
        ),
    )
    start: EnumProperty(
        name="Start",
        description="Frame of the first key",
        items=(
            ("CURRENT", "Current Frame", "The take starts at the frame shown when you press Generate"),
            ("SCENE", "Scene Start", "The take starts at the first frame of the scene"),
        ),
        default="SCENE",
    )
    recommended: BoolProperty(
        name="Recommended Sampling",
        description="Use the steps and the guidance that the bundle was made for",
        default=True,
    )
    guidance: FloatProperty(
        name="Guidance",
        description="How strictly the motion follows the sentence. Low is freer, high is more literal",
        default=3.5,
        min=0.0,
        max=20.0,
        soft_min=1.0,
        soft_max=8.0,
        step=10,
        precision=1,
    )
    steps: IntProperty(
        name="Steps",
        description="Sampling steps. More take longer and bring finer motion",
        default=50,
        min=1,
        max=1000,
        soft_min=10,
        soft_max=100,
    )
    cleanup: BoolProperty(
        name="Clean Up Motion",
        description="Put feet on the floor, hold them while they stand, and remove jitter",
        default=True,
    )
    leads: EnumProperty(
        name="Who Leads",
        description="Who keeps the pose where the two cannot both keep it and stay in touch",
        items=(
            ("share", "Both Give Way", "Each moves half of the way to stay in touch"),
            ("A", "A Leads", "A keeps the pose; B reaches"),
            ("B", "B Leads", "B keeps the pose; A reaches"),
        ),
    )
    touch_shown: EnumProperty(
        name="Shown",
        description="What is listed",
        items=(
            ("BODIES", "Bodies", "Where the two touch"),
            ("FEET", "Feet", "When feet stand on the floor"),
        ),
    )
    keep_contacts: BoolProperty(
        name="Keep Touches",
        description="Hands that hold, bodies that lean: what touches in the take touches on the characters",
        default=True,
    )
    keep_apart: BoolProperty(
        name="Keep Bodies Apart",
        description="Let the characters sink into each other no deeper than the people of the take do",
        default=True,
    )
    export_preset: EnumProperty(
        name="For",
        description="Axes, units and bones as the target program expects them",
        items=(
            ("BLENDER", "Blender", "Blender's own axes and all bones"),
            ("UNREAL", "Unreal Engine", "Forward Y, up Z, deforming bones only"),
            ("UNITY", "Unity", "Forward -Z, up Y"),
            ("GODOT", "Godot", "Forward -Z, up Y, as Godot's importer reads it"),
        ),
    )
    export_folder: StringProperty(
        name="Folder",
        description="Folder that the FBX files go to. Empty: beside the .blend file",
        subtype="DIR_PATH",
    )
    export_name: StringProperty(
        name="Name",
        description="File name of each character. {take}, {role} (A or B), {rig} and {seed} are filled in",
        default="{take}_{role}_{rig}_{seed}",
    )


class InterMoETakeInfo(bpy.types.PropertyGroup):
    """The last take of the scene: where it lies and what was measured. Follows undo, as its keys do."""

    path: StringProperty(name="Take File", subtype="FILE_PATH")
    prompt: StringProperty(name="Prompt")
    seed: IntProperty(name="Seed")
    action_a: StringProperty(name="Action A")
    action_b: StringProperty(name="Action B")
    rig_a: StringProperty(name="Rig A")
    rig_b: StringProperty(name="Rig B")
    frame_start: IntProperty(name="First Frame")
    frame_end: IntProperty(name="Last Frame")
    pair_scale: FloatProperty(name="Pair Scale")
    distance_min: FloatProperty(name="Smallest Hip Distance")
    distance_median: FloatProperty(name="Median Hip Distance")
    touches: CollectionProperty(type=touch_rows.InterMoETouch)
    active_touch: IntProperty(name="Touch", description="Touch that is shown below the list")
    stands: CollectionProperty(type=stand_rows.InterMoEStand)
    active_stand: IntProperty(name="Foot", description="Foot that is shown below the list")
    fitted_touches: StringProperty()
    report: StringProperty(name="Report", description="What the retargeter measured, as JSON")

    @property
    def exists(self) -> bool:
        return bool(self.path)


CLASSES = (InterMoESettings, InterMoETakeInfo)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.intermoe = PointerProperty(type=InterMoESettings)
    bpy.types.Scene.intermoe_take = PointerProperty(type=InterMoETakeInfo)


def unregister() -> None:
    del bpy.types.Scene.intermoe_take
    del bpy.types.Scene.intermoe
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
