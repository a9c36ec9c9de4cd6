# SPDX-License-Identifier: GPL-3.0-or-later
"""Touch: contacts found in a take, and two targets solved together so that they hold."""

from __future__ import annotations

from .contact import Contact, ContactList, SurfacePoint, saved_contacts, with_contacts
from .finding import contacts_of, find_contacts
from .keeping import Touch, keep_in_touch
from .on_take import touch_take
from .parts import PARTS, POINTS

__all__ = [
    "PARTS",
    "POINTS",
    "Contact",
    "ContactList",
    "SurfacePoint",
    "Touch",
    "contacts_of",
    "find_contacts",
    "keep_in_touch",
    "saved_contacts",
    "touch_take",
    "with_contacts",
]
