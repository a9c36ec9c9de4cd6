# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences of different kinds and lengths on which the exported text encoder is compared with torch."""

CAPTIONS = (
    "two people dance salsa",
    "A couple dances salsa, holding hands.",
    "They hug.",
    "hello",
    "The leader turns the follower under his left arm, then both step back and forward again.",
    "Two people shake hands and then walk away from each other.",
    "One person pushes the other, who stumbles backwards and nearly falls.",
    "Two fencers exchange quick thrusts until one of them scores.",
    "one person kneels while the other puts a hand on his shoulder",
    "The first person waves with the right hand; the second person waves back with the left.",
    "Person A kicks at person B's knee and person B blocks it.",
    "a woman teaches a man the basic step of the cha-cha",
    "They circle around each other clockwise, watching carefully.",
    "They circle around each other counterclockwise, watching carefully.",
    "Two old friends meet, laugh, and pat each other on the back.",
    "slow waltz",
    "fast energetic salsa with a double turn and a dip at the end",
    "The man lifts the woman up, spins around once, and sets her down gently.",
    "Both stand still.",
    "Both jump up and high-five each other!",
    "Somebody hands a heavy box to somebody else, who puts it on the ground.",
    "two people play rock-paper-scissors",
    "One of them sits down on a chair and the other one stands behind it with crossed arms.",
    "They argue loudly, gesturing with both hands, and then one storms off.",
    "Two boxers: jab, jab, cross, and the opponent ducks below the last punch.",
    "The two dancers mirror each other's steps side by side facing the audience.",
    "A child pulls at an adult's sleeve to drag them forward.",
    "Deux personnes dansent ensemble.",
    "twO PEOple BOw deepLY, and then - after 3 seconds - bow again ...",
    "In the beginning both partners face each other with joined hands, they rock back on alternating feet, "
    "then the follower is led through a right turn while the leader walks around, after which they "
    "return to the closed position.",
)
