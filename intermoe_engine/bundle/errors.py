# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that a bundle raises."""


class BundleError(ValueError):
    """A bundle cannot be used; the message is one line that says why and what to do."""
