# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a training on Lightning: optimizers, averages, checkpoints, curves, several devices."""
